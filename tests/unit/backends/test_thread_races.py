"""Two threads meet in the worst moment: what one does by halves, the other must not see.

On a Python without a GIL such moments come by the hundred; here each is brought about.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import amorsize
from amorsize.backends.threads import pool
from amorsize.items import source as items_source

pytestmark = pytest.mark.timeout(60)


def test_a_reader_does_not_see_a_buffer_that_is_emptied_by_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The taker has emptied the buffer and not yet moved its start when the next item is read."""
    readers: list[threading.Thread] = []

    class Meeting(deque[Any]):
        """Has the next item read by another thread as soon as it is empty."""

        def popleft(self) -> Any:
            item = super().popleft()
            if not self and isinstance(item, int):
                reader = threading.Thread(target=source.pull, args=(1,))
                reader.start()
                reader.join(0.05)  # it cannot end while the lock is held
                readers.append(reader)
            return item

    monkeypatch.setattr(items_source, "deque", Meeting)
    source = items_source.ItemSource(number for number in range(6))
    source.hand_over(0)
    source.pull(1)
    taken = []
    while not source.finished:
        run = source.take(2)
        for reader in readers:
            reader.join()
        if run is not None:
            taken.append((run[0], list(run[1])))
    assert taken == [(number, [number]) for number in range(6)]


def test_a_source_is_not_finished_while_a_run_is_cut() -> None:
    """The taker holds the only run in its hands when another thread asks whether anything is left."""
    asked: list[bool] = []

    class Meeting(deque[Any]):
        def popleft(self) -> Any:
            run = super().popleft()
            asker = threading.Thread(target=lambda: asked.append(source.finished))
            asker.start()
            asker.join(0.05)
            askers.append(asker)
            return run

    askers: list[threading.Thread] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(items_source, "deque", Meeting)
        source = items_source.ItemSource([10, 11, 12])
    source.hand_over(0)
    assert source.take_run(1) == (0, 1)
    for asker in askers:
        asker.join()
    assert asked == [False]


def square(number: int) -> int:
    return number * number


def test_a_thread_that_begins_before_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks how many threads share the items: it is one of them."""

    def start(func: Callable[..., object], args: tuple[Any, ...]) -> None:
        thread = threading.Thread(target=func, args=args)
        thread.start()
        thread.join(0.2)

    monkeypatch.setattr(pool, "start_new_thread", start)
    for data in (range(300), (number for number in range(300))):
        found = amorsize.execute(square, data, backend="threads", n_jobs=2, history=None)
        assert found == [number * number for number in range(300)]
