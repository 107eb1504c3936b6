"""The contract of `amorsize.history.History` as tests: any implementation can be held against it.

Write a subclass whose name begins with Test and give it ``make``::

    class TestMine(HistoryContract):
        def make(self, tmp_path, max_rows=20_000):
            return MyHistory(tmp_path / "history", max_rows=max_rows)

``make`` returns a new, empty history each time. With ``shared = True`` two histories made with the
same ``tmp_path`` hold the same rows.
"""

from __future__ import annotations

import io
import json
import threading
from dataclasses import fields

import pytest

from amorsize.core.frozen import replace
from amorsize.core.model import Config, Forecast, Machine, Profile, Work
from amorsize.core.observation import NUMBERS, TEXTS, MalformedObservation, Observation
from amorsize.history.base import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "a1" * 16, "b2" * 16
PARTS = 0.5, 0.625, 0.75, 0.875, 1.0, 1.125, 1.25, 1.375


def observation(number: int = 0, fingerprint: str = FIRST) -> Observation:
    """An observation with every field away from its default, different for each number."""
    return Observation(
        fingerprint=fingerprint,
        profile=Profile(
            items=7 + number,
            item_seconds=0.25,
            item_spread=0.125,
            cpu_share=0.5,
            inner_threads=1.5,
            gil_free_share=None if number % 2 else 0.75,
            result_bytes=None if number % 2 else 123,
            result_seconds=1e-6,
            argument_bytes=2**40,
            argument_seconds=2e-6,
            picklable=bool(number % 2),
            longest_seconds=0.75,
            warmup_seconds=0.0625,
            item_doubt=0.1875,
        ),
        machine=Machine(
            cores=3,
            cpu_quota=1.5 if number % 2 else None,
            logical_cores=8,
            physical_cores=4,
            load=0.5,
            memory_bytes=2**34,
            memory_available_bytes=2**33,
            memory_limit_bytes=None,
            resident_bytes=12345,
            gil=True,
            can_fork=False,
            platform="darwin",
            python="3.13.1",
        ),
        config=Config("fork", 2, 3, None if number % 2 else 16),
        items=1000 + number,
        wall_seconds=1.5 + number,
        cpu_seconds=2.5,
        model_seconds=1.25,
        time=1.7e9 + number,
        workload=SECOND,
        outcome="failed",
        corrections=2,
        library_version="0.1.0",
        weight=0.5,
        work=Work(9, 0.25, 0.125, 0.0625, 0.75, 0.5, 0.25, 3, 0.375, 4.5, 2, *PARTS),
        forecast=Forecast(1.5, 0.25, 1.0, 2.0, 1.75, 4),
    )


def without_id(found: Observation) -> Observation:
    """The observation as it was before the history gave it an id."""
    changed: Observation = replace(found, id="")
    return changed


