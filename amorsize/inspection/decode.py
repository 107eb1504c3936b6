"""Where the values of a function come from, read off its byte code without running it.

::

    code --decode--> instructions --Frame.run--> what is loaded, stored, called, with which origin
                                        |
                                     Judge (safety.py): decides what it means

A frame is walked in the order of its instructions with a stack of :class:`Value`; where two ways
meet, values are joined (the more foreign origin wins), and a loop is walked again while its head
still changes. Branches are never decided: what might run counts. CPython 3.11 to 3.14.
"""

from __future__ import annotations

import sys
from opcode import opmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any, Protocol

    class Judge(Protocol):
        """Gives the instructions their meaning."""

        def spend(self, steps: int) -> None: ...
        def load_global(self, frame: Frame, name: str) -> Value: ...
        def load_free(self, frame: Frame, name: str) -> Value: ...
        def store_global(self, frame: Frame, name: str, verb: str) -> None: ...
        def store_free(self, frame: Frame, name: str) -> None: ...
        def store_part(self, frame: Frame, base: Value, name: str | None, verb: str) -> None: ...
        def attribute(self, frame: Frame, base: Value, name: str) -> Value: ...
        def super_attribute(self, frame: Frame, base: Value, name: str) -> Value: ...
        def subscript(self, frame: Frame, base: Value, key: Value) -> Value: ...
        def element(self, base: Value) -> Value: ...
        def in_place(self, frame: Frame, left: Value, operator: str) -> Value: ...
        def import_module(self, frame: Frame, name: str, level: Any, names: Any) -> Value: ...
        def enter(self, frame: Frame, manager: Value) -> Value: ...
        def call(
            self, frame: Frame, callee: Value, args: list[Value], named: dict[str, Value],
            spread: Value | None,
        ) -> Value: ...  # fmt: skip
        def call_unseen(self, frame: Frame, closure: Closure) -> None: ...


