"""Plan and outcome as text and as JSON. Pure.

Every line of text is safe for a terminal: what comes from a record or a service is shown with its control characters
escaped, and cut to a length that a person reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from budget import Cost, Usage, end_of_month, month_of
from errors import ConfigError, SyncError
from models import Action, Change, Conflict, CreateTask, Failure, Finding, Notice, Outcome, Plan, UpdateLead
from text import cut, one_line, visible

VERSION = 1

_VALUE_LENGTH = 60
_SAID_LENGTH = 500
_PROBLEM_LENGTH = 2000
_JSON_LENGTH = 2000
_NAMED_OF_A_GROUP = 3
_IDS_A_LINE = 5
_TO_TASK = "lead → task"
_TO_LEAD = "task → lead"


# --- how it ended -----------------------------------------------------------------------------------------------------


def exit_code(outcome: Outcome, *, dry_run: bool) -> int:
    """0 in step (of a dry run: nothing failed), 1 failed or left for the next run, 3 a person is needed."""
    if outcome.needs_person:
        return 3
    if dry_run:
        return 1 if outcome.failed else 0
    return 1 if outcome.failed or outcome.left or outcome.stopped else 0


def outcome_of_error(error: SyncError) -> Outcome:
    """A run that ended before it had an outcome, as one: every problem is a failure of no record."""
    if isinstance(error, ConfigError):
        failed = tuple(Failure("", "", 0, problem, error.hint) for problem in error.problems)
    else:
        failed = (Failure("", "", 0, str(error), error.hint),)
    return Outcome(False, failed=failed, stopped=str(error))


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_json(
    outcome: Outcome,
    *,
    started_at: float,
    seconds: float,
    exit_code: int,
    requests: Mapping[str, int],
    waited: Mapping[str, float],
    usage: Mapping[str, Usage] | None = None,
    price: Cost | None = None,
) -> dict[str, Any]:
    """The JSON report, version 1.

    `started_at` is in Unix seconds and comes out as UTC in ISO 8601; `requests` and `waited` (seconds) are by service,
    "airtable" and "clickup"; so is `usage`, of the month in which the run began. `price` is what a run would take
    whose plan this is. Values of a plan are as they are, cut to 2,000 characters; errors are on one line.
    Only the live test's report has a key `live_test`.
    """
    report: dict[str, Any] = {
        "version": VERSION,
        "started_at": moment(started_at),
        "seconds": round(seconds, 3),
        "exit_code": exit_code,
        "full": outcome.full,
        "phase_1": {
            "created": outcome.created,
            "updated": outcome.updated,
            "adopted": outcome.adopted,
            "restored": outcome.restored,
        },
        "phase_2": {"updated": outcome.pulled},
        "unchanged": outcome.unchanged,
        "left": len(outcome.left),
        "left_records": [_failure_json(failure) for failure in outcome.left],
        "plan": None if outcome.plan is None else [_action_json(action) for action in _actions(outcome.plan)],
        "conflicts": [_conflict_json(conflict) for conflict in outcome.conflicts],
        "failed": [{**_failure_json(failure), "phase": failure.phase} for failure in outcome.failed],
        "notices": [
            {"record_id": notice.record_id, "task_id": notice.task_id, "text": _said(notice.text)}
            for notice in outcome.notices
        ],
        "stopped": _said(outcome.stopped),
        "requests": dict(requests),
        "waited_seconds": {service: round(each, 3) for service, each in waited.items()},
        "month": None if usage is None else _month_json(usage, started_at),
        "cost": None if price is None else _cost_json(price),
    }
    if outcome.findings:
        report["live_test"] = [_finding_json(finding) for finding in outcome.findings]
    return report


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "fact": finding.fact,
        "verdict": finding.verdict,
        "found": _said(finding.found),
        "program": finding.program,
    }


def moment(seconds: float) -> str:
    """Unix seconds as UTC in ISO 8601."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _month_json(usage: Mapping[str, Usage], started_at: float) -> dict[str, Any]:
    return {
        "name": month_of(started_at),
        "ends_at": moment(end_of_month(started_at)),
        **{service: {"used": each.used, "allowed": each.allowed} for service, each in usage.items()},
    }


def _cost_json(price: Cost) -> dict[str, Any]:
    return {"airtable": price.airtable, "clickup": price.clickup, "seconds": round(price.seconds)}


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "record_id": failure.record_id,
        "task_id": failure.task_id,
        "error": _said(failure.error, _PROBLEM_LENGTH),
        "hint": _said(failure.hint),
    }


def _conflict_json(conflict: Conflict) -> dict[str, Any]:
    base = conflict.base
    return {
        "record_id": conflict.record_id,
        "task_id": conflict.task_id,
        "airtable": cut(conflict.airtable, _JSON_LENGTH),
        "clickup": cut(conflict.clickup, _JSON_LENGTH),
        "base": None if base is None else {"airtable": base[0], "clickup": base[1]},
        "winner": conflict.winner,
    }


