"""Links: which task belongs to a lead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from decisions.rules import Rules
from decisions.status import without_row
from models import KnownTask, Lead, Notice, NotText, Stray, TaskGone, UnreadTask, Wanted
from text import visible
from world import ANOTHER_LIST, DELETED, Index, is_record_id, parse_reference

_CUSTOM_ADDRESS = re.compile(r"https://app\.clickup\.com/t/\d+/[^/?#\s]+/?(?:[?#]\S*)?")


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


TASK_DELETED = "its task was deleted in ClickUp"
OUTSIDE_VIEW = Unlinked(False, "not in the view")


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
            return Undecided(named, _NOT_RECREATED, _NOT_RECREATED_HINT) if found == OUTSIDE_VIEW else found
        return Undecided(
            named,
            TASK_DELETED,
            "restore the task from ClickUp's trash; or empty the lead's "
            f"'{rules.task_id_field}' to get a new task, or set MISSING_TASK=recreate",
        )
    if task is TaskGone.HIDDEN:
        return _hidden(named, lead, index, rules)
    if isinstance(task, UnreadTask):
        return Undecided(named, task.error, task.hint, task.left)
    if not isinstance(task, KnownTask):
        return _not_complete(named) if _short(index) else Wanted(tasks=frozenset({named}))
    former = _former(lead, named, index)
    if former is not None:
        return Wanted(tasks=frozenset({former}))
    if task.marker == lead.id:
        return Linked(task)
    if not is_record_id(task.marker):
        return _claim(lead, task, index, rules)
    return _named_with_foreign_marker(lead, task, index, rules)


def _former(lead: Lead, named: str, index: Index) -> str | None:
    """The task that the lead had before it named this one, if it has yet to be read: it may still bear the marker."""
    link = index.world.links.get(lead.id)
    if link is None or link.elsewhere == DELETED or link.task_id == named or _short(index):
        return None
    return link.task_id if index.world.tasks.get(link.task_id) is None else None


_NOT_RECREATED = "its task was deleted in ClickUp, and it gets no new one: it is not in AIRTABLE_VIEW"
_NOT_RECREATED_HINT = (
    "restore the task from ClickUp's trash; or bring the lead into the view to get a new task, or empty its Task ID"
)


def _hidden(task_id: str, lead: Lead, index: Index, rules: Rules) -> Undecided:
    """A hidden task may well live on, so nothing but another task that a person names may take its place.

    One that nobody knows as the lead's may as well be a mistyped id: a person decides.
    """
    cell = f"the lead's '{rules.task_id_field}'"
    its = {former.task_id for former in index.once_its(lead.id)} | {task.id for task in index.bearers.get(lead.id, ())}
    if task_id in its:
        cure = "; if it is gone for good, create a task in ClickUp by hand and put its id into "
        cure += f"{cell}: emptying that makes no new one"
    elif its:
        cure = f", or put the right id into {cell}, or empty that"
    else:
        cure = f", or put the right id into {cell}; emptying that makes a new task, even if this one lives on"
    return Undecided(task_id, "its task cannot be seen with this token", f"share the task with the token's user{cure}")


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
        return Linked(task, claim=_takes_a_marker(task))
    return Undecided(
        task.id,
        f"it names task {task.id}, which the older lead {oldest.id} names as well",
        f"empty '{rules.task_id_field}' of the lead that the task does not belong to; if it is this lead's, put "
        f"{lead.id} into the task's custom field as well",
    )


def _takes_a_marker(task: KnownTask) -> bool:
    """Where a task lives in another List, the custom field need not exist."""
    return task.elsewhere != ANOTHER_LIST or task.marker != ""


def _without_reference(lead: Lead, index: Index, rules: Rules, not_this: str, why: str) -> Resolution:
    """A lead whose cell is empty, or is read as if it were since it names `not_this`: adopt, create, or nothing."""
    bearers = [task for task in index.bearers.get(lead.id, ()) if task.id != not_this]
    unread = [task.id for task in bearers if not task.fresh and index.world.tasks.get(task.id) is None]
    if unread:
        return _not_complete("") if _short(index) else Wanted(tasks=frozenset(unread))
    link = index.world.links.get(lead.id)
    linked = link.task_id if link is not None else ""

    def rank(task: KnownTask | Stray) -> tuple[bool, int, str]:
        task_id = task.id if isinstance(task, KnownTask) else task.task_id
        return task_id != linked, task.created, task_id

    best = min(bearers, key=rank, default=None)
    once_its = [each for each in index.once_its(lead.id) if each.task_id != not_this]
    for former in once_its:
        unseen = _unseen(former.task_id, lead, index, rules)
        if unseen is not None and (best is None or rank(former) < rank(best)):
            return unseen
    if best is not None:
        return Adopted(best)
    task = index.world.tasks.get(linked) if linked != not_this else None
    if isinstance(task, KnownTask) and not is_record_id(task.marker) and linked not in index.namers:
        return Adopted(task, claim=_takes_a_marker(task))
    return _unlinked(lead, index, rules, why)


def _unseen(task_id: str, lead: Lead, index: Index, rules: Rules) -> Resolution | None:
    """What is to be done about a task that was the lead's and is not seen now; None if it is seen, or was deleted."""
    task = index.world.tasks.get(task_id)
    if task is None:
        return _not_complete("") if _short(index) else Wanted(tasks=frozenset({task_id}))
    if task is TaskGone.HIDDEN:
        return _hidden(task_id, lead, index, rules)
    if isinstance(task, UnreadTask):
        return Undecided(task_id, task.error, task.hint, task.left)
    return None


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
        return OUTSIDE_VIEW if lead.id in world.view_asked else Wanted(in_view=frozenset({lead.id}))
    unmapped = without_row(lead.status, rules)
    if unmapped is not None:
        return Undecided("", unmapped.problem, unmapped.hint) if unmapped.problem else Unlinked(False, unmapped.rule)
    if not world.complete:
        return _not_complete("")
    return Unlinked(True, why)


