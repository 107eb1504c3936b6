"""What the tests of the validation share: one small report, and short garbage collections."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.blas import one_blas_thread as one_blas_thread

from amorsize.validation import run_validation
from amorsize.validation.report import ValidationReport
from amorsize.validation.scenarios import classic


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """Each memory that is measured collects garbage nine times: 0.2 s each in a process that has run
    all the other tests."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="package")
def report() -> ValidationReport:
    return run_validation(classic()[:2], seeds=8)
