"""One function, measured in every way worth a look."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.reports import hostile_decision

import amorsize
from amorsize import api
from amorsize.core.frozen import replace
from amorsize.validation.compare import UNDECIDED, compare, in_child, sentence_of, verdict_of

pytestmark = pytest.mark.timeout(180)


def _trivial(item: int) -> int:
    return item + 1


def _nap(item: int) -> int:
    time.sleep(0.005)
    return item


def _fails(item: int) -> int:
    raise ValueError(item)


def test_waiting_is_found() -> None:
    found = compare(_nap, range(60), rounds=3, with_peers=False)
    assert found.best.endswith("threads") or found.best.endswith("processes")
    assert "times as fast as the loop" in found.sentence
    assert found.median("amorsize") < found.median("loop") / 4


def test_trivial_work_stays_a_loop() -> None:
    found = compare(_trivial, range(5000), rounds=3)
    assert found.best == "loop" and "Nothing can be gained" in found.sentence
    assert {"ThreadPoolExecutor", "ProcessPoolExecutor"} <= found.seconds.keys()


def test_what_is_timed_is_the_call_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not an engine made by hand, which lacks what `execute` does before and after it."""
    calls, execute = tmp_path / "calls", api.execute
    assert amorsize.execute is execute

    def counted(func, items, **options):
        with calls.open("a") as file:  # the contenders run in children
            file.write(" ".join(sorted(options)) + "\n")
        return execute(func, items, **options)

    monkeypatch.setattr(api, "execute", counted)
    compare(_trivial, range(50), rounds=3, with_peers=False)
    assert calls.read_text().splitlines().count("history") == 3


def test_a_loss_is_not_advised() -> None:
    """It said "Call amorsize.execute: 0.8 times as fast as the loop"."""
    seconds = {"loop": (1.0,), "amorsize": (1.2,), "config: 4 threads": (0.3,)}
    told = sentence_of(replace(hostile_decision(), seconds=seconds, chosen="serial"))
    assert told.startswith("amorsize.execute is slower than the loop here (serial)")
    assert "4 threads would be faster (300 ms)" in told and "Call" not in told
    seconds["amorsize"] = (0.31,)
    assert sentence_of(replace(hostile_decision(), seconds=seconds)).startswith("Call amorsize.")


def test_what_the_noise_may_have_made_is_not_advised() -> None:
    """It named a backend where the verdict was "not decidable"."""
    noisy = {
        "loop": (1.0, 1.0, 1.0),
        "amorsize": (1.0, 1.3, 1.6),
        "config: 16 threads": (0.5, 0.9, 1.6),
    }
    decision = replace(hostile_decision(), seconds=noisy)
    assert verdict_of(decision) == UNDECIDED
    told = sentence_of(decision)
    assert "16 threads took 900 ms" in told and "measure again" in told
    assert "backend=" not in told and "would be faster" not in told
    steady = {name: (each[1],) * 3 for name, each in noisy.items()}
    assert "backend=" in sentence_of(replace(decision, seconds=steady))


def test_a_function_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="plain loop failed: ValueError: 0"):
        compare(_fails, range(3))


def test_a_child_that_hangs_or_dies() -> None:
    began = time.monotonic()
    hung = in_child(lambda: time.sleep(60) or {}, 0.3)
    assert hung == {"error": "not done after 0.3 s, and ended"}
    assert time.monotonic() - began < 5
    assert in_child(lambda: os._exit(3), 5.0) == {"error": "its process died"}
