"""Whether this process may fork: plain interpreters, threads of Python and foreign ones, CUDA."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from support import TESTS
from support.machines import run_forking

from amorsize.machine import fork_safety

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@linux
def test_a_plain_interpreter_may_fork_and_imports_nothing_to_know() -> None:
    assert (
        run_forking(
            """
        before = set(sys.modules)
        assert tasks() == 1
        assert foreign_threads() == []
        assert fork_refusal() is None
        assert not openmp_active() and not cuda_active()
        print(sorted(set(sys.modules) - before))
        """
        )
        == "[]"
    )


@linux
def test_asking_is_cheap_in_a_plain_interpreter() -> None:
    """In times of a reading of a small file of /proc, which takes 20 µs or so."""
    told = run_forking(
        f"""
        sys.path.insert(0, {str(TESTS)!r})
        from support.timing import ratio
        def plain():
            with open("/proc/self/status") as file:
                file.read()
        print(ratio(foreign_threads, plain), ratio(fork_refusal, plain),
              ratio(lambda: limit_inner_threads(1), plain))
        """
    )
    foreign, refusal, limit = map(float, told.split())
    # Told: 0.6, 0.7 and 1.6 times as long.
    assert foreign < 2 and refusal < 3 and limit < 6


@linux
def test_a_thread_of_python_forbids_a_fork_while_it_lives() -> None:
    assert (
        run_forking(
            """
        import threading
        end = threading.Event()
        thread = threading.Thread(target=end.wait, name="feeder")
        thread.start()
        assert foreign_threads() == ["feeder"], foreign_threads()
        assert "feeder" in fork_refusal()
        other = []
        asker = threading.Thread(target=lambda: other.append(foreign_threads()))
        asker.start()
        asker.join()
        assert sorted(other[0]) == ["MainThread", "feeder"], other
        end.set()
        thread.join()
        refusals = 0
        for _ in range(2000):  # half of them linger among the tasks after they were joined
            thread = threading.Thread(target=len, args=((),))
            thread.start()
            thread.join()
            refusals += fork_refusal() is not None
        while fork_refusal() is not None:
            time.sleep(0.01)
        print("well" if refusals < 200 else refusals)  # the system may let a few wait for a core
        """
        )
        == "well"
    )


@linux
def test_a_thread_that_threading_does_not_know_forbids_a_fork() -> None:
    assert run_forking(
        """
        import _thread
        lock = _thread.allocate_lock()
        lock.acquire()
        _thread.start_new_thread(lock.acquire, ())
        while tasks() == 1:
            time.sleep(0.001)
        assert len(foreign_threads()) == 1
        print(fork_refusal())
        """
    ).startswith("another thread is running")


@linux
def test_a_foreign_thread_is_seen_among_those_of_openblas() -> None:
    """Also when OpenBLAS has fewer threads than it may use, as after a fork."""
    pytest.importorskip("numpy")
    assert (
        run_forking(
            """
        import numpy as np, _thread, threading
        a = np.ones((300, 300))
        end = threading.Event()
        thread = threading.Thread(target=end.wait, name="feeder")
        thread.start()
        assert foreign_threads() == ["feeder"], foreign_threads()
        end.set()
        thread.join()
        assert fork_refusal() is None
        in_child(lambda: 1)
        assert tasks() == 1  # OpenBLAS has ended its threads for the fork
        lock = _thread.allocate_lock()
        lock.acquire()
        _thread.start_new_thread(lock.acquire, ())
        while tasks() == 1:
            time.sleep(0.001)
        assert len(foreign_threads()) == 1, foreign_threads()  # as many as OpenBLAS would have
        a @ a
        assert tasks() > 2
        assert len(foreign_threads()) == 1, foreign_threads()
        print("well")
        """,
            OPENBLAS_NUM_THREADS="2",
        )
        == "well"
    )


class Spinner:
    """A thread that ran for OpenBLAS: it sleeps after so many CPU seconds, of which it gets a share."""

    def __init__(self, spin_seconds: float, share: float) -> None:
        self.now, self.spin_seconds, self.share = 100.0, spin_seconds, share

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def computed(self, _: int) -> float:
        return self.share * (self.now - 100.0)

    def suspects(self, threads: list[int], _: object) -> tuple[list[int], bool]:
        spins = self.computed(0) < self.spin_seconds
        return (threads, True) if spins else ([], False)


@pytest.mark.parametrize(
    ("spin_seconds", "share", "is_known", "most_seconds"),
    [
        (0.034, 1.0, True, 0.04),
        (0.034, 0.1, True, 0.4),  # it hardly gets a core, and may not be taken for another's
        (1e9, 1.0, False, 0.07),  # it works on
        (1e9, 0.0, False, 0.7),
    ],
)
def test_a_thread_of_openblas_has_time_to_fall_asleep(
    monkeypatch: pytest.MonkeyPatch,
    spin_seconds: float,
    share: float,
    is_known: bool,
    most_seconds: float,
) -> None:
    thread = Spinner(spin_seconds, share)
    monkeypatch.setattr(fork_safety.os, "listdir", lambda _: ["1", "999999"])
    monkeypatch.setattr(fork_safety, "_native_id", lambda: 1)
    monkeypatch.setattr(fork_safety, "_python_threads", dict)
    monkeypatch.setattr(fork_safety, "_not_of_openblas", thread.suspects)
    monkeypatch.setattr(fork_safety, "_computed", thread.computed)
    monkeypatch.setattr(
        fork_safety, "time", SimpleNamespace(sleep=thread.sleep, monotonic=lambda: thread.now)
    )
    mapped: Any = SimpleNamespace(matching=lambda names: True)  # OpenMP is loaded: no number tells
    assert (fork_safety.foreign_threads(mapped) == []) == is_known
    assert thread.now - 100.0 <= most_seconds
