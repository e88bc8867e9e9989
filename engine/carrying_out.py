"""Carrying out a plan: announce, then the effect, then its record; what fails costs itself alone."""

from __future__ import annotations

import collections
import dataclasses
import functools
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from clients.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    InvalidRequest,
    NotFound,
    QuotaSpent,
    RateLimited,
    ServiceError,
    TransportError,
    Withheld,
)
from clients.pacing import AIRTABLE_STARTS
from config import Settings
from decisions.status import moved_unseen, unseen_before
from engine.parallel import Crew, Outbox
from engine.patience import Patience
from engine.reading import Reading, Tools, known_task
from errors import Interrupted
from models import (
    AnnouncedCreate,
    AnnouncedLeadWrite,
    AnnouncedTaskWrite,
    Conflict,
    CreateTask,
    Failure,
    KnownTask,
    Lead,
    Link,
    Notice,
    Outcome,
    Plan,
    Stray,
    Task,
    UpdateLead,
    UpdateTask,
)
from state import State
from text import digest
from world import CLOCK_MARGIN_MS, is_record_id

BATCH = 10
# How old a reading may be before a write is checked by one more poll: a status that people changed meanwhile would be
# overwritten, a create meanwhile does no such harm.
UPDATE_AGE_SECONDS = 10
READING_AGE_SECONDS = 60
_MOMENT_SECONDS = 1.0
# From this part of its age on a reading is checked while work goes on.
_SOON_OLD = 0.8
# New tasks whose ids wait to be written to their leads: so long, if there are fewer than ten, and at most so many, so
# that a run which is told to stop can still write them.
_WRITE_BACK_SECONDS = 5
_MOST_WAITING = 100
_LOOKS_AFTER_SECONDS = (0.0, 2.0, 5.0)
_SETUP_CODES = {
    "CRTSK_001", "ITEM_114", "FIELD_115", "UNKNOWN_FIELD_NAME", "INVALID_MULTIPLE_CHOICE_OPTIONS", "INPUT_003",
    "TABLE_NOT_FOUND", "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "OAUTH_027",
}  # fmt: skip
_CHANGED = "not done yet: it was changed while the run was at work"
_KEPT_WAITING = "not known to be done: the service kept it waiting"
_NOT_KEPT = "ClickUp did not keep the custom field of the first task"

log = logging.getLogger("sync")


class _ReadingTooOld(Withheld):
    """The reading grew too old, or showed a change, while a request waited for its turn; nothing was sent."""


# New tasks and their ids, on the way to their leads.
_Made = Outbox[tuple[CreateTask, str]]


class Progress(Protocol):
    """Who shows how far a run is."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins, with so many steps."""

    def step(self, count: int = 1) -> None:
        """Some of its steps are done."""


