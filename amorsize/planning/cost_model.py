"""Analytic seconds of a configuration for the items that are left.

With n items of ``item`` seconds each, of which a share ``cpu`` is computed and a share ``free`` of that
leaves the GIL alone, on C cores:

* serial:            n * item
* threads (T):       start*T + max(n*item/T rounded up to whole rounds, n*cpu*item*(1-free),
                     n*cpu*item/min(T, C))
* elsewhere (S slots): round trip + max(n*item/S in whole rounds, chunks*task + n*bytes*byte), where what
                     a call and a byte cost has been measured
* processes (P x T): start*H + (1 + loss) * max(n*item/(P*T) in whole rounds,
                     (n*cpu*item + transfer)/min(P, C), transfer/2), where transfer is n times the CPU
                     seconds, on both sides, of carrying a result and, where items are sent, an item, and
                     half of it is the one caller's; H processes are
                     started, each of which starts T - 1 threads, and where the caller is one of the P it
                     works meanwhile: then start*H*H/P, and no more in all than (1 + loss) times the loop

``free`` is what the looks at the GIL tell: of an item that waits they are free while it waits, which says
nothing of its computing, and too few free ones say nothing at all.

No configuration but the loop takes less than the longest item that earlier runs have shown, and worker
processes take what their first item cost beyond the others in earlier runs (imports, caches).

What must be done before workers can start (``Preparation``) is added to whatever starts some.

Where o threads of others want the C cores now (``Crowd``), each of w threads of ours gets the share
s(w) = min(1, C / (w + o)) of one (fair scheduling): starting takes 1 / s(1) times as long, and the work
of w workers that compute s(1) / s(w) times, since ``item`` was measured while one thread of ours ran.

Whole rounds because ``n`` items on ``T`` threads take ceil(n/T) items' time when they wait.
"""

from __future__ import annotations

from math import ceil

from amorsize.core.backends import TRAITS
from amorsize.core.frozen import dataclass, replace
from amorsize.core.model import Config, Crowd, Machine, Prediction, Profile, RemoteOption
from amorsize.planning import chunking as sizing

PARALLEL_LOSS = 0.05
"""Share lost when all cores compute at once: caches, memory, the system's own work
(benchmarks/speed/costs.py: 2-10 % on the development machine, measured again in every benchmark)."""


GIL_FREE_SHARE = 0.6
"""At least this share of the looks must find the GIL free: two of two (one is added against them)."""
WAITING_CPU_SHARE = 0.9
"""Below this share of CPU time an item waits: enough for more workers than cores to be worth a look, and
for a part of the looks at the GIL."""

FELT_SHARE = 0.9
"""A caller that got less than this share of the core it wanted has lost it to others. Reasoned, not
searched for: above it the clocks of a thread and of its wait for a core may differ by themselves."""

FORK_SECONDS = 0.003
"""Fork to first result of a small process (benchmarks/speed/costs.py)."""
FORK_SECONDS_PER_BYTE = 5.5e-11
"""What each resident byte adds: 78 ms with 1.4 GB (benchmarks/speed/costs.py)."""


@dataclass(frozen=True)
class Preparation:
    """What must be done once before any worker starts, in seconds, as far as it is not done yet."""

    judging: float = 0.0
    """Judging the function: reading the modules for it, watching an item."""
    spreading: float = 0.0
    """Reading the modules that start worker processes."""
    asking: float = 0.0
    """Reading the modules that ask the history, which nobody has to."""

    def seconds(self, backend: str) -> float:
        """What workers of that backend need."""
        if backend == "serial":
            return 0.0
        return self.judging + (0.0 if backend == "threads" else self.spreading)


def core_share(threads: int, crowd: Crowd) -> float:
    """Share of a core that each of so many threads of ours gets beside those of others."""
    return min(1.0, crowd.cpus / (threads + crowd.others)) if crowd.others > 0 else 1.0


def felt(crowd: Crowd) -> Crowd:
    """Those others that last: as many as explain the share of a core that the caller got so far, or as
    wanted a core all through the last minute, this program itself left out. One that merely runs now may
    be gone in a moment; in its first milliseconds a run may not have met those that are there."""
    missed = round(crowd.cpus / crowd.share) - 1 if crowd.share < FELT_SHARE else 0
    return replace(crowd, others=max(0, min(crowd.others, max(missed, int(crowd.load) - 1))))


def crowding(config: Config, cores: int, crowd: Crowd) -> float:
    """How many times as long workers that compute take than beside nobody, over what the loop does."""
    workers = max(1, min(config.workers, cores))
    return core_share(1, crowd) / core_share(workers, crowd)


@dataclass(frozen=True)
class Costs:
    """What starting a worker costs on this machine, now, in seconds beside nobody else."""

    thread: float = 7e-5
    fork: float = 0.003
    spawn: float = 0.15
    spawn_warm: float = 0.002
    warm_workers: int = 0
    preparation: Preparation = Preparation()
    crowd: Crowd = Crowd()
    """Who else wants the cores, as far as the caller has felt it."""

    def start(self, backend: str, count: int) -> float:
        """Seconds until ``count`` workers of that backend are at work."""
        return self._start(backend, count) / core_share(1, self.crowd)

    def before(self, backend: str) -> float:
        """Seconds until the first of them may start."""
        return self.preparation.seconds(backend) / core_share(1, self.crowd)

    def _start(self, backend: str, count: int) -> float:
        if backend == "threads":
            return self.thread * count
        if backend == "fork":
            return self.fork * count
        if backend == "spawn":
            cold = max(0, count - self.warm_workers)
            return self.spawn * min(1, cold) + 0.2 * self.spawn * cold + self.spawn_warm * count
        return 0.0


