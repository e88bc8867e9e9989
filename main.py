"""The command: wiring, exit code, and what is said at its end."""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    # An interrupt while the rest is loaded ends it as a shell would have it, without a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import argparse
import contextlib
import dataclasses
import functools
import gc
import io
import json
import logging
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TextIO, TypeVar

from budget import Cost, Usage, month_of, predict, usage_of, warning, work_of
from clients import airtable, clickup
from clients.errors import AuthError, NotFound, QuotaSpent
from clients.http import Http, ping
from clients.pacing import AirtablePacer, ClickUpPacer, in_flight
from clock import Clock, SystemClock
from config import Settings, binding, files_of, load
from engine import Options, Progress, Tools, check, sync
from engine.setup import Setup, table_id
from errors import ConfigError, Locked, SafetyStop, StateError, SyncError
from flags import parse
from models import Notice, Outcome
from report import (
    as_json,
    check_lines,
    count_rows,
    duration,
    error_lines,
    exit_code,
    explain_lines,
    finding_lines,
    moment,
    outcome_of_error,
    plan_lines,
    problem_lines,
    summary_lines,
    traffic_line,
)
from state import Lock, State, files_beside, set_aside
from text import visible

if TYPE_CHECKING:
    from live_test import LiveTest

WORKERS = 64
GRACE_SECONDS = 8.0
LIVE_TEST_GRACE_SECONDS = 60.0
_PING_SECONDS = 5.0
_LOOK_UP_SECONDS = 0.2
_LAST_SECONDS = 1.5
_DAY = 86_400.0
_NEW_OBJECTS_BEFORE_COLLECTION = 100_000
_EXIT_CODES: tuple[tuple[type[SyncError], int], ...] = (
    (ConfigError, 2),
    (StateError, 3),
    (SafetyStop, 3),
    (AuthError, 3),
    (QuotaSpent, 3),
    (NotFound, 3),
    (Locked, 75),
)

_T = TypeVar("_T")

log = logging.getLogger("sync")


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    clock: Clock | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """One command line, carried out; returns the exit code.

    Without `clock` the machine's own is used, and SIGINT and SIGTERM end the run in order.
    """
    out, err = stdout or _forgiving(sys.stdout), stderr or _forgiving(sys.stderr)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            flags = parse(argv)
    except SystemExit as done:
        _put(out, [])
        return int(done.code or 0)
    known = os.environ if environ is None else environ
    program = _Program(flags, known, clock or SystemClock(), stdin or sys.stdin, out, err)
    if flags.demo:
        return program.demo()
    with program.logging(), program.signals() if clock is None else contextlib.nullcontext(), _rare_collections():
        return program.run()


