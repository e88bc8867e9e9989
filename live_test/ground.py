"""What all rooms of the live test stand on: the tools, what it has made so far, what it has found, and waiting."""

from __future__ import annotations

import re
import string
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any

from clients.airtable import is_one_of
from clients.errors import ApiError, AuthError, QuotaSpent
from config import Settings
from engine import Tools
from errors import Interrupted, SyncError
from live_test.facts import Findings
from models import Notice, Record, Task
from text import cell_text

PREFIX = "live-test "
LEADS = 3
PATIENCE_SECONDS = 120.0
_OURS = re.compile(r"live-test \d{8}T\d{6}Z-[0-9a-z]{4} ")

MakeTools = Callable[[threading.Event], AbstractContextManager[Tools]]


class Broken(SyncError):
    """The test cannot go on; what it has found says why."""


def new_stamp(now: float) -> str:
    """The beginning of every name that one live test gives, like "live-test 20260131T101500Z-x7k2 "."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    return f"{PREFIX}{moment}-{''.join(SystemRandom().choices(string.ascii_lowercase + string.digits, k=4))} "


def is_of_a_live_test(name: str) -> bool:
    """Whether a lead or task of this name was made by some live test."""
    return _OURS.match(name) is not None


@dataclass
class Made:
    """What this live test has made and not deleted yet: names by id, and names of what may or may not be there."""

    leads: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    doubtful_leads: set[str] = field(default_factory=set)
    doubtful_tasks: set[str] = field(default_factory=set)


@dataclass
class Ground:
    """One live test at work. `stamp` is the beginning of every name that it gives."""

    settings: Settings
    tools: Tools
    stamp: str
    made: Made
    say: Callable[[str], None]
    findings: Findings = field(default_factory=Findings)
    notices: list[Notice] = field(default_factory=list)
    lag: dict[str, float] = field(default_factory=dict)

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted when told to stop."""
        if self.tools.clock.wait(seconds, self.tools.stop):
            raise Interrupted("the live test was told to stop")

    def until(self, look: Callable[[], bool], longest: float = PATIENCE_SECONDS) -> float | None:
        """Look until it is so; the seconds that took, 0.0 where it was so at the first look, None if it never was."""
        started = self.tools.clock.monotonic()
        took = 0.0
        for pause in _pauses():
            if look():
                return took
            left = longest - (self.tools.clock.monotonic() - started)
            if left <= 0:
                return None
            self.wait(min(pause, left))
            took = self.tools.clock.monotonic() - started
        return None

    def shown(self, key: str, look: Callable[[], bool]) -> bool:
        """Wait until a reading shows what was written. The longest time is kept under the fact's key."""
        seconds = self.until(look)
        self.lag[key] = max(self.lag.get(key, 0.0), PATIENCE_SECONDS if seconds is None else seconds)
        return seconds is not None

    def attempt(self, keys: Iterable[str], probe: Callable[[], None]) -> None:
        """Probe something; what a service refuses leaves these facts unknown and stops nothing else."""
        try:
            probe()
        except (AuthError, QuotaSpent):
            raise
        except ApiError as error:
            for key in keys:
                self.findings.unknown(key, str(error))

    def leads(self, ids: Iterable[str]) -> dict[str, Record]:
        """Those of the leads that the table has, by a listing."""
        return {record.id: record for record in self._leads(is_one_of(ids))}

    def leads_for(self, formula: str) -> set[str]:
        """The leads for which a formula is true."""
        return {record.id for record in self._leads(formula)}

    def _leads(self, formula: str) -> Iterator[Record]:
        for page in self.tools.airtable.list_records(fields=fields(self.settings), formula=formula):
            yield from page.rows

    def cell(self, record: Record, name: str) -> str:
        """What a cell shows."""
        return cell_text(record.fields.get(name))

    def write(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Write cells of leads, and wait until the listing shows them. Raises Broken where it never does."""
        self.tools.airtable.update(list(rows.items()))
        self.see(rows)

    def see(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Wait until the listing shows these cells. Raises Broken where it never does."""

        def shows() -> bool:
            found = self.leads(rows)
            return found.keys() >= rows.keys() and all(
                self.cell(found[each], name) == value for each, cells in rows.items() for name, value in cells.items()
            )

        if not self.shown("airtable_lag", shows):
            why = f"a write did not show within {PATIENCE_SECONDS:.0f} s"
            self.findings.failed("airtable_lag", why)
            raise Broken(f"Airtable: {why}")

    def see_task(self, task_id: str, is_new: Callable[[Task], bool]) -> None:
        """Wait until the listing shows a task as it was written; one that it does not show at all tells nothing."""
        listed: list[Task] = []

        def shows() -> bool:
            rows = (task for page in self.tools.clickup.walk("created", 0) for task in page.rows)
            listed[:] = [task for task in rows if task.id == task_id]
            return not listed or is_new(listed[0])

        before = dict(self.lag)
        self.shown("clickup_lag", shows)
        if not listed:
            self.lag = before


def fields(settings: Settings) -> list[str]:
    """The fields of a lead that the live test reads."""
    return [settings.name_field, settings.status_field, settings.task_id_field]


def _pauses() -> Iterator[float]:
    yield from (1.0, 1.0, 1.0, 2.0)
    while True:
        yield 3.0
