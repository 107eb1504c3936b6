"""Modules and the process itself: what is set there stays set."""

import atexit
import calendar
import gc
import importlib
import io
import locale
import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import user_lazy
import user_ledger
import user_rates
import user_registry
from case import Case, case, compute, nap, release
from user_scratch import scratch

limit = 0


@case("modules", effect=True)
def books_in_another_module():
    """A function of another of the user's files keeps globals there."""

    def f(x):
        compute()
        user_ledger.book(x % 13)
        return x

    return Case(f, range(150), left=user_ledger.statement)


@case("modules", effect=True)
def plugins_imported_on_demand():
    """An import inside of the function registers; the answer depends on how many are in."""

    def f(x):
        nap()
        name = ("csv", "csv", "ini", "xml")[min(x // 30, 3)]
        importlib.import_module(f"user_plugin_{name}")
        return user_registry.READERS[name](x)

    return Case(f, range(130), left=lambda: (user_registry.loaded, list(user_registry.READERS)))


@case("modules", effect=True)
def module_level_getattr():
    """``user_lazy.rate_7``: reading an attribute of a module runs its __getattr__, which notes it."""

    def f(x):
        compute()
        return getattr(user_lazy, f"rate_{x % 10}") * 2

    return Case(f, range(150), left=lambda: user_lazy.asked)


def rate_for(number):
    before = user_rates.mode
    user_rates.mode = "gross" if number % 3 else "net"
    try:
        nap()
        return user_rates.gross(number)
    finally:
        user_rates.mode = before


@case("modules", effect=True)
def module_switch_set_and_put_back():
    """Nothing stays behind; but in threads each would see the others' switch."""
    return Case(rate_for, range(130), left=user_rates.describe)


def globals_by_subscript(number):
    compute()
    space = globals()
    space["limit"] = max(space["limit"], number * 31 % 149)
    return space["limit"]


@case("modules", effect=True)
def globals_as_a_dict():
    """No global statement; the module's dict is written to."""
    return Case(globals_by_subscript, range(150), left=lambda: limit)


@case("modules", effect=True)
def formulas_run_in_one_namespace():
    """exec with a namespace that lives on, as a spreadsheet does it."""
    names = {"total": 0}
    formula = compile("total += cell\nshare = cell / total", "<cell>", "exec")

    def f(cell):
        compute()
        exec(formula, names, None)
        return round(names["share"], 9)

    def g(cell):
        names["cell"] = cell
        return f(cell)

    return Case(g, range(1, 151), left=lambda: (names["total"], names["cell"]))


@case("modules", effect=True)
def helper_replaced_at_run_time():
    """The first large item swaps the algorithm: a function of a module is replaced by another."""

    def exact(net):
        return f"exact {net}"

    def f(x):
        compute()
        if x == 75:
            user_rates.gross = exact
        return user_rates.gross(x)

    return Case(f, range(150), left=lambda: user_rates.gross(1))


@case("modules", effect=True)
def class_of_a_module_reconfigured():
    """``setattr`` on an imported class with a name put together at run time."""

    def f(x):
        compute()
        setattr(calendar.TextCalendar, f"shade_{x % 3}", x)
        return calendar.TextCalendar.shade_0

    left = lambda: [getattr(calendar.TextCalendar, f"shade_{i}") for i in range(3)]  # noqa: E731
    return Case(f, range(150), left=left)


@case("modules", effect=True)
def first_day_of_the_week():
    """A setter of the standard library that keeps a global; what follows prints differently."""

    def f(x):
        compute()
        if x % 50 == 49:
            calendar.setfirstweekday(x // 50)
        return calendar.weekheader(2) if x % 10 == 0 else calendar.monthrange(2000 + x, 2)[1]

    return Case(f, range(150), left=lambda: (calendar.firstweekday(), calendar.weekheader(3)))


def exported(number):
    compute()
    name = f"READER_{number % 7}"
    os.environ[name] = os.environ.get(name, "") + str(number % 10)
    return len(os.environ[name])


@case("process", effect=True)
def environment_variables_grow():
    """What later child processes will be given."""

    def left():
        return sorted(item for item in os.environ.items() if item[0].startswith("READER_"))

    return Case(exported, range(150), left=left)


@case("process", effect=True)
def current_directory_moves():
    """chdir up and down between folders; names of files are relative to it."""
    root = scratch()
    for name in ("a", "b", "c"):
        (root / name).mkdir()
        (root / name / "word.txt").write_text(name * 3)
    os.chdir(root / "a")

    def f(x):
        nap()
        text = Path("word.txt").read_text()
        if x % 4 == 3:
            os.chdir(os.path.join("..", "abc"[x // 4 % 3]))
        return text

    def left():
        here = Path.cwd().name
        os.chdir("/")
        return here

    return Case(f, range(130), left=left)


@case("process", effect=True)
def cleaning_up_is_registered_for_the_end():
    """atexit: run when this process ends, not when a worker does."""
    before = atexit._ncallbacks()

    def f(x):
        compute()
        if x % 10 == 0:
            atexit.register(int, x)
        return x // 2

    return Case(f, range(150), left=lambda: atexit._ncallbacks() - before)


@case("process", effect=True)
def handler_of_a_signal_changes():
    """signal.signal: only the main thread may, and it holds for this process."""

    def one(number, frame):
        pass

    def two(number, frame):
        pass

    def f(x):
        compute()
        before = signal.signal(signal.SIGUSR1, one if x % 3 else two)
        return getattr(before, "__name__", "default")

    return Case(f, range(150), left=lambda: signal.getsignal(signal.SIGUSR1).__name__)


@case("process", effect=True)
def sends_itself_a_signal():
    """The handler, in the main thread, counts what the function sends to its own process."""
    got = []
    signal.signal(signal.SIGUSR2, lambda number, frame: got.append(len(got)))

    def f(x):
        compute()
        if x % 5 == 0:
            os.kill(os.getpid(), signal.SIGUSR2)
        return x

    return Case(f, range(150), left=lambda: got)


@case("process", effect=True)
def umask_tightened():
    """The mask is the process's; later files get it."""
    os.umask(0o022)

    def f(x):
        compute()
        return os.umask(0o077 if x > 100 else 0o027)

    return Case(f, range(150), left=lambda: os.umask(0o022))


@case("process", effect=True)
def time_zone_switched():
    """TZ and tzset: the C library's own global state."""
    os.environ["TZ"] = "UTC"
    time.tzset()

    def f(x):
        release()
        hour = time.localtime(86400 * 20).tm_hour
        if x % 40 == 39:
            os.environ["TZ"] = f"XYZ-{x // 40 + 1}"
            time.tzset()
        return hour

    return Case(f, range(170), left=lambda: (time.tzname, time.timezone))


@case("process", effect=True)
def characters_of_the_locale():
    """setlocale in the middle: it is the process's, and each item sees what the last one set."""
    locale.setlocale(locale.LC_ALL, "C")

    def f(x):
        compute()
        before = locale.setlocale(locale.LC_CTYPE)
        locale.setlocale(locale.LC_CTYPE, "C" if x % 2 else "C.UTF-8")
        return before

    return Case(f, range(151), left=lambda: locale.setlocale(locale.LC_CTYPE))


@case("process", effect=True)
def prints_into_a_replaced_stdout():
    """print: sys.stdout is an object of this process while the call runs."""
    page, screen = io.StringIO(), sys.stdout
    sys.stdout = page

    def f(x):
        nap()
        print(x, end=";" if x % 10 else "\n")
        return x

    def left():
        sys.stdout = screen
        return page.getvalue()

    return Case(f, range(130), left=left)


@case("process", effect=True)
def filters_of_warnings_added():
    """One more filter for each new kind; the list is the process's."""
    warnings.resetwarnings()

    def f(x):
        compute()
        if x % 25 == 0:
            warnings.filterwarnings("ignore", message=f"no {x}")
        return x

    left = lambda: [entry[1].pattern for entry in warnings.filters]  # noqa: E731
    return Case(f, range(150), left=left)


@case("process", effect=True)
def garbage_collector_tuned():
    """Thresholds are set by what was seen; pure otherwise."""
    gc.set_threshold(700, 10, 10)

    def f(x):
        compute()
        first, second, _ = gc.get_threshold()
        gc.set_threshold(first + 10, second, 10)
        return first

    def left():
        threshold = gc.get_threshold()[:2]
        gc.set_threshold(700, 10, 10)
        return threshold

    return Case(f, range(150), left=left)


@case("process", effect=True)
def events_heard_by_an_audit_hook():
    """sys.audit says something; a hook that cannot be taken away hears it, in this process."""
    heard = []

    def hook(event, arguments):
        if event == "reader.item":
            heard.append(arguments[0])

    sys.addaudithook(hook)

    def f(x):
        compute()
        sys.audit("reader.item", x)
        return -x

    return Case(f, range(150), left=lambda: heard)


@case("process", effect=True)
def thread_started_and_left_running():
    """Each item starts a thread that works on; the caller joins them all at the end."""
    started, finished = [], set()

    def f(x):
        compute()
        if x % 6 == 0:
            thread = threading.Thread(target=finished.add, args=(x,))
            thread.start()
            started.append(thread)
        return x

    def left():
        for thread in started:
            thread.join()
        return len(started), sorted(finished)

    return Case(f, range(150), left=left)


@case("process", effect=True)
def search_path_extended():
    """sys.path gets a folder, once for each; the next import will look there."""
    before = list(sys.path)

    def f(x):
        compute()
        folder = f"/nonexistent/{x * x % 11}"
        if folder not in sys.path:
            sys.path.append(folder)
        return sys.path.index(folder) - len(before)

    def left():
        added = sys.path[len(before) :]
        sys.path[:] = before
        return added

    return Case(f, range(150), left=left)
