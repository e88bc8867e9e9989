"""Answers that were lost, refused, late or not true: nothing is made twice, and nothing is taken for what it is not."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from state import State
from tests.campaign.wire import DirectScene, Killed
from tests.scene import Scene
from tests.troubles import (
    IDLE,
    answers_once,
    killed_after_the_first,
    pair_in_doubt,
    run_and_clear,
)


def fail_always(scene: Scene, route: str, when: str = "before") -> None:
    scene.sandbox.faults.add("reset", when=when, route=route, times=1_000)


def by_id(request: Request, route: str) -> bool:
    return route == "list_records_post" and b"RECORD_ID()" in request.raw


def test_a_doubtful_write_ends_where_clickup_wins(scene: Scene) -> None:
    """Danger: the announcement of a write that never arrived outlives its conflict and makes the next edit another."""
    scene.settings["CONFLICT_WINNER"] = "clickup"
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    fail_always(scene, "update_task")
    assert run_and_clear(scene).code == 1
    scene.clickup.rename(task, "touched for another reason")
    scene.later()
    assert scene.run().report["conflicts"][0]["winner"] == "clickup"
    assert (scene.status(lead), scene.task_status(task)) == ("CONTACTED", "in progress")
    scene.quiet()
    assert sorted(scene.quiet().requests) == IDLE
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    assert scene.run().report["conflicts"] == []
    assert scene.task_status(task) == "complete"


def test_a_doubtful_write_ends_where_both_sides_agree(scene: Scene) -> None:
    """Danger: the announcement is never settled, and every run from then on asks for its pair again."""
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    fail_always(scene, "update_task")
    assert run_and_clear(scene).code == 1
    scene.clickup.rename(task, "touched for another reason")
    scene.edit(lead, Status="CONTACTED")
    for _ in range(3):
        scene.later()
        scene.run()
    assert sorted(scene.quiet().requests) == IDLE


def test_a_change_between_two_attempts_of_one_update_is_kept_or_named(scene: Scene) -> None:
    """Danger: our first attempt arrived, a person answered to it, and the last attempt makes that look older."""
    lead, task = scene.pair("QUALIFIED")
    scene.edit(lead, Status="CONTACTED")
    fail_always(scene, "update_task")
    attempts: list[str] = []

    def between(request: Request) -> bool:
        if request.method == "PUT":
            attempts.append(task)
            if len(attempts) == 2:
                scene.clock.advance(5)
                scene.clickup.set_status(task, "in progress")
                scene.clock.advance(1)
                scene.clickup.set_status(task, "complete")
        return False

    scene.sandbox.faults.before(between, lambda: None)
    run_and_clear(scene)
    assert len(attempts) > 2
    assert scene.task_status(task) == "complete"
    run = scene.run()
    assert (scene.status(lead), scene.task_status(task)) == ("QUALIFIED", "complete") or run.report["conflicts"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_details_whose_answer_was_lost_are_ours_whatever_ends_their_lines(scene: Scene, end: str) -> None:
    """Danger: our own description, read back with other line ends, is taken for a person's and never updated again."""
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes"
    lead, task = scene.pair("NEW", Notes=f"one{end}two")
    scene.edit(lead, Notes=f"three{end}four")
    fail_always(scene, "update_task", when="after")
    run_and_clear(scene)
    scene.run()
    scene.later()
    scene.edit(lead, Notes="five")
    scene.run()
    assert "five" in scene.clickup.task(task)["description"]


def test_a_task_of_the_year_10000_is_an_answer_of_the_wrong_shape(scene: Scene) -> None:
    """Danger: SQLite has no such integer, and every run ends with a traceback."""
    scene.pair()
    stranger = scene.clickup.add_task("of another age", marker="recAAAAAAAAAAAAAA")
    scene.clickup._store.tasks[stranger].created = 9_999_999_999_999_999_999
    run = scene.run("--full")
    assert run.code == 1
    assert "date_created" in run.messages