def _forgiving(stream: TextIO | None) -> TextIO:
    """A stream that shows a letter which its encoding does not have as an escape; of a closed one, nowhere."""
    if stream is None:
        # Opened and kept: what is opened next gets the number of the closed stream, and a crash would write into it.
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector look for cycles far less often than by default.

    A listing keeps several objects of each row and makes no cycles, and looking through all of them again and again
    while they pile up takes a tenth of a full run's time. Never at all would be worse: errors do make cycles.
    """
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS_BEFORE_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


# --- one command line -------------------------------------------------------------------------------------------------


class _Program:
    def __init__(
        self,
        flags: argparse.Namespace,
        environ: Mapping[str, str],
        clock: Clock,
        stdin: TextIO | None,
        out: TextIO,
        err: TextIO,
    ) -> None:
        self._flags = flags
        self._environ = environ
        self._clock = clock
        self._in = stdin
        self._out = out
        self._err = err
        self._color = not flags.no_color and not environ.get("NO_COLOR")
        self._looks_only = bool(flags.dry_run or (flags.check and not flags.live_test) or flags.explain)
        self._stop = threading.Event()
        self._stopped_at: float | None = None
        self._started_at = clock.time()
        self._started = clock.monotonic()
        self._https: dict[str, list[Http]] = {"airtable": [], "clickup": []}
        self._airtable_pacer = AirtablePacer()
        self._clickup_pacer = ClickUpPacer()
        self._usage: dict[str, Usage] | None = None
        self._said_once: list[str] = []
        self._live_test: LiveTest | None = None
        self._so_far: Callable[[], Outcome] = lambda: Outcome(False)
        self._tell_failure: Callable[[], None] = lambda: None
        self._report_file: Path | None = None
        self._show: _Show = _Lines(self._say, quiet=flags.quiet)

    def demo(self) -> int:
        """The demo, on the stand-in."""
        from demo import play  # noqa: PLC0415 - the stand-in is loaded for the demo only

        try:
            return play(lambda line: _put(self._out, [line]), _run_for_demo)
        except KeyboardInterrupt:
            self._say("stopped")
            return 1

    def run(self) -> int:
        """Everything else."""
        try:
            self._report_file = self._file_of_report()
            settings = load(self._environ, self._flags.env_file)
            for warning in settings.warnings:
                log.warning("%s", warning)
            if self._flags.live_test:
                outcome = self._test_live(settings)
            else:
                outcome = self._in_a_thread(functools.partial(self._mode(), settings), GRACE_SECONDS)
        except SyncError as error:
            return self._end(outcome_of_error(error), _exit_code_of(error), error)
        return self._end(outcome, exit_code(outcome, dry_run=self._looks_only), None)

    def _file_of_report(self) -> Path | None:
        """Where the report goes, which is never a file that the program lives on. Raises ConfigError."""
        target = _writable(self._flags.report)
        if target is not None:
            env_file, state_file = files_of(self._environ, self._flags.env_file)
            if any(_is_same(target, own) for own in (env_file, *files_beside(state_file))):
                raise ConfigError(
                    [f"--report: {self._flags.report} holds the settings or the state of the sync"],
                    "give the path of another file",
                )
        return target

    def _mode(self) -> Callable[[Settings], Outcome]:
        if self._flags.check:
            return self._check
        return self._look if self._looks_only else self._sync

    # --- what is asked for

    def _check(self, settings: Settings) -> Outcome:
        with contextlib.closing(State.copy(settings.state_file)) as state, self._tools(settings, self._stop) as tools:
            self._bind(settings, state)
            try:
                found = check(settings, tools)
            finally:
                self._note_usage(settings, state, counted=False)
        self._tell_setup(settings, found)
        return Outcome(False, notices=tuple(Notice("", "", warning) for warning in found.warnings))

    def _tell_setup(self, settings: Settings, found: Setup) -> None:
        self._result(
            check_lines(
                table_id=found.table_id,
                fields=tuple(name for name in found.fields if name in settings.detail_fields),
                lead_statuses=found.lead_statuses,
                task_statuses=found.task_statuses,
            )
        )

    def _test_live(self, settings: Settings) -> Outcome:
        """Look first, then ask, then write. The state file of the settings is left alone."""
        asks = not self._flags.yes
        if asks and not (self._in is not None and self._in.isatty() and self._err.isatty()):
            raise ConfigError(
                ["--live-test asks before it writes, and here is no terminal to ask at; nothing was sent"],
                "start it at a terminal, or add --yes",
            )
        from live_test import LiveTest  # noqa: PLC0415 - loaded for this flag only

        test = LiveTest(settings, functools.partial(self._tools, settings), self._clock, self._stop, self._tell_made)
        found = self._in_a_thread(test.look, GRACE_SECONDS)
        self._tell_setup(settings, found)
        for line in test.question() if asks or not self._flags.quiet else ():
            self._say(line)
        if asks and not self._agreed():
            raise ConfigError(["not agreed to; nothing was written"], "type yes to let the live test go on")
        self._live_test = test
        with self._showing():
            outcome = self._in_a_thread(lambda: test.run(self._show), LIVE_TEST_GRACE_SECONDS)
        notices = (*(Notice("", "", warning) for warning in found.warnings), *outcome.notices)
        return dataclasses.replace(outcome, notices=notices)

    def _agreed(self) -> bool:
        """Whether a person types yes. An interrupt is a no."""
        _put(self._err, ["Type yes to go on:"])
        before = signal.getsignal(signal.SIGINT)
        in_main = threading.current_thread() is threading.main_thread()
        try:
            if in_main:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return self._in is not None and self._in.readline().strip() == "yes"
        except (KeyboardInterrupt, UnicodeDecodeError):
            return False
        finally:
            if in_main:
                signal.signal(signal.SIGINT, before)

    def _tell_made(self, line: str) -> None:
        if not self._flags.quiet:
            self._show_message(line)

    def _look(self, settings: Settings) -> Outcome:
        """A dry run: on a copy of the state, and without the lock."""
        with contextlib.closing(State.copy(settings.state_file)) as state:
            self._bind(settings, state)
            try:
                return self._run_engine(settings, state)
            finally:
                self._note_usage(settings, state, counted=False)

    def _sync(self, settings: Settings) -> Outcome:
        with contextlib.ExitStack() as stack:
            lock = Lock(settings.state_file)
            stack.callback(lock.release)
            self._tell_failure = functools.partial(self._ping, settings, "/fail")
            self._ping(settings, "/start")
            in_step = False
            try:
                state = self._open_state(settings, lock, lost=lock.taken_before)
                stack.callback(state.close)
                outcome = self._counted(settings, state)
                in_step = exit_code(outcome, dry_run=False) == 0
            finally:
                self._ping(settings, "" if in_step else "/fail")
            return outcome

    def _counted(self, settings: Settings, state: State) -> Outcome:
        """One run, and its line in the history, however it ends."""
        code, full = 1, False
        try:
            outcome = self._run_engine(settings, state)
            code, full = exit_code(outcome, dry_run=False), outcome.full
        except SyncError as error:
            code = _exit_code_of(error)
            raise
        else:
            return outcome
        finally:
            self._keep_run(settings, state, code, full)

    def _keep_run(self, settings: Settings, state: State, code: int, full: bool) -> None:
        try:
            state.keep_run(
                started_at=moment(self._started_at),
                seconds=self._clock.monotonic() - self._started,
                exit_code=code,
                full=full,
                **self._requests(),
            )
            self._note_usage(settings, state, counted=True)
            self._said_once = self._not_said_before(state)
        except StateError as error:
            log.warning("what this run sent could not be counted: %s", error)

    def _note_usage(self, settings: Settings, state: State, *, counted: bool) -> None:
        """What the month has cost so far. What only looks is not `counted` in the state: it adds itself."""
        own = dict.fromkeys(("airtable", "clickup"), 0) if counted else self._requests()
        used = state.requests_in_month(month_of(self._started_at))
        runs, *day = state.runs_since(moment(self._started_at - _DAY))
        self._usage = {
            "airtable": usage_of(
                "Airtable",
                used=used[0] + own["airtable"],
                allowed=settings.airtable_monthly_calls,
                idle=2 if settings.view else 1,
                day=(runs, day[0]),
            ),
            "clickup": usage_of(
                "ClickUp",
                used=used[1] + own["clickup"],
                allowed=settings.clickup_monthly_calls,
                idle=1,
                day=(runs, day[1]),
            ),
        }

    def _not_said_before(self, state: State) -> list[str]:
        """The warnings that are new this month: with -q each is told once, since that may be read by mail."""
        said: dict[str, int] = json.loads(state.value("said_of_month") or "{}")
        month = month_of(self._started_at)
        new = []
        for service, usage in (self._usage or {}).items():
            key = f"{month} {service}"
            if usage.stage > said.get(key, 0):
                new.append(warning(usage, self._started_at))
                said[key] = usage.stage
        if new:
            now = {key: stage for key, stage in said.items() if key.startswith(month)}
            state.keep_values({"said_of_month": json.dumps(now)})
        return new

    def _requests(self) -> dict[str, int]:
        return {service: sum(http.requests for http in https) for service, https in self._https.items()}

    def _open_state(self, settings: Settings, lock: Lock, *, lost: bool) -> State:
        state = State.open(settings.state_file, lost=lost)
        try:
            self._bind(settings, state)
            state.begin_turn(lock)
        except SyncError as error:
            state.close()
            if not (self._flags.force and isinstance(error, StateError)):
                raise
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.time()))
            log.warning("%s; it is kept as %s", error, set_aside(settings.state_file, f".{stamp}.old"))
            return self._open_state(settings, lock, lost=True)  # it may know of a create whose answer was lost
        return state

    def _bind(self, settings: Settings, state: State) -> None:
        def named_now() -> str:
            with self._tools(settings, self._stop) as tools:
                return table_id(tools.airtable)

        state.bind(binding(settings), named_now)

    def _run_engine(self, settings: Settings, state: State) -> Outcome:
        flags = self._flags
        options = Options(
            dry_run=self._looks_only,
            full=flags.full,
            only=(flags.explain,) if flags.explain else tuple(flags.only),
            limit=flags.limit,
            phase=flags.phase,
            force=flags.force,
        )
        with self._tools(settings, self._stop) as tools, self._showing():
            return sync(settings, options, state, tools, self._show, self._at_work)

    def _at_work(self, so_far: Callable[[], Outcome]) -> None:
        self._so_far = so_far

    def _ping(self, settings: Settings, ending: str) -> None:
        if not settings.healthcheck_url:
            return
        problem = ping(settings.healthcheck_url + ending, 1.0 if self._stop.is_set() else _PING_SECONDS)
        if problem:
            log.warning("the health check was not reached: %s", problem)

    # --- wiring

    @contextlib.contextmanager
    def _tools(self, settings: Settings, stop: threading.Event) -> Iterator[Tools]:
        common: dict[str, Any] = {
            "clock": self._clock,
            "stop": stop,
            "timeout": settings.http_timeout_seconds,
            "retry_wait": settings.retry_wait_seconds,
            "random": random.Random(),
        }
        to_airtable = Http(
            airtable.service(settings.airtable_api_url),
            token_header=f"Bearer {settings.airtable_api_key}",
            pacer=self._airtable_pacer,
            on_wait=functools.partial(self._waiting, "Airtable"),
            **common,
        )
        to_clickup = Http(
            clickup.service(settings.clickup_api_url),
            token_header=settings.clickup_api_key,
            pacer=self._clickup_pacer,
            on_wait=functools.partial(self._waiting, "ClickUp"),
            **common,
        )
        self._https["airtable"].append(to_airtable)
        self._https["clickup"].append(to_clickup)
        with contextlib.closing(to_airtable), contextlib.closing(to_clickup):
            yield Tools(
                airtable.AirtableClient(to_airtable, settings.airtable_base_id, settings.airtable_table_name),
                clickup.ClickUpClient(to_clickup, settings.clickup_list_id, settings.clickup_custom_field_id),
                self._clock,
                stop,
                lambda: self._clickup_pacer.limit,
                lambda: in_flight(to_clickup.latency, self._clickup_pacer.limit, WORKERS),
            )

    def _waiting(self, service: str, seconds: float, reason: str) -> None:
        log.info("%s: waiting %s (%s)", service, duration(seconds), reason)
        self._show.waiting(f"waiting for {service}, {reason}", seconds)

    @contextlib.contextmanager
    def _showing(self) -> Iterator[None]:
        if not self._err.isatty() or self._flags.quiet:
            yield
            return
        from terminal import Screen  # noqa: PLC0415 - what is for terminals is loaded for them only

        lines, self._show = self._show, Screen(self._err, color=self._color)
        try:
            yield
        finally:
            self._show.close()
            self._show = lines

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Messages of the program go to stderr."""
        handler = _ToLines(self._show_message)
        level = log.level
        log.setLevel(logging.DEBUG if self._flags.verbose else logging.ERROR if self._flags.quiet else logging.WARNING)
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)

    # --- ending early

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM asks the run to stop, the second ends it now."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._told_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told_to_stop(self, *_: object) -> None:
        if self._stop.is_set():
            os._exit(1)
        self._stopped_at = self._clock.monotonic()
        self._stop.set()

    def _in_a_thread(self, work: Callable[[], _T], grace: float) -> _T:
        """The work in a daemon thread, so that a signal is heard at once and a request that hangs can be left, after
        `grace` seconds.
        """
        done: list[_T] = []
        failures: list[BaseException] = []

        def carry_out() -> None:
            try:
                done.append(work())
            except BaseException as failure:  # noqa: BLE001 - raised again in the thread that waits
                failures.append(failure)

        thread = threading.Thread(target=carry_out, name="sync", daemon=True)
        thread.start()
        told = False
        while thread.is_alive():
            thread.join(_LOOK_UP_SECONDS)
            if self._stopped_at is None:
                continue
            if not told:
                what = "what is under way may end" if self._live_test is None else "what it made is being deleted"
                self._show_message(f"stopping: {what}; once more ends it now")
                told = True
            if self._clock.monotonic() - self._stopped_at > grace:
                self._give_up()
        if failures:
            raise failures[0]
        return done[0]

    def _give_up(self) -> NoReturn:
        """Say what is known, and end. Whatever hangs meanwhile, a disk or a reader of the output, is left as well."""
        _end_after(_LAST_SECONDS)
        telling = threading.Thread(target=self._tell_failure, daemon=True)
        telling.start()
        why = "requests were still under way after the time to stop; what became of them the next run finds out"
        self._show.close()
        known = self._so_far() if self._live_test is None else Outcome(False, failed=self._live_test.left())
        self._end(dataclasses.replace(known, stopped=why), 1, None)
        for stream in (self._out, self._err):
            stream.flush()
        telling.join()
        os._exit(1)

    # --- telling

    def _end(self, outcome: Outcome, code: int, error: SyncError | None) -> int:
        """Say what came of it, and write the report."""
        requests = self._requests()
        waited = {service: sum(http.waited for http in https) for service, https in self._https.items()}
        seconds = self._clock.monotonic() - self._started
        warnings = [warning(each, self._started_at) for each in (self._usage or {}).values()]
        outcome = dataclasses.replace(
            outcome, notices=(*outcome.notices, *(Notice("", "", text) for text in warnings if text))
        )
        price = self._price(outcome, seconds)
        if error is not None:
            self._tell_error(error)
            for text in self._said_once:
                self._say(f"note: {text}")
        elif self._flags.explain:
            self._result(explain_lines(self._flags.explain, outcome))
        elif self._flags.live_test:
            traffic = traffic_line(full=False, seconds=seconds, requests=requests, waited=waited)
            self._tell_live_test(outcome, traffic)
        elif self._looks_only:
            planned = [] if outcome.plan is None or price is None else plan_lines(outcome.plan, price)
            self._result([*planned, *problem_lines(outcome)])
        else:
            self._tell(outcome, traffic_line(full=outcome.full, seconds=seconds, requests=requests, waited=waited))
        report = as_json(
            outcome,
            started_at=self._started_at,
            seconds=seconds,
            exit_code=code,
            requests=requests,
            waited=waited,
            usage=self._usage,
            price=price,
        )
        text = json.dumps(report, indent=2)
        if self._flags.json:
            _put(self._out, [text])
        return code if self._kept(text) else max(code, 1)

    def _tell(self, outcome: Outcome, traffic: str) -> None:
        if self._flags.quiet:
            for line in (*problem_lines(outcome, quiet=True), *(f"note: {text}" for text in self._said_once)):
                self._say(line)
            return
        self._result(problem_lines(outcome))
        if self._out.isatty() and not self._flags.json:
            from terminal import console, counts  # noqa: PLC0415 - what is for terminals is loaded for them only

            console(self._out, color=self._color).print(counts(count_rows(outcome)))
        else:
            self._result(summary_lines(outcome))
        self._result([traffic])

    def _price(self, outcome: Outcome, seconds: float) -> Cost | None:
        """What a run will take whose plan this is: it reads what this one has read, and then writes."""
        if outcome.plan is None:
            return None
        reads = self._requests()
        work = work_of(
            outcome.plan,
            airtable_reads=reads["airtable"],
            clickup_reads=reads["clickup"],
            reading_seconds=seconds,
            doubt=outcome.doubt,
        )
        return predict(work, clickup_per_minute=self._clickup_pacer.limit)

    def _tell_live_test(self, outcome: Outcome, traffic: str) -> None:
        self._result([*finding_lines(outcome.findings), *problem_lines(outcome), traffic])
        if exit_code(outcome, dry_run=False) == 0:
            self._result(["All went well, and everything that the live test made is deleted."])

    def _tell_error(self, error: SyncError) -> None:
        lines = error_lines(error)
        if self._flags.check and not self._flags.json:
            self._result([line if line.startswith(" ") else f"problem: {line}" for line in lines])
            return
        for line in lines:
            self._say(line)

    def _kept(self, text: str) -> bool:
        """Write the report's file, if one is asked for; false if that failed."""
        if self._report_file is None:
            return True
        try:
            _write_whole(self._report_file, text + "\n")
        except OSError as error:
            self._say(f"the report could not be written to {self._report_file}: {error.strerror}")
            return False
        return True

    def _result(self, lines: Sequence[str]) -> None:
        if not self._flags.json:
            _put(self._out, lines)

    def _show_message(self, line: str) -> None:
        self._show.say(line)

    def _say(self, line: str) -> None:
        _put(self._err, [line])


