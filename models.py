"""The frozen types that flow through the program. Imports nothing of ours."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One row as Airtable answers it. Empty cells are absent from `fields`.

    https://airtable.com/developers/web/api/list-records
    """

    id: str
    created: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One ClickUp task, as much of it as the decisions need.

    `status` is the status's name as ClickUp spells it. `marker` is the text in the custom field for the record id,
    stripped; "" where it is empty. `description` is the plain text; "" where there is none. `created` and `updated`
    are Unix milliseconds in ClickUp's clock.
    https://developer.clickup.com/reference/gettask
    """

    id: str
    name: str
    status: str
    marker: str
    description: str
    list_id: str
    archived: bool
    subtask: bool
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of a listing of records. `date` is the answer's `Date` in Unix seconds."""

    rows: tuple[Record, ...]
    date: float


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a listing of tasks. `in_order` is false once an answer was not sorted as asked."""

    rows: tuple[Task, ...]
    date: float
    in_order: bool


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A column of the table or a custom field of the List. `choices` are a select's option names."""

    id: str
    name: str
    type: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The leads' table, as the schema shows it."""

    id: str
    name: str
    fields: tuple[FieldInfo, ...]
    views: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TimeInStatus:
    """A task's status, and since when it has had it, in Unix milliseconds."""

    status: str
    since: int


@dataclass(frozen=True, slots=True)
class ListInfo:
    """The List, with the names of its statuses in their order."""

    id: str
    name: str
    statuses: tuple[str, ...]
    archived: bool
    deleted: bool


Announce = Callable[[], None]


# --- what the decisions look at ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NotText:
    """A cell that should hold text and holds something else; `shown` is how it would be displayed."""

    shown: str


@dataclass(frozen=True, slots=True)
class Lead:
    """One Airtable record as the core sees it.

    `name` is the name its task should bear, `description` the whole text its task is created with, and `details` a
    digest of the chosen fields alone. `status` and `task_cell` are stripped; "" is an empty cell. `created` is
    Airtable's createdTime, which sorts as text.
    """

    id: str
    created: str
    name: str
    description: str
    details: str
    status: str | NotText
    task_cell: str | NotText


@dataclass(frozen=True, slots=True)
class KnownTask:
    """One ClickUp task as the core sees it; name and description are digests, `shown_name` is for people to read.

    `fresh` is false where this is what the state last saw, and no reading of this run.
    """

    id: str
    status: str
    marker: str
    name: str
    description: str
    created: int
    updated: int
    elsewhere: str = ""
    fresh: bool = True
    shown_name: str = ""


class TaskGone(enum.Enum):
    """Why a task that was asked for by id is not there."""

    DELETED = "deleted"
    HIDDEN = "cannot be seen with this token"


