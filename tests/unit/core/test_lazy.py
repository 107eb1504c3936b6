"""What reading modules costs: counted in fresh interpreters, and forgone until it pays."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
from support.machines import run

from amorsize.api.observers import RECORDING
from amorsize.engine.lookups import ASKING, JUDGING, SPREADING

COUNTED = """
import sys
import amorsize
from amorsize.core import lazy
for name in {names!r}:
    before = len(sys.modules)
    __import__(name)
    print(name, len(sys.modules) - before)
"""


def test_the_modules_that_workers_need_are_counted_right() -> None:
    """In the order in which a run asks for them; each is a module or more, and few are missed."""
    parts = {**ASKING, **JUDGING, **SPREADING, **RECORDING}
    if sys.platform != "linux":  # what only its workers need
        parts = {name: count for name, count in parts.items() if find_spec(name) is not None}
    lines = run(COUNTED.format(names=list(parts))).split("\n")
    found = {name: int(count) for name, count in (line.split() for line in lines if line)}
    assert found.keys() == parts.keys()
    assert {name: parts[name] - found[name] for name in parts} == pytest.approx(
        dict.fromkeys(parts, 0), abs=2
    )


PRICED = """
import sys
from amorsize.core import lazy
parts = {"amorsize.inspection.effects": 21, "no.such": 9}
unread = lazy.unread_seconds(parts)
each = unread / 30
lazy.forgo(each * 10)
less = lazy.unread_seconds(parts)
lazy.forgo(each * 100)
none = lazy.unread_seconds(parts)
from amorsize import inspection
inspection.inspect_function
print(0 < each < 1, round(less / each, 6), none, lazy._read.count > 50)
"""


def test_what_is_unread_has_a_price_until_enough_was_forgone() -> None:
    assert run(PRICED).split() == ["True", "20.0", "0.0", "True"]


BUDGET = """
import amorsize
from amorsize.api import observers
from amorsize.core import lazy
price = lazy.reading_seconds(observers.RECORDING)
lazy.forgo(100.0)  # what is forgone for workers pays for no record
budget, place = observers._Budget(), ":memory:"
print(price > 0, [budget.allows(10 * price, place) for _ in range(5)])
print(observers._Budget().allows(34 * price, place))
"""


def test_short_runs_read_what_a_record_needs_only_after_much_work() -> None:
    """3 % of the work of a process, be it one long run or many short ones; a run of 50 ms that stayed in
    the caller had paid 5 ms for its record."""
    assert run(BUDGET).split("\n")[:2] == ["True [False, False, False, True, True]", "True"]


COLLECTS = """
import gc
import amorsize
from amorsize import inspection
{first}
inspection.inspect_function
print(gc.isenabled())
"""


@pytest.mark.parametrize("first", ["gc.enable()", "gc.disable()"])
def test_reading_leaves_the_collector_as_it_was(first: str) -> None:
    assert run(COLLECTS.format(first=first)).strip() == str(first == "gc.enable()")


HALF = """
import sys, threading, types
from amorsize.core.lazy import loaded
import amorsize.version

half = types.ModuleType("amorsize.half")
half.__spec__ = types.SimpleNamespace(_initializing=True)
sys.modules["amorsize.half"] = half
print(loaded("amorsize.half"), loaded("amorsize.none"), loaded("amorsize.version") is amorsize.version)
half.__spec__._initializing = False
print(loaded("amorsize.half") is half)
"""


def test_a_module_that_another_thread_imports_is_not_loaded_yet() -> None:
    """Eight threads that ran at once met a module without its names."""
    assert run(HALF).split() == ["None", "None", "True", "True"]


NAMES = """
import importlib, pkgutil, sys
import amorsize
for found in [amorsize, *pkgutil.walk_packages(amorsize.__path__, "amorsize.")]:
    name = "amorsize" if found is amorsize else found.name
    if name.endswith("__main__"):
        continue
    try:
        package = importlib.import_module(name)
    except ImportError:  # of an extra that is not installed
        continue
    find = vars(package).get("__getattr__")
    for lazy in find.__closure__ if getattr(find, "__closure__", None) else ():
        for attribute in lazy.cell_contents if isinstance(lazy.cell_contents, dict) else ():
            print(attribute, importlib.util.find_spec(f"{name}.{attribute}") is not None
                  if hasattr(package, "__path__") else False)
"""


def test_no_name_that_is_read_late_is_that_of_a_module_beside_it() -> None:
    """An import puts the module itself under its name before the table's value is there: a thread that
    ran at once called the module."""
    found = dict(line.split() for line in run(NAMES).split("\n") if line)
    assert len(found) > 50
    assert {name for name, is_module in found.items() if is_module == "True"} == set()
