"""Native libraries in this process that keep threads of their own (OpenBLAS, OpenMP, CUDA), and limits
for the threads that they start inside of one item.
"""

from __future__ import annotations

import os
import sys

from amorsize.machine.procfs import number, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable
    from typing import Any


OPENMP_NAMES = ("libgomp", "libiomp5", "libomp.", "libomp-", "libomp5", "libomp140")
"""How the OpenMP runtimes of GNU, Intel and LLVM are called, and renamed in wheels."""


OTHER_POOLS = ("libmkl_rt", "libblis")
"""BLAS libraries with threads of their own, left to threadpoolctl."""


CUDA_NAMES = ("libcuda.",)


CUDA_MODULES = (
    *("torch", "tensorflow", "jaxlib", "cupy", "cupy_backends", "numba", "pycuda", "cuda", "warp"),
    *("onnxruntime", "paddle", "mxnet", "taichi", "rmm", "cudf", "pyopencl", "ctypes.cuda"),
)
"""Modules that may have loaded CUDA; without them the list of mapped files is not read for it:
that takes 0.05 ms in a plain interpreter and 0.6 ms with scikit-learn."""


_last_seen: tuple[int, list[str]] = (-1, [])
"""Number of modules when the mapped files were last read, and the files. Only for a worker just
forked, where reading them anew takes 0.5 to 3 ms, and an old list would cost speed only."""


def last_mapped() -> MappedLibraries:
    """The files as they were read last, where no module has been imported since; else to be read anew."""
    return MappedLibraries(_last_seen[1] if _last_seen[0] == len(sys.modules) else None)


class MappedLibraries:
    """The files mapped into this process, read when first asked for and then kept."""

    def __init__(self, paths: list[str] | None = None) -> None:
        self._paths = paths

    def matching(self, names: tuple[str, ...]) -> list[str]:
        """Paths whose file name starts with one of ``names``, or has it after a prefix."""
        global _last_seen
        if self._paths is None:
            paths = dict.fromkeys(
                line[line.index("/") :]
                for line in read_text("/proc/self/maps").split("\n")
                if ".so" in line and "/" in line
            )
            self._paths = list(paths)
            _last_seen = len(sys.modules), self._paths
        return [path for path in self._paths if path.rpartition("/")[2].startswith(names)]

    def openblas(self) -> list[str]:
        self.matching(())
        return [path for path in self._paths or () if "openblas" in path.rpartition("/")[2]]


def cuda_active(mapped: MappedLibraries) -> bool:
    """Whether the CUDA driver is loaded: what it sets up is useless in a forked child."""
    return any(name in sys.modules for name in CUDA_MODULES) and bool(mapped.matching(CUDA_NAMES))


class OpenBlas:
    """One loaded OpenBLAS, spoken to directly.

    threadpoolctl would do, but costs 4 ms to import and 0.7 ms each time, and knows how many threads
    OpenBLAS may use, not how many it has: they differ after a fork and after a limit was set.
    """

    PREFIXES = ("", "scipy_")
    SUFFIXES = ("", "64_", "_64", "64")

    def __init__(self, path: str) -> None:
        import ctypes

        self.library = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NOLOAD)
        self.get_threads = self._function("openblas_get_num_threads")
        self.set_threads = self._function("openblas_set_num_threads")
        parallel = self._function("openblas_get_parallel")
        self.pthreads = parallel is not None and parallel() == 1
        """False for one without threads, and one on OpenMP, whose threads do not survive a fork."""
        try:
            self.running: ctypes.c_int | None = ctypes.c_int.in_dll(
                self.library, "blas_server_avail"
            )
            self.created = ctypes.c_int.in_dll(self.library, "blas_num_threads")
            self.used = ctypes.c_int.in_dll(self.library, "blas_cpu_number")
        except ValueError:
            self.running = None
        if self.running is not None and not (
            self.running.value in (0, 1)
            and self.get_threads is not None
            and self.get_threads() == self.used.value <= self.created.value
        ):
            self.running = None  # these are not what their names say

    def _function(self, name: str) -> Callable[..., int] | None:
        for prefix in self.PREFIXES:
            for suffix in self.SUFFIXES:
                found = getattr(self.library, prefix + name + suffix, None)
                if found is not None:
                    return found  # type: ignore[no-any-return]
        return None

    @property
    def exact(self) -> bool:
        return self.running is not None

    def live_threads(self) -> int:
        """Threads that it has now besides its caller's (a guess where not ``exact``)."""
        if not self.pthreads:
            return 0
        if self.running is not None:
            return self.created.value - 1 if self.running.value else 0
        return self.get_threads() - 1 if self.get_threads is not None else 0

    def limit(self, threads: int) -> None:
        """Use at most so many threads from now on.

        Asked in the usual way, a forked child would first start all threads anew, each of which
        spins for 50 ms or longer before it sleeps, only to leave them unused. While none is running
        the number alone is enough: a call that needs threads starts them then.
        """
        if self.get_threads is None or self.set_threads is None or self.get_threads() <= threads:
            return
        if self.pthreads and self.running is not None and not self.running.value:
            _store(self.used, threads)
            _store(self.created, threads)
        if self.get_threads() > threads:
            self.set_threads(threads)


def _store(cell: Any, number: int) -> None:
    """Change a number in the memory of a C library."""
    cell.value = number


openblas_libraries: dict[str, OpenBlas] = {}
"""Those found so far, by path: a library stays loaded while a handle is held."""


def find_openblas(mapped: MappedLibraries) -> None:
    for path in mapped.openblas():
        if path not in openblas_libraries:
            try:
                openblas_libraries[path] = OpenBlas(path)
            except (OSError, ImportError, AttributeError):
                continue  # its threads then count as foreign


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
