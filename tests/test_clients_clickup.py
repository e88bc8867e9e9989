"""ClickUp's half: walks that lose no task, and what each refusal means."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest

from clients import clickup
from clients.clickup import ClickUpClient
from clients.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    InvalidRequest,
    NotFound,
    QuotaSpent,
    RateLimited,
    ServiceError,
)
from clients.http import Http
from clients.pacing import ClickUpPacer
from models import FieldInfo, ListInfo, Task, TaskPage, TimeInStatus
from sandbox.server import Sandbox
from sandbox.wire import Clock
from tests.clients_server import UNIX, Handler, Reply, Server

FIELD = "0a0b0c0d-0000-4000-8000-000000000001"
MS = int(UNIX * 1000)


def client(
    address: str, clock: Clock, *, token: str = "pk_1", listed: str = "901", field: str = FIELD
) -> ClickUpClient:
    http = Http(
        clickup.service(address),
        token_header=token,
        pacer=ClickUpPacer(),
        clock=clock,
        stop=threading.Event(),
        random=random.Random(1),
    )
    return ClickUpClient(http, listed, field)


@pytest.fixture
def scripted() -> Iterator[Callable[..., tuple[ClickUpClient, Server]]]:
    made: list[tuple[ClickUpClient, Server]] = []

    def make(*steps: Any) -> tuple[ClickUpClient, Server]:
        server = Server(*steps)
        made.append((client(server.address, Clock(UNIX)), server))
        return made[-1]

    yield make
    for each, server in made:
        each.http.close()
        server.close()


@pytest.fixture
def stand_in() -> Iterator[tuple[ClickUpClient, Sandbox]]:
    clock = Clock(UNIX)
    with Sandbox(clock=clock, clickup_limit=10_000) as sandbox:
        known = sandbox.settings()
        made = client(
            known["CLICKUP_API_URL"],
            clock,
            token=known["CLICKUP_API_KEY"],
            listed=known["CLICKUP_LIST_ID"],
            field=known["CLICKUP_CUSTOM_FIELD_ID"],
        )
        yield made, sandbox
        made.http.close()
        assert sandbox.complaints == []


Scripted = Callable[..., tuple[ClickUpClient, Server]]
StandIn = tuple[ClickUpClient, Sandbox]


def row(number: int, *, created: int | None = None, updated: int | None = None, **parts: Any) -> dict[str, Any]:
    return {
        "id": f"86t{number:05d}",
        "name": f"Task {number}",
        "description": "",
        "status": {"status": "to do", "type": "open"},
        "date_created": str(MS + number * 10 if created is None else created),
        "date_updated": str(MS + number * 10 if updated is None else updated),
        "archived": False,
        "parent": None,
        "custom_fields": [{"id": "other", "value": 3}, {"id": FIELD, "name": "Record", "type": "short_text"}],
        "list": {"id": "901", "name": "Leads", "access": True},
        **parts,
    }


class Listing:
    """A List behind a server that may lie: about the last page, about the filter, about the order."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)
        self.last_page: Literal["true", "false", "absent"] | None = None
        self.strict = False
        self.size = 100
        self.grain = 1
        self.ignores_filter = False
        self.ignores_page = False
        self.shuffled = False
        self.after: Callable[[int], None] = lambda _: None
        self.asked: list[dict[str, str]] = []

    def __call__(self, handler: Handler) -> None:
        query = dict(handler.server.seen[-1].query)
        self.asked.append(query)
        key = "date_updated" if query.get("order_by") == "updated" else "date_created"
        rows = sorted(self.rows, key=lambda each: (int(each[key]), each["id"]))
        if self.shuffled:
            rows.reverse()
        since = int(query.get(f"{key}_gt", "0")) // self.grain * self.grain
        if since and not self.ignores_filter:
            rows = [each for each in rows if int(each[key]) > since or (not self.strict and int(each[key]) == since)]
        start = 0 if self.ignores_page else int(query.get("page", "0")) * self.size
        shown = rows[start : start + self.size]
        body: dict[str, Any] = {"tasks": shown}
        if self.last_page != "absent":
            body["last_page"] = start + self.size >= len(rows) if self.last_page is None else self.last_page == "true"
        handler.reply(Reply(200, body))
        self.after(len(self.asked))


