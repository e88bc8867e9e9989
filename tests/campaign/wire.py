"""A stand-in that is called in place of the wire: no sockets, one request at a time, the same order every time.

What the sockets do is proved elsewhere, with every fault at every request. Here it is the order of things that counts,
thousands of times, and a history that failed once must fail again.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

import flags
import main
from sandbox.airtable import Airtable
from sandbox.clickup import ClickUp
from sandbox.faults import Faults
from sandbox.server import Logged, Sandbox
from sandbox.wire import Answer, Clock
from state import State
from tests.scene import START, Run, Scene

_PARSER = functools.lru_cache(maxsize=1)(flags._parser)
_WORKERS = {"sync", "both", "each", "clickup", "airtable"}


class Killed(BaseException):
    """The run is dead. Nothing in the program catches it, and nothing of that run is sent or recorded any more."""


class Fate:
    """When a run dies: at its n-th request, write or transaction, before or after the effect. Never, by default."""

    def __init__(self, at: str = "", number: int = 0, when: str = "before") -> None:
        self.dead = False
        self.at = at
        self._number = number
        self._when = when
        self._seen = 0

    def before(self, what: str) -> None:
        """Called before each request and each transaction."""
        if self.dead:
            raise Killed
        if what == self.at:
            self._seen += 1
            self._die("before")

    def after(self, what: str) -> None:
        """Called when its effect is there."""
        if what == self.at:
            self._die("after")

    def _die(self, when: str) -> None:
        if self._seen == self._number and when == self._when:
            self.dead = True
            raise Killed


@functools.lru_cache(maxsize=1)
def _stand_in() -> tuple[Sandbox, Path]:
    """The one stand-in of this process, and a folder, in memory if possible, for the state."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="histories-", dir=memory if memory.is_dir() else None))
    sandbox = Sandbox(clock=Clock(START))
    sandbox.close()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return sandbox, folder


class DirectScene(Scene):
    """A scene whose runs call the stand-in directly; one at a time in a process, since they share one stand-in."""

    def __init__(self) -> None:
        sandbox, folder = _stand_in()
        for old in folder.iterdir():
            old.unlink()
        self.clock = sandbox.clock = Clock(START)
        self.sandbox = sandbox
        sandbox.complaints.clear()
        sandbox.log.clear()
        sandbox.faults = Faults()
        self.airtable = sandbox.airtable = Airtable(self.clock, limit=0)
        self.clickup = sandbox.clickup = ClickUp(self.clock, limit=0, complain=sandbox.complaints.append)
        self.clickup.plan = "business"
        self.folder = folder
        self.state_file = folder / "state.sqlite3"
        self.settings = {**sandbox.settings(), "SYNC_STATE_FILE": str(self.state_file)}
        self.fate = Fate()

    def close(self) -> None:
        """Fails if the program sent anything that a service would not know. The stand-in lives on."""
        assert self.sandbox.complaints == []

    def run(self, *flags: str, **settings: str) -> Run:
        with _directly(self.sandbox, self.fate):
            return super().run(*flags, **settings)

    def killed_run(self, fate: Fate, *flags: str) -> Run | None:
        """A run that meets its fate: None if it died, else what it said."""
        self.fate = fate
        try:
            return self.run(*flags)
        except Killed:
            return None
        finally:
            for thread in threading.enumerate():
                if thread.name in _WORKERS:
                    thread.join()
            self.fate = Fate()


@contextlib.contextmanager
def _directly(sandbox: Sandbox, fate: Fate) -> Iterator[None]:
    """One request at a time, straight to the stand-in; transactions and requests ask fate."""
    transaction = State._transaction

    def send(_: HTTPAdapter, request: requests.PreparedRequest, **details: Any) -> requests.Response:
        return _answered(sandbox, fate, request, float(details["timeout"][1]))

    @contextlib.contextmanager
    def fated(state: State) -> Iterator[None]:
        fate.before("transaction")
        with transaction(state):
            yield
        fate.after("transaction")

    def one_by_one(first: Callable[[], None], second: Callable[[], None]) -> None:
        first()
        second()

    with (
        mock.patch.object(HTTPAdapter, "send", send),
        mock.patch.object(State, "_transaction", fated),
        mock.patch("engine.reading.both", one_by_one),
        mock.patch.object(main, "WORKERS", 1),
        mock.patch.object(flags, "_parser", _PARSER),
    ):
        yield


def _answered(sandbox: Sandbox, fate: Fate, sent: requests.PreparedRequest, timeout: float) -> requests.Response:
    """What the stand-in's server and a socket would make of a request."""
    reads = sent.method == "GET" or str(sent.url).endswith("/listRecords")
    what = "request" if fate.at == "request" or reads else "write"
    fate.before(what)
    parts = urlsplit(str(sent.url))
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    headers = {name.lower(): value for name, value in sent.headers.items()}
    body = sent.body if isinstance(sent.body, bytes) else (sent.body or "").encode()
    started = sandbox.clock.time()
    request, path = sandbox.request(str(sent.method), target, headers, body)
    answer, route, fault = sandbox.carry_out(request)
    kind = fault.kind if fault else ""
    status = 0 if kind in ("reset", "hang") else answer.status
    logged = (request.number, request.service, str(sent.method), path, request.query, body, route)
    sandbox.log.append(Logged(*logged, status, kind, started, sandbox.clock.time()))
    fate.after(what)
    if kind == "reset":
        broken = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))
        raise requests.ConnectionError(broken, request=sent)
    if kind == "hang":
        sandbox.clock.advance(timeout)
        raise requests.ReadTimeout("read timed out", request=sent)
    return _response(sandbox, sent, answer, cut=kind == "cut")


@functools.lru_cache(maxsize=1)
def _adapter() -> HTTPAdapter:
    return HTTPAdapter()


def _response(sandbox: Sandbox, sent: requests.PreparedRequest, answer: Answer, *, cut: bool) -> requests.Response:
    body = answer.encoded()
    headers = {"Date": formatdate(int(sandbox.clock.time()), usegmt=True), **answer.headers}
    raw = urllib3.HTTPResponse(
        body=_Cut(body) if cut else io.BytesIO(body),
        headers=headers,
        status=answer.status,
        reason=HTTPStatus(answer.status).phrase,
        preload_content=False,
    )
    return _adapter().build_response(sent, raw)


class _Cut(io.BytesIO):
    """Half of a body, and then the connection ends."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body[: len(body) // 2])

    def read1(self, size: int | None = -1, /) -> bytes:
        piece = super().read1(-1 if size is None else size)
        if not piece:
            raise urllib3.exceptions.ProtocolError("Connection broken: the body is cut")
        return piece
