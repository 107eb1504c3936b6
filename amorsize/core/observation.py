"""One run as a sample to learn from, and its two forms outside of Python: a row and a JSON line.

A row holds all numbers as little-endian doubles in the order of ``NUMBERS`` (absent is NaN), so
that ten thousand rows become one array without looking at each; texts are columns of their own. A
line is checked field by field on the way in: nothing in it is trusted.
"""

from __future__ import annotations

import math
import sys
from operator import itemgetter

from amorsize.core.model import Config, Forecast, Machine, Profile, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any
else:
    from amorsize.core.frozen import dataclass

LINE_BYTES = 16_384
"""Longest line that an import takes in, in bytes: ten times what a record needs."""
LARGEST_RESIDUAL = 3.0
"""Largest residual, a natural logarithm (20 times): a run of a machine that slept must not move much."""
CROWDED = 0.3
"""Natural logarithm of how much longer items take side by side (caches, memory): up to this a longer time
is not taken for longer items."""
WORKS_SHARE, WORKS_INSIDE = 0.5, 1.3
"""CPU seconds tell the work of items that compute for this share of their time at least, and that have no
more threads inside than this."""
LARGEST = 2.0**53
"""Whole numbers up to here are exact as doubles; nothing that is counted here comes close."""


@dataclass(frozen=True)
class Observation:
    """What a run of a function in one configuration cost, measured, never estimated."""

    fingerprint: str
    """Keyed hash of the function, hexadecimal."""
    profile: Profile
    machine: Machine
    config: Config
    items: int
    wall_seconds: float
    cpu_seconds: float
    time: float
    """Seconds since 1970 at the end of the run."""
    workload: str = ""
    """Keyed hash of what counts as the same job in cross-validation; the function, unless given."""
    outcome: str = "done"
    """done, failed, abandoned; or changed, where workers changed what outlives an item."""
    model_seconds: float = 0.0
    """Seconds that the cost model expected, 0 if it was not asked."""
    corrections: int = 0
    """How often the run left one kind of workers for another."""
    library_version: str = ""
    weight: float = 1.0
    """Number of runs that this one stands for, after pruning."""
    id: str = ""
    """Hexadecimal and unique among all histories; a history gives one when it is empty."""
    work: Work = Work()
    """What its items took; zeros in a record of schema 1, whose profile was guessed from the first."""
    forecast: Forecast = Forecast()
    name: str = ""
    """``module:qualname`` of the function, only in a local history that its owner alone can read."""

    @property
    def is_measured(self) -> bool:
        """Whether its profile is what the items took, and not what the first ones seemed to."""
        return self.work.items > 0


def work_ratio(run: Observation) -> float:
    """Log of how much longer the items of a run were than its profile had it; 0 where the profile is
    what they took.

    A loop's time tells it, and the CPU seconds of work that computes; else it is 0: not known. Work side
    by side takes longer, too: only what is beyond that counts."""
    if run.is_measured:
        return 0.0
    profile, config = run.profile, run.config
    expected = run.items * profile.item_seconds
    if expected <= 0 or run.wall_seconds <= 0:
        return 0.0
    if config.backend == "serial":
        found = math.log(run.wall_seconds / expected)
    elif (
        config.backend in ("threads", "fork")
        and run.cpu_seconds > 0
        and profile.cpu_share >= WORKS_SHARE
        and profile.inner_threads <= WORKS_INSIDE
    ):
        found = math.log(run.cpu_seconds / (expected * profile.cpu_share))
        found = found - CROWDED if found > CROWDED else min(found, 0.0)
    else:
        return 0.0
    return min(max(found, -LARGEST_RESIDUAL), LARGEST_RESIDUAL)


class MalformedObservation(ValueError):
    """A record from outside breaks a rule; the text names the field and the rule."""


RECORDS: dict[str, type[Any]] = {
    "profile": Profile,
    "machine": Machine,
    "config": Config,
    "work": Work,
    "forecast": Forecast,
}
MISSING: Any = object()
"""The default of a field that has none."""
CHANGED = "changed"
"""Outcome of a run whose workers changed what outlives an item: nothing is foretold from it, and the next
run watches its items again."""
OUTCOMES = ("done", "failed", "abandoned", CHANGED)
_HEX = frozenset("0123456789abcdef")
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-")
NAME_SIGNS = _WORD | frozenset(":<>?")
"""Characters of a function's name; ``?`` stands for any other."""
_TEXT_RULES = {
    "fingerprint": (8, 64, _HEX),
    "id": (0, 64, _HEX),
    "workload": (0, 64, _HEX),
    "config.backend": (1, 64, _WORD),
    "name": (0, 200, NAME_SIGNS),
}
"""Least and most characters, and which; else up to 64 of a word."""


def _describe() -> dict[str, tuple[str, Any]]:
    """Each field of an observation by its dotted name: its type as written, and its default."""
    described: dict[str, tuple[str, Any]] = {}
    for name, kind in Observation.__annotations__.items():
        if name in RECORDS:
            record = RECORDS[name]
            for inner, inner_kind in record.__annotations__.items():
                described[f"{name}.{inner}"] = inner_kind, getattr(record, inner, MISSING)
        else:
            described[name] = kind, getattr(Observation, name, MISSING)
    return described


