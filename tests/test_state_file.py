"""The state file lost, damaged, of another kind or another pair: a clear message or a rebuild, never a second task."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import sqlite3
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import state
from errors import StateError
from models import Link
from state import VERSION, Lock, State
from tests.campaign.damage import Cut, Damage, cases, play, play_cut
from tests.scene import Run, Scene

STATUSES = ("NEW", "CONTACTED", "QUALIFIED", "LOST")


def beside(scene: Scene, ending: str) -> Path:
    return scene.state_file.with_name(scene.state_file.name + ending)


def some_pairs(scene: Scene) -> list[str]:
    """Leads and their tasks, synced and left in peace."""
    leads = [scene.lead(status, f"Lead {status}") for status in STATUSES]
    assert scene.run().code == 0
    scene.later()
    return leads


def assert_refused(scene: Scene, run: Run, *words: str) -> None:
    """Nothing was written, a person is told what is the matter, and what to do."""
    assert (run.code, run.writes) == (3, [])
    for word in words:
        assert word in run.messages
    assert str(scene.state_file) in run.messages
    assert run.report["failed"][0]["hint"]


# --- lost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["business", "free"])
def test_with_the_state_lost_disagreeing_pairs_follow_the_table_and_are_named(scene: Scene, plan: str) -> None:
    """Without a base ClickUp stands where its status is provably the newer, which a free plan does not tell."""
    scene.clickup.plan = plan
    in_airtable, in_clickup, no_way_back, same = some_pairs(scene)
    scene.clickup.set_status(scene.named_by(in_clickup), "complete")
    scene.clickup.set_status(scene.named_by(no_way_back), "to do")
    scene.later()
    scene.edit(in_airtable, Status="CONTACTED")
    scene.state_file.unlink()
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 0)
    named = {conflict["record_id"]: conflict["winner"] for conflict in run.report["conflicts"]}
    winner = "clickup" if plan == "business" else "airtable"
    assert named == {in_airtable: "airtable", in_clickup: winner, no_way_back: "airtable"}
    assert scene.status(in_clickup) == ("QUALIFIED" if plan == "business" else "CONTACTED")
    assert scene.status(same) == "LOST"
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_with_the_state_lost_in_the_middle_of_a_backfill_no_task_is_made_twice(scene: Scene) -> None:
    for number in range(12):
        scene.lead("NEW", f"Lead {number}")
    scene.run("--limit", "5")
    scene.sandbox.faults.add("reset", when="after", route="create_task", number=2, times=3)
    scene.run("--limit", "5")
    scene.state_file.unlink()
    scene.later(5)
    for _ in range(3):
        scene.run()
        scene.later(150)
    assert scene.run().code == 0
    assert len(scene.clickup.tasks()) == 12
    scene.assert_in_step()


def test_with_the_state_lost_the_first_new_lead_waits_out_the_time_of_doubt_and_no_later_one_does(scene: Scene) -> None:
    """Whoever ran before may have died while a task was being made; once that is certain, nobody waits for it again."""
    some_pairs(scene)
    scene.state_file.unlink()
    first = scene.lead("NEW", "first after the loss")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert 120 <= run.report["seconds"] < 200
    scene.later()
    second = scene.lead("NEW", "second after the loss")
    run = scene.run()
    assert (run.code, run.report["phase_1"]["created"]) == (0, 1)
    assert run.report["seconds"] < 10
    for lead in (first, second):
        scene.assert_linked(lead, scene.named_by(lead))


@pytest.mark.parametrize("cure", ["delete", "force"])
def test_a_state_from_a_backup_is_told_and_what_disagrees_is_named(scene: Scene, cure: str) -> None:
    """Danger: the old file takes a status that a person has set back since for one that nobody has touched."""
    leads = some_pairs(scene)
    old = scene.state_file.read_bytes()
    later = scene.lead("NEW", "made after the backup")
    scene.edit(leads[0], Status="CONTACTED")
    assert scene.run().code == 0
    scene.later()
    scene.clickup.set_status(scene.named_by(leads[0]), "to do")
    scene.clickup.set_status(scene.named_by(leads[1]), "complete")
    scene.state_file.write_bytes(old)
    for flags in ((), ("--dry-run",), ("--check",), ("--explain", leads[0]), ()):
        assert_refused(scene, scene.run(*flags), "is older than the last run")
    if cure == "delete":
        scene.state_file.unlink()
    run = scene.run(*(["--force"] if cure == "force" else []))
    assert (run.code, run.report["phase_1"]["created"]) == (0, 0)
    named = {conflict["record_id"] for conflict in run.report["conflicts"]}
    assert named == {leads[0], leads[1]}
    scene.assert_linked(later, scene.named_by(later))
    scene.assert_in_step()
    assert scene.quiet().code == 0


@pytest.mark.parametrize("cure", ["delete", "force"])
def test_a_backup_put_in_the_place_of_a_killed_runs_state_is_told_though_that_runs_log_lies_beside_it(
    scene: Scene, cure: str
) -> None:
    """Danger: SQLite works the log into the old file, which then has the last run's turn, and old links."""
    leads = some_pairs(scene)
    old = scene.state_file.read_bytes()
    scene.edit(leads[0], Status="CONTACTED")
    assert scene.run().code == 0
    with contextlib.closing(sqlite3.connect(scene.state_file, isolation_level=None)) as reader:
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchall()  # its end would work the log in
        assert scene.run().code == 0
        log = beside(scene, "-wal").read_bytes()
    scene.state_file.write_bytes(old)
    beside(scene, "-wal").write_bytes(log)
    scene.later()
    scene.edit(leads[0], Status="NEW")
    for flags in ((), ("--dry-run",), ("--check",), ("--explain", leads[0]), ()):
        assert_refused(scene, scene.run(*flags), "is older than the last run")
    assert scene.run("--dry-run", "--force").code == 0
    if cure == "delete":
        scene.state_file.unlink()
    run = scene.run(*(["--force"] if cure == "force" else []))
    assert (run.code, run.report["phase_1"]["created"]) == (0, 0)
    assert {conflict["record_id"] for conflict in run.report["conflicts"]} == {leads[0]}
    scene.assert_in_step()
    assert scene.quiet().code == 0


