"""Faults in all combinations take five minutes: they are long tests, but for a sample of each."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
QUICK = (
    "test_matrix.py",
    "test_telling.py",
    "test_checkpoint.py",
    "test_checkpoint_changes.py",
    "test_checkpoint_files.py",
    "test_checkpoint_results.py",
)
"""Modules that always run: a sample of the faults, and what is not about endings and deaths."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE and item.path.name not in QUICK:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a checkpoint may be written: a folder of our own."""
    tmp_path.chmod(0o700)
    return str(tmp_path / "journal")