def ids(pages: list[TaskPage]) -> list[str]:
    return [task.id for page in pages for task in page.rows]


def every(listing: Listing) -> list[str]:
    return sorted(each["id"] for each in listing.rows)


# --- walking


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("last_page", [None, "true", "false", "absent"])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 199, 200, 250, 1000])
def test_a_walk_gives_every_task_once_whatever_last_page_says(
    scripted: Scripted, count: int, last_page: Any, strict: bool
) -> None:
    listing = Listing(*(row(number) for number in range(count)))
    listing.last_page, listing.strict = last_page, strict
    tasks, _ = scripted(listing)
    pages = list(tasks.walk("created", 0))
    assert sorted(ids(pages)) == every(listing)
    assert all(page.in_order for page in pages)
    assert len(listing.asked) <= count // 99 + 3


def test_a_poll_without_news_is_one_request_and_one_page(scripted: Scripted) -> None:
    for listing in (Listing(), Listing(row(1), row(2))):
        tasks, _ = scripted(listing)
        (page,) = tasks.walk("updated", MS)
        assert page.date == UNIX
        assert len(listing.asked) == 1


def test_a_walk_asks_for_closed_tasks_and_subtasks_oldest_first(scripted: Scripted) -> None:
    listing = Listing(row(1))
    tasks, server = scripted(listing)
    list(tasks.walk("updated", MS, archived=True))
    list(tasks.walk("created", 0))
    everything = {"include_closed": "true", "subtasks": "true", "reverse": "true"}
    assert listing.asked == [
        {**everything, "archived": "true", "order_by": "updated", "date_updated_gt": str(MS)},
        {**everything, "archived": "false", "order_by": "created"},
    ]
    assert {(seen.method, seen.path) for seen in server.seen} == {("GET", "/list/901/task")}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("count", [100, 101, 250, 400])
def test_tasks_of_one_instant_are_walked_by_page(scripted: Scripted, count: int, strict: bool) -> None:
    listing = Listing(row(0), *(row(number, created=MS + 7) for number in range(1, count)), row(count))
    listing.strict = strict
    tasks, _ = scripted(listing)
    pages = list(tasks.walk("created", 0))
    assert sorted(ids(pages)) == every(listing)
    assert all(page.in_order for page in pages)


def test_danger_a_filter_in_whole_seconds_hides_tasks(scripted: Scripted) -> None:
    listing = Listing(*(row(number, created=MS + number) for number in range(450)))
    listing.grain = 1000
    tasks, _ = scripted(listing)
    pages = list(tasks.walk("created", MS + 1))
    assert set(ids(pages)) == set(every(listing))
    assert all(page.in_order for page in pages)


def test_danger_a_task_deleted_between_two_pages_hides_another(scripted: Scripted) -> None:
    listing = Listing(*(row(number) for number in range(350)))
    expected = every(listing)

    def delete(request: int) -> None:
        del listing.rows[: 20 * request]

    listing.after = delete
    tasks, _ = scripted(listing)
    assert sorted(ids(list(tasks.walk("created", 0)))) == expected


@pytest.mark.parametrize("request_number", [2, 3, 4, 5])
def test_danger_a_task_deleted_between_two_pages_of_one_instant_hides_another(
    scripted: Scripted, request_number: int
) -> None:
    """Somebody changes hundreds of tasks at once, which ClickUp may note at one millisecond, and then deletes some."""
    listing = Listing(row(0), *(row(number, created=MS + 7) for number in range(1, 350)), row(350))
    expected = set(every(listing))

    def delete(request: int) -> None:
        if request == request_number:
            del listing.rows[10:15]

    listing.after = delete
    tasks, _ = scripted(listing)
    found = ids(list(tasks.walk("created", 0)))
    assert len(found) == len(set(found))
    assert set(every(listing)) <= set(found) <= expected


