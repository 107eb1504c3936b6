"""Takes from an interpreter what other systems do not have. Imported at its start if on PYTHONPATH.

``AMORSIZE_TESTS_LACK`` names what, separated by commas (``LACKS``). Workers inherit both variables.
Modules are only kept from amorsize, since the standard library of Linux needs them. ``/proc`` is taken
away by a mount namespace around the whole (``tests/contract/backend/test_lacking.py``).
"""

from __future__ import annotations

import builtins
import os
from typing import Any

LACKS: dict[str, tuple[str, ...]] = {
    "affinity": ("os.sched_getaffinity", "os.sched_setaffinity", "os.process_cpu_count"),
    "fcntl": ("fcntl", "termios"),
    "resource": ("resource",),
    "memfd": ("os.memfd_create",),
    "waitid": ("os.waitid", "os.pidfd_open"),
}
"""Names of functions, with their module, and of modules."""


def take_away(lacks: list[str]) -> None:
    """Delete the functions, and refuse the modules to amorsize."""
    import time

    modules = set()
    for what in lacks:
        for name in LACKS[what]:
            place, _, function = name.rpartition(".")
            if not place:
                modules.add(name)
            elif hasattr(owner := {"os": os, "time": time}[place], function):
                delattr(owner, function)
    original = builtins.__import__

    def import_known(name: str, scope: Any = None, *rest: Any, **named: Any) -> Any:
        if name in modules and str((scope or {}).get("__name__")).startswith("amorsize"):
            raise ModuleNotFoundError(f"No module named {name!r} (taken away by a test)", name=name)
        return original(name, scope, *rest, **named)

    if modules:
        builtins.__import__ = import_known


if words := os.environ.get("AMORSIZE_TESTS_LACK"):
    take_away(words.split(","))
