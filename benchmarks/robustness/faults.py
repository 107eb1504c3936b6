"""Every fault that is known, injected into amorsize and its peers: what comes of it?

    python -m benchmarks.robustness.faults [--only GROUP] [--write docs/reference/faults.md] [--beside 3]
    python -m benchmarks.robustness.faults one CONTENDER "FAULT" FILE      (a single case, as the
    others are run)

Each case is a process of its own, in a session of its own, that maps a function with a fault over 100
items on two workers. It has so many seconds, then its session is killed and the verdict is a hang. The
functions are those of ``tests/faults``. Peers are called as their documentation shows, with a time limit
where they offer one and the fault is one of time.

Verdicts: ``right``, the loop's results; ``named``, an error that names the item, all other results
kept; ``raised``, the function's (or source's) own exception, and no results; ``error``, some other one;
``wrong``, results that differ; ``crash``, the caller is gone; ``hang``.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.robustness.known_faults import CULPRIT, FAULTS, ITEMS, LIMITS, ROOT, Fault

LIMIT_SECONDS = 30.0
"""For a case: sound ones take 0.1 to 2 s, and ten times as long on a crowded machine."""
GONE_SECONDS = 1.0
"""After the end of the caller; then what is left of its session is counted."""
ITEM_LIMIT_SECONDS = 0.5
"""The time limit given to an item that hangs (to the whole call where there is only that)."""
CALL_LIMIT_SECONDS = 3.0
NOBODY = 65534


# -- users ---------------------------------------------------------------------------------------------


def _unused_user() -> int:
    used = {1}
    for one in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            used.add(one.stat().st_uid)
    return next(n for n in range(61_000 + os.getpid() % 1000, 64_000) if n not in used)


def _prefix(fault: Fault) -> list[str]:
    if fault.group != "limit" or fault.limit == "no /dev/shm" or os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        return []
    user = _unused_user() if "processes" in fault.limit else NOBODY
    only = "-all,+dac_read_search"  # the interpreter may be in a folder that is root's alone
    caps = [f"--{kind}={only}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", f"--reuid={user}", f"--regid={NOBODY}", "--clear-groups", *caps]


# -- contenders ----------------------------------------------------------------------------------------


def _amorsize(backend: str) -> Callable[[Any, Any, bool], list[Any]]:
    def run(func: Any, data: Any, slow: bool) -> list[Any]:
        import amorsize

        options: dict[str, Any] = {"timeout": ITEM_LIMIT_SECONDS} if slow else {}
        return amorsize.execute(
            func, data, backend=backend, n_jobs=2, on_error="collect", history=None, **options
        )

    return run


def _executor(kind: str) -> Callable[[Any, Any, bool], list[Any]]:
    def run(func: Any, data: Any, slow: bool) -> list[Any]:
        with getattr(concurrent.futures, kind)(2) as executor:
            return list(executor.map(func, data, timeout=CALL_LIMIT_SECONDS if slow else None))

    return run


def _joblib(func: Any, data: Any, slow: bool) -> list[Any]:
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=2, timeout=CALL_LIMIT_SECONDS if slow else None)
    return list(parallel(delayed(func)(item) for item in data))


def _loky(func: Any, data: Any, slow: bool) -> list[Any]:
    from loky import get_reusable_executor

    limit = CALL_LIMIT_SECONDS if slow else None
    return list(get_reusable_executor(max_workers=2).map(func, data, timeout=limit))


def _mpire(func: Any, data: Any, slow: bool) -> list[Any]:
    from mpire.pool import WorkerPool

    with WorkerPool(2) as pool:
        limit = ITEM_LIMIT_SECONDS if slow else None
        items = [(item,) for item in data]
        return list(pool.map(func, items, task_timeout=limit))


def _pool(func: Any, data: Any, slow: bool) -> list[Any]:
    from multiprocessing import Pool

    with Pool(2) as pool:
        return pool.map_async(func, data).get(CALL_LIMIT_SECONDS if slow else None)


CONTENDERS: dict[str, Callable[[Any, Any, bool], list[Any]]] = {
    "amorsize fork": _amorsize("fork"),
    "amorsize spawn": _amorsize("spawn"),
    "ProcessPoolExecutor": _executor("ProcessPoolExecutor"),
    "ThreadPoolExecutor": _executor("ThreadPoolExecutor"),
    "joblib": _joblib,
    "loky": _loky,
    "mpire": _mpire,
    "multiprocessing.Pool": _pool,
}
OURS = ("amorsize fork", "amorsize spawn")


# -- one case ------------------------------------------------------------------------------------------


def judge(fault: Fault, found: list[Any]) -> str:
    """What results say."""
    expected = [fault.expected(item) for item in range(fault.count)]
    if fault.name == "changes directory":
        return "right" if set(found) <= set(expected) and len(found) == ITEMS else "wrong"
    if found == expected:
        return "right"
    if not fault.culprit or len(found) != len(expected):
        return "wrong"
    error = found[CULPRIT]
    rest = found[:CULPRIT] + found[CULPRIT + 1 :] == expected[:CULPRIT] + expected[CULPRIT + 1 :]
    named = getattr(error, "index", None) == CULPRIT and hasattr(error, "exception")
    if not named and fault.odd_result is not None:  # it need not travel here
        return "right" if rest and type(error) is fault.odd_result else "wrong"
    return "named" if rest and named else "wrong"


def one(contender: str, name: str, path: str) -> None:
    """The process of a case: leaves its verdict in a file."""
    fault = FAULTS[name]
    out = os.open(path, os.O_WRONLY)
    if fault.limit:
        LIMITS[fault.limit]()
    try:
        func = fault.func(f"{path}.calls")
        found = CONTENDERS[contender](func, fault.data(), fault.group == "an item never ends")
        verdict = judge(fault, found)
    except BaseException as error:
        kind = type(error).__name__
        own = fault.raises and kind in (fault.raises, f"_{fault.raises}")
        verdict = "raised" if own else f"error {kind}"
    os.write(out, verdict.encode())
    os.close(out)
    os._exit(0)


def _session(number: int) -> set[int]:
    """Living processes of a session."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z" and int(fields[3]) == number:
                    found.add(int(entry.name))
    return found


