"""Listing records: the parameters, the order, and the pages.

https://airtable.com/developers/web/api/list-records
What is not documented and taken at its worst here: a listing is no snapshot, so that rows come and go between two
pages; without `sort` and `view` the order is that of the record ids; an offset belongs to one query.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import total_ordering
from itertools import islice
from typing import Any

from sandbox.airtable.fields import SELECTS, Field
from sandbox.airtable.ids import Ids, is_id
from sandbox.airtable.refusals import Refused, bad_request, refused
from sandbox.airtable.switches import AirtableSwitches
from sandbox.airtable.table import Key, Row, Table, View, seconds
from sandbox.airtable.values import is_empty
from sandbox.formula import Formula, InvalidFormula, Narrow

PAGE = 100
IN_QUERY_ONLY = ("timeZone", "userLocale")
# More than so many in the indexed form come out wrong (https://github.com/fuxingloh/airtable/pull/6).
INDEXED_FIELDS = 20


@dataclass(frozen=True)
class Shape:
    """How records are shown."""

    fields: tuple[Field, ...] | None = None
    by_id: bool = False
    as_string: bool = False
    comments: bool = False

    def record(self, table: Table, row: Row) -> dict[str, Any]:
        """A record as the service writes it, its keys in the service's order."""
        shown: dict[str, Any] = {"id": row.id, "createdTime": seconds(row.created)}
        if self.comments:
            shown["commentCount"] = 0
        shown["fields"] = table.show(row, self.fields, by_id=self.by_id, as_string=self.as_string)
        return shown


@dataclass(frozen=True)
class ListQuery:
    """A listing as asked for. `asked` is what has to be the same on every page."""

    table: Table
    shape: Shape
    page_size: int
    most: int | None
    offset: str
    filters: tuple[Formula[Row], ...]
    sort: tuple[tuple[Field, bool], ...] | None
    asked: str


@dataclass
class Listing:
    """An iterator between two pages: for each page given out, its last record, that record's place, and how many
    records went before."""

    asked: str
    used: float
    places: dict[str, tuple[Key, int]] = field(default_factory=dict)


class Iterators:
    """The listings that are under way; each is forgotten when it has rested too long."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._open: dict[str, Listing] = {}
        self.lose_next = False

    def lose_all(self) -> None:
        self._open.clear()

    def find(self, offset: str, asked: str, now: float, switches: AirtableSwitches) -> tuple[str, Listing, str]:
        """The iterator id, its listing and the last record of the page before. Raises Refused."""
        iterator, _, last = offset.partition("/")
        if not is_id(iterator, "itr") or not is_id(last, "rec"):
            raise _bad_offset(offset)
        if self.lose_next:
            self.lose_next = False
            self._open.pop(iterator, None)
        listing = self._open.get(iterator)
        if listing is None or now - listing.used > switches.iterator_seconds:
            self._open.pop(iterator, None)
            raise refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
        if last not in listing.places or listing.asked != asked:
            raise _bad_offset(offset)
        listing.used = now
        return iterator, listing, last

    def start(self, asked: str, now: float, switches: AirtableSwitches) -> tuple[str, Listing]:
        for old in [key for key, at in self._open.items() if now - at.used > switches.iterator_seconds]:
            del self._open[old]
        iterator, listing = self._ids.new("itr"), Listing(asked, now)
        self._open[iterator] = listing
        return iterator, listing


def _bad_offset(offset: str) -> Refused:
    return refused(422, "INVALID_OFFSET_VALUE", f"The value of offset {offset} is invalid")


# --- parameters


def from_url(query: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The parameters of a GET as the JSON body of a POST would have them. Raises Refused for unknown ones."""
    options: dict[str, Any] = {}
    sort: dict[int, dict[str, str]] = {}
    for key, value in query:
        sorting = re.fullmatch(r"sort\[(\d+)\]\[(field|direction)\]", key)
        indexed = re.fullmatch(r"fields\[(\d*)\]", key)
        if sorting:
            sort.setdefault(int(sorting[1]), {})[sorting[2]] = value
        elif indexed and int(indexed[1] or 0) < INDEXED_FIELDS:
            options.setdefault("fields", []).append(value)
        elif key in ("recordMetadata[]", "recordMetadata"):
            options.setdefault("recordMetadata", []).append(value)
        elif key == "returnFieldsByFieldId":
            options[key] = value.lower() in ("1", "true")
        elif key in ("pageSize", "maxRecords", "offset", "view", "filterByFormula", "cellFormat", *IN_QUERY_ONLY):
            options[key] = value
        else:
            raise bad_request()
    if sort:
        options["sort"] = [sort[index] for index in sorted(sort)]
    return options