def test_danger_a_task_deleted_while_a_second_is_walked_hides_another_where_the_filter_counts_in_seconds(
    scripted: Scripted,
) -> None:
    listing = Listing(*(row(number, created=MS + number) for number in range(101)))
    listing.grain = 1000
    expected = set(every(listing))

    def delete(request: int) -> None:
        if request == 2:
            del listing.rows[5]

    listing.after = delete
    tasks, _ = scripted(listing)
    assert set(ids(list(tasks.walk("created", 0)))) == expected


def test_a_task_that_changes_meanwhile_comes_again(scripted: Scripted) -> None:
    listing = Listing(*(row(number) for number in range(150)))

    def touch(request: int) -> None:
        if request == 1:
            listing.rows[3] = row(3, updated=MS + 100_000, name="new")

    listing.after = touch
    tasks, _ = scripted(listing)
    found = [task for page in tasks.walk("updated", 0) for task in page.rows]
    assert [task.name for task in found if task.id == "86t00003"] == ["Task 3", "new"]


def test_an_answer_out_of_order_means_plain_pages_and_an_unproven_listing(scripted: Scripted) -> None:
    listing = Listing(*(row(number) for number in range(250)))
    listing.shuffled = True
    tasks, _ = scripted(listing)
    pages = list(tasks.walk("created", 0))
    assert sorted(ids(pages)) == every(listing)
    assert not any(page.in_order for page in pages)


def test_danger_a_listing_that_ignores_its_filter_ends_early(scripted: Scripted) -> None:
    listing = Listing(*(row(number, created=MS + number * 1000) for number in range(350)))
    listing.ignores_filter = True
    tasks, _ = scripted(listing)
    pages = list(tasks.walk("created", 0))
    assert sorted(ids(pages)) == every(listing)
    assert (pages[0].in_order, pages[-1].in_order) == (True, False)


@pytest.mark.parametrize("shuffled", [False, True])
def test_pages_may_be_shorter_than_documented(scripted: Scripted, shuffled: bool) -> None:
    listing = Listing(*(row(number) for number in range(120)))
    listing.size, listing.shuffled = 50, shuffled
    tasks, _ = scripted(listing)
    assert sorted(ids(list(tasks.walk("created", 0)))) == every(listing)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_short_page_over_and_over_ends_the_walk(scripted: Scripted, shuffled: bool) -> None:
    listing = Listing(*(row(number) for number in range(20)))
    listing.ignores_page = listing.ignores_filter = True
    listing.last_page, listing.shuffled = "false", shuffled
    tasks, _ = scripted(listing)
    assert sorted(ids(list(tasks.walk("created", 0)))) == every(listing)
    assert len(listing.asked) <= 4


@pytest.mark.parametrize("shuffled", [False, True])
def test_danger_the_same_page_over_and_over_is_read_for_ever(scripted: Scripted, shuffled: bool) -> None:
    listing = Listing(*(row(number, created=MS) for number in range(250)))
    if shuffled:
        listing.rows = [row(number) for number in range(250)]
        listing.shuffled = True
    listing.ignores_page = listing.ignores_filter = True
    listing.last_page = "false"
    tasks, _ = scripted(listing)
    with pytest.raises(BadAnswer, match="do not end"):
        list(tasks.walk("created", 0))
    assert len(listing.asked) < 10


