"""A ClickUp workspace as people have it before them: their hands, and what a test may look at. No HTTP, no limits."""

from __future__ import annotations

import heapq
import random
import string
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.clickup.fields import TYPES
from sandbox.clickup.model import PERSON, TEAM_ID, Change, Field, Status, Stay, Task, TaskList
from sandbox.clickup.store import Store
from sandbox.wire import Clock

_STATUSES = (("to do", "open"), ("in progress", "custom"), ("complete", "closed"))
_FIELDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Airtable Record ID", "short_text", ()),
    ("Deal Size", "number", ()),
    ("Channel", "drop_down", ("Fair", "Web", "Word of mouth")),
    ("E-mail", "email", ()),
    ("Phone", "phone", ()),
    ("Subscribed", "checkbox", ()),
    ("Next Step", "date", ()),
    ("Value", "currency", ()),
    ("Web Site", "url", ()),
)


class Workspace:
    """Two Lists with the statuses "to do", "in progress" and "complete", and nine custom fields that both share.

    Everything people do moves a task's `date_updated` by the clock, apart from changing a List's statuses or fields.
    Unknown ids and names raise KeyError.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._random = random.Random(7)
        self._lock = threading.RLock()
        self.team_id = TEAM_ID
        self.token = "pk_183001_" + "".join(self._random.choices(string.ascii_uppercase + string.digits, k=32))
        self.token_works = True
        self.list_id = "901500000101"
        self.second_list_id = "901500000102"
        self.lists = {
            one: TaskList(one, name, [self._new_status(*each) for each in _STATUSES])
            for one, name in ((self.list_id, "Leads"), (self.second_list_id, "Archive"))
        }
        self._store = Store(self.lists, {})
        added = [self.add_field(*each) for each in _FIELDS]
        self.field_id = added[0]
        self._automations: list[tuple[Callable[[str], object], float]] = []
        self._due: list[tuple[float, int, Callable[[str], object], str]] = []
        self._queued = 0

        self.show_updates_after = 0.0
        """Seconds during which listings and filters show a task as it was before a change, whoever made it."""
        self.late_by_id = False
        """Whether a task that is read by its id is shown as late as in listings."""

    # People's hands.

    def add_task(
        self,
        name: str,
        *,
        status: str = "",
        marker: str = "",
        description: str = "",
        list_id: str = "",
        parent: str | None = None,
    ) -> str:
        """A person makes a task; without a status it gets the List's first one. Returns its id."""
        tasks = self.lists[list_id or self.list_id]
        with self._lock:
            chosen = self._status(tasks, status) if status else tasks.first_status()
            values = {self.field_id: marker} if marker else {}
            return self._make(tasks, name, chosen, PERSON, values, description=description, parent=parent).id

    def set_status(self, task_id: str, status: str) -> None:
        with self._lock:
            task = self._live(task_id)
            self._change(task, "person", status=self._status(self.lists[task.list_id], status))

    def rename(self, task_id: str, name: str) -> None:
        with self._lock:
            self._change(self._live(task_id), "person", name=name)

    def describe(self, task_id: str, text: str) -> None:
        with self._lock:
            self._change(self._live(task_id), "person", description=text)

    def set_marker(self, task_id: str, value: str) -> None:
        """Type something into the record-id field; "" empties it."""
        with self._lock:
            self._set_value(self._live(task_id), "person", self.field_id, value or None)

    def delete(self, task_id: str) -> None:
        """To the trash."""
        with self._lock:
            self._change(self._live(task_id), "person", deleted=True)

    def restore(self, task_id: str) -> None:
        """Out of the trash, with the same id."""
        with self._lock:
            self._change(self._store.tasks[task_id], "person", deleted=False)

    def archive(self, task_id: str, on: bool = True) -> None:
        with self._lock:
            self._change(self._live(task_id), "person", archived=on)

    def move(self, task_id: str, list_id: str) -> None:
        """To another List; a status that List does not have becomes its first one."""
        with self._lock:
            task, target = self._live(task_id), self.lists[list_id]
            status = target.status(task.status.name) or target.first_status()
            self._change(task, "person", list_id=target.id, status=status)

    def duplicate(self, task_id: str) -> str:
        """Copy a task, custom fields included, as ClickUp's own copying does."""
        with self._lock:
            task = self._live(task_id)
            copy = self._make(
                self.lists[task.list_id],
                task.name,
                task.status,
                PERSON,
                dict(task.values),
                description=task.description,
                parent=task.parent,
            )
            return copy.id

    def make_subtask(self, task_id: str, parent: str) -> None:
        with self._lock:
            self._change(self._live(task_id), "person", parent=self._live(parent).id)
            self._store.forget_json()

    def make_private(self, task_id: str, on: bool = True) -> None:
        """The token's user cannot see the task any more (or again): 401 OAUTH_027, and in no listing."""
        with self._lock:
            self._change(self._live(task_id), "person", private=on)

    def rename_status(self, old: str, new: str, list_id: str = "") -> None:
        with self._lock:
            self._status(self.lists[list_id or self.list_id], old).name = new
            self._store.forget_json()

    def add_status(self, name: str, kind: str = "custom", list_id: str = "") -> None:
        """A new status, before the finished ones if it is not itself one of those."""
        with self._lock:
            statuses = self.lists[list_id or self.list_id].statuses
            status = self._new_status(name, kind)
            first_finished = next((at for at, one in enumerate(statuses) if one.finished), len(statuses))
            statuses.insert(len(statuses) if status.finished else first_finished, status)
            self._store.forget_json()

    def remove_status(self, name: str, list_id: str = "") -> None:
        """Take a status away; its tasks go to the List's first one."""
        with self._lock:
            tasks = self.lists[list_id or self.list_id]
            gone = self._status(tasks, name)
            tasks.statuses = [status for status in tasks.statuses if status is not gone]
            for task in self._store.tasks.values():
                if task.status is gone:
                    self._change(task, "person", status=tasks.first_status())
            self._store.forget_json()

    def add_field(self, name: str, kind: str, options: Iterable[str] = ()) -> str:
        """A custom field on both Lists; `options` are a drop-down's or labels' choices. Returns its id."""
        if kind not in TYPES:
            raise ValueError(f"no such type of custom field: {kind}")
        with self._lock:
            choices = [(self._uuid(), option) for option in options]
            field = Field(self._uuid(), name, kind, self.clock.milliseconds(), choices)
            self._store.fields[field.id] = field
            self._store.forget_json()
            return field.id

    def remove_field(self, field_id: str) -> None:
        with self._lock:
            del self._store.fields[field_id]
            self._store.forget_json()

    def revoke_token(self) -> None:
        """From now on the token is refused: 401 OAUTH_025."""
        self.token_works = False

    def restore_token(self) -> None:
        self.token_works = True

    def on_create(self, run: Callable[[str], object], delay: float = 0.0) -> None:
        """An automation: so many seconds after each create, by the clock, `run` gets the new task's id.

        It runs at the next request or look into the workspace once its time has come.
        """
        self._automations.append((run, delay))

    # Looking in.

    def task(self, task_id: str) -> dict[str, Any]:
        """One task, deleted or not, as plain values. `history` tells every change: date, by, what, before, after."""
        self.run_automations()
        with self._lock:
            return self._plain(self._store.tasks[task_id])

    def tasks(self) -> dict[str, dict[str, Any]]:
        """The main List's tasks by id, archived ones and subtasks included, deleted ones not; oldest first."""
        self.run_automations()
        with self._lock:
            live = [task for task in self._store.tasks.values() if task.list_id == self.list_id and not task.deleted]
            return {task.id: self._plain(task) for task in live}

    def by_marker(self, record_id: str) -> list[str]:
        """Ids of the tasks in any List, deleted ones not, whose record-id field holds exactly this; oldest first."""
        self.run_automations()
        with self._lock:
            holders = self._store.holders(self.field_id, record_id)
            live = [self._store.tasks[one] for one in holders if not self._store.tasks[one].deleted]
            return [task.id for task in sorted(live, key=lambda task: (task.created, task.id))]

    def run_automations(self) -> None:
        """Run what is due by now."""
        while self._due and self._due[0][0] <= self.clock.time():
            with self._lock:
                if not self._due:
                    return
                _, _, run, task_id = heapq.heappop(self._due)
            run(task_id)

    # What people and the API have in common. Callers hold the lock.

    def _make(
        self,
        tasks: TaskList,
        name: str,
        status: Status,
        creator: int,
        values: dict[str, Any],
        **more: Any,
    ) -> Task:
        now = self.clock.milliseconds()
        task = Task(self._store.new_id(), tasks.id, name, status, now, creator, updated=now, values=values, **more)
        task.stays.append(Stay(status, now))
        _finish(task, now)
        task.history.append(Change(now, "person" if creator == PERSON else "api", "created", None, status.name))
        self._store.add(task)
        for run, delay in self._automations:
            self._queued += 1
            heapq.heappush(self._due, (self.clock.time() + delay, self._queued, run, task.id))
        return task

    def _change(self, task: Task, by: str, *, bump: bool = True, **changes: Any) -> None:
        now = self.clock.milliseconds()
        with self._store.changing(task, now, remember=self._late()):
            for what, value in changes.items():
                before = getattr(task, what)
                if before == value:
                    continue
                setattr(task, what, value)
                if what == "status":
                    task.history.append(Change(now, by, what, before.name, value.name))
                    task.stays[-1].until = now
                    task.stays.append(Stay(value, now))
                    _finish(task, now)
                else:
                    task.history.append(Change(now, by, what, before, value))
            if bump:
                task.updated = now

    def _set_value(self, task: Task, by: str, field_id: str, stored: Any, *, bump: bool = True) -> None:
        now = self.clock.milliseconds()
        with self._store.changing(task, now, remember=self._late()):
            before = task.values.pop(field_id, None)
            if stored is not None:
                task.values[field_id] = stored
            if before != stored:
                task.history.append(Change(now, by, self._store.fields[field_id].name, before, stored))
            if bump:
                task.updated = now

    def _late(self) -> int:
        return int(self.show_updates_after * 1000)

    def _live(self, task_id: str) -> Task:
        task = self._store.tasks[task_id]
        if task.deleted:
            raise KeyError(f"task {task_id} is deleted")
        return task

    def _status(self, tasks: TaskList, name: str) -> Status:
        found = tasks.status(name)
        if found is None:
            raise KeyError(f"List {tasks.name} has no status {name}")
        return found

    def _plain(self, task: Task) -> dict[str, Any]:
        return {
            "id": task.id,
            "name": task.name,
            "status": task.status.name,
            "description": task.description,
            "marker": task.values.get(self.field_id, ""),
            "list_id": task.list_id,
            "parent": task.parent,
            "archived": task.archived,
            "deleted": task.deleted,
            "private": task.private,
            "created": task.created,
            "updated": task.updated,
            "values": {
                field.name: task.values[field.id] for field in self._store.fields.values() if field.id in task.values
            },
            "history": [
                {"date": one.date, "by": one.by, "what": one.what, "before": one.before, "after": one.after}
                for one in task.history
            ],
        }

    def _new_status(self, name: str, kind: str) -> Status:
        letters = "".join(self._random.choices(string.ascii_letters + string.digits, k=8))
        return Status(f"p{TEAM_ID}_{letters}", name, kind)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def _finish(task: Task, now: int) -> None:
    """Both dates are set when a task gets to a closed status, only `date_done` in a done one; reopening clears them."""
    finished, closed = task.status.finished, task.status.type == "closed"
    task.done = (task.done or now) if finished else None
    task.closed = (task.closed or now) if closed else None
