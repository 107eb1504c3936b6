"""Builds sdist and wheel as a release does, and installs them into empty environments: `make package`.

::

    files under git --> a copy, README with whole addresses --> sdist, wheel; twice, compared --> dist/
    each Python x (wheel, sdist, wheel with the lowest dependencies) --> pip check, smoke.py, the command

``packages.py [PYTHON ...]`` takes the interpreters to try; by default all that are found (3.11 or newer).
``packages.py --dev`` prints the packages of the dependency groups, for `make lock`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
SMOKE = Path(__file__).with_name("smoke.py")
OLDEST, NEWEST = 11, 15
"""Minor versions of Python 3 that are looked for."""


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def dev_packages() -> list[str]:
    """Every package of the dependency groups."""
    groups = project()["dependency-groups"].values()
    return sorted({name for group in groups for name in group if isinstance(name, str)})


def lowest(requirement: str) -> str:
    """A requirement with its lowest version only: ``numpy==1.25`` for ``numpy>=1.25``."""
    what, _, marker = requirement.partition(";")
    found = re.fullmatch(r"([\w.-]+)>=([\w.]+)(?:,<[\w.]+)?", what.strip())
    if found is None:
        raise ValueError(f"{requirement!r} states no lowest version")
    return f"{found[1]}=={found[2]}" + (f"; {marker.strip()}" if marker else "")


def with_addresses(text: str, address: str) -> str:
    """A page with whole addresses for files of the repository, as a package index needs them."""
    return re.sub(r"\]\((?![a-z]+:|#)([^)]+)\)", rf"]({address}/blob/main/\1)", text)


def run(*words: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program; its output, or an error that shows it."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd, env={**os.environ, **(env or {})}, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\n{done.stdout}\nleft with {done.returncode}")
    return done.stdout


def copied(place: Path) -> Path:
    """The files under git as they are now, with whole addresses in README.md."""
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0"):
        if name and (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    readme = place / "README.md"
    address = project()["project"]["urls"]["Source"]
    readme.write_text(with_addresses(readme.read_text(encoding="utf-8"), address), encoding="utf-8")
    return place


def build(place: Path) -> list[Path]:
    """sdist and wheel in dist/. Built twice: both times the contents are the same, byte for byte."""
    commit_seconds = run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip()
    copied(place / "first" / "source")
    shutil.copytree(place / "first" / "source", place / "second" / "source")
    kinds = []
    for name in ("first", "second"):
        source, out = place / name / "source", place / name / "dist"
        environment = {"SOURCE_DATE_EPOCH": commit_seconds}
        run(sys.executable, "-m", "build", "--outdir", out, source, env=environment)
        kinds.append({path.name: contents(path) for path in sorted(out.iterdir())})
    assert kinds[0] == kinds[1], "two builds differ"
    shutil.rmtree(DIST, ignore_errors=True)
    shutil.copytree(place / "first" / "dist", DIST)
    return sorted(DIST.iterdir())


def contents(path: Path) -> dict[str, str]:
    """Name and digest of each file in an archive."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in members(path)}


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files of an sdist or a wheel."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
        return
    with tarfile.open(path) as sdist:
        for member in sdist.getmembers():
            if member.isfile():
                file = sdist.extractfile(member)
                assert file is not None
                yield member.name, file.read()


def check_contents(wheel: Path, sdist: Path) -> None:
    """What must be in the packages, and what must not."""
    names = set(contents(wheel))
    strange = {
        name for name in names if name.split("/")[0] != "amorsize" and ".dist-info/" not in name
    }
    assert not strange, strange
    assert "amorsize/py.typed" in names and any(name.endswith("licenses/LICENSE") for name in names)
    in_tree = set(run("git", "ls-files", "amorsize", cwd=ROOT).splitlines())
    assert {name for name in names if name.startswith("amorsize/")} == in_tree
    of_sdist = {name.partition("/")[2] for name in contents(sdist)}
    missing = {
        "README.md",
        "LICENSE",
        "pyproject.toml",
        "tests/support/smoke.py",
        *in_tree,
    } - of_sdist
    assert not missing, missing


def pythons() -> list[str]:
    """Interpreters of 3.11 and newer: those on PATH, and pyenv's."""
    found: dict[str, str] = {}
    names = [f"python3.{minor}" for minor in range(OLDEST, NEWEST + 1)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for word in [sys.executable, *names, *map(str, sorted(pyenv.glob("3.*/bin/python")))]:
        code = (
            "import sys, ensurepip; print(sys.version_info[:2] >= (3, 11), sys.version.split()[0])"
        )
        try:
            done = subprocess.run([word, "-c", code], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.startswith("True"):
            found.setdefault(".".join(done.stdout.split()[1].split(".")[:2]), word)
    return [found[version] for version in sorted(found)]


def try_package(python: str, place: Path, package: Path, constraints: list[str]) -> str:
    """Install a package into an empty environment, and use it; the versions that it got."""
    run(python, "-m", "venv", place)
    inside = place / "bin" / "python"
    pip = (inside, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", "--only-binary", "numpy", package, *constraints)
    run(*pip, "check")
    said = run(inside, "-W", "error", SMOKE, cwd=place)
    told = run(place / "bin" / "amorsize", "run", "math:sqrt", "--range", "2", cwd=place)
    assert told == "0.0\n1.0\n", told
    return said.splitlines()[-1]


def check_types(python: Path, place: Path) -> None:
    """A type checker outside of the environment finds the types of the package in it."""
    program = place / "typed.py"
    program.write_text(
        "import amorsize\nreveal_type(amorsize.execute(len, ['a']))\n", encoding="utf-8"
    )
    words = ["--strict", "--config-file", os.devnull, "--python-executable", python, program]
    told = run(sys.executable, "-m", "mypy", *words, cwd=place)
    assert re.search(r"list\[(builtins\.)?int\]", told), told


def main(words: list[str]) -> None:
    """Build, check and try."""
    if "--dev" in words:
        print("\n".join(dev_packages()))
        return
    with tempfile.TemporaryDirectory(prefix="packages-") as folder:
        place = Path(folder)
        wheel, sdist = sorted(build(place), key=lambda path: path.suffix != ".whl")
        print(
            f"{wheel.name} {wheel.stat().st_size:,} bytes, {sdist.name} {sdist.stat().st_size:,} bytes"
        )
        print(run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist).strip())
        check_contents(wheel, sdist)
        floors = [
            lowest(one)
            for one in project()["project"]["dependencies"]
            if "platform_system" not in one
        ]
        kinds: list[tuple[str, Path, list[str]]] = [
            ("wheel", wheel, []), ("sdist", sdist, []), ("wheel, lowest", wheel, floors),
        ]  # fmt: skip
        tries = [(python, *kind) for python in words or pythons() for kind in kinds]

        def one(number: int) -> str:
            python, kind, package, constraints = tries[number]
            home = place / str(number)
            said = try_package(python, home, package, constraints)
            if kind == "wheel":
                check_types(home / "bin" / "python", home)
            return f"{kind}: {said}"

        with ThreadPoolExecutor(2) as pool:  # pip waits as much as it computes
            for said in pool.map(one, range(len(tries))):
                print(said, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
