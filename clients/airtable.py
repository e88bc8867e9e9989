"""Airtable's Web API, as much of it as the sync needs. https://airtable.com/developers/web/api/introduction"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
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
from clients.shape import Misshapen, list_of, object_of, text_of, text_or_empty
from models import Announce, FieldInfo, Record, RecordPage, TableInfo

ADDRESS = "https://api.airtable.com/v0"

_PAGE = 100
_BATCH = 10
_MOST_PAGES = 20_000
_MOST_RESTARTS = 3
_RECORD_ID = re.compile(r"rec[0-9A-Za-z]{14}")
_TABLE_ID = re.compile(r"tbl[0-9A-Za-z]{14}")
_LOST_ITERATOR = frozenset({"LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "INVALID_OFFSET_VALUE"})

_HINT_AUTH = "create a new personal access token at https://airtable.com/create/tokens and put it into AIRTABLE_API_KEY"
_HINT_ACCESS = (
    "check AIRTABLE_BASE_ID and AIRTABLE_TABLE_NAME; the token needs the scopes data.records:read, data.records:write "
    "and schema.bases:read and this base in its access list, and its owner the right to edit"
)
_HINT_QUOTA = "the workspace's API calls of this month are spent: wait for the next month or upgrade the plan"
_HINT_PLAN = "a quota of the plan is spent: upgrade it, or wait until it is renewed"
_HINTS = {
    "UNKNOWN_FIELD_NAME": "the table has no such field: check the field names in the settings",
    "INVALID_MULTIPLE_CHOICE_OPTIONS": "add this option to the select field in Airtable, or correct STATUS_MAP",
    "INVALID_VALUE_FOR_COLUMN": "the field's type does not take this value: check the type of the field in Airtable",
    "ROW_DOES_NOT_EXIST": "the record was deleted, or is in another table",
    "VIEW_NAME_NOT_FOUND": "check AIRTABLE_VIEW",
    "VIEW_ID_NOT_FOUND": "check AIRTABLE_VIEW",
}


def service(address: str = ADDRESS) -> Service:
    """Airtable at this address, for `Http`. The Authorization header is `Bearer ` and the token."""
    return Service("airtable", address.rstrip("/"), explain)


def explain(status: int, body: Any) -> Verdict:
    """What a refusal means. All the error shapes that Airtable uses are read: an object, a bare word, a list.

    https://airtable.com/developers/web/api/errors
    """
    code, message = _code_and_message(body)
    hint = _HINTS.get(code, "")
    if status == 402:
        return Verdict(QuotaSpent, code, message, _HINT_PLAN)
    if status == 429:
        if "BILLING" in code:
            return Verdict(QuotaSpent, code, message, _HINT_QUOTA)
        return Verdict(RateLimited, code, message, "another program uses this base's API as well: run them apart")
    if status == 401:
        return Verdict(AuthError, code, message, _HINT_AUTH)
    if status in (403, 404):
        return Verdict(NotFound, code, message, _HINT_ACCESS)
    if status == 408 or status >= 500:
        return Verdict(ServiceError, code, message, hint)
    return Verdict(InvalidRequest, code, message, hint)


def _code_and_message(body: Any) -> tuple[str, str]:
    if not isinstance(body, dict):
        return "", ""
    error, errors = body.get("error"), body.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _text(errors[0].get("error")), _text(errors[0].get("message"))
    if isinstance(error, dict):
        return _text(error.get("type")), _text(error.get("message"))
    return _text(error), ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# Formulas. https://support.airtable.com/docs/formula-field-reference


def quote(text: str) -> str:
    r"""The text as a string literal of a formula, with \ and ' escaped."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def field_ref(name: str) -> str:
    """A reference to a field. Raises ValueError for a name with a brace, which a formula cannot name safely."""
    if "{" in name or "}" in name:
        raise ValueError(f"a field name with a brace cannot be used in a formula: {name!r}")
    return "{" + name + "}"


def changed_since(unix_seconds: float) -> str:
    """True for records that a person or a program has edited after this moment, also newly made ones."""
    return f"IS_AFTER(LAST_MODIFIED_TIME(),{_moment(unix_seconds)})"


def created_after(unix_seconds: float) -> str:
    """True for records that were made after this moment."""
    return f"IS_AFTER(CREATED_TIME(),{_moment(unix_seconds)})"


def is_blank(name: str) -> str:
    """True where this field is empty."""
    return f"{field_ref(name)}=BLANK()"


def all_of(*parts: str) -> str:
    """True where all of the formulas are; empty ones do not count; "" if none is left."""
    return _joined("AND", parts)


def any_of(*parts: str) -> str:
    """True where at least one of the formulas is; empty ones do not count; "" if none is left."""
    return _joined("OR", parts)


def is_one_of(record_ids: Iterable[str]) -> str:
    """True for these records; "" for none. Raises ValueError for what is no record id."""
    return any_of(*(f"RECORD_ID()='{_checked_id(record_id)}'" for record_id in record_ids))