class CarryingOut:
    """One plan on its way. The outcomes are collected here; `outcome` hands them out at the end."""

    def __init__(
        self,
        made: Plan,
        reading: Reading,
        settings: Settings,
        state: State,
        tools: Tools,
        progress: Progress,
        deadline: float | None,
        claimed: frozenset[str],
        failed_before: frozenset[str],
    ) -> None:
        """`claimed` are leads whose tasks have yet to get their first marker. What is to be written for those that
        failed in an earlier run comes behind the rest."""
        self._plan = made
        self._failed_before = failed_before
        self._claimed = claimed
        self._reading = reading
        self._settings = settings
        self._state = state
        self._tools = tools
        self._progress = progress
        self._deadline = deadline
        self._mutex = threading.RLock()
        self._recheck = threading.Lock()
        self._links: dict[str, Link] = {}
        self._owed = collections.Counter(_records(made.creates, made.task_updates, made.lead_updates))
        self._to_tasks = frozenset(_records(made.creates, made.task_updates))
        self._to_leads = frozenset(_records(update for update in made.lead_updates if update.status is not None))
        self._pending = set(self._owed)
        # When a write was first sent, in Unix milliseconds. It counts for all attempts: from then on a change may be a
        # person's answer to it.
        self._task_writes_sent: dict[str, int] = {}
        self._lead_writes_sent: dict[str, int] = {}
        self._texts_unanswered: dict[str, AnnouncedTaskWrite] = {}
        self._texts_recorded: set[str] = set()
        self._creates_sent: set[str] = set()
        # The service and the lead of requests that may have been carried out, though nothing said so.
        self._unanswered: set[tuple[str, str]] = set()
        self._patience = Patience()
        self._stage = ""
        self._ended: set[str] = set()
        self._poll_took = 0.0
        self._born = {each: moment for each in self._owed if (moment := _made_at(reading.leads.get(each))) is not None}
        self._cancelled: dict[str, str] = {}
        self._filled_in: set[str] = set()
        # Leads whose tasks have yet to get a marker, and those whose tasks the next run has to read by their ids.
        self._to_mark = {update.record_id for update in made.task_updates if update.set_marker}
        self._to_look = set(self._to_mark)
        self._marked: set[str] = set()
        self._markers_sent: set[str] = set()
        self._lost: list[CreateTask] = []
        self._failed: list[Failure] = []
        # How the last try of a write failed that is not given up yet, or that the run had no more time for.
        self._in_vain: dict[str, Failure] = {}
        self._notices: list[Notice] = []
        self.created = self.updated = self.adopted = self.restored = self.pulled = 0
        self.halted: ApiError | None = None
        self.no_creates = ""
        self._over = False
        self._spent = False
        self._mendable = False
        self.setup_doubtful = False

    # --- the order of work

    def run(self, *, before_creates: Callable[[], None]) -> None:
        """Phase 1's updates, Phase 2's updates, then creates: a long backfill must not age the others.

        `before_creates` is called when the updates are done and there is something to create.
        """
        self._links = self._known_links()
        for behind in (False, True):
            self._update_all(
                [update for update in self._plan.task_updates if (update.record_id in self._failed_before) is behind],
                [update for update in self._plan.lead_updates if (update.record_id in self._failed_before) is behind],
            )
        if self._plan.creates and self._may_go_on():
            try:
                before_creates()
            except Interrupted:
                self._over = True
                return
            except ApiError as error:
                self.halted = self.halted or error
                return
            if self._begins("Phase 1: creating tasks", len(self._plan.creates)):
                self._create_all()

    def _update_all(self, tasks: Sequence[UpdateTask], leads: Sequence[UpdateLead]) -> None:
        if tasks and self._begins("Phase 1: updating tasks", len(tasks)):
            self._side_by_side([self._update_job(update) for update in tasks])
        if leads and self._begins("Phase 2: updating leads", len(leads)):
            for start in range(0, len(leads), BATCH):
                if not self._going():
                    break
                self._update_leads(leads[start : start + BATCH])

    def _begins(self, stage: str, steps: int) -> bool:
        """Whether a stage may begin. Too much in vain in one leaves the others alone, but ends it for this run."""
        if self._patience.at_an_end:
            self._ended.add(self._stage)
        if stage in self._ended or not self._may_go_on():
            return False
        self._stage, self._patience = stage, Patience()
        self._progress.stage(stage, steps)
        return True

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget ended it before all was done, or had no room for the next wait."""
        if self._deadline is None or self._tools.stop.is_set():
            return False
        spent = self._over or self._tools.clock.monotonic() >= self._deadline
        return spent and not self._pending <= self._cancelled.keys()

    @property
    def out_of_patience(self) -> bool:
        """Whether too much was in vain to go on."""
        return (bool(self._ended) or self._patience.at_an_end) and not self._pending <= self._cancelled.keys()

    @property
    def needs_person(self) -> bool:
        """Whether running again will not help before a person has done something."""
        return isinstance(self.halted, AuthError | QuotaSpent) or self._spent

    def outcome(self, base: Outcome) -> Outcome:
        """What came of it, added to what the plan said already; of a plan on its way, what has come of it so far."""
        with self._mutex:
            in_vain = {
                each: self._in_vain[each] for each in self._pending & self._in_vain.keys() if self._is_vain(each)
            }
            left = [
                Failure(
                    record_id,
                    self._task_of(record_id),
                    0,
                    self._cancelled.get(record_id) or self._why_left(),
                    look=record_id in self._to_look,
                )
                for record_id in sorted(self._pending - in_vain.keys())
            ]
            stands = self.carried_out()
            return dataclasses.replace(
                base,
                created=self.created,
                updated=self.updated,
                adopted=self.adopted,
                restored=self.restored,
                pulled=self.pulled,
                failed=(*base.failed, *self._failed, *(in_vain[each] for each in sorted(in_vain))),
                conflicts=tuple(each for each in base.conflicts if stands(each.record_id, _phase_of(each))),
                notices=(
                    *(each for each in base.notices if self._is_true(each, stands)),
                    *self._notices,
                ),
                left=(*base.left, *left),
            )

    def _is_vain(self, record_id: str) -> bool:
        """Whether its write is undone because of how it failed, and not because it is not wanted any more."""
        return self._cancelled.get(record_id, _KEPT_WAITING) == _KEPT_WAITING

    def _is_true(self, notice: Notice, stands: Callable[[str, int], bool]) -> bool:
        if notice.of_adoption:
            return notice.record_id in self._lead_writes_sent
        if notice.of_marker:
            return notice.record_id in self._markers_sent
        return notice.phase == 0 or stands(notice.record_id, notice.phase)

    def carried_out(self) -> Callable[[str, int], bool]:
        """What tells of a lead and a phase whether what was planned for its task (1), or for its own status (2), was
        carried out, or may have been."""
        with self._mutex:
            to_tasks = self._task_writes_sent.keys() | self._creates_sent | self._marked
            to_leads = frozenset(self._lead_writes_sent)
        planned, sent = (self._to_tasks, self._to_leads), (to_tasks, to_leads)
        return lambda record_id, phase: record_id not in planned[phase - 1] or record_id in sent[phase - 1]

    def _task_of(self, record_id: str) -> str:
        link = self._links.get(record_id)
        return "" if link is None else link.task_id

    def _why_left(self) -> str:
        if self.no_creates:
            return f"not created: {self.no_creates}"
        if self.halted is not None:
            return f"not done: {self.halted}"
        return "not done yet, or not known to be done, when the run was ended"

    def _known_links(self) -> dict[str, Link]:
        known = self._state.links_of(leads=_records(self._plan.task_updates, self._plan.lead_updates))
        return {**known, **{link.record_id: link for link in self._plan.links if link.record_id in self._claimed}}

    def _going(self) -> bool:
        """Whether new work of this stage may be taken."""
        return not self._patience.at_an_end and self._may_go_on()

    def _may_go_on(self) -> bool:
        """Whether another stage may begin."""
        if self._tools.stop.is_set() or self.halted is not None or self._over:
            return False
        return self._deadline is None or self._tools.clock.monotonic() < self._deadline

    def _side_by_side(self, jobs: Sequence[Callable[[], None]]) -> None:
        if jobs:
            Crew("clickup", self._while_going(jobs), lambda: min(self._tools.in_flight(), len(jobs))).join()

    def _while_going(self, jobs: Iterable[Callable[[], None]]) -> Iterator[Callable[[], None]]:
        for job in jobs:
            if not self._going():
                return
            yield job

    def _job(
        self, work: Callable[[Any], None], action: CreateTask | UpdateTask, failed: Callable[[ApiError], None]
    ) -> Callable[[], None]:
        def job() -> None:
            while True:
                self._refresh(READING_AGE_SECONDS if isinstance(action, CreateTask) else UPDATE_AGE_SECONDS)
                if not self._going() or not self._still_wanted(action.record_id):
                    return
                try:
                    work(action)
                except Interrupted:
                    self._over = True
                    return
                except _ReadingTooOld as withheld:
                    self._not_carried_out("clickup", (action.record_id,), unknown=withheld.outcome_unknown)
                    failure = self._tried_too_long([self._undone(action)], withheld)
                    if failure is not None:
                        failed(failure)
                        return
                    continue  # it waited for its turn so long that the reading has to be checked once more
                self._progress.step()
                return

        return job

    # --- one action

    def _update_job(self, update: UpdateTask) -> Callable[[], None]:
        return self._job(self._update_task, update, functools.partial(self._task_failed, update, sent=True))

    def _update_task(self, update: UpdateTask) -> None:
        try:
            if update.look_first and not self._is_as_last_seen(update):
                self._to_look.add(update.record_id)
                self.cancel((update.record_id,), _CHANGED)
                return
            if update.record_id in self._to_mark:
                self._mark(update)
        except ApiError as error:
            self._task_failed(update, error, sent=False)
            return
        if update.only_marks:
            self._marked.add(update.record_id)
            self._done(update.record_id)
            self._count(updated=1)
            return
        try:
            answer = self._tools.clickup.update(
                update.task_id,
                name=update.name,
                description=update.description,
                status=update.status,
                announce=lambda: self._announce_update(update),
            )
        except ApiError as error:
            self._task_failed(update, error, sent=True)
            return
        self._record_update(update, answer)

    def _mark(self, update: UpdateTask) -> None:
        try:
            self._tools.clickup.set_marker(
                update.task_id, update.record_id, announce=lambda: self._announce_marker(update)
            )
        except _ReadingTooOld as withheld:
            self._marker_not_set(update, unknown=withheld.outcome_unknown)
            raise
        self._to_mark.discard(update.record_id)
        self._state.settle(links=(self._links[update.record_id],))

    def _marker_not_set(self, update: UpdateTask, *, unknown: bool) -> None:
        """What stood in its place stands there still, unless the request may have been carried out after all."""
        if not unknown and ("clickup", update.record_id) not in self._unanswered:
            self._markers_sent.discard(update.record_id)

    def _announce_marker(self, update: UpdateTask) -> None:
        """A task that may get a lead's marker counts as one that bears it until it is read again."""
        self._check_again((update.record_id,), UPDATE_AGE_SECONDS, looks=update.look_first)
        self._markers_sent.add(update.record_id)
        if update.record_id in self._claimed:
            link = self._links[update.record_id]
            self._state.keep_strays((Stray(link.task_id, link.record_id, link.created),), instead_of=frozenset())

    def _is_as_last_seen(self, update: UpdateTask) -> bool:
        """No poll shows a task that was archived or moved since the last full run, nor what people wrote into it."""
        task = known_task(self._tools.clickup.task(update.task_id), self._settings.clickup_list_id)
        link = self._links[update.record_id]
        return (link.seen_status, link.seen_name, link.seen_description) == (task.status, task.name, task.description)

    def _announce_update(self, update: UpdateTask) -> None:
        self._check_again((update.record_id,), UPDATE_AGE_SECONDS, looks=update.look_first)
        now = self._clickup_ms()
        sent = self._task_writes_sent.setdefault(update.record_id, now)
        announced = AnnouncedTaskWrite(
            update.record_id,
            update.task_id,
            update.lead_status,
            update.status or "",
            "" if update.name is None else digest(update.name),
            "" if update.description is None else digest(update.description),
            sent,
            sent,
            now,
        )
        earlier = self._in_doubt(update)
        if earlier is not None:
            announced = dataclasses.replace(
                announced, lead_status=earlier.lead_status, status=earlier.status, sent=earlier.sent
            )
        if announced.name or announced.description:
            self._texts_unanswered[update.record_id] = dataclasses.replace(announced, status="")
        self._state.announce_task_write(announced)

    def _in_doubt(self, update: UpdateTask) -> AnnouncedTaskWrite | None:
        """An earlier write of the task's status that stays in doubt, whatever becomes of this update."""
        earlier = self._reading.task_writes.get(update.record_id)
        return earlier if update.in_doubt and earlier is not None and earlier.task_id == update.task_id else None

    def _record_update(self, update: UpdateTask, answer: Task) -> None:
        task = known_task(answer, self._settings.clickup_list_id)
        self._texts_unanswered.pop(update.record_id, None)
        self._texts_recorded.add(update.record_id)
        with self._mutex:
            link = before = self._links[update.record_id]
            restores = link.restores
            if update.status is not None:
                restores = restores + 1 if update.restore else 0
            link = dataclasses.replace(
                link,
                base=(update.lead_status, update.status) if update.status is not None else link.base,
                name=update.lead_name,
                details=update.details,
                answered_name=task.name if update.name is not None else link.answered_name,
                answered_description=task.description if update.description is not None else link.answered_description,
                seen_name=task.name,
                seen_description=task.description,
                seen_status=task.status,
                elsewhere=task.elsewhere,
                restores=restores,
                passed="" if update.status is not None else link.passed,
                task_written=max(task.updated, self._task_writes_sent[update.record_id] - CLOCK_MARGIN_MS),
            )
            self._links[update.record_id] = link
            self._state.settle(
                task_writes=() if self._in_doubt(update) is not None else (update.record_id,),
                lead_writes=() if update.status is None else (update.record_id,),
                links=(link,),
            )
            in_doubt = self._in_doubt(update)
            if in_doubt is not None:  # of the status alone
                self._state.announce_task_write(dataclasses.replace(in_doubt, name="", description=""))
            if update.status is not None and not update.look_first and moved_unseen(task, before):
                self._notices.append(Notice(update.record_id, update.task_id, unseen_before(task)))
        self._done(update.record_id)
        self._count(restored=1) if update.restore else self._count(updated=1)

    def _task_failed(self, update: UpdateTask, error: ApiError, *, sent: bool) -> None:
        """`sent`: it was the update that failed, not the marker, which comes before it."""
        self._not_carried_out("clickup", (update.record_id,), unknown=sent and error.outcome_unknown)
        if not sent:
            self._marker_not_set(update, unknown=error.outcome_unknown)
        if update.record_id not in self._claimed:
            self._to_mark.discard(update.record_id)  # its link is known without
        elif not sent:
            self.cancel((update.record_id,), "its task could not be marked as its own")
            if not error.outcome_unknown:  # what it bore before, if anything, it bears still
                borne = [stray for stray in self._reading.strays() if stray.task_id == update.task_id]
                self._state.keep_strays(borne, instead_of={update.task_id})
        look = update.set_marker or isinstance(error, NotFound)
        self._fail(Failure(update.record_id, update.task_id, 1, str(error), error.hint, look), error)

    def _update_leads(self, updates: Sequence[UpdateLead]) -> None:
        """Ten leads at once; a refused ten is sent again one by one, so that one bad record costs itself alone."""
        self._refresh(UPDATE_AGE_SECONDS)
        wanted = [
            update
            for update in updates
            if update.record_id not in self._to_mark and self._still_wanted(update.record_id)
        ]
        if not wanted or not self._going():
            return
        try:
            self._write_leads(wanted)
        except Interrupted:
            self._over = True
        except _ReadingTooOld as withheld:
            self._not_carried_out("airtable", _records(wanted), unknown=withheld.outcome_unknown)
            if withheld.failure is not None and self._is_suspect(wanted, withheld.failure):
                self._patience.refused(_records(wanted), withheld.refusals)
                self._one_by_one(wanted, withheld.failure)
                return
            failure = self._tried_too_long([_failure(update) for update in wanted], withheld)
            if failure is None:
                self._update_leads(wanted)
            else:
                self._leads_failed(wanted, failure)
        except (InvalidRequest, NotFound) as error:
            if len(wanted) == 1:
                self._leads_failed(wanted, error)
                return
            self._one_by_one(wanted, error)
        except ApiError as error:
            if self._is_suspect(wanted, error):
                self._one_by_one(wanted, error)
            else:
                self._leads_failed(wanted, error)

    def _is_suspect(self, updates: Sequence[UpdateLead], error: ApiError) -> bool:
        """Whether a batch may hold one lead that Airtable fails at, in every run."""
        failed_before = self._failed_before.issuperset(_records(updates))
        return len(updates) > 1 and failed_before and isinstance(error, ServiceError | TransportError | BadAnswer)

    def _one_by_one(self, updates: Sequence[UpdateLead], error: ApiError) -> None:
        log.info("a batch of %d leads failed, so they are sent one by one: %s", len(updates), error)
        self._not_carried_out("airtable", _records(updates), unknown=error.outcome_unknown)
        for update in updates:
            if self._going():
                self._update_leads((update,))

    def _announce_lead_writes(self, updates: Sequence[UpdateLead], announced: Sequence[UpdateLead]) -> None:
        self._check_again(_records(updates), UPDATE_AGE_SECONDS)
        now = int(self._tools.airtable.now() * 1000)
        sent = {update.record_id: self._lead_writes_sent.setdefault(update.record_id, now) for update in updates}
        writes = [
            AnnouncedLeadWrite(
                update.record_id, update.task_id, update.task_status, update.status or "", sent[update.record_id], now
            )
            for update in announced
        ]
        if writes:
            self._state.announce_lead_writes(writes)

    def _write_leads(self, updates: Sequence[UpdateLead]) -> None:
        announced = [update for update in updates if update.status is not None]
        cells = [(update.record_id, self._cells(update)) for update in updates]
        self._tools.airtable.update(cells, announce=lambda: self._announce_lead_writes(updates, announced))
        answered = int(self._tools.airtable.now() * 1000)
        with self._mutex:
            moved = []
            for update in announced:
                link = self._links[update.record_id]
                base = (update.status or "", update.task_status)
                link = dataclasses.replace(link, base=base, restores=0, passed="", lead_written=answered)
                self._links[update.record_id] = link
                moved.append(link)
            ids = [update.record_id for update in announced]
            doubts = [update.record_id for update in updates if update.settles]
            texts = {each: found for each in doubts if (found := self._texts_in_doubt(each)) is not None}
            for write in texts.values():  # only what became of the status is known
                self._state.announce_task_write(write)
            self._state.settle(lead_writes=ids, task_writes=[each for each in doubts if each not in texts], links=moved)
        for update in updates:
            self._done(update.record_id)
            self._count(adopted=int(update.adopt), pulled=int(update.status is not None))
        self._progress.step(len(updates))

    def _texts_in_doubt(self, record_id: str) -> AnnouncedTaskWrite | None:
        """The name and description that were sent to the lead's task without an answer, in this run or an earlier."""
        now = self._texts_unanswered.get(record_id)
        if now is not None or record_id in self._texts_recorded:
            return now
        earlier = self._reading.task_writes.get(record_id)
        has_texts = earlier is not None and (earlier.name or earlier.description)
        return dataclasses.replace(earlier, status="") if earlier is not None and has_texts else None

    def _cells(self, update: UpdateLead) -> Mapping[str, Any]:
        cells: dict[str, Any] = {}
        if update.status is not None:
            cells[self._settings.status_field] = update.status
        if update.task_cell is not None:
            cells[self._settings.task_id_field] = update.task_cell
        return cells

    def _leads_failed(self, updates: Sequence[UpdateLead], error: ApiError) -> None:
        self._not_carried_out("airtable", _records(updates), unknown=error.outcome_unknown)
        for update in updates:
            self._fail(dataclasses.replace(_failure(update), error=str(error), hint=error.hint), error)

    # --- creates

    def _create_all(self) -> None:
        """One by one until ClickUp has answered one and kept its marker; then many at once, write-backs beside them."""
        made = _Made(self._tools.clock, self._tools.stop, batch=BATCH, patience=_WRITE_BACK_SECONDS, most=_MOST_WAITING)
        writers = Crew("airtable", self._write_backs(made), self._writers)
        if not writers.started:
            self.no_creates = "the machine allows no thread that would write the ids of new tasks to their leads"
        jobs = [self._create_job(create, made) for create in sorted(self._plan.creates, key=self._place)]
        try:
            waiting = iter(jobs)
            for job in self._while_going(waiting):
                job()
                if self.created or self.no_creates:
                    break
            self._side_by_side([] if self.no_creates else list(waiting))
            self._find_lost_creates(made)
        finally:
            made.close()
        writers.join()

    def _place(self, create: CreateTask) -> tuple[int, float, str]:
        """The oldest leads go first, but behind all others those that earlier runs tried in vain."""
        return create.turn, self._born.get(create.record_id, 0.0), create.record_id

    def _create_job(self, create: CreateTask, made: _Made) -> Callable[[], None]:
        def work(action: CreateTask) -> None:
            if self.no_creates:
                return
            task_id = self._create(action)
            if task_id:
                made.put((action, task_id))

        return self._job(work, create, functools.partial(self._create_failed, create))

    def _create(self, create: CreateTask) -> str:
        try:
            answer = self._tools.clickup.create(
                name=create.name,
                description=create.description,
                status=create.status,
                marker=create.record_id,
                announce=lambda: self._announce_create(create),
            )
        except ApiError as error:
            self._create_failed(create, error)
            return ""
        task = known_task(answer, self._settings.clickup_list_id)
        self._record_create(create, task, answered=(task.name, task.description))
        return answer.id

    def _announce_create(self, create: CreateTask) -> None:
        """The last sending counts: a task may turn up so long after it."""
        self._check_again((create.record_id,), READING_AGE_SECONDS)
        self._creates_sent.add(create.record_id)
        self._state.announce_create(
            AnnouncedCreate(
                create.record_id,
                create.lead_status,
                create.status,
                digest(create.name),
                create.details,
                digest(create.description),
                self._clickup_ms(),
            )
        )

    def _check_again(self, record_ids: Sequence[str], age: float, *, looks: bool = False) -> None:
        """When their turn has come: the wait may have been long, and another's poll may have cancelled one of them.

        `looks`: the task itself was looked at first.
        """
        if not self._is_old(age, looks=looks) and all(map(self._still_wanted, record_ids)):
            return
        self._count_round(record_ids)
        raise _ReadingTooOld

    def _undone(self, action: CreateTask | UpdateTask) -> Failure:
        """What to say of a task that could not be written to, but for what went wrong."""
        task_id = action.task_id if isinstance(action, UpdateTask) else ""
        return Failure(action.record_id, task_id, 1, "", look=action.record_id in self._to_look)

    def _tried_too_long(self, tries: Sequence[Failure], withheld: Withheld) -> ApiError | None:
        """How a write failed that grew old while its attempts failed, if that has taken too long; None to go on.

        `tries` are what to say of its records, without what went wrong.
        """
        record_ids = [each.record_id for each in tries]
        self._patience.refused(record_ids, withheld.refusals)
        failure = withheld.failure
        if failure is None:
            return None
        with self._mutex:
            self._in_vain.update(
                (each.record_id, dataclasses.replace(each, error=str(failure), hint=failure.hint)) for each in tries
            )
        return None if self._patience.failed(record_ids, withheld.seconds) else failure

    def _count_round(self, record_ids: Sequence[str]) -> None:
        """Whom a service keeps waiting again and again is left to the next run, or the run would never end."""
        if not self._patience.another_round(record_ids):
            self.cancel(record_ids, _KEPT_WAITING)

    def _not_carried_out(self, service: str, record_ids: Sequence[str], *, unknown: bool) -> None:
        """What surely was not carried out is announced no more; what an earlier run announced stays.

        `unknown`: the request may have been carried out after all. So may one before it in this run that got no answer.
        """
        with self._mutex:
            if unknown:
                self._unanswered.update((service, each) for each in record_ids)
            surely = [each for each in record_ids if (service, each) not in self._unanswered]
        if service == "airtable":
            self._take_back_announcements(leads=[each for each in surely if each in self._lead_writes_sent])
            for record_id in surely:
                self._lead_writes_sent.pop(record_id, None)
            return
        creates = [each for each in surely if each in self._creates_sent and each not in self._reading.creates]
        if creates:
            self._state.settle(creates=creates)
        self._take_back_announcements(tasks=[each for each in surely if each in self._task_writes_sent])
        for record_id in surely:
            self._creates_sent.discard(record_id)
            self._task_writes_sent.pop(record_id, None)
            self._texts_unanswered.pop(record_id, None)

    def _take_back_announcements(self, tasks: Iterable[str] = (), leads: Iterable[str] = ()) -> None:
        """Of what surely was not carried out nothing will arrive; what an earlier run announced may, as before."""
        plan, reading = self._plan, self._reading
        for record_id in tasks:
            earlier = None if record_id in plan.settled_task_writes else reading.task_writes.get(record_id)
            if earlier is None:
                self._state.settle(task_writes=(record_id,))
            else:
                self._state.announce_task_write(earlier)
        for record_id in leads:
            before = None if record_id in plan.settled_lead_writes else reading.lead_writes.get(record_id)
            if before is None:
                self._state.settle(lead_writes=(record_id,))
            else:
                self._state.announce_lead_writes((before,))

    def _create_failed(self, create: CreateTask, error: ApiError) -> None:
        if error.outcome_unknown:
            with self._mutex:
                self._lost.append(create)
        else:
            self._state.settle(creates=(create.record_id,))
            self._creates_sent.discard(create.record_id)
        self._fail(Failure(create.record_id, "", 1, str(error), error.hint), error)

    def _record_create(self, create: CreateTask, task: KnownTask, *, answered: tuple[str, str]) -> None:
        """The link of a new task. `answered` are the digests of the name and description that our create gave it."""
        link = Link(
            create.record_id,
            task.id,
            (create.lead_status, create.status),
            digest(create.name),
            create.details,
            *answered,
            task.status,
            task.name,
            task.description,
            task.created,
            task.elsewhere,
        )
        with self._mutex:
            self._links[create.record_id] = link
            self._state.settle(creates=(create.record_id,), links=(link,))
        self._count(created=1)
        if task.marker != create.record_id:
            self._mend_marker(create, task)

    def _mend_marker(self, create: CreateTask, task: KnownTask) -> None:
        """ClickUp drops a custom field that does not apply, without a word: set it, look, or create no more."""
        with self._mutex:
            if not self._mendable:
                self.no_creates = self.no_creates or _NOT_KEPT
        try:
            self._tools.clickup.set_marker(task.id, create.record_id)
            if self._keeps_marker(task.id, create.record_id):
                self._notices.append(
                    Notice(
                        create.record_id, task.id, "ClickUp dropped the marker from the create; it was set afterwards"
                    )
                )
                with self._mutex:
                    # From here on others go on creating while one is mended.
                    self._mendable = True
                    if self.no_creates == _NOT_KEPT:
                        self.no_creates = ""
                return
            why, hint, refusal = "ClickUp does not keep the record id in the custom field", "", None
        except ApiError as error:
            why, hint, refusal = str(error), error.hint, error
        except Interrupted as error:
            self._over = True
            why, hint, refusal = f"{error}", "run again", None
        with self._mutex:
            self.no_creates = self.no_creates or _NOT_KEPT
        self._fail(
            Failure(
                create.record_id,
                task.id,
                1,
                f"its task has no marker: {why}",
                hint or "make CLICKUP_CUSTOM_FIELD_ID a text field of this List that applies to its default task type",
            ),
            refusal,
        )

    def _keeps_marker(self, task_id: str, marker: str) -> bool:
        """Whether the task shows its marker, at once or, should ClickUp be late, within seconds."""
        for pause in _LOOKS_AFTER_SECONDS:
            self._tools.clock.wait(pause, self._tools.stop)
            if self._tools.clickup.task(task_id).marker == marker:
                return True
        return False

    def _find_lost_creates(self, made: _Made) -> None:
        """Creates whose answer was lost: ask ClickUp by marker, once. What is not found waits for a later run."""
        for create in self._lost:
            if not self._going():
                return
            try:
                found = self._tools.clickup.with_marker(create.record_id)
            except (ApiError, Interrupted) as error:
                log.info("asking for the task of %s: %s", create.record_id, error)
                continue
            if found:
                oldest = min(found, key=lambda task: (task.created, task.id))
                task = known_task(oldest, self._settings.clickup_list_id)
                # People may have edited it since: what it shows now is not what the create was answered with.
                self._record_create(create, task, answered=(digest(create.name), digest(create.description)))
                with self._mutex:
                    self._failed = [each for each in self._failed if each.record_id != create.record_id]
                    self._pending.add(create.record_id)
                made.put((create, oldest.id))

    def _writers(self) -> int:
        """So many write-backs at once as Airtable answers at its limit, and one that gets ready."""
        at_the_limit = math.ceil(self._tools.airtable.http.latency * AIRTABLE_STARTS)
        return min(self._tools.in_flight(), 1 + at_the_limit)

    def _write_backs(self, made: _Made) -> Iterator[Callable[[], None]]:
        """Write the ids of new tasks to their leads, in tens, while others are still being created."""
        for batch in made.batches():
            yield functools.partial(self._write_back, made, batch)

    def _write_back(self, made: _Made, batch: Iterable[tuple[CreateTask, str]]) -> None:
        done = False
        try:
            self._write_back_now(
                [
                    UpdateLead(create.record_id, task_id, create.status, None, task_id, False, "", ())
                    for create, task_id in batch
                ]
            )
            done = True
        finally:
            if not done:
                self._over = True
                made.close()  # or the creates would wait for ever

    def _write_back_now(self, updates: Sequence[UpdateLead]) -> None:
        """Write ids to leads, but never over what people have typed there since the reading."""
        self._refresh(last_words=True)
        if self.halted is not None and self.halted.service == "airtable":
            return
        with self._mutex:
            updates = [update for update in updates if update.record_id not in self._filled_in]
        if not updates:
            return
        try:
            cells = [(update.record_id, self._cells(update)) for update in updates]
            self._tools.airtable.update(cells, announce=lambda: self._check_cells(updates), last_words=True)
        except Interrupted:
            return
        except _ReadingTooOld as withheld:
            failure = self._tried_too_long([_failure(update) for update in updates], withheld)
            if failure is not None:
                self._leads_failed(updates, failure)
            elif self._patience.has_rounds_left(_records(updates)):
                self._write_back_now(updates)
            return
        except (InvalidRequest, NotFound) as error:
            if len(updates) == 1:
                self._leads_failed(updates, error)
                return
            for update in updates:
                self._write_back_now((update,))
            return
        except ApiError as error:
            self._leads_failed(updates, error)
            return
        for update in updates:
            self._done(update.record_id)

    def _check_cells(self, updates: Sequence[UpdateLead]) -> None:
        """When their turn has come; a run that is told to stop reads no more."""
        ids = _records(updates)
        with self._mutex:
            typed = not self._filled_in.isdisjoint(ids)
        if typed or (self._may_read() and self._is_old(READING_AGE_SECONDS)):
            self._count_round(ids)
            raise _ReadingTooOld

    # --- reading again, only to cancel

    def _may_read(self) -> bool:
        """Whether leads may be read once more before the ids of their tasks are written to them: also when the time
        budget is spent."""
        return self.halted is None and not self._patience.at_an_end and not self._tools.stop.is_set()

    def _refresh(self, age: float = READING_AGE_SECONDS, *, last_words: bool = False) -> None:
        """Work whose reading is too old is checked by one more poll of each side's changes.

        While it is only about to grow too old, one thread polls and the others go on. `last_words`: when the run's time
        is over, of the leads alone.
        """
        if not self._is_old(_SOON_OLD * age) or not self._recheck.acquire(blocking=self._is_old(age)):
            return
        try:
            going = self._going()
            if not (going or (last_words and self._may_read())) or not self._is_old(_SOON_OLD * age):
                return
            began = self._tools.clock.monotonic()
            try:
                leads, tasks = self._reading.changed_meanwhile(self._oldest_pending(), both_sides=going)
            except Interrupted:
                self._over = True
                return
            except ApiError as error:
                log.warning("what changed meanwhile could not be read, so the run ends here: %s", error)
                with self._mutex:
                    self.halted = self.halted or error
                return
            self._cancel(leads, tasks)
            self._reading.read_at, self._poll_took = began, self._tools.clock.monotonic() - began
        finally:
            self._recheck.release()

    def _is_old(self, age: float, *, looks: bool = False) -> bool:
        """Whether the last reading began longer ago. Where a service takes that long to answer a poll, what comes right
        behind the poll, or behind a look at the task itself, is allowed, or nothing would ever be."""
        answers = self._poll_took + (self._tools.clickup.http.latency if looks else 0.0)
        return self._tools.clock.monotonic() - self._reading.read_at >= max(age, answers + _MOMENT_SECONDS)

    def _oldest_pending(self) -> float | None:
        """When the oldest of the leads was made for which something is still to be done; None where that is not known.

        Tasks are created for the oldest leads first, so a long backfill does not read again what it has done.
        """
        with self._mutex:
            waiting = [each for each in self._pending if each not in self._cancelled or each in self._links]
        born = [self._born.get(each) for each in waiting]
        return None if not born or None in born else min(moment for moment in born if moment is not None)

    def _cancel(self, leads: Mapping[str, Lead], tasks: Mapping[str, KnownTask]) -> None:
        with self._mutex:
            for record_id, now in leads.items():
                before = self._reading.leads.get(record_id)
                if record_id not in self._pending or before is None:
                    continue
                # One that is as it was, and has changed all the same, may have been put back behind our own write.
                if _lead_differs(before, now) or record_id in self._lead_writes_sent:
                    self._cancelled[record_id] = _CHANGED
                    if now.task_cell != before.task_cell:
                        self._filled_in.add(record_id)
            by_task = {link.task_id: link for link in self._links.values()}
            for task in tasks.values():
                link = by_task.get(task.id)
                if link is not None and link.record_id in self._pending:
                    ours = max(self._task_writes_sent.get(link.record_id, math.inf), link.task_written)
                    if _task_differs(link, task) or task.updated > ours + CLOCK_MARGIN_MS:
                        self._cancelled[link.record_id] = _CHANGED
                if link is None and is_record_id(task.marker) and task.marker in self._pending:
                    self._cancelled[task.marker] = _CHANGED

    def _still_wanted(self, record_id: str) -> bool:
        with self._mutex:
            return record_id not in self._cancelled

    def cancel(self, record_ids: Iterable[str], why: str) -> None:
        """Leave some records to a later run."""
        with self._mutex:
            self._cancelled.update(dict.fromkeys(record_ids, why))

    # --- counting

    def _done(self, record_id: str) -> None:
        self._patience.done()
        with self._mutex:
            self._in_vain.pop(record_id, None)
            self._owed[record_id] -= 1
            if self._owed[record_id] <= 0:
                self._pending.discard(record_id)

    def _count(self, **more: int) -> None:
        with self._mutex:
            for name, count in more.items():
                setattr(self, name, getattr(self, name) + count)

    def _fail(self, failure: Failure, error: ApiError | None = None) -> None:
        with self._mutex:
            if isinstance(error, RateLimited) or (error is not None and error.attempts == 0):
                self.halted = self.halted or error  # the service is down, or refuses everything: the rest is left
                return
            self._failed.append(failure)
            self._pending.discard(failure.record_id)
            if error is not None and error.code in _SETUP_CODES:
                self.setup_doubtful = True
            if isinstance(error, QuotaSpent):
                self._spent = True
                self.no_creates = self.no_creates or error.message
            if isinstance(error, AuthError) or (isinstance(error, QuotaSpent) and error.service == "airtable"):
                self.halted = self.halted or error

    def _clickup_ms(self) -> int:
        return int(self._tools.clickup.now() * 1000)


