"""What every instruction of this Python does to the stack is what the interpreter's own tables say.

Code of the standard library is walked by the same frames that judge users' functions, with a judge that
decides nothing, so that no walk ends early; the height of the stack is held against ``dis.stack_effect``
after each instruction, for going on and for jumping. The tables differ from Python to Python, so
`make everywhere` and the continuous integration run this on each that is there.
"""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import sys
from collections.abc import Callable, Iterator
from opcode import opmap
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from amorsize.inspection import decode, interpret
from amorsize.inspection.abstract_value import FRESH, Value
from amorsize.inspection.effects import inspect_function
from amorsize.inspection.instructions import ACTIONS

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        sys.version_info[:2] > decode.NEWEST, reason="code of this Python is not read yet"
    ),
]
FIRST_INSTRUMENTED = 236
"""Numbers from here on are of instructions that tools put in, and that no code object shows."""
FILES = [
    "argparse.py", "ast.py", "asyncio/base_events.py", "asyncio/streams.py",
    "asyncio/taskgroups.py", "cmd.py", "collections/__init__.py", "contextlib.py", "copy.py",
    "csv.py", "dataclasses.py", "datetime.py", "decimal.py", "difflib.py", "dis.py", "enum.py",
    "fractions.py", "functools.py", "heapq.py", "inspect.py", "json/decoder.py", "json/encoder.py",
    "locale.py", "logging/__init__.py", "pathlib.py", "pickle.py", "random.py", "shutil.py",
    "statistics.py", "subprocess.py", "tarfile.py", "textwrap.py", "threading.py", "traceback.py",
    "typing.py", "unittest/mock.py", "zipfile.py",
]  # fmt: skip
"""Code of the standard library of which nearly every instruction is made."""
SELDOM = """
from operator import *
x: int = 1
del x
assert x, "told"

def scopes():
    kept = 1
    class Inner:
        shown = kept
        kept = 2
        def inner(self): return kept, __class__
    del kept
    return Inner

def matched(thing):
    match thing:
        case {"a": 1, **rest}: return rest
        case [first, *others] if others: return first
        case Point(x=0): return 1
        case None: return 2

def grouped(call):
    try: call()
    except* ValueError as error: return_ = error
    for i in range(3):
        try: call()
        except KeyError: continue
        finally: call()

async def agen(source, manager):
    async with manager as one, manager:
        yield one
    async for row in source:
        yield [await r async for r in row if r]
    else: yield await source
    await source

def spread(first, *args, **named):
    first[1:2] = args; del first[0]; first[0:1] += args
    return [*args, 1], {*args}, {**named, "a": 1}, print(*args, **named), f"{first!r:>{args}}", -first

def parts(first, second):
    a, *b = first; a @= second; (c, d), e = first; a = +first; e = ~d; a, e = e, a; c, d, e = e, d, c
    return a.real, b is c, a not in d, not e, super(parts, first).call(), super(parts, first).name, a[b:c]

def swaps(a, b):
    return {k: v for k, v in a if v} | {x for x in b}, (lambda n=a, *, m=b: n + m), [a, b, 1, 2, 3, 4, 5]

def gens(a):
    got = yield from a
    del got
    global made; made = a; del made
    import os.path as path; from os import sep, path as p2
    print(got if a is None else a and got or path)
    while a is not None: a = a.next
    while a: a.pop()

class Base:
    def go(self): return super().go, super().go(1), super().going

async def opened(a):
    try:
        async with a: return 1
    finally: await a
"""
GENERIC = """
def generic[T: int, *Ts, **P](a: T) -> T: return a
class Pair[T]: held: T
type Alias[T] = list[T]
class Holder:
    type Inner = int
    def first[T: int](self, a: T) -> T: return a
def lazy(a):
    class Body[T]:
        held: T
        a = a
"""
DEFAULT = "\nclass Pair[T = int]: held: T\n"
TEMPLATE = "\ndef template(a, b): return t'{a!r:>{b}} {b}'\n"
NEVER_MADE = {
    "CACHE": "inline caches are passed over",
    "EXTENDED_ARG": "becomes a part of the next instruction",
    "RESERVED": "stands for none",
    "PRINT_EXPR": "of the interactive prompt",
    "INTERPRETER_EXIT": "of the interpreter's own entry",
    "ENTER_EXECUTOR": "put in by the interpreter's optimizer",
    "EXIT_INIT_CHECK": "put in where a class is called",
    "RESUME_QUICK": "a form of RESUME",
    "CALL_INTRINSIC_2": "of except* and of generics, where a Python has them",
    "SETUP_ANNOTATIONS": "of annotations that are not deferred",
    "ASYNC_GEN_WRAP": "of asynchronous generators of 3.11",
    "LOAD_ASSERTION_ERROR": "of assertions before 3.14",
    "LOAD_CLASSDEREF": "of class bodies of 3.11",
}
"""Instructions that no code above has on some Python, with the reason."""


class Undecided:
    """A judge that finds everything new and decides nothing."""

    unsure = False
    of_items: frozenset[int] = frozenset()

    def __getattr__(self, name: str) -> Callable[..., Value]:
        return lambda *_, **__: FRESH


