"""The program with one rule broken, and the check that must fail then: proof that the checks can fail.

`MUTANTS` is the table. `python -m tests.campaign mutants` plays every check with its rule broken and with all whole.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import multiprocessing
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import requests

import clients.hiding
import clients.http
import decisions.evidence
import decisions.kept
import decisions.status
import engine.carrying_out
import engine.reading
import engine.run
import engine.telling
import state
import sync_logic
from clients.airtable import AirtableClient
from clients.clickup import ClickUpClient, Key, _Given
from clients.errors import InvalidRequest, NotFound, ServiceError
from clients.http import Http
from clients.pacing import ClickUpPacer
from decisions.rules import Rules
from decisions.status import Settled
from engine.carrying_out import CarryingOut
from engine.reading import Reading
from models import Announce, AnnouncedLeadWrite, Link, Task, TaskPage, UpdateLead, UpdateTask
from state import Lock, State
from status_map import StatusMap, fold
from tests import test_late_listings, test_meanwhile, test_named
from tests.campaign.kills import Totals
from tests.campaign.wire import DirectScene
from tests.scene import Scene

Patch = contextlib.AbstractContextManager[object]


@dataclass(frozen=True)
class Mutant:
    """One rule broken. `caught_by` is a test, as pytest names it; `arguments` are those of its parameters."""

    name: str
    breaks: str
    caught_by: str
    patch: Callable[[], Patch]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} ({self.caught_by})"


# --- the rules, broken ------------------------------------------------------------------------------------------------


def _base_first() -> Patch:
    announce = CarryingOut._announce_update

    def announced(self: CarryingOut, update: UpdateTask) -> None:
        announce(self, update)
        link = dataclasses.replace(self._links[update.record_id], base=(update.lead_status, update.status or ""))
        self._state.settle(links=(link,))

    return mock.patch.object(CarryingOut, "_announce_update", announced)


def _nothing(*_: object, **__: object) -> None:
    return None


def _create_without_marker() -> Patch:
    def create(
        self: ClickUpClient, *, name: str, description: str, status: str, marker: str, announce: Announce
    ) -> Task:
        body = {"name": name, "description": description, "status": status}
        path = f"{self._list}/task"
        return self.http.fetch(
            "POST", path, lambda answer: self._task(answer.body), body=body, replayable=False, announce=announce
        )

    return mock.patch.object(ClickUpClient, "create", create)


def _blind_retry() -> Patch:
    fetch = Http.fetch

    def replayed(self: Http, method: str, path: str, read: Any, **more: Any) -> Any:
        return fetch(self, method, path, read, **{**more, "replayable": True})

    return mock.patch.object(Http, "fetch", replayed)


def _in_doubt_from_the_first_attempt() -> Patch:
    announce = State.announce_lead_writes

    def announced(self: State, writes: Iterable[AnnouncedLeadWrite]) -> None:
        announce(self, [dataclasses.replace(each, last_sent=each.sent) for each in writes])

    return mock.patch.object(State, "announce_lead_writes", announced)


def _nothing_unfinished() -> Patch:
    end_run = State.end_run

    def ended(self: State, *, unfinished: object, **more: Any) -> None:
        end_run(self, unfinished=(), **more)

    return mock.patch.object(State, "end_run", ended)


def _partial_run_counts_as_whole() -> Patch:
    record = engine.run._Run._record

    def recorded(self: engine.run._Run, *details: Any, **more: Any) -> None:
        self._partial = False
        record(self, *details, **more)

    return mock.patch.object(engine.run._Run, "_record", recorded)


def _phase_2_reads_again() -> Patch:
    """After Phase 1, whatever task is not as the links had it is taken for a person's change."""
    run = CarryingOut.run

    def twice(self: CarryingOut, *, before_creates: Callable[[], None]) -> None:
        bases: dict[str, Link] = {link.task_id: link for link in self._state.all_links().values()}
        run(self, before_creates=before_creates)
        _, tasks = self._reading.changed_meanwhile()
        for task in tasks.values():
            link, back = bases.get(task.id), self._settings.status_map.back(task.status)
            if link is None or link.base is None or back is None or fold(link.base[1]) == fold(task.status):
                continue
            self._links[link.record_id] = link
            self._cancelled.pop(link.record_id, None)
            self._update_leads((UpdateLead(link.record_id, task.id, task.status, back, None, False, "", ()),))

    return mock.patch.object(CarryingOut, "run", twice)


