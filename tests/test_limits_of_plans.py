"""Plans that are spent, tokens that are revoked in mid-run, automations that pull the other way, and the brake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.wire import Answer
from tests.campaign.load import MixedLoad
from tests.scene import Scene
from tests.troubles import refusing

FREE_USES = 60


def assert_nothing_half_made(scene: Scene) -> None:
    """Every task bears the marker of a lead that names it."""
    for task, shown in scene.clickup.tasks().items():
        assert shown["marker"], f"{task} has no marker"
        assert scene.named_by(shown["marker"]) == task


# --- ClickUp Free: sixty uses of custom fields, for ever --------------------------------------------------------------


def test_spent_custom_field_uses_stop_the_creates_and_a_larger_plan_goes_on(scene: Scene) -> None:
    scene.clickup.plan = "free"
    for number in range(FREE_USES + 15):
        scene.lead("NEW", f"Lead {number}")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (3, FREE_USES)
    assert "FIELD_033" in run.messages + str(run.report)
    assert "upgrade the plan" in run.messages + str(run.report)
    assert run.report["left"] + len(run.report["failed"]) == 15
    assert len(scene.clickup.tasks()) == FREE_USES
    assert_nothing_half_made(scene)
    scene.later()
    pulled = next(iter(scene.clickup.tasks()))
    scene.clickup.set_status(pulled, "in progress")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (3, 0)
    assert run.requests.count("clickup create_task") <= 2, "the service is not asked for each of them"
    assert scene.status(scene.clickup.task(pulled)["marker"]) == "CONTACTED", "what needs no custom field goes on"
    scene.clickup.plan = "business"
    scene.later()
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 15)
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_where_creates_do_not_count_as_uses_all_tasks_are_made(scene: Scene) -> None:
    scene.clickup.plan = "free"
    scene.clickup.free_counts_creates = False
    for number in range(FREE_USES + 5):
        scene.lead("NEW", f"Lead {number}")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, FREE_USES + 5)
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_spent_custom_field_uses_while_tasks_linked_by_hand_get_their_marker(scene: Scene) -> None:
    """Setting a marker is a use as well."""
    scene.clickup.plan = "free"
    scene.clickup.field_uses = FREE_USES - 2
    leads = []
    for number in range(6):
        leads.append(scene.lead("NEW", f"Lead {number}"))
        scene.set_cell(leads[-1], scene.clickup.add_task(f"by hand {number}", status="to do"))
    scene.later()
    run = scene.run()
    assert run.code == 3
    assert len(run.report["failed"]) == 4
    assert "upgrade the plan" in run.messages + str(run.report)
    scene.later()
    assert scene.run().code == 3
    scene.clickup.plan = "business"
    scene.later()
    assert scene.run().code == 0
    for lead in leads:
        scene.assert_linked(lead, scene.named_by(lead))
    assert scene.quiet().code == 0


def test_a_marker_dropped_and_no_use_left_to_set_it(scene: Scene) -> None:
    """One task is made, its lead names it, and no further one is made before a person has looked."""
    scene.clickup.plan = "free"
    scene.clickup.free_counts_creates = False
    scene.clickup.drop_fields = True
    scene.clickup.field_uses = FREE_USES
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(5)]
    for _ in range(3):
        run = scene.run()
        assert run.code == 3, run.report
        assert len(scene.clickup.tasks()) == 1
        scene.later(150)
    assert sum(bool(scene.named_by(lead)) for lead in leads) == 1
    scene.clickup.plan, scene.clickup.drop_fields = "business", False
    assert scene.run().code == 0
    scene.assert_in_step()
    assert scene.quiet().code == 0


# --- a dropped custom field -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 3])
@pytest.mark.parametrize("count", [1, 99])
def test_a_marker_that_clickup_drops_is_set_afterwards(scene: Scene, first: int, count: int) -> None:
    """From the first create on or from a later one, once or always."""
    for number in range(40):
        scene.lead("NEW", f"Lead {number}")
    seen = [0]

    def drop() -> None:
        seen[0] += 1
        scene.clickup.drop_fields = first <= seen[0] < first + count

    scene.sandbox.faults.before("create_task", drop)
    runs = [scene.run()]
    while runs[-1].code and len(runs) < 6:
        scene.later(150)
        runs.append(scene.run())
    assert runs[-1].code == 0, runs[-1].report
    assert any("dropped the marker" in str(run.report["notices"]) for run in runs)
    assert len(runs) == 1 or first > 1, "while one is mended the others go on"
    assert len(scene.clickup.tasks()) == 40
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_a_field_that_never_keeps_a_marker_ends_creating_after_one_task(scene: Scene) -> None:
    """Creating on would make tasks that nothing ties to their leads."""
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(6)]
    scene.clickup.drop_fields = True

    def forget() -> None:
        for task in scene.clickup.tasks():
            scene.clickup.set_marker(task, "")

    scene.sandbox.faults.after("set_field", forget)
    for _ in range(4):
        run = scene.run()
        assert run.code != 0
        assert "marker" in str(run.report["failed"])
        scene.later(150)
    made = [lead for lead in leads if scene.named_by(lead)]
    assert len(scene.clickup.tasks()) == len(made), "every task that was made is named by its lead"
    assert len(made) <= 4, "one a run at most"
    scene.sandbox.faults.clear()
    scene.clickup.drop_fields = False
    assert scene.run().code == 0
    scene.assert_in_step()


def test_a_marker_that_could_not_be_set_is_tried_again_by_the_next_run(scene: Scene) -> None:
    """Also by one that lists nothing: the link is not taken for whole before the marker is on the task."""
    scene.pair("NEW", name="another")
    lead = scene.lead("NEW")
    task = scene.clickup.add_task("by hand", status="to do")
    scene.set_cell(lead, task)
    scene.later()
    scene.sandbox.faults.add("500", route="set_field", times=99)
    run = scene.run()
    assert (run.code, list(run.reasons())) == (1, [lead])
    scene.sandbox.faults.clear()
    for _ in range(2):
        scene.later(1000)
        run = scene.run()
    assert (run.code, run.report["full"]) == (0, False)
    scene.assert_linked(lead, task)
    assert scene.quiet().code == 0


def test_a_marker_that_was_never_sent_is_set_by_the_next_run(scene: Scene) -> None:
    """A link is kept only with its marker: what a run that ends early leaves must not look whole to the next one."""
    scene.pair("NEW", name="another")
    task = scene.clickup.add_task("by hand", status="to do")
    for _ in range(2):
        scene.later(1000)
        assert scene.run().code == 0, "the task is seen, and is nobody's"
    lead = scene.lead("NEW")
    scene.set_cell(lead, task)
    scene.sandbox.faults.add("token-revoked", route="set_field")
    assert scene.run().code == 3
    scene.clickup.restore_token()
    scene.later(1000)
    run = scene.run()
    assert (run.code, run.report["full"]) == (0, False)
    scene.assert_linked(lead, task)


# --- a spent Airtable month -------------------------------------------------------------------------------------------


def spend_month(scene: Scene, requests: int | None) -> None:
    """So many more requests to the base; None lifts the limit."""
    quota = None if requests is None else scene.airtable.calls + requests
    scene.airtable.switches = dataclasses.replace(scene.airtable.switches, monthly_quota=quota)


@pytest.mark.parametrize("left", range(8))
def test_a_spent_month_stops_the_run_at_once_and_the_next_month_goes_on(tmp_path: Path, left: int) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    load = MixedLoad.prepared(scene)
    spend_month(scene, left)
    run = scene.run()
    asked = sum(1 for each in scene.sandbox.log[-len(run.requests) :] if each.service == "airtable")
    if run.code != 0:
        assert run.code == 3, run.report
        assert "wait for the next month or upgrade the plan" in run.messages + str(run.report)
        assert asked <= left + 2, "nothing is tried again; what stood beside it may have been under way"
        assert run.report["waited_seconds"]["airtable"] < 5
    scene.later(150)
    spend_month(scene, None)
    load.settle(run)
    scene.close()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_any_other_quota_of_the_plan_that_is_spent_stops_the_run_as_well(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Danger: it is taken for a wrong setting, or for ten bad records that are sent one by one."""
    scene.pair("NEW", name="other")
    leads = [scene.lead("NEW") for _ in range(3)]
    spent = Answer(402, {"error": {"type": "PAYMENT_REQUIRED", "message": "Payment Required"}})
    with monkeypatch.context() as patch:
        patch.setattr(scene.sandbox, "carry_out", refusing(scene, method, spent, service="airtable"))
        run = scene.run()
    assert run.code == 3
    assert "upgrade it" in run.messages + str(run.report)
    assert run.requests.count("airtable refused") == 1
    scene.later()
    assert scene.run().code == 0
    for lead in leads:
        scene.assert_linked(lead, scene.named_by(lead))


