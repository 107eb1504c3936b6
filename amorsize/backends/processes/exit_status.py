"""The end of a worker process: noticing it, waiting for it, bringing it about, and telling why.

The end of file on a worker's socket is the usual sign, but no proof: a program that the user's function
has started may hold the socket open beyond the worker's death, and a function may close the socket of
a worker that lives. So the system is asked, too, and the caller waits for no process without a limit.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # signal itself makes enums: 1 to 2 ms
import os
import sys
import time

from amorsize.backends.processes import windows
from amorsize.core.frozen import dataclass
from amorsize.planning.explain import format_bytes

CHECK_SECONDS = 0.0005
"""Pause between two looks where the system cannot tell of a process's end by itself."""
MEMORY_SUSPECT_BYTES = 1 << 28
"""A killed worker that had so much resident (256 MB) was probably killed for it."""
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)
NT_CRASH = 0xC0000000
"""Exit codes of Windows from here on are errors of the system: 0xC0000005 is an access violation."""
CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE")


@dataclass(frozen=True)
class End:
    """How a process ended."""

    exitcode: int | None
    """As in :class:`multiprocessing.Process`: negative is a signal; None where other code has waited for
    it."""
    peak_bytes: int = 0
    """Most memory that it had resident, 0 where unknown."""
    cpu_seconds: float = 0.0
    """What it computed, 0 where unknown."""


def has_ended(pid: int) -> bool:
    """Whether a child has ended; it stays to be waited for."""
    if os.name == "nt":
        return windows.exit_code(pid, 0.0) is not None
    if not hasattr(os, "waitid"):
        return _has_been_waited_for(pid)
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # waited for by other code, or by the system (SIGCHLD ignored)
        return not _exists(pid)


_waited_for: dict[int, End] = {}
"""Children whose end was seen by waiting for them, where that is the only way; until they are reaped."""


def _has_been_waited_for(pid: int) -> bool:
    """Without ``waitid`` (macOS until Python 3.13) only waiting tells of an end: what it told is kept."""
    if pid not in _waited_for:
        try:
            end = _wait(pid, os.WNOHANG)
        except ChildProcessError:
            return not _exists(pid)
        if end is None:
            return False
        _waited_for[pid] = end
    return True


def _wait(pid: int, options: int) -> End | None:
    """How a child ended, which the system then forgets; None for one that has not."""
    try:
        import resource  # noqa: F401 # wait4 does so when it has waited, and would lose what it saw
    except ImportError:
        found, status = os.waitpid(pid, options)
        return End(os.waitstatus_to_exitcode(status)) if found else None
    found, status, used = os.wait4(pid, options)
    if not found:
        return None
    computed = used.ru_utime + used.ru_stime
    return End(os.waitstatus_to_exitcode(status), used.ru_maxrss * _MAXRSS_UNIT, computed)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def busy_seconds(pid: int) -> float:
    """Seconds that the first thread of a process has had a core, or waited for one.

    On a crowded machine one that computes has little CPU time, and must not be taken for one that waits.
    Raises OSError, ValueError or AttributeError where the system does not tell."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb", 0) as file:
            ran, queued = map(int, file.read().split()[:2])
        return (ran + queued) * 1e-9
    except (OSError, ValueError):
        # The number of another process's clock (Linux, clock_getcpuclockid).
        return time.clock_gettime((~pid << 3) | 2)


def kill(pid: int) -> None:
    """End a process at once, if it is there."""
    if os.name == "nt":
        windows.end(pid)
        return
    if pid in _waited_for:  # its number may be another's by now
        return
    try:
        os.kill(pid, SIGKILL)
    except ProcessLookupError:
        pass


def reap(pid: int, seconds: float) -> End:
    """Wait for a child; after ``seconds`` it is killed."""
    if os.name == "nt":
        return End(windows.reaped(pid, seconds))
    if not has_ended(pid) and not _ends_within(pid, seconds):
        kill(pid)
    end = _waited_for.pop(pid, None)
    if end is not None:
        return end
    while True:
        try:
            return _wait(pid, 0) or End(None)
        except InterruptedError:
            continue
        except ChildProcessError:
            return End(None)


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ``ru_maxrss``."""


def _ends_within(pid: int, seconds: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        deadline = time.monotonic() + seconds
        while not has_ended(pid):
            if time.monotonic() >= deadline:
                return False
            time.sleep(CHECK_SECONDS)
        return True
    try:
        import select

        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(1000 * seconds))
    finally:
        os.close(descriptor)


def short_of_memory(end: End, base: int) -> bool:
    """Whether a worker that held ``base`` bytes at first was probably killed for what it took."""
    if end.exitcode is None or end.exitcode != -SIGKILL:
        return False
    return end.peak_bytes - max(0, base) >= MEMORY_SUSPECT_BYTES


def hint(end: End) -> str:
    """What probably happened to a worker, and what to do about it."""
    code = end.exitcode
    resident = format_bytes(end.peak_bytes) if end.peak_bytes else "an unknown amount"
    if code is None:
        return "how is not known: something else in this process waits for its children"
    if code >= NT_CRASH:
        return f"a crash in compiled code (0x{code:X}): run it alone under python -X faulthandler"
    if os.name == "nt" and code == signal.SIGTERM:
        return "from outside"
    if code >= 0:
        return "something in it ended the process (os._exit, or exit in compiled code)"
    name = _name(-code)
    if name == "SIGKILL" and end.peak_bytes >= MEMORY_SUSPECT_BYTES:
        return (
            f"probably out of memory, {resident} resident; lower n_jobs, or see what the item needs"
        )
    if name == "SIGKILL":
        return f"from outside, or because memory was short elsewhere (it had {resident} resident)"
    if name in CRASHES:
        return "a crash in compiled code: run that item alone under python -X faulthandler"
    if name == "SIGABRT":
        return "compiled code gave up (abort): run that item alone under python -X faulthandler"
    return f"{name} was sent by itself or by somebody else"


def _name(number: int) -> str:
    import signal as named

    try:
        return named.Signals(number).name
    except ValueError:
        return f"signal {number}"
