"""A file of leads as columns and rows for the stand-in's table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

STATUS = "Status"
_LONG = 200


def load(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Read a JSON list of objects, or CSV with a header line.

    Returns:
        The columns as the table's `define_fields` takes them ({"name", "type"} and, for `Status`, "choices": the
        values found, in their order), and the rows without their empty cells. JSON values that are not text become it.

    Raises:
        ValueError: the file is neither, a line has more cells than the header, or a column has no name.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8-sig")
    rows = _from_json(text) if text.lstrip().startswith(("[", "{")) else _from_csv(text)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not all(name.strip() for name in names):
        raise ValueError("a column has no name")
    full = [{name: value for name, value in row.items() if value != ""} for row in rows]
    return [_column(name, [row[name] for row in full if name in row]) for name in names], full


def _column(name: str, values: list[str]) -> dict[str, Any]:
    if name == STATUS:
        return {"name": name, "type": "singleSelect", "choices": list(dict.fromkeys(values))}
    long = any("\n" in value or len(value) > _LONG for value in values)
    return {"name": name, "type": "multilineText" if long else "singleLineText"}


def _from_json(text: str) -> list[dict[str, str]]:
    rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("a JSON file of leads is a list of objects")
    return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _from_csv(text: str) -> list[dict[str, str]]:
    rows = []
    reader = csv.DictReader(text.splitlines(keepends=True))
    for row in reader:
        if None in row:
            raise ValueError(f"line {reader.line_num} has more cells than the header")
        rows.append({name: value or "" for name, value in row.items()})
    return rows
