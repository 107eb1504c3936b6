"""The values that flow through amorsize: frozen, in SI units, with the unit in the name.

::

    func + data -> Workload --measure--> Profile --+
                    detect -----------> Machine ---+--predict--> Prediction --choose--> Plan
                    backends ---------> Config ----+                                      |
                                                                     Run <----execute-----+
"""

from __future__ import annotations

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


TEXT: dict[str, tuple[str, str]] = {}
"""Name of a class to the module and function that give its text."""
HTML: dict[str, tuple[str, str]] = {}
"""Name of a class to the module and function that give its HTML for notebooks."""


def text_of(value: object) -> str:
    """The value as text for people; its ``repr`` where no renderer is registered."""
    return _rendered(TEXT, value) or repr(value)


def html_of(value: object) -> str:
    """The value as HTML for notebooks; its ``repr`` where no renderer is registered."""
    return _rendered(HTML, value) or repr(value)


def _rendered(table: dict[str, tuple[str, str]], value: object) -> str | None:
    from importlib import import_module

    for kind in type(value).__mro__:
        place = table.get(kind.__qualname__)
        if place is not None and kind.__module__.startswith("amorsize."):
            render: Any = getattr(import_module(place[0]), place[1])
            return str(render(value))
    return None


@dataclass(frozen=True)
class Machine:
    """What this process may use of the machine it runs on; tests write their own."""

    cores: int
    """CPUs that can work for this process at the same time: affinity and cgroup quota, at least 1."""
    cpu_quota: float | None = None
    """CPU seconds a second that the cgroup grants, None when unlimited."""
    logical_cores: int = 1
    """CPUs of the whole machine, whatever this process may use of them."""
    physical_cores: int | None = None
    """Physical cores of the whole machine, None when unknown."""
    load: float = 0.0
    """Runnable tasks of the whole machine, averaged over one minute."""
    memory_bytes: int = 0
    """Bytes of memory of the whole machine."""
    memory_available_bytes: int = 0
    """Bytes that could be allocated now without swapping: the smaller room of the machine's and the
    cgroup's."""
    memory_limit_bytes: int | None = None
    """Bytes of the tightest memory limit along the process's cgroup path, None when unlimited."""
    resident_bytes: int = 0
    """Bytes resident in this process: what a fork has to map again."""
    gil: bool = True
    """Whether Python code of two threads excludes each other."""
    can_fork: bool = True
    """Whether the system can fork at all; whether it is safe now: :mod:`amorsize.machine.fork_safety`."""
    platform: str = "linux"
    python: str = ""


@dataclass(frozen=True)
class Profile:
    """What was seen while the first items ran."""

    items: int
    """Items measured."""
    item_seconds: float
    """Mean wall seconds of an item in the caller."""
    item_spread: float = 0.0
    """Standard deviation of the item seconds between slices, seconds."""
    cpu_share: float = 1.0
    """CPU seconds of the calling thread divided by wall seconds: 1 computes, 0 waits."""
    inner_threads: float = 1.0
    """1, and the CPU seconds of the process's other threads divided by those in which the calling thread
    computed or waited: above 1 the function is parallel inside (BLAS, OpenMP), or others compute."""
    gil_free_share: float | None = None
    """Share of the time during which another thread could take the GIL, None while not probed."""
    result_bytes: int | None = None
    """Pickled size of a result, None while not measured or when it cannot be pickled."""
    result_seconds: float = 0.0
    """Seconds to pickle and unpickle a result."""
    argument_bytes: int | None = None
    """Pickled size of an item, None while not measured or when it cannot be pickled."""
    argument_seconds: float = 0.0
    """Seconds to pickle and unpickle an item."""
    picklable: bool = True
    """Whether the results seen can be pickled."""
    longest_seconds: float = 0.0
    """The longest item of earlier runs, which no number of workers makes shorter; 0 while not known."""
    warmup_seconds: float = 0.0
    """What the first item of a worker process cost beyond the others in earlier runs; 0: not known."""
    item_doubt: float = 0.0
    """Standard deviation of the logarithm of ``item_seconds``, taken as the mean of the items that are
    left: 0.1 says about 10 %; 0 where nothing was said of it."""


@dataclass(frozen=True)
class Sums:
    """What the items of one worker took, the first chunk apart."""

    process: int
    thread: int
    first_items: int
    first_seconds: float
    first_cpu_seconds: float
    items: int
    """All others."""
    seconds: float
    cpu_seconds: float
    square: float
    """Sum over chunks of squared seconds divided by items, for the spread of an item."""
    chunks: int
    longest_seconds: float
    """Longest mean of a chunk, the first one too."""


