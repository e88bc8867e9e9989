"""The settings that decide, and how each side spells a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from status_map import StatusMap, fold


@dataclass(frozen=True)
class Rules:
    """The settings that decide. `task_spelling` and `lead_spelling` say how each side spells a folded status."""

    statuses: StatusMap
    ignored: frozenset[str] = frozenset()
    conflict_winner: str = "airtable"
    missing_task: str = "report"
    doubt_ms: int = 120_000
    name_field: str = "Name"
    status_field: str = "Status"
    task_id_field: str = "ClickUp Task ID"
    task_spelling: Mapping[str, str] = field(default_factory=dict)
    lead_spelling: Mapping[str, str] = field(default_factory=dict)

    def in_list(self, status: str) -> bool:
        """Whether the List has a task status, as far as its statuses are known."""
        return not self.task_spelling or fold(status) in self.task_spelling

    def for_task(self, status: str) -> str:
        """A task status as the List spells it."""
        return self.task_spelling.get(fold(status), status)

    def for_lead(self, status: str) -> str:
        """A lead status as the table spells it."""
        return self.lead_spelling.get(fold(status), status)