def _end_after(seconds: float) -> None:
    """The program ends after so long, whatever its threads are at."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _put(stream: TextIO | None, lines: Sequence[str]) -> None:
    """Say it, if there is anybody: a closed pipe, a full disk or no stream at all must not stop the sync."""
    if stream is None:
        return
    try:
        for line in lines:
            print(line, file=stream)
        stream.flush()
    except (OSError, ValueError):
        # Nothing more can be told there, and the interpreter must not try at its end.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Show(Progress, Protocol):
    """Who shows how far a run is, and its messages meanwhile."""

    def waiting(self, reason: str, seconds: float) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """Progress without a terminal: a line for each stage."""

    def __init__(self, say: Callable[[str], None], *, quiet: bool) -> None:
        self._say = say
        self._quiet = quiet

    def stage(self, name: str, total: int) -> None:
        if not self._quiet:
            self._say(f"{name} ({total:,})" if total else name)

    def step(self, count: int = 1) -> None:
        """Not worth a line."""

    def waiting(self, reason: str, seconds: float) -> None:
        """The log tells it to those who want to know."""

    def say(self, line: str) -> None:
        self._say(line)

    def close(self) -> None:
        """Nothing to take away."""


class _ToLines(logging.Handler):
    """Log messages as plain lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(visible(record.getMessage()))