class HistoryContract:
    """Bound to an implementation by a subclass."""

    shared = False

    def make(self, tmp_path: Path, max_rows: int = 20_000) -> History:
        """A history in this folder, opened."""
        raise NotImplementedError

    def test_gives_back_what_was_added(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            given = [observation(n) for n in range(5)]
            assert history.add(given) == 5
            assert [without_id(one) for one in history.read()] == given
            assert len({one.id for one in history.read()}) == 5

    def test_recalls_the_newest_first_of_one_function(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            history.add([observation(n, (FIRST, SECOND)[n % 2]) for n in range(10)])
            assert [one.items for one in history.recent(FIRST, 3)] == [1008, 1006, 1004]
            assert [one.items for one in history.recent(SECOND)] == [1009, 1007, 1005, 1003, 1001]
            assert history.recent("cc" * 16) == []

    def test_table_is_the_observations(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            assert len(history.table()) == 0 and history.table().numbers == b""
            history.add([observation(n) for n in range(6)])
            table = history.table(4)
            assert len(table) == 4 and list(table.texts) == list(TEXTS)
            array = memoryview(table.numbers).cast("d")
            assert list(array[NUMBERS.index("items") :: len(NUMBERS)]) == [1002, 1003, 1004, 1005]
            quotas = list(array[NUMBERS.index("machine.cpu_quota") :: len(NUMBERS)])
            assert quotas[1::2] == [1.5, 1.5] and all(value != value for value in quotas[::2])
            assert [without_id(one) for one in table.observations()] == [
                observation(n) for n in range(2, 6)
            ]

    def test_adds_an_observation_once(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            history.add([observation(1), observation(2)])
            again = list(history.read())
            assert history.add([*again, observation(3)]) == 1
            assert [one.items for one in history.read()] == [1001, 1002, 1003]

    def test_keeps_its_bound_by_letting_the_oldest_go(self, tmp_path: Path) -> None:
        with self.make(tmp_path, max_rows=10) as history:
            for n in range(25):
                history.add([observation(n)])
            assert [one.items for one in history.read()] == list(range(1015, 1025))
            history.add([observation(n) for n in range(100, 130)])
            assert [one.items for one in history.read()] == list(range(1120, 1130))
            assert history.check() == [] and history.stats().rows == 10

    def test_tells_arrivals_also_at_its_bound(self, tmp_path: Path) -> None:
        with self.make(tmp_path, max_rows=10) as history:
            assert history.arrivals() == 0
            history.add([observation(n) for n in range(3)])
            before = history.arrivals()
            assert before >= 3
            assert history.add(list(history.read())) == 0
            history.add([observation(n) for n in range(3, 23)])
            assert history.stats().rows == 10 and history.arrivals() >= before + 20

    def test_replaces_in_one_step(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            history.add([observation(n) for n in range(4)])
            ids = [one.id for one in history.read()]
            assert history.replace([*ids[:3], "ee" * 16], [observation(9)]) == (3, 1)
            assert [one.items for one in history.read()] == [1003, 1009]
            with pytest.raises(MalformedObservation):
                history.replace(ids[3:], [replace(observation(), items=-1)])
            assert [one.items for one in history.read()] == [1003, 1009]
            assert history.check() == []

    def test_clears_all_or_one_function(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            key = history.key
            history.add([observation(n, (FIRST, SECOND)[n % 2]) for n in range(10)])
            assert history.clear(SECOND) == 5
            assert {one.fingerprint for one in history.read()} == {FIRST}
            assert history.clear() == 5 and list(history.read()) == []
            assert history.key == key and history.check() == []

    @pytest.mark.parametrize(
        "change",
        [
            {"items": -1},
            {"items": True},
            {"wall_seconds": float("nan")},
            {"wall_seconds": float("inf")},
            {"time": "now"},
            {"fingerprint": "../../etc"},
            {"outcome": "great"},
            {"config": Config("fork; rm", 1)},
            {"machine": Machine(cores=1, platform="a\nb")},
            {"profile": Profile(items=1, item_seconds=2.0**60)},
            {"library_version": "x" * 65},
        ],
    )
    def test_refuses_what_no_run_can_be(self, tmp_path: Path, change: dict[str, object]) -> None:
        with self.make(tmp_path) as history:
            with pytest.raises(MalformedObservation):
                history.add([observation(1), replace(observation(2), **change)])  # type: ignore[arg-type]
            assert list(history.read()) == []

    def test_counts(self, tmp_path: Path) -> None:
        with self.make(tmp_path) as history:
            assert history.stats().rows == 0 and history.stats().oldest is None
            history.add([observation(n, (FIRST, SECOND)[n % 2]) for n in range(3)])
            stats = history.stats()
            assert (stats.rows, stats.functions) == (3, 2)
            assert (stats.oldest, stats.newest) == (1.7e9, 1.7e9 + 2)

    def test_travels(self, tmp_path: Path) -> None:
        text = io.StringIO()
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        with self.make(tmp_path / "a") as here, self.make(tmp_path / "b") as there:
            here.add([observation(n) for n in range(7)])
            assert here.export_lines(text) == 7
            assert there.key != here.key
            result = there.import_lines(io.StringIO(text.getvalue()))
            assert (result.added, result.known, result.rejected) == (7, 0, 0)
            assert result.key_adopted and there.key == here.key
            assert list(there.read()) == list(here.read())
            again = there.import_lines(text.getvalue().splitlines())
            assert (again.added, again.known) == (0, 7)

    def test_merges_without_losing_its_key(self, tmp_path: Path) -> None:
        text = io.StringIO()
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        with self.make(tmp_path / "a") as here, self.make(tmp_path / "b") as there:
            here.add([observation(1)])
            there.add([observation(2)])
            key = there.key
            here.export_lines(text)
            result = there.import_lines(io.StringIO(text.getvalue()))
            assert result.added == 1 and not result.key_adopted and there.key == key
            assert [one.items for one in there.read()] == [1002, 1001]

    def test_names_bad_lines_and_takes_good_ones(self, tmp_path: Path) -> None:
        text = io.StringIO()
        (tmp_path / "a").mkdir()
        with self.make(tmp_path / "a") as source:
            source.add([observation(1), observation(2)])
            source.export_lines(text)
        header, one, two = text.getvalue().splitlines()
        bad = [
            "",
            "not json",
            "[1,2]",
            "[" * 5000,
            '{"id": 1e999}',
            one.replace('"items":1001', '"items":NaN'),
            one.replace('"items":1001', '"items":' + "9" * 5000),
            one.replace('"items":1001', '"items":"1001"'),
            one.replace('"outcome"', '"__class__"'),
            json.dumps({**json.loads(one), "id": ""}),
            json.dumps({**json.loads(one), "profile": []}),
            "x" * 100_000,
            one[:-20],
        ]
        (tmp_path / "b").mkdir()
        with self.make(tmp_path / "b") as history:
            result = history.import_lines(io.StringIO("\n".join([header, one, *bad, two]) + "\n"))
            assert (result.added, result.rejected) == (2, len(bad) - 1)
            assert [number for number, _ in result.reasons] == list(range(4, 4 + len(bad) - 1))
            assert [found.items for found in history.read()] == [1001, 1002]
            assert history.check() == []

    @pytest.mark.parametrize(
        "header",
        [
            "{}",
            "rubbish",
            '{"format":"amorsize-history","schema":999,"key":"%s"}' % ("00" * 32),
            '{"format":"amorsize-history","schema":true,"key":"%s"}' % ("00" * 32),
            '{"format":"amorsize-history","schema":1,"key":"zz"}',
        ],
    )
    def test_stops_at_a_header_that_is_none(self, tmp_path: Path, header: str) -> None:
        with self.make(tmp_path) as history:
            key = history.key
            with pytest.raises(MalformedObservation, match=r"1|JSON"):
                history.import_lines([header])
            assert history.key == key and list(history.read()) == []

    def test_stores_the_fields_of_observation_only(self, tmp_path: Path) -> None:
        text = io.StringIO()
        with self.make(tmp_path) as history:
            history.add([observation()])
            history.export_lines(text)
        exported = set(json.loads(text.getvalue().splitlines()[1]))
        assert exported == {f.name for f in fields(Observation)} - {"name"}

    def test_threads_may_share_it(self, tmp_path: Path) -> None:
        failures: list[BaseException] = []
        with self.make(tmp_path) as history:

            def work(start: int) -> None:
                try:
                    for n in range(start, start + 25):
                        history.add([observation(n)])
                        assert history.recent(FIRST, 1)
                except BaseException as error:
                    failures.append(error)

            threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert failures == [] and history.check() == []
            assert sorted(one.items for one in history.read()) == sorted(
                1000 + 100 * n + m for n in range(8) for m in range(25)
            )

    def test_closed_means_opened_again_when_needed(self, tmp_path: Path) -> None:
        history = self.make(tmp_path)
        history.add([observation(1)])
        history.close()
        history.close()
        assert history.add([observation(2)]) == 1
        assert [one.items for one in history.read()] == [1001, 1002]
        history.close()

    def test_two_on_the_same_store(self, tmp_path: Path) -> None:
        if not self.shared:
            one = self.make(tmp_path)
            one.add([observation(1)])
            assert list(self.make(tmp_path).read()) == []
            return
        with self.make(tmp_path) as one, self.make(tmp_path) as other:
            one.add([observation(1)])
            assert [found.items for found in other.read()] == [1001]
            other.add([observation(2)])
            assert [found.items for found in one.recent(FIRST)] == [1002, 1001]
            assert one.key == other.key
