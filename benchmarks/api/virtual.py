"""A web API that limits its callers, and a client of it, on a clock of their own: exact and quick.

::

    Server (what it allows) <--start, answer--> simulate(controller) --> Outcome
                            <--start, answer--> ideal (is told what is allowed) --> seconds

A refusal takes a moment, and its answer carries the hint that the server is made to give. Nothing sleeps.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from amorsize.core.refusal import Refusal

GIVEN_UP_SECONDS = 7200.0
"""A simulation that lasts longer has starved."""


@dataclass
class Bucket:
    """Tokens that come back at a rate."""

    rate: float
    burst: float
    level: float | None = None
    """Tokens that are there; full at first."""
    at: float = 0.0

    def missing_seconds(self, now: float, cost: float) -> float:
        """Seconds until so many tokens are there."""
        if self.level is None:
            self.level = self.burst
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        return max(0.0, (min(cost, self.burst) - self.level) / self.rate)

    def spend(self, cost: float) -> None:
        """Take tokens."""
        assert self.level is not None
        self.level = max(-self.burst, self.level - cost)


@dataclass(frozen=True)
class Given:
    """What a server is made to do. Seconds count from the start."""

    median: float = 0.2
    """Of the service time."""
    sigma: float = 0.0
    """Of its logarithm."""
    cap: int | None = None
    """Items served side by side."""
    queues: bool = False
    """Beyond the cap callers wait, else they are refused."""
    knee: int | None = None
    """Beyond so many side by side each takes longer, by the power."""
    power: float = 1.5
    rate: float | None = None
    """Requests a second."""
    burst: float = 1.0
    quota: int | None = None
    """Requests in each window."""
    window: float = 5.0
    sliding: int | None = None
    """Requests in any ``window`` seconds."""
    others: float = 0.0
    """Requests a second by which other callers, at random times, empty the bucket."""
    token_rate: float | None = None
    """Tokens a second; an item costs from 1 to 1,000."""
    token_burst: float = 5000.0
    hint: str | None = None
    """None, "seconds" (whole, rounded up) or "float"."""
    counts_refused: bool = False
    lockout: float = 0.0
    """Seconds for which everything is refused once the bucket is overdrawn."""
    outages: tuple[tuple[float, float], ...] = ()
    """Begin and length: everything is refused with 503."""
    changes: tuple[tuple[float, float], ...] = ()
    """From then on cap and rate are so many times what they were at the start."""
    refusal_seconds: float = 0.005
    """What it takes to be refused."""
    most: int = 4096
    """Calls in flight that the client allows itself."""
    items: int = 1000


@dataclass
class Server:
    """The model; ``admit`` says yes, or why not."""

    given: Given
    busy: int = 0
    calls: int = 0
    refused: int = 0
    used: int = 0
    window: int = 0
    locked_until: float = 0.0
    queue: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        given = self.given
        self.bucket = None if given.rate is None else Bucket(given.rate, given.burst)
        self.tokens = (
            None if given.token_rate is None else Bucket(given.token_rate, given.token_burst)
        )
        self._newest: deque[float] = deque(maxlen=given.sliding or 1)
        self._chance = random.Random(11)
        self._other_at = self._chance.expovariate(given.others) if given.others else math.inf

    def cost(self, item: int) -> float:
        """Tokens of an item."""
        return random.Random(item).uniform(1.0, 1000.0)

    def cap(self, now: float) -> float:
        """Items that are served side by side at this time."""
        cap = self.given.cap
        return math.inf if cap is None else max(1, round(cap * self._factor(now)))

    def _factor(self, now: float) -> float:
        factor = 1.0
        for at, value in self.given.changes:
            if now >= at:
                factor = value
        return factor

    def blocked(self, now: float, item: int) -> tuple[float, bool, int] | None:
        """(seconds until it may be served, whether they are told, status); None when it may be now."""
        given = self.given
        for at, length in given.outages:
            if at <= now < at + length:
                return at + length - now, False, 503
        if now < self.locked_until:
            return self.locked_until - now, True, 429
        if self.busy >= self.cap(now) and not given.queues:
            return 0.0, False, 429
        wait = 0.0
        if given.quota is not None:
            window = int(now / given.window)
            if window != self.window:
                self.window, self.used = window, 0
            if self.used >= given.quota:
                wait = (window + 1) * given.window - now + 1e-9
        if self.bucket is not None:
            assert given.rate is not None
            rate = given.rate * self._factor(now)
            if rate != self.bucket.rate:
                self.bucket.missing_seconds(now, 1.0)
                self.bucket.rate = rate
            while self._other_at <= now:
                if self.bucket.missing_seconds(self._other_at, 1.0) <= 0.0:
                    self.bucket.spend(1.0)
                self._other_at += self._chance.expovariate(given.others)
            wait = max(wait, self.bucket.missing_seconds(now, 1.0))
        if given.sliding is not None and len(self._newest) == given.sliding:
            wait = max(wait, self._newest[0] + given.window - now)
        if self.tokens is not None:
            wait = max(wait, self.tokens.missing_seconds(now, self.cost(item)))
        return (wait, True, 429) if wait > 1e-9 else None

    def admit(self, now: float, item: int) -> Refusal | None:
        """Take an item, or say no."""
        self.calls += 1
        blocked = self.blocked(now, item)
        if blocked is None:
            self.used += 1
            self._newest.append(now)
            if self.bucket is not None:
                self.bucket.spend(1.0)
            if self.tokens is not None:
                self.tokens.spend(self.cost(item))
            return None
        self.refused += 1
        wait, told, status = blocked
        given = self.given
        if status == 429 and told and given.lockout and now >= self.locked_until:
            self.locked_until = now + given.lockout
            wait = given.lockout
        if given.counts_refused and self.bucket is not None:
            self.bucket.spend(1.0)
        if given.hint is None or not told:
            return Refusal(status)
        return Refusal(status, float(math.ceil(wait)) if given.hint == "seconds" else wait)

    def service_seconds(self, item: int) -> float:
        """Of an item that begins now, beside those that are busy."""
        given = self.given
        seconds = given.median
        if given.sigma:
            seconds *= math.exp(given.sigma * random.Random(-item - 1).gauss(0.0, 1.0))
        if given.knee is not None and self.busy > given.knee:
            seconds *= (self.busy / given.knee) ** given.power
        return seconds


class Controller(Protocol):
    """What is simulated: see :class:`amorsize.planning.admission.Admission`."""

    def wait(self, now: float) -> float | None:
        """0 to start one now, seconds, or None until something ends."""

    def begin(self, now: float) -> Any:
        """A call begins."""

    def served(self, call: Any, now: float) -> None:
        """A call has ended."""

    def refused(self, call: Any, now: float, refusal: Refusal) -> None:
        """A call was refused."""


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    seconds: float
    calls: int
    items: int
    most: int
    """Calls in flight at the same time."""

    @property
    def wasted(self) -> int:
        """Calls that served nothing."""
        return self.calls - self.items


class _Clock:
    """Events in order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, str, int]] = []
        self._number = 0

    def at(self, due: float, kind: str, item: int) -> None:
        self._number += 1
        heapq.heappush(self._heap, (due, self._number, kind, item))

    def next(self, due: float) -> tuple[str, int] | None:
        """The next event, or none up to ``due``."""
        if self._heap and self._heap[0][0] <= due:
            self.now, _, kind, item = heapq.heappop(self._heap)
            return kind, item
        self.now = due
        return None


