"""What a link keeps: the base, and what was last seen on each side. How it begins and how it moves."""

from __future__ import annotations

import dataclasses
from typing import Any

from models import AnnouncedCreate, KnownTask, Lead, Link
from status_map import fold
from text import digest
from world import World

EMPTY = digest("")
_CREATED_MARGIN_MS = 60_000


def having(link: Link, **values: Any) -> Link:
    """The link with these values: itself where it has them already, as nearly every link of a full run does.

    A copy takes longer than all else that is done for a pair in which nothing changed.
    """
    for name, value in values.items():
        if getattr(link, name) != value:
            return dataclasses.replace(link, **values)
    return link


def as_seen(link: Link, task: KnownTask) -> Link:
    """The link with what was read of its task."""
    return having(
        link,
        seen_status=task.status,
        seen_name=task.name,
        seen_description=task.description,
        elsewhere=task.elsewhere,
    )


def as_shown(link: Link, lead: Lead) -> Link:
    """The link with a status of its lead that the base does not hold: put back, it would leave no other trace."""
    if not isinstance(lead.status, str) or lead.status == "":
        return link
    if link.base is None or fold(lead.status) == fold(link.base[0]):
        return link
    return having(link, passed=lead.status)


def with_base(link: Link, base: tuple[str, str] | None) -> Link:
    """The link with what both sides agree on now; what the lead has shown before that is forgotten."""
    restores = 0 if base is None else _restores_so_far(link, base)
    return having(link, base=base, restores=restores, passed="")


def _restores_so_far(link: Link, base: tuple[str, str]) -> int:
    """Restores are counted until the lead changes."""
    same_lead = link.base is not None and fold(link.base[0]) == fold(base[0])
    return link.restores if same_lead else 0


def found_link(lead: Lead, task: KnownTask, world: World) -> Link | None:
    """The link of a task that was not linked yet; None while the lead's details are not known."""
    if not lead.description:
        return None
    created = world.creates.get(lead.id)
    if created is not None and is_made_by(created, task):
        return created_link(created, task)
    return _new_link(lead, task)


def is_made_by(created: AnnouncedCreate, task: KnownTask) -> bool:
    """Whether our own announced create may have made a task, and not a person before it was sent."""
    return task.marker == created.record_id and task.created >= created.sent - _CREATED_MARGIN_MS


def created_link(created: AnnouncedCreate, task: KnownTask) -> Link:
    """The link of a task that our own announced create made: the base is what that create carried."""
    return Link(
        record_id=created.record_id,
        task_id=task.id,
        base=(created.lead_status, created.status),
        name=created.name,
        details=created.details,
        answered_name=created.name,
        answered_description=created.description,
        seen_status=task.status,
        seen_name=task.name,
        seen_description=task.description,
        created=task.created,
        elsewhere=task.elsewhere,
    )


def _new_link(lead: Lead, task: KnownTask) -> Link:
    """A link without a base: what the lead says now counts as brought to the task, which keeps its own text.

    A name or description counts as ours only where it is just what we would write, or the description is empty:
    people's text is never ours.
    """
    ours = task.description in (EMPTY, digest(lead.description))
    return Link(
        lead.id,
        task.id,
        None,
        digest(lead.name),
        lead.details,
        task.name if task.name == digest(lead.name) else "",
        task.description if ours else "",
        task.status,
        task.name,
        task.description,
        task.created,
        task.elsewhere,
    )
