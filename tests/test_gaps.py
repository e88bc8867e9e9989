"""Safeguards that stay unseen as long as all goes well: each test fails if its one is taken out."""

from __future__ import annotations

import pytest

from tests.scene import Run, Scene

BEFORE, AFTER = "before", "after"


def run_with_lost_answers(scene: Scene, route: str, when: str) -> Run:
    """A run that gets no answer from a route, whether the effect is lost as well (before) or not (after)."""
    scene.sandbox.faults.add("reset", when=when, route=route, times=1_000)
    run = scene.run()
    assert run.code == 1
    scene.sandbox.faults.clear()
    scene.later()
    return run


def settled_pair(scene: Scene, status: str = "CONTACTED") -> tuple[str, str]:
    """A pair that no poll brings any more: whatever is known of it stands in the state."""
    lead, task = scene.pair(status)
    scene.run()
    scene.quiet()
    scene.later()
    return lead, task


# --- our own writes and people's answers to them ----------------------------------------------------------------------


def test_a_task_put_back_after_our_write_whose_answer_was_lost_is_a_persons_change(scene: Scene) -> None:
    """Danger: the task has its old status again, which looks as if our write had never arrived."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    run_with_lost_answers(scene, "update_task", AFTER)
    assert scene.task_status(task) == "complete"
    scene.clickup.set_status(task, "in progress")
    scene.later()
    assert scene.run().code == 0
    assert (scene.status(lead), scene.task_status(task)) == ("CONTACTED", "in progress")


def test_a_task_that_may_have_been_put_back_is_a_named_conflict_where_nothing_tells(scene: Scene) -> None:
    """Danger: without time in status nobody knows whether our write arrived, and a person's answer to it is undone."""
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    run_with_lost_answers(scene, "update_task", AFTER)
    scene.clickup.set_status(task, "in progress")
    scene.later()
    conflicts = scene.run().report["conflicts"]
    assert [(each["record_id"], each["clickup"]) for each in conflicts] == [(lead, "in progress")]


def test_a_lead_put_back_after_our_write_whose_answer_was_lost_is_a_persons_change(scene: Scene) -> None:
    """Danger: the lead has its old status again, and our write is sent once more over what a person decided."""
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    run_with_lost_answers(scene, "update_records", AFTER)
    assert scene.status(lead) == "QUALIFIED"
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert scene.run().code == 0
    assert (scene.status(lead), scene.task_status(task)) == ("CONTACTED", "in progress")


def test_a_lead_that_our_lost_write_never_reached_is_nobodys_change(scene: Scene) -> None:
    """Danger: the lead's old status is taken for a person's answer, and the task's change is undone instead of sent."""
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    run_with_lost_answers(scene, "update_records", BEFORE)
    assert scene.status(lead) == "CONTACTED"
    run = scene.run()
    assert (run.code, run.report["conflicts"]) == (0, [])
    assert (scene.status(lead), scene.task_status(task)) == ("QUALIFIED", "complete")


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_what_people_wrote_on_a_task_is_remembered_from_a_run_that_had_nothing_to_decide(scene: Scene) -> None:
    """Danger: the poll that shows the edit moves the watermark past it, and later the lead's text replaces it."""
    lead, task = settled_pair(scene)
    scene.clickup.describe(task, "what the team agreed on the phone")
    scene.clickup.rename(task, "by hand")
    scene.quiet()
    scene.quiet()
    scene.later()
    scene.edit(lead, Email="new@example.com", Name="New name")
    told = scene.run().told(lead)
    assert scene.clickup.task(task)["description"] == "what the team agreed on the phone"
    assert "theirs stays" in told
    assert "renamed in ClickUp to 'by hand'" in told


def test_restores_are_counted_anew_once_people_have_brought_both_sides_together(scene: Scene) -> None:
    """Danger: three restores long ago, and a task moved to To Do today is left there as somebody's automation."""
    lead, task = scene.pair("CONTACTED")
    for _ in range(3):
        scene.clickup.set_status(task, "to do")
        assert scene.run().report["phase_1"]["restored"] == 1
        scene.later()
    scene.edit(lead, Status="QUALIFIED")
    scene.clickup.set_status(task, "complete")
    scene.quiet()
    scene.later()
    scene.clickup.set_status(task, "to do")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["restored"]) == (0, 1)
    assert scene.task_status(task) == "complete"


