"""Results and arguments of some megabytes arrive as they went, whatever memory they are received in."""

from __future__ import annotations

import mmap
import os
import pickle
import threading
from typing import Any

import pytest

import amorsize
from amorsize.backends.processes import protocol

LARGE = protocol.LARGE_BYTES
pytestmark = pytest.mark.timeout(120)


def test_room_is_writable_zeroed_and_of_its_size() -> None:
    for size in (0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 17):
        made = memoryview(protocol.room(size))
        assert made.nbytes == size and not made.readonly
        assert not any(made[:100]) and not any(made[-100:])


def test_a_system_without_large_pages_gets_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)
    assert type(protocol.room(LARGE)) is bytearray


@pytest.mark.parametrize("size", [LARGE - 1, LARGE, 2 * LARGE + 13])
def test_a_large_frame_is_the_value_that_was_sent(size: int) -> None:
    np = pytest.importorskip("numpy")
    value: Any = {
        "array": np.arange(size, dtype=np.uint8),
        "bytes": bytes(range(256)) * (size // 256),
        "bytearray": bytearray(b"ab") * (size // 2),
        "text": "é" * (size // 2),
    }
    near, far = protocol.pair()
    try:
        sender = threading.Thread(target=protocol.send, args=(far, protocol.encode(1, value)))
        sender.start()
        receiver, found = protocol.Receiver(near), []
        while not found:
            found = receiver.receive()
        sender.join()
    finally:
        near.close()
        far.close()
    ((kind, got),) = found
    assert kind == 1 and got.keys() == value.keys()
    assert (got["array"] == value["array"]).all() and got["array"].flags.writeable
    for name in ("bytes", "bytearray", "text"):
        assert type(got[name]) is type(value[name]) and got[name] == value[name]
    got["array"][:] = 3
    again = pickle.loads(pickle.dumps(got["array"], protocol=5))
    assert (again == 3).all()


def doubled(array: Any) -> Any:
    array *= 2  # a worker's own
    return array


@pytest.mark.parametrize("backend", ["fork"] * hasattr(os, "fork") + ["spawn"])
def test_large_arguments_and_results_are_as_in_the_loop(backend: Any) -> None:
    np = pytest.importorskip("numpy")
    data = [np.full(LARGE // 8 + number, float(number)) for number in range(6)]
    found = amorsize.execute(doubled, (one.copy() for one in data), backend=backend, n_jobs=2)
    for one, other in zip(found, data, strict=True):
        assert (one == 2 * other).all() and one.flags.writeable
