"""joblib's own tests of ``Parallel``, with the backend "amorsize" in the place of "loky".

    python -m benchmarks.compat.joblib_tests [pytest arguments]

Takes ``joblib/test/test_parallel.py`` of the installed joblib, writes "amorsize" wherever a test names
the backend "loky", and runs every test that then names it. ``DIFFERS`` lists, with reasons, those that
are not as under loky.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import joblib
import pytest

_CALLER = "the tasks are short and run in the caller: "
_NESTED = (
    "threads inside of tasks only where cores are left for them, and 2 jobs on 2 cores leave none"
)
_SHARED = "this backend can share memory: require='sharedmem' is honoured, on threads"
DIFFERS = {
    r"test_nested_parallel_warnings\[amorsize-multiprocessing": _CALLER
    + "a pool may be nested there, and nobody is warned",
    r"test_parallel_pickling$": _CALLER + "what they are given need not be pickled",
    r"test_error_capture\[amorsize": "it looks for workers before there is work: they come when they pay",
    r"memmap_on_arrays_from_generator\[amorsize|test_memmapping_leaks\[amorsize": _CALLER
    + "they see the array itself, not a map of it",
    r"backend_context_manager\[.*amorsize|test_nested_parallelism_limit\[.*amorsize": _NESTED,
    r"backend_hinting_and_constraints": _SHARED,
    r"test_threadpool_limitation_in_child_(loky\[|context\[.*None)": _CALLER
    + "while it is alone it has all the cores",
    r"nested_backend_in_sequential\[.*amorsize": "a call that names no n_jobs has all cores: the user is "
    "to choose nothing",
    r"separated_gc\[.*amorsize-True": "the call after one whose generator was dropped may succeed: it "
    "fails under loky",
}
"""Tests (patterns of their ids) that are not as under loky, and why."""

REGISTER = "import amorsize; amorsize.register_joblib_backend()\n"
BIND = REGISTER + (
    "from amorsize.integrations.joblib.backend import AmorsizeBackend as LokyBackend\n"
    "parallel.DEFAULT_BACKEND = parallel.DEFAULT_PROCESS_BACKEND = 'amorsize'\n"
)
"""Ours is the default, too, and the class that tests ask for."""


class Bound:
    """Chooses the tests that name our backend, and tells those listed apart."""

    def __init__(self) -> None:
        self.counts = {"passed": 0, "differ": 0, "failed": 0, "skipped": 0}
        self.reasons: dict[str, str] = {}

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        """Only what concerns us."""
        ours = [
            item
            for item in items
            if "amorsize" in item.name.lower()
            or ("[" not in item.name and "amorsize" in inspect.getsource(item.function))
            or ("amorsize" in inspect.getsource(item.function).partition("def ")[2])
        ]
        config.hook.pytest_deselected(items=[item for item in items if item not in ours])
        items[:] = ours

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count."""
        if report.skipped and report.when in ("setup", "call"):
            self.counts["skipped"] += 1
        elif report.failed:
            why = next(
                (why for pattern, why in DIFFERS.items() if re.search(pattern, report.nodeid)), None
            )
            self.counts["differ" if why else "failed"] += 1
            if why:
                self.reasons[report.nodeid.partition("::")[2]] = why
        elif report.when == "call":
            self.counts["passed"] += 1


def main() -> int:
    """Run them; 0 if all passed but for those listed."""
    source = Path(joblib.__file__).parent / "test" / "test_parallel.py"
    text = re.sub(r"""(["'])loky\1""", r"\1amorsize\1", source.read_text(encoding="utf-8"))
    bound = Bound()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # Before the constants of the module, and in every interpreter that a test starts.
        head, mark, rest = text.partition("RETURN_GENERATOR_BACKENDS = ")
        (place / "test_parallel.py").write_text(head + BIND + mark + rest, encoding="utf-8")
        (place / "sitecustomize.py").write_text(REGISTER, encoding="utf-8")
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (folder, os.environ.get("PYTHONPATH")))
        )
        os.environ["AMORSIZE_HISTORY"] = "off"
        arguments = ["-q", "-p", "no:cacheprovider", "--rootdir", folder, "-W", "default"]
        pytest.main([*arguments, *sys.argv[1:], str(place)], plugins=[bound])
    for name, why in sorted(bound.reasons.items()):
        print(f"differs: {name}: {why}")
    print(", ".join(f"{count} {what}" for what, count in bound.counts.items()))
    return 1 if bound.counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
