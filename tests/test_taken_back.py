"""Histories that random play and the search behind it found to end wrong, each under the name of what was lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.campaign.wire import DirectScene, Fate


@pytest.fixture
def direct() -> Iterator[DirectScene]:
    """A scene in which a run can be killed at any request and any transaction."""
    scene = DirectScene()
    yield scene
    scene.close()


def killed_after_the_first(route: str, direct: DirectScene) -> None:
    """A run that dies when the first such request has had its effect."""
    fate = Fate()

    def die() -> None:
        fate.dead = True

    direct.sandbox.faults.after(route, die)
    assert direct.killed_run(fate) is None
    direct.sandbox.faults.clear()


def test_a_name_that_is_taken_back_after_a_run_died_is_taken_back_on_the_task(direct: DirectScene) -> None:
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Name="Grace")
    killed_after_the_first("update_task", direct)
    assert direct.clickup.task(task)["name"] == "Grace"
    direct.later()
    direct.edit(lead, Name="Ada")
    direct.later()
    assert direct.run().code == 0
    assert direct.clickup.task(task)["name"] == "Ada"


def test_details_that_are_taken_back_after_a_run_died_are_taken_back_on_the_task(direct: DirectScene) -> None:
    lead, task = direct.pair("NEW", Email="one@example.com")
    direct.edit(lead, Email="two@example.com")
    killed_after_the_first("update_task", direct)
    assert "two@" in direct.clickup.task(task)["description"]
    direct.later()
    direct.edit(lead, Email="one@example.com")
    direct.later()
    assert direct.run().code == 0
    assert "one@" in direct.clickup.task(task)["description"]


def test_a_lead_renamed_after_the_run_died_that_made_its_task_renames_the_task(direct: DirectScene) -> None:
    lead = direct.lead("NEW", "Ada", Email="one@example.com")
    killed_after_the_first("create_task", direct)
    direct.later()
    direct.edit(lead, Name="Grace", Email="two@example.com")
    direct.later()
    assert direct.run().code == 0
    task = direct.clickup.task(direct.named_by(lead))
    assert (task["name"], "two@" in task["description"]) == ("Grace", True)


def test_a_task_moved_after_the_run_died_that_made_it_moves_its_lead(direct: DirectScene) -> None:
    lead = direct.lead("NEW")
    killed_after_the_first("create_task", direct)
    direct.later(5)
    direct.clickup.set_status(direct.clickup.by_marker(lead)[0], "complete")
    direct.later()
    assert direct.run().code == 0
    assert direct.status(lead) == "QUALIFIED"


@pytest.mark.parametrize("where", ["archived", "in another List"])
def test_a_task_out_of_the_polls_sight_is_read_before_a_changed_lead_is_carried_to_it(
    direct: DirectScene, where: str
) -> None:
    """Both sides changed: the task's new status must not be overwritten unseen."""
    lead, task = direct.pair("CONTACTED")
    if where == "archived":
        direct.clickup.archive(task)
    else:
        direct.clickup.move(task, direct.clickup.second_list_id)
    direct.later()
    direct.run("--full")
    direct.later()
    direct.clickup.set_status(task, "complete")
    direct.edit(lead, Status="NEW")
    run = direct.run()
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]


def test_a_task_edited_while_its_lead_was_in_the_trash_is_not_overwritten_unseen(direct: DirectScene) -> None:
    lead, task = direct.pair("CONTACTED")
    direct.airtable.delete(lead)
    direct.clickup.set_status(task, "complete")
    direct.later()
    direct.run()
    direct.later()
    direct.airtable.restore(lead)
    direct.edit(lead, Status="NEW")
    run = direct.run()
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]


def test_a_copied_row_whose_task_lost_its_marker_in_another_list_crashes_nothing(direct: DirectScene) -> None:
    lead, task = direct.pair("NEW")
    direct.later()
    copy = direct.airtable.duplicate(lead)
    direct.clickup.move(task, direct.clickup.second_list_id)
    direct.clickup.set_marker(task, "")
    direct.edit(lead, Status="CONTACTED")
    direct.state_file.unlink()
    direct.later()
    run = direct.run()
    assert list(run.reasons()) == [copy]
    assert (direct.task_status(task), direct.named_by(lead)) == ("in progress", task)


def test_a_task_too_new_for_the_listing_is_read_before_a_changed_lead_is_carried_to_it(direct: DirectScene) -> None:
    """ClickUp may show a new task in listings only later: what people did to it meanwhile must not be overwritten."""
    lead = direct.lead("CONTACTED")
    direct.clickup.hide_new_for = 60
    direct.run()
    direct.later(5)
    direct.clickup.set_status(direct.named_by(lead), "complete")
    direct.edit(lead, Status="NEW")
    direct.later(5)
    run = direct.run()
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]


def test_a_status_taken_back_after_a_run_died_and_the_row_was_in_the_trash_is_taken_back_on_the_task(
    direct: DirectScene,
) -> None:
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="QUALIFIED")
    killed_after_the_first("update_task", direct)
    direct.airtable.delete(lead)
    direct.later()
    direct.run()
    direct.later()
    direct.airtable.restore(lead)
    direct.edit(lead, Status="NEW")
    direct.later()
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")
