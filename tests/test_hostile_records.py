"""What people and programs can put into records: Task IDs, names, notes, values of the wrong type, names of fields."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

import main
from sandbox.airtable.fields import Choice
from tests.scene import Scene

KNOWN_ROUTES = {
    *("schema", "list_records_post", "update_records", "list", "fields", "list_tasks", "create_task", "get_task"),
    *("update_task", "set_field", "bulk_time_in_status"),
}
PATHS = re.compile(
    r"/v0/meta/bases/app\w{14}/tables|/v0/app\w{14}/[^/?#]+(/listRecords)?"
    r"|/api/v2/list/\d+(/task|/field)?|/api/v2/task/bulk_time_in_status/task_ids"
    r"|/api/v2/task/[0-9a-z]{1,32}(/field/[0-9a-f-]{36})?"
)
# All that this program ever sends as a formula, with the names of fields as they are in these tests.
_MOMENT = r"DATETIME_PARSE\('[0-9T:.-]+Z'\)"
_FIELD = r"\{[^{}]+\}"
_CHANGED = rf"IS_(AFTER|BEFORE)\((LAST_MODIFIED_TIME\(({_FIELD})?\)|CREATED_TIME\(\)),{_MOMENT}\)"
FORMULA = re.compile(rf"({_CHANGED}|RECORD_ID\(\)='rec[0-9A-Za-z]{{14}}'|{_FIELD}=BLANK\(\)|AND\(|OR\(|,|\))*")
# What a terminal would obey, or what would begin a line of its own.
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
FORGED = "Phase 1, lead → task: 999 created"
NASTY = f"a\x1b[2J\x1b]0;owned\x07b\r\n{FORGED}\n\u202egnp.exe\u2028\u2066\x9b31m\x85[bold red]:smile: \x7f\ud800\x00'"


def assert_only_known_requests(scene: Scene) -> None:
    """Every request went to a route of the API, its path is well-formed, and its formula has nothing foreign in it."""
    for each in scene.sandbox.log:
        assert each.route in KNOWN_ROUTES, each
        assert PATHS.fullmatch(each.path), each.path
        formula = (each.body or {}).get("filterByFormula", "") if each.route == "list_records_post" else ""
        assert FORMULA.fullmatch(formula), formula


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def said(scene: Scene, *flags: str, terminal: bool = False) -> str:
    """All that one command line prints, on both streams."""
    out, err = (Terminal(), Terminal()) if terminal else (io.StringIO(), io.StringIO())
    main.main(flags, scene.settings, clock=scene.clock, stdout=out, stderr=err)
    return out.getvalue() + err.getvalue()


# --- the Task ID cell -------------------------------------------------------------------------------------------------

NO_TASK_IDS = [
    "../../list/1", "..", ".", "/", "//evil.example/x", "abc/../def", "abc/field/1", "%2e%2e%2f", "%00", "abc%3Fx=1",
    "abc?x=1", "abc#frag", "abc;x", "abc&x=1", "?", "#", "##abc", "abc def", "abc\tdef", "abc\ndef", "abc\r\nHost: x",
    "https://evil.example/t/abc", "http://app.clickup.com/t/abc", "https://app.clickup.com.evil.example/t/abc",
    "https://app.clickup.com@evil.example/t/abc", "https://app.clickup.com/t/../x", "https://app.clickup.com/t/a%2fb",
    "https://app.clickup.com/t/", "https://app.clickup.com/123/v/li/456", "https://app.clickup.com/t/9007/DEV-12",
    "HTTPS://APP.CLICKUP.COM/t/86abc", "file:///etc/passwd", "javascript:alert(1)", "DEV-12", "86ABC", "86abc,86abd",
    "86abc 86abd", "9" * 5_000, "a" * 33, "x" * 100_000, "\u202e86abc", "８６abc", "86abc\u200b", "86аbc", "ё" * 9,
    "-1", "'; DROP TABLE links; --", "{Name}", "=1+1", "<b>86abc</b>", "[86abc](https://x.example)", "\x1b[2J86abc",
    "\x07abc", "86abc\ud800.", "null", "None.", "true!", "rec00000000000000'", "CU-", "#CU-#abc", "a",
]  # fmt: skip


def test_nothing_typed_into_the_task_id_cell_ever_gets_into_an_address_or_a_formula(scene: Scene) -> None:
    scene.pair("NEW", name="bystander")
    typed = {scene.lead("NEW", f"lead {number}"): cell for number, cell in enumerate(NO_TASK_IDS)}
    for lead, cell in typed.items():
        scene.set_cell(lead, cell)
    asked_for = {"null"}  # it has the form of an id
    for flags in ((), ("--full",), ("-v", "--dry-run"), ("--only", next(iter(typed)))):
        scene.later()
        run = scene.run(*flags)
        assert (run.code, run.writes) == (1, [])
        if "--only" not in flags:
            assert set(run.reasons()) == set(typed)
        for lead, error in run.reasons().items():
            assert "no task id" in error or typed[lead] in asked_for, (typed[lead], error)
        assert STEERING.search(run.messages.replace("\n", "")) is None
    assert {lead: scene.cell(lead, "ClickUp Task ID") for lead in typed} == typed, "what people typed stays"
    assert len(scene.clickup.tasks()) == 1
    assert_only_known_requests(scene)


def test_what_looks_like_an_id_is_asked_for_and_never_made_anew(scene: Scene) -> None:
    scene.pair("NEW", name="bystander")
    typed = [
        "86zzzzzzz",
        "abc",
        "9" * 32,
        "#86zzzzzzz",
        "CU-86yyyyyyy",
        "https://app.clickup.com/t/86xxxxxxx?comment=1",
    ]
    leads = [scene.lead("NEW", f"lead {number}") for number in range(len(typed))]
    for lead, cell in zip(leads, typed, strict=True):
        scene.set_cell(lead, cell)
    for settings in ({}, {"MISSING_TASK": "recreate"}):
        scene.later()
        run = scene.run(**settings)
        assert (run.code, run.writes) == (1, [])
        assert set(run.reasons()) == set(leads)
    assert_only_known_requests(scene)


def test_a_marker_typed_by_people_never_gets_into_a_formula(scene: Scene) -> None:
    lead, task = scene.pair("NEW")
    markers = [
        "rec')",
        "rec00000000000000'),TRUE(),('",
        "', '",
        "{Name}",
        "rec0000000000000\n",
        "recé0000000000000",
        NASTY,
    ]
    for marker in markers:
        scene.clickup.add_task("somebody's", marker=marker.replace("\x00", ""))
    scene.clickup.set_marker(task, "rec00000000000000' OR TRUE()")
    for flags in ((), ("--full",), ("--full", "--dry-run")):
        scene.later()
        scene.run(*flags)
    scene.assert_linked(lead, task)
    assert_only_known_requests(scene)


@pytest.mark.parametrize("flags", [(), ("--dry-run",), ("--full",)])
def test_half_a_letter_in_a_custom_field_or_a_status_stops_nobody(scene: Scene, flags: tuple[str, ...]) -> None:
    """Danger: SQLite takes no half of a surrogate pair, and each run ends with a traceback."""
    lead, task = scene.pair("NEW")
    scene.clickup.add_status("on \ud83d hold")
    scene.clickup.add_task("somebody's", status="on \ud83d hold", marker="call back \ud83d")
    scene.edit(lead, Status="CONTACTED")
    run = scene.run(*flags)
    assert run.code == 0, run.messages
    assert scene.task_status(task) == ("to do" if "--dry-run" in flags else "in progress")


# --- names and notes --------------------------------------------------------------------------------------------------

ACCEPTED = [
    "\u202eevil", "\u200fשלום", "👩‍👩‍👧‍👦 family", "e\u0301", "\ufeffBOM", "a\u200bb", "\x1b[31mred", "\x07bell",
    "\x7f", "<script>x</script>", "**bold** [x](javascript:1)", "=HYPERLINK(1)", "+1", "@SUM(A1)",
    "-- ", "{{7*7}}", "${HOME}", "%s %n", "'\"`\\",
    "\\u0000", "&lt;", "null", "None", "0", "𝕏" * 100, "\U0010ffff", "\uffff",
    "\ue000", "tab\there", "line\u2028separator",
]  # fmt: skip


def test_names_and_notes_that_a_service_accepts_arrive_unharmed(scene: Scene) -> None:
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes"
    texts = [*ACCEPTED, *(f"a{chr(code)}b" for code in range(1, 160) if chr(code) not in "\r\n")]
    leads = {scene.lead("NEW", text, Notes=f"<{text}>\nsecond"): text for text in texts}
    assert scene.run().code == 0
    for lead, text in leads.items():
        task = scene.clickup.task(scene.named_by(lead))
        assert task["name"] == text
        assert task["description"].startswith(f"Notes: <{text}>\nsecond\n")
        assert scene.cell(lead, "Name") == text, "the lead is not touched"
    assert scene.quiet().code == 0
    assert scene.quiet("--full").code == 0


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("x" * 100_000, "x" * 1999 + "…"),
        ("𝕏" * 100_000, None),
        ("two\nlines\r\nor three", "two lines or three"),
        ("\ud83d half", " half"),
        ("nul\x00nul", "nulnul"),
        ("\x00", ""),
        ("\ud800\udfff"[:1], ""),
        ("", ""),
        (" " * 3_000, ""),
        ("\n\t ", ""),
    ],
)
def test_names_that_a_service_would_refuse_are_cut_or_cleaned(scene: Scene, name: str, becomes: str | None) -> None:
    """Nobody is left without a task for having a strange name; one without any is called by the record's id."""
    lead = scene.lead("NEW", name)
    assert scene.run().code == 0
    shown = scene.clickup.task(scene.named_by(lead))["name"]
    assert shown == (becomes or lead) if becomes is not None else 0 < len(shown) <= 2_000
    scene.edit(lead, Name=name + "!")
    scene.later()
    assert scene.run().code == 0
    assert scene.quiet().code == 0


