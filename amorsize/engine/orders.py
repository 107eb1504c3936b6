"""What the user's options decide: one backend by name, or a limit under which nothing runs in the caller.
Pure.

Imported only where there is such an option.
"""

from __future__ import annotations

from amorsize import learning
from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.engine.decisions import (
    ONLY_WAITS_CPU_SHARE,
    choice_unseen,
    for_todays_sizes,
    items_are_sent,
)
from amorsize.engine.known_start import was_watched_before
from amorsize.engine.reviews import did_wait
from amorsize.engine.slices import SLICE_SECONDS
from amorsize.errors import OptionError
from amorsize.planning import choose as planning
from amorsize.planning import cost_model
from amorsize.planning.cost_model import WAITING_CPU_SHARE
from amorsize.planning.explain import describe
from amorsize.planning.values import Choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.state import Facts, RunSpec

WATCHED_ON_A_THREAD = 2
"""Items that run alone before other threads begin, where there is a limit on time (`thread_watch`)."""
MORE_THREADS = 4
"""Threads beside one for each core where the user names threads and no number."""


def ordered(spec: RunSpec, facts: Facts, *, measuring: bool) -> Choice | None:
    """What the user's options decide; None where the run is to find out by itself.

    Raises ``OptionError`` for an order that cannot be obeyed."""
    options = spec.options
    if options.supervised and spec.total != 0:
        if options.forced is not None and not spec.nested:
            return _named(spec, facts, measuring=measuring)
        return limited(spec, facts)
    alone = spec.nested or spec.one_by_one
    if options.forced in (None, "serial") or alone or (spec.total == 0 and not measuring):
        return None
    return _named(spec, facts, measuring=measuring)


def _named(spec: RunSpec, facts: Facts, *, measuring: bool) -> Choice:
    """The user named one backend: every item goes there."""
    options, name = spec.options, spec.options.forced
    assert name is not None
    if name in ("processes", "fork"):
        refusal = _fork_refusal(facts)
        if name == "fork" and refusal is not None:
            raise OptionError(
                "backend",
                name,
                f"the process must not be forked now: {refusal}",
                "use backend='processes', which then starts fresh interpreters",
            )
        name = "spawn" if refusal is not None else "fork"
    jobs = options.max_jobs
    if options.target is not None and TRAITS[name].remote:
        slots = max(1, facts.slots)
        jobs = slots if jobs is None else min(slots, jobs)
    if jobs is None:
        jobs = facts.machine.cores + (MORE_THREADS if name == "threads" else 0)
    if spec.total is not None:
        jobs = min(jobs, spec.total)
    config = Config(name, max(1, jobs), 1, options.chunksize)
    reason = f"asked for by backend={options.forced!r}"
    if measuring and spec.total:
        facts.recall(float("inf"))
    return _foreseen(spec, facts, config, reason)


def _foreseen(
    spec: RunSpec,
    facts: Facts,
    config: Config,
    reason: str,
    seen: tuple[int, float, float] | None = None,
) -> Choice:
    """A choice that was made without comparing, before an item has run, or when some were ``seen``: only
    earlier runs tell what it will take."""
    left, known, profile = spec.total or 0, facts.measured_runs, spec.tried
    if not left or not (known or profile) or TRAITS[config.backend].remote:
        return choice_unseen(config, 0.0 if seen is None else seen[1], left, reason)
    if profile is not None:
        left -= profile.items
    else:
        unseen = learning.Sample(0, 0.0, first_only=True)
        known = for_todays_sizes(known, facts, 0)
        profile = learning.known_costs(known[0].profile, unseen, known, facts.machine)
    roles = cost_model.Roles(items_are_sent(spec, config))
    found = cost_model.seconds(config, profile, facts.machine, left, facts.costs, roles)
    found = planning.experienced(found, facts.residual(profile, left))
    if seen is None and spec.tried is None and _is_watched_first(spec, facts, config):
        alone = WATCHED_ON_A_THREAD if config.backend == "threads" else 1
        found = replace(found, seconds=found.seconds + alone * profile.item_seconds)
    loop = left * profile.item_seconds
    words = (f"{describe(config)}: {reason}",)
    return Choice(found, (), words, False, loop, profile.item_doubt)


