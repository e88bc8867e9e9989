"""What the program remembers between runs: one SQLite file, a lock beside it.

Links, announced writes, unfinished records, watermarks, runs, and what the file belongs to. Every public method is one
transaction that is on the disk when it returns, and may be called from any thread. Whatever SQLite refuses comes out
as a StateError.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from errors import Locked, NotThisState, StateError
from models import (
    AnnouncedCreate,
    AnnouncedLeadWrite,
    AnnouncedTaskWrite,
    Failure,
    Link,
    Stray,
)
from text import visible
from world import DELETED

VERSION = 6
_APPLICATION_ID = 0x41435359
_MOST_VARIABLES = 500
_RUNS_KEPT = 1000
_MONTHS_KEPT = 24
_FEW_PAGES = 256
_MOMENT_SECONDS = 0.2
_SEAL = 8
_TABLE_ID = "table_id"
_TURN = "turn"
_IN_FILE = "turn_in_file"

# SQLite has no checksums: neither a changed bit nor a page in the place of another is damage to it. So the last column
# of each row that decides anything is a checksum over its table's name and its other columns. The history of runs only
# counts; there, the last column says to which table a row belongs.
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE links (
    record_id TEXT PRIMARY KEY, task_id TEXT NOT NULL UNIQUE, base_lead TEXT, base_task TEXT,
    name TEXT NOT NULL, details TEXT NOT NULL, answered_name TEXT NOT NULL, answered_description TEXT NOT NULL,
    seen_status TEXT NOT NULL, seen_name TEXT NOT NULL, seen_description TEXT NOT NULL, created INTEGER NOT NULL,
    elsewhere TEXT NOT NULL, restores INTEGER NOT NULL, passed TEXT NOT NULL,
    task_written INTEGER NOT NULL, lead_written INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE strays (
    task_id TEXT PRIMARY KEY, record_id TEXT NOT NULL, created INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX strays_by_lead ON strays (record_id);
CREATE TABLE announced_creates (
    record_id TEXT PRIMARY KEY, lead_status TEXT NOT NULL, status TEXT NOT NULL, name TEXT NOT NULL,
    details TEXT NOT NULL, description TEXT NOT NULL, sent INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE announced_task_writes (
    record_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, lead_status TEXT NOT NULL, status TEXT NOT NULL,
    name TEXT NOT NULL, description TEXT NOT NULL, sent INTEGER NOT NULL, texts_sent INTEGER NOT NULL,
    last_sent INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE announced_lead_writes (
    record_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, task_status TEXT NOT NULL, status TEXT NOT NULL,
    sent INTEGER NOT NULL, last_sent INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE unfinished (
    record_id TEXT PRIMARY KEY, task_id TEXT NOT NULL, phase INTEGER NOT NULL, error TEXT NOT NULL,
    hint TEXT NOT NULL, look INTEGER NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (
    started_at TEXT NOT NULL, seconds REAL NOT NULL, exit_code INTEGER NOT NULL, full INTEGER NOT NULL,
    airtable INTEGER NOT NULL, clickup INTEGER NOT NULL, kind TEXT NOT NULL CHECK (kind = 'run')
);
CREATE TABLE months (
    name TEXT PRIMARY KEY, airtable INTEGER NOT NULL, clickup INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind = 'month')
) WITHOUT ROWID;
"""
_STATEMENTS = tuple(statement.strip() for statement in _SCHEMA.split(";\n") if statement.strip())
_FEW_ROWS = ("strays", "announced_creates", "announced_task_writes", "announced_lead_writes", "unfinished")
_TOTALS = "CAST(total(airtable) AS INTEGER), CAST(total(clickup) AS INTEGER)"


def scratch_folder(prefix: str) -> tempfile.TemporaryDirectory[str]:
    """A temporary folder, as a context manager, for a state that is needed once. Raises StateError."""
    try:
        return tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise StateError(
            f"no temporary folder can be made: {error.strerror}", "set TMPDIR to a folder that can be written to"
        ) from error


