"""Items that were tried more than once, against a list of all that happened."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.core.model import ItemTries
from amorsize.items.tries import MOST_KEPT, TryLog

ends = st.lists(st.sampled_from(["refused", "failed"]), max_size=5)


@settings(deadline=None)
@given(
    st.lists(st.tuples(ends, st.booleans(), st.lists(st.integers(0, 9), min_size=12)), max_size=8)
)
def test_the_log_says_what_happened(items: list[tuple[list[str], bool, list[int]]]) -> None:
    """All items side by side: each try waits, runs, and ends as was drawn."""
    log, told, events = TryLog(), [], []
    for position, (bad, served, steps) in enumerate(items):
        now, waited, bad_ends = 0, 0, []
        for number, end in enumerate([*bad, "served" if served else "given up"]):
            wait, run = steps[2 * number], steps[2 * number + 1]
            if end == "given up":
                events.append((now, number, position, end))
                break
            events.append((now + wait, number, position, "began"))
            waited += wait if number else 0
            now += wait + run
            events.append((now, number, position, end))
            bad_ends.append(now)
        if len(bad_ends) > 1:
            refused, spent = bad.count("refused"), bad_ends[-1] - bad_ends[0]
            told.append(ItemTries(position, len(bad_ends), refused, waited, spent, served))
    events.sort(key=lambda event: event[0])  # those of one moment stay in their order
    for now, _, position, what in events:
        if what == "began":
            log.began(position, 1, now)
        elif what in ("refused", "failed"):
            log.failed(position, now, refused=what == "refused")
        else:
            log.ended(position, now, served=what == "served")
    assert log.told(int) == (len(told), tuple(told))


def tried(log: TryLog, position: int, tries: int) -> None:
    for number in range(tries - 1):
        log.began(position, 1, 2.0 * number)
        log.failed(position, 2.0 * number + 1, refused=True)
    log.began(position, 1, 2.0 * tries)
    log.ended(position, 2.0 * tries + 1, served=True)


def test_the_most_tried_are_kept_and_all_are_counted() -> None:
    log = TryLog()
    for position in range(5 * MOST_KEPT):
        tried(log, position, 9 if position % 10 == 3 else 2)
    count, kept = log.told(int)
    assert count == 5 * MOST_KEPT and len(kept) == MOST_KEPT
    assert {one.position for one in kept} >= set(range(3, 5 * MOST_KEPT, 10))
    assert [one.position for one in kept] == sorted(one.position for one in kept)


def test_one_that_comes_back_unrun_and_a_run_that_ends_before_the_next_try() -> None:
    log = TryLog()
    for position in (5, 6, 7):
        log.failed(position, 10.0, refused=False)
    log.began(0, 100, 11.0)  # a chunk of many
    log.undone(6)
    log.began(6, 1, 15.0)
    log.failed(6, 16.0, refused=True)
    log.ended(7, 12.0, served=True)
    count, (six, seven) = log.told(lambda position: position + 100)
    assert count == 2  # item 5 was tried once
    assert six == ItemTries(106, 2, 1, 5.0, 6.0, served=False)
    assert seven == ItemTries(107, 2, 0, 1.0, 2.0, served=True)


def test_items_that_succeed_at_once_cost_nothing() -> None:
    log: Any = TryLog()
    log.began(0, 1_000_000, 0.0)
    log.ended(3, 1.0, served=True)
    assert log.told(int) == (0, ())
