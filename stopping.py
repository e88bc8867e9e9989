"""Ending early: the signals that ask for it, and work that can be left when its time is over."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from clock import Clock

# What there is after the grace to say what is known.
LAST_SECONDS = 1.5
_LOOK_UP_SECONDS = 0.2

_T = TypeVar("_T")


class Stopping:
    """The wish that a run stops, and the work that hears of it."""

    def __init__(self, clock: Clock, on_stop: Callable[[], None], give_up: Callable[[], NoReturn]) -> None:
        """`on_stop` is called once when work is asked to end, in a thread of its own, since whoever reads what it says
        may hang; `give_up` where it does not end in time.
        """
        self.asked = threading.Event()
        self._asked_at: float | None = None
        self._grace = 0.0
        self._clock = clock
        self._on_stop = on_stop
        self._give_up = give_up

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks the run to stop, the second ends it now."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._told_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told_to_stop(self, *_: object) -> None:
        if self.asked.is_set():
            os._exit(1)
        self._asked_at = self._clock.monotonic()
        self.asked.set()
        # Whatever holds up the main thread: an output that nobody reads, with its lock, lets no signal through.
        end_after(self._grace + _LOOK_UP_SECONDS + LAST_SECONDS)

    def in_a_thread(self, work: Callable[[], _T], grace: float) -> _T:
        """The work in a daemon thread, so that a signal is heard at once and a request that hangs can be left, after
        `grace` seconds.
        """
        self._grace = grace
        done: list[_T] = []
        failures: list[BaseException] = []

        def carry_out() -> None:
            try:
                done.append(work())
            except BaseException as failure:  # noqa: BLE001 - raised again in the thread that waits
                failures.append(failure)

        thread = threading.Thread(target=carry_out, name="sync", daemon=True)
        thread.start()
        told = False
        while thread.is_alive():
            thread.join(_LOOK_UP_SECONDS)
            if self._asked_at is None:
                continue
            if not told:
                threading.Thread(target=self._on_stop, daemon=True).start()
                told = True
            if self._clock.monotonic() - self._asked_at > grace:
                self._give_up()
        if failures:
            raise failures[0]
        return done[0]


def end_after(seconds: float) -> None:
    """The program ends after so long, whatever its threads are at."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()
