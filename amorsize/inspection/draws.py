"""Did the global random state change by drawing from it, or was it set?

A Mersenne twister that was drawn from is found again by drawing from a copy of what it was: words
are compared in blocks of 624, one turn of the twister. Setting it leads somewhere that drawing does not.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WORDS = 624
"""Words of 32 bits that one turn of the Mersenne twister gives."""

TURNS = 16
"""Turns between two looks at the clock: 60 microseconds."""

SETTING_NAMES = frozenset(
    {"seed", "setstate", "set_state", "seed_everything", "manual_seed", "set_seed"}
)
"""Names of code that sets a random state."""


WORD_SECONDS = 2e-9
"""Least time in which a word is drawn (``numpy.random.bytes``: 2.6 ns a word)."""


def only_drawn(before: Any, after: Any, item_seconds: float, may_go_on: Callable[[], bool]) -> bool:
    """Did drawing alone lead from one state of a global generator to another?

    No more is searched than can be drawn in the time of the item. ``may_go_on`` ends the search
    earlier, when its own time is spent; then the state counts as drawn from: code of the user's
    that sets one is known by its names (:data:`SETTING_NAMES`), and few libraries do.
    """
    key_before, place_before = _key(before)
    key_after, place_after = _key(after)
    if key_before is None or key_after is None:
        return True
    if key_before == key_after:
        return place_after >= place_before
    random = sys.modules.get("random")
    if random is None:
        return True
    walk, goal = random.Random(), random.Random()
    walk.setstate((3, (*key_before, WORDS), None))
    goal.setstate((3, (*key_after, 0), None))
    wanted = goal.getrandbits(32 * WORDS)
    turns = int(item_seconds / WORD_SECONDS / WORDS) + TURNS
    while turns > 0 and may_go_on():
        for _ in range(TURNS):
            if walk.getrandbits(32 * WORDS) == wanted:
                return True
        turns -= TURNS
    return turns > 0


def _key(state: Any) -> tuple[tuple[int, ...] | None, int]:
    """Words and place of a Mersenne twister, of ``random`` or of NumPy; None of another generator."""
    if len(state) == 3 and type(state[1]) is tuple and len(state[1]) == WORDS + 1:
        return state[1][:-1], state[1][-1]
    twister = dict(state).get("state")
    parts = dict(twister) if type(twister) is tuple else {}
    if type(parts.get("key")) is bytes and len(parts["key"]) == 4 * WORDS:
        return tuple(memoryview(parts["key"]).cast("I")), parts["pos"]
    return None, 0
