"""BLAS with one thread, for tests that compute in their own process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="package")
def one_blas_thread() -> Iterator[None]:
    """The matrices of these tests are small: a second thread makes them no faster, and spins for as long
    as the first computes, on the core of the tests that run beside them. Programs inherit it."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1, "blas"):
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        yield
