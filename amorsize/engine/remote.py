"""The way to the executor or cluster that the user gave: reached, and measured, when the work pays."""

from __future__ import annotations

import warnings

from amorsize.backends.executors.connect import reach
from amorsize.core.model import RemoteOption
from amorsize.errors import AmorsizeWarning
from amorsize.planning import policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.backends.executors.base import ExecutorAdapter
    from amorsize.backends.executors.connect import Target
    from amorsize.core.model import LinkCost
    from amorsize.items.source import ItemSource

SAMPLE_ITEMS = 8
"""Items pickled together to see how large one is."""


class RemoteAccess:
    """The way to one executor or cluster, for one run."""

    def __init__(self, target: Target, source: ItemSource) -> None:
        self.target, self.source = target, source
        self.port: ExecutorAdapter | None = None
        self.link: LinkCost | None = None
        self.option: RemoteOption | None = None
        """What planning needs to know, once it has been looked up."""
        self.failed = False

    def is_worth(self, serial_seconds: float) -> bool:
        """Whether that much work could gain from a look; looks, the first time that it could."""
        if self.failed:
            return False
        if self.option is not None:
            return True
        if serial_seconds < policy.START_FACTOR * self.target.reach_seconds():
            return False
        try:
            port, link = self.open(patient=False)
        except Exception as error:
            self.failed = True
            warnings.warn(
                f"backend {self.target.name} cannot be used ({error}); the run goes on without it",
                AmorsizeWarning,
                stacklevel=2,
            )
            return False
        self.option = RemoteOption(self.target.name, port.slots(), link, self._argument_bytes())
        return serial_seconds > policy.START_FACTOR * link.round_trip

    def open(self, *, patient: bool = True) -> tuple[ExecutorAdapter, LinkCost]:
        """The port, opened and measured."""
        if self.port is None or self.link is None:
            self.port, self.link = reach(self.target, patient=patient)
        return self.port, self.link

    def close(self) -> None:
        """Let go of the port."""
        port, self.port = self.port, None
        if port is not None:
            port.close()

    def _argument_bytes(self) -> float:
        data: Any = self.source.data
        if data is None or not len(data):
            return 0.0
        import cloudpickle

        sample = data[-SAMPLE_ITEMS:] if len(data) >= SAMPLE_ITEMS else data[0 : len(data)]
        try:
            return len(cloudpickle.dumps(sample, 5)) / len(sample)
        except Exception:  # it will be told of the item when it is sent
            return 0.0
