"""The limits of both services are kept, and their budgets are spent."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.pacing import AirtablePacer, ClickUpPacer, Heard, in_flight, retry_after
from tests.clients_simulation import FixedWindow, Played, SlidingSecond, play, play_two

ROUNDINGS: list[Callable[[float], float]] = [math.floor, math.ceil, round]


def between(low: float, high: float) -> Callable[[random.Random], float]:
    return lambda chance: chance.uniform(low, high)


@given(
    seed=st.integers(0, 10**6),
    limit=st.sampled_from([1, 2, 7, 100, 1000]),
    threads=st.integers(1, 64),
    low=st.floats(0.001, 0.5),
    spread=st.floats(0, 2),
    aligned=st.booleans(),
    rounding=st.sampled_from(ROUNDINGS),
    fraction=st.floats(0, 60),
)
@settings(max_examples=150, deadline=None)
def test_clickup_never_refuses_a_program_that_has_the_token_to_itself(
    seed: int,
    limit: int,
    threads: int,
    low: float,
    spread: float,
    aligned: bool,
    rounding: Callable[[float], float],
    fraction: float,
) -> None:
    server = FixedWindow(limit, aligned, rounding)
    played = play(
        ClickUpPacer(),
        server,
        3 * limit + 5,
        threads=threads,
        latency=between(low, low + spread),
        chance=random.Random(seed),
        server_ahead=1.79e9 + fraction,
    )
    assert played.refused_at == []


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("low", "high"), [(0.05, 0.05), (0.5, 0.5), (0.05, 0.5)])
@pytest.mark.parametrize(("limit", "requests"), [(100, 1000), (1000, 4500), (10_000, 21_000)])
def test_clickups_budget_is_spent_within_five_percent_of_the_shortest_time(
    limit: int, requests: int, low: float, high: float, rounding: Callable[[float], float]
) -> None:
    threads = 64
    server = FixedWindow(limit, rounding=rounding)
    played = play(
        ClickUpPacer(), server, requests, threads=threads, latency=between(low, high), chance=random.Random(1)
    )
    windows, rest = divmod(requests - 1, limit)
    each = (low + high) / 2 / threads
    shortest = max(requests * each, windows * 60 + rest * each)
    assert played.refused_at == []
    assert played.seconds <= 1.05 * shortest


def beside(requests: int, others: Sequence[float], limit: int, threads: int) -> Played:
    """So many requests of ours while another program sends at these moments."""
    latency = between(0.05, 0.5)
    chance = random.Random(2)
    server = FixedWindow(limit)
    return play(ClickUpPacer(), server, requests, threads=threads, latency=latency, chance=chance, others=others)


def steady(a_minute: float, minutes: int) -> list[float]:
    """The moments at which a program sends that always sends so many a minute."""
    return [number * 60 / a_minute for number in range(int(a_minute * minutes))]


@pytest.mark.parametrize("threads", [1, 8, 64])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("limit", [100, 1000])
def test_a_token_shared_with_a_steady_program_is_refused_at_most_once_a_window(
    limit: int, share: float, threads: int
) -> None:
    played = beside(4 * limit, steady(limit * share, 10), limit, threads)
    closest = [later - earlier for earlier, later in zip(played.refused_at, played.refused_at[1:], strict=False)]
    assert min(closest, default=60) > 30
    assert played.seconds < 60 * (4 / (1 - share) + 2) + 4 * limit * 0.275 / threads


@pytest.mark.parametrize("threads", [8, 64])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("limit", [100, 1000])
def test_a_program_that_shares_the_token_gets_what_it_needs_once_its_pace_is_known(
    limit: int, share: float, threads: int
) -> None:
    """Danger: the other program, somebody's dashboard say, fails for as long as a backfill takes."""
    played = beside(6 * limit, steady(limit * share, 20), limit, threads)
    refused = [moment for moment in played.others_refused_at if moment > 62]
    assert len(refused) <= 0.02 * limit * share * played.seconds / 60
    assert played.seconds < 60 * (6 / (1 - share) + 1)


@pytest.mark.parametrize("limit", [100, 1000])
def test_what_another_program_leaves_from_now_on_is_spent(limit: int) -> None:
    played = beside(6 * limit, steady(limit / 2, 2), limit, threads=64)
    assert played.seconds < 60 * 7 + 5


