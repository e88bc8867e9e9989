"""Name and details go from the lead to its task, and nobody's own text is overwritten."""

from __future__ import annotations

import pytest

from tests.scene import Scene
from tests.troubles import ELSEWHERE, put_elsewhere


def test_a_new_task_bears_the_leads_name_and_details_and_a_link_back(scene: Scene) -> None:
    lead, task = scene.pair("NEW", name="Ada Example", Email="ada@example.com", Source="Fair")
    shown = scene.clickup.task(task)
    assert shown["name"] == "Ada Example"
    assert shown["description"].startswith("Email: ada@example.com\nSource: Fair\n")
    assert f"https://airtable.com/{scene.airtable.base_id}/{scene.airtable.table_id}/{lead}" in shown["description"]


def test_a_changed_name_and_changed_details_reach_the_task_in_one_request(scene: Scene) -> None:
    lead, task = scene.pair("NEW", Email="old@example.com")
    scene.edit(lead, Name="Ada E. Example", Email="new@example.com", Status="CONTACTED")
    run = scene.run()
    assert run.writes == ["clickup update_task"]
    shown = scene.clickup.task(task)
    assert shown["name"] == "Ada E. Example"
    assert "Email: new@example.com" in shown["description"]
    assert shown["status"] == "in progress"
    assert scene.quiet().code == 0


