"""What carrying a value to another process and back to life costs, measured on samples of real values."""

from __future__ import annotations

import time

from amorsize.core.frozen import dataclass

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


def measure(values: Sequence[Any], encode: Callable[[Any], Sequence[Any]]) -> Transfer:
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
