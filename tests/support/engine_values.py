"""Specs, states, events and facts of the engine's state machine, with values that change nothing by
themselves."""

from __future__ import annotations

from typing import Any

from amorsize.api.checks import make_options
from amorsize.backends.base import BackendReport
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Crowd, Machine, Prediction, Profile, Safety, Work
from amorsize.core.observation import Observation
from amorsize.engine.events import LongItem, Reported, SliceEnded
from amorsize.engine.state import (
    ENDED,
    PHASES,
    Decision,
    Facts,
    Mark,
    Phase,
    Review,
    RunSpec,
    RunState,
    Workers,
    evolve,
)
from amorsize.planning.cost_model import Costs, Preparation
from amorsize.planning.values import Choice
from amorsize.profiling.meter import Measured, Transfer

MACHINE = Machine(cores=4)
COMPUTES = 1.0, 1.0, 1.0
WAITS = 1.0, 0.0, 1.0


def spec(total: int | None = 1000, **changes: Any) -> RunSpec:
    """A run of ``abs`` over so many items; names of RunSpec, or of options."""
    own = [name for name in changes if name in RunSpec.__annotations__]
    fields = {name: changes.pop(name) for name in own}
    options = make_options(history=None, **changes)
    return RunSpec(abs, abs, options, total=total, **fields)


def facts(**changes: Any) -> Facts:
    """Everything that can be known: four idle cores, a safe function, items that compute."""
    known: dict[str, Any] = {
        "cores": 4,
        "machine": MACHINE,
        "safety": Safety(),
        "costs": Costs(),
        "preparation": Preparation(),
        "can_judge": True,
        "transfer": Transfer(100, 1e-6),
        "sending": Transfer(100, 1e-6),
        "slots": 8,
        "runs": (),
        "holds_the_same": True,
        "recall_seconds": 0.0,
        "measured": measured(),
        "overall": COMPUTES,
        "window_opened": True,
        "left": 900,
        "foreign_threads": 0,
        "is_remote_worth": False,
        "residual": None,
        "fork_refusal": None,
        "fresh_refusal": None,
        "computed_meanwhile": 0.0,
        "order_is_free": False,
        "crowd": Crowd(),
    }
    without = changes.pop("without", ())
    known.update(changes)
    return Facts({name: value for name, value in known.items() if name not in without})


def measured(window: Any = COMPUTES, **changes: Any) -> Measured:
    """What the meter says: ten items of 10 ms."""
    return replace(Measured(10, 0.01, 0.0, window, False, 0.0), **changes)


def slice_ended(**changes: Any) -> SliceEnded:
    """The tenth item of 10 ms has ended, 0.1 s after the start."""
    return replace(SliceEnded(100.1, 10, 0.01, 0.1, 0.01, 10, sampling=True), **changes)


def long_item(**changes: Any) -> LongItem:
    """The caller waits in its sixth item for 0.1 s, far longer than in those before; half of the run
    was computed."""
    return replace(LongItem(100.1, 6, 0.0, 0.1, 0.001, 0.5), **changes)


def choice(backend: str = "threads", jobs: int = 4) -> Choice:
    """Something that was chosen."""
    return Choice(Prediction(Config(backend, jobs), 1.0), (), ("a test",), False, 10.0)


def working(backend: str = "threads", *, waits: bool = False, **changes: Any) -> RunState:
    """A run whose workers took over at item 10, 100 s after the clock began."""
    mark = Mark(100.0, 10, 1.0)
    made = choice(backend)
    state = RunState(
        phase=Phase.DELEGATED,
        position=10,
        decisions=(Decision(made, "planned", 100.0, 10),),
        handed_over=mark,
        since=mark,
        workers=Workers(made.config, waits),
        review=Review(mark) if backend == "threads" else None,
    )
    return evolve(state, **changes)


def reported(
    seconds: float,
    done: int,
    *,
    cpu: float = 0.0,
    report: BackendReport | None = None,
    **changes: Any,
) -> Reported:
    """So many seconds and items after :func:`working` began."""
    told = report or BackendReport(done=done, workers=4)
    event = Reported(100.0 + seconds, 1.0 + cpu, told, 10 + done, 0.01, 10)
    return replace(event, **changes)


def earlier_run(cpu_share: float = 1.0, gil_free: float | None = 0.0) -> Observation:
    """One run of the same function before."""
    profile = Profile(100, 0.01, cpu_share=cpu_share, gil_free_share=gil_free)
    work = Work(100, 0.01, 0.01 * cpu_share, sample_items=10, sample_seconds=0.01, run_seconds=1.0)
    return Observation("f", profile, MACHINE, Config("serial"), 100, 1.0, 1.0, 0.0, work=work)


def validate_state(state: RunState, spec: RunSpec) -> None:
    """Raise AssertionError where a state cannot be: what tests check after every event."""
    assert state.phase in PHASES
    assert state.position >= 0
    if spec.total is not None:
        assert state.position <= spec.total
    if state.phase == Phase.LOCAL:
        assert state.workers is None and state.handed_over is None and state.review is None
    if state.phase == Phase.DELEGATED:
        assert state.workers is not None and state.decisions
    if state.leaving:
        assert state.phase in (Phase.DRAINING, *ENDED)
    if state.handed_over is not None:
        assert state.handed_over.position <= state.since.position
    if state.paused:
        assert state.measuring or state.phase in ENDED
    assert state.corrections < max(1, len(state.decisions))
    positions = [decision.position for decision in state.decisions]
    assert positions == sorted(positions)
