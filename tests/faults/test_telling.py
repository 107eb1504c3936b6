"""What workers say: log records and warnings once, in the caller; lines of output stay whole."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.causes import work

import amorsize

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="processes of Linux"),
]
PROCESSES = ["fork", "spawn"]
NAME = "amorsize_faults.telling"
LOG = logging.getLogger(NAME)


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    before = LOG.level
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    yield handler
    LOG.removeHandler(handler)
    LOG.setLevel(before)


def logs(item: int) -> int:
    LOG.debug("too low")
    LOG.info("item %d", item)
    if item % 10 == 3:
        LOG.warning("third of ten: %s", threading.Lock(), extra={"lock": threading.Lock()})
    if item % 10 == 7:
        try:
            raise LookupError(item)
        except LookupError:
            LOG.exception("seventh of ten")
    work()
    return os.getpid()


@pytest.mark.parametrize("backend", PROCESSES)
def test_log_records_come_once(backend: str, kept: Kept) -> None:
    for _ in range(2):  # a spawned worker serves again
        kept.records.clear()
        pids = amorsize.execute(logs, range(60), backend=backend, n_jobs=3)
        workers = set(pids) - {os.getpid()}
        assert workers
        counts = Counter(record.getMessage() for record in kept.records)
        assert [counts[f"item {x}"] for x in range(60)] == [1] * 60
        assert len(kept.records) == 60 + 6 + 6
        by_message = {record.getMessage(): record for record in kept.records}
        for item, pid in enumerate(pids):
            record = by_message[f"item {item}"]
            assert (record.process, record.name, record.levelno) == (pid, NAME, logging.INFO)
            if pid in workers:
                assert record.processName == f"amorsize-{pid}"
                assert record.args == (item,)
        bad = [r for r in kept.records if r.levelno == logging.ERROR]
        assert all("LookupError" in logging.Formatter().format(record) for record in bad)


@pytest.mark.parametrize("backend", PROCESSES)
def test_inherited_handlers_write_once(backend: str) -> None:
    program = f"""
import amorsize, logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
def item(x):
    logging.getLogger("some.name").info("line %d", x)
    return x
assert amorsize.execute(item, range(60), backend={backend!r}, n_jobs=3) == list(range(60))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("line ")]
    assert sorted(lines) == sorted(f"line {x}" for x in range(60)), done.stderr


def add_file(path: str) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(process)d %(message)s"))
    LOG.addHandler(handler)


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_handler_of_the_workers_own_takes_them_instead(
    backend: str, kept: Kept, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    pids = amorsize.execute(
        logs, range(60), backend=backend, n_jobs=3, initializer=add_file, initargs=(str(path),)
    )
    written = Counter(line for line in path.read_text().splitlines() if " item " in line)
    here = Counter(r.getMessage() for r in kept.records if r.levelno == logging.INFO)
    for item, pid in enumerate(pids):
        assert written[f"{pid} item {item}"] + here[f"item {item}"] == 1
    assert sum(written.values()) > 0


def warns(item: int) -> int:
    warnings.warn(f"number {item % 3}", DeprecationWarning, stacklevel=1)
    work()
    return item


@pytest.mark.parametrize("backend", PROCESSES)
def test_warnings_come_by_the_callers_filters(backend: str) -> None:
    def seen(action: Any) -> Counter[str]:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter(action, DeprecationWarning)
            assert amorsize.execute(warns, range(30), backend=backend, n_jobs=2) == list(range(30))
        mine = [one for one in found if one.category is DeprecationWarning]
        assert all(one.filename == __file__ for one in mine)
        return Counter(str(one.message) for one in mine)

    assert seen("always") == {f"number {x}": 10 for x in range(3)}
    assert seen("default") == {f"number {x}": 1 for x in range(3)}
    assert seen("ignore") == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        with pytest.raises(DeprecationWarning, match="number"):
            amorsize.execute(warns, range(30), backend=backend, n_jobs=2)


def catches_its_own(item: int) -> int:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warnings.warn("mine", stacklevel=1)
    return len(found)


@pytest.mark.parametrize("backend", PROCESSES)
def test_what_the_function_catches_is_its_own(backend: str) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert amorsize.execute(catches_its_own, range(30), backend=backend) == [1] * 30
    assert not [one for one in found if str(one.message) == "mine"]


def prints_in_parts(item: int) -> int:
    sys.stdout.write(f"<{item}")
    print("x" * 3000, end="", flush=True)
    print(f"{item}>")
    sys.stderr.write(f"[{item} ")
    print(f"{item}]", file=sys.stderr)
    work()
    return item


@pytest.mark.parametrize("options", ["n_jobs=4", "n_jobs=2, chunksize=1"])
@pytest.mark.parametrize("backend", PROCESSES)
def test_lines_stay_whole(backend: str, options: str) -> None:
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
import amorsize
from faults.test_telling import prints_in_parts
amorsize.execute(prints_in_parts, range(200), backend={backend!r}, {options})
print("last", end="")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    lines = done.stdout.splitlines()
    assert lines.pop() == "last"
    assert sorted(lines) == sorted(f"<{x}{'x' * 3000}{x}>" for x in range(200))
    errors = done.stderr.splitlines()
    assert sorted(errors) == sorted(f"[{x} {x}]" for x in range(200))


@pytest.mark.parametrize("backend", PROCESSES)
def test_output_to_a_stream_without_a_descriptor(backend: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        amorsize.execute(prints_in_parts, range(50), backend=backend, n_jobs=2)
    lines = out.getvalue().splitlines()
    assert sorted(lines) == sorted(f"<{x}{'x' * 3000}{x}>" for x in range(50))


def is_logging_there(item: int) -> bool:
    work()
    return "logging" in sys.modules


def test_nothing_is_loaded_for_it_and_what_is_loaded_later_is_seen() -> None:
    program = f"""
import sys; sys.path[:0] = {sys.path!r}
import amorsize
def silent(x):
    return "logging" in sys.modules
assert not any(amorsize.execute(silent, range(50), backend="fork", n_jobs=2))
def late(x):
    import logging
    logging.getLogger("late").warning("item %d", x)
    return x
assert "logging" not in sys.modules
amorsize.execute(late, range(50), backend="fork", n_jobs=3)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=False
    )
    assert sorted(done.stderr.splitlines()) == sorted(f"item {x}" for x in range(50)), done.stderr


def forks_and_logs(item: int) -> int:
    """The child must not speak on its parent's line."""
    pid = os.fork()
    if pid == 0:
        LOG.warning("from the child")
        os._exit(0)
    os.waitpid(pid, 0)
    return item


@pytest.mark.parametrize("backend", PROCESSES)
def test_a_child_of_the_function_may_log(backend: str, kept: Kept) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        found = amorsize.execute(forks_and_logs, range(50), backend=backend, n_jobs=2)
    assert found == list(range(50))
