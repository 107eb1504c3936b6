"""What speaks against threads and processes, gathered while a function is read."""

from __future__ import annotations

import _thread
from types import BuiltinFunctionType, FunctionType, ModuleType

from amorsize.inspection import call_rules as rules
from amorsize.inspection.abstract_value import GIVEN, MISSING, NEW, PART, SHARED, VIEW, Value
from amorsize.inspection.bindings import (
    BARE,
    CALLER,
    binding,
)
from amorsize.inspection.known_names import (
    BELONGS,
    FILTERS,
    OF_THE_CALLING_THREAD,
    OF_THE_THREAD,
    ONE_FOR_ALL_THREADS,
    PLAIN,
    RESTORED,
    UNSAFE_MODULES,
)
from amorsize.inspection.listeners import warnings_are_heard
from amorsize.inspection.objects import class_attribute
from amorsize.inspection.origins import is_a, own_module
from amorsize.inspection.verbs import changes_by_name, sets_library_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any


class Decided(Exception):
    """Nothing more can be learned."""


PASSED_ON = (int, float, complex, str, bytes, tuple, frozenset)
"""Types of what the caller's thread has of an attribute that items count in, or pass on."""


class LocalStores:
    """What a function sets in a ``threading.local``: what it leaves there for the next item.

    An object that each thread makes once (a session, a buffer) is what such data are for. What is
    counted there, or passed from item to item, is another on each thread, and in the caller none of it
    is left."""

    def __init__(self, local: Any, where: str) -> None:
        self.local, self.where = local, where
        self.names: set[str] = set()
        self.always: set[str] = set()
        """Those that each item sets."""
        self.passed_on: str | None = None
        """One that is computed of what was there, or that is the item."""
        self.made: dict[str, type] = {}
        """Classes of new objects that are set."""

    def set(self, name: str, *, unsure: bool) -> None:
        """An attribute is set; ``unsure``: by some items only."""
        self.names.add(name)
        if not unsure:
            self.always.add(name)

    def give(self, name: str, value: Value) -> None:
        """An attribute is set to this."""
        base = value.base
        computed = value.origin == NEW and base is not None and base.obj is self.local
        if computed or value.origin == GIVEN:
            self.passed_on = self.passed_on or name
        if value.made_by is not None:
            self.made[name] = value.made_by

    def reason(self) -> str | None:
        """Why the function stays in the caller; None where each thread may have its own."""
        kind = type(self.local)
        held = _thread._local.__getattribute__(self.local, "__dict__")
        # Each thread that uses it has them set where the user's __init__ does.
        inherited = own_module(kind.__module__) and class_attribute(kind, "__init__") is not MISSING
        foreign = [] if inherited else sorted(set(held) - self.names)
        if foreign:
            return f"{self.where} has '{foreign[0]}' set for the caller's thread"
        counted = sorted(name for name in self.names if type(held.get(name)) in PASSED_ON)
        counted += sorted(self.always - set(held))  # no item has run here: it may be anything
        name = self.passed_on or (counted[0] if counted else None)
        return None if name is None else f"{self.where}, and '{name}' goes from item to item"


