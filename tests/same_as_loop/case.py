"""What a case is made of: a function, its data, and what the loop leaves behind.

::

    @case("containers")
    def appends() -> Case:
        found = []

        def func(item):
            found.append(item)
            return compute(item)

        return Case(func, range(150), left=lambda: found)

The maker is called anew in a fresh interpreter for each run, and must not rest on an earlier call of it.
Results and ``left()`` are compared by ``repr`` between processes, which must not differ from run to run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

TURNS = 12_000
"""Turns of a Python loop that take about a millisecond."""
NAP_SECONDS = 0.002
BUFFER = bytes(range(256)) * 6144
"""One and a half mebibytes; their SHA-256 takes about a millisecond."""


def _nothing() -> None:
    """What is left behind by cases of which only the results count."""


@dataclass
class Case:
    """One call of a parallel map, and the look at what it left."""

    func: Callable[[Any], Any]
    data: Iterable[Any]
    left: Callable[[], Any] = _nothing
    """All that the run may leave behind, as a plain value."""
    show: Callable[[Any], Any] | None = None
    """A result as a plain value, for results whose ``repr`` does not tell all."""


@dataclass(frozen=True)
class Registered:
    """A maker and what is said about its case."""

    kind: str
    effect: bool
    documented: bool
    make: Callable[[], Case]


CASES: dict[str, Registered] = {}
"""Makers by ``module.function``: those of the modules that were imported."""


def case(
    kind: str, effect: bool = True, documented: bool = False
) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Register a maker without arguments.

    ``effect``: whether the function leaves something behind, or depends on where it runs; without, it
    is expected to run in parallel. ``documented``: a warning that names the difference is accepted in
    place of the loop's results; for nothing but draws from the global random state, the identity of
    results that are items, and of the process."""

    def register(make: Callable[[], Case]) -> Callable[[], Case]:
        CASES[f"{make.__module__}.{make.__name__}"] = Registered(kind, effect, documented, make)
        return make

    return register


def compute(item: int = 0) -> int:
    """Compute for about a millisecond in pure Python."""
    total = item
    for turn in range(TURNS):
        total += turn * turn % 7
    return total


def toil(item: int = 0) -> int:
    """Compute for some seven milliseconds: cases that would use fresh interpreters need more work."""
    return item + sum(compute(part) for part in range(7))


def nap() -> None:
    """Wait for two milliseconds."""
    time.sleep(NAP_SECONDS)


def release(item: int = 0) -> str:
    """Compute for about a millisecond without the lock of the interpreter."""
    digest = hashlib.sha256(BUFFER)
    digest.update(str(item).encode())
    return digest.hexdigest()[:8]
