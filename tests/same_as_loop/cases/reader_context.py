"""What holds around the call: contexts, settings, hooks of the caller, its thread."""

import contextlib
import decimal
import io
import os
import signal
import sqlite3
import sys
import threading
import warnings
from contextvars import ContextVar

import numpy as np
from case import Case, case, compute, nap, release

USER = ContextVar("USER", default="nobody")
PLACE = threading.local()


def greeted(number):
    compute()
    return f"{USER.get()} {number}"


@case("context", effect=True)
def context_variable_of_the_caller():
    """Set before the call: a new thread would start with the default."""
    USER.set("ada")
    return Case(greeted, range(150), left=USER.get)


@case("context", effect=True)
def context_variable_set_for_the_caller():
    """Set inside, for whoever comes after."""
    trail = ContextVar("trail", default=())

    def f(x):
        compute()
        trail.set((*trail.get()[-3:], x))
        return len(trail.get())

    return Case(f, range(150), left=trail.get)


@case("context", effect=True)
def precision_of_the_caller():
    """getcontext().prec was raised in the caller's thread."""
    decimal.getcontext().prec = 45

    def f(x):
        compute()
        return decimal.Decimal(x) / 7

    return Case(f, range(150), left=lambda: decimal.getcontext().prec)


@case("context", effect=True)
def rounding_changes_on_the_way():
    """The thread's own decimal context is changed by an item, for all later ones."""

    def f(x):
        nap()
        if x == 65:
            decimal.getcontext().rounding = decimal.ROUND_UP
        return decimal.Decimal(x).__truediv__(3).quantize(decimal.Decimal("0.01"))

    return Case(f, range(130), left=lambda: decimal.getcontext().rounding)


@case("context", effect=True)
def numpy_print_options_of_the_caller():
    """np.printoptions is entered around the call; the function turns arrays into text."""
    stack = contextlib.ExitStack()
    stack.enter_context(np.printoptions(precision=2, suppress=True))

    def f(x):
        compute()
        return str(np.array([x / 7, 1e-9]))

    def left():
        stack.close()
        return str(np.array([1 / 3]))

    return Case(f, range(150), left=left)


@case("context", effect=True)
def numpy_errors_raised_for_the_caller():
    """np.errstate(all="raise") around the call; the function counts on the exception."""
    stack = contextlib.ExitStack()
    stack.enter_context(np.errstate(divide="raise", invalid="ignore", over="ignore"))

    def f(x):
        compute()
        try:
            return float(np.float64(x) / np.float64(x % 5))
        except FloatingPointError:
            return "no"

    return Case(f, range(150), left=stack.close)


@case("context", effect=True)
def output_redirected_by_the_caller():
    """redirect_stdout around the call; a helper prints."""
    page, stack = io.StringIO(), contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(page))

    def say(*words):
        print(*words, sep="-")

    def f(x):
        compute()
        say("item", x)
        return x

    def left():
        stack.close()
        return page.getvalue()

    return Case(f, range(150), left=left)


@case("context", effect=True)
def warnings_recorded_by_the_caller():
    """catch_warnings(record=True) around the call: each warning, in its order."""
    stack = contextlib.ExitStack()
    caught = stack.enter_context(warnings.catch_warnings(record=True))
    warnings.simplefilter("always")

    def f(x):
        compute()
        if x % 7 == 0:
            warnings.warn(f"seven divides {x}", stacklevel=1)
        return x

    def left():
        stack.close()
        return [str(warning.message) for warning in caught]

    return Case(f, range(150), left=left)


@case("context", effect=True)
def warned_once_for_each_text():
    """The filter "default": a text is shown once at a place, which the process remembers."""
    shown = []
    warnings.simplefilter("default")
    warnings.showwarning = lambda message, *rest, **named: shown.append(str(message))

    def f(x):
        nap()
        warnings.warn(f"class {x * x % 13}", UserWarning, stacklevel=1)
        return x

    return Case(f, range(130), left=lambda: shown)


def helper(number):
    return number * number


@case("context", effect=True)
def profile_function_of_the_caller():
    """Pure work; but the caller has set a profiler, in its thread, that counts a helper."""
    calls = [0]

    def watch(frame, event, argument):
        if event == "call" and frame.f_code is helper.__code__:
            calls[0] += 1

    def f(x):
        nap()
        return helper(x) + helper(x + 1)

    sys.setprofile(watch)

    def left():
        sys.setprofile(None)
        return calls

    return Case(f, range(150), left=left)


