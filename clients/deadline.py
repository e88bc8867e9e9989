"""An answer has to be whole in time, however its bytes drip: a socket's own time-out begins anew with each of them."""

from __future__ import annotations

import errno
import io
import socket
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any


def response_within(seconds: float, now: Callable[[], float]) -> type[HTTPResponse]:
    """A response whose reading, status line and headers included, raises TimeoutError once it has taken so long.

    `now` is a clock that only grows. The silence between two bytes is limited by the socket's own time-out as well.
    """

    class InTime(HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_UntilDeadline(self.fp.detach(), sock, now, now() + seconds))

    return InTime


class _UntilDeadline(io.RawIOBase):
    """The bytes of a socket until a deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, now: Callable[[], float], deadline: float) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._silence = sock.gettimeout()
        self._now = now
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - self._now()
        if left <= 0:
            raise TimeoutError(errno.ETIMEDOUT, "the answer came too slowly")
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """The socket may be used again: it gets its own time-out back."""
        try:
            if self._sock.fileno() >= 0:
                self._sock.settimeout(self._silence)
            self._raw.close()
        finally:
            super().close()