@dataclass(frozen=True)
class Roles:
    """Who does what where worker processes are used."""

    items_sent: bool = False
    """Items are sent to the workers; else a forked worker finds them by their positions."""
    caller_computes: bool = False
    """The caller is one of the processes, so one fewer is started."""


def starting_costs(
    machine: Machine,
    warm_workers: int,
    before: Preparation = Preparation(),  # noqa: B008 # a frozen value
) -> Costs:
    """Costs for a process of this size: a fork maps its resident memory again."""
    return Costs(
        fork=FORK_SECONDS + FORK_SECONDS_PER_BYTE * machine.resident_bytes,
        warm_workers=warm_workers,
        preparation=before,
    )


def gil_free(profile: Profile, machine: Machine) -> float:
    """Share of an item's computing that leaves the GIL alone, as far as the looks can be trusted."""
    if not machine.gil:
        return 1.0
    seen, cpu = profile.gil_free_share or 0.0, profile.cpu_share
    if cpu < WAITING_CPU_SHARE:
        seen = (seen - (1.0 - cpu)) / max(cpu, 0.01)
    return seen if seen >= GIL_FREE_SHARE else 0.0


def seconds(
    config: Config,
    profile: Profile,
    machine: Machine,
    left: int,
    costs: Costs,
    roles: Roles = Roles(),  # noqa: B008 # a frozen value
) -> Prediction:
    """Predict the seconds that ``left`` items take under ``config``; pure. Complexity O(1)."""
    items_sent, caller_computes = roles.items_sent, roles.caller_computes
    item, cpu = profile.item_seconds, profile.cpu_share
    if config.backend == "serial":
        return Prediction(config, left * item, terms={"work": left * item})
    cores = max(1, machine.cores)
    traits = TRAITS[config.backend]
    computed = left * cpu * item
    rounds = ceil(left / config.workers) if cpu < 0.5 else left / config.workers
    slower = crowding(config, cores, costs.crowd) if cpu >= 0.5 else 1.0
    if not traits.processes:
        free = gil_free(profile, machine)
        start = costs.start("threads", config.n_jobs)
        work = max(
            slower * rounds * item,
            computed * (1 - free),
            slower * computed / max(1.0, min(config.n_jobs, cores) / profile.inner_threads),
        )
        work = max(work, profile.longest_seconds - start)
        before = costs.before("threads")
        return Prediction(config, before + start + work, terms={"start": start, "work": work})
    helpers = config.n_jobs - (1 if caller_computes else 0)
    start = costs.start(config.backend, helpers)
    start += costs.start("threads", config.threads_per_job - 1)  # in each process, side by side
    if helpers:
        start += profile.warmup_seconds  # side by side, too
    carried = profile.result_seconds
    if items_sent or traits.sends_items:
        carried += profile.argument_seconds
    # What the caller computes itself need not be carried.
    share = (config.n_jobs - 1) / config.n_jobs if caller_computes else 1.0
    frames = left * min(1.0, item / sizing.frame_seconds(config.workers))
    transfer = share * (left * carried + frames * sizing.FRAME_COST_SECONDS)
    # Carrying is computing, on both sides; it shares the cores with the work. One half is the caller's.
    busy = max((computed + transfer) / min(config.n_jobs, cores), transfer / 2)
    work = slower * max(rounds * item, busy) * (1 + PARALLEL_LOSS)
    work = max(work, profile.longest_seconds)
    total = start + work
    if caller_computes:
        start *= helpers / config.n_jobs
        total = min(start + work, max(work, left * item * (1 + PARALLEL_LOSS)))
        start = total - work
    terms = {"start": start, "work": work, "transfer": transfer}
    total += costs.before(config.backend)
    return Prediction(config, total, terms=terms, caller_computes=caller_computes)


def seconds_remote(config: Config, profile: Profile, left: int, remote: RemoteOption) -> Prediction:
    """Predict the seconds that ``left`` items take behind a measured link; pure. Complexity O(1).

    Whether the cores there are other ones than here cannot be told: an item is taken to last as long."""
    link, slots = remote.link, max(1, config.n_jobs)
    work = ceil(left / slots) * profile.item_seconds * (1 + PARALLEL_LOSS)
    chunks = max(slots, left * min(1.0, profile.item_seconds / sizing.chunk_seconds(link)))
    carried = left * (remote.argument_bytes + (profile.result_bytes or 0)) * link.byte
    transfer = chunks * link.task + carried
    terms = {"start": link.round_trip, "work": work, "transfer": transfer}
    return Prediction(config, link.round_trip + max(work, transfer), terms=terms)


def slowdown(config: Config, cores: int, crowd: Crowd) -> float:
    """How many times as long a run of computing items takes because other processes want the cores, too.
    Pure.

    :func:`seconds` has the threads of ours work as quickly as the caller's did, which got
    ``crowd.share`` of a core, and knows of others as far as that has felt them (:func:`felt`). Whoever
    was not felt was seen at one moment only: that is told, and decides nothing."""
    workers = max(1, min(config.workers, cores))
    known = crowding(config, cores, felt(crowd))
    return max(1.0, crowd.share / core_share(workers, crowd) / known)
