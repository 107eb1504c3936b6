"""What type checkers must say of calls: read by mypy and pyright in tests/api/test_types.py, never run.

``assert_type`` holds what a call gives. A line that ends in ``# wrong`` must be an error, and no other
line may be one.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Literal, assert_type

from numpy.random import Generator

import amorsize
from amorsize import AsyncResults, ItemError, Plan, Results, RunOptions


def halved(number: int) -> float:
    return number / 2


async def fetched(url: str) -> bytes:
    return url.encode()


def joined(left: str, right: int = 0) -> str:
    return left * right


async def sent(left: str, right: int) -> bytes:
    return left.encode() * right


class Scaled:
    def __call__(self, number: int) -> complex:
        return complex(number)

    def method(self, number: int) -> str:
        return str(number)

    async def slowly(self, number: int) -> bytes:
        return b"" * number


numbers = [1, 2]

# Functions of every kind.
assert_type(amorsize.execute(halved, numbers), list[float])
assert_type(amorsize.execute(halved, iter(numbers)), list[float])
assert_type(amorsize.execute(halved, range(3)), list[float])
assert_type(amorsize.execute(Scaled(), numbers), list[complex])
assert_type(amorsize.execute(Scaled().method, numbers), list[str])
assert_type(amorsize.execute(abs, numbers), list[int])
assert_type(amorsize.execute(int, ["1"]), list[int])
assert_type(amorsize.execute(len, ["a", b"c"]), list[int])
assert_type(amorsize.execute(math.sqrt, numbers), list[float])
assert_type(amorsize.execute(str.upper, ["a"]), list[str])
assert_type(amorsize.execute(Path.read_text, [Path()]), list[str])
assert_type(amorsize.execute(lambda number: number * 2.5, numbers), list[float])
assert_type(amorsize.execute(functools.partial(joined, "a"), numbers), list[str])
amorsize.execute(operator.itemgetter(0), [numbers])

# What on_error does to results.
assert_type(amorsize.execute(halved, numbers, on_error="raise"), list[float])
assert_type(amorsize.execute(halved, numbers, on_error="skip"), list[float])
assert_type(amorsize.execute(halved, numbers, on_error="collect"), list[float | ItemError])


def chosen(how: Literal["raise", "collect", "skip"], options: RunOptions) -> None:
    assert_type(
        amorsize.execute(halved, numbers, on_error=how), list[float] | list[float | ItemError]
    )
    assert_type(amorsize.execute(halved, numbers, **options), list[float])
    assert_type(amorsize.execute(halved, numbers, on_error="skip", **options), list[float])


# Coroutine functions: what they return, awaited.
assert_type(amorsize.execute(fetched, ["a"]), list[bytes])
assert_type(amorsize.execute(fetched, ["a"], retries=2, rate="500/min"), list[bytes])
assert_type(amorsize.execute(fetched, ["a"], on_error="collect"), list[bytes | ItemError])
assert_type(amorsize.execute(Scaled().slowly, numbers), list[bytes])

# Several arguments.
assert_type(amorsize.execute(amorsize.star(joined), [("a", 1)]), list[str])
assert_type(amorsize.execute(amorsize.star(joined), [("a",), ("a", 1)]), list[str])
assert_type(amorsize.execute(amorsize.star(joined), [{"left": "a", "right": 2}]), list[str])
assert_type(amorsize.execute(amorsize.star(joined), zip(["a"], numbers, strict=True)), list[str])
assert_type(amorsize.execute(amorsize.star(sent), [("a", 1)]), list[bytes])
amorsize.execute(amorsize.star(pow), [(2, 3), (3, 2)])

# Streams.
results = amorsize.stream(halved, numbers, buffersize=10)
assert_type(results, Results[float])
assert_type(next(results), float)
assert_type(list(results), list[float])
assert_type(amorsize.stream(halved, numbers, on_error="collect"), Results[float | ItemError])
assert_type(amorsize.stream(fetched, ["a"], ordered=False), Results[bytes])
with amorsize.stream(halved, numbers) as ending:
    assert_type(ending, Results[float])
as_iterator: Iterator[float] = amorsize.stream(halved, numbers)
with closing(amorsize.stream(halved, numbers)) as open_stream:
    assert_type(next(iter(open_stream)), float)

# Plans.
plan = amorsize.optimize(halved, numbers)
assert_type(plan, Plan[float])
assert_type(plan.execute(), list[float])
assert_type(plan.estimated_interval, tuple[float, float] | None)
assert_type(
    amorsize.optimize(halved, numbers, on_error="collect").execute(), list[float | ItemError]
)


def explained(plan: Plan) -> str:
    return str(plan)


explained(plan)


# Event loops.
async def source() -> AsyncIterator[str]:
    yield "a"


async def main() -> None:
    assert_type(await amorsize.aexecute(fetched, ["a"]), list[bytes])
    assert_type(await amorsize.aexecute(fetched, source()), list[bytes])
    assert_type(await amorsize.aexecute(halved, numbers), list[float])
    assert_type(
        await amorsize.aexecute(halved, numbers, on_error="collect"), list[float | ItemError]
    )
    assert_type(amorsize.astream(fetched, source()), AsyncResults[bytes])
    async for answer in amorsize.astream(fetched, ["a"], ordered=False):
        assert_type(answer, bytes)
    as_generator: AsyncGenerator[bytes, None] = amorsize.astream(fetched, ["a"])
    async with amorsize.astream(fetched, ["a"]) as answers:
        assert_type(answers, AsyncResults[bytes])
    await as_generator.aclose()
    async for half in amorsize.astream(halved, numbers):
        assert_type(half, float)


# A tuner has the same calls.
tuner = amorsize.Tuner(amorsize.Settings({"n_jobs": 2, "on_error": "skip"}), history=None)
assert_type(tuner.execute(halved, numbers), list[float])
assert_type(tuner.execute(halved, numbers, on_error="collect"), list[float | ItemError])
assert_type(tuner.execute(fetched, ["a"]), list[bytes])
assert_type(tuner.stream(halved, numbers), Results[float])
assert_type(tuner.optimize(halved, numbers), Plan[float])
assert_type(tuner.astream(halved, numbers), AsyncResults[float])

# Every option, each with a value of its type.
with ThreadPoolExecutor() as pool:
    amorsize.execute(halved, numbers, backend=pool)
    amorsize.execute(halved, numbers, backend=("auto", pool))
amorsize.execute(halved, numbers, n_jobs=-1, backend=("serial", "threads"), chunksize="auto")
amorsize.execute(halved, numbers, progress=True, history=None, seed=42, effects="ignore")
amorsize.execute(halved, numbers, progress=lambda done, total: None, history=Path("a.sqlite"))
amorsize.execute(halved, numbers, checkpoint="a.checkpoint", checkpoint_format="json")
amorsize.execute(halved, numbers, checkpoint="a", key=lambda one: one, retry_failed=True)
amorsize.execute(halved, numbers, timeout=1, memory_limit="2GiB", rerun_after_death=False)
amorsize.execute(halved, numbers, retries=1, retry_on=(OSError, ValueError), rate=2.5)
amorsize.execute(halved, numbers, rate=amorsize.Rate("5/s") & amorsize.Rate("9/s", cost=abs))
amorsize.execute(halved, numbers, initializer=print, initargs=("a", 1), backend="processes")

# The rest.
assert_type(amorsize.item_rng(), Generator)
with amorsize.Executor() as executor:
    an_executor: Executor = executor
    assert_type(executor.submit(joined, "a", right=2), Future[str])
    assert_type(executor.map(halved, numbers), Iterator[float])

# What is wrong is said.
amorsize.execute(halved, ["a"])  # wrong
amorsize.execute(halved, 5)  # wrong
amorsize.execute(halved(2), numbers)  # wrong
amorsize.execute(joined, [("a", 1)])  # wrong
amorsize.execute(fetched, numbers)  # wrong
amorsize.execute(amorsize.star(joined), numbers)  # wrong
amorsize.execute(halved, numbers, n_job=2)  # wrong
amorsize.execute(halved, numbers, n_jobs="many")  # wrong
amorsize.execute(halved, numbers, n_jobs=1.5)  # wrong
amorsize.execute(halved, numbers, on_error="ignore")  # wrong
amorsize.execute(halved, numbers, timeout="5 s")  # wrong
amorsize.execute(halved, numbers, effects="none")  # wrong
amorsize.execute(halved, numbers, checkpoint_format="yaml")  # wrong
amorsize.execute(halved, numbers, retry_on=OSError("a"))  # wrong
amorsize.execute(halved, numbers, backend=3)  # wrong
amorsize.execute(halved, numbers, seed="a")  # wrong
amorsize.execute(halved, numbers, progress=3)  # wrong
amorsize.execute(halved, numbers, buffersize=3)  # wrong
amorsize.stream(halved, numbers, buffersize="a")  # wrong
amorsize.stream(halved, numbers, order=True)  # wrong
amorsize.optimize(halved, ["a"])  # wrong
amorsize.execute(halved, source())  # wrong
tuner.execute(halved, ["a"])  # wrong
tuner.execute(halved, numbers, n_job=2)  # wrong
amorsize.Settings({"n_job": 2})  # wrong
amorsize.Settings({"on_error": "collect"})  # wrong
amorsize.Settings(pruning="hard")  # wrong
amorsize.Executor(backend="fork")  # wrong
texts: list[str] = amorsize.execute(halved, numbers)  # wrong
unhandled: list[float] = amorsize.execute(halved, numbers, on_error="collect")  # wrong
few: RunOptions = {"n_job": 2}  # wrong
collecting: RunOptions = {"on_error": "collect"}  # wrong