class Lock:
    """One run at a time per state file. The kernel lets go of it when the process dies, however it dies.

    It is SQLite's exclusive lock on a file beside the state, which works alike on every system. The file stays, and
    `taken_before` says whether an earlier run left it: then a state that is not there was lost. It holds two
    numbers: the last run's turn, and a checksum of that and of the base and the List that it was for.
    """

    def __init__(self, state_file: Path) -> None:
        _refuse_odd_files(state_file)
        path = _beside(Path(os.path.realpath(state_file)), ".lock")  # one lock, also for those who come by a link
        self._path = path
        self.taken_before = path.exists()
        _create_private(path)
        try:
            self._held = _held_exclusively(path)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise Locked(
                    "another run is at work with this state file", "nothing to do: this run ends, that one goes on"
                ) from None
            raise StateError(f"{path}: {error}", "check the folder's permissions and free space") from error
        except sqlite3.DatabaseError as error:
            raise StateError(f"{path}: {error}", _LOCK_HINT) from error

    def last_turn(self, whose: str) -> int:
        """The turn of the last run, 0 if that was not for this base and List. Raises StateError."""
        try:
            return _turn_in(self._held, whose)
        except sqlite3.Error as error:
            raise StateError(f"{self._path}: {error}", _LOCK_HINT) from error

    def keep_turn(self, whose: str, turn: int) -> None:
        """Remember the turn that the state has begun, once, and go on holding the lock. Raises StateError."""
        try:
            self._held.execute(f"PRAGMA application_id={_turn_seal(whose, turn)}")
            self._held.execute(f"PRAGMA user_version={turn}")
            self._held.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path}: {error}",
                "check the folder's permissions and the free space of its disk; if nothing is wrong with them, "
                + _LOCK_HINT,
            ) from error

    def release(self) -> None:
        """Let the next run in."""
        self._held.close()


_LOCK_HINT = "delete this file, which is the lock, while no run is going"


def last_turn(state_file: Path, whose: str) -> int:
    """The turn of the last run for a base and a List, as far as one can tell who does not hold the lock; else 0.

    Raises StateError where something else than a file stands beside the state.
    """
    _refuse_odd_files(state_file)
    path = _beside(Path(os.path.realpath(state_file)), ".lock")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0)) as connection:
            return _turn_in(connection, whose)
    except sqlite3.Error:
        return 0  # there is none, or it is held, or unusable, which a run tells


def _turn_in(connection: sqlite3.Connection, whose: str) -> int:
    numbers = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id"))
    turn, seal = map(int, numbers)
    return turn if seal == _turn_seal(whose, turn) else 0


def _turn_seal(whose: str, turn: int) -> int:
    return zlib.crc32(f"{whose} {turn}".encode()) & 0x7FFFFFFF