FIELDS = _describe()
NUMBERS = tuple(name for name, (kind, _) in FIELDS.items() if not kind.startswith("str"))
"""Order of the numbers of a row. A change here needs a new SCHEMA (a test holds them together)."""
TEXTS = tuple(name for name, (kind, _) in FIELDS.items() if kind.startswith("str"))
SCHEMA = 3
"""Version of rows and lines; history.migrate brings older rows up to it. 2: what the items of the whole
run took, where 1 had what the first ones seemed to take; forecasts; names. 3: how cost follows size, and
memory of a worker."""
_NEW_IN_2 = (
    "work.",
    "forecast.",
    "profile.longest",
    "profile.warmup",
    "profile.item_doubt",
    "name",
)
_NEW_IN_3 = ("work.size_", "work.worker_bytes")


NUMBER_BYTES = 8
ROW_BYTES = NUMBER_BYTES * len(NUMBERS)
_older: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def older() -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Rows of schemas 2 and 1 by the bytes of their numbers: the order of these, and the texts. Processes
    of an older version leave such beside a database that is not theirs any more."""
    if not _older:
        for new in (_NEW_IN_3, (*_NEW_IN_2, *_NEW_IN_3)):
            numbers, words = (
                tuple(name for name in names if not name.startswith(new))
                for names in (NUMBERS, TEXTS)
            )
            _older[NUMBER_BYTES * len(numbers)] = numbers, words
    return _older


def _bytes_of(values: list[float]) -> bytes:
    """The values as little-endian doubles. (``struct`` would be two more files to read.)"""
    row = memoryview(bytearray(NUMBER_BYTES * len(values))).cast("d")
    for place, value in enumerate(values):
        row[place] = value
    return _little(row.tobytes())


def _numbers_of(data: bytes) -> list[float]:
    """The doubles that these bytes are."""
    doubles: Any = memoryview(_little(data)).cast("d")
    return list(doubles)


def _little(data: bytes) -> bytes:
    """Doubles turned from this machine's order of bytes into that of rows, or back."""
    if sys.byteorder == "little":
        return data
    places = range(0, len(data), NUMBER_BYTES)
    return b"".join([data[place : place + NUMBER_BYTES][::-1] for place in places])


_MAY_BE_ABSENT = {i for i, name in enumerate(NUMBERS) if FIELDS[name][0].endswith("| None")}
_WHOLE = {i for i, name in enumerate(NUMBERS) if FIELDS[name][0].startswith("int")}
_YES_OR_NO = tuple(i for i, name in enumerate(NUMBERS) if FIELDS[name][0].startswith("bool"))
_PLACE = {name: place for place, name in enumerate((*NUMBERS, *TEXTS))}
_ASSEMBLY: tuple[Any, ...] = tuple(
    (
        RECORDS[name],
        itemgetter(*[_PLACE[f"{name}.{inner}"] for inner in RECORDS[name].__annotations__]),
    )
    if name in RECORDS
    else _PLACE[name]
    for name in Observation.__annotations__
)
"""For each field of an observation its place in a row, or its record and the places in it."""
FAMILIAR_WORDS = 1_000
"""Most texts known to be good (names of backends, platforms, versions): these are checked once."""
_FAMILIAR: set[tuple[str, str]] = set()
_EACH_ITS_OWN = ("id", "fingerprint", "workload")
_TOP = tuple(name for name in Observation.__annotations__ if name not in RECORDS)
_INNER = {name: tuple(record.__annotations__) for name, record in RECORDS.items()}


def pack(observation: Observation) -> bytes:
    """The numbers of a row."""
    values = _values(observation)
    return _bytes_of([math.nan if values[name] is None else values[name] for name in NUMBERS])


def texts(observation: Observation) -> tuple[str, ...]:
    """The texts of a row, in the order of TEXTS."""
    values = _values(observation)
    return tuple(values[name] for name in TEXTS)


def unpack(numbers: bytes, words: tuple[str, ...]) -> Observation:
    """The observation of a row, of this schema or an older one, checked: ten times as fast as field by
    field."""
    if len(numbers) < ROW_BYTES:
        numbers, words = _brought_up(numbers, words)
    if len(numbers) != ROW_BYTES:
        raise MalformedObservation(f"a row has {len(numbers)} bytes of numbers, not {ROW_BYTES}")
    for name, word in zip(TEXTS, words, strict=True):
        if (name, word) not in _FAMILIAR:
            _checked(name, "str", word)
            if name not in _EACH_ITS_OWN and len(_FAMILIAR) < FAMILIAR_WORDS:
                _FAMILIAR.add((name, word))
    flat: list[Any] = _numbers_of(numbers)
    absent = [place for place in _MAY_BE_ABSENT if flat[place] != flat[place]]
    for place in absent:
        flat[place] = 0.0
    # All at once, in C; one that is not a number makes the sum none.
    if not (min(flat) >= 0.0 and max(flat) <= LARGEST and sum(flat) >= 0.0):
        raise MalformedObservation(_offence(flat))
    for place in _WHOLE:
        number = flat[place]
        whole = flat[place] = int(number)
        if whole != number:
            raise MalformedObservation(f"{NUMBERS[place]} must be a whole number")
    for place in absent:
        flat[place] = None
    for place in _YES_OR_NO:
        flat[place] = bool(flat[place])
    flat.extend(words)
    return Observation(
        *[flat[take] if type(take) is int else take[0](*take[1](flat)) for take in _ASSEMBLY]
    )


