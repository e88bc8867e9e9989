"""Statuses, Lists, custom fields and tasks as ClickUp keeps them, and how a task looks on the wire.

The keys of a task and their order are those of the documented example,
https://developer.clickup.com/reference/gettasks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TEAM_ID = "9015000001"
SPACE_ID = "90150000021"
FOLDER_ID = "90150000031"
ROBOT = 183001
PERSON = 183002
_PEOPLE = {ROBOT: ("Sync Robot", "#827718", "robot@example.com"), PERSON: ("Kim Rivers", "#7b68ee", "kim@example.com")}
_PRIORITIES = {1: ("urgent", "#f50000"), 2: ("high", "#f8ae00"), 3: ("normal", "#6fddff"), 4: ("low", "#d8d8d8")}
_COLORS = {"open": "#87909e", "closed": "#008844", "done": "#30a46c"}
_FOLDER = {"id": FOLDER_ID, "name": "Pipeline", "hidden": False, "access": True}
_LINKS = b'"dependencies":[],"linked_tasks":[],"locations":[],'
_SHARING = {
    "public": False,
    "public_share_expires_on": None,
    "public_fields": [
        *("assignees", "priority", "due_date", "content", "comments", "attachments", "customFields"),
        *("subtasks", "tags", "checklists", "coverimage"),
    ],
    "token": None,
    "seo_optimized": False,
}


class Refused(Exception):
    """A request that ClickUp answers with an error: HTTP status, text and ECODE."""

    def __init__(self, status: int, err: str, code: str) -> None:
        super().__init__(err)
        self.status = status
        self.err = err
        self.code = code


@dataclass(slots=True)
class Status:
    """One status of a List. `type` is open, unstarted, custom, done or closed."""

    id: str
    name: str
    type: str

    @property
    def color(self) -> str:
        return _COLORS.get(self.type, "#5f55ee")

    @property
    def finished(self) -> bool:
        return self.type in ("done", "closed")


@dataclass(slots=True)
class Field:
    """One custom field. `options` are (id, name) of a drop-down's or labels' choices, in their order."""

    id: str
    name: str
    type: str
    created: int
    options: list[tuple[str, str]] = field(default_factory=list)

    def config(self) -> dict[str, Any]:
        if self.type == "currency":
            return {"precision": 2, "currency_type": "EUR"}
        if self.type not in ("drop_down", "labels"):
            return {}
        word = "name" if self.type == "drop_down" else "label"
        options = [
            {"id": option, word: name, "color": "#b5bcc2", "orderindex": index}
            for index, (option, name) in enumerate(self.options)
        ]
        first = {"default": 0, "placeholder": None} if self.type == "drop_down" else {}
        return {"sorting": "manual", **first, "new_drop_down": True, "options": options}

    def shown(self) -> dict[str, Any]:
        """The field as `GET /list/{id}/field` answers it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "type_config": self.config(),
            "date_created": str(self.created),
            "hide_from_guests": False,
            "required": False,
        }


@dataclass(slots=True)
class TaskList:
    """One List with its own statuses."""

    id: str
    name: str
    statuses: list[Status]
    archived: bool = False
    deleted: bool = False

    def status(self, name: str) -> Status | None:
        """The status of that name, without regard to case.

        ClickUp accepted "To Do" for a status it stores as "to do"; nothing is known to trim spaces.
        """
        wanted = name.casefold()
        return next((status for status in self.statuses if status.name.casefold() == wanted), None)

    def first_status(self) -> Status:
        """What a task without a status gets."""
        return next((status for status in self.statuses if status.type == "open"), self.statuses[0])


@dataclass(slots=True)
class Stay:
    """How long a task stayed in a status: since when, and until when (None: still)."""

    status: Status
    since: int
    until: int | None = None


@dataclass(slots=True)
class Change:
    """One line of a task's history. `by` is "api" or "person", `date` Unix milliseconds."""

    date: int
    by: str
    what: str
    before: Any
    after: Any


@dataclass(slots=True)
class Task:
    """One task. Dates are Unix milliseconds; `values` maps custom field ids to what is stored in them."""

    id: str
    list_id: str
    name: str
    status: Status
    created: int
    creator: int
    description: str = ""
    updated: int = 0
    closed: int | None = None
    done: int | None = None
    due_date: int | None = None
    start_date: int | None = None
    time_estimate: int | None = None
    priority: int | None = None
    parent: str | None = None
    tags: tuple[str, ...] = ()
    archived: bool = False
    deleted: bool = False
    private: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    head: bytes | None = None

    @property
    def listed(self) -> bool:
        """Whether any listing of the token's user can show it."""
        return not self.deleted and not self.private


def encode(value: Any) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def user(user_id: int) -> dict[str, Any]:
    """A person as tasks name them."""
    name, color, email = _PEOPLE[user_id]
    return {"id": user_id, "username": name, "color": color, "email": email, "profilePicture": None}


