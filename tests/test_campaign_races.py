"""People at work while a run is under way; a part of what `python -m tests.campaign` plays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaign.load import MixedLoad
from tests.campaign.races import BRISK, EDITS, LONG, REQUESTS, SLOW, Case, play, play_backfill, play_pages, sample
from tests.scene import Scene


@pytest.mark.parametrize("case", sample(seed=11, count=60), ids=str)
def test_an_edit_during_the_run_stands_or_is_named(case: Case, tmp_path: Path) -> None:
    play(case, tmp_path)


SHARP = (
    Case("lead set to LOST", 1, "before", 1, BRISK),
    Case("lead set to LOST", 20, "before", 9, SLOW),
    Case("lead set to NEW", 11, "after", 8, BRISK),
    Case("lead set to NEW", 2, "after", 3, LONG),
    Case("task set to complete", 1, "after", 3, LONG),
    Case("task set to complete", 1, "after", 3, SLOW),
    Case("task set to to do", 1, "after", 7, BRISK),
    Case("task described", 5, "after", 3, SLOW),
    Case("nonsense typed as Task ID", 8, "after", 12, SLOW),
    Case("nonsense typed as Task ID", 9, "after", 12, SLOW),
    Case("nonsense typed as Task ID", 10, "after", 12, SLOW),
    Case("task linked by hand", 8, "after", 7, SLOW),
    Case("task copied", 8, "after", 13, BRISK),
    Case("lead deleted", 8, "after", 12, BRISK),
    Case("task deleted", 0, "after", 2, BRISK),
)


@pytest.mark.parametrize("case", SHARP, ids=str)
def test_an_edit_at_the_worst_moment_stands_or_is_named(case: Case, tmp_path: Path) -> None:
    play(case, tmp_path)


def test_the_moments_reach_to_the_end_of_the_run(tmp_path: Path) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    MixedLoad.prepared(scene)
    assert len(scene.run().requests) == REQUESTS
    scene.close()
    assert {case.edit for case in SHARP} <= set(EDITS)


@pytest.mark.parametrize("seed", range(3))
def test_rows_that_come_and_go_between_two_pages_are_neither_missed_nor_made_twice(seed: int, tmp_path: Path) -> None:
    play_pages(seed, tmp_path)


@pytest.mark.parametrize("seed", range(3))
def test_people_at_work_during_a_long_backfill_find_every_lead_as_they_left_it(seed: int, tmp_path: Path) -> None:
    play_backfill(seed, tmp_path)


def test_a_lead_linked_by_hand_long_before_its_turn_gets_no_task_of_ours(tmp_path: Path) -> None:
    """The polls of a long backfill leave out what is done, and nothing that still waits."""
    scene = Scene(tmp_path, clickup_limit=100)
    leads = []
    for number in range(250):
        leads.append(scene.lead("NEW", f"Lead {number}"))
        scene.clock.advance(1)
    by_hand: list[str] = []

    def link_the_last() -> None:
        by_hand.append(scene.clickup.add_task("made by hand", status="to do"))
        scene.set_cell(leads[-1], by_hand[0])

    scene.sandbox.faults.after(30, link_the_last)
    run = scene.run()
    assert run.report["phase_1"]["created"] == 249
    assert scene.clickup.by_marker(leads[-1]) == []
    scene.later(150)
    assert scene.run().code == 0
    scene.assert_linked(leads[-1], by_hand[0])
    scene.assert_in_step()
    scene.close()


# --- a reading that is older than ten seconds is checked before a status is written ---------------------------------


def conflicts_of_an_edit_after_request(number: int, edit: Callable[[], object], scene: Scene) -> list[str]:
    """Whom the run and the next one name in conflicts, if people edit between the run's readings and its writes."""

    def later() -> None:
        scene.later(5)
        edit()
        scene.later(5)

    scene.sandbox.faults.after(number, later)
    runs = [scene.run()]
    scene.later()
    runs.append(scene.run())
    return [each["record_id"] for run in runs for each in run.report["conflicts"]]


def test_a_lead_set_seconds_before_our_write_of_its_status_is_not_overwritten_in_silence(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.clickup.set_status(task, "in progress")
    named = conflicts_of_an_edit_after_request(2, lambda: scene.edit(lead, Status="LOST"), scene)
    assert scene.status(lead) == "LOST" or named == [lead]


def test_a_task_set_seconds_before_our_write_of_its_status_is_not_overwritten_in_silence(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.edit(lead, Status="CONTACTED")
    named = conflicts_of_an_edit_after_request(2, lambda: scene.clickup.set_status(task, "complete"), scene)
    assert scene.task_status(task) == "complete" or named == [lead]
