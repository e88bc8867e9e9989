"""Leads for which a run can decide nothing, and what it remembers for the run that can."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from sandbox.wire import Answer
from tests.campaign.wire import DirectScene, Fate
from tests.troubles import (
    IDLE,
    answers_once,
    killed_after_the_first,
    listing_nothing,
    once_asked_for,
    pair_in_doubt,
    status_time,
    time_in_status,
)

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


@pytest.mark.parametrize("meanwhile", ["a wrong cell", "a wrong cell, made anew", "in the trash"])
def test_a_task_found_while_its_lead_cannot_be_decided_keeps_what_its_create_carried(
    direct: DirectScene, meanwhile: str
) -> None:
    """Danger: without it, later changes of one side look like a disagreement from the start."""
    direct.settings["MISSING_TASK"] = "recreate"
    lead = direct.lead("NEW", "Ada", Email="one@example.com")
    if meanwhile == "a wrong cell, made anew":
        direct.run()
        direct.clickup.delete(direct.named_by(lead))
        direct.later()
    assert direct.killed_run(Fate("write", 1, "after"), "--full") is None
    if meanwhile == "in the trash":
        direct.airtable.delete(lead)
    else:
        direct.set_cell(lead, "foo bar!")
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


# --- what is known of a task whose lead cannot be decided, beside a write without an answer ---------------------------


@pytest.mark.parametrize("between", ["a wrong cell", "another lead alone"])
@pytest.mark.parametrize("what", ["name", "details"])
def test_texts_taken_back_after_a_write_without_an_answer_are_named_though_a_run_saw_the_task_meanwhile(
    direct: DirectScene, what: str, between: str
) -> None:
    """Danger: what people typed is then what was seen last, and looks as if it had been there before the write."""
    other, _ = direct.pair("NEW", name="other")
    lead, task = direct.pair("NEW", name="Ada", Email="one@example.com")
    direct.edit(lead, **({"Name": "Grace"} if what == "name" else {"Email": "two@example.com"}))
    killed_after_the_first("update_task", direct)
    direct.later()
    if between == "a wrong cell":
        direct.set_cell(lead, "nonsense!!")
    if what == "name":
        direct.clickup.rename(task, "Zoe")
    else:
        direct.clickup.describe(task, "mine")
    direct.later()
    direct.run(*(() if between == "a wrong cell" else ("--only", other)))
    direct.later()
    direct.edit(lead, **({"Name": "Ada"} if what == "name" else {"Email": "one@example.com"}))
    direct.set_cell(lead, task)
    direct.later()
    assert "sent and got no answer, and the lead has its old" in direct.run().told(lead)


def test_a_task_moved_while_its_lead_could_not_be_decided_takes_no_lead_back(direct: DirectScene) -> None:
    """Danger: the time in its status began anew with the move, and a run that decided nothing has seen it moved."""
    lead, task = direct.pair("CONTACTED", name="A")
    other, others = direct.pair("CONTACTED", name="B")
    direct.edit(lead, Status="QUALIFIED")
    assert direct.killed_run(Fate("write", 1, "before")) is None
    direct.later()
    direct.set_cell(lead, others)
    direct.set_cell(other, task)
    direct.clickup.move(task, direct.clickup.second_list_id)
    direct.later()
    assert direct.run("--full").code == 1
    direct.set_cell(lead, task)
    direct.set_cell(other, others)
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("QUALIFIED", "complete")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", ["CONTACTED", "NEW"])
def test_a_name_sent_while_a_status_was_in_doubt_is_known_as_ours_for_as_long_as_it_may_be_shown_late(
    direct: DirectScene, status: str, when: str
) -> None:
    """Danger: the time of the older write stands for the newer one as well, and a late listing is believed."""
    lead, task = status_in_doubt(direct)
    direct.edit(lead, Status="Odd", Name="Grace")
    direct.later()
    direct.clickup.show_updates_after = 40
    assert direct.killed_run(Fate("write", 1, when)) is None
    direct.later(5)
    direct.edit(lead, Name="Ada", Status=status)
    direct.later(5)
    run = direct.run()
    assert "has been edited since" not in run.told(lead)
    direct.later()
    direct.run()
    assert direct.clickup.task(task)["name"] == "Ada"


def test_a_name_that_never_arrived_is_sent_again_without_a_word(direct: DirectScene) -> None:
    """Nobody has edited the task since, however long ago its status was sent that is still in doubt."""
    lead, task = status_in_doubt(direct)
    direct.edit(lead, Status="Odd", Name="Grace", Email="new@example.com")
    direct.later()
    assert direct.killed_run(Fate("write", 1, "before")) is None
    direct.later()
    assert "has been edited since" not in direct.run().told(lead)
    assert direct.clickup.task(task)["name"] == "Grace"


@pytest.mark.parametrize("times", [4, 5, 6, 7, 8, 100])
def test_texts_without_an_answer_are_not_forgotten_for_a_status_that_the_same_run_settles(
    direct: DirectScene, times: int
) -> None:
    """Danger: what is pulled answers the status alone, and the name that arrived is nobody's any more."""
    lead, task = pair_in_doubt(direct)
    direct.edit(lead, Name="Grace", Email="new@example.com")
    direct.later()
    direct.sandbox.faults.add("reset", when="after", route="update_task", times=times)
    direct.run()
    direct.sandbox.faults.clear()
    direct.later()
    direct.edit(lead, Name="Ada Example", Email=None)
    direct.later()
    direct.run()
    direct.later()
    direct.run("--full")
    shown = direct.clickup.task(task)
    assert (shown["name"], "new@" in shown["description"]) == ("Ada Example", False)


