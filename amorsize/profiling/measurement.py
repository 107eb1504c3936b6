"""Measuring by working: what the first items tell while they run in the caller.

Nothing runs for the sake of measurement. The caller computes items in slices timed as a whole;
beside it one *observer* thread sleeps and looks. What a look can tell without touching the work:

* how long the caller has been in its present slice, and how much of that its thread was on a CPU
  (``pthread_getcpuclockid``): a long item that waits is seen while it still waits;
* how late the observer got the GIL after its own sleep: at once when the work leaves the GIL alone,
  after a whole switch interval (5 ms) when the work holds it. Threads are worth trying only then.

The observer starts with the run and is joined before any fork and before the run ends.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import allocate_lock, get_ident, get_native_id, start_new_thread
from operator import add, sub

from amorsize.core.model import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

clock = time.perf_counter
thread_clock = time.thread_time
process_clock = time.process_time

FIRST_LOOK_SECONDS = 0.003
"""When the observer first looks: beyond the items for which nothing is worth doing (thread start
0.07 ms), soon enough that a wait of 20 ms is used for 17 (benchmarks/workloads/catalog.py, kind
"waiting")."""
LOOK_SECONDS = 0.005
"""Least pause between later looks..."""
HELD_LOOK_SECONDS = 0.01
"""...where the work holds the GIL: each look waits 5 ms more for it and costs the caller a forced
switch and what the look itself takes (0.05 ms, 0.3 the first time)."""
SOON_SECONDS = 0.001
"""Length of a look while threads are being added behind a long item."""
LOOK_SHARE = 0.03
"""Pause as a share of the time since the start: bounds what is noticed late to 3 % of the run."""
GIL_PROBE_SECONDS = 0.0004
"""Sleep of one GIL sample; the wake-up latency of the system is about 0.06 ms."""
GIL_PROMPT_SECONDS = 0.0003
"""A sample later than this found the GIL held: one that is held for good comes after 5 ms, one that is
let go between items of a millisecond after half of that."""
GIL_HELD_SECONDS = 0.004
"""The thread's own start is late by so much only if the GIL was held for a whole switch interval."""
GIL_TURN_SECONDS = 0.0003
"""What it costs the caller to hand the GIL to the observer and get it back (0.05 to 0.3 ms)."""
GIL_SAMPLES = 2
"""Samples at one look when the first is prompt: all within 1 ms; one that is held ends the look."""


GIL_ENOUGH = 4
"""After so many samples, one that found the GIL held counting four times, the answer is known."""
LATE_SECONDS = 0.0025
"""A slice younger than this is left alone: slices of counted items end by themselves."""


def _clocks() -> tuple[float, float, float]:
    return clock(), thread_clock(), process_clock()


def _wall_clock() -> tuple[float, float, float]:
    return clock(), 0.0, 0.0


LONG_PAUSE_SECONDS = 0.001
"""Time without a core in our own planning that would distort what is seen of the items: the look that
tells it costs 15 µs."""
STAT_BYTES = 400
"""Of a thread's status: it has 300. A buffer of over 512 bytes would come from the C heap and change its
layout: NumPy's arrays then paid 80 % more page faults, 15 % of a run of small matrices."""


