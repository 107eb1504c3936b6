"""Work for the workers of a user's executor or cluster: the caller's side, for all kinds of them.

::

    ItemSource --chunk--> adapter.submit(run_chunk, function, start, items) --> workers
      ^                    |  done, in a thread of the executor: a number in ``_arrived`` (a deque: one
      |                    v  step under the GIL), then the caller is woken; it alone does the rest
      +-- died --- adapter.fetch -> ChunkResult --place--> ResultCollector

The function is pickled once and travels by itself where the adapter can do that; else it is sent to each
worker as it turns out not to know it. Items and results are pickled here, so that what cannot be is
told by its index, and bytes are counted. Chunks are sized by the measured link (``planning.chunking``).

When a worker ends, what it had not given back runs again, in pieces: each item by itself, so that one
that ends its workers is found (``WorkerDied``) and the others are done.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections import deque

from amorsize.backends.base import Backend, BackendReport
from amorsize.backends.executors import chunk_worker
from amorsize.backends.executors.base import WorkersLost
from amorsize.backends.executors.chunk_worker import FunctionPayload, Task
from amorsize.core.frozen import replace
from amorsize.errors import AmorsizeWarning, WorkerDied
from amorsize.items.call import Pace, unreadable, unsendable_argument
from amorsize.items.errors import place_salvaged, salvaged
from amorsize.items.pickling import loads
from amorsize.planning import chunking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize.backends.base import BackendSpec
    from amorsize.backends.executors.base import ExecutorAdapter
    from amorsize.core.model import LinkCost

clock = time.perf_counter

PATIENCE_SECONDS = 0.05
"""Longest wait for a result before the caller looks around."""
SMALL_FUNCTION_BYTES = 1 << 14
"""A pickled function up to this size goes with every chunk where it cannot travel by itself."""
SLOTS_SECONDS = 1.0
"""Between two questions how many workers there are; one costs a cluster 1 to 3 ms."""
DEAREST_FACTOR, GAP_SHARE = 8.0, 0.2
"""A call is taken to cost at most so many times what was measured before the run; each pause that a
worker reports between two chunks counts for so much (a local Ray on 2 cores: 1 ms idle, 2 to 4 busy)."""
PIECES = 256
"""A chunk whose worker has ended is cut into so many pieces at most."""
MOST_TRIES = 2
"""So often a piece of one item may be begun in which a worker ended."""
HURRY_SECONDS = 0.25
"""How long the end of a run waits for calls that nothing can stop."""
ALONE_SECONDS = 10.0
"""Without any worker for so long, the user is told that the run waits for one."""


class _Chunk:
    """Items on their way."""

    def __init__(self, start: int, items: Sequence[Any], body: Any, size: int, tries: int) -> None:
        self.start, self.items, self.body, self.bytes = start, items, body, size
        self.tries = tries
        """How often a worker has ended in it."""
        self.future: Any = None

    def submitted(self, future: Any) -> None:
        """The executor has taken it."""
        self.future = future


class ExecutorPool(Backend):
    """Runs what is in ``source`` behind a adapter; :meth:`start`, :meth:`step` ..., :meth:`close`."""

    def __init__(self, adapter: ExecutorAdapter, link: LinkCost, spec: BackendSpec) -> None:
        self.adapter, self.link, self._least_task = adapter, link, link.task
        self.spec = spec
        self.source, self.collector, self.config = spec.source, spec.collector, spec.config
        self._pace = Pace(spec.item_seconds)
        self._done_before = spec.collector.done
        self.item_bytes = 0.0
        """Bytes that an item costs, there and back."""
        self.most = spec.most_workers
        """Items that the user allows side by side."""
        self.deaths = 0
        self.slots = max(1, spec.config.n_jobs)
        self._task = Task(spec.func, spec.collector.on_error, spec.initializer, spec.initargs)
        self._full: Any = None
        """The function, as an argument of calls."""
        self._bare: Any = None
        """The function without its body, for workers that know it."""
        self._greeted = 0
        """Chunks that have carried the function."""
        self._payload = FunctionPayload("")
        self._out: dict[int, _Chunk] = {}
        self._again: deque[tuple[int, Sequence[Any], int]] = deque()
        """Pieces whose worker has ended: position, items, how often."""
        self._suspects: deque[tuple[int, Sequence[Any], int]] = deque()
        """Single items whose worker has ended, where the executor does not tell whether they were at
        work: each runs with nothing beside it, when there is nothing else to do."""
        self._isolated = False
        self._arrived: deque[int] = deque()
        self._number = 0
        self._largest = 1
        self._looked = self._peopled = clock()
        self._leaving = self._told = False

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Send the function and the first chunks."""
        key = os.urandom(12).hex()
        if self.adapter.in_process:
            self._full = self._bare = self._payload = FunctionPayload(key, task=self._task)
        else:
            import cloudpickle

            body = cloudpickle.dumps(self._task, 5)
            path = [os.path.abspath(entry) for entry in sys.path]
            self._payload = FunctionPayload(key, body, path=path)
            self._full = self._bare = self.adapter.send_once(self._payload)
            if not self.adapter.sends_once and len(body) > SMALL_FUNCTION_BYTES:
                self._bare = FunctionPayload(key, path=path)
        if self.item_seconds > 0:  # it was seen in the caller: begin with an eighth of a chunk
            wanted = chunking.chunk_seconds(self.link) / self.item_seconds
            self._largest = max(1, int(wanted / chunking.GROWTH**2))
        self._count_slots()
        self._dispatch()

    def step(self, patience: float = PATIENCE_SECONDS) -> BackendReport:
        """Place what has come and dispatch; waits so long when there is nothing to do."""
        if not self._arrived:
            self._dispatch()
            if not self._arrived and patience > 0 and self.collector.failure is None:
                self.collector.wait(patience)
        self._collect()
        if self.collector.failure is None:
            self._dispatch()
        if clock() - self._looked > SLOTS_SECONDS:
            self._count_slots()
        return self.report()

    def report(self) -> BackendReport:
        return BackendReport(
            done=self.collector.done - self._done_before,
            workers=self.slots,
            deaths=self.deaths,
            item_seconds=self.item_seconds,
            drained=self._leaving and not (self._out or self._again or self._suspects),
        )

    @property
    def item_seconds(self) -> float:
        return self._pace.item_seconds

    def wake(self) -> None:
        """Wake the caller: something new can be dispatched."""
        self.collector.notify()

    def drain(self) -> None:
        """Dispatch no more; what is on its way is waited for."""
        self._leaving = True

    def close(self, *, abort: bool = False, hurry: bool = False) -> None:
        """Stop what is on its way, as far as these workers can be stopped."""
        self._leaving = True
        self._payload.stop()
        left = {number: chunk for number, chunk in self._out.items() if chunk.future is not None}
        self._out = {}
        if not left or self.adapter.cancel([chunk.future for chunk in left.values()]):
            return
        deadline = clock() + HURRY_SECONDS
        waiting = set(left)
        while clock() < deadline:
            while self._arrived:  # other threads add to it
                waiting.discard(self._arrived.popleft())
            if not waiting:
                return
            time.sleep(0.001)

    # -- dispatching -----------------------------------------------------------------------------

    def _count_slots(self) -> None:
        """Workers may have come or gone."""
        self._looked = now = clock()
        slots = self.adapter.slots()
        if slots > 0:
            self._peopled = now
        elif now - self._peopled > ALONE_SECONDS and not self._told:
            self._told = True
            warnings.warn(
                f"backend {self.adapter.name} has had no worker for {ALONE_SECONDS:g} s; the run goes on "
                "when one comes",
                AmorsizeWarning,
                stacklevel=2,
            )
        self.slots = max(1, slots)

    def _window(self, chunk: int) -> int:
        """Chunks that may be on their way."""
        if self.most is not None and self.most <= self.slots:
            return self.most  # what waits on the other side would be begun there
        return chunking.on_the_way(self.link, chunk * self.item_seconds, self.slots)

    def _dispatch(self) -> None:
        """Keep the window full; read the source as far as that needs."""
        while not self._leaving and not self._isolated:
            workers = min(self.slots, self.most or self.slots)
            chunk = self.config.chunksize or chunking.chunk_items(
                self.link,
                self.item_seconds,
                self.item_bytes,
                workers,
                self.source.left(),
                self._largest,
            )
            if len(self._out) >= self._window(chunk) or not self._dispatch_one(chunk):
                return

    def _dispatch_one(self, count: int) -> bool:
        """Send one chunk. False when there is nothing to send now."""
        isolated = False
        if self._again:
            start, items, tries = self._again.popleft()
        else:
            run = self.source.take_or_pull(count)
            if run is None and (self._out or not self._suspects):
                return False
            if run is not None:
                (start, items), tries = run, 0
            else:
                start, items, tries = self._suspects.popleft()
                isolated = True
        if self.adapter.in_process:
            self._send(_Chunk(start, items, items, 0, tries), self._full)
            return True
        body = self._packed(start, items)
        if body is None:
            return self.collector.failure is None
        full = self._full if self._greeted < self.slots else self._bare
        self._greeted += 1
        self._isolated = isolated
        self._send(_Chunk(start, items, body, len(body), tries), full)
        return True

    def _packed(self, start: int, items: Sequence[Any]) -> bytes | None:
        """The pickle of a chunk; None when an item of it cannot be pickled (what can is dispatched
        later)."""
        import cloudpickle

        try:
            return cloudpickle.dumps(items, 5)  # type: ignore[no-any-return]
        except Exception as error:
            if len(items) == 1:
                self.collector.fail(start, unsendable_argument(error, start))
                return None
        self._one_by_one(start, items)
        return None

    def _one_by_one(self, start: int, items: Sequence[Any]) -> None:
        for offset in reversed(range(len(items))):
            self._again.appendleft((start + offset, items[offset : offset + 1], 0))

    @property
    def _in_context(self) -> tuple[Any, ...]:
        """What runs a function in a copy of the caller's context, where workers are threads."""
        context = self.spec.context
        return (context.copy().run,) if self.adapter.in_process and context is not None else ()

    def _send(self, chunk: _Chunk, payload: Any) -> None:
        self._number += 1
        number, arrived, notify = self._number, self._arrived, self.collector.notify

        def done() -> None:
            arrived.append(number)
            notify()

        self._out[number] = chunk
        try:
            run = (*self._in_context, chunk_worker.run_chunk)
            chunk.submitted(self.adapter.submit(*run, payload, chunk.start, chunk.body))
        except WorkersLost as lost:
            del self._out[number]
            self._give_up(lost)
            return
        self.adapter.notify(chunk.future, done)

    # -- results --------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Place everything that has come."""
        numbers = []
        while self._arrived:
            number = self._arrived.popleft()
            if number in self._out:
                numbers.append(number)
        if not numbers:
            return
        found = self.adapter.fetch([self._out[number].future for number in numbers])
        for number, report in zip(numbers, found, strict=True):
            chunk = self._out.pop(number)
            self._isolated = False
            if isinstance(report, chunk_worker.ChunkResult):
                self._place(chunk, report)
            elif isinstance(report, chunk_worker.UnreadableItems):
                self._unread(chunk, report)
            elif isinstance(report, WorkersLost):
                self._died(chunk, report)
            elif isinstance(report, BaseException):
                self.collector.fail(None, report)
            else:  # this worker has not got the function yet
                self._send(chunk, self._full)

    def _place(self, chunk: _Chunk, report: chunk_worker.ChunkResult) -> None:
        size, count = chunk.bytes, 0
        if self.source.limiter is not None:
            self.source.limiter.ran(chunk.start, len(chunk.items), report.seconds)
        for start, number, body in report.pieces:
            count += number
            if self.adapter.in_process:
                self.collector.place(start, body)
                continue
            size += len(body)
            try:
                values = loads(body)
            except Exception as refusal:
                if self._salvage(start, number, body, refusal):
                    return
                continue
            self.collector.place(start, values)
        for index, error, text in report.failures:
            if self.collector.fail(index, error, text):
                return
        if count:
            self._learn(count, report.seconds, size)
            self._watch(report.gap)

    def _salvage(self, start: int, number: int, body: bytes, refusal: Exception) -> bool:
        """Place what can be read of some results. True when the run is to end."""
        try:
            values = salvaged((body,))
        except Exception:  # nothing can
            return any(
                self.collector.fail(position, unreadable("the result of item", refusal, position))
                for position in range(start, start + number)
            )
        return place_salvaged(self.collector, start, values)

    def _unread(self, chunk: _Chunk, report: chunk_worker.UnreadableItems) -> None:
        """Items that cannot be unpickled there: each runs by itself, so that only the broken ones
        fail."""
        if len(chunk.items) > 1:
            self._one_by_one(chunk.start, chunk.items)
        else:
            why = unreadable("item", report.error, chunk.start)
            self.collector.fail(chunk.start, why, report.traceback)

    def _learn(self, count: int, seconds: float, size: int) -> None:
        each = size / count
        self._pace.add(count, seconds)
        self.item_bytes = each if not self.item_bytes else 0.5 * (self.item_bytes + each)
        self._largest = max(self._largest, count)

    def _watch(self, gap: float) -> None:
        """Beside computing workers a call may cost more than it did when nothing else was done."""
        if gap <= 0 or not self.source.indexed or self.source.limit is not None:
            return  # its first chunk; or it may have waited for the source or the consumer
        task = self.link.task
        gap = min(max(gap, self._least_task), DEAREST_FACTOR * self._least_task)
        self.link = replace(self.link, task=task + GAP_SHARE * (gap - task))

    # -- deaths ---------------------------------------------------------------------------------

    def _died(self, chunk: _Chunk, lost: WorkersLost) -> None:
        """A worker has ended with a chunk: run it again in pieces, or find the item guilty."""
        self.deaths += 1
        if lost.final:
            self._give_up(lost)
            return
        count, tries = len(chunk.items), chunk.tries + 1
        if count == 1 and tries >= MOST_TRIES:
            self.collector.fail(chunk.start, WorkerDied(chunk.start, None, str(lost.cause)))
            return
        size = -(-count // PIECES)
        alone = size == 1 and not self.adapter.tells_at_work
        queue = self._suspects if alone else self._again
        for lo in reversed(range(0, count, size)):
            queue.appendleft((chunk.start + lo, chunk.items[lo : lo + size], tries))

    def _give_up(self, lost: WorkersLost) -> None:
        error = WorkerDied(
            -1,
            None,
            f"{type(lost.cause).__name__}: {lost.cause}; what was given as backend takes no more calls: "
            "make a new one, or leave backend out (amorsize replaces workers of its own)",
        )
        error.__cause__ = lost.cause
        self.collector.fail(None, error)
