"""What the library says about one item, as text that knows its item: nothing has to be read out of a
message.

An error is made where it happens, with the position that the item has there. Who gives it to the user and
knows another position (a run with a checkpoint) renders it anew: ``failure.at(index)``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OVERDUE, ITEM_UNSENDABLE, RESULT_UNSENDABLE = "overdue", "item unsendable", "result unsendable"
ITEM_UNREADABLE, RESULT_UNREADABLE = "item unreadable", "result unreadable"
TEXTS = {
    OVERDUE: "item {index} took longer than timeout={detail} seconds",
    ITEM_UNSENDABLE: "item {index} cannot be sent to a worker ({detail}); pass a list instead of an "
    "iterator (a forked worker needs no copy of it), or use backend='threads' or 'serial'",
    RESULT_UNSENDABLE: "the result of item {index} cannot be sent to the caller ({detail}); return "
    "something that can be pickled, or use backend='threads' or 'serial'",
    ITEM_UNREADABLE: "item {index} cannot be unpickled on the other side ({detail}); make its class "
    "importable there, or use backend='threads' or 'serial'",
    RESULT_UNREADABLE: "the result of item {index} cannot be unpickled on the other side ({detail}); "
    "make its class importable there, or use backend='threads' or 'serial'",
}
"""What became of an item, by kind."""


class ItemFailure(str):
    """The text of one of our errors about an item: its first argument."""

    item: int
    """Position of the item."""
    kind: str
    detail: str

    def __new__(cls, kind: str, index: int, detail: str) -> ItemFailure:
        written = TEXTS[kind].replace("{index}", str(index), 1).replace("{detail}", detail, 1)
        text = super().__new__(cls, written)
        text.kind, text.item, text.detail = kind, index, detail
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemFailure, (self.kind, self.item, self.detail)

    def at(self, index: int) -> ItemFailure:
        """The same of an item at another position."""
        return ItemFailure(self.kind, index, self.detail)


class Origin(str):
    """The note that tells which item of the data raised an exception."""

    item: int
    """Position of the item."""
    at_least: bool
    """Whether the index is only a lower bound."""

    def __new__(cls, index: int, at_least: bool = False) -> Origin:
        where = f"an item after the first {index}" if at_least else f"item {index}"
        note = super().__new__(cls, f"amorsize: raised by {where} of the data")
        note.item, note.at_least = index, at_least
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (self.item, self.at_least)


def origin_of(error: BaseException) -> Origin | None:
    """Where an exception came from. The last such note: a call of amorsize inside of the function has
    left one before it."""
    for note in reversed(getattr(error, "__notes__", ())):
        if isinstance(note, Origin):
            return note
    return None


def renumbered(error: BaseException, position: int, index: int) -> BaseException:
    """The error; one of this library's own about the item at ``position`` names ``index`` instead."""
    if error.args and isinstance(error.args[0], ItemFailure) and error.args[0].item == position:
        error.args = (error.args[0].at(index), *error.args[1:])
    return error


def linked(error: Any, cause: Any, suppress: bool, context: Any = ...) -> Any:
    """The exception with this cause; ``suppress``: its context is not shown; ``...`` keeps that."""
    error.__cause__ = cause
    if context is not ...:
        error.__context__ = context
    error.__suppress_context__ = suppress
    return error


def explain(error: BaseException, cause: BaseException) -> BaseException:
    """The exception with this cause where it has none; an odd exception keeps its own shape."""
    try:
        if error.__cause__ is None:
            linked(error, cause, error.__suppress_context__)
    except Exception:  # it refuses
        pass
    return error
