"""Watches one item of the caller's own before workers are considered: what does the function change?

::

    policy --WatchItem--> ask --> LocalLoop runs one item --begin (first look) ... end (second look)-->
    findings --> Lookups: the verdict joins what the function's code says (Facts.safety)

The looks are :mod:`amorsize.inspection.watch`.
"""

from __future__ import annotations

from amorsize.core.frozen import replace
from amorsize.inspection.watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.model import Safety
    from amorsize.inspection.watch import Verdict


UNCHANGING = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset, range)
ONE_BY_ONE = "an item of its data is good only until the next one is read"


class ItemWatch:
    """The watch of one run. Used by the caller's thread only."""

    def __init__(self, func: Any, *, numbered: bool) -> None:
        self._func, self._numbered = func, numbered
        self.asked = False
        """Whether the next item is to be watched."""
        self.verdict: Verdict | None = None
        self._number = 0
        self._item: Any = None
        self._reused = False
        self._watch: Watch | None = None

    @property
    def is_open(self) -> bool:
        """Whether an item runs between the two looks."""
        return self._watch is not None

    def ask(self) -> None:
        """Watch the next item."""
        self.asked = True

    def begin(self, items: Sequence[Any], done: int) -> None:
        """The first look, at the item that runs next; there may be none."""
        self.asked = False
        if not len(items):
            return
        item = items[0][1] if self._numbered else items[0]
        self._number = done + 1
        self._watch, self._item = Watch(self._func, item), item

    def end(self) -> None:
        """The second look, after the item."""
        watch, self._watch = self._watch, None
        if watch is not None:
            self.verdict = watch.verdict()

    def look_ahead(self, ahead: Callable[[int], Sequence[Any]]) -> None:
        """Read the next item, and see what that changes: the last item (a buffer that the source fills
        again, an element that it clears), or something else that the function reaches."""
        item, self._item = self._item, None
        watch = Watch(self._func, item)
        for following in ahead(1):
            if self._numbered:
                following = following[1]
            self._reused = following is item and type(item) not in UNCHANGING
        self._reused = self._reused or bool(watch.verdict().changed)

    def joined(self, safety: Safety) -> Safety:
        """What the code says, and what was seen."""
        verdict = self.verdict
        if verdict is None:
            return safety
        caller, processes = safety.caller_only, safety.no_processes
        if self._reused:
            caller = caller or ONE_BY_ONE
        changed = [name for name in verdict.changed if name != "the item"]
        if changed:
            caller = caller or verdict.sentence(self._number)
        if verdict.item_changed:
            processes = processes or verdict.sentence(self._number)
        if verdict.left_open:
            processes = processes or f"item {self._number} left {verdict.left_open[0]} open"
        draws = safety.draws or ("the global random state" if verdict.drew_random else None)
        watched = f"item {self._number} was watched"
        if verdict.changed:
            watched = verdict.sentence(self._number)
        elif verdict.cut_short:
            watched += f", in part: {verdict.cut_short}"
        elif verdict.unwatched:
            watched += f", but for {verdict.unwatched[0]}, which does not show its state"
        else:
            watched += ": it changed nothing"
        return replace(
            safety, caller_only=caller, no_processes=processes, draws=draws, watched=watched
        )
