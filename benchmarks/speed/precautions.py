"""What options for bad runs cost good ones: on_error, retries, rerun_after_death, timeout.

``python -m benchmarks.speed.precautions`` runs one workload of each kind with each option and
without any,
in turns, each in an interpreter of its own, and prints what an option adds: Hodges-Lehmann estimate
and 95 % limits of the difference, in per cent of the run without.

A time limit has to be watched from outside: with one, all items go to workers (backend permitting), so
a job that would have stayed in the caller pays for theirs.
"""

from __future__ import annotations

import argparse
import re
from statistics import median

from benchmarks.harness.analysis import geometric_mean, signed_rank_limits
from benchmarks.harness.contenders import PRECAUTIONS
from benchmarks.harness.measure import Record, bench
from benchmarks.workloads.catalog import WORKLOADS

PAIRS = 9


def added(record: Record, option: str) -> tuple[float, float, float]:
    """What an option adds to a run, as estimate and limits in per cent of the run without it."""
    pairs = [
        (plain, own)
        for i in record.like_rounds()
        if (plain := record.seconds["amorsize"][i]) is not None
        and (own := record.seconds[option][i]) is not None
    ]
    limits = signed_rank_limits([own - plain for plain, own in pairs])
    whole = median(plain for plain, _ in pairs) / 100
    return limits.estimate / whole, limits.lower / whole, limits.upper / whole


def main() -> None:
    """The command line of this benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.precautions", description=__doc__
    )
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--only", metavar="REGEX", default="", help="workloads whose name matches")
    options = parser.parse_args()
    ratios: dict[str, list[float]] = {option: [] for option in PRECAUTIONS}
    with bench() as tools:
        for workload in WORKLOADS:
            if not workload.quick or not re.search(options.only, workload.name):
                continue
            record = tools.pairs(workload, ["loop", "amorsize", *PRECAUTIONS], options.pairs)
            print(workload.name, *record.problems.items())
            for option in PRECAUTIONS:
                if option in record.problems:
                    continue
                estimate, lower, upper = added(record, option)
                ratios[option].append(1 + estimate / 100)
                text = f"{estimate:+7.1f} %  ({lower:+.1f} to {upper:+.1f})"
                print(f"    {option.removeprefix('amorsize '):10} {text}", flush=True)
    for option, found in ratios.items():
        print(f"{option}: {geometric_mean(found):.3f} times the run without, geometric mean")


if __name__ == "__main__":
    main()
