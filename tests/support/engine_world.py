"""A world for the engine's policy: it performs commands on paper, and sends events that could happen
then."""

from __future__ import annotations

import random
import sys
from typing import Any

from amorsize.backends.base import BackendReport
from amorsize.core.frozen import replace
from amorsize.core.model import Safety
from amorsize.engine import commands as do
from amorsize.engine.events import (
    BackendStarted,
    Begun,
    CallerFreed,
    Closed,
    Drained,
    LongItem,
    Reported,
    SliceEnded,
    SliceInterrupted,
    SpreadSeen,
)
from amorsize.engine.policy import transition
from amorsize.engine.state import ENDED, INITIAL, Facts, NeedFact, Phase, RunState
from amorsize.profiling.meter import Transfer
from support.engine_values import earlier_run, facts, measured, spec, validate_state

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"backend": "threads"},
    {"backend": "processes"},
    {"backend": "serial"},
    {"timeout": 5},
    {"memory_limit": 10**9} if sys.platform == "linux" else {},  # refused elsewhere
    {"backend": ("serial", "threads")},
    {"n_jobs": 1},
    {"nested": True},
    {"streaming": True},
    {"journaled": True},
)

SPECS = tuple(spec(**options) for options in OPTIONS)


class World:
    """One run on paper. Each position is taken (the caller or a backend had it), open, or done."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        total = chance.choice((None, 0, 1, 60, 100_000))
        self.spec = replace(SPECS[chance.randrange(len(SPECS))], total=total)
        self.state: RunState = INITIAL
        self.now = 100.0
        self.caller = self.done = 0
        """Items that the caller has run; items done by anybody."""
        self.open_from: int | None = None
        """Items from here on are the workers'."""
        self.backend: do.StartBackend | None = None
        self.leaving = self.closing = self.paused = False
        self.last_position = 0
        self.rows: set[tuple[str, type]] = set()
        """Phase and kind of each event that came."""

    def send(self, event: Any) -> None:
        """Apply an event and perform what follows."""
        self.rows.add((self.state.phase, type(event)))
        known, asked = Facts(), 0
        while isinstance(step := transition(self.spec, self.state, event, known), NeedFact):
            asked += 1
            assert asked < 30 and not known.has(step.name), "a fact is asked for again"
            known = Facts({**known.known, step.name: self.fact(step.name)})
        before, (self.state, commands) = self.state, step
        validate_state(self.state, self.spec)
        assert self.state.position >= before.position, "position is monotone"
        if before.phase in ENDED:
            assert self.state.phase == before.phase and not commands
        for command in commands:
            self.perform(command)
        self.check()

    def perform(self, command: Any) -> None:
        """As the driver would."""
        if isinstance(command, do.HandOver):
            assert self.open_from is None, "handed over twice"
            assert command.position == self.state.position
            self.open_from = command.position
        elif isinstance(command, do.StartBackend):
            assert self.backend is None, "two backends at once"
            assert self.open_from is not None, "a backend without items"
            self.backend = command
            self.started()
        elif isinstance(command, do.InterruptSlice):
            seconds = self.now - 100.0
            self.caller = self.done = max(self.caller, command.item.position)
            self.send(SliceInterrupted(self.now, command.item, self.caller, seconds))
        elif isinstance(command, do.Drain):
            assert self.backend is not None, "nothing to drain"
            self.backend = None
            self.leaving, self.closing = not command.wait, command.wait
        elif isinstance(command, do.Scale | do.SetProbing):
            assert self.backend is not None and self.backend.config.backend == "threads"
        elif isinstance(command, do.Pause):
            assert self.state.measuring
            self.paused = True
        elif isinstance(command, do.RunSpread):
            assert self.state.measuring and self.open_from is None
            self.send(
                SpreadSeen(self.tick(), self.now - 100.0, self.caller, self.chance.choice((0, 5)))
            )
        elif isinstance(command, do.Stop):
            ended = (self.leaving or self.closing) + (self.backend is not None)
            self.backend = None
            for _ in range(ended):
                self.send(self.drained())
            self.leaving = self.closing = False

    def started(self) -> None:
        """The backend is about to run its first item: nothing but a word to the observers follows."""
        event = BackendStarted(self.tick(), self.now, self.done)
        self.rows.add((self.state.phase, type(event)))
        step = transition(self.spec, self.state, event, facts())
        assert not isinstance(step, NeedFact)
        self.state, commands = step
        assert all(isinstance(command, do.Emit) for command in commands)

    def check(self) -> None:
        """The invariants that bind state and world."""
        phase = self.state.phase
        if phase == Phase.LOCAL:
            assert self.backend is None and self.open_from is None
        elif phase == Phase.DELEGATED:
            assert self.backend is not None and not self.leaving and not self.closing
        elif phase == Phase.DRAINING:
            assert self.leaving == self.state.leaving
            assert (self.backend is not None) == self.leaving
        else:
            assert self.backend is None
        # The caller's items and the workers' share no position and leave none out.
        assert self.open_from is None or self.open_from == self.state.position >= self.caller
        assert self.done >= self.caller
        if self.spec.total is not None:
            assert self.done <= self.spec.total

    def tick(self) -> float:
        """Time goes on."""
        self.now += self.chance.choice((0.0001, 0.002, 0.02, 0.5, 20.0))
        return self.now

    def more(self) -> int:
        """Some items more are done."""
        count = self.chance.choice((1, 1, 2, 10, 50))
        if self.spec.total is not None:
            count = min(count, self.spec.total - self.done)
        return count

    def fact(self, name: str) -> Any:
        """Something that could be true."""
        chance = self.chance
        left = None if self.spec.total is None else max(0, self.spec.total - self.done)
        window = chance.choice(((0.1, 1.0, 1.0), (0.1, 0.0, 1.0), (0.1, 0.5, 1.0), (0.1, 1.0, 3.0)))
        gil = chance.choice((None, 0.0, 0.9))
        seen = measured(window, gil_free_share=gil, window_is_empty=chance.random() < 0.2)
        safe = chance.choice((Safety(), Safety(), Safety("prints"), Safety(None, "global")))
        runs = chance.choice(((), (), (earlier_run(chance.choice((0.0, 1.0)), gil),)))
        drawn: dict[str, Any] = {
            "left": left,
            "measured": seen,
            "safety": safe,
            "runs": runs,
            "foreign_threads": chance.choice((0, 0, 3)),
            "fork_refusal": chance.choice((None, None, "another thread")),
            "fresh_refusal": chance.choice((None, None, "a value was set")),
            "transfer": chance.choice((Transfer(10, 1e-6), Transfer(picklable=False))),
            "computed_meanwhile": chance.choice((0.0, 1.0)),
            "overall": window,
            "order_is_free": chance.random() < 0.5,
        }
        return drawn[name] if name in drawn else facts().known[name]

    def live(self, steps: int) -> None:
        """Begin, let so many things happen, end."""
        measuring = self.chance.random() < 0.2
        self.send(Begun(self.now, 1.0, measuring=measuring))
        if self.paused:
            self.send(Begun(self.tick(), 1.0, self.done))
        for _ in range(steps):
            if self.state.phase in ENDED:
                break
            if self.state.phase == Phase.DRAINING and self.chance.random() < 0.1:
                break  # an error, or Ctrl-C, comes while it is waited for
            self.send(self.event())
        outcome = self.chance.choice(sorted(ENDED))
        self.send(Closed(self.tick(), outcome, self.done))
        self.send(self.event())

    def event(self) -> Any:
        """Something that can happen now, or comes too late."""
        chance, now = self.chance, self.tick()
        seconds = chance.choice((1e-6, 1e-3, 0.02, 0.5))
        if chance.random() < 0.05:
            return chance.choice(
                (CallerFreed(now, self.caller), self.reported(now), Begun(now, 1.0, self.done))
                if self.state.phase in ENDED
                else (CallerFreed(now, self.caller),)
            )
        if self.state.phase == Phase.LOCAL:
            if (
                self.spec.total is not None
                and 0 < self.caller < self.spec.total
                and chance.random() < 0.3
            ):
                position = min(self.spec.total, self.caller + 1)
                share = chance.choice((0.0, 1.0))
                return LongItem(now, position, share, seconds, seconds, chance.random(), 0.9)
            first = self.caller == 0
            self.caller += self.more()
            self.done = self.caller
            age = now - 100.0
            return SliceEnded(now, self.done, seconds, age, seconds, max(1, self.done), first, True)
        if self.closing or (self.leaving and chance.random() < 0.3):
            return self.drained()
        self.done += self.more()
        return self.reported(now)

    def drained(self) -> Drained:
        """A backend has ended."""
        self.leaving = self.closing = False
        report = BackendReport(deaths=self.chance.choice((0, 2)))
        return Drained(self.tick(), report, self.done, 0.01, self.chance.random() < 0.2)

    def reported(self, now: float) -> Reported:
        """A backend was looked after."""
        chance = self.chance
        busy = chance.choice((None, {1: 0.0}, {1: 0.001}, {1: now}))
        inside = frozenset((1,)) if busy else frozenset()
        report = BackendReport(
            done=self.done,
            workers=chance.choice((1, 4)),
            stalled=chance.random() < 0.1,
            item_seconds=0.01,
            busy=busy,
            inside=inside,
        )
        cpu = chance.choice((1.0, now))
        return Reported(now, cpu, report, self.done, 0.01, max(1, self.caller))
