"""Listings that show our own last write late: what stood there before must not be taken for somebody's change.

Both services are played with a lag of a minute: Airtable's listing, ClickUp's listing, and ClickUp's task by its id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

import pytest

from sandbox.faults import Fault
from sandbox.wire import Answer, Request
from tests.campaign.wire import DirectScene, Fate
from tests.scene import Run
from tests.troubles import REFUSED_TASK, refusing

LAG = 60
KINDS = [("--full",), ()]

Lag = Callable[[DirectScene], None]


def airtable(scene: DirectScene) -> None:
    scene.airtable.switches = replace(scene.airtable.switches, stale_seconds=LAG)


def clickup(scene: DirectScene) -> None:
    scene.clickup.show_updates_after = LAG


def clickup_by_id_too(scene: DirectScene) -> None:
    scene.clickup.show_updates_after = LAG
    scene.clickup.late_by_id = True


def both(scene: DirectScene) -> None:
    airtable(scene)
    clickup_by_id_too(scene)


LAGS: list[Lag] = [airtable, clickup, clickup_by_id_too, both]


def settle(scene: DirectScene) -> Run:
    """Runs, half a minute apart, until one has nothing to do. Everything must have been told by an exit code."""
    for _ in range(12):
        scene.later(30)
        run = scene.run()
        if run.code == 0 and not run.writes:
            scene.later(LAG)
            scene.run("--full")
            scene.assert_in_step()
            return scene.quiet("--full")
    raise AssertionError(run.report)


def begin(scene: DirectScene, lag: Lag, status: str = "NEW") -> tuple[str, str]:
    lead, task = scene.pair(status)
    lag(scene)
    return lead, task


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_leads_status_just_carried_to_its_task_is_not_taken_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag)
    direct.edit(lead, Status="CONTACTED", Name="Grace")
    direct.later(LAG)
    assert direct.run(*flags).report["phase_1"]["updated"] == 1
    for _ in range(3):
        direct.later(5)
        assert direct.run(*flags).writes == []
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_tasks_status_just_carried_to_its_lead_is_not_taken_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag)
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    assert direct.run(*flags).report["phase_2"]["updated"] == 1
    for _ in range(3):
        direct.later(5)
        assert direct.run(*flags).writes == []
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("QUALIFIED", "complete")


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_lead_put_back_right_after_its_task_was_written_puts_the_task_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag)
    direct.edit(lead, Status="CONTACTED")
    direct.later(LAG)
    direct.run(*flags)
    direct.later(5)
    direct.edit(lead, Status="NEW")
    direct.later(5)
    direct.run(*flags)
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_task_put_back_right_after_its_lead_was_written_puts_the_lead_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag, "CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    direct.run(*flags)
    direct.later(5)
    direct.clickup.set_status(task, "in progress")
    direct.later(5)
    direct.run(*flags)
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def killed_after_the_first(route: str, direct: DirectScene, *flags: str) -> None:
    """A run that dies when the first such request has had its effect."""
    fate = Fate()

    def die() -> None:
        fate.dead = True

    direct.sandbox.faults.after(route, die)
    assert direct.killed_run(fate, *flags) is None
    direct.sandbox.faults.clear()


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_lead_put_back_right_after_a_run_died_behind_its_write_stays_put_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag)
    direct.edit(lead, Status="CONTACTED")
    direct.later(LAG)
    killed_after_the_first("update_task", direct, *flags)
    assert direct.task_status(task) == "in progress"
    direct.later(5)
    direct.edit(lead, Status="NEW")
    direct.later(5)
    direct.run(*flags)
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("NEW", "to do")


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_task_put_back_right_after_a_run_died_behind_its_write_stays_put_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    lead, task = begin(direct, lag, "CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    killed_after_the_first("update_records", direct, *flags)
    assert direct.status(lead) == "QUALIFIED"
    direct.later(5)
    direct.clickup.set_status(task, "in progress")
    direct.later(5)
    direct.run(*flags)
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize(("cell", "shown"), [("Name", "name"), ("Email", "description")])
def test_a_text_put_back_right_after_a_run_died_behind_its_write_stays_put_back(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...], cell: str, shown: str
) -> None:
    """Taken for never made, the write would stand in the task for ever: nothing brings a text back to the lead."""
    lead = direct.lead(Email="ada@example.com")
    direct.run()
    direct.later()
    task, before = direct.named_by(lead), direct.cell(lead, cell)
    text = direct.clickup.task(task)[shown]
    lag(direct)
    direct.edit(lead, **{cell: "grace@example.com"})
    direct.later(LAG)
    killed_after_the_first("update_task", direct, *flags)
    assert direct.clickup.task(task)[shown] != text
    direct.later(5)
    direct.edit(lead, **{cell: before})
    direct.later(5)
    direct.run(*flags)
    settle(direct)
    assert direct.clickup.task(task)[shown] == text


@pytest.mark.parametrize("flags", KINDS, ids=str)
@pytest.mark.parametrize("lag", LAGS)
def test_a_status_typed_right_behind_our_own_write_is_carried_over_in_the_end(
    direct: DirectScene, lag: Lag, flags: tuple[str, ...]
) -> None:
    """No time can tell a status that is typed within the same second from what stood there before the write."""
    lead, task = begin(direct, lag, "CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    direct.run(*flags)
    direct.edit(lead, Status="LOST")
    direct.later(LAG)
    direct.run(*flags)
    settle(direct)
    assert (direct.status(lead), direct.task_status(task)) == ("LOST", "complete")


def test_a_task_moved_while_its_lead_waits_is_not_written_over_without_a_word(direct: DirectScene) -> None:
    """The lead's status, typed right behind our own write, is left to a run that polls only what changed since."""
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    direct.run()
    direct.edit(lead, Status="NEW")
    direct.later(10)
    direct.clickup.set_status(task, "in progress")
    direct.later(90)
    assert direct.run().report["left"] == 1
    direct.later()
    (conflict,) = direct.run().report["conflicts"]
    assert (conflict["airtable"], conflict["clickup"]) == ("NEW", "in progress")