def limited(spec: RunSpec, facts: Facts, seen: tuple[int, float, float] | None = None) -> Choice:
    """What runs everything where nothing may run in the caller, which cannot be stopped in an item or be
    replaced: there is a limit on time or memory.

    Worker processes, which can be ended, where they may be used; threads for what is known to wait.
    ``seen``: items that a thread has run between two looks, and seconds of the last one; without it
    ``reviews.on_limited_report`` looks whether the processes wait. No items where the first took too
    long: then nobody knows what they change, and no two threads run them."""
    options, total = spec.options, spec.total
    safety = facts.safety
    waits = not spec.nested and (_is_known_to_wait(spec, facts) or has_waited(seen))
    name, jobs, why = "threads", 1, "an item that takes too long can be left behind"
    most = options.max_jobs or facts.machine.cores
    threads = "threads" in options.backends and not safety.no_threads
    refused = safety.caller_only or safety.unless_watched
    if spec.nested or refused:
        why = refused or "it is called from inside another run"
    elif waits and threads:
        jobs, why = options.max_jobs or planning.FIRST_THREADS, "it waits"
    elif process := _process(spec, facts, may_be_sent=seen is None or facts.transfer.picklable):
        name, jobs, why = process, most, "a worker that takes too much can be replaced"
        if options.timeout is not None:
            why = "an item that takes too long can be ended"
    elif threads:
        jobs = most
    if name == "threads" and seen is not None and not seen[0]:
        jobs, why = 1, "the item that was watched took too long"
    if name not in options.backends:
        raise _refused(spec, facts, name, why)
    if name == "threads":
        jobs = min(jobs, safety.most_threads or jobs)
    jobs = max(1, jobs if total is None else min(jobs, total))
    config = Config(name, jobs, 1, options.chunksize)
    given = "memory_limit" if options.timeout is None else "timeout"
    return _foreseen(spec, facts, config, f"{given} is given; {why}", seen)


def _is_watched_first(spec: RunSpec, facts: Facts, config: Config) -> bool:
    """Whether some items run alone before these workers begin: see `limited_start`."""
    options = spec.options
    if not options.supervised or options.forced is not None or options.effects != "watch":
        return False
    if config.n_jobs < 2 or spec.nested or facts.safety.caller_only:
        return False
    return not was_watched_before(spec, facts)


def has_waited(seen: tuple[int, float, float] | None) -> bool:
    """Whether the last of the items that were watched did little but wait."""
    return seen is not None and seen[0] > 0 and did_wait(1, seen[1], seen[2])


def _is_known_to_wait(spec: RunSpec, facts: Facts) -> bool:
    """Whether earlier runs, or the items that were tried, tell that it waits."""
    runs = facts.recall(0.0)
    if spec.tried is None:
        return bool(runs) and runs[0].profile.cpu_share < WAITING_CPU_SHARE
    # Workers may have lacked cores, and a moment tells nothing.
    seconds = spec.tried.item_seconds
    return seconds >= SLICE_SECONDS and spec.tried.cpu_share < ONLY_WAITS_CPU_SHARE


def _process(spec: RunSpec, facts: Facts, *, may_be_sent: bool) -> str | None:
    """The kind of worker processes that may run the items; None for none."""
    allowed = spec.options.backends
    if facts.safety.no_processes or not may_be_sent:
        return None
    if "fork" in allowed and _fork_refusal(facts) is None:
        return "fork"
    return "spawn" if "spawn" in allowed and facts.fresh_refusal is None else None


def _fork_refusal(facts: Facts) -> str | None:
    return facts.fork_refusal if facts.machine.can_fork else "this system cannot fork"


def _refused(spec: RunSpec, facts: Facts, name: str, why: str) -> OptionError:
    """The error for a limit that needs workers which the function, or ``backend=``, does not allow."""
    options, safety = spec.options, facts.safety
    if options.memory_limit is not None:
        if name == "threads" and not spec.nested:
            refused = safety.caller_only or safety.unless_watched or safety.no_processes
            why = refused or facts.fresh_refusal or "none may be started"
        way_out = "leave the option out, or see what makes the function unfit"
        if safety.caller_only or safety.unless_watched:
            way_out = "leave the option out, or write effects='ignore' if that does not matter"
        return OptionError(
            "memory_limit",
            options.memory_limit,
            f"needs worker processes, and this function stays in the caller: {why}",
            way_out,
        )
    return OptionError(
        "timeout",
        options.timeout,
        f"needs {name} for this function ({why}), which backend= does not allow",
        "allow it, or leave backend out",
    )
