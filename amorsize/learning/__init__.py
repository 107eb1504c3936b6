"""What a run asks of the history, what it leaves there, and the predictor between the two."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.parameters import parameters_of as parameters_of
    from amorsize.learning.parameters import tune as tune

__all__ = ["parameters_of", "tune"]


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module("amorsize.learning.parameters"), name)
    return value
