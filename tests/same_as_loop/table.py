"""Print by kind how many cases equal the loop, and how many without effects run in parallel.

``python tests/same_as_loop/table.py [--setting alone] [--kind KIND] [--case NAME] [--jobs 2] [--why]``

``--setting notebook`` runs each case in a kernel of its own; ``--setting eight`` in eight threads at
once, those left out of which the eight loops differ already. ``--part 3`` takes one case of three.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness


@dataclass
class Row:
    """What is told of a kind, or of all."""

    cases: int = 0
    equal: int = 0
    told: int = 0
    """Of those that differ, with a warning that names a difference."""
    free: int = 0
    parallel: int = 0
    alarms: int = 0
    """Of those without effects, warned of all the same."""

    def line(self, name: str) -> str:
        """The row as text."""
        effect = f"{self.equal:>5} of {self.cases:<5}"
        return f"{name:24}{effect:>16}{self.told:>6}" + (
            f"{self.parallel:>6} of {self.free:<5}{self.alarms:>6}" if self.free else ""
        )


def judge(
    listed: harness.Listed, setting: str, twice: bool, options: list[str]
) -> tuple[str | None, harness.Ran | None]:
    """In what a case differs, and its run with amorsize."""
    tries = "the loop"
    try:
        loop = harness.run(listed.name, "loop", setting)
        if twice:
            again = harness.run(listed.name, "loop", setting)
            if (loop.results, loop.left) != (again.results, again.left):
                return f"NO CASE: loops differ: {harness.compare(listed, loop, again)}", None
        if loop.results.startswith(harness.APART):
            return "NO CASE: eight loops differ", None
        if loop.results.startswith("raised ") or loop.left.startswith("raised "):
            print(f"  (the loop of {listed.name}: {loop.results[:99]}; left {loop.left[:99]})")
        tries = "amorsize"
        ran = harness.run(listed.name, "amorsize", setting, *options)
    except RuntimeError as error:
        return f"{'NO CASE: ' if tries == 'the loop' else ''}{error}", None
    return harness.compare(listed, loop, ran), ran


def main() -> None:
    """Run what the command line asks for, two at a time at most."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--setting", choices=(*harness.SETTINGS, harness.EIGHT, harness.NOTEBOOK), default="alone"
    )
    parser.add_argument("--part", type=int, default=1, help="one case of so many, by their names")
    parser.add_argument("--kind", help="only cases of this kind")
    parser.add_argument("--case", help="only cases whose name contains this")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=2)
    parser.add_argument("--why", action="store_true", help="say in what each case differs")
    parser.add_argument("--twice", action="store_true", help="compare two loops, too")
    parser.add_argument("--eager", action="store_true", help="workers seem to cost nothing")
    parser.add_argument("--timeout", action="store_true", help="with a limit on an item's time")
    asked = parser.parse_args()
    options = ["--trace"] * asked.why + ["--eager"] * asked.eager
    options += ["--timeout"] * asked.timeout
    chosen = [
        listed
        for listed in harness.cases()
        if asked.kind in (None, listed.kind)
        and (asked.case or "") in listed.name
        and zlib.crc32(listed.name.encode()) % asked.part == 0
    ]
    rows: dict[str, Row] = defaultdict(Row)
    with ThreadPoolExecutor(asked.jobs) as pool:
        judged = pool.map(lambda listed: judge(listed, asked.setting, asked.twice, options), chosen)
        for listed, (difference, ran) in zip(chosen, judged, strict=True):
            if difference is not None and difference.startswith("NO CASE: eight"):
                continue
            workers = (ran.workers or 0) if ran is not None else 0
            named = ran.differences_named if ran is not None else []
            for row in (rows[listed.kind], rows["all"]):
                row.cases += 1
                row.equal += difference is None
                row.free += not listed.effect
                row.parallel += not listed.effect and workers >= 2
                row.told += difference is not None and bool(named)
                row.alarms += not listed.effect and not listed.documented and bool(named)
            if asked.why:
                told = "equal" if difference is None else difference
                where = "" if ran is None or ran.backend is None else f" [{ran.backend}, {workers}]"
                told += "".join(f"; WARNED: {text}" for text in named)
                seconds = 0.0 if ran is None else ran.seconds
                print(f"{listed.name:56}{seconds:6.2f} s{where} {told}", flush=True)
    print(f"{'kind':24}{'equal':>16}{'told':>6}{'parallel':>11}{'alarms':>8}")
    everything = rows.pop("all", Row())
    for kind in sorted(rows):
        print(rows[kind].line(kind))
    print(everything.line("all"))


if __name__ == "__main__":
    main()
