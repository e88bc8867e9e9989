"""ClickUp's API v2, as much of it as the sync needs. https://developer.clickup.com/reference"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import quote as percent

from clients.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    InvalidRequest,
    NotFound,
    QuotaSpent,
    RateLimited,
    ServiceError,
)
from clients.http import Answer, Http, Service, Verdict
from clients.rows import object_with_rows
from clients.shape import Misshapen, list_of, milliseconds_of, object_of, text_of, text_or_empty
from models import Announce, FieldInfo, ListInfo, Task, TaskPage, TimeInStatus
from text import clean

ADDRESS = "https://api.clickup.com/api/v2"
Key = Literal["created", "updated"]

_PAGE = 100
_MOST_PAGES = 2_000
_MOST_IDS = 100
# A filter that counts in whole seconds still shows rows of the second before.
_FILTER_GRAIN = 1_000
_TASK_ID = re.compile(r"[0-9a-z]{1,32}")
_RECORD_ID = re.compile(r"rec[0-9A-Za-z]{14}")

# A 401 tells of the token only with these; with the others it tells of the object that was asked for.
# https://developer.clickup.com/docs/common_errors
_DEAD_TOKEN = frozenset({"OAUTH_017", "OAUTH_018", "OAUTH_019", "OAUTH_021", "OAUTH_025", "OAUTH_077"})
_NOT_VISIBLE = frozenset({"OAUTH_023", "OAUTH_026", "OAUTH_027", *(f"OAUTH_{number:03d}" for number in range(29, 46))})

_HINT_AUTH = "create a new personal token in ClickUp under Settings, Apps, and put it into CLICKUP_API_KEY"
_HINT_NOT_VISIBLE = "it does not exist, or the token's owner may not see it: share it with them in ClickUp"
_HINT_FIELD_QUOTA = "the plan's custom-field uses are spent: upgrade the plan, since they are never given back"
_HINTS = {
    "ITEM_013": "the task is in ClickUp's trash: restore it there, or empty the lead's task id",
    "CRTSK_001": "the List has no such status: add it in ClickUp, or correct STATUS_MAP",
    "ITEM_114": "the List has no such status: add it in ClickUp, or correct STATUS_MAP",
    "INPUT_003": "check CLICKUP_LIST_ID: it is a number",
    "INPUT_005": "ClickUp does not take this name",
    "FIELD_115": "check CLICKUP_CUSTOM_FIELD_ID: the List has no such field",
    "TIS_027": "switch on the ClickApp Total time in Status, if the plan has it",
}


def service(address: str = ADDRESS) -> Service:
    """ClickUp at this address, for `Http`. The Authorization header is the token alone."""
    return Service("clickup", address.rstrip("/"), explain)


def explain(status: int, body: Any) -> Verdict:
    """What a refusal means. https://developer.clickup.com/docs/common_errors"""
    said = body if isinstance(body, dict) else {}
    code = _text(said.get("ECODE"))
    message = next(filter(None, (_text(said.get(key)) for key in ("err", "error", "message"))), "")
    kind = _kind(status, code)
    hint = _HINTS.get(code, "")
    if kind is AuthError:
        hint = _HINT_AUTH
    elif kind is QuotaSpent:
        hint = _HINT_FIELD_QUOTA
    elif kind is NotFound and not hint:
        hint = _HINT_NOT_VISIBLE
    elif kind is RateLimited:
        hint = "another program uses the same token: give each its own, or run them apart"
    return Verdict(kind, code, message, hint)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _kind(status: int, code: str) -> type[ApiError]:
    if status == 429:
        return RateLimited
    if status == 408 or status >= 500:
        return ServiceError
    if code in _DEAD_TOKEN:
        return AuthError
    if status == 404 or code in _NOT_VISIBLE or code.startswith("ACCESS_"):
        return NotFound
    if code == "FIELD_033":
        return QuotaSpent
    return AuthError if status == 401 else InvalidRequest


