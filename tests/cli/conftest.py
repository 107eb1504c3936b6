"""A folder of its own with functions to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import JOBS


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a module of functions and one that cannot be imported."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "broken.py").write_text("import missing_thing\n")
    (tmp_path / "raising.py").write_text("raise RuntimeError('no\\nluck')\n")
    return tmp_path
