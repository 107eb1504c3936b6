"""Checkpoints and what changes between two runs: rows, keys, the function, what failed."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.checkpoints import BACKENDS, Failing

import amorsize
from amorsize import (
    AmorsizeWarning,
    CheckpointError,
    ItemError,
    NotRun,
    OptionError,
    execute,
    stream,
)

pytestmark = pytest.mark.timeout(60)


class Counting:
    """Squares, and counts its calls; as a coroutine function, too."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def plain(self, item: Any) -> Any:
        self.calls.append(item)
        return repr(item)

    async def coroutine(self, item: Any) -> Any:
        await asyncio.sleep(0)
        return self.plain(item)

    def take(self) -> Counter[str]:
        """The calls since this was asked last, by their items."""
        calls, self.calls = self.calls, []
        return Counter(map(repr, calls))


async def _alist(results: Any) -> list[Any]:
    return [value async for value in results]


WAYS: dict[str, Callable[..., list[Any]]] = {
    "list": lambda f, data, **o: execute(f.plain, data, **o),
    "threads": lambda f, data, **o: execute(f.plain, data, backend="threads", **o),
    "source": lambda f, data, **o: execute(f.plain, iter(data), **o),
    "stream": lambda f, data, **o: list(stream(f.plain, data, **o)),
    "streamed source": lambda f, data, **o: list(stream(f.plain, iter(data), **o)),
    "coroutine": lambda f, data, **o: execute(f.coroutine, data, **o),
    "coroutine stream": lambda f, data, **o: list(stream(f.coroutine, iter(data), **o)),
    "aexecute": lambda f, data, **o: asyncio.run(amorsize.aexecute(f.coroutine, data, **o)),
    "astream": lambda f, data, **o: asyncio.run(_alist(amorsize.astream(f.coroutine, data, **o))),
    "beside": lambda f, data, **o: asyncio.run(amorsize.aexecute(f.plain, data, **o)),
}


