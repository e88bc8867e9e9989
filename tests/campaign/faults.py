"""Every fault at every request, one at a time, and storms of several at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.kills import LOADS, Totals
from tests.scene import Scene

# An answer of 200 without an effect is what a captive portal or a proxy gives.
NONSENSE = ("empty", "redirect", "shape", "shape-empty", "shape-null", "shape-strings")
BEFORE = (
    *("429", "429-bare", "reset", "500", "502", "503", "503-retry-after", "504", "hang", "cut", "half-json"),
    *NONSENSE,
)
AFTER = ("reset", "500", "502", "503", "504", "hang", "cut", "half-json", *NONSENSE)
HANG_SECONDS = "0.2"
STORMS = 150
HIDDEN_SECONDS = 60


@dataclass(frozen=True)
class Fault:
    """A fault at the k-th request of a run."""

    kind: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.when} request {self.number}"


@dataclass(frozen=True)
class Case:
    """One load and the faults that befall its run."""

    load: str
    faults: tuple[Fault, ...]

    @property
    def followed_at_once(self) -> bool:
        """Whether the next run comes while the newest tasks are still hidden: where an effect lost its answer."""
        return any(fault.when == "after" for fault in self.faults)

    def __str__(self) -> str:
        return f"{self.load}: {', '.join(map(str, self.faults))}"


def faults(requests: int) -> Iterator[Fault]:
    """Every kind, before and after the effect, at every request."""
    for number in range(1, requests + 1):
        yield from (Fault(kind, "before", number) for kind in BEFORE)
        yield from (Fault(kind, "after", number) for kind in AFTER)


def cases(load: str, requests: int, seed: int) -> Iterator[Case]:
    """Each fault alone, then storms: three to six of them in one run, with several requests in flight."""
    yield from (Case(load, (fault,)) for fault in faults(requests))
    chance = random.Random(seed)
    every = [fault for fault in faults(requests) if fault.kind != "hang"]
    for _ in range(STORMS):
        yield Case(load, tuple(chance.sample(every, chance.randint(3, 6))))


def count_requests(load: str, folder: Path) -> int:
    """How many requests a load takes when nothing goes wrong."""
    with contextlib.closing(Scene(folder, clickup_limit=0, airtable_limit=0)) as scene:
        prepare, flags = LOADS[load]
        prepared = prepare(scene)
        run = scene.run(*flags)
        assert (run.code, prepared.wrong()) == (0, []), (run.report, prepared.wrong())
        return len(run.requests)


def play(case: Case, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken. ClickUp shows new tasks a minute late meanwhile."""
    with contextlib.closing(Scene(folder, clickup_limit=0, airtable_limit=0)) as scene:
        prepare, flags = LOADS[case.load]
        load = prepare(scene)
        scene.clickup.hide_new_for = HIDDEN_SECONDS
        for fault in case.faults:
            scene.sandbox.faults.add(fault.kind, when=fault.when, number=fault.number)
        hangs = any(fault.kind == "hang" for fault in case.faults)
        faulty = scene.run(*flags, **({"SYNC_HTTP_TIMEOUT_SECONDS": HANG_SECONDS} if hangs else {}))
        scene.sandbox.faults.clear()
        load.judge(faulty)
        if case.followed_at_once:
            scene.later(1)
            load.judge(scene.run())
        load.settle(None)


def _played(case: Case) -> str:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        try:
            play(case, Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"{case}: {type(failure).__name__}: {failure}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """Every load, every fault at every request, and the storms."""
    every: list[Case] = []
    for load in LOADS:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            every += cases(load, count_requests(load, Path(folder)), seed)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, every, chunksize=4) if said]
    return Totals(len(every), failures)
