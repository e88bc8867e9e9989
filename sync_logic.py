"""The decisions: what a run does, and why, from what was read. Pure: no I/O, no clock, no logging.

`plan` takes the world as it was read and answers either a `Plan`, or `Wanted`: readings without which nothing certain
can be said. The rooms, in the order of the design's tables: statuses of a linked pair (`decide_status`), name and
details (`decide_content`), which task belongs to a lead (`resolve`), and the brake (`status_changes`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models import (
    AnnouncedCreate,
    AnnouncedLeadWrite,
    AnnouncedTaskWrite,
    Change,
    Conflict,
    CreateTask,
    Failure,
    KnownTask,
    Lead,
    Link,
    Notice,
    NotText,
    Plan,
    TaskGone,
    UnreadTask,
    UpdateLead,
    UpdateTask,
    Wanted,
)
from status_map import StatusMap, fold
from text import digest, visible
from world import ANOTHER_LIST, CLOCK_MARGIN_MS, Index, World, is_record_id, parse_reference

MOST_RESTORES = 3
LEAD_GONE = "not in the table"
NEWER_BY_MS = 60_000
EMPTY = digest("")

_NOT_SHOWN = "it may still be shown as it was before this program's last write"

_CUSTOM_ADDRESS = re.compile(r"https://app\.clickup\.com/t/\d+/[^/?#\s]+/?(?:[?#]\S*)?")


@dataclass(frozen=True)
class Rules:
    """The settings that decide. `task_spelling` and `lead_spelling` say how each side spells a folded status."""

    statuses: StatusMap
    ignored: frozenset[str] = frozenset()
    conflict_winner: str = "airtable"
    missing_task: str = "report"
    doubt_ms: int = 120_000
    name_field: str = "Name"
    status_field: str = "Status"
    task_id_field: str = "ClickUp Task ID"
    task_spelling: Mapping[str, str] = field(default_factory=dict)
    lead_spelling: Mapping[str, str] = field(default_factory=dict)

    def for_task(self, status: str) -> str:
        """A task status as the List spells it."""
        return self.task_spelling.get(fold(status), status)

    def for_lead(self, status: str) -> str:
        """A lead status as the table spells it."""
        return self.lead_spelling.get(fold(status), status)


# --- 4.1 status of a linked pair ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusPair:
    """The two statuses now, the base, and what is known of how they came to be.

    `newer`: without a base, ClickUp's status is provably the newer by more than a minute. `doubtful`: one of our own
    writes may or may not have been undone by a person. `taken_back`: the status of such a write that a person undid.
    """

    lead: str | NotText
    task: str
    base: tuple[str, str] | None
    restores: int = 0
    newer: bool = False
    doubtful: bool = False
    taken_back: str = ""


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
    unmapped = _unmapped(a, c, rules)
    if unmapped is not None:
        return unmapped
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
    lead_changed = fold(a) != fold(pair.base[0])
    task_changed = fold(c) != fold(pair.base[1])
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


def _unmapped(lead: str, task: str, rules: Rules) -> StatusDecision | None:
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


def _without_base(pair: StatusPair, mapped: str | None, back: str | None) -> StatusDecision:
    if pair.newer and back is not None:
        return StatusDecision(
            "nothing is known of earlier; ClickUp's status is newer", lead_status=back, conflict_winner="clickup"
        )
    return StatusDecision(
        "nothing is known of earlier; Airtable stands", task_status=mapped, conflict_winner="airtable"
    )


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


# --- 4.2 name and details, lead to task only --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContentDecision:
    """The name and description to write, None where there is nothing to write, and what people should be told."""

    name: str | None = None
    description: str | None = None
    notices: tuple[str, ...] = ()


def decide_content(lead: Lead, link: Link, task: KnownTask, announced: AnnouncedTaskWrite | None) -> ContentDecision:
    """Name and details go to the task when the lead's values differ from the base; people's own text stays."""
    name = description = None
    notices: list[str] = []
    if digest(lead.name) != link.name and task.name != digest(lead.name):
        name = lead.name
        ours = {link.answered_name} | ({announced.name} if announced else set())
        if task.name not in ours:
            notices.append(
                f"the task had been renamed in ClickUp to '{visible(task.shown_name)}'; the lead's new name replaces it"
            )
    if lead.details != link.details and task.description != digest(lead.description):
        ours = {link.answered_description} | ({announced.description} if announced else set())
        if task.description in ours:
            description = lead.description
        else:
            notices.append("the lead's details changed, but people have edited the task's description: theirs stays")
    return ContentDecision(name, description, tuple(notices))


# --- 4.3 which task belongs to a lead ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Linked:
    """The lead names its task. `claim`: the task's marker has to be set first."""

    task: KnownTask
    claim: bool = False


@dataclass(frozen=True, slots=True)
class Adopted:
    """A task bears the lead's marker and the lead does not name it. `claim`: it lost its marker, which is set again."""

    task: KnownTask
    claim: bool = False


@dataclass(frozen=True, slots=True)
class Unlinked:
    """The lead has no task; `create` says whether it gets one now."""

    create: bool
    reason: str


