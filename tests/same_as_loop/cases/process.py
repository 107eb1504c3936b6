"""What belongs to the whole process: environment, folder, filters, handlers, limits, streams."""

from __future__ import annotations

import atexit
import calendar
import gc
import io
import itertools
import locale
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from case import Case, case, compute, nap, release, toil

_rounds = itertools.count(1)


@case("process")
def environment_variable_set() -> Case:
    """The loop leaves the last item's value in an environment variable."""
    os.environ.pop("USER_STAGE", None)

    def work(item: int) -> str:
        before = os.environ.get("USER_STAGE", "none")
        os.environ["USER_STAGE"] = f"stage {item // 10}"
        compute()
        return before

    return Case(work, range(150), left=lambda: os.environ.get("USER_STAGE"))


@case("process values")
def environment_variable_read() -> Case:
    """The results show an environment variable that the program has set just now."""
    os.environ["USER_REGION"] = f"region {next(_rounds)}"

    def work(item: int) -> str:
        toil()
        return f"{item} {os.environ.get('USER_REGION')}"

    return Case(work, range(150))


@case("process")
def working_directory_changed() -> Case:
    """The loop leaves the process in the folder of the last item, and a file in each folder."""
    top = Path(tempfile.mkdtemp())
    for number in range(10):
        (top / str(number)).mkdir()

    def work(item: int) -> str:
        os.chdir(top / str(item % 10))
        nap()
        Path(f"out{item}.txt").write_text(str(item))
        return Path.cwd().name

    def left() -> tuple[str, list[str]]:
        return Path.cwd().name, sorted(str(path.relative_to(top)) for path in top.rglob("*.txt"))

    return Case(work, range(150), left=left)


@case("process values")
def working_directory_of_the_caller() -> Case:
    """The results are read by relative paths from the folder that the program went to."""
    folder = Path(tempfile.mkdtemp())
    for number in range(10):
        (folder / f"{number}.txt").write_text(f"text {number}")
    os.chdir(folder)

    def work(item: int) -> str:
        toil()
        return Path(f"{item % 10}.txt").read_text()

    return Case(work, range(150))


@case("process")
def locale_set() -> Case:
    """The loop leaves the locale for numbers that items have set."""
    locale.setlocale(locale.LC_NUMERIC, "C")

    def work(item: int) -> str:
        locale.setlocale(locale.LC_NUMERIC, "C.UTF-8" if item % 50 == 49 else "C")
        value = compute(item)
        return locale.format_string("%.1f", value)

    return Case(work, range(150), left=lambda: locale.setlocale(locale.LC_NUMERIC))