def test_a_name_that_was_answered_while_a_lead_status_is_in_doubt_is_not_told_as_unanswered(
    direct: DirectScene,
) -> None:
    direct.airtable.switches = dataclasses.replace(direct.airtable.switches, field_times="refused")
    direct.clickup.add_status("parked")
    direct.settings["IGNORED_STATUSES"] = "Parked"
    lead, task = direct.pair("CONTACTED", name="Ada")
    direct.clickup.set_status(task, "complete")
    direct.later(61)
    killed_after_the_first("update_records", direct)
    direct.edit(lead, Status="CONTACTED", Name="Grace")
    direct.clickup.set_status(task, "parked")
    for _ in range(2):
        direct.later()
        direct.run()
    direct.clickup.rename(task, "Theirs")
    direct.later()
    assert "got no answer" not in direct.run().told(lead)


def test_our_own_marker_is_no_edit_of_the_texts(direct: DirectScene) -> None:
    """The time of sending is one of whole seconds, and the marker was set within that second."""
    lead, task = direct.pair("CONTACTED", name="Ada")
    direct.clickup.set_marker(task, "")
    direct.edit(lead, Name="Grace")
    direct.later(61.4)
    assert direct.killed_run(Fate("write", 2, "before"), "--full") is None
    direct.later()
    assert "has been edited since" not in direct.run().told(lead)


def status_in_doubt(direct: DirectScene) -> tuple[str, str]:
    """A status was sent to a task and got no answer, and the task is back at its old one; nothing tells since when."""
    direct.clickup.plan = "free"
    direct.airtable.add_choice("Odd")
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.later()
    direct.clickup.set_status(task, "to do")
    return lead, task


def test_a_name_that_was_answered_while_a_status_stays_in_doubt_is_not_told_as_unanswered(direct: DirectScene) -> None:
    lead, task = status_in_doubt(direct)
    direct.edit(lead, Status="Odd", Name="Grace", Email="new@example.com")
    direct.later()
    direct.run()
    direct.later()
    direct.clickup.rename(task, "Zoe")
    direct.clickup.describe(task, "mine")
    direct.later()
    assert "got no answer" not in direct.run().told(lead)


def test_a_description_that_people_typed_as_we_would_write_it_is_ours(direct: DirectScene) -> None:
    """Danger: it counts as theirs, and the lead's next details are not brought to the task."""
    lead, task = direct.pair("NEW", name="Ada", Email="a@example.com")
    direct.clickup.describe(task, direct.clickup.task(task)["description"].replace("a@", "b@"))
    direct.later()
    direct.run()
    direct.edit(lead, Email="b@example.com", Name="Grace")
    direct.later()
    direct.run()
    direct.later()
    direct.edit(lead, Email="c@example.com")
    direct.later()
    direct.run()
    assert "c@example.com" in direct.clickup.task(task)["description"]


# --- a lead that names a task without a marker ------------------------------------------------------------------------


