"""The decisions: what a run does, and why, from what was read. Pure: no I/O, no clock, no logging.

`plan` takes the world as it was read and answers either a `Plan`, or `Wanted`: readings without which nothing certain
can be said. Each table of decisions has a room of its own in `decisions`: which task belongs to a lead (`links`), the
status of a linked pair (`status`), its name and details (`content`). Beside them are what decides when a reading may be
too old to decide on (`evidence`), what a link keeps (`kept`), and the settings (`rules`). Here they are put together,
lead by lead; then come the brake and the parts of a plan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence, Set

from decisions.content import (
    ContentDecision,
    decide_content,
    own_text_notices,
    with_texts_of_the_lead,
    with_texts_that_arrived,
    with_what_arrived,
)
from decisions.evidence import (
    evidence_wanted,
    lead_may_be_older,
    lead_write_may_arrive,
    task_may_be_older,
    task_write_may_arrive,
)
from decisions.kept import as_seen, as_shown, created_link, found_link, having, is_made_by, with_base
from decisions.links import (
    Adopted,
    Linked,
    Undecided,
    Unlinked,
    link_notices,
    notices_without_lead,
    resolve,
    unlinked_notices,
)
from decisions.rules import Rules
from decisions.status import (
    StatusDecision,
    StatusPair,
    decide_status,
    moved_unseen_notices,
    settle,
)
from models import (
    Change,
    Conflict,
    CreateTask,
    Failure,
    KnownTask,
    Lead,
    Link,
    Notice,
    Plan,
    TaskGone,
    UpdateLead,
    UpdateTask,
    Wanted,
)
from status_map import fold
from text import digest, visible
from world import DELETED, Index, World, is_record_id

LEAD_GONE = "not in the table"

_ASKED_IN_VAIN = "an earlier request for its task got no answer, and ClickUp lists no such task"
_IF_HIDDEN = "if it was moved to another List or made private right after that, or made without the custom field"
_MADE_AGAIN = f"{_ASKED_IN_VAIN}, so it gets one now; {_IF_HIDDEN}, this is a second one"
_GIVEN_UP = f"{_ASKED_IN_VAIN}, so none counts as made; {_IF_HIDDEN}, the one that it gets later is a second one"
_NOT_SHOWN = "it may still be shown as it was before this program's last write"


def subjects(world: World) -> frozenset[str]:
    """The leads that have to be decided: those read, and those whose task moved away from the base, or back to it, or
    is there again."""
    chosen = set(world.leads)
    by_task = {link.task_id: link for link in world.links.values()}
    for task_id, task in world.tasks.items():
        link = by_task.get(task_id)
        if not isinstance(task, KnownTask):
            if link is not None:
                chosen.add(link.record_id)
            continue
        if link is None:
            if is_record_id(task.marker):
                chosen.add(task.marker)
        elif task.marker != link.record_id or _moved(link, task):
            chosen.add(link.record_id)
            if is_record_id(task.marker):
                chosen.add(task.marker)
    chosen.update(world.creates, world.task_writes, world.lead_writes)
    if world.full:
        chosen.update(world.links)
    return frozenset(chosen)


def _moved(link: Link, task: KnownTask) -> bool:
    if link.base is None or link.elsewhere == DELETED:
        return True
    return not fold(task.status) == fold(link.base[1]) == fold(link.seen_status)


class _Draft:
    """The plan while it is being made."""

    def __init__(self) -> None:
        self.creates: list[CreateTask] = []
        self.task_updates: list[UpdateTask] = []
        self.lead_updates: list[UpdateLead] = []
        self.links: list[Link] = []
        self.former_links: list[Link] = []
        self.paired: set[str] = set()
        self.settled_creates: set[str] = set()
        self.settled_task_writes: set[str] = set()
        self.settled_lead_writes: set[str] = set()
        self.failed: list[Failure] = []
        self.notices: list[Notice] = []
        self.conflicts: list[Conflict] = []
        self.left: list[Failure] = []
        self.unchanged = 0
        self.verdicts: dict[str, str] = {}
        self.wanted: list[Wanted] = []

    def plan(self) -> Plan:
        return Plan(
            tuple(self.creates),
            tuple(self.task_updates),
            tuple(self.lead_updates),
            tuple(self.links),
            tuple(self.former_links),
            frozenset(self.settled_creates),
            frozenset(self.settled_task_writes),
            frozenset(self.settled_lead_writes),
            tuple(self.failed),
            tuple(self.notices),
            tuple(self.conflicts),
            tuple(self.left),
            self.unchanged,
            self.verdicts,
        )


def plan(world: World, chosen: Iterable[str], rules: Rules) -> Plan | Wanted:
    """Decide everything for the chosen leads, or say what has to be read first."""
    index = Index(world)
    draft = _Draft()
    decided = sorted(chosen)
    for record_id in decided:
        if record_id not in world.leads:
            draft.wanted.append(Wanted(leads=frozenset({record_id})))
            continue
        lead = world.leads[record_id]
        if lead is None:
            _lead_gone(record_id, index, rules, draft)
        else:
            _decide(lead, index, rules, draft)
    if draft.wanted:
        return _all_wanted(draft.wanted)
    _observe_others(index, frozenset(decided), draft)
    return draft.plan()


def _all_wanted(wanted: list[Wanted]) -> Wanted:
    return Wanted(
        leads=frozenset().union(*(each.leads for each in wanted)),
        tasks=frozenset().union(*(each.tasks for each in wanted)),
        markers=frozenset().union(*(each.markers for each in wanted)),
        task_status_since=frozenset().union(*(each.task_status_since for each in wanted)),
        lead_status_after=frozenset().union(*(each.lead_status_after for each in wanted)),
        lead_status_before=frozenset().union(*(each.lead_status_before for each in wanted)),
        in_view=frozenset().union(*(each.in_view for each in wanted)),
    )


def _lead_gone(record_id: str, index: Index, rules: Rules, draft: _Draft) -> None:
    """A marker or a link names a lead that is not in the table: the task is reported, never touched."""
    draft.verdicts[record_id] = LEAD_GONE
    _ask_for_create(record_id, index, rules, draft)  # a row that is restored before this must not get a second task
    draft.notices.extend(notices_without_lead(record_id, index))


def _ask_for_create(record_id: str, index: Index, rules: Rules, draft: _Draft, *, claims: bool = False) -> None:
    """The announced create of a lead that gets no task now: settled once its task is found, or once it is certain that
    there is none. As long as it is open, every poll reaches back to it.

    `claims`: the lead is about to get another task, and the one found is not to become its own.
    """
    world, announced = index.world, index.world.creates.get(record_id)
    if announced is None:
        return
    if record_id not in world.asked:
        draft.wanted.append(Wanted(markers=frozenset({record_id})))
        return
    shown = (task for task in world.tasks.values() if isinstance(task, KnownTask) and is_made_by(announced, task))
    made = min(shown, key=lambda task: (task.created, task.id), default=None)
    if made is not None and claims:
        return
    former = world.links.get(record_id)
    free = former is None or _is_deleted(former, world)
    if made is not None and made.id not in index.link_of_task and free:
        draft.links.append(created_link(announced, made))
        draft.settled_creates.add(record_id)
    elif world.asked[record_id] - announced.sent >= rules.doubt_ms:
        draft.settled_creates.add(record_id)
        if made is None:
            draft.notices.append(Notice(record_id, "", _GIVEN_UP))


def _is_deleted(link: Link, world: World) -> bool:
    read = world.tasks.get(link.task_id)
    return link.elsewhere == DELETED if read is None else read is TaskGone.DELETED


def _observe_others(index: Index, decided: frozenset[str], draft: _Draft) -> None:
    """Keep what was read of linked tasks whose leads needed no decision, or got none about that task: they are in the
    trash and may be restored, or their Task IDs are wrong and may be mended.

    Of a deleted task it is kept that it is, or a later run would answer from memory that the lead has one. A task whose
    status moved stays as it was last seen, where this is a run of other leads: the run that decides it has to see that.
    """
    taken = {link.task_id for link in draft.links}
    linked = {link.record_id for link in draft.links}
    for task_id, task in index.world.tasks.items():
        link = index.link_of_task.get(task_id)
        if link is None or task_id in taken:
            continue
        if task is TaskGone.DELETED and link.elsewhere != DELETED and link.record_id not in linked:
            draft.links.append(having(link, elsewhere=DELETED))
        if not isinstance(task, KnownTask):
            continue
        undecided = link.record_id in decided and task_id not in draft.paired
        if undecided or (link.record_id not in decided and not _moved(link, task)):
            write = index.world.task_write(link.record_id, task_id)
            # The rest is read again for that write, and is to be held against what was seen before it.
            seen = as_seen(link, task) if write is None else with_what_arrived(link, task, write)
            if seen is not link and seen != link:
                (draft.former_links if link.record_id in linked else draft.links).append(seen)
            draft.unchanged += int(not undecided)


def _decide(lead: Lead, index: Index, rules: Rules, draft: _Draft) -> None:
    resolution = resolve(lead, index, rules)
    if isinstance(resolution, Wanted):
        draft.wanted.append(resolution)
    elif isinstance(resolution, Undecided):
        failure = Failure(
            lead.id, resolution.task_id, 1, resolution.error, resolution.hint, look=bool(resolution.task_id)
        )
        (draft.left if resolution.left else draft.failed).append(failure)
        draft.verdicts[lead.id] = resolution.error
        hidden = index.world.tasks.get(resolution.task_id) is TaskGone.HIDDEN  # it may be the one of a create
        if not resolution.left and not hidden:
            _ask_for_create(lead.id, index, rules, draft)
    elif isinstance(resolution, Unlinked):
        draft.verdicts[lead.id] = resolution.reason
        if resolution.create and not lead.description:
            draft.wanted.append(Wanted(leads=frozenset({lead.id})))
            return
        draft.settled_creates.add(lead.id)
        if resolution.create and isinstance(lead.status, str):
            draft.creates.append(_create(lead, lead.status, rules, resolution.reason))
            if isinstance(lead.task_cell, str) and lead.task_cell:
                typed = visible(lead.task_cell)[:80]
                text = f"its Task ID '{typed}' is replaced by that of a new task: {resolution.reason}"
                draft.notices.append(Notice(lead.id, "", text, phase=1))
            if lead.id in index.world.creates:
                draft.notices.append(Notice(lead.id, "", _MADE_AGAIN, phase=1, once=True))
        else:
            draft.unchanged += 1
            draft.notices.extend(unlinked_notices(lead, resolution))
            if lead.id in index.world.creates:
                draft.notices.append(Notice(lead.id, "", _GIVEN_UP))
    else:
        _decide_pair(lead, resolution, index, rules, draft)


def _create(lead: Lead, status: str, rules: Rules, reason: str) -> CreateTask:
    mapped = rules.statuses.forward(status) or rules.statuses.first.task
    return CreateTask(lead.id, lead.name, lead.description, rules.for_task(mapped), status, lead.details, reason)


# --- a linked pair ----------------------------------------------------------------------------------------------------


def _decide_pair(lead: Lead, found: Linked | Adopted, index: Index, rules: Rules, draft: _Draft) -> None:
    world, task = index.world, found.task
    draft.paired.add(task.id)
    known = world.links.get(lead.id)
    known = known if known is not None and known.task_id == task.id else None
    link = as_seen(known, task) if known is not None else found_link(lead, task, world)
    if link is None:
        draft.wanted.append(Wanted(leads=frozenset({lead.id})))
        return
    wanted = evidence_wanted(lead, link, task, world, rules)
    if wanted:
        draft.wanted.append(wanted)
        return
    before = link
    status_pair, link = settle(lead, before, task, world)
    ours = link.base != before.base
    task_write = world.task_write(lead.id, task.id)
    link = with_texts_that_arrived(link, task, task_write)
    status = decide_status(status_pair, rules)
    content = decide_content(lead, link, task, task_write, known)
    older = lead_may_be_older(lead, before, status, world, rules)
    if older or task_may_be_older(lead, task, status, content, world, rules):
        # The watermark may pass a change of the task that this reading shows: a later run reads both again.
        draft.left.append(
            Failure(lead.id, task.id, 0, _NOT_SHOWN, "nothing to do: a later run reads it again", look=True)
        )
        draft.verdicts[lead.id] = _NOT_SHOWN
        return
    link = _moved_on(lead, task, link, status, content)
    if link is not known and link != known:
        draft.links.append(link)
    _settle_create(lead, known, found, index, rules, draft)
    _report_pair(lead, task, status_pair, status, content, rules, draft)
    draft.notices.extend(moved_unseen_notices(task_write, task, known))
    if ours:
        _report_taken_for_ours(lead, task, status, world, draft)
    elif known is not None:
        _report_comings_and_goings(lead, task, known, status, draft)
    if known is None and before.base is None:
        draft.notices.extend(own_text_notices(lead, task))
    draft.notices.extend(link_notices(lead, found, index))
    update = _task_update(lead, task, found, status, content, rules, doubtful=status_pair.doubtful)
    if update is not None:
        draft.task_updates.append(update)
    settles = status_pair.doubtful and status.lead_status is not None
    pull = _lead_update(lead, task, found, status, rules, settles=settles)
    if pull is not None:
        draft.lead_updates.append(pull)
    if not status_pair.doubtful or status.base is not None:
        _settle_announced(lead.id, update, pull, world, rules, draft)
    if update is None and pull is None and not status.problem:
        draft.unchanged += 1
    draft.verdicts[lead.id] = status.rule


def _settle_create(
    lead: Lead, known: Link | None, found: Linked | Adopted, index: Index, rules: Rules, draft: _Draft
) -> None:
    """An announced create is answered by the lead's having a task; where its marker has yet to be set, by that."""
    if found.claim and known is None:
        _ask_for_create(lead.id, index, rules, draft, claims=True)
    else:
        draft.settled_creates.add(lead.id)


