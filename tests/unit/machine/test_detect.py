"""The machine as this process may use it: recorded trees, and this machine as others see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import TESTS
from support.machines import run, tree

from amorsize.machine.detect import detect_machine

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.mark.parametrize("source", ["sys", "cpuinfo", "nothing"])
def test_physical_cores_of_two_packages_with_two_threads_a_core(
    source: str, tmp_path: Path
) -> None:
    """2 packages x 2 cores x 2 threads: core numbers repeat in the second package."""
    cpus = [(package, core) for _ in range(2) for package in range(2) for core in range(2)]
    files = {}
    if source == "sys":
        for cpu in range(8):
            name = f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
            files[name] = f"{cpu % 4},{cpu % 4 + 4}\n"
        files["sys/devices/system/cpu/cpufreq/x"] = ""
    if source == "cpuinfo":
        files["proc/cpuinfo"] = "\n".join(
            f"processor\t: {cpu}\nphysical id\t: {package}\ncore id\t\t: {core}\n"
            for cpu, (package, core) in enumerate(cpus)
        )
    machine = detect_machine(tree(tmp_path, files, cgroup="", mounts=""))
    assert machine.physical_cores == (None if source == "nothing" else 4)


# -- this machine --------------------------------------------------------------------------------


@linux
def test_this_machine_as_psutil_sees_it() -> None:
    psutil = pytest.importorskip("psutil")
    machine = detect_machine()
    memory = psutil.virtual_memory()
    assert machine.memory_bytes == memory.total
    assert abs(machine.memory_available_bytes - memory.available) < 0.1 * memory.total or (
        machine.memory_limit_bytes is not None
        and machine.memory_available_bytes <= machine.memory_limit_bytes
    )
    assert abs(machine.resident_bytes - psutil.Process().memory_info().rss) < 16 << 20
    assert machine.logical_cores == psutil.cpu_count()
    assert machine.physical_cores == psutil.cpu_count(logical=False)
    assert machine.load == pytest.approx(psutil.getloadavg()[0], abs=1.0)
    assert machine.can_fork and machine.gil


@linux
def test_cores_of_this_machine_are_those_of_nproc_but_for_a_quota() -> None:
    unlimited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "PYTHON_CPU"))}
    shown = subprocess.run(["nproc"], capture_output=True, text=True, check=True, env=unlimited)
    machine = detect_machine()
    assert machine.cores <= int(shown.stdout) or machine.cpu_quota is not None
    assert machine.cores == len(os.sched_getaffinity(0)) or machine.cpu_quota is not None


@linux
def test_detection_starts_nothing_imports_nothing_and_is_fast() -> None:
    told = run(
        f"""
        import sys
        sys.path.insert(0, {str(TESTS)!r})
        from amorsize.machine.detect import detect_machine
        detect_machine()
        for name in ("psutil", "subprocess", "numpy", "threadpoolctl", "ctypes", "typing"):
            assert name not in sys.modules, name
        from support.timing import ratio
        def plain():
            with open("/proc/self/status") as file:
                file.read()
        print(ratio(detect_machine, plain))
        """
    )
    assert float(told) < 25  # told: 6 times as long as to read one small file of /proc


@linux
def test_a_bound_process_has_one_core() -> None:
    code = "from amorsize.machine.detect import *; print(usable_cores(), detect_machine().cores)"
    cpu = str(min(os.sched_getaffinity(0)))
    assert run(code, prefix=("taskset", "-c", cpu)) == "1 1"
