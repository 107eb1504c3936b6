"""What does a function change? Found by two looks around one item, not by reading its code.

::

    watch = Watch(func, item)      # first look: all that func and item reach, and the process
    result = func(item)            # the caller runs the item itself
    verdict = watch.verdict()      # second look: what differs, named for people
    if verdict.changed: ...        # "`found` changed while item 1 ran"

A change that does not matter is in the tables BENIGN_* and is not told. A change that happens once
(a model that is loaded when first needed) is told; only a later item that is watched too says whether
it repeats.
"""

from __future__ import annotations

from time import thread_time
from types import ModuleType

from amorsize.inspection import file_questions
from amorsize.inspection.file_use import FILE_NAMES, OUTPUT_NAMES, FileUse, is_installed
from amorsize.inspection.kinds import plan_of, type_module, type_mro
from amorsize.inspection.look import Look
from amorsize.inspection.process_state import SETTING_NAMES, ProcessState, only_drawn, writes
from amorsize.inspection.program_use import ProgramUse
from amorsize.inspection.reach import DYNAMIC_NAMES
from amorsize.inspection.state import ABSENT, ATTRIBUTE, BINDING, NAME, Limit, State, same_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    Rest: TypeAlias = tuple[
        str | None, int, float, Mapping[str, tuple[bool, int]], tuple[str, ...] | None
    ]

BUDGET_SECONDS = 0.01
"""Time of one look where the caller of it states none: 30 times the look at a usual function, which
takes 0.3 ms on a busy machine (benchmarks/speed/watch_cost.py)."""

MOST_NODES = 10_000
"""Objects that one look reads at most: some 10 ms."""

DRAW_SECONDS, DRAW_SHARE = 0.002, 0.2
"""Time to find out whether a random state was drawn from or set: 2 ms, or this share of the item."""

BENIGN_NAMES = frozenset(
    {"__warningregistry__", "__builtins__", "__annotations__", "__conditional_annotations__",
     "__pycache__", "__cached__"}
)  # fmt: skip
"""Names of modules that the interpreter and the ``warnings`` module fill in.

What else changes and does not matter, and is never looked at: what ``lru_cache`` keeps, ``re``'s and
``linecache``'s caches (modules of the standard library are not followed), loggers and handlers but for
their level and list of handlers, engines of pandas indexes, lazy slots of paths, ``sys.modules``."""

BENIGN_ATTRIBUTES = {
    "pandas.core.": frozenset({"_cache", "_item_cache", "_cacher"}),
    "functools": frozenset({"_cache_token", "dispatch_cache"}),
    "http.cookiejar": frozenset({"_now"}),
}
"""Attributes by module of the class, or of a base: caches that a library fills when it is asked, and the
time at which it was asked last."""


class Verdict:
    """What one watched item changed.

    ``changed``: names, such as "`found`", "`self.total`", "the item", "the working directory".
    ``cut_short``: why not all was looked at, or None. ``unwatched``: names of objects that do not
    show their state. ``left_open``: descriptors, threads and child processes that the item left.
    ``returned``: a changeable object that the function reaches and gave as its result, or None.
    ``drew_random``: a global random state advanced by drawing from it, which is not in ``changed``.
    ``pooled``: pools of connections that were used, which are not in ``changed`` either: by name, whether
    the class is the user's own, and how many connections it keeps (0: not known).
    ``files``: those names of ``changed`` that are of files; None where something was written, and nobody
    heard where to.
    ``nodes``: objects looked at; ``seconds``: what both looks took.
    """

    __slots__ = (
        "changed",
        "cut_short",
        "drew_random",
        "files",
        "left_open",
        "nodes",
        "pooled",
        "returned",
        "seconds",
        "unwatched",
    )

    def __init__(
        self,
        changed: tuple[str, ...] = (),
        *,
        cut_short: str | None = None,
        unwatched: tuple[str, ...] = (),
        left_open: tuple[str, ...] = (),
        drew_random: bool = False,
        rest: Rest = (None, 0, 0.0, {}, ()),
    ) -> None:
        self.changed = changed
        self.cut_short = cut_short
        self.unwatched = unwatched
        self.left_open = left_open
        self.drew_random = drew_random
        self.returned, self.nodes, self.seconds, self.pooled, self.files = rest

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"Verdict({parts})"

    @property
    def item_changed(self) -> bool:
        """Did the function change the item that it was given, or what is in it?"""
        return ITEM in self.changed

    def sentence(self, number: int = 1) -> str:
        """What to tell people: "`found` changed while item 1 ran"; "" where nothing changed."""
        if not self.changed:
            return ""
        first, *others = self.changed
        if self.item_changed:
            return f"item {number} was changed by the function"
        if not others:
            return f"{first} changed while item {number} ran"
        if len(others) == 1:
            return f"{first} and {others[0]} changed while item {number} ran"
        return f"{first} and {len(others)} others changed while item {number} ran"


