"""Which lead status goes with which task status, and in which direction. Pure.

Written as `NEW > To Do, CONTACTED = In Progress`: `>` carries the lead's status to the task only, `=` works both ways.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

ONE_WAY = ">"
TWO_WAY = "="
_SEPARATORS = ",\n\r"


# A run over many pairs asks a dozen times for each of them, and nearly always for the same few names.
@functools.lru_cache(maxsize=256)
def fold(status: str) -> str:
    """The form in which two spellings of one status are equal: no outer spaces, no letter case, composed accents."""
    caseless = unicodedata.normalize("NFD", status).casefold()
    return unicodedata.normalize("NFC", caseless).strip()


@dataclass(frozen=True)
class Row:
    """One lead status with its task status; `two_way` is true where the task's status leads back to this one."""

    lead: str
    task: str
    two_way: bool

    def __str__(self) -> str:
        return f"{_written(self.lead)} {TWO_WAY if self.two_way else ONE_WAY} {_written(self.task)}"


@dataclass(frozen=True)
class StatusMap:
    """The whole table, in its order. Statuses are looked up by `fold` and answered as the table spells them.

    Raises ValueError naming every fault: no row, a blank status, a lead status in two rows, or a task status with
    two ways back.
    """

    rows: tuple[Row, ...]
    _by_lead: Mapping[str, Row] = field(init=False, repr=False, compare=False)
    _by_task: Mapping[str, Row] = field(init=False, repr=False, compare=False)
    _tasks: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        faults = list(_faults(self.rows))
        if faults:
            raise ValueError("; ".join(faults))
        object.__setattr__(self, "_by_lead", {fold(row.lead): row for row in self.rows})
        object.__setattr__(self, "_by_task", {fold(row.task): row for row in self.rows if row.two_way})
        object.__setattr__(self, "_tasks", frozenset(fold(row.task) for row in self.rows))

    @property
    def first(self) -> Row:
        """The row for a lead whose status is blank."""
        return self.rows[0]

    def forward(self, lead_status: str) -> str | None:
        """The task status of this lead status's row; None where it has no row."""
        row = self._by_lead.get(fold(lead_status))
        return row.task if row else None

    def back(self, task_status: str) -> str | None:
        """The lead status of the two-way row that leads back from this task status; None where there is none."""
        row = self._by_task.get(fold(task_status))
        return row.lead if row else None

    def has_task(self, task_status: str) -> bool:
        """Whether some row holds this task status."""
        return fold(task_status) in self._tasks

    def agree(self, lead_status: str, task_status: str) -> bool:
        """Whether the lead status has a row and that row holds the task status."""
        row = self._by_lead.get(fold(lead_status))
        return row is not None and fold(row.task) == fold(task_status)

    def __str__(self) -> str:
        return ", ".join(str(row) for row in self.rows)


def parse(text: str) -> StatusMap:
    """Read a table as it is written in `STATUS_MAP`.

    Rows are separated by commas or line breaks. A status that holds one of `, = > "` stands in double quotes, where
    a double quote is written twice. Raises ValueError naming every fault.
    """
    rows: list[Row] = []
    faults: list[str] = []
    for piece in _split(text):
        try:
            rows.append(_row(piece))
        except ValueError as error:
            faults.append(str(error))
    if rows or not faults:
        faults.extend(_faults(rows))
    if faults:
        raise ValueError("; ".join(faults))
    return StatusMap(tuple(rows))


def parse_names(text: str) -> tuple[str, ...]:
    """Read a list of names, separated and quoted as in `parse`. Raises ValueError for a stray quote."""
    return tuple(_name(piece) for piece in _split(text))


def _split(text: str) -> Iterator[str]:
    """The non-blank pieces between the commas and line breaks that stand outside double quotes."""
    start = 0
    for at in _outside_quotes(text):
        if text[at] in _SEPARATORS:
            if text[start:at].strip():
                yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        yield text[start:].strip()


def _outside_quotes(text: str) -> Iterator[int]:
    """Positions outside quoted names. A quote opens a name only where a name begins; elsewhere it is a letter."""
    quoted = False
    begins = True
    for at, letter in enumerate(text):
        if letter == '"' and (quoted or begins):
            quoted = not quoted
            begins = True
        elif not quoted:
            yield at
            begins = letter in _SEPARATORS or letter in (ONE_WAY, TWO_WAY) or (begins and letter.isspace())


def _row(piece: str) -> Row:
    signs = [at for at in _outside_quotes(piece) if piece[at] in (ONE_WAY, TWO_WAY)]
    if not signs and piece.startswith('"') and piece.count('"') % 2:
        raise ValueError(f"{piece!r} has a double quote without its partner")
    if not signs:
        raise ValueError(f"{piece!r} has neither {TWO_WAY} (both ways) nor {ONE_WAY} (lead to task)")
    if len(signs) > 1:
        raise ValueError(f"{piece!r} has more than one {TWO_WAY} or {ONE_WAY}; put a status that holds one in quotes")
    left, sign, right = piece[: signs[0]].strip(), piece[signs[0]], piece[signs[0] + 1 :].strip()
    if left.endswith(("-", "<")):
        raise ValueError(f"{piece!r} has an arrow; write {TWO_WAY} (both ways) or {ONE_WAY} (lead to task)")
    return Row(_name(left), _name(right), sign == TWO_WAY)


def _name(text: str) -> str:
    if not text.startswith('"'):
        return text
    inner = text[1:-1]
    if len(text) < 2 or not text.endswith('"') or '"' in inner.replace('""', ""):
        raise ValueError(f"{text!r} has a double quote out of place; a quote inside a quoted name is written twice")
    return inner.replace('""', '"')


def _faults(rows: Iterable[Row]) -> Iterator[str]:
    leads: set[str] = set()
    ways_back: set[str] = set()
    row = None
    for row in rows:
        lead, task = fold(row.lead), fold(row.task)
        if not lead or not task:
            yield f"'{row}' has an empty side"
            continue
        if lead in leads:
            yield f"lead status {row.lead!r} stands in more than one row"
        if row.two_way and task in ways_back:
            yield f"task status {row.task!r} leads back to more than one lead status; use {ONE_WAY} in all rows but one"
        leads.add(lead)
        ways_back.update({task} if row.two_way else ())
    if row is None:
        yield "the map has no row"


def _written(name: str) -> str:
    plain = name == name.strip() and not name.endswith(("-", "<")) and not set(name) & {*_SEPARATORS, '"', "=", ">"}
    return name if plain else '"' + name.replace('"', '""') + '"'


DEFAULT = StatusMap(
    (
        Row("NEW", "To Do", two_way=False),
        Row("CONTACTED", "In Progress", two_way=True),
        Row("QUALIFIED", "Complete", two_way=True),
        Row("LOST", "Complete", two_way=False),
    )
)
