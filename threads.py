"""Threads on a machine that may allow no more of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("sync")


def begin(work: Callable[[], None], name: str) -> threading.Thread | None:
    """A thread at this work that keeps no stopped program alive; None where the machine allows no further one."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as refusal:
        log.info("without one more thread for '%s': %s", name, refusal)
        return None
    return thread
