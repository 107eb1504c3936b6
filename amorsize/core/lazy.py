"""Names of a package that are imported from their modules when they are first asked for, and their price.

A package lists them in its ``__getattr__ = lazy_names(__name__, {module: names})``, and once more under
``TYPE_CHECKING``, where the type checker looks.

What a run has not read yet it must read before it can start workers. How long a module takes is measured
while ``amorsize`` itself is imported, and with every name that is asked for later, so it holds for this
machine, and byte code that has to be compiled first. It is CPU time: beside other programs the same
reading takes many times as long by the wall, and a run of 0.4 s left no record for it.
"""

from __future__ import annotations

from sys import modules
from time import thread_time as clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


class _Read:
    """What reading modules has taken in this process."""

    def __init__(self) -> None:
        self.began, self.before = clock(), len(modules)
        self.seconds, self.count = 0.0, 0
        self.forgone = 0.0
        """Seconds that workers would have saved in runs that stayed alone because of the price."""

    def note(self, began: float, before: int) -> None:
        """So many modules are there now, and before the reading began."""
        self.seconds += clock() - began
        self.count += max(0, len(modules) - before)

    def forgo(self, seconds: float) -> None:
        """A run has lost so much."""
        self.forgone += seconds


_read = _Read()


def lazy_names(package: str, names: Mapping[str, list[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package: ``names`` has those that each module defines."""
    places = {name: module for module, defined in names.items() for name in defined}
    if package == "amorsize":  # the last thing that its import does
        _read.note(_read.began, _read.before)

    def find(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = vars(modules[package])[name] = getattr(_module(place), name)
        return value

    return find


class LazyModule:
    """Stands for a module that is imported when one of its names is first asked for.

    A module that needs another only now and then binds one under the other's name; the type checker sees
    the import."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __getattr__(self, name: str) -> Any:
        value = self.__dict__[name] = getattr(_module(self._place), name)
        return value


def _module(place: str) -> Any:
    """The module of that name; if it must be read now, it is noted what that took."""
    import gc

    began, before, collects = clock(), len(modules), gc.isenabled()
    gc.disable()  # a third of the time: it would look again and again at what is to stay
    try:
        __import__(place)  # importlib would be two more files
    finally:
        if collects:
            gc.enable()
    _read.note(began, before)
    return modules[place]


def loaded(name: str) -> Any:
    """A module that has been imported; None where it has not, or another thread is importing it now."""
    module = modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if getattr(spec, "_initializing", False) else module


def reading_seconds(parts: Mapping[str, int]) -> float:
    """Seconds that reading takes; ``parts`` has how many modules come with each that is not there yet."""
    if not _read.count:
        return 0.0
    left = sum(count for name, count in parts.items() if name not in modules)
    return left * _read.seconds / _read.count


def unread_seconds(parts: Mapping[str, int]) -> float:
    """The same, for what workers need: what was forgone for the price before counts towards it (ski
    rental: at most twice what was best for a process that calls again and again)."""
    return max(0.0, reading_seconds(parts) - _read.forgone)


def forgo(seconds: float) -> None:
    """A run has stayed alone because of the price, and lost so much."""
    _read.forgo(seconds)
