"""Leads for which a run can decide nothing, and what it remembers for the run that can."""

from __future__ import annotations

import itertools

import pytest

from sandbox.wire import Answer
from tests.campaign.wire import DirectScene, Fate
from tests.test_evidence import once_asked_for, status_time, time_in_status
from tests.troubles import answers_once, killed_after_the_first, listing_nothing

WRONG = ["no id", "hidden", "deleted", "an unmarked one, and the marker is refused"]


def spoil_cell(direct: DirectScene, lead: str, why: str) -> None:
    """The lead's Task ID is mistyped, so that a run cannot decide about its task."""
    if why == "no id":
        direct.set_cell(lead, "foo bar!")
    elif why == "hidden":
        other = direct.clickup.add_task("private")
        direct.clickup.make_private(other)
        direct.set_cell(lead, other)
    elif why == "deleted":
        other = direct.clickup.add_task("gone")
        direct.clickup.delete(other)
        direct.set_cell(lead, other)
    else:
        direct.set_cell(lead, direct.clickup.add_task("by hand"))
        direct.sandbox.faults.add("500", route="set_field", times=99)


@pytest.mark.parametrize("flags", [(), ("--full",)])
@pytest.mark.parametrize("why", WRONG)
def test_what_people_did_to_a_task_while_its_leads_cell_was_wrong_is_not_forgotten(
    direct: DirectScene, why: str, flags: tuple[str, ...]
) -> None:
    """Danger: the poll that showed it had no use for it, the watermark passes it, and it is written over unseen."""
    leads, tasks = zip(*(direct.pair("CONTACTED", name=name) for name in ("lone", "both", "name", "text")), strict=True)
    for lead in leads:
        spoil_cell(direct, lead, why)
    for task in tasks[:2]:
        direct.clickup.set_status(task, "complete")
    direct.clickup.rename(tasks[2], "People's")
    direct.clickup.describe(tasks[3], "People's own")
    direct.later()
    assert direct.run(*flags).code == 1
    direct.sandbox.faults.clear()
    for lead, task in zip(leads, tasks, strict=True):
        direct.set_cell(lead, task)
    direct.edit(leads[1], Status="NEW")
    direct.edit(leads[2], Name="Grace")
    direct.edit(leads[3], Email="new@example.com")
    direct.later()
    run = direct.run()
    assert direct.status(leads[0]) == "QUALIFIED"
    assert [(each["record_id"], each["winner"]) for each in run.report["conflicts"]] == [(leads[1], "airtable")]
    assert "had been renamed in ClickUp to 'People's'" in run.told(leads[2])
    assert direct.clickup.task(tasks[3])["description"] == "People's own"


# --- a create in doubt of such a lead ---------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["a wrong cell", "in the trash"])
def test_a_task_found_while_its_lead_cannot_be_decided_keeps_what_its_create_carried(
    direct: DirectScene, meanwhile: str
) -> None:
    """Danger: without it, later changes of one side look like a disagreement from the start."""
    lead = direct.lead("NEW", "Ada", Email="one@example.com")
    killed_after_the_first("create_task", direct)
    if meanwhile == "a wrong cell":
        direct.set_cell(lead, "foo bar!")
    else:
        direct.airtable.delete(lead)
    direct.later()
    direct.run()
    if meanwhile == "in the trash":
        direct.airtable.restore(lead)
    direct.set_cell(lead, None)
    direct.edit(lead, Name="Grace", Email="two@example.com")
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.set_status(task, "complete")
    direct.later()
    run = direct.run()
    shown = direct.clickup.task(task)
    assert (shown["name"], "two@" in shown["description"], direct.status(lead)) == ("Grace", True, "QUALIFIED")
    assert run.report["conflicts"] == []
    assert direct.clickup.by_marker(lead) == [task]


@pytest.mark.parametrize("why", ["a wrong cell", "a status without a row", "out of the view"])
def test_a_create_that_is_given_up_while_its_lead_gets_no_task_is_named(direct: DirectScene, why: str) -> None:
    """Danger: its task was moved before anybody asked, and the lead gets a second one without a word."""
    direct.airtable.add_choice("NURTURE")
    view = "Active"
    direct.airtable.add_view(view, "NOT({Company} = 'left out')")
    direct.settings["AIRTABLE_VIEW"] = view
    lead = direct.lead("NEW")
    killed_after_the_first("create_task", direct)
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.move(task, direct.clickup.second_list_id)
    if why == "a wrong cell":
        direct.set_cell(lead, "foo bar!")
    elif why == "a status without a row":
        direct.edit(lead, Status="NURTURE")
    else:
        direct.edit(lead, Company="left out")
    direct.later()
    assert "an earlier request for its task got no answer" in direct.run().told(lead)