def status_older_than(record_id: str, status_field: str, unix_seconds: float) -> str:
    """True for this record if its status cell was last changed before this moment."""
    changed = f"LAST_MODIFIED_TIME({field_ref(status_field)})"
    return all_of(is_one_of([record_id]), f"IS_BEFORE({changed},{_moment(unix_seconds)})")


def status_newer_than(record_id: str, status_field: str, unix_seconds: float) -> str:
    """True for this record if its status cell was last changed after this moment."""
    changed = f"LAST_MODIFIED_TIME({field_ref(status_field)})"
    return all_of(is_one_of([record_id]), f"IS_AFTER({changed},{_moment(unix_seconds)})")


def _joined(function: str, parts: Iterable[str]) -> str:
    given = [part for part in parts if part]
    return f"{function}({','.join(given)})" if len(given) > 1 else "".join(given)


def _moment(unix_seconds: float) -> str:
    # A date compared with a bare string is true for every row, hence the explicit DATETIME_PARSE.
    moment = datetime.fromtimestamp(unix_seconds, timezone.utc)
    return f"DATETIME_PARSE('{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z')"


def _checked_id(record_id: str) -> str:
    if not _RECORD_ID.fullmatch(record_id):
        raise ValueError(f"not a record id: {record_id!r}")
    return record_id


class AirtableClient:
    """The leads' table. Every method raises ApiError or Interrupted as `Http.fetch` does."""

    def __init__(self, http: Http, base_id: str, table: str) -> None:
        """`table` is the table's name or id."""
        self.http = http
        self._base_id = base_id
        self._table = table
        self._path = f"/{percent(base_id, safe='')}/{percent(table, safe='')}"

    def now(self) -> float:
        """Unix seconds in the service's clock."""
        return self.http.now()

    def list_records(
        self, *, fields: Sequence[str], formula: str = "", view: str = "", page_size: int = _PAGE
    ) -> Iterator[RecordPage]:
        """All records, or those for which the formula is true and which the view shows, in no order, page by page.

        Only the named fields are read. When Airtable has lost its place in the listing, the listing starts again,
        at most three times, and rows may repeat. Raises BadAnswer for pages that do not end.
        https://airtable.com/developers/web/api/list-records
        """
        asked: dict[str, Any] = {"pageSize": page_size, "fields": list(fields)}
        asked |= {name: value for name, value in (("filterByFormula", formula), ("view", view)) if value}
        offset, seen, restarts = "", set[str](), 0
        for _ in range(_MOST_PAGES):
            try:
                page, following = self._page(asked | ({"offset": offset} if offset else {}))
            except InvalidRequest as failure:
                if failure.code not in _LOST_ITERATOR or not offset or restarts == _MOST_RESTARTS:
                    raise
                offset, seen, restarts = "", set[str](), restarts + 1
                continue
            if following in seen:
                raise self._bad_answer("the pages of the listing go round in a circle")
            yield page
            if not following:
                return
            seen.add(following)
            offset = following
        raise self._bad_answer("the pages of the listing do not end")

    def read_by_ids(self, ids: Iterable[str], *, fields: Sequence[str], view: str = "") -> Iterator[RecordPage]:
        """Those of the records that exist in the table, or that the view shows, 100 ids a request.

        Raises ValueError for what is no record id, before anything is sent.
        """
        wanted = [_checked_id(record_id) for record_id in dict.fromkeys(ids)]
        for start in range(0, len(wanted), _PAGE):
            chunk = wanted[start : start + _PAGE]
            yield from self.list_records(fields=fields, formula=is_one_of(chunk), view=view)

    def update(
        self,
        rows: Sequence[tuple[str, Mapping[str, Any]]],
        *,
        announce: Announce | None = None,
        last_words: bool = False,
    ) -> tuple[Record, ...]:
        """Set the named cells of at most ten records, all of them or none; None empties a cell.

        Returns the whole records as they are now, in the order given. `announce` and `last_words` are explained at
        `Http.fetch`.
        https://airtable.com/developers/web/api/update-multiple-records
        """
        ids = [_checked_id(record_id) for record_id, _ in rows]
        if not 0 < len(ids) <= _BATCH or len(set(ids)) < len(ids):
            raise ValueError(f"one request takes one to {_BATCH} different records, not {ids}")

        def read(answer: Answer) -> tuple[Record, ...]:
            answered = _records(answer.body)
            if sorted(record.id for record in answered) != sorted(ids):
                raise Misshapen("the answer does not hold the records that were sent")
            return tuple(sorted(answered, key=lambda record: ids.index(record.id)))

        sent = [{"id": record_id, "fields": dict(fields)} for record_id, fields in rows]
        body = {"records": sent, "typecast": False}
        return self.http.fetch(
            "PATCH", self._path, read, body=body, replayable=True, announce=announce, last_words=last_words
        )

    def create(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Record, ...]:
        """Make at most ten records of these cells, all of them or none; never sent twice if they may be there already.

        Returns them in the order given. The sync makes no records; the live test does.
        https://airtable.com/developers/web/api/create-records
        """
        if not 0 < len(rows) <= _BATCH:
            raise ValueError(f"one request takes one to {_BATCH} records, not {len(rows)}")

        def read(answer: Answer) -> tuple[Record, ...]:
            made = _records(answer.body)
            if len(made) != len(rows):
                raise Misshapen("the answer does not hold the records that were sent")
            return made

        body = {"records": [{"fields": dict(cells)} for cells in rows], "typecast": False}
        return self.http.fetch("POST", self._path, read, body=body, replayable=False)

    def delete(self, record_ids: Sequence[str]) -> None:
        """Delete at most ten records, all of them or none. The sync deletes nothing; the live test does.

        https://airtable.com/developers/web/api/delete-multiple-records
        """
        if not 0 < len(record_ids) <= _BATCH:
            raise ValueError(f"one request takes one to {_BATCH} records, not {len(record_ids)}")
        query = [("records[]", _checked_id(record_id)) for record_id in record_ids]
        self.http.send("DELETE", self._path, query=query, replayable=True)

    def schema(self) -> TableInfo:
        """The table as it is set up. Raises NotFound, with the names of the tables there are, if it is missing.

        https://airtable.com/developers/web/api/get-base-schema
        """
        path = f"/meta/bases/{percent(self._base_id, safe='')}/tables"
        tables = self.http.fetch("GET", path, lambda answer: _tables(answer.body), replayable=True)
        for table in tables:
            if table.id == self._table:
                return table
        for table in tables:
            if table.name == self._table:
                return table
        names = ", ".join(table.name for table in tables)
        hint = f"set AIRTABLE_TABLE_NAME to one of the base's tables: {names}" if names else "the base has no tables"
        message = f"the base has no table {self._table}"
        raise NotFound(
            message, service=self.http.service.name, method="GET", path=path, code="TABLE_NOT_FOUND", hint=hint
        )

    def _page(self, body: Mapping[str, Any]) -> tuple[RecordPage, str]:
        def read(answer: Answer) -> tuple[RecordPage, str]:
            rows = _records(answer.body)
            return RecordPage(rows, answer.date), text_or_empty(answer.body.get("offset"), "offset")

        return self.http.fetch("POST", f"{self._path}/listRecords", read, body=body, replayable=True)

    def _bad_answer(self, message: str) -> ApiError:
        return BadAnswer(message, service=self.http.service.name, method="POST", path=f"{self._path}/listRecords")


