"""What is decided against somebody is said by the run that does it: once, and whatever comes in between."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Callable, Iterator

import pytest

import main
from engine.carrying_out import CarryingOut
from engine.run import _Run
from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from tests.campaign.wire import DirectScene, Fate, Killed
from tests.scene import Run, Scene
from tests.troubles import (
    ELSEWHERE,
    REFUSED_TASK,
    FullDisk,
    killed_after_the_first,
    put_elsewhere,
    refusing,
    run_killed_at,
)

REFUSED_ROW = Answer(422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "not this one"}})


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_write_to_a_task_that_had_moved_unseen_is_named(scene: Scene, where: str) -> None:
    """Danger: a task moved since the last full run is in no poll; what a person set there is overwritten in silence."""
    lead, task = scene.pair("NEW")
    put_elsewhere(scene, task, where)
    scene.clickup.set_status(task, "complete")
    scene.quiet()
    scene.later()
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    run = scene.run()
    assert scene.task_status(task) == "in progress"
    assert "the task had meanwhile been moved" in run.told(lead)


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_write_to_a_task_that_had_moved_unseen_is_named_though_its_run_died(direct: DirectScene, where: str) -> None:
    """Danger: only the answer told that the task had moved, and the run that got it is dead."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "complete")
    put_elsewhere(direct, task, where)
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    killed_after_the_first("update_task", direct)
    direct.later()
    assert "the task had meanwhile been moved" in direct.run().told(lead)
    direct.later()
    assert direct.run().told(lead) == ""


def test_a_conflict_is_named_though_a_later_reading_fails(scene: Scene) -> None:
    """Danger: a reading after the write fails, the run ends, and the status that it undid is never named."""
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    scene.lead("NEW", "new one")
    scene.later()
    scene.state_file.unlink()
    scene.sandbox.faults.after("update_task", lambda: scene.sandbox.faults.add("500", route="list_tasks", times=1_000))
    run = scene.run()
    assert (run.code, scene.task_status(task)) == (1, "in progress")
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]


def test_a_conflict_is_named_by_the_next_run_where_the_one_that_decided_it_died(scene: Scene) -> None:
    """Danger: the write is done, the process dies before its report, and nobody ever hears what was undone."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(task, "complete")
    run_killed_at(scene, _Run, "_ending")
    assert scene.task_status(task) == "in progress"
    told = scene.run().told(lead)
    assert "in a run that was cut off" in told
    assert "'complete'" in told
    scene.later()
    assert scene.run().told(lead) == ""


def test_an_id_that_is_replaced_in_a_cell_is_named(scene: Scene) -> None:
    """Danger: what stood in the Task ID cell of a copied row is overwritten without a word."""
    lead, task = scene.pair("CONTACTED")
    copy = scene.airtable.duplicate(lead)
    run = scene.run()
    assert scene.named_by(copy) not in ("", task)
    assert task in run.told(copy)


def test_a_create_after_one_without_an_answer_is_named(scene: Scene) -> None:
    """The task may have been moved to another List before anybody could ask for it there; nothing else would tell."""
    lead = scene.lead("NEW")
    scene.clickup.hide_new_for = 30
    scene.sandbox.faults.add("500", when="after", service="clickup", route="create_task")
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.clickup.move(scene.clickup.by_marker(lead)[0], scene.clickup.second_list_id)
    scene.later(3600)
    run = scene.run()
    assert run.report["phase_1"]["created"] == 1
    assert "if it was moved to another List" in run.told(lead)


def test_a_conflict_that_a_refused_write_could_not_settle_is_not_told_as_settled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    true_answer = scene.sandbox.carry_out
    refusal = Answer(422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "not this one"}})

    def refuse(request: Request) -> tuple[Answer, str, Fault | None]:
        return (refusal, "update_records", None) if request.method == "PATCH" else true_answer(request)

    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refuse)
        run = scene.run()
    assert (run.code, run.report["conflicts"]) == (1, [])
    scene.later()
    assert [each["winner"] for each in scene.run().report["conflicts"]] == ["clickup"]


def test_a_conflict_that_is_decided_again_is_told_once(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()

    def die(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CarryingOut, "run", die)
        with pytest.raises(Killed):
            scene.run()
    run = scene.run()
    assert ([each["record_id"] for each in run.report["conflicts"]], run.told(lead)) == ([lead], "")


def refused_once(scene: Scene, method: str, answer: Answer) -> tuple[Run, Run]:
    """Two runs: the first is refused each write of this method, the second does what the first could not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, method, answer))
        first = scene.run()
    scene.later()
    second = scene.run()
    assert (first.code, second.code) == (1, 0)
    return first, second