_OUTSIDE_VIEW = Unlinked(False, "not in the view")


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nothing may be written for this lead. `left`: it waits for a later run and nothing is wrong with it."""

    task_id: str
    error: str
    hint: str = ""
    left: bool = False


Resolution = Linked | Adopted | Unlinked | Undecided | Wanted


def resolve(lead: Lead, index: Index, rules: Rules) -> Resolution:
    """The table of links: the task that a lead names, the one that bears its marker, or none."""
    named = parse_reference(lead.task_cell)
    if isinstance(named, NotText):
        return Undecided(
            "",
            f"'{rules.task_id_field}' holds {visible(named.shown)[:200]!r}, which is no task id",
            _address_hint(named.shown, rules),
        )
    if named == "":
        return _without_reference(lead, index, rules, "", "the lead has no task yet")
    task = index.task(named)
    if task is TaskGone.DELETED:
        if rules.missing_task == "recreate":
            why = "its task was deleted, and MISSING_TASK is recreate"
            found = _without_reference(lead, index, rules, named, why)
            return Undecided(named, _NOT_RECREATED, _NOT_RECREATED_HINT) if found == _OUTSIDE_VIEW else found
        return Undecided(
            named,
            "its task was deleted in ClickUp",
            "restore the task from ClickUp's trash; or empty the lead's "
            f"'{rules.task_id_field}' to get a new task, or set MISSING_TASK=recreate",
        )
    if task is TaskGone.HIDDEN:
        return _hidden(named, rules)
    if isinstance(task, UnreadTask):
        return Undecided(named, task.error, task.hint, task.left)
    if not isinstance(task, KnownTask):
        short = index.world.full and not index.world.complete
        return _not_complete(named) if short else Wanted(tasks=frozenset({named}))
    if task.marker == lead.id:
        return Linked(task)
    if not is_record_id(task.marker):
        return _claim(lead, task, index, rules)
    return _named_with_foreign_marker(lead, task, index, rules)


_NOT_RECREATED = "its task was deleted in ClickUp, and it gets no new one: it is not in AIRTABLE_VIEW"
_NOT_RECREATED_HINT = (
    "restore the task from ClickUp's trash; or bring the lead into the view to get a new task, or empty its Task ID"
)


def _hidden(task_id: str, rules: Rules) -> Undecided:
    """A hidden task may well live on, so nothing but another task that a person names may take its place."""
    return Undecided(
        task_id,
        "its task cannot be seen with this token",
        "share the task with the token's user; if it is gone for good, create a task in ClickUp by hand and put its "
        f"id into the lead's '{rules.task_id_field}': emptying that makes no new one",
    )


def _address_hint(cell: str, rules: Rules) -> str:
    if _CUSTOM_ADDRESS.fullmatch(cell):
        return "custom task ids are not supported: copy the task's plain id with 'Copy ID', or empty the cell"
    return f"empty '{rules.task_id_field}', or put the id of the lead's task there"


def _named_with_foreign_marker(lead: Lead, task: KnownTask, index: Index, rules: Rules) -> Resolution:
    owner_id = task.marker
    if owner_id not in index.world.leads:
        return Wanted(leads=frozenset({owner_id}))
    owner = index.world.leads[owner_id]
    if owner is None:
        return _claim(lead, task, index, rules)
    if parse_reference(owner.task_cell) == task.id:
        return _without_reference(lead, index, rules, task.id, f"the row is a copy of lead {owner_id}")
    return Undecided(
        task.id,
        f"it names task {task.id}, whose custom field names lead {owner_id}; one of the two was mistyped or swapped",
        f"put the right id into '{rules.task_id_field}' of both leads, or the right record id into the task's field",
    )


def _claim(lead: Lead, task: KnownTask, index: Index, rules: Rules) -> Resolution:
    """A task without a living owner goes to the oldest lead that names it."""
    link = index.link_of_task.get(task.id)
    if link is not None and link.record_id not in index.world.leads:
        return Wanted(leads=frozenset({link.record_id}))
    if link is None and task.elsewhere == ANOTHER_LIST and is_record_id(task.marker):
        return Undecided(
            task.id,
            f"it names task {task.id}, which is in another List and belongs to record {task.marker} of another table",
            f"if the row is a copy, empty its '{rules.task_id_field}'; if the task is its own, put {lead.id} into the "
            "task's custom field",
        )
    oldest = min(index.namers[task.id], key=lambda each: (each.created, each.id))
    if oldest.id == lead.id:
        # Where the task lives in another List, the custom field need not exist.
        return Linked(task, claim=task.elsewhere != ANOTHER_LIST or task.marker != "")
    return Undecided(
        task.id,
        f"it names task {task.id}, which the older lead {oldest.id} names as well",
        f"empty '{rules.task_id_field}' of the lead that the task does not belong to",
    )


def _without_reference(lead: Lead, index: Index, rules: Rules, not_this: str, why: str) -> Resolution:
    """A lead whose cell is empty, or is read as if it were since it names `not_this`: adopt, create, or nothing."""
    bearers = [task for task in index.bearers.get(lead.id, ()) if task.id != not_this]
    unread = [task.id for task in bearers if not task.fresh and index.world.tasks.get(task.id) is None]
    if unread:
        return Wanted(tasks=frozenset(unread))
    if bearers:
        link = index.world.links.get(lead.id)
        linked = link.task_id if link is not None else ""
        return Adopted(min(bearers, key=lambda task: (task.id != linked, task.created, task.id)))
    for task_id in index.once_its(lead.id):
        if task_id == not_this:
            continue
        task = index.world.tasks.get(task_id)
        if task is None:
            return Wanted(tasks=frozenset({task_id}))
        if task is TaskGone.HIDDEN:
            return _hidden(task_id, rules)
        if isinstance(task, UnreadTask):
            return Undecided(task_id, task.error, task.hint, task.left)
        link = index.link_of_task.get(task_id)
        unmarked = isinstance(task, KnownTask) and not is_record_id(task.marker) and task_id not in index.namers
        if isinstance(task, KnownTask) and unmarked and link is not None and link.record_id == lead.id:
            return Adopted(task, claim=task.elsewhere != ANOTHER_LIST)
    return _unlinked(lead, index, rules, why)


def _unlinked(lead: Lead, index: Index, rules: Rules, why: str) -> Resolution:
    world = index.world
    announced = world.creates.get(lead.id)
    if announced is not None:
        if lead.id not in world.asked:
            return Wanted(markers=frozenset({lead.id}))
        if world.asked[lead.id] - announced.sent < rules.doubt_ms:
            return Undecided(
                "",
                "its task may have been created by an earlier request whose answer was lost",
                "nothing to do: a later run asks ClickUp again before it creates anything",
                left=True,
            )
    if world.in_view is not None and lead.id not in world.in_view:
        return _OUTSIDE_VIEW
    unmapped = _without_row(lead.status, rules)
    if unmapped is not None:
        return Undecided("", unmapped.problem, unmapped.hint) if unmapped.problem else Unlinked(False, unmapped.rule)
    if not world.complete:
        return _not_complete("")
    return Unlinked(True, why)


def _not_complete(task_id: str) -> Undecided:
    return Undecided(
        task_id,
        "no task is created or linked while the reading of the List is not complete",
        "run again; if it stays so, ClickUp's listing leaves tasks out",
        left=True,
    )


def _without_row(status: str | NotText, rules: Rules) -> StatusDecision | None:
    """What is wrong with the status of a lead that would get a task; None where it has a row, or is blank."""
    if isinstance(status, NotText):
        return _not_text(status, rules)
    return _unmapped(status, rules.statuses.first.task, rules)


# --- the plan ---------------------------------------------------------------------------------------------------------


def subjects(world: World) -> frozenset[str]:
    """The leads that have to be decided: those read, and those whose task moved away from the base, or back to it."""
    chosen = set(world.leads)
    by_task = {link.task_id: link for link in world.links.values()}
    for task_id, task in world.tasks.items():
        link = by_task.get(task_id)
        if not isinstance(task, KnownTask):
            if link is not None:
                chosen.add(link.record_id)
            continue
        if link is None:
            if is_record_id(task.marker):
                chosen.add(task.marker)
        elif task.marker != link.record_id or _moved(link, task):
            chosen.add(link.record_id)
            if is_record_id(task.marker):
                chosen.add(task.marker)
    chosen.update(world.creates, world.task_writes, world.lead_writes)
    if world.full:
        chosen.update(world.links)
        chosen.update(stray.record_id for stray in world.strays)
    return frozenset(chosen)


def _moved(link: Link, task: KnownTask) -> bool:
    return link.base is None or not fold(task.status) == fold(link.base[1]) == fold(link.seen_status)


class _Draft:
    """The plan while it is being made."""

    def __init__(self) -> None:
        self.creates: list[CreateTask] = []
        self.task_updates: list[UpdateTask] = []
        self.lead_updates: list[UpdateLead] = []
        self.links: list[Link] = []
        self.settled_creates: set[str] = set()
        self.settled_task_writes: set[str] = set()
        self.settled_lead_writes: set[str] = set()
        self.failed: list[Failure] = []
        self.notices: list[Notice] = []
        self.conflicts: list[Conflict] = []
        self.left: list[Failure] = []
        self.unchanged = 0
        self.verdicts: dict[str, str] = {}
        self.wanted: list[Wanted] = []

    def plan(self) -> Plan:
        return Plan(
            tuple(self.creates),
            tuple(self.task_updates),
            tuple(self.lead_updates),
            tuple(self.links),
            frozenset(self.settled_creates),
            frozenset(self.settled_task_writes),
            frozenset(self.settled_lead_writes),
            tuple(self.failed),
            tuple(self.notices),
            tuple(self.conflicts),
            tuple(self.left),
            self.unchanged,
            self.verdicts,
        )


def plan(world: World, chosen: Iterable[str], rules: Rules) -> Plan | Wanted:
    """Decide everything for the chosen leads, or say what has to be read first."""
    index = Index(world)
    draft = _Draft()
    decided = sorted(chosen)
    for record_id in decided:
        if record_id not in world.leads:
            draft.wanted.append(Wanted(leads=frozenset({record_id})))
            continue
        lead = world.leads[record_id]
        if lead is None:
            _lead_gone(record_id, index, rules, draft)
        else:
            _decide(lead, index, rules, draft)
    if draft.wanted:
        return _all_wanted(draft.wanted)
    _observe_others(index, frozenset(decided), draft)
    return draft.plan()


def _all_wanted(wanted: list[Wanted]) -> Wanted:
    return Wanted(
        leads=frozenset().union(*(each.leads for each in wanted)),
        tasks=frozenset().union(*(each.tasks for each in wanted)),
        markers=frozenset().union(*(each.markers for each in wanted)),
        task_status_since=frozenset().union(*(each.task_status_since for each in wanted)),
        lead_status_after=frozenset().union(*(each.lead_status_after for each in wanted)),
        lead_status_before=frozenset().union(*(each.lead_status_before for each in wanted)),
    )


def _lead_gone(record_id: str, index: Index, rules: Rules, draft: _Draft) -> None:
    """A marker or a link names a lead that is not in the table: the task is reported, never touched."""
    draft.verdicts[record_id] = LEAD_GONE
    draft.settled_lead_writes.add(record_id)
    draft.settled_task_writes.add(record_id)
    link = index.world.links.get(record_id)
    if record_id in index.world.lead_writes and link is not None:
        draft.links.append(_with(link, base=None))  # whether it arrived shows only if the row is restored
    write = index.world.task_writes.get(record_id)
    if write is not None and write.task_id not in index.world.tasks:
        draft.wanted.append(Wanted(tasks=frozenset({write.task_id})))
    announced = index.world.creates.get(record_id)
    if announced is not None and record_id not in index.world.asked:
        draft.wanted.append(Wanted(markers=frozenset({record_id})))
    elif announced is not None and index.world.asked[record_id] - announced.sent >= rules.doubt_ms:
        draft.settled_creates.add(record_id)  # a row that is restored before this must not get a second task
    for task in index.bearers.get(record_id, ()):
        if task.fresh and task.id not in index.namers:
            draft.notices.append(Notice(record_id, task.id, "the task's lead is not in the table; it is left alone"))


def _observe_others(index: Index, decided: frozenset[str], draft: _Draft) -> None:
    """Keep what was read of linked tasks whose leads needed no decision, or are in the trash and may be restored."""
    taken = {link.task_id for link in draft.links}
    for task_id, task in index.world.tasks.items():
        link = index.link_of_task.get(task_id)
        if link is None or task_id in taken or not isinstance(task, KnownTask):
            continue
        gone = link.record_id in decided and index.world.leads[link.record_id] is None
        if link.record_id not in decided or gone:
            seen = _seen(link, task)
            write = index.world.task_writes.get(link.record_id)
            if gone and write is not None and write.task_id == task_id:
                base = settle_task_write(link.base, task.status, write, touched=False).base
                seen = _with(_with_texts_that_arrived(seen, task, write), base=base)
            if seen is not link and seen != link:
                draft.links.append(seen)
            draft.unchanged += int(not gone)


def _with(link: Link, **values: Any) -> Link:
    """The link with these values: itself where it has them already, as nearly every link of a full run does.

    A copy takes longer than all else that is done for a pair in which nothing changed.
    """
    for name, value in values.items():
        if getattr(link, name) != value:
            return dataclasses.replace(link, **values)
    return link


def _seen(link: Link, task: KnownTask) -> Link:
    return _with(
        link,
        seen_status=task.status,
        seen_name=task.name,
        seen_description=task.description,
        elsewhere=task.elsewhere,
    )


def _decide(lead: Lead, index: Index, rules: Rules, draft: _Draft) -> None:
    resolution = resolve(lead, index, rules)
    if isinstance(resolution, Wanted):
        draft.wanted.append(resolution)
    elif isinstance(resolution, Undecided):
        failure = Failure(
            lead.id, resolution.task_id, 1, resolution.error, resolution.hint, look=bool(resolution.task_id)
        )
        (draft.left if resolution.left else draft.failed).append(failure)
        draft.verdicts[lead.id] = resolution.error
    elif isinstance(resolution, Unlinked):
        draft.verdicts[lead.id] = resolution.reason
        if resolution.create and not lead.description:
            draft.wanted.append(Wanted(leads=frozenset({lead.id})))
            return
        draft.settled_creates.add(lead.id)
        if resolution.create and isinstance(lead.status, str):
            draft.creates.append(_create(lead, lead.status, rules, resolution.reason))
            if isinstance(lead.task_cell, str) and lead.task_cell:
                typed = visible(lead.task_cell)[:80]
                text = f"its Task ID '{typed}' is replaced by that of a new task: {resolution.reason}"
                draft.notices.append(Notice(lead.id, "", text, phase=1))
        else:
            draft.unchanged += 1
    else:
        _decide_pair(lead, resolution, index, rules, draft)


def _create(lead: Lead, status: str, rules: Rules, reason: str) -> CreateTask:
    mapped = rules.statuses.forward(status) or rules.statuses.first.task
    return CreateTask(lead.id, lead.name, lead.description, rules.for_task(mapped), status, lead.details, reason)


def _new_link(lead: Lead, task: KnownTask) -> Link:
    """A link without a base: what the lead says now counts as brought to the task, which keeps its own text.

    The description counts as ours only where it is empty or just what we would write: people's text is never ours.
    """
    ours = task.description in (EMPTY, digest(lead.description))
    return Link(
        lead.id,
        task.id,
        None,
        digest(lead.name),
        lead.details,
        "",
        task.description if ours else "",
        task.status,
        task.name,
        task.description,
        task.created,
        task.elsewhere,
    )


def _created_link(created: AnnouncedCreate, task: KnownTask) -> Link:
    """The link of a task that our own announced create made: the base is what that create carried."""
    return Link(
        record_id=created.record_id,
        task_id=task.id,
        base=(created.lead_status, created.status),
        name=created.name,
        details=created.details,
        answered_name=created.name,
        answered_description=created.description,
        seen_status=task.status,
        seen_name=task.name,
        seen_description=task.description,
        created=task.created,
        elsewhere=task.elsewhere,
    )


def _decide_pair(lead: Lead, found: Linked | Adopted, index: Index, rules: Rules, draft: _Draft) -> None:
    world, task = index.world, found.task
    known = world.links.get(lead.id)
    known = known if known is not None and known.task_id == task.id else None
    link = _seen(known, task) if known is not None else _found_link(lead, task, world)
    if link is None:
        draft.wanted.append(Wanted(leads=frozenset({lead.id})))
        return
    wanted = _evidence_wanted(lead, link, task, world, rules)
    if wanted:
        draft.wanted.append(wanted)
        return
    before = link
    status_pair, link = _settle(lead, before, task, world)
    status = decide_status(status_pair, rules)
    content = decide_content(lead, link, task, world.task_writes.get(lead.id))
    if _lead_may_be_older(lead, before, status, world, rules) or _task_may_be_older(lead, task, status, content, world):
        # The watermark may pass a change of the task that this reading shows: a later run reads both again.
        draft.left.append(
            Failure(lead.id, task.id, 0, _NOT_SHOWN, "nothing to do: a later run reads it again", look=True)
        )
        draft.verdicts[lead.id] = _NOT_SHOWN
        return
    link = _moved_on(lead, link, status, content, rules)
    if link is not known and link != known:
        draft.links.append(link)
    draft.settled_creates.add(lead.id)
    if not status_pair.doubtful or (status.task_status is None and status.lead_status is None):
        draft.settled_task_writes.add(lead.id)
        draft.settled_lead_writes.add(lead.id)
    _report_pair(lead, task, status_pair, status, content, draft)
    if known is not None and lead.id not in world.task_writes:
        _report_comings_and_goings(lead, task, known, status, draft)
    if known is None and lead.id not in world.creates:
        _report_own_texts(lead, task, draft)
    _report_others(lead, found, index, draft)
    update = _task_update(lead, task, found, status, content, rules)
    if update is not None:
        draft.task_updates.append(update)
    settles = status_pair.doubtful and update is None
    pull = _lead_update(lead, task, found, status, rules, settles=settles)
    if pull is not None:
        draft.lead_updates.append(pull)
    if update is None and pull is None and not status.problem:
        draft.unchanged += 1
    draft.verdicts[lead.id] = status.rule


def _found_link(lead: Lead, task: KnownTask, world: World) -> Link | None:
    """The link of a task that was not linked yet; None while the lead's details are not known."""
    if not lead.description:
        return None
    created = world.creates.get(lead.id)
    if created is not None and task.marker == lead.id:
        return _created_link(created, task)
    return _new_link(lead, task)


