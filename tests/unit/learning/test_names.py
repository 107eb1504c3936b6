"""Names of functions: what they are, and who gets them."""

from __future__ import annotations

import functools
import io
import json
import operator
import os
import time
from pathlib import Path

import pytest

import amorsize
from amorsize.core.observation import NAME_SIGNS
from amorsize.history import open_history
from amorsize.learning.recorder import LONGEST_NAME, name_of


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


class Job:
    def method(self, item: int) -> int:
        return item

    def __call__(self, item: int) -> int:
        return item


HERE = __name__


def test_names_are_those_that_a_person_would_look_for() -> None:
    assert name_of(nap) == f"{HERE}:nap"
    assert name_of(functools.partial(functools.partial(nap), 1)) == f"{HERE}:nap"
    assert name_of(amorsize.star(functools.partial(nap))) == f"{HERE}:nap"
    assert name_of(Job().method) == f"{HERE}:Job.method"
    assert name_of(Job) == name_of(Job()) == f"{HERE}:Job"
    assert name_of(operator.neg) == "_operator:neg"
    assert name_of(lambda item: item).endswith("<locals>.<lambda>")
    assert name_of([].append) == ":list.append"


def test_a_name_is_short_and_printable() -> None:
    def odd() -> None: ...

    odd.__qualname__ = "\x1b[31m" + "x" * 1000
    name = name_of(odd)
    assert len(name) == LONGEST_NAME and set(name) <= NAME_SIGNS


def test_naming_runs_no_code_of_the_users() -> None:
    class Meta(type):
        def __getattribute__(cls, name: str) -> object:
            raise AssertionError(name)

    class Odd(metaclass=Meta):
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    odd = object.__new__(Odd)
    assert name_of(odd).endswith("Odd") and name_of(Odd).endswith("Odd")


def test_a_private_file_keeps_names_and_no_export_does_unasked(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    amorsize.execute(nap, [0.006] * 40, history=path)
    with open_history(path) as history:
        (run,) = history.read()
        assert run.name == f"{HERE}:nap"
        for names in (False, True):
            text = io.StringIO()
            history.export_lines(text, names=names)
            line = json.loads(text.getvalue().splitlines()[1])
            assert line.get("name") == (run.name if names else None)


@pytest.mark.skipif(os.name != "posix", reason="modes say nothing")
def test_a_file_that_others_can_read_keeps_none(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with open_history(path) as history:
        history.stats()
    path.chmod(0o644)
    amorsize.execute(nap, [0.006] * 40, history=path)
    with open_history(path) as history:
        assert [run.name for run in history.read()] == [""]


def test_names_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    tuner = amorsize.Tuner(amorsize.Settings(names=False), history=path)
    tuner.execute(nap, [0.006] * 40)
    with open_history(path) as history:
        assert [run.name for run in history.read()] == [""]
