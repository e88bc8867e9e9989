"""Listing tasks: the query's filters, the order, and the page.

Facts: https://developer.clickup.com/reference/gettasks, https://developer.clickup.com/docs/taskfilters.
Pages are plain offsets into the list as it is at that moment, so a task that comes, goes or moves between two pages
shifts all others.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandbox.clickup.fields import OPERATORS, TEXTS, matches
from sandbox.clickup.model import Field, Refused, Task
from sandbox.clickup.store import Key, Store
from sandbox.wire import Request

PAGE = 100
ORDERS = ("id", "created", "updated", "due_date")
DATES = {
    "date_created": "created",
    "date_updated": "updated",
    "date_done": "done",
    "due_date": "due_date",
}
_MANY = ("statuses", "tags", "assignees", "watchers", "custom_items")
_PLAIN = (
    *("page", "archived", "include_closed", "order_by", "reverse", "subtasks", "include_timl"),
    *("include_markdown_description", "custom_fields", "custom_field"),
    *(f"{date}_{end}" for date in DATES for end in ("gt", "lt")),
)
LIST_PARAMETERS = (*_PLAIN, *_MANY, *(f"{name}[]" for name in _MANY))
TEAM_PARAMETERS = (*LIST_PARAMETERS, "parent", "space_ids[]", "project_ids[]", "list_ids[]")

Test = Callable[[Task], bool]


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """One entry of `custom_fields`."""

    field: Field
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Bounds:
    """Dates from `low` to `high`, both included; None is open."""

    low: int | None = None
    high: int | None = None

    def hold(self, date: int | None) -> bool:
        if date is None:
            return False
        return (self.low is None or date >= self.low) and (self.high is None or date <= self.high)


@dataclass(frozen=True, slots=True)
class Query:
    """What a listing asks for.

    `nothing` is true where no task can fit: a custom field that does not exist, or people, since no task has any.
    """

    page: int
    archived: bool
    include_closed: bool
    subtasks: bool
    order: str
    oldest_first: bool
    statuses: frozenset[str]
    tags: frozenset[str]
    parent: str
    dates: dict[str, Bounds]
    fields: tuple[FieldFilter, ...]
    nothing: bool
    markdown: bool


def parse(request: Request, store: Store, *, gt_inclusive: bool, complain: Callable[[str], None]) -> Query:
    """Read a listing's parameters.

    Raises:
        Refused: 400 for a page or a date that is no number and for a bad filter; 500 ITEMV2_003 for an unknown order.
    """
    order = request.one("order_by") or "created"
    if order not in ORDERS:
        raise Refused(500, "Internal server error", "ITEMV2_003")
    fields, unknown = _field_filters(request, store, complain)
    items = _many(request, "custom_items")
    foreign = bool(_many(request, "assignees") or _many(request, "watchers") or (items and "0" not in items))
    return Query(
        page=_page(request.one("page")),
        archived=flag(request, "archived", complain),
        include_closed=flag(request, "include_closed", complain),
        subtasks=flag(request, "subtasks", complain),
        order=order,
        oldest_first=flag(request, "reverse", complain),
        statuses=frozenset(name.casefold() for name in _many(request, "statuses")),
        tags=frozenset(_many(request, "tags")),
        parent=request.one("parent"),
        dates=_dates(request, gt_inclusive),
        fields=fields,
        nothing=unknown or foreign,
        markdown=flag(request, "include_markdown_description", complain),
    )


def flag(request: Request, name: str, complain: Callable[[str], None]) -> bool:
    """A parameter that is true or false; any other spelling is false, and complained about."""
    value = request.one(name)
    if value not in ("", "true", "false"):
        complain(f"{name}={value!r} is neither true nor false")
    return value == "true"


def select(
    store: Store, list_ids: Sequence[str], query: Query, hidden: Test | None, shown: Callable[[Task], Task] | None
) -> tuple[list[Task], bool]:
    """One page of tasks, and whether it is the last one.

    `hidden` tells tasks that listings do not show yet, `shown` in which of its states a listing shows a task.
    """
    if query.nothing:
        return [], True
    tests = _tests(query, hidden)
    start = query.page * PAGE
    if shown is None and len(list_ids) == 1 and query.order in ("created", "updated"):
        keys = _sorted_keys(store, list_ids[0], query, tests)
        if not tests:
            found = [store.tasks[keys[at][1]] for at in range(start, min(start + PAGE + 1, len(keys)))]
            return found[:PAGE], len(found) <= PAGE
        tasks: Iterable[Task] = (store.tasks[task_id] for _, task_id in keys)
    else:
        tasks = _sorted_tasks(_on_shelves(store, list_ids, query, shown), query)
        tests += [_date_test(date, bounds) for date, bounds in query.dates.items()]
    for test in tests:
        tasks = filter(test, tasks)
    found = list(islice(tasks, start, start + PAGE + 1))
    return found[:PAGE], len(found) <= PAGE


class _Run(Sequence[Key]):
    """A stretch of a sorted list, in either direction, without copying it."""

    def __init__(self, keys: list[Key], low: int, high: int, *, backwards: bool) -> None:
        self._keys = keys
        self._indexes = range(low, high)[::-1] if backwards else range(low, high)

    def __iter__(self) -> Iterator[Key]:
        keys = self._keys
        return (keys[index] for index in self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)

    def __getitem__(self, index: Any) -> Any:
        return self._keys[self._indexes[index]]


def _sorted_keys(store: Store, list_id: str, query: Query, tests: list[Test]) -> Sequence[Key]:
    """The keys of every task that the sorted dates leave; `tests` gets what they could not decide."""
    shelf = store.shelf(list_id, query.archived)
    runs = {
        "created": _stretch(shelf.created, query.dates.get("created"), query),
        "updated": _stretch(shelf.updated, query.dates.get("updated"), query),
    }
    shortest = min(runs, key=lambda date: len(runs[date]))
    exact = _exact_ids(store, query)
    if exact is not None and len(exact) < len(runs[shortest]):
        tests += [_date_test(date, bounds) for date, bounds in query.dates.items()]
        held = [store.tasks[one] for one in exact]
        here = [task for task in held if task.listed and (task.list_id, task.archived) == (list_id, query.archived)]
        return _resorted(here, query)
    if len(runs[shortest]) < len(runs[query.order]):
        tests += [_date_test(date, bounds) for date, bounds in query.dates.items() if date != shortest]
        return _resorted((store.tasks[task_id] for _, task_id in runs[shortest]), query)
    tests += [_date_test(date, bounds) for date, bounds in query.dates.items() if date != query.order]
    return runs[query.order]


def _stretch(keys: list[Key], bounds: Bounds | None, query: Query) -> _Run:
    low, high = 0, len(keys)
    if bounds and bounds.low is not None:
        low = bisect_left(keys, (bounds.low, ""))
    if bounds and bounds.high is not None:
        high = bisect_right(keys, (bounds.high, "~"))
    return _Run(keys, low, max(low, high), backwards=not query.oldest_first)


def _exact_ids(store: Store, query: Query) -> set[str] | None:
    """Who can pass an `==` on a text field, if one is asked for."""
    for wanted in query.fields:
        if wanted.operator == "==" and wanted.field.type in TEXTS:
            return store.holders(wanted.field.id, str(wanted.value))
    return None


def _resorted(tasks: Iterable[Task], query: Query) -> list[Key]:
    keys = [(getattr(task, query.order), task.id) for task in tasks]
    return sorted(keys, reverse=not query.oldest_first)


def _on_shelves(
    store: Store, list_ids: Sequence[str], query: Query, shown: Callable[[Task], Task] | None
) -> list[Task]:
    """Every task of these Lists, those of a List by the time they were made."""
    if shown is None:
        shelves = (store.shelf(list_id, query.archived) for list_id in list_ids)
        return [store.tasks[task_id] for shelf in shelves for _, task_id in shelf.created]
    states = [state for state in map(shown, store.tasks.values()) if state.listed and state.archived == query.archived]
    return [state for list_id in list_ids for state in states if state.list_id == list_id]


def _sorted_tasks(found: list[Task], query: Query) -> list[Task]:
    """Tasks in an order that no index keeps."""
    if query.order == "id":
        return sorted(found, key=lambda task: task.id, reverse=not query.oldest_first)
    if query.order == "due_date":
        dated = [task for task in found if task.due_date is not None]
        dated.sort(key=lambda task: (task.due_date or 0, task.id), reverse=not query.oldest_first)
        return dated + [task for task in found if task.due_date is None]
    return sorted(found, key=lambda task: (getattr(task, query.order), task.id), reverse=not query.oldest_first)


def _tests(query: Query, hidden: Test | None) -> list[Test]:
    """What each task has to pass, apart from dates. A status that is asked for by name brings closed tasks too."""
    tests: list[Test] = []
    if query.statuses:
        tests.append(lambda task: task.status.name.casefold() in query.statuses)
    elif not query.include_closed:
        tests.append(lambda task: task.status.type != "closed")
    if not query.subtasks:
        tests.append(lambda task: task.parent is None)
    if query.parent:
        tests.append(lambda task: task.parent == query.parent)
    if query.tags:
        tests.append(lambda task: not query.tags.isdisjoint(task.tags))
    if hidden is not None:
        tests.append(lambda task: not hidden(task))
    tests += [_field_test(wanted) for wanted in query.fields]
    return tests


def _date_test(date: str, bounds: Bounds) -> Test:
    return lambda task: bounds.hold(getattr(task, date))


def _field_test(wanted: FieldFilter) -> Test:
    return lambda task: matches(wanted.field, task.values.get(wanted.field.id), wanted.operator, wanted.value)


def _many(request: Request, name: str) -> list[str]:
    return request.many(f"{name}[]") + request.many(name)


def _page(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise Refused(400, "Page invalid", "INPUT_005")
    return int(text)


def _dates(request: Request, gt_inclusive: bool) -> dict[str, Bounds]:
    found = {}
    for name, attribute in DATES.items():
        after, before = request.one(f"{name}_gt"), request.one(f"{name}_lt")
        if after or before:
            low = None if not after else _moment(after) + (0 if gt_inclusive else 1)
            high = None if not before else _moment(before) - 1
            found[attribute] = Bounds(low, high)
    return found


def _moment(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Refused(400, "Date invalid", "INPUT_006") from None


def _field_filters(
    request: Request, store: Store, complain: Callable[[str], None]
) -> tuple[tuple[FieldFilter, ...], bool]:
    """The filters, and whether one of them names a custom field that is not there, so that nothing can match."""
    raw = [*_json(request, "custom_fields", list), *([one] if (one := _json(request, "custom_field", dict)) else [])]
    found, unknown = [], False
    for entry in raw:
        if not isinstance(entry, dict) or entry.get("operator") not in OPERATORS:
            raise Refused(400, "Custom field filter invalid", "INPUT_005")
        field = store.fields.get(str(entry.get("field_id")))
        if field is None:
            complain(f"custom_fields filter on a field that does not exist: {entry.get('field_id')}")
            unknown = True
        else:
            found.append(FieldFilter(field, str(entry["operator"]), entry.get("value")))
    return tuple(found), unknown


def _json(request: Request, name: str, kind: type) -> Any:
    text = request.one(name)
    if not text:
        return kind()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise Refused(400, "Custom field filter invalid", "INPUT_005")
    return value
