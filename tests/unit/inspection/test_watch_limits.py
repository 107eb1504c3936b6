"""What the watch cannot see it says; what an item leaves open, and what must not be forked, is found."""

from __future__ import annotations

import array
import collections
import functools
import io
import itertools
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from amorsize.inspection.holding import held
from amorsize.inspection.process_state import ProcessState
from amorsize.inspection.watch import Verdict, Watch

SECONDS = 10.0  # a budget that no look of these tests uses up, however busy the machine


def watched(func: Callable[[Any], Any], item: Any = 1, **options: Any) -> Verdict:
    """Watch one item."""
    watch = Watch(func, item, **{"budget_seconds": SECONDS, **options})
    func(item)
    return watch.verdict()


# -- what cannot be seen is said


def test_an_object_that_shows_no_state_is_unwatched() -> None:
    import csv
    import zlib

    lines: list[str] = []
    sink = io.StringIO()
    squeezer, rows, table = zlib.compressobj(), csv.writer(sink), csv.reader(lines)
    verdict = watched(lambda item: (squeezer, rows, table) if item is None else None)
    assert verdict.unwatched == ("`rows`", "`squeezer`", "`table`")
    assert watched(lambda item: rows.writerow([item])).changed == ("`rows`",)


def test_budgets_cut_a_look_short() -> None:
    many = [[n] for n in range(2000)]
    verdict = watched(lambda item: many and None, most_nodes=100)
    assert verdict.cut_short == "more than 100 objects are reached"
    ticks = itertools.count()
    verdict = watched(
        lambda item: many and None, budget_seconds=0.5, clock=lambda: next(ticks) * 0.1
    )
    assert verdict.cut_short == "the look took longer than its budget of 0.5 s"
    large = np.zeros(1 << 20)
    verdict = watched(lambda item: large is None, budget_seconds=0.001, clock=lambda: 0.0)
    assert verdict.cut_short is not None and "`large` keeps 8388608 bytes" in verdict.cut_short
    long = list(range(100_000))
    verdict = watched(lambda item: long is None, budget_seconds=0.0005, clock=lambda: 0.0)
    assert verdict.cut_short is not None and "`long` has 100000 elements" in verdict.cut_short


def test_a_look_exports_no_buffer_while_the_item_runs() -> None:
    buffer, stream = bytearray(10), io.BytesIO(b"abc")
    numbers = array.array("i", [1])

    def grow(item: int) -> None:
        buffer.extend(b"x" * 1000)
        numbers.extend([1] * 1000)
        stream.truncate(0)

    assert watched(grow).changed == ("`buffer`", "`numbers`", "`stream`")


def test_what_the_item_leaves_open_is_told() -> None:
    kept: list[Any] = []
    release = threading.Event()

    def leave(item: int) -> None:
        kept.append(socket.socket())
        kept.append(threading.Thread(target=release.wait))
        kept[-1].start()
        kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))

    verdict = watched(leave)
    release.set()
    kept[0].close()
    kept[1].join()
    kept[2].kill()
    kept[2].wait()
    descriptor, *others = verdict.left_open
    assert descriptor.startswith("descriptor ") and "socket" in descriptor
    assert others == ["1 thread", "1 child process"]
    assert watched(lambda item: socket.socket().close()).left_open == ()


def test_process_states_of_one_moment_are_the_same() -> None:
    first, second = ProcessState(set()), ProcessState(set())
    assert first.changed_to(second) == [] and first.left_open(second) == []


# -- what is held


class Client:
    """The client object of an SDK: its connection lies some levels down."""

    def __init__(self, thing: Any) -> None:
        self.session = types.SimpleNamespace(adapters={"https": [(thing,)]})


async def coroutine() -> None:
    """Nothing."""


def generator() -> Iterator[int]:
    yield 1


