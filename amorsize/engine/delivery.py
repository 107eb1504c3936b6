r"""From the source to the results: where items are handed out and where what becomes of them is
collected.

::

    ItemSource --take--> backend --place--> retries --> journal --> ListCollector --> execute
        ^    ^                                                 \--> WindowCollector --pop--> consumer
        |    +---------------------- taken: the window opens ------------------------------+
    SourceReader (streams; own thread)

What failed is tried again before it is journaled, so that no failure is journaled as a result.
"""

from __future__ import annotations

from _contextvars import copy_context
from _thread import allocate_lock, get_native_id, start_new_thread

from amorsize import items
from amorsize.core.signals import held
from amorsize.items.call import with_origin
from amorsize.items.collector import CountingCollector, ListCollector, UsageLog
from amorsize.machine.threads import leave_no_trace, our_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.engine.checkpoint_writer import CheckpointWriter
    from amorsize.engine.commands import HandOver
    from amorsize.engine.local_loop import LocalLoop
    from amorsize.engine.spread import SpreadItems
    from amorsize.engine.state import RunSpec
    from amorsize.items.collector import CountingCollector, ResultCollector
    from amorsize.items.source import ItemSource
    from amorsize.items.window import WindowCollector


THREAD_BOUND_SOURCES = frozenset({"sqlite3"})
"""Modules whose iterators may be read only by the thread that made them."""


class Delivery:
    """The source and the collectors of one run, from the hand-over on."""

    def __init__(
        self,
        loop: LocalLoop,
        lines: list[tuple[Any, ...]] | None,
        journal: CheckpointWriter | None,
    ) -> None:
        self._spread: SpreadItems | None = None
        self._loop, self._source, self._journal = loop, loop.source, journal
        self.usage = UsageLog(lines, loop.source.total)
        self.collector: ResultCollector | None = None
        """What workers see; None while the caller works alone."""
        self._list: ListCollector | None = None
        self._stream: WindowCollector | None = None
        self._window = self._given = self._position = 0
        self._reader: SourceReader | None = None

    def hand_over(self, command: HandOver, spec: RunSpec) -> None:
        """From now on items come from the source and results go to the collector."""
        options, source, position = spec.options, self._source, command.position
        if command.in_order:
            source.hand_out_in_order()
        peeked = source.peeked
        source.hand_over(position)
        made: ResultCollector
        if spec.streaming:
            made = self._stream = items.WindowCollector(
                position,
                options.on_error,
                self.usage,
                ordered=spec.ordered,
                end_before=source.end_before,
            )
            self._window, self._given = command.window, position
            source.open_to(position + command.window)
            bound = source.read_in in THREAD_BOUND_SOURCES
            source.is_read_by_caller(source.indexed or bound)
        else:
            made = self._list = ListCollector(position, options.on_error, self.usage)
        if self._journal is not None:
            made = self._journal.in_front_of(made)
        self._position = position
        if options.max_errors is not None:
            made = CountingCollector(made, source.count_failed)
        limiter = source.limiter
        if limiter is not None:
            made = items.RetryingCollector(made, source, options.retries, options.retry_on, limiter)
        self.collector = made
        if self._spread is not None:
            self._spread.hand_over(made)
        if command.first:
            source.hand_out_first(command.first)
        if command.keeps_items and not (position or peeked or source.indexed):
            self._keep_items(made, position, copies=command.copies)

    def _keep_items(self, made: ResultCollector, position: int, *, copies: bool) -> None:
        def first_done() -> bool:
            return made.done > position or made.failure is not None

        self._source.read_through(
            lambda iterator: items.KeptItems(iterator, copies=copies, first_done=first_done)
        )

    def expect(self, spread: SpreadItems) -> None:
        """Items that ran at spread positions have their results already."""
        self._spread = spread

    @property
    def done(self) -> int:
        """Items done."""
        return self._loop.done if self.collector is None else self.collector.done

    @property
    def results(self) -> list[Any]:
        """All results, in order."""
        results = self._loop.results
        if self._list is not None:
            results += self._list.results
        return results

    def start_reading(self, wake_backend: Callable[[], None]) -> None:
        """Have a thread read the source of a stream, where the caller need not."""
        if self._stream is None or self._source.caller_reads_source:
            return
        try:
            self._reader = SourceReader(self._source, self._stream, wake_backend)
        except RuntimeError:  # no thread to be had: the source is read here
            self._source.is_read_by_caller(True)

    def pop(self) -> Sequence[Any] | None:
        """The next results of a stream, None when there are none now."""
        return None if self._stream is None else self._stream.pop()

    def taken(self, count: int) -> None:
        """The consumer of a stream has taken so many results: there is room for as many items."""
        self._given += count
        self._source.open_to(self._given + self._window)
        if self._reader is not None:
            self._reader.wake()

    def is_complete(self) -> bool:
        """Whether everything is done."""
        source = self._source
        if not source.exhausted:
            return False
        total = source.total if source.indexed else source.position
        if source.is_stopped:
            total = self._position + source.handed_out  # type: ignore[attr-defined]
        assert total is not None
        made, spread = self._list or self._stream, self._spread
        assert made is not None
        if spread is None or spread.failure is None:
            complete = made.holds(total)
            if complete:
                source.raise_failure()
            return complete
        if made.holds(spread.failure[0]):
            spread.raise_failure()
        return False

    @property
    def failed(self) -> bool:
        """Whether something has happened that ends the run."""
        return self.collector is not None and self.collector.failure is not None

    def raise_failure(self) -> None:
        """Raise what ends the run, if anything does."""
        failure = None if self.collector is None else self.collector.failure
        if failure is not None:
            with held():
                raise with_origin(failure.exception, failure.index, failure.traceback)

    def stop_reading(self) -> None:
        """End the thread that reads the source."""
        if self._reader is not None:
            self._reader.stop()


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
            leave_no_trace()
            self._gone.release()
