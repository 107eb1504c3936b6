"""Fingerprints: equal where the function is the same, different where it is not."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import json
import os
import subprocess
import sys
import textwrap
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.timing import ratio

import amorsize
from amorsize.inspection.fingerprint import fingerprint, fingerprints

pytestmark = pytest.mark.timeout(60)
KEY = b"a key of some history"
ROOT = Path(amorsize.__file__).parents[1]


def mark(function: Callable[..., Any], key: bytes = KEY) -> str:
    return fingerprint(function, key)


def module(source: str, name: str = "jobs") -> types.ModuleType:
    """A module made of this source, as an import or an edit would make it."""
    made = types.ModuleType(name)
    exec(compile(textwrap.dedent(source), f"/somewhere/{name}.py", "exec"), made.__dict__)
    return made


def job(source: str) -> str:
    return mark(module(source).job)


BASE = """
    LIMIT = 10
    counter = 0
    def helper(x):
        return x * 2
    class Tool:
        factor = 3
        def use(self, x):
            return x + self.factor
    def job(x, scale=1.5, *, shift=0):
        return helper(x) * scale + shift + Tool().use(x) + LIMIT + counter
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x * 2", "x * 3"),
        ("x * 2", "x + 2"),
        ("scale=1.5", "scale=1.25"),
        ("shift=0", "shift=1"),
        ("LIMIT = 10", "LIMIT = 11"),
        ("factor = 3", "factor = 4"),
        ("x + self.factor", "x - self.factor"),
        ("scale + shift", "scale - shift"),
        ("helper(x) * scale", "abs(x) * scale"),
    ],
)
def test_an_edit_makes_another_function(old: str, new: str) -> None:
    assert old in BASE
    assert job(BASE) != job(BASE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 10", "LIMIT = 10  # a comment\n\n\n"),
        ("counter = 0", "counter = 1"),
        ("def job", "def unrelated(x):\n        return x\n    def job"),
    ],
)
def test_what_does_not_change_the_function_does_not_change_its_mark(old: str, new: str) -> None:
    assert old in BASE
    assert job(BASE) == job(BASE.replace(old, new))


def test_a_table_that_the_first_item_fills_is_no_other_function() -> None:
    base = BASE.replace("counter = 0", "TABLE = []").replace("counter", "len(TABLE)")
    assert job(base) == job(base.replace("TABLE = []", "TABLE = [1, 2]"))
    assert job(base) != job(base.replace("TABLE = []", "TABLE = ()"))


def test_lambdas() -> None:
    assert mark(lambda x: x + 1) == mark(lambda x: x + 1)
    assert mark(lambda x: x + 1) != mark(lambda x: x + 2)
    assert mark(lambda x: x + 1) != mark(lambda x: x + 1.0)
    assert mark(lambda x: x in {1, 2}) != mark(lambda x: x in {1, 3})
    assert mark(lambda x: x.real) != mark(lambda x: x.imag)
    assert mark(lambda x: 0.0) != mark(lambda x: -0.0)


def test_closures_count_by_content_up_to_4_kilobytes() -> None:
    def close(value: object) -> Callable[[object], object]:
        return lambda x: (x, value)

    assert mark(close(1)) == mark(close(1)) != mark(close(2))
    assert mark(close(1)) != mark(close(True)) and mark(close("1")) != mark(close(b"1"))
    assert mark(close([1, [2, 3]])) != mark(close([1, 2, 3])) != mark(close((1, 2, 3)))
    assert (
        mark(close({"a": 1, "b": 2}))
        == mark(close({"b": 2, "a": 1}))
        != mark(close({"a": 2, "b": 1}))
    )
    assert mark(close(["ab", "c"])) != mark(close(["a", "bc"]))
    assert mark(close("x" * 4000)) != mark(close("x" * 3999 + "y"))
    assert mark(close("x" * 9000)) == mark(close("y" * 9000)) != mark(close("x" * 9001))
    assert mark(close([0] * 100_000)) == mark(close([1] * 100_000)) != mark(close([1] * 100_001))
    cycle: list[object] = []
    cycle.append(cycle)
    assert mark(close(cycle))


def test_arrays_count_by_content_or_shape() -> None:
    np = pytest.importorskip("numpy")

    def close(value: object) -> Callable[[object], object]:
        return lambda x: (x, value)

    assert mark(close(np.zeros(10))) == mark(close(np.zeros(10))) != mark(close(np.ones(10)))
    assert mark(close(np.zeros(10))) != mark(close(np.zeros(10, np.float32)))
    assert mark(close(np.zeros((100, 100)))) == mark(close(np.ones((100, 100))))
    assert mark(close(np.zeros((100, 100)))) != mark(close(np.zeros((100, 101))))


