"""Objects, modules and processes of the user's own, changed where nobody looks."""

from __future__ import annotations

import abc
import contextvars
import dataclasses
import enum
import functools
import gc
import io
import operator
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy
import pandas
import user_registry
import user_stats
from case import Case, case, compute, nap, release

SELDOM = {41, 73, 107, 131}


@case("objects")
def seldom_count_of_a_class_by_cls() -> Case:
    """A class method of the base counts on the class that it is called on."""

    class Base:
        made: ClassVar[int] = 0

        @classmethod
        def build(cls, item: int) -> int:
            if item in SELDOM:
                cls.made += 1
            return cls.made

    class Derived(Base):
        pass

    def work(item: int) -> int:
        compute()
        return Derived.build(item)

    return Case(work, range(150), left=lambda: (Base.made, Derived.made))


@case("objects")
def seldom_slot_through_its_descriptor() -> Case:
    """A slot is set by its member descriptor, not by a statement."""

    class Point:
        __slots__ = ("x",)

    point = Point()
    point.x = 0
    put = Point.x.__set__  # type: ignore[attr-defined]

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            put(point, item)
        return item

    return Case(work, range(150), left=lambda: point.x)


@case("objects")
def seldom_replacement_of_a_dict() -> Case:
    """The dict of an object is replaced as a whole."""

    class Holder:
        def __init__(self) -> None:
            self.value = 0

    holder = Holder()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            holder.__dict__ = {"value": item}
        return item

    return Case(work, range(150), left=lambda: holder.value)


@case("objects")
def seldom_rank_by_the_matrix_operator() -> Case:
    """An operator that nobody uses for numbers notes what it is given."""

    class Sink:
        def __init__(self) -> None:
            self.kept: list[int] = []

        def __matmul__(self, item: int) -> int:
            self.kept.append(item)
            return item

    sink = Sink()

    def work(item: int) -> int:
        compute()
        return sink @ item if item in SELDOM else item

    return Case(work, range(150), left=lambda: sink.kept)


@case("objects")
def seldom_negation_that_notes() -> Case:
    """A unary operator flips the object itself."""

    class Switch:
        on = 0

        def __invert__(self) -> int:
            self.on += 1
            return self.on

    switch = Switch()

    def work(item: int) -> int:
        compute()
        return ~switch if item in SELDOM else 0

    return Case(work, range(150), left=lambda: switch.on)


@case("objects")
def seldom_rounding_that_notes() -> Case:
    """round, divmod and abs ask methods that keep a diary."""

    class Number:
        asked: ClassVar[list[str]] = []

        def __round__(self, digits: int = 0) -> int:
            self.asked.append("round")
            return 1

        def __divmod__(self, other: int) -> tuple[int, int]:
            self.asked.append("divmod")
            return 1, 0

        def __abs__(self) -> int:
            self.asked.append("abs")
            return 1

    number = Number()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            return round(number) + divmod(number, 2)[0] + abs(number)
        return 0

    return Case(work, range(150), left=lambda: number.asked)


@case("objects")
def seldom_copy_that_notes() -> Case:
    """copy.copy asks the object, which counts its copies."""
    import copy

    class Original:
        copies = 0

        def __copy__(self) -> int:
            self.copies += 1
            return self.copies

    original = Original()

    def work(item: int) -> int:
        compute()
        return copy.copy(original) if item in SELDOM else 0

    return Case(work, range(150), left=lambda: original.copies)


@case("objects")
def seldom_path_that_notes() -> Case:
    """os.fspath asks the object, which notes it."""

    class Place:
        asked = 0

        def __fspath__(self) -> str:
            self.asked += 1
            return "/"

    place = Place()

    def work(item: int) -> bool:
        compute()
        return os.path.exists(place) if item in SELDOM else False

    return Case(work, range(150), left=lambda: place.asked)


@case("objects")
def seldom_reversal_and_length_hint() -> Case:
    """reversed and list ask methods of a container that count."""

    class Shelf:
        def __init__(self) -> None:
            self.asked = 0

        def __reversed__(self) -> Iterator[int]:
            self.asked += 1
            return iter((3, 2, 1))

    shelf = Shelf()

    def work(item: int) -> list[int]:
        compute()
        return list(reversed(shelf)) if item in SELDOM else []

    return Case(work, range(150), left=lambda: shelf.asked)


