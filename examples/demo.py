"""The main job on real input: four jobs over the source files of Python's own standard library.

For each one: a progress bar, what amorsize decided and why, its time against the plain loop in the
same run, and the proof that the results are equal.
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
from typing import Any
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

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


def source_files() -> list[Path]:
    """The Python files of the standard library, in a fixed order."""
    root = Path(sysconfig.get_paths()["stdlib"])
    foreign = {"site-packages", "dist-packages"}
    found = sorted(path for path in root.rglob("*.py") if foreign.isdisjoint(path.parts))
    return found[:MOST_FILES]


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


def show(title: str, func: Callable[[Any], Any], data: list[Any]) -> tuple[str, float, float, str]:
    """Do one job both ways; a row of the summary."""
    print(f"\n{title}: {len(data):,} items")
    began = time.perf_counter()
    expected = [func(item) for item in data]
    loop_seconds = time.perf_counter() - began

    sys.stdout.flush()  # the bar goes to standard error
    began = time.perf_counter()
    plan = amorsize.optimize(func, data, progress=True)
    results = plan.execute()
    seconds = time.perf_counter() - began
    print(plan)
    assert results == expected, "the results differ from those of the plain loop"
    print(f"  loop {loop_seconds:.4f} s, amorsize {seconds:.4f} s, results equal")
    return title, loop_seconds, seconds, plan.backend


def main() -> None:
    """All four jobs and a summary."""
    paths = source_files()
    root = Path(sysconfig.get_paths()["stdlib"]).resolve()
    total_bytes = sum(len(path.read_bytes()) for path in paths)  # and now the files are in memory
    print(f"{len(paths):,} files of {root}, {total_bytes / 1e6:.0f} MB")
    rows = [
        show("parse and measure every module (computes)", complexity, paths),
        show("compress every file (computes outside the GIL)", compressed_bytes, paths),
    ]
    with server(root) as address:
        names = [path.relative_to(sysconfig.get_paths()["stdlib"]) for path in paths]
        urls = [f"{address}/{quote(name.as_posix())}" for name in names]
        rows.append(show("fetch every file over HTTP (waits)", fetch, urls))
    rows.append(show("length of every name (trivial)", len, [path.name for path in paths]))

    print(f"\n{'job':48} {'loop':>10} {'amorsize':>10} {'faster':>8}  chosen")
    for title, loop_seconds, seconds, backend in rows:
        times = loop_seconds / seconds
        print(f"{title:48} {loop_seconds:8.4f} s {seconds:8.4f} s {times:7.1f}x  {backend}")
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