def test_a_copied_task_that_an_incremental_run_saw_is_taken_up_before_a_third_is_made(scene: Scene) -> None:
    """Danger: the copy came in one poll only; when the first task is deleted, nobody knows of it any more."""
    lead, task = settled_pair(scene)
    copy = scene.clickup.duplicate(task)
    scene.quiet()
    scene.quiet()
    scene.later()
    scene.clickup.delete(task)
    scene.set_cell(lead, None)
    run = scene.run()
    assert not run.report["full"]
    assert (run.code, run.report["phase_1"]["created"], run.report["phase_1"]["adopted"]) == (0, 0, 1)
    scene.assert_linked(lead, copy)


# --- absence is evidence only where it is proven ----------------------------------------------------------------------


@pytest.mark.parametrize("why", ["hidden", "unread"])
def test_an_empty_listing_is_not_believed_while_linked_tasks_cannot_be_read(scene: Scene, why: str) -> None:
    """Danger: the token lost its view of the List, and every lead that seems to have no task gets one."""
    _, task = settled_pair(scene)
    scene.clickup.make_private(task)
    if why == "unread":
        scene.sandbox.faults.add("500", route="get_task", times=1_000)
    new = scene.lead("NEW", "new")
    run = scene.run("--full")
    assert (run.code, run.writes) == (1, [])
    assert f"ClickUp listed no task at all, though task {task} is linked" in str(run.report["left_records"])
    scene.sandbox.faults.clear()
    scene.clickup.make_private(task, on=False)
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(new, scene.named_by(new))


def test_a_private_task_whose_lead_is_gone_holds_nobody_up(scene: Scene) -> None:
    """Danger: the List shows no task, and no cell is left in which that one's trouble could be mended."""
    lead, task = settled_pair(scene)
    scene.clickup.make_private(task)
    scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    new = scene.lead("NEW", "new")
    scene.later()
    assert scene.run("--full").code == 0
    scene.assert_linked(new, scene.named_by(new))


def test_a_named_task_that_a_full_listing_leaves_out_proves_it_short(scene: Scene) -> None:
    """Danger: one task of the List is missing from the listing, and so may be that of a lead without a cell."""
    scene.pair("NEW", name="listed")
    scene.later(10_000)
    lead, task = scene.pair("NEW", name="left out")
    scene.clickup.hide_new_for = 5_000
    new = scene.lead("NEW", "new")
    run = scene.run("--full")
    assert (run.code, run.writes, run.reasons()) == (1, [], {})
    assert f"leaves out task {task}" in str(run.report["left_records"])
    scene.clickup.hide_new_for = 0
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)
    scene.assert_linked(new, scene.named_by(new))


def test_a_task_that_lost_its_marker_is_not_taken_from_its_lead_by_a_run_of_another_alone(scene: Scene) -> None:
    """Danger: --only never reads the lead that the task is linked to, so the younger one seems to be its only lead."""
    old, task = settled_pair(scene)
    scene.clickup.set_marker(task, "")
    young = scene.lead("CONTACTED", "young")
    scene.set_cell(young, task)
    run = scene.run("--only", young)
    assert (run.code, run.writes) == (1, [])
    assert f"the older lead {old} names as well" in run.reasons()[young]
    assert scene.named_by(old) == task


# --- creates whose answer was lost ------------------------------------------------------------------------------------


def test_a_create_whose_answer_was_lost_is_found_within_the_same_run(scene: Scene) -> None:
    """Danger: the run ends with a failure and an unlinked lead, although ClickUp could tell at once."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(3)]
    scene.sandbox.faults.add("reset", when=AFTER, route="create_task", number=2)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"], run.report["failed"]) == (0, 3, [])
    for lead in leads:
        scene.assert_linked(lead, scene.named_by(lead))


def test_a_create_whose_answer_was_lost_is_found_though_its_task_was_archived(scene: Scene) -> None:
    """Danger: the filter by marker shows either the archived tasks or the others, and the lead gets a second one."""
    scene.pair("NEW", name="other")
    lead = scene.lead("NEW")
    scene.clickup.hide_new_for = 60
    scene.sandbox.faults.add("reset", when=AFTER, route="create_task")
    assert scene.run().code == 1
    (task,) = scene.clickup.by_marker(lead)
    scene.clickup.archive(task)
    scene.later()
    run = scene.run()
    assert (run.code, run.report["full"], run.report["phase_1"]["created"]) == (0, False, 0)
    scene.assert_linked(lead, task)
