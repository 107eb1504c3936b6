"""Arrays, generators and settings of NumPy."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from case import Case, case, compute, nap, release, toil


@case("numpy")
def sum_through_out() -> Case:
    """The loop leaves the sum of all rows in an array that is given as `out`."""
    total = np.zeros(8)

    def work(item: int) -> float:
        compute()
        np.add(total, np.arange(8) * item, out=total)
        return float(item)

    return Case(work, range(150), left=lambda: total.tolist())


@case("numpy")
def histogram_by_add_at() -> Case:
    """The loop leaves a histogram that `np.add.at` has counted up."""
    histogram = np.zeros(10, dtype=int)

    def work(item: int) -> int:
        compute()
        np.add.at(histogram, [item % 10, item % 3], 1)
        return item % 10

    return Case(work, range(150), left=lambda: histogram.tolist())


@case("numpy")
def rows_filled_in() -> Case:
    """The loop leaves a table whose rows the items have filled in."""
    table = np.zeros((150, 3))

    def work(item: int) -> int:
        value = compute(item)
        table[item, :] = item, value, item % 7
        return value

    return Case(work, range(150), left=lambda: table.tolist())


@case("numpy")
def column_through_a_view() -> Case:
    """The loop leaves a table whose middle column was written through a view of it."""
    table = np.zeros((150, 3), dtype=int)
    column = table.T[1]

    def work(item: int) -> int:
        nap()
        column[item] = item * item
        return item

    return Case(work, range(150), left=lambda: table.tolist())


@case("numpy")
def scaled_in_place() -> Case:
    """The results are norms of a vector that every item turns a little further, in place."""
    vector = np.array([1.0, 0.0])
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])

    def work(item: int) -> float:
        nonlocal vector
        compute()
        vector @= turn
        return round(float(vector[0]), 6)

    return Case(work, range(150), left=lambda: vector.round(6).tolist())


@case("numpy")
def put_and_mask() -> Case:
    """The loop leaves flags that functions of NumPy have set in an array of the caller."""
    flags = np.zeros(150, dtype=bool)
    squares = np.zeros(150, dtype=int)

    def work(item: int) -> str:
        digest = release(item)
        np.put(flags, [item], digest[0] in "0123456789")
        np.copyto(squares, item * item, where=np.arange(150) == item)
        return digest

    return Case(work, range(150), left=lambda: (flags.tolist(), squares.tolist()))


@case("numpy")
def field_of_records() -> Case:
    """The loop leaves records, one field of which the items have set."""
    records = np.zeros(150, dtype=[("name", "U8"), ("score", float)])

    def work(item: int) -> float:
        compute()
        record = records[item]
        record["name"] = f"n{item}"
        record["score"] = item / 2
        return item / 2

    return Case(work, range(150), left=lambda: records.tolist())


@case("numpy")
def file_mapped_into_memory() -> Case:
    """The loop leaves numbers in a file that is mapped as an array, and a sum in its first place."""
    path = Path(tempfile.mkdtemp(), "numbers.dat")
    mapped = np.memmap(path, dtype="int64", mode="w+", shape=(151,))

    def work(item: int) -> int:
        compute()
        mapped[item + 1] = item
        mapped[0] = mapped[0] * 3 % 1_000_003 + item
        return int(mapped[0])

    def left() -> list[int]:
        mapped.flush()
        return np.fromfile(path, dtype="int64").tolist()

    return Case(work, range(150), left=left)


@case("numpy")
def function_made_into_a_ufunc() -> Case:
    """The loop leaves what a Python function, made into a ufunc, was called with."""
    seen: list[int] = []

    def note(value: int) -> int:
        seen.append(int(value))
        return value + 1

    ufunc = np.frompyfunc(note, 1, 1)

    def work(item: int) -> int:
        compute()
        return int(ufunc(np.arange(item, item + 3)).sum())

    return Case(work, range(150), left=lambda: seen)


@case("numpy")
def errors_counted_by_a_callback() -> Case:
    """The loop leaves the floating-point errors that NumPy has told a function of the caller."""
    told: list[str] = []

    def tell(kind: str, flag: int) -> None:
        told.append(kind)

    np.seterrcall(tell)
    np.seterr(divide="call")

    def work(item: int) -> float:
        compute()
        return float(np.float64(item) / np.float64(item % 10))

    return Case(work, range(1, 151), left=lambda: told)


def _divided(item: int) -> str:
    try:
        return f"{item} {np.float64(1) / np.float64(item % 10)}"
    except FloatingPointError:
        return f"{item} failed"


def _divided_waiting(item: int) -> str:
    nap()
    return _divided(item)


def _divided_toiling(item: int) -> str:
    toil()
    return _divided(item)


@case("context")
def numpy_errors_raised() -> Case:
    """The results show the caller's wish that dividing by zero be an error (waiting items)."""
    np.seterr(divide="raise")
    return Case(_divided_waiting, range(150))


