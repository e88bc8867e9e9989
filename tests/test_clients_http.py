"""The request path, against a server that breaks as real ones do. No test waits: the clock stands still."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool

import clients.airtable
import clients.clickup
from clients.deadline import response_within
from clients.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    InvalidRequest,
    QuotaSpent,
    RateLimited,
    ServiceError,
    TransportError,
)
from clients.http import Http, _Adapter, ping
from clients.pacing import AirtablePacer, ClickUpPacer
from clients.shape import Misshapen
from errors import ConfigError, Interrupted
from sandbox.wire import Clock
from tests.clients_server import (
    UNIX,
    Handler,
    Reply,
    Server,
    Step,
    close,
    cut,
    early,
    endless,
    endless_header,
    free_port,
    hang,
    huge,
    never_beginning,
    reset,
)

TOKEN = "pk_1234_NOTATOKEN"
FINE = Reply(200, {"fine": True})

# The ways in which an answer is lost although the request may have been carried out.
LOST: dict[str, Step] = {
    "500": Reply(500, {"err": "oops", "ECODE": "ERROR_HANDLER"}),
    "502 with HTML": Reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}),
    "503": Reply(503, {"error": {"type": "RETRIABLE_ERROR", "message": "it is safe to retry"}}),
    "504 without a body": Reply(504, b""),
    "408": Reply(408, b""),
    "connection reset": reset,
    "connection closed": close,
    "answer cut short": cut,
    "half a JSON": Reply(200, b'{"fine": tr'),
    "HTML for JSON": Reply(200, b"<html>Log in</html>"),
    "JSON too deep": Reply(200, b"[" * 200_000),
    "bytes that are no UTF-8": Reply(200, b'"\xff\xfe"'),
    "broken gzip": Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
    "wrong shape": Reply(200, {"wrong": 1}),
    "no body": Reply(200, b""),
    "a list": Reply(200, []),
}
lost = pytest.mark.parametrize("step", LOST.values(), ids=LOST.keys())


class Bench:
    """An Http under test with everything that it was given."""

    def __init__(self, *steps: Step, airtable: bool = False, port: int | None = None, **options: Any) -> None:
        self.server = Server(*steps)
        address = self.server.address if port is None else f"http://127.0.0.1:{port}"
        self.clock = options.pop("clock", None) or Clock(UNIX + 12_345)
        self.stop = threading.Event()
        self.waits: list[tuple[float, str]] = []
        part = clients.airtable if airtable else clients.clickup
        self.http = Http(
            part.service(address),
            token_header=options.pop("token_header", TOKEN),
            pacer=AirtablePacer() if airtable else ClickUpPacer(),
            clock=self.clock,
            stop=self.stop,
            random=random.Random(1),
            on_wait=lambda seconds, reason: self.waits.append((seconds, reason)),
            **options,
        )

    def send(self, *, replayable: bool = True, **options: Any) -> Any:
        def read(answer: Any) -> Any:
            if not isinstance(answer.body, dict) or "fine" not in answer.body:
                raise Misshapen("fine is missing")
            return answer

        return self.http.fetch("POST", "/thing", read, body={"a": 1}, replayable=replayable, **options)

    def close(self) -> None:
        self.http.close()
        self.server.close()


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*steps: Step, **options: Any) -> Bench:
        made.append(Bench(*steps, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[..., Bench]


# --- what goes over the wire


def test_a_request_as_it_arrives(bench: Make) -> None:
    here = bench(FINE)
    answer = here.http.send(
        "PUT", "/a%20b/c%2Fd", query=[("x", "1 & 2"), ("x", "ü")], body={"t": "\ud83d\ude00\ud800"}, replayable=True
    )
    (seen,) = here.server.seen
    assert (seen.method, seen.path, seen.query) == ("PUT", "/a%20b/c%2Fd", [("x", "1 & 2"), ("x", "ü")])
    assert seen.headers["authorization"] == TOKEN
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == {"t": "😀\ud800"}
    assert (answer.status, answer.body, answer.date) == (200, {"fine": True}, UNIX)


def test_danger_netrc_replaces_the_token(bench: Make, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr("clients.http._is_loopback", lambda host: False)
    monkeypatch.setattr("clients.http._is_safe", lambda url: True)
    here = bench(FINE)
    here.http.send("GET", "/", replayable=True)
    assert here.server.seen[0].headers["authorization"] == TOKEN


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert bench(FINE).send().status == 200


def test_danger_a_proxy_that_is_away_makes_a_create_doubtful(bench: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("clients.http._is_loopback", lambda host: False)
    monkeypatch.setattr("clients.http._is_safe", lambda url: True)
    here = bench(FINE)
    with pytest.raises(TransportError) as caught:
        here.send(replayable=False)
    assert not caught.value.outcome_unknown
    assert here.server.seen == []


USELESS = {
    "no host": ("https_proxy", "http://user:a-password@"),
    "a bracket in the password": ("https_proxy", "http://user:a-pass[word@127.0.0.1:1"),
    "a password in no header's letters": ("https_proxy", "http://user:a-password\u2603@127.0.0.1:1"),
    "no such port": ("https_proxy", "http://user:a-password@127.0.0.1:99999"),
    "another scheme": ("https_proxy", "ftp://user:a-password@127.0.0.1:1"),
    "no scheme": ("https_proxy", "user:a-password@127.0.0.1"),
    "an empty label": ("https_proxy", "http://a-password..example:1"),
    "no such certificates": ("REQUESTS_CA_BUNDLE", "/nowhere/a-password.pem"),
    "no certificates": ("REQUESTS_CA_BUNDLE", __file__),
    "an empty file": ("CURL_CA_BUNDLE", os.devnull),
}


@pytest.fixture(params=list(USELESS.values()), ids=list(USELESS))
def useless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment with which no connection can be tried; a word that must not be shown."""
    for name in ("no_proxy", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(*request.param)
    return "a-pass"


def test_a_proxy_or_certificates_of_no_use_are_told_at_once_and_nothing_is_doubtful(useless: str) -> None:
    http = Http(
        clients.clickup.service("https://localhost.:9"),
        token_header=TOKEN,
        pacer=ClickUpPacer(),
        clock=Clock(UNIX),
        stop=threading.Event(),
        random=random.Random(1),
    )
    with contextlib.closing(http), pytest.raises(TransportError, match="not sent") as caught:
        http.send("POST", "/task", replayable=False)
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint
    assert (caught.value.attempts, caught.value.outcome_unknown) == (1, False)
    assert useless not in f"{caught.value} {caught.value.hint}"


def test_danger_a_failure_after_the_request_was_sent_is_taken_for_one_before(
    bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a connection says while it waits for the answer may be of the same kinds."""
    urlopen = HTTPConnectionPool.urlopen

    def fails_then(self: HTTPConnectionPool, *args: Any, **options: Any) -> Any:
        urlopen(self, *args, **options).release_conn()
        raise OSError("after it was sent")

    monkeypatch.setattr(HTTPConnectionPool, "urlopen", fails_then)
    here = bench(FINE)
    with pytest.raises(TransportError) as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown
    assert len(here.server.seen) == 1


def test_cookies_are_not_kept(bench: Make) -> None:
    here = bench(Reply(200, {"fine": 1}, {"Set-Cookie": "session=1; Path=/"}), FINE)
    here.send()
    here.send()
    assert "cookie" not in here.server.seen[1].headers


def test_danger_the_token_follows_a_redirect(bench: Make) -> None:
    elsewhere = bench(FINE)
    for status in (301, 302, 303, 307, 308):
        here = bench(Reply(status, b"", {"Location": f"{elsewhere.server.address}/x"}))
        with pytest.raises(BadAnswer) as caught:
            here.send()
        assert caught.value.status == status
        assert len(here.server.seen) == 1
    assert elsewhere.server.seen == []


@pytest.mark.parametrize(
    "location", ["http://[", "https://user:pw@[::1]]/", "http://127.0.0.1:99999/", "//", "\xff://"]
)
def test_a_redirect_to_what_is_no_address_is_a_redirect(bench: Make, location: str) -> None:
    here = bench(Reply(302, b"", {"Location": location}))
    with pytest.raises(BadAnswer, match="a redirect, which is not followed") as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown
    assert len(here.server.seen) == 1


def test_connections_are_kept(bench: Make) -> None:
    ports: set[int] = set()

    def note(handler: Handler) -> None:
        ports.add(handler.client_address[1])
        handler.reply(FINE)

    here = bench(note)
    for _ in range(5):
        here.send()
    assert len(ports) == 1


@pytest.mark.parametrize("token", ["pk_1\nX: y", "pk_ü", "Bearer pat\x00", "pk_\x7f"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(bench: Make, token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bench(FINE, token_header=token)
    assert token not in str(caught.value)


def test_the_token_goes_to_no_other_machine_in_the_clear() -> None:
    with pytest.raises(ConfigError):
        Http(
            clients.clickup.service("http://api.clickup.com/api/v2"),
            token_header=TOKEN,
            pacer=ClickUpPacer(),
            clock=Clock(UNIX),
            stop=threading.Event(),
            random=random.Random(1),
        )


# --- what is tried again


@lost
def test_a_lost_answer_to_a_replayable_request_is_asked_for_again(bench: Make, step: Step) -> None:
    here = bench(step, step, FINE)
    assert here.send().status == 200
    assert len(here.server.seen) == here.http.requests == 3


@lost
def test_danger_a_create_is_sent_twice(bench: Make, step: Step) -> None:
    here = bench(step, FINE)
    with pytest.raises(ApiError) as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown
    assert caught.value.attempts == 1
    assert len(here.server.seen) == 1


def test_danger_a_create_is_sent_twice_after_silence(bench: Make) -> None:
    here = bench(hang, FINE, timeout=0.1)
    with pytest.raises(TransportError, match="no answer in time") as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown
    assert len(here.server.seen) == 1


def test_danger_a_kept_connection_dies_and_the_create_on_it_is_sent_twice(bench: Make) -> None:
    here = bench(FINE, close, FINE)
    here.send()
    with pytest.raises(TransportError) as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown
    assert len(here.server.seen) == 2


def test_a_create_that_never_connected_is_tried_again(bench: Make) -> None:
    port = free_port()
    opened: list[Server] = []

    class Opening(Clock):
        def wait(self, seconds: float, wake: threading.Event) -> bool:
            opened.append(Server(FINE, port=port))
            return super().wait(seconds, wake)

    here = bench(port=port, clock=Opening(UNIX))
    try:
        assert here.send(replayable=False).status == 200
        assert len(opened[0].seen) == 1
    finally:
        opened[0].close()


def test_a_connection_that_takes_too_long_was_never_made(bench: Make) -> None:
    with socket.socket() as full, socket.socket() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting.connect(full.getsockname())
        here = bench(port=full.getsockname()[1], connect_timeout=0.05)
        with pytest.raises(TransportError, match="could not connect") as caught:
            here.send(replayable=False)
    assert not caught.value.outcome_unknown
    assert caught.value.attempts == 6


def test_danger_an_older_failure_makes_a_lost_create_look_unsent(bench: Make) -> None:
    unreachable, here = bench(port=free_port()), bench(reset)
    try:
        unreachable.send()
    except TransportError:
        with pytest.raises(TransportError) as caught:
            here.send(replayable=False)
    assert caught.value.outcome_unknown


def test_a_service_that_cannot_be_reached_is_certain_to_have_done_nothing(bench: Make) -> None:
    here = bench(port=free_port())
    with pytest.raises(TransportError, match=r"could not connect to 127\.0\.0\.1") as caught:
        here.send(replayable=False)
    assert not caught.value.outcome_unknown
    assert caught.value.attempts == 6
    assert "Connection refused" in str(caught.value)


def test_danger_the_last_attempt_hides_that_the_first_may_have_been_carried_out(bench: Make) -> None:
    here = bench(reset, Reply(400, {"err": "Status does not exist", "ECODE": "ITEM_114"}))
    with pytest.raises(InvalidRequest) as caught:
        here.send()
    assert caught.value.outcome_unknown
    assert caught.value.attempts == 2


def test_what_the_service_refuses_is_not_tried_again(bench: Make) -> None:
    here = bench(Reply(400, {"err": "Task name invalid", "ECODE": "INPUT_005"}))
    with pytest.raises(InvalidRequest, match="Task name invalid") as caught:
        here.send(replayable=False)
    assert (caught.value.status, caught.value.code, caught.value.outcome_unknown) == (400, "INPUT_005", False)
    assert len(here.server.seen) == 1


def test_back_off_grows_to_twenty_seconds_and_the_service_may_ask_for_more(bench: Make) -> None:
    here = bench(Reply(500), retry_wait=8)
    started = here.clock.time()
    with pytest.raises(ServiceError):
        here.send()
    assert len(here.server.seen) == 6
    assert 20 < here.clock.time() - started < 8 + 16 + 20 + 20 + 20

    asking = bench(Reply(503, {}, {"Retry-After": "17"}), FINE)
    started = asking.clock.time()
    asking.send()
    assert asking.clock.time() - started == pytest.approx(17)


def test_back_off_ends_after_two_minutes(bench: Make) -> None:
    here = bench(Reply(503, {}, {"Retry-After": "100"}))
    started = here.clock.time()
    with pytest.raises(ServiceError):
        here.send()
    assert here.clock.time() - started == pytest.approx(120)
    assert len(here.server.seen) == 3


# --- refusals


def limits(reset_in: int, remaining: int = 0) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(int(UNIX) + reset_in),
    }


def test_a_refused_create_is_sent_again_when_clickups_window_is_over(bench: Make) -> None:
    here = bench(Reply(429, {"err": "Rate limit reached", "ECODE": "APP_002"}, limits(30)), FINE)
    started = here.clock.time()
    assert here.send(replayable=False).status == 200
    assert 31 <= here.clock.time() - started <= 32.1
    assert here.http.waited == pytest.approx(here.clock.time() - started, abs=0.01)
    assert here.waits[0][1] == "the service's limit"


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}]},
        {"error": {"type": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"}},
        b"",
    ],
)
def test_airtables_thirty_seconds_are_kept(bench: Make, body: Any) -> None:
    here = bench(Reply(429, body), FINE, airtable=True)
    started = here.clock.time()
    assert here.send(replayable=False).status == 200
    assert 30 <= here.clock.time() - started <= 31.1


def test_refusals_end_after_five(bench: Make) -> None:
    here = bench(Reply(429, {"err": "Rate limit reached", "ECODE": "APP_002"}))
    started = here.clock.time()
    with pytest.raises(RateLimited) as caught:
        here.send(replayable=False)
    assert not caught.value.outcome_unknown
    assert len(here.server.seen) == 5
    assert here.clock.time() - started < 5 * 65


def test_a_spent_month_ends_the_request_at_once(bench: Make) -> None:
    body = {"errors": [{"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED", "message": "API billing plan limit exceeded."}]}
    here = bench(Reply(429, body), airtable=True)
    started = here.clock.time()
    with pytest.raises(QuotaSpent) as caught:
        here.send()
    assert len(here.server.seen) == 1
    assert here.clock.time() == started
    assert "month" in caught.value.hint


# --- a service that is down


def test_a_dead_service_ends_the_run_not_each_request_of_it(bench: Make) -> None:
    here = bench(port=free_port())
    started = here.clock.time()
    announced: list[float] = []
    for _ in range(1000):
        with pytest.raises(TransportError) as caught:
            here.send(replayable=False, announce=lambda: announced.append(here.clock.time()))
    assert here.clock.time() - started < 180
    assert len(announced) == here.http.requests < 60
    assert (caught.value.attempts, caught.value.outcome_unknown) == (0, False)
    assert "not sent" in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_eight_failures_in_a_row_from_many_threads_are_enough(bench: Make) -> None:
    here = bench(Reply(500))

    def send(_: int) -> bool:
        with pytest.raises(ApiError) as caught:
            here.send(replayable=False)
        return caught.value.outcome_unknown

    with ThreadPoolExecutor(4) as pool:
        unknown = sum(pool.map(send, range(100)))
    assert unknown == len(here.server.seen) <= 8 + 3


def test_one_record_that_always_fails_does_not_stop_the_others(bench: Make) -> None:
    steps = [step for _ in range(20) for step in (*[Reply(500)] * 6, FINE)]
    here = bench(*steps)
    for _ in range(20):
        with pytest.raises(ServiceError):
            here.send()
        assert here.send().status == 200


def test_refusals_of_single_records_are_no_sign_of_a_dead_service(bench: Make) -> None:
    here = bench(*[Reply(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})] * 20, FINE)
    for _ in range(20):
        with pytest.raises(ApiError):
            here.send()
    assert here.send().status == 200


# --- stopping


def test_nothing_is_sent_once_we_are_to_stop(bench: Make) -> None:
    here = bench(FINE)
    here.stop.set()
    announced: list[int] = []
    with pytest.raises(Interrupted):
        here.send(announce=lambda: announced.append(1))
    assert (here.server.seen, announced) == ([], [])


@pytest.mark.parametrize(("step", "kind"), [(Reply(500), ServiceError), (Reply(429), RateLimited)])
def test_a_pending_failure_is_told_when_the_wait_for_its_retry_is_stopped(
    bench: Make, step: Step, kind: type[ApiError]
) -> None:
    class Stopping(Clock):
        def wait(self, seconds: float, wake: threading.Event) -> bool:
            wake.set()
            return True

    here = bench(step, clock=Stopping(UNIX))
    with pytest.raises(kind):
        here.send()
    assert len(here.server.seen) == 1


def test_a_stop_wakes_those_who_wait_for_another_ones_answer(bench: Make) -> None:
    arrived = threading.Event()

    def held(handler: Handler) -> None:
        arrived.set()
        hang(handler)

    here = bench(held, timeout=5)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(here.send, replayable=False)
        arrived.wait(5)
        second = pool.submit(here.send, replayable=False)
        here.stop.set()
        with pytest.raises(Interrupted):
            second.result(timeout=2)
        here.server.close()
        with pytest.raises(TransportError):
            first.result(timeout=5)


# --- announcing, counting, telling the time


def test_each_attempt_is_announced_after_its_wait(bench: Make) -> None:
    here = bench(Reply(429, {}, limits(30)), FINE)
    announced: list[tuple[float, int]] = []
    started = here.clock.time()
    here.send(replayable=False, announce=lambda: announced.append((here.clock.time() - started, len(here.server.seen))))
    (first, seen_first), (second, seen_second) = announced
    assert (first, seen_first) == (0, 0)
    assert second >= 31
    assert seen_second == 1


def test_a_request_whose_announcement_fails_is_not_sent_and_blocks_nobody(bench: Make) -> None:
    def fail() -> None:
        raise OSError("disk full")

    here = bench(FINE)
    with pytest.raises(OSError, match="disk full"):
        here.send(announce=fail)
    assert here.server.seen == []
    assert here.send().status == 200


def test_the_services_clock_goes_on_from_its_last_date(bench: Make) -> None:
    here = bench(FINE)
    assert here.http.now() == UNIX + 12_345
    here.send()
    assert here.http.now() == UNIX
    here.clock.advance(90)
    assert here.http.now() == UNIX + 90


@pytest.mark.parametrize(
    "date",
    [
        *("", "yesterday", "Mon, 99 Sep 2026 14:13:20 GMT"),
        *("Fri, 31 Dec 9999 23:59:59 -2359", "Sat, 01 Jan 2200 00:00:00 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ],
)
def test_an_answer_without_a_date_is_dated_by_the_clock_so_far(bench: Make, date: str) -> None:
    here = bench(FINE, Reply(200, {"fine": 1}, {"Date": date}))
    here.send()
    here.clock.advance(10)
    assert here.send().date == pytest.approx(UNIX + 10, abs=1)


def test_many_threads_keep_the_limit_and_lose_nothing(bench: Make) -> None:
    sent: list[float] = []
    at = threading.Lock()

    def count(handler: Handler) -> None:
        with at:
            now = here.clock.time() - 12_345
            sent.append(now)
            started = max((first for first in windows if first <= now), default=None)
            if started is None or now >= started + 60:
                windows[now] = 0
                started = now
            windows[started] += 1
            headers = limits(0, max(0, 100 - windows[started]))
            headers |= {"X-RateLimit-Reset": str(int(started + 60)), "Date": http_date(now)}
            status = 200 if windows[started] <= 100 else 429
        handler.reply(Reply(status, {"fine": status}, headers))

    windows: dict[float, int] = {}
    here = bench(count)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: here.send(replayable=False).body["fine"], range(250)))
    assert answers == [200] * 250
    assert here.http.requests == len(sent) == 250
    assert here.http.waited >= 120


# --- what an error says


def test_danger_the_token_shows_in_an_error(bench: Make) -> None:
    here = bench(Reply(400, {"err": f"bad token {TOKEN}", "ECODE": TOKEN}), token_header=f"Bearer {TOKEN}")
    with pytest.raises(InvalidRequest) as caught:
        here.http.send("GET", "/thing", query=[("q", "secret")], replayable=True)
    said = f"{caught.value} {caught.value!r} {caught.value.hint} {vars(caught.value)} {here.http!r}"
    assert TOKEN not in said
    assert "secret" not in said


def test_a_services_words_cannot_steer_a_terminal_and_are_kept_short(bench: Make) -> None:
    here = bench(Reply(400, {"err": "red \x1b[31m\nline \u202e" + "x" * 1000, "ECODE": "A\x07"}))
    with pytest.raises(InvalidRequest) as caught:
        here.send()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) == 500
    assert caught.value.code.isprintable()


def test_an_error_has_its_evidence(bench: Make) -> None:
    here = bench(Reply(401, {"err": "Token invalid", "ECODE": "OAUTH_025"}))
    with pytest.raises(AuthError) as caught:
        here.send()
    assert str(caught.value) == "clickup POST /thing: 401 OAUTH_025: Token invalid"
    assert "CLICKUP_API_KEY" in caught.value.hint


# --- answers without end


def test_an_answer_that_never_ends_is_given_up(bench: Make) -> None:
    here = bench(huge)
    with pytest.raises(BadAnswer, match="does not end") as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown


class Hasty(Clock):
    """A second passes whenever somebody looks."""

    def monotonic(self) -> float:
        self.advance(1)
        return self.time()


@pytest.mark.parametrize("step", [endless, endless_header, never_beginning])
def test_danger_a_trickle_of_bytes_holds_a_request_for_ever(bench: Make, step: Step) -> None:
    here = bench(step, timeout=10, clock=Hasty(UNIX))
    with pytest.raises(TransportError, match="too slowly") as caught:
        here.send(replayable=False)
    assert caught.value.outcome_unknown


def test_danger_an_answer_that_comes_after_a_word_in_advance_is_taken_for_the_next_requests(bench: Make) -> None:
    here = bench(early, FINE)
    with pytest.raises(BadAnswer, match="103"):
        here.send(replayable=False)
    assert here.send().body == {"fine": True}


def test_danger_a_proxy_whose_answer_drips_holds_a_request_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server(endless_header) as server:
        monkeypatch.setenv("https_proxy", server.address)
        http = Http(
            clients.clickup.service("https://api.clickup.invalid"),
            token_header=TOKEN,
            pacer=ClickUpPacer(),
            clock=Hasty(UNIX),
            stop=threading.Event(),
            timeout=10,
            random=random.Random(1),
        )
        with contextlib.closing(http), pytest.raises(TransportError, match="too slowly"):
            http.send("GET", "/thing", replayable=False)


class NotOfTheUsualKind(HTTPConnectionPool):
    """As those of a SOCKS proxy are, which take options that others do not know."""


def test_a_proxy_with_connections_of_its_own_keeps_them_and_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = HTTPAdapter.proxy_manager_for

    def unusual(self: HTTPAdapter, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = made(self, proxy, **options)
        if not known:
            manager.pool_classes_by_scheme = {"http": NotOfTheUsualKind}
        return manager

    monkeypatch.setattr(HTTPAdapter, "proxy_manager_for", unusual)
    response = response_within(1, lambda: 0.0)
    adapter = _Adapter(response)
    first, second = (adapter.proxy_manager_for("http://127.0.0.1:1") for _ in range(2))
    assert first is second
    (kind,) = first.pool_classes_by_scheme.values()
    assert kind.__bases__ == (NotOfTheUsualKind,), "derived from its own, and once"
    assert kind.ConnectionCls.response_class is response


def test_a_connection_gets_its_own_time_out_back_after_an_answer() -> None:
    """Danger: what comes next on it, the handshake behind a proxy's answer say, has only what was left of its time."""
    ours, theirs = socket.socketpair()
    with contextlib.closing(ours), contextlib.closing(theirs):
        ours.settimeout(50)
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        answer = response_within(5, lambda: 0.0)(ours)
        answer.begin()
        assert ours.gettimeout() == 5
        answer.close()
        assert ours.gettimeout() == 50


def test_halves_of_surrogate_pairs_in_an_answer_are_no_reason_to_stop(bench: Make) -> None:
    here = bench(Reply(200, b'{"fine": "\\ud800 \xed\xa0\x80"}'))
    assert here.send().body == {"fine": "\ud800 \ud800"}


# --- the health check's ping


def test_ping_tells_of_health() -> None:
    with Server(Reply(200, b"OK"), Reply(404, b""), Reply(302, b"", {"Location": "http://127.0.0.1:1/"})) as server:
        url = f"{server.address}/a-secret-name"
        assert ping(url, 2) is None
        assert ping(url, 2) == "answered 404"
        assert ping(url, 2) == "answered 302: a redirect, which is not followed"
        assert [seen.path for seen in server.seen] == ["/a-secret-name"] * 3


@pytest.mark.parametrize("step", [reset, close, hang, endless_header, never_beginning])
def test_ping_never_raises_for_what_the_network_does(step: Step) -> None:
    with Server(step) as server:
        said = ping(f"{server.address}/a-secret-name", 0.1)
    assert said is not None
    assert "no answer" in said
    assert "secret" not in said


def test_ping_with_a_proxy_or_certificates_of_no_use_says_so(useless: str) -> None:
    said = ping("https://localhost.:9/a-secret-name", 1)
    assert said is not None
    assert "not pinged" in said
    assert "REQUESTS_CA_BUNDLE" in said
    assert not any(word in said for word in ("secret", useless))


def test_ping_does_not_look_at_where_a_redirect_leads() -> None:
    with Server(Reply(302, b"", {"Location": "http://["})) as server:
        assert ping(server.address, 2) == "answered 302: a redirect, which is not followed"


def test_ping_of_nobody_says_why() -> None:
    assert ping(f"http://127.0.0.1:{free_port()}/", 1) == "no answer: Connection refused"


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://127.0.0.1/", "example.com", "", "https://", "http://[", "file:///etc/passwd"]
)
def test_ping_goes_nowhere_unsafe(url: str) -> None:
    assert ping(url, 1) == "not pinged: the address must begin with https://"


def http_date(moment: float) -> str:
    return formatdate(int(moment), usegmt=True)