@dataclass(frozen=True)
class _Listed:
    """One answer of a listing. `last` is what it says of itself: true, false, or None where it says nothing."""

    rows: tuple[Task, ...]
    last: bool | None
    date: float

    def ends(self, fresh: int) -> bool:
        """Whether nothing can follow, `fresh` of its rows being new. `last_page` is believed only where the number
        of rows bears it out: a full page may have a successor, a short one none beyond rows that came before."""
        if not self.rows:
            return True
        if len(self.rows) >= _PAGE:
            return False
        return self.last is not False or fresh == 0

    def rises(self, key: Key) -> bool:
        """Whether its last row is later than its first, so that it shows in which direction it is."""
        return bool(self.rows) and _key_of(self.rows[0], key) < _key_of(self.rows[-1], key)

    def falls(self, key: Key, top: int) -> bool:
        """Whether it is in order from the newest to the oldest; `top` is the key of the row before, -1 for none."""
        keys = [_key_of(row, key) for row in self.rows]
        falling = all(earlier >= later for earlier, later in pairwise(keys))
        return bool(keys) and falling and (keys[0] > keys[-1] or keys[0] < top - _FILTER_GRAIN)

    def sorted_by(self, key: Key, since: int) -> bool:
        keys = [_key_of(row, key) for row in self.rows]
        honoured = not keys or keys[0] >= since - _FILTER_GRAIN
        return honoured and all(earlier <= later for earlier, later in pairwise(keys))


@dataclass
class _Given:
    """What a walk has given out already, and the answer before, so that rows and pages that repeat are known."""

    versions: dict[str, int] = field(default_factory=dict)
    before: tuple[str, ...] = ()

    def fresh(self, rows: Sequence[Task]) -> tuple[Task, ...]:
        new = tuple(row for row in rows if self.versions.get(row.id) != row.updated)
        self.versions.update((row.id, row.updated) for row in new)
        return new

    def again(self) -> _Given:
        """The same, for a listing that starts anew."""
        return _Given(self.versions)

    def repeats(self, rows: Sequence[Task]) -> bool:
        """Whether this full answer is the one before once more."""
        ids = tuple(row.id for row in rows)
        same = len(ids) >= _PAGE and ids == self.before
        self.before = ids
        return same


@dataclass(frozen=True)
class _Place:
    """How far a walk by key has come: at a page of the rows whose key is later than `cursor`.

    `top` is the largest key so far, `began` what that was at page 0; `new` counts the rows since then that had not been
    given out, `reread` says that these pages have been read before.
    """

    cursor: int
    top: int = -1
    page: int = 0
    began: int = -1
    new: int = 0
    reread: bool = False

    def next_page(self, last: int) -> _Place:
        """The page after one that ended with this key."""
        return replace(self, top=max(self.top, last), page=self.page + 1)

    def again(self) -> _Place:
        """Page 0 once more: where rows are read by page, one that vanishes meanwhile hides another."""
        return replace(self, top=self.began, page=0, new=0, reread=True)

    @staticmethod
    def behind(last: int) -> _Place:
        """What follows the row with this key. The cursor is one less, for a filter that leaves out its own moment: rows
        of one instant may be on both sides."""
        return _Place(last - 1, top=last, began=last)


