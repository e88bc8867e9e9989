"""The sync itself, three times over three leads of its own: tasks appear, changes cross both ways, then silence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clients.clickup import ClickUpClient
from clients.errors import ApiError
from engine import Options, Progress, sync
from errors import Interrupted, SafetyStop
from live_test.ground import LEADS, Broken, Ground
from models import Outcome
from state import State
from status_map import Row, StatusMap, fold


class Story:
    """Three leads and what becomes of them. `leads` are their ids, `tasks` those of their tasks, in the same order.

    The first lead's status is changed, the second one's task's status, the third lead's name.
    """

    def __init__(self, ground: Ground, folder: Path, progress: Progress) -> None:
        self._ground = ground
        self._settings = ground.settings
        self._airtable = ground.tools.airtable
        self._clickup: ClickUpClient = ground.tools.clickup
        self._state_file = folder / "state.sqlite3"
        self._progress = progress
        self._forward = _forward(self._settings.status_map)
        self._back = _back(self._settings.status_map)
        self._spelling: Mapping[str, str] = {}
        self._linked: dict[str, str] = {}
        self.leads: list[str] = []
        self.tasks: list[str] = []

    def begin(self, lead_spelling: Mapping[str, str]) -> None:
        """Make the leads, and sync: each gets a task. Raises Broken where they do not."""
        self._spelling = lead_spelling
        first = self._settings.status_map.first
        statuses = [(self._forward or (first, first))[0], (self._back or (first, first))[0], first]
        self._make_leads([row.lead for row in statuses])
        outcome = self._sync("created")
        if outcome.created != LEADS or self._linked.keys() != set(self.leads):
            self._broken("created", f"{outcome.created} tasks were created for {LEADS} leads")
        self.tasks = [self._linked[lead] for lead in self.leads]
        self._ground.see({lead: self._task_cell(task) for lead, task in zip(self.leads, self.tasks, strict=True)})
        for lead, task_id, row in zip(self.leads, self.tasks, statuses, strict=True):
            task = self._clickup.task(task_id)
            if (task.marker, task.name, fold(task.status)) != (lead, self._name(lead), fold(row.task)):
                self._broken("created", f"task {task_id} has the marker '{task.marker}' and the status '{task.status}'")
        self._ground.findings.ok("created", f"{LEADS} leads, {LEADS} tasks")

    def go_on(self) -> None:
        """Change something on each side, sync, see whether it arrived, and sync once more."""
        renamed = self._name(self.leads[2]) + " renamed"
        cells: dict[str, dict[str, Any]] = {self.leads[2]: {self._settings.name_field: renamed}}
        if self._forward:
            cells[self.leads[0]] = {self._settings.status_field: self._spelled(self._forward[1].lead)}
        self._ground.made.leads[self.leads[2]] = renamed
        self._ground.write(cells)
        if self._back:
            self._change_task(self.tasks[1], self._back[1].task)
        self._sync("lead_name")
        self._look_at_tasks(renamed)
        self._look_at_lead()
        third = self._sync("quiet")
        counts = (third.created, third.updated, third.adopted, third.restored, third.pulled)
        if any(counts) or third.conflicts:
            self._broken("quiet", f"it created {counts[0]} tasks and updated {sum(counts[1:])} records")
        self._ground.findings.ok("quiet", "nothing was written")

    # --- leads and tasks

    def _make_leads(self, statuses: list[str]) -> None:
        names = [f"{self._ground.stamp}lead {number}" for number in range(1, LEADS + 1)]
        made = self._ground.made
        made.doubtful_leads.update(names)
        cells = [
            {self._settings.name_field: name, self._settings.status_field: self._spelled(status)}
            for name, status in zip(names, statuses, strict=True)
        ]
        try:
            records = self._airtable.create(cells)
        except ApiError as error:
            if not error.outcome_unknown:
                made.doubtful_leads.clear()
            self._ground.findings.failed("created", f"the leads could not be made: {error}")
            raise
        except Interrupted:
            made.doubtful_leads.clear()  # it waited for its turn
            raise
        self.leads = [record.id for record in records]
        made.leads.update(zip(self.leads, names, strict=True))
        made.doubtful_leads.clear()
        self._ground.say(f"made the leads {', '.join(self.leads)}")
        self._ground.see(dict(zip(self.leads, cells, strict=True)))

    def _name(self, lead: str) -> str:
        return self._ground.made.leads[lead]

    def _spelled(self, status: str) -> str:
        return self._spelling.get(fold(status), status)

    def _task_cell(self, task: str) -> dict[str, str]:
        return {self._settings.task_id_field: task}

    def _change_task(self, task_id: str, status: str) -> None:
        self._clickup.update(task_id, status=status)
        self._see_status(task_id, status)

    def _see_status(self, task_id: str, status: str) -> None:
        self._ground.see_task(task_id, lambda task: fold(task.status) == fold(status))

    # --- looking

    def _look_at_tasks(self, renamed: str) -> None:
        if not self._ground.shown("task_lag", lambda: self._clickup.task(self.tasks[2]).name == renamed):
            self._broken("lead_name", f"the task is still called '{self._clickup.task(self.tasks[2]).name}'")
        self._ground.findings.ok("lead_name", "it did")
        if not self._forward:
            self._ground.findings.skipped("lead_status", "STATUS_MAP has one task status only")
            return
        lead_status, wanted = self._forward[1].lead, self._forward[1].task
        if not self._ground.shown("task_lag", lambda: fold(self._clickup.task(self.tasks[0]).status) == fold(wanted)):
            self._broken("lead_status", f"the task's status is still '{self._clickup.task(self.tasks[0]).status}'")
        self._ground.findings.ok("lead_status", f"'{lead_status}' became '{wanted}'")
        self._see_status(self.tasks[0], wanted)

    def _look_at_lead(self) -> None:
        if not self._back:
            self._ground.findings.skipped("task_status", "no row of STATUS_MAP leads from a task's status to a lead's")
            return
        wanted = self._spelled(self._back[1].lead)
        try:
            self._ground.see({self.leads[1]: {self._settings.status_field: wanted}})
        except Broken:
            self._broken("task_status", f"the lead's status did not become '{wanted}'")
        self._ground.findings.ok("task_status", f"'{self._back[1].task}' became '{wanted}'")

    # --- the program's own run

    def _sync(self, key: str) -> Outcome:
        """One run of the engine, of these leads alone. Raises Broken where it did not do all that it had to."""
        ground = self._ground
        with self._state() as state:
            outcome = sync(ground.settings, Options(only=tuple(self.leads)), state, ground.tools, self._progress)
        ground.notices.extend(outcome.notices)
        troubles = [*outcome.failed, *outcome.left]
        if troubles or outcome.stopped:
            said = "; ".join(dict.fromkeys(each.error for each in troubles)) or outcome.stopped
            if outcome.needs_person:
                ground.findings.failed(key, said)
                raise SafetyStop(said, next((each.hint for each in troubles if each.hint), ""))
            self._broken(key, said)
        return outcome

    @contextlib.contextmanager
    def _state(self) -> Iterator[State]:
        """A state of the live test's own. What a run has created or may have created is noted, however it ended, and
        while it is at work: who ends the program meanwhile is told what may be left."""
        made = self._ground.made
        to_make = {self._name(lead) for lead in self.leads if lead not in self._linked}
        with contextlib.closing(State.open(self._state_file)) as state:
            made.doubtful_tasks.update(to_make)
            try:
                yield state
            finally:
                made.doubtful_tasks.difference_update(to_make)
                self._linked = {lead: link.task_id for lead, link in state.all_links().items()}
                made.tasks.update((task, self._name(lead)) for lead, task in self._linked.items())
                made.doubtful_tasks.update(map(self._name, state.announced_creates().keys() - self._linked.keys()))

    def _broken(self, key: str, found: str) -> None:
        self._ground.findings.failed(key, found)
        raise Broken(found)


def _forward(statuses: StatusMap) -> tuple[Row, Row] | None:
    """Two rows with different task statuses: a lead goes from the one to the other."""
    other = next((row for row in statuses.rows if fold(row.task) != fold(statuses.first.task)), None)
    return None if other is None else (statuses.first, other)


def _back(statuses: StatusMap) -> tuple[Row, Row] | None:
    """A row, and a two-way row with another task status: a task goes from the one to the other."""
    for row in reversed(statuses.rows):
        start = next((each for each in statuses.rows if fold(each.task) != fold(row.task)), None)
        if row.two_way and start is not None:
            return start, row
    return None
