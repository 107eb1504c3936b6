"""Calls whose items are coroutines, or that come from inside an event loop; imported when first made."""

from __future__ import annotations

from amorsize.engine import asyncio_bridge, coroutine_run, coroutine_spec
from amorsize.engine.coroutine_engine import CoroutineEngine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.coroutine_spec import CoroutineSpec

check = coroutine_spec.check
"""Errors for options that coroutine functions cannot take."""
Spec = coroutine_spec.CoroutineSpec
execute_coroutines, stream_coroutines = coroutine_run.execute, coroutine_run.stream
execute_beside, stream_beside = asyncio_bridge.execute, asyncio_bridge.stream


def engine_for(asked: CoroutineSpec) -> CoroutineEngine:
    """The engine that runs coroutines for a caller without an event loop."""
    return CoroutineEngine(asked)
