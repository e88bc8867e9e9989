"""Dangers that were once real, each held at bay by one test through the front door."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clients import clickup
from clients.errors import ApiError
from clients.http import Http
from clients.pacing import ClickUpPacer
from engine.carrying_out import CarryingOut
from engine.run import _Run
from sandbox.faults import Fault
from sandbox.wire import Answer, Clock, Request
from state import State
from tests.scene import START, Run, Scene

IDLE = ["airtable list_records_post", "clickup list_tasks"]
ELSEWHERE = ["archived", "moved"]


class Killed(BaseException):
    """The process dies here."""


class Waits(Clock):
    """A standing clock that calls `during` once, in the first wait of more than 20 s. All other waits wait for it."""

    def __init__(self) -> None:
        super().__init__(START)
        self.during: Callable[[], object] | None = None
        self.waits = 0
        self._one_at_a_time = threading.Lock()

    def wait(self, seconds: float, wake: threading.Event) -> bool:
        with self._one_at_a_time:
            self.waits += 1
            assert self.waits < 1_000, "it spins"
            if seconds > 20 and self.during is not None:
                during, self.during = self.during, None
                during()
        return super().wait(seconds, wake)


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Scene]:
    """Both services with room for thousands of requests a minute."""
    with contextlib.closing(Scene(tmp_path, clickup_limit=100_000)) as made:
        yield made


def run_killed_at(scene: Scene, where: type[object], method: str) -> None:
    """A run whose process dies as it comes to a method."""

    def die(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, method, die)
        with pytest.raises(Killed):
            scene.run()
    scene.later()


def links(scene: Scene) -> dict[str, str]:
    """Leads and their tasks, as the state remembers them."""
    with contextlib.closing(State.open(scene.state_file)) as state:
        return {record_id: link.task_id for record_id, link in state.all_links().items()}


def put_elsewhere(scene: Scene, task: str, where: str) -> None:
    if where == "archived":
        scene.clickup.archive(task)
    else:
        scene.clickup.move(task, scene.clickup.second_list_id)
    scene.later()


def fail_always(scene: Scene, route: str, when: str = "before") -> None:
    scene.sandbox.faults.add("reset", when=when, route=route, times=1_000)


def run_and_clear(scene: Scene, **settings: str) -> Run:
    """A run, after which the services are well again and time passes."""
    run = scene.run(**settings)
    scene.sandbox.faults.clear()
    scene.later()
    return run


# --- writes whose outcome is unknown ----------------------------------------------------------------------------------


def test_a_doubtful_write_ends_where_clickup_wins(scene: Scene) -> None:
    """Danger: the announcement of a write that never arrived outlives its conflict and makes the next edit another."""
    scene.settings["CONFLICT_WINNER"] = "clickup"
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    fail_always(scene, "update_task")
    assert run_and_clear(scene).code == 1
    scene.clickup.rename(task, "touched for another reason")
    scene.later()
    assert scene.run().report["conflicts"][0]["winner"] == "clickup"
    assert (scene.status(lead), scene.task_status(task)) == ("CONTACTED", "in progress")
    scene.quiet()
    assert sorted(scene.quiet().requests) == IDLE
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    assert scene.run().report["conflicts"] == []
    assert scene.task_status(task) == "complete"


def test_a_doubtful_write_ends_where_both_sides_agree(scene: Scene) -> None:
    """Danger: the announcement is never settled, and every run from then on asks for its pair again."""
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    fail_always(scene, "update_task")
    assert run_and_clear(scene).code == 1
    scene.clickup.rename(task, "touched for another reason")
    scene.edit(lead, Status="CONTACTED")
    for _ in range(3):
        scene.later()
        scene.run()
    assert sorted(scene.quiet().requests) == IDLE


def test_a_change_between_two_attempts_of_one_update_is_kept_or_named(scene: Scene) -> None:
    """Danger: our first attempt arrived, a person answered to it, and the last attempt makes that look older."""
    lead, task = scene.pair("QUALIFIED")
    scene.edit(lead, Status="CONTACTED")
    fail_always(scene, "update_task")
    attempts: list[str] = []

    def between(request: Request) -> bool:
        if request.method == "PUT":
            attempts.append(task)
            if len(attempts) == 2:
                scene.clock.advance(5)
                scene.clickup.set_status(task, "in progress")
                scene.clock.advance(1)
                scene.clickup.set_status(task, "complete")
        return False

    scene.sandbox.faults.before(between, lambda: None)
    run_and_clear(scene)
    assert len(attempts) > 2
    assert scene.task_status(task) == "complete"
    run = scene.run()
    assert (scene.status(lead), scene.task_status(task)) == ("QUALIFIED", "complete") or run.report["conflicts"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_details_whose_answer_was_lost_are_ours_whatever_ends_their_lines(scene: Scene, end: str) -> None:
    """Danger: our own description, read back with other line ends, is taken for a person's and never updated again."""
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes"
    lead, task = scene.pair("NEW", Notes=f"one{end}two")
    scene.edit(lead, Notes=f"three{end}four")
    fail_always(scene, "update_task", when="after")
    run_and_clear(scene)
    scene.run()
    scene.later()
    scene.edit(lead, Notes="five")
    scene.run()
    assert "five" in scene.clickup.task(task)["description"]


# --- what people do while, before or after a run ----------------------------------------------------------------------


