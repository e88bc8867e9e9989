"""What people do while, before or after a run stands, or is named."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

import main
from tests.campaign.wire import DirectScene
from tests.scene import Scene
from tests.troubles import (
    ELSEWHERE,
    Waits,
    put_elsewhere,
)


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


def put_back_status(direct: DirectScene, lead: str, task: str) -> None:
    direct.clickup.set_status(task, "in progress")


def put_back_name(direct: DirectScene, lead: str, task: str) -> None:
    direct.clickup.rename(task, "Ada")


def put_back_lead(direct: DirectScene, lead: str, task: str) -> None:
    direct.edit(lead, Status="CONTACTED")


@pytest.mark.parametrize(("fault", "seconds"), [("hang", 20), ("504", 11)])
@pytest.mark.parametrize("put_back", [put_back_status, put_back_name, put_back_lead])
def test_what_people_put_back_between_two_attempts_of_one_write_is_not_overwritten_in_silence(
    direct: DirectScene, put_back: Callable[[DirectScene, str, str], None], fault: str, seconds: float
) -> None:
    """Danger: it is as it was read, so the second attempt takes it for untouched; but the first had arrived."""
    lead, task = direct.pair("CONTACTED", name="Ada")
    route = "update_records" if put_back is put_back_lead else "update_task"
    if put_back is put_back_status:
        direct.edit(lead, Status="QUALIFIED")
    elif put_back is put_back_name:
        direct.edit(lead, Name="Grace")
    else:
        direct.clickup.set_status(task, "complete")
    direct.later()
    attempts: list[None] = []

    def person() -> None:
        attempts.append(None)
        if len(attempts) == 1:
            direct.clock.advance(seconds)
            put_back(direct, lead, task)

    direct.sandbox.faults.add(fault, when="after", route=route)
    direct.sandbox.faults.after(route, person)
    run = direct.run()
    assert (run.code, len(attempts)) == (1, 1)
    direct.sandbox.faults.clear()
    direct.later()
    run = direct.run()
    assert "sent and got no answer" in run.told(lead) or "sent without an answer" in run.told(lead)
    direct.later()
    direct.quiet("--full")
    if put_back is not put_back_name:
        assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_lead_linked_by_hand_while_a_listing_took_long_gets_no_second_task(direct: DirectScene) -> None:
    """Danger: the answer bears the time of its end, and no later look at what changed meanwhile goes back further."""
    leads = [direct.lead("NEW", f"Lead {number}") for number in range(12)]
    direct.clock.advance(60)
    by_hand: list[str] = []

    def linked() -> None:
        if not by_hand:
            direct.clock.advance(1)
            by_hand.append(direct.clickup.add_task("made by hand"))
            direct.set_cell(leads[-1], by_hand[0])
            direct.clock.advance(25)

    direct.sandbox.faults.after("list_records_post", linked)
    direct.sandbox.faults.after("create_task", lambda: direct.clock.advance(11))
    direct.run()
    direct.sandbox.faults.clear()
    direct.later()
    assert direct.run().code == 0
    direct.assert_linked(leads[-1], by_hand[0])
    assert len(direct.clickup.tasks()) == 12


def test_a_marker_is_not_sent_again_over_what_somebody_wrote_meanwhile(direct: DirectScene) -> None:
    task = direct.clickup.add_task("made by hand")
    lead, other = direct.lead("NEW", "lead"), direct.lead("NEW", "other")
    direct.run("--only", other)
    made = direct.named_by(other)
    direct.set_cell(lead, task)
    direct.later()

    def given_away() -> None:
        if direct.clickup.task(task)["marker"] != other:
            direct.clock.advance(20)
            direct.clickup.set_marker(task, other)
            direct.clickup.set_marker(made, "")
            direct.set_cell(other, task)
            direct.set_cell(lead, None)

    direct.sandbox.faults.add("hang", when="before", route="set_field")
    direct.sandbox.faults.after("set_field", given_away)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    direct.later()
    direct.run()
    direct.assert_linked(other, task)
    assert direct.named_by(lead) not in (task, "")


def test_names_reach_their_tasks_however_slow_clickup_is(direct: DirectScene) -> None:
    """Danger: a look at the task first, and the reading is too old for the write, in every run."""
    lead, task = direct.pair("NEW", name="Ada")
    direct.later()
    direct.quiet()
    direct.later()
    direct.edit(lead, Name="Grace")
    direct.later()
    for route in ("list_tasks", "get_task", "update_task"):
        direct.sandbox.faults.before(route, lambda: direct.clock.advance(6))
    assert direct.run().code == 0
    assert direct.clickup.task(task)["name"] == "Grace"


@pytest.mark.parametrize("seconds", [4, 9, 12])
def test_a_write_that_takes_long_is_no_persons_change_of_its_task(direct: DirectScene, seconds: float) -> None:
    """Danger: in the same run the task's status is not brought to its lead, and while ClickUp is slow, in no run."""
    lead, task = direct.pair("NEW")
    direct.later()
    direct.quiet()
    direct.later()
    direct.edit(lead, Name="Grace")
    direct.clickup.set_status(task, "in progress")
    direct.later()
    direct.sandbox.faults.before("update_task", lambda: direct.clock.advance(seconds))
    direct.sandbox.faults.after("update_task", lambda: direct.clock.advance(5))
    run = direct.run()
    assert (run.code, direct.status(lead), direct.clickup.task(task)["name"]) == (0, "CONTACTED", "Grace")


@pytest.mark.parametrize("limit", [99, 100])
def test_a_look_that_waited_for_its_turn_makes_no_reading_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Danger: a task that was taken from its lead a minute ago gets that lead's name and status."""
    monkeypatch.setattr(main, "WORKERS", 1)
    clock = Waits()
    with contextlib.closing(Scene(tmp_path, clickup_limit=1_000, clock=clock)) as scene:
        leads = [scene.lead("NEW", f"Lead {number}") for number in range(60)]
        assert scene.run().code == 0
        scene.later(3600)
        scene.quiet()
        scene.later()
        spare = scene.clickup.add_task("spare")
        for lead in leads:
            scene.edit(lead, Name="changed", Status="CONTACTED")
        scene.later()
        scene.clickup.limit = limit
        taken: list[str] = []

        def taken_away() -> None:
            for lead in leads:
                task = scene.named_by(lead)
                if scene.task_status(task) == "to do":
                    taken.append(task)
                    scene.clickup.set_marker(task, "")
                    scene.set_cell(lead, spare)

        clock.waits, clock.during = 0, taken_away
        scene.run("--force")
        assert taken, "the run was to wait for its turn"
        assert {scene.task_status(task) for task in taken} == {"to do"}
