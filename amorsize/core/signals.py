"""Signal handlers held off for the moments in which what they raise would be lost, or leave something.

A handler of the program's own (Ctrl-C, an alarm as a time limit) runs between any two byte codes, and
what it raises may be of any class: in the middle of the start of a worker it leaves the worker behind,
inside a ``try`` of this library it is taken for what that expects, in a hook of ``os.fork`` the
interpreter throws it away. So the library's own work that cannot be left in the middle happens inside
``with held():``, and what waits or calls the user's code inside ``with released():`` there. What came
meanwhile goes to the handler that was there, on the way out.

::

    held: handlers are replaced by a note ----> with released(): theirs again ----> note ----> theirs
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal's own functions make enums of the answers
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NUMBERS = range(1, _signal.NSIG)


class _Handlers:
    """The handlers of the main thread, and how deep it is inside of ``held``."""

    def __init__(self) -> None:
        self._depth = self._owner = 0
        self._before: list[tuple[int, Any]] = []
        self._noted: list[tuple[int, Any]] = []
        self._kept: Any = None
        """A handler that is left where it is."""
        self._tell: Callable[[], None] | None = None
        """Called when something was noted."""

    def note(self, number: int, frame: object) -> None:
        """Stands in the place of each handler."""
        self._noted.append((number, frame))
        if self._tell is not None:
            self._tell()

    # -- in and out -----------------------------------------------------------------------------

    def hold(self, kept: Any = None) -> bool:
        """One level deeper; False where no handler runs."""
        me = get_ident()
        if self._owner == me:
            self._depth += 1
            return True
        if self._owner or not _is_main_thread():
            return False
        self._kept = kept
        self._replace()
        self._owner, self._depth = me, 1
        return True

    def let_go(self) -> None:
        """One level less deep."""
        self._depth -= 1
        if not self._depth:
            self._owner, self._tell, self._kept = 0, None, None
            self._restore()

    def release(self) -> int:
        """All levels at once; how many there were."""
        depth = self._depth if self._owner == get_ident() else 0
        if depth:
            self._owner = self._depth = 0
            try:
                self._restore()
            except BaseException:
                self.hold_again(depth)
                raise
        return depth

    def hold_again(self, depth: int) -> None:
        """As deep as it was."""
        self._owner, self._depth = get_ident(), depth
        self._replace()

    def forget(self) -> None:
        """The program's own handlers again, and nothing was noted."""
        self._noted.clear()
        self._owner, self._depth, self._tell, self._kept = 0, 0, None, None
        self._restore()

    # -- while it is held -------------------------------------------------------------------------

    def tell(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when something was noted; at once if it was before."""
        self._tell = call
        if self._noted:
            call()

    def answer(self) -> None:
        """Call the handlers of what was noted; raises what they raise."""
        self._answer(self._before, None)

    def handler_of(self, number: int) -> Any:
        """The program's own handler of a signal, where it is held off, too."""
        handler = _signal.getsignal(number)
        return dict(self._before).get(number, handler) if handler is _note else handler

    # -- handlers -------------------------------------------------------------------------------

    def _replace(self) -> None:
        self._before = [
            (number, handler)
            for number, handler in enumerate(map(_signal.getsignal, NUMBERS), 1)
            if type(handler) is not int and not (handler is None or handler is self._kept)
        ]
        try:
            for number, _ in self._before:
                _signal.signal(number, _note)
        except BaseException:  # a handler's own, which came before it was replaced
            self._restore()
            raise

    def _restore(self) -> None:
        before, self._before = self._before, []
        raised: BaseException | None = None
        for number, handler in before:
            while _signal.getsignal(number) is _note:
                try:
                    _signal.signal(number, handler)
                except BaseException as error:  # a handler's that is back already
                    raised = error
        self._answer(before, raised)

    def _answer(self, handlers: list[tuple[int, Any]], raised: BaseException | None) -> None:
        found = dict(handlers)
        while self._noted:
            number, frame = self._noted.pop(0)
            try:
                found[number](number, frame)
            except BaseException as error:
                raised = error
        if raised is not None:
            raise raised


_handlers = _Handlers()
_note = _handlers.note


def _is_main_thread() -> bool:
    """Whether handlers run in this thread. (``threading`` takes the first thread that imports it for
    the main one.)"""
    try:
        _signal.signal(_signal.SIGINT, None)
    except TypeError:  # no handler, but asked for where one may be set
        return True
    except ValueError as error:
        if error.__traceback__ is None or error.__traceback__.tb_next is None:
            return False
        raise  # a handler's
    raise AssertionError("None was set as a handler")


class held:  # noqa: N801 # reads as a word of the language
    """``with held(): ...`` for at most about a second; costs 8 µs, inside of another 0.5. Nothing outside
    of the main thread, where no handler runs."""

    __slots__ = ("_holds",)

    def __enter__(self) -> None:
        self._holds = _handlers.hold()

    def __exit__(self, *_: object) -> None:
        if self._holds:
            _handlers.let_go()


class released:  # noqa: N801
    """``with released(): ...`` inside of ``held``: handlers act as ever. Nothing outside of it."""

    __slots__ = ("_depth",)

    def __enter__(self) -> None:
        self._depth = _handlers.release()

    def __exit__(self, *_: object) -> None:
        if self._depth:
            _handlers.hold_again(self._depth)


class deferred:  # noqa: N801
    """``with deferred() as noted: ...`` around an event loop of our own: what a handler raises in the
    middle of the loop is lost in whatever callback runs there. The loop calls ``noted.answer()`` instead,
    between two callbacks, when ``tell`` asks it to. Python's own handler of Ctrl-C is left to asyncio."""

    __slots__ = ("_holds",)

    def __enter__(self) -> deferred:
        self._holds = _handlers.hold(kept=_signal.default_int_handler)
        return self

    def __exit__(self, *_: object) -> None:
        if self._holds:
            _handlers.let_go()

    def tell(self, call: Callable[[], None]) -> None:
        """From now on ``call`` is called when something was noted; at once if it was before."""
        if self._holds:
            _handlers.tell(call)

    def answer(self) -> None:
        """Call the handlers of what was noted; raises what they raise."""
        _handlers.answer()


def is_of_handler(error: BaseException) -> bool:
    """Was what a ``try`` around calls of C functions has caught raised by a handler that ran there?

    The handler's own frame tells: what a C function raises has none below that of the ``try``."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is not None


handler_of = _handlers.handler_of


def forget_in_child() -> None:
    """In a process that was forked inside of ``held``: the handlers of the program's own again. What was
    noted is the parent's to answer."""
    _handlers.forget()
