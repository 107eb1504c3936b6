"""Choices in words: configurations, durations, sizes, and why something was chosen."""

from __future__ import annotations

from amorsize.core.backends import PUBLIC_NAMES, TRAITS
from amorsize.planning.cost_model import WAITING_CPU_SHARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.core.model import Config, Prediction, Profile


def describe(config: Config) -> str:
    """A configuration in words."""
    name = TRAITS[config.backend].public if config.backend in TRAITS else config.backend
    if name == "asyncio":
        name = "coroutines"
    if config.backend == "serial":
        return "serial"
    if config.backend in TRAITS and TRAITS[config.backend].remote:
        return f"{config.n_jobs} worker{'s' * (config.n_jobs != 1)} of {name}"
    if config.threads_per_job > 1:
        return (
            f"{counted(config.n_jobs, name)} with {config.threads_per_job} threads each "
            f"({config.backend})"
        )
    kind = f" ({config.backend})" if name != config.backend else ""
    return f"{counted(config.n_jobs, name)}{kind}"


ONE = {"threads": "thread", "processes": "process", "coroutines": "coroutine"}


def counted(n_jobs: int, name: str) -> str:
    """So many workers of a backend, in words: "1 thread", "2 processes"."""
    return f"{n_jobs} {ONE.get(name, name) if n_jobs == 1 else name}"


def format_seconds(seconds: float) -> str:
    """Three digits with the unit that fits."""
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def format_bytes(size: int) -> str:
    """Bytes in the unit that fits."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def known_backends() -> str:
    """The names for error messages."""
    given = "an Executor, a dask Client, 'dask://host:port', 'ray', 'ray://host:port'"
    return ", ".join(("auto", *PUBLIC_NAMES)) + f"; or {given}"


AS_MANY = "for as many items as are done"
"""What is predicted where nothing tells how many items are left."""


def why_parallel(
    best: Prediction, serial: Prediction, profile: Profile, *, known: bool = True
) -> str:
    """Why workers were chosen: what an item does, and what is gained."""
    config = best.config
    each = format_seconds(profile.item_seconds)
    if TRAITS[config.backend].remote:
        work = f"an item takes {each}, and the way there was measured"
    elif config.backend == "threads" and profile.cpu_share < WAITING_CPU_SHARE:
        work = f"an item takes {each} and waits for {1 - profile.cpu_share:.0%} of it"
    elif config.backend == "threads":
        work = f"an item takes {each} and leaves the GIL alone"
    elif config.threads_per_job > 1:
        work = (
            f"an item takes {each}, computes for {profile.cpu_share:.0%} of it and waits otherwise"
        )
    else:
        work = f"an item takes {each} and computes"
    return (
        f"{describe(config)}: {work}; about {format_seconds(best.seconds)} instead of "
        f"{format_seconds(serial.seconds)} {'for the rest' if known else AS_MANY}"
    )


def why_serial(
    serial: Prediction,
    candidates: Sequence[Prediction],
    start_factor: float,
    *,
    known: bool = True,
) -> str:
    """Why the caller goes on alone: what is left, and the best that was open beside it."""
    left = f"{format_seconds(serial.seconds)} {'left' if known else AS_MANY}"
    if not candidates:
        return f"serial: nothing else is open to this work so far ({left})"
    best = min(prediction.seconds for prediction in candidates)
    if best >= serial.seconds:
        return f"serial: about {left}; the best alternative would take {format_seconds(best)}"
    return (
        f"serial: about {left}; the best alternative ({format_seconds(best)}) saves less "
        f"than {start_factor} times what its start takes"
    )