def _made_at(lead: Lead | None) -> float | None:
    """When a lead was made, in Unix seconds; None where that cannot be read."""
    try:
        moment = datetime.fromisoformat(lead.created.replace("Z", "+00:00")) if lead is not None else None
        return moment.timestamp() if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def claims(made: Plan, links: Mapping[str, Link]) -> frozenset[str]:
    """The leads whose tasks have yet to get their first marker; a new link is kept only once it is set."""
    marking = (update for update in made.task_updates if update.set_marker)
    return frozenset(
        update.record_id
        for update in marking
        if update.record_id not in links or links[update.record_id].task_id != update.task_id
    )


def _phase_of(conflict: Conflict) -> int:
    """The phase that carries the winner's status over."""
    return 1 if conflict.winner == "airtable" else 2


def _failure(update: UpdateLead) -> Failure:
    """What to say of a lead that could not be written to, but for what went wrong."""
    return Failure(update.record_id, update.task_id, 2 if update.status is not None else 1, "")


def _records(*actions: Iterable[CreateTask | UpdateTask | UpdateLead]) -> list[str]:
    return [action.record_id for group in actions for action in group]


def _lead_differs(before: Lead, now: Lead) -> bool:
    return (before.status, before.name, before.details, before.task_cell) != (
        now.status,
        now.name,
        now.details,
        now.task_cell,
    )


def _task_differs(link: Link, task: KnownTask) -> bool:
    """Whether a task is no longer as this run last saw it or left it."""
    return (link.seen_status, link.seen_name, link.seen_description, link.record_id) != (
        task.status,
        task.name,
        task.description,
        task.marker,
    )
