"""A state file that was damaged between two runs: cut at each page, or spoiled in random places; or its lock file.

Demanded each time: the run says so and stops before the first write, or goes on and all is well. In the end, with the
damaged file moved away where that was asked for, every lead has one task and each lone edit has reached the other side
or was named as a conflict. What a killed run left in the -wal file beside it is cut at the end of every frame.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import random
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.kills import LOADS, NEW_LEADS, Totals, ended, killer, lose_state, scene_for_processes, started
from tests.scene import STATUS_MAP, Run, Scene

PAGE = 4096
PAGES = 15
MOST_RUNS = 5
HIDDEN_SECONDS = 60
LOCK = "two bits of the lock"
HEADER = 100  # what the lock holds is in this: https://www.sqlite.org/fileformat2.html#the_database_header


# The parts of a -wal file: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
WAL_HEADER = 32
FRAME_HEADER = 24
# How many creates a load has, and how many frames a run that dies behind the last of them has written at most.
CREATES = {"mixed": 4, "first": NEW_LEADS}
FRAMES = {"mixed": 48, "first": 66}


@dataclass(frozen=True)
class Damage:
    """What is done to the file; `seed` chooses the places, `page` is the cut's where the kind is "cut here"."""

    kind: str
    seed: int
    page: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, seed {self.seed}, page {self.page}"

    def applied(self, content: bytes) -> bytes:
        """The file's content afterwards."""
        if self.kind == "cut here":
            return content[: self.page * PAGE]
        return _KINDS[self.kind](bytearray(content), random.Random(self.seed))


def _cut(content: bytearray, rng: random.Random) -> bytes:
    return bytes(content[: rng.randrange(1, len(content))])


def _flip(content: bytearray, rng: random.Random, count: int) -> bytes:
    for _ in range(count):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _noise(content: bytearray, rng: random.Random) -> bytes:
    length = rng.choice([1, 2, 16, 100, 512])
    at = rng.randrange(len(content) - length)
    content[at : at + length] = rng.randbytes(length)
    return bytes(content)


def _zeros(content: bytearray, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) // 512) * 512
    length = rng.choice([512, PAGE])
    content[at : at + length] = bytes(len(content[at : at + length]))
    return bytes(content)


def _swapped(content: bytearray, rng: random.Random) -> bytes:
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    one, two = rng.sample(range(len(pages)), 2)
    pages[one], pages[two] = pages[two], pages[one]
    return b"".join(pages)


_KINDS: dict[str, Callable[[bytearray, random.Random], bytes]] = {
    "cut": _cut,
    "one bit": lambda content, rng: _flip(content, rng, 1),
    "five bits": lambda content, rng: _flip(content, rng, 5),
    LOCK: lambda content, rng: _flip(content[:HEADER], rng, 2) + bytes(content[HEADER:]),
    "noise": _noise,
    "zeros": _zeros,
    "pages swapped": _swapped,
}
# Most bytes of the file are of no consequence, so that single bits and short noise have to be tried often.
_OFTEN = ("one bit", "five bits", "noise", "noise", "one bit", "cut", "zeros", "pages swapped", LOCK)


def cases(count: int, seed: int) -> Iterator[Damage]:
    """A cut at every page's border, then so many of the other kinds."""
    yield from (Damage("cut here", seed, page) for page in range(PAGES))
    yield from (Damage(_OFTEN[number % len(_OFTEN)], seed * 1_000_003 + number) for number in range(count))


