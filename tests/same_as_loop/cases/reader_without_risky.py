"""What looks dangerous and is not: files, threads, loops, databases, all of the call's own."""

import array
import ast
import asyncio
import contextlib
import contextvars
import csv
import ctypes
import functools
import gc
import io
import itertools
import logging
import math
import mmap
import os
import pickle
import queue
import random
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
import weakref
import xml.etree.ElementTree as ET
from pathlib import Path
from unittest import mock

import numpy as np
from case import Case, case, compute, nap, release
from user_scratch import scratch

MODE = contextvars.ContextVar("MODE", default="plain")
GUARD = threading.Lock()


@case("without", effect=False)
def private_temporary_file():
    """Written, read and gone again within the call."""

    def f(x):
        compute()
        with tempfile.TemporaryFile("w+") as file:
            file.write(f"{x}\n" * (x % 5))
            file.seek(0)
            return len(file.readlines())

    return Case(f, range(150))


@case("without", effect=False)
def private_temporary_folder():
    """A folder with two files, made and removed by each call."""

    def f(x):
        nap()
        with tempfile.TemporaryDirectory() as folder:
            for name in ("a", "b"):
                Path(folder, name).write_text(name * x)
            return sum(path.stat().st_size for path in sorted(Path(folder).iterdir()))

    return Case(f, range(125))


@case("without", effect=False)
def file_read_by_its_name():
    """The items are names."""
    folder = scratch()
    for i in range(10):
        (folder / f"{i}.txt").write_text(f"line {i}\n" * (i + 1))

    def f(x):
        compute()
        with open(folder / f"{x % 10}.txt") as lines:
            return sum(len(line) for line in lines)

    return Case(f, range(150))


@case("without", effect=False)
def read_at_a_place_without_seeking():
    """os.pread on a descriptor that all share: it has no use for the position."""
    path = scratch() / "data"
    path.write_bytes(bytes(i % 251 for i in range(150 * 32)))
    descriptor = os.open(path, os.O_RDONLY)

    def f(x):
        compute()
        return os.pread(descriptor, 5, x * 32).hex()

    return Case(f, range(150))


@case("without", effect=False)
def folder_listed():
    """stat, glob, exists: looking only."""
    folder = scratch()
    for i in range(12):
        (folder / f"{i}.{'py' if i % 3 else 'txt'}").write_text("x" * i)

    def f(x):
        nap()
        found = sorted(path.name for path in folder.glob(f"*{x % 4}.py"))
        return found, os.path.getsize(folder / f"{x % 3 + 1}.py") if x % 3 < 2 else None

    return Case(f, range(130))


@case("without", effect=False)
def thread_local_made_inside():
    """threading.local as a mere namespace."""

    def f(x):
        compute()
        local = threading.local()
        local.total = 0
        for i in range(x % 9):
            local.total += i
        return local.total

    return Case(f, range(150))


@case("without", effect=False)
def database_of_its_own():
    """A memory database that lives as long as the call."""

    def f(x):
        compute()
        with contextlib.closing(sqlite3.connect(":memory:")) as base:
            base.execute("create table t (n integer)")
            base.executemany("insert into t values (?)", [(i * x,) for i in range(5)])
            base.commit()
            return base.execute("select sum(n), max(n) from t").fetchone()

    return Case(f, range(150))


