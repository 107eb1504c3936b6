"""Measure, and write results.json, results.md, times.png and times.svg.

python -m benchmarks                   everything: rounds, pairs and the particular lines
python -m benchmarks --quick           one workload of each kind, under 5 minutes
python -m benchmarks --pairs 15        only the paired comparison with the loop
python -m benchmarks --add             only the workloads that results.json lacks: a run in parts
python -m benchmarks --special         only the particular lines
python -m benchmarks --report          only write the report anew
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from benchmarks.harness import analysis, plot, report
from benchmarks.harness import results as stored
from benchmarks.harness.contenders import KNOWN, PEERS
from benchmarks.harness.grid import promising
from benchmarks.harness.measure import ROOT, Bench, Record, bench
from benchmarks.workloads.catalog import WORKLOADS, Workload

PAIRS = 15
REPETITIONS, KEEP = 5, 4
"""Rounds, and configurations of the grid that reach them."""
QUICK_REPETITIONS = 3


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one workload of each kind, 3 rounds")
    parser.add_argument("--only", metavar="REGEX", default="", help="workloads whose name matches")
    parser.add_argument(
        "--held-out", action="store_true", help="the held-out third too: only to check"
    )
    parser.add_argument("--reps", type=int, help=f"rounds (default {REPETITIONS}, quick 3)")
    parser.add_argument(
        "--pairs", type=int, metavar="N", help=f"only pairs; a full run has {PAIRS}"
    )
    parser.add_argument(
        "--add", action="store_true", help="keep what results.json has, measure only what it lacks"
    )
    parser.add_argument("--special", action="store_true", help="only the particular lines")
    parser.add_argument("--report", action="store_true", help="only write the report anew")
    parser.add_argument(
        "--no-peers",
        action="store_true",
        help="without the peers (they run one workload of each kind)",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", metavar="DIR")
    return parser.parse_args()


def selected(options: argparse.Namespace) -> list[Workload]:
    return [
        workload
        for workload in WORKLOADS
        if re.search(options.only, workload.name)
        and (options.held_out or not workload.held_out)
        and (workload.quick or not options.quick)
    ]


def measure_rounds(
    tools: Bench, workloads: list[Workload], options: argparse.Namespace, results: stored.Results
) -> None:
    count = options.reps or (QUICK_REPETITIONS if options.quick else REPETITIONS)
    if not options.add:
        results.rounds = []
    workloads = _missing(workloads, results.rounds)
    results.mode = ("quick" if options.quick else "whole") + f", {count} rounds"
    results.mode += ", held-out workloads included" if options.held_out else ""
    for number, workload in enumerate(workloads, 1):
        began = time.monotonic()
        finalists = promising(tools, workload, KEEP, thorough=not options.quick)
        peers = list(PEERS) if workload.quick and not options.no_peers else []
        record = tools.rounds(workload, ["loop", "amorsize", KNOWN, *finalists, *peers], count)
        results.rounds.append(record)
        results.save(options.out)
        found = analysis.row(record)
        line = (
            "FAILED"
            if found is None
            else f"loop {report.milliseconds(found.loop_seconds):>5}  "
            f"oracle {report.milliseconds(found.oracle_seconds):>5} ({found.oracle})  "
            f"amorsize {report.milliseconds(found.amorsize_seconds):>5} ms  "
            f"{found.to_oracle:.2f} of the oracle, known {found.known_to_oracle:.2f}"
        )
        passed = time.monotonic() - began
        print(
            f"[{number}/{len(workloads)}] {workload.name:26} {line}  ({passed:.0f} s)", flush=True
        )
        _tell_problems(record.problems)


def _missing(workloads: list[Workload], records: list[Record]) -> list[Workload]:
    known = {record.name for record in records}
    return [workload for workload in workloads if workload.name not in known]


def measure_pairs(
    tools: Bench, workloads: list[Workload], options: argparse.Namespace, results: stored.Results
) -> None:
    if not options.add:
        results.pairs = []
    workloads = _missing(workloads, results.pairs)
    for number, workload in enumerate(workloads, 1):
        record = tools.pairs(workload, ("loop", "amorsize", KNOWN), options.pairs or PAIRS)
        results.pairs.append(record)
        results.save(options.out)
        for contender in ("amorsize", KNOWN):
            found = analysis.excess(record, contender)
            line = (
                "FAILED"
                if found is None
                else f"excess {report.milliseconds(found.limits.estimate):>6} ms, 95 % limits "
                f"{report.milliseconds(found.limits.lower):>6} and "
                f"{report.milliseconds(found.limits.upper):>6}, "
                f"bound {report.milliseconds(found.bound_seconds)}: {found.verdict}"
            )
            place = f"[{number}/{len(workloads)}] {workload.name:26} {contender:14}"
            print(f"{place} {line}", flush=True)
        _tell_problems(record.problems)


def _tell_problems(problems: dict[str, str]) -> None:
    for contender, what in problems.items():
        print(f"      {contender}: {what}", flush=True)


def write_report(results: stored.Results, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [found for record in results.rounds if (found := analysis.row(record)) is not None]
    if rows:
        plot.draw(rows, folder)
    (folder / "results.md").write_text(report.markdown(results), encoding="utf-8")
    print(f"written: {folder / 'results.md'}")


def main() -> None:
    options = arguments()
    results = stored.load(options.out)
    if not options.report:
        one_part = options.pairs is not None or options.special
        workloads = selected(options)
        if not workloads and not options.special:
            raise SystemExit(f"no workload matches {options.only!r}")
        results.environment = stored.environment()
        began = time.monotonic()
        with bench() as tools:
            if not one_part:
                measure_rounds(tools, workloads, options, results)
            if options.pairs is not None or not (one_part or options.quick):
                measure_pairs(tools, workloads, options, results)
        if options.special or not (one_part or options.quick or options.only):
            from benchmarks.speed import special

            results.special = special.measure_all()
            results.save(options.out)
        print(f"measured in {time.monotonic() - began:.0f} s")
    write_report(results, options.out)


if __name__ == "__main__":
    main()