def _moved_on(lead: Lead, link: Link, status: StatusDecision, content: ContentDecision, rules: Rules) -> Link:
    """The link with what this reading alone settles: a base, a status without a row, texts that need not be written."""
    if status.base is not None:
        link = _with(link, base=status.base, restores=_restores(link, status.base), passed="")
    elif isinstance(lead.status, str) and lead.status and _without_row(lead.status, rules):
        link = _with(link, passed=lead.status)
    if content.name is None and content.description is None:
        link = _with(link, name=digest(lead.name), details=lead.details)
    return link


def _restores(link: Link, base: tuple[str, str]) -> int:
    """Restores are counted until the lead changes."""
    same_lead = link.base is not None and fold(link.base[0]) == fold(base[0])
    return link.restores if same_lead else 0


def _evidence_wanted(lead: Lead, link: Link, task: KnownTask, world: World, rules: Rules) -> Wanted | None:
    """What must be read before this pair can be decided."""
    task_write = world.task_writes.get(lead.id)
    if task_write and not lead.description:
        return Wanted(leads=frozenset({lead.id}))
    lead_write = world.lead_writes.get(lead.id)
    renamed = task.name not in (link.answered_name, link.name) and digest(lead.name) not in (link.name, task.name)
    stale = not task.fresh and (task_write or lead_write or renamed or _agrees_anew(lead, link, task, rules))
    if stale or _unseen(lead, link, task, world):
        return Wanted(tasks=frozenset({task.id}))
    unasked = task.id not in world.status_since
    if task_write and _may_be_touched(link, task, task_write) and unasked:
        return Wanted(task_status_since=frozenset({task.id}))
    if lead_write and (lead.id, lead_write.sent) not in world.lead_after:
        return Wanted(lead_status_after=frozenset({(lead.id, lead_write.sent)}))
    if _differs_from_our_write(lead, link, world, rules) and _after_our_write(link) not in world.lead_after:
        return Wanted(lead_status_after=frozenset({_after_our_write(link)}))
    if link.base is None and not task_write and not lead_write and isinstance(lead.status, str) and lead.status:
        disagree = _unmapped(lead.status, task.status, rules) is None and not (
            rules.statuses.agree(lead.status, task.status)
        )
        if disagree and rules.statuses.back(task.status) is not None:
            if unasked:
                return Wanted(task_status_since=frozenset({task.id}))
            began = world.status_since[task.id]
            if began is not None and (lead.id, began - NEWER_BY_MS) not in world.lead_before:
                return Wanted(lead_status_before=frozenset({(lead.id, began - NEWER_BY_MS)}))
    return None


