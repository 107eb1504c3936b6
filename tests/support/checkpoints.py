"""A function that fails until it is mended."""

from __future__ import annotations

import os
from pathlib import Path

from support.work import Recorder

BACKENDS = ("serial", "threads", "fork", "spawn", "auto")


class Failing(Recorder):
    """Raises for some items as long as a file does not exist."""

    def __init__(self, log: Path, mended: Path, *bad: int) -> None:
        super().__init__(log)
        self.mended, self.bad = str(mended), bad

    def __call__(self, item: int) -> int:
        result = super().__call__(item)
        if item in self.bad and not os.path.exists(self.mended):
            raise ValueError(f"no {item}")
        return result