class ClickUpClient:
    """One List and its tasks. Every method raises ApiError or Interrupted as `Http.fetch` does."""

    def __init__(self, http: Http, list_id: str, field_id: str) -> None:
        """`field_id` is the custom field that holds the record id."""
        self.http = http
        self._field_id = field_id
        self._list = f"/list/{percent(list_id, safe='')}"
        self._reverse = "true"

    def now(self) -> float:
        """Unix seconds in the service's clock."""
        return self.http.now()

    def walk(self, key: Key, since: int, *, archived: bool = False) -> Iterator[TaskPage]:
        """Every task of the List whose `key` is later than `since` (Unix milliseconds, 0 for all), oldest first:
        closed ones and subtasks too; either the archived ones or the others.

        The first page comes even if it is empty. A task that changes meanwhile may come again. The walk goes by
        key, not by page: each request asks for what follows the last row, so a task that vanishes shifts nothing.
        Where more than a page of rows are of one instant, that instant is read by page, and again until nothing new
        comes, since one that vanishes hides another. Whether the filter includes its own moment does not matter. Once
        an answer is not in order, plain pages are read from the start and `in_order` is false from there on. Raises
        BadAnswer for pages that do not end.
        https://developer.clickup.com/reference/gettasks
        """
        given, place = _Given(), _Place(since)
        asked = [*self._listing(archived), ("order_by", key)]
        # Which way `reverse` turns is not documented, and people report both. So the first answer that shows it
        # decides; until then only pages are counted, since the rest may be on either side of the last row.
        reverse, turned, known = self._reverse, False, False
        for count in range(_MOST_PAGES):
            by_key = [*asked, ("reverse", reverse)]
            listed = self._tasks([*by_key, *_after(key, place.cursor)], place.page)
            if not turned and not known and listed.falls(key, place.top):
                reverse = self._reverse = "false" if reverse == "true" else "true"
                turned, place, given = True, _Place(since), given.again()
                continue
            known = known or listed.rises(key)
            fresh = given.fresh(listed.rows)
            in_order = listed.sorted_by(key, place.cursor) and not listed.falls(key, place.top)
            if fresh or count == turned:
                yield TaskPage(fresh, listed.date, in_order)
            if not in_order:
                yield from self._pages([*by_key, *_after(key, since)], given)
                return
            place = replace(place, new=place.new + len(fresh))
            ends = listed.ends(len(fresh))
            last = place.top if ends else _key_of(listed.rows[-1], key)
            rises = known and last > place.top
            if (ends or rises) and place.page and (place.new or not place.reread):
                place = place.again()
                given.before = ()
            elif ends:
                return
            elif rises:
                place = _Place.behind(last)
                given.before = ()
            elif given.repeats(listed.rows):
                raise self._endless()
            else:
                place = place.next_page(last)
        raise self._endless()

    def with_marker(self, record_id: str, *, archived: bool = False) -> tuple[Task, ...]:
        """The List's tasks with this marker: closed ones and subtasks too; either the archived ones or the others.

        https://developer.clickup.com/docs/taskfilters
        """
        wanted = {"field_id": self._field_id, "operator": "==", "value": record_id}
        query = [*self._listing(archived), ("custom_fields", json.dumps([wanted]))]
        found = {task.id: task for page in self._pages(query, _Given()) for task in page.rows}
        return tuple(task for task in found.values() if task.marker == record_id)

    def task(self, task_id: str) -> Task:
        """One task, wherever it is. Raises NotFound: code ITEM_013 if it is deleted, others if it cannot be seen."""
        return self.http.fetch("GET", _task_path(task_id), self._task_named(task_id), replayable=True)

    def create(
        self, *, name: str, description: str, status: str, marker: str, announce: Announce | None = None
    ) -> Task:
        """Make a task, its marker in the same request; never sent twice if the first may have been carried out.

        ClickUp drops a custom field that does not apply to the task, so look at the answer's marker. An empty status
        leaves the choice to ClickUp. https://developer.clickup.com/reference/createtask
        """
        body: dict[str, Any] = {"name": name, "custom_fields": [{"id": self._field_id, "value": marker}]}
        body |= {key: value for key, value in (("description", description), ("status", status)) if value}

        def read(answer: Answer) -> Task:
            task = self._task(answer.body)
            if task.marker != marker and _RECORD_ID.fullmatch(task.marker):
                raise Misshapen("the answer is about another lead's task")
            return task

        path = f"{self._list}/task"
        return self.http.fetch("POST", path, read, body=body, replayable=False, announce=announce)

    def update(
        self,
        task_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        status: str | None = None,
        announce: Announce | None = None,
    ) -> Task:
        """Set what is given, in one request; returns the task as it is now.

        https://developer.clickup.com/reference/updatetask
        """
        given = {"name": name, "description": description, "status": status}
        body = {key: value for key, value in given.items() if value is not None}
        if not body:
            raise ValueError("nothing to update")
        if description == "":
            # An empty text is ignored; one space empties the description.
            body["description"] = " "
        return self.http.fetch(
            "PUT", _task_path(task_id), self._task_named(task_id), body=body, replayable=True, announce=announce
        )

    def set_marker(self, task_id: str, record_id: str, *, announce: Announce | None = None) -> None:
        """Write the record id into the task's custom field.

        https://developer.clickup.com/reference/setcustomfieldvalue
        """
        path = f"{_task_path(task_id)}/field/{percent(self._field_id, safe='')}"
        self.http.fetch("POST", path, _check_object, body={"value": record_id}, replayable=True, announce=announce)

    def delete(self, task_id: str) -> None:
        """Move a task to the trash. Raises NotFound, with code ITEM_013 where it is there already.

        The sync deletes nothing; the live test does. https://developer.clickup.com/reference/deletetask
        """
        self.http.send("DELETE", _task_path(task_id), replayable=True)

    def list_info(self) -> ListInfo:
        """The List with its statuses in order. https://developer.clickup.com/reference/getlist"""
        return self.http.fetch("GET", self._list, lambda answer: _list_info(answer.body), replayable=True)

    def fields(self) -> tuple[FieldInfo, ...]:
        """The custom fields of the List. https://developer.clickup.com/reference/getaccessiblecustomfields"""
        return self.http.fetch("GET", f"{self._list}/field", lambda answer: _fields(answer.body), replayable=True)

    def time_in_status(self, task_ids: Sequence[str]) -> dict[str, TimeInStatus]:
        """For each of at most 100 tasks its status, and since when it has had it; a task for which ClickUp does not
        say is left out. Raises InvalidRequest with code TIS_027 where the plan does not offer it.

        https://developer.clickup.com/reference/getbulktasksstatus
        """
        if len(task_ids) > _MOST_IDS:
            raise ValueError(f"one request takes at most {_MOST_IDS} tasks, not {len(task_ids)}")
        if not task_ids:
            return {}
        query = [("task_ids", _checked_id(task_id)) for task_id in task_ids]
        path = "/task/bulk_time_in_status/task_ids"
        return self.http.fetch("GET", path, lambda answer: _since(answer.body), query=query, replayable=True)

    def _listing(self, archived: bool) -> list[tuple[str, str]]:
        return [("include_closed", "true"), ("subtasks", "true"), ("archived", "true" if archived else "false")]

    def _pages(self, query: Sequence[tuple[str, str]], given: _Given) -> Iterator[TaskPage]:
        """The listing page by page, without what was given out before."""
        given.before = ()
        for page in range(_MOST_PAGES):
            listed = self._tasks(query, page)
            if given.repeats(listed.rows):
                raise self._endless()
            fresh = given.fresh(listed.rows)
            if fresh:
                yield TaskPage(fresh, listed.date, False)
            # A short page with nothing new ends a listing only past its first page: at the start all of it may have
            # been given out by the walk before.
            if listed.ends(len(fresh) if page else _PAGE):
                return
        raise self._endless()

    def _tasks(self, query: Sequence[tuple[str, str]], page: int) -> _Listed:
        def parse(text: str) -> Any:
            return object_with_rows(text, "tasks", self._task)

        def read(answer: Answer) -> _Listed:
            body = object_of(answer.body, "the answer")
            last = body.get("last_page")
            rows = tuple(list_of(body.get("tasks"), "tasks"))
            return _Listed(rows, last if isinstance(last, bool) else None, answer.date)

        paged = [*query, ("page", str(page))] if page else query
        return self.http.fetch("GET", f"{self._list}/task", read, query=paged, replayable=True, parse=parse)

    def _task_named(self, task_id: str) -> Callable[[Answer], Task]:
        def read(answer: Answer) -> Task:
            task = self._task(answer.body)
            if task.id != task_id:
                raise Misshapen("the answer is about another task")
            return task

        return read

    def _task(self, value: Any) -> Task:
        row = object_of(value, "a task")
        description = text_or_empty(row.get("description"), "a task's description")
        return Task(
            id=_task_id(row.get("id")),
            name=text_or_empty(row.get("name"), "a task's name"),
            status=clean(text_of(object_of(row.get("status"), "a task's status").get("status"), "a task's status")),
            marker=self._marker(row.get("custom_fields")),
            description=description if description.strip() else "",
            list_id=clean(text_of(object_of(row.get("list"), "a task's list").get("id"), "a task's list")),
            archived=row.get("archived") is True,
            subtask=bool(row.get("parent")),
            created=milliseconds_of(row.get("date_created"), "a task's date_created"),
            updated=milliseconds_of(row.get("date_updated"), "a task's date_updated"),
        )

    def _marker(self, fields: Any) -> str:
        # A field without a value has no key `value`.
        for entry in list_of(fields, "a task's custom_fields"):
            if object_of(entry, "a custom field").get("id") == self._field_id:
                value = entry.get("value")
                return clean(value).strip() if isinstance(value, str) else ""
        return ""

    def _endless(self) -> BadAnswer:
        message = "the pages of the listing do not end"
        return BadAnswer(message, service=self.http.service.name, method="GET", path=f"{self._list}/task")


