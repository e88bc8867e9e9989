"""A JSON object with an array of many large rows, read row by row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def object_with_rows(text: str, name: str, make: Callable[[Any], object]) -> Any:
    """What `json.loads` makes of the text, but with `make(row)` in place of each row of the object's array `name`.

    A page of 100 tasks is hundreds of kilobytes of text, and several megabytes once it is parsed: more than a
    processor's cache holds. Making each row's object before the next row is parsed takes about half the time of
    parsing all rows first, and the page's JSON is gone at once.

    Raises ValueError where `json.loads` does, and what `make` raises.
    """
    return _Reader(text).object(name, make)


class _Reader:
    """A place in a JSON text, which moves on with what is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def object(self, name: str, make: Callable[[Any], object]) -> Any:
        if not self._takes("{"):
            return json.loads(self._text)
        found: dict[str, Any] = {}
        for _ in self._items("}"):
            key = self._value()
            if not isinstance(key, str) or not self._takes(":"):
                raise self._wrong("a name and a colon")
            if key == name and self._takes("["):
                found[key] = [make(self._value()) for _ in self._items("]")]
            else:
                found[key] = self._value()
        self._skip_space()
        if self._at < len(self._text):
            raise self._wrong("the end")
        return found

    def _items(self, end: str) -> Iterator[None]:
        """Once for each of the items up to the sign that ends them; the caller reads it."""
        if self._takes(end):
            return
        yield
        while self._takes(","):
            yield
        if not self._takes(end):
            raise self._wrong(f"a comma or {end}")

    def _value(self) -> Any:
        self._skip_space()
        value, self._at = _DECODER.raw_decode(self._text, self._at)
        return value

    def _takes(self, sign: str) -> bool:
        self._skip_space()
        there = self._text.startswith(sign, self._at)
        self._at += there
        return there

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _wrong(self, expected: str) -> ValueError:
        return json.JSONDecodeError(f"expected {expected}", self._text, self._at)
