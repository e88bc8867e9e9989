"""Plan and outcome as text and JSON: what a person reads, what a script reads, and that neither can be fooled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget import Cost, Usage
from errors import ConfigError, SafetyStop
from models import (
    Change,
    Conflict,
    CreateTask,
    Failure,
    Notice,
    Outcome,
    Plan,
    UpdateLead,
    UpdateTask,
)
from report import (
    as_json,
    duration,
    error_lines,
    exit_code,
    explain_lines,
    outcome_of_error,
    plan_lines,
    problem_lines,
    summary_lines,
    traffic_line,
)
from text import visible

LEAD, TASK = "rec00000000000001", "86abc"


def create(record_id: str = LEAD, name: str = "Ada", details: str = "Email: ada@example.com") -> CreateTask:
    return CreateTask(record_id, name, details, "to do", "NEW", "", "the lead has no task yet")


def update(
    *changes: Change, record_id: str = LEAD, marker: bool = False, restore: bool = False, reason: str = "because"
) -> UpdateTask:
    return UpdateTask(record_id, TASK, "NEW", None, None, None, "", "", marker, restore, reason, changes)


def pull(record_id: str = LEAD, adopt: bool = False) -> UpdateLead:
    change = Change("ClickUp Task ID", "", TASK) if adopt else Change("Status", "NEW", "CONTACTED")
    cell, status = (TASK, None) if adopt else (None, "CONTACTED")
    return UpdateLead(record_id, TASK, "in progress", status, cell, adopt, "the task's status changed", (change,))


def as_report(outcome: Outcome, code: int = 0) -> dict[str, Any]:
    made = as_json(
        outcome,
        started_at=1_790_000_000.9,
        seconds=1.23456,
        exit_code=code,
        requests={"airtable": 2, "clickup": 3},
        waited={"airtable": 0.12345, "clickup": 0.0},
        usage={"airtable": Usage("Airtable", 812, 1000), "clickup": Usage("ClickUp", 5321, None)},
        price=Cost(3, 4, 61.4, 100),
    )
    read: dict[str, Any] = json.loads(json.dumps(made))
    return read


def text_of(lines: Sequence[str]) -> str:
    return "\n".join(lines)


# --- the exit code ----------------------------------------------------------------------------------------------------

FAILED = Failure(LEAD, TASK, 1, "no row", "add one")


@pytest.mark.parametrize(
    ("outcome", "run", "dry"),
    [
        (Outcome(True), 0, 0),
        (Outcome(True, created=3, conflicts=(Conflict(LEAD, TASK, "a", "b", None, "airtable"),)), 0, 0),
        (Outcome(True, failed=(FAILED,)), 1, 1),
        (Outcome(True, left=(FAILED,)), 1, 0),
        (Outcome(True, stopped="the run was told to stop"), 1, 0),
        (Outcome(True, failed=(FAILED,), needs_person=True), 3, 3),
    ],
)
def test_the_exit_code_says_whether_the_sides_agree(outcome: Outcome, run: int, dry: int) -> None:
    assert (exit_code(outcome, dry_run=False), exit_code(outcome, dry_run=True)) == (run, dry)


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_the_report_of_a_run_has_every_key_of_the_contract() -> None:
    outcome = Outcome(
        True,
        created=1,
        updated=2,
        adopted=3,
        restored=4,
        pulled=5,
        unchanged=6,
        failed=(FAILED,),
        left=(Failure(LEAD, "", 0, "not done yet"),),
        notices=(Notice(LEAD, TASK, "theirs stays"),),
        conflicts=(
            Conflict(LEAD, TASK, "LOST", "in progress", ("NEW", "to do"), "airtable"),
            Conflict(LEAD, TASK, "LOST", "in progress", None, "clickup"),
        ),
        stopped="told to stop",
    )
    conflict = {"record_id": LEAD, "task_id": TASK, "airtable": "LOST", "clickup": "in progress"}
    assert as_report(outcome, 1) == {
        "version": 1,
        "started_at": "2026-09-21T14:13:20Z",
        "seconds": 1.235,
        "exit_code": 1,
        "full": True,
        "phase_1": {"created": 1, "updated": 2, "adopted": 3, "restored": 4},
        "phase_2": {"updated": 5},
        "unchanged": 6,
        "left": 1,
        "left_records": [{"record_id": LEAD, "task_id": "", "error": "not done yet", "hint": ""}],
        "plan": None,
        "conflicts": [
            {**conflict, "base": {"airtable": "NEW", "clickup": "to do"}, "winner": "airtable"},
            {**conflict, "base": None, "winner": "clickup"},
        ],
        "failed": [{"record_id": LEAD, "task_id": TASK, "phase": 1, "error": "no row", "hint": "add one"}],
        "notices": [{"record_id": LEAD, "task_id": TASK, "text": "theirs stays"}],
        "stopped": "told to stop",
        "requests": {"airtable": 2, "clickup": 3},
        "waited_seconds": {"airtable": 0.123, "clickup": 0.0},
        "month": {
            "name": "2026-09",
            "ends_at": "2026-10-01T00:00:00Z",
            "airtable": {"used": 812, "allowed": 1000},
            "clickup": {"used": 5321, "allowed": None},
        },
        "cost": {"airtable": 3, "clickup": 4, "seconds": 61},
    }


def test_a_plan_names_each_action_with_its_phase_and_its_changes() -> None:
    status = Change("status", "to do", "in progress")
    plan = Plan(
        creates=(create(),),
        task_updates=(update(status), update(status, restore=True)),
        lead_updates=(pull(), pull(adopt=True)),
    )
    actions = as_report(Outcome(True, plan=plan))["plan"]
    kinds = [(action["phase"], action["action"]) for action in actions]
    assert kinds == [(1, "update"), (1, "restore"), (2, "pull"), (1, "adopt"), (1, "create")]
    assert actions[0] == {
        "phase": 1,
        "action": "update",
        "record_id": LEAD,
        "task_id": TASK,
        "changes": [{"field": "status", "old": "to do", "new": "in progress"}],
        "reason": "because",
    }
    assert actions[-1]["task_id"] == ""
    assert [(change["field"], change["new"]) for change in actions[-1]["changes"]] == [
        ("name", "Ada"),
        ("status", "to do"),
        ("details", "Email: ada@example.com"),
    ]


def test_a_plan_in_json_keeps_values_as_they_are_and_cuts_only_very_long_ones() -> None:
    odd = "two\nlines \u202e \x1b[31m 林"
    actions = as_report(Outcome(True, plan=Plan(creates=(create(name=odd, details="x" * 100_000),))))["plan"]
    values = {change["field"]: change["new"] for change in actions[0]["changes"]}
    assert values["name"] == odd
    assert len(values["details"]) == 2000


def test_a_run_that_ended_with_an_error_is_a_report_too() -> None:
    outcome = outcome_of_error(ConfigError(["A is missing", "B is wrong"], "set them"))
    assert [(failure["error"], failure["hint"]) for failure in as_report(outcome, 2)["failed"]] == [
        ("A is missing", "set them"),
        ("B is wrong", "set them"),
    ]
    report = as_report(outcome_of_error(SafetyStop("30 of 40", "--force goes on")), 3)
    assert report["failed"] == [
        {"record_id": "", "task_id": "", "phase": 0, "error": "30 of 40", "hint": "--force goes on"}
    ]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (5000, "1 h 23 min"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# --- text -------------------------------------------------------------------------------------------------------------


def test_the_plan_shows_direction_old_new_and_reason_and_what_it_takes() -> None:
    plan = Plan(
        creates=(create(),),
        task_updates=(update(Change("status", "to do", "in progress"), reason="the lead's status changed"),),
        lead_updates=(pull(),),
    )
    takes = "a run sends 4 requests to ClickUp and 3 to Airtable, its reading included, and takes a few seconds"
    assert plan_lines(plan, Cost(3, 4, 2.5, 100)) == [
        f"lead → task  update  {LEAD} (task {TASK}): the lead's status changed",
        "    status: 'to do' → 'in progress'",
        f"task → lead  pull    {LEAD} (task {TASK}): the task's status changed",
        "    Status: 'NEW' → 'CONTACTED'",
        f"lead → task  create  {LEAD}: the lead has no task yet",
        "    name: → 'Ada'",
        "    status: → 'to do'",
        "    details: → 'Email: ada@example.com'",
        f"3 changes: {takes}. Nothing was written.",
    ]


def test_a_long_plan_tells_the_time_and_the_limit_it_was_reckoned_with() -> None:
    plan = Plan(creates=tuple(create(f"rec{each:014}") for each in range(1250)))
    last = plan_lines(plan, Cost(138, 1251, 732, 100))[-1]
    assert "1,251 requests to ClickUp and 138 to Airtable" in last
    assert "at least 12 min 12 s, at 100 requests a minute" in last


def test_a_plan_without_an_action_says_so() -> None:
    assert plan_lines(Plan(), Cost(1, 1, 0, 100)) == ["Nothing to write: there is nothing to do."]
    waiting = Plan(left=(Failure("rec00000000000001", "", 0, "left out by --limit or --phase"),))
    assert plan_lines(waiting, Cost(1, 1, 0, 100)) == ["Nothing to write."]


def test_a_failure_is_named_with_its_record_its_reason_and_its_cure() -> None:
    assert problem_lines(Outcome(True, failed=(FAILED,))) == [f"failed: {LEAD} (task {TASK}): no row", "    add one"]


def test_failures_with_one_cause_are_told_once_and_every_record_is_still_named() -> None:
    ids = [f"rec{number:014}" for number in range(57)]
    lines = problem_lines(Outcome(True, failed=tuple(Failure(each, "", 1, "no row", "add one") for each in ids)))
    assert lines[:2] == ["failed, 57 records: no row", "    add one"]
    assert all(each in text_of(lines[2:]) for each in ids)
    assert len(lines) < 20


def test_conflicts_show_both_values_and_who_stands() -> None:
    known = Conflict(LEAD, TASK, "LOST", "in progress", ("NEW", "to do"), "airtable")
    unknown = Conflict(LEAD, TASK, "LOST", "in progress", None, "clickup")
    first, second = problem_lines(Outcome(True, conflicts=(known, unknown)))
    assert "Airtable 'LOST', ClickUp 'in progress', before 'NEW' and 'to do'; Airtable stands" in first
    assert "nothing is known of earlier; ClickUp stands" in second


def test_what_is_left_is_told_by_its_reason_with_some_of_its_records() -> None:
    left = [Failure(f"rec{number:014}", "", 0, "left out by --limit or --phase") for number in range(1247)]
    (line,) = problem_lines(Outcome(True, left=tuple(left)))
    assert line == (
        "left for the next run: rec00000000000000, rec00000000000001, rec00000000000002 and 1,244 more: "
        "left out by --limit or --phase"
    )
    short = Failure("", "", 0, "the listing is short", "nothing is created")
    assert problem_lines(Outcome(True, left=(short,))) == [
        "left for the next run: the listing is short",
        "    nothing is created",
    ]


def test_quiet_keeps_what_was_decided_about_a_record_and_drops_general_remarks() -> None:
    notices = (Notice("", "", "a field is missing"), Notice(LEAD, TASK, "it is restored"))
    outcome = Outcome(True, notices=notices, stopped="told to stop")
    assert len(problem_lines(outcome)) == 3
    assert problem_lines(outcome, quiet=True) == [
        f"note: {LEAD} (task {TASK}): it is restored",
        "the run ended early: told to stop",
    ]


def test_the_summary_is_three_lines_and_a_run_without_trouble_has_no_others() -> None:
    outcome = Outcome(True, created=1250, updated=2, pulled=3, unchanged=4)
    assert problem_lines(outcome) == []
    assert summary_lines(outcome) == [
        "Phase 1, lead → task: 1,250 created, 2 updated, 0 adopted, 0 restored",
        "Phase 2, task → lead: 3 updated",
        "4 unchanged, 0 failed, 0 left for the next run, 0 conflicts",
    ]
    line = traffic_line(
        full=True, seconds=75, requests={"airtable": 1, "clickup": 1250}, waited={"airtable": 3.0, "clickup": 60.0}
    )
    assert line == "full run: 1 request to Airtable, 1,250 to ClickUp, 1 min 15 s, 1 min of it waiting"


def test_errors_show_each_problem_on_its_own_line_and_the_cure_last() -> None:
    assert error_lines(ConfigError(["A is missing", "B is wrong"], "set them")) == [
        "A is missing",
        "B is wrong",
        "    set them",
    ]
    assert error_lines(SafetyStop("30 of 40")) == ["30 of 40"]


def test_explain_says_the_verdict_and_what_would_be_written_for_this_lead_alone() -> None:
    other = "rec00000000000002"
    plan = Plan(creates=(create(), create(other, "Bob")), verdicts={LEAD: "the lead has no task yet", other: "same"})
    said = text_of(explain_lines(LEAD, Outcome(True, plan=plan)))
    assert f"{LEAD}: the lead has no task yet" in said
    assert "Ada" in said
    assert "Bob" not in said
    agreed = explain_lines(LEAD, Outcome(True, plan=Plan(verdicts={LEAD: "both sides agree"})))
    assert agreed == [f"{LEAD}: both sides agree", "nothing would be written"]
    assert explain_lines(LEAD, Outcome(True, plan=Plan())) == [f"{LEAD}: nothing is known of this lead"]


# Danger: a record's or a service's text forges lines of a log, steers the terminal, or floods it.
@given(st.text(max_size=3000))
def test_no_text_forges_a_line_steers_a_terminal_or_floods_it(odd: str) -> None:
    failure = Failure(LEAD, TASK, 1, odd, odd)
    outcome = Outcome(
        True,
        failed=(failure, Failure(odd, odd, 1, odd, odd)),
        left=(failure,),
        notices=(Notice(odd, odd, odd),),
        conflicts=(Conflict(LEAD, TASK, odd, odd, (odd, odd), "airtable"),),
        plan=Plan(creates=(create(name=odd, details=odd),), task_updates=(update(Change(odd, odd, odd), reason=odd),)),
        stopped=odd,
    )
    plan = outcome.plan or Plan()
    lines = [
        *problem_lines(outcome),
        *plan_lines(plan, Cost(2, 2, 0, 100)),
        *explain_lines(LEAD, outcome),
        *error_lines(ConfigError([odd], odd)),
    ]
    for line in lines:
        assert line == visible(line)
        assert len(line) <= 2100
    json.dumps(as_report(outcome)).encode()
