"""State of the process and of the interpreter; written before the rules were looked at."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import calendar
import contextlib
import contextvars
import faulthandler
import functools
import gc
import io
import locale
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import types
import warnings
from typing import Any

from case import Case, case, release, toil

RARE = {29, 44, 61, 83}
N = 100


@case("process")
def unseen_environment_by_rare_items() -> Case:
    """Rare items set a variable through ``setdefault``."""
    os.environ.pop("UNSEEN_FIRST", None)

    def work(item: int) -> int:
        if item in RARE:
            os.environ.setdefault("UNSEEN_FIRST", str(item))
        return toil(item)

    return Case(work, range(N), left=lambda: os.environ.get("UNSEEN_FIRST"))


@case("process")
def unseen_directory_changed_by_a_rare_item() -> Case:
    """A rare item goes to another folder, and stays there."""
    folder = tempfile.mkdtemp()
    os.chdir("/")

    def work(item: int) -> bool:
        toil()
        if item == 44:
            os.chdir(folder)
        return os.getcwd() == "/"

    return Case(work, range(N), left=lambda: os.getcwd() == "/")


@case("process")
def unseen_directory_by_a_block() -> Case:
    """Each item works in a folder of its own, by a block that goes back."""
    folders = [tempfile.mkdtemp() for _ in range(40)]

    def work(folder: str) -> list[str]:
        with contextlib.chdir(folder):
            toil()
            with open("out.txt", "w") as file:
                file.write("x")
            return os.listdir()

    return Case(work, folders, left=lambda: [os.listdir(folder) for folder in folders])


@case("process")
def unseen_hook_of_exceptions() -> Case:
    """Rare items replace the hook of exceptions."""
    sys.excepthook = sys.__excepthook__

    def work(item: int) -> int:
        if item in RARE:
            sys.excepthook = functools.partial(print, item)
        return toil(item)

    return Case(work, range(N), left=lambda: sys.excepthook is sys.__excepthook__)


@case("process")
def unseen_interval_of_switching() -> Case:
    """Rare items change how often threads take turns."""
    sys.setswitchinterval(0.005)

    def work(item: int) -> int:
        if item in RARE:
            sys.setswitchinterval(0.001 * (1 + item))
        return toil(item)

    return Case(work, range(N), left=lambda: round(sys.getswitchinterval(), 4))


@case("process")
def unseen_thresholds_of_the_collector() -> Case:
    """Rare items set the thresholds of the collector."""
    gc.set_threshold(700, 10, 10)

    def work(item: int) -> int:
        if item in RARE:
            gc.set_threshold(700 + item)
        return toil(item)

    return Case(work, range(N), left=gc.get_threshold)


@case("process")
def unseen_finder_of_modules() -> Case:
    """Rare items add a finder of modules."""

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            return None

    sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "Finder"]

    def work(item: int) -> int:
        if item in RARE:
            sys.meta_path.append(Finder())
        return toil(item)

    left = lambda: sum(type(one).__name__ == "Finder" for one in sys.meta_path)  # noqa: E731
    return Case(work, range(N), left=left)


@case("process")
def unseen_module_put_into_the_table() -> Case:
    """Rare items put a module into the table of modules."""
    for name in [name for name in sys.modules if name.startswith("unseen_made")]:
        del sys.modules[name]

    def work(item: int) -> int:
        if item in RARE:
            sys.modules[f"unseen_made{item}"] = types.ModuleType("made")
        return toil(item)

    left = lambda: sorted(n for n in sys.modules if n.startswith("unseen_made"))  # noqa: E731
    return Case(work, range(N), left=left)


@case("process")
def unseen_name_among_the_builtins() -> Case:
    """Rare items leave a name among the builtins."""
    builtins.unseen_mark = 0  # type: ignore[attr-defined]

    def work(item: int) -> int:
        toil()
        if item in RARE:
            builtins.__dict__["unseen_mark"] = item
        return int(builtins.unseen_mark)  # type: ignore[attr-defined]

    return Case(work, range(N), left=lambda: builtins.unseen_mark)  # type: ignore[attr-defined]


@case("process")
def unseen_handler_by_a_helper() -> Case:
    """A helper ignores a signal for rare items."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)

    def quiet() -> None:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

    def work(item: int) -> int:
        if item in RARE:
            quiet()
        return toil(item)

    return Case(work, range(N), left=lambda: signal.getsignal(signal.SIGUSR1))


