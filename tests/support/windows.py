"""Why a test cannot run on Windows, by what it failed of: what the test itself asks of Linux."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

TESTS = str(Path(__file__).resolve().parents[1])
MISSING = re.compile(
    r"module '(os|signal|select|socket|time|asyncio)' has no attribute '(\w+)'"
    r"|No module named '(fcntl|resource|termios|pty|pwd|grp)'"
    r"|No such file or directory: '(/proc|/sys|/dev|/tmp|/bin|/usr|/etc)\b"
    r"|cannot find context for '(fork|forkserver)'"
)
"""What Python and Windows say where Linux has something that they have not."""
REFUSED = "this system cannot fork"


def linux_facility(error: BaseException) -> str | None:
    """The facility of Linux that a test asked for, in vain; None if it failed of something else.

    Only errors that come from a line of the tests count: those from a line of amorsize are amorsize's."""
    text = str(error)
    if REFUSED in text:
        return "it asks for a fork"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or not os.path.abspath(frames[-1].filename).startswith(TESTS):
        return None
    found = MISSING.search(text)
    return None if found is None else next(part for part in found.groups()[::-1] if part)
