"""The process, its files, threads, pipes and signals; written before any rule was looked at."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextvars
import ctypes
import dbm.dumb
import fcntl
import gc
import importlib
import importlib.util
import io
import json
import locale
import mmap
import multiprocessing
import os
import pickle
import resource
import select
import shelve
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import shared_memory
from pathlib import Path
from typing import Any

from case import Case, case, toil

N = 90
RARE = {23, 47, 58, 81}


def _folder() -> Path:
    return Path(tempfile.mkdtemp())


@case("files")
def later_latest_state_is_the_last_writers() -> Case:
    path = _folder() / "latest.json"

    def work(item: int) -> int:
        value = toil(item)
        path.write_text(json.dumps({"item": item, "value": value}))
        return value

    return Case(work, range(N), left=path.read_text)


@case("files")
def later_best_so_far_replaced_by_rename() -> Case:
    """Written aside and renamed, as a careful programmer does it; only where it is better."""
    path = _folder() / "best.json"
    path.write_text("[-1, -1]")

    def work(item: int) -> bool:
        score = toil(item) % 53
        if score <= json.loads(path.read_text())[0]:
            return False
        aside = path.with_suffix(f".{item}")
        aside.write_text(json.dumps([score, item]))
        os.replace(aside, path)
        return True

    return Case(work, range(N), left=path.read_text)


@case("files")
def later_lines_appended_under_a_lock() -> Case:
    """The lock keeps lines whole and not their order."""
    path = _folder() / "log.txt"

    def work(item: int) -> int:
        value = toil(item)
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{item} {value}\n")
        return value

    return Case(work, range(N), left=path.read_text)


@case("files")
def later_link_to_the_newest() -> Case:
    folder = _folder()

    def work(item: int) -> int:
        value = toil(item)
        target = folder / f"run{item}"
        target.write_text(str(value))
        link = folder / "newest"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        return value

    return Case(work, range(N), left=lambda: os.path.basename(os.readlink(folder / "newest")))


@case("files")
def later_counter_in_a_file() -> Case:
    path = _folder() / "count"
    path.write_text("0")

    def work(item: int) -> int:
        toil(item)
        number = int(path.read_text()) + 1
        path.write_text(str(number))
        return number

    return Case(work, range(N), left=path.read_text)


@case("files")
def later_folder_counted_before_it_grows() -> Case:
    """A name by how many there are: ``frame_0007.txt``."""
    folder = _folder()

    def work(item: int) -> str:
        value = toil(item)
        name = f"frame_{len(list(folder.glob('*.txt'))):04d}.txt"
        (folder / name).write_text(str(value))
        return name

    return Case(
        work, range(N), left=lambda: [path.read_text() for path in sorted(folder.iterdir())]
    )


@case("files")
def later_old_runs_are_removed() -> Case:
    """Only the newest five are kept."""
    folder = _folder()

    def work(item: int) -> int:
        (folder / f"{item:04d}").write_text(str(toil(item)))
        kept = sorted(folder.iterdir())
        for old in kept[:-5]:
            old.unlink(missing_ok=True)
        return len(kept)

    return Case(work, range(N), left=lambda: [path.name for path in sorted(folder.iterdir())])


@case("files")
def later_skips_what_another_item_made() -> Case:
    """Many items name the same output; who comes first makes it, the others skip."""
    folder = _folder()

    def work(item: int) -> str:
        out = folder / f"tile{item // 4}"
        if os.path.exists(out):
            return "skipped"
        out.write_text(str(toil(item)))
        return "made"

    return Case(
        work, range(4 * N), left=lambda: [path.read_text() for path in sorted(folder.iterdir())]
    )


@case("files")
def later_moved_to_a_folder_and_counted() -> Case:
    """The inbox is emptied; results tell how many are left."""
    folder = _folder()
    for name in ("in", "done"):
        (folder / name).mkdir()
    items = []
    for number in range(N):
        items.append(folder / "in" / f"{number:03d}")
        items[-1].write_text(str(number))

    def work(path: Path) -> int:
        toil(int(path.read_text()))
        shutil.move(path, folder / "done" / path.name)
        return len(os.listdir(folder / "in"))

    return Case(work, items, left=lambda: len(os.listdir(folder / "done")))


@case("files")
def later_shelf_of_answers() -> Case:
    path = str(_folder() / "shelf")
    shelf = shelve.Shelf(dbm.dumb.open(path, "c"))  # noqa: SIM115

    def work(item: int) -> int:
        key = str(toil(item) % 11)
        shelf[key] = shelf.get(key, 0) + 1
        return int(shelf[key])

    return Case(work, range(N), left=lambda: sorted(shelf.items()))


@case("files")
def later_dbm_opened_by_each_item() -> Case:
    path = str(_folder() / "base")

    def work(item: int) -> int:
        toil(item)
        with dbm.dumb.open(path, "c") as base:
            base[str(item % 6)] = str(item)
            return len(base)

    def left() -> list[Any]:
        with dbm.dumb.open(path, "r") as base:
            return sorted((key, base[key]) for key in base.keys())  # noqa: SIM118

    return Case(work, range(N), left=left)


@case("files")
def later_checkpoint_every_tenth() -> Case:
    path, done = _folder() / "state.pickle", list[int]()

    def work(item: int) -> int:
        value = toil(item)
        done.append(item)
        if len(done) % 10 == 0:
            path.write_bytes(pickle.dumps(done))
        return value

    return Case(work, range(N), left=lambda: pickle.loads(path.read_bytes()))


@case("files")
def later_mode_of_a_file_set_once() -> Case:
    """The mask of new files is changed by a rare item, and stays."""
    folder = _folder()
    os.umask(0o022)

    def work(item: int) -> int:
        if item == 47:
            os.umask(0o077)
        path = folder / str(item)
        path.write_text(str(toil(item)))
        return path.stat().st_mode & 0o777

    def left() -> int:
        return os.umask(0o022)

    return Case(work, range(N), left=left)


@case("files")
def later_relative_paths_after_chdir() -> Case:
    folder = _folder()
    for name in "abc":
        (folder / name).mkdir()
    start = os.getcwd()

    def work(item: int) -> str:
        toil(item)
        if item % 30 == 5:
            os.chdir(folder / "abc"[item // 30])
        return os.path.basename(os.getcwd()) if os.getcwd() != start else "start"

    def left() -> str:
        found = os.path.basename(os.getcwd())
        os.chdir(start)
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_environment_by_setdefault() -> Case:
    os.environ.pop("LATER_MODE", None)

    def work(item: int) -> str:
        toil(item)
        if item % 7 == 6:
            os.environ.setdefault("LATER_MODE", f"m{item}")
        return os.environ.get("LATER_MODE", "none")

    return Case(work, range(N), left=lambda: os.environ.get("LATER_MODE"))


@case("process")
def later_module_found_after_a_path_is_added() -> Case:
    folder = _folder()
    (folder / "later_found.py").write_text("value = 7\n")
    sys.modules.pop("later_found", None)

    def work(item: int) -> int:
        toil(item)
        if item == 33:
            sys.path.append(str(folder))
            importlib.invalidate_caches()
        try:
            return int(importlib.import_module("later_found").value)
        except ModuleNotFoundError:
            return -1

    return Case(work, range(N), left=lambda: "later_found" in sys.modules)


@case("process")
def later_module_executed_anew_by_items() -> Case:
    """``spec.loader.exec_module`` on one module object: its count is of its own dict."""
    path = _folder() / "later_job.py"
    path.write_text("runs = globals().get('runs', 0) + 1\n")
    spec = importlib.util.spec_from_file_location("later_job", path)
    assert spec is not None and spec.loader is not None
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def work(item: int) -> int:
        toil(item)
        if item % 10 == 4:
            loader.exec_module(module)
        return int(getattr(module, "runs", 0))

    return Case(work, range(N), left=lambda: getattr(module, "runs", 0))


@case("process")
def later_limit_of_recursion_doubled_when_hit() -> Case:
    start = sys.getrecursionlimit()

    def depth(number: int) -> int:
        return 0 if number == 0 else 1 + depth(number - 1)

    def work(item: int) -> str:
        toil(item)
        try:
            depth(1500 if item in RARE else 5)
        except RecursionError:
            sys.setrecursionlimit(2 * sys.getrecursionlimit())
            return "doubled"
        return "enough"

    def left() -> int:
        found = sys.getrecursionlimit()
        sys.setrecursionlimit(start)
        return found // start

    return Case(work, range(N), left=left)


@case("process")
def later_collector_switched_off() -> Case:
    def work(item: int) -> bool:
        if item == 25:
            gc.disable()
        toil(item)
        return gc.isenabled()

    def left() -> bool:
        found = gc.isenabled()
        gc.enable()
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_callback_of_the_collector() -> Case:
    seen: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            seen.append("full")

    def work(item: int) -> int:
        value = toil(item)
        if item % 15 == 9:
            gc.collect()
        return value

    def left() -> int:
        gc.callbacks.remove(note)
        return len(seen) >= 6

    gc.callbacks.append(note)
    return Case(work, range(N), left=left)


@case("process")
def later_thread_started_by_an_item_notes() -> Case:
    """The item hands its log to a thread, which the script joins at the end."""
    threads: list[threading.Thread] = []
    log: list[int] = []

    def work(item: int) -> int:
        value = toil(item)
        if item % 12 == 6:
            threads.append(threading.Thread(target=log.append, args=(item,)))
            threads[-1].start()
        return value

    def left() -> list[int]:
        for thread in threads:
            thread.join()
        return sorted(log)

    return Case(work, range(N), left=left)


@case("process")
def later_pool_of_the_script_gets_jobs() -> Case:
    pool, log = ThreadPoolExecutor(1), list[int]()
    futures: list[Future[None]] = []

    def work(item: int) -> int:
        if item % 9 == 4:
            futures.append(pool.submit(log.append, item))
        return toil(item)

    def left() -> list[int]:
        pool.shutdown()
        return log

    return Case(work, range(N), left=left)


@case("process")
def later_timer_that_writes_later() -> Case:
    log, timers = list[int](), list[threading.Timer]()

    def work(item: int) -> int:
        if item in RARE:
            timers.append(threading.Timer(0.01, log.append, (item,)))
            timers[-1].start()
        return toil(item)

    def left() -> list[int]:
        for timer in timers:
            timer.join()
        return sorted(log)

    return Case(work, range(N), left=left)


@case("process")
def later_future_fulfilled_by_the_first_that_finds() -> Case:
    future: Future[int] = Future()

    def work(item: int) -> str:
        value = toil(item)
        if item % 40 == 31 and not future.done():
            future.set_result(item)
        return "found" if future.done() else str(value)

    return Case(work, range(N), left=lambda: future.result(0))


@case("process")
def later_echo_over_a_pair_of_sockets() -> Case:
    """A thread of the script numbers what comes."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        number = 0
        while theirs.recv(1):
            number += 1
            theirs.send(bytes([number]))

    threading.Thread(target=serve, daemon=True).start()

    def work(item: int) -> int:
        toil(item)
        ours.send(b"x")
        return ours.recv(1)[0]

    return Case(work, range(N))