def test_a_change_that_is_undone_is_named_although_the_first_try_to_undo_it_is_refused(scene: Scene) -> None:
    """Danger: the refused run does not tell, and the next one has forgotten that it was anybody's change."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    scene.sandbox.faults.add("reset", when="after", route="update_task", times=99)
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.later()
    scene.clickup.set_status(task, "in progress")
    scene.later()
    first, second = refused_once(scene, "PATCH", REFUSED_ROW)
    assert scene.status(lead) == "CONTACTED"
    assert "taken back in ClickUp" in first.told(lead) + second.told(lead)


def test_a_task_that_came_back_to_its_old_status_is_named_although_the_first_write_is_refused(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.clickup.set_status(task, "in progress")
    scene.run("--phase", "1")
    scene.later()
    scene.clickup.set_status(task, "to do")
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    first, second = refused_once(scene, "PUT", REFUSED_TASK)
    assert scene.task_status(task) == "complete"
    assert "back to" in first.told(lead) + second.told(lead)


def came_back(direct: DirectScene) -> tuple[str, str, str]:
    """A task that came back to its old status, seen once by a run that decided nothing, while its lead was edited."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_status(task, "in progress")
    direct.run("--phase", "1")
    direct.later()
    direct.clickup.set_status(task, "to do")
    direct.edit(lead, Status="QUALIFIED")
    direct.later()
    return lead, "update_task", "back to"


def taken_back(direct: DirectScene) -> tuple[str, str, str]:
    """A status that was written without an answer, and that people took back."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="QUALIFIED")
    direct.later()
    killed_after_the_first("update_task", direct)
    direct.later()
    direct.clickup.set_status(task, "in progress")
    direct.later()
    return lead, "update_records", "taken back in ClickUp"


def asked_in_vain(direct: DirectScene) -> tuple[str, str, str]:
    """A lost create whose task was moved away before a run could ask for it."""
    lead = direct.lead("NEW")
    direct.clickup.hide_new_for = 90
    direct.sandbox.faults.add("reset", when="after", route="create_task", times=9)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.move(task, direct.clickup.second_list_id)
    direct.later()
    return lead, "create_task", "this is a second one"


SEEN_ONCE = (came_back, taken_back, asked_in_vain)


@pytest.mark.parametrize("seen", SEEN_ONCE)
@pytest.mark.parametrize("first", ["429s", "other phase"])
@pytest.mark.parametrize("then", ["killed", "no answer"])
def test_what_one_run_saw_is_named_though_the_one_that_carries_it_out_gets_no_answer(
    direct: DirectScene, seen: Callable[[DirectScene], tuple[str, str, str]], first: str, then: str
) -> None:
    """Danger: it is kept for the run that writes, and that one's death, or an answer that is lost, forgets it."""
    lead, route, text = seen(direct)
    told = []
    if first == "429s":
        direct.sandbox.faults.add("429", when="before", route=route, times=999)
        told.append(direct.run().told(lead))
        direct.sandbox.faults.clear()
    else:
        told.append(direct.run("--phase", "1" if route == "update_records" else "2").told(lead))
    direct.later()
    if then == "killed":
        killed_after_the_first(route, direct)
    else:
        direct.sandbox.faults.add("502", when="after", route=route, times=9)
        told.append(direct.run().told(lead))
        direct.sandbox.faults.clear()
    direct.later()
    told.append(direct.run().told(lead))
    assert "\n".join(told).count(text) == 1, told
    direct.later()
    assert text not in direct.quiet().told(lead)


def test_a_create_after_one_without_an_answer_is_named_although_its_id_cannot_be_written_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = scene.lead()
    scene.sandbox.faults.add("502", when="before", service="clickup", route="create_task", times=1)
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.later(600)
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PATCH", REFUSED_ROW))
        run = scene.run()
    assert run.report["phase_1"]["created"] == 1
    assert "if it was moved to another List" in run.told(lead)


