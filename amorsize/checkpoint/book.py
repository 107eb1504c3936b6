"""What a journal says of the items of one run: held, to be run, or not to be run.

::

    item --ItemNames--> name --journal--> done              -> its result
                                          a bad request     -> its error, unless it is to be tried again
                                          failed, or new    -> to be run
"""

from __future__ import annotations

from amorsize.checkpoint import rows
from amorsize.checkpoint.journal import SEED, Journal
from amorsize.checkpoint.names import ItemNames, Named
from amorsize.errors import AmorsizeWarning, ItemError, NotRun
from amorsize.inspection.fingerprint import fingerprint
from amorsize.items.timed import TimedResult, untimed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize.core.options import Options


class Held:
    """An item that is not to be run: its position, and the row of what stands for it."""

    __slots__ = ("index", "row")

    def __init__(self, index: int, row: int | None) -> None:
        self.index, self.row = index, row
        """``row`` is None for an item that is new, where only failed ones are to run."""


class Book:
    """The journal of one run, and the names of its items."""

    def __init__(self, func: Callable[[Any], Any], options: Options) -> None:
        assert options.checkpoint is not None
        self._on_error, self._retry_failed = options.on_error, options.retry_failed
        self._seeded = options.seed is not None
        self._timed = untimed(func) is not func
        """Whether this run asks for the times of items, too."""
        self.journal = journal = Journal(options.checkpoint, options.checkpoint_format)
        try:
            function = fingerprint(untimed(func), journal.secret)
            if options.seed is not None:
                function += f"{SEED}{options.seed}"
            if journal.bind(function, keyed=options.key is not None):
                _warn_of_code(journal.path)
        except BaseException:
            journal.close()
            raise
        self._names = ItemNames(
            journal.secret, options.key, journal.done, journal.failed, by_position=self._seeded
        )
        self.knows_length = not (journal.done or journal.failed or self._retry_failed)
        """Whether no item can be held, so that as many are left as there are data."""

    def look_up(self, index: int, item: Any) -> Held | Named:
        """The name of the item at ``index`` where it is to be run, else what is held of it."""
        named = self._names.named(index, item)
        row = self.journal.done.get(named.name)
        if row is not None:
            return Held(index, row)
        failed, state = self.journal.failed.get(named.name, (None, None))
        if failed is None:
            if not self._retry_failed:
                return named
            if self._on_error == "raise":
                raise _is_new(index)
            return Held(index, None)
        if state == rows.REJECTED and not self._retry_failed and self._on_error != "raise":
            return Held(index, failed)
        return named

    def look_up_pair(self, index: int, item: Any) -> Held | Named:
        """The same of an item of a run in which ``seed`` has put its position beside it."""
        return self.look_up(index, item[1] if self._seeded else item)

    def results(self, held: Sequence[Held]) -> Iterator[tuple[int, Any]]:
        """Position and result of each of these, in their order."""
        values = self.journal.values([one.row for one in held if one.row is not None])
        for one in held:
            if one.row is None:
                yield one.index, ItemError(one.index, _is_new(one.index))
                continue
            name, value = next(values)
            if name not in self.journal.done:
                value = ItemError(one.index, *value)
            elif type(value) is TimedResult and not self._timed:
                value = value[2]
            yield one.index, value


def _is_new(index: int) -> NotRun:
    return NotRun(
        f"retry_failed=True runs only what failed before, and item {index} is new: leave retry_failed "
        "out to run what is new, too"
    )


def _warn_of_code(path: str) -> None:
    import warnings

    warnings.warn(
        f"checkpoint {path} was begun with other code of the function, or another Python: its results "
        "are used, as the key decides; put a version into the key to have the items run again",
        AmorsizeWarning,
        stacklevel=6,
    )
