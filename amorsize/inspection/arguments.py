"""Puts the arguments of a call, and the defaults of those left out, into the locals of a frame."""

from __future__ import annotations

from amorsize.inspection.abstract_value import FRESH, SHARED, Value
from amorsize.inspection.known_names import PLAIN
from amorsize.inspection.origins import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from amorsize.inspection.interpret import Frame

TAKES_ARGS = 4
"""Flag of code with ``*args`` (``CO_VARARGS``)."""


def fill(
    frame: Frame,
    args: Sequence[Value],
    named: Mapping[str, Value],
    defaults: Sequence[Any] = (),
    keyword_defaults: Mapping[str, Any] | None = None,
) -> None:
    """Set the locals that are parameters. A default that can be changed lives outside of the call."""
    code = frame.code
    count, names, places = code.co_argcount, code.co_varnames, frame.locals
    for at in range(min(count, len(args))):
        places[at] = args[at]
    for at, value in enumerate(reversed(defaults)):
        place = count - 1 - at
        if type(value).__module__ == "dataclasses":
            continue  # it stands for a factory
        if place >= 0 and places[place] is None and not is_a(value, PLAIN):
            places[place] = Value(SHARED, "default", names[place], value)
    for name, value in (keyword_defaults or {}).items():
        place = names.index(name)
        if places[place] is None and not is_a(value, PLAIN):
            places[place] = Value(SHARED, "default", name, value)
    for name, value in named.items():
        if name in names[: count + code.co_kwonlyargcount]:
            places[names.index(name)] = value
    if code.co_flags & TAKES_ARGS and len(args) > count:
        inner = FRESH
        for value in args[count:]:
            inner = value if value.origin > inner.origin else inner
        places[count + code.co_kwonlyargcount] = Value(inner=inner if inner.origin else None)
    for at, value in enumerate(places[:count]):
        if value is None:
            places[at] = FRESH
