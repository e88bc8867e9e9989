"""Requests as a budget: a dry run's prediction is what the run then sends, months are counted, slots are kept."""

from __future__ import annotations

import calendar
import io
import math
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import main
from budget import (
    INTERVALS,
    Usage,
    Work,
    end_of_month,
    month_of,
    predict,
    schedule,
    usage_of,
    warning,
    work_of,
)
from models import Change, CreateTask, Plan, UpdateLead, UpdateTask
from tests.campaign.load import MixedLoad
from tests.scene import START, Run, Scene

DAY = 86_400.0
# In a wait the clock that stands still counts the seconds of both sides one after the other, a real one side by side.
PER_CENT = 0.05
# That clock leaps over ClickUp's minute while a request to Airtable is under way, so that requests of different seconds
# can arrive together. The stand-in's Airtable lets that pass; the program keeps its pace all the same.
LENIENT: dict[str, Any] = {"airtable_limit": 0}
# What a run may take beyond its budget where answers take no time: it writes back what it has made.
WRITE_BACKS = 1.0


def backfill(scene: Scene, leads: int) -> list[str]:
    return [scene.lead("NEW", f"Lead {number}") for number in range(leads)]


def in_words(scene: Scene, *flags: str, **settings: str) -> tuple[int, str, str]:
    """One run as a person sees it: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = main.main(list(flags), {**scene.settings, **settings}, clock=scene.clock, stdout=out, stderr=err)
    return code, out.getvalue(), err.getvalue()


# --- what a run will take ---------------------------------------------------------------------------------------------


def assert_as_predicted(scene: Scene, *flags: str, polls: int = 0, code: int = 0) -> dict[str, Any]:
    """A dry run, a minute's rest, and the run: its requests and its seconds.

    The requests are exact. Where a run lasts so long that it polls, the clock decides whether there is one poll more or
    less, how many of its own writes each of them reads again, and whether a few ids are written back before ten of them
    are there: `polls` requests to each side.
    """
    looked = scene.run("--dry-run", *flags)
    assert looked.writes == []
    scene.later(70)
    run = scene.run(*flags)
    assert run.code == code, (run.report, run.messages)
    predicted, sent = looked.report["cost"], run.report["requests"]
    for service in ("airtable", "clickup"):
        assert abs(predicted[service] - sent[service]) <= polls, (predicted, sent)
    seconds, waited = run.report["seconds"], run.report["waited_seconds"]
    assert predicted["seconds"] * (1 - PER_CENT) - 1 <= seconds, (predicted, run.report)
    assert seconds <= predicted["seconds"] * (1 + PER_CENT) + 1 + waited["airtable"], (predicted, run.report)
    assert run.report["cost"] is None, "what it took is told, not guessed"
    assert isinstance(looked.report["cost"], dict)
    return dict(looked.report["cost"])


def test_an_idle_run_is_predicted_as_one_request_to_each(scene: Scene) -> None:
    backfill(scene, 12)
    scene.run()
    scene.later()
    scene.run()
    scene.later()
    assert assert_as_predicted(scene) == {"airtable": 1, "clickup": 1, "seconds": 0}


def test_a_mixed_load_is_predicted(scene: Scene) -> None:
    MixedLoad.prepared(scene)
    assert_as_predicted(scene)


def test_a_full_run_and_one_after_the_state_was_lost_are_predicted(scene: Scene) -> None:
    MixedLoad.prepared(scene)
    assert_as_predicted(scene, "--full")
    scene.state_file.unlink()
    scene.later()
    assert_as_predicted(scene)


def test_the_wait_of_a_new_state_file_before_its_first_create_is_predicted(scene: Scene) -> None:
    MixedLoad.prepared(scene)
    scene.state_file.unlink()
    backfill(scene, 30)
    scene.later()
    assert assert_as_predicted(scene, polls=1)["seconds"] >= 120


def test_tasks_linked_by_hand_are_predicted_with_their_markers(scene: Scene) -> None:
    scene.pair()
    for number in range(13):
        lead = scene.lead(["NEW", "CONTACTED"][number % 2], f"Lead {number}")
        scene.set_cell(lead, scene.clickup.add_task(f"Lead {number}", status="to do"))
    scene.later()
    assert_as_predicted(scene)


@pytest.mark.parametrize("flags", [("--limit", "5"), ("--phase", "2")])
def test_a_part_of_the_work_is_predicted_as_such(scene: Scene, flags: tuple[str, ...]) -> None:
    MixedLoad.prepared(scene)
    backfill(scene, 20)
    scene.later(5)
    assert_as_predicted(scene, *flags, code=1)


@pytest.mark.parametrize(
    ("leads", "limit", "polls"),
    [(1, 100, 0), (99, 100, 1), (250, 100, 2), (300, 1000, 0), (300, 10_000, 0)],
)
def test_a_backfill_is_predicted_at_every_limit(tmp_path: Path, leads: int, limit: int, polls: int) -> None:
    scene = Scene(tmp_path, clickup_limit=limit, **LENIENT)
    backfill(scene, leads)
    predicted = assert_as_predicted(scene, polls=polls)
    bound = -(-leads // 100) + 1 + leads + -(-leads // 10) + len(("schema", "List", "fields"))
    assert bound <= predicted["airtable"] + predicted["clickup"] <= bound * 1.02 + 1
    scene.later()
    assert_as_predicted(scene)
    scene.close()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_has_changed_the_prediction_holds(tmp_path: Path, seed: int) -> None:
    """Random loads under random limits."""
    chance = random.Random(seed)
    scene = Scene(tmp_path, clickup_limit=chance.choice([100, 100, 1000]), **LENIENT)
    leads = backfill(scene, chance.randrange(150))
    scene.run()
    scene.later()
    scene.run()
    for _ in range(2):
        scene.later(chance.randrange(1, 400))
        for lead in leads:
            kind = chance.random()
            if kind < 0.2:
                scene.edit(lead, Status=chance.choice(["NEW", "CONTACTED", "QUALIFIED", "LOST"]))
            elif kind < 0.4:
                scene.clickup.set_status(scene.named_by(lead), chance.choice(["to do", "in progress", "complete"]))
            elif kind < 0.5:
                scene.edit(lead, Name=f"renamed {chance.random()}", Email=f"{chance.random()}@example.com")
        leads += backfill(scene, chance.randrange(150))
        assert_as_predicted(scene, "--force", polls=4)
    scene.close()


def test_the_plan_s_actions_are_what_is_counted() -> None:
    create = CreateTask("rec00000000000001", "Ada", "", "to do", "NEW", "", "")
    pull = UpdateLead("rec00000000000001", "86abc", "to do", "NEW", None, False, "", ())
    status, marker = Change("status", "a", "b"), Change("marker", "", "rec00000000000001")

    def update(*changes: Change, with_marker: bool = False) -> UpdateTask:
        return UpdateTask(
            "rec00000000000001", "86abc", "NEW", None, None, None, "", "", with_marker, False, "", changes
        )

    updates = (update(status), update(status, marker, with_marker=True), update(marker, with_marker=True))
    work = work_of(Plan(creates=(create,) * 25, lead_updates=(pull,) * 11, task_updates=updates))
    assert (work.task_writes, work.lead_writes, work.creates) == (4, 11, 25)
    price = predict(work)
    assert (price.clickup, price.airtable) == (1 + 4 + 25, 1 + 2 + 3)
    assert price.seconds < 5


@pytest.mark.parametrize(
    ("creates", "limit", "minutes"), [(99, 100, 0), (100, 100, 1), (1250, 100, 12), (1250, 1000, 1), (990, 1000, 0)]
)
def test_a_minute_for_each_window_that_is_spent(creates: int, limit: int, minutes: int) -> None:
    seconds = predict(Work(creates=creates), clickup_per_minute=limit).seconds
    writing_back = creates / 10 / 5
    assert 60 * minutes <= seconds <= max(62 * minutes, 1) + writing_back


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.sampled_from([100, 1000, 10_000]),
)
def test_a_prediction_is_never_below_what_has_to_be_sent_nor_far_above(
    airtable: int, clickup: int, updates: int, pulls: int, creates: int, limit: int
) -> None:
    price = predict(
        Work(airtable, clickup, task_writes=updates, lead_writes=pulls, creates=creates), clickup_per_minute=limit
    )
    tens = math.ceil(pulls / 10) + math.ceil(creates / 10)
    needed = (airtable + tens, clickup + updates + creates)
    polls = price.seconds / 10 + 2
    echo = (updates + pulls + creates) / 100
    assert needed[0] <= price.airtable <= needed[0] + polls + echo + 1
    assert needed[1] <= price.clickup <= needed[1] + polls + echo + 1
    assert price.seconds >= 60 * ((needed[1] - 1) // limit)


# --- months -----------------------------------------------------------------------------------------------------------


@given(st.floats(0, 4e9))
def test_a_month_ends_when_the_next_one_begins(now: float) -> None:
    end = end_of_month(now)
    assert now < end <= now + 31 * DAY
    assert month_of(end - 1) == month_of(now)
    assert month_of(end) > month_of(now)
    year, month = map(int, month_of(end).split("-"))
    assert end == calendar.timegm((year, month, 1, 0, 0, 0))


@given(st.integers(0, 200_000), st.floats(0.01, 31), st.integers(1, 3), st.integers(0, 3000))
def test_a_schedule_fits_and_the_next_denser_one_would_not(calls: int, days: float, idle: int, other: int) -> None:
    def takes(minutes: int) -> float:
        return (1440 / minutes * idle + other) * days

    minutes = schedule(calls, days, idle, lambda _: other)
    if minutes is None:
        assert takes(INTERVALS[-1]) > calls
        return
    assert takes(minutes) <= calls
    denser = INTERVALS[: INTERVALS.index(minutes)]
    assert all(takes(each) > calls for each in denser)


@pytest.mark.parametrize(("used", "stage"), [(0, 0), (799, 0), (800, 80), (999, 80), (1000, 100), (1500, 100)])
def test_from_eighty_per_cent_on_a_person_is_told(used: int, stage: int) -> None:
    usage = Usage("Airtable", used, 1000)
    assert usage.stage == stage
    assert bool(warning(usage, START)) == bool(stage)
    assert not warning(Usage("Airtable", used, None), START)


def test_a_warning_says_how_much_until_when_and_which_schedule_fits() -> None:
    nine_days = end_of_month(START) - 9 * DAY
    usage = usage_of("Airtable", used=812, allowed=1000, idle=1, day=(24, 30))
    assert warning(usage, nine_days) == (
        "Airtable: 812 of this month's 1,000 calls are used (81 %); the month ends on 2026-10-01 at 00:00 UTC. With 1 "
        "call a run and 6 calls a day for changes and full runs, as in the last 24 hours, run every 2 hours at most"
    )
    with_view = usage_of("Airtable", used=812, allowed=1000, idle=2, day=(24, 48))
    assert warning(with_view, nine_days).endswith("With 2 calls a run, run every 3 hours at most")
    busy = usage_of("Airtable", used=812, allowed=1000, idle=1, day=(24, 400))
    assert "does not last at the pace of the last 24 hours (376 calls besides 1 call a run)" in warning(busy, nine_days)
    spent = usage_of("ClickUp", used=1004, allowed=1000, idle=1, day=(24, 30))
    assert warning(spent, nine_days) == (
        "ClickUp: all of this month's 1,000 calls are used (1,004); the month ends on 2026-10-01 at 00:00 UTC. Runs go "
        "on as long as ClickUp answers"
    )


# --- the history ------------------------------------------------------------------------------------------------------


def history(scene: Scene) -> list[tuple[str, int, int, int, int]]:
    """Each run that the state knows: when it began, exit code, full, requests to Airtable and to ClickUp."""
    with sqlite3.connect(scene.state_file) as file:
        rows = file.execute("SELECT started_at, exit_code, full, airtable, clickup FROM runs ORDER BY rowid").fetchall()
    file.close()
    return rows


def spent(run: Run) -> tuple[int, int]:
    return run.report["month"]["airtable"]["used"], run.report["month"]["clickup"]["used"]


def test_the_month_counts_every_request_of_every_run_however_it_ends(scene: Scene) -> None:
    backfill(scene, 25)
    runs = [scene.run()]
    scene.later()
    scene.sandbox.faults.add("500", route="list_tasks", times=99)
    runs.append(scene.run())
    assert runs[-1].code == 1
    scene.sandbox.faults.clear()
    scene.later()
    scene.clickup.revoke_token()
    runs.append(scene.run())
    assert runs[-1].code == 3
    scene.clickup.restore_token()
    scene.later()
    runs.append(scene.run())
    sent = [sum(f"{service} " in each for each in scene_log(runs)) for service in ("airtable", "clickup")]
    assert spent(runs[-1]) == tuple(sent)
    assert [row[1:3] for row in history(scene)] == [(0, 1), (1, 0), (3, 0), (0, 0)]
    assert [row[3:] for row in history(scene)] == [
        (run.report["requests"]["airtable"], run.report["requests"]["clickup"]) for run in runs
    ]


def scene_log(runs: list[Run]) -> list[str]:
    return [request for run in runs for request in run.requests]


def test_a_run_that_crashes_is_counted_as_well(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug must crash with its traceback, and what was sent until then is spent."""

    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    scene.pair()
    monkeypatch.setattr("engine.run.limited", bug)
    with pytest.raises(ZeroDivisionError):
        scene.run()
    assert history(scene)[-1][1:] == (1, 0, 1, 1)


