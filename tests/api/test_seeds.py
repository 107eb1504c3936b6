"""``seed=``: an item's random numbers depend on the seed and its position, on nothing else."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize

pytestmark = pytest.mark.timeout(60)
BACKENDS = ["auto", "serial", "threads", "fork", "spawn"]
COUNT = 120


def draw(item: int) -> tuple[int, float]:
    """Takes long enough for more than one worker to have its share."""
    sum(range(4000))
    return item, float(amorsize.item_rng().random())


def expected(seed: int | tuple[int, ...], count: int = COUNT) -> list[tuple[int, float]]:
    """By NumPy alone."""
    children = np.random.SeedSequence(seed).spawn(count)
    return [(i, float(np.random.default_rng(child).random())) for i, child in enumerate(children)]


KINDS: dict[str, Callable[[], Iterable[int]]] = {
    "range": lambda: range(COUNT),
    "list": lambda: list(range(COUNT)),
    "array": lambda: np.arange(COUNT),
    "iterator": lambda: iter(range(COUNT)),
    "keys": lambda: dict.fromkeys(range(COUNT)).keys(),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_numpy_alone(backend: str, kind: str) -> None:
    assert amorsize.execute(draw, KINDS[kind](), backend=backend, seed=42) == expected(42)


@pytest.mark.parametrize("backend", BACKENDS)
def test_whoever_runs_it_and_in_which_pieces(backend: str) -> None:
    for n_jobs, chunksize in ((1, "auto"), (2, 1), (3, 7)):
        options = {"backend": backend, "n_jobs": n_jobs, "chunksize": chunksize, "seed": (3, 5)}
        assert amorsize.execute(draw, range(COUNT), **options) == expected((3, 5))
        assert list(amorsize.stream(draw, iter(range(COUNT)), **options)) == expected((3, 5))
    found = amorsize.stream(draw, range(COUNT), backend=backend, seed=8, ordered=False)
    assert sorted(found) == expected(8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_plan_and_a_time_limit(backend: str) -> None:
    assert amorsize.optimize(draw, range(COUNT), backend=backend, seed=1).execute() == expected(1)
    if backend != "serial":
        assert amorsize.execute(
            draw, range(COUNT), backend=backend, seed=1, timeout=30
        ) == expected(1)


class StopsAt:
    """Raises at one item while a file is there."""

    def __init__(self, index: int, path: Path) -> None:
        self.index, self.path = index, str(path)

    def __call__(self, item: int) -> tuple[int, float]:
        if item == self.index and Path(self.path).exists():
            raise LookupError
        return draw(item)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
def test_a_run_that_goes_on(backend: str, lazy: bool, tmp_path: Path) -> None:
    stops, journal = tmp_path / "stops", tmp_path / "journal"
    stops.touch()
    func = StopsAt(40, stops)

    def run(seed: int = 9) -> list[tuple[int, float]]:
        data = iter(range(COUNT)) if lazy else range(COUNT)
        return amorsize.execute(
            func, data, backend=backend, seed=seed, checkpoint=journal, n_jobs=2
        )

    with pytest.raises(LookupError):
        run()
    stops.unlink()
    with pytest.raises(amorsize.CheckpointError, match="another seed"):
        run(seed=10)
    assert run() == expected(9)


def retried(item: int) -> tuple[int, float]:
    """Each item fails once in each process, after it has drawn."""
    value = draw(item)
    if item % 40 == 0 and item not in _failed:
        _failed.add(item)
        raise OSError
    return value


_failed: set[int] = set()


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_try_draws_the_same(backend: str) -> None:
    _failed.clear()
    # A second worker may meet an item that has failed in the first one only.
    options = {"seed": 7, "retries": 3, "n_jobs": 2}
    assert amorsize.execute(retried, range(COUNT), backend=backend, **options) == expected(7)


def twice(item: int) -> bool:
    rng = amorsize.item_rng()
    first = rng.random()
    return amorsize.item_rng() is rng and amorsize.item_rng().random() != first


def test_within_an_item_it_is_one_generator() -> None:
    assert amorsize.execute(twice, range(50), seed=0) == [True] * 50


def inner(item: int) -> list[float]:
    return amorsize.execute(lambda _: float(amorsize.item_rng().random()), range(3))


def test_a_run_inside_of_an_item_draws_from_it() -> None:
    found = amorsize.execute(inner, range(20), seed=5, n_jobs=1)
    rngs = [np.random.default_rng(child) for child in np.random.SeedSequence(5).spawn(20)]
    assert found == [[float(rng.random()) for _ in range(3)] for rng in rngs]


def test_outside_of_a_seeded_run_it_is_new_each_time() -> None:
    assert amorsize.item_rng().random() != amorsize.item_rng().random()


def unseeded(item: int) -> tuple[float, float, float]:
    sum(range(4000))
    return random.random(), float(np.random.random()), float(amorsize.item_rng().random())


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_without_a_seed_workers_share_no_random_state(backend: str) -> None:
    """Each of the standard library's, NumPy's global and the item's own: no number comes twice."""
    random.seed(1)
    np.random.seed(1)
    drawn = amorsize.execute(unseeded, range(400), backend=backend, n_jobs=4, chunksize=5)
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 400


@settings(max_examples=60, deadline=None)
@given(
    seed=st.one_of(st.integers(0, 2**200), st.lists(st.integers(0, 2**40), min_size=1, max_size=3)),
    index=st.integers(0, 10_000),
)
def test_any_seed_at_any_position(seed: int | list[int], index: int) -> None:
    child = np.random.SeedSequence(seed).spawn(index + 1)[index]
    numbers = amorsize.items.seeding.Seeded(
        lambda item: amorsize.item_rng().integers(0, 2**60, 3), seed
    )
    assert list(numbers((index, None))) == list(np.random.default_rng(child).integers(0, 2**60, 3))


def test_an_error_is_the_items_own() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        amorsize.execute(lambda x: 1 // (x - 30), range(60), seed=1)
    assert caught.value.__notes__ == ["amorsize: raised by item 30 of the data"]


def test_the_source_is_left_open_at_its_end_and_closed_when_abandoned(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("x\n" * 2000)
    with path.open() as lines:
        assert len(amorsize.execute(len, lines, seed=1)) == 2000
        assert not lines.closed
    with path.open() as lines:
        stream = amorsize.stream(len, lines, seed=1)
        assert next(stream) == 2
        stream.close()
        assert lines.closed


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (-1, "must not be negative"),
        ((1, -2), "must not be negative"),
        (1.5, "must be a whole number"),
        (True, "must be a whole number"),
        ("7", "must be a whole number"),
        ((), "holds no number"),
    ],
)
def test_seeds_that_are_none(seed: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"seed=.*{words}"):
        amorsize.execute(abs, [1], seed=seed)


def test_without_it_numpy_is_not_loaded() -> None:
    program = (
        "import amorsize, sys; amorsize.execute(abs, [1] * 9); assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=150)
