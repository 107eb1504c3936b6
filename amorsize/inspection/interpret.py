"""Where the values of a function come from, read off its byte code without running it.

::

    code --decode--> instructions --Frame.run--> what is loaded, stored, called, with which origin
                                        |
                                     Judge (effects): decides what it means

A frame is walked in the order of its instructions with a stack of :class:`Value`; where two ways
meet, values are joined (the more foreign origin wins), and a loop is walked again while its head
still changes. Branches are never decided: what might run counts.
"""

from __future__ import annotations

import builtins

from amorsize.core.frozen import dataclass
from amorsize.inspection.abstract_value import (
    FRESH,
    MISSING,
    Closure,
    Value,
    _grew,
    join,
)
from amorsize.inspection.decode import ENDS, INDEXED, JUMPS, NEWER, POPS_PUSHES, Decoded, Unreadable
from amorsize.inspection.guards import decided_jumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, Protocol

    class Judge(Protocol):
        """Gives the instructions their meaning."""

        unsure: bool
        of_items: frozenset[int]

        def know(self, *, unsure: bool) -> None: ...
        def stand(self, at: int) -> None: ...
        def spend(self, steps: int) -> None: ...
        def load_global(self, frame: Frame, name: str) -> Value: ...
        def load_free(self, frame: Frame, name: str) -> Value: ...
        def store_global(self, frame: Frame, name: str, verb: str) -> None: ...
        def store_free(self, frame: Frame, name: str) -> None: ...
        def store_part(self, frame: Frame, base: Value, name: str | None, verb: str) -> None: ...
        def keep_part(self, base: Value, name: str, value: Value) -> None: ...
        def computed(self, *parts: Value) -> Value: ...
        def attribute(self, frame: Frame, base: Value, name: str) -> Value: ...
        def super_attribute(self, frame: Frame, base: Value, name: str) -> Value: ...
        def subscript(self, frame: Frame, base: Value, key: Value) -> Value: ...
        def element(self, base: Value) -> Value: ...
        def iterate(self, frame: Frame, base: Value) -> Value: ...
        def in_place(self, frame: Frame, left: Value, operator: str) -> Value: ...
        def import_module(self, frame: Frame, name: str, level: Any, names: Any) -> Value: ...
        def enter(self, frame: Frame, manager: Value) -> Value: ...
        def call(
            self, frame: Frame, callee: Value, args: list[Value], named: dict[str, Value],
            spread: Value | None,
        ) -> Value: ...  # fmt: skip
        def call_unseen(self, frame: Frame, closure: Closure) -> None: ...


ACTIONS: dict[str, Callable[[Frame, list[Value], int], None]] = {}
"""What each instruction does to the stack; filled by :mod:`amorsize.inspection.instructions`."""
PASSES = 5
"""A loop is walked so often at most; origins have three levels, so that more seldom finds more."""


@dataclass(frozen=True)
class Function:
    """What a walk knows of a function before it begins."""

    code: CodeType
    scope: dict[str, Any]
    """Its global names."""
    name: str = ""
    cells: dict[str, Any] | None = None
    """Its captured variables; None for a function that is made inside of another."""


def passed_by(decoded: Decoded) -> frozenset[int]:
    """Places of the instructions that run for some calls only: those that a jump may pass over."""
    if not decoded.targets:
        return frozenset()
    found: list[int] = []
    handlers = {handler[2] for handler in decoded.handlers}
    loops: dict[int, int] = {}
    until = leap = -1
    for at, name, _, goal in decoded.steps:
        if at in handlers:
            until = max(until, leap)
        if at < until:
            found.append(at)
        if goal < 0:
            if at < until and name in RETURNS:
                until = NEVER
        elif name == "FOR_ITER":
            loops[at] = goal
        elif name != "SEND":
            if goal > at and JUMPS[name][2]:
                until = max(until, goal)
            elif goal > at:
                leap = goal
            elif at < until or JUMPS[name][2]:  # on to the next turn of a loop
                until = max(until, loops.get(goal, -1))
    return frozenset(found)


