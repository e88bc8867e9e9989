"""The order of a live test: look, ask, make, sync, probe, delete."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from clients.errors import AuthError, QuotaSpent
from clock import Clock
from config import Settings
from engine import Progress, check
from engine.reading import OVERLAP_SECONDS
from engine.setup import Setup
from errors import SafetyStop, SyncError
from live_test.facts import Findings
from live_test.ground import LEADS, PATIENCE_SECONDS, Broken, Ground, Made, MakeTools, new_stamp
from live_test.pair import Clearing, Survey, left_behind, survey
from live_test.probes_airtable import AirtableProbes
from live_test.probes_clickup import ClickUpProbes
from live_test.story import Story
from models import Failure, Notice, Outcome
from state import scratch_folder
from text import cut, visible

FIELD_USES = 5
_FIELD_USES_AT_MOST = 8
_HASTY_SECONDS = 5.0
_LISTED = 20


class LiveTest:
    """One live test: `look` first, show the `question`, then `run`. Nothing is written before `run`."""

    def __init__(
        self, settings: Settings, make_tools: MakeTools, clock: Clock, stop: threading.Event, say: Callable[[str], None]
    ) -> None:
        """`make_tools` gives tools that stop at the given event; `say` gets a line about what was made."""
        self._settings = dataclasses.replace(settings, view="", healthcheck_url="", time_budget_seconds=None)
        self._make_tools = make_tools
        self._clock = clock
        self._stop = stop
        self._say = say
        self._stamp = new_stamp(clock.time())
        self._made = Made()
        self._lead_spelling: Mapping[str, str] = {}
        self._survey = Survey(0, 0, {}, {})
        self._list_name = ""

    def look(self) -> Setup:
        """Examine the set-up, and whether this is a scratch pair; read-only. Raises ConfigError or SafetyStop."""
        with self._make_tools(self._stop) as tools:
            found = check(self._settings, tools)
            self._list_name = tools.clickup.list_info().name
            self._survey = survey(self._settings, tools)
        self._lead_spelling = found.lead_spelling(self._settings.status_map)
        return found

    def question(self) -> list[str]:
        """Exactly what will be done, and where, for a person to agree to."""
        found, settings = self._survey, self._settings
        table = f"'{_shown(settings.airtable_table_name)}' of base {settings.airtable_base_id}"
        place = f"'{_shown(self._list_name)}' ({settings.clickup_list_id})"
        uses = f"{FIELD_USES} uses of custom fields, {_FIELD_USES_AT_MOST} at most"
        lines = [
            "The live test is about to write to these, which must be scratch ones:",
            f"  Airtable table {table}: {LEADS} new leads, changed, then deleted",
            f"  ClickUp List {place}: {LEADS + 1} new tasks, changed, then deleted",
            f"  Every name begins with '{self._stamp}'. Automations that you have set up there will see them.",
            f"  It takes {uses}; the Free Forever plan has 60 in all, which never come back.",
            "  It sends about a hundred requests and takes a minute, or a few if synced tasks are there already, or if",
            "  ClickUp lists new ones late.",
            f"  What else is there is left alone: leads {found.strange_leads}, tasks {found.strange_tasks}.",
        ]
        for what, left in (("leads", found.left_leads), ("tasks", found.left_tasks)):
            if left:
                more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
                named = ", ".join(f"{each} ({_shown(name)})" for each, name in list(left.items())[:_LISTED])
                lines.append(f"  First it deletes {what} of an earlier live test: {named}{more}")
        return lines

    def run(self, progress: Progress) -> Outcome:
        """All of it. Whatever happens, what was made is deleted at the end, or named in the outcome."""
        findings, notices = Findings(), list[Notice]()
        ended: SyncError | None = None
        try:
            self._delete_leftovers()
            with self._make_tools(self._stop) as tools, scratch_folder("live-test-") as folder:
                ground = Ground(self._settings, tools, self._stamp, self._made, self._say, findings, notices)
                self._play(ground, Path(folder), progress)
        except SyncError as error:
            ended = error
        finally:
            left = self._clear()
        return Outcome(
            False,
            failed=(*findings.failures(), *left),
            notices=tuple(dict.fromkeys(notices)),
            findings=findings.all(),
            stopped="" if ended is None else f"{ended} ({ended.hint})" if ended.hint else str(ended),
            needs_person=isinstance(ended, AuthError | QuotaSpent | SafetyStop),
        )

    def left(self) -> tuple[Failure, ...]:
        """What has been made and not been deleted by now; for the one who has to end without waiting."""
        return left_behind(self._made)

    def _delete_leftovers(self) -> None:
        leftovers = Made(leads=dict(self._survey.left_leads), tasks=dict(self._survey.left_tasks))
        if not leftovers.leads and not leftovers.tasks:
            return
        with self._make_tools(self._stop) as tools:
            clearing = Clearing(self._settings, tools, leftovers, lambda _: False, 0.0)
            clearing.run()
        if clearing.left():
            raise Broken("; ".join(failure.error for failure in clearing.left()), "delete them by hand")

    def _play(self, ground: Ground, folder: Path, progress: Progress) -> None:
        story = Story(ground, folder, progress)
        clickup_probes = ClickUpProbes(ground)
        try:
            story.begin(self._lead_spelling)
            clickup_probes.create()
            story.go_on()
            airtable_probes = AirtableProbes(ground, story.leads)
            airtable_probes.run()
            clickup_probes.run(story.tasks)
            clickup_probes.end()
            airtable_probes.end()
        finally:
            _tell_lags(ground)

    def _clear(self) -> tuple[Failure, ...]:
        """Delete everything of this test, also what only a listing knows, with tools that no signal stops."""
        patience = _HASTY_SECONDS if self._stop.is_set() else max(PATIENCE_SECONDS, self._settings.create_doubt_seconds)
        self._say("deleting what the live test made")
        with self._make_tools(threading.Event()) as tools:
            clearing = Clearing(self._settings, tools, self._made, lambda name: name.startswith(self._stamp), patience)
            clearing.run()
            return clearing.left()


def _tell_lags(ground: Ground) -> None:
    """The longest time until a reading showed a write, as far as any was written."""
    for key, seconds in ground.lag.items():
        if seconds == 0:
            ground.findings.ok(key, "at once, each time")
        elif seconds < OVERLAP_SECONDS:
            ground.findings.differs(key, f"after {seconds:.0f} s at the latest")
            service = "Airtable" if key == "airtable_lag" else "ClickUp"
            text = f"{service} shows writes late: a run may not see what is typed in the {seconds:.0f} s before it"
            ground.notices.append(Notice("", "", text))
        else:
            ground.findings.failed(key, f"after {seconds:.0f} s, and a run reads the last {OVERLAP_SECONDS} s again")


def _shown(text: str) -> str:
    return cut(visible(text), 60)
