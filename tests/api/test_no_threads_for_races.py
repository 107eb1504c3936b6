"""A function that reads, computes and writes something shared gets no threads, through three modules.

Threads would help each of them, for it waits; the loop's value is left by none but the loop.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)

ITEMS = 40

STATE = """
import array, collections, itertools, types
import numpy as np

class Count:
    total = 0
    def __init__(self): self.value, self.parts = 0, {"n": 0}
    def __iadd__(self, other): self.value = self.value + other; return self
    @property
    def seen(self): return self.value
    @seen.setter
    def seen(self, value): self.value = value
class Slots:
    __slots__ = ("value",)
    def __init__(self): self.value = 0

number, text, pair, flags = 0, "", (0, 0), frozenset()
count, slots, box = Count(), Slots(), types.SimpleNamespace(n=0, deep=types.SimpleNamespace(n=0))
table, nested, rows, held = {"n": 0}, {"a": {"n": 0}}, [0], [[0]]
tally, usual, queue = collections.Counter(), collections.defaultdict(int), collections.deque([0])
numbers, matrix, words, raw = np.zeros(2), np.zeros((2, 2)), array.array("q", [0]), bytearray(8)
"""

CHANGES = """
global number; old = number; pause(); number = old + item
global number; number = step(number, item)
global text; old = len(text); pause(); text = "x" * (old + 1)
global pair; a, b = pair; pause(); pair = (a + item, b + 1)
global flags; old = flags; pause(); flags = old | {item}
globals()["number"] = step(globals()["number"], item)
vars(me)["number"] = step(vars(me)["number"], item)
setattr(me, "number", step(getattr(me, "number"), item))
me.number = step(me.number, item)
count.value = step(count.value, item)
count.seen = step(count.seen, item)
count.parts["n"] = step(count.parts["n"], item)
Count.total = step(Count.total, item)
type(count).total = step(type(count).total, item)
setattr(count, "value", step(count.value, item))
vars(count)["value"] = step(vars(count)["value"], item)
count.__dict__.update(value=step(count.value, item))
object.__setattr__(count, "value", step(count.value, item))
slots.value = step(slots.value, item)
box.n = step(box.n, item)
box.deep.n = step(box.deep.n, item)
table["n"] = step(table["n"], item)
table.update(n=step(table["n"], item))
table.__setitem__("n", step(table["n"], item))
table.setdefault("m", 0); table["m"] = step(table["m"], item)
table["n"] = step(table.pop("n", 0), item)
table |= {"n": step(table["n"], item)}
nested["a"]["n"] = step(nested["a"]["n"], item)
nested["a"] = {"n": step(nested["a"]["n"], item)}
rows[0] = step(rows[0], item)
rows[:] = [step(rows[0], item)]
rows.insert(0, step(rows.pop(), item))
rows.append(step(rows[-1], item))
rows += [step(rows[-1], item)]
held[0][0] = step(held[0][0], item)
held[0] = [step(held[0][0], item)]
tally["n"] = step(tally["n"], item)
old = dict(tally); pause(); tally.clear(); tally.update({**old, item: 1})
usual["n"] = step(usual["n"], item)
queue.append(step(queue.popleft(), item))
queue[0] = step(queue[0], item)
numbers[0] = step(numbers[0], item)
numbers.put(0, step(numbers[0], item))
np.copyto(numbers, step(numbers, item))
np.add(step(numbers, item), 0, out=numbers)
matrix[0] = step(matrix[0], item)
words[0] = step(words[0], item)
raw[0] = step(raw[0], 1)
f = lambda: table.__setitem__("n", step(table["n"], item)); f()
exec("table['n'] = step(table['n'], item)", {"table": table, "step": step, "item": item})
""".strip().splitlines()

LEFT = """
def left():
    return repr((number, text, pair, sorted(flags), count.value, count.parts, Count.total, slots.value,
        box, table, nested, rows, held, sorted(tally.items()), dict(usual), list(queue), numbers.tolist(),
        matrix.tolist(), list(words), bytes(raw)))
"""

LAST = """
import sys, time
import numpy as np
def pause(): time.sleep(0.002)
def step(old, item):
    pause()
    return old + item
"""


def written(place: Path) -> None:
    """Three modules: the function calls a second, which calls the third, which changes its state."""
    lines = [STATE, LAST, "me = sys.modules[__name__]", LEFT]
    for number, change in enumerate(CHANGES):
        # `rows += ...` and `table |= ...` bind a name of the module.
        bound = next(
            (f"global {name}; " for name in ("rows", "table") if change[:7].startswith(f"{name} ")),
            "",
        )
        body = "\n    ".join(part.strip() for part in (bound + change).split(";") if part.strip())
        lines.append(f"def change{number}(item):\n    {body}\n    return item")
    (place / "races_state.py").write_text("\n".join(lines))
    (place / "races_middle.py").write_text(
        "import races_state\n"
        + "\n".join(
            f"def pass{number}(item):\n    return races_state.change{number}(item)"
            for number in range(len(CHANGES))
        )
    )
    (place / "races_front.py").write_text(
        "import races_middle\n"
        + "\n".join(
            f"def work{number}(item):\n    return races_middle.pass{number}(item) * 2"
            for number in range(len(CHANGES))
        )
    )


NAMES = ("races_front", "races_middle", "races_state")


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports the three modules anew at each call."""
    written(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def load() -> tuple[Any, Any]:
        for name in NAMES:
            sys.modules.pop(name, None)
        front = importlib.import_module("races_front")
        return front, sys.modules["races_state"]

    yield load
    for name in NAMES:
        sys.modules.pop(name, None)


def test_there_are_fifty() -> None:
    assert len(CHANGES) == 50


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=[] if number % 10 == 0 else [pytest.mark.long])
        for number in range(len(CHANGES))
    ],
)
def test_it_gets_no_threads_and_leaves_what_the_loop_leaves(number: int, fresh: Any) -> None:
    front, state = fresh()
    expected = [getattr(front, f"work{number}")(item) for item in range(ITEMS)]
    left = state.left()
    front, state = fresh()
    assert state.left() != left
    plan = amorsize.optimize(getattr(front, f"work{number}"), range(ITEMS), history=None)
    assert plan.execute() == expected
    assert (plan.backend, plan.threads_per_job) == ("serial", 1), CHANGES[number]
    assert state.left() == left
