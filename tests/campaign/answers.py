"""Answers of both services, true ones bent at random: keys dropped, types changed, values nested, huge, or nonsense.

Demanded each time: a known exit code and no traceback; only known routes were asked; and with honest services again,
one task a lead, both sides in step, and an idle run.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from tests.campaign.kills import Totals
from tests.scene import Scene

REQUESTS = 12
MOST_RUNS = 6
FLAGS: tuple[tuple[str, ...], ...] = ((), (), ("--full",), ("--dry-run",), ("--check",), ("-v",))
# What a client reads of an answer; the rest of it is bent less often.
READ = frozenset(
    {
        *("id", "createdTime", "fields", "offset", "records", "tasks", "last_page", "name", "status", "description"),
        *("custom_fields", "value", "list", "archived", "parent", "date_created", "date_updated", "statuses", "type"),
        *("orderindex", "options", "choices", "views", "tables", "ClickUp Task ID", "Status", "Name", "Email"),
        *("current_status", "total_time", "since", "deleted"),
    }
)
# Nothing that could be an id: a service that names another task of the right form is believed.
NONSENSE: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        10**30,
        1e308,
        float("nan"),
        float("inf"),
        "",
        " ",
        "X",
        "../x",
        "rec'),",
        "9" * 5000,
    ),
    *("\ud800\x00\x1b[2J\n", "-5", "to do", "1e+3", "１２", "2026-13-45T99:99:99Z", [], [[]], {}, {"a": 1}, [None]),
    *(["x"], ["to do"], {"status": None}, {"id": None}),
)


def bend(body: Any, rng: random.Random) -> Any:
    """The body with one thing about it changed."""
    every = list(_paths(body))
    read = [path for path in every if path and path[-1] in READ]
    path = rng.choice(read) if read and rng.random() < 0.8 else rng.choice(every)
    if not path:
        return rng.choice(NONSENSE)
    holder = body
    for step in path[:-1]:
        holder = holder[step]
    key, how = path[-1], rng.choice(("drop", "replace", "replace", "nest", "repeat"))
    if how == "drop":
        del holder[key]
    elif how == "nest":
        holder[key] = rng.choice(([holder[key]], {"x": holder[key]}))
    elif how == "repeat" and isinstance(holder, list):
        holder.append(json.loads(json.dumps(holder[key])))
    else:
        holder[key] = rng.choice(NONSENSE)
    return body


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))


@dataclass
class Bender:
    """Bends the answer to one request of a run, and perhaps every later one of its route."""

    scene: Scene
    rng: random.Random
    number: int
    lasting: bool
    seen: int = 0
    route: str = ""

    def __post_init__(self) -> None:
        self._true = self.scene.sandbox.carry_out
        setattr(self.scene.sandbox, "carry_out", self.carry_out)  # noqa: B010 - the rest stays the stand-in's

    def carry_out(self, request: Request) -> tuple[Answer, str, Fault | None]:
        """The true answer, bent if it is this one's turn."""
        answer, route, fault = self._true(request)
        self.seen += 1
        if self.seen == self.number:
            self.route = route
        if self.seen != self.number and not (self.lasting and route == self.route):
            return answer, route, fault
        body = json.loads(answer.encoded() or b"null")
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            body = bend(body, self.rng) if isinstance(body, (dict, list)) else body
        return Answer(answer.status, json.dumps(body).encode(), answer.headers), route, fault

    def stop(self) -> None:
        """From now on all answers are true."""
        setattr(self.scene.sandbox, "carry_out", self._true)  # noqa: B010


def play(seed: int, folder: Path) -> None:
    """One case; raises AssertionError where a promise is broken."""
    rng = random.Random(seed)
    scene = Scene(folder, clickup_limit=0, airtable_limit=0)
    try:
        known = _work(scene, fresh=rng.random() < 0.2)
        bender = Bender(scene, rng, rng.randint(1, REQUESTS), rng.random() < 0.5)
        run = scene.run(*rng.choice(FLAGS))
        assert run.code in (0, 1, 2, 3), run.code
        bender.stop()
        assert {each.route for each in scene.sandbox.log} <= ROUTES
        for _ in range(MOST_RUNS):
            scene.later(150)
            run = scene.run()
            if run.code == 0:
                break
        assert run.code == 0, (run.report, run.messages)
        scene.assert_in_step()
        assert len(scene.clickup.tasks()) == known, "a task too many"
        scene.later(150)
        idle = scene.run()
        assert (idle.code, idle.writes) == (0, []), (idle.report, idle.messages)
    finally:
        scene.close()


ROUTES = frozenset(
    {
        *("schema", "list_records_post", "update_records", "list", "fields", "list_tasks", "create_task", "get_task"),
        *("update_task", "set_field", "bulk_time_in_status"),
    }
)


def _work(scene: Scene, *, fresh: bool) -> int:
    """Pairs in step and something to do on each side, or a first run still to come. Returns the number of leads."""
    first, second = scene.lead("NEW", "first", Email="a@example.com"), scene.lead("CONTACTED", "second")
    if not fresh:
        assert scene.run().code == 0
        scene.later()
        scene.clickup.set_status(scene.named_by(second), "complete")
        scene.edit(first, Name="renamed", Status="CONTACTED")
        scene.lead("LOST", "third")
    scene.later(5)
    return len(scene.airtable.records())


def _played(seed: int) -> str:
    with tempfile.TemporaryDirectory(prefix="answers-") as folder:
        try:
            play(seed, Path(folder))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is counted and told
            return f"seed {seed}: {type(failure).__name__}: {str(failure)[:500]}"
    return ""


def whole(workers: int, seed: int) -> Totals:
    """5,000 bent answers, so many at once."""
    chosen = range(seed * 1_000_003, seed * 1_000_003 + 5_000)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        failures = [said for said in pool.map(_played, chosen, chunksize=20) if said]
    return Totals(len(chosen), failures)