START_SECONDS = 1e6
"""What the controller's clock shows when a run begins: any other number than 0."""


def simulate(given: Given, controller: Controller, delay: float = 0.0) -> Outcome:
    """Run all items against a server. ``delay``: seconds by which a start comes late, at most."""
    server, clock, late = Server(given), _Clock(), random.Random(7)
    todo: deque[int] = deque(range(given.items))
    calls: dict[int, Any] = {}
    refusals: dict[int, Refusal] = {}
    most = 0
    left = given.items
    while left:
        wait = controller.wait(START_SECONDS + clock.now) if todo else None
        if wait == 0.0:
            item = todo.popleft()
            calls[item] = controller.begin(START_SECONDS + clock.now)
            most = max(most, len(calls))
            answer = server.admit(clock.now, item)
            if answer is not None:
                refusals[item] = answer
                clock.at(clock.now + given.refusal_seconds, "refused", item)
            else:
                _serve(server, clock, item)
            continue
        due = math.inf if wait is None else clock.now + wait + late.uniform(0.0, delay)
        event = clock.next(due)
        if clock.now > GIVEN_UP_SECONDS or server.calls > 50 * given.items + 5000:
            return Outcome(math.inf, server.calls, given.items - left, most)
        if event is None:
            continue
        kind, item = event
        call = calls.pop(item)
        if kind == "refused":
            controller.refused(call, START_SECONDS + clock.now, refusals.pop(item))
            todo.appendleft(item)
        else:
            left -= 1
            _ended(server, clock)
            controller.served(call, START_SECONDS + clock.now)
    return Outcome(clock.now, server.calls, given.items, most)


