"""How values are shown to people: renderers register for a type, values ask for theirs.

A value of a lower package (a run, a plan, a pruning result) must not import the package that draws it.
``amorsize/__init__`` names, for each such type, the module and function that render it; they are
imported when a value is first shown.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TEXT: dict[str, tuple[str, str]] = {}
"""Name of a class to the module and function that give its text."""
HTML: dict[str, tuple[str, str]] = {}
"""Name of a class to the module and function that give its HTML for notebooks."""


def text_of(value: object) -> str:
    """The value as text for people; its ``repr`` where no renderer is registered."""
    return _rendered(TEXT, value) or repr(value)


def html_of(value: object) -> str:
    """The value as HTML for notebooks; its ``repr`` where no renderer is registered."""
    return _rendered(HTML, value) or repr(value)


def _rendered(table: dict[str, tuple[str, str]], value: object) -> str | None:
    for kind in type(value).__mro__:
        place = table.get(kind.__qualname__)
        if place is not None and kind.__module__.startswith("amorsize."):
            render: Any = getattr(import_module(place[0]), place[1])
            return str(render(value))
    return None
