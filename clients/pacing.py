"""When the next request may be sent, so that no limit is met. Arithmetic only: no clock, no thread, no network.

Times called `now` are seconds of a clock that only grows; `date` is the service's own clock. A pacer is not locked: its
user calls it under one lock and does the waiting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

# Five requests a second for a base, and 30 seconds of silence after a refusal.
# https://support.airtable.com/docs/managing-api-call-limits-in-airtable
AIRTABLE_STARTS = 5
AIRTABLE_SILENCE = 30.0
_LONGEST_SILENCE = 120.0
_ENOUGH_ANSWERS = 10
_COUNTED = 1.01
_ARRIVED_AFTER = 2.0

# https://developer.clickup.com/docs/rate-limits
CLICKUP_WINDOW = 60.0
_SMALLEST_LIMIT = 100
_LONGEST_WAIT = 65.0
_ROUNDING = 1.0
_SAME_WINDOW = 5.0
_PROBE_PATIENCE = 5.0
_HEADROOM = 0.02
_WORTH_A_LOOK = 0.1
_LOOK_AGAIN = 5.0
_FIRST_BARE_WAIT = 5.0
_LONGEST_BARE_WAIT = 60.0
_SOON = 0.001
_FEW = 4
_YEAR_2000 = 946_684_800
_YEAR_2200 = 7_258_118_400


class Heard(NamedTuple):
    """An answer, as far as pacing goes.

    `sent` is the `now` with which its request was let go, `now` when the answer arrived, `date` its `Date` in Unix
    seconds; header names are lower-case.
    """

    sent: float
    now: float
    date: float
    headers: Mapping[str, str]


class Pacer(Protocol):
    """Asked before each request, told how each one ended."""

    def ask(self, now: float) -> float | None:
        """0.0: send now, it is counted. More: ask again after so many seconds. None: after the next answer."""

    def answered(self, heard: Heard) -> None:
        """An answer other than a refusal came."""

    def refused(self, heard: Heard, jitter: float) -> None:
        """The request was refused for asking too often (429). `jitter` is a random number from 0 to 1."""

    def lost(self, sent: float, reached: bool) -> None:
        """The request let go at `sent` ended without an answer; `reached` is false where it surely never got to the
        service."""


class AirtablePacer:
    """Five requests in any second, as Airtable counts them; 30 seconds of silence after a refusal.

    What counts is when requests arrive, and the network, or a connection that has to be opened first, may delay
    one more than the next. So each request takes one of five places, and gives it back a second after it can have
    arrived at the latest: when its answer came, less the shortest time that any request takes there and back. If all
    take equally long, that is a second after its start. The shortest time is that of the answers so far, less a margin
    that shrinks as they grow in number: 0.1 + 20 / number of what they take longer on average; none is counted on until
    there are ten. A request that failed gives its place back after two seconds. So does one that is still without an
    answer, but only when all places are taken by such: it has arrived at once, for all that matters here.

    A refusal says that somebody else uses the base as well: from then on there are two places, and one after another
    refusal.
    """

    def __init__(self) -> None:
        # For each request that holds a place when it can have arrived at the latest; None until its answer is there.
        self._held: dict[float, float | None] = {}
        self._lost: set[float] = set()
        self._places = AIRTABLE_STARTS
        self._last = -math.inf
        self._answers = 0
        self._shortest = math.inf
        self._average = 0.0
        self._silent_until = -math.inf

    def ask(self, now: float) -> float | None:
        self._give_back(now)
        ready = max(self._silent_until, self._last + self._apart())
        if len(self._held) >= self._places:
            known = [back for start in self._held if (back := self._back_at(start)) is not None]
            if not known and now < min(self._held) + _ARRIVED_AFTER:
                return None
            ready = max(ready, min(known, default=now))
        if now < ready:
            return max(ready - now, _SOON)
        if len(self._held) >= self._places:
            del self._held[min(self._held)]
        self._held[now] = None
        self._last = now
        return 0.0

    def answered(self, heard: Heard) -> None:
        took = heard.now - heard.sent
        self._answers += 1
        self._shortest = min(self._shortest, took)
        self._average += (took - self._average) / self._answers
        if heard.sent in self._held:
            self._held[heard.sent] = heard.now - self._surely_under_way()

    def refused(self, heard: Heard, jitter: float) -> None:
        self.answered(heard)
        asked_for = retry_after(heard.headers, heard.date) or 0.0
        silence = min(max(AIRTABLE_SILENCE, asked_for), _LONGEST_SILENCE)
        if heard.now >= self._silent_until:
            self._places = max(1, self._places // 2)
        self._silent_until = max(self._silent_until, heard.now + silence + jitter)

    def lost(self, sent: float, reached: bool) -> None:
        if not reached:
            self._held.pop(sent, None)
        elif sent in self._held:
            self._lost.add(sent)

    def _give_back(self, now: float) -> None:
        for start in list(self._held):
            back = self._back_at(start)
            if back is not None and now >= back:
                del self._held[start]
                self._lost.discard(start)

    def _back_at(self, start: float) -> float | None:
        """When the place is given back; None while an answer to come decides that."""
        arrived = self._held[start]
        if arrived is not None:
            return arrived + _COUNTED
        return start + _ARRIVED_AFTER if start in self._lost else None

    def _surely_under_way(self) -> float:
        """What every request takes there and back together."""
        if self._answers < _ENOUGH_ANSWERS:
            return 0.0
        margin = (self._average - self._shortest) * (0.1 + 20 / self._answers)
        return max(0.0, self._shortest - margin)

    def _apart(self) -> float:
        """Alone, close to each other, so that a place that was free late is made up for; else evenly."""
        even = _COUNTED / self._places
        return even / 4 if self._places == AIRTABLE_STARTS else even


@dataclass
class _Window:
    """One minute of ClickUp's counting. `reset` and `heard`, when it last said how many are left, are in its clock.

    `left` never grows; `sent` is ours, at most, and `others` is what others have sent, at least.
    """

    limit: int
    reset: float
    heard: float
    left: int
    sent: int
    others: int

    def others_a_second(self, until: float) -> float:
        """At which rate others have sent, from the window's beginning until this moment of its clock."""
        return self.others / max(1.0, until - (self.reset - CLICKUP_WINDOW))


