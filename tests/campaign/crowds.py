"""Many requests in flight at once: faults that befall several of them together, and a death while they are outstanding.

A gate in the stand-in holds the creates, before or after their effect, until a crowd of them waits there.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import main
from tests.campaign.faults import AFTER, BEFORE, HANG_SECONDS, Fault
from tests.campaign.kills import HIDDEN_SECONDS, Totals, ended, killer, lose_state, scene_for_processes, started
from tests.campaign.load import MixedLoad
from tests.scene import Scene

LEADS = 48
CROWD = 20
STORMS = 150
KILLS = 60
LATENCY = (0.002, 0.03)
# Answers so slow that the program by itself gets a crowd under way.
SLOW = (0.35, 0.45)
_PATIENCE_SECONDS = 2.0
# So many writes at a time may be spoiled without the program taking the service for down.
_MOST_SPOILED = 8


@dataclass(frozen=True)
class Together:
    """The same fault for every other create of a crowd."""

    kind: str
    when: str

    def __str__(self) -> str:
        return f"{self.kind} {self.when} the effect of every other create in flight"


@dataclass(frozen=True)
class Storm:
    """Faults at several requests of a run that has many in flight."""

    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return f"in flight: {', '.join(map(str, self.faults))}"


@dataclass(frozen=True)
class Death:
    """Kill -9 while a crowd of creates is outstanding, of which so many have had their effect."""

    effects: int
    crowd: int
    lost: bool

    def __str__(self) -> str:
        return f"killed with {self.crowd} creates outstanding, {self.effects} of them made" + ", state lost" * self.lost


class Gate:
    """Holds requests until so many wait, then does something once and lets all of them pass.

    Where fewer come, it opens after a while, so that a program with fewer in flight is not held for ever.
    """

    def __init__(self, crowd: int, then: Callable[[], object]) -> None:
        self.most = 0
        self._crowd = crowd
        self._then = then
        self._changed = threading.Condition()
        self._open = False

    def __call__(self) -> None:
        with self._changed:
            if self._open:
                return
            self.most += 1
            if self.most < self._crowd:
                self._changed.wait_for(lambda: self._open, _PATIENCE_SECONDS)
            if not self._open:
                self._open = True
                self._then()
                self._changed.notify_all()


def backfill(scene: Scene) -> MixedLoad:
    """A few pairs in step, one of them edited, and many leads without a task."""
    load = MixedLoad(scene, bystander=scene.clickup.add_task("nobody's lead", status="in progress"))
    edited = scene.lead("CONTACTED", "marked done")
    assert scene.run().code == 0
    scene.later()
    scene.clickup.set_status(scene.named_by(edited), "complete")
    load.expected[edited] = ("QUALIFIED", "complete")
    for number in range(LEADS):
        status, task_status = (("NEW", "to do"), ("CONTACTED", "in progress"), ("LOST", "complete"))[number % 3]
        load.expected[scene.lead(status, f"crowd {number}")] = (status, task_status)
    scene.later(5)
    return load


def play(case: Together | Storm | Death, folder: Path) -> int:
    """One case; answers how many creates waited at the gate. Raises AssertionError where a promise is broken."""
    if isinstance(case, Death):
        return _play_death(case, folder)
    with contextlib.closing(Scene(folder, clickup_limit=0, airtable_limit=0, latency=LATENCY)) as scene:
        load = backfill(scene)
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        gate = Gate(CROWD, lambda: None)
        scene.sandbox.faults.before(_later_creates(), gate)
        for fault in _faults(case):
            scene.sandbox.faults.add(fault.kind, when=fault.when, number=fault.number, route=_route(case))
        hangs = any(fault.kind == "hang" for fault in _faults(case))
        # On a clock that stands still no answer takes any time, so the number in flight is given.
        with mock.patch.object(main, "in_flight", return_value=CROWD):
            faulty = scene.run(**({"SYNC_HTTP_TIMEOUT_SECONDS": HANG_SECONDS} if hangs else {}))
        scene.sandbox.faults.clear()
        load.judge(faulty)
        load.settle(None)
        return gate.most


def _faults(case: Together | Storm) -> tuple[Fault, ...]:
    if isinstance(case, Storm):
        return case.faults
    return tuple(Fault(case.kind, case.when, number) for number in range(2, 2 + 2 * _MOST_SPOILED, 2))


def _route(case: Together | Storm) -> str | None:
    return "create_task" if isinstance(case, Together) else None


def _later_creates() -> Callable[..., bool]:
    """The first create of a run goes alone, and would wait at the gate in vain."""
    seen = iter(range(1_000_000))
    return lambda request: request.method == "POST" and request.path[-1:] == ("task",) and next(seen) > 0


def _play_death(case: Death, folder: Path) -> int:
    with contextlib.closing(scene_for_processes(folder)) as scene:
        load = backfill(scene)
        scene.sandbox.latency = SLOW
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        process: list[subprocess.Popen[str]] = []
        gate = Gate(case.crowd, killer(process))
        _make_some(scene, case, gate)
        process.append(started(scene))
        code, said = ended(process[0])
        assert code == -signal.SIGKILL, (code, said)
        scene.sandbox.faults.clear()
        scene.sandbox.latency = (0.0, 0.0)
        scene.sandbox.wait_until_left()
        if case.lost:
            lose_state(scene)
        scene.later(1)
        load.settle(scene.run())
        return gate.most


def _make_some(scene: Scene, case: Death, gate: Gate) -> None:
    """The first creates of the crowd wait behind their effect, the rest before it."""
    later, made = _later_creates(), iter(range(case.effects))
    passed: set[int] = set()

    def before(request: object) -> bool:
        if not later(request):
            return False
        if next(made, None) is None:
            return True
        passed.add(id(request))
        return False

    scene.sandbox.faults.before(before, gate)
    scene.sandbox.faults.after(lambda request: id(request) in passed, gate)


def cases(seed: int) -> Iterator[Together | Storm | Death]:
    """Each kind of fault for a crowd, storms, and deaths."""
    yield from (Together(kind, "before") for kind in BEFORE)
    yield from (Together(kind, "after") for kind in AFTER)
    chance = random.Random(seed)
    kinds = [*((kind, "before") for kind in BEFORE), *((kind, "after") for kind in AFTER)]
    for _ in range(STORMS):
        numbers = chance.sample(range(1, LEADS + 16), chance.randint(4, 10))
        chosen = [chance.choice([each for each in kinds if each[0] != "hang"]) for _ in numbers]
        yield Storm(tuple(Fault(kind, when, number) for (kind, when), number in zip(chosen, numbers, strict=True)))
    for number in range(KILLS):
        crowd = chance.choice((2, 6, CROWD, CROWD))
        yield Death(chance.randint(0, crowd), crowd, lost=number % 4 == 0)


def _played(case: Together | Storm | Death) -> str:
    with tempfile.TemporaryDirectory(prefix="crowds-") as folder:
        try:
            play(case, Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"{case}: {type(failure).__name__}: {failure}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """Every case, so many at once."""
    every = list(cases(seed))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, every, chunksize=2) if said]
    return Totals(len(every), failures)