def test_a_reading_that_grew_old_while_a_request_waited_for_its_turn_undoes_no_edit_unnamed(tmp_path: Path) -> None:
    """Danger: the age is checked before the wait for the rate limit, and the write comes a minute after the check."""
    clock = Waits()
    with contextlib.closing(Scene(tmp_path, clickup_limit=1_000, clock=clock)) as scene:
        leads = [scene.lead("NEW", f"Lead {number}") for number in range(130)]
        assert scene.run().code == 0
        scene.quiet()
        scene.later()
        for lead in leads:
            scene.edit(lead, Name="changed", Status="CONTACTED")
        scene.clickup.limit = 100
        touched: list[str] = []

        def people_at_work() -> None:
            clock.advance(1)
            for lead in leads:
                task = scene.named_by(lead)
                if scene.task_status(task) == "to do":
                    scene.clickup.set_status(task, "complete")
                    touched.append(lead)

        clock.waits, clock.during = 0, people_at_work
        scene.run("--force")
        assert touched, "the run was to wait for its turn"
        undone = {lead for lead in touched if scene.task_status(scene.named_by(lead)) == "in progress"}
        scene.later()
        named = {conflict["record_id"] for conflict in scene.run().report["conflicts"]}
        assert not undone - named


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_change_on_a_task_known_to_live_elsewhere_is_read_before_it_is_decided(scene: Scene, where: str) -> None:
    """Danger: no poll shows such a task, so it counts as it was last seen, and a person's status is overwritten."""
    lead, task = scene.pair("NEW")
    put_elsewhere(scene, task, where)
    run = scene.run("--full")
    assert (run.code, "still followed" in run.told(lead)) == (0, True)
    scene.later()
    scene.clickup.set_status(task, "complete")
    scene.quiet()
    scene.later()
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    run = scene.run()
    assert [conflict["clickup"] for conflict in run.report["conflicts"]] == ["complete"]


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_write_to_a_task_that_had_moved_unseen_is_named(scene: Scene, where: str) -> None:
    """Danger: a task moved since the last full run is in no poll; what a person set there is overwritten in silence."""
    lead, task = scene.pair("NEW")
    put_elsewhere(scene, task, where)
    scene.clickup.set_status(task, "complete")
    scene.quiet()
    scene.later()
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    run = scene.run()
    assert scene.task_status(task) == "in progress"
    assert "the task had meanwhile been moved" in run.told(lead)


def test_a_description_that_a_person_emptied_stays_empty(scene: Scene) -> None:
    """Danger: an empty description is taken for one that nobody wrote."""
    lead, task = scene.pair("NEW", Email="old@example.com")
    scene.clickup.describe(task, "")
    scene.edit(lead, Email="new@example.com")
    assert "theirs stays" in scene.run().told(lead)
    assert scene.clickup.task(task)["description"] == ""


def test_a_blank_lead_whose_task_went_to_a_status_without_a_way_back_keeps_quiet(scene: Scene) -> None:
    """Danger: there is nothing to write, yet each run finds the pair changed."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status=None)
    scene.clickup.set_status(task, "to do")
    assert scene.quiet().code == 0
    assert scene.quiet().code == 0


def test_a_name_with_outer_spaces_is_no_change(scene: Scene) -> None:
    """Danger: ClickUp and Airtable differ about outer spaces, and every run renames the task."""
    scene.pair("NEW", name="  Ada  ")
    assert scene.quiet().code == 0
    assert scene.quiet("--full").code == 0


# --- conflicts are named, whatever comes in between -------------------------------------------------------------------


def test_a_conflict_is_named_though_a_later_reading_fails(scene: Scene) -> None:
    """Danger: a reading after the write fails, the run ends, and the status that it undid is never named."""
    scene.clickup.plan = "free"
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    scene.lead("NEW", "new one")
    scene.later()
    scene.state_file.unlink()
    scene.sandbox.faults.after("update_task", lambda: scene.sandbox.faults.add("500", route="list_tasks", times=1_000))
    run = scene.run()
    assert (run.code, scene.task_status(task)) == (1, "in progress")
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]


def test_a_conflict_is_named_by_the_next_run_where_the_one_that_decided_it_died(scene: Scene) -> None:
    """Danger: the write is done, the process dies before its report, and nobody ever hears what was undone."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(task, "complete")
    run_killed_at(scene, _Run, "_ending")
    assert scene.task_status(task) == "in progress"
    told = scene.run().told(lead)
    assert "in a run that was cut off" in told
    assert "'complete'" in told
    scene.later()
    assert scene.run().told(lead) == ""


def test_phase_2_alone_names_no_conflict_that_phase_1_would_decide(scene: Scene) -> None:
    """Danger: a conflict is reported as decided by a run that wrote nothing."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(task, "complete")
    run = scene.run("--phase", "2")
    assert (run.writes, run.report["conflicts"]) == ([], [])


def test_an_id_that_is_replaced_in_a_cell_is_named(scene: Scene) -> None:
    """Danger: what stood in the Task ID cell of a copied row is overwritten without a word."""
    lead, task = scene.pair("CONTACTED")
    copy = scene.airtable.duplicate(lead)
    run = scene.run()
    assert scene.named_by(copy) not in ("", task)
    assert task in run.told(copy)


def test_an_id_cut_from_one_lead_and_pasted_to_another_is_followed_or_named(scene: Scene) -> None:
    """Danger: the marker gives the task back to the first lead, and the second's typed id vanishes unnamed."""
    one, task = scene.pair("NEW", name="one")
    two, deleted = scene.pair("NEW", name="two")
    scene.clickup.delete(deleted)
    scene.set_cell(one, None)
    scene.set_cell(two, task)
    scene.later()
    first = scene.run()
    scene.later()
    second = scene.run()
    assert "mistyped or swapped" in first.reasons()[two]
    assert task in second.told(two)
    assert scene.named_by(two) != deleted


# --- at most one task a lead ------------------------------------------------------------------------------------------


def test_two_leads_that_name_one_task_of_another_list_are_never_both_linked(scene: Scene) -> None:
    """Danger: a task of another List has no marker to set, so each of two leads gets linked to it."""
    lead, task = scene.pair("NEW", name="one")
    scene.clickup.move(task, scene.clickup.second_list_id)
    scene.clickup.set_marker(task, "")
    scene.later()
    other = scene.lead("CONTACTED", "two")
    scene.set_cell(other, task)
    scene.edit(lead, Status="LOST")
    scene.later()
    run = scene.run("--full")
    assert (run.code, list(run.reasons())) == (1, [other])


def test_a_dropped_marker_and_lost_write_backs_make_no_second_task(scene: Scene) -> None:
    """Danger: neither the lead nor the task names the other, and the state alone knows of the create."""
    lead = scene.lead("NEW")
    scene.clickup.drop_fields = True
    scene.sandbox.faults.add("500", route="set_field", times=100)
    scene.sandbox.faults.add("500", service="airtable", route="update_records", times=100)
    run_and_clear(scene)
    scene.clickup.drop_fields = False
    (task,) = scene.clickup.tasks()
    for _ in range(3):
        scene.run()
        scene.later()
    assert list(scene.clickup.tasks()) == [task]
    scene.assert_linked(lead, task)


