"""The contract of `amorsize.backends.base.Backend` as tests: any implementation can be held against it.

Write a subclass whose name begins with Test and give it ``make_backend``::

    class TestMine(BackendContract):
        def make_backend(self, spec):
            return MyBackend(spec)

:class:`WorkerDeathContract` adds the tests of deaths, where the workers are processes of their own that a
function may end.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial

import pytest

from amorsize.backends.base import Backend, BackendReport, BackendSpec
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.errors import ItemError, WorkerDied
from amorsize.items.collector import SKIPPED, ListCollector
from amorsize.items.source import ItemSource
from amorsize.items.window import WindowCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from amorsize.items.collector import ResultCollector

LONGEST_SECONDS = 60.0
"""A run that has not ended by then never will."""
prepared: list[int] = []
"""What :func:`prepare` has left in this process."""


def square(item: int) -> int:
    return item * item


def nap(item: int) -> int:
    time.sleep(0.002)
    return item


def odd_fails(item: int) -> int:
    if item % 2:
        raise KeyError(item)
    return item


def prepare(value: int) -> None:
    prepared.append(value)


def with_prepared(item: int) -> tuple[int, int]:
    return item, prepared[-1]


def dies_once(marks: str, item: int) -> int:
    """End the process in item 5, the first time it is run."""
    mark = os.path.join(marks, "died")
    if item == 5 and not os.path.exists(mark):
        with open(mark, "x", encoding="utf-8"):
            os._exit(3)
    return item


def always_dies(item: int) -> int:
    if item == 5:
        os._exit(3)
    return item


class BackendContract:
    """Subclass it, name the subclass Test..., and define :meth:`make_backend`."""

    config = Config("threads", 2, 1)
    """What the backend is told: two workers."""
    runs_initializer = True
    """False where items may run in the caller: an initializer is for workers."""

    def make_backend(self, spec: BackendSpec) -> Backend:
        """A new backend for this run."""
        raise NotImplementedError

    # -- a run ----------------------------------------------------------------------------------

    def spec(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        collector: ResultCollector | None = None,
        **options: Any,
    ) -> BackendSpec:
        """A run of two workers over the data, which wait to be taken."""
        source = ItemSource(data)
        source.hand_out_in_order()
        source.hand_over(0)
        to = ListCollector(0, "raise") if collector is None else collector
        return BackendSpec(func, source, to, options.pop("config", self.config), **options)

    def finish(self, backend: Backend, spec: BackendSpec, patience: float = 0.01) -> BackendReport:
        """Step until everything is done, or something failed; then close it."""
        deadline = time.monotonic() + LONGEST_SECONDS
        source, collector = spec.source, spec.collector
        try:
            while collector.failure is None:
                total = source.total if source.indexed else source.position
                if source.exhausted and collector.done >= (total or 0):
                    break
                assert time.monotonic() < deadline, f"{collector.done} of {total} items are done"
                backend.step(patience)
        finally:
            backend.close(abort=collector.failure is not None)
        return backend.report()

    def run(self, func: Callable[[Any], Any], data: Iterable[Any], **options: Any) -> BackendSpec:
        """A whole run; returns its spec, whose collector has the results."""
        spec = self.spec(func, data, **options)
        backend = self.make_backend(spec)
        backend.start()
        self.finish(backend, spec)
        return spec

    # -- results --------------------------------------------------------------------------------

    @pytest.mark.parametrize("count", [1, 2, 7, 500])
    def test_each_result_once_and_in_its_place(self, count: int) -> None:
        spec = self.run(square, list(range(count)))
        assert isinstance(spec.collector, ListCollector) and spec.collector.failure is None
        assert spec.collector.results == [item * item for item in range(count)]
        assert spec.collector.done == count

    def test_a_source_that_is_read_once(self) -> None:
        spec = self.run(square, iter(range(100)), item_seconds=0.001)
        assert isinstance(spec.collector, ListCollector)
        assert spec.collector.results == [item * item for item in range(100)]

    def test_a_chunksize_of_the_user(self) -> None:
        spec = self.run(square, range(20), config=replace(self.config, chunksize=7))
        assert isinstance(spec.collector, ListCollector)
        assert spec.collector.results == [item * item for item in range(20)]

    def test_a_window_opens_and_results_come_in_order(self) -> None:
        """What the consumer has not taken bounds what is begun."""
        collector = WindowCollector(0, "raise", ordered=True)
        spec = self.spec(square, list(range(30)), collector)
        spec.source.open_to(4)
        backend = self.make_backend(spec)
        backend.start()
        found: list[int] = []
        deadline = time.monotonic() + LONGEST_SECONDS
        while len(found) < 30:
            assert time.monotonic() < deadline and collector.failure is None
            assert collector.done <= len(found) + 4
            values = collector.pop()
            if values is None:
                backend.step(0.01)
                continue
            found += values
            spec.source.open_to(len(found) + 4)
            backend.wake()
        backend.close()
        assert found == [item * item for item in range(30)]

    def test_another_thread_feeds_and_wakes(self) -> None:
        """Items that come while the caller waits are taken at once, not after its patience."""
        turn = threading.Semaphore(0)

        def slowly() -> Iterator[int]:
            for item in range(6):
                assert turn.acquire(timeout=LONGEST_SECONDS)
                yield item

        spec = self.spec(square, slowly())
        spec.source.read_elsewhere()
        backend = self.make_backend(spec)
        backend.start()

        def feed() -> None:
            while not spec.source.exhausted:
                spec.source.pull(1)
                backend.wake()
            spec.collector.notify()

        feeder = threading.Thread(target=feed)
        feeder.start()
        deadline = time.monotonic() + LONGEST_SECONDS
        for count in range(6):
            turn.release()
            while spec.collector.done <= count:
                assert time.monotonic() < deadline
                backend.step(0.05)
        feeder.join(LONGEST_SECONDS)
        backend.close()
        assert isinstance(spec.collector, ListCollector)
        assert spec.collector.results == [item * item for item in range(6)]

    # -- errors ---------------------------------------------------------------------------------

    def test_an_error_ends_the_run(self) -> None:
        spec = self.run(odd_fails, list(range(40)))
        failure = spec.collector.failure
        assert failure is not None and isinstance(failure.exception, KeyError)
        assert failure.index is not None and failure.exception.args == (failure.index,)

    @pytest.mark.parametrize("on_error", ["collect", "skip"])
    def test_errors_fill_their_places(self, on_error: str) -> None:
        spec = self.run(odd_fails, list(range(40)), collector=ListCollector(0, on_error))
        assert isinstance(spec.collector, ListCollector) and spec.collector.failure is None
        for item, result in enumerate(spec.collector.results):
            if not item % 2:
                assert result == item
            elif on_error == "skip":
                assert result is SKIPPED
            else:
                assert isinstance(result, ItemError) and result.index == item
                assert isinstance(result.exception, KeyError)

    def test_an_initializer_runs_before_the_items(self) -> None:
        spec = self.spec(with_prepared, range(20), initializer=prepare, initargs=(41,))
        backend = self.make_backend(spec)
        prepare(0)  # what a worker that skipped it would find
        backend.start()
        self.finish(backend, spec)
        assert isinstance(spec.collector, ListCollector)
        found = {value for _, value in spec.collector.results}
        assert found == {41} if self.runs_initializer else found <= {0, 41}

    # -- reports, and the end -------------------------------------------------------------------

    def test_reports_tell_what_was_reached(self) -> None:
        spec = self.spec(nap, list(range(40)))
        backend = self.make_backend(spec)
        backend.start()
        seen = [backend.step(0.01).done for _ in range(3)]
        last = self.finish(backend, spec)
        assert seen == sorted(seen) and isinstance(last, BackendReport)
        assert last.done == 40 and not last.deaths
        assert last == backend.report()

    def test_draining_leaves_the_rest_in_the_source(self) -> None:
        """Every item is done or can be taken by the next backend, and none of them twice."""
        count = 1000
        spec = self.spec(nap, list(range(count)), item_seconds=0.002)
        backend = self.make_backend(spec)
        backend.start()
        deadline = time.monotonic() + LONGEST_SECONDS
        while not spec.collector.done:
            assert time.monotonic() < deadline
            backend.step(0.01)
        backend.drain()
        while not backend.step(0.01).drained:
            assert time.monotonic() < deadline
        done = spec.collector.done
        backend.close()
        assert spec.collector.done == done
        left: list[Any] = []
        while (run := spec.source.take(count)) is not None:
            left += run[1]
        assert isinstance(spec.collector, ListCollector)
        results = [value for value in spec.collector.results if isinstance(value, int)]
        assert len(results) == done < count
        assert sorted([*results, *left]) == list(range(count))

    def test_an_abort_is_soon_and_final(self) -> None:
        spec = self.spec(nap, list(range(100_000)))
        backend = self.make_backend(spec)
        backend.start()
        backend.step(0.01)
        began = time.monotonic()
        backend.close(abort=True, hurry=True)
        assert time.monotonic() - began < LONGEST_SECONDS / 4
        assert spec.collector.done < 100_000

    def test_abilities_that_it_lacks_do_nothing(self) -> None:
        """The engine asks without knowing which backend it has."""
        spec = self.spec(nap, list(range(60)))
        backend = self.make_backend(spec)
        backend.start()
        assert backend.ramp(0.0) in (True, False)
        backend.set_probing(False)
        backend.scale_to(2)
        assert self.finish(backend, spec).done == 60


class WorkerDeathContract(BackendContract):
    """The same, and the deaths of workers that are processes of their own."""

    def test_a_death_costs_no_result(self, tmp_path: Path) -> None:
        spec = self.spec(partial(dies_once, str(tmp_path)), list(range(40)))
        backend = self.make_backend(spec)
        backend.start()
        report = self.finish(backend, spec)
        assert isinstance(spec.collector, ListCollector) and spec.collector.failure is None
        assert spec.collector.results == list(range(40)) and report.deaths >= 1

    def test_an_item_that_kills_twice_is_given_up(self) -> None:
        spec = self.run(always_dies, list(range(40)), collector=ListCollector(0, "collect"))
        assert isinstance(spec.collector, ListCollector) and spec.collector.failure is None
        died = spec.collector.results[5]
        assert isinstance(died, ItemError) and isinstance(died.exception, WorkerDied)
        assert [*spec.collector.results[:5], *spec.collector.results[6:]] == [
            item for item in range(40) if item != 5
        ]
