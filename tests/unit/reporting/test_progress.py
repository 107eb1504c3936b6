"""Progress: a bar in a terminal, calls to a function, and nothing at all."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import threading

import pytest

from amorsize.reporting.progress import REPORT_SECONDS, Progress, Reports, make_progress

pytestmark = pytest.mark.timeout(60)


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_false_is_the_null_object() -> None:
    progress = make_progress(False, 10)
    assert type(progress) is Progress
    assert not progress.active
    progress.update(5)
    progress.close()


def test_callable_is_called_at_most_20_times_a_second_and_at_the_end() -> None:
    clock = Clock()
    calls: list[tuple[float, int, int | None]] = []
    progress = Reports(lambda done, total: calls.append((clock.now, done, total)), 10_000, clock)
    for done in range(1, 10_001):  # one item a millisecond: ten seconds
        clock.now = done * 0.001
        progress.update(done)
    progress.close()
    progress.close()
    times = [at for at, _, _ in calls]
    assert 150 <= len(calls) <= 10 * 20 + 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(times[:-1])]
    assert min(gaps) >= REPORT_SECONDS - 1e-9
    assert [done for _, done, _ in calls] == sorted({done for _, done, _ in calls})
    assert calls[-1][1:] == (10_000, 10_000)


@pytest.mark.parametrize("total", [0, None])
def test_callable_hears_of_the_end_of_nothing(total: int | None) -> None:
    calls: list[tuple[int, int | None]] = []
    progress = make_progress(lambda done, total: calls.append((done, total)), total)
    progress.update(0)
    assert calls == []
    progress.close()
    assert calls == [(0, total)]


def test_callable_ignores_numbers_that_are_not_higher_and_what_comes_after_the_end() -> None:
    clock = Clock()
    calls: list[int] = []
    progress = Reports(lambda done, _: calls.append(done), None, clock)
    for done in (3, 2, 3, 7):
        clock.now += 1
        progress.update(done)
    progress.close()
    progress.update(9)
    assert calls == [3, 7]


@pytest.mark.parametrize("total", [40, None])
def test_bar_counts_to_the_end(total: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = make_progress(True, total)
    for done in range(10, 41, 10):
        progress.update(done)
    progress.close()
    progress.close()
    last = stream.getvalue().rstrip("\n").split("\r")[-1]
    assert ("40/40" if total else "40 items") in last
    assert stream.getvalue().endswith("\n")


def test_bar_without_standard_error_is_the_null_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert not make_progress(True, 3).active


def test_bar_starts_no_thread_and_loads_nothing_heavy() -> None:
    """A thread would forbid the next fork; asked of a fresh interpreter."""
    code = (
        "import sys, threading\n"
        "from amorsize.reporting.progress import make_progress\n"
        "bar = make_progress(True, 3); bar.update(1)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "bar.update(3); bar.close()\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not {'asyncio', 'multiprocessing', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr


def test_a_bar_leaves_the_users_own_bars_alone() -> None:
    from tqdm import tqdm

    before = tqdm.monitor_interval
    threads = threading.active_count()
    make_progress(True, 1).close()
    assert tqdm.monitor_interval == before
    assert threading.active_count() == threads


@pytest.mark.parametrize("total", [30, None])
def test_a_bar_shows_what_a_server_refused(
    total: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    progress = make_progress(True, total)
    told = ""
    progress.beside(lambda: told)
    progress.update(10)
    progress._bar.refresh()  # type: ignore[attr-defined]
    assert "refused" not in shown.getvalue()
    told = "refused 3, limit 12"
    progress.update(30)
    progress.close()
    assert shown.getvalue().rstrip().endswith("refused 3, limit 12]")
