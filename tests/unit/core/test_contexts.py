"""What a thread has of the one that called, where NumPy keeps its error state for each thread."""

from __future__ import annotations

import contextvars
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import amorsize
from amorsize.core.nesting import caller_context

NAME = contextvars.ContextVar("NAME", default="nobody")


def numpy_1() -> Any:
    """As NumPy 1 keeps it: by thread."""
    local, fake = threading.local(), types.ModuleType("numpy")

    def geterr() -> dict[str, str]:
        return dict(getattr(local, "state", {"divide": "warn"}))

    @contextmanager
    def errstate(**state: str) -> Iterator[None]:
        before = geterr()
        local.state = {**before, **state}
        try:
            yield
        finally:
            local.state = before

    fake.__dict__.update(__version__="1.26.4", geterr=geterr, errstate=errstate)
    return fake


def test_each_thread_has_the_error_state_of_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = numpy_1()
    monkeypatch.setitem(sys.modules, "numpy", fake)
    found: list[Any] = []

    def told() -> None:
        found.append((NAME.get(), fake.geterr()["divide"]))

    def in_a_thread() -> None:
        context.copy().run(told)
        found.append(fake.geterr()["divide"])  # the thread may be the user's

    token = NAME.set("acme")
    with fake.errstate(divide="raise"):
        context = caller_context()
    NAME.reset(token)
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert found == [("acme", "raise"), "warn"]
    assert dict(context.items())[NAME] == "acme"


def test_so_has_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = numpy_1()
    monkeypatch.setitem(sys.modules, "numpy", fake)
    items, n_jobs = range(60), 2
    with fake.errstate(divide="raise"):
        found = amorsize.execute(
            lambda _: fake.geterr()["divide"], items, backend="threads", n_jobs=n_jobs,
            effects="ignore",
        )  # fmt: skip
    assert found == ["raise"] * len(items)


def test_newer_ones_keep_it_in_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = numpy_1()
    fake.__version__ = "2.0.0"
    monkeypatch.setitem(sys.modules, "numpy", fake)
    assert isinstance(caller_context(), contextvars.Context)
