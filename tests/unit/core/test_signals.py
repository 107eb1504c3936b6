"""Signal handlers wait while they are held, and nothing of them is lost."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amorsize.core.signals import deferred, forget_in_child, held, is_of_handler, released
from amorsize.machine.threads import queued_seconds

USUAL = signal.SIGBREAK if sys.platform == "win32" else signal.SIGUSR1
"""A signal that nothing else sends."""


class Late(Exception):
    pass


@pytest.fixture
def handler() -> Iterator[Callable[..., None]]:
    """Raises when the signal comes."""

    def raises(*_: Any) -> None:
        raise Late

    before = signal.signal(USUAL, raises)
    yield raises
    signal.signal(USUAL, before)


def hit() -> None:
    """Send the signal to this process, and let its handler run."""
    signal.raise_signal(USUAL)
    for _ in range(3):
        os.getpid()


def late(body: Callable[[], object]) -> Late | None:
    """What the handler raised in the body, if it did."""
    try:
        body()
    except Late as error:
        return error
    return None


def release() -> None:
    with released():
        pass


def hit_released() -> None:
    with released():
        hit()
        raise AssertionError("it goes on")


def test_what_comes_meanwhile_is_raised_on_the_way_out(handler: Any) -> None:
    seen = []

    def body() -> None:
        with held():
            hit()
            seen.append("inside")
            with held():
                hit()
            seen.append("still inside")

    assert late(body) is not None
    assert seen == ["inside", "still inside"]
    assert signal.getsignal(USUAL) is handler


def test_a_released_part_is_interrupted_as_ever(handler: Any) -> None:
    with held():
        assert late(hit_released) is not None
        hit()
        assert late(release) is not None
        assert signal.getsignal(USUAL) is not handler
    assert signal.getsignal(USUAL) is handler
    with released():  # outside of any: nothing
        assert signal.getsignal(USUAL) is handler


def test_an_error_of_the_body_becomes_the_context(handler: Any) -> None:
    def body() -> None:
        with held():
            hit()
            raise ValueError("the body's")

    error = late(body)
    assert error is not None and isinstance(error.__context__, ValueError)


def test_every_handler_is_called_where_several_were_noted(handler: Any) -> None:
    called = []
    before = signal.signal(signal.SIGUSR2, lambda *_: called.append("second"))

    def body() -> None:
        with held():
            hit()
            os.kill(os.getpid(), signal.SIGUSR2)

    try:
        assert late(body) is not None
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert called == ["second"]


def test_nothing_happens_in_other_threads(handler: Any) -> None:
    seen = []

    def inside() -> None:
        with held(), released(), deferred():
            seen.append(signal.getsignal(USUAL))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    with held():  # and they release nothing that the main thread holds
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        noting = signal.getsignal(USUAL)
    assert seen == [handler, noting]


def test_a_loop_is_told_and_answers_when_it_can(handler: Any) -> None:
    told: list[str] = []
    with deferred() as noted:
        hit()
        noted.tell(lambda: told.append("told"))
        assert late(noted.answer) is not None
        hit()
        assert told == ["told", "told"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert late(noted.answer) is not None
    assert signal.getsignal(USUAL) is handler


def test_a_forked_child_has_the_handlers_and_not_what_was_noted(handler: Any) -> None:
    codes = []

    def body() -> None:
        with held():
            hit()
            pid = os.fork()
            if not pid:
                try:
                    forget_in_child()
                    os._exit(signal.getsignal(USUAL) is not handler)
                except BaseException:
                    os._exit(2)
            codes.append(os.waitpid(pid, 0)[1])

    assert late(body) is not None
    assert codes == [0]


def test_a_first_import_of_threading_elsewhere_does_not_mislead() -> None:
    """``threading`` takes the first thread that imports it for the main one."""
    code = (
        "import _thread, time\n"
        "done = _thread.allocate_lock(); done.acquire()\n"
        "def imports():\n    import threading; done.release()\n"
        "_thread.start_new_thread(imports, ()); done.acquire()\n"
        "import signal; from amorsize.core.signals import held\n"
        "with held():\n    print(signal.getsignal(2) is not signal.default_int_handler)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "True\n", done.stderr


def test_what_a_handler_raises_inside_of_a_c_function_is_told_from_its_own_errors() -> None:
    """Both are an ``OSError``: one that an alarm raised while a call waited, one of a missing file."""

    def late(*_: object) -> None:
        raise TimeoutError("late")

    before = signal.signal(signal.SIGALRM, late)
    told = []
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        try:
            time.sleep(5)
        except OSError as error:
            told.append(is_of_handler(error))
        try:
            os.stat("/no such file")
        except OSError as error:
            told.append(is_of_handler(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert told == [True, False]


def test_an_alarm_in_the_middle_of_a_reading_of_the_clock_arrives_and_leaves_nothing_open() -> None:
    """The clock of the scheduler is a file: what an alarm raises there is no error of that file."""
    arrived = 0

    def late(*_: object) -> None:
        raise TimeoutError("late")

    before = signal.signal(signal.SIGALRM, late)
    opened = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    try:
        for number in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + number * 1e-6)
                until = time.monotonic() + 0.05
                while time.monotonic() < until:
                    queued_seconds()
            except TimeoutError:
                arrived += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    gc.collect()
    assert arrived == 200
    assert not opened or len(os.listdir("/proc/self/fd")) == opened