def test_a_task_renamed_in_clickup_keeps_its_name_until_the_leads_changes(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    scene.clickup.rename(task, "call her on Monday")
    assert scene.quiet("--full").code == 0
    assert scene.clickup.task(task)["name"] == "call her on Monday"
    scene.edit(lead, Name="Ada E. Example")
    run = scene.run()
    assert scene.clickup.task(task)["name"] == "Ada E. Example"
    assert "renamed in ClickUp" in run.told(lead), "what a person typed is not replaced without a word"


def test_a_description_that_people_edited_stays_theirs_and_the_output_says_so(scene: Scene) -> None:
    lead, task = scene.pair("NEW", Email="old@example.com")
    scene.clickup.describe(task, "She prefers to be called in the evening.")
    scene.edit(lead, Email="new@example.com")
    run = scene.run()
    assert run.code == 0
    assert "theirs stays" in run.told(lead)
    assert scene.clickup.task(task)["description"] == "She prefers to be called in the evening."
    assert scene.quiet().report["notices"] == [], "it is said once"


def test_a_task_linked_by_hand_keeps_its_own_text_until_the_lead_changes(scene: Scene) -> None:
    task = scene.clickup.add_task("the team's own name", description="the team's own notes")
    lead = scene.lead("NEW", Email="a@example.com")
    scene.set_cell(lead, task)
    scene.later()
    assert scene.run().code == 0
    shown = scene.clickup.task(task)
    assert (shown["name"], shown["description"]) == ("the team's own name", "the team's own notes")
    scene.edit(lead, Name="New Name", Email="b@example.com")
    scene.later()
    assert scene.run().code == 0
    shown = scene.clickup.task(task)
    assert (shown["name"], shown["description"]) == ("New Name", "the team's own notes")


def test_a_lead_without_a_name_is_called_by_company_e_mail_or_record_id(scene: Scene) -> None:
    company = scene.lead("NEW", "", Company="Example Ltd", Email="x@example.com")
    email = scene.lead("NEW", "  ", Email="y@example.com")
    nothing = scene.lead("NEW", "")
    assert scene.run().code == 0
    names = [scene.clickup.task(scene.named_by(each))["name"] for each in (company, email, nothing)]
    assert names == ["Example Ltd", "y@example.com", nothing]


def test_an_edit_of_a_field_that_is_not_synced_writes_nothing(scene: Scene) -> None:
    lead, _ = scene.pair("NEW")
    scene.edit(lead, Phone="+1 555 0100")
    assert scene.quiet().code == 0


def test_attachments_are_named_by_file_since_their_addresses_change(scene: Scene) -> None:
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes"
    lead, task = scene.pair("NEW", Notes=[{"id": "att1", "filename": "offer.pdf", "url": "https://example.com/1"}])
    assert "Notes: offer.pdf" in scene.clickup.task(task)["description"]
    scene.edit(lead, Notes=[{"id": "att1", "filename": "offer.pdf", "url": "https://example.com/2"}])
    assert scene.quiet().code == 0


def test_names_of_any_script_and_kind_arrive_unharmed(scene: Scene) -> None:
    names = ["O'Brien", 'the "quoted" one', "山田 太郎", "عميل", "🎉 party", "back\\slash", "=1+1", "<b>x</b>", "a{b}c"]
    leads = {scene.lead("NEW", name): name for name in names}
    assert scene.run().code == 0
    for lead, name in leads.items():
        assert scene.clickup.task(scene.named_by(lead))["name"] == name


def test_what_a_service_would_refuse_is_cut_or_cleaned_and_the_lead_still_gets_its_task(scene: Scene) -> None:
    long = scene.lead("NEW", "x" * 100_000, Email="y" * 100_000)
    nul = scene.lead("NEW", "nul\x00 and \ud800 surrogate", Email="a\x00b")
    lines = scene.lead("NEW", "two\nlines")
    assert scene.run().code == 0
    assert len(scene.clickup.task(scene.named_by(long))["name"]) <= 2048
    assert scene.clickup.task(scene.named_by(nul))["name"] == "nul and  surrogate"
    assert scene.clickup.task(scene.named_by(lines))["name"] == "two lines"
    assert scene.quiet().code == 0


def test_a_name_that_was_typed_before_the_state_was_lost_is_not_left_out_in_silence(scene: Scene) -> None:
    lead, _ = scene.pair("NEW", name="Ada")
    scene.edit(lead, Name="Grace")
    scene.state_file.unlink()
    scene.later()
    run = scene.run()
    assert (run.code, run.report["notices"][0]["record_id"]) == (0, lead)
    assert "keeps its name 'Ada'" in run.report["notices"][0]["text"]


def test_a_lead_renamed_after_the_state_was_lost_blames_nobody_for_its_tasks_old_name(scene: Scene) -> None:
    lead, task = scene.pair("NEW", name="Ada Example")
    scene.state_file.unlink()
    scene.later(300)
    assert scene.run().code == 0
    scene.edit(lead, Name="Ada E. Example")
    scene.later()
    run = scene.run()
    assert (scene.clickup.task(task)["name"], run.told(lead)) == ("Ada E. Example", "")


# --- tasks that no poll shows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("what", ["name", "description"])
def test_what_people_wrote_into_a_task_that_then_left_the_polls_is_kept_or_named(
    scene: Scene, where: str, what: str
) -> None:
    """Danger: no poll shows an archived or moved task, so its texts count as those that it had before."""
    lead, task = scene.pair("NEW", Email="old@example.org")
    scene.clickup.rename(task, "Theirs") if what == "name" else scene.clickup.describe(task, "their notes")
    put_elsewhere(scene, task, where)
    scene.later()
    scene.edit(lead, Name="New", Email="new@example.org")
    scene.later()
    first = scene.run()
    assert (first.code, first.writes) == (1, [])
    scene.later()
    told = scene.run().told(lead)
    if what == "name":
        assert "'Theirs'; the lead's new name replaces it" in told
    else:
        assert "theirs stays" in told
        assert scene.clickup.task(task)["description"] == "their notes"


def test_new_details_of_a_lead_whose_task_nobody_touched_take_one_look_at_it(scene: Scene) -> None:
    lead, _ = scene.pair("NEW", Email="old@example.org")
    scene.quiet()
    scene.later()
    scene.edit(lead, Email="new@example.org")
    scene.later()
    assert [each for each in scene.run().requests if each.startswith("clickup")] == [
        "clickup list_tasks",
        "clickup get_task",
        "clickup update_task",
    ]
    scene.quiet()
    scene.later()
    scene.edit(lead, Status="CONTACTED")
    scene.later()
    assert "clickup get_task" not in scene.run().requests


def test_a_new_name_reaches_a_task_elsewhere_whose_status_has_no_row(scene: Scene) -> None:
    """Danger: the task was renamed unseen, so the next run has to look; but its status fails, and that look is lost."""
    scene.clickup.add_status("review")
    lead, task = scene.pair("NEW")
    scene.clickup.set_status(task, "review")
    assert scene.run().code == 1
    scene.clickup.rename(task, "Theirs")
    scene.clickup.archive(task)
    scene.later(600)
    scene.edit(lead, Name="New")
    for _ in range(2):
        scene.later(600)
        assert scene.run().code == 1
    assert scene.clickup.task(task)["name"] == "New"