def test_a_backup_of_exactly_the_run_before_is_told_beside_a_log_that_was_worked_in_in_mid_run(scene: Scene) -> None:
    """Danger: what the log holds since then fits no file but its own, and what is read is a mixture of two states."""
    leads = some_pairs(scene)
    old = scene.state_file.read_bytes()
    scene.edit(leads[0], Status="CONTACTED")
    other = sqlite3.connect(scene.state_file, isolation_level=None, check_same_thread=False)
    with contextlib.closing(other):

        def work_in() -> None:  # SQLite does it by itself after a thousand pages
            other.execute("PRAGMA wal_checkpoint(PASSIVE)")
            other.execute("BEGIN").execute("SELECT * FROM meta").fetchall()  # or the run's end would do it again

        scene.sandbox.faults.before("update_task", work_in)
        assert scene.run().code == 0
        log = beside(scene, "-wal").read_bytes()
    scene.state_file.write_bytes(old)
    beside(scene, "-wal").write_bytes(log)
    for flags in ((), ("--dry-run",), ("--explain", leads[0]), ()):
        assert_refused(scene, scene.run(*flags), "is older than the last run")


def test_a_look_while_one_run_ends_and_the_next_begins_finds_no_older_state(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: a dry run beside the cron job tells people to delete a sound state file."""
    some_pairs(scene)
    at_work = [State.open(scene.state_file)]
    in_file_alone = state._in_file_alone

    def meanwhile(path: Path) -> int | None:
        turn = in_file_alone(path)
        monkeypatch.undo()
        at_work[0].keep_values({"turn": "2"})
        at_work[0].close()
        at_work[0] = State.open(path)
        return turn

    monkeypatch.setattr(state, "_in_file_alone", meanwhile)
    State.copy(scene.state_file).close()
    at_work[0].close()


def test_a_file_of_sqlites_own_that_vanishes_as_another_run_ends_is_no_odd_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_pairs(scene)
    log = beside(scene, "-wal")
    log.touch()
    exists = Path.exists

    def deleted_behind_it(path: Path) -> bool:
        answer = exists(path)
        if path == log:
            log.unlink(missing_ok=True)
        return answer

    monkeypatch.setattr(Path, "exists", deleted_behind_it)
    assert scene.run().code == 0


def test_what_the_state_has_forgotten_is_not_in_the_file_whatever_sqlite_was_built_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Danger: a run dies while its log is worked in, and an old turn is read in a page that the new root points to."""
    connect = state._connect

    def built_otherwise(path: Path | str) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA secure_delete=OFF")
        return connection

    monkeypatch.setattr(state, "_connect", built_otherwise)
    path = tmp_path / "state.sqlite3"
    with contextlib.closing(State.open(path)) as file:
        file.keep_values({"told": "SECRETLY" * 2000})
    assert b"SECRETLY" in path.read_bytes()
    with contextlib.closing(State.open(path)) as file:
        file.keep_values({"told": None})
    assert b"SECRETLY" not in path.read_bytes()


def test_a_reader_that_never_lets_the_log_be_worked_in_and_dies_makes_no_older_state(
    scene: Scene, tmp_path: Path
) -> None:
    """Danger: somebody has the state open for days; the file alone is many runs behind, and counts as a backup."""
    leads = some_pairs(scene)
    left = tmp_path / "left"
    left.mkdir()
    with contextlib.closing(sqlite3.connect(scene.state_file, isolation_level=None)) as reader:
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchall()
        for status in ("CONTACTED", "NEW", "CONTACTED", "NEW"):
            scene.edit(leads[0], Status=status)
            assert scene.run().code == 0
            scene.later()
        for ending in ("", "-wal", ".lock"):
            shutil.copy(beside(scene, ending), left / f"state.sqlite3{ending}")
    settings = {"SYNC_STATE_FILE": str(left / "state.sqlite3")}
    assert scene.run("--dry-run", **settings).code == 0
    for _ in range(2):
        assert scene.run(**settings).code == 0


def test_a_run_that_dies_between_its_turn_in_the_state_and_in_the_lock_leaves_no_older_state(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_pairs(scene)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Lock, "keep_turn", die)
            with pytest.raises(KeyboardInterrupt):
                scene.run()
    assert scene.run().code == 0


def test_force_on_a_linked_state_file_leaves_the_link(scene: Scene) -> None:
    """Danger: the next run comes to another file by the same path, and takes another lock."""
    (scene.folder / "real").mkdir()
    real = scene.folder / "real" / "kept.sqlite3"
    scene.state_file.symlink_to(real)
    some_pairs(scene)
    scene.run("--force", CLICKUP_LIST_ID=scene.clickup.second_list_id)
    assert scene.state_file.is_symlink()
    assert real.exists()
    assert list(real.parent.glob("*.old"))


class Full:
    """A connection to the lock on a disk that has no room for a COMMIT."""

    def __init__(self, held: sqlite3.Connection) -> None:
        self.held = held

    def execute(self, statement: str) -> Any:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self.held.execute(statement)

    def close(self) -> None:
        self.held.close()


def test_a_lock_that_cannot_be_written_is_told_as_such_and_force_sets_nothing_aside(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_pairs(scene)
    held = state._held_exclusively
    monkeypatch.setattr(state, "_held_exclusively", lambda path: Full(held(path)))
    for flags in ((), ("--force",)):
        run = scene.run(*flags)
        assert_refused(scene, run, f"{beside(scene, '.lock')}: database or disk is full", "free space")
    assert list(scene.folder.glob("*.old")) == []
    monkeypatch.undo()
    assert scene.run().code == 0


def test_force_takes_the_place_of_no_other_file(scene: Scene) -> None:
    some_pairs(scene)
    other = {"CLICKUP_LIST_ID": scene.clickup.second_list_id}
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(scene.clock.time()))
    taken = beside(scene, f".{moment}.old")
    taken.write_text("mine")
    assert_refused(scene, scene.run("--force", **other), "cannot be set aside", str(taken))
    assert taken.read_text() == "mine"
    assert scene.run().code == 0


def test_who_only_looks_at_the_lock_keeps_no_run_from_its_work(scene: Scene) -> None:
    some_pairs(scene)
    reader = sqlite3.connect(beside(scene, ".lock"), check_same_thread=False, isolation_level=None)
    reader.execute("BEGIN").execute("SELECT * FROM sqlite_master").fetchall()
    threading.Timer(0.05, reader.close).start()
    assert scene.run().code == 0


def test_one_changed_bit_of_the_lock_is_told_or_does_no_harm(scene: Scene) -> None:
    """Danger: a count that is too high makes every state look like one from a backup."""
    lead, *_ = some_pairs(scene)
    good = beside(scene, ".lock").read_bytes()
    for place in [*range(16, 28), *range(56, 76)]:  # the numbers of SQLite's header, those of the turn among them
        changed = bytearray(good)
        changed[place] ^= 1 << place % 8
        beside(scene, ".lock").write_bytes(changed)
        run = scene.run()
        assert run.code in (0, 3), (place, run.messages)
        assert run.code == 0 or ".lock" in run.messages, (place, run.messages)
        assert "backup" not in run.messages
    beside(scene, ".lock").unlink()
    scene.later()
    assert scene.run().code == 0
    scene.assert_linked(lead, scene.named_by(lead))


# --- damaged ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", list(cases(24, 11)), ids=str)
def test_a_damaged_state_is_told_or_does_no_harm(tmp_path: Path, damage: Damage) -> None:
    play(damage, tmp_path)


@pytest.mark.parametrize("cut", [Cut("mixed", 9), Cut("mixed", 48), Cut("first", 23)], ids=str)
def test_what_a_killed_run_left_may_be_cut_anywhere(tmp_path: Path, cut: Cut) -> None:
    """Danger: what the dead run announced is gone as well, and its creates are sent once more."""
    play_cut(cut, tmp_path)


@pytest.mark.parametrize("flags", [("--dry-run",), ("--check",), ("--full",), ("--force",)])
def test_a_damaged_state_is_told_whatever_is_asked_for(scene: Scene, flags: tuple[str, ...]) -> None:
    some_pairs(scene)
    content = scene.state_file.read_bytes()
    scene.state_file.write_bytes(content[: len(content) // 2])
    assert_refused(scene, scene.run(*flags), "is damaged", "move the file away")


def test_a_watermark_with_one_bit_changed_hides_no_edit(scene: Scene) -> None:
    """SQLite sees nothing wrong in it: the text is as good as any other."""
    leads = some_pairs(scene)
    for name in ("airtable_watermark", "clickup_watermark", "last_full", "settings", "setup", "binding"):
        with sqlite3.connect(scene.state_file) as file:
            ((good,),) = file.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchall()
            file.execute(
                "UPDATE meta SET value = ? WHERE name = ?", (f"{good[:-6]}{chr(ord(good[-6]) ^ 2)}{good[-5:]}", name)
            )
        file.close()
        scene.edit(leads[0], Notes=name)
        assert_refused(scene, scene.run(), "is damaged")
        with sqlite3.connect(scene.state_file) as file:
            file.execute("UPDATE meta SET value = ? WHERE name = ?", (good, name))
        file.close()
    assert scene.run().code == 0


def test_what_a_killed_run_left_beside_a_damaged_state_does_no_harm(scene: Scene) -> None:
    some_pairs(scene)
    for ending in ("-wal", "-shm", "-journal"):
        beside(scene, ending).write_bytes(os.urandom(5000))
    run = scene.run()
    assert run.code == 0, run.messages
    assert run.writes == []


# --- not a state file of ours -----------------------------------------------------------------------------------------


def test_a_state_of_a_newer_version_is_left_alone(scene: Scene) -> None:
    some_pairs(scene)
    with sqlite3.connect(scene.state_file) as file:
        file.execute(f"PRAGMA user_version={VERSION + 1}")
    file.close()
    before = scene.state_file.read_bytes()
    assert_refused(scene, scene.run("--force"), f"format {VERSION + 1}")
    assert scene.state_file.read_bytes() == before


def test_another_programs_database_is_left_alone(scene: Scene) -> None:
    with sqlite3.connect(scene.state_file) as file:
        file.execute("CREATE TABLE customers (name TEXT)")
        file.execute("INSERT INTO customers VALUES ('somebody')")
    file.close()
    for flags in ((), ("--force",), ("--dry-run",)):
        assert_refused(scene, scene.run(*flags), "not a state file of this program")
    with sqlite3.connect(scene.state_file) as file:
        assert file.execute("SELECT name FROM customers").fetchall() == [("somebody",)]
    file.close()


@pytest.mark.parametrize("content", [b"\x00" * 10_000, b"{}", b"name,status\nAda,NEW\n", bytes(range(256)) * 100])
def test_a_file_that_is_no_database_is_left_alone(scene: Scene, content: bytes) -> None:
    scene.lead()
    scene.state_file.write_bytes(content)
    assert_refused(scene, scene.run("--force"))
    assert scene.state_file.read_bytes() == content


def test_a_folder_in_the_place_of_the_state_is_told_with_the_settings(scene: Scene) -> None:
    scene.state_file.mkdir()
    run = scene.run()
    assert (run.code, run.requests) == (2, [])
    assert "is a folder" in run.messages


def test_a_link_to_the_state_is_followed(scene: Scene) -> None:
    """One lock and one file, whichever of the two names is used."""
    some_pairs(scene)
    link = scene.folder / "link.sqlite3"
    link.symlink_to(scene.state_file)
    lead = scene.lead("NEW", "by the link")
    assert scene.run(SYNC_STATE_FILE=str(link)).report["phase_1"]["created"] == 1
    scene.later()
    assert scene.quiet().code == 0
    scene.assert_linked(lead, scene.named_by(lead))
    for held, used in ((scene.state_file, link), (link, scene.state_file)):
        lock = Lock(held)
        assert scene.run(SYNC_STATE_FILE=str(used)).code == 75
        lock.release()


def test_a_link_to_nowhere_and_a_link_in_a_circle_are_told(scene: Scene) -> None:
    scene.lead()
    scene.state_file.symlink_to(scene.folder / "missing" / "state.sqlite3")
    run = scene.run()
    assert run.code in (2, 3)
    assert run.requests == []
    circle = scene.folder / "circle.sqlite3"
    circle.symlink_to(circle)
    run = scene.run(SYNC_STATE_FILE=str(circle))
    assert run.code in (2, 3)
    assert "circle.sqlite3" in run.messages


# --- another pair -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("AIRTABLE_BASE_ID", "appAAAAAAAAAAAAAA"),
        ("AIRTABLE_TABLE_NAME", "Other"),
        ("CLICKUP_LIST_ID", "901500000102"),
        ("CLICKUP_CUSTOM_FIELD_ID", "00000000-0000-4000-8000-000000000000"),
    ],
)
def test_a_state_of_another_pair_stops_the_run_before_any_reading(scene: Scene, setting: str, value: str) -> None:
    """Where only the table's name differs, Airtable is asked whether it is another table at all."""
    some_pairs(scene)
    run = scene.run(**{setting: value})
    assert_refused(scene, run, "belongs to another pair", value, scene.settings[setting], "--force")
    assert run.requests == (["airtable schema"] if setting == "AIRTABLE_TABLE_NAME" else [])


def test_a_table_that_is_renamed_or_named_by_its_id_keeps_its_state(scene: Scene) -> None:
    """Danger: the same table counts as another pair, and --force throws away what is known of it."""
    lead, task = scene.pair("NEW")
    by_id = {"AIRTABLE_TABLE_NAME": scene.airtable.table_id}
    assert scene.quiet("--dry-run", **by_id).code == 0
    assert scene.quiet("--check", **by_id).code == 0
    scene.edit(lead, Status="CONTACTED")
    run = scene.run(**by_id)
    assert (run.code, run.report["full"], scene.task_status(task)) == (0, False, "in progress")
    assert "airtable schema" not in scene.quiet(**by_id).requests
    scene.airtable.leads.name = "Prospects"
    assert scene.quiet(AIRTABLE_TABLE_NAME="Prospects").code == 0
    assert scene.run().code == 3, "the old name is no table's any more"


@pytest.mark.parametrize("schema", [True, False])
def test_a_create_whose_answer_was_lost_is_waited_out_where_the_state_is_set_aside(scene: Scene, schema: bool) -> None:
    """Danger: the new state knows of no earlier run, and the lead gets a second task at once."""
    lead = scene.lead("NEW")
    scene.clickup.hide_new_for = 60
    scene.sandbox.faults.add("cut", when="after", service="clickup", route="create_task", times=1)
    if not schema:
        scopes = frozenset({"data.records:read", "data.records:write"})
        scene.airtable.switches = dataclasses.replace(scene.airtable.switches, scopes=scopes)
    assert scene.run().code == 1
    scene.later(2)
    by_id = {"AIRTABLE_TABLE_NAME": scene.airtable.table_id}
    scene.run("--force", **by_id)
    assert bool(list(scene.folder.glob("*.old"))) is not schema
    scene.later(200)
    assert scene.run("--full", **by_id).code == 0
    assert scene.clickup.by_marker(lead) == [scene.named_by(lead)]


def test_a_dry_run_with_force_plans_what_the_forced_run_then_does(scene: Scene) -> None:
    scene.pair()
    new = scene.lead()
    other = {"CLICKUP_LIST_ID": scene.clickup.second_list_id}
    before = scene.state_file.read_bytes()
    dry = scene.run("--dry-run", "--force", **other)
    assert (dry.writes, scene.state_file.read_bytes()) == ([], before)
    assert "a run with --force sets it aside" in dry.messages
    assert [action["record_id"] for action in dry.report["plan"]] == [new]
    forced = scene.run("--force", **other)
    assert (dry.code, forced.report["phase_1"]["created"]) == (0, 1)


def test_force_sets_the_state_of_another_pair_aside_whole(scene: Scene) -> None:
    leads = some_pairs(scene)
    other = {"CLICKUP_LIST_ID": scene.clickup.second_list_id}
    run = scene.run("--force", **other)
    assert run.report["phase_1"]["created"] == 0, "the leads still name their tasks of the first List"
    (aside,) = scene.folder.glob("*.old")
    assert str(aside) in run.messages
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    scene.later()
    scene.edit(leads[0], Status="CONTACTED")
    shutil.copy(aside, scene.state_file)
    for ending in ("-wal", "-shm"):
        beside(scene, ending).unlink(missing_ok=True)
    assert scene.run().code == 0
    assert scene.task_status(scene.named_by(leads[0])) == "in progress", "the file set aside is as good as it was"


# --- who can read it --------------------------------------------------------------------------------------------------


def test_the_state_and_all_that_lies_beside_it_is_its_owners_alone(scene: Scene) -> None:
    """Also while a run is at work, under the most generous umask."""
    modes: dict[str, int] = {}

    def look() -> None:
        for path in scene.folder.iterdir():
            modes[path.name] = stat.S_IMODE(path.stat().st_mode)

    for route in ("list_records_post", "create_task", "update_records"):
        scene.sandbox.faults.before(route, look)
    before = os.umask(0)
    try:
        scene.pair("NEW")
        look()
    finally:
        os.umask(before)
    assert {"", "-wal", "-shm", ".lock"} <= {name.removeprefix("state.sqlite3") for name in modes}
    assert set(modes.values()) == {0o600}


def test_the_state_holds_no_token_and_no_text_of_a_record(scene: Scene) -> None:
    scene.pair("NEW", name="Ada Confidential", Email="ada@example.com")
    scene.edit(scene.lead("NEW", "Bob Confidential"), Status="CONTACTED")
    scene.run()
    kept = b"".join(path.read_bytes() for path in scene.folder.iterdir() if path.is_file())
    for secret in (scene.airtable.token, scene.clickup.token, "Confidential", "ada@example.com"):
        assert secret.encode() not in kept, "names and details are kept as digests"
    assert json.dumps(scene.airtable.base_id).encode() in kept


def test_a_state_file_that_others_may_read_is_closed_to_them(scene: Scene) -> None:
    """One that was copied back from somewhere, say."""
    scene.pair("NEW")
    for path in scene.folder.iterdir():
        path.chmod(0o644)
    scene.quiet()
    assert {stat.S_IMODE(path.stat().st_mode) for path in scene.folder.iterdir()} == {0o600}


def test_a_page_of_the_state_in_the_place_of_another_is_told(tmp_path: Path) -> None:
    """Danger: SQLite sees nothing wrong, an announced create is forgotten, and its lead gets a second task."""
    for seed in (1000890, 1001050, 1001106, 1001786):
        folder = tmp_path / str(seed)
        folder.mkdir()
        play(Damage("pages swapped", seed), folder)


def test_one_bit_of_the_time_of_an_announced_create_is_told(tmp_path: Path) -> None:
    """Danger: its time of doubt seems to be over, and its lead gets a second task."""
    play(Damage("five bits", 1000644), tmp_path)


ANNOUNCED = ("announced_creates", "announced_task_writes", "announced_lead_writes")
DECIDING = ("meta", "links", "strays", "unfinished", *ANNOUNCED)


@pytest.mark.parametrize("table", DECIDING)
def test_a_changed_value_in_any_row_that_decides_something_is_told(scene: Scene, table: str) -> None:
    """Danger: it looks like a change that somebody made, or hides one. SQLite itself would not notice."""
    copied, unlinked, edited, pulled = some_pairs(scene)
    scene.clickup.duplicate(scene.named_by(copied))
    scene.later()
    scene.clickup.delete(scene.named_by(unlinked))
    scene.edit(unlinked, Name="cannot be brought")
    scene.lead("NEW", "new")
    scene.clickup.hide_new_for = 60
    scene.sandbox.faults.add("reset", when="after", route="create_task")
    scene.run()
    scene.edit(edited, Name="lost on the way")
    scene.clickup.set_status(scene.named_by(pulled), "in progress")
    for route in ("update_task", "update_records"):
        scene.sandbox.faults.add("reset", when="before", route=route, times=99)
    scene.run()
    scene.sandbox.faults.clear()
    with contextlib.closing(sqlite3.connect(scene.state_file)) as file, file:
        columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
        changed = file.execute(f"UPDATE {table} SET {columns[1]} = {columns[1]} || 'x'").rowcount
    assert changed > 0
    run = scene.run("--full")
    assert_refused(scene, run, "is damaged")


def test_pages_of_an_index_in_each_others_place_crash_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite then finds the link of another task than the one that was asked for."""
    monkeypatch.setattr(state, "_FEW_PAGES", 0)  # a large file is not read whole by a run that is not full
    tasks = [f"86{random.Random(number).randrange(10**7):07}" for number in range(500)]
    path = tmp_path / "state.sqlite3"
    with contextlib.closing(State.open(path)) as file:
        file.settle(links=[_bare_link(f"rec{number:014}", task) for number, task in enumerate(tasks)])
    content = path.read_bytes()
    size = int.from_bytes(content[16:18], "big")
    pages = [content[start : start + size] for start in range(0, len(content), size)]
    in_index = [number for number, page in enumerate(pages) if re.search(rb"86\d{7}rec\d{14}", page)]
    told = 0
    for seed in range(30):
        chance = random.Random(seed)
        moved = chance.sample(in_index, 3)
        places = dict(zip(moved, moved[1:] + moved[:1], strict=True))
        path.write_bytes(b"".join(pages[places.get(number, number)] for number in range(len(pages))))
        with contextlib.closing(State.open(path)) as file:
            try:
                file.settle(links=[_bare_link(f"recNEW{task}00", task) for task in chance.sample(tasks, 50)])
            except StateError as error:
                told += "is damaged" in str(error)
    assert told


def _bare_link(lead: str, task: str) -> Link:
    return Link(lead, task, None, "", "", "", "", "", "", "", created=0)


# --- only looked at ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [("--dry-run",), ("--check",), ("--dry-run", "--full")])
def test_what_only_looks_leaves_the_files_of_a_killed_run_as_they_are(
    scene: Scene, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    """Danger: a dry run works a log into the state file that another run is writing, without the lock."""
    some_pairs(scene)
    with contextlib.closing(sqlite3.connect(scene.state_file, isolation_level=None)) as reader:
        reader.execute("BEGIN").execute("SELECT * FROM meta").fetchall()  # its end would work the log in
        scene.edit(scene.lead("NEW"), Name="changed")
        scene.run()
        left = tmp_path / "left"
        left.mkdir()
        for ending in ("", "-wal"):
            shutil.copy(beside(scene, ending), left / f"state.sqlite3{ending}")
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    assert before["state.sqlite3-wal"]
    settings = {"SYNC_STATE_FILE": str(left / "state.sqlite3")}
    assert scene.run(*flags, **settings).code == 0
    assert {name: (left / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
@pytest.mark.parametrize("ending", [".lock", ".lock-journal", "-journal", "-wal"])
def test_a_pipe_beside_the_state_is_not_waited_for(scene: Scene, ending: str, flags: tuple[str, ...]) -> None:
    scene.pair("NEW")
    beside(scene, ending).unlink(missing_ok=True)
    os.mkfifo(beside(scene, ending))
    run = scene.run(*flags)
    assert (run.code, run.writes) == (3, [])
    assert f"state.sqlite3{ending} is no file" in run.messages


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_state_file_with_a_second_name_is_refused(scene: Scene, flags: tuple[str, ...]) -> None:
    """Danger: runs by the other name have a lock and a journal of their own, and make tasks a second time."""
    scene.pair("NEW")
    other = scene.state_file.with_name("other.sqlite3")
    other.hardlink_to(scene.state_file)
    scene.lead("NEW", "second")
    run = scene.run(*flags)
    assert (run.code, run.writes) == (3, [])
    assert "has a second name, a hard link" in run.messages
    other.unlink()
    assert scene.run().code == 0
