"""The checks can fail: with a rule of the program broken, the check that guards it does."""

from __future__ import annotations

import pytest

from tests.campaign.mutants import MUTANTS, Mutant, failure_of, table
from tests.scene import TOP


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_rule_is_caught(mutant: Mutant) -> None:
    assert failure_of(mutant, broken=True)


def test_every_mutant_breaks_a_rule_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_the_page_about_reliability_lists_every_mutant() -> None:
    assert table() in (TOP / "docs" / "reliability.md").read_text(encoding="utf-8")
