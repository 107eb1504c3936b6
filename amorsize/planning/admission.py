"""When the next item may start at a server that refuses what is too much. Pure; time is an argument.

::

    wait? --0.0--> begin --> served, failed or refused
      |                        |
      +-- limit: in flight     +-- Limit (latency of served calls alone)
      +-- pace: a bucket       +-- a refusal cuts: what was in flight and not refused; what was accepted
      +-- hold: all wait           since the last refusal, a second

Servers limit calls side by side or calls a second, and do not say which. Both are followed at once. What
is in flight and not refused is all that a server serves side by side, or just some of it where it counts
calls a second: so the limit is the most of the last few refusals, and the pace binds in the second case.
Beyond what was refused once, growth is a probe: it must be paid for.
"""

from __future__ import annotations

from collections import deque
from math import inf

from amorsize.core.refusal import Level
from amorsize.planning.concurrency import FIRST, GROWING, HOLDING, Limit
from amorsize.planning.server_pace import FALLEN_PROBE_TIME, FAR, ServerPace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.refusal import Refusal

REMEMBERED = 3
"""Refusals whose calls in flight are compared: where they differ, it is not they that are limited."""
SAME_SHARE = 0.1
"""Of the calls in flight at a refusal: so many more were accepted, and it was another kind of limit."""
LEAST_CAP = 3
"""Calls in flight: a limit of fewer is told by their pace."""
FIRST_HOLD_SHARE, LONGEST_HOLD_SECONDS = 0.1, 0.5
"""Of a latency: pause after a first refusal without a hint; doubled with each further one up to so many
seconds (the design's table)."""
UNKNOWN_LATENCY_SECONDS = 0.1
"""Taken for the latency before the first answer."""
SPELL_SHARE = 1 / 12
"""Where nothing is served for long, a probe comes after so much more of the time: 40 probes in a minute,
and 8 % of it late."""
LONGEST_PROBE_SECONDS = 10.0
"""Between two probes of a server that serves nothing (the design's table)."""
SPELL_PROBES = 3
"""A second spell of refusals is taken to be as long as the last two: so many probes in it."""
OUTAGE = 4
"""So many refusals in a row, and nothing accepted between them: nothing is served (the table)."""
BACK_SHARE = 0.8
"""Of the limit before an outage: asked for at once behind it (the table)."""
SPREAD_SHARE = 0.5
"""Of a latency, over which the starts of a full limit are spread."""
FIRST_GAP_SECONDS = 0.001
"""Between two starts before any latency is known."""
LATE_SECONDS = 0.005
"""Starts that come late by no more than this are made up for: a loop wakes late by so much."""
LEAST_WAIT_SECONDS = 1e-6
"""A clock that counts from the start of the machine is no finer."""
ANSWERED_FACTOR = 3.0
"""A call in flight for so many times what a refusal takes was accepted."""
PROBE_CALLS, PROBE_TIME = 0.01, 0.03
"""Share of the calls, and of the time, that all probes beyond a refused limit may cost (the table)."""
GIVE_UP_SECONDS = 600.0
"""Nothing served for so long, or a longer hint: refused items fail (the design's section 10)."""


class Call:
    """One try of an item, from its start on."""

    __slots__ = ("began", "beside", "number")

    def __init__(self, began: float, beside: int, number: int) -> None:
        self.began, self.beside, self.number = began, beside, number
        """When it began, calls in flight then, and its number."""


