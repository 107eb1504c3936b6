"""A history on a real PostgreSQL server: the contract, many writers, and every way in which it fails."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from support.learning import ended
from support.postgresql import PASSWORD, Server, can_serve, numbered, schema_of
from support.timing import awake_seconds
from support.work import command

from amorsize import AmorsizeWarning
from amorsize import history as history_package
from amorsize.core.frozen import replace
from amorsize.core.observation import NUMBERS, SCHEMA
from amorsize.history import (
    HistoryChanged,
    HistoryNewer,
    HistoryRefused,
    HistoryUnavailable,
    open_history,
)
from amorsize.history.base import History
from amorsize.learning import learner as learning
from amorsize.testing.history_contract import FIRST, HistoryContract, observation

pytest.importorskip("psycopg", reason="psycopg is not installed")
if not can_serve():
    pytest.skip("PostgreSQL is not installed", allow_module_level=True)

from amorsize.history import pg_tables, postgresql
from amorsize.history.postgresql import PostgresHistory

pytestmark = pytest.mark.timeout(60)
ROOT = Path(history_package.__file__).parents[2]
GRACE_SECONDS = 0.5
"""What a loaded machine may add to a limit: the server has to answer, too."""


class TestPostgres(HistoryContract):
    shared = True

    @pytest.fixture(autouse=True)
    def _served(self, server: Server) -> None:
        self.server = server

    def make(self, tmp_path: Path, max_rows: int = 20_000) -> History:
        return PostgresHistory(self.server.url(schema_of(self.server, tmp_path)), max_rows=max_rows)


# -- many at once ---------------------------------------------------------------------------------

WRITER = """
import sys
from amorsize.history import open_history
from amorsize.testing.history_contract import observation
from amorsize.core.frozen import replace
url, start, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open_history(url) as history:
    for n in range(start, start + count):
        history.add([replace(observation(n), id=f"{n:032x}")])
