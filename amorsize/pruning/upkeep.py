"""Upkeep of a history beside long runs: pruning, and tuning of its predictor, in a child process.

::

    caller's process                              child: python -m amorsize.pruning.upkeep STRATEGY
    Upkeep.start  --location, then a zero byte--> reads it from standard input
                                                  takes the lock, prunes and tunes
    Upkeep.stop   --closes the pipe-------------> a thread sees the end of the pipe and ends the child

The caller's process holds the writing end of the pipe, so the child ends with it, however it ends (with
the last worker that the caller's process has forked meanwhile, if that outlives it). One child works on
a history at a time (a lock file beside the history, or a lock in the server). It spends at most
BUDGET_SECONDS at the lowest priority, and changes the history in single transactions: killed at any
moment, it leaves what was there before, and the next long run begins anew.

The caller's process imports this module; what the child alone needs, NumPy too, is imported in `_work`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from threading import Thread

BUDGET_SECONDS = 60
"""CPU seconds that a child may spend; pruning and tuning 20,000 rows take about 15."""
NICENESS = 19
"""What is added to the child's niceness: the lowest priority."""
END_SECONDS = 0.1
"""Seconds that a child has to end by itself before it is killed."""


class Upkeep:
    """The child beside one run."""

    def __init__(self, location: str, strategy: str) -> None:
        self.location, self.strategy = location, strategy
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child; without a child where the system has no process to spare."""
        is_file = "://" not in self.location
        words = [sys.executable, "-m", "amorsize.pruning.upkeep", self.strategy]
        try:
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,  # open as long as this process lives: see `_end_with_parent`
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=os.path.dirname(os.path.abspath(self.location)) if is_file else os.sep,
                env=_environment(),
                start_new_session=True,
            )
            # not as a word of the command: every user of the machine may read those, a URL's password too
            assert self._child.stdin is not None
            self._child.stdin.write(self.location.encode() + b"\0")
            self._child.stdin.flush()
        except OSError:
            pass  # no process could be started, or it has ended: another run will do the upkeep

    def stop(self) -> None:
        """End the child, if it is still at work."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        try:
            child.stdin.close()
        except OSError:
            pass
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _environment() -> dict[str, str]:
    """Environment of the child: it finds amorsize where this process has found it, and uses one
    thread."""
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.environ.get("PYTHONPATH", "")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": home + (os.pathsep + path if path else "")}


def _end_with_parent() -> None:
    """End this process as soon as the caller's process has closed its end of standard input, or has
    ended."""

    def watch() -> None:
        try:
            while os.read(0, 1):  # blocks without the GIL; empty at the end of the pipe
                pass
        finally:
            os._exit(0)  # at once: the history is changed in transactions

    Thread(target=watch, daemon=True).start()


def _location() -> str:
    """Location of the history: what the caller's process has written, up to a zero byte."""
    read = b""
    while not read.endswith(b"\0"):
        part = os.read(0, 1)
        if not part:
            os._exit(0)
        read += part
    return read[:-1].decode()


def _bound() -> None:
    """Bound this process: the lowest priority, BUDGET_SECONDS of CPU time."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (BUDGET_SECONDS, BUDGET_SECONDS + 1))
    except (ImportError, ValueError, OSError):
        pass  # a system without such a limit


def main(words: list[str]) -> int:
    """What the child does; its exit code."""
    (strategy,) = words
    location = _location()
    _bound()
    # Now: on Windows the import would wait for the thread that reads standard input (numpy#24290).
    import_module("numpy")
    _end_with_parent()
    if "://" in location:
        return _work(location, strategy)
    try:
        lock = open(location + ".upkeep", "a")  # noqa: SIM115  (held until the child has ended)
    except OSError:
        return 1
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError:
            return 0  # another child is at work
        return _work(location, strategy)


def _work(location: str, strategy: str) -> int:
    """Maintain the history unless a child on another machine does; the child's exit code."""
    from amorsize.history import HistoryError, open_history
    from amorsize.pruning.history import maintain

    try:
        with open_history(location) as history:
            if history.begin_upkeep():
                try:
                    maintain(history, strategy)
                finally:
                    history.end_upkeep()
    except HistoryError:
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
