"""Runs the tests as `make test` and `make test-long` do, and what failed once more, by itself.

``lanes.py quick``: all tests but the long ones, by two pytest processes side by side. The first runs
what starts workers and servers, and waits much; the second what computes, in its own process or in
programs. Each has a temporary folder of its own, since some tests look for files that others left there.
Where there is one core only they run one after the other. ``lanes.py long``: the long tests, by one.

A test that fails runs once more when nothing runs beside it: what passes then is named as unsteady, and
what fails again fails the whole. Many failures are no accident and are not tried again.
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
    "tests/cli",
    "tests/contract/history",
    "tests/docs",
    "tests/same_as_loop",
    "tests/test_architecture.py",
    "tests/unit/inspection",
    "tests/unit/items",
    "tests/unit/learning",
    "tests/unit/planning",
    "tests/unit/pruning",
    "tests/unit/reporting",
    "tests/unit/validation",
]
"""What the second process runs; the first runs all else, so that no test is forgotten. By themselves both
take 6 to 7 minutes: what is added here is to keep it so."""
LANES = {
    "quick": [[f"--ignore={name}" for name in COMPUTING], COMPUTING],
    "long": [["tests"]],
}
MARKS = {"quick": "not long", "long": "long"}
TRIED_AGAIN = 12
"""Failures that may be accidents of a busy machine; more of them are none."""
FAILED, NOTHING_RAN = 1, 5
"""Exit codes of pytest."""


class Lane:
    """One pytest process with a temporary folder and a cache of its own."""

    def __init__(self, kind: str, words: list[str], folder: Path, output: Path | None) -> None:
        self._words = [sys.executable, "-m", "pytest", "-m", MARKS[kind], *words]
        self._words += ["-o", f"cache_dir={folder / 'cache'}"]
        self._folder, self._output = folder, output
        folder.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str, shown: bool = False) -> subprocess.Popen[bytes]:
        """Begin; output goes to the lane's file, or on screen where it has none or is ``shown``."""
        environment = {**os.environ, "TMPDIR": str(self._folder)}
        words = [*self._words, *more]
        if self._output is None or shown:
            self.process = subprocess.Popen(words, cwd=ROOT, env=environment)
        else:
            with open(self._output, "wb") as file:
                self.process = subprocess.Popen(
                    words, cwd=ROOT, env=environment, stdout=file, stderr=file
                )
        return self.process

    def failures(self) -> list[str]:
        """The tests that failed, as pytest remembers them."""
        import json

        path = self._folder / "cache" / "v" / "cache" / "lastfailed"
        return sorted(json.loads(path.read_text("utf-8"))) if path.exists() else []

    def try_again(self) -> int:
        """Run what failed once more, by itself; the exit code."""
        failed = self.failures()
        if not 0 < len(failed) <= TRIED_AGAIN:
            return FAILED
        print(f"{len(failed)} failed; each once more, by itself:", *failed, sep="\n  ", flush=True)
        code = self.start("--last-failed", "--last-failed-no-failures=none", shown=True).wait()
        if not code:
            print("unsteady (failed once, passed alone):", *failed, sep="\n  ", flush=True)
        return code


def main(kind: str) -> int:
    """0 if all tests passed, at the latest when they ran by themselves."""
    began = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="tests-"))
    place.chmod(0o755)  # a server that tests start as another user has its folder inside
    lanes = [
        Lane(kind, words, place / str(number), place / f"output-{number}" if number else None)
        for number, words in enumerate(LANES[kind])
    ]
    try:
        for number, lane in enumerate(lanes):
            running = lane.start()
            if usable_cores() == 1 or number + 1 == len(lanes):
                running.wait()
        codes = [lane.process.wait() for lane in lanes if lane.process is not None]
        for number in range(1, len(lanes)):
            text = (place / f"output-{number}").read_text(encoding="utf-8", errors="replace")
            print(text, flush=True)
        codes = [
            lane.try_again() if code == FAILED else code
            for lane, code in zip(lanes, codes, strict=True)
        ]
    except (
        KeyboardInterrupt
    ):  # the processes were interrupted by the same key, and end by themselves
        return 130
    finally:
        for lane in lanes:
            if lane.process is not None:
                lane.process.kill()
        shutil.rmtree(place, ignore_errors=True)
    passed = time.monotonic() - began
    print(f"in {passed:.0f} s: {'passed' if not any(codes) else 'FAILED'}", flush=True)
    return max(codes, default=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "quick"))
