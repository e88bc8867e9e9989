"""The world as it was read, and ordered for the decisions' questions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from models import (
    AnnouncedCreate,
    AnnouncedLeadWrite,
    AnnouncedTaskWrite,
    KnownTask,
    Lead,
    Link,
    NotText,
    Stray,
    TaskGone,
    UnreadTask,
)

ANOTHER_LIST = "in another List"
# Two times of one service, one of them a `Date` in whole seconds, may be so far apart for one and the same moment.
CLOCK_MARGIN_MS = 2_000
DELETED = "deleted"
# No listing of tasks in use shows a task that is one of these.
UNLISTED = ("archived", ANOTHER_LIST, DELETED)

_RECORD_ID = re.compile(r"rec[0-9A-Za-z]{14}")
_TASK_ID = re.compile(r"[0-9a-z]{2,32}")
_TASK_ADDRESS = re.compile(r"https://app\.clickup\.com/t/([^/?#\s]+)/?(?:[?#]\S*)?")


@dataclass(frozen=True)
class World:
    """Everything that was read, and what the state remembers.

    `leads` and `tasks` are this run's readings by id; None is a lead proven not to be in the table. `complete`: every
    task of the List is known, here or in the state. `full`: both sides were listed whole. `suspects` are tasks that
    must be read before they are believed to exist. `asked` are markers that ClickUp was asked for. `status_since`
    (None: the plan does not tell), `lead_after` and `lead_before` (None: Airtable does not tell) answer the wants of
    these names. `in_view` are the leads in the view (None: no view is set), of those in `view_asked` that is known.
    Tasks created later than `surely_listed` (Unix milliseconds) may be in no listing yet. `airtable_now` is when this
    run began to read Airtable (Unix milliseconds, in Airtable's clock).
    """

    leads: Mapping[str, Lead | None]
    tasks: Mapping[str, KnownTask | TaskGone | UnreadTask]
    links: Mapping[str, Link] = field(default_factory=dict)
    strays: tuple[Stray, ...] = ()
    creates: Mapping[str, AnnouncedCreate] = field(default_factory=dict)
    task_writes: Mapping[str, AnnouncedTaskWrite] = field(default_factory=dict)
    lead_writes: Mapping[str, AnnouncedLeadWrite] = field(default_factory=dict)
    full: bool = False
    complete: bool = True
    suspects: frozenset[str] = frozenset()
    surely_listed: int = 2**63
    airtable_now: int = 0
    in_view: frozenset[str] | None = None
    view_asked: frozenset[str] = frozenset()
    asked: Mapping[str, int] = field(default_factory=dict)
    status_since: Mapping[str, int | None] = field(default_factory=dict)
    lead_after: Mapping[tuple[str, int], bool | None] = field(default_factory=dict)
    lead_before: Mapping[tuple[str, int], bool | None] = field(default_factory=dict)

    def task_write(self, record_id: str, task_id: str) -> AnnouncedTaskWrite | None:
        """The announced write for this lead, if it was sent to this very task."""
        write = self.task_writes.get(record_id)
        return write if write is not None and write.task_id == task_id else None


class Index:
    """The world, ordered for questions: who bears a marker, who names a task."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.link_of_task = {link.task_id: link for link in world.links.values()}
        self.bearers: dict[str, list[KnownTask]] = {}
        self.namers: dict[str, list[Lead]] = {}
        for task in world.tasks.values():
            if isinstance(task, KnownTask) and is_record_id(task.marker):
                self.bearers.setdefault(task.marker, []).append(task)
        for task in self._remembered():
            self.bearers.setdefault(task.marker, []).append(task)
        for lead in world.leads.values():
            reference = parse_reference(lead.task_cell) if lead else None
            if lead and isinstance(reference, str) and reference:
                self.namers.setdefault(reference, []).append(lead)

    def _remembered(self) -> Iterable[KnownTask]:
        """The tasks that only the state knows."""
        read = self.world.tasks
        yield from (remembered(link) for link in self.world.links.values() if link.task_id not in read)
        for stray in self.world.strays:
            if stray.task_id not in self.link_of_task and stray.task_id not in read:
                yield KnownTask(stray.task_id, "", stray.record_id, "", "", stray.created, 0, fresh=False)

    def once_its(self, record_id: str) -> list[Stray]:
        """The tasks that the state knows as this lead's: its link's first, then those that bore its marker, the oldest
        first."""
        link = self.world.links.get(record_id)
        linked = [] if link is None else [Stray(link.task_id, record_id, link.created)]
        strays = [stray for stray in self.world.strays if stray.record_id == record_id]
        return [*linked, *sorted(strays, key=lambda stray: (stray.created, stray.task_id))]

    def task(self, task_id: str) -> KnownTask | TaskGone | UnreadTask | None:
        """What is known of a task; None where it has to be read first."""
        read = self.world.tasks.get(task_id)
        if read is not None:
            return read
        link = self.link_of_task.get(task_id)
        if link is None or task_id in self.world.suspects or link.elsewhere in UNLISTED:
            return None
        if self.world.full and self.world.complete:
            return None
        return remembered(link)


def remembered(link: Link) -> KnownTask:
    """A linked task as the state last saw it."""
    return KnownTask(
        link.task_id,
        link.seen_status,
        link.record_id,
        link.seen_name,
        link.seen_description,
        link.created,
        0,
        link.elsewhere,
        fresh=False,
    )


def is_record_id(text: str) -> bool:
    """Whether a text has the form of an Airtable record id."""
    return _RECORD_ID.fullmatch(text) is not None


def parse_reference(cell: str | NotText) -> str | NotText:
    """The task id that a Task ID cell names, "" for none; `NotText` where it names nothing that can be a task id.

    A task's address is understood as its id. Internal ids are lower-case letters and digits:
    https://developer.clickup.com/docs/general-v2-v3-api
    """
    if isinstance(cell, NotText) or cell == "" or _TASK_ID.fullmatch(cell):
        return cell
    found = _TASK_ADDRESS.fullmatch(cell)
    text = found.group(1) if found else cell
    text = text.removeprefix("#").removeprefix("CU-")
    return text if _TASK_ID.fullmatch(text) else NotText(cell)
