"""Reading the source of a stream while its consumer waits for results.

::

    source --pull--> SourceReader (own thread) --wake_backend--> workers --> collector --> consumer
                        ^------------- wake: there is room in the window again -------------+
"""

from __future__ import annotations

from _contextvars import copy_context
from _thread import allocate_lock, get_native_id, start_new_thread

from amorsize.machine.threads import our_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.items.collector import WindowCollector
    from amorsize.items.source import ItemSource

FAREWELL_SECONDS = 0.05
"""How long an abandoned stream waits for a source that does not answer."""


class SourceReader:
    """The thread that reads the source of a stream, and nothing else does while it is there."""

    def __init__(
        self, source: ItemSource, collector: WindowCollector, wake_backend: Callable[[], None]
    ) -> None:
        self.source, self.collector, self.wake_backend = source, collector, wake_backend
        self._stopped = False
        self._room = allocate_lock()
        self._room.acquire()
        self._gone = allocate_lock()
        self._gone.acquire()
        start_new_thread(copy_context().run, (self._read,))  # the source is the user's code

    def wake(self) -> None:
        """There is room in the window again."""
        try:
            self._room.release()
        except RuntimeError:
            pass

    def stop(self) -> None:
        """End the thread. One that is stuck in a silent source closes it when it comes back."""
        self._stopped = True
        self.wake()
        if self._gone.acquire(timeout=FAREWELL_SECONDS):
            return
        self.source.note_end()

    def _read(self) -> None:
        source = self.source
        our_threads.append(get_native_id())
        try:
            while not self._stopped and not source.exhausted:
                if source.pull(1):
                    self.wake_backend()
                elif not source.exhausted:
                    self._room.acquire(timeout=1.0)
            self.wake_backend()
            self.collector.notify()
            if self._stopped:
                close = getattr(source.iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            self.collector.fail(None, error, "")
            self.wake_backend()
        finally:
            self._gone.release()