HELD: dict[str, Callable[[], Any]] = {
    "socket": socket.socket,
    "open file": lambda: open(os.devnull),  # noqa: SIM115  # the test closes it
    "database connection": lambda: sqlite3.connect(":memory:"),
    "lock": threading.Lock,
    "generator": generator,
    "coroutine": coroutine,
    "thread": lambda: threading.Thread(target=print),
    "thread-local data": threading.local,
}


@pytest.mark.parametrize("kind", HELD)
def test_what_must_not_be_forked_is_found_levels_down(kind: str) -> None:
    thing = HELD[kind]()
    client = Client(thing)
    try:
        found = held(lambda item: client, budget_seconds=SECONDS).found
        assert ("`client.session.adapters['https'][0][0]`", kind) in found
        of_item = held(len, ([client],), budget_seconds=SECONDS).found
        assert ("the item", kind) in of_item
        assert held(print, (1,), budget_seconds=SECONDS).found == ()
    finally:
        if hasattr(thing, "close"):
            thing.close()
    if kind in ("socket", "open file"):
        assert held(lambda item: client, budget_seconds=SECONDS).found == ()


def test_a_subclass_of_a_socket_is_one() -> None:
    class Secure(socket.socket):
        __slots__ = ("extra",)

    with Secure() as secure:
        assert held(lambda item: secure, budget_seconds=SECONDS).found == (("`secure`", "socket"),)


def test_inner_lists_of_unknown_objects_are_left_alone() -> None:
    """A pull parser keeps a list of null pointers: listing it would end the process."""
    from xml.etree.ElementTree import XMLPullParser

    parser = XMLPullParser(["end"])
    parser.feed("<all>")
    verdict = watched(lambda item: parser.feed("<row/>"))
    assert any(name.startswith("`parser.") for name in verdict.unwatched)
    assert held(lambda item: parser, budget_seconds=SECONDS).cut_short is None


def test_callbacks_of_the_process_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    page, shown, errors = io.StringIO(), [], []
    monkeypatch.setattr(sys, "stdout", page)
    monkeypatch.setattr(sys, "displayhook", shown.append)
    assert watched(lambda item: print(item)).changed == ("the standard output",)
    assert watched(lambda item: sys.displayhook(item)).changed == ("the hook of displays",)
    with np.errstate(divide="call", call=lambda kind, flag: errors.append(kind)):
        assert watched(lambda item: np.float64(1) / np.float64(0)).changed == ("`errors`",)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert watched(lambda item: warnings.warn("x", stacklevel=1)).changed == (
            "the function that shows warnings",
        )


def test_a_hook_of_a_library_is_followed_where_code_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """IPython's hook of exceptions is a method of the shell, which holds the kernel and its sockets."""
    errors: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(sys, "excepthook", errors.put)
    assert held(lambda item: item + 1, budget_seconds=SECONDS).found == ()
    named = held(lambda item: sys.excepthook(item), budget_seconds=SECONDS)
    assert "lock" in {kind for _, kind in named.found}
    changed = watched(lambda item: sys.excepthook(item)).changed
    assert any(name.startswith("the hook of exceptions") for name in changed)


def test_what_a_thread_keeps_for_itself_is_its_scratch_space() -> None:
    local = threading.local()

    def scratch(item: int) -> None:
        local.buffer = local.__dict__.get("buffer") or bytearray(8)
        local.buffer[0] = item

    def count(item: int) -> None:
        local.count = local.__dict__.get("count", 0) + 1

    verdicts = [watched(scratch, item) for item in (1, 2)]
    assert [verdict.changed for verdict in verdicts] == [("`local`",), ()]
    assert [watched(count).changed for _ in range(2)] == [("`local`",), ("`local`",)]


class Corner(collections.namedtuple("Corner", "x y")):
    """What a class's descriptors keep is neither held nor unwatched."""

    @functools.cached_property
    def size(self) -> int:
        return 3


def test_descriptors_of_a_class_are_no_objects_of_the_user() -> None:
    look = Watch(lambda item: Corner(item, 1).size, 1, budget_seconds=SECONDS)
    assert look.held == () and look.verdict().unwatched == ()
