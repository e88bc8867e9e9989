"""The command line: flags, exit codes, what goes to which stream, signals, the report's file, the health check."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import main
from flags import VERSION
from sandbox.faults import Fault
from state import Lock
from tests.scene import STATUS_MAP, TOP, Scene

SIX = {
    "AIRTABLE_API_KEY": "patSecretSecret1.secretsecret",
    "AIRTABLE_BASE_ID": "appAbCdEfGhIjKl12",
    "AIRTABLE_TABLE_NAME": "Leads",
    "CLICKUP_API_KEY": "pk_1_SECRETSECRET",
    "CLICKUP_LIST_ID": "1",
    "CLICKUP_CUSTOM_FIELD_ID": "1a2b3c4d-1a2b-1a2b-1a2b-1a2b3c4d5e6f",
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(*argv: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    """One command line without services: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = main.main(argv, environ or {}, stdout=out, stderr=err)
    return code, out.getvalue(), err.getvalue()


def in_scene(scene: Scene, *argv: str, terminal: bool = False, **settings: str) -> tuple[int, str, str]:
    """One command line against the stand-in, on its clock, as a person sees it."""
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    code = main.main(argv, {**scene.settings, **settings}, clock=scene.clock, stdout=out, stderr=err)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env of anybody is read."""
    monkeypatch.chdir(tmp_path)


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--nonsense"], "--nonsense"),
        (["leads"], "leads"),
        (["--only", "86abc"], "no record id"),
        (["--only", "rec123"], "no record id"),
        (["--only", "rec00000000000001 "], "no record id"),
        (["--explain", "recäöü00000000001"], "no record id"),
        (["--limit", "-1"], "--limit"),
        (["--limit", "many"], "no number"),
        (["--phase", "3"], "--phase"),
        (["--dry-run", "--check"], "not allowed with"),
        (["-v", "-q"], "not allowed with"),
        (["--dry"], "--dry"),
        (["--explain", "rec00000000000001", "--only", "rec00000000000002"], "--only goes without it"),
        (["--\x1b[2J"], r"--\x1b[2J"),
    ],
)
def test_wrong_flags_are_named_and_end_with_2(argv: list[str], said: str) -> None:
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert "\x1b" not in err


def test_help_and_version_go_to_stdout() -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert "--dry-run" in out
    assert run("--version") == (0, f"airtable-clickup-sync {VERSION}\n", "")


def test_the_readme_names_every_flag_and_nothing_else() -> None:
    _, out, _ = run("--help")
    readme = (TOP / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("### Flags") : readme.index("### Exit codes")]
    flags = {word.strip(",") for word in out.split() if word.startswith("--") and word.strip(",").islower()}
    in_table = {
        part.split(" ")[0] for line in table.splitlines() for part in line.split("`")[1:2] if part.startswith("--")
    }
    assert flags - {"--help", "--verbose", "--quiet"} == in_table


# --- settings ---------------------------------------------------------------------------------------------------------


def test_missing_settings_are_all_named_at_once_each_on_its_line() -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert [line.split(":")[0] for line in err.splitlines()[:6]] == list(SIX)


def test_an_error_is_a_json_report_too() -> None:
    code, out, err = run("--json", environ={**SIX, "CLICKUP_LIST_ID": "leads"})
    report = json.loads(out)
    assert (code, report["exit_code"]) == (2, 2)
    assert "CLICKUP_LIST_ID" in report["failed"][0]["error"]
    assert report["failed"][0]["hint"]
    assert report["requests"] == {"airtable": 0, "clickup": 0}
    assert "CLICKUP_LIST_ID" in err


def test_settings_come_from_the_file_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.env"
    file.write_text("CLICKUP_LIST_ID=abc\n")
    code, _, err = run("--env-file", str(file))
    assert code == 2
    assert "a List id has digits only" in err
    code, _, err = run("--env-file", str(tmp_path / "none.env"))
    assert code == 2
    assert "no such file" in err


def test_a_folder_that_cannot_be_written_is_told_with_the_settings(tmp_path: Path) -> None:
    code, _, err = run(environ={**SIX, "SYNC_STATE_FILE": str(tmp_path / "none" / "state")})
    assert code == 2
    assert "SYNC_STATE_FILE" in err


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--check"]])
def test_a_state_file_that_is_a_pipe_or_a_device_is_told_with_the_settings(tmp_path: Path, flags: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), os.devnull):
        code, out, err = run(*flags, environ={**SIX, "SYNC_STATE_FILE": path})
        assert code == 2
        assert f"SYNC_STATE_FILE: {path} is a device or a pipe" in out + err


def test_a_folder_that_was_deleted_under_the_program_is_told_with_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    code, _, err = run(environ=SIX)
    assert code == 2
    assert "the current folder was deleted" in err
    assert run("--report", "report.json", environ=SIX)[0] == 2


@pytest.mark.parametrize("flags", [[], ["--force"], ["--dry-run"], ["--check"]])
def test_a_state_file_that_is_the_settings_file_is_refused_before_anything_is_made(
    scene: Scene, tmp_path: Path, flags: list[str]
) -> None:
    settings = tmp_path / ".env"
    settings.touch(mode=0o600)
    settings.write_text("AIRTABLE_VIEW=\n")
    found = scene.run(*flags, SYNC_STATE_FILE=".env")
    assert (found.code, found.requests) == (2, [])
    assert "SYNC_STATE_FILE: this is the file with your settings" in found.messages
    assert settings.read_text() == "AIRTABLE_VIEW=\n"
    assert list(tmp_path.iterdir()) == [settings]


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal", ".lock"])
def test_danger_a_settings_file_with_the_name_of_one_beside_the_state_is_deleted(
    scene: Scene, tmp_path: Path, ending: str
) -> None:
    settings = tmp_path / f"state{ending}"
    settings.touch(mode=0o600)
    settings.write_text("AIRTABLE_VIEW=\n")
    found = scene.run("--env-file", str(settings), SYNC_STATE_FILE=str(tmp_path / "state"))
    assert (found.code, found.requests) == (2, [])
    assert settings.read_text() == "AIRTABLE_VIEW=\n"


# --- the report's file ------------------------------------------------------------------------------------------------


# Danger: the report takes the place of what the program remembers, or of the settings with the tokens.
@pytest.mark.parametrize("name", ["state", "link", "state-wal", "state.lock", ".env", "STATE"])
@pytest.mark.parametrize("wrong", [{}, {"CLICKUP_LIST_ID": "leads"}])
def test_a_report_never_replaces_the_state_or_the_settings(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrong: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / ".env"
    settings.touch(mode=0o600)
    settings.write_text("SYNC_STATE_FILE=state\n")
    del scene.settings["SYNC_STATE_FILE"]
    assert scene.run().code == 0
    (tmp_path / "link").symlink_to("state")
    if name == "STATE":
        os.link(tmp_path / "state", tmp_path / name)  # as on a disk that ignores letter case
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    found = scene.run("--report", name, **wrong)
    assert (found.code, found.requests) == (2, [])
    assert "--report" in found.messages
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_settings_may_come_from_a_pipe_also_with_a_report(scene: Scene) -> None:
    """Danger: the file is read twice, and a pipe is empty the second time."""
    reader, writer = os.pipe()
    os.write(writer, "\n".join(f"{name}={value}" for name, value in scene.settings.items()).encode())
    os.close(writer)
    report = scene.folder / "report.json"
    code, _, err = run("--env-file", f"/dev/fd/{reader}", "--report", str(report))
    os.close(reader)
    assert code == 0, err
    assert json.loads(report.read_text())["exit_code"] == 0


def test_a_report_with_settings_that_make_no_sense_is_still_written(tmp_path: Path) -> None:
    for path in ("~nobody-of-that-name/state", "a" * 300):
        code, _, err = run("--report", "report.json", environ={**SIX, "SYNC_STATE_FILE": path})
        assert (code, "--report" in err) == (2, False)
        assert (tmp_path / "report.json").exists()


@pytest.mark.parametrize("path", ["none/report.json", "."])
def test_a_report_that_cannot_be_written_is_told_before_the_run_begins(scene: Scene, path: str) -> None:
    scene.lead()
    code, _, err = in_scene(scene, "--report", path)
    assert code == 2
    assert "--report" in err
    assert scene.sandbox.log == []


def test_the_report_is_written_for_its_owner_alone_and_leaves_nothing_beside_it(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    report = folder / "last.json"
    scene.lead()
    assert in_scene(scene, "--report", str(report))[0] == 0
    assert json.loads(report.read_text())["phase_1"]["created"] == 1
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert in_scene(scene, "--report", str(report), CLICKUP_LIST_ID="oops")[0] == 2
    assert "CLICKUP_LIST_ID" in json.loads(report.read_text())["failed"][0]["error"]
    assert list(folder.iterdir()) == [report]


def test_a_link_to_the_report_stays_a_link(scene: Scene, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    in_scene(scene, "--report", str(link))
    assert link.is_symlink()
    assert json.loads(real.read_text())["exit_code"] == 0


# --- what goes where --------------------------------------------------------------------------------------------------


def test_the_result_goes_to_stdout_and_progress_to_stderr_as_plain_lines(scene: Scene) -> None:
    scene.lead()
    code, out, err = in_scene(scene)
    assert code == 0
    assert "Phase 1, lead → task: 1 created" in out
    assert err.splitlines() == ["reading everything", "Phase 1: creating tasks (1)"]
    assert "\x1b" not in out + err


def test_quiet_says_nothing_when_all_is_well_and_names_what_failed(scene: Scene) -> None:
    scene.pair()
    assert in_scene(scene, "-q") == (0, "", "")
    lead = scene.lead(None)
    scene.airtable.add_choice("ODD")
    scene.edit(lead, Status="ODD")
    code, out, err = in_scene(scene, "-q")
    assert (code, out) == (1, "")
    assert lead in err
    assert "ODD" in err


def test_quiet_still_names_what_was_decided_against_someone(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(task, "complete")
    code, out, err = in_scene(scene, "-q")
    assert (code, out) == (0, "")
    assert "'CONTACTED'" in err
    assert "'complete'" in err


def test_verbose_names_each_request_and_no_token(scene: Scene) -> None:
    scene.lead()
    code, out, err = in_scene(scene, "-v")
    assert code == 0
    assert len([line for line in err.splitlines() if line.startswith(("airtable ", "clickup "))]) == len(
        scene.sandbox.log
    )
    for token in (scene.airtable.token, scene.clickup.token):
        assert token not in out + err


# Danger: a token leaks where a service refuses it.
@pytest.mark.parametrize("name", ["AIRTABLE_API_KEY", "CLICKUP_API_KEY"])
def test_a_refused_token_ends_with_3_and_is_not_shown(scene: Scene, tmp_path: Path, name: str) -> None:
    report = tmp_path / "report.json"
    scene.settings[name] = SIX[name]
    code, out, err = in_scene(scene, "-v", "--json", "--report", str(report))
    assert code == 3
    said = out + err + report.read_text()
    assert SIX[name] not in said
    assert SIX[name][-12:] not in said


def test_a_terminal_gets_a_table_and_a_bar_and_can_refuse_colour(scene: Scene) -> None:
    scene.lead()
    code, out, err = in_scene(scene, terminal=True, TERM="xterm")
    assert code == 0
    assert "Phase 1: tasks created" in out
    for flags, value in ((["--no-color"], ""), ([], "1")):
        scene.lead()
        _, out, err = in_scene(scene, *flags, terminal=True, NO_COLOR=value)
        assert "Phase 1: tasks created" in out
        assert not [code for code in ("\x1b[31m", "\x1b[32m", "\x1b[1;31m", "\x1b[1;32m") if code in out + err]


@pytest.mark.parametrize("columns", ["0", "12", "39"])
def test_a_terminal_without_room_for_the_table_gets_plain_lines(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    scene.lead()
    code, out, _ = in_scene(scene, terminal=True)
    assert code == 0
    assert "Phase 1, lead → task: 1 created" in out


def test_what_is_for_terminals_is_not_even_loaded_without_one(tmp_path: Path) -> None:
    script = "import sys, main; main.main(['--check'], {}); print('rich' in sys.modules, 'sandbox' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False False"


# --- looking without writing ------------------------------------------------------------------------------------------


def test_check_says_what_is_in_order_and_writes_nothing(scene: Scene) -> None:
    code, out, err = in_scene(scene, "--check")
    assert (code, err) == (0, "")
    assert all(line.startswith("ok: ") for line in out.splitlines())
    assert {each.method for each in scene.sandbox.log} == {"GET"}
    assert not scene.state_file.exists()


def test_check_names_every_problem_with_its_cure(scene: Scene) -> None:
    scene.clickup.rename_status("in progress", "doing")
    scene.airtable.rename_field("Status", "Stage")
    code, out, _ = in_scene(scene, "--check")
    assert code == 2
    problems = [line for line in out.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 2
    assert "'Stage'" in out
    assert "'doing'" in out


@pytest.mark.parametrize("kind", ["multipleSelects", "multipleRecordLinks", "checkbox", "number", "date"])
def test_a_field_that_holds_no_status_is_named_before_any_task_is_made(scene: Scene, kind: str) -> None:
    """Danger: its cells are empty, so that every lead gets a task in the first status, and no task's status a lead."""
    scene.airtable.change_type("Status", kind, list(STATUS_MAP) if kind == "multipleSelects" else [])
    scene.airtable.add_record({"Name": "Ada"})
    for flags in (("--check",), ()):
        run = scene.run(*flags)
        assert (run.code, run.writes) == (2, [])
        assert f"'Status' is of type {kind}, which holds no status" in run.messages


