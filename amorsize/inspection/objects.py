"""What can be told of an object without running code of its class."""

from __future__ import annotations

from types import CodeType

from amorsize.inspection import instructions as _instructions  # noqa: F401 # fills ACTIONS
from amorsize.inspection.abstract_value import MISSING
from amorsize.inspection.decode import Decoded
from amorsize.inspection.known_names import (
    HARMLESS,
    NOT_SHARED_BY_FORK,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def instance_attributes(value: Any) -> dict[str, Any]:
    """The instance's own attributes, without running any of its code."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:
        return {}
    return found if type(found) is dict else {}


def class_attribute(kind: type, name: str) -> Any:
    for base in type.__dict__["__mro__"].__get__(kind):
        found = type.__dict__["__dict__"].__get__(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def full_name(value: Any) -> str:
    return type(value).__name__


def not_shared_by_fork(value: Any) -> str | None:
    """What a value is that must not be shared by a fork, None if it may."""
    kind = type(value)
    module = kind.__module__
    if type(module) is not str:
        return None
    if module == "builtins":
        if kind.__name__ in ("generator", "coroutine", "async_generator"):
            return f"a {kind.__name__.replace('_', ' ')}"
        return None
    if f"{module}.{kind.__qualname__}" in HARMLESS:
        return None
    while module:
        found = NOT_SHARED_BY_FORK.get(module)
        if found is not None:
            return found
        module = module.rpartition(".")[0]
    if kind.__module__.startswith("torch") and getattr(value, "is_cuda", False) is True:
        return "a tensor of a GPU"
    return None


def returns_nothing(code: CodeType) -> bool:
    """Whether every return of the code gives None, as far as constants tell."""
    previous: tuple[str, int] = ("", 0)
    for _, name, arg, _ in Decoded(code).steps:
        if name == "RETURN_CONST" and code.co_consts[arg] is not None:
            return False
        if name == "RETURN_VALUE" and (
            previous[0] != "LOAD_CONST" or code.co_consts[previous[1]] is not None
        ):
            return False
        previous = (name, arg)
    return True