def power(x: float, exponent: float, base: float = 1.0) -> float:
    return base * x**exponent


def test_partials() -> None:
    two = functools.partial(power, exponent=2)
    assert mark(two) == mark(functools.partial(power, exponent=2))
    assert (
        len(
            {
                mark(f)
                for f in (
                    two,
                    functools.partial(power, exponent=3),
                    functools.partial(power, 2),
                    power,
                )
            }
        )
        == 4
    )


class Model:
    def __init__(self, weights: object, big: object = None) -> None:
        self.weights, self.big = weights, big

    def predict(self, x: float) -> float:
        return self.score(x)

    def score(self, x: float) -> float:
        return x

    def __call__(self, x: float) -> float:
        return x


class Slotted:
    __slots__ = ("__hidden", "value")

    def __init__(self, value: object, hidden: int = 0) -> None:
        self.value = value
        self.__hidden = hidden

    def __call__(self, x: float) -> float:
        return x


def test_methods_and_callables_of_two_instances() -> None:
    assert mark(Model(1).predict) == mark(Model(1).predict) != mark(Model(2).predict)
    assert mark(Model(1).predict) != mark(Model(1).score)
    assert mark(Model(1)) == mark(Model(1)) != mark(Model(2))
    assert mark(Slotted(1)) == mark(Slotted(1)) != mark(Slotted(2))
    assert (
        mark(Slotted(1, 3)) == mark(Slotted(1, 3)) != mark(Slotted(1, 4))
    )  # its slot has another name
    large = ["x" * 100] * 1000
    assert mark(Model(1, large).predict) == mark(Model(1, ["y" * 100] * 1000).predict)
    assert mark(Model(1, large).predict) != mark(Model(2, large).predict)  # small ones still count
    assert mark([].append) != mark([].extend) and mark([1].append) != mark([2].append)


@dataclasses.dataclass
class Settings:
    """Compared by value, so it is a value."""

    width: int


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Other(Model):
    """Another class, and the methods of the first."""


def known(function: Callable[..., Any]) -> str:
    """The mark by the classes of objects."""
    name, held = fingerprints(function, KEY)
    assert name == fingerprint(function, KEY, held=False)
    assert held is None or held == mark(function)
    return name


def close(value: object) -> Callable[[object], object]:
    return lambda x: (x, value)


@pytest.mark.parametrize(
    "made",
    [
        lambda model: model.predict,
        lambda model: model,
        lambda model: functools.partial(model.predict, scale=2),
        lambda model: functools.partial(power, model),
        close,
        lambda model: close([1, {"model": model}]),
        lambda model: close(Settings(model)),
        lambda model: close(model.predict),
    ],
    ids=["method", "callable", "partial", "argument", "closure", "nested", "dataclass", "kept"],
)
def test_an_object_counts_by_its_class_where_a_function_is_to_be_known_again(
    made: Callable[[Any], Callable[..., Any]],
) -> None:
    first, again = Model(1), Model({"socket": threading.Lock()}, big=["x" * 100] * 1000)
    assert known(made(first)) == known(made(again)) != known(made(Other(1)))
    assert mark(made(first)) != mark(made(again))
    assert fingerprints(made(first), KEY)[1] is not None


def halved(x: float) -> float:
    return x / 2


class Holder:
    """Calls what it holds; one of its own methods among it."""

    def __init__(self, function: Callable[..., Any], client: object = None) -> None:
        self.function, self.client, self.again = function, client, self.call

    def call(self, x: float) -> object:
        return self.function(x)

    __call__ = call


@pytest.mark.parametrize("made", [amorsize.star, Holder, lambda function: Holder(function).call])
def test_what_holds_one_function_is_not_what_holds_another(
    made: Callable[[Any], Callable[..., Any]],
) -> None:
    assert known(made(power)) == known(made(power)) != known(made(halved))
    source = "def function(x):\n    return x * 2\n"
    one, edited = (module(text).function for text in (source, source.replace("2", "3")))
    assert known(made(one)) != known(made(edited))
    partials = [functools.partial(power, scale=scale) for scale in (1, 2)]
    assert known(made(partials[0])) != known(made(partials[1]))


def test_what_else_it_holds_does_not_count() -> None:
    assert known(Holder(power, Model(1))) == known(Holder(power, threading.Lock()))