@dataclass(frozen=True)
class Work:
    """What the items of one run took, summed where they ran. All 0 where that was not measured: in a
    record of schema 1, whose profile was guessed from the first items."""

    items: int = 0
    """Items whose time is in these sums."""
    item_seconds: float = 0.0
    """Mean wall seconds of an item where it ran; first items that cost more are left out."""
    cpu_seconds: float = 0.0
    """Mean seconds of an item in which the thread that ran it computed, or wanted a core that other
    programs had."""
    spread_seconds: float = 0.0
    """Standard deviation of the seconds of one item."""
    longest_seconds: float = 0.0
    """The longest item seen by itself; of items run in chunks the longest mean of a chunk."""
    caller_warmup_seconds: float = 0.0
    """What the caller's first item cost beyond the mean: imports, caches."""
    worker_warmup_seconds: float = 0.0
    """The same of the workers, the median over them."""
    sample_items: int = 0
    """Items that had been seen when the run was first decided; 0 where it never was."""
    sample_seconds: float = 0.0
    """What an item seemed to take then."""
    run_seconds: float = 0.0
    """Wall seconds of the whole run."""
    level: int = 0
    """Workers that ran at least one item."""
    part_1: float = 0.0
    """Mean seconds of an item in the first eighth of the data; 0 where none was timed there."""
    part_2: float = 0.0
    part_3: float = 0.0
    part_4: float = 0.0
    part_5: float = 0.0
    part_6: float = 0.0
    part_7: float = 0.0
    part_8: float = 0.0
    size_power: float = 0.0
    """An item takes ``size_seconds * size ** size_power``; 0 where cost was not seen to follow size."""
    size_seconds: float = 0.0
    worker_bytes: int = 0
    """Most memory that a worker process held beyond what the caller had given it; 0 where no look fell
    into its life, or the system does not tell."""


@dataclass(frozen=True)
class Forecast:
    """What a run said of itself when it was first decided, and what came of it. All 0 where nothing was
    said."""

    seconds: float = 0.0
    """Expected seconds of the items that were left."""
    spread: float = 0.0
    """Standard deviation of their logarithm, as it was then taken to be."""
    low_seconds: float = 0.0
    high_seconds: float = 0.0
    """Ends of the 80 % range."""
    real_seconds: float = 0.0
    """What the items that were left took."""
    runs: int = 0
    """Earlier runs of the function behind it; 0 is a first call."""


@dataclass(frozen=True)
class Crowd:
    """Who else wants the cores, at one moment."""

    others: int = 0
    """Threads of other processes; how much of a core the system gives each is taken to be the same."""
    cpus: int = 1
    """Cores of the machine, whoever may use them."""
    share: float = 1.0
    """Share of a core that the caller's thread got while it wanted one."""
    load: float = 0.0
    """Threads of the whole machine that wanted a core, averaged over the last minute."""


@dataclass(frozen=True)
class LinkCost:
    """What it costs to have something done by an executor or a cluster, in seconds."""

    start: float
    """Until the first call has come back."""
    round_trip: float
    """Of one call by itself."""
    task: float
    """Of a call, where many are on their way."""
    byte: float
    """Of a byte, there or back."""


@dataclass(frozen=True)
class RemoteOption:
    """An executor or a cluster that may be chosen."""

    backend: str
    slots: int
    """Calls that can be at work there at the same time."""
    link: LinkCost
    argument_bytes: float = 0.0
    """Pickled size of an item."""


@dataclass(frozen=True)
class Config:
    """A configuration: what can be chosen for a run."""

    backend: str
    """Name of a backend: serial, threads, fork, spawn, executor, dask, ray; asyncio for coroutines."""
    n_jobs: int = 1
    """Processes that compute, or threads for the threads backend."""
    threads_per_job: int = 1
    """Threads in each process."""
    chunksize: int | None = None
    """Items handed over at once, None to size chunks by time."""

    @property
    def workers(self) -> int:
        """Items that can be in progress at the same time."""
        return self.n_jobs * self.threads_per_job


@dataclass(frozen=True)
class Prediction:
    """Expected seconds of one configuration for the items that are left."""

    config: Config
    """The configuration."""
    seconds: float
    """Seconds until the last result."""
    spread: float = 0.0
    """Standard deviation of the logarithm of ``seconds``: 0.1 means about 10 %."""
    source: str = "model"
    """"model": from the cost model alone; "history": corrected by earlier runs."""
    evidence: float = 0.0
    """Number of earlier runs behind it."""
    caller_computes: bool = False
    """Whether the caller is one of the processes."""
    terms: Mapping[str, float] | None = None
    """Seconds by cause: start, dispatch, transfer, work, tail."""


