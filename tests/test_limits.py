"""docs/limits.md is what the program reckons, and that is what the stand-in counts under each plan's limits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import limits
from budget import AIRTABLE_PER_SECOND, pages
from clients.pacing import AIRTABLE_STARTS
from limits import AIRTABLE, CLICKUP, AirtablePlan, ClickUpPlan
from tests.scene import Run, Scene

LEADS = 1_000
PER_CENT = 0.05
# The clock that stands still leaps over ClickUp's minute while a request to Airtable is under way, so that requests of
# different seconds can arrive together. The stand-in's Airtable lets that pass; the program keeps its pace anyway.
LENIENT: dict[str, Any] = {"airtable_limit": 0}
# So many a minute that no window is ever waited for: then both limits are on.
NO_LEAPS = 10_000
PAID = [plan for plan in CLICKUP if plan.leads is None]


def backfill(scene: Scene, leads: int) -> None:
    for number in range(leads):
        scene.lead("NEW", f"Lead {number}")
    scene.later()


def sent(runs: list[Run], service: str) -> int:
    return sum(run.report["requests"][service] for run in runs)


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_what_the_program_reckons() -> None:
    text = limits.PAGE_FILE.read_text(encoding="utf-8")
    assert limits.filled(text) == text, "run make limits"
    assert set(re.findall(r"<!-- table: (\w+) -->", text)) == set(limits.TABLES)


def test_the_facts_are_those_that_the_program_works_with() -> None:
    assert AIRTABLE_PER_SECOND == AIRTABLE_STARTS
    assert [plan.per_minute for plan in CLICKUP] == sorted(plan.per_minute for plan in CLICKUP)
    text = limits.PAGE_FILE.read_text(encoding="utf-8")
    for address in (
        "https://support.airtable.com/docs/managing-api-call-limits",
        "https://developer.clickup.com/docs/",
    ):
        assert address in text


# --- a backfill under each plan's limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", PAID, ids=lambda plan: str(plan.per_minute))
def test_a_backfill_takes_and_costs_what_the_page_says(tmp_path: Path, plan: ClickUpPlan) -> None:
    """Within one poll to each side, and within 5 % of the time.

    The clock that stands still adds up what both sides wait, a real one lets them wait side by side; and where time
    stands still many tasks are of one instant, so that pages of them overlap.
    """
    both = {"airtable_limit": AIRTABLE_PER_SECOND}
    scene = Scene(tmp_path, clickup_limit=plan.per_minute, **(both if plan.per_minute == NO_LEAPS else LENIENT))
    backfill(scene, LEADS)
    run = scene.run()
    told = limits.backfill(LEADS, plan.per_minute)
    a_poll = 1 + LEADS // 100 + LEADS // 400
    assert run.code == 0
    assert abs(run.report["requests"]["clickup"] - told.clickup) <= a_poll
    assert abs(run.report["requests"]["airtable"] - told.airtable) <= a_poll
    waited = run.report["waited_seconds"]["airtable"]
    assert told.seconds * (1 - PER_CENT) <= run.report["seconds"] <= told.seconds * (1 + PER_CENT) + waited
    scene.later()
    run, told = scene.run(), limits.echo(LEADS, plan.per_minute)
    assert (run.code, run.writes) == (0, [])
    assert abs(run.report["requests"]["clickup"] - told.clickup) <= 1
    assert abs(run.report["requests"]["airtable"] - told.airtable) <= 1
    assert 429 not in {logged.status for logged in scene.sandbox.log}
    scene.close()


def test_the_free_plan_of_clickup_takes_the_leads_that_the_page_says(tmp_path: Path) -> None:
    (free,) = (plan for plan in CLICKUP if plan.leads is not None)
    assert free.leads is not None
    scene = Scene(tmp_path, clickup_limit=free.per_minute, plan="free", **LENIENT)
    backfill(scene, free.leads + 1)
    run = scene.run()
    told = limits.backfill(free.leads, free.per_minute)
    assert (run.code, run.report["phase_1"]["created"]) == (3, free.leads)
    assert abs(run.report["requests"]["clickup"] - told.clickup) <= 2
    scene.close()


@pytest.mark.parametrize(("leads", "per_minute", "budget", "every"), [(900, 100, 240, 300), (1500, 1000, 50, 120)])
def test_a_backfill_in_slots_takes_the_runs_and_requests_that_the_page_says(
    tmp_path: Path, leads: int, per_minute: int, budget: int, every: int
) -> None:
    """As many runs, or one more where a few leads are left over; the polls may differ by one a run."""
    scene = Scene(tmp_path, clickup_limit=per_minute, **LENIENT)
    backfill(scene, leads)
    runs: list[Run] = []
    while not runs or runs[-1].code:
        began = scene.clock.time()
        runs.append(scene.run(SYNC_TIME_BUDGET_SECONDS=str(budget)))
        scene.later(every - (scene.clock.time() - began))
    told = limits.in_slots(leads, per_minute, budget)
    assert len(told) <= len(runs) <= len(told) + 1
    a_poll = 1 + per_minute // 100 + per_minute // 400
    for service in ("clickup", "airtable"):
        reckoned = sum(cost.clickup if service == "clickup" else cost.airtable for cost in told)
        assert abs(sent(runs, service) - reckoned) <= a_poll * (len(runs) + 1), service
    scene.close()


# --- a schedule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leads", "changes", "hours"), [(150, 0, 24), (150, 10, 24), (150, 30, 168)], ids=["idle", "10 a day", "30 a day"]
)
def test_a_schedule_of_the_page_lasts_for_its_month(tmp_path: Path, leads: int, changes: int, hours: int) -> None:
    """Four days of runs, and tasks whose status people change in between: a thirty-first of the month's calls a day."""
    plan = AirtablePlan("as Free", 1_000, 1_000)
    minutes = limits.interval(plan, leads, changes, hours)
    assert minutes is not None
    scene = Scene(tmp_path, clickup_limit=0, **LENIENT)
    backfill(scene, leads)
    scene.run()
    scene.later()
    tasks = list(scene.clickup.tasks())
    scene.run()
    runs: list[Run] = []
    for number in range(4 * 1440 // minutes):
        due = round((number + 1) * changes * minutes / 1440) - round(number * changes * minutes / 1440)
        for _ in range(due):
            tasks.append(tasks.pop(0))
            now = scene.task_status(tasks[-1])
            scene.clickup.set_status(tasks[-1], "complete" if now == "in progress" else "in progress")
        scene.later(60 * minutes)
        runs.append(scene.run("--force", SYNC_FULL_EVERY_HOURS=str(hours)))
        assert runs[-1].code == 0, runs[-1].report
    full = pages(leads) * 4 * 24 / hours
    extra = limits.day_of_changes(changes)(1440 / minutes)
    reckoned = 4 * (1440 / minutes + extra) + full
    assert reckoned * limits.LONGEST_MONTH / 4 <= 1_000
    assert sent(runs, "airtable") <= reckoned + 2
    assert sum(run.report["phase_2"]["updated"] for run in runs) == 4 * changes
    scene.close()


def test_what_has_no_limit_runs_every_minute_and_what_does_not_fit_says_so() -> None:
    assert {limits.interval(plan, 50_000, 1_000, 24) for plan in AIRTABLE if plan.calls is None} == {1}
    assert limits.interval(AIRTABLE[0], 1_000, 1_000, 24) is None
