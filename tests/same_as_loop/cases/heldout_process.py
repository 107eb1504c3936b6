"""Files, the process and what it shares with others; written before the rules were looked at."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import decimal
import fcntl
import gc
import io
import locale
import multiprocessing.shared_memory
import os
import pathlib
import random
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import user_pipeline
from case import Case, case, toil

N = 70


@case("files")
def heldout_lines_appended_to_a_log() -> Case:
    """Each item opens the log and appends its line."""
    path = pathlib.Path(tempfile.mkdtemp()) / "log.txt"

    def work(item: int) -> int:
        with path.open("a") as file:
            file.write(f"{item}\n")
        return toil(item)

    return Case(work, range(N), left=path.read_text)


@case("files")
def heldout_latest_of_all() -> Case:
    """The last item stays in a file."""
    path = pathlib.Path(tempfile.mkdtemp()) / "latest"

    def work(item: int) -> int:
        total = toil(item)
        path.write_text(str(item))
        return total

    return Case(work, range(N), left=path.read_text)


@case("files")
def heldout_number_in_a_file() -> Case:
    """A number in a file is read and written again."""
    path = os.path.join(tempfile.mkdtemp(), "number")
    with open(path, "w") as first:
        first.write("0")

    def work(item: int) -> int:
        with open(path, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            number = int(file.read()) + 1
            file.seek(0)
            file.write(str(number))
        toil()
        return number

    def left() -> str:
        with open(path) as file:
            return file.read()

    return Case(work, range(N), left)


@case("files")
def heldout_file_renamed_from_step_to_step() -> Case:
    """A file gets a new name at each item."""
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "0").write_text("x")

    def work(item: int) -> int:
        (folder / str(item)).rename(folder / str(item + 1))
        return toil(item)

    return Case(work, range(N), left=lambda: os.listdir(folder))


@case("files")
def heldout_first_comes_first_served() -> Case:
    """Who finds no file makes it, and says so."""
    folder = pathlib.Path(tempfile.mkdtemp())

    def work(item: int) -> bool:
        toil()
        place = folder / str(item % 10)
        if place.exists():
            return False
        place.write_text(str(item))
        return True

    return Case(
        work, range(N), left=lambda: sorted((p.name, p.read_text()) for p in folder.iterdir())
    )


@case("files")
def heldout_standard_output_is_a_file() -> Case:
    """Lines are printed while standard output goes to a file."""
    path = os.path.join(tempfile.mkdtemp(), "out")
    target = os.open(path, os.O_WRONLY | os.O_CREAT)
    saved = os.dup(1)

    def work(item: int) -> int:
        os.write(target, b"%d\n" % item)
        return toil(item)

    def left() -> str:
        os.close(saved)
        with open(path) as file:
            return file.read()

    return Case(work, range(N), left)


@case("files")
def heldout_print_to_a_replaced_output() -> Case:
    """Prints go to what stands in for standard output."""
    out = io.StringIO()

    def work(item: int) -> int:
        if item % 6 == 5:
            print("item", item)
        return toil(item)

    def data() -> Iterator[int]:
        with contextlib.redirect_stdout(out):
            yield from range(N)

    return Case(work, data(), left=out.getvalue)


@case("files")
def heldout_temporary_file_that_grows() -> Case:
    """A temporary file is written to at its end, through a descriptor."""
    file = tempfile.TemporaryFile()  # noqa: SIM115

    def work(item: int) -> int:
        os.pwrite(file.fileno(), b"%03d" % item, 3 * item)
        return os.lseek(file.fileno(), 3, os.SEEK_CUR) + 0 * toil(item)

    def left() -> bytes:
        file.seek(0)
        return file.read()

    return Case(work, range(N), left)


@case("files")
def heldout_folder_listed_and_made() -> Case:
    """The name of a new folder follows from how many there are."""
    root = tempfile.mkdtemp()

    def work(item: int) -> str:
        name = f"run-{len(os.listdir(root)):03d}"
        os.makedirs(os.path.join(root, name), exist_ok=True)
        toil()
        return name

    return Case(work, range(N), left=lambda: sorted(os.listdir(root)))


@case("process")
def heldout_digits_set_at_some_item() -> Case:
    """One item sets the precision for what follows."""
    decimal.getcontext().prec = 28

    def work(item: int) -> str:
        toil()
        if item == 30:
            decimal.getcontext().prec = 6
        return str(decimal.Decimal(item) / 7)

    return Case(work, range(N), left=lambda: decimal.getcontext().prec)


@case("process")
def heldout_rounding_of_the_caller() -> Case:
    """The caller rounds down."""
    decimal.getcontext().rounding = decimal.ROUND_DOWN
    decimal.getcontext().prec = 5

    def work(item: int) -> str:
        toil()
        return str(decimal.Decimal(item) / 7)

    return Case(work, range(N))


@case("process")
def heldout_locale_for_a_while() -> Case:
    """The locale is another while an item sorts."""

    def work(item: int) -> str:
        before = locale.setlocale(locale.LC_CTYPE)
        locale.setlocale(locale.LC_CTYPE, "C" if item % 2 else "C.UTF-8")
        try:
            toil()
            return locale.setlocale(locale.LC_CTYPE)
        finally:
            locale.setlocale(locale.LC_CTYPE, before)

    return Case(work, range(N), left=lambda: locale.setlocale(locale.LC_CTYPE))


@case("process")
def heldout_alarm_as_time_limit() -> Case:
    """A timer signal limits the time of a step, which only the main thread may do."""

    class Late(Exception):
        pass

    def ring(*_: Any) -> None:
        raise Late

    def work(item: int) -> int:
        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 5)
        try:
            return toil(item)
        except Late:
            return -1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return Case(work, range(N), left=lambda: str(signal.getsignal(signal.SIGALRM)))


@case("process")
def heldout_handler_that_is_installed() -> Case:
    """One item installs a handler."""

    def hear(*_: Any) -> None:
        """Do nothing."""

    def work(item: int) -> int:
        if item == 50:
            signal.signal(signal.SIGUSR2, hear)
        return toil(item)

    return Case(work, range(N), left=lambda: signal.getsignal(signal.SIGUSR2) is hear)


@case("process")
def heldout_mask_of_files() -> Case:
    """The mask of new files is another from some item on."""
    os.umask(0o022)
    folder = tempfile.mkdtemp()

    def work(item: int) -> int:
        toil()
        if item == 40:
            os.umask(0o077)
        path = os.path.join(folder, str(item))
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        return os.stat(path).st_mode & 0o777

    return Case(work, range(N), left=lambda: os.umask(0o022))


@case("process")
def heldout_variable_set_by_a_module() -> Case:
    """A function of another module sets a variable of the environment."""

    def work(item: int) -> str | None:
        before = os.environ.get("HELDOUT_ITEM")
        if item % 20 == 3:
            user_pipeline.export("HELDOUT_ITEM", item)
        toil()
        return before

    os.environ.pop("HELDOUT_ITEM", None)
    return Case(work, range(N), left=lambda: os.environ.get("HELDOUT_ITEM"))


@case("process")
def heldout_time_zone() -> Case:
    """The time zone changes for a while."""

    def work(item: int) -> int:
        before = os.environ.get("TZ")
        os.environ["TZ"] = f"X{item % 12}"
        time.tzset()
        toil()
        hours = time.localtime(100_000).tm_hour
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
        return hours

    return Case(work, range(N), left=lambda: os.environ.get("TZ"))


@case("process")
def heldout_functions_at_exit() -> Case:
    """What is to run at exit is registered once an item."""
    before = atexit._ncallbacks()

    def work(item: int) -> int:
        if item % 10 == 0:
            atexit.register(int, item)
        return toil(item)

    return Case(work, range(N), left=lambda: atexit._ncallbacks() - before)


@case("process")
def heldout_collector_turned_off() -> Case:
    """An item turns the garbage collector off."""
    gc.enable()

    def work(item: int) -> bool:
        toil()
        if item == 12:
            gc.disable()
        return gc.isenabled()

    return Case(work, range(N), left=gc.isenabled)


@case("process")
def heldout_limit_of_recursion_raised() -> Case:
    """A deep item raises the limit, and later ones need it no more."""
    sys.setrecursionlimit(1000)

    def work(item: int) -> int:
        toil()
        if item == 35:
            sys.setrecursionlimit(max(sys.getrecursionlimit(), 4000))
        return sys.getrecursionlimit()

    return Case(work, range(N), left=sys.getrecursionlimit)


@case("process")
def heldout_path_of_modules() -> Case:
    """A folder is put on the path of modules."""

    def work(item: int) -> int:
        if "/heldout" not in sys.path:
            sys.path.append("/heldout")
        return toil(item)

    def left() -> bool:
        there = "/heldout" in sys.path
        sys.path[:] = [path for path in sys.path if path != "/heldout"]
        return there

    return Case(work, range(N), left)


@case("process")
def heldout_limit_of_files() -> Case:
    """The soft limit of open files is lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def work(item: int) -> int:
        if item == 22:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
        toil()
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    return Case(work, range(N), left=lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])