@dataclass(frozen=True)
class Safety:
    """Why a function must not leave the caller, or not run in threads or forked processes.

    Each field is None when nothing speaks against it, else a sentence for people."""

    caller_only: str | None = None
    no_threads: str | None = None
    no_processes: str | None = None
    draws: str | None = None
    """The function by which it draws from the global random state."""
    elsewhere: str | None = None
    """What is another in a worker process: the identity of results that are items, ``os.getpid()``."""
    watched: str | None = None
    """What was seen of an item between two looks; None where none was watched."""
    unless_watched: str | None = None
    """Why a function must not leave the caller before an item was watched."""
    unproven: str | None = None
    """What it calls of an object of a library whose code is not read: only a watched item tells what that
    changes."""
    pool: str | None = None
    """What its code takes from and gives back to, with a lock held: a pool of the user's own."""
    most_threads: int | None = None
    """As many connections as the client keeps that its items share; None where it does not say so, or
    there is none."""

    def __str__(self) -> str:
        """How the function was judged, in a sentence."""
        told = [f"stays in the caller: {self.caller_only}"] if self.caller_only else []
        if not told:
            told += [f"no threads: {self.no_threads}"] if self.no_threads else []
            told += [f"no processes: {self.no_processes}"] if self.no_processes else []
        if self.draws:
            told.append(f"draws from the global random state: {self.draws}")
        if self.watched not in (None, self.caller_only, self.no_processes):
            told.append(str(self.watched))
        if self.watched is None:
            told.append("its code was read, and no item was watched")
        return "; ".join(told)


@dataclass(frozen=True)
class WorkerUse:
    """What one worker did, from the start of the workers to the end of the run."""

    name: str
    """"caller", "thread 1234", "process 1234" or "process 1234 thread 1"."""
    items: int
    """Items that it ran."""
    chunks: int
    """Chunks that it was given."""
    busy_seconds: float
    """Seconds inside items: computing, and what the items themselves wait for."""
    moving_seconds: float
    """Seconds of pickling and sending results; 0 for threads."""
    start_seconds: float
    """Seconds from the start of the workers to its first item."""
    tail_seconds: float
    """Seconds from the end of its last item to the end of the run."""
    waiting_seconds: float
    """All other seconds between its first and its last item."""


@dataclass(frozen=True)
class ItemTries:
    """An item that was tried more than once."""

    position: int
    """Position in the data, from 0."""
    tries: int
    """How often it was called."""
    refused: int
    """How many of these calls a server refused."""
    waited_seconds: float
    """Seconds between its calls, all together: for the server, for a pause, for its turn."""
    seconds: float
    """Seconds from the end of its first call to the end of its last one."""
    served: bool
    """Whether it has a result; else its last call failed, or the run ended first."""


@dataclass(frozen=True)
class Run:
    """What happened in a run. ``print(plan.run)`` shows it; a notebook shows it as a table."""

    config: Config
    """The configuration at the end of the run."""
    items: int
    """Items that are done."""
    wall_seconds: float
    """Seconds from the beginning to the end."""
    cpu_seconds: float
    """Seconds of computing, of the caller and of its workers."""
    outcome: str = "done"
    """"done", "failed" or "abandoned"."""
    corrections: int = 0
    """How often another configuration was chosen after the first choice."""
    deaths: int = 0
    """Workers that died."""
    alone_items: int = 0
    """Items that ran before the workers of the plan started: in the caller, but for ``tried_items``."""
    alone_seconds: float = 0.0
    """Seconds until the workers of the plan started; all seconds if none did."""
    workers: tuple[WorkerUse, ...] = ()
    """What each worker did, and what its time was spent on."""
    calls: int = 0
    """Tries of items. They are counted for coroutine functions, with ``rate``, and after a refusal; else
    0."""
    refused_calls: int = 0
    """Tries that a server refused."""
    refusal_wait_seconds: float = 0.0
    """Seconds in which no item could start, because a server had refused."""
    refusal_limits: tuple[int, int] | None = None
    """Fewest and most calls at the same time that were allowed after the first refusal; None if there was
    none."""
    retried_items: int = 0
    """Items that were tried more than once."""
    retried: tuple[ItemTries, ...] = ()
    """Those of them with the most tries, at most 1,000, in the order of the data."""
    tried_items: int = 0
    """Those of ``alone_items`` that ran in workers, to make the plan: where an option keeps items out of
    the caller."""

    @property
    def utilisation(self) -> float:
        """Share of the workers' time that they spent inside items, since they started; 1 for a loop."""
        given = len(self.workers) * (self.wall_seconds - self.alone_seconds)
        return min(1.0, sum(use.busy_seconds for use in self.workers) / given) if given > 0 else 1.0

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)
