"""What a release needs is told once, or the places agree; what runs in a workflow is pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import ROOT
from support.packages import dev_packages, lowest, project, with_addresses

import amorsize

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_version_of_the_citation_is_the_one_of_the_package() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", text, re.MULTILINE) == [amorsize.__version__]


@pytest.mark.parametrize("requirement", project()["project"]["dependencies"])
def test_every_dependency_has_a_lowest_version(requirement: str) -> None:
    assert "==" in lowest(requirement)


def test_a_requirement_without_a_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="numpy"):
        lowest("numpy")
    assert lowest("tqdm>=4.64,<5; python_version < '3.12'") == "tqdm==4.64; python_version < '3.12'"


def test_links_become_whole_addresses() -> None:
    text = "[a](docs/a.md#b) [c](https://c.org) [d](#e)"
    assert with_addresses(text, "https://h") == (
        "[a](https://h/blob/main/docs/a.md#b) [c](https://c.org) [d](#e)"
    )


def test_every_package_of_the_groups_is_pinned() -> None:
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    assert {re.sub(r"\[.*", "", name).lower() for name in dev_packages()} <= pinned
    assert not re.search(r"https?://|file:/|--index|--find", text)


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_every_action_is_pinned_by_its_hash(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    actions = re.findall(r"uses: (.+)", text)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert "secrets." not in text
