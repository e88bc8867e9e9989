"""Custom field values: what may be written, how it is read back, and the operators of the `custom_fields` filter.

Facts: https://developer.clickup.com/docs/customfields, https://developer.clickup.com/docs/taskfilters.
Where no error code is known for a value that is refused, it is FIELD_342, "Invalid Value".
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from sandbox.clickup.model import Field, Refused

TEXTS = ("short_text", "text", "url", "email", "phone")
NUMBERS = ("number", "currency")
TYPES = (*TEXTS, *NUMBERS, "date", "drop_down", "labels", "checkbox")
OPERATORS = (
    *("=", "==", "!=", "!==", "<", "<=", ">", ">="),
    *("IS NULL", "IS NOT NULL", "RANGE", "ANY", "ALL", "NOT ANY", "NOT ALL"),
)
_FORMS = {
    "url": re.compile(r"https?://[^\s/]+\S*"),
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
    "phone": re.compile(r"\+[0-9][0-9 ().-]{4,}"),
}


def stored_value(field: Field, value: Any) -> Any:
    """What ClickUp keeps of a value that is written, or None where it means empty.

    Raises:
        Refused: the value is not one of this field's type.
    """
    if field.type in TEXTS:
        return _text(field, value)
    if field.type in NUMBERS:
        return _number(value)
    if field.type == "date":
        return _date(value)
    if field.type == "checkbox":
        return _checkbox(value)
    if field.type == "drop_down":
        return _option(field, value)
    return _labels(field, value)


def shown_value(field: Field, stored: Any) -> Any:
    """What `custom_fields[].value` reads: numbers and dates as strings, a drop-down as its option's orderindex."""
    if field.type in NUMBERS:
        return str(int(stored)) if float(stored).is_integer() else repr(stored)
    if field.type == "date":
        return str(stored)
    if field.type == "checkbox":
        return "true" if stored else "false"
    if field.type == "drop_down":
        return next((index for index, (option, _) in enumerate(field.options) if option == stored), None)
    return stored


def matches(field: Field, stored: Any, operator: str, wanted: Any) -> bool:
    """Whether a task with this value passes the filter.

    Text: "=" and "!=" look for a part of the text without regard to case, "==" and "!==" compare exactly.
    """
    if operator == "IS NULL":
        return stored is None
    if operator == "IS NOT NULL":
        return stored is not None
    if operator in ("!=", "!=="):
        return not matches(field, stored, "=" if operator == "!=" else "==", wanted)
    if operator in ("NOT ANY", "NOT ALL"):
        return not matches(field, stored, operator[4:], wanted)
    if stored is None:
        return False
    if operator in ("ANY", "ALL"):
        own = set(stored) if isinstance(stored, (list, tuple)) else {str(stored)}
        asked = {str(one) for one in wanted} if isinstance(wanted, list) else {str(wanted)}
        return bool(own & asked) if operator == "ANY" else asked <= own
    if field.type in TEXTS and operator in ("=", "=="):
        text = str(wanted)
        return stored == text if operator == "==" else text.casefold() in str(stored).casefold()
    if field.type in NUMBERS or field.type == "date":
        return _number_matches(float(stored), operator, wanted)
    if field.type == "checkbox":
        return bool(stored) == (str(wanted).casefold() == "true")
    if field.type == "drop_down":
        return str(wanted) in (stored, str(shown_value(field, stored)))
    return False


def _number_matches(own: float, operator: str, wanted: Any) -> bool:
    if operator == "RANGE":
        low, high = _range(wanted)
        return low <= own <= high
    asked = _float(wanted)
    return {
        "=": own == asked,
        "==": own == asked,
        "<": own < asked,
        "<=": own <= asked,
        ">": own > asked,
        ">=": own >= asked,
    }[operator]


def _range(wanted: Any) -> tuple[float, float]:
    if isinstance(wanted, dict):
        wanted = [wanted.get("low_value"), wanted.get("high_value")]
    if not isinstance(wanted, list) or len(wanted) != 2:
        _invalid()
    return _float(wanted[0]), _float(wanted[1])


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        _invalid()


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _invalid()
    return value


def _invalid() -> NoReturn:
    raise Refused(400, "Invalid Value", "FIELD_342")


def unstorable(text: str) -> bool:
    """Whether a text holds what a UTF-8 database cannot keep: NUL, or half of a surrogate pair."""
    return "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(field: Field, value: Any) -> str | None:
    if not isinstance(value, str) or unstorable(value):
        _invalid()
    if value == "":
        return None
    form = _FORMS.get(field.type)
    if form and not form.fullmatch(value):
        _invalid()
    return value


def _date(value: Any) -> int:
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit():
        raise Refused(500, "Value is not a valid date", "FIELD_017")
    return int(value)


def _checkbox(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        _invalid()
    return bool(value == "true")


def _option(field: Field, value: Any) -> str:
    ids = [option for option, _ in field.options]
    if isinstance(value, str) and value in ids:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(ids):
        return ids[value]
    raise Refused(400, "Value must be an option index or uuid", "FIELD_011")


def _labels(field: Field, value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        _invalid()
    return tuple(_option(field, one) for one in value) or None
