"""The function that the command line names."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module

from amorsize.cli.exit_codes import NO_FUNCTION, USAGE, Stop
from amorsize.cli.messages import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def load(target: str) -> Callable[[Any], Any]:
    """The function that ``MODULE:FUNCTION`` names; FUNCTION may be dotted (``Class.method``)."""
    module_name, colon, path = target.partition(":")
    if not colon or not module_name or not path:
        raise Stop(USAGE, f"{target!r} is not of the form MODULE:FUNCTION, as in math:sqrt")
    if "" not in sys.path:
        sys.path.insert(0, "")
    found = _import(module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Stop(
                NO_FUNCTION, f"module {module_name!r} has no {path!r}{_similar(name, found)}"
            ) from None
    if not callable(found):
        raise Stop(NO_FUNCTION, f"{target} is not a function but of type {type(found).__name__}")
    function: Callable[[Any], Any] = found
    return function


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            raise Stop(NO_FUNCTION, f"there is no module named {error.name!r}") from None
        raise Stop(NO_FUNCTION, f"module {name!r} cannot be imported: {error}") from None
    except (Exception, SystemExit) as error:
        raise Stop(NO_FUNCTION, f"module {name!r} cannot be imported: {describe(error)}") from None


def _similar(name: str, where: object) -> str:
    close = get_close_matches(name, dir(where), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
