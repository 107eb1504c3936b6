"""What the tests of a history's file share: forked processes, and what a run asks of a history."""

from __future__ import annotations

import os
import warnings

from amorsize.errors import AmorsizeWarning
from amorsize.history import (
    SafeHistory,
    open_safely,
)
from amorsize.inspection.fingerprint import fingerprint
from amorsize.testing.history_contract import FIRST, observation
from support.timing import awake_seconds


def forked(work: object, *arguments: object) -> int:
    """Call ``work`` in a forked process; its id. The exit code tells whether it raised."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work(*arguments)  # type: ignore[operator]
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def a_run(location: object) -> tuple[list[str], float, SafeHistory | None]:
    """What a run asks of a history: its warnings, the seconds it took (without those that it
    waited for a core), and the history."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = awake_seconds()
        safe = open_safely(location)  # type: ignore[arg-type]
        if safe is not None:
            assert safe.key is None or fingerprint(len, safe.key)
            safe.recent(FIRST)
            safe.add([observation()])
            safe.recent(FIRST)
            safe.add([observation()])
        seconds = awake_seconds() - start
    assert all(issubclass(one.category, AmorsizeWarning) for one in caught)
    return [str(one.message) for one in caught], seconds, safe