def _offence(numbers: list[float]) -> str:
    """What is wrong with the first of the numbers that cannot be one of a row."""
    for name, number in zip(NUMBERS, numbers, strict=True):
        if number != number:
            return f"{name} is missing"
        if not 0.0 <= number <= LARGEST:
            return f"{name} must be from 0 to 2**53"
    raise AssertionError("every number is one of a row")


def _brought_up(numbers: bytes, words: tuple[str, ...]) -> tuple[bytes, tuple[str, ...]]:
    """A row of an older schema in today's order, what is new being 0, or empty; any other as it is."""
    names, texts = older().get(len(numbers), ((), ()))
    if not names or len(words) != len(texts):
        return numbers, words
    old = dict(zip(names, _numbers_of(numbers), strict=True))
    told = dict(zip(texts, words, strict=True))
    today = _bytes_of([old.get(name, 0.0) for name in NUMBERS])
    return today, tuple(told.get(name, "") for name in TEXTS)


def to_line(observation: Observation, *, names: bool = False) -> str:
    """The observation as one line of JSON; the function's name only if asked for."""
    import json

    values: dict[str, Any] = {one: getattr(observation, one) for one in _TOP}
    if not names:
        del values["name"]
    for record, fields in _INNER.items():
        inner = getattr(observation, record)
        values[record] = {one: getattr(inner, one) for one in fields}
    return json.dumps(values, separators=(",", ":"), allow_nan=False)


def from_line(line: str) -> Observation:
    """The observation of a line, or MalformedObservation."""
    values: dict[str, Any] = {}
    for name, value in parse_line(line).items():
        if name in RECORDS:
            if not isinstance(value, dict):
                raise MalformedObservation(f"{name} must be an object")
            values.update((f"{name}.{inner}", content) for inner, content in value.items())
        else:
            values[name] = value
    if not values.get("id"):
        raise MalformedObservation("id is missing: without it an import could not be repeated")
    return _build(values)


def parse_line(line: str) -> dict[str, Any]:
    """The JSON object of a line, or MalformedObservation."""
    if len(line) > LINE_BYTES:
        raise MalformedObservation(f"the line is longer than {LINE_BYTES} characters")
    import json

    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedObservation(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedObservation("not a JSON object")
    return value


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number here")


def _values(observation: Observation) -> dict[str, Any]:
    values = {name: getattr(observation, name) for name in _TOP}
    for record, names in _INNER.items():
        inner = getattr(observation, record)
        for name in names:
            values[f"{record}.{name}"] = getattr(inner, name)
    return values


def _build(values: dict[str, Any]) -> Observation:
    unknown = values.keys() - FIELDS.keys()
    if unknown:
        raise MalformedObservation(f"unknown field {min(unknown)[:64]!r}")
    parts: dict[str, dict[str, Any]] = {"": {}, **{name: {} for name in RECORDS}}
    for name, (kind, default) in FIELDS.items():
        if name not in values:
            if default is MISSING:
                raise MalformedObservation(f"{name} is missing")
            continue
        value = _checked(name, kind, values[name])
        record, _, inner = name.rpartition(".")
        parts[record][inner] = value
    records = {name: kind(**parts[name]) for name, kind in RECORDS.items()}
    return Observation(**parts[""], **records)


def _checked(name: str, kind: str, value: Any) -> Any:
    """The value, if its type is the field's and it lies in the field's range."""
    if value is None and kind.endswith("| None"):
        return None
    base = kind.split(" ", 1)[0]
    if base == "str":
        least, most, signs = _TEXT_RULES.get(name, (0, 64, _WORD))
        if name == "outcome" and value not in OUTCOMES:
            raise MalformedObservation(f"outcome must be one of {', '.join(OUTCOMES)}")
        if isinstance(value, str) and least <= len(value) <= most and signs.issuperset(value):
            return value
        raise MalformedObservation(
            f"{name} must have {least} to {most} characters of {''.join(sorted(signs))}"
        )
    if base == "bool":
        if isinstance(value, bool):
            return value
        raise MalformedObservation(f"{name} must be true or false")
    whole = base == "int"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise MalformedObservation(f"{name} must be {'a whole number' if whole else 'a number'}")
    if not 0 <= value <= LARGEST:
        raise MalformedObservation(f"{name} must be from 0 to 2**53")
    return value if whole else float(value)


def validate(observation: Observation) -> Observation:
    """The observation itself, if all of its fields obey the rules for records from outside."""
    _build(_values(observation))
    return observation
