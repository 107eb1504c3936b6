"""Starting workers in fresh interpreters, where a fork is unsafe or dear; they stay warm.

Function and items are sent (cloudpickle, so lambdas and functions of ``__main__`` go by value). A
worker that has served a run waits for the next one, for ``spawn_main.IDLE_SECONDS`` at most, and
leaves when this process does.
"""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys

from amorsize.backends.processes import exit_status, output_relay, protocol, spawn_state, windows
from amorsize.backends.processes.protocol import SharedPage
from amorsize.backends.processes.workers import Launcher, WorkerHandle
from amorsize.items.pickling import dumps_by_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Sequence
    from typing import Any

    from amorsize.backends.processes.workers import LaunchSpec

MAX_SLOTS = 512
"""Threads in one worker that can mark their item: 12 KB of shared memory."""
MOST_STARTS = 3
"""Interpreters started for one worker that may end before they are told what to do."""
FAREWELL_SECONDS = 0.05
"""A worker that has closed its socket may take so long to end before it is killed."""


class _Warm:
    """A spawned worker between runs."""

    def __init__(
        self, process: subprocess.Popen[bytes], sock: _socket.socket, page: Any, lifeline: int
    ):
        self.process, self.sock, self.page, self.lifeline = process, sock, page, lifeline


_idle: list[_Warm] = []
_idle_owner = 0
_by_pid: dict[int, _Warm] = {}


def idle_workers() -> int:
    """Warm workers of this process that wait for a run."""
    return len(_idle) if _idle_owner == os.getpid() else 0


class SpawnLauncher(Launcher):
    """Starts fresh interpreters, or takes warm ones, and sends them function and items."""

    def __init__(self) -> None:
        super().__init__()
        self._function: bytes | None = None
        self._state: bytes | None = None
        self._by_value: Sequence[str] = ()

    def pickled(self, value: object, buffers: list[Any] | None = None) -> bytes:
        return dumps_by_value(value, buffers, self._by_value)

    def launch(self, given: LaunchSpec) -> WorkerHandle:
        threads = given.spec.config.threads_per_job
        parts = protocol.encode(protocol.SETUP, self._settings(given))
        starts = 0
        while True:
            warm = _take_idle()
            if warm is None:
                starts += 1
                warm = _start()
            page = SharedPage(warm.page, MAX_SLOTS)
            page.clear()
            try:
                protocol.send(warm.sock, parts)
                break
            except OSError:  # it has died since
                _end(warm)
                if starts == MOST_STARTS:
                    raise
        _by_pid[warm.process.pid] = warm
        return WorkerHandle(warm.process.pid, warm.sock, page, given.group, threads=threads)

    def _settings(self, given: LaunchSpec) -> dict[str, Any]:
        """What a worker is told at the start of a run."""
        spec = given.spec
        if self._function is None:
            doubles: Sequence[str] = ()
            if spec.caller_state is not None:
                state = spec.caller_state()
                self._by_value, doubles = state.by_value, state.doubles
                spawn_state.check_replaced(state.values, self.pickled)
                self._state = self.pickled((state.values, state.replaced or state.by_value != []))
            given_parts = (spec.func, spec.initializer, spec.initargs)
            self._function = spawn_state.pickled_function(given_parts, self.pickled, doubles)
        settings: dict[str, Any] = {
            "path": list(sys.path),
            "directory": os.getcwd(),
            "function": self._function,
            "state": self._state,
            "process": spawn_state.settings(),
            "on_error": spec.collector.on_error,
            "workers": spec.config.workers,
            "threads": spec.config.threads_per_job,
            "item_seconds": given.item_seconds,
            "inner_threads": spec.inner_threads,
            "output": output_relay.settings(),
            "flush_seconds": given.flush_seconds,
            "late_maker": spec.late_maker,
            "travels": None if spec.travels is None else frozenset(),
        }
        if "multiprocessing.managers" in sys.modules:  # its proxies show whose they are
            import multiprocessing

            settings["authkey"] = bytes(multiprocessing.current_process().authkey)
        return settings

    def release(self, worker: WorkerHandle, *, abort: bool) -> float:
        """Give the worker back to the warm ones, or end it if it is in the middle of work. What it
        computed is not known: 0."""
        warm = _by_pid.pop(worker.pid)
        if abort or not worker.ready or worker.has_output:
            _end(warm)
            return 0.0
        try:
            warm.sock.settimeout(None)
            protocol.send(warm.sock, protocol.encode(protocol.END, None))
            warm.sock.settimeout(1.0)
            while True:
                frames = worker.receiver.receive()
                for kind, value in frames:
                    if kind == protocol.TOLD:
                        output_relay.heard(value)
                    elif kind == protocol.CHANGED:
                        self.changed.update(dict.fromkeys(value))
                if any(kind == protocol.READY for kind, _ in frames):
                    break
            warm.sock.settimeout(None)
        except (protocol.Closed, OSError):
            _end(warm)
            return 0.0
        _idle.append(warm)
        return 0.0

    def reap(self, worker: WorkerHandle) -> exit_status.End:
        return _end(_by_pid.pop(worker.pid), FAREWELL_SECONDS)


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
    near, far = protocol.pair()
    if os.name == "nt":
        try:
            process, words = windows.start(
                _command("main_windows()"), far, SharedPage.size(MAX_SLOTS)
            )
        except BaseException:
            near.close()
            raise
        finally:
            far.close()
        return _Warm(process, near, words, -1)
    return _start_with_descriptors(near, far)


def _start_with_descriptors(near: _socket.socket, far: _socket.socket) -> _Warm:
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


def _command(call: str) -> list[str]:
    """An interpreter like ours that calls a function of ``spawn_main``."""
    root = os.path.abspath(__file__)
    for _ in __name__.split("."):  # the directory that holds the package
        root = os.path.dirname(root)
    code = (
        f"import sys; sys.path.insert(0, {root!r}); "
        f"from amorsize.backends.processes import spawn_main; spawn_main.{call}"
    )
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return [sys.executable, *flags, "-c", code]


def _popen(sock: int, page: int, lifeline: int) -> subprocess.Popen[bytes]:
    command = _command(f"main({sock}, {page}, {lifeline})")
    # A Ctrl-C in the terminal reaches the worker, too: not before it knows that it is not meant.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return subprocess.Popen(
            command,
            pass_fds=(sock, page, lifeline),
            stdin=subprocess.DEVNULL,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _shared_pages() -> tuple[int, Any]:
    """Memory shared with the worker, as (descriptor to hand on, view of 64-bit words)."""
    size = SharedPage.size(MAX_SLOTS)
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


def _end(warm: _Warm, seconds: float = 0.0) -> exit_status.End:
    """End a worker, at once or if it has not ended by itself in so many seconds."""
    warm.sock.close()
    process = warm.process
    if process.returncode is None:
        if not seconds:
            exit_status.kill(process.pid)
        end = exit_status.reap(process.pid, seconds)
        process.returncode = end.exitcode or 0
    else:
        end = exit_status.End(process.returncode)
    if warm.lifeline >= 0:
        os.close(warm.lifeline)
    return end
