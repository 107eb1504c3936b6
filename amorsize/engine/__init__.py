"""One run: events in, pure policy, commands out."""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.coroutine_journal import LoopJournal as LoopJournal
    from amorsize.engine.differences import warn_of_changes as warn_of_changes
    from amorsize.engine.differences import warn_of_differences as warn_of_differences
    from amorsize.engine.known_start import begin_known as begin_known
    from amorsize.engine.limited_start import begin_watched as begin_watched
    from amorsize.engine.limited_start import on_watched as on_watched
    from amorsize.engine.limited_start import on_watched_end as on_watched_end
    from amorsize.engine.limiter import limited as limited
    from amorsize.engine.orders import ordered as ordered
    from amorsize.engine.remote import RemoteAccess as RemoteAccess
    from amorsize.engine.spread import SpreadItems as SpreadItems
    from amorsize.engine.thread_watch import watched_thread as watched_thread
    from amorsize.engine.trial import tried_out as tried_out

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.engine.coroutine_journal": ["LoopJournal"],
        "amorsize.engine.differences": ["warn_of_changes", "warn_of_differences"],
        "amorsize.engine.known_start": ["begin_known"],
        "amorsize.engine.limited_start": ["begin_watched", "on_watched", "on_watched_end"],
        "amorsize.engine.limiter": ["limited"],
        "amorsize.engine.orders": ["ordered"],
        "amorsize.engine.remote": ["RemoteAccess"],
        "amorsize.engine.spread": ["SpreadItems"],
        "amorsize.engine.thread_watch": ["watched_thread"],
        "amorsize.engine.trial": ["tried_out"],
    },
)
