"""Starting workers by fork: they inherit function and data, nothing is pickled on the way in.

A forked worker lives for one run (a kept one would have stale globals). Fork only where
``system.fork_refusal()`` says nothing against it.
"""

from __future__ import annotations

import fcntl
import gc
import mmap
import os
import signal
import sys

from amorsize.backends import helper, wire
from amorsize.backends.processes import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from amorsize.backends.processes import Processes

F_SETSIG = 10
"""Linux: which signal tells of input on a descriptor (fcntl.h; not in the fcntl module)."""


class ForkLauncher:
    """Forks workers that share tickets (indexed data) or are sent their items."""

    inherits = True
    """Workers have the data: tickets suffice."""
    pickled = staticmethod(wire.dumps)

    def launch(self, run: Processes) -> Peer:
        near, far = wire.pair()
        theirs, lifeline = os.pipe()
        slots = run.config.threads_per_job
        marks = memoryview(mmap.mmap(-1, 8 * slots)).cast("q")
        for slot in range(slots):
            marks[slot] = -1
        helper.flush_output()
        gc.freeze()  # a collection in the worker would touch, and so copy, every page
        try:
            pid = os.fork()
        except OSError:
            near.close()
            far.close()
            os.close(theirs)
            os.close(lifeline)
            raise
        finally:
            gc.unfreeze()
        if pid:
            far.close()
            os.close(theirs)
            return Peer(pid, near, marks, lifeline)
        code = 1
        try:
            gc.freeze()
            near.close()
            os.close(lifeline)
            for other in run.peers.values():
                other.sock.close()
                os.close(other.lifeline)
            if run.write_fd >= 0:
                os.close(run.write_fd)
            _die_with(theirs)
            helper.settle(run.inner_threads)
            code = _work(run, far, marks)
        except BaseException as error:
            _report(far, error)
        finally:
            helper.flush_output()
            os._exit(code)

    def release(self, peer: Peer, *, abort: bool) -> None:
        """End the worker, in the middle of its item if ``abort``, and wait until it is gone."""
        peer.sock.close()
        if abort:
            try:
                os.kill(peer.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _wait(peer.pid)
        os.close(peer.lifeline)

    def reap(self, peer: Peer) -> int | None:
        """Exit code of a worker whose socket has closed."""
        peer.sock.close()
        status = _wait(peer.pid)
        os.close(peer.lifeline)
        return None if status is None else os.waitstatus_to_exitcode(status)


def _work(run: Processes, sock: socket.socket, marks: memoryview) -> int:
    if run.initializer is not None:
        run.initializer(*run.initargs)
    worker = helper.Worker(
        run.func,
        sock,
        run.sink.on_error,
        run.config.workers,
        run.item_seconds,
        data=run.supply.data if run.shared else None,
        tickets=run.read_fd if run.shared else None,
        marks=marks,
    )
    worker.run(run.config.threads_per_job)
    return 0


def _report(sock: socket.socket, error: BaseException) -> None:
    """An error outside of any item (an initializer's)."""
    try:
        wire.send(sock, wire.encode(helper.FAILURE, (None, *helper.portable(error))))
    except OSError:
        pass


def _die_with(lifeline: int) -> None:
    """Have the kernel end this process when the caller's end of the lifeline pipe closes.

    A worker deep in an item cannot read an end of file. SIGIO on the pipe, turned into SIGKILL, needs
    no thread and no ctypes and, unlike PDEATHSIG, does not fire when the thread that forked ends.
    Owner and signal belong to the open pipe, so each worker has one of its own.
    """
    if not sys.platform.startswith("linux"):
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _wait(pid: int) -> int | None:
    while True:
        try:
            return os.waitpid(pid, 0)[1]
        except InterruptedError:
            continue
        except ChildProcessError:  # somebody else has waited for it (a SIGCHLD handler)
            return None
