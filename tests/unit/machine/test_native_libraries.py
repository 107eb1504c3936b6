"""Threads of OpenBLAS and GNU OpenMP: which of them forbid a fork, and which child computes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.machines import run_forking

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


NUMPY_CASES = {
    "imported": "",
    "after a product": "a @ a",
    "after a fork": "in_child(lambda: 1)",
    "after a fork and a product": "in_child(lambda: 1); a @ a",
    "limited in the parent": "from threadpoolctl import threadpool_limits; threadpool_limits(1)",
    "with more threads than CPUs": "from threadpoolctl import threadpool_limits;"
    " threadpool_limits(int(os.environ['OPENBLAS_NUM_THREADS'])); a @ a",
    "with SciPy": "import scipy.linalg; scipy.linalg.lu(a)",
    "after a thread has used it": "import threading;"
    " t = threading.Thread(target=lambda: a @ a); t.start(); t.join()",
}


def with_threads(name: str, threads: str) -> object:
    """Each case with two threads; with one, or more than there are CPUs, only where it matters most."""
    usual = threads == "2" or (name, threads) in {
        ("after a product", "1"),
        ("after a fork and a product", "4"),
        ("with more threads than CPUs", "4"),
    }
    return pytest.param(name, threads, marks=[] if usual else pytest.mark.long)


@linux
@pytest.mark.parametrize(
    ("name", "threads"), [with_threads(name, n) for name in NUMPY_CASES for n in ("1", "2", "4")]
)
def test_openblas_does_not_forbid_a_fork_and_its_child_computes(name: str, threads: str) -> None:
    pytest.importorskip("numpy")
    pytest.importorskip("scipy")
    told = run_forking(
        f"""
        import numpy as np
        a = np.random.default_rng(0).random((300, 300))
        expected = np.einsum("ij,jk->ik", a, a)  # without BLAS
        {NUMPY_CASES[name]}
        assert foreign_threads() == [], (tasks(), foreign_threads())
        for _ in range(3):
            assert fork_refusal() is None, fork_refusal()
            print(tasks(), in_child(lambda: bool(np.allclose(a @ a, expected))))
            assert np.allclose(a @ a, expected)
        """,
        OPENBLAS_NUM_THREADS=threads,
    )
    lines = [line.split() for line in told.splitlines()]
    assert [line[1] for line in lines] == ["True"] * 3
    if threads == "4" and name == "with more threads than CPUs":
        assert int(lines[0][0]) == 4, "OpenBLAS has not started its threads: nothing was tested"


OPENMP_CASES = {
    "only loaded": ("", True),
    "a region of one thread": ("work(100, 1)", True),
    "a region of two threads": ("work(100, 2)", False),
    "a smaller region afterwards": ("work(100, 3); work(100, 2)", False),
    "a region in a thread that has ended": (
        "import threading; t = threading.Thread(target=lambda: work(100, 2));"
        " t.start(); t.join(); time.sleep(0.05)",
        True,
    ),
}


@linux
@pytest.mark.parametrize("name", OPENMP_CASES)
def test_gnu_openmp_forbids_a_fork_exactly_when_its_child_would_hang(
    name: str, openmp_library: str
) -> None:
    code, safe = OPENMP_CASES[name]
    told = run_forking(
        f"""
        import ctypes
        library = ctypes.CDLL({openmp_library!r})
        work = library.work
        work.restype = ctypes.c_double
        assert openmp_active()
        {code}
        refusal = fork_refusal()
        print(refusal is None, in_child(lambda: work(100, 2), 1.5))
        """
    )
    assert told == ("True 2475.0" if safe else "False hangs")


@linux
def test_a_thread_of_openmp_is_not_taken_for_one_of_openblas(openmp_library: str) -> None:
    """After a fork OpenBLAS has no thread but may use two: a plain count would be deceived."""
    pytest.importorskip("numpy")
    assert run_forking(
        f"""
        import ctypes
        import numpy as np
        library = ctypes.CDLL({openmp_library!r})
        assert fork_refusal() is None  # OpenMP is loaded, no more
        in_child(lambda: 1)
        library.work(100, 2)
        assert tasks() == 2
        print(fork_refusal())
        """,
        OPENBLAS_NUM_THREADS="2",
    ).endswith("OpenMP is loaded)")


@linux
def test_cuda_forbids_a_fork(tmp_path: Path, openmp_library: str) -> None:
    """A library of that name stands for the driver: the name is all that is looked at."""
    driver = tmp_path / "libcuda.so.1"
    driver.write_bytes(Path(openmp_library).read_bytes())
    told = run_forking(
        f"""
        import ctypes, types
        ctypes.CDLL({str(driver)!r})
        sys.modules["torch"] = types.ModuleType("torch")
        assert cuda_active()
        print(fork_refusal())
        """
    )
    assert told.startswith("CUDA is loaded")
