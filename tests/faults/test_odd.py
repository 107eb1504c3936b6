"""Odd functions, results, exceptions and data: the loop's results, or an error that names its item."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support import oddities
from support.causes import CULPRIT
from support.odd_functions import FUNCTIONS
from support.oddities import BASE_EXCEPTIONS, EXCEPTIONS, RESULTS, Raises, Returns
from support.work import children

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="processes of Linux"),
]
PROCESSES = ["fork", "spawn"]
EVERYWHERE = ["serial", "threads", "fork", "spawn"]


def but_for(values: list[Any], index: int = CULPRIT) -> list[Any]:
    return values[:index] + values[index + 1 :]


def run(func: Callable[..., Any], data: Any = None, **options: Any) -> list[Any]:
    return amorsize.execute(func, range(100) if data is None else data, n_jobs=2, **options)


# -- exceptions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_source", [list, iter])
@pytest.mark.parametrize("backend", EVERYWHERE)
def test_odd_exceptions(backend: str, as_source: Any) -> None:
    found = run(oddities.raises_all, as_source(range(150)), backend=backend, on_error="collect")
    for number, (name, (_, kind)) in enumerate(EXCEPTIONS.items()):
        index = 5 * number + 2
        error = found[index]
        assert isinstance(error, amorsize.ItemError), name
        assert error.index == index
        assert kind in error.traceback, name
        found[index] = index
        if name == "unpickled at home only" and backend in PROCESSES:
            assert isinstance(error.exception, amorsize.UnportableError)
        else:
            assert type(error.exception).__name__ == kind, name
    assert found == list(range(150))


@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("cause", ["holds a lock", "unpickled at home only", "cannot be printed"])
def test_it_ends_the_run_where_errors_do(cause: str, backend: str) -> None:
    with pytest.raises(Exception) as caught:  # of any type
        run(Raises(cause), backend=backend)
    assert type(caught.value).__name__ in (EXCEPTIONS[cause][1], "UnportableError")
    assert caught.value.__notes__ == [f"amorsize: raised by item {CULPRIT} of the data"]
    assert not children()


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("cause", BASE_EXCEPTIONS)
def test_no_exception_but_a_base_exception(cause: str, backend: str) -> None:
    """It passes every on_error, as it passes ``except Exception``."""
    kind = type(BASE_EXCEPTIONS[cause]())
    with pytest.raises(kind):
        run(Raises(cause), backend=backend, on_error="collect")
    with pytest.raises(kind):
        list(amorsize.stream(Raises(cause), range(100), backend=backend, n_jobs=2))
    assert not children()


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("func", [oddities.recurses, oddities.wants_too_much])
def test_real_ends_of_means(func: Callable[[int], int], backend: str) -> None:
    found = run(func, backend=backend, on_error="collect")
    assert but_for(found) == but_for(list(range(100)))
    assert isinstance(found[CULPRIT].exception, RecursionError | MemoryError)


# -- results -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_source", [list, iter])
@pytest.mark.parametrize("backend", PROCESSES)
def test_results_that_cannot_come_back(backend: str, as_source: Any) -> None:
    found = run(oddities.returns_all, as_source(range(100)), backend=backend, on_error="collect")
    for number, name in enumerate(RESULTS):
        index = 5 * number + 2
        assert isinstance(found[index], amorsize.ItemError), name
        assert f"item {index}" in str(found[index].exception), name
        found[index] = [index]
    assert found == [[x] for x in range(100)]


@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("cause", ["lock", "unpickled nowhere"])
def test_such_a_result_ends_the_run_where_errors_do(cause: str, backend: str) -> None:
    with pytest.raises(Exception, match=f"item {CULPRIT}") as caught:
        run(Returns(cause), backend=backend)
    assert caught.value.__notes__ == [f"amorsize: raised by item {CULPRIT} of the data"]


@pytest.mark.parametrize("backend", ["serial", "threads"])
def test_where_they_need_not_travel_they_are_results(backend: str) -> None:
    found = run(oddities.returns_all, backend=backend)
    for number, make in enumerate(RESULTS.values()):
        mine, other = found[5 * number + 2], make()
        assert type(mine) is type(other)
        for one in (mine, other):
            if hasattr(one, "close"):
                one.close()


@pytest.mark.parametrize("backend", [*EVERYWHERE, "auto"])
def test_results_that_may_not_be_touched(backend: str) -> None:
    found = run(oddities.touchy_result, backend=backend)
    assert [one.number for one in found] == list(range(100))
    given = list(amorsize.stream(oddities.touchy_result, iter(range(100)), backend=backend))
    assert [one.number for one in given] == list(range(100))


@pytest.mark.parametrize("backend", EVERYWHERE)
def test_exceptions_that_are_returned_are_results(backend: str) -> None:
    found = run(Exception, backend=backend, on_error="collect")
    assert [one.args[0] for one in found] == list(range(100))


# -- items and data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [*EVERYWHERE, "auto"])
def test_items_that_may_not_be_touched(backend: str) -> None:
    items = [oddities.Touchy(number) for number in range(100)]
    assert run(oddities.number_of, items, backend=backend) == list(range(100))
    assert run(oddities.number_of, iter(items), backend=backend) == list(range(100))


@pytest.mark.parametrize("as_source", [list, iter])
@pytest.mark.parametrize("kind", [oddities.NotForOthers, oddities.LockedItem])
@pytest.mark.parametrize("backend", PROCESSES)
def test_an_item_that_reaches_no_worker(backend: str, kind: Any, as_source: Any) -> None:
    items = as_source([kind(number) for number in range(100)])
    func = oddities.its_number if kind is oddities.NotForOthers else oddities.number_behind
    found = run(func, items, backend=backend, on_error="collect")
    assert but_for(found) == but_for(list(range(100)))
    if backend == "fork" and as_source is list:
        assert found[CULPRIT] == CULPRIT, "it need not travel"
    else:
        assert isinstance(found[CULPRIT], amorsize.ItemError)
        assert f"item {CULPRIT}" in str(found[CULPRIT].exception)


@pytest.mark.parametrize("source", [oddities.raising_at, oddities.RaisingAt])
@pytest.mark.parametrize("backend", [*EVERYWHERE, "auto"])
def test_a_source_that_raises_at_item_500(backend: str, source: Any) -> None:
    with pytest.raises(LookupError, match="the source, at 500") as caught:
        run(abs, source(500), backend=backend, on_error="collect")
    assert not hasattr(caught.value, "__notes__"), "no item's fault"
    given: list[int] = []
    with pytest.raises(LookupError, match="the source, at 500"):
        given.extend(amorsize.stream(abs, source(500), backend=backend, n_jobs=2))
    assert given == list(range(len(given)))
    assert not children()


@pytest.mark.parametrize("backend", [*EVERYWHERE, "auto"])
@pytest.mark.parametrize(
    "data", [oddities.SaysItIs(10, 200), oddities.SaysItIs(9999, 200), oddities.NoLength()]
)
def test_data_that_lie_about_their_length(data: Any, backend: str) -> None:
    assert run(abs, data, backend=backend) == list(range(200))
    assert list(amorsize.stream(abs, data, backend=backend, n_jobs=2)) == list(range(200))


@pytest.mark.parametrize("position", [0, 1, 40, 98, 99])
@pytest.mark.parametrize(
    "kind", [list, iter, lambda data: (x for x in data), lambda d: map(int, d)]
)
@pytest.mark.parametrize("on_error", ["raise", "collect"])
def test_stop_iteration_is_an_exception_like_others(
    on_error: str, kind: Any, position: int
) -> None:
    def func(item: int) -> int:
        if item == position:
            raise StopIteration
        return item

    for one in (func, (lambda f: f.__call__)(func)):
        data = kind(list(range(100)))
        if on_error == "raise":
            with pytest.raises(StopIteration) as caught:
                amorsize.execute(one, data)
            assert f"item {position}" in caught.value.__notes__[0]
        else:
            found = amorsize.execute(one, data, on_error=on_error)
            assert but_for(found, position) == but_for(list(range(100)), position)
            assert isinstance(found[position].exception, StopIteration)


# -- functions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", PROCESSES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that(name: str, backend: str) -> None:
    """In a process of its own: the first items of some would run in this one."""
    program = f"""
import os, sys; sys.path[:0] = {sys.path!r}
from support import odd_functions
import amorsize
out = os.dup(1)
func = odd_functions.FUNCTIONS[{name!r}]
if {backend!r} == "fork":
    found = amorsize.execute(func, range(100), backend="fork", n_jobs=2)
else:
    found = list(amorsize.stream(func, iter(range(100)), backend="spawn", n_jobs=2))
name = func.__name__
if name == "changes_directory":
    assert set(found) <= {{"/", "/tmp", "/usr"}}, found
    expected = [("/", "/tmp", "/usr")[x % 3] for x in range(100)]
elif name == "seeds":
    expected = [func(x) for x in range(100)]
elif name == "threads_and_joins":
    expected = [3 * x for x in range(100)]
else:
    expected = list(range(100))
assert found == expected, found
os.write(out, b"done")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout == "done", done.stderr
