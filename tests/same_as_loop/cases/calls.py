"""Effects that hide behind calls: partials, built-ins, decorators, dispatch."""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterator
from typing import Any

from case import Case, case, compute, nap, release

LOG: list[str] = []


@case("calls")
def map_over_append() -> Case:
    """The loop leaves the letters of all items, pushed by `map`."""
    letters: list[str] = []

    def spell(item: int) -> int:
        word = release(item)
        list(map(letters.append, word))
        return len(word)

    return Case(spell, range(150), left=lambda: letters)


def _record(log: list[int], item: int) -> int:
    value = compute(item)
    log.append(item)
    return value


@case("calls")
def partial_with_the_log() -> Case:
    """The loop leaves items in a list that a partial passes as first argument."""
    log: list[int] = []
    return Case(functools.partial(_record, log), range(150), left=lambda: log)


@case("calls")
def partial_of_a_method_inside() -> Case:
    """The loop leaves the newest items first, put there by a partial of `list.insert`."""
    newest: list[int] = []
    put_first = functools.partial(newest.insert, 0)

    def work(item: int) -> int:
        value = compute(item)
        put_first(item)
        return value

    return Case(work, range(150), left=lambda: newest)


@case("calls")
def operator_setitem() -> Case:
    """The loop leaves values that `operator.setitem` has set."""
    table: dict[int, str] = {}
    store = operator.setitem

    def work(item: int) -> str:
        digest = release(item)
        store(table, item, digest)
        return digest

    return Case(work, range(150), left=lambda: table)


@case("calls")
def methodcaller() -> Case:
    """The loop leaves items that a method caller has added."""
    seen: set[int] = set()

    def work(item: int) -> int:
        value = compute(item)
        operator.methodcaller("add", item % 40)(seen)
        return value

    return Case(work, range(150), left=lambda: sorted(seen))


@case("calls")
def reduce_in_place() -> Case:
    """The loop leaves totals that the start value of `reduce` has gathered."""
    totals: dict[str, int] = {}

    def merge(into: dict[str, int], letter: str) -> dict[str, int]:
        into[letter] = into.get(letter, 0) + 1
        return into

    def work(item: int) -> int:
        word = release(item)
        functools.reduce(merge, word, totals)
        return len(word)

    return Case(work, range(150), left=lambda: sorted(totals.items()))


@case("calls")
def any_of_effects() -> Case:
    """The loop leaves the checks that `any` made until one said yes."""
    checks: list[tuple[int, int]] = []

    def divides(item: int, by: int) -> bool:
        checks.append((item, by))
        return item % by == 0

    def composite(item: int) -> bool:
        compute()
        return any(divides(item, by) for by in (2, 3, 5, 7) if by < item)

    return Case(composite, range(2, 152), left=lambda: checks)


@case("calls")
def key_function_that_counts() -> Case:
    """The loop leaves how often the key of a sort was asked for."""
    asked = {"keys": 0}

    def key(word: str) -> str:
        asked["keys"] += 1
        return word[::-1]

    def work(item: int) -> list[str]:
        compute()
        return sorted((f"{item}{letter}" for letter in "xyz"), key=key)

    return Case(work, range(150), left=lambda: asked)


@case("calls")
def table_of_handlers() -> Case:
    """The loop leaves alarms that one handler of a table has recorded."""
    alarms: list[int] = []

    def alarm(item: int) -> str:
        alarms.append(item)
        return "alarm"

    handlers: dict[int, Callable[[int], str]] = {
        0: lambda item: f"even {item}",
        1: lambda item: f"odd {item}",
        2: alarm,
    }

    def handle(item: int) -> str:
        nap()
        return handlers[2 if item % 7 == 5 else item % 2](item)

    return Case(handle, range(150), left=lambda: alarms)


@case("calls")
def emitter_as_default_argument() -> Case:
    """The loop leaves what a parameter's default value has taken in."""
    lines: list[str] = []

    def work(item: int, emit: Callable[[str], None] = lines.append) -> int:
        value = compute(item)
        emit(f"{item} done")
        return value

    return Case(work, range(150), left=lambda: lines)


def _counted(func: Callable[[int], Any]) -> Any:
    calls = 0

    @functools.wraps(func)
    def wrapper(item: int) -> Any:
        nonlocal calls
        calls += 1
        return func(item)

    wrapper.calls = lambda: calls  # type: ignore[attr-defined]
    return wrapper


@case("calls")
def decorator_that_counts() -> Case:
    """The loop leaves the number of calls in the closure of a decorator."""

    @_counted
    def work(item: int) -> int:
        return compute(item)

    return Case(work, range(150), left=work.calls)


class _Limited:
    """A decorator as a class: at most so many calls, then a constant."""

    def __init__(self, func: Callable[[int], int]) -> None:
        functools.update_wrapper(self, func)
        self.func = func
        self.calls_left = 100

    def __call__(self, item: int) -> int | str:
        if self.calls_left <= 0:
            compute()
            return "over quota"
        self.calls_left -= 1
        return self.func(item)


@case("calls")
def decorator_with_a_quota() -> Case:
    """The results end with refusals: a decorator allows a hundred calls."""

    @_Limited
    def work(item: int) -> int:
        return compute(item)

    return Case(work, range(150), left=lambda: work.calls_left)