def edited(data: list[Any], chance: random.Random) -> list[Any]:
    """The rows with some added, changed, removed, doubled and moved."""
    made = list(data)
    for _ in range(max(3, len(made) // 10)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(5):
            case 0:
                made.insert(at, (chance.randrange(40), "new"))
            case 1 if made:
                made[at - 1] = (chance.randrange(40), "changed")
            case 2 if made:
                del made[at - 1]
            case 3 if made:
                made.insert(at, made[at - 1])
            case _:
                chance.shuffle(made)
    return made


@pytest.mark.parametrize("way", WAYS)
def test_edited_rows_run_what_is_new_and_nothing_else(way: str, path: str) -> None:
    """Against a count: of equal rows as many run as there were never before."""
    chance = random.Random(way)
    function, run = Counting(), WAYS[way]
    data: list[Any] = [(number, "old") for number in range(60)]
    most: Counter[str] = Counter()
    for _ in range(8):
        assert run(function, data, checkpoint=path, history=None) == list(map(repr, data))
        now = Counter(map(repr, data))
        assert function.take() == now - most
        most |= now
        data = edited(data, chance)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_held_of_equal_items_is_used_before_one_runs(way: str, path: str) -> None:
    """The first of three was not done, as if it had been in flight when the run was killed."""
    function, run = Counting(), WAYS[way]
    run(function, ["a", "a", "a", "b"], checkpoint=path, history=None)
    function.take()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM results WHERE length(name) = 16 AND label = '\"a\"'")
    connection.close()
    for data, calls in ((["b", "a"], 0), (["a", "b", "a"], 0), (["a"] * 4, 2), (["a"] * 5, 1)):
        assert run(function, data, checkpoint=path, history=None) == list(map(repr, data))
        assert sum(function.take().values()) == calls


@pytest.mark.parametrize("way", WAYS)
def test_a_key_decides_what_is_new(way: str, path: str) -> None:
    function, run = Counting(), WAYS[way]
    rows = [{"id": number, "seen": 1} for number in range(20)]

    def go(rows: list[Any], prompt: str) -> list[Any]:
        key = lambda row: (row["id"], prompt)  # noqa: E731
        return run(function, rows, checkpoint=path, history=None, key=key)

    first = go(rows, "v1")
    assert sum(function.take().values()) == 20
    seen = [{**row, "seen": 2} for row in reversed(rows)]
    assert go(seen, "v1") == first[::-1], "what the key does not name may change"
    assert not function.take()
    added = [{"id": 99, "seen": 1}, *seen]
    assert go(added, "v1") == [repr(added[0]), *first[::-1]]
    assert list(function.take()) == [repr(added[0])]
    assert go(rows, "v2") == first, "another version of the prompt: all run again"
    assert sum(function.take().values()) == 20


@pytest.mark.parametrize("way", ["list", "streamed source", "coroutine"])
def test_one_key_for_unequal_items_is_an_error(way: str, path: str) -> None:
    function, run = Counting(), WAYS[way]
    data = [(1, "a"), (2, "b"), (1, "a"), (1, "c")]
    with pytest.raises(OptionError, match="gives 1 for item 0 and for item 3"):
        run(function, data, checkpoint=path, key=lambda row: row[0])
    function.take()
    with pytest.raises(OptionError, match=r"raised KeyError .* for item 1"):
        run(function, [{"id": 1}, {}], checkpoint=path + "2", key=lambda row: row["id"])


def test_items_that_nothing_tells_apart_are_refused_without_a_key(path: str) -> None:
    locks = [threading.Lock() for _ in range(3)]
    with pytest.raises(OptionError, match=r"item 0 cannot be known again by its content.*key="):
        execute(type, locks, checkpoint=path)
    found = execute(type, locks, checkpoint=path, key=_number())
    assert found == [type(locks[0])] * 3
    with pytest.raises(OptionError, match="not equal"):
        execute(type, locks, checkpoint=path, key=lambda lock: 1)
    with pytest.raises(OptionError, match="what it gives for item 0 cannot be known"):
        execute(type, locks, checkpoint=path, key=lambda lock: lock)


def _number() -> Callable[[Any], int]:
    numbers = iter(range(100))
    return lambda item: next(numbers)


def test_options_of_a_checkpoint_need_one(path: str) -> None:
    for options in ({"key": len}, {"retry_failed": True}):
        with pytest.raises(OptionError, match="checkpoint"):
            execute(len, ["a"], **options)
    for wrong in ({"key": 3}, {"retry_failed": 1}):
        with pytest.raises(TypeError):
            execute(len, ["a"], checkpoint=path, **wrong)


def test_changed_code_is_refused(path: str) -> None:
    execute(lambda item: item + 1, range(10), checkpoint=path)
    before = Path(path).read_bytes()
    with pytest.raises(CheckpointError, match=r"another function.*key=.*remove the file"):
        execute(lambda item: item + 2, range(10), checkpoint=path)
    assert Path(path).read_bytes() == before
    assert execute(lambda item: item + 1, range(10), checkpoint=path) == list(range(1, 11))


def test_changed_code_is_told_where_a_key_decides(path: str, recwarn: Any) -> None:
    options: dict[str, Any] = {"checkpoint": path, "key": lambda item: item}
    execute(lambda item: item + 1, range(10), **options)
    assert not recwarn.list
    with pytest.warns(AmorsizeWarning, match="other code"):
        found = execute(lambda item: item + 2, range(11), **options)
    assert found == [*range(1, 11), 12]
    with pytest.raises(CheckpointError, match="by their key"):
        execute(lambda item: item + 2, range(10), checkpoint=path)
    execute(str, range(3), checkpoint=path + "2")
    with pytest.raises(CheckpointError, match="by their content"):
        execute(str, range(3), checkpoint=path + "2", key=lambda item: item)


def test_a_journal_by_positions_is_refused_with_a_way_out(path: str) -> None:
    execute(abs, [1], checkpoint=path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=1")
    connection.close()
    with pytest.raises(CheckpointError, match=r"earlier amorsize.*name another"):
        execute(abs, [1], checkpoint=path)


class Mutable:
    """Has no attributes."""


def test_objects_without_content_are_told_apart_by_their_number(path: str) -> None:
    for _ in range(2):
        assert execute(_name, [Mutable(), Mutable()], checkpoint=path) == ["Mutable"] * 2


def _name(item: object) -> str:
    return type(item).__name__


def test_arrays_are_known_again(path: str) -> None:
    numpy = pytest.importorskip("numpy")
    rows = numpy.arange(30_000.0).reshape(10, 3000)
    function = Counting()
    assert execute(function.plain, rows, checkpoint=path) == list(map(repr, rows))
    assert sum(function.take().values()) == 10
    assert execute(function.plain, rows.copy(), checkpoint=path) == list(map(repr, rows))
    rows[9, 1500] = 0
    assert execute(function.plain, rows, checkpoint=path) == list(map(repr, rows))
    assert sum(function.take().values()) == 1


def test_items_that_change_in_place_are_known_as_they_were(path: str) -> None:
    def consume(item: list[int]) -> int:
        item.append(0)
        return len(item)

    for kind in (list, iter):
        for _ in range(2):
            data = [[number] for number in range(20)]
            assert execute(consume, kind(data), n_jobs=1, checkpoint=path) == [2] * 20
        os.unlink(path)


def test_a_seed_makes_the_position_count(path: str) -> None:
    pytest.importorskip("numpy")
    options: dict[str, Any] = {"checkpoint": path, "seed": 3, "n_jobs": 1}

    def draw(item: str) -> float:
        return float(amorsize.item_rng().random())

    async def adraw(item: str) -> float:
        return draw(item)

    for data in (["a", "b", "c"], ["b", "a", "c", "a"]):
        expected = execute(draw, data, seed=3)
        assert execute(draw, data, **options) == expected
        assert list(stream(draw, iter(data), **options)) == expected
        assert execute(adraw, data, **{**options, "checkpoint": path + "2"}) == expected


# -- what failed -------------------------------------------------------------------------------------


class Answer(Exception):
    """As a client of a server raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status_code = status


statuses: dict[int, int] = {}
"""What the server answers to some items; no part of the function."""
asked: list[int] = []


class Server:
    """Answers some items with a status, as long as it is not mended."""

    def __init__(self, answers: dict[int, int]) -> None:
        asked.clear()
        self.mend(answers)

    def mend(self, answers: dict[int, int]) -> None:
        statuses.clear()
        statuses.update(answers)

    def plain(self, item: int) -> int:
        asked.append(item)
        if item in statuses:
            raise Answer(statuses[item])
        return item

    async def coroutine(self, item: int) -> int:
        return self.plain(item)

    def take(self) -> list[int]:
        calls = sorted(asked)
        asked.clear()
        return calls


@pytest.mark.parametrize("form", ["pickle", "json"])
@pytest.mark.parametrize("on_error", ["collect", "skip"])
@pytest.mark.parametrize("way", WAYS)
def test_bad_requests_run_again_only_when_asked(
    way: str, on_error: str, form: str, path: str
) -> None:
    server, run = Server({3: 400, 5: 500, 7: 401}), WAYS[way]
    options: dict[str, Any] = {"checkpoint": path, "on_error": on_error, "checkpoint_format": form}
    for calls in (list(range(10)), [5, 7]):
        found = run(server, list(range(10)), **options)
        assert server.take() == calls
        if on_error == "skip":
            assert found == [0, 1, 2, 4, 6, 8, 9]
        else:
            assert [one.index for one in found if isinstance(one, ItemError)] == [3, 5, 7]
            assert "400" in str(found[3].exception)
            assert form == "json" or found[3].exception.status_code == 400
    server.mend({5: 500})
    found = run(server, list(range(-1, 10)), retry_failed=True, **options)
    assert server.take() == [3, 5, 7], "only what failed"
    if on_error == "collect":
        assert isinstance(found[0].exception, NotRun)
        assert found[1:6] == [0, 1, 2, 3, 4]
        assert found[6].index == 6
    else:
        assert found == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    server.mend({})
    assert run(server, list(range(-1, 10)), **options) == list(range(-1, 10))
    assert server.take() == [-1, 5]


@pytest.mark.parametrize("way", WAYS)
def test_an_error_that_ends_the_run_is_a_failure_to_retry(way: str, path: str) -> None:
    server, run = Server({0: 400}), WAYS[way]
    for _ in range(2):
        with pytest.raises(Answer):
            run(server, [0], checkpoint=path)
    server.mend({})
    with pytest.raises(NotRun, match="item 1 is new"):
        run(server, [0, 1], checkpoint=path, retry_failed=True)
    assert run(server, [0], checkpoint=path, retry_failed=True) == [0]
    assert run(server, [0, 1], checkpoint=path) == [0, 1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_what_failed_runs_on_every_backend(backend: str, path: str, tmp_path: Path) -> None:
    function = Failing(tmp_path / "log", tmp_path / "mended", 30, 70)
    options: dict[str, Any] = {"backend": backend, "on_error": "collect", "checkpoint": path}
    execute(function, range(100), **options)
    (tmp_path / "mended").touch()
    found = execute(function, range(99, -1, -1), retry_failed=True, **options)
    assert found == [item * item for item in range(99, -1, -1)]
    calls = function.calls()
    assert {calls[30], calls[70]} == {2}
    assert sum(calls.values()) == 102