def test_a_conflict_whose_status_was_refused_is_not_told_as_settled_though_a_name_was_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST", Name="Ada Renamed")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PATCH", REFUSED_ROW))
        run = scene.run()
    assert (run.code, run.report["conflicts"]) == (1, [])
    scene.later()
    assert [each["winner"] for each in scene.run().report["conflicts"]] == ["clickup"]


@pytest.mark.parametrize("then", ["other", "solved", "phase 2"])
def test_what_was_decided_and_refused_is_not_told_by_a_run_that_does_not_do_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Danger: a run says that one side stands, although nothing was written and nothing is to be written."""
    other, _ = scene.pair()
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        assert scene.run().code == 1
    scene.later()
    if then == "solved":
        scene.edit(lead, Status="CONTACTED")
    flags = {"other": ("--only", other), "solved": (), "phase 2": ("--phase", "2")}[then]
    for _ in range(2):
        run = scene.run(*flags)
        assert run.told(lead) == ""
        scene.later()
    if then != "solved":
        assert [each["winner"] for each in scene.run().report["conflicts"]] == ["airtable"]


def test_a_restore_whose_write_is_refused_is_told_by_the_run_that_restores(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.set_cell(lead, "")
    scene.clickup.set_status(task, "to do")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        assert "it is restored" not in scene.run().told(lead)
    scene.later()
    assert "it is restored" in scene.run().told(lead)


# --- kept until it is told --------------------------------------------------------------------------------------------


def test_a_conflict_whose_run_is_killed_before_it_can_tell_is_told_by_the_next(direct: DirectScene) -> None:
    """Danger: the last ping of the health check takes seconds, and the state has forgotten what is still to be told."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="NEW")
    direct.clickup.set_status(task, "complete")
    direct.later()
    direct.settings["HEALTHCHECK_URL"] = "http://127.0.0.1:9/x"
    fate = Fate()

    def ping(url: str, _: float) -> str:
        if url.endswith("/start"):
            return ""
        fate.dead = True
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "ping", ping)
        assert direct.killed_run(fate) is None
    del direct.settings["HEALTHCHECK_URL"]
    direct.later()
    assert "in a run that was cut off" in direct.run().told(lead)
    assert direct.quiet().report["notices"] == []


def test_a_conflict_that_nobody_could_be_told_is_told_by_the_next_run(scene: Scene) -> None:
    """Danger: standard output is a full disk, and what was overwritten is forgotten as told."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="NEW")
    scene.clickup.set_status(task, "complete")
    scene.later()

    code = main.main(["--json"], scene.settings, clock=scene.clock, stdout=FullDisk(), stderr=io.StringIO())
    assert code == 1
    scene.later()
    assert "airtable stands" in scene.run().told(lead)
    assert scene.quiet().report["notices"] == []


def test_a_conflict_that_neither_the_output_nor_the_report_could_tell_is_told_by_the_next_run(scene: Scene) -> None:
    """Danger: a report was asked for, but its folder is gone by the end of the run."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="NEW")
    scene.clickup.set_status(task, "complete")
    scene.later()
    folder = scene.folder / "reports"
    folder.mkdir()
    scene.sandbox.faults.after("update_task", lambda: shutil.rmtree(folder, ignore_errors=True))
    flags = ["--report", str(folder / "report.json")]
    assert main.main(flags, scene.settings, clock=scene.clock, stdout=FullDisk(), stderr=io.StringIO()) == 1
    scene.later()
    assert "airtable stands" in scene.run().told(lead)


def test_a_run_whose_output_nobody_got_is_no_healthy_one(scene: Scene) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="NEW")
    scene.clickup.set_status(task, "complete")
    scene.later()
    pinged: list[str] = []

    def ping(url: str, _: float) -> None:
        pinged.append(url.rpartition("/")[2])

    scene.settings["HEALTHCHECK_URL"] = "http://127.0.0.1:9/x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "ping", ping)
        assert main.main([], scene.settings, clock=scene.clock, stdout=FullDisk(), stderr=io.StringIO()) == 1
    assert pinged == ["start", "x", "fail"]


