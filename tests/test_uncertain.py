"""What is not certain about the services, in each way that it may turn out: the promises hold in all of them.

Each row is a fact that nobody could settle from public sources; docs/fidelity.md says more of each.
"""

from __future__ import annotations

import contextlib
import random
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from clients import clickup
from clients.clickup import ClickUpClient
from clients.http import Http
from clients.pacing import ClickUpPacer
from tests.scene import START, TOP, Run, Scene

Turn = Callable[[Scene], None]


def _airtable(**switches: Any) -> Turn:
    def turn(scene: Scene) -> None:
        scene.airtable.switches = replace(scene.airtable.switches, **switches)

    return turn


def _clickup(**switches: Any) -> Turn:
    def turn(scene: Scene) -> None:
        for name, value in switches.items():
            assert hasattr(scene.clickup, name)
            setattr(scene.clickup, name, value)

    return turn


FACTS: dict[str, Turn] = {
    "a write of equal values is no modification": _airtable(equal_values_move=False),
    "a write of equal values is a modification": _airtable(equal_values_move=True),
    "modification times compare in milliseconds": _airtable(modified_in_milliseconds=True),
    "modification times compare in seconds": _airtable(modified_in_milliseconds=False),
    "the time of a field is not to be had": _airtable(field_times="refused"),
    "the time of a field is that of the record": _airtable(field_times="record"),
    "a missing record is 404, as in 2022": _airtable(missing="2022"),
    "a missing record is 403, as in 2026": _airtable(missing="2026"),
    "a batch may have more than ten records": _airtable(accept_more=True),
    "rows shift between the pages of a listing": _airtable(paging="position"),
    "a listing lags five seconds behind": _airtable(stale_seconds=5),
    "the 429 has the documented shape": _airtable(singular_429=True),
    "requests in the silence prolong it": _airtable(lockout_prolongs=True),
    "Airtable's Date is ten seconds ahead of the times of records": _airtable(date_ahead_seconds=10),
    "Airtable's Date is ten seconds behind the times of records": _airtable(date_ahead_seconds=-10),
    "date_updated_gt leaves out its own moment": _clickup(gt_inclusive=False),
    "date_updated_gt includes its own moment": _clickup(gt_inclusive=True),
    "an update without effect leaves date_updated": _clickup(equal_update_bumps=False),
    "an update without effect moves date_updated": _clickup(equal_update_bumps=True),
    "a custom field leaves date_updated": _clickup(field_write_bumps=False),
    "a custom field moves date_updated": _clickup(field_write_bumps=True),
    "listings of tasks lag five seconds behind": _clickup(show_updates_after=5),
    "a task read by its id lags five seconds behind": _clickup(show_updates_after=5, late_by_id=True),
    "a new task is listed at once": _clickup(hide_new_for=0),
    "a new task is listed after a minute": _clickup(hide_new_for=60),
    "reverse asks for the oldest first": _clickup(reverse_means="oldest first"),
    "reverse asks for the newest first": _clickup(reverse_means="newest first"),
    "last_page is always true": _clickup(last_page_lies="true"),
    "last_page is always false": _clickup(last_page_lies="false"),
    "the filter by custom field finds nothing": _clickup(filter_is_blind=True),
    "a 429 has a Retry-After": _clickup(retry_after=True),
    "answers have no X-RateLimit headers": _clickup(rate_headers_missing=True),
    "ClickUp's Date is ten seconds ahead of the times of tasks": _clickup(date_ahead=10.0),
    "ClickUp's Date is ten seconds behind the times of tasks": _clickup(date_ahead=-10.0),
    "a description comes back changed": _clickup(rewrites_descriptions=True),
    "a create's custom field counts as a use on the free plan": _clickup(plan="free", free_counts_creates=True),
    "only a field's own write counts on the free plan": _clickup(plan="free", free_counts_creates=False),
}


