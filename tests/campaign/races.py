"""People at work during the run: each kind of edit, on each kind of lead, before and after every request.

Afterwards the edit stands, or is named as a conflict, a notice or a failure; every lead has one task, each names the
other, the statuses agree, nobody else's lead is touched, and the next run finds nothing to do.

Neither service offers compare-and-set. So an edit may be lost that is made while our own write of the same field is on
its way, or when the field was read less than a minute before our write of it, ten seconds for a status: then both sides
only have to agree. Before each edit a request takes a second or so (`BRISK`), more than the ten seconds (`LONG`), or
more than the minute (`SLOW`).
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import main
from sandbox.airtable import AirtableSwitches
from sandbox.server import Logged
from tests.campaign.kills import Totals
from tests.campaign.load import MOST_RUNS, MixedLoad
from tests.scene import STATUS_MAP, Run, Scene

BRISK = 1.5
LONG = 11.0
SLOW = 61.0
# What docs/reliability.md promises: written out here, so that the check does not move with the program.
STATUS_AGE_SECONDS = 10.0
OTHER_AGE_SECONDS = 60.0
TASK_ID = "ClickUp Task ID"
BACK = {"in progress": "CONTACTED", "complete": "QUALIFIED"}
TEXT = "written by hand"


@dataclass
class Race:
    """One edit on one lead, and what has to come of it.

    `task` is the lead's task when the edit is made, "" if it has none yet. `copies` are tasks that people made of
    others. `edited_at` is when the edit was made by the stand-in's clock, and `answered` how many requests had been
    answered by then, `first_run` how many at the end of the run during which it was made.
    """

    scene: Scene
    lead: str
    pause: float
    task: str = ""
    made: bool = False
    edited_at: float = 0.0
    answered: int = 0
    first_run: int = 0
    by_hand: str = ""
    copies: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def named(self, text: str = "") -> bool:
        """Whether a run named the lead in a conflict, or in a notice or failure with this text."""
        return any(
            any(each["record_id"] == self.lead for each in run.report["conflicts"])
            or (text != "" and text in run.told(self.lead) + run.reasons().get(self.lead, ""))
            for run in self.runs
        )

    def may_be_lost(self, field: str) -> bool:
        """Whether our own write of this field was on its way when the edit was made, or its reading was young."""
        young = self.pause < (STATUS_AGE_SECONDS if field in ("Status", "status") else OTHER_AGE_SECONDS)
        return any(
            entry.started <= self.edited_at or young
            for entry in self.scene.sandbox.log[self.answered : self.first_run]
            if self._writes(entry, field)
        )

    def _writes(self, entry: Logged, field: str) -> bool:
        if entry.route == "update_task":
            return self.task != "" and entry.path.endswith(self.task) and field in set(entry.body)
        return entry.route == "update_records" and any(
            record["id"] == self.lead and field in dict(record["fields"]) for record in entry.body["records"]
        )

    def spare(self) -> list[str]:
        """The task that was on its way when the lead was linked by hand, where a run names it as one too many."""
        others = [each for each in self.scene.clickup.by_marker(self.lead) if self.by_hand not in ("", each)]
        on_its_way = any(
            entry.route == "create_task" and entry.started <= self.edited_at and self.lead.encode() in entry.raw
            for entry in self.scene.sandbox.log[self.answered : self.first_run]
        )
        told = "bears the marker of a lead whose task is"
        return others if on_its_way and any(told in run.told(self.lead) for run in self.runs) else []

    def failed(self) -> str:
        """Why the last run could not bring the lead into step, "" if it could."""
        return self.runs[-1].reasons().get(self.lead, "")


@dataclass(frozen=True)
class Edit:
    """What a person does. `make` may say False where it cannot be done; `wrong` says what is amiss in the end.

    `field` is what of ours may overwrite it, by its name in our requests. `cure` is what a person does about a lead
    that is left failing for this `reason`; `wrong` looks after the cure.
    """

    name: str
    make: Callable[[Race], bool]
    wrong: Callable[[Race], str]
    field: str = ""
    cure: Callable[[Race], object] | None = None
    reason: str = ""


# --- edits of leads ---------------------------------------------------------------------------------------------------


def _lead_status(status: str) -> Edit:
    def make(race: Race) -> bool:
        before = race.scene.status(race.lead)
        race.scene.edit(race.lead, Status=status)
        return bool(before != status)

    def wrong(race: Race) -> str:
        now = race.scene.status(race.lead)
        return "" if now == status or race.named() else f"the lead was set to {status}, and is {now}, in silence"

    return Edit(f"lead set to {status}", make, wrong, "Status")


def _rename_lead(race: Race) -> bool:
    race.scene.edit(race.lead, Name=TEXT)
    return True


def _lead_name_stands(race: Race) -> str:
    name = race.scene.clickup.task(race.scene.named_by(race.lead))["name"]
    return "" if name == TEXT else f"the lead was renamed, and its task is called {name!r}"


def _change_details(race: Race) -> bool:
    race.scene.edit(race.lead, Email="by.hand@example.com")
    return True


def _lead_details_stand(race: Race) -> str:
    text = race.scene.clickup.task(race.scene.named_by(race.lead))["description"]
    return "" if "by.hand@example.com" in text else f"the lead's details changed, and its task says {text!r}"


def _delete_lead(race: Race) -> bool:
    race.scene.airtable.delete(race.lead)
    return True


def _stays_deleted(race: Race) -> str:
    if race.scene.airtable.record(race.lead) is not None:
        return "the deleted lead is back"
    bearers = race.scene.clickup.by_marker(race.lead)
    return "" if len(bearers) <= 1 else f"a deleted lead has the tasks {bearers}"


def _empty_cell(race: Race) -> bool:
    race.scene.set_cell(race.lead, None)
    return True


def _duplicate_row(race: Race) -> bool:
    race.scene.airtable.duplicate(race.lead)
    return True


def _type_into_cell(race: Race) -> bool:
    race.scene.set_cell(race.lead, "not a task")
    return True


def _is_told(race: Race) -> str:
    return "" if race.named("no task id") else "what was typed as Task ID was replaced in silence"


def _link_by_hand(race: Race) -> bool:
    """A task that a person has just made, for a lead without one."""
    if race.task:
        return False
    race.by_hand = race.scene.clickup.add_task("made by hand", status="to do")
    race.scene.set_cell(race.lead, race.by_hand)
    return True


def _link_stands(race: Race) -> str:
    now = race.scene.named_by(race.lead)
    return "" if now == race.by_hand else f"the lead was linked to {race.by_hand} by hand, and names {now}, in silence"


def _nothing_more(_: Race) -> str:
    """That both sides are in step is looked at for every edit."""
    return ""


# --- edits of tasks ---------------------------------------------------------------------------------------------------


def _task_status(status: str) -> Edit:
    def make(race: Race) -> bool:
        before = race.scene.task_status(race.task)
        race.scene.clickup.set_status(race.task, status)
        return before != status

    def wrong(race: Race) -> str:
        now = race.scene.task_status(race.task)
        if now == status or race.named("restored" if status not in BACK else ""):
            return ""
        return f"the task was set to {status}, and is {now}, in silence"

    return Edit(f"task set to {status}", make, wrong, "status")


def _rename_task(race: Race) -> bool:
    race.scene.clickup.rename(race.task, TEXT)
    return True


def _task_name_stands(race: Race) -> str:
    name = race.scene.clickup.task(race.task)["name"]
    stands = name == TEXT or race.named("had been renamed in ClickUp")
    return "" if stands else f"the task was renamed, and is called {name!r}, in silence"


def _describe(race: Race) -> bool:
    race.scene.clickup.describe(race.task, TEXT)
    return True


def _description_stands(race: Race) -> str:
    text = race.scene.clickup.task(race.task)["description"]
    return "" if text == TEXT else f"the task was described, and says {text!r}"


def _delete_task(race: Race) -> bool:
    race.scene.clickup.delete(race.task)
    return True


def _archive(race: Race) -> bool:
    race.scene.clickup.archive(race.task)
    return True


def _move(race: Race) -> bool:
    race.scene.clickup.move(race.task, race.scene.clickup.second_list_id)
    return True


def _subtask(race: Race) -> bool:
    race.scene.clickup.make_subtask(race.task, race.scene.clickup.add_task("a parent", status="in progress"))
    return True


def _copy_task(race: Race) -> bool:
    race.copies.append(race.scene.clickup.duplicate(race.task))
    return True


def _clear_marker(race: Race) -> bool:
    race.scene.clickup.set_marker(race.task, "")
    return True


def _restored(race: Race) -> None:
    race.scene.clickup.restore(race.task)


LEAD_EDITS = (
    _lead_status("LOST"),
    _lead_status("NEW"),
    _lead_status("CONTACTED"),
    Edit("lead renamed", _rename_lead, _lead_name_stands),
    Edit("lead's details changed", _change_details, _lead_details_stand),
    Edit("lead deleted", _delete_lead, _stays_deleted),
    Edit("Task ID emptied", _empty_cell, _nothing_more),
    Edit("row duplicated", _duplicate_row, _nothing_more),
    Edit("nonsense typed as Task ID", _type_into_cell, _is_told, TASK_ID, _empty_cell, "no task id"),
    Edit("task linked by hand", _link_by_hand, _link_stands, TASK_ID),
)
TASK_EDITS = (
    _task_status("to do"),
    _task_status("in progress"),
    _task_status("complete"),
    Edit("task renamed", _rename_task, _task_name_stands, "name"),
    Edit("task described", _describe, _description_stands, "description"),
    Edit("task deleted", _delete_task, _nothing_more, cure=_restored, reason="deleted"),
    Edit("task archived", _archive, _nothing_more),
    Edit("task moved", _move, _nothing_more),
    Edit("task made a subtask", _subtask, _nothing_more),
    Edit("task copied", _copy_task, _nothing_more),
    Edit("marker emptied", _clear_marker, _nothing_more),
)
EDITS = {edit.name: edit for edit in (*LEAD_EDITS, *TASK_EDITS)}


# --- one case ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One edit of the `nth` lead of the mixed load, at the k-th request of the run."""

    edit: str
    nth: int
    when: str
    number: int
    pause: float = BRISK

    def __str__(self) -> str:
        return f"{self.edit}, lead {self.nth}, {self.when} request {self.number}, {self.pause:.0f} s"


