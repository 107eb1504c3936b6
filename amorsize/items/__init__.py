"""Items and results: where they come from, how one is called, where its result goes.

The names below are imported when they are first asked for: most runs pickle nothing, seed
nothing and try nothing again.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.items.pickling import changes as changes
    from amorsize.items.pickling import compared as compared
    from amorsize.items.pickling import dumps as dumps
    from amorsize.items.pickling import loads as loads
    from amorsize.items.pickling import parts as parts
    from amorsize.items.refusals import refusal_of as refusal_of
    from amorsize.items.retry import RetryingCollector as RetryingCollector
    from amorsize.items.reuse import KeptItems as KeptItems
    from amorsize.items.seeding import numbered as numbered
    from amorsize.items.tries import TryLog as TryLog
    from amorsize.items.window import WindowCollector as WindowCollector

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.items.pickling": ["changes", "compared", "dumps", "loads", "parts"],
        "amorsize.items.refusals": ["refusal_of"],
        "amorsize.items.retry": ["RetryingCollector"],
        "amorsize.items.reuse": ["KeptItems"],
        "amorsize.items.seeding": ["numbered"],
        "amorsize.items.tries": ["TryLog"],
        "amorsize.items.window": ["WindowCollector"],
    },
)
