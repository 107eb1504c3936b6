"""Where the throughput is lost that random servers allow, in virtual time.

``python -m benchmarks.api.losses [--first N] [--count N] [--kind KIND] [--refusals N] [--one]``.
Seconds that a run takes longer than the ideal, as shares of the ideal, summed over the servers below 85 %
of it, by phase and by what held starts back. A run is cut in pieces; what a piece served less than the
server allows all the time is lost in it, and shared by the times for which starts waited for each cause.
Where a piece served more (a burst, or what was saved), that is a gain. The bound is a client that is told
everything, but has to grow like ours: 20 calls at first, twice as many after each latency. With
``--refusals`` it is told only when it was refused so many times.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict, deque
from typing import Any

from amorsize.core.refusal import Refusal
from amorsize.planning.admission import Admission
from benchmarks.api.virtual import (
    START_SECONDS,
    Given,
    Server,
    ideal_seconds,
    random_server,
    simulate,
)

PIECES = 40
"""Of the ideal; a piece is not shorter than a window or two latencies."""
BELOW = 0.85
MEAN_TOKENS = 500.5


def allowed(given: Given, now: float) -> float:
    """Calls a second that the server serves all the time, at this time."""
    if any(at <= now < at + length for at, length in given.outages):
        return 0.0
    factor = 1.0
    for at, value in given.changes:
        factor = value if now >= at else factor
    mean = given.median * math.exp(given.sigma**2 / 2)
    rates = [given.most / mean]
    if given.cap is not None:
        rates.append(max(1, round(given.cap * factor)) / mean)
    if given.knee is not None:
        rates.append(given.knee / mean)
    if given.rate is not None:
        rates.append(given.rate * factor - given.others)
    if given.quota is not None and given.quota < given.items:
        rates.append(given.quota / given.window)
    if given.sliding is not None:
        rates.append(given.sliding / given.window)
    if given.token_rate is not None:
        rates.append(given.token_rate / MEAN_TOKENS)
    return min(rates)


class Watched:
    """A controller that is watched: why starts waited, and when calls were served."""

    def __init__(self, given: Given) -> None:
        self.controller = Admission(given.most)
        self.given = given
        self.spans: list[tuple[float, float, str]] = []
        """From, to, phase and cause."""
        self.accepted: list[float] = []
        self.refused_at: list[float] = []
        self._since, self._cause = START_SECONDS, "start"

    def _note(self, now: float, cause: str) -> None:
        if now > self._since:
            self.spans.append((self._since - START_SECONDS, now - START_SECONDS, self._cause))
        self._since, self._cause = now, cause

    def wait(self, now: float) -> float | None:
        """As the controller's."""
        own = self.controller
        wait = own.wait(now)
        self._note(now, "" if wait == 0.0 else self._why(now, wait))
        return wait

    def _why(self, now: float, wait: float | None) -> str:
        own = self.controller
        if now < own._hold:
            return "pause"
        if wait is None:
            if own.is_outage:
                return "outage: one at a time"
            if own._allowed <= own._queue.value:
                return "calls at once, by refusals"
            return f"calls at once, by latency ({own._queue.phase})"
        if own._row and own._probe is not None:
            return "one goes alone"
        if own._pace.binds and own._pace.wait(now) > 0.0:
            return "windows" if own._pace._windows.bind else "pace"
        return "starts spread"

    def begin(self, now: float) -> Any:
        """As the controller's."""
        self.accepted.append(now - START_SECONDS)
        call = self.controller.begin(now)
        if len(self.accepted) - len(self.refused_at) == self.given.items:
            self._note(now, "last answers")
        return call, len(self.accepted) - 1

    def served(self, call: Any, now: float) -> None:
        """As the controller's."""
        self.controller.served(call[0], now)

    def refused(self, call: Any, now: float, refusal: Refusal) -> None:
        """As the controller's."""
        self.refused_at.append(self.accepted[call[1]])
        self.accepted[call[1]] = -1.0
        self.controller.refused(call[0], now, refusal)
        self._note(now, "pause")

    def losses(self, seconds: float) -> dict[str, float]:
        """Seconds lost, by phase and cause."""
        given, found = self.given, defaultdict[str, float](float)
        self._note(seconds + START_SECONDS, "end")
        ideal = ideal_seconds(given)
        window = given.window if given.quota and given.quota < given.items else 0.0
        piece = max(window, 2.0 * given.median, ideal / PIECES)
        count = max(1, round(seconds / piece))
        piece = seconds / count
        accepted = Counter(min(count - 1, int(at / piece)) for at in self.accepted if at >= 0.0)
        causes: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for since, until, cause in self.spans:
            for number in range(int(since / piece), min(count - 1, int(until / piece)) + 1):
                inside = min(until, (number + 1) * piece) - max(since, number * piece)
                causes[number][cause or "start"] += max(0.0, inside)
        first = min(self.refused_at, default=math.inf)
        told = 0.0
        for number in range(count):
            begin, end = number * piece, (number + 1) * piece
            steps = [begin + (step + 0.5) * piece / 20 for step in range(20)]
            rate = sum(allowed(given, step) for step in steps) / 20
            usual = allowed(given, math.inf) if not given.changes else rate
            told += rate * piece / max(usual, 1e-9)
            lost = (rate * piece - accepted[number]) / max(rate, 1e-9) if rate > 0.0 else 0.0
            phase = "before the first refusal" if first >= end else "later"
            if begin <= first < end:
                phase = "at the first refusal"
            if any(end > at > begin - 5 * piece for at, _ in given.changes):
                phase = "after a change"
            if any(end > at and begin < at + length + 2 * piece for at, length in given.outages):
                phase = "around an outage"
            whole = sum(causes[number].values())
            if lost <= 0.0 or not whole:
                found["more than all the time (burst, saved)"] += lost
                continue
            for cause, part in causes[number].items():
                found[f"{phase}: {cause}"] += lost * part / whole
        found["the ideal's own burst"] += seconds - ideal - sum(found.values())
        return found