"""


def writers(url: str, processes: int, count: int) -> list[subprocess.Popen[bytes]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(number * count), str(count)], cwd=ROOT
        )
        for number in range(processes)
    ]


def finish(started: list[subprocess.Popen[bytes]]) -> list[int]:
    try:
        return [one.wait(150) for one in started]
    finally:
        for one in started:
            one.kill()
            one.wait()


def test_processes_write_at_once_from_an_empty_database(url: str) -> None:
    assert finish(writers(url, 6, 50)) == [0] * 6
    with open_history(url) as history:
        assert sorted(one.items for one in history.read()) == [1000 + n for n in range(300)]
        assert history.check() == [] and history.stats().rows == 300


def test_a_restart_in_the_middle_loses_and_doubles_nothing(url: str, server: Server) -> None:
    started = writers(url, 3, 150)
    with open_history(url) as history:
        while not history.stats().rows:
            time.sleep(0.01)
    server.stop("fast")
    server.start()
    assert finish(started) == [0] * 3
    with open_history(url) as history:
        assert sorted(one.items for one in history.read()) == [1000 + n for n in range(450)]
        assert history.check() == []


def test_what_was_sent_twice_is_stored_once(url: str) -> None:
    """As after a commit whose answer was lost."""
    with open_history(url) as one, open_history(url) as other:
        assert one.add([numbered(1), numbered(2), numbered(2)]) == 2
        assert other.add([numbered(2), numbered(3)]) == 1
        assert one.stats().rows == 3 and one.check() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_nothing_is_open_across_a_fork(url: str) -> None:
    with open_history(url) as history:
        assert isinstance(history, PostgresHistory)
        history.add([numbered(1)])
        assert history._connection is not None
        child = os.fork()
        if child == 0:
            code = 1
            try:
                before = history._connection is None
                code = 0 if before and history.add([numbered(2)]) == 1 else 2
            finally:
                os._exit(code)
        assert history._connection is None
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert history.add([numbered(3)]) == 1
        assert [one.items for one in history.read()] == [1001, 1002, 1003]


@pytest.mark.long
def test_a_server_ends_with_its_tests_even_if_they_are_killed() -> None:
    """Of the tests themselves: no server stays behind for good."""
    code = (
        "from support.postgresql import Server\nimport time\n"
        "one = Server()\none.start()\nprint(one.folder, *one.pids(), flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        folder, *pids = tests.stdout.readline().split()
        assert Path(folder).exists() and all(Path("/proc", pid).exists() for pid in pids)
        tests.kill()
    end = time.monotonic() + 30
    while (Path(folder).exists() or Path("/proc", pids[0]).exists()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(folder).exists() and not Path("/proc", pids[0]).exists()


# -- what goes wrong --------------------------------------------------------------------------------


def lost_seconds(url: str) -> float:
    """What a run loses to a history that does not work: recall and record, one warning in all."""
    learner = learning.Learner(url)
    start = awake_seconds()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert learner.recall(len, 1e6) == []
        learner.record(len, *ended())
    seconds = awake_seconds() - start
    told = [one for one in caught if issubclass(one.category, AmorsizeWarning)]
    assert len(told) == 1 and learner.failed, [str(one.message) for one in caught]
    assert PASSWORD not in str(told[0].message) and "w@127" not in str(told[0].message)
    return seconds


def test_a_server_that_is_not_there(server: Server, url: str) -> None:
    assert lost_seconds("postgresql://u:x@127.0.0.1:1/db") < 0.25 + GRACE_SECONDS


def test_a_server_that_accepts_and_says_nothing() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        seconds = lost_seconds(f"postgresql://u:x@127.0.0.1:{silent.getsockname()[1]}/db")
    assert postgresql.RUN_SECONDS / 2 <= seconds < 0.25 + GRACE_SECONDS


def test_a_server_that_stands_still(server: Server, url: str) -> None:
    with open_history(url) as history:
        history.add([numbered(1)])
    with open_history(url, for_run=True) as history:
        assert history.recent(FIRST)
        frozen = server.freeze()
        try:
            start = awake_seconds()
            with pytest.raises(HistoryUnavailable, match="in time"):
                history.recent(FIRST)
            assert awake_seconds() - start < 0.25 + GRACE_SECONDS
            assert lost_seconds(url) < 0.25 + GRACE_SECONDS
        finally:
            server.thaw(frozen)


def test_a_lock_held_by_another(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setattr(postgresql, "RUN_SECONDS", 1.0)  # a busy machine's server answers late
    with open_history(url, for_run=True) as history, psycopg.connect(url) as other:
        other.execute("SELECT value FROM amorsize_meta WHERE name = 'rows' FOR UPDATE")
        start = awake_seconds()
        with pytest.raises(HistoryUnavailable, match=r"too slow|in time"):
            history.add([numbered(1)])
        assert awake_seconds() - start < 2.5 * postgresql.RUN_SECONDS + GRACE_SECONDS
        assert history.recent(FIRST) == []  # readers wait for nobody
        other.rollback()
        assert history.add([numbered(1)]) == 1


def test_a_newer_schema_is_not_used(server: Server, url: str) -> None:
    import psycopg

    with open_history(url) as history:
        history.add([numbered(1)])
        with psycopg.connect(url) as other:
            other.execute("UPDATE amorsize_meta SET value = '99' WHERE name = 'schema'")
        with pytest.raises(HistoryNewer, match="upgrade"):
            open_history(url)
        assert lost_seconds(url) < 0.25 + GRACE_SECONDS
        # one that was connected before goes on as it was: its rows say how they are laid out
        assert history.add([numbered(2)]) == 1


def test_versions_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older version with other numbers has written, and goes on while the newer one has begun."""
    old = [*reversed(NUMBERS)][:-1] if NUMBERS[0] == "weight" else [*reversed(NUMBERS)]
    old.remove("weight")
    with open_history(url) as older:
        older.add([replace(numbered(n), weight=1.0) for n in range(3)])  # type: ignore[type-var]
        key, before = older.key, list(older.read())
        import struct

        import psycopg

        with psycopg.connect(url) as raw:
            for seq, numbers in raw.execute("SELECT seq, numbers FROM amorsize_observations"):
                values = dict(
                    zip(NUMBERS, struct.unpack(f"<{len(NUMBERS)}d", numbers), strict=True)
                )
                packed = struct.pack(f"<{len(old)}d", *[values[name] for name in old])
                raw.execute(
                    "UPDATE amorsize_observations SET numbers = %s WHERE seq = %s", (packed, seq)
                )
            raw.execute(
                "UPDATE amorsize_meta SET value = %s WHERE name = %s",
                (" ".join(old), f"numbers:{SCHEMA}"),
            )
            raw.execute("ALTER TABLE amorsize_observations DROP COLUMN library_version")
        monkeypatch.setattr(pg_tables, "SCHEMA", SCHEMA + 1)
        failures: list[BaseException] = []

        def migrate() -> None:
            try:
                with open_history(url) as newer:
                    assert newer.key == key
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=migrate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        with open_history(url) as newer:
            assert [replace(one, library_version="0.1.0") for one in newer.read()] == before
            assert newer.add([numbered(7)]) == 1 and newer.check() == []
            monkeypatch.setattr(pg_tables, "SCHEMA", SCHEMA)
            with pytest.raises(HistoryNewer):
                older.recent(FIRST)


