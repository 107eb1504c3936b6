"""What a run says where it may not be what the loop would have been: each as one ``DifferenceWarning``.

Imported only where there is something to say.
"""

from __future__ import annotations

import warnings

from amorsize import inspection
from amorsize.core.backends import COPIES, real_changes
from amorsize.errors import DifferenceWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from amorsize.core.model import Safety
    from amorsize.engine.state import RunSpec, Workers
    from amorsize.items.source import ItemSource

PROCESSES = ("fork", "spawn")
"""Backends whose results come from processes of their own."""


def warn_of_differences(
    spec: RunSpec, safety: Safety, workers: Workers | None, told: set[str], source: ItemSource
) -> None:
    """Workers run items now: tell in what that may differ from the loop, but for what was ``told``."""
    for text in _differences(spec, safety, workers, source):
        if text not in told:
            told.add(text)
            _warn(text)


def _differences(
    spec: RunSpec, safety: Safety, workers: Workers | None, source: ItemSource
) -> Iterator[str]:
    """A single thread takes items one after the other, as the loop does, but is not the caller's."""
    name = _name_of(spec.func)
    backend = "serial" if workers is None else workers.config.backend
    alone = backend == "threads" and workers is not None and workers.config.n_jobs == 1
    if alone and spec.options.forced is None:
        bound = inspection.needs_its_thread(safety)
        if bound is not None:
            yield (
                f"{name} runs on a thread of its own, since a limit is given, and {bound}: its results,"
                " or what it leaves behind, may not be a loop's; without the limit it runs in the caller"
            )
        ahead = inspection.reached_data(spec.func, source.data, source.iterator)
        if ahead is not None and safety.caller_only:
            yield (
                f"{name} reaches its own data ({ahead}), which are read ahead of it, since a limit is"
                " given: what it adds is no item, and what was read is not what a loop would have read;"
                " without the limit it runs in the caller"
            )
        return
    if safety.elsewhere and backend in PROCESSES and spec.options.forced is None:
        yield (
            f"{name} runs in worker processes, where not all is the same as in a loop:"
            f' {safety.elsewhere}; backend=("serial", "threads") keeps it the same'
        )
    if safety.draws is not None:
        yield (
            f"{name} draws from the global random state ({safety.draws}): each worker has a stream of its"
            " own, so that no two runs give the same; seed= and amorsize.item_rng() make them the same"
        )


def warn_of_changes(func: Callable[[Any], Any], names: Sequence[str]) -> None:
    """Workers have changed what outlives an item: said, and remembered for the next run."""
    copies = [name for name in names if name.startswith(COPIES)]
    if copies:
        _warn(
            f"{_name_of(func)} was run in worker processes, and {copies[0]}: equal, but other objects;"
            ' backend=("serial", "threads") keeps it the same'
        )
    names = real_changes(names)
    if not names:
        return
    inspection.remember(func, names)
    more = len(names) - 1
    others = f" and {more} more" if more else ""
    _warn(
        f"{_name_of(func)} changed {names[0]}{others} in a worker, which the watched item had not: its"
        " results, or what it leaves behind, may not be a loop's; it stays in the caller from now on, as"
        ' backend="serial" keeps it from the start'
    )


def _name_of(func: Any) -> str:
    return getattr(func, "__qualname__", type(func).__name__)


def _warn(text: str) -> None:
    warnings.warn(text, DifferenceWarning, stacklevel=3)
