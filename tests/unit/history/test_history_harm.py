"""What can happen to a history, done to it for real: kills, forks, full disks, garbage, locks."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from amorsize import history as history_package
from amorsize.core.observation import NUMBERS
from amorsize.errors import AmorsizeWarning
from amorsize.history import (
    HistoryCorrupt,
    HistoryError,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
    SafeHistory,
    default_path,
    open_history,
    open_safely,
)
from amorsize.history import sqlite as sqlite_module
from amorsize.history.sqlite import SqliteHistory
from amorsize.inspection.fingerprint import fingerprint
from amorsize.testing.history_contract import FIRST, observation

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name != "posix", reason="posix only")]
LOST_SECONDS = 0.25
"""What a harmed history may cost a run."""


def forked(work: object, *arguments: object) -> int:
    """Call ``work`` in a forked process; its id. The exit code tells whether it raised."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*arguments)  # type: ignore[operator]
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def a_run(location: object) -> tuple[list[str], float, SafeHistory | None]:
    """What a run asks of a history: its warnings, the seconds it took, and the history."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        safe = open_safely(location)  # type: ignore[arg-type]
        if safe is not None:
            assert safe.key is None or fingerprint(len, safe.key)
            safe.recent(FIRST)
            safe.add([observation()])
            safe.recent(FIRST)
            safe.add([observation()])
        seconds = time.perf_counter() - start
    assert all(issubclass(one.category, AmorsizeWarning) for one in caught)
    return [str(one.message) for one in caught], seconds, safe


# ---------------------------------------------------------------------- many processes


def test_sixteen_processes_record_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "state" / "history.sqlite")

    def work(process: int) -> None:
        history = SqliteHistory(path)
        for n in range(500):
            assert history.add([observation(1000 * process + n)]) == 1

    codes = [exit_code(pid) for pid in [forked(work, process) for process in range(16)]]
    assert codes == [0] * 16
    with SqliteHistory(path) as history:
        found = [one.items - 1000 for one in history.read()]
        assert sorted(found) == [1000 * process + n for process in range(16) for n in range(500)]
        for process in range(16):  # each process's own rows in its order
            own = [n for n in found if n // 1000 == process]
            assert own == sorted(own)
        assert history.check() == []


def test_two_hundred_kills_lose_only_unfinished_runs(tmp_path: Path) -> None:
    path = str(tmp_path / "history.sqlite")
    luck = random.Random(1)
    kept = killed_while_writing = 0

    def work(pipe: int) -> None:
        history = SqliteHistory(path, max_rows=150)
        n = kept
        while True:
            n += 1
            history.add([observation(n)])
            os.write(pipe, n.to_bytes(8, "little"))

    for attempt in range(200):
        read, write = os.pipe()
        pid = forked(work, write)
        os.close(write)
        # every other one is killed within its start, the rest among its writes, however slow it is
        told = os.read(read, 8) if attempt % 2 else b""
        time.sleep(luck.uniform(0.0, 0.008))
        os.kill(pid, signal.SIGKILL)
        assert exit_code(pid) == -signal.SIGKILL
        while piece := os.read(read, 65536):
            told += piece
        os.close(read)
        finished = int.from_bytes(told[-8:], "little") if told else kept
        with SqliteHistory(path, max_rows=150) as history:
            assert history.check() == []
            items = [one.items - 1000 for one in history.read()]
        # all that were reported finished, and at most the one being written when the kill came
        last = items[-1] if items else 0
        assert finished <= last <= finished + 1
        assert items == list(range(max(1, last - 149), last + 1))
        killed_while_writing += last > kept
        kept = last
    assert killed_while_writing >= 100
    names = {p.name for p in tmp_path.iterdir()}
    assert {name for name in names if ".recall" not in name} == {"history.sqlite"}


def test_a_fork_shares_no_connection(tmp_path: Path) -> None:
    history = SqliteHistory(str(tmp_path / "history.sqlite"))
    history.add([observation(1)])

    def work() -> None:
        assert not [name for name in open_files() if "history.sqlite" in name]
        history.add([observation(2)])

    def open_files() -> list[str]:
        return [
            os.readlink(entry.path)
            for entry in os.scandir("/proc/self/fd")
            if os.path.lexists(entry.path)
        ]

    assert any("history.sqlite" in name for name in open_files())
    assert exit_code(forked(work)) == 0
    history.add([observation(3)])
    assert [one.items for one in history.read()] == [1001, 1002, 1003]
    assert history.check() == []
    history.close()
    assert not any("history.sqlite" in name for name in open_files())


# ---------------------------------------------------------------------- harm: a warning, not a run


def test_garbage_is_set_aside_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    rubbish = random.Random(0).randbytes(20_000)
    path.write_bytes(rubbish)
    messages, seconds, safe = a_run(path)
    assert len(messages) == 1 and "corrupt-" in messages[0] and seconds < LOST_SECONDS
    (aside,) = tmp_path.glob("history.sqlite.corrupt-*")
    assert aside.read_bytes() == rubbish
    assert a_run(path)[0] == []  # the next run begins anew
    assert safe is None


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_damage_inside_is_found(tmp_path: Path, place: float) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation(n) for n in range(500)])
    content = bytearray(path.read_bytes())
    start = int(place * len(content)) // 4096 * 4096
    content[start : start + 8192] = b"\xff" * 8192
    path.write_bytes(content)
    history = SqliteHistory(str(path))
    try:
        found = history.check()
    except HistoryCorrupt as error:
        found = [str(error)]
        aside = Path(error.aside or "nowhere")
        assert aside.read_bytes() == content
    assert found != []
    history.close()


def test_a_foreign_row_is_an_error_of_the_history(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation(n) for n in range(3)])
    raw = sqlite3.connect(path)
    raw.execute("UPDATE observations SET numbers = x'00' WHERE seq = 2")
    raw.commit()
    raw.close()
    assert any("bytes" in problem for problem in SqliteHistory(str(path)).check())
    messages, _, _ = a_run(path)
    assert len(messages) == 1


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation()])
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 999")
    raw.close()
    before = path.read_bytes()
    with pytest.raises(HistoryNewer, match="999"):
        open_history(path)
    messages, seconds, _ = a_run(path)
    assert len(messages) == 1 and "upgrade" in messages[0] and seconds < LOST_SECONDS
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE precious (x)")
    raw.commit()
    raw.close()
    before = path.read_bytes()
    with pytest.raises(HistoryRefused, match="another program"):
        open_history(path)
    assert path.read_bytes() == before


def test_a_lock_held_for_long_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    SqliteHistory(str(path)).open()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    messages, seconds, safe = a_run(path)
    assert len(messages) == 1 and "locked" in messages[0] and seconds < LOST_SECONDS
    assert safe is not None and safe.failed and safe.recent(FIRST) == []
    holder.execute("ROLLBACK")
    assert a_run(path)[0] == []
    holder.close()


def test_a_file_locked_against_readers_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    SqliteHistory(str(path)).open()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    holder.execute("UPDATE meta SET value = 0 WHERE name = 'rows'")
    messages, seconds, _ = a_run(path)
    assert len(messages) == 1 and seconds < LOST_SECONDS
    holder.close()


def test_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation(n) for n in range(100)])

    def work() -> None:
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        messages, seconds, _ = a_run(path)
        assert len(messages) == 1 and seconds < LOST_SECONDS, (messages, seconds)

        def too_much() -> None:
            with SqliteHistory(str(path)) as history:
                history.add([observation(n) for n in range(1000, 3000)])

        with pytest.raises(HistoryUnavailable):
            too_much()

    assert exit_code(forked(work)) == 0
    with SqliteHistory(str(path)) as history:
        assert history.check() == []
        items = [one.items - 1000 for one in history.read()]
        assert items[:100] == list(range(100)) and max(items) < 1000


def as_nobody(work: object) -> int:
    """Exit code of ``work`` as a user without rights, if this is root."""

    def act() -> None:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        work()  # type: ignore[operator]

    return exit_code(forked(act))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if (folder != Path("/") and folder.owner() != "root") or os.geteuid() == 0:
            try:
                folder.chmod(folder.stat().st_mode | 0o055)
            except PermissionError:
                break
    mine = tmp_path / "mine"
    mine.mkdir()
    path = mine / "history.sqlite"
    with SqliteHistory(str(path)) as history:
        history.add([observation()])
    if os.geteuid() == 0:
        os.chown(mine, 65534, 65534)
        os.chown(path, 65534, 65534)

    def read_only() -> None:
        path.chmod(0o400)
        mine.chmod(0o500)
        messages, seconds, _ = a_run(path)
        assert len(messages) == 1 and seconds < LOST_SECONDS, messages
        messages, seconds, safe = a_run(mine / "sub" / "new.sqlite")
        assert len(messages) == 1 and seconds < LOST_SECONDS and safe is None, messages
        mine.chmod(0o700)
        path.chmod(0o600)

    assert as_nobody(read_only) == 0
    messages, _, _ = a_run("/proc/none/history.sqlite")
    assert len(messages) == 1


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can make another user's file"
)
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    SqliteHistory(str(path)).open()
    os.chown(path, 65534, 65534)
    with pytest.raises(HistoryRefused, match="another user"):
        open_history(path)


def test_a_file_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    SqliteHistory(str(path)).open()
    path.chmod(0o666)
    with pytest.raises(HistoryRefused, match="everybody"):
        open_history(path)


def test_nothing_is_an_error_of_another_family(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for location in (folder, "postgresql://nowhere/x", ""):
        with pytest.raises(HistoryError):
            open_history(location)
        assert len(a_run(location)[0]) == 1
    assert open_safely(None) is None


# ---------------------------------------------------------------------- the file


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

        assert history._connection is not None
        history._connection.set_progress_handler(tick, 1)
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
    monkeypatch.setattr(sqlite_module, "SCHEMA", 3)
    monkeypatch.setattr(
        sqlite_module, "MIGRATIONS", {2: lambda connection: called.append(connection)}
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
    assert raw.execute("PRAGMA user_version").fetchone() == (3,)
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

    monkeypatch.setattr(sqlite_module, "SCHEMA", 2)
    monkeypatch.setattr(sqlite_module, "MIGRATIONS", {1: fail})
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
