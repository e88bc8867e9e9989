"""Services, or whoever stands in their place, at their worst: endless, elsewhere, false certificates, wrong ids."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests

from clients import airtable as airtable_client
from clients import clickup as clickup_client
from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from state import State
from tests.scene import TOP, Scene

Spoil = Callable[[Request, str, Answer], Answer]


def spoil(scene: Scene, change: Spoil) -> None:
    """From now on each answer of the stand-in goes through `change(request, route, answer)`."""
    true = scene.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true(request)
        return change(request, route, answer), route, fault

    setattr(scene.sandbox, "carry_out", carry_out)  # noqa: B010 - one answer is bent, the rest is the stand-in's


def as_json(answer: Answer, body: Any) -> Answer:
    """The same answer with another body."""
    return Answer(answer.status, json.dumps(body).encode(), answer.headers)


def settled(scene: Scene) -> None:
    """With honest services everything is put right: one task a lead, and an idle run."""
    setattr(scene.sandbox, "carry_out", type(scene.sandbox).carry_out.__get__(scene.sandbox))  # noqa: B010
    scene.sandbox.faults.clear()
    for _ in range(4):
        scene.later(150)
        run = scene.run()
    assert (run.code, run.writes) == (0, []), (run.report, run.messages)
    scene.assert_in_step()


def some_work(scene: Scene) -> None:
    """Pairs in step; then a new lead, an edit on each side."""
    leads = [scene.lead(status, f"Lead {status}") for status in ("NEW", "CONTACTED", "QUALIFIED")]
    assert scene.run().code == 0
    scene.later()
    scene.edit(leads[0], Status="CONTACTED", Name="renamed")
    scene.clickup.set_status(scene.named_by(leads[1]), "complete")
    scene.lead("NEW", "new one")
    scene.later(5)


ROUTES = [
    ("airtable", "list_records_post"),
    ("airtable", "update_records"),
    ("clickup", "list_tasks"),
    ("clickup", "create_task"),
    ("clickup", "update_task"),
]


# --- answers without measure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "route"), ROUTES)
def test_an_answer_of_200_mb_is_given_up_and_nothing_is_made_twice(scene: Scene, service: str, route: str) -> None:
    some_work(scene)
    scene.sandbox.faults.add("huge", when="after", service=service, route=route)
    run = scene.run()
    assert run.code in (0, 1)
    assert len(scene.clickup.tasks()) == 4
    settled(scene)
    assert len(scene.clickup.tasks()) == 4


@pytest.mark.parametrize("status", [200, 302])
def test_a_small_answer_that_is_packed_twice_is_given_up_in_bounded_memory(scene: Scene, status: int) -> None:
    """Danger: an answer sent as gzip, twice over, is a thousand times a thousand times as large as it looks."""
    some_work(scene)
    once = gzip.compress(bytes(1 << 24), 9) * 32
    twice = gzip.compress(once, 9)

    def bomb(request: Request, route: str, answer: Answer) -> Answer:
        if route != "list_tasks":
            return answer
        return Answer(status, twice, {**answer.headers, "content-encoding": "gzip, gzip", "location": "/elsewhere"})

    spoil(scene, bomb)
    script = (
        "import resource, sys, main; code = main.main(['--full', '--json']);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=TOP,
        env={**scene.environ(), "SYNC_RETRY_WAIT_SECONDS": "0"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert int(done.stderr.splitlines()[-1]) < 500, "megabytes at the most"
    settled(scene)


@pytest.mark.parametrize("service", ["airtable", "clickup"])
def test_pages_without_end_are_given_up(scene: Scene, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is a full one, with rows never seen before and the promise of more."""
    some_work(scene)
    monkeypatch.setattr(airtable_client, "_MOST_PAGES", 40)
    monkeypatch.setattr(clickup_client, "_MOST_PAGES", 40)
    tasks = list(scene.clickup.tasks())
    numbers = itertools.count(10**12)

    def endless(request: Request, route: str, answer: Answer) -> Answer:
        fresh = [next(numbers) for _ in range(100)]
        body = json.loads(answer.encoded())
        if (request.service, route) == (service, "list_records_post"):
            made = [{"id": f"rec{n:014d}", "createdTime": "2026-01-01T00:00:00.000Z", "fields": {}} for n in fresh]
            return Answer(200, json.dumps({"records": made, "offset": f"itr/{fresh[0]}"}).encode(), answer.headers)
        if (request.service, route) == (service, "list_tasks") and body["tasks"]:
            row = body["tasks"][0]
            made = [{**row, "id": f"86{n}", "date_created": str(n), "date_updated": str(n)} for n in fresh]
            return as_json(answer, {"tasks": made, "last_page": False})
        return answer

    spoil(scene, endless)
    run = scene.run("--full")
    assert (run.code, run.writes) == (1, []), run.report
    assert "do not end" in run.messages + str(run.report)
    assert list(scene.clickup.tasks()) == tasks
    settled(scene)


