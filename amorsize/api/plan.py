"""What was decided for a function and its data, as users see it; executing it finishes the job."""

from __future__ import annotations

import math
import time

from amorsize.core.backends import TRAITS
from amorsize.core.frozen import Generic, dataclass
from amorsize.core.model import Config, html_of, text_of
from amorsize.planning import explain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import TypeVar  # of the type checker: nothing to install

    from amorsize.core.model import Prediction, Run
    from amorsize.engine.driver import Engine
    from amorsize.engine.outcome import RunSoFar

    R = TypeVar("R", default=Any)
    """Of a result; ``Plan`` alone is ``Plan[Any]``."""
else:
    R = None  # what Generic is given at run time

clock = time.perf_counter


@dataclass(frozen=False)
class Plan(Generic[R]):
    """How the items of a call will run, and why. :meth:`execute` runs those that are left.

    The items that ran before the decision do not run again: their results are kept. ``print(plan)`` shows
    the decision with its reasons; a notebook shows it as a table.
    """

    backend: str
    """"serial", "threads", "processes" or the name of another backend."""
    n_jobs: int
    """Number of threads or of processes that work at the same time."""
    threads_per_job: int
    """Threads in each of these workers: more than 1 only in processes whose items wait."""
    chunksize: int | None
    """Items that a worker gets at a time; None if chunks are sized by time while the run goes on."""
    estimated_seconds: float
    """Seconds that the items that are left will take; 0 if the data have no length."""
    estimated_speedup: float
    """How many times faster than the plain loop the items that are left will run."""
    confidence: float
    """From 0 to 1: how much of the work was seen before the choice."""
    source: str
    """"model": the estimate is from the cost model alone; "history": also from earlier runs."""
    reasons: tuple[str, ...]
    """Why this was chosen, a sentence each."""
    warnings: tuple[str, ...]
    """What makes the estimate doubtful or the run slow, a sentence each."""
    items_done: int
    """Items that ran before the decision."""
    items_left: int | None
    """Items that :meth:`execute` will run; None if the data have no length."""
    candidates: tuple[Prediction, ...] = ()
    """The configurations that were compared, with their predicted seconds."""
    estimated_spread: float = 0.0
    """Standard deviation of the logarithm of ``estimated_seconds``: 0.1 means about 10 %."""
    estimated_interval: tuple[float, float] | None = None
    """Range of seconds that should hold four of five such runs: as wide as earlier forecasts were wrong.
    None if no item was seen, or if the data have no length."""
    neighbours: float = 0.0
    """Number of earlier runs behind the estimate: runs of this function if there are any, otherwise runs
    of the most similar functions."""
    safety: str = ""
    """What the function changes outside of itself, and how that was found: by reading the code, or by
    watching an item."""
    run: Run | None = None
    """What happened; None before :meth:`execute`."""
    real_seconds: float | None = None
    """Seconds that the items that were left took; None before :meth:`execute`."""
    _engine: Engine | None = None

    def execute(self) -> list[R]:
        """Run the items that are left, and return all results in the order of the data.

        Raises what :func:`amorsize.execute` raises, and ``RuntimeError`` if the plan was executed
        before."""
        if self._engine is None:
            raise RuntimeError(
                "this plan has been executed already; call amorsize.optimize() again for another run"
            )
        engine, self._engine = self._engine, None
        began = clock()
        try:
            results = engine.execute()
            if self.items_left != 0:
                self.real_seconds = clock() - began
            return results
        finally:
            self.run = engine.run

    @property
    def error(self) -> float | None:
        """Natural logarithm of real over estimated seconds. 0: the estimate was right. 0.1: it was about
        10 % too low.

        None before :meth:`execute`, if no item was left, or if the data have no length."""
        if not self.real_seconds or self.estimated_seconds <= 0:
            return None
        return math.log(self.real_seconds / self.estimated_seconds)

    def to_dict(self) -> dict[str, Any]:
        """The plan as a dict of plain values, which JSON can hold."""
        return {
            "backend": self.backend,
            "n_jobs": self.n_jobs,
            "threads_per_job": self.threads_per_job,
            "chunksize": self.chunksize,
            "estimated_seconds": self.estimated_seconds,
            "estimated_speedup": self.estimated_speedup,
            "confidence": self.confidence,
            "source": self.source,
            "estimated_spread": self.estimated_spread,
            "estimated_interval": None
            if self.estimated_interval is None
            else list(self.estimated_interval),
            "neighbours": self.neighbours,
            "real_seconds": self.real_seconds,
            "error": self.error,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
            "safety": self.safety,
            "items_done": self.items_done,
            "items_left": self.items_left,
            "candidates": [
                {"config": explain.describe(p.config), "seconds": p.seconds}
                for p in self.candidates
            ],
        }

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)