def test_notes_that_a_service_would_refuse_are_cut_and_keep_the_link_to_the_record(scene: Scene) -> None:
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes,Company"
    long = scene.lead("NEW", "long", Notes="ü" * 100_000, Company="€" * 100_000)
    broken = scene.lead("NEW", "broken", Notes="a\x00b\ud800c")
    assert scene.run().code == 0
    shown = scene.clickup.task(scene.named_by(long))["description"]
    assert len(shown.encode()) <= 256 * 1024
    assert shown.endswith(long)
    assert "…" in shown
    assert scene.clickup.task(scene.named_by(broken))["description"].startswith("Notes: abc\n")
    assert scene.quiet().code == 0


# --- values of other types --------------------------------------------------------------------------------------------


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


VALUES: list[Any] = [
    True, 1, -1.5, 10**30, 1e300, ["a", "b"], ["NEW"], [["NEW"]], [None], [1, True, None, {"x": 1}], {}, {"x": 1},
    {"name": "NEW"}, {"id": "rec00000000000000"}, {"error": "#ERROR!"}, {"specialValue": "NaN"}, {"state": "error"},
    {"id": "usr1", "email": "a@example.com", "name": "Ada"}, {"label": "Open", "url": "https://example.com"},
    [{"id": "att1", "filename": "offer\x1b[2J.pdf", "url": "https://example.com/1"}], {"text": "123", "type": "ean8"},
    deep(300), {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}, "#ERROR!", "#NAME?", [""], [{}], 0,
]  # fmt: skip
FIELDS = ("Name", "Status", "ClickUp Task ID", "Email", "Source", "Notes", "Company")


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_of_any_type_in_a_mapped_field_costs_at_most_its_own_record(scene: Scene, field: str) -> None:
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Email,Source,Notes"
    scene.settings["AIRTABLE_NAME_FIELD"] = "Name"
    bystander = scene.lead("CONTACTED", "bystander")
    strange = {}
    for value in VALUES:
        cells = {"Name": "Lead", "Status": "NEW", field: value}
        if field == "Company":
            del cells["Name"]
        strange[scene.airtable.add_record(cells)] = value
    synced, synced_task = scene.lead("NEW", "was in step"), ""
    for number in range(3):
        run = scene.run(*(["--full"] if number == 2 else []))
        assert run.code in (0, 1), (run.report, run.messages)
        synced_task = synced_task or scene.named_by(synced)
        for lead, value in strange.items():
            failed = run.reasons().get(lead)
            task = scene.named_by(lead) if field != "ClickUp Task ID" else ""
            assert failed or scene.clickup.by_marker(lead) == [task], (value, failed)
        scene.later()
    assert scene.clickup.by_marker(bystander) == [scene.named_by(bystander)]
    if field in ("Status", "ClickUp Task ID"):
        assert len(run.reasons()) >= len(VALUES) - 4, "nothing is guessed"
    else:
        assert run.code == 0
    assert scene.run().writes == []
    scene.airtable.edit(synced, {field: VALUES[-1] if field != "Status" else ["LOST"]})
    scene.later()
    assert scene.run().code in (0, 1)
    assert scene.clickup.by_marker(synced) == [synced_task]
    assert_only_known_requests(scene)


