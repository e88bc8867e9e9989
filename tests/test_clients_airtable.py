"""Airtable's half: listings that break off, batches, formulas, and what each refusal means."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients import airtable
from clients.airtable import AirtableClient
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
from clients.http import Http
from clients.pacing import AirtablePacer
from models import FieldInfo, Record, TableInfo
from sandbox.server import Sandbox
from sandbox.wire import Clock
from tests.clients_server import UNIX, Reply, Server

IDS = [f"rec{number:014d}" for number in range(250)]


def client(address: str, clock: Clock, *, base: str = "appBase", table: str = "My Leads/é", token: str = "pat") -> Any:
    http = Http(
        airtable.service(address),
        token_header=f"Bearer {token}",
        pacer=AirtablePacer(),
        clock=clock,
        stop=threading.Event(),
        random=random.Random(1),
    )
    return AirtableClient(http, base, table)


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[AirtableClient, Server]]]:
    made: list[tuple[AirtableClient, Server]] = []

    def make(*steps: Any, **options: Any) -> tuple[AirtableClient, Server]:
        server = Server(*steps)
        made.append((client(server.address, Clock(UNIX), **options), server))
        return made[-1]

    yield make
    for each, server in made:
        each.http.close()
        server.close()


@pytest.fixture
def stand_in() -> Iterator[tuple[AirtableClient, Sandbox]]:
    clock = Clock(UNIX)
    with Sandbox(clock=clock) as sandbox:
        known = sandbox.settings()
        made = client(
            known["AIRTABLE_API_URL"],
            clock,
            base=known["AIRTABLE_BASE_ID"],
            table=known["AIRTABLE_TABLE_NAME"],
            token=known["AIRTABLE_API_KEY"],
        )
        yield made, sandbox
        made.http.close()


Scripted = Callable[..., tuple[AirtableClient, Server]]


def rows(*ids: str) -> list[dict[str, Any]]:
    return [{"id": each, "createdTime": "2026-09-21T14:13:20.000Z", "fields": {"Name": each}} for each in ids]


def page(*ids: str, offset: str = "") -> Reply:
    return Reply(200, {"records": rows(*ids)} | ({"offset": offset} if offset else {}))


def listed(leads: AirtableClient, **asked: Any) -> list[str]:
    return [row.id for each in leads.list_records(fields=["Name"], **asked) for row in each.rows]


def refused(code: str, status: int = 422) -> Reply:
    return Reply(status, {"error": {"type": code, "message": "no"}})


# --- listing


def test_a_listing_follows_its_offset_and_asks_the_same_each_time(scripted: Scripted) -> None:
    leads, server = scripted(page(IDS[0], offset="itr1/rec1"), page(IDS[1]))
    assert listed(leads, formula="TRUE()", view="Hot") == IDS[:2]
    first = {"pageSize": 100, "fields": ["Name"], "filterByFormula": "TRUE()", "view": "Hot"}
    assert [seen.body for seen in server.seen] == [first, first | {"offset": "itr1/rec1"}]
    assert {(seen.method, seen.path) for seen in server.seen} == {("POST", "/appBase/My%20Leads%2F%C3%A9/listRecords")}
    assert server.seen[0].headers["authorization"] == "Bearer pat"


def test_a_page_holds_its_rows_and_its_date(scripted: Scripted) -> None:
    leads, _ = scripted(page(IDS[0]))
    (only,) = leads.list_records(fields=["Name"])
    assert only.rows == (Record(IDS[0], "2026-09-21T14:13:20.000Z", {"Name": IDS[0]}),)
    assert only.date == UNIX


@pytest.mark.parametrize("code", ["LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "INVALID_OFFSET_VALUE"])
def test_a_listing_that_lost_its_place_starts_again(scripted: Scripted, code: str) -> None:
    leads, server = scripted(page(IDS[0], offset="a"), refused(code), page(IDS[0], offset="b"), page(IDS[1]))
    assert listed(leads) == [IDS[0], IDS[0], IDS[1]]
    assert "offset" not in server.seen[2].body


def test_a_listing_that_loses_its_place_over_and_over_is_given_up(scripted: Scripted) -> None:
    lost = refused("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    leads, server = scripted(*[page(IDS[0], offset="a"), lost] * 4)
    with pytest.raises(InvalidRequest):
        listed(leads)
    assert len(server.seen) == 8


@pytest.mark.parametrize("offsets", [["a", "a"], ["a", "b", "a"]])
def test_danger_pages_in_a_circle_are_read_for_ever(scripted: Scripted, offsets: list[str]) -> None:
    leads, server = scripted(*[page(offset=offset) for offset in offsets])
    with pytest.raises(BadAnswer, match="circle"):
        listed(leads)
    assert len(server.seen) == len(offsets)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"records": None},
        {"records": {}},
        {"records": ["rec"]},
        {"records": [{**rows(IDS[0])[0], "id": 7}]},
        {"records": [{**rows(IDS[0])[0], "fields": []}]},
        {"records": [{"id": IDS[0], "fields": {}}]},
        {"records": rows(IDS[0]), "offset": 5},
        {"records": [*rows(IDS[0]), None]},
    ],
)
def test_danger_a_misshapen_page_is_taken_for_a_short_one(scripted: Scripted, body: Any) -> None:
    leads, server = scripted(Reply(200, body))
    with pytest.raises(BadAnswer, match="not what is documented"):
        listed(leads)
    assert len(server.seen) == 6


def test_reading_by_id_asks_for_a_hundred_at_a_time(scripted: Scripted) -> None:
    leads, server = scripted(page(*IDS[:100]), page(*IDS[100:200]), page(*IDS[200:]))
    found = [row.id for each in leads.read_by_ids([*IDS, *IDS], fields=["Name"]) for row in each.rows]
    assert found == IDS
    assert [seen.body["filterByFormula"].count("RECORD_ID()") for seen in server.seen] == [100, 100, 50]
    assert all(re.fullmatch(r"OR\(.*\)", seen.body["filterByFormula"]) for seen in server.seen)


@pytest.mark.parametrize("wrong", ["rec1", "", "rec0000000000000'", "tbl00000000000000", f"{IDS[0]}\n", f"{IDS[0]}')"])
def test_danger_what_is_no_record_id_gets_into_a_formula(scripted: Scripted, wrong: str) -> None:
    leads, server = scripted(page())
    for attempt in (
        lambda: list(leads.read_by_ids([IDS[0], wrong], fields=[])),
        lambda: leads.update([(wrong, {})]),
        lambda: airtable.status_older_than(wrong, "Status", 0),
        lambda: airtable.status_newer_than(wrong, "Status", 0),
        lambda: airtable.is_one_of([wrong]),
    ):
        with pytest.raises(ValueError, match="not a record id"):
            attempt()
    assert server.seen == []


def test_reading_no_ids_asks_nothing(scripted: Scripted) -> None:
    leads, server = scripted(page())
    assert list(leads.read_by_ids([], fields=["Name"])) == []
    assert server.seen == []


# --- writing


def test_an_update_sets_cells_and_answers_in_the_order_asked(scripted: Scripted) -> None:
    leads, server = scripted(page(IDS[1], IDS[0]))
    done = leads.update([(IDS[0], {"Status": "NEW"}), (IDS[1], {"Status": None})])
    assert [record.id for record in done] == IDS[:2]
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("PATCH", "/appBase/My%20Leads%2F%C3%A9")
    assert seen.body == {
        "records": [{"id": IDS[0], "fields": {"Status": "NEW"}}, {"id": IDS[1], "fields": {"Status": None}}],
        "typecast": False,
    }


@pytest.mark.parametrize("answered", [[], [IDS[0]], [IDS[0], IDS[2]], [IDS[0], IDS[1], IDS[1]], IDS[:3]])
def test_danger_an_update_is_believed_that_names_other_records(scripted: Scripted, answered: list[str]) -> None:
    leads, _ = scripted(page(*answered))
    with pytest.raises(BadAnswer) as caught:
        leads.update([(IDS[0], {}), (IDS[1], {})])
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("ids", [[], IDS[:11], [IDS[0], IDS[0]]])
def test_a_batch_is_one_to_ten_different_records(scripted: Scripted, ids: list[str]) -> None:
    leads, server = scripted(page())
    with pytest.raises(ValueError, match="one request takes"):
        leads.update([(each, {}) for each in ids])
    assert server.seen == []


# --- the table


TABLE = {
    "id": "tblLeads000000000",
    "name": "Leads",
    "primaryFieldId": "fld1",
    "fields": [
        {"id": "fld1", "name": "Name", "type": "singleLineText"},
        {"id": "fld2", "name": "Status", "type": "singleSelect", "options": {"choices": [{"id": "s", "name": "NEW"}]}},
        {"id": "fld3", "name": "New kind", "type": "neverHeardOf", "options": {"result": {}}},
    ],
    "views": [{"id": "viw1", "name": "Grid view", "type": "grid"}],
}


@pytest.mark.parametrize("named", ["Leads", "tblLeads000000000"])
def test_the_table_is_found_by_name_or_id(scripted: Scripted, named: str) -> None:
    other = {**TABLE, "id": "tblOther000000000", "name": "Other"}
    leads, server = scripted(Reply(200, {"tables": [other, TABLE]}), table=named)
    assert leads.schema() == TableInfo(
        "tblLeads000000000",
        "Leads",
        (
            FieldInfo("fld1", "Name", "singleLineText"),
            FieldInfo("fld2", "Status", "singleSelect", ("NEW",)),
            FieldInfo("fld3", "New kind", "neverHeardOf"),
        ),
        (("viw1", "Grid view"),),
    )
    assert server.seen[0].path == "/meta/bases/appBase/tables"


def test_an_id_wins_over_a_table_that_bears_it_as_its_name(scripted: Scripted) -> None:
    other = {**TABLE, "id": "tblOther000000000", "name": "tblLeads000000000"}
    leads, _ = scripted(Reply(200, {"tables": [other, TABLE]}), table="tblLeads000000000")
    assert leads.schema().name == "Leads"


@pytest.mark.parametrize(
    "wrong", ["tbl\ud800", "tblLeads", "Leads", "app00000000000000", "tbl0000000000000\n", 7, None]
)
def test_danger_what_is_no_table_id_gets_into_the_state_file(scripted: Scripted, wrong: Any) -> None:
    leads, _ = scripted(Reply(200, {"tables": [{**TABLE, "id": wrong}]}))
    with pytest.raises(BadAnswer, match="a table's id is none"):
        leads.schema()


def test_a_missing_table_names_those_there_are(scripted: Scripted) -> None:
    leads, _ = scripted(Reply(200, {"tables": [TABLE]}), table="Lead")
    with pytest.raises(NotFound) as caught:
        leads.schema()
    assert "Leads" in caught.value.hint


# --- formulas


def test_text_in_a_formula_is_quoted() -> None:
    assert airtable.quote('it\'s a \\ "x"') == "'it\\'s a \\\\ \"x\"'"


@pytest.mark.parametrize("name", ["a}b", "{a", "a{b}"])
def test_a_field_name_with_a_brace_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="brace"):
        airtable.field_ref(name)


def test_formulas_are_joined() -> None:
    assert airtable.all_of() == airtable.all_of("", "") == airtable.any_of("") == airtable.is_one_of([]) == ""
    assert airtable.all_of("", "A") == airtable.any_of("A") == "A"
    assert airtable.all_of("A", "", "B") == "AND(A,B)"
    assert airtable.any_of("A", "B", "C") == "OR(A,B,C)"


def test_moments_are_parsed_explicitly_and_never_later_than_meant() -> None:
    assert airtable.changed_since(UNIX + 0.9999) == (
        "IS_AFTER(LAST_MODIFIED_TIME(),DATETIME_PARSE('2026-09-21T14:13:20.999Z'))"
    )


# --- against the stand-in


def test_formulas_mean_what_they_say(stand_in: tuple[AirtableClient, Sandbox]) -> None:
    leads, sandbox = stand_in
    old = sandbox.airtable.add_record({"Name": "it's {old}", "Status": "NEW", "ClickUp Task ID": "86a"})
    sandbox.clock.advance(100)
    middle = sandbox.clock.time()
    sandbox.clock.advance(100)
    new = sandbox.airtable.add_record({"Name": "new", "Status": "NEW"})
    assert listed(leads, formula=airtable.changed_since(middle)) == [new]
    assert listed(leads, formula=airtable.is_blank("ClickUp Task ID")) == [new]
    assert listed(leads, formula=f"{airtable.field_ref('Name')}={airtable.quote(chr(39).join(['it', 's {old}']))}") == [
        old
    ]
    assert listed(leads, formula=airtable.status_older_than(old, "Status", middle)) == [old]
    assert listed(leads, formula=airtable.status_newer_than(old, "Status", middle)) == []
    assert listed(leads, formula=airtable.status_newer_than(new, "Status", middle)) == [new]
    assert listed(leads, formula=airtable.is_one_of([old])) == [old]


def test_a_long_listing_and_reading_by_id_agree_and_meet_no_limit(stand_in: tuple[AirtableClient, Sandbox]) -> None:
    leads, sandbox = stand_in
    ids = {sandbox.airtable.add_record({"Name": str(number)}) for number in range(1050)}
    assert set(listed(leads)) == ids
    by_id = [row.id for each in leads.read_by_ids(ids, fields=["Name"]) for row in each.rows]
    assert sorted(by_id) == sorted(ids)
    assert leads.http.requests == 22
    assert {each.status for each in sandbox.log} == {200}
    assert sandbox.complaints == []


def test_one_bad_record_refuses_its_batch_and_changes_nothing(stand_in: tuple[AirtableClient, Sandbox]) -> None:
    leads, sandbox = stand_in
    kept = sandbox.airtable.add_record({"Name": "kept", "Status": "NEW"})
    with pytest.raises(InvalidRequest) as caught:
        leads.update([(kept, {"Status": "LOST"}), (IDS[0], {"Status": "LOST"})])
    assert caught.value.code == "ROW_DOES_NOT_EXIST"
    assert not caught.value.outcome_unknown
    assert sandbox.airtable.record(kept) == {"Name": "kept", "Status": "NEW"}


# --- what refusals mean


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"error": {"type": "AUTHENTICATION_REQUIRED", "message": "x"}}, AuthError, "AUTHENTICATION_REQUIRED"),
        (402, {"error": {"type": "PAYMENT_REQUIRED", "message": "x"}}, QuotaSpent, "PAYMENT_REQUIRED"),
        (402, None, QuotaSpent, ""),
        (403, {"error": {"type": "INVALID_PERMISSIONS", "message": "x"}}, NotFound, "INVALID_PERMISSIONS"),
        (403, {"error": {"type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"}}, NotFound, "INVALID_PERMISSIONS_OR_"),
        (404, {"error": "NOT_FOUND"}, NotFound, "NOT_FOUND"),
        (404, {"error": {"type": "NOT_FOUND"}}, NotFound, "NOT_FOUND"),
        (404, {"error": {"type": "TABLE_NOT_FOUND", "message": "x"}}, NotFound, "TABLE_NOT_FOUND"),
        (404, None, NotFound, ""),
        (413, None, InvalidRequest, ""),
        (422, {"error": {"type": "UNKNOWN_FIELD_NAME", "message": "x"}}, InvalidRequest, "UNKNOWN_FIELD_NAME"),
        (422, {"error": {"type": "ROW_DOES_NOT_EXIST", "message": "x"}}, InvalidRequest, "ROW_DOES_NOT_EXIST"),
        (422, {"error": {"type": 7, "message": []}}, InvalidRequest, ""),
        (422, {"errors": []}, InvalidRequest, ""),
        (422, [], InvalidRequest, ""),
        (429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "x"}]}, RateLimited, "RATE_LIMIT_REACHED"),
        (429, {"error": {"type": "RATE_LIMIT_REACHED", "message": "x"}}, RateLimited, "RATE_LIMIT_REACHED"),
        (429, None, RateLimited, ""),
        (429, {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}]}, QuotaSpent, "PUBLIC_API_BILLING_LIMIT_"),
        (500, None, ServiceError, ""),
        (503, {"error": {"type": "RETRIABLE_ERROR", "message": "x"}}, ServiceError, "RETRIABLE_ERROR"),
    ],
)
def test_what_a_refusal_means(status: int, body: Any, kind: type[ApiError], code: str) -> None:
    verdict = airtable.explain(status, body)
    assert verdict.kind is kind
    assert verdict.code.startswith(code)
    assert bool(verdict.code) == bool(code)
    if kind in (AuthError, NotFound, QuotaSpent):
        assert verdict.hint


def test_a_client_shows_no_token(scripted: Scripted) -> None:
    leads, _ = scripted(page(), token="patSECRET.123")
    assert "SECRET" not in f"{leads!r} {leads.http!r} {vars(leads)}"
