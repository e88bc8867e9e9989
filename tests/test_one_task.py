"""At most one task a lead, whatever becomes of rows, cells, markers and tasks."""

from __future__ import annotations

import pytest

from engine.carrying_out import CarryingOut
from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from tests.campaign.wire import DirectScene
from tests.scene import Scene
from tests.troubles import (
    REFUSED_TASK,
    killed_after_the_first,
    put_elsewhere,
    refusing,
    run_and_clear,
    run_killed_at,
)


def test_an_id_cut_from_one_lead_and_pasted_to_another_is_followed_or_named(scene: Scene) -> None:
    """Danger: the marker gives the task back to the first lead, and the second's typed id vanishes unnamed."""
    one, task = scene.pair("NEW", name="one")
    two, deleted = scene.pair("NEW", name="two")
    scene.clickup.delete(deleted)
    scene.set_cell(one, None)
    scene.set_cell(two, task)
    scene.later()
    first = scene.run()
    scene.later()
    second = scene.run()
    assert "mistyped or swapped" in first.reasons()[two]
    assert task in second.told(two)
    assert scene.named_by(two) != deleted


def test_two_leads_that_name_one_task_of_another_list_are_never_both_linked(scene: Scene) -> None:
    """Danger: a task of another List has no marker to set, so each of two leads gets linked to it."""
    lead, task = scene.pair("NEW", name="one")
    scene.clickup.move(task, scene.clickup.second_list_id)
    scene.clickup.set_marker(task, "")
    scene.later()
    other = scene.lead("CONTACTED", "two")
    scene.set_cell(other, task)
    scene.edit(lead, Status="LOST")
    scene.later()
    run = scene.run("--full")
    assert (run.code, list(run.reasons())) == (1, [other])


def test_a_dropped_marker_and_lost_write_backs_make_no_second_task(scene: Scene) -> None:
    """Danger: neither the lead nor the task names the other, and the state alone knows of the create."""
    lead = scene.lead("NEW")
    scene.clickup.drop_fields = True
    scene.sandbox.faults.add("500", route="set_field", times=100)
    scene.sandbox.faults.add("500", service="airtable", route="update_records", times=100)
    run_and_clear(scene)
    scene.clickup.drop_fields = False
    (task,) = scene.clickup.tasks()
    for _ in range(3):
        scene.run()
        scene.later()
    assert list(scene.clickup.tasks()) == [task]
    scene.assert_linked(lead, task)


def test_a_death_between_a_create_and_the_marker_that_it_dropped_makes_no_second_task(scene: Scene) -> None:
    """Danger: kill -9 right after the create was recorded, with the marker dropped and nothing written back."""
    scene.lead("NEW")
    scene.clickup.drop_fields = True
    run_killed_at(scene, CarryingOut, "_mend_marker")
    scene.clickup.drop_fields = False
    for _ in range(3):
        scene.run()
        scene.later()
    assert len(scene.clickup.tasks()) == 1
    scene.assert_in_step()


@pytest.mark.parametrize("put", ["archived", "moved", "private"])
@pytest.mark.parametrize("trouble", ["death", "500", "reset"])
def test_a_task_linked_by_hand_that_no_poll_shows_is_not_forgotten_with_the_answer_to_its_marker(
    direct: DirectScene, trouble: str, put: str
) -> None:
    """Danger: the marker arrives without an answer, the cell is emptied, and nothing knows of the task any more."""
    direct.pair("NEW", name="other")
    task = direct.clickup.add_task("by hand")
    lead = direct.lead("NEW", "Ada")
    direct.set_cell(lead, task)
    direct.later()
    if trouble == "death":
        killed_after_the_first("set_field", direct)
    else:
        direct.sandbox.faults.add(trouble, when="after", route="set_field", times=99)
        assert run_and_clear(direct).code == 1
    if put == "private":
        direct.clickup.make_private(task)
    else:
        put_elsewhere(direct, task, put)
    direct.set_cell(lead, None)
    direct.later()
    run = direct.run()
    assert direct.clickup.by_marker(lead) == [task]
    if put == "private":
        assert lead in {failure["record_id"] for failure in run.report["failed"]}
    else:
        assert direct.named_by(lead) == task


