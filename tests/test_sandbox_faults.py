"""Faults by script: each spoils what it says, before or after the effect, and nothing else."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import server
from sandbox.faults import KINDS, Fault, Faults
from sandbox.server import Sandbox
from sandbox.wire import Clock

REFUSALS = ("429", "429-bare", "429-billing", "429-singular")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock=Clock(1_700_000_000.0), clickup_limit=100, airtable_limit=0) as made:
        yield made


def send(sandbox: Sandbox, method: str, path: str, body: Any = None, timeout: float = 5) -> tuple[int, Any, bytes]:
    """Status, headers and body over a fresh connection."""
    clickup = path.startswith("/api")
    token = sandbox.clickup.token if clickup else f"Bearer {sandbox.airtable.token}"
    headers = {"Authorization": token, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def create(sandbox: Sandbox, timeout: float = 5) -> tuple[int, Any, bytes]:
    return send(sandbox, "POST", f"/api/v2/list/{sandbox.clickup.list_id}/task", {"name": "Ada"}, timeout)


def read(sandbox: Sandbox) -> tuple[int, Any, bytes]:
    return send(sandbox, "GET", f"/v0/{sandbox.airtable.base_id}/Leads")


def spoils(sandbox: Sandbox) -> bool:
    """Whether a create comes back as anything but the created task."""
    try:
        status, _, body = create(sandbox, timeout=0.3)
        return status != 200 or json.loads(body)["name"] != "Ada"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return True


@pytest.mark.parametrize("kind", sorted(KINDS - {"slow", "drip", "huge", "token-revoked", *REFUSALS}))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_says_nothing_about_its_effect(sandbox: Sandbox, kind: str, when: str) -> None:
    sandbox.faults.add(kind, when=when, route="create_task")
    assert spoils(sandbox)
    assert len(sandbox.clickup.tasks()) == sandbox.clickup.writes == (1 if when == "after" else 0)
    assert [entry.fault for entry in sandbox.log] == [kind]
    assert not spoils(sandbox)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_for_asking_too_often_has_no_effect(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.add(kind, service="airtable")
    status, headers, body = read(sandbox)
    said = json.loads(body)
    assert status == 429
    assert not any(name.lower().startswith("x-ratelimit") for name in headers)
    if kind == "429-singular":
        assert said["error"]["type"] == "RATE_LIMIT_REACHED"
    else:
        assert said["errors"][0]["error"] == (
            "PUBLIC_API_BILLING_LIMIT_EXCEEDED" if kind == "429-billing" else "RATE_LIMIT_REACHED"
        )
    assert sandbox.airtable.calls == 0


@pytest.mark.parametrize(("kind", "shown"), [("429", "0"), ("429-bare", None)])
def test_clickups_refusal_comes_with_and_without_its_headers(sandbox: Sandbox, kind: str, shown: str | None) -> None:
    sandbox.faults.add(kind)
    status, headers, body = create(sandbox)
    assert (status, json.loads(body)["ECODE"], headers["X-RateLimit-Remaining"]) == (429, "APP_002", shown)
    assert sandbox.clickup.tasks() == {}
    assert create(sandbox)[0] == 200


def test_a_reset_is_a_reset_on_the_wire(sandbox: Sandbox) -> None:
    sandbox.faults.add("reset", when="after")
    with pytest.raises(ConnectionResetError):
        create(sandbox)


def test_a_hanging_request_ends_with_its_client_or_with_the_sandbox(sandbox: Sandbox) -> None:
    sandbox.faults.add("hang", times=2)
    with pytest.raises(TimeoutError):
        create(sandbox, timeout=0.2)
    waiting = threading.Thread(target=spoils, args=(sandbox,))
    waiting.start()
    began = time.monotonic()
    sandbox.close()
    waiting.join()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_a_slow_answer_is_true_in_the_end(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.add(Fault(kind, seconds=0.2))
    began = time.monotonic()
    assert not spoils_slowly(sandbox)
    assert time.monotonic() - began >= 0.2
    assert sandbox.clickup.writes == 1


def spoils_slowly(sandbox: Sandbox) -> bool:
    status, _, body = create(sandbox)
    return status != 200 or json.loads(body)["name"] != "Ada"


def test_a_cut_body_is_shorter_than_it_says(sandbox: Sandbox) -> None:
    sandbox.faults.add("cut", when="after")
    with pytest.raises(http.client.IncompleteRead):
        create(sandbox)


def test_a_huge_body_ends_when_the_client_leaves(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HUGE_BYTES", 8 * 1024 * 1024)
    sandbox.faults.add("huge", times=2)
    assert len(create(sandbox)[2]) >= 8 * 1024 * 1024
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as leaving:
        leaving.sendall(b"GET /api/v2/user HTTP/1.1\r\n\r\n")
        assert leaving.recv(1000)
    assert create(sandbox)[0] == 200


@pytest.mark.parametrize(
    ("kind", "status", "service", "expected"),
    [
        ("500", 500, "clickup", "ECODE"),
        ("500", 500, "airtable", "SERVER_ERROR"),
        ("502", 502, "clickup", "<html>"),
        ("503", 503, "airtable", "RETRIABLE_ERROR"),
        ("503", 503, "clickup", "ECODE"),
        ("504", 504, "airtable", "<html>"),
    ],
)
def test_failures_look_like_each_services_own(
    sandbox: Sandbox, kind: str, status: int, service: str, expected: str
) -> None:
    sandbox.faults.add(kind, service=service)
    answer = create(sandbox) if service == "clickup" else read(sandbox)
    assert answer[0] == status
    assert expected in answer[2].decode()
    assert ("html" in answer[1]["Content-Type"]) == (expected == "<html>")


def test_a_503_can_say_when_to_come_back(sandbox: Sandbox) -> None:
    sandbox.faults.add("503-retry-after")
    assert create(sandbox)[1]["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("kind", "body"), [("shape", []), ("shape-empty", {}), ("shape-null", {"records": None, "tasks": None})]
)
def test_wrong_shapes_are_json_all_the_same(sandbox: Sandbox, kind: str, body: Any) -> None:
    sandbox.faults.add(kind, when="after")
    status, _, raw = read(sandbox)
    assert (status, json.loads(raw)) == (200, body)


def test_a_redirect_leads_to_another_host_name(sandbox: Sandbox) -> None:
    sandbox.faults.add("redirect")
    status, headers, _ = create(sandbox)
    assert status == 307
    assert headers["Location"].startswith(f"http://localhost:{sandbox.port}/api/v2/list/")


@pytest.mark.parametrize(("when", "status"), [("before", 401), ("after", 200)])
def test_a_token_revoked_in_mid_run_stays_revoked(sandbox: Sandbox, when: str, status: int) -> None:
    sandbox.faults.add("token-revoked", when=when, service="clickup")
    assert create(sandbox)[0] == status
    assert create(sandbox)[0] == 401


def test_a_fault_hits_the_nth_request_that_fits_and_as_often_as_it_says(sandbox: Sandbox) -> None:
    read(sandbox)
    sandbox.faults.add("500", number=2, service="clickup", times=2)
    statuses = [(create(sandbox)[0], read(sandbox)[0]) for _ in range(4)]
    assert statuses == [(200, 200), (500, 200), (500, 200), (200, 200)]


def test_without_a_service_the_requests_to_both_are_counted(sandbox: Sandbox) -> None:
    sandbox.faults.add("500", number=3)
    assert [read(sandbox)[0], create(sandbox)[0], read(sandbox)[0], create(sandbox)[0]] == [200, 200, 500, 200]


def test_clear_forgets_faults_and_hooks(sandbox: Sandbox) -> None:
    called: list[int] = []
    sandbox.faults.add("500")
    sandbox.faults.before("create_task", lambda: called.append(1))
    sandbox.faults.clear()
    assert (create(sandbox)[0], called) == (200, [])


def test_hooks_run_around_the_effect(sandbox: Sandbox) -> None:
    seen: list[tuple[str, int]] = []
    sandbox.faults.before("create_task", lambda: seen.append(("before", len(sandbox.clickup.tasks()))))
    sandbox.faults.after(2, lambda: seen.append(("second", len(sandbox.clickup.tasks()))))
    sandbox.faults.after(lambda request: request.service == "airtable", lambda: seen.append(("airtable", 0)))
    create(sandbox)
    read(sandbox)
    create(sandbox)
    assert seen == [("before", 0), ("second", 1), ("airtable", 0), ("before", 1)]


def test_people_can_edit_between_a_request_and_its_answer(sandbox: Sandbox) -> None:
    task = sandbox.clickup.add_task("Ada")
    sandbox.faults.after("get_task", lambda: sandbox.clickup.rename(task, "Bea"))
    assert json.loads(send(sandbox, "GET", f"/api/v2/task/{task}")[2])["name"] == "Ada"
    assert json.loads(send(sandbox, "GET", f"/api/v2/task/{task}")[2])["name"] == "Bea"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("unknown"),
        Fault("reset", when="during"),  # type: ignore[arg-type]
        Fault("429-billing", service="clickup"),
        Fault("429", when="after"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_at_once(fault: Fault) -> None:
    with pytest.raises(ValueError, match=r"fault|effect|Airtable"):
        Faults().add(fault)
