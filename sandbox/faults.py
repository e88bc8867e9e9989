"""Faults by script: which request goes wrong, how, and whether its effect comes first.

Airtable's bodies: https://airtable.com/developers/web/api/errors. A fault with `when="before"` has no effect on the
service; one with `when="after"` lets the request be carried out and then spoils the answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sandbox.wire import Answer, Request

CONNECTION_KINDS = frozenset({"reset", "hang", "slow", "drip", "cut", "huge"})
ANSWER_KINDS = frozenset(
    {
        *("429", "429-bare", "429-billing", "429-singular"),
        *("500", "502", "503", "503-retry-after", "504"),
        *("half-json", "empty", "shape", "shape-empty", "shape-null", "shape-strings", "redirect"),
    }
)
KINDS = CONNECTION_KINDS | ANSWER_KINDS | {"token-revoked"}
_AIRTABLE_ONLY = ("429-billing", "429-singular")
_HTML = {"content-type": "text/html; charset=utf-8"}

Which = int | str | Callable[[Request], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    kind: one of `KINDS`.
        reset: the connection is reset. hang: no answer, until the client leaves. slow: `seconds` of silence, then the
        true answer. drip: the true answer, a byte at a time, over `seconds`. cut: the connection ends in mid-body.
        huge: a body of up to 200 MB. 429: as the service says it; -bare: without X-RateLimit headers; -billing:
        Airtable's spent month; -singular: Airtable's other error shape. 502 and 504 are HTML. half-json: half a body
        of the right length. empty: 200 with no body. shape: a list for an object; -empty: {}; -null: null for the
        rows; -strings: rows that are texts. redirect: to another host name. token-revoked: from now on, for good.
    when: before or after the effect.
    number: the n-th request that fits, counted from when the fault was added; None is the first.
    service: "airtable" or "clickup"; None is both.
    route: a route's name, such as "create_task"; None is all.
    times: how many requests in a row that fit.
    """

    kind: str
    when: Literal["before", "after"] = "before"
    number: int | None = None
    service: str | None = None
    route: str | None = None
    times: int = 1
    seconds: float = 1.0


class Faults:
    """The script: faults to come, and hooks that run between requests and effects. Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[tuple[Fault, _Counter]] = []
        self._hooks: dict[str, list[tuple[Which, Callable[[], object], _Counter]]] = {"before": [], "after": []}

    def add(self, kind: str | Fault, **details: object) -> None:
        """Plan a fault: a `Fault`, or its kind and the other fields by name.

        Raises:
            ValueError: there is no such kind, or it is not one of that service's.
        """
        fault = kind if isinstance(kind, Fault) else Fault(kind, **details)  # type: ignore[arg-type]
        if fault.kind not in KINDS:
            raise ValueError(f"no such fault: {fault.kind}")
        if fault.when not in ("before", "after"):
            raise ValueError(f"a fault comes before or after the effect, not {fault.when}")
        if fault.kind in _AIRTABLE_ONLY and fault.service != "airtable":
            raise ValueError(f'{fault.kind} is Airtable\'s own: say service="airtable"')
        if fault.kind.startswith("429") and fault.when == "after":
            raise ValueError("a request refused with 429 has no effect")
        with self._lock:
            self._faults.append((fault, _Counter()))

    def clear(self) -> None:
        """Forget every fault and every hook."""
        with self._lock:
            self._faults.clear()
            for hooks in self._hooks.values():
                hooks.clear()

    def before(self, which: Which, run: Callable[[], object]) -> None:
        """Call `run` in the server's thread just before a request's effect.

        `which` is the n-th request from now on (once), a route's name or a predicate (each time it fits).
        """
        self._add_hook("before", which, run)

    def after(self, which: Which, run: Callable[[], object]) -> None:
        """The same, between the effect and the answer."""
        self._add_hook("after", which, run)

    def hooks(self, when: str, request: Request, route: str) -> list[Callable[[], object]]:
        """What is to be called now."""
        with self._lock:
            return [run for which, run, counter in self._hooks[when] if counter.fits(which, request, route)]

    def match(self, request: Request, route: str) -> Fault | None:
        """The fault that befalls this request. Every fault counts every request that fits it."""
        hit = None
        with self._lock:
            for fault, counter in self._faults:
                if fault.service not in (None, request.service) or fault.route not in (None, route):
                    continue
                counter.seen += 1
                first = fault.number or 1
                if hit is None and first <= counter.seen < first + fault.times:
                    hit = fault
        return hit

    def _add_hook(self, when: str, which: Which, run: Callable[[], object]) -> None:
        with self._lock:
            self._hooks[when].append((which, run, _Counter()))


class _Counter:
    def __init__(self) -> None:
        self.seen = 0

    def fits(self, which: Which, request: Request, route: str) -> bool:
        self.seen += 1
        if isinstance(which, int):
            return self.seen == which
        return which == route if isinstance(which, str) else which(request)


def spoiled(fault: Fault, request: Request, answer: Answer, rate_headers: dict[str, str], elsewhere: str) -> Answer:
    """The answer in place of the true one. `elsewhere` is where a redirect leads.

    `rate_headers` are those of a spent limit on a service that sends any.
    """
    airtable = request.service == "airtable"
    if fault.kind.startswith("429"):
        return _refused(fault.kind, airtable, rate_headers)
    if fault.kind.startswith("5"):
        return _failed(fault.kind, airtable, answer)
    if fault.kind == "redirect":
        return Answer(307, None, {"Location": elsewhere})
    whole = answer.encoded()
    body: object = {
        "half-json": whole[: max(1, len(whole) // 2)] if whole else b"{",
        "empty": None,
        "shape": [],
        "shape-empty": {},
        "shape-null": {"records": None, "tasks": None},
        "shape-strings": {"records": ["recAAAAAAAAAAAAAA"], "tasks": ["86aaaaaaa"], "last_page": True},
    }[fault.kind]
    return Answer(200, body, answer.headers)


def _refused(kind: str, airtable: bool, rate_headers: dict[str, str]) -> Answer:
    if not airtable:
        body = {"err": "Rate limit reached", "ECODE": "APP_002"}
        return Answer(429, body, {} if kind == "429-bare" else rate_headers)
    if kind == "429-billing":
        text = "API billing plan limit exceeded. You've reached the maximum number of requests allowed for this month."
        return Answer(429, {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": text}]})
    text = "Rate limit exceeded. Please try again later"
    if kind == "429-singular":
        return Answer(429, {"error": {"type": "RATE_LIMIT_REACHED", "message": text}})
    return Answer(429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": text}]})


def _failed(kind: str, airtable: bool, answer: Answer) -> Answer:
    status = int(kind[:3])
    if status in (502, 504):
        text = "502 Bad Gateway" if status == 502 else "504 Gateway Time-out"
        return Answer(status, f"<html><head><title>{text}</title></head><body>{text}</body></html>".encode(), _HTML)
    headers = {**answer.headers, **({"Retry-After": "2"} if kind == "503-retry-after" else {})}
    if not airtable:
        return Answer(status, {"err": "Internal server error", "ECODE": "ERROR_HANDLER"}, headers)
    if status == 503:
        text = "Server encountered an error while processing your request, and it is safe to retry the request"
        return Answer(status, {"error": {"type": "RETRIABLE_ERROR", "message": text}}, headers)
    return Answer(status, {"error": {"type": "SERVER_ERROR", "message": "An unexpected error occurred"}}, headers)


def stub() -> Answer:
    """What stands for the true answer of a request that was not carried out, so that it can be cut or halved."""
    return Answer(200, json.dumps({"records": [], "tasks": [], "last_page": True}).encode())
