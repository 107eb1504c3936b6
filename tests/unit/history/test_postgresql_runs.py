"""Runs and the command line with a history on a real PostgreSQL server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from support.postgresql import Server, can_serve, numbered

import amorsize
from amorsize import AmorsizeWarning
from amorsize import history as history_package
from amorsize.history import (
    HistoryError,
    open_history,
    shown,
)
from amorsize.learning import learner as learning

pytest.importorskip("psycopg", reason="psycopg is not installed")
if not can_serve():
    pytest.skip("PostgreSQL is not installed", allow_module_level=True)

from amorsize.history import postgresql

pytestmark = pytest.mark.timeout(60)
ROOT = Path(history_package.__file__).parents[2]


def slow(number: int) -> int:
    time.sleep(0.05)
    return number * 2


def test_runs_learn_together(url: str) -> None:
    """Two processes that never meet: the second knows what the first has learned."""
    begin = (
        "import amorsize, warnings\n"
        "warnings.simplefilter('error', amorsize.AmorsizeWarning)\n"
        # on a busy machine the server may take longer to answer than a run waits for it
        "from amorsize.history import postgresql\n"
        "postgresql.RUN_SECONDS = 10.0\n"
        "def work(n):\n    return sum(range(200_000 + n))\n"
        "data = range(400)\n"
    )
    first = "assert amorsize.execute(work, data) == [sum(range(200_000 + n)) for n in data]\n"
    second = "print(amorsize.optimize(work, data).source)\n"
    told = []
    for code in (second, first, second):
        done = subprocess.run(
            [sys.executable, "-c", begin + code],
            cwd=ROOT, env={**os.environ, "AMORSIZE_HISTORY": url}, capture_output=True, text=True,
            timeout=150, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stderr
        told.append(done.stdout.strip())
    assert told == ["model", "", "history"]
    with open_history(url) as history:
        assert history.stats().rows == 1


def test_a_server_that_stops_in_the_middle_of_a_run(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "RUN_SECONDS", 5.0)  # a busy machine's server answers late
    learning._learners.clear()
    stopper = threading.Timer(0.4, server.stop, ("immediate",))
    stopper.start()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                found = amorsize.execute(slow, range(3000), history=url)
                assert found == [2 * n for n in range(3000)]
                stopper.join()
    finally:
        stopper.join()
        server.start()
        learning._learners.clear()
    told = [one for one in caught if issubclass(one.category, AmorsizeWarning)]
    assert len(told) <= 1, [str(one.message) for one in told]
    amorsize.execute(slow, range(3000), history=url)
    learning._learners.clear()
    with open_history(url) as history:
        ids = [one.id for one in history.read()]
        assert ids and len(ids) == len(set(ids)) and history.check() == []


def command(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amorsize", "history", *words],
        cwd=ROOT, env={**os.environ, "AMORSIZE_HISTORY": url}, capture_output=True, text=True,
        timeout=150, check=False,
    )  # fmt: skip


def test_the_commands_work_and_tell_no_password(url: str, tmp_path: Path) -> None:
    with open_history(url) as history:
        history.add([numbered(n) for n in range(5)])
    file = tmp_path / "out.jsonl"
    for words in (
        ["path"], ["stats"], ["stats", "--json"], ["check"], ["export", str(file)],
        ["import", str(file)], ["tune"], ["clear", "--yes"],
    ):  # fmt: skip
        done = command(url, *words)
        assert done.returncode == 0, done.stderr
        assert "s3cret" not in done.stdout + done.stderr
        if words[0] in ("path", "stats", "check"):
            assert "postgresql://127.0.0.1" in done.stdout
    done = command(url.replace("s3cret", "wr0ng"), "stats")
    assert done.returncode == 2 and "wr0ng" not in done.stderr and "password" in done.stderr


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://u:s3cret@h/d", "postgresql://u:s3cret@h/d?password=s3cret", "mysql://u:s3cret@h/d",
        "postgresql://h/d?user=u@v&password=s3cret", "postgresql://u:s3cret/x@h:1/d",
        "postgresql://u:s3@s3cret@h:1/d", "postgresql://u:s3?cret@h/d", "postgresql://u:%zzs3cret@h/d",
    ],
)  # fmt: skip
def test_no_password_is_shown(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cret" not in shown(secret)
    from amorsize.api.checks import _check_history

    if secret.startswith("mysql"):
        for refused in (_check_history, lambda value: amorsize.Tuner(history=value)):
            with pytest.raises(amorsize.OptionError) as told:
                refused(secret)
            assert "cret" not in str(told.value)
    else:
        assert "cret" not in repr(_check_history(secret))
        assert "cret" not in repr(amorsize.Tuner(history=secret).settings)
    monkeypatch.setattr(postgresql, "RETRY_SECONDS", 0.1)
    with pytest.raises(HistoryError) as raised:
        open_history(secret, for_run=True)
    assert "cret" not in str(raised.value)


def test_short_runs_do_not_load_psycopg(url: str) -> None:
    code = (
        "import sys, amorsize, time\n"
        "amorsize.execute(time.sleep, [0.01] * 12)\n"
        "print('psycopg' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "AMORSIZE_HISTORY": url},
        capture_output=True, text=True, timeout=150, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
