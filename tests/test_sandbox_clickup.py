"""The stand-in's ClickUp half: what it answers, refuses, hides and silently ignores."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest

from sandbox.clickup import ClickUp
from sandbox.wire import Answer, Clock, Request

START = 1_700_000_000.0
MARKER = "rec0123456789abcd"


class Api:
    """A client with the right token, straight at the service."""

    def __init__(self, **switches: Any) -> None:
        self.clock = Clock(START)
        self.service = ClickUp(self.clock, limit=0)
        for name, value in switches.items():
            setattr(self.service, name, value)
        self.tasks = f"list/{self.service.list_id}/task"

    def send(self, method: str, path: str, body: Any = None, query: str = "", **headers: str) -> tuple[int, Any]:
        answer = self.answer(method, path, body, query, **headers)
        raw = answer.encoded()
        return answer.status, json.loads(raw) if raw else None

    def answer(self, method: str, path: str, body: Any = None, query: str = "", **headers: str) -> Answer:
        sent = {"authorization": self.service.token, "content-type": "application/json"} | headers
        raw = b"" if body is None else json.dumps(body).encode()
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        return self.service.handle(Request(0, "clickup", method, tuple(path.split("/")), pairs, sent, raw))

    def create(self, name: str = "Ada", **body: Any) -> dict[str, Any]:
        status, task = self.send("POST", self.tasks, {"name": name, **body})
        assert status == 200, task
        return dict(task)

    def get(self, task_id: str) -> dict[str, Any]:
        status, task = self.send("GET", f"task/{task_id}")
        assert status == 200, task
        return dict(task)

    def put(self, task_id: str, **body: Any) -> dict[str, Any]:
        status, task = self.send("PUT", f"task/{task_id}", body)
        assert status == 200, task
        return dict(task)

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        status, page = self.send("GET", self.tasks, query=query)
        assert status == 200, page
        return list(page["tasks"])

    def names(self, query: str = "") -> list[str]:
        return [task["name"] for task in self.listed(query)]

    def marker(self, value: str) -> list[dict[str, str]]:
        return [{"id": self.service.field_id, "value": value}]

    def field(self, kind: str) -> dict[str, Any]:
        fields = self.send("GET", f"list/{self.service.list_id}/field")[1]["fields"]
        return next(field for field in fields if field["type"] == kind)

    def value(self, task_id: str, field_id: str) -> Any:
        """What the field holds; "unset" where there is no `value` key."""
        found = next(one for one in self.get(task_id)["custom_fields"] if one["id"] == field_id)
        return found.get("value", "unset")


@pytest.fixture
def api() -> Api:
    return Api()


def error(code: int, err: str, ecode: str) -> tuple[int, dict[str, str]]:
    return code, {"err": err, "ECODE": ecode}


UNSEEN = error(401, "Team not authorized", "OAUTH_027")
DELETED = error(404, "Task not found, deleted", "ITEM_013")
NO_NAME = error(400, "Task name invalid", "INPUT_005")


# Access, routes, limits.


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", error(400, "Authorization header required", "OAUTH_017")),
        ("pk_wrong", error(401, "Token invalid", "OAUTH_025")),
        ("Bearer pk_wrong", error(401, "Oauth token not found", "OAUTH_019")),
    ],
)
def test_tokens_are_refused_with_their_own_codes(api: Api, given: str, expected: tuple[int, Any]) -> None:
    assert api.send("GET", "user", authorization=given) == expected


def test_a_personal_token_behind_bearer_is_refused(api: Api) -> None:
    assert api.send("GET", "user", authorization=f"Bearer {api.service.token}")[0] == 401


def test_a_revoked_token_is_refused_until_it_works_again(api: Api) -> None:
    api.service.revoke_token()
    assert api.send("GET", "user") == error(401, "Token invalid", "OAUTH_025")
    api.service.restore_token()
    assert api.send("GET", "user")[0] == 200


def test_unknown_routes_and_methods_answer_404_and_complain(api: Api) -> None:
    assert api.send("GET", "nowhere") == error(404, "Route not found", "APP_001")
    assert api.send("PATCH", f"task/{api.create()['id']}", {}) == error(404, "Route not found", "APP_001")
    assert api.send("GET", "task") == error(404, "Route not found", "APP_001")
    assert len(api.service.complaints) == 3


def test_unknown_parameters_and_keys_change_nothing_but_are_complained_about(api: Api) -> None:
    task = api.create(assignee="x")
    assert api.names("limit=1") == ["Ada"]
    api.put(task["id"], tags=["a"], custom_fields=api.marker(MARKER))
    assert api.get(task["id"])["tags"] == []
    assert api.value(task["id"], api.service.field_id) == "unset"
    assert [text.split("'")[1] for text in api.service.complaints] == ["assignee", "limit", "tags", "custom_fields"]


def test_a_python_true_is_no_true(api: Api) -> None:
    api.create(status="complete")
    assert api.names("include_closed=True") == []
    assert api.service.complaints


def test_user_teams_and_plan_look_as_documented(api: Api) -> None:
    assert api.send("GET", "user")[1]["user"].keys() >= {"id", "username", "email", "color", "timezone"}
    assert api.send("GET", "team")[1]["teams"][0]["id"] == api.service.team_id
    assert api.send("GET", f"team/{api.service.team_id}/plan")[1].keys() == {"plan_name", "plan_id"}
    assert api.send("GET", "team/1/plan") == error(401, "Team(s) not authorized", "OAUTH_023")


def test_the_list_shows_its_statuses_with_their_types(api: Api) -> None:
    shown = api.send("GET", f"list/{api.service.list_id}")[1]
    assert [(one["status"], one["type"]) for one in shown["statuses"]] == [
        ("to do", "open"),
        ("in progress", "custom"),
        ("complete", "closed"),
    ]
    assert shown["deleted"] is False
    assert shown["archived"] is False


@pytest.mark.parametrize("route", ["list/{}", "list/{}/field", "list/{}/task"])
def test_list_ids_are_refused_by_form_first(api: Api, route: str) -> None:
    assert api.send("GET", route.format("abc")) == error(400, "validateListIDEx List ID invalid", "INPUT_003")
    assert api.send("GET", route.format("999")) == UNSEEN


def test_the_window_is_fixed_and_refused_requests_count(api: Api) -> None:
    api.service.limit = 3
    assert [api.send("GET", "user")[0], api.send("GET", "task/none")[0], api.send("GET", "user")[0]] == [200, 401, 200]
    refused = api.answer("POST", api.tasks, {"name": "Ada"})
    assert json.loads(refused.encoded()) == {"err": "Rate limit reached", "ECODE": "APP_002"}
    assert refused.headers == {
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(START) + 60),
    }
    assert (refused.status, api.service.writes, api.service.tasks()) == (429, 0, {})
    api.clock.advance(59.9)
    assert api.send("GET", "user")[0] == 429
    api.clock.advance(0.1)
    assert api.answer("GET", "user").headers["X-RateLimit-Remaining"] == "2"


def test_every_answer_bears_the_rate_headers(api: Api) -> None:
    for answer in (api.answer("GET", "nowhere"), api.answer("GET", "user", authorization="pk_wrong")):
        assert {name for name in answer.headers if name.startswith("X-RateLimit-")} == {
            *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
        }


# Creating.


def test_a_created_task_has_every_key_of_the_documented_example_in_its_order(api: Api) -> None:
    task = api.create("Łódź 山田 🎉", description="a\nb", status="In Progress", custom_fields=api.marker(MARKER))
    assert list(task) == [
        *("id", "custom_id", "custom_item_id", "name", "text_content", "description", "status", "orderindex"),
        *("date_created", "date_updated", "date_closed", "date_done", "archived", "creator", "assignees"),
        *("group_assignees", "watchers", "checklists", "tags", "parent", "top_level_parent", "priority", "due_date"),
        *("start_date", "points", "time_estimate", "time_spent", "custom_fields", "dependencies", "linked_tasks"),
        *("locations", "team_id", "url", "sharing", "permission_level", "list", "project", "folder", "space"),
        "attachments",
    ]
    assert (task["name"], task["description"], task["status"]["status"]) == ("Łódź 山田 🎉", "a\nb", "in progress")
    assert task["date_created"] == task["date_updated"] == str(int(START * 1000))
    assert task["url"].endswith(task["id"])
    assert len(task["id"]) == 9
    assert api.value(task["id"], api.service.field_id) == MARKER
    unset = [one for one in task["custom_fields"] if one["id"] != api.service.field_id]
    assert not any("value" in one for one in unset)
    assert {**api.listed()[0], "attachments": []} == task
    assert api.service.complaints == []


def test_creating_twice_makes_two_tasks(api: Api) -> None:
    first, second = api.create(custom_fields=api.marker(MARKER)), api.create(custom_fields=api.marker(MARKER))
    assert first["id"] != second["id"]
    assert set(api.service.by_marker(MARKER)) == {first["id"], second["id"]}
    assert api.service.writes == 2


@pytest.mark.parametrize("name", ["", None, 7, True, ["x"], "  \n", "x" * 2049, "a\0b", "\ud800"])
def test_bad_names_are_refused(api: Api, name: Any) -> None:
    assert api.send("POST", api.tasks, {"name": name}) == NO_NAME
    assert api.send("PUT", f"task/{api.create()['id']}", {"name": name}) == NO_NAME


def test_a_missing_name_is_refused(api: Api) -> None:
    assert api.send("POST", api.tasks, {"description": "x"}) == NO_NAME


def test_a_form_body_is_not_read(api: Api) -> None:
    refused = api.send("POST", api.tasks, {"name": "Ada"}, **{"content-type": "application/x-www-form-urlencoded"})
    assert refused == NO_NAME
    assert api.service.complaints


@pytest.mark.parametrize("status", ["nope", "to do ", "", 3])
def test_an_unknown_status_is_refused_on_create_and_makes_nothing(api: Api, status: Any) -> None:
    refused = api.send("POST", api.tasks, {"name": "Ada", "status": status})
    assert refused == error(400, "Status not found", "CRTSK_001")
    assert api.service.tasks() == {}


def test_dates_are_checked_and_rounded_unless_the_time_is_asked_for(api: Api) -> None:
    assert api.send("POST", api.tasks, {"name": "Ada", "due_date": "soon"}) == error(400, "Date invalid", "INPUT_006")
    assert api.send("POST", api.tasks, {"name": "Ada", "due_date": -5})[1]["ECODE"] == "ITEM_115"
    assert api.create(due_date=1_700_000_000_123)["due_date"] == "1699934400000"
    assert api.create(due_date=1_700_000_000_123, due_date_time=True)["due_date"] == "1700000000123"


def test_a_parent_has_to_be_in_the_same_list(api: Api) -> None:
    parent = api.create()
    far = api.service.add_task("Far", list_id=api.service.second_list_id)
    child = api.create("Child", parent=parent["id"])
    grandchild = api.create("Grandchild", parent=child["id"])
    assert (grandchild["parent"], grandchild["top_level_parent"]) == (child["id"], parent["id"])
    wrong = error(400, "Parent not child of list", "ITEM_137")
    assert api.send("POST", api.tasks, {"name": "Ada", "parent": far}) == wrong
    assert api.send("PUT", f"task/{child['id']}", {"parent": None}) == wrong
    assert api.send("PUT", f"task/{parent['id']}", {"parent": grandchild["id"]}) == wrong


def test_a_huge_description_is_refused(api: Api) -> None:
    assert api.create(description="ł" * 131_072)["description"] == "ł" * 131_072
    assert api.send("POST", api.tasks, {"name": "Ada", "description": "ł" * 131_073})[0] == 400


def test_a_custom_field_dropped_in_silence_leaves_a_task_without_marker(api: Api) -> None:
    api.service.drop_fields = True
    task = api.create(custom_fields=api.marker(MARKER))
    assert api.service.by_marker(MARKER) == []
    assert not any("value" in field for field in task["custom_fields"])


def test_a_description_comes_back_as_it_was_sent_or_changed_by_switch(api: Api) -> None:
    task = api.create(description="Fair & Web")
    assert task["description"] == "Fair & Web"
    api.service.rewrites_descriptions = True
    assert api.create(description="Fair & Web")["description"] == "Fair &amp; Web\n"
    assert api.put(task["id"], description="A & B")["description"] == "A &amp; B\n"
    assert api.get(task["id"])["description"] == "A &amp; B\n"
    assert not api.put(task["id"], description=" ")["description"]


@pytest.mark.parametrize("ahead", [10.0, -10.0])
def test_date_and_reset_are_apart_from_the_times_of_tasks_by_switch(api: Api, ahead: float) -> None:
    api.service.date_ahead = ahead
    answer = api.answer("POST", api.tasks, {"name": "Ada"})
    created = int(json.loads(answer.encoded())["date_created"]) / 1000
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() - created == ahead
    assert int(answer.headers["X-RateLimit-Reset"]) == START + 60 + ahead


def test_the_rate_headers_are_missing_by_switch(api: Api) -> None:
    assert "X-RateLimit-Limit" in api.answer("GET", "user").headers
    api.service.rate_headers_missing = True
    assert not any(name.startswith("X-RateLimit-") for name in api.answer("GET", "user").headers)


def test_a_create_with_a_field_that_does_not_exist_succeeds_without_it(api: Api) -> None:
    task = api.create(custom_fields=[{"id": "00000000-0000-4000-8000-000000000000", "value": MARKER}])
    assert not any("value" in field for field in task["custom_fields"])
    assert api.service.complaints


# Updating and deleting.


def test_an_update_is_partial_and_moves_date_updated(api: Api) -> None:
    task = api.create(description="d", priority=2)
    api.clock.advance(5)
    changed = api.put(task["id"], name="Bea", status="COMPLETE")
    assert (changed["name"], changed["description"], changed["priority"]["id"]) == ("Bea", "d", "2")
    assert changed["status"]["type"] == "closed"
    now = str(int(START * 1000) + 5000)
    assert (changed["date_updated"], changed["date_closed"], changed["date_done"]) == (now, now, now)
    reopened = api.put(task["id"], status="to do")
    assert (reopened["date_closed"], reopened["date_done"]) == (None, None)


@pytest.mark.parametrize(("bumps", "moved"), [(True, 5000), (False, 0)])
def test_whether_equal_values_move_date_updated_is_a_switch(bumps: bool, moved: int) -> None:
    api = Api(equal_update_bumps=bumps, field_write_bumps=bumps)
    task = api.create(custom_fields=api.marker(MARKER))
    api.clock.advance(5)
    assert int(api.put(task["id"], name="Ada")["date_updated"]) - int(task["date_created"]) == moved
    api.send("POST", f"task/{task['id']}/field/{api.service.field_id}", {"value": MARKER})
    assert int(api.get(task["id"])["date_updated"]) - int(task["date_created"]) == moved


def test_a_space_clears_the_description_and_nothing_leaves_it(api: Api) -> None:
    task = api.create(description="d")
    assert api.put(task["id"], description="")["description"] == "d"
    assert api.put(task["id"], description=" ")["description"] is None
    assert api.listed()[0]["description"] == ""


@pytest.mark.parametrize("status", ["nope", None, 3])
def test_an_unknown_status_on_update_is_refused_and_changes_nothing(api: Api, status: Any) -> None:
    task = api.create()
    refused = api.send("PUT", f"task/{task['id']}", {"name": "Bea", "status": status})
    assert refused == error(400, "Status does not exist", "ITEM_114")
    assert api.get(task["id"]) == task


def test_deleted_unseen_and_malformed_ids_are_told_apart_everywhere(api: Api) -> None:
    gone, hidden = api.create()["id"], api.create()["id"]
    assert api.answer("DELETE", f"task/{gone}").encoded() == b""
    api.service.make_private(hidden)
    field = api.service.field_id
    for method, path, body in [
        ("GET", "task/{}", None),
        ("PUT", "task/{}", {"name": "x"}),
        ("DELETE", "task/{}", None),
        ("POST", "task/{}/field/" + field, {"value": "x"}),
        ("DELETE", "task/{}/field/" + field, None),
        ("GET", "task/{}/time_in_status", None),
    ]:
        assert api.send(method, path.format(gone), body) == DELETED
        assert api.send(method, path.format(hidden), body) == UNSEEN
        assert api.send(method, path.format("zzzz99999"), body) == UNSEEN
        assert api.send(method, path.format("ABC-1"), body) == error(400, "Task ID invalid", "INPUT_004")
    assert api.names() == []


def test_archiving_goes_through_update_and_back(api: Api) -> None:
    task = api.create()["id"]
    assert api.put(task, archived=True)["archived"] is True
    assert (api.names(), api.names("archived=true")) == ([], ["Ada"])
    api.put(task, archived=False)
    assert (api.names(), api.names("archived=true")) == (["Ada"], [])


# Custom fields.


@pytest.mark.parametrize(
    ("kind", "written", "read"),
    [
        ("short_text", 'O\'Brien "x" 🎉', 'O\'Brien "x" 🎉'),
        ("number", 8, "8"),
        ("number", 99.25, "99.25"),
        ("currency", 12.5, "12.5"),
        ("date", 1709251199000, "1709251199000"),
        ("checkbox", True, "true"),
        ("email", "a.b+c@example.com", "a.b+c@example.com"),
        ("phone", "+48 22 555 01 23", "+48 22 555 01 23"),
        ("url", "https://example.com/a?b=1", "https://example.com/a?b=1"),
        ("drop_down", 0, 0),
    ],
)
def test_custom_fields_are_read_back_as_the_service_does(api: Api, kind: str, written: Any, read: Any) -> None:
    task, field = api.create()["id"], api.field(kind)["id"]
    assert api.send("POST", f"task/{task}/field/{field}", {"value": written}) == (200, {})
    assert api.value(task, field) == read
    assert api.send("DELETE", f"task/{task}/field/{field}") == (200, {})
    assert api.value(task, field) == "unset"


@pytest.mark.parametrize(
    ("kind", "value", "code", "ecode"),
    [
        ("short_text", 7, 400, "FIELD_342"),
        ("short_text", None, 400, "FIELD_342"),
        ("number", "8", 400, "FIELD_342"),
        ("email", "nobody", 400, "FIELD_342"),
        ("date", "2026-01-01", 500, "FIELD_017"),
        ("drop_down", "Web", 400, "FIELD_011"),
    ],
)
def test_values_of_the_wrong_type_are_refused(api: Api, kind: str, value: Any, code: int, ecode: str) -> None:
    task, field = api.create()["id"], api.field(kind)["id"]
    status, body = api.send("POST", f"task/{task}/field/{field}", {"value": value})
    assert (status, body["ECODE"]) == (code, ecode)
    assert api.send("POST", api.tasks, {"name": "x", "custom_fields": [{"id": field, "value": value}]})[0] == code
    assert api.names() == ["Ada"]


def test_an_option_is_written_by_its_id_and_read_as_its_place(api: Api) -> None:
    task, field = api.create()["id"], api.field("drop_down")
    option = field["type_config"]["options"][-1]
    api.send("POST", f"task/{task}/field/{field['id']}", {"value": option["id"]})
    assert api.value(task, field["id"]) == option["orderindex"] == 2


def test_a_field_that_is_not_there_is_refused(api: Api) -> None:
    task = api.create()["id"]
    api.service.remove_field(api.service.field_id)
    status, body = api.send("POST", f"task/{task}/field/{api.service.field_id}", {"value": "x"})
    assert (status, body["ECODE"]) == (400, "FIELD_115")


def test_the_free_plan_ends_after_sixty_uses_and_has_no_time_in_status() -> None:
    api = Api(plan="free")
    first = api.create("0", custom_fields=api.marker("rec0"))["id"]
    for number in range(1, 60):
        api.create(str(number), custom_fields=api.marker(f"rec{number}"))
    spent = error(400, "Custom field usages exceeded for your plan", "FIELD_033")
    assert api.send("POST", api.tasks, {"name": "60", "custom_fields": api.marker("rec60")}) == spent
    assert api.send("POST", f"task/{first}/field/{api.service.field_id}", {"value": "x"}) == spent
    assert len(api.service.tasks()) == 60
    assert api.create("without")["id"]
    api.service.free_counts_creates = False
    assert api.create("60", custom_fields=api.marker("rec60"))["id"]
    assert api.send("GET", f"task/{first}/time_in_status")[1]["ECODE"] == "TIS_027"


# Listing.


def test_closed_archived_and_subtasks_are_hidden_unless_asked_for(api: Api) -> None:
    top = api.service.add_task("open")
    api.service.add_task("closed", status="complete")
    api.service.add_task("sub", parent=top)
    api.service.archive(api.service.add_task("archived"))
    assert set(api.names()) == {"open"}
    assert set(api.names("include_closed=true")) == {"open", "closed"}
    assert set(api.names("include_closed=true&subtasks=true")) == {"open", "closed", "sub"}
    assert set(api.names("archived=true")) == {"archived"}
    assert set(api.names("statuses[]=Complete")) == {"closed"}
    assert set(api.names("statuses[]=To+Do&statuses[]=complete")) == {"open", "closed"}


def test_order_is_newest_first_and_reverse_turns_it(api: Api) -> None:
    ids = []
    for name in "abc":
        ids.append(api.service.add_task(name))
        api.clock.advance(1)
    api.service.rename(ids[0], "a2")
    assert api.names() == ["c", "b", "a2"]
    assert api.names("reverse=true") == ["a2", "b", "c"]
    assert api.names("order_by=updated") == ["a2", "c", "b"]
    assert api.names("order_by=updated&reverse=true") == ["b", "c", "a2"]
    assert [task["id"] for task in api.listed("order_by=id&reverse=true")] == sorted(ids)
    assert api.send("GET", api.tasks, query="order_by=closed")[1]["ECODE"] == "ITEMV2_003"
    assert api.send("GET", api.tasks, query="order_by=closed")[0] == 500


@pytest.mark.parametrize(("inclusive", "expected"), [(True, ["b", "c"]), (False, ["c"])])
def test_whether_gt_includes_its_moment_is_a_switch(inclusive: bool, expected: list[str]) -> None:
    api = Api(gt_inclusive=inclusive)
    for name in "abc":
        api.service.add_task(name)
        api.clock.advance(1)
    second = int(START * 1000) + 1000
    assert api.names(f"date_updated_gt={second}&reverse=true") == expected
    assert api.names(f"date_created_gt={second}&reverse=true") == expected
    assert api.names(f"date_created_lt={second}") == ["a"]


def test_pages_are_of_a_hundred_and_end_with_last_page(api: Api) -> None:
    for number in range(200):
        api.service.add_task(str(number))
    pages = [api.send("GET", api.tasks, query=f"page={page}")[1] for page in range(4)]
    assert [(len(page["tasks"]), page["last_page"]) for page in pages] == [
        *((100, False), (100, True)),
        *((0, True), (0, True)),
    ]
    assert len({task["id"] for page in pages for task in page["tasks"]}) == 200


def test_a_task_deleted_between_two_pages_hides_one_from_a_walk_by_page(api: Api) -> None:
    ids = [api.service.add_task(str(number)) for number in range(150)]
    seen = {task["id"] for task in api.listed("reverse=true&order_by=created")}
    api.service.delete(min(seen))
    seen |= {task["id"] for task in api.listed("reverse=true&order_by=created&page=1")}
    assert len(set(ids) - seen) == 1


@pytest.mark.parametrize("lie", ["true", "false"])
def test_last_page_can_lie(api: Api, lie: str) -> None:
    api.service.last_page_lies = lie
    assert api.send("GET", api.tasks)[1] == {"tasks": [], "last_page": lie == "true"}


def test_a_new_task_can_be_hidden_from_listings_and_filters_for_a_while(api: Api) -> None:
    api.service.hide_new_for = 30
    task = api.create(custom_fields=api.marker(MARKER))
    asked = f"custom_fields={json.dumps([{'field_id': api.service.field_id, 'operator': '==', 'value': MARKER}])}"
    assert (api.names(), api.names(asked)) == ([], [])
    assert api.get(task["id"])["name"] == "Ada"
    api.clock.advance(30)
    assert (api.names(), api.names(asked)) == (["Ada"], ["Ada"])


def test_listings_can_show_a_task_for_a_while_as_it_was_before_each_change(api: Api) -> None:
    api.service.show_updates_after = 30
    task = api.create(name="Ada")
    for name in ("Bea", "Cleo"):
        api.clock.advance(20)
        api.put(task["id"], name=name)
    assert api.get(task["id"])["name"] == "Cleo"
    assert (api.names(), api.names(f"date_updated_gt={int(task['date_updated']) + 1}")) == (["Ada"], [])
    api.clock.advance(10)
    assert api.names() == ["Bea"]
    api.clock.advance(20)
    assert api.names() == api.names(f"date_updated_gt={int(task['date_updated']) + 1}") == ["Cleo"]
    api.service.archive(task["id"])
    assert (api.names(), api.names("archived=true")) == (["Cleo"], [])
    api.clock.advance(30)
    assert (api.names(), api.names("archived=true")) == ([], ["Cleo"])


@pytest.mark.parametrize(
    ("kind", "operator", "value", "expected"),
    [
        ("short_text", "==", "recA", ["a"]),
        ("short_text", "=", "REC", ["a", "b"]),
        ("short_text", "!==", "recA", ["b", "c"]),
        ("short_text", "!=", "rec", ["c"]),
        ("short_text", "IS NULL", None, ["c"]),
        ("short_text", "IS NOT NULL", None, ["a", "b"]),
        ("number", ">", 1, ["b"]),
        ("number", ">=", 1, ["a", "b"]),
        ("number", "<", 2, ["a"]),
        ("number", "<=", 2, ["a", "b"]),
        ("number", "RANGE", [2, 3], ["b"]),
        ("number", "RANGE", {"low_value": 0, "high_value": 1}, ["a"]),
        ("drop_down", "ANY", ["option 0", "option 1"], ["a", "b"]),
        ("drop_down", "NOT ANY", ["option 0"], ["b", "c"]),
        ("drop_down", "=", "option 1", ["b"]),
        ("checkbox", "=", True, ["a"]),
    ],
)
def test_custom_field_filters(api: Api, kind: str, operator: str, value: Any, expected: list[str]) -> None:
    field = api.field(kind)
    options = [option["id"] for option in field["type_config"].get("options", [])]
    written: dict[str, list[Any]] = {
        "short_text": ["recA", "recB"],
        "number": [1, 2],
        "drop_down": options[:2],
        "checkbox": [True, False],
    }
    for name, one in zip("ab", written[kind], strict=True):
        api.create(name, custom_fields=[{"id": field["id"], "value": one}])
    api.create("c")
    if kind == "drop_down":
        value = [options[int(one[-1])] for one in value] if isinstance(value, list) else options[int(value[-1])]
    query = json.dumps([{"field_id": field["id"], "operator": operator, "value": value}])
    assert sorted(api.names(f"custom_fields={query}")) == expected
    assert sorted(api.names(f"custom_field={query[1:-1]}")) == expected


def test_a_filter_on_a_field_that_is_not_there_finds_nothing_and_complains(api: Api) -> None:
    api.create()
    assert api.names('custom_fields=[{"field_id":"x","operator":"==","value":"y"}]') == []
    assert api.service.complaints
    assert api.send("GET", api.tasks, query="custom_fields=nonsense")[0] == 400


def test_the_team_route_lists_several_lists(api: Api) -> None:
    api.service.add_task("near")
    api.service.add_task("far", list_id=api.service.second_list_id)
    route = f"team/{api.service.team_id}/task"
    both = api.send("GET", route)[1]["tasks"]
    assert {task["name"] for task in both} == {"near", "far"}
    one = api.send("GET", route, query=f"list_ids[]={api.service.list_id}")[1]["tasks"]
    assert [task["name"] for task in one] == ["near"]


def test_quick_listings_agree_with_a_plain_scan() -> None:
    """Sorted dates and exact look-ups are only a short cut: every query gives what looking at each task gives."""
    api, chance = Api(), random.Random(3)
    for number in range(120):
        task = api.service.add_task(str(number), status=chance.choice(["to do", "complete"]))
        api.service.set_marker(task, chance.choice(["recA", "recB", ""]))
        api.clock.advance(chance.choice([0, 0.001, 1]))
    for task_id in chance.sample(sorted(api.service.tasks()), 40):
        api.service.rename(task_id, f"new {task_id}")
        api.clock.advance(chance.choice([0, 1]))
    tasks = api.service.tasks().values()
    exact = json.dumps([{"field_id": api.service.field_id, "operator": "==", "value": "recA"}])
    for _ in range(60):
        key, low, high = chance.choice(["created", "updated"]), *sorted(chance.sample(range(90_000), 2))
        low, high = int(START * 1000) + low, int(START * 1000) + high
        marked, oldest, order = chance.random() < 0.4, chance.random() < 0.5, chance.choice(["created", "updated"])
        query = f"include_closed=true&date_{key}_gt={low}&date_{key}_lt={high}&order_by={order}"
        query += f"&custom_fields={exact}" * marked + "&reverse=true" * oldest
        fits = [one for one in tasks if low <= one[key] < high and (not marked or one["marker"] == "recA")]
        fits.sort(key=lambda one: (one[order], one["id"]), reverse=not oldest)
        assert [task["id"] for task in api.listed(query)] == [one["id"] for one in fits[:100]]


# Time in status.


def test_time_in_status_tells_since_when_the_present_status_holds(api: Api) -> None:
    task = api.create()["id"]
    api.clock.advance(120)
    api.put(task, status="in progress")
    api.clock.advance(60)
    api.put(task, status="to do")
    api.clock.advance(30)
    shown = api.send("GET", f"task/{task}/time_in_status")[1]
    since = str(int(START * 1000) + 180_000)
    assert shown["current_status"]["status"] == "to do"
    assert shown["current_status"]["total_time"] == {"by_minute": 0, "since": since}
    assert [(one["status"], one["total_time"]["by_minute"]) for one in shown["status_history"]] == [
        ("to do", 2),
        ("in progress", 1),
    ]
    many = api.send("GET", "task/bulk_time_in_status/task_ids", query=f"task_ids={task}")[1]
    assert many == {task: shown}


def test_time_in_status_of_many_is_of_a_hundred_at_most(api: Api) -> None:
    task = api.create()["id"]
    route = "task/bulk_time_in_status/task_ids"
    assert api.send("GET", route, query="&".join([f"task_ids={task}"] * 101))[0] == 400
    assert api.send("GET", route, query=f"task_ids={task}&task_ids=zzzz99999") == UNSEEN
    api.service.delete(task)
    assert api.send("GET", route, query=f"task_ids={task}") == (200, {})


# People's hands.


def test_people_move_date_updated_and_leave_a_history(api: Api) -> None:
    task = api.service.add_task("Ada", status="in progress", marker=MARKER, description="d")
    steps: list[Callable[[], None]] = [
        lambda: api.service.rename(task, "Bea"),
        lambda: api.service.describe(task, "e"),
        lambda: api.service.set_status(task, "Complete"),
        lambda: api.service.set_marker(task, ""),
        lambda: api.service.archive(task),
        lambda: api.service.archive(task, on=False),
    ]
    for step in steps:
        api.clock.advance(1)
        step()
        assert api.service.task(task)["updated"] == api.clock.milliseconds()
    shown = api.service.task(task)
    assert (shown["name"], shown["description"], shown["status"], shown["marker"]) == ("Bea", "e", "complete", "")
    assert [one["what"] for one in shown["history"]][:4] == ["created", "name", "description", "status"]
    assert api.service.writes == 0


def test_a_copied_task_bears_the_same_marker(api: Api) -> None:
    task = api.service.add_task("Ada", marker=MARKER, status="in progress")
    api.clock.advance(1)
    copy = api.service.duplicate(task)
    assert api.service.by_marker(MARKER) == [task, copy]
    assert api.service.task(copy)["status"] == "in progress"


def test_a_moved_task_keeps_its_id_and_leaves_the_listing(api: Api) -> None:
    task = api.service.add_task("Ada")
    api.service.move(task, api.service.second_list_id)
    assert api.names() == []
    assert api.get(task)["list"]["id"] == api.service.second_list_id
    assert api.service.tasks() == {}


def test_a_restored_task_is_back_with_its_id(api: Api) -> None:
    task = api.service.add_task("Ada")
    api.service.delete(task)
    assert api.service.by_marker(MARKER) == []
    with pytest.raises(KeyError):
        api.service.rename(task, "Bea")
    api.service.restore(task)
    assert api.names() == ["Ada"]


def test_a_task_made_private_and_public_again_comes_back(api: Api) -> None:
    task = api.service.add_task("Ada")
    api.service.make_private(task)
    assert api.names() == []
    api.service.make_private(task, on=False)
    assert api.names() == ["Ada"]


def test_statuses_are_renamed_added_and_removed(api: Api) -> None:
    task = api.service.add_task("Ada", status="in progress")
    api.listed()
    api.service.rename_status("in progress", "Doing")
    assert api.get(task)["status"]["status"] == "Doing"
    assert api.send("PUT", f"task/{task}", {"status": "in progress"})[1]["ECODE"] == "ITEM_114"
    api.service.add_status("Review")
    statuses = api.send("GET", f"list/{api.service.list_id}")[1]["statuses"]
    assert [one["status"] for one in statuses] == ["to do", "Doing", "Review", "complete"]
    api.service.remove_status("doing")
    assert api.get(task)["status"]["status"] == "to do"


def test_a_subtask_made_by_hand_leaves_the_plain_listing(api: Api) -> None:
    parent, child = api.service.add_task("parent"), api.service.add_task("child")
    api.service.make_subtask(child, parent)
    assert api.names() == ["parent"]
    assert api.get(child)["parent"] == parent
    shown = api.send("GET", f"task/{parent}", query="include_subtasks=true")[1]
    assert [one["id"] for one in shown["subtasks"]] == [child]


def test_an_automation_runs_so_many_seconds_after_a_create(api: Api) -> None:
    api.service.on_create(lambda task_id: api.service.set_status(task_id, "in progress"), delay=10)
    task = api.create()
    assert api.get(task["id"])["status"]["status"] == "to do"
    api.clock.advance(10)
    moved = api.get(task["id"])
    assert moved["status"]["status"] == "in progress"
    assert int(moved["date_updated"]) == int(task["date_created"]) + 10_000


def test_a_deleted_list_says_so_and_shows_no_tasks(api: Api) -> None:
    api.create()
    api.service.lists[api.service.list_id].deleted = True
    assert api.send("GET", f"list/{api.service.list_id}")[1]["deleted"] is True
    assert api.names() == []
    assert api.send("POST", api.tasks, {"name": "x"}) == UNSEEN
