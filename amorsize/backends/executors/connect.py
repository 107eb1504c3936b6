"""From what the user gave as ``backend`` to a adapter: which kind it is, what reaching it costs.

Nothing of an engine is imported before its adapter is opened.
"""

from __future__ import annotations

import sys

from amorsize.backends.executors import base, dask, futures, ray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.backends.executors.base import ExecutorAdapter
    from amorsize.core.model import LinkCost

AT_HAND_SECONDS = 0.1
"""Seconds that measuring a connected executor or cluster takes (benchmarks/speed/clusters.py: 0.005
to 0.2)."""
CONNECT_SECONDS = 2.0
"""Seconds that importing an engine and connecting to a cluster takes (Dask 0.8 s, Ray 1.5 s)."""
START_SECONDS = 8.0
"""Seconds that starting a local Ray and ending it takes."""
PATIENCE_SECONDS = 2.0
"""How long a cluster that is but one of several choices may keep the run waiting."""

_links: dict[tuple[str, Any], LinkCost] = {}
"""What links have been measured to cost, for the rest of the process."""


class Target:
    """An executor or a cluster: the name of its backend, and what the user gave."""

    def __init__(self, name: str, where: Any) -> None:
        self.name, self.where = name, where

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.where!r})"

    def reach_seconds(self) -> float:
        """What it costs to find out what this would cost."""
        if _key(self) in _links:
            return 0.0
        if not isinstance(self.where, str):
            return AT_HAND_SECONDS
        if self.name == "ray":
            loaded = sys.modules.get("ray")
            if loaded is not None and loaded.is_initialized():
                return AT_HAND_SECONDS
            return START_SECONDS if self.where == ray.LOCAL else CONNECT_SECONDS
        return CONNECT_SECONDS


def target_of(value: Any) -> Target | None:
    """What a value given as ``backend`` stands for; None if it is none of these."""
    if isinstance(value, str):
        if value.startswith(dask.SCHEME):
            return Target("dask", value)
        return Target("ray", value) if ray.is_address(value) else None
    if dask.is_client(value):
        return Target("dask", value)
    return Target("executor", value) if futures.is_executor(value) else None


def reach(target: Target, *, patient: bool) -> tuple[ExecutorAdapter, LinkCost]:
    """Open a adapter, measured. ``patient``: the user wants this one and no other."""
    kind: Any = {
        "executor": futures.FuturesAdapter,
        "dask": dask.DaskAdapter,
        "ray": ray.RayAdapter,
    }[target.name]
    adapter: ExecutorAdapter = kind(target.where)
    try:
        key = _key(target)
        link = _links.get(key)
        if link is None:
            link = base.measure(adapter, None if patient else PATIENCE_SECONDS)
            _remember(key, link, target.where)
        elif target.name == "executor":
            adapter.look_inside()
    except BaseException:
        adapter.close()
        raise
    return adapter, link


def _key(target: Target) -> tuple[str, Any]:
    where = target.where
    return target.name, where if isinstance(where, str) else id(where)


def _remember(key: tuple[str, Any], link: LinkCost, where: Any) -> None:
    """Keep a measured link as long as what it belongs to."""
    if not isinstance(where, str):
        import weakref

        try:
            finalizer = weakref.finalize(where, _links.pop, key, None)
            finalizer.atexit = False
        except TypeError:  # it cannot be watched for its end
            return
    _links[key] = link
