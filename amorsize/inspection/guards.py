"""Branches that the present value of a variable from outside decides: the one not taken is not read.

``if TABLE is None: TABLE = load()`` runs its body once, for the first item, in the caller: when workers
are considered the table is there. To read the body all the same would keep each such function there.

Why this is safe: that a function changes nothing outside of a call is said of the branches that are read.
Who changes nothing cannot change the variable that is tested, so that no later item takes the branch left
out either; and who changes something in a branch that is read is kept anyway. A variable that is an item,
or a part of one, does not count, since items may be changed.

Looked at are the variable itself, for being None, or for being true where its type is a builtin one, and
constant texts and numbers as keys of a dict or set: no code of the user's runs.
"""

from __future__ import annotations

from amorsize.inspection.abstract_value import MISSING
from amorsize.inspection.decode import CODE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import CodeType
    from typing import Any

    from amorsize.inspection.decode import Decoded

    Present = Callable[[str, bool], Any]

BUILTIN = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray),
    *(list, tuple, dict, set, frozenset, range),
)
"""Exact types whose truth is known without running code."""
KEYS = (str, int)
"""Exact types of constant keys; compared with their own kind only."""
MOST_KEYS = 1000
"""Keys of a table that are compared: 40 microseconds."""
TESTS = {
    f"POP_JUMP_{way}IF_{what}": what
    for way in ("", "FORWARD_")
    for what in ("NONE", "NOT_NONE", "TRUE", "FALSE")
    if f"POP_JUMP_{way}IF_{what}" in CODE_NAMES.values()
}
"""Conditional jumps ahead, by what they test."""


def decided_jumps(
    decoded: Decoded, code: CodeType, present: Present, of_items: Collection[int] = ()
) -> dict[int, bool]:
    """For each conditional jump that is decided now: its place, and whether it jumps.

    ``present``: gives the value of a global, or of a captured variable, by its name, MISSING where it is
    not known. ``of_items``: the ids of items and their parts. O(instructions)."""
    found: dict[int, bool] = {}
    steps, targets = decoded.steps, decoded.targets
    for number, (at, name, _, _) in enumerate(steps):
        test = TESTS.get(name)
        if test is None or not number or at in targets:
            continue
        before = number - 1
        if steps[before][1] == "TO_BOOL" and before and steps[before][0] not in targets:
            before -= 1
        if steps[before][1] == "CONTAINS_OP" and before > 1 and test in ("TRUE", "FALSE"):
            value = _contains(decoded, code, present, before, of_items)
        else:
            value = _variable(decoded, code, present, *steps[before][1:3])
        if value is MISSING or id(value) in of_items:
            continue
        if test in ("NONE", "NOT_NONE"):
            found[at] = (value is None) is (test == "NONE")
        elif type(value) in BUILTIN:
            found[at] = bool(value) is (test == "TRUE")
    return found


def _contains(
    decoded: Decoded, code: CodeType, present: Present, number: int, of_items: Collection[int]
) -> Any:
    """What ``"key" in TABLE`` gives, ``number`` being the place of its last step; MISSING for others."""
    steps = decoded.steps
    (_, first, constant, _), (at, second, arg, _), (here, _, negated, _) = steps[
        number - 2 : number + 1
    ]
    if first != "LOAD_CONST" or at in decoded.targets or here in decoded.targets:
        return MISSING
    key, held = code.co_consts[constant], _variable(decoded, code, present, second, arg)
    if type(key) not in KEYS or type(held) not in (dict, set) or id(held) in of_items:
        return MISSING
    if len(held) > MOST_KEYS:
        return MISSING
    inside = any(type(one) is type(key) and one == key for one in held)
    return inside is not bool(negated)


def _variable(decoded: Decoded, code: CodeType, present: Present, name: str, arg: int) -> Any:
    """The value of the variable that an instruction loads; MISSING where it loads another thing."""
    if name == "LOAD_GLOBAL":
        return present(code.co_names[arg >> 1], False)
    if name == "LOAD_DEREF" and arg >= decoded.first_free:
        return present(decoded.names[arg], True)
    return MISSING