def test_a_death_between_a_create_and_the_marker_that_it_dropped_makes_no_second_task(scene: Scene) -> None:
    """Danger: kill -9 right after the create was recorded, with the marker dropped and nothing written back."""
    scene.lead("NEW")
    scene.clickup.drop_fields = True
    run_killed_at(scene, CarryingOut, "_mend_marker")
    scene.clickup.drop_fields = False
    for _ in range(3):
        scene.run()
        scene.later()
    assert len(scene.clickup.tasks()) == 1
    scene.assert_in_step()


def test_a_lead_renamed_between_its_lost_create_and_the_adoption_brings_its_new_name(scene: Scene) -> None:
    """Danger: the adopted task counts as carrying the name of today instead of that of its create."""
    scene.pair("NEW", name="other")
    lead = scene.lead("NEW", "Ada")
    scene.clickup.hide_new_for = 30
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    scene.run()
    scene.edit(lead, Name="Ada Lovelace", Email="ada@example.com")
    for _ in range(2):
        scene.later(60)
        scene.run()
    task = scene.clickup.task(scene.named_by(lead))
    assert task["name"] == "Ada Lovelace"
    assert "ada@example.com" in task["description"]


def test_a_row_deleted_after_its_lost_create_and_restored_gets_no_second_task(scene: Scene) -> None:
    """Danger: the announced create is forgotten with the row, and its task shows only after the row is back."""
    scene.pair("NEW", name="other")
    lead = scene.lead("NEW", "undone")
    scene.clickup.hide_new_for = 100
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    scene.run()
    scene.airtable.delete(lead)
    scene.run()
    scene.airtable.restore(lead)
    scene.edit(lead, Name="undone again")
    scene.run()
    scene.later(200)
    scene.run()
    assert len(scene.clickup.by_marker(lead)) == 1


@pytest.mark.parametrize("gone", ["private", "unread"])
def test_a_second_task_that_cannot_be_read_is_still_one_of_the_lead(
    scene: Scene, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the lead's first task was deleted, its copy cannot be read now, and the lead gets a third."""
    scene.pair("NEW", name="other")
    lead, task = scene.pair("NEW")
    copy = scene.clickup.duplicate(task)
    scene.later()
    scene.run()
    scene.later()
    scene.clickup.delete(task)
    scene.set_cell(lead, None)
    if gone == "private":
        scene.clickup.make_private(copy)
    else:
        match = scene.sandbox.faults.match
        monkeypatch.setattr(
            scene.sandbox.faults,
            "match",
            lambda request, route: Fault("500") if request.path[-1] == copy else match(request, route),
        )
    scene.later()
    run = scene.run()
    assert run.report["phase_1"]["created"] == 0
    assert lead in run.reasons()


def test_a_task_left_behind_by_a_new_link_is_taken_up_again_instead_of_a_third(scene: Scene) -> None:
    """Danger: with the new link the state forgets the task that still bears the lead's marker."""
    lead, first = scene.pair("NEW")
    second = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, second)
    scene.later()
    assert scene.run().code == 0
    assert scene.clickup.by_marker(lead) == [first, second]
    scene.later()
    scene.run()
    scene.later()
    scene.clickup.delete(second)
    scene.set_cell(lead, None)
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 0
    assert scene.named_by(lead) == first


def test_a_short_listing_is_noticed_with_more_named_tasks_than_are_read(large: Scene) -> None:
    """Danger: state lost, ClickUp lists nothing, and a thousand named tasks are believed to be gone."""
    for number in range(1_050):
        large.lead("NEW", f"Lead {number}")
    assert large.run().code == 0
    large.later()
    large.state_file.unlink()
    large.clickup.hide_new_for = 1e9
    run = large.run()
    assert (run.code, run.writes) == (1, [])
    assert len(run.requests) < 100


