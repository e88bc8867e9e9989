"""Both services as the stand-in plays them, and the program run against them through its front door."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import main
from sandbox.server import Sandbox
from sandbox.wire import Clock

TOP = Path(__file__).resolve().parent.parent
START = 1_790_000_000.0
# `make processes` runs the decision tables with a process for each run, as cron does.
BY_PROCESS = bool(os.environ.get("RUNS_AS_PROCESSES"))
STATUS_MAP = {"NEW": "to do", "CONTACTED": "in progress", "QUALIFIED": "complete", "LOST": "complete"}


@dataclass(frozen=True)
class Run:
    """What one run said: its exit code, its JSON report, what it wrote to stderr, and what it sent."""

    code: int
    report: dict[str, Any]
    messages: str
    requests: list[str]
    writes: list[str]

    def reasons(self) -> dict[str, str]:
        """Why records failed, by record id."""
        return {failure["record_id"]: failure["error"] for failure in self.report["failed"]}

    def told(self, record_id: str) -> str:
        """Every notice about a record."""
        return "; ".join(notice["text"] for notice in self.report["notices"] if notice["record_id"] == record_id)


class Scene:
    """A table, a List, and one state file.

    The clock stands still and is the program's own as well, so that waiting takes no time. `later` moves it on.
    """

    def __init__(self, folder: Path, *, clock: Clock | None = None, **sandbox: Any) -> None:
        self.clock = clock or Clock(START)
        self.sandbox = Sandbox(clock=self.clock, **sandbox)
        self.airtable = self.sandbox.airtable
        self.clickup = self.sandbox.clickup
        self.folder = folder
        self.state_file = folder / "state.sqlite3"
        self.settings = {**self.sandbox.settings(), "SYNC_STATE_FILE": str(self.state_file)}
        if BY_PROCESS:
            # The program waits by the machine's clock then, and this one stands still.
            self.airtable.limit = self.clickup.limit = 0
            self.settings["SYNC_CREATE_DOUBT_SECONDS"] = "2"

    def close(self) -> None:
        """Stop the stand-in. Fails if the program sent anything that a service would not know."""
        self.sandbox.close()
        if self.sandbox.complaints:
            raise AssertionError(self.sandbox.complaints)

    # --- running

    def run(self, *flags: str, **settings: str) -> Run:
        """One run in this process, on the standing clock."""
        if BY_PROCESS:
            return self.process(*flags, **settings)
        before = len(self.sandbox.log)
        out, err = io.StringIO(), io.StringIO()
        environ = {**self.settings, **settings}
        code = main.main(["--json", *flags], environ, clock=self.clock, stdout=out, stderr=err)
        return self._said(code, out.getvalue(), err.getvalue(), before)

    def process(self, *flags: str, **settings: str) -> Run:
        """One run as a process of its own, on the machine's clock."""
        before = len(self.sandbox.log)
        done = subprocess.run(
            [sys.executable, "-m", "main", "--json", *flags],
            cwd=self.folder,
            env={**self.environ(), **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return self._said(done.returncode, done.stdout, done.stderr, before)

    def environ(self) -> dict[str, str]:
        """The environment of a process of its own, which is not to run where somebody's `.env` may lie."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return {**kept, "PYTHONPATH": str(TOP), **self.settings}

    def _said(self, code: int, out: str, err: str, before: int) -> Run:
        log = self.sandbox.log[before:]
        sent = [f"{each.service} {each.route}" for each in log]
        writes = [
            f"{each.service} {each.route}" for each in log if each.method != "GET" and each.route != "list_records_post"
        ]
        return Run(code, json.loads(out) if out else {}, err, sent, writes)

    def quiet(self, *flags: str, **settings: str) -> Run:
        """A run that must find nothing to write."""
        self.later()
        run = self.run(*flags, **settings)
        assert run.writes == [], run.writes
        return run

    def later(self, seconds: float = 300) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    # --- people at work

    def lead(self, status: str | None = "NEW", name: str = "Ada Example", **fields: Any) -> str:
        """A new lead."""
        cells = {"Name": name, "Status": status, **fields}
        return self.airtable.add_record({key: value for key, value in cells.items() if value is not None})

    def pair(self, status: str | None = "NEW", **fields: Any) -> tuple[str, str]:
        """A new lead and its task, synced and left in peace for a while."""
        lead = self.lead(status, **fields)
        run = self.run()
        assert run.code == 0, (run.report, run.messages)
        self.later()
        return lead, self.named_by(lead)

    def edit(self, lead: str, **fields: Any) -> None:
        """A person edits a lead."""
        self.airtable.edit(lead, {name.replace("_", " "): value for name, value in fields.items()})

    def set_cell(self, lead: str, value: Any) -> None:
        """A person types into the lead's Task ID cell."""
        self.airtable.edit(lead, {"ClickUp Task ID": value})

    # --- looking

    def cell(self, lead: str, field: str) -> Any:
        """What a lead's cell shows; None if it is empty."""
        record = self.airtable.record(lead)
        assert record is not None, lead
        return record.get(field)

    def named_by(self, lead: str) -> str:
        """The task that a lead names."""
        return str(self.cell(lead, "ClickUp Task ID") or "")

    def status(self, lead: str) -> Any:
        """The lead's status."""
        return self.cell(lead, "Status")

    def task_status(self, task: str) -> str:
        """The task's status."""
        return str(self.clickup.task(task)["status"])

    def assert_linked(self, lead: str, task: str) -> None:
        """The lead has exactly one task, and each names the other."""
        assert self.named_by(lead) == task
        assert self.clickup.by_marker(lead) == [task]

    def assert_in_step(self) -> None:
        """Every lead with a mapped status has exactly one task, each names the other, and the statuses agree."""
        for lead, fields in self.airtable.records().items():
            if fields.get("Status") not in STATUS_MAP:
                continue
            task = fields.get("ClickUp Task ID")
            assert self.clickup.by_marker(lead) == [task], (lead, fields, self.clickup.by_marker(lead))
            assert self.task_status(str(task)).lower() == STATUS_MAP[fields["Status"]], (lead, fields)
