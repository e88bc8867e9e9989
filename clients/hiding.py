"""Tokens in answers, hidden before anything is done with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from text import clean

_SHOWN = "***"
# What `clean` takes out of texts may stand between the letters of a token: NUL and halves of surrogate pairs.
_TAKEN_OUT = rb"(?:\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2})|\xed[\xa0-\xbf][\x80-\xbf])*"
_MAY_SPELL = re.compile(rb"\\u(?:00[02-7]|[dD][89a-fA-F])|\xed[\xa0-\xbf]")


class Hiding:
    """Takes secrets out of answers: as they are, and however JSON spells them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(set(secrets), key=len, reverse=True)  # one may begin with another
        self._plain = [secret.encode() for secret in self._secrets]
        self._spelled = [_spelled(secret) for secret in self._plain]

    def hide(self, content: bytes) -> bytes:
        """The answer's body without the secrets."""
        for secret in self._plain:
            content = content.replace(secret, _SHOWN.encode())
        # The search for single bytes first: it takes next to no time, and most answers hold neither.
        odd = b"\\" in content or b"\xed" in content
        if odd and _MAY_SPELL.search(content) and any(spelled.search(content) for spelled in self._spelled):
            return self._hide_in_texts(content)
        return content

    def _hide_in_texts(self, content: bytes) -> bytes:
        """The same, text by text: a backslash may be a letter of its own, and the answer has to stay JSON."""
        try:
            return json.dumps(self._hidden(json.loads(content.decode("utf-8", "surrogatepass")))).encode()
        except (ValueError, RecursionError):  # no JSON, or none that anybody can use
            for spelled in self._spelled:
                content = spelled.sub(_SHOWN.encode(), content)
            return content

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            text = clean(value)
            for secret in self._secrets:
                text = text.replace(secret, _SHOWN)
            return text if _SHOWN in text else value
        if isinstance(value, list):
            return [self._hidden(each) for each in value]
        if isinstance(value, dict):
            return {self._hidden(key): self._hidden(each) for key, each in value.items()}
        return value


def _spelled(secret: bytes) -> re.Pattern[bytes]:
    letters = (b"(?:%b|\\\\u00(?i:%02x))" % (re.escape(bytes([code])), code) for code in secret)
    return re.compile(_TAKEN_OUT.join(letters))
