"""Readings that may be older than our own last writes: what must be read before a pair is decided, and what waits."""

from __future__ import annotations

from decisions.content import ContentDecision
from decisions.rules import Rules
from decisions.status import NEWER_BY_MS, StatusDecision, may_be_touched, unmapped
from models import KnownTask, Lead, Link, Wanted
from status_map import fold
from text import digest
from world import CLOCK_MARGIN_MS, World


def evidence_wanted(lead: Lead, link: Link, task: KnownTask, world: World, rules: Rules) -> Wanted | None:
    """What must be read before this pair can be decided."""
    task_write = world.task_writes.get(lead.id)
    if task_write and not lead.description:
        return Wanted(leads=frozenset({lead.id}))
    lead_write = world.lead_writes.get(lead.id)
    renamed = task.name != link.answered_name and digest(lead.name) not in (link.name, task.name)
    stale = not task.fresh and (task_write or lead_write or renamed or _agrees_anew(lead, link, task, rules))
    if stale or _unseen(lead, link, task, world):
        return Wanted(tasks=frozenset({task.id}))
    unasked = task.id not in world.status_since
    if task_write and may_be_touched(link, task, task_write) and unasked:
        return Wanted(task_status_since=frozenset({task.id}))
    for moment in (lead_write.sent, lead_write.last_sent) if lead_write else ():
        if (lead.id, moment) not in world.lead_after:  # one at a time: the answer names the lead, not the moment
            return Wanted(lead_status_after=frozenset({(lead.id, moment)}))
    if _differs_from_our_write(lead, link, world, rules) and _after_our_write(link) not in world.lead_after:
        return Wanted(lead_status_after=frozenset({_after_our_write(link)}))
    if link.base is None and isinstance(lead.status, str) and lead.status:
        disagree = unmapped(lead.status, task.status, rules) is None and not (
            rules.statuses.agree(lead.status, task.status)
        )
        if disagree and rules.statuses.back(task.status) is not None:
            if unasked:
                return Wanted(task_status_since=frozenset({task.id}))
            began = world.status_since[task.id]
            if began is not None and (lead.id, began - NEWER_BY_MS) not in world.lead_before:
                return Wanted(lead_status_before=frozenset({(lead.id, began - NEWER_BY_MS)}))
    return None


def lead_may_be_older(lead: Lead, link: Link, status: StatusDecision, world: World, rules: Rules) -> bool:
    """Whether the reading of the lead may be older than our own last write of its status.

    A modification that Airtable tells of after the write proves that it is not. Where the outcome of the write is not
    known, it is only made again; to act as if it had never been made is left to a later run.
    """
    if _differs_from_our_write(lead, link, world, rules):
        return not world.lead_after[_after_our_write(link)]
    if not lead_write_may_arrive(lead.id, world, rules) or status.lead_status is not None:
        return False
    write = world.lead_writes[lead.id]
    another = isinstance(lead.status, str) and fold(lead.status) != fold(write.status)
    return another and not world.lead_after[lead.id, write.last_sent]


def lead_write_may_arrive(record_id: str, world: World, rules: Rules) -> bool:
    """Whether a write of the lead's status whose outcome is not known may be carried out, or be shown, only later.

    While it is written once more it stays announced until that is recorded: it is not to be taken for a person's.
    """
    write = world.lead_writes.get(record_id)
    return write is not None and abs(world.airtable_now - write.last_sent) < rules.doubt_ms


def task_write_may_arrive(record_id: str, world: World, rules: Rules) -> bool:
    """The same of a write of its task. A time far ahead of now was taken from a wrong clock, and says nothing."""
    write, now = world.task_writes.get(record_id), world.surely_listed + rules.doubt_ms
    return write is not None and abs(now - write.last_sent) < rules.doubt_ms


def _differs_from_our_write(lead: Lead, link: Link, world: World, rules: Rules) -> bool:
    """Whether the lead shows another status than the base so soon after our own write that the reading may be older."""
    if not link.lead_written or link.base is None or not isinstance(lead.status, str):
        return False
    # A time far ahead of now was taken from a wrong clock, and says nothing.
    recent = abs(world.airtable_now - link.lead_written) < rules.doubt_ms
    return recent and fold(lead.status) != fold(link.base[0])


def _after_our_write(link: Link) -> tuple[str, int]:
    return link.record_id, link.lead_written + CLOCK_MARGIN_MS


def task_may_be_older(
    lead: Lead, task: KnownTask, status: StatusDecision, content: ContentDecision, world: World, rules: Rules
) -> bool:
    """The same of the task, where the outcome of our own last write is not known: its status, name and description."""
    write = world.task_write(lead.id, task.id)
    if write is None or not task_write_may_arrive(lead.id, world, rules):
        return False
    if task.updated >= write.last_sent - CLOCK_MARGIN_MS:
        return False
    parts = (
        (fold(write.status), fold(task.status), status.task_status),
        (write.name, task.name, content.name),
        (write.description, task.description, content.description),
    )
    return any(written and shown != written and again is None for written, shown, again in parts)


def _agrees_anew(lead: Lead, link: Link, task: KnownTask, rules: Rules) -> bool:
    """Whether the lead's new status agrees with what was last seen of its task: then no write would show the task."""
    if link.base is None or not isinstance(lead.status, str) or fold(lead.status) == fold(link.base[0]):
        return False
    return rules.statuses.agree(lead.status, task.status)


def _unseen(lead: Lead, link: Link, task: KnownTask, world: World) -> bool:
    """Whether the lead changed and its task is so new that the poll may have left it out."""
    if task.fresh or link.created <= world.surely_listed:
        return False
    now = lead.status if isinstance(lead.status, str) else ""
    changed = link.base is None or fold(now) != fold(link.base[0]) or digest(lead.name) != link.name
    return changed or lead.details != link.details
