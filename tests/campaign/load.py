"""A mixed load: what people may have done to two synced sides since the last run, and what must come of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from tests.scene import Run, Scene

MOST_RUNS = 6
PULLED = 11


@dataclass
class MixedLoad:
    """Edits of every kind, made on both sides. `expected` is the end: lead to (lead status, task status).

    `names` and `details` are what some tasks must be called, and what must stand in their descriptions, by lead.
    """

    scene: Scene
    expected: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    bystander: str = ""

    @classmethod
    def prepared(cls, scene: Scene) -> MixedLoad:
        """Pairs in step, then a change of each kind."""
        load = cls(scene)
        load.bystander = scene.clickup.add_task("nobody's lead", status="in progress")
        same = {name: scene.lead("CONTACTED", name) for name in ("stays", "marked done", "put back", "both sides")}
        new = {name: scene.lead("NEW", name) for name in ("called", "renamed")}
        lost = scene.lead("LOST", "lost")
        batch = [scene.lead("NEW", f"pulled {number}") for number in range(PULLED)]
        first = scene.run()
        assert first.code == 0, (first.report, first.messages)
        scene.later()
        scene.run()
        scene.later()
        load._edit(same, new, lost, batch)
        scene.later(5)
        return load

    def _edit(self, same: dict[str, str], new: dict[str, str], lost: str, batch: list[str]) -> None:
        scene, expected = self.scene, self.expected
        expected[same["stays"]] = ("CONTACTED", "in progress")
        scene.edit(new["called"], Status="CONTACTED")
        expected[new["called"]] = ("CONTACTED", "in progress")
        scene.clickup.set_status(scene.named_by(same["marked done"]), "complete")
        expected[same["marked done"]] = ("QUALIFIED", "complete")
        scene.clickup.set_status(scene.named_by(same["put back"]), "to do")
        expected[same["put back"]] = ("CONTACTED", "in progress")
        scene.edit(same["both sides"], Name="both sides, renamed")
        scene.clickup.set_status(scene.named_by(same["both sides"]), "complete")
        expected[same["both sides"]] = ("QUALIFIED", "complete")
        self.names[same["both sides"]] = "both sides, renamed"
        scene.edit(new["renamed"], Name="has a new name", Email="new@example.com")
        expected[new["renamed"]] = ("NEW", "to do")
        self.names[new["renamed"]] = "has a new name"
        self.details[new["renamed"]] = "new@example.com"
        scene.clickup.set_status(scene.named_by(lost), "in progress")
        expected[lost] = ("CONTACTED", "in progress")
        expected[scene.airtable.duplicate(same["stays"])] = ("CONTACTED", "in progress")
        expected[scene.lead("NEW", "new one")] = ("NEW", "to do")
        expected[scene.lead("QUALIFIED", "new two")] = ("QUALIFIED", "complete")
        expected[scene.lead(None, "new three")] = (None, "to do")
        for lead in batch:
            scene.clickup.set_status(scene.named_by(lead), "in progress")
            expected[lead] = ("CONTACTED", "in progress")

    def wrong(self) -> list[str]:
        """What is not as it must be in the end; empty when all is well."""
        scene, faults = self.scene, []
        for lead, (lead_status, task_status) in self.expected.items():
            task, bearers = scene.named_by(lead), scene.clickup.by_marker(lead)
            if bearers != [task]:
                faults.append(f"{lead} names {task!r}, its marker is on {bearers}")
                continue
            now = (scene.status(lead), scene.task_status(task))
            if now != (lead_status, task_status):
                faults.append(f"{lead} {scene.cell(lead, 'Name')}: {now}, expected {(lead_status, task_status)}")
            if lead in self.names and scene.clickup.task(task)["name"] != self.names[lead]:
                faults.append(f"{lead}: the task is called {scene.clickup.task(task)['name']!r}")
            if self.details.get(lead, "") not in scene.clickup.task(task)["description"]:
                faults.append(f"{lead}: the task says {scene.clickup.task(task)['description']!r}")
        if len(scene.clickup.tasks()) != len(self.expected) + 1:
            faults.append(f"{len(scene.clickup.tasks())} tasks for {len(self.expected)} leads and one bystander")
        stranger = scene.clickup.task(self.bystander)
        if (stranger["name"], stranger["status"]) != ("nobody's lead", "in progress"):
            faults.append(f"a task that is nobody's was touched: {stranger}")
        return faults

    def without(self, lead: str) -> MixedLoad:
        """The same, with nothing expected of one lead."""
        kept = [{key: value for key, value in each.items() if key != lead} for each in (self.names, self.details)]
        expected = {each: end for each, end in self.expected.items() if each != lead}
        return dataclasses.replace(self, expected=expected, names=kept[0], details=kept[1])

    def judge(self, faulty: Run) -> None:
        """What a run may say to which a service was unkind: that all is well, if it is, or that something is left."""
        assert faulty.code in (0, 1), (faulty.code, faulty.report, faulty.messages)
        assert "Traceback" not in faulty.messages, faulty.messages
        if faulty.code == 0:
            assert self.wrong() == [], "the run said that all is well"

    def settle(self, faulty: Run | None) -> None:
        """After a fault: the exit code told the truth, later runs make everything as it must be, and then are idle."""
        if faulty is not None and faulty.code == 0:
            assert self.wrong() == [], "the run said that all is well"
        run = None
        for _ in range(MOST_RUNS):
            self.scene.later(150)
            run = self.scene.run()
            if run.code == 0:
                break
        assert run is not None
        assert run.code == 0, (run.report, run.messages)
        assert self.wrong() == []
        self.scene.later(150)
        idle = self.scene.run()
        assert (idle.code, idle.writes) == (0, []), (idle.report, idle.messages)
        assert self.scene.sandbox.complaints == []
