"""Where work can run. Each backend declares what it can do; planning reads only that."""

from __future__ import annotations

from amorsize.values import dataclass


@dataclass(frozen=True)
class Traits:
    """What a backend can and cannot do."""

    name: str
    public: str
    """The name that people use: fork and spawn are both "processes"."""
    processes: bool
    """Work leaves the process: side effects stay there, results are pickled."""
    sends_items: bool
    """Items are pickled even when the data are indexed."""
    needs_fork: bool
    concurrent_in_process: bool
    """Several items are in progress in one process: the function must be safe on threads."""
    waits_well: bool
    """Can keep many more items waiting than there are cores."""


TRAITS: dict[str, Traits] = {
    traits.name: traits
    for traits in (
        Traits("serial", "serial", False, False, False, False, False),
        Traits("threads", "threads", False, False, False, True, True),
        Traits("fork", "processes", True, False, True, False, False),
        Traits("spawn", "processes", True, True, False, False, False),
    )
}
"""All backends by name."""

CALLER_ITEM_SECONDS = 0.05
"""The caller computes only items expected to be shorter: it must answer deaths, errors and Ctrl-C."""

PUBLIC_NAMES: tuple[str, ...] = ("serial", "threads", "processes", "fork", "spawn")
"""Names that ``backend=`` takes beside "auto"; "processes" is fork where it is safe, else spawn."""