def _exit_code_of(error: SyncError) -> int:
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


def _writable(path: Path | None) -> Path | None:
    """The file that the report goes to. Raises ConfigError where none can be written."""
    if path is None:
        return None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise ConfigError([f"--report: {path} is no file"], "give the path of a file")
        _temporary(target.parent).unlink()
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            [f"--report: {path} cannot be written: {reason}"], "give a path in a folder of yours"
        ) from error
    return target


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file. Of files that exist the file system says it, which may ignore letter case."""
    try:
        return path == other.resolve() or path.samefile(other)
    except FileNotFoundError:
        return False
    except (OSError, RuntimeError, ValueError):
        return False  # no usable path, which the settings tell


def _temporary(folder: Path) -> Path:
    number, name = tempfile.mkstemp(prefix=".report-", dir=folder)
    os.close(number)
    return Path(name)


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that others see the old one or the whole new one; only its owner can read it."""
    temporary = _temporary(path.parent)
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _run_for_demo(argv: Sequence[str]) -> tuple[int, str]:
    """One run as the demo shows it: its exit code, and all that it said."""
    said = io.StringIO()
    code = main(argv, {}, clock=SystemClock(), stdout=said, stderr=said)
    return code, said.getvalue()


def _main_or_interrupted() -> int:
    """Before and after a run's own handlers an interrupt simply ends the program."""
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(_main_or_interrupted())
