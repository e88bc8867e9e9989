"""Requests as a budget: what a run will send and how long the limits make it, a month's calls, a schedule that fits.

Arithmetic only. The facts about the services: https://developer.clickup.com/docs/rate-limits and
https://support.airtable.com/docs/managing-api-call-limits-in-airtable
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from models import Change, Plan

CLICKUP_PER_MINUTE = 100
AIRTABLE_PER_SECOND = 5
PAGE = 100
BATCH = 10
WARN_AT = 80
# Minutes between runs that a crontab can say, the densest first.
INTERVALS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440)

_DAY = 86_400.0
# A minute, and a second since `X-RateLimit-Reset` comes in whole seconds.
_WINDOW = 61.0
# How old a reading may be before the run polls once more: for updates, and for creates.
_UPDATE_AGE = 10.0
_CREATE_AGE = 60.0
_MOMENT = 1e-6


# --- one run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What one run has before it.

    `airtable_reads` and `clickup_reads` are requests, and `reading_seconds` is how long they take at least, where that
    was measured. `task_writes` are requests, `lead_writes` leads (ten a request), `creates` leads without a task.
    `doubt` is the wait in seconds before the first create, None for none.
    """

    airtable_reads: int = 1
    clickup_reads: int = 1
    reading_seconds: float = 0.0
    task_writes: int = 0
    lead_writes: int = 0
    creates: int = 0
    doubt: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run takes: requests to each service, polls included, and the seconds of their limits at least.

    `per_minute` is ClickUp's limit that this was reckoned with.
    """

    airtable: int
    clickup: int
    seconds: float
    per_minute: int


def work_of(
    plan: Plan,
    *,
    airtable_reads: int = 1,
    clickup_reads: int = 1,
    reading_seconds: float = 0.0,
    doubt: float | None = None,
) -> Work:
    """What carrying out a plan takes: a request for each task, one more for a marker beside other changes, and one more
    to look at texts that are to be replaced."""
    task_writes = sum(
        1 + (update.set_marker and not _only_marker(update.changes)) + update.look_first for update in plan.task_updates
    )
    return Work(
        airtable_reads,
        clickup_reads,
        reading_seconds,
        task_writes,
        len(plan.lead_updates),
        len(plan.creates),
        doubt,
    )


def predict(work: Work, *, clickup_per_minute: int = CLICKUP_PER_MINUTE) -> Cost:
    """Play the run against the two limits alone, answers taking no time: reading, updates, creates with write-backs.

    Exact but for the polls of a long run, which read again some of what the run itself has just written, and for the
    ids that it writes back before ten of them are there, at the end of a minute's budget.
    """
    course = _Course(clickup_per_minute)
    course.read(work)
    course.update_tasks(work.task_writes)
    course.update_leads(work.lead_writes)
    if work.creates:
        course.wait_out(work.doubt)
        course.create(work.creates)
    return Cost(course.airtable, course.clickup, course.now, clickup_per_minute)


class _Course:
    """A run on its way. ClickUp counts by the minute, and a minute's requests may go all at once; Airtable's leave
    evenly spaced. `waiting` are leads whose new cells have not been written yet."""

    def __init__(self, per_minute: int) -> None:
        self.airtable = self.clickup = 0
        self.now = 0.0
        self._per_minute = per_minute
        self._spacing = 1 / AIRTABLE_PER_SECOND
        self._window_from = 0.0
        self._in_window = 0
        self._read_at = 0.0
        self._waiting = 0.0
        self._fresh_tasks = 0
        self._fresh_leads = 0.0

    def read(self, work: Work) -> None:
        """Both sides side by side."""
        left = work.clickup_reads
        while left:
            left -= self._send(left)
        self.airtable += work.airtable_reads
        self.now = max(self.now, work.airtable_reads * self._spacing, work.reading_seconds)
        self._read_at = self.now

    def update_tasks(self, requests: int) -> None:
        """Phase 1's updates."""
        while requests:
            self._next_window()
            self._poll_if_older_than(_UPDATE_AGE)
            sent = self._send(requests)
            requests -= sent
            self._fresh_tasks += sent

    def update_leads(self, leads: int) -> None:
        """Phase 2's updates, ten at a time."""
        self.airtable += batches(leads)
        self._waiting = leads
        self._write_leads(_UPDATE_AGE)

    def wait_out(self, doubt: float | None) -> None:
        """Wait until it is certain that no earlier run's creates are to come, and look for them."""
        if doubt is not None:
            self.now += doubt
            self._send(2)  # the tasks in use, and the archived ones

    def create(self, leads: int) -> None:
        """Creates, and the ids of the new tasks written back beside them."""
        self.airtable += batches(leads)
        left = leads
        while left:
            self._next_window()
            self._poll_if_older_than(_CREATE_AGE)
            sent = self._send(left)
            left -= sent
            self._fresh_tasks += sent
            self._waiting += sent
        self._write_leads(_CREATE_AGE)

    def _send(self, most: int) -> int:
        """As many requests to ClickUp as the window lets through at once."""
        self._next_window()
        sent = min(most, self._per_minute - self._in_window)
        self._in_window += sent
        self.clickup += sent
        return sent

    def _next_window(self) -> None:
        if self._in_window >= self._per_minute:
            self._pass(max(self.now, self._window_from + _WINDOW))
        if self.now >= self._window_from + _WINDOW or not self._in_window:
            self._window_from, self._in_window = self.now, 0

    def _pass(self, until: float) -> None:
        """Time goes by, and leads are written meanwhile."""
        written = min(self._waiting, (until - self.now) / self._spacing * BATCH)
        self._waiting -= written
        self._fresh_leads += written
        self.now = until

    def _write_leads(self, age: float) -> None:
        while self._waiting > 0:
            self._poll_if_older_than(age)
            needed = self._waiting / BATCH * self._spacing
            due = max(_MOMENT, self._read_at + age - self.now)
            self._pass(self.now + min(needed, due))
            if needed <= due:
                self._waiting = 0.0

    def _poll_if_older_than(self, age: float) -> None:
        if self.now - self._read_at < age - _MOMENT:
            return
        pages = self._fresh_tasks // PAGE + 1
        self._fresh_tasks = 0
        while pages:
            pages -= self._send(pages)
        pages = max(1, math.ceil(self._fresh_leads / PAGE))
        self._fresh_leads = 0.0
        self.airtable += pages
        self.now += pages * self._spacing
        self._read_at = self.now


