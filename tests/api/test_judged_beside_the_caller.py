"""Behind a first long item a function is judged in another thread, which has neither the caller's
``threading.local`` nor its profiler nor its context: what it cannot see keeps the function there."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import amorsize
from amorsize import inspection
from amorsize.core.model import Safety

ITEMS = range(24)


def waits() -> None:
    """Long enough that the first item is looked at while it runs."""
    time.sleep(0.06)


def judged_in_another_thread(func: Any, **options: Any) -> Safety:
    found: list[Safety] = []
    thread = threading.Thread(
        target=lambda: found.append(inspection.inspect_function(func, ITEMS[:2], **options))
    )
    thread.start()
    thread.join()
    return found[0]


def test_what_the_caller_has_set_for_its_thread() -> None:
    local = threading.local()
    local.user = "ann"

    def func(item: int) -> str:
        waits()
        return f"{local.user}{item}"

    assert amorsize.execute(func, ITEMS, history=None) == [f"ann{item}" for item in ITEMS]
    assert inspection.inspect_function(func, ITEMS[:2]).caller_only is not None
    assert judged_in_another_thread(func, callers_thread=False).caller_only is not None


def test_what_is_counted_in_the_caller_s_thread() -> None:
    local = threading.local()

    def func(item: int) -> int:
        waits()
        local.count = getattr(local, "count", 0) + 1
        return int(local.count)

    assert amorsize.execute(func, ITEMS, history=None) == [item + 1 for item in ITEMS]


def test_a_profiler_of_the_caller() -> None:
    calls = 0

    def helper(item: int) -> int:
        return item

    def hear(frame: Any, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is helper.__code__

    def func(item: int) -> int:
        waits()
        return helper(item)

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        results = amorsize.execute(func, ITEMS, history=None)
    finally:
        sys.setprofile(before)
    assert results == list(ITEMS) and calls == len(ITEMS)


def test_a_lock_that_the_caller_holds() -> None:
    """Another thread could not tell whose it is, and would wait for ever in an item."""
    lock = threading.RLock()

    def func(item: int) -> int:
        with lock:
            return item

    with lock:
        assert "a lock that is held" in str(judged_in_another_thread(func).caller_only)
    assert judged_in_another_thread(func).caller_only is None


def test_the_caller_s_verdict_is_its_own() -> None:
    """What was left open beside the caller keeps nothing there once the caller can look."""
    local = threading.local()

    def func(item: int) -> int:
        if not hasattr(local, "tool"):
            local.tool = object()
        waits()
        return item

    plan = amorsize.optimize(func, range(200), history=None, backend=("serial", "threads"))
    assert plan.execute() == list(range(200))
    assert plan.run is not None and plan.run.config.backend == "threads"
