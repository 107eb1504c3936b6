"""Where work can run. Each backend declares what it can do."""

from __future__ import annotations

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Traits:
    """What a backend can and cannot do."""

    name: str
    public: str
    """The name that people use: fork and spawn are both "processes"."""
    processes: bool
    """Work leaves the caller's process: side effects stay in the worker's, results are pickled."""
    sends_items: bool
    """Items are pickled even when the data are indexed."""
    timeout: bool = False
    """An item that takes too long can be ended, or left behind, while the others go on."""
    limits_memory: bool = False
    """Workers can be watched for the memory they hold, and be replaced between two items."""
    survives_death: bool = False
    """The death of a worker costs no item but the one it was in, and no item runs twice against the
    user's word (``rerun_after_death=False``)."""
    remote: bool = False
    """The workers belong to an executor or a cluster: used only when the user gives it as ``backend``."""


TRAITS: dict[str, Traits] = {
    traits.name: traits
    for traits in (
        # serial and threads: there is no worker that could die without the caller
        Traits("serial", "serial", False, False, survives_death=True),
        Traits("threads", "threads", False, False, timeout=True, survives_death=True),
        Traits(
            "fork",
            "processes",
            True,
            False,
            timeout=True,
            limits_memory=True,
            survives_death=True,
        ),
        Traits(
            "spawn",
            "processes",
            True,
            True,
            timeout=True,
            limits_memory=True,
            survives_death=True,
        ),
        # The caller cannot look into these: it cannot end an item, and what was lost with a worker may
        # have run.
        # Whether an executor leaves the process is seen when it is used.
        Traits("executor", "executor", True, True, remote=True),
        Traits("dask", "dask", True, True, remote=True),
        Traits("ray", "ray", True, True, remote=True),
    )
}
"""All backends by name."""

LOCAL: frozenset[str] = frozenset(name for name, one in TRAITS.items() if not one.remote)
"""Names of the backends that amorsize may choose by itself."""

CALLER_ITEM_SECONDS = 0.05
"""Beside workers the caller computes only items expected to be shorter than this, in seconds: it must
answer deaths, errors and Ctrl-C."""

PUBLIC_NAMES: tuple[str, ...] = ("serial", "threads", "processes", "fork", "spawn")
"""Names that ``backend=`` takes beside "auto"; "processes" is fork where it is safe, else spawn."""


COPIES = "its results are copies"
"""How the name begins of what came from a worker as another object, among names of what changed there."""


def real_changes(names: Iterable[str]) -> list[str]:
    """Names of what workers changed, without those that tell of copies."""
    return [name for name in names if not name.startswith(COPIES)]
