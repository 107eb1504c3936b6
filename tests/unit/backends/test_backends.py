"""Every backend carries every kind of data, once and in order; frames on the wire survive any cut."""

from __future__ import annotations

import os
import random
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.backend_checks import (
    check_arguments_of_all_sizes,
    check_arrays,
    check_nested_values,
    check_once_whatever_the_data_are,
    check_results_of_all_sizes,
    nested,
)

import amorsize
from amorsize.backends.processes import protocol
from amorsize.backends.processes.protocol import TicketReader, joined, new_tickets
from amorsize.backends.processes.workers import Launcher, WorkerGroup

BACKENDS = ["serial", "threads", "fork", "spawn"]
pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_all_sizes(backend: Any) -> None:
    check_results_of_all_sizes(backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lazy", [False, True], ids=["list", "generator"])
def test_arguments_of_all_sizes(backend: Any, lazy: bool) -> None:
    check_arguments_of_all_sizes(backend, lazy)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nested_values(backend: Any) -> None:
    check_nested_values(backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays(backend: Any) -> None:
    check_arrays(backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["list", "tuple", "range", "generator", "dict", "set", "string"])
def test_once_whatever_the_data_are(backend: Any, kind: str, tmp_path: Path) -> None:
    check_once_whatever_the_data_are(backend, kind, tmp_path)


@pytest.mark.parametrize("backend", ["fork", "spawn"])
def test_more_results_than_a_socket_holds(backend: Any) -> None:
    """Workers that cannot be rid of their results, and a caller that hands out work meanwhile."""
    found = amorsize.execute(bytes, [2_000_000] * 60, backend=backend, n_jobs=3)
    assert [len(one) for one in found] == [2_000_000] * 60


# -- the wire ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text() | st.binary(max_size=3000),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
            ),
            max_leaves=20,
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(0, 2**32),
)
def test_frames_survive_any_cut(values, seed: int) -> None:
    rng = random.Random(seed)  # used by another thread, where Hypothesis must not be

    here, there = socket.socketpair()
    with here, there:
        stream = b"".join(
            bytes(part)
            for number, value in enumerate(values)
            for part in protocol.encode(number % 7, value)
        )

        def send() -> None:
            at = 0
            while at < len(stream):
                size = rng.choice([1, 2, 3, 7, 100, 5000])
                here.sendall(stream[at : at + size])
                at += size
            here.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        receiver = protocol.Receiver(there)
        found: list[tuple[int, object]] = []
        while len(found) < len(values):
            found += receiver.receive()
        sender.join()
    assert [value for _, value in found] == values
    assert [kind for kind, _ in found] == [number % 7 for number in range(len(values))]


def test_no_descriptor_stays_open() -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc here")
    amorsize.execute(nested, range(20), backend="fork", n_jobs=2)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        amorsize.execute(nested, range(20), backend="fork", n_jobs=2)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_caller_never_waits_for_a_ticket() -> None:
    """A worker may take the last one between the caller's look and its reading."""
    group = WorkerGroup(Launcher(), shared=True)
    try:
        own = TicketReader(group.own_fd, 2)
        assert own.take(0.001) == []
        numbers = new_tickets()
        numbers.extend((0, 5))
        os.write(group.write_fd, numbers.tobytes())
        assert own.take(0.001) == [(0, 5)]
        assert os.get_blocking(group.read_fd)  # as the workers read
    finally:
        group.close()


@pytest.mark.skipif(
    protocol.fcntl is None, reason="this system does not count what waits in a pipe"
)
def test_tickets_that_follow_one_another_are_one_stretch() -> None:
    """They are dealt from both ends of the data; a message for each cost up to 17 % of short items."""
    group = WorkerGroup(Launcher(), shared=True)
    try:
        dealt = [(0, 5), (95, 100), (5, 10), (90, 95), (10, 15), (85, 90), (15, 20), (80, 85)]
        numbers = new_tickets()
        for run in dealt:
            numbers.extend(run)
            group.open_runs[run[0]] = run[1]
        os.write(group.write_fd, numbers.tobytes())
        own = TicketReader(group.own_fd, 1)
        assert own.take(0.0001) == [(0, 10), (90, 100)]  # half of what waits
        assert group.settle(0, 7) == 10  # a piece that ends within a ticket
        group.open_runs[7] = 10
        assert group.settle(7, 10) == 10
        assert group.settle(90, 100) == 100
        assert group.settle(90, 100) == 90  # nothing is open there any more
        assert group.open_runs == {10: 15, 15: 20, 80: 85, 85: 90}
    finally:
        group.close()


def test_an_item_near_which_a_worker_died_stays_by_itself() -> None:
    tickets = [(10, 15), (15, 25), (30, -31), (31, -32), (32, 37), (37, 40), (40, -41)]
    assert joined(tickets) == [(10, 25), (30, 31), (31, 32), (32, 40), (40, 41)]