# --- what is shown ----------------------------------------------------------------------------------------------------


def nasty_world(scene: Scene) -> str:
    """Strings that steer terminals and forge lines, everywhere that people can type them. Returns a lead's id."""
    clean = NASTY.replace("\x00", "").replace("\ud800", "")
    scene.settings["AIRTABLE_DETAIL_FIELDS"] = "Notes,Email,Missing\u202efield"
    changed, conflict, renamed = (scene.lead("NEW", f"{NASTY} {number}", Notes=NASTY) for number in range(3))
    scene.run()
    scene.later()
    scene.clickup.add_status(clean)
    scene.airtable.add_choice(NASTY)
    scene.lead(NASTY, NASTY)
    scene.set_cell(scene.lead("NEW", NASTY), NASTY)
    scene.airtable.add_record({"Name": NASTY, "Status": [NASTY]})
    scene.airtable.add_record({"Name": [NASTY], "Status": "NEW", "ClickUp Task ID": {"x": NASTY}})
    scene.clickup.set_status(scene.named_by(changed), clean)
    scene.edit(conflict, Status="LOST", Name=f"{NASTY}!", Notes=f"{NASTY}!")
    scene.clickup.set_status(scene.named_by(conflict), "in progress")
    scene.clickup.rename(scene.named_by(renamed), clean)
    scene.clickup.describe(scene.named_by(renamed), clean)
    scene.edit(renamed, Name=f"{NASTY}?", Notes=f"{NASTY}?")
    scene.lead("NEW", f"new {NASTY}", Notes=NASTY)
    scene.later(5)
    return conflict


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_from_a_record_steers_the_terminal_or_forges_a_line(scene: Scene, terminal: bool) -> None:
    lead = nasty_world(scene)
    flags: list[tuple[str, ...]] = [
        ("--dry-run",), ("--dry-run", "-v"), ("--explain", lead), ("--explain", lead, "-v"), ("--check",), ("-v",),
        ("-q", "--full"), ("--full", "-v"), ("--json",), ("--dry-run", "--json", "-v"),
    ]  # fmt: skip
    for each in flags:
        text = said(scene, *each, terminal=terminal)
        assert text
        if terminal:
            for command in ("\x1b[2J", "\x1b]", "\x07", "\u202e", "\u2028", "\u2066", "\x9b", "\x85", "\x7f", "\ud800"):
                assert command not in text, (each, command)
        else:
            assert STEERING.search(text) is None, each
        assert FORGED not in [line.strip() for line in text.splitlines()], each
        scene.later()