def test_a_list_whose_tasks_were_all_moved_away_still_takes_new_ones(scene: Scene) -> None:
    """Danger: an empty listing is doubted for ever, although each linked task can be read elsewhere."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(25)]
    assert scene.run().code == 0
    scene.later()
    for lead in leads:
        scene.clickup.move(scene.named_by(lead), scene.clickup.second_list_id)
    scene.later()
    new = scene.lead("NEW", "new")
    for _ in range(3):
        scene.run("--full")
        scene.later()
    scene.assert_linked(new, scene.named_by(new))


def test_a_recreated_task_has_its_details(scene: Scene) -> None:
    """Danger: a linked lead is read without its description, and its new task gets none."""
    lead, task = scene.pair("CONTACTED", Email="ada@example.com")
    scene.clickup.delete(task)
    assert scene.run("--full", MISSING_TASK="recreate").report["phase_1"]["created"] == 1
    assert "ada@example.com" in scene.clickup.task(scene.named_by(lead))["description"]


def test_a_lead_whose_row_was_deleted_and_restored_keeps_its_task(scene: Scene) -> None:
    """Danger: the link is dropped with the row, and what was changed meanwhile is lost or a second task made."""
    lead, task = scene.pair("CONTACTED")
    scene.airtable.delete(lead)
    scene.later()
    scene.run("--full")
    scene.later()
    scene.clickup.set_status(task, "complete")
    scene.later()
    scene.run()
    scene.later()
    scene.airtable.restore(lead)
    scene.later()
    scene.run("--full")
    assert scene.status(lead) == "QUALIFIED"
    assert list(scene.clickup.tasks()) == [task]


def test_a_task_given_to_an_older_lead_starts_no_tug_of_war(scene: Scene) -> None:
    """Danger: two leads name one task without a marker, and each run gives it to the other."""
    old = scene.lead("LOST", "old")
    scene.later(10)
    assert scene.run().code == 0
    scene.later()
    young, task = scene.pair("NEW", name="young")
    scene.clickup.set_marker(task, "")
    scene.set_cell(old, task)
    scene.later()
    first = scene.run()
    assert first.code == 1
    assert young in first.reasons()
    scene.later()
    assert task in scene.run().told(young)
    for _ in range(3):
        scene.quiet()
    scene.assert_linked(young, scene.named_by(young))
    assert scene.named_by(old) == task


# --- some leads alone -------------------------------------------------------------------------------------------------


def test_only_takes_over_the_task_of_a_lead_that_is_gone(scene: Scene) -> None:
    """Danger: the state links one task to two leads, the old one and the heir."""
    old, task = scene.pair("NEW")
    scene.airtable.delete(old)
    lead = scene.lead("CONTACTED", "heir")
    scene.set_cell(lead, task)
    scene.clickup.rename(task, "renamed")
    scene.later()
    assert scene.run("--only", lead).code == 0
    assert links(scene) == {lead: task}


def test_only_after_marker_and_cell_were_moved_leaves_one_link(scene: Scene) -> None:
    """Danger: --only never reads the former owner, whose link stays beside the new one."""
    one, task = scene.pair("NEW", name="one")
    two = scene.lead("CONTACTED", "two")
    scene.clickup.set_marker(task, two)
    scene.clickup.set_status(task, "in progress")
    scene.set_cell(one, None)
    scene.set_cell(two, task)
    scene.later()
    assert scene.run("--only", two).code == 0
    assert links(scene) == {two: task}


def test_only_reads_the_leads_task_itself(scene: Scene) -> None:
    """Danger: a deleted task counts as it was last seen, and the run says that all is well."""
    lead, task = scene.pair("NEW")
    scene.clickup.delete(task)
    run = scene.run("--only", lead)
    assert (run.code, list(run.reasons())) == (1, [lead])


def test_only_with_a_lead_that_does_not_exist_says_so(scene: Scene) -> None:
    """Danger: a mistyped record id looks like success."""
    scene.pair("NEW")
    unknown = "rec" + "A" * 14
    run = scene.run("--only", unknown)
    assert (run.code, list(run.reasons())) == (1, [unknown])


def test_what_failed_in_a_run_of_one_lead_is_tried_again_by_the_next(scene: Scene) -> None:
    """Danger: a partial run forgets its failure, and no poll brings the lead again."""
    lead, task = scene.pair("NEW")
    scene.edit(lead, Name="renamed")
    scene.sandbox.faults.add("500", route="update_task", times=1_000)
    assert scene.run("--only", lead).code == 1
    scene.sandbox.faults.clear()
    scene.later()
    assert scene.run().report["phase_1"]["updated"] == 1
    assert scene.clickup.task(task)["name"] == "renamed"


def test_only_follows_a_changed_choice_of_details(scene: Scene) -> None:
    """Danger: the lead's details are compared with those of the old settings, and the task keeps dropped fields."""
    lead, task = scene.pair("NEW", Email="a@example.com", Source="Fair")
    scene.run("--only", lead, AIRTABLE_DETAIL_FIELDS="Email")
    assert "Fair" not in scene.clickup.task(task)["description"]


def test_the_plan_of_phase_1_lists_only_what_phase_1_writes(scene: Scene) -> None:
    """Danger: the plan promises a status that the run leaves to Phase 2."""
    lead, task = scene.pair("CONTACTED")
    scene.set_cell(lead, None)
    scene.clickup.set_status(task, "complete")
    scene.later()
    run = scene.run("--dry-run", "--phase", "1")
    assert [change["field"] for action in run.report["plan"] for change in action["changes"]] == ["ClickUp Task ID"]


def test_a_marker_that_phase_2_alone_left_out_is_set_by_the_next_run(scene: Scene) -> None:
    """Danger: the link is kept without its marker, and later runs believe that all is done."""
    scene.pair("NEW", name="other")
    task = scene.clickup.add_task("by hand", status="to do")
    for _ in range(2):
        scene.later()
        scene.run()
    scene.later()
    lead = scene.lead("NEW")
    scene.set_cell(lead, task)
    scene.later()
    assert scene.run("--phase", "2").code == 1
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


# --- time, limits and views -------------------------------------------------------------------------------------------


def test_a_mistyped_setting_at_first_makes_no_later_run_wait(scene: Scene) -> None:
    """Danger: the run that only found the mistake counts as one that may have created tasks."""
    scene.lead("NEW")
    assert scene.run(STATUS_MAP="NUE > To Do, CONTACTED = In Progress").code == 2
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert run.report["seconds"] < 30


def test_the_time_budget_ends_the_wait_for_earlier_creates(scene: Scene) -> None:
    """Danger: a run that may take 20 s waits for the two minutes of doubt."""
    scene.pair("NEW")
    two = scene.lead("NEW", "two")
    scene.state_file.unlink()
    run = scene.run(SYNC_TIME_BUDGET_SECONDS="20")
    assert run.report["seconds"] < 60
    assert [left["record_id"] for left in run.report["left_records"]] == [two]


def test_what_the_time_budget_left_undone_on_both_sides_is_not_lost(scene: Scene) -> None:
    """Danger: the watermarks pass changes that a run without time has seen but not carried over."""
    lead, task = scene.pair("CONTACTED")
    scene.clickup.set_status(task, "complete")
    scene.edit(lead, Name="New name")
    scene.sandbox.faults.before("list_tasks", lambda: scene.clock.advance(5))
    assert run_and_clear(scene, SYNC_TIME_BUDGET_SECONDS="1").code == 1
    for _ in range(2):
        scene.run()
        scene.later()
    assert scene.status(lead) == "QUALIFIED"
    assert scene.clickup.task(task)["name"] == "New name"


def test_airtable_refusing_every_write_for_its_rate_ends_the_run(scene: Scene) -> None:
    """Danger: 429 without end keeps the run waiting without end."""
    for number in range(100):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("429", service="airtable", route="update_records", number=2, times=1_000_000)
    run = scene.run()
    assert run.code == 1
    assert run.report["seconds"] < 900


def test_the_time_budget_is_kept_while_airtable_refuses_every_write(scene: Scene) -> None:
    """Danger: the budget is looked at between writes only, and no write ever ends."""
    for number in range(100):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("429", service="airtable", route="update_records", times=1_000_000)
    assert scene.run(SYNC_TIME_BUDGET_SECONDS="60").report["seconds"] < 300