def test_tables_of_another_program_are_left_alone(server: Server, url: str) -> None:
    import psycopg

    with psycopg.connect(url) as other:
        other.execute("CREATE TABLE amorsize_meta (a integer)")
    with pytest.raises(HistoryRefused, match="another program"):
        open_history(url)


def test_a_full_disk(server: Server, url: str) -> None:
    """A real one takes a file system of its own: the server itself says so here, by its own error."""
    import psycopg

    with open_history(url) as history:
        history.add([numbered(1)])
    with psycopg.connect(url) as other:
        other.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END$$"
        )
        other.execute(
            "CREATE TRIGGER full_disk BEFORE INSERT ON amorsize_observations "
            "EXECUTE FUNCTION full_disk()"
        )
    learner = learning.Learner(url)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            learner.record(len, *ended())
    assert len(told) == 1 and "no room" in str(told[0].message)
    with open_history(url) as history:
        assert [one.items for one in history.read()] == [1001] and history.check() == []


def test_fails_over_to_the_next_host(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RUN_SECONDS", 5.0)  # a busy machine's server answers late
    monkeypatch.setattr(postgresql, "OPENING_SECONDS", 5.0)
    several = url.replace(f"127.0.0.1:{server.port}", f"127.0.0.1:1,127.0.0.1:{server.port}")
    with open_history(several, for_run=True) as history:
        assert history.add([numbered(1)]) == 1


def test_a_server_that_only_reads_is_no_good(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RUN_SECONDS", 5.0)  # a busy machine's server answers late
    monkeypatch.setattr(postgresql, "OPENING_SECONDS", 5.0)
    with open_history(url):
        pass
    only = url.replace("search_path%3D", "default_transaction_read_only%3Don%20-c%20search_path%3D")
    with open_history(only, for_run=True) as history:
        assert history.recent(FIRST) == []
        with pytest.raises(HistoryUnavailable, match="read-only"):
            history.add([numbered(1)])


def test_removed_rows_are_noticed(url: str) -> None:
    with open_history(url) as history:
        history.add([numbered(1), numbered(2)])
        with pytest.raises(HistoryChanged):
            history.replace([f"{1:032x}", "ee" * 16], [numbered(3)], strict=True)
        assert history.stats().rows == 2 and history.check() == []
        assert history.replace([f"{1:032x}"], [replace(numbered(1), items=5)], strict=True) == (
            1,
            1,
        )
        assert [one.items for one in history.read()] == [5, 1002]


def test_a_system_without_poll(server: Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows: waited for by ``select.select``."""
    import select

    monkeypatch.delattr(select, "poll", raising=False)
    with open_history(url) as history:
        assert history.add([numbered(n) for n in range(2000)]) == 2000
        assert [one.items for one in history.read()] == [1000 + n for n in range(2000)]
    with open_history(url, for_run=True) as history:
        frozen = server.freeze()
        try:
            with pytest.raises(HistoryUnavailable, match="in time"):
                history.recent(FIRST)
        finally:
            server.thaw(frozen)


# -- upkeep -------------------------------------------------------------------------------------------


def test_one_prunes_and_the_others_do_not(url: str) -> None:
    with open_history(url) as one, open_history(url) as other:
        assert one.begin_upkeep()
        assert not other.begin_upkeep()
        one.end_upkeep()
        assert other.begin_upkeep()
        other.end_upkeep()


def test_the_child_prunes_without_a_url_in_its_command(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amorsize.pruning.history import life
    from amorsize.pruning.upkeep import Upkeep

    with open_history(url) as history:
        history.add([replace(observation(n % 40), id=f"{n:032x}") for n in range(400)])
        upkeep = Upkeep(url, "auto")
        upkeep.start()
        child = upkeep._child
        assert child is not None
        try:
            while not (words := command(child.pid)):  # the system has not set it yet
                assert child.poll() is None
            assert "postgresql" not in words.replace("postgresql.py", "")
            assert child.wait(150) == 0
        finally:
            upkeep.stop()
        assert life(history).rows > 0
        assert history.stats().rows < 400 and history.check() == []


def test_a_server_gets_no_names(url: str) -> None:
    with open_history(url) as history:
        history.add([replace(numbered(1), name="module:function")])  # type: ignore[type-var]
        assert [one.name for one in history.read()] == [""]
