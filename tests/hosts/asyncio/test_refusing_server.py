"""Coroutine functions against a server that refuses: nothing is lost, nothing is served twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

import amorsize

SECONDS = 0.005
"""Of a call."""


class Refused(Exception):
    """As httpx has it."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = SimpleNamespace(status_code=status, headers=named)


class Api:
    """Serves so many side by side and refuses the others at once."""

    def __init__(self, most: int, **headers: str) -> None:
        self.most, self.headers = most, headers
        self.busy = self.refused = 0
        self.served: Counter[Any] = Counter()

    async def get(self, item: Any) -> Any:
        await asyncio.sleep(0)
        if self.busy >= self.most:
            self.refused += 1
            raise Refused(429, **self.headers)
        self.busy += 1
        try:
            await asyncio.sleep(SECONDS)
        finally:
            self.busy -= 1
        self.served[item] += 1
        return item * item


@pytest.mark.parametrize("headers", [{}, {"retry_after_ms": "20"}, {"Retry_After": "0.02"}])
def test_refused_items_wait_and_are_not_lost(headers: dict[str, str]) -> None:
    api = Api(5, **headers)
    found = amorsize.execute(api.get, range(300), retries=1, history=None)
    assert found == [item * item for item in range(300)]
    assert set(api.served.values()) == {1}
    assert api.refused


def test_a_stream_waits_too() -> None:
    api = Api(5)
    found = list(amorsize.stream(api.get, iter(range(200)), retries=1, history=None))
    assert found == [item * item for item in range(200)]
    assert set(api.served.values()) == {1}


def test_without_retries_a_refusal_is_the_items_error() -> None:
    api = Api(5)
    found = amorsize.execute(api.get, range(300), on_error="collect", history=None)
    failed = [one for one in found if isinstance(one, amorsize.ItemError)]
    assert len(failed) == api.refused
    assert all(isinstance(one.exception, Refused) for one in failed)
    assert (
        api.refused < 100
    )  # it steers all the same: the limit was 20 at first, and would have grown


def test_retry_after_of_a_client_that_returns_codes() -> None:
    api = Api(5)

    async def ask(item: int) -> int:
        try:
            return await api.get(item)  # type: ignore[no-any-return]
        except Refused:
            raise amorsize.RetryAfter(0.01) from None

    assert amorsize.execute(ask, range(100), retries=1, history=None) == [i * i for i in range(100)]


def test_errors_that_are_no_refusals_spend_tries_as_before() -> None:
    tries: Counter[int] = Counter()

    async def fail(item: int) -> int:
        tries[item] += 1
        raise ValueError(item)

    found = amorsize.execute(fail, range(3), retries=2, on_error="collect", history=None)
    assert [type(one.exception) for one in found] == [ValueError] * 3
    assert tries == {0: 3, 1: 3, 2: 3}


def test_a_hint_beyond_patience_fails_with_a_note() -> None:
    async def ask(item: int) -> int:
        raise Refused(429, Retry_After="86400")

    with pytest.raises(Refused) as caught:
        amorsize.execute(ask, range(3), retries=3, history=None)
    assert any("600 s" in note for note in caught.value.__notes__)


def test_nothing_listens_and_nothing_was_ever_served() -> None:
    """A wrong port is a failure, and not waited for."""
    tries: Counter[int] = Counter()

    async def ask(item: int) -> int:
        tries[item] += 1
        raise ConnectionRefusedError

    found = amorsize.execute(ask, range(2), retries=1, on_error="collect", history=None)
    assert [type(one.exception) for one in found] == [ConnectionRefusedError] * 2
    assert tries == {0: 2, 1: 2}


def test_a_run_tells_what_was_refused() -> None:
    api, runs = Api(5), []
    import logging

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            runs.append(record.getMessage())

    logger, heard = logging.getLogger("amorsize"), Heard()
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    try:
        amorsize.execute(api.get, range(100), retries=1, history=None)
    finally:
        logger.removeHandler(heard)
        logger.setLevel(logging.NOTSET)
    assert any("refused" in text for text in runs)
