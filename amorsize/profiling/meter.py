"""Measuring by working: what the first items cost, from slices that the caller runs; and what carrying a
value to another process and back to life costs, from samples of real values.
"""

from __future__ import annotations

import time
from math import inf
from operator import add, sub

from amorsize import profiling
from amorsize.core.clocks import children_seconds, look_closely
from amorsize.core.frozen import dataclass
from amorsize.machine.threads import CPU_STEP_SECONDS, queued_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


clock = time.perf_counter

TRANSFER_SAMPLE = 16
"""Values pickled together to see what carrying one costs (a single small one costs 50 times more)."""
SMALL_BYTES = 4096
"""Above, one value says enough, and pickling many would take time."""
KERNEL_BYTE_SECONDS = 7e-10
"""CPU seconds that a byte of a large value costs both sides together, its fresh pages included
(benchmarks/speed/costs.py: 0.7 to 1 ns)."""


@dataclass(frozen=True)
class Transfer:
    """What carrying one value costs."""

    bytes: int | None = None
    """Pickled size; None while not measured, or where it cannot be pickled."""
    seconds: float = 0.0
    """CPU seconds of both sides together."""
    picklable: bool = True


UNMEASURED = Transfer()


def measure_transfer(values: Sequence[Any], encode: Callable[[Any], Sequence[Any]]) -> Transfer:
    """Measure on the last of ``values``, pickled together as they would travel; ``encode`` gives the
    parts of a message."""
    if not len(values):
        return UNMEASURED
    try:
        small = _size(encode(values[-1])) < SMALL_BYTES
        sample = values[-TRANSFER_SAMPLE if small else -1 :]
        began = clock()
        size = _size(encode(sample))
        # Unpickling takes about as long as pickling.
        seconds = 2 * (clock() - began) + size * KERNEL_BYTE_SECONDS
        return Transfer(size // len(sample), seconds / len(sample))
    except Exception:
        return Transfer(picklable=False)


def _size(parts: Sequence[Any]) -> int:
    return sum(memoryview(part).nbytes for part in parts)


thread_clock = time.thread_time
process_clock = time.process_time

GIL_TURN_SECONDS = 0.0003
"""What it costs the caller to hand the GIL to the sampler's thread and get it back (0.05 to 0.3 ms)."""


STEP_SECONDS = CPU_STEP_SECONDS


def _at_most(wall: float, computed: float) -> float:
    """CPU seconds within so many seconds, by a clock that says ``computed``. Where it comes in steps it
    may have missed one: short items that only compute must not look as if they waited."""
    return max(computed, min(wall, computed + STEP_SECONDS)) if STEP_SECONDS else computed


def _inner(process: float, thread: float, seconds: float) -> float:
    """1, and as many as the other threads that computed in the ``seconds`` in which the thread that runs
    items computed or waited: those in which it was ready and had no core are left out.

    Below 1 ms of CPU time, or two steps, the clocks' own noise would look like parallel work. What the
    thread computed is no measure: one that waits computes next to nothing."""
    others = process - min(thread, seconds)  # programs that it waits for may use several cores
    certain = others > max(0.001, 2 * STEP_SECONDS)
    return 1.0 + others / seconds if thread > 0 and seconds > 0 and certain else 1.0


def _clocks() -> tuple[float, float, float]:
    programs = children_seconds()
    return clock(), thread_clock() + programs, process_clock() + programs


def _thread_clocks() -> tuple[float, float, float]:
    return clock(), thread_clock(), 0.0


LONG_PAUSE_SECONDS = 0.001
"""If planning was without a core for longer than this, the kernel is asked (15 µs) how long the thread
was ready to run, so that the wait is not charged to the items."""


@dataclass(frozen=True)
class Measured:
    """What the meter says at one moment."""

    items: int
    item_seconds: float
    """What one of the next items is expected to take."""
    item_spread: float
    """Standard deviation of the seconds of one item, as the slices after the first lie apart."""
    window: tuple[float, float, float]
    """Since the window was opened: wall seconds, share of them computed, inner threads."""
    window_is_empty: bool
    """Whether no item has ended since the window was opened."""
    gil_free_share: float | None
    """Share of the looks that found the GIL free, None before the first look."""
    spread_items: int = 0
    """Of the items, those at spread positions."""
    front_seconds: float = 0.0
    """What one of the next items would be expected to take without those."""
    step_seconds: float = 0.0
    """The CPU clock of the caller's thread comes in such steps; 0 where it is fine."""


class Meter:
    """Sums over slices. All times in seconds."""

    def __init__(self) -> None:
        self.only_computes = False
        """It is known that the function neither waits nor lets others work: no share is measured."""
        self._clocks = _clocks
        self._start: tuple[float, ...] = (inf, inf, inf)
        self._origin: tuple[float, ...] = self._start
        self._queued_origin = 0.0
        """When the window was opened; not before the run begins."""
        self.items = self._items0 = 0
        self.seconds = 0.0
        self._last: tuple[float, ...] = ()
        """Item seconds of the last three slices, the very first left out as soon as possible."""
        self._later_items = 0
        self._later_seconds = 0.0
        self._slices = 0
        self._square = 0.0
        """Slices after the first, and the sum of their squared seconds divided by their items."""
        self.turns = 0
        """Times that the sampler's thread has asked a caller at work for the GIL."""
        self.gil_prompt = 0
        self.gil_held = 0
        self._programs_began = 0.0
        """What ended programs had computed when the run began; of the caller's items only: what ends
        meanwhile, as worker processes do, is added to it."""
        self._programs_paused = 0.0
        """The same when the caller left its items."""
        self._programs = 0
        """Looks that found it waiting for programs that compute, less those for ones that wait."""
        self.pauses = 0
        """How often it was paused."""
        self._paused: tuple[float, float, float] | None = None
        self._turns_paused = 0
        self._opened: tuple[float, ...] | None = None
        """Clocks since the start of the run, or of its going on, when the first slice ended."""
        self._carried = (0.0, 0.0)
        """Wall and CPU seconds after the first slice, before the run was measured and went on."""
        self._spread: list[tuple[int, float]] = []
        """Position and seconds of each item that ran at a spread position."""
        self._ahead = (0, 0)
        """First position and end of the items among which those are spread."""

    @property
    def is_paused(self) -> bool:
        """Whether the caller is not in items now."""
        return self._paused is not None

    def begin(self, *, only_computes: bool) -> None:
        """The run begins."""
        self.only_computes = only_computes
        if only_computes:
            self._clocks = _thread_clocks
        self._programs_began = children_seconds()
        self.begin_again()

    def core_share(self) -> float:
        """Share of a core that the caller's thread got while it was in items and wanted one."""
        wall, computed, _ = map(sub, self._paused or self._clocks(), self._origin)
        computed = _at_most(wall, computed)
        if not self.only_computes:
            wall = computed + max(0.0, queued_seconds() - self._queued_origin)
        return min(1.0, computed / wall) if wall > 0 and computed > 0 else 1.0

    def begin_again(self) -> None:
        """The run goes on after a break that nobody measures, maybe in another thread: shares and
        :meth:`overall` begin anew."""
        self._carried = self.later()
        self.open_window()
        self._origin = self._start
        self._opened = (0.0, 0.0, 0.0) if self.items else None
        self._queued_origin = self._queued0

    def overall(self) -> tuple[float, float, float]:
        """As :meth:`shares`, since the run began: the first item counts."""
        wall, thread, process = map(sub, self._paused or self._clocks(), self._origin)
        if wall <= 0 or self.only_computes:
            return max(0.0, wall), 1.0, 1.0
        computed = self._computed(wall, thread)
        seconds = max(wall - (queued_seconds() - self._queued_origin), computed, 1e-9)
        return wall, min(1.0, computed / seconds), _inner(process, thread, seconds)

    def _computed(self, wall: float, thread: float) -> float:
        """Seconds of so many in which the caller computed. Programs that compute for it have waited for a
        core in what they have not computed."""
        if self._programs > 0:
            return wall
        computed = _at_most(wall, thread)
        return computed if computed >= 0.9 * wall else min(wall, computed + look_closely())

    def later(self) -> tuple[float, float]:
        """Wall and CPU seconds of the caller since its first slice ended; (0, 0) before."""
        if self._opened is None:
            return self._carried
        age = map(sub, self._paused or self._clocks(), self._origin)
        wall, thread, _ = map(sub, age, self._opened)
        before, computed = self._carried
        wall = max(0.0, wall)
        known = wall if self.only_computes else max(0.0, _at_most(wall, thread))
        return before + wall, computed + known

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
        self._programs_paused = 0.0 if self.only_computes else children_seconds()
        self.pauses += 1

    def resume(self) -> None:
        """The function's time again."""
        if self._paused is None:
            return
        spent = tuple(map(sub, self._clocks(), self._paused))
        self._start = tuple(map(add, self._start, spent))
        self._origin = tuple(map(add, self._origin, spent))
        self._turns0 += self.turns - self._turns_paused
        if not self.only_computes:
            self._programs_began += children_seconds() - self._programs_paused
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
        if self._opened is None:
            self._opened = tuple(map(sub, self._paused or self._clocks(), self._origin))
        if self.items and self._last:
            self._last = (*self._last[-2:], per) if self._later_items else (per,)
            self._later_items += items
            self._later_seconds += seconds
            self._slices += 1
            self._square += seconds * per
        else:
            self._last = (per,)
        self.items += items
        self.seconds += seconds

    def add_spread(self, position: int, seconds: float, ahead: tuple[int, int]) -> None:
        """The item at ``position``, out of those from the first number of ``ahead`` to the second, took
        so long."""
        self._spread.append((position, seconds))
        self._ahead = ahead
        self.items += 1
        self.seconds += seconds

    @property
    def item_seconds(self) -> float:
        """What one of the next items is expected to take: by items at spread positions, if some ran."""
        front = self._front_seconds()
        return (
            profiling.mean_and_spread(self._spread, *self._ahead, front)[0]
            if self._spread
            else front
        )

    def _front_seconds(self) -> float:
        """The same by the items before.

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
        self._slices, self._square = 0, 0.0

    def _item_spread(self) -> float:
        if self._slices < 2:
            return 0.0
        mean = self._later_seconds / self._later_items
        square = self._square - self._later_items * mean * mean
        return float(max(0.0, square / (self._slices - 1)) ** 0.5)

    def shares(self) -> tuple[float, float, float]:
        """Since the window was opened: wall seconds, share of it computed, inner threads.

        Time in which the thread was ready and had no core (a busy machine), or had to hand over the
        GIL to the sampler's thread, is left out of the share: the items did not wait then."""
        wall, thread, process = map(sub, self._paused or self._clocks(), self._start)
        if wall <= 0 or self.only_computes:
            return max(0.0, wall), 1.0, 1.0
        computed, seconds = self._computed(wall, thread), wall
        if computed < 0.9 * wall:
            held_up = queued_seconds() - self._queued0
            turns = self.turns if self._paused is None else self._turns_paused
            held_up += GIL_TURN_SECONDS * (turns - self._turns0)
            seconds = max(wall - held_up, computed, 1e-9)
        return wall, min(1.0, computed / seconds), _inner(process, thread, seconds)

    def gil_free_share(self) -> float | None:
        """Share of the looks that found the GIL free, one look against it added: a single prompt
        one proves nothing. None before the first look. Programs that compute for the caller need none."""
        programs = self._programs_seconds()
        if programs > 0 and programs > ((self._paused or self._clocks())[1] - self._origin[1]) / 2:
            return 1.0
        samples = self.gil_prompt + self.gil_held
        return self.gil_prompt / (samples + 1) if samples else None

    def _programs_seconds(self) -> float:
        """What programs computed that have ended while the caller was in items."""
        if self.only_computes or not self.items:
            return 0.0
        now = children_seconds() if self._paused is None else self._programs_paused
        return now - self._programs_began

    def saw_gil(self, *, held: bool) -> None:
        """The sampler's thread found the GIL held, or free while the caller computed. Only that thread
        calls this, and an addition to an integer is seen whole by any other."""
        if held:
            self.gil_held += 1
        else:
            self.gil_prompt += 1

    def saw_programs(self, *, compute: bool) -> None:
        """The caller waits for a program that it has started."""
        self._programs += 1 if compute else -1

    def saw_turn(self) -> None:
        """The sampler's thread has asked a caller at work for the GIL."""
        self.turns += 1

    def measured(self) -> Measured:
        """What is known now."""
        item = front = self._front_seconds()
        spread = self._item_spread()
        if self._spread:
            item, spread = profiling.mean_and_spread(self._spread, *self._ahead, front)
        return Measured(
            self.items,
            item,
            spread,
            self.shares(),
            self.window_is_empty,
            self.gil_free_share(),
            len(self._spread),
            front,
            STEP_SECONDS,
        )
