"""Text is shown without harm, sent without loss, and cells of every type become readable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text import cell_text, clean, cut, cut_bytes, digest, one_line, visible

ANY_TEXT = st.text(st.characters())
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("one\r\ntwo\t", r"one\x0d\x0atwo\x09"),
        ("\x9b31m\x7f\x00", r"\x9b31m\x7f\x00"),
        ("invoice\u202egnp.exe", r"invoice\u202egnp.exe"),
        ("\u2066a\u2069 \u2028", r"\u2066a\u2069 \u2028"),
        ("half \ud83d", r"half \ud83d"),
        ("Zoë 山田 👩\u200d💻 مرحبا café", "Zoë 山田 👩\u200d💻 مرحبا café"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_visible_text_is_one_line_that_any_log_can_hold(text: str) -> None:
    shown = visible(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_clean_text_can_be_sent_and_comes_back_as_it_was(text: str) -> None:
    sent = clean(text)
    assert "\x00" not in sent
    assert json.loads(json.dumps(sent).encode("utf-8")) == sent
    assert sent.encode("utf-8").decode("utf-8") == sent


def test_clean_keeps_everything_else() -> None:
    assert clean("a\x00b\ud800c 👍\n\tд") == "abc 👍\n\tд"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  Ada \n\n Lovelace\t", "Ada Lovelace"),
        ("two  spaces stay", "two  spaces stay"),
        ("a\u2028b\r\nc", "a b c"),
        (" \n ", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(ANY_TEXT, st.integers(min_value=0, max_value=20))
def test_cut_text_is_never_longer_than_asked_and_is_a_beginning(text: str, length: int) -> None:
    short = cut(text, length)
    assert len(short) <= length
    assert short == text or text.startswith(short.removesuffix("…"))


@given(st.text(), st.integers(min_value=0, max_value=40))
def test_cut_bytes_never_leaves_half_a_character(text: str, size: int) -> None:
    short = cut_bytes(text, size)
    assert len(short.encode("utf-8")) <= size
    assert short == text or text.startswith(short.removesuffix("…"))


def test_cuts_show_that_something_is_missing() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
    assert cut_bytes("ééé", 5) == "é…"


def test_digests_are_stable_over_machines_and_versions() -> None:
    assert digest("Ada Lovelace") == "06a375fef7f7fd10d71a3e6fd8faefca"
    assert digest("a") != digest("b")
    assert len(digest("\ud800")) == 32


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (None, ""),
        ("  as it is\n", "  as it is\n"),
        (True, "yes"),
        (False, "no"),
        (12, "12"),
        (3.0, "3"),
        (0.125, "0.125"),
        (1e22, "1e+22"),
        (float("nan"), ""),
        (["red", "blue"], "red, blue"),
        ([], ""),
        ([[1, 2], [None, "x"]], "1, 2, x"),
        ([{"id": "attAAAAAAAAAAAAAA", "url": "https://expires", "filename": "offer.pdf"}], "offer.pdf"),
        ({"id": "usrAAAAAAAAAAAAAA", "email": "ada@example.com", "name": "Ada"}, "Ada"),
        ({"id": "usrAAAAAAAAAAAAAA", "email": "ada@example.com"}, "ada@example.com"),
        (["recAAAAAAAAAAAAAA", "recBBBBBBBBBBBBBB"], "recAAAAAAAAAAAAAA, recBBBBBBBBBBBBBB"),
        ({"label": "Open", "url": "https://example.com"}, "Open"),
        ({"text": "4006381333931", "type": "ean13"}, "4006381333931"),
        ({"state": "generated", "value": "a summary", "isStale": False}, "a summary"),
        ({"state": "error", "errorType": "emptyDependency", "isStale": False, "value": None}, ""),
        ({"specialValue": "NaN"}, ""),
        ({"error": "#ERROR!"}, ""),
        ([{"error": "#ERROR!"}, 5], "5"),
        ({"lat": 1, "long": [2.5, None]}, '{"lat":1,"long":[2.5,null]}'),
    ],
)
def test_cells_of_every_type_become_readable(cell: Any, shown: str) -> None:
    assert cell_text(cell) == shown


@given(JSON_VALUES)
def test_no_cell_is_too_strange_to_be_shown(cell: Any) -> None:
    assert isinstance(cell_text(cell), str)


def test_a_cell_nested_without_end_is_cut_and_does_not_crash() -> None:
    listed: Any = "core"
    mapped: Any = "core"
    for _ in range(5_000):
        listed, mapped = [listed], {"more": mapped}
    assert cell_text(listed) == "…"
    assert "…" in cell_text(mapped)
