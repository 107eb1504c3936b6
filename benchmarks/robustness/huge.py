"""One result of 2.2 GB from a worker: more than a 32-bit length holds, more than a system call writes.

    python -m benchmarks.robustness.huge [--bytes 2200000000]

Bytes go inside the pickle, an array beside it (protocol 5). Bytes need four times as much memory: result
and pickle on both sides.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import amorsize


class Large:
    """Bytes or an array of so many bytes for item 1, and little for the others."""

    def __init__(self, size: int, kind: str) -> None:
        self.size, self.kind = size, kind

    def __call__(self, item: int) -> Any:
        size = self.size if item == 1 else 10
        if self.kind == "bytes":
            return bytes([item + 1]) * size
        import numpy

        return numpy.full(size, item + 1, dtype=numpy.uint8)


def main() -> int:
    """Carry them over, and look whether all has come."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bytes", type=int, default=2_200_000_000)
    options = parser.parse_args()
    wrong = 0
    for backend in ("fork", "spawn"):
        for kind in ("bytes", "array"):
            began = time.monotonic()
            func = Large(options.bytes, kind)
            # With a time limit nothing runs in the caller: the result has to travel.
            found = amorsize.execute(func, range(3), backend=backend, n_jobs=1, timeout=600)
            seconds = time.monotonic() - began
            sizes = [len(one) for one in found]
            ends = [(int(one[0]), int(one[-1])) for one in found]
            counted = found[1].count(2) if kind == "bytes" else int((found[1] == 2).sum())
            right = sizes == [10, options.bytes, 10] and ends == [(1, 1), (2, 2), (3, 3)]
            right = right and counted == options.bytes
            wrong += not right
            print(f"{backend} {kind}: {'right' if right else 'WRONG'}, {seconds:.1f} s", flush=True)
            del found
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
