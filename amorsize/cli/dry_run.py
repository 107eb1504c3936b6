"""``amorsize run --dry-run``: the items, and what can be said without running one."""

from __future__ import annotations

import sys
from itertools import chain, islice
from json import dumps

from amorsize.api.checks import make_options
from amorsize.cli.exit_codes import OK, usage_errors
from amorsize.cli.run_options import engine_options
from amorsize.errors import OptionError
from amorsize.inspection.effects import inspect_function
from amorsize.machine.detect import detect_machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import Any


def preview(options: argparse.Namespace, function: Callable[[Any], Any], items: Any) -> int:
    """Print the items, and what looking at the function's code tells."""
    first = list(islice(iter(items), 3))
    rest = items[len(first) :] if isinstance(items, (list, range)) else items
    for line in _inspect(options, function, first):
        print(f"amorsize: {line}", file=sys.stderr)
    count = 0
    for item in chain(first, rest):
        print(dumps(item))
        count += 1
    print(f"amorsize: {count:,} items; none of them was run", file=sys.stderr)
    return OK


def _inspect(
    options: argparse.Namespace, function: Callable[[Any], Any], first: list[Any]
) -> Iterator[str]:
    """What can be said about a run before it: sentences."""
    with usage_errors(OptionError):
        checked = make_options(**engine_options(options))
    yield f"would call {options.target} on {detect_machine().cores} usable cores"
    if checked.forced is not None:
        yield f"decided by --backend: {checked.forced}"
        return
    safety = inspect_function(function, first)
    reasons = {
        "stays in the caller": safety.caller_only,
        "no threads": safety.no_threads,
        "no processes": safety.no_processes,
    }
    yield from (f"{what}: {why}" for what, why in reasons.items() if why is not None)
    if safety.caller_only is None:
        allowed = ", ".join(sorted(checked.backends))
        yield f"to be decided while the first items run, among: {allowed}"