# --- a token revoked in mid-run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["airtable", "clickup"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(1, 19, 3))
def test_a_token_revoked_in_mid_run_stops_it_and_a_good_one_goes_on(
    tmp_path: Path, service: str, when: str, number: int
) -> None:
    scene = Scene(tmp_path, clickup_limit=0, airtable_limit=0)
    load = MixedLoad.prepared(scene)
    scene.sandbox.faults.add("token-revoked", when=when, number=number, service=service)
    run = scene.run()
    revoked = not (scene.clickup.token_works if service == "clickup" else scene.airtable._valid)
    if revoked and run.code != 0:
        assert run.code == 3, run.report
        assert f"{service.upper()}_API_KEY" in run.messages + str(run.report)
        assert "create a new personal" in run.messages + str(run.report)
        scene.later(150)
        assert scene.run().code == 3
    scene.sandbox.faults.clear()
    scene.clickup.restore_token()
    scene.airtable.restore_token()
    load.settle(run)
    scene.close()


def test_what_was_done_before_the_token_was_revoked_is_not_done_again(scene: Scene) -> None:
    for number in range(30):
        scene.lead("NEW", f"Lead {number}")
    scene.sandbox.faults.add("token-revoked", when="after", number=8, route="create_task")
    run = scene.run()
    assert run.code == 3
    made = len(scene.clickup.tasks())
    assert 8 <= made < 30
    assert "Traceback" not in run.messages
    scene.clickup.restore_token()
    scene.later(150)
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 30 - made)
    scene.assert_in_step()