def test_emptying_the_cell_of_a_lead_whose_task_surely_got_no_marker_makes_one(direct: DirectScene) -> None:
    """Danger: a marker that ClickUp refused is believed to be there, and the lead waits for that task for ever."""
    direct.pair("NEW", name="other")
    task = direct.clickup.add_task("by hand")
    lead = direct.lead("NEW", "Ada")
    direct.set_cell(lead, task)
    direct.later()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct.sandbox, "carry_out", refusing(direct, "POST", REFUSED_TASK, service="clickup"))
        assert direct.run().code == 1
    direct.clickup.make_private(task)
    direct.set_cell(lead, None)
    direct.later()
    assert direct.run().code == 0
    assert direct.named_by(lead) not in {None, "", task}


def test_a_lead_renamed_between_its_lost_create_and_the_adoption_brings_its_new_name(scene: Scene) -> None:
    """Danger: the adopted task counts as carrying the name of today instead of that of its create."""
    scene.pair("NEW", name="other")
    lead = scene.lead("NEW", "Ada")
    scene.clickup.hide_new_for = 30
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    scene.run()
    scene.edit(lead, Name="Ada Lovelace", Email="ada@example.com")
    for _ in range(2):
        scene.later(60)
        scene.run()
    task = scene.clickup.task(scene.named_by(lead))
    assert task["name"] == "Ada Lovelace"
    assert "ada@example.com" in task["description"]


def test_a_row_deleted_after_its_lost_create_and_restored_gets_no_second_task(scene: Scene) -> None:
    """Danger: the announced create is forgotten with the row, and its task shows only after the row is back."""
    scene.pair("NEW", name="other")
    lead = scene.lead("NEW", "undone")
    scene.clickup.hide_new_for = 100
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    scene.run()
    scene.airtable.delete(lead)
    scene.run()
    scene.airtable.restore(lead)
    scene.edit(lead, Name="undone again")
    scene.run()
    scene.later(200)
    scene.run()
    assert len(scene.clickup.by_marker(lead)) == 1


@pytest.mark.parametrize("gone", ["private", "unread"])
def test_a_second_task_that_cannot_be_read_is_still_one_of_the_lead(
    scene: Scene, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the lead's first task was deleted, its copy cannot be read now, and the lead gets a third."""
    scene.pair("NEW", name="other")
    lead, task = scene.pair("NEW")
    copy = scene.clickup.duplicate(task)
    scene.later()
    scene.run()
    scene.later()
    scene.clickup.delete(task)
    scene.set_cell(lead, None)
    if gone == "private":
        scene.clickup.make_private(copy)
    else:
        match = scene.sandbox.faults.match
        monkeypatch.setattr(
            scene.sandbox.faults,
            "match",
            lambda request, route: Fault("500") if request.path[-1] == copy else match(request, route),
        )
    scene.later()
    run = scene.run()
    assert run.report["phase_1"]["created"] == 0
    assert lead in run.reasons()


def test_a_task_left_behind_by_a_new_link_is_taken_up_again_instead_of_a_third(scene: Scene) -> None:
    """Danger: with the new link the state forgets the task that still bears the lead's marker."""
    lead, first = scene.pair("NEW")
    second = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, second)
    scene.later()
    assert scene.run().code == 0
    assert scene.clickup.by_marker(lead) == [first, second]
    scene.later()
    scene.run()
    scene.later()
    scene.clickup.delete(second)
    scene.set_cell(lead, None)
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 0
    assert scene.named_by(lead) == first


def test_a_short_listing_is_noticed_with_more_named_tasks_than_are_read(large: Scene) -> None:
    """Danger: state lost, ClickUp lists nothing, and a thousand named tasks are believed to be gone."""
    for number in range(1_050):
        large.lead("NEW", f"Lead {number}")
    assert large.run().code == 0
    large.later()
    large.state_file.unlink()
    large.clickup.hide_new_for = 1e9
    run = large.run()
    assert (run.code, run.writes) == (1, [])
    assert len(run.requests) < 100