@case("objects")
def seldom_subclass_check_that_notes() -> Case:
    """isinstance asks a metaclass, which keeps what it was asked about."""

    class Asking(type):
        asked: ClassVar[list[str]] = []

        def __instancecheck__(cls, instance: Any) -> bool:
            cls.asked.append(type(instance).__name__)
            return True

    class Kind(metaclass=Asking):
        pass

    def work(item: int) -> bool:
        compute()
        return isinstance(item, Kind) if item in SELDOM else False

    return Case(work, range(150), left=lambda: Asking.asked)


@case("objects")
def member_made_when_missing() -> Case:
    """An enumeration makes members that are asked for and missing."""

    class Code(enum.Enum):
        NONE = 0

        @classmethod
        def _missing_(cls, value: object) -> Any:
            member = object.__new__(cls)
            member._name_, member._value_ = f"C{value}", value
            cls._value2member_map_[value] = member
            return member

    def work(item: int) -> str:
        compute()
        return Code(item).name if item in SELDOM else ""

    return Case(work, range(150), left=lambda: sorted(Code._value2member_map_))


@case("objects")
def field_of_a_dataclass_shared_by_all() -> Case:
    """A default factory of a dataclass hands out one list to all."""
    common: list[int] = []

    @dataclasses.dataclass
    class Record:
        item: int
        log: list[int] = dataclasses.field(default_factory=lambda: common)

        def __post_init__(self) -> None:
            if self.item in SELDOM:
                self.log.append(self.item)

    def work(item: int) -> int:
        compute()
        return Record(item).item

    return Case(work, range(150), left=lambda: common)


@case("objects")
def subclasses_made_and_kept() -> Case:
    """A base class knows the classes that items derive from it."""

    class Base:
        known: ClassVar[dict[str, type]] = {}

        def __init_subclass__(cls, **options: Any) -> None:
            Base.known[cls.__name__] = cls

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            type(f"Kind{item}", (Base,), {})
        return item

    return Case(work, range(150), left=lambda: list(Base.known))


@case("objects")
def subject_tells_weak_observers() -> Case:
    """Observers are held weakly and told by their bound methods."""
    import weakref

    class Observer:
        def __init__(self) -> None:
            self.heard: list[int] = []

        def hear(self, item: int) -> None:
            self.heard.append(item)

    observer = Observer()
    tell = weakref.WeakMethod(observer.hear)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            told = tell()
            if told is not None:
                told(item)
        return item

    return Case(work, range(150), left=lambda: observer.heard)


@case("objects")
def proxy_that_forwards() -> Case:
    """A weak proxy stands for the object that is changed."""
    import weakref

    class Account:
        balance = 0

    account = Account()
    proxy = weakref.proxy(account)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            proxy.balance += item
        return item

    return Case(work, range(150), left=lambda: account.balance)


@case("objects")
def partial_method_that_stores() -> Case:
    """A partial method of a class sets what it was made for."""

    class Lamp:
        state = "off"

        def switch(self, state: str) -> str:
            self.state = state
            return state

        on = functools.partialmethod(switch, "on")

    lamp = Lamp()

    def work(item: int) -> str:
        compute()
        return lamp.on() if item in SELDOM else "-"

    return Case(work, range(150), left=lambda: lamp.state)


@case("objects")
def attribute_set_by_attrsetter_of_a_dict() -> Case:
    """A table of small functions: one of them stores."""

    class Unit:
        level = 0

    unit = Unit()
    table = {"get": operator.attrgetter("level"), "set": functools.partial(setattr, unit, "level")}

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            table["set"](item)
        return item

    return Case(work, range(150), left=lambda: unit.level)


@case("objects")
def table_of_many_functions() -> Case:
    """The sixtieth entry of a table is the first that is a function."""
    kept: list[int] = []
    table: dict[int, Any] = dict.fromkeys(range(200))
    for number in SELDOM:
        table[number] = kept.append

    def work(item: int) -> int:
        compute()
        action = table[item]
        if action is not None:
            action(item)
        return item

    return Case(work, range(150), left=lambda: kept)


@case("objects")
def objects_with_actions_in_a_table() -> Case:
    """A table of objects, of which one class changes itself when it is called."""

    class Idle:
        def act(self, item: int) -> int:
            return item

    class Busy(Idle):
        def __init__(self) -> None:
            self.done: list[int] = []

        def act(self, item: int) -> int:
            self.done.append(item)
            return item

    idle, busy = Idle(), Busy()
    table = [busy if number in SELDOM else idle for number in range(150)]

    def work(item: int) -> int:
        compute()
        return table[item].act(item)

    return Case(work, range(150), left=lambda: busy.done)


