"""A daemon has closed the standard streams: nothing of a run takes their place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(60)

PROGRAM = """
import os, sys
closed, backend, path = sys.argv[1:]
for number in closed:
    os.close(int(number))
    setattr(sys, ("stdin", "stdout", "stderr")[int(number)], None)
import amorsize

def loud(item):
    print("at", item)
    if item % 40 == 0:
        os.system("echo a program says this")
    return item * 3

right = [3 * item for item in range(120)]
asked = {} if backend == "auto" else {"backend": backend}
with open(path, "w") as out:
    print(amorsize.execute(loud, range(120), history=None, **asked) == right, file=out)
    print(list(amorsize.stream(loud, iter(range(120)), history=None, **asked)) == right, file=out)
    print(os.path.exists("/proc/self/fd/" + closed[0]), file=out)
"""


@pytest.mark.parametrize("backend", ["auto", "fork", "spawn", "threads"])
@pytest.mark.parametrize(
    "closed",
    ["012", *(pytest.param(one, marks=pytest.mark.long) for one in ("0", "1", "2", "01", "12"))],
)
def test_runs_without_standard_streams(closed: str, backend: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    words = [sys.executable, "-c", PROGRAM, closed, backend, str(told)]
    subprocess.run(words, timeout=40, capture_output=True, check=True)
    right, streamed, taken = told.read_text().split()
    assert (right, streamed) == ("True", "True")
    assert taken == "True"  # by the file that the program writes to, which is the lowest free one