class Meter:
    """Sums over slices; makes the :class:`Profile`. All times in seconds."""

    def __init__(self) -> None:
        self.only_computes = False
        """It is known that the function neither waits nor lets others work: no share is measured."""
        self._clocks = _clocks
        self.items = 0
        self.seconds = 0.0
        self._last: tuple[float, ...] = ()
        """Item seconds of the last three slices, the very first left out as soon as possible."""
        self._later_items = 0
        self._later_seconds = 0.0
        self._slices = 0
        self._mean = 0.0
        self._square = 0.0
        self.turns = 0
        """Times that the observer has asked a caller at work for the GIL."""
        self.gil_prompt = 0
        self.gil_held = 0
        self.result_bytes: int | None = None
        self.result_seconds = 0.0
        self.argument_bytes: int | None = None
        self.argument_seconds = 0.0
        self.picklable = True
        self.pauses = 0
        """How often it was paused."""
        self._paused: tuple[float, float, float] | None = None
        self._turns_paused = 0

    @property
    def is_paused(self) -> bool:
        """Whether the caller is not in items now."""
        return self._paused is not None

    def begin(self, *, only_computes: bool) -> None:
        """The run begins."""
        self.only_computes = only_computes
        if only_computes:
            self._clocks = _wall_clock
        self.begin_again()

    def begin_again(self) -> None:
        """The run goes on after a break that nobody measures, maybe in another thread: shares and
        :meth:`overall` begin anew."""
        self.open_window()
        self._origin: tuple[float, ...] = self._start
        self._queued_origin = self._queued0

    def overall(self) -> tuple[float, float, float]:
        """As :meth:`shares`, since the run began: the first item counts."""
        wall, thread, process = map(sub, self._paused or self._clocks(), self._origin)
        if wall <= 0 or self.only_computes:
            return max(0.0, wall), 1.0, 1.0
        inner = process / thread if thread > 0 and process - thread > 0.001 else 1.0
        queued = queued_seconds() - self._queued_origin
        return wall, min(1.0, thread / max(wall - queued, thread, 1e-9)), inner

    @property
    def window_is_empty(self) -> bool:
        """No item has ended since the window was opened."""
        return self.items == self._items0

    def open_window(self) -> None:
        """Begin a fresh window for the shares of CPU time (the first item may be unlike the rest)."""
        self._start = self._clocks()
        if self._paused is not None:
            self._paused, self._turns_paused = self._start, self.turns
        self._items0, self._turns0 = self.items, self.turns
        self._queued0 = 0.0 if self.only_computes else queued_seconds()

    def pause(self) -> None:
        """What follows is not the function's time; shares are those of this moment."""
        self._paused, self._turns_paused = self._clocks(), self.turns
        self.pauses += 1

    def resume(self) -> None:
        """The function's time again."""
        if self._paused is None:
            return
        spent = tuple(map(sub, self._clocks(), self._paused))
        self._start = tuple(map(add, self._start, spent))
        self._origin = tuple(map(add, self._origin, spent))
        self._turns0 += self.turns - self._turns_paused
        self._paused = None
        idle = spent[0] - spent[1]
        if idle > LONG_PAUSE_SECONDS and spent[1] > 0:
            # On a busy machine we queued for a core meanwhile: no item was held up by that.
            queued = min(idle, max(0.0, queued_seconds() - self._queued0))
            self._queued0 += queued
            self._queued_origin += queued

    def add(self, items: int, seconds: float) -> None:
        """One slice of ``items`` took ``seconds``."""
        if not items:
            return
        per = seconds / items
        if self.items and self._last:
            self._last = (*self._last[-2:], per) if self._later_items else (per,)
            self._later_items += items
            self._later_seconds += seconds
        else:
            self._last = (per,)
        self.items += items
        self.seconds += seconds
        self._slices += 1
        delta = per - self._mean
        self._mean += delta / self._slices
        self._square += delta * (per - self._mean)

    @property
    def item_seconds(self) -> float:
        """What one of the next items is expected to take.

        The average, moved into the range of the last three slices: a lasting change is followed at
        the third slice, a single heavy item is not taken for one. The first slice (imports, caches)
        counts only while there is no other."""
        if not self._later_items:
            return self._last[0] if self._last else 0.0
        average = self._later_seconds / self._later_items
        return min(max(average, min(self._last)), max(self._last))

    def forget(self) -> None:
        """The items have changed their kind: the next slice is the first that counts."""
        self._last = ()
        self._later_items, self._later_seconds = 0, 0.0

    def shares(self) -> tuple[float, float, float]:
        """Since the window was opened: wall seconds, share of it computed, inner threads.

        Time in which the thread was ready and had no core (a busy machine), or had to hand over the
        GIL to the observer, is left out of the share: the items did not wait then."""
        wall, thread, process = map(sub, self._paused or self._clocks(), self._start)
        if wall <= 0 or self.only_computes:
            return max(0.0, wall), 1.0, 1.0
        # Below 1 ms of CPU time the clocks' own noise would look like parallel work.
        inner = process / thread if thread > 0 and process - thread > 0.001 else 1.0
        share = min(1.0, thread / wall)
        if share < 0.9:
            held_up = queued_seconds() - self._queued0
            turns = self.turns if self._paused is None else self._turns_paused
            held_up += GIL_TURN_SECONDS * (turns - self._turns0)
            share = min(1.0, thread / max(wall - held_up, thread, 1e-9))
        return wall, share, inner

    def gil_free_share(self) -> float | None:
        """Share of the looks that found the GIL free, one look against it added: a single prompt
        one proves nothing. None before the first look."""
        samples = self.gil_prompt + self.gil_held
        return self.gil_prompt / (samples + 1) if samples else None

    def profile(self, shares: tuple[float, float, float] | None = None) -> Profile:
        """What was seen; ``shares`` as :meth:`shares` gave them when the last item had ended."""
        _, cpu, inner = shares or self.shares()
        spread = (self._square / (self._slices - 1)) ** 0.5 if self._slices > 1 else 0.0
        return Profile(
            items=self.items,
            item_seconds=self.item_seconds,
            item_spread=spread,
            cpu_share=cpu,
            inner_threads=inner,
            gil_free_share=self.gil_free_share(),
            result_bytes=self.result_bytes,
            result_seconds=self.result_seconds,
            argument_bytes=self.argument_bytes,
            argument_seconds=self.argument_seconds,
            picklable=self.picklable,
        )


