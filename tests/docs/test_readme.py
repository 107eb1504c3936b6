"""What README.md and the reference pages say is true: every block runs, every name is in its table."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from support import ROOT
from support.blocks import Block, blocks, commands, furnish, run, run_block

import amorsize
import amorsize.cli
from amorsize.api.checks import NAMES
from amorsize.cli.commands import COMMANDS
from amorsize.cli.exit_codes import EXIT_CODES

pytestmark = pytest.mark.timeout(60)

README = ROOT / "README.md"
RUN = [block for block in blocks(README) if block.language in ("python", "console")]
CLI = ROOT / "docs" / "guide" / "cli.md"


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("block", RUN, ids=[f"line{block.line}" for block in RUN])
def test_block(block: Block, tmp_path: Path) -> None:
    furnish(tmp_path, README)
    assert not (told := run_block(block, tmp_path)), told


def test_what_the_examples_write_is_right(tmp_path: Path) -> None:
    furnish(tmp_path, CLI)
    (command,) = [
        command
        for block in blocks(CLI)
        if block.language == "console"
        for command, _ in commands(block)
        if "--output" in command
    ]
    assert run(["bash", "-c", command], tmp_path).returncode == 0
    assert (tmp_path / "counts.jsonl").read_text() == "3\n0\n500\n"


def test_the_command_is_the_one_of_the_package() -> None:
    (command,) = entry_points(group="console_scripts", name="amorsize")
    assert command.load() is amorsize.cli.main


def first_cells(page: str, head: str) -> list[str]:
    """The first column of the table that begins with the line ``head``."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text.partition(f"{head}\n")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[1:]]


def test_the_tables_name_what_there_is() -> None:
    public = " ".join(first_cells("reference/calls.md", "| Name | What it does |"))
    assert set(re.findall(r"`(\w+)", public)) == set(amorsize.__all__) - {"__version__"}
    options = " ".join(first_cells("reference/options.md", "| Option | Default | Meaning |"))
    assert set(re.findall(r"\w+", options)) == NAMES - {"checkpoint_format"}
    named = first_cells("guide/cli.md", "| Command | Question that it answers |")
    assert [re.findall(r"\w+", command)[1] for command in named] == list(COMMANDS)
    codes = first_cells("guide/cli.md", "| Exit code | Meaning |")
    assert codes == re.findall(r"^  (\d+)", EXIT_CODES, re.MULTILINE)
