"""``results.json``: what was measured, in parts that can be measured on different days."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.harness.host import Speed, usable_cores
from benchmarks.harness.measure import Record

LIBRARIES = ("numpy", "joblib", "loky", "mpire")


@dataclass(frozen=True)
class Fact:
    """One figure of the special lines, with its bound: at most, or at least."""

    line: int
    what: str
    value: float
    unit: str
    bound: float
    at_most: bool
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound


@dataclass
class Results:
    environment: dict[str, str] = field(default_factory=dict)
    rounds: list[Record] = field(default_factory=list)
    pairs: list[Record] = field(default_factory=list)
    special: list[Fact] = field(default_factory=list)
    mode: str = ""
    """How the rounds were measured: quick or whole, held-out workloads included or not."""

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / "results.json.tmp"
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(unfinished, folder / "results.json")


def load(folder: Path) -> Results:
    """What was measured so far; nothing if there is no file."""
    try:
        stored = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Results()
    return Results(
        stored["environment"],
        [_record(record) for record in stored["rounds"]],
        [_record(record) for record in stored["pairs"]],
        [Fact(**fact) for fact in stored["special"]],
        stored["mode"],
    )


def _record(stored: dict[str, Any]) -> Record:
    return Record(**{**stored, "speeds": [Speed(**speed) for speed in stored["speeds"]]})


def environment() -> dict[str, str]:
    """What the figures depend on; nothing that names the machine."""
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(len(usable_cores())),
        "implementation": sys.implementation.name,
    }
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = "missing"
    return found