RETURNS = ("RETURN_VALUE", "RETURN_CONST")
NEVER = 1 << 30
"""A place behind the end of any code."""


class Frame:
    """One call of a code object."""

    def __init__(
        self,
        judge: Judge,
        function: Function,
        parent: Frame | None = None,
        depth: int = 0,
    ) -> None:
        self.judge, self.function, self.parent, self.depth = judge, function, parent, depth
        self.code = function.code
        self.decoded = Decoded(function.code)
        self.locals: list[Value | None] = [None] * len(self.decoded.names)
        self.namespace: dict[str, Value] = {}
        """Names of a class body."""
        self.made: list[Closure] = []
        self._unsure = judge.unsure
        self._seldom = passed_by(self.decoded)
        self._decided = decided_jumps(self.decoded, self.code, self._present, judge.of_items)
        self._returned = FRESH
        self._keywords: tuple[str, ...] = ()

    def drops(self, at: int) -> bool:
        """Is what the call at this place gives thrown away?"""
        steps = self.decoded.steps
        following = next((place for place, step in enumerate(steps) if step[0] == at), -1) + 1
        return 0 < following < len(steps) and steps[following][1] == "POP_TOP"

    def keep_keywords(self, names: tuple[str, ...]) -> None:
        """The next call names its last arguments so."""
        self._keywords = names

    def take_keywords(self) -> tuple[str, ...]:
        """The names of the present call's last arguments."""
        names, self._keywords = self._keywords, ()
        return names

    def _present(self, name: str, captured: bool) -> Any:
        """The value of a global, or of a variable that the user's function has captured."""
        if captured:
            return (self.function.cells or {}).get(name, MISSING)
        return self.function.scope.get(name, vars(builtins).get(name, MISSING))

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
            if frame.function.cells is not None:
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
            if frame.function.cells is not None:
                break
            frame = frame.parent
        self.judge.store_free(frame or self, name)

    def run(self) -> Value:
        """Walk the code; the value returned."""
        for _ in range(PASSES):
            if not self._walk():
                break
        for closure in self.made:
            if not closure.walked:
                self.judge.call_unseen(self, closure)
        self.judge.know(unsure=self._unsure)
        return self._returned

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
        unsure, seldom = self._unsure, self._seldom
        judge.know(unsure=unsure)
        live, again = True, False
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
            if unsure is not (at in seldom or self._unsure):
                unsure = not unsure
                judge.know(unsure=unsure)
            if at in starts:
                for _, _, handler_at, depth, lasti in starts[at]:
                    kept = (stack + [FRESH] * depth)[:depth] + [FRESH] * (lasti + 1)
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
                jumps = self._decided.get(at)
                again |= self._jump(name, stack, goal, jumps) and goal <= at
                live = JUMPS[name][2] and not jumps
                continue
            if name in ENDS:
                if name == "RETURN_VALUE":
                    self._returned = join(self._returned, stack.pop())
                live = False
                continue
            judge.stand(at)
            if name not in ACTIONS:
                raise Unreadable(name)
            ACTIONS[name](self, stack, arg)
        return again

    def _jump(self, name: str, stack: list[Value], goal: int, jumps: bool | None) -> bool:
        """Carry the present state to where a jump lands; whether that changed what is known there.

        ``jumps``: False where it is known not to jump."""
        if JUMPS[name][1]:
            stack.pop()
        if jumps is False:
            return False
        if name == "FOR_ITER":
            landing = [*stack, FRESH] if NEWER else stack[:-1]
        elif name == "SEND":
            landing = [*stack[:-1], FRESH] if NEWER else [*stack[:-2], FRESH]
        else:
            landing = stack
        grew = self._meet(goal, landing)
        if name == "FOR_ITER":
            stack.append(self.judge.element(stack[-2 if INDEXED else -1]))
        elif name == "SEND":
            stack[-1] = FRESH
        elif "OR_POP" in name:
            stack.pop()
        return grew

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