def test_the_lines_about_strange_records_still_tell_who_and_what(scene: Scene) -> None:
    lead = nasty_world(scene)
    text = said(scene, "--dry-run")
    assert lead in text
    assert "\\x1b[2J" in text, "shown as an escape"
    assert "[bold red]:smile:" in text, "no markup is obeyed"


def test_names_in_the_set_up_that_steer_terminals_are_shown_escaped(scene: Scene) -> None:
    clean = NASTY.replace("\x00", "").replace("\ud800", "")
    scene.airtable.leads.fields[next(iter(scene.airtable.leads.fields))].name = f"{NASTY} name"
    scene.airtable.leads.field("Status").choices.append(Choice("sel1", NASTY, "red"))  # type: ignore[union-attr]
    scene.clickup.lists[scene.clickup.list_id].name = clean
    scene.clickup.rename_status("to do", clean)
    scene.clickup.add_field(clean, "short_text")
    scene.settings |= {"AIRTABLE_VIEW": "none", "CLICKUP_CUSTOM_FIELD_ID": "00000000-0000-4000-8000-000000000000"}
    for flags in (("--check",), (), ("-v",), ("--dry-run",), ("--json",)):
        text = said(scene, *flags)
        assert "STATUS_MAP" in text
        assert STEERING.search(text) is None, flags
        assert FORGED not in text.splitlines()