def test_a_task_put_back_while_its_lead_waits_is_followed(direct: DirectScene) -> None:
    lead, task = direct.pair("CONTACTED")
    direct.airtable.switches = replace(direct.airtable.switches, stale_seconds=85)
    direct.clickup.set_status(task, "complete")
    direct.later(LAG)
    direct.run()
    direct.later(5)
    direct.clickup.set_status(task, "in progress")
    direct.later(70)
    assert direct.run().report["left"] == 1
    direct.later()
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_write_of_what_a_person_has_just_set_too_leaves_nothing_to_wait_for(direct: DirectScene) -> None:
    """It does not move the task's time, which is sooner than our own write from then on."""
    lead, task = direct.pair()
    direct.clickup.equal_update_bumps = False
    direct.edit(lead, Status="CONTACTED")
    direct.later(LAG)

    def set_it_too() -> None:
        if direct.task_status(task) == "to do":
            direct.clickup.set_status(task, "in progress")
            direct.later(5)

    direct.sandbox.faults.after("list_tasks", set_it_too)
    assert direct.run().report["phase_1"]["updated"] == 1
    direct.sandbox.faults.clear()
    direct.later(5)
    run = direct.run("--full")
    assert (run.code, run.writes) == (0, [])
    assert "clickup get_task" not in run.requests


