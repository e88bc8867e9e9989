"""What the sync sends, to the letter: every request of a fixed story, beside tests/golden/requests.txt.

A change of the wire shows there and is looked at as such. `make golden` writes the list anew. Each line begins with the
signs of its sources, which the head of the list explains.
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
BY_POST = "https://support.airtable.com/docs/enforcement-of-url-length-limit-for-web-api-requests"
REFERENCE = "https://developer.clickup.com/reference"
FORMULAS = "https://support.airtable.com/docs/formula-field-reference"
# For each kind of request the sign that marks its lines, and the public page of the facts that it relies on.
SOURCES = {
    "airtable schema": ("A1", "https://airtable.com/developers/web/api/get-base-schema"),
    "airtable list_records_post": (
        "A2",
        f"https://airtable.com/developers/web/api/list-records (as POST: {BY_POST})",
    ),
    "airtable update_records": ("A3", "https://airtable.com/developers/web/api/update-multiple-records"),
    "clickup list": ("C1", f"{REFERENCE}/getlist"),
    "clickup fields": ("C2", f"{REFERENCE}/getaccessiblecustomfields"),
    "clickup list_tasks": ("C3", f"{REFERENCE}/gettasks"),
    "clickup get_task": ("C4", f"{REFERENCE}/gettask"),
    "clickup create_task": ("C5", f"{REFERENCE}/createtask"),
    "clickup update_task": ("C6", f"{REFERENCE}/updatetask"),
    "clickup set_field": ("C7", f"{REFERENCE}/setcustomfieldvalue"),
    "clickup bulk_time_in_status": ("C8", f"{REFERENCE}/getbulktasksstatus"),
}
# The same for what a request contains: the parts of an Airtable formula, and parameters with pages of their own.
PARTS = {
    "filter by custom field": ("C9", "https://developer.clickup.com/docs/taskfilters"),
    "{field}": ("F1", f"{FORMULAS} (a field by its name in braces)"),
    "LAST_MODIFIED_TIME()": ("F2", f"{FORMULAS} (of the whole record)"),
    "LAST_MODIFIED_TIME({field})": ("F3", f"{FORMULAS} (of one field)"),
    "CREATED_TIME": ("F4", FORMULAS),
    "IS_AFTER": ("F5", f"{FORMULAS} (strict)"),
    "IS_BEFORE": ("F6", f"{FORMULAS} (strict)"),
    "DATETIME_PARSE": ("F7", f"{FORMULAS} (a time in UTC with milliseconds)"),
    "RECORD_ID": ("F8", FORMULAS),
    "BLANK": ("F9", FORMULAS),
    "AND": ("F10", FORMULAS),
    "OR": ("F11", FORMULAS),
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
        self.parts: set[str] = set()
        self.lines: list[str] = []

    def chapter(self, title: str, *flags: str, code: int = 0, after: float = 300, **settings: str) -> None:
        """One run, so many seconds after what came before."""
        self.scene.later(after)
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
        parts = _parts(logged)
        self.kinds.add(kind)
        self.parts.update(parts)
        signs = " ".join([SOURCES[kind][0], *(sign for part, (sign, _) in PARTS.items() if part in parts)])
        query = "&".join(f"{key}={value}" for key, value in logged.query)
        path = unquote(logged.path) + (f"?{query}" if query else "")
        body = json.dumps(logged.body, ensure_ascii=False) if logged.raw else ""
        return self._anonymous(f"[{signs}] {logged.method} {path} {body}".rstrip())

    def _anonymous(self, line: str) -> str:
        for known, name in self.names.items():
            line = line.replace(known, name)
        line = re.sub(r"itr\w{14}/", "<iterator>/", line)
        line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", line)
        return re.sub(r"(?<=_gt=)\d{13}", "<milliseconds>", line)


def _parts(logged: Logged) -> set[str]:
    """What a request contains that has a source of its own."""
    formula = (logged.body or {}).get("filterByFormula", "")
    found = set(re.findall(r"[A-Z_]+(?=\()", formula))
    if "LAST_MODIFIED_TIME" in found:
        found.remove("LAST_MODIFIED_TIME")
        found |= {"LAST_MODIFIED_TIME()" for _ in re.findall(r"LAST_MODIFIED_TIME\(\)", formula)}
        found |= {"LAST_MODIFIED_TIME({field})" for _ in re.findall(r"LAST_MODIFIED_TIME\({", formula)}
    if "{" in formula:
        found.add("{field}")
    if "custom_fields" in dict(logged.query):
        found.add("filter by custom field")
    return found


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
    scene.lead("NEW", "Lost and hidden for long")
    scene.sandbox.faults.add("reset", service="clickup", route="create_task", when="after")
    story.chapter("the answer to a create is lost once more", code=1)
    story.chapter("a minute later: its task is asked for, archived or not, and is not shown yet", code=1, after=60)
    story.chapter("the next run finds it")
    story.chapter("its echo")
    scene.clickup.hide_new_for = 0
    scene.set_cell(lead, "")
    story.chapter("the task id was emptied by hand: it is written back")
    scene.clickup.set_status(scene.named_by(lead), "to do")
    story.chapter("the task was put back to a status without a way back: it is restored")
    story.chapter("its echo")
    scene.clickup.set_status(scene.named_by(lead), "complete")
    story.chapter("the task was completed again")
    scene.later(10)
    scene.edit(lead, Status="CONTACTED")
    story.chapter("the lead's status was changed ten seconds after a run had written it", after=20)
    story.chapter("its echo")
    other = scene.clickup.add_task("by hand")
    linked = scene.lead("NEW", "Linked by hand")
    scene.set_cell(linked, other)
    story.chapter("a lead was linked to a task without a marker")
    scene.clickup.delete(other)
    story.chapter("a task was deleted, found by a full run", "--full", code=1)
    scene.airtable.delete(linked)
    _lose_the_state(scene)
    story.chapter("the state was lost")
    scene.clickup.set_status(scene.named_by(lead), "complete")
    _lose_the_state(scene)
    story.chapter("the state was lost, and two statuses disagree")
    scene.lead("NEW", "New without a state")
    _lose_the_state(scene)
    story.chapter("the state was lost, and a lead is new: what a lost run may have created is waited for")
    story.chapter("its echo")
    story.chapter("a full run", "--full")
    story.chapter("one lead only", "--only", lead)
    story.chapter("a dry run", "--dry-run")
    story.chapter("the set-up is checked", "--check")
    story.chapter("new tasks for the leads of a view only", AIRTABLE_VIEW="Grid view")
    story.chapter("the run after it", AIRTABLE_VIEW="Grid view")
    scene.run()
    ten = _ten_pairs(scene)
    for each in ten:
        scene.clickup.set_status(scene.named_by(each), "in progress")
    story.chapter("ten tasks were begun: ten leads in one write")
    story.chapter("its echo")
    for each in ten:
        scene.clickup.set_status(scene.named_by(each), "complete")
    scene.sandbox.faults.before("update_records", lambda: _delete_if_there(scene, ten[4]))
    story.chapter("ten tasks were completed, and a lead is deleted before the write: each is sent by itself", code=1)
    scene.sandbox.faults.clear()
    scene.airtable.add_choice("ASIDE")
    for number in range(101):
        scene.lead("ASIDE", f"Row {number}")
        scene.clickup.add_task(f"Row {number}")
    story.chapter("more than a page of rows on both sides, the tasks all of one instant", IGNORED_STATUSES="ASIDE")
    scene.close()
    assert story.kinds == set(SOURCES), story.kinds ^ set(SOURCES)
    assert story.parts == set(PARTS), story.parts ^ set(PARTS)
    yield "Every request of a fixed story, in order; ids and times are replaced by names. Written by `make golden`."
    yield ""
    yield "The signs before each request stand for the sources of the facts that it relies on:"
    for what, (sign, source) in {**SOURCES, **PARTS}.items():
        yield f"  [{sign}] {what}: {source}"
    yield from story.lines


def _lose_the_state(scene: Scene) -> None:
    for file in scene.folder.glob("state*"):
        file.unlink()


def _delete_if_there(scene: Scene, lead: str) -> None:
    if scene.airtable.record(lead) is not None:
        scene.airtable.delete(lead)


def _ten_pairs(scene: Scene) -> list[str]:
    """Leads linked by hand to tasks with their markers, and known to the sync."""
    leads = [scene.lead("NEW", f"One of ten, {number}") for number in range(10)]
    for number, lead in enumerate(leads):
        scene.set_cell(lead, scene.clickup.add_task(f"One of ten, {number}", marker=lead))
    scene.later()
    assert scene.run().code == 0
    return leads


def test_the_sync_sends_what_it_sent_before(tmp_path: Path) -> None:
    sent = "\n".join(_story(tmp_path)) + "\n"
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(sent, encoding="utf-8")
    assert sent == GOLDEN.read_text(encoding="utf-8")