def _settle_announced(
    record_id: str, update: UpdateTask | None, pull: UpdateLead | None, world: World, rules: Rules, draft: _Draft
) -> None:
    """Announced writes that the readings answer. What is written once more stays announced until that is recorded, as
    long as the first may yet arrive."""
    if update is None or update.only_marks or not task_write_may_arrive(record_id, world, rules):
        draft.settled_task_writes.add(record_id)
    if pull is None or pull.status is None or not lead_write_may_arrive(record_id, world, rules):
        draft.settled_lead_writes.add(record_id)


def _moved_on(lead: Lead, task: KnownTask, link: Link, status: StatusDecision, content: ContentDecision) -> Link:
    """The link with what this reading alone settles: a base, or what the lead shows beside it; texts that need not be
    written."""
    link = as_shown(link, lead) if status.base is None else with_base(link, status.base)
    if not content.writes:
        link = having(link, name=digest(lead.name), details=lead.details)
    return with_texts_of_the_lead(link, lead, task)


def _report_pair(
    lead: Lead,
    task: KnownTask,
    pair: StatusPair,
    status: StatusDecision,
    content: ContentDecision,
    rules: Rules,
    draft: _Draft,
) -> None:
    if status.problem:
        draft.failed.append(Failure(lead.id, task.id, status.problem_phase, status.problem, status.hint))
    if status.conflict_winner:
        shown = lead.status if isinstance(lead.status, str) else lead.status.shown
        draft.conflicts.append(Conflict(lead.id, task.id, shown, task.status, pair.base, status.conflict_winner))
    if status.restore:
        text = f"the task had been moved to '{visible(task.status)}', which has no way back; it is restored"
        draft.notices.append(Notice(lead.id, task.id, text, phase=1))
    was_blank = pair.base is not None and pair.base[0] == "" and not pair.doubtful and rules.in_list(pair.base[1])
    if lead.status == "" and status.lead_status is not None and not was_blank:
        text = f"the lead's status was empty, and is filled with that of the task, '{visible(task.status)}'"
        draft.notices.append(Notice(lead.id, task.id, text, phase=2))
    sent = "was sent and got no answer, and was taken back in"
    if pair.undone_on_task and status.lead_status is not None and not status.conflict_winner:
        text = f"'{visible(pair.undone_on_task)}' {sent} ClickUp since; the lead follows"
        draft.notices.append(Notice(lead.id, task.id, text, phase=2, once=True))
    if pair.undone_on_lead and status.task_status is not None and not status.conflict_winner:
        text = (
            f"'{visible(pair.undone_on_lead)}' {sent} Airtable since; the task, now '{visible(task.status)}', follows"
        )
        draft.notices.append(Notice(lead.id, task.id, text, phase=1, once=True))
    draft.notices.extend(Notice(lead.id, task.id, text, phase=int(content.writes)) for text in content.notices)


