"""The matrix of faults: what its document says is what there is, and a few of its cases hold."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from amorsize.core.backends import TRAITS
from benchmarks.robustness.faults import FAULTS, case, is_kept

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc of Linux"),
]
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"


def test_the_document_has_every_fault() -> None:
    text = (DOCS / "faults.md").read_text(encoding="utf-8")
    groups = re.split(r"\n\| (?=[a-z ]+ \| amorsize)", text)[1:]
    found = {
        f"{group.partition(' |')[0]}: {line.split(' | ')[0][2:]}"
        for group in groups
        for line in group.splitlines()[2:]
        if line.startswith("| ")
    }
    assert found == set(FAULTS)
    assert len(found) >= 60


def test_the_traits_are_as_written() -> None:
    text = (DOCS / "promises.md").read_text(encoding="utf-8")
    told = r"((?:yes|no)(?: \| (?:yes|no)){3})"  # other tables begin their rows like this one
    rows = dict(re.findall(rf"^\| `(\w+)` \| {told} \|$", text, re.MULTILINE))
    words = {True: "yes", False: "no"}
    assert rows == {
        name: " | ".join(
            words[fact]
            for fact in (one.timeout, one.limits_memory, one.survives_death, not one.remote)
        )
        for name, one in TRAITS.items()
    }


@pytest.mark.parametrize("contender", ["amorsize fork", "amorsize spawn"])
@pytest.mark.parametrize(
    "name",
    [
        "death of a worker: segmentation fault",
        "exception: needs two arguments",
        "result: unpickled nowhere",
        "function: its child comes back",
        "limit: 64 open files",
    ],
)
def test_a_case(name: str, contender: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert is_kept(FAULTS[name], case(contender, name, str(tmp_path)))