@pytest.mark.parametrize("options", [["Contacted", "CONTACTED"], ["CONTACTED", "Contacted"]])
def test_of_options_that_differ_in_letter_case_a_lead_gets_the_one_in_the_map(scene: Scene, options: list[str]) -> None:
    scene.settings["STATUS_MAP"] = "NEW > To Do, Contacted = In Progress"
    scene.airtable.change_type("Status", "singleSelect", ["NEW", *options])
    lead, task = scene.pair("NEW")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    assert scene.run().code == 0
    assert scene.status(lead) == "Contacted"


def test_check_sees_a_state_file_of_another_list(scene: Scene) -> None:
    scene.pair()
    code, out, _ = in_scene(scene, "--check", CLICKUP_LIST_ID=scene.clickup.second_list_id)
    assert code == 3
    assert "belongs to another pair" in out


def test_dry_run_takes_no_lock_and_prints_the_plan(scene: Scene) -> None:
    scene.pair()
    scene.quiet()
    scene.later()
    lead = scene.lead()
    lock = Lock(scene.state_file)
    code, out, _ = in_scene(scene, "--dry-run")
    lock.release()
    assert code == 0
    assert f"lead → task  create  {lead}" in out
    assert "a run sends 2 requests to ClickUp and 2 to Airtable, its reading included" in out


