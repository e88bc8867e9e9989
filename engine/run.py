"""The order of a run, from the set-up's examination to the watermarks."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from budget import CLICKUP_PER_MINUTE
from clients.errors import ApiError, InvalidRequest, NotFound
from clients.pacing import CLICKUP_WINDOW
from config import Settings, fingerprint
from decisions.links import TASK_DELETED
from decisions.rules import Rules
from engine import setup as setup_room
from engine.carrying_out import CarryingOut, Progress, claims
from engine.reading import OVERLAP_SECONDS, Reading, Tools
from engine.setup import Setup, left_out
from engine.telling import Telling, as_kept
from errors import ConfigError, SafetyStop, SyncError
from models import Failure, Notice, Outcome, Plan
from state import State
from sync_logic import LEAD_GONE, brakes, in_turn, limited, plan, status_changes, subjects
from text import visible

_MOST_ROUNDS = 50
_DELETED_AT_ONCE = 20

log = logging.getLogger("sync")


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    dry_run: bool = False
    full: bool = False
    only: tuple[str, ...] = ()
    limit: int | None = None
    phase: int | None = None
    force: bool = False


def check(settings: Settings, tools: Tools) -> Setup:
    """Examine the set-up, read-only. Raises ConfigError with every problem."""
    return setup_room.examine(settings, tools.airtable, tools.clickup)


def sync(
    settings: Settings,
    options: Options,
    state: State,
    tools: Tools,
    progress: Progress,
    on_work: Callable[[Callable[[], Outcome]], None] = lambda _: None,
) -> Outcome:
    """One run. Raises SyncError where nothing could be planned; what fails later is in the outcome.

    With `dry_run`, the state must be a copy: the plan is made and nothing is written to either service.
    Before the first write, `on_work` is given what tells, from any thread, how much of the plan is done so far.
    """
    return _Run(settings, options, state, tools, progress, on_work).run()


class _Run:
    def __init__(
        self,
        settings: Settings,
        options: Options,
        state: State,
        tools: Tools,
        progress: Progress,
        on_work: Callable[[Callable[[], Outcome]], None],
    ) -> None:
        self._settings = settings
        self._options = options
        self._state = state
        self._tools = tools
        self._progress = progress
        self._on_work = on_work
        self._started = tools.clock.monotonic()
        self._started_at = tools.clock.time()
        self._partial = bool(options.only or options.phase is not None)
        self._missed: list[str] = []
        self._examined = False
        self._whole = False
        self._put_off: dict[str, Failure] = {}
        self._deleted_until = state.value("deleted_until")

    def run(self) -> Outcome:
        setup = self._setup()
        setup, reading, whole = self._read_and_plan(setup)
        whole = in_turn(whole, self._refused())
        claimed = claims(whole, reading.world().links)
        made = limited(whole, creates=self._options.limit, phase=self._options.phase, claimed=claimed)
        self._partial = self._partial or made.cut
        outcome = _planned(made, reading, (*setup.warnings, *self._missed))
        put_off = [failure for record_id, failure in self._put_off.items() if record_id not in reading.leads]
        outcome = dataclasses.replace(
            outcome,
            failed=(*outcome.failed, *self._not_there(made), *(each for each in put_off if each.phase)),
            left=(*outcome.left, *(each for each in put_off if not each.phase)),
        )
        brake = "" if self._options.force else self._brake(reading, made)
        if self._options.dry_run:
            stop = (Notice("", "", f"a run would stop here: {brake}"),) if brake else ()
            doubt = self._doubt(reading) if made.creates and not self._untouched(reading) else None
            return dataclasses.replace(outcome, plan=made, doubt=doubt, notices=(*outcome.notices, *stop))
        if brake:
            raise SafetyStop(brake, "look at the plan with --dry-run; if it is what you want, run once with --force")
        telling = Telling(self._state, whole, made)
        outcome = dataclasses.replace(outcome, notices=(*telling.of_earlier_runs(), *outcome.notices))
        self._keep_readings(reading, made, claimed, setup, untold=telling.before_the_first_write())
        self._tools.clickup.http.deadline = self._deadline()
        work = CarryingOut(
            made,
            reading,
            self._settings,
            self._state,
            self._tools,
            self._progress,
            self._deadline(),
            claimed,
            frozenset(each.record_id for each in self._state.unfinished() if each.phase),
        )
        self._on_work(lambda: work.outcome(outcome))
        work.run(before_creates=lambda: self._settle_creates(reading, work, made))
        ended, seen_once = telling.at_the_end(self._ending(work.outcome(outcome), work), work.carried_out())
        self._record(reading, whole, seen_once, ended, halted=work.halted is not None)
        return ended

    # --- set-up

    def _setup(self) -> Setup:
        """What the last examination found, or a new one: on the first run, after other settings, or after a doubt."""
        kept = setup_room.from_text(self._state.value("setup"), self._settings)
        if kept is not None and self._is_full():
            if kept.warnings or not kept.table_id:
                kept = None  # what was amiss last time may have been mended: a missing field, a scope of the token
            else:
                kept = setup_room.with_names_found(kept, self._tools.airtable)
        return kept or self._examine()

    def _examine(self) -> Setup:
        self._examined = True
        return setup_room.examine(self._settings, self._tools.airtable, self._tools.clickup)

    def _not_there(self, made: Plan) -> Iterable[Failure]:
        """Leads that the command line named and that do not exist."""
        for record_id in self._options.only:
            if made.verdicts.get(record_id) == LEAD_GONE:
                yield Failure(record_id, "", 1, "there is no such lead in the table", "look up the id of its record")

    def _brake(self, reading: Reading, made: Plan) -> str:
        """Why this run has to stop before its first write; "" if it need not."""
        changing = status_changes(made)
        if not any(changing):
            return ""  # an idle run need not count its links
        pairs = self._pairs(reading, made)
        for changes, where in zip(changing, ("tasks", "leads"), strict=True):
            if brakes(changes, pairs):
                return (
                    f"this run would change the status of {changes} {where}, of {pairs} pairs in all; "
                    "nothing was written"
                )
        return ""

    def _pairs(self, reading: Reading, made: Plan) -> int:
        """How many pairs there are whose lead and task are there, as far as this run and those before it know."""
        links = {**reading.world().links, **{link.record_id: link for link in made.links}}
        there = reading.there(links.values())
        if reading.full:
            return len(there)
        gone = self._state.links_of(leads=self._gone()).keys()  # a task may be another lead's by now
        return max(len(there), self._state.count_links() - len(gone - there))

    def _gone(self) -> frozenset[str]:
        """The leads that were gone, or whose task was deleted, when that was last read."""
        return frozenset(json.loads(self._state.value("gone_leads") or "[]"))

    def _gone_now(self, reading: Reading) -> dict[str, str | None]:
        """The same after this run, to be kept if it is not what it was. A lead whose task was made anew is linked to
        that one by now."""
        links, before = reading.world().links.values(), self._gone()
        linked = self._state.links_of(leads=reading.gone(links)).values()
        now = reading.gone(linked)
        if not reading.full:
            now |= before - reading.there((*links, *linked))
        return {} if now == before else {"gone_leads": json.dumps(sorted(now))}

    # --- reading and planning

    def _is_full(self) -> bool:
        last = float(self._state.value("last_full") or 0)
        now = self._tools.clock.time()
        due = not (last <= now < last + self._settings.full_every_hours * 3600)
        changed = self._state.value("settings") != fingerprint(self._settings)
        return self._options.full or self._whole or due or changed or self._state.value("short") is not None

    def _read_and_plan(self, setup: Setup) -> tuple[Setup, Reading, Plan]:
        """Read, and plan; where a service says that a name is unknown, the set-up is examined and its problems told."""
        while True:
            try:
                reading = self._read(setup)
                made = self._plan(reading, setup)
                if made is not None:
                    return setup, reading, made
                self._whole = True
            except (InvalidRequest, NotFound) as error:
                setup = self._with_fewer_fields(setup, error)

    def _with_fewer_fields(self, setup: Setup, error: ApiError) -> Setup:
        """The set-up less the fields that the table has no more and the sync can do without.

        Raises ConfigError where that is not what is wrong.
        """
        before = setup.fields
        if not self._examined:
            setup = self._examine()
        setup = _without_unknown_field(setup, error)
        missed = [name for name in before if name not in setup.fields]
        if not missed:
            if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise error  # the set-up is what it was: access was taken away
            raise ConfigError(
                [f"{error}" + (f" ({error.hint})" if error.hint else "")], "run with --check to examine the set-up"
            ) from error
        self._missed.extend(
            f"the table has no field '{visible(name)}' any more; leads without a name are named without it"
            for name in missed
            if name not in self._settings.detail_fields
        )
        return setup

    def _read(self, setup: Setup) -> Reading:
        full = self._is_full()
        if full:
            self._state.examine_whole()
        reading = Reading(self._settings, setup, self._state, self._tools, full=full, only=self._options.only)
        unfinished = self._state.unfinished()
        announced = (*reading.creates, *reading.task_writes, *reading.lead_writes)
        all_asked = full or self._options.only
        self._put_off = {} if all_asked else self._not_this_time(unfinished, set(announced))
        self._progress.stage("reading everything" if full else "reading what changed", 0)
        reading.read(
            airtable_since=float(self._state.value("airtable_watermark") or 0),
            clickup_since=self._clickup_since(reading),
            again={*(each.record_id for each in unfinished), *announced, *self._options.only} - self._put_off.keys(),
            look=(each.task_id for each in unfinished if each.look and each.task_id),
        )
        return reading

    def _not_this_time(self, unfinished: Sequence[Failure], wanted: set[str]) -> dict[str, Failure]:
        """Of what earlier runs failed at or left, what this run need not ask for.

        As long as nobody edits these leads they are as they were left, and an edit shows by itself.
        """
        return {**self._beyond_the_budget(unfinished, wanted), **self._still_deleted(unfinished, wanted)}

    def _still_deleted(self, unfinished: Iterable[Failure], wanted: set[str]) -> dict[str, Failure]:
        """Leads whose task was deleted, but for a few, in turn: each task costs a request, and may be one of hundreds.

        No poll may show that one was restored; then it shows when its turn comes, or in a full run.
        """
        if self._settings.missing_task != "report":
            return {}
        failed = {each.record_id: each for each in unfinished if each.error == TASK_DELETED}
        deleted = list(failed.keys() - wanted)
        last = self._deleted_until or ""
        deleted.sort(key=lambda lead: (lead <= last, lead))
        put_off = deleted[_DELETED_AT_ONCE:]
        self._deleted_until = deleted[_DELETED_AT_ONCE - 1] if put_off else None
        return {lead: failed[lead] for lead in put_off}

    def _beyond_the_budget(self, unfinished: Iterable[Failure], wanted: set[str]) -> dict[str, Failure]:
        """Of the leads that earlier runs left without a task those that the time budget cannot reach either."""
        budget = self._settings.time_budget_seconds
        if budget is None:
            return {}
        left = {each.record_id: each for each in unfinished if each.record_id and each.phase == 0}
        linked = self._state.links_of(leads=left)
        waiting = [record_id for record_id in left if record_id not in linked and record_id not in wanted]
        turns = {record_id: turn for turn, record_id in enumerate(self._refused(), 1)}
        waiting.sort(key=lambda record_id: turns.get(record_id, 0))
        windows = 1 + int(budget // CLICKUP_WINDOW)
        within_reach = windows * int(self._state.value("pace") or CLICKUP_PER_MINUTE)
        return {record_id: left[record_id] for record_id in waiting[within_reach:]}

    def _clickup_since(self, reading: Reading) -> int:
        """The watermark in milliseconds, but never past a create whose outcome is unknown: its task may show late."""
        since = int(float(self._state.value("clickup_watermark") or 0) * 1000)
        return min([since, *(create.sent - OVERLAP_SECONDS * 1000 for create in reading.creates.values())])

    def _plan(self, reading: Reading, setup: Setup) -> Plan | None:
        """The plan; None where one reading leads to the next for so long that it takes less to read everything.

        So it is where each of many leads names the task of another.
        """
        rules = _rules(self._settings, setup)
        for _ in range(_MOST_ROUNDS):
            world = reading.world()
            chosen = frozenset(self._options.only) or subjects(world)
            made = plan(world, chosen, rules)
            if isinstance(made, Plan):
                return made
            reading.fetch(made)
        if reading.full:
            raise AssertionError(f"the decisions still want to know more after {_MOST_ROUNDS} rounds: {made}")
        log.info("after %d readings by id there is still more to know, so everything is read", _MOST_ROUNDS)
        return None

    def _keep_readings(
        self, reading: Reading, made: Plan, claimed: frozenset[str], setup: Setup, *, untold: str | None
    ) -> None:
        """What the readings alone prove, and what is decided against somebody's change, before anything is written."""
        self._note_traces(reading)
        self._state.keep_binding(setup.table_id)
        self._state.keep_values({"setup": setup_room.to_text(setup), "untold": untold})
        if self._state.value("settings") != fingerprint(self._settings):
            self._state.keep_values({"settings": None})  # what is decided by others now is read whole by the next run
        self._state.settle(
            creates=made.settled_creates & reading.creates.keys(),
            task_writes=(made.settled_task_writes & reading.task_writes.keys()) - claimed,
            lead_writes=(made.settled_lead_writes & reading.lead_writes.keys()) - claimed,
            links=[
                *(link for link in made.links if link.record_id not in claimed),
                *(link for link in made.former_links if link.record_id in claimed),
            ],
            # What is known of tasks that a reading does not show stays. Not even a full one shows those that were moved
            # to another List, or cannot be read.
            strays=reading.strays(made.links),
            instead_of=reading.told_of(),
        )

    # --- before the first create

    def _note_traces(self, reading: Reading) -> None:
        """A new state file: where nothing shows an earlier run, creates are safe; else the time of doubt begins."""
        if self._state.value("creates_settled") is not None or self._state.value("born") is not None:
            return
        if self._untouched(reading):
            self._state.keep_values({"creates_settled": "1"})
        else:
            self._state.keep_values({"born": repr(reading.latest)})

    def _untouched(self, reading: Reading) -> bool:
        """Whether there is no state and nothing shows an earlier run either."""
        return self._state.value("born") is None and not reading.traces()

    def _doubt(self, reading: Reading) -> float | None:
        """The seconds until no create of an earlier run can turn up any more; None where that is certain already."""
        if self._state.value("creates_settled") is not None:
            return None
        doubt, now = self._settings.create_doubt_seconds, self._tools.clickup.now()
        certain = float(self._state.value("born") or reading.latest) + doubt
        if reading.full and reading.clickup_date >= certain:
            return None
        return min(max(0.0, certain - now), doubt)  # what lies ahead of now was taken from a wrong clock

    def _settle_creates(self, reading: Reading, work: CarryingOut, made: Plan) -> None:
        """Without a state file, whoever ran before may have died in mid-create: wait that out once, and look again."""
        if self._state.value("creates_settled") is not None:
            return
        remaining = self._doubt(reading)
        if remaining is not None:
            deadline = self._deadline()
            if deadline is not None and self._tools.clock.monotonic() + remaining > deadline:
                work.cancel(
                    (create.record_id for create in made.creates),
                    "not created yet: an earlier run without its state file may have created it, and the time "
                    "budget does not allow to wait until that is certain",
                )
                return
            if remaining > 0:
                log.warning("a new state file, but traces of earlier runs: waiting %.0f s before creating", remaining)
                if self._tools.clock.wait(remaining, self._tools.stop):
                    return
            self._look_for_late_tasks(reading, work, made)
        self._state.keep_values({"creates_settled": "1"})

    def _look_for_late_tasks(self, reading: Reading, work: CarryingOut, made: Plan) -> None:
        born = float(self._state.value("born") or reading.clickup_date)
        since = int((min(born, reading.clickup_date) - self._settings.create_doubt_seconds) * 1000)
        wanted = {create.record_id for create in made.creates}
        found: set[str] = set()
        for archived in (False, True):
            for page in self._tools.clickup.walk("created", max(since, 1), archived=archived):
                reading.take_late_tasks(page.rows)
                found.update(task.marker for task in page.rows if task.marker in wanted)
        self._state.keep_strays(reading.strays(made.links), instead_of=reading.told_of())
        work.cancel(found, "a task for it turned up while the run waited; the next run adopts it")

    def _deadline(self) -> float | None:
        budget = self._settings.time_budget_seconds
        return None if budget is None else self._started + budget

    # --- the end

    def _ending(self, outcome: Outcome, work: CarryingOut) -> Outcome:
        notices = list(outcome.notices)
        if work.setup_doubtful:
            self._state.keep_values({"setup": None})
            notices.extend(Notice("", "", problem) for problem in self._setup_problems())
        stopped = ""
        if work.halted is not None:
            stopped = f"{work.halted}"
            if work.halted.hint:
                stopped += f" ({work.halted.hint})"
        elif work.no_creates:
            stopped = f"no more tasks were created: {work.no_creates}"
        elif self._tools.stop.is_set():
            stopped = "the run was told to stop"
        elif work.out_of_patience:
            stopped = "too many writes were in vain"
        elif work.out_of_time:
            stopped = f"the rest did not fit into the time budget of {self._settings.time_budget_seconds:g} s"
        return dataclasses.replace(
            outcome,
            notices=tuple(notices),
            stopped=stopped,
            needs_person=work.needs_person,
        )

    def _setup_problems(self) -> Iterable[str]:
        try:
            self._examine()
        except ConfigError as error:
            return error.problems
        except SyncError as error:
            return (f"the set-up could not be examined: {error}",)
        return ()

    def _refused(self) -> list[str]:
        """The leads whose creates earlier runs tried in vain; those that have waited longest for another try first."""
        return [str(record_id) for record_id in json.loads(self._state.value("refused") or "[]")]

    def _refused_now(self, reading: Reading, whole: Plan, outcome: Outcome) -> str | None:
        failed = {failure.record_id for failure in outcome.failed}
        left = {failure.record_id for failure in outcome.left}
        tried = [create.record_id for create in whole.creates if create.record_id in failed]
        waiting = [
            record_id
            for record_id in self._refused()
            if record_id not in failed and (record_id in left or not (reading.full or record_id in reading.leads))
        ]
        return json.dumps([*waiting, *tried]) if waiting or tried else None

    def _record(self, reading: Reading, whole: Plan, seen_once: str | None, outcome: Outcome, *, halted: bool) -> None:
        """Watermarks move only when everything that this run was to see was seen; what it left is read again by id."""
        undone = (*outcome.left, *outcome.failed)
        to_look = {failure.record_id for failure in undone if failure.look}
        again = {
            failure.record_id: dataclasses.replace(failure, look=failure.record_id in to_look)
            for failure in undone
            if failure.record_id and whole.verdicts.get(failure.record_id) != LEAD_GONE
        }
        values: dict[str, str | None] = {"untold": as_kept(outcome), "seen_once": seen_once}
        values["pace"] = str(self._tools.pace())
        values["refused"] = self._refused_now(reading, whole, outcome)
        values["deleted_until"] = self._deleted_until
        ended_early = self._tools.stop.is_set() or halted
        kept: Iterable[Failure] = ()
        if self._partial or ended_early:  # what this run did not look at may be as it was
            kept = (each for each in self._state.unfinished() if each.record_id not in whole.verdicts)
        elif reading.complete:
            values["airtable_watermark"] = repr(reading.airtable_date - max(OVERLAP_SECONDS, reading.airtable_took))
            values["clickup_watermark"] = repr(reading.clickup_date - max(OVERLAP_SECONDS, reading.clickup_took))
            values["short"] = None
            values |= self._gone_now(reading)
            if reading.full:
                values["last_full"] = repr(self._started_at)
                values["settings"] = fingerprint(self._settings)
        else:
            values["short"] = "1"
        unfinished = {**{each.record_id: each for each in kept}, **again}.values()
        self._state.end_run(unfinished=unfinished, values=values)