def test_danger_a_list_that_grows_as_fast_as_it_is_read_holds_the_run(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.clickup._MOST_PAGES", 20)
    listing = Listing(*(row(number) for number in range(100)))
    listing.after = lambda request: listing.rows.extend(row(100 * request + number) for number in range(100))
    tasks, _ = scripted(listing)
    with pytest.raises(BadAnswer, match="do not end"):
        list(tasks.walk("created", 0))
    assert len(listing.asked) == 20


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"tasks": None},
        {"tasks": {}},
        {"tasks": ["86t"]},
        {"tasks": [{**row(1), "id": None}]},
        {"tasks": [{**row(1), "status": "to do"}]},
        {"tasks": [{**row(1), "status": {"status": None}}]},
        {"tasks": [{**row(1), "date_updated": None}]},
        {"tasks": [{**row(1), "date_created": "soon"}]},
        {"tasks": [{**row(1), "custom_fields": None}]},
        {"tasks": [{**row(1), "list": None}]},
        {"tasks": [row(1), {}]},
    ],
)
def test_danger_a_misshapen_page_is_taken_for_a_short_one(scripted: Scripted, body: Any) -> None:
    tasks, server = scripted(Reply(200, body))
    with pytest.raises(BadAnswer, match="not what is documented"):
        list(tasks.walk("created", 0))
    assert len(server.seen) == 6


# --- the marker


def test_only_tasks_that_bear_the_marker_are_found(scripted: Scripted) -> None:
    def marked(number: int, value: Any) -> dict[str, Any]:
        return row(number, custom_fields=[{"id": FIELD, "value": value}])

    rows = [marked(1, "recA"), marked(2, " recA "), marked(3, "recAB"), marked(4, None), marked(5, 7), row(6)]
    tasks, server = scripted(Reply(200, {"tasks": rows, "last_page": True}))
    assert [task.id for task in tasks.with_marker("recA")] == ["86t00001", "86t00002"]
    tasks.with_marker("recA", archived=True)
    first, second = (dict(seen.query) for seen in server.seen)
    assert json.loads(first.pop("custom_fields")) == [{"field_id": FIELD, "operator": "==", "value": "recA"}]
    assert first == {"include_closed": "true", "subtasks": "true", "archived": "false"}
    assert second["archived"] == "true"


def test_danger_a_server_that_ignores_the_filter_hides_the_marked_task(scripted: Scripted) -> None:
    listing = Listing(*(row(number) for number in range(250)), row(250, custom_fields=[{"id": FIELD, "value": "recA"}]))
    tasks, _ = scripted(listing)
    assert [task.id for task in tasks.with_marker("recA")] == ["86t00250"]


# --- single tasks


def test_a_task_as_it_is_read(scripted: Scripted) -> None:
    found = row(
        1,
        description=None,
        archived=True,
        parent="86p",
        updated=MS + 5,
        custom_fields=[{"id": FIELD, "value": " recA\n"}],
        status={"status": "In Progress"},
    )
    tasks, server = scripted(Reply(200, found))
    assert tasks.task("86t00001") == Task(
        id="86t00001",
        name="Task 1",
        status="In Progress",
        marker="recA",
        description="",
        list_id="901",
        archived=True,
        subtask=True,
        created=MS + 10,
        updated=MS + 5,
    )
    assert server.seen[0].path == "/task/86t00001"


def test_an_answer_about_another_task_is_not_taken(scripted: Scripted) -> None:
    tasks, _ = scripted(Reply(200, row(2)))
    with pytest.raises(BadAnswer):
        tasks.task("86t00001")
    with pytest.raises(BadAnswer):
        tasks.update("86t00001", status="done")


@pytest.mark.parametrize("wrong", ["", "ABC-1", "86t/../..", "86t?x", "a" * 33, "86T", "86t\n", "ü"])
def test_danger_what_is_no_task_id_gets_into_an_address(scripted: Scripted, wrong: str) -> None:
    tasks, server = scripted(Reply(200, {}))
    for attempt in (
        lambda: tasks.task(wrong),
        lambda: tasks.update(wrong, name="x"),
        lambda: tasks.set_marker(wrong, "rec"),
        lambda: tasks.time_in_status([wrong]),
    ):
        with pytest.raises(ValueError, match="not a task id"):
            attempt()
    assert server.seen == []


