"""Names of a package that are imported from their modules when they are first asked for.

A package lists them in its ``__getattr__ = lazy_names(__name__, {name: module})``, and once more under
``TYPE_CHECKING``, where the type checker looks.
"""

from __future__ import annotations

from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package: ``places`` has the module of each name."""

    def find(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        __import__(place)  # importlib would be two more files
        value = vars(modules[package])[name] = getattr(modules[place], name)
        return value

    return find