def test_a_refused_request_is_given_up_where_the_service_went_down_meanwhile(tmp_path: Path) -> None:
    """Danger: while one request sits out its 429, eight others are given up, and it waits in a circle."""
    clock = Waits()
    with contextlib.closing(Scene(tmp_path, clock=clock)) as scene:
        scene.sandbox.faults.add("429", service="clickup")
        with contextlib.closing(
            Http(
                clickup.service(scene.settings["CLICKUP_API_URL"]),
                token_header=scene.settings["CLICKUP_API_KEY"],
                pacer=ClickUpPacer(),
                clock=clock,
                stop=threading.Event(),
                random=random.Random(1),
            )
        ) as http:

            def others_fail() -> None:
                http._health.given_up = 8

            clock.during = others_fail
            with pytest.raises(ApiError):
                http.send("GET", "/user", replayable=True)


def test_the_brake_counts_pairs_that_the_state_does_not_know_yet(scene: Scene) -> None:
    """Danger: with the state lost there are no links to count, and 21 changes of 60 pairs stop the run."""
    leads = [scene.lead("CONTACTED", f"Lead {number}") for number in range(60)]
    assert scene.run().code == 0
    scene.clickup.plan = "free"
    for lead in leads[:21]:
        scene.clickup.set_status(scene.named_by(lead), "complete")
    scene.later()
    scene.state_file.unlink()
    run = scene.run()
    assert (run.code, len(run.report["conflicts"])) == (0, 21)


def test_with_the_state_lost_a_newer_status_stands_also_where_another_pair_did_not_change(scene: Scene) -> None:
    """Danger: the time in status of many tasks is asked at once, and what one lacks spoils the evidence of all."""
    pairs = [scene.pair("CONTACTED", name=f"Lead {number}") for number in range(3)]
    for _, task in pairs[:2]:
        scene.clickup.set_status(task, "complete")
    scene.later()
    scene.state_file.unlink()
    scene.run()
    assert [scene.status(lead) for lead, _ in pairs] == ["QUALIFIED", "QUALIFIED", "CONTACTED"]


def test_spent_custom_field_uses_do_not_make_every_run_a_full_one(scene: Scene) -> None:
    """Danger: a run with exit 3 moves no watermark, and each run of the month lists everything."""
    scene.pair("NEW")
    scene.clickup.plan = "free"
    scene.clickup.field_uses = 60
    scene.lead("NEW")
    assert scene.run().code == 3
    scene.later(25 * 3600)
    full = []
    for _ in range(3):
        scene.later()
        full.append(scene.run().report["full"])
    assert full == [True, False, False]


def test_spent_custom_field_uses_where_only_a_marker_is_to_be_set_need_a_person(scene: Scene) -> None:
    """Danger: nothing is created, so the spent uses are taken for one record's failure that may pass."""
    scene.pair("NEW")
    scene.clickup.plan = "free"
    scene.clickup.field_uses = 60
    lead = scene.lead("CONTACTED")
    scene.set_cell(lead, scene.clickup.add_task("by hand", status="to do"))
    scene.later()
    run = scene.run()
    assert (run.code, list(run.reasons())) == (3, [lead])


def test_a_status_without_a_row_does_not_fail_outside_the_view(scene: Scene) -> None:
    """Danger: leads that the view leaves out on purpose fail every run."""
    scene.airtable.add_choice("NURTURE")
    scene.airtable.add_view("Ready", "{Status}!='NURTURE'")
    scene.settings["AIRTABLE_VIEW"] = "Ready"
    scene.lead("NURTURE")
    assert scene.run().code == 0


def test_a_lead_in_the_view_whose_task_was_deleted_and_cell_emptied_gets_a_new_one(scene: Scene) -> None:
    """Danger: an incremental run asks the view only for leads that were never linked."""
    scene.airtable.add_view("All", "")
    scene.settings["AIRTABLE_VIEW"] = "All"
    one, task = scene.pair("NEW", name="one")
    scene.lead("NEW", "two")
    for _ in range(2):
        scene.run()
        scene.later()
    scene.clickup.delete(task)
    scene.set_cell(one, None)
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 1


def test_the_view_is_asked_for_many_unfinished_leads_in_requests_that_airtable_takes(large: Scene) -> None:
    """Danger: a formula that names 1500 records is longer than Airtable takes, and every later run fails."""
    large.settings["AIRTABLE_VIEW"] = "Grid view"
    for number in range(1_500):
        large.lead("NEW", f"Lead {number}")
    assert large.run(SYNC_TIME_BUDGET_SECONDS="1").report["left"] > 100
    large.later()
    before = len(large.sandbox.log)
    large.run(SYNC_TIME_BUDGET_SECONDS="1")
    sizes = [len(json.dumps(each.body)) for each in large.sandbox.log[before:] if each.route == "list_records_post"]
    assert max(sizes) < 20_000


def refuse_names(scene: Scene, prefix: str) -> None:
    """ClickUp refuses to create tasks whose names begin so."""
    real = scene.clickup.handle

    def handle(request: Request) -> Answer:
        if request.method == "POST" and f'"name": "{prefix}'.encode() in request.raw:
            return Answer(400, {"err": "Task name invalid", "ECODE": "INPUT_005"}, scene.clickup.rate_headers())
        return real(request)

    scene.clickup.handle = handle  # type: ignore[method-assign]


def test_leads_that_clickup_refuses_do_not_use_up_each_limit(scene: Scene) -> None:
    """Danger: with --limit 2 the same two refused leads are tried for ever, and no other lead gets a task."""
    scene.pair("NEW")
    refuse_names(scene, "BAD")
    leads = sorted(scene.lead("NEW") for _ in range(9))
    bad, good = leads[:5], leads[5:]
    for lead in bad:
        scene.edit(lead, Name=f"BAD {lead}")
    for _ in range(5):
        scene.run("--limit", "2")
        scene.later()
    assert all(scene.named_by(lead) for lead in good)
    scene.edit(bad[4], Name="good now")
    for _ in range(3):
        scene.run("--limit", "2")
        scene.later()
    assert scene.named_by(bad[4]), "those that were refused take turns"
    for lead in bad[:4]:
        scene.edit(lead, Name="good now")
    assert scene.run().code == 0
    assert scene.run("--full").code == 0


