"""A machine that allows the program few threads, as a container or a shared host may: it is slower, and no worse."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable

import pytest

from terminal import Screen
from tests.campaign.wire import DirectScene

SHARED = frozenset({"both", "each", "clickup", "airtable"})


def allow(patch: pytest.MonkeyPatch, most: int, names: Iterable[str] = SHARED) -> None:
    """The machine starts so many threads of these names, and refuses every further one."""
    start, counted = threading.Thread.start, frozenset(names)
    begun: list[str] = []

    def refuse_more(self: threading.Thread) -> None:
        if self.name in counted:
            if len(begun) >= most:
                raise RuntimeError("can't start new thread")
            begun.append(self.name)
        start(self)

    patch.setattr(threading.Thread, "start", refuse_more)


@pytest.mark.parametrize("most", [3, 4, 5, 8])
def test_a_backfill_works_with_the_threads_that_it_gets(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Danger: the refusal of one more thread ends the run with a traceback, and so does every later run."""
    for number in range(40):
        direct.lead("NEW", f"Lead {number}")
    with monkeypatch.context() as patch:
        allow(patch, most)
        run = direct.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 40), run.messages
    direct.quiet()


def test_updates_need_no_thread_of_their_own(direct: DirectScene, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [direct.pair("NEW", name=f"Lead {number}") for number in range(5)]
    for lead, task in pairs:
        direct.edit(lead, Status="CONTACTED")
        direct.clickup.rename(task, "by hand")
    direct.later()
    with monkeypatch.context() as patch:
        allow(patch, 0)
        run = direct.run("--full")
    assert (run.code, [direct.task_status(task) for _, task in pairs]) == (0, ["in progress"] * 5)


def test_nothing_is_created_where_no_thread_could_write_the_ids_back(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: tasks pile up whose ids nobody writes, or the run waits for that for ever."""
    direct.lead("NEW")
    with monkeypatch.context() as patch:
        allow(patch, 0, {"airtable"})
        run = direct.run()
    assert (run.code, run.writes) == (1, [])
    assert "allows no thread" in run.report["stopped"]
    assert direct.run().report["phase_1"]["created"] == 1


def test_a_machine_without_a_thread_for_the_run_is_named(direct: DirectScene, monkeypatch: pytest.MonkeyPatch) -> None:
    direct.lead("NEW")
    with monkeypatch.context() as patch:
        allow(patch, 0, {"sync"})
        run = direct.run()
    assert (run.code, run.requests) == (1, [])
    assert "allows the program no thread" in run.report["stopped"]


def test_a_terminal_goes_without_a_moving_bar_where_there_is_no_thread_for_it(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the library that draws the bar starts a thread of its own, and the run ends with a traceback."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name != "sync":
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    show = Screen(screen, color=False)
    show.stage("Phase 1: updating tasks", 2)
    show.step()
    show.close()
    assert "Phase 1: updating tasks" in screen.getvalue()
