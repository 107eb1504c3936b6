"""Thresholds of one's own."""

from __future__ import annotations

import pytest

from amorsize.validation import run_validation
from amorsize.validation.report import FAILED
from amorsize.validation.scenarios import classic, with_thresholds

pytestmark = pytest.mark.timeout(180)


MEDIUM = [one for one in classic() if one.name == "medium, CPU-bound"]


def test_thresholds_can_be_configured() -> None:
    strict = with_thresholds(MEDIUM, '{"medium, CPU-bound": {"error_most": -0.5}}')
    found = run_validation(strict, seeds=3, plots=False)
    assert found.outcomes[0].verdict == FAILED
    for source, told in (
        ('{"no such": {}}', "no scenario"),
        ('{"medium, CPU-bound": {"x": 1}}', "thresholds are"),
        ('{"medium, CPU-bound": {"error_most": "a"}}', "number"),
        ("[]", "object"),
        ("{", "Expecting"),
    ):
        with pytest.raises(ValueError, match=told):
            with_thresholds(MEDIUM, source)
