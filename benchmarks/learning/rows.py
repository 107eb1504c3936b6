"""Collects the real runs that learning is judged on.

python -m benchmarks.learning.rows collect [--seconds S]   go on where the last call ended
python -m benchmarks.learning.rows finish                  compress them, with their provenance

Every workload of ``learnable.py`` runs in three lengths; for each, three times over, amorsize looks at
the first items as in any first call (the profile), then every configuration runs the whole, in random
order, in the same process. So the seconds are those of a library that is loaded, and of a function that
has been called.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from amorsize.api.checks import make_options
from amorsize.core.backends import CALLER_ITEM_SECONDS
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Prediction, Profile
from amorsize.core.observation import Observation, from_line, to_line
from amorsize.engine import reviews
from amorsize.engine.decisions import profile_to_remember
from amorsize.engine.driver import engine_for
from amorsize.engine.events import Reported
from amorsize.engine.reviews import REVIEW_SECONDS
from amorsize.engine.state import Decision, Mark, RunState, evolve
from amorsize.machine.detect import detect_machine
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.threads import vanish
from amorsize.planning.choose import LARGE_RESULT_BYTES
from amorsize.planning.values import Choice
from amorsize.profiling.meter import Measured
from amorsize.profiling.sampler import clock
from benchmarks.harness.measure import ROOT, bench
from benchmarks.workloads.catalog import Workload
from benchmarks.workloads.learnable import NAMES, WAITS, portion

RESULTS = ROOT / "benchmarks" / "results"
RUNS = RESULTS / "runs.jsonl.gz"
PARTIAL = Path(tempfile.gettempdir()) / "amorsize-rows"
LOOP_SECONDS = (0.05, 0.1, 0.2)
"""What the loop takes in each of the three lengths: below the first nothing is recorded either."""
REPETITIONS = 3
LEAST_ITEMS = 6
LIMIT_SECONDS = 90.0
SLOW_FACTOR = 8.0
"""A configuration so many times slower than the loop is run once."""


def measured(profile: Profile) -> Measured:
    """What a meter would say, by a profile that was seen in another run."""
    window = 1.0, profile.cpu_share, profile.inner_threads
    return Measured(
        profile.items,
        profile.item_seconds,
        profile.item_spread,
        window,
        False,
        profile.gil_free_share,
    )


def look_on(spec: Any, state: RunState, event: Reported, facts: Any) -> tuple[RunState, tuple[()]]:
    """Looks as often as any run does, and lets the threads be."""
    review = state.review
    if review is not None and event.now - review.since.at > REVIEW_SECONDS:
        mark = Mark(event.now, event.done, event.cpu_seconds)
        state = evolve(state, review=replace(review, since=mark))
    return state, ()


def caller_computes(config: Config, profile: Profile) -> bool:
    """As planning has it."""
    large = (profile.result_bytes or 0) > LARGE_RESULT_BYTES
    short = profile.item_seconds < CALLER_ITEM_SECONDS
    return (
        config.backend in ("fork", "spawn") and config.threads_per_job == 1 and short and not large
    )


def configs(kind: str, cores: int) -> list[Config]:
    """The configurations that are tried on a workload of this kind."""
    threads = (2, 4, 8, 16, 32, 64) if kind in WAITS or kind == "generators" else (2, 4, 8)
    found = [
        Config("serial"),
        *(Config("threads", count) for count in threads),
        Config("fork", cores),
        Config("fork", 2 * cores),
        Config("spawn", cores),
    ]
    if kind in ("waiting", "http", "mixed"):
        found += [Config("fork", cores, 4), Config("fork", cores, 16)]
    return found


def look(func: Any, data: Any) -> Profile:
    """What amorsize sees of a workload before it decides."""
    engine = engine_for(func, data, make_options(history=None))
    engine.measure()
    profile = engine._lookups.answer(lambda facts: profile_to_remember(engine.state, facts))
    engine._loop.source.close()
    return profile


def run_in(func: Any, data: Any, config: Config, profile: Profile) -> tuple[float, float]:
    """Wall and CPU seconds of the whole data in a configuration."""
    serial = config.backend == "serial"
    options = make_options(
        history=None,
        backend="serial" if serial else "auto",
        # waiting threads would go on growing beyond their number
        n_jobs=config.n_jobs if config.backend == "threads" else "auto",
    )
    engine = engine_for(func, data, options)
    if not serial:
        computes = caller_computes(config, profile)
        choice = Choice(Prediction(config, 0.0), (), (), computes)
        decision = Decision(choice, "ordered", clock(), 0)
        engine.state = evolve(engine.state, decisions=(decision,))
        engine._lookups.know(measured=measured(profile))
        engine._meter.add(1, profile.item_seconds)
    began, cpu = clock(), cpu_seconds()
    with mock.patch.object(reviews, "on_report", look_on):
        engine.execute()
    seconds, cpu = clock() - began, cpu_seconds() - cpu
    assert engine.run is not None and engine.run.corrections == 0
    return seconds, cpu


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def child(name: str) -> None:
    """All runs of one workload, a line each."""
    kind, load, make = NAMES[name]
    func, item_seconds = load(), portion()(name)
    group = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    chance = random.Random(name)
    machine = detect_machine()
    lengths = sorted({max(LEAST_ITEMS, round(s / item_seconds)) for s in LOOP_SECONDS})
    for config in configs(kind, machine.cores):  # imports, and spawned workers that stay warm
        run_in(func, make(lengths[0]), config, look(func, make(lengths[0])))
    for turn in range(REPETITIONS):
        for length in lengths:
            profile = look(func, make(length))
            if profile.item_seconds <= 0:
                continue
            tried = configs(kind, machine.cores)
            if turn:  # starting interpreters takes longer than all the rest
                tried = [config for config in tried if config.backend != "spawn"]
            chance.shuffle(tried)
            for config in tried:
                if config.workers > length and config.n_jobs > 4:
                    continue
                vanish()
                if config.backend == "fork" and fork_refusal() is not None:
                    print(f"{name}: {fork_refusal()}", file=sys.stderr)
                    continue
                wall, cpu = run_in(func, make(length), config, profile)
                one = Observation(
                    fingerprint=group,
                    profile=profile,
                    machine=detect_machine(),
                    config=config,
                    items=length,
                    wall_seconds=wall,
                    cpu_seconds=cpu,
                    time=time.time(),
                    workload=group,
                    id=os.urandom(16).hex(),
                )
                print(to_line(one), flush=True)


def collect(seconds: float) -> None:
    """Run the workloads that have no runs yet, until so many seconds have passed."""
    PARTIAL.mkdir(exist_ok=True)
    began = time.monotonic()
    with bench() as tools:
        for name in random.Random(1).sample(sorted(NAMES), len(NAMES)):
            file = PARTIAL / (name.replace("/", "-") + ".jsonl")
            if file.exists() or time.monotonic() - began > seconds:
                continue
            environment = tools.environment(Workload(name, "", lambda: (len, ())))
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.learning.rows", "child", name],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                print(f"{name}: over {LIMIT_SECONDS} s", flush=True)
                continue
            if done.returncode == 0:
                file.write_text(done.stdout)
            print(
                f"{name}: {len(done.stdout.splitlines())} runs; {done.stderr.strip()[-300:]}",
                flush=True,
            )
    left = [n for n in NAMES if not (PARTIAL / (n.replace("/", "-") + ".jsonl")).exists()]
    print(f"{len(left)} workloads left after {time.monotonic() - began:.0f} s")


def finish() -> None:
    """One compressed file, and a note on where it comes from."""
    from benchmarks.learning.evaluate import modelled

    lines = []
    for name in NAMES:
        file = PARTIAL / (name.replace("/", "-") + ".jsonl")
        if file.exists():
            for line in file.read_text().splitlines():
                run = from_line(line)
                lines.append(to_line(replace(run, model_seconds=modelled(run))))
    RUNS.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", 9, mtime=0))
    first = from_line(lines[0])
    import numpy

    RESULTS.joinpath("runs.md").write_text(
        f"""# runs.jsonl.gz

{len(lines)} real runs of {len({json.loads(line)["workload"] for line in lines})} workloads
(`benchmarks/workloads/learnable.py`), each in three lengths, three times over, in every
configuration, collected by
`python -m benchmarks.learning.rows`. One line a run, as `amorsize history export` writes them; a workload
is the BLAKE2b hash of its name (16 bytes). Spawned workers ran in the first of the three rounds only.
Other work was on the machine at times; the collecting process had priority over it.
The model's seconds are computed anew when the benchmark reads the file.

| | |
| --- | --- |
| date | {time.strftime("%Y-%m-%d", time.gmtime(first.time))} |
| machine | {first.machine.cores} cores of a shared virtual machine, {platform.machine()}, Linux |
| Python | {platform.python_version()} |
| NumPy | {numpy.__version__} |
"""
    )
    print(f"{len(lines)} runs, {RUNS.stat().st_size / 1e3:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("collect", "finish", "child"))
    parser.add_argument("name", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    if options.what == "child":
        child(options.name)
    elif options.what == "collect":
        collect(options.seconds)
    else:
        finish()


if __name__ == "__main__":
    main()
