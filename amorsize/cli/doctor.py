"""``amorsize doctor``: what this process may use of this machine, what workers cost, and advice."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from amorsize.cli.advice import advice
from amorsize.cli.exit_codes import OK, USAGE
from amorsize.cli.output import answer
from amorsize.cli.start_costs import measure_costs
from amorsize.machine.detect import detect_machine
from amorsize.planning.explain import format_seconds

TEXT = """\
Print what this process may use of this machine, what starting workers costs, and advice.
"""
EPILOG = ""
ENDINGS = {USAGE: "wrong usage"}
NO_LIMIT = ("cpu_quota", "memory_limit_bytes")
"""Figures of the machine that are None where there is no limit; None elsewhere means unknown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace) -> int:
    """``amorsize doctor``."""
    found = detect_machine()
    measured = measure_costs(spawn=True)
    hints = advice(found, measured)
    machine, costs = asdict(found), asdict(measured)
    lines = [
        "machine",
        *(_line(name.removesuffix("_bytes"), _figure(name, machine[name])) for name in machine),
        "costs, measured now",
        *(_line(name.removesuffix("_seconds"), _cost(costs[name])) for name in costs),
        "advice",
        *(f"  {hint}" for hint in hints or ["nothing to change"]),
    ]
    answer(options, {"machine": machine, "costs": costs, "advice": hints}, "\n".join(lines))
    return OK


def _line(name: str, shown: str) -> str:
    return f"  {name.replace('_', ' '):18} {shown}"


def _figure(name: str, value: object) -> str:
    if value is None:
        return "none" if name in NO_LIMIT else "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**20:,.0f} MiB"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _cost(seconds: float | None) -> str:
    return "not measured" if seconds is None else format_seconds(seconds)
