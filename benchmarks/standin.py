"""The stand-in as a process of its own, so that its work is not counted as the program's.

It says its settings in one line of JSON, then obeys one command a line on stdin and answers each with a line of JSON.
Commands fill both sides by hand, past the limits, and in a past that ends with `now`.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from typing import Any

from sandbox.server import Sandbox
from sandbox.wire import Clock

PAST_SECONDS = 3 * 86_400
_STATUSES = (("NEW", "to do"), ("CONTACTED", "in progress"), ("QUALIFIED", "complete"), ("LOST", "complete"))


class PastClock(Clock):
    """The machine's clock, some days behind, until it is put right."""

    def __init__(self) -> None:
        super().__init__()
        self.behind: float = PAST_SECONDS

    def time(self) -> float:
        return time.time() - self.behind


class StandIn:
    """The commands, each a method that takes and answers what JSON can hold."""

    def __init__(self, latency: tuple[float, float]) -> None:
        self.clock = PastClock()
        self.sandbox = Sandbox(clock=self.clock, latency=latency, clickup_limit=0, airtable_limit=0)
        self._pairs: list[tuple[str, str]] = []
        self._read = 0

    def pairs(self, count: int, archived: int = 0) -> int:
        """So many leads with their tasks, in step, a second apart; the first ones' tasks are archived."""
        for number in range(count):
            self.clock.behind -= 1
            lead_status, task_status = _STATUSES[number % len(_STATUSES)]
            lead = self.sandbox.airtable.add_record(_lead(number, lead_status))
            name = f"Lead {number}"
            task = self.sandbox.clickup.add_task(name, status=task_status, marker=lead, description="Source: Fair")
            self.sandbox.airtable.edit(lead, {"ClickUp Task ID": task})
            if number < archived:
                self.sandbox.clickup.archive(task)
            self._pairs.append((lead, task))
        self.clock.behind -= 600
        return count

    def leads(self, count: int) -> int:
        """So many leads without a task, a second apart."""
        for number in range(count):
            self.clock.behind -= 1
            self.sandbox.airtable.add_record(_lead(number, "NEW"))
        return count

    def edit(self, leads: int, tasks: int) -> int:
        """People change the status of so many leads, and of so many other tasks."""
        moved = {"NEW": "CONTACTED", "CONTACTED": "NEW", "QUALIFIED": "NEW", "LOST": "NEW"}
        for lead, _ in self._pairs[:leads]:
            record = self.sandbox.airtable.record(lead) or {}
            self.sandbox.airtable.edit(lead, {"Status": moved[str(record["Status"])]})
        for _, task in self._pairs[leads : leads + tasks]:
            status = str(self.sandbox.clickup.task(task)["status"])
            self.sandbox.clickup.set_status(task, "complete" if status == "in progress" else "in progress")
        return leads + tasks

    def now(self, clickup: int, airtable: float) -> int:
        """The past is over, and the limits hold from here on: ClickUp's a minute, Airtable's a second."""
        gc.collect()
        gc.freeze()  # or the stand-in would now and then stop for half a second to look through all of it
        self.clock.behind = 0.0
        self.sandbox.clickup.limit = clickup
        self.sandbox.airtable.limit = airtable
        self.log()
        return 0

    def log(self) -> list[tuple[str, str, int, float, float]]:
        """The requests answered since this was last asked: service, route, status, when begun, when answered."""
        entries = self.sandbox.log[self._read :]
        self._read += len(entries)
        return [(each.service, each.route, each.status, each.started, each.ended) for each in entries]

    def linked(self) -> int:
        """How many leads name a task that bears their marker."""
        by_marker = self.sandbox.clickup.by_marker
        leads = self.sandbox.airtable.records().items()
        return sum(by_marker(lead) == [cells.get("ClickUp Task ID")] for lead, cells in leads)

    def complaints(self) -> list[str]:
        """What the real services would ignore in silence."""
        return self.sandbox.complaints


def _lead(number: int, status: str) -> dict[str, Any]:
    return {
        "Name": f"Lead {number}",
        "Status": status,
        "Email": f"lead{number}@example.com",
        "Source": "Fair",
        "Company": f"Company {number % 997}",
        "Phone": "+49 30 1234567",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.standin")
    parser.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0), metavar="SECONDS")
    options = parser.parse_args()
    stand_in = StandIn(tuple(options.latency))
    with stand_in.sandbox:
        _say(stand_in.sandbox.settings())
        for line in sys.stdin:
            command: dict[str, Any] = json.loads(line)
            _say(getattr(stand_in, command.pop("do"))(**command))
    return 0


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    sys.exit(main())
