"""The table of statuses: reading it, looking things up in it, and saying what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from status_map import DEFAULT, Row, StatusMap, fold, parse, parse_names

LETTERS = st.text(st.sampled_from(list('abÄß ,=>"-<\n\r\t\u2028éÉ')), min_size=1, max_size=8)
NAMES = st.one_of(LETTERS, st.text(min_size=1, max_size=12)).filter(fold)


@st.composite
def maps(draw: st.DrawFn) -> StatusMap:
    leads = draw(st.lists(NAMES, min_size=1, max_size=6, unique_by=fold))
    ways_back: set[str] = set()
    rows = []
    for lead in leads:
        task = draw(NAMES)
        two_way = draw(st.booleans()) and fold(task) not in ways_back
        if two_way:
            ways_back.add(fold(task))
        rows.append(Row(lead, task, two_way))
    return StatusMap(tuple(rows))


@given(maps())
def test_a_map_written_out_reads_back_as_the_same_map(table: StatusMap) -> None:
    assert parse(str(table)) == table


@given(maps())
def test_every_row_is_found_whatever_the_letter_case_and_outer_spaces(table: StatusMap) -> None:
    for row in table.rows:
        assert table.forward(f"  {fold(row.lead)} ") == row.task
        assert table.agree(row.lead.strip(), fold(row.task))
        assert table.has_task(row.task)
        if row.two_way:
            assert table.back(f" {row.task}\t") == row.lead


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_any_text_is_a_map_or_a_named_fault(text: str) -> None:
    try:
        rows = parse(text).rows
    except ValueError as error:
        rows = ()
        faults = str(error)
    assert rows or faults


@pytest.mark.parametrize(
    ("lead", "task"),
    [("NEW", "To Do"), ("CONTACTED", "In Progress"), ("QUALIFIED", "Complete"), ("LOST", "Complete")],
)
def test_the_default_map_carries_every_lead_status_to_its_task_status(lead: str, task: str) -> None:
    assert DEFAULT.forward(lead) == task
    assert DEFAULT.agree(lead.lower(), task.upper())


@pytest.mark.parametrize(
    ("task", "lead"),
    [("to do", None), ("in progress", "CONTACTED"), ("complete", "QUALIFIED"), ("blocked", None)],
)
def test_the_default_map_leads_back_only_from_two_way_rows(task: str, lead: str | None) -> None:
    assert DEFAULT.back(task) == lead


def test_the_default_map_is_what_the_settings_page_shows() -> None:
    assert str(DEFAULT) == "NEW > To Do, CONTACTED = In Progress, QUALIFIED = Complete, LOST > Complete"
    assert parse(str(DEFAULT)) == DEFAULT
    assert DEFAULT.first == Row("NEW", "To Do", two_way=False)


def test_unknown_statuses_have_no_row() -> None:
    assert DEFAULT.forward("PARKED") is None
    assert not DEFAULT.has_task("parked")
    assert not DEFAULT.agree("PARKED", "parked")


def test_statuses_are_answered_as_the_map_spells_them_and_found_in_any_unicode_form() -> None:
    table = parse("Geschlossen > Erledigt, Cafe\u0301 = STRASSE")
    assert table.forward("CAFÉ") == "STRASSE"
    assert table.back("straße") == "Cafe\u0301"


def test_rows_may_stand_on_lines_of_their_own_and_commas_may_trail() -> None:
    assert parse("\n NEW > To Do,\r\n\r\n WON=Complete ,\n") == parse("NEW > To Do, WON = Complete")


def test_quotes_hold_names_with_signs_in_them() -> None:
    table = parse('"Won, paid" = "Done > shipped", "A=B" > "say ""hi"""')
    assert table.rows == (Row("Won, paid", "Done > shipped", True), Row("A=B", 'say "hi"', False))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no row"),
        (" , \n", "no row"),
        ("NEW", "neither"),
        ("NEW > ", "empty side"),
        ("= To Do", "empty side"),
        ("A = B = C", "more than one"),
        ("A => B", "more than one"),
        ("A -> B", "arrow"),
        ("A <-> B", "arrow"),
        ("A > B, a > C", "'a' stands in more than one row"),
        ("A = X, B = x", "'x' leads back to more than one"),
        ('"A = B', "without its partner"),
        ('"A"B = C', "out of place"),
    ],
)
def test_what_is_wrong_with_a_map_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_every_fault_of_a_map_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="empty side") as caught:
        parse("A, B = X, C = X, B > Y, D >")
    for said in ("'A' has neither", "'X' leads back", "'B' stands in more", "'D > ' has an empty side"):
        assert said in str(caught.value)


def test_names_are_listed_with_commas_and_quotes() -> None:
    assert parse_names(' Email, "Company, legal" ,,Source\n') == ("Email", "Company, legal", "Source")
    with pytest.raises(ValueError, match="out of place"):
        parse_names('"Email')