def test_a_create_in_doubt_ends_though_the_other_task_of_its_lead_cannot_be_marked(direct: DirectScene) -> None:
    """Danger: every poll reaches back to it, for as long as the marker is refused."""
    lead = direct.lead("NEW")
    assert direct.killed_run(Fate("write", 1, "before")) is None
    direct.set_cell(lead, direct.clickup.add_task("by hand"))
    direct.sandbox.faults.add("500", route="set_field", times=999)
    for _ in range(3):
        direct.later(3_600)
        assert direct.run().code == 1
    since = [value for each in direct.sandbox.log for name, value in each.query if name == "date_updated_gt"][-1]
    assert int(since) > (direct.clock.time() - 2 * 3_600) * 1_000


@pytest.mark.parametrize("doubt", ["create", "status"])
def test_a_claim_that_is_carried_out_ends_what_was_in_doubt(direct: DirectScene, doubt: str) -> None:
    """Danger: it is asked for in every run after."""
    other = direct.clickup.add_task("by hand")
    direct.later()
    if doubt == "create":
        direct.pair()
        lead = direct.lead("NEW", "Ada")
        killed_after_the_first("create_task", direct)
    else:
        lead, _ = direct.pair("NEW")
        direct.edit(lead, Status="CONTACTED")
        killed_after_the_first("update_task", direct)
    direct.set_cell(lead, other)
    direct.later(30)
    direct.run()
    assert direct.clickup.task(other)["id"] in direct.clickup.by_marker(lead)
    direct.later()
    direct.run()
    direct.later()
    assert direct.run().requests == IDLE


def test_a_lead_status_in_doubt_is_not_forgotten_for_a_task_that_its_lead_did_not_get(direct: DirectScene) -> None:
    """Danger: the status that we wrote counts as a person's, and the one that it replaced, put back, as untouched."""
    other = direct.clickup.add_task("by hand")
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "in progress")
    direct.later()
    killed_after_the_first("update_records", direct)
    direct.set_cell(lead, other)
    direct.later(200)
    direct.sandbox.faults.add("500", route="set_field", times=99)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    direct.set_cell(lead, task)
    direct.edit(lead, Status="NEW")
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")


@pytest.mark.parametrize("why", ["refused", "phase 2"])
def test_nothing_is_pulled_from_a_task_that_its_lead_did_not_get(direct: DirectScene, why: str) -> None:
    """Danger: the lead gets the status of a task that is not its own, which then counts as a person's."""
    lead, task = direct.pair("CONTACTED", name="A")
    direct.later(4_000)
    other = direct.clickup.add_task("by hand", status="to do")
    direct.later(100)
    direct.clickup.set_status(other, "complete")
    direct.later(5)
    direct.set_cell(lead, other)
    direct.later()
    if why == "refused":
        direct.sandbox.faults.add("500", route="set_field", times=50)
    assert direct.run(*(("--phase", "2") if why == "phase 2" else ())).code == 1
    direct.sandbox.faults.clear()
    assert direct.status(lead) == "CONTACTED"
    direct.set_cell(lead, task)
    direct.edit(lead, Name="B")
    direct.later()
    run = direct.run()
    assert (direct.clickup.task(task)["name"], direct.task_status(task), run.report["conflicts"]) == (
        "B",
        "in progress",
        [],
    )


def test_a_task_made_by_hand_before_a_create_in_doubt_keeps_its_texts_and_it_is_told(direct: DirectScene) -> None:
    """Danger: it is taken for the create's own, and its name for one that we wrote."""
    by_hand = direct.clickup.add_task("By hand")
    direct.later(600)
    lead = direct.lead("NEW", "Ada")
    assert direct.killed_run(Fate("write", 1, "before")) is None
    direct.clickup.set_marker(by_hand, lead)
    direct.edit(lead, Name="Grace")
    direct.later()
    assert "linked; the task keeps its name 'By hand'" in direct.run().told(lead)
    assert direct.clickup.task(by_hand)["name"] == "By hand"


# --- whose link a lost create may become ------------------------------------------------------------------------------


def test_another_leads_task_that_bears_the_marker_of_a_lost_create_stays_that_leads(direct: DirectScene) -> None:
    """Danger: the link goes over, and with it what was agreed on: a change of one side looks like a conflict."""
    lost = direct.lead("NEW", "Ada")
    assert direct.killed_run(Fate("write", 1, "before")) is None
    owner = direct.lead("NEW", "Bea")
    direct.set_cell(lost, "foo bar!")
    direct.later(10)
    direct.run()
    task = direct.named_by(owner)
    direct.clickup.set_marker(task, lost)
    direct.later()
    direct.run()
    direct.clickup.set_marker(task, owner)
    direct.clickup.set_status(task, "complete")
    direct.later()
    run = direct.run()
    assert (direct.status(owner), run.report["conflicts"]) == ("QUALIFIED", [])