def _walked_by_page() -> Patch:
    def walk(self: ClickUpClient, key: Key, since: int, *, archived: bool = False) -> Iterator[TaskPage]:
        query = [*self._listing(archived), ("order_by", key), ("reverse", "true"), (f"date_{key}_gt", str(since))]
        first = True
        for page in self._pages(query, _Given()):
            yield TaskPage(page.rows, page.date, True)
            first = False
        if first:
            yield TaskPage((), self._tasks(query, 0).date, True)

    return mock.patch.object(ClickUpClient, "walk", walk)


def _no_doubt() -> Patch:
    rules = engine.run._rules

    def certain(*details: Any) -> Rules:
        return dataclasses.replace(rules(*details), doubt_ms=0)

    return mock.patch.object(engine.run, "_rules", certain)


def _base_as_it_was(base: tuple[str, str] | None, *_: object, **__: object) -> Any:
    return Settled(base)


def _links_as_they_were(link: Link, *_: object) -> Link:
    return link


def _no(*_: object) -> bool:
    return False


def _noted_at_the_beginning() -> Patch:
    """Values that are not none are kept without that note."""
    set_all = State._set_all

    def plain(self: State, values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            self._set(name, value)
        if not values:
            set_all(self, values)

    return mock.patch.object(State, "_set_all", plain)


def _all_asked_for(reading: Reading) -> frozenset[str]:
    return frozenset(reading.tasks)


def _left_out_counts_as_shown() -> Patch:
    unproven = Reading._unproven

    def believed(self: Reading, why: str) -> None:
        if "leaves out task" not in why:
            unproven(self, why)

    return mock.patch.object(Reading, "_unproven", believed)


def _batches_fail_whole() -> Patch:
    update = AirtableClient.update

    def updated(self: AirtableClient, changes: Any, **more: Any) -> Any:
        try:
            return update(self, changes, **more)
        except (InvalidRequest, NotFound) as refusal:
            raise ServiceError(
                str(refusal), service="airtable", method="PATCH", path="", status=422, code="", attempts=1
            ) from refusal

    return mock.patch.object(AirtableClient, "update", updated)


def _redirects_followed() -> Patch:
    class Following(requests.Session):
        def request(self, *details: Any, **more: Any) -> requests.Response:
            return super().request(*details, **{**more, "allow_redirects": True})

    return mock.patch.object(clients.http, "_Session", Following)


def _replaced(where: object, name: str, by: object) -> Callable[[], Patch]:
    return functools.partial(mock.patch.object, where, name, by)


MUTANTS = (
    Mutant(
        "base first",
        "the base is recorded before the write has had its effect",
        "tests/test_taken_back.py::test_a_leads_status_survives_a_run_that_died_before_it_was_carried_over",
        _base_first,
    ),
    Mutant(
        "task writes not announced",
        "a status is written to a task without being announced in the state",
        "tests/test_taken_back.py::test_a_status_taken_back_after_a_run_died_is_taken_back_on_the_task",
        _replaced(State, "announce_task_write", _nothing),
    ),
    Mutant(
        "lead writes not announced",
        "a status is written to a lead without being announced in the state",
        "tests/test_taken_back.py::test_a_task_put_back_after_a_run_died_puts_its_lead_back",
        _replaced(State, "announce_lead_writes", _nothing),
    ),
    Mutant(
        "echo on a task not recognised",
        "a task status that was announced is not known as ours when it is read",
        "tests/test_taken_back.py::test_a_status_taken_back_after_a_run_died_is_taken_back_on_the_task",
        _replaced(decisions.status, "settle_task_write", _base_as_it_was),
    ),
    Mutant(
        "echo on a lead not recognised",
        "a lead status that was announced is not known as ours when it is read",
        "tests/test_taken_back.py::test_a_task_put_back_after_a_run_died_puts_its_lead_back",
        _replaced(decisions.status, "settle_lead_write", _base_as_it_was),
    ),
    Mutant(
        "echo of texts not recognised",
        "a name that was announced and has arrived does not count as brought",
        "tests/test_taken_back.py::test_a_name_that_is_taken_back_after_a_run_died_is_taken_back_on_the_task",
        _replaced(sync_logic, "with_texts_that_arrived", _links_as_they_were),
    ),
    Mutant(
        "no marker in the create",
        "the record id is not part of the request that makes the task",
        "tests/test_link_table.py::test_a_lost_answer_to_a_create_makes_no_second_task",
        _create_without_marker,
    ),
    Mutant(
        "blind retry",
        "a create whose outcome is unknown is sent again",
        "tests/test_link_table.py::test_a_lost_answer_to_a_create_makes_no_second_task",
        _blind_retry,
    ),
    Mutant(
        "creates announced to nobody",
        "a create is sent without being announced in the state",
        "tests/test_link_table.py::test_a_lost_create_is_certain_only_after_the_time_of_doubt",
        _replaced(State, "announce_create", _nothing),
    ),
    Mutant(
        "markers announced to nobody",
        "a task linked by hand gets its marker without that being announced in the state",
        "tests/test_one_task.py::"
        "test_a_task_linked_by_hand_that_no_poll_shows_is_not_forgotten_with_the_answer_to_its_marker",
        _replaced(CarryingOut, "_announce_marker", _nothing),
        {"trouble": "death", "put": "archived"},
    ),
    Mutant(
        "no time of doubt",
        "a task that is not found at once counts as not created",
        "tests/test_link_table.py::test_a_lost_create_is_certain_only_after_the_time_of_doubt",
        _no_doubt,
    ),
    Mutant(
        "no time of doubt with a new state",
        "without a state file, creates begin at once although an earlier run may have died in mid-create",
        "tests/test_sync.py::test_without_a_state_file_creates_wait_out_the_time_of_doubt_once",
        _replaced(engine.run._Run, "_settle_creates", _nothing),
    ),
    Mutant(
        "a lost state unnoticed",
        "a state file that is gone, though an earlier run left its lock, counts as a first run",
        "tests/test_taken_back.py::test_a_state_lost_right_after_the_very_first_create_makes_no_second_task",
        _replaced(Reading, "traces", _no),
    ),
    Mutant(
        "an older state used",
        "a state file that does not know of the last run is used",
        "tests/test_state_file.py::test_a_state_from_a_backup_is_told_and_what_disagrees_is_named",
        _replaced(Lock, "last_turn", lambda *_: 0),
        {"cure": "delete"},
    ),
    Mutant(
        "another's log worked in",
        "the -wal file that a killed run left is used with whatever state file stands beside it",
        "tests/test_state_file.py::"
        "test_a_backup_put_in_the_place_of_a_killed_runs_state_is_told_though_that_runs_log_lies_beside_it",
        _replaced(state, "_refuse_wal_of_another", _nothing),
        {"cure": "delete"},
    ),
    Mutant(
        "where the file stands noted once",
        "which turn stands in the state file alone is noted at the beginning of a run only",
        "tests/test_state_file.py::"
        "test_a_backup_of_exactly_the_run_before_is_told_beside_a_log_that_was_worked_in_in_mid_run",
        _noted_at_the_beginning,
    ),
    Mutant(
        "no checksums",
        "a row of the state with a changed value is believed",
        "tests/test_state_file.py::test_a_changed_value_in_any_row_that_decides_something_is_told",
        _replaced(state, "_seal_of", lambda *_: ""),
        {"table": "announced_creates"},
    ),
    Mutant(
        "a deleted task remembered as there",
        "it is not remembered that a task was deleted, so that later runs take its lead for linked",
        "tests/test_one_task.py::"
        "test_a_lead_whose_task_was_deleted_is_not_forgotten_when_its_new_one_is_not_made_at_once",
        _replaced(sync_logic, "DELETED", ""),
        {"when": "after", "edited": False},
    ),
    Mutant(
        "an unread task forgotten",
        "a task that bears a lead's marker is forgotten while it cannot be read",
        "tests/test_one_task.py::"
        "test_a_task_that_was_seen_to_bear_a_leads_marker_is_not_forgotten_while_it_cannot_be_seen",
        _replaced(Reading, "told_of", _all_asked_for),
        {"hidden": "unread"},
    ),
    Mutant(
        "a status seen and forgotten",
        "a lead's status that a run saw and did not carry over is forgotten once it is put back",
        "tests/test_taken_back.py::test_a_status_that_a_run_saw_and_did_not_carry_over_is_not_put_back_unsaid",
        _replaced(sync_logic, "as_shown", _links_as_they_were),
        {"why": "phase 2 alone"},
    ),
    Mutant(
        "watermark past a failed record",
        "what failed is forgotten, and the watermark passes it",
        "tests/test_taken_back.py::test_what_fails_is_tried_again_however_often_it_fails",
        _nothing_unfinished,
    ),
    Mutant(
        "watermark moved by a partial run",
        "a run of some records moves the watermark past all others",
        "tests/test_taken_back.py::test_runs_of_one_lead_hide_no_edit_of_another",
        _partial_run_counts_as_whole,
    ),
    Mutant(
        "Phase 2 reads again",
        "Phase 2 decides from a reading that was made after Phase 1's writes",
        "tests/test_taken_back.py::test_a_row_marked_lost_stays_lost_when_its_task_is_completed_for_it",
        _phase_2_reads_again,
    ),
    Mutant(
        "an older listing of a task believed",
        "a task that a listing shows as it was before our own write is taken to have been changed back",
        "tests/test_late_listings.py::test_a_leads_status_just_carried_to_its_task_is_not_taken_back",
        _replaced(Reading, "_forget_late_rows", _nothing),
        {"lag": test_late_listings.clickup, "flags": ("--full",)},
    ),
    Mutant(
        "an older listing of a lead believed",
        "a lead that a listing shows as it was before our own write is taken to have been changed back",
        "tests/test_late_listings.py::test_a_tasks_status_just_carried_to_its_lead_is_not_taken_back",
        _replaced(decisions.evidence, "_differs_from_our_write", _no),
        {"lag": test_late_listings.airtable, "flags": ("--full",)},
    ),
    Mutant(
        "an unanswered write forgotten before it is made again",
        "a write without an answer is announced no more once it is to be made again, whether or not it then is",
        "tests/test_late_listings.py::"
        "test_a_lead_write_that_shows_only_after_a_run_that_did_not_repeat_it_is_still_known_as_ours",
        _replaced(sync_logic, "lead_write_may_arrive", _no),
    ),
    Mutant(
        "an unanswered write of a task forgotten before it is made again",
        "an unanswered write of a task is announced no more once it is to be made again",
        "tests/test_late_listings.py::test_texts_that_show_only_after_a_run_that_did_not_repeat_them_are_known_as_ours",
        _replaced(sync_logic, "task_write_may_arrive", _no),
    ),
    Mutant(
        "doubt from the first attempt",
        "a write of several attempts is in doubt from the first of them on, not from the last",
        "tests/test_late_listings.py::test_a_lead_write_is_as_late_as_its_last_attempt",
        _in_doubt_from_the_first_attempt,
    ),
    Mutant(
        "one service's time believed alone",
        "a time that both the other service and this machine contradict moves the watermark",
        "tests/test_hostile_services.py::test_one_date_an_hour_ahead_hides_no_later_change",
        _replaced(engine.reading, "_not_ahead", lambda date, *_: date),
        {"service": "clickup"},
    ),
    Mutant(
        "an unanswered write of a task forgotten",
        "a task that may be shown as it was before a write without an answer counts as not written",
        "tests/test_late_listings.py::test_a_lead_put_back_right_after_a_run_died_behind_its_write_stays_put_back",
        _replaced(sync_logic, "task_may_be_older", _no),
        {"lag": test_late_listings.clickup_by_id_too, "flags": ("--full",)},
    ),
    Mutant(
        "an unanswered write of a lead forgotten",
        "a lead that may be shown as it was before a write without an answer counts as not written",
        "tests/test_late_listings.py::test_a_task_put_back_right_after_a_run_died_behind_its_write_stays_put_back",
        _replaced(sync_logic, "lead_may_be_older", _no),
        {"lag": test_late_listings.airtable, "flags": ("--full",)},
    ),
    Mutant(
        "taken for ours in silence",
        "a status that equals one of a write without an answer is written over without a word",
        "tests/test_unknown_outcomes.py::test_a_status_typed_as_one_that_got_no_answer_and_written_over_is_named",
        _replaced(sync_logic, "_report_taken_for_ours", _nothing),
        {"when": "before"},
    ),
    Mutant(
        "put back behind an attempt",
        "between two attempts of one write, a task that is as it was read counts as untouched",
        "tests/test_meanwhile.py::"
        "test_what_people_put_back_between_two_attempts_of_one_write_is_not_overwritten_in_silence",
        _replaced(engine.carrying_out, "CLOCK_MARGIN_MS", 10**15),
        {"put_back": test_meanwhile.put_back_status, "fault": "hang", "seconds": 20},
    ),
    Mutant(
        "listings of the moment of their answer",
        "what changed since a listing is asked for from its answer's time on, however long that took",
        "tests/test_meanwhile.py::test_a_lead_linked_by_hand_while_a_listing_took_long_gets_no_second_task",
        _replaced(Reading, "_took_since", lambda *_: 0.0),
    ),
    Mutant(
        "deleted tasks all asked for",
        "each task that is known to be deleted is read in every run",
        "tests/test_budgets_and_views.py::"
        "test_leads_whose_tasks_were_deleted_take_few_requests_of_a_run_and_keep_no_other_waiting",
        _replaced(engine.run, "_DELETED_AT_ONCE", 10_000),
        {"lost": False},
    ),
    Mutant(
        "agreement not seen first",
        "the row of agreement is not the first that decides",
        "tests/test_status_table.py::test_sides_that_agree_are_not_written_to",
        _replaced(StatusMap, "agree", _no),
    ),
    Mutant(
        "listings walked by page",
        "ClickUp's listings are walked by page, so that a task that vanishes hides another",
        "tests/test_taken_back.py::test_a_task_deleted_between_two_pages_hides_no_other_from_a_run_that_must_know_all",
        _walked_by_page,
    ),
    Mutant(
        "a short listing believed",
        "a listing that leaves out known tasks, or all of them, counts as complete",
        "tests/test_taken_back.py::test_a_listing_that_leaves_out_a_known_task_is_no_ground_for_a_create",
        _replaced(Reading, "_unproven", _nothing),
    ),
    Mutant(
        "an empty listing believed",
        "a listing of no task at all counts as complete, though linked tasks cannot be read",
        "tests/test_gaps.py::test_an_empty_listing_is_not_believed_while_linked_tasks_cannot_be_read",
        _replaced(Reading, "_doubt_an_empty_listing", _nothing),
        {"why": "hidden"},
    ),
    Mutant(
        "a task left out of a listing unnoticed",
        "a listing counts as complete though a task that is read by its id should have been on it",
        "tests/test_gaps.py::test_a_named_task_that_a_full_listing_leaves_out_proves_it_short",
        _left_out_counts_as_shown,
    ),
    Mutant(
        "statuses written on old readings",
        "a status is written on a reading of up to a minute, not of ten seconds",
        "tests/test_campaign_races.py::test_a_lead_set_seconds_before_our_write_of_its_status_is_not_overwritten_in_silence",
        _replaced(engine.carrying_out, "UPDATE_AGE_SECONDS", 60),
    ),
    Mutant(
        "tasks of undecided leads unseen",
        "what is read of a task is forgotten while nothing can be decided about its lead",
        "tests/test_undecided.py::test_what_people_did_to_a_task_while_its_leads_cell_was_wrong_is_not_forgotten",
        _replaced(sync_logic, "_observe_others", _nothing),
        {"why": "no id", "flags": ()},
    ),
    Mutant(
        "older tasks taken for a lost create's",
        "a task that a person made before a create was sent counts as that create's, and its texts as ours",
        "tests/test_undecided.py::test_a_task_made_by_hand_before_a_create_in_doubt_keeps_its_texts_and_it_is_told",
        _replaced(decisions.kept, "_CREATED_MARGIN_MS", 10**15),
    ),
    Mutant(
        "a time for another status",
        "since when a task has its status counts though the task was read in another",
        "tests/test_evidence.py::test_a_task_moved_while_it_is_asked_since_when_it_has_its_status_takes_no_lead_back",
        _replaced(Reading, "_shows", lambda *_: True),
        {"set_to": "LOST", "also": "complete"},
    ),
    Mutant(
        "what was seen once forgotten",
        "what one run saw, and a later one wrote and died, is told by none",
        "tests/test_named.py::test_what_one_run_saw_is_named_though_the_one_that_carries_it_out_gets_no_answer",
        _replaced(engine.telling, "_due", lambda *_: []),
        {"seen": test_named.came_back, "first": "429s", "then": "killed"},
    ),
    Mutant(
        "restores without end",
        "a task is put back as often as somebody's automation moves it",
        "tests/test_limits_of_plans.py::test_a_rule_that_always_moves_a_task_back_is_given_up_and_named",
        _replaced(decisions.status, "MOST_RESTORES", 10**9),
    ),
    Mutant(
        "no brake",
        "a run that would change most statuses goes on",
        "tests/test_sync.py::test_a_run_that_would_change_most_statuses_stops_before_the_first_write",
        _replaced(engine.run, "brakes", _no),
    ),
    Mutant(
        "polls that leave out too much",
        "the polls of a long backfill leave out leads whose turn is still to come",
        "tests/test_campaign_races.py::test_a_lead_linked_by_hand_long_before_its_turn_gets_no_task_of_ours",
        _replaced(CarryingOut, "_oldest_pending", lambda _: 4e9),
    ),
    Mutant(
        "a refused ten fails whole",
        "a batch that Airtable refuses is not sent again one by one",
        "tests/test_sync.py::test_bad_records_are_named_the_rest_is_synced_and_the_next_run_tries_them_again",
        _batches_fail_whole,
    ),
    Mutant(
        "nothing left for others",
        "another program with the same token gets only what the sync has no use for",
        "tests/test_clients_pacing.py::test_a_program_that_shares_the_token_gets_what_it_needs_once_its_pace_is_known",
        _replaced(ClickUpPacer, "_beside_others", lambda _, window, *__: window.left - 2),
        {"limit": 100, "share": 0.3, "threads": 64},
    ),
    Mutant(
        "redirects followed",
        "a redirect is followed, with the token",
        "tests/test_hostile_services.py::test_no_redirect_is_followed_and_no_token_goes_to_another_host",
        _redirects_followed,
        {"service": "clickup", "status": 307},
    ),
    Mutant(
        "tokens hidden as they are only",
        "a token that an answer spells with JSON's escapes is shown and passed on",
        "tests/test_secrets.py::test_a_token_spelled_with_the_escapes_of_json_goes_no_further",
        _replaced(clients.hiding, "_MAY_SPELL", re.compile(rb"(?!)")),
        {"escaped": "{:04x}"},
    ),
)


# --- checking ---------------------------------------------------------------------------------------------------------


def failure_of(mutant: Mutant, *, broken: bool) -> str:
    """What the mutant's check says, with its rule broken or whole; "" where it passes."""
    path, name = mutant.caught_by.split("::")
    test = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        arguments = {**mutant.arguments, **_fixtures(inspect.signature(test).parameters, Path(folder), stack)}
        if broken:
            stack.enter_context(mutant.patch())
        try:
            test(**arguments)
        except AssertionError as failure:
            return str(failure) or "a bare assertion"
    return ""


def _fixtures(wanted: Iterable[str], folder: Path, stack: contextlib.ExitStack) -> dict[str, object]:
    """The fixtures of the tests above, by their names."""
    made: dict[str, object] = {}
    if "tmp_path" in wanted:
        made["tmp_path"] = folder
    if "scene" in wanted:
        made["scene"] = scene = Scene(folder, clickup_limit=1000)
        stack.callback(scene.sandbox.close)
    if "direct" in wanted:
        made["direct"] = DirectScene()
    return made


def _verdict(number: int) -> str:
    mutant = MUTANTS[number]
    said = failure_of(mutant, broken=False)
    if said:
        return f"{mutant}: fails with all rules whole: {said}"
    return "" if failure_of(mutant, broken=True) else f"{mutant}: was not caught"


def whole(workers: int, seed: int) -> Totals:
    """Every mutant: its check passes without it and fails with it."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        verdicts = pool.map(_verdict, range(len(MUTANTS)), chunksize=1)
    return Totals(len(MUTANTS), [verdict for verdict in verdicts if verdict])


def table() -> str:
    """The mutants as a Markdown table."""
    rows = [f"| {each.breaks} | `{each.caught_by.split('::')[1]}` |" for each in MUTANTS]
    return "\n".join(("| broken rule | caught by |", "|---|---|", *rows))
