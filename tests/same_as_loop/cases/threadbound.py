"""Objects that belong to the thread that made them."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from pathlib import Path

from case import Case, case, compute, nap, release, toil

LOCAL = threading.local()


def _database() -> Path:
    path = Path(tempfile.mkdtemp()) / "data.sqlite"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("create table t (n integer, name text)")
        rows = [(number, f"name {number}") for number in range(200)]
        connection.executemany("insert into t values (?, ?)", rows)
    connection.close()
    return path


@case("bound to a thread")
def connection_of_the_caller() -> Case:
    """The results come from a connection that works only in the thread that opened it; items wait."""
    connection = sqlite3.connect(_database())

    def work(item: int) -> str:
        nap()
        return connection.execute("select name from t where n = ?", (item,)).fetchone()[0]

    return Case(work, range(150))


class _Store:
    """Wraps a connection, as a user's project does."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def name(self, number: int) -> str:
        row = self._connection.execute("select name from t where n = ?", (number,)).fetchone()
        return row[0]


@case("bound to a thread")
def connection_behind_an_object() -> Case:
    """The results come from an object that holds a connection of the caller's thread."""
    store = _Store(_database())

    def work(item: int) -> str:
        nap()
        return store.name(item).upper()

    return Case(work, range(150))


@case("bound to a thread")
def local_value_of_the_caller() -> Case:
    """The results show a value that the caller has set for its own thread; items wait."""
    LOCAL.user = "ann"

    def work(item: int) -> str:
        nap()
        return f"{getattr(LOCAL, 'user', 'nobody')} {item}"

    return Case(work, range(150))


@case("bound to a thread")
def local_value_of_the_caller_computing() -> Case:
    """The results show a value that the caller has set for its own thread; items compute."""
    local = threading.local()
    local.rate = 1.5

    def work(item: int) -> float:
        toil()
        return item * getattr(local, "rate", 0.0)

    return Case(work, range(150))


@case("bound to a thread")
def local_counter() -> Case:
    """The loop leaves a count of all items in a value of the caller's thread."""
    LOCAL.count = 0

    def work(item: int) -> int:
        nap()
        LOCAL.count = getattr(LOCAL, "count", 0) + 1
        return item

    return Case(work, range(150), left=lambda: LOCAL.count)


@case("bound to a thread")
def loop_of_the_caller() -> Case:
    """The results come from coroutines that run on an event loop of the caller."""
    loop = asyncio.new_event_loop()

    async def answer(item: int) -> int:
        await asyncio.sleep(0.001)
        return item * 2

    def work(item: int) -> int:
        return loop.run_until_complete(answer(item))

    def left() -> bool:
        closed = loop.is_closed()
        loop.close()
        return closed

    return Case(work, range(150), left=left)


@case("bound to a thread")
def event_loop_that_is_set() -> Case:
    """The results say that the event loop of the thread is the one that the caller has set."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def work(item: int) -> bool:
        nap()
        try:
            return asyncio.get_event_loop() is loop
        except RuntimeError:
            return False

    def left() -> None:
        asyncio.set_event_loop(None)
        loop.close()

    return Case(work, range(150), left=left)


@case("bound to a thread")
def tasks_left_on_a_loop() -> Case:
    """The loop leaves calls that wait on an event loop of the caller, which it runs afterwards."""
    loop = asyncio.new_event_loop()
    ran: list[int] = []

    def work(item: int) -> int:
        compute()
        loop.call_soon(ran.append, item)
        return item

    def left() -> list[int]:
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        return ran

    return Case(work, range(150), left=left)


@case("bound to a thread")
def main_thread() -> Case:
    """The results say that every item ran in the main thread."""

    def work(item: int) -> bool:
        nap()
        return threading.current_thread() is threading.main_thread()

    return Case(work, range(150))


@case("bound to a thread")
def owner_of_an_object() -> Case:
    """The results say that every item ran in the thread that made an object."""

    class Widget:
        def __init__(self) -> None:
            self.thread = threading.get_ident()
            self.text = ""

        def show(self, text: str) -> str:
            if threading.get_ident() != self.thread:
                return "wrong thread"
            return f"shown {text}"

    widget = Widget()

    def work(item: int) -> str:
        nap()
        return widget.show(str(item))

    return Case(work, range(150))


@case("bound to a thread")
def lock_held_by_the_caller() -> Case:
    """The results say that every item could take the lock that its caller holds: it is re-entrant."""
    lock = threading.RLock()
    lock.acquire()

    def work(item: int) -> bool:
        release(item)
        taken = lock.acquire(timeout=0.01)
        if taken:
            lock.release()
        return taken

    return Case(work, range(150))


@case("bound to a thread")
def connections_by_thread() -> Case:
    """The loop leaves one connection in a pool that keeps one for each thread."""
    pool: dict[int, str] = {}

    def work(item: int) -> int:
        nap()
        pool.setdefault(threading.get_ident(), f"connection {len(pool)}")
        return len(pool)

    return Case(work, range(150), left=lambda: sorted(pool.values()))


@case("bound to a thread")
def name_of_the_thread() -> Case:
    """The results carry the name of the thread that ran the item, as log lines do."""

    def work(item: int) -> str:
        nap()
        return f"{threading.current_thread().name}: {item}"

    return Case(work, range(150))