@pytest.mark.parametrize("lost", [False, True])
def test_a_dry_run_knows_whether_a_state_was_lost(scene: Scene, lost: bool) -> None:
    """Without a state file, but with the lock of an earlier run, creates wait out the time of doubt."""
    if lost:
        Lock(scene.state_file).release()
    scene.lead()
    predicted = scene.run("--dry-run").report["cost"]
    run = scene.run()
    assert run.report["requests"] == {"airtable": predicted["airtable"], "clickup": predicted["clickup"]}
    assert (run.report["seconds"] > 100) is lost


def test_a_long_plan_is_reckoned_with_the_limit_that_clickup_tells(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=200)
    for number in range(450):
        scene.lead(name=f"Lead {number}")
    assert "at least 2 min 4 s, at 200 requests a minute" in in_scene(scene, "--dry-run")[1]
    scene.close()


def test_explain_says_what_would_become_of_one_lead(scene: Scene) -> None:
    lead, _ = scene.pair("NEW")
    scene.lead(name="somebody else")
    scene.edit(lead, Status="CONTACTED")
    code, out, _ = in_scene(scene, "--explain", lead)
    assert code == 0
    assert f"{lead}: the lead's status changed" in out
    assert "status: 'to do' → 'in progress'" in out
    assert "somebody else" not in out
    assert "not in the table" in in_scene(scene, "--explain", "rec00000000000000")[1]


