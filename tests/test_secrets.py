"""Tokens appear nowhere: not in output, logs, errors, reports, files, or the list of processes."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config import NAMES
from sandbox.faults import KINDS
from sandbox.wire import Answer, Request
from tests.scene import TOP, Run, Scene
from tests.test_hostile_services import as_json, spoil

HEALTH = "a-secret-address"
FLAGS: tuple[tuple[str, ...], ...] = (
    (), ("-v",), ("-v", "--full"), ("--check",), ("--dry-run", "-v"), ("--explain", "rec00000000000000", "-v"), ("-q",),
)  # fmt: skip


def secrets_of(scene: Scene) -> list[str]:
    """Both tokens, whole and in part, and the health check's address."""
    tokens = [scene.airtable.token, scene.clickup.token]
    return [*tokens, *(token[len(token) // 2 :] for token in tokens), *(token[4:20] for token in tokens), HEALTH]


def assert_silent(scene: Scene, run: Run) -> None:
    """Neither the output nor a file beside the state holds a secret."""
    said = run.messages + json.dumps(run.report, ensure_ascii=False)
    kept = b"".join(path.read_bytes() for path in scene.folder.rglob("*") if path.is_file())
    for secret in secrets_of(scene):
        assert secret not in said
        assert secret.encode() not in kept


# --- output, logs, errors, files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["none", *sorted(KINDS - {"huge"})])
def test_no_fault_brings_a_token_to_light(scene: Scene, kind: str) -> None:
    """Each fault at a request of each service, in each mode, with the log as loud as it gets.

    A silence lasts longer than the program waits; a trickle is given up, since the clock goes on meanwhile.
    """
    scene.settings["HEALTHCHECK_URL"] = f"http://127.0.0.1:9/{HEALTH}"
    scene.pair("NEW")
    if kind in ("hang", "slow", "drip"):
        scene.settings["SYNC_HTTP_TIMEOUT_SECONDS"] = "0.05"
    for number, flags in enumerate(FLAGS):
        scene.clickup.restore_token()
        scene.airtable.restore_token()
        scene.sandbox.faults.clear()
        if kind != "none":
            for service in ("airtable", "clickup") if kind not in ("429-billing", "429-singular") else ("airtable",):
                scene.sandbox.faults.add(kind, service=service, number=1 + number % 2, seconds=0.2)
        if kind == "drip":
            scene.sandbox.faults.after(1 + number % 2, lambda: scene.later(1))
        scene.lead("NEW", f"Lead {number}")
        scene.later(150)
        report = scene.folder / "report.json"
        assert_silent(scene, scene.run(*flags, "--report", str(report)))


@pytest.mark.parametrize("name", ["AIRTABLE_API_KEY", "CLICKUP_API_KEY"])
@pytest.mark.parametrize("ending", ["", " x", "\u20ac", "\x01", "\n"])
def test_a_wrong_token_is_named_by_its_setting_alone(scene: Scene, name: str, ending: str) -> None:
    wrong = ("pat" if name.startswith("A") else "pk_") + "S3CRETS3CRETS3CRET" + ending
    run = scene.run("-v", **{name: wrong})
    assert run.code in (2, 3)
    assert name in run.messages
    assert "S3CRET" not in run.messages + json.dumps(run.report)
    assert_silent(scene, run)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("AIRTABLE_API_KEY", "CLICKUP_API_KEY")])
def test_a_token_in_the_wrong_setting_is_neither_shown_nor_sent(scene: Scene, name: str) -> None:
    """A line of .env pasted below its place: the value must not come back in a message, nor go out as a name."""
    scene.lead("NEW")
    stranger = "pk_81234567_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    own = f"x{scene.airtable.token}x"
    tokens = (scene.airtable.token, scene.clickup.token, stranger, f"Leads, {stranger} = To Do", own, f"_{stranger}")
    for token, flags in itertools.product(tokens, ((), ("--check",), ("--dry-run", "-v"))):
        report = scene.folder / "report.json"
        run = scene.run(*flags, "--report", str(report), **{name: token})
        assert (run.code, run.requests) == (2, [])
        assert f"{name}: it holds an access token" in run.messages
        assert stranger not in run.messages + report.read_text()
        assert_silent(scene, run)


Bend = Callable[[Any, str], object]

# What a service says of its own records, bent so that it holds a token.
SAID: dict[str, tuple[str, str, Bend]] = {
    "a task's status": (
        "clickup", "list_tasks", lambda body, token: [task["status"].update(status=token) for task in body["tasks"]],
    ),
    "a task's name": ("clickup", "list_tasks", lambda body, token: [task.update(name=token) for task in body["tasks"]]),
    "a List's status": ("clickup", "list", lambda body, token: body.update(statuses=[{"status": token}])),
    "a lead's status": (
        "airtable", "list_records_post",
        lambda body, token: [lead["fields"].update(Status=token) for lead in body["records"]],
    ),
    "a lead's task": (
        "airtable", "list_records_post",
        lambda body, token: [lead["fields"].update({"ClickUp Task ID": token}) for lead in body["records"]],
    ),
    "a table's name": (
        "airtable", "schema", lambda body, token: [table.update(name=token) for table in body["tables"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("whose", ["airtable", "clickup"])
def test_a_token_in_what_a_service_says_of_its_records_is_neither_shown_nor_kept(
    scene: Scene, said: str, whose: str
) -> None:
    service, wanted, bend = SAID[said]
    scene.pair("CONTACTED")
    token = scene.airtable.token if whose == "airtable" else scene.clickup.token

    def chatty(request: Request, route: str, answer: Answer) -> Answer:
        if (request.service, route) != (service, wanted):
            return answer
        body = json.loads(answer.encoded())
        bend(body, f"so {token} it is")
        return as_json(answer, body)

    spoil(scene, chatty)
    for flags in (("--check",), ("--dry-run", "--full", "-v"), ("--full", "-v"), ("-v",)):
        assert_silent(scene, scene.run(*flags, "--report", str(scene.folder / "report.json")))


def shows_instead(scene: Scene, typed: bytes, shown: bytes) -> None:
    """Airtable spells what is typed into leads otherwise."""

    def spell(_: Request, route: str, answer: Answer) -> Answer:
        body = answer.encoded().replace(typed, shown)
        return dataclasses.replace(answer, body=body) if route == "list_records_post" else answer

    spoil(scene, spell)


def names(scene: Scene) -> list[str]:
    return [scene.clickup.task(task)["name"] for task in scene.clickup.tasks()]


@pytest.mark.parametrize("escaped", ["{:04x}", "{:04X}"])
def test_a_token_spelled_with_the_escapes_of_json_goes_no_further(scene: Scene, escaped: str) -> None:
    scene.lead(name="Ada {}", Email="caf\u00e9 \U0001f600")
    token = scene.airtable.token
    spelled = token[0] + "".join("\\u" + escaped.format(ord(letter)) for letter in token[1:])
    shows_instead(scene, b"{}", spelled.encode())
    assert_silent(scene, scene.run("--full", "-v"))
    assert names(scene) == ["Ada ***"]
    (task,) = scene.clickup.tasks()
    assert "caf\u00e9 \U0001f600" in scene.clickup.task(task)["description"]


@pytest.mark.parametrize("between", [b"\\u0000", b"\\uD800", b"\\udfff\\u0000", b"\xed\xa0\x80", b"\xed\xbf\xbf"])
def test_a_token_split_by_what_is_taken_out_later_goes_no_further(scene: Scene, between: bytes) -> None:
    scene.lead(name="Ada {}", Email="{}")
    token = scene.airtable.token.encode()
    shows_instead(scene, b"{}", between.join((token[:20], token[20:21], token[21:])))
    assert_silent(scene, scene.run("--full", "-v"))
    (task,) = map(scene.clickup.task, scene.clickup.tasks())
    assert (task["name"], token.decode() in task["description"]) == ("Ada ***", False)


def test_a_token_typed_with_an_escape_of_its_own_stops_no_other_lead(scene: Scene) -> None:
    """Danger: what is taken for the spelling of JSON leaves half an escape behind, and nothing can be read."""
    token = scene.airtable.token
    typed = f"\\u{ord(token[0]):04x}{token[1:]}"
    scene.lead(name=f"Ada {typed}")
    scene.lead(name="Bea")
    assert scene.run().code == 0
    assert sorted(names(scene)) == [f"Ada {typed}", "Bea"]


def test_a_token_that_somebody_typed_into_a_lead_goes_no_further(scene: Scene) -> None:
    """It is hidden on both sides, so that the run after finds nothing to correct."""
    tokens = f"{scene.airtable.token} {scene.clickup.token}"
    lead, task = scene.pair("NEW", name=f"Ada {tokens}", Email=tokens)
    assert scene.clickup.task(task)["name"] == "Ada *** ***"
    assert all(token not in json.dumps(scene.clickup.task(task)) for token in tokens.split())
    for flags in (("--full",), ()):
        run = scene.quiet(*flags)
        assert run.code == 0
        assert_silent(scene, run)
    assert scene.cell(lead, "Name") == f"Ada {tokens}", "what people type stays as it is"


def test_a_crash_shows_its_traceback_and_no_token(scene: Scene) -> None:
    """A bug is told as one, with the lines of code; what stands in the variables stays there."""
    script = (
        "import sys, main, engine.run\n"
        "def broken(self): raise RuntimeError(f'a bug {self._settings!r} {self._tools!r} {vars(self)!r}')\n"
        "engine.run._Run._setup = broken\n"
        "sys.exit(main.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, env=scene.environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "RuntimeError: a bug Settings(" in done.stderr
    for secret in secrets_of(scene):
        assert secret not in done.stdout + done.stderr


# --- the process and its surroundings ---------------------------------------------------------------------------------


def test_the_list_of_processes_shows_no_token(scene: Scene, tmp_path: Path) -> None:
    """The settings come from the environment or a file, never from the command line, and no helper is started."""
    settings = tmp_path / "settings.env"
    settings.write_text("".join(f"{name}={value}\n" for name, value in scene.settings.items()))
    settings.chmod(0o600)
    arrived = threading.Event()
    scene.sandbox.faults.before("list_records_post", arrived.set)
    scene.sandbox.faults.add("hang", route="list_records_post")
    process = subprocess.Popen(
        [sys.executable, "-m", "main", "--env-file", str(settings)],
        cwd=TOP, env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert arrived.wait(30)
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        inherited = Path(f"/proc/{process.pid}/environ").read_bytes()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    finally:
        process.kill()
        process.wait()
    for secret in secrets_of(scene):
        assert secret.encode() not in line + inherited
    assert children == ""


@pytest.mark.parametrize("flags", [(), ("--only",), ("--explain",), ("--report",), ("--env-file",), ("--limit",)])
def test_a_token_on_the_command_line_is_not_printed(scene: Scene, flags: tuple[str, ...]) -> None:
    """Danger: cron appends what the program says of its arguments to a log."""
    for token in (scene.airtable.token, scene.clickup.token):
        run = scene.run(*flags, token)
        assert (run.code, run.requests) == (2, [])
        assert token[4:20] not in run.messages
        for glued in (f"/nowhere/{token}", f"-q{token}", f"--key{token}"):
            run = scene.run(*flags, glued)
            assert (run.code, token[4:20] in run.messages) == (2, False)


def test_an_entry_in_netrc_does_not_replace_the_token(scene: Scene, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\ndefault login somebody password else\n")
    netrc.chmod(0o600)
    scene.lead()
    assert scene.process(HOME=str(tmp_path), NETRC=str(netrc)).code == 0


@contextlib.contextmanager
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that answers nobody, and what it heard."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        heard.append(connection.recv(1 << 16))

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_this_machine(scene: Scene) -> None:
    scene.lead()
    with proxy() as (address, heard):
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        run = scene.process(**dict.fromkeys(names, address))
    assert run.code == 0, run.messages
    assert heard == []


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_wide_open_env_file_is_warned_about(scene: Scene, tmp_path: Path, mode: int) -> None:
    settings = tmp_path / "settings.env"
    settings.write_text("".join(f"{name}={value}\n" for name, value in scene.settings.items()))
    settings.chmod(mode)
    scene.settings = {}
    run = scene.run("--env-file", str(settings))
    assert run.code == 0
    assert f"chmod 600 {settings}" in run.messages
    settings.chmod(0o600)
    assert "chmod" not in scene.run("--env-file", str(settings)).messages


def test_the_report_is_its_owners_alone_under_any_umask_and_over_any_file(scene: Scene) -> None:
    report = scene.folder / "report.json"
    report.write_text("older, and open to all")
    report.chmod(0o666)
    before = os.umask(0)
    try:
        scene.lead()
        assert scene.run("--report", str(report)).code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert json.loads(report.read_text())["exit_code"] == 0