@pytest.mark.parametrize("fact", FACTS)
def test_the_promises_hold_either_way(tmp_path: Path, fact: str) -> None:
    scene = Scene(tmp_path, clickup_limit=1000)
    FACTS[fact](scene)
    leads = [scene.lead("NEW", f"Lead {number}", Source="Fair & Web") for number in range(12)]
    _settle(scene)

    scene.edit(leads[0], Status="CONTACTED", Name="Renamed")
    scene.edit(leads[6], Source="Word of mouth & more")
    scene.clickup.set_status(scene.named_by(leads[1]), "complete")
    scene.edit(leads[2], Name="Name here")
    scene.clickup.set_status(scene.named_by(leads[2]), "in progress")
    scene.edit(leads[3], Status="LOST")
    scene.airtable.duplicate(leads[4])
    scene.lead("NEW", "Answer lost")
    scene.sandbox.faults.add("reset", service="clickup", route="create_task", when="after")
    _settle(scene)

    assert scene.task_status(scene.named_by(leads[0])) == "in progress"
    assert scene.clickup.task(scene.named_by(leads[0]))["name"] == "Renamed"
    assert scene.status(leads[1]) == "QUALIFIED"
    assert scene.status(leads[2]) == "CONTACTED"
    assert scene.clickup.task(scene.named_by(leads[2]))["name"] == "Name here"
    assert scene.status(leads[3]) == "LOST"
    assert "Word of mouth &" in scene.clickup.task(scene.named_by(leads[6]))["description"]
    scene.assert_in_step()
    assert len(scene.clickup.tasks()) == len(scene.airtable.records()) == 14

    (gone,) = scene.clickup.by_marker(leads[5])
    scene.clickup.delete(gone)
    scene.later()
    assert "deleted" in scene.run("--full").reasons()[leads[5]]
    assert scene.clickup.by_marker(leads[5]) == []
    scene.close()


def _settle(scene: Scene) -> Run:
    """Runs until one has nothing to write; the run after it is idle. At most one task a lead after each."""
    for _ in range(6):
        scene.later()
        run = scene.run()
        for lead in scene.airtable.records():
            assert len(scene.clickup.by_marker(lead)) <= 1, run.report
        if not run.writes and run.code == 0:
            return scene.quiet()
    raise AssertionError(run.report)


@pytest.mark.parametrize(
    "fact",
    [
        "rows shift between the pages of a listing",
        "reverse asks for the newest first",
        "last_page is always true",
        "last_page is always false",
        "date_updated_gt leaves out its own moment",
        "a listing lags five seconds behind",
        "listings of tasks lag five seconds behind",
    ],
)
def test_long_listings_are_read_whole_either_way(tmp_path: Path, fact: str) -> None:
    """More rows than a page has on both sides, many of one instant, and an iterator that is lost on the way."""
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    FACTS[fact](scene)
    for number in range(230):
        lead = scene.lead("NEW", f"Lead {number}")
        scene.set_cell(lead, scene.clickup.add_task(f"Lead {number}", marker=lead))
    scene.later()
    scene.airtable.lose_iterators_once()
    run = scene.run()
    assert (run.code, run.writes) == (0, []), run.report
    for lead in scene.airtable.records():
        scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert scene.run("--force").code == 0
    scene.assert_in_step()
    scene.close()


@pytest.mark.parametrize("direction", ["oldest first", "newest first"])
@pytest.mark.parametrize("at_once", [1, 150, 250])
def test_many_tasks_of_one_instant_hide_no_older_ones(tmp_path: Path, direction: str, at_once: int) -> None:
    """Danger: where the first page is of one instant, the cursor is moved past everything that is older."""
    scene = Scene(tmp_path, clickup_limit=0)
    scene.clickup.reverse_means = direction
    for _ in range(3):
        for _ in range(at_once):
            scene.clickup.add_task("x")
        scene.later(5)
    with contextlib.closing(
        Http(
            clickup.service(scene.settings["CLICKUP_API_URL"]),
            token_header=scene.clickup.token,
            pacer=ClickUpPacer(),
            clock=scene.clock,
            stop=threading.Event(),
            random=random.Random(1),
        )
    ) as http:
        client = ClickUpClient(http, scene.clickup.list_id, scene.clickup.field_id)
        for key, since in (("created", 0), ("updated", int(START * 1000) + 1)):
            pages = list(client.walk(cast(Any, key), since))
            assert all(page.in_order for page in pages)
            found = [task.id for page in pages for task in page.rows]
            assert len(found) == len(set(found)) == at_once * (3 if since == 0 else 2)
    scene.close()


def test_the_page_on_these_facts_names_tests_that_exist() -> None:
    page = (TOP / "docs" / "fidelity.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", page))
    assert len(named) > 25
    for file, test in named:
        assert f"def {test}(" in (TOP / "tests" / file).read_text(encoding="utf-8"), (file, test)
