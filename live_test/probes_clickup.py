"""What is uncertain about ClickUp, asked with one more task of the live test's own, which belongs to no lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clients.clickup import Key
from clients.errors import ApiError, InvalidRequest, NotFound
from clients.http import Answer
from clients.shape import list_of, milliseconds_of, object_of, text_of
from engine.reading import plain
from errors import Interrupted
from live_test.ground import PATIENCE_SECONDS, Broken, Ground
from models import Notice, Task

TEXT = (
    "made by the live test, and deleted by it\n\nfirst line\n  indented, with two  spaces\n- a list\n* another\n"
    "**bold** _and_ <b>tags</b> &amp; 1 < 2\nümlaut, 漢字, \u05e9\u05dc\u05d5\u05dd, 🦊\nhttps://example.com/a_b?c=d&e=f#g"
)
_NO_TASK = "0livetest0"
_APART_SECONDS = 2.0
_SOON_SECONDS = 20.0
_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@dataclass(frozen=True)
class _Listed:
    """One answer of a listing: its rows as (id, created, updated), what it says of itself, and its headers."""

    rows: tuple[tuple[str, int, int], ...]
    last: object
    headers: Mapping[str, str]

    def ids(self) -> set[str]:
        return {each for each, _, _ in self.rows}


class ClickUpProbes:
    """`create` makes the task and sees when it is listed; then `run`; and `end` deletes it."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._client = ground.tools.clickup
        self._findings = ground.findings
        self._task: Task | None = None

    # --- a new task

    def create(self) -> None:
        """Make the task, and wait until it is listed. Raises ApiError where it cannot be made."""
        self._ground.wait(_APART_SECONDS)
        name = f"{self._ground.stamp}task without a lead"
        marker = self._ground.stamp.strip()
        made = self._ground.made
        made.doubtful_tasks.add(name)
        try:
            task = self._client.create(name=name, description=TEXT, status="", marker=marker)
        except (ApiError, Interrupted) as error:
            if isinstance(error, Interrupted) or not error.outcome_unknown:
                made.doubtful_tasks.discard(name)
            raise
        made.doubtful_tasks.discard(name)
        made.tasks[task.id] = name
        self._task = task
        self._ground.say(f"made the task {task.id}")
        self._marker(task, marker)
        self._clock(task)
        self._ground.attempt(["listed"], lambda: self._listed_after(task))

    def _marker(self, task: Task, marker: str) -> None:
        kept = task.marker == marker
        self._findings.either("marker", kept, "the custom field is kept" if kept else "the custom field is dropped")

    def _clock(self, task: Task) -> None:
        apart = abs(task.created / 1000 - self._client.now())
        told = "they are less than five seconds apart" if apart < 5 else f"they are {apart:.0f} s apart"
        self._findings.either("clickup_clock", apart < 5, told)

    def _listed_after(self, task: Task) -> None:
        seconds = self._ground.until(lambda: task.id in self._listing("created", task.created - 1).ids())
        doubt = self._ground.settings.create_doubt_seconds
        if seconds is None:
            never = f"not within {PATIENCE_SECONDS:.0f} s: set SYNC_CREATE_DOUBT_SECONDS higher"
            self._findings.failed("listed", never)
            return
        told = "at once" if seconds == 0 else f"after {seconds:.0f} s"
        if seconds > doubt:
            self._findings.failed("listed", f"{told}: set SYNC_CREATE_DOUBT_SECONDS, which is {doubt:g}, higher")
        elif seconds > doubt / 2:
            self._findings.differs("listed", f"{told}, more than half of the {doubt:g} s that are allowed for")
            self._ground.notices.append(
                Notice("", task.id, f"a new task was listed {told}: set SYNC_CREATE_DOUBT_SECONDS higher")
            )
        else:
            self._findings.ok("listed", told)

    # --- listings

    def _listing(self, key: Key, since: int) -> _Listed:
        query = [("include_closed", "true"), ("subtasks", "true"), ("order_by", key), ("reverse", "true")]
        query.append((f"date_{key}_gt", str(since)))
        path = f"/list/{self._ground.settings.clickup_list_id}/task"
        return self._client.http.fetch("GET", path, _read, query=query, replayable=True)

    def run(self, tasks: Sequence[str]) -> None:
        """Everything that needs the task to be there. `tasks` are those of the leads."""
        task = self._task
        if task is None:
            raise Broken("the task for the questions about ClickUp is not there")
        attempt = self._ground.attempt
        attempt(["equal_update"], lambda: self._equal_update(task.id))
        attempt(["update_moves"], lambda: self._update_moves(task.id))
        attempt(["field_moves", "filter"], lambda: self._field_moves(task.id))
        attempt(["description", "emptied"], lambda: self._description(task))
        attempt(["unknown_status"], lambda: self._unknown_status(task.id))
        attempt(["time_in_status"], lambda: self._time_in_status(task.id))
        attempt(["created_gt"], lambda: self._greater_than("created", task.id))
        attempt(["updated_gt"], lambda: self._greater_than("updated", task.id))
        attempt(["reverse", "last_page", "rate_headers"], lambda: self._order([task.id, *tasks]))

    def _greater_than(self, key: Key, task_id: str) -> None:
        task = self._client.task(task_id)
        moment = task.created if key == "created" else task.updated
        if self._ground.until(lambda: task_id in self._listing(key, moment - 1).ids()) is None:
            self._findings.unknown(f"{key}_gt", "a millisecond before, the task is not listed either")
            return
        included = task_id in self._listing(key, moment).ids()
        self._findings.ok(f"{key}_gt", "it includes its own moment" if included else "it leaves out its own moment")

    def _order(self, ours: Sequence[str]) -> None:
        """Which way `reverse` turns, by each of the two dates."""
        oldest = min(self._client.task(each).created for each in ours)
        said: dict[str, str] = {}
        keys: tuple[Key, ...] = ("created", "updated")
        for key in keys:
            listed = self._listing(key, oldest - 1)
            moments = [created if key == "created" else updated for _, created, updated in listed.rows]
            if moments != sorted(moments) and moments != sorted(moments, reverse=True):
                said[key] = "in no order"
            elif moments and moments[0] != moments[-1]:
                said[key] = "oldest first" if moments[0] < moments[-1] else "newest first"
            self._last_page(listed)
            self._rate_headers(listed)
        told = sorted(set(said.values()))
        if not told:
            self._findings.unknown("reverse", "the tasks that are listed are of one moment")
        elif len(told) == 1:
            self._findings.either("reverse", told == ["oldest first"], f"reverse=true is {told[0]}")
        else:
            parts = ", ".join(f"{way} by date {key}" for key, way in said.items())
            self._findings.differs("reverse", f"reverse=true is {parts}")

    def _last_page(self, listed: _Listed) -> None:
        if listed.last is True:
            self._findings.ok(
                "last_page", "true on a page of few; whether also on a full one would take more than 100 tasks"
            )
        else:
            self._findings.differs("last_page", f"{str(listed.last).lower()} on a page of few")

    def _rate_headers(self, listed: _Listed) -> None:
        there = all(name in listed.headers for name in _HEADERS)
        limit = listed.headers.get(_HEADERS[0], "")
        self._findings.either("rate_headers", there, f"{limit} requests a minute" if there else "they are missing")

    # --- writes

    def _moves(self, task_id: str, before: int) -> bool:
        return self._client.task(task_id).updated > before

    def _before(self, task_id: str) -> Task:
        """The task as it is, and time enough that a new date differs."""
        task = self._client.task(task_id)
        self._ground.wait(_APART_SECONDS)
        return task

    def _equal_update(self, task_id: str) -> None:
        before = self._before(task_id)
        answered = self._client.update(task_id, name=before.name, status=before.status)
        moved = answered.updated > before.updated or self._moves(task_id, before.updated)
        self._findings.ok("equal_update", "it moves it" if moved else "it does not")

    def _update_moves(self, task_id: str) -> None:
        before = self._before(task_id)
        name = f"{before.name}, renamed"
        self._client.update(task_id, name=name)
        self._ground.made.tasks[task_id] = name
        moved = self._ground.until(lambda: self._moves(task_id, before.updated), _SOON_SECONDS) is not None
        self._findings.either("update_moves", moved, "it does" if moved else "it does not move with the name")
        self._ground.see_task(task_id, lambda task: task.name == name)

    def _field_moves(self, task_id: str) -> None:
        before = self._before(task_id)
        marker = f"{self._ground.stamp}again"
        self._client.set_marker(task_id, marker)
        if self._ground.until(lambda: self._client.task(task_id).marker == marker, _SOON_SECONDS) is None:
            for key in ("field_moves", "filter"):
                self._findings.unknown(key, "the field does not show what was written")
            return
        moved = self._moves(task_id, before.updated)
        self._findings.ok("field_moves", "it moves it" if moved else "it does not")
        self._filter(before, marker)

    def _filter(self, task: Task, marker: str) -> None:
        found = {each.id for each in self._client.with_marker(marker)}
        if task.id not in found and task.id not in self._listing("created", task.created - 1).ids():
            self._findings.unknown("filter", "the listing does not show the task either")
            return
        soon = self._ground.until(
            lambda: task.id in {each.id for each in self._client.with_marker(marker)}, _SOON_SECONDS
        )
        self._findings.either("filter", soon is not None, "it finds nothing" if soon is None else "it finds it")

    def _description(self, task: Task) -> None:
        now = self._client.task(task.id).description
        if now == TEXT:
            self._findings.ok("description", "as it was sent, to the letter")
        else:
            same = plain(now) == plain(TEXT)
            self._findings.ok("description", "changed at its line ends or outer spaces" if same else "changed")
        self._client.update(task.id, description="")
        emptied = self._ground.until(lambda: self._client.task(task.id).description == "", _SOON_SECONDS) is not None
        self._findings.either("emptied", emptied, "one space empties it" if emptied else "one space does not empty it")

    def _unknown_status(self, task_id: str) -> None:
        try:
            self._client.update(task_id, status="live test: no such status")
        except InvalidRequest as error:
            self._findings.either("unknown_status", error.status == 400, f"refused with {error.status} {error.code}")
            return
        self._findings.differs("unknown_status", "it is taken")

    def _time_in_status(self, task_id: str) -> None:
        try:
            told = self._client.time_in_status([task_id])
        except InvalidRequest as error:
            self._findings.ok("time_in_status", f"this plan does not offer it ({error.status} {error.code})")
            return
        self._findings.ok("time_in_status", "it does" if task_id in told else "it says nothing of a new task")

    # --- the end

    def end(self) -> None:
        """Delete the task, and ask for it, and for one that never was."""
        task = self._task
        if task is not None:
            self._ground.attempt(["deleted_task"], lambda: self._deleted(task.id))

    def _deleted(self, task_id: str) -> None:
        self._client.delete(task_id)
        del self._ground.made.tasks[task_id]
        told: list[str] = []

        def is_gone() -> bool:
            told[:] = [self._refusal(task_id)]
            return told != [""]

        if self._ground.until(is_gone) is None:
            self._findings.failed("deleted_task", "a deleted task can be read two minutes later")
            return
        unseen = self._refusal(_NO_TASK)
        as_assumed = (told[0], unseen) == ("404 ITEM_013", "401 OAUTH_027")
        self._findings.either("deleted_task", as_assumed, f"a deleted task is {told[0]}, an unknown one {unseen}")

    def _refusal(self, task_id: str) -> str:
        try:
            self._client.task(task_id)
        except (NotFound, InvalidRequest) as error:
            return f"{error.status} {error.code}".strip()
        return ""


def _read(answer: Answer) -> _Listed:
    body = object_of(answer.body, "the answer")
    rows = [object_of(row, "a task") for row in list_of(body.get("tasks"), "tasks")]
    return _Listed(tuple(map(_row, rows)), body.get("last_page"), answer.headers)


def _row(row: Mapping[str, Any]) -> tuple[str, int, int]:
    return (
        text_of(row.get("id"), "a task's id"),
        milliseconds_of(row.get("date_created"), "a task's date_created"),
        milliseconds_of(row.get("date_updated"), "a task's date_updated"),
    )
