"""``execute`` gives what the loop gives, runs every item once, and leaves nothing behind."""

from __future__ import annotations

import array
import collections
import functools
import operator
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.work import Recorder, burn, calm, children, square, steps

import amorsize
from amorsize.api.checks import make_options
from amorsize.core.model import Machine
from amorsize.engine.driver import Engine

pytestmark = pytest.mark.timeout(60)

BACKENDS = ["serial", "threads", "fork", "spawn", "processes"]


def run(
    func: Callable[[Any], Any], data: Iterable[Any], **options: Any
) -> tuple[list[Any], Engine]:
    engine = Engine(func, data, make_options(**options), None)
    return engine.execute(), engine


# -- exactly once ------------------------------------------------------------------------------------

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
        assert engine.choice.config.n_jobs > len(os.sched_getaffinity(0))

    calm(check)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_computing_work_gets_processes_and_trivial_work_stays() -> None:
    def check() -> None:
        _, engine = run(steps, [20_000] * 200)
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        _, engine = run(len, ["abc"] * 10_000)
        assert engine.choice is None or engine.choice.config.backend == "serial"

    calm(check)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_light_items_first_and_heavy_ones_later_are_noticed() -> None:
    def check() -> None:
        found, engine = run(steps, [5] * 5000 + [100_000] * 60)
        assert found == [steps(5)] * 5000 + [steps(100_000)] * 60
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"

    calm(check)


def test_one_core_starts_no_process_for_computing_work() -> None:
    machine = Machine(cores=1)
    engine = Engine(steps, [20_000] * 100, make_options(), machine)
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


# -- errors ------------------------------------------------------------------------------------------


class Refusal(ValueError):
    def __init__(self, item: int, when: float) -> None:
        super().__init__(item, when)
        self.item, self.when = item, when


def refuse_three(item: int) -> int:
    time.sleep(0.002)
    if item == 3:
        raise Refusal(item, time.time())
    return item


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_functions_own_exception(backend: str, lazy: bool) -> None:
    data: Iterable[int] = iter(range(300)) if lazy else range(300)
    with pytest.raises(Refusal) as caught:
        amorsize.execute(refuse_three, data, backend=backend)
    assert caught.value.item == 3
    assert any("item 3 " in note for note in caught.value.__notes__)
    text = "".join(__import__("traceback").format_exception(caught.value))
    assert "refuse_three" in text
    with pytest.raises(Refusal) as caught:
        list(amorsize.stream(refuse_three, range(300), backend=backend))
    assert any("item 3 " in note for note in caught.value.__notes__)


def odd_fails(item: int) -> int:
    if item % 2:
        raise KeyError(item)
    return item


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_collect_and_skip(backend: str) -> None:
    found = amorsize.execute(odd_fails, range(100), on_error="collect", backend=backend)
    assert found[::2] == list(range(0, 100, 2))
    for i, error in enumerate(found):
        if i % 2:
            assert isinstance(error, amorsize.ItemError)
            assert error.index == i
            assert isinstance(error.exception, KeyError)
            assert "odd_fails" in error.traceback
    skipped = amorsize.execute(odd_fails, range(100), on_error="skip", backend=backend)
    assert skipped == list(range(0, 100, 2))
    streamed = amorsize.stream(odd_fails, iter(range(100)), on_error="skip", backend=backend)
    assert list(streamed) == list(range(0, 100, 2))
    collected = list(amorsize.stream(odd_fails, range(100), on_error="collect", backend=backend))
    assert [e.index for e in collected[1::2]] == list(range(1, 100, 2))


def test_an_error_of_the_source_is_not_an_items() -> None:
    def source() -> Iterable[int]:
        yield from range(5)
        raise RuntimeError("source")

    for call in (amorsize.execute, lambda f, d: list(amorsize.stream(f, d))):
        with pytest.raises(RuntimeError, match="source") as caught:
            call(square, source())
        assert not getattr(caught.value, "__notes__", [])
        with pytest.raises(RuntimeError, match="source"):
            amorsize.execute(square, source(), backend="fork", on_error="collect")