class Grows:
    """Begins with 20 calls at once and has twice as many after each latency; it is told everything, but
    learns that there is a limit by being refused so many times at first. It asks again as soon as it may,
    and then for all that it can."""

    def __init__(self, given: Given, refusals: int = 0, first: int = 20) -> None:
        self.given, self.server, self.limit = given, Server(given), first
        self.in_flight, self._grown = 0, 0.0
        self._todo = deque(range(given.items))
        self._refusals = refusals
        self._heard, self._holds = -math.inf, False
        """When a refusal was heard last, and whether it still waits."""

    def wait(self, now: float) -> float | None:
        """No later than it has to be; never refused once it knows."""
        at, given = now - START_SECONDS, self.given
        while at >= self._grown + given.median:
            self._grown += given.median
            self.limit = min(2 * self.limit, 1 << 20)
        knows = not self._refusals
        cap = self.server.cap(at) if knows or given.queues else math.inf
        most = min(given.most, given.knee or given.most, cap, self.limit)
        if self.in_flight >= most:
            later = self._grown + given.median - at
            return max(1e-6, later) if most == self.limit else None
        blocked = self.server.blocked(at, self._todo[0])
        self._holds &= blocked is not None
        if blocked is None or not (knows or self._holds):
            return 0.0
        return max(blocked[0], 1e-6)

    def begin(self, now: float) -> tuple[int, float, bool]:
        """A call begins."""
        item, at = self._todo.popleft(), now - START_SECONDS
        accepted = self.server.admit(at, item) is None
        self.server.busy += accepted
        self.in_flight += 1
        return item, at, accepted

    def served(self, call: tuple[int, float, bool], now: float) -> None:
        """It was served."""
        self.in_flight -= 1
        self.server.busy -= call[2]

    def refused(self, call: tuple[int, float, bool], now: float, refusal: Refusal) -> None:
        """It is done again; where it knows, the clocks differed by their last digit."""
        item, began, _ = call
        self.served(call, now)
        self._todo.appendleft(item)
        self._holds = True
        if began > self._heard and refusal.status == 429:
            self._heard = now - START_SECONDS
            self._refusals = max(0, self._refusals - 1)


def kind(given: Given) -> str:
    """What limits it."""
    for name in ("quota", "sliding", "token_rate", "knee"):
        if getattr(given, name) is not None:
            return name
    if given.rate is not None:
        return "rate and cap" if given.cap is not None else "rate"
    if given.cap is None:
        return "nothing"
    return "queue" if given.queues else "cap"


def bound(given: Given, refusals: int = 0) -> float:
    """Share of the ideal that the client reaches that has to grow, and to be refused so many times."""
    return ideal_seconds(given) / simulate(given, Grows(given, refusals)).seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--kind")
    parser.add_argument("--refusals", type=int, default=0, help="that the bound needs to learn")
    parser.add_argument("--one", action="store_true", help="each server")
    asked = parser.parse_args()
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    counts, below, unreachable = Counter[str](), Counter[str](), Counter[str]()
    for number in range(asked.first, asked.first + asked.count):
        given = random_server(number)
        name = kind(given)
        if asked.kind not in (None, name):
            continue
        counts[name] += 1
        watched = Watched(given)
        outcome = simulate(given, watched)
        ideal = ideal_seconds(given)
        if ideal >= BELOW * outcome.seconds:
            continue
        below[name] += 1
        reached = bound(given, asked.refusals)
        unreachable[name] += reached < BELOW
        lost = watched.losses(outcome.seconds)
        if asked.one:
            odd = {
                key: value for key, value in vars(given).items() if value != getattr(Given(), key)
            }
            print(
                number,
                f"{ideal / outcome.seconds:.2f} bound {reached:.2f} ideal {ideal:.1f} s,",
                f"wasted {outcome.wasted}",
                odd,
            )
            for cause, seconds in sorted(lost.items(), key=lambda one: -one[1]):
                if abs(seconds) > 0.01 * ideal:
                    print(f"   {seconds / ideal:6.1%} {cause}")
        for cause, seconds in lost.items():
            sums[name][cause] += seconds / ideal
            sums["all"][cause] += seconds / ideal
    for name, causes in sorted(sums.items(), key=lambda one: -sum(one[1].values())):
        kinds = list(counts) if name == "all" else [name]
        few, of, never = (sum(one[each] for each in kinds) for one in (below, counts, unreachable))
        print(f"{name}: {few} of {of} below, {never} for the bound, too;", end=" ")
        print(f"{sum(causes.values()):.2f} ideals lost")
        for cause, share in sorted(causes.items(), key=lambda one: -one[1]):
            if abs(share) >= 0.02 * sum(causes.values()):
                print(f"   {share:6.2f}  {cause}")


if __name__ == "__main__":
    main()
