"""The loop that comes to mind first, for comparison: one pass over both sides, then it ends.

It reads the first page of leads and sends one update for each, needed or not, or a create and a write-back where the
lead names no task; then it reads the first page of tasks and writes back each status that its lead does not have. It
remembers nothing, does not pace itself, and sleeps when it is refused.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import requests

TO_TASK = {"NEW": "to do", "CONTACTED": "in progress", "QUALIFIED": "complete", "LOST": "complete"}
TO_LEAD = {"in progress": "CONTACTED", "complete": "QUALIFIED"}
SLEEP = {"airtable": 30, "clickup": 60}


class Loop:
    """One pass, with the settings that the program itself takes from the environment."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._field = settings["CLICKUP_CUSTOM_FIELD_ID"]
        self._table = f"{settings['AIRTABLE_API_URL']}/{settings['AIRTABLE_BASE_ID']}/{settings['AIRTABLE_TABLE_NAME']}"
        self._clickup = settings["CLICKUP_API_URL"]
        self._list = f"{self._clickup}/list/{settings['CLICKUP_LIST_ID']}/task"
        self._tokens = {
            "airtable": f"Bearer {settings['AIRTABLE_API_KEY']}",
            "clickup": settings["CLICKUP_API_KEY"],
        }
        self._session = requests.Session()

    def run(self) -> None:
        """Leads to tasks, then tasks to leads."""
        statuses: dict[str, str] = {}
        for record in self._call("airtable", "GET", self._table)["records"]:
            cells = record["fields"]
            statuses[record["id"]] = cells["Status"]
            body: dict[str, Any] = {"name": cells["Name"], "status": TO_TASK[cells["Status"]]}
            if cells.get("ClickUp Task ID"):
                self._call("clickup", "PUT", f"{self._clickup}/task/{cells['ClickUp Task ID']}", body)
                continue
            body["custom_fields"] = [{"id": self._field, "value": record["id"]}]
            task = self._call("clickup", "POST", self._list, body)
            self._patch(record["id"], {"ClickUp Task ID": task["id"]})
        for task in self._call("clickup", "GET", f"{self._list}?include_closed=true")["tasks"]:
            status = task["status"]["status"]
            markers = [each.get("value") for each in task["custom_fields"] if each["id"] == self._field]
            record_id = str(markers[0]) if markers else ""
            if record_id in statuses and TO_TASK[statuses[record_id]] != status and status in TO_LEAD:
                self._patch(record_id, {"Status": TO_LEAD[status]})

    def _patch(self, record_id: str, fields: dict[str, str]) -> None:
        self._call("airtable", "PATCH", f"{self._table}/{record_id}", {"fields": fields})

    def _call(self, service: str, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
        while True:
            answer = self._session.request(
                method, url, json=body, headers={"Authorization": self._tokens[service]}, timeout=60
            )
            if answer.status_code != 429:
                answer.raise_for_status()
                return answer.json()
            time.sleep(SLEEP[service])


if __name__ == "__main__":
    Loop(dict(os.environ)).run()
    sys.exit(0)
