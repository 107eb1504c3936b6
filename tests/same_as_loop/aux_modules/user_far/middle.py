"""What stands between the package's face and its state."""

from __future__ import annotations

from typing import Any

from . import deep as _deep


def price(item: int) -> int:
    """A price; dear ones are noted two modules away."""
    return _deep.quote(item)


def lookup(item: int) -> str:
    """A name of an item, made when it is first asked for and thrown away when there are too many."""
    return _deep.NAMES[item % 9]


class _Account:
    """Forwards to what is two modules away."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_deep.LEDGER, name)


account = _Account()