def test_a_list_whose_tasks_were_all_moved_away_still_takes_new_ones(scene: Scene) -> None:
    """Danger: an empty listing is doubted for ever, although each linked task can be read elsewhere."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(25)]
    assert scene.run().code == 0
    scene.later()
    for lead in leads:
        scene.clickup.move(scene.named_by(lead), scene.clickup.second_list_id)
    scene.later()
    new = scene.lead("NEW", "new")
    for _ in range(3):
        scene.run("--full")
        scene.later()
    scene.assert_linked(new, scene.named_by(new))


def test_a_recreated_task_has_its_details(scene: Scene) -> None:
    """Danger: a linked lead is read without its description, and its new task gets none."""
    lead, task = scene.pair("CONTACTED", Email="ada@example.com")
    scene.clickup.delete(task)
    assert scene.run("--full", MISSING_TASK="recreate").report["phase_1"]["created"] == 1
    assert "ada@example.com" in scene.clickup.task(scene.named_by(lead))["description"]


def test_a_lead_whose_row_was_deleted_and_restored_keeps_its_task(scene: Scene) -> None:
    """Danger: the link is dropped with the row, and what was changed meanwhile is lost or a second task made."""
    lead, task = scene.pair("CONTACTED")
    scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    scene.later()
    scene.clickup.set_status(task, "complete")
    scene.later()
    scene.run()
    scene.later()
    scene.airtable.restore(lead)
    scene.later()
    scene.run("--full")
    assert scene.status(lead) == "QUALIFIED"
    assert list(scene.clickup.tasks()) == [task]


def test_a_task_given_to_an_older_lead_starts_no_tug_of_war(scene: Scene) -> None:
    """Danger: two leads name one task without a marker, and each run gives it to the other."""
    old = scene.lead("LOST", "old")
    scene.later(10)
    assert scene.run().code == 0
    scene.later()
    young, task = scene.pair("NEW", name="young")
    scene.clickup.set_marker(task, "")
    scene.set_cell(old, task)
    scene.later()
    first = scene.run()
    assert first.code == 1
    assert young in first.reasons()
    scene.later()
    assert task in scene.run().told(young)
    for _ in range(3):
        scene.quiet()
    scene.assert_linked(young, scene.named_by(young))
    assert scene.named_by(old) == task


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lead_whose_task_was_deleted_is_not_forgotten_when_its_new_one_is_not_made_at_once(
    scene: Scene, when: str, edited: bool
) -> None:
    """Danger: later runs remember the deleted task, take the lead for linked, and forget the announced create."""
    scene.settings["MISSING_TASK"] = "recreate"
    lead, gone = scene.pair()
    scene.clickup.delete(gone)
    scene.clickup.hide_new_for = 60
    if edited:
        scene.edit(lead, Name="Ada Renamed")
    scene.sandbox.faults.add("500", when=when, service="clickup", route="create_task")
    assert scene.run("--full").code == 1
    scene.sandbox.faults.clear()
    scene.later(5)
    assert scene.run().code == 1, "it may have been made"
    scene.later()
    assert scene.run().code == 0
    (made,) = scene.clickup.by_marker(lead)
    assert made != gone
    scene.assert_linked(lead, made)
    assert scene.quiet("--full").code == 0


def test_a_time_budget_that_ends_before_a_deleted_task_is_made_anew_hides_nothing(scene: Scene) -> None:
    scene.settings["MISSING_TASK"] = "recreate"
    pairs = [scene.pair() for _ in range(3)]
    for _, task in pairs:
        scene.clickup.delete(task)
    assert scene.run("--full", SYNC_TIME_BUDGET_SECONDS="0.0001").code == 1
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 3
    scene.assert_in_step()


def test_a_lead_with_a_status_without_a_row_whose_task_was_deleted_stays_named(scene: Scene) -> None:
    scene.airtable.add_choice("NURTURE")
    scene.settings["MISSING_TASK"] = "recreate"
    lead, task = scene.pair()
    scene.clickup.delete(task)
    scene.edit(lead, Status="NURTURE")
    for _ in range(3):
        scene.later()
        run = scene.run("--full")
        assert run.code == 1
        assert lead in run.reasons()
        scene.later()
        assert lead in scene.run().reasons()


def test_a_deleted_task_that_comes_back_is_still_the_leads(scene: Scene) -> None:
    lead, task = scene.pair()
    scene.clickup.delete(task)
    assert scene.run("--full").code == 1
    scene.clickup.restore(task)
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)
    assert scene.task_status(task) == "in progress"


def test_the_first_create_after_a_lost_state_does_not_forget_whose_a_task_is(scene: Scene) -> None:
    """Danger: the look at late tasks takes the few that it read for all; the lead's own is forgotten and made again."""
    lead, task = scene.pair()
    scene.state_file.unlink()
    scene.set_cell(lead, "86typotyp")
    assert scene.run().code == 1
    scene.later()
    new = scene.lead()
    assert scene.run().report["phase_1"]["created"] == 1
    scene.assert_linked(new, scene.named_by(new))
    scene.later()
    scene.set_cell(lead, None)
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


