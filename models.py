"""The frozen types that flow through the program. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One row as Airtable answers it. Empty cells are absent from `fields`.

    https://airtable.com/developers/web/api/list-records
    """

    id: str
    created: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """One ClickUp task, as much of it as the decisions need.

    `status` is the status's name as ClickUp spells it. `marker` is the text in the custom field for the record id,
    stripped; "" where it is empty. `description` is the plain text; "" where there is none. `created` and `updated`
    are Unix milliseconds in ClickUp's clock.
    https://developer.clickup.com/reference/gettask
    """

    id: str
    name: str
    status: str
    marker: str
    description: str
    list_id: str
    archived: bool
    subtask: bool
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of a listing of records. `date` is the answer's `Date` in Unix seconds."""

    rows: tuple[Record, ...]
    date: float


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a listing of tasks. `in_order` is false once an answer was not sorted as asked."""

    rows: tuple[Task, ...]
    date: float
    in_order: bool


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A column of the table or a custom field of the List. `choices` are a select's option names."""

    id: str
    name: str
    type: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The leads' table, as the schema shows it."""

    id: str
    name: str
    fields: tuple[FieldInfo, ...]
    views: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ListInfo:
    """The List, with the names of its statuses in their order."""

    id: str
    name: str
    statuses: tuple[str, ...]
    archived: bool
    deleted: bool


Announce = Callable[[], None]