def test_leads_that_clickup_refuses_do_not_use_up_each_time_budget(scene: Scene) -> None:
    """Danger: the time budget ends every run at the leads that are always refused."""
    scene.pair("NEW")
    refuse_names(scene, "BAD")
    leads = sorted(scene.lead("NEW") for _ in range(6))
    for lead in leads[:3]:
        scene.edit(lead, Name=f"BAD {lead}")
    scene.sandbox.faults.before("create_task", lambda: scene.clock.advance(2))
    for _ in range(6):
        scene.run(SYNC_TIME_BUDGET_SECONDS="3")
        scene.later()
    assert all(scene.named_by(lead) for lead in leads[3:])


@pytest.mark.parametrize("schema", [True, False])
@pytest.mark.parametrize("field", ["Source", "Email", "Company"])
def test_a_field_that_the_sync_can_do_without_is_renamed(scene: Scene, field: str, schema: bool) -> None:
    """Danger: the remembered set-up asks for it for ever: every run ends with 2, and --check finds nothing wrong."""
    if not schema:
        scopes = frozenset({"data.records:read", "data.records:write"})
        scene.airtable.switches = dataclasses.replace(scene.airtable.switches, scopes=scopes)
    lead, task = scene.pair("NEW", Email="a@b.c", Source="web", Company="Acme")
    scene.airtable.rename_field(field, "Renamed")
    scene.edit(lead, Status="CONTACTED")
    run = scene.run()
    assert (run.code, scene.task_status(task)) == (0, "in progress")
    assert (f"no field '{field}'" in json.dumps(run.report["notices"])) is (schema or field != "Company")
    assert sorted(scene.quiet().requests) == IDLE
    scene.airtable.rename_field("Renamed", field)
    again = scene.quiet("--full", "--dry-run")
    assert "no field" not in json.dumps(again.report["notices"]), "it is back, and used again"


def test_a_deleted_task_is_told_where_its_lead_has_left_the_view(scene: Scene) -> None:
    """Danger: with MISSING_TASK=recreate none is made, nothing is said, and the run ends with 0."""
    lead, task = scene.pair("CONTACTED")
    scene.airtable.add_view("Ready", "{Status}!='LOST'")
    scene.settings.update(AIRTABLE_VIEW="Ready", MISSING_TASK="recreate")
    scene.clickup.delete(task)
    scene.edit(lead, Status="LOST")
    for flags in ((), ("--full",), ()):
        run = scene.quiet(*flags)
        assert (run.code, list(run.reasons())) == (1, [lead])
        assert "deleted" in run.reasons()[lead]
        assert "AIRTABLE_VIEW" in run.reasons()[lead]
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


# --- a deleted task that is to be made anew ---------------------------------------------------------------------------


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lead_whose_task_was_deleted_is_not_forgotten_when_its_new_one_is_not_made_at_once(
    scene: Scene, when: str, edited: bool
) -> None:
    """Danger: later runs remember the deleted task, take the lead for linked, and forget the announced create."""
    scene.settings["MISSING_TASK"] = "recreate"
    lead, gone = scene.pair()
    scene.clickup.delete(gone)
    scene.clickup.hide_new_for = 60
    if edited:
        scene.edit(lead, Name="Ada Renamed")
    scene.sandbox.faults.add("500", when=when, service="clickup", route="create_task")
    assert scene.run("--full").code == 1
    scene.sandbox.faults.clear()
    scene.later(5)
    assert scene.run().code == 1, "it may have been made"
    scene.later()
    assert scene.run().code == 0
    (made,) = scene.clickup.by_marker(lead)
    assert made != gone
    scene.assert_linked(lead, made)
    assert scene.quiet("--full").code == 0


def test_a_time_budget_that_ends_before_a_deleted_task_is_made_anew_hides_nothing(scene: Scene) -> None:
    scene.settings["MISSING_TASK"] = "recreate"
    pairs = [scene.pair() for _ in range(3)]
    for _, task in pairs:
        scene.clickup.delete(task)
    assert scene.run("--full", SYNC_TIME_BUDGET_SECONDS="0.0001").code == 1
    scene.later()
    assert scene.run().report["phase_1"]["created"] == 3
    scene.assert_in_step()


def test_a_lead_with_a_status_without_a_row_whose_task_was_deleted_stays_named(scene: Scene) -> None:
    scene.airtable.add_choice("NURTURE")
    scene.settings["MISSING_TASK"] = "recreate"
    lead, task = scene.pair()
    scene.clickup.delete(task)
    scene.edit(lead, Status="NURTURE")
    for _ in range(3):
        scene.later()
        run = scene.run("--full")
        assert run.code == 1
        assert lead in run.reasons()
        scene.later()
        assert lead in scene.run().reasons()


def test_a_deleted_task_that_comes_back_is_still_the_leads(scene: Scene) -> None:
    lead, task = scene.pair()
    scene.clickup.delete(task)
    assert scene.run("--full").code == 1
    scene.clickup.restore(task)
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)
    assert scene.task_status(task) == "in progress"


def test_a_create_after_one_without_an_answer_is_named(scene: Scene) -> None:
    """The task may have been moved to another List before anybody could ask for it there; nothing else would tell."""
    lead = scene.lead("NEW")
    scene.clickup.hide_new_for = 30
    scene.sandbox.faults.add("500", when="after", service="clickup", route="create_task")
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.clickup.move(scene.clickup.by_marker(lead)[0], scene.clickup.second_list_id)
    scene.later(3600)
    run = scene.run()
    assert run.report["phase_1"]["created"] == 1
    assert "a task that was moved to another List" in run.told(lead)


# --- a view, and a lead that nobody has edited ------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["", "V"])
def test_a_lead_that_loses_its_task_to_another_gets_one_in_the_same_run(scene: Scene, view: str) -> None:
    """Danger: it was read only since the decisions asked for it, and counts as out of the view."""
    if view:
        scene.airtable.add_view(view)
        scene.settings["AIRTABLE_VIEW"] = view
    first, task = scene.pair()
    second, _ = scene.pair()
    scene.clickup.set_marker(task, second)
    scene.set_cell(second, task)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    scene.assert_linked(first, scene.named_by(first))
    assert scene.quiet("--full").code == 0


# --- numbers that no date can be --------------------------------------------------------------------------------------


