"""Makes the backend that a command asks for. The one place of the engine that knows the kinds of
backends."""

from __future__ import annotations

from amorsize.backends.base import BackendSpec
from amorsize.backends.caller import CallerBackend
from amorsize.backends.processes.make import process_pool
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.backends import TRAITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.backends.base import Backend
    from amorsize.engine.commands import StartBackend
    from amorsize.engine.lookups import Lookups
    from amorsize.engine.state import RunSpec
    from amorsize.items.collector import ResultCollector
    from amorsize.items.source import ItemSource


def make_backend(
    command: StartBackend,
    spec: RunSpec,
    source: ItemSource,
    collector: ResultCollector,
    lookups: Lookups,
) -> Backend:
    """The backend, not started yet."""
    options, config = spec.options, command.config
    told = BackendSpec(
        spec.worker_func,
        source,
        collector,
        config,
        command.item_seconds,
        most_workers=options.max_jobs,
        initializer=options.initializer,
        initargs=options.initargs,
        timeout_seconds=options.timeout,
        rerun_after_death=options.rerun_after_death,
        waits=command.waits,
        first_workers=command.first_workers,
        caller_computes=command.caller_computes,
        context=lookups.loop.context,
    )
    if config.backend == "serial":
        return CallerBackend(told)
    if config.backend == "threads":
        return ThreadPool(told)
    if TRAITS[config.backend].remote:
        from amorsize.backends.executors.pool import ExecutorPool

        assert lookups.remote is not None
        return ExecutorPool(*lookups.remote.open(), told)
    machine = lookups.answer(lambda facts: facts.machine)
    return process_pool(told, machine, options.memory_limit)
