"""What ``stream`` gives out: an iterator that costs the consumer next to nothing.

The engine yields *runs*, iterators of results that are computed as they are asked for; ``chain`` strings
them together in C, where a generator around a generator would cost 20 ns an item.
"""

from __future__ import annotations

from itertools import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from amorsize.engine.driver import Engine

    Chain = chain[Any]
else:
    Chain = chain


class Stream(Chain):
    """The results of one run, one after the other."""

    _engine: Engine
    _runs: Generator[Iterable[Any], None, None]

    def close(self) -> None:
        """End the run: its workers, its threads and its source. Nothing comes out any more."""
        self._close_present()
        self._runs.close()

    def throw(self, error: BaseException) -> Any:
        """End the run as one that failed, and raise the error (as generators do)."""
        self._close_present()
        return self._runs.throw(error)

    def _close_present(self) -> None:
        present = self._engine.present
        if hasattr(present, "close"):
            present.close()


def stream_of(engine: Engine, runs: Generator[Iterable[Any], None, None]) -> Stream:
    """The results of ``runs``, which belong to ``engine``."""
    made = Stream.from_iterable(runs)
    assert isinstance(made, Stream)
    made._engine, made._runs = engine, runs
    return made