def test_an_empty_listing_and_a_task_that_cannot_be_read_yet_make_no_second_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["MISSING_TASK"] = "recreate"
    lead = scene.lead()
    assert scene.run().code == 0
    task = scene.named_by(lead)
    scene.later(5)
    true_answer = scene.sandbox.carry_out
    gone = Answer(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})

    def late(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true_answer(request)
        return {"list_tasks": Answer(200, {"tasks": []}), "get_task": gone}.get(route, answer), route, fault

    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", late)
        assert scene.run("--full").code == 1
    scene.later()
    assert scene.run("--full").code == 0
    scene.assert_linked(lead, task)


def test_a_task_in_another_list_that_is_linked_again_has_its_mistyped_marker_mended(scene: Scene) -> None:
    lead, task = scene.pair()
    scene.clickup.move(task, scene.clickup.second_list_id)
    scene.clickup.set_marker(task, "no record")
    scene.set_cell(lead, "")
    scene.later()
    assert scene.run("--full").code == 0
    scene.assert_linked(lead, task)


@pytest.mark.parametrize("hidden", ["unread", "private", "moved"])
def test_a_task_that_was_seen_to_bear_a_leads_marker_is_not_forgotten_while_it_cannot_be_seen(
    direct: DirectScene, hidden: str
) -> None:
    """Danger: the only trace of the lead's task is dropped by a reading that does not show it, and a second is made."""
    direct.pair("NEW", name="other")
    lead = direct.lead("NEW")
    killed_after_the_first("create_task", direct)
    (task,) = direct.clickup.by_marker(lead)
    direct.state_file.unlink()
    direct.airtable.delete(lead)
    direct.later()
    direct.run()
    direct.later()
    if hidden == "moved":
        direct.clickup.move(task, direct.clickup.second_list_id)
        direct.later()
        direct.run("--full")
        direct.later()
    direct.airtable.restore(lead)
    direct.edit(lead, Status="CONTACTED")
    if hidden == "private":
        direct.clickup.make_private(task)
    if hidden == "unread":
        direct.sandbox.faults.add("500", route="get_task", times=30)
    direct.later(5)
    direct.run()
    direct.later()
    direct.sandbox.faults.clear()
    if hidden == "private":
        direct.run("--full")
        direct.later()
        direct.run()
        direct.clickup.make_private(task, False)
    direct.later()
    direct.run()
    assert direct.named_by(lead) == task
    assert len(direct.clickup.by_marker(lead)) == 1


def test_text_typed_into_a_task_whose_create_lost_its_answer_stays_peoples(direct: DirectScene) -> None:
    """Danger: what the task shows when it is found at the end of the run counts as what the create gave it."""
    direct.pair("NEW", name="other")
    lead = direct.lead("NEW", "Ada", Email="old@example.com")
    direct.later(1)
    last = direct.lead("NEW", "Bob")
    direct.sandbox.faults.add("reset", when="after", route="create_task")

    def edit() -> None:
        if direct.clickup.by_marker(last):
            (found,) = direct.clickup.by_marker(lead)
            direct.clickup.describe(found, "Call her on Monday.")
            direct.clickup.rename(found, "Ada, VIP")

    direct.sandbox.faults.after("create_task", edit)
    direct.run()
    direct.sandbox.faults.clear()
    direct.later()
    direct.edit(lead, Name="Ada Lovelace", Email="new@example.com")
    told = direct.run().told(lead)
    task = direct.clickup.task(direct.named_by(lead))
    assert task["description"] == "Call her on Monday."
    assert "theirs stays" in told
    assert "had been renamed in ClickUp to 'Ada, VIP'" in told


@pytest.mark.parametrize("old", ["listed", "moved", "private"])
def test_a_lead_that_was_given_another_task_for_a_while_takes_up_its_own_again(direct: DirectScene, old: str) -> None:
    """Danger: the link to the other task takes the place of the first one, which is then known to nobody."""
    direct.pair("NEW", name="other")
    lead, first = direct.pair("NEW")
    direct.later(600)
    direct.run()
    if old == "moved":
        direct.clickup.move(first, direct.clickup.second_list_id)
    if old == "private":
        direct.clickup.make_private(first)
    direct.later(600)
    second = direct.clickup.add_task("by hand")
    direct.set_cell(lead, second)
    direct.later()
    direct.run(*(() if old == "listed" else ("--full",)))
    assert direct.named_by(lead) == second
    direct.later()
    direct.clickup.delete(second)
    direct.clickup.make_private(first, False)
    direct.set_cell(lead, None)
    direct.later()
    direct.run()
    assert direct.named_by(lead) == first
    assert direct.clickup.by_marker(lead) == [first]


@pytest.mark.parametrize("unseen", ["unread", "private"])
def test_a_lead_does_not_take_a_copy_while_its_own_task_cannot_be_read(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch, unseen: str
) -> None:
    """Danger: one failed reading makes the copy the lead's task for good, and overwrites its status."""
    lead, task = direct.pair("NEW")
    direct.later()
    direct.edit(lead, Status="CONTACTED")
    direct.clickup.duplicate(task)
    for _ in range(3):
        direct.later(600)
        direct.run()
    handle = direct.clickup.handle

    def refuse(request: Request) -> Answer:
        asked = request.method == "GET" and task in request.path
        return Answer(500, {"err": "Internal"}, direct.clickup.rate_headers()) if asked else handle(request)

    with monkeypatch.context() as patch:
        if unseen == "private":
            direct.clickup.make_private(task)
        else:
            patch.setattr(direct.clickup, "handle", refuse)
        direct.set_cell(lead, None)
        direct.later()
        run = direct.run()
        assert (run.code, run.writes) == (1, [])
    direct.clickup.make_private(task, False)
    direct.later()
    direct.run()
    assert direct.named_by(lead) == task


def test_a_former_task_that_was_deleted_and_purged_does_not_stop_its_lead_from_getting_a_new_one(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: a task that is not in the trash any more looks like one that cannot be seen."""
    direct.settings["MISSING_TASK"] = "recreate"
    lead, first = direct.pair("NEW")
    direct.clickup.delete(first)
    direct.later()
    direct.run("--full")
    second = direct.named_by(lead)
    handle = direct.clickup.handle

    def knows_it_no_more(request: Request) -> Answer:
        unknown = {"err": "Team not authorized", "ECODE": "OAUTH_027"}
        asked = first in request.path
        return Answer(401, unknown, direct.clickup.rate_headers()) if asked else handle(request)

    monkeypatch.setattr(direct.clickup, "handle", knows_it_no_more)
    direct.clickup.delete(second)
    direct.later()
    assert direct.run("--full").code == 0
    assert direct.named_by(lead) not in (first, second)


def test_a_lead_is_not_held_up_by_a_task_that_became_anothers(direct: DirectScene) -> None:
    """Danger: after a swap each task is remembered as once the other lead's as well."""
    one, of_one = direct.pair("NEW", name="one")
    two, of_two = direct.pair("NEW", name="two")
    for task in (of_one, of_two):
        direct.clickup.set_marker(task, "")
    direct.set_cell(one, of_two)
    direct.set_cell(two, of_one)
    direct.later(600)
    assert direct.run().code == 0
    direct.later(600)
    direct.clickup.make_private(of_one)
    direct.clickup.delete(of_two)
    direct.set_cell(one, None)
    direct.later()
    assert one not in direct.run().reasons()
    assert direct.named_by(one) not in ("", of_one, of_two)
