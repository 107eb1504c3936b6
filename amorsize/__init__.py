"""amorsize: run a function over data as fast as this machine can; the user chooses nothing.

>>> import amorsize
>>> amorsize.execute(abs, [-1, 2, -3])
[1, 2, 3]
"""

from __future__ import annotations

from amorsize.calling import item_rng
from amorsize.errors import (
    AmorsizeError,
    AmorsizeWarning,
    CheckpointError,
    ItemError,
    WorkerDied,
)
from amorsize.tuner import Plan, Settings, Tuner, execute, optimize, stream
from amorsize.workload import star

__version__ = "0.1.0"

__all__ = [
    "AmorsizeError",
    "AmorsizeWarning",
    "CheckpointError",
    "ItemError",
    "Plan",
    "Settings",
    "Tuner",
    "WorkerDied",
    "__version__",
    "execute",
    "item_rng",
    "optimize",
    "star",
    "stream",
]
