"""The request limit of a base, and the silence after it is overstepped.

5 requests a second for each base, then 30 seconds in which everything is refused:
https://support.airtable.com/docs/managing-api-call-limits-in-airtable
"""

from __future__ import annotations

from collections import deque

from sandbox.airtable.switches import AirtableSwitches


class RateLimit:
    """A sliding window of one second (longer for less than one request a second). `limit` <= 0 lets all pass."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._passed: deque[float] = deque()
        self._silent_until = float("-inf")

    def passes(self, now: float, switches: AirtableSwitches) -> bool:
        """Count one request at `now` (seconds that only grow); false if it is refused."""
        if self.limit <= 0:
            return True
        allowed = max(1, int(self.limit))
        while self._passed and self._passed[0] <= now - allowed / self.limit:
            self._passed.popleft()
        silent = now < self._silent_until
        if not silent and len(self._passed) < allowed:
            self._passed.append(now)
            return True
        if not silent or switches.lockout_prolongs:
            self._silent_until = now + switches.lockout_seconds
        return False
