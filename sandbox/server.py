"""The loopback server: HTTP/1.1 with kept connections, both services on one port, faults on the way out."""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from sandbox.airtable import Airtable, AirtableSwitches
from sandbox.clickup import ClickUp
from sandbox.faults import ANSWER_KINDS, Fault, Faults, spoiled, stub
from sandbox.wire import Answer, Clock, Request

HUGE_BYTES = 200 * 1024 * 1024
_LONGEST_LINE = 1 << 18
_PREFIXES = {"airtable": "/v0", "clickup": "/api/v2"}
_CARRIED_OUT = ("slow", "drip", "token-revoked")


@dataclass(frozen=True, slots=True)
class Logged:
    """One request and what became of it, in the order of the answers.

    `number` is the order of arrival, `path` as it was sent without the query, `status` 0 where no answer was sent,
    `fault` the kind of the fault it met. Times are the stand-in's clock.
    """

    number: int
    service: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    raw: bytes
    route: str
    status: int
    fault: str
    started: float
    ended: float

    @property
    def body(self) -> Any:
        """The body as it was sent, parsed; None where there is none or it is not JSON."""
        try:
            return json.loads(self.raw)
        except ValueError:
            return None


class Sandbox:
    """Airtable at `address`/v0 and ClickUp at `address`/api/v2, from now until `close`; a context manager too.

    Args:
        clock: the one clock of both services; the machine's by default.
        port: 0 takes a free one.
        latency: real seconds for each answer, or (least, most).
        clickup_limit: requests a minute; 0 is none.
        airtable_limit: requests a second and base; 0 is none.
        plan: ClickUp's plan, "free" or "business".
        switches: how Airtable behaves where that is not settled.
        on_complaint: called with each complaint.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        port: int = 0,
        latency: float | tuple[float, float] = 0.0,
        clickup_limit: int = 100,
        airtable_limit: float = 5,
        plan: str = "business",
        switches: AirtableSwitches | None = None,
        on_complaint: Callable[[str], object] | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.complaints: list[str] = []
        """What the real services would ignore in silence; empty as long as the client is right."""
        self.log: list[Logged] = []
        self.faults = Faults()
        self.airtable = Airtable(self.clock, limit=airtable_limit, switches=switches or AirtableSwitches())
        self.clickup = ClickUp(self.clock, limit=clickup_limit, complain=self._complain)
        self.clickup.plan = plan
        self.closing = threading.Event()
        self._on_complaint = on_complaint
        self.latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._random = random.Random(5)
        self._numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, str]:
        """The six required settings and the two addresses, by their names in the environment."""
        return {
            "AIRTABLE_API_KEY": self.airtable.token,
            "AIRTABLE_BASE_ID": self.airtable.base_id,
            "AIRTABLE_TABLE_NAME": self.airtable.table_name,
            "CLICKUP_API_KEY": self.clickup.token,
            "CLICKUP_LIST_ID": self.clickup.list_id,
            "CLICKUP_CUSTOM_FIELD_ID": self.clickup.field_id,
            "AIRTABLE_API_URL": self.address + _PREFIXES["airtable"],
            "CLICKUP_API_URL": self.address + _PREFIXES["clickup"],
        }

    def close(self) -> None:
        """Stop serving and end every connection."""
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.end_connections()
        self._server.server_close()
        self._thread.join()

    def wait_until_left(self, seconds: float = 10.0) -> None:
        """Wait until every client has left and all that it asked for is done; a killed one leaves requests behind.

        Raises TimeoutError.
        """
        if not self._server.wait_until_left(seconds):
            raise TimeoutError(f"somebody is still connected after {seconds} s")

    def request(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> tuple[Request, str]:
        """A request as the services get it, and its path as it was sent. A plus is a space in the query only."""
        path, _, query = target.partition("?")
        service, below = _service_of(path)
        parts = tuple(unquote(part, errors="replace") for part in below.strip("/").split("/")) if below else ()
        pairs = tuple(parse_qsl(query, keep_blank_values=True, errors="replace"))
        return Request(next(self._numbers), service, method, parts, pairs, headers, raw), path

    def carry_out(self, request: Request) -> tuple[Answer, str, Fault | None]:
        """The answer, the route's name, and the fault that this request meets."""
        services: dict[str, Airtable | ClickUp] = {"airtable": self.airtable, "clickup": self.clickup}
        service = services.get(request.service)
        if service is None:
            self._complain(f"neither service answers here: {request.method} /{'/'.join(request.path)}")
            return Answer(404, b"404 page not found", {"content-type": "text/plain"}), "unknown", None
        route = service.route(request)
        if route == "unknown" and request.service == "airtable":
            self._complain(f"no such route: {request.method} /v0/{'/'.join(request.path)}")
        fault = self.faults.match(request, route)
        self._pause(0.5)
        for run in self.faults.hooks("before", request, route):
            run()
        early = fault if fault and fault.when == "before" else None
        if early:
            self._disturb(service, early)
        answer = service.handle(request) if early is None or early.kind in _CARRIED_OUT else stub()
        for run in self.faults.hooks("after", request, route):
            run()
        if fault and fault is not early:
            self._disturb(service, fault)
        if fault and fault.kind in ANSWER_KINDS:
            elsewhere = f"http://localhost:{self.port}{_PREFIXES[request.service]}/{'/'.join(request.path)}"
            rates = self.clickup.rate_headers() if request.service == "clickup" else {}
            answer = spoiled(fault, request, answer, rates, elsewhere)
        self._pause(0.5)
        return answer, route, fault

    def _disturb(self, service: Airtable | ClickUp, fault: Fault) -> None:
        if fault.kind == "token-revoked":
            service.revoke_token()
        elif fault.kind == "slow":
            self.closing.wait(fault.seconds)

    def _pause(self, share: float) -> None:
        if self.latency[1] > 0:
            self.closing.wait(self._random.uniform(*self.latency) * share)

    def _complain(self, text: str) -> None:
        self.complaints.append(text)
        if self._on_complaint:
            self._on_complaint(text)


