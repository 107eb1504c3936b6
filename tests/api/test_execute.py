"""``execute`` gives what the loop gives, runs every item once, and leaves nothing behind."""

from __future__ import annotations

import array
import collections
import functools
import operator
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import BACKENDS, run
from support.work import Recorder, burn, calm, square, steps

import amorsize
from amorsize.api.checks import make_options
from amorsize.core.model import Machine
from amorsize.engine.driver import engine_for
from amorsize.machine.detect import usable_cores

pytestmark = pytest.mark.timeout(60)


DATA_KINDS: dict[str, Callable[[int], Iterable[int]]] = {
    "list": lambda n: list(range(n)),
    "tuple": lambda n: tuple(range(n)),
    "range": lambda n: range(n),
    "set": lambda n: set(range(n)),
    "frozenset": lambda n: frozenset(range(n)),
    "dict": lambda n: dict.fromkeys(range(n)),
    "dict keys": lambda n: dict.fromkeys(range(n)).keys(),
    "dict values": lambda n: {i: i for i in range(n)}.values(),
    "deque": lambda n: collections.deque(range(n)),
    "array": lambda n: array.array("q", range(n)),
    "bytes": lambda n: bytes(i % 256 for i in range(min(n, 256))),
    "generator": lambda n: (i for i in range(n)),
    "iterator": lambda n: iter(range(n)),
    "map": lambda n: map(int, range(n)),
    "length hint": lambda n: reversed(range(n)),
}


@pytest.mark.parametrize("kind", DATA_KINDS)
@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_every_item_runs_once(backend: str, kind: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls", 0.0005)
    data = DATA_KINDS[kind](150)
    expected = list(DATA_KINDS[kind](150))
    assert amorsize.execute(recorder, data, backend=backend) == [square(i) for i in expected]
    assert recorder.calls() == collections.Counter(expected)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["list", "generator", "set"])
def test_a_stream_runs_every_item_once(
    backend: str, ordered: bool, kind: str, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path / "calls", 0.0005)
    expected = [square(i) for i in DATA_KINDS[kind](300)]
    found = list(amorsize.stream(recorder, DATA_KINDS[kind](300), ordered=ordered, backend=backend))
    assert (found if ordered else sorted(found)) == expected
    assert recorder.calls() == collections.Counter(range(300))


def test_numpy_and_pandas_data() -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    for data in (
        numpy.arange(500),
        numpy.arange(500.0).reshape(100, 5),
        pandas.Series(range(500), index=range(500, 0, -1)),
        pandas.Index(range(500)),
        pandas.DataFrame({"a": [1, 2], "b": [3, 4]}),
        pandas.DataFrame({"a": range(100)}).itertuples(),
    ):
        kept = data if hasattr(data, "__len__") else list(data)
        for backend in ("auto", "fork", "threads"):
            found = amorsize.execute(str, kept, backend=backend)
            assert found == [str(item) for item in kept]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 400),
    jobs=st.integers(1, 5),
    chunk=st.one_of(st.none(), st.integers(1, 50)),
    backend=st.sampled_from(["auto", "serial", "threads", "fork"]),
    as_iterator=st.booleans(),
)
def test_any_shape_of_the_call_gives_the_loops_results(
    n: int, jobs: int, chunk: int | None, backend: str, as_iterator: bool
) -> None:
    data: Iterable[int] = iter(range(n)) if as_iterator else range(n)
    found = amorsize.execute(square, data, n_jobs=jobs, chunksize=chunk, backend=backend)
    assert found == [i * i for i in range(n)]


@pytest.mark.parametrize("data", [[], (), iter(()), {}, set(), range(0), "", b""])
@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_no_items(data: Iterable[Any], backend: str) -> None:
    assert amorsize.execute(square, data, backend=backend) == []
    assert list(amorsize.stream(square, data, backend=backend)) == []


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_one_item_and_items_that_are_none(backend: str) -> None:
    assert amorsize.execute(square, [7], backend=backend) == [49]
    assert amorsize.execute(repr, [None] * 5, backend=backend) == ["None"] * 5
    assert amorsize.execute(type, iter([None, None]), backend=backend) == [type(None)] * 2