def _report_comings_and_goings(lead: Lead, task: KnownTask, known: Link, status: StatusDecision, draft: _Draft) -> None:
    """A status that people left and came back to is no change since the base, yet it was typed, and is written over."""
    if status.conflict_winner or known.base is None:
        return
    if status.task_status is not None and fold(known.seen_status) != fold(task.status) == fold(known.base[1]):
        text = f"the task was moved from '{visible(known.seen_status)}' back to '{visible(task.status)}'"
        text += "; only the lead's status changed, and is taken"
        draft.notices.append(Notice(lead.id, task.id, text, phase=1, once=True))
    at_base = isinstance(lead.status, str) and fold(lead.status) == fold(known.base[0])
    if status.lead_status is not None and known.passed and at_base:
        text = f"the lead's status went from '{visible(known.passed)}' back to '{visible(known.base[0])}'"
        text += "; only the task's status changed, and is taken"
        draft.notices.append(Notice(lead.id, task.id, text, phase=2, once=True))


def _report_taken_for_ours(lead: Lead, task: KnownTask, status: StatusDecision, world: World, draft: _Draft) -> None:
    """A status that equals one of a write without an answer may have been typed, and is written over."""
    task_write, lead_write = world.task_write(lead.id, task.id), world.lead_writes.get(lead.id)
    ours = "counts as the one that was sent and got no answer"
    if status.conflict_winner or not isinstance(lead.status, str):
        return
    if status.task_status is not None and task_write and fold(task.status) == fold(task_write.status):
        text = f"the task's status '{visible(task.status)}' {ours}; only the lead's changed since, and is taken"
        draft.notices.append(Notice(lead.id, task.id, text, phase=1, once=True))
    if status.lead_status is not None and lead_write and fold(lead.status) == fold(lead_write.status):
        text = f"the lead's status '{visible(lead.status)}' {ours}; only the task's changed since, and is taken"
        draft.notices.append(Notice(lead.id, task.id, text, phase=2, once=True))


