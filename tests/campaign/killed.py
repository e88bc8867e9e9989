"""The program, made to die at one of its own transactions: `python -m tests.campaign.killed N before|after -- flags`.

The process ends as if by kill -9, right before or right after the N-th COMMIT of its state file. With N = 0 it lives,
and says on stderr how many COMMITs there were.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import main
import state

COUNTED = "commits: "


def die() -> None:
    """As the kernel's out-of-memory killer would have it."""
    os.kill(os.getpid(), signal.SIGKILL)


def count_commits(number: int, when: str) -> list[int]:
    """From now on each transaction of the state counts, and the chosen one is the last. Answers the counter."""
    transaction: Any = state.State._transaction
    seen = [0]

    @contextlib.contextmanager
    def counted(self: state.State) -> Iterator[None]:
        with transaction(self):
            yield
            seen[0] += 1
            mine = seen[0]
            if mine == number and when == "before":
                die()
        if mine == number:
            die()

    state.State._transaction = counted  # type: ignore[method-assign]
    return seen


if __name__ == "__main__":
    commits = count_commits(int(sys.argv[1]), sys.argv[2])
    code = main.main(sys.argv[4:])
    sys.stderr.write(f"{COUNTED}{commits[0]}\n")
    sys.exit(code)
