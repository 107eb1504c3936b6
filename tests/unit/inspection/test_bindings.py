"""What a function holds keeps it from processes, from threads, or in the caller; whatever holds it."""

from __future__ import annotations

import asyncio
import functools
import http.client
import io
import itertools
import mmap
import random
import socket
import sqlite3
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amorsize.inspection.effects import inspect_function


class Deep:
    """Holds something three levels down, in an attribute, a list and a dict."""

    def __init__(self, held: Any, *others: Any) -> None:
        self.parts = [{"held": held}, *others]

    def use(self, item: int) -> int:
        return item + len(self.parts)


def closing_over(held: Any) -> Callable[[int], int]:
    box = types.SimpleNamespace(one=(held,))

    def work(item: int) -> int:
        return item + len(box.one)

    return work


def in_a_partial(held: Any) -> Callable[[int], int]:
    def work(box: Any, item: int) -> int:
        return item + len(box)

    return functools.partial(work, {"held": [held]})


WAYS = [closing_over, in_a_partial, lambda held: Deep(held).use]


def memory_map() -> mmap.mmap:
    return mmap.mmap(-1, 16)


def opened_file() -> Any:
    return Path(__file__).open()


STAYS: list[Callable[[], Any]] = [
    lambda: sqlite3.connect(":memory:"), opened_file, memory_map,
    lambda: (part for part in "abc"), lambda: itertools.count(), lambda: iter([1, 2]),
    lambda: random.Random(7), lambda: np.random.default_rng(7), socket.socket,
    lambda: http.client.HTTPConnection("127.0.0.1"), asyncio.new_event_loop,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", STAYS)
def test_what_has_a_position_or_a_thread_keeps_the_run_in_the_caller(
    make: Callable[[], Any], way: Callable[[Any], Any]
) -> None:
    held = make()
    try:
        safety = inspect_function(way(held), [1])
        assert safety.caller_only or make not in SEEN_DEEP, safety
    finally:
        if hasattr(held, "close"):
            held.close()


SEEN_DEEP = STAYS[:4] + STAYS[8:9]
"""Iterators and generators of numbers that no code names are found by the watch."""


@pytest.mark.parametrize("make", STAYS)
def test_what_the_code_names_keeps_the_run_in_the_caller(make: Callable[[], Any]) -> None:
    held = make()

    def work(item: int) -> Any:
        return held, item

    try:
        assert inspect_function(work, [1]).caller_only
    finally:
        if hasattr(held, "close"):
            held.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_lock_keeps_from_processes_only(way: Callable[[Any], Any]) -> None:
    safety = inspect_function(way(threading.Lock()), [1])
    assert safety.no_processes
    assert safety.caller_only is None


def test_sockets_behind_a_lock_may_be_used_by_threads() -> None:
    with socket.socket() as link:
        safety = inspect_function(Deep(link, threading.Lock()).use, [1])
        assert safety.no_processes
        assert safety.caller_only is None


class Pool:
    """Connections that are taken and given back with a lock held."""

    def __init__(self) -> None:
        self.lock, self.free = threading.Lock(), list[Any]()

    def get(self, item: int) -> int:
        with self.lock:
            link = self.free.pop() if self.free else http.client.HTTPConnection("127.0.0.1")
        with self.lock:
            self.free.append(link)
        return item

    def note(self, item: int) -> None:
        with self.lock:
            self.free.append(item)


def test_a_pool_may_be_used_by_threads_but_a_list_of_results_not() -> None:
    pool = Pool()
    for _ in range(2):
        assert inspect_function(pool.get, [1]).caller_only is None
        pool.get(1)
    assert inspect_function(pool.get, [1]).no_processes
    assert inspect_function(pool.note, [1]).caller_only


LOCAL = threading.local()


def makes_its_own(item: int) -> int:
    if not hasattr(LOCAL, "session"):
        LOCAL.session = [item]
    return len(LOCAL.session)


def reads_the_callers(item: int) -> Any:
    return LOCAL.tenant, item


def test_a_session_for_each_thread_may_be_used_by_threads() -> None:
    makes_its_own(1)
    try:
        safety = inspect_function(makes_its_own, [1])
        assert safety.caller_only is None
        assert safety.no_processes
    finally:
        del LOCAL.session


def test_what_the_caller_set_for_its_thread_is_not_there_in_another() -> None:
    LOCAL.tenant = "acme"
    try:
        assert "tenant" in (inspect_function(reads_the_callers, [1]).caller_only or "")
    finally:
        del LOCAL.tenant


@pytest.mark.parametrize("item", [io.StringIO(), iter([1]), (part for part in "ab")])
def test_an_item_is_used_once_so_that_threads_may_have_it(item: Any) -> None:
    safety = inspect_function(repr, [item])
    assert safety.caller_only is None


def test_effects_may_be_ignored_but_not_what_is_held() -> None:
    found: list[int] = []
    with socket.socket() as link:

        def work(item: int) -> Any:
            found.append(item)
            return link, item

        assert inspect_function(work, [1], effects=False).caller_only
    assert inspect_function(found.append, [1], effects=False).caller_only is None