def parse(table: Table, options: Mapping[str, Any], other_views: Mapping[str, View]) -> ListQuery:
    """A listing from its parameters. `other_views` are those of the other tables. Raises Refused."""
    known = {"pageSize", "maxRecords", "offset", "view", "sort", "filterByFormula", "fields", "cellFormat"}
    if not set(options) <= known | {"returnFieldsByFieldId", "recordMetadata", *IN_QUERY_ONLY}:
        raise bad_request()
    page_size = _count(options.get("pageSize"))
    if page_size is not None and not 0 <= page_size <= PAGE:
        raise refused(422, "INVALID_PAGE_SIZE_ARGUMENT", f"The page size must be between 0 and {PAGE}.")
    most = _count(options.get("maxRecords"))
    if most is not None and most < 0:
        raise bad_request()
    view = _view(table, _string(options, "view"), other_views)
    sort = _sort(table, options.get("sort"), view)
    shape = parse_shape(table, options)
    filters = [view.formula] if view and view.formula else []
    text = _string(options, "filterByFormula")
    if text.strip():
        try:
            filters.append(table.compile(text))
        except InvalidFormula as error:
            message = f"The formula for filtering records is invalid: {error}"
            raise refused(422, "INVALID_FILTER_BY_FORMULA", message) from None
    asked = repr([table.id, most, text, view and view.id, options.get("sort"), options.get("fields")])
    offset = _string(options, "offset")
    return ListQuery(table, shape, PAGE if page_size is None else page_size, most, offset, tuple(filters), sort, asked)


def parse_shape(table: Table, options: Mapping[str, Any]) -> Shape:
    """How records are to be shown. Raises Refused."""
    names, metadata = options.get("fields"), options.get("recordMetadata", [])
    by_id, cell_format = options.get("returnFieldsByFieldId", False), options.get("cellFormat", "json")
    if not isinstance(names, (list, type(None))) or metadata not in ([], ["commentCount"]):
        raise bad_request()
    if not isinstance(by_id, bool) or cell_format not in ("json", "string"):
        raise bad_request()
    if cell_format == "string" and not all(options.get(name) for name in IN_QUERY_ONLY):
        raise bad_request()
    # An empty list of fields is no wish at all, in a URL as in a body.
    fields = tuple(table.need_field(name) for name in names) if names else None
    return Shape(fields, by_id, cell_format == "string", bool(metadata))


def _string(options: Mapping[str, Any], name: str) -> str:
    value = options.get(name)
    if not isinstance(value, (str, type(None))):
        raise bad_request()
    return value or ""


def _count(value: Any) -> int | None:
    """A number; what is not numeric is ignored, as was seen."""
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,9}", str(value)):
        return None
    return int(value)


def _view(table: Table, wanted: str, other_views: Mapping[str, View]) -> View | None:
    if not wanted:
        return None
    for view in table.views.values():
        if wanted in (view.id, view.name):
            return view
    if wanted in other_views:
        raise refused(422, "FAILED_STATE_CHECK")
    kind = "VIEW_ID_NOT_FOUND" if is_id(wanted, "viw") else "VIEW_NAME_NOT_FOUND"
    raise refused(422, kind, f"View {wanted} not found")


