"""A slice of the cases with many requests in flight; `python -m tests.campaign crowds` plays all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.crowds import CROWD, Death, Storm, Together, cases, play

SLICE = (
    Together("reset", "after"),
    Together("504", "after"),
    Together("429", "before"),
    Together("half-json", "after"),
    Together("hang", "after"),
    Death(0, CROWD, lost=False),
    Death(7, CROWD, lost=False),
    Death(CROWD, CROWD, lost=False),
    Death(5, CROWD, lost=True),
    *[case for case in cases(1) if isinstance(case, Storm)][:4],
)


@pytest.mark.parametrize("case", SLICE, ids=str)
def test_what_befalls_many_requests_in_flight_makes_no_second_task_and_loses_no_edit(
    case: Together | Storm | Death, tmp_path: Path
) -> None:
    waited = play(case, tmp_path)
    if not isinstance(case, Storm):
        assert waited == CROWD, "so many creates were in flight at once"