class Verdicts:
    """What is known so far against threads and processes."""

    def __init__(self) -> None:
        self.caller_only: str | None = None
        self.no_threads: str | None = None
        self.no_processes: str | None = None
        self.draws: str | None = None
        self.elsewhere: str | None = None
        self.unproven: str | None = None
        """A call of a library's object whose code is not read."""
        self.unsure = False
        """Whether what is looked at now runs for some items only."""
        self.reaches_objects = False
        """Something is used whose attributes and elements are worth a search."""
        self._filters: str | None = None
        self._restores_filters = False
        self._uses: set[str] = set()
        """Uses of files and databases that were seen, by the words of :meth:`note`'s calls."""
        self.locked: set[CodeType] = set()
        """Code that holds a lock for a while."""
        self.pools: dict[int, tuple[Value, set[str]]] = {}
        """Shared lists that are changed with a lock held: by taking from them, by giving back."""
        self._waits = False
        """A semaphore or condition is entered: it may bound how many take from a pool."""
        self._at = 0
        """Place of the instruction that is looked at, in its code."""
        self._part_changes: dict[str, tuple[int, str]] = {}
        """Where a part of a library's object is changed first, by its name."""
        self._locals: dict[int, LocalStores] = {}

    def note(self, use: str, seen: object) -> None:
        """Remember a use of files or databases, where it was seen."""
        if seen:
            self._uses.add(use)

    def keep(self, reason: str) -> None:
        """The function must not leave the caller."""
        if self.caller_only is None:
            self.caller_only = reason
        raise Decided

    def forbid_threads(self, reason: str) -> None:
        self.no_threads = self.no_threads or reason

    def forbid_processes(self, reason: str) -> None:
        self.no_processes = self.no_processes or reason

    def held(self, value: Any, where: str, *, given: bool = False) -> None:
        """A value that the function uses: may it be copied, or used by two threads?"""
        if is_a(value, PLAIN) and not (is_a(value, tuple) and value):
            return
        if is_a(value, FunctionType | BuiltinFunctionType | ModuleType | type):
            return
        self.reaches_objects = True
        if type(value).__name__ == "local" or any(
            base.__name__ == "_local" for base in type(value).__mro__
        ):
            self._stores(value, where)
            return
        bound = binding(value, given=given)
        if bound is None:
            return
        guarded = bound[1] in BARE.values() and self.locked
        if bound[0] == CALLER and not guarded:
            self.keep(f"{where} is {bound[1]}")
        self.forbid_processes(f"{where} is {bound[1]}")

    def change_item(self, how: str) -> None:
        """The item itself is changed: seen by the caller, but not from another process."""
        self.forbid_processes(how)

    def change(self, value: Value, how: str) -> None:
        """A call changes this value in place."""
        if value.kind in (PART, VIEW) and not self.unsure:
            self.change_part(value, how)
            return
        if value.origin == SHARED and not is_a(value.obj, PLAIN):
            self.keep(f"{how} {value.phrase}")
        elif value.origin == GIVEN and not is_a(value.obj, PLAIN):
            self.change_item(f"{how} its item")

    def stand(self, at: int) -> None:
        """The instruction at this place is looked at."""
        self._at = at

    def change_part(self, part: Value, how: str) -> None:
        """What a library's object gave is changed: the watched item does it, too, and it is seen.

        Unless a second change sets it back: then the looks before and after the item find the same."""
        place = (self._at, how)
        name = part.path.rpartition(".")[2]
        if part.origin == SHARED and self._part_changes.setdefault(name, place) != place:
            self.keep(f"{how} {part.phrase}, which it changes elsewhere, too, and may set back")

    def store_local(self, local: Any, name: str | None, where: str) -> None:
        """An attribute of a ``threading.local`` is set by the function itself."""
        self._stores(local, where).set(name or "", unsure=self.unsure)
        self.forbid_processes(where)

    def give_local(self, base: Value, name: str, value: Value) -> None:
        """What an attribute of a ``threading.local`` is set to."""
        self._stores(base.obj, f"stores to attribute '{name}' of {base.phrase}").give(name, value)

    def made_for(self, local: Any, name: str) -> type | None:
        """The class of the object that the function itself puts there; None where it is not known."""
        stores = self._locals.get(id(local))
        return None if stores is None else stores.made.get(name)

    def _stores(self, local: Any, where: str) -> LocalStores:
        return self._locals.setdefault(id(local), LocalStores(local, where))

    def change_process(self, known: str, what: str) -> None:
        """What is one for the whole process is changed."""
        reason = f"{known} changes {what}, which is one for all threads"
        if known in RESTORED:
            self._restores_filters = self._restores_filters or known == "warnings.catch_warnings"
            self.forbid_threads(reason)
        elif known in FILTERS:
            self._filters = self._filters or reason
            self.forbid_threads(reason)
        else:
            self.keep(reason)

    def finish(self, *, callers_thread: bool = True) -> None:
        """What only the whole function tells. Each thread has its own ``threading.local``."""
        listed = {"folders are listed", "files are written"} <= self._uses
        if listed and "a folder of its own" not in self._uses:
            self.keep("it writes files, and lists a folder")
        if "a descriptor is opened" in self._uses and "a descriptor is closed" not in self._uses:
            self.forbid_processes("it opens descriptors that it leaves open")
        if "a child is started" in self._uses and "a child is waited for" not in self._uses:
            self.keep("it starts children that it does not wait for")
        if {"a database is opened", "rows are written"} <= self._uses:
            self.keep("it writes to a database that its items share")
        if self._filters is not None and not self._restores_filters:
            self.keep(self._filters)
        for pool, done in self.pools.values():
            if len(done) < 2:
                self.keep(f"changes {pool.phrase}")
            self.forbid_processes(f"{pool.phrase} is a pool of what is used in turns")
        for stores in self._locals.values():
            reason = stores.reason() if callers_thread else f"{stores.where} is each thread's own"
            if reason is not None:
                self.keep(reason)

    def cannot_read(self, error: Exception) -> None:
        """What is not read is not safe: the run stays in the caller."""
        if self.caller_only is None:
            self.caller_only = f"its code cannot be read here ({str(error) or 'a stack differs'})"