def _task_update(
    lead: Lead,
    task: KnownTask,
    found: Linked | Adopted,
    status: StatusDecision,
    content: ContentDecision,
    rules: Rules,
    *,
    doubtful: bool,
) -> UpdateTask | None:
    claim = found.claim
    if status.task_status is None and not content.writes and not claim:
        return None
    changes: list[Change] = []
    reasons: list[str] = []
    to_status = None if status.task_status is None else rules.for_task(status.task_status)
    if to_status is not None:
        changes.append(Change("status", task.status, to_status))
        reasons.append(status.rule)
    if content.name is not None:
        changes.append(Change("name", task.shown_name, content.name))
        reasons.append("the lead's name changed")
    if content.description is not None:
        changes.append(Change("details", "", content.description))
        reasons.append("the lead's details changed")
    if claim:
        changes.append(Change("marker", task.marker, lead.id))
        reasons.append("the lead names a task without an owner")
    return UpdateTask(
        lead.id,
        task.id,
        lead.status if isinstance(lead.status, str) else "",
        to_status,
        content.name,
        content.description,
        digest(lead.name),
        lead.details,
        claim,
        status.restore,
        "; ".join(reasons),
        tuple(changes),
        in_doubt=doubtful and status.task_status is None and status.base is None,
        look_first=content.writes and not task.fresh,
    )


