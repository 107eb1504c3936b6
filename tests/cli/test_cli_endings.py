"""How the command line ends, and its bar."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import command

pytestmark = pytest.mark.timeout(60)


def test_broken_pipe_is_quiet(place: Path) -> None:
    words = command("run", "jobs:big", "--range", "100000")
    process = subprocess.Popen(words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert json.loads(process.stdout.readline()) == "0" * 2000
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def members(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("source", ["range", "stdin"])
@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_ctrl_c_ends_everything_with_one_line(place: Path, backend: str, source: str) -> None:
    words = ["--range", "100"] if source == "range" else ["--input", "-"]
    process = subprocess.Popen(
        command("run", "jobs:nap", *words, "--backend", backend, "-j", "2", "--joblog", "log"),
        cwd=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(b"x\n" * 10)
    process.stdin.flush()
    # The log is opened when the function has been loaded; a little later the workers are at work.
    end = time.monotonic() + 20
    while not (place / "log").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(10) == 130
    out, err = process.communicate()
    assert out == b""
    assert err == b"amorsize: interrupted\n"
    end = time.monotonic() + 5
    while members(process.pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert members(process.pid) == []


# -- progress ------------------------------------------------------------------------------------


def in_terminal(place: Path, *words: str, given: str | None = None) -> tuple[int, str, str]:
    """Exit code, output, and what appeared on a terminal as standard error."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*words), cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write((given or "").encode())
        process.stdin.close()
        shown = b"".join(read_terminal(ours))
        out = process.stdout.read().decode()
    os.close(ours)
    return process.returncode, out, shown.decode()


def read_terminal(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(descriptor, 4096)
        except OSError:  # EIO: the other side is closed
            return
        if not block:
            return
        yield block


@pytest.mark.parametrize("backend", ["serial", "threads", "processes"])
def test_bar_in_a_terminal(place: Path, backend: str) -> None:
    words = ("--range", "40", "--progress", "--backend", backend, "-j", "2")
    code, out, shown = in_terminal(place, "run", "jobs:wait", *words)
    assert code == 0, shown
    assert out.split() == [str(i) for i in range(40)]
    assert "40/40" in shown
    between = {state for state in range(1, 40) if f" {state}/40 " in shown}
    assert len(between) >= 2, shown
    assert shown.endswith("\r\n")


def test_bar_for_input_of_unknown_length(place: Path) -> None:
    given = "".join(f"{i}\n" for i in range(30))
    code, out, shown = in_terminal(
        place, "run", "jobs:wait", "--input", "-", "--progress", given=given
    )
    assert code == 0, shown
    assert len(out.split()) == 30
    assert "30 items" in shown
