"""The table and the List of a live test: whether they are scratch ones, and deleting what live tests have made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from clients.errors import ApiError, NotFound
from config import Settings
from engine import Tools
from errors import Interrupted, SafetyStop
from live_test.ground import Made, fields, is_of_a_live_test
from models import Failure
from text import cell_text

MOST_STRANGERS = 10
_ROUNDS = 3
_BATCH = 10
_PAUSE_SECONDS = 3.0
_GONE_CODES = {"NOT_FOUND", "ROW_DOES_NOT_EXIST", "MODEL_ID_NOT_FOUND"}
_SCRATCH = (
    "use a scratch pair: in Airtable duplicate the table without its records, in ClickUp duplicate the List without "
    "its tasks, put their ids and that of the custom field into a file of its own, say scratch.env, and add --env-file "
    "scratch.env"
)


@dataclass(frozen=True)
class Survey:
    """What is in the table and the List before the test: how much is nobody's test, and what earlier tests left."""

    strange_leads: int
    strange_tasks: int
    left_leads: dict[str, str]
    left_tasks: dict[str, str]


def survey(settings: Settings, tools: Tools) -> Survey:
    """Look at both. Raises SafetyStop where either is evidently not a scratch one."""
    strange_leads, left_leads = _sorted_out(named_leads(settings, tools), f"table {settings.airtable_table_name}")
    strange_tasks, left_tasks = _sorted_out(
        chain(named_tasks(tools, archived=False), named_tasks(tools, archived=True)), f"List {settings.clickup_list_id}"
    )
    return Survey(strange_leads, strange_tasks, left_leads, left_tasks)


def _sorted_out(found: Iterable[tuple[str, str]], where: str) -> tuple[int, dict[str, str]]:
    """How many are strangers, and the names of the others by id."""
    strangers: set[str] = set()
    left: dict[str, str] = {}
    for each, name in found:
        if is_of_a_live_test(name):
            left[each] = name
        else:
            strangers.add(each)
        if len(strangers) > MOST_STRANGERS:
            what = "leads" if where.startswith("table") else "tasks"
            raise SafetyStop(
                f"the {where} holds more than {MOST_STRANGERS} {what} that no live test has made, so it is no scratch "
                "one; nothing was written",
                _SCRATCH,
            )
    return len(strangers), left


def named_leads(settings: Settings, tools: Tools) -> Iterator[tuple[str, str]]:
    """Every lead's id and name."""
    for page in tools.airtable.list_records(fields=fields(settings)):
        yield from ((record.id, cell_text(record.fields.get(settings.name_field))) for record in page.rows)


def named_tasks(tools: Tools, *, archived: bool) -> Iterator[tuple[str, str]]:
    """Every task's id and name; either the archived ones or the others."""
    for page in tools.clickup.walk("created", 0, archived=archived):
        yield from ((task.id, task.name) for task in page.rows)


class Clearing:
    """Deletes what a live test has made, as far as the services let it, and tells what is left.

    `mine` tells by the name what may be deleted. `patience` is how many seconds it waits for what may turn up yet.
    """

    def __init__(
        self, settings: Settings, tools: Tools, made: Made, mine: Callable[[str], bool], patience: float
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._made = made
        self._mine = mine
        self._until = tools.clock.monotonic() + patience
        self._why: dict[str, str] = {}

    def run(self) -> None:
        """All of it; `made` then holds what is left."""
        self._clear(
            self._made.tasks,
            self._made.doubtful_tasks,
            lambda: named_tasks(self._tools, archived=False),
            self._delete_task,
        )
        self._clear(
            self._made.leads,
            self._made.doubtful_leads,
            lambda: named_leads(self._settings, self._tools),
            self._delete_lead,
        )

    def left(self) -> tuple[Failure, ...]:
        """What is left, by id, and why."""
        return left_behind(self._made, self._why)

    def _clear(
        self,
        known: dict[str, str],
        doubtful: set[str],
        listing: Callable[[], Iterable[tuple[str, str]]],
        delete: Callable[[str], bool],
    ) -> None:
        """Rounds of listing and deleting, until a listing shows nothing more and nothing more can turn up."""
        deleted: set[str] = set()
        failures = 0
        while True:
            seen = self._look(known, doubtful, listing, deleted)
            for each in list(known):
                if delete(each):
                    deleted.add(each)
                    del known[each]
            failures += bool(known) or not seen
            late = self._tools.clock.monotonic() >= self._until
            if (seen and not known and not doubtful) or failures >= _ROUNDS or (late and not known):
                return
            if self._tools.clock.wait(_PAUSE_SECONDS, self._tools.stop):
                return

    def _look(
        self,
        known: dict[str, str],
        doubtful: set[str],
        listing: Callable[[], Iterable[tuple[str, str]]],
        deleted: set[str],
    ) -> bool:
        """Add what a listing shows of ours; false where it could not be read."""
        try:
            for each, name in listing():
                if self._mine(name) and each not in deleted:
                    known[each] = name
                    doubtful.discard(name)
        except (ApiError, Interrupted) as error:
            self._why[""] = str(error)
            return False
        return True

    def _delete_task(self, task_id: str) -> bool:
        try:
            self._tools.clickup.delete(task_id)
        except NotFound as error:
            self._why[task_id] = str(error)
            return error.code == "ITEM_013"
        except (ApiError, Interrupted) as error:
            self._why[task_id] = str(error)
            return False
        return True

    def _delete_lead(self, record_id: str) -> bool:
        try:
            self._tools.airtable.delete([record_id])
        except NotFound as error:
            self._why[record_id] = str(error)
            return error.code in _GONE_CODES
        except (ApiError, Interrupted) as error:
            self._why[record_id] = str(error)
            return False
        return True


def left_behind(made: Made, why: dict[str, str] | None = None) -> tuple[Failure, ...]:
    """What a live test has made and not deleted, each by its id, as failures of an outcome."""
    told = why or {}
    by_hand = "delete it by hand, or run the live test again: it offers to"
    failures = [
        Failure(each, "", 0, f"the lead '{name}' is left: {told.get(each, 'not deleted')}", by_hand)
        for each, name in list(made.leads.items())
    ]
    failures += [
        Failure("", each, 0, f"the task '{name}' is left: {told.get(each, 'not deleted')}", by_hand)
        for each, name in list(made.tasks.items())
    ]
    for what, names in (("lead", made.doubtful_leads), ("task", made.doubtful_tasks)):
        failures += [
            Failure("", "", 0, f"a {what} named '{name}' may be left: the answer to its creation was lost", by_hand)
            for name in sorted(names)
        ]
    return tuple(failures)