@case("process")
def heldout_filters_of_warnings() -> Case:
    """Items warn, and one of them silences the rest."""
    warnings.simplefilter("always", UserWarning)
    heard: list[str] = []

    def work(item: int) -> int:
        if item == 44:
            warnings.simplefilter("ignore", UserWarning)
        with warnings.catch_warnings(record=True) as caught:
            warnings.warn(f"w{item}", UserWarning, stacklevel=1)
        return len(caught) + 0 * toil(item)

    return Case(work, range(N), left=lambda: (heard, warnings.filters[0][0]))


@case("process")
def heldout_builtin_replaced() -> Case:
    """A name is put among the builtins."""
    builtins.heldout_total = 0  # type: ignore[attr-defined]

    def work(item: int) -> int:
        builtins.heldout_total += item  # type: ignore[attr-defined]
        return toil(item)

    return Case(work, range(N), left=lambda: builtins.heldout_total)  # type: ignore[attr-defined]


@case("process")
def heldout_thread_that_fills() -> Case:
    """Each item starts a thread that fills a list, and waits for it."""
    found: list[int] = []

    def work(item: int) -> int:
        thread = threading.Thread(target=found.append, args=(item,))
        thread.start()
        total = toil(item)
        thread.join()
        return total

    return Case(work, range(N), left=lambda: found)


