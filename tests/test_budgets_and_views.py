"""Time budgets, limits, views, and services that refuse: no lead waits for ever, and no run does more than it may."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import threading
from pathlib import Path

import pytest

from clients import clickup
from clients.errors import ApiError
from clients.http import Http
from clients.pacing import ClickUpPacer
from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from tests.campaign.wire import DirectScene
from tests.scene import Scene
from tests.troubles import (
    IDLE,
    REFUSED_TASK,
    Waits,
    refusing,
    run_and_clear,
)


def refuse_names(scene: Scene, prefix: str) -> None:
    """ClickUp refuses to create tasks whose names begin so."""
    real = scene.clickup.handle

    def handle(request: Request) -> Answer:
        if request.method == "POST" and f'"name": "{prefix}'.encode() in request.raw:
            return Answer(400, {"err": "Task name invalid", "ECODE": "INPUT_005"}, scene.clickup.rate_headers())
        return real(request)

    scene.clickup.handle = handle  # type: ignore[method-assign]


def test_a_mistyped_setting_at_first_makes_no_later_run_wait(scene: Scene) -> None:
    """Danger: the run that only found the mistake counts as one that may have created tasks."""
    scene.lead("NEW")
    assert scene.run(STATUS_MAP="NUE > To Do, CONTACTED = In Progress").code == 2
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert run.report["seconds"] < 30


def test_the_time_budget_ends_the_wait_for_earlier_creates(scene: Scene) -> None:
    """Danger: a run that may take 20 s waits for the two minutes of doubt."""
    scene.pair("NEW")
    two = scene.lead("NEW", "two")
    scene.state_file.unlink()
    run = scene.run(SYNC_TIME_BUDGET_SECONDS="20")
    assert run.report["seconds"] < 60
    assert [left["record_id"] for left in run.report["left_records"]] == [two]


def test_what_the_time_budget_left_undone_on_both_sides_is_not_lost(scene: Scene) -> None:
    """Danger: the watermarks pass changes that a run without time has seen but not carried over."""
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    scene.edit(lead, Name="New name")
    scene.sandbox.faults.before("list_tasks", lambda: scene.clock.advance(5))
    assert run_and_clear(scene, SYNC_TIME_BUDGET_SECONDS="1").code == 1
    for _ in range(2):
        scene.run()
        scene.later()
    assert scene.status(lead) == "QUALIFIED"
    assert scene.clickup.task(task)["name"] == "New name"


def test_a_run_that_the_time_budget_ends_says_so(scene: Scene) -> None:
    """Danger: what was left reads as if the run had been killed."""
    for number in range(40):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.before("create_task", lambda: scene.clock.advance(5))
    run = scene.run(SYNC_TIME_BUDGET_SECONDS="4")
    assert (run.code, run.report["stopped"]) == (1, "the rest did not fit into the time budget of 4 s")
    assert scene.run(SYNC_TIME_BUDGET_SECONDS="4000").report["stopped"] == ""


def test_a_run_whose_time_budget_has_no_room_for_the_next_minute_says_so(tmp_path: Path) -> None:
    """Danger: it ends after two seconds of its thirty, and nothing tells why."""
    with contextlib.closing(Scene(tmp_path)) as scene:
        for number in range(110):
            scene.lead("NEW", f"Lead {number}")
        run = scene.run(SYNC_TIME_BUDGET_SECONDS="30")
        assert run.report["seconds"] < 30
        assert run.report["left"] > 0
        assert run.report["stopped"] == "the rest did not fit into the time budget of 30 s"


@pytest.mark.parametrize("way", ["to tasks", "to leads", "back"])
def test_writes_that_take_long_to_fail_are_given_up_in_minutes_and_named(direct: DirectScene, way: str) -> None:
    """Danger: each failure ages the reading, so each attempt counts as the first, and nobody hears what went wrong."""
    pairs = [] if way == "back" else [direct.pair("NEW", name=f"Lead {number}") for number in range(3)]
    leads = [direct.lead("NEW") for _ in range(3)] if way == "back" else [lead for lead, _ in pairs]
    for lead, task in pairs:
        if way == "to tasks":
            direct.edit(lead, Status="CONTACTED")
        else:
            direct.clickup.set_status(task, "in progress")
    direct.later()
    route = "update_task" if way == "to tasks" else "update_records"
    direct.sandbox.faults.before(route, lambda: direct.clock.advance(62))
    direct.sandbox.faults.add("504", when="before", route=route, times=999)
    run = direct.run()
    direct.sandbox.faults.clear()
    assert (run.code, set(run.reasons())) == (1, set(leads))
    assert all("504" in reason for reason in run.reasons().values())
    assert run.report["seconds"] < (3 * 140 if way == "to tasks" else 140)
    direct.later()
    assert direct.run().code == 0
    direct.quiet()


def test_tasks_that_always_fail_stop_nothing_behind_them(direct: DirectScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Danger: five that time out end every run, before Phase 2 and the creates have had their turn."""
    bad = [direct.pair("NEW", name=f"Lead {number}") for number in range(5)]
    lead, task = direct.pair("NEW")
    for each, _ in bad:
        direct.edit(each, Status="CONTACTED")
    direct.clickup.set_status(task, "in progress")
    new = direct.lead("NEW")
    direct.later()
    true_answer = direct.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PUT":
            return true_answer(request)
        direct.clock.advance(62)
        return Answer(504, {}), "timed out", None

    monkeypatch.setattr(direct.sandbox, "carry_out", carry_out)
    run = direct.run()
    assert run.code == 1
    assert len(run.reasons()) >= 3
    assert set(run.reasons()) <= {each for each, _ in bad}
    assert run.report["stopped"] == "too many writes were in vain"
    assert (direct.status(lead), direct.named_by(new) != "") == ("CONTACTED", True)