def _differs_from_our_write(lead: Lead, link: Link, world: World, rules: Rules) -> bool:
    """Whether the lead shows another status than the base so soon after our own write that the reading may be older."""
    if not link.lead_written or link.base is None or not isinstance(lead.status, str):
        return False
    # A time far ahead of now was taken from a wrong clock, and says nothing.
    recent = abs(world.airtable_now - link.lead_written) < rules.doubt_ms
    return recent and fold(lead.status) != fold(link.base[0])


def _after_our_write(link: Link) -> tuple[str, int]:
    return link.record_id, link.lead_written + CLOCK_MARGIN_MS


def _lead_may_be_older(lead: Lead, link: Link, status: StatusDecision, world: World, rules: Rules) -> bool:
    """Whether the reading of the lead may be older than our own last write of its status.

    A modification that Airtable tells of after the write proves that it is not. Where the outcome of the write is not
    known, it is only made again; to act as if it had never been made is left to a later run.
    """
    if _differs_from_our_write(lead, link, world, rules):
        return not world.lead_after[_after_our_write(link)]
    write = world.lead_writes.get(lead.id)
    if write is None or not isinstance(lead.status, str) or status.lead_status is not None:
        return False
    recent = world.airtable_now - write.sent < rules.doubt_ms
    return recent and fold(lead.status) != fold(write.status) and not world.lead_after[lead.id, write.sent]