def codes(source: str, name: str) -> Iterator[CodeType]:
    """All code objects of a text."""
    found = [compile(source, name, "exec", dont_inherit=True)]
    while found:
        code = found.pop()
        yield code
        found += [one for one in code.co_consts if isinstance(one, CodeType)]


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of each source."""
    root = Path(ast.__file__).parent
    for name in FILES:
        if (root / name).exists():  # some are packages on other Pythons
            yield name, (root / name).read_text("utf-8")
    yield "seldom", SELDOM
    if sys.version_info >= (3, 12):
        yield "generic", GENERIC
    if sys.version_info >= (3, 13):
        yield "default", DEFAULT
    if sys.version_info >= (3, 14):
        yield "template", TEMPLATE


def effect(name: str, arg: int, *, jump: bool) -> int:
    """What the interpreter says of the height of the stack.

    Two that our frames count together with a neighbour: 3.11 takes the arguments of a call away in
    PRECALL, and what a generator is first sent is only counted by 3.13 and newer."""
    if name in ("PRECALL", "CALL") and "PRECALL" in opmap:
        return -1 - arg if name == "CALL" else 0
    if name == "RETURN_GENERATOR" and sys.version_info < (3, 13):
        return 1
    number = opmap[name]
    return dis.stack_effect(number, arg if number >= dis.HAVE_ARGUMENT else None, jump=jump)


def moving(pops: int, pushes: int) -> Callable[..., None]:
    """An instruction that only moves the stack."""

    def move(frame: Any, stack: list[Value], arg: int) -> None:
        del stack[len(stack) - pops :]
        stack.extend([FRESH] * pushes)

    return move


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Every instruction that is walked, with where it moves the stack otherwise than it should."""
    seen: dict[str, list[str]] = {}

    def check(name: str, moved: int, arg: int, *, jump: bool) -> None:
        wrong = seen.setdefault(name, [])
        if moved != (right := effect(name, arg, jump=jump)):
            wrong.append(f"moved by {moved}, not {right}, argument {arg}, {jump=}")

    def measured(name: str, action: Callable[..., None]) -> Callable[..., None]:
        def act(frame: Any, stack: list[Value], arg: int) -> None:
            before = len(stack)
            action(frame, stack, arg)
            check(name, len(stack) - before, arg, jump=False)

        return act

    for name, (pops, pushes) in decode.POPS_PUSHES.items():
        if name in opmap:
            monkeypatch.setitem(ACTIONS, name, measured(name, moving(pops, pushes)))
    for name in [name for name in ACTIONS if name not in decode.POPS_PUSHES]:
        monkeypatch.setitem(ACTIONS, name, measured(name, ACTIONS[name]))
    monkeypatch.setattr(interpret, "POPS_PUSHES", {})

    jump = interpret.Frame._jump
    meet = interpret.Frame._meet
    landing: list[int] = []

    def jumped(self: Any, name: str, stack: list[Value], goal: int, jumps: bool | None) -> bool:
        before = len(stack)
        landing[:] = [-1]
        grew = jump(self, name, stack, goal, jumps)
        if landing[0] >= 0:
            check(name, landing[0] - before, 0, jump=True)
        if decode.JUMPS[name][2]:
            check(name, len(stack) - before, 0, jump=False)
        return grew

    def met(self: Any, at: int, stack: list[Value]) -> bool:
        if landing and landing[0] == -1:
            landing[0] = len(stack)
        return meet(self, at, stack)

    monkeypatch.setattr(interpret.Frame, "_jump", jumped)
    monkeypatch.setattr(interpret.Frame, "_meet", met)
    return seen


def test_each_instruction_moves_the_stack_as_the_interpreter_says(
    walked: dict[str, list[str]],
) -> None:
    made = set()
    for name, text in texts():
        for code in codes(text, name):
            made |= {one.opname for one in dis.get_instructions(code)}
            interpret.Frame(Undecided(), interpret.Function(code, vars(builtins))).run()
    assert {name: wrong[0] for name, wrong in walked.items() if wrong} == {}
    assert made - {*walked, *decode.ENDS} <= set(NEVER_MADE)  # what there is was walked
    known = {name for name, number in opmap.items() if number < FIRST_INSTRUMENTED}
    assert {one for one in known - made if not one.startswith("INSTRUMENTED_")} <= set(NEVER_MADE)


def functions() -> list[FunctionType]:
    """Functions of the standard library, of each module the first ones."""
    found = []
    for name in FILES:
        module = importlib.import_module(
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        )
        own = [one for one in vars(module).values() if isinstance(one, FunctionType)]
        for kind in [one for one in vars(module).values() if isinstance(one, type)]:
            own += [one for one in vars(kind).values() if isinstance(one, FunctionType)]
        found += [one for one in own if one.__module__ == module.__name__][:20]
    return found


def test_functions_of_the_standard_library_are_read() -> None:
    some = functions()
    assert len(some) >= 200
    unread = {}
    for one in some:
        reason = inspect_function(one).caller_only or ""
        if "cannot be read" in reason and "longer" not in reason and "deeper" not in reason:
            unread[f"{one.__module__}.{one.__qualname__}"] = reason
    assert unread == {}
