"""The table of decisions for links: each row through the front door, in the table's order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.wire import DirectScene
from tests.scene import Scene
from tests.troubles import ELSEWHERE, REFUSED_TASK, put_elsewhere, refusing


def test_an_empty_cell_and_a_task_with_the_leads_marker_is_adopted(scene: Scene) -> None:
    lead = scene.lead("NEW")
    task = scene.clickup.add_task("made by an earlier run", status="to do", marker=lead)
    scene.later()
    run = scene.run()
    assert (run.code, run.report["phase_1"]["adopted"], run.report["phase_1"]["created"]) == (0, 1, 0)
    scene.assert_linked(lead, task)
    assert scene.clickup.task(task)["name"] == "made by an earlier run", "it keeps its name until the lead's changes"


def test_a_cell_that_somebody_emptied_is_filled_again(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.set_cell(lead, None)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["adopted"]) == (0, 1)
    scene.assert_linked(lead, task)


@pytest.mark.parametrize("status", ["NEW", None])
def test_an_empty_cell_and_no_task_gets_one(scene: Scene, status: str | None) -> None:
    lead = scene.lead(status)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    scene.assert_linked(lead, scene.named_by(lead))
    assert scene.quiet().code == 0


def test_a_status_without_a_row_gets_no_task_and_fails(scene: Scene) -> None:
    scene.airtable.add_choice("NURTURE")
    lead = scene.lead("NURTURE")
    run = scene.run()
    assert run.code == 1
    assert "'NURTURE' has no row" in run.reasons()[lead]
    assert scene.clickup.tasks() == {}


def test_an_ignored_status_gets_no_task_in_silence(scene: Scene) -> None:
    scene.airtable.add_choice("NURTURE")
    scene.lead("NURTURE")
    run = scene.run(IGNORED_STATUSES="Nurture")
    assert (run.code, run.report["failed"]) == (0, [])
    assert scene.clickup.tasks() == {}


def test_a_lost_answer_to_a_create_makes_no_second_task(scene: Scene) -> None:
    lead = scene.lead("NEW")
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    run = scene.run()
    assert len(scene.clickup.by_marker(lead)) == 1
    scene.later()
    run = scene.run()
    assert run.code == 0
    scene.assert_linked(lead, scene.named_by(lead))


def test_a_lost_create_is_certain_only_after_the_time_of_doubt(scene: Scene) -> None:
    """A task that shows in no listing yet must not be made twice."""
    scene.settings["SYNC_CREATE_DOUBT_SECONDS"] = "120"
    lead = scene.lead("NEW")
    scene.clickup.hide_new_for = 100
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    run = scene.run()
    assert run.code == 1
    scene.later(30)
    run = scene.run()
    assert run.code == 1
    assert run.report["phase_1"]["created"] == 0
    assert run.report["left"] == 1
    scene.later(100)
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


def test_a_create_that_never_happened_is_made_up_for_after_the_time_of_doubt(scene: Scene) -> None:
    lead = scene.lead("NEW")
    scene.sandbox.faults.add("reset", when="before", route="create_task")
    assert scene.run().code == 1
    assert scene.clickup.by_marker(lead) == []
    scene.later(130)
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


def test_a_named_task_with_the_leads_marker_is_linked(scene: Scene) -> None:
    lead = scene.lead("CONTACTED")
    task = scene.clickup.add_task("by hand", status="in progress", marker=lead)
    scene.set_cell(lead, task)
    scene.later()
    run = scene.run()
    assert (run.code, run.writes) == (0, [])
    scene.edit(lead, Status="QUALIFIED")
    assert scene.run().code == 0
    assert scene.task_status(task) == "complete"


def test_a_named_task_without_a_marker_gets_it(scene: Scene) -> None:
    lead = scene.lead("NEW")
    task = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, task)
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)
    assert scene.clickup.task(task)["name"] == "by hand"
    assert scene.quiet().code == 0


def test_a_named_task_with_the_marker_of_a_lead_that_is_gone_gets_the_new_one(scene: Scene) -> None:
    old, task = scene.pair("NEW")
    scene.airtable.delete(old)
    lead = scene.lead("NEW")
    scene.set_cell(lead, task)
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


def test_several_leads_name_a_task_without_a_marker_and_the_oldest_gets_it(scene: Scene) -> None:
    first = scene.lead("NEW", "first")
    scene.later(10)
    second = scene.lead("NEW", "second")
    task = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(first, task)
    scene.set_cell(second, task)
    scene.later()
    run = scene.run()
    assert run.code == 1
    assert list(run.reasons()) == [second]
    assert first in run.reasons()[second]
    scene.assert_linked(first, task)


def test_a_copied_row_gets_a_task_of_its_own(scene: Scene) -> None:
    lead, task = scene.pair("CONTACTED")
    copy = scene.airtable.duplicate(lead)
    assert scene.named_by(copy) == task
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    scene.assert_linked(lead, task)
    assert scene.named_by(copy) != task
    scene.assert_linked(copy, scene.named_by(copy))


def test_swapped_ids_fail_and_nothing_is_written(scene: Scene) -> None:
    one, one_task = scene.pair("NEW", name="one")
    two, two_task = scene.pair("CONTACTED", name="two")
    scene.set_cell(one, two_task)
    scene.set_cell(two, one_task)
    run = scene.run()
    assert run.code == 1
    assert set(run.reasons()) == {one, two}
    assert run.writes == []
    scene.set_cell(one, one_task)
    scene.set_cell(two, two_task)
    scene.later()
    assert scene.run().code == 0


def test_a_deleted_task_fails_and_nothing_is_created(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.clickup.delete(task)
    run = scene.run("--full")
    assert run.code == 1
    assert "deleted" in run.reasons()[lead]
    assert run.writes == []
    scene.later()
    assert scene.run().code == 1
    scene.clickup.restore(task)
    scene.later()
    assert scene.run().code == 0


def test_a_deleted_task_is_made_anew_where_the_settings_say_so(scene: Scene) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.clickup.delete(task)
    run = scene.run("--full", MISSING_TASK="recreate")
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert scene.named_by(lead) != task
    scene.assert_linked(lead, scene.named_by(lead))


def test_a_hidden_task_named_by_a_lead_with_a_task_of_its_own_may_be_emptied_away(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    hidden = scene.clickup.add_task("hidden")
    scene.clickup.make_private(hidden)
    scene.set_cell(lead, hidden)
    scene.later()
    assert (
        scene.run()
        .report["failed"][0]["hint"]
        .endswith("or put the right id into the lead's 'ClickUp Task ID', or empty that")
    )
    scene.set_cell(lead, None)
    scene.later()
    assert (scene.run().code, scene.named_by(lead)) == (0, task)


def test_emptying_the_cell_of_a_lead_whose_task_was_deleted_gets_a_new_task(scene: Scene) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.clickup.delete(task)
    scene.set_cell(lead, None)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    scene.assert_linked(lead, scene.named_by(lead))


@pytest.mark.parametrize("where", ["archived", "in another List", "a subtask"])
def test_a_task_that_lives_elsewhere_is_still_followed(scene: Scene, where: str) -> None:
    parent = scene.clickup.add_task("parent")
    lead, task = scene.pair("CONTACTED")
    if where == "archived":
        scene.clickup.archive(task)
    elif where == "in another List":
        scene.clickup.move(task, scene.clickup.second_list_id)
    else:
        scene.clickup.make_subtask(task, parent)
    scene.later()
    run = scene.run("--full")
    assert run.code == 0, run.report
    assert where in run.told(lead)
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    assert scene.run().code == 0
    assert scene.task_status(task) == "complete"
    assert len(scene.clickup.by_marker(lead)) == 1


def test_a_task_that_cannot_be_seen_fails_and_is_never_made_anew(scene: Scene) -> None:
    scene.pair("NEW", name="another")
    lead, task = scene.pair("NEW")
    scene.clickup.make_private(task)
    for settings in ({}, {"MISSING_TASK": "recreate"}):
        scene.later()
        run = scene.run("--full", **settings)
        assert run.code == 1
        assert "cannot be seen" in run.reasons()[lead]
        assert run.writes == []


# Danger: an emptied cell makes a second task beside one that is merely private; or the lead fails for ever.
@pytest.mark.parametrize("flags", [(), ("--full",)])
@pytest.mark.parametrize("state", ["kept", "lost"])
def test_a_lead_whose_task_cannot_be_seen_follows_another_that_a_person_puts_there(
    scene: Scene, flags: tuple[str, ...], state: str
) -> None:
    scene.pair("NEW", name="another")
    lead, task = scene.pair("NEW")
    scene.clickup.make_private(task)
    scene.edit(lead, Status="CONTACTED")
    if state == "lost":
        scene.state_file.unlink()
    else:
        scene.set_cell(lead, None)
    for _ in range(2):
        scene.later()
        run = scene.run(*flags)
        assert (run.code, run.writes) == (1, [])
        hint = run.report["failed"][0]["hint"]
        assert "its id into" in hint or "the right id into" in hint
        # Without the state nothing tells a task that is hidden from an id that was mistyped.
        assert ("emptying that makes no new one" if state == "kept" else "emptying that makes a new task") in hint
    by_hand = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, by_hand)
    scene.later()
    assert scene.run(*flags).code == 0
    assert scene.clickup.task(by_hand)["status"] == "in progress"
    assert scene.quiet("--full").code == 0
    scene.clickup.make_private(task, on=False)
    scene.later()
    run = scene.run("--full")
    assert (run.code, run.writes) == (0, [])
    assert scene.named_by(lead) == by_hand


def test_a_tasks_address_is_understood_as_its_id(scene: Scene) -> None:
    lead = scene.lead("NEW")
    task = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, f"https://app.clickup.com/t/{task}")
    scene.later()
    assert scene.run().code == 0
    assert scene.clickup.by_marker(lead) == [task]


@pytest.mark.parametrize(
    "typed",
    [
        "../../list/1", "abc?x=1", "https://evil.example/t/abc", "ABC-123", "9" * 5000, "a b", "a/b",
        "\u202eabc", "%2e%2e",
        "https://app.clickup.com/t/7002367/ABC-123", "task\x1b[2J",
    ],
)  # fmt: skip
def test_what_is_no_task_id_fails_and_is_never_put_into_an_address(scene: Scene, typed: str) -> None:
    other = scene.lead("NEW", "another lead")
    lead = scene.lead("NEW")
    scene.set_cell(lead, typed)
    run = scene.run()
    assert run.code == 1
    assert list(run.reasons()) == [lead]
    assert "no task id" in run.reasons()[lead]
    assert "\x1b" not in run.messages
    scene.assert_linked(other, scene.named_by(other))
    assert all("get_task" not in each for each in run.requests)


def test_a_cell_that_is_not_text_fails(scene: Scene) -> None:
    lead = scene.lead("NEW")
    scene.set_cell(lead, 12345)
    run = scene.run()
    assert run.code == 1
    assert "no task id" in run.reasons()[lead]


def test_of_several_tasks_with_one_marker_the_named_one_counts_and_the_others_are_reported(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    copy = scene.clickup.duplicate(task)
    scene.later()
    run = scene.run()
    assert (run.code, run.writes) == (0, [])
    assert [notice["task_id"] for notice in run.report["notices"]] == [copy]
    assert scene.named_by(lead) == task


def test_of_several_tasks_with_one_marker_and_none_named_the_oldest_counts(scene: Scene) -> None:
    lead = scene.lead("NEW")
    old = scene.clickup.add_task("old", status="to do", marker=lead)
    scene.later(10)
    new = scene.clickup.add_task("new", status="to do", marker=lead)
    scene.later()
    run = scene.run()
    assert run.code == 0
    assert scene.named_by(lead) == old
    assert new in {notice["task_id"] for notice in run.report["notices"]}
    assert scene.clickup.by_marker(lead) == [old, new]


@pytest.mark.parametrize("where", ["listed", *ELSEWHERE, "deleted"])
def test_the_former_task_of_a_lead_that_a_person_links_to_another_is_named(scene: Scene, where: str) -> None:
    """Danger: rows are merged by hand, and what happens to the first row's task passes without a word from then on.

    One that was deleted before is none of the lead's any more.
    """
    kept, former = scene.pair("NEW", name="Ada")
    merged, task = scene.pair("NEW", name="Ada L.")
    if where in ELSEWHERE:
        put_elsewhere(scene, former, where)
    scene.later(600)
    scene.run("--full")
    if where == "deleted":
        scene.clickup.delete(former)
    scene.set_cell(kept, task)
    scene.airtable.delete(merged)
    scene.later()
    run = scene.run()
    notices = {(notice["record_id"], notice["task_id"]) for notice in run.report["notices"]}
    assert ((kept, former) in notices) == (where != "deleted")
    assert scene.named_by(kept) == task
    assert task in scene.clickup.by_marker(kept)
    assert scene.quiet().code == 0


def test_a_marker_that_names_a_missing_lead_is_reported_and_the_task_never_touched(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.airtable.delete(lead)
    run = scene.run("--full")
    assert (run.code, run.writes) == (0, [])
    assert "not in the table" in run.told(lead)
    assert scene.task_status(task) == "to do"


def test_an_emptied_cell_gets_back_the_task_that_was_linked_not_an_older_one_from_the_trash(scene: Scene) -> None:
    lead, first = scene.pair("CONTACTED")
    scene.clickup.delete(first)
    scene.later()
    scene.run("--full", MISSING_TASK="recreate")
    second = scene.named_by(lead)
    scene.later()
    scene.clickup.restore(first)
    scene.later()
    scene.run()
    scene.set_cell(lead, None)
    scene.later()
    scene.run()
    assert scene.named_by(lead) == second != first


def test_a_task_that_another_lead_took_over_is_not_said_to_be_left_alone(scene: Scene) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.airtable.delete(lead)
    other = scene.lead("NEW")
    scene.set_cell(other, task)
    scene.later()
    assert "left alone" not in str(scene.run().report["notices"])
    scene.assert_linked(other, task)


def test_a_copied_table_takes_no_task_out_of_the_list_of_the_first(tmp_path: Path) -> None:
    """Danger: both would write to the same tasks, and claim them from each other in every run."""
    real = Scene(tmp_path)
    _, task = real.pair("CONTACTED")
    copy = {"CLICKUP_LIST_ID": real.clickup.second_list_id, "SYNC_STATE_FILE": str(tmp_path / "copy.sqlite3")}
    real.clickup.set_marker(task, "recAnotherTable01")
    real.later()
    run = real.run(**copy)
    assert (run.code, run.writes) == (1, [])
    assert "another List" in run.report["failed"][0]["error"]
    real.close()


def test_a_task_that_could_not_be_put_back_is_not_said_to_be(scene: Scene) -> None:
    lead, _ = scene.pair("CONTACTED")
    scene.clickup.remove_status("in progress")
    scene.later()
    run = scene.run()
    assert list(run.reasons()) == [lead]
    assert "restored" not in str(run.report["notices"])


def test_a_task_that_two_leads_name_goes_to_the_younger_where_people_do_what_the_hint_says(scene: Scene) -> None:
    older, younger = scene.lead("NEW", "older"), scene.lead("NEW", "younger")
    task = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(older, task)
    scene.set_cell(younger, task)
    scene.later()
    (failure,) = scene.run().report["failed"]
    assert failure["record_id"] == younger
    assert f"put {younger} into the task's custom field" in failure["hint"]
    scene.set_cell(older, None)
    scene.clickup.set_marker(task, younger)
    scene.later()
    assert scene.run().code == 0
    assert scene.named_by(younger) == task
    assert scene.named_by(older) not in ("", task)


@pytest.mark.parametrize(("timeout", "took"), [(180, 170), (300, 290)])
def test_a_create_that_took_as_long_as_a_longer_timeout_allows_makes_no_second_task(
    scene: Scene, timeout: int, took: int
) -> None:
    """Danger: the time of doubt is over before the answer was given up, and the next run makes a second task."""
    scene.settings["SYNC_HTTP_TIMEOUT_SECONDS"] = str(timeout)
    scene.settings["SYNC_CREATE_DOUBT_SECONDS"] = "120"
    scene.pair("NEW")
    lead = scene.lead("NEW", "slow")
    scene.later()
    scene.clickup.hide_new_for = 30
    scene.sandbox.faults.before("create_task", lambda: scene.clock.advance(took))
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.later(5)
    assert scene.run().report["left"] == 1
    scene.later(150)
    assert scene.run().code == 0
    assert scene.clickup.by_marker(lead) == [scene.named_by(lead)]


@pytest.mark.parametrize("marker", ["ask Bob before calling", "recAAAAAAAAAAAAAA"])
def test_what_stood_in_a_tasks_field_for_the_record_id_is_named_as_it_is_replaced(scene: Scene, marker: str) -> None:
    """Danger: somebody's note in that field is gone without a word."""
    lead, task = scene.pair("NEW")
    scene.clickup.set_marker(task, marker)
    scene.later()
    run = scene.run()
    assert run.writes == ["clickup set_field"]
    (notice,) = run.report["notices"]
    assert (notice["record_id"], notice["task_id"]) == (lead, task)
    assert marker in notice["text"]
    assert scene.clickup.by_marker(lead) == [task]
    scene.later()
    assert scene.run().report["notices"] == []


