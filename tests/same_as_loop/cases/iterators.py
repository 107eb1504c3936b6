"""Shared iterators: who takes the next value depends on the order of the items."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator

from case import Case, case, compute, nap, release


@case("iterators")
def shared_count() -> Case:
    """The results are numbered by a shared count, which stands one further for each item."""
    numbers = itertools.count(1000)

    def work(item: int) -> tuple[int, int]:
        compute()
        return item, next(numbers)

    return Case(work, range(150), left=lambda: next(numbers))


@case("iterators")
def names_from_a_list_iterator() -> Case:
    """The results carry names that a shared iterator gives out."""
    names = iter([f"name {number}" for number in range(200)])

    def work(item: int) -> str:
        return f"{next(names)}: {release(item)}"

    return Case(work, range(150), left=lambda: list(names))


@case("iterators")
def generator_that_is_sent_to() -> Case:
    """The results are running maxima by a generator that items are sent to."""

    def maximum() -> Generator[int, int]:
        best = -1
        while True:
            best = max(best, (yield best))

    steps = maximum()
    next(steps)

    def work(item: int) -> int:
        nap()
        return steps.send(item * 37 % 1009)

    return Case(work, range(150), left=lambda: steps.send(0))


@case("iterators")
def round_robin() -> Case:
    """The results share items among four servers in turn, by a cycle."""
    servers = itertools.cycle(["a", "b", "c", "d"])

    def work(item: int) -> str:
        compute()
        server = next(servers)
        if item % 10 == 0:
            server += next(servers)
        return server

    return Case(work, range(150), left=lambda: next(servers))


@case("iterators")
def slices_of_a_shared_iterator() -> Case:
    """The results are sums of three numbers each, sliced off a shared iterator."""
    numbers = iter(range(1000))

    def work(item: int) -> int:
        compute()
        return item + sum(itertools.islice(numbers, 3))

    return Case(work, range(150), left=lambda: next(numbers))


@case("iterators")
def loop_that_breaks() -> Case:
    """The results are the next multiples of three, found by a loop over a shared generator."""
    numbers = (number * number for number in itertools.count())

    def work(item: int) -> int:
        compute()
        for number in numbers:
            if number % 3 == 1:
                return number + item
        return -1

    return Case(work, range(150), left=lambda: next(numbers))


@case("iterators")
def search_by_in() -> Case:
    """The loop leaves an iterator that tests with `in` have used up so far."""
    numbers = iter(range(0, 10_000, 2))

    def work(item: int) -> bool:
        compute()
        return item * 4 in numbers

    return Case(work, range(150), left=lambda: next(numbers))


@case("iterators")
def pairs_by_zip() -> Case:
    """The results pair two values of each item with two of a shared iterator."""
    labels = iter("abcdefghijklmnopqrstuvwxyz" * 20)

    def work(item: int) -> dict[int, str]:
        compute()
        return dict(zip((item, item + 1), labels, strict=False))

    return Case(work, range(150), left=lambda: "".join(labels))


@case("iterators")
def callable_until_a_sentinel() -> Case:
    """The results hold the next two jobs, taken from a list by an iterator until a mark comes."""
    jobs = [0, *range(1, 280)]
    batches = iter(jobs.pop, 0)

    def work(item: int) -> list[int]:
        compute()
        return [item, *itertools.islice(batches, 2)]

    return Case(work, range(150), left=lambda: len(jobs))


@case("iterators")
def unpacking_takes_values() -> Case:
    """The results unpack the next two values of a shared iterator."""
    pairs = map(str, itertools.count(5))

    def work(item: int) -> str:
        first, second = itertools.islice(pairs, 2)
        return f"{first}-{second}-{release(item)}"

    return Case(work, range(150), left=lambda: next(pairs))


@case("iterators")
def one_branch_of_a_tee() -> Case:
    """The results come from one branch of a tee; the loop leaves the other as it was."""
    ahead, behind = itertools.tee(iter(range(300)))

    def work(item: int) -> int:
        nap()
        return item * next(ahead)

    return Case(work, range(150), left=lambda: (next(ahead), next(behind)))


@case("iterators")
def next_with_a_default() -> Case:
    """The results get one of a hundred vouchers as long as there are any."""
    vouchers = reversed(range(100))

    def work(item: int) -> int | None:
        compute()
        return next(vouchers, None)

    return Case(work, range(150), left=lambda: list(vouchers))


class _Lines:
    """Keeps an iterator over lines, and the number of the line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = enumerate(lines)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        return f"{number} {line}"


@case("iterators")
def iterator_class_of_the_user() -> Case:
    """The results hold the next line of an object that iterates over itself."""
    lines = _Lines([f"line {number}" for number in range(200)])

    def work(item: int) -> str:
        compute()
        return next(lines)

    return Case(work, range(150), left=lambda: next(lines))


@case("iterators")
def method_of_an_iterator_as_function() -> Case:
    """The results are blocks of a shared chain; the function is a built-in with a bound iterator."""
    tokens = itertools.chain("abc" * 100, "xyz")

    def work(item: int) -> str:
        compute()
        return "".join(map(next, [tokens, tokens]))

    return Case(work, range(150), left=lambda: "".join(tokens))


@case("iterators")
def generator_left_suspended_in_its_block() -> Case:
    """The loop leaves what a shared generator noted before each value that it gave."""
    notes: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            notes.append(number)
            yield number

    source = numbers()

    def work(item: int) -> int:
        compute()
        return item + next(source)

    return Case(work, range(150), left=lambda: notes)