class Admission:
    """The controller of one run, or of all that share it; it hears of every call."""

    def __init__(self, most: int | None = None, first: int = FIRST) -> None:
        self._most = most
        self._queue = Limit(most, first)
        self._allowed = self._ceiling = inf
        """Limit by refusals, and where it was refused last: beyond it is a probe."""
        self._pace = ServerPace()
        self._calls: dict[Call, None] = {}
        self._hold = self._next_start = 0.0
        self._episode = -inf
        """Calls begun before it belong to a refusal that was answered."""
        self._latency = self._refusal_seconds = 0.0
        self.served_calls = self.refused_calls = 0
        self.waited_seconds = 0.0
        """All starts waited for the server."""
        self._row = 0
        """Refusals in a row, nothing accepted between them."""
        self._row_began = 0.0
        self._probe: float | None = None
        """When the first call behind the last refusal began."""
        self._blameless = False
        """In this row a call was refused that had nothing beside it."""
        self._counted = True
        """All refusals of this row had status 429."""
        self._timed = 0
        """Rows in which it is not taken to be the number of calls in flight that is limited."""
        self._before = (inf, inf)
        """Limit and ceiling before the row."""
        self._spells: deque[float] = deque((0.0, 0.0), 2)
        self._recent: deque[int] = deque(maxlen=REMEMBERED)
        """Calls in flight beside the first that was refused."""
        self._accepted: deque[int] = deque((-1,), REMEMBERED)
        """Most calls in flight beside one that was accepted, between two refusals."""
        self._clean, self._step = 0, 1.0
        self._best = 0
        """Highest limit, once one was refused, at which as many calls were accepted."""
        self._by_pace = False
        self._probe_calls = 2
        """Served calls that a probe beyond a refused limit must follow; doubled with each in vain."""
        self._cut_at_calls = 0
        """Calls served when a refusal cut the limit last."""
        self._last_hold = 0.0
        self._began: float | None = None
        self._last_served = 0.0

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._calls)

    @property
    def _sure_seconds(self) -> float:
        """A call in flight for so long was not refused; an answer's time before the first refusal."""
        return ANSWERED_FACTOR * self._refusal_seconds or self._latency

    @property
    def limit(self) -> int:
        """Calls that may be in flight."""
        return max(1, int(min(self._queue.value, self._allowed)))

    @property
    def level(self) -> Level:
        """What was found of the server so far."""
        growing = self._queue.phase == GROWING
        return Level(self._queue.value, growing, self._ceiling, *self._pace.found)

    def go_on(self, level: Level) -> None:
        """Go on where an earlier run has ended, unless this one has found something by itself."""
        if self.refused_calls or self._queue.has_measured:
            return
        self._queue = Limit(self._most, level.limit, GROWING if level.growing else HOLDING)
        self._allowed = self._ceiling = level.cap
        if level.rate < inf:
            self._pace.go_on(level.rate, level.burst, in_windows=level.in_windows)

    @property
    def is_outage(self) -> bool:
        """Whether nothing is served: one call at a time asks."""
        return self._row >= OUTAGE

    def wait(self, now: float) -> float | None:
        """0.0: start one now. Seconds: not before. None: not before a call ends."""
        if self._began is None:
            self._began = self._last_served = now
        if now < self._hold:
            return self._hold - now
        if len(self._calls) >= (1 if self.is_outage else self.limit):
            return None
        if self._row and self._probe is not None:
            sure = self._probe + self._sure_seconds - now
            if sure > LEAST_WAIT_SECONDS:
                return sure  # the first one behind a refusal goes alone
        seconds = self._pace.wait(now)
        return seconds if seconds > 0.0 else max(0.0, self._next_start - now)

    def begin(self, now: float) -> Call:
        """A call begins, which :meth:`wait` has let pass."""
        if self._began is None:
            self._began = self._last_served = now
        call = Call(now, len(self._calls), self._pace.begin(now, self._sure_seconds))
        self._calls[call] = None
        if self._probe is None:
            self._probe = now
        gap = SPREAD_SHARE * self._latency / self.limit if self._latency else FIRST_GAP_SECONDS
        self._next_start = max(self._next_start, now - LATE_SECONDS) + gap
        return call

    def served(self, call: Call, now: float, late: float = 0.0) -> None:
        """It has its answer, which may have waited ``late`` seconds to be heard of."""
        self._calls.pop(call, None)
        latency = now - call.began
        self._latency = 0.9 * self._latency + 0.1 * latency if self._latency else latency
        self.served_calls += 1
        self._last_served = now
        self._queue.ended(call.began, now, len(self._calls), late, call.beside)
        if call.began <= self._episode:
            return  # begun before the refusal: says nothing of what is allowed since
        self._accepted[-1] = max(self._accepted[-1], call.beside)
        self._end_row(now)
        if self._allowed == inf or len(self._calls) + 1 < 0.8 * self.limit:
            return
        self._clean += 1
        if self._clean >= self.limit:
            self._clean = 0
            self._best = max(self._best, self.limit)
            if self._allowed + self._step <= self._ceiling or self._may_probe(now):
                if self._allowed > self._ceiling:  # what was taken is given back
                    self._step = max(self._step, self._best - self._allowed)
                self._allowed += self._step
                self._step *= 2.0

    def failed(self, call: Call, now: float, *, overdue: bool = False) -> None:
        """It ended without an answer that tells anything of limits; ``overdue``: it took too long."""
        self._calls.pop(call, None)
        if overdue:
            self._queue.ended(call.began, now, len(self._calls))

    def refused(self, call: Call, now: float, refusal: Refusal) -> None:
        """The server said no: the item goes back to the front, and all starts wait."""
        self._calls.pop(call, None)
        self.refused_calls += 1
        took = now - call.began
        before = self._refusal_seconds
        self._refusal_seconds = 0.8 * before + 0.2 * took if before else took
        hint = refusal.after_seconds
        fresh = call.began > self._episode
        if fresh:
            self._pace.close_episode()
        self._pace.undo(now, call.number, call.began, hint)
        if fresh:
            self._open_episode(now)
            self._blame(call, now, refusal)
        elif self._recent and call.beside < self._recent[-1]:
            self._recent[-1] = call.beside
            if not self._by_pace and self._row < OUTAGE:
                self._cut()
        if hint is not None:
            if fresh and self._row > 1 and self._pace.was_obeyed(call.number, hint):
                hint *= 2.0  # refused calls count
            if now + hint > self._hold:
                self._hold_until(now, now + hint, told=True)
        if fresh and (hint is None or self._row > 1):  # a hint may be too short
            self._hold_until(now, now + self._pause(now))

    def gives_up(self, now: float, refusal: Refusal) -> bool:
        """Whether a refused item is to fail: the server asks to wait for longer, or serves nothing."""
        hint = refusal.after_seconds
        if hint is not None and hint > GIVE_UP_SECONDS:
            return True
        return now - self._last_served > GIVE_UP_SECONDS and self.is_outage

    def _blame(self, call: Call, now: float, refusal: Refusal) -> None:
        """Which limit was it?"""
        beside = call.beside
        # Accepted beside as many as it was refused beside: it is not their number that is limited.
        sure = now - self._sure_seconds
        known = max(
            [one.beside for one in self._calls if self._row_began < one.began < sure],
            default=-1,
        )
        known = max(known, *self._accepted)
        before = max(self._recent, default=beside)
        other = (
            beside < LEAST_CAP
            or beside > before + max(1.0, SAME_SHARE * before)
            or known >= beside + max(1.0, SAME_SHARE * beside)
        )
        self._recent.append(beside)
        self._counted &= refusal.status == 429
        self._blameless |= not beside or (refusal.status != 429 and self.is_outage)
        other |= self._timed > 0 or self._pace.explains(call.number)
        hint = refusal.after_seconds
        self._by_pace = hint is not None or (refusal.status == 429 and other)
        if self._row <= REMEMBERED - 1:
            self._accepted.append(-1)
        if self._by_pace:
            self._pace.empty(now, call.number, call.began, hint)
            if hint is None:
                self._allowed = self._ceiling = inf
        elif self._row < OUTAGE:
            if refusal.status == 429:
                self._pace.free()
                self._pace.empty(now, call.number, call.began, hint, binds=False)
            self._cut()

    def _cut(self) -> None:
        most = float(max(1, *self._recent))
        failed = self._allowed > self._ceiling
        self._allowed = self._ceiling = min(float(self.limit), most)
        self._clean, self._step = 0, 1.0
        self._probe_calls = 2 * self._probe_calls if failed else max(self.limit, 2)
        self._cut_at_calls = self.served_calls

    def _open_episode(self, now: float) -> None:
        if self._row and self._accepted_since(now):
            self._end_row(now)
        if not self._row:
            limit = float(self.limit)
            self._before = min(self._allowed, limit), self._ceiling
            self._row_began, self._blameless, self._counted = now, False, True
        self._row += 1
        self._episode = now
        self._probe = None

    def _accepted_since(self, now: float) -> bool:
        """Whether a call in flight, begun after the last refusal, lasts for longer than one takes."""
        sure = now - self._sure_seconds
        for call in reversed(self._calls):
            if call.began <= self._episode:
                return False
            if call.began < sure:
                return True
        return False

    def _pause(self, now: float) -> float:
        latency = self._latency or UNKNOWN_LATENCY_SECONDS
        spell = now - self._row_began
        if self.is_outage:
            longest = min(LONGEST_PROBE_SECONDS, max(LONGEST_HOLD_SECONDS, SPELL_SHARE * spell))
        else:
            longest = LONGEST_HOLD_SECONDS
        pause = FIRST_HOLD_SHARE * latency * 2.0 ** min(self._row - 1, 60)
        return max(min(longest, pause), min(self._spells) / SPELL_PROBES)

    def _hold_until(self, now: float, due: float, *, told: bool = False) -> None:
        added = due - max(now, self._hold)
        if added > 0.0:
            self.waited_seconds += added
            self._last_hold = due - now
            self._pace.hold(now, due)
            self._hold = due

    def _end_row(self, now: float) -> None:
        if not self._row:
            return
        self._spells.append(now - self._row_began)
        self._timed = REMEMBERED if self._blameless and self._counted else max(0, self._timed - 1)
        if not self._counted:
            self._pace.interrupt()
        if self._blameless:  # it was not the number of calls in flight
            before, ceiling = self._before
            self._allowed = max(self._allowed, BACK_SHARE * before)
            self._ceiling = max(self._ceiling, ceiling)
            self._recent.clear()
        self._row = 0

    def _may_probe(self, now: float) -> bool:
        calls = self.served_calls - self._cut_at_calls
        seconds = now - self._hold
        enough = calls >= min(self._probe_calls, 1.0 / PROBE_CALLS)
        share = FALLEN_PROBE_TIME if FAR * self._ceiling < self._best else PROBE_TIME
        return enough and seconds * share >= self._last_hold
