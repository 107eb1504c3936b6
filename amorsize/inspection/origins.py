"""Whose code it is: the user's own, or that of the standard library or an installed package."""

from __future__ import annotations

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STDLIB = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
"""Where the standard library lies."""

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
"""Where this package lies: never the user's own, however it is installed."""

MODULES_KEPT = 4096
"""Modules and files whose origin is kept."""

_module_dict = vars(ModuleType)["__dict__"].__get__
_own_modules: dict[str, bool] = {}
_own_files: dict[str, bool] = {}


def is_a(value: object, kinds: Any) -> bool:
    """``isinstance`` by the type alone: that asks an object for its ``__class__``, which may run code."""
    return issubclass(type(value), kinds)


def own_file(path: str) -> bool:
    """Is a code file the user's own? A notebook cell or ``<stdin>`` is."""
    known = _own_files.get(path)
    if known is None:
        if len(_own_files) >= MODULES_KEPT:
            _own_files.clear()
        known = _own_files[path] = not (
            path.startswith((STDLIB, OURS, "<frozen ", "<__array_function__"))
            or "site-packages" in path
            or "dist-packages" in path
        )
    return known


def own_module(name: str) -> bool:
    """Is the module of that name the user's own, wherever it lies? ``__main__`` is."""
    if name == "__main__":
        return True
    known = _own_modules.get(name)
    if known is not None:
        return known
    known = _look_up(name)
    if name in sys.modules:
        if len(_own_modules) >= MODULES_KEPT:
            _own_modules.clear()
        _own_modules[name] = known
    return known


def _look_up(name: str) -> bool:
    module = sys.modules.get(name)
    if module is not None and issubclass(type(module), ModuleType):
        path = _module_dict(module).get("__file__")
        if type(path) is str:
            return own_file(path)
    return name.partition(".")[0] not in sys.stdlib_module_names
