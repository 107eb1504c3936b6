"""What runs have found of servers is kept with the history, and what is no level is none."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest

from amorsize.core.refusal import Level
from amorsize.history import open_history
from amorsize.history.memory import MemoryHistory
from amorsize.inspection.fingerprint import fingerprint
from amorsize.learning import levels
from amorsize.learning.levels import NOTE, keep_level, recall_level

LEVELS = [
    Level(20),
    Level(300, growing=False, cap=290.0),
    Level(7, rate=50.5, burst=100.0, in_windows=True),
]


def ask(item: int) -> int:
    return item


def other(item: int) -> int:
    return item + 1


@pytest.fixture(params=["file", "memory"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    tmp_path.chmod(0o700)
    return str(tmp_path / "history.sqlite") if request.param == "file" else MemoryHistory()


@pytest.mark.parametrize("level", LEVELS)
def test_the_last_one_of_a_function_comes_back(history: Any, level: Level) -> None:
    assert recall_level(ask, history) is None
    keep_level(ask, history, Level(1))
    keep_level(other, history, Level(2))
    keep_level(ask, history, level)
    assert recall_level(ask, history) == level
    assert recall_level(other, history) == Level(2)
    assert recall_level(lambda item: item, history) is None
    assert recall_level(ask, None) is None


def test_the_newest_functions_are_kept(history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "MOST_FUNCTIONS", 3)
    functions = [eval(f"lambda item: item + {number}") for number in range(5)]
    times = iter(range(100, 200))
    monkeypatch.setattr(levels.time, "time", lambda: next(times))
    for number, function in enumerate(functions, 1):
        keep_level(function, history, Level(number))
    found = [recall_level(function, history) for function in functions]
    assert found == [None, None, Level(3), Level(4), Level(5)]


BAD = [
    [], 3, "text", [0, True, None, None, None, False, 1], [5, True, -1, None, None, False, 1],
    [5, True, None, None, None, 1], ["5", True, None, None, None, False, 1],
    [5, True, None, "x", None, False, 1], [1 << 60, True, None, None, None, False, 1],
]  # fmt: skip


@pytest.mark.parametrize("row", BAD, ids=repr)
def test_what_is_no_level_is_none(row: object, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = str(tmp_path / "history.sqlite")
    with open_history(path) as opened:
        opened.set_note(NOTE, json.dumps({fingerprint(ask, opened.key): row}))
    assert recall_level(ask, path) is None
    keep_level(ask, path, Level(9))
    assert recall_level(ask, path) == Level(9)


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_note_that_cannot_be_read_is_made_anew(text: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = str(tmp_path / "history.sqlite")
    with open_history(path) as opened:
        opened.set_note(NOTE, text)
    assert recall_level(ask, path) is None
    keep_level(ask, path, Level(9, rate=inf))
    assert recall_level(ask, path) == Level(9)
