"""Starting workers in fresh interpreters, where a fork is unsafe or dear; they stay warm.

Function and items are sent (cloudpickle, so lambdas and functions of ``__main__`` go by value). A
worker that has served a run waits for the next one, for ``spawned.IDLE_SECONDS`` at most, and
leaves when this process does.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys

from amorsize.backends.processes import exit_status as reaping
from amorsize.backends.processes import output_relay as telling
from amorsize.backends.processes import protocol as wire
from amorsize.backends.processes import worker as helper
from amorsize.backends.processes.memory import clear_room
from amorsize.backends.processes.workers import Peer, clear_marks, page_bytes, split_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from amorsize.backends.processes.pool import ProcessPool

MAX_SLOTS = 512
"""Threads in one worker that can mark their item: 12 KB of shared memory."""
MOST_STARTS = 3
"""Interpreters started for one worker that may end before they are told what to do."""
FAREWELL_SECONDS = 0.05
"""A worker that has closed its socket may take so long to end before it is killed."""


class _Warm:
    """A spawned worker between runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], sock: socket.socket, page: Any, lifeline: int
    ):
        self.process, self.sock, self.page, self.lifeline = process, sock, page, lifeline


_idle: list[_Warm] = []
_idle_owner = 0
_by_pid: dict[int, _Warm] = {}


def idle_workers() -> int:
    """Warm workers of this process that wait for a run."""
    return len(_idle) if _idle_owner == os.getpid() else 0


class SpawnLauncher:
    """Starts or reuses spawned workers; they are always sent their items."""

    inherits = False

    def __init__(self) -> None:
        self._function: bytes | None = None

    @staticmethod
    def pickled(value: object, buffers: list[Any] | None) -> bytes:
        import cloudpickle

        callback = None if buffers is None else buffers.append
        return cloudpickle.dumps(value, 5, buffer_callback=callback)  # type: ignore[no-any-return]

    def launch(self, run: ProcessPool) -> Peer:
        if self._function is None:
            self._function = self.pickled((run.func, run.initializer, run.initargs), None)
        setup = {
            "path": list(sys.path),
            "directory": os.getcwd(),
            "function": self._function,
            "on_error": run.collector.on_error,
            "workers": run.config.workers,
            "threads": run.config.threads_per_job,
            "item_seconds": run.item_seconds,
            "inner_threads": run.inner_threads,
            "telling": telling.settings(),
            "flush_seconds": helper.FLUSH_SECONDS if run.rerun_after_death else 0.0,
        }
        if "multiprocessing.managers" in sys.modules:  # its proxies show whose they are
            import multiprocessing

            setup["authkey"] = bytes(multiprocessing.current_process().authkey)
        parts = wire.encode(helper.SETUP, setup)
        starts = 0
        while True:
            warm = _take_idle()
            if warm is None:
                starts += 1
                warm = _start()
            marks, room = split_page(warm.page, MAX_SLOTS)
            clear_marks(marks)
            clear_room(room)
            try:
                wire.send(warm.sock, parts)
                break
            except OSError:  # it has died since
                _end(warm)
                if starts == MOST_STARTS:
                    raise
        _by_pid[warm.process.pid] = warm
        threads = run.config.threads_per_job
        return Peer(warm.process.pid, warm.sock, marks, room, threads=threads, ready=False)

    def release(self, peer: Peer, *, abort: bool) -> float:
        """Give the worker back to the warm ones, or end it if it is in the middle of work. What it
        computed is not known: 0."""
        warm = _by_pid.pop(peer.pid)
        if abort or not peer.ready or peer.outbox:
            _end(warm)
            return 0.0
        try:
            wire.send(warm.sock, wire.encode(helper.END, None))
            receiver = peer.receiver
            warm.sock.settimeout(1.0)
            while True:
                frames = receiver.receive()
                for kind, value in frames:
                    if kind == helper.TOLD:
                        telling.heard(value)
                if any(kind == helper.READY for kind, _ in frames):
                    break
            warm.sock.settimeout(None)
        except (wire.Closed, OSError):
            _end(warm)
            return 0.0
        _idle.append(warm)
        return 0.0

    def reap(self, peer: Peer) -> reaping.End:
        """How a worker ended whose socket has closed."""
        return _end(_by_pid.pop(peer.pid), FAREWELL_SECONDS)


def _take_idle() -> _Warm | None:
    global _idle_owner
    if _idle_owner != os.getpid():  # the warm workers of a forking parent are not ours
        _idle.clear()
        _idle_owner = os.getpid()
    while _idle:
        warm = _idle.pop()
        if warm.process.poll() is None:
            return warm
        _end(warm)
    return None


def _start() -> _Warm:
    near, far = wire.pair()
    page = theirs = lifeline = -1
    process = None
    try:
        page, words = _shared_pages()
        theirs, lifeline = os.pipe()
        process = _popen(far.fileno(), page, theirs)
    finally:
        far.close()
        for descriptor in (page, theirs):
            if descriptor >= 0:
                os.close(descriptor)
        if process is None:
            near.close()
            if lifeline >= 0:
                os.close(lifeline)
    return _Warm(process, near, words, lifeline)


def _popen(sock: int, page: int, lifeline: int) -> subprocess.Popen[bytes]:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = (
        f"import sys; sys.path.insert(0, {root!r}); "
        f"from amorsize.backends.processes.spawn_main import main; main({sock}, {page}, {lifeline})"
    )
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    # A Ctrl-C in the terminal reaches the worker, too: not before it knows that it is not meant.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            [sys.executable, *flags, "-c", code],
            pass_fds=(sock, page, lifeline),
            stdin=subprocess.DEVNULL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shared_pages() -> tuple[int, Any]:
    """Memory shared with the worker, as (descriptor to hand on, view of 64-bit words)."""
    size = page_bytes(MAX_SLOTS)
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("amorsize")
    else:
        import tempfile

        descriptor, path = tempfile.mkstemp(prefix="amorsize")
        os.unlink(path)
    try:
        os.ftruncate(descriptor, size)
        words = memoryview(mmap.mmap(descriptor, size)).cast("q")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, words


def _end(warm: _Warm, seconds: float = 0.0) -> reaping.End:
    """End a worker, at once or if it has not ended by itself in so many seconds."""
    warm.sock.close()
    process = warm.process
    if process.returncode is None:
        if not seconds:
            reaping.kill(process.pid)
        end = reaping.reap(process.pid, seconds)
        process.returncode = end.exitcode or 0
    else:
        end = reaping.End(process.returncode)
    os.close(warm.lifeline)
    return end
