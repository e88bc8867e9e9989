"""Status of a linked pair: the table, and before it our own announced writes among what was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from decisions.kept import with_base
from decisions.rules import Rules
from models import AnnouncedLeadWrite, AnnouncedTaskWrite, KnownTask, Lead, Link, Notice, NotText
from status_map import fold
from text import visible
from world import ANOTHER_LIST, UNLISTED, World

MOST_RESTORES = 3
NEWER_BY_MS = 60_000


@dataclass(frozen=True, slots=True)
class StatusPair:
    """The two statuses now, the base, and what is known of how they came to be.

    `newer`: without a base, ClickUp's status is provably the newer by more than a minute. `doubtful`: one of our own
    writes may or may not have been undone by a person. `undone_on_task`, `undone_on_lead`: the status of such a write
    that a person undid. `at_home`: the task is in the List of the settings, whose statuses are known.
    """

    lead: str | NotText
    task: str
    base: tuple[str, str] | None
    restores: int = 0
    newer: bool = False
    doubtful: bool = False
    undone_on_task: str = ""
    undone_on_lead: str = ""
    at_home: bool = True


@dataclass(frozen=True, slots=True)
class StatusDecision:
    """What becomes of a pair's status: at most one of the two writes, and where the base moves without one."""

    rule: str
    task_status: str | None = None
    lead_status: str | None = None
    base: tuple[str, str] | None = None
    restore: bool = False
    conflict_winner: str = ""
    problem: str = ""
    hint: str = ""
    problem_phase: int = 1


def decide_status(pair: StatusPair, rules: Rules) -> StatusDecision:
    """The table for the status of a linked pair; the first row that fits decides."""
    statuses, a, c = rules.statuses, pair.lead, pair.task
    if isinstance(a, NotText):
        return _not_text(a, rules)
    odd = unmapped(a, c, rules)
    if odd is not None:
        return odd
    back = statuses.back(c)
    if a == "":
        changed = pair.base is None or fold(c) != fold(pair.base[1])
        if changed and back is not None:
            return StatusDecision("the lead has no status and the task's leads back", lead_status=back)
        # The blank is remembered, so that a status typed afterwards is a change, whatever stood there before.
        return StatusDecision("the lead has no status", base=(a, c))
    if statuses.agree(a, c):
        return StatusDecision("both sides agree", base=(a, c))
    mapped = statuses.forward(a)
    if pair.base is None:
        return _without_base(pair, mapped, back)
    return _since_base(pair, a, pair.base, mapped, back, rules)


def _since_base(
    pair: StatusPair, a: str, base: tuple[str, str], mapped: str | None, back: str | None, rules: Rules
) -> StatusDecision:
    """The rows for a pair that disagrees now and agreed once."""
    c = pair.task
    lead_changed = fold(a) != fold(base[0])
    task_changed = fold(c) != fold(base[1])
    if task_changed and back is not None and pair.at_home and not rules.in_list(base[1]):
        # The List may have renamed its status: that moves all its tasks, and is nobody's change of one.
        return StatusDecision(
            "the List has the earlier status no more; Airtable stands", task_status=mapped, conflict_winner="airtable"
        )
    if pair.doubtful or (lead_changed and task_changed):
        if rules.conflict_winner == "clickup" and back is not None:
            return StatusDecision("both sides changed; ClickUp stands", lead_status=back, conflict_winner="clickup")
        return StatusDecision("both sides changed; Airtable stands", task_status=mapped, conflict_winner="airtable")
    if lead_changed:
        return StatusDecision("the lead's status changed", task_status=mapped)
    if not task_changed:
        return StatusDecision("the sides disagree though neither changed", task_status=mapped)
    if back is not None:
        return StatusDecision("the task's status changed", lead_status=back)
    return _no_way_back(c, mapped, pair.restores)


def _no_way_back(task_status: str, mapped: str | None, restores: int) -> StatusDecision:
    if restores >= MOST_RESTORES:
        return StatusDecision(
            "restored too often",
            problem=f"the task is '{visible(task_status)}' again after {MOST_RESTORES} restores; no row of the status "
            "map leads back from it, so it is left alone",
            hint="look for a ClickUp automation that moves it, or change the lead's status, or give the task's status "
            "a two-way row in STATUS_MAP",
        )
    return StatusDecision("restored: no row leads back from the task's status", task_status=mapped, restore=True)


def _not_text(status: NotText, rules: Rules) -> StatusDecision:
    return StatusDecision(
        "the lead's status is not text",
        problem=f"the lead's status is not text: {visible(status.shown)[:200]}",
        hint=f"make '{rules.status_field}' a single select or a text field",
    )


def unmapped(lead: str, task: str, rules: Rules) -> StatusDecision | None:
    """The first row of the table: a status without a row is left alone on both sides, in silence if it is ignored.

    Each side by itself: a status with a row follows it, whatever the other side ignores under the same name.
    """
    lead_odd = lead != "" and rules.statuses.forward(lead) is None
    task_odd = not rules.statuses.has_task(task)
    if lead_odd and fold(lead) not in rules.ignored:
        return _no_row("lead", lead, phase=1)
    if task_odd and fold(task) not in rules.ignored:
        return _no_row("task", task, phase=2)
    return StatusDecision("ignored status") if lead_odd or task_odd else None


def _no_row(side: str, status: str, phase: int) -> StatusDecision:
    return StatusDecision(
        f"the {side}'s status has no row",
        problem=f"the {side}'s status '{visible(status)}' has no row in STATUS_MAP",
        hint=f"add a row for '{visible(status)}' to STATUS_MAP, or name it in IGNORED_STATUSES",
        problem_phase=phase,
    )


