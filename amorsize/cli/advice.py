"""Advice of ``amorsize doctor``: what users can change so that runs get faster on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

from amorsize.cli.start_costs import StartCosts
from amorsize.core.model import Machine
from amorsize.inspection import decode
from amorsize.machine.detect import _affinity
from amorsize.machine.fork_safety import fork_refusal

LOW_MEMORY_SHARE = 0.1
"""Share of the machine's or the cgroup's memory: with less left, the kernel may kill workers."""
LARGE_RESIDENT_BYTES = 1 << 30
"""From here on a fork is slow: it copies the page tables, about 25 ms a GB."""
SLOW_FORK_SECONDS = 0.02
"""A fork with its first result that takes longer is slow: four times the usual cost."""


def advice(machine: Machine, costs: StartCosts | None = None) -> list[str]:
    """Sentences: what users can change so that runs get faster or safer. Reads this process, too."""
    return list(_advice(machine, costs))


def _advice(machine: Machine, costs: StartCosts | None) -> Iterator[str]:
    quota, cores = machine.cpu_quota, machine.cores
    if quota is not None and quota < _affinity():
        yield (
            f"the cgroup grants {quota:g} CPUs although {_affinity()} can be seen: more workers than "
            f"{cores} would be throttled; raise the CPU quota of the container or service for more"
        )
    if cores < machine.logical_cores and (quota is None or cores < quota):
        yield (
            f"this process is bound to {cores} of {machine.logical_cores} CPUs (taskset, cpuset or "
            "a batch system); widen its affinity to use more"
        )
    if machine.load > machine.logical_cores:
        yield (
            f"{machine.load:.1f} threads want to run on {machine.logical_cores} cores: other work "
            "competes, so expect less than the usual speed-up"
        )
    room = machine.memory_limit_bytes or machine.memory_bytes
    if machine.memory_bytes:
        room = min(room, machine.memory_bytes)
    if room and machine.memory_available_bytes < LOW_MEMORY_SHARE * room:
        yield (
            f"only {machine.memory_available_bytes / 2**20:,.0f} MiB of {room / 2**20:,.0f} MiB "
            "memory are available: use fewer workers (n_jobs) or free memory first"
        )
    fork_seconds = 0.0 if costs is None else costs.fork_seconds or 0.0
    large = machine.resident_bytes > LARGE_RESIDENT_BYTES
    if (
        machine.can_fork
        and fork_seconds > SLOW_FORK_SECONDS
        and not large
        and machine.load <= machine.logical_cores
    ):
        yield (
            f"a forked worker took {1e3 * fork_seconds:.0f} ms to start, which is "
            "slow for a process of this size: virtual machines and sandboxes may make forks slow"
        )
    if machine.can_fork and large:
        yield (
            f"this process holds {machine.resident_bytes / 2**20:,.0f} MiB, which makes forking "
            "workers slow; call amorsize before large data are loaded, or load them in the function"
        )
    refusal = fork_refusal() if machine.can_fork else None
    if refusal is not None:
        yield (
            f"{refusal}, so workers are fresh interpreters instead of forked ones, which start "
            "slower; run as a plain script without other threads where that matters"
        )
    if not machine.can_fork:
        yield f"workers are fresh interpreters on {machine.platform}: forking is not used there"
    if not machine.gil:
        yield "this Python has no GIL: threads can compute at the same time"
    unknown = decode.unknown_python()
    if unknown is not None:
        yield f"{unknown}; use an older Python, or name a backend= where that is safe"
    if machine.platform == "linux" and is_musl():
        yield (
            "this Python runs on musl, whose memory allocator is slow with many threads: a glibc "
            "image is often faster"
        )


def is_musl() -> bool:
    """The GNU library tells its version, musl does not."""
    try:
        return not os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return True
