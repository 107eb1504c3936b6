"""Slices of the caller's loop: how many items run between two looks at the clock. Pure, but for
``all_of``.

Nothing can end such a piece of a slice, so where items suddenly become heavy a whole one is paid in the
caller.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

SLICE_SECONDS = 0.0005
"""Slices grow until they last so long: the 3 µs that bracket one are then below 1 %."""
PIECE_SECONDS = 0.00005
"""Items between two looks at the clock last so long; a look costs 0.35 µs."""
PIECE_SHARE = 0.03
"""Items between two looks at the clock are at most this share of those left."""
DOUBLED_SHARE, DOUBLED_ITEMS = 0.125, 16
"""Slices too short to say what an item costs double up to this share of what is left, or so many items:
they could be the heavy end of the data, all in one slice that nothing ends. Without the bound one run in
60 did 60 heavy items after 5,000 light ones alone; 1,500 trivial items pay 27 µs for it."""
UNSEEN_PIECE = 1024
"""Most items between two looks at the clock, as nothing can end them."""
TRIVIAL_ITEM_SECONDS = 2.5e-7
"""Items below this are not worth carrying anywhere (pickling a result costs as much), and dear to
count: bracketing them in slices costs 5 ns each (benchmarks/speed/special.py, 10,000,000 items)."""
TRIVIAL_ITEMS = 255
"""So many trivial items are evidence enough where the sampler's thread can end what follows (slices of 1,
2, 4 ... 128 items)."""
TRIVIAL_UNSEEN_ITEMS = 4096
"""So many trivial items are evidence enough where nothing can end what follows: the data are an
iterator."""
FIRST_DECISION_SECONDS = 0.0015
"""Nothing is decided in a run younger than this: what is done by then is not worth a worker."""
LEAST_GAIN_SECONDS = 0.0015
"""Nothing is decided when less than this is left."""
LEAST_TRIVIAL_SECONDS = 0.004
"""With less than this left of trivial items the first slices go on to the end: counted slices cost them
6 %, and an engine with a sampler's thread 0.3 ms."""
SLICE_SHARE = 0.15
"""Share of the time since the start that a later slice lasts, so that deciding (10-100 µs) stays below
1 %."""
LONGEST_SLICE_SECONDS = 0.05
"""Longest slice, for progress to be seen."""
SELDOM_SECONDS = 1.0
"""Age of a stream from which even its trivial items are told of: an event costs 5 µs."""
CLOCK_ERROR_SECONDS = 2e-6
"""An item timed by itself seems to take up to so much, however short it is."""
OBSERVED_SECONDS = 0.001
"""Less than this is left to pieces: a sampler's start and end cost 0.25 ms, pieces some 2 %."""


_INLINED = (type(lambda: None), type)
"""Functions that a comprehension calls faster than map does."""


def is_inlined(func: object) -> bool:
    """Whether a comprehension calls the function faster than ``map`` does: functions of Python, types."""
    return type(func) in _INLINED


_BUILTINS = (type(len), type(str.upper), type)


def may_take_long(func: Any) -> bool:
    """False for a function of Python whose own code neither loops nor calls anything: its items are
    trivial, but for operators of large operands. False of builtins, too: nothing is known of them."""
    kind = type(func)
    if kind is not _INLINED[0]:
        return kind not in _BUILTINS
    return not _LONG.isdisjoint(func.__code__.co_code[::2])


def _loops_and_calls(x: Any) -> None:
    while x:
        x()
    for _ in x:
        x(*x)


def _neither(x: Any) -> Any:
    y = x.a + x[0]
    x.b  # noqa: B018 # what is thrown away, too
    return y if x > y or not x else None


_LONG = frozenset(_loops_and_calls.__code__.co_code[::2]).difference(_neither.__code__.co_code[::2])
"""Operations of loops and calls, whatever their numbers are in this Python."""


def all_of(func: Callable[[Any], Any], iterator: Iterator[Any], results: list[Any]) -> list[Any]:
    """``results`` and those of all items that the iterator has left, at the price of a loop.

    The two forms are the two fastest of Python. In the comprehension the function is a local variable,
    which the loop's own often is not: that pays for what was measured before."""
    if not is_inlined(func):
        results += map(func, iterator)
        return results
    part = [call(item) for call, items in ((func, iterator),) for item in items]
    if len(part) > len(results):
        part[:0] = results
        return part
    results += part
    return results


def doubled(piece: int, done: int, sized: int | None) -> int:
    """The piece after one that was so short that its time says little."""
    if sized is None:
        return 2 * piece
    return min(2 * piece, max(DOUBLED_ITEMS, int(DOUBLED_SHARE * (sized - done))))


def piece_items(item_seconds: float, done: int, total: int | None) -> int:
    """Items to run without a look at the clock: at most 50 µs of items as they are now, and 3 % of
    those that are left."""
    most = done if total is None else total - done
    wanted = int(PIECE_SECONDS / item_seconds) if item_seconds > 0 else UNSEEN_PIECE
    return max(1, min(wanted, int(PIECE_SHARE * most), UNSEEN_PIECE))


STREAM_RUN = 32_768
"""Most items from one timed one to the next of a stream in the caller: 30 µs of timing on 50 ns each."""
STREAM_RUN_SECONDS = 0.002
"""Most seconds from one timed item to the next: timing stays near 2 %."""


def stream_run(size: int, seconds: float, done: int, total: int | None) -> int:
    """Items of a stream from one that is timed, which took so many seconds, to the next; ``size`` is
    what it was before."""
    left = done if total is None else total - done
    quick = int(STREAM_RUN_SECONDS / seconds) if seconds > 0 else STREAM_RUN
    least = 4 * quick * PIECE_SECONDS / STREAM_RUN_SECONDS
    return min(2 * size, quick, STREAM_RUN, 1 + int(max(least, 2 * PIECE_SHARE * left)))


def later_slice_seconds(age: float) -> float:
    """How long a slice is to last in a run of this age, in seconds."""
    return max(SLICE_SECONDS, min(SLICE_SHARE * age, LONGEST_SLICE_SECONDS))
