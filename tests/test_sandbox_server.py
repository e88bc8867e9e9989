"""The stand-in as a server: one port for both services, the log, complaints, latency, and `python -m sandbox`."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.leads import load
from sandbox.server import Sandbox
from sandbox.wire import Clock

START = 1_700_000_000.0
ROOT = Path(__file__).parent.parent


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock=Clock(START), clickup_limit=0, airtable_limit=0) as made:
        yield made


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    yield made
    made.close()


def send(
    connection: http.client.HTTPConnection, method: str, path: str, token: str, body: Any = None
) -> tuple[http.client.HTTPResponse, bytes]:
    headers = {"Authorization": token, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer, answer.read()


def test_both_services_answer_on_one_kept_connection(sandbox: Sandbox, connection: http.client.HTTPConnection) -> None:
    settings = sandbox.settings()
    for path, token in [
        (f"{urlsplit(settings['CLICKUP_API_URL']).path}/user", settings["CLICKUP_API_KEY"]),
        (f"{urlsplit(settings['AIRTABLE_API_URL']).path}/meta/whoami", f"Bearer {settings['AIRTABLE_API_KEY']}"),
        (f"/v0/{settings['AIRTABLE_BASE_ID']}/{settings['AIRTABLE_TABLE_NAME']}/", f"Bearer {sandbox.airtable.token}"),
        (f"/api/v2/list/{settings['CLICKUP_LIST_ID']}/", settings["CLICKUP_API_KEY"]),
    ]:
        answer, body = send(connection, "GET", path, token)
        assert answer.status == 200, body
        assert answer.getheader("Content-Type") == "application/json; charset=utf-8"
        assert answer.getheader("Date") == "Tue, 14 Nov 2023 22:13:20 GMT"
        assert int(answer.getheader("Content-Length", "")) == len(body)
    assert len({entry.number for entry in sandbox.log}) == 4
    assert sandbox.complaints == []


def test_dates_follow_the_stand_ins_clock(sandbox: Sandbox, connection: http.client.HTTPConnection) -> None:
    sandbox.clock.advance(1.5)
    answer, _ = send(connection, "GET", "/api/v2/user", sandbox.clickup.token)
    assert answer.getheader("Date") == "Tue, 14 Nov 2023 22:13:21 GMT"


def test_an_empty_answer_has_no_body_and_the_connection_goes_on(
    sandbox: Sandbox, connection: http.client.HTTPConnection
) -> None:
    task = sandbox.clickup.add_task("Ada")
    answer, body = send(connection, "DELETE", f"/api/v2/task/{task}", sandbox.clickup.token)
    assert (answer.status, body, answer.getheader("Content-Length")) == (204, b"", None)
    assert send(connection, "GET", f"/api/v2/task/{task}", sandbox.clickup.token)[0].status == 404


def test_plus_is_a_space_in_the_query_only(sandbox: Sandbox, connection: http.client.HTTPConnection) -> None:
    sandbox.clickup.add_task("Ada", status="to do")
    path = f"/api/v2/list/{sandbox.clickup.list_id}/task?statuses%5B%5D=to+do"
    _, body = send(connection, "GET", path, sandbox.clickup.token)
    assert len(json.loads(body)["tasks"]) == 1
    answer, _ = send(connection, "GET", f"/v0/{sandbox.airtable.base_id}/Le+ads", f"Bearer {sandbox.airtable.token}")
    assert answer.status == 403


def test_text_in_every_script_passes_unharmed(sandbox: Sandbox, connection: http.client.HTTPConnection) -> None:
    name = "Łódź 山田 🎉 \u202eabc\u202c \x7f\x01 ﷽ O'Brien \\ \" </script>"
    path = f"/api/v2/list/{sandbox.clickup.list_id}/task"
    _, body = send(connection, "POST", path, sandbox.clickup.token, {"name": name})
    assert json.loads(body)["name"] == name
    assert [task["name"] for task in sandbox.clickup.tasks().values()] == [name]


def test_the_log_tells_what_was_asked_and_never_a_token(
    sandbox: Sandbox, connection: http.client.HTTPConnection
) -> None:
    path = f"/api/v2/list/{sandbox.clickup.list_id}/task"
    send(connection, "POST", path, sandbox.clickup.token, {"name": "Ada"})
    send(connection, "GET", f"{path}?page=0", sandbox.clickup.token)
    create, listing = sandbox.log
    assert (create.route, create.service, create.method, create.path) == ("create_task", "clickup", "POST", path)
    assert (create.status, create.body, create.started, create.fault) == (200, {"name": "Ada"}, START, "")
    assert (listing.route, listing.query, listing.body) == ("list_tasks", (("page", "0"),), None)
    assert sandbox.clickup.token not in repr(sandbox.log)


@pytest.mark.parametrize("path", ["/", "/api/v3/user", "/v0", "/elsewhere?x=1"])
def test_what_is_neither_service_answers_404_and_complains(
    sandbox: Sandbox, connection: http.client.HTTPConnection, path: str
) -> None:
    assert send(connection, "GET", path, "x")[0].status == 404
    assert len(sandbox.complaints) == 1


def test_unknown_routes_and_parameters_are_complained_about(
    sandbox: Sandbox, connection: http.client.HTTPConnection
) -> None:
    send(connection, "GET", "/api/v2/user?verbose=1", sandbox.clickup.token)
    send(connection, "GET", "/api/v2/nowhere", sandbox.clickup.token)
    answer, _ = send(connection, "GET", f"/v0/{sandbox.airtable.base_id}", f"Bearer {sandbox.airtable.token}")
    assert answer.status == 404
    assert len(sandbox.complaints) == 3


def test_many_connections_are_served_side_by_side() -> None:
    with Sandbox(latency=0.15, clickup_limit=0) as sandbox:
        many = [http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5) for _ in range(20)]
        began = time.monotonic()
        for one in many:
            one.request("GET", "/api/v2/user", headers={"Authorization": sandbox.clickup.token})
        for one in many:
            assert one.getresponse().read()
            one.close()
        assert 0.15 <= time.monotonic() - began < 1.5


def test_close_ends_waiting_connections_at_once() -> None:
    sandbox = Sandbox()
    idle = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    send(idle, "GET", "/api/v2/user", sandbox.clickup.token)
    began = time.monotonic()
    sandbox.close()
    sandbox.close()
    idle.close()
    assert time.monotonic() - began < 2


# Leads.


def test_json_leads_need_not_have_equal_keys(tmp_path: Path) -> None:
    path = tmp_path / "leads.json"
    rows = [
        {"Name": "Ada", "Status": "NEW", "Notes": "a\nb", "Age": 7},
        {"Name": "", "Email": None, "Status": "LOST", "Tags": ["x"]},
        {"Status": "NEW", "Company": "é" * 300},
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    columns, leads = load(path)
    assert {column["name"]: column["type"] for column in columns} == {
        "Name": "singleLineText",
        "Status": "singleSelect",
        "Notes": "multilineText",
        "Age": "singleLineText",
        "Email": "singleLineText",
        "Tags": "singleLineText",
        "Company": "multilineText",
    }
    assert next(column["choices"] for column in columns if column["name"] == "Status") == ["NEW", "LOST"]
    assert leads == [
        {"Name": "Ada", "Status": "NEW", "Notes": "a\nb", "Age": "7"},
        {"Status": "LOST", "Tags": '["x"]'},
        {"Status": "NEW", "Company": "é" * 300},
    ]


def test_csv_leads_have_a_header_and_may_span_lines(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text('\ufeffName,Notes\r\nAda,"a\nb"\r\nBea,\r\n', encoding="utf-8", newline="")
    columns, leads = load(path)
    assert [column["type"] for column in columns] == ["singleLineText", "multilineText"]
    assert leads == [{"Name": "Ada", "Notes": "a\nb"}, {"Name": "Bea"}]


@pytest.mark.parametrize("text", ["Name\nAda,Bea\n", '{"Name": "Ada"}', "[1]", "[{", "Name,\nAda,x\n"])
def test_a_file_that_is_no_list_of_leads_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "leads"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"."):
        load(path)


# The command.


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_the_settings_serves_and_ends_silently(tmp_path: Path, number: signal.Signals) -> None:
    leads = tmp_path / "leads.json"
    leads.write_text(json.dumps([{"Name": "Łada", "Status": "Cold"}, {"Name": "Bea"}]), encoding="utf-8")
    process = start("--leads", str(leads))
    assert process.stdout
    settings = dict(process.stdout.readline().rstrip("\n").split("=", 1) for _ in range(8))
    address = urlsplit(settings["AIRTABLE_API_URL"])
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=5)
    path = f"{address.path}/{settings['AIRTABLE_BASE_ID']}/{settings['AIRTABLE_TABLE_NAME']}"
    _, body = send(connection, "GET", path, f"Bearer {settings['AIRTABLE_API_KEY']}")
    rows = [record["fields"] for record in json.loads(body)["records"]]
    send(connection, "GET", "/api/v2/user?x=1", settings["CLICKUP_API_KEY"])
    connection.close()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert sorted(rows, key=len) == [{"Name": "Bea"}, {"Name": "Łada", "Status": "Cold"}]
    assert settings.keys() == {
        *("AIRTABLE_API_KEY", "AIRTABLE_BASE_ID", "AIRTABLE_TABLE_NAME", "AIRTABLE_API_URL"),
        *("CLICKUP_API_KEY", "CLICKUP_LIST_ID", "CLICKUP_CUSTOM_FIELD_ID", "CLICKUP_API_URL"),
    }
    assert (process.returncode, out, err) == (0, "", "sandbox: query parameter 'x' of user is ignored\n")


@pytest.mark.parametrize("latency", ["nan", "-1", "inf", "soon"])
def test_the_command_refuses_a_latency_that_is_none(latency: str) -> None:
    process = start(f"--latency={latency}")
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (2, "")
    assert "is no number from 0 to 600,000" in err
    assert "Traceback" not in err


def test_the_command_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    process = start("--leads", str(tmp_path / "none.json"))
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (2, "")
    assert "none.json" in err