def _task_may_be_older(
    lead: Lead, task: KnownTask, status: StatusDecision, content: ContentDecision, world: World
) -> bool:
    """The same of the task, where the outcome of our own last write is not known: its status, name and description."""
    write = world.task_writes.get(lead.id)
    if write is None or write.task_id != task.id or write.sent <= world.surely_listed:
        return False
    if task.updated >= write.sent - CLOCK_MARGIN_MS:
        return False
    parts = (
        (fold(write.status), fold(task.status), status.task_status),
        (write.name, task.name, content.name),
        (write.description, task.description, content.description),
    )
    return any(sent and shown != sent and again is None for sent, shown, again in parts)


def _agrees_anew(lead: Lead, link: Link, task: KnownTask, rules: Rules) -> bool:
    """Whether the lead's new status agrees with what was last seen of its task: then no write would show the task."""
    if link.base is None or not isinstance(lead.status, str) or fold(lead.status) == fold(link.base[0]):
        return False
    return rules.statuses.agree(lead.status, task.status)


def _unseen(lead: Lead, link: Link, task: KnownTask, world: World) -> bool:
    """Whether the lead changed and its task is so new that the poll may have left it out."""
    if task.fresh or link.created <= world.surely_listed:
        return False
    now = lead.status if isinstance(lead.status, str) else ""
    changed = link.base is None or fold(now) != fold(link.base[0]) or digest(lead.name) != link.name
    return changed or lead.details != link.details


