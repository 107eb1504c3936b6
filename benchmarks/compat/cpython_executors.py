"""CPython's own tests of executors, run for ``amorsize.Executor`` in thread and in process form.

    python -m benchmarks.compat.cpython_executors [--lib DIR] [-v] [PATTERN]

Every test class of ``test.test_concurrent_futures`` that is bound to a thread pool runs with
``backend="threads"``; those bound to a process pool started by spawn run with ``backend="processes"``
(the same class for fork and forkserver would be the same test again). The tests look into private parts
of the standard library's pools in places: ``ThreadForm`` and ``ProcessForm`` show ours by those names.

``DIR`` is a folder ``.../test`` with the tests, where the interpreter comes without them (Debian:
package ``libpython3.11-testsuite``, found by itself). ``DIFFERS`` lists what is not as there, and why.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import importlib.util
import pkgutil
import re
import sys
import tempfile
import time
import types
import unittest
from pathlib import Path
from typing import Any

import amorsize

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "test.test_concurrent_futures"
STAFFED_SECONDS = 10.0
"""How long the tests may wait for the workers that they count: here they start in a thread."""

DIFFERS = {
    r"ProcessPool.*test_killed_child": "a dead worker costs the call it was in (which runs once more), "
    "not the pool: a promise of amorsize",
    r"ProcessPool.*test_max_tasks_per_child.*|ProcessPool.*test_max_tasks_early_shutdown|"
    r"ProcessPool.*test_.*max_tasks.*": "there is no max_tasks_per_child",
    r"ProcessPool.*FailingInitializer.*": "the test hands a multiprocessing.Queue to the workers, which "
    "only children of multiprocessing can take; tests/hosts/executor/test_executor.py has the case "
    "without it",
    r"ProcessPool.*test_cancel_futures": "no worker has come to life yet when the test cancels, so that "
    "every call is still pending and is cancelled; the test wants one that is not",
    r".*test_free_reference$": "a stream keeps the results of one chunk (5 ms of work) until the last "
    "of them is taken",
    r"ProcessPoolSpawn.*test_traceback$": "cloudpickle 3.1.3 sends a class method by value, under a file "
    "name of its own: the line of the source is not in the worker's traceback",
}
"""Tests (patterns of class and name) that are not as in the standard library, and why."""


class ThreadForm(amorsize.Executor):
    """``Executor(backend="threads")`` under the names that the tests look for."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Any = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(
            max_workers,
            backend="threads",
            thread_name_prefix=thread_name_prefix,
            initializer=initializer,
            initargs=initargs,
        )

    def __getattr__(self, name: str) -> Any:
        if name in ("_threads", "_broken", "_work_queue", "_idle_semaphore"):
            return getattr(self._pool, name)
        raise AttributeError(name)


class _Process:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def join(self) -> None:
        """A worker goes back to the warm ones: there is nothing to wait for."""

    def terminate(self) -> None:
        import os
        import signal

        os.kill(self.pid, signal.SIGTERM)


class ProcessForm(amorsize.Executor):
    """``Executor(backend="processes")`` under the names that the tests look for."""

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Any = None,
        initargs: tuple[Any, ...] = (),
        **others: Any,
    ) -> None:
        super().__init__(
            max_workers,
            backend="processes",
            initializer=initializer,
            initargs=initargs,
            **others,
        )

    @property
    def _processes(self) -> dict[int, _Process]:
        pool = self._pool
        end = time.monotonic() + STAFFED_SECONDS
        while time.monotonic() < end and pool.workers is not None:
            waiting = pool.tasks.waiting + len(pool.answers.open)
            if len(pool.workers.worker_pids()) >= min(waiting, pool.max_workers):
                break
            time.sleep(0.005)
        pids = pool.workers.worker_pids() if pool.workers is not None else []
        return {pid: _Process(pid) for pid in pids}

    @property
    def _executor_manager_thread(self) -> Any:
        return self._pool.thread or types.SimpleNamespace(join=lambda: None)

    @property
    def _call_queue(self) -> Any:
        return types.SimpleNamespace(join_thread=lambda: None)

    @property
    def _broken(self) -> bool:
        return self._pool.broken is not None


class _Futures:
    """``concurrent.futures`` with our executors in the place of its own."""

    ThreadPoolExecutor, ProcessPoolExecutor = ThreadForm, ProcessForm

    def __getattr__(self, name: str) -> Any:
        return getattr(concurrent.futures, name)


