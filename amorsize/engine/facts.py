"""What policies must know of the world: looked up late, each fact at most once an event.

A policy reads a fact as a property. A fact that was not looked up yet raises :class:`NeedFact`, which
:func:`amorsize.engine.policy.transition` returns; the driver has :mod:`amorsize.engine.lookups` find it
and asks again. So a policy pays only for what it reads, stays pure, and is asked with equal facts in a
test.
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from amorsize.core.model import Machine, Profile, RemoteOption, Safety
    from amorsize.core.observation import Observation
    from amorsize.planning.cost_model import Costs
    from amorsize.planning.values import Residual
    from amorsize.profiling.meter import Measured
    from amorsize.profiling.transfer import Transfer


class NeedFact(Exception):
    """A policy cannot answer without this fact."""

    def __init__(self, name: str, argument: Any = None) -> None:
        super().__init__(name)
        self.name, self.argument = name, argument


@dataclass(frozen=True)
class Facts:
    """The facts known by now, by name."""

    known: Mapping[str, Any] = {}

    def has(self, name: str) -> bool:
        """Whether a fact was looked up."""
        return name in self.known

    def _get(self, name: str, argument: Any = None) -> Any:
        try:
            return self.known[name]
        except KeyError:
            raise NeedFact(name, argument) from None

    # -- the same all through a run ----------------------------------------------------------------

    @property
    def cores(self) -> int:
        """Cores that this process could use at the most, without asking for any quota."""
        return self._get("cores")  # type: ignore[no-any-return]

    @property
    def machine(self) -> Machine:
        """What this process may use of the machine."""
        return self._get("machine")  # type: ignore[no-any-return]

    @property
    def safety(self) -> Safety:
        """Why the function must not leave the caller."""
        return self._get("safety")  # type: ignore[no-any-return]

    @property
    def fresh_refusal(self) -> str | None:
        """Why a fresh interpreter would compute something else than this one."""
        return self._get("fresh_refusal")  # type: ignore[no-any-return]

    @property
    def costs(self) -> Costs:
        """What starting a worker costs."""
        return self._get("costs")  # type: ignore[no-any-return]

    @property
    def transfer(self) -> Transfer:
        """What carrying a result costs."""
        return self._get("transfer")  # type: ignore[no-any-return]

    @property
    def sending(self) -> Transfer:
        """What carrying an item costs; looked up only where items would be sent."""
        return self._get("sending")  # type: ignore[no-any-return]

    @property
    def remote(self) -> RemoteOption | None:
        """The user's executor or cluster, once it was reached."""
        return self.known.get("remote")

    @property
    def slots(self) -> int:
        """Calls that the user's executor or cluster takes at the same time."""
        return self._get("slots")  # type: ignore[no-any-return]

    def recall(self, seconds_ahead: float) -> tuple[Observation, ...]:
        """The function's own earlier runs, newest first; asked for once."""
        return self._get("runs", seconds_ahead)  # type: ignore[no-any-return]

    @property
    def runs(self) -> tuple[Observation, ...]:
        """The same, none where they were not asked for."""
        return self.known.get("runs", ())  # type: ignore[no-any-return]

    @property
    def recall_seconds(self) -> float:
        """How long asking for them took."""
        return self.known.get("recall_seconds", 0.0)  # type: ignore[no-any-return]

    # -- as it is now: looked up anew for each event -------------------------------------------------

    @property
    def measured(self) -> Measured:
        """What the meter says."""
        return self._get("measured")  # type: ignore[no-any-return]

    def open_window(self) -> None:
        """Measure shares of CPU time anew: ``measured`` is that of an empty window from here on."""
        self._get("window_opened")

    @property
    def overall(self) -> tuple[float, float, float]:
        """Shares of CPU time since the run began: the first item counts."""
        return self._get("overall")  # type: ignore[no-any-return]

    @property
    def left(self) -> int | None:
        """Items that no worker has taken; None where nothing tells."""
        return self._get("left")  # type: ignore[no-any-return]

    def foreign_threads(self, most: int) -> int:
        """Threads of other libraries that keep a core busy, counted up to ``most``."""
        return self._get("foreign_threads", most)  # type: ignore[no-any-return]

    def is_remote_worth(self, serial_seconds: float) -> bool:
        """Whether so much work could gain from the user's executor or cluster; reaches it then."""
        return self._get("is_remote_worth", serial_seconds)  # type: ignore[no-any-return]

    def residual(self, profile: Profile, left: int) -> Residual | None:
        """What experience says of each configuration."""
        return self._get("residual", (profile, left))  # type: ignore[no-any-return]

    @property
    def fork_refusal(self) -> str | None:
        """Why the process must not be forked now. The look ends the sampler's thread: a fork needs
        this process to have one thread."""
        return self._get("fork_refusal")  # type: ignore[no-any-return]

    @property
    def computed_meanwhile(self) -> float:
        """Share of the time that looking up the costs took, beside the caller, in which the caller
        computed."""
        return self._get("computed_meanwhile")  # type: ignore[no-any-return]
