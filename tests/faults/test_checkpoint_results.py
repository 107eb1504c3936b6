"""What a checkpoint holds of results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.work import burn

from amorsize import CheckpointError, execute, stream
from amorsize.checkpoint import rows as checkpoint_rows

pytestmark = pytest.mark.timeout(60)
ROOT = Path(__file__).resolve().parent.parent.parent


def test_json_holds_what_it_gives_back(path: str) -> None:
    data: list[Any] = [1, 1.5, "a\ud800", None, True, [1, [2]], {"a": {"b": []}}, float("nan")]
    options: dict[str, Any] = {"checkpoint": path, "checkpoint_format": "json"}
    first = execute(_same, data, **options)
    assert list(map(repr, execute(_same, data, **options))) == list(map(repr, first))
    with pytest.raises(CheckpointError, match="checkpoint_format='json'"):
        execute(_same, data, checkpoint=path)
    os.unlink(path)
    for value in ((1, 2), {1: 2}, {1, 2}, b"x"):
        with pytest.raises(CheckpointError, match=r"item 0.*checkpoint_format='pickle'"):
            execute(_same, [value], **options)


def _same(item: Any) -> Any:
    return item


def test_results_that_cannot_be_pickled_say_so(path: str) -> None:
    with pytest.raises(CheckpointError, match="item 0, of type generator"):
        execute(_generator, [1], n_jobs=1, checkpoint=path)


def _generator(item: int) -> Iterator[int]:
    yield item


def test_results_larger_than_a_value_may_be(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_rows, "PART_BYTES", 1000)
    data = [0, 1, 900, 1000, 4000, 100_000]
    expected = [bytes(size) for size in data]
    for _ in range(2):
        assert execute(bytes, data, checkpoint=path) == expected


def test_a_result_is_held_as_it_was_given(path: str) -> None:
    """The consumer of a stream may change what it gets."""
    for _ in range(2):
        results = stream(_boxed, range(20), checkpoint=path, n_jobs=1)
        for number, result in enumerate(results):
            assert result == [number]
            result.append("changed")


def _boxed(item: int) -> list[Any]:
    return [item]


def test_without_a_checkpoint_nothing_is_loaded() -> None:
    code = (
        "import sys, amorsize\n"
        "amorsize.execute(abs, range(1000), history=None)\n"
        "print([m for m in ('sqlite3', 'amorsize.checkpoint.journal', 'amorsize.engine.checkpointed')"
        " if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_threads_behind_a_long_item_are_journaled_meanwhile(path: str) -> None:
    """The caller is in one long item; what threads do beside it is in the journal before it ends."""
    results = stream(_waits_first, range(40), checkpoint=path)
    assert next(results) == 0
    results.close()
    assert burn(0.0) == 0.0
    assert execute(_waits_first, range(40), checkpoint=path) == list(range(40))


def _waits_first(item: int) -> int:
    time.sleep(0.2 if item == 0 else 0.01)
    return item
