"""What the items of a run took, from the sums of all who ran them. Pure.

::

    caller's slices --Sums--+                       +--> Work (for the history)
    chunks of each worker --+--> work_of, loop_item-+--> seconds and CPU share of an item in a plain loop

The first chunk of a worker may have paid for imports and caches. Where it cost clearly more than the
others it is left out of the mean, and what it cost beyond them is the *warm-up*.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.core.model import Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.core.model import Sums

WARM_FACTOR = 1.0
"""A first chunk that paid for a warm-up cost more than the others by this share: twice as much."""
WARM_SPREADS = 4.0
"""A first chunk that paid for a warm-up was so many standard deviations beyond the others: items of
random length are by chance once in some thousand runs."""
WARM_SECONDS = 0.0005
"""Less is no warm-up, but the clocks' and the system's own noise."""
CROWDED_SHARE = 0.1
"""CPU seconds a second of the threads of a process above which they may wait for one another, so that an
item took longer there than in a loop. A thread that comes back from a wait gets the GIL up to 5 ms late
for each one that computes: items of 4 ms wait and 3 ms computing took 43 ms on 8 threads, the GIL half
idle."""


@dataclass(frozen=True)
class LoopItem:
    """One item as a plain loop would run it."""

    seconds: float
    cpu_share: float


@dataclass(frozen=True)
class _Total:
    """Items and what they took together."""

    items: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    def plus(self, items: int, seconds: float, cpu: float) -> _Total:
        return _Total(self.items + items, self.seconds + seconds, self.cpu + cpu)


def work_of(
    alone: Sums, workers: tuple[Sums, ...], caller_share: float, parts: tuple[float, ...]
) -> Work:
    """What the items took. ``alone``: the caller's before the hand-over, of which ``caller_share`` was
    computed; ``parts``: means along the data.

    A first chunk counts for the mean where it is like the others. All zeros without a single item."""
    rest = _Total().plus(alone.items, alone.seconds, caller_share * alone.seconds)
    for one in workers:
        rest = rest.plus(one.items, one.seconds, one.cpu_seconds)
    firsts = [one for one in workers if one.first_items]
    base = rest
    if not base.items:
        for one in firsts:
            base = base.plus(one.first_items, one.first_seconds, one.first_cpu_seconds)
    if not base.items:
        base = base.plus(alone.first_items, alone.first_seconds, 0.0)
    if not base.items:
        return Work()
    mean = base.seconds / base.items
    spread = _spread((alone, *workers), mean)
    caller = _warmup(alone.first_seconds, alone.first_items, mean, spread)
    excess = [_excess(one.first_seconds, one.first_items, mean) for one in firsts]
    worker = 0.0
    if excess:
        items = _median([one.first_items for one in firsts])
        worker = _warmup(_median(excess) + items * mean, items, mean, spread)
    total = rest
    if not caller:
        total = total.plus(
            alone.first_items, alone.first_seconds, caller_share * alone.first_seconds
        )
    if not worker:
        for one in firsts:
            total = total.plus(one.first_items, one.first_seconds, one.first_cpu_seconds)
    if not total.items:
        total = base
    return Work(
        items=alone.first_items + alone.items + sum(one.first_items + one.items for one in workers),
        item_seconds=total.seconds / total.items,
        cpu_seconds=total.cpu / total.items,
        spread_seconds=spread,
        longest_seconds=max(
            [one.longest_seconds for one in workers if not worker] + [_longest(alone, caller)],
            default=0.0,
        ),
        caller_warmup_seconds=caller,
        worker_warmup_seconds=worker,
        level=len(firsts) or 1,
        part_1=parts[0],
        part_2=parts[1],
        part_3=parts[2],
        part_4=parts[3],
        part_5=parts[4],
        part_6=parts[5],
        part_7=parts[6],
        part_8=parts[7],
    )


def loop_item(
    work: Work,
    alone: Sums,
    workers: tuple[Sums, ...],
    caller_share: float | None,
    seconds: float,
    share_before: float | None = None,
) -> LoopItem:
    """An item as a plain loop runs it. ``seconds``: how long the workers were at it; ``caller_share`` is
    None where nothing tells what the caller computed; ``share_before`` was computed by the last run.

    Threads of one process that compute wait for one another, so there an item takes what it computed,
    and waits as long as it did where nothing was in its way: in the caller's own loop, else in the
    worker that waited least, and no more than in the run before."""
    cpu, mean = work.cpu_seconds, work.item_seconds
    busy: dict[int, tuple[int, float]] = {}
    for one in workers:
        threads, computed = busy.get(one.process, (0, 0.0))
        busy[one.process] = threads + 1, computed + one.first_cpu_seconds + one.cpu_seconds
    crowded = any(
        threads > 1 and computed > CROWDED_SHARE * seconds for threads, computed in busy.values()
    )
    if crowded:
        if alone.items and caller_share is not None:
            wait = (1.0 - caller_share) * alone.seconds / alone.items
        else:
            wait = min(
                max(0.0, one.seconds - one.cpu_seconds) / one.items if one.items else mean
                for one in workers
            )
            if share_before:
                wait = min(wait, cpu / share_before - cpu)
        mean = min(mean, cpu + wait)
    return LoopItem(mean, min(1.0, cpu / mean) if mean > 0 else 1.0)


def _median(values: list[Any]) -> Any:
    """The lower middle one (``statistics`` costs 10 ms to import)."""
    return sorted(values)[(len(values) - 1) // 2]


def _excess(seconds: float, items: int, mean: float) -> float:
    return seconds - items * mean


def _warmup(seconds: float, items: int, mean: float, spread: float) -> float:
    """What a first chunk cost beyond what its items should have; 0 where that can be chance."""
    beyond = _excess(seconds, items, mean)
    least = max(WARM_FACTOR * items * mean, WARM_SPREADS * spread * items**0.5, WARM_SECONDS)
    return beyond if beyond > least else 0.0


def _spread(sums: tuple[Sums, ...], mean: float) -> float:
    """Standard deviation of the seconds of one item, from chunks that are not the first."""
    items = sum(one.items for one in sums)
    chunks = sum(one.chunks for one in sums)
    if chunks < 2:
        return 0.0
    square = sum(one.square for one in sums) - items * mean * mean
    return float(max(0.0, square / (chunks - 1)) ** 0.5)


def _longest(alone: Sums, warmup: float) -> float:
    """The caller's longest item; its first one without the warm-up."""
    if warmup and alone.first_items:
        return max(0.0, alone.first_seconds - warmup) / alone.first_items
    return alone.longest_seconds
