"""The options of a call, checked once, at the door."""

from __future__ import annotations

from os import fspath

from amorsize import planning
from amorsize.core.backends import LOCAL, PUBLIC_NAMES, TRAITS
from amorsize.core.options import NEEDS, Options
from amorsize.errors import OptionError, OptionTypeError, no_option
from amorsize.items.kinds import is_coroutine_function
from amorsize.machine.detect import usable_cores
from amorsize.machine.procfs import tells_memory
from amorsize.planning.explain import known_backends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from amorsize.backends.executors.connect import Target

    Check = Callable[[Any], dict[str, Any]]

ON_ERROR = ("raise", "collect", "skip")
EFFECTS = ("watch", "ignore")
CHECKPOINT_FORMATS = ("pickle", "json")
PRUNING = ("conservative", "auto", "aggressive")
"""Strategies by which a history is pruned beside long runs."""


DEFAULTS = Options()


def make_options(**given: Any) -> Options:
    """Check every option; raise :class:`OptionError` naming the value, the rule and the way out.

    ``TypeError`` for an option that does not exist, as a call with a wrong keyword argument has."""
    if not given:
        return DEFAULTS
    if given.get("max_workers") is not None:
        if given.get("n_jobs", "auto") not in ("auto", None):
            raise OptionError(
                "max_workers",
                given["max_workers"],
                f"n_jobs={given['n_jobs']!r} is given too",
                "they are one option: give one",
            )
        given["n_jobs"] = given["max_workers"]
    given.pop("max_workers", None)
    checked: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            raise TypeError(no_option(name, NAMES))
        checked.update(check(value))
    for name, value in given.items():
        trait = _PROMISES.get(name)
        if trait is not None and value is not None and value is not True:
            checked["backends"] = _who_can(
                trait, name, value, checked.get("backends", DEFAULTS.backends)
            )
    if checked.get("max_errors") is not None and checked.get("on_error", "raise") == "raise":
        way_out = "add on_error='collect' or 'skip', or leave it out"
        _refuse("max_errors", given["max_errors"], "the first error ends this run", way_out)
    for name, (needed, rule, way_out) in NEEDS.items():
        is_set = checked.get(name, getattr(DEFAULTS, name)) != getattr(DEFAULTS, name)
        if is_set and not checked.get(needed):
            _refuse(name, given[name], rule, f"{way_out}, or leave it out")
    if checked.get("initializer") and checked.get("forced") in (None, "serial"):
        rule = "runs in workers only, and your own thread may run items, too"
        way_out = "name one backend whose items all run in workers, such as 'processes'"
        _refuse("initializer", given["initializer"], rule, way_out)
    return Options(**checked)


_PROMISES = {
    "timeout": "timeout",
    "memory_limit": "limits_memory",
    "rerun_after_death": "survives_death",
}
"""Options that not every backend can honour, and the trait of those that can."""


def _who_can(trait: str, name: str, value: Any, backends: frozenset[str]) -> frozenset[str]:
    """Those of the allowed backends that keep the promise of an option; an error if none does."""
    able = frozenset(one for one in backends if getattr(TRAITS[one], trait))
    if not able:
        every = ", ".join(sorted(one for one in TRAITS if getattr(TRAITS[one], trait)))
        raise OptionError(
            name,
            value,
            f"cannot be honoured by backend {', '.join(sorted(backends))}",
            f"allow one that can ({every}), or leave backend out",
        )
    return able


def _refuse(name: str, value: Any, rule: str, way_out: str, *, kind: bool = False) -> NoReturn:
    """Raise the error of an option: of its type where ``kind``, else of its value."""
    raise (OptionTypeError if kind else OptionError)(name, value, rule, way_out)


def _one_of(name: str, value: Any, allowed: tuple[str, ...], way_out: str) -> Any:
    if value not in allowed:
        _refuse(name, value, "must be one of " + ", ".join(map(repr, allowed)), way_out)
    return value


def _is_whole(value: Any) -> bool:
    try:
        value.__index__()
    except (AttributeError, TypeError):  # an array has it, and says so when it is called
        return False
    return not isinstance(value, bool)


