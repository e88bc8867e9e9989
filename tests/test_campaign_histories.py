"""A slice of the random histories, the same each time; `make torture` plays thousands."""

from __future__ import annotations

import pytest

from tests.campaign.histories import SHIFTED, Histories, play

SLICE = 100


def test_random_histories_keep_every_promise() -> None:
    """People, faults, deaths and lost state in any order: no second task, no lost edit, no false exit code."""
    assert play(SLICE, seed=1) == []


@pytest.mark.parametrize("paging", ["by key", "by position"])
def test_a_history_whose_listings_shift_between_two_pages(paging: str) -> None:
    """Danger: a campaign whose listings all have one page. (`make torture` fails if none shifts by chance.)"""
    SHIFTED.clear()
    history = Histories()
    history.begin(statuses=["NEW", "CONTACTED", None], synced=True, late=0, focus="edits", paging=paging)
    rename = [("lead name", 1, 0)]
    for what in (("task gone", 0), ("task new", 0), ("task edited", 1), ("row new", 0), ("row gone", 0)):
        history.listings_shift(burst=rename, shifts=[what], stirred=False, then=("run", ("--full",), None))
        history.always()
    history.listings_shift(burst=rename, shifts=[("task edited", 0)], stirred=True, then=("run", (), None))
    history.always()
    history.teardown()
    assert SHIFTED == {"task gone": 1, "task new": 1, "task edited": 2, "row new": 1, "row gone": 1}
