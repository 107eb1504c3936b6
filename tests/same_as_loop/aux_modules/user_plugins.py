"""Plugins of a user's project: a registry that modules enter themselves into."""

from __future__ import annotations

from collections.abc import Callable

PLUGINS: dict[str, Callable[[int], str]] = {}
_cache: dict[int, str] = {}


def plugin(name: str) -> Callable[[Callable[[int], str]], Callable[[int], str]]:
    """Enter a function under a name."""

    def enter(func: Callable[[int], str]) -> Callable[[int], str]:
        PLUGINS[name] = func
        return func

    return enter


@plugin("plain")
def plain(item: int) -> str:
    """The plugin that is always there."""
    return f"plain {item}"


def apply(name: str, item: int) -> str:
    """What a plugin makes of an item; the plain one where there is none of this name."""
    return PLUGINS.get(name, plain)(item)


def cached(item: int) -> str:
    """What is kept of an item."""
    if item not in _cache:
        _cache[item] = f"value {item}"
    return _cache[item]


def cache_size() -> int:
    """How many items are kept."""
    return len(_cache)


def clear() -> None:
    """Begin anew."""
    _cache.clear()