def test_a_restored_task_stays_its_leads_though_the_one_made_in_its_place_turns_up(direct: DirectScene) -> None:
    direct.settings["MISSING_TASK"] = "recreate"
    lead, first = direct.pair("NEW")
    direct.clickup.delete(first)
    direct.later()
    direct.clickup.hide_new_for = 110
    assert direct.killed_run(Fate("write", 1, "after"), "--full") is None
    direct.clickup.restore(first)
    direct.set_cell(lead, "foo bar!")
    direct.later()
    direct.run("--full")
    direct.set_cell(lead, None)
    direct.later()
    direct.run()
    assert direct.named_by(lead) == first


def test_a_create_in_doubt_is_not_given_up_while_the_task_that_its_lead_names_is_hidden(direct: DirectScene) -> None:
    """Danger: it is the very one, and what its create carried is forgotten."""
    lead = direct.lead("NEW", "Ada")
    killed_after_the_first("create_task", direct)
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.make_private(task)
    direct.set_cell(lead, task)
    direct.later()
    assert direct.run().code == 1
    direct.clickup.make_private(task, on=False)
    direct.edit(lead, Name="Grace", Status="LOST")
    direct.later()
    run = direct.run()
    assert (direct.clickup.task(task)["name"], direct.task_status(task)) == ("Grace", "complete")
    assert run.report["conflicts"] == []


def test_a_create_in_doubt_is_not_given_up_by_a_run_that_is_left_in_the_dark(direct: DirectScene) -> None:
    """Danger: the run that makes the task again no longer knows that there may be another, and says nothing."""
    direct.pair()
    lead = direct.lead("NEW", "Ada")
    killed_after_the_first("create_task", direct)
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.move(task, direct.clickup.second_list_id)
    direct.later()
    with listing_nothing(direct):
        run = direct.run("--full")
    assert (run.code, run.told(lead)) == (1, "")
    direct.later()
    assert "so it gets one now" in direct.run().told(lead)


def test_a_task_made_just_now_does_not_make_an_empty_listing_a_short_one(direct: DirectScene) -> None:
    direct.clickup.hide_new_for = 60
    direct.lead()
    direct.run()
    direct.later(5)
    new = direct.lead("NEW", "new")
    assert direct.run("--full").code == 0
    assert direct.clickup.by_marker(new) == [direct.named_by(new)]


# --- a lost create whose lead names a task without a marker -----------------------------------------------------------


@pytest.mark.parametrize("claim", ["refused", "carried out", "phase 2"])
def test_a_lead_that_names_another_task_while_its_own_turns_up_has_one_link(direct: DirectScene, claim: str) -> None:
    """Danger: two links in one plan, and neither is kept, or the wrong one."""
    other = direct.clickup.add_task("Ada")
    direct.pair()
    lead = direct.lead("NEW", "Ada")
    killed_after_the_first("create_task", direct)
    (made,) = direct.clickup.by_marker(lead)
    direct.set_cell(lead, other)
    direct.later(300)
    if claim == "refused":
        direct.sandbox.faults.add("500", route="set_field", times=99)
    direct.run(*(("--phase", "2") if claim == "phase 2" else ()))
    direct.sandbox.faults.clear()
    direct.later()
    if claim == "carried out":
        direct.edit(lead, Email="new@example.com")
        direct.later()
        run = direct.run()
        assert "new@example.com" in direct.clickup.task(other)["description"]
        assert run.report["conflicts"] == []
        return
    direct.set_cell(lead, None)
    direct.later()
    direct.run()
    assert (direct.named_by(lead), direct.clickup.by_marker(lead)) == (made, [made])