# -- any function ------------------------------------------------------------------------------------


class Adder:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def add(self, x: int) -> int:
        return x + self.amount

    def __call__(self, x: int) -> int:
        return x + self.amount


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_functions_of_every_kind(backend: str) -> None:
    amount = 5

    def closure(x: int) -> int:
        return x + amount

    functions: list[Callable[[int], int]] = [
        lambda x: x + 5,
        closure,
        functools.partial(operator.add, 5),
        Adder(5).add,
        Adder(5),
        (5).__add__,
    ]
    for func in functions:
        assert amorsize.execute(func, range(40), backend=backend) == list(range(5, 45))


def test_star_calls_with_several_arguments() -> None:
    pairs = [(2, 3), (3, 2)] * 20
    assert amorsize.execute(amorsize.star(pow), pairs) == [8, 9] * 20
    words = [{"object": i} for i in range(30)]
    assert amorsize.execute(amorsize.star(str), words, backend="fork") == [
        str(i) for i in range(30)
    ]
    with pytest.raises(TypeError, match="needs a function"):
        amorsize.star(3)  # type: ignore[arg-type]


def test_results_that_cannot_be_pickled_stay_in_this_process() -> None:
    def slow_lock(i: int) -> Any:
        burn(0.002)
        return threading.Lock()

    found, engine = run(slow_lock, range(60))
    assert len(found) == 60
    assert engine.choice is None or engine.choice.config.backend not in ("fork", "spawn")


def test_arguments_that_cannot_be_pickled_go_to_forked_workers() -> None:
    locks = [threading.Lock() for _ in range(50)]
    found = amorsize.execute(lambda lock: lock.locked(), locks, backend="fork")
    assert found == [False] * 50


# -- what it chooses ---------------------------------------------------------------------------------


def test_waiting_work_gets_threads() -> None:
    def check() -> None:
        _, engine = run(lambda i: time.sleep(0.01), range(100))
        assert engine.choice is not None
        assert engine.choice.config.backend == "threads"
        assert engine.choice.config.n_jobs > usable_cores()

    calm(check)


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_computing_work_gets_processes_and_trivial_work_stays() -> None:
    def check() -> None:
        _, engine = run(steps, [20_000] * 200)
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        _, engine = run(len, ["abc"] * 10_000)
        assert engine.choice is None or engine.choice.config.backend == "serial"

    calm(check)


@pytest.mark.skipif(usable_cores() < 2, reason="needs two cores")
def test_light_items_first_and_heavy_ones_later_are_noticed() -> None:
    def check() -> None:
        found, engine = run(steps, [5] * 5000 + [100_000] * 60)
        assert found == [steps(5)] * 5000 + [steps(100_000)] * 60
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"

    calm(check)


def test_one_core_starts_no_process_for_computing_work() -> None:
    machine = Machine(cores=1)
    engine = engine_for(steps, [20_000] * 100, make_options(), machine)
    engine.execute()
    assert engine.choice is None or engine.choice.config.backend == "serial"


def test_optimize_explains_and_execute_goes_on(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls", 0.001)
    plan = amorsize.optimize(recorder, range(200))
    assert 0 < plan.items_done < 200
    assert plan.items_left == 200 - plan.items_done
    assert plan.reasons
    assert plan.reasons[0] in str(plan)
    assert 0 <= plan.confidence <= 1
    assert plan.to_dict()["backend"] == plan.backend
    assert plan.execute() == [i * i for i in range(200)]
    assert recorder.calls() == collections.Counter(range(200))
    assert plan.run is not None
    assert plan.run.items == 200
    with pytest.raises(RuntimeError, match="executed already"):
        plan.execute()
