"""Kill -9 of the real program before and after every request and every commit of its state, and a disk that is full.

After each death a run follows at once, while ClickUp's listings do not show the newest tasks yet, and then the load
settles: one task per lead, every edit on both sides, and a run that finds nothing to do.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.wire import Clock
from tests.campaign.killed import COUNTED
from tests.campaign.load import MixedLoad
from tests.scene import Scene

HIDDEN_SECONDS = 60
NEW_LEADS = 12
LIMIT_STEP = 4096
PATIENCE = 60
SECOND_DEATH_SECONDS = 4


@dataclass(frozen=True)
class Totals:
    """How many cases were played, and what each that failed said."""

    cases: int
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kill:
    """One death. `load` is what the run has to do, `at` whether requests or commits are counted; with `lost` the state
    file is gone afterwards, and with `again` the next run dies as well, after so many commits or a few seconds.
    """

    load: str
    at: str
    when: str
    number: int
    lost: bool = False
    again: int = 0

    def __str__(self) -> str:
        more = (", state lost" if self.lost else "") + (f", then at commit {self.again}" if self.again else "")
        return f"{self.load}: killed {self.when} {self.at} {self.number}{more}"


# --- processes --------------------------------------------------------------------------------------------------------


def scene_for_processes(folder: Path, **sandbox: Any) -> Scene:
    """A scene whose clock stands still an hour ago, so that a real process does not find a day gone by."""

    return Scene(
        folder, clock=Clock(float(int(time.time()) - 3600)), **{"clickup_limit": 0, "airtable_limit": 0, **sandbox}
    )


def started(scene: Scene, *flags: str, command: tuple[str, ...] = ("-m", "main"), **more: Any) -> subprocess.Popen[str]:
    """The program as a process of its own; `more` are settings, and what Popen takes in lower case."""
    settings = {name: value for name, value in more.items() if name.isupper()}
    return subprocess.Popen(
        [sys.executable, *command, *flags],
        cwd=scene.folder,
        env={**scene.environ(), "PYTHONDONTWRITEBYTECODE": "1", **settings},  # a limit on files would cut those too
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{name: value for name, value in more.items() if not name.isupper()},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """A process's exit code and its stderr; it must not have died with a traceback."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert "Traceback" not in said, said
    return process.returncode, said


def killer(process: list[subprocess.Popen[str]]) -> Callable[[], None]:
    """Kill -9, and go on only when the process is dead."""

    def kill() -> None:
        process[0].kill()
        process[0].wait()

    return kill


# --- loads ------------------------------------------------------------------------------------------------------------


def first_load(scene: Scene) -> MixedLoad:
    """Leads that no run has seen yet, and no state file."""
    load = MixedLoad(scene, bystander=scene.clickup.add_task("nobody's lead", status="in progress"))
    for number in range(NEW_LEADS):
        status, task_status = (("NEW", "to do"), ("CONTACTED", "in progress"), ("LOST", "complete"))[number % 3]
        load.expected[scene.lead(status, f"first {number}")] = (status, task_status)
    return load


LOADS: dict[str, tuple[Callable[[Scene], MixedLoad], tuple[str, ...]]] = {
    "mixed": (MixedLoad.prepared, ()),
    "mixed in full": (MixedLoad.prepared, ("--full",)),
    "first": (first_load, ()),
}


# --- kills ------------------------------------------------------------------------------------------------------------


