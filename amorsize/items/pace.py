"""Seconds an item takes, as one worker or one backend sees it while it works."""

from __future__ import annotations

NEWEST_SHARE = 0.5
"""Weight of the newest chunk: a lasting change is followed within three chunks of a few milliseconds, and
one heavy item has lost three quarters of its weight two chunks later. Reasoned, not searched for: chunk
sizes follow it, and a chunk that is twice too long or too short costs under 2 %."""


class Pace:
    """A running mean. The newest chunk counts ``NEWEST_SHARE``, the ones before it the rest."""

    __slots__ = ("item_seconds",)

    def __init__(self, item_seconds: float = 0.0) -> None:
        self.item_seconds = item_seconds
        """Seconds that an item takes; 0 while nothing is known."""

    def add(self, items: int, seconds: float) -> float:
        """A chunk of ``items`` took ``seconds``; returns the mean."""
        per, known = seconds / items, self.item_seconds
        self.item_seconds = per if known <= 0 else known + NEWEST_SHARE * (per - known)
        return self.item_seconds