def test_a_lead_waits_for_the_marker_of_its_task_where_phase_1_is_given_up(direct: DirectScene) -> None:
    """Danger: Phase 2 goes on, links it, and from then on nobody knows that the task has no marker."""
    first, _ = direct.pair("NEW")
    lead = direct.lead("NEW", "by hand")
    task = direct.clickup.add_task("by hand", status="to do")
    direct.set_cell(lead, task)
    direct.later(600)
    direct.clickup.set_status(task, "in progress")
    direct.edit(first, Status="CONTACTED")
    direct.later()
    direct.sandbox.faults.add("429", when="before", route="update_task", times=5)
    run = direct.run()
    direct.sandbox.faults.clear()
    assert (run.code, direct.status(lead), run.report["conflicts"]) == (1, "NEW", [])
    direct.later()
    assert direct.run().code == 0
    assert (direct.status(lead), direct.clickup.by_marker(lead)) == ("CONTACTED", [task])


def test_a_record_that_failed_before_has_its_turn_behind_the_others(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: one slow failure spends each run's time budget, and nothing else is ever done."""
    bad, bad_task = direct.pair("NEW", name="bad")
    lead, task = direct.pair("NEW", name="good")
    direct.edit(bad, Status="CONTACTED")
    direct.later()
    true_answer = direct.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PUT" or request.path[-1] != bad_task:
            return true_answer(request)
        direct.clock.advance(62)
        return Answer(504, {}), "timed out", None

    monkeypatch.setattr(direct.sandbox, "carry_out", carry_out)
    run = direct.run(SYNC_TIME_BUDGET_SECONDS="50")
    assert "504" in run.reasons()[bad]
    direct.clickup.set_status(task, "in progress")
    direct.later()
    assert direct.run(SYNC_TIME_BUDGET_SECONDS="50").code == 1
    assert direct.status(lead) == "CONTACTED"


@pytest.mark.parametrize("status", [200, 500])
def test_one_lead_that_airtable_cannot_write_to_costs_its_batch_one_run(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """Danger: each run sends the same ten, and nine wait for ever."""
    pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(4)]
    for _, task in pairs:
        direct.clickup.set_status(task, "in progress")
    direct.later()
    bad = pairs[0][0]
    true_answer = direct.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method == "PATCH" and bad.encode() in request.raw:
            return Answer(status, {"error": {"type": "SERVER_ERROR", "message": "oops"}}), "failed", None
        return true_answer(request)

    monkeypatch.setattr(direct.sandbox, "carry_out", carry_out)
    assert len(direct.run().reasons()) == 4
    direct.later()
    assert set(direct.run().reasons()) == {bad}
    assert [direct.status(lead) for lead, _ in pairs[1:]] == ["CONTACTED"] * 3


def test_leads_at_which_airtable_is_always_slow_hold_up_no_others(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: what their batch has cost is charged to each of it, and the same two end every run."""
    pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(10)]
    for _, task in pairs:
        direct.clickup.set_status(task, "in progress")
    direct.later()
    slow = {lead for lead, _ in sorted(pairs)[:2]}
    true_answer = direct.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        if request.method != "PATCH" or not any(lead.encode() in request.raw for lead in slow):
            return true_answer(request)
        direct.clock.advance(28)
        return Answer(504, {}), "timed out", None

    monkeypatch.setattr(direct.sandbox, "carry_out", carry_out)
    for _ in range(2):
        assert direct.run().code == 1
        direct.later()
    assert {lead for lead, _ in pairs if direct.status(lead) == "NEW"} == slow


@pytest.mark.parametrize("seed", range(6))
def test_a_task_that_is_always_answered_500_is_named_with_that(direct: DirectScene, seed: int) -> None:
    """Danger: the pauses between its tries age the reading, and it counts as one that the service kept waiting."""
    for _ in range(seed):
        direct.lead("NEW")  # other pauses
    lead, _ = direct.pair("NEW")
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    direct.sandbox.faults.add("500", when="before", route="update_task", times=999)
    assert "500" in direct.run().reasons()[lead]


def test_a_task_id_typed_while_the_time_budget_runs_out_is_not_written_over(direct: DirectScene) -> None:
    """Danger: a run without time reads no cell again, though its answer to the last write took more than a minute."""
    leads = [direct.lead("NEW", f"Lead {number}") for number in range(12)]
    theirs = direct.clickup.add_task("by hand", status="to do")

    def meanwhile() -> None:
        if not direct.named_by(leads[0]):
            direct.set_cell(leads[0], theirs)
            direct.clock.advance(70)

    direct.sandbox.faults.before("update_records", meanwhile)
    direct.sandbox.faults.add("503", when="before", route="update_records", times=1)
    direct.run(SYNC_TIME_BUDGET_SECONDS="50")
    direct.sandbox.faults.clear()
    assert direct.named_by(leads[0]) == theirs


@pytest.mark.parametrize("route", ["create_task", "update_task"])
def test_a_refusal_that_outlasts_the_time_budget_ends_the_run(direct: DirectScene, route: str) -> None:
    """Danger: ClickUp is silent until its minute is over, and the run asks for its turn again and again until then."""
    lead, _ = direct.pair("NEW")
    direct.lead("NEW", "new") if route == "create_task" else direct.edit(lead, Status="CONTACTED")
    direct.later(5)
    direct.sandbox.faults.add("429", when="before", route=route, times=1)
    run = direct.run(SYNC_TIME_BUDGET_SECONDS="4")
    direct.sandbox.faults.clear()
    assert (run.code, run.report["left"]) == (1, 1)
    assert run.report["seconds"] <= 5
    assert direct.run().code == 0


def test_airtable_refusing_every_write_for_its_rate_ends_the_run(scene: Scene) -> None:
    """Danger: 429 without end keeps the run waiting without end."""
    for number in range(100):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("429", service="airtable", route="update_records", number=2, times=1_000_000)
    run = scene.run()
    assert run.code == 1
    assert run.report["seconds"] < 900


def test_the_time_budget_is_kept_while_airtable_refuses_every_write(scene: Scene) -> None:
    """Danger: the budget is looked at between writes only, and no write ever ends."""
    for number in range(100):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("429", service="airtable", route="update_records", times=1_000_000)
    assert scene.run(SYNC_TIME_BUDGET_SECONDS="60").report["seconds"] < 400


def test_a_refused_request_is_given_up_where_the_service_went_down_meanwhile(tmp_path: Path) -> None:
    """Danger: while one request sits out its 429, eight others are given up, and it waits in a circle."""
    clock = Waits()
    with contextlib.closing(Scene(tmp_path, clock=clock)) as scene:
        scene.sandbox.faults.add("429", service="clickup")
        with contextlib.closing(
            Http(
                clickup.service(scene.settings["CLICKUP_API_URL"]),
                token_header=scene.settings["CLICKUP_API_KEY"],
                pacer=ClickUpPacer(),
                clock=clock,
                stop=threading.Event(),
                random=random.Random(1),
            )
        ) as http:

            def others_fail() -> None:
                http._health.given_up = 8

            clock.during = others_fail
            with pytest.raises(ApiError):
                http.send("GET", "/user", replayable=True)


def test_spent_custom_field_uses_do_not_make_every_run_a_full_one(scene: Scene) -> None:
    """Danger: a run with exit 3 moves no watermark, and each run of the month lists everything."""
    scene.pair("NEW")
    scene.clickup.plan = "free"
    scene.clickup.field_uses = 60
    scene.lead("NEW")
    assert scene.run().code == 3
    scene.later(25 * 3600)
    full = []
    for _ in range(3):
        scene.later()
        full.append(scene.run().report["full"])
    assert full == [True, False, False]


def test_spent_custom_field_uses_where_only_a_marker_is_to_be_set_need_a_person(scene: Scene) -> None:
    """Danger: nothing is created, so the spent uses are taken for one record's failure that may pass."""
    scene.pair("NEW")
    scene.clickup.plan = "free"
    scene.clickup.field_uses = 60
    lead = scene.lead("CONTACTED")
    scene.set_cell(lead, scene.clickup.add_task("by hand", status="to do"))
    scene.later()
    run = scene.run()
    assert (run.code, list(run.reasons())) == (3, [lead])


def test_a_status_without_a_row_does_not_fail_outside_the_view(scene: Scene) -> None:
    """Danger: leads that the view leaves out on purpose fail every run."""
    scene.airtable.add_choice("NURTURE")
    scene.airtable.add_view("Ready", "{Status}!='NURTURE'")
    scene.settings["AIRTABLE_VIEW"] = "Ready"
    scene.lead("NURTURE")
    assert scene.run().code == 0


def test_a_lead_in_the_view_whose_task_was_deleted_and_cell_emptied_gets_a_new_one(scene: Scene) -> None:
    """Danger: an incremental run asks the view only for leads that were never linked."""
    scene.airtable.add_view("All", "")
    scene.settings["AIRTABLE_VIEW"] = "All"
    one, task = scene.pair("NEW", name="one")
    scene.lead("NEW", "two")
    for _ in range(2):
        scene.run()
        scene.later()
    scene.clickup.delete(task)
    scene.set_cell(one, None)
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 1


def test_the_view_is_asked_for_many_unfinished_leads_in_requests_that_airtable_takes(large: Scene) -> None:
    """Danger: a formula that names 1500 records is longer than Airtable takes, and every later run fails."""
    large.settings["AIRTABLE_VIEW"] = "Grid view"
    for number in range(1_500):
        large.lead("NEW", f"Lead {number}")
    assert large.run(SYNC_TIME_BUDGET_SECONDS="1").report["left"] > 100
    large.later()
    before = len(large.sandbox.log)
    large.run(SYNC_TIME_BUDGET_SECONDS="1")
    sizes = [len(json.dumps(each.body)) for each in large.sandbox.log[before:] if each.route == "list_records_post"]
    assert max(sizes) < 20_000


def test_leads_that_clickup_refuses_do_not_use_up_each_limit(scene: Scene) -> None:
    """Danger: with --limit 2 the same two refused leads are tried for ever, and no other lead gets a task."""
    scene.pair("NEW")
    refuse_names(scene, "BAD")
    leads = sorted(scene.lead("NEW") for _ in range(9))
    bad, good = leads[:5], leads[5:]
    for lead in bad:
        scene.edit(lead, Name=f"BAD {lead}")
    for _ in range(5):
        scene.run("--limit", "2")
        scene.later()
    assert all(scene.named_by(lead) for lead in good)
    scene.edit(bad[4], Name="good now")
    for _ in range(3):
        scene.run("--limit", "2")
        scene.later()
    assert scene.named_by(bad[4]), "those that were refused take turns"
    for lead in bad[:4]:
        scene.edit(lead, Name="good now")
    assert scene.run().code == 0
    assert scene.run("--full").code == 0


def test_leads_that_clickup_refuses_do_not_use_up_each_time_budget(scene: Scene) -> None:
    """Danger: the time budget ends every run at the leads that are always refused."""
    scene.pair("NEW")
    refuse_names(scene, "BAD")
    leads = sorted(scene.lead("NEW") for _ in range(6))
    for lead in leads[:3]:
        scene.edit(lead, Name=f"BAD {lead}")
    scene.sandbox.faults.before("create_task", lambda: scene.clock.advance(2))
    for _ in range(6):
        scene.run(SYNC_TIME_BUDGET_SECONDS="3")
        scene.later()
    assert all(scene.named_by(lead) for lead in leads[3:])


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize("field", ["Source", "Email", "Company"])
def test_a_field_that_the_sync_can_do_without_is_renamed(scene: Scene, field: str, schema: bool) -> None:
    """Danger: the remembered set-up asks for it for ever: every run ends with 2, and --check finds nothing wrong."""
    if not schema:
        scopes = frozenset({"data.records:read", "data.records:write"})
        scene.airtable.switches = dataclasses.replace(scene.airtable.switches, scopes=scopes)
    lead, task = scene.pair("NEW", Email="a@b.c", Source="web", Company="Acme")
    scene.airtable.rename_field(field, "Renamed")
    scene.edit(lead, Status="CONTACTED")
    run = scene.run()
    assert (run.code, scene.task_status(task)) == (0, "in progress")
    assert (f"no field '{field}'" in json.dumps(run.report["notices"])) is (schema or field != "Company")
    assert sorted(scene.quiet().requests) == IDLE
    scene.airtable.rename_field("Renamed", field)
    again = scene.quiet("--full", "--dry-run")
    assert "no field" not in json.dumps(again.report["notices"]), "it is back, and used again"


@pytest.mark.parametrize("how", ["renamed and back", "added later"])
def test_a_field_that_names_leads_is_found_where_it_was_missing_once(scene: Scene, how: str) -> None:
    """Danger: the next full run renames every task that is called by its lead's company to a record id."""
    named = scene.airtable.add_record({"Company": "Acme", "Status": "NEW"})
    if how == "added later":
        scene.airtable.rename_field("Company", "Firm")
    scene.run()
    if how == "renamed and back":
        scene.airtable.rename_field("Company", "Firm")
        scene.later()
        assert scene.run().code == 0
    scene.airtable.rename_field("Firm", "Company")
    scene.later()
    assert scene.run("--full").code == 0
    assert scene.clickup.task(scene.named_by(named))["name"] == "Acme"


def test_a_table_without_a_name_field_is_not_examined_whole_in_each_full_run(scene: Scene) -> None:
    """Danger: a status of the map that the List has no more, and that nobody needs, stops every run."""
    scene.airtable.rename_field("Company", "Firm")
    lead, task = scene.pair("NEW")
    scene.clickup.rename_status("complete", "done")
    scene.later()
    assert scene.run().code == 0
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert scene.run("--full").code == 0
    assert scene.task_status(task) == "in progress"


@pytest.mark.parametrize("missing", ["", "Email"])
def test_a_schema_that_may_not_be_read_any_more_takes_no_name_from_a_lead(scene: Scene, missing: str) -> None:
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Source"
    if missing:
        scene.airtable.rename_field(missing, "Renamed")
    lead = scene.airtable.add_record({"Company": "Acme", "Status": "NEW"})
    scene.run()
    scene.later()
    scopes = frozenset({"data.records:read", "data.records:write"})
    scene.airtable.switches = dataclasses.replace(scene.airtable.switches, scopes=scopes)
    run = scene.run("--full")
    assert (run.code, run.writes) == (0, [])
    assert scene.clickup.task(scene.named_by(lead))["name"] == "Acme"


@pytest.mark.parametrize("lost", [False, True])
def test_leads_whose_tasks_were_deleted_take_few_requests_of_a_run_and_keep_no_other_waiting(
    scene: Scene, lost: bool
) -> None:
    """Danger: a request for each in every run, and with a time budget no other lead gets its turn any more."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(50)]
    scene.run()
    tasks = {scene.named_by(lead): lead for lead in leads}
    for task in list(tasks)[:45]:
        scene.clickup.delete(task)
    if lost:
        scene.state_file.unlink()
    scene.later()
    assert len(scene.run("--full").reasons()) == 45
    looked: set[str] = set()
    for _ in range(3):
        scene.later()
        assert scene.run("--only", leads[-1]).code == 0
        before = len(scene.sandbox.log)
        run = scene.run()
        assert (run.code, len(run.reasons()), run.requests.count("clickup get_task")) == (1, 45, 20)
        looked.update(entry.path for entry in scene.sandbox.log[before:] if entry.route == "get_task")
    assert len(looked) == 45, "each has its turn"
    scene.clickup.restore(next(iter(tasks)))
    scene.later()
    assert len(scene.run().reasons()) == 44


def test_a_deleted_task_is_told_where_its_lead_has_left_the_view(scene: Scene) -> None:
    """Danger: with MISSING_TASK=recreate none is made, nothing is said, and the run ends with 0."""
    lead, task = scene.pair("CONTACTED")
    scene.airtable.add_view("Ready", "{Status}!='LOST'")
    scene.settings.update(AIRTABLE_VIEW="Ready", MISSING_TASK="recreate")
    scene.clickup.delete(task)
    scene.edit(lead, Status="LOST")
    for flags in ((), ("--full",), ()):
        run = scene.quiet(*flags)
        assert (run.code, list(run.reasons())) == (1, [lead])
        assert "deleted" in run.reasons()[lead]
        assert "AIRTABLE_VIEW" in run.reasons()[lead]
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


@pytest.mark.parametrize("view", ["", "V"])
def test_a_lead_that_loses_its_task_to_another_gets_one_in_the_same_run(scene: Scene, view: str) -> None:
    """Danger: it was read only since the decisions asked for it, and counts as out of the view."""
    if view:
        scene.airtable.add_view(view)
        scene.settings["AIRTABLE_VIEW"] = view
    first, task = scene.pair()
    second, _ = scene.pair()
    scene.clickup.set_marker(task, second)
    scene.set_cell(second, task)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    scene.assert_linked(first, scene.named_by(first))
    assert scene.quiet("--full").code == 0


def test_a_view_costs_no_request_for_leads_that_have_a_task(scene: Scene) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    _, task = scene.pair("CONTACTED")
    scene.quiet()
    scene.later()
    scene.clickup.set_status(task, "complete")
    run = scene.run()
    assert run.code == 0
    assert run.requests.count("airtable list_records_post") == 3, "changes, the view, and the task's lead"


def test_many_leads_that_wait_behind_a_limit_make_no_run_list_the_whole_view(scene: Scene) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    for number in range(250):
        scene.lead("NEW", f"Lead {number}")
    assert scene.run().code == 0
    scene.later(900)
    scene.run()
    for number in range(110):
        scene.lead("NEW", f"New {number}")
    counts = []
    for _ in range(3):
        scene.later()
        counts.append(scene.run("--limit", "1").requests.count("airtable list_records_post"))
    assert max(counts) <= 5, counts


def test_a_lead_in_the_view_whose_task_id_is_white_space_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    scene.pair()
    lead = scene.lead("NEW", "white space")
    scene.set_cell(lead, " ")
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "POST", REFUSED_TASK, service="clickup"))
        assert scene.run().code == 1
    scene.later(600)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)


def test_a_lead_out_of_the_view_that_names_another_leads_task_is_named(scene: Scene) -> None:
    """Danger: a mistyped Task ID leaves a lead without a task, and no run ever says so."""
    scene.airtable.add_view("Hot", "NOT({Status} = 'LOST')")
    scene.settings["AIRTABLE_VIEW"] = "Hot"
    one, other = scene.lead("CONTACTED", "one"), scene.lead("CONTACTED", "other")
    assert scene.run().code == 0
    scene.later()
    scene.clickup.delete(scene.named_by(other))
    scene.set_cell(other, scene.named_by(one))
    scene.edit(other, Status="LOST")
    scene.later()
    for flags in ((), ("--full",)):
        run = scene.run(*flags)
        assert (run.code, run.writes) == (0, [])
        (notice,) = run.report["notices"]
        assert notice["record_id"] == other
        assert "names another lead's task" in notice["text"]
        scene.later()
    assert scene.quiet().report["notices"] == []
