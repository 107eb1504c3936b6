"""The memory that a worker may take: what it does where the system tells nothing."""

from __future__ import annotations

from array import array

from amorsize.backends.processes.memory import MemoryGuard
from amorsize.backends.processes.protocol import SharedPage


def test_a_worker_without_proc_goes_on(tmp_path) -> None:
    """As on macOS: no file tells what the process holds, so it is never full."""
    page = SharedPage(memoryview(array("q", bytes(SharedPage.size(1)))), 1)
    page.clear()
    guard = MemoryGuard(page.room, forked=False, path=str(tmp_path / "statm"))
    assert [guard.is_full(now) for now in (0.0, 0.1, 1e9)] == [False] * 3
    guard.close()