@pytest.mark.parametrize("why", ["ignored", "refused", "phase 2"])
def test_a_write_in_doubt_is_not_forgotten_while_its_lead_has_no_task(direct: DirectScene, why: str) -> None:
    """Danger: the task comes back from the trash, and what we had written to it counts as a person's."""
    direct.airtable.add_choice("NURTURE")
    direct.settings["IGNORED_STATUSES"] = "NURTURE"
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Name="Grace", Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.clickup.delete(task)
    direct.set_cell(lead, None)
    if why == "ignored":
        direct.edit(lead, Status="NURTURE")
    if why == "refused":
        direct.sandbox.faults.add("500", when="before", route="create_task", times=99)
    direct.later()
    direct.run(*(("--phase", "2") if why == "phase 2" else ()))
    direct.sandbox.faults.clear()
    direct.clickup.restore(task)
    direct.set_cell(lead, task)
    direct.edit(lead, Name="Ada", Status="NEW")
    direct.later()
    direct.run("--full")
    shown = (direct.clickup.task(task)["name"], direct.task_status(task), direct.status(lead))
    assert shown == ("Ada", "to do", "NEW")


@pytest.mark.parametrize("task_was", ["deleted", "private", "unread"])
def test_a_write_in_doubt_of_a_lead_in_the_trash_whose_task_could_not_be_read_is_not_taken_for_settled(
    direct: DirectScene, task_was: str
) -> None:
    """Danger: both come back, and what we had written to the task counts as a person's."""
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Name="Grace", Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.airtable.delete(lead)
    if task_was == "deleted":
        direct.clickup.delete(task)
    elif task_was == "private":
        direct.clickup.make_private(task)
    else:
        direct.clickup.archive(task)
        direct.sandbox.faults.add("500", route="get_task", times=99)
    direct.later()
    direct.run()
    direct.sandbox.faults.clear()
    if task_was == "deleted":
        direct.clickup.restore(task)
    direct.clickup.make_private(task, on=False)
    direct.airtable.restore(lead)
    direct.edit(lead, Name="Ada", Status="NEW")
    direct.later()
    direct.run("--full")
    assert direct.clickup.task(task)["name"] == "Ada"
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")


@pytest.mark.parametrize("flags", [(), ("--full",)])
def test_what_people_took_back_while_the_lead_was_in_the_trash_is_taken_back(
    direct: DirectScene, flags: tuple[str, ...]
) -> None:
    """Danger: the write in doubt is forgotten with the row, and what it had changed is written once more."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="QUALIFIED")
    killed_after_the_first("update_task", direct)
    direct.later(60)
    direct.clickup.set_status(task, "in progress")
    direct.airtable.delete(lead)
    direct.later()
    direct.run()
    direct.airtable.restore(lead)
    direct.edit(lead, Email="new@example.com")
    direct.later()
    run = direct.run(*flags)
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")
    assert "'complete' was sent and got no answer, and was taken back in ClickUp since" in run.told(lead)


def test_a_task_moved_while_its_lead_was_in_the_trash_moves_it_once_it_is_back(direct: DirectScene) -> None:
    """Danger: the pair agrees from memory, which is of the time before the lead's write that got no answer."""
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later()
    killed_after_the_first("update_records", direct)
    direct.airtable.delete(lead)
    direct.clickup.set_status(task, "in progress")
    direct.later()
    direct.run()
    direct.airtable.restore(lead)
    direct.edit(lead, Email="new@example.com")
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


@pytest.mark.parametrize("what", ["status", "name"])
def test_what_was_seen_to_arrive_while_the_lead_was_in_the_trash_is_ours_and_what_follows_is_theirs(
    direct: DirectScene, what: str
) -> None:
    """Danger: both sides seem to have changed, and what people did after our write is written over."""
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, **({"Status": "CONTACTED"} if what == "status" else {"Name": "Grace"}))
    killed_after_the_first("update_task", direct)
    direct.airtable.delete(lead)
    direct.later()
    direct.run("--full")
    if what == "status":
        direct.clickup.set_status(task, "complete")
    else:
        direct.clickup.rename(task, "Theirs")
    direct.later(86_400)
    direct.run()
    direct.airtable.restore(lead)
    direct.later()
    run = direct.run("--full")
    assert run.report["conflicts"] == []
    if what == "status":
        assert direct.status(lead) == "QUALIFIED"
    else:
        assert (direct.clickup.task(task)["name"], run.told(lead)) == ("Theirs", "")


