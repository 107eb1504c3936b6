"""Any ``concurrent.futures.Executor`` that the user has made: threads, processes, loky, MPI, ipyparallel.

It is used as it is: there is no way to mend it when it breaks, and it is never shut down here.
"""

from __future__ import annotations

import sys

from amorsize.backends.executors.base import ExecutorAdapter, WorkersLost
from amorsize.errors import OptionError
from amorsize.machine.detect import usable_cores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from typing import Any

WORKER_COUNTS = ("_max_workers", "num_workers", "max_workers")
"""Where executors keep their number of workers: the standard library and loky, mpi4py, further ones."""


def is_executor(value: object) -> bool:
    """Whether a value is an executor; imports nothing: making one has imported it."""
    futures = sys.modules.get("concurrent.futures._base")
    return futures is not None and isinstance(value, futures.Executor)


class FuturesAdapter(ExecutorAdapter):
    """An executor; what it cannot tell (its workers, how many) is taken to be as many as cores."""

    name = "executor"
    sends_once = False

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    def slots(self) -> int:
        for name in WORKER_COUNTS:
            count = getattr(self.executor, name, None)
            if isinstance(count, int) and count > 0:
                return count
        return usable_cores()

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        from concurrent.futures import BrokenExecutor

        try:
            return self.executor.submit(function, *args)
        except BrokenExecutor as error:
            raise WorkersLost(error, final=True) from error
        except RuntimeError as error:
            raise OptionError(
                "backend",
                self.executor,
                f"takes no calls ({error})",
                "make a new executor, and call this within its with block",
            ) from error

    def fetch(self, futures: Sequence[Any]) -> list[Any]:
        from concurrent.futures import BrokenExecutor, CancelledError

        found: list[Any] = []
        for future in futures:
            try:
                found.append(future.result())
            except (BrokenExecutor, CancelledError) as error:
                found.append(WorkersLost(error, final=True))
            except BaseException as error:
                found.append(error)
        return found

    def cancel(self, futures: Sequence[Any]) -> bool:
        at_work = [future for future in futures if not (future.cancel() or future.done())]
        return not at_work
