"""Do the items that are left look larger than those seen? Their sizes tell without running one. Pure, but
for a look at the sizes of files.

An item's size is its length, its value if it is a float (an integer mostly is a name), the bytes of an
array, or of the file that a path names. Only exact builtins, arrays and paths are asked, so that no code
of the user's runs, and only lists and tuples are indexed.
"""

from __future__ import annotations

import os
import time
from math import isfinite, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

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
_LENGTHS = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_PATHS = ("PosixPath", "WindowsPath")

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


def _mean(
    data: Sequence[Any], places: Sequence[int], deadline: float, now: Callable[[], float]
) -> float:
    """Mean size of the items at these places; 0 where one has none."""
    sizes = list(_sizes(data, places, deadline, now))
    return sum(sizes) / len(sizes) if sizes and min(sizes) >= 0 else 0.0


def _sizes(
    data: Sequence[Any], places: Sequence[int], deadline: float, now: Callable[[], float]
) -> Iterator[float]:
    for place in places:
        yield size_of(data[place])
        if now() > deadline:
            yield -1.0  # what was seen by then is no fair sample
            return


def size_of(item: Any) -> float:
    """An item's size; -1 where it has none that can be seen."""
    kind = type(item)
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
