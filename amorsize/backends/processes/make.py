"""Makes a pool of worker processes: how they are started, what they may hold, cores for each."""

from __future__ import annotations

from amorsize.backends.processes.fork import ForkLauncher
from amorsize.backends.processes.memory import MemoryBudget
from amorsize.backends.processes.pool import ProcessPool
from amorsize.core.frozen import replace
from amorsize.machine.procfs import tells_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.base import BackendSpec
    from amorsize.backends.processes.workers import Launcher
    from amorsize.core.model import Machine


def process_pool(told: BackendSpec, machine: Machine, memory_limit: int | None) -> ProcessPool:
    """The pool, not started yet; ``memory_limit`` is the bytes that all workers together may hold."""
    launcher: Launcher = ForkLauncher()
    if told.config.backend != "fork":
        from amorsize.backends.processes.spawn import SpawnLauncher

        launcher = SpawnLauncher()
    jobs = told.config.n_jobs
    memory = MemoryBudget(memory_limit, machine.memory_available_bytes, jobs)
    told = replace(
        told,
        inner_threads=max(1, machine.cores // jobs),
        memory=memory if memory_limit is not None or tells_memory() else None,
    )
    return ProcessPool(launcher, told)
