"""Cores and memory that control groups grant: recorded trees, and a real quota."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.machines import run, tree

from amorsize.machine import detect
from amorsize.machine.detect import detect_machine, usable_cores

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
GB = 1 << 30


NO_LIMIT_V1 = "9223372036854771712\n"

MOUNT_V2 = "29 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
MOUNT_V1_CPU = (
    "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - "
    "cgroup cgroup rw,cpu,cpuacct\n"
)
MOUNT_V1_MEMORY = "36 32 0:32 {root} /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n"


V2 = "sys/fs/cgroup/"
V1_CPU = "sys/fs/cgroup/cpu,cpuacct/"
V2_ROOT = MOUNT_V2.format(root="/")
V1_ROOT = MOUNT_V1_CPU.format(root="/") + MOUNT_V1_MEMORY.format(root="/")

QUOTAS = {
    "v2 own group": (
        "0::/app\n",
        V2_ROOT,
        {V2 + "app/cpu.max": "50000 100000\n"},
        0.5,
    ),
    "v2 without a limit": ("0::/app\n", V2_ROOT, {V2 + "app/cpu.max": "max 100000\n"}, None),
    "v2 without a period": ("0::/app\n", V2_ROOT, {V2 + "app/cpu.max": "250000\n"}, 2.5),
    "v2 limit on an outer slice": (
        "0::/user.slice/user-1000.slice/app.scope\n",
        V2_ROOT,
        {
            V2 + "user.slice/cpu.max": "300000 100000\n",
            V2 + "user.slice/user-1000.slice/cpu.max": "120000 100000\n",
            V2 + "user.slice/user-1000.slice/app.scope/cpu.max": "max 100000\n",
        },
        1.2,
    ),
    "v2 the tightest is the own one": (
        "0::/a/b\n",
        V2_ROOT,
        {V2 + "a/cpu.max": "400000 100000\n", V2 + "a/b/cpu.max": "10000 50000\n"},
        0.2,
    ),
    "v2 a sibling does not count": (
        "0::/a/b\n",
        V2_ROOT,
        {V2 + "a/c/cpu.max": "10000 100000\n", V2 + "a/b/cpu.max": "max 100000\n"},
        None,
    ),
    "v1 own group": (
        "5:cpu,cpuacct:/app\n6:memory:/app\n",
        V1_ROOT,
        {V1_CPU + "app/cpu.cfs_quota_us": "150000\n", V1_CPU + "app/cpu.cfs_period_us": "100000\n"},
        1.5,
    ),
    "v1 without a limit": (
        "5:cpu,cpuacct:/app\n",
        V1_ROOT,
        {V1_CPU + "app/cpu.cfs_quota_us": "-1\n", V1_CPU + "app/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "v1 limit on an ancestor": (
        "5:cpuacct,cpu:/docker/abc\n",
        V1_ROOT,
        {
            V1_CPU + "docker/cpu.cfs_quota_us": "70000\n",
            V1_CPU + "docker/cpu.cfs_period_us": "100000\n",
            V1_CPU + "docker/abc/cpu.cfs_quota_us": "-1\n",
            V1_CPU + "docker/abc/cpu.cfs_period_us": "100000\n",
        },
        0.7,
    ),
    "v1 another controller's path does not count": (
        "5:cpuset:/app\n6:cpu,cpuacct:/\n",
        V1_ROOT,
        {V1_CPU + "app/cpu.cfs_quota_us": "10000\n", V1_CPU + "app/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "hybrid: the quota is in v1": (
        "5:cpu,cpuacct:/app\n1:name=systemd:/app\n0::/other\n",
        V1_ROOT + "42 32 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        {V1_CPU + "app/cpu.cfs_quota_us": "90000\n", V1_CPU + "app/cpu.cfs_period_us": "100000\n"},
        0.9,
    ),
    "hybrid: the quota is in v2": (
        "1:name=systemd:/app\n0::/app\n",
        "41 32 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "42 32 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        {V2 + "unified/app/cpu.max": "80000 100000\n"},
        0.8,
    ),
    "container: mount shows the own group as its root": (
        "5:cpu,cpuacct:/docker/abc\n",
        MOUNT_V1_CPU.format(root="/docker/abc"),
        {V1_CPU + "cpu.cfs_quota_us": "60000\n", V1_CPU + "cpu.cfs_period_us": "100000\n"},
        0.6,
    ),
    "container: a group inside its own mount": (
        "0::/docker/abc/job\n",
        MOUNT_V2.format(root="/docker/abc"),
        {V2 + "job/cpu.max": "30000 100000\n", V2 + "cpu.max": "60000 100000\n"},
        0.3,
    ),
    "container: a name that only begins alike": (
        "0::/docker/abcdef\n",
        MOUNT_V2.format(root="/docker/abc"),
        {V2 + "def/cpu.max": "10000 100000\n", V2 + "cpu.max": "60000 100000\n"},
        0.6,
    ),
    "namespace: own root": ("0::/\n", V2_ROOT, {V2 + "cpu.max": "40000 100000\n"}, 0.4),
    "namespace: mount from further out": (
        "0::/\n",
        MOUNT_V2.format(root="/../.."),
        {V2 + "cpu.max": "40000 100000\n"},
        0.4,
    ),
    "namespace: process further out": (
        "0::/../../outside\n",
        V2_ROOT,
        {V2 + "cpu.max": "40000 100000\n", "sys/outside/cpu.max": "10000 100000\n"},
        0.4,
    ),
    "mount point with a blank": (
        "0::/a\n",
        r"29 23 0:26 / /odd\040place rw - cgroup2 none rw" + "\n",
        {"odd place/a/cpu.max": "70000 100000\n"},
        0.7,
    ),
    "path with a colon": ("0::/a:b\n", V2_ROOT, {V2 + "a:b/cpu.max": "20000 100000\n"}, 0.2),
    "empty file": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": ""}, None),
    "blank file": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": " \n"}, None),
    "garbage": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": "lots -5 \x00\n"}, None),
    "garbage in the period": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": "5000 x\n"}, None),
    "period of nothing": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": "5000 0\n"}, None),
    "quota of nothing": ("0::/a\n", V2_ROOT, {V2 + "a/cpu.max": "0 100000\n"}, None),
    "v1 without its period": (
        "5:cpu,cpuacct:/app\n",
        V1_ROOT,
        {V1_CPU + "app/cpu.cfs_quota_us": "150000\n"},
        None,
    ),
    "garbage in the process's files": (
        "::::\n0\n0::nowhere\n\n",
        "x - cgroup2\n - cgroup2 a b\n1 2 3 / - cgroup2\n",
        {},
        None,
    ),
    "no files": ("0::/a\n", V2_ROOT, {}, None),
    "no groups": ("", "", {}, None),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_quota_is_the_tightest_along_the_own_path(name: str, tmp_path: Path) -> None:
    cgroup, mounts, files, expected = QUOTAS[name]
    root = tree(tmp_path, files, cgroup=cgroup, mounts=mounts)
    machine = detect_machine(root)
    assert machine.cpu_quota == (None if expected is None else pytest.approx(expected))
    assert machine.cores == usable_cores(root)


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, 0.01, 1), (8, 1.0, 1), (8, 1.01, 2), (8, 2.5, 3), (2, 6.0, 2), (1, 0.5, 1)],
)
def test_cores_are_the_quota_rounded_up_or_the_affinity(
    affinity: int, quota: float | None, cores: int
) -> None:
    assert detect._cores(affinity, quota) == cores


def test_an_empty_tree_is_a_machine_without_limits(tmp_path: Path) -> None:
    machine = detect_machine(str(tmp_path))
    assert (machine.cpu_quota, machine.memory_limit_bytes) == (None, None)
    assert machine.cores >= 1
    assert machine.memory_bytes == machine.resident_bytes == 0


def test_a_file_that_is_a_folder_or_not_text_limits_nothing(tmp_path: Path) -> None:
    root = tree(tmp_path, {}, cgroup="0::/a/b\n", mounts=V2_ROOT)
    (tmp_path / V2 / "a/cpu.max").mkdir(parents=True)
    (tmp_path / V2 / "a/b").mkdir()
    (tmp_path / V2 / "a/b/cpu.max").write_bytes(b"\xff\xfe\x00 100000")
    (tmp_path / V2 / "a/memory.max").symlink_to("memory.max")
    machine = detect_machine(root)
    assert (machine.cpu_quota, machine.memory_limit_bytes) == (None, None)


MEMORY = {
    "v2 max": (
        "0::/a\n",
        V2_ROOT,
        {
            V2 + "a/memory.max": f"{4 * GB}\n",
            V2 + "a/memory.current": f"{3 * GB}\n",
            V2 + "a/memory.stat": f"anon 5\nactive_file 9\ninactive_file {GB}\nslab 3\n",
        },
        4 * GB,
        2 * GB,
    ),
    "v2 high": (
        "0::/a\n",
        V2_ROOT,
        {
            V2 + "a/memory.max": f"{4 * GB}\n",
            V2 + "a/memory.high": f"{2 * GB}\n",
            V2 + "a/memory.current": f"{GB}\n",
        },
        2 * GB,
        GB,
    ),
    "v2 an ancestor is fuller": (
        "0::/a/b\n",
        V2_ROOT,
        {
            V2 + "a/memory.max": f"{6 * GB}\n",
            V2 + "a/memory.current": f"{5 * GB}\n",
            V2 + "a/b/memory.max": f"{3 * GB}\n",
            V2 + "a/b/memory.current": f"{GB}\n",
        },
        3 * GB,
        GB,
    ),
    "v2 over its limit": (
        "0::/a\n",
        V2_ROOT,
        {V2 + "a/memory.high": f"{GB}\n", V2 + "a/memory.current": f"{2 * GB}\n"},
        GB,
        0,
    ),
    "v2 unlimited": ("0::/a\n", V2_ROOT, {V2 + "a/memory.max": "max\n"}, None, 8 * GB),
    "v1": (
        "6:memory:/app\n",
        V1_ROOT,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1,
            "sys/fs/cgroup/memory/app/memory.limit_in_bytes": f"{3 * GB}\n",
            "sys/fs/cgroup/memory/app/memory.usage_in_bytes": f"{2 * GB}\n",
            "sys/fs/cgroup/memory/app/memory.stat": f"inactive_file 0\ntotal_inactive_file {GB}\n",
        },
        3 * GB,
        2 * GB,
    ),
    "v1 unlimited": (
        "6:memory:/\n",
        V1_ROOT,
        {"sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1},
        None,
        8 * GB,
    ),
    "the machine has less left than the limit": (
        "0::/a\n",
        V2_ROOT,
        {V2 + "a/memory.max": f"{12 * GB}\n", V2 + "a/memory.current": "0\n"},
        12 * GB,
        8 * GB,
    ),
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_what_the_machine_and_the_groups_leave(name: str, tmp_path: Path) -> None:
    cgroup, mounts, files, limit, available = MEMORY[name]
    machine = detect_machine(tree(tmp_path, files, cgroup=cgroup, mounts=mounts))
    assert machine.memory_bytes == 16 * GB
    assert machine.memory_limit_bytes == limit
    assert machine.memory_available_bytes == available


def quota_file() -> Path | None:
    """The cgroup v1 folder of the cpu controller, if there is one to be written to."""
    for name in ("cpu", "cpu,cpuacct"):
        folder = Path("/sys/fs/cgroup") / name
        if (folder / "cgroup.procs").exists() and os.access(folder, os.W_OK):
            return folder
    return None


@linux
def test_a_real_quota_of_one_and_a_half_cpus_on_an_outer_group() -> None:
    folder = quota_file()
    if folder is None:
        pytest.skip("no cgroup v1 cpu controller that may be written to")
    outer = folder / f"amorsize_test_{os.getpid()}"
    inner = outer / "inner"
    try:
        inner.mkdir(parents=True)
        (outer / "cpu.cfs_period_us").write_text("100000")
        (outer / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        for made in (inner, outer):
            if made.exists():
                made.rmdir()
        pytest.skip(f"making a cgroup is not permitted: {error.strerror}")
    try:
        told = run(
            """
            import os, sys
            from amorsize.machine.detect import detect_machine, usable_cores
            before = detect_machine().cpu_quota
            open(sys.stdin.readline().strip(), "w").write(str(os.getpid()))
            print(before, detect_machine().cpu_quota, detect_machine().cores, usable_cores())
            """.replace("sys.stdin.readline().strip()", repr(str(inner / "cgroup.procs")))
        )
        before, quota, *cores = told.split()
        assert float(quota) == 0.5 and before != quota and cores == ["1", "1"]
    finally:
        inner.rmdir()
        outer.rmdir()
