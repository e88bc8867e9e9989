"""Doing several things at once, where a bug in one of them still crashes the run with its traceback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


class Crew:
    """Threads that share one stream of work, and end with it.

    They are daemons: a request that hangs must not keep a stopped program alive.
    """

    def __init__(self, name: str, tasks: Iterable[Callable[[], None]], size: int) -> None:
        self._tasks: Iterator[Callable[[], None]] = iter(tasks)
        self._mutex = threading.Lock()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for all of it; raises what one of them raised."""
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _next(self) -> Callable[[], None] | None:
        with self._mutex:
            if self._failure is not None:
                return None
            return next(self._tasks, None)

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                task()
        except BaseException as failure:  # noqa: BLE001 - handed on to the thread that waits
            with self._mutex:
                self._failure = self._failure or failure


def both(first: Callable[[], None], second: Callable[[], None]) -> None:
    """Two things side by side."""
    Crew("both", (first, second), 2).join()


def each(items: Iterable[_T], work: Callable[[_T], None], workers: int) -> None:
    """One thing for each item, so many at once."""
    waiting = list(items)
    size = min(workers, len(waiting))
    if size <= 1:
        for item in waiting:
            work(item)
        return
    Crew("each", (_bound(work, item) for item in waiting), size).join()


def _bound(work: Callable[[_T], None], item: _T) -> Callable[[], None]:
    return lambda: work(item)
