"""Measuring by working: what the first items tell while they run in the caller.

Nothing runs for the sake of measurement. The caller computes items in slices timed as a whole;
beside it the thread of the *sampler* sleeps and looks. What a sample can tell without touching the work:

* how long the caller has been in its present slice, and how much of that its thread was on a CPU
  (``pthread_getcpuclockid``): a long item that waits is seen while it still waits;
* how late the sampler got the GIL after its own sleep: at once when the work leaves the GIL alone,
  after a whole switch interval (5 ms) when the work holds it. Threads are worth trying only then.

The thread starts with the run and is joined before any fork and before the run ends.
"""

from __future__ import annotations

import sys
import time
from _thread import allocate_lock, get_ident, get_native_id, start_new_thread

from amorsize.core.signals import is_of_handler
from amorsize.machine.procfs import programs_compute
from amorsize.machine.threads import _is_asleep, leave_no_trace, our_threads, threads_are_greenlets
from amorsize.profiling.meter import Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

clock = time.perf_counter
process_clock = time.process_time

FIRST_SAMPLE_SECONDS = 0.003
"""When the sampler first looks: beyond the items for which nothing is worth doing (thread start
0.07 ms), soon enough that a wait of 20 ms is used for 17 (benchmarks/workloads/catalog.py, kind
"waiting")."""
SAMPLE_SECONDS = 0.005
"""Least pause between later samples."""
HELD_SAMPLE_SECONDS = 0.01
"""Least pause where the work holds the GIL: each sample waits 5 ms more for it and costs the caller a
forced switch and what the sample itself takes (0.05 ms, 0.3 the first time)."""
SOON_SECONDS = 0.001
"""Length of a sample while threads are being added behind a long item."""
SAMPLE_SHARE = 0.03
"""Pause as a share of the time since the start: bounds what is noticed late to 3 % of the run. What turns
of the GIL cost the caller is no greater share of the time, either."""
GIL_PROBE_SECONDS = 0.0004
"""Sleep of one GIL sample; the wake-up latency of the system is about 0.06 ms."""
GIL_PROMPT_SECONDS = 0.0003
"""A sample later than this found the GIL held: one that is held for good comes after 5 ms, one that is
let go between items of a millisecond after half of that."""
GIL_KEPT_SECONDS = 0.00004
"""The GIL is kept so long to see whether the caller needs it: longer than one call that leaves it alone
for the sake of something else (opening and reading a small file: 5 to 20 µs)."""
GIL_HELD_SECONDS = 0.004
"""The thread's own start is late by so much only if the GIL was held for a whole switch interval."""
GIL_SAMPLES = 2
"""Looks at the GIL in one sample when the first is prompt: all within 1 ms; one that is held ends the
sample."""


GIL_ENOUGH = 4
"""After so many samples, one that found the GIL held counting four times, the answer is known."""
LATE_SECONDS = 0.0025
"""A slice younger than this is left alone: slices of counted items end by themselves."""