NEW, GIVEN, SHARED = 0, 1, 2
"""Origins: made by this call (or unchangeable); reached from an item; living outside the call."""
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""The object behind a value is not known."""
PASSES = 5
"""A loop is walked so often at most; origins have three levels, so that more seldom finds more."""


class Value:
    """What is known of one value."""

    __slots__ = ("attr", "base", "func", "inner", "kind", "made_by", "obj", "origin", "path")

    def __init__(
        self,
        origin: int = NEW,
        kind: str = "",
        path: str = "",
        obj: Any = MISSING,
        *,
        inner: Value | None = None,
        base: Value | None = None,
        attr: str = "",
        func: Closure | tuple[Any, ...] | None = None,
        made_by: type | None = None,
    ) -> None:
        self.origin = origin
        self.kind, self.path = kind, path
        """For sentences: "global", "table.rows"."""
        self.obj = obj
        """The object itself (SHARED), or one like it (GIVEN)."""
        self.inner = inner
        """What the elements of a new container are."""
        self.base, self.attr = base, attr
        """Where it was read from, so that a method knows its object."""
        self.func = func
        """Functions that a call of the value may run."""
        self.made_by = made_by
        """The class of a new object."""

    @property
    def phrase(self) -> str:
        """The value named for people: "the captured list 'results'"."""
        if not self.kind:
            return f"'{self.path}'"
        sort = type(self.obj).__name__ + " "
        if sort not in ("list ", "dict ", "set ", "deque ", "bytearray ", "ndarray ", "DataFrame "):
            sort = ""
        return f"the {self.kind} {sort}'{self.path}'"


class Closure:
    """A function made while another runs."""

    __slots__ = ("called", "code", "default", "frame")

    def __init__(self, code: CodeType, frame: Frame) -> None:
        self.code, self.frame = code, frame
        self.default: Value | None = None
        self.called = False


FRESH = Value()
NULL = Value()
"""The empty slot beside a callable."""


def join(a: Value, b: Value) -> Value:
    """What may be either."""
    if a is b or b is NULL:
        return a
    if a is NULL:
        return b
    if b.origin > a.origin:
        a, b = b, a
    inner = a.inner
    if b.inner is not None and (inner is None or b.inner.origin > inner.origin):
        inner = b.inner
    same = a.obj is b.obj or b.origin < a.origin
    func = a.func or b.func
    if inner is a.inner and same and func is a.func:
        return a
    obj = a.obj if same else MISSING
    return Value(
        a.origin, a.kind, a.path, obj, inner=inner, base=a.base, attr=a.attr, func=func,
        made_by=a.made_by or b.made_by,
    )  # fmt: skip


def join_all(values: Iterable[Value]) -> Value:
    """What may be any of them."""
    result = FRESH
    for value in values:
        if value is not FRESH:
            result = join(result, value)
    return result


def _grew(old: Value | None, new: Value | None) -> bool:
    """Whether a join brought something that matters for the walk."""
    if old is new or new is None:
        return False
    if old is None:
        return new.origin > NEW or new.inner is not None or new.func is not None
    if new.origin > old.origin or (old.func is None and new.func is not None):
        return True
    if new.inner is None:
        return False
    return old.inner is None or new.inner.origin > old.inner.origin


# --- decoding ------------------------------------------------------------------------------------

NEWER = sys.version_info >= (3, 12)
"""LOAD_ATTR carries a flag; comprehensions are inlined; FOR_ITER leaves by END_FOR."""
NULL_FIRST = sys.version_info < (3, 13)
"""LOAD_GLOBAL puts the empty slot below the callable."""
FLAG_SHIFT = 1 if NEWER else 0
CODE_NAMES = {number: name for name, number in opmap.items() if number < 256}
EXTENDED = opmap["EXTENDED_ARG"]

POPS_PUSHES = {
    "NOP": (0, 0), "RESUME": (0, 0), "NOT_TAKEN": (0, 0), "PRECALL": (0, 0), "MAKE_CELL": (0, 0),
    "COPY_FREE_VARS": (0, 0), "SETUP_ANNOTATIONS": (0, 0), "ASYNC_GEN_WRAP": (0, 0),
    "POP_TOP": (1, 0), "POP_ITER": (1, 0), "POP_EXCEPT": (1, 0), "END_FOR": (1, 0),
    "END_SEND": (2, 1), "TO_BOOL": (1, 1), "UNARY_POSITIVE": (1, 1), "UNARY_NEGATIVE": (1, 1),
    "UNARY_NOT": (1, 1), "UNARY_INVERT": (1, 1), "COMPARE_OP": (2, 1), "IS_OP": (2, 1),
    "CONTAINS_OP": (2, 1), "CHECK_EXC_MATCH": (1, 1), "CHECK_EG_MATCH": (2, 2),
    "PREP_RERAISE_STAR": (2, 1), "PUSH_EXC_INFO": (0, 1), "WITH_EXCEPT_START": (0, 1),
    "CLEANUP_THROW": (3, 2), "END_ASYNC_FOR": (2, 0), "GET_AITER": (1, 1), "GET_ANEXT": (0, 1),
    "GET_AWAITABLE": (1, 1), "GET_LEN": (0, 1), "MATCH_MAPPING": (0, 1), "MATCH_SEQUENCE": (0, 1),
    "LOAD_BUILD_CLASS": (0, 1), "LOAD_ASSERTION_ERROR": (0, 1), "LOAD_COMMON_CONSTANT": (0, 1),
    "LOAD_SMALL_INT": (0, 1), "LOAD_LOCALS": (0, 1), "RETURN_GENERATOR": (0, 1),
    "FORMAT_SIMPLE": (1, 1), "FORMAT_WITH_SPEC": (2, 1), "CONVERT_VALUE": (1, 1),
    "BUILD_TEMPLATE": (2, 1), "PRINT_EXPR": (1, 0), "IMPORT_STAR": (1, 0), "DELETE_FAST": (0, 0),
    "DELETE_NAME": (0, 0), "EXIT_INIT_CHECK": (1, 0), "ENTER_EXECUTOR": (0, 0), "RESERVED": (0, 0),
}  # fmt: skip
"""Instructions that only move the stack; what they push is new."""
if NEWER and sys.version_info < (3, 13):
    POPS_PUSHES["END_FOR"] = (2, 0)

JUMPS = {
    "JUMP_FORWARD": (1, 0, False), "JUMP_BACKWARD": (-1, 0, False),
    "JUMP_BACKWARD_NO_INTERRUPT": (-1, 0, False),
    "JUMP_IF_FALSE_OR_POP": (1, 0, True), "JUMP_IF_TRUE_OR_POP": (1, 0, True),
    "FOR_ITER": (1, 0, True), "SEND": (1, 0, True),
}  # fmt: skip
"""Direction, values popped before, whether the next instruction may follow."""
for _name in ("FALSE", "TRUE", "NONE", "NOT_NONE"):
    JUMPS[f"POP_JUMP_IF_{_name}"] = JUMPS[f"POP_JUMP_FORWARD_IF_{_name}"] = (1, 1, True)
    JUMPS[f"POP_JUMP_BACKWARD_IF_{_name}"] = (-1, 1, True)
ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "RERAISE", "RAISE_VARARGS", "INTERPRETER_EXIT"})
IN_PLACE = {
    13: "__iadd__", 14: "__iand__", 15: "__ifloordiv__", 16: "__ilshift__", 17: "__imatmul__",
    18: "__imul__", 19: "__imod__", 20: "__ior__", 21: "__ipow__", 22: "__irshift__",
    23: "__isub__", 24: "__itruediv__", 25: "__ixor__",
}  # fmt: skip
"""Arguments of BINARY_OP that try a method of the left side first."""
NB_SUBSCRIPT = 26
"""BINARY_OP with this argument is ``left[right]`` (3.14)."""


class Unreadable(Exception):
    """The byte code holds something unknown."""


class Decoded:
    """A code object taken apart: instructions, where jumps land, where exceptions land."""

    __slots__ = ("first_free", "handlers", "names", "steps", "targets")

    def __init__(self, code: CodeType) -> None:
        raw, steps, arg = code.co_code, [], 0
        targets: set[int] = set()
        size = len(raw)
        for at in range(0, size, 2):
            number = raw[at]
            if number == 0:  # an inline cache
                continue
            arg |= raw[at + 1]
            if number == EXTENDED:
                arg <<= 8
                continue
            name = CODE_NAMES.get(number)
            if name is None:
                raise Unreadable(f"instruction {number}")
            goal = -1
            jump = JUMPS.get(name)
            if jump is not None:
                after = at + 2
                while after < size and raw[after] == 0:
                    after += 2
                goal = after + 2 * jump[0] * arg
                targets.add(goal)
            steps.append((at, name, arg, goal))
            arg = 0
        self.steps, self.targets = steps, targets
        self.handlers = _handlers(code.co_exceptiontable) if code.co_exceptiontable else []
        for _, _, goal, _, _ in self.handlers:
            targets.add(goal)
        plain = code.co_varnames
        self.names = (*plain, *(n for n in code.co_cellvars if n not in plain), *code.co_freevars)
        self.first_free = len(self.names) - len(code.co_freevars)


def _handlers(table: bytes) -> list[tuple[int, int, int, int, bool]]:
    """(start, end, target, depth, whether the position is pushed) of each guarded range, in bytes."""
    found: list[tuple[int, int, int, int, bool]] = []
    numbers: list[int] = []
    value = 0
    for byte in table:
        if byte & 128:  # the first byte of an entry
            numbers = []
            value = 0
        value = (value << 6) | (byte & 63)
        if not byte & 64:
            numbers.append(value)
            value = 0
            if len(numbers) == 4:
                start, length, target, depth = numbers
                found.append(
                    (2 * start, 2 * (start + length), 2 * target, depth >> 1, bool(depth & 1))
                )
    return found


# --- walking -------------------------------------------------------------------------------------


class Frame:
    """One call of a code object."""

    def __init__(
        self,
        judge: Judge,
        code: CodeType,
        decoded: Decoded,
        scope: dict[str, Any],
        *,
        name: str,
        cells: dict[str, Any] | None = None,
        parent: Frame | None = None,
        depth: int = 0,
    ) -> None:
        self.judge, self.code, self.decoded, self.scope = judge, code, decoded, scope
        self.name, self.cells, self.parent, self.depth = name, cells, parent, depth
        self.locals: list[Value | None] = [None] * len(decoded.names)
        self.namespace: dict[str, Value] = {}
        """Names of a class body."""
        self.made: list[Closure] = []
        self.returned = FRESH
        self.keywords: tuple[str, ...] = ()

    def lookup(self, name: str) -> Value | None:
        """The present value of a local variable, for a closure inside."""
        try:
            return self.locals[self.decoded.names.index(name)]
        except ValueError:
            return None

    def free(self, name: str) -> Value:
        """The value of a variable of an enclosing function."""
        frame = self.parent
        while frame is not None:
            if name in frame.code.co_cellvars:
                return frame.lookup(name) or FRESH
            if frame.cells is not None:
                return self.judge.load_free(frame, name)
            frame = frame.parent
        return self.judge.load_free(self, name)

    def set_free(self, name: str, value: Value) -> None:
        """Store to a variable of an enclosing function: ours, or one that outlives the call."""
        frame = self.parent
        while frame is not None:
            if name in frame.code.co_cellvars:
                at = frame.decoded.names.index(name)
                frame.locals[at] = join(frame.locals[at] or value, value)
                return
            if frame.cells is not None:
                break
            frame = frame.parent
        self.judge.store_free(frame or self, name)

    def run(self) -> Value:
        """Walk the code; the value returned."""
        for _ in range(PASSES):
            if not self._walk():
                break
        for closure in self.made:
            if not closure.called:
                self.judge.call_unseen(self, closure)
        return self.returned

    _entries: dict[int, tuple[list[Value], list[Value | None]]] | None = None

    def _walk(self) -> bool:
        """One pass; whether a loop's head changed behind us."""
        decoded, judge = self.decoded, self.judge
        if self._entries is None:
            self._entries = {}
            self._start = list(self.locals)
        self.locals = list(self._start)
        entries, targets = self._entries, decoded.targets
        starts: dict[int, list[tuple[int, int, int, int, bool]]] = {}
        for handler in decoded.handlers:
            starts.setdefault(handler[0], []).append(handler)
            starts.setdefault(handler[1], []).append(handler)
        stack: list[Value] = []
        live = again = False
        live = True
        judge.spend(len(decoded.steps))
        for at, name, arg, goal in decoded.steps:
            if at in targets:
                entry = entries.get(at)
                if not live:
                    if entry is None:
                        continue  # reached by nothing seen so far
                    stack, self.locals, live = list(entry[0]), list(entry[1]), True
                else:
                    self._meet(at, stack)
                    entry = entries[at]
                    stack, self.locals = list(entry[0]), list(entry[1])
            elif not live:
                continue
            if at in starts:
                for _, _, handler_at, depth, lasti in starts[at]:
                    kept = stack[:depth] + [FRESH] * (depth - len(stack) + lasti + 1)
                    if self._meet(handler_at, kept) and handler_at <= at:
                        again = True
            simple = POPS_PUSHES.get(name)
            if simple is not None:
                pops, pushes = simple
                if pops:
                    del stack[-pops:]
                if pushes:
                    stack.extend([FRESH] * pushes)
                continue
            if goal >= 0:
                _, popped, falls = JUMPS[name]
                if popped:
                    stack.pop()
                if name == "FOR_ITER":
                    landing = [*stack, FRESH] if NEWER else stack[:-1]
                elif name == "SEND":
                    landing = [*stack[:-1], FRESH] if NEWER else [*stack[:-2], FRESH]
                else:
                    landing = stack
                if self._meet(goal, landing) and goal <= at:
                    again = True
                if name == "FOR_ITER":
                    stack.append(judge.element(stack[-1]))
                elif name == "SEND":
                    stack[-1] = FRESH
                elif "OR_POP" in name:
                    stack.pop()
                live = falls
                continue
            if name in ENDS:
                if name == "RETURN_VALUE":
                    self.returned = join(self.returned, stack.pop())
                live = False
                continue
            action = ACTIONS.get(name)
            if action is None:
                raise Unreadable(name)
            action(self, stack, arg)
        return again

    def _meet(self, at: int, stack: list[Value]) -> bool:
        """Join the present state into that of a landing; whether it grew."""
        assert self._entries is not None
        entry = self._entries.get(at)
        if entry is None:
            self._entries[at] = (list(stack), list(self.locals))
            return True
        grew = False
        old_stack, old_locals = entry
        for i, value in enumerate(stack[: len(old_stack)]):
            old = old_stack[i]
            if old is not value:
                joined = join(old, value)
                grew = grew or _grew(old, joined)
                old_stack[i] = joined
        for i, local in enumerate(self.locals):
            before = old_locals[i]
            if before is not local and local is not None:
                joined = local if before is None else join(before, local)
                grew = grew or _grew(before, joined)
                old_locals[i] = joined
        return grew


