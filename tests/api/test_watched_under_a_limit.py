"""Under ``timeout=`` the first items run on one thread between two looks: what no rule knows is seen."""

from __future__ import annotations

import importlib
import json
import logging
import operator
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import amorsize
from amorsize.history.factory import open_history
from amorsize.inspection import late
from amorsize.inspection.effects import inspect_function

ITEMS = range(40)
NAP_SECONDS = 0.001


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The library, installed: nobody's own code."""
    folder = tmp_path_factory.mktemp("installed") / "site-packages"
    folder.mkdir()
    shutil.copy(Path(__file__).parents[1] / "support" / "quiet_library.py", folder / "quietlib.py")
    sys.path.insert(0, str(folder))
    yield importlib.import_module("quietlib")
    sys.path.remove(str(folder))
    del sys.modules["quietlib"]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions here share their code: what one of them changed is not to bind the next."""
    monkeypatch.setattr(late, "_remembered", {})


Made = tuple[Callable[[int], Any], Callable[[], Any]]


def napping(call: Callable[[int], Any], left: Callable[[], Any] = lambda: None) -> Made:
    """A function that waits and calls, and what it leaves."""

    def func(item: int) -> Any:
        time.sleep(NAP_SECONDS)
        return call(item)

    return func, left


def method(name: str, kind: str = "Gauge") -> Callable[[Any], Made]:
    """A method of an object of the library, called by the function."""

    def make(lib: Any) -> Made:
        thing = getattr(lib, kind)()
        return napping(lambda item: getattr(thing, name)(item), lambda: _state_of(thing))

    make.__name__ = f"{kind}.{name}"
    return make


def _state_of(thing: Any) -> str:
    """All that is in an object, as text."""
    kind = type(thing)
    slots = [getattr(thing, name) for name in getattr(kind, "__slots__", ())]
    state = dict(getattr(thing, "__dict__", {}))
    return repr((slots, state, str(state.get("numbers"))))[:5000].split(" at 0x")[0]


def used(use: Callable[[Any, int], Any], kind: str = "Gauge") -> Callable[[Any], Made]:
    """An object of the library, used by an operator or a built-in function."""

    def make(lib: Any) -> Made:
        thing = getattr(lib, kind)()
        return napping(lambda item: use(thing, item), lambda: _state_of(thing))

    return make


def entered(thing: Any, item: int) -> Any:
    with thing as value:
        return value, item


def rows_gathered(lib: Any) -> Made:
    rows: list[int] = []
    return napping(partial(lib.gather, rows), lambda: rows)


def rows_gathered_by_a_lambda(lib: Any) -> Made:
    rows: list[int] = []
    return napping(lambda item: lib.gather(rows, item), lambda: rows)


def table_tallied(lib: Any) -> Made:
    table: dict[int, int] = {}
    return napping(lambda item: lib.tally(table, item), lambda: table)


def closure_of_a_library(lib: Any) -> Made:
    step = lib.running()
    return napping(lambda item: step(item))


def decorated(lib: Any) -> Made:
    call = lib.numbered(lambda item: item)
    return napping(call, lambda: call.number)


def called_back(lib: Any) -> Made:
    gauge = lib.Gauge()
    return napping(lambda item: lib.applied(gauge.compute, item), lambda: gauge.value)


def bound_method_alone(lib: Any) -> Made:
    gauge = lib.Gauge()
    return gauge.compute, lambda: gauge.value


def object_alone(lib: Any) -> Made:
    gauge = lib.Gauge()
    return gauge, lambda: gauge.value


def behind_a_proxy(lib: Any) -> Made:
    gauge = lib.Gauge()
    proxy = lib.Proxy(gauge)
    return napping(lambda item: proxy.lookup(item), lambda: gauge.seen)


def in_a_dict(lib: Any) -> Made:
    tools = {"gauge": lib.Gauge()}
    return napping(lambda item: tools["gauge"].lookup(item), lambda: tools["gauge"].seen)


def in_an_attribute_of_the_user(lib: Any) -> Made:
    class Job:
        def __init__(self) -> None:
            self.gauge = lib.Gauge()

        def run(self, item: int) -> Any:
            time.sleep(NAP_SECONDS)
            return self.gauge.compute(item)

    job = Job()
    return job.run, lambda: job.gauge.value


def default_argument(lib: Any) -> Made:
    def func(item: int, gauge: Any = lib.Gauge()) -> Any:  # noqa: B008 # that is the case
        time.sleep(NAP_SECONDS)
        return gauge.lookup(item)

    return func, lambda: None


def mock_of_the_standard_library(lib: Any) -> Made:
    made = mock.Mock(return_value=3)
    return napping(lambda item: made.ask(item) and 1, lambda: made.ask.call_count)


def mock_itself(lib: Any) -> Made:
    made = mock.Mock(side_effect=lambda item: item)
    return napping(lambda item: made(item), lambda: made.call_args_list)


def magic_mock(lib: Any) -> Made:
    made = mock.MagicMock()
    made.__getitem__.side_effect = lambda item: item
    return napping(lambda item: made[item], lambda: made.__getitem__.call_count)


def logger_adapter_of_a_list(lib: Any) -> Made:
    kept: list[str] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lib.gather(kept, record.getMessage())

    logger = logging.Logger("quiet")
    logger.addHandler(Keeps())
    return napping(lambda item: logger.warning("%d", item), lambda: kept)


def json_with_a_hook(lib: Any) -> Made:
    gauge = lib.Gauge()
    decoder = json.JSONDecoder(object_hook=lambda found: gauge.lookup(found["a"]))
    return napping(lambda item: decoder.decode(f'{{"a": {item}}}'), lambda: gauge.seen)


def sorted_by_a_key(lib: Any) -> Made:
    gauge = lib.Gauge()
    return napping(lambda item: sorted([item, 3], key=gauge.compute), lambda: gauge.value)


def getter_of_the_operator_module(lib: Any) -> Made:
    gauge = lib.Gauge()
    ask = operator.methodcaller("lookup", 5)
    return napping(lambda item: ask(gauge), lambda: gauge.seen)


def appended_to_a_file(lib: Any) -> Made:
    path = f"/tmp/quiet-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"

    def call(item: int) -> int:
        with open(path, "a") as out:
            return out.write(f"{item};")

    def left() -> str:
        text = Path(path).read_text()
        os.remove(path)
        return text

    return napping(call, left)


EFFECTS = [
    method("lookup"), method("compute"), method("render"),
    used(lambda one, item: one(item)), used(lambda one, item: one[item]),
    used(lambda one, item: item in one), used(lambda one, item: len(one)),
    used(lambda one, item: f"{one:x}"), used(lambda one, item: one == item),
    used(lambda one, item: bool(one)), used(lambda one, item: one + item), used(entered),
    used(lambda one, item: list(one)[:3]), used(lambda one, item: one.size),
    method("mean", "Window"), method("least", "Window"), method("is_new", "Window"),
    method("numbered", "Window"), method("weigh", "Window"), method("find_end", "Node"),
    method("measure", "Slotted"), method("peek_number", "Stream"), method("letter", "Stream"),
    rows_gathered, rows_gathered_by_a_lambda, table_tallied, closure_of_a_library,
    decorated, called_back, bound_method_alone, object_alone, behind_a_proxy, in_a_dict,
    in_an_attribute_of_the_user, default_argument, mock_of_the_standard_library, mock_itself,
    magic_mock, logger_adapter_of_a_list, json_with_a_hook, sorted_by_a_key,
    getter_of_the_operator_module, appended_to_a_file,
    used(lambda one, item: [one.lookup(part) for part in range(item % 3 + 1)]),
    used(lambda one, item: list(map(one.compute, range(item + 2)))[-1:]),
    used(lambda one, item: max([item, 5], key=one.compute)),
    used(lambda one, item: f"{one:d}"), used(lambda one, item: sum(one)),
    used(lambda one, item: {one: item}[one]), used(lambda one, item: item and one.size),
]  # fmt: skip


def formula(use: Callable[[Any, int], Any]) -> Callable[[Any], Made]:
    def make(lib: Any) -> Made:
        made = lib.Formula(3)
        return napping(lambda item: use(made, item))

    return make


HARMLESS = [
    formula(lambda one, item: one.compute(item)), formula(lambda one, item: one(item)),
    formula(lambda one, item: one[item]), formula(lambda one, item: one.double + item),
    formula(lambda one, item: one.once(item)), formula(lambda one, item: one.factor),
    formula(lambda one, item: [one.compute(part) for part in range(item)]),
    lambda lib: napping(lib.cube), lambda lib: napping(lambda item: lib.cube(item)),
    lambda lib: napping(lambda item: lib.applied(abs, -item)),
    lambda lib: napping(lambda item: lib.Gauge().lookup(item)),
    lambda lib: napping(lambda item: lib.gather([], item)),
    lambda lib: napping(lambda item: json.dumps({"a": item})),
    lambda lib: napping(lambda item: lib.Window().mean(item)),
    lambda lib: napping(lambda item: sorted(range(item), key=operator.neg)[:3]),
    lambda lib: napping(partial(pow, 2)),
]  # fmt: skip


@pytest.mark.parametrize("make", EFFECTS, ids=lambda make: make.__name__)
def test_what_no_rule_knows(make: Callable[[Any], Made], quiet: Any) -> None:
    func, left = make(quiet)
    expected = [func(item) for item in ITEMS], left()
    func, left = make(quiet)
    assert (amorsize.execute(func, ITEMS, timeout=30, history=None), left()) == expected


@pytest.mark.parametrize("make", EFFECTS[::9], ids=lambda make: make.__name__)
def test_it_is_watched_in_each_run(
    make: Callable[[Any], Made], quiet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only runs that left the caller let the next one begin with all its workers."""
    monkeypatch.setattr(sys.modules[__name__], "NAP_SECONDS", 0.01)
    history = tmp_path / "runs.sqlite"
    for before in (HARMLESS[0], make, make, make):
        func, left = before(quiet)
        expected = [func(item) for item in ITEMS], left()
        func, left = before(quiet)
        assert (amorsize.execute(func, ITEMS, timeout=30, history=history), left()) == expected


