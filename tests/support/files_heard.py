"""What one item of a run is told to have done with files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amorsize.inspection.file_use import FileUse, now
from amorsize.inspection.program_use import ProgramUse

LATER, EARLIER = 100.0, -100.0
"""Seconds from now at which a run begins: files of the test are older than the run, or newer."""


def heard(
    func: Callable[[], Any], begun: float, item: Any = None, programs: ProgramUse | None = None
) -> list[str]:
    """The reasons of one item of a run that began so many seconds from now."""
    use = FileUse(now() + begun, item, programs)
    use.begin()
    try:
        func()
    finally:
        use.end()
    return list(use.reasons)
