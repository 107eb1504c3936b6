"""Inner threads of numerical libraries are limited, those loaded later too."""

from __future__ import annotations

import sys

import pytest
from support.machines import run_forking

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@linux
@pytest.mark.parametrize(("had", "limit", "expected"), [(4, 1, 1), (4, 2, 2), (2, 4, 2), (1, 1, 1)])
def test_inner_threads_are_limited_in_a_forked_child(had: int, limit: int, expected: int) -> None:
    """As threadpoolctl counts them, and as the system does."""
    pytest.importorskip("scipy")
    pytest.importorskip("threadpoolctl")
    told = run_forking(
        f"""
        import numpy as np, scipy.linalg, threadpoolctl
        a = np.random.default_rng(0).random((300, 300))
        expected = np.einsum("ij,jk->ik", a, a)
        threadpoolctl.threadpool_limits({had})  # the variables reach no further than the CPUs
        assert fork_refusal() is None, fork_refusal()
        def child():
            limit_inner_threads({limit})
            right = [bool(np.allclose(a @ a, expected)) for _ in range(5)]
            scipy.linalg.blas.dgemm(1.0, a, a)
            counts = {{pool["num_threads"] for pool in threadpoolctl.threadpool_info()}}
            return set(right), counts, tasks() - 1, os.environ["OMP_NUM_THREADS"]
        print(in_child(child))
        """,
        OMP_NUM_THREADS="",
    )
    right, counts, extra, variable = eval(told)
    assert right == {True} and counts == {expected}
    assert extra == 2 * (expected - 1)  # NumPy and SciPy each have a library
    assert variable == str(limit)


@linux
@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_starts_no_thread_and_burns_no_time(limit: int) -> None:
    """set_num_threads in a forked child would start all threads, which spin for 50 ms or longer."""
    pytest.importorskip("numpy")
    told = run_forking(
        f"""
        import numpy, threadpoolctl
        threadpoolctl.threadpool_limits(4)
        assert tasks() == 4
        assert fork_refusal() is None, fork_refusal()
        def child():
            limit_inner_threads({limit})
            count, before = tasks(), time.process_time()
            time.sleep(0.05)
            return count, time.process_time() - before
        print(in_child(child))
        """,
    )
    count, burnt = eval(told)
    assert count == 1 and burnt < 0.02


@linux
def test_a_loaded_openmp_is_limited(openmp_library: str) -> None:
    assert (
        run_forking(
            f"""
        import ctypes
        library = ctypes.CDLL({openmp_library!r})
        limit_inner_threads(1)
        print(library.used())
        """,
            OMP_NUM_THREADS="3",
        )
        == "1"
    )


@linux
def test_libraries_loaded_later_obey_and_smaller_limits_stay() -> None:
    pytest.importorskip("numpy")
    told = run_forking(
        """
        limit_inner_threads(2)
        print(os.environ["MKL_NUM_THREADS"], os.environ["OMP_NUM_THREADS"])
        import numpy
        print(tasks())
        """,
        MKL_NUM_THREADS="8,2",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="6",
    )
    assert told.split() == ["2", "1", "2"]


@linux
def test_openblas_loaded_later_obeys_without_a_variable_of_its_own() -> None:
    pytest.importorskip("numpy")
    told = run_forking(
        """
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"):
            os.environ.pop(name, None)
        limit_inner_threads(1)
        import numpy
        print(tasks(), numpy.ones((300, 300)).dot(numpy.ones((300, 300)))[0, 0], tasks())
        """
    )
    assert told == "1 300.0 1"


@linux
def test_a_library_loaded_after_the_last_look_is_limited_too() -> None:
    """The list of libraries that the parent saw is taken only if no module was imported since."""
    pytest.importorskip("scipy")
    told = run_forking(
        """
        import numpy
        assert fork_refusal() is None
        import scipy.linalg, threadpoolctl
        in_child(lambda: 1)
        def child():
            limit_inner_threads(1)
            return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
        print(in_child(child))
        """,
        OPENBLAS_NUM_THREADS="3",
    )
    assert told == "[1, 1]"
