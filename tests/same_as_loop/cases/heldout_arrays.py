"""NumPy and pandas as data scientists use them; written before the rules were looked at."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import pandas as pd
from case import Case, case, toil

N = 70


@case("numpy")
def heldout_result_written_through_out() -> Case:
    """A ufunc writes into a row."""
    table = np.zeros((N, 3))

    def work(item: int) -> int:
        np.multiply(np.arange(3), item, out=table[item])
        return toil(item)

    return Case(work, range(N), left=table.tolist)


@case("numpy")
def heldout_put_and_copyto() -> Case:
    """Functions of NumPy change what they are given."""
    values, flags = np.zeros(N), np.zeros(N, bool)

    def work(item: int) -> int:
        np.put(values, item, item + 0.5)
        np.copyto(flags[item : item + 1], True)
        return toil(item)

    return Case(work, range(N), left=lambda: (values.tolist(), flags.tolist()))


@case("numpy")
def heldout_flat_of_an_attribute() -> Case:
    """A model has weights that a step moves."""

    class Model:
        def __init__(self) -> None:
            self.weights = np.ones((2, 2))

        def step(self, item: int) -> float:
            self.weights.flat[item % 4] += item
            toil()
            return float(self.weights.sum())

    model = Model()
    return Case(model.step, range(N), left=lambda: model.weights.tolist())


@case("numpy")
def heldout_histogram_by_add_at() -> Case:
    """A histogram is added to by indices."""
    counts = np.zeros(8, int)
    add = np.add.at

    def work(item: int) -> int:
        add(counts, [item % 8, item % 3], 1)
        return toil(item)

    return Case(work, range(N), left=counts.tolist)


@case("numpy")
def heldout_errors_are_raised_from_now_on() -> Case:
    """One item sets how NumPy treats a division by zero."""
    np.seterr(divide="ignore")

    def work(item: int) -> str:
        toil()
        if item == 20:
            np.seterr(divide="raise")
        try:
            return str(np.float64(1) / np.float64(0))
        except FloatingPointError:
            return "raised"

    return Case(work, range(N), left=lambda: np.geterr()["divide"])


@case("numpy")
def heldout_generator_of_a_simulation() -> Case:
    """A simulation draws from a generator in its settings."""
    settings = {"rng": np.random.default_rng(3), "scale": 2.0}

    def work(item: int) -> float:
        toil()
        return float(settings["rng"].normal(scale=settings["scale"]))

    return Case(work, range(N), left=lambda: float(settings["rng"].random()))


@case("numpy")
def heldout_legacy_seed() -> Case:
    """The old global state is seeded once an item."""
    np.random.seed(1)

    def work(item: int) -> int:
        toil()
        np.random.seed(item)
        return int(np.random.randint(1000))

    return Case(work, range(N), left=lambda: int(np.random.randint(1000)))


@case("numpy")
def heldout_print_options() -> Case:
    """One item sets how arrays are printed."""
    np.set_printoptions(precision=8)

    def work(item: int) -> str:
        toil()
        if item == 30:
            np.set_printoptions(precision=2)
        return str(np.array([item / 7]))

    return Case(work, range(N), left=lambda: np.get_printoptions()["precision"])


@case("numpy")
def heldout_map_of_a_file() -> Case:
    """An array over a file that is opened for copies only is written."""
    path = os.path.join(tempfile.mkdtemp(), "data")
    np.zeros(N).tofile(path)
    data = np.memmap(path, mode="c", shape=(N,))

    def work(item: int) -> int:
        data[item] = item
        return toil(item)

    return Case(work, range(N), left=data.tolist)


@case("numpy")
def heldout_iterator_of_arrays() -> Case:
    """An iterator of NumPy is moved on by each item."""
    places = np.ndindex(10, 10)

    def work(item: int) -> tuple[int, ...]:
        toil()
        return next(places)

    return Case(work, range(N), left=lambda: next(places))


@case("numpy")
def heldout_running_moments() -> Case:
    """Running sums in a scaler, by ``partial_fit``."""

    class Scaler:
        def __init__(self) -> None:
            self.count, self.mean = 0, np.zeros(2)

        def partial_fit(self, row: Any) -> Scaler:
            self.count += 1
            self.mean += (row - self.mean) / self.count
            return self

    scaler = Scaler()

    def work(row: Any) -> float:
        toil()
        return float(scaler.partial_fit(row).mean[0])

    rows = [np.array([item % 7, item % 5], float) for item in range(N)]
    return Case(work, rows, left=lambda: scaler.mean.tolist())


@case("numpy")
def heldout_rows_sorted_in_place() -> Case:
    """Each item is a view of a row that is sorted in place."""
    table = np.arange(N * 4).reshape(N, 4)[:, ::-1].copy()

    def work(row: Any) -> int:
        row.sort()
        return toil(int(row[0]))

    return Case(work, list(table), left=table.tolist)


@case("numpy")
def heldout_cell_of_a_frame() -> Case:
    """A cell of a frame is set by its label."""
    frame = pd.DataFrame({"x": range(N), "y": [0] * N})

    def work(item: int) -> int:
        frame.loc[item, "y"] = item * 2
        return toil(item)

    return Case(work, range(N), left=frame["y"].tolist)


@case("numpy")
def heldout_column_of_a_frame() -> Case:
    """A column is added to a frame in a dictionary."""
    frames = {"main": pd.DataFrame({"x": [1, 2]})}

    def work(item: int) -> int:
        if item % 10 == 5:
            frames["main"][f"c{item}"] = item
        return toil(item) + frames["main"].shape[1]

    return Case(work, range(N), left=lambda: list(frames["main"].columns))


@case("numpy")
def heldout_rows_dropped_in_place() -> Case:
    """A row is dropped from a frame in place."""
    frame = pd.DataFrame({"x": range(N)})

    def work(item: int) -> int:
        frame.drop(index=item, inplace=True)
        toil()
        return len(frame)

    return Case(work, range(N - 2), left=frame["x"].tolist)


@case("numpy")
def heldout_attributes_of_a_frame() -> Case:
    """A frame carries a note of what was done."""
    frame = pd.DataFrame({"x": range(4)})

    def work(item: int) -> int:
        frame.attrs["last"] = item
        return toil(item) + int(frame["x"].sum())

    return Case(work, range(N), left=lambda: frame.attrs)


@case("numpy")
def heldout_series_set_by_at() -> Case:
    """A series grows by a setter of one value."""
    series = pd.Series([0.0] * 5)
    setter = series.at

    def work(item: int) -> int:
        setter[item % 5] += item
        return toil(item)

    return Case(work, range(N), left=series.tolist)


@case("numpy")
def heldout_option_of_pandas() -> Case:
    """An option of pandas is set for the rest."""
    pd.set_option("display.precision", 6)

    def work(item: int) -> int:
        toil()
        if item == 18:
            pd.options.display.precision = 3
        return int(pd.get_option("display.precision"))

    return Case(work, range(N), left=lambda: pd.get_option("display.precision"))


@case("numpy")
def heldout_groups_with_an_effect() -> Case:
    """A function that pandas calls for each group writes to a list."""
    frame = pd.DataFrame({"k": [0, 1, 0, 1], "v": [1, 2, 3, 4]})
    seen: list[int] = []

    def add(values: Any) -> int:
        seen.append(int(values.sum()))
        return seen[-1]

    def work(item: int) -> int:
        toil()
        return int(frame.groupby("k")["v"].agg(add).sum()) + item

    return Case(work, range(N), left=lambda: len(seen))


@case("numpy")
def heldout_frames_collected_by_concat() -> Case:
    """A global frame is replaced by a longer one."""
    store = {"all": pd.DataFrame({"x": [0]})}

    def work(item: int) -> int:
        store["all"] = pd.concat([store["all"], pd.DataFrame({"x": [item]})])
        toil()
        return len(store["all"])

    return Case(work, range(N), left=lambda: store["all"]["x"].tolist())