def test_a_new_month_begins_at_nought(scene: Scene) -> None:
    scene.lead()
    first = scene.run()
    assert first.report["month"]["name"] == "2026-09"
    assert first.report["month"]["ends_at"] == "2026-10-01T00:00:00Z"
    scene.later(end_of_month(START) - scene.clock.time())
    run = scene.run()
    assert run.report["month"]["name"] == "2026-10"
    assert spent(run) == (run.report["requests"]["airtable"], run.report["requests"]["clickup"])


def test_what_only_looks_tells_the_month_with_itself_and_leaves_the_count_alone(scene: Scene) -> None:
    scene.pair()
    counted = spent(scene.run())
    for flags in (("--dry-run",), ("--check",)):
        looked = scene.run(*flags)
        own = looked.report["requests"]
        assert spent(looked) == (counted[0] + own["airtable"], counted[1] + own["clickup"])
    assert len(history(scene)) == 2


def test_without_a_run_there_is_no_month(scene: Scene) -> None:
    assert scene.run(STATUS_MAP="NEW").report["month"] is None


def test_the_newest_thousand_runs_and_two_years_are_kept(scene: Scene) -> None:
    scene.pair()
    with sqlite3.connect(scene.state_file) as file:
        old = [(f"2024-01-01T00:{each // 60:02}:{each % 60:02}Z", 0.1, 0, 0, 1, 1) for each in range(1500)]
        file.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 'run')", old)
        months = [(f"{year}-{month:02}", 5, 5) for year in (2023, 2024, 2025) for month in range(1, 13)]
        file.executemany("INSERT INTO months VALUES (?, ?, ?, 'month')", months)
    file.close()
    scene.run()
    assert len(history(scene)) == 1000
    with sqlite3.connect(scene.state_file) as file:
        names = [row[0] for row in file.execute("SELECT name FROM months ORDER BY name")]
    file.close()
    assert (len(names), names[0], names[-1]) == (24, "2024-02", "2026-09")


