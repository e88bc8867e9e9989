"""How long a stage of a run lets the services keep it waiting, so that it ends however they behave."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable, Sequence

# A write may grow old in waiting for its turn, or for another after a refusal, so many times; then the next run has it.
_MOST_ROUNDS = 4
_MOST_REFUSALS = 5
# The seconds that one write may cost in attempts that failed, each of them after its reading had grown old.
_MOST_SECONDS = 120.0
# So many left in a row end the stage.
_MOST_GIVEN_UP = 3


class Patience:
    """Counts what was in vain. May be used from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._rounds: collections.Counter[str] = collections.Counter()
        self._refusals: collections.Counter[str] = collections.Counter()
        self._seconds: collections.Counter[str] = collections.Counter()
        self._left: set[str] = set()
        self._given_up = 0
        self._at_an_end = False

    @property
    def at_an_end(self) -> bool:
        """Whether the stage has to end, for one write was refused too often or too many were given up in a row."""
        return self._at_an_end

    def another_round(self, record_ids: Sequence[str]) -> bool:
        """Whether the write to these records, which grew old in waiting, may wait once more; else it is given up."""
        with self._mutex:
            self._rounds.update(record_ids)
            return self._within(record_ids) or self._give_up(record_ids)

    def has_rounds_left(self, record_ids: Iterable[str]) -> bool:
        """Whether none of these was given up."""
        with self._mutex:
            return self._within(record_ids)

    def refused(self, record_ids: Iterable[str], times: int) -> None:
        """The write to these records was refused so many times more."""
        with self._mutex:
            for record_id in record_ids:
                self._refusals[record_id] += times
                self._at_an_end = self._at_an_end or self._refusals[record_id] >= _MOST_REFUSALS

    def failed(self, record_ids: Sequence[str], seconds: float) -> bool:
        """Whether the write to these records, of which attempts of so many seconds failed, may be tried again."""
        with self._mutex:
            self._seconds.update(dict.fromkeys(record_ids, seconds))
            return all(self._seconds[record_id] < _MOST_SECONDS for record_id in record_ids) or self._give_up(
                record_ids
            )

    def done(self) -> None:
        """A write was carried out."""
        with self._mutex:
            self._given_up = 0

    def _give_up(self, record_ids: Sequence[str]) -> bool:
        if not self._left.issuperset(record_ids):
            self._given_up += 1
        self._left.update(record_ids)
        self._at_an_end = self._at_an_end or self._given_up >= _MOST_GIVEN_UP
        return False

    def _within(self, record_ids: Iterable[str]) -> bool:
        return all(self._rounds[record_id] <= _MOST_ROUNDS for record_id in record_ids)
