"""What comes out of a run: its results one by one, what happened as a value, what can be learned.

::

    Engine.drive --runs of results--> marked (nested calls) --> chain (in C) --> consumer of a stream
        | at the end
        +--> run_of: Run --> ended_run: RunEnded --> observers; Study, looked up if one of them asks

The engine yields *runs*, iterators of results that are computed as they are asked for; ``chain`` strings
them together in C: a generator around a generator makes a stream of trivial items 1.35 times as long
(benchmarks/speed/ablations.py).
"""

from __future__ import annotations

import time
from itertools import chain

from amorsize import learning
from amorsize.core import nesting
from amorsize.core.events import RunEnded, Study
from amorsize.core.frozen import dataclass, replace
from amorsize.core.model import Config, Forecast, Run, Work
from amorsize.engine.decisions import forecast_of, items_are_sent, profile_to_remember
from amorsize.errors import AmorsizeWarning, ItemError, NotRun
from amorsize.items.collector import PENDING, SKIPPED
from amorsize.planning import cost_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize.core.model import Profile, Safety, Sums
    from amorsize.core.observation import Observation
    from amorsize.core.options import Options
    from amorsize.engine.checkpoint_writer import CheckpointWriter
    from amorsize.engine.lookups import Lookups
    from amorsize.engine.state import RunSpec, RunState
    from amorsize.items.collector import UsageLog
    from amorsize.items.source import ItemSource
    from amorsize.learning.work_done import LoopItem
    from amorsize.planning.values import Choice
    from amorsize.profiling.meter import Measured


clock = time.perf_counter
cpu_clock = time.process_time

CONSUMER_SHARE = 0.1
"""Streams whose consumer took more than this share of the time say little about the work."""


@dataclass(frozen=True)
class RunSoFar:
    """What :meth:`Engine.measure` has found out."""

    choice: Choice | None
    ended: bool
    """Whether all items were done while the work was being measured."""
    done: int
    total: int | None
    nested: bool
    measured: Measured
    runs: tuple[Observation, ...]
    """The function's own earlier runs, where they were asked for."""
    safety: Safety | None
    """How the function was judged; None where nothing asked for it."""
    forecast: Forecast
    """What is said of the items that are left; zeros where nothing is."""
    failed: int | None = None
    """Position of an item that ran out of its order and raised; those before it run yet."""
    told: frozenset[str] = frozenset()
    """What was warned of."""


def run_of(
    state: RunState,
    usage: UsageLog,
    done: int,
    spent: tuple[float, float],
    ended: float,
    lookups: Lookups,
) -> Run:
    """What happened. ``spent``: wall and CPU seconds, ``ended``: when the run was over."""
    over = state.handed_over
    since, position = (ended, done) if over is None else (over.at, over.position)
    decision = state.decision
    return Run(
        Config("serial") if decision is None else decision.config,
        done,
        *spent,
        state.phase,
        state.corrections,
        state.ended.deaths,
        position,
        spent[0] - (ended - since),
        usage.uses(since, ended),
        **lookups.loop.source.told(),
        tried_items=lookups.lasting.known.get("tried_items", 0),
    )


def ended_run(
    spec: RunSpec, state: RunState, run: Run, lookups: Lookups, work_seconds: float, usage: UsageLog
) -> RunEnded:
    """What the observers are told."""
    now = clock()
    if spec.streaming and run.outcome == "done" and lookups.loop.source.is_stopped:
        tell_stopped(spec.options, None)
    limiter = lookups.loop.source.limiter
    if limiter is not None and run.outcome == "done":
        limiter.keep(run.wall_seconds)
    return RunEnded(
        run,
        min(now - run.wall_seconds, usage.began),  # a plan's first items ran before a pause
        usage.dropped,
        work_seconds,
        lambda: _study(spec, state, run, lookups, _Taken(now, usage)),
    )


@dataclass(frozen=True)
class _Taken:
    """When the run was over, and what its items took."""

    ended: float
    usage: UsageLog


