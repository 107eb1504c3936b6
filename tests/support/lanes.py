"""All tests but the long ones, by two pytest processes side by side: `make test` runs this.

The first runs what starts workers, servers and interpreters, and waits much; the second what computes in
its own process. Each has a temporary folder of its own, since some tests look for files that others left
there. Where there is one core only they run one after the other.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amorsize.machine.detect import usable_cores

ROOT = Path(__file__).resolve().parents[2]
COMPUTING = [
    "tests/contract/history",
    "tests/docs",
    "tests/unit/inspection",
    "tests/unit/items",
    "tests/unit/learning",
    "tests/unit/planning",
    "tests/unit/pruning",
    "tests/unit/reporting",
    "tests/unit/validation",
]
"""What the second process runs; the first runs all else, so that no test is forgotten."""
PYTEST = [sys.executable, "-m", "pytest", "-m", "not long"]


def start(words: list[str], folder: Path, output: Path | None) -> subprocess.Popen[bytes]:
    """A pytest process whose temporary files are in ``folder``; it writes to ``output`` or on screen."""
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder)}
    if output is None:
        return subprocess.Popen([*PYTEST, *words], cwd=ROOT, env=environment)
    with open(output, "wb") as file:
        return subprocess.Popen(
            [*PYTEST, *words], cwd=ROOT, env=environment, stdout=file, stderr=file
        )


def main() -> int:
    """0 if all tests of both processes passed."""
    began = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="tests-"))
    running: list[subprocess.Popen[bytes]] = []
    try:
        shown = start([f"--ignore={name}" for name in COMPUTING], place / "1", None)
        running.append(shown)
        if usable_cores() == 1:
            shown.wait()
        running.append(start(COMPUTING, place / "2", place / "output"))
        codes = [one.wait() for one in running]
        print((place / "output").read_text(encoding="utf-8", errors="replace"), flush=True)
    except KeyboardInterrupt:  # both were interrupted by the same key, and end by themselves
        codes = [one.wait() for one in running]
        return 130
    finally:
        for one in running:
            one.kill()
        shutil.rmtree(place, ignore_errors=True)
    passed = time.monotonic() - began
    print(f"both in {passed:.0f} s: {'passed' if not any(codes) else 'FAILED'}", flush=True)
    return max(codes, default=1)


if __name__ == "__main__":
    sys.exit(main())
