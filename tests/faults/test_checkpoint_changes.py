"""Checkpoints of another function or of other data are refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from amorsize import CheckpointError, execute

pytestmark = pytest.mark.timeout(60)


def test_changed_code_is_refused(path: str) -> None:
    execute(lambda item: item + 1, range(10), checkpoint=path)
    before = Path(path).read_bytes()
    with pytest.raises(CheckpointError, match=r"another function.*remove the file"):
        execute(lambda item: item + 2, range(10), checkpoint=path)
    assert Path(path).read_bytes() == before
    assert execute(lambda item: item + 1, range(10), checkpoint=path) == list(range(1, 11))


class Mutable:
    """Nothing is known of it."""


CHANGES: dict[str, tuple[Any, Any]] = {
    "longer": ([1, 2, 3], [1, 2, 3, 4]),
    "shorter": ([1, 2, 3], [1, 2]),
    "order": (["a", "b"], ["b", "a"]),
    "type": ([1, 2], [1, 2.0]),
    "bool": ([1, 2], [True, 2]),
    "tuples": ([(1, "a"), (2, "b")], [(1, "a"), (2, "c")]),
    "dicts": ([{"a": 1}, {"a": 2}], [{"a": 1}, {"a": 3}]),
    "text": ("abc", "abd"),
    "paths": ([Path("a")], [Path("b")]),
}


@pytest.mark.parametrize("as_source", [list, iter], ids=["list", "iterator"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_are_refused(change: str, as_source: Any, path: str) -> None:
    before, after = CHANGES[change]
    results = execute(repr, as_source(before), checkpoint=path)
    with pytest.raises(CheckpointError, match=r"(other data|items).*remove the file"):
        execute(repr, as_source(after), checkpoint=path)
    assert execute(repr, as_source(before), checkpoint=path) == results


def test_arrays_are_known_again(path: str) -> None:
    numpy = pytest.importorskip("numpy")
    rows = numpy.arange(300.0).reshape(100, 3)
    expected = [float(row.sum()) for row in rows]
    assert execute(_total, rows, checkpoint=path) == expected
    assert execute(_total, rows.copy(), checkpoint=path) == expected
    rows[99, 2] = 0
    with pytest.raises(CheckpointError, match="other data"):
        execute(_total, rows, checkpoint=path)


def _total(row: Any) -> float:
    return float(row.sum())


def test_items_that_change_in_place_are_not_taken_for_others(path: str) -> None:
    def consume(item: list[int]) -> int:
        item.append(0)
        return len(item)

    for kind in (list, iter):
        for _ in range(2):
            data = [[number] for number in range(20)]
            assert execute(consume, kind(data), n_jobs=1, checkpoint=path) == [2] * 20
        os.unlink(path)


def test_items_of_which_nothing_is_known_are_taken_as_they_are(path: str) -> None:
    for _ in range(2):
        assert execute(_name, [Mutable(), Mutable()], checkpoint=path) == ["Mutable"] * 2


def _name(item: object) -> str:
    return type(item).__name__
