"""Time as an argument, so that no test waits and no decision asks the machine's clock behind our back."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch, seconds that only grow, and waiting."""

    def time(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never runs backwards."""

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        """Wait so long, or until `wake` is set; true if it was set."""


class SystemClock:
    """The machine's own clock.

    Where the system has one, `monotonic` reads the clock that goes on while the machine sleeps: what was read before a
    laptop was shut is old when it is opened. On Linux that is CLOCK_BOOTTIME
    (https://man7.org/linux/man-pages/man2/clock_gettime.2.html), on macOS CLOCK_MONOTONIC_RAW
    (https://reviews.llvm.org/D74341); Python's own choice stands still on both.
    """

    _MONOTONIC = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC_RAW", None))

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic() if self._MONOTONIC is None else time.clock_gettime(self._MONOTONIC)

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        return wake.wait(seconds)
