"""Validation reports made by hand, one with names that would break a page."""

from __future__ import annotations

from amorsize.validation.report import PASSED, Decision, ValidationReport


def report_of(*decisions: Decision) -> ValidationReport:
    return ValidationReport("0", "3", "linux", 2, 0, 1.0, True, (), tuple(decisions))


def hostile_decision() -> Decision:
    return Decision(
        name="<script>alert(1)</script>|`x`",
        items=3,
        chosen="serial",
        reasons=(),
        predicted_seconds=1.0,
        spread=0.1,
        seconds={"loop": (1.0, 1.1), "amorsize": (1.0, 1.2), "config: <b>": (2.0,)},
        problems={},
        verdict=PASSED,
        sentence="Keep <i>it</i>.",
    )
