"""The tables of docs/guide/moving-over.md: both sides of each row are run and give the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

TEXT = (ROOT / "docs" / "guide" / "moving-over.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| (.+?) \| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)

pytestmark = [pytest.mark.timeout(180), pytest.mark.long]

NAMES = {
    "joblib": "from joblib import Parallel, delayed",
    "concurrent.futures": (
        "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed\n"
        "from itertools import count, islice"
    ),
    "multiprocessing.Pool": (
        "from multiprocessing import Pool\nfrom multiprocessing.pool import ThreadPool"
    ),
    "mpire": "from mpire import WorkerPool",
    "pqdm": (
        "from pqdm.processes import pqdm as pqdm_processes\n"
        "from pqdm.threads import pqdm as pqdm_threads"
    ),
    # pandarallel cannot be imported beside pandas 3. It promises what pandas' own methods give: those
    # stand in for it.
    "pandarallel": (
        "pd.Series.parallel_apply, pd.Series.parallel_map = pd.Series.apply, pd.Series.map\n"
        "pd.DataFrame.parallel_apply = pd.DataFrame.apply\n"
        "groups = type(frame.groupby('key'))\n"
        "groups.parallel_apply = groups.apply"
    ),
}
"""What the left sides use."""

PROGRAM = """
import warnings
warnings.simplefilter("ignore")  # the peers' own affairs
import amorsize
from the_module import *
{names}

def same(left, right):
    return bool(left.equals(right)) if isinstance(left, pd.Series) else left == right

if __name__ == "__main__":
    for what, left, right in {rows!r}:
        found, wanted = eval(right), eval(left)
        assert same(wanted, found), (what, wanted, found)
        print("same:", what, flush=True)
"""


def test_every_library_has_its_table() -> None:
    assert SECTIONS.keys() == NAMES.keys()
    for name, text in SECTIONS.items():
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        assert len(ROW.findall(text)) == len(lines) - 2 >= 5, name


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_of_each_row_give_the_same(name: str, tmp_path: Path) -> None:
    rows = ROW.findall(SECTIONS[name])
    module = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert module is not None
    (tmp_path / "the_module.py").write_text(module[1], encoding="utf-8")
    (tmp_path / "rows.py").write_text(PROGRAM.format(names=NAMES[name], rows=rows))
    done = subprocess.run(
        [sys.executable, "rows.py"],
        cwd=tmp_path,
        env={**os.environ, "AMORSIZE_HISTORY": "off"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    assert done.stdout.count("same:") == len(rows)
