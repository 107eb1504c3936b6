"""The start of a spawned worker: a fresh interpreter that is sent its function and its items.

It serves one run after another and leaves when its socket closes or no run has needed it for
``IDLE_SECONDS``. It needs no ``__main__`` guard: nothing of the caller's script is run again;
functions of ``__main__`` come by value (cloudpickle).
"""

from __future__ import annotations

import _socket
import mmap
import os
import signal
import sys

from amorsize.backends.processes import output_relay, protocol, windows
from amorsize.backends.processes.memory import MemoryGuard
from amorsize.backends.processes.protocol import MARKS, ROOM_WORDS, SharedPage
from amorsize.backends.processes.shared_buffers import AVAILABLE, MappingReceiver
from amorsize.backends.processes.spawn_state import adopt, adopt_environment, put
from amorsize.backends.processes.worker import Worker, WorkerJob, die_with, ignore, set_up
from amorsize.items.errors import portable
from amorsize.items.pickling import dumps_by_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDLE_SECONDS = 60.0
"""A worker that no run used for so long leaves: starting one costs 0.1 s, keeping one 20 MB."""


def main(descriptor: int, page: int, lifeline: int) -> None:
    """Serve runs that come over the socket ``descriptor``; never returns.

    ``page`` is shared memory in which each thread marks the item it is in; this process ends when the
    caller's end of the pipe ``lifeline`` closes. SIGINT is blocked until it is known that it is not
    meant."""
    die_with(lifeline)
    signal.signal(signal.SIGINT, ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    words = memoryview(mmap.mmap(page, os.fstat(page).st_size)).cast("q")
    os.close(page)
    _serve_all(_socket.socket(fileno=descriptor), words)


def main_windows() -> None:
    """The same where socket and memory cannot be inherited; the system ends this process when it ends the
    caller."""
    signal.signal(signal.SIGINT, ignore)
    _serve_all(*windows.given())


def _serve_all(sock: _socket.socket, words: memoryview[int]) -> None:
    shared = SharedPage(words, (len(words) - ROOM_WORDS) // MARKS)
    code = 0
    try:
        while _serve(sock, shared):
            pass
    except BaseException:
        code = 1
    finally:
        os._exit(code)


def _serve(sock: _socket.socket, page: SharedPage) -> bool:
    """One run; False when there will be no other."""
    receiver = MappingReceiver(sock) if AVAILABLE else protocol.Receiver(sock)
    sock.settimeout(IDLE_SECONDS)
    try:
        frames: list[tuple[int, Any]] = []
        while not frames:
            frames = receiver.receive()
    except (protocol.Closed, OSError):
        return False
    sock.settimeout(None)
    kind, settings = frames.pop(0)
    if kind != protocol.SETUP:
        return True
    try:
        (func, initializer, initargs), for_this_run = _prepare(settings)
    except BaseException as error:
        protocol.send(sock, protocol.encode(protocol.UNREADABLE, (None, *portable(error))))
        return False
    try:
        job = WorkerJob(
            func,
            settings["on_error"],
            settings["workers"],
            settings["item_seconds"],
            page,
            settings["flush_seconds"],
            pickled=dumps_by_value,
            late_maker=settings["late_maker"],
            travels=settings["travels"],
        )
        worker = Worker(job, sock, receiver)
        output_relay.start(worker.tell, settings["output"])
        if initializer is not None:
            initializer(*initargs)
    except BaseException as error:
        protocol.send(sock, protocol.encode(protocol.FAILURE, (None, *portable(error))))
        return False
    guard = MemoryGuard(page.room, forked=False)
    protocol.send(sock, protocol.encode(protocol.READY, None))
    worker.accept(frames)
    worker.run(settings["threads"], guard)
    guard.close()
    output_relay.stop()
    protocol.send(sock, protocol.encode(protocol.READY, None))
    return worker.reusable and not for_this_run


def _prepare(settings: dict[str, Any]) -> tuple[tuple[Any, Any, tuple[Any, ...]], bool]:
    """Make this process like the caller's; returns the function, the initializer and its arguments, and
    whether it is like this for this run only."""
    sys.path[:] = settings["path"]
    try:
        os.chdir(settings["directory"])
    except OSError:
        pass
    import pickle

    adopt_environment(settings["process"])
    set_up(settings["inner_threads"])
    if "authkey" in settings:
        import multiprocessing

        multiprocessing.current_process().authkey = settings["authkey"]
    import cloudpickle  # noqa: F401 # results need it; where it is missing, the caller is told now

    adopt(settings["process"])
    for_this_run = False
    if settings["state"] is not None:
        values, for_this_run = pickle.loads(settings["state"])  # nosec B301 # of our caller
        put(values)
    found: tuple[Any, Any, tuple[Any, ...]]
    found = pickle.loads(settings["function"])  # nosec B301 # of our caller
    return found, for_this_run
