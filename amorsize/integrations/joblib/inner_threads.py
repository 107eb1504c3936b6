"""The threads that BLAS and OpenMP start inside of a task, and what limits them."""

from __future__ import annotations

import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

POOL_MODULES = (
    "numpy",
    "scipy.linalg",
    "sklearn",
    "numexpr",
    "torch",
    "lightgbm",
    "xgboost",
    "mkl",
)
"""Modules that bring libraries with threads of their own."""


@functools.cache
def _pools_of(modules: tuple[str, ...]) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController() if modules else None


def thread_pools() -> Any:
    """What limits BLAS and OpenMP; looked up (15 ms) when one more such module is there."""
    return _pools_of(tuple(name for name in POOL_MODULES if name in sys.modules))
