"""Worker processes: what the caller does for them, and what runs in them.

`process_pool` is imported when the first pool is made.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.processes.pool import process_pool as process_pool

__all__ = ["process_pool"]

__getattr__ = lazy_names(__name__, {"amorsize.backends.processes.pool": ["process_pool"]})
