"""Every task, with what keeps 50,000 of them quick to list: sorted dates, exact texts, encoded JSON."""

from __future__ import annotations

import random
import string
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sandbox.clickup.fields import shown_value
from sandbox.clickup.model import Field, FieldFragments, Task, TaskList, task_head, task_json, task_tail

Key = tuple[int, str]


class Shelf:
    """The tasks that one listing can show (one List, archived or not), sorted by each of two dates, then by id."""

    def __init__(self) -> None:
        self.created: list[Key] = []
        self.updated: list[Key] = []

    def add(self, task: Task) -> None:
        insort(self.created, (task.created, task.id))
        insort(self.updated, (task.updated, task.id))

    def remove(self, task: Task) -> None:
        del self.created[bisect_left(self.created, (task.created, task.id))]
        del self.updated[bisect_left(self.updated, (task.updated, task.id))]


class Store:
    """Tasks by id. Whoever changes one does so inside `changing`, which keeps order, look-ups and JSON true."""

    def __init__(self, lists: dict[str, TaskList], fields: dict[str, Field]) -> None:
        self.lists = lists
        self.fields = fields
        self.tasks: dict[str, Task] = {}
        self._shelves: defaultdict[tuple[str, bool], Shelf] = defaultdict(Shelf)
        self._holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._past: defaultdict[str, list[tuple[int, Task]]] = defaultdict(list)
        self._fragments: dict[str, FieldFragments] = {}
        self._tails: dict[str, bytes] = {}
        self._random = random.Random(11)

    def new_id(self) -> str:
        """Nine of [0-9a-z], as most ClickUp ids are."""
        while True:
            found = "86" + "".join(self._random.choices(string.digits + string.ascii_lowercase, k=7))
            if found not in self.tasks:
                return found

    def add(self, task: Task) -> None:
        """Take in a new task."""
        self.tasks[task.id] = task
        self._put(task)

    @contextmanager
    def changing(self, task: Task, now: int, *, remember: int = 0) -> Iterator[None]:
        """Whatever is done to the task inside shows afterwards; for so many milliseconds the task is kept as it was."""
        if remember > 0:
            before = replace(task, values=dict(task.values), head=None)
            self._past[task.id] = [each for each in self._past[task.id] if each[0] > now - remember] + [(now, before)]
        self._take(task)
        try:
            yield
        finally:
            task.head = None
            self._put(task)

    def forget_json(self) -> None:
        """Encode everything anew: a List, a status, a field or a parent changed."""
        self._fragments.clear()
        self._tails.clear()
        for task in (*self.tasks.values(), *(before for past in self._past.values() for _, before in past)):
            task.head = None

    def as_it_was(self, task: Task, moment: int) -> Task:
        """The task as it was then, as far back as it was kept."""
        return next((before for until, before in self._past.get(task.id, ()) if until > moment), task)

    def shelf(self, list_id: str, archived: bool) -> Shelf:
        return self._shelves[list_id, archived]

    def holders(self, field_id: str, text: str) -> set[str]:
        """Ids of all tasks, deleted ones too, with exactly this text in a custom field."""
        return self._holders.get((field_id, text), set())

    def encoded(self, task: Task, *, nulls: bool = False, markdown: bool = False, more: bytes = b"") -> bytes:
        """A task's JSON, as in a listing. The keywords are those of `task_head` and `task_json`."""
        tasks = self.lists[task.list_id]
        if nulls or markdown:
            head = task_head(task, tasks, self.top_parent(task), nulls=nulls, markdown=markdown)
        else:
            head = task.head or task_head(task, tasks, self.top_parent(task))
            task.head = head
        if tasks.id not in self._tails:
            self._tails[tasks.id] = task_tail(tasks)
        return task_json(head, self._fields(task), task.id, self._tails[tasks.id], more)

    def top_parent(self, task: Task) -> str | None:
        """The id of the task at the root of a subtask's chain."""
        top = task
        while top.parent is not None:
            top = self.tasks[top.parent]
        return None if top is task else top.id

    def _fields(self, task: Task) -> Sequence[bytes]:
        found = []
        for field in self.fields.values():
            fragments = self._fragments.get(field.id)
            if fragments is None:
                fragments = self._fragments[field.id] = FieldFragments(field)
            stored = task.values.get(field.id)
            found.append(fragments.unset if stored is None else fragments.with_value(shown_value(field, stored)))
        return found

    def _put(self, task: Task) -> None:
        if task.listed:
            self._shelves[task.list_id, task.archived].add(task)
        for field_id, value in task.values.items():
            if isinstance(value, str):
                self._holders[field_id, value].add(task.id)

    def _take(self, task: Task) -> None:
        if task.listed:
            self._shelves[task.list_id, task.archived].remove(task)
        for field_id, value in task.values.items():
            if isinstance(value, str):
                holders = self._holders[field_id, value]
                holders.discard(task.id)
                if not holders:
                    del self._holders[field_id, value]