def _study(
    spec: RunSpec, state: RunState, run: Run, lookups: Lookups, taken: _Taken
) -> Study | None:
    """What the last configuration of the run really cost, and what the items of the whole run took."""
    since, consumed = state.since, state.consumed
    items, seconds = run.items - since.position, taken.ended - since.at - consumed
    if run.refused_calls or spec.options.rate is not None:
        return None  # a server or the user said how long it takes
    if spec.nested or items < 1 or consumed > CONSUMER_SHARE * seconds:
        return None
    work, item = _work(spec, state, run, lookups, taken)
    profile = lookups.answer(lambda facts: profile_to_remember(state, facts))
    cpu = cpu_clock() - since.cpu_seconds + state.ended.cpu_seconds
    if work.items:
        profile = _true_profile(profile, work, item)
    else:
        profile = _guessed_profile(profile, state, run, cpu / items)
    if profile.item_seconds <= 0:
        return None  # nothing was timed
    machine, costs = lookups.answer(lambda facts: (facts.machine, facts.costs))
    computes = state.decision is not None and state.decision.choice.caller_computes
    model = cost_model.seconds(
        run.config,
        profile,
        machine,
        items,
        costs,
        cost_model.Roles(items_are_sent(spec, run.config), computes),
    ).seconds
    # One giant item bounds every configuration: that is no fault of this one.
    model = max(model, state.ended.longest_seconds)
    return Study(
        profile,
        machine,
        items,
        seconds,
        cpu,
        model,
        work,
        _forecast(state, lookups, taken.ended - consumed),
        state.ended.changed,
    )


def _forecast(state: RunState, lookups: Lookups, ended: float) -> Forecast:
    """What the run had said of itself, and what came of it."""
    said = state.said
    if said is None:
        return Forecast()
    forecast = forecast_of(said, lookups.lasting)
    return replace(forecast, real_seconds=max(0.0, ended - said.at))


def _work(
    spec: RunSpec, state: RunState, run: Run, lookups: Lookups, taken: _Taken
) -> tuple[Work, LoopItem]:
    """What the items took, and what one would take in a plain loop."""
    alone, workers = taken.usage.alone, taken.usage.sums()
    wall, cpu = lookups.meter.later()
    share = min(1.0, cpu / wall) if wall > 0 else None
    if state.only_computes:  # whatever it lost was taken by other programs
        share = 1.0
        workers = tuple(_computing(one) for one in workers)
    computed = 1.0 if share is None else share
    work = learning.work_of(alone, workers, computed, taken.usage.parts())
    over, before = state.handed_over, lookups.lasting.known.get("runs")
    item = learning.loop_item(
        work,
        alone,
        workers,
        share,
        0.0 if over is None else taken.ended - over.at,
        before[0].profile.cpu_share if before else None,
    )
    said = state.said
    if said is not None:
        seen = said.seen
        work = replace(
            work, sample_items=seen.items - seen.spread_items, sample_seconds=seen.front_seconds
        )
    law = None
    if work.items and spec.options.seed is None:
        law = learning.law_in_run(lookups.loop.source.data, taken.usage.spans)
    if law is not None:
        work = replace(work, size_power=law.power, size_seconds=law.unit)
    held = state.ended.worker_bytes
    return replace(work, run_seconds=run.wall_seconds, worker_bytes=held), item


def _computing(sums: Sums) -> Sums:
    return replace(sums, first_cpu_seconds=sums.first_seconds, cpu_seconds=sums.seconds)


def _true_profile(profile: Profile, work: Work, item: LoopItem) -> Profile:
    """The profile with what the items of the whole run took; where threads were in one another's way the
    longest, too, is what it would be in a loop."""
    scale = item.seconds / work.item_seconds if work.item_seconds > 0 else 1.0
    return replace(
        profile,
        items=work.items,
        item_seconds=item.seconds,
        item_spread=work.spread_seconds,
        cpu_share=item.cpu_share,
        longest_seconds=scale * work.longest_seconds,
        warmup_seconds=work.worker_warmup_seconds,
    )


def _guessed_profile(profile: Profile, state: RunState, run: Run, cpu_seconds: float) -> Profile:
    """What the first items seemed to take, where none was timed. ``cpu_seconds``: of an item."""
    if run.config.backend == "serial" and state.profile_when_serial is not None:
        # As for workers, what was known when it was decided: were the loop alone judged by all of
        # its items, one giant among them would speak against workers and for the loop.
        profile = state.profile_when_serial
    if run.config.backend == "threads" and profile.cpu_share < 1.0 and profile.item_seconds > 0:
        # All of the work was in this process: it tells more than the first waits.
        computed = min(1.0, cpu_seconds / profile.item_seconds)
        profile = replace(profile, cpu_share=max(profile.cpu_share, computed))
    return profile


