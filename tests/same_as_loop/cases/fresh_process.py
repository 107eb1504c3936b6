"""State of the process and of standard modules; written before the rules were read."""

from __future__ import annotations

import asyncio
import ctypes
import decimal
import fcntl
import fileinput
import functools
import gc
import http.client
import multiprocessing
import os
import re
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
import types
import urllib.parse
import uuid
import warnings
import zoneinfo
from pathlib import Path
from typing import Any, ClassVar

from case import Case, case, compute

RARE = {37, 58, 91}
N = 120


@case("process")
def fresh_names_of_threads_of_its_own() -> Case:
    """A thread that an item starts has a name with a number, which counts on in its module."""

    def work(item: int) -> str:
        thread = threading.Thread(target=compute, args=(item,))
        thread.start()
        thread.join()
        return thread.name

    return Case(lambda item: work(item).partition(" ")[0], range(N))


@case("process")
def fresh_names_of_tasks() -> Case:
    """A task of asyncio has a name with a number, which counts on in its module."""

    async def name(item: int) -> str:
        compute(item)
        return asyncio.current_task().get_name()  # type: ignore[union-attr]

    return Case(lambda item: asyncio.run(name(item)), range(N))


@case("process")
def fresh_numbers_of_the_library_of_c() -> Case:
    """The generator of the C library is seeded by the caller, and drawn from by items."""
    c = ctypes.CDLL(None)
    c.srand(7)

    def work(item: int) -> int:
        compute(item)
        return int(c.rand())

    return Case(work, range(N))


@case("process")
def fresh_certificates_not_checked() -> Case:
    """A rare item switches the check of certificates off for all, as many scripts do."""

    def work(item: int) -> bool:
        compute(item)
        if item == 37:
            ssl._create_default_https_context = ssl._create_unverified_context
        return ssl._create_default_https_context is ssl._create_unverified_context

    return Case(work, range(N))


@case("process")
def fresh_limit_of_headers() -> Case:
    """A rare item raises a limit of ``http.client``."""

    def work(item: int) -> int:
        compute(item)
        if item == 58:
            http.client._MAXHEADERS = 1000  # type: ignore[attr-defined]
        return int(http.client._MAXHEADERS)  # type: ignore[attr-defined]

    return Case(work, range(N), left=lambda: http.client._MAXHEADERS)  # type: ignore[attr-defined]


@case("process")
def fresh_scheme_taught_to_urllib() -> Case:
    """A rare item teaches ``urllib.parse`` that a scheme is relative."""

    def work(item: int) -> str:
        compute(item)
        if item == 37 and "fresh" not in urllib.parse.uses_relative:
            urllib.parse.uses_relative.append("fresh")
        return urllib.parse.urljoin("fresh://a/b", f"c{item}")

    return Case(work, range(N), left=lambda: "fresh" in urllib.parse.uses_relative)


@case("process")
def fresh_format_of_archives() -> Case:
    """A rare item registers a format of archives."""

    def work(item: int) -> int:
        compute(item)
        if item == 58:
            shutil.register_archive_format("fresh", lambda *given, **more: None)
        return len(shutil.get_archive_formats())

    return Case(work, range(N), left=lambda: len(shutil.get_archive_formats()))


@case("process")
def fresh_lines_numbered_through_files() -> Case:
    """``fileinput`` has one state for the process, and numbers the lines of all files."""
    folder = Path(tempfile.mkdtemp())
    for item in range(N):
        (folder / str(item)).write_text(f"{item}\n")
    paths = [str(folder / str(item)) for item in range(N)]
    fileinput.close()
    lines = fileinput.input(paths)  # noqa: SIM115

    def work(item: int) -> tuple[str, int]:
        compute(item)
        return lines.readline(), fileinput.lineno()

    return Case(work, range(N))


@case("process")
def fresh_handler_of_warnings() -> Case:
    """A rare item replaces ``warnings.showwarning``; later warnings land in its list."""
    heard: list[str] = []
    warnings.simplefilter("always")

    def work(item: int) -> int:
        if item == 37:
            warnings.showwarning = lambda message, *more, **named: heard.append(str(message))
        value = compute(item)
        if item > 100:
            warnings.warn(f"late {item}", stacklevel=1)
        return value

    return Case(work, range(N), left=lambda: heard)


@case("process")
def fresh_finder_of_modules() -> Case:
    """A rare item puts a finder of its own before the others."""

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            return None

    def work(item: int) -> bool:
        compute(item)
        if item == 58:
            sys.meta_path.insert(0, Finder)
        return sys.meta_path[0] is Finder

    return Case(work, range(N), left=lambda: sys.meta_path[0] is Finder)


@case("process")
def fresh_words_of_the_command() -> Case:
    """A rare item takes a word off ``sys.argv``."""
    sys.argv = ["run", *map(str, range(9))]

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            sys.argv.pop()
        return len(sys.argv)

    return Case(work, range(N), left=lambda: sys.argv)


