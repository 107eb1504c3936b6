"""Validation: does pruning keep what it promises, and does amorsize choose well? Measured, not told.

::

    Scenario --seeds--> measured --> Outcome --> ValidationReport --> text, Markdown, JSON, HTML

`run_validation` measures pruning on seeded data of known truth and on histories; `comparing.compare`
measures one function against the plain loop, every configuration worth a look, and the peers that are
installed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Scenario", "ValidationReport", "run_validation"]


def __getattr__(name: str) -> Any:
    if name == "run_validation":
        from amorsize.validation.runner import run_validation

        return run_validation
    if name == "ValidationReport":
        from amorsize.validation.report import ValidationReport

        return ValidationReport
    if name == "Scenario":
        from amorsize.validation.scenarios import Scenario

        return Scenario
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
