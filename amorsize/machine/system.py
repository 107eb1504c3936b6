"""What this process may use of the machine, and whether it may fork now.

Everything is read from the kernel's files, without helper processes; ``root`` points the readers of
the machine at a recorded tree instead. A file that is missing, unreadable or says nothing sensible
means "unlimited" or "unknown", never an exception.
"""

from __future__ import annotations

import os
import sys
import time

from amorsize.core.frozen import dataclass
from amorsize.core.model import Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterator
    from typing import Any

READ_BYTES = 1 << 16
"""Bytes asked for in one read; the kernel gives at most about a page of most of its files."""
NO_LIMIT_BYTES = 1 << 60
"""Memory limits from here on mean none: cgroup v1 writes the largest multiple of a page in 63 bits."""
DEFAULT_PERIOD = 100_000
"""Microseconds of a CPU period, where only the quota is written (the kernel's default)."""


# -- files ---------------------------------------------------------------------------------------


def _read(path: str) -> str:
    """The text of a file, "" when it cannot be had."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError, AttributeError):
        return ""
    parts = []
    try:
        while part := os.read(handle, READ_BYTES):
            parts.append(part)
    except OSError:
        pass
    finally:
        os.close(handle)
    return b"".join(parts).decode("utf-8", "replace")


def _number(text: str) -> int | None:
    """A count in a kernel file; None for ``max``, nothing, garbage and negative numbers."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _named_number(text: str, name: str) -> int:
    """The number after ``name`` at the start of a line, 0 when there is none."""
    _, found, rest = ("\n" + text).partition("\n" + name)
    words = rest.split(None, 1) if found else []
    return _number(words[0]) or 0 if words else 0


# -- cgroups -------------------------------------------------------------------------------------