def _service_of(path: str) -> tuple[str, str]:
    for service, prefix in _PREFIXES.items():
        if path.startswith(prefix + "/"):
            return service, path[len(prefix) + 1 :]
    return "", path


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        super().__init__(address, _Connection)
        self.sandbox = sandbox
        self._open: set[_Connection] = set()
        self._changed = threading.Condition()
        self._date = (0, "")

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """A bug in the stand-in ends its thread in the open, where a test run sees it."""
        try:
            self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)

    def enter(self, connection: _Connection) -> None:
        with self._changed:
            self._open.add(connection)

    def leave(self, connection: _Connection) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def end_connections(self) -> None:
        with self._changed:
            for connection in self._open:
                connection.wake()
            self._changed.wait_for(lambda: not self._open, timeout=5)

    def wait_until_left(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def date(self) -> str:
        now = int(self.sandbox.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]


class _Connection(socketserver.StreamRequestHandler):
    """One kept connection: requests are read, carried out and answered one after the other."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        server = cast(_Server, self.server)
        self.sandbox = server.sandbox
        server.enter(self)
        try:
            while not self.sandbox.closing.is_set() and self._serve_one():
                pass
        except ConnectionError:
            pass
        finally:
            server.leave(self)

    def wake(self) -> None:
        """End a wait for the next request."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _serve_one(self) -> bool:
        """Answer one request; false when the connection is over."""
        head = self._read_head()
        if head is None:
            return False
        method, target, headers = head
        if "transfer-encoding" in headers:
            self._send(Answer(411, b"length required"), keep=False)
            return False
        if headers.get("expect", "").lower() == "100-continue":
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            return False
        started = self.sandbox.clock.time()
        request, path = self.sandbox.request(method, target, headers, raw)
        answer, route, fault = self.sandbox.carry_out(request)
        kind = fault.kind if fault else ""
        status = 0 if kind in ("reset", "hang") else answer.status
        sent = (request.number, request.service, method, path, request.query, raw, route)
        self.sandbox.log.append(Logged(*sent, status, kind, started, self.sandbox.clock.time()))
        keep = headers.get("connection", "").lower() != "close"
        return self._reply(answer, fault, keep=keep)

    def _read_head(self) -> tuple[str, str, dict[str, str]] | None:
        words = self.rfile.readline(_LONGEST_LINE).decode("latin-1").split()
        if len(words) != 3:
            return None
        headers: dict[str, str] = {}
        for line in self._lines():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return words[0], words[1], headers

    def _lines(self) -> Iterator[str]:
        while line := self.rfile.readline(_LONGEST_LINE).decode("latin-1").rstrip("\r\n"):
            yield line

    def _reply(self, answer: Answer, fault: Fault | None, *, keep: bool) -> bool:
        kind = fault.kind if fault else ""
        if kind == "reset":
            return self._reset()
        if kind == "hang":
            return self._hang()
        if kind == "cut":
            return self._cut(answer)
        if kind == "huge":
            return self._huge(answer)
        if fault and kind == "drip":
            return self._drip(answer, fault.seconds)
        self._send(answer, keep=keep)
        return keep

    def _head(self, answer: Answer, length: int | None, *, keep: bool) -> bytes:
        status = HTTPStatus(answer.status)
        headers = {"content-type": "application/json; charset=utf-8"}
        headers |= {name.lower(): value for name, value in answer.headers.items()}
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        if "date" not in headers:
            lines.append(f"Date: {cast(_Server, self.server).date()}")
        lines += [f"{name.title()}: {value}" for name, value in headers.items()]
        if length is not None and status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {length}")
        if not keep:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, answer: Answer, *, keep: bool) -> None:
        body = answer.encoded()
        self.connection.sendall(self._head(answer, len(body), keep=keep) + body)

    def _reset(self) -> bool:
        """Close without a farewell: with no time to linger the kernel sends a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        return False

    def _hang(self) -> bool:
        while not self.sandbox.closing.wait(0.05) and not self._client_left():
            pass
        return False

    def _client_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _cut(self, answer: Answer) -> bool:
        body = answer.encoded()
        self.connection.sendall(self._head(answer, len(body) + 1000, keep=True) + body[: len(body) // 2])
        return False

    def _huge(self, answer: Answer) -> bool:
        self.connection.sendall(self._head(answer, None, keep=False) + b'{"tasks":[')
        block = b" " * (1 << 16)
        for _ in range(HUGE_BYTES // len(block)):
            if self.sandbox.closing.is_set():
                break
            self.connection.sendall(block)
        return False

    def _drip(self, answer: Answer, seconds: float) -> bool:
        body = answer.encoded()
        self.connection.sendall(self._head(answer, len(body), keep=False))
        for at in range(len(body)):
            if self.sandbox.closing.wait(seconds / len(body)):
                break
            self.connection.sendall(body[at : at + 1])
        return False
