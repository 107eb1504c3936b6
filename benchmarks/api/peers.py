"""Beside other libraries, on real loopback sockets: told a guess, and the server's own numbers.

``python -m benchmarks.api.peers [--client coroutine|thread] [--only "cap of 40" ...] [--turns 1]``. Each
scenario is one of :mod:`benchmarks.api.sockets`; all libraries take their turn at it, one after the
other, each at a server of its own. amorsize is told nothing. A guess is 20 calls at once and no rate;
the server's own numbers are what it allows at the start: calls at once, and calls a second. The others
try an item again that was refused, up to eight times. pyarallel needs Python 3.12.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import threading
import time
from dataclasses import dataclass
from importlib import import_module
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from benchmarks.api.sockets import (
    FEW_CALLS,
    SCENARIOS,
    WASTE_SHARE,
    Client,
    Refused,
    by_amorsize,
    measured,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.api.virtual import Given

CHOSEN = (
    "cap of 8", "cap of 40", "cap of 120", "bucket 100/s, float hint", "quota 200 in 2 s", "tokens",
    "outage", "halved and restored", "knee at 20",
)  # fmt: skip
"""One of each kind of server."""
TRIES, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 8, 0.05, 10.0
MOST_AT_ONCE = 128
"""Told where the server bounds no calls at once: what a rate needs is far less."""
MEAN_TOKENS = 500.5
"""What an item of a server of tokens costs on average."""


@dataclass(frozen=True)
class Numbers:
    """What a library is told."""

    at_once: int
    per_second: float | None


GUESS = Numbers(20, None)


def own_numbers(given: Given) -> Numbers:
    """What the server allows at the start."""
    rates = [
        given.rate,
        given.quota and given.quota / given.window,
        given.token_rate and given.token_rate / MEAN_TOKENS,
    ]
    most = [given.cap, given.knee, given.most, MOST_AT_ONCE]
    return Numbers(
        min(one for one in most if one), min((one for one in rates if one), default=None)
    )


def _hint(error: Exception) -> float | None:
    text = error.headers.get("Retry-After") if isinstance(error, Refused) else None
    return None if text is None else float(text)


def by_pyarallel(client: Client, given: Given, kind: str, numbers: Numbers) -> list[Any]:
    """Its own tries and rate, and the server's hints."""
    pyarallel = import_module("pyarallel")
    options = {
        "rate_limit": numbers.per_second,
        "retry": pyarallel.Retry(
            attempts=TRIES, backoff=FIRST_PAUSE_SECONDS, max_delay=LONGEST_PAUSE_SECONDS,
            on=(Refused,), wait_from=_hint,
        ),
    }  # fmt: skip
    items = range(given.items)
    if kind == "thread":
        found = pyarallel.parallel_map(client.get, items, workers=numbers.at_once, **options)
    else:
        found = asyncio.run(
            pyarallel.async_parallel_map(client.ask, items, concurrency=numbers.at_once, **options)
        )
    values = dict(found.successes())
    return [values.get(item) for item in items]


def _tried(function: Callable[..., Any]) -> Any:
    import tenacity

    return tenacity.retry(
        retry=tenacity.retry_if_exception_type(Refused),
        wait=tenacity.wait_random_exponential(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
        stop=tenacity.stop_after_attempt(TRIES),
    )(function)


class _Paced:
    """Starts that come no closer together than the rate says: for who has no rate of its own."""

    def __init__(self, per_second: float | None) -> None:
        self._seconds = 0.0 if per_second is None else 1.0 / per_second
        self._due, self._lock = 0.0, threading.Lock()

    def wait_seconds(self) -> float:
        """Seconds until this call may begin."""
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due + self._seconds, now)
            return self._due - now


def by_tenacity(client: Client, given: Given, kind: str, numbers: Numbers) -> list[Any]:
    """A semaphore and exponential pauses, or a pool of threads: what is often written by hand."""
    paced = _Paced(numbers.per_second)
    if kind == "thread":
        from concurrent.futures import ThreadPoolExecutor

        def get(item: int) -> int:
            time.sleep(paced.wait_seconds())
            return client.get(item)

        tried = _tried(get)

        def kept(item: int) -> Any:
            try:
                return tried(item)
            except Exception as error:
                return error

        with ThreadPoolExecutor(numbers.at_once) as pool:
            return list(pool.map(kept, range(given.items)))

    async def run() -> list[Any]:
        gate = asyncio.Semaphore(numbers.at_once)

        async def ask(item: int) -> int:
            async with gate:
                await asyncio.sleep(paced.wait_seconds())
                return await client.ask(item)

        one: Callable[[int], Awaitable[int]] = _tried(ask)
        return await asyncio.gather(*map(one, range(given.items)), return_exceptions=True)

    return asyncio.run(run())


def by_aiometer(client: Client, given: Given, kind: str, numbers: Numbers) -> list[Any]:
    """Its own bounds; tenacity tries again."""
    import aiometer

    tried = _tried(client.ask)

    async def one(item: int) -> Any:
        try:
            return await tried(item)
        except Exception as error:
            return error

    async def run() -> list[Any]:
        calls = [functools.partial(one, item) for item in range(given.items)]
        results: list[Any] = await aiometer.run_all(
            calls, max_at_once=numbers.at_once, max_per_second=numbers.per_second
        )
        return results

    return asyncio.run(run())


PEERS = {
    "coroutine": {"pyarallel": by_pyarallel, "aiometer": by_aiometer, "tenacity": by_tenacity},
    "thread": {"pyarallel": by_pyarallel, "tenacity": by_tenacity},
}


def ways(given: Given, kind: str) -> dict[str, Callable[[Client, Given, str], list[Any]]]:
    """Each library with each of its numbers."""
    made: dict[str, Callable[[Client, Given, str], list[Any]]] = {"amorsize": by_amorsize}
    for name, peer in PEERS[kind].items():
        made[f"{name}, guessed"] = functools.partial(peer, numbers=GUESS)
        made[f"{name}, told"] = functools.partial(peer, numbers=own_numbers(given))
    return made


def main() -> None:
    """Print a line for each scenario and library, and a summary of each library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=PEERS, default="coroutine")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=CHOSEN)
    parser.add_argument("--turns", type=int, default=1)
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, int, int, bool]]] = {}
    for turn in range(asked.turns):
        for name in asked.only:
            given = SCENARIOS[name]
            bound = FEW_CALLS + WASTE_SHARE * given.items
            for way, run in ways(given, asked.client).items():
                share, wasted, lost, twice = measured(given, run, asked.client)
                share *= 1.0 - lost / given.items
                good = wasted <= bound and not lost and not twice and share >= 0.8
                found.setdefault(way, []).append((share, wasted, lost, good))
                told = f"{share:5.0%}, wasted {wasted}, lost {lost}, twice {twice}"
                print(f"{turn} {name}: {way}: {told}", flush=True)
    print("| | of the ideal, mean | worst | calls wasted | items lost | good in all |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for way, rows in found.items():
        shares, wasted_calls, lost_items, held = zip(*rows, strict=True)
        print(
            f"| {way} | {geometric_mean(shares):.0%} | {min(shares):.0%} | {sum(wasted_calls):,} "
            f"| {sum(lost_items):,} | {sum(held)} of {len(rows)} |"
        )


if __name__ == "__main__":
    main()
