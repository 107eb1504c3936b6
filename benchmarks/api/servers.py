"""Random servers in virtual time: how much of what they allow is used, and how many calls are wasted.

``python -m benchmarks.api.servers [--other | --far | --plain] [--first N] [--count N] [--worst N]``.
Servers are numbers: 0 to 299 and 2000 to 2599 were looked at while the controller was written; the others
are kept aside, and so are all of ``--other`` (:mod:`benchmarks.api.other_servers`), ``--far``
(:mod:`benchmarks.api.far_servers`) and ``--plain`` (:mod:`benchmarks.api.plain_servers`).
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from amorsize.planning.admission import Admission
from benchmarks.api.far_servers import far_server
from benchmarks.api.other_servers import other_server
from benchmarks.api.plain_servers import plain_server
from benchmarks.api.virtual import Given, ideal_seconds, random_server, simulate

FEW_CALLS = 20
"""Wasted calls that no share is taken of: the first to meet a limit."""


DRAWN = {
    "random": random_server,
    "other": other_server,
    "far": far_server,
    "plain": plain_server,
}


def measured(number: int, *, drawn: str = "random") -> tuple[int, Given, float, float]:
    """A server, the share of the ideal throughput, and the share of calls that were wasted."""
    given = DRAWN[drawn](number)
    found = simulate(given, Admission(given.most))
    share = ideal_seconds(given) / found.seconds if found.items == given.items else 0.0
    return number, given, share, max(0.0, found.wasted - FEW_CALLS) / given.items


def main() -> None:
    """Print the shares, and the worst servers."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("other", "far", "plain"):
        parser.add_argument(
            f"--{name}", dest="drawn", action="store_const", const=name, default="random"
        )
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--worst", type=int, default=10)
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.count)
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(partial(measured, drawn=asked.drawn), numbers, chunksize=4))
    found.sort(key=lambda one: one[2])
    for least in (0.9, 0.85, 0.8):
        reached = sum(one[2] >= least for one in found) / len(found)
        print(
            f"at least {least:.0%} of the ideal throughput: {reached:.1%} of {len(found)} servers"
        )
    wasteful = sum(one[3] > 0.05 for one in found) / len(found)
    print(f"more than 5 % + {FEW_CALLS} calls wasted: {wasteful:.1%}")
    print(f"not all served: {sum(one[2] == 0.0 for one in found)}")
    for number, given, share, wasted in found[: asked.worst]:
        default = Given()
        odd = {
            name: value for name, value in vars(given).items() if value != getattr(default, name)
        }
        print(f"  {number}: {share:.0%}, {wasted:.1%} wasted: {odd}")


if __name__ == "__main__":
    main()
