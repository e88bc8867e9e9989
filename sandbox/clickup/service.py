"""The ClickUp API v2 over a workspace: routes, access, rate limit, plan, and what it answers.

Facts: https://developer.clickup.com/reference, https://developer.clickup.com/docs/rate-limits,
https://developer.clickup.com/docs/common_errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

from sandbox.clickup import bodies, listing
from sandbox.clickup.fields import stored_value
from sandbox.clickup.model import ROBOT, Field, Refused, Status, Task, TaskList, list_json, user
from sandbox.clickup.workspace import Workspace
from sandbox.wire import Answer, Clock, Request

WINDOW = 60.0
FREE_USES = 60
MOST_IDS = 100
_UNLIMITED = 10_000
_TASK_PARAMETERS = ("custom_task_ids", "team_id")
_ROUTES: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("user", "GET", ("user",), ()),
    ("teams", "GET", ("team",), ()),
    ("plan", "GET", ("team", "*", "plan"), ()),
    ("team_tasks", "GET", ("team", "*", "task"), listing.TEAM_PARAMETERS),
    ("list", "GET", ("list", "*"), ()),
    ("fields", "GET", ("list", "*", "field"), ("include_applied_objects",)),
    ("list_tasks", "GET", ("list", "*", "task"), listing.LIST_PARAMETERS),
    ("create_task", "POST", ("list", "*", "task"), ()),
    ("bulk_time_in_status", "GET", ("task", "bulk_time_in_status", "task_ids"), ("task_ids", *_TASK_PARAMETERS)),
    ("get_task", "GET", ("task", "*"), ("include_subtasks", "include_markdown_description", *_TASK_PARAMETERS)),
    ("update_task", "PUT", ("task", "*"), _TASK_PARAMETERS),
    ("delete_task", "DELETE", ("task", "*"), _TASK_PARAMETERS),
    ("set_field", "POST", ("task", "*", "field", "*"), _TASK_PARAMETERS),
    ("clear_field", "DELETE", ("task", "*", "field", "*"), _TASK_PARAMETERS),
    ("time_in_status", "GET", ("task", "*", "time_in_status"), _TASK_PARAMETERS),
)
_KNOWN = {name: parameters for name, _, _, parameters in _ROUTES}
_TASK_ID = re.compile(r"[0-9a-z]{1,32}")
_NO_BODY = Answer(204)


class ClickUp(Workspace):
    """The stand-in's ClickUp: `handle` answers requests, everything else is people's hands and looking in.

    `limit` is requests a minute (0 or less: none). `complaints` names what the service would silently ignore.
    The attributes below are switches that may be turned at any time.
    """

    def __init__(self, clock: Clock, *, limit: int = 100, complain: Callable[[str], None] | None = None) -> None:
        super().__init__(clock)
        self.limit = limit
        self.complaints: list[str] = []
        self._complain = complain or self.complaints.append
        self.writes = 0
        self.calls = 0
        self.field_uses = 0
        self._window_start = 0.0
        self._window_calls = 0

        self.plan = "business"
        """"free" has 60 custom-field uses and no time in status; "business" has neither limit."""
        self.free_counts_creates = True
        """Whether custom fields inside a create count as uses."""
        self.gt_inclusive = True
        """Whether every `*_gt` filter means "at or after" (true) or "after"."""
        self.equal_update_bumps = True
        """Whether an update with the values a task has already moves its `date_updated`."""
        self.field_write_bumps = True
        """Whether setting or clearing a custom field moves `date_updated`."""
        self.hide_new_for = 0.0
        """Seconds during which a new task is in no listing and no filter finds it."""
        self.drop_fields = False
        """Whether a create drops its custom fields without a word."""
        self.filter_is_blind = False
        """Whether a filter by custom field finds nothing, whatever there is."""
        self.reverse_means = "oldest first"
        """What `reverse=true` asks for, "oldest first" or "newest first"; without it the other."""
        self.last_page_lies: str | None = None
        """What `last_page` says of every page, "true" or "false"; None: the truth."""
        self.retry_after = False
        """Whether a 429 has a Retry-After."""
        self.rate_headers_missing = False
        """Whether no answer has X-RateLimit-*."""
        self.date_ahead = 0.0
        """Seconds by which `Date`, and X-RateLimit-Reset with it, is ahead of the times of tasks (negative: behind)."""
        self.rewrites_descriptions = False
        """Whether a description is kept with each & as &amp; and a line end behind it."""

    def route(self, request: Request) -> str:
        """The route's name, or "unknown"."""
        for name, method, pattern, _ in _ROUTES:
            if method == request.method and _fits(pattern, request.path):
                return name
        return "unknown"

    def handle(self, request: Request) -> Answer:
        """Answer one request whose path stands below /api/v2."""
        self.run_automations()
        with self._lock:
            self.calls += 1
            headers = self._count_request()
            try:
                if int(headers["X-RateLimit-Remaining"]) < 0:
                    raise Refused(429, "Rate limit reached", "APP_002")
                answer = self._answer(request)
            except Refused as error:
                answer = Answer(error.status, {"err": error.err, "ECODE": error.code})
        if answer.status == 429:
            headers["X-RateLimit-Remaining"] = "0"
            if self.retry_after:
                headers["Retry-After"] = str(max(1, int(headers["X-RateLimit-Reset"]) - int(self._edge_time())))
        body = answer.body if answer.body is None else answer.encoded()
        return Answer(answer.status, body, {**self._sent(headers), **answer.headers})

    def rate_headers(self) -> dict[str, str]:
        """The three headers with nothing left, as on a 429."""
        with self._lock:
            self._open_window()
            return self._sent(self._rate_headers(0))

    def _sent(self, headers: dict[str, str]) -> dict[str, str]:
        """The headers as the switches let them out."""
        if self.rate_headers_missing:
            headers = {name: value for name, value in headers.items() if not name.startswith("X-RateLimit-")}
        return {**headers, "Date": formatdate(int(self._edge_time()), usegmt=True)} if self.date_ahead else headers

    def _edge_time(self) -> float:
        """The clock that the headers go by."""
        return self.clock.time() + self.date_ahead

    # Access and limits.

    def _count_request(self) -> dict[str, str]:
        """The window is fixed: it opens with the first request and takes 60 s. Refused requests count."""
        self._open_window()
        self._window_calls += 1
        if self.limit <= 0:
            return self._rate_headers(_UNLIMITED - 1)
        return self._rate_headers(self.limit - self._window_calls)

    def _open_window(self) -> None:
        now = self.clock.time()
        if not self._window_start <= now < self._window_start + WINDOW:
            self._window_start = now
            self._window_calls = 0

    def _rate_headers(self, remaining: int) -> dict[str, str]:
        """Reset is in whole seconds, rounded down: whoever comes on the dot can be up to a second early."""
        return {
            "X-RateLimit-Limit": str(self.limit if self.limit > 0 else _UNLIMITED),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(int(self._window_start + WINDOW + self.date_ahead)),
        }

    def _check_access(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not given:
            raise Refused(400, "Authorization header required", "OAUTH_017")
        if given.startswith("Bearer "):
            raise Refused(401, "Oauth token not found", "OAUTH_019")
        if given != self.token or not self.token_works:
            raise Refused(401, "Token invalid", "OAUTH_025")

    def _use_fields(self, count: int) -> None:
        if self.plan != "free" or count == 0:
            return
        if self.field_uses + count > FREE_USES:
            raise Refused(400, "Custom field usages exceeded for your plan", "FIELD_033")
        self.field_uses += count

    # Routes.

    def _answer(self, request: Request) -> Answer:
        self._check_access(request)
        name = self.route(request)
        if name == "unknown":
            self._complain(f"no such route: {request.method} {'/'.join(request.path)}")
            raise Refused(404, "Route not found", "APP_001")
        for parameter in dict.fromkeys(key for key, _ in request.query):
            if parameter not in _KNOWN[name]:
                self._complain(f"query parameter {parameter!r} of {name} is ignored")
        if request.one("custom_task_ids") == "true":
            self._complain("custom task ids are not looked up")
        found: Answer = getattr(self, f"_{name}")(request)
        return found

    def _user(self, _: Request) -> Answer:
        more = {"initials": "SR", "week_start_day": 0, "global_font_support": False, "timezone": "Etc/UTC"}
        return Answer(200, {"user": user(ROBOT) | more})

    def _teams(self, _: Request) -> Answer:
        member = {"user": user(ROBOT) | {"initials": "SR", "role": 3}, "invited_by": None}
        about = {"id": self.team_id, "name": "Example Workspace", "color": "#000000", "avatar": None}
        return Answer(200, {"teams": [about | {"members": [member]}]})

    def _plan(self, request: Request) -> Answer:
        self._check_team(request)
        return Answer(200, {"plan_name": self.plan.capitalize(), "plan_id": 1 if self.plan == "free" else 3})

    def _list(self, request: Request) -> Answer:
        tasks = self._find_list(request.path[1])
        return Answer(200, list_json(tasks, len(self._store.shelf(tasks.id, False).created)))

    def _fields(self, request: Request) -> Answer:
        self._find_list(request.path[1])
        fields = [field.shown() for field in self._store.fields.values()]
        if request.one("include_applied_objects") == "true":
            fields = [field | {"applied_objects": []} for field in fields]
        return Answer(200, {"fields": fields})

    def _list_tasks(self, request: Request) -> Answer:
        return self._listing(request, [self._find_list(request.path[1]).id])

    def _team_tasks(self, request: Request) -> Answer:
        self._check_team(request)
        wanted = request.many("list_ids[]")
        return self._listing(request, [self._find_list(one).id for one in wanted] or list(self.lists))

    def _listing(self, request: Request, list_ids: list[str]) -> Answer:
        query = listing.parse(request, self._store, gt_inclusive=self.gt_inclusive, complain=self._complain)
        if self.reverse_means == "newest first":
            query = replace(query, oldest_first=not query.oldest_first)
        there = [one for one in list_ids if not self.lists[one].deleted]
        hidden = self._hidden if self.hide_new_for > 0 else None
        blind = self.filter_is_blind and query.fields
        shown = self._shown if self.show_updates_after > 0 else None
        found, last = ([], True) if blind else listing.select(self._store, there, query, hidden, shown)
        if self.last_page_lies is not None:
            last = self.last_page_lies == "true"
        tasks = [self._store.encoded(task, markdown=query.markdown) for task in found]
        end = b'],"last_page":true}' if last else b'],"last_page":false}'
        return Answer(200, b'{"tasks":[' + b",".join(tasks) + end)

    def _shown(self, task: Task) -> Task:
        return self._store.as_it_was(task, self.clock.milliseconds() - self._late())

    def _hidden(self, task: Task) -> bool:
        return self.clock.milliseconds() < task.created + self.hide_new_for * 1000

    def _create_task(self, request: Request) -> Answer:
        tasks = self._find_list(request.path[1])
        if tasks.deleted:
            raise Refused(401, "Team not authorized", "OAUTH_027")
        body = bodies.read_body(request, bodies.CREATE_KEYS, self._complain)
        name = bodies.task_name(body.get("name"))
        status = self._status_for_create(tasks, body.get("status"))
        more = bodies.plain_values(body)
        more["tags"] = bodies.tags(body)
        more["description"] = self._kept(bodies.description(body) or "")
        if body.get("parent") is not None:
            more["parent"] = self._parent(body["parent"], tasks.id)
        values = self._values_for_create(body)
        task = self._make(tasks, name, status, ROBOT, values, **more)
        self.writes += 1
        return self._one(task)

    def _kept(self, description: str) -> str:
        """A description as it is stored."""
        return description.replace("&", "&amp;") + "\n" if self.rewrites_descriptions and description else description

    def _status_for_create(self, tasks: TaskList, name: Any) -> Status:
        if name is None:
            return tasks.first_status()
        status = tasks.status(name) if isinstance(name, str) else None
        if status is None:
            raise Refused(400, "Status not found", "CRTSK_001")
        return status

    def _values_for_create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Custom fields that do not apply are dropped in silence; values of the wrong type are refused."""
        values = {}
        for field_id, value in bodies.custom_fields(body):
            field = self._store.fields.get(field_id)
            if field is None:
                self._complain(f"custom field {field_id} does not exist: dropped")
            else:
                values[field_id] = stored_value(field, value)
        if self.free_counts_creates:
            self._use_fields(len(values))
        if self.drop_fields:
            return {}
        return {field_id: value for field_id, value in values.items() if value is not None}

    def _parent(self, task_id: Any, list_id: str, of: Task | None = None) -> str:
        parent = self._store.tasks.get(task_id) if isinstance(task_id, str) else None
        above = parent
        while above is not None and above is not of:
            above = self._store.tasks[above.parent] if above.parent else None
        if parent is None or not parent.listed or parent.list_id != list_id or above is not None:
            raise Refused(400, "Parent not child of list", "ITEM_137")
        return parent.id

    def _get_task(self, request: Request) -> Answer:
        task = self._find_task(request.path[1])
        if self.late_by_id:
            task = self._shown(task)
        below = b""
        if listing.flag(request, "include_subtasks", self._complain):
            children = [one for one in self._store.tasks.values() if one.parent == task.id and one.listed]
            below = b',"subtasks":[' + b",".join(self._store.encoded(one) for one in children) + b"]"
        markdown = listing.flag(request, "include_markdown_description", self._complain)
        return Answer(200, self._store.encoded(task, markdown=markdown, more=below + b',"attachments":[]'))

    def _update_task(self, request: Request) -> Answer:
        task = self._find_task(request.path[1])
        body = bodies.read_body(request, bodies.UPDATE_KEYS, self._complain)
        changes = bodies.plain_values(body)
        if "name" in body:
            changes["name"] = bodies.task_name(body["name"])
        text = bodies.description(body)
        if text is not None:
            changes["description"] = self._kept(text)
        if "status" in body:
            status = self.lists[task.list_id].status(body["status"]) if isinstance(body["status"], str) else None
            if status is None:
                raise Refused(400, "Status does not exist", "ITEM_114")
            changes["status"] = status
        if "parent" in body:
            changes["parent"] = self._parent(body["parent"], task.list_id, of=task)
        differs = any(getattr(task, what) != value for what, value in changes.items())
        self._change(task, "api", bump=differs or self.equal_update_bumps, **changes)
        if "parent" in changes:
            self._store.forget_json()
        self.writes += 1
        return self._one(task, nulls=True)

    def _delete_task(self, request: Request) -> Answer:
        self._change(self._find_task(request.path[1]), "api", deleted=True)
        self.writes += 1
        return _NO_BODY

    def _set_field(self, request: Request) -> Answer:
        task, field = self._find_task(request.path[1]), self._find_field(request.path[3])
        body = bodies.read_body(request, ("value", "value_options"), self._complain)
        stored = stored_value(field, body.get("value"))
        self._use_fields(1)
        return self._write_field(task, field, stored)

    def _clear_field(self, request: Request) -> Answer:
        return self._write_field(self._find_task(request.path[1]), self._find_field(request.path[3]), None)

    def _write_field(self, task: Task, field: Field, stored: Any) -> Answer:
        self._set_value(task, "api", field.id, stored, bump=self.field_write_bumps)
        self.writes += 1
        return Answer(200, {})

    def _time_in_status(self, request: Request) -> Answer:
        task = self._find_task(request.path[1])
        self._check_time_in_status()
        return Answer(200, self._stays(task))

    def _bulk_time_in_status(self, request: Request) -> Answer:
        """Deleted tasks are absent from the answer; one id that cannot be seen spoils the whole request."""
        self._check_time_in_status()
        ids = request.many("task_ids")
        if not 0 < len(ids) <= MOST_IDS or not all(map(_TASK_ID.fullmatch, ids)):
            raise Refused(400, "Task IDs invalid", "INPUT_005")
        seen = [self._store.tasks.get(one) for one in dict.fromkeys(ids)]
        if any(task is None or task.private for task in seen):
            raise Refused(401, "Team not authorized", "OAUTH_027")
        return Answer(200, {task.id: self._stays(task) for task in seen if task is not None and not task.deleted})

    def _check_time_in_status(self) -> None:
        if self.plan == "free":
            raise Refused(400, "Time in status is not available on your plan", "TIS_027")

    def _stays(self, task: Task) -> dict[str, Any]:
        """The present status counts from when it began this time; the history sums up every stay in a status."""
        now = self.clock.milliseconds()
        order = self.lists[task.list_id].statuses
        minutes: dict[str, int] = {}
        since: dict[str, int] = {}
        statuses: dict[str, Status] = {}
        for stay in task.stays:
            minutes[stay.status.id] = minutes.get(stay.status.id, 0) + ((stay.until or now) - stay.since) // 60_000
            since[stay.status.id] = stay.since
            statuses[stay.status.id] = stay.status
        current = task.stays[-1]
        return {
            "current_status": {
                "status": current.status.name,
                "color": current.status.color,
                "total_time": {"by_minute": (now - current.since) // 60_000, "since": str(current.since)},
            },
            "status_history": [
                {
                    "status": status.name,
                    "color": status.color,
                    "type": status.type,
                    "total_time": {"by_minute": minutes[status.id], "since": str(since[status.id])},
                    "orderindex": order.index(status) if status in order else -1,
                }
                for status in statuses.values()
            ],
        }

    def _one(self, task: Task, *, nulls: bool = False) -> Answer:
        return Answer(200, self._store.encoded(task, nulls=nulls, more=b',"attachments":[]'))

    # Looking things up, and what it says when they are not there.

    def _check_team(self, request: Request) -> None:
        if request.path[1] != self.team_id:
            raise Refused(401, "Team(s) not authorized", "OAUTH_023")

    def _find_list(self, list_id: str) -> TaskList:
        if not (list_id.isascii() and list_id.isdigit()):
            raise Refused(400, "validateListIDEx List ID invalid", "INPUT_003")
        if list_id not in self.lists:
            raise Refused(401, "Team not authorized", "OAUTH_027")
        return self.lists[list_id]

    def _find_task(self, task_id: str) -> Task:
        """Deleted is told apart from not there; not there and not allowed are told as one."""
        if not _TASK_ID.fullmatch(task_id):
            raise Refused(400, "Task ID invalid", "INPUT_004")
        task = self._store.tasks.get(task_id)
        if task is None or task.private:
            raise Refused(401, "Team not authorized", "OAUTH_027")
        if task.deleted:
            raise Refused(404, "Task not found, deleted", "ITEM_013")
        return task

    def _find_field(self, field_id: str) -> Field:
        field = self._store.fields.get(field_id)
        if field is None:
            raise Refused(400, "Custom field does not exist in the task location hierarchy", "FIELD_115")
        return field


def _fits(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(pattern) == len(path) and all(part in ("*", given) for part, given in zip(pattern, path, strict=True))
