"""What functions under inspection read, change and make."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import Any

SEEN: list[int] = []
CACHE: dict[int, int] = {}
NAMES = ("a", "b", "c")
PATTERN = re.compile(r"\w+")
LOGGER = logging.getLogger("somewhere")


class Reader:
    """Has something in it, and changes none of it."""

    limit = 3

    def __init__(self) -> None:
        self.rows: list[int] = []

    def reads(self, x: int) -> int:
        return x + self.limit + len(self.rows)

    @property
    def doubled(self) -> int:
        return 2 * self.limit

    @staticmethod
    def static(x: int) -> int:
        return x + 1

    @classmethod
    def of_the_class(cls, x: int) -> int:
        return x + cls.limit


@dataclasses.dataclass
class Point:
    """Made anew in each call."""

    x: int
    y: int = 0


class Stack:
    """Changes itself, but each call has its own."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def push(self, x: int) -> None:
        self.items.append(x)


def name_of(value: Any) -> str:
    return getattr(value, "__qualname__", None) or type(value).__name__
