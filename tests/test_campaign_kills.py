"""The real program killed, stopped, run twice at once, and out of disk; `python -m tests.campaign` plays all of it."""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.campaign.kills import Kill, ended, first_load, killer, play, play_full_disk, scene_for_processes, started
from tests.scene import Scene

SLICE = (
    Kill("mixed", "request", "before", 5),
    Kill("mixed", "request", "after", 8),
    Kill("mixed", "request", "after", 10, again=9),
    Kill("mixed in full", "commit", "before", 12),
    Kill("mixed", "commit", "after", 20, again=3),
    Kill("mixed", "commit", "before", 25),
    Kill("first", "commit", "before", 1),
    Kill("first", "commit", "before", 9, lost=True),
    Kill("first", "request", "after", 12, lost=True),
)


@pytest.mark.parametrize("kill", SLICE, ids=str)
def test_a_run_that_was_killed_leaves_nothing_that_later_runs_do_not_mend(kill: Kill, tmp_path: Path) -> None:
    play(kill, tmp_path)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = scene_for_processes(tmp_path, clickup_limit=10_000)
    yield made
    made.close()


def after_creates(scene: Scene, count: int, then: Callable[[], object]) -> None:
    """Do something when so many creates have had their effect."""
    seen = iter(range(1, 1_000_000))
    mutex = threading.Lock()

    def one_more() -> None:
        with mutex:
            now = next(seen)
        if now == count:
            then()

    scene.sandbox.faults.after("create_task", one_more)


def backfill(scene: Scene, count: int) -> list[str]:
    return [scene.lead("NEW", f"Lead {number}") for number in range(count)]


def creates(scene: Scene) -> int:
    return len(scene.clickup.tasks())


def killed_in_its_first_creates(scene: Scene) -> None:
    """The very first run dies behind its first create, and ClickUp's listings do not show the task for a minute."""
    backfill(scene, 3)
    scene.clickup.hide_new_for = 60
    process: list[subprocess.Popen[str]] = []
    scene.sandbox.faults.after("create_task", killer(process))
    process.append(started(scene))
    assert ended(process[0])[0] == -signal.SIGKILL
    scene.sandbox.faults.clear()


def started_again_at_once(scene: Scene) -> None:
    scene.later(1)
    scene.run()
    scene.later(150)
    scene.run()
    assert creates(scene) == 3


def test_the_very_first_creates_killed_and_the_state_file_lost_at_once_are_not_made_twice(scene: Scene) -> None:
    killed_in_its_first_creates(scene)
    for ending in ("", "-wal", "-shm"):
        (scene.folder / f"state.sqlite3{ending}").unlink(missing_ok=True)
    started_again_at_once(scene)


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="no state, no lock, no lead that names a task, and the task not listed yet: nothing tells of a run",
)
def test_the_very_first_creates_killed_and_every_file_lost_at_once_are_not_made_twice(scene: Scene) -> None:
    killed_in_its_first_creates(scene)
    for path in scene.folder.glob("state*"):
        path.unlink()
    started_again_at_once(scene)


# --- creates under way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effects", [1, 18])
def test_killed_with_many_creates_outstanding_none_is_made_twice(effects: int, tmp_path: Path) -> None:
    scene = scene_for_processes(tmp_path, latency=(0.05, 0.3))
    backfill(scene, 40)
    scene.clickup.hide_new_for = 60
    process: list[subprocess.Popen[str]] = []
    after_creates(scene, effects, killer(process))
    process.append(started(scene))
    assert ended(process[0])[0] == -signal.SIGKILL
    scene.sandbox.faults.clear()
    assert effects <= creates(scene) < 40
    scene.later(1)
    scene.run()
    scene.later(150)
    assert scene.run().code == 0
    scene.assert_in_step()
    assert creates(scene) == 40
    scene.quiet()
    scene.close()


# --- signals ----------------------------------------------------------------------------------------------------------


