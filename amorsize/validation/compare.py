"""One function, measured in every way worth a look: was amorsize's choice right?

Each run has a forked child of its own, so that pools, threads and caches of one contender are not there
for the next; contenders take turns within a round. The items run many times: for functions without side
effects only.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from hashlib import blake2b
from statistics import median, quantiles

from amorsize.validation.report import CONFIG, FAILED, PASSED, UNDECIDED, Decision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Run = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
    Progress = Callable[[int, int, str], None]

ROUNDS = 5
MOST_REGRET = 1.20
"""Seconds of amorsize over those of the best configuration that still pass (guarantee G3)."""
NEVER_SLOWER_SHARE, NEVER_SLOWER_SECONDS = 0.03, 0.0005
"""Over the plain loop (guarantee G2)."""
LIMIT_FACTOR, LIMIT_SECONDS = 4.0, 5.0
"""A contender is ended after so many times the loop's seconds and so many more."""
KEPT = 6
"""Configurations that reach the rounds: the best of one look each."""


def contenders(cores: int) -> dict[str, Run]:
    """Configurations, by amorsize's own backends with nothing left to choose."""
    import amorsize

    def configured(backend: str, jobs: int) -> Run:
        return lambda func, items: amorsize.execute(
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
    """Those that are installed, as their own first example uses them."""
    from importlib.util import find_spec

    def futures(name: str) -> Run:
        def run(func: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
            import concurrent.futures

            with getattr(concurrent.futures, name)() as pool:
                return list(pool.map(func, items))

        return run

    def pool(func: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool() as workers:
            return workers.map(func, items)

    def joblib(func: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        import joblib as library  # type: ignore[import-untyped,import-not-found,unused-ignore]

        return list(library.Parallel(n_jobs=cores)(library.delayed(func)(item) for item in items))

    def mpire(func: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
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


def compare(
    func: Callable[[Any], Any],
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
        Of the function, for the report.
    rounds : int, default=5
    with_peers : bool, default=True
        The peers that are installed, too.

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
    runs: dict[str, Run] = {"loop": lambda func, items: [func(item) for item in items]}
    tell = progress or (lambda done, total, what: None)
    looks = contenders(cores)
    others = peers(cores) if with_peers else {}
    total = 1 + len(looks) + rounds * (2 + min(KEPT, len(looks)) + len(others))
    done = 0

    def timed(label: str, run: Run, limit: float) -> dict[str, Any]:
        nonlocal done
        tell(done, total, label)
        done += 1
        return in_child(lambda: measured(run, func, items), limit)

    first = timed("loop", runs["loop"], math.inf)
    if "seconds" not in first:
        raise RuntimeError(f"the plain loop failed: {first['error']}")
    digest, limit = first["digest"], LIMIT_FACTOR * first["seconds"] + LIMIT_SECONDS
    problems: dict[str, str] = {}
    looked: dict[str, float] = {}
    for label, run in looks.items():
        found = timed(label, run, limit)
        if "seconds" in found:
            looked[label] = found["seconds"]
    kept = sorted(looked, key=looked.__getitem__)[:KEPT]
    runs["amorsize"] = _ours
    runs |= {label: looks[label] for label in kept} | others
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    details: list[dict[str, Any]] = []
    order = list(runs)
    for number in range(rounds):
        for label in order[number % len(order) :] + order[: number % len(order)]:
            if label in problems:
                continue
            found = timed(label, runs[label], limit)
            if "seconds" not in found:
                problems[label] = found["error"]
            elif found["digest"] != digest:
                problems[label] = "other results than the loop's"
            else:
                seconds[label].append(found["seconds"])
                if label == "amorsize":
                    details.append(found)
    tell(total, total, "done")
    measured_ones = {
        label: tuple(each) for label, each in seconds.items() if each and label not in problems
    }
    if "amorsize" not in measured_ones:
        raise RuntimeError(f"amorsize failed: {problems['amorsize']}")
    middle = sorted(details, key=lambda one: float(one["seconds"]))[len(details) // 2]
    decision = Decision(
        name=name or getattr(func, "__qualname__", repr(func)),
        items=len(items),
        chosen=middle["chosen"],
        reasons=tuple(middle["reasons"]),
        predicted_seconds=middle["predicted"],
        spread=middle["spread"],
        seconds=measured_ones,
        problems=problems,
        verdict=UNDECIDED,
        sentence="",
    )
    from amorsize.core.frozen import replace

    return replace(decision, verdict=verdict_of(decision), sentence=sentence_of(decision))


def _ours(func: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    import amorsize

    return amorsize.execute(func, items, history=None)


def measured(run: Run, func: Callable[[Any], Any], items: Sequence[Any]) -> dict[str, Any]:
    """One run: its seconds, a digest of its results; for amorsize what it chose, too."""
    chosen: dict[str, Any] = {}
    began = time.perf_counter()
    if run is _ours:
        from amorsize.api.checks import make_options
        from amorsize.engine.driver import Engine
        from amorsize.planning.explain import describe

        engine = Engine(func, items, make_options(history=None), None)
        results = engine.execute()
        seconds = time.perf_counter() - began
        choice, ended = engine.choice, engine.run
        assert ended is not None
        chosen = {
            "chosen": describe(ended.config),
            "reasons": list(choice.reasons) if choice is not None else [],
            "predicted": choice.prediction.seconds if choice is not None else seconds,
            "spread": choice.prediction.spread if choice is not None else 0.0,
        }
    else:
        results = run(func, items)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "digest": digest_of(results), **chosen}


def digest_of(results: list[Any]) -> str:
    """Equal for equal results; by their representation where they cannot be pickled."""
    import pickle

    digest = blake2b(digest_size=16)
    for result in results:
        try:
            digest.update(pickle.dumps(result))
        except Exception:
            digest.update(repr(result).encode())
    return digest.hexdigest()


def in_child(act: Callable[[], dict[str, Any]], limit: float) -> dict[str, Any]:
    """What ``act`` returns in a forked child of its own process group, or {"error": why not}."""
    import select

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
                    return {"error": f"over {limit:.0f} s"}
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
    loop, ours = decision.median("loop"), decision.median("amorsize")
    slower = ours - loop > max(NEVER_SLOWER_SHARE * loop, NEVER_SLOWER_SECONDS)
    if decision.regret <= MOST_REGRET and not slower:
        return PASSED
    # is it more than the rounds differ by themselves?
    blur = max(_blur(decision.seconds[name]) for name in ("loop", "amorsize", decision.best))
    worst = max(
        decision.regret / MOST_REGRET, ours / loop / (1 + NEVER_SLOWER_SHARE) if slower else 0
    )
    return UNDECIDED if worst < 1.0 + blur else FAILED


def _blur(values: tuple[float, ...]) -> float:
    """Half the interquartile range over the median."""
    if len(values) < 3:
        return 1.0
    low, _, high = quantiles(values, n=4)
    return (high - low) / 2 / median(values)


def sentence_of(decision: Decision) -> str:
    """What a newcomer should do."""
    loop, ours = decision.median("loop"), decision.median("amorsize")
    best = decision.best
    gain = loop / ours
    if best == "loop" or loop / decision.median(best) < 1.1:
        advice = (
            f"Nothing is to be won here: a plain loop takes {_told(loop)}, and no configuration is "
            "clearly faster. "
        )
        return (
            advice + f"amorsize takes {_told(ours)} ({decision.chosen}); keep the loop, or call it."
        )
    kind = best.removeprefix(CONFIG)
    advice = (
        f"Call amorsize.execute: it takes {_told(ours)} instead of {_told(loop)}, {gain:.1f} times as "
        f"fast as the loop ({decision.chosen}). "
    )
    if decision.regret <= MOST_REGRET:
        return (
            advice
            + f"The best of all that was tried, {kind}, takes {_told(decision.median(best))}."
        )
    option = "threads" if "thread" in kind else "processes"
    number = kind.split()[0]
    return advice + (
        f"Here {kind} would be faster still ({_told(decision.median(best))}): "
        f'backend="{option}", n_jobs={number}.'
    )


def _told(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
