"""The tests on every Python that is found: ``make everywhere``. Takes hours; the table stays in the docs.

::

    each Python --> build/everywhere/X.Y: the newest packages that it can have --> pytest
                --> one row of docs/reference/everywhere.md, and the names of what failed

``everywhere.py [--all] [PYTHON ...]``: by default what depends on the interpreter (reading functions,
engine, calls, streams, backends, coroutines, the suite "same as the loop"), with ``--all`` every test
but the long ones. Packages that a Python cannot have, and one that cannot be run, are told of.

``everywhere.py --quick [PYTHON ...]``: the smallest such part, on 3.13 and 3.14 only, with few packages
and without a row of the table (but with ``--log``), as the continuous integration runs it in some
minutes. Where one of the two is not there, a line says that it is skipped.

``everywhere.py --wine PROGRAM [--all [--only FOLDER ...]]``: the official CPython for Windows under Wine
(``.ci/wine``): the command line, then a part of the tests that covers every package, or with ``--all``
every test but the long ones and those of ``tests/wine_skips.txt``, whose row tells what share of them all
passed. It may be run in parts, folder by folder: what came of each file, and of which commit, stays in
``tests/wine_X.Y.Z.jsonl``.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.counts import Round, by_folder, kind_of, read_record, read_report, record_of
from support.everywhere_page import UNDER_WINE, keep, keep_page
from support.lent_server import lend
from support.packages import ROOT, project, pythons
from support.postgresql import program as program_of_postgresql
from support.skips import allowed_skips, reason_not_to_run

PLACE = ROOT / "build" / "everywhere"
PART = [
    "tests/api", "tests/contract/backend", "tests/hosts/asyncio", "tests/same_as_loop",
    "tests/unit/backends", "tests/unit/core", "tests/unit/engine", "tests/unit/inspection",
    "tests/unit/items", "tests/unit/machine",
]  # fmt: skip
"""What depends on the interpreter."""
QUICK = [
    "tests/api/test_execute.py", "tests/api/test_stream.py", "tests/contract/backend/test_own_workers.py",
    "tests/hosts/asyncio", "tests/unit/inspection", "tests/unit/machine/test_thread_owner.py",
]  # fmt: skip
"""What of it the continuous integration runs on other Pythons, too."""
QUICK_PYTHONS = ("3.13", "3.14")
QUICK_PACKAGES = ["httpx", "hypothesis", "numpy", "pandas", "pytest", "pytest-timeout", "requests"]
WINE_QUICK = [
    "tests/contract/backend/test_own_workers.py", "tests/contract/history",
    "tests/unit/backends/test_windows.py", "tests/unit/checkpoint", "tests/unit/core",
    "tests/unit/inspection/test_effects.py", "tests/unit/inspection/test_fingerprint.py",
    "tests/unit/inspection/test_seldom.py", "tests/unit/items", "tests/unit/learning/test_learner.py",
    "tests/unit/machine", "tests/unit/planning/test_choose.py", "tests/unit/profiling",
    "tests/unit/reporting/test_trace.py", "tests/unit/storage", "tests/cli/test_cli_usage.py",
]  # fmt: skip
"""What is run under Wine with each change: some of every package, and how workers end on Windows."""
WINE_NOT_QUICK = {
    "tests/cli/test_cli_usage.py": [
        "test_doctor_says_what_it_did_not_measure_and_why",
        "test_help_documents_every_exit_code[c", "test_help_documents_every_exit_code[doctor]",
        "test_help_documents_every_exit_code[history]", "test_help_documents_every_exit_code[plan]",
        "test_help_documents_every_exit_code[validate]", "test_unknown_words_exit_with_2",
        "test_wrong_usage_is_one_clear_line[run jobs:upper ",
    ],
    "tests/contract/backend/test_own_workers.py": [
        "TestFake", "TestThreadsWithTimeLimit::test_each_result_once_and_in_its_place[500]",
    ],
    "tests/unit/core/test_lazy.py": ["test_no_name_that_is_read_late_is_that_of_a_module_beside_it"],
    "tests/unit/items/test_chains.py": [
        f"test_the_loops_exception_arrives[{kind}-spawn]"
        for kind in ("caused", "in_a_group", "noted", "three_deep", "while_handling")
    ],
    "tests/unit/items/test_source.py": [
        f"test_no_option_costs_an_item[{kind}"
        for kind in (
            "auto-more0-<", "auto-more1", "backend1-more0-<", "backend1-more1", "backend2-more0",
        )
    ],
    "tests/unit/learning/test_learner.py": [
        "test_a_run_that_could_read_but_a_part_keeps_the_larger_predictor"
    ],
}  # fmt: skip
"""How the names of tests begin that are left out of it: a second case of what is in it, or nothing of the
system; each takes Wine seconds."""
WINE_QUICK_SECONDS = 1500
"""Longest run of it."""
TRIED_AGAIN = 12
"""Failures that may be accidents of a busy machine and run once more, by themselves; more are none."""
SECONDS = 4 * 3600
"""Longest run of one Python."""
FILE_SECONDS = 900
"""Longest run of one file of tests under Wine."""
SYSTEM = f"{platform.system()}, {platform.machine()}"
SAID_SECONDS = 600
"""Longest run of a program whose words are wanted."""
COUNTS = "counts"
COUNTS_HEAD = (
    "Tests that Linux has; those that passed; those that were skipped, by the kind of the reason that "
    "`tests/wine_skips.txt` or the test gives (*Linux*: a facility of Linux; *test*: how the test is "
    "written; *load*, *clock*: seen to fail under Wine beside other work, or where clocks come in "
    "steps); those that failed, or did not end. What came of each file, and of which commit, stands in "
    "`tests/wine_3.11.9.jsonl`."
)
COMMAND_LINE = ["--version", "doctor --json", "run math:factorial --range 1:20"]
"""What the command line must do under Wine."""


def said_by(*words: str | Path) -> str:
    """What a program prints; "" where it fails, or takes too long."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=SAID_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def version(python: str) -> str:
    """Its version in full, with "t" where it has no GIL; "" where it does not run."""
    code = (
        "import platform, sys; gil = getattr(sys, '_is_gil_enabled', lambda: True)(); "
        "print(platform.python_version() + ('' if gil else 't'))"
    )
    return said_by(python, "-c", code)