def signalled(process: subprocess.Popen[str], number: signal.Signals) -> float:
    process.send_signal(number)
    return time.monotonic()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_mid_backfill_ends_the_run_in_order_and_the_next_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    scene = scene_for_processes(tmp_path, clickup_limit=10_000, latency=0.1)
    backfill(scene, 200)
    reached = threading.Event()
    after_creates(scene, 30, reached.set)
    process = started(scene, "--json")
    assert reached.wait(30)
    sent = signalled(process, number)
    out, said = process.communicate(timeout=30)
    assert time.monotonic() - sent < 10
    report = json.loads(out)
    assert (process.returncode, report["exit_code"]) == (1, 1), said
    assert "Traceback" not in said
    done = creates(scene)
    assert 30 <= done < 60, "what was in flight ended, and nothing new was taken"
    assert report["phase_1"]["created"] == done, "what was in flight is known and counted"
    named = sum(1 for fields in scene.airtable.records().values() if fields.get("ClickUp Task ID"))
    assert named == done, "the ids of tasks that are there are still written to their leads"
    assert report["left"] == 200 - named
    scene.sandbox.faults.clear()
    scene.later(5)
    scene.sandbox.latency = (0.0, 0.0)
    run = scene.run()
    assert run.code == 0
    assert run.report["phase_1"] == {"created": 200 - done, "updated": 0, "adopted": 0, "restored": 0}
    scene.assert_in_step()
    assert creates(scene) == 200
    scene.close()


def test_a_service_that_hangs_does_not_keep_a_stopped_run_longer_than_ten_seconds(scene: Scene) -> None:
    backfill(scene, 3)
    scene.sandbox.faults.add("hang", when="after", route="create_task", number=2)
    reached = threading.Event()
    after_creates(scene, 3, reached.set)
    process = started(scene, "--json")
    assert reached.wait(30)
    sent = signalled(process, signal.SIGTERM)
    out, said = process.communicate(timeout=30)
    assert time.monotonic() - sent < 10
    assert process.returncode == 1
    assert "still under way" in json.loads(out)["stopped"]
    assert "Traceback" not in said
    scene.sandbox.faults.clear()
    scene.later(150)
    assert scene.run().code == 0
    scene.assert_in_step()
    assert creates(scene) == 3


def test_a_second_signal_ends_the_run_at_once(scene: Scene) -> None:
    backfill(scene, 3)
    reached = threading.Event()
    scene.sandbox.faults.add("hang", when="after", route="create_task", number=1)
    after_creates(scene, 1, reached.set)
    process = started(scene)
    assert reached.wait(30)
    signalled(process, signal.SIGTERM)
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    sent = signalled(process, signal.SIGINT)
    code, _ = ended(process)
    assert code == 1
    assert time.monotonic() - sent < 2
    scene.sandbox.faults.clear()
    scene.later(150)
    assert scene.run().code == 0
    scene.assert_in_step()
    assert creates(scene) == 3


@pytest.mark.parametrize("route", ["list_tasks", "list_records_post", "schema"])
def test_a_signal_while_reading_ends_the_run_before_any_write(route: str, tmp_path: Path) -> None:
    scene = scene_for_processes(tmp_path, clickup_limit=10_000, latency=0.5)
    backfill(scene, 3)
    reached = threading.Event()
    scene.sandbox.faults.before(route, reached.set)
    process = started(scene)
    assert reached.wait(30)
    sent = signalled(process, signal.SIGTERM)
    code, _ = ended(process)
    assert time.monotonic() - sent < 10
    assert code == 1
    assert creates(scene) == 0
    scene.sandbox.latency = (0.0, 0.0)
    assert scene.run().code == 0
    scene.assert_in_step()
    scene.close()


def test_a_signal_while_the_run_waits_for_a_limit_ends_it_at_once(tmp_path: Path) -> None:
    scene = scene_for_processes(tmp_path, clickup_limit=20)
    backfill(scene, 30)
    process = started(scene, "-v")
    assert process.stderr is not None
    while "waiting" not in process.stderr.readline():
        assert process.poll() is None
    sent = signalled(process, signal.SIGTERM)
    code, _ = ended(process)
    assert time.monotonic() - sent < 3
    assert code == 1
    assert 0 < creates(scene) < 30
    scene.later(150)
    scene.clickup.limit = 0
    assert scene.run().code == 0
    scene.assert_in_step()
    scene.close()


# --- two runs at once -------------------------------------------------------------------------------------------------


def test_of_two_runs_at_once_one_works_and_the_other_ends_at_once_having_sent_nothing(scene: Scene) -> None:
    backfill(scene, 3)
    reached, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        go_on.wait(30)

    scene.sandbox.faults.before("create_task", hold)
    first = started(scene)
    assert reached.wait(30)
    sent = len(scene.sandbox.log)
    second = scene.process()
    assert second.code == 75
    assert "another run" in second.messages
    assert len(scene.sandbox.log) == sent
    look = scene.process("--dry-run")
    assert (look.code, look.writes) == (0, []), "a dry run beside it is fine"
    assert {action["action"] for action in look.report["plan"]} == {"create"}
    go_on.set()
    assert ended(first)[0] == 0
    scene.assert_in_step()
    assert creates(scene) == 3


