"""How large chunks are: for workers of this machine, and behind a measured link. Pure.

Here a chunk is a few milliseconds of work, and near the end at most half of a worker's fair share of what
is left, so that all workers end together. Behind a link a call costs ``link.task`` seconds of caller,
scheduler and worker; its round trip is hidden by calls that wait on the other side. So a chunk is long
enough for that cost to vanish, short enough at the end for all workers to end together, and as many are
on their way as are done during a round trip.
"""

from __future__ import annotations

from math import ceil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.model import LinkCost

CHUNK_SECONDS = 0.005
"""Work in a chunk of this machine's workers: 20 to 50 times what taking and sending one costs (0.1-0.25
ms)."""
FRAME_SECONDS = 0.0025
"""Work whose results travel in one frame: what a dying worker can lose beside the item it is in."""
FRAME_COST_SECONDS = 1.5e-5
"""What taking in one frame costs the caller (benchmarks/speed/many_cores.py: 10 to 15 µs)."""
FRAME_SHARE = 0.1
"""Share of the caller's time that all workers' frames may take: on two cores they take 1 %, on 512 they
took more than all of it (benchmarks/speed/many_cores.py)."""
TICKET_SECONDS = 0.0001
"""Work behind one ticket when items are shorter: reading one costs about 0.001 ms."""
TASK_FACTOR = 50
"""A chunk lasts so many times what its call costs: 2 % lost (benchmarks/speed/clusters.py: 20
to 100 are the same to the measurement)."""
LEAST_SECONDS, LONGEST_SECONDS = 0.002, 1.0
"""Least and most seconds of a chunk: progress, errors and Ctrl-C wait for it."""
LAST_FACTOR = 5
"""At the end chunks shrink to so many times the cost of a call: smaller ones would not end sooner."""
FAIR_FACTOR = 2
"""Where less than that is left for each worker, chunks shrink to so many times the cost of a call."""
SHARES_LEFT = 3
"""A chunk takes at most one part in so many of what is left for its worker: what is cut later evens out
what was cut wrongly (guided self-scheduling takes one in one, factoring one in two)."""
GROWTH = 8
"""A chunk has at most so many times the items of the largest that has come back: early items that
happen to be short must not make the first long chunk endless."""
CHUNK_BYTES = 1 << 24
"""Most bytes of a chunk, there and back."""
MOST_AHEAD = 32
"""Chunks that wait for a worker on the other side, at most."""


def caller_seconds(workers: int) -> float:
    """Work in a frame of each of so many workers that keeps the caller as busy as it may be."""
    return workers * FRAME_COST_SECONDS / FRAME_SHARE


def frame_seconds(workers: int) -> float:
    """Work whose results one of so many workers sends at once."""
    return max(FRAME_SECONDS, caller_seconds(workers))


def stretch_seconds(workers: int) -> float:
    """Work that one of so many workers takes at once: a chunk, or two frames."""
    return max(CHUNK_SECONDS, 2 * caller_seconds(workers))


def ticket_seconds(workers: int) -> float:
    """Work behind a ticket of short items: half a frame of what keeps the caller busy, for it writes the
    tickets, too, and a pipe holds 4,000 of them."""
    return max(TICKET_SECONDS, caller_seconds(workers) / 2)


def items_in(seconds: float, item_seconds: float) -> int:
    """Items that fill so many seconds, at least one; one where nothing is known of them."""
    return max(1, int(seconds / item_seconds)) if item_seconds > 0 else 1


def fair_items(items: int, left: int | None, workers: int) -> int:
    """So many items, but at most half of a worker's share of the ``left`` ones (None: not known)."""
    return items if left is None else max(1, min(items, left // (2 * workers)))


def chunk_seconds(link: LinkCost) -> float:
    """How long a chunk is to last."""
    return min(max(TASK_FACTOR * link.task, LEAST_SECONDS), LONGEST_SECONDS)


def chunk_items(
    link: LinkCost,
    item_seconds: float,
    item_bytes: float,
    slots: int,
    left: int | None,
    largest: int,
) -> int:
    """Items of the next chunk; ``left`` None where it is not known, ``largest``: see ``GROWTH``."""
    if item_seconds <= 0:
        return 1
    items = chunk_seconds(link) / item_seconds
    if left is not None:
        least = LAST_FACTOR * link.task / item_seconds
        items = min(items, max(least, left / (SHARES_LEFT * max(1, slots))))
        fair = ceil(left / max(1, slots))  # no worker is left with nothing
        items = min(items, max(fair, FAIR_FACTOR * link.task / item_seconds))
    if item_bytes > 0:
        items = min(items, CHUNK_BYTES / item_bytes)
    return max(1, min(int(items), GROWTH * max(1, largest)))


def on_the_way(link: LinkCost, seconds: float, slots: int) -> int:
    """Chunks of so many seconds that are to be on their way at the same time."""
    ahead = ceil(link.round_trip / seconds) if seconds > 0 else MOST_AHEAD
    return slots * (1 + min(MOST_AHEAD, max(1, ahead)))