# --- automations ------------------------------------------------------------------------------------------------------

AUTOMATIONS: dict[str, Callable[[Scene], Callable[[str], object]]] = {
    "renames": lambda scene: lambda task: scene.clickup.rename(task, "renamed by a rule"),
    "describes": lambda scene: lambda task: scene.clickup.describe(task, "filled in from a template"),
    "to do": lambda scene: lambda task: scene.clickup.set_status(task, "to do"),
    "in progress": lambda scene: lambda task: scene.clickup.set_status(task, "in progress"),
    "complete": lambda scene: lambda task: scene.clickup.set_status(task, "complete"),
    "unmapped": lambda scene: lambda task: scene.clickup.set_status(task, "triage"),
    "moves": lambda scene: lambda task: scene.clickup.move(task, scene.clickup.second_list_id),
    "archives": lambda scene: scene.clickup.archive,
}


@pytest.mark.parametrize("delay", [0, 10, 400])
@pytest.mark.parametrize("rule", AUTOMATIONS)
def test_a_rule_that_changes_new_tasks_starts_no_tug_of_war(scene: Scene, rule: str, delay: int) -> None:
    scene.clickup.add_status("triage")
    scene.clickup.on_create(AUTOMATIONS[rule](scene), delay)
    leads = {status: scene.lead(status, f"Lead {status}") for status in ("NEW", "CONTACTED", "QUALIFIED", "LOST")}
    runs = [scene.run()]
    for _ in range(4):
        scene.later()
        runs.append(scene.run())
    assert [run.writes for run in runs[3:]] == [[], []], "it comes to rest"
    tasks = {status: scene.named_by(lead) for status, lead in leads.items()}
    assert len(set(tasks.values())) == 4
    for lead in leads.values():
        scene.assert_linked(lead, scene.named_by(lead))
    if rule == "renames":
        assert {scene.clickup.task(task)["name"] for task in tasks.values()} == {"renamed by a rule"}
    if rule == "describes":
        assert {scene.clickup.task(task)["description"] for task in tasks.values()} == {"filled in from a template"}
    if rule == "unmapped":
        assert runs[-1].code == 1
        assert set(runs[-1].reasons()) == set(leads.values())
        assert {scene.task_status(task) for task in tasks.values()} == {"triage"}
    else:
        assert runs[-1].code == 0
        scene.assert_in_step()


