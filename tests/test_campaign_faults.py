"""A slice of the campaign of faults; `make torture` plays all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.faults import Case, cases, count_requests, play

SLICE = 41


@pytest.mark.parametrize("load", ["mixed", "first"])
def test_no_fault_at_any_request_makes_a_duplicate_or_loses_a_change(load: str, tmp_path: Path) -> None:
    counting = tmp_path / "counting"
    counting.mkdir()
    chosen: list[Case] = list(cases(load, count_requests(load, counting), seed=1))[::SLICE]
    assert len(chosen) > 10
    for number, case in enumerate(chosen):
        folder = tmp_path / str(number)
        folder.mkdir()
        play(case, folder)
