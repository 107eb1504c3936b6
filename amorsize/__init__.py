"""amorsize: run a function over data in the fastest way that it finds; the user chooses nothing.

>>> import amorsize
>>> amorsize.execute(abs, [-1, 2, -3])
[1, 2, 3]
"""

from __future__ import annotations

from amorsize.api import aexecute, astream, execute, optimize, stream
from amorsize.api.plan import Plan
from amorsize.api.tuner import Settings, Tuner
from amorsize.core.lazy import lazy_names
from amorsize.core.model import HTML, TEXT
from amorsize.errors import (
    AmorsizeError,
    AmorsizeWarning,
    CheckpointError,
    DifferenceWarning,
    ItemError,
    NotRun,
    OptionError,
    OptionTypeError,
    RetryAfter,
    UnportableError,
    WorkerDied,
)
from amorsize.items.kinds import star

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.api.executor import Executor
    from amorsize.api.typed import AsyncResults, Results, RunOptions
    from amorsize.integrations import register_joblib_backend
    from amorsize.items.seeding import item_rng
    from amorsize.planning.rate import Rate
    from amorsize.version import __version__

TEXT.update(
    Run=("amorsize.reporting.text", "run_text"),
    Plan=("amorsize.reporting.text", "plan_text"),
)
HTML.update(
    Run=("amorsize.reporting.html", "run_html"),
    Plan=("amorsize.reporting.html", "plan_html"),
    PruningResult=("amorsize.reporting.html", "pruning_html"),
    ValidationReport=("amorsize.validation.page", "framed"),
)

__all__ = [
    "AmorsizeError",
    "AmorsizeWarning",
    "AsyncResults",
    "CheckpointError",
    "DifferenceWarning",
    "Executor",
    "ItemError",
    "NotRun",
    "OptionError",
    "OptionTypeError",
    "Plan",
    "Rate",
    "Results",
    "RetryAfter",
    "RunOptions",
    "Settings",
    "Tuner",
    "UnportableError",
    "WorkerDied",
    "__version__",
    "aexecute",
    "astream",
    "execute",
    "item_rng",
    "optimize",
    "register_joblib_backend",
    "star",
    "stream",
]


LAZY = {
    "amorsize.api.executor": ["Executor"],
    "amorsize.api.typed": ["AsyncResults", "Results", "RunOptions"],
    "amorsize.integrations": ["register_joblib_backend"],
    "amorsize.items.seeding": ["item_rng"],
    "amorsize.planning.rate": ["Rate"],
    "amorsize.version": ["__version__"],
}
"""Public names whose import most programs do not need, by the module of each."""

__getattr__ = lazy_names(__name__, LAZY)
