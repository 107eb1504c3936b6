"""Workers that die: the item is named, and a death that does not repeat costs nothing but time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.work import Recorder, burn, children

import amorsize

pytestmark = pytest.mark.timeout(60)


def die_at(item: int) -> int:
    if item == 40:
        os.kill(os.getpid(), 9)
    burn(0.001)
    return item


@pytest.mark.parametrize("backend", ["fork", "spawn"])
@pytest.mark.parametrize("lazy", [False, True])
def test_the_item_that_kills_its_worker_is_named(backend: str, lazy: bool) -> None:
    data: Iterable[int] = iter(range(200)) if lazy else range(200)
    with pytest.raises(amorsize.WorkerDied) as caught:
        amorsize.execute(die_at, data, backend=backend)
    assert caught.value.index == 40
    assert caught.value.exitcode == -9
    found = amorsize.execute(die_at, range(200), backend=backend, on_error="collect")
    assert isinstance(found[40], amorsize.ItemError)
    assert isinstance(found[40].exception, amorsize.WorkerDied)
    assert [x for i, x in enumerate(found) if i != 40] == [i for i in range(200) if i != 40]


class DieOnce:
    """Kills the worker at one item, the first time only."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __call__(self, item: int) -> int:
        if item == 40:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return item
            os.kill(os.getpid(), 9)
        burn(0.001)
        return item


@pytest.mark.parametrize("backend", ["fork", "spawn"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_worker_that_dies_once_costs_nothing_but_time(
    backend: str, lazy: bool, tmp_path: Path
) -> None:
    data: Iterable[int] = iter(range(300)) if lazy else range(300)
    func = DieOnce(tmp_path / "died")
    assert amorsize.execute(func, data, backend=backend) == list(range(300))
    assert (tmp_path / "died").exists()


def test_many_workers_killed_from_outside_at_random_moments(tmp_path: Path) -> None:
    for seed in range(8):
        recorder = Recorder(tmp_path / f"calls{seed}", 0.001)
        killed: list[int] = []

        def kill(delay: float, killed: list[int] = killed) -> None:
            time.sleep(delay)
            for pid in children()[:1]:
                os.kill(pid, 9)
                killed.append(pid)

        killer = os.fork()
        if killer == 0:  # a process of its own: threads would forbid the fork
            time.sleep(0.02 + 0.01 * seed)
            mine = os.getpid()
            parent = os.getppid()
            for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                if int(pid) != mine:
                    os.kill(int(pid), 9)
                    break
            os._exit(0)
        found = amorsize.execute(recorder, range(150), backend="fork")
        os.waitpid(killer, 0)
        assert found == [i * i for i in range(150)]
        again = [i for i, n in recorder.calls().items() if n > 1]
        assert len(again) <= 8  # the item of the dead worker, and what it had not sent (2.5 ms)