def _may_be_touched(link: Link, task: KnownTask, write: AnnouncedTaskWrite) -> bool:
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


def _touched(lead: Lead, link: Link, task: KnownTask, write: AnnouncedTaskWrite, world: World) -> bool | None:
    """Whether the task's status was changed after our announced write was sent; None where nothing tells.

    The time in a status begins anew when a task is moved to another List, so it tells nothing of a task that was moved.
    """
    if not _may_be_touched(link, task, write):
        return False
    known, began = world.links.get(lead.id), world.status_since.get(task.id)
    if began is None or (known is not None and known.elsewhere != task.elsewhere):
        return None
    return began > write.sent


def _settle(lead: Lead, link: Link, task: KnownTask, world: World) -> tuple[StatusPair, Link]:
    """First of all: a value equal to one announced for that side is ours; it moves the base."""
    base, doubtful, taken_back = link.base, False, ""
    task_write = world.task_writes.get(lead.id)
    if task_write and task_write.task_id == task.id:
        settled = settle_task_write(base, task.status, task_write, _touched(lead, link, task, task_write, world))
        base, doubtful = settled.base, settled.doubtful
        if base != link.base and fold(task.status) != fold(task_write.status):
            taken_back = task_write.status
        link = _with_texts_that_arrived(link, task, task_write)
    lead_write = world.lead_writes.get(lead.id)
    if lead_write and lead_write.task_id == task.id:
        settled = settle_lead_write(base, lead.status, lead_write, world.lead_after[lead.id, lead_write.sent])
        base, doubtful = settled.base, doubtful or settled.doubtful
    restores = _restores(link, base) if base is not None else 0
    link = _with(link, base=base, restores=restores)
    newer = False
    began = world.status_since.get(task.id)
    if base is None and began is not None:
        newer = bool(world.lead_before.get((lead.id, began - NEWER_BY_MS)))
    return StatusPair(lead.status, task.status, base, restores, newer, doubtful, taken_back), link