@case("context")
def numpy_errors_raised_computing() -> Case:
    """The results show the caller's wish that dividing by zero be an error (computing items)."""
    np.errstate(divide="raise").__enter__()
    return Case(_divided_toiling, range(150))


@case("context")
def numpy_print_options() -> Case:
    """The results are texts of arrays with the digits that the caller has asked for."""
    np.set_printoptions(precision=2, suppress=True)

    def work(item: int) -> str:
        nap()
        return str(np.array([item / 7, item * 1e-9]))

    return Case(work, range(150))


@case("context")
def numpy_print_options_in_a_block() -> Case:
    """The results are texts of arrays as the block that the caller is in wants them."""
    np.printoptions(threshold=3, edgeitems=1).__enter__()

    def work(item: int) -> str:
        toil()
        return repr(np.arange(item, item + 10))

    return Case(work, range(150))


@case("own generators")
def numpy_generator_of_the_caller() -> Case:
    """The results are draws of a seeded generator in order, which has moved on when all is done."""
    rng = np.random.default_rng(7)

    def work(item: int) -> int:
        compute()
        return int(rng.integers(1_000_000)) + item

    return Case(work, range(150), left=lambda: int(rng.integers(1_000_000)))


@case("own generators")
def legacy_state_that_shuffles() -> Case:
    """The loop leaves a deck that a seeded state of the old kind has shuffled again and again."""
    state = np.random.RandomState(3)
    deck = np.arange(20)

    def work(item: int) -> int:
        nap()
        state.shuffle(deck)
        return int(deck[0])

    return Case(work, range(150), left=lambda: deck.tolist())


@case("own generators")
def seeds_spawned() -> Case:
    """The results come from children of one seed, each spawned once."""
    seeds = np.random.SeedSequence(11)

    def work(item: int) -> float:
        compute()
        return float(np.random.default_rng(seeds.spawn(1)[0]).random())

    return Case(work, range(150), left=lambda: seeds.n_children_spawned)


@case("own generators")
def noise_into_a_buffer() -> Case:
    """The results are means of noise that a generator writes into one buffer."""
    rng = np.random.Generator(np.random.PCG64(5))
    buffer = np.empty(1000)

    def work(item: int) -> float:
        release(item)
        rng.standard_normal(out=buffer)
        return round(float(buffer.mean()), 9)

    return Case(work, range(150), left=lambda: round(float(buffer.sum()), 9))


@case("random", documented=True)
def numpy_global_state() -> Case:
    """The results are draws from NumPy's global state, which the caller has seeded."""
    np.random.seed(5)

    def work(item: int) -> float:
        compute()
        return float(np.random.rand())

    return Case(work, range(150), left=lambda: float(np.random.rand()))


@case("numpy")
def sorted_where_it_lies() -> Case:
    """The loop leaves one row after the other sorted, through a method of each row."""
    table = (np.arange(150 * 4).reshape(150, 4) * 7919) % 1009

    def work(item: int) -> int:
        compute()
        table[item].sort()
        return int(table[item, 0])

    return Case(work, range(150), left=lambda: table.tolist())


@case("numpy")
def ufunc_with_a_buffer() -> Case:
    """The results are sums over a scratch buffer that is shared by all items, waiting in between."""
    scratch = np.zeros(50)

    def work(item: int) -> float:
        np.multiply(np.arange(50.0), item, scratch)
        nap()
        return float(scratch.sum())

    return Case(work, range(150), left=lambda: float(scratch[1]))
