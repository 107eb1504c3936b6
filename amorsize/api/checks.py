"""The options of a call, checked once, at the door."""

from __future__ import annotations

from amorsize.core.backends import LOCAL, PUBLIC_NAMES, TRAITS
from amorsize.core.options import Options
from amorsize.errors import OptionError, OptionTypeError
from amorsize.planning.explain import known_backends

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.backends.executors.connect import Target

ON_ERROR = ("raise", "collect", "skip")
CHECKPOINT_FORMATS = ("pickle", "json")


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
            raise TypeError(f"there is no option {name!r}; known: {', '.join(sorted(NAMES))}")
        checked.update(check(value))
    for name, value in given.items():
        trait = _PROMISES.get(name)
        if trait is not None and value is not None and value is not True:
            checked["backends"] = _who_can(
                trait, name, value, checked.get("backends", DEFAULTS.backends)
            )
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


def check_buffersize(buffersize: Any) -> None:
    """Of ``stream``, and of an executor's ``map``: errors are worded as the standard library's."""
    if buffersize is None:
        return
    if isinstance(buffersize, bool) or not isinstance(buffersize, int):
        raise OptionTypeError(
            "buffersize", buffersize, "buffersize must be an integer or None", "leave it out"
        )
    if buffersize < 1:
        raise OptionError(
            "buffersize",
            buffersize,
            "buffersize must be None or > 0",
            "leave it out to have it chosen",
        )


def _check_on_error(on_error: Any) -> dict[str, Any]:
    if on_error not in ON_ERROR:
        raise OptionError(
            "on_error",
            on_error,
            "must be one of " + ", ".join(map(repr, ON_ERROR)),
            "choose one of them",
        )
    return {"on_error": on_error}


def _check_initializer(initializer: Any) -> dict[str, Any]:
    if initializer is not None and not callable(initializer):
        raise OptionTypeError(
            "initializer", initializer, "must be callable", "pass a function or None"
        )
    return {"initializer": initializer}


def _check_initargs(initargs: Any) -> dict[str, Any]:
    if not isinstance(initargs, (tuple, list)):
        raise OptionTypeError(
            "initargs", initargs, "must be a tuple of arguments", "write (value,)"
        )
    return {"initargs": tuple(initargs)}


def _check_progress(progress: Any) -> dict[str, Any]:
    if (
        progress is not True
        and progress is not False
        and progress is not None
        and not callable(progress)
    ):
        raise OptionTypeError(
            "progress",
            progress,
            "must be True, False or a function of (done, total)",
            "pass one of these",
        )
    return {"progress": progress}


def _check_history(history: Any) -> dict[str, Any]:
    if isinstance(history, str) and "://" in history:
        from amorsize.history.location import Location

        return {"history": Location(history)}
    if history is None or isinstance(history, str) or hasattr(history, "__fspath__"):
        return {"history": history}
    if callable(getattr(history, "recent", None)) and callable(getattr(history, "add", None)):
        return {"history": history}
    raise OptionTypeError(
        "history",
        history,
        "must be 'default', a path, a URL, a History, or None for none",
        "leave it out to use the default one",
    )


def _check_checkpoint(checkpoint: Any) -> dict[str, Any]:
    if checkpoint is None:
        return {"checkpoint": None}
    if not isinstance(checkpoint, str) and not hasattr(checkpoint, "__fspath__"):
        raise OptionTypeError("checkpoint", checkpoint, "must be a path or None", "pass a path")
    from os import fspath

    path = fspath(checkpoint)
    if not isinstance(path, str) or not path or "\0" in path:
        raise OptionError("checkpoint", checkpoint, "is no path of a file", "name a file")
    return {"checkpoint": path}


def _check_checkpoint_format(checkpoint_format: Any) -> dict[str, Any]:
    if checkpoint_format not in CHECKPOINT_FORMATS:
        raise OptionError(
            "checkpoint_format",
            checkpoint_format,
            "must be one of " + ", ".join(map(repr, CHECKPOINT_FORMATS)),
            "choose one of them",
        )
    return {"checkpoint_format": checkpoint_format}


def _check_timeout(timeout: Any) -> dict[str, Any]:
    if timeout is None:
        return {"timeout": None}
    if isinstance(timeout, bool) or not hasattr(timeout, "__float__"):
        raise OptionTypeError(
            "timeout", timeout, "must be None or seconds", "give the seconds that an item may take"
        )
    seconds = float(timeout)
    if not 0 < seconds < float("inf"):
        raise OptionError(
            "timeout", timeout, "must be more than 0 seconds and finite", "pass None for no limit"
        )
    return {"timeout": seconds}


_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def _check_memory_limit(memory_limit: Any) -> dict[str, Any]:
    if memory_limit is None:
        return {"memory_limit": None}
    size: float
    if isinstance(memory_limit, str):
        size = _bytes_of(memory_limit)
    elif isinstance(memory_limit, bool) or not hasattr(memory_limit, "__index__"):
        raise OptionTypeError(
            "memory_limit", memory_limit, "must be bytes or a text like '500MB'", "write '2GB'"
        )
    else:
        size = float(int(memory_limit.__index__()))
    if size < 1:
        raise OptionError(
            "memory_limit", memory_limit, "must be at least one byte", "pass None for no limit"
        )
    from amorsize.backends.processes.memory import can_look

    if not can_look():
        raise OptionError(
            "memory_limit",
            memory_limit,
            "this system does not tell what a process holds (no /proc/self/statm)",
            "leave it out",
        )
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
    raise OptionError(
        "memory_limit", text, "is no amount of memory", "write bytes, or '500MB', '2GB', '1.5GiB'"
    )


