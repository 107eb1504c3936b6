"""Workers in fresh interpreters compute what the caller's loop does: they are sent what they lack."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)

SOURCE = """
import os, sys
RATE = 1
class Priced:
    def __init__(self, item): self.item = item
def rate(item): return item * RATE
def price(item): return rate(item), os.environ.get("RATE_OF_TODAY"), sys.getrecursionlimit()
def priced(item): return Priced(item)
class Client:
    def __init__(self, base): self.base, self.tags = base, {"new": 1}
    def get(self, item): return self.base + item, sorted(self.tags)
class Linked(Client):
    def __init__(self, base):
        super().__init__(base)
        self.link, self.is_open = None, False
    def get(self, item):
        if self.is_open:
            self.link.acquire(); self.link.release()
        return self.base + item
    def open(self):
        import threading
        self.link, self.is_open = threading.Lock(), True
CLIENT, LINKED = Client(0), Linked(3)
def got(item): return CLIENT.get(item)
def linked(item): return LINKED.get(item)
"""


def spawned(func: Any, data: Any = None) -> list[Any]:
    items = range(24) if data is None else data
    return amorsize.execute(func, items, backend="spawn", history=None)


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "prices_of_today.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("prices_of_today")
    del sys.modules["prices_of_today"]


def test_values_and_settings_of_the_moment(prices: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for rate in (5, 7, 1):  # the workers of the call before are warm
        prices.RATE = rate
        monkeypatch.setenv("RATE_OF_TODAY", str(rate))
        assert spawned(prices.price) == [prices.price(item) for item in range(24)]
    with mock.patch("prices_of_today.rate", lambda item: -item):
        assert spawned(prices.price) == [prices.price(item) for item in range(24)]
    assert spawned(prices.price) == [prices.price(item) for item in range(24)]


def test_objects_that_modules_make_are_as_they_are_now(prices: Any) -> None:
    """A method of one that is patched ran as it was imported, and nothing said so."""

    def check() -> None:
        assert spawned(prices.got) == [prices.got(item) for item in range(24)]

    client = prices.CLIENT
    with mock.patch.object(client, "get", lambda item: -item):
        check()
    with mock.patch.object(client, "base", 100):
        check()
    with mock.patch.object(prices, "CLIENT", prices.Client(200)):
        check()
    client.base = 7
    client.tags["old"] = 2
    check()
    with mock.patch.object(client, "get", autospec=True), pytest.raises(Exception, match="CLIENT"):
        spawned(prices.got)


def test_what_holds_more_than_plain_values_is_the_worker_s_own(prices: Any) -> None:
    """It says that it is open, of a link that no worker can have."""
    assert spawned(prices.linked) == [prices.linked(item) for item in range(24)]
    prices.LINKED.open()
    assert spawned(prices.linked) == [prices.linked(item) for item in range(24)]


def test_modules_that_a_fresh_interpreter_cannot_import(tmp_path: Path) -> None:
    path = tmp_path / "by_path.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("plugs.by_path", path)
    assert spec is not None and spec.loader is not None
    plug = sys.modules["plugs.by_path"] = importlib.util.module_from_spec(spec)
    made = sys.modules["prices_by_exec"] = types.ModuleType("prices_by_exec")
    try:
        spec.loader.exec_module(plug)
        exec(SOURCE, vars(made))
        for module in (plug, made):
            assert spawned(module.rate) == list(range(24))
            assert spawned(lambda item, module=module: module.rate(item)) == list(range(24))
            found = spawned(module.priced)
            assert {type(one) for one in found} == {module.Priced}
            assert [one.item for one in found] == list(range(24))
    finally:
        del sys.modules["plugs.by_path"], sys.modules["prices_by_exec"]


def turned(item: int) -> Any:
    sum(range(20_000))
    return np.asfortranarray(np.full((30, 30), float(item)))[::2]


def test_arrays_keep_the_order_of_their_axes() -> None:
    """NumPy adds in the order of memory, and the last bits of a sum depend on it."""
    found = amorsize.execute(turned, range(150), history=None)
    assert {one.strides for one in found} == {turned(0).strides}


def inner_threads(item: int) -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def test_workers_limit_inner_threads_in_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the caller's environment leaves open is set for libraries that the worker loads later."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for _ in range(2):  # fresh and warm workers
        found = amorsize.execute(inner_threads, range(24), backend="spawn", n_jobs=2, history=None)
        assert None not in found[-8:], found
