"""Pairs in doubt: what is asked to decide them, while people go on."""

from __future__ import annotations

import dataclasses

import pytest

from tests.campaign.wire import DirectScene
from tests.troubles import killed_after_the_first, once_asked_for, status_time, time_in_status, unanswered


@pytest.mark.parametrize(("set_to", "also"), [("LOST", "complete"), ("QUALIFIED", "to do")])
def test_a_task_moved_while_it_is_asked_since_when_it_has_its_status_takes_no_lead_back(
    direct: DirectScene, set_to: str, also: str
) -> None:
    """Danger: the time of the new status is taken for one of the old, and the lead's own change for undone."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status=set_to)
    unanswered(direct, "update_task")
    direct.later(600)
    direct.clickup.describe(task, "a note")
    direct.later(600)
    once_asked_for(direct, time_in_status, lambda: direct.clickup.set_status(task, also))
    run = direct.run()
    assert "taken back" not in run.told(lead)
    assert [each["winner"] for each in run.report["conflicts"]] == (["airtable"] if also == "to do" else [])
    direct.sandbox.faults.clear()
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == (set_to, "complete")
    assert direct.quiet().writes == []


def test_a_lead_set_while_it_is_asked_when_its_status_was_changed_takes_no_task_back(direct: DirectScene) -> None:
    """Danger: the time of the new status is taken for one of the old, and the task's own change for undone."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "in progress")
    unanswered(direct, "update_records")
    direct.later(5)
    once_asked_for(direct, status_time, lambda: direct.edit(lead, Status="CONTACTED"))
    run = direct.run()
    assert "taken back" not in run.told(lead)
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")
    direct.sandbox.faults.clear()
    assert direct.quiet().writes == []


def test_a_status_cleared_after_a_write_of_unknown_outcome_is_not_filled_in_unsaid(direct: DirectScene) -> None:
    """Danger: Airtable does not tell when the cell was cleared, and the lead was blank before."""
    direct.airtable.switches = dataclasses.replace(direct.airtable.switches, field_times="refused")
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status=None)
    direct.later()
    direct.run()
    direct.clickup.set_status(task, "in progress")
    direct.later(60)
    killed_after_the_first("update_records", direct)
    direct.later(60)
    direct.edit(lead, Status=None)
    direct.later()
    run = direct.run()
    assert "the lead's status was empty, and is filled with that of the task" in run.told(lead)


@pytest.mark.parametrize("fields", ["name", "details"])
@pytest.mark.parametrize("touched", [True, False])
def test_texts_that_people_put_back_after_a_write_without_an_answer_are_not_replaced_unsaid(
    direct: DirectScene, fields: str, touched: bool
) -> None:
    """Danger: what was typed equals what stood there before, and is taken for a write that never arrived."""
    lead, task = direct.pair("NEW", name="Ada", Email="one@example.com")
    before = direct.clickup.task(task)
    direct.edit(lead, **({"Name": "Grace"} if fields == "name" else {"Email": "two@example.com"}))
    if touched:
        killed_after_the_first("update_task", direct)
        direct.later(60)
        direct.clickup.rename(task, "Ada")
        direct.clickup.describe(task, before["description"])
    else:
        unanswered(direct, "update_task")
    direct.later()
    told = direct.run().told(lead)
    after = direct.clickup.task(task)
    assert ("Grace" in after["name"], "two@" in after["description"]) == (fields == "name", fields == "details")
    assert ("the task has been edited since" in told) == touched
    assert ("replaces 'Ada'" in told) == (touched and fields == "name")


def test_a_task_that_was_renamed_like_its_lead_is_renamed_with_it_and_nothing_is_told(direct: DirectScene) -> None:
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Name="Ada Lovelace")
    direct.clickup.rename(task, "Ada Lovelace")
    direct.later()
    direct.run()
    direct.later(600)
    direct.edit(lead, Name="Countess")
    direct.later()
    run = direct.run()
    assert direct.clickup.task(task)["name"] == "Countess"
    assert run.told(lead) == ""
