"""What a function may change of its process: working directory, environment, context, filters, ...

Only what is loaded is asked (``sys.modules``): a look imports nothing. Each part is a state, as of
an object, under the name that people give it.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import _thread
import itertools
import os
import stat
import sys
import time
from _contextvars import copy_context

from amorsize.core.signals import handler_of
from amorsize.inspection.listeners import SIGNALS
from amorsize.inspection.readers import flattened
from amorsize.inspection.state import State, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


DECIMAL_PARTS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
"""Settings of a decimal context. Its flags are left out: each rounding raises one."""

BENIGN_VARIABLES = frozenset({"decimal_context", "numpy.ufunc.extobj", "format_options"})
"""Context variables that are read as settings of their library, and are made when first asked for."""

LEGACY_NUMPY = "numpy.random.mtrand"
AT_EXIT = "the functions that run at exit"

RESOURCES = ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE",
             "RLIMIT_STACK")  # fmt: skip
"""Limits of resources that programs set."""


class ProcessState:
    """One look at the process; ``settings`` only, or also what is open, runs, and was drawn."""

    __slots__ = ("children", "descriptors", "draws", "modules", "parts", "places", "threads")

    def __init__(self, names: set[str], *, settings: bool = False) -> None:
        self.parts: dict[str, State] = {}
        for read in READERS:
            try:
                read(self.parts)
            except Exception:  # a part that cannot be read is not compared
                continue
        if "umask" in names:
            _mask(self.parts)
        if not NUMBERED_NAMES.isdisjoint(names):
            tasks = "get_name" in names and not TASK_NAMES.isdisjoint(names)
            self.parts["the number of the next thread or task"] = _next_numbers(tasks)
        self.modules = len(sys.modules)
        self.draws = {} if settings else _random_states()
        self.descriptors = frozenset() if settings else open_descriptors()
        self.places = {} if settings else places(self.descriptors)
        self.threads = 0 if settings else thread_count()
        self.children = 0 if settings else child_count()

    def changed_to(self, after: ProcessState) -> list[str]:
        """Names of what differs; what only one of the looks could read is left out."""
        names = []
        for name, state in self.parts.items():
            now = after.parts.get(name)
            if name == AT_EXIT and self.modules != after.modules:
                continue  # an import registers what its module needs
            if now is not None and not same(state, now):
                names.append(name)
        for number, place in self.places.items():
            if after.places.get(number, place) != place:
                names.append(f"the place in descriptor {number} ({target(number)})")
        return names

    def left_open(self, after: ProcessState) -> list[str]:
        """What the second look finds open and the first did not."""
        targets = {
            number: target(number) for number in sorted(after.descriptors - self.descriptors)
        }
        found = [
            f"descriptor {number} ({where})"
            for number, where in targets.items()
            if not where.startswith(OF_THE_SYSTEM)
        ]
        if (more := after.threads - self.threads) > 0:
            found.append("1 thread" if more == 1 else f"{more} threads")
        if (more := after.children - self.children) > 0:
            found.append("1 child process" if more == 1 else f"{more} child processes")
        return found


def _system(parts: dict[str, State]) -> None:
    parts["the working directory"] = os.getcwd(), None, ()
    parts["the locale"] = _locale.setlocale(_locale.LC_ALL, None), None, ()
    parts["the time zone"] = (time.tzname, time.timezone), None, ()
    if sys.platform == "linux":
        parts["the niceness"] = os.getpriority(os.PRIO_PROCESS, 0), None, ()
        parts["the CPU affinity"] = os.sched_getaffinity(0), None, ()


def _environment(parts: dict[str, State]) -> None:
    if type(os.environ) is not os._Environ:  # replaced by the user
        return
    held = vars(os.environ)["_data"]
    parts["the environment"] = None, tuple(held), tuple(held.values())


def _interpreter(parts: dict[str, State]) -> None:
    limits = (sys.getrecursionlimit(), sys.getswitchinterval())
    parts["the recursion limit"] = limits[0], None, ()
    parts["the switch interval"] = limits[1], None, ()
    parts["the limit of digits of int"] = sys.get_int_max_str_digits(), None, ()
    parts["the search path of modules"] = None, None, _elements(sys.path)
    parts["the arguments of the program"] = None, None, _elements(sys.argv)
    parts["the standard streams"] = None, None, (sys.stdin, sys.stdout, sys.stderr)
    hooks = sys.excepthook, sys.displayhook, sys.unraisablehook, sys.gettrace(), sys.getprofile()
    parts["the hooks of the interpreter"] = None, None, hooks
    filters = sys.modules["warnings"].filters if "warnings" in sys.modules else ()
    parts["the warnings filters"] = None, None, _elements(filters)
    gc = sys.modules["gc"]
    parts["the garbage collector's settings"] = gc.get_threshold(), None, ()
    if not _thread._count():  # else another run may have stopped it for a moment, as a fork does
        parts["the garbage collector"] = gc.isenabled(), None, ()
    scope = vars(sys.modules["builtins"])
    parts["the builtins"] = None, tuple(scope), tuple(scope.values())
    threads = sys.modules.get("threading")
    if threads is not None:
        thread = threads._active.get(_thread.get_ident())
        parts["the name of the thread"] = getattr(thread, "_name", ""), None, ()
    if "atexit" in sys.modules:
        parts[AT_EXIT] = sys.modules["atexit"]._ncallbacks() - _finalizing(), None, ()


def _elements(held: Any) -> tuple[Any, ...]:
    """Elements of a list; of an object that stands for one, itself."""
    return tuple(held) if type(held) is list else (held,)


def _finalizing() -> int:
    """1 once ``weakref.finalize`` has registered itself to run at exit, as it does when first used."""
    module = sys.modules.get("weakref")
    finalize = vars(module).get("finalize") if module is not None else None
    return int(bool(vars(finalize).get("_registered_with_atexit"))) if finalize is not None else 0


def _signals(parts: dict[str, State]) -> None:
    handlers = tuple([handler_of(number) for number in SIGNALS])
    parts["the signal handlers"] = None, SIGNALS, handlers
    if hasattr(_signal, "pthread_sigmask"):
        parts["the signal mask"] = _signal.pthread_sigmask(_signal.SIG_BLOCK, ()), None, ()
        parts["the interval timer"] = _signal.getitimer(_signal.ITIMER_REAL)[0] > 0, None, ()


def _context(parts: dict[str, State]) -> None:
    decimals: Any = None
    keys, values = [], []
    for variable, value in copy_context().items():
        if variable.name == "decimal_context":
            decimals = value
        elif variable.name not in BENIGN_VARIABLES:
            keys.append(variable)
            values.append(value)
    parts["the context"] = None, tuple(keys), tuple(values)
    module = sys.modules.get("decimal")
    if module is not None:
        if decimals is None:
            decimals = module.DefaultContext
        if type(decimals) is module.Context:
            settings = tuple([getattr(decimals, name) for name in DECIMAL_PARTS])
            traps = tuple([bool(on) for on in decimals.traps.values()])
            parts["the decimal context"] = (settings, traps), None, ()


def _libraries(parts: dict[str, State]) -> None:
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        parts["NumPy's error state"] = tuple(numpy.geterr().values()), None, (numpy.geterrcall(),)
        options = numpy.get_printoptions()
        parts["NumPy's print options"] = None, tuple(options), tuple(options.values())
    sockets = sys.modules.get("_socket")
    if sockets is not None:
        parts["the default time limit of sockets"] = sockets.getdefaulttimeout(), None, ()
    pyplot = sys.modules.get("matplotlib._pylab_helpers")
    if pyplot is not None:
        parts["the figures of pyplot"] = _figures(pyplot), None, ()
    resource = sys.modules.get("resource")
    if resource is not None:
        limits = [resource.getrlimit(getattr(resource, name)) for name in RESOURCES]
        parts["the limits of resources"] = tuple(limits), None, ()
    csv = sys.modules.get("_csv")
    if csv is not None:
        parts["the settings of csv"] = (
            (csv.field_size_limit(), tuple(csv.list_dialects())),
            None,
            (),
        )


def _figures(pyplot: Any) -> tuple[Any, ...]:
    """Numbers of the figures that are open, and how much is drawn on each."""
    found = []
    for number, manager in pyplot.Gcf.figs.items():
        axes = vars(manager.canvas.figure).get("_localaxes", ())
        found.append((number, tuple([len(vars(one).get("_children", ())) for one in axes])))
    return tuple(found)


READERS: tuple[Callable[[dict[str, State]], None], ...] = (
    _system, _environment, _interpreter, _signals, _context, _libraries
)  # fmt: skip


def _mask(parts: dict[str, State]) -> None:
    """File mode mask, without setting it: 25 microseconds, so only of code that names it."""
    try:
        with open("/proc/self/status") as lines:
            mask = next((line for line in lines if line.startswith("Umask")), "")
    except OSError:
        return
    parts["the file mode mask"] = mask, None, ()


NUMBERED_NAMES = frozenset({"name", "getName", "get_name", "current_thread", "current_task"})
"""Names of code that tells what a thread, a task or a process is called."""

COUNTERS = (
    ("threading", "_counter"), ("asyncio.tasks", "_task_name_counter"),
    ("concurrent.futures.thread", "ThreadPoolExecutor", "_counter"),
    ("multiprocessing.process", "_process_counter"),
)  # fmt: skip
"""Where the numbers in their names come from, by module and names in it: an ``itertools.count``, or its
bound method ``__next__``."""


TASK_NAMES = frozenset({"current_task", "create_task", "TaskGroup", "Task", "ensure_future"})
"""Names of code that has tasks of asyncio, whose counter C code keeps: it is taken to have moved."""

_asked = itertools.count()


def _next_numbers(tasks: bool) -> State:
    """The numbers that come next, of those counters that are loaded."""
    found = [str(next(_asked))] if tasks else []
    for module, *names in COUNTERS:
        part: Any = sys.modules.get(module)
        for name in names:
            part = vars(part).get(name) if part is not None else None
        found.append(repr(getattr(part, "__self__", part)))
    return tuple(found), None, ()


def _random_states() -> dict[str, Any]:
    """State of the global generators: of ``random``, and of ``numpy.random`` where it is loaded."""
    found: dict[str, Any] = {}
    module = sys.modules.get("random")
    try:
        if module is not None and type(module._inst) is module.Random:
            found["random"] = module._inst.getstate()
        legacy = sys.modules.get(LEGACY_NUMPY)
        if legacy is not None and type(legacy._rand) is legacy.RandomState:
            found["numpy.random"] = flattened(legacy._rand.get_state(legacy=False))
    except Exception:  # half imported by another thread, or replaced
        pass
    return found


def thread_count() -> int:
    """Threads of the process, those that C libraries started included where they are listed."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return _thread._count()


