"""What the watch would see, in runs whose items are so long that none, or only a late one, is watched."""

from __future__ import annotations

import collections
import csv
import io
import random
import time

from case import Case, case


@case("library")
def rows_written_after_waits() -> Case:
    """The loop leaves a row for each item, written after a wait of 20 ms."""
    text = io.StringIO()
    writer = csv.writer(text)

    def work(item: int) -> int:
        time.sleep(0.02)
        return writer.writerow([item, item * item])

    return Case(work, range(50), left=text.getvalue)


@case("library")
def rows_written_by_few_long_items() -> Case:
    """The same by ten items of 0.12 s."""
    text = io.StringIO()
    writer = csv.writer(text)

    def work(item: int) -> int:
        time.sleep(0.12)
        return writer.writerow([item, "x" * (item % 4)])

    return Case(work, range(10), left=text.getvalue)


@case("library")
def lines_chained_after_long_waits() -> Case:
    """A chain map gets a new map in front, after a wait of 50 ms."""
    state = {"maps": collections.ChainMap({})}

    def work(item: int) -> int:
        time.sleep(0.05)
        state["maps"].maps.insert(0, {item: True})
        return len(state["maps"].maps)

    return Case(work, range(30), left=lambda: len(state["maps"].maps))


@case("process")
def own_state_is_put_back_after_waits() -> Case:
    """A generator of the user's own is read and set again, after a wait of 30 ms."""
    own = random.Random(5)

    def work(item: int) -> float:
        state = own.getstate()
        time.sleep(0.03)
        value = own.random()
        if item % 2:
            own.setstate(state)
        return value

    return Case(work, range(30), left=own.random)
