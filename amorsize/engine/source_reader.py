"""Reading the source of a stream while its consumer waits for results."""

from __future__ import annotations

from _thread import allocate_lock, get_native_id, start_new_thread

from amorsize.machine.threads import our_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.items.collector import WindowSink
    from amorsize.items.source import Supply

FAREWELL_SECONDS = 0.05
"""How long an abandoned stream waits for a source that does not answer."""


class Feeder:
    """The thread that reads the source of a stream while its consumer waits for results."""

    def __init__(self, supply: Supply, sink: WindowSink, nudge: Callable[[], None]) -> None:
        self.supply, self.sink, self.nudge = supply, sink, nudge
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
        self.supply.exhausted = True

    def _feed(self) -> None:
        supply = self.supply
        our_threads.append(get_native_id())
        try:
            while not self._stopped and not supply.exhausted:
                if supply.pull(1):
                    self.nudge()
                elif not supply.exhausted:
                    self._room.acquire(timeout=1.0)
            self.nudge()
            self.sink.notify()
            if self._stopped:
                close = getattr(supply.iterator, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            self.sink.fail(None, error, "")
            self.nudge()
        finally:
            self._gone.release()
