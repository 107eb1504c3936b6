"""Sizes of items, seen without running one: are those that are left larger than those done, and what did
chunks of known size take? Pure, but for a look at the sizes of files.

An item's size is its length, its value if it is a number, the bytes of an array, or of the file that a
path names. An integer mostly is a name, so that its value counts only where cost was seen to follow it.
Only exact builtins, arrays and paths are asked, so that no code of the user's runs, and only lists,
tuples and ranges are indexed.
"""

from __future__ import annotations

import os
import time
from math import isfinite, log

from amorsize.core.lazy import LazyModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize.learning import size_law
    from amorsize.learning.size_law import Law
else:
    size_law = LazyModule("amorsize.learning.size_law")

LOOKS = 32
"""Items ahead whose sizes are looked at: their mean is then known to a fifth of their spread."""
SEEN = 8
"""Items done that they are compared with."""
LOOK_SECONDS = 0.005
"""Looks end after so long: a file may lie on a slow share. On an idle machine all take 0.1 ms."""
SIZE_POWER = 0.8
"""Cost grows by this power of size where nothing more is known: parsing by 1, looking up by 0."""
SIZE_DOUBT = 0.35
"""Standard deviation of that power."""
LONG_SHARE = 0.01
"""Share of a worker's work from which an item is long: a tail of it is not noticed."""
LIKE_SECONDS = 1.5
"""Items that differ by less are left in their order."""
LARGEST_NUMBER = 2**53
"""Integers beyond count as this one: a float has no room for all of them."""
_LENGTHS = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_PATHS = ("PosixPath", "WindowsPath")

MOST_POINTS = 40
"""Chunks that a law is drawn through: looks and lines take half a millisecond at the end of a run."""
CHUNK_LOOKS = 8
"""Items of a chunk whose sizes are looked at."""
FIRST_SIZES, MOST_SIZES = 32, 256
"""Items whose sizes a known law is applied to: the first ones, which tell what a sample should have
taken, and evenly spread ones. All of them where there are no more."""
clock = time.perf_counter


