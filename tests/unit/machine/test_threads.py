"""Runs of several threads at once look after one list of threads."""

from __future__ import annotations

import pytest

from amorsize.machine import threads

GONE = 0
"""No thread has this system id."""


class TakenMeanwhile(list[int]):
    """A list whose last element another run takes out right after it was looked at."""

    def __getitem__(self, place: object) -> int:  # type: ignore[override]
        last: int = super().__getitem__(place)  # type: ignore[index, assignment]
        self.clear()
        return last


@pytest.mark.parametrize("own", [False, True])
def test_two_runs_that_wait_for_their_threads_do_not_fail(
    own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in a server with several threads: IndexError: pop from empty list."""
    thread = threads.get_native_id() if own else GONE
    monkeypatch.setattr(threads, "our_threads", TakenMeanwhile([thread, thread]))
    threads.vanish()
    assert list(threads.our_threads) == []
