"""Making a fresh interpreter like the caller: environment, settings, values of its modules."""

from __future__ import annotations

import _pickle
import importlib
import os
import sys
from types import FunctionType, ModuleType

from amorsize.items.pickling import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


PLAIN = (
    int,
    float,
    complex,
    str,
    bytes,
    bool,
    type(None),
    range,
    list,
    tuple,
    dict,
    set,
    frozenset,
)
"""Types of what stands for nothing."""


def settings() -> dict[str, Any]:
    """Of this process: what the interpreter and loaded libraries keep for all code."""
    found: dict[str, Any] = {
        "environment": dict(os.environ),
        "recursion": sys.getrecursionlimit(),
        "digits": sys.get_int_max_str_digits(),
    }
    decimal, calendar = sys.modules.get("decimal"), sys.modules.get("calendar")
    if decimal is not None:
        found["decimal"] = decimal.getcontext().copy()
    if calendar is not None:
        found["first day"] = calendar.firstweekday()
    temporary = sys.modules.get("tempfile")
    if temporary is not None:
        found["temporary"] = vars(temporary).get("tempdir")
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        printing = {
            name: value
            for name, value in numpy.get_printoptions().items()
            if isinstance(value, int | float | str | None)
        }
        found["numpy"] = numpy.geterr(), printing
    return found


def adopt_environment(found: dict[str, Any]) -> None:
    """Make the environment the same: before the limits of inner threads are put into it."""
    if dict(os.environ) != found["environment"]:
        os.environ.clear()
        os.environ.update(found["environment"])


def adopt(found: dict[str, Any]) -> None:
    """Make this process the same, but for the environment."""
    sys.setrecursionlimit(found["recursion"])
    sys.set_int_max_str_digits(found["digits"])
    if "decimal" in found:
        importlib.import_module("decimal").setcontext(found["decimal"])
    if "first day" in found:
        importlib.import_module("calendar").setfirstweekday(found["first day"])
    folder = found.get("temporary")
    usual = (
        None,
        os.path.join(os.sep, "tmp"),
        os.environ.get("TMPDIR"),
    )  # what the import would find
    if "tempfile" in sys.modules or folder not in usual:
        put([("tempfile", ("tempdir",), folder)])
    if "numpy" in found:
        numpy = importlib.import_module("numpy")
        errors, printing = found["numpy"]
        numpy.seterr(**errors)
        numpy.set_printoptions(**printing)


def put(values: Iterable[tuple[str, tuple[str, ...], Any]]) -> None:
    """Put values of the caller's modules in place: (module, path of names, value) each.

    A list, dict or set is filled anew, for other names may hold it, too."""
    for module, path, value in values:
        holder: Any = importlib.import_module(module)
        for name in path[:-1]:
            holder = getattr(holder, name)
        held = None if isinstance(holder, (ModuleType, type)) else vars(holder)
        here: Any = getattr(holder, path[-1], None) if held is None else held.get(path[-1])
        kind = type(value)
        if type(here).__name__ == "ContextVar":
            here.set(value)
        elif type(here) is kind is list:
            here[:] = value
        elif type(here) is kind and kind in (dict, set):
            here.clear()
            here.update(value)
        elif type(here) is kind and here == value:
            continue
        elif held is not None:  # without what its class does when it is set
            held[path[-1]] = value
        else:
            setattr(holder, path[-1], value)


def check_replaced(
    values: Sequence[tuple[str, tuple[str, ...], Any]], pickled: Callable[[Any], bytes]
) -> None:
    """Raise ``PicklingError`` for what was put in the place of a function or class, a test double too, if
    it cannot be sent to a fresh interpreter: pickle's own errors do not say what is to be done."""
    for module, path, value in values:
        if type(value) in PLAIN:
            continue
        double = vars(value).get("mock") if type(value) is FunctionType else value
        is_double = any(base.__module__ == "unittest.mock" for base in type(double).__mro__)
        try:
            body = pickled(value)
            same = (is_double or isinstance(value, type)) and loads(body) is value
            named = (module, ".".join(path)) == (
                getattr(value, "__module__", None),
                getattr(value, "__qualname__", None),
            )
            if same and (is_double or named):
                raise _pickle.PicklingError("only its name would be")
        except Exception as error:
            name = ".".join((module, *path))
            kind = (
                f"{type(double).__name__} of unittest.mock" if is_double else type(value).__name__
            )
            kind = f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"
            raise _pickle.PicklingError(
                f"{name} was replaced by {kind}, which cannot be sent to a fresh interpreter "
                f"({error}); put a function or object of your own in its place, or use n_jobs=1"
            ) from error


def pickled_function(
    parts: tuple[Any, ...], pickled: Callable[[Any], bytes], doubles: Sequence[str]
) -> bytes:
    """The function and its initializer as they are sent; ``doubles`` are what test doubles it holds."""
    func = parts[0]
    if type(func) is FunctionType and "mock" in vars(func):  # create_autospec made it
        check_replaced([(str(func.__module__), (func.__name__,), func)], pickled)
    try:
        body = pickled(parts)
        if doubles:
            loads(body)
        return body
    except Exception as error:
        if not doubles:
            raise
        raise _pickle.PicklingError(
            f"the function holds a {doubles[0]} of unittest.mock, which cannot be sent to a fresh "
            f"interpreter ({error}); put an object of your own in its place, or use n_jobs=1"
        ) from error
