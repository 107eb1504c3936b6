"""Containers of the caller that are filled, emptied or reordered while items run."""

from __future__ import annotations

import bisect
import heapq
import queue
from array import array
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from typing import Any
from weakref import WeakSet

from case import Case, case, compute, nap, release

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "and", "runs")
TOTALS: dict[str, int] = {}
REPORT: dict[str, Any] = {}


@case("containers")
def append_under_another_name() -> Case:
    """The loop leaves each item in a list, pushed through a method kept under a name."""
    found: list[int] = []
    push = found.append

    def work(item: int) -> int:
        value = compute(item)
        push(value)
        return value

    return Case(work, range(150), left=lambda: found)


@case("containers")
def groups_of_a_defaultdict() -> Case:
    """The loop leaves items grouped in a dict whose lists arise on first access."""
    groups: defaultdict[int, list[int]] = defaultdict(list)

    def group(item: int) -> int:
        compute()
        groups[item % 7] += [item]
        return item % 7

    return Case(group, range(160), left=lambda: dict(groups))


@case("containers")
def best_ten_on_a_heap() -> Case:
    """The loop leaves the ten best scores on a heap."""
    best: list[tuple[int, int]] = []

    def score(item: int) -> int:
        value = (item * 7919) % 1009
        compute()
        if len(best) < 10:
            heapq.heappush(best, (value, item))
        else:
            heapq.heappushpop(best, (value, item))
        return value

    return Case(score, range(150), left=lambda: sorted(best))


@case("containers")
def insort() -> Case:
    """The loop leaves a sorted list of the digests."""
    ranked: list[str] = []

    def rank(item: int) -> str:
        digest = release(item)
        bisect.insort(ranked, digest)
        return digest

    return Case(rank, range(150), left=lambda: ranked)


@case("containers")
def counter_update() -> Case:
    """The loop leaves how often each word was seen."""
    seen: Counter[str] = Counter()

    def count(item: int) -> int:
        nap()
        words = WORDS[item % 5 : item % 11]
        seen.update(words)
        return len(words)

    return Case(count, range(150), left=lambda: sorted(seen.items()))


@case("containers")
def window_of_a_deque() -> Case:
    """The results are means over the last five items, which a deque keeps."""
    window: deque[int] = deque(maxlen=5)

    def mean(item: int) -> float:
        compute()
        window.append(item * item % 31)
        return sum(window) / len(window)

    return Case(mean, range(150), left=lambda: list(window))


@case("containers")
def setdefault_chain() -> Case:
    """The loop leaves an index of words by their first letter."""
    index: dict[str, set[str]] = {}

    def enter(item: int) -> str:
        word = WORDS[item % len(WORDS)] + str(item % 3)
        compute()
        index.setdefault(word[0], set()).add(word)
        return word

    return Case(enter, range(150), left=lambda: {k: sorted(v) for k, v in sorted(index.items())})


@case("containers")
def pending_work_taken_out() -> Case:
    """The loop leaves only what no item took out of a dict."""
    pending = {number: f"job {number}" for number in range(200)}

    def take(item: int) -> str:
        nap()
        return pending.pop(item)

    return Case(take, range(150), left=lambda: sorted(pending))


def _tally(item: int) -> int:
    value = compute(item)
    TOTALS["items"] = TOTALS.get("items", 0) + 1
    TOTALS["sum"] = TOTALS.get("sum", 0) + item
    return value


@case("containers")
def totals_in_a_global_dict() -> Case:
    """The loop leaves a count and a sum in a dict of the module."""
    TOTALS.clear()
    return Case(_tally, range(150), left=lambda: TOTALS)


def _note_deep(item: int) -> int:
    compute()
    REPORT["by kind"][item % 3]["count"] += 1
    return item % 3


@case("containers")
def deep_in_a_global_dict() -> Case:
    """The loop leaves counts three levels down in a dict of the module."""
    REPORT["by kind"] = [{"count": 0} for _ in range(3)]
    return Case(_note_deep, range(150), left=lambda: REPORT)