def environment(python: str, number: str, wanted: list[str]) -> tuple[Path, list[str]]:
    """An environment with the newest of these packages, and the names of those that cannot be had."""
    inside = PLACE / number / "bin" / "python"
    if (
        not inside.exists()
    ):  # some systems split ensurepip off: the pip of this environment fills it
        subprocess.run([python, "-m", "venv", "--without-pip", str(PLACE / number)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(inside), "--disable-pip-version-check"]
    pip += ["install", "--quiet"]
    wheels = [*pip, "--only-binary", ":all:"]
    missing = []
    if subprocess.run([*wheels, *wanted], capture_output=True).returncode:
        missing = [
            name
            for name in wanted
            if subprocess.run([*wheels, name], capture_output=True).returncode
        ]
    subprocess.run([*pip, "--editable", str(ROOT)], check=True)
    return inside, missing


def tried(
    inside: Path, number: str, paths: list[str], seconds: float = SECONDS
) -> tuple[str, list[str]]:
    """What came out, in words, and the names of the tests that failed.

    A few that fail run once more, alone: they count as failed if they fail again."""
    first = one_round(inside, number, paths, seconds)
    if not 0 < len(first.failed) <= TRIED_AGAIN:
        return str(first), first.failed or (["everything"] if first.ended else [])
    again = one_round(inside, number, ["--last-failed", *paths], seconds)
    return f"{first}; these once more: {again}", again.failed


def one_round(inside: Path, number: str, paths: list[str], seconds: float = SECONDS) -> Round:
    """One run of pytest."""
    # Named from here: Windows has no name for the root of Linux.
    near = (PLACE / number).relative_to(ROOT).as_posix()
    report = ROOT / f"{near}.xml"
    report.unlink(missing_ok=True)
    words = [str(inside), "-m", "pytest", "-q", "-m", "not long"]
    words += ["-o", f"cache_dir={near}-cache", f"--junitxml={near}.xml"]
    environment = {
        **os.environ,
        "CI": "",
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPATH": str(ROOT),
    }  # other skips than on 3.11
    run = subprocess.Popen([*words, *paths], cwd=ROOT, env=environment, start_new_session=True)
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return Round(ended=f"did not end in {seconds} s")
    if not report.exists():
        return Round(ended="pytest did not come to its end")
    return read_report(report)


def quick(found: list[str], log: bool) -> int:
    """The smallest part on each of ``QUICK_PYTHONS`` that is there; 1 if a test failed."""
    bad = 0
    numbers = {python: version(python) for python in found}
    for wanted in QUICK_PYTHONS:
        python = next((one for one in found if numbers[one].startswith(wanted + ".")), None)
        if python is None:
            print(f"Python {wanted}: not on this machine; its tests are skipped", flush=True)
            continue
        inside, missing = environment(python, numbers[python], QUICK_PACKAGES)
        came, failed = tried(inside, numbers[python], QUICK)
        came += f"; without {', '.join(missing)}" if missing else ""
        bad |= told(inside, SYSTEM, numbers[python], "quick part", came, failed, log=log)
    return bad


def wine(program: str, all_of_them: bool, log: bool, only: list[str]) -> int:
    """The tests under Wine, of which nothing stays; 1 if one failed, or the command line did."""
    try:
        return under_wine(program, all_of_them, log, only)
    finally:
        prefix = str(Path(program).parents[1] / "prefix")
        subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": prefix})


def under_wine(program: str, all_of_them: bool, log: bool, only: list[str]) -> int:
    """The command line, then the part of the tests that is asked for."""
    number = version(program)
    for words in COMMAND_LINE:
        if not said_by(program, "-m", "amorsize", *words.split()):
            print(f"Windows' Python {number} under Wine: amorsize {words} failed", flush=True)
            return 1
    if not all_of_them:
        cut = [f"{file}::{name}" for file, names in WINE_NOT_QUICK.items() for name in names]
        paths = [*WINE_QUICK, *(f"--deselect={name}" for name in cut)]
        came, failed = tried(Path(program), f"wine-{number}", paths, WINE_QUICK_SECONDS)
        return told(Path(program), UNDER_WINE, number, "quick part", came, failed, log=log)
    if not only and not on_both(program):
        return 1
    with lender():
        came, failed, table = file_by_file(Path(program), number, only)
    bad = told(Path(program), UNDER_WINE, number, "all but the long", came, failed)
    print(*table, sep="\n")
    keep_page(f"{number}, under Wine: {COUNTS}", ["", COUNTS_HEAD, "", *table])
    return bad


def lender() -> AbstractContextManager[object]:
    """PostgreSQL of this machine for tests under Wine, where it has one."""
    return lend() if program_of_postgresql("pg_ctl") is not None else nullcontext()


def on_both(program: str) -> bool:
    """The same functions, a history and checkpoints on Linux and under Wine, begun on either."""
    for order in ((sys.executable, program), (program, sys.executable)):
        place = PLACE / "both"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        near = place.relative_to(ROOT).as_posix()
        for python in order:
            said = said_by(python, "tests/support/both_systems.py", near)
            print(said or f"{python}: both_systems.py failed", flush=True)
            if not said:
                return False
    return True


def file_by_file(inside: Path, number: str, only: list[str]) -> tuple[str, list[str], list[str]]:
    """Each file of tests by a pytest of its own, two at a time: on Windows one test that hangs ends its
    whole pytest. What came out, in words, what failed, and the counts by folder.

    With ``only``, of the files that are not below these folders the last result is taken."""
    patterns = allowed_skips((ROOT / "tests" / "wine_skips.txt").read_text(encoding="utf-8"))
    asked = said_by(
        sys.executable, "-m", "pytest", "-m", "not long", "--collect-only", "-q", "tests"
    )
    nodes = [line for line in asked.splitlines() if "::" in line]
    count = Counter(node.partition("::")[0] for node in nodes)
    record = ROOT / "tests" / f"wine_{number}.jsonl"
    known = read_record(record.read_text(encoding="utf-8")) if record.exists() else {}
    rounds = {name: found for name, found in known.items() if name in count}
    files = []
    for name, tests in sorted(count.items()):
        reason = reason_not_to_run(name, patterns)
        if reason is not None:
            rounds[name] = Round(skipped=Counter({kind_of(reason): tests}))
        elif not only or any(name.startswith(folder) for folder in only):
            files.append(name)
    if only:  # in the order in which they were named
        files.sort(key=lambda name: [name.startswith(folder) for folder in only].index(True))
    commit = said_by("git", "rev-parse", "--short", "HEAD")
    with ThreadPoolExecutor(2) as lanes:
        for name, found in lanes.map(lambda name: (name, one_file(inside, number, name)), files):
            rounds[name] = replace(found, commit=commit)
            record.write_text(record_of(rounds), encoding="utf-8")
    return summed_up(nodes, rounds)


def summed_up(nodes: list[str], rounds: dict[str, Round]) -> tuple[str, list[str], list[str]]:
    """What came of all tests that Linux has: in words, what failed, and the counts by folder."""
    passed = sum(found.passed for found in rounds.values())
    failed = []
    for file, found in sorted(rounds.items()):
        failed += found.failed or ([file] if found.ended else [])
    share = 100 * passed / len(nodes)
    came = f"{passed:,} of the {len(nodes):,} tests that Linux has passed ({share:.1f} %)"
    came += f", {len(failed)} failed"
    left = sum(node.partition("::")[0] not in rounds for node in nodes)
    came += f", {left:,} were not run" if left else ""
    return came, failed, by_folder(nodes, rounds)


def one_file(inside: Path, number: str, name: str) -> Round:
    """The tests of a file; once more if some failed."""
    place = f"wine-{number}-{name.replace('/', '-')}"
    first = one_round(inside, place, [name], FILE_SECONDS)
    if not first.failed and not first.ended:
        return first
    again = one_round(inside, place, [name], FILE_SECONDS)
    found = again if again.passed > first.passed else first
    print(f"{name}: {found.passed} passed {found.ended}", *found.failed, sep="\n  ", flush=True)
    return found


def main(words: list[str]) -> int:
    """Try each Python; 1 if a test failed on one, or one could not be tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--log", action="store_true", help="keep a row of a quick part, too")
    parser.add_argument("--wine", metavar="PROGRAM")
    parser.add_argument("--only", metavar="FOLDER", nargs="*", default=[])
    parser.add_argument("pythons", nargs="*")
    chosen = parser.parse_args(words)
    # Begun in the background it would be ignored, by the tests of interrupts too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if chosen.wine:
        return wine(chosen.wine, chosen.all, chosen.log, chosen.only)
    if chosen.quick:
        return quick([*chosen.pythons, *pythons()], chosen.log)
    what, paths = ("all but the long", ["tests"]) if chosen.all else ("part", PART)
    bad = 0
    for python in chosen.pythons or pythons():
        number = version(python)
        if not number:
            print(f"{python}: does not run here", flush=True)
            bad = 1
            continue
        bad |= one_python(python, number, what, paths)
    return bad


def one_python(python: str, number: str, what: str, paths: list[str]) -> int:
    """Run the tests and write the row; 1 if one failed."""
    inside, missing = environment(python, number, project()["dependency-groups"]["tests"])
    came, failed = tried(inside, number, paths)
    came += f"; without {', '.join(missing)}" if missing else ""
    return told(inside, SYSTEM, number, what, came, failed)


def told(
    inside: Path,
    system: str,
    number: str,
    what: str,
    came: str,
    failed: list[str],
    *,
    log: bool = True,
) -> int:
    """Print what came out and write it into the table, if asked for; 1 if a test failed."""
    print(f"{system}, Python {number}: {came}", *failed, sep="\n  ", flush=True)
    if not log:
        return int(bool(failed))
    numpy = said_by(inside, "-c", "import numpy; print(numpy.__version__)") or "none"
    commit = said_by("git", "rev-parse", "--short", "HEAD")
    today = datetime.date.today().isoformat()
    keep([system, number, what, came, numpy, commit, today], failed)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
