"""Whether a function may run in threads, or leave the process, judged by its code and what it uses.

:mod:`amorsize.inspection.decode` walks the code without running it and tells where each value comes
from; here is what that means. Three verdicts, each a sentence for people:

* ``caller_only``: it changes what lives outside the call (globals, captured variables, ``self``, shared
  containers): another process would change a copy, two threads would race;
* ``no_threads``: it touches something that is one for the whole process (the working directory, the
  environment, the warning filters, pyplot's current figure ...);
* ``no_processes``: it uses what must not be shared by a fork or sent away (open files, sockets, database
  connections, locks, generators), or changes its item and returns nothing.

What cannot be seen (C code, callees in other modules beyond the tables) counts as safe: hidden state and
the global random state are documented as the user's affair.
"""

from __future__ import annotations

import builtins
import sys
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType

from amorsize.core.model import Safety
from amorsize.inspection.decode import (
    FRESH,
    GIVEN,
    MISSING,
    NEW,
    SHARED,
    Closure,
    Decoded,
    Frame,
    Unreadable,
    Value,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

STEPS = 20_000
"""Instructions looked at before what is left counts as safe: about 10 ms, in real code some hundred."""
DEPTH = 8
"""Calls followed into one another."""

ONE_FOR_ALL_THREADS = {
    "os.chdir": "the working directory", "os.fchdir": "the working directory",
    "os.umask": "the file mode mask", "os.putenv": "the environment", "os.unsetenv": "the environment",
    "os.chroot": "the root directory", "os.setuid": "the user", "os.nice": "the priority",
    "contextlib.chdir": "the working directory",
    "contextlib.redirect_stdout": "sys.stdout", "contextlib.redirect_stderr": "sys.stderr",
    "warnings.catch_warnings": "the warning filters", "warnings.simplefilter": "the warning filters",
    "warnings.filterwarnings": "the warning filters", "warnings.resetwarnings": "the warning filters",
    "locale.setlocale": "the locale", "random.seed": "the random state",
    "random.setstate": "the random state", "numpy.random.seed": "the random state",
    "numpy.random.set_state": "the random state", "numpy.seterr": "the floating-point error state",
    "socket.setdefaulttimeout": "the socket timeout", "time.tzset": "the time zone",
    "signal.signal": "the signal handlers", "signal.alarm": "the alarm",
    "signal.setitimer": "the alarm", "sys.setrecursionlimit": "the recursion limit",
    "sys.settrace": "the trace function", "sys.setprofile": "the profile function",
    "gc.disable": "the garbage collector", "gc.enable": "the garbage collector",
    "faulthandler.enable": "the fault handler", "mimetypes.init": "the table of types",
    "readline.clear_history": "the input history", "logging.basicConfig": "the logging set-up",
    "logging.disable": "the logging set-up",
}  # fmt: skip
"""Called by their names, resolved through imports and aliases."""
OTHER_NAMES = {
    **{f"posix.{name}": f"os.{name}" for name in ("chdir", "fchdir", "umask", "putenv", "unsetenv")},
    "_locale.setlocale": "locale.setlocale", "_signal.signal": "signal.signal",
    "_signal.alarm": "signal.alarm", "_signal.setitimer": "signal.setitimer",
    "_socket.setdefaulttimeout": "socket.setdefaulttimeout", "None.Random.seed": "random.seed",
    "random.Random.seed": "random.seed", "_warnings.filterwarnings": "warnings.filterwarnings",
}  # fmt: skip
"""What some of them call themselves."""
UNSAFE_MODULES = {
    "matplotlib.pyplot": "pyplot keeps one current figure for all threads",
    "pylab": "pyplot keeps one current figure for all threads",
    "tkinter": "Tk belongs to one thread",
    "turtle": "Tk belongs to one thread",
    "curses": "curses has one screen",
    "readline": "readline has one line",
}
"""Any use of what they hold."""
PROCESS_WIDE = {"os.environ": "the environment", "sys.path": "sys.path", "sys.modules": "sys.modules",
                "sys.argv": "sys.argv", "warnings.filters": "the warning filters"}  # fmt: skip
CHANGES = frozenset({
    "append", "appendleft", "extend", "extendleft", "insert", "remove", "pop", "popleft", "popitem",
    "clear", "update", "setdefault", "add", "discard", "difference_update", "intersection_update",
    "symmetric_difference_update", "sort", "reverse", "rotate", "subtract", "fill", "itemset", "resize",
    "put", "partition", "move_to_end", "__setitem__", "__delitem__", "__iadd__",
})  # fmt: skip
"""Methods that change the object they are called on."""
NOT_SHARED_BY_FORK = {
    "_io": "an open file", "_socket": "a socket", "socket": "a socket", "ssl": "a connection",
    "sqlite3": "a database connection", "_thread": "a lock", "threading": "a lock",
    "queue": "a queue", "_queue": "a queue", "multiprocessing": "an object of multiprocessing",
    "tempfile": "an open file", "http.client": "a connection", "urllib3": "a connection",
    "requests.sessions": "a session", "httpx": "a connection", "aiohttp": "a session",
    "psycopg": "a database connection", "psycopg2": "a database connection",
    "pymysql": "a database connection", "MySQLdb": "a database connection",
    "mysql": "a database connection", "oracledb": "a database connection",
    "pyodbc": "a database connection", "duckdb": "a database connection",
    "sqlalchemy.engine": "a database connection", "sqlalchemy.orm.session": "a database session",
    "redis": "a connection", "pymongo": "a connection", "zmq": "a socket", "grpc": "a channel",
    "kafka": "a connection", "paramiko": "a connection", "h5py": "an open file",
    "netCDF4": "an open file", "zipfile": "an open file", "tarfile": "an open file",
    "mmap": "a mapped file", "selectors": "a selector", "subprocess": "a running program",
    "concurrent.futures": "an executor", "asyncio": "an event loop", "cupy": "an array of a GPU",
    "pycuda": "an object of a GPU", "numba.cuda": "an object of a GPU",
}  # fmt: skip
"""What instances of classes of these modules (or below them) are."""
HARMLESS = frozenset({
    "threading.local", "_thread._local", "_io.StringIO", "_io.BytesIO", "threading.Thread",
    "tempfile.TemporaryDirectory", "urllib3.util.url.Url", "zipfile.Path",
    "multiprocessing.context.DefaultContext",
})  # fmt: skip
"""Classes of those modules that a fork copies well, or that nobody uses from two sides."""
CHANGEABLE = (list, dict, set, bytearray)
PLAIN = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset, range, slice)