def _without_unknown_field(setup: Setup, error: ApiError) -> Setup:
    """The set-up less the field that Airtable says the table does not have, where no schema could tell."""
    found = re.search(r'Unknown field name: "(.*)"', error.message) if error.code == "UNKNOWN_FIELD_NAME" else None
    if found is None or found.group(1) not in setup.fields:
        return setup
    return dataclasses.replace(
        setup,
        fields=tuple(name for name in setup.fields if name != found.group(1)),
        warnings=(*setup.warnings, left_out(found.group(1))),
    )


def _rules(settings: Settings, setup: Setup) -> Rules:
    return Rules(
        settings.status_map,
        settings.ignored_statuses,
        settings.conflict_winner,
        settings.missing_task,
        int(settings.create_doubt_seconds * 1000),
        settings.name_field,
        settings.status_field,
        settings.task_id_field,
        setup.task_spelling(settings.status_map),
        setup.lead_spelling(settings.status_map),
    )


def _planned(made: Plan, reading: Reading, warnings: Iterable[str]) -> Outcome:
    left = made.left
    if reading.short:
        left = (*left, Failure("", "", 0, reading.short, "nothing is created while a listing is not complete"))
    return Outcome(
        reading.full,
        unchanged=made.unchanged,
        failed=made.failed,
        left=left,
        notices=(*(Notice("", "", warning) for warning in warnings), *made.notices),
        conflicts=made.conflicts,
    )
