"""Runs contenders on a workload, each in a fresh interpreter, interleaved.

A round runs every contender once; the order is turned by one from round to round. The host's speed is
probed between rounds, and a round whose two probes differ is marked, whatever it showed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.contenders import KNOWN, NEEDS_NO_PICKLE
from benchmarks.harness.host import Prober, Speed
from benchmarks.workloads.catalog import SCRATCH, Workload

ROOT = Path(__file__).resolve().parents[2]
PEER_LIMIT_FACTOR, PEER_LIMIT_SECONDS = 10.0, 3.0
"""A contender gets so many times the loop plus so much; beyond, it counts with just that time, which
is generous to it, and is not run again."""
CHILD_LIMIT_SECONDS = 120.0
"""No loop and no run of amorsize takes so long; whoever does hangs."""
NOT_PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "AMORSIZE_HISTORY")
KNOWN_RUNS = 3
"""Runs that amorsize has behind it of a workload that it knows."""
MOST_ATTEMPTS = 4 / 3
"""Pairs are tried so many times their number, at most, to replace those during which the host
changed."""


@dataclass(frozen=True)
class Sample:
    """One run of one contender."""

    seconds: float | None
    digest: str = ""
    count: int = 0
    error: str = ""
    over_limit: bool = False


@dataclass
class Record:
    """All runs of one workload: one number for each contender and round, None where it failed."""

    name: str
    kind: str
    held_out: bool
    seconds: dict[str, list[float | None]] = field(default_factory=dict)
    speeds: list[Speed] = field(default_factory=list)
    """One more than rounds: before the first, and after each."""
    problems: dict[str, str] = field(default_factory=dict)
    """Contenders that failed, ran over the limit, or gave other results than the loop."""

    def like_rounds(self) -> list[int]:
        """The rounds during which the host kept its speed; all of them if that is the lesser half."""
        count = len(self.speeds) - 1
        like = [i for i in range(count) if self.speeds[i].like(self.speeds[i + 1])]
        return like if len(like) * 2 > count else list(range(count))


class Bench:
    """What the children need: the server's address, a scratch directory for each workload."""

    def __init__(self, scratch: str, server_address: str, prober: Prober) -> None:
        self.scratch, self.prober = scratch, prober
        self.server_address = server_address
        self._prepared: set[str] = set()

    def state(self, workload: Workload, contender: str) -> str:
        """The directory that amorsize's history lives in: empty before each first call; the workload
        has run there where its plan is to be known."""
        state = os.path.join(self.scratch, contender, workload.name.replace("/", "-"))
        if contender != KNOWN:
            shutil.rmtree(state, ignore_errors=True)
        elif workload.name not in self._prepared:
            self._prepared.add(workload.name)
            for _ in range(KNOWN_RUNS):
                self.run(workload, KNOWN)
        os.makedirs(state, exist_ok=True)
        return state

    def environment(self, workload: Workload) -> dict[str, str]:
        folder = os.path.join(self.scratch, workload.name.replace("/", "-"))
        os.makedirs(folder, exist_ok=True)
        # Installed packages come compiled, whatever this shell says of compiling.
        outside = {k: v for k, v in os.environ.items() if k not in NOT_PASSED_ON}
        return {**outside, SCRATCH: folder, "BENCHMARK_SERVER": self.server_address}

    def run(
        self, workload: Workload, contender: str, limit_seconds: float = CHILD_LIMIT_SECONDS
    ) -> Sample:
        """One measurement in a fresh interpreter. Everything the child leaves behind is ended."""
        command = [
            sys.executable,
            "-m",
            "benchmarks.harness._child",
            "run",
            workload.name,
            contender,
        ]
        environment = self.environment(workload)
        if contender.startswith("amorsize"):
            environment["XDG_STATE_HOME"] = self.state(workload, contender)
        began = time.perf_counter()
        # Files, not pipes: workers that a library leaves behind would hold a pipe open.
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            ) as child,
        ):
            try:
                child.wait(timeout=limit_seconds)
            except subprocess.TimeoutExpired:
                _end_group(child.pid)
                passed = time.perf_counter() - began
                return Sample(limit_seconds, error=f"over {passed:.1f} s", over_limit=True)
            _end_group(child.pid)
            out.seek(0)
            err.seek(0)
            output, messages = out.read(), err.read()
        lines = output.decode(errors="replace").strip().splitlines()
        if child.returncode != 0 or not lines:
            last = messages.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
            return Sample(None, error=last[0][:200])
        answer: dict[str, Any] = json.loads(lines[-1])
        if "error" in answer:
            return Sample(None, error=answer["error"])
        return Sample(answer["seconds"], answer["digest"], answer["count"])

    def rounds(self, workload: Workload, contenders: Sequence[str], count: int) -> Record:
        """``count`` rounds over the contenders; the first of them must be the loop."""
        record = Record(workload.name, workload.kind, workload.held_out)
        reference = self.run(workload, contenders[0])  # not counted: warms the file cache
        record.speeds.append(self.prober.speed())
        for turn in range(count):
            start = turn % len(contenders)
            for contender in (*contenders[start:], *contenders[:start]):
                self._add(record, workload, contender, reference)
            record.speeds.append(self.prober.speed())
        return record

    def pairs(self, workload: Workload, contenders: Sequence[str], count: int) -> Record:
        """``count`` pairs (or triples) during which the host kept its speed, their order turning."""
        record = Record(workload.name, workload.kind, workload.held_out)
        reference = self.run(workload, contenders[0])
        record.speeds.append(self.prober.speed())
        for attempt in range(round(count * MOST_ATTEMPTS)):
            start = attempt % len(contenders)
            for contender in (*contenders[start:], *contenders[:start]):
                self._add(record, workload, contender, reference)
            record.speeds.append(self.prober.speed())
            if attempt + 1 >= count and len(record.like_rounds()) >= count:
                break
        return record

    def _add(self, record: Record, workload: Workload, contender: str, reference: Sample) -> None:
        limit_seconds = CHILD_LIMIT_SECONDS
        if contender not in NEEDS_NO_PICKLE and reference.seconds is not None:
            limit_seconds = PEER_LIMIT_FACTOR * reference.seconds + PEER_LIMIT_SECONDS
        runs = record.seconds.setdefault(contender, [])
        if contender in record.problems and runs:
            runs.append(runs[-1])  # it failed or ran over the limit before: once is enough
            return
        sample = self.run(workload, contender, limit_seconds)
        runs.append(sample.seconds)
        if sample.error:
            record.problems[contender] = sample.error
        elif sample.digest != reference.digest:
            record.problems[contender] = "results differ from the loop's"
            runs[-1] = None


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """Server, probers and scratch directory, for the time of a benchmark."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.workloads.server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    prober = Prober()
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            yield Bench(scratch, address, prober)
    finally:
        prober.close()
        server.communicate()