@case("objects")
def strategies_by_type() -> Case:
    """What runs is chosen by the type of the item, from a table of methods."""
    seen: list[str] = []

    class Strategies:
        def number(self, item: Any) -> int:
            return 1

        def text(self, item: Any) -> int:
            seen.append(item)
            return 2

        table: ClassVar[dict[type, Any]] = {int: number, str: text}

    strategies = Strategies()
    data = [str(number) if number in SELDOM else number for number in range(150)]

    def work(item: Any) -> int:
        compute()
        return strategies.table[type(item)](strategies, item)

    return Case(work, data, left=lambda: seen)


@case("objects")
def abstract_class_implemented() -> Case:
    """The method of the derived class, called through the base's, changes it."""

    class Store(abc.ABC):
        def put(self, item: int) -> int:
            return self._put(item) if item in SELDOM else item

        @abc.abstractmethod
        def _put(self, item: int) -> int: ...

    class Memory(Store):
        def __init__(self) -> None:
            self.items: set[int] = set()

        def _put(self, item: int) -> int:
            self.items |= {item}
            return item

    memory: Store = Memory()

    def work(item: int) -> int:
        compute()
        return memory.put(item)

    return Case(work, range(150), left=lambda: sorted(memory.items))  # type: ignore[attr-defined]


@case("calls")
def closure_made_by_a_factory_elsewhere() -> Case:
    """A decorator of another file counts, under a name given to it here."""
    user_stats.reset()

    @user_stats.counted
    def seldom(item: int) -> int:
        return item

    def work(item: int) -> int:
        compute()
        return seldom(item) if item in SELDOM else item

    return Case(work, range(150), left=lambda: dict(user_stats.CALLS))


@case("calls")
def decorator_used_as_a_function() -> Case:
    """Four of the items enter a function into a registry of another file."""
    user_registry.READERS.clear()
    user_registry.loaded.clear()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            user_registry.reader(f"kind {item}")(compute)
        return item

    return Case(work, range(150), left=lambda: list(user_registry.loaded))


@case("calls")
def comparison_function_that_learns() -> Case:
    """cmp_to_key wraps a function that keeps what it has compared."""
    compared: set[tuple[int, int]] = set()

    def compare(a: int, b: int) -> int:
        compared.add((a, b))
        return a - b

    key = functools.cmp_to_key(compare)

    def work(item: int) -> list[int]:
        compute()
        return sorted([item, 1], key=key) if item in SELDOM else []

    return Case(work, range(150), left=lambda: sorted(compared))


@case("calls")
def accumulating_default_of_an_inner_function() -> Case:
    """A function in the closure keeps a list in its keyword default."""

    def remember(item: int, *, kept: list[int] = []) -> int:  # noqa: B006
        if item in SELDOM:
            kept.append(item)
        return len(kept)

    def work(item: int) -> int:
        compute()
        return remember(item)

    return Case(work, range(150))


@case("calls")
def generator_function_with_an_effect() -> Case:
    """Code of a generator runs when somebody walks it: sum does."""
    walked: list[int] = []

    def parts(item: int) -> Iterator[int]:
        yield item
        if item in SELDOM:
            walked.append(item)

    def work(item: int) -> int:
        compute()
        return sum(parts(item))

    return Case(work, range(150), left=lambda: walked)


@case("calls")
def code_of_a_text_in_a_namespace() -> Case:
    """eval with a namespace: an assignment expression in a comprehension stores into it."""
    space: dict[str, Any] = {"keep": []}

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            eval(f"keep.append({item})", space)
        return item

    return Case(work, range(150), left=lambda: space["keep"])


@case("calls")
def bound_method_of_a_global_by_import() -> Case:
    """The import inside is of a module of the user's; the call is of an object in it."""
    user_stats.reset()

    def work(item: int) -> int:
        from user_stats import STATS

        compute()
        if item in SELDOM:
            STATS.record(item)
        return item

    return Case(work, range(150), left=lambda: user_stats.STATS.count)


@case("context")
def variable_in_a_table() -> Case:
    """Context variables are held in a dict; four of the items set one."""
    variables = {"tenant": contextvars.ContextVar("tenant", default=0)}

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            variables["tenant"].set(item)
        return variables["tenant"].get()

    return Case(work, range(150), left=lambda: variables["tenant"].get())


@case("process")
def seldom_environment() -> Case:
    """Four of the items change the environment by a copy of its method."""
    put = os.environ.__setitem__

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            put("HUNTED", str(item))
        return os.environ.get("HUNTED", "")

    os.environ.pop("HUNTED", None)
    return Case(work, range(150))