@pytest.mark.parametrize("said", ["true", "false"])
@pytest.mark.parametrize("tasks", [3, 100, 205])
def test_a_last_page_that_lies_hides_no_task_and_ends(tmp_path: Path, said: str, tasks: int) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    for number in range(tasks):
        scene.lead("NEW", f"Lead {number}")
    scene.clickup.last_page_lies = said
    assert scene.run().code == 0
    scene.later()
    scene.state_file.unlink()
    run = scene.run()
    assert (run.code, run.writes) == (0, [])
    assert len(scene.clickup.tasks()) == tasks
    assert run.requests.count("clickup list_tasks") <= 2 * (tasks // 100 + 3)
    scene.close()


@pytest.mark.parametrize("route", ["list_records_post", "create_task"])
def test_an_answer_that_drips_is_given_up_after_its_time(scene: Scene, route: str) -> None:
    """A byte now and then keeps the silence short; the whole may take four times as long as the silence may."""
    scene.lead("NEW")
    scene.sandbox.faults.add("drip", route=route, seconds=60)
    started = time.monotonic()
    run = scene.process(SYNC_HTTP_TIMEOUT_SECONDS="0.3", SYNC_RETRY_WAIT_SECONDS="0")
    assert time.monotonic() - started < 15
    assert run.code in (0, 1)
    assert "Traceback" not in run.messages
    assert len(scene.clickup.tasks()) <= 1
    settled(scene)


# --- elsewhere --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listener(host: str = "127.0.0.2", context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A port, and what whoever came there has sent."""
    heard: list[bytes] = []
    with socket.create_server((host, 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(2)
                    heard.append(b"")
                    with (
                        contextlib.suppress(OSError),
                        context.wrap_socket(connection, server_side=True) if context else connection as talk,
                    ):
                        heard[-1] = talk.recv(1 << 16)
                        talk.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("service", ["airtable", "clickup"])
def test_no_redirect_is_followed_and_no_token_goes_to_another_host(scene: Scene, service: str, status: int) -> None:
    some_work(scene)
    with listener() as (port, heard):
        location = f"http://127.0.0.2:{port}/v0/take/it"

        def away(request: Request, route: str, answer: Answer) -> Answer:
            return (
                Answer(status, b"", {"Location": location, "Refresh": f"0;url={location}"})
                if (request.service == service)
                else answer
            )

        spoil(scene, away)
        run = scene.run()
    assert heard == []
    assert (run.code, run.writes) == (1, [])
    assert "redirect" in run.messages
    assert "log-in page" in run.messages, "the cure is named"
    settled(scene)


@pytest.mark.parametrize("route", ["create_task", "update_task", "update_records"])
def test_a_redirect_in_the_middle_of_the_writes_makes_nothing_twice(scene: Scene, route: str) -> None:
    some_work(scene)
    with listener() as (port, heard):

        def away(request: Request, met: str, answer: Answer) -> Answer:
            return Answer(307, b"", {"Location": f"http://127.0.0.2:{port}/"}) if met == route else answer

        spoil(scene, away)
        assert scene.run().code in (0, 1), "a create that was carried out is found by its marker"
    assert heard == []
    settled(scene)
    assert len(scene.clickup.tasks()) == 4


def test_a_redirect_to_what_is_no_address_stops_no_other_lead_and_makes_nothing_twice(scene: Scene) -> None:
    for number in range(6):
        scene.lead("NEW", f"Lead {number}")
    creates = itertools.count()

    def away(request: Request, route: str, answer: Answer) -> Answer:
        third = route == "create_task" and next(creates) == 2
        return Answer(307, b"", {"Location": "http://["}) if third else answer

    spoil(scene, away)
    assert scene.run().code in (0, 1), "a create that was carried out is found by its marker"
    settled(scene)
    assert len(scene.clickup.tasks()) == 6


Certificate = Callable[[str], tuple[ssl.SSLContext, Path]]


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A server's side of TLS, and the file of its certificate: for whom it is given, signed by nobody but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")

    def made(name: str) -> tuple[ssl.SSLContext, Path]:
        folder = tmp_path_factory.mktemp("certificate")
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=api.example.com",
             "-addext", f"subjectAltName={name}", "-addext", "keyUsage=critical,digitalSignature,keyCertSign",
             "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context, certificate

    return made


@pytest.mark.parametrize("setting", ["AIRTABLE_API_URL", "CLICKUP_API_URL"])
def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(
    scene: Scene, self_signed: Certificate, setting: str
) -> None:
    """Whoever sits in between gets neither token nor request, and nobody waits for it to become better."""
    scene.lead("NEW")
    context, _ = self_signed("IP:127.0.0.1")
    with listener("127.0.0.1", context) as (port, heard):
        run = scene.run(**{setting: f"https://127.0.0.1:{port}"})
    assert run.code == 1
    assert "certificate" in run.messages
    assert not any(heard), "nothing but the handshake"
    assert len(heard) == 1, "not tried again"
    assert sum(run.report["waited_seconds"].values()) == 0
    settled(scene)


@pytest.mark.parametrize("setting", ["AIRTABLE_API_URL", "CLICKUP_API_URL"])
@pytest.mark.parametrize(("name", "fits"), [("DNS:api.example.com", False), ("IP:127.0.0.1", True)])
def test_a_certificate_for_somebody_else_is_refused_though_it_is_trusted(
    scene: Scene, self_signed: Certificate, monkeypatch: pytest.MonkeyPatch, setting: str, name: str, fits: bool
) -> None:
    """Danger: anybody with a certificate for a host of his own could stand in the service's place."""
    scene.lead("NEW")
    context, certificate = self_signed(name)
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with listener("127.0.0.1", context) as (port, heard):
        run = scene.run(**{setting: f"https://127.0.0.1:{port}"})
    assert run.code == 1, "what answers there is no service"
    assert any(heard) is fits
    if not fits:
        assert "not trusted" in run.messages
        assert "mismatch" in run.messages
        assert len(heard) == 1, "not tried again"
    settled(scene)


def test_a_service_that_speaks_no_tls_gets_nothing(scene: Scene) -> None:
    scene.lead("NEW")
    with listener("127.0.0.1") as (port, heard):
        run = scene.run(AIRTABLE_API_URL=f"https://127.0.0.1:{port}")
    assert run.code == 1
    assert all(scene.airtable.token.encode() not in each and b"GET" not in each for each in heard)
    settled(scene)


@pytest.mark.parametrize("setting", ["AIRTABLE_API_URL", "CLICKUP_API_URL", "HEALTHCHECK_URL"])
@pytest.mark.parametrize(
    "address",
    ["http://api.example.com/v0", "http://127.0.0.1.example.com/", "http://user@127.0.0.1/", "ftp://127.0.0.1"],
)
def test_plain_http_to_a_far_host_is_refused_before_anything_is_sent(scene: Scene, setting: str, address: str) -> None:
    """A connection to another machine would fail the test by itself."""
    run = scene.run(**{setting: address})
    assert (run.code, run.requests) == (2, [])
    assert setting in run.messages


# --- wrong ids and wrong rows -----------------------------------------------------------------------------------------

NO_IDS = [
    "rec",
    "../../list/1",
    "rec'),RECORD_ID()='",
    "x y",
    "\x1b[2J",
    "recAAAAAAAAAAAAAA/../x",
    "",
    5,
    None,
    "é" * 14,
]


@pytest.mark.parametrize("wrong", NO_IDS)
@pytest.mark.parametrize(("service", "route"), ROUTES)
def test_what_has_not_the_form_of_an_id_is_not_taken_for_one(
    scene: Scene, service: str, route: str, wrong: object
) -> None:
    """Danger: it would go into an address, a formula, or the lead's cell. A task's id "rec" is as good as any."""
    some_work(scene)

    def rename(request: Request, met: str, answer: Answer) -> Answer:
        if met != route:
            return answer
        body = json.loads(answer.encoded())
        for row in body.get("records", body.get("tasks", [body])):
            row["id"] = wrong
        return as_json(answer, body)

    spoil(scene, rename)
    run = scene.run("--full")
    harmless = route == "create_task" or (wrong == "rec" and service == "clickup")
    assert run.code in ((0, 1) if harmless else (1,)), "a create that was carried out is found by its marker"
    assert "Traceback" not in run.messages
    assert {each.route for each in scene.sandbox.log} <= KNOWN_ROUTES
    assert all(scene.named_by(lead) in {"", *scene.clickup.tasks(), "rec"} for lead in scene.airtable.records())
    if wrong != "rec":
        settled(scene)
        assert len(scene.clickup.tasks()) == 4


KNOWN_ROUTES = {
    *("schema", "list_records_post", "update_records", "list", "fields", "list_tasks", "create_task", "get_task"),
    *("update_task", "set_field", "bulk_time_in_status"),
}


def test_a_create_that_is_answered_with_another_task_is_noticed(scene: Scene) -> None:
    """A proxy that mixes up answers: the marker in the answer is not this lead's."""
    first, second = scene.lead("NEW", "first"), scene.lead("NEW", "second")
    answers: list[bytes] = []

    def mix_up(request: Request, route: str, answer: Answer) -> Answer:
        if route != "create_task":
            return answer
        answers.append(answer.encoded())
        return Answer(200, answers[0], answer.headers)

    spoil(scene, mix_up)
    assert scene.run().code in (0, 1)
    settled(scene)
    for lead in (first, second):
        scene.assert_linked(lead, scene.named_by(lead))
    assert len(scene.clickup.tasks()) == 2


def test_an_error_that_repeats_the_token_shows_it_nowhere(scene: Scene) -> None:
    some_work(scene)
    tokens = {"airtable": scene.airtable.token, "clickup": scene.clickup.token}

    def chatty(request: Request, route: str, answer: Answer) -> Answer:
        said = f"who is {tokens[request.service]}?\x1b[31m\r\nfailed: nothing \u202e"
        body = {"err": said, "ECODE": said, "error": {"type": said, "message": said}}
        return Answer(400, json.dumps(body).encode(), answer.headers) if route != "list_tasks" else answer

    spoil(scene, chatty)
    for flags in ((), ("-v",), ("--check",), ("--dry-run", "--full")):
        run = scene.run(*flags)
        said = run.messages + json.dumps(run.report, ensure_ascii=False)
        assert run.code in (1, 2, 3)
        assert "***" in said
        assert not any(token in said or token[-20:] in said for token in tokens.values())
        assert "\x1b" not in said
        assert "\u202e" not in said
    settled(scene)


# --- a wrong time in an answer ----------------------------------------------------------------------------------------


def misdated(scene: Scene, service: str, ahead: float) -> None:
    """The first listing of a service bears a `Date` so many seconds ahead."""
    listings = itertools.count()

    def change(request: Request, route: str, answer: Answer) -> Answer:
        listing = request.service == service and route in ("list_tasks", "list_records_post")
        if not listing or next(listings):
            return answer
        return Answer(
            answer.status,
            answer.encoded(),
            {**answer.headers, "date": formatdate(scene.clock.time() + ahead, usegmt=True)},
        )

    spoil(scene, change)


@pytest.mark.parametrize("service", ["airtable", "clickup"])
def test_one_date_an_hour_ahead_hides_no_later_change(scene: Scene, service: str) -> None:
    """Danger: the watermark moves an hour ahead, and nothing typed meanwhile is seen before the next full run."""
    lead, task = scene.pair("CONTACTED")
    other, other_task = scene.pair("CONTACTED")
    misdated(scene, service, 3600)
    run = scene.run()
    assert (run.code, "is not believed" in run.messages) == (0, True)
    scene.later(300)
    scene.edit(lead, Status="QUALIFIED")
    scene.clickup.set_status(other_task, "complete")
    new = scene.lead()
    scene.later(300)
    assert scene.run().code == 0
    assert (scene.task_status(task), scene.status(other)) == ("complete", "QUALIFIED")
    assert scene.named_by(new)


@pytest.mark.parametrize("service", ["airtable", "clickup"])
def test_a_date_that_is_behind_moves_no_watermark_ahead_of_it(scene: Scene, service: str) -> None:
    """Danger: its rows may go by that clock as well, and what is typed before it comes to the watermark is missed."""
    scene.pair()
    misdated(scene, service, -3600)
    began = scene.clock.time()
    assert scene.run().code == 0
    with contextlib.closing(State.open(scene.state_file)) as state:
        assert float(state.value(f"{service}_watermark") or 0) <= began - 3600


@pytest.mark.parametrize("ahead", [-3600, 3600, 10**8])
def test_one_wrong_date_changes_nothing_of_the_wait_before_creates(scene: Scene, ahead: float) -> None:
    """Danger: a wait of years, in this run and in the next, or none."""
    scene.pair()
    scene.lead()
    scene.state_file.unlink()
    misdated(scene, "clickup", ahead)
    began = scene.clock.time()
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert 110 <= scene.clock.time() - began <= 140


@pytest.mark.parametrize(
    ("route", "status", "body"),
    [
        ("list_records_post", 403, {"error": {"type": "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "message": "no"}}),
        ("list_tasks", 401, {"err": "Team not authorized", "ECODE": "OAUTH_027"}),
    ],
)
def test_access_that_was_taken_away_needs_a_person(scene: Scene, route: str, status: int, body: object) -> None:
    scene.pair()
    spoil(scene, lambda _, at, answer: Answer(status, body, answer.headers) if at == route else answer)
    assert scene.run().code == 3