def _key_of(task: Task, key: Key) -> int:
    return task.created if key == "created" else task.updated


def _after(key: Key, since: int) -> list[tuple[str, str]]:
    return [(f"date_{key}_gt", str(since))] if since > 0 else []


def _task_path(task_id: str) -> str:
    return f"/task/{_checked_id(task_id)}"


def _checked_id(task_id: str) -> str:
    if not _TASK_ID.fullmatch(task_id):
        raise ValueError(f"not a task id: {task_id!r}")
    return task_id


def _task_id(value: Any) -> str:
    # It goes into addresses and into the lead's cell, so nothing else is taken for one.
    if not isinstance(value, str) or not _TASK_ID.fullmatch(value):
        raise Misshapen("a task's id is none")
    return value


def _check_object(answer: Answer) -> None:
    object_of(answer.body, "the answer")


def _list_info(body: Any) -> ListInfo:
    found = object_of(body, "the answer")
    statuses = [object_of(status, "a status") for status in list_of(found.get("statuses"), "statuses")]
    return ListInfo(
        id=text_of(found.get("id"), "the List's id"),
        name=text_or_empty(found.get("name"), "the List's name"),
        statuses=tuple(clean(text_of(status.get("status"), "a status")) for status in sorted(statuses, key=_order)),
        archived=found.get("archived") is True,
        deleted=found.get("deleted") is True,
    )


