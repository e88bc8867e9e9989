"""Everything our client can send to ClickUp, and every parameter of the stand-in, beside the published description.

The description is https://developer.clickup.com/openapi/clickup-api-v2-reference.json; a copy is kept beside the
checkout and is not part of this repository. It is good for paths, parameters and bodies; its own examples break its
schemas of answers.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

import pytest

import main
from clients import clickup
from clients.clickup import ClickUpClient
from clients.http import Http
from clients.pacing import ClickUpPacer
from sandbox.clickup import bodies
from sandbox.clickup.listing import ORDERS
from sandbox.clickup.service import _ROUTES
from sandbox.server import Sandbox
from sandbox.wire import Clock, Request
from tests.recordings import material
from tests.scene import START

MARKER = "recMARKER00000000"
# What the description gets wrong, so that following it to the letter would not work. Each is looked up below.
MISTAKES = {
    "dates are 32 bits": "the date filters of a List are declared as int32, those of a Workspace as int64; Unix "
    "milliseconds need the latter",
    "custom_fields are exploded": "declared as a repeated parameter of strings; https://developer.clickup.com/docs/"
    "taskfilters shows one JSON array",
    "ids are numbers": "a List's id is declared as a number; answers have it as a string",
    "task_ids is one text": "declared as a single string, though up to 100 are taken and the parameter is repeated",
    "a header for no body": "Content-Type is required for some requests without a body; the client always sends it",
    "statuses without brackets": "the List's route says statuses, the Workspace's says statuses[], as the examples do",
    "no refusals": "no 401, 404 or 429 is declared for any request of the sync, and but for one no 400",
}
SENDS_NOTHING = {"now"}
USED = {
    ("POST", "/v2/list/{list_id}/task"),
    ("GET", "/v2/list/{list_id}/task"),
    ("GET", "/v2/task/{task_id}"),
    ("PUT", "/v2/task/{task_id}"),
    ("DELETE", "/v2/task/{task_id}"),
    ("POST", "/v2/task/{task_id}/field/{field_id}"),
    ("GET", "/v2/list/{list_id}"),
    ("GET", "/v2/list/{list_id}/field"),
    ("GET", "/v2/task/bulk_time_in_status/task_ids"),
}
# Parameters and keys that the stand-in takes although they are not described, and why.
NOT_DESCRIBED = {
    "markdown_description": "in the description's own example of a create, and sent by clients",
    "parent": "of the Workspace's listing",
    "archived": "taken by the Workspace's listing as well, as a client has found",
    "include_timl": "the same",
    "watchers": "the same",
    "custom_field": "the same",
}
# Described, yet not in the stand-in: the sync does not use them, and whoever does is told so.
NOT_OFFERED = {
    ("get_task", "custom_fields"),
    ("create_task", "assignees"),
    ("create_task", "group_assignees"),
    ("create_task", "links_to"),
    ("update_task", "assignees"),
    ("update_task", "group_assignees"),
    ("update_task", "watchers"),
}


@lru_cache
def _read(path: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(material("api", path).read_text()))


@pytest.fixture
def described() -> dict[str, Any]:
    """The paths of the description."""
    return cast(dict[str, Any], _read("clickup-openapi-v2.json")["paths"])


@pytest.fixture
def seen() -> Iterator[list[Request]]:
    """Every request that our client can send, each of its methods called in every way that changes the request, and
    those that the live test makes by itself."""
    with Sandbox(clock=Clock(START), clickup_limit=0) as sandbox:
        found: list[Request] = []

        def keep(request: Request) -> bool:
            if request.service == "clickup":
                found.append(request)
            return False

        sandbox.faults.before(keep, lambda: None)
        with _client(sandbox) as client:
            _everything(client, sandbox)
        argv = ["--check", "--live-test", "--yes"]
        assert main.main(argv, sandbox.settings(), clock=sandbox.clock, stdout=io.StringIO(), stderr=io.StringIO()) == 0
        yield found
        assert sandbox.complaints == []


@contextlib.contextmanager
def _client(sandbox: Sandbox) -> Iterator[ClickUpClient]:
    known = sandbox.settings()
    http = Http(
        clickup.service(known["CLICKUP_API_URL"]),
        token_header=known["CLICKUP_API_KEY"],
        pacer=ClickUpPacer(),
        clock=sandbox.clock,
        stop=threading.Event(),
        random=random.Random(1),
    )
    yield ClickUpClient(http, known["CLICKUP_LIST_ID"], known["CLICKUP_CUSTOM_FIELD_ID"])
    http.close()


class _Watched:
    """The client, and the names of what was called of it."""

    def __init__(self, client: ClickUpClient) -> None:
        self.called: set[str] = set()
        self._client = client

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._client, name)


def _everything(client: ClickUpClient, sandbox: Sandbox) -> None:
    """Leaves few tasks, as a live test wants it."""
    task = client.create(name="x", description="text", status="to do", marker=MARKER)
    client.create(name="x", description="", status="", marker=MARKER)
    for _ in range(120):
        sandbox.clickup.add_task("at one instant")
    for key, since in (("created", 0), ("updated", 1)):
        for archived in (False, True):
            for _ in client.walk(cast(Any, key), since, archived=archived):
                pass
    client.with_marker(MARKER)
    client.with_marker(MARKER, archived=True)
    client.task(task.id)
    client.update(task.id, name="y", description="other", status="complete")
    client.update(task.id, description="")
    client.set_marker(task.id, MARKER)
    client.list_info()
    client.fields()
    client.time_in_status([task.id, next(iter(sandbox.clickup.tasks()))])
    client.delete(task.id)
    for task_id in sandbox.clickup.tasks():
        sandbox.clickup.delete(task_id)


def _operation(described: Mapping[str, Any], request: Request) -> tuple[str, dict[str, Any]]:
    """The description of a request; a path without a variable is the closer fit."""
    fits = []
    for template in described:
        parts = template.strip("/").split("/")[1:]
        if len(parts) == len(request.path) and all(
            part.startswith("{") or part == given for part, given in zip(parts, request.path, strict=True)
        ):
            fits.append(template)
    template = min(fits, key=lambda one: one.count("{"))
    return template, described[template][request.method.lower()]


def _parameters(operation: Mapping[str, Any], where: str) -> dict[str, dict[str, Any]]:
    return {one["name"].removesuffix("[]"): one for one in operation.get("parameters", []) if one["in"] == where}


def _schema(operation: Mapping[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], operation["requestBody"]["content"]["application/json"]["schema"])


def _spelled(value: str, schema: Mapping[str, Any]) -> bool:
    """Whether a query parameter is spelled as its type asks."""
    spelling = {"boolean": r"true|false", "integer": r"\d+", "number": r"\d+", "array": r".+", "string": r".+"}
    return re.fullmatch(spelling[schema["type"]], unquote(value), re.DOTALL) is not None


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON value is one of a schema, as far as types, required keys and alternatives go."""
    if "anyOf" in schema:
        return any(_fits(value, one) for one in schema["anyOf"])
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    kinds |= {"array": list, "object": dict}
    named = schema.get("type", [])
    wanted = named if isinstance(named, list) else [named]
    if wanted and not any(value is None if one == "null" else isinstance(value, kinds[one]) for one in wanted):
        return False
    if isinstance(value, list):
        return all(_fits(one, schema.get("items", {})) for one in value)
    if not isinstance(value, dict):
        return True
    properties = schema.get("properties", {})
    return set(schema.get("required", [])) <= set(value) and all(
        key in properties and _fits(one, properties[key]) for key, one in value.items()
    )