def play(case: Case, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken."""
    with _one_worker(), contextlib.closing(Scene(folder, clickup_limit=0, airtable_limit=0)) as scene:
        load = MixedLoad.prepared(scene)
        race = Race(scene, list(load.expected)[case.nth], case.pause)
        edit = EDITS[case.edit]
        hook = scene.sandbox.faults.before if case.when == "before" else scene.sandbox.faults.after
        hook(case.number, lambda: make(edit, race))
        race.runs.append(scene.run())
        race.first_run = len(scene.sandbox.log)
        scene.sandbox.faults.clear()
        finish(race, edit)
        wrong = [fault for fault in load.without(race.lead).wrong() if " tasks for " not in fault]
        assert wrong == [], f"others than the one that was edited: {wrong}"


@contextlib.contextmanager
def _one_worker() -> Iterator[None]:
    """Tasks are written one after the other, so that it is known what was on its way when the edit was made."""
    workers, main.WORKERS = main.WORKERS, 1
    try:
        yield
    finally:
        main.WORKERS = workers


def make(edit: Edit, race: Race) -> None:
    """A person edits; a task that is not there yet cannot be edited."""
    bearers = race.scene.clickup.by_marker(race.lead)
    race.task = bearers[0] if bearers else ""
    if edit in TASK_EDITS and not race.task:
        return
    race.scene.clock.advance(race.pause)
    race.edited_at, race.answered = race.scene.clock.time(), len(race.scene.sandbox.log)
    race.made = edit.make(race)
    race.scene.clock.advance(BRISK)


def finish(race: Race, edit: Edit) -> None:
    """Later runs; what is failing is named and cured; then all is in step, the edit stands, and runs are idle."""
    scene = race.scene
    _settle(race)
    if race.runs[-1].code != 0 and edit.cure is not None:
        assert edit.reason in race.failed(), (race.failed(), race.runs[-1].report)
        edit.cure(race)
        _settle(race)
    last = race.runs[-1]
    assert last.code == 0, (last.report, last.messages)
    race.copies += race.spare()
    wrong = out_of_step(race)
    assert wrong == [], wrong
    if race.made and not race.may_be_lost(edit.field):
        lost = edit.wrong(race)
        assert lost == "", lost
    scene.later(150)
    idle = scene.run()
    assert (idle.code, idle.writes) == (0, []), (idle.report, idle.messages)
    assert scene.sandbox.complaints == []


def _settle(race: Race) -> None:
    """Runs until one is content, then one that reads everything: only that one sees what was deleted."""
    for number in range(MOST_RUNS):
        race.scene.later(150)
        race.runs.append(race.scene.run(*(["--full"] if number else [])))
        if number and race.runs[-1].code == 0:
            return


def out_of_step(race: Race) -> list[str]:
    """Leads without exactly one task that names them and that they name, or whose statuses do not agree."""
    scene, faults = race.scene, []
    for lead, fields in scene.airtable.records().items():
        task, status = fields.get("ClickUp Task ID", ""), fields.get("Status")
        bearers = [each for each in scene.clickup.by_marker(lead) if each not in race.copies]
        if bearers != [task]:
            faults.append(f"{lead} names {task!r}, its marker is on {bearers}")
        elif status is not None and scene.task_status(task) != STATUS_MAP[status]:
            faults.append(f"{lead} is {status}, its task {scene.task_status(task)}")
    return faults


# --- all cases --------------------------------------------------------------------------------------------------------


def cases(requests: int) -> Iterator[Case]:
    """Every edit on every kind of lead at every request; of the many alike only the first and the last."""
    for number in range(1, requests + 1):
        for when in ("before", "after"):
            for edit in EDITS:
                yield from (Case(edit, nth, when, number, pause) for nth in KINDS for pause in (BRISK, LONG, SLOW))


KINDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20)
REQUESTS = 15
CASES = 4000


def sample(seed: int, count: int) -> list[Case]:
    """Some of all cases, by chance."""
    return random.Random(seed).sample(list(cases(REQUESTS)), count)


# --- between two pages ------------------------------------------------------------------------------------------------


PAIRS = 230
FIRST_PAGE = 90
LATE = 3


def play_pages(seed: int, folder: Path) -> None:
    """A full run over more than two pages on each side, while rows come, go and change between the pages.

    Airtable pages by position here, so that a row is skipped or shown twice when another one goes or comes. With the
    state lost and cells emptied, only ClickUp's listing tells which leads have a task.
    """
    chance = random.Random(seed)
    with contextlib.closing(
        Scene(folder, clickup_limit=0, airtable_limit=0, switches=AirtableSwitches(paging="position"))
    ) as scene:
        pages = Pages(scene, chance)
        steps = pages.steps()
        _between_pages(scene, steps)
        state_lost = seed % 2 == 0
        if state_lost:
            _lose(scene)
            for lead in pages.bound_by_marker:
                scene.set_cell(lead, None)
        runs = [scene.run("--full")]
        scene.sandbox.faults.clear()
        for step in steps:
            step()
        for _ in range(3):
            scene.later(150)
            runs.append(scene.run("--full"))
        reasons = runs[-1].reasons()
        assert set(reasons) == set(pages.lost_tasks), (reasons, pages.lost_tasks)
        assert all("deleted" in why for why in reasons.values()), reasons
        for lead in pages.lost_tasks:
            scene.clickup.restore(pages.tasks[lead])
        scene.later()
        last = scene.run("--full")
        assert (last.code, last.writes) == (0, []), (last.report, last.messages)
        wrong = [*out_of_step(Race(scene, "", BRISK, copies=pages.copies)), *pages.wrong(runs, state_lost=state_lost)]
        assert wrong == [], wrong
        bearers = [task for task, each in scene.clickup.tasks().items() if each["marker"] and task not in pages.copies]
        markers = [scene.clickup.task(task)["marker"] for task in bearers]
        count = PAIRS + LATE + pages.rows_copied - len(pages.moved)
        assert len(markers) == len(set(markers)) == count, "one task per lead, those of deleted leads included"


class Pages:
    """Many pairs in step, and what people do to some of them while they are listed; each is touched once at most.

    Statuses are changed on the first page of either listing, which has been read by then.
    """

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self.scene = scene
        leads = [scene.lead("NEW", f"Lead {number}") for number in range(PAIRS)]
        first = scene.run()
        assert first.code == 0, (first.report, first.messages)
        scene.later()
        self.tasks = {lead: scene.named_by(lead) for lead in leads}
        early = chance.sample(leads[:FIRST_PAGE], 6)
        self.set_leads, self.set_tasks = early[:3], early[3:]
        others = chance.sample(sorted(set(leads) - set(early)), 20)
        self.lost_leads, self.lost_tasks = others[:4], others[4:12]
        self.renamed, self.moved = others[12:14], others[14:16]
        self._copied_tasks, self._copied_rows = others[16:18], others[18:]
        self.rows_copied = len(self._copied_rows)
        kept = {*self.lost_leads, *self.lost_tasks, *self.moved}
        self.bound_by_marker = [lead for lead in leads if lead not in kept]
        self.copies: list[str] = []
        self._chance = chance

    def steps(self) -> list[Callable[[], object]]:
        """Everything that is done, in any order."""
        scene, tasks, away = self.scene, self.tasks, self.scene.clickup.second_list_id
        steps: list[Callable[[], object]] = [
            *(lambda lead=lead: scene.airtable.delete(lead) for lead in self.lost_leads),
            *(lambda lead=lead: scene.clickup.delete(tasks[lead]) for lead in self.lost_tasks),
            *(lambda lead=lead: scene.edit(lead, Status="CONTACTED") for lead in self.set_leads),
            *(lambda lead=lead: scene.clickup.set_status(tasks[lead], "complete") for lead in self.set_tasks),
            *(lambda lead=lead: scene.edit(lead, Name=TEXT) for lead in self.renamed),
            *(lambda lead=lead: scene.clickup.move(tasks[lead], away) for lead in self.moved),
            *(lambda lead=lead: self._copy(tasks[lead]) for lead in self._copied_tasks),
            *(lambda lead=lead: scene.airtable.duplicate(lead) for lead in self._copied_rows),
            *(lambda: scene.lead("NEW", "late") for _ in range(LATE)),
            *(lambda: scene.clickup.add_task("nobody's") for _ in range(LATE)),
        ]
        self._chance.shuffle(steps)
        return steps

    def _copy(self, task: str) -> None:
        self.copies.append(self.scene.clickup.duplicate(task))

    def wrong(self, runs: list[Run], *, state_lost: bool) -> list[str]:
        """Statuses and names that were neither carried over nor named in a conflict.

        With the state lost, nothing tells which names had been brought: a task keeps its own, or gets the new one.
        """
        scene, faults = self.scene, []
        named = {each["record_id"] for run in runs for each in run.report["conflicts"]}
        for lead in set(self.tasks) - set(self.lost_leads) - named:
            status = "CONTACTED" if lead in self.set_leads else "QUALIFIED" if lead in self.set_tasks else "NEW"
            if scene.status(lead) != status:
                faults.append(f"{lead} is {scene.status(lead)}, people left it {status}")
            name, called = scene.cell(lead, "Name"), scene.clickup.task(self.tasks[lead])["name"]
            if called != name and not (state_lost and lead in self.renamed):
                faults.append(f"{lead} {name}: its task is called {called!r}")
        return faults


def _between_pages(scene: Scene, steps: list[Callable[[], object]]) -> None:
    """One step after each page of either listing, until none is left."""

    def one() -> None:
        if steps:
            steps.pop()()

    for route in ("list_tasks", "list_records_post"):
        scene.sandbox.faults.after(route, one)


def _lose(scene: Scene) -> None:
    for path in scene.folder.glob("state*"):
        path.unlink()


# --- while a long backfill is under way -------------------------------------------------------------------------------


BACKFILL = 150
ON_ITS_WAY = 30.0


def play_backfill(seed: int, folder: Path) -> None:
    """People at work, an edit every few seconds, while 150 tasks are created at 100 requests a minute."""
    chance = random.Random(seed)
    with contextlib.closing(Scene(folder, clickup_limit=100)) as scene:
        office = Office(scene, chance)
        run = office.busy_run()
        for _ in range(MOST_RUNS):
            scene.later(150)
            run = scene.run("--full")
            if run.code == 0 or set(run.reasons()) == office.failing:
                break
        assert set(run.reasons()) == office.failing, (run.report, run.messages)
        wrong = office.wrong()
        assert wrong == [], wrong
        scene.later()
        idle = scene.run()
        assert idle.writes == [], (idle.report, idle.messages)


class Office:
    """People who edit, delete, move and link while the backfill goes on; each lead is touched once at most."""

    def __init__(self, scene: Scene, chance: random.Random) -> None:
        self.scene = scene
        self.chance = chance
        self.leads = [self._typed(number) for number in range(BACKFILL)]
        self.untouched = list(self.leads)
        chance.shuffle(self.untouched)
        self.statuses: dict[str, str] = dict.fromkeys(self.leads, "NEW")
        self.names: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.failing: set[str] = set()
        self.by_hand: dict[str, tuple[str, float]] = {}

    def _typed(self, number: int) -> str:
        """A lead a second after the one before: what a run has done with older ones it need not read again."""
        self.scene.clock.advance(1)
        return self.scene.lead("NEW", f"Lead {number}")

    def busy_run(self) -> Run:
        """The backfill, with somebody at work after every fourth create."""
        seen = itertools.count(1)
        mutex = threading.Lock()

        def work() -> None:
            with mutex:
                if next(seen) % 4 == 0 and self.untouched:
                    self.scene.clock.advance(BRISK)
                    self._work(self.untouched.pop())
                    self.scene.clock.advance(BRISK)

        self.scene.sandbox.faults.after("create_task", work)
        run = self.scene.run()
        self.scene.sandbox.faults.clear()
        return run

    def _work(self, lead: str) -> None:
        bearers = self.scene.clickup.by_marker(lead)
        if bearers:
            self.chance.choice((self._task_status, self._task_moved, self._lead_status))(lead, bearers[0])
        else:
            self.chance.choice((self._lead_status, self._lead_deleted, self._linked, self._renamed))(lead, "")

    def _lead_status(self, lead: str, _: str) -> None:
        self.scene.edit(lead, Status="CONTACTED")
        self.statuses[lead] = "CONTACTED"

    def _task_status(self, lead: str, task: str) -> None:
        self.scene.clickup.set_status(task, "complete")
        self.statuses[lead] = "QUALIFIED"

    def _task_moved(self, _: str, task: str) -> None:
        self.scene.clickup.move(task, self.scene.clickup.second_list_id)

    def _lead_deleted(self, lead: str, _: str) -> None:
        self.scene.airtable.delete(lead)
        self.deleted.add(lead)

    def _renamed(self, lead: str, _: str) -> None:
        self.scene.edit(lead, Name=TEXT)
        self.names[lead] = TEXT

    def _linked(self, lead: str, _: str) -> None:
        """A task that the person has made; it counts as the lead's from now on."""
        task = self.scene.clickup.add_task("made by hand", status="to do")
        self.by_hand[lead] = (task, self.scene.clock.time())
        self.scene.set_cell(lead, task)

    def _crossed(self, lead: str) -> bool:
        """Whether the lead was linked by hand less than a minute before the create of its task was sent.

        While that is on its way, others that are answered move the clock on by the time of an edit.
        """
        if lead not in self.by_hand:
            return False
        by_hand, linked_at = self.by_hand[lead]
        made = [task for task in self.scene.clickup.by_marker(lead) if task != by_hand]
        return any(
            self.scene.clickup.task(task)["created"] / 1000 < linked_at + OTHER_AGE_SECONDS + ON_ITS_WAY
            for task in made
        )

    def wrong(self) -> list[str]:
        """What is not as the people left it; empty when all is well."""
        scene, faults = self.scene, []
        for lead in self.leads:
            bearers = scene.clickup.by_marker(lead)
            if lead in self.deleted:
                if len(bearers) > 1 or scene.airtable.record(lead) is not None:
                    faults.append(f"deleted lead {lead} has the tasks {bearers}")
                continue
            if self._crossed(lead):
                continue
            if bearers != [scene.named_by(lead)]:
                faults.append(f"{lead} names {scene.named_by(lead)!r}, its marker is on {bearers}")
                continue
            if scene.status(lead) != self.statuses[lead]:
                faults.append(f"{lead} is {scene.status(lead)}, people left it {self.statuses[lead]}")
            if scene.task_status(bearers[0]) != STATUS_MAP[self.statuses[lead]]:
                faults.append(f"{lead} is {self.statuses[lead]}, its task {scene.task_status(bearers[0])}")
            if lead in self.names and scene.clickup.task(bearers[0])["name"] != self.names[lead]:
                faults.append(f"{lead}: its task is called {scene.clickup.task(bearers[0])['name']!r}")
            if lead in self.by_hand and bearers[0] != self.by_hand[lead][0]:
                faults.append(f"{lead} was linked to {self.by_hand[lead][0]} by hand and names {bearers[0]}")
        return faults


# --- the whole campaign -----------------------------------------------------------------------------------------------


PLAYS: dict[str, Callable[[int, Path], None]] = {"pages": play_pages, "backfill": play_backfill}


def _played(case: Case | tuple[str, int]) -> str:
    """What went wrong, "" for nothing."""
    with tempfile.TemporaryDirectory(prefix="races-") as folder:
        try:
            if isinstance(case, Case):
                play(case, Path(folder))
            else:
                PLAYS[case[0]](case[1], Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"{case}: {type(failure).__name__}: {failure}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """Some thousand edits, a hundred readings of several pages and a hundred backfills, so many at once."""
    chosen: list[Case | tuple[str, int]] = [*sample(seed, CASES)]
    chosen += [(name, seed * 1000 + number) for name in PLAYS for number in range(100)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, chosen, chunksize=10) if said]
    return Totals(len(chosen), failures)