def test_a_killed_run_leaves_no_lock_behind(scene: Scene) -> None:
    backfill(scene, 3)
    process: list[subprocess.Popen[str]] = []
    scene.sandbox.faults.before("create_task", killer(process))
    process.append(started(scene))
    assert ended(process[0])[0] == -signal.SIGKILL
    scene.sandbox.faults.clear()
    scene.later(150)
    assert scene.process().code == 0
    scene.assert_in_step()


def test_five_runs_started_in_the_same_moment_make_no_second_task(scene: Scene) -> None:
    backfill(scene, 10)
    codes = sorted(ended(each)[0] for each in [started(scene) for _ in range(5)])
    assert set(codes) <= {0, 75}
    assert 0 in codes
    scene.assert_in_step()
    assert creates(scene) == 10


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("load", "most_bytes"), [("first", 0), ("first", 40960), ("mixed", 0), ("mixed", 8192)])
def test_a_full_disk_ends_the_run_with_a_cure_and_later_runs_mend_what_it_left(
    load: str, most_bytes: int, tmp_path: Path
) -> None:
    assert not play_full_disk(most_bytes, load, tmp_path)


def _refused_before_the_first_write(scene: Scene, done: subprocess.Popen[str], cure: str) -> None:
    sent = len(scene.sandbox.log)
    code, said = ended(done)
    assert code in (2, 3), said
    assert cure in said
    assert [each for each in scene.sandbox.log[sent:] if each.method != "GET"] == []
    assert creates(scene) == 0


def test_a_folder_that_does_not_exist_is_told_before_the_first_write(scene: Scene) -> None:
    backfill(scene, 1)
    elsewhere = str(scene.folder / "missing" / "state.sqlite3")
    _refused_before_the_first_write(scene, started(scene, SYNC_STATE_FILE=elsewhere), "SYNC_STATE_FILE")


def test_a_folder_in_the_place_of_the_state_file_is_told_before_the_first_write(scene: Scene) -> None:
    backfill(scene, 1)
    scene.state_file.mkdir()
    _refused_before_the_first_write(scene, started(scene), "SYNC_STATE_FILE")


@pytest.mark.parametrize("what", ["folder", "state file"])
def test_what_is_read_only_is_told_before_the_first_write(what: str, scene: Scene) -> None:
    backfill(scene, 1)
    folder = scene.folder / "kept"
    folder.mkdir()
    scene.settings["SYNC_STATE_FILE"] = str(folder / "state.sqlite3")
    if what == "folder":
        folder.chmod(0o500)
    else:
        (folder / "state.sqlite3").touch(0o400)
    _refused_before_the_first_write(scene, powerless(scene), "SYNC_STATE_FILE")
    folder.chmod(0o700)


def test_a_look_at_a_read_only_state_leaves_nothing_that_later_runs_cannot_write(scene: Scene) -> None:
    backfill(scene, 1)
    assert ended(powerless(scene))[0] == 0
    before = set(scene.folder.iterdir())
    scene.state_file.chmod(0o400)
    assert ended(powerless(scene, "--dry-run"))[0] == 0
    assert set(scene.folder.iterdir()) == before
    scene.state_file.chmod(0o600)
    assert ended(powerless(scene))[0] == 0


def powerless(scene: Scene, *flags: str) -> subprocess.Popen[str]:
    """A run of somebody who may not write everywhere: the superuser may, unless that power is taken away."""
    taken_away = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("run as the superuser, and setpriv is not there")
    command = [sys.executable, "-m", "main", *flags]
    return subprocess.Popen(
        [*taken_away, *command] if os.geteuid() == 0 else command,
        env=scene.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_disk_that_fills_up_while_creates_are_under_way_makes_no_second_task(scene: Scene) -> None:
    """SQLite fails in one of many threads: no traceback, and what was announced is asked for."""
    load = first_load(scene)
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (90_000, 90_000))
    code, said = ended(started(scene, preexec_fn=limit))
    assert (code, "free space" in said) == (3, True), said
    scene.later(1)
    load.settle(scene.run())
