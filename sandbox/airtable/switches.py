"""What is not known for certain about Airtable, or differs between accounts, as switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALL_SCOPES = frozenset({"data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write"})


@dataclass(frozen=True)
class AirtableSwitches:
    """The defaults are the service of 2026 and, where nobody knows, the behaviour that hurts a client more.

    paging: "key" goes on behind the last record of the page before, "position" behind so many records, so that
        rows that come or go in between are skipped or repeated.
    rows_a_page: how many rows a page holds at most, however many are asked for: the documentation says "up to".
    iterator_seconds: how long a listing may rest between two pages.
    accept_more: take more than 10 records a write, as has been seen once.
    missing: what a missing record or table answers, 403 as in 2026 or 404 as in 2022.
    lockout_seconds: silence after too many requests; lockout_prolongs: requests during it start it anew.
    singular_429: the 429 body as the documentation prints it, not as the wire shows it.
    monthly_quota: requests to the base until the month is spent; None is no limit.
    modified_in_milliseconds: LAST_MODIFIED_TIME compares milliseconds; otherwise whole seconds, rounded down.
    equal_values_move: writing the value that is there already counts as a modification.
    scopes: what the token may do.
    field_times: what LAST_MODIFIED_TIME({a field}) tells: the time of that field, of the whole record, or nothing
        since such a formula is refused.
    stale_seconds: how long a listing goes on showing the table as it was before a change.
    date_ahead_seconds: by how much the header `Date` is ahead of the times of records; behind where it is negative.
    """

    paging: Literal["key", "position"] = "key"
    rows_a_page: int = 100
    iterator_seconds: float = 300
    accept_more: bool = False
    missing: Literal["2026", "2022"] = "2026"
    lockout_seconds: float = 30
    lockout_prolongs: bool = False
    singular_429: bool = False
    monthly_quota: int | None = None
    modified_in_milliseconds: bool = False
    equal_values_move: bool = True
    scopes: frozenset[str] = ALL_SCOPES
    field_times: Literal["field", "record", "refused"] = "field"
    stale_seconds: float = 0
    date_ahead_seconds: float = 0