def find(folder: str | None) -> list[types.ModuleType]:
    """The modules of the tests; workers find them, too, for they are sent ``sys.path``."""
    if importlib.util.find_spec(PACKAGE) is None:
        _borrow(folder)
    top = importlib.import_module(PACKAGE)
    if not hasattr(top, "__path__"):
        return [top]
    names = [info.name for info in pkgutil.iter_modules(top.__path__)]
    return [importlib.import_module(f"{PACKAGE}.{name}") for name in names]


def _borrow(folder: str | None) -> None:
    """Import the tests from elsewhere, alone: the rest of the library stays that of the interpreter."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    name = PACKAGE.rpartition(".")[2]
    for place in filter(None, (folder, f"/usr/lib/{version}/test")):
        found = [*Path(place).glob(f"{name}.py"), *Path(place).glob(f"{name}/__init__.py")]
        if not found:
            continue
        alone = Path(tempfile.gettempdir()) / f"amorsize-peer-tests-{version}"
        alone.mkdir(exist_ok=True)
        link = alone / Path(found[0].relative_to(place).parts[0])
        if not link.exists():
            link.symlink_to(Path(place) / link.name)
        if str(alone) not in sys.path:
            sys.path.append(str(alone))
        sys.modules[PACKAGE] = importlib.import_module(name)
        return
    raise SystemExit(
        f"{PACKAGE} is not installed with this interpreter; give --lib, the folder of its tests "
        "(Debian: apt-get install libpython3.11-testsuite)"
    )


def bind(modules: list[types.ModuleType], folder: str | None) -> list[type[unittest.TestCase]]:
    """The test classes, bound to our executors."""
    found: dict[str, type[unittest.TestCase]] = {}
    for module in modules:
        kinds = [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, unittest.TestCase)
            and hasattr(kind, "executor_type")
        ]
        for kind in kinds:
            context = getattr(kind, "ctx", None)
            if context in ("fork", "forkserver"):
                continue
            form = ProcessForm if context == "spawn" else ThreadForm
            if issubclass(kind.executor_type, concurrent.futures.Executor):
                kind.executor_type = form
                found[kind.__name__] = kind
    for module in modules:
        if hasattr(module, "futures"):
            module.futures = _Futures()  # type: ignore[attr-defined]
        if hasattr(module, "assert_python_ok"):
            module.assert_python_ok = _child(module.assert_python_ok, folder)  # type: ignore[attr-defined]
    return list(found.values())


def _child(run: Any, folder: str | None) -> Any:
    """``assert_python_ok`` whose interpreter finds our forms in ``concurrent.futures``."""
    head = (
        f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n"
        "import concurrent.futures\n"
        "from benchmarks import cpython_executors as ours\n"
        "concurrent.futures.ThreadForm = ours.ThreadForm\n"
        "concurrent.futures.ProcessForm = ours.ProcessForm\n"
        f"ours.find({folder!r})\n"
    )
    return lambda *args, **named: run(
        *(head + arg if "concurrent.futures" in arg else arg for arg in args), **named
    )


class _Outcome(unittest.TextTestResult):
    """Counts what passed; a failure that ``DIFFERS`` lists is told apart."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.passed: list[str] = []
        self.differing: dict[str, str] = {}

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        super().addSuccess(test)
        self.passed.append(_name(test))

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        if not self._differs(test):
            super().addFailure(test, err)

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        if not self._differs(test):
            super().addError(test, err)

    def _differs(self, test: Any) -> bool:
        for pattern, why in DIFFERS.items():
            if re.match(pattern, _name(test)):
                self.differing[_name(test)] = why
                return True
        return False


def _name(test: Any) -> str:
    return f"{type(test).__name__}.{getattr(test, '_testMethodName', test)}"


def main() -> int:
    """Run them; 0 if all passed but for those listed."""
    parser = argparse.ArgumentParser(description="CPython's executor tests for amorsize.Executor")
    parser.add_argument("--lib", help="folder with the tests of the interpreter")
    parser.add_argument("-v", action="store_true", help="name each test")
    parser.add_argument("pattern", nargs="?", default="", help="only tests whose name has it")
    given = parser.parse_args()
    suite = unittest.TestSuite()
    for kind in bind(find(given.lib), given.lib):
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(kind):
            if given.pattern in _name(test):
                suite.addTest(test)
    runner = unittest.TextTestRunner(verbosity=1 + given.v, resultclass=_Outcome, stream=sys.stdout)
    result = runner.run(suite)
    assert isinstance(result, _Outcome)
    for name, why in sorted(result.differing.items()):
        print(f"differs: {name}: {why}")
    for test, why in result.skipped:
        print(f"skipped: {_name(test)}: {why}")
    print(
        f"{len(result.passed)} passed, {len(result.differing)} differ as listed, "
        f"{len(result.skipped)} skipped, {len(result.failures) + len(result.errors)} failed"
    )
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
