"""Upkeep of a history beside long runs: pruning, and tuning of its predictor, in a niced child.

::

    run, 10 s old --Upkeep.start--> python -m amorsize.pruning.upkeep STRATEGY (location by pipe)
                  --Upkeep.stop--->   ended with the run; what it had not finished is begun anew next time

The child does one thing at a time (a lock file beside the history, or a lock in the server), spends at
most BUDGET_SECONDS, and changes the history in single transactions: killed at any moment it leaves what
was there before.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

    from amorsize.history.base import History

GROWN = 1.5
"""A history is pruned when it has so many times the rows that the last pruning left."""
FULL_SHARE = 0.9
"""...or when it is so near to its bound that the oldest rows would soon be dropped unseen."""
LEAST_ROWS = 200
"""Smaller histories are left alone."""
BUDGET_SECONDS = 60
"""CPU seconds of a child; pruning and tuning 20,000 rows take about 15."""
NICENESS = 19
NOTE = "upkeep"
"""Name of the note that tells when the history was pruned."""
END_SECONDS = 1.0
"""Time that a child has to end."""


def is_due(history: History) -> bool:
    """Whether the history should be pruned now."""
    stats = history.stats()
    return stats.rows >= LEAST_ROWS and (
        stats.rows >= GROWN * pruned_rows(history) or stats.rows >= FULL_SHARE * stats.max_rows
    )


def pruned_rows(history: History) -> int:
    """Rows that the last pruning left, 0 if there was none."""
    try:
        return int(json.loads(history.note(NOTE) or "{}")["rows"])
    except (ValueError, KeyError, TypeError):
        return 0


def note_pruned(history: History, rows: int) -> None:
    """Remember how many rows a pruning left."""
    history.set_note(NOTE, json.dumps({"rows": rows}))


def maintain(history: History, strategy: str) -> bool:
    """Prune and tune if it is due; whether it was."""
    if not is_due(history):
        return False
    from amorsize.learning.parameters import tune
    from amorsize.pruning.selector import prune_training_data

    prune_training_data(history, strategy)
    tune(history)
    return True


class Upkeep:
    """The child beside one run."""

    def __init__(self, location: str, strategy: str) -> None:
        self.location, self.strategy = location, strategy
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child."""
        import subprocess

        is_file = "://" not in self.location
        words = [sys.executable, "-m", "amorsize.pruning.upkeep", self.strategy]
        try:
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,  # its end is the end of this process
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=os.path.dirname(os.path.abspath(self.location)) if is_file else os.sep,
                env=_environment(),
                start_new_session=True,
            )
            # not as a word of the command, where everybody could read a URL's password
            assert self._child.stdin is not None
            self._child.stdin.write(self.location.encode() + b"\0")
            self._child.stdin.flush()
        except OSError:
            pass  # no process to be had, or it has ended: another run will do it

    def stop(self) -> None:
        """End the child, if it is still at work."""
        child, self._child = self._child, None
        if child is None:
            return
        import subprocess

        assert child.stdin is not None
        try:
            child.stdin.close()
        except OSError:
            pass
        try:
            child.wait(END_SECONDS / 10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _environment() -> dict[str, str]:
    """Of the child: it finds amorsize where this process has found it, and does not thread."""
    import amorsize

    home = os.path.dirname(os.path.dirname(os.path.abspath(amorsize.__file__)))
    path = os.environ.get("PYTHONPATH", "")
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **one, "PYTHONPATH": home + (os.pathsep + path if path else "")}


def _end_with_parent() -> None:
    """End this process as soon as nobody holds the other end of its standard input."""
    from threading import Thread

    def watch() -> None:
        try:
            while os.read(0, 1):
                pass
        finally:
            os._exit(0)

    Thread(target=watch, daemon=True).start()


def _location() -> str:
    """What the parent has written: up to a zero byte."""
    read = b""
    while not read.endswith(b"\0"):
        part = os.read(0, 1)
        if not part:
            os._exit(0)
        read += part
    return read[:-1].decode()


def _bound() -> None:
    """Be nice, and be short."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (BUDGET_SECONDS, BUDGET_SECONDS + 1))
    except (ImportError, ValueError, OSError):
        pass  # no such limit here


def main(words: list[str]) -> int:
    """The child."""
    (strategy,) = words
    location = _location()
    _end_with_parent()
    _bound()
    if "://" in location:
        return _upkeep(location, strategy)
    try:
        lock = open(location + ".upkeep", "a")  # noqa: SIM115  (held until the end)
    except OSError:
        return 1
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass
        except OSError:
            return 0  # somebody else is at it
        return _upkeep(location, strategy)


def _upkeep(location: str, strategy: str) -> int:
    """Maintain the history unless another machine is at it; the child's exit code."""
    from amorsize.history import HistoryError, open_history

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
