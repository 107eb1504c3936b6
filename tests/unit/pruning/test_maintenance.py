"""When a history is pruned by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pruning import runs

from amorsize.history import open_history
from amorsize.learning.parameters import parameters_of

pytestmark = pytest.mark.timeout(120)


def test_upkeep_prunes_when_due(tmp_path: Path) -> None:
    from amorsize.pruning.history import pruned_rows
    from amorsize.pruning.maintenance import is_due, maintain

    with open_history(tmp_path / "h.sqlite") as history:
        history.add(runs(150))
        assert not is_due(history)
        history.add(runs(900, seed=4))
        assert is_due(history)
        assert maintain(history, "auto")
        rows = history.stats().rows
        assert pruned_rows(history) == rows < 1050
        assert not is_due(history) and not maintain(history, "auto")
        assert parameters_of(history)
