"""What the sync sends, to the letter: every request of a fixed story, beside tests/golden/requests.txt.

A change of the wire shows there and is looked at as such. `make golden` writes the list anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

from sandbox.server import Logged
from tests.scene import TOP, Scene

GOLDEN = TOP / "tests" / "golden" / "requests.txt"
LIST_RECORDS = "https://airtable.com/developers/web/api/list-records"
TASKS = "https://developer.clickup.com/reference/gettasks"
# For each kind of request the public page of the facts that it relies on.
SOURCES = {
    "airtable schema": "https://airtable.com/developers/web/api/get-base-schema",
    "airtable list_records_post": f"{LIST_RECORDS} (as POST: https://support.airtable.com/docs/"
    "enforcement-of-url-length-limit-for-web-api-requests; formulas: "
    "https://support.airtable.com/docs/formula-field-reference)",
    "airtable update_records": "https://airtable.com/developers/web/api/update-multiple-records",
    "clickup list": "https://developer.clickup.com/reference/getlist",
    "clickup fields": "https://developer.clickup.com/reference/getaccessiblecustomfields",
    "clickup list_tasks": f"{TASKS} (custom_fields: https://developer.clickup.com/docs/taskfilters)",
    "clickup get_task": "https://developer.clickup.com/reference/gettask",
    "clickup create_task": "https://developer.clickup.com/reference/createtask",
    "clickup update_task": "https://developer.clickup.com/reference/updatetask",
    "clickup set_field": "https://developer.clickup.com/reference/setcustomfieldvalue",
    "clickup bulk_time_in_status": "https://developer.clickup.com/reference/getbulktasksstatus",
}


class Story:
    """Chapters of a sync's life, each with the requests of its runs. Only one lead a chapter is new, so that nothing
    is sent side by side and the order is fixed."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene(folder, clickup_limit=1000)
        self.names: dict[str, str] = {
            self.scene.airtable.base_id: "<base>",
            self.scene.airtable.table_id: "<table>",
            self.scene.clickup.list_id: "<list>",
            self.scene.clickup.field_id: "<field>",
        }
        self.kinds: set[str] = set()
        self.lines: list[str] = []

    def chapter(self, title: str, *flags: str, code: int = 0, **settings: str) -> None:
        """One run, five minutes after what came before."""
        self.scene.later()
        before = len(self.scene.sandbox.log)
        run = self.scene.run(*flags, **settings)
        assert run.code == code, (title, run.report, run.messages)
        self._name_all()
        self.lines += ["", f"== {title}"]
        for reading, several in groupby(self.scene.sandbox.log[before:], _is_reading):
            sent = list(several)
            if reading:
                # Both sides are read at the same time: which request comes first is chance.
                sent.sort(key=lambda logged: logged.service)
            self.lines += [self._line(logged) for logged in sent]

    def _name_all(self) -> None:
        for lead, fields in self.scene.airtable.records().items():
            self.names.setdefault(lead, f"<lead {len(self._named('lead')) + 1}: {fields.get('Name')}>")
        for task in self.scene.clickup.tasks():
            self.names.setdefault(task, f"<task {len(self._named('task')) + 1}>")

    def _named(self, kind: str) -> list[str]:
        return [name for name in self.names.values() if name.startswith(f"<{kind} ")]

    def _line(self, logged: Logged) -> str:
        kind = f"{logged.service} {logged.route}"
        self.kinds.add(kind)
        query = "&".join(f"{key}={value}" for key, value in logged.query)
        path = unquote(logged.path) + (f"?{query}" if query else "")
        body = json.dumps(logged.body, ensure_ascii=False) if logged.raw else ""
        return self._anonymous(f"{logged.method} {path} {body}".rstrip())

    def _anonymous(self, line: str) -> str:
        for known, name in self.names.items():
            line = line.replace(known, name)
        line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", line)
        return re.sub(r"(?<=_gt=)\d{13}", "<milliseconds>", line)


def _is_reading(logged: Logged) -> bool:
    return logged.method == "GET" or logged.route == "list_records_post"


def _story(folder: Path) -> Iterator[str]:
    story = Story(folder)
    scene = story.scene
    lead = scene.lead("NEW", "Ada", Email="ada@example.com", Notes="first")
    story.chapter("the first run, one new lead")
    story.chapter("the run after it, which reads its own echo")
    story.chapter("a run with nothing to do")
    scene.edit(lead, Status="CONTACTED", Name="Ada Lovelace", Email="ada@example.org")
    story.chapter("status, name and details of the lead were edited")
    story.chapter("its echo")
    scene.clickup.set_status(scene.named_by(lead), "complete")
    story.chapter("the task was completed")
    story.chapter("its echo")
    scene.edit(lead, Status="CONTACTED")
    scene.clickup.set_status(scene.named_by(lead), "to do")
    story.chapter("both sides changed the status: Airtable stands")
    story.chapter("its echo")
    scene.airtable.duplicate(lead)
    story.chapter("the lead's row was copied")
    story.chapter("its echo")
    scene.lead("NEW", "Lost")
    scene.sandbox.faults.add("reset", service="clickup", route="create_task", when="after")
    story.chapter("the answer to a create is lost: its task is found by the marker")
    story.chapter("its echo")
    scene.lead("NEW", "Lost and hidden")
    scene.sandbox.faults.add("reset", service="clickup", route="create_task", when="after")
    scene.clickup.hide_new_for = 200
    story.chapter("the answer to a create is lost, and listings do not show its task yet", code=1)
    story.chapter("the next run finds it")
    story.chapter("its echo")
    scene.set_cell(lead, "")
    story.chapter("the task id was emptied by hand: it is written back")
    other = scene.clickup.add_task("by hand")
    linked = scene.lead("NEW", "Linked by hand")
    scene.set_cell(linked, other)
    story.chapter("a lead was linked to a task without a marker")
    scene.clickup.delete(other)
    story.chapter("a task was deleted, found by a full run", "--full", code=1)
    scene.airtable.delete(linked)
    for file in scene.folder.glob("state*"):
        file.unlink()
    story.chapter("the state was lost")
    story.chapter("a full run", "--full")
    story.chapter("one lead only", "--only", lead)
    story.chapter("a dry run", "--dry-run")
    story.chapter("the set-up is checked", "--check")
    story.chapter("new tasks for the leads of a view only", AIRTABLE_VIEW="Grid view")
    story.chapter("the run after it", AIRTABLE_VIEW="Grid view")
    scene.close()
    assert story.kinds <= set(SOURCES), story.kinds - set(SOURCES)
    yield "Every request of a fixed story, in order; ids and times are replaced by names. Written by `make golden`."
    yield ""
    yield "Sources of the facts that each kind of request relies on:"
    for kind in sorted(story.kinds):
        yield f"  {kind}: {SOURCES[kind]}"
    yield from story.lines


def test_the_sync_sends_what_it_sent_before(tmp_path: Path) -> None:
    sent = "\n".join(_story(tmp_path)) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(sent, encoding="utf-8")
    assert sent == GOLDEN.read_text(encoding="utf-8")
