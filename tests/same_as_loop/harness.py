"""Finds the cases without importing them, runs them in interpreters of their own, and compares."""

from __future__ import annotations

import ast
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from runner import APART, EIGHT, HERE, MARK, SETTINGS

__all__ = [
    "APART",
    "EIGHT",
    "SETTINGS",
    "Listed",
    "Ran",
    "cases",
    "compare",
    "known_differences",
    "run",
]

NOTEBOOK = "notebook"
"""The setting of a kernel of its own."""

SECONDS = 30.0
"""How long one run of a case may take."""


@dataclass(frozen=True)
class Listed:
    """A case as its file says."""

    name: str
    kind: str
    effect: bool
    documented: bool


@dataclass(frozen=True)
class Ran:
    """What one run of a case came to."""

    results: str
    left: str
    seconds: float
    warnings: tuple[tuple[tuple[str, ...], str], ...] = ()
    backend: str | None = None
    workers: int | None = None

    @property
    def differences_named(self) -> list[str]:
        """Texts of the warnings that say in what this run differs from a loop."""
        return [text for names, text in self.warnings if "DifferenceWarning" in names]


@functools.cache
def cases() -> tuple[Listed, ...]:
    """All cases of the folder, in the order of their files."""
    return tuple(
        found
        for path in sorted((HERE / "cases").glob("*.py"))
        for found in _cases_of(path.stem, ast.parse(path.read_text(encoding="utf-8")))
    )


@functools.cache
def known_differences() -> dict[tuple[str, str], str]:
    """Case and setting of what differs from the loop still; "sometimes" where not in each run."""
    found = {}
    for line in (HERE / "known_differences.txt").read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            found[words[0], words[1]] = " ".join(words[2:])
    return found


def _cases_of(module: str, tree: ast.Module) -> list[Listed]:
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", None) == "case":
                said: dict[str, Any] = {"kind": None, "effect": True, "documented": False}
                said.update(
                    zip(said, (ast.literal_eval(value) for value in mark.args), strict=False)
                )
                said.update(
                    (word.arg, ast.literal_eval(word.value)) for word in mark.keywords if word.arg
                )
                found.append(Listed(f"{module}.{node.name}", **said))
    return found


def run(name: str, mode: str, setting: str, *options: str) -> Ran:
    """Run one case in an interpreter of its own; raises ``RuntimeError`` if that said nothing.

    ``options`` are those of ``runner.py``: ``--trace``, ``--eager``."""
    if (
        setting == NOTEBOOK
    ):  # the loop, too: an event loop runs there, and some calls raise beside one
        return in_kernel(name, mode, *options)
    command = [sys.executable, str(HERE / "runner.py"), name, mode, setting]
    environment = _environment()
    # Files, not pipes: a child that a case has started would keep a pipe open.
    with (
        tempfile.TemporaryDirectory(prefix="same-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as errors,
    ):
        process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            env=environment | {"TMPDIR": folder},
            start_new_session=True,
        )
        try:
            problem = f"exit {process.wait(SECONDS)}"
        except subprocess.TimeoutExpired:
            problem = f"not done in {SECONDS:g} s"
        finally:
            _end(process)
            process.wait()
        out.seek(0)
        errors.seek(0)
        lines = [line for line in out.read().decode().splitlines() if line.startswith(MARK)]
        if not lines:
            said = errors.read().decode(errors="replace")[-1500:]
            raise RuntimeError(f"{name} {mode} {setting}: {problem}; {said}")
    return _ran(lines[-1])


def in_kernel(name: str, mode: str, *options: str) -> Ran:
    """Run one case in a notebook kernel of its own."""
    import nbclient
    import nbformat

    with tempfile.TemporaryDirectory(prefix="same-", ignore_cleanup_errors=True) as folder:
        report = os.path.join(folder, "report")
        words = [name, mode, "alone", "--out", report, *options]
        code = (
            f"import sys\nsys.path.insert(0, {str(HERE)!r})\nimport runner\nrunner.main({words!r})"
        )
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        client = nbclient.NotebookClient(book, timeout=int(SECONDS), kernel_name="python3")
        try:
            client.execute(cwd=folder, env=_environment() | {"TMPDIR": folder})
            with open(report, encoding="utf-8") as file:
                lines = [line for line in file.read().splitlines() if line.startswith(MARK)]
        except (nbclient.exceptions.CellExecutionError, RuntimeError, OSError) as error:
            raise RuntimeError(f"{name} {mode} in a kernel: {error}") from error
    return _ran(lines[-1])


def _environment() -> dict[str, str]:
    """Variables of an interpreter that runs a case."""
    found = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("AMORSIZE_", "PYTHON"))
    }
    found |= {"PYTHONHASHSEED": "0", "AMORSIZE_HISTORY": "off", "OMP_NUM_THREADS": "1"}
    return found | {"OPENBLAS_NUM_THREADS": "1"}


def _ran(line: str) -> Ran:
    """What a report says."""
    report = json.loads(line[len(MARK) :])
    return Ran(
        report["results"],
        report["left"],
        report["seconds"],
        tuple((tuple(names), text) for names, text in report["warnings"]),
        report.get("backend"),
        report.get("workers"),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what a run may have left running: all of its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def compare(listed: Listed, loop: Ran, other: Ran) -> str | None:
    """In what a run differs from the loop, or None."""
    if listed.documented and other.differences_named:
        return None
    told = []
    if other.results != loop.results:
        told.append(f"results: {_apart(loop.results, other.results)}")
    if other.left != loop.left:
        told.append(f"left behind: {_apart(loop.left, other.left)}")
    return "; ".join(told) or None


def _apart(right: str, got: str, width: int = 60) -> str:
    """Both texts from a little before the place where they part."""
    at = next(
        (i for i, (a, b) in enumerate(zip(right, got, strict=False)) if a != b),
        min(len(right), len(got)),
    )
    start = max(0, at - 20)
    return f"loop ...{right[start : at + width]}... got ...{got[start : at + width]}..."
