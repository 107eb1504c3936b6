"""What a decision knows of the items: this run's measurements, completed by the function's last run.
Pure."""

from __future__ import annotations

from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Prediction, Profile
from amorsize.engine.facts import Facts
from amorsize.engine.state import RunSpec, RunState
from amorsize.planning import choose as planning
from amorsize.planning import policy
from amorsize.planning.explain import describe
from amorsize.planning.values import Choice, PlanningInput
from amorsize.profiling.transfer import UNMEASURED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.engine.state import Shares

ASK_GAIN_SECONDS = 0.02
"""The history is asked when at least this could be gained: asking costs 2 ms in a new process, and
0.3 ms later (benchmarks/learning/evaluate.py)."""
ONLY_WAITS_CPU_SHARE = 0.1
"""Below it an item that is done is taken to be nothing but a wait."""


def recalled(facts: Facts, gain_seconds: float, seconds_ahead: float) -> bool:
    """Whether the function has earlier runs. The history is asked once, if what could be gained pays."""
    if not facts.has("runs") and gain_seconds > ASK_GAIN_SECONDS:
        facts.recall(seconds_ahead)
    return bool(facts.runs)


def profile_of(state: RunState, facts: Facts) -> Profile:
    """What is known of the work: what was seen now, and where that is too little, what the function's
    last run showed."""
    runs = facts.runs
    profile = _measured(facts, state.shares if runs else state.seen or state.shares)
    if state.threads_ruled_out:
        profile = replace(profile, gil_free_share=0.0)
    if not runs:
        return profile
    before = runs[0].profile
    changes: dict[str, Any] = {}
    if profile.gil_free_share is None:
        changes["gil_free_share"] = before.gil_free_share
    if profile.result_bytes is None and before.result_bytes is not None:
        changes["result_bytes"] = before.result_bytes
        changes["result_seconds"] = before.result_seconds
    if facts.measured.window_is_empty:
        changes["cpu_share"] = before.cpu_share
        changes["inner_threads"] = before.inner_threads
    return replace(profile, **changes)


def profile_to_remember(state: RunState, facts: Facts) -> Profile:
    """The profile for the history: nothing of it is hearsay where it was seen in this run."""
    profile = profile_of(state, facts)
    seen = _measured(facts, state.seen or state.shares)
    return replace(profile, cpu_share=seen.cpu_share, inner_threads=seen.inner_threads)


def _measured(facts: Facts, shares: Shares | None) -> Profile:
    measured, transfer = facts.measured, facts.known.get("transfer", UNMEASURED)
    sending = facts.known.get("sending", UNMEASURED)
    _, cpu, inner = shares or measured.window
    return Profile(
        items=measured.items,
        item_seconds=measured.item_seconds,
        item_spread=measured.item_spread,
        cpu_share=cpu,
        inner_threads=inner,
        gil_free_share=measured.gil_free_share,
        result_bytes=transfer.bytes,
        result_seconds=transfer.seconds,
        argument_bytes=sending.bytes,
        argument_seconds=sending.seconds,
        picklable=transfer.picklable,
    )


def plan(
    spec: RunSpec, state: RunState, facts: Facts, left: int, spent_seconds: float | None = None
) -> Choice:
    """Choose for ``left`` items. ``spent_seconds``: how long the caller has worked alone.

    Whether the process may be forked is looked up only if a fork would be chosen: the look ends the
    sampler's thread."""
    if not facts.has("fork_refusal"):
        choice = _choose(spec, state, facts, left, None, spent_seconds)
        if choice.config.backend != "fork":
            return choice
    return _choose(spec, state, facts, left, facts.fork_refusal, spent_seconds)


def _choose(
    spec: RunSpec,
    state: RunState,
    facts: Facts,
    left: int,
    refusal: str | None,
    spent_seconds: float | None,
) -> Choice:
    if sends_items(spec, facts, refusal):
        _ = facts.sending
    profile = profile_of(state, facts)
    fresh = refusal is not None and "spawn" in spec.options.backends
    residual = None
    if left * profile.item_seconds > ASK_GAIN_SECONDS:
        residual = facts.residual(profile, left)
    choice = planning.choose(
        PlanningInput(
            profile,
            facts.machine,
            left,
            spec.options.limits(spec.nested),
            facts.safety,
            facts.costs,
            fork_refused=refusal,
            spawn_refused=facts.fresh_refusal if fresh else None,
            indexed=spec.indexed,
            residual=residual,
            remote=facts.remote,
            spent_seconds=spent_seconds,
        )
    )
    runs, options = facts.runs, spec.options
    if runs and options.explore > 0:
        tried = [run.config for run in runs]
        lot = _lot(options.explore_seed, runs[0].id)
        choice = policy.explore(choice, tried, options.explore, lot)
    return choice


def sends_items(spec: RunSpec, facts: Facts, refusal: str | None) -> bool:
    """Whether the processes that could be chosen would be sent their items."""
    allowed = spec.options.backends
    if spec.nested or not allowed & {"fork", "spawn"}:
        return False
    forks = "fork" in allowed and refusal is None and facts.machine.can_fork
    return not (forks and spec.indexed)


def items_are_sent(spec: RunSpec, config: Config) -> bool:
    """Whether the workers of a configuration are sent their items."""
    return TRAITS[config.backend].sends_items or not spec.indexed


def _lot(seed: int | None, run: str) -> float:
    """From 0 to 1, the same all through a run, and for equal histories and seeds."""
    from binascii import crc32

    return crc32(f"{seed} {run}".encode()) / 2.0**32


def choice_unseen(config: Config, item_seconds: float, left: int, reason: str) -> Choice:
    """A choice that was made without comparing."""
    rounds = -(-left // config.workers)
    return Choice(
        Prediction(config, item_seconds * rounds),
        (),
        (f"{describe(config)}: {reason}",),
        False,
        item_seconds * left,
    )