def batches(rows: int) -> int:
    """Requests that write so many leads."""
    return -(-rows // BATCH)


def pages(rows: int) -> int:
    """Requests that list so many leads or tasks; an empty answer is one as well."""
    return max(1, -(-rows // PAGE))


def _only_marker(changes: Iterable[Change]) -> bool:
    return all(change.field == "marker" for change in changes)


# --- a month ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """What one service was asked this month, up to now.

    `service` is its name as people write it. `allowed` is the month's allowance, None where none is set. `idle` is what
    a run with nothing to do sends, `other` what the last 24 hours took beyond that.
    """

    service: str
    used: int
    allowed: int | None
    idle: int = 1
    other: int = 0

    @property
    def stage(self) -> int:
        """100 where the allowance is used up, 80 from 80 % of it on, else 0."""
        if self.allowed is None or self.used * 100 < self.allowed * WARN_AT:
            return 0
        return 100 if self.used >= self.allowed else WARN_AT


def usage_of(service: str, *, used: int, allowed: int | None, idle: int, day: tuple[int, int]) -> Usage:
    """`day` are the runs and the requests of the last 24 hours."""
    runs, requests = day
    return Usage(service, used, allowed, idle, max(0, requests - runs * idle))


def month_of(now: float) -> str:
    """The calendar month in UTC, such as 2026-09; `now` is in Unix seconds."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m")


def end_of_month(now: float) -> float:
    """When the calendar month ends in UTC, in Unix seconds."""
    moment = datetime.fromtimestamp(now, timezone.utc)
    following = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    return following.replace(day=1).timestamp()


def schedule(calls: int, days: float, idle: int, other: Callable[[float], float]) -> int | None:
    """The least minutes between runs with which so many calls last so many days; None if not even a run a day does.

    `idle` is what a run with nothing to do sends, `other(runs a day)` what a day takes besides.
    """
    for minutes in INTERVALS:
        runs = 1440 / minutes
        if (runs * idle + other(runs)) * days <= calls:
            return minutes
    return None


def warning(usage: Usage, now: float) -> str:
    """What a person should know of a month's allowance; "" below 80 % of it."""
    if usage.allowed is None or not usage.stage:
        return ""
    ends = datetime.fromtimestamp(end_of_month(now), timezone.utc)
    days = (end_of_month(now) - now) / _DAY
    until = f"the month ends on {ends:%Y-%m-%d} at 00:00 UTC"
    if usage.stage == 100:
        return (
            f"{usage.service}: all of this month's {usage.allowed:,} calls are used ({usage.used:,}); {until}. Runs go "
            f"on as long as {usage.service} answers"
        )
    minutes = schedule(usage.allowed - usage.used, days, usage.idle, lambda _: usage.other)
    return (
        f"{usage.service}: {usage.used:,} of this month's {usage.allowed:,} calls are used "
        f"({usage.used * 100 // usage.allowed} %); {until}. {_advice(usage, minutes)}"
    )


def _advice(usage: Usage, minutes: int | None) -> str:
    calls = f"{usage.idle} call{'' if usage.idle == 1 else 's'}"
    if minutes is None:
        return (
            f"What is left does not last at the pace of the last 24 hours ({usage.other:,} calls besides {calls} a "
            "run), however seldom it runs"
        )
    besides = f" and {usage.other:,} calls a day for changes and full runs, as in the last 24 hours" * bool(usage.other)
    return f"With {calls} a run{besides}, run every {said_minutes(minutes)} at most"


def said_minutes(minutes: int) -> str:
    """An interval as people say it: minute, 5 minutes, hour, 3 hours, day."""
    if minutes >= 1440 and minutes % 1440 == 0:
        number, unit = minutes // 1440, "day"
    elif minutes >= 60 and minutes % 60 == 0:
        number, unit = minutes // 60, "hour"
    else:
        number, unit = minutes, "minute"
    return unit if number == 1 else f"{number} {unit}s"
