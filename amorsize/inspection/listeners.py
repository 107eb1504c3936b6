"""Who hears what a function does without being named by its code: hooks, handlers, recorded warnings."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import os
import sys

from amorsize.core.signals import handler_of
from amorsize.inspection.origins import is_a, own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGNALS = tuple(
    number
    for name in (
        "SIGINT",
        "SIGTERM",
        "SIGHUP",
        "SIGALRM",
        "SIGUSR1",
        "SIGUSR2",
        "SIGBREAK",
        "SIGCHLD",
        "SIGPIPE",
    )
    if (number := getattr(_signal, name, None)) is not None
)
"""Signals that programs handle."""

HEARS_THIS_THREAD = "a trace or profile function hears what this thread runs"


def hearing() -> str | None:
    """Who hears of each step of this thread, so that other threads and processes would be missed."""
    if sys.gettrace() is not None or sys.getprofile() is not None:
        return HEARS_THIS_THREAD
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterrcall") or numpy.geterrcall() is None:
        return None
    if {"call", "log"}.isdisjoint(numpy.geterr().values()):
        return None
    return "NumPy's error callback hears what this thread computes"


def warnings_are_heard() -> bool:
    """Does the user's code get each warning, in its order: is one recorded, or handed to a function?"""
    module = sys.modules.get("warnings")
    scope = vars(module) if module is not None else {}
    show, original = scope.get("showwarning"), scope.get("_showwarning_orig")
    heard = scope.get("_showwarnmsg_impl")
    return show is not original or type(getattr(heard, "__self__", None)) is list


def log_is_heard(logger: Any, name: str) -> bool:
    """Does the user's code, or memory, keep what this method of a logger logs, in its order?"""
    logging = sys.modules.get("logging")
    if logging is None or not is_a(logger, logging.Logger | logging.LoggerAdapter):
        return False
    level = logging.getLevelName("ERROR" if name == "exception" else name.upper())
    one = vars(logger).get("logger", logger)
    if type(level) is not int or level <= logging.root.manager.disable:
        return False
    threshold, heard, stop = 0, False, False
    while type(one) is not type(None):
        held = vars(one)
        threshold = threshold or held["level"]
        heard = heard or (not stop and any(map(_keeps, held["handlers"])))
        stop = stop or not held["propagate"]
        one = held["parent"]
    return heard and level >= threshold


def _keeps(handler: Any) -> bool:
    """Does a handler of logging keep records, or text, in this process?"""
    kind = type(handler)
    if own_module(kind.__module__):
        return True
    stream = vars(handler).get("stream")
    plain = kind.__name__ == "StreamHandler" and kind.__module__ == "logging"
    return (
        kind.__name__ in ("MemoryHandler", "QueueHandler")
        # A file has the records in their order.
        or vars(handler).get("baseFilename", os.devnull) != os.devnull
        or (plain and type(stream).__name__ == "StringIO")
    )


def callbacks() -> list[tuple[str, Any]]:
    """Objects that the process calls: what is reached without being named by any code.

    The library's or the interpreter's own are left out by the look that follows them.
    """
    found: list[tuple[str, Any]] = [
        ("the standard output", sys.stdout),
        ("the standard error output", sys.stderr),
        ("the hook of displays", sys.displayhook),
        ("the hook of exceptions", sys.excepthook),
        ("the hook of what cannot be raised", sys.unraisablehook),
        ("the profile function", sys.getprofile()),
        ("the trace function", sys.gettrace()),
    ]
    found += [("a signal handler", handler_of(number)) for number in SIGNALS]
    found += [("a callback of the garbage collector", one) for one in sys.modules["gc"].callbacks]
    threading = sys.modules.get("threading")
    if threading is not None:
        found.append(("the hook of threads", vars(threading).get("excepthook")))
    warnings = sys.modules.get("warnings")
    if warnings is not None:
        # The second is what catch_warnings(record=True) puts the append of its list in place of.
        for name in ("showwarning", "_showwarnmsg_impl"):
            found.append(("the function that shows warnings", vars(warnings).get(name)))
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterrcall"):
        found.append(("NumPy's error callback", numpy.geterrcall()))
    return found