ITEM = "the item"

NAMING = frozenset({id(str), id(tuple)})
"""Types of keys that are names; another key's hash would be the user's code."""


class Watch:
    """Two looks around one item: the first when it is made, the second in :meth:`verdict`.

    ``budget_seconds`` bounds each look, ``most_nodes`` the objects that it reads; ``clock`` gives
    seconds. No exception leaves it: a look that raises counts as cut short.
    """

    __slots__ = (
        "_began",
        "_clock",
        "_files",
        "_item",
        "_limit",
        "_look",
        "_process",
        "_ready",
        "_written",
    )

    def __init__(
        self,
        func: Any,
        item: Any,
        *,
        budget_seconds: float = BUDGET_SECONDS,
        most_nodes: int = MOST_NODES,
        clock: Callable[[], float] = thread_time,
    ) -> None:
        limit = Limit(budget_seconds, most_nodes, clock)
        self._clock, self._limit = clock, limit
        self._began = limit.start()
        self._look = Look(limit)
        try:
            self._look.walk(func, (item,))
        except Exception as error:
            self._look.fail("the look", error)
        self._process = ProcessState(self._look.trail.names)
        self._files: FileUse | None = None
        self._written: int | None = None
        self._item = item
        self._ready = clock()

    def hear_files(self, since: float, thread: int | None = None, *, surely: bool = False) -> Watch:
        """Watch files, too, from now on: itself. ``since``: when the run began, by
        :func:`amorsize.inspection.file_use.now`. ``thread``: the identifier of the thread that the item
        runs in, where that is another one. ``surely``: even if the code names nothing that uses files."""
        if surely or is_installed() or not FILE_NAMES.isdisjoint(self._look.trail.names):
            self._files = FileUse(
                since, self._item, ProgramUse(), questions=file_questions if self.asks else None
            )
            self._files.begin(thread)
        else:
            self._written = writes()
        return self

    @property
    def held(self) -> tuple[tuple[str, str], ...]:
        """Name and kind of what is reached that must not be copied into another process."""
        return tuple((self._look.name(index), kind) for index, kind in self._look.held)

    @property
    def uses_files(self) -> bool:
        """Whether the item was heard to make or change a file."""
        return self._files is not None and self._files.is_used

    @property
    def may_write(self) -> bool:
        """Whether the code that was reached names a way to print, write or send."""
        return not OUTPUT_NAMES.isdisjoint(self._look.trail.names)

    @property
    def asks(self) -> bool:
        """Whether the code that was reached asks which files are there, and may make some."""
        return self.may_write and not file_questions.ASKING.isdisjoint(self._look.trail.names)

    def verdict(self, results: Sequence[Any] = ()) -> Verdict:
        """Look again, and tell what differs from the first look. ``results``: what the item gave."""
        limit, look = self._limit, self._look
        start = limit.start()
        names: dict[str, None] = {}
        if self._files is not None:
            self._files.end()
            names.update(self._files.reasons)
        process = ProcessState(look.trail.names)
        names.update(dict.fromkeys(self._process.changed_to(process)))
        drew = self._judge_draws(process, start - self._ready, names)
        pooled: dict[str, tuple[bool, int]] = {}
        try:
            names.update(look_again(look, pooled))
        except Exception as error:
            look.fail("the second look", error)
        seconds = self._clock() - start + self._ready - self._began
        return Verdict(
            tuple(names),
            cut_short=look.cut_short,
            unwatched=tuple(dict.fromkeys(map(look.name, look.hidden))),
            left_open=tuple(self._process.left_open(process)),
            drew_random=drew,
            rest=(look.returned(results), len(look), seconds, pooled, self._heard()),
        )

    def _heard(self) -> tuple[str, ...] | None:
        """Names of files; None where something was written that nobody heard of."""
        if self._files is not None:
            return tuple(self._files.reasons)
        return None if self._written is not None and writes() > self._written else ()

    def _judge_draws(
        self, process: ProcessState, item_seconds: float, names: dict[str, None]
    ) -> bool:
        """Were the global generators drawn from? One that was set is a change.

        Code that names a way to set one counts as setting it: seeding may lead where drawing would.
        """
        drew = False
        sets = not SETTING_NAMES.isdisjoint(self._look.trail.names)
        until = self._clock() + max(DRAW_SECONDS, DRAW_SHARE * item_seconds)
        for library, before in self._process.draws.items():
            after = process.draws.get(library, before)
            if before == after:
                continue
            if not sets and only_drawn(before, after, item_seconds, lambda: self._clock() < until):
                drew = True
            else:
                names[f"the state of `{library}`"] = None
        return drew


