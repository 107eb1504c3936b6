"""Paths and URLs of histories: what they name, and what of them may be printed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import amorsize.history
from amorsize.core.places import is_on_server, scheme_of, sqlite_path
from amorsize.history.location import Location, shown


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("runs.sqlite", "runs.sqlite"),
        ("/var/runs", "/var/runs"),
        ("sqlite:///runs.sqlite", "runs.sqlite"),
        ("sqlite:////var/runs", "/var/runs"),
        ("sqlite://runs", "runs"),
        (":memory:", None),
        ("postgresql://host/db", None),
        ("redis://host", None),
        (None, None),
        (object(), None),
    ],
)
def test_the_file_of_a_location(location: object, path: str | None) -> None:
    assert sqlite_path(location) == path


@pytest.mark.parametrize(
    ("location", "on_server"),
    [
        ("postgresql://u:p@host/db", True),
        ("postgres://host", True),
        ("postgresql", False),
        ("a/postgresql://b", False),
        ("sqlite:///x", False),
        (3, False),
    ],
)
def test_servers_are_known_by_their_scheme(location: object, on_server: bool) -> None:
    assert is_on_server(location) is on_server


@pytest.mark.parametrize(
    ("location", "printed"),
    [
        ("runs.sqlite", "runs.sqlite"),
        ("sqlite:///a?b", "sqlite:///a?b"),
        ("postgresql://user:secret@host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://host/db?password=secret", "postgresql://host/db"),
        ("postgresql://user:sec@ret@host/db?sslmode=x", "postgresql://host/db"),
        ("postgresql://host/db?password=secret@x", "postgresql://..."),
    ],
)
def test_nothing_secret_is_printed(location: str, printed: str) -> None:
    assert shown(location) == printed
    assert repr(Location(location)) == repr(printed)
    assert str.__eq__(Location(location), location)


def test_a_path_has_no_scheme() -> None:
    assert scheme_of("a/b") == "" and scheme_of("x://y") == "x"


def test_public_names_load_their_modules_when_asked_for() -> None:
    code = (
        "import sys, amorsize.history as h\n"
        "loaded = lambda: sorted(m for m in sys.modules if m.startswith('amorsize.history.'))\n"
        "before = loaded(); h.open_history; new = set(loaded()) - set(before)\n"
        "assert h.open_history is h.open_history\n"
        "print(sorted(new), 'sqlite3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'amorsize.history.factory'" in done.stdout and done.stdout.strip().endswith("False")
    for name in amorsize.history.__all__:
        assert getattr(amorsize.history, name).__name__.lower().endswith(name.lower()[-5:])
    with pytest.raises(AttributeError, match="nothing"):
        amorsize.history.nothing  # type: ignore[attr-defined]  # noqa: B018
