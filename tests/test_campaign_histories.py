"""A slice of the random histories, the same each time; `make torture` plays thousands."""

from __future__ import annotations

from tests.campaign.histories import play

SLICE = 100


def test_random_histories_keep_every_promise() -> None:
    """People, faults, deaths and lost state in any order: no second task, no lost edit, no false exit code."""
    assert play(SLICE, seed=1) == []
