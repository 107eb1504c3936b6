"""Whose code it is: the user's own, or that of the standard library or an installed package."""

from __future__ import annotations

import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _folder(path: str, up: int) -> str:
    """The folder so many steps above a file, as :func:`own_file` compares it."""
    path = os.path.abspath(path)
    for _ in range(up):
        path = os.path.dirname(path)
    return os.path.normcase(path + os.sep)


_ENCODINGS = str(getattr(sys.modules.get("encodings"), "__file__", None) or os.__file__)
"""A package that each interpreter loads, wherever it is; ``os`` is frozen in, and names a folder that may
be missing."""

STDLIB = (_folder(os.__file__, 1), _folder(_ENCODINGS, 2))
"""Where the standard library lies: a folder, or an archive (the embeddable Python for Windows, programs
packed into one file)."""

IN_ARCHIVE = ".zip" in STDLIB[1]
"""Whether it is an archive, whose code knows its files by their places within: ``json/__init__.py``."""

OURS = _folder(__file__, 2)
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
            os.path.normcase(path).startswith((*STDLIB, OURS, "<frozen ", "<__array_function__"))
            or "site-packages" in path
            or "dist-packages" in path
            or (IN_ARCHIVE and _is_of_the_archive(path))
        )
    return known


def _is_of_the_archive(path: str) -> bool:
    root = path.replace("\\", "/").partition("/")[0].removesuffix(".py")
    return root in sys.stdlib_module_names and not os.path.exists(path)


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
