"""The whole story on the built-in stand-in: no account, no network but loopback, nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import DEFAULTS
from sandbox.server import Sandbox
from state import scratch_folder
from status_map import parse

Say = Callable[[str], None]
Run = Callable[[Sequence[str]], tuple[int, str]]

_CLICKUP_A_MINUTE = 1000
_AIRTABLE_A_SECOND = 50
_COLUMN = 28
_NEW_NAME = "Tomás: ask again in spring"
_MAP = parse(DEFAULTS["STATUS_MAP"])

LEADS: tuple[Mapping[str, Any], ...] = (
    {"Name": "Niamh O'Brien", "Status": "NEW", "Email": "niamh@example.com", "Source": "Web", "Notes": "It's urgent."},
    {"Name": "Marta Nowak", "Status": "CONTACTED", "Email": "marta@example.com", "Source": "Fair"},
    {"Name": "Tomás Ibáñez", "Status": "LOST", "Email": "tomas@example.com", "Source": "Call"},
    {"Name": "Lena Vogt", "Status": "QUALIFIED", "Email": "lena@example.com", "Source": "Web"},
    {"Name": "Samir Haddad", "Status": "NEW", "Email": "samir@example.com", "Source": "Referral"},
    {"Name": "林 美咲", "Status": "NEW", "Email": "misaki@example.com", "Source": "展示会", "Notes": "午後に電話する"},
    {"Name": "Ольга Ветрова", "Status": "CONTACTED", "Email": "olga@example.com", "Notes": "Просит счёт"},
    {"Name": "ליאור גולן", "Status": "NEW", "Email": "lior@example.com", "Notes": "מעדיף אימייל"},
    {"Name": "رنا الخطيب", "Status": "QUALIFIED", "Email": "rana@example.com", "Source": "معرض"},
    {"Name": "आरव मेहरा", "Status": "NEW", "Email": "aarav@example.com", "Source": "वेब"},
    {"Name": "Ελένη Γαλάνη", "Status": "NEW", "Email": "eleni@example.com"},
    {"Name": "คุณ ปรียา", "Status": "CONTACTED", "Email": "priya@example.com"},
    {"Name": "김서연", "Status": "LOST", "Email": "seoyeon@example.com", "Source": "웹"},
    {"Name": 'Jo "The Closer" Weller', "Status": "NEW", "Email": "jo@example.com", "Notes": 'says "no"'},
    {"Name": "🦊 Fox & Sons 👩‍👩‍👧", "Status": "NEW", "Email": "fox@example.com", "Notes": "👍🏽 100 %"},
    {"Name": "<b>Bold</b> & Partners", "Status": "NEW", "Email": "bold@example.com", "Notes": "<script>hello</script>"},
    {"Name": "**Star** _Lines_ [link](https://example.com)", "Status": "NEW", "Email": "star@example.com"},
    {"Name": '=HYPERLINK("https://example.com";"x")', "Status": "NEW", "Notes": "=1+1"},
    {"Name": "Robert'); DROP TABLE Leads;--", "Status": "LOST", "Email": "robert@example.com"},
    {"Name": "{Status} \\ {{name}} %s $HOME", "Status": "NEW", "Email": "brace@example.com"},
    {"Name": "Anneliese " + "von Langenfeld-" * 12 + "Bergen", "Status": "CONTACTED", "Email": "long@example.com"},
    {"Name": "Writes a lot", "Status": "NEW", "Notes": "A sentence that comes again and again. " * 400},
    {"Name": "Two\nlines", "Status": "NEW", "Notes": "first line\nsecond line\n\n- a list\n\tand a tab"},
    {"Name": "Zoe\u0301 and Zoé", "Status": "QUALIFIED", "Email": "zoe@example.com", "Notes": "two ways to write é"},
    {"Status": "NEW", "Company": "A company without a name", "Email": "nameless@example.com"},
)


def play(say: Say, run: Run) -> int:
    """Tell the story; returns 0 if it went as told, else 1.

    `run` carries out one command line of the program and returns its exit code and what it said.
    """
    with (
        scratch_folder("airtable-clickup-sync-") as folder,
        Sandbox(clickup_limit=_CLICKUP_A_MINUTE, airtable_limit=_AIRTABLE_A_SECOND) as sandbox,
    ):
        return _Story(say, run, sandbox, Path(folder)).tell()


@dataclass(frozen=True)
class _Happening:
    """Somebody's lead and the two statuses of the pair, before people's work (None: it was not there) and after."""

    who: str
    lead: str
    before: tuple[str, str] | None
    after: tuple[str, str]


class _Story:
    def __init__(self, say: Say, run: Run, sandbox: Sandbox, folder: Path) -> None:
        self._say = say
        self._run = run
        self._airtable = sandbox.airtable
        self._clickup = sandbox.clickup
        self._report = folder / "report.json"
        self._env_file = folder / "demo.env"
        self._as_told = True
        settings = {
            **sandbox.settings(),
            "AIRTABLE_DETAIL_FIELDS": "Email,Source,Notes",
            "SYNC_STATE_FILE": str(folder / "state.sqlite3"),
        }
        self._env_file.touch(mode=0o600)
        self._env_file.write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()), encoding="utf-8")

    def tell(self) -> int:
        """The three syncs, and what people do in between."""
        leads = [self._airtable.add_record(lead) for lead in LEADS]
        self._say(f"A stand-in for Airtable and ClickUp runs on this machine. Its table holds {len(leads)} leads,")
        self._say("its List no task yet. All of it is made up, and gone when this ends.")
        self._first(leads)
        if self._as_told:
            happenings = self._people_at_work(leads)
            self._second(happenings)
        if self._as_told:
            self._third(happenings)
        self._say("")
        if not self._as_told:
            self._say("The story ends here, since it did not go as told. Please report it.")
            return 1
        self._say("All went as told. The README says how to set it up for your own base and List.")
        return 0

    # --- the story

    def _first(self, leads: Sequence[str]) -> None:
        self._title("1. The first sync: each lead gets a task")
        code, report = self._sync()
        self._expect(code == 0 and report["phase_1"]["created"] == len(leads), "every lead has got its task")
        self._expect(all(self._in_step(lead) for lead in leads), "lead and task name each other, their statuses agree")
        texts = {task["name"]: task["description"] for task in self._clickup.tasks().values()}
        self._expect(
            all(lead["Name"] in texts for lead in LEADS if "\n" not in lead.get("Name", "\n"))
            and all(any(lead["Notes"].strip() in text for text in texts.values()) for lead in LEADS if "Notes" in lead),
            "names and notes arrived letter by letter, in every script",
        )

    def _people_at_work(self, leads: Sequence[str]) -> list[_Happening]:
        """What happens on an ordinary day."""
        self._title("2. People go on working, on both sides")
        niamh, marta, tomas, lena, samir = leads[:5]
        before = {lead: self._statuses(lead) for lead in leads[:5]}
        self._say("  Niamh's lead goes from NEW to CONTACTED.")
        self._airtable.edit(niamh, {"Status": "CONTACTED"})
        self._say("  Marta's task is marked Complete.")
        self._clickup.set_status(self._task_of(marta), "complete")
        self._say("  Tomás is LOST; somebody renames his task all the same, and writes a note into it.")
        self._clickup.rename(self._task_of(tomas), _NEW_NAME)
        self._clickup.describe(self._task_of(tomas), "He may come back next year.")
        self._say("  Lena's row is duplicated in Airtable, Task ID and all: two leads name one task.")
        copy = self._airtable.duplicate(lena)
        self._say("  Samir's lead gets the status WAITING, which the status map does not know.")
        self._airtable.add_choice("WAITING")
        self._airtable.edit(samir, {"Status": "WAITING"})
        names = ("Niamh", "Marta", "Tomás", "Lena", "Lena's copy", "Samir")
        whose = zip(names, (niamh, marta, tomas, lena, copy, samir), strict=True)
        return [_Happening(who, lead, before.get(lead), self._statuses(lead)) for who, lead in whose]

    def _second(self, happenings: Sequence[_Happening]) -> None:
        self._title("3. The second sync: each change reaches the other side")
        niamh, marta, tomas, lena, copy, samir = (happening.lead for happening in happenings)
        lenas_task = self._task_of(lena)
        code, report = self._sync()
        self._say("")
        self._say(f"  {'lead | task: at first':{_COLUMN}}{'after people’s work':{_COLUMN}}after the sync")
        for each in happenings:
            at_first = " | ".join(each.before) if each.before else "(not there)"
            now = " | ".join(self._statuses(each.lead))
            self._say(f"  {at_first:{_COLUMN}}{' | '.join(each.after):{_COLUMN}}{now:{_COLUMN}}{each.who}")
        self._say("")
        self._expect(self._statuses(niamh) == ("CONTACTED", "in progress"), "Niamh's new status reached her task")
        self._expect(self._statuses(marta) == ("QUALIFIED", "complete"), "Marta, whose task is Complete, is QUALIFIED")
        renamed = self._clickup.task(self._task_of(tomas))["name"] == _NEW_NAME
        self._expect(
            renamed and self._statuses(tomas) == ("LOST", "complete"),
            "Tomás stays LOST, and his task keeps what people wrote",
        )
        self._expect(
            self._task_of(lena) == lenas_task and self._in_step(lena) and self._in_step(copy),
            "Lena keeps her task, and the copy of her row has got one of its own",
        )
        failed = [failure["record_id"] for failure in report["failed"]]
        self._expect(
            code == 1 and failed == [samir] and self._statuses(samir) == ("WAITING", "to do"),
            "Samir's unknown status is named, left alone, and stops nothing else; the exit code is 1",
        )

    def _third(self, happenings: Sequence[_Happening]) -> None:
        self._title("4. Samir is NEW again, and a third sync finds nothing to do")
        self._airtable.edit(happenings[-1].lead, {"Status": "NEW"})
        before = self._everything()
        code, report = self._sync()
        counts = [*report["phase_1"].values(), *report["phase_2"].values()]
        self._expect(code == 0 and not any(counts) and before == self._everything(), "nothing was written")
        self._expect(
            all(self._in_step(lead) for lead in self._airtable.records()), "every lead is in step with its task"
        )

    # --- telling

    def _title(self, text: str) -> None:
        self._say("")
        self._say(text)

    def _sync(self) -> tuple[int, dict[str, Any]]:
        """One sync of the program itself, its output shown."""
        self._say("  $ python -m main")
        code, said = self._run(["--env-file", str(self._env_file), "--report", str(self._report), "--no-color"])
        for line in said.splitlines():
            self._say(f"  | {line}")
        report: dict[str, Any] = json.loads(self._report.read_text(encoding="utf-8"))
        return code, report

    def _expect(self, came_true: bool, what: str) -> None:
        self._say(f"  {'ok' if came_true else 'NOT AS TOLD'}: {what}")
        self._as_told = self._as_told and came_true

    # --- looking

    def _everything(self) -> tuple[Any, Any]:
        return self._airtable.records(), self._clickup.tasks()

    def _cell(self, lead: str, field: str) -> str:
        return str((self._airtable.record(lead) or {}).get(field, ""))

    def _task_of(self, lead: str) -> str:
        return self._cell(lead, "ClickUp Task ID")

    def _statuses(self, lead: str) -> tuple[str, str]:
        return self._cell(lead, "Status"), str(self._clickup.task(self._task_of(lead))["status"])

    def _in_step(self, lead: str) -> bool:
        """Exactly one task bears the lead's id, the lead names it, and their statuses agree."""
        return self._clickup.by_marker(lead) == [self._task_of(lead)] and _MAP.agree(*self._statuses(lead))