@case("process")
def heldout_pool_of_the_users_own() -> Case:
    """A pool that the user holds runs a part of each item."""
    pool = ThreadPoolExecutor(1)
    order: list[int] = []

    def work(item: int) -> int:
        future = pool.submit(order.append, item)
        total = toil(item)
        future.result()
        return total

    return Case(work, range(N), left=lambda: order)


@case("process")
def heldout_main_thread_only() -> Case:
    """A function does something else where it is not in the main thread."""

    def work(item: int) -> str:
        toil()
        main = threading.current_thread() is threading.main_thread()
        return "main" if main else "other"

    return Case(work, range(N))


@case("process")
def heldout_seed_for_each_item() -> Case:
    """The global random state is seeded with the item."""
    random.seed(0)

    def work(item: int) -> int:
        toil()
        random.seed(item)
        return random.randrange(1000)

    return Case(work, range(N), left=lambda: random.randrange(1000))


@case("process")
def heldout_size_of_the_switch() -> Case:
    """The interval at which threads take turns is set."""
    sys.setswitchinterval(0.005)

    def work(item: int) -> float:
        if item == 60:
            sys.setswitchinterval(0.01)
        toil()
        return sys.getswitchinterval()

    return Case(work, range(N), left=sys.getswitchinterval)


@case("process")
def heldout_hook_of_errors() -> Case:
    """An item sets the hook for exceptions."""
    sys.excepthook = sys.__excepthook__

    def work(item: int) -> int:
        if item == 10:
            sys.excepthook = print
        return toil(item)

    def left() -> bool:
        changed = sys.excepthook is print
        sys.excepthook = sys.__excepthook__
        return changed

    return Case(work, range(N), left)


@case("held")
def heldout_pair_of_sockets() -> Case:
    """A request goes out of one end and is answered by a thread at the other."""
    near, far = socket.socketpair()

    def serve() -> None:
        with far:
            count = 0
            while data := far.recv(8):
                count += 1
                far.sendall(b"%03d%05d" % (count, int(data)))

    threading.Thread(target=serve, daemon=True).start()

    class Client:
        def __init__(self) -> None:
            self.pool = {"idle": [near]}

        def ask(self, item: int) -> int:
            connection = self.pool["idle"][-1]
            connection.sendall(b"%08d" % item)
            return int(connection.recv(8)) + 0 * toil(item)

    return Case(Client().ask, range(N))


@case("held")
def heldout_child_that_answers_lines() -> Case:
    """A child process answers lines, and counts them."""
    script = "import sys\nfor n, line in enumerate(sys.stdin): print(n, line.strip(), flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def work(item: int) -> str:
        toil()
        assert child.stdin is not None and child.stdout is not None
        print(item, file=child.stdin, flush=True)
        return child.stdout.readline().strip()

    return Case(work, range(N))


@case("held")
def heldout_pipe_written_in_order() -> Case:
    """Bytes go into a pipe, and are read at the end."""
    reading, writing = os.pipe()

    def work(item: int) -> int:
        os.write(writing, bytes([item]))
        return toil(item)

    return Case(work, range(N), left=lambda: os.read(reading, 2 * N))


@case("held")
def heldout_poll_of_descriptors() -> Case:
    """Descriptors are registered with a poll."""
    poll = select.poll()
    reading, writing = os.pipe()
    os.write(writing, b"x")

    def work(item: int) -> int:
        if item == 8:
            poll.register(reading, select.POLLIN)
        toil()
        return len(poll.poll(0))

    return Case(work, range(N), left=lambda: len(poll.poll(0)))


@case("held")
def heldout_shared_block_of_memory() -> Case:
    """A counter lies in a named block of memory."""
    block = multiprocessing.shared_memory.SharedMemory(create=True, size=16)
    block.buf[:2] = b"\0\0"

    def work(item: int) -> int:
        number = int.from_bytes(block.buf[:2], "little") + 1
        toil()
        block.buf[:2] = number.to_bytes(2, "little")
        return number

    def left() -> bytes:
        found = bytes(block.buf[:2])
        block.close()
        block.unlink()
        return found

    return Case(work, range(N), left)
