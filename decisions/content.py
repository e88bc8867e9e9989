"""Name and details, lead to task only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from decisions.kept import EMPTY, having, with_base
from models import AnnouncedTaskWrite, KnownTask, Lead, Link, Notice
from status_map import fold
from text import digest, visible

_UNANSWERED = "sent and got no answer"


@dataclass(frozen=True, slots=True)
class ContentDecision:
    """The name and description to write, None where there is nothing to write, and what people should be told."""

    name: str | None = None
    description: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return self.name is not None or self.description is not None


def decide_content(
    lead: Lead, link: Link, task: KnownTask, announced: AnnouncedTaskWrite | None, before: Link | None
) -> ContentDecision:
    """Name and details go to the task when the lead's values differ from the base; people's own text stays.

    What a write without an answer did not visibly bring is written once more, or it would be lost if it never arrived.
    `before` is the link as the state knew it, with what was last seen of the task.
    """
    name = description = None
    notices: list[str] = []
    if digest(lead.name) != link.name and task.name != digest(lead.name):
        name = lead.name
        ours = {link.answered_name} | ({announced.name} if announced else set())
        if task.name not in ours:
            notices.append(
                f"the task had been renamed in ClickUp to '{visible(task.shown_name)}'; the lead's new name replaces it"
            )
        elif announced is not None and _edited_since(task, announced, announced.name, task.name):
            notices.append(
                f"a new name was {_UNANSWERED}, and the task has been edited since; the lead's name replaces "
                f"'{visible(task.shown_name)}'"
            )
    if lead.details != link.details and task.description != digest(lead.description):
        ours = {link.answered_description} | ({announced.description} if announced else set())
        if task.description in ours:
            description = lead.description
            if announced is not None and _edited_since(task, announced, announced.description, task.description):
                notices.append(
                    f"new details were {_UNANSWERED}, and the task has been edited since; its description shows the "
                    "earlier ones, and the lead's replace them"
                )
        else:
            notices.append("the lead's details changed, but people have edited the task's description: theirs stays")
    if announced is not None and before is not None:
        notices.extend(_kept_though_taken_back(lead, link, task, announced, before))
    return ContentDecision(name, description, tuple(notices))


def _edited_since(task: KnownTask, write: AnnouncedTaskWrite, sent: str, shown: str) -> bool:
    """Whether people may have put back what a write without an answer had replaced.

    A second of margin: the time of sending comes from the whole seconds of a `Date` header.
    """
    return sent not in ("", shown) and task.updated > write.texts_sent + 1000


def _kept_though_taken_back(
    lead: Lead, link: Link, task: KnownTask, write: AnnouncedTaskWrite, before: Link
) -> Iterator[str]:
    """Whether a write without an answer arrived cannot be told once people have edited what it wrote. Where the lead
    has its old value again, nothing is written, and theirs stays."""
    since = f"{_UNANSWERED}, and the lead has its old"
    names = (write.name, link.name, link.answered_name, before.seen_name)
    if write.name not in ("", link.name) and digest(lead.name) == link.name and task.name not in names:
        yield f"another name was {since} one again; the task keeps '{visible(task.shown_name)}'"
    texts = (write.description, link.answered_description, digest(lead.description), before.seen_description)
    if write.description and lead.details == link.details and task.description not in texts:
        yield f"other details were {since} ones again; people have edited the task's description: theirs stays"


def with_texts_that_arrived(link: Link, task: KnownTask, write: AnnouncedTaskWrite | None) -> Link:
    """A name or description that we announced and the task bears was brought, so that taking it back is a change.

    The announcement does not hold the digest of the details, so "" stands for it: no lead's details equal that.
    """
    if write is None:
        return link
    if task.name == write.name:
        link = having(link, name=write.name, answered_name=task.name)
    if task.description == write.description:
        link = having(link, details="", answered_description=task.description)
    return link


def with_what_arrived(link: Link, task: KnownTask, write: AnnouncedTaskWrite) -> Link:
    """The same of a pair that is not decided now, its status included. The write stays announced."""
    link = with_texts_that_arrived(link, task, write)
    if not write.status:
        return having(link, seen_status=task.status)
    if fold(task.status) == fold(write.status):
        link = having(with_base(link, (write.lead_status, write.status)), seen_status=task.status)
    return link


def with_texts_of_the_lead(link: Link, lead: Lead, task: KnownTask) -> Link:
    """A name or description that is just what we would write is ours, whoever typed it; what it replaced is not."""
    if task.name == digest(lead.name):
        link = having(link, answered_name=task.name)
    if lead.description and task.description == digest(lead.description):
        link = having(link, answered_description=task.description)
    return link


def own_text_notices(lead: Lead, task: KnownTask) -> Iterator[Notice]:
    """A task that is linked without a create of ours keeps its texts: which side changed last is not known."""
    differing = [
        what
        for what, differs in (
            (f"its name '{visible(task.shown_name)}'" if task.fresh else "its name", task.name != digest(lead.name)),
            ("its description", task.description not in (EMPTY, digest(lead.description))),
        )
        if differs
    ]
    if differing:
        text = f"linked; the task keeps {' and '.join(differing)} until the lead's changes"
        yield Notice(lead.id, task.id, text)
