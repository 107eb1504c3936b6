"""What a function finds in ``threading.local`` data, lent to the one thread that stands for its caller.

::

    caller:  ThreadData(func, items) ----------------------------- end(): takes back what it is now
    worker:  begin(): gets what the caller has --> items

Under a time limit no item runs in the caller. A single thread then does what the loop would do, and the
loop finds what the caller has set, and leaves there what its items set.
"""

from __future__ import annotations

import re
import sys

from amorsize.inspection.bindings import HELD_LOCK, THREAD_BOUND, binding
from amorsize.inspection.holding import held
from amorsize.inspection.known_names import BELONGS
from amorsize.inspection.listeners import HEARS_THIS_THREAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.core.model import Safety

KIND = "thread-local data"
OF_ITS_THREAD = (*set(THREAD_BOUND.values()), HELD_LOCK, HEARS_THIS_THREAD)
"""How reasons end that name something which belongs to the caller's thread."""
TELLING = re.compile(f"which thread|the signals to come|{BELONGS}|of the library|the next thread")
"""What other such reasons say: a signal is answered by the main thread, when it comes to that; a library
may keep its settings for each thread (scikit-learn does)."""


class ThreadData:
    """The ``threading.local`` objects that a function and items reach. Made in the caller."""

    def __init__(self, func: Any, items: Sequence[Any] = ()) -> None:
        found = held(func, items)
        pairs = zip(found.found, found.objects, strict=True)
        self._here = [(obj, _dict_of(obj)) for (_, kind), obj in pairs if kind == KIND]
        self._there: list[dict[str, Any]] = []

    def begin(self) -> None:
        """In the worker, before its first item."""
        there = []
        for local, here in self._here:
            mine = _dict_of(local)
            mine.update(here)
            there.append(mine)
        self._there = there

    def end(self) -> None:
        """In the caller, while the worker waits or has ended. What belongs to its thread stays there."""
        for (_, here), there in zip(self._here, self._there, strict=False):
            kept = {name: value for name, value in there.items() if here.get(name) is not value}
            for name in set(here) - set(there):
                del here[name]
            here.update({name: value for name, value in kept.items() if binding(value) is None})


def _dict_of(local: Any) -> dict[str, Any]:
    """What this thread has in it."""
    kind: Any = sys.modules["_thread"]._local
    found: dict[str, Any] = kind.__getattribute__(local, "__dict__")
    return found


def needs_its_thread(safety: Safety) -> str | None:
    """Why another thread than the caller's is another place to a function, even if it is the only one."""
    for reason in (safety.caller_only, safety.no_threads):
        if reason is not None and (reason.endswith(OF_ITS_THREAD) or TELLING.search(reason)):
            return reason
    return None
