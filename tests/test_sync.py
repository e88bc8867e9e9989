"""What a run promises as a whole: counts, exit codes, one bad record, idle runs, watermarks, the brake, the set-up."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
from pathlib import Path

import pytest

from sandbox.airtable import AirtableSwitches
from tests.scene import Scene

SETUP = {"airtable schema", "clickup list", "clickup fields"}


def counted(requests: list[str]) -> collections.Counter[str]:
    return collections.Counter(requests)


# --- the backfill, idle runs, many changes --------------------------------------------------------------------------


def test_1250_new_leads_become_1250_linked_tasks_in_as_few_requests_as_there_can_be(tmp_path: Path) -> None:
    """Within a minute, so that no reading grows too old and is checked by another poll."""
    scene = Scene(tmp_path, clickup_limit=10_000)
    for number in range(1250):
        scene.lead("NEW", f"Lead {number}")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1250)
    assert counted(run.requests) == {
        **dict.fromkeys(SETUP, 1),
        "airtable list_records_post": 13,
        "clickup list_tasks": 1,
        "clickup create_task": 1250,
        "airtable update_records": 125,
    }
    scene.assert_in_step()
    assert len(scene.clickup.tasks()) == 1250
    tasks = list(scene.clickup.tasks())[:150]
    scene.later()
    scene.run()
    scene.later()
    for task in tasks:
        scene.clickup.set_status(task, "in progress")
        scene.later(0.01)
    run = scene.run()
    assert (run.code, run.report["phase_2"]["updated"]) == (0, 150)
    assert counted(run.requests) == {
        "clickup list_tasks": 2,
        "airtable list_records_post": 1 + 2,
        "airtable update_records": 15,
    }
    assert sum(1 for fields in scene.airtable.records().values() if fields["Status"] == "CONTACTED") == 150
    scene.close()


def test_a_backfill_of_minutes_is_polled_once_a_minute_and_does_not_read_again_what_it_wrote(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=1_000)
    scene.run()
    for number in range(2_500):
        scene.lead("NEW", f"Lead {number}")
        scene.clock.advance(1)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 2_500)
    sent = counted(run.requests)
    listed, polls = 25, 3
    assert sent["airtable list_records_post"] <= listed + polls * 2, "a second page for what is just being written"
    assert sent["clickup list_tasks"] <= 1 + 2_500 / 99 + polls
    assert sent["airtable update_records"] <= 250 + polls, "in tens, but for what is left when a minute's budget ends"
    assert sum(sent.values()) <= 1.02 * (listed + 1 + 2_500 + 250)
    scene.assert_in_step()
    scene.close()


def test_a_hundred_runs_in_a_row_write_only_in_the_first(scene: Scene) -> None:
    for number in range(12):
        scene.lead(["NEW", "CONTACTED", "QUALIFIED", "LOST"][number % 4], f"Lead {number}")
    assert scene.run().code == 0
    scene.later()
    assert scene.run().writes == []
    for _ in range(98):
        scene.later(61)
        run = scene.run()
        assert (run.code, run.writes) == (0, [])
        assert counted(run.requests) == {"airtable list_records_post": 1, "clickup list_tasks": 1}


@pytest.mark.parametrize("flags", [(), ("--full",), ("--dry-run",)])
def test_both_sides_are_read_at_the_same_time(scene: Scene, flags: tuple[str, ...]) -> None:
    """Neither of the first two requests is answered before the other has come, and they are one to each service."""
    scene.pair("NEW")
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait()

    before = len(scene.sandbox.log)
    scene.sandbox.faults.before(1, meet)
    scene.sandbox.faults.before(2, meet)
    assert scene.run(*flags).code == 0
    assert not meeting.broken
    first, second, *_ = sorted(scene.sandbox.log[before:], key=lambda logged: logged.number)
    assert {first.route, second.route} == {"list_records_post", "list_tasks"}


def test_a_full_run_comes_by_itself_once_a_day_and_writes_nothing(scene: Scene) -> None:
    scene.pair("NEW")
    scene.run()
    scene.later(25 * 3600)
    run = scene.run()
    assert (run.code, run.report["full"], run.writes) == (0, True, [])


# --- one bad record -------------------------------------------------------------------------------------------------


def test_bad_records_are_named_the_rest_is_synced_and_the_next_run_tries_them_again(scene: Scene) -> None:
    scene.airtable.add_choice("NURTURE")
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(12)]
    assert scene.run().code == 0
    scene.later()
    tasks = [scene.named_by(lead) for lead in leads]
    unmapped, refused, deleted = leads[0], leads[5], leads[11]
    scene.edit(unmapped, Status="NURTURE")
    for task in tasks[1:11]:
        scene.clickup.set_status(task, "in progress")
    scene.clickup.delete(tasks[11])
    scene.edit(deleted, Name="changed, so that its task is asked for")
    _delete_before_the_write(scene, refused)
    run = scene.run()
    assert run.code == 1
    assert set(run.reasons()) == {unmapped, refused, deleted}
    assert "no row" in run.reasons()[unmapped]
    assert "deleted" in run.reasons()[deleted]
    assert all(scene.status(lead) == "CONTACTED" for lead in leads[1:11] if lead != refused)
    scene.edit(unmapped, Status="NEW")
    scene.sandbox.faults.clear()
    scene.airtable.restore(refused)
    scene.clickup.restore(tasks[11])
    scene.later()
    run = scene.run()
    assert (run.code, run.report["failed"]) == (0, [])
    assert scene.status(refused) == "CONTACTED"
    assert scene.clickup.task(tasks[11])["name"] == "changed, so that its task is asked for"
    assert scene.quiet().code == 0


def _delete_before_the_write(scene: Scene, lead: str) -> None:
    """A lead that Airtable refuses in a batch of ten: somebody deletes it between the reading and the write."""

    def delete() -> None:
        if scene.airtable.record(lead) is not None:
            scene.airtable.delete(lead)

    scene.sandbox.faults.before("update_records", delete)


@pytest.mark.parametrize("service", ["clickup", "airtable"])
def test_a_service_that_goes_down_ends_the_run_soon_and_the_next_one_goes_on(scene: Scene, service: str) -> None:
    for number in range(60):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("503", service=service, number=5, times=100_000)
    run = scene.run()
    assert run.code == 1
    assert run.report["seconds"] < 240
    assert len(run.report["failed"]) <= 40
    assert len(run.report["failed"]) + run.report["left"] + run.report["phase_1"]["created"] >= 60
    scene.sandbox.faults.clear()
    scene.later()
    assert scene.run().code == 0
    scene.assert_in_step()


# --- settings and set-up --------------------------------------------------------------------------------------------


def test_missing_settings_are_all_named_at_once(scene: Scene) -> None:
    scene.settings = {"SYNC_STATE_FILE": str(scene.state_file)}
    run = scene.run()
    assert run.code == 2
    for name in ("AIRTABLE_API_KEY", "AIRTABLE_BASE_ID", "AIRTABLE_TABLE_NAME", "CLICKUP_API_KEY", "CLICKUP_LIST_ID"):
        assert name in run.messages


@pytest.mark.parametrize(
    ("setting", "value", "codes", "cure"),
    [
        ("AIRTABLE_API_KEY", "patWRONGWRONG0000.0123456789abcdef", {3}, "token"),
        ("CLICKUP_API_KEY", "pk_1_WRONG", {3}, "token"),
        ("AIRTABLE_TABLE_NAME", "Leeds", {2, 3}, "Leads"),
        ("AIRTABLE_BASE_ID", "appAAAAAAAAAAAAAA", {2, 3}, "AIRTABLE_BASE_ID"),
        ("CLICKUP_LIST_ID", "999999999", {2, 3}, "CLICKUP_LIST_ID"),
        ("CLICKUP_CUSTOM_FIELD_ID", "00000000-0000-4000-8000-000000000000", {2}, "its text fields are"),
        ("AIRTABLE_NAME_FIELD", "Nmae", {2}, "'Name'"),
        ("AIRTABLE_STATUS_FIELD", "Stage", {2}, "'Status'"),
        ("AIRTABLE_TASK_ID_FIELD", "Task", {2}, "'ClickUp Task ID'"),
        ("AIRTABLE_VIEW", "My view", {2}, "Grid view"),
        ("STATUS_MAP", "NEW > Backlog, CONTACTED = In Progress", {2}, "'to do'"),
        ("STATUS_MAP", "NUE > To Do, CONTACTED = In Progress", {2}, "'NEW'"),
    ],
)
def test_what_is_set_up_wrongly_ends_the_run_before_the_first_write_with_the_cure(
    scene: Scene, setting: str, value: str, codes: set[int], cure: str
) -> None:
    scene.lead("NEW")
    run = scene.run(**{setting: value})
    assert run.code in codes, run.messages
    assert run.writes == []
    assert cure in run.messages
    assert value not in run.messages or not setting.endswith("KEY")
    assert scene.run().code == 0, "after the setting is mended the next run goes on"


def test_names_that_change_after_the_first_run_are_told_before_the_next_write(scene: Scene) -> None:
    lead, _ = scene.pair("NEW")
    scene.clickup.rename_status("in progress", "doing")
    scene.edit(lead, Status="CONTACTED")
    assert scene.run().code == 1
    scene.later()
    run = scene.run()
    assert run.code == 2
    assert "'doing'" in run.messages


def test_a_status_field_renamed_in_airtable_is_told_with_the_names_there_are(scene: Scene) -> None:
    scene.pair("NEW")
    scene.airtable.rename_field("Status", "Stage")
    run = scene.run()
    assert run.code == 2
    assert "'Stage'" in run.messages
    assert run.writes == []


def test_a_detail_field_that_the_table_lacks_is_a_warning(scene: Scene) -> None:
    scene.lead("NEW")
    run = scene.run(AIRTABLE_DETAIL_FIELDS="Email,Budget")
    assert run.code == 0
    assert "'Budget'" in run.messages + str(run.report["notices"])


# --- rails ----------------------------------------------------------------------------------------------------------


def test_a_run_that_would_change_most_statuses_stops_before_the_first_write(scene: Scene) -> None:
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(30)]
    assert scene.run().code == 0
    scene.later()
    for lead in leads:
        scene.edit(lead, Status="LOST")
    run = scene.run()
    assert run.code == 3
    assert run.writes == []
    assert "30 tasks" in run.messages
    assert "--force" in run.messages
    assert scene.run("--force").code == 0
    scene.assert_in_step()


@pytest.mark.parametrize("flags", [(), ("--full",)])
@pytest.mark.parametrize("side", ["leads", "tasks"])
def test_rows_that_are_gone_do_not_count_when_a_run_would_change_most_statuses(
    scene: Scene, side: str, flags: tuple[str, ...]
) -> None:
    """Danger: after some clearing away, all pairs that there are are fewer than half of those there ever were."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(61)]
    assert scene.run().code == 0
    for lead in leads[30:]:
        scene.clickup.delete(scene.named_by(lead))
        if side == "leads":
            scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    scene.later()
    for lead in leads[:30]:
        if side == "leads":
            scene.edit(lead, Status="LOST")
        else:
            scene.clickup.set_status(scene.named_by(lead), "complete")
    scene.later()
    run = scene.run(*flags)
    assert (run.code, run.writes) == (3, [])


