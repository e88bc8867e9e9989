"""`python -m sandbox`: serve both services until stopped."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
from pathlib import Path

from sandbox.leads import load
from sandbox.server import Sandbox

_MOST_MILLISECONDS = 600_000


def main() -> int:
    options = _parser().parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        columns, rows = load(options.leads) if options.leads else ([], [])
        sandbox = Sandbox(
            port=options.port,
            latency=options.latency / 1000,
            clickup_limit=options.clickup_limit,
            airtable_limit=options.airtable_limit,
            plan=options.plan,
            on_complaint=lambda text: print(f"sandbox: {text}", file=sys.stderr, flush=True),
        )
    except (OSError, OverflowError, ValueError) as error:
        print(f"sandbox: {error}; look at --port and --leads", file=sys.stderr)
        return 2
    with sandbox:
        if options.leads:
            sandbox.airtable.define_fields(columns)
        for row in rows:
            sandbox.airtable.add_record(row)
        for name, value in sandbox.settings().items():
            print(f"{name}={value}")
        sys.stdout.flush()
        stop.wait()
    return 0


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST_MILLISECONDS:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number from 0 to {_MOST_MILLISECONDS:,}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A stand-in for Airtable and ClickUp on 127.0.0.1. Prints the settings to reach it, then serves "
        "until stopped.",
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port to listen on (default: a free one)")
    parser.add_argument("--leads", type=Path, metavar="FILE", help="leads to start with: a JSON list of objects or CSV")
    parser.add_argument("--latency", type=_milliseconds, default=0, metavar="MS", help="milliseconds for each answer")
    parser.add_argument("--clickup-limit", type=int, default=100, metavar="N", help="requests a minute (0: no limit)")
    parser.add_argument("--airtable-limit", type=float, default=5, metavar="N", help="requests a second (0: no limit)")
    parser.add_argument("--plan", choices=("free", "business"), default="business", help="the ClickUp plan")
    return parser


if __name__ == "__main__":
    sys.exit(main())
