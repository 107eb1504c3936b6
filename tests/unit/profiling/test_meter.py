"""What the meter and the sampler make of the times they see, told what they see."""

from __future__ import annotations

import time

import pytest

from amorsize.profiling.meter import KERNEL_BYTE_SECONDS, UNMEASURED, Meter, measure_transfer
from amorsize.profiling.sampler import Sampler

METER = "amorsize.profiling.meter"


def test_turns_of_the_gil_in_a_pause_are_no_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amorsize.profiling.meter.STEP_SECONDS", 0.0)
    meter = Meter()
    meter.begin(only_computes=False)
    meter.pause()
    meter.turns += 1_000  # 0.3 s of turns, while the history was asked
    meter.resume()
    time.sleep(0.005)
    meter.add(1, 0.005)
    meter.pause()
    assert meter.shares()[1] < 0.5


@pytest.mark.parametrize(
    ("ended", "share"), [("in items", 1.0), ("paused", None), ("before any item", None)]
)
def test_only_programs_of_the_callers_items_tell_of_the_gil(
    ended: str, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker processes end while the caller is in none: pure Python that had run on processes was sent to
    threads by the next run, and the runs after it took four times as long."""
    computed = [1.0]
    monkeypatch.setattr(f"{METER}.children_seconds", lambda: computed[0])
    meter = Meter()
    meter.begin(only_computes=False)
    if ended != "before any item":
        meter.add(1, 0.005)
    if ended == "paused":
        meter.pause()
    computed[0] += 60.0
    assert meter.gil_free_share() == share
    if ended == "paused":
        meter.resume()
        assert meter.gil_free_share() is None


def test_a_gil_let_go_of_while_deciding_tells_nothing() -> None:
    """The caller reads files then. Two such looks sent computing work to threads in one run of four."""

    class Scripted(Sampler):
        pausing = False

        def _sleep(self, seconds: float) -> bool:
            self._slept = self._computed = seconds
            if self.pausing:
                self.meter.pause()
                self.meter.resume()
            return True

    meter = Meter()
    meter.begin(only_computes=False)
    sampler = Scripted(meter, lambda: True, lambda *_: False)
    sampler._cpu_clock = None
    meter.pause()
    assert sampler._sample_gil() and meter.gil_free_share() is None
    meter.resume()
    sampler.pausing = True
    assert sampler._sample_gil() and meter.gil_free_share() is None
    sampler.pausing = False
    assert sampler._sample_gil() and meter.gil_free_share() == pytest.approx(2 / 3)


@pytest.mark.parametrize("free", [True, False])
def test_only_who_goes_on_while_the_gil_is_kept_leaves_it_alone(free: bool) -> None:
    """Items that read a small file let go of the GIL so often that every look is prompt, and threads make
    them slower."""

    class Scripted(Sampler):
        def _sleep(self, seconds: float) -> bool:
            self._slept = self._computed = seconds
            return True

        def _caller_cpu(self) -> float:
            return time.perf_counter() if free else 1.0

    meter = Meter()
    meter.begin(only_computes=False)
    sampler = Scripted(meter, lambda: True, lambda *_: False)
    sampler._cpu_clock = 1
    assert sampler._sample_gil()
    assert meter.gil_free_share() == (pytest.approx(2 / 3) if free else 0.0)


def test_a_run_that_has_not_begun_has_an_empty_window() -> None:
    assert Meter().measured().window == (0.0, 1.0, 1.0)
    assert Meter().measured().window_is_empty


def test_short_items_do_not_wait_because_the_clock_comes_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = 1 / 64  # of the CPU clock of threads on Windows
    now = [0.0, 0.0, 0.0]
    """Wall, CPU of the thread, CPU of the process, in truth."""

    def stepped(seconds: float) -> float:
        return seconds // step * step

    monkeypatch.setattr("amorsize.profiling.meter.STEP_SECONDS", step)
    monkeypatch.setattr("amorsize.profiling.meter.clock", lambda: now[0])
    monkeypatch.setattr("amorsize.profiling.meter.thread_clock", lambda: stepped(now[1]))
    monkeypatch.setattr(
        "amorsize.profiling.meter.process_clock", lambda: stepped(now[2] + step / 2)
    )
    monkeypatch.setattr("amorsize.profiling.meter.queued_seconds", lambda: 0.0)

    def after(items: int, seconds: float, computed: float) -> Meter:
        now[:] = [0.0, 0.0, 0.0]
        meter = Meter()
        meter.begin(only_computes=False)
        meter.open_window()
        for _ in range(items):
            now[0] += seconds
            now[1:] = [clock + computed for clock in now[1:]]
            meter.add(1, seconds)
        return meter

    for items in range(1, 200):  # 5 ms of pure computing each: never any sign of a wait
        meter = after(items, 0.005, 0.005)
        wall, share, inner = meter.shares()
        assert (share, inner) == (1.0, 1.0) and wall == pytest.approx(0.005 * items)
        assert meter.overall()[1:] == (1.0, 1.0) and meter.core_share() == 1.0
        wall, computed = meter.later()
        assert wall - 1e-9 <= computed <= wall + step
    assert after(3, 0.005, 0.0001).shares()[1] == 1.0  # shorter than a step: nothing is known
    wall, share, _ = after(100, 0.01, 0.0001).shares()  # one second of waits
    assert wall == pytest.approx(1.0) and share <= 0.02


def test_other_threads_are_counted_by_the_time_that_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """``time.sleep`` beside the noise of the process's other threads was "5.5 threads inside"."""
    now = [0.0, 0.0, 0.0]
    monkeypatch.setattr(METER + "._clocks", lambda: tuple(now))
    monkeypatch.setattr(METER + ".queued_seconds", lambda: 0.0)
    monkeypatch.setattr(METER + ".STEP_SECONDS", 0.0)

    def inner(wall: float, thread: float, process: float, queued: float = 0.0) -> list[float]:
        now[:] = [0.0, 0.0, 0.0]
        monkeypatch.setattr(METER + ".queued_seconds", lambda: 0.0)
        meter = Meter()
        meter.begin(only_computes=False)
        now[:] = [wall, thread, process]
        monkeypatch.setattr(METER + ".queued_seconds", lambda: queued)
        return [meter.shares()[2], meter.overall()[2]]

    assert inner(0.5, 0.0005, 0.00275) == pytest.approx([1.0045] * 2)  # sleeps: 2.25 ms of others
    assert inner(1.0, 1.0, 2.0) == pytest.approx([2.0] * 2)  # two threads of BLAS
    assert inner(1.0, 0.4, 0.8, queued=0.6) == pytest.approx([2.0] * 2)  # the same, beside a load
    assert inner(1.0, 0.001, 3.8) == pytest.approx(
        [4.799] * 2
    )  # it waits for four threads of a pool


def test_a_value_is_measured_as_it_travels() -> None:
    found = measure_transfer([b"x" * 1000] * 40, lambda values: [bytes(str(values), "ascii")])
    assert found.bytes is not None and 1000 < found.bytes < 1010
    assert found.seconds >= found.bytes * KERNEL_BYTE_SECONDS and found.picklable


def test_large_values_are_measured_one_at_a_time() -> None:
    sent = []

    def encode(values: object) -> list[bytes]:
        sent.append(values)
        return [b"x" * 100_000]

    measure_transfer([1, 2, 3], encode)
    assert sent == [3, [3]]


def test_what_cannot_be_measured_says_so() -> None:
    assert measure_transfer([], lambda values: [b""]) is UNMEASURED

    def refuse(values: object) -> list[bytes]:
        raise TypeError("no")

    assert not measure_transfer([1], refuse).picklable
