"""Two recorded conversations with Airtable, asked again in order: each answer is the recorded one.

They show more than single answers do: what a write leaves behind for the next reading, that a refused batch leaves
nothing behind, not even a gap in the autonumbers, and in which order a listing comes.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.airtable.service import Airtable
from sandbox.airtable.switches import AirtableSwitches
from sandbox.server import Sandbox
from sandbox.wire import Clock
from tests.recordings import Comparison, Exchange, Sheet, ask, exchange, read, rebuild

CONVERSATIONS = (
    "airtable-conversation-grouparoo-no-meta-access.json",
    "airtable-conversation-grouparoo-with-meta-access.json",
)
# Until 2022 the keys of a record, and of its cells, came in another order.
EXPECTED = re.compile(r"((records\[\])?|(records\[\]\.)?fields): order of keys")
ID = re.compile(r"rec[0-9A-Za-z]{14}")


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_each_answer_of_a_recorded_conversation_comes_again(name: str) -> None:
    exchanges = [exchange(entry) for entry in read(name)["exchanges"]]
    with Sandbox(clickup_limit=0) as sandbox:
        clock = Clock(exchanges[0].date)
        airtable = sandbox.airtable = Airtable(clock, limit=0, switches=AirtableSwitches(missing="2022"))
        _base(airtable, exchanges)
        ids: dict[str, str] = {}
        for number, asked in enumerate(exchanges):
            clock.advance(asked.date - clock.time())
            got = ask(sandbox.address, airtable.token, _translated(asked, ids))
            comparison = Comparison(ids, new_ids=asked.method == "POST")
            comparison.status(asked.status, got.status_code)
            _compare(comparison, asked.answer, got.json(), ids)
            found = {one for one in comparison.found if not EXPECTED.fullmatch(one)}
            assert found == set(), (number, asked.method, asked.path, asked.query, asked.body)
        assert len(ids) == len({match[0] for match in ID.finditer(repr([one.answer for one in exchanges]))})


def _compare(comparison: Comparison, recorded: Any, ours: Any, ids: Mapping[str, str]) -> None:
    """Ids are made by chance, and a listing comes in their order: the recorded records, in the order of ours."""
    several = isinstance(recorded, dict) and len(recorded.get("records", [])) > 1 and not comparison.new_ids
    if several and "fields" in recorded["records"][0]:
        if [one["id"] for one in recorded["records"]] == sorted(one["id"] for one in recorded["records"]):
            assert [one["id"] for one in ours["records"]] == sorted(one["id"] for one in ours["records"])
        order = {ids[record["id"]]: record for record in recorded["records"]}
        recorded = {**recorded, "records": [order[record["id"]] for record in ours["records"]]}
    comparison.value(recorded, ours)


def _translated(asked: Exchange, ids: Mapping[str, str]) -> Exchange:
    def ours(text: str) -> str:
        return ID.sub(lambda match: ids.get(match[0], match[0]), text)

    return dataclasses.replace(
        asked,
        path=ours(asked.path),
        query=tuple((key, ours(value)) for key, value in asked.query),
        body=json.loads(ours(json.dumps(asked.body))),
    )


def _base(airtable: Airtable, exchanges: list[Exchange]) -> None:
    """One empty table, which is asked for by its id and by its name, with every column that shows up."""
    written = [record for asked in exchanges if asked.body for record in asked.body["records"]]
    shown = [record for asked in exchanges for record in asked.answer.get("records", []) if "fields" in record]
    samples = [record["fields"] for record in (*shown, *written)]
    named = {asked.parts[1] for asked in exchanges}
    table_id = next(one for one in named if one.startswith("tbl"))
    table_name = next((one for one in named if not one.startswith("tbl")), "Empty")
    rebuild(airtable, exchanges[0].parts[0], [Sheet(table_name, id=table_id, order=["Name"], samples=samples)])
    table = airtable.leads
    table._serial = min(sample["f_autoNumber"] for sample in samples if sample.get("f_autoNumber", 40) != 40) - 1

    def formula(cells: Mapping[str, Any]) -> str:
        """This base's formula is a record's name and its autonumber; no two records bear one name at a time."""
        name = table.field("Name")
        assert name is not None
        (row,) = (row for row in table.rows.values() if row.cells[name.id] == cells["Name"])
        return f"{cells['Name']}{row.serial}"

    column = table.field("f_formula")
    assert column is not None
    column.value = formula