def test_a_time_in_status_of_the_year_10000_is_no_evidence(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lead, task = scene.pair()
    scene.state_file.unlink()
    scene.clickup.set_status(task, "in progress")
    true_answer = scene.sandbox.carry_out

    def bent(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true_answer(request)
        if route == "bulk_time_in_status":
            body = json.loads(answer.encoded())
            body[task]["current_status"]["total_time"]["since"] = "1000000000000000"
            answer = Answer(answer.status, json.dumps(body).encode(), answer.headers)
        return answer, route, fault

    monkeypatch.setattr(scene.sandbox, "carry_out", bent)
    run = scene.run()
    assert (run.code, [each["record_id"] for each in run.report["conflicts"]]) == (0, [lead])


def test_a_state_file_whose_first_run_died_at_once_is_not_older_than_the_last_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: each later run refuses the empty file, and says that it came from a backup."""
    lead, task = scene.pair()
    scene.state_file.unlink()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(State, "begin_turn", die)
        with pytest.raises(Killed):
            scene.run()
    assert scene.state_file.exists()
    new = scene.lead()
    began = scene.clock.time()
    assert scene.run().code == 0
    assert scene.clock.time() - began > 60, "the file before it was lost, so a create may still turn up"
    scene.assert_linked(lead, task)
    scene.assert_linked(new, scene.named_by(new))


def test_one_short_answer_by_id_gives_no_task_to_another_lead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Danger: the owner of a copied row's task counts as deleted, and the copy takes its task unsaid."""
    owner, task = scene.pair()
    scene.quiet()
    scene.later()
    copy = scene.airtable.duplicate(owner)
    answers_once(scene, monkeypatch, by_id, Answer(200, {"records": []}))
    assert scene.run().code == 0
    scene.assert_linked(owner, task)
    scene.assert_linked(copy, scene.named_by(copy))


def test_one_short_answer_by_id_makes_nobody_forget_what_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.airtable.add_choice("NURTURE")
    lead, _ = scene.pair()
    scene.edit(lead, Status="NURTURE")
    assert scene.run().code == 1
    scene.later()
    answers_once(scene, monkeypatch, by_id, Answer(200, {"records": []}))
    for _ in range(2):
        assert lead in scene.run().reasons()
        scene.later()


@pytest.mark.parametrize("missing_task", ["report", "recreate"])
def test_a_task_made_just_now_that_cannot_be_read_yet_is_not_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, missing_task: str
) -> None:
    scene.settings["MISSING_TASK"] = missing_task
    lead = scene.lead()
    assert scene.run().code == 0
    task = scene.named_by(lead)
    scene.later(5)
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.show_updates_after = 60
    gone = Answer(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})
    answers_once(scene, monkeypatch, lambda _, route: route == "get_task", gone)
    run = scene.run()
    assert "deleted" not in run.reasons().get(lead, "")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


