"""Limits for the threads that numeric libraries start inside of one item."""

from __future__ import annotations

import os
import sys

from amorsize.machine.native_libraries import (
    OPENMP_NAMES,
    OTHER_POOLS,
    find_openblas,
    last_mapped,
    openblas_libraries,
)
from amorsize.machine.procfs import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    *(("VECLIB_MAXIMUM_THREADS",) if sys.platform == "darwin" else ()),
)
"""What libraries read when they are loaded, to know how many threads they may start."""


STRONGER_VARIABLES = (
    *("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
)
"""What some of them heed more than OMP_NUM_THREADS, where it is set. In a process just forked each
variable that is written costs 10 µs, so those that are not set are left so."""


POOL_MODULES = ("numpy", "ctypes", "_cffi_backend", "torch", "mkl", "numexpr")
"""Without one of these no BLAS or OpenMP library is expected, and none is looked for."""


def limit_inner_threads(n: int) -> None:
    """Let each BLAS and OpenMP library of this worker use at most ``n`` threads.

    For a worker, right after its start: it changes the environment, for libraries that are loaded
    later, and those already loaded. A smaller limit that the user has set stays. The limit of an
    OpenMP runtime that is loaded already holds for the calling thread only (so OpenMP defines it).
    """
    environment = os.environ
    for name in THREAD_VARIABLES + STRONGER_VARIABLES:
        if name in environment:
            known = number(environment[name])
            if known is not None and 1 <= known <= n:
                continue
        elif name in STRONGER_VARIABLES:
            continue
        if name == "NUMBA_NUM_THREADS" and "numba" in sys.modules:
            continue  # it refuses a change once its threads were started
        environment[name] = str(n)
    if not any(name in sys.modules for name in POOL_MODULES):
        return
    mapped = last_mapped()
    find_openblas(mapped)
    for library in openblas_libraries.values():
        library.limit(n)
    runtimes = mapped.matching(OPENMP_NAMES)
    if runtimes:
        import ctypes

        for path in runtimes:
            try:
                runtime: Any = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
                if runtime.omp_get_max_threads() > n:
                    runtime.omp_set_num_threads(n)
            except (OSError, AttributeError):
                continue
    elsewhere = sys.platform != "linux" and "numpy" in sys.modules
    if elsewhere or mapped.matching(OTHER_POOLS):
        try:
            from threadpoolctl import ThreadpoolController
        except ImportError:
            return
        for pool in ThreadpoolController().lib_controllers:
            if pool.num_threads is not None and pool.num_threads > n:
                pool.set_num_threads(n)
