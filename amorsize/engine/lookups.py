"""When to decide, and with which values: the meter's profile, the machine, the function's safety.

The decision itself is ``planning.choose``; here is what it needs looked up, late and at most once,
and the cheap checks that keep a run with nothing to gain from paying for the look.
"""

from __future__ import annotations

import sys

from amorsize.backends.processes import protocol
from amorsize.core.backends import TRAITS
from amorsize.core.frozen import replace
from amorsize.core.model import Config, Machine, Prediction, Safety
from amorsize.engine.opening import LEAST_GAIN_SECONDS
from amorsize.engine.remote_option import Away
from amorsize.errors import OptionError
from amorsize.inspection.effects import inspect_function
from amorsize.inspection.purity import only_computes
from amorsize.items.source import NOTHING
from amorsize.machine.detect import detect_machine
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.threads import most_cores, vanish
from amorsize.planning import choose as planning
from amorsize.planning import cost_model, explain, policy
from amorsize.planning.cost_model import FORK_SECONDS, Costs, starting_costs
from amorsize.planning.values import Choice, PlanningInput
from amorsize.profiling.meter import Meter
from amorsize.profiling.sampler import Observer, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize.core.model import Profile
    from amorsize.core.observation import Observation
    from amorsize.core.options import Options
    from amorsize.items.source import ItemSource
    from amorsize.learning.learner import Learner

LEAST_START_SECONDS = 0.0014
"""No way to use a second core for computing work starts in less (two threads and a fork, measured on
several machines at 1.5 to 3 ms); below, nothing is looked up."""
ASK_GAIN_SECONDS = 0.02
"""The history is asked when at least this could be gained: asking costs 2 ms in a new process, and
0.3 ms later (benchmarks/learning/evaluate.py)."""
GIL_ANSWER_SECONDS = 0.008
"""Computing work waits so long for the observer's first look at the GIL (it comes after 5 ms)."""
INNER_WINDOW_SECONDS = 0.01
"""A second look at inner threads, in a fresh window: OpenBLAS is busy just after its import."""
TRANSFER_SAMPLE = 16
"""Results pickled together to see what carrying one costs (a single small one costs 50 times more)."""
SMALL_RESULT_BYTES = 4096
"""Above, one result says enough, and pickling many would take time."""
KERNEL_BYTE_SECONDS = 7e-10
"""CPU seconds that a byte of a large result costs both sides together, its fresh pages included
(benchmarks/speed/costs.py: 0.7 to 1 ns)."""


UNSEEN_WAITS = planning.FIRST_THREADS
"""Items of unknown number that wait: a thread for each."""


ONLY_WAITS_CPU_SHARE = 0.1
"""Below it an item that is done is taken to be nothing but a wait."""
LEAST_WAIT_SECONDS = 5e-6
"""Waiting of an item that threads could hide: handing an item to one takes 3 to 5 µs of the GIL
(10 s for 3 million items that took 0.3 s; a preempted slice of 17 µs had looked like waiting)."""


