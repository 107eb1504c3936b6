"""Names of the items of one run: by content, or by what the user's ``key`` says; equal ones in turn.

::

    item --key?--> digest --which of those that are equal?--> name (bytes), label (text, for people)

Which of several equal items an item is does not matter, but what is held of any of them is used before
one runs: rows go, and the first may have been in flight when the second was done.
"""

from __future__ import annotations

from json import dumps

from amorsize.checkpoint.identity import DIGEST_BYTES, Digests, Unknowable
from amorsize.errors import OptionError, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

NUMBER_BYTES = 8
"""Behind the digest, for equal items but the first."""
MOST_LABEL = 200
"""Characters of the label of an item without a key; one of a key is kept whole, to be found by it."""


class Named:
    """An item as the journal knows it: made for each item, so no frozen dataclass."""

    __slots__ = ("index", "label", "name")

    def __init__(self, name: bytes, index: int, label: Any) -> None:
        self.name, self.index = name, index
        """What finds the item again, and its position in the data."""
        self.label = label
        """Its key, or itself where it is a number or a short text; None where nothing is short."""


class ItemNames:
    """Names items in the order of the data; each is named once."""

    def __init__(
        self,
        secret: bytes,
        key: Callable[[Any], Any] | None,
        done: Collection[bytes] = (),
        failed: Collection[bytes] = (),
        *,
        by_position: bool,
    ) -> None:
        self._key = key
        self._digests = Digests(secret, "item" if key is None else "key")
        self._by_position = by_position
        """Whether the position counts, too: ``seed`` makes results depend on it."""
        self._several, self._met = _several(done, failed)
        """Names that are held of several equal items and not yet used; how many names of a digest are
        taken."""
        self._first: dict[bytes, tuple[int, bytes]] = {}
        """With a key: the position of the first item that has it, and that item's content."""

    def named(self, index: int, item: Any) -> Named:
        """The item's name. ``OptionError`` where it has none, or one key stands for unequal items."""
        key = item
        if self._key is not None:
            key = self._key_of(index, item)
        try:
            base = self._digests.of(key)
        except Unknowable as error:
            raise self._unknowable(index, key, error) from None
        if self._by_position:
            base = self._digests.of((index, base))
        if self._key is not None and not self._by_position:
            self._compare(base, index, item, key)
        several = self._several.get(base)
        if several:
            name = several.pop()
        else:
            met = self._met.get(base, 0)
            self._met[base] = met + 1
            name = numbered(base, met)
        return Named(name, index, _short(item) if self._key is None else key)

    def _key_of(self, index: int, item: Any) -> Any:
        assert self._key is not None
        try:
            return self._key(item)
        except Exception as error:
            raise OptionError(
                "key",
                self._key,
                f"raised {type(error).__name__} ({text_of(error)}) for item {index}",
                "let it give something for every item",
            ) from error

    def _unknowable(self, index: int, key: Any, error: Unknowable) -> OptionError:
        if self._key is None:
            way_out = "give key=, a function that tells items apart, or leave checkpoint out"
            return OptionError(
                "data",
                type(key).__qualname__,
                f"item {index} cannot be known again by its content ({error})",
                way_out,
            )
        return OptionError(
            "key",
            self._key,
            f"what it gives for item {index} cannot be known again ({error})",
            "let it give numbers, texts, or tuples of them",
        )

    def _compare(self, base: bytes, index: int, item: Any, key: Any) -> None:
        """Items of one key are equal, or the key is no key."""
        try:
            content = self._digests.of(item)
        except Unknowable:
            content = b""
        first, known = self._first.setdefault(base, (index, content))
        if first != index and (known != content or not content):
            raise OptionError(
                "key",
                self._key,
                f"gives {key!r} for item {first} and for item {index}, which are not equal",
                "let it tell them apart",
            )


def numbered(base: bytes, number: int) -> bytes:
    """The name of the item with this number among those that are equal."""
    return base if not number else base + number.to_bytes(NUMBER_BYTES, "big")


def _several(
    done: Collection[bytes], failed: Collection[bytes]
) -> tuple[dict[bytes, list[bytes]], dict[bytes, int]]:
    """Of digests of which more than the first item is held: the names, to be used from the end on, done
    ones before failed ones; and the number of the first name that is free."""
    found: dict[bytes, list[bytes]] = {}
    free: dict[bytes, int] = {}
    for names in (failed, done):
        for name in names:
            if len(name) > DIGEST_BYTES:
                base, number = name[:DIGEST_BYTES], int.from_bytes(name[DIGEST_BYTES:], "big")
                found.setdefault(base, [])
                free[base] = max(free.get(base, 0), number + 1)
    for base, names_of in found.items():
        every = [numbered(base, number) for number in reversed(range(free[base]))]
        names_of += [name for name in every if name in failed]
        names_of += [name for name in every if name in done]
    return found, free


def label_of(key: Any) -> str | None:
    """A key as JSON, as ``amorsize checkpoint`` shows it and takes it."""
    if key is None:
        return None
    if type(key) is int:
        return str(key)
    try:
        text = dumps(key, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = repr(key)
    return readable(text)


def readable(text: str) -> str:
    """A text that UTF-8 holds: halves of surrogate pairs are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _short(item: Any) -> Any:
    kind = type(item)
    if kind is str:
        return item if len(item) <= MOST_LABEL else None
    return item if kind is int or kind is float or kind is bool else None
