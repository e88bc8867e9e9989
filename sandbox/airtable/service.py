"""The Airtable Web API over one base: who may ask what, in which order it is checked, and what is answered.

Order of checks: the form of the path, the token, the base, the request limit, the table, the scope, the body.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from sandbox.airtable.fields import Field, field_from_body, new_field
from sandbox.airtable.ids import Ids, is_id
from sandbox.airtable.limits import RateLimit
from sandbox.airtable.listing import IN_QUERY_ONLY, Iterators, Shape, from_url, page, parse, parse_shape
from sandbox.airtable.refusals import (
    Refused,
    RefusedByEdge,
    bad_body,
    bad_request,
    no_route,
    not_authenticated,
    not_permitted,
    quota_spent,
    refused,
    too_many,
)
from sandbox.airtable.switches import AirtableSwitches
from sandbox.airtable.table import Table, View
from sandbox.airtable.values import Casting
from sandbox.airtable.writing import Writer, check_record, missing_fields, records_of
from sandbox.wire import Answer, Clock, Request

# https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests
LONGEST_URL = 16_000
ALWAYS = ("Name", "Status", "ClickUp Task ID")
STATUSES = ("NEW", "CONTACTED", "QUALIFIED", "LOST")
DEFAULTS = AirtableSwitches()
DEFAULT_COLUMNS = (
    ("Company", "singleLineText"),
    ("Email", "email"),
    ("Phone", "phoneNumber"),
    ("Source", "singleLineText"),
    ("Notes", "multilineText"),
    ("Value", "number"),
    ("Subscribed", "checkbox"),
    ("Next Contact", "dateTime"),
)

_TABLE_ROUTES = {
    "GET": "list_records",
    "POST": "create_records",
    "PATCH": "update_records",
    "PUT": "replace_records",
    "DELETE": "delete_records",
}
_SCOPES = {
    "schema": "schema.bases:read",
    "bases": "schema.bases:read",
    "create_field": "schema.bases:write",
    "list_records": "data.records:read",
    "list_records_post": "data.records:read",
    "get_record": "data.records:read",
}


class Airtable:
    """One base, its tables and one token. Requests come by `handle`; the other methods are people at work in the
    base: they ask for no token, meet no limit and check no types, so that any JSON value can be planted in any cell.

    `switches` may be replaced at any time. `calls` counts the requests to the base that bore the token, refused ones
    as well; `writes` counts the write requests that were accepted.
    """

    def __init__(self, clock: Clock, *, limit: float = 5, switches: AirtableSwitches = DEFAULTS) -> None:
        self.switches = switches
        self.calls = 0
        self.writes = 0
        self.base_name = "Sales"
        self.table_name = "Leads"
        self.lock = threading.RLock()
        self._clock = clock
        self._ids = ids = Ids()
        self._limit = RateLimit(limit)
        self._iterators = Iterators(ids)
        self.token = ids.token()
        self._valid = True
        self.base_id = ids.new("app")
        self._user = {"id": ids.new("usr"), "email": "token.owner@example.com", "name": "Token Owner"}
        columns = [
            new_field(ids, "Name", "singleLineText"),
            new_field(ids, "Status", "singleSelect", STATUSES),
            new_field(ids, "ClickUp Task ID", "singleLineText"),
            *(new_field(ids, name, type_) for name, type_ in DEFAULT_COLUMNS),
        ]
        notes = [new_field(ids, "Name", "singleLineText"), new_field(ids, "Notes", "multilineText")]
        self.leads = Table(ids, self.table_name, clock, lambda: self.switches, columns)
        self.other = Table(ids, "Other", clock, lambda: self.switches, notes)
        self._tables = (self.leads, self.other)
        self.table_id = self.leads.id

    @property
    def limit(self) -> float:
        """Requests a second; 0 or less lets all pass."""
        return self._limit.limit

    @limit.setter
    def limit(self, value: float) -> None:
        self._limit.limit = value

    # --- HTTP

    def handle(self, request: Request) -> Answer:
        """Answer one request whose path is the part below /v0. The body of the answer is encoded already."""
        try:
            with self.lock:
                answer = Answer(200, self._answer(request))
        except Refused as refusal:
            answer = refusal.answer
        if isinstance(answer.body, bytes):
            return answer
        raw = answer.encoded()
        digest = base64.b64encode(hashlib.sha1(raw, usedforsecurity=False).digest()).decode()[:27]
        headers = {"Content-Type": "application/json; charset=utf-8", "ETag": f'W/"{len(raw):x}-{digest}"'}
        if self.switches.date_ahead_seconds:
            headers["Date"] = formatdate(int(self._clock.time() + self.switches.date_ahead_seconds), usegmt=True)
        return replace(answer, body=raw, headers=headers)

    def route(self, request: Request) -> str:
        """The name of what a request asks for: list_records, list_records_post, get_record, create_records,
        update_records, replace_records, delete_records, schema, create_field, whoami, bases or unknown."""
        path, method = request.path, request.method
        if path[:1] == ("meta",):
            return _meta_route(method, path)
        if len(path) < 2 or not is_id(path[0], "app") or not path[1]:
            return "unknown"
        if len(path) == 2:
            return _TABLE_ROUTES.get(method, "unknown")
        if path[2:] == ("listRecords",):
            return "list_records_post" if method == "POST" else "unknown"
        if len(path) == 3 and is_id(path[2], "rec") and method != "POST":
            return "get_record" if method == "GET" else _TABLE_ROUTES.get(method, "unknown")
        return "unknown"

    def _answer(self, request: Request) -> dict[str, Any]:
        if request.method == "GET" and _url_length(request) > LONGEST_URL:
            raise RefusedByEdge(414, "Request-URI Too Large")
        route = self.route(request)
        if route == "unknown":
            raise no_route()
        if not self._valid or request.headers.get("authorization", "") != f"Bearer {self.token}":
            raise not_authenticated()
        if route == "whoami":
            return {"id": self._user["id"]}
        if route == "bases":
            self._need_scope(route)
            return {"bases": [{"id": self.base_id, "name": self.base_name, "permissionLevel": "create"}]}
        meta = route in ("schema", "create_field")
        self._need_base(request.path[2] if meta else request.path[0], meta)
        self._count(meta)
        if route == "schema":
            return self._schema(request)
        table = self._need_table(request.path[4] if meta else request.path[1])
        self._need_scope(route)
        return self._create_field(table, request) if meta else self._records(route, table, request)

    def _count(self, meta: bool) -> None:
        self.calls += 1
        if not self._limit.passes(self._clock.monotonic(), self.switches):
            raise too_many(self.switches.singular_429)
        quota = self.switches.monthly_quota
        # The schema was seen to answer on while the month's requests were spent.
        if quota is not None and self.calls > quota and not meta:
            raise quota_spent()

    def _need_base(self, base_id: str, meta: bool) -> None:
        if base_id == self.base_id:
            return
        if not meta:
            raise no_route()
        raise refused(404, "NOT_FOUND") if self.switches.missing == "2022" else not_permitted()

    def _need_table(self, name_or_id: str) -> Table:
        for table in self._tables:
            if name_or_id in (table.id, table.name):
                return table
        if self.switches.missing == "2022":
            message = f"Could not find table {name_or_id} in application {self.base_id}"
            raise refused(404, "TABLE_NOT_FOUND", message)
        raise not_permitted()

    def _need_scope(self, route: str) -> None:
        if _SCOPES.get(route, "data.records:write") not in self.switches.scopes:
            raise not_permitted()

    def _schema(self, request: Request) -> dict[str, Any]:
        self._need_scope("schema")
        if any(pair not in _SCHEMA_QUERY for pair in request.query):
            raise bad_request()
        return {"tables": [_table_schema(table, visible=bool(request.query)) for table in self._tables]}

    def _create_field(self, table: Table, request: Request) -> dict[str, Any]:
        made = field_from_body(self._ids, _body(request))
        if table.field(made.name) is not None:
            message = f'There is already a field named "{made.name}".'
            raise refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", message)
        table.fields[made.id] = made
        self.writes += 1
        return made.schema()

    def _records(self, route: str, table: Table, request: Request) -> dict[str, Any]:
        if route == "list_records":
            return self._list(table, from_url(request.query))
        if route == "list_records_post":
            options = _body(request)
            if set(options) & set(IN_QUERY_ONLY) or not {key for key, _ in request.query} <= set(IN_QUERY_ONLY):
                raise bad_request()
            return self._list(table, {**options, **dict(request.query)})
        if route == "get_record":
            return self._get(table, request)
        # `typecast` in the query has no effect, and is no error.
        if route == "delete_records":
            return self._delete(table, request)
        if any(key != "typecast" for key, _ in request.query):
            raise bad_request()
        body = _body(request)
        if _is_single(request, body):
            return self._write_one(route, table, request, body)
        return self._write_many(route, table, body)

    def _list(self, table: Table, options: Mapping[str, Any]) -> dict[str, Any]:
        other_views = {key: view for other in self._tables if other is not table for key, view in other.views.items()}
        query = parse(table, options, other_views)
        return page(query, self._iterators, self._clock.monotonic(), self.switches)

    def _get(self, table: Table, request: Request) -> dict[str, Any]:
        options = from_url(request.query)
        if not set(options) <= {"returnFieldsByFieldId", "cellFormat", *IN_QUERY_ONLY}:
            raise bad_request()
        # A record of another table is found in the whole base, and answered.
        for home in (table, *self._tables):
            if request.path[2] in home.rows:
                return parse_shape(home, options).record(home, home.rows[request.path[2]])
        raise self._missing_record()

    def _missing_record(self) -> Refused:
        if self.switches.missing == "2022":
            return refused(404, "MODEL_ID_NOT_FOUND", "Record not found")
        return not_permitted()

    def _delete(self, table: Table, request: Request) -> dict[str, Any]:
        single = request.path[2] if len(request.path) == 3 else ""
        if any(key != "records[]" for key, _ in request.query) or (single and request.query):
            raise bad_request()
        if single and single not in table.rows:
            raise self._missing_record()
        record_ids = [single] if single else request.many("records[]")
        self._writer(table, {}).delete(record_ids)
        self.writes += 1
        gone = [{"deleted": True, "id": record_id} for record_id in record_ids]
        return gone[0] if single else {"records": gone}

    def _write_one(self, route: str, table: Table, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        record = {key: value for key, value in body.items() if key not in _FLAGS}
        check_record(record, {"fields"})
        writer, shape = self._writer(table, body), _shape(body)
        if route == "create_records":
            written = writer.create([record])
        else:
            if request.path[2] not in table.rows:
                raise self._missing_record()
            written = writer.update([{"id": request.path[2], **record}], replace=route == "replace_records")
        self.writes += 1
        return shape.record(table, written.rows[0])

    def _write_many(self, route: str, table: Table, body: dict[str, Any]) -> dict[str, Any]:
        creating = route == "create_records"
        if not set(body) <= {"records", *_FLAGS} | (set() if creating else {"performUpsert"}):
            raise bad_request()
        records = records_of(body, keys={"fields"} if creating else {"id", "fields"}, switches=self.switches)
        writer, shape, whole = self._writer(table, body), _shape(body), route == "replace_records"
        if creating:
            written = writer.create(records)
        elif "performUpsert" in body:
            written = writer.upsert(records, body["performUpsert"], replace=whole)
        else:
            written = writer.update(records, replace=whole)
        self.writes += 1
        answer: dict[str, Any] = {"records": [shape.record(table, row) for row in written.rows]}
        if "performUpsert" in body:
            answer |= {"createdRecords": written.created, "updatedRecords": written.updated}
        return answer

    def _writer(self, table: Table, body: Mapping[str, Any]) -> Writer:
        typecast = body.get("typecast", False)
        if not isinstance(typecast, bool):
            raise bad_request()
        return Writer(table, self._ids, [self._user], self._has_record, self.switches, typecast)

    def _has_record(self, record_id: str) -> bool:
        return any(record_id in table.rows for table in self._tables)

    # --- people

    def define_fields(self, specs: Iterable[Mapping[str, Any]]) -> None:
        """Replace the columns of the leads table beyond Name, Status and "ClickUp Task ID", which stay unless they are
        named. Each is {"name", "type"} and, where it applies, "choices" (a list of names), "value" (what a computed
        column shows: a JSON value, or a callable of the record's cells by name) and "references" (names of the columns
        that a last-modified-time column watches). A type that the service does not let anybody write is read-only."""
        with self.lock:
            self.leads.define(specs, ALWAYS)

    def add_record(self, fields: Mapping[str, Any]) -> str:
        """A person adds a lead; the id of the record. Raises KeyError for an unknown column."""
        with self.lock:
            return self.leads.add(self._cells(fields)).id

    def edit(self, record_id: str, fields: Mapping[str, Any]) -> None:
        """A person changes cells of a lead; None clears one. Raises KeyError for an unknown record or column."""
        with self.lock:
            self.leads.change(record_id, self._cells(fields))

    def delete(self, record_id: str) -> None:
        """A person deletes a lead. Raises KeyError."""
        with self.lock:
            self.leads.delete(record_id)

    def restore(self, record_id: str) -> None:
        """A person takes a lead out of the trash, with its old id, cells and times. Raises KeyError."""
        with self.lock:
            self.leads.restore(record_id)

    def duplicate(self, record_id: str) -> str:
        """A person duplicates a lead: a new record with all its cells. Raises KeyError."""
        with self.lock:
            return self.leads.add(self.leads.rows[record_id].cells).id

    def rename_field(self, old: str, new: str) -> None:
        """A person renames a column. Raises KeyError."""
        with self.lock:
            self._field(old).name = new

    def change_type(self, name: str, type_: str, choices: Iterable[str] = ()) -> None:
        """A person changes the type of a column; what the new type cannot take is cleared. It is no modification of
        the records. Raises KeyError."""
        with self.lock:
            old = self._field(name)
            changed = new_field(self._ids, name, type_, tuple(choices), old.id)
            self.leads.fields[old.id] = changed
            caster = Casting(True, self._ids, self._has_record, [self._user], [])
            for row in list(self.leads.rows.values()):
                if old.id in row.cells and not changed.computed:
                    self.leads.change(row.id, {old.id: _converted(caster, changed, row.cells[old.id])}, move=False)
            for column, choice in caster.new_choices:
                column.add_choice(choice, self._ids)

    def rename_choice(self, old: str, new: str, field: str = "Status") -> None:
        """A person renames an option of a select column: every cell shows the new name, and no record counts as
        modified (nobody has said whether one does). Raises KeyError."""
        with self.lock:
            column = self._field(field)
            choice = column.choice(old)
            if choice is None:
                raise KeyError(old)
            choice.name = new
            self._replace_choice(column, old, new)

    def remove_choice(self, name: str, field: str = "Status") -> None:
        """A person removes an option: the cells that held it are empty, unmodified as far as one can ask. Raises
        KeyError."""
        with self.lock:
            column = self._field(field)
            choice = column.choice(name)
            if choice is None:
                raise KeyError(name)
            column.choices.remove(choice)
            self._replace_choice(column, name, None)

    def add_choice(self, name: str, field: str = "Status") -> None:
        """A person adds an option to a select column. Raises KeyError."""
        with self.lock:
            self._field(field).add_choice(name, self._ids)

    def add_view(self, name: str, formula: str = "", sort: Iterable[tuple[str, str]] = ()) -> str:
        """A person makes a view of the records that a formula keeps, sorted by (column, "asc" or "desc"); its id.
        Raises InvalidFormula or KeyError."""
        with self.lock:
            view_id = self._ids.new("viw")
            self.leads.views[view_id] = self._view(view_id, name, formula, sort)
            return view_id

    def edit_view(self, view_id: str, formula: str = "", sort: Iterable[tuple[str, str]] = ()) -> None:
        """A person changes what a view keeps and how it sorts. Raises InvalidFormula or KeyError."""
        with self.lock:
            name = self.leads.views[view_id].name
            self.leads.views[view_id] = self._view(view_id, name, formula, sort)

    def revoke_token(self) -> None:
        """The token is good for nothing from now on."""
        self._valid = False

    def restore_token(self) -> None:
        """The token works again."""
        self._valid = True

    def lose_iterators(self) -> None:
        """Forget every listing that is under way."""
        with self.lock:
            self._iterators.lose_all()

    def lose_iterators_once(self) -> None:
        """The next request with an offset finds its listing gone."""
        self._iterators.lose_next = True

    def record(self, record_id: str) -> dict[str, Any] | None:
        """The cells of a lead by name, empty ones left out; None if it is not there."""
        with self.lock:
            row = self.leads.rows.get(record_id)
            return None if row is None else self.leads.show(row)

    def records(self) -> dict[str, dict[str, Any]]:
        """All leads by id, in order of creation."""
        with self.lock:
            return {key[-1]: self.leads.show(self.leads.rows[key[-1]]) for key in self.leads.by_serial}

    def _view(self, view_id: str, name: str, formula: str, sort: Iterable[tuple[str, str]]) -> View:
        keeps = self.leads.compile(formula) if formula else None
        return View(view_id, name, keeps, tuple((self._field(column).id, way == "desc") for column, way in sort))

    def _field(self, name: str) -> Field:
        found = self.leads.field(name)
        if found is None:
            raise KeyError(name)
        return found

    def _cells(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {self._field(name).id: value for name, value in fields.items()}

    def _replace_choice(self, column: Field, old: str, new: str | None) -> None:
        for row in list(self.leads.rows.values()):
            value = row.cells.get(column.id)
            if value == old:
                self.leads.change(row.id, {column.id: new}, move=False)
            elif isinstance(value, list) and old in value:
                kept = [new if item == old else item for item in value]
                self.leads.change(row.id, {column.id: [item for item in kept if item is not None]}, move=False)


_SCHEMA_QUERY = (("include[]", "visibleFieldIds"), ("include", "visibleFieldIds"))
_FLAGS = ("typecast", "returnFieldsByFieldId")


def _meta_route(method: str, path: tuple[str, ...]) -> str:
    if method == "GET" and path in (("meta", "whoami"), ("meta", "bases")):
        return path[1]
    if path[1:2] != ("bases",) or len(path) < 4 or not is_id(path[2], "app") or path[3] != "tables":
        return "unknown"
    if len(path) == 4:
        return "schema" if method == "GET" else "unknown"
    return "create_field" if method == "POST" and len(path) == 6 and path[5] == "fields" else "unknown"


def _table_schema(table: Table, *, visible: bool) -> dict[str, Any]:
    views = [{"id": view.id, "name": view.name, "type": "grid"} for view in table.views.values()]
    return {
        "id": table.id,
        "name": table.name,
        "primaryFieldId": table.primary_id,
        "fields": [field.schema() for field in table.fields.values()],
        "views": [{**view, "visibleFieldIds": list(table.fields)} for view in views] if visible else views,
    }


def _url_length(request: Request) -> int:
    path = "/".join(quote(part, safe="") for part in request.path)
    return len(f"https://api.airtable.com/v0/{path}?{urlencode(request.query)}")


def _body(request: Request) -> dict[str, Any]:
    if "json" not in request.headers.get("content-type", ""):
        raise bad_body()
    try:
        body = json.loads(request.raw.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_body() from None
    if not isinstance(body, dict):
        raise bad_request()
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _is_single(request: Request, body: Mapping[str, Any]) -> bool:
    if len(request.path) == 3:
        return True
    if "records" in body:
        return False
    if request.method == "POST":
        return True
    raise missing_fields() if "fields" not in body else bad_request()


def _shape(body: Mapping[str, Any]) -> Shape:
    by_id = body.get("returnFieldsByFieldId", False)
    if not isinstance(by_id, bool):
        raise bad_request()
    return Shape(by_id=by_id)


def _converted(caster: Casting, field: Field, value: Any) -> Any:
    try:
        return caster.cast(field, value, None)
    except Refused:
        return None
