"""What only some items do, in kinds that no name tells of: a result that nobody uses, the end of an
object, hooks of pickling, callbacks, the name of the thread, parts of dicts that items share."""

from __future__ import annotations

import contextvars
import copy
import gc
import os
import pickle
import threading
import time
import xml.etree.ElementTree as ElementTree
from typing import Any, ClassVar

import numpy as np
import pytest
import threadpoolctl

from amorsize.core.backends import COPIES
from amorsize.inspection.effects import inspect_function
from amorsize.inspection.late import LateLook
from amorsize.inspection.sources import reached_data

ROOT = ElementTree.Element("all")
BINS = np.zeros(4, dtype=int)
COUNTER = os.eventfd(0) if hasattr(os, "eventfd") else -1
TABLE = [[1], [2]]
LONG_SECONDS = 10.0


def adds_an_element(item: int) -> int:
    if item > 100:
        ElementTree.SubElement(ROOT, "row")
    return item


def uses_the_element(item: int) -> str:
    return ElementTree.tostring(ROOT, "unicode") if item > 100 else ""


def limits_threads(item: int) -> int:
    if item > 100:
        threadpoolctl.threadpool_limits(2)
    return item


def waits_now_and_then(item: int) -> int:
    if item > 100:
        time.sleep(0.001)
        np.testing.assert_equal(BINS, BINS)
    return item


def fills_bins(item: int) -> int:
    if item > 100:
        np.add.at(BINS, [item % 4], 1)
    return item


def names_the_thread(item: int) -> int:
    if item > 100:
        threading.current_thread().name = f"job {item}"
    return item


class Noted:
    ended: ClassVar[list[int]] = []
    pickled = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        if self.number > 100:
            Noted.ended.append(self.number)


class Carried:
    pickled = 0

    def __getstate__(self) -> dict[str, Any]:
        Carried.pickled += 1
        return {}


def ends_an_object(item: int) -> int:
    return Noted(item).number


def pickles_its_item(item: Carried) -> int:
    return len(pickle.dumps(item)) if id(item) else 0


def copies_an_object(item: int) -> int:
    return len(str(copy.copy(Carried()))) + item


def counts_events(item: int) -> int:
    if item > 100:
        os.eventfd_write(COUNTER, 1)
    return item


@pytest.mark.parametrize(
    "func",
    [adds_an_element, limits_threads, fills_bins, names_the_thread, ends_an_object, copies_an_object,
     counts_events],
)  # fmt: skip
def test_it_stays_in_the_caller(func: Any) -> None:
    """The watched item did nothing of it: the code is all there is to go by."""
    assert inspect_function(func, (1,)).caller_only is not None


@pytest.mark.parametrize("func", [uses_the_element, waits_now_and_then])
def test_what_is_used_or_only_waits_may_leave(func: Any) -> None:
    """A result that is used is what a call is for; to wait, or to check, changes nothing."""
    assert inspect_function(func, (1,)).caller_only is None


GUARD = threading.Lock()


def asks_for_the_lock(item: int) -> str:
    return "leader" if item > 100 and GUARD.acquire(blocking=False) else "follower"


def takes_the_lock(item: int) -> int:
    GUARD.acquire()
    try:
        return item
    finally:
        GUARD.release()


def test_a_lock_that_only_one_gets() -> None:
    """Who is told that he has it came first; one that each waits for tells nothing."""
    assert inspect_function(asks_for_the_lock, (1,)).caller_only is not None
    assert inspect_function(takes_the_lock, (1,)).caller_only is None


MODE: contextvars.ContextVar[int] = contextvars.ContextVar("MODE", default=0)


def sets_the_context(item: int) -> int:
    MODE.set(MODE.get() + item % 2)
    return MODE.get()


def sets_and_resets(item: int) -> int:
    token = MODE.set(item)
    try:
        return MODE.get()
    finally:
        MODE.reset(token)


def in_a_copy(item: int) -> int:
    return contextvars.copy_context().run(sets_the_context, item)


def test_a_context_variable_that_goes_from_item_to_item() -> None:
    """One that is put back, or set in a copy of the context, does not."""
    assert inspect_function(sets_the_context, (1,)).caller_only is not None
    assert inspect_function(sets_and_resets, (1,)).caller_only is None
    assert inspect_function(in_a_copy, (1,)).caller_only is None


def test_items_that_note_how_they_are_pickled() -> None:
    """By the function, that is: what amorsize pickles is another matter."""
    assert inspect_function(pickles_its_item, (Carried(),)).caller_only is not None


def test_callbacks_of_the_collector_are_called_by_collect() -> None:
    """Only where there are some."""
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        seen.append(phase)

    def work(item: int) -> int:
        if item > 100:
            gc.collect()
        return item

    assert inspect_function(work, (1,)).caller_only is None
    gc.callbacks.append(note)
    try:
        assert inspect_function(work, (1,)).caller_only is not None
    finally:
        gc.callbacks.remove(note)


def test_a_part_of_dicts_that_are_items() -> None:
    """A list that all of them have is changed by some; one of their own may be, by a thread."""
    shared: list[int] = []

    def work(item: dict[str, Any]) -> int:
        if item["number"] > 100:
            item["log"].append(1)
        return 1

    together = [{"number": n, "log": shared} for n in range(3)]
    apart: list[Any] = [{"number": n, "log": []} for n in range(3)]
    assert inspect_function(work, together).caller_only is not None
    said = inspect_function(work, apart)
    assert said.caller_only is None and said.no_processes is not None


def test_a_text_of_an_item_is_no_constant() -> None:
    """Each item writes a file of its own, whatever the first one's name is."""

    def work(item: dict[str, str]) -> int:
        with open(item["path"], "w") as file:
            return file.write("x")

    assert inspect_function(work, [{"path": "a"}, {"path": "b"}]).caller_only is None


def test_results_of_another_process_that_are_the_callers() -> None:
    """Told where the look is made in a worker, and in a process that was forked since."""

    def work(item: int) -> list[int]:
        return TABLE[item % 2]

    (told,) = LateLook(work, (), LONG_SECONDS, here=True).changed(False, [TABLE[0]])
    assert told.startswith(COPIES) and "TABLE" in told
    pair = ([1], [2])
    assert LateLook(len, (), LONG_SECONDS, here=True).changed(False, [pair[0]], [pair])
    assert LateLook(work, (), LONG_SECONDS).changed(False, [TABLE[0]], [pair]) == ()
    assert LateLook(work, (), LONG_SECONDS, here=True).changed(False, [[1]], [pair]) == ()


def test_data_that_the_function_reaches() -> None:
    """A list that is the data and grows; an object that notes how far it was read."""
    todo = [1]

    def grows(item: int) -> int:
        todo.append(item)
        return item

    assert reached_data(grows, todo) == "`todo`"
    assert reached_data(grows, [1]) is None

    class Slides:
        def __getitem__(self, index: int) -> int:
            return index

    slides = Slides()

    def looks(item: int) -> bool:
        return slides is not None

    assert reached_data(looks, None, iter(slides)) == "`slides`"
    assert reached_data(grows, None, iter(slides)) is None
