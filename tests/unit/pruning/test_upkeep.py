"""The child beside long runs: it works, and ends with its parent."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.pruning import runs

from amorsize.core.frozen import replace
from amorsize.history import open_history

pytestmark = pytest.mark.timeout(120)


def _nap(item: int) -> int:
    time.sleep(0.01)
    return item


def test_the_child_works_and_ends_with_its_parent(tmp_path: Path) -> None:
    from amorsize.pruning.upkeep import Upkeep

    path = str(tmp_path / "h.sqlite")
    with open_history(path) as history:
        history.add(runs(600))
    upkeep = Upkeep(path, "auto")
    upkeep.start()
    assert upkeep._child is not None
    assert upkeep._child.wait(150) == 0
    upkeep.stop()
    with open_history(path) as history:
        assert history.stats().rows < 600 and history.check() == []
        history.add([replace(one, id=os.urandom(16).hex()) for one in runs(2000, seed=5)])
    other = Upkeep(path, "auto")
    other.start()
    child = other._child
    other.stop()
    assert child is not None and child.poll() is not None
    with open_history(path) as history:
        assert history.check() == []


def test_a_long_run_has_upkeep_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import amorsize
    from amorsize.engine import policy
    from amorsize.pruning.upkeep import Upkeep

    started = []
    monkeypatch.setattr(policy, "LONG_RUN_SECONDS", 0.05)
    monkeypatch.setattr(Upkeep, "start", lambda self: started.append(self.strategy))
    path = str(tmp_path / "h.sqlite")
    tuner = amorsize.Tuner(history=path)
    assert tuner.execute(_nap, range(40), n_jobs=2) == list(range(40))
    assert started == ["auto"]
    off = amorsize.Tuner(amorsize.Settings(pruning=None), history=path)
    off.execute(_nap, range(40))
    assert started == ["auto"]
    with pytest.raises(ValueError, match="pruning"):
        amorsize.Tuner(amorsize.Settings(pruning="bold"))
