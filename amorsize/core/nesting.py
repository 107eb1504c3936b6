"""Whether the present thread or process works for a run already: a call of amorsize there stays serial.

A thread, the caller's or a worker's, is marked while it runs the user's function for a run; a process
that amorsize started is marked for its whole life. Sets of integers are changed by one
atomic operation, and each thread only adds and removes itself.

A stream may call the function while its consumer asks for the next result. A mark would cost such an
item as much as a trivial function does, so the generator that calls it is found on the stack instead:
it is there while the function runs, and not while the consumer works.

Here, too: the context in which threads run the function for their caller.
"""

from __future__ import annotations

import sys
from _contextvars import copy_context  # not contextvars: it is loaded as a part of the interpreter
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

busy_threads: set[int] = set()
"""Identities of the threads of this process that work for a run."""

in_worker = False
"""True in a process that amorsize started."""


def become_worker() -> None:
    """Mark this process as a worker, for its whole life."""
    global in_worker
    in_worker = True


_lazy: dict[int, Any] = {}
"""Generator functions that call the function as a consumer asks for results, by the identity of their
code (its hash would be computed anew for each frame)."""


def calls_lazily(generator: Any) -> None:
    """This generator function calls users' functions between two turns of a consumer."""
    _lazy[id(generator.__code__)] = generator


def is_nested() -> bool:
    """Whether a call of amorsize by the present thread comes from inside a run."""
    return in_worker or get_ident() in busy_threads or _is_called_lazily()


def _is_called_lazily() -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None:
        if id(frame.f_code) in _lazy:
            return True
        frame = frame.f_back
    return False


def enter() -> bool:
    """Mark the present thread; True where it was not marked yet and :func:`leave` is due."""
    me = get_ident()
    if me in busy_threads:
        return False
    busy_threads.add(me)
    return True


def leave() -> None:
    """Take the mark of the present thread away."""
    busy_threads.discard(get_ident())


def caller_context() -> Context:
    """A copy of the context of this thread. Before NumPy 2 ``numpy.errstate`` sets no context variable,
    but something that each thread has for itself; the copy then knows it, too."""
    context = copy_context()
    numpy = sys.modules.get("numpy")
    if numpy is None or not getattr(numpy, "__version__", "").startswith("1."):
        return context
    # All that amorsize asks of a context: to be copied, to run a function, and for its values.
    return WithErrorState(context, numpy.errstate, numpy.geterr())  # type: ignore[return-value]


class WithErrorState:
    """A context in which NumPy 1 has a given error state."""

    def __init__(self, context: Context, errstate: Any, state: dict[str, str]) -> None:
        self.context, self.errstate, self.state = context, errstate, state

    def copy(self) -> WithErrorState:
        """Another with the same values."""
        return WithErrorState(self.context.copy(), self.errstate, self.state)

    def run(self, func: Callable[..., Any], *args: Any) -> Any:
        """Call it in this context; this thread then has again what it had."""
        with self.errstate(**self.state):
            return self.context.run(func, *args)

    def items(self) -> Any:
        """The context variables and their values."""
        return self.context.items()
