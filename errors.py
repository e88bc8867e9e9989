"""What can go wrong, as values with evidence: what happened, and what to do next.

Answers of the two services have kinds of their own, in `clients/errors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence


class SyncError(Exception):
    """Anything that a person can do something about. A bug is never one of these."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(SyncError):
    """Settings or set-up are wrong; `problems` names every fault at once, each with its cure."""

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("; ".join(problems), hint)
        self.problems = tuple(problems)


class StateError(SyncError):
    """The state file or its lock cannot be used: unreadable, of another version, or of another table and List."""


class NotThisState(StateError):
    """The state file is another table's or List's, or older than the last run. `--force` sets it aside."""


class Locked(SyncError):
    """Another run holds the lock of this state file."""


class SafetyStop(SyncError):
    """The world looks wrong; nothing was written and a person has to look."""


class Interrupted(SyncError):
    """A signal or the time budget ended the run before this request was sent."""
