"""The history's file: who may read it, how large it gets, older and newer schemas."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from amorsize import history as history_package
from amorsize.core.observation import NUMBERS
from amorsize.history import (
    HistoryUnavailable,
    default_path,
    open_history,
    sqlite_tables,
)
from amorsize.history.sqlite import SqliteHistory
from amorsize.testing.history_contract import observation

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name != "posix", reason="posix only")]


# ---------------------------------------------------------------------- the file


def test_a_history_that_is_collected_when_modules_are_gone_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the end of an interpreter the names of a module are None before its objects go."""
    history = SqliteHistory(str(tmp_path / "history.sqlite"))
    history.add([observation(1)])
    with monkeypatch.context() as gone:
        gone.setattr("amorsize.storage.sqlite_file.os", None)
        history._file.__del__()
    assert capfd.readouterr().err == ""


def test_the_file_is_private_and_travels_by_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    if sys.platform == "linux":
        platformdirs = pytest.importorskip("platformdirs")
        folder = platformdirs.user_state_dir("amorsize", appauthor=False)
        assert default_path() == str(Path(folder) / "history.sqlite")
    with open_history("default") as history:
        history.add([observation()])
        path = Path(history.location)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with open_history(f"sqlite:///{path}") as same:
        assert same.stats().rows == 1
    assert open_history(same) is same


def test_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation(n) for n in range(5_000)])
        history.close()
        full = path.stat().st_size
        assert history.clear() == 5_000
        assert history.stats().size_bytes < full / 20
        history.add([observation(n) for n in range(5_000)])
    with SqliteHistory(str(path), max_rows=500) as small:
        for n in range(40):
            small.add([observation(n)])
        small.close()
        assert path.stat().st_size < full / 4 and small.check() == []


def test_expiry_costs_the_same_in_a_large_history(tmp_path: Path) -> None:
    def steps(rows: int) -> int:
        """Instructions of SQLite's virtual machine for one more row beyond the bound."""
        history = SqliteHistory(str(tmp_path / f"{rows}.sqlite"), max_rows=rows)
        history.add([observation(n) for n in range(rows)])
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1

        assert history._file._connection is not None
        history._file._connection.set_progress_handler(tick, 1)
        history.add([observation(rows)])
        history.close()
        return count

    assert steps(5_000) <= 1.1 * steps(200)


def test_an_older_schema_is_brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose rows lack two of today's numbers, have one of yesterday's, and lack a text."""
    path = tmp_path / "history.sqlite"
    given = [observation(n) for n in range(20)]
    with SqliteHistory(str(path)) as history:
        history.add(given)
        key = history.key
    lacking = ("profile.gil_free_share", "weight")
    old = ["gone", *[name for name in reversed(NUMBERS) if name not in lacking]]
    import struct

    raw = sqlite3.connect(path)
    for seq, numbers in raw.execute("SELECT seq, numbers FROM observations").fetchall():
        values = dict(zip(NUMBERS, struct.unpack(f"<{len(NUMBERS)}d", numbers), strict=True))
        packed = struct.pack(f"<{len(old)}d", *[values.get(name, 7.0) for name in old])
        raw.execute("UPDATE observations SET numbers = ? WHERE seq = ?", (packed, seq))
    raw.execute("ALTER TABLE observations DROP COLUMN library_version")
    raw.execute("UPDATE meta SET value = ? WHERE name = 'numbers'", (" ".join(old),))
    raw.execute("PRAGMA user_version = 1")
    raw.commit()
    raw.close()
    called = []
    monkeypatch.setattr(sqlite_tables, "SCHEMA", 4)
    monkeypatch.setattr(
        sqlite_tables, "MIGRATIONS", {3: lambda connection: called.append(connection)}
    )
    with SqliteHistory(str(path)) as history:
        found = list(history.read())
        assert history.key == key and history.check() == [] and len(called) == 1
        assert [(one.items, one.wall_seconds, one.machine) for one in found] == [
            (one.items, one.wall_seconds, one.machine) for one in given
        ]
        assert {one.weight for one in found} == {1.0}
        assert {one.profile.gil_free_share for one in found} == {None}
        assert {one.library_version for one in found} == {""}
        history.add([observation(30)])
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (4,)
    raw.close()


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation()])
    before = path.read_bytes()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM observations")
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr(sqlite_tables, "SCHEMA", 4)
    monkeypatch.setattr(sqlite_tables, "MIGRATIONS", {3: fail})
    with pytest.raises(HistoryUnavailable):
        open_history(path)
    assert path.read_bytes() == before


def test_importing_costs_no_numpy_and_no_sqlite() -> None:
    code = (
        "import sys; from amorsize.history import open_safely; import amorsize.inspection.fingerprint; "
        "open_safely(':memory:').recent('aa'); "
        "print([m for m in ('numpy', 'sqlite3', 'json', 'logging', 'typing') if m in sys.modules])"
    )
    root = Path(history_package.__file__).parents[2]
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"