class State:
    """The open state file.

    Open it with `State.open`, or with `State.copy` for a run that must not write.
    """

    def __init__(self, connection: sqlite3.Connection, where: str) -> None:
        self._db = connection
        self._where = where
        self._mutex = threading.RLock()
        self._binding: Mapping[str, str] | None = None

    @classmethod
    def open(cls, path: Path, *, turn: int = 0, lost: bool = False) -> State:
        """Open or create the file, with mode 0600; a new one knows of `turn`, that of the last run.

        `lost`: if there is none, the one of an earlier run was lost. Raises StateError where it is damaged, of another
        version, no state file at all, or cannot be written; NotThisState where a -wal file lies beside an older one.
        """
        _create_private(path)
        _refuse_wal_of_another(path)
        with _closed_on_failure(path, str(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA secure_delete=ON")  # `_in_file_alone` must not read a turn in a page set free
            return cls._prepared(connection, str(path), turn, lost=lost)

    @classmethod
    def copy(cls, path: Path, *, turn: int = 0, set_aside: bool = False) -> State:
        """The file's content in memory: what is written to it is gone with it, and the file stays as it is.

        Where there is none, or it is taken as set aside, it knows of `turn`, that of the last run. Raises StateError
        as `open` does.
        """
        if not set_aside:
            _refuse_wal_of_another(path)
        with _closed_on_failure(":memory:", str(path)) as connection:
            if not set_aside and path.exists() and path.stat().st_size:
                with contextlib.closing(_connect_to_read(path)) as source:
                    source.backup(connection)
            lost = set_aside or _beside(Path(os.path.realpath(path)), ".lock").exists()
            return cls._prepared(connection, str(path), turn, lost=lost)

    @classmethod
    def _prepared(cls, connection: sqlite3.Connection, where: str, turn: int, *, lost: bool = False) -> State:
        state = cls(connection, where)
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            with state._transaction():
                for statement in _STATEMENTS:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={VERSION}")
                connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                state._set("lost", "1" if lost else None)
                state._set(_TURN, str(turn))
            return state
        state._examine()
        return state

    def _examine(self) -> None:
        if self._pragma("application_id") != _APPLICATION_ID:
            raise StateError(
                f"{self._where} is not a state file of this program", "set SYNC_STATE_FILE to another path"
            )
        version = self._pragma("user_version")
        if version != VERSION:
            raise StateError(
                f"{self._where} was written by a version of this program that uses format {version}; "
                f"this one reads format {VERSION}",
                "use that version, or move the file away: the next run finds every task again by its marker",
            )
        made = {row[0] for row in self._db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        if made != set(_STATEMENTS):
            raise _damaged(self._where)
        if self._pragma("page_count") <= _FEW_PAGES:
            self.examine_whole()
        self.keep_values({})  # a read-only file or a full disk is told before anything else is done

    def examine_whole(self) -> None:
        """Read the whole file for damage; opening does it by itself where that takes no time. Raises StateError.

        The checksums of links are left to those who read them: a full run reads them all.
        """
        with self._reading():
            if self._pragma("integrity_check") != "ok":
                raise _damaged(self._where)
            for table in _FEW_ROWS:
                for _ in self._rows(table):
                    pass

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- names and values

    def value(self, name: str) -> str | None:
        """A remembered text, or None. Raises StateError where it is not what was remembered."""
        with self._reading():
            row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        text = str(row[0])[_SEAL:]
        if row[0] != _sealed(name, text):
            raise _damaged(self._where)
        return text

    def keep_values(self, values: Mapping[str, str | None]) -> None:
        """Remember texts; None forgets one."""
        with self._transaction():
            self._set_all(values)

    def forget_value(self, name: str, value: str) -> None:
        """Forget a text, if it is still this one."""
        with self._transaction():
            if self.value(name) == value:
                self._set(name, None)

    def _set_all(self, values: Mapping[str, str | None]) -> None:
        """SQLite works the log into the file in mid-run as well, so where the file stands is noted each time."""
        for name, value in {**values, _IN_FILE: str(_in_file_alone(Path(self._where)) or 0)}.items():
            self._set(name, value)

    def _set(self, name: str, value: str | None) -> None:
        if value is None:
            self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, _sealed(name, value)))

    def bind(self, binding: Mapping[str, str], table_id: Callable[[], str]) -> None:
        """Refuse a file that is tied to another base, table, List or field. A new one is tied by `keep_binding`.

        A table may be renamed, or be named by its id. So where nothing but its name differs, `table_id` is asked for
        the id of the one that is named now, "" where that is not to be known. Raises NotThisState.
        """
        known = self.value("binding")
        bound: Mapping[str, Any] = binding if known is None else json.loads(known)
        self._binding = {**binding, _TABLE_ID: bound.get(_TABLE_ID, "")}
        differing = {name: value for name, value in binding.items() if bound.get(name) != value}
        if differing.keys() == {"table"} and bound.get(_TABLE_ID) and table_id() == bound[_TABLE_ID]:
            return
        if differing:
            raise NotThisState(
                f"{self._where} belongs to another pair of table and List: "
                + "; ".join(f"{name} was {bound.get(name)!r}, now {value!r}" for name, value in differing.items()),
                "set SYNC_STATE_FILE to another path for this pair, or mend the settings; "
                "--force sets the old file aside and begins a new one",
            )

    def keep_binding(self, table_id: str) -> None:
        """Tie the file to what `bind` was told, once the settings have proved to be right. An id "" is not known."""
        if self._binding is not None:
            bound = {**self._binding, _TABLE_ID: table_id or self._binding[_TABLE_ID]}
            self.keep_values({"binding": json.dumps(bound, sort_keys=True)})

    def must_know(self, turn: int) -> None:
        """Refuse a file that does not know of this run.

        It came from a backup, or the disk has lost what it had confirmed. Raises NotThisState.
        """
        if int(self.value(_TURN) or 0) < turn:
            raise _older(self._where)

    def begin_turn(self, lock: Lock, whose: str) -> None:
        """Count this run: here first, so that the lock never knows of more than this file. Raises StateError."""
        turn = max(int(self.value(_TURN) or 0), lock.last_turn(whose)) + 1
        self.keep_values({_TURN: str(turn)})
        lock.keep_turn(whose, turn)

    # --- links

    def count_links(self) -> int:
        """How many leads have a task."""
        with self._reading():
            return int(self._db.execute("SELECT count(*) FROM links").fetchone()[0])

    def all_links(self) -> dict[str, Link]:
        """Every link by its lead's id."""
        with self._reading():
            return {row[0]: _link(row) for row in self._rows("links")}

    def links_of(self, *, leads: Iterable[str] = (), tasks: Iterable[str] = ()) -> dict[str, Link]:
        """The links of some leads and some tasks, by lead id."""
        found: dict[str, Link] = {}
        with self._reading():
            for column, ids in (("record_id", leads), ("task_id", tasks)):
                found.update((row[0], _link(row)) for row in self._rows_where("links", column, ids))
        return found

    # --- tasks with a marker and no link

    def strays_of(self, leads: Iterable[str]) -> tuple[Stray, ...]:
        """The tasks known to bear the marker of one of these leads without being linked."""
        with self._reading():
            return tuple(Stray(*row) for row in self._rows_where("strays", "record_id", leads))

    def all_strays(self) -> tuple[Stray, ...]:
        """Every one of them."""
        with self._reading():
            return tuple(Stray(*row) for row in self._rows("strays"))

    def keep_strays(self, strays: Iterable[Stray], *, instead_of: Set[str]) -> None:
        """Remember strays in place of those with the given task ids."""
        with self._transaction():
            self._put_strays(strays, instead_of)

    def _put_strays(self, strays: Iterable[Stray], instead_of: Set[str]) -> None:
        known = [row[0] for row in self._db.execute("SELECT task_id FROM strays")]
        outdated = [(each,) for each in known if each in instead_of]
        self._db.executemany("DELETE FROM strays WHERE task_id = ?", outdated)
        self._keep("strays", ((stray.task_id, stray.record_id, stray.created) for stray in strays))

    # --- announced writes

    def announced_creates(self) -> dict[str, AnnouncedCreate]:
        """Creates that were sent and not recorded as done, by lead id."""
        with self._reading():
            return {row[0]: AnnouncedCreate(*row) for row in self._rows("announced_creates")}

    def announced_task_writes(self) -> dict[str, AnnouncedTaskWrite]:
        """Updates of tasks that were sent and not recorded as done, by lead id."""
        with self._reading():
            return {row[0]: AnnouncedTaskWrite(*row) for row in self._rows("announced_task_writes")}

    def announced_lead_writes(self) -> dict[str, AnnouncedLeadWrite]:
        """Status writes to leads that were sent and not recorded as done, by lead id."""
        with self._reading():
            return {row[0]: AnnouncedLeadWrite(*row) for row in self._rows("announced_lead_writes")}

    def announce_create(self, create: AnnouncedCreate) -> None:
        """Note that a create is about to be sent."""
        row = (
            create.record_id,
            create.lead_status,
            create.status,
            create.name,
            create.details,
            create.description,
            create.sent,
        )
        with self._transaction():
            self._keep("announced_creates", [row])

    def announce_task_write(self, write: AnnouncedTaskWrite) -> None:
        """Note that an update of a task is about to be sent."""
        row = (
            write.record_id,
            write.task_id,
            write.lead_status,
            write.status,
            write.name,
            write.description,
            write.sent,
            write.texts_sent,
            write.last_sent,
        )
        with self._transaction():
            self._keep("announced_task_writes", [row])

    def announce_lead_writes(self, writes: Iterable[AnnouncedLeadWrite]) -> None:
        """Note that statuses are about to be written to leads."""
        rows = [
            (each.record_id, each.task_id, each.task_status, each.status, each.sent, each.last_sent) for each in writes
        ]
        with self._transaction():
            self._keep("announced_lead_writes", rows)

    def settle(
        self,
        *,
        creates: Iterable[str] = (),
        task_writes: Iterable[str] = (),
        lead_writes: Iterable[str] = (),
        links: Iterable[Link] = (),
        strays: Sequence[Stray] = (),
        instead_of: Set[str] = frozenset(),
    ) -> None:
        """Forget announced writes whose outcome is known, and keep what came of them, at once: links, and strays in
        place of those with the given task ids. A death between the two would forget a task.

        A lead whose task is another's from now on counts as unfinished.
        """
        kept = list(links)
        with self._transaction():
            for table, ids in (
                ("announced_creates", creates),
                ("announced_task_writes", task_writes),
                ("announced_lead_writes", lead_writes),
            ):
                query = f"DELETE FROM {table} WHERE record_id = ?"  # noqa: S608 - only names of ours
                self._db.executemany(query, ((each,) for each in ids))
            self._remember_losers(kept)
            self._remember_former_tasks(kept)
            self._db.executemany("DELETE FROM strays WHERE task_id = ?", ((link.task_id,) for link in kept))
            self._keep("links", map(_row, kept))
            if strays or instead_of:  # most settle one record alone, and need not look through all strays
                self._put_strays(strays, instead_of)

    def _remember_losers(self, links: Iterable[Link]) -> None:
        """A lead loses its link where its task becomes another's; nothing else shows that it is to be decided anew."""
        taken = {link.task_id: link.record_id for link in links}
        holders = list(self._rows_where("links", "task_id", taken))
        if any(row[1] not in taken for row in holders):  # the index belongs to another state than its table
            raise _damaged(self._where)
        losers = {row[0]: row[1] for row in holders if row[0] != taken[row[1]]}
        known = {row[0] for row in self._rows_where("unfinished", "record_id", losers)}
        for table in ("announced_task_writes", "announced_lead_writes"):
            query = f"DELETE FROM {table} WHERE record_id = ? AND task_id = ?"  # noqa: S608 - only names of ours
            self._db.executemany(query, losers.items())
        what = "its task became that of another lead"
        self._keep("unfinished", ((lead, task, 1, what, "", 0) for lead, task in losers.items() if lead not in known))

    def _remember_former_tasks(self, links: Iterable[Link]) -> None:
        """A task whose lead is linked to another may still bear the lead's marker, and be its own again after that."""
        now = {link.record_id: link.task_id for link in links}
        taken = frozenset(now.values())
        former = [_link(row) for row in self._rows_where("links", "record_id", now) if row[1] not in taken]
        there = (link for link in former if link.elsewhere != DELETED)
        self._keep("strays", ((link.task_id, link.record_id, link.created) for link in there))

    # --- the end of a run

    def unfinished(self) -> tuple[Failure, ...]:
        """Records that failed or were left by the last run, to be read again by id."""
        with self._reading():
            rows = self._rows("unfinished")
            return tuple(Failure(row[0], row[1], row[2], row[3], row[4], look=bool(row[5])) for row in rows)

    def end_run(self, *, unfinished: Iterable[Failure], values: Mapping[str, str | None]) -> None:
        """Keep what the next run needs: the unfinished records and watermarks."""
        with self._transaction():
            self._db.execute("DELETE FROM unfinished")
            rows = ((f.record_id, f.task_id, f.phase, f.error, f.hint, int(f.look)) for f in unfinished)
            self._keep("unfinished", rows)
            self._set_all(values)

    # --- what runs sent

    def keep_run(
        self, *, started_at: str, seconds: float, exit_code: int, full: bool, airtable: int, clickup: int
    ) -> None:
        """Add a run to the history, and its requests to those of the month in which it began.

        `started_at` is UTC in ISO 8601. The newest thousand runs and two years of months are kept.
        """
        with self._transaction():
            self._db.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 'run')",
                (started_at, seconds, exit_code, full, airtable, clickup),
            )
            self._db.execute("DELETE FROM runs WHERE rowid <= (SELECT max(rowid) FROM runs) - ?", (_RUNS_KEPT,))
            self._db.execute(
                "INSERT INTO months VALUES (?, ?, ?, 'month') ON CONFLICT (name) DO UPDATE SET "
                "airtable = airtable + excluded.airtable, clickup = clickup + excluded.clickup",
                (started_at[: len("2026-09")], airtable, clickup),
            )
            self._db.execute(
                "DELETE FROM months WHERE name NOT IN (SELECT name FROM months ORDER BY name DESC LIMIT ?)",
                (_MONTHS_KEPT,),
            )

    def requests_in_month(self, month: str) -> tuple[int, int]:
        """The requests to Airtable and to ClickUp of the runs that began in a month, such as 2026-09."""
        query = f"SELECT {_TOTALS} FROM months WHERE name = ?"  # noqa: S608 - only names of ours
        with self._reading():
            airtable, clickup = self._db.execute(query, (month,)).fetchone()
            return int(airtable), int(clickup)

    def runs_since(self, started_at: str) -> tuple[int, int, int]:
        """How many of the kept runs began at this moment or later, and their requests to Airtable and to ClickUp."""
        query = f"SELECT count(*), {_TOTALS} FROM runs WHERE started_at >= ?"  # noqa: S608 - only names of ours
        with self._reading():
            count, airtable, clickup = self._db.execute(query, (started_at,)).fetchone()
            return int(count), int(airtable), int(clickup)

    # --- rows and their checksums

    def _rows(self, table: str, condition: str = "", values: Sequence[str] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows without their checksum. Raises StateError where one is not what was written."""
        for row in self._db.execute(f"SELECT * FROM {table} {condition}", values):  # noqa: S608 - only names of ours
            if row[-1] != _seal_of(table, row[:-1]):
                raise _damaged(self._where)
            yield row[:-1]

    def _rows_where(self, table: str, column: str, ids: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        for chunk in _chunks(list(ids)):
            yield from self._rows(table, f"WHERE {column} IN ({','.join('?' * len(chunk))})", chunk)

    def _keep(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        sealed = [(*row, _seal_of(table, row)) for row in rows]
        if sealed:
            marks = ",".join("?" * len(sealed[0]))
            self._db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", sealed)  # noqa: S608

    # --- SQLite itself

    def _pragma(self, name: str) -> Any:
        return self._db.execute(f"PRAGMA {name}").fetchone()[0]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        with self._mutex:
            try:
                yield
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise _unusable(self._where, error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._reading():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise


def set_aside(path: Path, suffix: str) -> Path:
    """Rename a state file that is not to be used any more, and answer its new path. Raises StateError."""
    aside = _beside(path, suffix)
    try:
        if aside.exists():
            raise StateError(f"{path} cannot be set aside: there is a file {aside} already", "move one of the two away")
        for ending in ("", "-wal", "-shm"):
            old = _beside(path, ending)
            if old.exists():
                old.rename(_beside(aside, ending))
    except OSError as error:
        raise StateError(f"{path} cannot be set aside: {error}", "check the folder's permissions") from error
    return aside


def files_beside(state_file: Path) -> frozenset[Path]:
    """The state file and whatever SQLite and the lock keep beside it, there or not."""
    real = Path(os.path.realpath(state_file))
    return frozenset(_beside(real, ending) for ending in ("", "-wal", "-shm", "-journal", ".lock", ".lock-journal"))


def _refuse_odd_files(state_file: Path) -> None:
    """A pipe in the place of a file would be waited for without end, and a file that can be reached by a second path
    has a lock and a journal there as well, so that runs do not see each other
    (https://www.sqlite.org/howtocorrupt.html). Raises StateError."""
    for path in sorted(files_beside(state_file)):
        if _is_no_file(path):
            raise StateError(f"{path} is no file, and one of the state file's own belongs there", "move it away")
    real = Path(os.path.realpath(state_file))
    if real.exists() and real.stat().st_nlink > 1:
        raise StateError(f"{real} has a second name, a hard link", "delete the other name, or make it a copy")
    if os.path.ismount(real):
        raise StateError(f"{real} is mounted by itself, without what belongs beside it", "mount its folder instead")


def _is_no_file(path: Path) -> bool:
    """Whether something is there that is no file. Asked once: SQLite deletes files when another run ends."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # what may not be looked at is told by whoever opens it


def _seal_of(table: str, row: tuple[Any, ...]) -> str:
    return _checksum(f"{table}{row!r}")


def _sealed(name: str, value: str) -> str:
    """The text behind its checksum: a watermark with one bit changed hides edits."""
    return f"{_checksum(f'{name} {value}')}{value}"


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):0{_SEAL}x}"


_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_SIGNS_OF_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "Could not decode")
_DAMAGED_HINT = (
    "move the file away, but not the .lock file beside it: the next run finds every task again by the two ids and "
    "creates nothing twice"
)


def _damaged(where: str, how: str = "") -> StateError:
    return StateError(f"{where} is damaged{how and ': '}{how}", _DAMAGED_HINT)


def _unusable(where: str, error: sqlite3.Error | UnicodeDecodeError) -> StateError:
    if isinstance(error, UnicodeDecodeError):  # of a text in it, or of SQLite's words about it
        return _damaged(where)
    text = visible(str(error))
    if any(word in text for word in _SIGNS_OF_DAMAGE):
        return _damaged(where, text)
    if "locked" in text:
        return StateError(f"{where} is in use: {text}", "close the program that has it open")
    return StateError(
        f"{where} cannot be used: {text}", "check the folder's permissions and the free space of its disk"
    )


def _older(where: str) -> NotThisState:
    return NotThisState(
        f"{where} is older than the last run: what that run read and wrote is not in it",
        "did it come from a backup? Delete it, but not the .lock file beside it: the next run finds every task "
        "again, and names the pairs that disagree. --force sets it aside and does that at once",
    )


def _wal(path: Path) -> Path:
    return _beside(Path(os.path.realpath(path)), "-wal")


def _refuse_wal_of_another(path: Path) -> None:
    """SQLite works the -wal file that a killed run left into whatever file stands beside it.

    One from a backup would then have that run's turn, and none of what the runs before it knew. But the turn in the
    file alone never goes back, and whoever writes notes first where it stands. Raises NotThisState.
    """
    if not _wal(path).exists():
        return
    with contextlib.suppress(*_UNREADABLE), contextlib.closing(_connect_to_read(path)) as connection:
        noted = _number_in(connection, _IN_FILE)  # before the other: where a run is at work, both may rise
        alone = _in_file_alone(path)
        if alone is not None and noted is not None and alone < noted:
            raise _older(str(path))


def _in_file_alone(path: Path) -> int | None:
    """The turn in the file without the -wal file beside it, None where there is none to be read."""
    with contextlib.suppress(*_UNREADABLE), contextlib.closing(_connect_to_file_alone(path)) as connection:
        return _number_in(connection, _TURN)
    return None


def _number_in(connection: sqlite3.Connection, name: str) -> int | None:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    text = "" if row is None else str(row[0])[_SEAL:]
    return int(text) if text and row[0] == _sealed(name, text) else None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _create_private(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:  # one that was copied back, say
                with contextlib.suppress(OSError):
                    path.chmod(0o600)
        finally:
            os.close(handle)
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror}", "set SYNC_STATE_FILE to a path that can be written"
        ) from error


def _connect(path: Path | str) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that leaves the file as it is, also where a killed run has left a -wal file to be worked in.

    Where there is none, one that may write leaves nothing behind; one that may not would leave an empty -wal file,
    in which no run could write.
    """
    real = Path(os.path.realpath(path))
    if _wal(real).exists():
        return sqlite3.connect(f"{real.as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)
    return _connect(real) if os.access(real, os.W_OK) else _connect_to_file_alone(real)


def _connect_to_file_alone(path: Path) -> sqlite3.Connection:
    """A connection that reads nothing but the file itself (https://www.sqlite.org/uri.html#uriimmutable)."""
    return sqlite3.connect(f"{Path(os.path.realpath(path)).as_uri()}?mode=ro&immutable=1", uri=True)


@contextlib.contextmanager
def _closed_on_failure(path: Path | str, where: str) -> Iterator[sqlite3.Connection]:
    """A connection that stays open only if all goes well."""
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise _unusable(where, error) from error
    try:
        yield connection
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error | UnicodeDecodeError):
            raise _unusable(where, error) from error
        raise


def _held_exclusively(path: Path) -> sqlite3.Connection:
    # Who only looks reads the turn in it, which takes a moment; another run goes on for longer than that.
    connection = sqlite3.connect(path, timeout=_MOMENT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # so that a COMMIT does not let go of it
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _MOST_VARIABLES):
        yield ids[start : start + _MOST_VARIABLES]


def _link(row: Sequence[Any]) -> Link:
    base = None if row[2] is None else (str(row[2]), str(row[3]))
    return Link(row[0], row[1], base, *row[4:])


def _row(link: Link) -> tuple[Any, ...]:
    lead, task = link.base if link.base is not None else (None, None)
    return (
        link.record_id,
        link.task_id,
        lead,
        task,
        link.name,
        link.details,
        link.answered_name,
        link.answered_description,
        link.seen_status,
        link.seen_name,
        link.seen_description,
        link.created,
        link.elsewhere,
        link.restores,
        link.passed,
        link.task_written,
        link.lead_written,
    )
