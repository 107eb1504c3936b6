"""What calls change, by the name of the function: of builtins, the standard library and NumPy.

``change(...)`` of a judge is told which argument is changed; a call that no table names is unknown, and
what it changes is seen by the watch alone.
"""

from __future__ import annotations

import os
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)

from amorsize.inspection.abstract_value import NEW, SHARED
from amorsize.inspection.bindings import is_global_generator
from amorsize.inspection.decode import IN_PLACE
from amorsize.inspection.known_names import CHANGES, DRAWS, OTHER_NAMES
from amorsize.inspection.origins import is_a

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.inspection.abstract_value import Value

UNBOUND = (MethodDescriptorType, WrapperDescriptorType, ClassMethodDescriptorType)
NAMED = (FunctionType, BuiltinFunctionType, MethodType, type, *UNBOUND)
"""Types whose name can be asked for without running code of the user's."""

FIRST = frozenset(
    {"_heapq.heappush", "_heapq.heappop", "_heapq.heapify", "_heapq.heapreplace",
     "_heapq.heappushpop", "_heapq._heappop_max", "_heapq._heapify_max", "_heapq._heapreplace_max",
     "_bisect.insort_right", "_bisect.insort_left", "builtins.setattr", "builtins.delattr",
     "_operator.setitem", "_operator.delitem", "_operator.iadd", "_operator.iconcat",
     "_operator.ior", "_operator.iand", "_operator.ixor", "_operator.isub", "_operator.imul",
     "builtins.next", "random.Random.shuffle", "numpy.copyto", "numpy.put", "numpy.place",
     "numpy.putmask", "numpy.fill_diagonal", "numpy.put_along_axis", "numpy.random.shuffle",
     "random.shuffle", "_functools.update_wrapper", "functools.update_wrapper", "_ctypes.memmove",
     "object.__setattr__", "object.__delattr__",
     "numpy.add.at", "anext", "builtins.anext"}
)  # fmt: skip
"""Functions that change their first argument."""

SECOND = frozenset({"_struct.pack_into", "struct.pack_into", "shutil.copyfileobj", "json.dump",
                    "_pickle.dump", "pickle.dump", "marshal.dump"})  # fmt: skip
"""Functions that change their second argument."""

DESCRIPTORS = frozenset(
    {"os.write", "os.read", "os.lseek", "os.readv", "os.writev", "os.ftruncate", "os.close",
     "os.sendfile", "os.splice", "os.copy_file_range", "os.eventfd_write", "os.eventfd_read",
     "os.timerfd_settime"}
)  # fmt: skip
"""Functions that move the place in an open file, or close it, whose number is the first argument."""

OPENS_DESCRIPTORS = frozenset(
    {"os.open", "os.openpty", "os.pipe", "os.pipe2", "os.dup", "os.memfd_create", "os.eventfd"}
)
CLOSES_DESCRIPTORS = frozenset({"os.close", "os.fdopen", "os.closerange", "io.open", "_io.open"})
"""Functions that give the number of a descriptor, and those that close one or take it over."""

OF_THE_PROCESS = frozenset({"os.getpid", "os.getppid", "os.getpgid", "os.getsid"})
"""Functions that tell which process runs."""

WARNS = frozenset({"warnings.warn", "_warnings.warn", "warnings.warn_explicit",
                   "_warnings.warn_explicit"})  # fmt: skip
IMPORTS = frozenset({"importlib.import_module", "importlib.__import__", "builtins.__import__"})
"""Functions that import a module by a name that may be computed."""

ASKS_CLASSES = frozenset(
    {"builtins.isinstance", "builtins.issubclass", "builtins.id", "builtins.callable",
     "dataclasses.fields", "dataclasses.is_dataclass", "typing.cast", "typing.get_type_hints",
     "inspect.isclass", "inspect.getmembers", "inspect.signature"}
)  # fmt: skip
"""Functions that ask about classes and objects, and use none."""

LISTS = frozenset({"listdir", "scandir", "walk", "glob", "iglob", "iterdir", "rglob"})
WRITES = frozenset(
    {"write_text", "write_bytes", "mkdir", "makedirs", "touch", "unlink", "remove", "rename",
     "replace", "move", "copy", "copyfile", "symlink", "symlink_to", "link", "hardlink_to", "rmdir",
     "rmtree"}
)  # fmt: skip
REPLACES = frozenset(
    {"os.replace", "os.rename", "os.renames", "os.link", "os.symlink", "shutil.move", "shutil.copy",
     "shutil.copy2", "shutil.copyfile"}
)  # fmt: skip
"""Functions that make a file of the name that is their second argument."""
FILE_MODULES = ("os.", "posix.", "nt.", "shutil.", "pathlib.", "glob.")
"""Last names of functions that list a folder, and of those that change files."""

ROW_WRITERS = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE TABLE", "DROP", "ALTER")
"""How statements of SQL begin that change a table."""

VIEWS = frozenset(
    {"ravel", "reshape", "view", "transpose", "swapaxes", "squeeze", "diagonal", "T", "flat", "real",
     "imag", "asarray", "asanyarray", "ascontiguousarray", "atleast_1d", "atleast_2d", "moveaxis",
     "rollaxis", "expand_dims", "broadcast_to", "frombuffer", "memoryview", "cast", "toreadonly",
     "getbuffer", "split", "array_split", "flipud", "fliplr", "flip"}
)  # fmt: skip
"""Methods and functions of NumPy whose result shares the memory of the array (or of argument one)."""