class ClickUpPacer:
    """Spends each window's budget as fast as it is asked to, then waits for the next window.

    ClickUp counts requests in windows of a minute and says in every answer how many a window holds, how many are
    left and when it ends. https://developer.clickup.com/docs/rate-limits

    - While the window is unknown, one request alone is on its way (another after 5 s, should it hang): the probe.
      Its answer opens the window.
    - In a window a request may go while `Remaining` (the least seen) exceeds the requests still in flight, and the
      limit exceeds what we have sent. Each request in flight is taken as not counted yet, so no order of answers
      leads to one too many.
    - When it is spent, wait until ClickUp's clock is surely past the end: `Reset` is in whole seconds and may have
      been cut, so one second later. Its clock is known from below: the largest `Date` minus our time of arrival
      over two windows. The local clock is not used.
    - Any answer with a later `Reset` opens the next window, so a run that never spends a window never stops for a
      probe. Requests in flight then count as sent in both windows.
    - When ClickUp has counted more than we have sent, another program shares the token: for this window and the
      next it is left what it will use if it goes on as in this window or the one before, whichever is more, up to
      half; 2 % stay unspent, and at most a quarter of what may be spent is in flight, which narrows to one towards the
      end. Should it fall silent, a single request finds that out once it can have left a tenth of the limit unused.
    - A refusal means silence until its `Reset` and up to a second more, so that two programs do not come back
      together; without `Reset`, 5 s, doubling up to a minute.
    - If an answer lacks the headers, the smallest documented limit (100 a minute) is assumed.

    `limit` is how many requests a window holds, as far as that is known.
    """

    def __init__(self) -> None:
        self.limit = _SMALLEST_LIMIT
        self._window: _Window | None = None
        self._in_flight = 0
        self._others_before = 0.0
        self._probe_sent = -math.inf
        self._probe_until = -math.inf
        self._silent_until = -math.inf
        self._bare_refusals = 0
        self._ahead = -math.inf
        self._ahead_before = -math.inf

    def ask(self, now: float) -> float | None:
        if now < self._silent_until:
            return max(self._silent_until - now, _SOON)
        window = self._current(now)
        if window is None:
            return self._probe(now)
        free = self._free(window, now)
        if (free > 0 and self._in_flight < self._most_in_flight(window, free)) or self._worth_a_look(window, now):
            window.sent += 1
            self._in_flight += 1
            return 0.0
        if free > 0:
            return None
        until_reset = window.reset + _ROUNDING - self._server_time(now)
        longest = _LOOK_AGAIN if window.left > window.limit * _HEADROOM else _LONGEST_WAIT
        return min(max(until_reset, _SOON), longest)

    def answered(self, heard: Heard) -> None:
        self._in_flight -= 1
        self._bare_refusals = 0
        self._note(heard)

    def refused(self, heard: Heard, jitter: float) -> None:
        self._in_flight -= 1
        # Somebody is there, whatever we have counted.
        self._others_before = max(self._others_before, 1 / CLICKUP_WINDOW)
        if "x-ratelimit-reset" in heard.headers:
            self._note(heard._replace(headers={**heard.headers, "x-ratelimit-remaining": "0"}))
            silence = _reset(heard) - heard.date + _ROUNDING
        else:
            self._window = None
            self._probe_until = -math.inf
            silence = retry_after(heard.headers, heard.date) or self._bare_wait(heard.now)
        silence = min(max(silence, 1.0) + jitter, _LONGEST_WAIT)
        self._silent_until = max(self._silent_until, heard.now + silence)

    def lost(self, sent: float, reached: bool) -> None:
        self._in_flight -= 1
        if self._window is None:
            if sent == self._probe_sent:
                self._probe_until = -math.inf
        elif reached:
            self._window.left -= 1
        else:
            self._window.sent -= 1

    def _current(self, now: float) -> _Window | None:
        window = self._window
        if window is not None and self._server_time(now) >= window.reset + _ROUNDING:
            self._others_before = window.others_a_second(window.heard)
            self._window = None
        return self._window

    def _probe(self, now: float) -> float | None:
        if now < self._probe_until:
            return None
        self._probe_sent, self._probe_until = now, now + _PROBE_PATIENCE
        self._in_flight += 1
        return 0.0

    def _free(self, window: _Window, now: float) -> int:
        """What may still be spent in this window, some of it perhaps in flight."""
        if self._is_shared(window):
            return self._beside_others(window, now, window.heard)
        return min(window.left, window.limit - window.sent + self._in_flight)

    def _is_shared(self, window: _Window) -> bool:
        return window.others > 0 or self._others_before > 0

    def _beside_others(self, window: _Window, now: float, since: float) -> int:
        """What others are unlikely to want of this window, if what is `left` was left at this moment of its clock."""
        a_second = max(self._others_before, window.others_a_second(self._server_time(now)))
        fair = min(a_second, window.limit / 2 / CLICKUP_WINDOW)
        return math.floor(window.left - window.limit * _HEADROOM - fair * max(0.0, window.reset - since))

    def _worth_a_look(self, window: _Window, now: float) -> bool:
        """Whether others would leave much unused if they had sent nothing since the last answer."""
        if self._in_flight or not self._is_shared(window):
            return False
        return self._beside_others(window, now, self._server_time(now)) >= max(1.0, window.limit * _WORTH_A_LOOK)

    def _most_in_flight(self, window: _Window, free: int) -> int:
        return max(1, free // 4) if self._is_shared(window) else free

    def _note(self, heard: Heard) -> None:
        self._ahead = max(self._ahead, heard.date - heard.now)
        limit, left = _whole(heard.headers, "x-ratelimit-limit"), _whole(heard.headers, "x-ratelimit-remaining")
        window = self._window
        if limit is None or left is None or limit <= 0:
            if window is not None:
                window.left -= 1
            else:
                self._open(heard.now, _SMALLEST_LIMIT, _SMALLEST_LIMIT - 1, heard.date + CLICKUP_WINDOW)
            return
        reset = _reset(heard)
        if window is None or reset > window.reset + _SAME_WINDOW:
            if reset + _ROUNDING > self._server_time(heard.now):
                self._open(heard.now, limit, left, reset)
        elif reset >= window.reset - _SAME_WINDOW:
            window.limit = self.limit = limit
            window.left = min(window.left, left)
            window.heard = self._server_time(heard.now)
            window.others = max(window.others, limit - left - window.sent)
        if self._window is None:
            self._probe_until = -math.inf

    def _open(self, now: float, limit: int, left: int, reset: float) -> None:
        if self._window is not None:
            self._others_before = self._window.others_a_second(self._window.heard)
        sent = 1 + self._in_flight
        self.limit = limit
        others = max(0, limit - left - sent)
        self._window = _Window(limit, reset, self._server_time(now), left, sent, others)
        self._probe_until = -math.inf
        self._ahead_before, self._ahead = self._ahead, -math.inf

    def _server_time(self, now: float) -> float:
        """ClickUp's clock is surely this far."""
        return now + max(self._ahead, self._ahead_before)

    def _bare_wait(self, now: float) -> float:
        if now >= self._silent_until:
            self._bare_refusals += 1
        doublings = max(0, self._bare_refusals - 1)
        return min(_FIRST_BARE_WAIT * 2.0**doublings, _LONGEST_BARE_WAIT)


def in_flight(latency: float, per_minute: int, most: int) -> int:
    """How many requests have to be under way at once for a budget of so many a minute to be spent, with answers that
    take `latency` seconds; a quarter more, since some take longer.

    A small budget is spent in a burst, at the pace at which Airtable takes back the ids of new tasks: ten a request.
    """
    per_second = max(per_minute / CLICKUP_WINDOW, 10 * AIRTABLE_STARTS)
    return min(most, max(_FEW, math.ceil(1.25 * per_second * latency)))


def retry_after(headers: Mapping[str, str], date: float) -> float | None:
    """The seconds that `Retry-After` asks for, given as seconds or as a date; None where it is absent or unreadable.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    said = headers.get("retry-after", "").strip()
    seconds = float(said) if said.isascii() and said.isdigit() and len(said) < 10 else None
    if seconds is None and said:
        moment = http_date(said)
        seconds = moment - date if moment is not None else None
    return max(0.0, seconds) if seconds is not None else None


def http_date(said: str) -> float | None:
    """The Unix seconds of a date as HTTP writes it; None where it is none, or too far from today to be
    meant: years beyond four digits cannot even be written down."""
    try:
        moment = parsedate_to_datetime(said).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment if _YEAR_2000 <= moment < _YEAR_2200 else None


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    said = headers.get(name, "").strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None


def _reset(heard: Heard) -> float:
    """When the window ends in the service's clock; a whole window from now where the header cannot be that."""
    reset = _whole(heard.headers, "x-ratelimit-reset") or 0
    plausible = heard.date - _SAME_WINDOW <= reset <= heard.date + 2 * CLICKUP_WINDOW
    return float(reset) if plausible else heard.date + CLICKUP_WINDOW
