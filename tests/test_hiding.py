"""What is taken out of answers, and that all else stays as it is."""

from __future__ import annotations

import json

import pytest

from clients.hiding import Hiding

TOKEN = "pk_183001_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SPELLED = f"\\u0070{TOKEN[1:]}"


@pytest.mark.parametrize("levels", [100, 600, 5_000])
def test_an_answer_that_spells_a_token_in_great_depth_is_hidden_all_the_same(levels: int) -> None:
    """Danger: looking through it needs more levels of calls than there are, and the run crashes."""
    body = f'{{"err": "{SPELLED}", "x": {"[" * levels}{"]" * levels}}}'
    hidden = Hiding([TOKEN]).hide(body.encode())
    assert b"***" in hidden
    assert TOKEN[1:].encode() not in hidden


@pytest.mark.parametrize(
    "honest", ['{"a": 1.10, "b": "caf\\u00e9 \\ud83d\\ude00", "a": 2}', "<html>\\u0070</html>", '"\\\\u0070k_"', ""]
)
def test_an_answer_without_a_token_stays_as_it_is(honest: str) -> None:
    assert Hiding([TOKEN]).hide(honest.encode()) == honest.encode()


def test_what_stands_beside_a_spelled_token_keeps_its_values() -> None:
    beside = {"number": 1e300, "text": "caf\u00e9 \U0001f600 \x00", "list": [None, True, {"deep": "x"}]}
    body = json.dumps(beside)[:-1] + f', "token": "{SPELLED}"}}'
    assert json.loads(Hiding([TOKEN]).hide(body.encode())) == {**beside, "token": "***"}
