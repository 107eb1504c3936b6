"""Settings of a user's project, which a program changes at run time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RATE = 1
TABLE = {"small": 1, "large": 2}


@dataclass
class Options:
    """Options that a program sets once, at its start."""

    depth: int = 1
    label: str = "default"


options = Options()


class Model:
    """Rounds prices to a number of digits that all of its instances share."""

    digits = 1

    def price(self, value: float) -> float:
        """The price, rounded."""
        return round(value, self.digits)


def price(amount: int) -> int:
    """The price of an amount."""
    return amount * RATE


def tax(amount: int) -> float:
    """The tax on an amount; programs put their own in place."""
    return amount * 0.1


def __getattr__(name: str) -> Any:
    """Constants that are made when they are first asked for."""
    if name == "LAZY_LIMIT":
        globals()["LAZY_LIMIT"] = 100
        return 100
    raise AttributeError(name)