def inspect_function(func: Callable[[Any], Any], items: Sequence[Any] = ()) -> Safety:
    """What speaks against threads or processes for ``func`` over data that begin with ``items``.

    Never raises; some hundred microseconds for an ordinary function."""
    judge = _Judge()
    try:
        judge.function(func, items)
    except _Decided:
        pass
    except (Unreadable, IndexError, RecursionError):
        pass  # code that cannot be read counts as safe, as C code does
    except Exception:
        pass  # of objects that lie about themselves
    return Safety(judge.caller_only, judge.no_threads, judge.no_processes)


class _Decided(Exception):
    """Nothing more can be learned."""


class _Judge:
    """Gives the instructions their meaning (see ``bytecode.Judge``)."""

    def __init__(self) -> None:
        self.caller_only: str | None = None
        self.no_threads: str | None = None
        self.no_processes: str | None = None
        self.steps = STEPS
        self.changes_item: str | None = None
        self.walked: dict[tuple[CodeType, int], Value] = {}
        self.module = ""

    # ------------------------------------------------------------------ verdicts

    def keep(self, reason: str) -> None:
        """The function must not leave the caller."""
        if self.caller_only is None:
            self.caller_only = reason
        raise _Decided

    def forbid_threads(self, reason: str) -> None:
        self.no_threads = self.no_threads or reason

    def forbid_processes(self, reason: str) -> None:
        self.no_processes = self.no_processes or reason

    def held(self, value: Any, where: str) -> None:
        """A value that the function uses: may a fork share it?"""
        what = _not_shared(value)
        if what is not None:
            self.forbid_processes(f"{where} is {what}")

    # ------------------------------------------------------------------ functions

    def function(self, func: Any, items: Sequence[Any]) -> None:
        """The function that the user gave."""
        for item in items:
            self.held(item, "an item")
            if type(item) in (list, tuple) and len(item) < 32:
                for part in item:
                    self.held(part, "a part of an item")
        sample = Value(GIVEN, "item", "item", items[0] if len(items) else MISSING)
        self.callable(func, [sample])

    def callable(self, func: Any, args: list[Value]) -> Value:
        """A call of an object from outside of the call."""
        for _ in range(DEPTH):
            if type(func) is partial:
                for one in (*func.args, *func.keywords.values()):
                    self.held(one, "an argument of the partial")
                args = [
                    *(Value(SHARED, "argument", _name_of(one), one) for one in func.args),
                    *args,
                ]
                func = func.func
            elif (wrapped := _plain(func).get("__wrapped__")) is not None and not isinstance(
                func, FunctionType | type
            ):
                func = wrapped
            else:
                break
        if type(func) is MethodType:
            owner = func.__self__
            self.held(owner, "the bound object")
            return self.enter_function(
                func.__func__, [Value(SHARED, "object", "self", owner), *args], {}
            )
        if isinstance(func, BuiltinFunctionType):
            owner = func.__self__
            if owner is not None and type(owner) is not ModuleType:
                self.held(owner, "the bound object")
                if func.__name__ in CHANGES and not isinstance(owner, PLAIN):
                    self.keep(f"{func.__name__} changes a {type(owner).__name__} of the caller")
            self.named_call(func)
            return FRESH
        if isinstance(func, FunctionType):
            return self.enter_function(func, args, {})
        if isinstance(func, type):
            return self.construct(func, args, {})
        call = _class_attribute(type(func), "__call__")
        self.held(func, "the function")
        if isinstance(call, FunctionType):
            return self.enter_function(call, [Value(SHARED, "object", "self", func), *args], {})
        return FRESH

    def enter_function(
        self, func: Any, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """Walk a function with these arguments."""
        code = func.__code__
        if depth > DEPTH:
            return FRESH
        # The names of arguments that live outside decide what a second walk could find.
        key = code, sum(1 << i for i, arg in enumerate(args[:30]) if arg.origin == SHARED)
        if key in self.walked:
            return self.walked[key]
        self.walked[key] = FRESH
        if not self.module:
            self.module = func.__module__ or ""
        wrapped = _plain(func).get("__wrapped__")
        cells = {}
        for name, cell in zip(code.co_freevars, func.__closure__ or (), strict=True):
            try:
                cells[name] = cell.cell_contents
            except ValueError:
                cells[name] = MISSING
        frame = Frame(
            self,
            code,
            Decoded(code),
            func.__globals__,
            name=func.__qualname__,
            cells=cells,
            depth=depth,
        )
        defaults = func.__defaults__ or ()
        for default in (*defaults, *(func.__kwdefaults__ or {}).values()):
            self.held(default, "a default argument")
        self.fill(frame, code, args, named, defaults)
        self.walked[key] = result = frame.run()
        if depth == 0 and self.changes_item and _returns_nothing(code) and not wrapped:
            self.forbid_processes(f"it returns nothing and {self.changes_item}")
        return result

    def fill(
        self,
        frame: Frame,
        code: CodeType,
        args: list[Value],
        named: dict[str, Value],
        defaults: tuple[Any, ...],
    ) -> None:
        """Put arguments into the locals of a frame."""
        count = code.co_argcount
        names = code.co_varnames
        for at in range(min(count, len(args))):
            frame.locals[at] = args[at]
        for at, value in enumerate(reversed(defaults)):
            place = count - 1 - at
            if place >= 0 and frame.locals[place] is None and isinstance(value, CHANGEABLE):
                frame.locals[place] = Value(SHARED, "default", names[place], value)
        for name, value in named.items():
            if name in names[: count + code.co_kwonlyargcount]:
                frame.locals[names.index(name)] = value
        if code.co_flags & 4 and len(args) > count:  # *args
            inner = FRESH
            for value in args[count:]:
                inner = value if value.origin > inner.origin else inner
            frame.locals[count + code.co_kwonlyargcount] = Value(
                inner=inner if inner.origin else None
            )
        for at, value in enumerate(frame.locals):
            if value is None and at < count:
                frame.locals[at] = FRESH

    def construct(
        self, kind: type, args: list[Value], named: dict[str, Value], depth: int = 0
    ) -> Value:
        """A call of a class: its ``__init__`` works on a new object."""
        made = Value(made_by=kind)
        init = _class_attribute(kind, "__init__")
        if isinstance(init, FunctionType) and init.__module__ == self.module:
            self.enter_function(init, [made, *args], named, depth + 1)
        return made

    # ------------------------------------------------------------------ what bytecode.Judge asks

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _Decided

    def load_global(self, frame: Frame, name: str) -> Value:
        value = frame.scope.get(name, MISSING)
        if value is MISSING:
            value = getattr(builtins, name, MISSING)
            return Value(SHARED, "", name, value) if value is not MISSING else FRESH
        return self.found("global", name, value)

    def load_free(self, frame: Frame, name: str) -> Value:
        value = (frame.cells or {}).get(name, MISSING)
        return FRESH if value is MISSING else self.found("captured", name, value)

    def found(self, kind: str, name: str, value: Any) -> Value:
        """A value that lives outside the call."""
        if isinstance(value, ModuleType):
            self.use_module(value.__name__)
            return Value(SHARED, "", value.__name__, value)
        if isinstance(value, PLAIN) and not isinstance(value, tuple):
            return Value(obj=value)
        self.held(value, f"the {kind} '{name}'")
        if isinstance(value, FunctionType | BuiltinFunctionType | type):
            return Value(SHARED, "", name, value)
        return Value(SHARED, kind, name, value)

    def store_global(self, frame: Frame, name: str, verb: str) -> None:
        self.keep(f"{verb} the global '{name}'")

    def store_free(self, frame: Frame, name: str) -> None:
        self.keep(f"stores to the captured variable '{name}'")

    def store_part(self, frame: Frame, base: Value, name: str | None, verb: str) -> None:
        part = f"attribute '{name}' of " if name else "an element of "
        if base.origin == SHARED:
            wide = PROCESS_WIDE.get(base.path)
            if wide is not None or isinstance(base.obj, ModuleType):
                self.keep(f"{verb} {part}{base.path}")
            if type(base.obj).__name__ == "local":  # threading.local
                self.forbid_processes(f"{verb} {part}{base.phrase}")
                return
            self.keep(f"{verb} {part}{base.phrase}")
        elif base.origin == GIVEN:
            self.changes_item = self.changes_item or f"{verb} {part}its item"

    def attribute(self, frame: Frame, base: Value, name: str) -> Value:
        if base is FRESH:
            return Value(base=base, attr=name)
        obj = base.obj
        found: Any = MISSING
        if isinstance(obj, ModuleType):
            found = vars(obj).get(name, MISSING)
            path = f"{obj.__name__}.{name}"
            self.use_module(obj.__name__)
            if isinstance(found, ModuleType):
                return Value(SHARED, "", found.__name__, found)
            if found is not MISSING and not isinstance(found, PLAIN):
                if path not in PROCESS_WIDE and path not in (
                    "sys.stdout",
                    "sys.stderr",
                    "sys.stdin",
                ):
                    self.held(found, path)
                kind = "" if path in PROCESS_WIDE or callable(found) else "global"
                return Value(SHARED, kind, path, found, base=base, attr=name)
            return Value(base=base, attr=name, obj=found, path=path)
        if base.made_by is not None:
            found = _class_attribute(base.made_by, name)
            return Value(NEW, obj=found, base=base, attr=name)
        if obj is not MISSING:
            found = _plain(obj).get(name, MISSING)
            if found is MISSING:
                found = _class_attribute(obj if isinstance(obj, type) else type(obj), name)
                if isinstance(found, property) and isinstance(found.fget, FunctionType):
                    if found.fget.__module__ == self.module:
                        return self.enter_function(found.fget, [base], {}, frame.depth + 1)
                    found = MISSING
            elif base.origin == SHARED:
                self.held(found, f"the attribute '{name}' of {base.phrase}")
        if isinstance(found, PLAIN) and not isinstance(found, tuple):
            return Value(obj=found, base=base, attr=name)
        path = f"{base.path}.{name}" if base.path else name
        return Value(base.origin, base.kind, path, found, base=base, attr=name)

    def super_attribute(self, frame: Frame, base: Value, name: str) -> Value:
        return Value(base.origin, base.kind, base.path, base=base, attr=name)

    def subscript(self, frame: Frame, base: Value, key: Value) -> Value:
        return self.element(base)

    def element(self, base: Value) -> Value:
        if base.inner is not None:
            return base.inner
        if base.origin == NEW:
            return FRESH
        sample = MISSING
        if type(base.obj) in (list, tuple) and base.obj:
            sample = base.obj[0]
        elif type(base.obj) is dict and base.obj:
            sample = next(iter(base.obj.values()))
        if isinstance(sample, PLAIN) and not isinstance(sample, tuple):
            return FRESH
        if type(base.obj).__module__ == "numpy" or isinstance(base.obj, str | bytes | range):
            return FRESH if base.origin == GIVEN else Value(base.origin, base.kind, base.path)
        return Value(base.origin, base.kind, f"{base.path}[...]", sample)

    def in_place(self, frame: Frame, left: Value, operator: str) -> Value:
        changeable = isinstance(left.obj, CHANGEABLE) or (
            left.obj is not MISSING and hasattr(type(left.obj), operator)
        )
        if changeable and left.origin == SHARED:
            self.keep(f"changes {left.phrase}")
        if changeable and left.origin == GIVEN:
            self.changes_item = self.changes_item or "changes its item"
        return left if changeable else FRESH

    def import_module(self, frame: Frame, name: str, level: Any, names: Any) -> Value:
        if level:
            return FRESH
        self.use_module(name)
        whole = sys.modules.get(name if names else name.partition(".")[0])
        return FRESH if whole is None else Value(SHARED, "", whole.__name__, whole)

    def enter(self, frame: Frame, manager: Value) -> Value:
        return manager if manager.origin == SHARED else FRESH

    def call(
        self,
        frame: Frame,
        callee: Value,
        args: list[Value],
        named: dict[str, Value],
        spread: Value | None,
    ) -> Value:
        for value in (*args, *named.values()):
            if isinstance(value.func, Closure):
                self.call_unseen(frame, value.func)
        if isinstance(callee.func, Closure):
            return self.walk_closure(frame, callee.func, args, named)
        obj: Any = callee.obj
        base = callee.base
        if base is not None and callee.attr in CHANGES and not isinstance(base.obj, ModuleType):
            self.change_by_method(callee, base)
        if isinstance(obj, MethodType):
            obj, args = obj.__func__, [Value(SHARED, "object", "self", obj.__self__), *args]
        elif isinstance(obj, FunctionType) and base is not None and base.made_by is None:
            if not isinstance(base.obj, ModuleType | type):
                args = [base, *args]
        elif isinstance(obj, FunctionType) and base is not None and base.made_by is not None:
            args = [base, *args]
        if isinstance(obj, staticmethod | classmethod):
            first = [] if isinstance(obj, staticmethod) else [FRESH]
            obj, args = obj.__func__, [*first, *args]
        self.named_call(obj, callee.path)
        if obj is MISSING or obj is None:
            return FRESH
        if isinstance(obj, FunctionType) and obj.__module__ == self.module:
            return self.enter_function(obj, args, named, frame.depth + 1)
        if isinstance(obj, type) and obj.__module__ == self.module:
            return self.construct(obj, args, named, frame.depth)
        return FRESH

    def change_by_method(self, callee: Value, base: Value) -> None:
        """``base.append(...)`` and the like."""
        defined = callee.obj
        if isinstance(defined, FunctionType):
            return  # a method of the user's class: it is walked
        if base.origin == SHARED and not isinstance(base.obj, PLAIN):
            if type(base.obj).__module__ in ("queue", "_queue"):
                return
            self.keep(f"{callee.attr} changes {base.phrase}")
        elif base.origin == GIVEN and not isinstance(base.obj, PLAIN):
            self.changes_item = self.changes_item or f"{callee.attr} changes its item"

    def call_unseen(self, frame: Frame, closure: Closure) -> None:
        if not closure.called:
            self.walk_closure(frame, closure, [], {})

    def walk_closure(
        self, frame: Frame, closure: Closure, args: list[Value], named: dict[str, Value]
    ) -> Value:
        """A function made inside, called or handed on."""
        if frame.depth > DEPTH:
            return FRESH
        again = closure.called
        closure.called = True
        if again and not any(arg.origin for arg in args):
            return FRESH
        code = closure.code
        inner = Frame(
            self,
            code,
            Decoded(code),
            frame.scope,
            name=code.co_name,
            parent=closure.frame,
            depth=frame.depth + 1,
        )
        self.fill(inner, code, args, named, ())
        return inner.run()

    # ------------------------------------------------------------------ tables

    def named_call(self, func: Any, path: str = "") -> None:
        """A function or class by the path it was read from, or by its own name."""
        name = f"{getattr(func, '__module__', '')}.{getattr(func, '__qualname__', '')}"
        for known in (path, OTHER_NAMES.get(name, name)):
            wide = ONE_FOR_ALL_THREADS.get(known)
            if wide is not None:
                self.forbid_threads(f"{known} changes {wide}, which is one for all threads")

    def use_module(self, name: str) -> None:
        """Something of a module is used."""
        reason = UNSAFE_MODULES.get(name)
        if reason is not None:
            self.forbid_threads(reason)


def _plain(value: Any) -> dict[str, Any]:
    """The instance's own attributes, without running any of its code."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:
        return {}
    return found if type(found) is dict else {}


def _class_attribute(kind: type, name: str) -> Any:
    for base in type.__dict__["__mro__"].__get__(kind):
        found = type.__dict__["__dict__"].__get__(base).get(name, MISSING)
        if found is not MISSING:
            return found
    return MISSING


def _name_of(value: Any) -> str:
    return type(value).__name__


def _not_shared(value: Any) -> str | None:
    """What a value is that must not be shared by a fork, None if it may."""
    kind = type(value)
    module = kind.__module__
    if type(module) is not str:
        return None
    if module == "builtins":
        if kind.__name__ in ("generator", "coroutine", "async_generator"):
            return f"a {kind.__name__.replace('_', ' ')}"
        return None
    if f"{module}.{kind.__qualname__}" in HARMLESS:
        return None
    while module:
        found = NOT_SHARED_BY_FORK.get(module)
        if found is not None:
            return found
        module = module.rpartition(".")[0]
    if kind.__module__.startswith("torch") and getattr(value, "is_cuda", False) is True:
        return "a tensor of a GPU"
    return None


def _returns_nothing(code: CodeType) -> bool:
    """Whether every return of the code gives None, as far as constants tell."""
    previous: tuple[str, int] = ("", 0)
    for _, name, arg, _ in Decoded(code).steps:
        if name == "RETURN_CONST" and code.co_consts[arg] is not None:
            return False
        if name == "RETURN_VALUE" and (
            previous[0] != "LOAD_CONST" or code.co_consts[previous[1]] is not None
        ):
            return False
        previous = (name, arg)
    return True