# --- the instructions that matter ----------------------------------------------------------------


def _load_fast(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg] or FRESH)


def _load_fast_and_clear(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg] or FRESH)
    f.locals[arg] = None


def _load_two(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.locals[arg >> 4] or FRESH)
    s.append(f.locals[arg & 15] or FRESH)


def _store_fast(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg] = s.pop()


def _store_load(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg >> 4] = s.pop()
    s.append(f.locals[arg & 15] or FRESH)


def _store_two(f: Frame, s: list[Value], arg: int) -> None:
    f.locals[arg >> 4] = s.pop()
    f.locals[arg & 15] = s.pop()


def _load_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        s.append(f.free(f.decoded.names[arg]))
    else:
        s.append(f.locals[arg] or FRESH)


def _load_dict_or_deref(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _load_deref(f, s, arg)


def _store_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        f.set_free(f.decoded.names[arg], s.pop())
    else:
        f.locals[arg] = s.pop()


def _delete_deref(f: Frame, s: list[Value], arg: int) -> None:
    if arg >= f.decoded.first_free:
        f.set_free(f.decoded.names[arg], FRESH)


def _load_const(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(obj=f.code.co_consts[arg]))


def _push_null(f: Frame, s: list[Value], arg: int) -> None:
    s.append(NULL)


def _load_global(f: Frame, s: list[Value], arg: int) -> None:
    value = f.judge.load_global(f, f.code.co_names[arg >> 1])
    if not arg & 1:
        s.append(value)
    elif NULL_FIRST:  # an attribute of the value may be what is called
        s.extend((NULL, value))
    else:
        s.extend((value, NULL))


def _load_name(f: Frame, s: list[Value], arg: int) -> None:
    name = f.code.co_names[arg]
    value = f.namespace.get(name)
    s.append(f.judge.load_global(f, name) if value is None else value)


def _load_dict_or_global(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _load_name(f, s, arg)


def _store_name(f: Frame, s: list[Value], arg: int) -> None:
    f.namespace[f.code.co_names[arg]] = s.pop()


def _store_global(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    f.judge.store_global(f, f.code.co_names[arg], "stores to")


def _delete_global(f: Frame, s: list[Value], arg: int) -> None:
    f.judge.store_global(f, f.code.co_names[arg], "deletes")


def _load_attr(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s.pop(), f.code.co_names[arg >> FLAG_SHIFT]))
    if NEWER and arg & 1:
        s.append(NULL)


def _load_method(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s.pop(), f.code.co_names[arg]))
    s.append(NULL)


def _load_super_attr(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    del s[-2:]
    s.append(f.judge.super_attribute(f, base, f.code.co_names[arg >> 2]))
    if arg & 1:
        s.append(NULL)


def _load_special(f: Frame, s: list[Value], arg: int) -> None:
    manager = s.pop()
    if arg in (0, 2):  # __enter__, __aenter__: called at once
        entered = f.judge.enter(f, manager)
        s.append(Value(attr="__enter__", base=entered))
    else:
        s.append(FRESH)
    s.append(NULL)


def _before_with(f: Frame, s: list[Value], arg: int) -> None:
    manager = s.pop()
    s.append(FRESH)
    s.append(f.judge.enter(f, manager))


def _store_attr(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    s.pop()
    f.judge.store_part(f, base, f.code.co_names[arg], "stores to")


def _delete_attr(f: Frame, s: list[Value], arg: int) -> None:
    f.judge.store_part(f, s.pop(), f.code.co_names[arg], "deletes")


def _store_subscr(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-2]
    value = s[-3]
    if base.origin == NEW and base.inner is None and (value.origin or value.inner):
        base.inner = value if base is not FRESH else None
    del s[-3:]
    f.judge.store_part(f, base, None, "stores to")


def _delete_subscr(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-2]
    del s[-2:]
    f.judge.store_part(f, base, None, "deletes")


def _store_slice(f: Frame, s: list[Value], arg: int) -> None:
    base = s[-3]
    del s[-4:]
    f.judge.store_part(f, base, None, "stores to")


def _binary_subscr(f: Frame, s: list[Value], arg: int) -> None:
    key = s.pop()
    s[-1] = f.judge.subscript(f, s[-1], key)


SLICE = Value(obj=slice(None))


def _binary_slice(f: Frame, s: list[Value], arg: int) -> None:
    del s[-2:]
    s[-1] = f.judge.subscript(f, s[-1], SLICE)


def _build_slice(f: Frame, s: list[Value], arg: int) -> None:
    del s[-arg:]
    s.append(SLICE)


def _binary_op(f: Frame, s: list[Value], arg: int) -> None:
    if arg == NB_SUBSCRIPT:
        _binary_subscr(f, s, arg)
        return
    s.pop()
    operator = IN_PLACE.get(arg)
    s[-1] = FRESH if operator is None else f.judge.in_place(f, s[-1], operator)


def _build(f: Frame, s: list[Value], arg: int) -> None:
    inner = FRESH
    if arg:
        inner = join_all(s[-arg:])
        if inner.obj is SLICE.obj:
            del s[-arg:]
            s.append(SLICE)
            return
        del s[-arg:]
    s.append(Value(inner=inner if inner.origin or inner.inner or inner.func else None))


def _build_map(f: Frame, s: list[Value], arg: int) -> None:
    _build(f, s, 2 * arg)


def _build_const_key_map(f: Frame, s: list[Value], arg: int) -> None:
    s.pop()
    _build(f, s, arg)


def _build_string(f: Frame, s: list[Value], arg: int) -> None:
    if arg:
        del s[-arg:]
    s.append(FRESH)


def _format_value(f: Frame, s: list[Value], arg: int) -> None:
    if arg & 4:
        s.pop()
    s[-1] = FRESH


def _build_interpolation(f: Frame, s: list[Value], arg: int) -> None:
    del s[-(3 if arg & 1 else 2) :]
    s.append(FRESH)


def _add_to(f: Frame, s: list[Value], arg: int) -> None:
    _absorb(s, arg, s.pop())


def _map_add(f: Frame, s: list[Value], arg: int) -> None:
    value = s.pop()
    s.pop()
    _absorb(s, arg, value)


def _extend(f: Frame, s: list[Value], arg: int) -> None:
    value = s.pop()
    if value.origin or value.inner is not None:
        _absorb(s, arg, f.judge.element(value))


def _absorb(s: list[Value], depth: int, value: Value) -> None:
    """A value goes into a container on the stack."""
    if not (value.origin or value.inner or value.func) or depth > len(s):
        return
    held = s[-depth]
    inner = value if held.inner is None else join(held.inner, value)
    s[-depth] = Value(held.origin, held.kind, held.path, held.obj, inner=inner)


def _unpack(f: Frame, s: list[Value], arg: int) -> None:
    base = s.pop()
    parts = getattr(base.obj, "__len__", None) and base.obj
    if base.origin == NEW and base.inner is None:
        s.extend([FRESH] * arg)
    elif type(parts) is tuple and len(parts) == arg:
        s.extend(f.judge.subscript(f, base, Value(obj=i)) for i in reversed(range(arg)))
    else:
        s.extend([f.judge.element(base)] * arg)


def _unpack_ex(f: Frame, s: list[Value], arg: int) -> None:
    element = f.judge.element(s.pop())
    before, after = arg & 255, arg >> 8
    s.extend([element] * after)
    s.append(Value(inner=element if element.origin or element.inner else None))
    s.extend([element] * before)


def _copy(f: Frame, s: list[Value], arg: int) -> None:
    s.append(s[-arg])


def _swap(f: Frame, s: list[Value], arg: int) -> None:
    s[-1], s[-arg] = s[-arg], s[-1]


def _get_iter(f: Frame, s: list[Value], arg: int) -> None:
    value = s[-1]
    if value.origin or value.inner is not None:
        element = f.judge.element(value)
        s[-1] = Value(inner=element) if element.origin or element.inner else FRESH


def _yield_value(f: Frame, s: list[Value], arg: int) -> None:
    s[-1] = FRESH


def _match_keys(f: Frame, s: list[Value], arg: int) -> None:
    s.append(Value(inner=f.judge.element(s[-2])))


def _match_class(f: Frame, s: list[Value], arg: int) -> None:
    subject = s[-3]
    del s[-3:]
    origin = subject.origin
    part = Value(origin, subject.kind, subject.path) if origin else FRESH
    s.append(Value(inner=part))


def _import_name(f: Frame, s: list[Value], arg: int) -> None:
    names, level = s.pop(), s.pop()
    s.append(f.judge.import_module(f, f.code.co_names[arg], level.obj, names.obj))


def _import_from(f: Frame, s: list[Value], arg: int) -> None:
    s.append(f.judge.attribute(f, s[-1], f.code.co_names[arg]))


def _make_function(f: Frame, s: list[Value], arg: int) -> None:
    code = s.pop().obj
    closure = Closure(code, f)
    if sys.version_info < (3, 13):
        for flag in (8, 4, 2, 1):
            if arg & flag:
                value = s.pop()
                if flag < 4 and value.inner is not None:
                    closure.default = join(closure.default or FRESH, value.inner)
    f.made.append(closure)
    s.append(Value(func=closure))


def _set_function_attribute(f: Frame, s: list[Value], arg: int) -> None:
    function = s.pop()
    value = s.pop()
    if arg in (1, 2) and value.inner is not None and isinstance(function.func, Closure):
        function.func.default = join(function.func.default or FRESH, value.inner)
    s.append(function)


def _kw_names(f: Frame, s: list[Value], arg: int) -> None:
    f.keywords = f.code.co_consts[arg]


def _call(f: Frame, s: list[Value], arg: int) -> None:
    names, f.keywords = f.keywords, ()
    args = s[len(s) - arg :]
    del s[len(s) - arg :]
    second = s.pop()
    first = s.pop()
    if first is NULL:
        first = second
    elif second is not NULL:
        args.insert(0, second)
    named: dict[str, Value] = {}
    if names:
        named = dict(zip(names, args[-len(names) :], strict=True))
        del args[-len(names) :]
    s.append(f.judge.call(f, first, args, named, None))


def _call_kw(f: Frame, s: list[Value], arg: int) -> None:
    f.keywords = s.pop().obj
    _call(f, s, arg)


def _call_function_ex(f: Frame, s: list[Value], arg: int) -> None:
    spread = FRESH
    if sys.version_info >= (3, 14) or arg & 1:
        mapping = s.pop()
        if mapping is not NULL:
            spread = f.judge.element(mapping)
    spread = join(spread, f.judge.element(s.pop()))
    second = s.pop()
    first = s.pop()
    s.append(f.judge.call(f, second if first is NULL else first, [], {}, spread))


def _intrinsic_1(f: Frame, s: list[Value], arg: int) -> None:
    if arg != 6:  # a list made a tuple stays what it is
        s[-1] = FRESH


def _keep(f: Frame, s: list[Value], arg: int) -> None:
    return


def _second_away(f: Frame, s: list[Value], arg: int) -> None:
    del s[-2]


ACTIONS: dict[str, Callable[[Frame, list[Value], int], None]] = {
    "LOAD_FAST": _load_fast, "LOAD_FAST_CHECK": _load_fast, "LOAD_FAST_BORROW": _load_fast,
    "LOAD_CLOSURE": _load_fast, "LOAD_FAST_AND_CLEAR": _load_fast_and_clear,
    "LOAD_FAST_LOAD_FAST": _load_two, "LOAD_FAST_BORROW_LOAD_FAST_BORROW": _load_two,
    "STORE_FAST": _store_fast, "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_two, "LOAD_DEREF": _load_deref,
    "LOAD_CLASSDEREF": _load_deref, "LOAD_FROM_DICT_OR_DEREF": _load_dict_or_deref,
    "STORE_DEREF": _store_deref, "DELETE_DEREF": _delete_deref, "LOAD_CONST": _load_const,
    "PUSH_NULL": _push_null, "LOAD_GLOBAL": _load_global, "LOAD_NAME": _load_name,
    "LOAD_FROM_DICT_OR_GLOBALS": _load_dict_or_global, "STORE_NAME": _store_name,
    "STORE_GLOBAL": _store_global, "DELETE_GLOBAL": _delete_global, "LOAD_ATTR": _load_attr,
    "LOAD_METHOD": _load_method, "LOAD_SUPER_ATTR": _load_super_attr,
    "LOAD_SPECIAL": _load_special, "BEFORE_WITH": _before_with,
    "BEFORE_ASYNC_WITH": _before_with, "STORE_ATTR": _store_attr, "DELETE_ATTR": _delete_attr,
    "STORE_SUBSCR": _store_subscr, "DELETE_SUBSCR": _delete_subscr, "STORE_SLICE": _store_slice,
    "BINARY_SUBSCR": _binary_subscr, "BINARY_SLICE": _binary_slice, "BUILD_SLICE": _build_slice,
    "BINARY_OP": _binary_op, "BUILD_TUPLE": _build, "BUILD_LIST": _build, "BUILD_SET": _build,
    "BUILD_MAP": _build_map, "BUILD_CONST_KEY_MAP": _build_const_key_map,
    "BUILD_STRING": _build_string, "FORMAT_VALUE": _format_value,
    "BUILD_INTERPOLATION": _build_interpolation, "LIST_APPEND": _add_to, "SET_ADD": _add_to,
    "MAP_ADD": _map_add, "LIST_EXTEND": _extend, "SET_UPDATE": _extend, "DICT_UPDATE": _extend,
    "DICT_MERGE": _extend, "UNPACK_SEQUENCE": _unpack, "UNPACK_EX": _unpack_ex, "COPY": _copy,
    "SWAP": _swap, "GET_ITER": _get_iter, "GET_YIELD_FROM_ITER": _get_iter,
    "YIELD_VALUE": _yield_value, "MATCH_KEYS": _match_keys, "MATCH_CLASS": _match_class,
    "IMPORT_NAME": _import_name, "IMPORT_FROM": _import_from, "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute, "KW_NAMES": _kw_names, "CALL": _call,
    "CALL_KW": _call_kw, "CALL_FUNCTION_EX": _call_function_ex,
    "CALL_INTRINSIC_1": _intrinsic_1, "CALL_INTRINSIC_2": _second_away, "LIST_TO_TUPLE": _keep,
}  # fmt: skip