def test_whatever_the_client_can_send_is_among_the_requests_compared_here() -> None:
    """Danger: a new method of the client sends what nobody has held beside the description."""
    with Sandbox(clock=Clock(START), clickup_limit=0) as sandbox, _client(sandbox) as client:
        watched = _Watched(client)
        _everything(cast(ClickUpClient, watched), sandbox)
    public = {name for name, found in vars(ClickUpClient).items() if callable(found) and not name.startswith("_")}
    assert watched.called == public - SENDS_NOTHING


def test_every_request_of_the_client_is_described(described: dict[str, Any], seen: list[Request]) -> None:
    routes = set()
    for request in seen:
        template, operation = _operation(described, request)
        routes.add((request.method, template))
        known = _parameters(operation, "query")
        for key, value in request.query:
            parameter = known[key.removesuffix("[]")]
            assert _spelled(value, parameter["schema"]), (template, key, value)
        sent = {key for key, _ in request.query}
        assert {name for name, one in known.items() if one.get("required")} <= sent
        for name, header in _parameters(operation, "header").items():
            assert request.headers[name.lower()] == header["schema"]["const"]
        if request.raw:
            assert _fits(json.loads(request.raw), _schema(operation)), (template, request.raw)
        else:
            assert "requestBody" not in operation
    assert routes == USED


