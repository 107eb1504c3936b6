"""Hostile values, and sound ones and their bytes bent and broken at random."""

from __future__ import annotations

import json
import random
from typing import Any

TEXTS = (
    "", "\0", "\ud800", "\x1b[2J\x1b]0;x\x07", "<script>alert(1)</script>", "`|\\\n\r|---|", "é" * 50,
    "\u202e\u2066", "../../etc/passwd", "'; DROP TABLE results; --", "%s%n{0}{", "1e999", "NaN",
    "]]>--></style><img src=x onerror=y>", "\x9b31m", "x" * 20_000, "\u2028",
)  # fmt: skip
NUMBERS = (
    0, -0.0, -1, 1, 2, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 2**53 + 1,
    2**63, 2**64, -(2**63), 10**400, 1e-300, 0.5, True,
)  # fmt: skip


def bad_value(chance: random.Random, depth: int = 2) -> Any:
    """Something that the place it is put in is not made for."""
    kind = chance.randrange(6 if depth else 4)
    if kind == 0:
        return chance.choice(TEXTS)
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind == 2:
        return chance.choice((None, True, False, [], {}))
    if kind == 3:
        return "".join(chr(chance.randrange(0x250)) for _ in range(chance.randrange(30)))
    inner = [bad_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return inner if kind == 4 else {chance.choice(TEXTS)[:99]: value for value in inner}


def bent(value: Any, chance: random.Random, rate: float) -> Any:
    """A copy of a JSON value with some of its nodes replaced, removed or repeated."""
    if chance.random() < rate:
        return bad_value(chance)
    if isinstance(value, dict):
        pairs = [(key, bent(inner, chance, rate)) for key, inner in value.items()]
        if chance.random() < rate:
            chance.shuffle(pairs)
            pairs = pairs[: chance.randrange(len(pairs) + 1)]
        if chance.random() < rate:
            pairs.append((chance.choice(TEXTS), bad_value(chance)))
        return dict(pairs)
    if isinstance(value, list):
        items = [bent(inner, chance, rate) for inner in value]
        return items * chance.randrange(3) if chance.random() < rate else items
    return value


def broken(content: bytes, chance: random.Random) -> bytes:
    """Bytes with some of them changed, cut, repeated or inserted."""
    data = bytearray(content)
    for _ in range(chance.choice((0, 1, 1, 2, 8, 50))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 40)]
        elif kind == 2:
            data[at:at] = data[max(0, at - chance.randrange(200)) : at] * chance.randrange(1, 4)
        elif kind == 3:
            data[at:at] = chance.choice(
                (
                    b"\n",
                    b"\0",
                    b"\xff\xfe",
                    b"{" * 50,
                    b"[" * 3000,
                    b'"',
                    b"9" * 5000,
                    b"\r\n",
                    b"\\u",
                )
            )
        else:
            del data[at:]
    return bytes(data)


def mixed_json(value: Any, chance: random.Random) -> bytes:
    """JSON of a bent value, perhaps broken as text too."""
    text = json.dumps(bent(value, chance, chance.choice((0.0, 0.01, 0.1))))
    content = text.encode("utf-8", "surrogatepass")
    return broken(content, chance) if chance.random() < 0.5 else content