@case("process")
def seldom_update_of_the_environment() -> Case:
    """Four of the items update the environment."""
    os.environ.pop("HUNTED", None)

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            os.environ.update(HUNTED=str(item))
        return os.environ.get("HUNTED", "")

    return Case(work, range(150))


@case("process")
def seldom_hook_of_the_collector() -> Case:
    """Four of the items add a callback of the garbage collector."""
    heard: list[int] = []

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            gc.callbacks.append(lambda phase, info: None)
        return item

    def left() -> int:
        count = sum(getattr(hook, "__module__", "") == __name__ for hook in gc.callbacks)
        gc.callbacks.clear()
        return count + len(heard)

    return Case(work, range(150), left=left)


@case("process")
def seldom_module_put_in() -> Case:
    """Four of the items put a module of a made up name in place."""

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            sys.modules[f"hunted_{item}"] = sys
        return item

    def left() -> list[str]:
        return sorted(
            name for name in sys.modules if name.startswith("hunted_") and name[7:].isdigit()
        )

    return Case(work, range(150), left=left)


@case("process")
def seldom_handler_of_a_signal() -> Case:
    """Four of the items put another handler in place, through a partial."""
    place = functools.partial(signal.signal, signal.SIGUSR2)
    place(signal.SIG_IGN)

    def work(item: int) -> bool:
        compute()
        if item in SELDOM:
            place(signal.SIG_DFL if item % 2 else signal.SIG_IGN)
        return signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN

    return Case(work, range(150))


@case("process")
def seldom_directory_by_a_block() -> Case:
    """Four of the items change the working directory in a method of a path's."""
    os.chdir("/")
    change = os.chdir

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            change(tempfile.gettempdir() if item % 2 else "/usr")
        return os.getcwd() == "/"

    return Case(work, range(150))


@case("process")
def seldom_thread_started() -> Case:
    """Four of the items start a thread that counts for the caller."""
    counted: list[int] = []

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            thread = threading.Thread(target=counted.append, args=(item,))
            thread.start()
            thread.join()
        return item

    return Case(work, range(150), left=lambda: counted)


@case("process")
def children_that_are_left() -> Case:
    """The results are children of this process, which the caller waits for."""

    def work(item: int) -> int:
        compute()
        if item not in SELDOM:
            return 0
        child = os.fork()
        if not child:
            os._exit(item % 7)
        return child

    def show(child: int) -> int:
        try:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else -1
        except ChildProcessError:
            return -2

    return Case(work, range(150), show=show)


@case("process")
def warnings_shown_once() -> Case:
    """A filter lets each text through once: the registry of the module keeps which."""
    out = io.StringIO()

    def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
        out.write(f"{message}\n")

    warnings.showwarning = show
    warnings.filterwarnings("once", category=UserWarning)

    def work(item: int) -> int:
        compute()
        warnings.warn(f"kind {item % 40}", UserWarning, stacklevel=1)
        return item

    return Case(work, range(150), left=out.getvalue)


@case("numpy")
def seldom_row_by_a_flat_view() -> Case:
    """Four of the items write through the flat iterator of the caller's matrix."""
    table = numpy.zeros((150, 2))
    flat = table.flat

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            flat[2 * item] = item
        return item

    return Case(work, range(150), left=lambda: table.sum())


@case("numpy")
def seldom_choice_and_clip() -> Case:
    """Functions with an output argument by position."""
    low, out = numpy.arange(150.0), numpy.zeros(150)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            numpy.add(low, item, out)
        return item

    return Case(work, range(150), left=lambda: out.sum())


@case("numpy")
def seldom_bits_of_an_array() -> Case:
    """Four of the items swap the bytes of the caller's array in place, and set its shape."""
    numbers = numpy.arange(150, dtype="i4")

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            numbers.byteswap(inplace=True)
        return item

    return Case(work, range(150), left=lambda: int(numbers[3]))


@case("numpy")
def seldom_flag_of_an_array() -> Case:
    """Four of the items make the caller's array read only."""
    numbers = numpy.arange(150)

    def work(item: int) -> bool:
        compute()
        if item in SELDOM:
            numbers.setflags(write=False)
        return bool(numbers.flags.writeable)

    return Case(work, range(150))


@case("numpy")
def seldom_dot_into_an_output() -> Case:
    """A product of matrices goes into the output of the caller."""
    left, out = numpy.eye(3), numpy.zeros((3, 3))

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            left.dot(left * item, out)
        return item

    return Case(work, range(150), left=out.sum)


@case("numpy")
def jumps_of_a_generator() -> Case:
    """Four of the items move the bit generator of the caller on."""
    bits = numpy.random.PCG64(1)

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            bits.advance(item)
        return item

    return Case(work, range(150), left=lambda: bits.random_raw())


