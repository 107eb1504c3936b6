"""Functions without effects, as users write them: they have to run in parallel."""

from __future__ import annotations

import collections
import functools
import itertools
import math
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

from case import Case, case, compute, nap, release

LIMIT = 7
NAMES = ["ann", "bob", "cid"]
PRICES = {"small": 1.5, "large": 4.0}
PATTERN = re.compile(r"(\w+)-(\d+)")
PRIMES = frozenset({2, 3, 5, 7, 11, 13})
DISPATCH: dict[str, Callable[[int], int]] = {"add": lambda x: x + 1, "sub": lambda x: x - 1}


@case("without effects", effect=False)
def plain_computing() -> Case:
    """Nothing is left behind: a sum in pure Python."""
    return Case(compute, range(200))


@case("without effects", effect=False)
def waiting() -> Case:
    """Nothing is left behind: the function waits."""

    def wait(item: int) -> int:
        nap()
        return item * 2

    return Case(wait, range(150))


@case("without effects", effect=False)
def hashing() -> Case:
    """Nothing is left behind: a digest of a large buffer."""
    return Case(release, range(200))


@case("without effects", effect=False)
def local_list() -> Case:
    """Nothing is left behind: a list is filled and thrown away in the function."""

    def work(item: int) -> int:
        parts = []
        for part in range(4):
            parts.append(compute(part) + item)
        parts.sort(reverse=True)
        return sum(parts[:2])

    return Case(work, range(120))


@case("without effects", effect=False)
def local_dict_of_lists() -> Case:
    """Nothing is left behind: words are grouped in a dict of the function."""

    def work(item: int) -> dict[int, list[str]]:
        compute()
        groups: collections.defaultdict[int, list[str]] = collections.defaultdict(list)
        for word in ("one", "three", "two", str(item)):
            groups[len(word)].append(word)
        return dict(groups)

    return Case(work, range(180))


@case("without effects", effect=False)
def local_counter() -> Case:
    """Nothing is left behind: letters are counted in a Counter of the function."""

    def work(item: int) -> list[tuple[str, int]]:
        digest = release(item)
        counts: collections.Counter[str] = collections.Counter()
        counts.update(digest)
        counts.subtract("0123")
        return sorted(counts.items())

    return Case(work, range(180))


@case("without effects", effect=False)
def local_generator() -> Case:
    """Nothing is left behind: a generator of the function is used up in it."""

    def work(item: int) -> int:
        def steps() -> Iterator[int]:
            for step in range(3):
                yield compute(step) + item

        source = steps()
        return next(source) + sum(source)

    return Case(work, range(120))


@case("without effects", effect=False)
def local_nonlocal() -> Case:
    """Nothing is left behind: an inner function counts in a variable of the outer call."""

    def work(item: int) -> int:
        count = 0

        def step() -> None:
            nonlocal count
            count += compute(item) % 10

        step()
        step()
        return count

    return Case(work, range(150))


@case("without effects", effect=False)
def local_object() -> Case:
    """Nothing is left behind: an object is made, changed and dropped in the function."""

    class Basket:
        def __init__(self) -> None:
            self.items: list[int] = []
            self.total = 0

        def put(self, item: int) -> None:
            self.items.append(item)
            self.total += item

    def work(item: int) -> tuple[int, int]:
        basket = Basket()
        basket.put(item)
        basket.put(compute(item))
        return basket.total, len(basket.items)

    return Case(work, range(200))


def _with_globals(item: int) -> str:
    compute()
    return f"{NAMES[item % 3]} {PRICES['small'] * item:.1f} {item % LIMIT in PRIMES}"


@case("without effects", effect=False)
def globals_that_are_read() -> Case:
    """Nothing is left behind: a list, a dict, a number and a set of the module are read."""
    return Case(_with_globals, range(180))


@case("without effects", effect=False)
def closure_that_is_read() -> Case:
    """Nothing is left behind: weights of the enclosing function are read."""
    weights = [0.5, 1.5, 2.5]
    offsets = {0: 1, 1: 2, 2: 3}

    def work(item: int) -> float:
        nap()
        return weights[item % 3] * item + offsets[item % 3]

    return Case(work, range(150))