def child_count() -> int:
    """Child processes of this thread that have not been waited for; 0 where they are not listed."""
    try:
        listing = os.open(f"/proc/self/task/{_thread.get_native_id()}/children", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return len(os.read(listing, 1 << 16).split())
    finally:
        os.close(listing)


def writes() -> int:
    """Times that this process, or a program that it has waited for, wrote somewhere; 0 where that is not
    told."""
    try:
        told = os.open("/proc/self/io", os.O_RDONLY)
    except OSError:
        return 0
    try:
        for line in os.read(told, 512).splitlines():
            if line.startswith(b"syscw:"):
                return int(line[6:])
    finally:
        os.close(told)
    return 0


OF_THE_SYSTEM = "/proc/"
"""What other runs of this process read for a moment: nothing that a worker would share."""

FIRST_DESCRIPTOR = 3
"""The first descriptor behind the standard streams."""


def open_descriptors() -> frozenset[int]:
    """Numbers of the open file descriptors; empty where the system does not list them."""
    try:
        folder = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    except (OSError, AttributeError):
        return frozenset()
    try:
        # The listing works on a duplicate, which gets the number that is free now.
        copy = os.dup(folder)
        os.close(copy)
        return frozenset(map(int, os.listdir(folder))) - {folder, copy}
    finally:
        os.close(folder)


def places(descriptors: frozenset[int]) -> dict[int, tuple[int, int]]:
    """Where each open file stands, and how many bytes wait in each pipe of which both ends are here.

    Not of the standard streams, which all print to, nor of the file that they are led into; and not of
    files that are only appended to, as logs are. Another process may fill or empty a pipe of which it
    has an end."""
    found: dict[int, tuple[int, int]] = {}
    pipes: dict[int, dict[int, int]] = {}
    try:
        import fcntl
    except ImportError:  # no such system
        return found
    streams: set[tuple[int, int]] = set()
    for number in sorted(descriptors):
        try:
            status = os.fstat(number)
            which = status.st_dev, status.st_ino
            if number < FIRST_DESCRIPTOR:
                streams.add(which)
            elif stat.S_ISREG(status.st_mode) and which not in streams:
                if not fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND:
                    found[number] = 0, os.lseek(number, 0, os.SEEK_CUR)
            elif stat.S_ISFIFO(status.st_mode):
                way = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
                pipes.setdefault(status.st_ino, {})[way] = number
        except OSError:  # closed by another thread
            continue
    for ends in pipes.values():
        if len(ends) > 1 and os.O_RDONLY in ends:
            found[ends[os.O_RDONLY]] = 1, _waiting(ends[os.O_RDONLY])
    return found


def _waiting(pipe: int) -> int:
    """Bytes that can be read from a pipe; 0 where that is not told."""
    try:
        import fcntl
        import termios

        told = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    except (ImportError, OSError):
        return 0
    return int.from_bytes(told, sys.byteorder)


def target(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return "closed since"


WORDS = 624
"""Words of 32 bits that one turn of the Mersenne twister gives."""

TURNS = 16
"""Turns between two looks at the clock: 60 microseconds."""

SETTING_NAMES = frozenset(
    {"seed", "setstate", "set_state", "seed_everything", "manual_seed", "set_seed"}
)
"""Names of code that sets a random state."""


WORD_SECONDS = 2e-9
"""Least time in which a word is drawn (``numpy.random.bytes``: 2.6 ns a word)."""


def only_drawn(before: Any, after: Any, item_seconds: float, may_go_on: Callable[[], bool]) -> bool:
    """Did drawing alone lead from one state of a global generator to another?

    No more is searched than can be drawn in the time of the item. ``may_go_on`` ends the search
    earlier, when its own time is spent; then the state counts as drawn from: code of the user's
    that sets one is known by its names (:data:`SETTING_NAMES`), and few libraries do.
    """
    key_before, place_before = _key(before)
    key_after, place_after = _key(after)
    if key_before is None or key_after is None:
        return True
    if key_before == key_after:
        return place_after >= place_before
    random = sys.modules.get("random")
    if random is None:
        return True
    walk, goal = random.Random(), random.Random()
    walk.setstate((3, (*key_before, WORDS), None))
    goal.setstate((3, (*key_after, 0), None))
    wanted = goal.getrandbits(32 * WORDS)
    turns = int(item_seconds / WORD_SECONDS / WORDS) + TURNS
    while turns > 0 and may_go_on():
        for _ in range(TURNS):
            if walk.getrandbits(32 * WORDS) == wanted:
                return True
        turns -= TURNS
    return turns > 0


def _key(state: Any) -> tuple[tuple[int, ...] | None, int]:
    """Words and place of a Mersenne twister, of ``random`` or of NumPy; None of another generator."""
    if len(state) == 3 and type(state[1]) is tuple and len(state[1]) == WORDS + 1:
        return state[1][:-1], state[1][-1]
    twister = dict(state).get("state")
    parts = dict(twister) if type(twister) is tuple else {}
    if type(parts.get("key")) is bytes and len(parts["key"]) == 4 * WORDS:
        return tuple(memoryview(parts["key"]).cast("I")), parts["pos"]
    return None, 0