def case(contender: str, name: str, folder: str) -> str:
    """Run it in a process of its own; the verdict."""
    path = os.path.join(folder, f"{contender}-{name}".replace("/", "-").replace(" ", "_"))
    Path(path).touch(0o666)
    Path(path).chmod(0o666)
    words = [
        sys.executable,
        "-B",
        "-m",
        "benchmarks.robustness.faults",
        "one",
        contender,
        name,
        path,
    ]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    process = subprocess.Popen(
        [*_prefix(FAULTS[name]), *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": paths, "AMORSIZE_HISTORY": "off"},
    )
    try:
        process.wait(LIMIT_SECONDS)
        verdict = Path(path).read_text() or "crash"
        if contender in OURS:  # who of the peers keeps workers for the next call may do so
            deadline = time.monotonic() + GONE_SECONDS
            while (left := _session(process.pid)) and time.monotonic() < deadline:
                time.sleep(0.02)
            if left and "session" not in name and "child" not in name:
                verdict += ", processes left"
    except subprocess.TimeoutExpired:
        verdict = "hang"
    finally:
        for pid in {process.pid, *_session(process.pid)}:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    return verdict


# -- all of them ---------------------------------------------------------------------------------------

GOOD = ("right", "named", "raised")


def is_kept(fault: Fault, verdict: str) -> bool:
    """Whether a verdict is what amorsize promises."""
    if fault.ends:
        return verdict == "raised"
    return verdict == "right" or (fault.culprit and verdict == "named")


def run_all(names: list[str], contenders: list[str], beside: int) -> dict[str, dict[str, str]]:
    """Every fault with every contender, ``beside`` of them at a time."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    lock = threading.Lock()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)

        def do(name: str, contender: str) -> None:
            verdict = case(contender, name, folder)
            with lock:
                found[name][contender] = verdict
                print(f"{name:45} {contender:22} {verdict}", flush=True)

        with concurrent.futures.ThreadPoolExecutor(beside) as executor:
            for done in [executor.submit(do, n, c) for n in names for c in contenders]:
                done.result()
    return found


def table(found: dict[str, dict[str, str]], contenders: list[str]) -> str:
    """The matrix in Markdown."""
    lines = []
    for group in dict.fromkeys(FAULTS[name].group for name in found):
        lines += [f"| {group} | " + " | ".join(contenders) + " |"]
        lines += ["| --- |" + " --- |" * len(contenders)]
        for name, row in found.items():
            if FAULTS[name].group == group:
                cells = [_cell(row.get(contender, "-")) for contender in contenders]
                lines.append(f"| {FAULTS[name].name} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(verdict: str) -> str:
    word, _, kind = verdict.partition(" ")
    if word == "error":
        return f"error `{kind}`"
    return verdict if word.strip(",") in (*GOOD, "-") else f"**{verdict}**"


def summary(found: dict[str, dict[str, str]], contenders: list[str]) -> str:
    """How often each verdict fell, for each contender."""
    kinds = ("right", "named", "raised", "error", "wrong", "crash", "hang")
    lines = ["| | " + " | ".join(kinds) + " |", "| --- |" + " ---: |" * len(kinds)]
    for contender in contenders:
        words = [row[contender].split()[0].strip(",") for row in found.values() if contender in row]
        lines.append(
            f"| {contender} | " + " | ".join(str(words.count(kind)) for kind in kinds) + " |"
        )
    return "\n".join(lines)


MARK = "<!-- made by python -m benchmarks.robustness.faults --write; do not edit below -->"


def main() -> int:
    """The command line; 1 if amorsize breaks a promise."""
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:5])
    parser = argparse.ArgumentParser(prog="benchmarks.robustness.faults", description=__doc__)
    parser.add_argument("--only", help="faults whose name contains this")
    parser.add_argument("--ours", action="store_true", help="no peers")
    parser.add_argument("--beside", type=int, default=3, help="cases at the same time")
    parser.add_argument("--write", metavar="FILE", help="renew the table in this document")
    parser.add_argument(
        "--json", metavar="FILE", help="keep the verdicts, and begin with those there"
    )
    options = parser.parse_args()
    contenders = list(OURS) if options.ours else list(CONTENDERS)
    names = [name for name in FAULTS if not options.only or options.only in name]
    known: dict[str, dict[str, str]] = {}
    if options.json and os.path.exists(options.json):
        known = json.loads(Path(options.json).read_text())
    seen = run_all(names, contenders, options.beside)
    found = {**known, **{name: {**known.get(name, {}), **row} for name, row in seen.items()}}
    found = {name: found[name] for name in FAULTS if name in found}
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n")
    text = f"{summary(found, contenders)}\n\n{table(found, contenders)}"
    if options.write:
        path = Path(options.write)
        head = path.read_text().partition(MARK)[0] if path.exists() else "# Faults\n\n"
        about = f"{len(found)} faults, Python {platform.python_version()}, {os.cpu_count()} cores."
        path.write_text(f"{head}{MARK}\n\n{about}\n\n{text}")
    else:
        print(text)
    broken = [
        (name, contender, verdict)
        for name, row in found.items()
        for contender, verdict in row.items()
        if contender in OURS and not is_kept(FAULTS[name], verdict)
    ]
    for one_broken in broken:
        print("not as promised:", *one_broken, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
