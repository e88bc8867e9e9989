"""The rows of the table: each makes its own stand-in, measures, and says what came of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from benchmarks.measuring import Request, Run, StandIn, stand_in
from budget import Work, predict

_WINDOW = 60.0
_A_SECOND = 5
_MEGABYTE = 2**20


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None where there is no goal."""

    case: str
    bound: str
    goal: str
    figure: str
    met: bool | None


@dataclass(frozen=True)
class Sizes:
    """How much of everything. `answers` is what an answer takes, in seconds, wherever time does not belong to the
    program alone; `idle_runs` is of how many runs the fastest counts."""

    answers: tuple[float, float] = (0.05, 0.5)
    idle_runs: int = 5
    idle: tuple[int, ...] = (10, 1_000, 10_000, 50_000)
    pairs: int = 1_000
    changed: tuple[tuple[int, int], ...] = ((1, 0), (0, 1), (10, 10), (40, 95), (95, 40))
    backfills: tuple[tuple[int, int], ...] = ((100, 250), (1_000, 2_200), (10_000, 5_000))
    stopped: tuple[int, float] = (2_000, 15.0)
    shared_clickup: tuple[tuple[int, int], ...] = ((100, 130), (1_000, 1_300), (10_000, 1_300))
    shared_airtable: int = 300
    full: int = 50_000
    naive: tuple[int, ...] = (100, 1_000, 10_000)
    naive_first: tuple[int, ...] = (100, 1_000)
    naive_computed: int = 10_000


QUICK = Sizes(
    idle=(10, 1_000),
    pairs=200,
    changed=((1, 0), (0, 1), (10, 10)),
    backfills=((1_000, 300), (10_000, 600)),
    stopped=(600, 6.0),
    shared_clickup=((100, 20),),
    shared_airtable=60,
    full=2_000,
    naive=(100,),
    naive_first=(20,),
    naive_computed=0,
)


# --- idle, changed, full ----------------------------------------------------------------------------------------------


def idle(sizes: Sizes) -> Iterator[Row]:
    """Nothing to do, at several numbers of links."""
    took: dict[int, float] = {}
    for links in sizes.idle:
        with linked(links, clickup=100) as sides:
            runs = [sides.run() for _ in range(sizes.idle_runs)]
            run = min(runs, key=lambda each: each.wall)
        took[links] = min(each.cpu for each in runs)
        sent = (run.count("airtable"), run.count("clickup"))
        big = links == max(sizes.idle)
        small = run.wall < 0.5 and run.memory < 80 * _MEGABYTE
        yield Row(
            f"idle run, {links:,} links",
            "1 request to each service",
            "exactly that" + ("; under 0.5 s and 80 MB" if big else ""),
            f"{sent[0]} + {sent[1]}; {run.wall:.2f} s, {_memory(run)}, CPU {run.cpu:.2f} s",
            _all_right(run) and sent == (1, 1) and (small or not big),
        )
    least, most = min(took), max(took)
    yield Row(
        f"idle run, growth from {least:,} to {most:,} links",
        "none",
        "next to none: under 0.05 s of the processor",
        f"{took[most] - took[least]:+.3f} s",
        took[most] - took[least] < 0.05,
    )


def changed(sizes: Sizes) -> Iterator[Row]:
    """Some leads and some tasks changed since the last run."""
    for leads, tasks in sizes.changed:
        with linked(sizes.pairs, clickup=1_000, latency=sizes.answers) as sides:
            sides.tell("edit", leads=leads, tasks=tasks)
            run = sides.run()
            bound = 2 + leads + math.ceil(tasks / 100) + math.ceil(tasks / 10)
            settled = sides.tell("linked") == sizes.pairs
        yield Row(
            f"changed among {sizes.pairs:,} pairs: leads {leads}, tasks {tasks}",
            f"2 + {leads} + ⌈{tasks}/100⌉ + ⌈{tasks}/10⌉ = {bound} requests",
            "requests ÷ bound = 1.00",
            f"{run.requests} requests = {run.requests / bound:.2f}; {run.wall:.1f} s",
            _all_right(run) and settled and run.requests == bound,
        )