def test_many_leads_that_name_each_others_tasks_stop_no_run(scene: Scene) -> None:
    """Danger: each lead that is read by its id names the task of the next one, and the run ends with a traceback."""
    leads = [scene.lead("NEW", f"lead {number}") for number in range(60)]
    assert scene.run().code == 0
    tasks = [scene.named_by(lead) for lead in leads]
    scene.later()
    for lead, task in zip(leads, [*tasks[1:], tasks[0]], strict=True):
        scene.set_cell(lead, task)  # a column that was pasted one row too low
    scene.later()
    assert len(scene.run().report["failed"]) == len(leads)
    for lead in leads:
        scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    for lead in leads:
        scene.airtable.restore(lead)
    scene.later()
    scene.edit(leads[0], Name="edited")
    scene.later()
    run = scene.run()
    assert (run.code, run.report["full"], len(run.report["failed"]), run.writes) == (1, True, len(leads), [])


@pytest.mark.parametrize("how", ["refused", "edited", "unanswered", "time is over"])
def test_what_a_marker_replaced_is_named_though_the_run_does_no_more_for_that_task(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Danger: the name that was to be written with it fails, and nobody tells what stood in the field before."""
    lead, task = scene.pair("NEW")
    scene.clickup.set_marker(task, "ask Bob before calling")
    scene.edit(lead, Name="Another name")
    scene.later()
    faults = scene.sandbox.faults
    if how == "refused":
        monkeypatch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
    elif how == "edited":

        def edited() -> None:
            scene.clock.advance(15)
            scene.edit(lead, Name="A newer name")

        faults.after("set_field", edited)
    elif how == "unanswered":
        faults.add("reset", when="after", route="set_field", times=1_000)
    else:
        scene.settings["SYNC_TIME_BUDGET_SECONDS"] = "30"
        faults.after("set_field", lambda: scene.clock.advance(45))
    run = scene.run()
    assert run.code == 1
    assert [("ask Bob" in each["text"], each["task_id"]) for each in run.report["notices"]] == [(True, task)]
    assert scene.clickup.by_marker(lead) == [task]


def test_a_marker_that_was_refused_replaces_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Danger: the output names a change that nobody made."""
    _, task = scene.pair("NEW")
    scene.clickup.set_marker(task, "ask Bob before calling")
    scene.later()
    monkeypatch.setattr(scene.sandbox, "carry_out", refusing(scene, "POST", REFUSED_TASK, "clickup"))
    run = scene.run()
    assert (run.code, run.report["notices"]) == (1, [])


def test_a_marker_that_was_waited_for_and_is_not_wanted_any_more_replaces_nothing(direct: DirectScene) -> None:
    """Danger: ClickUp refuses the request for its rate, the lead is edited meanwhile, and the output tells of what was
    never written."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_marker(task, "ask Bob before calling")
    direct.later()
    direct.sandbox.faults.add("429", when="before", route="set_field", number=1)
    direct.sandbox.faults.after("set_field", lambda: direct.edit(lead, Name="Another name"))
    run = direct.run()
    assert (run.code, run.report["notices"], direct.clickup.by_marker(lead)) == (1, [], [])
    direct.sandbox.faults.clear()
    direct.later()
    assert len(direct.run().report["notices"]) == 1
    assert direct.clickup.by_marker(lead) == [task]


def test_a_marker_is_set_once_however_long_the_name_behind_it_waits(direct: DirectScene) -> None:
    """Danger: it is sent again and counts as another use of the plan's custom fields; or it fails, and what the first
    one replaced is not told."""
    lead, task = direct.pair("NEW")
    direct.clickup.set_marker(task, "ask Bob before calling")
    direct.edit(lead, Name="Another name")
    direct.later()
    direct.sandbox.faults.add("429", when="before", route="update_task", number=1)
    run = direct.run()
    assert (run.code, run.writes.count("clickup set_field"), len(run.report["notices"])) == (0, 1, 1)
    assert direct.clickup.task(task)["name"] == "Another name"