def _order(status: Any) -> float:
    index = status.get("orderindex")
    return index if isinstance(index, (int, float)) else 0.0


def _fields(body: Any) -> tuple[FieldInfo, ...]:
    return tuple(_field(entry) for entry in list_of(object_of(body, "the answer").get("fields"), "fields"))


def _field(value: Any) -> FieldInfo:
    entry = object_of(value, "a field")
    config = entry.get("type_config")
    options = config.get("options") if isinstance(config, dict) else None
    return FieldInfo(
        id=text_of(entry.get("id"), "a field's id"),
        name=text_or_empty(entry.get("name"), "a field's name"),
        type=text_of(entry.get("type"), "a field's type"),
        choices=tuple(_choice(option) for option in list_of(options or [], "a field's options")),
    )


def _choice(value: Any) -> str:
    # A drop-down's options have a name, those of labels a label.
    option = object_of(value, "an option")
    return text_or_empty(option.get("name", option.get("label")), "an option's name")


def _since(body: Any) -> dict[str, TimeInStatus]:
    found: dict[str, TimeInStatus] = {}
    for task_id, entry in object_of(body, "the answer").items():
        with contextlib.suppress(Misshapen):  # it says nothing of this task, and no less of the others
            status = object_of(object_of(entry, "a time in status").get("current_status"), "the current status")
            since = object_of(status.get("total_time"), "the time in it").get("since")
            name = clean(text_of(status.get("status"), "its name"))
            found[task_id] = TimeInStatus(name, milliseconds_of(since, "since"))
    return found
