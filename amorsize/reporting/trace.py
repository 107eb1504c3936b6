"""What a run did, for people and tools outside: a trace file, log records, a span.

The file is in the Trace Event Format of Chromium's tracing, as JSON; https://ui.perfetto.dev and
``chrome://tracing`` open it. One row for each worker, a box for each slice and chunk, a flag for each
decision with its reasons.
"""

from __future__ import annotations

import os
import sys
import time

from amorsize.planning.explain import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.core.model import Run
    from amorsize.items.usage import UsageLog
    from amorsize.planning.values import Choice

LOGGER = "amorsize"
"""Decisions are logged at DEBUG, ends of runs at INFO; ``record.amorsize`` holds the fields."""
MICROSECONDS = 1e6
"""Times of the format are microseconds."""


class Trace:
    """A file that the runs of a tuner are drawn in, one after the other; written when a run ends.

    ``path``: where it goes; an existing file is replaced. Raises ``OSError`` at once if it cannot be
    written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.lines: list[tuple[Any, ...]] = []
        self.runs: list[tuple[Run, float]] = []
        self._dropped = 0
        self._write()

    def add(self, run: Run, began: float, usage: UsageLog) -> None:
        """A run that began at this time of ``perf_counter`` has ended: the file holds it from now on."""
        self.runs.append((run, began))
        self._dropped += usage.dropped
        self._write()

    def _write(self) -> None:
        import json

        unfinished = f"{self.path}.{os.urandom(4).hex()}.tmp"
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
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
        events += [_run_event(run, began, own) for run, began in self.runs]
        return {
            "traceEvents": names + events,
            "displayTimeUnit": "ms",
            "otherData": {
                "format": "amorsize trace 1",
                "runs": [run_fields(run) for run, _ in self.runs],
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


def _run_event(run: Run, began: float, own: int) -> dict[str, Any]:
    return {
        "ph": "X", "name": f"run: {describe(run.config)}", "cat": "run", "pid": own, "tid": 0,
        "ts": began * MICROSECONDS, "dur": run.wall_seconds * MICROSECONDS, "args": run_fields(run),
    }  # fmt: skip


def run_fields(run: Run) -> dict[str, Any]:
    """A run as plain values."""
    config = run.config
    fields = {name: value for name, value in run.__dict__.items() if name != "workers"}
    fields["config"] = {**config.__dict__}
    fields["workers"] = [{**use.__dict__} for use in run.workers]
    fields["utilisation"] = run.utilisation
    return fields


def choice_fields(choice: Choice) -> dict[str, Any]:
    """A choice as plain values."""
    return {
        "chosen": describe(choice.config),
        "expected_seconds": choice.prediction.seconds,
        "source": choice.prediction.source,
        "reasons": list(choice.reasons),
        "considered": {describe(one.config): one.seconds for one in choice.candidates},
    }


# -- log records and spans: only where the program has loaded what takes them --------------------------


def tell_choice(choice: Choice) -> None:
    """Log a decision, if somebody listens."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(logging.DEBUG):
        why = "; ".join(choice.reasons)
        logger.debug("chose %s", why, extra={"amorsize": choice_fields(choice)})


def is_heard() -> bool:
    """Whether anybody would take note of :func:`tell_run`."""
    modules = sys.modules
    if "opentelemetry.trace" in modules:
        return True
    logging = modules.get("logging")
    return logging is not None and logging.getLogger(LOGGER).isEnabledFor(logging.INFO)


def tell_run(run: Run) -> None:
    """Log the end of a run, and leave a span of it with OpenTelemetry, if somebody listens."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger(LOGGER)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s: %d items in %.3g s on %s", run.outcome, run.items, run.wall_seconds,
                describe(run.config), extra={"amorsize": run_fields(run)},
            )  # fmt: skip
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is not None:
        ended = time.time_ns()
        span = opentelemetry.get_tracer(LOGGER).start_span(
            "amorsize.run",
            start_time=ended - int(run.wall_seconds * 1e9),
            attributes={
                "amorsize.items": run.items,
                "amorsize.config": describe(run.config),
                "amorsize.outcome": run.outcome,
                "amorsize.utilisation": run.utilisation,
            },
        )
        span.end(ended)
