"""What README.md and CONTRIBUTING.md say is true: every block is run, every module is in the table."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support import ROOT

import amorsize
import amorsize.cli

pytestmark = pytest.mark.timeout(60)

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
SESSIONS = [
    (command, output)
    for language, text in BLOCKS
    if language == "console"
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
]
"""Each command of a console block with the output that is shown, if any."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the modules that the README names, some texts, and a command ``amorsize``."""
    for text in PYTHON:
        if title := re.match(r"# (\w+\.py)\n", text):
            (tmp_path / title[1]).write_text(text)
    (tmp_path / "deep").mkdir()
    for name, words in {"a.txt": 3, "b.txt": 0, "deep/c.txt": 500}.items():
        (tmp_path / name).write_text("word " * words)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "amorsize"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m amorsize "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
    )


def test_the_blocks_are_found() -> None:
    """Every fence opens or closes a block that is run or looked at here."""
    # What needs an extra is "py": looked at here, not run.
    assert {language for language, _ in BLOCKS} == {"python", "console", "py"}
    assert len(re.findall("^ *```", README, re.MULTILINE)) == 2 * len(BLOCKS)
    shown = [line for _, text in BLOCKS for line in text.splitlines() if line.startswith("$ ")]
    assert [f"$ {command}" for command, _ in SESSIONS] == shown


@pytest.mark.parametrize("text", PYTHON, ids=range(len(PYTHON)))
def test_python_block(place: Path, text: str) -> None:
    block = place / "block.txt"
    block.write_text(text)
    doctest = ["-m", "doctest"] if ">>> " in text else []
    done = run([sys.executable, "-W", "error", *doctest, str(block)], place)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("command", "output"), SESSIONS, ids=[command for command, _ in SESSIONS])
def test_console_command(place: Path, command: str, output: str) -> None:
    """A command prints what is shown, or else just succeeds."""
    first, *words = shlex.split(command)
    if first == "make":
        if shutil.which("make") is None:
            pytest.skip("make is not installed")
        done = run(["make", "--dry-run", "--directory", str(ROOT), *words], place)
    elif first == "pip":
        assert (first, *words) == ("pip", "install", ".")
        assert (ROOT / "pyproject.toml").exists()
        return
    else:
        assert "amorsize" in command
        done = run(["bash", "-o", "pipefail", "-c", command], place)
    if output:
        assert done.stdout == output
    else:
        assert done.returncode == 0, done.stdout


def test_what_the_examples_write_is_right(place: Path) -> None:
    (command,) = [command for command, _ in SESSIONS if "--output" in command]
    assert run(["bash", "-c", command], place).returncode == 0
    assert (place / "counts.jsonl").read_text() == "3\n0\n500\n"


def test_the_command_is_the_one_of_the_package() -> None:
    (command,) = entry_points(group="console_scripts", name="amorsize")
    assert command.load() is amorsize.cli.main


def first_cells(text: str, head: str) -> list[str]:
    """The first column of the table that begins with the line ``head``."""
    table = text.partition(f"{head}\n")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[1:]]


def test_tables_name_what_there_is() -> None:
    from amorsize.api.checks import NAMES
    from amorsize.cli.commands import COMMANDS
    from amorsize.cli.exit_codes import EXIT_CODES

    public = " ".join(first_cells(README, "| Name | What it does |"))
    named = set(re.findall(r"`(\w+)", public))
    assert named == set(amorsize.__all__) - {"__version__"}
    options = " ".join(first_cells(README, "| Option | Default | Meaning |"))
    assert set(re.findall(r"\w+", options)) <= NAMES
    commands = first_cells(README, "| Command | What it does |")
    assert [re.findall(r"\w+", command)[1] for command in commands] == list(COMMANDS)
    codes = first_cells(README, "| Exit code | Meaning |")
    assert codes == re.findall(r"^  (\d+)", EXIT_CODES, re.MULTILINE)
