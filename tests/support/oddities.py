"""Results, exceptions, items and data that are odd, each in a way of its own; importable."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from support.causes import CULPRIT, work

MAKER = os.getpid()
"""The process in which this module was read first: forked workers have the caller's."""


# -- exceptions ----------------------------------------------------------------------------------------


class Locked(Exception):
    """Cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class NeedsTwo(Exception):
    """Pickled without complaint; its unpickling calls it with one argument."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


class Refuses(Exception):
    def __reduce__(self) -> Any:
        raise ValueError("not to be pickled")


class AtHomeOnly(Exception):
    """Unpickled by nobody but the process that made it."""

    def __reduce__(self) -> Any:
        return _at_home, (os.getpid(), str(self))


def _at_home(maker: int, text: str) -> AtHomeOnly:
    if os.getpid() != maker:
        raise ValueError("away from home")
    return AtHomeOnly(text)


class BecomesAnother(Exception):
    def __reduce__(self) -> Any:
        return str, ("no exception at all",)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("not to be printed")

    __repr__ = __str__


class Frozen(Exception):
    """Takes no notes, no cause, nothing."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")

    def add_note(self, note: str) -> None:
        raise AttributeError("frozen")


class Unrelated(BaseException):
    """No ``Exception``: the run ends, whatever on_error says."""


def _recurse(depth: int = 0) -> int:
    return _recurse(depth + 1) + 1


def _cycle() -> BaseException:
    one, two = LookupError("one"), LookupError("two")
    one.__cause__, two.__cause__ = two, one
    return one


def _group() -> BaseException:
    return ExceptionGroup("many", [LookupError("one"), Locked("two")])


def _local() -> BaseException:
    class Local(Exception):
        pass

    return Local("made on the spot")


def _with_frame() -> BaseException:
    error = LookupError("holds a frame")
    error.frame = sys._getframe()  # type: ignore[attr-defined]
    return error


def _payload() -> BaseException:
    return LookupError(b"x" * 50_000_000)


def _long_text() -> BaseException:
    return LookupError("x" * 20_000_000)


EXCEPTIONS: dict[str, tuple[Callable[[], BaseException], str]] = {
    "holds a lock": (lambda: Locked("held"), "Locked"),
    "needs two arguments": (lambda: NeedsTwo("a", "b"), "NeedsTwo"),
    "refuses to be pickled": (lambda: Refuses("no"), "Refuses"),
    "unpickled at home only": (lambda: AtHomeOnly("home"), "AtHomeOnly"),
    "becomes another": (lambda: BecomesAnother("me"), "BecomesAnother"),
    "cannot be printed": (lambda: Unprintable("me"), "Unprintable"),
    "frozen": (lambda: Frozen("me"), "Frozen"),
    "stop iteration": (lambda: StopIteration(3), "StopIteration"),
    "cycle of causes": (_cycle, "LookupError"),
    "group": (_group, "ExceptionGroup"),
    "local class": (_local, "Local"),
    "holds a frame": (_with_frame, "LookupError"),
    "payload of 50 MB": (_payload, "LookupError"),
    "text of 20 MB": (_long_text, "LookupError"),
    "recursion": (lambda: RecursionError("made"), "RecursionError"),
    "out of memory": (lambda: MemoryError(), "MemoryError"),
    "timeout of its own": (lambda: TimeoutError("mine"), "TimeoutError"),
    "broken pipe": (lambda: BrokenPipeError(32, "Broken pipe"), "BrokenPipeError"),
    "end of file": (lambda: EOFError(), "EOFError"),
    "assertion": (lambda: AssertionError(), "AssertionError"),
}
"""Name -> what is raised, and the name of its type."""

BASE_EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "of its own": lambda: Unrelated("base"),
    "generator exit": lambda: GeneratorExit(),
    "keyboard interrupt": lambda: KeyboardInterrupt("raised, not pressed"),
    "system exit": lambda: SystemExit(5),
}
"""No ``Exception``, so it ends the run as it would end the loop."""


class Raises:
    """Raises ``cause`` at the culprit."""

    def __init__(self, cause: str) -> None:
        self.cause = cause

    def __call__(self, item: int) -> int:
        work()
        if item == CULPRIT:
            make = BASE_EXCEPTIONS.get(self.cause) or EXCEPTIONS[self.cause][0]
            raise make()
        return item


def raises_all(item: int) -> int:
    """Every fifth item raises one of them after the other."""
    work()
    if item % 5 == 2 and item // 5 < len(EXCEPTIONS):
        raise [*EXCEPTIONS.values()][item // 5][0]()
    return item


def recurses(item: int) -> int:
    work()
    return _recurse() if item == CULPRIT else item


def wants_too_much(item: int) -> int:
    work()
    return len(bytearray(1 << 62)) if item == CULPRIT else item


# -- results -------------------------------------------------------------------------------------------


class OddResult:
    """Pickled or unpickled with an error, by ``cause``."""

    def __init__(self, cause: str) -> None:
        self.cause, self.home = cause, os.getpid()

    def __reduce__(self) -> Any:
        if self.cause == "refuses to be pickled":
            raise ValueError("not to be pickled")
        return _revive, (self.cause, self.home)


def _revive(cause: str, home: int) -> OddResult:
    if cause == "unpickled nowhere" or os.getpid() != home:
        raise ValueError("not to be unpickled")
    return OddResult(cause)


def _nested() -> list[Any]:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


RESULTS: dict[str, Callable[[], object]] = {
    "refuses to be pickled": lambda: OddResult("refuses to be pickled"),
    "unpickled nowhere": lambda: OddResult("unpickled nowhere"),
    "unpickled at home only": lambda: OddResult("unpickled at home only"),
    "lock": threading.Lock,
    "generator": lambda: (x for x in range(3)),
    "nested too deeply": _nested,
    "open file": lambda: open(os.devnull, "wb"),  # noqa: SIM115
}
"""Results that no worker process can hand over."""
RESULT_TYPES: dict[str, type] = {
    name: list if name == "nested too deeply" else type(make())
    for name, make in RESULTS.items()
    if name != "open file"
}
RESULT_TYPES["open file"] = io.BufferedWriter


def returns_all(item: int) -> object:
    """Every fifth item returns one of them after the other."""
    work()
    if item % 5 == 2 and item // 5 < len(RESULTS):
        return [*RESULTS.values()][item // 5]()
    return [item]


class Returns:
    """Returns ``cause`` at the culprit, and lists of its item elsewhere."""

    def __init__(self, cause: str) -> None:
        self.cause = cause

    def __call__(self, item: int) -> object:
        work()
        return RESULTS[self.cause]() if item == CULPRIT else [item]


# -- items ---------------------------------------------------------------------------------------------


class Touchy:
    """Raises when it is compared, hashed, printed, measured or asked whether it is true."""

    def __init__(self, number: int) -> None:
        self.number = number

    def _no(self, *_: object) -> Any:
        raise RuntimeError("do not touch")

    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = _no
    __hash__ = __repr__ = __str__ = __bool__ = __len__ = _no  # type: ignore[assignment]
    __format__ = __iter__ = __sizeof__ = __contains__ = _no


def number_of(item: Touchy) -> int:
    work()
    return item.number


def touchy_result(item: int) -> Touchy:
    work()
    return Touchy(item)


class NotForOthers:
    """An item that its maker alone can unpickle."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _item_at_home, (os.getpid(), self.number)


