"""What a worker changes is named by its late look, and only that."""

from __future__ import annotations

import decimal
import functools
import operator
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from amorsize.inspection import late
from amorsize.inspection.late import LateLook, late_look, remember, remembered

LONG_SECONDS = 1.0
"""A budget that no look here needs."""

table: dict[str, int] = {}
counted = 0


class Watched:
    """Each of its special methods and properties counts its calls."""

    def __init__(self) -> None:
        self.value = 1

    def __getattribute__(self, name: str) -> Any:
        global counted
        counted += 1
        return object.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        global counted
        counted += 1
        return True

    def __hash__(self) -> int:
        global counted
        counted += 1
        return 1

    def __bool__(self) -> bool:
        global counted
        counted += 1
        return True


watched = Watched()


def writes(item: int) -> int:
    table["last"] = item
    return item


def reads(item: int) -> int:
    return item + len(table) + (1 if watched else 0)


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    table.clear()
    monkeypatch.setattr(late, "_remembered", {})
    yield
    table.clear()


def test_what_changed_is_named_each_time() -> None:
    """A look compares with the first one: what it has named once it names again."""
    changed = late_look(writes, LONG_SECONDS, [1])
    assert changed(True) == ()
    writes(1)
    assert changed(True) == changed(False) == ("global `table`",)
    table.clear()
    assert changed(True) == ()


def test_the_process_counts_but_no_place_in_a_file(tmp_path: Any) -> None:
    """Another process may move the place in a file that it shares; the recursion limit is its own."""
    with open(tmp_path / "file", "w+") as file:
        look = LateLook(reads, [1], LONG_SECONDS)
        file.write("moved")
        file.flush()
        assert look.changed(True) == ()
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + 1)
        try:
            assert look.changed(False) == ()
            assert look.changed(True) == ("the recursion limit",)
        finally:
            sys.setrecursionlimit(limit)


def test_flags_of_decimals_count() -> None:
    """They are the one part of a context that computing raises; a worker's are lost."""
    with decimal.localcontext() as context:
        context.clear_flags()
        look = LateLook(reads, [1], LONG_SECONDS)
        assert look.changed(True) == ()
        decimal.Decimal(1) / decimal.Decimal(3)
        assert look.changed(True) == ("the flags of the decimal context",)


def test_neither_looks_nor_rules_run_code_of_the_users() -> None:
    """Looked at twice, and read by the rules: none of the methods that count was called."""
    global counted
    counted = 0
    changed = late_look(reads, LONG_SECONDS, [watched])
    assert changed(True) == ()
    from amorsize.inspection import inspect_function

    inspect_function(reads, [watched, watched])
    assert counted == 0


def test_a_look_without_time_is_cut_short_and_raises_nothing() -> None:
    """Where the budget is spent before the first object, nothing is compared but the process."""
    changed = LateLook(writes, [1], 0.0, clock=iter(range(10_000)).__next__).changed
    writes(1)
    assert changed(True) in ((), ("global `table`",))


@pytest.mark.parametrize(
    "func",
    [writes, functools.partial(writes), functools.partial(functools.partial(writes))],
)
def test_what_workers_changed_is_remembered_by_code(func: Any) -> None:
    """The next run of the same code stays in the caller, under whatever callable; another's does not."""
    assert remembered(func) is None
    remember(writes, ["`table`", "`other`"])
    assert remembered(func) == "`table` changed in an earlier run"
    assert remembered(reads) is None


def test_methods_and_callable_objects_are_remembered_too() -> None:
    """What has no code of its own is not."""

    class Model:
        def __call__(self, item: int) -> int:
            return item

        def score(self, item: int) -> int:
            return item

    remember(Model(), ["`self.total`"])
    assert remembered(Model()) is not None
    assert remembered(Model().score) is None
    remember(Model().score, ["`self.total`"])
    assert remembered(Model().score) is not None
    remember(operator.itemgetter(1), ["`x`"])
    assert remembered(operator.itemgetter(1)) is None


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes functions without end fills no memory."""
    monkeypatch.setattr(late, "MOST_REMEMBERED", 0)
    remember(writes, ["`table`"])
    assert remembered(writes) is None


SCRIPT_THAT_IMPORTS = """
import sys, warnings
import amorsize
from amorsize.inspection.late import late_look

def imports(item):
    import {module}
    return item

def main():
    changed = late_look(imports, 1.0)
    {done}
    print(changed(True))

main()
"""


@pytest.mark.parametrize(
    ("module", "done", "told"),
    [
        ("numpy", "imports(1)", "()"),
        ("json", "imports(1); warnings.simplefilter('error')", "()"),  # not told apart
        ("sys", "warnings.simplefilter('error')", "('the warnings filters',)"),
    ],
)
def test_what_an_import_changes_is_no_change_of_the_function(
    module: str, done: str, told: str
) -> None:
    """NumPy adds filters of warnings: a known function that imports it got a DifferenceWarning."""
    script = SCRIPT_THAT_IMPORTS.format(module=module, done=done)
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout.strip() == told
