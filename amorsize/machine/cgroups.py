"""What the control groups of this process grant: CPU quota and memory, of version 1 and 2."""

from __future__ import annotations

from amorsize.machine.procfs import named_number, number, read_text

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
