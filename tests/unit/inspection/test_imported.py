"""What stands in a module's names since the import is told from what the import has put there."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import amorsize
from amorsize.inspection.fresh import fresh_refusal
from amorsize.inspection.imported import as_imported
from amorsize.inspection.sent_state import caller_state

pytestmark = pytest.mark.timeout(120)

TOOLS = """
import functools

def counted(func):
    @functools.wraps(func)
    def wrapper(*args):
        return func(*args)
    return wrapper

def bare(func):
    def inner(*args):
        return func(*args)
    return inner

def registered(func):
    return func

def cleaned(item):
    return item
"""
SOURCE = """
import functools
import json
from dataclasses import dataclass
from contextlib import contextmanager
from math import sqrt
from tools_of_shop import *
from tools_of_shop import cleaned as clean, counted as many
import tools_of_shop as tools

try:
    from no_such_module import helper
except ImportError:
    def helper(item):
        return item, "real"

@many
def wrapped(item):
    return item, "real"

@tools.bare
def renamed(item):
    return item, "real"

@registered
@functools.lru_cache(None)
def cached(item):
    return item

@contextmanager
def managed():
    yield 1

later = lambda item: (item, "real")
same = helper
bound = many(helper)

@dataclass
class Row:
    value: int = 0
    def text(self):
        return self.value, "real"

class Client:
    limit = 3
    def __init__(self):
        self.open = True
    @staticmethod
    def made(item):
        return item, "real"
    @property
    def state(self):
        return "real"
    def ask(self, item):
        return item, "real"

class Better(Client):
    pass

client = Client()

def by_helper(item):
    return helper(item)
def by_wrapped(item):
    return wrapped(item)
def by_clean(item):
    return clean(item)
def by_client(item):
    return client.ask(item)
def by_class(item):
    return Client().ask(item), Client.made(item), Client().state
def by_module(item):
    return json.dumps(item)
def by_all(item):
    with managed():
        pass
    return (wrapped(item), renamed(item), cached(item), later(item), same(item), bound(item),
            Row(item).text(), Better().ask(item), clean(item), sqrt(4), cleaned(item),
            by_class(item), by_client(item), by_module(item), by_helper(item))
"""
DOUBLES = """
def helper(item):
    return item, "double"

class Client:
    def ask(self, item):
        return item, "double"
    @staticmethod
    def made(item):
        return item, "double"
    state = "double"

def dumps(item):
    return "double"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, text in (
        ("tools_of_shop", TOOLS),
        ("shop_to_test", SOURCE),
        ("doubles_of_shop", DOUBLES),
    ):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("shop_to_test")
    for name in ("tools_of_shop", "shop_to_test", "doubles_of_shop"):
        sys.modules.pop(name, None)


def put_in(shop: Any) -> list[str]:
    found = caller_state(shop.by_all)
    assert not found.replaced or found.values
    return [".".join(path) for _, path, value in found.values if callable(value)]


def test_what_an_import_has_put_there_is_not_replaced(shop: Any) -> None:
    found = caller_state(shop.by_all)
    assert not found.replaced, found.values
    for name in vars(shop):
        if name.isidentifier() and name[:2] != "__":
            assert as_imported("shop_to_test", (name,), getattr(shop, name)) is not False, name
    for name in ("ask", "made", "state"):
        assert as_imported("shop_to_test", ("Client", name), vars(shop.Client)[name]) is True


def wrapping(real: Callable[..., Any]) -> Callable[..., Any]:
    """A double that has every name of the real function."""

    @functools.wraps(real)
    def double(*args: Any) -> Any:
        return args[-1], "double"

    return double