def _groups(root: str, *controllers: str) -> list[list[tuple[str, bool]]]:
    """For each controller: the directories that may limit this process, each with "is it v2".

    They are the process's own directory and all its ancestors that can be seen, up to the mount.
    """
    base = root.rstrip("/")
    own: list[tuple[str, str]] = []  # (controllers, path); the controllers of v2 are ""
    for line in _read(f"{base}/proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[2].startswith("/"):
            own.append((fields[1], fields[2]))
    found: list[list[tuple[str, bool]]] = [[] for _ in controllers]
    if not own:
        return found
    for line in _read(f"{base}/proc/self/mountinfo").splitlines():
        if " - cgroup" not in line:
            continue
        left, _, right = line.partition(" - ")
        mount, kind = left.split(), right.split()
        if len(mount) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        modern = kind[0] == "cgroup2"
        options = kind[2].split(",")
        for place, controller in enumerate(controllers):
            if not modern and controller not in options:
                continue
            for names, path in own:
                if (names == "") if modern else (controller in names.split(",")):
                    for part in _ancestors(path, _unescaped(mount[3])):
                        entry = (base + _unescaped(mount[4]) + part, modern)
                        if entry not in found[place]:
                            found[place].append(entry)
    return found


def _ancestors(path: str, mount_root: str) -> list[str]:
    """Directories below a mount from ``path`` up to the mount itself, which is "".

    The mount shows the hierarchy from ``mount_root`` on. In a cgroup namespace either may start with
    ``/..``, which hides the names in between, and a container may see the host's path with its own
    mount: then only the mount itself is known, and its limits are taken.
    """
    if mount_root == "/":
        inside = path
    elif path == mount_root or path.startswith(mount_root + "/"):
        inside = path[len(mount_root) :]
    else:
        inside = ""
    parts = [part for part in inside.split("/") if part]
    if ".." in parts:
        parts = []
    return ["".join("/" + part for part in parts[:depth]) for depth in range(len(parts), -1, -1)]


def _unescaped(text: str) -> str:
    """A path of mountinfo, where blanks are written as octal numbers."""
    if "\\" not in text:
        return text
    for code, sign in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        text = text.replace(code, sign)
    return text


def _cpu_quota(groups: list[tuple[str, bool]]) -> float | None:
    """CPU seconds a second: the tightest quota of the directories."""
    found = []
    for directory, modern in groups:
        if modern:
            words = _read(directory + "/cpu.max").split()
            quota = _number(words[0]) if words else None
            period = _number(words[1]) if len(words) > 1 else DEFAULT_PERIOD
        else:
            quota = _number(_read(directory + "/cpu.cfs_quota_us"))
            period = _number(_read(directory + "/cpu.cfs_period_us")) if quota else None
        if quota and period:
            found.append(quota / period)
    return min(found, default=None)


def _memory_limits(groups: list[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    """(limit, bytes left below it) of each directory that has a limit.

    File pages that the kernel would drop first (inactive) count as left."""
    for directory, modern in groups:
        names = ("memory.max", "memory.high") if modern else ("memory.limit_in_bytes",)
        limits = [_number(_read(f"{directory}/{name}")) for name in names]
        limit = min((x for x in limits if x is not None), default=NO_LIMIT_BYTES)
        if limit >= NO_LIMIT_BYTES:
            continue
        used = _number(
            _read(directory + ("/memory.current" if modern else "/memory.usage_in_bytes"))
        )
        stat = _read(directory + "/memory.stat")
        idle = _named_number(stat, "inactive_file " if modern else "total_inactive_file ")
        yield limit, max(0, limit - max(0, (used or 0) - idle))


# -- the machine ---------------------------------------------------------------------------------


def _affinity() -> int:
    """CPUs on which the system may run this process."""
    count = getattr(os, "process_cpu_count", None)  # Python 3.13; heeds PYTHON_CPU_COUNT
    if count is not None:
        return count() or 1
    try:
        return len(os.sched_getaffinity(0)) or 1
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _cores(affinity: int, quota: float | None) -> int:
    return affinity if quota is None else max(1, min(affinity, -int(-quota // 1)))


def usable_cores(root: str = "/") -> int:
    """CPUs that can work for this process at the same time, at least 1.

    The CPUs it is bound to or the CPU quota of its cgroup, rounded up, whichever is less."""
    return _cores(_affinity(), _cpu_quota(_groups(root, "cpu")[0]))


_physical: dict[str, int | None] = {}
"""Physical cores by root: a machine does not change them while a program runs."""


def _physical_cores(root: str) -> int | None:
    """Distinct cores of the whole machine, whatever number of CPUs each one shows."""
    if root not in _physical:
        _physical[root] = _count_physical(root.rstrip("/"))
    return _physical[root]


def _count_physical(base: str) -> int | None:
    # Reading /proc/cpuinfo asks every CPU for its clock, which is slow on large machines.
    folder = base + "/sys/devices/system/cpu"
    try:
        entries = os.listdir(folder)
    except OSError:
        entries = []
    cores = set()
    for entry in entries:
        if entry.startswith("cpu") and entry[3:].isdecimal():
            siblings = _read(f"{folder}/{entry}/topology/thread_siblings_list").strip()
            if siblings:
                cores.add(siblings)
    if cores:
        return len(cores)
    pairs = set()
    for block in _read(base + "/proc/cpuinfo").split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines())
        fields = {name.strip(): value.strip() for name, _, value in lines}
        if "core id" in fields:
            pairs.add((fields.get("physical id"), fields["core id"]))
    return len(pairs) or None


def detect_machine(root: str = "/") -> Machine:
    """What this process may use now; takes about 0.1 ms. See :class:`~amorsize.core.model.Machine`."""
    base = root.rstrip("/")
    cpu, memory = _groups(root, "cpu", "memory")
    quota = _cpu_quota(cpu)
    total, available, resident, physical = _memory_and_cores(base, root)
    limits = list(_memory_limits(memory))
    rooms = [room for _, room in limits] + ([available] if total else [])
    try:
        load = os.getloadavg()[0]
    except (AttributeError, OSError):
        load = 0.0
    return Machine(
        cores=_cores(_affinity(), quota),
        cpu_quota=quota,
        logical_cores=os.cpu_count() or 1,
        physical_cores=physical,
        load=load,
        memory_bytes=total,
        memory_available_bytes=min(rooms, default=0),
        memory_limit_bytes=min((limit for limit, _ in limits), default=None),
        resident_bytes=resident,
        gil=getattr(sys, "_is_gil_enabled", _yes)(),
        can_fork=_can_fork(),
        platform=sys.platform,
        python=".".join(map(str, sys.version_info[:3])) + _numeric_libraries(),
    )


def available_memory() -> int:
    """Bytes that could be allocated now without swapping, 0 where unknown; takes about 0.2 ms."""
    meminfo = _read("/proc/meminfo")
    rooms = [room for _, room in _memory_limits(_groups("/", "memory")[0])]
    if "MemAvailable:" in meminfo:
        rooms.append(_named_number(meminfo, "MemAvailable:") * 1024)
    return min(rooms, default=0)


def _numeric_libraries() -> str:
    """Those loaded that bring their BLAS along, with their versions: another one computes at its own
    speed."""
    found = ""
    for name in ("numpy", "scipy"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str) and version.replace(".", "").isalnum():
            found += f"+{name}-{version[:12]}"
    return found


def _can_fork() -> bool:
    """Elsewhere fork exists (macOS) but system libraries do not survive it."""
    return hasattr(os, "fork") and sys.platform == "linux"


def _yes() -> bool:
    return True


def _memory_and_cores(base: str, root: str) -> tuple[int, int, int, int | None]:
    """Bytes of the machine, bytes available, bytes resident in this process; physical cores."""
    meminfo = _read(base + "/proc/meminfo")
    if not meminfo and not sys.platform.startswith("linux"):
        try:
            import psutil
        except ImportError:
            return 0, 0, 0, None
        memory, here = psutil.virtual_memory(), psutil.Process()
        return memory.total, memory.available, here.memory_info().rss, psutil.cpu_count(False)
    total = _named_number(meminfo, "MemTotal:") * 1024
    available = _named_number(meminfo, "MemAvailable:") * 1024
    if "MemAvailable:" not in meminfo:  # kernels before 3.14
        available = 1024 * (_named_number(meminfo, "MemFree:") + _named_number(meminfo, "Cached:"))
    words = _read(base + "/proc/self/statm").split()
    pages = _number(words[1]) if len(words) > 1 else None
    return total, available, (pages or 0) * _page_bytes(), _physical_cores(root)


def _page_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4096


# -- what the dynamic loader has mapped ----------------------------------------------------------

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


class _Mapped:
    """The files mapped into this process, read when first asked for and then kept."""

    def __init__(self, paths: list[str] | None = None) -> None:
        self._paths = paths

    def matching(self, names: tuple[str, ...]) -> list[str]:
        """Paths whose file name starts with one of ``names``, or has it after a prefix."""
        global _last_seen
        if self._paths is None:
            paths = dict.fromkeys(
                line[line.index("/") :]
                for line in _read("/proc/self/maps").split("\n")
                if ".so" in line and "/" in line
            )
            self._paths = list(paths)
            _last_seen = len(sys.modules), self._paths
        return [path for path in self._paths if path.rpartition("/")[2].startswith(names)]

    def openblas(self) -> list[str]:
        self.matching(())
        return [path for path in self._paths or () if "openblas" in path.rpartition("/")[2]]


def openmp_active() -> bool:
    """Whether an OpenMP runtime is loaded. That alone forbids nothing: see :func:`fork_refusal`."""
    return bool(_Mapped().matching(OPENMP_NAMES))


def cuda_active() -> bool:
    """Whether the CUDA driver is loaded: what it sets up is useless in a forked child."""
    return _cuda_active(_Mapped())


def _cuda_active(mapped: _Mapped) -> bool:
    return any(name in sys.modules for name in CUDA_MODULES) and bool(mapped.matching(CUDA_NAMES))


class _OpenBlas:
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
            self.used.value = threads
            self.created.value = threads
        if self.get_threads() > threads:
            self.set_threads(threads)


_openblas: dict[str, _OpenBlas] = {}
"""Those found so far, by path: a library stays loaded while a handle is held."""


def _find_openblas(mapped: _Mapped) -> None:
    for path in mapped.openblas():
        if path not in _openblas:
            try:
                _openblas[path] = _OpenBlas(path)
            except (OSError, ImportError, AttributeError):
                continue  # its threads then count as foreign


# -- threads and fork ----------------------------------------------------------------------------

SETTLE_ROUNDS = 4
"""A thread that was joined is still among the tasks for some microseconds. Looks before it is believed
to live."""
SETTLE_SECONDS = 0.0001
"""Pause between two such looks."""


def foreign_threads() -> list[str]:
    """Names of the threads that speak against a fork; see :func:`fork_refusal` for the rule."""
    return _foreign_threads(_Mapped())


def _foreign_threads(mapped: _Mapped) -> list[str]:
    for look in range(SETTLE_ROUNDS):
        if look:
            time.sleep(SETTLE_SECONDS)
        try:
            tasks = os.listdir("/proc/self/task")
        except OSError:
            return _other_python_threads()
        if len(tasks) == 1:
            return []
        mine = _native_id()
        others = sorted(int(task) for task in tasks if int(task) != mine)
        python = _python_threads()
        unknown = [task for task in others if task not in python]
        known = sum(library.live_threads() for library in _openblas.values())
        if len(unknown) != known:
            _find_openblas(mapped)
            known = sum(library.live_threads() for library in _openblas.values())
        if len(unknown) == known and (
            all(library.exact for library in _openblas.values())
            or not mapped.matching(OPENMP_NAMES)
        ):
            unknown = []
        if not unknown:
            break
    # OpenBLAS starts its threads when it is loaded, so the newest ones are most likely not its own.
    suspects = unknown[known:] if known < len(unknown) else unknown
    names = [python[task] for task in others if task in python]
    return names + [
        _read(f"/proc/self/task/{task}/comm").strip() or f"task {task}" for task in suspects
    ]


def _native_id() -> int:
    import _thread

    return _thread.get_native_id()


def _python_threads() -> dict[int, str]:
    """Living threads of :mod:`threading` other than this one: name by the system's number."""
    threading = sys.modules.get("threading")
    if threading is None:
        return {}
    return {
        thread.native_id: thread.name
        for thread in threading.enumerate()
        if thread.native_id not in (None, _native_id())
    }


def _other_python_threads() -> list[str]:
    """All that can be known where the kernel shows no tasks."""
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() <= 1:
        return []
    mine = threading.get_ident()
    return [thread.name for thread in threading.enumerate() if thread.ident != mine]


def fork_refusal() -> str | None:
    """Why this process must not be forked now, as a sentence; None if nothing is known against it.

    The rule: **fork only while every other thread of this process belongs to an OpenBLAS that runs
    on plain threads.** A forked child has the forking thread only; a lock that another thread held
    stays locked in it for ever, and work given to a thread that is not there is never done.

    * *OpenBLAS* (one in each wheel of NumPy and SciPy; importing them starts its threads) ends its
      threads just before a fork and starts them anew, in parent and child, when next needed. Its
      threads are therefore known by number: as many other tasks as the loaded OpenBLAS libraries
      say they have, no more and no fewer.
    * *OpenMP* (libgomp; also an OpenBLAS built on it) is harmless while it is only loaded, after a
      parallel region of one thread, and after the thread that ran a region has ended: it has no
      thread then. After a region of several threads it keeps them, and the first region in a
      forked child waits for ever. These threads are tasks that OpenBLAS does not account for, so
      the count finds them. Intel's runtime survived a fork in our trials, and LLVM's may; they are
      held to the same rule.
    * *Threads of Python*, and those of gRPC, of a notebook kernel, of a database driver, are never
      accounted for.
    * *CUDA* cannot be used in a child once it was set up, with threads or without: refused when the
      driver is loaded.
    """
    if not _can_fork():
        return f"fork is not used on {sys.platform}"
    mapped = _Mapped()
    if _cuda_active(mapped):
        return "CUDA is loaded, which does not work in a forked process"
    names = _foreign_threads(mapped)
    if not names:
        return None
    shown = ", ".join(dict.fromkeys(names[:3])) + (", ..." if len(names) > 3 else "")
    threads = "another thread is" if len(names) == 1 else f"{len(names)} other threads are"
    if "grpc._cython.cygrpc" in sys.modules:
        shown += "; gRPC is loaded"
    elif mapped.matching(OPENMP_NAMES):
        shown += "; OpenMP is loaded"
    return f"{threads} running in this process ({shown})"


# -- inner threads -------------------------------------------------------------------------------

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
            known = _number(environment[name])
            if known is not None and 1 <= known <= n:
                continue
        elif name in STRONGER_VARIABLES:
            continue
        if name == "NUMBA_NUM_THREADS" and "numba" in sys.modules:
            continue  # it refuses a change once its threads were started
        environment[name] = str(n)
    if not any(name in sys.modules for name in POOL_MODULES):
        return
    mapped = _Mapped(_last_seen[1] if _last_seen[0] == len(sys.modules) else None)
    _find_openblas(mapped)
    for library in _openblas.values():
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


# -- costs ---------------------------------------------------------------------------------------

COST_SAMPLES = 5
"""Starts measured; their median is told. More would make ``doctor`` wait with large processes."""
ROUND_TRIPS = 50
"""Round trips measured, each some ten microseconds."""


@dataclass(frozen=True)
class StartCosts:
    """What starting and asking a worker costs here, measured; None where it was not or cannot be."""

    thread_seconds: float
    """A thread started and joined."""
    fork_seconds: float | None = None
    """A process forked that ends at once, until it is waited for; None where fork is refused."""
    spawn_seconds: float | None = None
    """A fresh interpreter that ends at once."""
    round_trip_seconds: float | None = None
    """One byte to a forked process and one back."""


def measure_costs(*, spawn: bool = False) -> StartCosts:
    """Measure by doing: about 10 ms, and more with ``spawn`` or much resident memory."""
    from threading import Thread

    def run_thread() -> None:
        thread = Thread(target=_yes)
        thread.start()
        thread.join()

    thread_seconds = _median_seconds(run_thread, COST_SAMPLES)
    can_fork = fork_refusal() is None
    return StartCosts(
        thread_seconds=thread_seconds,
        fork_seconds=_median_seconds(_fork_and_wait, COST_SAMPLES) if can_fork else None,
        spawn_seconds=_median_seconds(_spawn_and_wait, COST_SAMPLES) if spawn else None,
        round_trip_seconds=_round_trip_seconds() if can_fork else None,
    )


def _median_seconds(action: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[times // 2]


def _fork_and_wait() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _spawn_and_wait() -> None:
    import subprocess

    subprocess.run([sys.executable, "-c", "pass"], check=False, stdin=subprocess.DEVNULL)


def _round_trip_seconds() -> float:
    ask, answer = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(ask[1])
            while os.read(ask[0], 1):
                os.write(answer[1], b".")
        finally:
            os._exit(0)
    os.close(ask[0])
    os.close(answer[1])

    def there_and_back() -> None:
        os.write(ask[1], b".")
        os.read(answer[0], 1)

    try:
        return _median_seconds(there_and_back, ROUND_TRIPS)
    finally:
        os.close(ask[1])
        os.close(answer[0])
        os.waitpid(pid, 0)


# -- advice --------------------------------------------------------------------------------------

LOW_MEMORY_SHARE = 0.1
"""Of the machine's or the cgroup's memory: with less left, workers may be killed for want of it."""
LARGE_RESIDENT_BYTES = 1 << 30
"""A fork copies the page tables: about 25 ms a GB, several times what a small process pays."""
SLOW_FORK_SECONDS = 0.02
"""Four times the usual cost of a fork with its first result."""


def advice(machine: Machine, costs: StartCosts | None = None) -> list[str]:
    """What people could change so that runs get faster or safer; also looks at this process."""
    return list(_advice(machine, costs))


def _advice(machine: Machine, costs: StartCosts | None) -> Iterator[str]:
    quota, cores = machine.cpu_quota, machine.cores
    if quota is not None and quota < _affinity():
        yield (
            f"the cgroup grants {quota:g} CPUs although {_affinity()} can be seen: more workers than "
            f"{cores} would be throttled; raise the CPU quota of the container or service for more"
        )
    if cores < machine.logical_cores and (quota is None or cores < quota):
        yield (
            f"this process is bound to {cores} of {machine.logical_cores} CPUs (taskset, cpuset or "
            "a batch system); widen its affinity to use more"
        )
    if machine.load > machine.logical_cores:
        yield (
            f"{machine.load:.1f} tasks want to run on {machine.logical_cores} CPUs: other work "
            "competes, so expect less than the usual speed-up"
        )
    room = machine.memory_limit_bytes or machine.memory_bytes
    if machine.memory_bytes:
        room = min(room, machine.memory_bytes)
    if room and machine.memory_available_bytes < LOW_MEMORY_SHARE * room:
        yield (
            f"only {machine.memory_available_bytes / 2**20:,.0f} MiB of {room / 2**20:,.0f} MiB "
            "memory are available: use fewer workers (n_jobs) or free memory first"
        )
    slow = costs is not None and (costs.fork_seconds or 0.0) > SLOW_FORK_SECONDS
    if machine.can_fork and (slow or machine.resident_bytes > LARGE_RESIDENT_BYTES):
        yield (
            f"this process holds {machine.resident_bytes / 2**20:,.0f} MiB, which makes forking "
            "workers slow; call amorsize before large data are loaded, or load them in the function"
        )
    refusal = fork_refusal() if machine.can_fork else None
    if refusal is not None:
        yield (
            f"{refusal}, so workers are fresh interpreters instead of forked ones, which start "
            "slower; run as a plain script without other threads where that matters"
        )
    if not machine.can_fork:
        yield f"workers are fresh interpreters on {machine.platform}: forking is not used there"
    if not machine.gil:
        yield "this Python has no GIL: threads can compute at the same time"
    if machine.platform == "linux" and _is_musl():
        yield (
            "this Python runs on musl, whose memory allocator is slow with many threads: a glibc "
            "image is often faster"
        )


def _is_musl() -> bool:
    """The GNU library tells its version, musl does not."""
    try:
        return not os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return True
