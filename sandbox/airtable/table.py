"""One table: columns, records, views, and the orders in which records are found.

A record is a frozen value that each change replaces, so that an answer can be written out while the table goes on.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.airtable.fields import TIMES, Field, new_field
from sandbox.airtable.ids import Ids
from sandbox.airtable.refusals import no_such_field
from sandbox.airtable.switches import AirtableSwitches
from sandbox.airtable.values import as_text, formula_value, is_empty
from sandbox.formula import Columns, Formula, InvalidFormula, Moment, RowError, Value, compile_formula, format_moment
from sandbox.wire import Clock


@dataclass(frozen=True)
class Row:
    """A record at one time. `cells` and `touched` (when a cell was last written) are keyed by field id; all times are
    in milliseconds. `serial` is the autonumber. `since` is when this version came about, `before` the one before it,
    kept only for listings that lag behind."""

    id: str
    serial: int
    created: int
    modified: int
    cells: Mapping[str, Any]
    touched: Mapping[str, int]
    since: int
    before: Row | None = None


@dataclass(frozen=True)
class View:
    """A view: which records, by a formula, and in which order; without one, in order of creation."""

    id: str
    name: str
    formula: Formula[Row] | None = None
    sort: tuple[tuple[str, bool], ...] = ()


Key = tuple[Any, ...]


class Table:
    """Columns, records and views. What it does is not limited or checked: that is for those who speak HTTP."""

    def __init__(
        self, ids: Ids, name: str, clock: Clock, switches: Callable[[], AirtableSwitches], fields: Iterable[Field]
    ) -> None:
        self.id = ids.new("tbl")
        self.name = name
        self.fields = {field.id: field for field in fields}
        self.primary_id = next(iter(self.fields))
        self.rows: dict[str, Row] = {}
        self.trash: dict[str, Row] = {}
        self.by_id: list[Key] = []
        self.by_serial: list[Key] = []
        self.by_modified: list[Key] = []
        grid = View(ids.new("viw"), "Grid view")
        self.views = {grid.id: grid}
        self._ids = ids
        self._clock = clock
        self._switches = switches
        self._serial = 0

    # --- columns

    def field(self, name_or_id: object) -> Field | None:
        """The column of this name or id; names count letter for letter."""
        if isinstance(name_or_id, str) and name_or_id in self.fields:
            return self.fields[name_or_id]
        return next((field for field in self.fields.values() if field.name == name_or_id), None)

    def need_field(self, name_or_id: object) -> Field:
        """The column of this name or id. Raises Refused."""
        found = self.field(name_or_id)
        if found is None:
            raise no_such_field(str(name_or_id))
        return found

    def define(self, specs: Iterable[Mapping[str, Any]], always: Iterable[str]) -> None:
        """Replace the columns by these, each {"name", "type", "choices"?, "value"?, "references"?}, keeping those
        named in `always` and the ids of all whose names stay."""
        wanted = {str(spec["name"]): spec for spec in specs}
        kept = [field for field in self.fields.values() if field.name in set(always) - set(wanted)]
        old = {field.name: field.id for field in self.fields.values()}
        made = [
            new_field(self._ids, name, str(spec["type"]), tuple(spec.get("choices", ())), old.get(name, ""))
            for name, spec in wanted.items()
        ]
        order = list(always)
        fields = sorted(kept + made, key=lambda field: order.index(field.name) if field.name in order else len(order))
        self.fields = {field.id: field for field in fields}
        for field in made:
            spec = wanted[field.name]
            field.value = spec.get("value")
            if field.type == "multipleRecordLinks":
                field.options["linkedTableId"] = self.id
            field.references = tuple(self.need_field(name).id for name in spec.get("references", ()))

    # --- records

    def add(self, cells: Mapping[str, Any]) -> Row:
        """A new record; it is modified when it is created, to the second."""
        self._serial += 1
        now = self._clock.milliseconds()
        touched = dict.fromkeys(cells, now)
        return self._put(Row(self._ids.new("rec"), self._serial, now, now, dict(cells), touched, now))

    def change(self, record_id: str, cells: Mapping[str, Any], *, move: bool = True) -> Row:
        """Write cells, None to clear one; with `move` false the modification times stay."""
        row, now = self.rows[record_id], self._clock.milliseconds()
        after = {key: value for key, value in {**row.cells, **cells}.items() if value is not None}
        if not move or not cells:
            return self._put(replace(row, cells=after))
        touched = {**row.touched, **dict.fromkeys(cells, now)}
        return self._put(replace(row, cells=after, touched=touched, modified=now, since=now, before=self._kept(row)))

    def delete(self, record_id: str) -> None:
        row = self.rows[record_id]
        self._take_out(row)
        del self.rows[record_id]
        self.trash[record_id] = row

    def restore(self, record_id: str) -> None:
        """Bring a record back from the trash as it was: nothing says that this counts as a modification."""
        self._put(self.trash.pop(record_id))

    def _kept(self, row: Row) -> Row | None:
        if self._switches().stale_seconds <= 0:
            return None
        return replace(row, before=None) if row.since <= self._horizon() else row

    def _put(self, row: Row) -> Row:
        if row.id in self.rows:
            self._take_out(self.rows[row.id])
        self.rows[row.id] = row
        for index, key in self._keys(row):
            insort(index, key)
        return row

    def _take_out(self, row: Row) -> None:
        for index, key in self._keys(row):
            del index[bisect_left(index, key)]

    def _keys(self, row: Row) -> tuple[tuple[list[Key], Key], ...]:
        return (
            (self.by_id, (row.id,)),
            (self.by_serial, (row.serial, row.id)),
            (self.by_modified, (row.modified, row.id)),
        )

    def modified_after(self, milliseconds: int) -> set[str]:
        """The ids of the records modified later than this."""
        return {key[-1] for key in self.by_modified[bisect_right(self.by_modified, (milliseconds, "~")) :]}

    def seen(self, record_id: str) -> Row | None:
        """The record as a listing shows it: late by so much as the switch says."""
        row: Row | None = self.rows.get(record_id)
        if self._switches().stale_seconds <= 0:
            return row
        horizon = self._horizon()
        while row is not None and row.since > horizon:
            row = row.before
        return row

    def _horizon(self) -> int:
        """The time whose state listings show, in milliseconds."""
        return self._clock.milliseconds() - int(self._switches().stale_seconds * 1000)

    # --- reading

    def read(self, field: Field, row: Row) -> Any:
        """A cell as JSON, computed ones included."""
        if field.id in row.cells:
            return row.cells[field.id]
        if field.type == "autoNumber":
            return row.serial
        if field.type == "createdTime":
            return seconds(row.created)
        if field.type == "lastModifiedTime":
            moved = [row.touched[key] for key in field.references if key in row.touched]
            moment = max(moved, default=None) if field.references else row.modified
            return None if moment is None else seconds(moment)
        if callable(field.value):
            return field.value(
                {other.name: row.cells[other.id] for other in self.fields.values() if other.id in row.cells}
            )
        return field.value

    def show(
        self, row: Row, wanted: Iterable[Field] | None = None, *, by_id: bool = False, as_string: bool = False
    ) -> dict[str, Any]:
        """The cells of a record by name or id, the empty ones left out."""
        shown: dict[str, Any] = {}
        for field in self.fields.values() if wanted is None else wanted:
            value = self.read(field, row)
            if not is_empty(value):
                shown[field.id if by_id else field.name] = _string(value) if as_string else value
        return shown

    def compile(self, text: str) -> Formula[Row]:
        """A formula over this table's columns. Raises InvalidFormula."""
        return compile_formula(text, Columns(_record_id, self._created, self._modified, self._value))

    def _created(self, row: Row) -> Moment:
        return Moment(row.created // 1000 * 1000)

    def _modified(self, names: tuple[str, ...]) -> Callable[[Row], Moment | None]:
        keys = tuple(field.id for field in map(self.field, names) if field is not None)
        told = self._switches().field_times
        if names and told == "refused":
            raise InvalidFormula("LAST_MODIFIED_TIME of a field is not to be had")
        grain = 1 if self._switches().modified_in_milliseconds else 1000

        def modified(row: Row) -> Moment | None:
            if not names or told == "record":
                return Moment(row.modified // grain * grain)
            moved = [row.touched[key] for key in keys if key in row.touched]
            return Moment(max(moved) // grain * grain) if moved else None

        return modified

    def _value(self, name: str) -> Callable[[Row], Value] | None:
        # Names only: whether a field id in braces works is disputed. A formula follows a column that is renamed later.
        field = next((field for field in self.fields.values() if field.name == name), None)
        if field is None:
            return None
        is_time = field.type in TIMES
        if field.computed:
            return lambda row: formula_value(self.read(field, row), is_time)
        return lambda row: formula_value(row.cells.get(field.id), is_time)


def _record_id(row: Row) -> str:
    return row.id


def seconds(milliseconds: int) -> str:
    """A time as the service writes it, in whole seconds."""
    return format_moment(milliseconds // 1000 * 1000)


def _string(value: Any) -> str:
    try:
        return as_text(value)
    except RowError:
        return "#ERROR!"
