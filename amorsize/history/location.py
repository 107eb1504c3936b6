"""Where a history is: the default file, paths and URLs, and what of them may be printed."""

from __future__ import annotations

from amorsize.core.places import default_path as default_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEMORY = ":memory:"
"""The location of a history that ends with its process."""
SERVER_SCHEMES = ("postgresql", "postgres")
"""Schemes of the URLs of a PostgreSQL server."""


class Location(str):
    """A URL that shows no password when it is printed as part of something else."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str.__repr__(shown(self))


def shown(location: str) -> str:
    """A location as it may be printed: of a URL the kind, the host and the database, nothing secret."""
    scheme, separator, rest = location.partition("://")
    if not separator or scheme == "sqlite":
        return location
    before, _, place = rest.rpartition("@")
    if "?" in before:  # either the parameters begin there or the password holds a "?"
        return f"{scheme}://..."
    return f"{scheme}://{place.partition('?')[0]}"


def scheme_of(location: str) -> str:
    """The scheme of a URL; "" for a path."""
    scheme, separator, _ = location.partition("://")
    return scheme if separator else ""


def is_on_server(location: Any) -> bool:
    """Whether a location names a history on a server; a History names none."""
    return isinstance(location, str) and scheme_of(location) in SERVER_SCHEMES


def sqlite_path(location: Any) -> str | None:
    """The file of a location that names a SQLite history by a path or a URL; None for any other."""
    if not isinstance(location, str) or location == MEMORY:
        return None
    if not (scheme := scheme_of(location)):
        return location
    rest = location.partition("://")[2]
    return rest.removeprefix("/") or rest if scheme == "sqlite" else None