@case("calls")
def single_dispatch() -> Case:
    """The loop leaves the texts among its items: only their implementation keeps them."""
    texts: list[str] = []

    @functools.singledispatch
    def handle(item: object) -> str:
        compute()
        return type(item).__name__

    @handle.register
    def _(item: str) -> str:
        compute()
        texts.append(item)
        return item.upper()

    data = [number if number % 3 else f"text {number}" for number in range(150)]
    return Case(handle, data, left=lambda: texts)


@case("calls")
def method_by_its_name() -> Case:
    """The loop leaves counts by methods whose names were put together."""

    class Visitor:
        def __init__(self) -> None:
            self.names = 0
            self.numbers = 0

        def visit_name(self, item: int) -> str:
            self.names += 1
            return f"name {item}"

        def visit_number(self, item: int) -> str:
            self.numbers += item
            return f"number {item}"

    visitor = Visitor()

    def visit(item: int) -> str:
        compute()
        kind = "name" if item % 4 == 0 else "number"
        return getattr(visitor, "visit_" + kind)(item)

    return Case(visit, range(150), left=lambda: vars(visitor))


@case("calls")
def miss_of_a_cache_leaves_a_note() -> Case:
    """The loop leaves a note for each miss of a cached function."""
    misses: list[int] = []

    @functools.cache
    def load(key: int) -> str:
        misses.append(key)
        return release(key)

    def work(item: int) -> str:
        release(item)
        return load(item // 2)

    return Case(work, range(150), left=lambda: misses)


@case("calls")
def compiled_statement() -> Case:
    """The loop leaves a sum that a compiled statement keeps in a namespace of its own."""
    space: dict[str, Any] = {"total": 0}
    statement = compile("total += value", "<rule>", "exec")

    def work(item: int) -> int:
        value = compute(item)
        space["value"] = item
        exec(statement, space)
        return value

    return Case(work, range(150), left=lambda: space["total"])


@case("calls")
def evaluated_expression() -> Case:
    """The loop leaves what an expression, given as text, has appended."""
    found: list[int] = []
    names = {"found": found}

    def work(item: int) -> bool:
        compute()
        return eval("found.append(item) is None", names, {"item": item})

    return Case(work, range(150), left=lambda: found)


@case("calls")
def block_of_a_generator() -> Case:
    """The loop leaves the beginning and the end of each block of a context manager."""
    events: list[str] = []

    @contextlib.contextmanager
    def step(item: int) -> Iterator[str]:
        events.append(f"begin {item}")
        try:
            yield f"step {item}"
        finally:
            events.append(f"end {item}")

    def work(item: int) -> str:
        with step(item) as name:
            compute()
            return name

    return Case(work, range(150), left=lambda: events)


@case("calls")
def callback_of_an_exit_stack() -> Case:
    """The loop leaves what was called when each item's exit stack was unwound."""
    closed: list[int] = []

    def work(item: int) -> int:
        with contextlib.ExitStack() as stack:
            stack.callback(closed.append, item)
            return compute(item)

    return Case(work, range(150), left=lambda: closed)


@case("calls")
def filter_that_remembers() -> Case:
    """The results hold only what no item before has shown: `or seen.add()`."""
    seen: set[str] = set()

    def fresh(item: int) -> list[str]:
        word = release(item)
        return [letter for letter in word if not (letter in seen or seen.add(letter))]

    return Case(fresh, range(150), left=lambda: sorted(seen))


@case("calls")
def walker_with_an_accumulator() -> Case:
    """The loop leaves the leaves of all trees, gathered by a function that calls itself."""
    leaves: list[int] = []

    def walk(tree: Any, into: list[int]) -> int:
        if isinstance(tree, tuple):
            return 1 + max(walk(branch, into) for branch in tree)
        into.append(tree)
        return 0

    def depth(item: int) -> int:
        compute()
        return walk(((item, (item + 1,)), item + 2), leaves)

    return Case(depth, range(150), left=lambda: leaves)


def _log(text: str) -> None:
    LOG.append(text)


def _three_calls_down(item: int) -> int:
    return _first(item)


def _first(item: int) -> int:
    return _second(item) + 1


def _second(item: int) -> int:
    value = compute(item)
    _log(f"second {item}")
    return value


@case("calls")
def effect_three_calls_down() -> Case:
    """The loop leaves lines in a list of the module, written three calls below the function."""
    LOG.clear()
    return Case(_three_calls_down, range(150), left=lambda: LOG)


@case("calls")
def effect_of_the_base_class() -> Case:
    """The loop leaves a count that the method of a base class keeps."""

    class Base:
        def __init__(self) -> None:
            self.handled = 0

        def handle(self, item: int) -> int:
            self.handled += 1
            return compute(item)

    class Special(Base):
        def handle(self, item: int) -> int:
            return super().handle(item) * 2

    special = Special()
    return Case(special.handle, range(150), left=lambda: special.handled)


@case("calls")
def composed_pipeline() -> Case:
    """The loop leaves what the middle step of a pipeline of functions has kept."""
    kept: list[int] = []

    def keep(value: int) -> int:
        kept.append(value)
        return value

    steps: tuple[Callable[[Any], Any], ...] = (compute, keep, str)

    def pipeline(item: int) -> str:
        return functools.reduce(lambda value, step: step(value), steps, item)

    return Case(pipeline, range(150), left=lambda: kept)


@case("calls")
def rebound_in_another_closure() -> Case:
    """The loop leaves the last item in a variable that a second closure shares and sets."""
    last = -1

    def remember(item: int) -> None:
        nonlocal last
        last = item

    def work(item: int) -> int:
        nap()
        before = last
        remember(item)
        return before

    return Case(work, range(150), left=lambda: last)
