"""What tests share: functions to run, faults to inject, a real server, where the repository is."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
TESTS = ROOT / "tests"
"""For the path of interpreters that import what is shared here."""
