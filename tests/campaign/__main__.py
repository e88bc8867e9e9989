"""`python -m tests.campaign`: all of the campaign, with totals at the end; exit 1 if anything failed."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable

from tests.campaign.kills import Totals

PARTS = ("faults", "crowds", "kills", "races", "damage", "answers", "histories", "mutants")


def main() -> int:
    """Play the parts that were asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--seed", type=int, default=1, help="where chance begins")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="processes at once")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    failed = played = 0
    began = time.monotonic()
    for part in asked.parts or PARTS:
        totals, seconds = _played(part, asked.workers, asked.seed)
        played += totals.cases
        failed += len(totals.failures)
        for failure in totals.failures:
            sys.stdout.write(f"FAILED {part}: {failure}\n")
        sys.stdout.write(f"{part}: {totals.cases} cases, {len(totals.failures)} failed, {seconds:.0f} s\n")
        sys.stdout.flush()
    sys.stdout.write(f"in all: {played} cases, {failed} failed, {time.monotonic() - began:.0f} s, seed {asked.seed}\n")
    return 1 if failed else 0


def _played(part: str, workers: int, seed: int) -> tuple[Totals, float]:
    whole: Callable[[int, int], Totals] = importlib.import_module(f"tests.campaign.{part}").whole
    began = time.monotonic()
    totals = whole(workers, seed)
    return totals, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
