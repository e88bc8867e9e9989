"""The stand-in's formula language: what is kept, what is refused, and that narrowing changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.formula import (
    Columns,
    InvalidFormula,
    Moment,
    RowError,
    Value,
    compile_formula,
    format_moment,
    parse_moment,
)

NOON = 1_700_000_000_000


@dataclass(frozen=True)
class Row:
    id: str = "recAAAAAAAAAAAAAA"
    modified: int = NOON
    cells: dict[str, Any] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)


NAMES = {"Name", "Status", "Value", "Done", "When", "Odd}name", "Broken", "Été_2"}


def _value(name: str) -> Callable[[Row], Value] | None:
    if name not in NAMES:
        return None

    def read(row: Row) -> Value:
        if row.cells.get(name) == "#ERROR!":
            raise RowError
        value: Value = row.cells.get(name)
        return value

    return read


def _modified(names: tuple[str, ...]) -> Callable[[Row], Moment | None]:
    def read(row: Row) -> Moment | None:
        if not names:
            return Moment(row.modified)
        moved = [row.touched[name] for name in names if name in row.touched]
        return Moment(max(moved)) if moved else None

    return read


COLUMNS = Columns[Row](lambda row: row.id, lambda row: Moment(NOON), _modified, _value)


def keeps(text: str, *, modified: int = NOON, touched: dict[str, int] | None = None, **cells: Any) -> bool:
    return compile_formula(text, COLUMNS).keeps(Row(modified=modified, cells=cells, touched=touched or {}))


def refusal(text: str) -> str:
    with pytest.raises(InvalidFormula) as caught:
        compile_formula(text, COLUMNS)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1", True),
        ("0", False),
        ("''", False),
        ("'0'", True),
        ("TRUE()", True),
        ("FALSE()", False),
        ("BLANK()", False),
        ("1 + 2 * 3 = 7", True),
        ("(1 + 2) * 3 = 9", True),
        ("-2 + 3 = 1", True),
        ("2 - 1 - 1 = 0", True),
        ("1 / 0", False),
        ("OR(1, 1 / 0)", False),
        ("IF(FALSE(), 1 / 0, 1)", True),
        ("IF(FALSE(), 1)", False),
        ("'a' & 'b' & 1 = 'ab1'", True),
        ("1 + 1 & '' = '2'", True),
        ("1.5 > 1", True),
        (".5 < 1", True),
        ("2 >= 2", True),
        ("2 <= 1", False),
        ("2 != 1", True),
        ("'b' > 'a'", True),
        ("'a' < 1", False),
        ("'1' = 1", False),
        ("and(1, Or(0, 1), nOT(0))", True),
        ("XOR(1, 1, 1)", True),
        ("XOR(1, 1)", False),
        ("LEN('abc') = 3", True),
        ("LEN(BLANK()) = 0", True),
        ("LOWER('AbC') = 'abc'", True),
        ("UPPER('AbC') = 'ABC'", True),
        ("TRIM('  a b ') = 'a b'", True),
        ("FIND('b', 'abc') = 2", True),
        ("FIND('B', 'abc')", False),
        ("SEARCH('B', 'abc') = 2", True),
        ("SEARCH('z', 'abc') = BLANK()", True),
        ("VALUE('1,234.5') = 1234.5", True),
        ("VALUE('none')", False),
        ("CONCATENATE('a', 1, BLANK(), 'b') = 'a1b'", True),
        ("'it\\'s' = \"it's\"", True),
        ("'a\\\\b' = \"a\\\\b\"", True),
        ("'two\nlines' = 'two\\nlines'", True),
        ("RECORD_ID() = 'recAAAAAAAAAAAAAA'", True),
        ("RECORD_ID() = 'recaaaaaaaaaaaaaa'", False),
        ("CREATED_TIME() = LAST_MODIFIED_TIME()", True),
        ("DATETIME_DIFF(DATETIME_PARSE('2024-01-03'), DATETIME_PARSE('2024-01-01'), 'days') = 2", True),
        ("IS_SAME('2024-01-01T00:00:00Z', '2024-01-01')", True),
        ("IS_SAME('2024-01-01T05:00:00Z', '2024-01-01')", False),
        ("IS_SAME('2024-01-01T05:00:00Z', '2024-01-01', 'day')", True),
        ("IS_AFTER('2024-01-01T00:00:00.001Z', '2024-01-01')", True),
        ("IS_AFTER('2024-01-01', '2024-01-01')", False),
        ("IS_BEFORE('2023-12-31T23:00:00-02:00', '2024-01-01')", False),
        ("IS_AFTER('no date', '2024-01-01')", False),
        ("NOT(IS_AFTER('no date', '2024-01-01'))", False),
    ],
)
def test_a_result_keeps_its_row(text: str, kept: bool) -> None:
    assert keeps(text) is kept


@pytest.mark.parametrize(
    "text",
    ["{Name}=BLANK()", "{Name}=''", "NOT({Name})", "Name = ''", "{Name} & '' = ''", "{Value}=0", "{Done}=FALSE()"],
)
def test_an_empty_cell_is_blank_in_every_spelling(text: str) -> None:
    assert keeps(text)
    assert not keeps(text, Name="x", Value=3, Done=True)


def test_cells_compare_by_type_and_letter_case() -> None:
    assert keeps("{Name}='Ann'", Name="Ann")
    assert not keeps("{Name}='ann'", Name="Ann")
    assert keeps("{Done}=TRUE()", Done=True)
    assert keeps("{Done}=1", Done=True)
    assert keeps("{Value}=12.5", Value=12.5)
    assert not keeps("{Value}='12.5'", Value=12.5)
    assert keeps("{When}=DATETIME_PARSE('2024-02-29T23:59:59.123Z')", When=parse_moment("2024-02-29T23:59:59.123Z"))
    assert keeps("Été_2 = 'x'", Été_2="x")
    odd: dict[str, Any] = {"Odd}name": "x"}
    assert keeps("{Odd\\}name} = 'x'", **odd)


def test_an_error_in_a_cell_drops_the_row_and_spoils_or() -> None:
    assert not keeps("{Broken}", Broken="#ERROR!")
    assert not keeps("NOT({Broken})", Broken="#ERROR!")
    assert not keeps("OR({Name}, {Broken})", Name="x", Broken="#ERROR!")
    assert not keeps("{Value}", Value=float("nan"))


def test_a_time_against_a_bare_string_is_true_for_every_row() -> None:
    """Danger: a poll that compares so reads the whole table each time and calls it changed."""
    assert keeps("LAST_MODIFIED_TIME() > '2199-01-01T00:00:00.000Z'")
    assert not keeps("LAST_MODIFIED_TIME() > DATETIME_PARSE('2199-01-01T00:00:00.000Z')")
    assert not keeps("IS_AFTER(LAST_MODIFIED_TIME(), '2199-01-01T00:00:00.000Z')")


def test_last_modified_time_of_named_columns() -> None:
    later = f"IS_AFTER(LAST_MODIFIED_TIME({{Name}}, Status), DATETIME_PARSE('{format_moment(NOON)}'))"
    assert keeps(later, touched={"Name": NOON - 5000, "Status": NOON + 1000})
    assert not keeps(later, touched={"Value": NOON + 1000}, modified=NOON + 1000)
    assert keeps("LAST_MODIFIED_TIME({Name}) = BLANK()", touched={"Value": NOON})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AND({Name}",
        "AND(1,)",
        "1 1",
        "{Name",
        "'open",
        "{Name} == 1",
        "1 && 2",
        "{Name} = “x”",
        "NOW()",
        "TRUE",
        "NOT()",
        "NOT(1, 2)",
        "AND()",
        "RECORD_ID(1)",
        "LAST_MODIFIED_TIME('Name')",
        "IS_AFTER('2024-01-01')",
        "IF(1)",
        "12abc",
        "(1",
        "(" * 400 + "1" + ")" * 400,
        "1" + "+1" * 400,
    ],
)
def test_a_formula_that_is_none_is_refused_as_a_whole(text: str) -> None:
    message = refusal(text)
    assert message.startswith(("Invalid formula. Please check your formula text.", "Unknown field names: true"))


def test_unknown_columns_are_named_in_lower_case() -> None:
    assert refusal("AND({No Such}, {Name}, Neither)") == "Unknown field names: no such, neither"
    assert refusal("LAST_MODIFIED_TIME({Gone}) > 1") == "Unknown field names: gone"


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_in_quotes_is_found_again(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    assert keeps(f"CONCATENATE({{Name}}, '.') = '{quoted}.'", Name=text)


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fall_over(text: str) -> None:
    try:
        compile_formula(text, COLUMNS)
    except InvalidFormula:
        return


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_survives_writing_and_reading(milliseconds: int) -> None:
    assert parse_moment(format_moment(milliseconds)) == milliseconds


ROWS = [Row(f"rec{number:014d}", NOON + number * 1000, {"Name": "even" * (1 - number % 2)}) for number in range(8)]

_atoms = st.one_of(
    st.integers(0, 9).map(lambda n: f"RECORD_ID()='rec{n:014d}'"),
    st.integers(0, 9).map(lambda n: f"'rec{n:014d}'=RECORD_ID()"),
    st.integers(-1, 9).map(lambda n: f"IS_AFTER(LAST_MODIFIED_TIME(), '{format_moment(NOON + n * 1000)}')"),
    st.integers(-1, 9).map(lambda n: f"IS_BEFORE('{format_moment(NOON + n * 1000)}', LAST_MODIFIED_TIME())"),
    st.integers(-1, 9).map(lambda n: f"LAST_MODIFIED_TIME()>=DATETIME_PARSE('{format_moment(NOON + n * 1000)}')"),
    st.sampled_from(["{Name}", "NOT({Name})", "1", "0", "1/0", "LAST_MODIFIED_TIME()>'2021'"]),
)
_trees = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"AND({', '.join(parts)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"OR({', '.join(parts)})"),
        inner.map(lambda part: f"NOT({part})"),
        st.tuples(inner, inner).map(lambda pair: f"IF({pair[0]}, {pair[1]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(_trees)
def test_narrowing_never_leaves_out_a_row_that_is_kept(text: str) -> None:
    formula = compile_formula(text, COLUMNS)
    for row in ROWS:
        if formula.keeps(row) and formula.narrow is not None:
            after = formula.narrow.after
            assert row.id in formula.narrow.ids or (after is not None and row.modified > after)


def test_the_common_questions_are_narrowed() -> None:
    poll = compile_formula(f"IS_AFTER(LAST_MODIFIED_TIME(), DATETIME_PARSE('{format_moment(NOON)}'))", COLUMNS)
    assert poll.narrow is not None
    assert poll.narrow.after == NOON
    by_id = compile_formula("OR(RECORD_ID()='recA', RECORD_ID()='recB')", COLUMNS)
    assert by_id.narrow is not None
    assert by_id.narrow.ids == {"recA", "recB"}
    assert compile_formula("OR(RECORD_ID()='recA', {Name})", COLUMNS).narrow is None


def test_fifty_thousand_rows_are_asked_in_well_under_a_second() -> None:
    formula = compile_formula("AND({Name} != '', OR({Status}='NEW', {Status}='LOST'))", COLUMNS)
    rows = [Row(cells={"Name": f"lead {number}", "Status": "NEW"}) for number in range(50_000)]
    started = time.process_time()
    assert sum(map(formula.keeps, rows)) == 50_000
    assert time.process_time() - started < 2