def status_json(status: Status, index: int) -> dict[str, Any]:
    """A status as tasks carry it."""
    return {
        "id": status.id,
        "status": status.name,
        "color": status.color,
        "orderindex": index,
        "type": status.type,
    }


def list_status_json(status: Status, index: int) -> dict[str, Any]:
    """A status as its List shows it."""
    return {
        "id": status.id,
        "status": status.name,
        "orderindex": index,
        "color": status.color,
        "type": status.type,
        "status_group": f"proj_{SPACE_ID}",
    }


def list_json(tasks: TaskList, task_count: int) -> dict[str, Any]:
    """A List as `GET /list/{id}` answers it."""
    return {
        "id": tasks.id,
        "name": tasks.name,
        "deleted": tasks.deleted,
        "orderindex": 1,
        "content": "",
        "priority": None,
        "assignee": None,
        "task_count": task_count,
        "due_date": None,
        "start_date": None,
        "folder": _FOLDER,
        "space": {"id": SPACE_ID, "name": "Sales", "access": True},
        "inbound_address": f"a.t.{tasks.id}.u-{ROBOT}.0@tasks.example.com",
        "archived": tasks.archived,
        "override_statuses": True,
        "statuses": [list_status_json(status, index) for index, status in enumerate(tasks.statuses)],
        "permission_level": "create",
    }


def _milliseconds(value: int | None) -> str | None:
    return None if value is None else str(value)


def _priority(value: int | None) -> dict[str, Any] | None:
    if value is None:
        return None
    name, color = _PRIORITIES[value]
    return {"color": color, "id": str(value), "orderindex": str(value), "priority": name}


def task_head(
    task: Task, tasks: TaskList, top_parent: str | None, *, nulls: bool = False, markdown: bool = False
) -> bytes:
    """A task's JSON up to its custom fields, without the closing brace.

    An empty description is "" in listings and null in the answer to an update; `nulls` asks for the latter.
    """
    text = None if nulls and not task.description else task.description
    shown: dict[str, Any] = {
        "id": task.id,
        "custom_id": None,
        "custom_item_id": 0,
        "name": task.name,
        "text_content": text,
        "description": text,
    }
    if markdown:
        shown["markdown_description"] = text
    shown |= {
        "status": status_json(task.status, tasks.statuses.index(task.status)),
        "orderindex": f"{task.created % 100_000_000}.00000000000000000000000000000000",
        "date_created": str(task.created),
        "date_updated": str(task.updated),
        "date_closed": _milliseconds(task.closed),
        "date_done": _milliseconds(task.done),
        "archived": task.archived,
        "creator": user(task.creator),
        "assignees": [],
        "group_assignees": [],
        "watchers": [],
        "checklists": [],
        "tags": [{"name": tag, "tag_fg": "#800000", "tag_bg": "#fdf1f1", "creator": ROBOT} for tag in task.tags],
        "parent": task.parent,
        "top_level_parent": top_parent,
        "priority": _priority(task.priority),
        "due_date": _milliseconds(task.due_date),
        "start_date": _milliseconds(task.start_date),
        "points": None,
        "time_estimate": task.time_estimate,
        "time_spent": 0,
    }
    return encode(shown)[:-1]


def task_tail(tasks: TaskList) -> bytes:
    """What every task of a List ends with, after its address and without the closing brace."""
    shown = {
        "sharing": _SHARING,
        "permission_level": "create",
        "list": {"id": tasks.id, "name": tasks.name, "access": True},
        "project": _FOLDER,
        "folder": _FOLDER,
        "space": {"id": SPACE_ID},
    }
    return encode(shown)[1:-1]


class FieldFragments:
    """A custom field's JSON in two halves, so that a value is set between them without encoding the rest."""

    def __init__(self, definition: Field) -> None:
        shown = definition.shown()
        del shown["required"]
        # The List says false; in a task it was seen as null (https://github.com/port-labs/ocean/pull/777).
        required = {"required": None}
        self._before = encode(shown)[:-1]
        self._after = b"," + encode(required)[1:]
        self._rich = b',"value_richtext":""' if definition.type in ("short_text", "text") else b""
        self.unset = self._before + self._after

    def with_value(self, shown: Any) -> bytes:
        """The field with a value; a field without one has no `value` key at all."""
        return self._before + b',"value":' + encode(shown) + self._rich + self._after


def task_json(head: bytes, fields: Sequence[bytes], task_id: str, tail: bytes, more: bytes = b"") -> bytes:
    """A whole task from its parts; `more` are further keys, each with a comma before it."""
    address = f'"team_id":"{TEAM_ID}","url":"https://app.clickup.com/t/{task_id}",'.encode()
    return head + b',"custom_fields":[' + b",".join(fields) + b"]," + _LINKS + address + tail + more + b"}"
