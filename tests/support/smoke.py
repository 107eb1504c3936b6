"""What a new user would do first, with an installed amorsize and nothing else: run by packages.py."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

HEAVY = {
    "numpy",
    "asyncio",
    "multiprocessing",
    "tqdm",
    "cloudpickle",
    "sqlite3",
    "logging",
    "typing",
}
LIGHT = f"import sys, amorsize; print(*sorted(set(sys.modules) & {HEAVY!r}), amorsize.__file__)"


def square(number: int) -> int:
    return number * number


async def awaited(number: int) -> int:
    return number * number


def draw(_: int) -> int:
    import amorsize

    return int(amorsize.item_rng().integers(1_000_000))


def main() -> None:
    """Use every part that needs no extra."""
    *heavy, place = subprocess.run(
        [sys.executable, "-I", "-c", LIGHT], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy, heavy
    assert Path(place).is_relative_to(sys.prefix), f"{place} is not the installed package"

    import amorsize

    assert version("amorsize") == amorsize.__version__
    assert files("amorsize").joinpath("py.typed").is_file()
    wanted = [number * number for number in range(50)]
    for backend in ("auto", "serial", "threads", "processes", "spawn"):
        assert amorsize.execute(square, range(50), backend=backend, history=None) == wanted, backend
    assert amorsize.execute(lambda number: number**2, range(50), backend="spawn") == wanted
    assert list(amorsize.stream(square, range(50), history=None)) == wanted
    assert amorsize.execute(awaited, range(50)) == wanted
    drawn = [amorsize.execute(draw, range(9), seed=1, n_jobs=jobs) for jobs in (1, 2)]
    assert drawn[0] == drawn[1]
    with amorsize.Executor() as executor:
        assert list(executor.map(square, range(50))) == wanted
    assert amorsize.execute(square, range(50), checkpoint="a.checkpoint") == wanted
    assert amorsize.execute(square, range(50), progress=True) == wanted

    import numpy as np

    from amorsize.history import open_history
    from amorsize.ml_prediction import KNNRegressor
    from amorsize.ml_pruning import PrototypeSelector

    with open_history(":memory:") as history:
        tuner = amorsize.Tuner(history=history)
        tuner.execute(sum, [range(100_000)] * 200)  # more than 50 ms of work, which is recorded
        assert history.stats().rows == 1
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(300, 2))
    labels = points[:, 0] + rng.normal(scale=0.1, size=300)
    kept, _ = PrototypeSelector().fit_resample(points, labels)
    assert 0 < len(kept) <= 300
    assert KNNRegressor().fit(points, labels).predict(points[:5]).shape == (5,)

    names = ("amorsize", "cloudpickle", "numpy", "threadpoolctl", "tqdm")
    print(
        f"Python {sys.version.split()[0]},", ", ".join(f"{name} {version(name)}" for name in names)
    )


if __name__ == "__main__":
    main()