def stops(item: int) -> int:
    if item == 7:
        raise StopIteration
    return item


@pytest.mark.parametrize("data", [range(20), list(range(8)), [*range(8)]])
def test_stop_iteration_is_not_swallowed(data: Iterable[int]) -> None:
    for source in (data, (i for i in data)):
        with pytest.raises((StopIteration, RuntimeError)):
            amorsize.execute(stops, source)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_jobs": 0}, ["n_jobs=0", "positive", "leave it out"]),
        ({"n_jobs": 1.5}, ["n_jobs=1.5"]),
        ({"n_jobs": True}, ["n_jobs=True"]),
        ({"chunksize": -1}, ["chunksize=-1", "at least 1"]),
        ({"chunksize": "big"}, ["chunksize='big'"]),
        ({"backend": "gpu"}, ["backend='gpu'", "serial", "threads", "processes"]),
        ({"backend": ()}, ["backend=()"]),
        ({"on_error": "ignore"}, ["on_error='ignore'", "collect"]),
        ({"initializer": 3}, ["initializer=3"]),
        ({"initargs": 3}, ["initargs=3"]),
        ({"progress": "bar"}, ["progress='bar'"]),
        ({"n_jobs": 2, "max_workers": 3}, ["max_workers=3", "n_jobs=2"]),
    ],
)
def test_bad_options_name_value_rule_and_way_out(options: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        amorsize.execute(square, [1], **options)
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(ValueError):
        amorsize.optimize(square, [1], **options)


def test_not_callable_and_not_iterable() -> None:
    with pytest.raises(TypeError, match="func=3"):
        amorsize.execute(3, [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="data=3"):
        amorsize.execute(square, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="buffersize=0"):
        amorsize.stream(square, [1], buffersize=0)


# -- death -------------------------------------------------------------------------------------------


def die_at(item: int) -> int:
    if item == 40:
        os.kill(os.getpid(), 9)
    burn(0.001)
    return item


@pytest.mark.parametrize("backend", ["fork", "spawn"])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_item_that_kills_its_worker_is_named(backend: str, lazy: bool) -> None:
    data: Iterable[int] = iter(range(200)) if lazy else range(200)
    with pytest.raises(amorsize.WorkerDied) as caught:
        amorsize.execute(die_at, data, backend=backend)
    assert caught.value.index == 40
    assert caught.value.exitcode == -9
    found = amorsize.execute(die_at, range(200), backend=backend, on_error="collect")
    assert isinstance(found[40], amorsize.ItemError)
    assert isinstance(found[40].exception, amorsize.WorkerDied)
    assert [x for i, x in enumerate(found) if i != 40] == [i for i in range(200) if i != 40]


class DieOnce:
    """Kills the worker at one item, the first time only."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __call__(self, item: int) -> int:
        if item == 40:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return item
            os.kill(os.getpid(), 9)
        burn(0.001)
        return item


@pytest.mark.parametrize("backend", ["fork", "spawn"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_worker_that_dies_once_costs_nothing_but_time(
    backend: str, lazy: bool, tmp_path: Path
) -> None:
    data: Iterable[int] = iter(range(300)) if lazy else range(300)
    func = DieOnce(tmp_path / "died")
    assert amorsize.execute(func, data, backend=backend) == list(range(300))
    assert (tmp_path / "died").exists()


def test_many_workers_killed_from_outside_at_random_moments(tmp_path: Path) -> None:
    for seed in range(8):
        recorder = Recorder(tmp_path / f"calls{seed}", 0.001)
        killed: list[int] = []

        def kill(delay: float, killed: list[int] = killed) -> None:
            time.sleep(delay)
            for pid in children()[:1]:
                os.kill(pid, 9)
                killed.append(pid)

        killer = os.fork()
        if killer == 0:  # a process of its own: threads would forbid the fork
            time.sleep(0.02 + 0.01 * seed)
            mine = os.getpid()
            parent = os.getppid()
            for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                if int(pid) != mine:
                    os.kill(int(pid), 9)
                    break
            os._exit(0)
        found = amorsize.execute(recorder, range(150), backend="fork")
        os.waitpid(killer, 0)
        assert found == [i * i for i in range(150)]
        again = [i for i, n in recorder.calls().items() if n > 1]
        assert len(again) <= 8  # the item of the dead worker, and what it had not sent (2.5 ms)


# -- nothing is left ---------------------------------------------------------------------------------


def test_call_after_call_forks_and_leaves_nothing() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(12):
        found, engine = run(steps, [20_000] * 150)
        assert found == [steps(20_000)] * 150
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        assert children() == []
        assert threading.active_count() == 1
        assert len(os.listdir("/proc/self/task")) == 1
    assert len(os.listdir("/proc/self/fd")) == before


STATE = 1


def scaled(x: int) -> int:
    burn(0.001)
    return x * STATE


def test_a_global_changed_between_two_calls_is_seen() -> None:
    global STATE
    for value in (2, 3):
        STATE = value
        # Work enough that a fork pays in a large process on a busy machine, too.
        found, engine = run(scaled, range(400))
        assert engine.choice is not None
        assert engine.choice.config.backend == "fork"
        assert found == [value * i for i in range(400)]


def test_failures_leave_no_process_and_no_descriptor() -> None:
    amorsize.execute(square, range(10), backend="spawn")  # warm workers keep their sockets
    before = len(os.listdir("/proc/self/fd"))
    for backend in ("fork", "threads", "processes"):
        with pytest.raises(Refusal):
            amorsize.execute(refuse_three, range(200), backend=backend)
    assert children() == []
    assert len(os.listdir("/proc/self/fd")) == before


# -- where it is called from -------------------------------------------------------------------------


def nested(x: int) -> int:
    return sum(amorsize.execute(steps, [2_000] * 10)) + x


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
def test_nested_calls(backend: str) -> None:
    one = sum([steps(2_000)] * 10)
    assert amorsize.execute(nested, range(40), backend=backend) == [one + i for i in range(40)]
    assert children() == []


def test_calls_from_eight_threads_at_once() -> None:
    results: dict[int, list[int]] = {}

    def call(number: int) -> None:
        results[number] = amorsize.execute(steps, [5_000 + number] * 100)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: [steps(5_000 + i)] * 100 for i in range(8)}


def test_from_asyncio() -> None:
    import asyncio

    async def main() -> list[int]:
        return amorsize.execute(steps, [20_000] * 60)

    assert asyncio.run(main()) == [steps(20_000)] * 60


def _daemon(queue: Any) -> None:
    queue.put(amorsize.execute(steps, [20_000] * 60) == [steps(20_000)] * 60)


def test_from_a_daemon_process() -> None:
    import multiprocessing

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_daemon, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=20)
    process.join()


def test_the_initializer_runs_once_in_each_worker(tmp_path: Path) -> None:
    def note() -> None:
        (tmp_path / f"{os.getpid()}-{threading.get_ident()}").touch()

    for backend, workers in (("fork", 2), ("threads", 3)):
        for old in tmp_path.iterdir():
            old.unlink()
        amorsize.execute(steps, [5_000] * 50, backend=backend, n_jobs=workers, initializer=note)
        assert len(list(tmp_path.iterdir())) == workers


def failing() -> None:
    raise LookupError("no model")


@pytest.mark.parametrize("backend", ["fork", "spawn", "threads"])
def test_an_initializer_that_fails_ends_the_run(backend: str) -> None:
    with pytest.raises(LookupError, match="no model"):
        amorsize.execute(square, range(50), backend=backend, initializer=failing)
