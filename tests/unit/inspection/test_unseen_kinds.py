"""Kinds of effects of which nothing had been seen before a hundred new functions were tried."""

from __future__ import annotations

import gc
import os
import sys
import threading
import zoneinfo
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from amorsize.core.model import Safety
from amorsize.engine.slice_watch import ItemWatch
from amorsize.inspection.effects import inspect_function
from amorsize.inspection.file_use import FileUse, now
from amorsize.inspection.late import LateLook
from amorsize.inspection.thread_data import needs_its_thread
from amorsize.inspection.verbs import may_change
from amorsize.inspection.watch import Verdict, Watch

LOG, FOLDER = Path("failures.txt"), "out"


def appends_where_it_fails(item: int) -> float:
    try:
        return 1 / item
    except ZeroDivisionError:
        with LOG.open("a") as file:
            file.write(str(item))
        return 0.0


def makes_a_missing_folder(item: int) -> None:
    path = os.path.join(FOLDER, str(item // 10))
    if not os.path.isdir(path):
        os.makedirs(path)


def makes_a_missing_folder_of_a_path(item: Path) -> None:
    if not item.exists():
        item.mkdir()


def clears_the_cache_of_a_class(item: int) -> None:
    if item > 100:
        zoneinfo.ZoneInfo.clear_cache()


def freezes(item: int) -> None:
    if item > 100:
        gc.freeze()


def sets_its_cores(item: int) -> None:
    if item > 100:
        os.sched_setaffinity(0, {0})


def reads_its_log(item: int) -> str:
    with LOG.open() as file:
        return file.read()


def makes_its_folder(item: int) -> None:
    os.makedirs(os.path.join(FOLDER, str(item)), exist_ok=True)


def asks_a_class(item: int) -> str:
    return zoneinfo.ZoneInfo.no_cache("UTC").key if item > 100 else ""


@pytest.mark.parametrize(
    "func",
    [
        appends_where_it_fails, makes_a_missing_folder, makes_a_missing_folder_of_a_path,
        clears_the_cache_of_a_class, freezes, sets_its_cores,
    ],
)  # fmt: skip
def test_what_some_items_change_stays_in_the_caller(func: Callable[[Any], Any]) -> None:
    """The watched item need not have made the call."""
    assert inspect_function(func, (1,)).caller_only


@pytest.mark.parametrize("func", [makes_its_folder, asks_a_class])
def test_what_only_reads_may_leave(func: Callable[[Any], Any]) -> None:
    """The same libraries, asked."""
    assert inspect_function(func, (1,)).caller_only is None


def test_a_path_that_is_read_is_no_log() -> None:
    """A file that is opened to be read is not written by its items."""
    assert "writes" not in (inspect_function(reads_its_log, (1,)).caller_only or "")


def test_what_linux_keeps_by_thread_is_told_of_under_a_limit() -> None:
    """On a thread of its own a function cannot set the caller's cores, nor a library's settings."""
    assert needs_its_thread(inspect_function(sets_its_cores, (1,)))


def of_library(module: str, **held: Any) -> Any:
    """An object of a class that a library has made."""
    return type("Made", (), {"__module__": module, **held})()


@pytest.mark.parametrize(
    ("module", "changing", "reading"),
    [
        ("PIL.ImageDraw", ("line", "text", "rectangle"), ("textlength", "textbbox", "getfont")),
        ("PIL.Image", ("putpixel", "paste", "thumbnail"), ("resize", "getpixel", "crop")),
        ("matplotlib.axes._axes", ("plot", "annotate"), ("get_lines", "has_data")),
        ("bs4.element", ("decompose", "wrap_all"), ("find_all", "get_text")),
    ],
)
def test_pictures_and_documents_are_built_up(
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    changing: tuple[str, ...],
    reading: tuple[str, ...],
) -> None:
    """What a library's object of this kind is asked leaves it as it is; all else does not."""
    installed = ModuleType(module)
    installed.__file__ = "/usr/lib/python3/site-packages/made.py"
    monkeypatch.setitem(sys.modules, module, installed)
    owner = of_library(module)
    assert all(may_change(owner, name) for name in changing)
    assert not any(may_change(owner, name) for name in reading)


def test_a_container_of_a_librarys_class_is_watched() -> None:
    """A file system in memory keeps its files in its class."""
    files = of_library("pytest", store={})

    def work(item: int) -> None:
        type(files).__dict__["store"][item] = b"x"

    watch = Watch(work, 1)
    work(1)
    assert watch.verdict().changed == ("`Made`",)


def named_thread(item: int) -> str:
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()
    return thread.name


def nameless_thread(item: int) -> None:
    thread = threading.Thread(target=len, args=("",))
    thread.start()
    thread.join()


def test_numbers_in_the_names_of_threads_count_on() -> None:
    """Where the code tells a thread's name; a thread without is nothing that others see."""
    for func, changed in ((named_thread, True), (nameless_thread, False)):
        func(0)
        watch = Watch(func, 1)
        func(1)
        assert bool(watch.verdict().changed) is changed


def test_a_file_that_is_linked_counts_its_links(tmp_path: Path) -> None:
    """Seen from the second item on: the first link changed the file while the run went on."""
    (tmp_path / "data").touch()
    use = FileUse(now() - 100, None)
    use.begin()
    os.link(tmp_path / "data", tmp_path / "one")
    use.end()
    assert list(use.reasons) == ["the file `data`, which other items use,"]


def test_the_budget_of_a_late_look_is_for_what_the_function_reaches() -> None:
    """What the process has is read beside it: a clock that stands still but for that reading."""
    table = {"a": 1}
    seconds = iter(range(1000))

    def work(item: int) -> int:
        return table["a"]

    look = LateLook(work, (1,), 50.0, lambda: float(next(seconds)))
    table["b"] = 2
    assert look.changed() == ("`table`",)


def test_names_decide_where_the_watch_was_blind() -> None:
    """An object made in C that is added to looks as it did before."""
    said = Safety(unless_watched="add_items changes the captured 'index'")
    for verdict, caller in (
        (Verdict(unwatched=("`index`",)), said.unless_watched),
        (Verdict(cut_short="more than 10 objects are reached"), said.unless_watched),
        (Verdict(), None),
    ):
        watch = ItemWatch(len, numbered=False)
        watch.verdict = verdict
        assert watch.joined(said).caller_only == caller


def test_an_item_that_comes_twice_and_is_changed() -> None:
    """However far apart: the order in which it is changed is the loop's in the caller only."""
    watch = ItemWatch(len, numbered=False)
    items = [[n] for n in range(50)]
    for verdict, data, kept in (
        (Verdict(("the item",)), items * 2, True),
        (Verdict(("the item",)), items, False),
        (Verdict(("the item",)), iter(items * 2), False),
        (Verdict(), items * 2, False),
    ):
        watch.verdict = verdict
        assert (watch.joined(Safety(), items[:3], data).caller_only is not None) == kept


def test_a_class_as_a_factory_is_no_state() -> None:
    """``defaultdict(list)`` is the item's own, and the lists in it are."""

    def work(item: int) -> int:
        groups: Any = defaultdict(list)
        groups[item % 3].append(item)
        return len(groups)

    assert inspect_function(work, (1,)).unless_watched is None


def test_what_a_class_overrides_is_judged_deep_within_a_client() -> None:
    """A library calls it for some items only, such as a retry where a request fails."""
    urllib3 = pytest.importorskip("urllib3")
    tries: list[str] = []

    class Counting(urllib3.Retry):  # type: ignore[misc, name-defined]
        def increment(self, *given: Any, **more: Any) -> Any:
            tries.append("again")
            return super().increment(*given, **more)

    class Named(urllib3.Retry):  # type: ignore[misc, name-defined]
        def is_retry(self, *given: Any, **more: Any) -> bool:
            return bool(super().is_retry(*given, **more))

    for retries, kept in ((Counting(1), True), (Named(1), False)):
        pool = urllib3.PoolManager(retries=retries)

        def work(item: int, pool: Any = pool) -> Any:
            return pool.request("GET", f"http://localhost/{item}")

        caller = inspect_function(work, (1,)).caller_only or ""
        assert ("'tries'" in caller) is kept


def test_what_is_within_a_librarys_cache_is_no_change() -> None:
    """The engine of an index is filled when it is asked, which is no change of the table."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": range(50)}, index=[f"r{n}" for n in range(50)])

    def forgets(item: int) -> None:
        table.index._engine.clear_mapping()

    def marks(item: int) -> None:
        table.iloc[item, 0] = -1

    for func, changed in ((forgets, False), (marks, True)):
        table.index.get_loc("r1")  # the engine is there, and filled
        watch = Watch(func, 1)
        func(1)
        assert bool(watch.verdict().changed) is changed


def test_a_first_look_changes_nothing_that_a_second_would_tell() -> None:
    """To read an object may make its instance dict, which it then refers to."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": range(50)}, index=[f"r{n}" for n in range(50)])
    watch = Watch(lambda item: table, 1)
    assert watch.verdict().changed == ()
