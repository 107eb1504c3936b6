"""The caller of forty workers that exist only as sockets: every result comes once, and in its place."""

from __future__ import annotations

import os

import pytest

from benchmarks.speed.many_cores import Prices, World

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="tickets are for workers that are forked"),
]
PRICES = Prices(launch=0.0005, ready=0.001, end=0.001, release=0.0001)


@pytest.mark.parametrize("cores", [1, 2, 40])
@pytest.mark.parametrize("item_seconds", [0.0001, 0.01])
def test_all_items_run_once_on_as_many_workers_as_there_are(
    cores: int, item_seconds: float
) -> None:
    world = World(cores, 20 * cores, item_seconds, PRICES)
    seconds = world.run()  # it compares the results
    assert seconds >= 20 * item_seconds
    assert world.computed < 20 * cores


def test_a_caller_of_many_receives_few_frames() -> None:
    """Frames of 2.5 ms of 512 workers took more than all of their caller's time."""
    world = World(256, 256 * 200, 0.001, PRICES)
    world.run()
    assert world.frames < 256 * 200 / 4
