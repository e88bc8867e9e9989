"""Processes and what they took: the stand-in, the program, the naive loop, a neighbour."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.neighbour import ROUTES

TOP = Path(__file__).resolve().parent.parent


class Request(NamedTuple):
    """A request as the stand-in's log has it; times in Unix seconds."""

    service: str
    route: str
    status: int
    started: float
    ended: float

    @property
    def ours(self) -> bool:
        """Whether it is not a neighbour's."""
        return self.route not in ROUTES


@dataclass(frozen=True)
class Run:
    """One process: its exit code, its JSON report, seconds of wall and of CPU, its peak memory in bytes, and every
    request that was answered meanwhile, a neighbour's too, in the order of their answers."""

    code: int
    report: dict[str, Any]
    messages: str
    wall: float
    cpu: float
    memory: int
    log: tuple[Request, ...]

    def count(self, service: str, *routes: str) -> int:
        """How many of our requests went to a service."""
        return sum(each.ours and each.service == service and (not routes or each.route in routes) for each in self.log)

    @property
    def requests(self) -> int:
        """How many requests we sent."""
        return self.count("airtable") + self.count("clickup")

    @property
    def refusals(self) -> list[Request]:
        """Ours that were refused for asking too often."""
        return [each for each in self.log if each.ours and each.status == 429]


class StandIn:
    """The stand-in's process and the folder of the program that uses it."""

    def __init__(self, folder: Path, latency: tuple[float, float]) -> None:
        self.folder = folder
        words = [sys.executable, "-m", "benchmarks.standin", "--latency", *map(str, latency)]
        self._process = subprocess.Popen(
            words, cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self._answer(),
            "PYTHONPATH": str(TOP),
            "SYNC_STATE_FILE": str(folder / "state.sqlite3"),
        }

    def tell(self, command: str, **arguments: Any) -> Any:
        """Have a command of `benchmarks.standin` carried out, and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the stand-in ended")
        return json.loads(line)

    def close(self) -> None:
        """End it. Raises RuntimeError if the program sent what a real service would not know."""
        complaints = self.tell("complaints")
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        if complaints:
            raise RuntimeError(f"the stand-in complains: {complaints}")

    def kill(self) -> None:
        """End it after a failure."""
        self._process.kill()
        self._process.communicate()

    # --- who uses it

    def run(self, *flags: str, stop_after: float | None = None) -> Run:
        """One run of the program; told to stop, by SIGTERM, after so many seconds."""
        return self._run("main", "--json", *flags, stop_after=stop_after)

    def learn(self) -> None:
        """The runs before the one that is measured: the set-up is examined and what there is is linked.

        What they say is not read: a process begins with the memory of the one that starts it, and its peak counts it.
        """
        done = self._run("main", "-q")
        if done.code != 0:
            raise RuntimeError(f"the first run ended with {done.code}: {done.messages}")

    def naive(self) -> Run:
        """One pass of the naive loop."""
        return self._run("benchmarks.naive")

    @contextlib.contextmanager
    def neighbour(self, service: str, per_second: float) -> Iterator[None]:
        """Another program uses this service meanwhile, and had begun some seconds before."""
        words = [sys.executable, "-m", "benchmarks.neighbour", service, str(per_second)]
        process = subprocess.Popen(words, env=self.environ, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            yield
        finally:
            process.kill()
            process.wait()

    def _run(self, module: str, *flags: str, stop_after: float | None = None) -> Run:
        self.tell("log")
        with tempfile.TemporaryFile(dir=self.folder) as out, tempfile.TemporaryFile(dir=self.folder) as err:
            begun = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", module, *flags], cwd=self.folder, env=self.environ, stdout=out, stderr=err
            )
            stop = threading.Timer(stop_after or 0.0, os.kill, (process.pid, signal.SIGTERM))
            if stop_after is not None:
                stop.start()
            _, ending, used = os.wait4(process.pid, 0)
            stop.cancel()
            wall = time.monotonic() - begun
            process.returncode = os.waitstatus_to_exitcode(ending)
            out.seek(0)
            err.seek(0)
            said = out.read() if "--json" in flags else b""
            messages = err.read(10_000).decode(errors="replace")
        unit = 1 if sys.platform == "darwin" else 1024
        return Run(
            code=process.returncode,
            report=json.loads(said) if said else {},
            messages=messages,
            wall=wall,
            cpu=used.ru_utime + used.ru_stime,
            memory=used.ru_maxrss * unit,
            log=tuple(Request(*each) for each in self.tell("log")),
        )


@contextlib.contextmanager
def stand_in(latency: tuple[float, float] = (0.0, 0.0)) -> Iterator[StandIn]:
    """A stand-in, empty and in the past, and an empty folder beside it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        process = StandIn(Path(folder), latency)
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        process.close()
