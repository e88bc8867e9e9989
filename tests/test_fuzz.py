"""Anything at all into the parsers: settings, status map, Task ID cells, cells of any type, both services' answers."""

from __future__ import annotations

import contextlib
import io
import json
import math
import random
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import main
from clients import airtable, clickup
from clients.errors import ApiError
from clients.http import Http
from clients.pacing import AirtablePacer, ClickUpPacer
from config import NAMES
from models import NotText, Record, RecordPage, Task, TaskPage
from report import error_lines
from sandbox.wire import Answer, Clock, Request
from status_map import fold, parse
from tests.campaign.answers import bend, play
from tests.scene import START, Scene
from text import cell_text
from world import parse_reference

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(MANY, max_examples=80)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
LIKELY_TEXT = st.sampled_from(
    [
        *(
            "",
            " ",
            "NEW",
            "NEW > To Do",
            "A = B, A = C",
            ",,",
            ">",
            "a>b>c",
            "{a}",
            "a,b\\,c",
            "'",
            '"',
            "🎉",
            "\ud800",
        ),
        *(
            "1e400",
            "nan",
            "-1",
            "0",
            "9" * 400,
            "app00000000000000",
            "tbl00000000000000",
            "viw",
            "Other",
            "Notes,Phone",
        ),
        *(
            "patABCDEFGHIJKLMN.s",
            "pk_1_X",
            "Bearer x",
            "http://[",
            "https://x/\x00",
            "~nobody/x",
            "/dev/null",
            "\x1b[2J",
        ),
        *("$HOME", "${X}", "%(x)s", "clickup", "recreate", "901500000102", "x" * 300, "/proc/1/mem", "state/../x"),
    ]
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            ANY_TEXT | st.sampled_from(["name", "error", "specialValue", "filename", "id"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# --- settings ---------------------------------------------------------------------------------------------------------


ADDRESSES = {"AIRTABLE_API_URL", "CLICKUP_API_URL"}  # never anywhere but on this machine


@FEW
@given(
    st.dictionaries(st.sampled_from(sorted(set(NAMES) - ADDRESSES)), ANY_TEXT | LIKELY_TEXT, max_size=3),
    st.sampled_from(["--check", "--dry-run", "-v"]),
)
def test_no_text_in_any_setting_ends_in_a_traceback_or_shows_a_token(
    scene: Scene, values: dict[str, str], flag: str
) -> None:
    """With the real program and both services: whatever the settings say, it ends with one of its exit codes."""
    environ = {**scene.settings, **values}
    if not environ["SYNC_STATE_FILE"].startswith(str(scene.folder)):
        flag = "--check"  # which writes nothing, wherever that may be
    out, err = io.StringIO(), io.StringIO()
    code = main.main([flag], environ, clock=scene.clock, stdout=out, stderr=err)
    said = out.getvalue() + err.getvalue()
    assert code in (0, 1, 2, 3, 75)
    assert not any(token in said for token in (scene.airtable.token, scene.clickup.token))
    assert STEERING.search(said) is None


@FEW
@given(st.binary(max_size=300) | ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_env_file_ends_in_a_traceback(scene: Scene, content: bytes) -> None:
    path = scene.folder / "fuzz.env"
    path.write_bytes(content)
    path.chmod(0o600)
    out, err = io.StringIO(), io.StringIO()
    given_before = {"SYNC_STATE_FILE": str(scene.state_file)}
    assert main.main(["--check", "--env-file", str(path)], given_before, stdout=out, stderr=err) == 2
    assert STEERING.search(out.getvalue() + err.getvalue()) is None


# --- the status map ---------------------------------------------------------------------------------------------------

NAME = st.sampled_from(["NEW", "new", " New ", "To Do", "DONE", "a b", "ä", "", "'x'", "\\,", "="]) | ANY_TEXT


@MANY
@given(st.lists(st.tuples(NAME, st.sampled_from([">", "=", "", ">=", "->"]), NAME), max_size=5).map(
    lambda rows: ",".join(f"{lead} {sign} {task}" for lead, sign, task in rows)
) | ANY_TEXT)  # fmt: skip
def test_a_status_map_is_refused_or_makes_sense(text: str) -> None:
    try:
        found = parse(text)
    except ValueError:
        return
    assert found.rows
    assert parse(str(found)) == found, "written down it is the same map"
    leads = [fold(row.lead) for row in found.rows]
    assert len(set(leads)) == len(leads)
    for row in found.rows:
        assert found.forward(row.lead) == row.task
        back = found.back(row.task)
        assert back is None or found.agree(back, row.task), "what leads back leads there again"


# --- the Task ID cell -------------------------------------------------------------------------------------------------


@MANY
@given(
    ANY_TEXT
    | st.tuples(st.sampled_from(["", "#", "CU-", "https://app.clickup.com/t/", "/", "../"]), ANY_TEXT).map("".join)
    | st.from_regex(r"(https://app\.clickup\.com/t/)?[#/?a-z0-9A-Z.%-]{0,40}", fullmatch=True)
)
def test_a_task_id_cell_is_empty_an_id_or_refused(cell: str) -> None:
    found = parse_reference(cell)
    if isinstance(found, NotText):
        assert found.shown == cell
    elif found == "":
        assert cell == ""
    else:
        assert re.fullmatch(r"[0-9a-z]{2,32}", found)
        assert found in cell


# --- cells ------------------------------------------------------------------------------------------------------------


@MANY
@given(ANY_JSON)
def test_a_cell_of_any_kind_becomes_text(value: Any) -> None:
    assert isinstance(cell_text(value), str)
    assert cell_text(json.loads(json.dumps(value))) == cell_text(value)


# --- both services' answers -------------------------------------------------------------------------------------------


Bent = Callable[[int], tuple[airtable.AirtableClient, clickup.ClickUpClient, str, str]]


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bent]:
    """Both clients before services whose every answer is bent; call it with a seed."""
    scene = Scene(tmp_path_factory.mktemp("bent"), clickup_limit=0, airtable_limit=0)
    for number in range(3):
        scene.lead("NEW", f"Lead {number}", Email="a@example.com")
    assert scene.run().code == 0
    rng = random.Random()
    true = scene.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, object]:
        answer, route, fault = true(request)
        body = json.loads(answer.encoded() or b"null")
        for _ in range(rng.choice((1, 1, 2, 4))):
            body = bend(body, rng) if isinstance(body, (dict, list)) else body
        return Answer(answer.status, json.dumps(body).encode(), answer.headers), route, fault

    setattr(scene.sandbox, "carry_out", carry_out)  # noqa: B010 - the rest stays the stand-in's

    def clients(seed: int) -> tuple[airtable.AirtableClient, clickup.ClickUpClient, str, str]:
        rng.seed(seed)
        common: dict[str, Any] = {"clock": scene.clock, "stop": threading.Event(), "random": rng, "retry_wait": 0}
        values = scene.settings
        leads = Http(
            airtable.service(values["AIRTABLE_API_URL"]),
            token_header=f"Bearer {values['AIRTABLE_API_KEY']}", pacer=AirtablePacer(), **common,
        )  # fmt: skip
        tasks = Http(
            clickup.service(values["CLICKUP_API_URL"]),
            token_header=values["CLICKUP_API_KEY"], pacer=ClickUpPacer(), **common,
        )  # fmt: skip
        opened.extend((leads, tasks))
        return (
            airtable.AirtableClient(leads, values["AIRTABLE_BASE_ID"], values["AIRTABLE_TABLE_NAME"]),
            clickup.ClickUpClient(tasks, values["CLICKUP_LIST_ID"], values["CLICKUP_CUSTOM_FIELD_ID"]),
            *some_ids,
        )

    some_ids = next(iter(scene.airtable.records())), next(iter(scene.clickup.tasks()))
    opened: list[Http] = []
    yield clients
    for http in opened:
        http.close()
    scene.close()


CALLS: dict[str, Callable[[airtable.AirtableClient, clickup.ClickUpClient, str, str], object]] = {
    "schema": lambda leads, tasks, lead, task: leads.schema(),
    "listing of leads": lambda leads, tasks, lead, task: list(leads.list_records(fields=["Name", "Status"])),
    "leads by id": lambda leads, tasks, lead, task: list(leads.read_by_ids([lead], fields=["Name"])),
    "update of a lead": lambda leads, tasks, lead, task: leads.update([(lead, {"Status": "NEW"})]),
    "list": lambda leads, tasks, lead, task: tasks.list_info(),
    "fields": lambda leads, tasks, lead, task: tasks.fields(),
    "listing of tasks": lambda leads, tasks, lead, task: list(tasks.walk("created", 0)),
    "poll of tasks": lambda leads, tasks, lead, task: list(tasks.walk("updated", 1)),
    "task": lambda leads, tasks, lead, task: tasks.task(task),
    "marker": lambda leads, tasks, lead, task: tasks.with_marker(lead),
    "new task": lambda leads, tasks, lead, task: tasks.create(name="x", description="x", status="to do", marker=lead),
    "marker of a task": lambda leads, tasks, lead, task: tasks.set_marker(task, lead),
    "update of a task": lambda leads, tasks, lead, task: tasks.update(task, status="to do"),
    "time in status": lambda leads, tasks, lead, task: tasks.time_in_status([task]),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_client_gives_a_right_value_or_an_api_error(bent: Bent, call: str) -> None:
    """Never another exception, and never a value that is not of its declared shape."""
    for seed in range(60):
        leads, tasks, lead, task = bent(seed)
        with contextlib.suppress(ApiError):
            _check(CALLS[call](leads, tasks, lead, task))


def _check(value: object) -> None:
    for each in value if isinstance(value, (list, tuple)) else [value]:
        for row in each.rows if isinstance(each, (RecordPage, TaskPage)) else [each]:
            if isinstance(row, Task):
                assert re.fullmatch(r"[0-9a-z]{1,32}", row.id)
                texts = (row.name, row.status, row.marker, row.description, row.list_id)
                assert all(isinstance(text, str) for text in texts)
                assert all(type(number) is int and number >= 0 for number in (row.created, row.updated))
            elif isinstance(row, Record):
                assert re.fullmatch(r"rec[0-9A-Za-z]{14}", row.id)
                assert isinstance(row.fields, dict)


@MANY
@given(st.integers(400, 599), ANY_JSON | st.builds(dict, err=ANY_JSON, ECODE=ANY_JSON, error=ANY_JSON, errors=ANY_JSON))
def test_a_refusal_of_any_shape_is_an_error_of_some_kind(status: int, body: Any) -> None:
    for service in (airtable, clickup):
        verdict = service.explain(status, body)
        error = verdict.kind(verdict.message, service="x", method="GET", path="/", status=status, code=verdict.code)
        assert all(STEERING.search(line) is None for line in error_lines(error))


# --- headers ----------------------------------------------------------------------------------------------------------

# Five refusals of up to two minutes each, and two minutes of failures.
LONGEST_WAIT = 5 * 121 + 121
DATES = st.sampled_from(
    [
        "Mon, 21 Sep 2026 14:13:20 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 21 Sep 2026 14:13:20 -9999",
        "Mon, 21 Sep 2026 14:13:20",
        "2026-09-21T14:13:20Z",
    ]
)
NUMBERS = st.integers(-10, 10**18).map(str) | st.sampled_from(["0", "1", "5", "1790000060", "1e9", "inf", "nan", "+3"])
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Date": DATES | NUMBERS | HEADER,
        "Retry-After": NUMBERS | DATES | HEADER,
        "X-RateLimit-Limit": NUMBERS | HEADER,
        "X-RateLimit-Remaining": NUMBERS | HEADER,
        "X-RateLimit-Reset": NUMBERS | DATES | HEADER,
    },
)


@pytest.fixture(scope="module")
def headed() -> Iterator[tuple[str, list[bytes]]]:
    """An address, and the answers that it gives, one a connection; the last one stays."""
    answers: list[bytes] = []

    class Answering(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline(1 << 16).strip():
                pass
            self.wfile.write(answers.pop(0) if len(answers) > 1 else answers[0])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", answers
        server.shutdown()
        thread.join()


@FEW
@given(st.lists(st.tuples(st.sampled_from([200, 429, 503]), HEADERS), min_size=1, max_size=4), st.booleans())
def test_headers_of_any_kind_end_in_an_answer_or_an_api_error_after_a_bounded_wait(
    headed: tuple[str, list[bytes]], said: list[tuple[int, dict[str, str]]], airtables: bool
) -> None:
    """Danger: a limit, a date or a time to wait that makes no sense stops the sync for ever, or with a traceback."""
    address, answers = headed
    answers[:] = [_answer(status, headers) for status, headers in said]
    clock = Clock(START)
    service, pacer = (airtable.service, AirtablePacer()) if airtables else (clickup.service, ClickUpPacer())
    common: dict[str, Any] = {"clock": clock, "stop": threading.Event(), "random": random.Random(1), "timeout": 5}
    http = Http(service(address), token_header="x", pacer=pacer, **common)
    for _ in said:
        before = clock.monotonic()
        with contextlib.suppress(ApiError):
            assert http.send("GET", "/", replayable=True).body == {}
        assert clock.monotonic() - before <= LONGEST_WAIT
        assert math.isfinite(http.now())
    http.close()


def _answer(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Content-Length: 2", "Connection: close", "", "{}"]).encode("latin-1")


@pytest.mark.parametrize("seed", range(60))
def test_bent_answers_end_with_a_known_code_and_nothing_is_made_twice(tmp_path: Path, seed: int) -> None:
    play(seed, tmp_path)
