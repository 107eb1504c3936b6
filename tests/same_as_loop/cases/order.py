"""Results that rest on the items before, errors that end a run, and the global random state."""

from __future__ import annotations

import hashlib
import random
import statistics
from collections.abc import Iterator

from case import Case, case, compute, nap, release


@case("order")
def moving_average() -> Case:
    """The results are an average that forgets, carried from item to item."""
    average = 0.0

    def work(item: int) -> float:
        nonlocal average
        compute()
        average = 0.9 * average + 0.1 * (item % 13)
        return round(average, 9)

    return Case(work, range(150), left=lambda: round(average, 9))


class _Difference:
    """Gives how much each value differs from the one before."""

    previous = 0

    def __call__(self, item: int) -> int:
        compute()
        value = item * item % 1009
        difference = value - self.previous
        self.previous = value
        return difference


@case("order")
def difference_to_the_item_before() -> Case:
    """The results are differences to the item before, kept in an attribute with a class default."""
    return Case(_Difference(), range(150))


@case("order")
def chain_of_digests() -> Case:
    """The results are a chain: each digest covers the one before."""
    chain = {"last": "begin"}

    def work(item: int) -> str:
        digest = hashlib.sha256(f"{chain['last']} {release(item)}".encode()).hexdigest()[:12]
        chain.update(last=digest)
        return digest

    return Case(work, range(150), left=lambda: chain)


@case("order")
def budget_that_runs_out() -> Case:
    """The results stop being full when a budget, kept in a one-element list, is used up."""
    budget = [5000]

    def work(item: int) -> int:
        nap()
        granted = min(item, budget[0])
        budget[0] -= granted
        return granted

    return Case(work, range(150), left=lambda: budget)


@case("order")
def median_of_what_was_seen() -> Case:
    """The results are medians over all items so far."""
    seen: list[int] = []

    def work(item: int) -> float:
        compute()
        seen.__iadd__([item * 7919 % 1009])
        return statistics.median(seen)

    return Case(work, range(150), left=lambda: len(seen))


@case("order")
def nothing_runs_after_an_error() -> Case:
    """The loop ends with the error of an item, and leaves the items before it in a list."""
    done: list[int] = []
    finish = done.append

    def work(item: int) -> int:
        value = compute(item)
        if item == 110:
            raise ValueError(f"item {item} is bad")
        finish(item)
        return value

    return Case(work, range(150), left=lambda: done)


@case("order")
def first_error_of_several() -> Case:
    """The loop ends with the first error in the order of the items, although a later one is quicker."""

    def work(item: int) -> int:
        if item in (101, 103, 104):
            raise LookupError(f"nothing for {item}") if item > 101 else KeyError(compute(item))
        return compute(item)

    return Case(work, range(150))


@case("order")
def exit_from_an_item() -> Case:
    """The loop ends with the exit that an item asked for."""

    def work(item: int) -> int:
        if item == 120:
            raise SystemExit("enough")
        return compute(item)

    return Case(work, range(150))


@case("order")
def interrupt_from_an_item() -> Case:
    """The loop ends with the interrupt that an item raised."""

    def work(item: int) -> str:
        nap()
        if item == 120:
            raise KeyboardInterrupt("by an item")
        return str(item)

    return Case(work, range(150))


@case("order")
def stop_iteration_from_an_item() -> Case:
    """The loop ends with the error of `next` on an empty iterator inside of an item."""

    def work(item: int) -> int:
        compute()
        return next(iter([item] if item != 100 else []))

    return Case(work, range(150))


@case("order")
def error_of_the_data() -> Case:
    """The loop ends with the error of the data, after all items that the data gave before."""
    done: set[int] = set()

    def data() -> Iterator[int]:
        yield from range(120)
        raise OSError("the data broke off")

    def work(item: int) -> int:
        value = compute(item)
        done.add(item)
        return value

    return Case(work, data(), left=lambda: len(done))


@case("order")
def error_with_its_own_arguments() -> Case:
    """The loop ends with an error of a class that takes two arguments and shows them."""

    class QuotaError(Exception):
        def __init__(self, user: str, quota: int) -> None:
            super().__init__(f"{user} has used {quota}")
            self.user, self.quota = user, quota

    def work(item: int) -> int:
        value = compute(item)
        if item == 100:
            raise QuotaError("ann", item)
        return value

    return Case(work, range(150))


@case("order")
def progress_by_a_flag() -> Case:
    """The results say of the first item only that it was the first."""
    flags = {"first": True}

    def work(item: int) -> bool:
        compute()
        return flags.pop("first", False)

    return Case(work, range(150), left=lambda: flags)


@case("own generators")
def generator_of_the_caller() -> Case:
    """The results are draws of the caller's own seeded generator, in order."""
    rng = random.Random(7)

    def work(item: int) -> float:
        compute()
        return rng.random() + item

    return Case(work, range(150), left=rng.random)


class _Dice:
    """Dice with a generator of their own, and a method that is bound to them early."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.roll = self._rng.randint

    def throw(self, item: int) -> list[int]:
        nap()
        return [self.roll(1, 6) for _ in range(item % 3 + 1)]


@case("own generators")
def generator_behind_a_method() -> Case:
    """The results are throws of dice that keep a bound method of their seeded generator."""
    dice = _Dice(3)
    return Case(dice.throw, range(150), left=lambda: dice.throw(2))


_JITTER = random.Random(99)


def _choice_of_the_module(item: int) -> str:
    release(item)
    return _JITTER.choice(["red", "green", "blue"])


@case("own generators")
def generator_of_the_module() -> Case:
    """The results are choices by a generator that is a global of the module."""
    _JITTER.seed(4)
    return Case(_choice_of_the_module, range(150), left=lambda: _JITTER.getrandbits(32))


@case("random", documented=True)
def global_random_state() -> Case:
    """The results are draws from the global random state, which the caller has seeded."""
    random.seed(1)

    def work(item: int) -> float:
        compute()
        return random.random()

    return Case(work, range(150), left=random.random)


@case("random", documented=True)
def sample_of_a_population() -> Case:
    """The results are samples by functions of the module `random` under other names."""
    random.seed(2)
    pick, gauss = random.sample, random.gauss
    population = list(range(100))

    def work(item: int) -> list[float]:
        nap()
        return [*pick(population, 2), gauss(0, 1)]

    return Case(work, range(150), left=lambda: random.randrange(1000))


@case("order")
def list_shuffled_with_own_generator() -> Case:
    """The loop leaves a list that one seeded generator has shuffled for each item."""
    rng, deck = random.Random(12), list("abcdefgh")

    def work(item: int) -> str:
        compute()
        rng.shuffle(deck)
        return "".join(deck)

    return Case(work, range(150), left=lambda: deck)