def without_row(status: str | NotText, rules: Rules) -> StatusDecision | None:
    """What is wrong with the status of a lead that would get a task; None where it has a row, or is blank."""
    if isinstance(status, NotText):
        return _not_text(status, rules)
    return unmapped(status, rules.statuses.first.task, rules)


def _without_base(pair: StatusPair, mapped: str | None, back: str | None) -> StatusDecision:
    if pair.newer and back is not None:
        return StatusDecision(
            "nothing is known of earlier; ClickUp's status is newer", lead_status=back, conflict_winner="clickup"
        )
    return StatusDecision(
        "nothing is known of earlier; Airtable stands", task_status=mapped, conflict_winner="airtable"
    )


# --- our own announced writes -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settled:
    """The base after our own announced writes were recognised among what was read."""

    base: tuple[str, str] | None
    doubtful: bool = False


def settle_task_write(
    base: tuple[str, str] | None, task_status: str, write: AnnouncedTaskWrite, touched: bool | None
) -> Settled:
    """A task status that we announced is ours, and nobody's change.

    `touched`: whether the task's status changed after the write was sent; None where nothing tells.
    """
    if not write.status:
        return Settled(base)
    before = None if base is None else base[1]
    return _settled(base, (write.lead_status, write.status), task_status, before, write.status, touched)


def settle_lead_write(
    base: tuple[str, str] | None, lead_status: str | NotText, write: AnnouncedLeadWrite, touched: bool | None
) -> Settled:
    """The same of a lead status that we announced."""
    if isinstance(lead_status, NotText):
        return Settled(base)
    before = None if base is None else base[0]
    return _settled(base, (write.status, write.task_status), lead_status, before, write.status, touched)


def _settled(
    base: tuple[str, str] | None,
    moved: tuple[str, str],
    shown: str,
    before: str | None,
    written: str,
    touched: bool | None,
) -> Settled:
    if fold(shown) == fold(written):
        return Settled(moved)
    if before is None or fold(shown) != fold(before) or touched is False:
        return Settled(base)
    return Settled(moved) if touched else Settled(base, doubtful=True)


def settle(lead: Lead, link: Link, task: KnownTask, world: World) -> tuple[StatusPair, Link]:
    """First of all: a value equal to one announced for that side is ours; it moves the base."""
    base, doubtful, undone_on_task, undone_on_lead = link.base, False, "", ""
    task_write = world.task_write(lead.id, task.id)
    if task_write:
        settled = settle_task_write(base, task.status, task_write, _touched(lead, link, task, task_write, world))
        base, doubtful = settled.base, settled.doubtful
        if base != link.base and fold(task.status) != fold(task_write.status):
            undone_on_task = task_write.status
    lead_write = world.lead_writes.get(lead.id)
    if lead_write and lead_write.task_id == task.id:
        settled = settle_lead_write(base, lead.status, lead_write, world.lead_after[lead.id, lead_write.sent])
        if settled.base != base and isinstance(lead.status, str) and fold(lead.status) != fold(lead_write.status):
            undone_on_lead = lead_write.status
        base, doubtful = settled.base, doubtful or settled.doubtful
    if base != link.base:
        link = with_base(link, base)
    newer = False
    began = world.status_since.get(task.id)
    if base is None and began is not None:
        newer = bool(world.lead_before.get((lead.id, began - NEWER_BY_MS)))
    undone = (undone_on_task, undone_on_lead)
    return StatusPair(
        lead.status, task.status, base, link.restores, newer, doubtful, *undone, task.elsewhere != ANOTHER_LIST
    ), link


def _touched(lead: Lead, link: Link, task: KnownTask, write: AnnouncedTaskWrite, world: World) -> bool | None:
    """Whether the task's status was changed after our announced write was sent; None where nothing tells.

    The time in a status begins anew when a task is moved to another List, so it tells nothing of a task that was moved.
    """
    if not may_be_touched(link, task, write):
        return False
    known, began = world.links.get(lead.id), world.status_since.get(task.id)
    if began is None or (known is not None and known.elsewhere != task.elsewhere):
        return None
    return began > write.sent


def may_be_touched(link: Link, task: KnownTask, write: AnnouncedTaskWrite) -> bool:
    """Whether a task that still has its old status was written to after our announced write was sent.

    A second of margin: the time of sending comes from the whole seconds of a `Date` header.
    """
    unchanged = link.base is not None and fold(task.status) == fold(link.base[1])
    return (
        bool(write.status)
        and unchanged
        and fold(task.status) != fold(write.status)
        and (task.updated > write.sent + 1000)
    )


def moved_unseen_notices(write: AnnouncedTaskWrite | None, task: KnownTask, known: Link | None) -> Iterator[Notice]:
    """A status of ours that got no answer shows on a task of which no poll had told that it was archived or moved."""
    if write is None or known is None or not write.status:
        return
    if fold(task.status) == fold(write.status) and moved_unseen(task, known):
        yield Notice(known.record_id, task.id, unseen_before(task))


def moved_unseen(task: KnownTask, known: Link) -> bool:
    """Whether a task turns out to be where no poll shows what people do to it."""
    return task.elsewhere in UNLISTED and known.elsewhere not in UNLISTED


def unseen_before(task: KnownTask) -> str:
    """What people are told where we wrote a status over one that we had not seen."""
    return (
        f"the task had meanwhile been moved ({task.elsewhere}); whatever its status was, it is now "
        f"'{visible(task.status)}'"
    )