@case("without effects", effect=False)
def pattern_of_the_module() -> Case:
    """Nothing is left behind: a compiled pattern matches."""

    def work(item: int) -> tuple[str, ...]:
        compute()
        match = PATTERN.search(f"... item-{item} ...")
        return match.groups() if match else ()

    return Case(work, range(180))


@case("without effects", effect=False)
def substitution_with_a_function() -> Case:
    """Nothing is left behind: a callback of a substitution only works out a text."""

    def twice(match: re.Match[str]) -> str:
        return str(int(match[0]) * 2)

    def work(item: int) -> str:
        compute()
        return re.sub(r"\d+", twice, f"{item} and {item + 1}")

    return Case(work, range(180))


@case("without effects", effect=False)
def recursion_of_the_module() -> Case:
    """Nothing is left behind: a function calls itself."""
    return Case(_fibonacci_of, range(150))


def _fibonacci(number: int) -> int:
    return number if number < 2 else _fibonacci(number - 1) + _fibonacci(number - 2)


def _fibonacci_of(item: int) -> int:
    return _fibonacci(16 + item % 2)


@case("without effects", effect=False)
def recursion_in_a_closure() -> Case:
    """Nothing is left behind: an inner function calls itself."""

    def depth(tree: Any) -> int:
        return 1 + max(map(depth, tree)) if isinstance(tree, tuple) else 0

    def work(item: int) -> int:
        compute()
        return depth((item, (item, ((item,), item))))

    return Case(work, range(180))


@case("without effects", effect=False)
def cached_function() -> Case:
    """Nothing is left behind but a cache that only saves work."""

    @functools.lru_cache(maxsize=None)  # noqa: UP033
    def cost(kind: int) -> int:
        return kind * kind

    def work(item: int) -> int:
        return compute(item) + cost(item % 5)

    return Case(work, range(180))


@case("without effects", effect=False)
def partial_of_a_plain_function() -> Case:
    """Nothing is left behind: a partial fixes an argument."""
    return Case(functools.partial(_power, 3, plus=1), range(180))


def _power(exponent: int, item: int, plus: int = 0) -> int:
    compute()
    return item**exponent + plus


