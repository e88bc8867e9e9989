"""What a cell takes from a write, and how it is read back.

https://airtable.com/developers/web/api/field-model says what each type of column takes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.airtable.fields import NUMBERS, TEXT, Field
from sandbox.airtable.ids import Ids, is_id
from sandbox.airtable.refusals import bad_option, bad_request, bad_value, computed, no_such_row, refused
from sandbox.formula import RowError, Value, format_moment, parse_moment

LONGEST_TEXT = 100_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TRUE, _FALSE = frozenset({"true", "yes", "1", "checked"}), frozenset({"false", "no", "0", ""})


def is_empty(value: Any) -> bool:
    """Whether a cell counts as empty; the service leaves such cells out of its answers."""
    return value is None or value is False or value == "" or value == []


@dataclass(frozen=True)
class Casting:
    """What checking a value needs besides the value: `has_record` knows the records of the whole base, `users` its
    collaborators. New select options that typecast asks for are collected in `new_choices` and made only when the
    whole request is accepted."""

    typecast: bool
    ids: Ids
    has_record: Callable[[str], bool]
    users: list[dict[str, str]]
    new_choices: list[tuple[Field, str]]

    def cast(self, field: Field, value: Any, before: Any) -> Any:
        """The value as the cell will hold it; None for an empty one. Raises Refused. `before` is what it holds."""
        if field.computed:
            raise computed(field.name)
        _check_strings(field, value)
        if value is None:
            # A cleared rich text was seen to read back as a line break.
            return "\n" if field.type == "richText" and before is not None else None
        if field.type in TEXT:
            return self._text(field, value)
        if field.type in NUMBERS:
            return self._number(field, value)
        other = {
            "checkbox": self._checkbox,
            "singleSelect": self._select,
            "multipleSelects": self._selects,
            "date": self._date,
            "dateTime": self._date_time,
            "singleCollaborator": self._user,
            "multipleCollaborators": self._users,
            "multipleAttachments": self._attachments,
            "multipleRecordLinks": self._links,
            "barcode": self._barcode,
        }[field.type]
        stored = other(field, value)
        return None if is_empty(stored) else stored

    def _text(self, field: Field, value: Any) -> str | None:
        if self.typecast and isinstance(value, (int, float, bool)):
            value = json.dumps(value)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise bad_value(field.name)
        if field.type == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise bad_request()
        if field.type == "richText" and value:
            return re.sub(r"^\* ", "- ", value, flags=re.MULTILINE).rstrip("\n") + "\n"
        return value or None

    def _number(self, field: Field, value: Any) -> int | float | None:
        if self.typecast and isinstance(value, str):
            try:
                value = float(value.replace(",", "").strip()) if value.strip() else None
            except ValueError:
                raise bad_value(field.name) from None
            if value is None:
                return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise bad_value(field.name)
        if field.type == "rating" and value not in range(1, int(field.options.get("max", 5)) + 1):
            raise bad_value(field.name)
        return int(value) if float(value).is_integer() and abs(value) < 2**53 else value

    def _checkbox(self, field: Field, value: Any) -> bool:
        if self.typecast and isinstance(value, (str, int, float)):
            value = str(value).lower() in _TRUE if str(value).lower() in _TRUE | _FALSE else value
        if not isinstance(value, bool):
            raise bad_value(field.name)
        return value

    def _select(self, field: Field, value: Any) -> str:
        if self.typecast and isinstance(value, (int, float)):
            value = json.dumps(value)
        if not isinstance(value, str):
            raise bad_value(field.name)
        if field.choice(value) is None:
            if not self.typecast:
                raise bad_option(value)
            if value and (field, value) not in self.new_choices:
                self.new_choices.append((field, value))
        return value

    def _selects(self, field: Field, value: Any) -> list[str]:
        if self.typecast and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list) or len({json.dumps(item) for item in value}) != len(value):
            raise bad_value(field.name)
        return [self._select(field, item) for item in value]

    def _date(self, field: Field, value: Any) -> str:
        moment = parse_moment(value) if isinstance(value, str) else None
        if moment is None:
            raise bad_value(field.name)
        return format_moment(moment)[:10]

    def _date_time(self, field: Field, value: Any) -> str:
        try:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            moment = int(value) if number else parse_moment(value) if isinstance(value, str) else None
            if moment is not None:
                return format_moment(moment)
        except (ValueError, OverflowError, OSError):
            pass
        raise bad_value(field.name)

    def _user(self, field: Field, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not set(value) <= {"id", "email", "name"}:
            raise bad_value(field.name)
        for user in self.users:
            if user["id"] == value.get("id") or ("id" not in value and user["email"] == value.get("email")):
                return user
        raise no_such_row(str(value.get("id") or value.get("email")))

    def _users(self, field: Field, value: Any) -> list[dict[str, str]]:
        if not isinstance(value, list):
            raise bad_value(field.name)
        return [self._user(field, item) for item in value]

    def _attachments(self, field: Field, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise bad_value(field.name)
        return [self._attachment(field, item) for item in value]

    def _attachment(self, field: Field, value: Any) -> dict[str, Any]:
        known = isinstance(value, dict) and is_id(value.get("id"), "att")
        new = isinstance(value, dict) and "id" not in value and isinstance(value.get("url"), str)
        if not known and not new:
            shown = json.dumps(value, indent=2, ensure_ascii=False)
            raise refused(
                422, "INVALID_ATTACHMENT_OBJECT", f"Invalid attachment object for field {field.name}: {shown}"
            )
        if known:
            return dict(value)
        name = value.get("filename") or urlsplit(value["url"]).path.rsplit("/", 1)[-1] or "Unnamed attachment"
        return {"id": self.ids.new("att"), "url": value["url"], "filename": name}

    def _links(self, field: Field, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(is_id(item, "rec") for item in value):
            raise bad_value(field.name)
        for item in value:
            if not self.has_record(item):
                raise no_such_row(item)
        return value

    def _barcode(self, field: Field, value: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not isinstance(value.get("text"), str):
            raise bad_value(field.name)
        return dict(value)


def _check_strings(field: Field, value: Any) -> None:
    """Nobody has said what NUL and lone surrogates do in a cell; refusing them hurts a client most."""
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise bad_value(field.name)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_strings(field, part)


def formula_value(value: Any, is_time: bool) -> Value:
    """A cell as the formula language sees it. Raises RowError for a cell that shows an error."""
    if isinstance(value, str):
        return (is_time and parse_moment(value)) or value or None
    if is_empty(value):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict) and "specialValue" in value:
        return math.nan
    return as_text(value)


def as_text(value: Any) -> str:
    """A cell as text, as formulas and `cellFormat=string` show it. Raises RowError for an error."""
    if isinstance(value, str):
        return value
    if value is True:
        return "checked"
    if isinstance(value, list):
        return ", ".join(as_text(item) for item in value)
    if isinstance(value, dict):
        if "error" in value:
            raise RowError
        for key in ("name", "filename", "text", "label", "email", "url", "id"):
            if isinstance(value.get(key), str):
                return str(value[key])
    return "" if is_empty(value) else json.dumps(value, ensure_ascii=False)
