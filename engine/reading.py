"""Reading both sides: whole, or what changed since the watermarks, and what the decisions want to know besides."""

from __future__ import annotations

import dataclasses
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from clients.airtable import (
    AirtableClient,
    all_of,
    any_of,
    changed_since,
    created_after,
    is_blank,
    status_newer_than,
    status_older_than,
)
from clients.clickup import ClickUpClient
from clients.errors import ApiError, AuthError, InvalidRequest, NotFound, QuotaSpent
from clock import Clock
from config import Settings
from engine.parallel import both, each
from engine.setup import Setup
from models import (
    KnownTask,
    Lead,
    Link,
    NotText,
    Record,
    Stray,
    Task,
    TaskGone,
    TimeInStatus,
    UnreadTask,
    Wanted,
)
from state import State
from status_map import fold
from text import cell_text, clean, cut, cut_bytes, digest
from world import ANOTHER_LIST, CLOCK_MARGIN_MS, DELETED, World, is_record_id, parse_reference

LONGEST_NAME = 2000
LONGEST_DESCRIPTION_BYTES = 250_000
OVERLAP_SECONDS = 60
_BY_ID = 100
_FEW = 20
_MANY = 200
_MEANWHILE_OVERLAP_SECONDS = 10  # at least: a listing may itself be some seconds late
_DATE_SECONDS = 2  # more than the whole seconds of a `Date` can hide
_ALONE_SECONDS = 300.0  # a clock that is further ahead of two others than these are apart is wrong
_LINE_BREAKS = re.compile(r"[\r\n]+")
_NOT_SHOWN_YET = "ClickUp does not show the task, which was made just now"
_NOT_SHOWN = "ClickUp still shows the task as it was before this program's last write"
_NOT_READ = UnreadTask(
    "its task was not read, since ClickUp's listing was not complete",
    "run again; if it stays so, ClickUp's listing leaves tasks out",
    left=True,
)
_T = TypeVar("_T")

log = logging.getLogger("sync")


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a run works with: the two clients, the time, and the word to stop.

    `pace` answers how many requests a minute ClickUp allows, as far as that is known, `in_flight` how many it should
    get at once.
    """

    airtable: AirtableClient
    clickup: ClickUpClient
    clock: Clock
    stop: threading.Event
    pace: Callable[[], int]
    in_flight: Callable[[], int]


class LeadMaker:
    """Turns Airtable's rows into leads, by the names of the fields that the settings chose."""

    def __init__(self, settings: Settings, setup: Setup) -> None:
        self._settings = settings
        self._setup = setup
        self._details = tuple(name for name in settings.detail_fields if name in setup.fields)
        self._fallbacks = tuple(name for name in ("Company", "Email") if name in setup.fields)
        wanted = (settings.name_field, settings.status_field, settings.task_id_field)
        self.fields = tuple(dict.fromkeys((*wanted, *self._details, *self._fallbacks)))

    def lead(self, record: Record, link: Link | None = None) -> Lead:
        """One row as a lead. The description is left out where the link proves that nobody will ask for it."""
        lines = []
        for name in self._details:
            value = clean(cell_text(record.fields.get(name))).strip()
            if value:
                lines.append(f"{name}: {value}")
        details = digest("\n".join(lines))
        description = "" if link is not None and link.details == details else self._description(record.id, lines)
        return Lead(
            record.id,
            record.created,
            self._name(record),
            description,
            details,
            _text_cell(record.fields.get(self._settings.status_field)),
            _text_cell(record.fields.get(self._settings.task_id_field)),
        )

    def _name(self, record: Record) -> str:
        for field in (self._settings.name_field, *self._fallbacks):
            name = _LINE_BREAKS.sub(" ", clean(cell_text(record.fields.get(field))))
            if name.strip():
                return cut(name, LONGEST_NAME)
        return record.id

    def _description(self, record_id: str, lines: Sequence[str]) -> str:
        base, table = self._settings.airtable_base_id, self._setup.table_id
        address = f"https://airtable.com/{base}/{table}/{record_id}" if table else record_id
        ending = f"\n\nAirtable record: {address}" if lines else f"Airtable record: {address}"
        room = LONGEST_DESCRIPTION_BYTES - len(ending.encode())
        return cut_bytes(plain("\n".join(lines)), room) + ending


