"""What runs have found of servers, by function: where the next run begins. One note of the history.

::

    run --Level--> {"fingerprint": [limit, growing, cap, rate, burst, in windows, time], ...}
                     --Level--> the next run
"""

from __future__ import annotations

import json
import time
from math import inf, isfinite

from amorsize.core.refusal import Level
from amorsize.learning.learner import learner_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NOTE = "levels"
MOST_FUNCTIONS = 200
"""The newest are kept: 20 KB of text."""
MOST_LIMIT = 1 << 20
"""A larger number in a note is none of ours."""


def recall_level(func: Callable[..., Any], choice: Any) -> Level | None:
    """What the last run of the function has found; ``choice``: the option ``history``."""
    learner = learner_for(choice)
    found = None if learner is None else learner.noted(func, NOTE)
    return None if found is None else _level_of(_read(found[1]).get(found[0]))


def keep_level(func: Callable[..., Any], choice: Any, level: Level) -> None:
    """Keep what a run has found, in the place of what an earlier one had."""
    learner = learner_for(choice)
    found = None if learner is None else learner.noted(func, NOTE)
    if learner is None or found is None:
        return
    name, text = found
    levels = _read(text)
    row = [level.limit, level.growing, *(map(_finite, (level.cap, level.rate, level.burst)))]
    levels[name] = [*row, level.in_windows, round(time.time())]
    newest = sorted(levels, key=lambda one: -_time_of(levels[one]))[:MOST_FUNCTIONS]
    learner.note(NOTE, json.dumps({one: levels[one] for one in newest}))


def _read(text: str | None) -> dict[str, Any]:
    """The levels of a note; what is none is left out."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _level_of(row: Any) -> Level | None:
    if not isinstance(row, list) or len(row) != 7 or not isinstance(row[0], int):
        return None
    numbers = [inf if one is None else one for one in row[2:5]]
    if not 1 <= row[0] <= MOST_LIMIT or not all(_is_more(one) for one in numbers):
        return None
    cap, rate, burst = numbers
    return Level(row[0], bool(row[1]), cap, rate, burst, bool(row[5]))


def _is_more(number: Any) -> bool:
    return isinstance(number, (int, float)) and number > 0


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _time_of(row: Any) -> float:
    newest = row[-1] if isinstance(row, list) and row else 0
    return newest if isinstance(newest, (int, float)) else 0