def test_a_listing_is_ordered_only_by_what_is_documented(seen: list[Request]) -> None:
    """The values of order_by are in the text of https://developer.clickup.com/reference/gettasks."""
    asked = {value for request in seen for key, value in request.query if key == "order_by"}
    assert asked == {"created", "updated"}
    assert set(ORDERS) == {"id", "created", "updated", "due_date"}


def test_a_filter_by_custom_field_is_the_documented_json(seen: list[Request]) -> None:
    filters = [json.loads(value) for request in seen for key, value in request.query if key == "custom_fields"]
    assert filters
    for one in filters:
        assert [sorted(entry) for entry in one] == [["field_id", "operator", "value"]]


@pytest.mark.parametrize("route", [route[0] for route in _ROUTES])
def test_the_stand_in_has_the_described_parameters(described: dict[str, Any], route: str) -> None:
    name, method, pattern, offered = next(one for one in _ROUTES if one[0] == route)
    request = Request(0, "clickup", method, tuple("1" if part == "*" else part for part in pattern), (), {}, b"")
    _, operation = _operation(described, request)
    ours, theirs = {one.removesuffix("[]") for one in offered}, set(_parameters(operation, "query"))
    assert ours - theirs <= set(NOT_DESCRIBED), (ours, theirs)
    assert {(name, one) for one in theirs - ours} <= NOT_OFFERED


@pytest.mark.parametrize(
    ("route", "path", "method", "offered"),
    [
        ("create_task", "/v2/list/{list_id}/task", "post", bodies.CREATE_KEYS),
        ("update_task", "/v2/task/{task_id}", "put", bodies.UPDATE_KEYS),
    ],
)
def test_the_stand_in_takes_the_described_bodies(
    described: dict[str, Any], route: str, path: str, method: str, offered: tuple[str, ...]
) -> None:
    theirs = set(_schema(described[path][method])["properties"])
    assert set(offered) - theirs <= set(NOT_DESCRIBED)
    assert {(route, one) for one in theirs - set(offered)} <= NOT_OFFERED


def test_the_listed_mistakes_are_still_in_the_description(described: dict[str, Any]) -> None:
    listing, team = described["/v2/list/{list_id}/task"]["get"], described["/v2/team/{team_Id}/task"]["get"]
    bulk = described["/v2/task/bulk_time_in_status/task_ids"]["get"]
    ours, everybodys = _parameters(listing, "query"), _parameters(team, "query")
    codes = {code for method, path in USED for code in described[path][method.lower()]["responses"]}
    found = {
        "dates are 32 bits": (
            ours["date_updated_gt"]["schema"]["contentEncoding"] == "int32"
            and everybodys["date_updated_gt"]["schema"]["contentEncoding"] == "int64"
        ),
        "custom_fields are exploded": ours["custom_fields"]["schema"]["type"] == "array",
        "ids are numbers": _parameters(listing, "path")["list_id"]["schema"]["type"] == "number",
        "task_ids is one text": _parameters(bulk, "query")["task_ids"]["schema"]["type"] == "string",
        "a header for no body": "requestBody" not in bulk and bool(_parameters(bulk, "header")),
        "statuses without brackets": ours["statuses"]["name"] != everybodys["statuses"]["name"],
        "no refusals": codes <= {"200", "204", "400"},
    }
    assert found == dict.fromkeys(MISTAKES, True)
