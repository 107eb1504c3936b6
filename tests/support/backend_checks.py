"""What every backend keeps, whoever brought it: checks that are called with a backend.

Results and items of all sizes arrive in order, each item runs once, errors name their item, a stream
reads no further than its window. Functions and values here can be pickled, so that any worker runs them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

import amorsize
from support.work import Recorder, square


def sized(number: int) -> bytes:
    """Results from nothing to 3 MB, told by their position."""
    size = (0, 1, 100, 5_000, 70_000, 3_000_000)[number % 6]
    return random.Random(number).randbytes(min(size, 64)) + bytes(size)


def length(data: object) -> int:
    return len(data)  # type: ignore[arg-type]


def nested(number: int) -> dict[str, object]:
    return {"number": number, "list": [number] * (number % 50), "none": None, "text": "é" * number}


def refuses_seven(item: int) -> int:
    if item == 7:
        raise KeyError("seven")
    return item


class Sealed:
    """Cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("sealed")


def seal_three(item: int) -> Any:
    return Sealed() if item == 3 else item


def check_results_of_all_sizes(backend: Any) -> None:
    expected = [sized(i) for i in range(40)]
    assert amorsize.execute(sized, range(40), backend=backend, n_jobs=2) == expected


def check_arguments_of_all_sizes(backend: Any, lazy: bool) -> None:
    data = [sized(i) for i in range(40)]
    given_data = (one for one in data) if lazy else data
    found = amorsize.execute(length, given_data, backend=backend, n_jobs=2)
    assert found == [len(one) for one in data]


def check_nested_values(backend: Any) -> None:
    expected = [nested(i) for i in range(200)]
    assert amorsize.execute(nested, range(200), backend=backend, n_jobs=2) == expected


def check_arrays(backend: Any) -> None:
    np = pytest.importorskip("numpy")
    data = [np.arange(n, dtype=float).reshape(-1, 1) for n in (0, 1, 1000, 300_000)] * 3
    found = amorsize.execute(np.square, data, backend=backend, n_jobs=2)
    for one, other in zip(found, data, strict=True):
        assert one.dtype == float and one.shape == other.shape and (one == other**2).all()
        one[:1] = 7  # results are the caller's own: writable


def check_once_whatever_the_data_are(backend: Any, kind: str, tmp_path: Path) -> None:
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


def check_streams(backend: Any) -> None:
    expected = [n * n for n in range(500)]
    assert list(amorsize.stream(square, range(500), backend=backend)) == expected
    assert list(amorsize.stream(square, iter(range(500)), backend=backend)) == expected
    unordered = amorsize.stream(square, iter(range(500)), backend=backend, ordered=False)
    assert sorted(unordered) == expected


def check_a_stream_reads_no_further_than_its_window(backend: Any) -> None:
    read: list[int] = []

    def source() -> Iterator[int]:
        for number in count():
            read.append(number)
            yield number

    results = amorsize.stream(square, source(), backend=backend, buffersize=20)
    assert list(islice(results, 50)) == [n * n for n in range(50)]
    results.close()
    assert len(read) <= 50 + 20 + 1


def check_an_error_has_the_index_of_its_item(backend: Any) -> None:
    with pytest.raises(KeyError, match="seven") as caught:
        amorsize.execute(refuses_seven, range(100), backend=backend)
    assert caught.value.__notes__ == ["amorsize: raised by item 7 of the data"]
    collected = amorsize.execute(refuses_seven, range(100), backend=backend, on_error="collect")
    assert isinstance(collected[7], amorsize.ItemError) and collected[7].index == 7
    assert collected[:7] + collected[8:] == [n for n in range(100) if n != 7]
    skipped = amorsize.execute(refuses_seven, range(100), backend=backend, on_error="skip")
    assert skipped == [n for n in range(100) if n != 7]


def check_progress_and_checkpoint(backend: Any, tmp_path: Path) -> None:
    seen: list[int] = []
    path = tmp_path / "journal"
    recorder = Recorder(tmp_path / "calls")
    for _ in range(2):
        found = amorsize.execute(
            recorder,
            range(200),
            backend=backend,
            checkpoint=path,
            progress=lambda done, total: seen.append(done),
        )
        assert found == [n * n for n in range(200)]
    assert seen[-1] == 200
    assert recorder.calls() == dict.fromkeys(range(200), 1)