def test_what_a_run_of_one_phase_left_out_is_told_only_where_it_is_done(scene: Scene) -> None:
    """Danger: "it is restored", although a person has solved it since, and something else is written."""
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "to do")
    scene.later()
    scene.run("--phase", "2")
    scene.later()
    scene.clickup.set_status(task, "complete")
    scene.later()
    run = scene.run()
    assert (run.told(lead), scene.status(lead)) == ("", "QUALIFIED")


def test_a_conflict_whose_task_could_not_be_marked_is_not_told_as_settled(scene: Scene) -> None:
    """Danger: the status is never sent, since the marker comes first, and the output says who won."""
    scene.pair("NEW", name="other")
    former, task = scene.pair("NEW", name="former")
    scene.airtable.delete(former)
    scene.later()
    scene.run("--full")
    lead = scene.lead("QUALIFIED")
    scene.set_cell(lead, task)
    scene.later()
    scene.sandbox.faults.add("500", route="set_field", times=50)
    run = scene.run()
    assert (run.code, run.report["conflicts"]) == (1, [])
    scene.sandbox.faults.clear()
    scene.later()
    assert [each["record_id"] for each in scene.run().report["conflicts"]] == [lead]


# --- what was refused, or never sent, is not told as done -------------------------------------------------------------


@contextlib.contextmanager
def first_batch_refused(direct: DirectScene, gone: str, meanwhile: Callable[[], object]) -> Iterator[None]:
    """A lead is deleted as a batch that updates it arrives, so that Airtable refuses all of the batch."""
    true_answer = direct.sandbox.carry_out
    batches: list[Request] = []

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PATCH" or batches:
            return true_answer(request)
        batches.append(request)
        direct.airtable.delete(gone)
        answer = true_answer(request)
        meanwhile()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct.sandbox, "carry_out", carry_out)
        yield


def test_what_a_refused_batch_would_have_written_is_a_persons_when_a_person_types_it(direct: DirectScene) -> None:
    """Danger: the write stays announced though Airtable refused it, and the same status typed by a person is ours."""
    (gone, _), (lead, task) = pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(2)]
    for _, each in pairs:
        direct.clickup.set_status(each, "in progress")
    direct.later()

    def meanwhile() -> None:
        direct.clock.advance(6)
        direct.edit(lead, Status="CONTACTED")
        direct.clock.advance(6)

    with first_batch_refused(direct, gone, meanwhile):
        assert direct.run().code == 1
    direct.later()
    direct.clickup.set_status(task, "complete")
    direct.later()
    run = direct.run()
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_conflict_in_a_refused_batch_that_the_run_then_has_no_time_for_is_told_by_the_next(
    direct: DirectScene,
) -> None:
    """Danger: it is told though nothing was written, and told again by the run that writes."""
    direct.settings["CONFLICT_WINNER"] = "clickup"
    (gone, _), (lead, _) = pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(2)]
    for each, task in pairs:
        direct.edit(each, Status="LOST")
        direct.clickup.set_status(task, "in progress")
    direct.later()
    with first_batch_refused(direct, gone, lambda: direct.clock.advance(50)):
        assert direct.run(SYNC_TIME_BUDGET_SECONDS="40").report["conflicts"] == []
    direct.later()
    assert direct.status(lead) == "LOST"
    assert [conflict["record_id"] for conflict in direct.run().report["conflicts"]] == [lead]
    assert direct.status(lead) == "CONTACTED"


@pytest.mark.parametrize("why", ["429s", "no time"])
@pytest.mark.parametrize("blank", [False, True])
def test_what_phase_2_could_not_write_is_not_told_though_phase_1_wrote_the_name(
    direct: DirectScene, why: str, blank: bool
) -> None:
    """Danger: one of a lead's two writes was sent, and what the other would have done is told as done, and again."""
    direct.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = direct.pair("NEW")
    direct.edit(lead, Name="Other", Status=None if blank else "CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later()
    if why == "429s":
        direct.sandbox.faults.add("429", when="before", route="update_records", times=999)
    else:
        direct.sandbox.faults.after("update_task", lambda: direct.clock.advance(50))
    run = direct.run(SYNC_TIME_BUDGET_SECONDS="40")
    direct.sandbox.faults.clear()
    assert run.writes[0] == "clickup update_task"
    assert (run.code, run.report["conflicts"], run.told(lead)) == (1, [], "")
    direct.later()
    run = direct.run()
    assert "is filled with" in run.told(lead) if blank else len(run.report["conflicts"]) == 1
    assert direct.status(lead) == "QUALIFIED"


def test_what_a_killed_run_did_is_told_though_the_next_one_plans_it_again_in_vain(direct: DirectScene) -> None:
    """Danger: the next run means to tell it when it writes the same again; it cannot, and the need goes away."""
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "to do")
    direct.later()
    killed_after_the_first("update_task", direct)
    direct.later()
    direct.clickup.set_status(task, "to do")
    direct.later()
    direct.sandbox.faults.add("429", when="before", route="update_task", times=999)
    told = direct.run().told(lead)
    direct.sandbox.faults.clear()
    direct.later()
    direct.clickup.set_status(task, "in progress")
    direct.later()
    assert "it is restored" in told + direct.run().told(lead)


