"""One function, measured in every way worth a look: was amorsize's choice right?

Each run has a forked child of its own, so that pools, threads and caches of one contender are not there
for the next; contenders take turns within a round. What is timed is what a user calls:
`amorsize.execute`. Once, untimed, a run says what it chose and why. The items run many times: for
functions without side effects only.

    compare: loop once -> each configuration once -> the best of them, amorsize and the peers in ROUNDS
turns Comparison.timed --fork--> child: run, digest of the results --JSON by a pipe--> seconds, or why
not
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import time
from hashlib import blake2b
from statistics import median, quantiles

from amorsize import api
from amorsize.core.frozen import replace
from amorsize.planning.explain import describe
from amorsize.validation.report import CONFIG, FAILED, PASSED, UNDECIDED, Decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Function = Callable[[Any], Any]
    Run = Callable[[Function, Sequence[Any]], list[Any]]
    Progress = Callable[[int, int, str], None]
    """Takes the runs done, their number, and what runs."""

ROUNDS = 5
"""Times that each contender is measured."""
MOST_REGRET = 1.20
"""Seconds of amorsize over those of the best configuration that still pass (guarantee G3)."""
NEVER_SLOWER_SHARE, NEVER_SLOWER_SECONDS = 0.03, 0.0005
"""Time over that of the plain loop that still passes, the larger of the two (guarantee G2)."""
LIMIT_FACTOR, LIMIT_SECONDS = 4.0, 5.0
"""A contender is ended after LIMIT_FACTOR times the loop's seconds and LIMIT_SECONDS more."""
KEPT = 6
"""Configurations that reach the rounds: those that were fastest when each was measured once."""
OURS = "amorsize"
"""Name of amorsize among the contenders."""


def compare(
    func: Function,
    items: Sequence[Any],
    *,
    name: str = "",
    rounds: int = ROUNDS,
    with_peers: bool = True,
    progress: Progress | None = None,
) -> Decision:
    """Measure a function over items.

    Parameters
    ----------
    func : callable
        Without side effects: each item runs some dozen times.
    items : sequence
    name : str, default=""
        Name of the function in the report.
    rounds : int, default=5
    with_peers : bool, default=True
        Whether to measure the peers that are installed, too.
    progress : callable, default=None
        Called with (done, total, what).

    Returns
    -------
    Decision

    Raises
    ------
    RuntimeError
        If the plain loop itself fails; the text says how.
    """
    if not hasattr(os, "fork"):
        raise RuntimeError("compare needs fork: Linux or macOS")
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    configurations = contenders(cores)
    others = peers(cores) if with_peers else {}
    total = 2 + len(configurations) + rounds * (2 + min(KEPT, len(configurations)) + len(others))
    comparison = Comparison(func, items, total, progress)
    first = comparison.timed("loop", _loop)
    if "seconds" not in first:
        raise RuntimeError(f"the plain loop failed: {first['error']}")
    comparison.expect(first)
    looks = {label: comparison.timed(label, run) for label, run in configurations.items()}
    good = [label for label in looks if "seconds" in looks[label]]
    fastest = sorted(good, key=lambda label: float(looks[label]["seconds"]))[:KEPT]
    runs = {"loop": _loop, OURS: _ours, **{label: configurations[label] for label in fastest}}
    seconds, problems = comparison.in_turns(runs | others, rounds)
    if OURS not in seconds:
        raise RuntimeError(
            f"amorsize itself could not be measured: {problems[OURS]}; if other programs keep this "
            "machine busy, measure when they are done"
        )
    chosen = comparison.explained()
    decision = Decision(
        name=name or getattr(func, "__qualname__", repr(func)),
        items=len(items),
        chosen=chosen["chosen"],
        reasons=tuple(chosen["reasons"]),
        predicted_seconds=chosen["predicted"],
        spread=chosen["spread"],
        seconds=seconds,
        problems=problems,
        verdict=UNDECIDED,
        sentence="",
    )
    return replace(decision, verdict=verdict_of(decision), sentence=sentence_of(decision))


