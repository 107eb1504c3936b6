"""After a run the program has the threads that it has after a loop."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

import amorsize

pytestmark = pytest.mark.timeout(60)


def waits_and_logs(number: int) -> int:
    logging.getLogger("app").warning("at %d", number)
    time.sleep(0.005)
    return number


def waits_and_asks(number: int) -> int:
    assert threading.current_thread() in threading.enumerate()
    time.sleep(0.005)
    return number


@pytest.mark.parametrize("func", [waits_and_logs, waits_and_asks])
@pytest.mark.parametrize("options", [{}, {"backend": "threads"}, {"n_jobs": 3, "timeout": 9}])
def test_no_thread_is_listed_that_has_ended(func: Any, options: dict[str, Any]) -> None:
    before = threading.enumerate()
    assert amorsize.execute(func, range(60), **options) == list(range(60))
    assert threading.enumerate() == before


def test_no_reader_of_a_stream_is_listed() -> None:
    def numbers() -> Any:
        for number in range(60):
            logging.getLogger("app").warning("read")
            yield number

    before = threading.enumerate()
    assert list(amorsize.stream(waits_and_logs, numbers(), backend="threads")) == list(range(60))
    assert threading.enumerate() == before
