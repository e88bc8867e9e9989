"""Runs of a part, `--only`, `--limit`, `--phase`, make no later run forget anything."""

from __future__ import annotations

import contextlib

import pytest

from state import State
from tests.scene import Scene
from tests.troubles import (
    IDLE,
)


def links(scene: Scene) -> dict[str, str]:
    """Leads and their tasks, as the state remembers them."""
    with contextlib.closing(State.open(scene.state_file)) as state:
        return {record_id: link.task_id for record_id, link in state.all_links().items()}


def test_phase_2_alone_names_no_conflict_that_phase_1_would_decide(scene: Scene) -> None:
    """Danger: a conflict is reported as decided by a run that wrote nothing."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(task, "complete")
    run = scene.run("--phase", "2")
    assert (run.writes, run.report["conflicts"]) == ([], [])


def test_only_takes_over_the_task_of_a_lead_that_is_gone(scene: Scene) -> None:
    """Danger: the state links one task to two leads, the old one and the heir."""
    old, task = scene.pair("NEW")
    scene.airtable.delete(old)
    lead = scene.lead("CONTACTED", "heir")
    scene.set_cell(lead, task)
    scene.clickup.rename(task, "renamed")
    scene.later()
    assert scene.run("--only", lead).code == 0
    assert links(scene) == {lead: task}


def test_only_after_marker_and_cell_were_moved_leaves_one_link(scene: Scene) -> None:
    """Danger: --only never reads the former owner, whose link stays beside the new one."""
    one, task = scene.pair("NEW", name="one")
    two = scene.lead("CONTACTED", "two")
    scene.clickup.set_marker(task, two)
    scene.clickup.set_status(task, "in progress")
    scene.set_cell(one, None)
    scene.set_cell(two, task)
    scene.later()
    assert scene.run("--only", two).code == 0
    assert links(scene) == {two: task}


def test_only_reads_the_leads_task_itself(scene: Scene) -> None:
    """Danger: a deleted task counts as it was last seen, and the run says that all is well."""
    lead, task = scene.pair("NEW")
    scene.clickup.delete(task)
    run = scene.run("--only", lead)
    assert (run.code, list(run.reasons())) == (1, [lead])


def test_only_with_a_lead_that_does_not_exist_says_so(scene: Scene) -> None:
    """Danger: a mistyped record id looks like success."""
    scene.pair("NEW")
    unknown = "rec" + "A" * 14
    run = scene.run("--only", unknown)
    assert (run.code, list(run.reasons())) == (1, [unknown])


def test_what_failed_in_a_run_of_one_lead_is_tried_again_by_the_next(scene: Scene) -> None:
    """Danger: a partial run forgets its failure, and no poll brings the lead again."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Name="renamed")
    scene.sandbox.faults.add("500", route="update_task", times=1_000)
    assert scene.run("--only", lead).code == 1
    scene.sandbox.faults.clear()
    scene.later()
    assert scene.run().report["phase_1"]["updated"] == 1
    assert scene.clickup.task(task)["name"] == "renamed"


def test_only_follows_a_changed_choice_of_details(scene: Scene) -> None:
    """Danger: the lead's details are compared with those of the old settings, and the task keeps dropped fields."""
    lead, task = scene.pair("NEW", Email="a@example.com", Source="Fair")
    scene.run("--only", lead, AIRTABLE_DETAIL_FIELDS="Email")
    assert "Fair" not in scene.clickup.task(task)["description"]


def test_the_plan_of_phase_1_lists_only_what_phase_1_writes(scene: Scene) -> None:
    """Danger: the plan promises a status that the run leaves to Phase 2."""
    lead, task = scene.pair("CONTACTED")
    scene.set_cell(lead, None)
    scene.clickup.set_status(task, "complete")
    scene.later()
    run = scene.run("--dry-run", "--phase", "1")
    assert [change["field"] for action in run.report["plan"] for change in action["changes"]] == ["ClickUp Task ID"]


def test_a_marker_that_phase_2_alone_left_out_is_set_by_the_next_run(scene: Scene) -> None:
    """Danger: the link is kept without its marker, and later runs believe that all is done."""
    scene.pair("NEW", name="other")
    task = scene.clickup.add_task("by hand", status="to do")
    for _ in range(2):
        scene.later()
        scene.run()
    scene.later()
    lead = scene.lead("NEW")
    scene.set_cell(lead, task)
    scene.later()
    assert scene.run("--phase", "2").code == 1
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


@pytest.mark.parametrize("flags", [("--full", "--limit", "0"), ("--only",)])
def test_what_a_run_of_a_part_has_named_is_named_by_the_next_run_as_well(scene: Scene, flags: tuple[str, ...]) -> None:
    lead, task = scene.pair()
    scene.quiet()
    scene.clickup.delete(task)
    scene.lead("NEW", "waiting")
    run = scene.run(*flags, *([lead] if flags == ("--only",) else []))
    assert (run.code, lead in run.reasons()) == (1, True)
    scene.later()
    assert lead in scene.run().reasons()


def test_what_a_run_of_one_phase_has_left_is_done_by_the_next(scene: Scene) -> None:
    lead, task = scene.pair()
    scene.quiet()
    scene.clickup.archive(task)
    scene.clickup.set_status(task, "in progress")
    scene.later(3600)
    assert scene.run("--full", "--phase", "1").code == 1
    scene.later()
    assert scene.run().code == 0
    assert scene.status(lead) == "CONTACTED"


def test_a_record_that_does_not_exist_costs_no_later_run_a_request(scene: Scene) -> None:
    scene.pair()
    scene.quiet()
    assert scene.run("--only", "recAAAAAAAAAAAAAA").code == 1
    assert sorted(scene.quiet().requests) == IDLE


@pytest.mark.parametrize("partial", ["phase 2 alone", "another lead alone"])
def test_a_task_that_came_back_in_sight_of_a_run_of_a_part_is_named_by_the_run_that_decides_it(
    scene: Scene, partial: str
) -> None:
    scene.settings["IGNORED_STATUSES"] = "blocked"
    scene.clickup.add_status("blocked")
    other, _ = scene.pair("NEW")
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "blocked")
    scene.later()
    scene.run()
    scene.later()
    scene.edit(lead, Status="QUALIFIED")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    scene.run(*(("--phase", "2") if partial == "phase 2 alone" else ("--only", other)))
    scene.later()
    assert "from 'blocked' back to 'in progress'" in scene.run().told(lead)