def full(sizes: Sizes) -> Iterator[Row]:
    """Everything is read, and nothing has changed."""
    count = sizes.full
    archived = count // 25
    with linked(count, archived=archived, clickup=10_000) as sides:
        run = sides.run("--full")
    pages = math.ceil(count / 100), math.ceil((count - archived) / 100) + math.ceil(archived / 100)
    walked = pages[0] + _walked(count - archived) + _walked(archived)
    each = run.cpu / count * 1e6
    yield Row(
        f"full run over {count:,} pairs ({archived:,} archived), nothing changed",
        f"{pages[0]} + {pages[1]} pages of 100; a walk by key begins each page of tasks with the last row of the one "
        f"before: {walked}",
        "requests = bound",
        f"{run.count('airtable')} + {run.count('clickup')} requests: {run.requests / sum(pages):.3f} of the pages, "
        f"{run.requests / walked:.3f} of the walk; {run.wall:.0f} s",
        _all_right(run) and run.requests == sum(pages),
    )
    yield Row("— its memory", "", "under 250 MB", _memory(run), run.memory < 250 * _MEGABYTE)
    yield Row("— our own time per pair", "", "under 100 µs", f"{each:.0f} µs (CPU, all in)", each < 100)


def _walked(tasks: int) -> int:
    """Requests of a walk by key, 100 rows a page, the first of which is known from the second page on."""
    return 1 if tasks < 100 else 2 + (tasks - 100) // 99


# --- backfills --------------------------------------------------------------------------------------------------------


def backfill(sizes: Sizes) -> Iterator[Row]:
    """New leads, at each of ClickUp's limits."""
    for limit, leads in sizes.backfills:
        with unlinked(leads, clickup=limit, latency=sizes.answers) as sides:
            run = sides.run()
            settled = sides.tell("linked") == leads
        bound = math.ceil(leads / 100) + 1 + leads + math.ceil(leads / 10)
        fine = _all_right(run) and settled
        case = f"backfill of {leads:,} leads at {limit:,} a minute"
        yield Row(
            f"{case}: requests",
            f"⌈N/100⌉ + 1 page of the List + N + ⌈N/10⌉ = {bound:,}",
            "requests ÷ bound ≤ 1.02",
            f"{run.requests:,} requests = {run.requests / bound:.3f}, polls included",
            fine and run.requests <= 1.02 * bound,
        )
        yield from _time(run, limit, sizes.answers, fine)
        yield Row("— refusals (429)", "", "0", str(len(run.refusals)), not run.refusals)
        early, all_of_them = _overlap(run)
        yield Row(
            "— write-backs sent while tasks were still being created",
            "",
            "most of them",
            f"{early} of {all_of_them}",
            2 * early > all_of_them,
        )


def _time(run: Run, limit: int, answers: tuple[float, float], fine: bool) -> Iterator[Row]:
    """The wall beside the time that the services' limits leave no choice about."""
    mean = sum(answers) / 2
    ends = 3 * mean
    windows, rest = divmod(run.count("clickup") - 1, limit)
    minutes = windows * _WINDOW + math.ceil((rest + 1) / 10) / _A_SECOND
    writes = run.count("airtable", "update_records")
    pages = run.count("airtable", "list_records_post")
    reading = pages * max(1 / _A_SECOND, mean)
    five = reading + writes / _A_SECOND
    if minutes >= five:
        bound, bare = minutes + ends, windows * _WINDOW
        why = (
            f"ClickUp: {windows} windows; the last {rest + 1} requests' tens at Airtable's 5 a second; three answers: "
            f"{bound:.1f} s"
        )
    else:
        bound, bare = five + ends, (pages + writes) / _A_SECOND
        why = (
            f"Airtable: {pages} pages, each after the answer before, {writes} writes at 5 a second; three answers: "
            f"{bound:.1f} s"
        )
    yield Row(
        "— its time",
        why,
        "wall ÷ bound ≤ 1.05",
        f"{run.wall:.1f} s = {run.wall / bound:.3f}; {run.wall / max(bare, 1.0):.3f} of the limits alone, {bare:.0f} s",
        fine and run.wall <= 1.05 * bound,
    )
    if minutes >= five:
        return
    second = 1 + mean - answers[0]
    safe = reading + writes * second / _A_SECOND + ends
    yield Row(
        "— beside what is surely safe",
        f"a request may have arrived as late as its answer less the shortest there is, so five take {second:.3f} s: "
        f"{safe:.1f} s",
        "",
        f"{run.wall / safe:.3f}",
        None,
    )