def _whole(name: str, value: Any, rule: str, way_out: str) -> int:
    """A whole number (anything with ``__index__`` but a bool)."""
    if not _is_whole(value):
        _refuse(name, value, rule, way_out, kind=True)
    return int(value.__index__())


def _at_least(name: str, given: Any, number: float, least: float, told: tuple[str, str]) -> None:
    if number < least:
        _refuse(name, given, *told)


def check_buffersize(buffersize: Any, ordered: Any = True) -> None:
    """Of ``stream``, and of an executor's ``map``: errors are worded as the standard library's."""
    if not isinstance(ordered, bool):
        _refuse("ordered", ordered, "must be True or False", "leave it out", kind=True)
    if buffersize is None:
        return
    if isinstance(buffersize, bool) or not isinstance(buffersize, int):
        rule = "buffersize must be an integer or None"
        _refuse("buffersize", buffersize, rule, "leave it out", kind=True)
    told = "buffersize must be None or > 0", "leave it out to have it chosen"
    _at_least("buffersize", buffersize, buffersize, 1, told)


def check_settings(explore: Any, pruning: Any) -> None:
    """Errors for settings of a :class:`amorsize.Tuner` out of their range."""
    if pruning is not None:
        _one_of("pruning", pruning, PRUNING, "choose one of them, or None for no pruning")
    if not isinstance(explore, (int, float)) or not 0 <= explore <= 1:
        rule = "must be a share of the time from 0 to 1"
        _refuse("explore", explore, rule, "0 never explores; leave it out for 0.02")


def check_call(func: object, data: object) -> None:
    """Errors for a function that cannot be called, and for data that cannot be read."""
    if not callable(func):
        way_out = "pass the function itself, not its result"
        _refuse("func", func, "must be callable", way_out, kind=True)
    if hasattr(data, "__aiter__") and not hasattr(data, "__iter__"):
        if is_coroutine_function(func):
            return
        _refuse(
            "data",
            data,
            "is an asynchronous iterable, which only an event loop can read",
            "write await amorsize.aexecute(...) or async for ... in amorsize.astream(...)",
            kind=True,
        )
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        way_out = "pass a list, a generator, an array ..."
        _refuse("data", data, "must be iterable", way_out, kind=True)


def _one_word(name: str, allowed: tuple[str, ...], way_out: str = "choose one of them") -> Check:
    """The check of an option that is one of some words."""
    return lambda value: {name: _one_of(name, value, allowed, way_out)}


