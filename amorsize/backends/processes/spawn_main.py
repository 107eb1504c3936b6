"""The start of a spawned worker: a fresh interpreter that is sent its function and its items.

It serves one run after another and leaves when its socket closes or nobody has needed it for
``IDLE_SECONDS``. It needs no ``__main__`` guard: nothing of the caller's script is run again;
functions of ``__main__`` come by value (cloudpickle).
"""

from __future__ import annotations

import mmap
import os
import signal
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDLE_SECONDS = 60.0
"""A worker that nobody used for so long leaves: starting one costs 0.1 s, keeping one 20 MB."""


def main(descriptor: int, page: int, lifeline: int) -> None:
    """Serve runs that come over the socket ``descriptor``; never returns.

    ``page`` is shared memory in which each thread marks the item it is in; this process ends when the
    caller's end of the pipe ``lifeline`` closes. SIGINT is blocked until it is known that it is not
    meant."""
    from amorsize.backends.processes import worker as helper

    helper.die_with(lifeline)
    signal.signal(signal.SIGINT, helper.ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    sock = socket.socket(fileno=descriptor)
    words = memoryview(mmap.mmap(page, os.fstat(page).st_size)).cast("q")
    os.close(page)
    code = 0
    try:
        while _serve(sock, words):
            pass
    except BaseException:
        code = 1
    finally:
        os._exit(code)


def _serve(sock: socket.socket, words: memoryview) -> bool:
    """One run; False when there will be no other."""
    from amorsize.backends.processes import output_relay as telling
    from amorsize.backends.processes import protocol as wire
    from amorsize.backends.processes import worker as helper
    from amorsize.backends.processes.memory import ROOM_WORDS, Gauge
    from amorsize.backends.processes.workers import MARKS, split_page
    from amorsize.items.errors import portable

    receiver = wire.Receiver(sock)
    sock.settimeout(IDLE_SECONDS)
    try:
        frames: list[tuple[int, Any]] = []
        while not frames:
            frames = receiver.receive()
    except (wire.Closed, OSError):
        return False
    sock.settimeout(None)
    kind, setup = frames.pop(0)
    if kind != helper.SETUP:
        return True
    sys.path[:] = setup["path"]
    try:
        os.chdir(setup["directory"])
    except OSError:
        pass
    try:
        import pickle

        helper.settle(setup["inner_threads"])
        if "authkey" in setup:
            import multiprocessing

            multiprocessing.current_process().authkey = setup["authkey"]
        func, initializer, initargs = pickle.loads(setup["function"])  # nosec B301 # of our caller
        import cloudpickle
    except BaseException as error:
        wire.send(sock, wire.encode(helper.FAILURE, (None, *portable(error))))
        return False

    def pickled(value: object, buffers: list[Any] | None) -> bytes:
        callback = None if buffers is None else buffers.append
        return cloudpickle.dumps(value, 5, buffer_callback=callback)  # type: ignore[no-any-return]

    marks, room = split_page(words, (len(words) - ROOM_WORDS) // MARKS)
    worker = helper.Worker(
        func,
        sock,
        setup["on_error"],
        setup["workers"],
        setup["item_seconds"],
        marks=marks,
        receiver=receiver,
        pickled=pickled,
        flush_seconds=setup["flush_seconds"],
    )
    telling.start(worker.tell, setup["telling"])
    try:
        if initializer is not None:
            initializer(*initargs)
    except BaseException as error:
        wire.send(sock, wire.encode(helper.FAILURE, (None, *portable(error))))
        return False
    worker.gauge = gauge = Gauge(room, forked=False)
    wire.send(sock, wire.encode(helper.READY, None))
    worker.accept(frames)
    worker.run(setup["threads"])
    gauge.close()
    telling.stop()
    wire.send(sock, wire.encode(helper.READY, None))
    return not (worker.failed or worker.left)
