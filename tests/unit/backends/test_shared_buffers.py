"""A large array that many items hold goes to spawned workers once, and each item has its own of it."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import amorsize
from amorsize.backends.processes import protocol, shared_buffers, sockets
from amorsize.backends.processes.shared_buffers import LEAST_BYTES, SharedBuffers

np = pytest.importorskip("numpy")
pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shared_buffers.AVAILABLE, reason="needs memfd and SCM_RIGHTS"),
]


def large(value: float, size: int = LEAST_BYTES) -> Any:
    return np.full(size // 8, value)


def view(array: Any) -> memoryview:
    return memoryview(array).cast("B")


def open_files() -> int:
    """Descriptors that this process has."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        pytest.skip("no /proc here")


def test_a_buffer_has_a_file_from_its_second_time_on() -> None:
    shared, array = SharedBuffers(4), large(1.0)
    assert shared.find(view(array)) is None
    file = shared.find(view(array))
    assert file is not None and shared.find(view(array)) is file
    assert os.pread(file.descriptor, LEAST_BYTES, 0) == array.tobytes()


def test_small_buffers_have_none() -> None:
    shared, array = SharedBuffers(4), large(1.0, LEAST_BYTES - 8)
    assert [shared.find(view(array)) for _ in range(3)] == [None] * 3


def test_another_array_in_the_place_of_one_that_is_gone_is_another() -> None:
    shared, addresses = SharedBuffers(4), []
    for number in range(20):
        array = large(float(number))
        addresses.append(id(array))
        assert shared.find(view(array)) is None
        del array
    assert len(set(addresses)) < 20  # some were in the same place


def test_what_has_no_weak_references_is_sent_each_time() -> None:
    shared, content = SharedBuffers(4), bytearray(LEAST_BYTES)
    assert [shared.find(memoryview(content)) for _ in range(3)] == [None] * 3


def test_only_so_many_files_are_open_and_none_afterwards() -> None:
    before = open_files()
    shared, arrays = SharedBuffers(3), [large(float(number)) for number in range(8)]
    for _ in range(4):
        for array in arrays:
            shared.find(view(array))
    assert open_files() == before + 3
    del shared
    gc.collect()
    assert open_files() == before


def test_where_no_file_can_be_had_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> int:
        raise OSError("no room")

    monkeypatch.setattr(os, "memfd_create", refused)
    shared, array = SharedBuffers(4), large(1.0)
    assert [shared.find(view(array)) for _ in range(3)] == [None] * 3


def test_frames_with_and_without_files_arrive_as_they_were_sent() -> None:
    """Arrays of which some are mapped and some follow, in frames of one stream."""
    chance = random.Random(3)
    arrays = [large(float(number), LEAST_BYTES + 8 * number) for number in range(5)]
    arrays += [np.arange(number) for number in (0, 1, 10_000)]
    values = [[chance.choice(arrays) for _ in range(chance.randrange(6))] for _ in range(30)]
    shared, (near, far) = SharedBuffers(3), protocol.pair()

    def send() -> None:
        for value in values:
            parts, files = shared.encode(protocol.WORK, value, protocol.dumps)
            views = [memoryview(part).cast("B") for part in parts if len(part)]
            sent = sockets.write(far, views, 0, shared_buffers.message(files))
            rest = memoryview(b"".join(views))[sent:]
            far.sendall(rest)

    sender = threading.Thread(target=send)
    try:
        sender.start()
        receiver, found = shared_buffers.MappingReceiver(near), []
        while len(found) < len(values):
            found += receiver.receive()
        sender.join()
    finally:
        near.close()
        far.close()
    for (kind, got), value in zip(found, values, strict=True):
        assert kind == protocol.WORK and len(got) == len(value)
        assert all(np.array_equal(one, other) for one, other in zip(got, value, strict=True))
        for one in got:
            one[:] = 7  # its own


def changed(item: tuple[Any, int]) -> tuple[float, bool]:
    array, number = item
    before = float(array.sum())
    array[:] = number  # a worker's own
    return before, bool((array == number).all())


def mortal(folder: str, item: tuple[Any, int]) -> tuple[float, bool]:
    """Its worker dies the first time that it has some of the items."""
    died = os.path.join(folder, str(item[1]))
    if item[1] % 20 == 7 and not os.path.exists(died):
        with open(died, "w"):
            os._exit(3)
    return changed(item)


@pytest.mark.parametrize("deaths", [False, True])
def test_each_item_has_an_array_of_its_own(deaths: bool, tmp_path: Path) -> None:
    chance = random.Random(11)
    arrays = [large(float(number), LEAST_BYTES + 8 * number) for number in range(4)]
    data = [(chance.choice(arrays), number) for number in range(60)]
    func = partial(mortal, str(tmp_path)) if deaths else changed
    found = amorsize.execute(func, data, backend="spawn", n_jobs=2, chunksize=1)
    assert found == [(float(array.sum()), True) for array, _ in data]
    assert [float(array[0]) for array in arrays] == [0.0, 1.0, 2.0, 3.0]
    assert len(os.listdir(tmp_path)) == (3 if deaths else 0)


DAEMON = """
import os, sys
report = os.dup(2)
import numpy as np, amorsize
for number in range(3):
    os.close(number)
array = np.ones(1 << 18)
def total(item):
    for number in range(3):
        try:
            os.write(number, b"x" * 64)
        except OSError:
            pass
    return float(item[0].sum())
found = amorsize.execute(total, [(array, i) for i in range(20)], backend="spawn", n_jobs=2, chunksize=1)
os.write(report, repr(set(found)).encode())
os._exit(0)
"""


def test_a_daemon_without_standard_streams_writes_into_no_array() -> None:
    done = subprocess.run([sys.executable, "-c", DAEMON], capture_output=True, timeout=100)
    assert done.stderr == repr({float(1 << 18)}).encode()


def test_no_descriptor_is_left_after_a_run() -> None:
    array = large(1.0)
    data = [(array, number) for number in range(12)]
    amorsize.execute(changed, data, backend="spawn", n_jobs=2, chunksize=1)
    before = open_files()
    for _ in range(3):
        amorsize.execute(changed, data, backend="spawn", n_jobs=2, chunksize=1)
    gc.collect()
    assert open_files() == before
