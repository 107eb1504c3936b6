"""The pure core: the cost model against its formula in plain Python, and what every choice must obey."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Machine, Profile, Safety
from amorsize.core.options import Limits
from amorsize.inspection.purity import only_computes
from amorsize.planning import choose as planning
from amorsize.planning import cost_model
from amorsize.planning.cost_model import Costs
from amorsize.planning.values import PlanningInput

COSTS = Costs()

profiles = st.builds(
    Profile,
    items=st.integers(1, 100),
    item_seconds=st.floats(1e-7, 10.0),
    cpu_share=st.floats(0.0, 1.0),
    inner_threads=st.floats(1.0, 8.0),
    gil_free_share=st.none() | st.floats(0.0, 1.0),
    result_bytes=st.none() | st.integers(0, 10**8),
    result_seconds=st.floats(0.0, 0.1),
    picklable=st.booleans(),
)
machines = st.builds(
    Machine,
    cores=st.integers(1, 64),
    logical_cores=st.just(64),
    resident_bytes=st.integers(0, 10**10),
    gil=st.booleans(),
    can_fork=st.booleans(),
)
safeties = st.builds(
    Safety,
    caller_only=st.none() | st.just("it says so"),
    no_threads=st.none() | st.just("it says so"),
    no_processes=st.none() | st.just("it says so"),
)
limits = st.builds(
    Limits,
    max_jobs=st.none() | st.integers(1, 200),
    backends=st.sets(st.sampled_from(["serial", "threads", "fork", "spawn"]), min_size=1).map(
        frozenset
    ),
)


@settings(max_examples=300, deadline=None)
@given(profiles, machines, st.integers(1, 10**7), limits, safeties, st.none() | st.just("no"))
def test_what_every_choice_obeys(profile, machine, left, limit, safety, refused) -> None:
    choice = planning.choose(
        PlanningInput(profile, machine, left, limit, safety, COSTS, fork_refused=refused)
    )
    config = choice.config
    assert choice == planning.choose(
        PlanningInput(profile, machine, left, limit, safety, COSTS, fork_refused=refused)
    )
    assert math.isfinite(choice.prediction.seconds) and choice.prediction.seconds >= 0
    assert choice.prediction.seconds <= choice.serial_seconds * (1 + 1e-9)
    assert choice.reasons
    if config.backend == "serial":
        return
    assert config.backend in limit.backends and not safety.caller_only
    assert config.n_jobs <= left
    assert limit.max_jobs is None or config.workers <= limit.max_jobs
    if config.backend == "threads":
        assert not safety.no_threads
        computes = profile.cpu_share >= cost_model.WAITING_CPU_SHARE
        if computes and machine.gil:
            assert (profile.gil_free_share or 0) >= cost_model.GIL_FREE_SHARE
    else:
        assert not safety.no_processes and profile.picklable
        assert config.n_jobs <= machine.cores
        assert config.threads_per_job == 1 or not safety.no_threads
        if config.backend == "fork":
            assert refused is None and machine.can_fork
    # ski rental: it saves its start some times over
    saved = choice.serial_seconds - choice.prediction.seconds
    assert saved > 0


def by_hand(config: Config, p: Profile, m: Machine, n: int, caller: bool, sent: bool) -> float:
    """The formula of the module's docstring, term by term."""
    if config.backend == "serial":
        return n * p.item_seconds
    workers = config.n_jobs * config.threads_per_job
    rounds = math.ceil(n / workers) if p.cpu_share < 0.5 else n / workers
    computed = n * p.cpu_share * p.item_seconds
    if config.backend == "threads":
        free = p.gil_free_share or 0.0
        if p.cpu_share < 0.9:  # the looks while it waits find the GIL free, too
            free = (free - 1 + p.cpu_share) / max(p.cpu_share, 0.01)
        free = 1.0 if not m.gil else free if free >= 0.6 else 0.0
        return 7e-5 * config.n_jobs + max(
            rounds * p.item_seconds,
            computed * (1 - free),
            computed / max(1.0, min(config.n_jobs, m.cores) / p.inner_threads),
        )
    started = config.n_jobs - caller
    start = 0.003 * started
    if config.backend == "spawn":
        start = 0.15 * min(1, started) + 0.03 * started + 0.002 * started
    start += 7e-5 * (config.threads_per_job - 1)
    carried = p.result_seconds + (p.argument_seconds if sent or config.backend == "spawn" else 0)
    frames = n * min(1.0, p.item_seconds / max(0.0025, workers * 1.5e-5 / 0.1))
    share = (config.n_jobs - 1) / config.n_jobs if caller else 1.0
    transfer = share * (n * carried + frames * 1.5e-5)
    busy = max((computed + transfer) / min(config.n_jobs, m.cores), transfer / 2)
    work = 1.05 * max(rounds * p.item_seconds, busy)
    if not caller:
        return start + work
    # the caller works while the others start; at the worst it does everything
    overlapped = start * started / config.n_jobs + work
    return min(overlapped, max(work, 1.05 * n * p.item_seconds))