def test_a_task_of_the_year_10000_is_an_answer_of_the_wrong_shape(scene: Scene) -> None:
    """Danger: SQLite has no such integer, and every run ends with a traceback."""
    scene.pair()
    stranger = scene.clickup.add_task("of another age", marker="recAAAAAAAAAAAAAA")
    scene.clickup._store.tasks[stranger].created = 9_999_999_999_999_999_999
    run = scene.run("--full")
    assert run.code == 1
    assert "date_created" in run.messages


def test_a_time_in_status_of_the_year_10000_is_no_evidence(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lead, task = scene.pair()
    scene.state_file.unlink()
    scene.clickup.set_status(task, "in progress")
    true_answer = scene.sandbox.carry_out

    def bent(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true_answer(request)
        if route == "bulk_time_in_status":
            body = json.loads(answer.encoded())
            body[task]["current_status"]["total_time"]["since"] = "1000000000000000"
            answer = Answer(answer.status, json.dumps(body).encode(), answer.headers)
        return answer, route, fault

    monkeypatch.setattr(scene.sandbox, "carry_out", bent)
    run = scene.run()
    assert (run.code, [each["record_id"] for each in run.report["conflicts"]]) == (0, [lead])


def test_a_view_costs_no_request_for_leads_that_have_a_task(scene: Scene) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    _, task = scene.pair("CONTACTED")
    scene.quiet()
    scene.later()
    scene.clickup.set_status(task, "complete")
    run = scene.run()
    assert run.code == 0
    assert run.requests.count("airtable list_records_post") == 3, "changes, the view, and the task's lead"


# --- a run that dies before it has begun ------------------------------------------------------------------------------


def test_a_state_file_whose_first_run_died_at_once_is_not_older_than_the_last_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: each later run refuses the empty file, and says that it came from a backup."""
    lead, task = scene.pair()
    scene.state_file.unlink()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(State, "begin_turn", die)
        with pytest.raises(Killed):
            scene.run()
    assert scene.state_file.exists()
    new = scene.lead()
    began = scene.clock.time()
    assert scene.run().code == 0
    assert scene.clock.time() - began > 60, "the file before it was lost, so a create may still turn up"
    scene.assert_linked(lead, task)
    scene.assert_linked(new, scene.named_by(new))


def test_the_first_create_after_a_lost_state_does_not_forget_whose_a_task_is(scene: Scene) -> None:
    """Danger: the look at late tasks takes the few that it read for all; the lead's own is forgotten and made again."""
    lead, task = scene.pair()
    scene.state_file.unlink()
    scene.set_cell(lead, "86typotyp")
    assert scene.run().code == 1
    scene.later()
    new = scene.lead()
    assert scene.run().report["phase_1"]["created"] == 1
    scene.assert_linked(new, scene.named_by(new))
    scene.later()
    scene.set_cell(lead, None)
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


# --- one answer that is not true --------------------------------------------------------------------------------------


def answers_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, which: Callable[[Request, str], bool], answer: Answer
) -> None:
    """The first request of this kind gets this answer, and the service is honest again."""
    true_answer, left = scene.sandbox.carry_out, [answer]

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        true, route, fault = true_answer(request)
        return (left.pop() if left and which(request, route) else true), route, fault

    monkeypatch.setattr(scene.sandbox, "carry_out", carry_out)


def by_id(request: Request, route: str) -> bool:
    return route == "list_records_post" and b"RECORD_ID()" in request.raw


def test_one_short_answer_by_id_gives_no_task_to_another_lead(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the owner of a copied row's task counts as deleted, and the copy takes its task unsaid."""
    owner, task = scene.pair()
    scene.quiet()
    scene.later()
    copy = scene.airtable.duplicate(owner)
    answers_once(scene, monkeypatch, by_id, Answer(200, {"records": []}))
    assert scene.run().code == 0
    scene.assert_linked(owner, task)
    scene.assert_linked(copy, scene.named_by(copy))


def test_one_short_answer_by_id_makes_nobody_forget_what_failed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.airtable.add_choice("NURTURE")
    lead, _ = scene.pair()
    scene.edit(lead, Status="NURTURE")
    assert scene.run().code == 1
    scene.later()
    answers_once(scene, monkeypatch, by_id, Answer(200, {"records": []}))
    for _ in range(2):
        assert lead in scene.run().reasons()
        scene.later()


@pytest.mark.parametrize("missing_task", ["report", "recreate"])
def test_a_task_made_just_now_that_cannot_be_read_yet_is_not_deleted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, missing_task: str
) -> None:
    scene.settings["MISSING_TASK"] = missing_task
    lead = scene.lead()
    assert scene.run().code == 0
    task = scene.named_by(lead)
    scene.later(5)
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.show_updates_after = 60
    gone = Answer(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})
    answers_once(scene, monkeypatch, lambda _, route: route == "get_task", gone)
    run = scene.run()
    assert "deleted" not in run.reasons().get(lead, "")
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, task)


# --- what runs of a part have seen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [("--full", "--limit", "0"), ("--only",)])
def test_what_a_run_of_a_part_has_named_is_named_by_the_next_run_as_well(scene: Scene, flags: tuple[str, ...]) -> None:
    lead, task = scene.pair()
    scene.quiet()
    scene.clickup.delete(task)
    scene.lead("NEW", "waiting")
    run = scene.run(*flags, *([lead] if flags == ("--only",) else []))
    assert (run.code, lead in run.reasons()) == (1, True)
    scene.later()
    assert lead in scene.run().reasons()


def test_what_a_run_of_one_phase_has_left_is_done_by_the_next(scene: Scene) -> None:
    lead, task = scene.pair()
    scene.quiet()
    scene.clickup.archive(task)
    scene.clickup.set_status(task, "in progress")
    scene.later(3600)
    assert scene.run("--full", "--phase", "1").code == 1
    scene.later()
    assert scene.run().code == 0
    assert scene.status(lead) == "CONTACTED"


def test_a_conflict_that_a_refused_write_could_not_settle_is_not_told_as_settled(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    true_answer = scene.sandbox.carry_out
    refusal = Answer(422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "not this one"}})

    def refuse(request: Request) -> tuple[Answer, str, Fault | None]:
        return (refusal, "update_records", None) if request.method == "PATCH" else true_answer(request)

    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refuse)
        run = scene.run()
    assert (run.code, run.report["conflicts"]) == (1, [])
    scene.later()
    assert [each["winner"] for each in scene.run().report["conflicts"]] == ["clickup"]


