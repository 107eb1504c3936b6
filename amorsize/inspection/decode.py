"""Code objects taken apart: the instructions of one function, where jumps land, where exceptions land.

Tables of CPython 3.11 to 3.15. An instruction that is in no table makes the code unreadable.
"""

from __future__ import annotations

import opcode
import sys
from opcode import opmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


NEWER = sys.version_info >= (3, 12)
"""LOAD_ATTR carries a flag; comprehensions are inlined; FOR_ITER leaves by END_FOR."""
NULL_FIRST = sys.version_info < (3, 13)
"""LOAD_GLOBAL puts the empty slot below the callable."""
INDEXED = sys.version_info >= (3, 15)
"""GET_ITER puts an index above the iterator, which POP_ITER and END_SEND take away with it; the way of an
import is a part of IMPORT_NAME."""
FLAG_SHIFT = 1 if NEWER else 0
CODE_NAMES = {number: name for name, number in opmap.items() if number < 256}
COMMON = getattr(opcode, "_common_constants", ())
"""What LOAD_COMMON_CONSTANT can push (3.14: classes and functions; 3.15: None and others, too)."""
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
    "LOAD_BUILD_CLASS": (0, 1), "LOAD_ASSERTION_ERROR": (0, 1), "LOAD_LOCALS": (0, 1),
    "RETURN_GENERATOR": (0, 1),
    "FORMAT_SIMPLE": (1, 1), "FORMAT_WITH_SPEC": (2, 1), "CONVERT_VALUE": (1, 1),
    "BUILD_TEMPLATE": (2, 1), "PRINT_EXPR": (1, 0), "IMPORT_STAR": (1, 0), "DELETE_FAST": (0, 0),
    "DELETE_NAME": (0, 0), "EXIT_INIT_CHECK": (1, 0), "ENTER_EXECUTOR": (0, 0), "RESERVED": (0, 0),
}  # fmt: skip
"""Instructions that only move the stack; what they push is new."""
if NEWER and sys.version_info < (3, 13):
    POPS_PUSHES["END_FOR"] = (2, 0)
if INDEXED:
    POPS_PUSHES.update({"POP_ITER": (2, 0), "END_SEND": (3, 1)})

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


NEWEST = (3, 15)
"""The newest Python whose instructions are known here. Code of a later one is not read."""


def running_version() -> tuple[int, int]:
    """Major and minor version of the interpreter."""
    return sys.version_info[:2]


def unknown_python() -> str | None:
    """What it means, as a sentence, that this Python is newer than those that are known; else None."""
    if running_version() <= NEWEST:
        return None
    running, newest = (".".join(map(str, version)) for version in (running_version(), NEWEST))
    return (
        f"Python {running} is newer than those that amorsize knows (up to {newest}): functions are not "
        "read, and what is not read stays in the caller"
    )


class Unreadable(Exception):
    """The byte code holds something unknown."""


class Decoded:
    """A code object taken apart: instructions, where jumps land, where exceptions land."""

    __slots__ = ("first_free", "handlers", "names", "steps", "targets")

    def __init__(self, code: CodeType) -> None:
        if running_version() > NEWEST:
            raise Unreadable(
                "its instructions are not known: " + ".".join(map(str, running_version()))
            )
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
