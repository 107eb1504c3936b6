"""Work of short processes adds up until a record pays; the file of the sum can hurt nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.learning import run_python

from amorsize.learning import add_unrecorded, clear_unrecorded

SHORT = """
import amorsize
from amorsize.api import observers
from amorsize.core import lazy
price = lazy.reading_seconds(observers.RECORDING)
history = {history!r}
print(observers._Budget().allows(10 * price, history))
"""


def allowed(history: object, processes: int) -> list[bool]:
    """Whether each of some new processes, whose work pays for three tenths of a record, may leave one."""
    program = SHORT.format(history=str(history))
    return [run_python(program, history) == "True" for _ in range(processes)]


def test_some_of_many_short_processes_leave_a_record(tmp_path: Path) -> None:
    """Each has its own price, which is CPU time; three tenths of four such add up to a whole one unless
    prices differ by a third, so the number is held, and no order."""
    found = allowed(tmp_path / "made" / "h.sqlite", 14)
    assert not found[0] and 2 <= sum(found) <= 5
    assert (tmp_path / "made" / "h.sqlite.unrecorded").stat().st_mode & 0o777 == 0o600


def test_the_sum(tmp_path: Path) -> None:
    place = tmp_path / "h.sqlite"
    assert add_unrecorded(place, 0.25) == 0.25
    assert add_unrecorded(f"sqlite:///{place}", 0.5) == pytest.approx(0.75)
    assert add_unrecorded(tmp_path / "other", 1.0) == 1.0
    clear_unrecorded(place)
    assert add_unrecorded(place, 0.125) == 0.125


@pytest.mark.parametrize("choice", [None, ":memory:", "postgresql://host/name", "bad\0name", "off"])
def test_where_there_is_no_file_there_is_no_sum(
    choice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if choice == "off":
        monkeypatch.setenv("AMORSIZE_HISTORY", "off")
        choice = "default"
    assert add_unrecorded(choice, 1.0) is None
    clear_unrecorded(choice)


def test_any_bytes_are_a_sum(tmp_path: Path) -> None:
    """A damaged one makes a record early, and is a good one again after that."""
    place = tmp_path / "h.sqlite"
    file = tmp_path / "h.sqlite.unrecorded"
    file.write_bytes(b"\xff" * 8)
    assert (add_unrecorded(place, 1.0) or 0.0) > 1e12
    clear_unrecorded(place)
    assert add_unrecorded(place, 1.0) == 1.0


def test_no_other_file_is_written(tmp_path: Path) -> None:
    """A text, a link of either kind to one, a folder, a pipe: each stays as it is."""
    text = tmp_path / "text"
    text.write_text("12345678")
    place = tmp_path / "h"
    at = tmp_path / "h.unrecorded"
    os.link(text, at)
    assert add_unrecorded(place, 1.0) is None
    at.unlink()
    at.symlink_to(text)
    assert add_unrecorded(place, 1.0) is None
    at.unlink()
    at.write_text("a text of the user's")
    assert add_unrecorded(place, 1.0) is None
    assert at.read_text() == "a text of the user's"
    at.unlink()
    at.mkdir()
    assert add_unrecorded(place, 1.0) is None
    at.rmdir()
    os.mkfifo(at)
    assert add_unrecorded(place, 1.0) is None
    assert text.read_text() == "12345678"


def test_processes_at_once_lose_no_more_than_additions(tmp_path: Path) -> None:
    program = (
        "import sys; from amorsize.learning import add_unrecorded\n"
        "for _ in range(200): add_unrecorded(sys.argv[1], 0.001)"
    )
    place = str(tmp_path / "h.sqlite")
    writers = [subprocess.Popen([sys.executable, "-c", program, place]) for _ in range(4)]
    assert [one.wait(timeout=150) for one in writers] == [0] * 4
    assert 0.199 < (add_unrecorded(place, 0.0) or 0.0) < 0.801
