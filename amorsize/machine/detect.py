"""What this process may use of the machine: cores and memory, by the system and by its control groups.

Everything is read from the kernel's files, without helper processes; ``root`` points the readers of
the machine at a recorded tree instead. A file that is missing, unreadable or says nothing sensible
means "unlimited" or "unknown", never an exception.
"""

from __future__ import annotations

import os
import sys

from amorsize.core.model import Crowd, Machine
from amorsize.machine.procfs import named_number, number, page_bytes, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


NO_LIMIT_BYTES = 1 << 60
"""Memory limits from here on mean none: cgroup v1 writes the largest multiple of a page in 63 bits."""


DEFAULT_PERIOD = 100_000
"""Microseconds of a CPU period, where only the quota is written (the kernel's default)."""


def groups_of_process(root: str, *controllers: str) -> list[list[tuple[str, bool]]]:
    """For each controller: the directories that may limit this process, each with "is it v2".

    They are the process's own directory and all its ancestors that can be seen, up to the mount.
    """
    base = root.rstrip("/")
    own: list[tuple[str, str]] = []  # (controllers, path); the controllers of v2 are ""
    for line in read_text(f"{base}/proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and fields[2].startswith("/"):
            own.append((fields[1], fields[2]))
    found: list[list[tuple[str, bool]]] = [[] for _ in controllers]
    if not own:
        return found
    for line in read_text(f"{base}/proc/self/mountinfo").splitlines():
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


def cpu_quota_of(groups: list[tuple[str, bool]]) -> float | None:
    """CPU seconds a second: the tightest quota of the directories."""
    found = []
    for directory, modern in groups:
        if modern:
            words = read_text(directory + "/cpu.max").split()
            quota = number(words[0]) if words else None
            period = number(words[1]) if len(words) > 1 else DEFAULT_PERIOD
        else:
            quota = number(read_text(directory + "/cpu.cfs_quota_us"))
            period = number(read_text(directory + "/cpu.cfs_period_us")) if quota else None
        if quota and period:
            found.append(quota / period)
    return min(found, default=None)


def memory_limits_of(groups: list[tuple[str, bool]]) -> Iterator[tuple[int, int]]:
    """(limit, bytes left below it) of each directory that has a limit.

    File pages that the kernel would drop first (inactive) count as left."""
    for directory, modern in groups:
        names = ("memory.max", "memory.high") if modern else ("memory.limit_in_bytes",)
        limits = [number(read_text(f"{directory}/{name}")) for name in names]
        limit = min((x for x in limits if x is not None), default=NO_LIMIT_BYTES)
        if limit >= NO_LIMIT_BYTES:
            continue
        used = number(
            read_text(directory + ("/memory.current" if modern else "/memory.usage_in_bytes"))
        )
        stat = read_text(directory + "/memory.stat")
        idle = named_number(stat, "inactive_file " if modern else "total_inactive_file ")
        yield limit, max(0, limit - max(0, (used or 0) - idle))


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


def _is_real_time() -> bool:
    """Whether this thread goes before all ordinary ones."""
    asked = getattr(os, "sched_getscheduler", None)
    return asked is not None and asked(0) in (os.SCHED_FIFO, os.SCHED_RR)


def crowd_now(core_share: float, root: str = "") -> Crowd:
    """Who wants the cores at this moment, besides the calling thread; nobody where the system does not
    tell. ``core_share``: share of its wish for a core that the calling thread got so far."""
    words = read_text(f"{root}/proc/loadavg").split()
    running = number(words[3].partition("/")[0]) if len(words) > 3 else None
    others = max(0, (running or 1) - 1)
    if not root and _is_real_time():  # whatever has no such priority waits for us
        others = 0
    load = float(words[0]) if words and words[0].replace(".", "", 1).isdigit() else 0.0
    return Crowd(others, os.cpu_count() or 1, min(1.0, max(core_share, 0.01)), load)
