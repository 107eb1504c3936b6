"""The bar of commands that measure: parts done of a total, on standard error, on a terminal only."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ProgressBar:
    """Shows (parts done, total, what runs now) in a bar that is drawn from the first call on."""

    def __init__(self, unit: str, *, shown: bool = True) -> None:
        self._unit = unit
        self._shown = shown and sys.stderr.isatty()
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __call__(self, done: int, total: int, what: str) -> None:
        if not self._shown:
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit=self._unit, leave=False, file=sys.stderr)
        self._bar.update(done - self._bar.n)
        self._bar.set_description(what)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