def _yes_or_no(name: str) -> Check:
    """The check of an option that is True or False."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, bool):
            _refuse(name, value, "must be True or False", "pass one of them", kind=True)
        return {name: value}

    return check


def _function(name: str, rule: str, way_out: str) -> Check:
    """The check of an option that is a function or None."""

    def check(value: Any) -> dict[str, Any]:
        if value is not None and not callable(value):
            _refuse(name, value, rule, way_out, kind=True)
        return {name: value}

    return check


def _check_initargs(initargs: Any) -> dict[str, Any]:
    if not isinstance(initargs, (tuple, list)):
        _refuse("initargs", initargs, "must be a tuple of arguments", "write (value,)", kind=True)
    return {"initargs": tuple(initargs)}


def _check_progress(progress: Any) -> dict[str, Any]:
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        rule = "must be True, False or a function of (done, total)"
        _refuse("progress", progress, rule, "pass one of these", kind=True)
    return {"progress": progress}


def located(history: Any) -> Any:
    """A history as it was given; a URL as a text that hides its password when it is shown."""
    if isinstance(history, str) and "://" in history:
        from amorsize.history.location import Location, is_kind

        history = Location(history)
        if not is_kind(history):
            rule = "must be a path, sqlite:///path or postgresql://user@host/database"
            _refuse("history", history, rule, "correct it, or write None for none")
    return history


def _check_history(history: Any) -> dict[str, Any]:
    history = located(history)
    if history is None or isinstance(history, str) or hasattr(history, "__fspath__"):
        return {"history": history}
    if not all(callable(getattr(history, name, None)) for name in ("recent", "add")):
        rule = "must be 'default', a path, a URL, a History, or None for none"
        _refuse("history", history, rule, "leave it out to use the default one", kind=True)
    return {"history": history}


def _check_checkpoint(checkpoint: Any) -> dict[str, Any]:
    if checkpoint is None:
        return {"checkpoint": None}
    if not isinstance(checkpoint, str) and not hasattr(checkpoint, "__fspath__"):
        _refuse("checkpoint", checkpoint, "must be a path or None", "pass a path", kind=True)
    path = fspath(checkpoint)
    if not isinstance(path, str) or not path or "\0" in path:
        _refuse("checkpoint", checkpoint, "is no path of a file", "name a file")
    return {"checkpoint": path}


def _check_timeout(timeout: Any) -> dict[str, Any]:
    if timeout is None:
        return {"timeout": None}
    if isinstance(timeout, bool) or not hasattr(timeout, "__float__"):
        way_out = "give the seconds that an item may take"
        _refuse("timeout", timeout, "must be None or seconds", way_out, kind=True)
    seconds = float(timeout)
    if not 0 < seconds < float("inf"):
        rule = "must be more than 0 seconds and finite"
        _refuse("timeout", timeout, rule, "pass None for no limit")
    return {"timeout": seconds}


_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def _check_memory_limit(memory_limit: Any) -> dict[str, Any]:
    if memory_limit is None:
        return {"memory_limit": None}
    if isinstance(memory_limit, str):
        size = _bytes_of(memory_limit)
    else:
        rule = "must be bytes or a text like '500MB'"
        size = float(_whole("memory_limit", memory_limit, rule, "write '2GB'"))
    told = "must be at least one byte", "pass None for no limit"
    _at_least("memory_limit", memory_limit, size, 1, told)
    if not tells_memory():
        rule = "this system does not tell what a process holds (no /proc/self/statm)"
        _refuse("memory_limit", memory_limit, rule, "leave it out")
    return {"memory_limit": int(size)}


def _bytes_of(text: str) -> float:
    """Bytes: '500MB' (of 1000 * 1000), '500MiB' (of 1024 * 1024), '1.5G', '4096'."""
    number = text.strip().upper().removesuffix("B")
    binary = number.endswith("I")
    number = number.removesuffix("I")
    unit = number[-1:] if number[-1:] in _UNITS else ""
    try:
        size = float(number.removesuffix(unit)) if unit or not binary else float("nan")
        for _ in range(_UNITS[unit]):
            size *= 1024 if binary else 1000
        if 0 <= size < 2**63:
            return size
    except ValueError:
        pass
    way_out = "write bytes, or '500MB', '2GB', '1.5GiB'"
    _refuse("memory_limit", text, "is no amount of memory", way_out)


def _check_retries(retries: Any) -> dict[str, Any]:
    if retries is None:
        return {"retries": 0}
    way_out = "give the further tries of a failed item"
    count = _whole("retries", retries, "must be a whole number", way_out)
    _at_least("retries", retries, count, 0, ("must be at least 0", "0 means one try"))
    return {"retries": count}


def _check_rate(rate: Any) -> dict[str, Any]:
    if rate is None:
        return {"rate": None}
    return {"rate": planning.rate_of(rate)}


def _check_max_errors(max_errors: Any) -> dict[str, Any]:
    if max_errors is None:
        return {"max_errors": None}
    way_out = "give the number of failed items that ends the run"
    count = _whole("max_errors", max_errors, "must be None or a whole number", way_out)
    told = "must be at least 1", "None lets any number of items fail"
    _at_least("max_errors", max_errors, count, 1, told)
    return {"max_errors": count}


def _check_retry_on(retry_on: Any) -> dict[str, Any]:
    kinds = retry_on if isinstance(retry_on, (tuple, list)) else (retry_on,)
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        rule = "must be an exception type or a tuple of them (subclasses of Exception)"
        _refuse("retry_on", retry_on, rule, "write retry_on=(OSError,)", kind=True)
    if not kinds:
        _refuse("retry_on", retry_on, "names no exception", "write retry_on=(OSError,)")
    return {"retry_on": tuple(kinds)}


def _check_seed(seed: Any) -> dict[str, Any]:
    if seed is None:
        return {"seed": None}
    several = isinstance(seed, (tuple, list))
    way_out = "write seed=42, or leave it out"
    for number in seed if several else (seed,):
        if not _is_whole(number):
            _refuse("seed", seed, "must be a whole number or several", way_out, kind=True)
        told = "must not be negative", "write seed=42"
        _at_least("seed", seed, number.__index__(), 0, told)
    if several and not seed:
        _refuse("seed", seed, "holds no number", way_out)
    plain = tuple(int(number.__index__()) for number in (seed if several else (seed,)))
    return {"seed": plain if several else plain[0]}


def _check_jobs(n_jobs: Any) -> dict[str, Any]:
    if n_jobs in ("auto", None):
        return {"max_jobs": None}
    way_out = "leave it out to let amorsize choose"
    jobs = _whole("n_jobs", n_jobs, "must be 'auto' or a whole number", way_out)
    if jobs == 0:
        rule = "must be a positive number of workers, or negative to count from all cores (-1: all)"
        _refuse(
            "n_jobs", n_jobs, rule, "use 1 for a plain loop or leave it out to let amorsize choose"
        )
    return {"max_jobs": jobs if jobs > 0 else max(1, usable_cores() + 1 + jobs)}


def _check_chunksize(chunksize: Any) -> dict[str, Any]:
    if chunksize in ("auto", None):
        return {"chunksize": None}
    rule = "must be 'auto' or a whole number of items"
    size = _whole("chunksize", chunksize, rule, "leave it out")
    told = "must be at least 1 item", "leave it out to have it chosen"
    _at_least("chunksize", chunksize, size, 1, told)
    return {"chunksize": size}


def _check_backend(backend: Any) -> dict[str, Any]:
    if backend in ("auto", None):
        return {"backends": LOCAL, "forced": None}
    several = isinstance(backend, (tuple, list, set, frozenset))
    names = backend if several else (backend,)
    if not names:
        _refuse("backend", backend, "allows nothing", f"known: {known_backends()}", kind=True)
    allowed: set[str] = set()
    target: Target | None = None
    forced: str | None = None
    for name in names:
        if isinstance(name, str) and name == "auto":
            allowed.update(LOCAL)
        elif isinstance(name, str) and name in PUBLIC_NAMES:
            allowed.update(t.name for t in TRAITS.values() if name in (t.name, t.public))
            forced = name
        else:
            found = _target(name)
            if target is not None:
                rule = "names two executors or clusters"
                _refuse("backend", backend, rule, "give one of them")
            target, forced = found, found.name
            allowed.add(found.name)
    if len(names) > 1 or any(isinstance(name, str) and name == "auto" for name in names):
        forced = None
    return {"backends": frozenset(allowed), "forced": forced, "target": target}


def _target(value: Any) -> Target:
    from amorsize.backends.executors.connect import target_of

    target = target_of(value)
    if target is None:
        rule, way_out = "is not a known backend", f"known: {known_backends()}"
        _refuse("backend", value, rule, way_out, kind=not isinstance(value, str))
    return target


_CHECKS: dict[str, Check] = {
    "n_jobs": _check_jobs,
    "backend": _check_backend,
    "chunksize": _check_chunksize,
    "on_error": _one_word("on_error", ON_ERROR),
    "progress": _check_progress,
    "initializer": _function("initializer", "must be callable", "pass a function or None"),
    "initargs": _check_initargs,
    "history": _check_history,
    "checkpoint": _check_checkpoint,
    "checkpoint_format": _one_word("checkpoint_format", CHECKPOINT_FORMATS),
    "key": _function(
        "key", "must be a function of an item, or None", "write key=lambda row: row['id']"
    ),
    "retry_failed": _yes_or_no("retry_failed"),
    "timeout": _check_timeout,
    "memory_limit": _check_memory_limit,
    "rerun_after_death": _yes_or_no("rerun_after_death"),
    "retries": _check_retries,
    "rate": _check_rate,
    "max_errors": _check_max_errors,
    "effects": _one_word(
        "effects", EFFECTS, '"ignore" says that what the function changes does not matter'
    ),
    "retry_on": _check_retry_on,
    "seed": _check_seed,
}
"""One line an option: its name, and what checks it and gives it its place in :class:`Options`."""
NAMES = frozenset(_CHECKS) | {"max_workers"}
"""Every option of a call."""
