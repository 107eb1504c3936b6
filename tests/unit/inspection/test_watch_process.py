"""Changes of the process: each is named; a global random state that is drawn from is told apart."""

from __future__ import annotations

import contextvars
import decimal
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.random
import pytest

from amorsize.inspection.watch import Verdict, Watch

SECONDS = 10.0  # a budget that no look of these tests uses up, however busy the machine


def watched(func: Callable[[Any], Any], item: Any = 1, **options: Any) -> Verdict:
    """Watch one item."""
    watch = Watch(func, item, **{"budget_seconds": SECONDS, **options})
    func(item)
    return watch.verdict()


VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("request", default=None)


SIGNAL = signal.SIGBREAK if sys.platform == "win32" else signal.SIGUSR1


def nothing(*parts: Any) -> None:
    """A signal handler."""


CHANGES_OF_THE_PROCESS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "the working directory": (lambda: os.chdir("/"), lambda: os.chdir(HERE)),
    "the environment": (
        lambda: os.environ.__setitem__("AMORSIZE_TEST", "1"),
        lambda: os.environ.pop("AMORSIZE_TEST"),
    ),
    "the recursion limit": (
        lambda: sys.setrecursionlimit(4321),
        lambda: sys.setrecursionlimit(1000),
    ),
    "the limit of digits of int": (
        lambda: sys.set_int_max_str_digits(5000),
        lambda: sys.set_int_max_str_digits(4300),
    ),
    "the signal handlers": (
        lambda: signal.signal(SIGNAL, nothing),
        lambda: signal.signal(SIGNAL, signal.SIG_DFL),
    ),
    "the decimal context": (
        lambda: setattr(decimal.getcontext(), "prec", 7),
        lambda: setattr(decimal.getcontext(), "prec", 28),
    ),
    "NumPy's error state": (lambda: np.seterr(all="ignore"), lambda: np.seterr(**NUMPY_ERRORS)),
    "the search path of modules": (lambda: sys.path.append("/x"), lambda: sys.path.remove("/x")),
    "the context": (lambda: VARIABLE.set(object()), lambda: VARIABLE.set(None)),
}
HERE, NUMPY_ERRORS = os.getcwd(), np.geterr()


@pytest.mark.parametrize("name", CHANGES_OF_THE_PROCESS)
def test_a_change_of_the_process_is_named(name: str) -> None:
    change, undo = CHANGES_OF_THE_PROCESS[name]
    watch = Watch(lambda item: None, 1, budget_seconds=SECONDS)
    try:
        change()
        verdict = watch.verdict()
    finally:
        undo()
    assert verdict.changed == (name,)


def test_warnings_filters_are_watched() -> None:
    with warnings.catch_warnings():
        assert watched(lambda item: warnings.simplefilter("ignore")).changed == (
            "the warnings filters",
        )


# -- the global random state


@pytest.mark.parametrize(
    ("func", "drew"),
    [
        (lambda item: random.random(), True),
        (lambda item: [random.random() for _ in range(2000)], True),
        (lambda item: random.gauss(0, 1), True),
        (lambda item: np.random.rand(), True),
        (lambda item: np.random.normal(size=3001), True),
        (lambda item: None, False),
    ],
)
def test_drawing_from_the_global_random_state_is_told_apart(
    func: Callable[[Any], Any], drew: bool
) -> None:
    verdict = watched(func)
    assert verdict.changed == () and verdict.drew_random == drew


@pytest.mark.parametrize(
    ("func", "name"),
    [
        (lambda item: random.seed(item), "`random`"),
        (lambda item: (random.seed(item), random.random()), "`random`"),
        (lambda item: np.random.seed(item), "`numpy.random`"),
    ],
)
def test_seeding_the_global_random_state_is_a_change(func: Callable[[Any], Any], name: str) -> None:
    verdict = watched(func)
    assert verdict.changed == (f"the state of {name}",) and not verdict.drew_random
