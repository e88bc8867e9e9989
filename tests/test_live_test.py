"""The live test, on the stand-in: whatever the services are like, it says so, and it leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import main
from live_test.facts import FACTS
from live_test.ground import LEADS
from sandbox.clickup import ClickUp
from sandbox.faults import Fault
from sandbox.wire import Clock
from tests.scene import TOP, Scene
from tests.test_main import Terminal
from tests.test_uncertain import FACTS as UNCERTAIN
from tests.troubles import FullDisk

LIVE = ("--check", "--live-test")
NAME = re.compile(r"live-test \d{8}T\d{6}Z-[0-9a-z]{4} ")


@dataclass(frozen=True)
class LiveRun:
    """What one live test said: exit code, JSON report, stderr, and the verdicts and findings by the fact's key."""

    code: int
    report: dict[str, Any]
    messages: str
    verdicts: dict[str, str]
    found: dict[str, str]

    @property
    def said(self) -> str:
        return json.dumps(self.report) + self.messages


def live(scene: Scene, *flags: str, **settings: str) -> LiveRun:
    """One live test that needs not ask."""
    out, err = io.StringIO(), io.StringIO()
    environ = {**scene.settings, **settings}
    code = main.main([*LIVE, "--yes", "--json", *flags], environ, clock=scene.clock, stdout=out, stderr=err)
    report = json.loads(out.getvalue())
    by_text = {finding["fact"]: finding for finding in report.get("live_test", [])}
    keys = {fact.text: key for key, fact in FACTS.items()}
    assert "Traceback" not in err.getvalue()
    for token in (scene.airtable.token, scene.clickup.token):
        assert token not in out.getvalue() + err.getvalue()
    return LiveRun(
        code,
        report,
        err.getvalue(),
        {keys[text]: finding["verdict"] for text, finding in by_text.items()},
        {keys[text]: finding["found"] for text, finding in by_text.items()},
    )


def left(scene: Scene) -> dict[str, str]:
    """Everything there that bears a live test's name, by id."""
    leads = {lead: str(fields.get("Name", "")) for lead, fields in scene.airtable.records().items()}
    tasks = {task: str(about["name"]) for task, about in scene.clickup.tasks().items()}
    return {each: name for each, name in {**leads, **tasks}.items() if NAME.match(name)}


