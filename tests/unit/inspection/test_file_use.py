"""What one item does with files: told by the interpreter's audit events and by the times of files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.files_heard import EARLIER, LATER, heard

import amorsize
from amorsize.inspection.file_use import FileUse, now
from amorsize.inspection.watch import Watch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file in it."""
    (tmp_path / "old").write_text("text")
    return tmp_path


USES: dict[str, tuple[Callable[[Path], Any], str | None, str | None]] = {
    "reads": (lambda at: (at / "old").read_text(), None, "old"),
    "writes": (lambda at: (at / "old").write_text("b"), None, "old"),
    "appends": (lambda at: open(at / "old", "ab").close(), None, "old"),
    "by a descriptor": (lambda at: os.close(os.open(at / "old", os.O_RDWR)), None, "old"),
    "by bytes": (lambda at: os.rename(os.fsencode(at / "old"), b"%s/b" % os.fsencode(at)), None, "old"),
    "makes": (lambda at: (at / "new").write_text("b"), None, None),
    "makes and reads": (lambda at: [(at / "n").write_text("b"), (at / "n").read_text()], None, None),
    "links": (lambda at: (at / "link").symlink_to("old"), None, None),
    "replaces": (lambda at: [(at / "n").touch(), (at / "n").replace(at / "old")], None, "old"),
    "removes": (lambda at: (at / "old").unlink(), None, "old"),
    "lists": (lambda at: os.listdir(at), None, "FOLDER"),
    "lists and makes": (lambda at: [list(at.iterdir()), (at / "n").touch()], "FOLDER", "FOLDER"),
    "makes and lists": (lambda at: [(at / "n").mkdir(), list(at.glob("*"))], "FOLDER", "FOLDER"),
    "a folder of its own": (
        lambda at: [(at / "n").mkdir(), (at / "n" / "a").touch(), os.listdir(at / "n")], None, None,
    ),
    "a folder that is there": (lambda at: at.mkdir(exist_ok=True), None, None),
    "a database": (lambda at: sqlite3.connect(at / "old").close(), None, "old"),
    "a database in memory": (lambda at: sqlite3.connect(":memory:").close(), None, None),
    "no file": (lambda at: open(os.devnull, "w").close(), None, None),
    "a file of the kernel": (lambda at: open("/proc/self/stat").close(), None, None),
    "a file that is not there": (lambda at: os.path.exists(at / "none"), None, None),
}  # fmt: skip
"""What an item does, what is told where its files are older than the run, and where they are newer."""


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("newer", [False, True])
def test_what_is_told_of_a_use(name: str, newer: bool, folder: Path) -> None:
    """Files that are older than the run are no other item's; newer ones are."""
    use, *expected = USES[name]
    reasons = heard(lambda: use(folder), EARLIER if newer else LATER)
    wanted = expected[newer]
    if wanted is None:
        assert reasons == []
    else:
        wanted = folder.name if wanted == "FOLDER" else wanted
        assert len(reasons) == 1 and f"`{wanted}`" in reasons[0]


@pytest.mark.parametrize(
    "shape", [lambda at: at, str, lambda at: (1, at), lambda at: {"path": str(at)}]
)
def test_an_item_may_read_and_take_what_it_was_given(
    shape: Callable[[Path], Any], folder: Path
) -> None:
    """A source may make the files that it names: downloads, a queue in a folder."""
    given = folder / "old"
    assert heard(given.read_text, EARLIER, shape(given)) == []
    assert heard(lambda: given.rename(folder / "done"), EARLIER, shape(given)) == []


def test_the_watch_names_the_file(folder: Path) -> None:
    """A verdict has the file among what changed; without the time of the run files are not watched."""
    path = folder / "old"

    def adds(item: int) -> None:
        with open(path, "a") as file:
            file.write(f"{item}\n")

    watch = Watch(adds, 1).hear_files(now() + EARLIER)
    adds(1)
    assert watch.verdict().changed == ("the file `old`, which other items use,",)
    watch = Watch(adds, 1)
    adds(1)
    assert watch.verdict().changed == ()


def test_nothing_is_heard_of_a_run_that_is_gone(folder: Path) -> None:
    """The hook keeps no watch alive that an exception left behind."""
    use = FileUse(now() + EARLIER, None)
    use.begin()
    del use
    (folder / "old").read_text()  # heard by none, and no error


def read_and_compute(path: Path) -> int:
    """Reads its file and computes; meanwhile the engine reads files of the kernel."""
    return len(path.read_bytes()) + sum(range(200_000))


def test_what_the_engine_reads_while_an_item_runs_is_not_the_items_own(folder: Path) -> None:
    plan = amorsize.optimize(read_and_compute, [folder / "old"] * 80, history=None)
    assert "stays in the caller" not in plan.safety
    assert plan.execute() == [read_and_compute(folder / "old")] * 80
