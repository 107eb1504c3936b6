"""Dask distributed: a ``Client`` that the user has made, or ``dask://host:port``.

Dask runs a call again, by itself, when its worker ends, up to its setting ``allowed-failures``; calls
that end one worker after the other come back as ``KilledWorker``.
"""

from __future__ import annotations

import sys
import warnings

from amorsize.backends.executors import chunk_worker
from amorsize.backends.executors.base import ExecutorAdapter, WorkersLost
from amorsize.backends.executors.chunk_worker import FunctionPayload
from amorsize.errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

SCHEME = "dask://"
LARGE_BYTES = 5_000_000
"""Half of what Dask calls a large graph."""
CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""


def is_client(value: object) -> bool:
    """Whether a value is a client of Dask; imports nothing: making one has imported it."""
    client = sys.modules.get("distributed.client")
    return client is not None and isinstance(value, client.Client)


class DaskAdapter(ExecutorAdapter):
    """A cluster of Dask; ``where``: a client, or an address with the scheme ``dask://``."""

    name = "dask"

    def __init__(self, where: Any) -> None:
        self.ours = isinstance(where, str)
        self.client: Any = _connected(where) if isinstance(where, str) else where
        if self.client.asynchronous:
            raise OptionError(
                "backend",
                where,
                "is an asynchronous client, which only its own event loop can use",
                "make one with asynchronous=False",
            )
        self._sent: list[Any] = []

    def slots(self) -> int:
        return sum(self.client.nthreads().values())

    def send_once(self, payload: FunctionPayload) -> Any:
        """A task of its own: workers fetch its result from each other, each once, those that join later,
        too; and should all that had it end, the scheduler has it made again (scattered data would be
        lost)."""
        sent = self._submit_large(chunk_worker.echo, payload)
        self._sent.append(sent)
        return sent

    def _submit_large(self, function: Callable[..., Any], *args: Any) -> Any:
        """Submit what Dask would warn of: what a chunk holds is needed once, by one worker."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            return self.client.submit(function, *args, pure=False)

    def submit(self, function: Callable[..., Any], *args: Any) -> Any:
        try:
            if sum(len(arg) for arg in args if isinstance(arg, bytes)) < LARGE_BYTES:
                return self.client.submit(function, *args, pure=False)
            return self._submit_large(function, *args)
        except Exception as error:
            raise WorkersLost(error, final=True) from error

    def fetch(self, futures: Sequence[Any]) -> list[Any]:
        done = [future for future in futures if future.status == "finished"]
        results: dict[Any, Any] = {}
        if done:
            try:  # all at once: each by itself would be a round trip
                values = self.client.gather(done)
                results = {future.key: value for future, value in zip(done, values, strict=True)}
            except Exception:
                pass  # a worker has ended meanwhile: see which of them are left
        return [
            results[future.key] if future.key in results else self._fetched(future)
            for future in futures
        ]

    def _fetched(self, future: Any) -> Any:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            return WorkersLost(error)
        except Exception as error:
            if future.status == "error":
                return error
            # cancelled or lost: the scheduler has gone, or has given the call up
            return WorkersLost(error, final=self.client.status != "running")

    def cancel(self, futures: Sequence[Any]) -> bool:
        if self.client.status == "running":
            self.client.cancel(list(futures), force=True)
        return False  # what a worker has begun it ends

    def close(self) -> None:
        sent, self._sent = self._sent, []
        for future in sent:
            future.release()
        if self.ours:
            self.client.close()


def _connected(where: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        raise OptionError(
            "backend", where, f"needs Dask ({error})", "install amorsize[dask]"
        ) from error
    connect: Any = distributed.Client
    try:
        return connect(
            "tcp://" + where.removeprefix(SCHEME),
            timeout=CONNECT_SECONDS,
            set_as_default=False,
        )
    except OSError as error:
        raise OptionError(
            "backend", where, f"does not answer ({error})", "start a scheduler there"
        ) from error