def test_what_was_seen_once_is_told_though_its_lead_was_in_the_trash_meanwhile(direct: DirectScene) -> None:
    lead, route, text = came_back(direct)
    direct.sandbox.faults.add("429", when="before", route=route, times=999)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    direct.airtable.delete(lead)
    direct.later()
    assert text not in direct.run("--full").told(lead)
    direct.airtable.restore(lead)
    direct.later()
    assert text in direct.run("--full").told(lead)


def test_a_second_task_is_not_told_of_a_lead_that_got_none(direct: DirectScene) -> None:
    """Danger: what is kept of a create is told when any status of its lead is written."""
    lead, route, text = asked_in_vain(direct)
    direct.sandbox.faults.add("429", when="before", route=route, times=999)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    (task,) = direct.clickup.by_marker(lead)
    direct.clickup.move(task, direct.clickup.list_id)
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    run = direct.run()
    assert direct.clickup.by_marker(lead) == [task]
    assert direct.task_status(task) == "in progress"
    assert text not in run.told(lead)


@pytest.mark.parametrize("seen", ["rename", "conflict", "restore"])
def test_what_phase_1_wrote_over_is_told_though_airtable_refuses_the_leads_batch_for_its_rate(
    direct: DirectScene, seen: str
) -> None:
    """Danger: half a minute of silence ages the reading, the batch waits for another, and Phase 1 loses its word."""
    lead, task = direct.pair("CONTACTED")
    if seen == "rename":
        direct.clickup.rename(task, "mine")
        direct.edit(lead, Name="Other")
        direct.clickup.set_status(task, "complete")
    else:
        direct.set_cell(lead, None)
        direct.clickup.set_status(task, "to do" if seen == "restore" else "complete")
    if seen == "conflict":
        direct.edit(lead, Status="NEW")
    direct.later()
    direct.sandbox.faults.add("429", when="before", route="update_records", times=1)
    run = direct.run()
    assert (run.code, run.writes) == (0, ["clickup update_task", *["airtable update_records"] * 2])
    said = f"{run.told(lead)} {run.report['conflicts']}"
    assert {"rename": "'mine'", "conflict": "'complete'", "restore": "it is restored"}[seen] in said


def test_a_foreign_id_that_is_replaced_is_named_though_the_update_of_its_task_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the lead's name was refused, so nothing is told of what was written over in its Task ID cell."""
    lead, task = scene.pair("NEW")
    _, other = scene.pair("NEW", name="other")
    scene.set_cell(lead, other)
    scene.edit(lead, Name="Other")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        run = scene.run()
    assert (run.code, scene.named_by(lead)) == (1, task)
    assert f"'{other}' in its Task ID cell" in run.told(lead)


def test_a_conflict_that_a_run_of_one_phase_cannot_settle_yet_is_not_told(direct: DirectScene) -> None:
    """Danger: the lead's task has yet to be marked, in Phase 1, and Phase 2 alone says each time that ClickUp won."""
    direct.pair("NEW", name="other")
    lead = direct.lead("NEW")
    direct.set_cell(lead, direct.clickup.add_task("by hand", status="to do"))
    direct.later(600)
    direct.clickup.set_status(str(direct.named_by(lead)), "complete")
    direct.later()
    assert direct.run("--phase", "2").report["conflicts"] == []
    assert [conflict["winner"] for conflict in direct.run().report["conflicts"]] == ["clickup"]
