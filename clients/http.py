"""One request path for both services: pacing, sending, reading, judging, trying again."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPResponse, responses
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import Retrying, retry_if_exception
from urllib3.exceptions import ConnectTimeoutError, HTTPError, LocationParseError, NewConnectionError, ProxyError

from clients.deadline import response_within
from clients.errors import ApiError, BadAnswer, RateLimited, ServiceError, TransportError, Withheld
from clients.hiding import Hiding
from clients.pacing import Heard, Pacer, http_date, retry_after
from clients.shape import Misshapen
from clock import Clock, SystemClock
from errors import ConfigError, Interrupted
from models import Announce
from text import cut, visible

_POOL = 64
_LARGEST_ANSWER = 64 * 2**20
_PIECE = 2**16
_WHOLE_ANSWER = 4
_TRIES = 6
_LONGEST_BACK_OFF = 20.0
_ALL_BACK_OFF = 120.0
_REFUSALS = 5
_DOWN_AFTER_FAILURES = 8
_DOWN_AFTER_SECONDS = 120.0
_LOOK_UP = 0.1
_LAST_WAIT = 2.0
_RECENT_ANSWERS = 20
_WORTH_TELLING = 1.0
_LONGEST_MESSAGE = 500
# Shorter ones are no service's. In front of a proxy that has the real ones any word may do, which records hold as well.
_SHORTEST_TOKEN = 16
_HINT_CERTIFICATE = (
    "check the service's address and this machine's clock; if a proxy of yours signs in the service's place, name its "
    "certificate in REQUESTS_CA_BUNDLE"
)

_UNUSABLE = "the proxy settings, the certificates or the address cannot be used"
_HINT_UNUSABLE = "check REQUESTS_CA_BUNDLE, the proxy settings (HTTPS_PROXY) and the service's address"

T = TypeVar("T")

log = logging.getLogger("sync")


class Verdict(NamedTuple):
    """What a service's refusal means: the error's class, the service's own code and words, and what to do."""

    kind: type[ApiError]
    code: str
    message: str
    hint: str


@dataclass(frozen=True)
class Service:
    """One of the two services: its name, its address without a slash at the end, and how to read its refusals.

    `explain` gets the status (400 or more) and the answer's JSON, None where it is no JSON.
    """

    name: str
    address: str
    explain: Callable[[int, Any], Verdict]


@dataclass(frozen=True)
class Answer:
    """A 2xx answer. `body` is its JSON, None where it is empty; header names are lower-case; `date` is the `Date`
    header in Unix seconds, our best guess of it where it is missing."""

    status: int
    body: Any
    headers: Mapping[str, str]
    date: float


@dataclass
class _Call:
    """One request over all its attempts. `spent` counts the seconds of failed attempts and of back-off, `turn` is
    when the pacer let the current attempt go. `failure` is how the last one ended, `failed` how the last one did that
    was not refused for its rate."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    content: bytes | None
    replayable: bool
    announce: Announce | None
    last_words: bool
    parse: Callable[[str], Any]
    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    spent: float = 0.0
    turn: float = 0.0
    asked_for: float = 0.0
    unknown: bool = False
    hopeless: bool = False
    failure: ApiError | None = None
    failed: ApiError | None = None


class _Raw(NamedTuple):
    status: int
    content: bytes
    headers: Mapping[str, str]


@dataclass
class _Health:
    """Failures in a row over all threads: how many requests were given up, and since when nothing has succeeded."""

    given_up: int = 0
    since: float | None = None
    last: str = field(default="", repr=False)

    def answered(self) -> None:
        self.given_up, self.since, self.last = 0, None, ""

    def failed(self, now: float) -> None:
        self.since = now if self.since is None else self.since

    def gave_up(self, failure: ApiError) -> None:
        self.given_up += 1
        self.last = str(failure)

    def long_since(self, now: float) -> bool:
        return self.given_up > 0 and self.since is not None and now - self.since >= _DOWN_AFTER_SECONDS

    def down(self, now: float) -> bool:
        return self.given_up >= _DOWN_AFTER_FAILURES or (self.given_up >= 2 and self.long_since(now))


class _Token(AuthBase):
    """Sets the Authorization header itself, so that an entry in ~/.netrc never replaces it."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = self._header
        return r