def _lead_update(
    lead: Lead, task: KnownTask, found: Linked | Adopted, status: StatusDecision, rules: Rules, *, settles: bool
) -> UpdateLead | None:
    adopt = isinstance(found, Adopted)
    if status.lead_status is None and not adopt:
        return None
    changes: list[Change] = []
    reasons: list[str] = []
    to_status = None if status.lead_status is None else rules.for_lead(status.lead_status)
    if adopt:
        shown = lead.task_cell if isinstance(lead.task_cell, str) else lead.task_cell.shown
        changes.append(Change(rules.task_id_field, shown, task.id))
        reasons.append("the task bears this lead's marker")
    if to_status is not None:
        changes.append(Change(rules.status_field, lead.status if isinstance(lead.status, str) else "", to_status))
        reasons.append(status.rule)
    return UpdateLead(
        lead.id,
        task.id,
        task.status,
        to_status,
        task.id if adopt else None,
        adopt,
        "; ".join(reasons),
        tuple(changes),
        settles,
    )


# --- the brake, and parts of a plan ---------------------------------------------------------------------------------


def status_changes(made: Plan) -> tuple[int, int]:
    """How many statuses the plan would change on tasks, and on leads."""
    to_tasks = sum(1 for update in made.task_updates if update.status is not None)
    to_leads = sum(1 for update in made.lead_updates if update.status is not None)
    return to_tasks, to_leads


