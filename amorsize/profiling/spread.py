"""Items at spread positions: which ones, and what they tell of all that are left. Pure.

The first items of sorted data say little of the others. Positions that fill the rest of the data evenly,
however many of them there will be, are the multiples of the golden ratio, their whole part left out
(Weyl's sequence: of n of them no two neighbours are further apart than 2.2/n; Ruiz and Sobol use no other
in one dimension). What an item costs between two of them is taken to be what the nearer one took.
"""

from __future__ import annotations

from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOLDEN = 0.6180339887498949
"""The golden ratio, less 1."""


def spread_positions(done: int, total: int) -> Iterator[int]:
    """Positions from ``done`` on, each once, until all have been given."""
    left, place, given = total - done, 0.0, set[int]()
    while len(given) < left // 2:
        place = (place + GOLDEN) % 1.0
        position = done + int(place * left)
        if position not in given:
            given.add(position)
            yield position


def mean_and_spread(
    points: Sequence[tuple[int, float]], done: int, total: int, front: float
) -> tuple[float, float]:
    """Mean seconds of the items from ``done`` to ``total``, and the spread of one around what its
    neighbours tell, by ``points`` (position, seconds) and what an item took just before ``done``.

    Each point stands for the items nearer to it than to any other. The spread is the root of half the
    mean squared difference of neighbours (von Neumann, 1941), which is the standard deviation where the
    order tells nothing, and little where the data are sorted."""
    ordered = sorted(points)
    places = [float(done), *(position + 0.5 for position, _ in ordered)]
    values = [front, *(seconds for _, seconds in ordered)]
    if front <= 0:
        places, values = places[1:], values[1:]
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    edges = [float(done), *middles, float(total)]
    widths = [b - a for a, b in pairwise(edges)]
    mean = sum(w * v for w, v in zip(widths, values, strict=True)) / max(sum(widths), 1e-9)
    steps = [(b - a) ** 2 for a, b in pairwise(values)]
    spread = (sum(steps) / (2 * len(steps))) ** 0.5 if steps else 0.0
    return float(mean), float(spread)
