"""What programs do with files that an item starts, and what items of several workers do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.files_heard import EARLIER, LATER, heard

from amorsize.inspection.file_use import FileUse, RunFiles, now
from amorsize.inspection.program_use import ProgramUse, words_of
from amorsize.inspection.watch import Watch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a shell")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file and a script in it that appends to the file."""
    (tmp_path / "log").write_text("a")
    script = tmp_path / "script"
    script.write_text(f"echo b >> {tmp_path}/log")
    os.utime(script, (1.0, 1.0))
    return tmp_path


PROGRAMS: dict[str, tuple[Callable[[Path], Any], str | None]] = {
    "a line of a shell": (lambda at: os.system(f"echo x >> {at}/log"), "log"),
    "an argument": (lambda at: subprocess.run(["cp", "/dev/null", str(at / "log")]), "log"),
    "a path": (lambda at: subprocess.run(["touch", at / "log"]), "log"),
    "relative to its folder": (lambda at: subprocess.run(["touch", "log"], cwd=at), "log"),
    "a new file": (lambda at: subprocess.run(["touch", str(at / "new")]), None),
    "a new file twice": (
        lambda at: [subprocess.run(["touch", str(at / "new")]) for _ in range(2)], None,
    ),
    "a file that the item made": (
        lambda at: [(at / "own").write_text(""), subprocess.run(["cat", str(at / "own")])], None,
    ),
    "nothing of ours": (lambda at: subprocess.run(["true"]), None),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_program_does_with_files_of_earlier_items(folder: Path, name: str) -> None:
    """A file that changed since the run began is named; one that is older, or the item's own, is not."""
    run, expected = PROGRAMS[name]
    found = heard(lambda: run(folder), EARLIER, programs=ProgramUse())
    assert found == ([] if expected is None else [f"the file `{expected}`, which other items use,"])


def test_files_that_are_older_than_the_run_or_given_do_not_count(folder: Path) -> None:
    """The first item of a run changes a file that was there; an item may name its own file."""
    touch = PROGRAMS["an argument"][0]
    assert heard(lambda: touch(folder), LATER, programs=ProgramUse()) == []
    assert heard(lambda: touch(folder), EARLIER, str(folder / "log"), ProgramUse()) == []


def test_words_of_commands() -> None:
    """A shell's line is taken apart; other commands are words already."""
    assert words_of("os.system", ("cat 'a b' > c",)) == (["cat", "a", "b", "c"], os.getcwd())
    assert words_of("subprocess.Popen", ("x", ["x", b"--out=d"], "/", None)) == (
        ["x", "--out", "d"],
        "/",
    )
    assert words_of("os.posix_spawn", ("x", ("x", "y"), {}))[0] == ["x", "y"]


def test_an_item_that_wrote_unheard_is_told() -> None:
    """Code that names no file, and a write all the same: None says that another is to be heard."""
    reader, writer = os.pipe()
    put = getattr(os, "wri" + "te")

    def quiet(item: int) -> int:
        return item

    def loud(item: int) -> int:
        return int(put(writer, b"x"))

    from amorsize.inspection import file_use

    installed, file_use._installed = file_use._installed, False
    try:
        for func, expected in ((quiet, ()), (loud, None)):
            watch = Watch(func, 1).hear_files(now())
            func(1)
            assert watch.verdict().files == expected
    finally:
        file_use._installed = installed
        os.close(reader)
        os.close(writer)


def test_files_that_only_a_script_names(folder: Path) -> None:
    """They are seen in its folder, by the second item that changes them."""
    time.sleep(0.02)  # a tick of the clock of files
    began = now()
    time.sleep(0.02)
    command = ["sh", str(folder / "script")]
    for expected in ([], ["the file `log`, which other items use,"]):
        use = FileUse(began, None, ProgramUse())
        use.begin()
        subprocess.run(command)
        use.end()
        assert list(use.reasons) == expected
        time.sleep(0.02)


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Runs something in a thread of its own, which lives until the end of the test."""
    over = threading.Event()
    threads = []

    def run(func: Callable[[], Any]) -> None:
        done = threading.Event()
        threads.append(threading.Thread(target=lambda: (func(), done.set(), over.wait(10))))
        threads[-1].start()
        done.wait(10)

    yield run
    over.set()
    for thread in threads:
        thread.join()


def test_items_of_several_threads_that_meet_in_a_file(tmp_path: Path, in_thread: Any) -> None:
    """Each thread has its own files; what another has written since the beginning is told."""
    files = RunFiles()
    time.sleep(0.02)  # a tick of the clock of files
    in_thread(lambda: [(tmp_path / "a").write_text("1"), (tmp_path / "a").read_text()])
    in_thread(lambda: (tmp_path / "b").write_text("1"))
    (tmp_path / "a").read_text()  # the caller's thread is not heard
    assert files.reasons == {}
    in_thread(lambda: (tmp_path / "a").read_text())
    assert list(files.reasons) == ["the file `a`, which other items use,"]


def test_folders_that_several_items_make(tmp_path: Path, in_thread: Any) -> None:
    """It counts who made it, but where it may be there already."""
    files = RunFiles()
    time.sleep(0.02)
    for make in ("mkdir", "makedirs"):
        place = tmp_path / make
        in_thread(lambda place=place: place.mkdir(exist_ok=True))
        in_thread(lambda place=place: place.mkdir(parents=True, exist_ok=True))
        in_thread(lambda place=place: os.makedirs(place, exist_ok=True))
    assert files.reasons == {}

    def claim() -> None:
        try:
            os.mkdir(tmp_path / "mkdir")
        except FileExistsError:
            pass

    in_thread(claim)
    assert list(files.reasons) == ["the folder `mkdir`, which other items use,"]
