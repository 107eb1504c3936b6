"""What reading modules costs: counted in fresh interpreters, and forgone until it pays."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
from support.machines import run

from amorsize.api.observers import RECORDING
from amorsize.engine.lookups import JUDGING, SPREADING

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
    parts = {**JUDGING, **SPREADING, **RECORDING}
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
