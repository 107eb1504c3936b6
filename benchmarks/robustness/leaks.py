"""A function that leaks, under a limit: does the run end as it should, and within the limit?

    python -m benchmarks.robustness.leaks [--items 1000] [--item-bytes 10MB] [--limit 500MB]
    [--backend fork]
    python -m benchmarks.robustness.leaks --group 300MB [--heavy 40]     # as root: inside of a
    memory cgroup

Each item keeps so many bytes for ever. ``--group`` runs it in a control group (version 1 or 2) with so
much memory, made for it, and without ``memory_limit``; ``--heavy`` has one item take more than all of it,
so that the kernel must end a worker. Beside it another process looks every few milliseconds at what the
workers hold, by the kernel's own account.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PAUSE_SECONDS = 0.005
"""Between two looks at the workers."""
PROGRAM = """
import sys, time, warnings
sys.path[:0] = {path!r}
if {group!r}:
    open({group!r}, "w").write("0")
import amorsize
kept = []
def leak(item):
    kept.append(b"x" * {size})
    if item == {heavy}:
        for _ in range({over}):
            kept.append(b"x" * (1 << 20))
    return item
options = {options!r}
warnings.simplefilter("always", amorsize.AmorsizeWarning)
with warnings.catch_warnings(record=True) as caught:
    began = time.monotonic()
    found = amorsize.execute(leak, range({items}), on_error="collect", **options)
    seconds = time.monotonic() - began
wrong = [i for i, x in enumerate(found) if x != i and not isinstance(x, amorsize.ItemError)]
print(len(found), len(wrong), seconds)
for one in found:
    if isinstance(one, amorsize.ItemError):
        print("error:", one)
for one in caught:
    print("warning:", one.message)
"""


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    items: int
    """Results and errors that came back."""
    wrong: int
    """Results that are not the loop's."""
    seconds: float
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    peak_bytes: int
    """Most that the workers held together."""
    exit_code: int
    stderr: str


def leaking(
    items: int,
    item_bytes: int,
    *,
    backend: str = "fork",
    n_jobs: int = 2,
    limit: int | str | None = None,
    group: Path | None = None,
    heavy: int = -1,
    heavy_bytes: int = 0,
    timeout: float | None = None,
) -> Outcome:
    """Run a function that keeps ``item_bytes`` for each item, in a process of its own."""
    options: dict[str, object] = {"backend": backend, "n_jobs": n_jobs}
    if limit is not None:
        options["memory_limit"] = limit
    program = PROGRAM.format(
        path=sys.path,
        group="" if group is None else str(group / "cgroup.procs"),
        size=item_bytes,
        heavy=heavy,
        over=heavy_bytes >> 20,
        options=options,
        items=items,
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AMORSIZE_HISTORY": "off"},
    )
    peak, end = 0, None if timeout is None else time.monotonic() + timeout
    try:
        while process.poll() is None and (end is None or time.monotonic() < end):
            peak = max(peak, held_by_children(process.pid))
            time.sleep(PAUSE_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
    out, err = process.communicate()
    first, *lines = out.splitlines() or ["0 0 0"]
    count, wrong, seconds = first.split()
    return Outcome(
        int(count),
        int(wrong),
        float(seconds),
        tuple(line.removeprefix("error: ") for line in lines if line.startswith("error: ")),
        tuple(line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")),
        peak,
        process.returncode,
        err,
    )


def held_by_children(pid: int) -> int:
    """Anonymous memory of a process's children; what a fork shares with its parent counts for each.

    (Reading ``smaps_rollup``, which knows better, keeps the memory of a worker that was just killed from
    being freed, and the kernel then ends the next process.)"""
    total = 0
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    for task in tasks:
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            for child in children:
                words = Path(f"/proc/{child}/statm").read_text().split()
                total += PAGE_BYTES * (int(words[1]) - int(words[2]))
        except (OSError, IndexError):
            continue
    return total


@contextmanager
def memory_group(limit: int) -> Iterator[Path | None]:
    """A new control group with so much memory, removed afterwards; None where none can be made."""
    group = _make_group(limit)
    try:
        yield group
    finally:
        deadline = time.monotonic() + 5
        while group is not None and time.monotonic() < deadline:
            try:
                group.rmdir()
                break
            except OSError:  # somebody is still leaving it
                time.sleep(0.05)


def _make_group(limit: int) -> Path | None:
    for parent, file, swap in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
    ):
        group = parent / f"amorsize_{os.getpid()}_{time.monotonic_ns()}"
        if not (parent / "cgroup.procs").exists() or not os.access(parent, os.W_OK):
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
            if (group / swap).exists():
                (group / swap).write_text("0" if file == "memory.max" else str(limit))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def main() -> int:
    """Run it, and say what became of it."""
    from amorsize.api.checks import make_options

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--item-bytes", default="10MB")
    parser.add_argument("--limit", default="500MB")
    parser.add_argument("--backend", default="fork")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("--group", help="memory of a control group, instead of --limit")
    parser.add_argument("--heavy", type=int, default=-1, help="an item that takes more than all")
    options = parser.parse_args()

    def size(text: str) -> int:
        return make_options(memory_limit=text).memory_limit or 0

    limit = size(options.group or options.limit)
    with memory_group(limit) if options.group else _no_group() as group:
        if options.group and group is None:
            print("making a memory cgroup is not permitted")
            return 2
        found = leaking(
            options.items,
            size(options.item_bytes),
            backend=options.backend,
            n_jobs=options.jobs,
            limit=None if options.group else limit,
            group=group,
            heavy=options.heavy,
            heavy_bytes=2 * limit,
        )
    print(
        f"{found.items} of {options.items} items came back, {found.wrong} wrong, {len(found.errors)} "
        f"errors; {found.seconds:.1f} s; the workers held {found.peak_bytes / 1e6:.0f} MB at the most, "
        f"limit {limit / 1e6:.0f} MB"
    )
    for line in (*found.errors, *found.warnings, found.stderr):
        if line:
            print(line)
    good = found.items == options.items and not found.wrong
    return 0 if good and (options.group or found.peak_bytes <= limit) else 1


@contextmanager
def _no_group() -> Iterator[Path | None]:
    yield None


if __name__ == "__main__":
    sys.exit(main())