def play(damage: Damage, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken."""
    scene = Scene(folder, clickup_limit=0, airtable_limit=0)
    try:
        told, pulled, doubtful = _prepared(scene)
        damaged = scene.state_file.with_name(scene.state_file.name + ".lock" * (damage.kind == LOCK))
        damaged.write_bytes(damage.applied(damaged.read_bytes()))
        tasks = list(scene.clickup.tasks())
        (made,) = scene.clickup.by_marker(doubtful)
        runs = [scene.run()]
        if runs[0].code == 3:
            assert runs[0].writes == []
            assert str(damaged) in runs[0].messages
            assert damage.kind == LOCK or _told_as_damage(runs[0].messages)
            assert scene.run().code == 3, "it does not go away by itself"
            damaged.unlink()
        if runs[0].code == 0:
            scene.assert_in_step()
        while runs[-1].code != 0 or len(runs) < 2:
            assert len(runs) < MOST_RUNS, (runs[-1].report, runs[-1].messages)
            scene.later(150)
            runs.append(scene.run())
        assert len(scene.clickup.tasks()) == len(tasks) + 1, "one task was to be made, that of the new lead"
        assert scene.named_by(doubtful) == made
        scene.assert_in_step()
        _assert_kept(scene, told, "CONTACTED", runs)
        _assert_kept(scene, pulled, "QUALIFIED", runs)
        scene.later(150)
        idle = scene.run()
        assert (idle.code, idle.writes) == (0, []), (idle.report, idle.messages)
    finally:
        scene.close()


def _prepared(scene: Scene) -> tuple[str, str, str]:
    """Pairs in step and one unfinished record; then an edit on each side, a new lead, and a create in doubt.

    That create's answer was lost, and ClickUp does not list its task yet. Returns the two edited leads and that one's.
    """
    leads = [scene.lead(status, f"{status} {number}") for number in range(4) for status in STATUS_MAP]
    assert scene.run().code == 0
    scene.later()
    gone = scene.named_by(leads[0])
    scene.clickup.delete(gone)
    scene.edit(leads[0], Name="renamed while its task is in the trash")
    assert scene.run().code == 1
    scene.clickup.restore(gone)
    scene.later()
    scene.edit(leads[4], Status="CONTACTED")
    scene.clickup.set_status(scene.named_by(leads[5]), "complete")
    scene.lead("NEW", "new")
    doubtful = scene.lead("NEW", "in doubt")
    scene.clickup.hide_new_for = HIDDEN_SECONDS
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    assert scene.run("--only", doubtful).code == 1
    scene.sandbox.faults.clear()
    scene.later(5)
    return leads[4], leads[5], doubtful


def _assert_kept(scene: Scene, lead: str, status: str, runs: list[Run]) -> None:
    named = any(conflict["record_id"] == lead for run in runs for conflict in run.report["conflicts"])
    assert scene.status(lead) == status or named, f"an edit of {lead} was lost without a word"


def _told_as_damage(said: str) -> bool:
    """Damage can look like another version's file, another pair's, or one from a backup."""
    signs = ("is damaged", "no state file", "uses format", "belongs to another pair", "is older")
    return any(sign in said for sign in signs)


# --- what a killed run left -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cut:
    """A run killed behind the effect of its last create, of whose -wal file so many of the last frames are gone."""

    load: str
    gone: int

    def __str__(self) -> str:
        return f"{self.load}: killed, and the last {self.gone} frames of the -wal file gone"


def cuts() -> Iterator[Cut]:
    """At the end of each frame of either load."""
    yield from (Cut(load, gone) for load, most in FRAMES.items() for gone in range(most + 1))


def play_cut(cut: Cut, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken.

    The next run comes when ClickUp lists the new tasks: before that, nothing would tell of a create whose announcement
    is gone. Where the file does not know of the run that died any more, it is refused, and deleted.
    """
    with contextlib.closing(scene_for_processes(folder)) as scene:
        prepare, flags = LOADS[cut.load]
        load = prepare(scene)
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        _die_behind_the_last_create(scene, CREATES[cut.load], flags)
        wal = scene.state_file.with_name(scene.state_file.name + "-wal")
        content = wal.read_bytes()
        frame = FRAME_HEADER + int.from_bytes(content[8:12], "big")
        count = (len(content) - WAL_HEADER) // frame
        assert 0 < count <= FRAMES[cut.load], f"{count} frames, so that not all cuts are played"
        wal.write_bytes(content[: WAL_HEADER + frame * max(0, count - cut.gone)])
        scene.later(HIDDEN_SECONDS + 1)
        run = scene.run()
        if run.code == 3:
            assert run.writes == []
            assert "is older than the last run" in run.messages
            lose_state(scene)
            _begin_anew(scene, len(load.expected) + 1)
        else:
            load.judge(run)
            load.settle(None)


def _begin_anew(scene: Scene, tasks: int) -> None:
    for _ in range(MOST_RUNS):
        scene.later(150)
        if scene.run().code == 0:
            break
    scene.assert_in_step()
    assert len(scene.clickup.tasks()) == tasks
    scene.later(150)
    idle = scene.run()
    assert (idle.code, idle.writes) == (0, []), (idle.report, idle.messages)


def _die_behind_the_last_create(scene: Scene, creates: int, flags: tuple[str, ...]) -> None:
    process: list[subprocess.Popen[str]] = []
    kill, seen = killer(process), itertools.count(1)
    scene.sandbox.faults.after("create_task", lambda: kill() if next(seen) == creates else None)
    process.append(started(scene, *flags))
    assert ended(process[0])[0] == -signal.SIGKILL, "it was to be killed"
    scene.sandbox.faults.clear()


# --- all cases --------------------------------------------------------------------------------------------------------


def _played(damage: Damage | Cut) -> str:
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        try:
            if isinstance(damage, Cut):
                play_cut(damage, Path(folder))
            else:
                play(damage, Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"{damage}: {type(failure).__name__}: {str(failure)[:500]}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """Every cut of either file and 2,250 other damages, so many at once."""
    chosen: list[Damage | Cut] = [*cases(2_250, seed), *cuts()]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, chosen, chunksize=20) if said]
    return Totals(len(chosen), failures)