def _with_texts_that_arrived(link: Link, task: KnownTask, write: AnnouncedTaskWrite) -> Link:
    """A name or description that we announced and the task bears was brought, so that taking it back is a change.

    The announcement does not hold the digest of the details, so "" stands for it: no lead's details equal that.
    """
    if task.name == write.name:
        link = _with(link, name=write.name, answered_name=task.name)
    if task.description == write.description:
        link = _with(link, details="", answered_description=task.description)
    return link


def _report_pair(
    lead: Lead,
    task: KnownTask,
    pair: StatusPair,
    status: StatusDecision,
    content: ContentDecision,
    draft: _Draft,
) -> None:
    if status.problem:
        draft.failed.append(Failure(lead.id, task.id, status.problem_phase, status.problem, status.hint))
    if status.conflict_winner:
        shown = lead.status if isinstance(lead.status, str) else lead.status.shown
        draft.conflicts.append(Conflict(lead.id, task.id, shown, task.status, pair.base, status.conflict_winner))
    if status.restore:
        text = f"the task had been moved to '{visible(task.status)}', which has no way back; it is restored"
        draft.notices.append(Notice(lead.id, task.id, text, phase=1))
    if pair.taken_back and status.lead_status is not None:
        text = f"'{visible(pair.taken_back)}' was written in a run that was cut off, and taken back in ClickUp since"
        draft.notices.append(Notice(lead.id, task.id, f"{text}; the lead follows", phase=2))
    writes = content.name is not None or content.description is not None
    draft.notices.extend(Notice(lead.id, task.id, text, phase=int(writes)) for text in content.notices)


def _report_comings_and_goings(
    lead: Lead, task: KnownTask, known: Link, status: StatusDecision, draft: _Draft
) -> None:
    """A status that people left and came back to is no change since the base, yet it was typed, and is written over."""
    if status.conflict_winner or known.base is None:
        return
    if status.task_status is not None and fold(known.seen_status) != fold(task.status) == fold(known.base[1]):
        text = f"the task was moved from '{visible(known.seen_status)}' back to '{visible(task.status)}'"
        draft.notices.append(Notice(lead.id, task.id, f"{text}; only the lead's status changed, and is taken", phase=1))
    if status.lead_status is not None and known.passed:
        text = f"the lead's status went from '{visible(known.passed)}' back to '{visible(known.base[0])}'"
        draft.notices.append(Notice(lead.id, task.id, f"{text}; only the task's status changed, and is taken", phase=2))


def _report_own_texts(lead: Lead, task: KnownTask, draft: _Draft) -> None:
    """A task that is linked without a create of ours keeps its texts: which side changed last is not known."""
    differing = [
        what
        for what, differs in (
            (f"its name '{visible(task.shown_name)}'", task.name != digest(lead.name)),
            ("its description", task.description not in (EMPTY, digest(lead.description))),
        )
        if differs
    ]
    if differing:
        text = f"linked; the task keeps {' and '.join(differing)} until the lead's changes"
        draft.notices.append(Notice(lead.id, task.id, text, routine=True))


def _report_others(lead: Lead, found: Linked | Adopted, index: Index, draft: _Draft) -> None:
    task = found.task
    for other in index.bearers.get(lead.id, ()):
        if other.id != task.id and other.fresh:
            text = f"this task bears the marker of a lead whose task is {task.id}; it is left alone"
            draft.notices.append(Notice(lead.id, other.id, text))
    if task.elsewhere and task.fresh and index.world.full:
        text = f"the task is {task.elsewhere}; it is still followed"
        draft.notices.append(Notice(lead.id, task.id, text, routine=True))
    named = parse_reference(lead.task_cell) if isinstance(found, Adopted) else ""
    if isinstance(named, str) and named:
        text = f"'{named}' in its Task ID cell belonged to another lead or a deleted task"
        draft.notices.append(Notice(lead.id, task.id, text, phase=1))


