"""What threads have found of a server is kept with the history, and the next run begins there."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

import amorsize
from amorsize.core.refusal import Level
from amorsize.engine.limiter import CallLimiter
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


async def asked(item: int) -> int:
    """A server that serves three side by side, and refuses the others at once."""
    global busy
    if busy >= 3:
        raise amorsize.RetryAfter
    busy += 1
    await asyncio.sleep(SECONDS)
    busy -= 1
    return item


def test_coroutines_know_the_server_before_they_hear_of_the_first_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    heard: list[tuple[int, Level]] = []
    begin = CallLimiter.go_on

    def go_on(self: CallLimiter, level: Level) -> None:
        heard.append((self.refused, level))
        begin(self, level)

    monkeypatch.setattr(CallLimiter, "go_on", go_on)
    for items in (120, 20):
        found = asyncio.run(
            amorsize.aexecute(asked, range(items), retries=1, history=tmp_path / "history.sqlite")
        )
        assert found == list(range(items))
    ((refused, level),) = heard
    assert refused == 0 and level == recall_level(asked, tmp_path / "history.sqlite")


def test_short_runs_and_those_without_a_history_keep_nothing(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = str(tmp_path / "history.sqlite")
    run(20, path)
    amorsize.execute(ask, range(600), retries=1, backend="threads", history=None)
    assert recall_level(ask, path) is None