def _short(index: Index) -> bool:
    """Whether a listing of everything has left tasks out: to read each of those by id would take for ever."""
    return index.world.full and not index.world.complete


def _not_complete(task_id: str) -> Undecided:
    return Undecided(
        task_id,
        "no task is created or linked while the reading of the List is not complete",
        "run again; if it stays so, ClickUp's listing leaves tasks out",
        left=True,
    )


def link_notices(lead: Lead, found: Linked | Adopted, index: Index) -> Iterator[Notice]:
    """What people should be told of a lead's task, and of others that bear the lead's marker."""
    task = found.task
    for other in index.bearers.get(lead.id, ()):
        if other.id != task.id and other.fresh:
            text = f"this task bears the marker of a lead whose task is {task.id}; it is left alone"
            yield Notice(lead.id, other.id, text)
    if found.claim and task.marker:
        text = f"'{visible(task.marker)[:80]}' in the task's field for the record id is replaced by the lead's"
        yield Notice(lead.id, task.id, text, phase=1, of_marker=True)
    if task.elsewhere and task.fresh and index.world.full:
        text = f"the task is {task.elsewhere}; it is still followed"
        yield Notice(lead.id, task.id, text, routine=True)
    named = parse_reference(lead.task_cell) if isinstance(found, Adopted) else ""
    if isinstance(named, str) and named:
        text = f"'{named}' in its Task ID cell belonged to another lead or a deleted task"
        yield Notice(lead.id, task.id, text, phase=1, of_adoption=True)


def unlinked_notices(lead: Lead, found: Unlinked) -> Iterator[Notice]:
    """A lead that gets no task although it names one: a copy, as a rule, or a mistyped id."""
    named = parse_reference(lead.task_cell)
    if found == OUTSIDE_VIEW and isinstance(named, str) and named:
        text = (
            f"its Task ID '{named}' names another lead's task; it is not in AIRTABLE_VIEW, so it gets none of its own"
        )
        yield Notice(lead.id, "", text)


def notices_without_lead(record_id: str, index: Index) -> Iterator[Notice]:
    """A marker names a lead that is not in the table: the task is reported, never touched."""
    for task in index.bearers.get(record_id, ()):
        if task.fresh and task.id not in index.namers:
            yield Notice(record_id, task.id, "the task's lead is not in the table; it is left alone")
