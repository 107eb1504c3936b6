"""Validation: does pruning keep what it promises, and does amorsize choose well? Measured, not asserted.

::

    Scenario --seeds--> measured --> Outcome --> ValidationReport --> text, Markdown, JSON, HTML

`run_validation` measures pruning on seeded data of known truth and on histories; `compare.compare`
measures one function against the plain loop, every configuration worth a look, and the peers that are
installed.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.validation.report import ValidationReport as ValidationReport
    from amorsize.validation.runner import run_validation as run_validation
    from amorsize.validation.scenarios import Scenario as Scenario

__all__ = ["Scenario", "ValidationReport", "run_validation"]

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.validation.report": ["ValidationReport"],
        "amorsize.validation.runner": ["run_validation"],
        "amorsize.validation.scenarios": ["Scenario"],
    },
)
"""Their modules need NumPy."""
