"""One call with the run behind it, and a function that refuses an item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from amorsize.api.checks import make_options
from amorsize.api.observers import observers_for
from amorsize.engine.driver import Engine, engine_for

BACKENDS = ["serial", "threads", "fork", "spawn", "processes"]


def run(
    func: Callable[[Any], Any], data: Iterable[Any], **options: Any
) -> tuple[list[Any], Engine]:
    checked = make_options(**options)
    engine = engine_for(func, data, checked, None, observers_for(func, checked))
    return engine.execute(), engine


class Refusal(ValueError):
    def __init__(self, item: int, when: float) -> None:
        super().__init__(item, when)
        self.item, self.when = item, when


def refuse_three(item: int) -> int:
    time.sleep(0.002)
    if item == 3:
        raise Refusal(item, time.time())
    return item
