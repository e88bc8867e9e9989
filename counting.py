"""What a run has sent and waited for, and what the month has cost so far."""

from __future__ import annotations

import json
import logging

from budget import Cost, Usage, month_of, predict, usage_of, warning, work_of
from clients.http import Http
from clock import Clock
from config import Settings
from errors import StateError
from models import Outcome
from report import moment
from state import State

_DAY = 86_400.0

log = logging.getLogger("sync")


class Counts:
    """One command's requests and time, from the moment that this is made; and the month's, as the state knows them.

    What is given by service has the keys "airtable" and "clickup". `usage` is None until a state has been asked;
    `said_once` is what this run is the first of the month to say.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.started_at = clock.time()
        self._started = clock.monotonic()
        self._https: dict[str, list[Http]] = {"airtable": [], "clickup": []}
        self.usage: dict[str, Usage] | None = None
        self.said_once: list[str] = []

    def add(self, to_airtable: Http, to_clickup: Http) -> None:
        """What is sent through these counts as well."""
        self._https["airtable"].append(to_airtable)
        self._https["clickup"].append(to_clickup)

    def seconds(self) -> float:
        """The time so far."""
        return self._clock.monotonic() - self._started

    def requests(self) -> dict[str, int]:
        """How many were sent, by service."""
        return {service: sum(http.requests for http in https) for service, https in self._https.items()}

    def waited(self) -> dict[str, float]:
        """How many seconds, by service."""
        return {service: sum(http.waited for http in https) for service, https in self._https.items()}

    def warnings(self) -> list[str]:
        """What there is to say of the month's calls, by service."""
        texts = [warning(each, self.started_at) for each in (self.usage or {}).values()]
        return [text for text in texts if text]

    def price(self, outcome: Outcome, seconds: float, clickup_per_minute: int) -> Cost | None:
        """What a run will take whose plan this is: it reads what this one has read, and then writes."""
        if outcome.plan is None:
            return None
        reads = self.requests()
        work = work_of(
            outcome.plan,
            airtable_reads=reads["airtable"],
            clickup_reads=reads["clickup"],
            reading_seconds=seconds,
            doubt=outcome.doubt,
        )
        return predict(work, clickup_per_minute=clickup_per_minute)

    def keep_run(self, settings: Settings, state: State, code: int, full: bool) -> None:
        """This run's line in the history, the month so far, and what is new to say of it."""
        try:
            state.keep_run(
                started_at=moment(self.started_at),
                seconds=self.seconds(),
                exit_code=code,
                full=full,
                **self.requests(),
            )
            self.note_usage(settings, state, counted=True)
            self.said_once = self._not_said_before(state)
        except StateError as error:
            log.warning("what this run sent could not be counted: %s", error)

    def note_usage(self, settings: Settings, state: State, *, counted: bool) -> None:
        """What the month has cost so far. What only looks is not `counted` in the state: it adds itself."""
        own = dict.fromkeys(("airtable", "clickup"), 0) if counted else self.requests()
        used = state.requests_in_month(month_of(self.started_at))
        runs, *day = state.runs_since(moment(self.started_at - _DAY))
        self.usage = {
            "airtable": usage_of(
                "Airtable",
                used=used[0] + own["airtable"],
                allowed=settings.airtable_monthly_calls,
                idle=2 if settings.view else 1,
                day=(runs, day[0]),
            ),
            "clickup": usage_of(
                "ClickUp",
                used=used[1] + own["clickup"],
                allowed=settings.clickup_monthly_calls,
                idle=1,
                day=(runs, day[1]),
            ),
        }

    def _not_said_before(self, state: State) -> list[str]:
        """The warnings that are new this month: with -q each is told once, since that may be read by mail."""
        said: dict[str, int] = json.loads(state.value("said_of_month") or "{}")
        month = month_of(self.started_at)
        new = []
        for service, usage in (self.usage or {}).items():
            key = f"{month} {service} {usage.allowed}"
            if usage.stage > said.get(key, 0):
                new.append(warning(usage, self.started_at))
                said[key] = usage.stage
        if new:
            now = {key: stage for key, stage in said.items() if key.startswith(month)}
            state.keep_values({"said_of_month": json.dumps(now)})
        return new
