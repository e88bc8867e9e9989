"""Random histories: people at work on both sides, runs of every kind, faults, deaths, lost state; a Hypothesis machine.

`whole` plays thousands of them on several processes. A failure is printed with the steps that lead to it and the seed
that plays it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sandbox.wire import Request
from tests.campaign.faults import AFTER, BEFORE
from tests.campaign.kills import Totals
from tests.campaign.model import PERHAPS, Model
from tests.campaign.wire import DirectScene, Fate
from tests.scene import STATUS_MAP, Run

HISTORIES = 12_000
CHUNK = 200
STEPS = 16
MOST_ROWS = 4
CROWD = 101
MOST_QUIET_RUNS = 8
DOUBT_SECONDS = 120
# What a history is about: the fewer things can happen, the more often they meet.
FOCUS = ("edits", "edits", "places", "everything")
FLAGS: tuple[tuple[str, ...], ...] = ((), (), (), (), ("--full",), ("--phase", "1"), ("--phase", "2"), ("--limit", "1"))
# Every listing has one page in most histories; in the others both have several, which are told apart by key or by
# position. Where they go by position, a row that goes or moves between two pages hides another one.
PAGING = (*[""] * 22, "by key", "by position")
# Seconds for which listings show everything as it was. People wait longer, so that a run sees what they did; but what
# the program itself wrote it is shown late.
LAG = (*[0] * 7, 20)
# Settings other than the defaults, some of them together with ClickUp's Free plan.
VIEW = "Hot leads"
FREE = "on the Free plan"
HURRIED = "hurried"
SETUPS: dict[str, dict[str, str]] = {
    "": {},
    "recreate": {"MISSING_TASK": "recreate"},
    "clickup": {"CONFLICT_WINNER": "clickup"},
    f"clickup {FREE}": {"CONFLICT_WINNER": "clickup"},
    FREE: {},
    "view": {"AIRTABLE_VIEW": VIEW},
    "recreate in a view": {"AIRTABLE_VIEW": VIEW, "MISSING_TASK": "recreate"},
    "ignored": {"IGNORED_STATUSES": "NURTURE, review"},
    HURRIED: {},
}
SETUP = (*[""] * (len(SETUPS) - 1), *(name for name in SETUPS if name))
BUDGET_SECONDS = 60
SHIFTED: Counter[str] = Counter()
"""What happened between two pages of a listing in this process, over all histories."""
_RESTORED = "after 3 restores"

EDITS = (
    *("lead status", "lead status", "lead status back", "task status", "task status", "task status back"),
    *("add row", "lead name", "lead name back", "details", "details back", "task name", "task text", "task text gone"),
)
PLACES = ("delete row", "restore row", "archive", "unarchive", "away", "home", "subtask", "lead status", "task status")
CHAOS = (
    *("clear cell", "copy cell", "swap cells", "mistype cell", "nonsense cell", "address cell", "name a task"),
    *("duplicate row", "delete task", "restore task", "duplicate task", "private", "public", "add task"),
    *("clear marker", "wrong marker", "nonsense marker", "add row", "delete row", "restore row"),
)

lead_status = st.sampled_from((*STATUS_MAP, *STATUS_MAP, None, "NURTURE"))
Burst = Sequence[tuple[str, int, int]]
Then = tuple[str, tuple[str, ...], Any]


def _bursts(kinds: Sequence[str]) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """What people do between two runs: the kind, and two numbers that choose whom it befalls and what is typed."""
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=3)


# ClickUp answers with an object that says nothing where a field was set: who gets one without effect cannot tell.
UNMISTAKABLE = tuple(kind for kind in BEFORE if kind not in ("shape-empty", "shape-null"))
FAULTS = st.lists(
    st.tuples(
        st.sampled_from(
            (*((kind, "before") for kind in UNMISTAKABLE), *((kind, "after") for kind in AFTER), ("slow", "before"))
        ),
        st.one_of(st.integers(1, 5), st.integers(1, 14)),
        st.sampled_from((1, 1, 1, 2, 60)),
    ),
    min_size=1,
    max_size=3,
)
DEATHS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 3), st.sampled_from(("before", "after"))),
    st.tuples(st.sampled_from(("request", "transaction")), st.integers(1, 14), st.sampled_from(("before", "after"))),
)
PROGRAM: st.SearchStrategy[Then] = st.one_of(
    st.tuples(st.just("run"), st.sampled_from(FLAGS), st.none()),
    st.tuples(st.just("death"), st.sampled_from(FLAGS), DEATHS),
    st.tuples(st.just("faults"), st.sampled_from(FLAGS), FAULTS),
    st.tuples(st.sampled_from(("only", "dry run", "nothing")), st.just(()), st.integers(0, 3)),
)
SHIFTS = st.lists(
    st.tuples(st.sampled_from(("row gone", "row new", "task gone", "task new", "task edited")), st.integers(0, 7)),
    min_size=1,
    max_size=4,
)


class Histories(RuleBasedStateMachine):
    """One history. Rules are what people do, what the program does, and what goes wrong; the model judges."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = DirectScene()
        self.scene.airtable.add_choice("NURTURE")
        self.scene.clickup.add_status("review")
        self.parent = self.scene.clickup.add_task("a parent", status="to do")
        self.model = Model(self.scene)
        self.made = 0
        self.trash: list[str] = []
        self.typed: dict[tuple[str, str], list[Any]] = {}
        self.focus = ""
        self.lag = 0
        self.paging = ""
        self.setup = ""
        self.view = ""
        self.crowd: list[str] = []
        self.shifts: list[tuple[str, int]] = []
        self.sound = True

    @initialize(
        statuses=st.lists(lead_status, min_size=1, max_size=3),
        synced=st.sampled_from((True, True, False)),
        late=st.sampled_from((0, 0, 0, 45, 100)),
        focus=st.sampled_from(FOCUS),
        paging=st.sampled_from(PAGING),
        lag=st.sampled_from(LAG),
        setup=st.sampled_from(SETUP),
    )
    def begin(
        self,
        statuses: Sequence[str | None],
        synced: bool,
        late: int,
        focus: str,
        paging: str = "",
        lag: int = 0,
        setup: str = "",
    ) -> None:
        self.focus = focus
        self._set_up(setup)
        if lag:
            self._show_late(lag)
        if paging:
            self._have_pages(paging)
        for status in statuses:
            self._add_row(status)
        if synced:
            self._pass()
            self._run(())
        self.scene.clickup.hide_new_for = late
        self.model.late = late > 60

    # --- rounds: people do things, and then the program runs, or not

    @rule(burst=_bursts(EDITS), then=PROGRAM)
    def people_edit(self, burst: Burst, then: Then) -> None:
        self._round(burst, then)

    @precondition(lambda self: self.focus in ("places", "everything"))
    @rule(burst=_bursts(PLACES), then=PROGRAM)
    def people_move_things(self, burst: Burst, then: Then) -> None:
        self._round(burst, then)

    @precondition(lambda self: self.focus == "everything")
    @rule(burst=_bursts(CHAOS), then=PROGRAM)
    def people_meddle(self, burst: Burst, then: Then) -> None:
        self._round(burst, then)

    @precondition(lambda self: self.paging)
    @rule(burst=_bursts(EDITS), shifts=SHIFTS, stirred=st.booleans(), then=PROGRAM)
    def listings_shift(self, burst: Burst, shifts: Sequence[tuple[str, int]], stirred: bool, then: Then) -> None:
        self.shifts = list(shifts)
        if stirred:
            self._stir_the_crowd()
        self._round(burst, then)
        self.shifts = []

    @precondition(lambda self: self.view)
    @rule(hidden=st.sampled_from(("", *STATUS_MAP)), burst=_bursts(EDITS), then=PROGRAM)
    def people_filter_the_view(self, hidden: str, burst: Burst, then: Then) -> None:
        self._hide_from_view(hidden)
        self._round(burst, then)

    @precondition(lambda self: self.model.recreates())
    @rule(number=st.integers(0, 3), burst=_bursts(EDITS), then=PROGRAM)
    def people_delete_a_task(self, number: int, burst: Burst, then: Then) -> None:
        """And whatever the program then does, it reads everything, and so finds that the task is gone."""
        task = self._task(number)
        if task:
            self._delete_task(task, 0)
        how, _, details = then
        self._round(burst, (how, ("--full",), details))

    @precondition(lambda self: self.setup == HURRIED)
    @rule(burst=_bursts(EDITS), flags=st.sampled_from(FLAGS), number=st.integers(1, 10))
    def time_runs_out(self, burst: Burst, flags: Sequence[str], number: int) -> None:
        """A run whose n-th answer takes longer than its whole time budget."""
        self._act(burst)
        self._pass()
        self.scene.sandbox.faults.before(number, lambda: self.scene.clock.advance(BUDGET_SECONDS + 10))
        self._run(flags, SYNC_TIME_BUDGET_SECONDS=str(BUDGET_SECONDS))
        self.scene.sandbox.faults.clear()

    @rule(seconds=st.sampled_from((1, 30, 61, 130, 3_600, 90_000)), lost=st.sampled_from(("", "", "lost", "damaged")))
    def time_passes(self, seconds: int, lost: str) -> None:
        self.scene.later(seconds)
        if lost:
            self._lose_state(damaged=lost == "damaged")

    def _round(self, burst: Burst, then: Then) -> None:
        self._act(burst)
        self._pass()
        how, flags, details = then
        if how == "run":
            self._run(flags)
        elif how == "only":
            lead = self._lead(details)
            if lead:
                self._run(("--only", lead), only=lead)
        elif how == "dry run":
            self._dry_run()
        elif how == "faults":
            self._run_with_faults(flags, details)
        elif how == "death":
            self._run_to_its_death(flags, details)

    def _act(self, burst: Burst) -> None:
        for kind, number, value in burst:
            self._pass()
            lead, task = self._lead(number), self._task(number)
            if kind in _WITH_A_LEAD and lead:
                _WITH_A_LEAD[kind](self, lead, value)
            elif kind in _WITH_A_TASK and task:
                _WITH_A_TASK[kind](self, task, value)
            elif kind in _WITH_NOTHING:
                _WITH_NOTHING[kind](self, value)

    def _lead(self, number: int) -> str:
        leads = list(self.model.leads())
        return leads[number % len(leads)] if leads else ""

    def _task(self, number: int, *, deleted: bool = False) -> str:
        bystanders = self.model.bystanders
        tasks = [
            task.id
            for task in self.model.tasks()
            if task.id not in bystanders and task.deleted == deleted and task.id != self.parent
        ]
        return tasks[number % len(tasks)] if tasks else ""

    def _new_text(self) -> str:
        self.made += 1
        return f"text {self.made}"

    def _pass(self) -> None:
        """Nobody is so quick that the order of two things is in doubt."""
        self.sound = False
        self.scene.later(3 + self.lag)

    # --- the settings

    def _set_up(self, setup: str) -> None:
        self.setup = setup
        self.scene.settings.update(SETUPS[setup])
        if setup.endswith(FREE):
            self.scene.clickup.plan = "free"
        if "AIRTABLE_VIEW" in SETUPS[setup]:
            self.view = self.scene.airtable.add_view(VIEW)
            self._hide_from_view("NEW")

    def _hide_from_view(self, status: str) -> None:
        """People let the view show all leads but those of one status; all of them for ""."""
        self.scene.airtable.edit_view(self.view, f"NOT({{Status}} = '{status}')" if status else "")
        self.model.view_changes(status)

    # --- people at the table

    def _add_row(self, status: str | None) -> None:
        if len(self.model.leads()) < MOST_ROWS:
            name = self._new_text()
            lead = self.scene.lead(status, name)
            self.typed[lead, "Status"], self.typed[lead, "Name"] = [status], [name]
            self.model.of(lead).lead.append(status)

    def _type_status(self, lead: str, status: str | None) -> None:
        self._wake(lead, "Status", status)
        self.scene.edit(lead, Status=status)
        self.typed.setdefault((lead, "Status"), []).append(status)
        self.model.of(lead).lead.append(status)

    def _set_lead_status(self, lead: str, value: int) -> None:
        self._type_status(lead, (*STATUS_MAP, *STATUS_MAP, None, "NURTURE")[value + value // 7])

    def _wake(self, lead: str, field: str, value: str | None) -> None:
        """An edit that changes nothing shows the row to the next poll, but gives no reason to read its task again."""
        if value != self.scene.cell(lead, field):
            self.model.asleep.discard(lead)

    def _type_text(self, lead: str, field: str, text: str | None) -> None:
        self._wake(lead, field, text)
        self.scene.airtable.edit(lead, {field: text})
        self.typed.setdefault((lead, field), []).append(text)
        edits = self.model.of(lead)
        edits.renamed = edits.renamed or field == "Name"
        edits.detailed = edits.detailed or field == "Email"

    def _before(self, whose: str, what: str) -> Any:
        """What stood there before what stands there now."""
        typed = self.typed.get((whose, what), [])
        return typed[-2] if len(typed) > 1 else (typed or [None])[-1]

    def _delete_row(self, lead: str, _: int) -> None:
        """Copies of the row may have its task from now on, but nobody has edited them."""
        task = self.model.named(self.model.leads()[lead])
        self.scene.airtable.delete(lead)
        self.trash.append(lead)
        copies = (other for other, cells in self.model.leads().items() if task and self.model.named(cells) == task)
        self.model.asleep.update(copies)

    def _restore_row(self, value: int) -> None:
        if self.trash:
            lead = self.trash.pop(value % len(self.trash))
            self.scene.airtable.restore(lead)
            self.model.asleep.add(lead)

    def _duplicate_row(self, lead: str, _: int) -> None:
        if len(self.model.leads()) < MOST_ROWS:
            copy = self.scene.airtable.duplicate(lead)
            self.model.of(copy).lead.append(self.scene.status(copy))

    def _type_cell(self, lead: str, cell: str | None) -> None:
        self._wake(lead, "ClickUp Task ID", cell)
        self.scene.set_cell(lead, cell)
        self.model.of(lead).relinked = True
        if cell:
            self.model.claimed.add(cell)

    def _swap_cells(self, lead: str, value: int) -> None:
        second = self._lead(value)
        mine, theirs = self.scene.cell(lead, "ClickUp Task ID"), self.scene.cell(second, "ClickUp Task ID")
        self._type_cell(lead, theirs)
        self._type_cell(second, mine)

    def _paste_address(self, lead: str, _: int) -> None:
        task = self.scene.named_by(lead)
        if task and "/" not in task:
            self._type_cell(lead, f"https://app.clickup.com/t/{task}")

    # --- people at the List

    def _set_task_status(self, task: str, value: int) -> None:
        self._move_task_to(task, ("to do", "in progress", "complete", "in progress", "complete", "review")[value % 6])

    def _move_task_to(self, task: str, status: str) -> None:
        known = self.model.known(task)
        if known is None or self.scene.clickup.lists[known.list_id].status(status) is None:
            return
        self.typed.setdefault((task, "status"), [known.status.name]).append(status)
        self.scene.clickup.set_status(task, status)
        lead = self._pair_of(task)
        if lead:
            self.model.of(lead).task.append(status)

    def _pair_of(self, task: str) -> str:
        """The lead that a task is the task of; not one of which it is only a copy."""
        known = self.model.known(task)
        lead = self.model.owner(known) if known else ""
        record = self.scene.airtable.record(lead) if lead else None
        if record is None:
            return lead if lead in self.trash else ""
        named = self.model.named(record)
        named_one = self.model.known(named or "")
        unnamed = named_one is None or named_one.deleted
        return lead if named == task or (unnamed and self.scene.clickup.by_marker(lead) == [task]) else ""

    def _rename_task(self, task: str, _: int) -> None:
        self.scene.clickup.rename(task, self._new_text())
        lead = self._pair_of(task)
        if lead:
            self.model.of(lead).task_renamed = True

    def _delete_task(self, task: str, _: int) -> None:
        self.scene.clickup.delete(task)
        self.model.excused.add(task)

    def _restore_task(self, value: int) -> None:
        task = self._task(value, deleted=True)
        if task:
            self.scene.clickup.restore(task)

    def _make_private(self, task: str, gone: bool) -> None:
        self._out_of_sight(task, gone)
        self.scene.clickup.make_private(task, gone)

    def _out_of_sight(self, task: str, gone: bool) -> None:
        """A task that no lead names and nobody can find cannot be known as a lead's."""
        lead = self._pair_of(task)
        if gone and (lead in self.trash or not lead or self.scene.named_by(lead) != task):
            self.model.excused.add(task)

    def _move_away(self, task: str, _: int) -> None:
        if self.scene.clickup.task(task)["status"] == "review":
            self._move_task_to(task, "to do")
        self._out_of_sight(task, True)
        self.scene.clickup.move(task, self.scene.clickup.second_list_id)

    def _type_marker(self, task: str, marker: str) -> None:
        for lead in (self._pair_of(task), marker):
            self.model.of(lead).relinked = True
        self.scene.clickup.set_marker(task, marker)
        self.model.excused.add(task)

    # --- listings of several pages, and what happens between two of them; listings that are late

    def _have_pages(self, paging: str) -> None:
        """Airtable answers two rows at a time, and the List has a page full of tasks that are nobody's.

        By position, they are all of one moment, so that ClickUp can only be asked for page after page.
        """
        self.paging = paging
        by_position = paging == "by position"
        self._switch(paging="position" if by_position else "key", rows_a_page=2)
        for field in set(self.scene.clickup._store.fields) - {self.scene.clickup.field_id}:
            self.scene.clickup.remove_field(field)  # the crowd's other fields cost time and prove nothing
        for _ in range(CROWD):
            self._add_bystander()
            self.scene.later(0 if by_position else 0.01)

    def _show_late(self, lag: int) -> None:
        self.lag = lag
        self.scene.clickup.show_updates_after = lag
        self._switch(stale_seconds=lag)

    def _switch(self, **switches: Any) -> None:
        self.scene.airtable.switches = dataclasses.replace(self.scene.airtable.switches, **switches)

    def _add_bystander(self) -> None:
        task = self.scene.clickup.add_task("nobody's")
        self.crowd.append(task)
        self.model.bystanders.add(task)

    def _stir_the_crowd(self) -> None:
        """People edit all the bystanders, so that what changed is more than a page."""
        self._pass()
        name = self._new_text()
        for task in self.crowd:
            self.scene.clickup.rename(task, name)
            self.scene.later(0 if self.paging == "by position" else 0.01)

    @contextlib.contextmanager
    def _shifting(self) -> Iterator[None]:
        """One of the planned things happens whenever a later page of a listing is asked for, just before."""
        planned = bool(self.shifts)
        if planned:
            self.scene.sandbox.faults.before(_is_later_page_of_leads, lambda: self._shift("row"))
            self.scene.sandbox.faults.before(self._is_later_page_of_tasks, lambda: self._shift("task"))
        try:
            yield
        finally:
            if planned:
                self.scene.sandbox.faults.clear()

    def _is_later_page_of_tasks(self, request: Request) -> bool:
        """Whether it goes on with the listing that the request before it asked for. A retry does not."""
        log = self.scene.sandbox.log
        if not _is_a_listing_of_tasks(request) or log[-1].route != "list_tasks" or log[-1].query == request.query:
            return False
        asked = dict(log[-1].query)
        return all(asked.get(name, "") == request.one(name) for name in ("order_by", "archived", "custom_fields"))

    def _shift(self, which: str) -> None:
        planned = next((shift for shift in self.shifts if shift[0].startswith(which)), None)
        if planned is None:
            return
        self.shifts.remove(planned)
        what, number = planned
        SHIFTED[what] += 1
        self._pass()
        _SHIFT[what](self, number)
        self._pass()

    def _row_goes(self, number: int) -> None:
        lead = self._lead(number)
        if lead:
            self._delete_row(lead, 0)
            if self.paging == "by position":
                self.model.may_miss_anything()

    def _row_comes(self, number: int) -> None:
        before = self.model.leads().keys()
        self._add_row((*STATUS_MAP, None)[number % 5])
        self.model.missed.update(self.model.leads().keys() - before)

    def _bystander_goes(self, number: int) -> None:
        self.scene.clickup.delete(self.crowd.pop(number))

    def _bystander_moves(self, number: int) -> None:
        self.scene.clickup.rename(self.crowd[number], self._new_text())

    # --- the program

    def _dry_run(self) -> None:
        before = self._state_bytes()
        self._run(("--dry-run",), dry=True)
        assert self._state_bytes() == before

    def _run_with_faults(self, flags: Sequence[str], planned: Sequence[tuple[tuple[str, str], int, int]]) -> None:
        for (kind, when), number, times in planned:
            if kind == "slow":
                self.scene.sandbox.faults.before(number, lambda: self.scene.clock.advance(70))
            else:
                self.scene.sandbox.faults.add(kind, when=when, number=number, times=times)
        try:
            self._run(flags)
        finally:
            self.scene.sandbox.faults.clear()

    def _run_to_its_death(self, flags: Sequence[str], death: tuple[str, int, str]) -> None:
        before = len(self.scene.sandbox.log)
        self.model.run_begins()
        with self._shifting():
            run = self.scene.killed_run(Fate(*death), *flags)
        if run is None:
            self.model.half_done()
        else:
            self.model.observe(run, self._touched(before))

    def _run(self, flags: Sequence[str], *, only: str = "", dry: bool = False, **settings: str) -> Run:
        before = len(self.scene.sandbox.log)
        self.model.run_begins()
        with self._shifting():
            run = self.scene.run(*flags, **settings)
        self.model.observe(run, self._touched(before), only=only, dry=dry)
        return run

    def _touched(self, before: int) -> set[str]:
        """The leads and tasks that were written to since the log was so long."""
        touched: set[str] = set()
        for each in self.scene.sandbox.log[before:]:
            if each.route == "update_records":
                touched.update(record["id"] for record in each.body["records"])
            elif each.service == "clickup" and each.method != "GET":
                touched.add(each.path.split("/task/")[-1].split("/")[0])
        return touched

    # --- the state file

    def _lose_state(self, *, damaged: bool) -> None:
        self._pass()
        if damaged and self.scene.state_file.exists():
            self.scene.state_file.write_bytes(b"no database" * 1000)
            run = self.scene.run()
            assert (run.code, run.writes) == (3, []), run
        self.scene.state_file.unlink(missing_ok=True)
        self.model.state_lost()

    def _state_bytes(self) -> bytes:
        return self.scene.state_file.read_bytes() if self.scene.state_file.exists() else b""

    # --- what must hold

    @invariant()
    def always(self) -> None:
        self.model.check_always()
        self.sound = True

    def teardown(self) -> None:
        """People stop, faults stop: quiet runs bring everything in step, and then have nothing to write."""
        if not self.sound:
            return
        self.scene.later(DOUBT_SECONDS + 30)
        self._settle(())
        all_seen = all(self.model.polled(lead, cells) for lead, cells in self.model.leads().items())
        self._pass()
        first = self._settle(("--full",))
        if all_seen:
            assert first.writes == [], f"polls had missed what a full run found: {first.writes}"
        self.scene.later(DOUBT_SECONDS)
        idle = self._run(())
        assert idle.writes == [], idle.writes
        self._check_end(idle)
        self.scene.close()

    def _settle(self, flags: Sequence[str]) -> Run:
        """Runs until nothing is written any more; the first of them is answered."""
        first = run = self._run(flags)
        for _ in range(MOST_QUIET_RUNS):
            self.model.check_always()
            if run.code == 0 or (run.writes == [] and not run.report["left"]):
                return first
            self.scene.later(DOUBT_SECONDS + 30)
            run = self._run(flags)
        raise AssertionError(f"{MOST_QUIET_RUNS} quiet runs were not enough: {run.report} {run.messages}")

    def _check_end(self, idle: Run) -> None:
        reasons = idle.reasons()
        for lead, cells in self.model.leads().items():
            trouble = self.model.trouble(lead, cells)
            if trouble == PERHAPS or _RESTORED in reasons.get(lead, ""):
                continue
            if trouble:
                assert lead in reasons, f"{lead} {cells} must be reported: {trouble}"
            else:
                assert lead not in reasons, f"{lead} {cells}: {reasons[lead]}"
                in_step = self.model.in_step(lead, cells) or self.model.left_alone(lead, cells)
                assert in_step, f"{lead} {cells} is not in step"
        strangers = reasons.keys() - self.model.leads().keys()
        assert not strangers, f"{strangers} are no leads"
        assert idle.code == int(bool(reasons)), idle.report


_Act = Callable[[Histories, str, int], object]

_WITH_A_LEAD: dict[str, _Act] = {
    "lead status": Histories._set_lead_status,
    "lead status back": lambda self, lead, _: self._type_status(lead, self._before(lead, "Status")),
    "lead name": lambda self, lead, value: self._type_text(lead, "Name", self._new_text() if value < 7 else None),
    "lead name back": lambda self, lead, _: self._type_text(lead, "Name", self._before(lead, "Name")),
    "details": lambda self, lead, value: self._type_text(lead, "Email", self._new_text() if value < 6 else None),
    "details back": lambda self, lead, _: self._type_text(lead, "Email", self._before(lead, "Email")),
    "delete row": Histories._delete_row,
    "duplicate row": Histories._duplicate_row,
    "clear cell": lambda self, lead, _: self._type_cell(lead, None),
    "copy cell": lambda self, lead, value: self._type_cell(lead, self.scene.cell(self._lead(value), "ClickUp Task ID")),
    "swap cells": Histories._swap_cells,
    "mistype cell": lambda self, lead, _: self._type_cell(lead, "86typotyp"),
    "nonsense cell": lambda self, lead, _: self._type_cell(lead, "not a task/../id"),
    "address cell": Histories._paste_address,
    "name a task": lambda self, lead, value: self._type_cell(lead, self._task(value) or None),
}
_WITH_A_TASK: dict[str, _Act] = {
    "task status": Histories._set_task_status,
    "task status back": lambda self, task, _: self._move_task_to(task, self._before(task, "status") or "to do"),
    "task name": Histories._rename_task,
    "task text": lambda self, task, _: self.scene.clickup.describe(task, "notes of the team"),
    "task text gone": lambda self, task, _: self.scene.clickup.describe(task, ""),
    "archive": lambda self, task, _: self.scene.clickup.archive(task),
    "unarchive": lambda self, task, _: self.scene.clickup.archive(task, on=False),
    "away": Histories._move_away,
    "home": lambda self, task, _: self.scene.clickup.move(task, self.scene.clickup.list_id),
    "subtask": lambda self, task, _: self.scene.clickup.make_subtask(task, self.parent),
    "delete task": Histories._delete_task,
    "duplicate task": lambda self, task, _: self.scene.clickup.duplicate(task),
    "private": lambda self, task, _: self._make_private(task, gone=True),
    "public": lambda self, task, _: self._make_private(task, gone=False),
    "clear marker": lambda self, task, _: self._type_marker(task, ""),
    "wrong marker": lambda self, task, value: self._type_marker(task, self._lead(value)),
    "nonsense marker": lambda self, task, _: self._type_marker(task, "a note"),
}
_WITH_NOTHING: dict[str, Callable[[Histories, int], object]] = {
    "restore row": Histories._restore_row,
    "restore task": Histories._restore_task,
    "add row": lambda self, value: self._add_row((*STATUS_MAP, None)[value % 5]),
    "add task": lambda self, value: self.scene.clickup.add_task(self._new_text(), status="in progress"),
}


_SHIFT: dict[str, Callable[[Histories, int], object]] = {
    "row gone": Histories._row_goes,
    "row new": Histories._row_comes,
    "task gone": Histories._bystander_goes,
    "task new": lambda self, _: self._add_bystander(),
    "task edited": Histories._bystander_moves,
}


def _is_later_page_of_leads(request: Request) -> bool:
    return request.service == "airtable" and request.path[-1] == "listRecords" and b'"offset"' in request.raw


def _is_a_listing_of_tasks(request: Request) -> bool:
    return request.service == "clickup" and request.method == "GET" and request.path[-1] == "task"


def play(count: int, seed: int, *, shrink: bool = True) -> list[str]:
    """So many histories from a seed; what failed, in words. To `shrink` a failure may take minutes."""
    machine = hypothesis.seed(seed)(type("Histories", (Histories,), {}))
    chosen = settings(
        max_examples=count,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    # Not every version of hypothesis types it.
    play_all: Callable[..., None] = run_state_machine_as_test
    try:
        play_all(machine, settings=chosen)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is a failure to be told
        return [f"seed {seed}: {''.join(traceback.format_exception(failure))}"]
    return []


def _chunk(seed: int) -> tuple[list[str], frozenset[str]]:
    SHIFTED.clear()
    unplayed = f"the rest of these {CHUNK} histories was not played"
    failures = [f"{failure}\n{unplayed}" for failure in play(CHUNK, seed, shrink=False)]
    return failures, frozenset(SHIFTED)


def whole(workers: int, seed: int) -> Totals:
    """All of them, on several processes. It fails as well if nothing happened between two pages of a listing."""
    seeds = [seed * 100_000 + number for number in range(HISTORIES // CHUNK)]
    failures: list[str] = []
    shifted: set[str] = set()
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for found, happened in pool.imap_unordered(_chunk, seeds):
            failures.extend(found)
            shifted |= happened
    failures.extend(f"in no history was there a {what} between two pages" for what in sorted(_SHIFT.keys() - shifted))
    return Totals(CHUNK * len(seeds), failures)
