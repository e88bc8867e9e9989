"""The benchmarks measure what they say: tiny sizes, and what was counted, not what it took."""

from __future__ import annotations

from benchmarks.rows import ROWS, Row, Sizes

TINY = Sizes(
    answers=(0.0, 0.0),
    idle_runs=1,
    idle=(3, 5),
    pairs=30,
    changed=((2, 3),),
    backfills=((1_000, 12),),
    shared_clickup=((1_000, 2),),
    shared_airtable=2,
    full=120,
    naive=(12,),
    naive_first=(3,),
    naive_computed=0,
)


def rows(name: str) -> list[Row]:
    return list(ROWS[name](TINY))


def test_an_idle_run_is_counted_with_one_request_to_each_service() -> None:
    found = rows("idle")
    assert [row.figure.partition(";")[0] for row in found[:-1]] == ["1 + 1", "1 + 1"]


def test_changes_are_made_on_both_sides_and_their_requests_counted() -> None:
    (found,) = rows("changed")
    assert found.met
    assert found.figure.startswith("6 requests = 1.00")


def test_a_backfill_is_carried_out_and_counted() -> None:
    requests, _, *_, refusals, _ = rows("backfill")
    assert requests.met
    assert requests.figure.startswith("16 requests = 1.000")
    assert refusals.figure == "0"


def test_another_program_shares_the_budget() -> None:
    clickup, airtable = rows("sharing")
    assert clickup.met
    assert airtable.met


def test_a_full_run_is_counted_page_by_page() -> None:
    requests, *_ = rows("full")
    assert requests.met
    assert "2 + 3 requests" in requests.figure


def test_the_naive_loop_does_its_work() -> None:
    first, changed = rows("naive")
    assert "3 tasks; naive: 8 requests" in first.figure
    assert "10 of 10 changes; naive: 14 requests" in changed.figure
