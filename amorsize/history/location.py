"""What of the location of a history may be printed."""

from __future__ import annotations

from amorsize.core.places import SERVER_SCHEMES, scheme_of


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


def is_kind(location: str) -> bool:
    """Whether there is a kind of history for the scheme of a URL."""
    return scheme_of(location) in (*SERVER_SCHEMES, "sqlite")