@case("process")
def unseen_signals_blocked() -> Case:
    """A rare item blocks a signal."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})

    def work(item: int) -> int:
        if item == 44:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        return toil(item)

    return Case(work, range(N), left=lambda: signal.SIGUSR2 in signal.pthread_sigmask(0, ()))


@case("process")
def unseen_exit_function_with_arguments() -> Case:
    """Rare items register what is to be done at the exit, through a decorator-like call."""
    before = atexit._ncallbacks()

    def work(item: int) -> int:
        if item in RARE:
            atexit.register(int, item)
        return toil(item)

    return Case(work, range(N), left=lambda: atexit._ncallbacks() - before)


@case("process")
def unseen_locale_for_rare_items() -> Case:
    """Rare items set the locale of numbers."""
    locale.setlocale(locale.LC_NUMERIC, "C")

    def work(item: int) -> int:
        if item in RARE:
            locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
        return toil(item)

    return Case(work, range(N), left=lambda: locale.setlocale(locale.LC_NUMERIC))


@case("process")
def unseen_priority_and_mask() -> Case:
    """A rare item tightens the mask of new files."""
    os.umask(0o022)

    def work(item: int) -> int:
        if item == 61:
            os.umask(0o077)
        return toil(item)

    return Case(work, range(N), left=lambda: os.umask(0o022))


@case("process")
def unseen_limit_of_open_files() -> Case:
    """A rare item lowers the limit of core files."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))

    def work(item: int) -> int:
        if item == 61 and hard:
            resource.setrlimit(resource.RLIMIT_CORE, (hard and 1, hard))
        return toil(item)

    return Case(work, range(N), left=lambda: resource.getrlimit(resource.RLIMIT_CORE))


@case("process")
def unseen_default_timeout_by_a_rare_item() -> Case:
    """A rare item sets the time limit of new sockets."""
    socket.setdefaulttimeout(None)

    def work(item: int) -> int:
        if item in RARE:
            socket.setdefaulttimeout(float(item))
        return toil(item)

    return Case(work, range(N), left=socket.getdefaulttimeout)


@case("process")
def unseen_filter_by_rare_items() -> Case:
    """Rare items make warnings of a text quiet."""
    warnings.resetwarnings()

    def work(item: int) -> int:
        if item in RARE:
            warnings.filterwarnings("ignore", message=f"rare {item}")
        return toil(item)

    return Case(work, range(N), left=lambda: [f[1].pattern for f in warnings.filters if f[1]])


@case("process")
def unseen_output_replaced_by_a_rare_item() -> Case:
    """From a rare item on, what is printed goes to memory."""
    kept, first = io.StringIO(), sys.stdout
    sys.stdout = sys.__stdout__

    def work(item: int) -> int:
        value = toil(item)
        if item == 44:
            sys.stdout = kept
        elif item in RARE and sys.stdout is kept:
            print(item)
        return value

    def left() -> str:
        sys.stdout = first
        return kept.getvalue()

    return Case(work, range(N), left=left)


@case("process")
def unseen_descriptor_moved_aside() -> Case:
    """A rare item opens a descriptor and leaves it to a table of the caller."""
    kept: list[int] = []

    def work(item: int) -> int:
        value = toil(item)
        if item in RARE:
            kept.append(os.open("/dev/null", os.O_RDONLY))
        return value

    return Case(work, range(N), left=lambda: [os.fstat(fd).st_rdev for fd in kept])


@case("process")
def unseen_thread_that_goes_on() -> Case:
    """A rare item starts a thread that fills a list."""
    heard: list[int] = []
    started: list[threading.Thread] = []

    def work(item: int) -> int:
        if item in RARE:
            started.append(threading.Thread(target=heard.append, args=(item,)))
            started[-1].start()
        return toil(item)

    def left() -> list[int]:
        for thread in started:
            thread.join()
        return sorted(heard)

    return Case(work, range(N), left=left)


@case("process")
def unseen_weekday_and_zone() -> Case:
    """Rare items set the zone of the clock."""
    os.environ["TZ"] = "UTC"
    time.tzset()

    def work(item: int) -> int:
        if item in RARE:
            os.environ["TZ"] = f"XXX{item % 12}"
            time.tzset()
        return toil(item)

    return Case(work, range(N), left=lambda: time.timezone)


@case("process")
def unseen_calendar_by_its_module() -> Case:
    """Rare items set the first day of the week by the module's own function."""
    calendar.setfirstweekday(0)
    put = calendar.setfirstweekday

    def work(item: int) -> int:
        if item in RARE:
            put(item % 7)
        return toil(item)

    return Case(work, range(N), left=calendar.firstweekday)


