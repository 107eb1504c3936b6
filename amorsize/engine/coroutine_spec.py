"""What a run of a coroutine function is asked to do, and which options it cannot honour."""

from __future__ import annotations

from amorsize.core.frozen import dataclass
from amorsize.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.events import Observers
    from amorsize.core.options import Options

REFUSED = {
    "backend": ("auto", None),
    "chunksize": ("auto", None),
    "memory_limit": (None,),
    "initializer": (None,),
    "rerun_after_death": (True,),
}
"""Options that a run on an event loop cannot honour, and the values that ask for nothing."""


def check(options: dict[str, Any]) -> None:
    """Refuse what a run on an event loop cannot honour."""
    for name, nothing in REFUSED.items():
        if name in options and not any(
            options[name] is one or options[name] == one for one in nothing
        ):
            raise OptionError(
                name,
                options[name],
                "cannot be honoured for a coroutine function, which runs on an event loop",
                "leave it out (n_jobs is the most items that run side by side)",
            )


@dataclass(frozen=True)
class CoroutineSpec:
    """What a run of a coroutine function is asked to do."""

    func: Callable[[Any], Any]
    data: Any
    options: Options
    observers: Observers
