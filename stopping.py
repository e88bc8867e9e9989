"""Ending early: the signals that ask for it, and work that can be left when its time is over."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from clock import Clock
from errors import SyncError
from threads import begin

# What there is after the grace to say what is known.
_LAST_SECONDS = 1.5
_LOOK_UP_SECONDS = 0.2

_T = TypeVar("_T")


class Stopping:
    """The wish that a run stops, and the work that hears of it."""

    def __init__(
        self, clock: Clock, grace: float, on_stop: Callable[[], None], give_up: Callable[[], NoReturn]
    ) -> None:
        """`grace` is how many seconds work may go on once it is asked to end.

        `on_stop` is called once then, in a thread of its own, since whoever reads what it says may hang; `give_up`
        where the work does not end in time.
        """
        self.asked = threading.Event()
        self._asked_at: float | None = None
        self._woken = threading.Event()
        self._ended = threading.Event()
        self._clock = clock
        self._grace = grace
        self._on_stop = on_stop
        self._give_up = give_up

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks the run to stop, the second ends it now.

        Once asked, the process ends when grace and last words are over, whatever its main thread is at: an output that
        nobody reads keeps its lock, and who waits for that hears no signal. Not in effect outside the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        begin(self._watch, "watch")
        before = {number: signal.signal(number, self._told_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._ended.set()
            self._woken.set()

    def _told_to_stop(self, *_: object) -> None:
        if self.asked.is_set():
            os._exit(1)
        self._asked_at = self._clock.monotonic()
        self.asked.set()
        self._woken.set()

    def _watch(self) -> None:
        self._woken.wait()
        if self._ended.is_set():
            return
        begin(self._on_stop, "stopping")
        if not self._ended.wait(self._grace + _LOOK_UP_SECONDS + _LAST_SECONDS):
            os._exit(1)

    def in_a_thread(self, work: Callable[[], _T], grace: float | None = None) -> _T:
        """The work in a daemon thread, so that a signal is heard at once and a request that hangs can be left.

        `grace` is how many seconds this work and what follows may go on, where it needs others than what went before.
        Raises what the work raises, and SyncError where there is no thread to be had.
        """
        self._grace = self._grace if grace is None else grace
        done: list[_T] = []
        failures: list[BaseException] = []

        def carry_out() -> None:
            try:
                done.append(work())
            except BaseException as failure:  # noqa: BLE001 - raised again in the thread that waits
                failures.append(failure)

        thread = begin(carry_out, "sync")
        if thread is None:
            raise SyncError("the machine allows the program no thread", "raise the limit of processes for its user")
        while thread.is_alive():
            thread.join(_LOOK_UP_SECONDS)
            if self._asked_at is not None and self._clock.monotonic() - self._asked_at > self._grace:
                self._give_up()
        if failures:
            raise failures[0]
        return done[0]