def _item_at_home(home: int, number: int) -> NotForOthers:
    if os.getpid() != home and number == CULPRIT:
        raise ValueError("not to be unpickled")
    return NotForOthers(number)


def its_number(item: NotForOthers) -> int:
    work()
    return item.number


class LockedItem:
    """An item that cannot be pickled."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock() if number == CULPRIT else None


def number_behind(item: LockedItem) -> int:
    work()
    return item.number


# -- data ----------------------------------------------------------------------------------------------


def raising_at(position: int) -> Iterator[int]:
    yield from range(position)
    raise LookupError(f"the source, at {position}")


class RaisingAt:
    """The same, no generator."""

    def __init__(self, position: int) -> None:
        self.position, self.next = position, 0

    def __iter__(self) -> RaisingAt:
        return self

    def __next__(self) -> int:
        if self.next == self.position:
            raise LookupError(f"the source, at {self.position}")
        self.next += 1
        return self.next - 1


class SaysItIs:
    """Data whose length is not what they say."""

    def __init__(self, says: int, holds: int) -> None:
        self.says, self.holds = says, holds

    def __len__(self) -> int:
        return self.says

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.holds))


class NoLength:
    """Data whose length cannot be asked."""

    def __len__(self) -> int:
        raise RuntimeError("no length today")

    def __iter__(self) -> Iterator[int]:
        return iter(range(200))
