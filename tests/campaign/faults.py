"""Every fault at every request of the mixed load, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.load import MixedLoad
from tests.scene import Scene

BEFORE = ("429", "429-bare", "reset", "500", "502", "503", "503-retry-after", "504", "hang", "cut", "half-json")
AFTER = (
    *("reset", "500", "502", "503", "504", "hang", "cut", "half-json", "empty", "redirect"),
    *("shape", "shape-empty", "shape-null", "shape-strings"),
)
HANG_SECONDS = "0.2"


@dataclass(frozen=True)
class Case:
    """One fault at the k-th request of a run."""

    kind: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.when} request {self.number}"


def cases(requests: int) -> Iterator[Case]:
    """Every kind, before and after the effect, at every request."""
    for number in range(1, requests + 1):
        yield from (Case(kind, "before", number) for kind in BEFORE)
        yield from (Case(kind, "after", number) for kind in AFTER)


def count_requests(folder: Path) -> int:
    """How many requests the mixed load takes when nothing goes wrong."""
    scene = Scene(folder, clickup_limit=0, airtable_limit=0)
    load = MixedLoad.prepared(scene)
    run = scene.run()
    assert (run.code, load.wrong()) == (0, []), (run.report, load.wrong())
    scene.close()
    return len(run.requests)


def play(case: Case, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken."""
    scene = Scene(folder, clickup_limit=0, airtable_limit=0)
    try:
        load = MixedLoad.prepared(scene)
        scene.sandbox.faults.add(case.kind, when=case.when, number=case.number)
        settings = {"SYNC_HTTP_TIMEOUT_SECONDS": HANG_SECONDS} if case.kind == "hang" else {}
        faulty = scene.run(**settings)
        scene.sandbox.faults.clear()
        load.settle(faulty)
    finally:
        scene.close()