def test_a_create_carries_its_marker_and_is_announced_first(scripted: Scripted) -> None:
    tasks, server = scripted(Reply(200, row(1, custom_fields=[{"id": FIELD, "value": "recA"}])))
    announced: list[int] = []
    task = tasks.create(
        name="Ada",
        description="Email: a@example.com",
        status="to do",
        marker="recA",
        announce=lambda: announced.append(len(server.seen)),
    )
    assert (task.marker, announced) == ("recA", [0])
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/list/901/task")
    assert seen.body == {
        "name": "Ada",
        "description": "Email: a@example.com",
        "status": "to do",
        "custom_fields": [{"id": FIELD, "value": "recA"}],
    }
    tasks.create(name="Ada", description="", status="", marker="recA")
    assert set(server.seen[1].body) == {"name", "custom_fields"}


@pytest.mark.parametrize("body", [b"", [], {}, {"id": "86t"}, {"err": None}])
def test_danger_a_create_with_a_misshapen_answer_is_sent_again(scripted: Scripted, body: Any) -> None:
    tasks, server = scripted(Reply(200, body))
    with pytest.raises(BadAnswer) as caught:
        tasks.create(name="Ada", description="", status="to do", marker="recA")
    assert caught.value.outcome_unknown
    assert len(server.seen) == 1


def test_an_update_sends_what_is_given_and_a_space_for_no_description(scripted: Scripted) -> None:
    tasks, server = scripted(Reply(200, row(1, description=" ")))
    assert tasks.update("86t00001", description="").description == ""
    tasks.update("86t00001", name="n", description="d", status="s")
    assert [seen.body for seen in server.seen] == [
        {"description": " "},
        {"name": "n", "description": "d", "status": "s"},
    ]
    assert {(seen.method, seen.path) for seen in server.seen} == {("PUT", "/task/86t00001")}
    with pytest.raises(ValueError, match="nothing"):
        tasks.update("86t00001")


# --- the List


def test_the_list_and_its_fields(scripted: Scripted) -> None:
    order = {"Closed": 2, "to do": 0, "in progress": 1}
    statuses = [{"status": name, "orderindex": index} for name, index in order.items()]
    found = {"id": "901", "name": "Leads", "statuses": statuses, "deleted": True}
    options = [{"id": "1", "name": "A"}, {"id": "2", "label": "B"}]
    fields = [
        {"id": FIELD, "name": "Record", "type": "short_text", "type_config": {}},
        {"id": "f2", "name": "Kind", "type": "labels", "type_config": {"options": options}},
    ]
    tasks, server = scripted(Reply(200, found), Reply(200, {"fields": fields}))
    assert tasks.list_info() == ListInfo(
        "901", "Leads", ("to do", "in progress", "Closed"), archived=False, deleted=True
    )
    assert tasks.fields() == (
        FieldInfo(FIELD, "Record", "short_text"),
        FieldInfo("f2", "Kind", "labels", ("A", "B")),
    )
    assert [seen.path for seen in server.seen] == ["/list/901", "/list/901/field"]


def test_time_in_status_tells_since_when(scripted: Scripted) -> None:
    entry = {"current_status": {"status": "open", "total_time": {"by_minute": 5, "since": str(MS)}}}
    nameless = {"current_status": {"status": None, "total_time": {"by_minute": 5, "since": str(MS)}}}
    timeless = {"current_status": {"status": "open", "total_time": {"since": "soon"}}}
    odd = {"86b": {"current_status": None}, "86c": nameless, "86d": timeless, "86e": []}
    tasks, server = scripted(Reply(200, {**odd, "86a": entry}))
    assert tasks.time_in_status(["86a", "86b", "86c"]) == {"86a": TimeInStatus("open", MS)}
    assert server.seen[0].query == [("task_ids", "86a"), ("task_ids", "86b"), ("task_ids", "86c")]
    assert tasks.time_in_status([]) == {}
    with pytest.raises(ValueError, match="at most 100"):
        tasks.time_in_status(["86a"] * 101)