def plan_of(engine: Engine) -> Plan[Any]:
    """The plan of a run that has measured its first items."""
    seen = engine.so_far()
    choice, done = seen.choice, seen.done
    left = 0 if seen.ended else (None if seen.total is None else seen.total - done)
    reasons: tuple[str, ...]
    if seen.ended:
        config, seconds, speedup = Config("serial"), 0.0, 1.0
        reasons = (_all_done(done),)
    elif choice is None:
        config, seconds, speedup = Config("serial"), 0.0, 1.0
        reasons = ("serial: nothing else pays for what is left",)
    else:
        config = choice.config
        rate = engine.spec.options.rate  # it binds a loop, too
        least = rate.least_seconds(left) if rate is not None and left else 0.0
        seconds = max(choice.prediction.seconds, least)
        speedup = max(choice.serial_seconds, least) / seconds if seconds > 0 else 1.0
        reasons = choice.reasons
    traits = TRAITS[config.backend]
    learned = choice is not None and choice.prediction.source == "history"
    known = any(run.outcome == "done" for run in seen.runs)
    source = "history" if learned or known else "model"
    return Plan(
        backend=traits.public,
        n_jobs=config.n_jobs,
        threads_per_job=config.threads_per_job,
        chunksize=config.chunksize,
        estimated_seconds=(seen.forecast.seconds or seconds) if left else 0.0,
        estimated_speedup=speedup,
        confidence=_confidence(seen, left),
        source=source,
        reasons=reasons,
        warnings=_warnings(seen),
        items_done=done,
        items_left=left,
        candidates=choice.candidates if choice is not None else (),
        estimated_spread=seen.forecast.spread,
        estimated_interval=_interval(seen, left),
        neighbours=_neighbours(seen),
        safety=_unjudged(config) if seen.safety is None else str(seen.safety),
        run=engine.run,
        _engine=engine,
    )


def _all_done(done: int) -> str:
    items = "the only item was" if done == 1 else f"all {done} items were"
    return f"serial: {items} done while the work was being measured"


def _unjudged(config: Config) -> str:
    """Why it was not looked at what the function changes."""
    if config.backend == "serial":
        return "not judged: nothing but the loop would pay"
    return "not judged: the backend was asked for"


def _interval(seen: RunSoFar, left: int | None) -> tuple[float, float] | None:
    """The 80 % range of the forecast; none where nothing is left, or nothing said."""
    if not left or seen.forecast.seconds <= 0:
        return None
    return seen.forecast.low_seconds, seen.forecast.high_seconds


def _neighbours(seen: RunSoFar) -> float:
    """Earlier runs behind the forecast: those that measured the function's items, else the neighbours."""
    evidence = 0.0 if seen.choice is None else seen.choice.prediction.evidence
    return max(float(seen.forecast.runs), evidence)


def _confidence(seen: RunSoFar, left: int | None) -> float:
    """How much was seen: the share of the items that are done, and how alike they were.

    The relative standard error of the mean item seconds, turned into 0 to 1; 1 when all is done."""
    if seen.ended:
        return 1.0
    measured = seen.measured
    if not measured.items or measured.item_seconds <= 0:
        return 0.0
    error = measured.item_spread / measured.item_seconds / math.sqrt(measured.items)
    known = 1.0 if left is not None else 0.5
    return known * measured.items / (measured.items + 1) / (1 + error)


def _warnings(seen: RunSoFar) -> tuple[str, ...]:
    found = []
    if seen.nested:
        found.append(
            "called from inside another run: stays serial so that cores are not oversubscribed"
        )
    if seen.failed is not None:
        found.append(f"item {seen.failed} raised: execute() raises it, if no item before it does")
    if seen.total is None and not seen.ended:
        found.append(
            "the data do not know their length: a list of them would let the plan tell the time"
        )
    return tuple(found)