class Comparison:
    """Runs one function over its items, each time in a child of its own."""

    def __init__(
        self, func: Function, items: Sequence[Any], total: int, progress: Progress | None
    ) -> None:
        self.func, self.items = func, items
        self._tell = progress or (lambda done, total, what: None)
        self._done, self._total = 0, total
        self._limit, self._digest = math.inf, ""

    def expect(self, first: dict[str, Any]) -> None:
        """Bound the time of further runs by that of the loop, and expect its results."""
        self._limit = LIMIT_FACTOR * first["seconds"] + LIMIT_SECONDS
        self._digest = first["digest"]

    def timed(self, label: str, run: Run) -> dict[str, Any]:
        """Seconds of one run and a digest of its results, or what went wrong."""
        return self._in_child(label, lambda: timed(run, self.func, self.items))

    def in_turns(
        self, runs: dict[str, Run], rounds: int
    ) -> tuple[dict[str, tuple[float, ...]], dict[str, str]]:
        """Seconds of the contenders, a value for each round, and what went wrong with the others."""
        problems: dict[str, str] = {}
        seconds: dict[str, list[float]] = {label: [] for label in runs}
        order = list(runs)
        for number in range(rounds):
            for label in order[number % len(order) :] + order[: number % len(order)]:
                if label in problems:
                    continue
                found = self.timed(label, runs[label])
                if "seconds" not in found:
                    problems[label] = found["error"]
                elif found["digest"] != self._digest:
                    problems[label] = "other results than the loop's"
                else:
                    seconds[label].append(found["seconds"])
        return {
            label: tuple(each) for label, each in seconds.items() if each and label not in problems
        }, problems

    def explained(self) -> dict[str, Any]:
        """What amorsize chooses, and why: from a run that is not timed."""
        found = self._in_child("why", lambda: explained(self.func, self.items))
        if "error" in found:
            raise RuntimeError(f"amorsize failed: {found['error']}")
        self._tell(self._total, self._total, "done")
        return found

    def _in_child(self, label: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._tell(self._done, self._total, label)
        self._done += 1
        return in_child(act, self._limit)


def _loop(func: Function, items: Sequence[Any]) -> list[Any]:
    return [func(item) for item in items]


def _ours(func: Function, items: Sequence[Any]) -> list[Any]:
    return api.execute(func, items, history=None)


def timed(run: Run, func: Function, items: Sequence[Any]) -> dict[str, Any]:
    """One run: its seconds, and a digest of its results."""
    began = time.perf_counter()
    results = run(func, items)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "digest": digest_of(results)}


def explained(func: Function, items: Sequence[Any]) -> dict[str, Any]:
    """One run by a plan: the configuration that it ended with, and what was predicted of it."""
    plan = api.optimize(func, items, history=None)
    plan.execute()
    assert plan.run is not None
    return {
        "chosen": describe(plan.run.config),
        "reasons": list(plan.reasons),
        "predicted": plan.estimated_seconds if plan.items_left else plan.run.wall_seconds,
        "spread": plan.estimated_spread,
    }


def contenders(cores: int) -> dict[str, Run]:
    """Configurations, by amorsize's own backends with nothing left to choose."""

    def configured(backend: str, jobs: int) -> Run:
        return lambda func, items: api.execute(
            func, items, backend=backend, n_jobs=jobs, history=None
        )

    found: dict[str, Run] = {}
    count = 2
    while count <= 128:
        found[f"{CONFIG}{count} threads"] = configured("threads", count)
        if count <= 2 * cores:
            found[f"{CONFIG}{count} processes"] = configured("fork", count)
        count *= 2
    return found


def peers(cores: int) -> dict[str, Run]:
    """Libraries that are installed, as their own first example uses them."""
    from importlib.util import find_spec

    def futures(name: str) -> Run:
        def run(func: Function, items: Sequence[Any]) -> list[Any]:
            import concurrent.futures

            with getattr(concurrent.futures, name)() as pool:
                return list(pool.map(func, items))

        return run

    def pool(func: Function, items: Sequence[Any]) -> list[Any]:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool() as workers:
            return workers.map(func, items)

    def joblib(func: Function, items: Sequence[Any]) -> list[Any]:
        import joblib as library  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return list(library.Parallel(n_jobs=cores)(library.delayed(func)(item) for item in items))

    def mpire(func: Function, items: Sequence[Any]) -> list[Any]:
        import mpire as library  # type: ignore[import-untyped,import-not-found,unused-ignore]

        pool_of_mpire: Any = library.WorkerPool  # type: ignore[attr-defined,unused-ignore]
        with pool_of_mpire(n_jobs=cores) as workers:
            return list(workers.map(func, [(item,) for item in items]))

    found = {
        "ThreadPoolExecutor": futures("ThreadPoolExecutor"),
        "ProcessPoolExecutor": futures("ProcessPoolExecutor"),
        "multiprocessing.Pool": pool,
    }
    if find_spec("joblib") is not None:
        found["joblib"] = joblib
    if find_spec("mpire") is not None:
        found["mpire"] = mpire
    return found


