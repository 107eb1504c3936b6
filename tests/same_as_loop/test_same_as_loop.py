"""``amorsize.execute`` gives what a plain loop gives, and leaves behind what it leaves."""

from __future__ import annotations

import functools
import os

import harness
import pytest

SHARE = 0.95
"""Of the cases without effects, those that have to run in parallel."""


@functools.cache
def ran(name: str, mode: str, setting: str) -> harness.Ran:
    """One run of a case, made once for all tests."""
    return harness.run(name, mode, setting)


def _marks(number: int, setting: str) -> list[pytest.MarkDecorator]:
    return [] if setting == "alone" and number % 3 == 0 else [pytest.mark.long]


EACH = [
    pytest.param(listed, setting, id=f"{listed.name}-{setting}", marks=_marks(number, setting))
    for setting in harness.SETTINGS
    for number, listed in enumerate(harness.cases())
]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("listed", "setting"), EACH)
def test_same_as_loop(listed: harness.Listed, setting: str) -> None:
    """Results and what is left behind are the loop's; a warning counts for documented cases only."""
    difference = harness.compare(
        listed, ran(listed.name, "loop", setting), ran(listed.name, "amorsize", setting)
    )
    assert difference is None


@pytest.mark.long
@pytest.mark.timeout(60)
@pytest.mark.parametrize("listed", harness.cases(), ids=lambda listed: listed.name)
def test_the_loop_itself_is_deterministic(listed: harness.Listed) -> None:
    """A case on which two loops differ would be no case."""
    first, second = ran(listed.name, "loop", "alone"), harness.run(listed.name, "loop", "alone")
    assert (first.results, first.left) == (second.results, second.left)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_has_no_effects_runs_in_parallel() -> None:
    """Being careful costs no speed where nothing is at stake; one core runs nothing in parallel."""
    if len(os.sched_getaffinity(0)) < 2:
        return
    free = [listed.name for listed in harness.cases() if not listed.effect]
    kept = [name for name in free if (ran(name, "amorsize", "alone").workers or 0) < 2]
    share = 1 - len(kept) / len(free)
    assert share >= SHARE, f"{share:.0%} of {len(free)} ran in parallel; in the loop: {kept}"


def test_names_are_unique() -> None:
    """No two cases have the same name."""
    listed = harness.cases()
    assert len({one.name for one in listed}) == len(listed)
