"""Reading the source of a stream while its consumer waits for results."""

from __future__ import annotations

from _thread import allocate_lock, get_native_id, start_new_thread

from amorsize.machine.threads import our_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.items.collector import WindowCollector
    from amorsize.items.source import ItemSource

FAREWELL_SECONDS = 0.05
"""How long an abandoned stream waits for a source that does not answer."""


class Feeder:
    """The thread that reads the source of a stream while its consumer waits for results."""

    def __init__(
        self, source: ItemSource, collector: WindowCollector, nudge: Callable[[], None]
    ) -> None:
        self.source, self.collector, self.nudge = source, collector, nudge
        self._stopped = False
        self._room = allocate_lock()
        self._room.acquire()
        self._gone = allocate_lock()
        self._gone.acquire()
        start_new_thread(self._feed, ())

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
        self.source.exhausted = True

    def _feed(self) -> None:
        source = self.source
        our_threads.append(get_native_id())
        try:
            while not self._stopped and not source.exhausted:
                if source.pull(1):
                    self.nudge()
                elif not source.exhausted:
                    self._room.acquire(timeout=1.0)
            self.nudge()
            self.collector.notify()
            if self._stopped:
                close = getattr(source.iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            self.collector.fail(None, error, "")
            self.nudge()
        finally:
            self._gone.release()