def _check_rerun(rerun_after_death: Any) -> dict[str, Any]:
    if rerun_after_death is not True and rerun_after_death is not False:
        raise OptionTypeError(
            "rerun_after_death", rerun_after_death, "must be True or False", "pass one of them"
        )
    return {"rerun_after_death": rerun_after_death}


def _check_retries(retries: Any) -> dict[str, Any]:
    if retries is None:
        return {"retries": 0}
    if isinstance(retries, bool) or not hasattr(retries, "__index__"):
        raise OptionTypeError(
            "retries", retries, "must be a whole number", "give the further tries of a failed item"
        )
    count = int(retries.__index__())
    if count < 0:
        raise OptionError("retries", retries, "must be at least 0", "0 means one try")
    return {"retries": count}


def _check_retry_on(retry_on: Any) -> dict[str, Any]:
    kinds = retry_on if isinstance(retry_on, (tuple, list)) else (retry_on,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise OptionTypeError(
                "retry_on",
                retry_on,
                "must be an exception type or a tuple of them (subclasses of Exception)",
                "write retry_on=(OSError,)",
            )
    if not kinds:
        raise OptionError("retry_on", retry_on, "names no exception", "write retry_on=(OSError,)")
    return {"retry_on": tuple(kinds)}


def _check_seed(seed: Any) -> dict[str, Any]:
    if seed is None:
        return {"seed": None}
    numbers = seed if isinstance(seed, (tuple, list)) else (seed,)
    for number in numbers:
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise OptionTypeError(
                "seed", seed, "must be a whole number or several", "write seed=42, or leave it out"
            )
        if number.__index__() < 0:
            raise OptionError("seed", seed, "must not be negative", "write seed=42")
    if not numbers:
        raise OptionError("seed", seed, "holds no number", "write seed=42, or leave it out")
    plain = tuple(int(number.__index__()) for number in numbers)
    return {"seed": plain if isinstance(seed, (tuple, list)) else plain[0]}


def _check_jobs(n_jobs: Any) -> dict[str, Any]:
    if n_jobs in ("auto", None):
        return {"max_jobs": None}
    if isinstance(n_jobs, bool) or not hasattr(n_jobs, "__index__"):
        raise OptionTypeError(
            "n_jobs",
            n_jobs,
            "must be 'auto' or a whole number",
            "leave it out to let amorsize choose",
        )
    jobs = int(n_jobs.__index__())
    if jobs == 0:
        raise OptionError(
            "n_jobs",
            n_jobs,
            "must be a positive number of workers, or negative to count from all cores (-1: all)",
            "use 1 for a plain loop or leave it out to let amorsize choose",
        )
    if jobs < 0:
        from amorsize.machine.detect import usable_cores

        cores: int = usable_cores()
        return {"max_jobs": max(1, cores + 1 + jobs)}
    return {"max_jobs": jobs}


def _check_chunksize(chunksize: Any) -> dict[str, Any]:
    if chunksize in ("auto", None):
        return {"chunksize": None}
    if isinstance(chunksize, bool) or not hasattr(chunksize, "__index__"):
        raise OptionTypeError(
            "chunksize", chunksize, "must be 'auto' or a whole number of items", "leave it out"
        )
    size = int(chunksize.__index__())
    if size < 1:
        raise OptionError(
            "chunksize", chunksize, "must be at least 1 item", "leave it out to have it chosen"
        )
    return {"chunksize": size}


def _check_backend(backend: Any) -> dict[str, Any]:
    if backend in ("auto", None):
        return {"backends": LOCAL, "forced": None}
    several = isinstance(backend, (tuple, list, set, frozenset))
    names = backend if several else (backend,)
    if not names:
        raise OptionTypeError("backend", backend, "allows nothing", f"known: {known_backends()}")
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
                raise OptionError(
                    "backend", backend, "names two executors or clusters", "give one of them"
                )
            target, forced = found, found.name
            allowed.add(found.name)
    if len(names) > 1 or "auto" in map(_word, names):
        forced = None
    return {"backends": frozenset(allowed), "forced": forced, "target": target}


def _target(value: Any) -> Target:
    from amorsize.backends.executors.connect import target_of

    target = target_of(value)
    if target is None:
        kind = OptionError if isinstance(value, str) else OptionTypeError
        raise kind("backend", value, "is not a known backend", f"known: {known_backends()}")
    return target


def _word(name: Any) -> str | None:
    return name if isinstance(name, str) else None


_CHECKS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "n_jobs": _check_jobs,
    "backend": _check_backend,
    "chunksize": _check_chunksize,
    "on_error": _check_on_error,
    "progress": _check_progress,
    "initializer": _check_initializer,
    "initargs": _check_initargs,
    "history": _check_history,
    "checkpoint": _check_checkpoint,
    "checkpoint_format": _check_checkpoint_format,
    "timeout": _check_timeout,
    "memory_limit": _check_memory_limit,
    "rerun_after_death": _check_rerun,
    "retries": _check_retries,
    "retry_on": _check_retry_on,
    "seed": _check_seed,
}
"""One line an option: its name, and what checks it and gives it its place in :class:`Options`."""
NAMES = frozenset(_CHECKS) | {"max_workers"}
"""Every option of a call."""