@case("process")
def filter_of_warnings_added() -> Case:
    """The loop leaves filters at the head of the list that the function has added."""
    kinds = [type(f"Item{number}Warning", (UserWarning,), {}) for number in range(5)]

    def work(item: int) -> int:
        if item % 30 == 20:
            warnings.simplefilter("ignore", kinds[item // 30])
        return compute(item)

    return Case(work, range(150), left=lambda: [one[2].__name__ for one in warnings.filters[:5]])


@case("process")
def warnings_that_become_errors() -> Case:
    """The results from the hundredth item on are failures: the function made its warnings errors."""

    class LateWarning(UserWarning):
        pass

    warnings.simplefilter("ignore", LateWarning)

    def work(item: int) -> str:
        release(item)
        if item == 100:
            warnings.simplefilter("error", LateWarning)
        try:
            warnings.warn("late", LateWarning, stacklevel=1)
        except LateWarning:
            return f"{item} failed"
        return f"{item} good"

    return Case(work, range(150))


@case("process")
def alarm_as_a_time_limit() -> Case:
    """The results rest on a signal handler, which only the main thread of a process may set."""

    class OverTimeError(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise OverTimeError

    def work(item: int) -> str:
        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 20.0 if item % 20 else 0.005)
        try:
            if item % 20 == 0:
                time.sleep(1.0)
            nap()
            return f"{item} in time"
        except OverTimeError:
            return f"{item} too late"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

    return Case(work, range(120))


@case("process")
def signal_handler_left_in_place() -> Case:
    """The loop leaves the handler of the last item for a signal."""

    class Handler:
        def __init__(self, stage: int) -> None:
            self.stage = stage

        def __call__(self, number: int, frame: object) -> None:
            """Do nothing."""

    def work(item: int) -> int:
        if item % 15 == 0:
            signal.signal(signal.SIGUSR1, Handler(item))
        return compute(item)

    return Case(
        work,
        range(150),
        left=lambda: getattr(signal.getsignal(signal.SIGUSR1), "stage", "none"),
    )


@case("process")
def random_state_seeded() -> Case:
    """The loop leaves the global random state as the last item's seed and draws made it."""

    def work(item: int) -> float:
        random.seed(item)
        compute()
        return random.random()

    return Case(work, range(150), left=random.random)


@case("process values")
def recursion_limit_raised() -> Case:
    """The results come from a recursion deeper than the usual limit, which the program has raised."""
    sys.setrecursionlimit(5000)

    def depth(level: int) -> int:
        return 0 if level == 0 else 1 + depth(level - 1)

    def work(item: int) -> int:
        toil()
        return depth(2000 + item)

    return Case(work, range(150))


@case("process values")
def limit_of_digits_lifted() -> Case:
    """The results are lengths of texts of numbers with more digits than is usually allowed."""
    sys.set_int_max_str_digits(0)

    def work(item: int) -> int:
        toil()
        return len(str(10 ** (5000 + item)))

    return Case(work, range(150))


@case("process")
def output_redirected() -> Case:
    """The loop leaves a line for each item in the buffer that stands in for standard output."""
    sys.stdout = buffer = io.StringIO()

    def work(item: int) -> int:
        value = compute(item)
        print("item", item, "->", value)
        return value

    return Case(work, range(150), left=buffer.getvalue)


@case("process")
def error_output_of_a_helper() -> Case:
    """The loop leaves dots in the buffer that stands in for standard error."""
    sys.stderr = buffer = io.StringIO()
    write = sys.stderr.write

    def work(item: int) -> str:
        digest = release(item)
        write("." if item % 10 else str(item))
        return digest

    return Case(work, range(150), left=buffer.getvalue)


@case("process")
def mask_of_new_files() -> Case:
    """The loop leaves the mask that an item has set, and files with the rights of both masks."""
    os.umask(0o022)
    folder = Path(tempfile.mkdtemp())

    def work(item: int) -> str:
        compute()
        if item == 40:
            os.umask(0o077)
        path = folder / f"{item}.txt"
        path.write_text("x")
        return oct(path.stat().st_mode & 0o777)

    def left() -> int:
        mask = os.umask(0o022)
        os.umask(mask)
        return mask

    return Case(work, range(120), left=left)


@case("process")
def collector_switched_off() -> Case:
    """The loop leaves the garbage collector off, as the first large item has left it."""
    gc.enable()

    def work(item: int) -> bool:
        if item == 90:
            gc.disable()
        compute()
        return gc.isenabled()

    return Case(work, range(150), left=gc.isenabled)


@case("process")
def exit_functions_registered() -> Case:
    """The loop leaves a function for each tenth item to be called at the end of the process."""
    before = atexit._ncallbacks()

    def farewell(item: int) -> None:
        """Do nothing."""

    def work(item: int) -> int:
        if item % 10 == 0:
            atexit.register(farewell, item)
        return compute(item)

    return Case(work, range(150), left=lambda: atexit._ncallbacks() - before >= 15)


@case("process")
def path_of_modules_extended() -> Case:
    """The loop leaves folders at the end of the path of modules, each once."""
    folders = [f"/nowhere/{number}" for number in range(5)]

    def work(item: int) -> int:
        folder = folders[item // 30]
        if folder not in sys.path:
            sys.path.append(folder)
        return compute(item)

    return Case(work, range(150), left=lambda: [name for name in sys.path if "nowhere" in name])


@case("process values", documented=True)
def process_of_the_caller() -> Case:
    """The results say that each item ran in the very process that made the case."""
    owner = os.getpid()

    def work(item: int) -> bool:
        compute()
        return os.getpid() == owner

    return Case(work, range(150))


@case("process")
def child_watched() -> Case:
    """The results say that a child process of the caller is alive, which only its parent can see."""
    child = subprocess.Popen(["sleep", "25"])

    def work(item: int) -> bool:
        compute()
        return child.poll() is None

    def left() -> bool:
        alive = child.poll() is None
        child.kill()
        child.wait()
        return alive

    return Case(work, range(150), left=left)


@case("process values")
def folder_for_temporary_files() -> Case:
    """The results show the folder for temporary files that the program has set."""
    tempfile.tempdir = "/tmp/of-the-user"

    def work(item: int) -> str:
        toil()
        return f"{tempfile.gettempdir()}/{item}"

    return Case(work, range(150))


@case("process")
def resource_limit_lowered() -> Case:
    """The loop leaves the limit of core files as the last item has set it."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))

    def work(item: int) -> int:
        soft = item * 37 % 150 * 4096
        if most == resource.RLIM_INFINITY or most >= soft:
            resource.setrlimit(resource.RLIMIT_CORE, (soft, most))
        return compute(item)

    return Case(work, range(150), left=lambda: resource.getrlimit(resource.RLIMIT_CORE))


@case("process values")
def first_day_of_the_week() -> Case:
    """The results are headers of weeks that begin as the program has told a library."""
    calendar.setfirstweekday(calendar.SUNDAY)

    def work(item: int) -> str:
        toil()
        return f"{item} {calendar.weekheader(2)}"

    return Case(work, range(150))


@case("process values")
def default_time_limit_of_sockets() -> Case:
    """The results show the time limit that the program has set for new sockets."""
    socket.setdefaulttimeout(7.5)

    def work(item: int) -> float | None:
        toil()
        with socket.socket() as fresh:
            return fresh.gettimeout()

    return Case(work, range(150))


@case("process values")
def zone_of_the_clock() -> Case:
    """The results are hours in the time zone that the program has chosen."""
    os.environ["TZ"] = f"XXX-{next(_rounds) + 2}"
    time.tzset()

    def work(item: int) -> int:
        toil()
        return time.localtime(item * 3600).tm_hour

    return Case(work, range(150))


@case("process values")
def hook_of_the_display() -> Case:
    """The loop leaves what the display hook of the program was given."""
    shown: list[int] = []
    sys.displayhook = shown.append

    def work(item: int) -> int:
        compute()
        sys.displayhook(item)
        return item

    return Case(work, range(150), left=lambda: shown)


@case("process")
def audit_hook() -> Case:
    """The loop leaves the names of events that a hook of the process has heard."""
    heard: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith("user."):
            heard.append(event)

    sys.addaudithook(hook)

    def work(item: int) -> int:
        sys.audit(f"user.item{item % 5}", item)
        return compute(item)

    return Case(work, range(150), left=lambda: heard)


@case("process")
def signal_sent_to_itself() -> Case:
    """The loop leaves a count of the signals that items have sent to their own process."""
    caught: list[int] = []
    signal.signal(signal.SIGUSR2, lambda number, frame: caught.append(number))

    def work(item: int) -> int:
        value = compute(item)
        if item % 3 == 0:
            os.kill(os.getpid(), signal.SIGUSR2)
        return value

    return Case(work, range(150), left=lambda: len(caught))
