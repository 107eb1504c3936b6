"""What can happen to a history, done to it for real: kills, forks, full disks, garbage, locks."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
from pathlib import Path

import pytest
from support.histories import a_run, exit_code, forked

from amorsize.history import (
    HistoryCorrupt,
    HistoryError,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
    open_history,
    open_safely,
)
from amorsize.history.sqlite import SqliteHistory
from amorsize.testing.history_contract import FIRST, observation

pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(os.name != "posix", reason="posix only")]


LOST_SECONDS = 0.25
"""What a harmed history may cost a run."""


def test_a_damaged_history_is_set_aside_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    SqliteHistory(str(path)).open()
    rubbish = path.read_bytes()[:100] + random.Random(0).randbytes(20_000)
    path.write_bytes(rubbish)
    messages, seconds, safe = a_run(path)
    assert len(messages) == 1 and "corrupt-" in messages[0] and seconds < LOST_SECONDS
    (aside,) = tmp_path.glob("history.sqlite.corrupt-*")
    assert aside.read_bytes() == rubbish
    assert a_run(path)[0] == []  # the next run begins anew
    assert safe is None


def a_foreign_database(path: Path) -> bytes:
    """The bytes of a database that another program made."""
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA application_id = 7")
        raw.execute("CREATE TABLE precious (x)")
    raw.close()
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["csv", "short", "zeros", "noise", "their damaged database"])
def test_a_file_that_never_was_a_history_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results.csv"
    content = {
        "csv": b"name,score\n" * 1_000,
        "short": b"x",
        "zeros": bytes(8_192),
        "noise": random.Random(0).randbytes(20_000),
        "their damaged database": a_foreign_database(path)[:100] + b"\xff" * 20_000,
    }[kind]
    path.write_bytes(content)
    with pytest.raises(HistoryRefused, match="not a history of amorsize"):
        open_history(path)
    messages, seconds, safe = a_run(path)
    assert len(messages) == 1 and "stays as it is" in messages[0] and seconds < LOST_SECONDS
    assert safe is None
    assert [one.name for one in tmp_path.iterdir()] == ["results.csv"]
    assert path.read_bytes() == content


def test_a_history_whose_header_is_still_in_the_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = SqliteHistory(str(path))
    history.add([observation()])
    assert b"amor" not in path.read_bytes()[:100]
    raw = sqlite3.connect(path)
    raw.execute("UPDATE observations SET numbers = x'00'")
    raw.commit()
    with pytest.raises(HistoryCorrupt, match="wrong length"):
        history.table()
    assert list(tmp_path.glob("history.sqlite.corrupt-*"))
    raw.close()


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
        room = 32_768  # of the write-ahead file; the index beside it needs as much
        assert path.stat().st_size > room
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
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