@case("context", effect=True)
def trace_function_of_the_caller():
    """As a coverage tool does it: the lines of a helper that have run."""
    lines = set()

    def classify(x):
        if x % 50 == 49:
            return "rare"
        if x < 0:
            return "never"
        return "common"

    first = classify.__code__.co_firstlineno

    def local(frame, event, argument):
        if event == "line":
            lines.add(frame.f_lineno - first)
        return local

    def trace(frame, event, argument):
        return local if frame.f_code is classify.__code__ else None

    def f(x):
        nap()
        return classify(x)

    sys.settrace(trace)

    def left():
        sys.settrace(None)
        return sorted(lines)

    return Case(f, range(150), left=left)


def depth(node):
    return 0 if node is None else 1 + depth(node[0])


def measured(number):
    nap()
    node = None
    for _ in range(number * 15):
        node = (node,)
    try:
        return depth(node)
    except RecursionError:
        return "too deep"


@case("context", effect=True)
def recursion_limit_of_the_caller():
    """The limit was raised before the call; a fresh interpreter would have the usual one."""
    sys.setrecursionlimit(4000)
    return Case(measured, range(130), left=sys.getrecursionlimit)


def digits(number):
    nap()
    try:
        return len(str(7 ** (number * 45)))
    except ValueError:
        return "too long"


@case("context", effect=True)
def long_numbers_allowed_by_the_caller():
    """set_int_max_str_digits: a limit of the interpreter that the caller lifted."""
    sys.set_int_max_str_digits(9000)
    return Case(digits, range(140), left=sys.get_int_max_str_digits)


@case("threadbound", effect=True)
def connection_belongs_to_its_thread():
    """Only reads; but sqlite3 refuses any other thread."""
    base = sqlite3.connect(":memory:")
    base.execute("create table t (x integer primary key, name text)")
    base.executemany("insert into t values (?, ?)", [(i, f"name {i}") for i in range(150)])

    def f(x):
        nap()
        return base.execute("select name from t where x = ?", (x,)).fetchone()[0]

    return Case(f, range(130), left=lambda: base.total_changes)


def placed(number):
    compute()
    return getattr(PLACE, "name", "nowhere"), number


@case("threadbound", effect=True)
def thread_local_of_the_caller():
    """threading.local filled by the caller: empty in any other thread."""
    PLACE.name = "here"
    return Case(placed, range(150), left=lambda: vars(PLACE))


@case("threadbound", effect=True)
def thread_local_filled_for_the_caller():
    """A request number that stays in the caller's thread."""
    local = threading.local()

    def f(x):
        release()
        local.last = getattr(local, "last", 0) + x % 4
        return local.last

    return Case(f, range(150), left=lambda: local.last)


@case("threadbound", effect=True)
def main_thread_only():
    """A library that refuses to work elsewhere, as toolkits for windows do."""
    main, process = threading.main_thread(), os.getpid()

    def f(x):
        nap()
        if threading.current_thread() is not main:
            return "wrong thread"
        return x if os.getpid() == process else "wrong process"

    return Case(f, range(130))


@case("threadbound", effect=True)
def alarm_guards_a_slow_step():
    """setitimer and a handler as a time limit: only the main thread can."""

    def late(number, frame):
        raise TimeoutError

    def f(x):
        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, 30)
        try:
            compute()
            return x * 3
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return Case(f, range(150), left=lambda: signal.getitimer(signal.ITIMER_REAL))


@case("threadbound", effect=True)
def one_connection_per_thread():
    """A pool by thread: the caller counts afterwards how many were opened."""
    pool = {}

    def f(x):
        nap()
        mine = pool.setdefault(threading.get_ident(), [])
        mine.append(x)
        return len(mine)

    return Case(f, range(130), left=lambda: list(pool.values()))


@case("threadbound", effect=True)
def name_of_the_thread_in_the_result():
    """A log prefix: the thread's name and whether it is a daemon."""

    def f(x):
        compute()
        me = threading.current_thread()
        return f"{me.name}/{me.daemon}: {x}"

    return Case(f, range(150), left=lambda: threading.current_thread().name)
