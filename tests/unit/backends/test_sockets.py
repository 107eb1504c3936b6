"""Waiting and sending where the system lacks poll, gathered writes and reads that do not wait."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import amorsize
from amorsize.backends.processes import results, sockets
from amorsize.backends.processes.sockets import POLLIN, POLLOUT, SelectPoll

pytestmark = pytest.mark.timeout(120)


class Plain:
    """A socket without ``sendmsg``, as Windows has them."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: Any, flags: int = 0) -> int:
        return self._sock.send(data, flags)


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(6)]
    for one in made:
        for end in one:
            end.setblocking(False)
    yield made
    for one in made:
        for end in one:
            end.close()


def test_it_tells_what_poll_tells(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    draw = random.Random(5)
    ours, theirs = SelectPoll(), select.poll()
    known: set[int] = set()
    assert ours.poll(0) == []
    for _ in range(400):
        near, far = draw.choice(pairs)
        number = near.fileno()
        events = draw.choice([POLLIN, POLLOUT, POLLIN | POLLOUT])
        what = draw.randrange(5)
        if what == 0 and number in known:
            ours.unregister(number)
            theirs.unregister(number)
            known.remove(number)
        elif what == 1 and number in known:
            ours.modify(number, events)
            theirs.modify(number, events)
        elif what == 2:
            ours.register(number, events)
            theirs.register(number, events)
            known.add(number)
        elif what == 3:
            far.send(b"x")
        else:
            try:
                near.recv(draw.randrange(1, 9))
            except BlockingIOError:
                pass
        assert sorted(ours.poll(0)) == sorted(theirs.poll(0))


def test_a_closed_other_side_is_told(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    near, far = pairs[0]
    poll = SelectPoll()
    poll.register(near.fileno(), POLLIN)
    far.close()
    assert poll.poll(1000) == [(near.fileno(), POLLIN)]


@pytest.mark.parametrize("sizes", [[], [1], [5, 0, 7], [300_000, 2], [2, 300_000], [100_000] * 6])
def test_without_gathered_writes_all_bytes_come_in_order(
    sizes: list[int], pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    near, far = pairs[0]
    parts = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    views = [memoryview(part) for part in parts if part]
    got = b""
    while views:
        try:
            sent = sockets.write(Plain(near), views)  # type: ignore[arg-type]
        except BlockingIOError:
            sent = 0
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if sent:
            views[0] = views[0][sent:]
        try:
            got += far.recv(1 << 20)
        except BlockingIOError:
            pass
    while len(got) < sum(sizes):
        got += far.recv(1 << 20)
    assert got == b"".join(parts)


def doubled(number: int) -> int:
    return 2 * number


def large(number: int) -> bytes:
    return bytes(number)


def test_spawned_workers_do_with_what_windows_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "new_poll", SelectPoll)
    monkeypatch.setattr(sockets, "DONTWAIT", 0)
    monkeypatch.setattr(results, "DONTWAIT", 0)
    real = sockets.write
    monkeypatch.setattr(sockets, "write", lambda sock, views, flags=0: real(Plain(sock), views))
    for _ in range(2):  # the second run has warm workers
        found = amorsize.execute(doubled, range(500), backend="spawn", n_jobs=2, history=None)
        assert found == [2 * number for number in range(500)]
    sizes = [400_000] * 30
    found = amorsize.execute(large, sizes, backend="spawn", n_jobs=2, history=None)
    assert [len(one) for one in found] == sizes
    data = [bytes(300_000) for _ in range(30)]
    assert list(amorsize.stream(len, data, backend="spawn", history=None)) == [300_000] * 30
