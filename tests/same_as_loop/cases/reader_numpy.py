"""Arrays: views, buffers, generators and settings that are shared."""

import numpy as np
from case import Case, case, compute, nap, release
from user_scratch import scratch

GENERATOR = np.random.default_rng(3)


def noisy(number):
    release()
    return number + round(float(GENERATOR.normal()), 9)


@case("numpy", effect=True)
def generator_of_the_module():
    """Each item takes the next normal number of a global Generator."""
    return Case(noisy, range(150), left=GENERATOR.random)


@case("numpy", effect=True)
def rows_of_a_matrix_are_views():
    """The data is a matrix; its rows are normalised in place, so the matrix is."""
    matrix = np.arange(1.0, 601.0).reshape(150, 4)

    def f(row):
        compute()
        row /= row.sum()
        return float(row[0].round(9))

    return Case(f, matrix, left=lambda: matrix.round(6).tolist())


@case("numpy", effect=True)
def one_output_buffer_for_all():
    """out=buffer, and the buffer is the result: all results are one array in the end."""
    base, buffer = np.arange(4), np.zeros(4, dtype=int)

    def f(x):
        nap()
        return np.multiply(base, x, out=buffer)

    return Case(f, range(130), left=lambda: buffer)


@case("numpy", effect=True)
def ufunc_at_adds_up():
    """np.add.at: the sum is the first argument of a method of a ufunc."""
    bins = np.zeros(10)

    def f(x):
        release()
        np.add.at(bins, [x % 10, x % 3], 1)
        return x

    return Case(f, range(150), left=bins.tolist)


@case("numpy", effect=True)
def copyto_a_row():
    """np.copyto writes to what it is given first; a helper hides which."""
    sheet = np.zeros((150, 3), dtype=int)

    def store(where, what):
        np.copyto(where, what)

    def f(x):
        compute()
        store(sheet[x], [x, x + 1, x * x])
        return x

    return Case(f, range(150), left=sheet.tolist)


@case("numpy", effect=True, documented=True)
def legacy_seed():
    """np.random.seed before, np.random.permutation inside."""
    np.random.seed(1)

    def f(x):
        compute()
        return np.random.permutation(5).tolist()

    return Case(f, range(150), left=lambda: np.random.randint(1000))


@case("numpy", effect=True)
def seeds_spawned_one_by_one():
    """A SeedSequence counts its children: what is spawned depends on how many there were."""
    root = np.random.SeedSequence(9)

    def f(x):
        compute()
        return int(np.random.default_rng(root.spawn(1)[0]).integers(1000))

    return Case(f, range(150), left=lambda: root.n_children_spawned)


@case("numpy", effect=True)
def print_options_set_along_the_way():
    """set_printoptions in the function: how all later arrays are printed."""

    def f(x):
        compute()
        if x % 30 == 29:
            np.set_printoptions(precision=2 + x // 30)
        return str(np.array([x / 7]))

    return Case(f, range(150), left=lambda: repr(np.array([1 / 3])))


@case("numpy", effect=True)
def floating_point_errors_counted():
    """seterrcall: the function only divides; the caller's handler counts."""
    calls = []
    np.seterrcall(lambda kind, flag: calls.append(kind))
    np.seterr(divide="call", invalid="call")

    def f(x):
        compute()
        return float((np.array([x - 75.0, 0.0]) / np.array([x % 5, 1.0]))[0])

    return Case(f, range(150), left=lambda: calls)


@case("numpy", effect=True)
def items_are_frozen():
    """A flag of each item is cleared; the contents stay."""
    arrays = [np.full(3, i) for i in range(150)]

    def f(array):
        compute()
        array.flags.writeable = bool(array[0] % 2)
        return int(array.sum())

    return Case(f, arrays, left=lambda: [array.flags.writeable for array in arrays])


@case("numpy", effect=True)
def records_of_a_structured_array():
    """Iterating gives records that are views: setting a field sets it in the table."""
    table = np.zeros(150, dtype=[("id", "i4"), ("score", "f8")])
    table["id"] = np.arange(150)

    def f(record):
        compute()
        record["score"] = record["id"] ** 0.5
        return int(record["id"])

    return Case(f, table, left=lambda: table["score"].round(6).tolist())


@case("numpy", effect=True)
def mask_of_a_masked_array():
    """``values[i] = np.ma.masked``: the data stays, the mask changes."""
    values = np.ma.array(np.arange(150), mask=False)

    def f(x):
        nap()
        if x % 4 == 1:
            values[x] = np.ma.masked
        return int(values.count())

    return Case(f, range(150), left=lambda: values.mask.tolist())


@case("numpy", effect=True)
def private_memory_map():
    """memmap in copy-on-write mode: written to, and seen in this process only."""
    path = scratch() / "cells"
    np.arange(150, dtype="i4").tofile(path)
    cells = np.memmap(path, dtype="i4", mode="c")

    def f(x):
        compute()
        cells[x] += cells[x - 1] % 100 if x else 0
        return int(cells[x])

    return Case(f, range(150), left=lambda: np.asarray(cells).tolist())


class Watched(np.ndarray):
    """An array that counts the ufuncs it meets."""

    met = {}  # noqa: RUF012

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        Watched.met[ufunc.__name__] = Watched.met.get(ufunc.__name__, 0) + 1
        plain = [i.view(np.ndarray) if isinstance(i, Watched) else i for i in inputs]
        return getattr(ufunc, method)(*plain, **options)


VECTOR = np.arange(5.0).view(Watched)


def folded(number):
    compute()
    return float((VECTOR * number + VECTOR).sum())


@case("numpy", effect=True)
def subclass_that_counts_ufuncs():
    """Plain arithmetic on a constant array; __array_ufunc__ counts."""
    return Case(folded, range(150), left=lambda: sorted(Watched.met.items()))


@case("numpy", effect=True)
def transposed_view_sorted():
    """A view of a view of a column is sorted; nobody else's name is in sight."""
    grid = np.array([[(r * 31 + c * 17) % 101 for c in range(150)] for r in range(6)])
    columns = list(grid.T[:, ::-1])

    def f(x):
        compute()
        columns[x][1:].sort()
        return int(columns[x][1])

    return Case(f, range(150), left=grid.tolist)


@case("numpy", effect=True)
def sliding_window_overlaps():
    """Windows on one signal share its numbers: what one item smooths the next one reads."""
    signal = np.array([(i * 37) % 64 for i in range(160)], dtype=float)
    windows = np.lib.stride_tricks.sliding_window_view(signal, 5, writeable=True)

    def f(window):
        compute()
        window[2] = window.mean()
        return round(float(window[2]), 6)

    return Case(f, list(windows), left=lambda: signal.round(6).tolist())