class _NoToken(AuthBase):
    """Sends no Authorization header, whatever ~/.netrc says."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


class Http:
    """Sends requests to one service, from many threads at once.

    `requests` counts what was put on the wire, every attempt; `waited` is the seconds during which at least one
    request stood waiting for its turn or backing off; `latency` is the seconds that recent answers took.
    `on_wait(seconds, reason)` is called at the start of each such stretch of a second or more. A request that would
    have to wait for its turn past `deadline`, in seconds of the clock that only grows, is not sent.
    """

    def __init__(
        self,
        service: Service,
        *,
        token_header: str,
        pacer: Pacer,
        clock: Clock,
        stop: threading.Event,
        timeout: float = 65,
        connect_timeout: float = 10,
        retry_wait: float = 1,
        random: random.Random,
        on_wait: Callable[[float, str], None] | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        """`token_header` is the whole value of `Authorization`. `timeout` is the longest silence in seconds, the
        whole of an answer may take four times that. `retry_wait` is the first back-off in seconds. `secrets` are
        hidden in answers, as the token is.

        Raises ConfigError for a token that no header can hold, and for plain http to another machine.
        """
        if not token_header.isascii() or not token_header.isprintable():
            raise ConfigError([f"the {service.name} token holds a letter that no token has: copy it once more"])
        if not _is_safe(service.address):
            raise ConfigError([f"the address of {service.name} must begin with https://"])
        self.requests = 0
        self.waited = 0.0
        self.latency = 0.0
        self._answers = 0
        self.on_wait = on_wait
        self.deadline: float | None = None
        self.service = service
        self._secret = token_header.rpartition(" ")[2]
        # A token that the service repeats, or that somebody typed into a record, goes no further: not into what is
        # shown and kept, and not to the other service.
        self._hiding = Hiding(each for each in (self._secret, *secrets) if len(each) >= _SHORTEST_TOKEN)
        answer = response_within(_WHOLE_ANSWER * timeout, clock.monotonic)
        self._session = _session(service.address, _Token(token_header), answer)
        self._pacer = pacer
        self._clock = clock
        self._stop = stop
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._retry_wait = retry_wait
        self._random = random
        self._health = _Health()
        # Guards everything that threads share: the pacer, the health, the counters and the service's clock.
        self._changed = threading.Condition()
        self._waited_to = 0.0
        self._service_clock: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"Http({self.service.name}, {self.service.address})"

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def now(self) -> float:
        """Unix seconds in the service's clock: its last `Date` and the time since; ours before its first answer."""
        with self._changed:
            if self._service_clock is None:
                return self._clock.time()
            date, heard = self._service_clock
            return date + self._clock.monotonic() - heard

    def take_for_now(self, date: float) -> None:
        """Unix seconds that hold for the service's clock until its next `Date`: what it said last is known wrong."""
        with self._changed:
            self._service_clock = (date, self._clock.monotonic())

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        replayable: bool,
        announce: Announce | None = None,
    ) -> Answer:
        """Send one request and return its 2xx answer; see `fetch`."""
        return self.fetch(
            method, path, lambda answer: answer, query=query, body=body, replayable=replayable, announce=announce
        )

    def fetch(
        self,
        method: str,
        path: str,
        read: Callable[[Answer], T],
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        replayable: bool,
        announce: Announce | None = None,
        last_words: bool = False,
        parse: Callable[[str], Any] = json.loads,
    ) -> T:
        """Send one request and return what `read` makes of its 2xx answer.

        `path` goes below the service's address and is percent-encoded already. `announce` is called right before each
        attempt. `parse` makes the answer's body of its text. It raises ValueError for what is no JSON, and like `read`
        Misshapen for JSON of the wrong shape: both count as unreadable.

        What surely was not carried out (never connected, 429) is tried again; what may have been (5xx, silence, a
        lost connection, an unreadable answer) only if `replayable`. At most 6 failures or 120 s of them, and 5
        refusals. After 8 requests in a row were given up, or two minutes without any success, nothing more is sent.
        With `last_words` it is sent, once, even after the stop event was set, if its turn comes within two seconds.

        Raises an ApiError, with `outcome_unknown` set if any attempt may have been carried out; Interrupted if
        the stop event was set, or the deadline would pass, before anything was sent.
        """
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        call = _Call(method, path, query, content, replayable, announce, last_words, parse)
        retrying = Retrying(
            retry=retry_if_exception(lambda failure: self._again(call, failure)),
            wait=lambda _: self._back_off(call),
            sleep=lambda seconds: self._wait(seconds, "trying again after a failure"),
            reraise=True,
        )
        try:
            result: T = retrying(self._attempt, call, read)
        except ApiError as failure:
            failure.attempts = call.attempts
            failure.outcome_unknown = failure.outcome_unknown or call.unknown
            if call.attempts and isinstance(failure, (ServiceError, TransportError, BadAnswer)):
                with self._changed:
                    self._health.gave_up(failure)
            raise
        return result

    def _attempt(self, call: _Call, read: Callable[[Answer], T]) -> T:
        self._take_turn(call)
        started = self._clock.monotonic()
        try:
            answer = self._judge(call, self._exchange(call))
            result = self._read(call, answer, read)
        except ApiError as failure:
            self._note_failure(call, failure, started)
            raise
        with self._changed:
            self._health.answered()
        return result

    def _note_failure(self, call: _Call, failure: ApiError, started: float) -> None:
        log.debug("%s", failure)
        now = self._clock.monotonic()
        call.failure = failure
        call.unknown = call.unknown or failure.outcome_unknown
        if isinstance(failure, RateLimited):
            call.refusals += 1
            return
        failure.attempts, failure.outcome_unknown = call.attempts, call.unknown
        call.failed = failure
        with self._changed:
            if isinstance(failure, (ServiceError, TransportError, BadAnswer)):
                call.failures += 1
                call.spent += now - started
                self._health.failed(now)
            else:
                self._health.answered()

    def _again(self, call: _Call, failure: BaseException) -> bool:
        """Whether this failure is worth another attempt, by what may have happened."""
        with self._changed:
            down = self._health.down(self._clock.monotonic())
        if self._stop.is_set() or down or call.hopeless:
            return False
        if isinstance(failure, RateLimited):
            return call.refusals < _REFUSALS
        if not isinstance(failure, (ServiceError, TransportError, BadAnswer)):
            return False
        if _is_redirect(failure.status) or (failure.outcome_unknown and not call.replayable):
            return False
        with self._changed:
            now = self._clock.monotonic()
            hopeless = self._health.long_since(now)
        return call.failures < _TRIES and call.spent < _ALL_BACK_OFF and not hopeless

    def _back_off(self, call: _Call) -> float:
        if isinstance(call.failure, RateLimited):
            return 0.0
        longest = min(self._retry_wait * 2.0 ** (call.failures - 1), _LONGEST_BACK_OFF)
        pause = min(max(self._random.uniform(0.0, longest), call.asked_for), _ALL_BACK_OFF - call.spent)
        call.spent += pause
        return pause

    def _take_turn(self, call: _Call) -> None:
        """Return when the pacer lets this request go. Raises instead of sending on when we are to stop, or when
        the service is down: the failure that is pending, else Interrupted or TransportError."""
        while True:
            with self._changed:
                self._check(call)
                now = self._clock.monotonic()
                delay = self._pacer.ask(now)
                if delay == 0.0:
                    call.turn = now
                    return
                if self.deadline is not None and now + (delay or 0.0) > self.deadline:
                    call.hopeless = True
                    raise call.failure or self._interrupted(call)
                if delay is None:
                    # Woken by any answer; looks up now and then, since nothing wakes it when `stop` is set.
                    self._changed.wait(_LOOK_UP)
                    continue
            if self._stop.is_set():
                self._wait_at_the_end(call, delay)
            else:
                self._wait(delay, "the service's limit")

    def _check(self, call: _Call) -> None:
        down = self._health.down(self._clock.monotonic())
        stopped = self._stop.is_set() and not call.last_words
        if not down and not stopped:
            return
        if call.failure is not None:
            raise call.failure
        if self._stop.is_set():
            raise self._interrupted(call)
        raise self._error(
            TransportError,
            call,
            f"not sent: the last {self._health.given_up} requests to it failed, the last one so: {self._health.last}",
            hint=f"run again when {self.service.name} answers",
        )

    def _interrupted(self, call: _Call) -> Interrupted:
        return Interrupted(f"stopped before this was sent: {self.service.name} {call.method} {call.path}")

    def _wait_at_the_end(self, call: _Call, seconds: float) -> None:
        """Last words wait for their turn although the stop event is set, but not for long."""
        if seconds > _LAST_WAIT:
            raise self._interrupted(call)
        self._clock.wait(seconds, threading.Event())

    def _wait(self, seconds: float, reason: str) -> None:
        with self._changed:
            now = self._clock.monotonic()
            fresh = max(0.0, now + seconds - max(now, self._waited_to))
            self._waited_to = max(self._waited_to, now + seconds)
            self.waited += fresh
        if fresh >= _WORTH_TELLING and self.on_wait is not None:
            self.on_wait(seconds, reason)
        self._clock.wait(seconds, self._stop)

    @staticmethod
    def _announce(announce: Announce, call: _Call) -> None:
        try:
            announce()
        except Withheld as withheld:
            withheld.outcome_unknown, withheld.refusals = call.unknown, call.refusals
            withheld.failure, withheld.seconds = call.failed, call.spent
            raise

    def _exchange(self, call: _Call) -> _Raw:
        """Announce, send, read all of the answer, and tell the pacer how it ended."""
        raw: _Raw | None = None
        reached = False
        try:
            if call.announce is not None:
                self._announce(call.announce, call)
            call.attempts += 1
            with self._changed:
                self.requests += 1
            reached = True
            raw = self._over_the_wire(call)
        except TransportError as failure:
            reached = failure.outcome_unknown
            raise
        finally:
            if raw is None:
                with self._changed:
                    self._pacer.lost(call.turn, reached)
                    self._changed.notify_all()
        log.debug("%s %s %s: %d", self.service.name, call.method, call.path, raw.status)
        return raw

    def _over_the_wire(self, call: _Call) -> _Raw:
        try:
            with self._session.request(
                call.method,
                self.service.address + call.path,
                params=list(call.query),
                data=call.content,
                timeout=(self._connect_timeout, self._timeout),
                allow_redirects=False,
                stream=True,
                verify=True,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                raw = _Raw(response.status_code, self._content(call, response), headers)
                if raw.status < 200:
                    self._session.close()  # the true answer has yet to come on this connection
                return raw
        except (requests.RequestException, HTTPError) as failure:
            raise self._transport_error(call, failure) from None

    def _content(self, call: _Call, response: requests.Response) -> bytes:
        pieces = []
        size = 0
        for piece in _pieces(response):
            pieces.append(piece)
            size += len(piece)
            if size > _LARGEST_ANSWER:
                raise self._error(BadAnswer, call, "the answer does not end", response.status_code, unknown=True)
        return self._hiding.hide(b"".join(pieces))

    def _transport_error(self, call: _Call, failure: Exception) -> ApiError:
        host = urlsplit(self.service.address).netloc
        if isinstance(failure, _BEFORE_CONNECTING):
            call.hopeless = True
            return self._error(TransportError, call, f"not sent: {_UNUSABLE} ({_why(failure)})", hint=_HINT_UNUSABLE)
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(failure)):
            call.hopeless = True
            return self._error(TransportError, call, f"{host} is not trusted: {_why(failure)}", hint=_HINT_CERTIFICATE)
        if _never_connected(failure):
            hint = "check the network, the proxy settings and the service's address"
            return self._error(TransportError, call, f"could not connect to {host}: {_why(failure)}", hint=hint)
        return self._error(TransportError, call, f"the connection was lost: {_why(failure)}", unknown=True)

    def _judge(self, call: _Call, raw: _Raw) -> Answer:
        """Tell the pacer what came; return a 2xx answer, raise any other as what it means."""
        verdict = self.service.explain(raw.status, _refusal(raw.content)) if raw.status >= 400 else None
        date = self._note_answer(call, raw, refused=verdict is not None and verdict.kind is RateLimited)
        if verdict is not None:
            call.asked_for = retry_after(raw.headers, date) or 0.0
            message = verdict.message or responses.get(raw.status, "no reason given")
            unknown = verdict.kind is ServiceError
            raise self._error(verdict.kind, call, message, raw.status, verdict.code, unknown, verdict.hint)
        call.asked_for = 0.0
        if not 200 <= raw.status < 300:
            hint = "check the service's address in the settings, and whether a proxy or a log-in page is in between"
            message = "a redirect, which is not followed" if _is_redirect(raw.status) else "an unknown status"
            raise self._error(BadAnswer, call, message, raw.status, unknown=True, hint=hint)
        return Answer(raw.status, self._body(call, raw), raw.headers, date)

    def _body(self, call: _Call, raw: _Raw) -> Any:
        try:
            return _parsed(raw.content, call.parse)
        except Misshapen as fault:
            raise self._misshapen(call, raw.status, fault) from None
        except (ValueError, RecursionError):
            raise self._error(BadAnswer, call, "the answer is not JSON", raw.status, unknown=True) from None

    def _note_answer(self, call: _Call, raw: _Raw, refused: bool) -> float:
        said = http_date(raw.headers.get("date", ""))
        date = self.now() if said is None else said
        with self._changed:
            now = self._clock.monotonic()
            if said is not None:
                self._service_clock = (said, now)
            self._answers += 1
            self.latency += (now - call.turn - self.latency) / min(self._answers, _RECENT_ANSWERS)
            heard = Heard(call.turn, now, date, raw.headers)
            if refused:
                self._pacer.refused(heard, self._random.random())
            else:
                self._pacer.answered(heard)
            self._changed.notify_all()
        return date

    def _read(self, call: _Call, answer: Answer, read: Callable[[Answer], T]) -> T:
        try:
            return read(answer)
        except Misshapen as fault:
            raise self._misshapen(call, answer.status, fault) from None

    def _misshapen(self, call: _Call, status: int, fault: Misshapen) -> ApiError:
        return self._error(BadAnswer, call, f"not what is documented: {fault}", status, unknown=True)

    def _error(
        self,
        kind: type[ApiError],
        call: _Call,
        message: str,
        status: int | None = None,
        code: str = "",
        unknown: bool = False,
        hint: str = "",
    ) -> ApiError:
        return kind(
            self._tidy(message),
            service=self.service.name,
            method=call.method,
            path=visible(call.path),
            status=status,
            code=self._tidy(code),
            attempts=call.attempts,
            outcome_unknown=unknown,
            hint=self._tidy(hint),
        )

    def _tidy(self, said: str) -> str:
        """A foreign text made fit for one line of output; the token never shows, even if a service repeats it."""
        hidden = said.replace(self._secret, "***") if self._secret else said
        return cut(visible(hidden), _LONGEST_MESSAGE)


