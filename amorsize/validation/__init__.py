"""Validation: does pruning keep what it promises, and does amorsize choose well? Measured, not asserted.

::

    Scenario --seeds--> measured --> Outcome --> ValidationReport --> text, Markdown, JSON, HTML

`run_validation` measures pruning on seeded data of known truth and on histories; `compare.compare`
measures one function against the plain loop, every configuration worth a look, and the peers that are
installed.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULES = {"Scenario": "scenarios", "ValidationReport": "report", "run_validation": "runner"}
"""Where each public name lives: its module needs NumPy, so it is imported when first asked for."""

__all__ = ["Scenario", "ValidationReport", "run_validation"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"amorsize.validation.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