CHILD = "import sys\ntotal = 0\nfor line in sys.stdin:\n total += int(line)\n print(total, flush=True)\n"


@case("process")
def later_child_that_keeps_a_sum() -> Case:
    """An interactive program behind pipes, as ``gnuplot``, ``bc`` or a solver."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(item: int) -> int:
        toil(item)
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(f"{item}\n")
        child.stdin.flush()
        return int(child.stdout.readline())

    def left() -> int:
        child.communicate()
        return child.returncode

    return Case(ask, range(N), left=left)


@case("process")
def later_child_behind_two_objects() -> Case:
    """The child is an attribute of an engine, which is an attribute of a player."""

    class Engine:
        def __init__(self) -> None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )

        def command(self, number: int) -> int:
            assert self.process.stdin is not None and self.process.stdout is not None
            self.process.stdin.write(b"%d\n" % number)
            self.process.stdin.flush()
            return int(self.process.stdout.readline())

    player = types.SimpleNamespace(engine=Engine())

    def work(item: int) -> int:
        value = toil(item)
        return player.engine.command(value % 9) if item % 6 == 5 else 0

    return Case(
        work,
        range(N),
        left=lambda: (player.engine.process.communicate(), player.engine.process.returncode),
    )


@case("process")
def later_bytes_into_a_pipe() -> Case:
    reading, writing = os.pipe()

    def work(item: int) -> int:
        value = toil(item)
        os.write(writing, b"%d;" % item)
        return value

    return Case(work, range(N), left=lambda: os.read(reading, 65536))


@case("process")
def later_map_of_anonymous_memory() -> Case:
    memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def work(item: int) -> int:
        memory[item] = toil(item) % 256
        memory[4000] = memory[4000] + 1
        return memory[4000]

    return Case(work, range(N), left=lambda: memory[:128])


@case("process")
def later_common_memory_read_and_written() -> Case:
    """Shared by all processes, and yet read, changed and written without a lock."""
    block = shared_memory.SharedMemory(create=True, size=64)
    weakref.finalize(block, lambda: None)

    def work(item: int) -> int:
        before = block.buf[0]
        toil(item)
        block.buf[0] = before + 1
        return before

    def left() -> int:
        found = block.buf[0]
        block.close()
        block.unlink()
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_value_of_multiprocessing_as_a_counter() -> Case:
    counter = multiprocessing.Value("i", 0)

    def work(item: int) -> int:
        toil(item)
        with counter.get_lock():
            counter.value += 1
            return counter.value

    return Case(work, range(N), left=lambda: counter.value)


@case("process")
def later_alarm_set_by_an_item() -> Case:
    """An interval of the process: set by one item, read by all that follow."""

    def work(item: int) -> bool:
        toil(item)
        if item == 30:
            signal.setitimer(signal.ITIMER_REAL, 500)
        return signal.getitimer(signal.ITIMER_REAL)[0] > 0

    def left() -> bool:
        return signal.setitimer(signal.ITIMER_REAL, 0)[0] > 0

    return Case(work, range(N), left=left)


@case("process")
def later_signal_counted_by_a_handler() -> Case:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))

    def work(item: int) -> int:
        toil(item)
        if item % 20 == 11:
            os.kill(os.getpid(), signal.SIGUSR1)
        return len(seen)

    def left() -> int:
        signal.signal(signal.SIGUSR1, before)
        return len(seen)

    return Case(work, range(N), left=left)


@case("process")
def later_limits_of_open_files() -> Case:
    start = resource.getrlimit(resource.RLIMIT_NOFILE)

    def work(item: int) -> int:
        toil(item)
        if item == 52:
            resource.setrlimit(resource.RLIMIT_NOFILE, (start[0] - 3, start[1]))
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - start[0]

    def left() -> int:
        found = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - start[0]
        resource.setrlimit(resource.RLIMIT_NOFILE, start)
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_name_of_the_thread() -> Case:
    thread = threading.main_thread()

    def work(item: int) -> str:
        toil(item)
        before = threading.current_thread().name
        threading.current_thread().name = f"job {item}"
        return before

    def left() -> str:
        found, thread.name = thread.name, "MainThread"
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_builtin_replaced() -> Case:
    def work(item: int) -> int:
        if item == 12:
            builtins.later = 5  # type: ignore[attr-defined]
        return toil(item) + getattr(builtins, "later", 0)

    if hasattr(builtins, "later"):
        del builtins.later
    return Case(work, range(N), left=lambda: getattr(builtins, "later", None))


@case("process")
def later_exit_hooks_counted() -> Case:
    before = atexit._ncallbacks()

    def work(item: int) -> int:
        toil(item)
        if item in RARE:
            atexit.register(str, item)
        return atexit._ncallbacks() - before

    return Case(work, range(N), left=lambda: atexit._ncallbacks() - before)


@case("process")
def later_tracing_of_memory_begins() -> Case:
    def work(item: int) -> bool:
        if item == 50:
            tracemalloc.start()
        toil(item)
        return tracemalloc.is_tracing()

    def left() -> bool:
        found = tracemalloc.is_tracing()
        tracemalloc.stop()
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_zone_of_time() -> Case:
    os.environ["TZ"] = "UTC"
    time.tzset()

    def work(item: int) -> str:
        toil(item)
        if item == 44:
            os.environ["TZ"] = "EST5"
            time.tzset()
        return time.strftime("%H", time.localtime(0))

    def left() -> tuple[str, ...]:
        found = time.tzname
        os.environ["TZ"] = "UTC"
        time.tzset()
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_locale_asked_and_set() -> Case:
    locale.setlocale(locale.LC_NUMERIC, "C")

    def work(item: int) -> str:
        toil(item)
        if item == 35:
            locale.setlocale(locale.LC_CTYPE, "C")
            locale.localeconv()
        locale._override_localeconv = (
            {"thousands_sep": "'", "grouping": [3, 0]} if item > 34 else {}
        )  # type: ignore[attr-defined]
        return locale.format_string("%d", item * 100000, grouping=True)

    def left() -> int:
        found = len(locale._override_localeconv)  # type: ignore[attr-defined]
        locale._override_localeconv = {}  # type: ignore[attr-defined]
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_context_variable_carries_on() -> Case:
    depth: contextvars.ContextVar[int] = contextvars.ContextVar("depth", default=0)

    def work(item: int) -> int:
        toil(item)
        depth.set(depth.get() + item % 2)
        return depth.get()

    return Case(work, range(N), left=depth.get)


@case("process")
def later_thread_local_of_the_script() -> Case:
    local = threading.local()
    local.count = 0

    def work(item: int) -> int:
        toil(item)
        local.count = getattr(local, "count", -1000) + 1
        return int(local.count)

    return Case(work, range(N), left=lambda: local.count)


@case("process")
def later_error_number_of_c() -> Case:
    library = ctypes.CDLL(None, use_errno=True)

    def work(item: int) -> int:
        toil(item)
        if item % 30 == 7:
            library.close(-1)
        return ctypes.get_errno()

    ctypes.set_errno(0)
    return Case(work, range(N), left=ctypes.get_errno)


@case("process")
def later_event_counter_of_the_kernel() -> Case:
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)

    def work(item: int) -> int:
        os.eventfd_write(descriptor, 1 + toil(item) % 3)
        return os.eventfd_read(descriptor) if item % 10 == 9 else 0

    return Case(work, range(N))


@case("process")
def later_poll_learns_descriptors() -> Case:
    poll, pipes = select.poll(), list[tuple[int, int]]()

    def work(item: int) -> int:
        toil(item)
        if item in RARE:
            pipes.append(os.pipe())
            os.write(pipes[-1][1], b"x")
            poll.register(pipes[-1][0], select.POLLIN)
        return len(poll.poll(0))

    return Case(work, range(N), left=lambda: len(pipes))


@case("process")
def later_loop_of_the_script_runs_each_item() -> Case:
    """One event loop and one asyncio queue, both made by the script."""
    loop = asyncio.new_event_loop()
    waiting: asyncio.Queue[int] = asyncio.Queue()

    async def step(item: int) -> int:
        await waiting.put(item)
        return waiting.qsize() if item % 3 else await waiting.get()

    def work(item: int) -> int:
        toil(item)
        return loop.run_until_complete(step(item))

    return Case(work, range(N), left=waiting.qsize)


@case("process")
def later_output_of_the_process_itself() -> Case:
    """Descriptor 1 is turned into a file by the script; items write to it directly."""
    path = _folder() / "out"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)

    def work(item: int) -> int:
        value = toil(item)
        os.write(descriptor, b"%d\n" % item)
        return value

    return Case(work, range(N), left=path.read_text)


@case("process")
def later_position_by_pwrite_and_seek() -> Case:
    path = _folder() / "table"
    path.write_bytes(b"\0" * 400)
    descriptor = os.open(path, os.O_RDWR)

    def work(item: int) -> int:
        toil(item)
        os.lseek(descriptor, 4, os.SEEK_CUR)
        os.pwrite(descriptor, bytes([item]), item)
        return os.lseek(descriptor, 0, os.SEEK_CUR)

    return Case(work, range(N), left=lambda: os.lseek(descriptor, 0, os.SEEK_CUR))


@case("process")
def later_hook_of_exceptions_set() -> Case:
    before, heard = sys.excepthook, list[str]()

    def work(item: int) -> bool:
        toil(item)
        if item == 48:
            sys.excepthook = lambda kind, value, trace: heard.append(kind.__name__)
        return sys.excepthook is before

    def left() -> bool:
        found = sys.excepthook is before
        sys.excepthook = before
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_standard_output_replaced() -> Case:
    before = sys.stdout

    def work(item: int) -> bool:
        toil(item)
        if item == 21:
            sys.stdout = io.StringIO()
        return sys.stdout is before

    def left() -> bool:
        found, sys.stdout = sys.stdout is before, before
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_argument_list_shortened() -> Case:
    before = list(sys.argv)

    def work(item: int) -> int:
        toil(item)
        if item == 70:
            sys.argv[:] = ["later"]
        return len(sys.argv) if item >= 70 else 0

    def left() -> list[str]:
        found = list(sys.argv) if len(sys.argv) == 1 else []
        sys.argv[:] = before
        return found

    return Case(work, range(N), left=left)


@case("process")
def later_nice_value_raised_once() -> Case:
    start = os.nice(0)

    def work(item: int) -> int:
        toil(item)
        if item == 88:
            os.nice(1)
        return os.nice(0) - start

    return Case(work, range(N), left=lambda: os.nice(0) - start)


@case("process")
def later_profile_of_calls_begins() -> Case:
    counts = [0]

    def count(frame: Any, event: str, argument: Any) -> None:
        counts[0] += event == "call" and frame.f_code.co_name == "toil"

    def work(item: int) -> int:
        if item == 60:
            sys.setprofile(count)
        return toil(item)

    def left() -> int:
        sys.setprofile(None)
        return counts[0]

    return Case(work, range(N), left=left)