def _task_update(
    lead: Lead,
    task: KnownTask,
    found: Linked | Adopted,
    status: StatusDecision,
    content: ContentDecision,
    rules: Rules,
) -> UpdateTask | None:
    claim = found.claim
    if status.task_status is None and content.name is None and content.description is None and not claim:
        return None
    changes: list[Change] = []
    reasons: list[str] = []
    to_status = None if status.task_status is None else rules.for_task(status.task_status)
    if to_status is not None:
        changes.append(Change("status", task.status, to_status))
        reasons.append(status.rule)
    if content.name is not None:
        changes.append(Change("name", task.shown_name, content.name))
        reasons.append("the lead's name changed")
    if content.description is not None:
        changes.append(Change("details", "", content.description))
        reasons.append("the lead's details changed")
    if claim:
        changes.append(Change("marker", task.marker, lead.id))
        reasons.append("the lead names a task without an owner")
    return UpdateTask(
        lead.id,
        task.id,
        lead.status if isinstance(lead.status, str) else "",
        to_status,
        content.name,
        content.description,
        digest(lead.name),
        lead.details,
        claim,
        status.restore,
        "; ".join(reasons),
        tuple(changes),
    )


def _lead_update(
    lead: Lead, task: KnownTask, found: Linked | Adopted, status: StatusDecision, rules: Rules, *, settles: bool
) -> UpdateLead | None:
    adopt = isinstance(found, Adopted)
    if status.lead_status is None and not adopt:
        return None
    changes: list[Change] = []
    reasons: list[str] = []
    to_status = None if status.lead_status is None else rules.for_lead(status.lead_status)
    if adopt:
        shown = lead.task_cell if isinstance(lead.task_cell, str) else lead.task_cell.shown
        changes.append(Change(rules.task_id_field, shown, task.id))
        reasons.append("the task bears this lead's marker")
    if to_status is not None:
        changes.append(Change(rules.status_field, lead.status if isinstance(lead.status, str) else "", to_status))
        reasons.append(status.rule)
    return UpdateLead(
        lead.id,
        task.id,
        task.status,
        to_status,
        task.id if adopt else None,
        adopt,
        "; ".join(reasons),
        tuple(changes),
        settles,
    )


# --- 4.4 the brake, and parts of a plan -----------------------------------------------------------------------------


def status_changes(made: Plan) -> tuple[int, int]:
    """How many statuses the plan would change on tasks, and on leads."""
    to_tasks = sum(1 for update in made.task_updates if update.status is not None)
    to_leads = sum(1 for update in made.lead_updates if update.status is not None)
    return to_tasks, to_leads


def brakes(changes: int, pairs: int) -> bool:
    """Whether so many status changes in one direction are a sign that the world looks wrong."""
    return changes > 20 and changes * 2 > pairs


def in_turn(made: Plan, refused: Sequence[str]) -> Plan:
    """The plan with the creates that earlier runs tried in vain behind all others, in the order given.

    Else a few that ClickUp always refuses would use up each `--limit` or time budget, and no other lead had a turn.
    """
    turns = {record_id: turn for turn, record_id in enumerate(refused, 1)}
    creates = (_with_turn(create, turns.get(create.record_id, 0)) for create in made.creates)
    return dataclasses.replace(made, creates=tuple(sorted(creates, key=lambda create: create.turn))) if turns else made


def _with_turn(create: CreateTask, turn: int) -> CreateTask:
    return dataclasses.replace(create, turn=turn) if turn else create


def limited(made: Plan, *, creates: int | None, phase: int | None) -> Plan:
    """The part of a plan that `--limit` and `--phase` allow; the rest is left for a later run."""
    kept_creates = made.creates if phase != 2 else ()
    if creates is not None:
        kept_creates = kept_creates[:creates]
    task_updates = made.task_updates if phase != 2 else ()
    in_phase = [(update, _in_phase(update, phase)) for update in made.lead_updates]
    cut = {
        1: {create.record_id for create in made.creates[len(kept_creates) :]},
        2: {update.record_id for update, part in in_phase if update.status and (part is None or not part.status)},
    }
    cut[1].update(update.record_id for update in made.task_updates[len(task_updates) :])
    cut[1].update(update.record_id for update, part in in_phase if update.adopt and (part is None or not part.adopt))
    left = [Failure(record_id, "", 0, "left out by --limit or --phase") for record_id in sorted(cut[1] | cut[2])]
    return dataclasses.replace(
        made,
        creates=kept_creates,
        task_updates=task_updates,
        lead_updates=tuple(part for _, part in in_phase if part is not None),
        conflicts=tuple(each for each in made.conflicts if phase != (2 if each.winner == "airtable" else 1)),
        notices=tuple(each for each in made.notices if each.record_id not in cut.get(each.phase, ())),
        left=(*made.left, *left),
        cut=bool(left),
    )


def _in_phase(update: UpdateLead, phase: int | None) -> UpdateLead | None:
    if phase == 1 and update.status is not None:
        return dataclasses.replace(update, status=None, changes=update.changes[:1]) if update.adopt else None
    if phase == 2 and update.adopt:
        if update.status is None:
            return None
        return dataclasses.replace(update, adopt=False, task_cell=None, changes=update.changes[1:])
    return update