class Sampler:
    """The thread that looks while the caller works; see the module.

    ``on_begin(known)`` is called when a sample begins and tells whether there is anything to see
    (``known``: of the GIL there is not), ``on_sample(cpu_share, busy, late)`` when it ends, some
    milliseconds later, in the sampler's thread while the caller is inside one slice; ``cpu_share`` is
    that of the caller's thread meanwhile, ``busy`` the CPU seconds a second of the process, ``late`` by
    how much the sample ended too late. It runs under ``claim``, so the end of the slice waits for it, and
    returns True for another sample soon.
    """

    def __init__(
        self,
        meter: Meter,
        on_begin: Callable[[bool], bool],
        on_sample: Callable[[float, float, float], bool],
    ) -> None:
        self.meter = meter
        self.on_begin = on_begin
        self.on_sample = on_sample
        self.claim = allocate_lock()
        self.slice = 0
        """Number of the caller's slice; even while it is between slices."""
        self.slice_began = 0.0
        self.caller, self._caller_id = get_ident(), get_native_id()
        self._thread = 0
        self.running = False
        self.on_brief: Callable[[], None] | None = None
        self._saw = True
        self._again = False
        self._programs_at = 0.0
        """Before then programs are not looked at again."""
        self._doubted = -1
        """Slice in which a program was seen for the first time, and did not compute then."""

    def start(self, on_brief: Callable[[], None] | None = None) -> None:
        """Start the thread, to look at the one that calls; after :meth:`stop` it may be started again.

        With ``on_brief``, each sample is but a call of it, at one turn of the GIL instead of two."""
        self.caller, self._caller_id = get_ident(), get_native_id()
        self.on_brief = on_brief
        self._first = FIRST_SAMPLE_SECONDS if on_brief is None else HELD_SAMPLE_SECONDS
        self._stopped = False
        self._gate, self._gone = allocate_lock(), allocate_lock()
        self._gate.acquire()
        self._gone.acquire()
        self._began = clock()
        self._cpu_clock = _cpu_clock_of(self.caller)
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
        """CPU seconds of the caller since the sampler was started."""
        return self._caller_cpu() - self._cpu0

    def is_here(self) -> bool:
        """Whether the sampler's own thread asks."""
        return get_ident() == self._thread

    def look_closely(self) -> None:
        """From now on each sample tells what the caller does, not only that it is there."""
        self.on_brief = None

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
        self._thread = get_ident()
        try:
            # The wait for the GIL at the thread's own start is the first sample.
            late = clock() - self._began
            if late > GIL_HELD_SECONDS:
                self.meter.saw_gil(held=True)
            pause = self._first - late if late < self._first else HELD_SAMPLE_SECONDS
            while self._sleep(pause):
                cost = self._turn_seconds(pause)
                if not self._sample():
                    break
                held = self.on_brief is not None or self.meter.gil_held > self.meter.gil_prompt
                pause = HELD_SAMPLE_SECONDS if held or not self._saw else SAMPLE_SECONDS
                pause = max(pause, SAMPLE_SHARE * (clock() - self._began), cost / SAMPLE_SHARE)
                if self._again:
                    pause = 0.0
        finally:
            leave_no_trace()
            self._thread = 0  # another thread may get this number
            self._gone.release()

    def _turn_seconds(self, asked: float) -> float:
        """What the caller has lost, at most, to the turn of the GIL at the end of a sleep. It lets go of
        the GIL after a switch interval and stands still until this thread has a core: a moment on an idle
        machine, several milliseconds on a busy one."""
        if self._cpu_clock is None:
            return 0.0
        late = self._slept - asked - sys.getswitchinterval()
        return max(0.0, min(late, self._slept - self._computed))

    def _sleep(self, seconds: float) -> bool:
        """False when the run asked the sampler to end."""
        began, cpu = clock(), self._caller_cpu()
        ended = self._gate.acquire(timeout=seconds) or self._stopped
        self._slept, self._computed = clock() - began, self._caller_cpu() - cpu
        if self._computed > 0.5 * self._slept:
            self.meter.saw_turn()
        return not ended

    def _sample(self) -> bool:
        if self.on_brief is not None:
            with self.claim:
                if self.slice % 2 and not self._stopped:
                    self.on_brief()
            return True
        current, again, self._again = self.slice, self._again, False
        began, cpu, process = clock(), self._caller_cpu(), process_clock()
        if self.meter.gil_held and began - self.slice_began < LATE_SECONDS:
            return True  # nothing to see, and another turn of the GIL would be the caller's loss
        known = self.meter.gil_prompt + 4 * self.meter.gil_held >= GIL_ENOUGH
        self._saw = self.on_begin(known and not again)
        if not self._saw:
            return True
        if not (known or again):
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
            elif share < 0.5:
                seen = self._sees_programs(current)
                if seen is None:
                    return True
                share = 1.0 if seen else share
            busy = (process_clock() - process) / seconds if seconds > 0 else 1.0
            with self.claim:
                if self.slice == current and not self._stopped:
                    late = max(0.0, seconds - SOON_SECONDS)
                    self._again = self.on_sample(share, busy, late)
        return True

    def _sees_programs(self, current: int) -> bool | None:
        """Whether the caller, which sleeps in that slice, waits for programs that compute; they need no
        GIL. None where it is not known yet: one that was seen for the first time may be about to begin.

        Looked at so seldom that it takes a tenth of the time."""
        began = clock()
        if began < self._programs_at:
            return None
        computes = programs_compute(began - self.slice_began)
        if computes is None:
            return False
        self._programs_at = clock() + 9 * (clock() - began)
        self.meter.saw_programs(compute=computes)
        if computes:
            self.meter.saw_gil(held=False)
        elif self._doubted != current:
            self._doubted = current
            return None
        return computes

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
                meter.saw_gil(held=True)
                break
            if meter.is_paused or meter.pauses != pauses:
                continue  # the caller was deciding and let go of the GIL to read a file
            if self._cpu_clock is None:
                meter.saw_gil(held=False)
            elif self._computed > 0.5 * self._slept:
                meter.saw_gil(held=not self._computes_without_the_gil())
            # Else it sleeps: that leaves the GIL alone, and tells nothing.
        return True

    def _computes_without_the_gil(self) -> bool:
        """Whether the caller goes on while this thread keeps the GIL for a moment.

        Items that let go of it between two short steps, to read a file, are let in at once as well, but
        stop at their next step."""
        began, computed = clock(), self._caller_cpu()
        while (kept := clock() - began) < GIL_KEPT_SECONDS:
            pass
        return self._caller_cpu() - computed > 0.5 * kept


def _cpu_clock_of(thread: int) -> int | None:
    """The CPU clock of a thread, where the system tells it; not of a greenlet, whose number is none of a
    thread's."""
    if threads_are_greenlets():
        return None
    try:
        return time.pthread_getcpuclockid(thread)
    except (AttributeError, OSError) as error:
        if is_of_handler(error):
            raise
        return None
