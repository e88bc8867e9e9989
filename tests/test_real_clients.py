"""Other people's clients do their daily work against the stand-in, and get the answers that our own client gets.

What pyairtable needs is what its own integration tests use, https://github.com/gtalarico/pyairtable; docs/fidelity.md
names those of them that are left out.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest
import requests

from clients import airtable, clickup
from clients.airtable import AirtableClient
from clients.clickup import ClickUpClient
from clients.errors import ApiError
from clients.http import Http, Service
from clients.pacing import AirtablePacer, ClickUpPacer, Pacer
from sandbox.airtable import AirtableSwitches
from sandbox.server import Sandbox
from sandbox.wire import Clock
from tests.recordings import material
from tests.scene import START

pyairtable = pytest.importorskip("pyairtable", reason="a development dependency: pip install -r requirements-dev.txt")
formulas = pytest.importorskip("pyairtable.formulas")
sdk = pytest.importorskip("clickup_python_sdk.api", reason="a development dependency, see requirements-dev.txt")
sdk_list = pytest.importorskip("clickup_python_sdk.clickupobjects.list")
sdk_task = pytest.importorskip("clickup_python_sdk.clickupobjects.task")
sdk_errors = pytest.importorskip("clickup_python_sdk.exceptions")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock=Clock(START), clickup_limit=0, airtable_limit=0) as made:
        yield made


def _http(service: Service, header: str, pacer: Pacer, sandbox: Sandbox) -> Http:
    stop, chance = threading.Event(), random.Random(1)
    return Http(service, token_header=header, pacer=pacer, clock=sandbox.clock, stop=stop, random=chance)


@pytest.fixture
def table(sandbox: Sandbox) -> Iterator[Any]:
    """The leads' table in pyairtable."""
    api = pyairtable.Api(sandbox.airtable.token, endpoint_url=sandbox.address, timeout=(5, 30))
    yield api.table(sandbox.airtable.base_id, "Leads")
    api.session.close()


@pytest.fixture
def own(sandbox: Sandbox) -> Iterator[AirtableClient]:
    known = sandbox.settings()
    service = airtable.service(known["AIRTABLE_API_URL"])
    http = _http(service, f"Bearer {known['AIRTABLE_API_KEY']}", AirtablePacer(), sandbox)
    yield AirtableClient(http, known["AIRTABLE_BASE_ID"], known["AIRTABLE_TABLE_NAME"])
    http.close()