# --- warnings ---------------------------------------------------------------------------------------------------------


def spend(scene: Scene, airtable: int) -> None:
    with sqlite3.connect(scene.state_file) as file:
        file.execute("UPDATE months SET airtable = ?", (airtable,))
    file.close()


def test_a_run_warns_and_goes_on(scene: Scene) -> None:
    scene.pair()
    allowed = {"AIRTABLE_MONTHLY_CALLS": "1000", "CLICKUP_MONTHLY_CALLS": "1000"}
    assert scene.run(**allowed).report["notices"] == []
    spend(scene, 900)
    lead = scene.lead("NEW", "made in a month that is nearly spent")
    run = scene.run(**allowed)
    (notice,) = run.report["notices"]
    assert notice["text"].startswith("Airtable: 902 of this month's 1,000 calls are used (90 %)")
    assert run.code == 0, "nothing failed"
    assert scene.named_by(lead)
    spend(scene, 1000)
    lead = scene.lead("NEW", "made in a month that is spent")
    assert "all of this month's 1,000 calls are used" in in_words(scene, **allowed)[1]
    assert scene.named_by(lead), "the service decides"
    assert "all of this month's 1,000" in in_words(scene, "--dry-run", **allowed)[1]


def test_quiet_tells_each_warning_once_a_month(scene: Scene) -> None:
    """A run every minute must not send a mail every minute; and a person has to act before the month is spent."""
    scene.pair()
    allowed = {"AIRTABLE_MONTHLY_CALLS": "1000"}
    said = []
    for used in (700, 850, 860, 990, 1000, 1010):
        spend(scene, used)
        code, out, err = in_words(scene, "-q", **allowed)
        assert (code, out) == (0, "")
        said.append(err)
    assert [bool(each) for each in said] == [False, True, False, False, True, False]
    assert "851 of this month's 1,000" in said[1]
    assert "all of this month's 1,000 calls" in said[4]
    assert "of this month's 1,250" in in_words(scene, "-q", AIRTABLE_MONTHLY_CALLS="1250")[2], "another allowance"
    scene.later(end_of_month(START) - scene.clock.time())
    in_words(scene, "-q", **allowed)
    spend(scene, 900)
    assert "of this month's 1,000" in in_words(scene, "-q", **allowed)[2], "a new month, a new warning"


