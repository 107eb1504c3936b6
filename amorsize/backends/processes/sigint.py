"""Ctrl-C held off for the moments in which it would leave a worker process behind.

``KeyboardInterrupt`` may come between any two byte codes: also between the fork of a worker and the line
that notes its number. Starting and ending workers therefore happen inside ``with held():``; what came
meanwhile is delivered, to the handler that was there, on the way out.
"""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class held:  # noqa: N801 # reads as a word of the language
    """``with held(): ...`` for at most about a second; costs 2 µs. Nothing outside the main thread,
    where no handler runs, and nothing where Ctrl-C is ignored or ends the process at once."""

    def __enter__(self) -> None:
        self._noted: Any = None
        before = signal.getsignal(signal.SIGINT)
        self._before: Any = before if callable(before) else None
        if self._before is not None:
            try:
                signal.signal(signal.SIGINT, self._note)
            except ValueError:  # not the main thread
                self._before = None

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)
        if self._noted is not None:
            self._before(*self._noted)

    def _note(self, signum: int, frame: object) -> None:
        self._noted = signum, frame