@case("process")
def unseen_warnings_to_the_log() -> Case:
    """A rare item sends warnings to the log."""
    logging.captureWarnings(False)
    first = warnings.showwarning

    def work(item: int) -> int:
        if item == 44:
            logging.captureWarnings(True)
        return toil(item)

    def left() -> bool:
        changed = warnings.showwarning is not first
        logging.captureWarnings(False)
        return changed

    return Case(work, range(N), left=left)


@case("process")
def unseen_fault_handler_switched_on() -> Case:
    """A rare item switches the fault handler on."""
    faulthandler.disable()

    def work(item: int) -> int:
        if item == 44:
            faulthandler.enable(open(os.devnull, "w"))  # noqa: SIM115
        return toil(item)

    return Case(work, range(N), left=faulthandler.is_enabled)


@case("process")
def unseen_policy_of_event_loops() -> Case:
    """A rare item sets the policy of event loops."""
    asyncio.set_event_loop_policy(None)

    def work(item: int) -> int:
        if item == 44:
            asyncio.set_event_loop_policy(type("Own", (asyncio.DefaultEventLoopPolicy,), {})())
        return toil(item)

    return Case(work, range(N), left=lambda: type(asyncio.get_event_loop_policy()).__name__)


@case("process")
def unseen_profile_function_of_threads() -> Case:
    """A rare item sets the function that profiles threads to come."""
    threading.setprofile(None)  # type: ignore[arg-type]

    def work(item: int) -> int:
        if item == 44:
            threading.setprofile(lambda *event: None)
        return toil(item)

    def left() -> bool:
        found = threading.getprofile() is not None
        threading.setprofile(None)  # type: ignore[arg-type]
        return found

    return Case(work, range(N), left=left)


@case("context")
def unseen_variable_set_by_rare_items() -> Case:
    """Rare items set a context variable, and later ones read it."""
    current: contextvars.ContextVar[int] = contextvars.ContextVar("current", default=0)
    current.set(0)

    def work(item: int) -> int:
        toil()
        if item in RARE:
            current.set(item)
        return current.get()

    return Case(work, range(N), left=current.get)


@case("context")
def unseen_variable_of_the_caller_without_the_lock() -> Case:
    """A context variable of the caller is read by work that threads would do."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    tenant.set("blue")

    def work(item: int) -> str:
        for _ in range(4):
            release(item)
        return tenant.get("none")

    return Case(work, range(80))


@case("threadbound")
def unseen_values_by_thread_number() -> Case:
    """Results go to a table by the number of the thread that made them."""
    by_thread: dict[bool, int] = {}
    main = threading.get_ident()

    def work(item: int) -> int:
        value = release(item)
        here = threading.get_ident() == main
        by_thread[here] = by_thread.get(here, 0) + 1
        return len(value)

    return Case(work, range(N), left=lambda: by_thread)


@case("threadbound")
def unseen_cache_by_thread_filled_by_the_caller() -> Case:
    """A ``threading.local`` object of the caller has a prefix that the function reads."""
    local = threading.local()
    local.prefix = "p"

    def work(item: int) -> str:
        for _ in range(4):
            release(item)
        return str(getattr(local, "prefix", "")) + str(item)

    return Case(work, range(80))


@case("order")
def unseen_lock_free_sequence() -> Case:
    """A number is read, work is done, and the next is written: items take turns in the loop."""
    state = {"next": 0}

    def work(item: int) -> int:
        mine = state["next"]
        release(item)
        state["next"] = mine + 1
        return mine

    return Case(work, range(N), left=lambda: state)


@case("order")
def unseen_retries_of_a_flaky_service() -> Case:
    """Every fifteenth call of a service fails, whoever makes it."""

    class Service:
        def __init__(self) -> None:
            self.calls = 0

        def ask(self, item: int) -> int:
            self.calls += 1
            if self.calls % 15 == 0:
                raise ConnectionError(self.calls)
            return toil(item)

    service = Service()

    def work(item: int) -> int:
        try:
            return service.ask(item)
        except ConnectionError as error:
            return -int(error.args[0])

    return Case(work, range(N), left=lambda: service.calls)


@case("order")
def unseen_first_failure_leaves_what_was_done() -> Case:
    """An item fails in the middle; what was noted until then stays."""
    done: set[int] = set()

    def work(item: int) -> int:
        value = toil(item)
        if item == 61:
            raise ValueError(item)
        if item % 10 == 7:
            done.add(item)
        return value

    return Case(work, range(N), left=lambda: sorted(done))
