"""What only some items change, through a way that no rule reads, is said when workers have changed it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

import amorsize

SCRIPT = """
import gc, hashlib, json, sys, threading, warnings
import amorsize

kept, buffer = [], bytes(1_500_000)

def computes(item):
    total = 0
    for turn in range(40_000):
        total += turn * turn % 7
    if item in rare:
        gc.get_referents((kept,))[0].append(item)
    return total

def releases(item):
    found = hashlib.sha256(buffer).hexdigest()
    if item in rare:
        gc.get_referents((kept,))[0].append(item)
    return found

kind, backend, rare = sys.argv[1], sys.argv[2], {int(item) for item in sys.argv[3].split(",") if item}
func = computes if kind == "computes" else releases
if backend == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
options = {"backend": "fork", "n_jobs": 2} if backend == "named" else {"history": None}
if backend == "threads":
    options["backend"] = ("serial", "threads")
told, tries = [], 0
while len(told) < 2:
    kept.clear()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        plan = amorsize.optimize(func, range(160), **options)
        results = plan.execute()
    # Threads that start while the caller is inside of an item look at nothing: on a busy machine.
    tries += 1
    if rare and backend != "named" and not told and tries < 8 and not heard:
        continue
    loop = [func(item) for item in range(3)]
    told.append({
        "right": len(results) == 160 and results[:3] == loop,
        "warned": [str(one.message) for one in heard if one.category is amorsize.DifferenceWarning],
        "backend": plan.run.config.backend,
        "kept": [item for item in kept],
    })
print(json.dumps(told))
"""


def told(*arguments: str) -> list[dict[str, Any]]:
    """What two runs of a fresh interpreter, one after the other, came to."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=50
    )
    assert not done.returncode, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


RARE = [24, 49, 74, 99, 124, 149]


@pytest.mark.parametrize(("kind", "backend"), [("computes", "fork"), ("releases", "threads")])
def test_a_change_of_some_items_is_told_and_the_next_run_stays_here(
    kind: str, backend: str
) -> None:
    """The first run warns, where it left the caller; the second is a loop's in what it leaves, too."""
    first, second = told(kind, backend, ",".join(map(str, RARE)))
    if backend == "threads" and not first["warned"]:
        return  # eight times a busy machine had it that no threads were started where a look is taken
    # Threads that do not pay give back to the caller.
    assert first["backend"] in (backend, "serial")
    assert first["right"]
    (warning,) = first["warned"]
    assert f"{kind} changed global `kept` in a worker" in warning
    assert second["backend"] == "serial"
    assert second["kept"] == RARE
    assert not second["warned"]


@pytest.mark.parametrize("backend", ["fork", "named"])
def test_nothing_is_said_without_a_change_nor_of_a_named_backend(backend: str) -> None:
    """What changes nothing is not warned of; a backend that is named is the user's word."""
    for run in told("computes", backend, "" if backend == "fork" else "24,149"):
        assert run["right"]
        assert not run["warned"]


FRESH = """
import gc

kept, model = [], None

def worked(item):
    total = 0
    for turn in range(100_000):
        total += turn * turn % 7
    return total

def changes_seldom(item):
    if item % 20 == 19:
        gc.get_referents((kept,))[0].append(item)
    return worked(item)

def loads_once(item):
    if not hasattr(loads_once, "__wrapped__"):
        loads_once.__wrapped__ = worked
    return worked(item)

def changes_nothing(item):
    return worked(item)
"""

RUN_FRESH = """
import sys, warnings
sys.path[:0] = sys.argv[1:3]
import amorsize, fresh_module, runner

runner.be_eager()
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    func = getattr(fresh_module, sys.argv[3])
    plan = amorsize.optimize(func, range(120), history=None, backend=("serial", "spawn"))
    plan.execute()
print(plan.run.config.backend)
print(*[str(one.message) for one in heard if one.category is amorsize.DifferenceWarning])
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [("changes_seldom", "global `kept` in a worker"), ("loads_once", ""), ("changes_nothing", "")],
)
def test_fresh_interpreters_tell_what_they_change(name: str, said: str, tmp_path: Path) -> None:
    """What only the first item of a worker changes (a model that is loaded) is no difference."""
    (tmp_path / "fresh_module.py").write_text(FRESH)
    cases = Path(__file__).parents[1] / "same_as_loop"
    words = [sys.executable, "-c", RUN_FRESH, str(tmp_path), str(cases), name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50, check=False)
    assert not done.returncode, done.stderr
    backend, *warned = done.stdout.splitlines()
    if name != "loads_once":  # the rules keep that in the caller
        assert backend == "spawn"
    assert said in warned[0] if said else warned == [""]


COUNTED = Mock(side_effect=abs)


def calls_what_counts(number: int) -> int:
    time.sleep(0.002)
    return COUNTED(number)  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", [{"timeout": 30}, {}])
def test_what_nobody_can_watch_is_called_as_often_as_in_a_loop(options: dict[str, Any]) -> None:
    """Under a limit no item is watched: a library's object that is called stays with one worker."""
    COUNTED.reset_mock()
    assert amorsize.execute(calls_what_counts, range(-40, 0), **options) == [*range(40, 0, -1)]
    assert COUNTED.call_count == 40
    assert [call.args for call in COUNTED.call_args_list] == [(one,) for one in range(-40, 0)]


STREAMED = """
import time, warnings, amorsize
warnings.simplefilter("error")
TABLE = {}
def ask(n):
    time.sleep(0.002)
    return n, 2 * n
def notes(n):
    global LAST
    time.sleep(0.002)
    if n > 100:
        LAST = n
    return n
LAST = 0
found = []
for n, v in amorsize.stream(ask, range(600), history=None):
    found.append(v)
assert found == [2 * n for n in range(600)]
print(amorsize.optimize(ask, range(50), history=None).backend)
try:
    for number in amorsize.stream(notes, range(600), history=None):
        pass
except amorsize.DifferenceWarning as warned:
    print("`LAST`" in str(warned), "number" in str(warned))
"""


def test_the_variables_of_the_loop_over_a_stream_are_not_the_functions() -> None:
    """What the code names counts all the same."""
    words = [sys.executable, "-c", STREAMED]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50, check=False)
    assert not done.returncode, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] != "serial" and lines[1:] in ([], ["True False"])
