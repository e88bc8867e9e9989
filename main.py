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
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from clients import airtable, clickup
from clients.errors import AuthError, NotFound, QuotaSpent
from clients.http import Http, ping
from clients.pacing import AirtablePacer, ClickUpPacer, in_flight
from clock import Clock, SystemClock
from config import Settings, base_and_list, binding, load, read
from counting import Counts
from engine import Options, Tools, check, forget_told, sync
from engine.setup import Setup, table_id
from errors import ConfigError, Locked, NotThisState, SafetyStop, StateError, SyncError
from flags import parse
from models import Notice, Outcome
from output import Lines, Show, ToLines, forgiving, has_failed, refuse_settings_beside_state, report_file, write_whole
from report import (
    as_json,
    check_lines,
    count_rows,
    duration,
    error_lines,
    exit_code,
    explain_lines,
    finding_lines,
    outcome_of_error,
    plan_lines,
    problem_lines,
    summary_lines,
    traffic_line,
)
from state import Lock, State, last_turn, set_aside
from stopping import Stopping
from text import visible
from threads import begin

if TYPE_CHECKING:
    from live_test import LiveTest

WORKERS = 64
GRACE_SECONDS = 8.0
LIVE_TEST_GRACE_SECONDS = 60.0
_PING_SECONDS = 5.0
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
    out, err = forgiving(stdout or sys.stdout), forgiving(stderr or sys.stderr)
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
    signals = program.stopping.signals() if clock is None else contextlib.nullcontext()
    with program.logging(), signals, _rare_collections():
        return program.run()


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
        self.stopping = Stopping(clock, GRACE_SECONDS, self._tell_stopping, self._give_up)
        self._stop = self.stopping.asked
        self._counts = Counts(clock)
        self._airtable_pacer = AirtablePacer()
        self._clickup_pacer = ClickUpPacer()
        self._live_test: LiveTest | None = None
        self._so_far: Callable[[], Outcome] = lambda: Outcome(False)
        self._tell_failure: Callable[[], None] = lambda: None
        self._report_file: Path | None = None
        self._report_kept = False
        self._pinged_well = False
        self._show: Show = Lines(self._say, quiet=flags.quiet)

    def demo(self) -> int:
        """The demo, on the stand-in."""
        from demo import play  # noqa: PLC0415 - the stand-in is loaded for the demo only

        try:
            return play(lambda line: _put(self._out, [line]), _run_for_demo)
        except KeyboardInterrupt:
            self._say("stopped")
            return 1
        except StateError as error:
            self._tell_error(error)
            return _exit_code_of(error)

    def run(self) -> int:
        """Everything else."""
        try:
            given = read(self._environ, self._flags.env_file)
            self._report_file = report_file(self._flags.report, given)
            settings = _at_its_real_path(load(given))
            refuse_settings_beside_state(given)
            for warning in settings.warnings:
                log.warning("%s", warning)
            if self._flags.live_test:
                outcome = self._test_live(settings)
            else:
                outcome = self.stopping.in_a_thread(functools.partial(self._mode(), settings))
        except SyncError as error:
            return self._end(outcome_of_error(error), _exit_code_of(error), error)
        code = self._end(outcome, exit_code(outcome, dry_run=self._looks_only), None)
        code = self._forget_what_is_told(settings, outcome, code)
        if code and self._pinged_well:
            self._tell_failure()  # what was done is well, but could not be told
        return code

    def _mode(self) -> Callable[[Settings], Outcome]:
        if self._flags.check:
            return self._check
        return self._look if self._looks_only else self._sync

    # --- what is asked for

    def _check(self, settings: Settings) -> Outcome:
        with self._copied_state(settings), self._tools(settings, self._stop) as tools:
            found = check(settings, tools)
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
        found = self.stopping.in_a_thread(test.look)
        self._tell_setup(settings, found)
        for line in test.question() if asks or not self._flags.quiet else ():
            self._say(line)
        if asks and not self._agreed():
            raise ConfigError(["not agreed to; nothing was written"], "type yes to let the live test go on")
        self._live_test = test
        with self._showing():
            outcome = self.stopping.in_a_thread(lambda: test.run(self._show), LIVE_TEST_GRACE_SECONDS)
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
        with self._copied_state(settings) as state:
            return self._run_engine(settings, state)

    @contextlib.contextmanager
    def _copied_state(self, settings: Settings) -> Iterator[State]:
        turn = last_turn(settings.state_file, base_and_list(settings))
        with contextlib.closing(self._copy(settings, turn)) as state:
            try:
                yield state
            finally:
                self._counts.note_usage(settings, state, counted=False)

    def _copy(self, settings: Settings, turn: int) -> State:
        """The state as a run with these flags would have it."""
        with contextlib.ExitStack() as on_failure:
            try:
                state = State.copy(settings.state_file, turn=turn)
                on_failure.callback(state.close)
                self._bind(settings, state, turn)
            except NotThisState as error:
                if not self._flags.force:
                    raise
                log.warning("%s; a run with --force sets it aside", error)
                return State.copy(settings.state_file, turn=turn, set_aside=True)
            on_failure.pop_all()
            return state

    def _sync(self, settings: Settings) -> Outcome:
        with contextlib.ExitStack() as stack:
            lock = Lock(settings.state_file)
            stack.callback(lock.release)
            self._tell_failure = functools.partial(self._ping, settings, "/fail")
            self._ping(settings, "/start")
            in_step = False
            try:
                state = self._open_state(settings, lock)
                stack.callback(state.close)
                outcome = self._counted(settings, state)
                in_step = exit_code(outcome, dry_run=False) == 0
            finally:
                self._ping(settings, "" if in_step else "/fail")
                self._pinged_well = in_step
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
            self._counts.keep_run(settings, state, code, full)

    def _open_state(self, settings: Settings, lock: Lock) -> State:
        try:
            return self._opened(settings, lock, lost=lock.taken_before)
        except NotThisState as error:
            if not self._flags.force:
                raise
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock.time()))
            log.warning("%s; it is kept as %s", error, set_aside(settings.state_file, f".{stamp}.old"))
            return self._opened(settings, lock, lost=True)  # it may know of a create whose answer was lost

    def _opened(self, settings: Settings, lock: Lock, *, lost: bool) -> State:
        with contextlib.ExitStack() as on_failure:
            whose = base_and_list(settings)
            turn = lock.last_turn(whose)
            state = State.open(settings.state_file, turn=turn, lost=lost)
            on_failure.callback(state.close)
            self._bind(settings, state, turn)
            state.begin_turn(lock, whose)
            on_failure.pop_all()
            return state

    def _bind(self, settings: Settings, state: State, turn: int) -> None:
        """Refuse a state that is another table's or List's, or does not know of the last run, which had this turn."""

        def named_now() -> str:
            with self._tools(settings, self._stop) as tools:
                return table_id(tools.airtable)

        state.bind(binding(settings), named_now)
        state.must_know(turn)

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

    def _forget_what_is_told(self, settings: Settings, outcome: Outcome, code: int) -> int:
        """Decisions against people need not be kept once they are told. Where nobody could be told, the run was not
        well, and the next one tells them; so does a run that has begun meanwhile."""
        if not outcome.to_tell:
            return code
        told_by = self._err if self._flags.quiet and not self._flags.json else self._out
        if has_failed(told_by) and not self._report_kept:
            return max(code, 1)
        with contextlib.suppress(Locked, StateError), contextlib.ExitStack() as stack:
            lock = Lock(settings.state_file)
            stack.callback(lock.release)
            state = State.open(settings.state_file, turn=lock.last_turn(base_and_list(settings)), lost=True)
            stack.callback(state.close)
            forget_told(state, outcome)
        return code

    # --- wiring

    @contextlib.contextmanager
    def _tools(self, settings: Settings, stop: threading.Event) -> Iterator[Tools]:
        common: dict[str, Any] = {
            "clock": self._clock,
            "stop": stop,
            "timeout": settings.http_timeout_seconds,
            "retry_wait": settings.retry_wait_seconds,
            "random": random.Random(),
            "secrets": (settings.airtable_api_key, settings.clickup_api_key),
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
        self._counts.add(to_airtable, to_clickup)
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
        handler = ToLines(self._show_message)
        level = log.level
        log.setLevel(logging.DEBUG if self._flags.verbose else logging.ERROR if self._flags.quiet else logging.WARNING)
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)

    # --- ending early

    def _tell_stopping(self) -> None:
        what = "what is under way may end" if self._live_test is None else "what it made is being deleted"
        self._show_message(f"stopping: {what}; once more ends it now")

    def _give_up(self) -> NoReturn:
        """Say what is known, and end. Whatever hangs meanwhile, a disk or a reader of the output, is left as well."""
        telling = begin(self._tell_failure, "telling")
        why = "requests were still under way after the time to stop; what became of them the next run finds out"
        self._show.close()
        known = self._so_far() if self._live_test is None else Outcome(False, failed=self._live_test.left())
        self._end(dataclasses.replace(known, stopped=why), 1, None)
        for stream in (self._out, self._err):
            stream.flush()
        if telling is not None:
            telling.join()
        os._exit(1)

    # --- telling

    def _end(self, outcome: Outcome, code: int, error: SyncError | None) -> int:
        """Say what came of it, and write the report."""
        requests, waited, seconds = self._counts.requests(), self._counts.waited(), self._counts.seconds()
        warnings = tuple(Notice("", "", text) for text in self._counts.warnings())
        outcome = dataclasses.replace(outcome, notices=(*outcome.notices, *warnings))
        price = self._counts.price(outcome, seconds, self._clickup_pacer.limit)
        if error is not None:
            self._tell_error(error)
            for text in self._counts.said_once:
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
            started_at=self._counts.started_at,
            seconds=seconds,
            exit_code=code,
            requests=requests,
            waited=waited,
            usage=self._counts.usage,
            price=price,
        )
        if not self._kept(json.dumps(report, indent=2)):
            report["exit_code"] = code = max(code, 1)
        if self._flags.json:
            _put(self._out, [json.dumps(report, indent=2)])
        output_is_the_purpose = self._flags.json or self._flags.check or self._looks_only
        if output_is_the_purpose and has_failed(self._out) and not self._report_kept:
            return max(code, 1)
        return code

    def _tell(self, outcome: Outcome, traffic: str) -> None:
        if self._flags.quiet:
            for line in (*problem_lines(outcome, quiet=True), *(f"note: {text}" for text in self._counts.said_once)):
                self._say(line)
            return
        self._result(problem_lines(outcome))
        if not self._tell_as_table(outcome):
            self._result(summary_lines(outcome))
        self._result([traffic])

    def _tell_as_table(self, outcome: Outcome) -> bool:
        """Show the counts as a table, where there is a terminal with room for one; false if there is none."""
        if self._flags.json or not self._out.isatty():
            return False
        from terminal import console, counts, has_room  # noqa: PLC0415 - what is for terminals is loaded for them only

        screen = console(self._out, color=self._color)
        if not has_room(screen):
            return False
        screen.print(counts(count_rows(outcome)))
        return True

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
            write_whole(self._report_file, text + "\n")
        except OSError as error:
            self._say(f"the report could not be written to {visible(str(self._report_file))}: {error.strerror}")
            return False
        self._report_kept = True
        return True

    def _result(self, lines: Sequence[str]) -> None:
        if not self._flags.json:
            _put(self._out, lines)

    def _show_message(self, line: str) -> None:
        self._show.say(line)

    def _say(self, line: str) -> None:
        _put(self._err, [line])


def _put(stream: TextIO, lines: Sequence[str]) -> None:
    for line in lines:
        print(line, file=stream)
    stream.flush()


def _at_its_real_path(settings: Settings) -> Settings:
    """So that a state file which is a link is one and the same for the lock, for SQLite, and when it is set aside."""
    return dataclasses.replace(settings, state_file=Path(os.path.realpath(settings.state_file)))


def _exit_code_of(error: SyncError) -> int:
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)


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
