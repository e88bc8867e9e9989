"""What must come of a history: who edited what since a pair was last in step, and what the tables make of it.

The model knows nothing of the program's state. It looks at both sides as they are, keeps people's edits, and says after
each run what that run promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.clickup.model import Task
from tests.scene import STATUS_MAP, Run, Scene
from world import is_record_id, parse_reference

BACK = {"in progress": "CONTACTED", "complete": "QUALIFIED"}
TASK_STATUSES = frozenset(STATUS_MAP.values())
PERHAPS = "cannot be seen"
# Notices that say, as a conflict does, that a person's status was written over.
_UNDONE = ("in a run that was cut off", "had meanwhile been moved", "it is restored")
_MARKER_FIELD = "Airtable Record ID"


@dataclass
class Edits:
    """What people did to one lead and its task since the two were last in step.

    `lead` and `task` are the statuses they typed, in their order; `before` and `names` are what stood there when the
    pair was last in step. `relinked`: people changed what belongs to whom, so that nothing is claimed until then.
    `named`: a run reported the pair's conflict. `half_known`: a run that was killed or failed may have brought the two
    in step, so that not all of the edits need be of one moment for the program.
    """

    before: tuple[str | None, str] | None = None
    names: tuple[str, str] = ("", "")
    lead: list[str | None] = field(default_factory=list)
    task: list[str] = field(default_factory=list)
    renamed: bool = False
    task_renamed: bool = False
    detailed: bool = False
    content_unknown: bool = False
    relinked: bool = False
    named: bool = False
    half_known: bool = False


class Model:
    """The two sides of a scene as the tables of decisions see them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.edits: dict[str, Edits] = {}
        self.excused: set[str] = set()
        """Tasks that may have a double: people took away what they could have been recognised by."""
        self.claimed: set[str] = set()
        """Tasks that people put into a lead's cell: they may be written to."""
        self.asleep: set[str] = set()
        """Leads brought back from the trash, which no poll shows until they are edited."""
        self.lost = False
        self.untold: set[str] = set()
        """Leads with which a run that was killed may have done away with an edit; only its state can tell of it."""
        self.texts_lost: set[str] = set()
        """Leads of whose tasks the program cannot know any more that the description is its own."""
        self.began = scene.clock.time()
        """When the last run began to read."""
        self.bystanders: set[str] = set()
        """Tasks that are nobody's, of which no lead has to know."""
        self.missed: set[str] = set()
        """Leads that the last run's listings may have left out, because something shifted between two pages."""
        self.late = False
        """Listings showed new tasks so late that polls may have missed edits of them."""
        self.hidden = ""
        """The status whose leads the view leaves out; "" for none."""

    # --- the settings

    def recreates(self) -> bool:
        """Whether a lead whose task was deleted gets another one."""
        return self.scene.settings.get("MISSING_TASK") == "recreate"

    def ignored(self, *statuses: str | None) -> bool:
        """Whether one of these has no row and is to be left alone in silence."""
        return not set(self.scene.settings.get("IGNORED_STATUSES", "").split(", ")).isdisjoint(statuses)

    def in_view(self, cells: dict[str, Any]) -> bool:
        """Whether a lead without a task is to get one."""
        return not self.hidden or cells.get("Status") != self.hidden

    def view_changes(self, hidden: str) -> None:
        """Of the leads that nobody edits, those without a Task ID are looked for in the view by each run."""
        self.hidden = hidden
        self.asleep.update(lead for lead, cells in self.leads().items() if self.named(cells) != "")

    # --- both sides as they are

    def leads(self) -> dict[str, dict[str, Any]]:
        """The living leads' cells."""
        return self.scene.airtable.records()

    def known(self, task_id: str) -> Task | None:
        """A task, deleted or not."""
        return self.scene.clickup._store.tasks.get(task_id)

    def marker(self, task: Task) -> str:
        """What stands in the record-id field."""
        return str(task.values.get(self.scene.clickup.field_id, "")).strip()

    def named(self, cells: dict[str, Any]) -> str | None:
        """The task that a lead's cell names; "" for none; None where it holds no task id."""
        cell = cells.get("ClickUp Task ID") or ""
        reference = parse_reference(cell.strip()) if isinstance(cell, str) else None
        return reference if isinstance(reference, str) else None

    def owner(self, task: Task) -> str:
        """The lead that a task says it belongs to, or that says so in its place; "" for nobody."""
        return self.marker(task) or self._owner_elsewhere(task)

    def visible(self, task: Task) -> bool:
        """Whether polls show what becomes of a task."""
        if self.late or self.began * 1000 < task.created + self.scene.clickup.hide_new_for * 1000:
            return False
        return task.listed and not task.archived and task.list_id == self.scene.clickup.list_id

    def polled(self, lead: str, cells: dict[str, Any]) -> bool:
        """Whether a run that reads only what changed sees everything of this lead."""
        if lead in self.asleep:
            return False
        concerned = [task for task in self.scene.clickup._store.tasks.values() if self.marker(task) == lead]
        named = self.known(self.named(cells) or "")
        return all(self.visible(task) for task in [*concerned, *([named] if named else [])])

    def in_step(self, lead: str, cells: dict[str, Any]) -> bool:
        """Whether a lead and its task name each other and their statuses agree."""
        task, status = self._its_task(lead, cells), cells.get("Status")
        return task is not None and (status is None or STATUS_MAP.get(status) == task.status.name)

    def left_alone(self, lead: str, cells: dict[str, Any]) -> bool:
        """Whether the settings want nothing of a lead not in step: it is ignored, or gets no task out of view."""
        task, status = self._its_task(lead, cells), cells.get("Status")
        if task is not None:
            return self.ignored(status, task.status.name)
        to_adopt = any(self.visible(each) and self.marker(each) == lead for each in self.tasks())
        return self._as_if_empty(lead, cells) and not to_adopt and (self.ignored(status) or not self.in_view(cells))

    def _its_task(self, lead: str, cells: dict[str, Any]) -> Task | None:
        """The living task that a lead names, and that is its own."""
        task = self.known(self.named(cells) or "")
        if task is None or task.deleted or self.owner(task) != lead:
            return None
        return task

    def _as_if_empty(self, lead: str, cells: dict[str, Any]) -> bool:
        """Whether a lead's cell is empty, or counts as such: in a copied row, or since its task is to be made anew."""
        named = self.named(cells)
        task = self.known(named or "")
        if task is None:
            return named == ""
        if task.deleted:
            return self.recreates()
        owner = self.leads().get(self.marker(task), {})
        return self.marker(task) != lead and self.named(owner) == named

    def trouble(self, lead: str, cells: dict[str, Any]) -> str:
        """Why a quiet run has to report this lead as failed; "" where it has to be in step.

        PERHAPS: the program may or may not remember whose task this was.
        """
        named = self.named(cells)
        task = self.known(named or "")
        if named is None:
            return "no task id"
        if named:
            if task is None or task.private:
                return "not to be seen"
            if task.deleted:
                return self._trouble_with_the_deleted(lead, cells)
            owner = self.marker(task)
            if owner != lead and is_record_id(owner) and owner in self.leads():
                if self.named(self.leads()[owner]) != named:
                    return "swapped"
                task = None
            elif is_record_id(owner) and owner not in self.leads() and task.list_id != self.scene.clickup.list_id:
                return PERHAPS
            elif owner != lead and min(self._namers(named)) != (self._age(lead), lead):
                return "an older lead names it"
        return self._trouble_with_statuses(lead, cells, task)

    def _trouble_with_the_deleted(self, lead: str, cells: dict[str, Any]) -> str:
        """The same of a lead that names a deleted task: it may get another one, or be given one that is its own."""
        if not self.recreates():
            return "deleted"
        if self.in_view(cells):
            return self._trouble_with_statuses(lead, cells, None)
        living = any(not each.deleted and lead in self._markers(each) for each in self.tasks())
        return PERHAPS if living else "deleted"

    def _trouble_with_statuses(self, lead: str, cells: dict[str, Any], task: Task | None) -> str:
        status = cells.get("Status")
        if task is None and any(each.private and lead in self._markers(each) for each in self.tasks()):
            return PERHAPS
        if (task is None and not self.in_view(cells)) or self.ignored(status, task.status.name if task else None):
            return ""
        if status is not None and status not in STATUS_MAP:
            return "no row"
        if task is not None and task.status.name not in TASK_STATUSES:
            return "no row"
        return ""

    def _markers(self, task: Task) -> set[str]:
        """Every marker that a task has borne."""
        changes = [change for change in task.history if change.what == _MARKER_FIELD]
        return {self.marker(task), *(str(change.before) for change in changes)}

    def _owner_elsewhere(self, task: Task) -> str:
        """Whose a task without a marker is in a List that need not have the field: the oldest lead's that names it.

        If only leads in the trash name it, it is one of theirs again once that one is back.
        """
        if task.list_id == self.scene.clickup.list_id:
            return ""
        return min(self._namers(task.id) or self._namers(task.id, trash=True), default=(0, ""))[1]

    def _namers(self, task_id: str, *, trash: bool = False) -> list[tuple[int, str]]:
        leads = self.scene.airtable.leads
        rows = leads.trash if trash else leads.rows
        return [(self._age(lead), lead) for lead, row in rows.items() if self.named(leads.show(row)) == task_id]

    def _age(self, lead: str) -> int:
        leads = self.scene.airtable.leads
        return (leads.rows.get(lead) or leads.trash[lead]).created // 1000

    def tasks(self) -> list[Task]:
        """Every task, deleted ones too."""
        return list(self.scene.clickup._store.tasks.values())

    # --- what people did

    def of(self, lead: str) -> Edits:
        """The edits of a pair, to be added to."""
        return self.edits.setdefault(lead, Edits())

    def state_lost(self) -> None:
        """Without a base, texts count as brought; until all is read again, tasks out of sight cannot be recognised."""
        self.lost = True
        for lead in self.untold:
            self.of(lead).named = True
        self.texts_lost.update(self.leads())
        for lead in self.leads():
            self.of(lead).content_unknown = True
        for edits in self.edits.values():
            edits.content_unknown = True

    # --- what must hold always

    def check_always(self) -> None:
        """No lead has two tasks of the program's making, and nobody's tasks are as people left them."""
        makers: dict[str, list[str]] = {}
        for task in self.tasks():
            made_by_us = task.history[0].by == "api"
            marked = {change.by for change in task.history if change.what == _MARKER_FIELD}
            if made_by_us and not task.deleted and not marked and task.id not in self.excused:
                makers.setdefault(self.marker(task), []).append(task.id)
            if not made_by_us and not marked and not self.marker(task) and task.id not in self.claimed:
                touched = [change for change in task.history if change.by == "api"]
                assert touched == [], f"a task that is nobody's was touched: {task.id} {touched}"
        for lead, tasks in makers.items():
            assert lead, f"tasks were made without a marker: {tasks}"
            assert len(tasks) == 1, f"{lead} has tasks {tasks}"

    # --- what a run promised

    def run_begins(self) -> None:
        """Without a state, a run cannot know of a task that is out of its sight."""
        self.began = self.scene.clock.time()
        self.missed = set()
        if self.lost:
            home = self.scene.clickup.list_id
            self.excused.update(task.id for task in self.tasks() if task.private or task.list_id != home)

    def may_miss_anything(self) -> None:
        """A row or a task that goes while pages go by position hides another: an edit that is old by then shows in no
        later poll."""
        self.missed.update(self.leads())
        self.asleep.update(self.leads())

    def observe(self, run: Run, touched: set[str], *, only: str = "", dry: bool = False) -> None:
        """After a run that ended by itself: what its exit code and its silence promise, and whose edits stand.

        `touched` are the ids of the leads and tasks that it wrote to.
        """
        self._check_told(run)
        assert run.code in (0, 1), (run.report, run.messages)
        if dry:
            assert run.writes == [], run.writes
            return
        self._check_made()
        self._forget_replaced()
        self.untold.clear()
        for conflict in run.report["conflicts"]:
            self._check_winner(conflict)
            self.of(conflict["record_id"]).named = True
        for notice in run.report["notices"]:
            if any(words in notice["text"] for words in _UNDONE):
                self.of(notice["record_id"]).named = True
        full = run.report["full"] and not only
        open_ends = {each["record_id"] for each in (*run.report["failed"], *run.report["left_records"])}
        assert run.code == 1 or not open_ends, run.report
        if full and not run.report["stopped"] and "" not in open_ends:
            self.asleep &= self.missed
            self.lost = False
        for lead, cells in self.leads().items():
            if only and lead != only:
                continue
            seen = lead not in self.missed and (full or lead == only or self.polled(lead, cells))
            stands = self.in_step(lead, cells)
            if run.code == 0 and seen:
                assert stands or self.left_alone(lead, cells), f"the run said that all is well, but not {lead} {cells}"
            whole = not run.report["stopped"] and "" not in open_ends and lead not in open_ends
            if stands and whole and (seen or not touched.isdisjoint({lead, self.named(cells) or ""})):
                self._check_claims(lead, cells)
                self._begin_anew(lead, cells)
            else:
                self._half_done(lead, cells)

    def _made(self) -> Iterator[tuple[Task, str, dict[str, Any]]]:
        """The tasks that the run which just ended has made, each with its lead and that one's cells."""
        for task in self.tasks():
            cells = self.leads().get(self.marker(task))
            if task.history[0].by == "api" and task.created >= int(self.began * 1000) and cells is not None:
                yield task, self.marker(task), cells

    def _check_made(self) -> None:
        """Only leads in the view, and with a status that is not ignored, got tasks."""
        for task, _, cells in self._made():
            assert self.in_view(cells), f"{task.id} was made for a lead out of the view: {cells}"
            assert not self.ignored(cells.get("Status")), f"{task.id} was made for an ignored lead: {cells}"

    def _forget_replaced(self) -> None:
        """What people did to a task in whose place another was made is gone with it, or has reached the lead before."""
        for task, lead, _ in self._made():
            edits = self.of(lead)
            edits.relinked = edits.relinked or bool(edits.task)
            edits.before, edits.names, edits.task_renamed = None, ("", task.name), False

    def _check_winner(self, conflict: dict[str, Any]) -> None:
        """`CONFLICT_WINNER` stands, unless it is ClickUp and its status leads back to none; or the newer, by proof."""
        leads_back = conflict["clickup"] in BACK
        may_win = {self.scene.settings.get("CONFLICT_WINNER", "airtable") if leads_back else "airtable"}
        if leads_back and conflict["base"] is None:
            may_win = {"airtable", "clickup"}
        assert conflict["winner"] in may_win, conflict

    def half_done(self) -> None:
        """After a run that was killed, of which nobody knows what it recorded."""
        self._check_made()
        self._forget_replaced()
        for lead, cells in self.leads().items():
            self._half_done(lead, cells)
            if self.in_step(lead, cells):
                self.untold.add(lead)

    def _half_done(self, lead: str, cells: dict[str, Any]) -> None:
        edits, task = self.of(lead), self.known(self.named(cells) or "")
        edits.half_known = edits.half_known or self.in_step(lead, cells)
        if task is not None and task.name != edits.names[1] and not edits.task_renamed:
            edits.names = ("", task.name)  # a name was carried over, and taking it back is a change

    def _check_told(self, run: Run) -> None:
        said = f"{run.report} {run.messages}"
        assert "Traceback" not in run.messages, run.messages
        assert self.scene.airtable.token not in said
        assert self.scene.clickup.token not in said

    def _begin_anew(self, lead: str, cells: dict[str, Any]) -> None:
        task = self.known(str(self.named(cells)))
        assert task is not None
        self.edits[lead] = Edits(
            before=(cells.get("Status"), task.status.name), names=(cells.get("Name") or "", task.name)
        )

    def _check_claims(self, lead: str, cells: dict[str, Any]) -> None:
        """People's edits stand, or lost openly."""
        edits = self.of(lead)
        task = self.known(str(self.named(cells)))
        assert task is not None
        if edits.relinked:
            return
        self._check_status(lead, cells.get("Status"), task.status.name, edits)
        if edits.content_unknown:
            return
        name = cells.get("Name")
        if edits.renamed and not edits.task_renamed and name:
            # One that was put back may have been carried over and taken back, or never have left the lead.
            due = {name, edits.names[1]} if name == edits.names[0] else {name}
            assert task.name in due, f"{lead} was renamed {name!r} (before: {edits.names}), its task is {task.name!r}"
        theirs = any(change.by == "person" and change.what in ("created", "description") for change in task.history)
        # Linked by hand, it keeps the text that another lead brought it.
        theirs = theirs or lead not in task.description
        if edits.detailed and not theirs and lead not in self.texts_lost:
            line = f"Email: {cells['Email']}\n" if cells.get("Email") else ""
            assert task.description.startswith(line or "Airtable record"), f"{lead}: {cells}, {task.description!r}"

    def _check_status(self, lead: str, a: str | None, c: str, edits: Edits) -> None:
        if edits.named or not (edits.lead or edits.task):
            return
        told = f"{lead}: people typed {edits.lead} and {edits.task} since {edits.before}; now {(a, c)}, and no conflict"
        if not edits.task:
            assert edits.lead[-1] is None or a == edits.lead[-1], told
        elif not edits.lead:
            typed = edits.task[-1]
            assert c == typed or typed not in BACK, told
        elif self._both_differ(edits):
            assert a == edits.lead[-1], told
            assert c == edits.task[-1], told

    def _both_differ(self, edits: Edits) -> bool:
        """Whether people left both sides otherwise than they were, and in no agreement."""
        if edits.before is None or edits.half_known or len(edits.lead) > 1 or len(edits.task) > 1:
            return False
        (a,), (c,) = edits.lead, edits.task
        if a is None or a not in STATUS_MAP or c not in TASK_STATUSES:
            return False
        return a != edits.before[0] and c != edits.before[1] and STATUS_MAP[a] != c