def look_again(
    look: Look, pooled: dict[str, tuple[bool, int]], *, beside: bool = False
) -> dict[str, None]:
    """Names of all that differs from the first look. ``pooled`` gets those of pools of connections that
    were used instead: see :mod:`amorsize.inspection.pooled`. ``beside``: the user's program ran, too, and
    set variables of its own: those count that the code which was read names."""
    names: dict[str, None] = {}
    named = look.trail.names
    beside = beside and named.isdisjoint(DYNAMIC_NAMES)
    for node, after in look.again():
        if _within_cache(look, node[4]):
            continue
        if beside and node[5] == BINDING and after[1] is not None and node[3][1] is not None:
            node, after = _only(node, named), _narrowed(after, named)
        pool = -1
        if look.held:
            from amorsize.inspection.pooled import kept_connections, pool_of

            pool = pool_of(look, node, after)
        if pool < 0:
            names.update(dict.fromkeys(changed_names(look, node, after)))
        else:
            found = look.queue[pool][0]
            pooled[look.name(pool)] = plan_of(type(found)).own, kept_connections(found)
    return names


def _only(node: Any, names: set[str]) -> Any:
    """A node of a look with the bindings of these names alone."""
    obj, kind, reader, before, index, style = node
    return obj, kind, reader, _narrowed(before, names), index, style


def _narrowed(state: Any, names: set[str]) -> Any:
    kept = [pair for pair in zip(state[1], state[2], strict=True) if pair[0] in names]
    return state[0], tuple(name for name, _ in kept), tuple(value for _, value in kept)


def _within_cache(look: Look, index: int) -> bool:
    """Is an object of the queue a library's cache, or a part of one?"""
    while index >= 0:
        _, parent, style, key, _ = look.queue[index]
        named = style == ATTRIBUTE and parent >= 0 and type(key) is str
        if named and _benign(key, None, None, style, type(look.queue[parent][0])):
            return True
        index = parent
    return False


def changed_names(look: Look, node: Any, after: State) -> list[str]:
    """Names of what differs between two states of one object, those left out that do not matter."""
    obj, kind, _, before, index, style = node
    if style not in (ATTRIBUTE, NAME, BINDING) or before[1] is None or after[1] is None:
        return [look.name(index)]
    if type(obj) is not kind or not {*map(id, map(type, (*before[1], *after[1])))} <= NAMING:
        return [look.name(index)]
    was, now = (
        dict(zip(before[1], before[2], strict=True)),
        dict(zip(after[1], after[2], strict=True)),
    )
    return [
        _called(look, index, key, style)
        for key in was | now
        if not same_value(was.get(key, ABSENT), now.get(key, ABSENT))
        and not _benign(key, was.get(key, ABSENT), now.get(key, ABSENT), style, kind)
    ]


def _called(look: Look, index: int, key: Any, style: int) -> str:
    if style == BINDING:
        prefix, _, suffix = look.queue[index][3]
        return f"{prefix}`{key}`{suffix}"
    if style == NAME:
        prefix, name, suffix = key
        return f"{prefix}`{name}`{suffix}"
    return look.name(index, key, style)


def _benign(key: Any, was: Any, now: Any, style: int, kind: type) -> bool:
    """Does a changed name or attribute not matter?"""
    if style == BINDING:
        return key in BENIGN_NAMES or (was is ABSENT and issubclass(type(now), ModuleType))
    if style == NAME:
        return False
    for module, attributes in BENIGN_ATTRIBUTES.items():
        if key in attributes and plan_of(kind).foreign:
            return any(str(type_module(base)).startswith(module) for base in type_mro(kind))
    return False
