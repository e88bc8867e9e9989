"""A large answer is read row by row, and as strictly as `json.loads` reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clients.rows import object_with_rows

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
ANSWERS = st.dictionaries(st.sampled_from(["tasks", "last_page", "", "x"]), st.lists(VALUES, max_size=4) | VALUES)
WRITTEN = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only),
    ANSWERS | VALUES,
    st.sampled_from([None, 0, 1, "\t"]),
    st.booleans(),
)
SIGNS = st.sampled_from(list('{}[]:," \n\t0-.e\\ntf\ufeff\xa0\x00'))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text of which a stretch is missing or another sign stands somewhere."""
    text = draw(WRITTEN)
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 3)) | st.just(len(text)))
    return text[:start] + draw(SIGNS | st.just("")) + text[end:]


def made(row: Any) -> Any:
    return {"made of": row}


def expected(text: str) -> Any:
    value = json.loads(text)
    if isinstance(value, dict) and isinstance(value.get("tasks"), list):
        value["tasks"] = [made(row) for row in value["tasks"]]
    return value


@given(WRITTEN | damaged() | st.text(SIGNS, max_size=8))
@example("")
@example(" {} ")
@example('{"tasks":[]}x')
@example('{"tasks":[1,]}')
@example('{"tasks":[1 2]}')
@example('{"tasks":[1],}')
@example('{"tasks" [1]}')
@example("{1:2}")
@example('{"tasks":[1],"tasks":2}')
@example('\ufeff{"tasks":[]}')
@example('{"tasks":[{"id":"1"},{"id":"2"}],"last_page":tru')
def test_danger_a_damaged_listing_is_taken_for_a_whole_one(text: str) -> None:
    try:
        wanted = expected(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it is called, it is one
            object_with_rows(text, "tasks", made)
        return
    assert repr(object_with_rows(text, "tasks", made)) == repr(wanted)


def test_each_row_is_made_before_the_next_one_is_read() -> None:
    rows: list[Any] = []
    with pytest.raises(ValueError, match="Expecting value"):
        object_with_rows('{"tasks": [1, 2, oops]}', "tasks", rows.append)
    assert rows == [1, 2]
