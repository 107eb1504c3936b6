"""Trust in predictions, and what exploring may cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.learning import MACHINE, PROFILE, a_run, choose

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Work
from amorsize.core.observation import CROWDED, Observation, work_ratio
from amorsize.history.memory import MemoryHistory
from amorsize.learning.features import Arrays
from amorsize.learning.residuals import has_changed, known_residual
from amorsize.planning import policy

pytestmark = pytest.mark.timeout(60)


def rented(start: float, real: float, foretold: float, doubted: float, step: float) -> float:
    """Seconds lost by who follows `is_due` where ``real`` seconds could be saved in all."""
    forgone = 0.0
    while forgone < real:
        if policy.is_due(forgone, start, foretold, doubted):
            return forgone + start
        forgone += step
    return real


@settings(max_examples=200, deadline=None)
@given(
    start=st.floats(0.001, 1.0),
    real=st.floats(0.0, 50.0),
    foretold=st.floats(0.0, 1e6),
    doubted=st.floats(policy.LEAST_DOUBT, 1.0),
)
def test_wrong_predictions_cost_no_more_than_the_bound(
    start: float, real: float, foretold: float, doubted: float
) -> None:
    step = start / 500
    best = min(real * start, start)
    lost = rented(start, real * start, foretold * start, doubted, step)
    assert lost <= (1 + 1 / doubted) * best + 2 * step
    right = rented(start, real * start, real * start, doubted, step)
    assert right <= (1 + doubted) * best + 2 * step


def test_the_bound_is_reached_by_the_worst_prediction() -> None:
    """The rule is that of the paper, not a more careful one: its worst case exists."""
    for doubted in (0.1, 0.5, 1.0):
        lost = rented(1.0, doubted + 2e-4, 1e9, doubted, 1e-4)
        assert lost / doubted == pytest.approx(1 + 1 / doubted, rel=1e-2)


def test_trust_grows_with_runs_and_with_how_right_they_were() -> None:
    config = Config("threads", 4)
    spreads = []
    for walls in ([1.0], [1.0, 1.01], [1.0, 1.01, 0.99, 1.0], [1.0, 2.0, 0.5, 3.0]):
        found = known_residual([a_run(config, wall, 1.0) for wall in walls], PROFILE)(config)
        assert found is not None
        spreads.append(found[1])
    assert spreads[0] > spreads[1] > spreads[2]
    assert spreads[3] > spreads[0], "runs that contradict each other are worth less than one"
    doubts = [policy.doubt(spread) for spread in spreads]
    assert doubts[2] < doubts[0] < doubts[3] <= 1.0


def test_a_changed_machine_counts_less() -> None:
    config = Config("threads", 4)
    before = replace(MACHINE, python="3.11.7+numpy-1.26.0")
    now = replace(MACHINE, python="3.11.7+numpy-2.4.6")
    assert has_changed(before, now)
    assert not has_changed(replace(MACHINE, python="3.11.7"), replace(now, load=3.0))
    assert has_changed(replace(MACHINE, python="3.11.7"), replace(MACHINE, python="3.12.0"))
    assert has_changed(MACHINE, replace(MACHINE, cores=MACHINE.cores + 1))
    runs = [replace(a_run(config, 3.0, 1.0), machine=before)]  # type: ignore[type-var]
    same = known_residual(runs, PROFILE, before)(config)
    other = known_residual(runs, PROFILE, now)(config)
    assert same is not None and other is not None
    assert abs(other[0]) < abs(same[0])
    assert other[1] > same[1]


def test_a_residual_holds_nothing_of_what_the_items_cost() -> None:
    """Schema 1: the first items were three times shorter than the rest, no configuration's fault."""
    runs = [
        a_run(Config("serial"), 3.0, 1.0, items=100, work=Work()),
        a_run(Config("fork", 2), 1.5, 0.5, items=100, cpu_seconds=3.0, work=Work()),
    ]
    for run in runs:
        residual = known_residual([run], PROFILE)
        for config in (Config("serial"), Config("fork", 2), Config("threads", 8)):
            found = residual(config)
            assert found is not None
            crowded = 0.0 if run.config.backend == "serial" else CROWDED
            assert -1e-9 <= found[0] <= crowded + 1e-9


def test_arrays_know_how_long_items_really_were() -> None:
    rows = [
        a_run(Config("serial"), 3.0, 1.0, items=100),
        a_run(Config("fork", 2), 1.5, 0.5, items=100, cpu_seconds=3.0),
        a_run(Config("threads", 2), 1.5, 0.5, items=100, cpu_seconds=0.5),
        a_run(Config("threads", 8), 1.5, 0.5, items=100),
    ]
    rows = [replace(row, work=Work()) for row in rows] + rows  # type: ignore[type-var]
    rows = [replace(row, id=f"{i:032x}") for i, row in enumerate(rows)]  # type: ignore[type-var]
    history = MemoryHistory()
    history.add(rows)
    expected = [math.log(row.wall_seconds / row.model_seconds) - work_ratio(row) for row in rows]
    assert Arrays(history.table()).y == pytest.approx(expected)


def test_exploring_costs_by_expectation_no_more_than_the_share() -> None:
    choice = choose(None)
    lots = [i / 1000 for i in range(1000)]
    tried = [choice.config]
    for share in (0.0, 0.001, 0.02):
        paid = 0.0
        for lot in lots:
            found = policy.explore(choice, tried, share, lot)
            if found is not choice:
                one = found.prediction
                assert one.seconds * math.exp(policy.DOUBTED_SPREAD) < choice.serial_seconds
                expected = one.seconds * math.exp(policy.DOUBTED_SPREAD**2 / 2)
                paid += expected / choice.prediction.seconds - 1
        assert paid / len(lots) <= share + 1e-3
    assert policy.explore(choice, tried, 0.02, 0.0) is not choice
    assert policy.explore(choice, tried, 0.02, 0.9) is choice


def crowded_run(config: Config, wall: float, model: float, cpu: float) -> Observation:
    profile = replace(PROFILE, cpu_share=1.0, gil_free_share=0.0)
    run = replace(a_run(config, wall, model), profile=profile, cpu_seconds=cpu)  # type: ignore[type-var]
    return run  # type: ignore[return-value]  # noqa: RET504


def test_what_other_programs_took_speaks_against_no_configuration() -> None:
    """Two processes on two cores took three times as long as modelled: they got a third of the cores."""
    fork, serial = Config("fork", 2), Config("serial")
    residual = known_residual([crowded_run(fork, 3.0, 1.0, 2.0)], PROFILE)
    for config in (fork, serial):
        found = residual(config)
        assert found is not None and found[0] == pytest.approx(math.log(3))
    # With all of both cores, and three times as long all the same, it is the configuration.
    residual = known_residual([crowded_run(fork, 3.0, 1.0, 6.0)], PROFILE)
    own, other = residual(fork), residual(serial)
    assert own is not None and other is not None and other[0] < 0.5 * own[0]


def test_a_run_as_quick_as_modelled_was_not_crowded() -> None:
    """One giant item kept one of two cores busy: the model knew."""
    found = known_residual([crowded_run(Config("fork", 2), 1.0, 1.0, 1.0)], PROFILE)(
        Config("serial")
    )
    assert found is not None and found[0] == pytest.approx(0.0)