def queued_seconds() -> float:
    """How long the calling thread has been ready to run without a core; 0 where nobody counts."""
    try:
        file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(file, 100).split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0
    finally:
        os.close(file)


def _is_asleep(thread: int) -> bool:
    """Whether a thread of this process waits for something (not for a core)."""
    try:
        with open(f"/proc/self/task/{thread}/stat", "rb", 0) as file:
            return file.read(STAT_BYTES).rpartition(b")")[2].split()[0] in (b"S", b"D")
    except (OSError, IndexError):
        return True


def foreign_threads_running(most: int) -> int:
    """How many threads of this process that are not ours are on a core or ready; counts to ``most``."""
    found, own = 0, get_native_id()
    try:
        tasks = [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:  # another system
        return 0
    for task in tasks:
        if task == own or task in our_threads or found >= most:
            continue
        try:
            with open(f"/proc/self/task/{task}/stat", "rb", 0) as file:
                found += file.read(STAT_BYTES).rpartition(b")")[2].split()[0] == b"R"
        except (OSError, IndexError):  # it has just ended
            pass
    return found


our_threads: list[int] = []
"""System ids of threads that amorsize has started and that may still be among the tasks."""


def vanish(seconds: float = 0.02) -> None:
    """Wait until threads of ours that have ended are gone for the system too.

    A thread is still among the tasks of the process for some microseconds after its last
    instruction; a fork asks who is there."""
    deadline = clock() + seconds
    while our_threads and clock() < deadline:
        if os.path.exists(f"/proc/self/task/{our_threads[-1]}"):
            time.sleep(0.00005)
        else:
            our_threads.pop()
    our_threads.clear()


class Observer:
    """The thread that looks while the caller works; see the module.

    ``on_glance()`` is called when a look begins, ``on_look(cpu_share, busy, late)`` when it ends, some
    milliseconds later, in the observer's thread while the caller is inside one slice; ``cpu_share`` is
    that of the caller's thread meanwhile, ``busy`` the CPU seconds a second of the process, ``late`` by
    how much the look ended too late. It runs under ``claim``, so the end of the slice waits for it, and
    returns True to look again soon.
    """

    def __init__(
        self,
        meter: Meter,
        on_glance: Callable[[], bool],
        on_look: Callable[[float, float, float], bool],
    ) -> None:
        self.meter = meter
        self.on_glance = on_glance
        self.on_look = on_look
        self.claim = allocate_lock()
        self.slice = 0
        """Number of the caller's slice; even while it is between slices."""
        self.slice_began = 0.0
        self.caller, self._caller_id = get_ident(), get_native_id()
        self.running = False
        self.on_brief: Callable[[], None] | None = None
        self._saw = True
        self._again = False

    def start(self, on_brief: Callable[[], None] | None = None) -> None:
        """Start the thread, to look at the one that calls; after :meth:`stop` it may be started again.

        With ``on_brief``, each look is but a call of it, at one turn of the GIL instead of two."""
        self.caller, self._caller_id = get_ident(), get_native_id()
        self.on_brief = on_brief
        self._first = FIRST_LOOK_SECONDS if on_brief is None else HELD_LOOK_SECONDS
        self._stopped = False
        self._gate, self._gone = allocate_lock(), allocate_lock()
        self._gate.acquire()
        self._gone.acquire()
        self._began = clock()
        try:
            self._cpu_clock: int | None = time.pthread_getcpuclockid(self.caller)
        except (AttributeError, OSError):
            self._cpu_clock = None
        self._cpu0 = self._caller_cpu()
        try:
            start_new_thread(self._watch, ())
            self.running = True
        except RuntimeError:  # no more threads to be had: go on unobserved
            self._gone.release()

    def stop(self) -> None:
        """End the thread and wait for it."""
        if not self.running:
            return
        self.running = False
        self._stopped = True
        self._gate.release()
        if not sys.is_finalizing():  # then no thread comes to its end any more
            self._gone.acquire()

    def caller_seconds(self) -> float:
        """CPU seconds of the caller since the observer was started."""
        return self._caller_cpu() - self._cpu0

    # The caller brackets each slice by these two.

    def begin_slice(self) -> float:
        self.slice_began = began = clock()
        self.slice += 1
        return began

    def end_slice(self) -> None:
        with self.claim:
            self.slice += 1

    # -- the thread -----------------------------------------------------------------------------

    def _watch(self) -> None:
        our_threads.append(get_native_id())
        try:
            # The wait for the GIL at the thread's own start is the first sample.
            late = clock() - self._began
            if late > GIL_HELD_SECONDS:
                self.meter.gil_held += 1
            pause = self._first - late if late < self._first else HELD_LOOK_SECONDS
            while self._sleep(pause) and self._look():
                held = self.on_brief is not None or self.meter.gil_held > self.meter.gil_prompt
                pause = HELD_LOOK_SECONDS if held or not self._saw else LOOK_SECONDS
                pause = max(pause, LOOK_SHARE * (clock() - self._began))
                if self._again:
                    pause = 0.0
        finally:
            self._gone.release()

    def _sleep(self, seconds: float) -> bool:
        """False when the run asked the observer to end."""
        began, cpu = clock(), self._caller_cpu()
        ended = self._gate.acquire(timeout=seconds) or self._stopped
        self._slept, self._computed = clock() - began, self._caller_cpu() - cpu
        if self._computed > 0.5 * self._slept:
            self.meter.turns += 1
        return not ended

    def _look(self) -> bool:
        if self.on_brief is not None:
            with self.claim:
                if self.slice % 2 and not self._stopped:
                    self.on_brief()
            return True
        current, again, self._again = self.slice, self._again, False
        began, cpu, process = clock(), self._caller_cpu(), process_clock()
        if self.meter.gil_held and began - self.slice_began < LATE_SECONDS:
            return True  # nothing to see, and another turn of the GIL would be the caller's loss
        self._saw = self.on_glance()
        if not self._saw:
            return True
        samples = self.meter.gil_prompt + 4 * self.meter.gil_held
        if samples < GIL_ENOUGH and not again:
            alive = self._sample_gil()
        else:
            alive = self._sleep(SOON_SECONDS if again else GIL_PROBE_SECONDS)
        if not alive:
            return False
        if current % 2:
            seconds = clock() - began
            share = 1.0
            if self._cpu_clock is not None and seconds > 0:
                share = min(1.0, (self._caller_cpu() - cpu) / seconds)
            if share < 0.5 and not _is_asleep(self._caller_id):
                share = 1.0  # it has lost its core to somebody else
            busy = (process_clock() - process) / seconds if seconds > 0 else 1.0
            with self.claim:
                if self.slice == current and not self._stopped:
                    late = max(0.0, seconds - SOON_SECONDS)
                    self._again = self.on_look(share, busy, late)
        return True

    def _caller_cpu(self) -> float:
        return 0.0 if self._cpu_clock is None else time.clock_gettime(self._cpu_clock)

    def _sample_gil(self) -> bool:
        """A few sleeps of known length: how late does each end? False when asked to stop."""
        meter = self.meter
        for _ in range(GIL_SAMPLES):
            pauses = meter.pauses
            if not self._sleep(GIL_PROBE_SECONDS):
                return False
            if self._slept - GIL_PROBE_SECONDS > GIL_PROMPT_SECONDS:
                meter.gil_held += 1
                break
            if meter.is_paused or meter.pauses != pauses:
                continue  # the caller was deciding and let go of the GIL to read a file
            if self._cpu_clock is None or self._computed > 0.5 * self._slept:
                meter.gil_prompt += 1  # who sleeps leaves the GIL alone, and that tells nothing
        return True
