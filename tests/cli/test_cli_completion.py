"""Completion scripts are accepted by real shells; a command imports no other."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import call

from amorsize.cli.commands import COMMANDS
from amorsize.core.backends import PUBLIC_NAMES

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What --help prints, by command; "" is amorsize itself. One process prints them all."""
    code = (
        "import contextlib, io, json, amorsize.cli\n"
        "printed = {}\n"
        f"for name in {['', *COMMANDS]!r}:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(text):\n"
        "        amorsize.cli.main([*name.split(), '--help'])\n"
        "    printed[name] = text.getvalue()\n"
        "print(json.dumps(printed))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_completion_has_every_word_of_every_help(
    place: Path, shell: str, helps: dict[str, str]
) -> None:
    """The words are read off what --help prints, not off the parsers."""
    script = call(place, "completion", shell).stdout
    top = helps[""]
    shown = re.findall(r"^    (\w+)$|^    (\w+) {2}", top.partition("COMMAND\n")[2], re.M)
    names = [first or second for first, second in shown]
    assert names == list(COMMANDS)
    lines = script.splitlines()
    for name in names:
        about = [
            line
            for line in lines
            if line.lstrip().startswith(f"{name})") or f"from {name}'" in line
        ]
        offered = set(re.findall(r"(?<![\w-])(?:--|-l )([a-z-]+)", "\n".join(about)))
        helped = helps[name].partition("options:")[2]
        flags = set(re.findall(r"^  (?:-\w[^-]*, )?--([a-z-]+)", helped, re.M))
        assert "help" in flags
        assert flags == offered
    for backend in ("auto", *PUBLIC_NAMES):
        assert backend in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_accepted(place: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = call(place, "completion", shell).stdout
    checked = subprocess.run(
        [shell, "-n"], input=script, capture_output=True, text=True, timeout=150
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    for word in ("run", "plan", "doctor", "--on-error" if shell != "fish" else "on-error"):
        assert word in script


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["d"], {"doctor"}),
        (["run", "--on"], {"--on-error"}),
        (["run", "--on-error", ""], {"raise", "skip", "collect"}),
        (["run", "--backend", "th"], {"threads"}),
        (["completion", "z"], {"zsh"}),
        (["run", "--input", "jo"], {"jobs.py"}),
    ],
)
def test_completion_in_bash(place: Path, words: list[str], expected: set[str]) -> None:
    script = call(place, "completion", "bash").stdout
    line = " ".join(f"'{word}'" for word in ["amorsize", *words])
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _amorsize"
    asked += '; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], cwd=place, capture_output=True, text=True, timeout=150
    )
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("d", {"doctor"}),
        ("run --on-e", {"--on-error"}),
        ("run --on-error ", {"raise", "skip", "collect"}),
        ("completion z", {"zsh"}),
    ],
)
def test_completion_script_is_accepted_and_completes_in_fish(
    place: Path, words: str, expected: set[str]
) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = call(place, "completion", "fish").stdout
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{script}\ncomplete -C 'amorsize {words}'"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == expected, done.stderr


def test_completion_script_is_accepted_and_registered_by_zsh(place: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = call(place, "completion", "zsh").stdout
    asked = "print -r -- $_comps[amorsize]; print -r -- $+functions[_amorsize]"
    done = subprocess.run(
        ["zsh", "-f", "-c", f"{script}\n{asked}"],
        env={**os.environ, "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert (done.stdout, done.stderr) == ("_bash_complete -o default -F _amorsize\n1\n", "")
    assert not list(place.glob(".zcompdump*"))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, amorsize.cli\n"
        "try: amorsize.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'json', 'tqdm', 'numpy', 'multiprocessing', 'asyncio', 'psutil', 'cloudpickle'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_imports_no_other(place: Path, name: str) -> None:
    words = {
        "run": ["len", "--help"],
        "plan": ["len", "--help"],
        "compare": ["len", "--help"],
        "validate": ["--help"],
        "completion": ["fish", "--help"],
    }
    code = (
        "import sys, amorsize.cli\n"
        f"try: amorsize.cli.main({[name, *words.get(name, [])]})\n"
        "except SystemExit: pass\n"
        "print(*(m.removeprefix('amorsize.cli.') for m in sys.modules if 'amorsize.cli' in m))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=150,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded & set(COMMANDS) == {name}, done.stderr