def test_an_heir_is_held_against_the_task_as_it_is(direct: DirectScene) -> None:
    """Danger: of a task with a write in doubt the state knows what it was before that write."""
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    killed_after_the_first("update_task", direct)
    direct.airtable.delete(lead)
    direct.later()
    direct.run()
    direct.clickup.set_status(task, "complete")
    direct.clickup.rename(task, "Theirs")
    for _ in range(2):
        direct.later()
        direct.run()
    heir = direct.lead("CONTACTED")
    direct.set_cell(heir, task)
    direct.later()
    run = direct.run()
    assert [each["clickup"] for each in run.report["conflicts"]] == ["complete"]
    assert "linked; the task keeps its name 'Theirs'" in run.told(heir)


def test_a_write_in_doubt_ends_when_its_task_becomes_another_leads(direct: DirectScene) -> None:
    """Danger: a day later a person types the same, the first lead is back, and it counts as ours."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="QUALIFIED")
    killed_after_the_first("update_task", direct)
    direct.edit(lead, Status="CONTACTED")
    direct.airtable.delete(lead)
    heir = direct.lead("QUALIFIED")
    direct.set_cell(heir, task)
    for status in ("in progress", "complete"):
        direct.later(86_400)
        direct.run()
        direct.clickup.set_status(task, status)
    direct.later()
    direct.run()
    direct.airtable.delete(heir)
    direct.airtable.restore(lead)
    direct.later()
    assert direct.run("--full").report["conflicts"] != []


@pytest.mark.parametrize("hindered", ["phase 2", "429"])
def test_a_status_that_was_decided_is_in_doubt_no_more_though_the_name_beside_it_was_not_sent(
    direct: DirectScene, hindered: str
) -> None:
    """Danger: the announced status outlives its decision, and the same status set by a person counts as ours."""
    lead, task = direct.pair("NEW", name="Ada")
    direct.edit(lead, Status="CONTACTED", Name="Grace")
    assert direct.killed_run(Fate("write", 1, "before")) is None
    direct.edit(lead, Status="NEW")
    direct.later()
    if hindered == "429":
        direct.sandbox.faults.add("429", when="before", route="update_task", times=999)
    assert direct.run(*(("--phase", "2") if hindered == "phase 2" else ())).code == 1
    direct.sandbox.faults.clear()
    direct.clickup.set_status(task, "in progress")
    direct.later()
    direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


@pytest.mark.parametrize("why", ["in the trash", "a wrong cell"])
def test_a_task_that_came_and_went_under_an_undecided_lead_is_named_though_a_name_is_in_doubt(
    direct: DirectScene, why: str
) -> None:
    lead, task = direct.pair("CONTACTED", name="Ada")
    direct.edit(lead, Name="Grace")
    killed_after_the_first("update_task", direct)
    if why == "in the trash":
        direct.airtable.delete(lead)
    else:
        direct.set_cell(lead, "nonsense!!")
    direct.clickup.set_status(task, "complete")
    direct.later()
    direct.run()
    direct.clickup.set_status(task, "in progress")
    direct.later()
    if why == "in the trash":
        direct.airtable.restore(lead)
    direct.set_cell(lead, task)
    direct.edit(lead, Status="QUALIFIED")
    direct.later()
    assert "the task was moved from 'complete' back to 'in progress'" in direct.run().told(lead)


# --- without a base ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_task_that_is_the_newer_without_a_base_stays_so_after_a_run_that_died(direct: DirectScene, when: str) -> None:
    """Danger: with the write in doubt nobody asks again which side is newer, and the other one stands."""
    lead, task = direct.pair("NEW")
    direct.later(600)
    direct.clickup.set_status(task, "complete")
    direct.later(300)
    direct.state_file.unlink()
    assert direct.killed_run(Fate("write", 1, when)) is None
    direct.later()
    run = direct.run()
    assert (direct.status(lead), direct.task_status(task)) == ("QUALIFIED", "complete")
    assert "airtable" not in [each["winner"] for each in run.report["conflicts"]]


def test_texts_that_a_task_keeps_are_told_though_the_run_that_linked_it_died(direct: DirectScene) -> None:
    """Danger: the link is kept, and no later run has a reason to say that a rename was not carried over."""
    for transaction in itertools.count(1):
        lead, _ = direct.pair("NEW", name=f"Ada {transaction}")
        direct.edit(lead, Name=f"Grace {transaction}")
        direct.state_file.unlink()
        direct.later()
        died = direct.killed_run(Fate("transaction", transaction, "before")) is None
        direct.later()
        assert not died or f"linked; the task keeps its name 'Ada {transaction}'" in direct.run().told(lead)
        if not died:
            break