def stopped(sizes: Sizes) -> Iterator[Row]:
    """A backfill that is told to stop in the middle."""
    leads, after = sizes.stopped
    with unlinked(leads, clickup=10_000, latency=sizes.answers) as sides:
        run = sides.run(stop_after=after)
        written = sides.tell("linked")
    made = run.count("clickup", "create_task")
    grace = run.wall - after
    yield Row(
        f"backfill of {leads:,} leads, SIGTERM after {after:.0f} s",
        "",
        "nearly all that was made is written back; ends within 10 s",
        f"{written:,} of {made:,} tasks written back; ended {grace:.1f} s later",
        run.code == 1 and 0 < made < leads and written >= 0.95 * made and grace < 10,
    )


def _overlap(run: Run) -> tuple[int, int]:
    """Write-backs that began before the last create was answered, and all of them."""
    last = max((each.ended for each in run.log if each.route == "create_task"), default=0.0)
    writes = [each for each in run.log if each.route == "update_records"]
    return sum(each.started < last for each in writes), len(writes)


def sharing(sizes: Sizes) -> Iterator[Row]:
    """Another program uses half of one budget meanwhile."""
    for limit, leads in sizes.shared_clickup:
        with unlinked(leads, clickup=limit, latency=sizes.answers) as sides, sides.neighbour("clickup", limit / 120):
            run = sides.run()
            settled = sides.tell("linked") == leads
        most = max(_by_window(run.refusals), default=0)
        theirs = [each for each in run.log if not each.ours]
        yield Row(
            f"backfill of {leads:,} leads at {limit:,} a minute, another program uses half of ClickUp's",
            "",
            "at most one refusal a window; all linked",
            f"{len(run.refusals)} refusals, at most {most} a window; {run.wall:.0f} s; the other was refused "
            f"{sum(each.status == 429 for each in theirs)} of {len(theirs)} times",
            _all_right(run) and settled and most <= 1,
        )
    leads = sizes.shared_airtable
    with unlinked(leads, clickup=10_000, latency=sizes.answers) as sides, sides.neighbour("airtable", 2.5):
        run = sides.run()
        settled = sides.tell("linked") == leads
    ours, others = _lock_outs(run.log)
    yield Row(
        f"backfill of {leads:,} leads, another program uses half of Airtable's",
        "",
        "no lock-out of 30 s caused by us twice; all linked",
        f"{ours} caused by us, {others} by the other; {run.wall:.0f} s",
        _all_right(run) and settled and ours <= 1,
    )


def _by_window(refusals: Iterable[Request]) -> list[int]:
    """How many fell into each minute that begins with one of them."""
    counts: list[int] = []
    begun = -_WINDOW
    for each in sorted(refusals, key=lambda request: request.started):
        if each.started >= begun + _WINDOW:
            begun = each.started
            counts.append(0)
        counts[-1] += 1
    return counts


def _lock_outs(log: Iterable[Request]) -> tuple[int, int]:
    """How many silences of Airtable's began with a request of ours, and with another's."""
    begun = {True: 0, False: 0}
    silent_until = 0.0
    for each in sorted(log, key=lambda request: request.ended):
        if each.service == "airtable" and each.status == 429 and each.ended > silent_until:
            begun[each.ours] += 1
            silent_until = each.ended + 30.0
    return begun[True], begun[False]


