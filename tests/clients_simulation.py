"""A service's counting and a program's threads, played out in made-up time against a pacer."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clients.pacing import Heard, Pacer

START = 1000.0


@dataclass
class FixedWindow:
    """ClickUp's counting: so many in a minute, from the first call (`aligned` false) or by the clock's minutes."""

    limit: int
    aligned: bool = False
    rounding: Callable[[float], float] = math.floor
    headers: bool = True
    ends: float = 0.0
    used: int = 0
    refused_at: list[float] = field(default_factory=list)

    def take(self, moment: float) -> tuple[bool, dict[str, str]]:
        """A request arrives: whether it is let in, and the answer's headers."""
        if moment >= self.ends:
            self.ends = (moment // 60 + 1) * 60 if self.aligned else moment + 60
            self.used = 0
        let_in = self.used < self.limit
        self.used += let_in
        if not let_in:
            self.refused_at.append(moment)
        said = {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.limit - self.used),
            "x-ratelimit-reset": str(int(self.rounding(self.ends))),
        }
        return let_in, said if self.headers else {}


@dataclass
class SlidingSecond:
    """Airtable's counting at its strictest: no more than five in any second."""

    limit: int = 5
    recent: deque[float] = field(default_factory=deque)
    refused_at: list[float] = field(default_factory=list)

    def take(self, moment: float) -> tuple[bool, dict[str, str]]:
        """A request arrives: whether it is let in, and the answer's headers."""
        while self.recent and self.recent[0] <= moment - 1:
            self.recent.popleft()
        let_in = len(self.recent) < self.limit
        if let_in:
            self.recent.append(moment)
        else:
            self.refused_at.append(moment)
        return let_in, {}


@dataclass
class Played:
    """How it went: seconds from the first start to the last answer, and when the server refused.

    `others_refused_at` are the moments, in seconds from the start, at which it refused another program.
    """

    seconds: float
    refused_at: list[float]
    others_refused_at: list[float] = field(default_factory=list)


class _Game:
    """Threads that ask the pacer, requests on their way there, answers on their way back; the next event first."""

    def __init__(
        self,
        pacer: Pacer,
        server: FixedWindow | SlidingSecond,
        requests: int,
        latency: Callable[[random.Random], float],
        chance: random.Random,
        server_ahead: float,
        first_connection: float,
    ) -> None:
        self.pacer, self.server = pacer, server
        self.requests = requests
        self.todo, self.let_in, self.sent, self.asleep = requests, 0, 0, 0
        self.latency, self.chance, self.server_ahead = latency, chance, server_ahead
        self.first_connection = first_connection
        self.last = 0.0
        self.others_refused_at: list[float] = []
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = itertools.count()

    def at(self, moment: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (moment, next(self.order), what))

    def begin(self, threads: int, moment: float) -> None:
        for _ in range(threads):
            self.at(moment, self.ask)

    def run(self) -> None:
        while self.let_in < self.requests:
            now, _, what = heapq.heappop(self.events)
            what(now)

    def ask(self, now: float) -> None:
        if not self.todo:
            return
        delay = self.pacer.ask(now)
        if delay is None:
            self.asleep += 1
        elif delay > 0:
            self.at(now + delay, self.ask)
        else:
            self.todo -= 1
            there = self.latency(self.chance) / 2 + (0.0 if self.sent else self.first_connection)
            self.sent += 1
            self.at(now + there, lambda moment: self.arrive(now, moment))

    def arrive(self, sent: float, now: float) -> None:
        served, headers = self.server.take(now + self.server_ahead)
        back = now + self.latency(self.chance) / 2
        heard = Heard(sent, back, math.floor(now + self.server_ahead), headers)
        self.at(back, lambda _: self.answered(served, heard))

    def answered(self, served: bool, heard: Heard) -> None:
        if served:
            self.let_in += 1
            self.last = heard.now
            self.pacer.answered(heard)
        else:
            self.todo += 1
            self.pacer.refused(heard, self.chance.random())
        for _ in range(self.asleep + 1):
            self.at(heard.now, self.ask)
        self.asleep = 0

    def other(self, now: float) -> None:
        let_in, _ = self.server.take(now + self.server_ahead)
        if not let_in:
            self.server.refused_at.pop()
            self.others_refused_at.append(now - START)


def play(
    pacer: Pacer,
    server: FixedWindow | SlidingSecond,
    requests: int,
    *,
    threads: int,
    latency: Callable[[random.Random], float],
    chance: random.Random,
    server_ahead: float = 1.79e9,
    others: Sequence[float] = (),
    first_connection: float = 0.0,
) -> Played:
    """Send so many requests from so many threads; a refused one is sent again.

    `others` are moments, from the start, at which another program sends a request; it tries none again.
    `first_connection` delays the very first request on its way there.
    """
    game = _Game(pacer, server, requests, latency, chance, server_ahead, first_connection)
    for moment in others:
        game.at(START + moment, game.other)
    game.begin(threads, START)
    game.run()
    return Played(game.last - START, server.refused_at, game.others_refused_at)


def play_two(
    pacers: tuple[Pacer, Pacer],
    server: FixedWindow,
    requests: int,
    *,
    threads: int,
    latency: Callable[[random.Random], float],
    chance: random.Random,
    apart: float,
) -> Played:
    """Two programs with the same token, the second beginning `apart` seconds later, each with so many requests."""
    first, second = (_Game(pacer, server, requests, latency, chance, 1.79e9, 0.0) for pacer in pacers)
    second.events, second.order = first.events, first.order
    first.begin(threads, START)
    second.begin(threads, START + apart)
    first.run()
    second.run()
    return Played(max(first.last, second.last) - START, server.refused_at)
