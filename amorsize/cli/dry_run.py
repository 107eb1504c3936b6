"""``amorsize run --dry-run``: the items, and what can be said without running one."""

from __future__ import annotations

import sys

from amorsize.cli.exit_codes import OK, USAGE, Stop
from amorsize.cli.output import as_json
from amorsize.cli.run_options import engine_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from typing import Any


def preview(options: argparse.Namespace, function: Callable[[Any], Any], items: Any) -> int:
    """Print the items, and what looking without running tells."""
    from itertools import chain, islice

    first = list(islice(iter(items), 3))
    rest = items[len(first) :] if isinstance(items, (list, range)) else items
    for line in _inspect(options, function, first):
        print(f"amorsize: {line}", file=sys.stderr)
    count = 0
    for item in chain(first, rest):
        print(as_json(item))
        count += 1
    print(f"amorsize: {count:,} items; none of them was run", file=sys.stderr)
    return OK


def _inspect(
    options: argparse.Namespace, function: Callable[[Any], Any], first: list[Any]
) -> Iterator[str]:
    """What can be said about a run before it: sentences."""
    from amorsize.api.checks import make_options
    from amorsize.errors import OptionError
    from amorsize.inspection.effects import inspect_function
    from amorsize.machine.detect import detect_machine

    try:
        checked = make_options(**engine_options(options))
    except OptionError as error:
        raise Stop(USAGE, str(error)) from None
    machine = detect_machine()
    yield f"would call {options.target} on {machine.cores} usable cores"
    if checked.forced is not None:
        yield f"decided by --backend: {checked.forced}"
        return
    safety = inspect_function(function, first)
    reasons = {
        "stays in the caller": safety.caller_only,
        "no threads": safety.no_threads,
        "no processes": safety.no_processes,
    }
    for what, why in reasons.items():
        if why is not None:
            yield f"{what}: {why}"
    if safety.caller_only is None:
        allowed = ", ".join(sorted(checked.backends))
        yield f"to be decided while the first items run, among: {allowed}"