def play(kill: Kill, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken."""
    with contextlib.closing(scene_for_processes(folder)) as scene:
        prepare, flags = LOADS[kill.load]
        load = prepare(scene)
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        assert _die(scene, kill, flags) == -signal.SIGKILL, "it was to be killed"
        scene.sandbox.faults.clear()
        if kill.again:
            _die_again(scene, kill, flags)
        if kill.lost:
            lose_state(scene)
        scene.later(1)
        load.settle(scene.run())


def _die(scene: Scene, kill: Kill, flags: tuple[str, ...]) -> int:
    if kill.at == "commit":
        return _at_commit(scene, kill.number, kill.when, flags)[0]
    process: list[subprocess.Popen[str]] = []
    hook = scene.sandbox.faults.before if kill.when == "before" else scene.sandbox.faults.after
    hook(kill.number, killer(process))
    process.append(started(scene, *flags))
    return ended(process[0])[0]


def _die_again(scene: Scene, kill: Kill, flags: tuple[str, ...]) -> None:
    command = ("-m", "tests.campaign.killed", str(kill.again), kill.when, "--")
    process = started(scene, *flags, command=command)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECOND_DEATH_SECONDS)
    process.kill()
    ended(process)


def lose_state(scene: Scene) -> None:
    """The state file is gone, the lock file beside it is not."""
    for ending in ("", "-wal", "-shm"):
        scene.state_file.with_name(scene.state_file.name + ending).unlink(missing_ok=True)


def _at_commit(scene: Scene, number: int, when: str, flags: tuple[str, ...]) -> tuple[int, str]:
    command = ("-m", "tests.campaign.killed", str(number), when, "--")
    return ended(started(scene, *flags, command=command))


def count(load: str, folder: Path) -> tuple[int, int]:
    """How many requests and how many commits a load takes when nothing goes wrong."""
    with contextlib.closing(scene_for_processes(folder)) as scene:
        prepare, flags = LOADS[load]
        prepared = prepare(scene)
        before = len(scene.sandbox.log)
        code, said = _at_commit(scene, 0, "before", flags)
        assert (code, prepared.wrong()) == (0, []), (said, prepared.wrong())
        found = re.search(rf"{COUNTED}(\d+)", said)
        assert found is not None, said
        return len(scene.sandbox.log) - before, int(found.group(1))


def kills(folder: Path, seed: int) -> Iterator[Kill]:
    """Every kill of every load, the first load's also with the state lost, and as many deaths in pairs."""
    chance = random.Random(seed)
    for load in LOADS:
        requests, commits = count(load, folder / load.replace(" ", "-"))
        for at, most in (("request", requests), ("commit", commits)):
            for number in range(1, most + 1):
                for when in ("before", "after"):
                    yield Kill(load, at, when, number)
                    yield Kill(load, at, when, number, again=chance.randrange(1, commits + 1))
                    if load == "first":
                        yield Kill(load, at, when, number, lost=True)


# --- a disk that is full ----------------------------------------------------------------------------------------------


def play_full_disk(most_bytes: int, load_name: str, folder: Path) -> bool:
    """A run during which no file may grow beyond so many bytes; true if it was enough.

    The limit on file sizes stands for the full disk: SQLite's writes fail in mid-run.
    """
    with contextlib.closing(scene_for_processes(folder)) as scene:
        prepare, flags = LOADS[load_name]
        load = prepare(scene)
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        before = len(scene.sandbox.log)
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        code, said = ended(started(scene, *flags, preexec_fn=limit))
        sent = scene.sandbox.log[before:]
        written = [each for each in sent if each.method != "GET" and each.route != "list_records_post"]
        if code == 0:
            assert load.wrong() == [], "the run said that all is well"
            return True
        assert code in (1, 3), (code, said)
        assert "state.sqlite3" in said, said
        assert "free space" in said, said
        if most_bytes == 0:
            assert written == [], "it is told before the first write"
        scene.later(1)
        load.settle(scene.run())
        return False


# --- the whole campaign -----------------------------------------------------------------------------------------------


def _played(case: Kill | tuple[int, str]) -> str:
    """What went wrong, "" for nothing."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        try:
            if isinstance(case, Kill):
                play(case, Path(folder))
            else:
                play_full_disk(*case, Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"{case}: {type(failure).__name__}: {failure}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """Every kill and every size of disk, so many at once."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        for load in LOADS:
            (Path(folder) / load.replace(" ", "-")).mkdir()
        cases: list[Kill | tuple[int, str]] = list(kills(Path(folder), seed))
    cases += [(size, load) for load in LOADS for size in range(0, 40 * LIMIT_STEP, LIMIT_STEP)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, cases) if said]
    return Totals(len(cases), failures)