@pytest.mark.parametrize("apart", [0, 5, 61.3])
@pytest.mark.parametrize("limit", [100, 1000])
def test_two_runs_with_one_token_do_not_drive_each_other_into_refusals(limit: int, apart: float) -> None:
    played = play_two(
        (ClickUpPacer(), ClickUpPacer()),
        FixedWindow(limit),
        3 * limit,
        threads=64,
        latency=between(0.05, 0.5),
        chance=random.Random(2),
        apart=apart,
    )
    windows = 7
    assert len(played.refused_at) <= 2 * windows
    assert played.seconds <= 60 * windows + 10


def test_requests_on_their_way_over_a_windows_end_are_no_sign_of_another_program() -> None:
    pacer = ClickUpPacer()
    pacer.ask(0.0)
    pacer.answered(clickup(0.1, left=99))
    assert [pacer.ask(58.0) for _ in range(10)] == [0.0] * 10
    for left in range(99, 89, -1):
        pacer.answered(clickup(60.5, left=left, date=1_790_000_060, reset=1_790_000_120))
    assert [pacer.ask(60.6) for _ in range(90)] == [0.0] * 90
    assert pacer.ask(60.6) != 0.0


def test_without_the_rate_headers_the_smallest_plan_is_assumed() -> None:
    played = play(
        ClickUpPacer(),
        FixedWindow(100, headers=False),
        250,
        threads=16,
        latency=between(0.05, 0.1),
        chance=random.Random(3),
    )
    assert played.refused_at == []
    assert played.seconds < 130


def test_one_probe_alone_learns_the_limit() -> None:
    pacer = ClickUpPacer()
    assert [pacer.ask(0.0), pacer.ask(0.0), pacer.ask(0.1)] == [0.0, None, None]
    pacer.answered(clickup(0.2, left=99))
    assert [pacer.ask(0.2) for _ in range(99)] == [0.0] * 99
    assert pacer.ask(0.2) != 0.0


def test_a_probe_that_hangs_does_not_stop_everyone_for_its_whole_timeout() -> None:
    pacer = ClickUpPacer()
    assert pacer.ask(0.0) == 0.0
    assert pacer.ask(4.9) is None
    assert pacer.ask(5.1) == 0.0


def test_the_local_clock_does_not_matter_to_the_wait_for_the_next_window() -> None:
    pacer = ClickUpPacer()
    pacer.ask(0.0)
    pacer.answered(clickup(0.5, left=0, date=1_790_000_000, reset=1_790_000_054))
    assert pacer.ask(0.5) == pytest.approx(55, abs=0.01)
    assert pacer.ask(55.6) == 0.0


def test_a_refusal_is_silence_until_its_reset_for_everyone() -> None:
    pacer = ClickUpPacer()
    pacer.ask(0.0)
    pacer.refused(clickup(1.0, left=0, date=1_790_000_000, reset=1_790_000_030), jitter=0.5)
    assert pacer.ask(1.0) == pytest.approx(31.5)
    assert pacer.ask(32.6) == 0.0
    assert pacer.ask(32.6) is None


def test_refusals_without_a_reset_wait_longer_each_time_and_never_over_a_minute() -> None:
    pacer, now, waits = ClickUpPacer(), 0.0, []
    for _ in range(6):
        assert pacer.ask(now) == 0.0
        pacer.refused(Heard(now, now, 1_790_000_000 + now, {}), jitter=0.0)
        wait = pacer.ask(now)
        assert wait
        waits.append(wait)
        now += wait + 0.01
    assert waits == pytest.approx([5, 10, 20, 40, 60, 60])


def test_a_reset_that_cannot_be_one_is_a_minute_from_now() -> None:
    for reset in (1_790_000_000_000, 27, 0):
        pacer = ClickUpPacer()
        pacer.ask(0.0)
        pacer.answered(clickup(0.0, left=0, date=1_790_000_000, reset=reset))
        assert pacer.ask(0.0) == pytest.approx(61)