class Tables(Verdicts):
    """What the tables of known names say of a call."""

    def known_call(self, func: Any, path: str, args: list[Value], named: dict[str, Value]) -> None:
        """What the tables say of a call."""
        name = rules.name_of_callable(func)
        for known in (path, name):
            wide = ONE_FOR_ALL_THREADS.get(known)
            if wide is not None and not self.of_new_object(func, args):
                self.change_process(known, wide)
            if known in OF_THE_CALLING_THREAD:
                self.keep(f"{known} changes {OF_THE_CALLING_THREAD[known]}, which {BELONGS}")
        if not OF_THE_THREAD.isdisjoint((path, name)):
            self.forbid_threads(f"{path or name} tells which thread runs the item")
            if (path or name).endswith("get_native_id"):
                self.forbid_processes(f"{path or name} tells which thread runs the item")
        if not rules.OF_THE_PROCESS.isdisjoint((path, name.replace("posix.", "os."))):
            self.elsewhere = f"{path or name} tells which process runs an item"
        if rules.draws(func, path):
            self.draws = self.draws or path or name
        if path and func is not None and sets_library_state(func, path.rpartition(".")[2]):
            self.keep(f"{path} sets what is one for all users of the library")
        shared = any(one.origin == SHARED and not is_a(one.obj, PLAIN) for one in args)
        if path and self.unsure and shared and changes_by_name(func, path.rpartition(".")[2]):
            self.keep(f"some items call {path} with what lives outside of them")
        if not rules.WARNS.isdisjoint((path, name)) and warnings_are_heard():
            self.keep("it warns, and the caller keeps what is warned of, in its order")
        if not rules.IMPORTS.isdisjoint((path, name)) and args and type(args[0].obj) is not str:
            self.keep("it imports a module whose name it computes")
        self.note_descriptors(name, path, args)
        self.note_files(func, name, path, args)
        made = (name or path).rpartition(".")[2]
        if made in ("mkdir", "makedirs") and "exist_ok" not in named and self.unsure:
            self.make_folder(None)
        for value in rules.changed_arguments(func, path, args, named):
            self.change(value, f"{name or path} changes")

    def note_files(self, func: Any, name: str, path: str, args: list[Value]) -> None:
        """Does it list a folder, write files, or ask a database?"""
        names = {name, path}
        whole = name or path
        last = whole.rpartition(".")[2]
        if whole.startswith(rules.FILE_MODULES):
            self.note("folders are listed", last in rules.LISTS)
            self.note("files are written", last in rules.WRITES)
        self.note("a folder of its own", last in ("TemporaryDirectory", "mkdtemp"))
        if not names.isdisjoint(("sqlite3.connect", "_sqlite3.connect", "sqlite3.dbapi2.connect")):
            self.note("a database is opened", not (args and args[0].obj == ":memory:"))

    def make_folder(self, path: Value | None) -> None:
        """A folder is made that must not be there yet: by some items, which have looked whether it is?"""
        if path is not None and path.origin == SHARED:
            self.keep(f"mkdir changes {path.phrase}")
        if self.unsure:
            self.keep("some items make a folder, which another item may be making")

    def note_descriptors(self, name: str, path: str, args: list[Value]) -> None:
        """Does it move the place in a descriptor that items share, or open one and leave it open?"""
        names = {name.replace("posix.", "os."), path}
        self.note(
            "a child is started", not names.isdisjoint(("os.fork", "os.forkpty", "os.posix_spawn"))
        )
        self.note("a child is waited for", any(one.startswith("os.wait") for one in names))
        if args and not names.isdisjoint(rules.STAMPS) and rules.is_shared_path(args[0]):
            self.keep(f"{path or name} changes a file that its items share")
        if args[1:] and not names.isdisjoint(rules.REPLACES) and rules.is_shared_file(args[1]):
            self.keep(f"{path or name} puts a file where all items do")
        self.note("a descriptor is opened", not names.isdisjoint(rules.OPENS_DESCRIPTORS))
        self.note("a descriptor is closed", not names.isdisjoint(rules.CLOSES_DESCRIPTORS))
        if not args or names.isdisjoint(rules.DESCRIPTORS):
            return
        if args[0].origin == GIVEN:
            self.change_item(f"{path or name} changes what its item stands for")
        elif type(args[0].obj) is int or args[0].origin == SHARED:
            self.keep(f"{path or name} uses a descriptor that items share")

    @staticmethod
    def of_new_object(func: Any, args: list[Value]) -> bool:
        """Is it a method of an object that the call itself made?"""
        method = type(func) in rules.UNBOUND or (
            is_a(func, FunctionType) and "." in func.__qualname__
        )
        return method and bool(args) and args[0].made_by is not None

    def use_module(self, name: str) -> None:
        """Something of a module is used."""
        reason = UNSAFE_MODULES.get(name)
        if reason is not None:
            self.forbid_threads(reason)
