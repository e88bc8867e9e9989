"""Checks of an answer's shape at the border, so that nothing behind it meets a list where an object should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_YEAR_10000 = 253_402_300_800_000


class Misshapen(ValueError):
    """An answer is JSON, but not of the documented shape; the text says where."""


def object_of(value: Any, what: str) -> Mapping[str, Any]:
    """The value, if it is a JSON object. Raises Misshapen."""
    if not isinstance(value, dict):
        raise Misshapen(f"{what} is not an object")
    return value


def list_of(value: Any, what: str) -> list[Any]:
    """The value, if it is a JSON array. Raises Misshapen."""
    if not isinstance(value, list):
        raise Misshapen(f"{what} is not a list")
    return value


def text_of(value: Any, what: str) -> str:
    """The value, if it is a string with something in it. Raises Misshapen."""
    if not isinstance(value, str) or not value:
        raise Misshapen(f"{what} is not a text")
    return value


def text_or_empty(value: Any, what: str) -> str:
    """The string; "" for null. Raises Misshapen."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Misshapen(f"{what} is not a text")
    return value


def milliseconds_of(value: Any, what: str) -> int:
    """Unix milliseconds, which come as a string of digits or as a number, up to the year 9999. Raises Misshapen."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise Misshapen(f"{what} is not a time in milliseconds")
    digits = str(value)
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16 and int(digits) < _YEAR_10000):
        raise Misshapen(f"{what} is not a time in milliseconds")
    return int(digits)
