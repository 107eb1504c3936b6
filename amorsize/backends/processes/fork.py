"""Starting workers by fork: they inherit function and data, nothing is pickled on the way in.

A forked worker lives for one run (a kept one would have stale globals). Fork only where
``system.fork_refusal()`` says nothing against it.
"""

from __future__ import annotations

import gc
import mmap
import os

from amorsize.backends.processes import exit_status as reaping
from amorsize.backends.processes import pool as processes
from amorsize.backends.processes import protocol as wire
from amorsize.backends.processes import worker as helper
from amorsize.backends.processes.memory import Gauge, clear_room
from amorsize.backends.processes.worker import die_with
from amorsize.backends.processes.workers import Peer, clear_marks, page_bytes, split_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from amorsize.backends.processes.pool import ProcessPool

FAREWELL_SECONDS = 0.5
"""A worker that has sent everything may take so long to leave before it is killed."""
REAP_SECONDS = 0.1
"""The same where it has closed its socket in the middle of its work."""


class ForkLauncher:
    """Forks workers that share tickets (indexed data) or are sent their items."""

    inherits = True
    """Workers have the data: tickets suffice."""
    pickled = staticmethod(wire.dumps)

    def launch(self, run: ProcessPool) -> Peer:
        near, far = wire.pair()
        theirs = lifeline = -1
        wire.flush_output()
        # A collection in the worker would touch, and so copy, every page. (To freeze and unfreeze here
        # would move every young object to the oldest generation, whose garbage is hardly looked for.)
        collects = gc.isenabled()
        gc.disable()
        try:
            theirs, lifeline = os.pipe()
            slots = run.config.threads_per_job
            page = memoryview(mmap.mmap(-1, page_bytes(slots))).cast("q")
            marks, room = split_page(page, slots)
            clear_marks(marks)
            clear_room(room)
            pid = os.fork()
        except BaseException:
            near.close()
            far.close()
            for end in (theirs, lifeline):
                if end >= 0:
                    os.close(end)
            raise
        finally:
            if collects:
                gc.enable()
        if pid:
            far.close()
            os.close(theirs)
            return Peer(pid, near, marks, room, lifeline)
        code = 1
        try:
            gc.freeze()
            near.close()
            os.close(lifeline)
            for other in processes.live:
                if other is run:
                    _keep_tickets(run)
                else:
                    other.forget()
            die_with(theirs)
            helper.settle(run.inner_threads)
            code = _work(run, far, marks, room)
        except BaseException as error:
            _report(far, error)
        finally:
            _finish_output()
            os._exit(code)

    def release(self, peer: Peer, *, abort: bool) -> float:
        """End the worker, in the middle of its item if ``abort``, and wait until it is gone; returns the
        seconds that it computed."""
        if abort:
            reaping.kill(peer.pid)
        return self.reap(peer, FAREWELL_SECONDS).cpu_seconds

    def reap(self, peer: Peer, seconds: float = REAP_SECONDS) -> reaping.End:
        """How a worker ended whose socket has closed."""
        peer.sock.close()
        end = reaping.reap(peer.pid, seconds)
        os.close(peer.lifeline)
        return end


def _keep_tickets(run: ProcessPool) -> None:
    """In a new worker: of its run it keeps the pipe that it reads its tickets from."""
    for peer in run.peers.values():
        peer.forget()
    run.peers = {}
    for crew in run.crews:
        if crew is run.crew:
            crew.end_dealing()
            crew.leave_to_the_caller()
        else:
            crew.close()


def _work(run: ProcessPool, sock: socket.socket, marks: memoryview, room: memoryview) -> int:
    from amorsize.backends.processes import (
        output_relay as telling,  # here: the caller has no use for it, and would wait for it
    )

    worker = helper.Worker(
        run.func,
        sock,
        run.collector.on_error,
        run.config.workers,
        run.item_seconds,
        data=run.source.data if run.crew.shared else None,
        tickets=run.crew.read_fd if run.crew.shared else None,
        marks=marks,
        flush_seconds=helper.FLUSH_SECONDS if run.rerun_after_death else 0.0,
    )
    telling.start(worker.tell)
    if run.initializer is not None:
        run.initializer(*run.initargs)
    worker.gauge = Gauge(room, forked=True)  # what the initializer has loaded is no growth
    worker.run(run.config.threads_per_job)
    return 0


def _report(sock: socket.socket, error: BaseException) -> None:
    """An error outside of any item (an initializer's)."""
    from amorsize.items.errors import portable

    try:
        wire.send(sock, wire.encode(helper.FAILURE, (None, *portable(error))))
    except OSError:
        pass


def _finish_output() -> None:
    try:
        from amorsize.backends.processes import output_relay as telling

        telling.finish()
    except Exception:  # no file can be opened to load it: then nothing was printed by way of it
        pass
