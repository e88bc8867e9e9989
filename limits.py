"""What each plan of the two services allows, as the tables of docs/limits.md: `make limits` writes them.

Every figure follows from `budget.predict`, which also tells what a dry run says. Facts about the plans:
https://support.airtable.com/docs/managing-api-call-limits-in-airtable
https://developer.clickup.com/docs/rate-limits
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from budget import (
    AIRTABLE_PER_SECOND,
    CLICKUP_PER_MINUTE,
    PAGE,
    Cost,
    Work,
    batches,
    pages,
    predict,
    said_minutes,
    schedule,
)
from report import duration

PAGE_FILE = Path(__file__).resolve().parent / "docs" / "limits.md"
LONGEST_MONTH = 31
LEADS = (1_000, 10_000, 50_000)
CHANGES = (0, 10, 100, 1_000)
SLOT_MINUTES = 5
SLOT_BUDGET = 240

_WINDOW = 60
_DAILY, _WEEKLY = 24, 168
# The schema of the table; the List and its custom fields. Asked for by the first run.
_SET_UP = (1, 2)


@dataclass(frozen=True)
class AirtablePlan:
    """What a plan of Airtable allows: calls a month for a workspace (None: as many as you like), records in a base."""

    name: str
    calls: int | None
    records: int


@dataclass(frozen=True)
class ClickUpPlan:
    """What a plan of ClickUp allows: requests a minute for a token, leads in all (None: as many as a List holds)."""

    name: str
    per_minute: int
    leads: int | None = None


AIRTABLE = (
    AirtablePlan("Free", 1_000, 1_000),
    AirtablePlan("Team", 100_000, 50_000),
    AirtablePlan("Business", None, 125_000),
    AirtablePlan("Enterprise Scale", None, 500_000),
)
CLICKUP = (
    # https://developer.clickup.com/docs/customfields: 60 uses of custom fields, and each new task is one.
    ClickUpPlan("Free Forever", CLICKUP_PER_MINUTE, leads=60),
    ClickUpPlan("Unlimited, Business", CLICKUP_PER_MINUTE),
    ClickUpPlan("Business Plus", 1_000),
    ClickUpPlan("Enterprise", 10_000),
)


# --- what is reckoned -------------------------------------------------------------------------------------------------


def backfill(leads: int, per_minute: int) -> Cost:
    """The first run: so many leads, none of which has a task, and an empty List."""
    work = Work(airtable_reads=pages(leads) + _SET_UP[0], clickup_reads=1 + _SET_UP[1], creates=leads)
    return predict(work, clickup_per_minute=per_minute)


def echo(leads: int, per_minute: int) -> Cost:
    """The run after it, which reads once more what was written."""
    return predict(Work(pages(leads), leads // PAGE + 1), clickup_per_minute=per_minute)


def in_slots(leads: int, per_minute: int, budget: int) -> list[Cost]:
    """A backfill in runs that end within a time budget in seconds, up to the one that creates the last task."""
    reach = per_minute * (1 + budget // _WINDOW)
    runs: list[Cost] = []
    left, before = leads, 0
    reads = (pages(leads) + _SET_UP[0], 1 + _SET_UP[1])
    while left:
        most = _most_creates(left, reads, per_minute, budget)
        runs.append(predict(Work(*reads, creates=most), clickup_per_minute=per_minute))
        left, before = left - most, most
        reads = (pages(before) + pages(min(left, reach)), before // PAGE + 1)
    return runs


def _most_creates(left: int, reads: tuple[int, int], per_minute: int, budget: int) -> int:
    """How many creates end in time; one at least."""
    least, most = 1, left
    while least < most:
        middle = (least + most + 1) // 2
        if predict(Work(*reads, creates=middle), clickup_per_minute=per_minute).seconds <= budget:
            least = middle
        else:
            most = middle - 1
    return least


def day_of_changes(changes: int) -> Callable[[float], float]:
    """Airtable's calls of a day beyond one for each run, by the runs of the day.

    Each change is of the dearest kind: a task's status that goes to its lead, which is read by its id and then written.
    Changes that come together in one run share these calls.
    """

    def calls(runs: float) -> float:
        together = changes / runs
        if together <= 1:
            return 2.0 * changes
        several = int(together) + (together % 1 > 0)
        return runs * (2 * pages(several) - 1 + batches(several))

    return calls


def interval(plan: AirtablePlan, leads: int, changes: int, full_every_hours: int) -> int | None:
    """The least minutes between runs that fit a month of 31 days; None where not even a run a day does."""
    if plan.calls is None:
        return 1
    full = pages(leads) * 24 / full_every_hours
    extra = day_of_changes(changes)
    return schedule(plan.calls, LONGEST_MONTH, 1, lambda runs: extra(runs) + full)


# --- the tables -------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; every column but the first is set to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def airtable_plans() -> str:
    """The facts about Airtable."""
    return table(
        ("Airtable plan", "calls a month and workspace", "calls a second and base", "records in a base"),
        (
            (
                plan.name,
                "no limit" if plan.calls is None else f"{plan.calls:,}",
                f"{AIRTABLE_PER_SECOND}",
                f"{plan.records:,}",
            )
            for plan in AIRTABLE
        ),
    )


def clickup_plans() -> str:
    """The facts about ClickUp."""
    return table(
        ("ClickUp plan", "requests a minute and token", "requests a month", "leads"),
        (
            (plan.name, f"{plan.per_minute:,}", "no limit", str(plan.leads or "as many as the List holds"))
            for plan in CLICKUP
        ),
    )


def schedules() -> str:
    """How often to run on a plan with a month's allowance."""

    def rows() -> Iterator[Sequence[str]]:
        for plan in AIRTABLE:
            for leads in (100, *LEADS):
                if plan.calls is None or leads > plan.records:
                    continue
                for full in (_DAILY, _WEEKLY):
                    fitting = [interval(plan, leads, changes, full) for changes in CHANGES]
                    yield plan.name, f"{leads:,}", f"{full} hours", *(_every(minutes) for minutes in fitting)

    changes = [f"{each:,} changes a day" for each in CHANGES]
    return table(("Airtable plan", "leads", "full run every", *changes), rows())


