"""What a run did, for tools outside: log records and a span, only where the program has loaded what
takes them."""

from __future__ import annotations

import sys
import time

from amorsize.core.events import Decided, RunEnded
from amorsize.planning.explain import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.model import Config, Run
    from amorsize.planning.values import Choice

LOGGER = "amorsize"
"""Decisions are logged at DEBUG, ends of runs at INFO; ``record.amorsize`` holds the fields."""


def run_fields(run: Run) -> dict[str, Any]:
    """A run as plain values."""
    config = run.config
    fields = {
        name: value for name, value in run.__dict__.items() if name not in ("workers", "retried")
    }
    fields["config"] = {**config.__dict__}
    fields["workers"] = [{**use.__dict__} for use in run.workers]
    fields["retried"] = [{**item.__dict__} for item in run.retried]
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


class Log:
    """Writes log records of the runs of a function; its name is asked for when there is one to write."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name

    def __call__(self, event: object) -> None:
        """An event of a run: a log record of a decision and of the end of a run."""
        if isinstance(event, Decided):
            _tell_choice(event.choice, self._name)
        elif isinstance(event, RunEnded):
            _tell_run(event.run, self._name)


def tell_config(config: Config, why: str, name: Callable[[], str]) -> None:
    """Log a decision of which there is no more than this."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(logging.DEBUG):
        fields = {"function": name(), "chosen": describe(config), "reasons": [why]}
        logger.debug("chose for %s: %s", fields["function"], why, extra={"amorsize": fields})


def _tell_choice(choice: Choice, name: Callable[[], str]) -> None:
    """Log a decision, if the logger is enabled for it."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    logger = logging.getLogger(LOGGER)
    if logger.isEnabledFor(logging.DEBUG):
        why, function = "; ".join(choice.reasons), name()
        fields = {"function": function, **choice_fields(choice)}
        logger.debug("chose for %s: %s", function, why, extra={"amorsize": fields})


def is_heard() -> bool:
    """Whether the end of a run would be logged, or leave a span."""
    modules = sys.modules
    if "opentelemetry.trace" in modules:
        return True
    logging = modules.get("logging")
    return logging is not None and logging.getLogger(LOGGER).isEnabledFor(logging.INFO)


def _tell_run(run: Run, name: Callable[[], str]) -> None:
    """Log the end of a run, and leave a span of it with OpenTelemetry, where the program has loaded
    it."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger(LOGGER)
        if logger.isEnabledFor(logging.INFO):
            refused = ""
            if run.refused_calls:
                refused = f"; a server refused {run.refused_calls} of {run.calls} calls"
            function = name()
            logger.info(
                "%s: %s, %d item%s in %.3g s on %s%s", run.outcome, function, run.items,
                "s" * (run.items != 1), run.wall_seconds, describe(run.config), refused,
                extra={"amorsize": {"function": function, **run_fields(run)}},
            )  # fmt: skip
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is not None:
        ended = time.time_ns()
        span = opentelemetry.get_tracer(LOGGER).start_span(
            "amorsize.run",
            start_time=ended - int(run.wall_seconds * 1e9),
            attributes={
                "amorsize.function": name(),
                "amorsize.items": run.items,
                "amorsize.config": describe(run.config),
                "amorsize.outcome": run.outcome,
                "amorsize.utilisation": run.utilisation,
            },
        )
        span.end(ended)
