"""Statistics of a user's project: state in objects, in the module, and in what decorators keep."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

CALLS: Counter[str] = Counter()
SECTIONS: list[str] = []
hits = 0
_ids = itertools.count(1)


class Stats:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0
        self.failed: list[int] = []

    def record(self, item: int) -> None:
        """Count an item, and keep every fiftieth."""
        self.count += 1
        if item % 50 == 0:
            self.failed.append(item)


class Reader:
    """Gives out the parts of a text, one after the other."""

    def __init__(self, text: str, size: int) -> None:
        self._text, self._size, self._at = text, size, 0

    @property
    def position(self) -> int:
        """Where the next part begins."""
        return self._at

    def part(self) -> str:
        """The next part."""
        start, self._at = self._at, self._at + self._size
        return self._text[start : self._at]


class Journal:
    """Lines, kept by whoever made it; written through ``<<``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __lshift__(self, line: str) -> Journal:
        self.lines.append(line)
        return self


STATS = Stats()


def hit() -> int:
    """Count a hit; how many there were."""
    global hits
    hits += 1
    return hits


def next_id() -> int:
    """A number that was never given out before."""
    return next(_ids)


def reset() -> None:
    """Begin anew."""
    global hits, _ids
    hits, _ids = 0, itertools.count(1)
    CALLS.clear()
    SECTIONS.clear()
    STATS.__init__()  # type: ignore[misc]


def counted(func: Callable[..., Any]) -> Callable[..., Any]:
    """Count calls by the function's name."""

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        CALLS[func.__name__] += 1
        return func(*args)

    return wrapper


@contextlib.contextmanager
def section(name: str) -> Iterator[None]:
    """A part of a job, noted when it is over."""
    yield
    SECTIONS.append(name)