def test_values_count_where_a_function_is_to_be_known_again() -> None:
    assert known(Model(1).predict) != known(Model(1).score)
    assert known(functools.partial(Model(1).predict, x=1)) != known(
        functools.partial(Model(1).predict, x=2)
    )
    for one, another in (
        (1, 2),
        ([1], [2]),
        (Path("a"), Path("b")),
        (Settings(1), Settings(2)),
        (Color.RED, Color.BLUE),
    ):
        assert known(close(one)) != known(close(another))
        assert fingerprints(close(one), KEY)[1] is None


def test_an_edit_of_a_method_or_of_what_it_calls_makes_another_method() -> None:
    source = """
        LIMIT = 10
        def helper(x):
            return x * 2
        class Client:
            def __init__(self, address):
                self.address = address
            def get(self, row):
                return self.send(helper(row) + LIMIT)
            def send(self, row):
                return row
    """

    def get(source: str, address: str = "here") -> str:
        return known(module(source).Client(address).get)

    assert get(source) == get(source, "there")
    for old, new in (
        ("x * 2", "x * 3"),
        ("LIMIT = 10", "LIMIT = 11"),
        ("return row", "return [row]"),
        ("helper(row) +", "helper(row) -"),
        ("class Client:", "class Client(dict):"),
    ):
        assert old in source and get(source) != get(source.replace(old, new))


def test_wrappers_count_as_what_they_wrap() -> None:
    assert mark(functools.lru_cache(power)) == mark(functools.lru_cache(power))
    assert mark(functools.lru_cache(power)) != mark(functools.lru_cache(mark))


def test_recursion_ends() -> None:
    source = """
        def even(n):
            return n == 0 or odd(n - 1)
        def odd(n):
            return n != 0 and even(n - 1)
        job = even
    """
    assert job(source) == job(source) != job(source.replace("n != 0", "n > 0"))


def test_the_key_decides() -> None:
    assert mark(power) != mark(power, b"another") and len(mark(power)) == 32
    assert mark(power, b"k" * 32) == mark(power, b"k" * 32)


def test_user_code_does_not_run() -> None:
    class Trap:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

        def __call__(self, x: object) -> object:
            raise AssertionError

        __hash__ = __eq__ = __repr__ = __len__ = __reduce_ex__ = __call__  # type: ignore[assignment]

    trap = Trap()
    assert mark(trap) and mark(lambda x: (x, trap)) and mark(functools.partial(power, trap))


def test_equal_in_every_interpreter(tmp_path: Path) -> None:
    more = """
    words = {'a', 'b', 'c', 'd'}
    class Holder:
        def __init__(self):
            self.s = {'x', 'y', 'z', (1, 'q')}
        def run(self, x):
            return x in {'p', 'q', 'r'}
    """
    (tmp_path / "jobs_of_a_user.py").write_text(textwrap.dedent(BASE) + textwrap.dedent(more))
    code = textwrap.dedent("""
        import jobs_of_a_user as j, functools
        from amorsize.inspection.fingerprint import fingerprint
        default = lambda x, w=j.words: x in w
        for f in (j.job, j.Holder().run, default, functools.partial(j.job, shift=j.words)):
            print(fingerprint(f, b"k"))
    """)
    outputs = set()
    for seed, flags in (("0", []), ("1", []), ("2", ["-X", "frozen_modules=off"])):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        }
        run = subprocess.run(
            [sys.executable, *flags, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        outputs.add(run.stdout)
    assert len(outputs) == 1 and len(set(outputs.pop().split())) == 4


def test_it_is_bounded() -> None:
    """Anything large is not walked through: a hundred times as much takes about as long."""
    small, huge = ({n: str(n) for n in range(count)} for count in (3_000, 300_000))
    assert ratio(lambda: mark(lambda x: huge[x]), lambda: mark(lambda x: small[x])) < 3
    less, more = ([[[list(range(50))] * 50] * 50] * count for count in (50, 5_000))
    assert ratio(lambda: mark(lambda x: more[x]), lambda: mark(lambda x: less[x])) < 3


@pytest.mark.parametrize(
    "function",
    [power, Model(1).predict, json.dumps, functools.partial(power, 3)],
    ids=["function", "method", "library", "partial"],
)
def test_it_is_quick(function: Callable[..., Any]) -> None:
    """In times of compiling a small function, which takes 60 µs or so."""
    source = inspect.getsource(power)
    assert ratio(lambda: mark(function), lambda: compile(source, "here", "exec")) < 6
