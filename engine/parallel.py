"""Doing several things at once, where a bug in one of them still crashes the run with its traceback."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from clock import Clock
from threads import begin

_T = TypeVar("_T")
# Nothing wakes a waiting thread when a clock that stands still is moved, or the run is told to stop.
_LOOK_UP = 0.1


class Crew:
    """Threads that share one stream of work, and end with it.

    They are daemons: a request that hangs must not keep a stopped program alive. `size` is asked before each piece of
    work; the crew takes on one thread at a time until it has so many, and lets go of those beyond. A machine may allow
    no more threads: then it stays as large as it is, and who waits for a crew without any does the work.
    """

    def __init__(self, name: str, tasks: Iterable[Callable[[], None]], size: Callable[[], int]) -> None:
        self._name = name
        self._tasks: Iterator[Callable[[], None]] = iter(tasks)
        self._size = size
        self._mutex = threading.Lock()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._working = 0
        with self._mutex:
            self._take_on()
            self.started = self._working == 1

    def join(self) -> None:
        """Wait for all of it; raises what one of them raised."""
        if not self.started:
            self._working = 1
            self._work()
        while thread := self._somebody():
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _somebody(self) -> threading.Thread | None:
        with self._mutex:
            return self._threads.pop() if self._threads else None

    def _take_on(self) -> None:
        thread = begin(self._work, self._name)
        if thread is not None:
            self._threads.append(thread)
            self._working += 1

    def _next(self) -> Callable[[], None] | None:
        with self._mutex:
            size = max(1, self._size())
            task = None if self._failure is not None or self._working > size else next(self._tasks, None)
            if task is None:
                self._working -= 1
            elif self._working < size:
                self._take_on()
            return task

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                task()
        except BaseException as failure:  # noqa: BLE001 - handed on to the thread that waits
            with self._mutex:
                self._failure = self._failure or failure


class Outbox(Generic[_T]):
    """Things that some threads make and others carry away in batches: full ones, or smaller ones once something has
    waited for `patience` seconds. Whoever puts waits while more than `most` are there, unless `stop` is set."""

    def __init__(self, clock: Clock, stop: threading.Event, *, batch: int, patience: float, most: int) -> None:
        self._clock = clock
        self._stop = stop
        self._batch = batch
        self._patience = patience
        self._most = most
        self._changed = threading.Condition()
        self._waiting: collections.deque[tuple[float, _T]] = collections.deque()
        self._closed = False

    def put(self, thing: _T) -> None:
        """Add it to what waits."""
        with self._changed:
            self._waiting.append((self._clock.monotonic(), thing))
            self._changed.notify_all()
            while len(self._waiting) > self._most and not self._closed and not self._stop.is_set():
                self._changed.wait(_LOOK_UP)

    def close(self) -> None:
        """Nothing more will come, or nothing more will be carried away."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def batches(self) -> Iterator[list[_T]]:
        """Each batch as soon as it is due, until all is carried away and the outbox is closed."""
        while batch := self._take():
            yield batch

    def _take(self) -> list[_T]:
        with self._changed:
            while not self._is_due() and not self._closed:
                self._changed.wait(_LOOK_UP)
            size = min(self._batch, len(self._waiting))
            batch = [self._waiting.popleft()[1] for _ in range(size)]
            self._changed.notify_all()
            return batch

    def _is_due(self) -> bool:
        if len(self._waiting) >= self._batch:
            return True
        return bool(self._waiting) and self._clock.monotonic() >= self._waiting[0][0] + self._patience


def both(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Two things side by side."""
    Crew("both", (first, second), lambda: 2).join()


def each(items: Iterable[_T], work: Callable[[_T], None], size: Callable[[], int]) -> None:
    """One thing for each item, so many at once."""
    waiting = list(items)
    if len(waiting) <= 1:
        for item in waiting:
            work(item)
        return
    Crew("each", (_bound(work, item) for item in waiting), lambda: min(size(), len(waiting))).join()


def _bound(work: Callable[[_T], None], item: _T) -> Callable[[], None]:
    return lambda: work(item)