@given(
    seed=st.integers(0, 10**6),
    threads=st.integers(1, 16),
    low=st.floats(0.001, 0.9),
    spread=st.floats(0, 0.5),
    first=st.floats(0, 0.5),
)
@settings(max_examples=150, deadline=None)
def test_airtable_does_not_count_six_in_a_second_even_if_the_network_shifts_them(
    seed: int, threads: int, low: float, spread: float, first: float
) -> None:
    played = play(
        AirtablePacer(),
        SlidingSecond(),
        60,
        threads=threads,
        latency=between(low, low + spread),
        chance=random.Random(seed),
        first_connection=first,
    )
    assert len(played.refused_at) <= (spread > 0.05)


@pytest.mark.parametrize("low", [0.005, 0.05, 0.15])
@pytest.mark.parametrize("threads", [1, 4])
def test_airtables_five_a_second_are_used(threads: int, low: float) -> None:
    played = play(
        AirtablePacer(),
        SlidingSecond(),
        500,
        threads=threads,
        latency=between(low, low + 0.01),
        chance=random.Random(4),
    )
    assert played.seconds <= 1.03 * 499 / 5


def test_an_answer_that_does_not_come_stops_airtable_for_two_seconds_at_most() -> None:
    pacer, now = AirtablePacer(), 0.0
    sent: list[float] = []
    while len(sent) < 6 and now < 5:
        delay = pacer.ask(now)
        if delay == 0.0:
            sent.append(now)
        now += delay or 0.1
    assert len(sent) == 6
    assert 1.9 < sent[5] < 2.3


def test_a_request_that_never_left_takes_no_turn() -> None:
    pacer = AirtablePacer()
    for number in range(20):
        assert pacer.ask(float(number)) == 0.0
        pacer.lost(float(number), reached=False)
    assert [pacer.ask(20.0 + number * 0.21) for number in range(5)] == [0.0] * 5


def test_an_airtable_refusal_is_thirty_seconds_of_silence_for_everyone() -> None:
    pacer = AirtablePacer()
    assert pacer.ask(0.0) == 0.0
    pacer.refused(Heard(0.0, 0.1, 1_790_000_000, {}), jitter=0.5)
    assert pacer.ask(0.1) == pytest.approx(30.5)
    assert pacer.ask(29.0) == pytest.approx(1.6)


def test_after_a_refusal_airtable_is_left_half_of_its_budget_for_good() -> None:
    pacer, now, sent = AirtablePacer(), 0.0, list[float]()
    assert pacer.ask(now) == 0.0
    pacer.refused(Heard(0.0, 0.1, 1_790_000_000, {}), jitter=0.0)
    while now < 90:
        delay = pacer.ask(now)
        if delay == 0.0:
            sent.append(now)
            pacer.answered(Heard(now, now + 0.05, 1_790_000_000, {}))
        now += delay or 0.06
    assert sent[0] > 30
    assert all(later - earlier > 1 for earlier, later in zip(sent, sent[2:], strict=False)), "two in any second"
    assert len(sent) > 100


@pytest.mark.parametrize(
    ("latency", "per_minute", "requests"),
    [
        (0.0, 100, 4),
        (0.275, 100, 18),
        (0.275, 1_000, 18),
        (0.275, 10_000, 58),
        (2.0, 100, 64),
        (60.0, 10_000, 64),
    ],
)
def test_as_many_requests_are_under_way_as_latency_and_limit_ask_for(
    latency: float, per_minute: int, requests: int
) -> None:
    assert in_flight(latency, per_minute, 64) == requests


def test_airtable_is_given_as_long_as_it_asks_for() -> None:
    pacer = AirtablePacer()
    pacer.ask(0.0)
    pacer.refused(Heard(0.0, 0.0, 1_790_000_000, {"retry-after": "45"}), jitter=0.0)
    assert pacer.ask(0.0) == pytest.approx(45)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30),
        ("Mon, 21 Sep 2026 14:13:00 GMT", 0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("٣", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": said}, 1_790_000_000) == seconds


def clickup(now: float, *, left: int, date: float = 1_790_000_000, reset: float = 1_790_000_060) -> Heard:
    headers = {"limit": 100, "remaining": left, "reset": int(reset)}
    return Heard(now, now, date, {f"x-ratelimit-{name}": str(value) for name, value in headers.items()})
