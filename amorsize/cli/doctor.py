"""``amorsize doctor``: what this process may use of this machine, what workers cost, and advice."""

from __future__ import annotations

from amorsize.cli.exit_codes import OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

TEXT = """\
Print what this process may use of this machine, what starting workers costs, and advice.
"""
EPILOG = ""
NO_LIMIT = ("cpu_quota", "memory_limit_bytes")
"""Figures of the machine that are None where there is no limit; None elsewhere means unknown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words that this command takes."""
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: argparse.Namespace) -> int:
    """``amorsize doctor``."""
    from dataclasses import asdict

    from amorsize.cli.advice import advice
    from amorsize.cli.start_costs import measure_costs
    from amorsize.machine.detect import detect_machine

    machine = detect_machine()
    costs = measure_costs(spawn=True)
    hints = advice(machine, costs)
    if options.json:
        from json import dumps

        told = {"machine": asdict(machine), "costs": asdict(costs), "advice": hints}
        print(dumps(told, indent=2))
        return OK
    print("machine")
    for name, value in asdict(machine).items():
        _print_figure(name.removesuffix("_bytes"), _figure(name, value))
    print("costs, measured now")
    for name, value in asdict(costs).items():
        _print_figure(name.removesuffix("_seconds"), _cost(value))
    print("advice")
    for hint in hints or ["nothing to change"]:
        print(f"  {hint}")
    return OK


def _print_figure(name: str, shown: str) -> None:
    print(f"  {name.replace('_', ' '):18} {shown}")


def _figure(name: str, value: object) -> str:
    if value is None:
        return "none" if name in NO_LIMIT else "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**20:,.0f} MiB"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _cost(seconds: float | None) -> str:
    from amorsize.planning.explain import format_seconds

    return "not measured" if seconds is None else format_seconds(seconds)
