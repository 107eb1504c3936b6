"""The caller, threads, processes and the simulated backend keep the contract."""

from __future__ import annotations

import pytest

from amorsize.backends.base import Backend, BackendSpec
from amorsize.backends.caller import CallerBackend
from amorsize.backends.processes.fork import ForkLauncher
from amorsize.backends.processes.pool import ProcessPool
from amorsize.backends.processes.spawn import SpawnLauncher
from amorsize.backends.threads.pool import ThreadPool
from amorsize.core.frozen import replace
from amorsize.core.model import Config
from amorsize.testing.backend_contract import BackendContract, WorkerDeathContract
from amorsize.testing.fake_backend import FakeBackend

pytestmark = pytest.mark.timeout(120)


class TestCaller(BackendContract):
    runs_initializer = False

    def make_backend(self, spec: BackendSpec) -> Backend:
        return CallerBackend(spec)


class TestThreads(BackendContract):
    def make_backend(self, spec: BackendSpec) -> Backend:
        return ThreadPool(spec)


class TestThreadsThatWait(BackendContract):
    """Their number grows, and they are ramped up from one."""

    def make_backend(self, spec: BackendSpec) -> Backend:
        return ThreadPool(replace(spec, waits=True, first_workers=1))


class TestThreadsWithTimeLimit(BackendContract):
    def make_backend(self, spec: BackendSpec) -> Backend:
        return ThreadPool(replace(spec, timeout_seconds=60.0))


class TestFork(WorkerDeathContract):
    config = Config("fork", 2, 1)

    def make_backend(self, spec: BackendSpec) -> Backend:
        return ProcessPool(ForkLauncher(), spec)


class TestForkWithTheCaller(BackendContract):
    config = Config("fork", 2, 1)
    runs_initializer = False  # the test's function would tell of the caller's items

    def make_backend(self, spec: BackendSpec) -> Backend:
        return ProcessPool(ForkLauncher(), replace(spec, caller_computes=True))


class TestForkWithThreads(WorkerDeathContract):
    config = Config("fork", 2, 2)

    def make_backend(self, spec: BackendSpec) -> Backend:
        return ProcessPool(ForkLauncher(), spec)


class TestSpawn(WorkerDeathContract):
    config = Config("spawn", 2, 1)

    def make_backend(self, spec: BackendSpec) -> Backend:
        return ProcessPool(SpawnLauncher(), spec)


class TestFake(BackendContract):
    runs_initializer = False

    def make_backend(self, spec: BackendSpec) -> Backend:
        return FakeBackend(spec)