@settings(max_examples=200, deadline=None)
@given(
    profiles,
    machines,
    st.integers(1, 10**6),
    st.sampled_from(["serial", "threads", "fork", "spawn"]),
    st.integers(1, 64),
    st.integers(1, 8),
    st.booleans(),
    st.booleans(),
)
def test_the_model_is_its_formula(p, m, n, backend, jobs, inside, caller, sent) -> None:
    jobs = 1 if backend == "serial" else jobs
    inside = inside if backend in ("fork", "spawn") else 1
    caller = caller and backend in ("fork", "spawn")
    config = Config(backend, jobs, inside)
    found = cost_model.seconds(config, p, m, n, COSTS, cost_model.Roles(sent, caller))
    assert found.seconds == pytest.approx(by_hand(config, p, m, n, caller, sent), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(profiles, machines, st.integers(1, 10**6))
def test_more_items_never_take_less(p, m, n) -> None:
    for config in (Config("serial"), Config("threads", 4), Config("fork", 2), Config("spawn", 2)):
        fewer, more = (cost_model.seconds(config, p, m, k, COSTS).seconds for k in (n, 2 * n))
        assert fewer <= more * (1 + 1e-12)


def test_residuals_move_the_choice() -> None:
    profile = Profile(items=10, item_seconds=0.01, cpu_share=0.0, gil_free_share=0.0)
    machine = Machine(cores=4, logical_cores=4)
    plain = planning.choose(PlanningInput(profile, machine, 1000, Limits(), Safety(), COSTS))
    assert plain.config.workers > 4

    def slow(config: Config):
        return None if config.backend == "serial" else (5.0, 0.1, 9.0)

    moved = planning.choose(
        PlanningInput(profile, machine, 1000, Limits(), Safety(), COSTS, residual=slow)
    )
    assert moved.config.backend == "serial"
    dear = replace(profile, item_seconds=1e-6)
    tiny = planning.choose(PlanningInput(dear, machine, 10, Limits(), Safety(), COSTS))
    assert tiny.config.backend == "serial"


def test_what_other_functions_tell_is_said_and_chooses_nothing() -> None:
    profile = Profile(10, 0.01, cpu_share=0.0)
    given = PlanningInput(profile, Machine(cores=4), 1000, Limits(), Safety(), COSTS)
    plain = planning.choose(given)
    assert plain.config.backend == "threads"

    def slow(config: Config):
        return (1.0 if config.backend == "threads" else -5.0, 0.2, 5.0)

    told = planning.choose(replace(given, hearsay=slow))
    assert told.config == plain.config and told.caller_computes == plain.caller_computes
    assert told.prediction.seconds == pytest.approx(math.e * plain.prediction.seconds)
    assert told.prediction.source == "history"
    assert told.serial_seconds == pytest.approx(math.exp(-5.0) * plain.serial_seconds)
    assert planning.choose(replace(given, residual=slow)).config.backend != "threads"
    alone = replace(given, limits=Limits(serial_only="asked for"), hearsay=slow)
    assert planning.choose(alone).prediction.config == Config("serial")


def pure(number):
    return sum(i * i for i in range(number)) % 7


def waits(number):
    import time

    time.sleep(number)


def opens(path):
    with open(path) as file:
        return file.read()


@pytest.mark.parametrize(
    ("function", "item", "answer"),
    [
        (math.sqrt, 2.0, True),
        (str.upper, "a", True),
        (int, "3", True),
        (len, [1], True),
        (opens, "x", False),
        (waits, 1, False),
        (print, "x", False),
        (pure, object(), False),
        (lambda x: x.read(), 3, False),
        (lambda x: x + 1, 3, True),
    ],
)
def test_what_surely_only_computes(function, item, answer: bool) -> None:
    assert only_computes(function, item) is answer


@pytest.mark.parametrize(("held", "most"), [(0, 8), (10**9, 8), (3 * 10**9, 3), (10**11, 1)])
def test_no_more_processes_than_fit_into_memory(held: int, most: int) -> None:
    """Ten GB are free, nine of them for workers."""
    machine = Machine(cores=8, memory_available_bytes=10**10)
    long = Profile(items=5, item_seconds=1.0, cpu_share=1.0)
    limit = Limits(backends=frozenset(("serial", "fork")))
    choice = planning.choose(
        PlanningInput(long, machine, 100, limit, Safety(), COSTS, worker_bytes=held)
    )
    assert choice.config.n_jobs == most
    said = [reason for reason in choice.reasons if "one held" in reason]
    assert bool(said) == (most < 8)
