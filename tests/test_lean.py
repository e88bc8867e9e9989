"""What a run does without: counted, never timed."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from terminal import Screen
from tests.scene import Scene

MODULES = """
import json, sys, main
code = main.main(["-q"])
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
# The screen's, the stand-in and those who use it, and what the program has no use for.
NOT_FOR_CRON = {"rich", "terminal", "sandbox", "demo", "limits", "live_test", "benchmarks", "asyncio"}


def test_a_run_by_cron_loads_neither_the_screens_libraries_nor_the_stand_in(scene: Scene) -> None:
    scene.pair()
    done = subprocess.run(
        [sys.executable, "-c", MODULES],
        cwd=scene.folder,
        env=scene.environ(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    code, loaded = json.loads(done.stdout)
    assert code == 0, done.stderr
    assert "requests" in loaded
    assert NOT_FOR_CRON.isdisjoint(loaded)


@pytest.mark.parametrize("flags", [(), ("--full",)], ids=["idle", "full"])
def test_a_run_opens_one_connection_to_each_service(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    for number in range(120):
        scene.lead("NEW", f"Lead {number}")
    assert scene.run().code == 0
    scene.quiet()  # it reads the first run's own writes once
    scene.later()
    opened: list[object] = []
    server = scene.sandbox._server
    enter = server.enter

    def counted(connection: Any) -> None:
        opened.append(connection)
        enter(connection)

    monkeypatch.setattr(server, "enter", counted)
    run = scene.run(*flags)
    assert len(run.requests) == (5 if flags else 2)
    assert len(opened) == 2


def test_an_idle_run_reads_no_link(scene: Scene) -> None:
    """A link that cannot be read stops the full run, which reads them all, and not the idle one."""
    scene.pair()
    scene.quiet()
    scene.later()
    with closing(sqlite3.connect(scene.state_file)) as state, state:
        state.execute("UPDATE links SET seen_name = CAST(x'ff' AS TEXT)")
    assert scene.run().code == 0
    assert scene.run("--full").code == 3


def test_a_wait_takes_the_place_of_the_stage_so_that_all_stays_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    screen = Screen(stream, color=False)
    screen.stage("Phase 1: creating tasks", 50_000)
    screen.step(12_345)
    screen.waiting("waiting for ClickUp, the service's limit", 58)
    screen.close()
    (line,) = {each.strip() for each in stream.getvalue().splitlines() if "waiting for ClickUp" in each}
    assert "the service's limit: 58 s" in line
    assert "12345/50000" in line
