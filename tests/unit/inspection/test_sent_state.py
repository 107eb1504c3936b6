"""What fresh workers lack of the caller's modules is found, and nothing that the import makes itself."""

from __future__ import annotations

import contextvars
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import amorsize
from amorsize.backends.processes.spawn_state import adopt, adopt_environment, put, settings
from amorsize.inspection.sent_state import caller_state, is_plain

SOURCE = """
import contextvars
RATE = 3
TABLE = {"a": 1}
MARK = object()
NAME = contextvars.ContextVar("NAME", default="nobody")

class Price:
    tax = 1
    marks = {}
    def of(self, item):
        return item * RATE * self.tax

def price(item, mark=MARK):
    return item * RATE + helper(item), mark is MARK

def helper(item):
    return TABLE["a"], NAME.get()

def only_helper(item):
    return helper(item)

def through(item):
    return Price().of(item)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "shop_of_state.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("shop_of_state")
    del sys.modules["shop_of_state"]


def values(func: Any) -> dict[str, Any]:
    return {".".join(path): value for _, path, value in caller_state(func).values}


def test_plain_values_are_sent_and_objects_are_not(shop: Any) -> None:
    shop.RATE = 5
    assert values(shop.price) == {"RATE": 5, "TABLE": {"a": 1}}
    assert values(partial(shop.price, mark=1)) == values(shop.price)
    assert values(shop.through) == {"RATE": 5, "Price.tax": 1, "Price.marks": {}}
    assert values(shop.Price().of) == values(shop.through)
    assert not caller_state(shop.price).replaced
    assert caller_state(shop.price).by_value == []


def test_a_function_that_was_replaced(shop: Any) -> None:
    shop.helper = lambda item: -item
    found = caller_state(shop.price)
    assert found.replaced
    assert [path for _, path, _ in found.values if path == ("helper",)] == [("helper",)]
    shop.Price.of = lambda self, item: item
    assert caller_state(shop.through).replaced


def test_test_doubles_and_functions_of_c(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    double, specified = mock.Mock(return_value=2), mock.create_autospec(shop.helper)
    monkeypatch.setattr(shop, "helper", double)
    assert values(shop.price)["helper"] is double
    monkeypatch.setattr(shop, "helper", specified)
    assert values(shop.price)["helper"] is specified
    monkeypatch.setattr(shop, "helper", len)
    assert values(shop.price)["helper"] is len
    there: list[Any] = []
    monkeypatch.setattr(shop, "helper", there.append)  # its object goes with it
    assert values(shop.price)["helper"] == there.append
    monkeypatch.setattr(shop.Price, "of", double)
    assert values(shop.through)["Price.of"] is double


@pytest.mark.parametrize("backend", ["spawn", "processes"])
def test_a_worker_calls_the_double(
    shop: Any, monkeypatch: pytest.MonkeyPatch, backend: Any
) -> None:
    monkeypatch.setattr(shop, "helper", mock.Mock(return_value="double"))
    found = amorsize.execute(shop.only_helper, range(4), backend=backend, n_jobs=2, history=None)
    assert found == ["double"] * 4


@pytest.mark.parametrize(
    "made",
    [
        mock.create_autospec,
        lambda helper: mock.Mock(spec=helper),
        lambda helper: mock.AsyncMock(return_value=1),
    ],
)
def test_a_double_that_cannot_be_sent_is_told_of(
    shop: Any, monkeypatch: pytest.MonkeyPatch, made: Any
) -> None:
    monkeypatch.setattr(shop, "helper", made(shop.helper))
    with pytest.raises(
        Exception,
        match=r"shop_of_state\.helper was replaced by an? .*function or object of your own",
    ):
        amorsize.execute(shop.only_helper, range(4), backend="spawn", n_jobs=2, history=None)


def test_a_function_of_another_module_is_sent_where_it_has_another_name(
    shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a double that a test module defines; what an import put there is there anyway."""
    (tmp_path / "doubles_of_state.py").write_text("def fake(item):\n    return 'fake'\n")
    fake = importlib.import_module("doubles_of_state").fake
    monkeypatch.setattr(shop, "helper", fake)
    assert values(shop.price)["helper"] is fake
    found = amorsize.execute(shop.only_helper, range(4), backend="spawn", n_jobs=2, history=None)
    assert found == ["fake"] * 4


def test_a_function_that_is_itself_an_autospec_is_told_of(shop: Any) -> None:
    double = mock.create_autospec(shop.helper, return_value=5)
    with (
        mock.patch.object(shop, "helper", double),
        pytest.raises(Exception, match=r"unittest\.mock"),
    ):
        amorsize.execute(shop.helper, range(4), backend="spawn", n_jobs=2, history=None)


def test_a_context_variable_that_is_set(shop: Any) -> None:
    def look() -> dict[str, Any]:
        shop.NAME.set("acme")
        return values(shop.price)

    assert contextvars.copy_context().run(look)["NAME"] == "acme"
    assert "NAME" not in values(shop.price)


def test_modules_that_a_fresh_interpreter_cannot_import(tmp_path: Path) -> None:
    path = tmp_path / "plug.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("plugs.first", path)
    assert spec is not None and spec.loader is not None
    plug = sys.modules["plugs.first"] = importlib.util.module_from_spec(spec)
    made = sys.modules["made_by_hand"] = types.ModuleType("made_by_hand")
    try:
        spec.loader.exec_module(plug)
        exec(SOURCE, vars(made))
        assert caller_state(plug.price).by_value == ["plugs.first"]
        assert caller_state(made.price).by_value == ["made_by_hand"]
        assert caller_state(lambda item: plug.price(item)).by_value == ["plugs.first"]
        assert caller_state(plug.price).values == []  # they go with the functions
    finally:
        del sys.modules["plugs.first"], sys.modules["made_by_hand"]


def test_containers_are_filled_anew_and_stay_the_same_objects(shop: Any) -> None:
    table = shop.TABLE
    put([("shop_of_state", ("TABLE",), {"b": 2}), ("shop_of_state", ("Price", "tax"), 9)])
    assert shop.TABLE is table and table == {"b": 2}
    assert shop.Price.tax == 9


def test_settings_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = sys.getrecursionlimit()
    monkeypatch.setenv("OF_THE_CALLER", "1")
    found = settings()
    try:
        sys.setrecursionlimit(limit + 17)
        monkeypatch.delenv("OF_THE_CALLER")
        adopt_environment(found)
        adopt(found)
        assert repr(settings()) == repr(found)
        assert sys.getrecursionlimit() == limit
    finally:
        sys.setrecursionlimit(limit)


def test_what_is_plain() -> None:
    class Text(str):
        pass

    endless: list[Any] = []
    endless.append(endless)
    assert is_plain([1, "a", {"b": (2.0, None)}, {3}])
    assert not any(map(is_plain, (Text("a"), [object()], endless, list(range(20_000)))))
