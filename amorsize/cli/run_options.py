"""The options that go to the engine as they are."""

from __future__ import annotations

import argparse

from amorsize.cli.function import load
from amorsize.core.backends import PUBLIC_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ON_ERROR = ("raise", "skip", "collect")
"""What may become of an item that fails, in the order of the help."""

BACKENDS = ("auto", *PUBLIC_NAMES)
"""For help and completion; the engine has the say."""


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that order or limit how the function is run."""
    add = parser.add_argument_group("how (chosen for you unless given)").add_argument
    add("-j", "--jobs", metavar="N", type=_number, help="most workers; -1: all cores")
    add("--backend", metavar="NAME[,NAME]", help="allowed: " + ", ".join(BACKENDS))
    add("--chunksize", metavar="N", type=_number, help="items handed over at once")
    add("--timeout", metavar="SECONDS", type=float, help="how long an item may take; then it fails")
    add(
        "--memory-limit", metavar="SIZE", help="what all workers may hold together: 500MB, 2GiB ..."
    )
    add("--rate", metavar="N/UNIT", help="most calls: 500/min, 50/s, or a number a second")
    add(
        "--max-errors",
        metavar="N",
        type=int,
        help="so many failed items end the run (with --on-error collect or skip)",
    )
    add("--retries", metavar="N", type=int, help="further tries of an item that fails")
    add(
        "--retry-on",
        metavar="NAME[,NAME]",
        help="exceptions after which it is tried again (default: Exception): a builtin one, or "
        "MODULE:CLASS",
    )
    add(
        "--seed",
        metavar="N",
        type=int,
        help="give each item the same amorsize.item_rng() each time",
    )
    add(
        "--on-error",
        choices=ON_ERROR,
        default="raise",
        help="an item fails: stop (default), leave it out, or put the error in its place",
    )


def engine_options(options: argparse.Namespace) -> dict[str, Any]:
    """The keywords for ``stream`` and ``optimize``: those that were given."""
    chosen: dict[str, Any] = {"on_error": options.on_error}
    if options.jobs is not None:
        chosen["n_jobs"] = options.jobs
    if options.backend is not None:
        names = tuple(options.backend.split(","))
        chosen["backend"] = names if len(names) > 1 else names[0]
    for name in ("chunksize", "timeout", "retries", "seed", "memory_limit", "max_errors"):
        if getattr(options, name) is not None:
            chosen[name] = getattr(options, name)
    if options.rate is not None:
        chosen["rate"] = float(options.rate) if _is_float(options.rate) else options.rate
    if options.retry_on is not None:
        chosen["retry_on"] = tuple(_exception(name) for name in options.retry_on.split(","))
    return chosen


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _exception(name: str) -> Any:
    return load(name if ":" in name else f"builtins:{name}")


def _number(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        problem = f"{text!r} is neither a whole number nor 'auto'"
        raise argparse.ArgumentTypeError(problem) from None
