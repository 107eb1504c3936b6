"""What threads have found of a server is kept with the history, and the next run begins there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import amorsize
from amorsize.learning import recall_level

CAP = 30
SECONDS = 0.02
busy = refused = 0
lock = threading.Lock()


def ask(item: int) -> int:
    """A server that serves so many side by side, and refuses the others at once."""
    global busy, refused
    with lock:
        refused += busy >= CAP
        if busy >= CAP:
            raise amorsize.RetryAfter
        busy += 1
    time.sleep(SECONDS)
    with lock:
        busy -= 1
    return item


def run(items: int, path: str) -> int:
    """Calls refused in a run of so many items."""
    global refused
    refused = 0
    found = amorsize.execute(ask, range(items), retries=1, backend="threads", history=path)
    assert found == list(range(items))
    return refused


def test_the_next_run_begins_where_the_last_one_ended(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = str(tmp_path / "history.sqlite")
    assert recall_level(ask, path) is None
    first = run(1000, path)
    assert first
    level = recall_level(ask, path)
    assert level is not None and CAP / 2 <= level.cap <= 2 * CAP
    assert run(300, path) <= first


def test_short_runs_and_those_without_a_history_keep_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = str(tmp_path / "history.sqlite")
    run(20, path)
    amorsize.execute(ask, range(600), retries=1, backend="threads", history=None)
    assert recall_level(ask, path) is None