@case("process")
def fresh_module_forgotten() -> Case:
    """A rare item takes a module out of ``sys.modules``."""
    sys.modules["this_is_not_there"] = types.ModuleType("this_is_not_there")

    def work(item: int) -> bool:
        compute(item)
        if item == 37:
            sys.modules.pop("this_is_not_there", None)
        return "this_is_not_there" in sys.modules

    return Case(work, range(N), left=lambda: "this_is_not_there" in sys.modules)


@case("process")
def fresh_lines_of_a_traceback() -> Case:
    """A rare item shortens tracebacks of the process."""

    def work(item: int) -> int | None:
        compute(item)
        if item == 58:
            sys.tracebacklimit = 1
        return getattr(sys, "tracebacklimit", None)

    return Case(work, range(N), left=lambda: getattr(sys, "tracebacklimit", None))


@case("process")
def fresh_cores_of_the_process() -> Case:
    """Each process may use one core only, after a rare item."""
    cores = sorted(os.sched_getaffinity(0))

    def work(item: int) -> int:
        compute(item)
        if item == 37:
            os.sched_setaffinity(0, {cores[0]})
        return len(os.sched_getaffinity(0))

    return Case(work, range(N), left=lambda: len(os.sched_getaffinity(0)))


@case("process")
def fresh_rank_of_the_process() -> Case:
    """A rare item makes the process nicer."""

    def work(item: int) -> int:
        compute(item)
        if item in RARE:
            os.nice(1)
        return os.nice(0)

    return Case(work, range(N), left=lambda: os.nice(0))


@case("process")
def fresh_signals_held_back() -> Case:
    """A rare item blocks a signal."""

    def work(item: int) -> bool:
        compute(item)
        if item == 58:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        return signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ())

    return Case(
        work,
        range(N),
        left=lambda: signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    )


@case("process")
def fresh_flags_of_a_descriptor() -> Case:
    """A rare item makes a descriptor of the caller non-blocking."""
    reading, _ = os.pipe()

    def work(item: int) -> bool:
        compute(item)
        if item == 37:
            os.set_blocking(reading, False)
        return os.get_blocking(reading)

    return Case(work, range(N), left=lambda: os.get_blocking(reading))


