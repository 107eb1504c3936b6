"""The faults that are known: which function over which data, and what the loop makes of it."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from support import causes, odd_functions, oddities  # noqa: E402
from support.causes import CULPRIT as CULPRIT  # noqa: E402

ITEMS = 100


@dataclass(frozen=True)
class Fault:
    """A cause: which function over which data, and what the loop makes of it."""

    group: str
    name: str
    func: Callable[[str], Callable[[Any], Any]]
    """Made for a path that it may leave lines in."""
    data: Callable[[], Iterable[Any]] = lambda: range(ITEMS)
    expected: Callable[[int], Any] = lambda item: item
    count: int = ITEMS
    culprit: bool = True
    """One item goes wrong for good; else all results are to be had."""
    raises: str = ""
    """Name of the exception's type that is the function's own, or that of the source."""
    ends: bool = False
    """The run is to end with it, whatever on_error says."""
    limit: str = ""
    """What the process lacks."""
    odd_result: type | None = None
    """Type of the culprit's result, which a process cannot hand over."""


def _dies(name: str) -> Callable[[str], Callable[[Any], Any]]:
    return lambda path: causes.Dies(name, path)


def _hangs(name: str) -> Callable[[str], Callable[[Any], Any]]:
    return lambda path: causes.Hangs(name, path)


def _of(func: Callable[[Any], Any]) -> Callable[[str], Callable[[Any], Any]]:
    return lambda path: func


def _squares(item: int) -> int:
    return item * item


def _directory(item: int) -> str:
    return ("/", "/tmp", "/usr")[item % 3]


def _listed(item: int) -> list[int]:
    return [item]


def _all() -> list[Fault]:
    found = [
        Fault("death of a worker", name, _dies(name), expected=_squares) for name in causes.DEATHS
    ]
    found += [
        Fault(
            "death of a worker",
            "sigkill, once",
            lambda path: causes.Dies("sigkill", path, once=True),
            expected=_squares,
            culprit=False,
        ),
        Fault(
            "death of a worker",
            "while its result is pickled",
            _of(causes.result_is_fatal),
            odd_result=causes.FatalToSend,
        ),
        Fault("death of a worker", "all descriptors closed", _of(causes.closes_everything)),
    ]
    found += [
        Fault("an item never ends", name, _hangs(name), expected=_squares) for name in causes.HANGS
    ]
    found += [
        Fault("exception", name, _of(oddities.Raises(name)), raises=kind)
        for name, (_, kind) in oddities.EXCEPTIONS.items()
    ]
    found += [
        Fault(
            "exception", "recursion without end", _of(oddities.recurses), raises="RecursionError"
        ),
        Fault(
            "exception",
            "more memory than there is",
            _of(oddities.wants_too_much),
            raises="MemoryError",
        ),
    ]
    found += [
        Fault(
            "base exception",
            name,
            _of(oddities.Raises(name)),
            raises=type(make()).__name__,
            ends=True,
        )
        for name, make in oddities.BASE_EXCEPTIONS.items()
    ]
    found += [
        Fault("result", name, _of(oddities.Returns(name)), expected=_listed, odd_result=kind)
        for name, kind in oddities.RESULT_TYPES.items()
    ]
    touchy = Fault("item", "may not be touched", _of(oddities.number_of), culprit=False)
    found += [
        _with(touchy, data=lambda: [oddities.Touchy(x) for x in range(ITEMS)]),
        Fault(
            "item",
            "unpickled at home only",
            _of(oddities.its_number),
            lambda: iter([oddities.NotForOthers(x) for x in range(ITEMS)]),
        ),
        Fault(
            "item",
            "cannot be pickled",
            _of(oddities.number_behind),
            lambda: iter([oddities.LockedItem(x) for x in range(ITEMS)]),
        ),
    ]
    ends: dict[str, Any] = {"raises": "LookupError", "ends": True}
    found += [
        Fault("data", "raise at item 500", _of(abs), lambda: oddities.RaisingAt(500), **ends),
        Fault(
            "data", "a generator that raises", _of(abs), lambda: oddities.raising_at(500), **ends
        ),
        *(
            Fault("data", name, _of(abs), make, count=200, culprit=False)
            for name, make in (
                ("longer than they say", lambda: oddities.SaysItIs(10, 200)),
                ("shorter than they say", lambda: oddities.SaysItIs(9999, 200)),
                ("length cannot be asked", oddities.NoLength),
            )
        ),
    ]
    special = {
        "changes directory": _directory,
        "seeds": odd_functions.seeds,
        "threads": lambda item: 3 * item,
    }
    found += [
        Fault("function", name, _of(func), expected=special.get(name, lambda x: x), culprit=False)
        for name, func in odd_functions.FUNCTIONS.items()
    ]
    found += [Fault("limit", name, _of(causes.heavy), culprit=False, limit=name) for name in LIMITS]
    return found


def _with(fault: Fault, **changes: Any) -> Fault:
    from dataclasses import replace

    return replace(fault, **changes)


# -- limits: the process prepares itself ---------------------------------------------------------------


def _lower(kind: int, limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (limit, limit))


def _no_home() -> None:
    os.environ["HOME"] = "/nonexistent"


def _read_only_home() -> None:
    home = tempfile.mkdtemp()
    os.chmod(home, 0o555)
    os.environ["HOME"] = home


def _little_memory() -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + (256 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _closed_streams() -> None:
    for number in range(3):
        os.close(number)
    sys.stdin = sys.stdout = sys.stderr = None


def _jumping_clock() -> None:
    real, jumps = time.time, iter([0, 7200, -7200, 1e9] * 10**6)
    time.time = lambda: real() + next(jumps)


def _mounted(target: bytes, options: bytes) -> Callable[[], None]:
    def mount() -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None)
        if done or libc.mount(b"none", target, b"tmpfs", 1 if b"000" in options else 0, options):
            raise PermissionError("this user may not mount a file system")

    return mount


LIMITS: dict[str, Callable[[], None]] = {
    "64 open files": _lower(resource.RLIMIT_NOFILE, 64),
    "3 processes and threads": _lower(resource.RLIMIT_NPROC, 3),
    "no home": _no_home,
    "a home that is read-only": _read_only_home,
    "256 MB of addresses more": _little_memory,
    "no standard streams": _closed_streams,
    "a clock that jumps": _jumping_clock,
    "children are not reported": lambda: (  # type: ignore[dict-item]
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ),
    "no /dev/shm": _mounted(b"/dev/shm", b"size=4k,mode=000"),
}
"""All but the last as a user without privileges: root ignores most limits."""


FAULTS = {f"{fault.group}: {fault.name}": fault for fault in _all()}