def as_raised(error: BaseException) -> BaseException:
    """The error of a run; a StopIteration of an item, which a generator of the engine has turned into a
    RuntimeError (PEP 479), is itself again."""
    cause, traceback = error.__cause__, error.__traceback__
    if type(error) is not RuntimeError or not isinstance(cause, StopIteration) or traceback is None:
        return error
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    ours = str(traceback.tb_frame.f_globals.get("__name__", "")).startswith("amorsize.engine.")
    return cause if ours else error


if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    Chain = chain[Any]
else:
    Chain = chain


class Stream(Chain):
    """The results of one run, one after the other."""

    _runs: Generator[Iterable[Any], None, None]

    def close(self) -> None:
        """End the run: its workers, its threads and its source. Nothing comes out any more."""
        self._runs.close()

    def throw(self, error: BaseException) -> Any:
        """End the run as one that failed, and raise the error (as generators do)."""
        return self._runs.throw(error)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stream_of(runs: Generator[Iterable[Any], None, None]) -> Stream:
    """The results of ``runs``."""
    between_turns = _marked(runs)
    made = Stream.from_iterable(between_turns)
    assert isinstance(made, Stream)
    made._runs = between_turns
    return made


def stream_from(results: Generator[Any, None, None]) -> Stream:
    """The ``results`` of a generator, which closing the stream closes."""
    made = Stream.from_iterable((results,))
    assert isinstance(made, Stream)
    made._runs = results
    return made


def _marked(
    runs: Generator[Iterable[Any], None, None],
) -> Generator[Iterable[Any], None, None]:
    """The runs. The thread counts as inside a run while it works for one, and not while its consumer
    does."""
    while True:
        entered = nesting.enter()
        try:
            run = next(runs, None)
        finally:
            if entered:
                nesting.leave()
        if run is None:
            return
        try:
            yield run
        except BaseException as error:
            # The consumer leaves, perhaps in the middle of a run, which would go on giving results.
            close = getattr(run, "close", None)
            if close is not None:
                close()
            if isinstance(error, GeneratorExit):
                runs.close()
            else:
                runs.throw(error)
            raise


def given(values: Any, *, skip: bool) -> Iterator[Any]:
    """Results on their way to the consumer of a stream; ``skip``: without those of items left out."""
    if skip:
        return (value for value in values if value is not SKIPPED)
    return (value for value in values)


def with_not_run(
    results: list[Any], source: ItemSource, options: Options, journal: CheckpointWriter | None
) -> None:
    """Fill in the results of a run, if ``max_errors`` has ended it. ``journal`` knows the position in the
    data of an item by its position here, where that is another one."""
    if source.is_stopped:
        index_of = None if journal is None else journal.index_of
        fill_not_run(results, source.total, options, index_of)


def fill_not_run(
    results: list[Any],
    total: int | None,
    options: Options,
    index_of: Callable[[int], int] | None = None,
) -> None:
    """Put what stands for items that never ran into the results that are not there."""
    left = 0
    results += [PENDING] * ((total or 0) - len(results))
    for index, value in enumerate(results):
        if value is PENDING:
            left += 1
            results[index] = _not_run(index_of(index) if index_of else index, options)
    if options.on_error == "skip" or total is None:
        tell_stopped(options, left)


def _not_run(index: int, options: Options) -> Any:
    if options.on_error == "skip":
        return SKIPPED
    return ItemError(index, NotRun(f"the run ended after max_errors={options.max_errors} errors"))


def tell_stopped(options: Options, left: int | None) -> None:
    """Warn that items never ran, where no result stands for them."""
    what = "the rest of the items" if left is None else f"{left} items known by then"
    import warnings

    warnings.warn(
        f"max_errors={options.max_errors} items failed and the run ended: {what} did not run; see what "
        "failed (on_error='collect'), or raise max_errors",
        AmorsizeWarning,
        stacklevel=4,
    )
