"""Tests counted by folder: passed, skipped by reason, failed, of those that Linux has."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

KINDS = ("Linux", "test", "load", "clock", "Wine")
"""Reasons of tests/wine_skips.txt, by their first word."""
OF_LINUX = ("Linux only", "/proc", "posix", "fork", "taskset", "unshare")
OF_THE_TEST = ("could not import", "not installed")
"""What tests themselves say of it; all others are ``other``."""


def kind_of(reason: str) -> str:
    """The kind of a reason not to run a test."""
    reason = reason.removeprefix("Skipped: ")
    first = reason.partition(":")[0]
    if first in KINDS:
        return first
    if any(word in reason for word in OF_LINUX):
        return "Linux"
    return "test" if any(word in reason for word in OF_THE_TEST) else "other"


@dataclass
class Round:
    """What came of one run of pytest."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    """How many, by kind of reason."""
    ended: str = ""
    """Why nothing is known of it, in words."""
    commit: str = ""
    """Of which state of the code."""

    def __str__(self) -> str:
        skipped = sum(self.skipped.values())
        counts = f"{self.passed:,} passed, {len(self.failed)} failed, {skipped} skipped"
        return self.ended or counts


def read_report(path: Path) -> Round:
    """What a report of pytest (JUnit XML) says."""
    return _round(list(ElementTree.parse(path).getroot().iter("testcase")))


def read_record(text: str) -> dict[str, Round]:
    """What came of each file, as ``record_of`` keeps it."""
    found = {}
    for line in text.splitlines():
        values = json.loads(line)
        file, skipped = values.pop("file"), Counter(values.pop("skipped"))
        found[file] = Round(skipped=skipped, **values)
    return found


def record_of(rounds: dict[str, Round]) -> str:
    """One line of JSON for each file of tests."""
    lines = [json.dumps({"file": file, **vars(one)}) for file, one in sorted(rounds.items())]
    return "".join(f"{line}\n" for line in lines)


def _round(cases: list[ElementTree.Element]) -> Round:
    failed = [
        f"{case.get('classname', '').replace('.', '/')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    reasons = [skip.get("message", "") for case in cases for skip in case.findall("skipped")]
    skipped = Counter(map(kind_of, reasons))
    return Round(len(cases) - len(failed) - sum(skipped.values()), failed, skipped)


def folder_of(path: str) -> str:
    """The folder under which a file of tests is counted: two levels where tests have them."""
    parts = path.partition("::")[0].split("/")[:-1]
    return "/".join(parts[: 3 if parts[1:2] in (["unit"], ["hosts"], ["contract"]) else 2])


def by_folder(nodes: Iterable[str], rounds: dict[str, Round]) -> list[str]:
    """A table in Markdown; ``nodes`` are the tests that Linux has, ``rounds`` what came of each file.

    What Linux has and neither passed nor was skipped counts as failed, a file that did not end, too; one
    of which nothing is known, as not run."""
    total = Counter(node.partition("::")[0] for node in nodes)
    sums: dict[str, Counter[str]] = {}
    for file, count in sorted(total.items()):
        row = sums.setdefault(folder_of(file), Counter())
        row["tests"] += count
        found = rounds.get(file)
        if found is None:
            row["not run"] += count
            continue
        row["passed"] += found.passed
        row.update(found.skipped)
        row["failed"] += max(0, count - found.passed - sum(found.skipped.values()))
    sums["all"] = sum(sums.values(), Counter())
    columns = ["tests", "passed", *KINDS, "other", "failed", "not run"]
    lines = [f"| Folder | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for folder, row in sums.items():
        lines.append(f"| {folder} | {' | '.join(f'{row[name]:,}' for name in columns)} |")
    return lines
