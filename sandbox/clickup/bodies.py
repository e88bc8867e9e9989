"""The bodies of create and update: what is accepted, what is refused, and what ClickUp silently ignores.

Facts: https://developer.clickup.com/reference/createtask, https://developer.clickup.com/reference/updatetask.
Where no error code is known for a refusal, it is INPUT_005. Limits that are not documented take the harsher reading:
a name of more than 2,048 characters and one of nothing but white space are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sandbox.clickup.fields import unstorable
from sandbox.clickup.model import Refused
from sandbox.wire import Request

NAME_LENGTH = 2_048
DESCRIPTION_BYTES = 256 * 1024
_DAY = 86_400_000
_FOUR_HOURS = 14_400_000

_COMMON = (
    *("name", "description", "markdown_content", "status", "priority", "parent", "archived", "custom_item_id"),
    *("due_date", "due_date_time", "start_date", "start_date_time", "time_estimate", "points"),
)
CREATE_KEYS = (*_COMMON, "markdown_description", "custom_fields", "check_required_custom_fields", "tags", "notify_all")
UPDATE_KEYS = _COMMON


def read_body(request: Request, known: tuple[str, ...], complain: Callable[[str], None]) -> dict[str, Any]:
    """The JSON object that was sent. Keys that change nothing are complained about.

    A body that is not declared as JSON counts as empty: ClickUp warns that other kinds misbehave.

    Raises:
        Refused: the body is not a JSON object.
    """
    if not request.raw:
        return {}
    if "json" not in request.headers.get("content-type", ""):
        complain("a body that is not sent as application/json is not read")
        return {}
    try:
        body = json.loads(request.raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "Body invalid", "INPUT_005")
    for key in body:
        if key not in known:
            complain(f"body key {key!r} is ignored")
    return body


def task_name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > NAME_LENGTH or unstorable(value):
        raise Refused(400, "Task name invalid", "INPUT_005")
    return value


def description(body: dict[str, Any]) -> str | None:
    """The new description, or None to leave it: "" and null change nothing, a space clears it."""
    keys = ("markdown_content", "markdown_description", "description")
    text = next((body[key] for key in keys if body.get(key)), None)
    if text is None:
        return None
    if not isinstance(text, str) or unstorable(text) or len(text.encode()) > DESCRIPTION_BYTES:
        raise Refused(400, "Task description invalid", "INPUT_005")
    return text if text.strip() else ""


def plain_values(body: dict[str, Any]) -> dict[str, Any]:
    """Priority, dates, estimate and archived, as far as the body names them."""
    found: dict[str, Any] = {}
    if "priority" in body:
        found["priority"] = _priority(body["priority"])
    for name in ("due_date", "start_date"):
        if name in body:
            found[name] = _date(body[name], with_time=body.get(f"{name}_time") is True)
    if "time_estimate" in body:
        found["time_estimate"] = None if body["time_estimate"] is None else _whole(body["time_estimate"], "Estimate")
    if "archived" in body:
        if not isinstance(body["archived"], bool):
            raise Refused(400, "Archived invalid", "INPUT_005")
        found["archived"] = body["archived"]
    if body.get("custom_item_id") not in (None, 0):
        raise Refused(400, "Custom item invalid", "INPUT_005")
    if body.get("points") is not None:
        raise Refused(400, "Sprint Points ClickApp is not enabled", "ITEM_227")
    return found


def tags(body: dict[str, Any]) -> tuple[str, ...]:
    wanted = body.get("tags") or []
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        raise Refused(400, "Tags invalid", "INPUT_005")
    return tuple(wanted)


def custom_fields(body: dict[str, Any]) -> list[tuple[str, Any]]:
    """(field id, value) of each entry."""
    wanted = body.get("custom_fields") or []
    if not isinstance(wanted, list) or not all(isinstance(one, dict) and "id" in one for one in wanted):
        raise Refused(400, "Custom fields invalid", "INPUT_005")
    return [(str(one["id"]), one.get("value")) for one in wanted]


def _priority(value: Any) -> int | None:
    if value is None:
        return None
    if str(value) not in ("1", "2", "3", "4"):
        raise Refused(400, "Priority invalid", "INPUT_005")
    return int(value)


def _date(value: Any, *, with_time: bool) -> int | None:
    """Milliseconds; without a time of day ClickUp keeps four in the morning of that day."""
    if value is None:
        return None
    moment = _whole(value, "Date", "INPUT_006")
    if moment < 0:
        raise Refused(400, "Due date not valid, must be positive", "ITEM_115")
    return moment if with_time else moment // _DAY * _DAY + _FOUR_HOURS


def _whole(value: Any, what: str, code: str = "INPUT_005") -> int:
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        try:
            return int(value)
        except ValueError:
            pass
    raise Refused(400, f"{what} invalid", code)
