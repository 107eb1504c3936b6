"""Running items one after the other, and carrying what they raise to the caller."""

from __future__ import annotations

from amorsize.errors import ItemError
from amorsize.items.collector import SKIPPED
from amorsize.items.failures import (
    ITEM_UNREADABLE,
    ITEM_UNSENDABLE,
    OVERDUE,
    RESULT_UNREADABLE,
    RESULT_UNSENDABLE,
    ItemFailure,
    Origin,
    explain,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class RemoteTraceback(Exception):
    """Cause of an exception that was raised in a worker: the worker's traceback as text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class ItemFailed(Exception):
    """An item raised and the run is to end: what was done before it, and what it raised."""

    def __init__(self, done: list[Any], index: int, exception: BaseException) -> None:
        super().__init__(index)
        self.done, self.index, self.exception = done, index, exception


def run_items(
    func: Callable[[Any], Any],
    start: int,
    items: Iterable[Any],
    on_error: str,
    mark: memoryview[int] | None = None,
    told: Callable[[BaseException], tuple[BaseException, str]] | None = None,
) -> list[Any]:
    """Results of the items from position ``start`` on.

    ``told`` gives an exception that is collected the form it is kept in, and its traceback.
    ``mark`` is one word that another process can read: it holds the position of the item in progress, -1
    afterwards, so that the caller knows in which item a worker died. Raises :class:`ItemFailed` where the
    run must end."""
    out: list[Any] = []
    append = out.append
    rest = iter(items)
    try:
        while True:
            try:
                if mark is None:
                    for item in rest:
                        append(func(item))
                else:
                    for item in rest:
                        mark[0] = start + len(out)
                        append(func(item))
                return out
            except BaseException as error:
                index = start + len(out)
                if on_error == "raise" or not isinstance(error, Exception):
                    raise ItemFailed(out, index, error) from None
                if on_error == "skip":
                    append(SKIPPED)
                    continue
                kept, text = told(error) if told is not None else (error, format_traceback(error))
                append(ItemError(index, kept, text))
    finally:
        if mark is not None:
            mark[0] = -1


def overdue_error(position: int, timeout: float) -> TimeoutError:
    """What becomes of an item that took longer than ``timeout`` seconds."""
    return TimeoutError(ItemFailure(OVERDUE, position, f"{timeout:g}"))


OVERDUE_LOOK_SHARE, OVERDUE_LOOK_SECONDS = 0.1, 0.001
"""Share of a time limit between two looks for items that exceed it, and the least pause."""


def overdue_look(timeout: float) -> float:
    """Seconds between two looks for items that exceed a time limit."""
    return max(OVERDUE_LOOK_SECONDS, OVERDUE_LOOK_SHARE * timeout)


def unsendable_result(error: BaseException, index: int) -> BaseException:
    """What becomes of an item whose result cannot be pickled."""
    import pickle

    return pickle.PicklingError(ItemFailure(RESULT_UNSENDABLE, index, str(error)))


def unreadable(what: str, error: BaseException, index: int) -> BaseException:
    """What becomes of an item (``what``: "item"), or a result, that cannot be unpickled on the other
    side."""
    import pickle

    kind = ITEM_UNREADABLE if what == "item" else RESULT_UNREADABLE
    return pickle.UnpicklingError(ItemFailure(kind, index, f"{type(error).__name__}: {error}"))


def unsendable_argument(error: BaseException, index: int) -> BaseException:
    """What becomes of an item that cannot be pickled."""
    import pickle

    return pickle.PicklingError(ItemFailure(ITEM_UNSENDABLE, index, str(error)))


def format_traceback(error: BaseException) -> str:
    """The traceback as printed, without the frames of this package at its top."""
    import traceback

    try:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame):
            trace = trace.tb_next
        return "".join(traceback.format_exception(type(error), error, trace))
    except Exception:  # an exception that cannot be printed
        return f"{type(error).__name__} (its traceback cannot be printed)\n"


def _is_ours(frame: Any) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("amorsize.")


def with_origin(
    error: BaseException, index: int | None, remote: str = "", *, at_least: bool = False
) -> BaseException:
    """The user's exception with the item's index as a note.

    A worker's traceback becomes the cause of the last one of its chain of causes and contexts."""
    if index is not None:
        try:
            error.add_note(Origin(index, at_least))
        except Exception:  # frozen or odd exceptions keep their own shape
            pass
    if remote:
        explain(_end_of_chain(error), RemoteTraceback(remote))
    return error


def _end_of_chain(error: BaseException) -> BaseException:
    """The exception that has neither cause nor context, found from this one."""
    seen = {id(error)}
    while (following := error.__cause__ or error.__context__) is not None:
        if id(following) in seen:
            break
        seen.add(id(following))
        error = following
    return error


def stand_in(error: BaseException, index: int, on_error: str, *, at_least: bool) -> Any:
    """What stands in the place of an item that raised in the caller; raises where the run is to end."""
    if on_error == "raise":
        raise with_origin(error, index, at_least=at_least)
    if on_error == "skip":
        return SKIPPED
    assert isinstance(error, Exception)
    return ItemError(index, error, format_traceback(error))