def test_a_conflict_that_is_decided_again_is_told_once(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()

    def die(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CarryingOut, "run", die)
        with pytest.raises(Killed):
            scene.run()
    run = scene.run()
    assert ([each["record_id"] for each in run.report["conflicts"]], run.told(lead)) == ([lead], "")


def refusing(
    scene: Scene, method: str, answer: Answer, service: str = ""
) -> Callable[[Request], tuple[Answer, str, Fault | None]]:
    """The stand-in, but every request of this method, to this service, is refused without effect."""
    true_answer = scene.sandbox.carry_out

    def carry_out(request: Request) -> tuple[Answer, str, Fault | None]:
        refused = request.method == method and service in ("", request.service)
        return (answer, "refused", None) if refused else true_answer(request)

    return carry_out


REFUSED_ROW = Answer(422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "not this one"}})
REFUSED_TASK = Answer(400, {"err": "not this one", "ECODE": "INPUT_001"})


def test_a_change_that_is_undone_is_named_although_the_first_try_to_undo_it_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: the refused run does not tell, and the next one has forgotten that it was anybody's change."""
    lead, task = scene.pair("CONTACTED")
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    scene.sandbox.faults.add("reset", when="after", route="update_task", times=99)
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.later()
    scene.clickup.set_status(task, "in progress")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PATCH", REFUSED_ROW))
        first = scene.run()
    scene.later()
    second = scene.run()
    assert (first.code, second.code) == (1, 0)
    assert scene.status(lead) == "CONTACTED"
    assert "taken back in ClickUp" in first.told(lead) + second.told(lead)


def test_a_task_that_came_back_to_its_old_status_is_named_although_the_first_write_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, task = scene.pair("NEW")
    scene.clickup.set_status(task, "in progress")
    scene.run("--phase", "1")
    scene.later()
    scene.clickup.set_status(task, "to do")
    scene.edit(lead, Status="QUALIFIED")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        first = scene.run()
    scene.later()
    second = scene.run()
    assert (first.code, second.code) == (1, 0)
    assert scene.task_status(task) == "complete"
    assert "back to" in first.told(lead) + second.told(lead)


def test_a_create_after_one_without_an_answer_is_named_although_its_id_cannot_be_written_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = scene.lead()
    scene.sandbox.faults.add("502", when="before", service="clickup", route="create_task", times=1)
    assert scene.run().code == 1
    scene.sandbox.faults.clear()
    scene.later(600)
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PATCH", REFUSED_ROW))
        run = scene.run()
    assert run.report["phase_1"]["created"] == 1
    assert "a task that was moved to another List" in run.told(lead)


def test_a_conflict_whose_status_was_refused_is_not_told_as_settled_though_a_name_was_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["CONFLICT_WINNER"] = "clickup"
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST", Name="Ada Renamed")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PATCH", REFUSED_ROW))
        run = scene.run()
    assert (run.code, run.report["conflicts"]) == (1, [])
    scene.later()
    assert [each["winner"] for each in scene.run().report["conflicts"]] == ["clickup"]


def test_an_empty_listing_and_a_task_that_cannot_be_read_yet_make_no_second_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.settings["MISSING_TASK"] = "recreate"
    lead = scene.lead()
    assert scene.run().code == 0
    task = scene.named_by(lead)
    scene.later(5)
    true_answer = scene.sandbox.carry_out
    gone = Answer(404, {"err": "Task not found, deleted", "ECODE": "ITEM_013"})

    def late(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true_answer(request)
        return {"list_tasks": Answer(200, {"tasks": []}), "get_task": gone}.get(route, answer), route, fault

    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", late)
        assert scene.run("--full").code == 1
    scene.later()
    assert scene.run("--full").code == 0
    scene.assert_linked(lead, task)


def test_a_record_that_does_not_exist_costs_no_later_run_a_request(scene: Scene) -> None:
    scene.pair()
    scene.quiet()
    assert scene.run("--only", "recAAAAAAAAAAAAAA").code == 1
    assert sorted(scene.quiet().requests) == IDLE


def test_many_leads_that_wait_behind_a_limit_make_no_run_list_the_whole_view(scene: Scene) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    for number in range(250):
        scene.lead("NEW", f"Lead {number}")
    assert scene.run().code == 0
    scene.later(900)
    scene.run()
    for number in range(110):
        scene.lead("NEW", f"New {number}")
    counts = []
    for _ in range(3):
        scene.later()
        counts.append(scene.run("--limit", "1").requests.count("airtable list_records_post"))
    assert max(counts) <= 5, counts


@pytest.mark.parametrize("then", ["other", "solved", "phase 2"])
def test_what_was_decided_and_refused_is_not_told_by_a_run_that_does_not_do_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Danger: a run says that one side stands, although nothing was written and nothing is to be written."""
    other, _ = scene.pair()
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="LOST")
    scene.clickup.set_status(task, "in progress")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        assert scene.run().code == 1
    scene.later()
    if then == "solved":
        scene.edit(lead, Status="CONTACTED")
    flags = {"other": ("--only", other), "solved": (), "phase 2": ("--phase", "2")}[then]
    for _ in range(2):
        run = scene.run(*flags)
        assert run.told(lead) == ""
        scene.later()
    if then != "solved":
        assert [each["winner"] for each in scene.run().report["conflicts"]] == ["airtable"]


def test_a_restore_whose_write_is_refused_is_told_by_the_run_that_restores(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, task = scene.pair("CONTACTED")
    scene.set_cell(lead, "")
    scene.clickup.set_status(task, "to do")
    scene.later()
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "PUT", REFUSED_TASK))
        assert "it is restored" not in scene.run().told(lead)
    scene.later()
    assert "it is restored" in scene.run().told(lead)


def test_a_lead_in_the_view_whose_task_id_is_white_space_is_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.airtable.add_view("V")
    scene.settings["AIRTABLE_VIEW"] = "V"
    scene.pair()
    lead = scene.lead("NEW", "white space")
    scene.set_cell(lead, " ")
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, "POST", REFUSED_TASK, service="clickup"))
        assert scene.run().code == 1
    scene.later(600)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
