"""What every estimator of this library shares with scikit-learn's: its parameters, and one error."""

from __future__ import annotations

import sys
from inspect import signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class NotFittedError(ValueError, AttributeError):
    """The estimator was asked before it was fitted; call ``fit`` or ``tune`` first."""


def not_fitted(estimator: object, way_out: str) -> NotFittedError:
    """The error to raise; scikit-learn's, too, where that is loaded."""
    error: type[NotFittedError] = NotFittedError
    if "sklearn.exceptions" in sys.modules:
        theirs = sys.modules["sklearn.exceptions"].NotFittedError
        error = type("NotFittedError", (NotFittedError, theirs), {})
    return error(f"this {type(estimator).__name__} is not fitted yet: {way_out}")


class Parameters:
    """Parameters as scikit-learn handles them; the signature of ``__init__`` is their only list."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in signature(cls.__init__).parameters if name != "self"]

    def _store(self, given: dict[str, Any]) -> None:
        """Set each parameter as an attribute; ``given``: the local variables of ``__init__``."""
        for name in self._names():
            setattr(self, name, given[name])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with ``deep`` those of the estimator too, as ``estimator__name``."""
        found = {name: getattr(self, name) for name in self._names()}
        inner = found.get("estimator")
        if deep and inner is not None and hasattr(inner, "get_params"):
            found.update({f"estimator__{k}": v for k, v in inner.get_params().items()})
        return found

    def set_params(self, **params: Any) -> Self:
        """Change parameters; they act from the next fit on."""
        names = self._names()
        for name, value in params.items():
            head, _, rest = name.partition("__")
            if head not in names:
                raise ValueError(
                    f"{head!r} is not a parameter of {type(self).__name__}: {', '.join(names)}"
                )
            if rest:
                getattr(self, head).set_params(**{rest: value})
            else:
                setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names())
        return f"{type(self).__name__}({shown})"
