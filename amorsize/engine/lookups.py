"""Looks up the facts that policies ask for: late, and those that hold for the whole run at most once.
The executor or cluster that the user gave is reached, and measured, only when the work ahead is worth it.

::

    policy --NeedFact(name)--> Lookups.find --> the machine, the function's code, the history ...
           <----- Facts -------+
"""

from __future__ import annotations

import sys
import time
import warnings

from amorsize import engine, inspection, items, learning
from amorsize.core.frozen import replace
from amorsize.core.lazy import loaded, reading_seconds, unread_seconds
from amorsize.core.model import Crowd, Forecast, Safety
from amorsize.engine.decisions import at_that_rate, forecast_of
from amorsize.engine.slice_watch import ONE_BY_ONE
from amorsize.engine.state import Facts, NeedFact, Said
from amorsize.errors import AmorsizeWarning
from amorsize.inspection.purity import only_computes
from amorsize.items.collector import is_failed
from amorsize.items.source import NOTHING
from amorsize.machine.detect import crowd_now, detect_machine
from amorsize.machine.fork_safety import fork_refusal
from amorsize.machine.threads import foreign_threads_running, most_cores, vanish
from amorsize.planning.cost_model import Preparation, starting_costs
from amorsize.profiling.meter import TRANSFER_SAMPLE, UNMEASURED, measure_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from amorsize.core.model import Machine
    from amorsize.core.observation import Observation
    from amorsize.engine.commands import StartBackend
    from amorsize.engine.local_loop import LocalLoop
    from amorsize.engine.remote import RemoteAccess
    from amorsize.engine.state import RunSpec, Workers
    from amorsize.learning.learner import Learner
    from amorsize.planning.values import Choice
    from amorsize.profiling.meter import Meter
    from amorsize.profiling.sampler import Sampler

    Answer = TypeVar("Answer")

clock = time.perf_counter

ASK_GAIN_SECONDS = 0.02
"""What recording needs is looked up ahead for runs of at least this length: it costs 2 ms in a new
process."""
SAFETY_ITEMS = 3
"""Items that are shown to the inspection of the function's code."""
JUDGE = "amorsize.inspection.effects"
JUDGING = {
    "amorsize.items.pickling": 3,
    "amorsize.inspection.decode": 3,
    JUDGE: 25,
    "amorsize.inspection.watch": 8,
}
"""Modules that tell whether workers may start, and how many are read with each that is not there yet; a
test counts them."""
ASKING = {"amorsize.learning.learner": 8}
"""Those that ask the history."""
SPREADING = {"amorsize.backends.processes.pool": 23, "resource": 1}
"""Those that start and end worker processes."""
WATCH_SECONDS = 0.002
"""What watching an item costs (benchmarks/speed/watch_cost.py: 0.5 to 2 ms for usual functions)."""
LATE_SHARE = 0.005
"""Share of a worker's time that one of its two or three looks at what it changes may take."""
LEAST_LATE_SECONDS, MOST_LATE_SECONDS = 1e-4, 1e-3
"""Budget of such a look; that at a usual function takes 70 us (benchmarks/speed/watch_cost.py)."""
LASTING = frozenset(["cores", "machine", "safety", "fresh_refusal", "slots"]).union(
    ["runs", "errors", "recall_seconds", "sizes"]
)
"""Facts that hold for the whole run."""


