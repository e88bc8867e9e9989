"""The command line's flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from config import holds_token
from text import visible
from world import is_record_id

VERSION = "1.0.0"
_MOST_DIGITS = 9


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """What a command line asks for. Raises SystemExit where it is wrong, or asks for help or the version."""
    parser = _parser()
    if any(map(holds_token, sys.argv[1:] if argv is None else argv)):
        parser.error(
            "an access token was given, which every user of this machine can see; it belongs into the settings"
        )
    flags = parser.parse_args(argv)
    if flags.live_test and not flags.check:
        parser.error("--live-test goes with --check")
    if flags.yes and not flags.live_test:
        parser.error("--yes goes with --check --live-test")
    if flags.demo and (flags.json or flags.report):
        parser.error("--demo tells a story and has no report")
    if flags.explain and flags.only:
        parser.error("--explain is of one lead; --only goes without it")
    flags.only = list(dict.fromkeys(flags.only))
    return flags


class _Parser(argparse.ArgumentParser):
    """Names what was typed without letting it steer the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m main",
        description="Keep the leads of an Airtable table and the tasks of a ClickUp List in step. Settings come from "
        "the environment or from .env; .env.example explains them.",
        epilog="Exit codes: 0 in step, 1 something failed or is left for the next run, 2 wrong flags or settings, "
        "3 a person is needed, 75 another run is at work.",
        allow_abbrev=False,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="print what a run would do, and write nothing")
    mode.add_argument("--check", action="store_true", help="examine the set-up, read-only")
    mode.add_argument("--demo", action="store_true", help="the whole story on the built-in stand-in; no account needed")
    mode.add_argument("--explain", type=_record_id, metavar="RECORD_ID", help="what a run would do with one lead")
    parser.add_argument(
        "--live-test",
        action="store_true",
        help="goes along with --check and tries the sync and the services once, on a scratch table and List",
    )
    parser.add_argument("--yes", action="store_true", help="let the live test go on without asking")
    parser.add_argument("--full", action="store_true", help="read everything instead of what changed")
    parser.add_argument(
        "--only",
        type=_record_id,
        action="append",
        default=[],
        metavar="RECORD_ID",
        help="only this lead and its task; may be given several times",
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="create N new tasks at most")
    parser.add_argument("--phase", type=int, choices=(1, 2), help="only one direction: 1 to ClickUp, 2 to Airtable")
    parser.add_argument(
        "--force",
        action="store_true",
        help="go on although unusually much would change; set a state file aside that is another table's or List's, or "
        "older than the last run",
    )
    parser.add_argument("--env-file", type=Path, metavar="PATH", help="read settings from this file instead of .env")
    parser.add_argument("--report", type=Path, metavar="PATH", help="write the JSON report to a file")
    parser.add_argument("--json", action="store_true", help="print the JSON report on stdout")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help="say more: each request, each wait")
    amount.add_argument("-q", "--quiet", action="store_true", help="say only what went wrong or was decided")
    parser.add_argument("--no-color", action="store_true", help="no colour; the variable NO_COLOR does the same")
    parser.add_argument("--version", action="version", version=f"airtable-clickup-sync {VERSION}")
    return parser


def _record_id(text: str) -> str:
    if not is_record_id(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no record id; one is rec and 14 letters or digits")
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is no number from 0 up, or too large")
    return int(text)