def test_a_task_made_just_now_whose_lead_names_another_for_a_while_is_not_deleted(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: ClickUp, which does not show it yet, says that it is deleted, and the lead gets a further one."""
    other = direct.clickup.add_task("by hand")
    direct.later(600)
    direct.clickup.hide_new_for = 60
    lead = direct.lead()
    direct.run()
    own = direct.named_by(lead)
    direct.set_cell(lead, other)
    direct.later(5)
    direct.run()
    direct.clickup.delete(other)
    direct.set_cell(lead, None)
    direct.later(5)
    gone = Answer(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})
    answers_once(direct, monkeypatch, lambda request, _: own in request.path, gone)
    assert direct.run().writes == []
    direct.later()
    direct.run()
    assert direct.named_by(lead) == own
    assert direct.clickup.by_marker(lead) == [own]


def test_one_task_that_cannot_be_seen_any_more_hides_of_no_other_since_when_it_has_its_status(scene: Scene) -> None:
    """Danger: without that evidence, a status that people set while the state was lost is overwritten."""
    pairs = [scene.pair("NEW", name=f"Lead {number}") for number in range(5)]
    for _, task in pairs:
        scene.clickup.set_status(task, "in progress")
    scene.state_file.unlink()
    scene.later(300)
    hidden = pairs[2][1]
    scene.sandbox.faults.after("list_tasks", lambda: scene.clickup.make_private(hidden))
    scene.run()
    assert [scene.status(lead) for lead, task in pairs if task != hidden] == ["CONTACTED"] * 4


def test_a_status_in_doubt_is_not_answered_by_an_adoption_in_phase_1_alone(direct: DirectScene) -> None:
    """Danger: the write that would settle the doubt is left to Phase 2, and the doubt is forgotten all the same."""
    lead, task = pair_in_doubt(direct)
    direct.set_cell(lead, None)
    direct.later(61)
    assert direct.run("--phase", "1").writes == ["airtable update_records"]
    direct.later()
    run = direct.run()
    assert [each["winner"] for each in run.report["conflicts"]] == ["clickup"]
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_lead_write_in_doubt_is_not_answered_by_a_refused_adoption(direct: DirectScene) -> None:
    """Danger: the refused cell takes the announced status with it, and a status put back is overwritten unsaid."""
    direct.airtable.switches = dataclasses.replace(direct.airtable.switches, field_times="refused")
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later()
    killed_after_the_first("update_records", direct)
    direct.later(10)
    direct.edit(lead, Status="CONTACTED")
    direct.set_cell(lead, None)
    direct.later()
    direct.sandbox.faults.add("429", service="airtable", route="update_records", times=1_000)
    direct.sandbox.faults.add("429", service="clickup", route="update_task", times=1_000)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    direct.later()
    run = direct.run()
    assert [each["winner"] for each in run.report["conflicts"]] == ["airtable"]
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_clock_that_was_ahead_makes_no_later_run_wait_for_it(direct: DirectScene) -> None:
    direct.pair("NEW")
    direct.state_file.unlink()
    lead = direct.lead("NEW", "second")
    direct.clickup.date_ahead = 240.0
    assert direct.run(SYNC_TIME_BUDGET_SECONDS="30").code == 1
    direct.clickup.date_ahead = 0.0
    run = direct.run()
    assert run.report["seconds"] < 150
    direct.assert_linked(lead, direct.named_by(lead))


@pytest.mark.parametrize("why", ["no row", "no id"])
def test_a_create_in_doubt_of_a_lead_that_fails_for_another_reason_is_asked_for_and_forgotten(
    direct: DirectScene, why: str
) -> None:
    """Danger: as long as it is in doubt, every run asks for it, and its poll reaches back to it."""
    direct.airtable.add_choice("NURTURE")
    direct.pair()
    lead = direct.lead("NEW", "B")
    direct.sandbox.faults.add("reset", when="before", route="create_task", times=99)
    direct.run()
    direct.sandbox.faults.clear()
    if why == "no row":
        direct.edit(lead, Status="NURTURE")
    else:
        direct.set_cell(lead, "see notes!")
    direct.later()
    assert lead in direct.run().reasons()
    direct.later(36_000)
    direct.run()
    direct.later()
    run = direct.run()
    assert (lead in run.reasons(), run.requests.count("clickup list_tasks")) == (True, 1)
    since = [value for each in direct.sandbox.log for name, value in each.query if name == "date_updated_gt"][-1]
    assert int(since) > (direct.clock.time() - 3_600) * 1_000
    direct.edit(lead, Status="NEW")
    direct.set_cell(lead, None)
    direct.later()
    assert direct.run().code == 0
    assert direct.clickup.by_marker(lead) == [direct.named_by(lead)]


# --- no answer, and then a refusal: the first may have been carried out all the same ----------------------------------


@pytest.mark.parametrize("then", ["back", "forward"])
def test_a_status_without_an_answer_stays_announced_though_the_leads_batch_is_refused_for_its_rate(
    direct: DirectScene, then: str
) -> None:
    """Danger: what Airtable did not carry out takes ClickUp's write with it: our own status counts as a person's."""
    direct.settings["SYNC_RETRY_WAIT_SECONDS"] = "0.1"
    direct.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    direct.set_cell(lead, None)
    direct.later()
    direct.sandbox.faults.add("500", when="after", route="update_task", times=99)
    direct.sandbox.faults.add("429", when="before", route="update_records", times=1)
    run = direct.run()
    direct.sandbox.faults.clear()
    assert (run.code, direct.task_status(task), direct.named_by(lead)) == (1, "in progress", task)
    direct.later()
    if then == "back":
        direct.clickup.set_status(task, "to do")
        direct.later()
        assert "it is restored" in direct.run().told(lead)
    else:
        direct.edit(lead, Status="QUALIFIED")
        direct.later()
        assert direct.run().report["conflicts"] == []
        assert (direct.status(lead), direct.task_status(task)) == ("QUALIFIED", "complete")


def test_a_batch_without_an_answer_that_is_refused_when_it_is_sent_again_is_still_in_doubt(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: one by one, its leads are refused for the rate, and nobody has written the status that arrived."""
    direct.settings["CONFLICT_WINNER"] = "clickup"
    pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(2)]
    (lead, _), (gone, _) = pairs
    for each, task in pairs:
        direct.edit(each, Status="LOST")
        direct.clickup.set_status(task, "in progress")
    direct.later()
    true_answer = direct.sandbox.carry_out
    batches: list[Request] = []

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PATCH":
            return true_answer(request)
        batches.append(request)
        if len(batches) == 1:
            direct.sandbox.faults.add("503", when="after", route="update_records", times=1)
        answer = true_answer(request)
        if len(batches) == 1:
            direct.airtable.delete(gone)
        if len(batches) == 2:
            direct.sandbox.faults.add("429", when="before", route="update_records", times=999)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(direct.sandbox, "carry_out", carry_out)
        run = direct.run()
    direct.sandbox.faults.clear()
    assert (run.code, direct.status(lead)) == (1, "CONTACTED")
    assert lead in [conflict["record_id"] for conflict in run.report["conflicts"]]