def _text_cell(value: Any) -> str | NotText:
    if value is None:
        return ""
    return clean(value).strip() if isinstance(value, str) else NotText(cell_text(value) or repr(value)[:200])


def known_task(task: Task, list_id: str) -> KnownTask:
    """One of ClickUp's tasks as the decisions see it."""
    elsewhere = ""
    if task.list_id != list_id:
        elsewhere = ANOTHER_LIST
    elif task.archived:
        elsewhere = "archived"
    elif task.subtask:
        elsewhere = "a subtask"
    return KnownTask(
        task.id,
        task.status,
        task.marker,
        digest(task.name),
        digest(plain(task.description)),
        task.created,
        task.updated,
        elsewhere,
        shown_name=task.name,
    )


def plain(description: str) -> str:
    """A description without what services change on the way: line ends and outer white space."""
    return description.replace("\r\n", "\n").strip()


class Reading:
    """Everything that this run has read so far, and the ways to read more. `world` hands it to the decisions."""

    def __init__(
        self, settings: Settings, setup: Setup, state: State, tools: Tools, *, full: bool, only: Iterable[str] = ()
    ) -> None:
        self._settings = settings
        self._doubt_ms = int(settings.create_doubt_seconds * 1000)
        self._state = state
        self._tools = tools
        self.make = LeadMaker(settings, setup)
        self.full = full
        self.leads: dict[str, Lead | None] = {}
        self.tasks: dict[str, KnownTask | TaskGone | UnreadTask] = {}
        self.airtable_date = 0.0
        self.clickup_date = 0.0
        # How long before these dates the listings may show: an answer may take long, and bears the time of its end.
        self.airtable_took = 0.0
        self.clickup_took = 0.0
        self.read_at = tools.clock.monotonic()
        self._began = tools.clock.time()
        self.complete = True
        self.short = ""
        self.in_view: set[str] | None = None
        self._view_asked: set[str] = set()
        self._listed: set[str] = set()
        self._by_id: set[str] = set()
        self._written: Mapping[str, Link] = {}
        self._just_made: frozenset[str] = frozenset()
        self._suspects: frozenset[str] = frozenset()
        self._only = frozenset(only)
        self._meanwhile_since: tuple[float, float] | None = None
        self._asked: dict[str, int] = {}
        self._status_since: dict[str, int | None] = {}
        self._lead_after: dict[tuple[str, int], bool | None] = {}
        self._lead_before: dict[tuple[str, int], bool | None] = {}
        self._links: dict[str, Link] = state.all_links() if full else {}
        self._strays: tuple[Stray, ...] = state.all_strays() if full else ()
        self.creates = state.announced_creates()
        self.task_writes = state.announced_task_writes()
        self.lead_writes = state.announced_lead_writes()

    # --- the two listings

    def read(self, *, airtable_since: float, clickup_since: int, again: Iterable[str], look: Iterable[str]) -> None:
        """Read both sides at once: whole, or what changed since the watermarks (Unix seconds; milliseconds).

        `again` are leads to read by id besides, `look` are tasks that must be read before they are believed to exist.
        """
        self._suspects = frozenset(look)
        ids = frozenset(again)
        if self.full:
            both(lambda: self._list_leads(""), lambda: self._list_tasks(archived=False))
        else:
            both(
                lambda: self._list_leads(changed_since(airtable_since)),
                lambda: self._poll_tasks(clickup_since),
            )
        self._doubt_the_time()
        changed = frozenset(self.leads)
        if not self.full:
            self._read_leads(ids - self.leads.keys())
        if self._settings.view:
            self._read_view(airtable_since, changed)
        if not self.full:
            return
        if self.traces():
            self._list_tasks(archived=True)
        self._forget_late_rows()
        self._doubt_an_empty_listing()

    def _doubt_the_time(self) -> None:
        """A wrong `Date` must not move a watermark past changes, nor make a new task count as surely listed."""
        airtable = _not_ahead(self.airtable_date, self.clickup_date, self._began)
        clickup = _not_ahead(self.clickup_date, self.airtable_date, self._began)
        if airtable != self.airtable_date:
            log.warning("the time in Airtable's answer is not believed: ClickUp's and this machine's are earlier")
            self._tools.airtable.http.take_for_now(self._tools.clickup.now())
        if clickup != self.clickup_date:
            log.warning("the time in ClickUp's answer is not believed: Airtable's and this machine's are earlier")
            self._tools.clickup.http.take_for_now(self._tools.airtable.now())
        self.airtable_date, self.clickup_date = airtable, clickup

    @property
    def latest(self) -> float:
        """When this reading began, in ClickUp's clock, or later: one `Date` may be old, from a cache on the way."""
        return max(self.clickup_date, min(self.airtable_date, self._began))

    def traces(self) -> bool:
        """Whether anything shows that the two sides were synced before: links, a lost state, Task IDs, markers."""
        return (
            self._state.value("binding") is not None
            or self._state.value("lost") is not None
            or any(isinstance(task, KnownTask) and is_record_id(task.marker) for task in self.tasks.values())
            or any(lead is not None and lead.task_cell != "" for lead in self.leads.values())
        )

    def _list_leads(self, formula: str) -> None:
        for page in self._tools.airtable.list_records(fields=self.make.fields, formula=formula):
            if not self.airtable_date:
                self.airtable_date, self.airtable_took = page.date, self._took_since(self.read_at)
            for record in page.rows:
                self.leads[record.id] = self.make.lead(record, self._links.get(record.id))

    def _list_tasks(self, *, archived: bool) -> None:
        for page in self._tools.clickup.walk("created", 0, archived=archived):
            self._take_clickup_date(page.date)
            if not page.in_order:
                self._unproven("ClickUp's listing came out of order")
            self._take_tasks(page.rows)

    def _poll_tasks(self, since: int) -> None:
        for page in self._tools.clickup.walk("updated", since):
            self._take_clickup_date(page.date)
            if not page.in_order:
                self._unproven("ClickUp's listing came out of order")
            self._take_tasks(page.rows)

    def _take_clickup_date(self, date: float) -> None:
        if not self.clickup_date:
            self.clickup_date, self.clickup_took = date, self._took_since(self.read_at)

    def _took_since(self, began: float) -> float:
        return self._tools.clock.monotonic() - began + _DATE_SECONDS

    def _take_tasks(self, rows: Iterable[Task]) -> None:
        for task in rows:
            self.tasks[task.id] = known_task(task, self._settings.clickup_list_id)
            self._listed.add(task.id)

    def take_late_tasks(self, rows: Iterable[Task]) -> None:
        """Remember tasks that turned up after the plan was made."""
        for task in rows:
            self.tasks.setdefault(task.id, known_task(task, self._settings.clickup_list_id))

    def _read_view(self, since: float, changed: frozenset[str]) -> None:
        """Which leads are in the view: in a full run all, else those that changed and those without a task. What else
        could get a task is asked for when the decisions want to know."""
        formula = "" if self.full else any_of(is_blank(self._settings.task_id_field), changed_since(since))
        self.in_view = set()
        self._view_asked.update(changed)
        listing = self._tools.airtable.list_records(fields=self.make.fields, formula=formula, view=self._settings.view)
        for page in listing:
            for record in page.rows:
                self.in_view.add(record.id)
                self.leads.setdefault(record.id, self.make.lead(record, self._links.get(record.id)))

    def _ask_view(self, ids: frozenset[str]) -> None:
        """Which of these leads are in the view: leads that were not read by the listing, and could get a task now."""
        found = self._tools.airtable.read_by_ids(sorted(ids), fields=self.make.fields[:1], view=self._settings.view)
        self.in_view = (self.in_view or set()).union(record.id for page in found for record in page.rows)
        self._view_asked |= ids

    def _doubt_an_empty_listing(self) -> None:
        """An empty listing is believed only if there is a reason for each linked task why it is not listed."""
        if self._listed:
            return
        linked = [link for link in self._links.values() if link.elsewhere not in (ANOTHER_LIST, DELETED)]
        self._read_tasks([link.task_id for link in linked[:_MANY]])
        for link in linked:
            if not self._explains_an_empty_listing(link):
                self._unproven(f"ClickUp listed no task at all, though task {link.task_id} is linked")
                return

    def _explains_an_empty_listing(self, link: Link) -> bool:
        """Whether the link's task is in another List, too new, deleted, or hidden for good."""
        task = self.tasks.get(link.task_id)
        if isinstance(task, KnownTask):
            return task.elsewhere == ANOTHER_LIST or task.created >= self._surely_listed()
        # A lead that is gone has no cell in which a hidden task's trouble could be mended.
        gone = self.leads.get(link.record_id) is None
        return task is TaskGone.DELETED or (gone and task is TaskGone.HIDDEN)

    def _unproven(self, why: str) -> None:
        self.complete = False
        self.short = self.short or why

    # --- what the decisions want to know

    def world(self) -> World:
        """All of it, for the decisions."""
        if not self.full:
            self._load_links()
        self._forget_late_rows()
        return World(
            leads=self.leads,
            tasks=self.tasks,
            links=self._links,
            strays=self._strays,
            creates=self.creates,
            task_writes=self.task_writes,
            lead_writes=self.lead_writes,
            full=self.full,
            complete=self.complete,
            suspects=self._suspects
            | {link.task_id for link in self._links.values() if link.record_id in self._only}
            | {write.task_id for write in self.task_writes.values()},
            surely_listed=self._surely_listed(),
            airtable_now=int(self.airtable_date * 1000),
            in_view=None if self.in_view is None else frozenset(self.in_view),
            view_asked=frozenset(self._view_asked),
            asked=self._asked,
            status_since=self._status_since,
            lead_after=self._lead_after,
            lead_before=self._lead_before,
        )

    def there(self, links: Iterable[Link]) -> frozenset[str]:
        """The leads of those links whose lead was read and whose task is not known to be deleted."""
        return frozenset(
            link.record_id
            for link in links
            if self.leads.get(link.record_id) is not None and self.tasks.get(link.task_id) is not TaskGone.DELETED
        )

    def gone(self, links: Iterable[Link]) -> frozenset[str]:
        """The leads of those links whose lead is not in the table any more, or whose task is deleted."""
        return frozenset(
            link.record_id
            for link in links
            if (self.leads.get(link.record_id) is None and (self.full or link.record_id in self.leads))
            or self.tasks.get(link.task_id) is TaskGone.DELETED
        )

    def _load_links(self) -> None:
        named = {parse_reference(lead.task_cell) for lead in self.leads.values() if lead is not None}
        markers = {task.marker for task in self.tasks.values() if isinstance(task, KnownTask) and task.marker}
        leads = {*self.leads, *markers, *self.creates, *self.task_writes, *self.lead_writes}
        tasks = {*self.tasks, *(each for each in named if isinstance(each, str) and each)}
        self._links = self._state.links_of(leads=leads, tasks=tasks)
        self._strays = self._state.strays_of(leads)

    def _forget_late_rows(self) -> None:
        """A listing may still show a task as it was before our own last write: such a task is read by its id."""
        now = int(self.clickup_date * 1000)

        def recent(moment: int) -> bool:
            return abs(now - moment) < self._doubt_ms  # one far ahead was taken from a wrong clock

        self._written = {link.task_id: link for link in self._links.values() if recent(link.task_written)}
        known: tuple[Link | Stray, ...] = (*self._links.values(), *self._strays)
        self._just_made = frozenset(each.task_id for each in known if recent(each.created))
        last = ((write.task_id, write.last_sent) for write in self.task_writes.values())
        sent = {task_id: moment for task_id, moment in last if recent(moment)}
        for task_id in self._written.keys() | sent.keys():
            row = self.tasks.get(task_id)
            if task_id in self._by_id or not isinstance(row, KnownTask):
                continue
            if self._is_older(row) or row.updated < sent.get(task_id, 0) - CLOCK_MARGIN_MS:
                del self.tasks[task_id]

    def _is_older(self, task: KnownTask) -> bool:
        """Whether a task is shown as it was before our own last write.

        One that is as it was last seen is not, whatever its time: a write of equal values need not move that.
        """
        link = self._written.get(task.id)
        if link is None or task.updated >= link.task_written:
            return False
        return (task.status, task.name, task.description) != (link.seen_status, link.seen_name, link.seen_description)

    def fetch(self, wanted: Wanted) -> None:
        """Read what the decisions want. A record that cannot be read is told as such and stops nothing else."""
        self._read_leads(wanted.leads)
        if wanted.in_view:
            self._ask_view(wanted.in_view)
        short = self.full and not self.complete
        self._read_tasks(sorted(wanted.tasks - self.tasks.keys()))
        if short:  # then only few are read, and the others would be wanted again and again
            self.tasks.update(dict.fromkeys(wanted.tasks - self.tasks.keys(), _NOT_READ))
        each(sorted(wanted.markers), self._ask_for_marker, self._tools.in_flight)
        self._read_status_since(sorted(wanted.task_status_since))
        self._read_status_times(wanted.lead_status_after, status_newer_than, self._lead_after)
        self._read_status_times(wanted.lead_status_before, status_older_than, self._lead_before)

    def _read_leads(self, ids: Iterable[str]) -> None:
        """Read leads by id; those that are left out twice are not in the table: one answer may be short."""
        wanted = [record_id for record_id in sorted(ids) if is_record_id(record_id)]
        found: dict[str, Lead | None] = dict.fromkeys(ids)
        for _ in range(2):
            missing = [record_id for record_id in wanted if found[record_id] is None]
            for page in self._tools.airtable.read_by_ids(missing, fields=self.make.fields):
                found.update((record.id, self.make.lead(record)) for record in page.rows)
        self.leads.update(found)

    def _read_tasks(self, ids: Sequence[str]) -> None:
        """Read tasks by id; only few where the listing is short. In a full run one that the listing should have shown
        proves it short."""
        for chunk in _chunks(ids, _FEW):
            each(chunk, self._read_task, self._tools.in_flight)
            if self.full and not self.complete:
                return  # from here on linked tasks that the listing left out count as they were last seen

    def _read_task(self, task_id: str) -> None:
        self._by_id.add(task_id)
        try:
            task = self._tools.clickup.task(task_id)
        except NotFound as error:
            if task_id in self._just_made:
                self.tasks[task_id] = UnreadTask(_NOT_SHOWN_YET, "nothing to do: a later run reads it again", left=True)
            else:
                self.tasks[task_id] = TaskGone.DELETED if error.code == "ITEM_013" else TaskGone.HIDDEN
            return
        except ApiError as error:
            _raise_if_all_must_stop(error)
            self.tasks[task_id] = UnreadTask(f"its task could not be read: {error}", error.hint)
            return
        known = known_task(task, self._settings.clickup_list_id)
        if self._is_older(known):
            self.tasks[task_id] = UnreadTask(_NOT_SHOWN, "nothing to do: a later run reads it again", left=True)
            return
        self.tasks[task_id] = known
        listable = known.elsewhere in ("", "a subtask") and task_id not in self._listed
        if self.full and listable and known.created < self._surely_listed():
            self._unproven(f"ClickUp's listing leaves out task {task_id}, which is in the List")

    def _surely_listed(self) -> int:
        """Until when a task must have been created so that listings surely show it, in Unix milliseconds."""
        return int(self.clickup_date * 1000) - self._doubt_ms

    def _ask_for_marker(self, record_id: str) -> None:
        asked = int(self._tools.clickup.now() * 1000)
        try:
            found = [
                *self._tools.clickup.with_marker(record_id),
                *self._tools.clickup.with_marker(record_id, archived=True),
            ]
        except ApiError as error:
            _raise_if_all_must_stop(error)
            log.warning("%s", error)
            asked = 0
            found = []
        for task in found:
            self.tasks[task.id] = known_task(task, self._settings.clickup_list_id)
        self._asked[record_id] = asked

    def _read_status_since(self, ids: Sequence[str]) -> None:
        for chunk in _chunks(ids, _BY_ID):
            self._status_since.update(dict.fromkeys(chunk))
            try:
                self._ask_status_since(chunk)
            except ApiError as error:  # not in every plan, and only ever evidence
                _raise_if_all_must_stop(error)
                log.info("time in status is not to be had: %s", error)

    def _ask_status_since(self, ids: Sequence[str]) -> None:
        """One task that cannot be seen any more spoils the answer for all: the others are asked for without it."""
        try:
            told = self._tools.clickup.time_in_status(ids)
        except NotFound as error:
            half = len(ids) // 2 if error.status == HTTPStatus.UNAUTHORIZED else 0
            for part in (ids[:half], ids[half:]) if half else ():
                self._ask_status_since(part)
            return
        for task_id in ids:
            if task_id in told:
                self._take_status_since(task_id, told[task_id])

    def _take_status_since(self, task_id: str, now: TimeInStatus) -> None:
        """A time counts for the status that was read. Where that has changed meanwhile, the task is read once more."""
        if not self._shows(task_id, now.status):
            self._read_task(task_id)
        if self._shows(task_id, now.status):
            self._status_since[task_id] = now.since

    def _shows(self, task_id: str, status: str) -> bool:
        task = self.tasks.get(task_id)
        return isinstance(task, KnownTask) and fold(task.status) == fold(status)

    def _read_status_times(
        self,
        asked: Iterable[tuple[str, int]],
        condition: Callable[[str, str, float], str],
        answers: dict[tuple[str, int], bool | None],
    ) -> None:
        for chunk in _chunks(sorted(asked), _BY_ID):
            formula = any_of(*(condition(record_id, self._settings.status_field, ms / 1000) for record_id, ms in chunk))
            rows: dict[str, Lead] = {}
            try:
                for _ in range(2):  # one answer may be short, and to be left out is an answer as well
                    if not all(record_id in rows for record_id, _ in chunk):
                        for page in self._tools.airtable.list_records(fields=self.make.fields, formula=formula):
                            rows.update((record.id, self.make.lead(record)) for record in page.rows)
                answers.update((key, key[0] in rows) for key in chunk)
                # Of the same moment as the answer: what was read of them before may have changed meanwhile.
                self.leads.update((record_id, rows[record_id]) for record_id, _ in chunk if record_id in rows)
            except InvalidRequest as error:
                log.info("Airtable does not tell when the status was changed: %s", error)
                answers.update(dict.fromkeys(chunk))

    # --- reading again, only to cancel

    def changed_meanwhile(
        self, oldest: float | None = None, *, both_sides: bool = True
    ) -> tuple[dict[str, Lead], dict[str, KnownTask]]:
        """What changed on either side since it was last read, or on the leads' alone: leads and tasks as they are now.

        Leads made more than a second before `oldest` (Unix seconds) are left out: they are those whose task ids were
        just written, thousands in a long backfill, and nothing is planned for them any more.
        """
        since_leads, since_tasks = self._meanwhile_since or (
            self.airtable_date - max(self.airtable_took, _MEANWHILE_OVERLAP_SECONDS),
            self.clickup_date - max(self.clickup_took, _MEANWHILE_OVERLAP_SECONDS),
        )
        began = self._tools.clock.monotonic()
        leads: dict[str, Lead] = {}
        tasks: dict[str, KnownTask] = {}
        next_leads: list[float] = []
        next_tasks: list[float] = []
        formula = changed_since(since_leads)
        if oldest is not None:
            formula = all_of(formula, created_after(oldest - 1))

        def poll_leads() -> None:
            for page in self._tools.airtable.list_records(fields=self.make.fields, formula=formula):
                next_leads.append(page.date - max(self._took_since(began), _MEANWHILE_OVERLAP_SECONDS))
                leads.update((record.id, self.make.lead(record)) for record in page.rows)

        def poll_tasks() -> None:
            for page in self._tools.clickup.walk("updated", int(since_tasks * 1000)):
                next_tasks.append(page.date - max(self._took_since(began), _MEANWHILE_OVERLAP_SECONDS))
                tasks.update((task.id, known_task(task, self._settings.clickup_list_id)) for task in page.rows)

        if both_sides:
            both(poll_leads, poll_tasks)
        else:
            poll_leads()
        self._meanwhile_since = (next_leads[0], next_tasks[0] if both_sides else since_tasks)
        return leads, tasks

    def told_of(self) -> frozenset[str]:
        """The tasks of which this reading tells what they are, or that they were deleted."""
        return frozenset(
            task_id for task_id, task in self.tasks.items() if isinstance(task, KnownTask) or task is TaskGone.DELETED
        )

    def strays(self, links: Iterable[Link] = ()) -> tuple[Stray, ...]:
        """The tasks of this reading that bear a marker and are not linked by it; `links` are newer than the state's."""
        now = {**self._links, **{link.record_id: link for link in links}}
        linked = {link.task_id: link.record_id for link in now.values()}
        return tuple(
            Stray(task.id, task.marker, task.created)
            for task in self.tasks.values()
            if isinstance(task, KnownTask) and linked.get(task.id) != task.marker and is_record_id(task.marker)
        )


def _not_ahead(date: float, other: float, ours: float) -> float:
    """A service's time, or the earlier of the two others where it is far ahead of both and these agree.

    One that is behind moves no watermark past anything, and may be that of the service's rows as well.
    """
    alone = date - max(other, ours) > _ALONE_SECONDS >= abs(other - ours)
    return min(other, ours) if alone else date


def _raise_if_all_must_stop(error: ApiError) -> None:
    if isinstance(error, AuthError | QuotaSpent):
        raise error


def _chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