@dataclass(frozen=True, slots=True)
class UnreadTask:
    """A task that was asked for by id and could not be read: what went wrong, and what to do.

    `left`: nothing is wrong with it, and a later run will see it.
    """

    error: str
    hint: str
    left: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A lead and its task, and what the state knows of them.

    `base` is what both sides last agreed on: lead status, task status; None where nothing is known of it. `name` and
    `details` are digests of the lead's values that were last brought to the task. `answered_*` are digests of what
    ClickUp answered to our own last write ("" for never), `seen_*` what was last read. `restores` counts the times
    the task was put back without a change of the lead. `elsewhere` says why listings of the List do not show the task.
    `passed` is another status that the lead has shown since the base, "" for none. `task_written` is
    the task's time of change since our own last write to it, `lead_written` is when our own last write of the lead's
    status was answered: Unix milliseconds in the clock of the service, 0 for never. A reading that is older shows what
    stood there before.
    """

    record_id: str
    task_id: str
    base: tuple[str, str] | None
    name: str
    details: str
    answered_name: str
    answered_description: str
    seen_status: str
    seen_name: str
    seen_description: str
    created: int
    elsewhere: str = ""
    restores: int = 0
    passed: str = ""
    task_written: int = 0
    lead_written: int = 0


@dataclass(frozen=True, slots=True)
class Stray:
    """A task that bears a marker and is linked to no lead."""

    task_id: str
    record_id: str
    created: int


@dataclass(frozen=True, slots=True)
class AnnouncedCreate:
    """A create that was sent and not recorded as done: what it carried, texts as digests.

    `sent` is Unix milliseconds in ClickUp's clock.
    """

    record_id: str
    lead_status: str
    status: str
    name: str
    details: str
    description: str
    sent: int


@dataclass(frozen=True, slots=True)
class AnnouncedTaskWrite:
    """An update of a task that was sent and not recorded as done.

    `lead_status` is the lead's status that led to it. What was not written is "". `name` and `description` are
    digests of the text that was sent. `sent` and, of name and description, `texts_sent` are Unix milliseconds in
    ClickUp's clock: a status whose outcome is still unknown may have been sent long before them. Both are of the first
    attempt, behind which people may have acted; `last_sent` is of the last one, which may yet arrive.
    """

    record_id: str
    task_id: str
    lead_status: str
    status: str
    name: str
    description: str
    sent: int
    texts_sent: int
    last_sent: int


@dataclass(frozen=True, slots=True)
class AnnouncedLeadWrite:
    """A status written to a lead that was sent and not recorded as done; `task_status` is what led to it.

    `sent` and `last_sent`, of the first and the last attempt, are Unix milliseconds in Airtable's clock.
    """

    record_id: str
    task_id: str
    task_status: str
    status: str
    sent: int
    last_sent: int


# --- what the decisions ask for, and what they say ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Readings without which nothing certain can be said yet."""

    leads: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    markers: frozenset[str] = frozenset()
    task_status_since: frozenset[str] = frozenset()
    lead_status_after: frozenset[tuple[str, int]] = frozenset()
    lead_status_before: frozenset[tuple[str, int]] = frozenset()
    in_view: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(
            self.leads
            or self.tasks
            or self.markers
            or self.task_status_since
            or self.lead_status_after
            or self.lead_status_before
            or self.in_view
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One value that an action changes, for people to read."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class CreateTask:
    """Phase 1: make a task for a lead that has none, then write its id back.

    Those of a lower `turn` go first: it is 0, or the place among those that earlier runs tried in vain.
    """

    record_id: str
    name: str
    description: str
    status: str
    lead_status: str
    details: str
    reason: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class UpdateTask:
    """Phase 1: bring the lead's status, name or details to its task. What is not written is None.

    `details` and `lead_name` are the digests that the base moves to. With `in_doubt`, what became of an earlier write
    of the status is not known, and this one does not answer it. `look_first`: texts are to be replaced that this run
    has not read.
    """

    record_id: str
    task_id: str
    lead_status: str
    status: str | None
    name: str | None
    description: str | None
    lead_name: str
    details: str
    set_marker: bool
    restore: bool
    reason: str
    changes: tuple[Change, ...]
    in_doubt: bool = False
    look_first: bool = False

    @property
    def only_marks(self) -> bool:
        """Whether nothing but the marker is written."""
        return self.status is None and self.name is None and self.description is None


@dataclass(frozen=True, slots=True)
class UpdateLead:
    """Bring the task's status to its lead (Phase 2), or the task's id to a lead without it (Phase 1).

    What is not written is None. `adopt` is true where this links a lead to a task that bears its marker. With
    `settles`, it also answers an update of the task whose outcome was in doubt.
    """

    record_id: str
    task_id: str
    task_status: str
    status: str | None
    task_cell: str | None
    adopt: bool
    reason: str
    changes: tuple[Change, ...]
    settles: bool = False


Action = CreateTask | UpdateTask | UpdateLead


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that could not be brought into step, why, and what to do.

    `look`: its task has to be read again before the next decision.
    """

    record_id: str
    task_id: str
    phase: int
    error: str
    hint: str = ""
    look: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know; nothing failed. What is `routine` is true day after day.

    `phase`: it tells of a write that this phase is to carry out, and is untrue without it; 0 for anything else.
    `of_adoption`: that write is of the task's id to its lead; `of_marker`: of the lead's id to its task. What no later
    reading shows again, should the write fail, is told `once`.
    """

    record_id: str
    task_id: str
    text: str
    routine: bool = False
    phase: int = 0
    once: bool = False
    of_adoption: bool = False
    of_marker: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides changed the status differently, or disagree without a base; `winner` stands."""

    record_id: str
    task_id: str
    airtable: str
    clickup: str
    base: tuple[str, str] | None
    winner: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Every decision of one run, as data.

    `links` are what the readings alone prove, to be kept before anything is written. `former_links`: what was read of
    the old task of a lead that gets another one; kept until the new task bears its marker. `settled` are leads whose
    announced writes are resolved by the readings. `verdicts` say for each lead which rule decided and why. `cut`: the
    command line left something out.
    """

    creates: tuple[CreateTask, ...] = ()
    task_updates: tuple[UpdateTask, ...] = ()
    lead_updates: tuple[UpdateLead, ...] = ()
    links: tuple[Link, ...] = ()
    former_links: tuple[Link, ...] = ()
    settled_creates: frozenset[str] = frozenset()
    settled_task_writes: frozenset[str] = frozenset()
    settled_lead_writes: frozenset[str] = frozenset()
    failed: tuple[Failure, ...] = ()
    notices: tuple[Notice, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    left: tuple[Failure, ...] = ()
    unchanged: int = 0
    verdicts: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


# --- what came of it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """What the live test found of one fact, and what the program does about it.

    `verdict` is "ok" (as assumed, or harmless either way), "differs" (not as assumed, and the program is safe all the
    same, or a notice says what to do), "failed" (a promise is in danger), "unknown" (not found out) or "skipped" (not
    for these settings).
    """

    fact: str
    verdict: str
    found: str
    program: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run.

    `plan` is there for a dry run only, and so is `doubt`: the seconds that a run would wait before its first create,
    None for none. `findings` are there for the live test only. `stopped` says why the run ended early. `to_tell` are
    lead, task and text of what the state keeps until it is told.
    """

    full: bool
    created: int = 0
    updated: int = 0
    adopted: int = 0
    restored: int = 0
    pulled: int = 0
    unchanged: int = 0
    failed: tuple[Failure, ...] = ()
    left: tuple[Failure, ...] = ()
    notices: tuple[Notice, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    plan: Plan | None = None
    doubt: float | None = None
    stopped: str = ""
    needs_person: bool = False
    findings: tuple[Finding, ...] = ()
    to_tell: tuple[tuple[str, str, str], ...] = ()