def log_ratio(data: Any, done: int, now: Callable[[], float] = clock) -> float:
    """Logarithm of the mean size of the items from position ``done`` on over that of the ones before; 0
    where sizes cannot be seen, or say nothing."""
    if type(data) not in (list, tuple) or not 0 < done < len(data):
        return 0.0
    deadline = now() + LOOK_SECONDS
    seen = _mean(data, range(max(0, done - SEEN), done), deadline, now)
    left = len(data) - done
    places = range(done, len(data), max(1, left // LOOKS))
    ahead = _mean(data, places, deadline, now)
    return log(ahead / seen) if seen > 0 and ahead > 0 else 0.0


def points_of(
    data: Any, spans: Sequence[tuple[int, int, float]], now: Callable[[], float] = clock
) -> list[tuple[float, int, float]]:
    """Mean size of the items, their number and seconds, of spans (first position, items, seconds) of the
    data; none where sizes cannot be seen. At most ``MOST_POINTS``."""
    if type(data) not in (list, tuple, range) or not spans:
        return []
    deadline, found = now() + LOOK_SECONDS, list[tuple[float, int, float]]()
    some = range(0, len(data), max(1, len(data) // LOOKS))
    if len(set(_sizes(data, some, deadline, now, numbers=True))) == 1:
        return []  # all of one size, or of none
    for first, items, seconds in spans[:: -(-len(spans) // MOST_POINTS)]:
        if first + items > len(data):
            return []  # it has changed since
        places = range(first, first + items, max(1, items // CHUNK_LOOKS))
        mean = _mean(data, places, deadline, now, numbers=True)
        if mean <= 0:
            break
        found.append((mean, items, seconds))
    return found


def law_in_run(
    data: Any, spans: Sequence[tuple[int, int, float, float]], now: Callable[[], float] = clock
) -> Law | None:
    """How what items took followed their sizes, by spans of a run (first position, items, seconds, CPU
    seconds of those that computed); None where it did not, or sizes cannot be seen.

    Where items compute, a chunk that lost its core for a while took longer for no reason of its own: the
    power is then that of the CPU seconds, and the unit that of the seconds that passed."""
    timed, slower = [one for one in spans if min(one[2:]) > 0], 1.0
    if 2 * len(timed) > len(spans):
        slower = sum([one[2] for one in timed]) / sum([one[3] for one in timed])
        points = points_of(data, [(first, items, cpu) for first, items, _, cpu in timed], now)
    else:
        points = points_of(data, [one[:3] for one in spans], now)
    law = size_law.law_of(points) if points else None
    return law and size_law.Law(law.power, slower * law.unit)


def sizes_of(data: Any, now: Callable[[], float] = clock) -> tuple[tuple[int, float], ...]:
    """Positions and sizes of the first items, and of evenly spread ones; none where they cannot be seen.
    At most ``FIRST_SIZES + MOST_SIZES`` looks."""
    if type(data) not in (list, tuple, range):
        return ()
    deadline, total = now() + LOOK_SECONDS, len(data)
    step = max(1, -(-(total - FIRST_SIZES) // MOST_SIZES))
    places = [*range(min(FIRST_SIZES, total)), *range(FIRST_SIZES, total, step)]
    sizes = list(_sizes(data, places, deadline, now, numbers=True))
    if not sizes or min(sizes) < 0:
        return ()
    return tuple(zip(places, sizes, strict=True))


def long_items(
    data: Any, done: int, law: Law, workers: int, now: Callable[[], float] = clock
) -> list[int]:
    """Positions, from ``done`` on, of items that by the law take more than ``LONG_SHARE`` of what each
    worker has, the longest first; none where sizes cannot be seen in time, or are much the same.

    Started last, such an item alone would be the tail of the run; longest first is at most 4/3 of the
    best order (Graham, SIAM J. Appl. Math. 17, 1969)."""
    if type(data) not in (list, tuple, range):
        return []
    deadline, places = now() + LOOK_SECONDS, range(done, len(data))
    sizes = list(_sizes(data, places, deadline, now, numbers=True))
    if not sizes or min(sizes) < 0:
        return []
    seconds = [law.seconds(size) for size in sizes]
    least = LONG_SHARE * sum(seconds) / max(1, workers)
    found = [(-one, place) for one, place in zip(seconds, places, strict=True) if one > least]
    if max(seconds) < LIKE_SECONDS * min(seconds):
        return []
    return [place for _, place in sorted(found)]


def work_shares(
    sizes: Sequence[tuple[int, float]], law: Law, done: int, total: int, first: Sequence[int] = ()
) -> Callable[[int], float] | None:
    """What share of the work from position ``done`` on the next items make up, by their number: those of
    ``first`` before the others, which go by their position. ``sizes``: positions and sizes of items; one
    stands for all up to the next. None where there are none from ``done`` on."""
    ahead = [(place, size) for place, size in sizes if place >= done]
    if not ahead:
        return None
    ends = [place for place, _ in ahead[1:]] + [total]
    at_once = {place: -order for order, place in enumerate(first, -len(first))}
    spans = [
        (at_once.get(place, 0), end - place, (end - place) * law.seconds(size))
        for (place, size), end in zip(ahead, ends, strict=True)
    ]
    spans.sort(key=lambda span: -span[0])  # keeps the order of those that are alike
    work = sum([seconds for _, _, seconds in spans])

    def share(items: int) -> float:
        left, passed = items, 0.0
        for _, count, seconds in spans:
            if left < count:
                return min(1.0, (passed + seconds * left / count) / work)
            left, passed = left - count, passed + seconds
        return 1.0

    return share if work > 0 else None


def _mean(
    data: Sequence[Any],
    places: Sequence[int],
    deadline: float,
    now: Callable[[], float],
    *,
    numbers: bool = False,
) -> float:
    """Mean size of the items at these places; 0 where one has none."""
    sizes = list(_sizes(data, places, deadline, now, numbers=numbers))
    return sum(sizes) / len(sizes) if sizes and min(sizes) >= 0 else 0.0


def _sizes(
    data: Sequence[Any],
    places: Sequence[int],
    deadline: float,
    now: Callable[[], float],
    *,
    numbers: bool,
) -> Iterator[float]:
    for place in places:
        yield size_of(data[place], numbers=numbers)
        if now() > deadline:
            yield -1.0  # what was seen by then is no fair sample
            return


def size_of(item: Any, *, numbers: bool = False) -> float:
    """An item's size; -1 where it has none that can be seen. ``numbers``: an integer's is its value."""
    kind = type(item)
    if kind is int:
        return float(min(abs(item), LARGEST_NUMBER)) if numbers else -1.0
    if kind in _LENGTHS:
        return float(len(item))
    if kind is float:
        return float(abs(item)) if isfinite(item) else -1.0
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return float(item.nbytes)
    if kind.__name__ in _PATHS and kind.__module__.partition(".")[0] == "pathlib":
        try:
            return float(os.stat(item).st_size)
        except (OSError, ValueError):
            return -1.0
    return -1.0