class Decider:
    """What one run knows when it decides."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        source: ItemSource,
        meter: Meter,
        options: Options,
        machine: Machine | None,
        *,
        nested: bool,
    ) -> None:
        self.func, self.source, self.meter, self.options = func, source, meter, options
        self.nested = nested
        self.threads_failed = False
        """Threads were tried and did not help."""
        self.only_computes = False
        """The function's names tell that it holds the GIL and never waits: nobody need watch."""
        self.shares: tuple[float, float, float] | None = None
        """What :meth:`Meter.shares` gave when the caller last worked alone."""
        self.seen: tuple[float, float, float] | None = None
        """The same, with the first item where there was no other: what is left to the history."""
        self.runs: list[Observation] = []
        """The function's own earlier runs, newest first, once they were asked for."""
        self._asked = False
        self._asked_seconds = 0.0
        self._machine = machine
        target = options.target
        self.away = Away(target, source) if target is not None and not nested else None
        """The way to the executor or cluster that the user gave."""
        self._safety: Safety | None = None
        self._costs: Costs | None = None
        self._looked_inside = False

    def meet(self) -> bool:
        """Whether the function's names and the first item tell that it only computes."""
        first = self.source.peek()
        self.only_computes = first is not NOTHING and only_computes(self.func, first)
        return self.only_computes

    def consider(
        self, done: int, elapsed: float, samples: Sequence[Any], observer: Observer
    ) -> Choice | None:
        """A choice if it is time for one, None to go on for now. Cheap checks first.

        Of a source of unknown length as many items again as were ``done`` are taken to be left; more
        where they wait, for threads are started a few at a time then, as long as there is something to
        take.
        ``samples`` are the last results."""
        meter, total = self.meter, self.source.total
        left = done if total is None else total - done
        serial_seconds = left * meter.item_seconds
        if serial_seconds < LEAST_GAIN_SECONDS:
            return None
        self.shares = self.seen = meter.shares()
        if meter.window_is_empty:  # there is but the first item
            self.seen = meter.overall()
        wall, cpu, inner = self.shares
        if cpu < 1.0 and meter.item_seconds * (1.0 - cpu) < LEAST_WAIT_SECONDS:
            cpu = 1.0  # no wait that a hand-over would be shorter than
            self.shares = self.seen = wall, cpu, inner
        if meter.items == 1 and cpu < ONLY_WAITS_CPU_SHARE:
            cpu = 0.0  # what little it computed may have been done for all items
            self.shares = self.seen = wall, cpu, inner
        if total is None and cpu < cost_model.WAITING_CPU_SHARE:
            left = max(left, UNSEEN_WAITS)
            serial_seconds = left * meter.item_seconds
        gain = serial_seconds * (1 - 1 / most_cores()) if cpu > 0.5 else serial_seconds
        self.ask(gain, serial_seconds)
        away = self.away is not None and self.away.is_worth(serial_seconds)
        if cpu >= cost_model.WAITING_CPU_SHARE and not self._knows_the_gil() and not away:
            if inner > planning.INNER_THREADS and not self._looked_inside:
                if wall > INNER_WINDOW_SECONDS:
                    self._looked_inside = True
                    meter.open_window()
                return None
            if (
                not self.only_computes
                and meter.gil_free_share() is None
                and elapsed - self._asked_seconds < GIL_ANSWER_SECONDS
            ):
                return None
            least = FORK_SECONDS if self.only_computes else LEAST_START_SECONDS
            if serial_seconds * (1 - 1 / most_cores()) < policy.START_FACTOR * least:
                return None
            gain = serial_seconds * (1 - 1 / self.machine.cores)
            free = (meter.gil_free_share() or 0.0) >= cost_model.GIL_FREE_SHARE
            start = self.costs.thread if free else min(self.costs.fork, self.costs.spawn)
            if gain < policy.START_FACTOR * start:
                return None
        if meter.result_bytes is None and meter.picklable:
            self._measure_transfer(samples)
        choice = self.plan(left, None, elapsed)
        if choice.config.backend != "fork":
            return choice
        observer.stop()  # a fork needs this process to have one thread
        vanish()
        refusal = fork_refusal()
        return choice if refusal is None else self.plan(left, refusal, elapsed)

    def ask(self, gain_seconds: float, seconds_ahead: float) -> bool:
        """Ask the history for the function's own runs, once, if what could be gained is worth it.
        True if there are any."""
        if not self._asked and gain_seconds > ASK_GAIN_SECONDS:
            self._asked = True
            began = clock()
            if self.learner is not None:
                self.runs = self.learner.recall(self.func, seconds_ahead)
            self._asked_seconds = clock() - began
        return bool(self.runs)

    def _knows_the_gil(self) -> bool:
        """Whether an earlier run tells if the function leaves the GIL alone."""
        return bool(self.runs) and (
            self.only_computes or self.runs[0].profile.gil_free_share is not None
        )

    def prepare(self, item_seconds: float) -> None:
        """Look up what recording will need, while the caller has nothing else to do."""
        left = self.source.left() or 0
        if left * item_seconds > ASK_GAIN_SECONDS and self.learner is not None:
            self.learner.prepare(self.func)

    @property
    def learner(self) -> Learner | None:
        """What remembers; None if there is no history. Imports it when first asked."""
        if self.nested or self.options.history is None:
            return None
        from amorsize.learning.learner import learner_for

        return learner_for(self.options.history)

    def profile(self) -> Profile:
        """What is known of the work: what was seen now, and where that is too little, what its last
        run showed."""
        profile = self.meter.profile(self.shares if self.runs else self.seen or self.shares)
        if self.threads_failed:
            profile = replace(profile, gil_free_share=0.0)
        if not self.runs:
            return profile
        before = self.runs[0].profile
        changes: dict[str, Any] = {}
        if profile.gil_free_share is None:
            changes["gil_free_share"] = before.gil_free_share
        if profile.result_bytes is None and before.result_bytes is not None:
            changes["result_bytes"] = before.result_bytes
            changes["result_seconds"] = before.result_seconds
        if self.meter.window_is_empty:
            changes["cpu_share"] = before.cpu_share
            changes["inner_threads"] = before.inner_threads
        return replace(profile, **changes)

    def to_remember(self) -> Profile:
        """The profile for the history: nothing of it is hearsay where it was seen in this run."""
        profile = self.profile()
        seen = self.meter.profile(self.seen or self.shares)
        return replace(profile, cpu_share=seen.cpu_share, inner_threads=seen.inner_threads)

    def plan(self, left: int, refusal: str | None, spent: float | None = None) -> Choice:
        """Choose for ``left`` items; ``refusal`` says why the process must not fork now, ``spent`` how
        long the caller has worked alone."""
        profile = self.profile()
        residual = None
        if left * profile.item_seconds > ASK_GAIN_SECONDS and self.learner is not None:
            residual = self.learner.residual(self.runs, profile, self.machine, left)
        choice = planning.choose(
            PlanningInput(
                profile,
                self.machine,
                left,
                self.options.limits(self.nested),
                self.safety,
                self.costs,
                fork_refused=refusal,
                indexed=self.source.indexed or self.source.snapshot,
                residual=residual,
                far=None if self.away is None else self.away.far,
                spent_seconds=spent,
            )
        )
        if self.runs and self.options.explore > 0:
            tried = [run.config for run in self.runs]
            choice = policy.explore(choice, tried, self.options.explore, self._lot())
        return choice

    def _lot(self) -> float:
        """From 0 to 1, the same all through a run, and for equal histories and seeds."""
        from binascii import crc32

        return crc32(f"{self.options.explore_seed} {self.runs[0].id}".encode()) / 2.0**32

    def model_seconds(
        self, config: Config, profile: Profile, items: int, *, caller_computes: bool
    ) -> float:
        """What the cost model alone says of a configuration."""
        sent = not (self.source.indexed or self.source.snapshot)
        return cost_model.seconds(
            config,
            profile,
            self.machine,
            items,
            self.costs,
            items_sent=sent,
            caller_computes=caller_computes,
        ).seconds

    def _measure_transfer(self, samples: Sequence[Any]) -> None:
        """What carrying a result costs, on the last ones together, as they would travel; once."""
        meter = self.meter
        if not samples:
            return
        try:
            parts = protocol.encode(protocol.RESULT, samples[-1])
            small = sum(memoryview(part).nbytes for part in parts) < SMALL_RESULT_BYTES
            sample = samples[-TRANSFER_SAMPLE if small else -1 :]
            began = clock()
            parts = protocol.encode(protocol.RESULT, sample)
            size = sum(memoryview(part).nbytes for part in parts)
            meter.result_bytes = size // len(sample)
            # Unpickling takes about as long as pickling.
            seconds = 2 * (clock() - began) + size * KERNEL_BYTE_SECONDS
            meter.result_seconds = seconds / len(sample)
        except Exception:
            meter.picklable = False

    def forced(self) -> Choice:
        """The user named one backend: every item goes there."""
        options, name = self.options, self.options.forced
        assert name is not None
        if name in ("processes", "fork"):
            vanish()
            refusal = fork_refusal() if self.machine.can_fork else "this system cannot fork"
            if name == "fork" and refusal is not None:
                raise OptionError(
                    "backend",
                    name,
                    f"the process must not be forked now: {refusal}",
                    "use backend='processes', which then starts fresh interpreters",
                )
            name = "spawn" if refusal is not None else "fork"
        jobs = options.max_jobs
        if self.away is not None and TRAITS[name].remote:
            slots = max(1, self.away.open()[0].slots())
            jobs = slots if jobs is None else min(slots, jobs)
        if jobs is None:
            jobs = self.machine.cores + (4 if name == "threads" else 0)
        total = self.source.total
        if total is not None:
            jobs = min(jobs, total)
        config = Config(name, max(1, jobs), 1, options.chunksize)
        reason = f"asked for by backend={options.forced!r}"
        return choice_unseen(config, 0.0, total or 0, reason)

    def supervised(self) -> Choice:
        """What runs everything where nothing may run in the caller: there is a limit on time or memory,
        and nobody could stop the caller in an item, or replace it.

        Nothing has been seen of the items yet: helper processes, which can be ended, where they may
        be used; threads for what is known to wait (``watching`` looks whether it does)."""
        options, total = self.options, self.source.total
        if options.forced is not None and not self.nested:
            return self.forced()
        allowed, safety = options.backends, self.safety
        waits = False
        if not self.nested:
            self.ask(float("inf"), 0.0)
            waits = (
                bool(self.runs) and self.runs[0].profile.cpu_share < cost_model.WAITING_CPU_SHARE
            )
        name, jobs, why = "threads", 1, "an item that takes too long can be left behind"
        most = options.max_jobs or self.machine.cores
        vanish()
        refusal = fork_refusal() if self.machine.can_fork else "this system cannot fork"
        process = "fork" if refusal is None and "fork" in allowed else "spawn"
        threads = "threads" in allowed and not safety.no_threads
        if self.nested or safety.caller_only:
            why = safety.caller_only or "it is called from inside another run"
        elif waits and threads:
            jobs, why = options.max_jobs or planning.FIRST_THREADS, "it waits"
        elif process in allowed and not safety.no_processes:
            name, jobs, why = process, most, "an item that takes too long can be ended"
        elif threads:
            jobs = most
        if name not in allowed:
            if options.memory_limit is not None:
                if name == "threads" and not self.nested:
                    why = safety.caller_only or safety.no_processes or "none may be started"
                raise OptionError(
                    "memory_limit",
                    options.memory_limit,
                    f"needs worker processes, and this function stays in the caller: {why}",
                    "leave the option out, or see what makes the function unfit",
                )
            raise OptionError(
                "timeout",
                options.timeout,
                f"needs {name} for this function ({why}), which backend= does not allow",
                "allow it, or leave backend out",
            )
        jobs = max(1, jobs if total is None else min(jobs, total))
        config = Config(name, jobs, 1, options.chunksize)
        given = "memory_limit" if options.timeout is None else "timeout"
        return choice_unseen(config, 0.0, total or 0, f"{given} is given; {why}")

    @property
    def machine(self) -> Machine:
        if self._machine is None:
            self._machine = detect_machine()
        return self._machine

    @property
    def safety(self) -> Safety:
        if self._safety is None:
            self._safety = inspect_function(self.func, self._first_items(3))
        return self._safety

    def _first_items(self, count: int) -> Sequence[Any]:
        """The first items as the function gets them, where they can be seen before they run."""
        data = self.source.data
        if data is None:
            return ()
        first = data[:count]
        return first if self.options.seed is None else [item for _, item in first]

    @property
    def costs(self) -> Costs:
        if self._costs is None:
            spawn = sys.modules.get("amorsize.backends.processes.spawn")
            warm = spawn.idle_workers() if spawn is not None else 0
            self._costs = starting_costs(self.machine, warm)
        return self._costs


def choice_unseen(config: Config, item_seconds: float, left: int, reason: str) -> Choice:
    """A choice that was made without comparing."""
    rounds = -(-left // config.workers)
    return Choice(
        Prediction(config, item_seconds * rounds),
        (),
        (f"{explain.describe(config)}: {reason}",),
        False,
        item_seconds * left,
    )
