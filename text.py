"""Text on its way somewhere: to a terminal, into a request, into a task's description, into a hash. Pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSENDABLE = re.compile(r"[\x00\ud800-\udfff]")
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_ELLIPSIS = "…"
_DEEPEST = 6
_EXACT_INTEGERS = 2**53
# In the order of preference: an attachment's file name, a collaborator's name, a button's label, a barcode's text,
# a collaborator without a name, an AI cell's text, anything else that Airtable knows by an id.
# https://airtable.com/developers/web/api/field-model
_NAMES = ("filename", "name", "label", "text", "email", "value", "id")


def visible(text: str) -> str:
    r"""The text with everything that could steer a terminal or forge a line of a log shown as \xNN or \uNNNN.

    That is: control characters (line breaks too), line separators, marks that turn the reading direction round, and
    halves of surrogate pairs. All other letters of all scripts stay.
    """
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clean(text: str) -> str:
    """The text without what cannot be sent as JSON in UTF-8 and kept: NUL and halves of surrogate pairs."""
    return _UNSENDABLE.sub("", text)


def one_line(text: str) -> str:
    """The text with each run of line breaks and tabs, and the spaces around it, as one space; stripped."""
    return " ".join(part.strip() for part in _BREAKS.split(text) if part.strip())


def cut(text: str, length: int) -> str:
    """The text in at most `length` characters; one that was longer ends with an ellipsis."""
    if len(text) <= length:
        return text
    return text[: length - 1] + _ELLIPSIS if length > 0 else ""


def cut_bytes(text: str, size: int) -> str:
    """The text in at most `size` bytes of UTF-8, never with half a character; one that was longer ends with an
    ellipsis where there is room for it."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= size:
        return text
    mark = _ELLIPSIS if size >= len(_ELLIPSIS.encode()) else ""
    room = max(0, size - len(mark.encode()))
    return data[:room].decode("utf-8", "ignore") + mark


def digest(text: str) -> str:
    """32 hexadecimal digits that stay the same for the same text, on every machine."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def cell_text(value: Any) -> str:
    """An Airtable cell of any type as a person would read it; "" for an empty one or a formula's error.

    An attachment is its file name and never its address, which expires after a few hours.
    https://airtable.com/developers/web/api/field-model
    """
    return _rendered(value, 0)


def _rendered(value: Any, depth: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return _ELLIPSIS
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, list):
        return ", ".join(filter(None, (_rendered(item, depth + 1) for item in value)))
    if isinstance(value, Mapping):
        return _object(value, depth)
    return str(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT_INTEGERS else str(value)


def _object(value: Mapping[str, Any], depth: int) -> str:
    if "specialValue" in value or "error" in value:
        return ""
    known = [_rendered(value[name], depth + 1) for name in _NAMES if name in value]
    if known:
        return next(filter(None, known), "")
    return json.dumps(_pruned(value, depth), ensure_ascii=False, separators=(",", ":"), sort_keys=True, default=str)


def _pruned(value: Any, depth: int) -> Any:
    """The same value without what lies deeper than a person would read."""
    if depth > _DEEPEST:
        return _ELLIPSIS
    if isinstance(value, Mapping):
        return {str(key): _pruned(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_pruned(item, depth + 1) for item in value]
    return value
