"""What a terminal shows besides plain lines: a progress bar, and the counts as a table. Imported only for one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
)
from rich.table import Column, Table
from rich.text import Text

from threads import begin

# ClickUp's limit counts by the minute, so the pace of one minute says little about the next.
_PACE_SECONDS = 180.0
_NARROWEST = 40
_REFRESH_SECONDS = 0.1


def console(stream: TextIO, *, color: bool) -> Console:
    """A console that takes every text as it is: no markup, no emoji codes, no colours of its own choice."""
    return Console(file=stream, no_color=not color, highlight=False, markup=False, emoji=False)


def has_room(screen: Console) -> bool:
    """Whether the counts can be read there. COLUMNS may say 0."""
    return screen.width >= _NARROWEST


class _Doing(ProgressColumn):
    """The stage; while the run waits, what for and how many seconds yet. Both at once would not fit on a line."""

    def render(self, task: Task) -> Text:
        seconds = task.fields["until"] - task.get_time()
        return Text(f"{task.fields['waiting']}: {seconds:.0f} s" if seconds > 0 else task.description)


class _TimeLeft(ProgressColumn):
    """The time left at the pace so far, and never less than the wait that is going on."""

    def render(self, task: Task) -> Text:
        if task.time_remaining is None:
            return Text("")
        seconds = round(max(task.time_remaining, task.fields["until"] - task.get_time()))
        return Text(f"{seconds // 60}:{seconds % 60:02} left")


class Screen:
    """Shows how far a run is, what it waits for, and lets messages pass above the bar. Used from many threads."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._console = console(stream, color=color)
        self._progress = Progress(
            SpinnerColumn(),
            _Doing(Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(max_width=30)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            _TimeLeft(Column(no_wrap=True)),
            console=self._console,
            speed_estimate_period=_PACE_SECONDS,
            auto_refresh=False,  # rich's own thread for it ends the program where the machine allows no further one
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._mutex = threading.Lock()
        self._task: TaskID | None = None
        self._closed = threading.Event()
        self._refreshing: threading.Thread | None = None

    def stage(self, name: str, total: int) -> None:
        """A stage begins, with so many steps; 0 if that is not known."""
        with self._mutex:
            if self._task is None:
                self._progress.start()
                self._refreshing = begin(self._refresh, "screen")
            else:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(name, total=total or None, waiting="", until=0.0)

    def step(self, count: int = 1) -> None:
        """Some of its steps are done."""
        with self._mutex:
            if self._task is not None:
                self._progress.update(self._task, advance=count)

    def waiting(self, reason: str, seconds: float) -> None:
        """The run waits for so long."""
        with self._mutex:
            if self._task is not None:
                self._progress.update(self._task, waiting=reason, until=self._progress.get_time() + seconds)

    def say(self, line: str) -> None:
        """A message, above the bar."""
        self._console.out(line)

    def close(self) -> None:
        """Take the bar away."""
        self._closed.set()
        if self._refreshing is not None:
            self._refreshing.join(_REFRESH_SECONDS * 10)
        self._progress.stop()

    def _refresh(self) -> None:
        while not self._closed.wait(_REFRESH_SECONDS):
            self._progress.refresh()


def counts(rows: Sequence[tuple[str, int]]) -> Table:
    """The counts as a table; those of something wrong stand out."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, count in rows:
        wrong = name in ("failed", "left for the next run", "conflicts")
        table.add_row(name, f"{count:,}", style=_style(count, wrong=wrong))
    return table


def _style(count: int, *, wrong: bool) -> str:
    if not count:
        return "dim"
    return "bold red" if wrong else "green"