ELEMENTS = frozenset({"get", "pop", "setdefault", "popleft", "popitem", "__getitem__"})
"""Methods of containers whose result is an element."""

PARTS = frozenset({"values", "items", "keys", "most_common", "elements"})
"""Methods of containers whose result holds elements."""

APPENDING = frozenset({"a", "ab", "at", "a+", "ab+", "a+b", "r+", "r+b", "rb+", "w+a"})
"""Modes of files to which the items of a run add one after the other."""

OUTPUT_AT = {
    "pack_into": 0, "readinto": 0, "readinto1": 0, "recv_into": 0, "recvfrom_into": 0, "dot": 1,
    "clip": 2, "take": 2, "choose": 1, "shuffle": 0, "at": 0,
}  # fmt: skip
"""Methods that fill an argument of theirs: which one."""

LONGEST_MODE = 5
"""Letters of a mode: "w:bz2" is one of the longest."""

STAMPS = frozenset({"os.chmod", "os.chown", "os.utime", "os.truncate", "os.setxattr", "os.lchmod"})
"""Functions that change a file without writing it."""

FILE_WRITERS = frozenset(
    {
        "write_text",
        "write_bytes",
        "unlink",
        "rename",
        "replace",
        "touch",
        "chmod",
        "lchmod",
        "rmdir",
        "symlink_to",
        "hardlink_to",
    }
)
"""Methods of a path that change the file, which all items share where they share the path."""


def name_of_callable(func: Any) -> str:
    """Module and name of a function or class, the empty text of another object."""
    if type(func) in NAMED or is_a(func, type):
        if type(func) in UNBOUND:
            return f"{func.__objclass__.__name__}.{func.__name__}"
        name = f"{func.__module__}.{func.__qualname__}"
        return OTHER_NAMES.get(name, name)
    if type(func).__module__ == "numpy":  # a ufunc, or a function that dispatches
        return f"numpy.{getattr(func, '__name__', '')}"
    return ""


def changed_arguments(
    func: Any, path: str, args: list[Value], named: dict[str, Value]
) -> list[Value]:
    """The arguments that a call changes in place, by the name of the function."""
    found = []
    names = {name_of_callable(func), path}
    if args:
        if not names.isdisjoint(FIRST):
            found.append(args[0])
        if type(func) in UNBOUND and (func.__name__ in CHANGES or func.__name__ in STORING):
            found.append(args[0])
        if path.endswith((".at", ".insort")) and len(args) > 1:
            found.append(args[0])
    if len(args) > 1 and not names.isdisjoint(SECOND):
        found.append(args[1])
    if "out" in named:
        found.append(named["out"])
    if type(func).__name__ == "ufunc" and type(func).__module__ == "numpy":
        found += args[func.nin :]
    if "inplace" in named and named["inplace"].obj is not False and args:
        found.append(args[0])
    if "copy" in named and named["copy"].obj is False and args and not is_a(func, type):
        copies = any(one.startswith("pandas") or one.endswith("array") for one in names)
        found += [] if copies else args[:1]
    return found


STORING = frozenset(
    {"__setattr__", "__delattr__", "__setitem__", "__delitem__", "__next__", "__set__", "__delete__",
     *IN_PLACE.values()}
)  # fmt: skip
"""Special methods that change their object, called by name."""

CALLED_ONCE = frozenset({"finalize"})
"""Classes of the standard library whose objects are done when they were called."""


def draws(func: Any, path: str) -> bool:
    """Does a function take numbers from the global random state?"""
    owner = (
        getattr(func, "__self__", None) if type(func) in (BuiltinFunctionType, MethodType) else None
    )
    if owner is not None and type(owner) is not ModuleType and is_global_generator(owner):
        return func.__name__ in DRAWS
    module, _, name = path.rpartition(".")
    return module in ("random", "numpy.random") and name in DRAWS


def is_shared_path(value: Value) -> bool:
    """Is it a path that all items have: no item's own, and none that is made of one?"""
    return value.origin == SHARED or (value.origin == NEW and type(value.obj) is str)


def is_shared_file(value: Value) -> bool:
    """Is it such a path, and no folder into which each item may put a file of its own?"""
    if not is_shared_path(value):
        return False
    path = value.obj
    plain = type(path) is str or type(path).__module__.partition(".")[0] == "pathlib"
    return not (plain and os.path.isdir(path))


def opens_to_write(
    func: Any, attr: str, args: list[Value], named: dict[str, Value], owner: Value | None = None
) -> bool:
    """Is a file opened to be added to; or to be written, by a name that all items share?

    ``owner``: the object whose method opens it, a path or an archive."""
    name = name_of_callable(func)
    if owner is not None:
        if attr != "open":
            return False
        path, modes = [owner], args[-1:]
    elif "open" in name.rpartition(".")[2] or (is_a(func, type) and "File" in func.__name__):
        path, modes = args[:1], args[1:2]
    elif attr == "open":
        path, modes = [], args[:1]
    else:
        return False
    mode = named.get("mode") or named.get("flag") or (modes[0] if modes else None)
    text = mode.obj if mode is not None else None
    if type(text) is not str or len(text) > LONGEST_MODE:
        return False
    # An item's own name is told by its origin: its object is only one like it.
    shared = bool(path) and is_shared_path(path[0])
    return text in APPENDING or "x" in text or (shared and not set(text).isdisjoint("wx+acn"))
