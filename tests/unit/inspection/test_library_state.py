"""What a library keeps in its own modules: counters and lists are looked at, caches are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amorsize.inspection.watch import Watch

LIBRARY = """
from itertools import count
_number, _flag, _ids = 0, False, count()
_sent, _table, _cache_list = [], {}, []

class Client:
    def __init__(self):
        self.events = []

class Cache:
    def __init__(self):
        self.kept = []

_default, _kept = Client(), Cache()

def counts():
    global _number
    _number += 1
def appends():
    _sent.append(1)
def tells():
    _default.events.append(1)
def draws():
    return next(_ids)
def fills():
    _table[len(_table)] = 1
def caches():
    _kept.kept.append(1)
    _cache_list.append(1)
def begins():
    global _flag
    _flag = True
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A library that is installed for the test."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "installed_for_a_test.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(str(folder))
    import installed_for_a_test  # type: ignore[import-not-found]

    yield installed_for_a_test
    del sys.modules["installed_for_a_test"]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("counts", "`installed_for_a_test._number`"),
        ("appends", "`installed_for_a_test`"),
        ("tells", "`installed_for_a_test._default.events`"),
        ("draws", "`installed_for_a_test._ids`"),
        ("fills", None),
        ("caches", None),
        ("begins", None),
    ],
)
def test_what_a_library_keeps_in_its_module(library: Any, name: str, changed: str | None) -> None:
    """By an attribute of the module, and by the function itself."""
    func = getattr(library, name)

    def by_name(item: int) -> Any:
        return getattr(library, name)()

    def by_function(item: int) -> Any:
        return func()

    for one in (by_name, by_function):
        watch = Watch(one, 1)
        one(1)
        assert watch.verdict().changed == (() if changed is None else (changed,))
