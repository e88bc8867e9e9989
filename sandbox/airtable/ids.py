"""Ids in Airtable's form: three letters of kind and 14 of `[0-9A-Za-z]`, the same in every run of the stand-in."""

from __future__ import annotations

import random
import re
import string

_ALPHABET = string.digits + string.ascii_letters


class Ids:
    """A source of ids that are different within one stand-in and the same in the next."""

    def __init__(self, seed: int = 20) -> None:
        self._random = random.Random(seed)

    def new(self, kind: str) -> str:
        """A new id of a kind: app, tbl, fld, viw, rec, sel, itr ..."""
        return kind + "".join(self._random.choices(_ALPHABET, k=14))

    def token(self) -> str:
        """A personal access token: `pat`, 14 characters, a dot and 64 of hexadecimal."""
        return f"{self.new('pat')}.{self._random.getrandbits(256):064x}"


def is_id(text: object, kind: str) -> bool:
    """Whether something has the form of an id of this kind."""
    return isinstance(text, str) and re.fullmatch(kind + "[0-9A-Za-z]{14}", text) is not None
