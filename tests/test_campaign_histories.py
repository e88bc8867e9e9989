"""A slice of the random histories, the same each time; `make torture` plays thousands."""

from __future__ import annotations

import pytest

from tests.campaign.histories import FREE, HURRIED, SETUPS, SHIFTED, Histories, play

SLICE = 100


def test_random_histories_keep_every_promise() -> None:
    """People, faults, deaths and lost state in any order: no second task, no lost edit, no false exit code."""
    assert play(SLICE, seed=1) == []


@pytest.mark.parametrize("paging", ["by key", "by position"])
def test_a_history_whose_listings_shift_between_two_pages(paging: str) -> None:
    """Danger: a campaign whose listings all have one page. (`make torture` fails if none shifts by chance.)"""
    SHIFTED.clear()
    history = Histories()
    history.begin(statuses=["NEW", "CONTACTED", None], synced=True, late=0, focus="edits", paging=paging)
    rename = [("lead name", 1, 0)]
    for what in (("task gone", 0), ("task new", 0), ("task edited", 1), ("row new", 0), ("row gone", 0)):
        history.listings_shift(burst=rename, shifts=[what], stirred=False, then=("run", ("--full",), None))
        history.always()
    history.listings_shift(burst=rename, shifts=[("task edited", 0)], stirred=True, then=("run", (), None))
    history.always()
    history.teardown()
    assert SHIFTED == {"task gone": 1, "task new": 1, "task edited": 2, "row new": 1, "row gone": 1}


@pytest.mark.parametrize("setup", SETUPS)
def test_a_history_with_each_setup(setup: str) -> None:
    """Danger: a setup that chance leaves out, or that changes nothing."""
    history = Histories()
    history.begin(statuses=["NEW", "CONTACTED", "NURTURE"], synced=True, late=0, focus="edits", setup=setup)
    told = history._run(())
    assert ("NURTURE" in str(told.report["failed"])) is (setup != "ignored")
    assert len(history.model.tasks()) == (2 if history.view else 3), "that of CONTACTED, a parent, and that of NEW"
    both = [("lead status", 1, 0), ("task status", 0, 4)]
    if history.model.recreates():
        history.people_delete_a_task(number=0, burst=both, then=("run", (), None))
    if history.view:
        history.people_filter_the_view(hidden="QUALIFIED", burst=both, then=("run", (), None))
    if setup == HURRIED:
        before = len(history.model.tasks())
        history.time_runs_out(burst=[("add row", 0, 1)], flags=(), number=1)
        assert len(history.model.tasks()) == before, "no time was left for the new one"
    history.people_edit(burst=both, then=("run", (), None))
    assert (history.scene.clickup.plan == "free") is setup.endswith(FREE)
    if "clickup" in setup:
        lead = history._lead(1)
        history._type_status(lead, "LOST")
        history._move_task_to(history.scene.named_by(lead), "in progress")
        history._pass()
        (conflict,) = history._run(()).report["conflicts"]
        assert (conflict["airtable"], conflict["winner"]) == ("LOST", "clickup")
    history.always()
    history.teardown()