def _action_json(action: Action) -> dict[str, Any]:
    kind, phase = _kind(action)
    return {
        "phase": phase,
        "action": kind,
        "record_id": action.record_id,
        "task_id": _task_id(action),
        "changes": [
            {"field": change.field, "old": cut(change.old, _JSON_LENGTH), "new": cut(change.new, _JSON_LENGTH)}
            for change in _changes(action)
        ],
        "reason": _said(action.reason),
    }


# --- what a plan holds ------------------------------------------------------------------------------------------------


def _actions(plan: Plan) -> tuple[Action, ...]:
    """In the order in which they are carried out."""
    return (*plan.task_updates, *plan.lead_updates, *plan.creates)


def _kind(action: Action) -> tuple[str, int]:
    """The action's name and its phase."""
    if isinstance(action, CreateTask):
        return "create", 1
    if isinstance(action, UpdateLead):
        return ("adopt", 1) if action.adopt else ("pull", 2)
    return ("restore" if action.restore else "update"), 1


def _task_id(action: Action) -> str:
    return "" if isinstance(action, CreateTask) else action.task_id


def _changes(action: Action) -> Sequence[Change]:
    if not isinstance(action, CreateTask):
        return action.changes
    return (
        Change("name", "", action.name),
        Change("status", "", action.status),
        Change("details", "", action.description),
    )


# --- text -------------------------------------------------------------------------------------------------------------


def plan_lines(plan: Plan, price: Cost) -> list[str]:
    """Every change that a run would make: direction, field, old and new value, reason; then what it takes."""
    actions = _actions(plan)
    lines = [line for action in actions for line in _action_lines(action)]
    if not actions:
        return ["Nothing to write." if plan.left or plan.failed else "Nothing to write: there is nothing to do."]
    takes = "a few seconds"
    if price.seconds >= 5:
        takes = f"at least {duration(price.seconds)}, at {price.per_minute:,} requests a minute to ClickUp"
    lines.append(
        f"{_count(len(actions), 'change')}: a run sends {_count(price.clickup, 'request')} to ClickUp and "
        f"{price.airtable:,} to Airtable, its reading included, and takes {takes}. Nothing was written."
    )
    return lines


def _action_lines(action: Action) -> Iterator[str]:
    kind, _ = _kind(action)
    direction = _TO_LEAD if isinstance(action, UpdateLead) else _TO_TASK
    yield f"{direction}  {kind:7} {_who(action.record_id, _task_id(action))}: {_said(action.reason)}"
    for change in _changes(action):
        old = f"'{_value(change.old)}' " if change.old else ""
        yield f"    {_value(change.field)}: {old}→ '{_value(change.new)}'"


def explain_lines(record_id: str, outcome: Outcome) -> list[str]:
    """What a run would do with one lead, and why. `outcome` is that of a dry run."""
    plan = outcome.plan or Plan()
    verdict = plan.verdicts.get(record_id)
    if verdict is None:
        return [f"{_value(record_id)}: nothing is known of this lead"]
    lines = [f"{_value(record_id)}: {_said(verdict)}"]
    actions = [action for action in _actions(plan) if action.record_id == record_id]
    lines.extend(line for action in actions for line in _action_lines(action))
    if not actions:
        lines.append("nothing would be written")
    return [*lines, *problem_lines(outcome)]


def problem_lines(outcome: Outcome, *, quiet: bool = False) -> list[str]:
    """Everything that a person should know besides the counts: what failed, was left, was decided against someone.

    `quiet` leaves out what is not about a record, and what is the same day after day.
    """
    lines = list(_failed_lines(outcome.failed))
    lines.extend(_conflict_line(conflict) for conflict in outcome.conflicts)
    told = (notice for notice in outcome.notices if not quiet or (notice.record_id and not notice.routine))
    lines.extend(_notice_line(notice) for notice in told)
    lines.extend(_left_lines(outcome.left))
    if outcome.stopped:
        lines.append(f"the run ended early: {_said(outcome.stopped)}")
    return lines


def _failed_lines(failed: Iterable[Failure]) -> Iterator[str]:
    """Each reason once, and every record by its id: one status without a row may fail hundreds of leads."""
    for (error, hint), members in _by_reason(failed).items():
        alone = len(members) <= 1
        about = f": {members[0]}" if alone and members else f", {len(members):,} records" if members else ""
        yield f"failed{about}: {_said(error)}"
        if hint:
            yield f"    {_said(hint)}"
        if not alone:
            yield from (f"    {', '.join(chunk)}" for chunk in _chunks(members, _IDS_A_LINE))


def _by_reason(failures: Iterable[Failure]) -> dict[tuple[str, str], list[str]]:
    """The records by error and hint."""
    groups: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        who = _who(failure.record_id, failure.task_id)
        groups.setdefault((failure.error, failure.hint), []).extend([who] if who else [])
    return groups


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _conflict_line(conflict: Conflict) -> str:
    before = "nothing is known of earlier"
    if conflict.base is not None:
        before = f"before '{_value(conflict.base[0])}' and '{_value(conflict.base[1])}'"
    winner = {"airtable": "Airtable", "clickup": "ClickUp"}[conflict.winner]
    return (
        f"conflict: {_about(conflict.record_id, conflict.task_id)}Airtable '{_value(conflict.airtable)}', "
        f"ClickUp '{_value(conflict.clickup)}', {before}; {winner} stands"
    )


