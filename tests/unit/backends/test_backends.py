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
from support.work import Recorder

import amorsize
from amorsize.backends.processes.worker import Tickets, joined, new_tickets
from amorsize.backends.processes.workers import Crew

BACKENDS = ["serial", "threads", "fork", "spawn"]
pytestmark = pytest.mark.timeout(120)


def sized(number: int) -> bytes:
    """Results from nothing to 3 MB, told by their position."""
    size = (0, 1, 100, 5_000, 70_000, 3_000_000)[number % 6]
    return random.Random(number).randbytes(min(size, 64)) + bytes(size)


def length(data: object) -> int:
    return len(data)  # type: ignore[arg-type]


def nested(number: int) -> dict[str, object]:
    return {"number": number, "list": [number] * (number % 50), "none": None, "text": "é" * number}


@pytest.mark.parametrize("backend", BACKENDS)
def test_results_of_all_sizes(backend: Any) -> None:
    expected = [sized(i) for i in range(40)]
    assert amorsize.execute(sized, range(40), backend=backend, n_jobs=2) == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lazy", [False, True], ids=["list", "generator"])
def test_arguments_of_all_sizes(backend: Any, lazy: bool) -> None:
    data = [sized(i) for i in range(40)]
    given_data = (one for one in data) if lazy else data
    found = amorsize.execute(length, given_data, backend=backend, n_jobs=2)
    assert found == [len(one) for one in data]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nested_values(backend: Any) -> None:
    expected = [nested(i) for i in range(200)]
    assert amorsize.execute(nested, range(200), backend=backend, n_jobs=2) == expected


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays(backend: Any) -> None:
    np = pytest.importorskip("numpy")
    data = [np.arange(n, dtype=float).reshape(-1, 1) for n in (0, 1, 1000, 300_000)] * 3
    found = amorsize.execute(np.square, data, backend=backend, n_jobs=2)
    for one, other in zip(found, data, strict=True):
        assert one.dtype == float and one.shape == other.shape and (one == other**2).all()
        one[:1] = 7  # results are the caller's own: writable


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["list", "tuple", "range", "generator", "dict", "set", "string"])
def test_once_whatever_the_data_are(backend: Any, kind: str, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "calls")
    numbers = list(range(300))
    data = {
        "list": numbers,
        "tuple": tuple(numbers),
        "range": range(300),
        "generator": (n for n in numbers),
        "dict": dict.fromkeys(numbers),
        "set": set(numbers),
        "string": "".join(map(chr, range(300))),
    }[kind]
    if kind == "string":
        assert amorsize.execute(ord, data, backend=backend, n_jobs=2) == numbers
        return
    assert amorsize.execute(recorder, data, backend=backend, n_jobs=2) == [n * n for n in numbers]
    assert recorder.calls() == dict.fromkeys(numbers, 1)


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
    from amorsize.backends.processes import protocol as wire

    rng = random.Random(seed)  # used by another thread, where Hypothesis must not be

    here, there = socket.socketpair()
    with here, there:
        stream = b"".join(
            bytes(part)
            for number, value in enumerate(values)
            for part in wire.encode(number % 7, value)
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
        receiver = wire.Receiver(there)
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
    crew = Crew(None, shared=True)
    try:
        own = Tickets(crew.own_fd, 2)
        assert own.take(0.001) == []
        numbers = new_tickets()
        numbers.extend((0, 5))
        os.write(crew.write_fd, numbers.tobytes())
        assert own.take(0.001) == [(0, 5)]
        assert os.get_blocking(crew.read_fd)  # as the workers read
    finally:
        crew.close()


def test_tickets_that_follow_one_another_are_one_stretch() -> None:
    """They are dealt from both ends of the data; a message for each cost up to 17 % of short items."""
    crew = Crew(None, shared=True)
    try:
        dealt = [(0, 5), (95, 100), (5, 10), (90, 95), (10, 15), (85, 90), (15, 20), (80, 85)]
        numbers = new_tickets()
        for run in dealt:
            numbers.extend(run)
            crew.open_runs[run[0]] = run[1]
        os.write(crew.write_fd, numbers.tobytes())
        own = Tickets(crew.own_fd, 1)
        assert own.take(0.0001) == [(0, 10), (90, 100)]  # half of what waits
        assert crew.settle(0, 7) == 10  # a piece that ends within a ticket
        crew.open_runs[7] = 10
        assert crew.settle(7, 10) == 10
        assert crew.settle(90, 100) == 100
        assert crew.settle(90, 100) == 90  # nothing is open there any more
        assert crew.open_runs == {10: 15, 15: 20, 80: 85, 85: 90}
    finally:
        crew.close()


def test_an_item_near_which_a_worker_died_stays_by_itself() -> None:
    tickets = [(10, 15), (15, 25), (30, -31), (31, -32), (32, 37), (37, 40), (40, -41)]
    assert joined(tickets) == [(10, 25), (30, 31), (31, 32), (32, 40), (40, 41)]
