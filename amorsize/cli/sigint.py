"""Ctrl-C: the run ends in good order, and if it cannot, the program ends all the same."""

from __future__ import annotations

import os
import signal

from amorsize.cli.exit_codes import INTERRUPTED, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

INTERRUPT_SECONDS = 2.0
"""After Ctrl-C, how long items that run on threads may take to end: nothing can stop a thread but
the end of the program."""


def watch_interrupts() -> Any:
    """Let Ctrl-C end the program soon, whatever runs; what handled it before, None when nothing
    changed (it is ignored, as under nohup, or this is not the main thread)."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return None
    try:
        return signal.signal(signal.SIGINT, _interrupt)
    except ValueError:
        return None


def unwatch_interrupts(before: Any) -> None:
    """Undo :func:`watch_interrupts`, which returned ``before``."""
    if before is not None:
        take_time()
        signal.signal(signal.SIGINT, before)


def take_time() -> None:
    """After Ctrl-C: everything has ended, and what is still to be written may take as long as it does."""
    if hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is _leave:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt(*_: object) -> NoReturn:
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _leave)
        signal.setitimer(signal.ITIMER_REAL, INTERRUPT_SECONDS)
    raise KeyboardInterrupt


def _leave(*_: object) -> NoReturn:
    """Helper processes see the end of their pipe and follow."""
    os._exit(say("interrupted", INTERRUPTED))