def _notice_line(notice: Notice) -> str:
    return f"note: {_about(notice.record_id, notice.task_id)}{_said(notice.text)}"


def _left_lines(left: Iterable[Failure]) -> Iterator[str]:
    """One line for each reason, since a limit may leave thousands."""
    for (error, hint), members in _by_reason(left).items():
        named = ", ".join(members[:_NAMED_OF_A_GROUP])
        more = f" and {len(members) - _NAMED_OF_A_GROUP:,} more" if len(members) > _NAMED_OF_A_GROUP else ""
        yield f"left for the next run: {named}{more}{': ' if named else ''}{_said(error)}"
        if hint:
            yield f"    {_said(hint)}"


def count_rows(outcome: Outcome) -> list[tuple[str, int]]:
    """What was done, as names and numbers."""
    return [
        ("Phase 1: tasks created", outcome.created),
        ("Phase 1: tasks updated", outcome.updated),
        ("Phase 1: tasks adopted", outcome.adopted),
        ("Phase 1: tasks restored", outcome.restored),
        ("Phase 2: leads updated", outcome.pulled),
        ("unchanged", outcome.unchanged),
        ("failed", len(outcome.failed)),
        ("left for the next run", len(outcome.left)),
        ("conflicts", len(outcome.conflicts)),
    ]


def summary_lines(outcome: Outcome) -> list[str]:
    """What was done, in three plain lines."""
    to_tasks = (
        f"{outcome.created:,} created, {outcome.updated:,} updated, {outcome.adopted:,} adopted, "
        f"{outcome.restored:,} restored"
    )
    rest = (
        f"{outcome.unchanged:,} unchanged, {len(outcome.failed):,} failed, {len(outcome.left):,} left for the next "
        f"run, {_count(len(outcome.conflicts), 'conflict')}"
    )
    return [f"Phase 1, {_TO_TASK}: {to_tasks}", f"Phase 2, {_TO_LEAD}: {outcome.pulled:,} updated", rest]


def traffic_line(*, full: bool, seconds: float, requests: Mapping[str, int], waited: Mapping[str, float]) -> str:
    """What the run cost. A wait that was cut short by a signal has been counted whole."""
    waiting = min(max(waited.values()), seconds)
    waits = f", {duration(waiting)} of it waiting" if waiting >= 1 else ""
    return (
        f"{'full run' if full else 'run'}: {_count(requests['airtable'], 'request')} to Airtable, "
        f"{requests['clickup']:,} to ClickUp, {duration(seconds)}{waits}"
    )


def error_lines(error: SyncError) -> list[str]:
    """An error that ended a run: each problem on a line of its own, and what to do about it."""
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    lines = [_said(problem, _PROBLEM_LENGTH) for problem in problems]
    return [*lines, f"    {_said(error.hint)}"] if error.hint else lines


def check_lines(
    *, table_id: str, fields: Sequence[str], lead_statuses: Sequence[str], task_statuses: Sequence[str]
) -> list[str]:
    """What an examination of the set-up found in order."""
    lines = ["ok: the settings"]
    if table_id:
        statuses = f", statuses {_names(lead_statuses)}" if lead_statuses else ""
        lines.append(f"ok: Airtable's table {_value(table_id)}, fields for the details {_names(fields)}{statuses}")
    else:
        lines.append("ok: Airtable's token (the names of fields and statuses were not examined)")
    lines.append(f"ok: the ClickUp List with the statuses {_names(task_statuses)}, and its field for the record id")
    return lines


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """What the live test found: for each fact the verdict, what was found, and what the program does about it."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict:8} {finding.fact}")
        lines.append(f"{'':8} found:   {_said(finding.found)}")
        lines.append(f"{'':8} program: {finding.program}")
    verdicts = [finding.verdict for finding in findings]
    counted = (
        ("ok", "as assumed, or harmless either way"),
        ("differs", "not as assumed: harmless, or a note says what to do"),
        ("failed", "failed"),
        ("unknown", "not found out"),
        ("skipped", "not for these settings"),
    )
    told = "; ".join(f"{verdicts.count(name)} {what}" for name, what in counted if name in verdicts)
    return [*lines, f"{_count(len(findings), 'fact')}: {told}"] if findings else []


def duration(seconds: float) -> str:
    """A length of time as people say it: 0.4 s, 14 s, 2 min 5 s, 1 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _who(record_id: str, task_id: str) -> str:
    if record_id and task_id:
        return f"{_value(record_id)} (task {_value(task_id)})"
    return _value(record_id) or (f"task {_value(task_id)}" if task_id else "")


def _about(record_id: str, task_id: str) -> str:
    """Whom a line is about, as its beginning; "" where it is about no record."""
    who = _who(record_id, task_id)
    return f"{who}: " if who else ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{_value(name)}'" for name in names) or "none"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _value(text: str) -> str:
    return cut(visible(one_line(text)), _VALUE_LENGTH)


def _said(text: str, length: int = _SAID_LENGTH) -> str:
    return cut(visible(one_line(text)), length)