def digest_of(results: list[Any]) -> str:
    """Digest of the results: of their pickles, or of the representation of what cannot be pickled."""
    import pickle  # not earlier: a contender that needs it pays for its import itself

    digest = blake2b(digest_size=16)
    for result in results:
        try:
            digest.update(pickle.dumps(result))
        except Exception:
            digest.update(repr(result).encode())
    return digest.hexdigest()


def in_child(act: Callable[[], dict[str, Any]], limit: float) -> dict[str, Any]:
    """What ``act`` returns in a forked child of its own process group, or {"error": why not}."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setpgid(0, 0)
            os.close(reader)
            try:
                answer = act()
            except BaseException as error:
                answer = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
            with os.fdopen(writer, "w") as file:
                json.dump(answer, file)
        finally:
            os._exit(0)
    os.close(writer)
    parts = []
    deadline = time.monotonic() + limit
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([reader], [], [], min(left, 3600.0))[0]:
                if left <= 0:
                    return {"error": f"not done after {limit:.3g} s, and ended"}
                continue
            part = os.read(reader, 65536)
            if not part:
                break
            parts.append(part)
    finally:
        os.close(reader)
        try:
            os.killpg(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        os.waitpid(child, 0)
    try:
        found: dict[str, Any] = json.loads(b"".join(parts))
    except ValueError:
        return {"error": "its process died"}
    return found


def verdict_of(decision: Decision) -> str:
    """Passed: within G2 of the loop and within MOST_REGRET of the best configuration."""
    loop, ours = decision.median("loop"), decision.median(OURS)
    slower = ours - loop > max(NEVER_SLOWER_SHARE * loop, NEVER_SLOWER_SECONDS)
    if decision.regret <= MOST_REGRET and not slower:
        return PASSED
    # undecided where it is no more than the rounds differ by themselves
    noise = max(_relative_spread(decision.seconds[name]) for name in ("loop", OURS, decision.best))
    worst = max(
        decision.regret / MOST_REGRET, ours / loop / (1 + NEVER_SLOWER_SHARE) if slower else 0
    )
    return UNDECIDED if worst < 1.0 + noise else FAILED


def _relative_spread(values: tuple[float, ...]) -> float:
    """Half the interquartile range over the median."""
    if len(values) < 3:
        return 1.0
    low, _, high = quantiles(values, n=4)
    return (high - low) / 2 / median(values)


def sentence_of(decision: Decision) -> str:
    """What the user should do, in words."""
    loop, ours = decision.median("loop"), decision.median(OURS)
    best = decision.best
    gain = loop / ours
    if best == "loop" or loop / decision.median(best) < 1.1:
        return (
            f"Nothing can be gained here: a plain loop takes {_format(loop)}, and no configuration is "
            f"clearly faster. amorsize takes {_format(ours)} ({decision.chosen}). Keep the loop, or call "
            "amorsize.execute."
        )
    kind = best.removeprefix(CONFIG)
    if gain < 1.0:
        advice = (
            f"amorsize.execute is slower than the loop here ({decision.chosen}): it takes "
            f"{_format(ours)}, and the loop takes {_format(loop)}. "
        )
    else:
        advice = (
            f"Call amorsize.execute: it takes {_format(ours)} instead of {_format(loop)}, "
            f"{gain:.1f} times as fast as the loop ({decision.chosen}). "
        )
    if decision.regret <= MOST_REGRET:
        return advice + f"The best configuration, {kind}, takes {_format(decision.median(best))}."
    took = _format(decision.median(best))
    if verdict_of(decision) == UNDECIDED:
        return advice + (
            f"{kind} took {took}, but the rounds differ too much to be sure that this is better: "
            "measure again on a quieter machine."
        )
    option = "threads" if "thread" in kind else "processes"
    number = kind.split()[0]
    return advice + f'Here {kind} would be faster ({took}): backend="{option}", n_jobs={number}.'


def _format(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
