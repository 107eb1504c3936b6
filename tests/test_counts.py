"""Tests counted by folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from support.counts import Round, by_folder, read_record, read_report, record_of
from support.everywhere_page import PLATFORMS, TABLE, rows_of, shown

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.a.test_x" name="t"/>
<testcase classname="tests.unit.a.test_x" name="u"><failure message="no"/></testcase>
<testcase classname="tests.unit.a.test_x" name="v"><skipped message="Linux: fork"/></testcase>
<testcase classname="tests.unit.a.test_x" name="w"><skipped message="no zsh"/></testcase>
</testsuite></testsuites>"""


def test_every_test_that_linux_has_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text(REPORT)
    found = read_report(tmp_path / "x.xml")
    assert str(found) == "1 passed, 1 failed, 2 skipped"
    assert found.failed == ["tests/unit/a/test_x::u"]
    nodes = [f"tests/unit/a/test_x.py::{name}" for name in "tuvw"]
    nodes += ["tests/test_y.py::one", "tests/api/test_z.py::one", "tests/api/test_z.py::two"]
    nodes += ["tests/api/test_later.py::one"]
    rounds = {nodes[0].partition("::")[0]: found}
    rounds["tests/test_y.py"] = Round(skipped=Counter({"test": 1}))
    rounds["tests/api/test_z.py"] = Round(ended="did not end in 900 s")
    assert read_record(record_of(rounds)) == rounds
    _, _, *rows = by_folder(nodes, rounds)
    assert [tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in rows] == [
        ("tests/api", "3", "0", "0", "0", "0", "0", "0", "0", "2", "1"),
        ("tests", "1", "0", "0", "1", "0", "0", "0", "0", "0", "0"),
        ("tests/unit/a", "4", "1", "1", "0", "0", "0", "0", "1", "1", "0"),
        ("all", "8", "1", "1", "1", "0", "0", "0", "1", "3", "1"),
    ]


def test_the_table_of_platforms_is_that_of_the_runs() -> None:
    rows = rows_of(TABLE.read_text(encoding="utf-8"))
    assert rows and shown(rows) in PLATFORMS.read_text(encoding="utf-8")
    row = "| Windows, under Wine | 3.11.9 | part | 5 passed | 1.26 | abc | today |"
    assert "| Windows | 3.11.9 | under Wine | part | 5 passed | 1.26 | today |" in shown([row])