@pytest.mark.parametrize("how", ["made anew", "restored"])
def test_tasks_that_are_there_again_count_again_when_a_run_would_change_many_statuses(scene: Scene, how: str) -> None:
    """Danger: the brake holds up a day's ordinary work, since most pairs count as gone."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(61)]
    assert scene.run().code == 0
    tasks = [scene.named_by(lead) for lead in leads]
    for task in tasks[1:]:
        scene.clickup.delete(task)
    scene.later()
    if how == "restored":
        assert scene.run("--full").code == 1
        for task in tasks:
            scene.clickup.restore(task)
    else:
        scene.settings["MISSING_TASK"] = "recreate"
        assert scene.run("--full").report["phase_1"]["created"] == 60
    scene.later()
    assert scene.run().code == 0
    scene.later()
    for lead in leads[:25]:
        scene.edit(lead, Status="CONTACTED")
    assert scene.run().code == 0
    scene.assert_in_step()


def test_a_state_file_of_another_list_stops_the_run(scene: Scene) -> None:
    scene.pair("NEW")
    run = scene.run(CLICKUP_LIST_ID=scene.clickup.second_list_id)
    assert run.code == 3
    assert "belongs to another pair" in run.messages
    assert run.writes == []


def test_a_dry_run_writes_nothing_anywhere_and_says_what_would_be_done(scene: Scene) -> None:
    lead = scene.lead("NEW")
    run = scene.run("--dry-run")
    assert (run.code, run.writes) == (0, [])
    assert [(action["action"], action["record_id"]) for action in run.report["plan"]] == [("create", lead)]
    assert not scene.state_file.exists()
    scene.run()
    before = scene.state_file.read_bytes()
    scene.edit(lead, Status="CONTACTED")
    run = scene.run("--dry-run")
    assert [action["action"] for action in run.report["plan"]] == ["update"]
    assert scene.state_file.read_bytes() == before


def test_limit_creates_so_many_and_leaves_the_rest(scene: Scene) -> None:
    for number in range(5):
        scene.lead("NEW", f"Lead {number}")
    run = scene.run("--limit", "2")
    assert (run.code, run.report["phase_1"]["created"], run.report["left"]) == (1, 2, 3)
    assert scene.run().report["phase_1"]["created"] == 3
    scene.assert_in_step()


def test_one_phase_at_a_time(scene: Scene) -> None:
    one, one_task = scene.pair("CONTACTED", name="one")
    two, two_task = scene.pair("NEW", name="two")
    scene.clickup.set_status(one_task, "complete")
    scene.edit(two, Status="CONTACTED")
    run = scene.run("--phase", "2")
    assert (run.report["phase_1"]["updated"], run.report["phase_2"]["updated"]) == (0, 1)
    assert scene.task_status(two_task) == "to do"
    assert scene.run("--phase", "1").code == 0
    assert scene.task_status(two_task) == "in progress"
    assert scene.status(one) == "QUALIFIED"


def test_only_some_records(scene: Scene) -> None:
    one, one_task = scene.pair("NEW", name="one")
    two, two_task = scene.pair("NEW", name="two")
    scene.edit(one, Status="CONTACTED")
    scene.edit(two, Status="CONTACTED")
    run = scene.run("--only", one)
    assert run.code == 0
    assert (scene.task_status(one_task), scene.task_status(two_task)) == ("in progress", "to do")
    assert scene.run().code == 0
    assert scene.task_status(two_task) == "in progress"


def test_only_on_the_very_first_run_touches_that_lead_alone(scene: Scene) -> None:
    one, _ = scene.lead("NEW", "one"), scene.lead("NEW", "two")
    assert scene.run("--only", one).report["phase_1"]["created"] == 1
    assert scene.run().report["phase_1"]["created"] == 1
    scene.assert_in_step()


def test_a_view_decides_which_unlinked_leads_get_a_task(scene: Scene) -> None:
    view = scene.airtable.add_view("Ready", "{Source}='Fair'")
    scene.settings["AIRTABLE_VIEW"] = "Ready"
    inside = scene.lead("NEW", "inside", Source="Fair")
    outside = scene.lead("NEW", "outside")
    assert scene.run().code == 0
    assert (bool(scene.named_by(inside)), bool(scene.named_by(outside))) == (True, False)
    scene.later()
    scene.edit(inside, Source="Web", Status="CONTACTED")
    assert scene.run().code == 0
    assert scene.task_status(scene.named_by(inside)) == "in progress", "out of the view is not gone"
    scene.later()
    scene.airtable.edit_view(view, "{Name}='outside'")
    assert scene.run().code == 0
    assert scene.named_by(outside), "entering the view is no edit of the lead"


def test_without_the_schema_scope_the_sync_works_and_says_what_it_could_not_examine(scene: Scene) -> None:
    scene.airtable.switches = _without_schema(scene)
    lead = scene.lead("NEW")
    run = scene.run(AIRTABLE_DETAIL_FIELDS="Email,Budget")
    assert run.code == 0
    scene.assert_linked(lead, scene.named_by(lead))
    assert "schema.bases:read" in run.messages + str(run.report["notices"])
    assert "'Budget'" in run.messages + str(run.report["notices"])


def _without_schema(scene: Scene) -> AirtableSwitches:
    return dataclasses.replace(scene.airtable.switches, scopes=frozenset({"data.records:read", "data.records:write"}))


# --- state lost -----------------------------------------------------------------------------------------------------


def test_a_lost_state_file_makes_no_second_task(scene: Scene) -> None:
    for number in range(6):
        scene.lead(["NEW", "CONTACTED", "QUALIFIED", "LOST"][number % 4], f"Lead {number}")
    assert scene.run().code == 0
    scene.later()
    scene.state_file.unlink()
    run = scene.run()
    assert (run.code, run.writes) == (0, [])
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_with_state_and_cells_lost_every_task_is_adopted_by_its_marker(scene: Scene) -> None:
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(3)]
    assert scene.run().code == 0
    scene.later()
    scene.clickup.archive(scene.named_by(leads[0]))
    for lead in leads:
        scene.set_cell(lead, None)
    scene.state_file.unlink()
    run = scene.run()
    assert (run.code, run.report["phase_1"]["adopted"], run.report["phase_1"]["created"]) == (0, 3, 0)
    assert len(scene.clickup.tasks()) == 3


def test_without_a_state_file_creates_wait_out_the_time_of_doubt_once(scene: Scene) -> None:
    """Whoever ran before may have died in mid-create, and ClickUp shows a created task only later."""
    scene.pair("NEW")
    lead = scene.lead("NEW", "in doubt")
    scene.clickup.hide_new_for = 60
    scene.clickup.add_task("made by the run that died", status="to do", marker=lead)
    scene.state_file.unlink()
    run = scene.run()
    assert run.report["phase_1"]["created"] == 0
    assert len(scene.clickup.by_marker(lead)) == 1
    scene.later(60)
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


def test_a_first_run_with_nothing_to_do_does_not_make_a_later_one_wait(scene: Scene) -> None:
    scene.run()
    scene.later()
    scene.lead("NEW")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert run.report["seconds"] < 10


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\x00" * 50])
def test_a_damaged_state_file_stops_the_run_with_a_cure(scene: Scene, content: bytes) -> None:
    scene.pair("NEW")
    scene.state_file.write_bytes(content)
    run = scene.run()
    assert run.code == 3
    assert "move the file away" in run.messages or "another path" in run.messages
    assert run.writes == []


def test_rows_that_are_imported_again_count_for_the_brake(scene: Scene) -> None:
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(61)]
    assert scene.run().code == 0
    rows = [scene.airtable.record(lead) for lead in leads[1:]]
    for lead in leads[1:]:
        scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    scene.later()
    again = [scene.airtable.add_record(dict(row or {})) for row in rows]
    assert scene.run().code == 0
    scene.later()
    scene.run()
    scene.later()
    for lead in again[:25]:
        scene.edit(lead, Status="CONTACTED")
    assert scene.run().code == 0
