"""Items of the command line: arguments, files, ranges, JSON, standard input."""

from __future__ import annotations

import json
import os
import select
import subprocess
from pathlib import Path

import pytest
from support.commands import call, command, results

from amorsize.cli.exit_codes import BROKEN_PIPE

pytestmark = pytest.mark.timeout(60)


def test_items_from_arguments_stay_text(place: Path) -> None:
    assert results(call(place, "run", "jobs:double", "1", "b")) == ["11", "bb"]


def test_json_items_are_values(place: Path) -> None:
    done = call(place, "run", "jobs:double", "--json-items", "1", "[2]", '"c"')
    assert results(done) == [2, [2, 2], "cc"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "jobs:upper", "-j", "2", "a", "b"],
        ["run", "-j", "2", "jobs:upper", "a", "b"],
        ["run", "jobs:upper", "a", "-j", "2", "b"],
        ["run", "jobs:upper", "a", "b", "-j2"],
        ["run", "jobs:upper", "-j2", "--", "a", "b"],
        ["run", "-j2", "--", "jobs:upper", "a", "b"],
    ],
)
def test_options_may_stand_anywhere(place: Path, words: list[str]) -> None:
    assert results(call(place, *words)) == ["A", "B"]


def test_items_after_two_dashes_may_look_like_options(place: Path) -> None:
    assert results(call(place, "run", "jobs:upper", "--", "-x", "--repr", "--")) == [
        "-X",
        "--REPR",
        "--",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", range(5)), ("2:6", range(2, 6)), ("9:0:-3", range(9, 0, -3)), ("0", range(0))],
)
def test_range(place: Path, text: str, expected: range) -> None:
    assert results(call(place, "run", "jobs:double", "--range", text)) == [2 * i for i in expected]


def test_lines_of_a_file(place: Path) -> None:
    content = "a\r\n\nlong " + "x" * 200_000 + "\nü\nlast without end"
    (place / "in.txt").write_bytes(content.encode())
    expected = [line.removesuffix("\r").upper() for line in content.split("\n")]
    assert results(call(place, "run", "jobs:upper", "--input", "in.txt")) == expected


def test_bytes_that_are_no_utf8_survive(place: Path) -> None:
    (place / "in.txt").write_bytes(b"caf\xe9\n")
    done = call(place, "run", "os:fsencode", "--input", "in.txt", "--repr")
    assert results(done) == [repr(b"caf\xe9")]


@pytest.mark.parametrize("words", [["--input", "in.jsonl"], ["--input", "-", "--jsonl"]])
def test_json_lines(place: Path, words: list[str]) -> None:
    values = [1, "two", None, [3], {"four": 4.5}]
    text = "\n\n".join(map(json.dumps, values)) + "\n"
    (place / "in.jsonl").write_text(text)
    assert results(call(place, "run", "jobs:keyed", *words, given=text)) == [
        {"got": value} for value in values
    ]


def test_glob_sorts_and_goes_into_directories(place: Path) -> None:
    (place / "sub").mkdir()
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        (place / name).touch()
    done = call(place, "run", "jobs:upper", "--glob", "**/*.csv", "--glob", "b.csv")
    assert results(done) == ["A.CSV", "B.CSV", os.path.join("SUB", "C.CSV"), "B.CSV"]


def test_standard_input_is_answered_while_it_is_open(place: Path) -> None:
    words = command("run", "jobs:upper", "--input", "-")
    with subprocess.Popen(
        words, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        for word in ("one", "two"):
            process.stdin.write(word + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == json.dumps(word.upper()) + "\n"
        process.stdin.close()
        assert process.wait(20) == 0


def test_endless_input_is_not_read_far_ahead_of_a_reader_that_stalls(place: Path) -> None:
    words = command("run", "jobs:upper", "--input", "-")
    process = subprocess.Popen(words, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    descriptor = process.stdin.fileno()
    os.set_blocking(descriptor, False)
    block, written = b"some line of text\n" * 256, 0
    try:
        limit = 64 << 20
        while written < limit and select.select([], [descriptor], [], 3.0)[1]:
            written += os.write(descriptor, block)
        # Two pipes of 64 KiB, one read, and a window of at most 4,096 lines come to 0.4 MB.
        assert written < 1 << 20
        assert process.poll() is None
    finally:
        process.stdout.close()
        process.stdin.close()
        assert process.wait(20) == BROKEN_PIPE
