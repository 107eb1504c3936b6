"""Whether a function may leave the caller, judged by its code and by what it captures."""

from __future__ import annotations

import dis
import functools
import types

from amorsize.records import Safety

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

MUTABLE = (list, dict, set, bytearray)


def inspect_function(func: Callable[[Any], Any], items: Sequence[Any] = ()) -> Safety:
    """What speaks against threads or processes for ``func``."""
    owner = getattr(func, "__self__", None)
    if isinstance(func, types.BuiltinMethodType) and isinstance(owner, MUTABLE):
        return Safety(caller_only=f"{func.__name__} changes a {type(owner).__name__} of the caller")
    while isinstance(func, functools.partial):
        func = func.func
    code = getattr(getattr(func, "__func__", func), "__code__", None)
    for instruction in dis.get_instructions(code) if code is not None else ():
        name = instruction.opname
        if name in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            return Safety(caller_only=f"stores to the global {instruction.argval!r}")
        if name == "STORE_DEREF" and instruction.argval in code.co_freevars:  # type: ignore[union-attr]
            return Safety(caller_only=f"stores to the captured {instruction.argval!r}")
    return Safety()
