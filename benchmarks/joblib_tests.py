"""joblib's own tests of ``Parallel``, with the backend "amorsize" in the place of "loky".

    python -m benchmarks.joblib_tests [pytest arguments]

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

DIFFERS: dict[str, str] = {}
"""Tests (patterns of their ids) that are not as under loky, and why."""

REGISTER = "import amorsize; amorsize.register_joblib_backend()\n"


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
        (place / "test_parallel.py").write_text(head + REGISTER + mark + rest, encoding="utf-8")
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