@case("containers")
def default_argument_as_memory() -> Case:
    """The loop leaves all items in the default value of a parameter."""

    def remember(item: int, seen: list[int] = []) -> int:  # noqa: B006
        compute()
        seen.append(item)
        return len(seen)

    return Case(remember, range(150), left=lambda: remember.__defaults__)


@case("containers")
def slice_assignment() -> Case:
    """The loop leaves squares in the places of a list."""
    places: list[int] = [0] * 150

    def place(item: int) -> int:
        release(item)
        places[item : item + 1] = [item * item]
        return item

    return Case(place, range(150), left=lambda: places)


@case("containers")
def least_recently_used() -> Case:
    """The results say which keys an OrderedDict of five kept, and which it threw out."""
    kept: OrderedDict[int, int] = OrderedDict()

    def fetch(item: int) -> str:
        key = item * item % 11
        compute()
        if key in kept:
            kept.move_to_end(key)
            return f"hit {key}"
        kept[key] = item
        if len(kept) > 5:
            old, _ = kept.popitem(last=False)
            return f"miss {key}, without {old}"
        return f"miss {key}"

    return Case(fetch, range(200), left=lambda: list(kept))


@case("containers")
def first_map_of_a_chain() -> Case:
    """The loop leaves overridden options in the first map of a chain."""
    own: dict[str, int] = {}
    options = ChainMap(own, {"size": 1, "depth": 2})

    def override(item: int) -> int:
        compute()
        options[f"size{item % 10}"] = item
        return options["depth"] + item

    return Case(override, range(150), left=lambda: sorted(own.items()))


@case("containers")
def bytes_through_a_view() -> Case:
    """The loop leaves bytes in a buffer, written through a view of its middle."""
    buffer = bytearray(200)
    middle = memoryview(buffer)[20:]

    def write(item: int) -> int:
        compute()
        middle[item] = item % 251 + 1
        return item

    return Case(write, range(150), left=lambda: bytes(buffer))


@case("containers")
def growing_array() -> Case:
    """The loop leaves a typed array, longer by one number for each item."""
    numbers = array("d")

    def extend(item: int) -> int:
        nonlocal numbers
        value = compute(item)
        numbers += array("d", [value])
        return value

    return Case(extend, range(150), left=lambda: numbers.tolist())


@case("containers")
def weak_set_of_items() -> Case:
    """The loop leaves all items in a weak set of the caller."""

    class Node:
        def __init__(self, number: int) -> None:
            self.number = number

    nodes = [Node(number) for number in range(150)]
    visited: WeakSet[Node] = WeakSet()

    def visit(node: Node) -> int:
        compute()
        visited.add(node)
        return node.number

    return Case(visit, nodes, left=lambda: sorted(node.number for node in visited))


@case("containers")
def queue_between_stages() -> Case:
    """The loop leaves the work for the next stage in a queue."""
    stage: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def first(item: int) -> str:
        digest = release(item)
        stage.put((item, digest))
        return digest

    def drained() -> list[tuple[int, str]]:
        return [stage.get() for _ in range(stage.qsize())]

    return Case(first, range(150), left=drained)


@case("containers")
def reordering_in_place() -> Case:
    """The loop leaves a list turned by one place for each item, and each item returns its head."""
    ring = list("abcdefg")

    def turn(item: int) -> str:
        nap()
        ring.append(ring.pop(0))
        ring.reverse() if item % 50 == 49 else None
        return ring[0]

    return Case(turn, range(150), left=lambda: ring)


@case("containers")
def union_in_place() -> Case:
    """The loop leaves a set of remainders that grew through `|=`, and a dict that did."""
    remainders: set[int] = set()
    latest: dict[int, int] = {}

    def collect(item: int) -> int:
        nonlocal latest, remainders
        compute()
        remainders |= {item * item % 101}
        latest |= {item % 9: item}
        return item

    return Case(collect, range(150), left=lambda: (sorted(remainders), sorted(latest.items())))
