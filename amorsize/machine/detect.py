"""What this process may use of the machine, and whether it may fork now.

Everything is read from the kernel's files, without helper processes; ``root`` points the readers of
the machine at a recorded tree instead. A file that is missing, unreadable or says nothing sensible
means "unlimited" or "unknown", never an exception.
"""

from __future__ import annotations

import os
import sys

from amorsize.core.model import Machine
from amorsize.machine.cgroups import cpu_quota_of, groups_of_process, memory_limits_of
from amorsize.machine.procfs import named_number, number, page_bytes, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


# -- files ---------------------------------------------------------------------------------------


# -- cgroups -------------------------------------------------------------------------------------


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
    return _cores(_affinity(), cpu_quota_of(groups_of_process(root, "cpu")[0]))


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
            siblings = read_text(f"{folder}/{entry}/topology/thread_siblings_list").strip()
            if siblings:
                cores.add(siblings)
    if cores:
        return len(cores)
    pairs = set()
    for block in read_text(base + "/proc/cpuinfo").split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines())
        fields = {name.strip(): value.strip() for name, _, value in lines}
        if "core id" in fields:
            pairs.add((fields.get("physical id"), fields["core id"]))
    return len(pairs) or None


def detect_machine(root: str = "/") -> Machine:
    """What this process may use now; takes about 0.1 ms. See :class:`~amorsize.core.model.Machine`."""
    base = root.rstrip("/")
    cpu, memory = groups_of_process(root, "cpu", "memory")
    quota = cpu_quota_of(cpu)
    total, available, resident, physical = _memory_and_cores(base, root)
    limits = list(memory_limits_of(memory))
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
        can_fork=can_fork(),
        platform=sys.platform,
        python=".".join(map(str, sys.version_info[:3])) + _numeric_libraries(),
    )


def available_memory() -> int:
    """Bytes that could be allocated now without swapping, 0 where unknown; takes about 0.2 ms."""
    meminfo = read_text("/proc/meminfo")
    rooms = [room for _, room in memory_limits_of(groups_of_process("/", "memory")[0])]
    if "MemAvailable:" in meminfo:
        rooms.append(named_number(meminfo, "MemAvailable:") * 1024)
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


def can_fork() -> bool:
    """Elsewhere fork exists (macOS) but system libraries do not survive it."""
    return hasattr(os, "fork") and sys.platform == "linux"


def _yes() -> bool:
    return True


def _memory_and_cores(base: str, root: str) -> tuple[int, int, int, int | None]:
    """Bytes of the machine, bytes available, bytes resident in this process; physical cores."""
    meminfo = read_text(base + "/proc/meminfo")
    if not meminfo and not sys.platform.startswith("linux"):
        try:
            import psutil
        except ImportError:
            return 0, 0, 0, None
        memory, here = psutil.virtual_memory(), psutil.Process()
        return memory.total, memory.available, here.memory_info().rss, psutil.cpu_count(False)
    total = named_number(meminfo, "MemTotal:") * 1024
    available = named_number(meminfo, "MemAvailable:") * 1024
    if "MemAvailable:" not in meminfo:  # kernels before 3.14
        available = 1024 * (named_number(meminfo, "MemFree:") + named_number(meminfo, "Cached:"))
    words = read_text(base + "/proc/self/statm").split()
    pages = number(words[1]) if len(words) > 1 else None
    return total, available, (pages or 0) * page_bytes(), _physical_cores(root)
