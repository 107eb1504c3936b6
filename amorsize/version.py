"""The version of amorsize, for those that record it."""

from __future__ import annotations

__version__ = "0.1.0"
