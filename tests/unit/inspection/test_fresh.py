"""What a fresh interpreter has not is named; what it has is not."""

from __future__ import annotations

import contextvars
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amorsize.inspection.fresh import fresh_refusal

SOURCE = """
import re
RATE = 3
TABLE = {"a": 1}
WORDS = re.compile("a+")
MADE = object()

class Price:
    tax = 1
    def of(self, item):
        return item * RATE

def price(item):
    return item * RATE

def listed(item):
    return TABLE["a"] + item, WORDS

def made(item):
    return MADE, item

def through(item):
    return Price().of(item)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "shop_of_mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("shop_of_mine")
    del sys.modules["shop_of_mine"]


@pytest.mark.parametrize("name", ["price", "listed", "through"])
def test_a_module_as_it_is_on_disk(shop: Any, name: str) -> None:
    assert fresh_refusal(getattr(shop, name)) is None


@pytest.mark.parametrize(("name", "value"), [("RATE", 5), ("TABLE", {"a": 2})])
def test_a_value_that_was_set(shop: Any, name: str, value: object) -> None:
    setattr(shop, name, value)
    func = shop.listed if name == "TABLE" else shop.through
    assert f"shop_of_mine.{name}" in (fresh_refusal(func) or "")


def test_a_function_or_method_that_was_replaced(shop: Any) -> None:
    def work(item: int) -> Any:
        return shop.price(item), shop.Price().of(item)

    assert fresh_refusal(work) is None
    own, shop.price = shop.price, lambda item: -item
    assert "price" in (fresh_refusal(lambda item: shop.price(item)) or "")
    shop.price = own
    shop.Price.of = lambda self, item: 0
    assert "of was replaced" in (fresh_refusal(shop.through) or "")


def test_a_value_that_is_no_literal(shop: Any) -> None:
    assert "MADE" in (fresh_refusal(shop.made) or "")


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("plugins.first", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["plugins.first"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = types.ModuleType("made_by_exec")
    exec(SOURCE, vars(made))
    try:
        assert "plugins.first" in (fresh_refusal(module.price) or "")
        assert "made_by_exec" in (fresh_refusal(made.price) or "")
    finally:
        del sys.modules["plugins.first"]


def test_settings_of_the_process(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 500)
    try:
        assert "recursion limit" in (fresh_refusal(shop.price) or "")
    finally:
        sys.setrecursionlimit(limit)


TENANT = contextvars.ContextVar("TENANT", default="nobody")


def reads_the_tenant(item: int) -> Any:
    return TENANT.get(), item


def test_a_context_variable_that_is_set() -> None:
    assert fresh_refusal(reads_the_tenant) is None
    token = TENANT.set("acme")
    try:
        assert "TENANT" in (fresh_refusal(reads_the_tenant) or "")
    finally:
        TENANT.reset(token)
