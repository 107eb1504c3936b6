"""The main job on real input: four jobs over the source files of Python's own standard library.

For each one: a progress bar, what amorsize decided and why, its time against the plain loop in the
same run, and the proof that the results are equal. Each job runs twice with a history that is empty at
first: the second run knows what the first one learned, and how long it will take.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import sysconfig
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import tqdm

import amorsize

DELAY_SECONDS = 0.01
"""How long the server waits before it answers."""
MOST_FILES = 2000
"""At 10 ms a file the plain loop of the third job then takes about 25 s."""
BRANCHES = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.IfExp, ast.ExceptHandler),
    *(ast.With, ast.AsyncWith, ast.Assert, ast.comprehension, ast.BoolOp, ast.match_case),
)
OPENER = build_opener(ProxyHandler({}))  # a proxy of the user's has no business on loopback


def source_files() -> tuple[Path, list[Path]]:
    """The folder of the standard library and its Python files, in a fixed order.

    Some interpreters (the embeddable one for Windows) have the library in one archive; those of installed
    packages then do."""
    root = Path(sysconfig.get_paths()["stdlib"])
    foreign = {"site-packages", "dist-packages"}
    found = sorted(path for path in root.rglob("*.py") if foreign.isdisjoint(path.parts))
    if not found:
        root = Path(tqdm.__file__).parents[1]
        found = sorted(root.rglob("*.py"))
    return root.resolve(), [path.resolve() for path in found[:MOST_FILES]]


def complexity(path: Path) -> tuple[int, int]:
    """Functions in a module, and ways that branch off in it: computes and holds the GIL."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return 0, 0  # the library's tests hold broken files on purpose
    functions = branches = 0
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            functions += 1
        elif isinstance(node, BRANCHES):
            branches += 1
    return functions, branches


def compressed_bytes(path: Path) -> int:
    """Size of a file when compressed: computes and releases the GIL."""
    return len(zlib.compress(path.read_bytes(), 9))


def fetch(url: str) -> bytes:
    """A file over HTTP: waits."""
    with OPENER.open(url) as response:
        body: bytes = response.read()
    return body


@contextmanager
def server(root: Path) -> Iterator[str]:
    """The address of a slow server for the files below ``root``, in a process of its own."""
    script = Path(__file__).with_name("slow_server.py")
    words = [sys.executable, str(script), str(root), str(DELAY_SECONDS)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()  # its sign to end


def show(
    title: str, func: Callable[[Any], Any], data: list[Any], history: str
) -> tuple[str, float, list[float], str, str]:
    """Do one job in a loop, and twice by amorsize; a row of the summary."""
    print(f"\n{title}: {len(data):,} items")
    began = time.perf_counter()
    expected = [func(item) for item in data]
    loop_seconds = time.perf_counter() - began

    took = []
    for run in ("first run", "second run"):
        print(f"{run}:")
        sys.stdout.flush()  # the bar goes to standard error
        began = time.perf_counter()
        plan = amorsize.optimize(func, data, progress=True, history=history)
        results = plan.execute()
        took.append(time.perf_counter() - began)
        print(plan)
        assert results == expected, "the results differ from those of the plain loop"
        print(f"  loop {loop_seconds:.4f} s, amorsize {took[-1]:.4f} s, results equal")
    return title, loop_seconds, took, plan.backend, forecast(plan)


def forecast(plan: amorsize.Plan) -> str:
    """What the plan had said, and whether it came true."""
    if plan.real_seconds is None or plan.estimated_interval is None:
        return "nothing was left to foretell"
    low, high = plan.estimated_interval
    came = "came true" if low <= plan.real_seconds <= high else "was wrong"
    return f"{low:.3f} to {high:.3f} s said, {plan.real_seconds:.3f} s taken: {came}"


def main() -> None:
    """All four jobs and a summary."""
    with TemporaryDirectory() as folder:
        run_all(f"{folder}/history.sqlite")


def run_all(history: str) -> None:
    """The same with a history of its own."""
    root, paths = source_files()
    total_bytes = sum(len(path.read_bytes()) for path in paths)  # and now the files are in memory
    print(f"{len(paths):,} files of {root}, {total_bytes / 1e6:.0f} MB")
    rows = [
        show("parse and measure every module (computes)", complexity, paths, history),
        show("compress every file (computes outside the GIL)", compressed_bytes, paths, history),
    ]
    with server(root) as address:
        names = [path.relative_to(root) for path in paths]
        urls = [f"{address}/{quote(name.as_posix())}" for name in names]
        rows.append(show("fetch every file over HTTP (waits)", fetch, urls, history))
    names_only = [path.name for path in paths]
    rows.append(show("length of every name (trivial)", len, names_only, history))

    print(f"\n{'job':48} {'loop':>10} {'first':>10} {'second':>10} {'faster':>8}  chosen")
    for title, loop_seconds, (first, second), backend, _ in rows:
        times = loop_seconds / second
        print(
            f"{title:48} {loop_seconds:8.4f} s {first:8.4f} s {second:8.4f} s {times:7.1f}x  {backend}"
        )
    print("what the second run foretold by what the first one learned:")
    for title, *_, said in rows:
        print(f"  {title:46} {said}")
    print(
        "amorsize in one line each: results = amorsize.execute(func, data). Its times include its"
    )
    print(f"progress bar; {trivial_line(paths)}")


def trivial_line(paths: list[Path]) -> str:
    """What the trivial job costs without a bar: the loop's time and little more."""
    names = [path.name for path in paths]
    began = time.perf_counter()
    expected = [len(name) for name in names]
    middle = time.perf_counter()
    results = amorsize.execute(len, names)
    ended = time.perf_counter()
    assert results == expected
    loop_ms, own_ms = 1e3 * (middle - began), 1e3 * (ended - middle)
    return f"without one the trivial job takes {own_ms:.2f} ms, the loop {loop_ms:.2f} ms."


if __name__ == "__main__":
    main()
