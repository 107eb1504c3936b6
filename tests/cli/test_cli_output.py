"""Standard output has the results and nothing else, or the program says why not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.commands import command

pytestmark = pytest.mark.timeout(60)

LOUD = """
import os, sys
def loud(item):
    print("progress of", item)
    sys.stdout.write("no end of line")
    if int(item) % 20 == 0:
        os.system("echo a program says this")
    return {"item": int(item)}
"""


@pytest.mark.parametrize("backend", ["auto", "serial", "threads", "fork", "spawn"])
def test_what_a_function_prints_is_not_among_the_results(tmp_path: Path, backend: str) -> None:
    (tmp_path / "talk.py").write_text(LOUD)
    words = command("run", "talk:loud", "--range", "60", "--backend", backend, "-j", "2")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"item": item} for item in range(60)
    ]
    assert done.stderr.count("progress of") == 60
    assert done.stderr.count("a program says this") == 3


def test_results_to_a_file_and_prints_to_where_they_always_went(tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(LOUD)
    words = command("run", "talk:loud", "7", "--output", "out")
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (tmp_path / "out").read_text() == '{"item": 7}\n'
    assert "progress of 7" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("run builtins:int 3 >&-", 2, "amorsize: standard output is closed; --output FILE"),
        ("run builtins:int --output out 3 >&-", 0, ""),
        ("run builtins:int 3 2>&-", 0, ""),
        ("run builtins:int 3 >&- 2>&-", 2, ""),
        ("run builtins:int 3 >/dev/full", 2, "amorsize: <stdout> cannot be written: No space"),
    ],
)
def test_standard_streams_that_are_closed_or_full(
    tmp_path: Path, words: str, code: int, said: str
) -> None:
    shell = " ".join(command("run")[:-1]) + " " + words
    done = subprocess.run(
        shell, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == code
    assert done.stderr.startswith(said) and done.stderr.count("\n") <= 1
    if "out" in words.split():
        assert (tmp_path / "out").read_text() == "3\n"
