"""Items with a random generator of their own: ``seed=`` and :func:`item_rng`.

::

    data --numbered--> (position, item) --Seeded--> func(item), and item_rng() inside

The position travels with the item, so that the worker, the time and the items beside it do not matter.
Only runs with ``seed`` come through here; every other run calls the function itself.
"""

from __future__ import annotations

from _contextvars import ContextVar

from amorsize.items.kinds import is_indexed, is_snapshot, length_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from numpy.random import Generator

    Seed = int | tuple[int, ...]


class _Place:
    """Where a running item stands: what its generator is made of."""

    __slots__ = ("index", "rng", "seed")

    def __init__(self, seed: Seed, index: int) -> None:
        self.seed, self.index = seed, index
        self.rng: Generator | None = None


_item: ContextVar[_Place | None] = ContextVar("amorsize_item", default=None)


def enter(seed: Seed, index: int) -> None:
    """From now on, in this context, the item at ``index`` runs (a task has a context of its own)."""
    _item.set(_Place(seed, index))


class Seeded:
    """Calls ``func`` on the item of a pair (position, item)."""

    __slots__ = ("func", "seed")

    def __init__(self, func: Callable[[Any], Any], seed: Seed) -> None:
        self.func, self.seed = func, seed

    def __call__(self, pair: tuple[int, Any]) -> Any:
        before = _item.set(_Place(self.seed, pair[0]))
        try:
            return self.func(pair[1])
        finally:
            _item.reset(before)


def item_rng() -> Generator:
    """The random generator of the item that is running, a ``numpy.random.Generator``.

    In a run with ``seed=``, its numbers depend only on the seed and on the position of the item. So they
    are the same on every backend, with any number of workers and any size of chunks, and if the item runs
    again. The generator is
    ``numpy.random.default_rng(numpy.random.SeedSequence(seed).spawn(n)[position])``. A second call in the
    same item returns the same object, which goes on.

    Without ``seed``, outside of a run, and in a thread that the function has started, each call returns a
    new generator, seeded by the operating system. Workers never share one.

    >>> import amorsize
    >>> def throw(item):
    ...     return int(amorsize.item_rng().integers(1, 7))
    >>> amorsize.execute(throw, range(8), seed=42) == amorsize.execute(throw, range(8), seed=42, n_jobs=1)
    True

    O(1): about 20 µs for the first call in an item.
    """
    import numpy as np

    place = _item.get()
    if place is None:
        return np.random.default_rng()
    if place.rng is None:
        sequence = np.random.SeedSequence(place.seed, spawn_key=(place.index,))
        place.rng = np.random.default_rng(sequence)
    return place.rng


def numbered(data: Iterable[Any]) -> Numbered | Counted:
    """The data as pairs of position and item; indexed data stay indexed."""
    if is_indexed(data):
        return Numbered(data)  # type: ignore[arg-type]
    if is_snapshot(data):
        return Numbered(list(data))
    return Counted(data)


class Numbered:
    """Indexed data as pairs (position, item)."""

    indexed_by_amorsize = True

    def __init__(self, data: Sequence[Any]) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            places = range(*key.indices(len(self.data)))
            return list(zip(places, self.data[key], strict=True))
        return key, self.data[key]

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return enumerate(self.data)


class Counted:
    """A source that is read once, as pairs (position, item)."""

    def __init__(self, source: Iterable[Any]) -> None:
        self._total = length_of(source)
        self._iterator = iter(source)
        self.read_in = type(self._iterator).__module__
        """Module of the iterator's type: some are bound to a thread."""

    def __len__(self) -> int:
        if self._total is None:
            raise TypeError("the length of the source is not known")
        return self._total

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        try:
            yield from enumerate(self._iterator)
        except GeneratorExit:  # abandoned: so is the source
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
            raise
