"""Whatever happens to a run, and in whatever order: the state can be, and no item is lost or taken
twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.engine_world import World

from amorsize.engine.policy import TRANSITIONS
from amorsize.engine.state import ENDED, INITIAL, Phase, evolve

PARTS, EXAMPLES, SEQUENCES = 20, 6, 100
"""Tests, examples of each, and random sequences of an example: 12,000 sequences."""


@pytest.mark.parametrize("part", range(PARTS))
@given(seed=st.integers(0, 2**63))
@settings(max_examples=EXAMPLES, deadline=None)
def test_random_sequences_of_events_keep_the_invariants(part: int, seed: int) -> None:
    for number in range(SEQUENCES):
        chance = random.Random(f"{part} {seed} {number}")
        world = World(chance)
        world.live(chance.randrange(30))
        assert world.state.phase in ENDED


def test_the_world_takes_every_row_of_the_table() -> None:
    """Else the property above would say little."""
    seen: dict[str, int] = {}
    rows: set[tuple[str, type]] = set()
    origins: set[str] = set()
    for seed in range(600):
        world = World(random.Random(seed))
        send = world.send

        def noted(event: object, world: World = world, send: object = send) -> None:
            send(event)  # type: ignore[operator]
            phase = world.state.phase
            seen[phase] = seen.get(phase, 0) + 1

        world.send = noted  # type: ignore[method-assign]
        world.live(25)
        rows |= world.rows
        origins |= {decision.origin for decision in world.state.decisions}
    assert set(seen) >= {Phase.LOCAL, Phase.DELEGATED, Phase.DRAINING, *ENDED}
    assert rows >= set(TRANSITIONS)
    assert origins == {"planned", "ordered", "long-item", "threads-failed", "workers-wait"}


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "elsewhere"},
        {"phase": Phase.DELEGATED},
        {"leaving": True},
        {"position": -1},
        {"corrections": 3},
    ],
)
def test_states_that_cannot_be_are_found(changes: dict[str, object]) -> None:
    from support.engine_values import spec, validate_state

    validate_state(INITIAL, spec())
    with pytest.raises(AssertionError):
        validate_state(evolve(INITIAL, **changes), spec())
