"""The file that rows which go are appended to: an exported history, with the key of the pruned one."""

from __future__ import annotations

import os

from amorsize.core.observation import LINE_BYTES, to_line
from amorsize.history.base import header_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.core.observation import Observation
    from amorsize.history.base import History


def refuse_other(archive: Any, history: History) -> bool:
    """ValueError if the archive holds something else than rows of this history; whether it holds any."""
    if not os.path.exists(archive) or not os.path.getsize(archive):
        return False
    with open(archive, encoding="utf-8", errors="replace") as file:
        if history.key.hex() not in file.readline(LINE_BYTES):
            raise ValueError(
                f"{archive}: holds something else than rows of this history: name a new file"
            )
    return True


def append(archive: Any, history: History, rows: list[Observation]) -> None:
    """Write rows at the end of the archive, which `History.import_lines` reads. It holds the history's
    key, so only its owner may read it."""
    begun = refuse_other(archive, history)
    with open(archive, "a", encoding="utf-8", opener=_private) as file:
        if not begun:
            file.write(header_line(history.key))
        file.writelines(to_line(one) + "\n" for one in rows)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