@case("without", effect=False)
def threads_and_queue_of_its_own():
    """Starts two threads, joins them, takes what they have put."""

    def f(x):
        compute()
        results = queue.Queue()
        threads = [
            threading.Thread(target=lambda n=n: results.put((n, n * x)), daemon=True)
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(results.get() for _ in threads)

    return Case(f, range(140))


@case("without", effect=False)
def event_loop_of_its_own():
    """asyncio.run of pure coroutines."""

    async def half(x):
        await asyncio.sleep(0)
        return x / 2

    async def both(x):
        return sum(await asyncio.gather(half(x), half(x + 1)))

    def f(x):
        compute()
        return asyncio.run(both(x))

    return Case(f, range(130))


@case("without", effect=False)
def generator_of_numbers_seeded_by_the_item():
    """random.Random(x), not the global one."""

    def f(x):
        compute()
        dice = random.Random(x)
        cards = list("abcdef")
        dice.shuffle(cards)
        return "".join(cards), dice.randint(1, 6), round(dice.gauss(0, 1), 9)

    return Case(f, range(150))


@case("without", effect=False)
def numpy_generator_seeded_by_the_item():
    """default_rng([seed, x]): the same numbers wherever it runs."""

    def f(x):
        release()
        rng = np.random.default_rng([42, x])
        values = rng.integers(0, 100, size=5)
        rng.shuffle(values)
        return values.tolist()

    return Case(f, range(150))


@case("without", effect=False)
def page_written_in_memory():
    """print(file=...) and csv.writer into a StringIO of the call."""

    def f(x):
        compute()
        page = io.StringIO()
        print("x", x, sep="=", file=page)
        csv.writer(page).writerows([[i, i * x] for i in range(3)])
        return page.getvalue()

    return Case(f, range(150))


@case("without", effect=False)
def try_except_else_finally():
    """All four branches, a return in one, a note of what happened in a local list."""

    def f(x):
        compute()
        steps = []
        try:
            value = 12 // (x % 4)
        except ZeroDivisionError as error:
            steps.append(str(error))
        else:
            steps.append(value)
            return steps
        finally:
            steps.append("end")
        return steps

    return Case(f, range(150))


@case("without", effect=False)
def traceback_as_text():
    """An exception is raised three calls deep, caught, and told about."""

    def deep(level):
        if level == 0:
            raise LookupError("bottom")
        deep(level - 1)

    def f(x):
        nap()
        try:
            deep(x % 4)
        except LookupError as error:
            frames = traceback.extract_tb(error.__traceback__)
            return [frame.name for frame in frames], "".join(
                traceback.format_exception_only(type(error), error)
            )

    return Case(f, range(130))


@case("without", effect=False)
def exit_stack_of_its_own():
    """Callbacks and context managers that end before the call does."""

    @contextlib.contextmanager
    def level(log, name):
        log.append(f"<{name}>")
        yield name
        log.append(f"</{name}>")

    def f(x):
        compute()
        log = []
        with contextlib.ExitStack() as stack, contextlib.suppress(KeyError):
            for i in range(x % 4):
                stack.enter_context(level(log, f"h{i}"))
            stack.callback(log.append, "first out")
            {}[x]
        return log

    return Case(f, range(150))


@case("without", effect=False)
def context_variable_in_a_copy():
    """Set in a copied context: the caller's is not touched."""

    def shouted(x):
        MODE.set("loud")
        return f"{MODE.get()} {x}"

    def f(x):
        compute()
        return contextvars.copy_context().run(shouted, x), MODE.get()

    return Case(f, range(150))


@case("without", effect=False)
def context_variable_set_and_reset():
    """Token in hand: what was before is again."""

    def f(x):
        nap()
        token = MODE.set(f"mode {x % 3}")
        try:
            return MODE.get()
        finally:
            MODE.reset(token)

    return Case(f, range(130))


@case("without", effect=False)
def expression_evaluated():
    """eval and exec with a namespace of the call."""

    def f(x):
        compute()
        names = {"x": x, "__builtins__": {}}
        exec("y = x * 3\nz = [y] * 2", names)
        return eval("z[0] + y", names), "z" in names

    return Case(f, range(150))


@case("without", effect=False)
def syntax_tree_rewritten():
    """An ast.NodeTransformer changes a tree, which was parsed in the call."""

    class Doubled(ast.NodeTransformer):
        def visit_Constant(self, node):
            return ast.copy_location(ast.Constant(node.value * 2), node)

    def f(x):
        compute()
        return ast.unparse(Doubled().visit(ast.parse(f"a = {x} + b * {x + 1}")))

    return Case(f, range(150))


@case("without", effect=False)
def class_made_inside():
    """A class with a counter and a registry; class and counts end with the call."""

    def f(x):
        compute()

        class Ticket:
            made = 0
            known = []  # noqa: RUF012

            def __init__(self):
                type(self).made += 1
                self.known.append(self.made)

        for _ in range(x % 6):
            Ticket()
        return Ticket.made, Ticket.known

    return Case(f, range(150))


class Circle:
    """A property, a cached one, a comparison."""

    def __init__(self, radius):
        self.radius = radius

    @property
    def diameter(self):
        return self.radius * 2

    @functools.cached_property
    def area(self):
        return round(math.pi * self.radius**2, 6)


def surveyed(number):
    compute()
    circle = Circle(number)
    return circle.diameter, circle.area, circle.area, sorted(vars(circle))


@case("without", effect=False)
def cached_property_of_a_local_object():
    """It fills an object that nobody else has."""
    return Case(surveyed, range(150))


@case("without", effect=False)
def weak_reference_with_a_callback():
    """The callback writes to a list of the call."""

    class Thing:
        pass

    def f(x):
        compute()
        gone = []
        thing = Thing()
        watch = weakref.ref(thing, lambda reference: gone.append(x))
        alive = watch() is thing
        del thing
        return alive, gone, watch() is None

    return Case(f, range(150))


@case("without", effect=False)
def lock_of_the_module_around_pure_work():
    """Somebody was careful: a lock, where nothing is shared."""

    def f(x):
        compute()
        with GUARD:
            return x * x

    return Case(f, range(150))


@case("without", effect=False)
def module_imported_inside():
    """A late import of the standard library, to be quick at the start."""

    def f(x):
        compute()
        import colorsys

        return [round(part, 6) for part in colorsys.rgb_to_hsv(x / 150, 0.5, 0.25)]

    return Case(f, range(150))


@case("without", effect=False)
def environment_only_read():
    """os.environ, sys.version_info, the working directory."""
    os.environ["READER_MODE"] = "fast"

    def f(x):
        nap()
        mode = os.environ.get("READER_MODE", "slow")
        return mode, sys.version_info >= (3, 11), os.path.isabs(os.getcwd()), x

    return Case(f, range(130))


@case("without", effect=False)
def tree_built_and_searched():
    """ElementTree: append, set, remove; the tree is local."""

    def f(x):
        compute()
        root = ET.fromstring("<r><a/><b n='1'/></r>")
        ET.SubElement(root, "c").text = str(x)
        root.find("b").set("n", str(x))
        root.remove(root[0])
        return ET.tostring(root, encoding="unicode")

    return Case(f, range(150))


@case("without", effect=False)
def mock_of_its_own():
    """A Mock that is made, called and asked within the call."""

    def f(x):
        nap()
        service = mock.Mock(side_effect=lambda n: n + 1)
        total = service(x) + service(x * 2)
        return total, service.call_count

    return Case(f, range(125))


@case("without", effect=False)
def pair_of_sockets_of_its_own():
    """Sends to itself."""

    def f(x):
        compute()
        here, there = socket.socketpair()
        with here, there:
            here.sendall(b"%d" % x)
            return int(there.recv(20)) + 1

    return Case(f, range(150))


@case("without", effect=False)
def raw_memory_of_its_own():
    """mmap, ctypes and array, all local."""

    def f(x):
        compute()
        numbers = array.array("i", range(8))
        numbers[x % 8] = -x
        with mmap.mmap(-1, 64) as memory:
            memory[:32] = numbers.tobytes()
            cells = (ctypes.c_int * 8).from_buffer_copy(memory[:32])
        return list(cells)

    return Case(f, range(150))


@case("without", effect=False)
def through_a_pickle_and_back():
    """dumps and loads of local values, with a class of the module."""

    def f(x):
        compute()
        circle = pickle.loads(pickle.dumps(Circle(x)))
        return circle.diameter

    return Case(f, range(150))


@case("without", effect=False)
def clock_read_and_dropped():
    """Measures itself; the time goes to a debug message that nobody reads."""
    log = logging.getLogger("reader.clock")

    def f(x):
        started = time.perf_counter()
        release()
        log.debug("took %.6f", time.perf_counter() - started)
        return x ^ 0x55

    return Case(f, range(150))


@case("without", effect=False)
def names_of_builtins_reused():
    """Locals called print, open and input; an own append."""

    def append(numbers, number):
        return [*numbers, number]

    def f(x):
        compute()
        print = str
        open = append([], x)
        input = append(open, print(x))
        return input, open

    return Case(f, range(150))


class Steps:
    """An iterator class with a state; each call makes its own."""

    def __init__(self, start):
        self.place = start

    def __iter__(self):
        return self

    def __next__(self):
        self.place += self.place % 3 + 1
        if self.place > 200:
            raise StopIteration
        return self.place


def stepped(number):
    compute()
    steps = Steps(number)
    return list(itertools.islice(steps, 3)), next(steps, None), steps.place


@case("without", effect=False)
def iterator_object_of_its_own():
    """__next__ changes self, which is local."""
    return Case(stepped, range(190))


@case("without", effect=False)
def circle_of_references():
    """Objects that refer to each other, and a look at the collector's setting."""

    def f(x):
        nap()
        first, second = {"n": x}, {"n": -x}
        first["other"], second["other"] = second, first
        return first["other"]["other"]["n"], gc.isenabled()

    return Case(f, range(130))


@case("without", effect=False)
def source_is_a_pure_generator():
    """The data comes from a generator that depends on nothing."""

    def fibonacci():
        a, b = 0, 1
        for _ in range(150):
            yield a
            a, b = b, a + b

    def f(x):
        compute()
        return x % 1009

    return Case(f, fibonacci())


@case("without", effect=False)
def async_helper_driven_by_hand():
    """A coroutine without a loop: send(None) until StopIteration."""

    async def tripled(x):
        return x * 3

    def f(x):
        compute()
        coroutine = tripled(x)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value

    return Case(f, range(150))
