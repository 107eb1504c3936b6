"""What a server has told by refusing a call, and what decides when calls begin."""

from __future__ import annotations

from math import inf

from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Refusal:
    """A server has said no."""

    status: int
    """HTTP status, or the one that is meant: 429 for a throttling code, 503 for a refused connection."""
    after_seconds: float | None = None
    """How long it asks to wait, more than 0; None where it does not say."""
    unreached: bool = False
    """The connection was refused: nothing may be there at all."""


@dataclass(frozen=True)
class Level:
    """What a run has found of a server: where the next one begins."""

    limit: int
    """Calls in flight."""
    growing: bool = True
    """Whether the limit was still growing by factors."""
    cap: float = inf
    """Calls in flight beyond which the server refused."""
    rate: float = inf
    """Calls a second that it accepted."""
    burst: float = inf
    """Calls that its bucket held."""
    in_windows: bool = False
    """Whether so many are accepted in each window of time, at once or not."""


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Limiter(Protocol):
        """Lets calls begin and hears of their end: :class:`amorsize.engine.limiter.CallLimiter`."""

        @property
        def is_active(self) -> bool:
            """Whether every single start must be asked for."""

        def begin(self, position: int, item: Any) -> bool:
            """Whether this item may begin now; then it has."""

        def attend(self, index_of: Callable[[int], int], usage: Any) -> None:
            """Hear of what runs, from its :class:`amorsize.items.collector.UsageLog`; ``index_of`` gives
            the position in the data of an item by its position in the run."""

        def ran(self, start: int, count: int, seconds: float, began: float | None = None) -> None:
            """Items have run, and began then."""

        def handed_out(self, start: int, count: int) -> None:
            """Items begin without having been asked for, while this is not active."""

        def begin_alone(self, position: int, item: Any) -> None:
            """Sleep until the caller's own item may begin."""

        def sleep(self, seconds: float) -> None:
            """Sleep in the caller, which is no time of an item."""

        def patience(self, longest: float) -> float:
            """How long the caller may sleep before a start is due."""

        def adapt(self) -> None:
            """Items wait: find how many of them the server serves."""

        def have_workers(self, count: int | None) -> None:
            """So many items can run at the same time, None for any number."""

        def remember(self, func: Callable[..., Any], history: Any) -> None:
            """The level of the function is kept with the history, None for none."""

        def recall(self) -> None:
            """Go on where the last run of the function has ended; asked once, in the caller."""

        def keep(self, wall_seconds: float) -> None:
            """The run is done: keep what it has found."""

        def take_slept(self) -> float:
            """Seconds that the caller has slept since this was asked last."""

        def said(self) -> str:
            """What a bar shows of it; "" where nothing was refused."""

        def told(self) -> dict[str, Any]:
            """What a run says of it: fields of :class:`amorsize.core.model.Run`."""

        @property
        def limit(self) -> int | None:
            """Calls that may be in flight, None for no limit of this kind."""

        def pause(self) -> float | None:
            """Seconds until a start may be tried; None: not before a call ends."""

        def undo(self, position: int) -> None:
            """An item was handed out, and comes back without having run."""

        def served(self, position: int, late: float = 0.0) -> None:
            """The item has its result, which may have waited ``late`` seconds to be heard of."""

        def failed_call(self, position: int, *, overdue: bool = False) -> None:
            """It ended without a result, and was not refused."""

        def refused_call(self, position: int, refusal: Refusal) -> bool:
            """The server said no. Whether the item is to wait."""

        def gave_up(self, position: int) -> None:
            """The item has failed for good."""