def test_no_rule_knows_most_of_them(quiet: Any) -> None:
    unknown = [make for make in EFFECTS if inspect_function(make(quiet)[0]).caller_only is None]
    assert len(unknown) >= 40


@pytest.mark.parametrize("make", HARMLESS)
def test_what_changes_nothing_gets_threads(make: Callable[[Any], Made], quiet: Any) -> None:
    func, _ = make(quiet)
    expected = [func(item) for item in ITEMS]
    plan = amorsize.optimize(func, ITEMS, timeout=30, history=None)
    assert plan.execute() == expected
    assert plan.run is not None and plan.run.config.backend == "threads"
    assert plan.run.config.n_jobs > 1


def computing(call: Callable[[int], Any]) -> Callable[[int], Any]:
    def func(item: int) -> Any:
        total = 0
        for turn in range(10_000):
            total += turn * turn % 7
        return call(item)

    return func


@pytest.mark.parametrize(
    "options", [{"memory_limit": "2GiB"}, {"timeout": 30, "backend": ("serial", "fork")}]
)
def test_a_single_process_goes_on_where_its_items_change_something(
    options: dict[str, Any], quiet: Any
) -> None:
    """Its results are the loop's; what is lost for the caller is told of."""
    gauge = quiet.Gauge()
    func = computing(lambda item: gauge.compute(item))
    with pytest.warns(amorsize.DifferenceWarning, match="in a worker") as heard:
        found = amorsize.execute(func, range(100), history=None, **options)
    assert found == [sum(range(item + 1)) for item in range(100)]
    assert gauge.value == 0 and len(heard) == 1