def _serve(server: Server, clock: _Clock, item: int) -> None:
    if server.busy >= server.cap(clock.now):
        server.queue.append(item)
        return
    server.busy += 1
    clock.at(clock.now + server.service_seconds(item), "served", item)


def _ended(server: Server, clock: _Clock) -> None:
    server.busy -= 1
    while server.queue and server.busy < server.cap(clock.now):
        _serve(server, clock, server.queue.popleft())


def ideal_seconds(given: Given) -> float:
    """What a client needs that is told what the server allows: never refused, never idle."""
    server, clock = Server(given), _Clock()
    todo = deque(range(given.items))
    left, in_flight = given.items, 0
    while left:
        wait: float | None = None
        if todo and in_flight < min(given.most, given.knee or given.most, server.cap(clock.now)):
            blocked = server.blocked(clock.now, todo[0])
            wait = 0.0 if blocked is None else max(blocked[0], 1e-6)
        if wait == 0.0:
            item = todo.popleft()
            in_flight += 1
            refused = server.admit(clock.now, item)
            assert refused is None
            _serve(server, clock, item)
            continue
        changes = [at for at, _ in given.changes if at > clock.now]
        due = min(changes, default=math.inf)
        if wait is not None:
            due = min(due, clock.now + wait)
        if clock.next(due) is not None:
            in_flight -= 1
            left -= 1
            _ended(server, clock)
    return clock.now


def random_server(seed: int) -> Given:
    """One of the servers that are drawn: the same for the same seed."""
    rng = random.Random(seed)

    def between(low: float, high: float) -> float:
        return math.exp(rng.uniform(math.log(low), math.log(high)))

    kind = rng.choice(
        ["cap", "queue", "knee", "bucket", "bucket", "quota", "tokens", "mixed", "open"]
    )
    median = between(0.03, 1.5)
    sigma = rng.choice([0.0, 0.0, 0.3, 0.6])
    values: dict[str, object] = {"median": median, "sigma": sigma}
    mean = median * math.exp(sigma * sigma / 2)
    expected = 2000.0  # items a second
    if kind in ("cap", "queue", "mixed"):
        values["cap"] = cap = round(between(4, 300))
        values["queues"] = kind == "queue"
        expected = min(expected, cap / mean)
    if kind == "open":
        values["most"] = most = round(between(20, 300))
        expected = min(expected, most / mean)
    if kind == "knee":
        values["knee"] = knee = round(between(8, 200))
        values["power"] = rng.uniform(1.0, 2.0)
        expected = min(expected, knee / mean)
    if kind in ("bucket", "mixed"):
        values["rate"] = rate = between(5, 300)
        values["burst"] = max(1.0, rate * rng.choice([0.05, 0.5, 1.0, 2.0]))
        expected = min(expected, rate)
    if kind == "quota":
        values["window"] = window = rng.choice([2.0, 5.0, 10.0, 60.0])
        values["quota"] = quota = round(window * between(5, 200))
        expected = min(expected, quota / window)
    if kind == "tokens":
        values["token_rate"] = rate = between(5, 300) * 500.0
        values["token_burst"] = max(2000.0, rate * rng.choice([0.5, 1.0, 5.0]))
        expected = min(expected, rate / 500.0)
    values["refusal_seconds"] = rng.choice([0.003, 0.01, 0.05])
    values["hint"] = rng.choice([None, "seconds", "float"])
    if kind in ("bucket", "quota") and rng.random() < 0.2:
        values["counts_refused"] = kind == "bucket"
    if kind == "bucket" and rng.random() < 0.15:
        values["lockout"] = rng.uniform(0.5, 3.0)
    length = max(20 * median, between(10, 60))
    if kind == "quota":
        length = max(length, 5 * float(str(values["window"])))
    if rng.random() < 0.15:
        values["outages"] = ((rng.uniform(0.2, 0.5) * length, rng.uniform(1.0, 5.0)),)
    if kind in ("cap", "bucket") and rng.random() < 0.25:
        values["changes"] = ((0.3 * length, 0.5), (0.65 * length, 1.0))
    values["items"] = max(50, min(8_000, round(expected * length)))
    return Given(**values)  # type: ignore[arg-type]