@case("pandas")
def seldom_column_of_a_table() -> Case:
    """Four of the items insert a column."""
    table = pandas.DataFrame({"a": [1, 2]})

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            table.insert(0, f"c{item}", item)
        return item

    return Case(work, range(150), left=lambda: list(table.columns))


@case("pandas")
def seldom_cell_by_at() -> Case:
    """Four of the items set a cell."""
    table = pandas.DataFrame({"a": [0] * 150})
    cells = table.at

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            cells[item, "a"] = item
        return item

    return Case(work, range(150), left=lambda: int(table["a"].sum()))


@case("pandas")
def seldom_rows_dropped_in_place() -> Case:
    """Four of the items drop a row in place."""
    table = pandas.DataFrame({"a": range(150)})

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            table.drop(index=item, inplace=True)
        return item

    return Case(work, range(150), left=lambda: len(table))


@case("pandas")
def seldom_option_of_pandas() -> Case:
    """Four of the items set an option of the library."""
    pandas.reset_option("display.max_rows")

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            pandas.set_option("display.max_rows", item)
        return pandas.get_option("display.max_rows")

    return Case(work, range(150))


@case("pandas")
def series_items_renamed() -> Case:
    """The items are series; the function sets their name and returns a number."""
    data = [pandas.Series([number, 1.0]) for number in range(150)]

    def work(series: pandas.Series) -> float:
        compute()
        series.name = f"s{series.iloc[0]:.0f}"
        return float(series.sum())

    return Case(work, data, left=lambda: [series.name for series in data])


@case("order")
def seldom_stop_of_the_source() -> Case:
    """Four of the items tell the source to leave something out."""
    skipped: set[int] = set()

    def source() -> Iterator[int]:
        for number in range(150):
            if number not in skipped:
                yield number

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            skipped.add(item + 1)
        return item

    return Case(work, source())


@case("order")
def time_since_the_item_before() -> Case:
    """Whether an item came after the one before it, by a clock in the closure."""
    last = [0.0]

    def work(item: int) -> bool:
        nap()
        now = time.monotonic()
        in_order, last[0] = now > last[0], now
        return in_order

    return Case(work, range(150))


@case("order")
def seldom_release_of_the_lock() -> Case:
    """Items without the lock of the interpreter that stamp a shared ticket in C code."""
    tickets = iter(range(1000))

    def work(item: int) -> tuple[str, int]:
        digest = release(item)
        return digest, next(tickets) if item in SELDOM else -1

    return Case(work, range(150), left=lambda: next(tickets))


@case("files")
def seldom_change_of_a_mode() -> Case:
    """Four of the items make one file read only; all look whether it is."""
    path = pathlib.Path(tempfile.mkdtemp()) / "file"
    path.touch()

    def work(item: int) -> str:
        compute()
        if item in SELDOM:
            path.chmod(0o400 + item % 8)
        return oct(path.stat().st_mode)

    return Case(work, range(150))


@case("files")
def seldom_time_of_a_file() -> Case:
    """Four of the items stamp a file; all read the stamp."""
    path = pathlib.Path(tempfile.mkdtemp()) / "file"
    path.touch()
    os.utime(path, (1, 1))

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            os.utime(path, (item, item))
        return int(path.stat().st_mtime)

    return Case(work, range(150))


@case("files")
def seldom_line_of_a_log() -> Case:
    """Four of the items add a line to a file whose name they compute."""
    folder = tempfile.mkdtemp()

    def work(item: int) -> int:
        compute()
        if item in SELDOM:
            with open(os.path.join(folder, "log" + ".txt"), mode="a") as log:
                log.write(f"{item}\n")
        return item

    def left() -> str:
        return pathlib.Path(folder, "log.txt").read_text()

    return Case(work, range(150), left=left)


@case("files")
def seldom_mark_that_others_look_for() -> Case:
    """Four of the items leave a mark; those after them look whether there is one."""
    mark = pathlib.Path(tempfile.mkdtemp()) / "mark"

    def work(item: int) -> bool:
        compute()
        if item in SELDOM:
            mark.touch()
        return mark.exists()

    return Case(work, range(150))


@case("files")
def seldom_folder_made_once() -> Case:
    """The first that needs the folder makes it, and says so."""
    folder = pathlib.Path(tempfile.mkdtemp()) / "cache"

    def work(item: int) -> bool:
        compute()
        if item in SELDOM and not folder.is_dir():
            folder.mkdir()
            return True
        return False

    return Case(work, range(150))
