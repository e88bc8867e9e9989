"""What is told of decisions against people: once, by the run that carries them out, or else by the next one.

Conflicts, and notices of what is overwritten, are kept in the state before the first write: a run may die, or reach
nobody, after it has written. What only one reading showed (that a task came and went) is kept as well where that run
could not write: no later reading would show it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from typing import NamedTuple

from models import Notice, Outcome, Plan
from state import State
from sync_logic import LEAD_GONE

Told = tuple[str, str, str]
"""A lead, its task or "", and what is said of them."""


class _Once(NamedTuple):
    """What one reading showed and no later one does, and the phase whose write of a status makes it true."""

    lead: str
    task: str
    text: str
    phase: int

    @property
    def told(self) -> Told:
        return self.lead, self.task, self.text


class Telling:
    """What a run has to tell: of its own decisions, and of those of earlier runs.

    `whole` is the plan, `made` the part of it that this run is to carry out.
    """

    def __init__(self, state: State, whole: Plan, made: Plan) -> None:
        self._made = made
        self._earlier = [(lead, task, text) for lead, task, text in json.loads(state.value("untold") or "[]")]
        self._kept_once = [_Once(*each) for each in json.loads(state.value("seen_once") or "[]")]
        self._once = list(dict.fromkeys((*self._kept_once, *_seen_once(whole.notices))))
        self._due = _due(self._kept_once, made)
        planned = {*_decided_against_people(made), *(each.told for each in self._due)}
        self._again = [each for each in self._earlier if each not in planned]
        self._repeated = [each for each in self._earlier if each in planned]

    def of_earlier_runs(self) -> tuple[Notice, ...]:
        """What runs that died had decided, and what this one does not decide again."""
        return _cut_off(self._again)

    def before_the_first_write(self) -> str | None:
        """What would go unsaid if the run died before its end, to be kept as `untold`."""
        own = _decided_against_people(self._made)
        return _as_text((*self._earlier, *own, *(each.told for each in self._due)))

    def at_the_end(self, outcome: Outcome, carried_out: Callable[[str, int], bool]) -> tuple[Outcome, str | None]:
        """The outcome with all that is to be told, and what is to be kept as `seen_once`.

        `outcome` has the conflicts and notices that this run carried out, or may have. Of what it planned once more and
        did not carry out, an earlier run that died may have.
        """
        told = {*self._again, *_decided_against_people(outcome)}
        written = [each for each in self._due if each.told not in told and carried_out(each.lead, each.phase)]
        told.update(each.told for each in written)
        repeated = [each for each in self._repeated if each not in told]
        told.update(repeated)
        again = set(_decided_against_people_in(self.of_earlier_runs()))
        late = [
            Notice(each.lead, each.task, f"an earlier run had decided this and could not write it: {each.text}")
            for each in written
        ]
        own = [
            each
            for each in (*_decided_against_people_in(late), *_decided_against_people(outcome))
            if each[0] and each not in again
        ]
        waiting = {each.record_id for each in (*outcome.left, *outcome.failed)}
        still = [each for each in self._once if each.told not in told and self._may_be_due(each.lead, waiting)]
        outcome = dataclasses.replace(
            outcome,
            notices=(*_cut_off(repeated), *late, *outcome.notices),
            to_tell=tuple(dict.fromkeys((*self._again, *repeated, *own))),
        )
        return outcome, json.dumps(still) if still else None

    def _may_be_due(self, lead: str, waiting: set[str]) -> bool:
        """Where nothing need be written any more, nothing is to be said."""
        return lead in waiting or self._made.verdicts.get(lead, LEAD_GONE) == LEAD_GONE


def forget_told(state: State, outcome: Outcome) -> None:
    """What a run had to tell, once it is told. What another run keeps by now stays."""
    state.forget_value("untold", _as_text(outcome.to_tell) or "")


def as_kept(outcome: Outcome) -> str | None:
    """What a run had to tell, to be kept as `untold` until it is told: it may find nobody to tell."""
    return _as_text(outcome.to_tell)


def _as_text(told: Iterable[Told]) -> str | None:
    once = list(dict.fromkeys(told))
    return json.dumps(once) if once else None


def _cut_off(told: Iterable[Told]) -> tuple[Notice, ...]:
    return tuple(
        Notice(lead, task, f"decided in a run that was cut off, or could not say so: {text}")
        for lead, task, text in told
    )


def _seen_once(notices: Iterable[Notice]) -> Iterable[_Once]:
    return (_Once(each.record_id, each.task_id, each.text, each.phase) for each in notices if each.once)


def _due(kept: Iterable[_Once], made: Plan) -> list[_Once]:
    """What was seen once of leads and tasks whose status this plan writes. A task that is to be created has no id."""
    to_tasks = {(each.record_id, each.task_id) for each in made.task_updates if each.status is not None}
    to_tasks.update((each.record_id, "") for each in made.creates)
    to_leads = {(each.record_id, each.task_id) for each in made.lead_updates if each.status is not None}
    return [each for each in kept if (each.lead, each.task) in (to_tasks if each.phase == 1 else to_leads)]


def _decided_against_people(made: Plan | Outcome) -> Iterable[Told]:
    """Conflicts and notices of a plan or of what came of it."""
    for conflict in made.conflicts:
        text = f"the lead's status was '{conflict.airtable}', the task's '{conflict.clickup}'; {conflict.winner} stands"
        yield conflict.record_id, conflict.task_id, text
    yield from _decided_against_people_in(made.notices)


def _decided_against_people_in(notices: Iterable[Notice]) -> Iterable[Told]:
    return ((each.record_id, each.task_id, each.text) for each in notices if not each.routine)
