"""`python -m benchmarks [ROW ...]`: measure, and print the table as Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time

from benchmarks.rows import QUICK, ROWS, Row, Sizes

_HEAD = ("case", "bound", "goal", "figure", "met")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="How fast the program is, against the stand-in with its limits switched on, in real time.",
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which rows: {', '.join(ROWS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}")
    begun = time.monotonic()
    print(f"{_machine()}{'; small sizes' if options.quick else ''}.\n")
    print(_line(_HEAD))
    print("|---" * len(_HEAD) + "|")
    missed = 0
    for name in options.rows or ROWS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for row in ROWS[name](QUICK if options.quick else Sizes()):
            missed += row.met is False
            print(_line(_cells(row)), flush=True)
    minutes = (time.monotonic() - begun) / 60
    print(f"\n{missed or 'No'} goal{'' if missed == 1 else 's'} missed; measured in {minutes:.0f} minutes.")
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "**no**", None: ""}[row.met]
    return (row.case, row.bound, row.goal, row.figure, met)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine() -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"Seen on {os.cpu_count()} cores ({platform.machine()}), {platform.system()} {platform.release()}, {python}"


if __name__ == "__main__":
    sys.exit(main())