def test_no_later_run_trusts_one_whose_items_changed_something(
    quiet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in three programs one after the other: what a run found out binds this process only."""
    for _ in range(3):
        monkeypatch.setattr(late, "_remembered", {})
        gauge = quiet.Gauge()
        func = computing(lambda item, gauge=gauge: gauge.compute(item))  # type: ignore[misc]
        tuner = amorsize.Tuner(history=tmp_path / "runs.sqlite")
        with pytest.warns(amorsize.DifferenceWarning, match="in a worker"):
            found = tuner.execute(func, range(300), memory_limit="2GiB")
        assert found == [sum(range(item + 1)) for item in range(300)]
    with open_history(tmp_path / "runs.sqlite") as history:
        assert {one.outcome for one in history.read()} == {"changed"}


@pytest.mark.parametrize("options", [{"memory_limit": "2GiB"}, {"timeout": 30}])
def test_processes_follow_where_nothing_changes(options: dict[str, Any]) -> None:
    plan = amorsize.optimize(computing(abs), range(400), history=None, n_jobs=2, **options)
    assert plan.execute() == list(range(400))
    assert plan.run is not None and plan.run.config.backend == "fork"
    assert len(plan.run.workers) >= 2


def test_what_only_a_later_item_changes_is_told(quiet: Any) -> None:
    gauge = quiet.Gauge()

    def func(item: int) -> int:
        time.sleep(NAP_SECONDS)
        return gauge.lookup(item) if item == 150 else 0

    with pytest.warns(amorsize.DifferenceWarning, match=r"seen. in a worker"):
        amorsize.execute(func, range(200), timeout=30, history=None, n_jobs=2)
