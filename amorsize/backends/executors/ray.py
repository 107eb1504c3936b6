"""Ray: ``"ray"`` (the one that is connected, else a local one for the run), or an address.

Calls are not repeated by Ray here (``max_retries=0``): what becomes of the items of a worker that has
ended is decided where the items are known.
"""

from __future__ import annotations

import re
import sys

from amorsize.backends.executors.base import ExecutorAdapter, WorkersLost
from amorsize.backends.executors.chunk_worker import FunctionPayload
from amorsize.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

LOCAL = "ray"
_ADDRESS = re.compile(r"ray://.+|[\w.\-]+:\d+")


def is_address(value: object) -> bool:
    """Whether a backend names a Ray: "ray", "ray://host:port" (a client's), "host:port" (a head's)."""
    return isinstance(value, str) and (value == LOCAL or _ADDRESS.fullmatch(value) is not None)


class RayAdapter(ExecutorAdapter):
    """A cluster of Ray."""

    name = "ray"
    tells_at_work = True

    def __init__(self, where: str) -> None:
        try:
            import ray as module
        except ImportError as error:
            raise OptionError(
                "backend", where, f"needs Ray ({error})", "install amorsize[ray]"
            ) from error
        self.ray: Any = module
        ray = self.ray
        self.ours = not ray.is_initialized()
        if self.ours:
            address = None if where == LOCAL else where
            quiet = {} if address else {"include_dashboard": False}
            try:
                ray.init(address, logging_level="ERROR", log_to_driver=False, **quiet)
            except Exception as error:
                raise OptionError(
                    "backend", where, f"cannot be had ({error})", "start a Ray there"
                ) from error
        self._calls: dict[Callable[..., Any], Any] = {}
        self._lost: tuple[type[BaseException], ...] = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.ObjectLostError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.LocalRayletDiedError,
        )

    def slots(self) -> int:
        return int(self.ray.cluster_resources().get("CPU", 0))

    def send_once(self, payload: FunctionPayload) -> Any:
        return self.ray.put(payload)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        call = self._calls.get(function)
        if call is None:
            made = self.ray.remote(num_cpus=1, max_retries=0)(function)
            call = self._calls[function] = made
        try:
            return call.remote(*args)
        except Exception as error:
            raise WorkersLost(error, final=True) from error

    def notify(self, future: Any, done: Callable[[], object]) -> None:
        future.future().add_done_callback(lambda _: done())

    def fetch(self, futures: Sequence[Any]) -> list[Any]:
        try:
            return list(self.ray.get(list(futures)))
        except Exception:
            return [self._fetched(future) for future in futures]

    def _fetched(self, future: Any) -> Any:
        try:
            return self.ray.get(future)
        except self._lost as error:
            return WorkersLost(error)
        except Exception as error:
            return error

    def cancel(self, futures: Sequence[Any]) -> bool:
        if self.ray.is_initialized():
            for future in futures:
                self.ray.cancel(future, force=True)
        return True

    def close(self) -> None:
        self._calls.clear()
        if self.ours and "ray" in sys.modules and self.ray.is_initialized():
            self.ray.shutdown()