def test_a_warning_is_not_lost_with_a_run_that_fails(scene: Scene) -> None:
    scene.pair()
    spend(scene, 990)
    scene.airtable.revoke_token()
    code, _, err = in_words(scene, "-q", AIRTABLE_MONTHLY_CALLS="1000")
    assert code == 3
    assert "991 of this month's 1,000 calls" in err


# --- a backfill cut into slots ----------------------------------------------------------------------------------------


def in_slots(scene: Scene, *, budget: float, every: float, most: int = 60) -> list[Run]:
    """Runs as cron starts them, until one of them ends with 0."""
    runs: list[Run] = []
    while not runs or runs[-1].code:
        assert len(runs) < most, runs[-1].report
        began = scene.clock.time()
        runs.append(scene.run(SYNC_TIME_BUDGET_SECONDS=str(budget)))
        assert runs[-1].code in (0, 1)
        assert (runs[-1].code == 0) == (runs[-1].report["left"] == 0)
        scene.later(max(1.0, every - (scene.clock.time() - began)))
    return runs


@pytest.mark.parametrize(
    ("leads", "limit", "budget", "every"),
    [(300, 100, 50, 75), (1100, 1000, 45, 75), (500, 100, 5, 75)],
)
def test_a_backfill_cut_into_slots_is_finished_within_them(
    tmp_path: Path, leads: int, limit: int, budget: float, every: float
) -> None:
    scene = Scene(tmp_path, clickup_limit=limit, **LENIENT)
    made = backfill(scene, leads)
    runs = in_slots(scene, budget=budget, every=every)
    assert len(runs) > 1
    in_time = [run.report["seconds"] <= budget + WRITE_BACKS for run in runs]
    assert all(in_time), [run.report["seconds"] for run in runs]
    done = 0
    for run in runs:
        done += run.report["phase_1"]["created"]
        assert run.report["left"] == leads - done
    assert done == leads == len(scene.clickup.tasks())
    for lead in made:
        scene.assert_linked(lead, scene.named_by(lead))
    sent = len(scene_log(runs))
    bound = 3 + -(-leads // 100) + 1 + leads + -(-leads // 10)
    # Each further run reads both sides' changes, which are its predecessor's writes, and the leads that it can reach.
    by_run = 2 + 2 * limit / 100 + -(-limit * (1 + budget // 60) // 100) + 2
    assert sent <= bound * 1.02 + by_run * len(runs)
    scene.close()


def test_the_write_backs_of_a_run_that_ends_for_its_budget_are_done(scene: Scene) -> None:
    """Every task that was made is named by its lead before the run ends."""
    scene.clickup.limit = 100
    backfill(scene, 130)
    run = scene.run(SYNC_TIME_BUDGET_SECONDS="30")
    assert run.code == 1
    named = [lead for lead in scene.airtable.records() if scene.named_by(lead)]
    assert 0 < len(named) == run.report["phase_1"]["created"] == len(scene.clickup.tasks())


def test_leads_beyond_the_budget_are_not_read_and_an_edit_of_one_is_seen(tmp_path: Path) -> None:
    """A backfill of many thousand leads must not read all that are left in each of its runs."""
    scene = Scene(tmp_path, clickup_limit=100, **LENIENT)
    leads = backfill(scene, 700)
    scene.later()
    assert scene.run(SYNC_TIME_BUDGET_SECONDS="20").report["left"] > 500
    scene.later(70)
    waiting = sorted(lead for lead in leads if not scene.named_by(lead))
    scene.edit(waiting[-1], Name="edited while it waits", Status="CONTACTED")
    scene.later(5)
    run = scene.run(SYNC_TIME_BUDGET_SECONDS="20")
    assert run.requests.count("airtable list_records_post") <= 3, "not the 6 pages of all that is left"
    assert run.code == 1
    assert run.report["left"] > 400
    while run.code:
        scene.later(70)
        run = scene.run(SYNC_TIME_BUDGET_SECONDS="600")
    scene.assert_in_step()
    assert scene.clickup.task(scene.named_by(waiting[-1]))["name"] == "edited while it waits"
    assert len(scene.clickup.tasks()) == 700
    scene.close()


def test_a_lead_that_waits_beyond_the_budget_and_is_deleted_gets_no_task(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=100, **LENIENT)
    leads = backfill(scene, 500)
    assert scene.run(SYNC_TIME_BUDGET_SECONDS="20").code == 1
    gone = sorted(lead for lead in leads if not scene.named_by(lead))[-1]
    scene.airtable.delete(gone)
    scene.later(70)
    in_slots(scene, budget=100, every=120)
    assert len(scene.clickup.tasks()) == 499
    assert scene.clickup.by_marker(gone) == []
    scene.close()


def test_statuses_left_by_the_budget_go_before_the_leads_that_wait_for_a_task(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=100, **LENIENT)
    pairs = backfill(scene, 90)
    scene.run()
    scene.later()
    backfill(scene, 400)
    scene.later()
    scene.run(SYNC_TIME_BUDGET_SECONDS="20")
    scene.later(70)
    for lead in pairs:
        scene.edit(lead, Status="CONTACTED")
    scene.later(5)
    run = scene.run("--force", SYNC_TIME_BUDGET_SECONDS="20")
    assert run.report["phase_1"]["updated"] == 90
    in_slots(scene, budget=100, every=120)
    scene.assert_in_step()
    scene.close()
