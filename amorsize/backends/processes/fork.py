"""Starting workers by fork: they inherit function and data, nothing is pickled on the way in.

A forked worker lives for one run (a kept one would have stale globals). Fork only where
``fork_safety.fork_refusal()`` says nothing against it.
"""

from __future__ import annotations

import gc
import mmap
import os

from amorsize.backends.processes import exit_status, output_relay, protocol
from amorsize.backends.processes.memory import MemoryGuard
from amorsize.backends.processes.protocol import SharedPage
from amorsize.backends.processes.worker import Worker, WorkerJob, die_with, set_up
from amorsize.backends.processes.workers import Launcher, WorkerHandle
from amorsize.core.signals import forget_in_child
from amorsize.items.errors import portable
from amorsize.items.pickling import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

    from amorsize.backends.processes.workers import LaunchSpec

FAREWELL_SECONDS = 0.5
"""A worker that has sent everything may take so long to leave before it is killed."""
REAP_SECONDS = 0.1
"""The same where it has closed its socket in the middle of its work."""


class ForkLauncher(Launcher):
    """Forks workers that share tickets (indexed data) or are sent their items."""

    inherits = True

    def pickled(self, value: object, buffers: list[Any] | None = None) -> bytes:
        return dumps(value, buffers)

    def launch(self, given: LaunchSpec) -> WorkerHandle:
        near, far = protocol.pair()
        theirs = lifeline = -1
        protocol.flush_output()
        # A collection in the worker would touch, and so copy, every page. (To freeze and unfreeze here
        # would move every young object to the oldest generation, whose garbage is hardly looked for.)
        collects = gc.isenabled()
        gc.disable()
        try:
            theirs, lifeline = os.pipe()
            slots = given.spec.config.threads_per_job
            page = SharedPage(memoryview(mmap.mmap(-1, SharedPage.size(slots))).cast("q"), slots)
            page.clear()
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
            return WorkerHandle(pid, near, page, given.group, lifeline)
        # The child. It inherits the caller's half of everything; whatever it kept open of the caller's
        # ends would keep other workers alive after the caller's death.
        code = 1
        try:
            gc.freeze()
            forget_in_child()
            near.close()
            os.close(lifeline)
            given.let_go()
            die_with(theirs)
            set_up(given.spec.inner_threads)
            _work(given, far, page)
            code = 0
        except BaseException as error:
            _report(far, error)
        finally:
            _finish_output()
            os._exit(code)

    def release(self, worker: WorkerHandle, *, abort: bool) -> float:
        """End the worker, in the middle of its item if ``abort``, and wait until it is gone."""
        if abort:
            exit_status.kill(worker.pid)
        return self._reap(worker, FAREWELL_SECONDS).cpu_seconds

    def reap(self, worker: WorkerHandle) -> exit_status.End:
        return self._reap(worker, REAP_SECONDS)

    def _reap(self, worker: WorkerHandle, seconds: float) -> exit_status.End:
        worker.sock.close()  # the end of file ends it; its lifeline would kill it
        end = exit_status.reap(worker.pid, seconds)
        worker.forget()
        return end


def _work(given: LaunchSpec, sock: _socket.socket, page: SharedPage) -> None:
    spec, shared = given.spec, given.group.shared
    job = WorkerJob(
        spec.func,
        spec.collector.on_error,
        spec.config.workers,
        given.item_seconds,
        page,
        given.flush_seconds,
        data=spec.source.data if shared else None,
        ticket_pipe=given.group.read_fd,
        late_look=spec.late_look,
        late_maker=spec.late_maker,
        travels=spec.travels,
    )
    worker = Worker(job, sock)
    output_relay.start(worker.tell)
    if spec.initializer is not None:
        spec.initializer(*spec.initargs)
    # Made now: what the initializer has loaded is no growth.
    worker.run(spec.config.threads_per_job, MemoryGuard(page.room, forked=True))


def _report(sock: _socket.socket, error: BaseException) -> None:
    """An error outside of any item (an initializer's)."""
    try:
        protocol.send(sock, protocol.encode(protocol.FAILURE, (None, *portable(error))))
    except OSError:
        pass


def _finish_output() -> None:
    try:
        output_relay.finish()
    except Exception:  # a stream of the user's own that cannot be written any more
        pass
