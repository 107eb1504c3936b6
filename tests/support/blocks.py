"""The code of README.md and docs/, as it stands in fences, and how each kind is run.

``python``: a script, or a doctest if it has ``>>>``; ``console``: each command after ``$``, which prints
what is shown, or else just succeeds; other languages and directives are shown only. The blocks of a page
run one after the other in one folder.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

SHOWN_ONLY = {"py", "text", "yaml", "json", ""}
"""And directives, whose names stand in braces."""
RUN = {"python", "console"}


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Every block of a page; each fence opens or closes one."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(one[1], one[2], 1 + text.count("\n", 0, one.start()))
        for one in re.finditer(r"^```([^\s`]*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), page
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """Each command of a console block with the output that is shown, if any."""
    found = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE)
    assert len(found) == len(re.findall(r"^\$ ", block.text, re.MULTILINE))
    return found


def furnish(place: Path, page: Path) -> None:
    """What blocks find: modules that the page names, some texts, and a command ``amorsize``."""
    for block in blocks(page):
        if block.language == "python" and (title := re.match(r"# (\w+\.py)\n", block.text)):
            (place / title[1]).write_text(block.text, encoding="utf-8")
    (place / "deep").mkdir()
    for name, words in {"a.txt": 3, "b.txt": 0, "deep/c.txt": 500}.items():
        (place / name).write_text("word " * words)
    (place / "bin").mkdir()
    command = place / "bin" / "amorsize"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m amorsize "$@"\n')
    command.chmod(0o755)


def run_block(block: Block, place: Path) -> str:
    """What is wrong with a block, with what it printed; an empty text if nothing is."""
    if block.language == "console":
        return "".join(run_command(command, output, place) for command, output in commands(block))
    doctest = ["-m", "doctest"] if ">>> " in block.text else []
    script = place / ("block.txt" if doctest else "block.py")
    script.write_text(block.text, encoding="utf-8")
    done = run([sys.executable, "-W", "error::UserWarning", *doctest, str(script)], place)
    return "" if done.returncode == 0 else done.stdout


def run_command(command: str, output: str, place: Path) -> str:
    """What is wrong with a command."""
    first, *words = shlex.split(command)
    if first == "make":
        if shutil.which("make") is None:
            return ""
        done = run(["make", "--dry-run", "--directory", str(ROOT), *words], place)
    elif first == "pip":
        return "" if words == ["install", "."] else command
    else:
        done = run(["bash", "-o", "pipefail", "-c", command], place)
    right = done.stdout == output if output else done.returncode == 0
    return "" if right else f"$ {command}\n{done.stdout}"


def run(words: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in the folder of a page, with a history of its own."""
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    history = str(place / "history.sqlite")
    return subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "PATH": path, "AMORSIZE_HISTORY": history},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
