"""``amorsize history``, run as a user runs it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from amorsize.core.frozen import replace
from amorsize.history import open_history
from amorsize.inspection.fingerprint import fingerprint
from amorsize.testing.history_contract import observation

pytestmark = pytest.mark.timeout(60)


def call(*words: str, history: Path | str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amorsize", "history", *words],
        env={**os.environ, "AMORSIZE_HISTORY": str(history)},
        input=typed,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "h.sqlite"
    with open_history(path) as history:
        history.add([replace(observation(i), id=f"{i:032x}") for i in range(5)])
    return path


def test_stats_and_check(place: Path) -> None:
    done = call(history=place)
    assert done.returncode == 0
    assert "rows       5" in done.stdout
    told = json.loads(call("stats", "--json", history=place).stdout)
    assert told["rows"] == 5
    assert told["functions"] == 1
    assert call("check", history=place).stdout.strip() == f"{place}: sound, 5 runs"
    assert json.loads(call("check", "--json", history=place).stdout)["problems"] == []


@pytest.mark.parametrize("action", ["stats", "check", "clear", "prune", "import"])
def test_a_file_that_is_no_history_is_an_error_and_stays(tmp_path: Path, action: str) -> None:
    table = tmp_path / "results.csv"
    table.write_text("name,score\n" * 100)
    more = (str(table),) if action == "import" else ()
    done = call(action, *more, "--history", str(table), history="off")
    assert done.returncode == 2 and "is not a history of amorsize" in done.stderr, done
    assert list(tmp_path.iterdir()) == [table]
    assert table.read_text() == "name,score\n" * 100


def test_options_may_stand_anywhere(place: Path) -> None:
    named = ["show", "a1a1", "--history", str(place), "--limit", "2"]
    expected = call(*named, history="off")
    assert expected.returncode == 0 and len(expected.stdout.splitlines()) == 5
    for words in (
        ["show", "--history", str(place), "a1a1", "--limit", "2"],
        ["--history", str(place), "--limit", "2", "show", "a1a1"],
        ["--limit", "2", "show", "--history", str(place), "--", "a1a1"],
    ):
        assert call(*words, history="off").stdout == expected.stdout, words


def test_check_finds_what_is_wrong(place: Path) -> None:
    import sqlite3

    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE observations SET numbers = x'00' WHERE seq = 2")
    connection.close()
    done = call("check", history=place)
    assert done.returncode == 2
    assert "1 bytes of numbers" in done.stdout


@pytest.mark.parametrize("form", ["", "sqlite:///"])
@pytest.mark.parametrize(
    "action", ["check", "stats", "show", "export", "prune", "clear", "learned"]
)
def test_a_history_that_is_not_there_is_told_and_not_made(
    place: Path, action: str, form: str
) -> None:
    typo = place.with_name("typo.sqlite")
    done = call(action, "--history", f"{form}{typo}", history=place)
    assert done.returncode == 2 and done.stdout == ""
    assert f"{typo}: there is no history" in done.stderr
    assert not typo.exists()


def test_import_takes_what_gzip_packed(place: Path, tmp_path: Path) -> None:
    lines, other = tmp_path / "runs.jsonl", tmp_path / "other.sqlite"
    call("export", str(lines), history=place)
    packed = tmp_path / "runs.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    done = call("import", str(packed), history=other)
    assert done.stdout == f"{packed}: 5 added, 0 known, 0 rejected\n", done.stderr
    packed.write_bytes(packed.read_bytes()[:-40])  # the end is missing
    done = call("import", str(packed), history=other)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    packed.write_bytes(gzip.compress(b"".join(lines.read_bytes().splitlines(True)[1:])))
    done = call("import", str(packed), history=other)
    assert done.returncode == 2 and "line 1: a run; the line before it" in done.stderr


def test_export_and_import(place: Path, tmp_path: Path) -> None:
    lines = tmp_path / "runs.jsonl"
    assert "5 runs written" in call("export", str(lines), history=place).stdout
    again = call("export", str(lines), history=place)
    assert again.returncode == 2, "an existing file is not overwritten"
    assert call("export", history=place).stdout == lines.read_text()
    lines.write_text(lines.read_text() + '{"broken": 1}\n')
    other = tmp_path / "other.sqlite"
    done = call("import", str(lines), history=other)
    assert "5 added, 0 known, 1 rejected" in done.stdout
    assert "line 7:" in done.stdout
    assert "0 added, 5 known" in call("import", str(lines), history=other).stdout
    with open_history(other) as there, open_history(place) as here:
        assert list(there.read()) == list(here.read())
        assert there.key == here.key


def test_clear_asks(place: Path) -> None:
    refused = call("clear", history=place, typed="y\n")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert "5 runs forgotten" in call("clear", "--yes", history=place).stdout
    assert "rows       0" in call(history=place).stdout


def test_wrong_words(place: Path, tmp_path: Path) -> None:
    assert call("import", history=place).returncode == 2
    assert call("stats", "x", history=place).returncode == 2
    assert "AMORSIZE_HISTORY=off" in call(history="off").stderr
    missing = call("import", str(tmp_path / "none"), history=place)
    assert missing.returncode == 2
    assert "No such file" in missing.stderr
    (tmp_path / "garbage").write_text("hello\n")
    assert "not JSON" in call("import", str(tmp_path / "garbage"), history=place).stderr
    newer = tmp_path / "directory"
    newer.mkdir()
    assert call(history=newer).returncode == 2


def test_every_action_answers_as_json(place: Path, tmp_path: Path) -> None:
    def told(*words: str, history: Path | str = place) -> list[dict[str, object]]:
        done = call(*words, "--json", history=history)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    assert told("path") == [{"location": str(place)}]
    assert told("path", history="off") == [{"location": None}]
    lines, more = tmp_path / "runs.jsonl", tmp_path / "more.jsonl"
    assert told("export", str(lines)) == [{"file": str(lines), "runs": 5}]
    more.write_text(lines.read_text() + '{"broken": 1}\n')
    first, second = told("import", str(lines), str(more), history=tmp_path / "other.sqlite")
    assert first == {"file": str(lines), "added": 5, "known": 0, "rejected": 0, "reasons": []}
    assert (second["known"], second["rejected"]) == (5, 1)
    (reason,) = second["reasons"]  # type: ignore[misc]
    assert reason["line"] == 7 and reason["reason"]
    assert told("tune") == [{}]
    assert told("clear", "--yes") == [{"forgotten": 5}]


def test_where_a_history_is_that_is_off() -> None:
    done = call("path", history="off")
    assert (done.returncode, done.stdout) == (0, "off\n")


@pytest.mark.parametrize("limit", ["0", "-1"])
@pytest.mark.parametrize("action", ["show", "functions"])
def test_no_lines_are_no_limit(action: str, limit: str, place: Path) -> None:
    done = call(action, "--limit", limit, history=place)
    assert done.returncode == 2 and f"--limit {limit}: at least 1" in done.stderr


def test_show_and_functions(place: Path) -> None:
    done = call("show", history=place)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 6 + 2  # what the speedup is of
    assert "speedup: seconds of all items" in done.stdout
    assert len(call("show", "--limit", "2", history=place).stdout.splitlines()) == 3 + 2
    name = observation(0).fingerprint
    assert len(call("show", name[:6], history=place).stdout.splitlines()) == 6 + 2
    assert call("show", "ffff", history=place).stdout.strip() == "no such runs"
    line = call("show", "--json", "--limit", "1", history=place).stdout
    assert json.loads(line)["id"] == f"{4:032x}"
    done = call("functions", history=place)
    assert name[:12] in done.stdout and "speedup: seconds of all items" in done.stdout
    assert (
        json.loads(call("functions", "--json", history=place).stdout)[0]["runs"] == 2.5
    )  # weights of 0.5


def test_show_finds_a_function_by_its_name(tmp_path: Path) -> None:
    import math

    place = tmp_path / "h.sqlite"
    with open_history(place) as history:
        one = replace(observation(0), fingerprint=fingerprint(math.sqrt, history.key), id="0" * 32)
        history.add([one, replace(observation(1), id="1" * 32)])
    done = call("show", "math:sqrt", history=place)
    assert len(done.stdout.splitlines()) == 2 + 2
    assert one.fingerprint[:12] in done.stdout


def test_learned(place: Path, tmp_path: Path) -> None:
    picture = tmp_path / "learned.svg"
    done = call("learned", "--plot", str(picture), history=place)
    assert done.returncode == 0, done.stderr
    assert picture.exists()
    with open_history(tmp_path / "new.sqlite"):
        pass
    assert call("learned", history=tmp_path / "new.sqlite").stdout.startswith("no runs")
    assert call("learned", "--plot", str(tmp_path), history=place).returncode == 2


def test_runs_that_wait_in_the_spool_are_a_history(tmp_path: Path) -> None:
    """The first runs of a new history are there before its database is."""
    path = tmp_path / "new.sqlite"
    code = (
        "import amorsize\n"
        "amorsize.execute(lambda n: sum(i * i for i in range(400_000)), range(40), "
        f"history={str(path)!r})\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
    assert os.path.exists(f"{path}.spool") or path.exists()
    done = subprocess.run(
        [sys.executable, "-m", "amorsize", "history", "show", "--history", str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert not done.returncode and "40" in done.stdout, done.stderr
