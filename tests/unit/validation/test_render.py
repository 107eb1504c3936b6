"""Reports as text, Markdown and JSON; older reports read and compared."""

from __future__ import annotations

import json

import pytest
from support import ROOT
from support.reports import hostile_decision, report_of

from amorsize.core.frozen import replace
from amorsize.validation import render as rendering
from amorsize.validation.page import page
from amorsize.validation.report import ValidationReport

pytestmark = pytest.mark.timeout(180)


def test_regressions_are_seen(report: ValidationReport) -> None:
    before = rendering.read(rendering.as_json(report))
    lines, worse = rendering.differences(before, report)
    assert not worse and len(lines) == 2
    first = report.outcomes[0]
    worsened = replace(first, error=replace(first.error, mean=first.error.mean + 0.1))
    lines, worse = rendering.differences(before, replace(report, outcomes=(worsened,)))
    assert worse and "(worse)" in lines[0] and "not measured" in lines[-1]


@pytest.mark.parametrize(
    "source",
    ["", "[]", "{}", '{"outcomes": 3}', '{"outcomes": [], "schema": 999}', "\x00", '{"schema": 1}'],
)
def test_hostile_reports_are_refused(source: str) -> None:
    with pytest.raises(rendering.UnknownReport):
        rendering.read(source)


def test_json_is_strict(report: ValidationReport) -> None:
    found = json.loads(rendering.as_json(report), parse_constant=pytest.fail)
    assert found["schema"] == 1 and found["passed"] is True
    assert found["outcomes"][0]["seeds"][0]["rows"] == 50
    described = (ROOT / "docs" / "reference" / "validation-schema.md").read_text()
    for field in [*found, *found["outcomes"][0], *found["outcomes"][0]["seeds"][0]]:
        assert f"`{field}`" in described, field


def test_names_are_escaped() -> None:
    found = report_of(hostile_decision())
    assert "<script" not in page(found).split("</style>")[1]
    assert "<script" not in rendering.markdown(found)
    assert "\\|" in rendering.markdown(found)
