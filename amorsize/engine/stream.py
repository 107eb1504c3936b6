"""What ``stream`` gives out: an iterator that costs the consumer next to nothing.

::

    Engine.drive --runs of results--> marked (nested calls) --> chain (in C) --> consumer

The engine yields *runs*, iterators of results that are computed as they are asked for; ``chain`` strings
them together in C, where a generator around a generator would cost 20 ns an item.
"""

from __future__ import annotations

from itertools import chain

from amorsize.core import nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    Chain = chain[Any]
else:
    Chain = chain


class Stream(Chain):
    """The results of one run, one after the other."""

    _runs: Generator[Iterable[Any], None, None]

    def close(self) -> None:
        """End the run: its workers, its threads and its source. Nothing comes out any more."""
        self._runs.close()

    def throw(self, error: BaseException) -> Any:
        """End the run as one that failed, and raise the error (as generators do)."""
        return self._runs.throw(error)


def stream_of(runs: Generator[Iterable[Any], None, None]) -> Stream:
    """The results of ``runs``."""
    between_turns = _marked(runs)
    made = Stream.from_iterable(between_turns)
    assert isinstance(made, Stream)
    made._runs = between_turns
    return made


def _marked(
    runs: Generator[Iterable[Any], None, None],
) -> Generator[Iterable[Any], None, None]:
    """The runs. The thread counts as inside a run while it works for one, and not while its consumer
    does."""
    while True:
        entered = nesting.enter()
        try:
            run = next(runs, None)
        finally:
            if entered:
                nesting.leave()
        if run is None:
            return
        try:
            yield run
        except BaseException as error:
            # The consumer leaves, perhaps in the middle of a run, which would go on giving results.
            close = getattr(run, "close", None)
            if close is not None:
                close()
            if isinstance(error, GeneratorExit):
                runs.close()
            else:
                runs.throw(error)
            raise