@case("process")
def fresh_descriptor_turned_elsewhere() -> Case:
    """A rare item turns a descriptor to another file with ``dup2``."""
    folder = Path(tempfile.mkdtemp())
    first = os.open(folder / "first", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    second = os.open(folder / "second", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def work(item: int) -> int:
        compute(item)
        if item == 58:
            os.dup2(second, first)
        os.write(first, b"%d " % item)
        return item

    return Case(work, range(N), left=lambda: (folder / "second").read_text())


@case("process")
def fresh_shared_value_of_processes() -> Case:
    """A number in shared memory of ``multiprocessing`` is counted up, and is the result."""
    value = multiprocessing.Value("i", 0)

    def work(item: int) -> int:
        compute(item)
        with value.get_lock():
            value.value += 1
            return value.value

    return Case(work, range(N), left=lambda: value.value)


@case("process")
def fresh_array_of_processes() -> Case:
    """The last item is noted in a shared array without a lock."""
    last = multiprocessing.Array("i", 2, lock=False)

    def work(item: int) -> int:
        compute(item)
        before = last[0]
        last[0], last[1] = item, before
        return before

    return Case(work, range(N), left=lambda: list(last))


@case("process")
def fresh_numbers_asked_of_a_loop() -> Case:
    """A coroutine runs on a loop in a thread of the caller, which keeps a count."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    seen: list[int] = []

    async def note(item: int) -> int:
        seen.append(item)
        return len(seen)

    def work(item: int) -> int:
        compute(item)
        return asyncio.run_coroutine_threadsafe(note(item), loop).result()

    return Case(work, range(N), left=lambda: seen)


@case("process")
def fresh_datagrams_to_the_caller() -> Case:
    """A count for each item goes to a socket of the caller, as with statsd, opened for each."""
    box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    box.bind(("127.0.0.1", 0))
    box.settimeout(2)
    address = box.getsockname()

    def work(item: int) -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"%d" % item, address)
        return compute(item)

    return Case(work, range(N), left=lambda: sorted(int(box.recv(99)) for _ in range(N)))


@case("process")
def fresh_zones_forgotten() -> Case:
    """A rare item clears the cache of zones; the identity of a zone tells it."""
    here = zoneinfo.ZoneInfo("Europe/Paris")

    def work(item: int) -> bool:
        compute(item)
        if item == 37:
            zoneinfo.ZoneInfo.clear_cache()
        return zoneinfo.ZoneInfo("Europe/Paris") is here

    return Case(work, range(N))


@case("process")
def fresh_timer_of_the_process() -> Case:
    """A rare item sets an alarm far ahead, and leaves it."""

    def work(item: int) -> int:
        compute(item)
        if item == 58:
            signal.setitimer(signal.ITIMER_REAL, 1000)
        return item

    def left() -> bool:
        return signal.setitimer(signal.ITIMER_REAL, 0)[0] > 0

    return Case(work, range(N), left=left)


@case("process")
def fresh_default_context_of_decimals() -> Case:
    """A rare item raises the precision of the template of new contexts."""

    def work(item: int) -> int:
        compute(item)
        if item == 37:
            decimal.DefaultContext.prec = 50
        return decimal.DefaultContext.prec

    return Case(work, range(N), left=lambda: decimal.DefaultContext.prec)


@case("process")
def fresh_clocks_frozen_by_the_caller() -> Case:
    """The caller has put a clock of its own into ``time``; items move it on."""
    now = [1000.0]
    time.time = lambda: now[0]

    def work(item: int) -> float:
        compute(item)
        if item in RARE:
            now[0] += 60
        return time.time()

    return Case(work, range(N), left=lambda: now)


@case("process")
def fresh_identifiers_by_time() -> Case:
    """The first halves of identifiers of version 1 only grow; results say so."""
    last = [0]

    def work(item: int) -> bool:
        compute(item)
        one = uuid.uuid1().time
        grown, last[0] = one > last[0], one
        return grown

    return Case(work, range(N))


@case("process")
def fresh_object_that_turns_into_another() -> Case:
    """A state by the class of the object, which a rare item exchanges."""

    class Open:
        def take(self, item: int) -> str:
            if item in RARE:
                self.__class__ = Closed  # type: ignore[assignment]
            return f"open {compute(item)}"

    class Closed(Open):
        def take(self, item: int) -> str:
            return f"closed {compute(item)}"

    door = Open()
    return Case(lambda item: door.take(item), range(N), left=lambda: type(door).__name__)


@case("process")
def fresh_dictionary_shared_by_all_objects() -> Case:
    """All objects of the class share one dictionary of attributes."""

    class Shared:
        _all: ClassVar[dict[str, Any]] = {"seen": 0}

        def __init__(self) -> None:
            self.__dict__ = self._all

    def work(item: int) -> int:
        compute(item)
        one = Shared()
        one.seen += 1
        return int(one.seen)

    return Case(work, range(N), left=lambda: Shared().seen)


@case("process")
def fresh_code_of_a_function_exchanged() -> Case:
    """A rare item gives a helper the code of another function, and changes its defaults."""

    def first(item: int, more: int = 1) -> int:
        return compute(item) + more

    def second(item: int, more: int = 1) -> int:
        return compute(item) - more

    def work(item: int) -> int:
        if item == 37:
            first.__code__ = second.__code__
        if item == 58:
            first.__defaults__ = (5,)
        return first(item)

    return Case(work, range(N), left=lambda: first(0))


@case("process")
def fresh_dispatch_by_a_method() -> Case:
    """A class with a ``singledispatchmethod`` counts in one branch only."""

    class Reader:
        def __init__(self) -> None:
            self.texts = 0

        @functools.singledispatchmethod
        def read(self, value: Any) -> int:
            return compute()

        @read.register
        def _(self, value: str) -> int:
            self.texts += 1
            return self.texts

    reader = Reader()
    data: list[Any] = [str(n) if n % 11 == 10 else n for n in range(N)]
    return Case(lambda item: reader.read(item), data, left=lambda: reader.texts)


@case("process")
def fresh_called_back_by_c() -> Case:
    """A function of ctypes calls back into Python, which notes the values."""
    seen: list[int] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)

    @kind
    def note(value: int) -> int:
        seen.append(value)
        return len(seen)

    def work(item: int) -> int:
        compute(item)
        return note(item)

    return Case(work, range(N), left=lambda: seen)


@case("process")
def fresh_text_scanned_in_turn() -> Case:
    """Matches of one ``finditer`` are taken by the items."""
    matches = re.finditer(r"\d+", " ".join(map(str, range(500))))

    def work(item: int) -> str:
        compute(item)
        return next(matches)[0]

    return Case(work, range(N), left=lambda: next(matches)[0])


@case("process")
def fresh_entries_of_a_folder_in_turn() -> Case:
    """A scanner of a folder hands an entry to each third item."""
    folder = Path(tempfile.mkdtemp())
    for number in range(N):
        (folder / str(number)).touch()
    entries = os.scandir(folder)

    def work(item: int) -> bool:
        compute(item)
        return item % 3 == 2 and bool(next(entries).name)

    return Case(work, range(N), left=lambda: len(list(entries)))


@case("process")
def fresh_lock_of_a_file_kept() -> Case:
    """A rare item locks a file, for as long as its process lives."""
    file = open(Path(tempfile.mkdtemp()) / "lock", "w")  # noqa: SIM115

    def work(item: int) -> int:
        compute(item)
        if item == 37:
            fcntl.lockf(file, fcntl.LOCK_EX)
        return item

    def left() -> str:
        where = os.fstat(file.fileno()).st_ino
        found = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return str([one[1] for one in found if one[5].endswith(f":{where}")])

    return Case(work, range(N), left=left)


@case("process")
def fresh_objects_frozen_for_the_collector() -> Case:
    """A rare item moves all objects out of the collector's sight."""

    def work(item: int) -> bool:
        compute(item)
        if item == 58:
            gc.freeze()
        return gc.get_freeze_count() > 0

    return Case(work, range(N), left=lambda: gc.get_freeze_count() > 0)
