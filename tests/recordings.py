"""Answers of the services that other people recorded, a base rebuilt from them, and what two answers differ in.

The recordings are kept beside the checkout (or where SHARED_MATERIAL points) and are not part of this repository.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from sandbox.airtable.fields import Field, new_field
from sandbox.airtable.ids import Ids, is_id
from sandbox.airtable.service import Airtable
from sandbox.airtable.table import Row, Table
from tests.scene import TOP

MATERIAL = Path(os.environ.get("SHARED_MATERIAL") or TOP.parent / "shared")
FOLDER = MATERIAL / "recorded"
REASON = "the recorded answers of the services, kept beside the checkout and not part of this repository, are not here"
BASE_ID = "appRECORDED000000"
RECORD_ID = "recRECORDED000000"
_ID = re.compile(r"(rec|fld|sel|viw|att|itr|usr)[0-9A-Za-z]{14}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def material(*parts: str) -> Path:
    """A file or folder of the material beside the checkout; skips the test where it is absent."""
    found = MATERIAL.joinpath(*parts)
    if not found.exists():
        pytest.skip(REASON)
    return found


@dataclass(frozen=True)
class Exchange:
    """One recorded request and its answer. `query` is decoded and in order; `date` Unix seconds, 0 where not kept."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    answer: Any
    date: float
    content_type: str

    @property
    def parts(self) -> list[str]:
        """The path below the version, decoded."""
        return [unquote(part) for part in self.path.strip("/").split("/")][1:]


def exchange(entry: Mapping[str, Any]) -> Exchange:
    """An exchange as the files hold it. Ids that were blacked out get one of their form."""
    text = json.dumps(entry).replace("<AIRTABLE_BASE_ID>", BASE_ID).replace('"mock_item_id"', f'"{RECORD_ID}"')
    cleaned = json.loads(text)
    request, headers = cleaned["request"], cleaned.get("headers") or {}
    return Exchange(
        request["method"],
        request["path"],
        tuple(_pairs(request.get("query"))),
        request.get("body"),
        int(cleaned["status"]),
        cleaned["body"],
        parsedate_to_datetime(headers["Date"]).timestamp() if "Date" in headers else 0,
        str(headers.get("Content-Type", "")),
    )


def read(name: str) -> Any:
    """A file of the recordings, parsed."""
    return json.loads(material("recorded", name).read_text())


def _pairs(query: Any) -> Iterator[tuple[str, str]]:
    if isinstance(query, dict):
        for key, value in query.items():
            yield from ((key, one) for one in (value if isinstance(value, list) else [value]))
    elif isinstance(query, list):
        yield from ((str(key), str(value)) for key, value in query)


def ask(address: str, token: str, asked: Exchange) -> requests.Response:
    """Send the recorded request to `address`."""
    return requests.request(
        asked.method,
        address + asked.path,
        params=asked.query,
        json=asked.body,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )


# --- a base


@dataclass
class Sheet:
    """A table to rebuild: records as the service shows them, and columns that have to be there, in their order."""

    name: str
    records: Sequence[Mapping[str, Any]] = ()
    id: str = ""
    order: Sequence[str] = ()
    samples: Sequence[Mapping[str, Any]] = ()
    """Cells of records that are not there, but show of what types the columns are and what the computed ones hold."""


def rebuild(airtable: Airtable, base_id: str, sheets: Iterable[Sheet]) -> None:
    """Make the base what the sheets show. Every record that they link to is there as well."""
    airtable.base_id = base_id
    ids, all_sheets = Ids(7), list(sheets)
    tables = [_table(airtable, ids, sheet) for sheet in all_sheets]
    named = {record_id for table in tables for record_id in table.rows}
    linked = Table(ids, "linked records", airtable._clock, lambda: airtable.switches, [_column(ids, "Name", [])])
    for record_id in sorted({match[0] for match in _ID.finditer(repr(all_sheets)) if match[1] == "rec"} - named):
        linked._put(Row(record_id, len(linked.rows) + 1, 0, 0, {}, {}, 0))
    airtable._tables = (*tables, linked)  # type: ignore[assignment]
    if tables:
        airtable.leads, airtable.table_id = tables[0], tables[0].id


def _table(airtable: Airtable, ids: Ids, sheet: Sheet) -> Table:
    shown = [dict(record["fields"]) for record in sheet.records] + [dict(sample) for sample in sheet.samples]
    names = list(dict.fromkeys([*sheet.order, *(name for cells in shown for name in cells)])) or ["Name"]
    values = {name: [cells[name] for cells in shown if cells.get(name) is not None] for name in names}
    columns = [_column(ids, name, values[name]) for name in names]
    for column in columns:
        if column.computed:
            column.value = next((sample[column.name] for sample in sheet.samples if column.name in sample), None)
    table = Table(ids, sheet.name, airtable._clock, lambda: airtable.switches, columns)
    table.id = sheet.id or table.id
    for record in sheet.records:
        table._put(_row(table, record))
    numbers = [int(sample["f_autoNumber"]) - 1 for sample in sheet.samples if "f_autoNumber" in sample]
    table._serial = max([row.serial for row in table.rows.values()] + numbers, default=0)
    return table


