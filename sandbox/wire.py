"""What passes between the loopback server and the two services behind it: requests, answers, the one clock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is decoded and split at slashes below the service's prefix; `query` keeps repeats."""

    number: int
    service: str
    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    raw: bytes

    def one(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        found = [value for key, value in self.query if key == name]
        return found[-1] if found else default

    def many(self, name: str) -> list[str]:
        """Every value of a repeated query parameter, in order."""
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `body` is encoded as JSON unless it is bytes already; None is an empty body."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as bytes on the wire."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class Clock:
    """The stand-in's one clock: the machine's, or one that stands still until it is told to move.

    A standing clock can be handed to the program under test as well: waiting on it moves it on and takes no time.
    """

    def __init__(self, start: float | None = None) -> None:
        self._now = start
        self._moved = threading.Condition()

    def time(self) -> float:
        """Unix seconds."""
        if self._now is None:
            return time.time()
        with self._moved:
            return self._now

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic() if self._now is None else self.time()

    def milliseconds(self) -> int:
        """Unix milliseconds."""
        return int(self.time() * 1000)

    def advance(self, seconds: float) -> None:
        """Move a standing clock on."""
        with self._moved:
            if self._now is None:
                raise RuntimeError("this clock is the machine's and cannot be moved")
            self._now += max(0.0, seconds)

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        """Wait as the program's own clock would; a standing clock only moves on."""
        if self._now is None:
            return wake.wait(seconds)
        if not wake.is_set():
            self.advance(seconds)
        return wake.is_set()