@pytest.mark.parametrize("side", ["lead", "task"])
def test_a_date_that_is_far_ahead_for_once_leaves_no_pair_for_days(
    direct: DirectScene, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    lead, task = direct.pair("CONTACTED")
    if side == "lead":
        direct.clickup.set_status(task, "complete")
    else:
        direct.edit(lead, Status="QUALIFIED")
    direct.later(LAG)
    true = direct.sandbox.carry_out

    def far_ahead(request: Request) -> tuple[Answer, str, Fault | None]:
        answer, route, fault = true(request)
        if route in ("update_records", "list_tasks"):
            date = formatdate(direct.clock.time() + 10 * 86_400, usegmt=True)
            answer = replace(answer, headers={**answer.headers, "Date": date})
        return answer, route, fault

    with monkeypatch.context() as bent:
        bent.setattr(direct.sandbox, "carry_out", far_ahead)
        assert direct.run().code == 0
    direct.later()
    if side == "lead":
        direct.edit(lead, Status="NEW")
    else:
        direct.clickup.set_status(task, "in progress")
    direct.later()
    assert direct.run("--full").code == 0
    assert (direct.status(lead), direct.task_status(task)) in (("NEW", "to do"), ("CONTACTED", "in progress"))


@pytest.mark.parametrize("lag", LAGS)
def test_a_new_pair_is_whole_while_listings_lag(direct: DirectScene, lag: Lag) -> None:
    lag(direct)
    lead = direct.lead("CONTACTED")
    direct.later(LAG)
    direct.run()
    for _ in range(3):
        direct.later(5)
        direct.run("--full")
        assert len(direct.clickup.by_marker(lead)) == 1
    settle(direct)


@pytest.mark.parametrize("flags", KINDS, ids=str)
def test_where_airtable_does_not_tell_of_a_field_nothing_is_undone_unsaid(
    direct: DirectScene, flags: tuple[str, ...]
) -> None:
    """Danger: a run died behind its write of a lead, a person took it back, and the write is made once more."""
    direct.airtable.switches = replace(direct.airtable.switches, field_times="refused")
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later()
    killed_after_the_first("update_records", direct, *flags)
    assert direct.status(lead) == "QUALIFIED"
    direct.later()
    direct.edit(lead, Status="CONTACTED")
    direct.later()
    run = direct.run(*flags)
    assert [conflict["record_id"] for conflict in run.report["conflicts"]] == [lead]
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")
    direct.quiet("--full")


# --- a write whose outcome is not known, and that the next run does not make again ------------------------------------


def taken_back_meanwhile(direct: DirectScene, lead: str) -> None:
    """Somebody takes the lead's status back while the next run is at work."""
    times = iter(range(9))

    def edit() -> None:
        if next(times) == 0:
            direct.edit(lead, Status="CONTACTED")
            direct.later(11)

    direct.sandbox.faults.after("get_task", edit)
    assert direct.run().writes == []
    direct.sandbox.faults.clear()


def phase_2_alone(direct: DirectScene, lead: str) -> None:
    assert direct.run("--phase", "2").writes == []
    direct.later(300)
    direct.edit(lead, Status="CONTACTED")


def time_is_up(direct: DirectScene, lead: str) -> None:
    direct.sandbox.faults.after("list_tasks", lambda: direct.later(9))
    assert direct.run(SYNC_TIME_BUDGET_SECONDS="5").writes == []
    direct.sandbox.faults.clear()
    direct.later(300)
    direct.edit(lead, Status="CONTACTED")


def is_refused(direct: DirectScene, lead: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct.sandbox, "carry_out", refusing(direct, "PUT", REFUSED_TASK))
        assert direct.run().code == 1
    direct.later(300)
    direct.edit(lead, Status="CONTACTED")


@pytest.mark.parametrize("hindered", [taken_back_meanwhile, phase_2_alone, time_is_up, is_refused])
def test_a_task_write_that_shows_only_after_a_run_that_did_not_repeat_it_is_still_known_as_ours(
    direct: DirectScene, hindered: Callable[[DirectScene, str], None]
) -> None:
    """Danger: it is taken for a person's move, and the lead that was put back is overwritten."""
    lead, task = direct.pair("CONTACTED")
    clickup_by_id_too(direct)
    direct.edit(lead, Status="QUALIFIED")
    direct.later(1)
    killed_after_the_first("update_task", direct)
    direct.later(5)
    hindered(direct, lead)
    direct.later(300)
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_lead_write_that_shows_only_after_a_run_that_did_not_repeat_it_is_still_known_as_ours(
    direct: DirectScene,
) -> None:
    lead, task = direct.pair("CONTACTED")
    airtable(direct)
    direct.clickup.set_status(task, "complete")
    direct.later(1)
    killed_after_the_first("update_records", direct)
    direct.later(5)
    assert direct.run("--phase", "1").writes == []
    direct.later(300)
    direct.clickup.set_status(task, "in progress")
    direct.later(300)
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_texts_that_show_only_after_a_run_that_did_not_repeat_them_are_known_as_ours(direct: DirectScene) -> None:
    lead, task = direct.pair("CONTACTED", name="Ada", Email="one@example.com")
    clickup_by_id_too(direct)
    direct.edit(lead, Name="Grace", Email="two@example.com")
    direct.later(1)
    killed_after_the_first("update_task", direct)
    direct.later(5)
    assert direct.run("--phase", "2").writes == []
    direct.later(300)
    direct.edit(lead, Name="Ada", Email="one@example.com")
    direct.later(300)
    assert direct.run().code == 0
    shown = direct.clickup.task(task)
    assert (shown["name"], "one@" in shown["description"]) == ("Ada", True)


def test_a_lead_write_is_as_late_as_its_last_attempt(direct: DirectScene) -> None:
    """Danger: attempts take a minute each, the time of doubt counts from the first, and the echo of the last one beats
    the person who has put the task back."""
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(30)
    faults = direct.sandbox.faults
    faults.before("update_records", lambda: direct.clock.advance(62))
    faults.add("reset", when="before", route="update_records", number=1)
    faults.add("reset", when="after", route="update_records", number=2, times=9)
    direct.airtable.switches = replace(direct.airtable.switches, stale_seconds=15)
    assert direct.run().code == 1
    direct.sandbox.faults.clear()
    direct.later(2)
    direct.clickup.set_status(task, "in progress")
    direct.later(2)
    early = direct.run()
    assert (early.code, early.writes, len(early.report["left_records"])) == (1, [], 1)
    direct.later(300)
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def _dies_behind_its_third_attempt(direct: DirectScene, route: str, *, meanwhile: Callable[[], None]) -> float:
    """A run whose first two attempts of a write do not arrive, with somebody at work after the first; when that was."""
    faults, fate = direct.sandbox.faults, Fate()
    attempts: list[float] = []

    def attempted() -> None:
        attempts.append(direct.clock.time())
        if len(attempts) == 1:
            direct.clock.advance(1.2)
            meanwhile()
        direct.clock.advance(2)

    def dies() -> None:
        fate.dead = len(attempts) == 3

    faults.before(route, attempted)
    for number in (1, 2):
        faults.add("reset", when="before", route=route, number=number)
    faults.after(route, dies)
    assert direct.killed_run(fate) is None
    faults.clear()
    direct.later(3)
    return attempts[0] + 1.6


def test_a_touch_between_two_attempts_does_not_prove_that_a_late_task_shows_the_last(direct: DirectScene) -> None:
    """Danger: the write counts as never made, and later as a person's move that beats who has put the lead back."""
    lead, task = direct.pair("CONTACTED")
    direct.edit(lead, Status="QUALIFIED")
    direct.later(30)
    direct.clickup.show_updates_after = 0.001
    shown = _dies_behind_its_third_attempt(
        direct, "update_task", meanwhile=lambda: direct.clickup.describe(task, "a note by somebody")
    )
    direct.edit(lead, Status="CONTACTED")
    direct.later(3)
    direct.clickup.show_updates_after = direct.clock.time() - shown
    direct.clickup.late_by_id = True
    assert direct.run().report["left"] == 1
    direct.clickup.show_updates_after = 0
    direct.later(150)
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")


def test_a_touch_between_two_attempts_does_not_prove_that_a_late_lead_shows_the_last(direct: DirectScene) -> None:
    """Danger: the same of a lead, and who has put the task back."""
    lead, task = direct.pair("CONTACTED")
    direct.clickup.set_status(task, "complete")
    direct.later(30)

    def away_and_back() -> None:
        direct.airtable.switches = replace(direct.airtable.switches, stale_seconds=100)
        direct.edit(lead, Status="NEW")
        direct.edit(lead, Status="CONTACTED")

    shown = _dies_behind_its_third_attempt(direct, "update_records", meanwhile=away_and_back)
    direct.clickup.set_status(task, "in progress")
    direct.later(3)
    direct.airtable.switches = replace(direct.airtable.switches, stale_seconds=direct.clock.time() - shown)
    assert direct.run().report["left"] == 1
    direct.airtable.switches = replace(direct.airtable.switches, stale_seconds=0)
    direct.later(150)
    assert direct.run().code == 0
    assert (direct.status(lead), direct.task_status(task)) == ("CONTACTED", "in progress")
