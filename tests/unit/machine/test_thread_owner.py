"""Whose threads are they: read off their stacks, as where OpenBLAS does not export its counters."""

from __future__ import annotations

import sys

import pytest
from support.machines import run_forking

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="Linux only"),
]

HIDDEN = """
from amorsize.machine import native_libraries
class Hidden(native_libraries.OpenBlas):
    '''An OpenBLAS as in the wheels of NumPy 2.5: its counters are not exported.'''
    def __init__(self, path):
        super().__init__(path)
        self.running = None
native_libraries.OpenBlas = Hidden
import ctypes, numpy as np
a = np.ones((300, 300))
"""


def test_code_pages_name_the_file_of_a_function() -> None:
    told = run_forking(
        """
        import ctypes
        from amorsize.machine.thread_owner import CodePages
        pages = CodePages()
        def address(function):
            return ctypes.cast(function, ctypes.c_void_p).value
        own = pages.path_of(address(ctypes.CDLL(None).getpid))
        data = ctypes.create_string_buffer(8)
        print("libc" in own, pages.path_of(ctypes.addressof(data)), pages.path_of(1))
        """
    )
    assert told == "True None None"


def test_threads_of_openblas_are_known_by_their_stacks() -> None:
    pytest.importorskip("numpy")
    told = run_forking(
        HIDDEN
        + """
from amorsize.machine.thread_owner import CodePages, libraries_of
a @ a
deadline = time.monotonic() + 20
def owners():
    mine = os.getpid()
    tasks = [int(task) for task in os.listdir("/proc/self/task") if int(task) != mine]
    pages = CodePages()
    return [sorted(path.rpartition("/")[2] for path in libraries_of(task, pages)) for task in tasks]
while not all(owners()) and time.monotonic() < deadline:
    time.sleep(0.01)  # they spin for some milliseconds before they sleep
print(len(owners()), all(len(one) == 1 and "openblas" in one[0] for one in owners()))
""",
        OPENBLAS_NUM_THREADS="2",
    )
    assert told == "1 True"


def test_openmp_that_is_only_loaded_forbids_no_fork_and_its_threads_do(openmp_library: str) -> None:
    """Where OpenBLAS tells nothing and has as many threads as a region of OpenMP leaves behind."""
    pytest.importorskip("numpy")
    told = run_forking(
        HIDDEN
        + f"""
lib = ctypes.CDLL({openmp_library!r})
lib.work.restype = ctypes.c_double
def settled(wanted):
    deadline = time.monotonic() + 20
    while bool(fork_refusal()) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return fork_refusal()
assert settled(False) is None, fork_refusal()
assert in_child(lambda: float((a @ a)[0, 0])) == "300.0"
assert tasks() == 1  # OpenBLAS has ended its thread for the fork
lib.work(100_000, 2)
assert tasks() == 2  # as many as OpenBLAS had
for _ in range(20):
    assert "OpenMP" in fork_refusal()
    time.sleep(0.01)
a @ a
for _ in range(20):
    assert "OpenMP" in fork_refusal()
    time.sleep(0.01)
print("well")
""",
        OPENBLAS_NUM_THREADS="2",
    )
    assert told == "well"