@pytest.mark.parametrize("meanwhile", ["a wrong cell", "in the trash"])
def test_a_run_that_dies_as_it_finds_a_lost_create_forgets_nothing(direct: DirectScene, meanwhile: str) -> None:
    """Danger: the create is forgotten in one transaction, and its task remembered in the next, which never comes."""
    for transaction in itertools.count(1):
        lead = direct.lead("NEW", f"Ada {transaction}")
        direct.clickup.hide_new_for = 110
        killed_after_the_first("create_task", direct)
        direct.later(100)
        if meanwhile == "a wrong cell":
            direct.set_cell(lead, "foo bar!")
        else:
            direct.airtable.delete(lead)
        direct.run()
        direct.later(30)
        died = direct.killed_run(Fate("transaction", transaction, "after")) is None
        direct.later(600)
        direct.run()
        if meanwhile == "in the trash":
            direct.airtable.restore(lead)
        direct.set_cell(lead, None)
        direct.edit(lead, Email="new@example.com")
        direct.later()
        direct.run()
        assert direct.clickup.by_marker(lead) == [direct.named_by(lead)], transaction
        if not died:
            break
        direct.clickup.hide_new_for = 0
        direct.later()
        direct.run()


@pytest.mark.parametrize("why", ["refused", "phase 2"])
def test_a_create_in_doubt_is_not_forgotten_for_a_task_that_its_lead_did_not_get(direct: DirectScene, why: str) -> None:
    """Danger: the marker of the other task is not set, the lead gives it up, and gets a second one of ours."""
    other = direct.clickup.add_task("by hand")
    direct.pair()
    direct.clickup.hide_new_for = 110
    lead = direct.lead("NEW", "Ada")
    killed_after_the_first("create_task", direct)
    direct.set_cell(lead, other)
    direct.later(90)
    if why == "refused":
        direct.sandbox.faults.add("500", route="set_field", times=99)
    assert direct.run(*(("--phase", "2") if why == "phase 2" else ())).code == 1
    direct.sandbox.faults.clear()
    direct.set_cell(lead, None)
    direct.later(15)
    direct.run()
    direct.later()
    direct.run()
    assert direct.clickup.by_marker(lead) == [direct.named_by(lead)]


@pytest.mark.parametrize("why", ["refused", "phase 2"])
def test_a_status_in_doubt_is_not_forgotten_for_a_task_that_its_lead_did_not_get(direct: DirectScene, why: str) -> None:
    """Danger: the status that we sent to its own task counts as a person's once the cell is right again."""
    other = direct.clickup.add_task("by hand")
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.set_cell(lead, other)
    direct.later(200)
    if why == "refused":
        direct.sandbox.faults.add("500", route="set_field", times=99)
    assert direct.run(*(("--phase", "2") if why == "phase 2" else ())).code == 1
    direct.sandbox.faults.clear()
    direct.set_cell(lead, task)
    direct.edit(lead, Status="NEW")
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")


# --- a full run whose listing is short, or is said to be --------------------------------------------------------------


@pytest.mark.parametrize("known", ["of a lead that is gone", "archived"])
def test_an_empty_listing_is_not_believed_while_a_linked_task_is_there(direct: DirectScene, known: str) -> None:
    """Danger: a lead whose task was made by hand, and is not listed, gets a second one."""
    lead, task = direct.pair("NEW")
    if known == "archived":
        direct.clickup.archive(task)
    else:
        direct.airtable.delete(lead)
    direct.later()
    direct.run("--full")
    other = direct.lead("NEW", "Bob")
    by_hand = direct.clickup.add_task("Bob", marker=other)
    direct.later()
    with listing_nothing(direct):
        assert direct.run("--full").code == 1
    assert direct.clickup.by_marker(other) == [by_hand]


def test_a_task_that_was_listed_and_is_read_again_proves_no_listing_short(direct: DirectScene) -> None:
    """Danger: nothing is created, and the next run is full again, because somebody moved a task meanwhile."""
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.later()
    direct.clickup.set_status(task, "to do")
    direct.later()
    new = direct.lead("NEW", "new")
    once_asked_for(direct, time_in_status, lambda: direct.clickup.set_status(task, "complete"))
    run = direct.run("--full")
    assert (run.code, run.report["left_records"]) == (0, [])
    assert direct.clickup.by_marker(new) == [direct.named_by(new)]


def test_many_leads_whose_tasks_must_be_read_by_id_while_the_listing_is_short_end_no_run_in_a_crash(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.reading._FEW", 1)
    leads = [direct.lead("LOST", f"Lead {number}") for number in range(60)]
    direct.run()
    direct.later()
    direct.run()
    for lead in leads:
        direct.edit(lead, Status="QUALIFIED")
    direct.later()
    with listing_nothing(direct):
        run = direct.run("--full")
    assert run.code == 1
    assert run.report["left"] > 0
    direct.later()
    assert direct.run().code == 0


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_task_renamed_back_after_both_sides_got_one_name_is_not_renamed_unsaid(direct: DirectScene) -> None:
    """Danger: its first name, which we wrote long ago, still counts as ours."""
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Name="Ada L")
    direct.clickup.rename(task, "Ada L")
    direct.later()
    direct.run()
    direct.later(600)
    direct.clickup.rename(task, "Ada")
    direct.later()
    direct.run()
    direct.later(600)
    direct.edit(lead, Name="Countess")
    direct.later()
    assert "had been renamed in ClickUp to 'Ada'" in direct.run().told(lead)


def test_one_short_answer_about_a_status_time_overwrites_no_status(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: who is left out counts as not touched since our write, and a status that was set back is filled in."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "in progress")
    direct.later(60)
    killed_after_the_first("update_records", direct)
    direct.later(600)
    direct.edit(lead, Status="NEW")
    direct.later(600)
    answers_once(direct, monkeypatch, lambda request, _: status_time(request), Answer(200, {"records": []}))
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")