@case("without effects", effect=False)
def decorator_that_only_wraps() -> Case:
    """Nothing is left behind: a decorator changes the result."""

    def doubled(func: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(func)
        def wrapper(item: int) -> int:
            return func(item) * 2

        return wrapper

    @doubled
    def work(item: int) -> int:
        return compute(item)

    return Case(work, range(180))


@case("without effects", effect=False)
def decorator_with_arguments() -> Case:
    """Nothing is left behind: a decorator tries again a few times, in variables of the call."""

    def tries(count: int) -> Callable[[Callable[[int], int]], Callable[[int], int]]:
        def decorate(func: Callable[[int], int]) -> Callable[[int], int]:
            def wrapper(item: int) -> int:
                for number in range(count):
                    try:
                        return func(item + number)
                    except ValueError:
                        continue
                return -1

            return wrapper

        return decorate

    @tries(3)
    def work(item: int) -> int:
        if item % 5 == 0:
            raise ValueError(item)
        return compute(item)

    return Case(work, range(180))


@case("without effects", effect=False)
def errors_handled_inside() -> Case:
    """Nothing is left behind: errors are raised, handled and cleaned up after."""

    def work(item: int) -> str:
        compute()
        try:
            return str(10 / (item % 4))
        except ZeroDivisionError as error:
            return type(error).__name__
        finally:
            del item

    return Case(work, range(180))


@case("without effects", effect=False)
def import_inside() -> Case:
    """Nothing is left behind: modules are imported in the function."""

    def work(item: int) -> str:
        import base64
        import textwrap

        compute()
        return base64.b64encode(textwrap.shorten(f"text {item} " * 5, 20).encode()).decode()

    return Case(work, range(180))


@case("without effects", effect=False)
def table_of_functions() -> Case:
    """Nothing is left behind: functions are chosen from a table."""

    def work(item: int) -> int:
        compute()
        return DISPATCH["add" if item % 2 else "sub"](item)

    return Case(work, range(180))


@case("without effects", effect=False)
def built_in_function() -> Case:
    """Nothing is left behind: the function is a built-in one."""
    return Case(math.factorial, [3000 + number for number in range(150)], show=_bits)


def _bits(number: int) -> int:
    return number.bit_length()


@case("without effects", effect=False)
def method_of_a_text() -> Case:
    """Nothing is left behind: a method of texts, taken from its class."""
    texts = [f"{number} lorem ipsum " * 6000 for number in range(150)]
    return Case(str.title, texts, show=len)


@case("without effects", effect=False)
def lambda_function() -> Case:
    """Nothing is left behind: the function is a lambda."""
    return Case(lambda item: compute(item) % 11, range(180))


@case("without effects", effect=False)
def sorting_with_a_key() -> Case:
    """Nothing is left behind: a key function only works out a value."""

    def work(item: int) -> list[str]:
        digest = release(item)
        return sorted(digest, key=lambda letter: (letter.isdigit(), -ord(letter)))

    return Case(work, range(180))


@case("without effects", effect=False)
def comprehension_and_zip() -> Case:
    """Nothing is left behind: comprehensions over zips, slices and products."""

    def work(item: int) -> dict[str, int]:
        compute()
        pairs = zip(string.ascii_lowercase, itertools.count(item), strict=False)
        return {name: n * n for name, n in itertools.islice(pairs, 4) if n % 2}

    return Case(work, range(180))


@case("without effects", effect=False)
def iterators_made_inside() -> Case:
    """Nothing is left behind: counts, cycles and groups live in the function."""

    def work(item: int) -> list[Any]:
        compute()
        numbers, colours = itertools.count(item), itertools.cycle("rgb")
        first = [(next(numbers), next(colours)) for _ in range(4)]
        return first + [(k, len(list(g))) for k, g in itertools.groupby(sorted(str(item * 11)))]

    return Case(work, range(180))


@case("without effects", effect=False)
def match_statement() -> Case:
    """Nothing is left behind: patterns of a `match` statement bind names."""

    def work(item: Any) -> str:
        compute()
        match item:
            case {"x": int(x), **rest}:
                return f"{x} {len(rest)}"
            case (first, *others):
                return f"{first} {others}"
            case _:
                return "other"

    data = [[{"x": n, "y": 1}, (n, n + 1), n][n % 3] for n in range(180)]
    return Case(work, data)


@case("without effects", effect=False)
def copy_of_the_item_changed() -> Case:
    """Nothing is left behind: a copy of the item is changed, not the item."""
    rows: list[dict[str, Any]] = [{"n": n, "tags": ["a"]} for n in range(180)]

    def work(row: dict[str, Any]) -> dict[str, Any]:
        compute()
        new = {**row, "tags": row["tags"] + ["b"]}
        new["double"] = new["n"] * 2
        return new

    return Case(work, rows, left=lambda: rows)


@case("without effects", effect=False)
def namedtuples() -> Case:
    """Nothing is left behind: named tuples are replaced, not changed."""
    points = [Point(number, number + 1) for number in range(180)]

    def work(point: Point) -> Point:
        compute()
        return point._replace(x=point.x * 2)

    return Case(work, points)


class Point(collections.namedtuple("Point", "x y")):
    """A point."""

    __slots__ = ()


@case("without effects", effect=False)
def heap_of_the_function() -> Case:
    """Nothing is left behind: a heap, a deque and an insertion all live in the function."""

    def work(item: int) -> list[int]:
        import bisect
        import heapq

        compute()
        heap = [item, 5, 3]
        heapq.heapify(heap)
        heapq.heappush(heap, 4)
        queue = collections.deque(heap, maxlen=3)
        queue.rotate(1)
        ranked = sorted(queue)
        bisect.insort(ranked, item // 2)
        return ranked

    return Case(work, range(180))


@case("without effects", effect=False)
def reduce_with_fresh_values() -> Case:
    """Nothing is left behind: a reduction starts from a fresh dict."""

    def add(totals: dict[str, int], letter: str) -> dict[str, int]:
        totals[letter] = totals.get(letter, 0) + 1
        return totals

    def work(item: int) -> list[tuple[str, int]]:
        start: dict[str, int] = {}
        return sorted(functools.reduce(add, release(item), start).items())

    return Case(work, range(180))


@case("without effects", effect=False)
def conditional_expression_of_globals() -> Case:
    """Nothing is left behind: attributes of modules and names of built-ins are read."""

    def work(item: int) -> float:
        value = compute(item)
        return math.hypot(value, math.tau if item > LIMIT else math.pi) + max(
            abs(-item), len(NAMES)
        )

    return Case(work, range(180))
