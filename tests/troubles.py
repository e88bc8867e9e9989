"""Troubles that several tests make: deaths, refusals, and tasks put where no listing shows them."""

from __future__ import annotations

import contextlib
import errno
import io
import threading
from collections.abc import Callable, Iterator

import pytest

from sandbox.faults import Fault
from sandbox.wire import Answer, Clock, Request
from tests.campaign.wire import DirectScene, Fate, Killed
from tests.scene import START, Run, Scene

IDLE = ["airtable list_records_post", "clickup list_tasks"]
ELSEWHERE = ["archived", "moved"]


class Waits(Clock):
    """A standing clock that calls `during` once, in the first wait of more than 20 s. All other waits wait for it."""

    def __init__(self) -> None:
        super().__init__(START)
        self.during: Callable[[], object] | None = None
        self.waits = 0
        self._one_at_a_time = threading.Lock()

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        with self._one_at_a_time:
            self.waits += 1
            assert self.waits < 1_000, "it spins"
            if seconds > 20 and self.during is not None:
                during, self.during = self.during, None
                during()
        return super().wait(seconds, wake)


class FullDisk(io.StringIO):
    """A stream that takes nothing any more."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def run_killed_at(scene: Scene, where: type[object], method: str) -> None:
    """A run whose process dies as it comes to a method."""

    def die(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, method, die)
        with pytest.raises(Killed):
            scene.run()
    scene.later()


def killed_after_the_first(route: str, direct: DirectScene) -> None:
    """A run that dies when the first such request has had its effect."""
    fate = Fate()

    def die() -> None:
        fate.dead = True

    direct.sandbox.faults.after(route, die)
    assert direct.killed_run(fate) is None
    direct.sandbox.faults.clear()


def pair_in_doubt(direct: DirectScene) -> tuple[str, str]:
    """A run brought QUALIFIED to a task and died, and the task is back at its old status; ClickUp, which is to win,
    does not tell since when."""
    direct.clickup.plan = "free"
    direct.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="QUALIFIED")
    direct.later(61)
    killed_after_the_first("update_task", direct)
    direct.later(10)
    direct.clickup.set_status(task, "in progress")
    return lead, task


def put_elsewhere(scene: Scene, task: str, where: str) -> None:
    if where == "archived":
        scene.clickup.archive(task)
    else:
        scene.clickup.move(task, scene.clickup.second_list_id)
    scene.later()


def run_and_clear(scene: Scene, **settings: str) -> Run:
    """A run, after which the services are well again and time passes."""
    run = scene.run(**settings)
    scene.sandbox.faults.clear()
    scene.later()
    return run


def refusing(
    scene: Scene, method: str, answer: Answer, service: str = ""
) -> Callable[[Request], tuple[Answer, str, Fault | None]]:
    """The stand-in, but every request of this method, to this service, is refused without effect."""
    true_answer = scene.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        refused = request.method == method and service in ("", request.service)
        return (answer, "refused", None) if refused else true_answer(request)

    return carry_out


def answers_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, which: Callable[[Request, str], bool], answer: Answer
) -> None:
    """The first request of this kind gets this answer, and the service is honest again."""
    true_answer, left = scene.sandbox.carry_out, [answer]

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        true, route, fault = true_answer(request)
        return (left.pop() if left and which(request, route) else true), route, fault

    monkeypatch.setattr(scene.sandbox, "carry_out", carry_out)


def once_asked_for(scene: DirectScene, which: Callable[[Request], bool], act: Callable[[], object]) -> None:
    """Somebody acts when the first such request arrives, before it is answered."""
    left = [act]

    def arrived(request: Request) -> bool:
        if left and which(request):
            left.pop()()
        return False

    scene.sandbox.faults.before(arrived, lambda: None)


def time_in_status(request: Request) -> bool:
    return "bulk_time_in_status" in request.path


def status_time(request: Request) -> bool:
    return b"LAST_MODIFIED_TIME" in request.raw and b"RECORD_ID()" in request.raw


def unanswered(scene: DirectScene, route: str) -> None:
    """A run whose write is neither carried out nor answered."""
    scene.later(30)
    scene.sandbox.faults.add("500", when="before", route=route, times=99)
    assert scene.run().code == 1
    scene.sandbox.faults.clear()


@contextlib.contextmanager
def listing_nothing(scene: Scene) -> Iterator[None]:
    """The stand-in, but ClickUp lists no task."""
    true_answer = scene.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true_answer(request)
        return Answer(200, {"tasks": [], "last_page": True}) if route == "list_tasks" else answer, route, fault

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", carry_out)
        yield


REFUSED_TASK = Answer(400, {"err": "not this one", "ECODE": "INPUT_001"})