def _column(ids: Ids, name: str, values: Sequence[Any]) -> Field:
    type_ = _type(name, values)
    choices: tuple[str, ...] = ()
    if type_ in ("singleSelect", "multipleSelects"):
        each = (one for value in values for one in (value if isinstance(value, list) else [value]))
        choices = tuple(dict.fromkeys(each))
    return new_field(ids, name, type_, choices)


def _type(name: str, values: Sequence[Any]) -> str:
    value = values[0] if values else ""
    if name.startswith("f_"):
        return name[2:]
    if name.casefold() == "status":
        return "singleSelect"
    if isinstance(value, bool):
        return "checkbox"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, dict):
        return "singleCollaborator"
    if isinstance(value, list):
        if isinstance(value[0], dict):
            return "multipleAttachments"
        return "multipleRecordLinks" if is_id(value[0], "rec") else "multipleSelects"
    if _TIME.fullmatch(value):
        return "dateTime"
    return "richText" if any(text.endswith("\n") for text in values) else "multilineText"


def _row(table: Table, record: Mapping[str, Any]) -> Row:
    """A record with its own id and times. What the stand-in works out for itself is left to it."""
    cells: dict[str, Any] = {}
    for name, value in record["fields"].items():
        column = table.field(name)
        assert column is not None
        if column.type not in ("autoNumber", "createdTime", "lastModifiedTime"):
            cells[column.id] = value
    created = moment(record["createdTime"])
    modified = moment(record["fields"].get("f_lastModifiedTime", record["createdTime"]))
    serial = int(record["fields"].get("f_autoNumber", len(table.rows) + 1))
    return Row(record["id"], serial, created, modified, cells, dict.fromkeys(cells, modified), modified)


def moment(text: str) -> int:
    """Unix milliseconds of a time as Airtable writes it."""
    found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(found.timestamp() * 1000)


# --- comparing


@dataclass
class Comparison:
    """What an answer differs in from a recorded one, as "where: what", where lists show as []. The ids that our own
    answer made up stand for the recorded ones in `ids`."""

    ids: dict[str, str] = field(default_factory=dict)
    new_ids: bool = False
    """Whether ids that are not in `ids` may differ, and go there: the request made something."""
    found: set[str] = field(default_factory=set)

    def status(self, recorded: int, ours: int) -> None:
        if recorded != ours:
            self.found.add(f"status: {recorded}, not {ours}")

    def value(self, recorded: Any, ours: Any, where: str = "") -> None:
        """Compare two JSON values to the last detail, but for ids that are known to differ and times 2 s apart."""
        if type(recorded) is not type(ours):
            self.found.add(f"{where}: {_kind(recorded)}, not {_kind(ours)}")
        elif isinstance(recorded, dict):
            self._objects(recorded, ours, where)
        elif isinstance(recorded, list):
            self._lists(recorded, ours, where)
        elif isinstance(recorded, str):
            self._texts(recorded, ours, where)
        elif recorded != ours:
            self.found.add(f"{where}: value")

    def _objects(self, recorded: Mapping[str, Any], ours: Mapping[str, Any], where: str) -> None:
        self.found |= {f"{_below(where, key)}: missing here" for key in recorded if key not in ours}
        self.found |= {f"{_below(where, key)}: only here" for key in ours if key not in recorded}
        both = [key for key in recorded if key in ours]
        if both != [key for key in ours if key in recorded]:
            self.found.add(f"{where}: order of keys")
        for key in both:
            self.value(recorded[key], ours[key], _below(where, key))

    def _lists(self, recorded: Sequence[Any], ours: Sequence[Any], where: str) -> None:
        if len(recorded) != len(ours):
            self.found.add(f"{where}: {len(recorded)} entries, not {len(ours)}")
            return
        if _ids_of(recorded) != _ids_of(ours) and sorted(_ids_of(recorded)) == sorted(_ids_of(ours)):
            self.found.add(f"{where}: order of entries")
            ours = sorted(ours, key=lambda entry: _ids_of(recorded).index(entry["id"]))
        for one, other in zip(recorded, ours, strict=True):
            self.value(one, other, f"{where}[]")

    def _texts(self, recorded: str, ours: str, where: str) -> None:
        if _TIME.fullmatch(recorded) and _TIME.fullmatch(ours):
            self._times(recorded, ours, where)
        elif self.new_ids and recorded != ours and recorded not in self.ids and _same_kind(recorded, ours):
            self.ids[recorded] = ours
        elif _ID.sub(lambda match: self.ids.get(match[0], match[0]), recorded) != ours:
            self.found.add(f"{where}: value")

    def _times(self, recorded: str, ours: str, where: str) -> None:
        # The services' clocks: a recorded time is up to 2 s from the `Date` of its own answer.
        if abs(moment(recorded) - moment(ours)) > 2000:
            self.found.add(f"{where}: value")
        if recorded.endswith(".000Z") != ours.endswith(".000Z"):
            self.found.add(f"{where}: milliseconds")


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _ids_of(entries: Sequence[Any]) -> list[str]:
    return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def _same_kind(recorded: str, ours: str) -> bool:
    one, other = _ID.fullmatch(recorded), _ID.fullmatch(ours)
    return bool(one and other and one[1] == other[1])