class Lookups:
    """The facts of one run. Called by the thread that holds the driver's lock."""

    def __init__(
        self, loop: LocalLoop, meter: Meter, sampler: Sampler, machine: Machine | None
    ) -> None:
        self.loop, self.meter, self._sampler = loop, meter, sampler
        self._lasting = Facts({} if machine is None else {"machine": machine})
        self._early: Safety | None = None
        """A verdict that keeps the run in the caller, given before an item was done."""
        self._beside: Safety | None = None  # a verdict on which the caller does not rest
        self._travelled: frozenset[type] = frozenset()
        """Classes of results that were pickled and compared."""
        self._reads_ahead = True
        """Whether modules can be read beside the caller."""
        self._spec: RunSpec
        self.told: set[str] = set()
        """Differences that were warned of: each is said once."""
        self.remote: RemoteAccess | None = None
        """The way to the executor or cluster that the user gave."""

    @property
    def lasting(self) -> Facts:
        """What is known for the whole run.

        Without an early verdict as soon as an item is done: what a first item makes once, a table or a
        model, was not there yet, and is now."""
        known = self._lasting.known
        if self._early is not None and self.loop.done and known.get("safety") is self._early:
            left = {name: value for name, value in known.items() if name != "safety"}
            self._lasting = Facts(left)
        return self._lasting

    def know(self, **facts: Any) -> None:
        """Facts that hold for the whole run and need not be looked up."""
        self._lasting = Facts({**self.lasting.known, **facts})

    @property
    def safety(self) -> Safety | None:
        """How the function was judged last; None if it was not."""
        found: Safety | None = self.lasting.known.get("safety")
        return found or self._early or self._beside

    def begin(self, spec: RunSpec) -> None:
        """The run begins, or goes on."""
        self._spec = spec
        self.told |= spec.told
        if spec.tried_items:
            self.know(tried_items=spec.tried_items)
        if spec.judged is not None:
            self.know(safety=spec.judged)
        target = spec.options.target
        if target is not None and not spec.nested and self.remote is None:
            self.remote = engine.RemoteAccess(target, self.loop.source)

    def find(self, need: NeedFact, facts: Facts) -> Facts:
        """The facts with the missing one."""
        find: Callable[[Any, Facts], dict[str, Any]] = getattr(self, f"_find_{need.name}")
        found = find(need.argument, facts)
        known = {**facts.known, **found}
        if need.name == "window_opened":
            known.pop("measured", None)
        lasting = {name: value for name, value in found.items() if name in LASTING}
        if need.name == "runs" and not found["runs"] and not self.loop.done:
            lasting = {}  # what was asked before the first item is asked again after it
        if self.remote is not None and self.remote.option is not None:
            known["remote"] = lasting["remote"] = self.remote.option
        for name in ("transfer", "sending"):
            if found.get(name, UNMEASURED) is not UNMEASURED:
                lasting[name] = found[name]
        if "safety" in lasting and self._sampler.is_here():
            self._beside = lasting.pop("safety")
        if lasting:
            self.know(**lasting)
        if need.name == "safety" and found["safety"].caller_only and not self.loop.done:
            self._early = found["safety"]
        return Facts(known)

    def answer(self, question: Callable[[Facts], Answer]) -> Answer:
        """What a function of facts says, each fact that it asks for looked up."""
        facts = self.lasting
        while True:
            try:
                return question(facts)
            except NeedFact as need:
                facts = self.find(need, facts)

    def only_computes(self) -> bool:
        """Whether the function's names and the first item tell that it only computes."""
        first = self.loop.source.peek()
        return first is not NOTHING and only_computes(self._spec.func, first)

    @property
    def learner(self) -> Learner | None:
        """What remembers; None if there is no history. Imports it when first asked."""
        history = self._spec.options.history
        if self._spec.nested or learning.resolve(history) is None:
            return None
        try:
            return learning.learner_for(history)
        except OSError:  # no descriptor is free to read modules of ours that are asked for now
            return None

    def prepare(self, item_seconds: float) -> None:
        """Look up what recording will need, while the caller has nothing else to do."""
        items = self._spec.total or self.loop.done
        learner = self.learner if items * item_seconds > ASK_GAIN_SECONDS else None
        if learner is not None:
            learner.prepare(self._spec.func)
            for name in learning.RECORDING:
                getattr(learning, name)

    # -- facts that hold for the whole run -----------------------------------------------------------

    def _find_cores(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"cores": most_cores()}

    def _find_machine(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"machine": detect_machine()}

    def _find_safety(self, _: Any, facts: Facts) -> dict[str, Any]:
        if self._spec.one_by_one:
            return {"safety": Safety(caller_only=ONE_BY_ONE)}
        if self._beside is not None and self._sampler.is_here():
            return {"safety": self._beside}
        spec, first = self._spec, self._first_items()
        watching = spec.options.effects == "watch"
        unknown = inspection.unknown_python() if watching else None
        if unknown is not None:
            warnings.warn(unknown, AmorsizeWarning, stacklevel=2)
        context = self.loop.context if self._sampler.is_here() else None
        safety = self.loop.item_watch.judged(first, watching, context)
        late = loaded("amorsize.inspection.late")
        earlier = late.remembered(spec.func) if late is not None and watching else None
        safety = replace(safety, caller_only=safety.caller_only or earlier)
        source = self.loop.source
        if watching and source.data is None and safety.caller_only is None:
            refusal = inspection.source_refusal(spec.func, source.iterator)
            safety = replace(safety, caller_only=refusal)
        costs = self._find_costs(None, facts) if facts.has("costs") else {}  # less is left to read
        return {"safety": safety, **costs}

    def _find_fresh_refusal(self, _: Any, facts: Facts) -> dict[str, Any]:
        if self._spec.options.effects != "watch":
            return {"fresh_refusal": None}
        refusal = inspection.fresh_refusal(self._spec.func)
        if any(map(inspection.pickles_itself, self._first_items())):
            refusal = refusal or "its items say themselves how they are pickled"
        return {"fresh_refusal": refusal}

    def warn_of_differences(self, workers: Workers | None) -> None:
        """Workers run items now: tell in what that may differ from the loop."""
        safety = self.lasting.known.get("safety") or self._beside
        if safety is None:
            return
        if safety.elsewhere or safety.draws or safety.no_threads or safety.caller_only:
            engine.warn_of_differences(self._spec, safety, workers, self.told, self.loop.source)

    def travels(self) -> frozenset[type] | None:
        """Classes of results that are known to come back from processes as they went.

        None where what cannot be sent is an error: no item is to run twice, the backend is named, or
        the caller is not to hold what it needs."""
        options = self._spec.options
        bound = options.forced is not None or options.memory_limit is not None
        if options.effects != "watch" or bound or not options.rerun_after_death:
            return None
        return self._travelled

    def late_look(self, command: StartBackend) -> Callable[..., tuple[str, ...]] | None:
        """A first look before workers start: what tells what they changed; None where it is the user's
        affair, or the run short."""
        budget = self.late_seconds(command)
        if not budget:
            seen = self.loop.item_watch
            return inspection.late_files(seen.asks) if seen.uses_files or seen.asks else None
        beside = self._spec.streaming and command.config.backend == "threads"
        return inspection.late_look(self._spec.func, budget, self.next_items(), beside=beside)

    def late_maker(self, command: StartBackend) -> Callable[[Any], Any] | None:
        """What makes such a look in a fresh interpreter."""
        budget, seen = self.late_seconds(command), self.loop.item_watch
        if not budget and (seen.uses_files or seen.asks):
            return inspection.files_maker(seen.asks)
        return inspection.late_maker(budget) if budget else None

    def late_seconds(self, command: StartBackend) -> float:
        """Budget of a look at what workers change; 0 where none is made."""
        spec = self._spec
        if spec.options.effects != "watch" or spec.options.forced is not None:
            return 0.0
        left, budget = self.loop.source.left(), MOST_LATE_SECONDS
        if left is not None and command.item_seconds:  # else nothing is known of them yet
            seconds = left * command.item_seconds / max(command.config.workers, 1)
            budget = min(budget, LATE_SHARE * seconds)
        return budget if budget >= LEAST_LATE_SECONDS else 0.0

    def next_items(self) -> Sequence[Any]:
        """The item that comes next, as the function gets it; none where it cannot be seen."""
        return self._unnumbered(self.loop.items_ahead(1))

    def forecast(self, choice: Choice | None, said: Said | None) -> Forecast:
        """What is said of the items that are left; without earlier runs by their sizes, too."""
        loop = self.loop
        if choice is None:
            return Forecast()
        crowd = Crowd() if said is None else said.crowd
        spread = self.meter.measured().spread_items
        if not spread and not self.lasting.measured_runs and self._spec.options.seed is None:
            ratio = learning.log_ratio(loop.source.data, loop.done)
            self.know(size_ratio=ratio)
        choice = at_that_rate(self._spec, choice, loop.source.left() or 0)
        return forecast_of(Said(0.0, choice, self.meter.measured(), crowd), self.lasting)

    def note_watched(self) -> None:
        """An item was watched: what was seen joins what the function's code says."""
        known = self.answer(lambda facts: facts.safety)
        first, data = self._first_items(), self.loop.source.data
        safety = self.loop.item_watch.joined(known, first, data)
        self.know(safety=safety)

    def _first_items(self) -> Sequence[Any]:
        """The first items as the function gets them, where they can be seen before they run."""
        data = self.loop.source.data
        if data is None:
            return ()
        return self._unnumbered(data[:SAFETY_ITEMS])

    def _unnumbered(self, items: Sequence[Any]) -> Sequence[Any]:
        """Items as the function gets them, without the numbers that a seed needs."""
        return items if self._spec.options.seed is None else [item for _, item in items]

    def _find_costs(self, _: Any, facts: Facts) -> dict[str, Any]:
        machine = facts.known.get("machine") or detect_machine()
        spawn = loaded("amorsize.backends.processes.spawn")
        warm = spawn.idle_workers() if spawn is not None else 0
        return {
            "machine": machine,
            "costs": starting_costs(machine, warm, self._preparation()),
        }

    def _find_can_judge(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"can_judge": JUDGE in sys.modules or not self._reads_ahead}

    def read_ahead(self) -> None:
        """Read what judges a function. In the sampler's thread, whose end nobody would be told of."""
        try:
            inspection.inspect_function, inspection.unknown_python  # noqa: B018 # read when named
        except OSError:  # no descriptor is free
            self._reads_ahead = False

    def _find_preparation(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"preparation": self._preparation()}

    def _preparation(self) -> Preparation:
        judging = unread_seconds(JUDGING)
        if self._spec.options.effects == "watch" and self.loop.item_watch.verdict is None:
            judging += WATCH_SECONDS
        return Preparation(judging, unread_seconds(SPREADING), reading_seconds(ASKING))

    def _find_slots(self, _: Any, facts: Facts) -> dict[str, Any]:
        assert self.remote is not None
        return {"slots": self.remote.open()[0].slots()}

    def _find_runs(self, seconds_ahead: float, facts: Facts) -> dict[str, Any]:
        began = clock()
        runs: list[Observation] = []
        errors: Any = ((), ())
        learner = self.learner  # None once it has failed, be it in the first of these two calls
        if learner is not None:
            runs = learner.recall(self._spec.func, seconds_ahead)
            errors = learner.errors()
        return {"runs": tuple(runs), "errors": errors, "recall_seconds": clock() - began}

    def _find_holds_the_same(self, _: Any, facts: Facts) -> dict[str, Any]:
        learner = self.learner
        same = learner is not None and learner.holds_the_same(self._spec.func, facts.runs[0])
        return {"holds_the_same": same}

    # -- facts of the moment -------------------------------------------------------------------------

    def _find_measured(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"measured": self.meter.measured()}

    def _find_overall(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"overall": self.meter.overall()}

    def _find_window_opened(self, _: Any, facts: Facts) -> dict[str, Any]:
        self.meter.open_window()
        return {"window_opened": True}

    def _find_left(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"left": self.loop.source.left()}

    def _find_foreign_threads(self, most: int, facts: Facts) -> dict[str, Any]:
        return {"foreign_threads": foreign_threads_running(most)}

    def _find_is_remote_worth(self, serial_seconds: float, facts: Facts) -> dict[str, Any]:
        worth = self.remote is not None and self.remote.is_worth(serial_seconds)
        return {"is_remote_worth": worth}

    def _find_transfer(self, _: Any, facts: Facts) -> dict[str, Any]:
        # An item that fails does not travel as a result: its error goes by itself.
        samples = [one for one in self.loop.samples[-TRANSFER_SAMPLE:] if not is_failed(one)]
        found = measure_transfer(samples, _encode)
        watched = self._spec.options.effects == "watch"
        if watched and found.picklable and items.changes(samples, items.dumps, items.loads):
            found = replace(found, picklable=False)
        elif watched and found.picklable:
            kinds = set(map(type, items.compared(samples)))
            self._travelled = frozenset(one for one in kinds if not issubclass(one, BaseException))
        return {"transfer": found}

    def _find_sending(self, _: Any, facts: Facts) -> dict[str, Any]:
        ahead = self.loop.items_ahead(TRANSFER_SAMPLE)
        if any(map(inspection.pickles_itself, ahead)):
            ahead = []  # to pickle them may change them
        found = measure_transfer(ahead, _encode)
        # What cannot be pickled is told of when it is sent: the error names the item then.
        return {"sending": replace(found, picklable=True)}

    def _find_crowd(self, _: Any, facts: Facts) -> dict[str, Any]:
        return {"crowd": crowd_now(self.meter.core_share())}

    def _find_sizes(self, _: Any, facts: Facts) -> dict[str, Any]:
        plain = self._spec.options.seed is None
        return {"sizes": learning.sizes_of(self.loop.source.data) if plain else ()}

    def _find_long_items(self, argument: Any, facts: Facts) -> dict[str, Any]:
        position, workers = argument
        law = learning.law_in(facts.measured_runs[0])
        if law is None or self._spec.options.seed is not None:
            return {"long_items": ()}
        found = learning.long_items(self.loop.source.data, position, law, workers)
        return {"long_items": tuple(found)}

    def _find_order_is_free(self, _: Any, facts: Facts) -> dict[str, Any]:
        indexed = self.loop.source.data is not None
        return {"order_is_free": indexed and self.loop.item_watch.order_is_free}

    def _find_residual(self, argument: Any, facts: Facts) -> dict[str, Any]:
        profile, left = argument
        learner, residual = self.learner, None
        if learner is not None:
            runs = list(facts.runs)
            residual = learner.residual(runs, profile, facts.machine, left)
        return {"residual": residual}

    def _find_fork_refusal(self, _: Any, facts: Facts) -> dict[str, Any]:
        self._sampler.stop()  # a fork needs this process to have one thread
        vanish()
        return {"fork_refusal": fork_refusal()}

    def _find_computed_meanwhile(self, _: Any, facts: Facts) -> dict[str, Any]:
        """The costs, looked up beside the caller, and how much it computed meanwhile."""
        began, computed = clock(), self._sampler.caller_seconds()
        found = {} if facts.has("costs") else self._find_costs(None, facts)
        computed = self._sampler.caller_seconds() - computed
        return {**found, "computed_meanwhile": computed / max(clock() - began, 1e-9)}


def _encode(value: Any) -> list[Any]:
    return items.parts(value)
