"""Executors that the user has made, and local clusters, keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from amorsize.backends.base import Backend, BackendSpec
from amorsize.backends.executors.base import measure
from amorsize.backends.executors.futures import FuturesAdapter
from amorsize.backends.executors.pool import ExecutorPool
from amorsize.core.model import Config
from amorsize.testing.backend_contract import BackendContract

pytestmark = pytest.mark.timeout(120)


class ExecutorContract(BackendContract):
    config = Config("executor", 2, 1)
    executor: Executor

    def make_backend(self, spec: BackendSpec) -> Backend:
        adapter = FuturesAdapter(self.executor)
        return ExecutorPool(adapter, measure(adapter), spec)


class TestThreadPoolExecutor(ExecutorContract):
    @pytest.fixture(autouse=True)
    def _executor(self) -> Iterator[None]:
        with ThreadPoolExecutor(2) as self.executor:
            yield


class TestProcessPoolExecutor(ExecutorContract):
    @pytest.fixture(autouse=True)
    def _executor(self) -> Iterator[None]:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as self.executor:
            yield