def ping(url: str, timeout: float) -> str | None:
    """Tell a health check that we are alive: GET `url`, wait at most `timeout` seconds to connect and as long again for
    the answer.

    Returns None when it answered 2xx, else what was wrong in a few words, without the address, which is a secret.
    Plain http goes only to this machine; a redirect is not followed. Never raises for what the network does.
    """
    if not _is_safe(url):
        return "not pinged: the address must begin with https://"
    try:
        session = _session(url, _NoToken(), response_within(timeout, SystemClock().monotonic))
        with session, session.get(url, timeout=timeout, allow_redirects=False, stream=True) as response:
            status = response.status_code
    except _BEFORE_CONNECTING as failure:
        return f"not pinged: {_UNUSABLE} ({_why(failure)}); check REQUESTS_CA_BUNDLE and HTTPS_PROXY"
    except (OSError, HTTPError, ValueError) as failure:
        return f"no answer: {_why(failure)}"
    if _is_redirect(status):
        return f"answered {status}: a redirect, which is not followed"
    return None if 200 <= status < 300 else f"answered {status}"


class _Unusable(requests.RequestException):
    """What the environment says of proxies or certificates is of no use: no connection was tried."""


# What comes before any connection is tried, and from nowhere else: such a request was surely not sent.
_BEFORE_CONNECTING = (_Unusable, requests.exceptions.InvalidURL, LocationParseError)


