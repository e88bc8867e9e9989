"""What the live test looks for, in the words of docs/fidelity.md, and what it has found. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from models import Failure, Finding


@dataclass(frozen=True)
class Fact:
    """One line of the result. `text` is what is in question, `program` what the program does about it."""

    text: str
    program: str


_LATE = (
    "an edit that shows up to 60 s late is read by the next run; for SYNC_CREATE_DOUBT_SECONDS (120) after our own "
    "write, what stood there before is not taken for somebody's change"
)

FACTS: dict[str, Fact] = {
    # the sync itself
    "created": Fact(
        "Sync: each new lead gets one task, and the two name each other",
        "the first promise: at most one task for each lead",
    ),
    "lead_status": Fact(
        "Sync: a lead's new status reaches its task", "the second promise: a change on one side reaches the other"
    ),
    "task_status": Fact(
        "Sync: a task's new status reaches its lead", "the second promise: a change on one side reaches the other"
    ),
    "lead_name": Fact(
        "Sync: a lead's new name reaches its task", "the second promise: a change on one side reaches the other"
    ),
    "quiet": Fact("Sync: the next run writes nothing", "the third promise: a run with nothing to do writes nothing"),
    # Airtable
    "airtable_lag": Fact(
        "Airtable: a write is visible to the next reading",
        _LATE,
    ),
    "resolution": Fact(
        "Airtable: LAST_MODIFIED_TIME() counts whole seconds, or milliseconds", "safe either way; both are tested"
    ),
    "equal_cells": Fact(
        "Airtable: a write of equal values moves LAST_MODIFIED_TIME(), or not",
        "safe either way; both are tested, and the sync writes no equal values",
    ),
    "field_times": Fact(
        "Airtable: LAST_MODIFIED_TIME() of a field tells of that field alone",
        "where it is refused, a pair in doubt is decided as a conflict, and named; were it the time of the whole "
        "record, another edit right behind a status write without an answer would count as one of the status",
    ),
    "airtable_clock": Fact(
        "Airtable: times of records and the header Date go by one clock, give or take a second",
        "the watermark is 60 s before Date; a Date more than five minutes ahead of both the other service's and "
        "the machine's time is not believed; beyond that the daily full run finds the edit",
    ),
    "more_than_ten": Fact(
        "Airtable: a write may have more than ten records, or not", "safe either way; the sync sends ten at most"
    ),
    "paging": Fact(
        "Airtable: a listing is no snapshot and has no order of its own",
        "nothing happens: rows are known by their ids",
    ),
    "missing_record": Fact(
        "Airtable: a record that is gone: 403, 404 or 422, by year and request",
        "that a lead is gone is decided by a listing, never by an error",
    ),
    # ClickUp
    "marker": Fact(
        "ClickUp: a create takes custom fields and answers with the whole task",
        "the answer's marker is looked at; a dropped one is set by itself; a field that keeps none ends the creating "
        "after one task",
    ),
    "listed": Fact(
        "ClickUp: a new task is in listings and filters within SYNC_CREATE_DOUBT_SECONDS (120)",
        "only if its answer was lost as well, a second task is made; a longer time costs nothing but waiting",
    ),
    "filter": Fact(
        "ClickUp: the filter custom_fields with == finds a text exactly",
        "what it brings is compared again; what it misses comes by the listing of what changed",
    ),
    "clickup_lag": Fact(
        "ClickUp: an update is visible to the next listing",
        _LATE,
    ),
    "task_lag": Fact(
        "ClickUp: a task read by its id is as it is now, wherever it lives",
        "safe either way: a reading that is older than our own write is left to a later run",
    ),
    "clickup_clock": Fact(
        "ClickUp: times of tasks and the header Date go by one clock",
        "the watermark is 60 s before Date; a Date more than five minutes ahead of both the other service's and "
        "the machine's time is not believed; beyond that the daily full run finds the change",
    ),
    "created_gt": Fact("ClickUp: date_created_gt includes its own moment, or not", "safe either way; both are tested"),
    "updated_gt": Fact("ClickUp: date_updated_gt includes its own moment, or not", "safe either way; both are tested"),
    "reverse": Fact(
        'ClickUp: reverse=true turns "newest first" into "oldest first"',
        "safe either way; the first answer that shows a direction decides, at the cost of one request; both are tested",
    ),
    "last_page": Fact(
        "ClickUp: 100 tasks a page; last_page tells the last",
        "last_page is believed only where the number of rows bears it out",
    ),
    "equal_update": Fact(
        "ClickUp: an update without effect moves date_updated, or not", "safe either way; both are tested"
    ),
    "update_moves": Fact(
        "ClickUp: date_updated moves with name, status and description", "the daily full run finds the change"
    ),
    "field_moves": Fact(
        "ClickUp: a custom field's write moves date_updated, or not", "safe either way; both are tested"
    ),
    "description": Fact(
        "ClickUp: a description comes back as it was sent, or changed",
        "safe either way; it is compared with what ClickUp answered, not with what was sent",
    ),
    "emptied": Fact(
        "ClickUp: one space empties a description; an empty text is ignored",
        "the old text stays, as one that people have edited",
    ),
    "unknown_status": Fact(
        "ClickUp: an unknown status is refused with 400",
        "names are written as the List spells them, after the List was read",
    ),
    "time_in_status": Fact(
        "ClickUp: time in status tells since when a status stands; not every plan has it",
        "it is evidence where two statuses disagree without a base (without it Airtable stands), and of whether a "
        "status that was announced before a run died was taken back (without it the pair is decided as a conflict and "
        "named)",
    ),
    "rate_headers": Fact(
        "ClickUp: X-RateLimit-* on every answer; the window is fixed and takes a minute", "refusals are waited out"
    ),
    "deleted_task": Fact(
        "ClickUp: a deleted task is 404 ITEM_013; what cannot be seen is 401 OAUTH_027",
        "any other answer about one task fails that lead and makes none anew",
    ),
}

_HINTS = {
    "failed": "do not run the sync on real data before this is understood; docs/fidelity.md says more",
    "unknown": "run the live test once more",
}


class Findings:
    """What has been found, by the fact's key. What is found twice stands as it was found first."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, str]] = {}

    def ok(self, key: str, found: str) -> None:
        """As the program assumes, or harmless either way."""
        self._found.setdefault(key, ("ok", found))

    def differs(self, key: str, found: str) -> None:
        """Not as assumed, and the program is safe all the same."""
        self._found.setdefault(key, ("differs", found))

    def either(self, key: str, as_assumed: bool, found: str) -> None:
        """As assumed, or not and safe."""
        (self.ok if as_assumed else self.differs)(key, found)

    def failed(self, key: str, found: str) -> None:
        """A promise is broken, or would be."""
        self._found.setdefault(key, ("failed", found))

    def unknown(self, key: str, why: str) -> None:
        """It could not be found out."""
        self._found.setdefault(key, ("unknown", why))

    def skipped(self, key: str, why: str) -> None:
        """It does not apply to these settings."""
        self._found.setdefault(key, ("skipped", why))

    def all(self) -> tuple[Finding, ...]:
        """Every fact in order; what was never reached is unknown."""
        never = ("unknown", "the test ended before")
        return tuple(Finding(fact.text, *self._found.get(key, never), fact.program) for key, fact in FACTS.items())

    def failures(self) -> tuple[Failure, ...]:
        """What failed or could not be found out, as the outcome of a run has it."""
        return tuple(
            Failure("", "", 0, f"{each.fact}: {each.found}", _HINTS[each.verdict])
            for each in self.all()
            if each.verdict in _HINTS
        )
