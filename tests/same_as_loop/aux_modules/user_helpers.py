"""Helpers of a user's project that change nothing."""

from __future__ import annotations

import functools
import re
import threading
from dataclasses import dataclass, field
from typing import Any

SEPARATORS = (",", ";", "|")
UNITS = {"kb": 1024, "mb": 1024**2}
_WORD = re.compile(r"[a-z]+")
_connections = threading.local()


def words(text: str) -> list[str]:
    """The words of a text."""
    return _WORD.findall(text.lower())


def size(text: str) -> int:
    """A size with its unit as bytes."""
    number, unit = text.split()
    return int(number) * UNITS[unit]


@functools.lru_cache(maxsize=128)
def slow_square(number: int) -> int:
    """A square, remembered."""
    return number * number


@dataclass(frozen=True)
class Rule:
    """A rule that is read only."""

    name: str
    factor: int
    parts: tuple[str, ...] = field(default=("a", "b"))

    def apply(self, number: int) -> str:
        """The name and the product."""
        return f"{self.name}{self.factor * number}{''.join(self.parts)}"


class Vector:
    """A vector whose operators make new ones."""

    def __init__(self, *parts: float) -> None:
        self.parts = parts

    def __add__(self, other: Vector) -> Vector:
        return Vector(*(a + b for a, b in zip(self.parts, other.parts, strict=True)))

    def __mul__(self, factor: float) -> Vector:
        return Vector(*(part * factor for part in self.parts))

    def __abs__(self) -> float:
        return sum(part * part for part in self.parts) ** 0.5


class Connection:
    """What is opened once for each thread."""

    def query(self, number: int) -> int:
        """An answer that depends on the number alone."""
        return number * 3


def connection() -> Connection:
    """The connection of this thread, opened where missing."""
    if not hasattr(_connections, "one"):
        _connections.one = Connection()
    return _connections.one


def with_default(func: Any, default: Any) -> Any:
    """A function that gives a default instead of an error."""

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        try:
            return func(*args)
        except (ValueError, KeyError):
            return default

    return wrapper