def _sort(table: Table, wanted: Any, view: View | None) -> tuple[tuple[Field, bool], ...] | None:
    """The columns to sort by and whether downwards; () is the order of a view without a sort, None that of the ids."""
    if not wanted:
        return (
            None if view is None else tuple((table.fields[key], down) for key, down in view.sort if key in table.fields)
        )
    if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
        raise bad_request()
    for item in wanted:
        if not set(item) <= {"field", "direction"} or item.get("direction", "asc") not in ("asc", "desc"):
            raise bad_request()
    return tuple((table.need_field(item.get("field")), item.get("direction") == "desc") for item in wanted)


# --- order and pages


@total_ordering
class _Down:
    """A sort key turned round."""

    def __init__(self, key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.key == other.key)

    def __lt__(self, other: _Down) -> bool:
        return bool(other.key < self.key)

    __hash__ = None  # type: ignore[assignment]


def page(query: ListQuery, iterators: Iterators, now: float, switches: AirtableSwitches) -> dict[str, Any]:
    """One page as the service writes it, with an `offset` where there is more. Raises Refused."""
    iterator, listing, place, given = "", None, None, 0
    if query.offset:
        iterator, listing, last = iterators.find(query.offset, query.asked, now, switches)
        place, given = listing.places[last]
    full = min(query.page_size, switches.rows_a_page)
    size = full if query.most is None else min(full, query.most - given)
    keys = _keys(query)
    if switches.paging == "key" and place is not None:
        rows = _matching(query, keys, bisect_right(keys, place))
    else:
        rows = _matching(query, keys, 0)
        next(islice(rows, given, given), None)
    found = list(islice(rows, size))
    body: dict[str, Any] = {"records": [query.shape.record(query.table, row) for row in found]}
    wants_more = found and (query.most is None or given + len(found) < query.most)
    if wants_more and next(rows, None) is not None:
        if listing is None:
            iterator, listing = iterators.start(query.asked, now, switches)
        listing.places[found[-1].id] = (_key_of(query)(found[-1]), given + len(found))
        body["offset"] = f"{iterator}/{found[-1].id}"
    return body


def _matching(query: ListQuery, keys: Sequence[Key], start: int) -> Iterator[Row]:
    for index in range(start, len(keys)):
        row = query.table.seen(keys[index][-1])
        if row is not None and all(formula.keeps(row) for formula in query.filters):
            yield row


def _keys(query: ListQuery) -> Sequence[Key]:
    """The place of every record that may be in the listing, in order; each ends in the record's id."""
    narrow = [formula.narrow for formula in query.filters if formula.narrow is not None]
    if narrow or query.sort:
        table, key = query.table, _key_of(query)
        rows = [table.rows[name] for name in _candidates(table, narrow[0])] if narrow else table.rows.values()
        return sorted(map(key, rows))
    return query.table.by_id if query.sort is None else query.table.by_serial


def _candidates(table: Table, narrow: Narrow) -> set[str]:
    found = set() if narrow.after is None else table.modified_after(narrow.after)
    return found | {name for name in narrow.ids if name in table.rows}


def _key_of(query: ListQuery) -> Callable[[Row], Key]:
    if query.sort is None:
        return lambda row: (row.id,)
    if not query.sort:
        return lambda row: (row.serial, row.id)
    columns = query.sort

    def key(row: Row) -> Key:
        parts = ((_sort_key(query.table, column, row), down) for column, down in columns)
        return (*(_Down(part) if down else part for part, down in parts), row.id)

    return key


def _sort_key(table: Table, column: Field, row: Row) -> tuple[int, Any]:
    value = table.read(column, row)
    if is_empty(value):
        return (0, 0)
    if column.type in SELECTS and isinstance(value, str):
        return (1, next((index for index, choice in enumerate(column.choices) if choice.name == value), -1))
    if isinstance(value, (bool, int, float)):
        return (1, value)
    text = table.show(row, [column], as_string=True)[column.name]
    return (2, (text.casefold(), text))