@contextlib.contextmanager
def _before_connecting() -> Iterator[None]:
    """Around the steps in which `HTTPAdapter.send` gets ready: they meet the environment's values as they are, and a
    file that is missing or a password that no header can hold is told in any of these kinds."""
    try:
        yield
    except (OSError, ValueError, TypeError) as failure:
        raise _Unusable(failure) from None


class _Session(requests.Session):
    """One that does not look at where a redirect leads. It would read the body whole to do so, and fail at an address
    that is none, even where redirects are not followed."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - its name there
        return None


class _Adapter(HTTPAdapter):
    """One whose connections, also those to a proxy, read their answers as `response`."""

    def __init__(self, response: type[HTTPResponse]) -> None:
        self._response = response
        self._readable = ""
        super().__init__(pool_maxsize=_POOL, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._time_answers_of(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._time_answers_of(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        with _before_connecting():
            return super().get_connection_with_tls_context(*args, **options)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        with _before_connecting():
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            if url.lower().startswith("https"):
                self._look_into(verify)

    def _look_into(self, trusted: object) -> None:
        """Whether a file of certificates that the environment names can be read as one, which urllib3 finds out only
        when it connects."""
        if isinstance(trusted, str) and trusted != self._readable and not Path(trusted).is_dir():
            ssl.create_default_context(cafile=trusted)
            self._readable = trusted

    def request_url(self, *args: Any, **options: Any) -> str:
        with _before_connecting():
            return super().request_url(*args, **options)

    def _time_answers_of(self, manager: Any) -> None:
        """Its connections read answers as `response`. Derived from its own classes: a SOCKS proxy's are others."""
        manager.pool_classes_by_scheme = {
            scheme: _derived(pool, ConnectionCls=_derived(pool.ConnectionCls, response_class=self._response))
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }


