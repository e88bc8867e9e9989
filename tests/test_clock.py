"""The machine's clock on the systems that the program runs on."""

from __future__ import annotations

import runpy
import time

import pytest

import clock

MOMENT = 12_345.0


@pytest.mark.parametrize("missing", [(), ("CLOCK_BOOTTIME",)], ids=["linux", "macos"])
@pytest.mark.skipif(not hasattr(time, "CLOCK_MONOTONIC_RAW"), reason="this system has neither clock")
def test_the_time_that_a_machine_sleeps_counts(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    """Danger: a laptop is shut in mid-run, and hours later a status is written on what was read before. Each system has
    a clock that goes on meanwhile, and Python's own choice is another."""
    goes_on = time.CLOCK_MONOTONIC_RAW if missing else getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC_RAW)
    for name in missing:
        monkeypatch.delattr(time, name, raising=False)
    there = runpy.run_path(str(clock.__file__))
    monkeypatch.setattr(time, "clock_gettime", lambda which: MOMENT if which == goes_on else 0.0)
    assert there["SystemClock"]().monotonic() == MOMENT