def backfills() -> str:
    """How long a backfill takes, and what it costs."""

    def rows() -> Iterator[Sequence[str]]:
        for plan in CLICKUP:
            for leads in LEADS if plan.leads is None else (plan.leads,):
                first, after = backfill(leads, plan.per_minute), echo(leads, plan.per_minute)
                yield (
                    plan.name,
                    f"{leads:,}",
                    duration(first.seconds),
                    f"{first.clickup:,}",
                    f"{first.airtable:,}",
                    f"{after.clickup:,} and {after.airtable:,}",
                )

    head = ("ClickUp plan", "leads", "time", "requests to ClickUp", "calls to Airtable", "the run after it")
    return table(head, rows())


def slots() -> str:
    """The same in runs of a few minutes."""

    def rows() -> Iterator[Sequence[str]]:
        for plan in CLICKUP:
            if plan.leads is not None or plan.per_minute > 1_000:
                continue
            for leads in LEADS:
                runs = in_slots(leads, plan.per_minute, SLOT_BUDGET)
                seconds = 60 * SLOT_MINUTES * (len(runs) - 1) + runs[-1].seconds
                clickup, airtable = sum(run.clickup for run in runs), sum(run.airtable for run in runs)
                yield plan.name, f"{leads:,}", f"{len(runs):,}", duration(seconds), f"{clickup:,}", f"{airtable:,}"

    return table(("ClickUp plan", "leads", "runs", "time", "requests to ClickUp", "calls to Airtable"), rows())


def _every(minutes: int | None) -> str:
    return "does not fit" if minutes is None else f"every {said_minutes(minutes)}"


TABLES: Mapping[str, Callable[[], str]] = {
    "airtable": airtable_plans,
    "clickup": clickup_plans,
    "schedules": schedules,
    "backfills": backfills,
    "slots": slots,
}


def filled(text: str) -> str:
    """The page with each table between its markers, `<!-- table: NAME -->` and `<!-- end -->`, made anew."""

    def put(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}"

    return re.sub(r"(<!-- table: (\w+) -->)\n.*?(<!-- end -->)", put, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE_FILE.write_text(filled(PAGE_FILE.read_text(encoding="utf-8")), encoding="utf-8")
