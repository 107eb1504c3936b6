"""The simulated backend: its clock, its deaths and its time limit, by hand."""

from __future__ import annotations

from typing import Any

from amorsize.backends.base import BackendSpec
from amorsize.core.model import Config
from amorsize.errors import ItemError, WorkerDied
from amorsize.items.collector import ListCollector
from amorsize.items.source import ItemSource
from amorsize.testing.fake_backend import FakeBackend, FakeClock


def made(count: int, workers: int, **options: Any) -> tuple[FakeBackend, FakeClock, BackendSpec]:
    source = ItemSource(range(count))
    source.hand_out_in_order()
    source.hand_over(0)
    clock = FakeClock()
    fields = {
        name: options.pop(name) for name in ("timeout_seconds", "first_workers") if name in options
    }
    config = Config("threads", workers)
    spec = BackendSpec(abs, source, ListCollector(0, "collect"), config, **fields)
    backend = FakeBackend(spec, clock, **options)
    backend.start()
    return backend, clock, spec


def test_workers_share_the_time() -> None:
    backend, clock, spec = made(10, 2, item_seconds=1.0)
    while spec.collector.done < 10:
        backend.step(100.0)
    assert clock() == 5.0 and backend.report().cpu_seconds == 10.0


def test_patience_ends_a_step() -> None:
    backend, clock, _ = made(10, 2, item_seconds=1.0)
    assert backend.step(0.25).done == 0 and clock() == 0.25
    assert backend.step(0.75).done == 2 and clock() == 1.0


def test_deaths_and_the_time_limit() -> None:
    backend, _, spec = made(
        6, 1, item_seconds=lambda position: 9.0 if position == 4 else 1.0, deaths={1: 1, 2: 2},
        timeout_seconds=2.0,
    )  # fmt: skip
    while spec.collector.done < 6:
        report = backend.step(100.0)
    assert isinstance(spec.collector, ListCollector)
    died, late = spec.collector.results[2], spec.collector.results[4]
    assert isinstance(died, ItemError) and isinstance(died.exception, WorkerDied)
    assert isinstance(late, ItemError) and isinstance(late.exception, TimeoutError)
    assert [spec.collector.results[position] for position in (0, 1, 3, 5)] == [0, 1, 3, 5]
    assert report.deaths == 3


def test_the_ramp_doubles() -> None:
    backend, _, _ = made(100, 8, first_workers=1)
    counts = [backend.report().workers]
    while backend.ramp(0.0):
        counts.append(backend.report().workers)
    assert [*counts, backend.report().workers] == [1, 2, 4, 8]