def test_a_rule_that_always_moves_a_task_back_is_given_up_and_named(scene: Scene) -> None:
    """Three restores, then the automation has won and a person is told."""
    _, task = scene.pair("CONTACTED")
    writes = 0
    for _ in range(8):
        scene.clickup.set_status(task, "to do")
        scene.later()
        run = scene.run()
        writes += len(run.writes)
    assert writes == 3
    assert run.code == 1
    assert "automation" in str(run.report["failed"])


# --- people's own text ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["", "state", "state and cell"])
@pytest.mark.parametrize("typed", ["Call after six.", "Email: ada@example.com", "  ours and theirs  \n\n- point"])
def test_a_description_typed_by_people_is_never_overwritten(scene: Scene, typed: str, lost: str) -> None:
    lead, task = scene.pair("NEW", Email="ada@example.com")
    scene.clickup.describe(task, typed)
    if lost:
        scene.state_file.unlink()
    if lost == "state and cell":
        scene.set_cell(lead, None)
    for number, status in enumerate(("CONTACTED", "QUALIFIED", "LOST")):
        scene.later()
        scene.edit(lead, Email=f"ada{number}@example.com", Name=f"Ada {number}", Status=status)
        assert scene.run(*(["--full"] if number == 1 else [])).code == 0
        assert scene.clickup.task(task)["description"] == typed
    assert scene.clickup.task(task)["name"] == "Ada 2"


def test_text_added_to_ours_stays(scene: Scene) -> None:
    lead, task = scene.pair("NEW", Email="ada@example.com")
    ours = scene.clickup.task(task)["description"]
    scene.clickup.describe(task, f"{ours}\n\nShe prefers the evening.")
    scene.edit(lead, Email="new@example.com")
    run = scene.run()
    assert "theirs stays" in run.told(lead)
    assert scene.clickup.task(task)["description"].endswith("She prefers the evening.")
    scene.clickup.describe(task, ours)
    scene.later()
    scene.edit(lead, Email="newer@example.com")
    assert scene.run().code == 0
    assert "newer@example.com" in scene.clickup.task(task)["description"], "it is ours again"


# --- the brake --------------------------------------------------------------------------------------------------------


def in_tasks(scene: Scene, leads: list[str]) -> None:
    for lead in leads:
        scene.edit(lead, Status="CONTACTED")


def in_leads(scene: Scene, leads: list[str]) -> None:
    for lead in leads:
        scene.clickup.set_status(scene.named_by(lead), "complete")


@pytest.mark.parametrize("edit", [in_tasks, in_leads])
@pytest.mark.parametrize(
    ("pairs", "changed", "stops"), [(20, 20, False), (21, 21, True), (42, 21, False), (41, 21, True)]
)
def test_the_brake_stops_more_than_twenty_and_more_than_half(
    scene: Scene, edit: Callable[[Scene, list[str]], None], pairs: int, changed: int, stops: bool
) -> None:
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(pairs)]
    assert scene.run().code == 0
    scene.later()
    edit(scene, leads[:changed])
    late = scene.lead("NEW", "made meanwhile")
    run = scene.run()
    if not stops:
        assert run.code == 0
        scene.assert_in_step()
        return
    where = "tasks" if edit is in_tasks else "leads"
    assert (run.code, run.writes) == (3, [])
    assert f"{changed} {where}, of {pairs} pairs" in run.messages
    assert "--force" in run.messages
    scene.later()
    assert scene.run("--full").code == 3, "it stands until a person has decided"
    assert not scene.named_by(late)
    run = scene.run("--dry-run")
    assert (run.code, len(run.report["plan"])) == (0, changed + 1), "the plan can be looked at"
    scene.later()
    assert scene.run("--force").code == 0
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_many_changes_in_both_directions_do_not_add_up(scene: Scene) -> None:
    leads = [scene.lead("NEW", f"Lead {number}") for number in range(30)]
    assert scene.run().code == 0
    scene.later()
    in_tasks(scene, leads[:15])
    in_leads(scene, leads[15:])
    assert scene.run().code == 0
    scene.assert_in_step()


def test_a_backfill_is_no_reason_to_brake(scene: Scene) -> None:
    for number in range(50):
        scene.lead(["NEW", "CONTACTED", "QUALIFIED", "LOST"][number % 4], f"Lead {number}")
    assert scene.run().code == 0
    scene.assert_in_step()
