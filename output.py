"""Where a run's words go: streams, plain lines where there is no terminal, and the report's file."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from config import Given, same_file
from engine import Progress
from errors import ConfigError
from state import files_beside
from text import visible


def forgiving(stream: TextIO | None) -> TextIO:
    """A stream that shows a letter which its encoding does not have as an escape, and that never fails; of a closed
    one, nowhere: whatever is written there is lost."""
    if stream is None:
        # Opened and kept: what is opened next gets the number of the closed stream, and a crash would write into it.
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
        return cast("TextIO", _Forgiving(nowhere, failed=True))
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return cast("TextIO", _Forgiving(stream))


def has_failed(stream: TextIO) -> bool:
    """Whether something that was written to a forgiving stream got lost."""
    return isinstance(stream, _Forgiving) and stream.failed


class _Forgiving:
    """Says it, if there is anybody: a closed pipe, a full disk or a terminal that went away must not stop the sync."""

    def __init__(self, stream: TextIO, *, failed: bool = False) -> None:
        self._stream = stream
        self.failed = failed

    def write(self, text: str) -> int:
        with self._to_nobody_if_it_fails():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._to_nobody_if_it_fails():
            self._stream.flush()

    @contextlib.contextmanager
    def _to_nobody_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):
            # Nothing more can be told there, and the interpreter must not try at its end.
            self.failed = True
            with contextlib.suppress(OSError, ValueError):
                number = self._stream.fileno()
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Show(Progress, Protocol):
    """Who shows how far a run is, and its messages meanwhile."""

    def waiting(self, reason: str, seconds: float) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


class Lines:
    """Progress without a terminal: a line for each stage."""

    def __init__(self, say: Callable[[str], None], *, quiet: bool) -> None:
        self._say = say
        self._quiet = quiet
        self._last = ""

    def stage(self, name: str, total: int) -> None:
        line = f"{name} ({total:,})" if total else name
        if not self._quiet and line != self._last:  # what is read once more is no stage of its own
            self._say(line)
        self._last = line

    def step(self, count: int = 1) -> None:
        """Not worth a line."""

    def waiting(self, reason: str, seconds: float) -> None:
        """The log tells it to those who want to know."""

    def say(self, line: str) -> None:
        self._say(line)

    def close(self) -> None:
        """Nothing to take away."""


class ToLines(logging.Handler):
    """Log messages as plain lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(visible(record.getMessage()))


# --- the report's file ------------------------------------------------------------------------------------------------


def report_file(path: Path | None, given: Given) -> Path | None:
    """Where the report goes, which is never a file that the program lives on. Raises ConfigError."""
    target = _writable(path)
    if target is None:
        return None
    own = [given.env_file]
    with contextlib.suppress(OSError, ValueError):  # no usable path, which the settings tell
        own.extend(files_beside(given.state_file))
    if any(same_file(target, each) for each in own):
        raise ConfigError(
            [f"--report: {path} holds the settings or the state of the sync"], "give the path of another file"
        )
    return target


def refuse_settings_beside_state(given: Given) -> None:
    """Raises ConfigError where the settings file has the name of one that SQLite or the lock keeps beside the state."""
    if any(same_file(each, given.env_file) for each in files_beside(given.state_file)):
        raise ConfigError(
            [f"SYNC_STATE_FILE: the program keeps a file of its own where {given.env_file} is, with your settings"],
            "give the path of another state file, or the settings file another name",
        )


def _writable(path: Path | None) -> Path | None:
    """The file that the report goes to. Raises ConfigError where none can be written."""
    if path is None:
        return None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise ConfigError([f"--report: {path} is no file"], "give the path of a file")
        _temporary(target.parent).unlink()
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            [f"--report: {path} cannot be written: {reason}"], "give a path in a folder of yours"
        ) from error
    return target


def write_whole(path: Path, text: str) -> None:
    """Write a file so that others see the old one or the whole new one; only its owner can read it."""
    temporary = _temporary(path.parent)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _temporary(folder: Path) -> Path:
    number, name = tempfile.mkstemp(prefix=".report-", dir=folder)
    os.close(number)
    return Path(name)
