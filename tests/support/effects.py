"""What functions under inspection read, change and make."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from typing import Any

SEEN: list[int] = []
CACHE: dict[int, int] = {}
NAMES = ("a", "b", "c")
PATTERN = re.compile(r"\w+")
LOGGER = logging.getLogger("somewhere")
FILE = open(os.devnull, "w")  # noqa: SIM115


class Holder:
    """Has something in it, to be changed or not."""

    limit = 3

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[int] = []
        self.file = FILE

    def counts(self, x: int) -> int:
        self.count += 1
        return x

    def collects(self, x: int) -> int:
        self.rows.append(x)
        return x

    def collects_through_a_helper(self, x: int) -> int:
        self._put(x)
        return x

    def _put(self, x: int) -> None:
        self.rows.append(x)

    def writes(self, x: int) -> int:
        self.file.write(str(x))
        return x

    def reads(self, x: int) -> int:
        return x + self.limit + len(self.rows)

    def __call__(self, x: int) -> int:
        self.count = x
        return x

    @property
    def doubled(self) -> int:
        return 2 * self.limit

    @staticmethod
    def static(x: int) -> int:
        return x + 1

    @classmethod
    def of_the_class(cls, x: int) -> int:
        return x + cls.limit


HOLDER = Holder()


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
