"""However many workers there are, their one caller keeps up with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.planning.chunking import (
    CHUNK_SECONDS,
    FRAME_COST_SECONDS,
    FRAME_SECONDS,
    FRAME_SHARE,
    TICKET_SECONDS,
    frame_seconds,
    stretch_seconds,
    ticket_seconds,
)


@given(st.integers(1, 100_000))
def test_frames_of_all_workers_take_a_share_of_the_caller(workers: int) -> None:
    frames_a_second = workers / frame_seconds(workers)
    assert frames_a_second * FRAME_COST_SECONDS <= FRAME_SHARE * (1 + 1e-9)
    assert stretch_seconds(workers) >= 2 * frame_seconds(workers) * (1 - 1e-9)
    assert 2 * ticket_seconds(workers) <= max(2 * TICKET_SECONDS, frame_seconds(workers) + 1e-12)


@given(st.integers(1, 16))
def test_few_workers_have_chunks_as_ever(workers: int) -> None:
    assert frame_seconds(workers) == FRAME_SECONDS
    assert stretch_seconds(workers) == pytest.approx(CHUNK_SECONDS)


def test_more_workers_never_have_shorter_ones() -> None:
    for size in (frame_seconds, stretch_seconds, ticket_seconds):
        sizes = [size(workers) for workers in range(1, 2_000)]
        assert sizes == sorted(sizes)