def test_a_warning_about_a_setting_shows_its_name_escaped(scene: Scene) -> None:
    scene.settings["AIRTABLE_\x1b[2J\u202ename"] = "1"
    text = said(scene)
    assert "AIRTABLE_\\x1b[2J\\u202ename is not a setting" in text
    assert STEERING.search(text) is None


def test_the_report_holds_what_people_typed_as_json_and_nothing_that_breaks_it(scene: Scene) -> None:
    nasty_world(scene)
    path = scene.folder / "report.json"
    said(scene, "--report", str(path), "--full")
    raw = path.read_bytes()
    assert STEERING.search(raw.decode("ascii").replace("\n", "")) is None
    report = json.loads(raw)
    assert any("\\x1b" in failure["error"] for failure in report["failed"])


# --- names of fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["It's ours", 'the "id"', "back\\slash", "a,b)OR(1", "50%", "Ünïcödé 列", "tab\there", "'),TRUE(),('"]
)
def test_field_names_of_any_kind_are_quoted_in_formulas(scene: Scene, name: str) -> None:
    """Both names of which formulas are made: of the Task ID (with a view) and of the status (without a base)."""
    scene.airtable.add_view("Ready")
    scene.airtable.rename_field("ClickUp Task ID", f"id {name}")
    scene.airtable.rename_field("Status", f"status {name}")
    settings = {
        "AIRTABLE_TASK_ID_FIELD": f"id {name}", "AIRTABLE_STATUS_FIELD": f"status {name}", "AIRTABLE_VIEW": "Ready",
    }  # fmt: skip
    cells = {"Name": "Ada", f"status {name}": "CONTACTED"}
    lead = scene.airtable.add_record(cells)
    assert scene.run(**settings).code == 0
    scene.later()
    (task,) = scene.clickup.by_marker(lead)
    assert scene.cell(lead, f"id {name}") == task
    other = scene.airtable.add_record(cells)
    assert scene.run(**settings).code == 0
    assert len(scene.clickup.by_marker(other)) == 1
    scene.later()
    scene.clickup.set_status(task, "complete")
    scene.state_file.unlink()
    scene.later()
    assert scene.run(**settings).code == 0
    assert scene.cell(lead, f"status {name}") == "QUALIFIED", "the question who changed last was understood"
    assert_only_known_requests(scene)


@pytest.mark.parametrize("name", ["a{b", "a}b", "{Status}"])
def test_a_field_name_that_no_formula_can_hold_is_refused(scene: Scene, name: str) -> None:
    run = scene.run(AIRTABLE_STATUS_FIELD=name)
    assert (run.code, run.requests) == (2, [])
    assert "brace" in run.messages
