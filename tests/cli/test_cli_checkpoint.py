"""Checkpoints on the command line: keys, what failed, and what ``amorsize checkpoint`` shows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.commands import call, one_line, results

pytestmark = pytest.mark.timeout(60)

ASKING = """
import os
class Bad(Exception):
    status_code = 422
def ask(row):
    with open("asked", "a") as file: file.write(f"{row['id']}\\n")
    if not os.path.exists("mended"):
        if row["id"] == 2: raise Bad(2)
        if row["id"] == 3: raise ValueError("three")
    return row["id"] * 10
async def ask_later(row):
    return ask(row)
def by_id(row):
    return row["id"]
"""


@pytest.fixture
def rows(place: Path) -> Path:
    place.chmod(0o700)
    (place / "asking.py").write_text(ASKING)
    write(place, *range(5))
    return place


def write(place: Path, *numbers: int) -> None:
    lines = [json.dumps({"id": number, "noise": "x" * (number + 1)}) for number in numbers]
    (place / "in.jsonl").write_text("\n".join(lines))


def run(place: Path, function: str, *words: str) -> subprocess.CompletedProcess[str]:
    return call(
        place, "run", f"asking:{function}", "--input", "in.jsonl", "--checkpoint", "file", *words
    )


def asked(place: Path) -> list[int]:
    file = place / "asked"
    found = sorted(map(int, file.read_text().split())) if file.exists() else []
    file.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("function", ["ask", "ask_later"])
@pytest.mark.parametrize("key", ["id", "asking:by_id"])
def test_rows_change_and_what_failed_runs_again(rows: Path, function: str, key: str) -> None:
    words = ["--key", key, "--on-error", "skip"]
    assert run(rows, function, *words).stdout.split() == ["0", "10", "40"]
    assert asked(rows) == [0, 1, 2, 3, 4]
    write(rows, 9, 4, 3, 2, 0)
    words.append("--resume")
    assert run(rows, function, *words).stdout.split() == ["90", "40", "0"]
    assert asked(rows) == [3, 9], "2 was a bad request"
    (rows / "mended").touch()
    write(rows, 9, 8, 3, 2)
    assert results(run(rows, function, *words, "--retry-failed")) == [90, 30, 20]
    assert asked(rows) == [2, 3]
    assert results(run(rows, function, *words)) == [90, 80, 30, 20]
    assert asked(rows) == [8]


def test_what_is_in_it_is_shown_exported_and_forgotten(rows: Path) -> None:
    run(rows, "ask", "--key", "id", "--on-error", "collect")
    told = json.loads(call(rows, "checkpoint", "file", "--json").stdout)
    assert (told["done"], told["failed"], told["rejected"]) == (3, 1, 1)
    assert told["items_known_by"] == "key"
    assert told["bytes"] == (rows / "file").stat().st_size
    text = call(rows, "checkpoint", "file").stdout
    failures = [one["key"] for one in told["failures"]]
    for part in ("3 done, 1 failed, 1 rejected", "item 3 ([3]), failed: ValueError: three"):
        assert part in text
    lines = call(rows, "checkpoint", "file", "--export", "-").stdout.splitlines()
    assert list(map(json.loads, lines)) == [
        {"position": 0, "key": [0], "state": "done", "result": 0},
        {"position": 1, "key": [1], "state": "done", "result": 10},
        {"position": 2, "key": [2], "state": "rejected", "error": "Bad: 2"},
        {"position": 3, "key": [3], "state": "failed", "error": "ValueError: three"},
        {"position": 4, "key": [4], "state": "done", "result": 40},
    ]
    assert failures == [json.loads(line)["key"] for line in lines if "error" in json.loads(line)]
    only = call(rows, "checkpoint", "file", "--export", "-", "--failed").stdout.splitlines()
    assert only == lines[2:4], "those that failed, and no other"
    asked(rows)
    assert "no item has this key" in one_line(call(rows, "checkpoint", "file", "--forget", "7"), 2)
    forgotten = call(rows, "checkpoint", "file", "--forget", "[1]", "--forget-failed")
    assert forgotten.stdout == "forgot 3 items\n"
    (rows / "mended").touch()
    done = run(rows, "ask", "--key", "id", "--resume")
    assert results(done) == [0, 10, 20, 30, 40]
    assert asked(rows) == [1, 2, 3]


def test_texts_are_keys_of_their_own(place: Path) -> None:
    place.chmod(0o700)
    call(
        place,
        "run",
        "jobs:upper",
        "a",
        "b b",
        "--checkpoint",
        "file",
        "--checkpoint-format",
        "json",
    )
    told = call(place, "checkpoint", "file", "--export", "out")
    assert told.returncode == 0, told.stderr
    lines = (place / "out").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b b"]
    assert call(place, "checkpoint", "file", "--forget", "b b").stdout == "forgot 1 item\n"


def test_wrong_words_say_what_is_missing(place: Path) -> None:
    place.chmod(0o700)
    for words in (["--key", "id"], ["--retry-failed"]):
        line = one_line(call(place, "run", "jobs:double", "--range", "3", *words), 2)
        assert "--checkpoint" in line
    assert "no such file" in one_line(call(place, "checkpoint", "none"), 2)
    (place / "text").write_text("text")
    assert "no checkpoint of amorsize" in one_line(call(place, "checkpoint", "text"), 2)


TAKEN = """
def pair(text):
    return [text, len(text)]

async def pair_later(text):
    return [text, len(text)]

def key(text):
    return text
"""


@pytest.mark.parametrize(
    "logs", [(False, True), (True, False)], ids=["begun without", "begun with"]
)
@pytest.mark.parametrize("key", [(), ("--key", "taken:key")], ids=["content", "key"])
@pytest.mark.parametrize("function", ["pair", "pair_later"])
def test_a_job_log_may_come_and_go(
    place: Path, function: str, key: tuple[str, ...], logs: tuple[bool, bool]
) -> None:
    place.chmod(0o700)
    (place / "taken.py").write_text(TAKEN)
    words = ["run", f"taken:{function}", "a", "bb", "--checkpoint", "file", *key]
    for more, log in zip(([], ["ccc", "--resume"]), logs, strict=True):
        done = call(place, *words, *more, *["--joblog", "log"] * log)
        assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        ["a", 1],
        ["bb", 2],
        ["ccc", 3],
    ]
    exported = call(place, "checkpoint", "file", "--export", "-").stdout.splitlines()
    assert [json.loads(line)["result"] for line in exported] == [["a", 1], ["bb", 2], ["ccc", 3]]
    starts = [line.split("\t")[1] for line in (place / "log").read_text().splitlines()[1:]]
    assert [start == "-" for start in starts] == ([True, True, False] if logs[1] else [False] * 2)
