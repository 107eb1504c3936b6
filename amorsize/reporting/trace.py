"""What runs did, drawn in a file for people.

The file is in the Trace Event Format of Chromium's tracing, as JSON; https://ui.perfetto.dev and
``chrome://tracing`` open it. One row for each worker, a box for each slice and chunk, a flag for each
decision with its reasons.
"""

from __future__ import annotations

import os
from time import perf_counter

from amorsize.core.events import Decided, HandedOver, RunEnded
from amorsize.planning.explain import describe
from amorsize.reporting.log import choice_fields, run_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Run

MICROSECONDS = 1e6
"""Times of the format are microseconds."""


class Trace:
    """A file that the runs of a tuner are drawn in, one after the other; written when a run ends.

    ``path``: where it goes; an existing file is replaced. Raises ``OSError`` at once if it cannot be
    written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.fspath(path)
        self.lines: list[tuple[Any, ...]] = []
        self.runs: list[tuple[Run, float, float, str]] = []
        """When each began and ended (the pause between a plan and its run is in it), and its function."""
        self._dropped = 0
        self._write()

    def of(self, name: Callable[[], str]) -> Callable[[object], None]:
        """What listens to the runs of a function of this name."""
        return lambda event: self(event, name)

    def __call__(self, event: object, name: Callable[[], str] = str) -> None:
        """An event of a run: a flag for a decision and a hand-over; the end of a run writes the file."""
        if isinstance(event, Decided):
            self.lines.append(("decision", event.at, choice_fields(event.choice)))
        elif isinstance(event, HandedOver):
            self.lines.append(("hand-over", event.at, {"position": event.position}))
        elif isinstance(event, RunEnded):
            self.runs.append((event.run, event.began, perf_counter(), name()))
            self._dropped += event.dropped_lines
            self._write()

    def _write(self) -> None:
        import json

        unfinished = f"{self.path}.{os.urandom(4).hex()}.tmp"
        try:
            descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.to_dict(), file, default=repr)
            os.replace(unfinished, self.path)
        except BaseException:
            try:
                os.unlink(unfinished)
            except OSError:
                pass
            raise

    def to_dict(self) -> dict[str, Any]:
        """The trace as plain values: ``traceEvents``, and the runs' own figures beside them."""
        own = os.getpid()
        events = [_event(line, own) for line in self.lines]
        workers = sorted({(e["pid"], e["tid"]) for e in events if e["ph"] == "X"} | {(own, 0)})
        names = [
            {
                "ph": "M", "name": "thread_name", "pid": process, "tid": thread,
                "args": {"name": "caller" if (process, thread) == (own, 0) else f"worker {number}"},
            }
            for number, (process, thread) in enumerate(workers)
        ]  # fmt: skip
        events += [_run_event(*one, own) for one in self.runs]
        return {
            "traceEvents": names + events,
            "displayTimeUnit": "ms",
            "otherData": {
                "format": "amorsize trace 1",
                "runs": [_fields(run, name) for run, _, _, name in self.runs],
                "dropped_events": self._dropped,
            },
        }


def _event(line: tuple[Any, ...], own: int) -> dict[str, Any]:
    what = line[0]
    if what in ("slice", "chunk"):
        _, (process, thread), first, items, began, seconds = line
        return {
            "ph": "X", "name": what, "cat": what, "pid": process, "tid": thread,
            "ts": began * MICROSECONDS, "dur": seconds * MICROSECONDS,
            "args": {"first": first, "items": items},
        }  # fmt: skip
    _, when, details = line
    return {
        "ph": "i", "s": "p", "name": what, "cat": "decision", "pid": own, "tid": 0,
        "ts": when * MICROSECONDS, "args": details,
    }  # fmt: skip


def _fields(run: Run, name: str) -> dict[str, Any]:
    return {"function": name, **run_fields(run)}


def _run_event(run: Run, began: float, ended: float, name: str, own: int) -> dict[str, Any]:
    return {
        "ph": "X", "name": f"run: {describe(run.config)}", "cat": "run", "pid": own, "tid": 0,
        "ts": began * MICROSECONDS, "dur": (ended - began) * MICROSECONDS, "args": _fields(run, name),
    }  # fmt: skip
