"""What histories in databases share: columns, the layout of numbers, the check of what is stored."""

from __future__ import annotations

import math
import struct

from amorsize.core.observation import FIELDS, MISSING, NUMBERS, TEXTS, MalformedObservation, unpack
from amorsize.core.places import KEY_BYTES
from amorsize.history.base import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

COLUMNS = tuple(name.replace(".", "_") for name in TEXTS)
"""Columns of a row's texts, in the order of TEXTS."""
NAMES = ", ".join(COLUMNS)


def default_text(name: str) -> str:
    """What a text is in rows that were written before it came to be."""
    default = FIELDS[name][1]
    return default if isinstance(default, str) else ""


def relayout(stored: Sequence[str], wanted: Sequence[str] = NUMBERS) -> Callable[[bytes], bytes]:
    """A function from numbers in the order ``stored`` to the order ``wanted``.

    New numbers get the defaults of their fields; numbers that are gone are left out."""
    defaults = [0.0 if FIELDS[name][1] is MISSING else FIELDS[name][1] for name in wanted]
    blank = [math.nan if value is None else float(value) for value in defaults]
    places = [stored.index(name) if name in stored else None for name in wanted]
    old_row, new_row = struct.Struct(f"<{len(stored)}d"), struct.Struct(f"<{len(wanted)}d")

    def rewritten(numbers: bytes) -> bytes:
        old = old_row.unpack(numbers)
        return new_row.pack(
            *[blank[i] if place is None else old[place] for i, place in enumerate(places)]
        )

    return rewritten


def table_of(rows: Iterable[Sequence[Any]]) -> Table | None:
    """Rows of numbers and texts as a table; None if one of them has numbers of a wrong length."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [
        [] for _ in range(1 + len(TEXTS))
    ]
    if {len(one) for one in columns[0]} - {8 * len(NUMBERS)}:
        return None
    return Table(b"".join(columns[0]), dict(zip(TEXTS, columns[1:], strict=True)))


def problems_of(
    rows: Iterable[Sequence[Any]], *, counted: int, noted: int, max_rows: int, key: bytes
) -> list[str]:
    """What is wrong with a history of these rows: (time, numbers, \\*texts) each."""
    problems = []
    if counted != noted:
        problems.append(f"{counted} rows, but {noted} were counted as they came and went")
    if counted > max_rows:
        problems.append(f"{counted} rows, the bound is {max_rows}")
    if len(key) != KEY_BYTES:
        problems.append(f"the key does not have {KEY_BYTES} bytes")
    for time_column, numbers, *words in rows:
        try:
            one = unpack(numbers, tuple(words))
        except (MalformedObservation, TypeError, struct.error) as error:
            problems.append(f"observation {str(words[TEXTS.index('id')])[:32]}: {error}")
        else:
            if one.time != time_column:
                problems.append(f"observation {one.id}: its time is told in two ways")
    return problems