def _derived(kind: type, **members: object) -> type:
    return type(kind.__name__, (kind,), members)


def _session(address: str, auth: AuthBase, response: type[HTTPResponse]) -> requests.Session:
    session = _Session()
    session.auth = auth
    session.headers["Content-Type"] = "application/json"
    session.headers["Accept"] = "application/json"
    session.headers["User-Agent"] = "airtable-clickup-sync"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # A proxy of the environment cannot reach our own loopback.
    session.trust_env = not _is_loopback(urlsplit(address).hostname or "")
    adapter = _Adapter(response)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The content as it arrives, so that one that is too large is not read whole."""
    while piece := response.raw.read1(_PIECE, decode_content=True):
        yield piece


def _parsed(content: bytes, parse: Callable[[str], Any]) -> Any:
    """What `parse` makes of the content; None where there is none. Raises ValueError or RecursionError."""
    return parse(content.decode("utf-8", "surrogatepass")) if content.strip() else None


def _refusal(content: bytes) -> Any:
    """A refusal's JSON; None where it is none."""
    try:
        return _parsed(content, json.loads)
    except (ValueError, RecursionError):
        return None


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_redirect(status: int | None) -> bool:
    return status is not None and 300 <= status < 400


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """The failure and everything it wraps, as a cause, a `reason` or an argument. Never `__context__`: that leads to
    whatever failure our caller was dealing with."""
    todo: list[Any] = [failure]
    seen: set[int] = set()
    while todo:
        error = todo.pop(0)
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            todo += [getattr(error, "reason", None), error.__cause__, *error.args]


def _never_connected(failure: Exception) -> bool:
    kinds = (NewConnectionError, ConnectTimeoutError, ProxyError)
    return any(isinstance(cause, kinds) for cause in _causes(failure))


def _why(failure: Exception) -> str:
    """A few words on the failure: the operating system's, else the name of the innermost error. Texts of requests
    and urllib3 are not used, since they repeat the address with its query."""
    causes = list(_causes(failure))
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    if isinstance(failure, requests.Timeout):
        return "no answer in time"
    return type(causes[-1]).__name__