def brakes(changes: int, pairs: int) -> bool:
    """Whether so many status changes in one direction are a sign that the world looks wrong."""
    return changes > 20 and changes * 2 > pairs


def in_turn(made: Plan, refused: Sequence[str]) -> Plan:
    """The plan with the creates that earlier runs tried in vain behind all others, in the order given.

    Else a few that ClickUp always refuses would use up each `--limit` or time budget, and no other lead had a turn.
    """
    turns = {record_id: turn for turn, record_id in enumerate(refused, 1)}
    creates = (_with_turn(create, turns.get(create.record_id, 0)) for create in made.creates)
    return dataclasses.replace(made, creates=tuple(sorted(creates, key=lambda create: create.turn))) if turns else made


def _with_turn(create: CreateTask, turn: int) -> CreateTask:
    return dataclasses.replace(create, turn=turn) if turn else create


def limited(made: Plan, *, creates: int | None, phase: int | None, claimed: Set[str]) -> Plan:
    """The part of a plan that `--limit` and `--phase` allow; the rest is left for a later run.

    `claimed` are leads whose tasks have yet to get their first marker, in Phase 1: until then nothing is pulled.
    """
    kept_creates = made.creates if phase != 2 else ()
    if creates is not None:
        kept_creates = kept_creates[:creates]
    task_updates = made.task_updates if phase != 2 else ()
    too_early = claimed if phase == 2 else frozenset()
    in_phase = [
        (update, None if update.record_id in too_early else _in_phase(update, phase)) for update in made.lead_updates
    ]
    cut = {
        1: {create.record_id for create in made.creates[len(kept_creates) :]},
        2: {update.record_id for update, part in in_phase if update.status and (part is None or not part.status)},
    }
    cut[1].update(update.record_id for update in made.task_updates[len(task_updates) :])
    cut[1].update(update.record_id for update, part in in_phase if update.adopt and (part is None or not part.adopt))
    left = [Failure(record_id, "", 0, "left out by --limit or --phase") for record_id in sorted(cut[1] | cut[2])]
    return dataclasses.replace(
        made,
        creates=kept_creates,
        task_updates=task_updates,
        lead_updates=tuple(part for _, part in in_phase if part is not None),
        conflicts=tuple(
            each for each in made.conflicts if each.record_id not in cut[1 if each.winner == "airtable" else 2]
        ),
        notices=tuple(each for each in made.notices if each.record_id not in cut.get(each.phase, ())),
        left=(*made.left, *left),
        cut=bool(left),
    )


def _in_phase(update: UpdateLead, phase: int | None) -> UpdateLead | None:
    if phase == 1 and update.status is not None:
        if not update.adopt:
            return None
        return dataclasses.replace(update, status=None, changes=update.changes[:1], settles=False)
    if phase == 2 and update.adopt:
        if update.status is None:
            return None
        return dataclasses.replace(update, adopt=False, task_cell=None, changes=update.changes[1:])
    return update
