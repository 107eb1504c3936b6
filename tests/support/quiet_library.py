"""A library as others write them: what its objects do cannot be told from the names of their methods.

A test copies this file into a folder named ``site-packages``, where it is nobody's own code.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any


class Gauge:
    """Counts how often it is asked, by each way in which it can be."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.table: dict[Any, int] = {}
        self.value = 0

    def lookup(self, item: int) -> int:
        self.seen.append(item)
        return len(self.seen)

    def compute(self, item: int) -> int:
        self.value += item
        return self.value

    def render(self, item: int) -> str:
        self.table[item % 7] = self.table.get(item % 7, 0) + 1
        return f"{item}: {self.table[item % 7]}"

    def __call__(self, item: int) -> int:
        self.value += 1
        return item * self.value

    def __getitem__(self, item: int) -> int:
        self.seen.insert(0, item)
        return self.seen[-1]

    def __contains__(self, item: int) -> bool:
        self.value += 2
        return self.value % 3 == 0

    def __len__(self) -> int:
        self.value += 1
        return self.value

    def __format__(self, text: str) -> str:
        self.value += 1
        return f"{self.value}{text}"

    def __eq__(self, other: object) -> bool:
        self.value += 1
        return self.value % 2 == 0

    def __hash__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        self.value += 1
        return self.value % 4 == 0

    def __add__(self, other: int) -> int:
        self.value += other
        return self.value

    def __enter__(self) -> int:
        self.value += 1
        return self.value

    def __exit__(self, *error: object) -> None:
        self.seen.append(self.value)

    def __iter__(self) -> Iterator[int]:
        self.value += 1
        return iter(range(self.value))

    @property
    def size(self) -> int:
        self.value += 3
        return self.value


class Window:
    """Keeps what it saw last."""

    def __init__(self, length: int = 3) -> None:
        self.last: deque[int] = deque(maxlen=length)
        self.lowest: int | None = None
        self.names: set[str] = set()
        self.numbers = itertools.count()
        self.words: Counter[str] = Counter()

    def mean(self, item: int) -> float:
        self.last.append(item)
        return sum(self.last) / len(self.last)

    def least(self, item: int) -> int:
        self.lowest = item if self.lowest is None else min(self.lowest, item)
        return self.lowest

    def is_new(self, item: int) -> bool:
        known = len(self.names)
        self.names.add(str(item % 20))
        return len(self.names) > known

    def numbered(self, item: int) -> tuple[int, int]:
        return next(self.numbers), item

    def weigh(self, item: int) -> int:
        self.words.update(str(item))
        return self.words["1"]


class Node:
    """A chain that grows at its end."""

    def __init__(self, item: int = -1) -> None:
        self.item, self.next = item, None  # type: ignore[assignment]

    def find_end(self, item: int) -> int:
        node: Any = self
        length = 1
        while node.next is not None:
            node, length = node.next, length + 1
        node.next = Node(item)
        return length


class Proxy:
    """Hands on to something that it hides."""

    def __init__(self, inner: Any) -> None:
        self.__dict__["_inner"] = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Slotted:
    """Has slots instead of a dict."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = 0

    def measure(self, item: int) -> int:
        self.level = (self.level * 3 + item) % 101
        return self.level


def gather(rows: list[Any], item: int) -> int:
    """Changes what it is given."""
    rows.append(item)
    return len(rows)


def tally(table: dict[int, int], item: int) -> int:
    table[item % 5] = table.get(item % 5, 0) + item
    return table[item % 5]


def running() -> Callable[[int], int]:
    """A closure that counts."""
    total = 0

    def step(item: int) -> int:
        nonlocal total
        total += item
        return total

    return step


def numbered(func: Callable[[int], Any]) -> Callable[[int], tuple[int, Any]]:
    """A decorator that numbers the calls."""

    @functools.wraps(func)
    def call(item: int) -> tuple[int, Any]:
        call.number += 1  # type: ignore[attr-defined]
        return call.number, func(item)  # type: ignore[attr-defined]

    call.number = 0  # type: ignore[attr-defined]
    return call


def applied(call: Callable[[int], Any], item: int) -> Any:
    """Calls back."""
    return call(item)


def walk() -> Iterator[int]:
    """A generator with a memory."""
    total = 0
    while True:
        total += 1
        yield total


class Stream:
    """Reads on in what it was given."""

    def __init__(self) -> None:
        self.numbers = walk()
        self.text = iter("the quick brown fox jumps over the lazy dog " * 9)

    def peek_number(self, item: int) -> int:
        return next(self.numbers) * item

    def letter(self, item: int) -> str:
        return next(self.text)


class Formula:
    """Computes, and changes nothing."""

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.kept: dict[int, int] | None = None

    def compute(self, item: int) -> int:
        return self.factor * item + 1

    def __call__(self, item: int) -> int:
        return item % self.factor

    def __getitem__(self, item: int) -> int:
        return item // self.factor

    @property
    def double(self) -> int:
        return 2 * self.factor

    def once(self, item: int) -> int:
        """Makes a table when it is first asked."""
        if self.kept is None:
            self.kept = {number: number * number for number in range(10)}
        return self.kept[item % 10]


def cube(item: int) -> int:
    """Computes."""
    return item**3
