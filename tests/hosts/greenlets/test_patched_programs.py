"""A program whose threads were replaced, as gevent's and eventlet's patches do, runs and is not forked.

The stand-in gives threads of the system, under functions and numbers that are not the interpreter's.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(60)

PATCHED = """
import _thread
start, ident = _thread.start_new_thread, _thread.get_ident
def start_new_thread(func, args=(), kwargs={}):
    return start(func, args, kwargs)
known = {}
def get_ident():
    return id(known.setdefault(ident(), [ident]))  # a number that no thread of the system has
_thread.get_ident, _thread.start_new_thread = get_ident, start_new_thread
import time, amorsize
def wait(item):
    time.sleep(0.004)
    return item
def compute(item):
    return item + 0 * sum(range(30_000))
"""


def patched(program: str) -> list[str]:
    words = [sys.executable, "-c", PATCHED + program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("func", ["wait", "compute"])
def test_a_patched_program_gets_the_loops_results(func: str) -> None:
    program = (
        "right = list(range(120))\n"
        f"print(amorsize.execute({func}, range(120), history=None) == right)\n"
        f"print(list(amorsize.stream({func}, iter(range(120)), history=None)) == right)\n"
        f"print(amorsize.execute({func}, range(120), history=None, backend='threads') == right)\n"
    )
    assert patched(program) == ["True"] * 3


def test_a_patched_program_is_not_forked() -> None:
    program = (
        "from amorsize.machine.fork_safety import fork_refusal\nprint(fork_refusal())\n"
        "try:\n    amorsize.execute(compute, range(9), history=None, backend='fork')\n"
        "except amorsize.OptionError as error:\n    print(error)\n"
    )
    refusal, error = patched(program)
    assert "greenlets" in refusal
    assert "greenlets" in error and "backend='processes'" in error
