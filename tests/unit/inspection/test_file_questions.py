"""Which files are asked for: heard of ``os`` and paths while somebody listens, and not longer."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amorsize.inspection import file_questions
from amorsize.inspection.file_use import FileUse, RunFiles, now

BEFORE = os.stat, os.lstat, os.access


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    file_questions.end()
    assert (os.stat, os.lstat, os.access) == BEFORE


def test_questions_are_heard_and_answered(tmp_path: Path) -> None:
    """By each way to ask; the answer is the system's, and copying a tree knows what its tools can do."""
    (tmp_path / "a").write_text("x")
    heard: list[Any] = []
    tables = [set(table) for table in file_questions.TABLES]
    file_questions.begin(heard.append)
    assert os.path.exists(tmp_path / "a") and (tmp_path / "a").is_file()
    assert not os.path.lexists(tmp_path / "b") and os.access(tmp_path / "a", os.R_OK)
    assert {os.path.basename(path) for path in heard} == {"a", "b"}
    assert os.stat in os.supports_follow_symlinks and os.stat in os.supports_dir_fd
    shutil.copytree(tmp_path, tmp_path / "copy")
    file_questions.end()
    heard.clear()
    assert os.path.exists(tmp_path / "copy" / "a") and not heard
    assert [set(table) for table in file_questions.TABLES] == tables


def test_an_item_asks_for_a_file_of_an_earlier_one(tmp_path: Path) -> None:
    """One that the run found is nobody's; one that this item made is its own."""
    (tmp_path / "old").write_text("x")
    os.utime(tmp_path / "old", (1, 1))
    time.sleep(0.03)  # the time at which its status changed is before the tick
    since = now()
    time.sleep(0.02)
    (tmp_path / "earlier").write_text("x")
    time.sleep(0.02)
    use = FileUse(since, None, questions=file_questions)
    use.begin()
    for name in ("old", "own", "earlier"):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text("y")
    assert (tmp_path / "own").exists()
    use.end()
    assert list(use.reasons) == ["the file `earlier`, which other items use,"]
    assert os.stat is BEFORE[0]


def test_threads_of_a_run_ask_for_each_others_files(tmp_path: Path) -> None:
    """The run's end, which is that of the object, restores the functions."""
    run = RunFiles(questions=file_questions)
    time.sleep(0.02)
    asked = threading.Event()

    def make() -> None:
        (tmp_path / "b").write_text("x")
        asked.wait(10)  # two threads that live at once have two identifiers

    maker = threading.Thread(target=make)
    maker.start()
    while not (tmp_path / "b").is_file():  # the thread that made the run is not heard
        time.sleep(0.001)
    time.sleep(0.02)
    asker = threading.Thread(target=(tmp_path / "b").exists)
    asker.start()
    asker.join()
    asked.set()
    maker.join()
    assert run.changed() == ("the file `b`, which other items use,",)
    del run
    assert os.stat is BEFORE[0]


def test_what_somebody_else_puts_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(path: Any, **_: Any) -> str:
        return f"of {path}"

    monkeypatch.setattr(os, "stat", fake)
    file_questions.begin(print)
    assert os.stat is fake and os.lstat is not BEFORE[1]  # before
    os.lstat = fake
    file_questions.end()
    assert os.lstat is fake and os.access is BEFORE[2]  # and meanwhile
    os.lstat = BEFORE[1]
    monkeypatch.undo()