def _records(body: Any) -> tuple[Record, ...]:
    return tuple(_record(row) for row in list_of(object_of(body, "the answer").get("records"), "records"))


def _record(value: Any) -> Record:
    row = object_of(value, "a record")
    return Record(
        id=_record_id(row.get("id")),
        created=text_of(row.get("createdTime"), "a record's createdTime"),
        fields=object_of(row.get("fields"), "a record's fields"),
    )


def _record_id(value: Any) -> str:
    # It goes into formulas and into requests, so nothing else is taken for one.
    if not isinstance(value, str) or not _RECORD_ID.fullmatch(value):
        raise Misshapen("a record's id is none")
    return value


def _tables(body: Any) -> tuple[TableInfo, ...]:
    return tuple(_table(table) for table in list_of(object_of(body, "the answer").get("tables"), "tables"))


def _table(value: Any) -> TableInfo:
    table = object_of(value, "a table")
    return TableInfo(
        id=_table_id(table.get("id")),
        name=text_of(table.get("name"), "a table's name"),
        fields=tuple(_field(field) for field in list_of(table.get("fields"), "a table's fields")),
        views=tuple(_view(view) for view in list_of(table.get("views", []), "a table's views")),
    )


def _table_id(value: Any) -> str:
    # The state file is tied to it.
    if not isinstance(value, str) or not _TABLE_ID.fullmatch(value):
        raise Misshapen("a table's id is none")
    return value


def _view(value: Any) -> tuple[str, str]:
    view = object_of(value, "a view")
    return text_of(view.get("id"), "a view's id"), text_of(view.get("name"), "a view's name")


def _field(value: Any) -> FieldInfo:
    field = object_of(value, "a field")
    options = field.get("options")
    choices = options.get("choices") if isinstance(options, dict) else None
    return FieldInfo(
        id=text_of(field.get("id"), "a field's id"),
        name=text_of(field.get("name"), "a field's name"),
        type=text_of(field.get("type"), "a field's type"),
        choices=tuple(_choice(choice) for choice in list_of(choices or [], "a field's choices")),
    )


def _choice(value: Any) -> str:
    return text_or_empty(object_of(value, "a choice").get("name"), "a choice's name")
