"""The state itself."""

from __future__ import annotations

dear: list[int] = []


def quote(item: int) -> int:
    """A price; those above a limit are noted."""
    found = item * 7 % 101
    if found > 96:
        dear.append(item)
    return found


class Names(dict[int, str]):
    """Makes missing names, and keeps at most five."""

    def __missing__(self, key: int) -> str:
        if len(self) >= 5:
            del self[next(iter(self))]
        self[key] = f"name {key}"
        return self[key]


class Ledger:
    """Bookings by day."""

    def __init__(self) -> None:
        self.days: dict[int, list[int]] = {}

    def book(self, item: int) -> int:
        """Enter a booking; returns how many there are on its day."""
        self.days.setdefault(item % 7, []).append(item)
        return len(self.days[item % 7])


NAMES = Names()
LEDGER = Ledger()
