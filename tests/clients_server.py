"""A server on loopback that answers each request by script, and breaks the connection where the script says so."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

DATE = "Mon, 21 Sep 2026 14:13:20 GMT"
UNIX = 1_790_000_000.0


@dataclass(frozen=True)
class Reply:
    """An answer; a body that is not bytes goes out as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: Any


Step: TypeAlias = "Reply | Callable[[Handler], None]"


class Handler(BaseHTTPRequestHandler):
    """Takes the next step of the script for each request; the last step goes on for ever."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qsl(parts.query, keep_blank_values=True)
        seen = Seen(self.command, parts.path, query, headers, json.loads(raw) if raw else None)
        step = self.server.next_step(seen)
        if isinstance(step, Reply):
            self.reply(step)
        else:
            step(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_CONNECT = answer  # noqa: N815

    def reply(self, reply: Reply, length: int | None = None) -> None:
        content = reply.content()
        self.send_response_only(reply.status)
        headers = {"Date": DATE, "Content-Length": str(len(content) if length is None else length), **reply.headers}
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def reset(handler: Handler) -> None:
    """The connection is reset without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def close(handler: Handler) -> None:
    """The connection is closed without an answer."""
    handler.close_connection = True


def cut(handler: Handler) -> None:
    """The answer ends before its announced length."""
    handler.reply(Reply(200, b'{"a":'), length=1000)
    handler.close_connection = True


def hang(handler: Handler) -> None:
    """No answer, until the client leaves or the server is closed."""
    handler.close_connection = True
    while not handler.server.closing.wait(0.01):
        handler.connection.setblocking(False)
        try:
            if not handler.connection.recv(1):
                return
        except BlockingIOError:
            pass


def endless(handler: Handler) -> None:
    """An answer that never ends, a byte at a time until the client leaves."""
    handler.reply(Reply(200, b"["), length=10**9)
    handler.close_connection = True
    while not handler.server.closing.is_set():
        handler.wfile.write(b" ")


def _without_end(handler: Handler, first: bytes, more: bytes) -> None:
    handler.close_connection = True
    handler.wfile.write(first)
    while not handler.server.closing.wait(0.002):
        handler.wfile.write(more)


def endless_header(handler: Handler) -> None:
    """A header that never ends, a byte at a time."""
    _without_end(handler, b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a")


def never_beginning(handler: Handler) -> None:
    """One promise of an answer after the other, and no answer."""
    _without_end(handler, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


def early(handler: Handler) -> None:
    """A word in advance, and the answer after it."""
    handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    handler.reply(Reply(200, {"fine": "late"}))


def huge(handler: Handler) -> None:
    """An answer that never ends, as fast as it goes."""
    handler.reply(Reply(200, b"["), length=10**9)
    handler.close_connection = True
    while not handler.server.closing.is_set():
        handler.wfile.write(b" " * 2**20)


class Server(ThreadingHTTPServer):
    """The script's server, from now until it is closed; a context manager. `seen` holds what arrived."""

    daemon_threads = True
    block_on_close = False
    # The system resets connections that find no room in the queue, and a test may open dozens at once.
    request_queue_size = 128

    def __init__(self, *steps: Step, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.steps = list(steps)
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self._one = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_step(self, seen: Seen) -> Step:
        with self._one:
            self.seen.append(seen)
            return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