# --- lock, binding, health check --------------------------------------------------------------------------------------


def test_a_run_that_finds_another_one_at_work_ends_with_75(scene: Scene) -> None:
    scene.lead()
    lock = Lock(scene.state_file)
    found = scene.run()
    lock.release()
    assert (found.code, found.requests) == (75, [])
    assert "another run" in found.messages
    assert found.report["failed"][0]["error"]
    assert scene.run().code == 0


def test_force_sets_the_state_of_another_list_aside_and_begins_anew(scene: Scene) -> None:
    scene.pair()
    other = scene.clickup.second_list_id
    assert scene.run(CLICKUP_LIST_ID=other).code == 3
    found = scene.run("--force", CLICKUP_LIST_ID=other)
    assert "it is kept as" in found.messages
    assert [path.name[:22] for path in scene.folder.glob("*.old")] == ["state.sqlite3.20260921"]
    assert scene.run(CLICKUP_LIST_ID=other).code in (0, 1)
    assert scene.run().code == 3, "the new file is tied to the other List"


@contextmanager
def health_check(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A health check's address, and the paths that were called."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/ping", called
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_health_check_hears_of_start_success_and_failure_and_of_nothing_else(scene: Scene) -> None:
    scene.lead()
    with health_check() as (url, called):
        for flags in ([], ["--dry-run"], ["--check"]):
            assert scene.run(*flags, HEALTHCHECK_URL=url).code == 0
        assert called == ["/ping/start", "/ping"]
        scene.airtable.revoke_token()
        assert scene.run(HEALTHCHECK_URL=url).code == 3
        assert called[2:] == ["/ping/start", "/ping/fail"]


def test_a_failing_health_check_fails_nothing_and_its_address_stays_secret(scene: Scene) -> None:
    scene.lead()
    with health_check(status=500) as (url, _):
        found = scene.run(HEALTHCHECK_URL=url + "/secret-part")
    assert found.code == 0
    assert "health check" in found.messages
    assert "secret-part" not in found.messages


# --- bugs, signals, pipes ---------------------------------------------------------------------------------------------


# Danger: a bug is taken for a bad record, and the run goes on or ends as if all were well.
def test_a_bug_crashes_with_its_traceback(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(main, "sync", broken)
    with pytest.raises(ZeroDivisionError):
        scene.run()
    monkeypatch.undo()
    assert scene.run().code == 0, "the lock was let go"


def started(scene: Scene, *flags: str, grace: float | None = None) -> subprocess.Popen[str]:
    """A run as a process of its own, with a shorter time to stop where a test would wait for it."""
    program = "import sys, main\n"
    if grace is not None:
        program += f"main.GRACE_SECONDS = {grace}\n"
    return subprocess.Popen(
        [sys.executable, "-c", program + "sys.exit(main.main(sys.argv[1:]))", *flags],
        cwd=scene.folder,
        env=scene.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def when_asked(scene: Scene, route: str, do: Callable[[], object]) -> None:
    """Do something once, when such a request arrives."""
    scene.sandbox.faults.before(route, do)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_what_is_under_way_end_and_leaves_the_rest_to_the_next_run(tmp_path: Path, number: int) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0, latency=0.1)
    for each in range(60):
        scene.lead(name=f"Lead {each}")
    arrived = threading.Event()
    when_asked(scene, "create_task", arrived.set)
    process = started(scene, "--json")
    assert arrived.wait(20)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    report = json.loads(out)
    assert (process.returncode, report["exit_code"]) == (1, 1)
    assert 0 < report["phase_1"]["created"] < 60
    assert report["left"] >= 60 - report["phase_1"]["created"], "a lead whose task's id is not written back is left too"
    assert report["stopped"]
    assert "stopping" in err
    assert "Traceback" not in err
    assert scene.process().code == 0
    scene.assert_in_step()
    scene.close()


def test_a_run_told_to_stop_while_it_looks_for_a_marker_blames_nobody(tmp_path: Path) -> None:
    """ClickUp shows the marker late: that it does not keep it is not known yet."""
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    scene.clickup.drop_fields = scene.clickup.late_by_id = True
    scene.clickup.show_updates_after = 60
    lead = scene.lead()
    looked = threading.Event()
    scene.sandbox.faults.after("get_task", looked.set)
    process = started(scene, "--json")
    assert looked.wait(20)
    process.terminate()
    out, _ = process.communicate(timeout=20)
    (failure,) = [each for each in json.loads(out)["failed"] if each["record_id"] == lead]
    assert (process.returncode, failure["hint"]) == (1, "run again")
    assert "does not keep" not in failure["error"]
    scene.close()


# Danger: a request that hangs keeps a run alive that was told to stop, until the service manager kills it.
def test_a_run_whose_request_hangs_ends_by_itself_after_its_time_and_reports(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    scene.lead()
    scene.sandbox.faults.add(Fault("hang", route="create_task"))
    arrived = threading.Event()
    when_asked(scene, "create_task", arrived.set)
    report = tmp_path / "report.json"
    process = started(scene, "--report", str(report), grace=0.3)
    assert arrived.wait(20)
    process.terminate()
    _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert json.loads(report.read_text())["stopped"]
    scene.close()


# Danger: a run that is cut off says that it did nothing, names nobody, and the monitor thinks that it is still at work.
def test_a_run_that_gives_up_tells_what_it_did_what_is_left_and_the_health_check(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    leads = [scene.lead(name=f"Lead {number}") for number in range(4)]
    scene.sandbox.faults.add(Fault("hang", route="create_task", number=2, times=3))
    arrived = threading.Event()
    # Several creates are sent only after the first has been answered and recorded.
    when_asked(scene, "create_task", lambda: arrived.set() if scene.clickup.tasks() else None)
    with health_check() as (url, called):
        scene.settings["HEALTHCHECK_URL"] = url
        process = started(scene, "--json", grace=0.3)
        assert arrived.wait(20)
        process.terminate()
        out, err = process.communicate(timeout=10)
    report = json.loads(out)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert report["phase_1"]["created"] == len(scene.clickup.tasks()) == 1
    assert [each["record_id"] for each in report["left_records"]] == sorted(leads), "one has its task but no Task ID"
    assert called == ["/ping/start", "/ping/fail"]
    scene.close()


# Danger: a reader of the output who hangs keeps a run alive that has given up.
def test_a_run_that_gives_up_ends_although_nobody_reads_what_it_says(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    for number in range(2_000):
        scene.lead(name=f"Lead {number}")
    scene.sandbox.faults.add(Fault("hang", route="create_task"))
    arrived = threading.Event()
    when_asked(scene, "create_task", arrived.set)
    process = started(scene, "--json", grace=0.3)
    assert arrived.wait(20)
    process.terminate()
    assert process.wait(timeout=10) == 1
    process.communicate()
    scene.close()


# Danger: an impatient person is shown a traceback, and a mail from cron looks like a bug.
@pytest.mark.parametrize(
    "when",
    [
        "builtins.__import__ = lambda name, *rest: (name == 'requests' and stop(), before(name, *rest))[1]",
        "argparse.ArgumentParser.parse_args = lambda *_: stop()",
    ],
)
def test_an_interrupt_while_the_program_starts_ends_it_quietly(scene: Scene, when: str) -> None:
    program = (
        "import argparse, builtins, os, runpy, signal\n"
        "before = builtins.__import__\n"
        "def stop(): os.kill(os.getpid(), signal.SIGINT)\n"
        f"{when}\n"
        "runpy.run_module('main', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=scene.folder,
        env=scene.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_second_signal_ends_the_run_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    scene.lead()
    scene.sandbox.faults.add(Fault("hang", route="create_task"))
    arrived = threading.Event()
    when_asked(scene, "create_task", arrived.set)
    process = started(scene)
    assert arrived.wait(20)
    process.terminate()
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.terminate()
    process.communicate(timeout=3)
    assert process.returncode == 1
    scene.close()


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="a small pipe can be had on Linux only")
@pytest.mark.parametrize(("flag", "signals", "most_seconds"), [("-v", 1, 10.0), ("-v", 2, 3.0), ("--dry-run", 2, 3.0)])
def test_a_reader_who_does_not_read_holds_up_no_end(
    tmp_path: Path, flag: str, signals: int, most_seconds: float
) -> None:
    """Danger: a paused pager keeps the lock of the output, the main thread waits for it, and hears no signal."""
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    for number in range(300):
        scene.lead(name=f"{number} {'x' * 500}")
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    command = [sys.executable, "-m", "main", flag]
    process = subprocess.Popen(command, cwd=scene.folder, env=scene.environ(), stdout=writer, stderr=writer)
    os.close(writer)
    sent = 0
    while process.poll() is None and (sent == 0 or sent < len(scene.sandbox.log)):
        sent = len(scene.sandbox.log)
        time.sleep(1)  # until it sends nothing any more, since it cannot say what it does
    asked = time.monotonic()
    for _ in range(signals):
        process.terminate()
        time.sleep(0.5)
    assert process.wait(15) == 1
    assert time.monotonic() - asked < most_seconds
    os.close(reader)
    scene.close()


def test_whoever_called_lives_on_after_a_run_that_was_told_to_stop(tmp_path: Path) -> None:
    """Danger: what is to end a run that hangs outlives the run, and ends its caller."""
    program = (
        "import signal, sys, time\n"
        "from clock import SystemClock\n"
        "from stopping import Stopping\n"
        "stopping = Stopping(SystemClock(), 0.0, lambda: print('stopping'), sys.exit)\n"
        "with stopping.signals():\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    time.sleep(0.5)\n"
        "time.sleep(2.5)\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TOP, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "stopping\nalive\n")


def test_the_handlers_of_whoever_called_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("flags", [["--help"], []])
def test_a_reader_who_left_is_no_error(scene: Scene, flags: list[str]) -> None:
    scene.lead()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "main", *flags],
        cwd=scene.folder,
        env=scene.environ(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 0
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


class Gone(Terminal):
    """A terminal that went away."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_terminal_that_is_gone_takes_nothing_along(scene: Scene) -> None:
    lead = scene.lead()
    report = scene.folder / "report.json"
    environ = {**scene.settings, "TERM": "xterm"}
    code = main.main(["-v", "--report", str(report)], environ, clock=scene.clock, stdout=Gone(), stderr=Gone())
    assert code == json.loads(report.read_text())["exit_code"] == 0
    scene.assert_linked(lead, scene.named_by(lead))


@pytest.mark.parametrize("flags", [[], ["-v"]])
def test_a_terminal_that_goes_away_in_mid_run_fails_nothing(tmp_path: Path, flags: list[str]) -> None:
    """Danger: the ids of tasks that were just created are not written, and the exit code is the interpreter's."""
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    leads = [scene.lead(name=f"Lead {number}") for number in range(3)]
    master, slave = os.openpty()
    when_asked(scene, "create_task", os.fdopen(master, "rb", buffering=0).close)
    process = subprocess.Popen(
        [sys.executable, "-m", "main", "--report", "report.json", *flags],
        cwd=tmp_path,
        env={**scene.environ(), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    assert process.wait(60) == 0
    assert json.loads((tmp_path / "report.json").read_text())["exit_code"] == 0
    for lead in leads:
        scene.assert_linked(lead, scene.named_by(lead))
    scene.close()


# Danger: a supervisor that closes the streams gets no sync, or one that is told as failed.
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "-q 2>&-", "--json >&-"])
def test_a_run_whose_streams_are_closed_syncs_all_the_same(tmp_path: Path, closed: str) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    lead = scene.lead()
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m main --report report.json {closed}', sys.executable],
        cwd=tmp_path,
        env=scene.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stdout + done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["exit_code"] == 0
    scene.assert_linked(lead, scene.named_by(lead))
    scene.close()


@pytest.mark.parametrize(
    "said",
    ["--json >&-", "--json > /dev/full", "--dry-run > /dev/full", "--check > /dev/full"],
)
def test_a_report_or_a_plan_that_reached_nobody_ends_with_1(tmp_path: Path, said: str) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m main {said}', sys.executable],
        cwd=tmp_path,
        env=scene.environ(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    scene.close()


@pytest.mark.parametrize("closed", [">&-", "--json >&-", "-q 2>&-"])
def test_a_conflict_that_a_closed_stream_could_not_tell_is_told_by_the_next_run(tmp_path: Path, closed: str) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="NEW")
    scene.clickup.set_status(task, "complete")
    scene.later()
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m main {closed}', sys.executable],
        cwd=tmp_path,
        env=scene.environ(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    scene.later()
    assert "airtable stands" in scene.run().told(lead)
    scene.close()


def test_a_state_file_that_the_locale_cannot_name_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    settings = scene.settings | {"SYNC_STATE_FILE": str(tmp_path / "státe€.sqlite3")}
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (tmp_path / "settings").write_text(lines, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "main", "--env-file", "settings"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(TOP), "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert b"SYNC_STATE_FILE: this is no usable path" in done.stderr
    scene.close()


def test_a_terminal_that_knows_no_arrows_gets_escapes(scene: Scene) -> None:
    scene.lead(name="林 美咲")
    done = subprocess.run(
        [sys.executable, "-m", "main", "--dry-run"],
        cwd=scene.folder,
        env={**scene.environ(), "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert b"\\u6797 \\u7f8e\\u54b2" in done.stdout
