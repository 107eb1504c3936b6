"""Whose code a file is, where the standard library is a folder and where it is an archive."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from amorsize.inspection import origins
from amorsize.inspection.effects import inspect_function


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of files is asked anew, and not kept."""
    for name in ("_own_files", "_own_modules"):
        monkeypatch.setattr(origins, name, {})
    return


def test_files_of_libraries_are_not_the_users() -> None:
    for path in (
        os.path.join(origins.STDLIB[0], "json", "__init__.py"),
        origins.__file__,
        np.__file__,
    ):
        assert not origins.own_file(path)
    for path in (__file__, "<stdin>", "<ipython-input-1>", "mine.py"):
        assert origins.own_file(path)


def test_an_archive_names_its_files_by_their_places_within(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in the embeddable Python for Windows: code says ``json/__init__.py``, a module the archive."""
    monkeypatch.setattr(origins, "IN_ARCHIVE", True)
    archive = os.path.normcase(str(tmp_path / "python311.zip") + os.sep)
    monkeypatch.setattr(origins, "STDLIB", (origins.STDLIB[0], archive))
    for path in ("statistics.py", "json/__init__.py", "json\\__init__.py"):
        assert not origins.own_file(path)
    assert not origins.own_file(str(tmp_path / "python311.zip" / "tempfile.pyc"))
    for path in ("mine.py", "mine/json.py", str(tmp_path / "json.py"), "<stdin>"):
        assert origins.own_file(path)
    monkeypatch.chdir(tmp_path)
    Path("statistics.py").touch()  # a program of the user's that has the name of a module
    origins._own_files.clear()
    assert origins.own_file("statistics.py")


def test_ordinary_code_may_go_anywhere_there() -> None:
    """The verdict of a function that calls the standard library, by whichever way that is stored."""
    safety = inspect_function(json.dumps, [{}])
    assert safety.caller_only is None and safety.no_threads is None and safety.no_processes is None
