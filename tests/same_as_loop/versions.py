"""Are the verdicts on all cases the same on every Python? ``python versions.py PYTHON ...``

Each Python named gets an environment of its own with the packages that cases import (build/verdicts/;
needs a package index the first time), runs ``verdicts.py --json``, and is compared with this one: by
case, whether the rules, the watch and the search for what is held found something. Cases that import
other libraries are counted, and left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLACE = ROOT / "build" / "verdicts"
PACKAGES = (
    "numpy",
    "pandas",
    "cloudpickle",
    "threadpoolctl",
    "tqdm",
    "requests",
    "httpx",
    "urllib3",
)
COMPARED = (
    "rules",
    "no_threads",
    "no_processes",
    "draws",
    "watch",
    "item",
    "left_open",
    "held",
    "left",
)


def made(python: str) -> Path:
    """The interpreter of an environment for a Python; made where it is missing."""
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    place = PLACE / version
    inside = place / "bin" / "python"
    if not (place / "done").exists():
        subprocess.run([python, "-m", "venv", "--clear", "--without-pip", place], check=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", inside, "install", "-q", *PACKAGES],
            check=True,
        )
        (place / "done").touch()
    return inside


def verdicts(python: Path | str) -> dict[str, dict[str, Any]]:
    """What is said of each case on a Python."""
    with tempfile.TemporaryFile() as out:  # a pipe would be kept open by what cases have started
        subprocess.run(
            [python, HERE / "verdicts.py", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            check=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"},
        )
        out.seek(0)
        lines = out.read().decode().splitlines()
    told: dict[str, dict[str, Any]] = json.loads(lines[-1])
    return told


def main() -> None:
    """Compare, and name what differs; exit code 1 where something does."""
    here = verdicts(sys.executable)
    print(f"{sys.version.split()[0]}: {len(here)} cases")
    differ = False
    for python in sys.argv[1:]:
        inside = made(python)
        there = verdicts(inside)
        lacking = {name for name in here if "No module named" in there[name].get("error", "")}
        apart = {
            name: [key for key in COMPARED if bool(said.get(key)) != bool(there[name].get(key))]
            for name, said in here.items()
            if name not in lacking
        }
        found = {name: keys for name, keys in apart.items() if keys}
        differ = differ or bool(found)
        same = f"{len(apart) - len(found)} of {len(apart)} the same"
        print(f"{inside.parents[1].name}: {same}, {len(lacking)} import what is not there")
        for name, keys in found.items():
            told = {key: (here[name].get(key), there[name].get(key)) for key in keys}
            print(f"  {name}: {told} {there[name].get('error', '')}")
    sys.exit(differ)


if __name__ == "__main__":
    main()