def test_a_write_that_hangs_and_arrives_while_it_is_refused_the_second_time_is_still_in_doubt(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the refusal counts for the write that got no answer too, and nobody tells what that overwrote."""
    lead, task = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later()
    true_answer = direct.sandbox.carry_out
    writes: list[Request] = []

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PUT":
            return true_answer(request)
        writes.append(request)
        direct.sandbox.faults.add("hang" if len(writes) == 1 else "429", when="before", route="update_task", times=1)
        answer = true_answer(request)
        direct.sandbox.faults.clear()
        if len(writes) == 2:
            direct.clickup.set_status(task, "in progress")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(direct.sandbox, "carry_out", carry_out)
        run = direct.run()
    assert (run.code, len(writes)) == (1, 2)
    assert [conflict["clickup"] for conflict in run.report["conflicts"]] == ["complete"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_status_typed_as_one_that_got_no_answer_and_written_over_is_named(direct: DirectScene, when: str) -> None:
    """Danger: it counts as the program's own, and what somebody typed loses without a word."""
    lead, task = direct.pair("QUALIFIED")
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    direct.sandbox.faults.add("reset", when=when, route="update_task", times=99)
    run_and_clear(direct)
    direct.later()
    direct.edit(lead, Status="NEW")
    direct.later(100)
    direct.clickup.set_status(task, "in progress")
    direct.later()
    run = direct.run()
    assert "'in progress' counts as the one that was sent and got no answer" in run.told(lead)
    assert (run.code, direct.status(lead), direct.task_status(task)) == (0, "NEW", "to do")
    direct.quiet()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_leads_status_typed_as_one_that_got_no_answer_and_written_over_is_named(
    direct: DirectScene, when: str
) -> None:
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "in progress")
    direct.later()
    direct.sandbox.faults.add("reset", when=when, route="update_records", times=99)
    run_and_clear(direct)
    direct.later()
    direct.clickup.set_status(task, "complete")
    direct.later(100)
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    run = direct.run()
    assert "'CONTACTED' counts as the one that was sent and got no answer" in run.told(lead)
    assert (run.code, direct.status(lead), direct.task_status(task)) == (0, "QUALIFIED", "complete")
    direct.quiet()
