"""The stand-in's Airtable, asked directly: pages, formulas, writes, refusals, limits, and people at work in it."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.airtable import ALL_SCOPES, Airtable, AirtableSwitches
from sandbox.wire import Answer, Clock, Request

START = 1_700_000_000.75
NOBODY = "rec00000000000000"
FORBIDDEN = "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"


class Caller:
    """Speaks to one stand-in as the server does."""

    def __init__(self, limit: float = 0, **switches: Any) -> None:
        self.clock = Clock(START)
        self.at = Airtable(self.clock, limit=limit, switches=AirtableSwitches(**switches))
        self.number = itertools.count(1)

    def ask(
        self, method: str, *path: str, body: Any = None, query: tuple[tuple[str, str], ...] = (), token: str = ""
    ) -> Answer:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token or self.at.token}", "content-type": "application/json"}
        return self.at.handle(Request(next(self.number), "airtable", method, path, query, headers, raw))

    def leads(self, method: str, *path: str, **more: Any) -> Answer:
        return self.ask(method, self.at.base_id, "Leads", *path, **more)

    def get(self, *path: str, **query: str) -> Any:
        return good(self.leads("GET", *path, query=tuple(query.items())))

    def page(self, **options: Any) -> Any:
        return good(self.leads("POST", "listRecords", body=options))

    def ids(self, **options: Any) -> list[str]:
        """Every record of a listing, page by page."""
        found, offset = [], ""
        while True:
            page = self.page(**options, **({"offset": offset} if offset else {}))
            found += [record["id"] for record in page["records"]]
            offset = page.get("offset", "")
            if not offset:
                return found

    def columns(self) -> list[dict[str, Any]]:
        """The columns of the leads table as the schema shows them."""
        tables: list[Any] = good(self.ask("GET", "meta", "bases", self.at.base_id, "tables"))["tables"]
        columns: list[dict[str, Any]] = tables[0]["fields"]
        return columns

    def change_switches(self, **switches: Any) -> None:
        self.at.switches = replace(self.at.switches, **switches)

    def fill(self, count: int) -> list[str]:
        return [self.at.add_record({"Name": f"lead {number:04d}"}) for number in range(count)]


def json_of(answer: Answer) -> Any:
    return json.loads(answer.encoded())


def good(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return json_of(answer)


def bad(answer: Answer) -> tuple[int, str]:
    error = json_of(answer)
    return answer.status, error["errors"][0]["error"] if "errors" in error else error["error"]["type"]


def message(answer: Answer) -> str:
    return str(json_of(answer)["error"]["message"])


@pytest.fixture
def caller() -> Caller:
    return Caller()


# --- who may ask what


def test_an_answer_has_the_keys_and_headers_of_the_service(caller: Caller) -> None:
    record_id = caller.at.add_record({"Name": "Ann", "Status": "NEW", "Value": 0, "Notes": "", "Subscribed": False})
    answer = caller.leads("GET", record_id)
    assert list(good(answer)) == ["id", "createdTime", "fields"]
    assert good(answer)["createdTime"] == "2023-11-14T22:13:20.000Z"
    assert good(answer)["fields"] == {"Name": "Ann", "Status": "NEW", "Value": 0}
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["ETag"].startswith(f'W/"{len(answer.encoded()):x}-')
    assert not any("rate" in name.lower() or name.lower() == "retry-after" for name in answer.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ("nobase", "Leads")),
        ("GET", ("appAAAAAAAAAAAAAA",)),
        ("GET", ("appAAAAAAAAAAAAAA", "Leads", "notARecord")),
        ("POST", ("appAAAAAAAAAAAAAA", "Leads", NOBODY)),
        ("OPTIONS", ("appAAAAAAAAAAAAAA", "Leads")),
        ("GET", ("meta", "elsewhere")),
        ("GET", ("meta", "bases", "notABase", "tables")),
        ("GET", ()),
    ],
)
def test_a_path_that_is_none_is_refused_before_the_token_is_looked_at(
    caller: Caller, method: str, path: tuple[str, ...]
) -> None:
    answer = caller.ask(method, *path, token="wrong")
    assert (answer.status, json_of(answer)) == (404, {"error": "NOT_FOUND"})


def test_a_wrong_missing_or_revoked_token_is_401(caller: Caller) -> None:
    wrong = caller.ask("GET", caller.at.base_id, "Leads", token="patWRONG")
    assert (wrong.status, json_of(wrong)) == (
        401,
        {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"}},
    )
    bare = caller.at.handle(Request(1, "airtable", "GET", (caller.at.base_id, "Leads"), (), {}, b""))
    assert bare.status == 401
    assert good(caller.ask("GET", "meta", "whoami"))["id"].startswith("usr")
    caller.at.revoke_token()
    assert caller.ask("GET", "meta", "whoami").status == 401


def test_what_is_missing_answers_as_in_2026(caller: Caller) -> None:
    assert json_of(caller.ask("GET", "appAAAAAAAAAAAAAA", "Leads")) == {"error": "NOT_FOUND"}
    assert bad(caller.ask("GET", "meta", "bases", "appAAAAAAAAAAAAAA", "tables")) == (403, FORBIDDEN)
    assert bad(caller.ask("GET", caller.at.base_id, "leads")) == (403, FORBIDDEN)
    for method, body in (("GET", None), ("PATCH", {"fields": {}}), ("PUT", {"fields": {}}), ("DELETE", None)):
        assert bad(caller.leads(method, NOBODY, body=body)) == (403, FORBIDDEN)
    many = caller.leads("PATCH", body={"records": [{"id": NOBODY, "fields": {}}]})
    assert bad(many) == (422, "ROW_DOES_NOT_EXIST")
    assert message(many) == f"Record ID {NOBODY} does not exist in this table"
    assert bad(caller.leads("DELETE", query=(("records[]", NOBODY),))) == (404, "NOT_FOUND")


def test_what_is_missing_answers_as_in_2022() -> None:
    caller = Caller(missing="2022")
    assert bad(caller.leads("GET", NOBODY)) == (404, "MODEL_ID_NOT_FOUND")
    assert bad(caller.ask("GET", caller.at.base_id, "Gone")) == (404, "TABLE_NOT_FOUND")
    assert json_of(caller.ask("GET", "meta", "bases", "appAAAAAAAAAAAAAA", "tables")) == {
        "error": {"type": "NOT_FOUND"}
    }


@pytest.mark.parametrize(
    ("scope", "method", "tail"),
    [
        ("data.records:read", "GET", ("Leads",)),
        ("data.records:read", "GET", ("Leads", NOBODY)),
        ("data.records:write", "POST", ("Leads",)),
        ("data.records:write", "PATCH", ("Leads",)),
        ("data.records:write", "DELETE", ("Leads", NOBODY)),
    ],
)
def test_a_token_without_the_scope_is_403_before_the_body_is_read(
    scope: str, method: str, tail: tuple[str, ...]
) -> None:
    caller = Caller(scopes=ALL_SCOPES - {scope})
    assert bad(caller.ask(method, caller.at.base_id, *tail, body=b"{")) == (403, FORBIDDEN)


def test_the_schema_has_a_scope_of_its_own() -> None:
    caller = Caller(scopes=frozenset({"data.records:read"}))
    assert bad(caller.ask("GET", "meta", "bases", caller.at.base_id, "tables")) == (403, FORBIDDEN)
    assert bad(caller.ask("GET", "meta", "bases")) == (403, FORBIDDEN)
    assert caller.leads("GET").status == 200


def test_a_record_of_another_table_is_answered_all_the_same(caller: Caller) -> None:
    """Danger: a 200 read by id proves nothing about the table that the record lives in."""
    other = good(caller.ask("POST", caller.at.base_id, "Other", body={"fields": {"Notes": "elsewhere"}}))
    assert caller.get(other["id"])["fields"] == {"Notes": "elsewhere"}
    assert caller.ids(filterByFormula=f"RECORD_ID()='{other['id']}'") == []
    assert caller.leads("PATCH", other["id"], body={"fields": {}}).status == 403


# --- schema


def test_the_schema_shows_tables_fields_options_and_views(caller: Caller) -> None:
    view = caller.at.add_view("Hot", "{Status}='NEW'")
    tables = good(caller.ask("GET", "meta", "bases", caller.at.base_id, "tables"))["tables"]
    assert [table["name"] for table in tables] == ["Leads", "Other"]
    leads = tables[0]
    assert list(leads) == ["id", "name", "primaryFieldId", "fields", "views"]
    assert leads["id"] == caller.at.table_id
    fields = {field["name"]: field for field in leads["fields"]}
    assert fields["Name"]["id"] == leads["primaryFieldId"]
    assert fields["ClickUp Task ID"] == {"id": fields["ClickUp Task ID"]["id"], "name": "ClickUp Task ID",
                                         "type": "singleLineText"}  # fmt: skip
    choices = fields["Status"]["options"]["choices"]
    assert [choice["name"] for choice in choices] == ["NEW", "CONTACTED", "QUALIFIED", "LOST"]
    assert all(choice["id"].startswith("sel") and choice["color"] for choice in choices)
    assert {"id": view, "name": "Hot", "type": "grid"} in leads["views"]
    assert {field["type"] for field in leads["fields"]} >= {"number", "checkbox", "multilineText", "dateTime", "email"}


def test_a_column_is_made_over_the_api_and_takes_values(caller: Caller) -> None:
    path = ("meta", "bases", caller.at.base_id, "tables", caller.at.table_id, "fields")
    made = good(caller.ask("POST", *path, body={"name": "Note", "type": "singleLineText", "description": "d"}))
    assert made == {"id": made["id"], "name": "Note", "type": "singleLineText", "description": "d"}
    assert good(caller.leads("POST", body={"fields": {"Note": "x"}}))["fields"] == {"Note": "x"}
    assert bad(caller.ask("POST", *path, body={"name": "Note", "type": "singleLineText"}))[0] == 422
    assert caller.ask("POST", *path, body={"name": "N", "type": "singleSelect"}).status == 422
    assert caller.ask("POST", *path, body={"name": "N", "type": "formula"}).status == 422
    caller.change_switches(scopes=ALL_SCOPES - {"schema.bases:write"})
    assert caller.ask("POST", *path, body={"name": "N", "type": "singleLineText"}).status == 403


# --- listing


def test_a_listing_goes_by_record_id_a_hundred_at_a_time(caller: Caller) -> None:
    made = caller.fill(250)
    first = caller.get()
    assert len(first["records"]) == 100
    assert first["offset"].split("/")[1] == first["records"][-1]["id"]
    assert caller.ids() == sorted(made) != made
    assert "offset" not in caller.get(maxRecords="100")
    assert "offset" not in caller.page(filterByFormula="{Name}='lead 0001'")
    assert caller.get(pageSize="0") == {"records": []}
    assert caller.get(maxRecords="0") == {"records": []}
    assert len(caller.get(pageSize="many")["records"]) == 100
    assert len(caller.ids(pageSize=7, maxRecords=20)) == 20


@pytest.mark.parametrize("size", [-1, 101])
def test_a_page_size_out_of_range_is_refused(caller: Caller, size: int) -> None:
    assert bad(caller.leads("POST", "listRecords", body={"pageSize": size})) == (422, "INVALID_PAGE_SIZE_ARGUMENT")


def test_rows_that_come_and_go_between_pages_show_through(caller: Caller) -> None:
    """Danger: a listing taken for a snapshot."""
    made = sorted(caller.fill(30))
    page = caller.page(pageSize=10)
    caller.at.delete(made[9])
    caller.at.delete(made[15])
    caller.at.edit(made[20], {"Name": "edited"})
    rest = caller.page(pageSize=100, offset=page["offset"])["records"]
    assert [record["id"] for record in rest] == [made[n] for n in range(10, 30) if n != 15]
    assert next(record for record in rest if record["id"] == made[20])["fields"]["Name"] == "edited"


def test_by_position_a_deleted_row_hides_another() -> None:
    """Danger: a row that is there, missing from a listing that looked complete."""
    caller = Caller(paging="position")
    made = sorted(caller.fill(30))
    page = caller.page(pageSize=10)
    caller.at.delete(made[0])
    rest = caller.page(offset=page["offset"])["records"]
    assert [record["id"] for record in rest] == made[11:]


def test_a_page_may_hold_fewer_rows_than_were_asked_for() -> None:
    """Danger: a short page taken for the last one."""
    caller = Caller(rows_a_page=2)
    made = sorted(caller.fill(5))
    page = caller.page(pageSize=10)
    assert [record["id"] for record in page["records"]] == made[:2]
    assert len(caller.page(pageSize=1)["records"]) == 1
    assert sorted(caller.ids(pageSize=100)) == made


def test_an_offset_dies_of_old_age_and_at_will(caller: Caller) -> None:
    caller.fill(30)

    def next_page(offset: str) -> Answer:
        return caller.leads("POST", "listRecords", body={"pageSize": 10, "offset": offset})

    offset = caller.page(pageSize=10)["offset"]
    caller.clock.advance(299)
    offset = good(next_page(offset))["offset"]
    caller.clock.advance(301)
    gone = next_page(offset)
    assert (gone.status, json_of(gone)) == (422, {"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"}})

    offset = caller.page(pageSize=10)["offset"]
    caller.at.lose_iterators_once()
    assert bad(next_page(offset)) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    offset = caller.page(pageSize=10)["offset"]
    assert next_page(offset).status == 200
    caller.at.lose_iterators()
    assert bad(next_page(offset)) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    assert bad(next_page("itrAAAAAAAAAAAAAA/recAAAAAAAAAAAAAA")) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    assert bad(next_page("itrZX")) == (422, "INVALID_OFFSET_VALUE")
    assert message(next_page("itrZX")) == "The value of offset itrZX is invalid"
    assert len(caller.get(offset="")["records"]) == 30


def test_an_offset_belongs_to_its_question(caller: Caller) -> None:
    caller.fill(30)
    offset = caller.page(pageSize=10)["offset"]
    other = caller.leads("POST", "listRecords", body={"pageSize": 10, "offset": offset, "filterByFormula": "1"})
    assert bad(other) == (422, "INVALID_OFFSET_VALUE")
    assert caller.get(pageSize="10", offset=offset)["records"]


def test_the_same_page_can_be_asked_twice(caller: Caller) -> None:
    caller.fill(30)
    offset = caller.page(pageSize=10)["offset"]
    again = [caller.page(pageSize=10, offset=offset) for _ in range(2)]
    assert again[0]["records"] == again[1]["records"]
    assert again[0]["offset"] == again[1]["offset"]


def test_sort_view_fields_and_formats(caller: Caller) -> None:
    at = caller.at
    b = at.add_record({"Name": "b", "Value": 10, "Status": "LOST"})
    a = at.add_record({"Name": "a", "Value": 9, "Status": "NEW", "Subscribed": True})
    c = at.add_record({"Name": "C", "Status": "CONTACTED"})
    assert caller.ids(sort=[{"field": "Name"}]) == [a, b, c]
    assert caller.ids(sort=[{"field": "Name", "direction": "desc"}]) == [c, b, a]
    assert caller.ids(sort=[{"field": "Value"}]) == [c, a, b]
    assert caller.ids(sort=[{"field": "Status"}], pageSize=1) == [a, c, b]
    by_get = (("sort[0][field]", "Value"), ("sort[0][direction]", "desc"), ("fields[]", "Name"))
    rows = good(caller.leads("GET", query=by_get))["records"]
    assert [row["fields"] for row in rows] == [{"Name": "b"}, {"Name": "a"}, {"Name": "C"}]

    view = at.add_view("With value", "{Value}>0", [("Value", "asc")])
    everything = at.add_view("Everything")
    assert caller.ids(view="With value") == caller.ids(view=view) == [a, b]
    assert caller.ids(view=everything, pageSize=1) == [b, a, c]
    assert caller.ids(view=view, filterByFormula="{Status}='LOST'") == [b]
    at.edit_view(view, "{Subscribed}=TRUE()")
    assert caller.ids(view=view) == [a]

    id_of = {field["name"]: field["id"] for field in caller.columns()}
    assert caller.page(fields=[id_of["Name"]], returnFieldsByFieldId=True, view=view)["records"][0]["fields"] == {
        id_of["Name"]: "a"
    }
    texts = good(
        caller.leads(
            "POST",
            "listRecords",
            body={"cellFormat": "string", "view": view},
            query=(("timeZone", "utc"), ("userLocale", "en")),
        )
    )
    assert texts["records"][0]["fields"] == {"Name": "a", "Status": "NEW", "Value": "9", "Subscribed": "checked"}
    assert caller.page(recordMetadata=["commentCount"], view=view)["records"][0]["commentCount"] == 0


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"view": "Nowhere"}, "VIEW_NAME_NOT_FOUND"),
        ({"view": "viwAAAAAAAAAAAAAA"}, "VIEW_ID_NOT_FOUND"),
        ({"fields": ["Name", "Nope"]}, "UNKNOWN_FIELD_NAME"),
        ({"sort": [{"field": "Nope"}]}, "UNKNOWN_FIELD_NAME"),
        ({"sort": [{"field": "Name", "direction": "up"}]}, "INVALID_REQUEST_UNKNOWN"),
        ({"filterByFormula": "AND("}, "INVALID_FILTER_BY_FORMULA"),
        ({"filterByFormula": "{fldAAAAAAAAAAAAAA}=1"}, "INVALID_FILTER_BY_FORMULA"),
        ({"cellFormat": "string"}, "INVALID_REQUEST_UNKNOWN"),
        ({"timeZone": "utc"}, "INVALID_REQUEST_UNKNOWN"),
        ({"limit": 3}, "INVALID_REQUEST_UNKNOWN"),
    ],
)
def test_what_a_listing_cannot_be_asked(caller: Caller, options: dict[str, Any], kind: str) -> None:
    assert bad(caller.leads("POST", "listRecords", body=options)) == (422, kind)


def test_errors_of_a_listing_in_their_own_words(caller: Caller) -> None:
    unknown = caller.leads("GET", query=(("filterByFormula", "{Other Test}=1"),))
    assert message(unknown) == "The formula for filtering records is invalid: Unknown field names: other test"
    assert message(caller.leads("GET", query=(("fields[]", "Nope"),))) == 'Unknown field name: "Nope"'
    assert caller.leads("GET", query=(("cache", "1"),)).status == 422
    other_view = next(iter(caller.at.other.views))
    assert json_of(caller.leads("GET", query=(("view", other_view),))) == {"error": {"type": "FAILED_STATE_CHECK"}}
    record = caller.at.add_record({"Name": "x"})
    assert bad(caller.leads("GET", record, query=(("fields[]", "Name"),))) == (422, "INVALID_REQUEST_UNKNOWN")


def test_an_address_of_more_than_16000_characters_is_refused(caller: Caller) -> None:
    """Danger: a long list of ids in a GET, which has to go by POST."""
    formula = "OR(" + ",".join(f"RECORD_ID()='{NOBODY}'" for _ in range(500)) + ")"
    refused = caller.leads("GET", query=(("filterByFormula", formula),))
    assert refused.status == 414
    assert refused.headers["Content-Type"] == "text/html"
    assert caller.page(filterByFormula=formula) == {"records": []}


def test_a_stale_listing_lags_behind_a_write() -> None:
    """Danger: a record looked for right after it was written, not found, and written again."""
    caller = Caller(stale_seconds=2)
    record = caller.at.add_record({"Name": "old"})
    assert caller.ids() == []
    assert caller.get(record)["fields"] == {"Name": "old"}
    caller.clock.advance(3)
    assert caller.ids() == [record]
    caller.at.edit(record, {"Name": "new"})
    caller.clock.advance(1)
    caller.at.edit(record, {"Name": "newest"})
    assert caller.ids(filterByFormula="{Name}='old'") == [record]
    caller.clock.advance(1.5)
    assert caller.ids(filterByFormula="{Name}='new'") == [record]
    caller.clock.advance(1)
    assert caller.ids(filterByFormula="{Name}='newest'") == [record]


# --- modification times


def changed_after(caller: Caller, moment: str, *columns: str) -> list[str]:
    names = ",".join(f"{{{column}}}" for column in columns)
    return caller.ids(filterByFormula=f"IS_AFTER(LAST_MODIFIED_TIME({names}), DATETIME_PARSE('{moment}'))")


def test_modification_times_are_whole_seconds_rounded_down(caller: Caller) -> None:
    """Danger: an edit late in a second is not after that second."""
    record = caller.at.add_record({"Name": "x"})
    assert changed_after(caller, "2023-11-14T22:13:19.999Z") == [record]
    assert changed_after(caller, "2023-11-14T22:13:20.000Z") == []
    caller.change_switches(modified_in_milliseconds=True)
    assert changed_after(caller, "2023-11-14T22:13:20.000Z") == [record]


def test_every_accepted_write_moves_the_time_and_a_refused_one_does_not(caller: Caller) -> None:
    record = caller.at.add_record({"Name": "x", "Status": "NEW"})
    caller.clock.advance(10)
    refused = caller.leads("PATCH", body={"records": [{"id": record, "fields": {"Name": "y", "Value": "no number"}}]})
    assert refused.status == 422
    assert changed_after(caller, "2023-11-14T22:13:25Z") == []
    assert caller.leads("PATCH", record, body={"fields": {}}).status == 200
    assert changed_after(caller, "2023-11-14T22:13:25Z") == []
    assert caller.leads("PATCH", record, body={"fields": {"Name": "x"}}).status == 200
    assert changed_after(caller, "2023-11-14T22:13:25Z") == [record]
    assert changed_after(caller, "2023-11-14T22:13:25Z", "Status") == []
    assert changed_after(caller, "2023-11-14T22:13:25Z", "Status", "Name") == [record]
    assert changed_after(caller, "2000-01-01", "Value") == []


def test_equal_values_move_the_time_or_not_by_switch() -> None:
    caller = Caller(equal_values_move=False)
    record = caller.at.add_record({"Name": "x"})
    caller.clock.advance(10)
    caller.leads("PATCH", record, body={"fields": {"Name": "x"}})
    assert changed_after(caller, "2023-11-14T22:13:25Z") == []


@pytest.mark.parametrize("ahead", [10, -10])
def test_date_is_apart_from_the_times_of_records_by_switch(ahead: int) -> None:
    caller = Caller(date_ahead_seconds=ahead)
    answer = caller.leads("POST", body={"fields": {"Name": "x"}})
    created = datetime.fromisoformat(good(answer)["createdTime"].replace("Z", "+00:00"))
    assert (parsedate_to_datetime(answer.headers["Date"]) - created).total_seconds() == ahead


_questions = st.sampled_from([
    "IS_AFTER(LAST_MODIFIED_TIME(), DATETIME_PARSE('2023-11-14T22:13:{}Z'))",
    "IS_AFTER(LAST_MODIFIED_TIME({{Status}}), '2023-11-14T22:13:{}Z')",
    "OR(RECORD_ID()='none', IS_BEFORE('2023-11-14T22:13:{}Z', LAST_MODIFIED_TIME()))",
    "AND({{Status}}='NEW', LAST_MODIFIED_TIME() >= DATETIME_PARSE('2023-11-14T22:13:{}Z'))",
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(_questions, st.integers(18, 40), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 2)), max_size=12))
def test_a_question_by_time_finds_what_reading_everything_finds(
    question: str, second: int, edits: list[tuple[int, int]]
) -> None:
    caller = Caller()
    made = caller.fill(12)
    for number, pause in edits:
        caller.clock.advance(pause)
        caller.at.edit(made[number], {"Status": "NEW"})
    text = question.format(second)
    assert caller.ids(filterByFormula=text, pageSize=5) == caller.ids(filterByFormula=f"NOT(NOT({text}))")


# --- writing


def test_one_and_many_are_written_and_answered_whole(caller: Caller) -> None:
    one = good(caller.leads("POST", body={"fields": {"Name": "one", "Value": 5}, "typecast": False}))
    assert list(one) == ["id", "createdTime", "fields"]
    many = good(caller.leads("POST", body={"records": [{"fields": {"Name": n}} for n in "abc"]}))["records"]
    assert [record["fields"]["Name"] for record in many] == ["a", "b", "c"]
    patched = good(caller.leads("PATCH", one["id"], body={"fields": {"Status": "NEW"}}))
    assert patched["fields"] == {"Name": "one", "Value": 5, "Status": "NEW"}
    assert patched["createdTime"] == one["createdTime"]
    cleared = good(caller.leads("PATCH", one["id"], body={"fields": {"Value": None, "Name": ""}}))
    assert cleared["fields"] == {"Status": "NEW"}
    put = good(caller.leads("PUT", one["id"], body={"fields": {"Name": "two"}}))
    assert put["fields"] == {"Name": "two"}
    assert good(caller.leads("DELETE", one["id"])) == {"deleted": True, "id": one["id"]}
    gone = tuple(("records[]", record["id"]) for record in many)
    assert good(caller.leads("DELETE", query=gone)) == {
        "records": [{"deleted": True, "id": record["id"]} for record in many]
    }
    assert caller.at.records() == {}
    assert caller.at.writes == 7


def test_a_batch_is_all_or_nothing(caller: Caller) -> None:
    """Danger: nine good records taken for written because one bad one was named."""
    caller.at.define_fields([{"name": "Number", "type": "autoNumber"}])
    first = good(caller.leads("POST", body={"fields": {"Name": "first"}}))
    records: list[dict[str, Any]] = [{"fields": {"Name": "good"}}, {"fields": {"Name": "bad", "Number": 40}}]
    refused = caller.leads("POST", body={"records": records})
    assert bad(refused) == (422, "INVALID_VALUE_FOR_COLUMN")
    assert message(refused) == 'Field "Number" cannot accept a value because the field is computed'
    assert len(caller.at.records()) == 1
    second = good(caller.leads("POST", body={"fields": {"Name": "second"}}))
    assert [first["fields"]["Number"], second["fields"]["Number"]] == [1, 2]
    changes = [{"id": first["id"], "fields": {"Name": "x"}}, {"id": NOBODY, "fields": {"Name": "x"}}]
    assert bad(caller.leads("PATCH", body={"records": changes})) == (422, "ROW_DOES_NOT_EXIST")
    assert caller.leads("DELETE", query=(("records[]", first["id"]), ("records[]", NOBODY))).status == 404
    assert [fields["Name"] for fields in caller.at.records().values()] == ["first", "second"]
    assert caller.at.writes == 2


def test_ten_records_are_the_most(caller: Caller) -> None:
    eleven = {"records": [{"fields": {"Name": "x"}}] * 11}
    refused = caller.leads("POST", body=eleven)
    assert message(refused) == "A maximum of 10 records can be created per request but you have provided 11."
    ids = caller.fill(11)
    changes = {"records": [{"id": record, "fields": {}} for record in ids]}
    assert bad(caller.leads("PATCH", body=changes)) == (422, "INVALID_RECORDS")
    assert bad(caller.leads("DELETE", query=tuple(("records[]", record) for record in ids))) == (422, "INVALID_RECORDS")
    caller.change_switches(accept_more=True)
    assert len(good(caller.leads("POST", body=eleven))["records"]) == 11


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("Nope", 1, "UNKNOWN_FIELD_NAME"),
        ("Name", 5, "INVALID_VALUE_FOR_COLUMN"),
        ("Name", ["x"], "INVALID_VALUE_FOR_COLUMN"),
        ("Name", "x" * 100_001, "INVALID_VALUE_FOR_COLUMN"),
        ("Name", "nul \x00", "INVALID_VALUE_FOR_COLUMN"),
        ("Name", "half \ud83d", "INVALID_VALUE_FOR_COLUMN"),
        ("Email", "nobody", "INVALID_REQUEST_UNKNOWN"),
        ("Value", "12", "INVALID_VALUE_FOR_COLUMN"),
        ("Value", True, "INVALID_VALUE_FOR_COLUMN"),
        ("Subscribed", "yes", "INVALID_VALUE_FOR_COLUMN"),
        ("Subscribed", 1, "INVALID_VALUE_FOR_COLUMN"),
        ("Status", "new", "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("Status", "NEW ", "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("Status", "", "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("Status", ["NEW"], "INVALID_VALUE_FOR_COLUMN"),
        ("Next Contact", "soon", "INVALID_VALUE_FOR_COLUMN"),
        ("Next Contact", "2024-13-01", "INVALID_VALUE_FOR_COLUMN"),
        ("Tags", ["red", "pink"], "INVALID_MULTIPLE_CHOICE_OPTIONS"),
        ("Tags", "red", "INVALID_VALUE_FOR_COLUMN"),
        ("Owner", {"id": "usrAAAAAAAAAAAAAA"}, "ROW_DOES_NOT_EXIST"),
        ("Files", [{"id": "1", "url": "https://example.com/a.png"}], "INVALID_ATTACHMENT_OBJECT"),
        ("Links", [NOBODY], "ROW_DOES_NOT_EXIST"),
        ("Sum", 1, "INVALID_VALUE_FOR_COLUMN"),
        ("Sum", None, "INVALID_VALUE_FOR_COLUMN"),
        ("Later", "x", "INVALID_VALUE_FOR_COLUMN"),
    ],
)
def test_a_value_that_a_cell_cannot_take(caller: Caller, field: str, value: Any, kind: str) -> None:
    caller.at.define_fields([
        {"name": "Email", "type": "email"}, {"name": "Value", "type": "number"}, {"name": "Day", "type": "date"},
        {"name": "Subscribed", "type": "checkbox"}, {"name": "Next Contact", "type": "dateTime"},
        {"name": "Tags", "type": "multipleSelects", "choices": ["red", "blue"]},
        {"name": "Owner", "type": "singleCollaborator"}, {"name": "Files", "type": "multipleAttachments"},
        {"name": "Links", "type": "multipleRecordLinks"}, {"name": "Sum", "type": "rollup"},
        {"name": "Later", "type": "aTypeOfTheFuture"},
    ])  # fmt: skip
    assert bad(caller.leads("POST", body={"fields": {field: value}})) == (422, kind)
    assert caller.at.records() == {}


def test_values_are_read_back_as_the_service_writes_them(caller: Caller) -> None:
    caller.at.define_fields([
        {"name": "Day", "type": "date"}, {"name": "When", "type": "dateTime"}, {"name": "Text", "type": "richText"},
        {"name": "Files", "type": "multipleAttachments"}, {"name": "Owner", "type": "singleCollaborator"},
        {"name": "Value", "type": "number"}, {"name": "Sum", "type": "formula", "value": len},
        {"name": "Ratio", "type": "rollup", "value": {"specialValue": "NaN"}},
        {"name": "Broken", "type": "formula", "value": {"error": "#ERROR!"}},
        {"name": "Touched", "type": "lastModifiedTime"}, {"name": "Made", "type": "createdTime"},
        {"name": "Status touched", "type": "lastModifiedTime", "references": ["Status"]},
    ])  # fmt: skip
    user = good(caller.ask("GET", "meta", "whoami"))["id"]
    fields = good(
        caller.leads(
            "POST",
            body={
                "fields": {
                    "Day": "2024-02-29", "When": 1640520000000, "Text": "#header\n* bullet", "Value": 7.0,
                    "Files": [{"url": "https://example.com/plan.pdf"}], "Owner": {"id": user},
                }
            },
        )
    )["fields"]  # fmt: skip
    assert fields["Day"] == "2024-02-29"
    assert fields["When"] == "2021-12-26T12:00:00.000Z"
    assert fields["Text"] == "#header\n- bullet\n"
    assert json.dumps(fields["Value"]) == "7"
    assert fields["Files"][0]["filename"] == "plan.pdf"
    assert set(fields["Owner"]) == {"id", "email", "name"}
    assert fields["Sum"] == 6
    assert fields["Ratio"] == {"specialValue": "NaN"}
    assert fields["Made"] == fields["Touched"] == "2023-11-14T22:13:20.000Z"
    assert fields["Files"][0]["url"] == "https://example.com/plan.pdf"
    assert "Status touched" not in fields
    assert caller.ids(filterByFormula="{Broken}") == caller.ids(filterByFormula="{Ratio}") == []
    assert len(caller.ids(filterByFormula="AND({Sum}=6, {When}=DATETIME_PARSE('2021-12-26T12:00:00Z'))")) == 1


def test_typecast_counts_in_the_body_only_and_makes_options(caller: Caller) -> None:
    """Danger: a mistyped status becomes a new option of the select field."""
    wish = {"fields": {"Status": "new", "Value": "42", "Subscribed": "true"}}
    assert caller.leads("POST", body=wish, query=(("typecast", "true"),)).status == 422
    made = good(caller.leads("POST", body={**wish, "typecast": True}))
    assert made["fields"] == {"Status": "new", "Value": 42, "Subscribed": True}
    choices = next(field for field in caller.columns() if field["name"] == "Status")["options"]["choices"]
    assert [choice["name"] for choice in choices][-1] == "new"
    failing = {"records": [{"fields": {"Status": "other"}}, {"fields": {"Nope": 1}}], "typecast": True}
    assert caller.leads("POST", body=failing).status == 422
    assert caller.leads("POST", body={"fields": {"Status": "other"}}).status == 422


@pytest.mark.parametrize(
    ("method", "body", "kind"),
    [
        ("POST", {}, "INVALID_REQUEST_MISSING_FIELDS"),
        ("POST", {"records": [{}]}, "INVALID_REQUEST_MISSING_FIELDS"),
        ("PATCH", {}, "INVALID_REQUEST_MISSING_FIELDS"),
        ("POST", {"records": []}, "INVALID_RECORDS"),
        ("PATCH", {"records": [{"fields": {}}]}, "INVALID_RECORDS"),
        ("PATCH", {"records": [{"id": "x", "fields": {}}]}, "INVALID_RECORDS"),
        ("POST", {"records": [{"fields": {}, "id": NOBODY}]}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"fields": []}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"fields": {}, "records": [{"fields": {}}]}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"fields": {}, "typecast": "yes"}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"fields": {}, "returnFieldsByFieldId": 1}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"fields": {}, "surprise": 1}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", {"records": [{"fields": {}}], "performUpsert": {}}, "INVALID_REQUEST_UNKNOWN"),
        ("POST", [], "INVALID_REQUEST_UNKNOWN"),
        ("POST", b"{", "INVALID_REQUEST_BODY"),
        ("POST", b"\xff", "INVALID_REQUEST_BODY"),
        ("POST", b'{"fields":{"Value":NaN}}', "INVALID_REQUEST_BODY"),
        ("POST", b"[" * 100_000, "INVALID_REQUEST_BODY"),
    ],
)
def test_a_body_that_is_no_request(caller: Caller, method: str, body: Any, kind: str) -> None:
    assert bad(caller.leads(method, body=body)) == (422, kind)
    assert caller.at.writes == 0


def test_a_record_named_twice_in_one_request_is_refused(caller: Caller) -> None:
    record = caller.at.add_record({"Name": "x"})
    twice = [{"id": record, "fields": {"Name": "a"}}, {"id": record, "fields": {"Name": "b"}}]
    assert bad(caller.leads("PATCH", body={"records": twice}))[0] == 422
    assert caller.at.record(record) == {"Name": "x"}


def upsert(caller: Caller, *records: dict[str, Any], on: Any = ("Name",)) -> Answer:
    return caller.leads("PATCH", body={"records": records, "performUpsert": {"fieldsToMergeOn": on}})


def test_upsert_changes_the_one_match_or_creates(caller: Caller) -> None:
    old = caller.at.add_record({"Name": "old"})
    answer = good(upsert(caller, {"fields": {"Name": "new"}}, {"fields": {"Name": "old", "Value": 1}}))
    new = answer["records"][0]["id"]
    assert (answer["createdRecords"], answer["updatedRecords"]) == ([new], [old])
    assert [record["id"] for record in answer["records"]] == [new, old]
    assert good(upsert(caller, {"fields": {"Name": None}}))["updatedRecords"] == []
    assert good(upsert(caller, {"id": old, "fields": {"Value": 2}}))["updatedRecords"] == [old]


def test_upsert_that_matches_two_fails_whole(caller: Caller) -> None:
    """Danger: a duplicated row makes every upsert on its id fail."""
    record = caller.at.add_record({"Name": "twin"})
    caller.at.duplicate(record)
    assert upsert(caller, {"fields": {"Name": "fresh"}}, {"fields": {"Name": "twin", "Value": 1}}).status == 422
    assert len(caller.at.records()) == 2
    assert bad(upsert(caller, {"id": NOBODY, "fields": {}})) == (422, "ROW_DOES_NOT_EXIST")
    assert upsert(caller, {"fields": {"Value": 1}}).status == 422
    for on in ([], ["Name", "Value", "Status", "Notes"], ["Subscribed"], "Name"):
        assert upsert(caller, {"fields": {"Name": "x"}}, on=on).status == 422
    assert bad(upsert(caller, {"fields": {"Nope": 1}}, on=["Nope"])) == (422, "UNKNOWN_FIELD_NAME")


# --- limits


def test_the_sixth_request_in_a_second_locks_the_base_for_thirty(caller: Caller) -> None:
    caller.at.limit = 5
    assert [caller.leads("GET").status for _ in range(6)] == [200] * 5 + [429]
    refused = caller.leads("POST", body={"fields": {"Name": "never"}})
    assert json_of(refused) == {
        "errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]
    }
    assert caller.ask("GET", "meta", "bases", caller.at.base_id, "tables").status == 429
    assert caller.ask("GET", "meta", "whoami").status == 200
    caller.clock.advance(29)
    assert caller.leads("GET").status == 429
    caller.clock.advance(1)
    assert caller.leads("GET").status == 200
    assert caller.at.records() == {}
    assert caller.at.calls == 10


def test_five_a_second_may_go_on_for_ever() -> None:
    caller = Caller(limit=5)
    for _ in range(50):
        assert caller.leads("GET").status == 200
        caller.clock.advance(0.2)


def test_requests_in_the_silence_prolong_it_by_switch() -> None:
    caller = Caller(limit=5, lockout_prolongs=True, singular_429=True)
    statuses = [caller.leads("GET").status for _ in range(6)]
    assert statuses[-1] == 429
    caller.clock.advance(20)
    assert json_of(caller.leads("GET"))["error"]["type"] == "RATE_LIMIT_REACHED"
    caller.clock.advance(20)
    assert caller.leads("GET").status == 429


def test_a_spent_month_stops_the_data_and_not_the_schema() -> None:
    """Danger: a 429 that no waiting cures."""
    caller = Caller(monthly_quota=2)
    assert [caller.leads("GET").status for _ in range(2)] == [200, 200]
    assert bad(caller.leads("GET")) == (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED")
    caller.clock.advance(3600)
    assert caller.leads("GET").status == 429
    assert caller.ask("GET", "meta", "bases", caller.at.base_id, "tables").status == 200


# --- people


def test_a_duplicate_copies_every_cell_into_a_younger_record(caller: Caller) -> None:
    record = caller.at.add_record({"Name": "x", "ClickUp Task ID": "abc"})
    caller.clock.advance(5)
    copy = caller.at.duplicate(record)
    assert copy != record
    assert caller.at.record(copy) == caller.at.record(record)
    assert caller.get(copy)["createdTime"] > caller.get(record)["createdTime"]


def test_a_deleted_record_is_gone_until_it_is_restored(caller: Caller) -> None:
    record = caller.at.add_record({"Name": "x"})
    caller.at.delete(record)
    assert caller.leads("GET", record).status == 403
    assert caller.at.record(record) is None
    caller.clock.advance(60)
    caller.at.restore(record)
    assert caller.ids() == [record]
    assert changed_after(caller, "2023-11-14T22:13:21Z") == []


def test_renamed_columns_and_options_keep_their_cells_and_move_no_time(caller: Caller) -> None:
    """Danger: a setting by name that no longer means anything, and no edit that says so."""
    record = caller.at.add_record({"Name": "x", "Status": "NEW"})
    view = caller.at.add_view("New", "{Status}='FRESH'")
    caller.clock.advance(60)
    caller.at.rename_choice("NEW", "FRESH")
    caller.at.rename_field("Status", "Stage")
    assert caller.at.record(record) == {"Name": "x", "Stage": "FRESH"}
    assert caller.ids(view=view) == [record]
    assert bad(caller.leads("GET", query=(("filterByFormula", "{Status}='NEW'"),)))[1] == "INVALID_FILTER_BY_FORMULA"
    assert caller.leads("PATCH", record, body={"fields": {"Stage": "NEW"}}).status == 422
    caller.at.remove_choice("FRESH", "Stage")
    assert caller.at.record(record) == {"Name": "x"}
    assert changed_after(caller, "2023-11-14T22:13:21Z") == []
    with pytest.raises(KeyError):
        caller.at.rename_choice("gone", "x", "Stage")


def test_a_changed_type_clears_what_it_cannot_hold(caller: Caller) -> None:
    number, text = caller.at.add_record({"Company": "12"}), caller.at.add_record({"Company": "Acme"})
    caller.at.change_type("Company", "number")
    assert (caller.at.record(number), caller.at.record(text)) == ({"Company": 12}, {})


@pytest.mark.parametrize(
    "value", [[1, "a", None], {"a": {"b": 1}}, 12.5, True, "nul \x00", "half \ud83d", {"error": "x"}]
)
def test_any_value_can_be_planted_and_is_served(caller: Caller, value: Any) -> None:
    """Danger: a cell of a type that nobody expected ends the whole run."""
    for name in ("Name", "Status", "ClickUp Task ID", "Next Contact"):
        record = caller.at.add_record({name: value})
        assert caller.get(record)["fields"] == {name: value}
        assert caller.leads("GET", query=(("filterByFormula", f"{{{name}}}='x'"),)).status == 200
        assert caller.leads("GET", query=(("sort[0][field]", name),)).status == 200


def test_unknown_columns_and_records_are_loud_for_people_too(caller: Caller) -> None:
    with pytest.raises(KeyError):
        caller.at.add_record({"Nope": 1})
    with pytest.raises(KeyError):
        caller.at.edit(NOBODY, {"Name": "x"})


def test_columns_are_replaced_and_the_three_stay(caller: Caller) -> None:
    status = next(field["id"] for field in caller.columns() if field["name"] == "Status")
    caller.at.define_fields([
        {"name": "Owner", "type": "singleLineText"},
        {"name": "Status", "type": "singleSelect", "choices": ["Open", "Won"]},
    ])  # fmt: skip
    fields = caller.columns()
    assert [field["name"] for field in fields] == ["Name", "Status", "ClickUp Task ID", "Owner"]
    assert fields[1]["id"] == status
    assert [choice["name"] for choice in fields[1]["options"]["choices"]] == ["Open", "Won"]


def test_two_stand_ins_have_the_same_ids() -> None:
    one, two = Caller(), Caller()
    assert one.at.token == two.at.token
    assert one.fill(3) == two.fill(3)


@pytest.mark.parametrize(
    ("method", "tail", "name"),
    [
        ("GET", (), "list_records"),
        ("POST", ("listRecords",), "list_records_post"),
        ("GET", (NOBODY,), "get_record"),
        ("POST", (), "create_records"),
        ("PATCH", (), "update_records"),
        ("PATCH", (NOBODY,), "update_records"),
        ("PUT", (NOBODY,), "replace_records"),
        ("DELETE", (), "delete_records"),
        ("GET", ("listRecords",), "unknown"),
        ("GET", (NOBODY, "more"), "unknown"),
    ],
)
def test_routes_have_names(caller: Caller, method: str, tail: tuple[str, ...], name: str) -> None:
    path = (caller.at.base_id, "Leads", *tail)
    assert caller.at.route(Request(1, "airtable", method, path, (), {}, b"")) == name


def test_fifty_thousand_leads_are_polled_and_listed_quickly() -> None:
    """An idle poll must not cost a reading of the whole table, or the tests of the limits never end."""
    caller = Caller()
    made = caller.fill(50_000)
    caller.clock.advance(60)
    caller.at.edit(made[777], {"Name": "edited"})
    started = time.process_time()
    for _ in range(100):
        assert changed_after(caller, "2023-11-14T22:13:30Z") == [made[777]]
        assert caller.ids(filterByFormula="OR(" + ",".join(f"RECORD_ID()='{i}'" for i in made[:50]) + ")")
    assert time.process_time() - started < 3
    started = time.process_time()
    assert len(caller.ids(filterByFormula="AND({Name}!='', NOT({Status}='LOST'))")) == 50_000
    assert time.process_time() - started < 6