class Own:
    """Somebody's own leads and tasks in the same table and List, which no live test may touch."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._leads = [scene.lead("NEW", "Ada"), scene.lead("CONTACTED", "live-test of another kind")]
        self._tasks = [scene.clickup.add_task("by hand"), scene.clickup.add_task("live-test", status="complete")]
        self._before = self._look()

    def _look(self) -> object:
        return (
            [self._scene.airtable.record(lead) for lead in self._leads],
            [self._scene.clickup.task(task) for task in self._tasks],
        )

    def assert_untouched(self) -> None:
        assert self._look() == self._before


# --- what it finds ----------------------------------------------------------------------------------------------------

# For each switch of the stand-in and each of its settings: what the live test has to find. Where nothing is named, the
# setting shows only at a limit of the service, which the live test does not provoke.
Setting = tuple[str, Any]
FINDS: dict[Setting, dict[str, tuple[str, str]]] = {
    ("equal_values_move", False): {"equal_cells": ("ok", "it does not")},
    ("equal_values_move", True): {"equal_cells": ("ok", "it moves it")},
    ("modified_in_milliseconds", True): {"resolution": ("ok", "milliseconds")},
    ("modified_in_milliseconds", False): {"resolution": ("ok", "whole seconds")},
    ("field_times", "field"): {"field_times": ("ok", "it does")},
    ("field_times", "record"): {"field_times": ("differs", "it moves with another field")},
    ("field_times", "refused"): {"field_times": ("differs", "the formula is refused (422 INVALID_FILTER_BY_FORMULA)")},
    ("missing", "2022"): {"missing_record": ("ok", "not listed; 404 MODEL_ID_NOT_FOUND when read, 422")},
    ("missing", "2026"): {"missing_record": ("ok", "not listed; 403 INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND when read")},
    ("accept_more", True): {"more_than_ten": ("ok", "eleven are not refused")},
    ("accept_more", False): {"more_than_ten": ("ok", "eleven are refused (422 INVALID_RECORDS)")},
    ("paging", "position"): {"paging": ("ok", "a row deleted between two pages hides another")},
    ("paging", "key"): {"paging": ("ok", "a row deleted between two pages hides none")},
    ("stale_seconds", 0): {"airtable_lag": ("ok", "at once")},
    ("stale_seconds", 5): {"airtable_lag": ("differs", "after ")},
    ("show_updates_after", 0): {"clickup_lag": ("ok", "at once")},
    ("show_updates_after", 5): {"clickup_lag": ("differs", "after ")},
    ("singular_429", True): {},
    ("lockout_prolongs", True): {},
    ("gt_inclusive", False): {
        "created_gt": ("ok", "it leaves out its own moment"),
        "updated_gt": ("ok", "it leaves out its own moment"),
    },
    ("gt_inclusive", True): {
        "created_gt": ("ok", "it includes its own moment"),
        "updated_gt": ("ok", "it includes its own moment"),
    },
    ("equal_update_bumps", False): {"equal_update": ("ok", "it does not")},
    ("equal_update_bumps", True): {"equal_update": ("ok", "it moves it")},
    ("field_write_bumps", False): {"field_moves": ("ok", "it does not")},
    ("field_write_bumps", True): {"field_moves": ("ok", "it moves it")},
    ("late_by_id", False): {"task_lag": ("ok", "at once")},
    ("late_by_id", True): {},
    ("hide_new_for", 0): {"listed": ("ok", "at once")},
    ("hide_new_for", 20): {"listed": ("ok", "after 2")},
    ("hide_new_for", 60): {"listed": ("differs", "after 6")},
    ("reverse_means", "oldest first"): {"reverse": ("ok", "reverse=true is oldest first")},
    ("reverse_means", "newest first"): {"reverse": ("differs", "reverse=true is newest first")},
    ("last_page_lies", None): {"last_page": ("ok", "true on a page of few")},
    ("last_page_lies", "true"): {"last_page": ("ok", "true on a page of few; whether also on a full one")},
    ("last_page_lies", "false"): {"last_page": ("differs", "false on a page of few")},
    ("filter_is_blind", False): {"filter": ("ok", "it finds it")},
    ("filter_is_blind", True): {"filter": ("differs", "it finds nothing")},
    ("retry_after", True): {},
    ("rate_headers_missing", False): {"rate_headers": ("ok", "")},
    ("rate_headers_missing", True): {"rate_headers": ("differs", "they are missing")},
    ("date_ahead", 0.0): {"clickup_clock": ("ok", "they are less than five seconds apart")},
    ("date_ahead", 10.0): {"clickup_clock": ("differs", "they are ")},
    ("date_ahead", -10.0): {"clickup_clock": ("differs", "they are ")},
    ("date_ahead_seconds", 0): {"airtable_clock": ("ok", "they are less than 2 s apart")},
    ("date_ahead_seconds", 10): {"airtable_clock": ("differs", "they are ")},
    ("date_ahead_seconds", -10): {"airtable_clock": ("differs", "they are ")},
    ("rewrites_descriptions", False): {"description": ("ok", "as it was sent, to the letter")},
    ("rewrites_descriptions", True): {"description": ("ok", "changed")},
    ("plan", "free"): {"time_in_status": ("ok", "this plan does not offer it (400 TIS_027)")},
    ("plan", "business"): {"time_in_status": ("ok", "it does")},
    ("free_counts_creates", True): {},
    ("free_counts_creates", False): {},
    ("drop_fields", False): {"marker": ("ok", "the custom field is kept")},
    ("drop_fields", True): {"marker": ("differs", "the custom field is dropped")},
}
SWITCHES = sorted({name for name, _ in FINDS})


def turn(scene: Scene, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        if hasattr(scene.airtable.switches, name):
            scene.airtable.switches = replace(scene.airtable.switches, **{name: value})
        else:
            assert hasattr(scene.clickup, name)
            setattr(scene.clickup, name, value)


def assert_found(tested: LiveRun, settings: Mapping[str, Any]) -> None:
    """All is found out, and each thing rightly."""
    assert tested.code == 0, tested.report
    assert set(tested.verdicts.values()) <= {"ok", "differs"}, tested.report["live_test"]
    for setting in settings.items():
        for key, (verdict, found) in FINDS[setting].items():
            assert (tested.verdicts[key], tested.found[key][: len(found)]) == (verdict, found), setting


@pytest.mark.parametrize("setting", FINDS, ids=lambda setting: f"{setting[0]}={setting[1]}")
def test_each_fact_is_found_as_it_is(scene: Scene, setting: Setting) -> None:
    turn(scene, dict([setting]))
    own = Own(scene)
    tested = live(scene)
    assert_found(tested, dict([setting]))
    assert left(scene) == {}
    own.assert_untouched()


@pytest.mark.parametrize("seed", range(30))
def test_facts_that_come_together_are_told_apart(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    settings = {name: chance.choice([value for each, value in FINDS if each == name]) for name in SWITCHES}
    scene = Scene(tmp_path)
    turn(scene, settings)
    own = Own(scene)
    assert_found(live(scene), settings)
    assert left(scene) == {}
    own.assert_untouched()
    scene.close()


def test_no_switch_of_an_uncertain_fact_is_forgotten(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    plain = {**vars(scene.airtable.switches), **_plain(scene.clickup)}
    for name, switch in UNCERTAIN.items():
        turn(scene, {each: value for each, value in plain.items() if each in SWITCHES})
        switch(scene)
        turned = {**vars(scene.airtable.switches), **_plain(scene.clickup)}
        assert {(each, value) for each, value in turned.items() if value != plain[each]} <= set(FINDS), name
    scene.close()


def _plain(clickup: ClickUp) -> dict[str, Any]:
    return {name: value for name, value in vars(clickup).items() if isinstance(value, bool | int | float | str | None)}


def test_a_task_that_is_listed_later_than_the_program_allows_for_is_a_failure(scene: Scene) -> None:
    scene.clickup.hide_new_for = 60
    tested = live(scene, SYNC_CREATE_DOUBT_SECONDS="30")
    assert (tested.code, tested.verdicts["listed"]) == (1, "failed")
    assert "SYNC_CREATE_DOUBT_SECONDS" in tested.report["failed"][0]["error"]
    scene.clickup.hide_new_for = 500
    tested = live(scene)
    assert (tested.code, tested.verdicts["listed"]) == (1, "failed")
    assert "not within 120 s" in tested.found["listed"]
    assert left(scene) == {}


def test_more_than_half_of_the_time_of_doubt_is_warned_about(scene: Scene) -> None:
    scene.clickup.hide_new_for = 90
    tested = live(scene)
    assert (tested.code, tested.verdicts["listed"]) == (0, "differs")
    assert "SYNC_CREATE_DOUBT_SECONDS" in tested.report["notices"][0]["text"]


def test_a_listing_that_lags_is_told_and_what_a_run_may_not_see(scene: Scene) -> None:
    turn(scene, {"stale_seconds": 5})
    tested = live(scene)
    assert tested.code == 0
    assert re.search(r"Airtable shows writes late: .* in the \d+ s before", str(tested.report["notices"]))


def test_a_task_that_is_shown_late_by_its_id_too_is_told(scene: Scene) -> None:
    turn(scene, {"show_updates_after": 5, "late_by_id": True})
    tested = live(scene)
    assert (tested.code, tested.verdicts["task_lag"], tested.verdicts["clickup_lag"]) == (0, "differs", "differs")


@pytest.mark.parametrize("ahead", [300, -300])
def test_a_date_that_is_minutes_from_the_times_of_records_is_no_success(scene: Scene, ahead: int) -> None:
    turn(scene, {"date_ahead_seconds": ahead})
    tested = live(scene)
    assert (tested.code, tested.verdicts["airtable_clock"]) == (1, "differs"), tested.report
    assert "more than a minute" in tested.found["airtable_clock"]
    assert left(scene) == {}


def test_a_listing_that_lags_for_minutes_is_a_failure(scene: Scene) -> None:
    turn(scene, {"stale_seconds": 90})
    assert live(scene).verdicts["airtable_lag"] == "failed"
    turn(scene, {"stale_seconds": 600})
    tested = live(scene)
    assert tested.code == 1
    assert tested.verdicts["quiet"] == "unknown"
    named = {failure["record_id"] for failure in tested.report["failed"]}
    scene.later(1000)
    assert left(scene).keys() <= named


# --- the sync that it tries -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status_map", "skipped"),
    [
        ("NEW > To Do, CONTACTED > To Do, QUALIFIED > To Do, LOST > To Do", {"lead_status", "task_status"}),
        ("NEW > To Do, CONTACTED > In Progress", {"task_status"}),
        ("NEW = To Do", {"lead_status", "task_status"}),
        ("new = TO DO, contacted = IN PROGRESS, lost > complete", set()),
    ],
)
def test_it_goes_by_the_status_map_of_the_settings(scene: Scene, status_map: str, skipped: set[str]) -> None:
    tested = live(scene, STATUS_MAP=status_map)
    assert tested.code == 0, tested.report
    assert {key for key, verdict in tested.verdicts.items() if verdict == "skipped"} == skipped
    assert left(scene) == {}


def test_a_view_of_the_settings_does_not_hide_its_leads(scene: Scene) -> None:
    scene.airtable.add_view("nobody", "FALSE()")
    assert live(scene, AIRTABLE_VIEW="nobody").code == 0


def test_it_has_a_state_file_of_its_own_and_leaves_no_file(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = scene.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    scene.state_file.write_text("not to be looked at")
    assert live(scene).code == 0
    assert scene.state_file.read_text() == "not to be looked at"
    assert list(temporary.iterdir()) == []
    assert {path.name for path in scene.folder.iterdir()} == {"temporary", "state.sqlite3"}


def test_it_takes_as_many_custom_field_uses_as_it_says(tmp_path: Path) -> None:
    for drops, uses in ((False, 5), (True, 8)):
        folder = tmp_path / str(drops)
        folder.mkdir()
        scene = Scene(folder, plan="free")
        scene.clickup.drop_fields = drops
        tested = live(scene)
        assert tested.code == 0, tested.report
        assert "5 uses of custom fields, 8 at most" in tested.messages
        assert scene.clickup.field_uses == uses
        scene.close()


def test_spent_custom_field_uses_need_a_person_and_leave_nothing(tmp_path: Path) -> None:
    for spent in range(55, 61):
        folder = tmp_path / str(spent)
        folder.mkdir()
        scene = Scene(folder, plan="free")
        scene.clickup.field_uses = spent
        tested = live(scene)
        assert tested.code == (0 if spent == 55 else 3), (spent, tested.report)
        assert left(scene) == {}
        scene.close()


def test_it_stays_below_the_limits_of_small_plans(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=30)
    assert live(scene).code == 0
    assert {logged.status for logged in scene.sandbox.log} & {429} == set()
    assert len(scene.sandbox.log) < 130
    scene.close()


# --- asking, and refusing ---------------------------------------------------------------------------------------------


def at_terminal(scene: Scene, answer: str, *flags: str) -> tuple[int, str, str]:
    """One live test of a person who types an answer."""
    inp, out, err = Terminal(answer), io.StringIO(), Terminal()
    argv = [*LIVE, "--no-color", *flags]
    code = main.main(argv, scene.settings, clock=scene.clock, stdin=inp, stdout=out, stderr=err)
    return code, out.getvalue(), err.getvalue()


def writes(scene: Scene) -> int:
    return scene.airtable.writes + scene.clickup.writes


def test_it_says_what_it_will_do_and_goes_on_only_at_yes(scene: Scene) -> None:
    scene.lead("NEW", "Ada")
    for answer in ("", "\n", "no\n", "y\n", "yes please\n"):
        code, _, said = at_terminal(scene, answer)
        assert code == 2, answer
        assert writes(scene) == 0
    for part in (scene.airtable.base_id, "'Leads'", "3 new leads", scene.clickup.list_id, "4 new tasks", "5 uses"):
        assert part in said
    assert "leads 1, tasks 0" in said
    code, out, _ = at_terminal(scene, "yes\n")
    assert code == 0
    assert "All went well" in out
    assert left(scene) == {}


def test_without_a_terminal_it_needs_to_be_told_and_sends_nothing(scene: Scene) -> None:
    for inp, err in ((Terminal("yes\n"), io.StringIO()), (io.StringIO("yes\n"), Terminal())):
        out = io.StringIO()
        code = main.main(LIVE, scene.settings, clock=scene.clock, stdin=inp, stdout=out, stderr=err)
        assert code == 2
        assert "--yes" in out.getvalue() + err.getvalue()
        assert scene.sandbox.log == []


@pytest.mark.parametrize("argv", [["--live-test"], ["--live-test", "--yes"], ["--check", "--yes"], ["--yes"]])
def test_its_flags_go_together(argv: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert main.main(argv, {}, stdout=out, stderr=err) == 2
    assert "goes with --check" in err.getvalue()


@pytest.mark.parametrize("what", ["leads", "tasks", "archived tasks"])
def test_a_table_or_list_that_is_in_use_is_refused(scene: Scene, what: str) -> None:
    for number in range(10):
        if what == "leads":
            scene.lead("NEW", f"Lead {number}")
        else:
            task = scene.clickup.add_task(f"Task {number}")
            scene.clickup.archive(task, "archived" in what)
    assert live(scene).code == 0
    before = writes(scene)
    scene.lead("NEW", "one more")
    scene.clickup.add_task("one more")
    tested = live(scene)
    assert (tested.code, writes(scene)) == (3, before)
    assert "no scratch one" in tested.report["stopped"]
    assert "scratch.env" in tested.report["failed"][0]["hint"]


def test_a_wrong_set_up_is_told_before_anything_is_written(scene: Scene) -> None:
    tested = live(scene, STATUS_MAP="NEW > Nowhere")
    assert (tested.code, writes(scene)) == (2, 0)
    assert "Nowhere" in tested.report["failed"][0]["error"]


def test_what_an_earlier_test_left_is_named_and_deleted(scene: Scene) -> None:
    own = Own(scene)
    lead = scene.lead("NEW", "live-test 20260101T000000Z-abcd lead 1")
    tasks = [scene.clickup.add_task(f"live-test 20260101T000000Z-abcd lead {number}") for number in range(15)]
    scene.clickup.archive(tasks[3])
    code, _, said = at_terminal(scene, "no\n")
    assert (code, len(left(scene))) == (2, 16)
    assert lead in said
    assert tasks[3] in said
    assert at_terminal(scene, "yes\n")[0] == 0
    assert left(scene) == {}
    own.assert_untouched()


def test_the_result_on_stdout_is_plain_and_the_json_is_alone(scene: Scene) -> None:
    out, err = io.StringIO(), io.StringIO()
    code = main.main([*LIVE, "--yes", "-q"], scene.settings, clock=scene.clock, stdout=out, stderr=err)
    assert (code, err.getvalue()) == (0, "")
    assert len(re.findall(r"^(ok|differs) ", out.getvalue(), re.MULTILINE)) >= len(FACTS)
    tested = live(scene, "--report", str(scene.folder / "report.json"))
    assert json.loads((scene.folder / "report.json").read_text()) == tested.report
    assert [finding["fact"] for finding in tested.report["live_test"]] == [fact.text for fact in FACTS.values()]
    assert "live_test" not in scene.run("--check").report


# --- whatever goes wrong, it cleans up --------------------------------------------------------------------------------

# Danger: leads and tasks of a test that died stay in somebody's table, and nobody is told.
FAULTS = {
    "an answer is lost": {"kind": "reset", "when": "after"},
    "a failure": {"kind": "500"},
    "an answer that is none": {"kind": "half-json", "when": "after"},
    "refused for asking too often": {"kind": "429"},
    "the service is down from then on": {"kind": "reset", "times": 10**6},
    "the service is down for a while": {"kind": "502", "times": 8},
    "the token is revoked": {"kind": "token-revoked"},
}
MOST_REQUESTS = 113


def test_the_faults_reach_every_request(scene: Scene) -> None:
    live(scene)
    assert MOST_REQUESTS - 10 < len(scene.sandbox.log) < MOST_REQUESTS


@pytest.mark.parametrize("number", range(1, MOST_REQUESTS))
def test_a_fault_at_any_request_leaves_nothing_that_is_not_named(tmp_path: Path, number: int) -> None:
    about = sorted(FAULTS)[number % len(FAULTS)]
    scene = Scene(tmp_path, clickup_limit=1000)
    own = Own(scene)
    scene.sandbox.faults.add(Fault(number=number, **FAULTS[about]))  # type: ignore[arg-type]
    tested = live(scene)
    own.assert_untouched()
    if left(scene):
        assert tested.code in (1, 3)
        for each, name in left(scene).items():
            assert each in tested.said or name in tested.said, (about, each, name, tested.report)
        scene.sandbox.faults.clear()
        scene.airtable.restore_token()
        scene.clickup.restore_token()
        scene.later()
        assert live(scene).code == 0, about
        assert left(scene) == {}
        own.assert_untouched()
    scene.close()


@pytest.mark.parametrize("hidden", [0, 60, 200])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_create_whose_answer_was_lost_is_waited_for_and_deleted(scene: Scene, number: int, hidden: float) -> None:
    scene.clickup.hide_new_for = hidden
    scene.sandbox.faults.add("reset", service="clickup", route="create_task", when="after", number=number)
    tested = live(scene)
    scene.later()
    for name in left(scene).values():
        assert hidden == 200
        assert name in tested.said
    assert live(scene).code == (1 if hidden == 200 else 0)
    assert left(scene) == {}


@pytest.mark.parametrize("stale", [0, 5, 60])
def test_leads_whose_creation_got_no_answer_are_looked_for_and_deleted(scene: Scene, stale: float) -> None:
    turn(scene, {"stale_seconds": stale})
    scene.sandbox.faults.add("reset", service="airtable", route="create_records", when="after")
    tested = live(scene)
    assert (tested.code, tested.verdicts["created"]) == (1, "failed")
    assert left(scene) == {}


@pytest.mark.parametrize("route", ["create_records", "create_task", "get_task"])
def test_an_interrupt_ends_it_with_everything_deleted(tmp_path: Path, route: str) -> None:
    scene = Scene(tmp_path, clock=Clock(), clickup_limit=1000)
    own = Own(scene)
    process = subprocess.Popen(
        [sys.executable, "-m", "main", *LIVE, "--yes", "--json"],
        cwd=scene.folder,
        env=scene.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told: list[int] = []

    def interrupt() -> None:
        if not told:
            told.append(process.pid)
            os.kill(process.pid, signal.SIGINT)

    scene.sandbox.faults.after(route, interrupt)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, (out, err)
    assert "what it made is being deleted" in err
    assert json.loads(out)["stopped"]
    assert left(scene) == {}
    own.assert_untouched()
    scene.close()


def test_what_may_be_left_when_its_time_to_stop_is_over_is_named(tmp_path: Path) -> None:
    """Danger: a create hangs until the program has to end, and nothing names the tasks that it has made."""
    scene = Scene(tmp_path, clock=Clock(), clickup_limit=1000)
    scene.sandbox.faults.add("hang", when="after", route="create_task", number=2, seconds=100)
    program = f"import sys, main; main.LIVE_TEST_GRACE_SECONDS = 0.5; sys.exit(main.main({[*LIVE, '--yes']}))"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=scene.folder,
        env=scene.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while len(scene.clickup.tasks()) < LEADS and process.poll() is None:
            scene.sandbox.closing.wait(0.02)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1, told
    assert len(left(scene)) == 2 * LEADS
    for task in scene.clickup.tasks().values():
        assert f"a task named '{task['name']}' may be left" in told
    assert all(lead in told for lead in scene.airtable.records())
    scene.close()


def test_without_a_temporary_folder_it_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", _no_folder)
    tested = live(scene)
    assert (tested.code, left(scene)) == (1, {})
    assert "TMPDIR" in str(tested.report)


def test_findings_that_reached_nobody_end_with_1(scene: Scene) -> None:
    assert main.main([*LIVE, "--yes"], scene.settings, clock=scene.clock, stdout=FullDisk(), stderr=io.StringIO()) == 1


def _no_folder(*_: object, **__: object) -> str:
    raise FileNotFoundError(2, "No usable temporary directory found")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_each_fact_stands_on_the_page_in_the_same_words() -> None:
    page = (TOP / "docs" / "fidelity.md").read_text(encoding="utf-8")
    rows: dict[str, list[str]] = {}
    for section in page.split("\n## ")[1:]:
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            if len(cells) == 4:
                rows[_bare(f"{section.splitlines()[0]}: {cells[0]}")] = cells
    texts = {key: _bare(fact.text) for key, fact in FACTS.items() if not fact.text.startswith("Sync: ")}
    for key, text in texts.items():
        assert text in rows, key
        assert _bare(rows[text][3]) == _bare(FACTS[key].program), key
        assert "`--live-test`" in rows[text][2], key
    assert {text for text, cells in rows.items() if "`--live-test`" in cells[2]} == set(texts.values())


def _bare(cell: str) -> str:
    return cell.replace("`", "").replace("**", "").strip().casefold()