# --- against the stand-in


def test_walks_over_the_stand_in_find_every_task_that_can_be_listed(stand_in: StandIn) -> None:
    tasks, sandbox = stand_in
    made = []
    for number in range(320):
        made.append(sandbox.clickup.add_task(f"t{number}", status="complete" if number % 3 else "to do"))
        sandbox.clock.advance(0.01 if number % 2 else 0)
    sandbox.clickup.make_subtask(made[5], made[6])
    sandbox.clickup.archive(made[7])
    sandbox.clickup.delete(made[8])
    seen = ids(list(tasks.walk("created", 0)))
    assert sorted(seen) == sorted(set(made) - {made[7], made[8]})
    assert ids(list(tasks.walk("created", 0, archived=True))) == [made[7]]
    assert sorted(ids(list(tasks.walk("updated", 0)))) == sorted(seen)
    since = int(sandbox.clock.time() * 1000)
    sandbox.clock.advance(5)
    sandbox.clickup.set_status(made[0], "in progress")
    (page,) = tasks.walk("updated", since)
    assert made[0] in ids([page])


def test_a_task_through_its_life(stand_in: StandIn) -> None:
    tasks, sandbox = stand_in
    made = tasks.create(name="Ada", description="", status="To Do", marker="rec1")
    assert (made.marker, made.status, made.description) == ("rec1", "to do", "")
    assert tasks.update(made.id, description="x", status="complete", name="Ada L.").description == "x"
    assert tasks.update(made.id, description="").description == ""
    tasks.set_marker(made.id, "rec2")
    assert tasks.task(made.id).marker == "rec2"
    assert [task.id for task in tasks.with_marker("rec2")] == [made.id]
    assert tasks.with_marker("rec1") == ()
    assert set(tasks.time_in_status([made.id])) == {made.id}
    sandbox.clickup.delete(made.id)
    with pytest.raises(NotFound) as caught:
        tasks.task(made.id)
    assert caught.value.code == "ITEM_013"
    with pytest.raises(NotFound) as caught:
        tasks.task("zzzzzzzzz")
    assert caught.value.code == "OAUTH_027"


# --- what refusals mean


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        *((401, f"OAUTH_{number:03d}", AuthError) for number in (18, 19, 21, 25, 77, 17)),
        (400, "OAUTH_017", AuthError),
        (401, "", AuthError),
        (401, "OAUTH_999", AuthError),
        *((401, f"OAUTH_{number:03d}", NotFound) for number in (23, 26, 27, *range(29, 46))),
        (401, "ACCESS_083", NotFound),
        (404, "ACCESS_999", NotFound),
        (404, "ITEM_013", NotFound),
        (404, "", NotFound),
        (400, "FIELD_033", QuotaSpent),
        (400, "TIS_027", InvalidRequest),
        (400, "CRTSK_001", InvalidRequest),
        (403, "FIELD_220", InvalidRequest),
        (429, "APP_002", RateLimited),
        (429, "", RateLimited),
        (500, "ITEMV2_003", ServiceError),
        (504, "", ServiceError),
    ],
)
def test_what_a_refusal_means(status: int, code: str, kind: type[ApiError]) -> None:
    verdict = clickup.explain(status, {"err": "because", "ECODE": code} if code else None)
    assert verdict.kind is kind
    assert verdict.code == code
    assert verdict.message == ("because" if code else "")
    if kind in (AuthError, NotFound, QuotaSpent):
        assert verdict.hint


@pytest.mark.parametrize("body", [[], "no", {"err": None, "ECODE": 7}, {"err": {"a": 1}, "ECODE": None}])
def test_a_refusal_of_any_shape_is_read(body: Any) -> None:
    assert clickup.explain(400, body)[:3] == (InvalidRequest, "", "")