CASES: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "same name": ("helper", lambda shop, doubles: doubles.helper),
    "all names": ("helper", lambda shop, doubles: wrapping(shop.helper)),
    "of one with a decorator": ("wrapped", lambda shop, doubles: wrapping(shop.wrapped)),
    "another of the module": ("helper", lambda shop, doubles: shop.wrapped),
    "of what was imported": ("clean", lambda shop, doubles: wrapping(shop.clean)),
    "partial": ("helper", lambda shop, doubles: functools.partial(doubles.helper)),
    "class": ("Client", lambda shop, doubles: doubles.Client),
    "subclass": ("Client", lambda shop, doubles: type("Client", (shop.Client,), {"made": len})),
    "object": ("client", lambda shop, doubles: doubles.Client()),
    "method": ("Client.ask", lambda shop, doubles: wrapping(shop.Client.ask)),
    "static method": ("Client.made", lambda shop, doubles: staticmethod(doubles.helper)),
    "property": ("Client.state", lambda shop, doubles: property(lambda self: "double")),
    "module": ("json", lambda shop, doubles: doubles),
    "made module": (
        "json",
        lambda shop, doubles: types.SimpleNamespace(dumps=lambda item: "double"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_replaced_is_found_and_sent(
    shop: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, made = CASES[case]
    double = made(shop, importlib.import_module("doubles_of_shop"))
    holder, _, last = name.rpartition(".")
    monkeypatch.setattr(getattr(shop, holder) if holder else shop, last, double)
    path = tuple(name.split("."))
    assert as_imported("shop_to_test", path, double) is False
    found = caller_state(shop.by_all)
    assert found.replaced and path in [one for _, one, _ in found.values]
    if len(path) == 1:
        assert fresh_refusal(shop.by_all) is not None


@pytest.mark.parametrize("case", ["same name", "all names", "class", "object", "static method"])
def test_workers_have_it(shop: Any, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    name, made = CASES[case]
    double = made(shop, importlib.import_module("doubles_of_shop"))
    holder, _, last = name.rpartition(".")
    monkeypatch.setattr(getattr(shop, holder) if holder else shop, last, double)
    func = {"helper": shop.by_helper, "client": shop.by_client}.get(name, shop.by_class)
    expected = [func(item) for item in range(4)]
    assert "double" in repr(expected)
    found = amorsize.execute(func, range(4), backend="spawn", n_jobs=2, history=None)
    assert found == expected


def test_a_function_that_is_itself_replaced(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop, "by_helper", wrapping(shop.by_helper))
    found = amorsize.execute(shop.by_helper, range(3), backend="spawn", n_jobs=2, history=None)
    assert found == [(item, "double") for item in range(3)]


def test_what_cannot_be_sent_is_named(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    double = functools.partial(shop.helper, lock=_thread.allocate_lock())
    monkeypatch.setattr(shop, "helper", double)
    with pytest.raises(
        Exception, match=r"shop_to_test\.helper was replaced by a partial.*n_jobs=1"
    ):
        amorsize.execute(shop.by_helper, range(3), backend="spawn", n_jobs=2, history=None)


class Service:
    """Holds what it works with."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def ask(self, item: int) -> Any:
        return self.client.ask(item)


def test_a_patched_class_of_what_an_object_holds(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shop.Client, "ask", wrapping(shop.Client.ask))
    for func in (
        Service(shop.Client()).ask,
        functools.partial(Service.ask, Service([shop.client])),
    ):
        found = caller_state(func)
        assert found.replaced and ("Client", "ask") in [path for _, path, _ in found.values]
    func = Service(shop.Client()).ask
    found = amorsize.execute(func, range(3), backend="spawn", n_jobs=2, history=None)
    assert found == [(item, "double") for item in range(3)]


def now(item: int) -> Any:
    import time

    return time.time(), item


def test_a_patched_function_of_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    assert caller_state(now).values == []
    monkeypatch.setattr("time.time", lambda: 42.0)
    found = amorsize.execute(now, range(3), backend="spawn", n_jobs=2, history=None)
    assert found == [(42.0, item) for item in range(3)]


@pytest.mark.parametrize("made", [mock.AsyncMock, lambda: mock.Mock(spec=Service)])
def test_a_double_that_the_function_holds_and_that_cannot_be_sent(made: Any) -> None:
    for func in (Service(made()).ask, functools.partial(Service.ask, Service(made()))):
        with pytest.raises(Exception, match=r"the function holds a .*Mock of unittest\.mock"):
            amorsize.execute(func, range(3), backend="spawn", n_jobs=2, history=None)


def test_what_was_put_into_a_library_is_found_among_its_own(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import abc
    import json

    class Fake(abc.ABC):  # noqa: B024 # as a class of a library that has a metaclass
        pass

    def encode(item: Any) -> Any:
        return json.dumps(item), json.JSONEncoder

    assert not caller_state(encode).replaced
    monkeypatch.setattr(json, "JSONEncoder", Fake)
    monkeypatch.setattr(json.JSONDecoder, "decode", wrapping(json.JSONDecoder.decode))
    monkeypatch.setattr("builtins.bin", wrapping(bin))
    found = {(module, path) for module, path, _ in caller_state(encode).values}
    assert found == {("json", ("JSONEncoder",)), ("json.decoder", ("JSONDecoder", "decode"))}
    named = {(module, path) for module, path, _ in caller_state(lambda item: bin(item)).values}
    assert named == {("builtins", ("bin",))}
