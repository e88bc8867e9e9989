"""The language of Airtable's `filterByFormula`, or as much of it as a sync could send: parsed once, run as closures.

Reference of the language: https://support.airtable.com/docs/formula-field-reference
A formula of another shape, with an unknown function or a wrong number of arguments, is refused as a whole, as the
service does. What a single row makes impossible (text where a number is needed, an error in the cell) drops that row.

Values: None is blank; text, numbers and truth values are Python's; a point in time is a `Moment`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, Generic, NoReturn, TypeVar

NESTING = 100


class Moment(int):
    """A point in time, in milliseconds since 1970-01-01T00:00:00Z."""


Value = None | str | bool | int | float | Moment
R = TypeVar("R")


class InvalidFormula(Exception):
    """The whole formula is refused; the text is what the service says behind its standing first words."""


class RowError(Exception):
    """The formula has no value for this row, what a formula field shows as `#ERROR!`."""


@dataclass(frozen=True)
class Columns(Generic[R]):
    """How a formula reads a row. `value` gives the reader of a named column, or None where there is none;
    `modified` the reader of the last change to the named columns, or to any where none is named."""

    record_id: Callable[[R], str]
    created: Callable[[R], Moment]
    modified: Callable[[tuple[str, ...]], Callable[[R], Moment | None]]
    value: Callable[[str], Callable[[R], Value] | None]


@dataclass(frozen=True)
class Narrow:
    """Rows outside of which nothing can be kept: those of `ids`, and those modified after `after` (ms; None: no such
    rows). It spares reading the whole table and never changes what is kept."""

    ids: frozenset[str] = frozenset()
    after: int | None = None


@dataclass(frozen=True)
class Formula(Generic[R]):
    """A compiled formula. `keeps` says whether a row passes; `narrow` is None where every row has to be asked."""

    keeps: Callable[[R], bool]
    narrow: Narrow | None


def compile_formula(text: str, columns: Columns[R]) -> Formula[R]:
    """Parse and compile a formula. Raises InvalidFormula."""
    tree = _Parser(text).parse()
    compiler = _Compiler(columns)
    evaluate = compiler.build(tree, 0)
    if compiler.unknown:
        # The service names unknown columns in lower case.
        raise InvalidFormula("Unknown field names: " + ", ".join(name.lower() for name in compiler.unknown))

    def keeps(row: R) -> bool:
        try:
            return truthy(evaluate(row))
        except RowError:
            return False

    return Formula(keeps, _narrow(tree))


def truthy(value: Value) -> bool:
    """Whether a result keeps its row: not blank, empty text, false, zero or not-a-number."""
    if isinstance(value, Moment):
        return True
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


@lru_cache(maxsize=65536)
def parse_moment(text: str) -> Moment | None:
    """An ISO 8601 date or date-time as a Moment, UTC where it names no zone; None for anything else."""
    found = _ISO.fullmatch(text.strip())
    if not found:
        return None
    date, clock, fraction, zone = found.groups()
    clock = clock or "00:00"
    seconds = clock if clock.count(":") == 2 else clock + ":00"
    offset = "+00:00" if zone in (None, "Z", "z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        whole = datetime.fromisoformat(f"{date}T{seconds}{offset}")
    except ValueError:
        return None
    return Moment(int(whole.timestamp()) * 1000 + int((fraction or "0")[:3].ljust(3, "0")))


def format_moment(milliseconds: int) -> str:
    """A time as the service writes it: `2024-02-29T23:59:59.000Z`."""
    whole = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:?\d\d)?)?")


# --- text to tree


@dataclass(frozen=True)
class _Literal:
    value: Value


@dataclass(frozen=True)
class _Column:
    name: str


@dataclass(frozen=True)
class _Call:
    name: str
    arguments: tuple[_Node, ...]


@dataclass(frozen=True)
class _Binary:
    symbol: str
    left: _Node
    right: _Node


@dataclass(frozen=True)
class _Negative:
    operand: _Node


_Node = _Literal | _Column | _Call | _Binary | _Negative

_TOKEN = re.compile(
    r"""(?P<number>\d+(?:\.\d*)?|\.\d+)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<column>\{(?:[^}\\]|\\.)*\})
      | (?P<name>[^\W\d]\w*)
      | (?P<symbol>!=|<=|>=|[-=<>&+*/(),])
      | (?P<space>\s+)""",
    re.VERBOSE | re.DOTALL,
)
_STRENGTH = {"=": 1, "!=": 1, "<": 1, "<=": 1, ">": 1, ">=": 1, "&": 2, "+": 3, "-": 3, "*": 4, "/": 4}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _refuse() -> NoReturn:
    raise InvalidFormula("Invalid formula. Please check your formula text.")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse()
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match.group()))
        place = match.end()
    return found


def _unescape(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda hit: _ESCAPES.get(hit[1], hit[1]), quoted[1:-1], flags=re.DOTALL)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._place = 0
        self._nesting = 0

    def parse(self) -> _Node:
        tree = self._expression(1)
        if self._place != len(self._tokens):
            _refuse()
        return tree

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token

    def _takes(self, symbol: str) -> bool:
        if self._peek() != ("symbol", symbol):
            return False
        self._place += 1
        return True

    def _expression(self, strength: int) -> _Node:
        self._nesting += 1
        if self._nesting > NESTING:
            _refuse()
        left = self._operand()
        while True:
            kind, symbol = self._peek()
            mine = _STRENGTH.get(symbol, 0) if kind == "symbol" else 0
            if mine < strength or mine == 0:
                break
            self._place += 1
            left = _Binary(symbol, left, self._expression(mine + 1))
        self._nesting -= 1
        return left

    def _operand(self) -> _Node:
        kind, text = self._take()
        if kind == "number":
            return _Literal(float(text) if "." in text else int(text))
        if kind == "text":
            return _Literal(_unescape(text))
        if kind == "column":
            return _Column(text[1:-1].replace("\\}", "}"))
        if kind == "name":
            return _Call(text.upper(), self._arguments()) if self._takes("(") else _Column(text)
        if (kind, text) == ("symbol", "-"):
            return _Negative(self._expression(5))
        if (kind, text) == ("symbol", "("):
            inner = self._expression(1)
            if not self._takes(")"):
                _refuse()
            return inner
        _refuse()

    def _arguments(self) -> tuple[_Node, ...]:
        if self._takes(")"):
            return ()
        arguments = [self._expression(1)]
        while self._takes(","):
            arguments.append(self._expression(1))
        if not self._takes(")"):
            _refuse()
        return tuple(arguments)


# --- values


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Moment):
        return format_moment(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: Value) -> float:
    if value is None:
        return 0
    if isinstance(value, (str, Moment)):
        raise RowError
    return value


def _moment(value: Value) -> Moment:
    if isinstance(value, Moment):
        return value
    parsed = parse_moment(value) if isinstance(value, str) else None
    if parsed is None:
        # A blank date in IS_AFTER and its like is an error in a formula field, not false.
        raise RowError
    return parsed


def _equal(left: Value, right: Value) -> bool:
    if left is None or right is None:
        other = right if left is None else left
        return other is None or (not isinstance(other, Moment) and other in ("", 0))
    if isinstance(left, str) != isinstance(right, str) or isinstance(left, Moment) != isinstance(right, Moment):
        return False
    return left == right


def _order(left: Value, right: Value) -> tuple[Any, Any]:
    """Both sides as two things that Python can put in order."""
    if isinstance(left, Moment) or isinstance(right, Moment):
        if isinstance(left, Moment) and isinstance(right, Moment):
            return left, right
        # A bare string is no date here: `LAST_MODIFIED_TIME() > "2021-01-01"` is true for every row
        # (https://github.com/PipedreamHQ/pipedream/issues/1081).
        if isinstance(left, str) or isinstance(right, str):
            return isinstance(left, Moment), isinstance(right, Moment)
        raise RowError
    if isinstance(left, str) or isinstance(right, str):
        return _as_text(left), _as_text(right)
    return _number(left), _number(right)


def _as_text(value: Value) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise RowError


def _calculate(symbol: str, left: Value, right: Value) -> float:
    a, b = _number(left), _number(right)
    if symbol == "/" and b == 0:
        raise RowError
    operation: Callable[[Any, Any], float] = _ARITHMETIC[symbol]
    return operation(a, b)


_ARITHMETIC: dict[str, Callable[[Any, Any], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISON: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# --- functions of evaluated arguments


def _find(needle: Value, text: Value, start: Value = None) -> Value:
    return _text(text).find(_text(needle), max(0, int(_number(start)) - 1)) + 1


def _search(needle: Value, text: Value, start: Value = None) -> Value:
    place = _text(text).lower().find(_text(needle).lower(), max(0, int(_number(start)) - 1)) + 1
    return place or None


def _as_number(value: Value) -> Value:
    if not isinstance(value, str):
        return _number(value)
    found = re.search(r"-?\d[\d,]*(?:\.\d+)?", value)
    if found is None:
        raise RowError
    return float(found.group().replace(",", ""))


_LENGTHS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
_STARTS = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19, "millisecond": 24}


def _difference(first: Value, second: Value, unit: Value = "seconds") -> Value:
    length = 1 if unit == "milliseconds" else _LENGTHS.get(_text(unit).rstrip("s"))
    if length is None:
        raise RowError
    return math.trunc((_moment(first) - _moment(second)) / length)


def _is_same(first: Value, second: Value, unit: Value = "millisecond") -> Value:
    length = _STARTS.get(_text(unit).rstrip("s"))
    if length is None:
        raise RowError
    return format_moment(_moment(first))[:length] == format_moment(_moment(second))[:length]


_Function = Callable[..., Value]
_MANY = 1_000_000
_FUNCTIONS: dict[str, tuple[int, int, _Function]] = {
    "AND": (1, _MANY, lambda *values: all(map(truthy, values))),
    "OR": (1, _MANY, lambda *values: any(map(truthy, values))),
    "XOR": (1, _MANY, lambda *values: sum(map(truthy, values)) % 2 == 1),
    "NOT": (1, 1, lambda value: not truthy(value)),
    "TRUE": (0, 0, lambda: True),
    "FALSE": (0, 0, lambda: False),
    "BLANK": (0, 0, lambda: None),
    "IS_AFTER": (2, 2, lambda first, second: _moment(first) > _moment(second)),
    "IS_BEFORE": (2, 2, lambda first, second: _moment(first) < _moment(second)),
    "IS_SAME": (2, 3, _is_same),
    "DATETIME_PARSE": (1, 1, _moment),
    "DATETIME_DIFF": (2, 3, _difference),
    "LEN": (1, 1, lambda value: len(_text(value))),
    "LOWER": (1, 1, lambda value: _text(value).lower()),
    "UPPER": (1, 1, lambda value: _text(value).upper()),
    "TRIM": (1, 1, lambda value: _text(value).strip()),
    "FIND": (2, 3, _find),
    "SEARCH": (2, 3, _search),
    "VALUE": (1, 1, _as_number),
    "CONCATENATE": (1, _MANY, lambda *values: "".join(map(_text, values))),
}


# --- tree to closures


class _Compiler(Generic[R]):
    def __init__(self, columns: Columns[R]) -> None:
        self._columns = columns
        self.unknown: list[str] = []

    def build(self, node: _Node, depth: int) -> Callable[[R], Value]:
        if depth > 2 * NESTING:
            _refuse()
        if isinstance(node, _Literal):
            value = node.value
            return lambda row: value
        if isinstance(node, _Column):
            return self._column(node.name)
        if isinstance(node, _Negative):
            operand = self.build(node.operand, depth + 1)
            return lambda row: -_number(operand(row))
        if isinstance(node, _Binary):
            return self._binary(node, depth + 1)
        return self._call(node, depth + 1)

    def _column(self, name: str) -> Callable[[R], Value]:
        reader = self._columns.value(name)
        if reader is None:
            if name not in self.unknown:
                self.unknown.append(name)
            return lambda row: None
        return reader

    def _binary(self, node: _Binary, depth: int) -> Callable[[R], Value]:
        left, right, symbol = self.build(node.left, depth), self.build(node.right, depth), node.symbol
        if symbol == "=":
            return lambda row: _equal(left(row), right(row))
        if symbol == "!=":
            return lambda row: not _equal(left(row), right(row))
        if symbol == "&":
            return lambda row: _text(left(row)) + _text(right(row))
        if symbol in _ARITHMETIC:
            return lambda row: _calculate(symbol, left(row), right(row))
        compare = _COMPARISON[symbol]
        return lambda row: compare(*_order(left(row), right(row)))

    def _call(self, node: _Call, depth: int) -> Callable[[R], Value]:
        if node.name == "LAST_MODIFIED_TIME":
            return self._modified(node)
        arguments = [self.build(argument, depth) for argument in node.arguments]
        if node.name in ("RECORD_ID", "CREATED_TIME"):
            if arguments:
                _refuse()
            return self._columns.record_id if node.name == "RECORD_ID" else self._columns.created
        if node.name == "IF":
            return _choice(arguments)
        if node.name not in _FUNCTIONS:
            _refuse()
        least, most, function = _FUNCTIONS[node.name]
        if not least <= len(arguments) <= most:
            _refuse()
        fixed = _fixed_moment(node)
        if fixed is not None:
            return lambda row: fixed
        return _applied(function, arguments)

    def _modified(self, node: _Call) -> Callable[[R], Value]:
        names: list[str] = []
        for argument in node.arguments:
            if not isinstance(argument, _Column):
                _refuse()
            self._column(argument.name)
            names.append(argument.name)
        return (lambda row: None) if self.unknown else self._columns.modified(tuple(names))


def _choice(arguments: list[Callable[[R], Value]]) -> Callable[[R], Value]:
    if not 2 <= len(arguments) <= 3:
        _refuse()
    condition, then = arguments[:2]
    otherwise = arguments[2] if len(arguments) == 3 else lambda row: None
    return lambda row: then(row) if truthy(condition(row)) else otherwise(row)


def _applied(function: _Function, arguments: list[Callable[[R], Value]]) -> Callable[[R], Value]:
    # Every argument is evaluated: an error in one makes AND and OR an error as well.
    if len(arguments) == 1:
        only = arguments[0]
        return lambda row: function(only(row))
    if len(arguments) == 2:
        first, second = arguments
        return lambda row: function(first(row), second(row))
    return lambda row: function(*[argument(row) for argument in arguments])


# --- tree to the rows worth asking


def _fixed_moment(node: _Node, bare: bool = False) -> Moment | None:
    """The point in time that DATETIME_PARSE of a literal names; with `bare`, a literal alone as well."""
    if isinstance(node, _Call) and node.name == "DATETIME_PARSE" and len(node.arguments) == 1:
        return _fixed_moment(node.arguments[0], bare=True)
    if bare and isinstance(node, _Literal) and isinstance(node.value, str):
        return parse_moment(node.value)
    return None


def _is_call(node: _Node, name: str) -> bool:
    return isinstance(node, _Call) and node.name == name


def _narrow(node: _Node) -> Narrow | None:
    if isinstance(node, _Binary):
        return _narrow_comparison(node)
    if not isinstance(node, _Call):
        return None
    if node.name in ("IS_AFTER", "IS_BEFORE"):
        later, earlier = node.arguments if node.name == "IS_AFTER" else reversed(node.arguments)
        after = _fixed_moment(earlier, bare=True)
        # A named column was never changed later than the row was.
        return Narrow(after=after) if after is not None and _is_call(later, "LAST_MODIFIED_TIME") else None
    parts = [_narrow(argument) for argument in node.arguments]
    known = [part for part in parts if part is not None]
    if node.name == "AND" and known:
        return max(known, key=lambda part: (part.after is None, part.after or 0))
    if node.name == "OR" and len(known) == len(parts) > 0:
        times = [part.after for part in known if part.after is not None]
        return Narrow(frozenset().union(*(part.ids for part in known)), min(times) if times else None)
    return None


def _narrow_comparison(node: _Binary) -> Narrow | None:
    if node.symbol == "=":
        for left, right in ((node.left, node.right), (node.right, node.left)):
            if _is_call(left, "RECORD_ID") and isinstance(right, _Literal) and isinstance(right.value, str):
                return Narrow(ids=frozenset({right.value}))
    if node.symbol in (">", ">=") and _is_call(node.left, "LAST_MODIFIED_TIME"):
        after = _fixed_moment(node.right)
        return None if after is None else Narrow(after=after if node.symbol == ">" else after - 1)
    return None