# --- the naive loop ---------------------------------------------------------------------------------------------------


def naive(sizes: Sizes) -> Iterator[Row]:
    """The program and the naive loop, each with a stand-in of its own, filled alike."""
    for leads in sizes.naive_first:
        with unlinked(leads, clickup=1_000, latency=sizes.answers) as sides:
            ours = sides.run()
            done = sides.tell("linked")
        with unlinked(leads, clickup=1_000, latency=sizes.answers) as sides:
            loop = sides.naive()
            reached = sides.tell("linked")
        yield _beside(f"{leads:,} new leads, ClickUp at 1,000 a minute", ours, f"{done:,} tasks", loop, f"{reached:,}")
    if sizes.naive_computed:
        yield _computed(sizes.naive_computed)
    for pairs in sizes.naive:
        with linked(pairs, clickup=1_000, latency=sizes.answers) as sides:
            sides.tell("edit", leads=10, tasks=0)
            ours = sides.run()
        with linked(pairs, clickup=1_000, latency=sizes.answers) as sides:
            sides.tell("edit", leads=10, tasks=0)
            loop = sides.naive()
            idle_again = sides.run()
        left = idle_again.report["phase_1"]["updated"]
        yield _beside(
            f"{pairs:,} pairs, 10 leads changed",
            ours,
            f"{ours.report['phase_1']['updated']} of 10 changes",
            loop,
            f"{10 - left} of 10",
        )


def _computed(leads: int) -> Row:
    """As many leads as nobody wants to wait for here."""
    limit = 1_000
    ours = predict(Work(airtable_reads=leads // 100, creates=leads), clickup_per_minute=limit)
    return Row(
        f"{leads:,} new leads, ClickUp at {limit:,} a minute: computed, not run",
        "the naive loop",
        "",
        f"ours: {ours.airtable + ours.clickup:,} requests, {ours.seconds:.0f} s at the limits' pace; naive: its first "
        "100 leads, in every run the same",
        None,
    )


def _beside(case: str, ours: Run, did: str, loop: Run, reached: str) -> Row:
    return Row(
        case,
        "the naive loop",
        "",
        f"ours: {ours.requests:,} requests, {ours.wall:.0f} s, {did}; "
        f"naive: {loop.requests:,} requests, {loop.wall:.0f} s, {reached}",
        None,
    )


# --- what they have in common -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def linked(
    pairs: int, *, archived: int = 0, clickup: int, latency: tuple[float, float] = (0.0, 0.0)
) -> Iterator[StandIn]:
    """Both sides in step and known to the program, which has read them all once, past the limits. `clickup` is its
    limit a minute from then on, Airtable's is 5 a second."""
    with stand_in(latency) as sides:
        sides.tell("pairs", count=pairs, archived=archived)
        sides.learn()
        sides.tell("now", clickup=clickup, airtable=_A_SECOND)
        yield sides


@contextlib.contextmanager
def unlinked(leads: int, *, clickup: int, latency: tuple[float, float]) -> Iterator[StandIn]:
    """New leads and no task. The program has run once before, on an empty table: the examination of the set-up, three
    requests in the life of a state file, is no part of what is measured."""
    with stand_in(latency) as sides:
        sides.learn()
        sides.tell("leads", count=leads)
        sides.tell("now", clickup=clickup, airtable=_A_SECOND)
        yield sides


ROWS: dict[str, Callable[[Sizes], Iterator[Row]]] = {
    "idle": idle,
    "changed": changed,
    "backfill": backfill,
    "stopped": stopped,
    "sharing": sharing,
    "full": full,
    "naive": naive,
}


def _all_right(run: Run) -> bool:
    return run.code == 0


def _memory(run: Run) -> str:
    return f"{run.memory / _MEGABYTE:.0f} MB"
