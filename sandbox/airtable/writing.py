"""Creating, changing and deleting records: every record of a request is checked before the first is written.

A request is all or nothing: after a refused batch of two, neither the good record nor a gap in the autonumbers was
seen (recordings of the service, in https://github.com/grouparoo/grouparoo).
https://airtable.com/developers/web/api/update-multiple-records
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.airtable.fields import MERGEABLE, Field
from sandbox.airtable.ids import Ids, is_id
from sandbox.airtable.refusals import Refused, bad_records, bad_request, bad_value, no_such_row, refused
from sandbox.airtable.switches import AirtableSwitches
from sandbox.airtable.table import Row, Table
from sandbox.airtable.values import Casting

BATCH = 10


@dataclass
class Written:
    """What a write did: its records in the order of the request, and which of them are new."""

    rows: list[Row] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Step:
    """One record to write: `record_id` is None for a new one."""

    record_id: str | None
    cells: dict[str, Any]


class Writer:
    """Writes into one table on behalf of one request."""

    def __init__(
        self,
        table: Table,
        ids: Ids,
        users: list[dict[str, str]],
        has_record: Callable[[str], bool],
        switches: AirtableSwitches,
        typecast: bool,
    ) -> None:
        self._table = table
        self._ids = ids
        self._switches = switches
        self._cast = Casting(typecast, ids, has_record, users, [])

    def create(self, records: list[dict[str, Any]]) -> Written:
        """Create records, each `{"fields": {...}}`. Raises Refused."""
        return self._carry_out([_Step(None, self._cells(record, None, replace=False)) for record in records])

    def update(self, records: list[dict[str, Any]], *, replace: bool) -> Written:
        """Change records, each `{"id", "fields"}`; `replace` clears what is not named. Raises Refused."""
        for record in records:
            if not is_id(record.get("id"), "rec"):
                raise bad_records(_NEEDS_IDS)
        return self._carry_out([self._step(record, str(record["id"]), replace) for record in records])

    def upsert(self, records: list[dict[str, Any]], merge_on: Any, *, replace: bool) -> Written:
        """Change the record that agrees in the merge columns, or create it; more than one such record fails the whole
        request. A record that names its id is changed by it. Raises Refused."""
        columns = self._merge_columns(merge_on)
        steps = []
        for record in records:
            found = str(record["id"]) if "id" in record else self._match(record, columns)
            steps.append(self._step(record, found, replace))
        return self._carry_out(steps)

    def delete(self, record_ids: list[str]) -> None:
        """Delete several records. Raises Refused."""
        if not record_ids or (len(record_ids) > BATCH and not self._switches.accept_more):
            raise bad_records(f"You must provide an array of up to {BATCH} record IDs.")
        if len(set(record_ids)) != len(record_ids):
            raise bad_records("You must not name a record twice in one request.")
        for record_id in record_ids:
            if record_id not in self._table.rows:
                raise refused(404, "NOT_FOUND", f'Could not find a record with ID "{record_id}".')
        for record_id in record_ids:
            self._table.delete(record_id)

    def _step(self, record: dict[str, Any], record_id: str | None, replace: bool) -> _Step:
        if record_id is None:
            return _Step(None, self._cells(record, None, replace=False))
        if record_id not in self._table.rows:
            raise no_such_row(record_id)
        return _Step(record_id, self._cells(record, self._table.rows[record_id], replace=replace))

    def _cells(self, record: Mapping[str, Any], row: Row | None, *, replace: bool) -> dict[str, Any]:
        before = row.cells if row else {}
        cells: dict[str, Any] = {}
        if replace:
            cells = {key: None for key in before if key in self._table.fields and not self._table.fields[key].computed}
        for name, value in record["fields"].items():
            column = self._table.need_field(name)
            cells[column.id] = self._cast.cast(column, value, before.get(column.id))
        return cells

    def _merge_columns(self, merge_on: Any) -> list[Field]:
        if not isinstance(merge_on, dict) or set(merge_on) != {"fieldsToMergeOn"}:
            raise bad_request()
        names = merge_on["fieldsToMergeOn"]
        if not isinstance(names, list) or not 1 <= len(names) <= 3:
            raise bad_request()
        columns = [self._table.need_field(name) for name in names]
        for column in columns:
            if column.type not in MERGEABLE:
                raise bad_value(column.name)
        return columns

    def _match(self, record: Mapping[str, Any], columns: list[Field]) -> str | None:
        wanted = {}
        for column in columns:
            named = [name for name in record["fields"] if name in (column.name, column.id)]
            if not named:
                raise bad_request()
            wanted[column.id] = self._cast.cast(column, record["fields"][named[-1]], None)
        if any(value is None for value in wanted.values()):
            return None
        found = [
            row.id
            for row in self._table.rows.values()
            if all(row.cells.get(key) == value for key, value in wanted.items())
        ]
        if len(found) > 1:
            raise bad_records("More than one record matches the fields to merge on.")
        return found[0] if found else None

    def _carry_out(self, steps: list[_Step]) -> Written:
        named = [step.record_id for step in steps if step.record_id is not None]
        if len(set(named)) != len(named):
            raise bad_records("You must not name a record twice in one request.")
        for column, choice in self._cast.new_choices:
            column.add_choice(choice, self._ids)
        written = Written()
        for step in steps:
            if step.record_id is None:
                row = self._table.add({key: value for key, value in step.cells.items() if value is not None})
                written.created.append(row.id)
            else:
                row = self._change(step.record_id, step.cells)
                written.updated.append(row.id)
            written.rows.append(row)
        return written

    def _change(self, record_id: str, cells: dict[str, Any]) -> Row:
        before = self._table.rows[record_id].cells
        if not self._switches.equal_values_move:
            cells = {key: value for key, value in cells.items() if before.get(key) != value}
        return self._table.change(record_id, cells)


_NEEDS_IDS = (
    f'You must provide an array of up to {BATCH} record objects, each with an "id" ID field and a "fields" object for'
    " cell values."
)


def records_of(body: Mapping[str, Any], *, keys: set[str], switches: AirtableSwitches) -> list[dict[str, Any]]:
    """The records of a batch request, each with the keys that it may have. Raises Refused."""
    records = body["records"]
    if not isinstance(records, list) or not records:
        raise bad_records(_NEEDS_IDS if "id" in keys else "You must provide an array of record objects.")
    if len(records) > BATCH and not switches.accept_more:
        creating = f"A maximum of {BATCH} records can be created per request but you have provided {len(records)}."
        raise bad_records(_NEEDS_IDS if "id" in keys else creating)
    for record in records:
        check_record(record, keys)
    return records


def check_record(record: Any, keys: set[str]) -> None:
    """One record of a request. Raises Refused."""
    if not isinstance(record, dict):
        raise bad_request()
    if "fields" not in record:
        raise missing_fields()
    if not isinstance(record["fields"], dict) or not set(record) <= keys:
        raise bad_request()


def missing_fields() -> Refused:
    return refused(422, "INVALID_REQUEST_MISSING_FIELDS", 'Could not find field "fields" in the request body')