@pytest.fixture
def tasks(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The List in clickup-python-sdk."""
    monkeypatch.setattr(sdk.ClickupClient, "API", sandbox.address + "/api/")
    sdk.ClickupClient.init(user_token=sandbox.clickup.token)
    return sdk_list.List(id=sandbox.clickup.list_id)


@pytest.fixture
def own_tasks(sandbox: Sandbox) -> Iterator[ClickUpClient]:
    known = sandbox.settings()
    http = _http(clickup.service(known["CLICKUP_API_URL"]), known["CLICKUP_API_KEY"], ClickUpPacer(), sandbox)
    yield ClickUpClient(http, known["CLICKUP_LIST_ID"], known["CLICKUP_CUSTOM_FIELD_ID"])
    http.close()


# --- whole suites


@pytest.mark.parametrize("script", ["airtable_pyairtable.py", "clickup_sdk.py"])
def test_the_suite_of_a_real_client_passes(script: str) -> None:
    path = material("clients", script)
    with Sandbox(clickup_limit=0, airtable_limit=0) as sandbox:
        known = sandbox.settings()
        flags = {
            "airtable_pyairtable.py": [
                *("--endpoint", sandbox.address, "--token", known["AIRTABLE_API_KEY"]),
                *("--base", known["AIRTABLE_BASE_ID"], "--table", "Leads"),
            ],
            "clickup_sdk.py": [
                *("--base-url", sandbox.address + "/api", "--token", known["CLICKUP_API_KEY"]),
                *("--list", known["CLICKUP_LIST_ID"]),
            ],
        }
        command = [sys.executable, str(path), *flags[script]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
        assert (done.returncode, failed) == (0, []), done.stdout + done.stderr
        assert " 0 failed, 0 skipped" in done.stdout
        assert sandbox.complaints == []


# --- Airtable


def test_pyairtable_creates_reads_updates_replaces_and_deletes(table: Any) -> None:
    made = table.create({"Name": "A", "Value": 1, "Subscribed": True})
    assert table.get(made["id"]) == made
    assert table.update(made["id"], {"Name": "B"})["fields"] == {"Name": "B", "Value": 1, "Subscribed": True}
    assert table.update(made["id"], {"Value": 2}, replace=True)["fields"] == {"Value": 2}
    assert table.delete(made["id"]) == {"deleted": True, "id": made["id"]}
    several = table.batch_create([{"Name": f"row {number}"} for number in range(15)])
    changed = table.batch_update([{**record, "fields": {"Name": "C"}} for record in several])
    assert [record["fields"] for record in changed] == [{"Name": "C"}] * 15
    assert [gone["id"] for gone in table.batch_delete([record["id"] for record in several])] == [
        record["id"] for record in several
    ]
    assert table.all() == []


def test_pyairtable_writes_and_reads_by_field_id(table: Any, sandbox: Sandbox) -> None:
    name = next(field.id for field in table.schema().fields if field.name == "Name")
    made = table.create({name: "Hello"}, use_field_ids=True)
    assert made["fields"] == {name: "Hello"}
    assert table.update(made["id"], {name: "Goodbye"}, use_field_ids=False)["fields"] == {"Name": "Goodbye"}
    several = table.batch_create([{name: "Alpha"}, {name: "Bravo"}], use_field_ids=True)
    changed = table.batch_update(
        [{"id": record["id"], "fields": {name: record["fields"][name] + "!"}} for record in several], use_field_ids=True
    )
    assert [record["fields"] for record in changed] == [{name: "Alpha!"}, {name: "Bravo!"}]


@pytest.mark.parametrize("by_post", [False, True], ids=["get", "post"])
def test_pyairtable_lists_by_field_id_by_get_and_by_post(table: Any, sandbox: Sandbox, by_post: bool) -> None:
    name, value = (next(field.id for field in table.schema().fields if field.name == one) for one in ("Name", "Value"))
    made = table.create({name: "Hello", value: 5}, use_field_ids=True)
    asked = {"formula": LONG} if by_post else {}
    assert table.all(use_field_ids=True, **asked) == [made]
    assert sandbox.log[-1].route == ("list_records_post" if by_post else "list_records")
    (named,) = table.all(use_field_ids=False, fields=[value], **asked)
    assert named["fields"] == {"Value": 5}


def test_pyairtable_upserts_by_field_id(table: Any) -> None:
    name, value = (next(field.id for field in table.schema().fields if field.name == one) for one in ("Name", "Value"))
    known = table.create({name: "Known"}, use_field_ids=True)
    rows = [{"fields": {name: "Known", value: 1}}, {"fields": {name: "New", value: 2}}]
    result = table.batch_upsert(rows, key_fields=[name], use_field_ids=True)
    assert result["updatedRecords"] == [known["id"]]
    assert len(result["createdRecords"]) == 1
    assert [record["fields"] for record in result["records"]] == [row["fields"] for row in rows]
    assert [record["fields"] for record in table.batch_upsert(rows, key_fields=[name])["records"]] == [
        {"Name": "Known", "Value": 1},
        {"Name": "New", "Value": 2},
    ]


LONG = f"Name != '{'x' * 17_000}'"
OPTIONS: tuple[dict[str, Any], ...] = (
    {"view": "Grid view"},
    {"max_records": 1},
    {"page_size": 1},
    {"offset": ""},
    {"fields": ["Name", "Value"]},
    {"cell_format": "json"},
    {"sort": ["Name", "-Value"]},
    {"time_zone": "utc"},
    {"user_locale": "en-ie"},
)


@pytest.mark.parametrize("formula", [None, LONG], ids=["get", "post"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_every_option_of_a_listing_works_by_get_and_by_post(
    table: Any, sandbox: Sandbox, formula: str | None, options: dict[str, Any]
) -> None:
    """A formula of 17,000 characters, its field without braces, makes the client post it."""
    made = table.create({"Name": "abracadabra"})
    asked = options | ({"formula": formula} if formula else {})
    assert table.all(**asked) == [made]
    last = sandbox.log[-1]
    assert (last.method, last.route) == (("POST", "list_records_post") if formula else ("GET", "list_records"))
    if formula and {"time_zone", "user_locale"} & set(options):
        assert [key for key, _ in last.query] == ["timeZone" if "time_zone" in options else "userLocale"]


@pytest.mark.parametrize("formula", [None, LONG], ids=["get", "post"])
def test_cells_come_as_text_where_that_is_asked_for(table: Any, formula: str | None) -> None:
    table.create({"Name": "x", "Value": 12, "Subscribed": True})
    asked = {"cell_format": "string", "time_zone": "utc", "user_locale": "en-ie", "formula": formula}
    (record,) = table.all(**{key: value for key, value in asked.items() if value})
    assert record["fields"] == {"Name": "x", "Value": "12", "Subscribed": "checked"}


def test_cells_as_text_without_a_time_zone_are_refused(table: Any) -> None:
    with pytest.raises(requests.HTTPError, match="422"):
        table.all(cell_format="string")


def test_pyairtable_and_our_client_read_the_same_500_rows(table: Any, own: AirtableClient, sandbox: Sandbox) -> None:
    for number in range(500):
        sandbox.airtable.add_record({"Name": f"row {number}", "Status": "NEW", "Notes": "å 山 🎉\n"})
    theirs = {record["id"]: record for record in table.all(fields=["Name", "Status", "Notes"])}
    ours = [row for page in own.list_records(fields=["Name", "Status", "Notes"]) for row in page.rows]
    assert len(theirs) == len(ours) == 500
    for row in ours:
        assert theirs[row.id] == {"id": row.id, "createdTime": row.created, "fields": row.fields}


def test_pyairtable_and_our_client_find_the_same_records(table: Any, own: AirtableClient, sandbox: Sandbox) -> None:
    before = [sandbox.airtable.add_record({"Name": 'it\'s "here" \\', "Status": "NEW"}) for _ in range(3)]
    sandbox.clock.advance(100)
    after = [sandbox.airtable.add_record({"Name": "later", "ClickUp Task ID": "x"}) for _ in range(2)]
    sandbox.clock.advance(1)
    moment = START + 50
    wanted = {
        airtable.changed_since(moment): set(after),
        airtable.is_blank("ClickUp Task ID"): set(before),
        airtable.is_one_of([before[0], after[0]]): {before[0], after[0]},
        airtable.all_of(airtable.is_blank("Status"), airtable.is_one_of(after)): set(after),
        airtable.any_of(airtable.is_one_of(before[:1]), airtable.changed_since(moment)): {before[0], *after},
        airtable.status_older_than(before[0], "Status", moment): {before[0]},
        airtable.status_newer_than(before[0], "Status", moment): set(),
    }
    for formula, found in wanted.items():
        ours = {row.id for page in own.list_records(fields=["Name"], formula=formula) for row in page.rows}
        assert ours == {record["id"] for record in table.all(formula=formula, fields=["Name"])} == found, formula


def test_formulas_that_pyairtable_writes_find_what_they_say(table: Any) -> None:
    moment = datetime(2026, 1, 31, 10, 20, 30, 456000, tzinfo=timezone.utc)
    made = table.create(
        {"Name": 'Contact\'s "Name" \\', "Value": 12345, "Subscribed": True, "Next Contact": "2026-01-31T10:20:30.456Z"}
    )
    table.create({"Name": "another"})
    name, value, box, date = (formulas.Field(one) for one in ("Name", "Value", "Subscribed", "Next Contact"))
    wanted = [
        formulas.match({"Name": made["fields"]["Name"], "Value": 12345}),
        formulas.match({"Name": made["fields"]["Name"], "Value": 99}, match_any=True),
        formulas.match({"Next Contact": moment}),
        formulas.FIND("2026-01-31", date),
        formulas.AND(formulas.EQ(name, made["fields"]["Name"]), formulas.EQ(value, 12345), formulas.EQ(box, True)),
        formulas.NOT(formulas.EQ(name, "another")),
        formulas.EQ(formulas.RECORD_ID(), made["id"]),
        formulas.GT(value, 12_000),
    ]
    for formula in wanted:
        assert table.all(formula=formula) == [made], str(formula)
    assert table.first(formula=formulas.match({"Name": made["fields"]["Name"], "Value": 0})) is None


def test_upsert_updates_creates_and_replaces_in_the_order_of_the_request(table: Any) -> None:
    one, two = table.batch_create([{"Name": "One"}, {"Name": "Two"}])
    result = table.batch_upsert(
        [
            {"id": one["id"], "fields": {"Value": 3}},
            {"fields": {"Name": "Two", "Value": 4}},
            {"fields": {"Name": "Three", "Value": 5}},
        ],
        key_fields=["Name"],
    )
    assert set(result["updatedRecords"]) == {one["id"], two["id"]}
    assert [record["fields"] for record in result["records"]] == [
        {"Name": "One", "Value": 3},
        {"Name": "Two", "Value": 4},
        {"Name": "Three", "Value": 5},
    ]
    replaced = table.batch_upsert(
        [
            {"id": one["id"], "fields": {"Value": 3}},
            {"fields": {"Name": "Two"}},
            {"fields": {"Name": None, "Value": 7}},
        ],
        key_fields=["Name"],
        replace=True,
    )
    assert [record["fields"] for record in replaced["records"]] == [{"Value": 3}, {"Name": "Two"}, {"Value": 7}]
    assert len(replaced["createdRecords"]) == 1


def test_typecast_adds_an_option_and_its_absence_refuses_it(table: Any, own: AirtableClient) -> None:
    made = table.create({"Name": "x"})
    with pytest.raises(requests.HTTPError, match="422"):
        table.update(made["id"], {"Status": "IN DOUBT"})
    with pytest.raises(ApiError) as refused:
        own.update([(made["id"], {"Status": "IN DOUBT"})])
    assert refused.value.code == "INVALID_MULTIPLE_CHOICE_OPTIONS"
    assert table.update(made["id"], {"Status": "IN DOUBT"}, typecast=True)["fields"]["Status"] == "IN DOUBT"
    assert own.update([(made["id"], {"Status": "IN DOUBT"})])[0].fields["Status"] == "IN DOUBT"


def test_an_update_answers_both_clients_alike(table: Any, own: AirtableClient) -> None:
    made = table.batch_create([{"Name": f"row {number}", "Value": number} for number in range(10)])
    ours = own.update([(record["id"], {"Status": "NEW", "Value": None}) for record in made])
    theirs = table.batch_update([{"id": record["id"], "fields": {"Status": "NEW", "Value": None}} for record in made])
    assert theirs == [{"id": row.id, "createdTime": row.created, "fields": row.fields} for row in ours]


def test_both_clients_read_the_same_schema(table: Any, own: AirtableClient) -> None:
    theirs, ours = table.schema(), own.schema()
    assert (theirs.id, theirs.name) == (ours.id, ours.name)
    assert [(view.id, view.name) for view in theirs.views] == list(ours.views)
    assert [(field.id, field.name, field.type) for field in theirs.fields] == [
        (field.id, field.name, field.type) for field in ours.fields
    ]
    status = theirs.field("Status")
    assert [choice.name for choice in status.options.choices] == ["NEW", "CONTACTED", "QUALIFIED", "LOST"]
    assert next(field.choices for field in ours.fields if field.name == "Status") == tuple(
        choice.name for choice in status.options.choices
    )


def test_pyairtable_finds_base_and_user(table: Any, sandbox: Sandbox) -> None:
    api = table.api
    assert [base.id for base in api.bases()] == [sandbox.airtable.base_id]
    assert api.base(sandbox.airtable.base_id, validate=True).table("Leads", validate=True).name == "Leads"
    assert api.whoami()["id"].startswith("usr")


REFUSED: dict[str, tuple[Callable[[Any], Any], Callable[[AirtableClient], Any]]] = {
    "unknown field in a formula": (
        lambda table: table.all(formula="{Nowhere}=1"),
        lambda own: list(own.list_records(fields=["Name"], formula="{Nowhere}=1")),
    ),
    "formula that is none": (
        lambda table: table.all(formula="AND({Name"),
        lambda own: list(own.list_records(fields=["Name"], formula="AND({Name")),
    ),
    "unknown field to read": (
        lambda table: table.all(fields=["Nowhere"]),
        lambda own: list(own.list_records(fields=["Nowhere"])),
    ),
    "unknown view": (
        lambda table: table.all(view="Nowhere"),
        lambda own: list(own.list_records(fields=["Name"], view="Nowhere")),
    ),
    "unknown field to write": (
        lambda table: table.batch_update([{"id": table.all()[0]["id"], "fields": {"Nowhere": 1}}]),
        lambda own: own.update([(_any(own), {"Nowhere": 1})]),
    ),
    "wrong type": (
        lambda table: table.batch_update([{"id": table.all()[0]["id"], "fields": {"Value": "much"}}]),
        lambda own: own.update([(_any(own), {"Value": "much"})]),
    ),
    "record that is gone": (
        lambda table: table.batch_update([{"id": "recNOWHERE0000000", "fields": {"Name": "x"}}]),
        lambda own: own.update([("recNOWHERE0000000", {"Name": "x"})]),
    ),
}


def _any(own: AirtableClient) -> str:
    return next(iter(own.list_records(fields=["Name"]))).rows[0].id


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_the_same_for_both_clients(table: Any, own: AirtableClient, case: str) -> None:
    table.create({"Name": "x"})
    theirs, ours = REFUSED[case]
    with pytest.raises(requests.HTTPError) as other:
        theirs(table)
    with pytest.raises(ApiError) as mine:
        ours(own)
    answer = other.value.response
    assert answer is not None
    assert (mine.value.status, mine.value.code) == (answer.status_code, answer.json()["error"]["type"])


def test_25_threads_of_pyairtable_get_through_a_limit_that_forgives_at_once() -> None:
    """Live, 25 threads got through; five requests a second to the letter, and 30 s of silence after a refusal, are more
    than that client waits for (docs/fidelity.md tells of the difference)."""
    switches = AirtableSwitches(lockout_seconds=0)
    retries = pyairtable.retry_strategy(backoff_factor=0.01, total=12)
    with Sandbox(airtable_limit=50, switches=switches) as sandbox:
        api = pyairtable.Api(sandbox.airtable.token, endpoint_url=sandbox.address, retry_strategy=retries)
        leads = api.table(sandbox.airtable.base_id, "Leads")

        def work(thread: int) -> int:
            made = leads.batch_create([{"Name": f"thread {thread} row {number}"} for number in range(20)])
            return len(leads.batch_delete([record["id"] for record in made]))

        with ThreadPoolExecutor(25) as pool:
            assert list(pool.map(work, range(25))) == [20] * 25
        api.session.close()
        assert 429 in {logged.status for logged in sandbox.log}
        assert sandbox.airtable.records() == {}


# --- ClickUp


def test_the_sdk_and_our_client_list_the_same_tasks(tasks: Any, own_tasks: ClickUpClient, sandbox: Sandbox) -> None:
    parent = sandbox.clickup.add_task("parent", status="complete")
    sandbox.clickup.add_task("child", parent=parent)
    for number in range(120):
        sandbox.clickup.add_task(f"task {number}")
    archived = sandbox.clickup.add_task("archived")
    sandbox.clickup.archive(archived)
    asked = {"include_closed": "true", "subtasks": "true", "order_by": "created", "reverse": "true"}
    theirs = tasks.get_tasks(params=asked)
    ours = [task for page in own_tasks.walk("created", 0) for task in page.rows]
    assert [task["id"] for task in theirs] == [task.id for task in ours]
    assert [(task["name"], task["status"]["status"]) for task in theirs] == [(task.name, task.status) for task in ours]
    assert [task["id"] for task in tasks.get_tasks(params={**asked, "archived": "true"})] == [archived]
    assert [task.id for page in own_tasks.walk("created", 0, archived=True) for task in page.rows] == [archived]


def test_filters_by_date_status_and_custom_field(tasks: Any, own_tasks: ClickUpClient, sandbox: Sandbox) -> None:
    sandbox.clickup.add_task("old", marker="recOLD00000000000")
    sandbox.clock.advance(100)
    new = sandbox.clickup.add_task("new", status="in progress", marker="recNEW00000000000")
    since = int((START + 50) * 1000)
    changed = tasks.get_tasks(params={"date_updated_gt": str(since)})
    assert [task["id"] for task in changed] == [new]
    assert [task.id for page in own_tasks.walk("updated", since) for task in page.rows] == [new]
    assert [task["id"] for task in tasks.get_tasks(params={"statuses[]": "In%20Progress"})] == [new]
    wanted = [{"field_id": sandbox.clickup.field_id, "operator": "==", "value": "recNEW00000000000"}]
    assert [task["id"] for task in tasks.get_tasks(params={"custom_fields": json.dumps(wanted)})] == [new]
    assert [task.id for task in own_tasks.with_marker("recNEW00000000000")] == [new]


def test_a_task_made_by_either_client_looks_alike(tasks: Any, own_tasks: ClickUpClient, sandbox: Sandbox) -> None:
    marker = [{"id": sandbox.clickup.field_id, "value": "recMARKER00000000"}]
    theirs = tasks.create_task("Łódź 山田", description="a\nb", status="in progress", custom_fields=marker)
    ours = own_tasks.create(name="Łódź 山田", description="a\nb", status="in progress", marker="recMARKER00000000")
    first, second = (sandbox.clickup.task(one) for one in (theirs["id"], ours.id))
    changing = {"id", "created", "updated"}
    assert {key: first[key] for key in first.keys() - changing} == {
        key: second[key] for key in second.keys() - changing
    }
    read = own_tasks.task(theirs["id"])
    assert (read.name, read.description, read.status, read.marker) == (
        theirs["name"],
        theirs["description"],
        theirs["status"]["status"],
        "recMARKER00000000",
    )


def test_an_update_and_a_field_by_either_client_look_alike(
    tasks: Any, own_tasks: ClickUpClient, sandbox: Sandbox
) -> None:
    one, other = (sandbox.clickup.add_task("x") for _ in range(2))
    theirs = sdk_task.Task(id=one)
    theirs.update(name="renamed", status="complete", description=" ")
    theirs.update_custom_field(sandbox.clickup.field_id, "recMARKER00000000")
    own_tasks.update(other, name="renamed", status="complete", description="")
    own_tasks.set_marker(other, "recMARKER00000000")
    first, second = (sandbox.clickup.task(task) for task in (one, other))
    assert {**first, "id": other} == second
    assert theirs.get()["date_closed"] == str(first["updated"])


def test_both_clients_see_the_same_statuses_and_fields(tasks: Any, own_tasks: ClickUpClient) -> None:
    theirs, ours = tasks.get(), own_tasks.list_info()
    assert (theirs["id"], theirs["name"]) == (ours.id, ours.name)
    assert tuple(status["status"] for status in theirs["statuses"]) == ours.statuses
    assert [(field["id"], field["name"], field["type"]) for field in tasks.get_custom_fields()] == [
        (field.id, field.name, field.type) for field in own_tasks.fields()
    ]


REFUSED_TASKS: dict[str, tuple[Callable[[Any, str], Any], Callable[[ClickUpClient, str], Any]]] = {
    "a task in the trash": (
        lambda tasks, gone: sdk_task.Task(id=gone).get(),
        lambda own, gone: own.task(gone),
    ),
    "an update of a task in the trash": (
        lambda tasks, gone: sdk_task.Task(id=gone).update(name="x"),
        lambda own, gone: own.update(gone, name="x"),
    ),
    "a task that nobody may see": (
        lambda tasks, gone: sdk_task.Task(id="86nowhere").get(),
        lambda own, gone: own.task("86nowhere"),
    ),
    "an unknown status in a create": (
        lambda tasks, gone: tasks.create_task("x", status="nowhere"),
        lambda own, gone: own.create(name="x", description="", status="nowhere", marker="recMARKER00000000"),
    ),
    "no name": (
        lambda tasks, gone: tasks.create_task(""),
        lambda own, gone: own.create(name="", description="", status="", marker="recMARKER00000000"),
    ),
}


@pytest.mark.parametrize("case", REFUSED_TASKS)
def test_a_refusal_of_clickup_is_the_same_for_both_clients(
    tasks: Any, own_tasks: ClickUpClient, sandbox: Sandbox, case: str
) -> None:
    gone = sandbox.clickup.add_task("gone")
    # This client carries the deletion out and stumbles over the empty answer, which is the documented one.
    with contextlib.suppress(AttributeError):
        sdk_task.Task(id=gone).delete()
    assert sandbox.clickup.task(gone)["deleted"]
    theirs, ours = REFUSED_TASKS[case]
    with pytest.raises(sdk_errors.ClickupRequestException) as other:
        theirs(tasks, gone)
    with pytest.raises(ApiError) as mine:
        ours(own_tasks, gone)
    assert (mine.value.status, mine.value.code) == (other.value.http_status(), other.value.body()["ECODE"])
