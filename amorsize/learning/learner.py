"""What a run asks of the history, and what it leaves there.

::

    run --fingerprint--> recall --> own earlier runs --> residual   (no database, no NumPy)
                                    else neighbours  --> residual   (only where it can pay)
    run --Observation--> record

Nothing here may harm a run: whatever is wrong with a history is one warning, and the run goes on
without it. A run that is too short to gain from it opens nothing; databases and NumPy are imported only
by those that ask them.
"""

from __future__ import annotations

import os
import sys

from amorsize import history as histories
from amorsize.core.lazy import LazyModule
from amorsize.core.places import is_on_server, sqlite_path
from amorsize.core.places import resolve as resolve
from amorsize.history.sqlite_cache import SqliteCache
from amorsize.inspection.fingerprint import fingerprint, fingerprints

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize.core.events import Study
    from amorsize.core.model import Machine, Profile, Run
    from amorsize.core.observation import Observation
    from amorsize.history import errors
    from amorsize.history.resilient import SafeHistory
    from amorsize.learning import forecasts, recorder, residuals
    from amorsize.learning.predictor import Predictor
    from amorsize.learning.residuals import Residual
else:
    errors = LazyModule("amorsize.history.errors")
    forecasts = LazyModule("amorsize.learning.forecasts")
    recorder = LazyModule("amorsize.learning.recorder")
    residuals = LazyModule("amorsize.learning.residuals")

PREDICT_GAIN_SHARE = 0.1
"""Of the seconds ahead, what a better choice is expected to save (benchmarks/learning/evaluate.py)."""
PREDICT_FACTOR = 5.0
"""Neighbours are asked only when that saving is so many times what it costs to ask them."""
NUMPY_SECONDS, DATABASE_SECONDS, ROW_SECONDS = 0.13, 0.01, 2e-6
"""Import of NumPy; import and opening of the database; reading one row into the predictor."""
DATABASE_FACTOR = 20.0
"""The database itself is asked for a function that the cache does not know (it was imported, or displaced
from its slot) only when the seconds ahead are so many times what that costs."""
SERVER_SECONDS, IMPORTED_SERVER_SECONDS = 0.1, 0.01
"""Import of psycopg and the connection to a server; the same where psycopg is there already."""
SERVER_FACTOR = 5.0
"""A server is asked and told when a run's seconds are so many times what that costs."""
SERVER_ROWS = 2_000
"""Newest rows that a run reads from a server: 1 MB, some 20 ms on a network."""
RECALLED_RUNS = 16
"""Newest runs of a function that a prediction is made from."""
HELD_DIGITS = 8
"""Last digits of a run's random id that tell what the function's objects held when it ended: they are
equal by chance once in four billion."""
_learners: dict[Any, Learner] = {}


def learner_for(choice: Any) -> Learner | None:
    """The learner of a call's ``history`` option, shared by all runs of the process; None for none."""
    location = resolve(choice)
    if location is None:
        return None
    learner = _learners.get(location)
    if learner is None or learner.pid != os.getpid():
        learner = _learners[location] = Learner(location)
    return None if learner.failed else learner


class Learner:
    """The memory of one history in this process."""

    def __init__(self, location: Any) -> None:
        self.location = location
        self.pid = os.getpid()
        self.failed = False
        self._cache: SqliteCache | None = None
        self._history: SafeHistory | None = None
        self._predictor: Predictor | None = None
        self._arrivals = 0
        """Arrivals in the history when the predictor was built."""
        path = sqlite_path(location)
        self.path = path = None if path is None else os.path.abspath(path)
        """The file of a SQLite history."""
        if path is not None:
            self._cache = SqliteCache(path)

    # ------------------------------------------------------------------ asking

    @property
    def place(self) -> str | None:
        """What another process would open: a file or a URL; None if only this one has the history."""
        if self.path is not None:
            return self.path
        return str(self.location) if is_on_server(self.location) else None

    def pays(self, seconds: float) -> bool:
        """Whether a run of so many seconds is worth a new connection to a history on a server."""
        if self._history is not None or not is_on_server(self.location):
            return True
        here = "psycopg" in sys.modules
        return seconds > SERVER_FACTOR * (IMPORTED_SERVER_SECONDS if here else SERVER_SECONDS)

    @property
    def _key(self) -> bytes | None:
        """What fingerprints are made under; None while there is no history to have a key."""
        cache = self._cache
        if cache is not None and self._history is None:
            return cache.key
        history = self._opened()
        return None if history is None else history.key

    def fingerprint(self, func: Callable[..., Any]) -> str | None:
        """The function's fingerprint, in which an object counts by its class; None while there is no
        history to have a key."""
        key = self._key
        return None if key is None else fingerprint(func, key, held=False)

    def _fingerprints(self, func: Callable[..., Any]) -> tuple[str, str] | None:
        """The same, and digits of what the function's objects hold: "" where it has none."""
        key = self._key
        if key is None:
            return None
        name, held = fingerprints(func, key)
        return name, (held or "")[:HELD_DIGITS]

    def holds_the_same(self, func: Callable[..., Any], run: Observation) -> bool:
        """Whether the function's objects hold what they held at the end of that run of it."""
        found = self._fingerprints(func)
        return found is not None and run.id.endswith(found[1])

    def prepare(self, func: Callable[..., Any]) -> None:
        """Make :meth:`record` cheap later."""
        try:
            if is_on_server(self.location):
                return  # a server is told after the run
            if self.fingerprint(func) is None and self._cache is not None:
                self._cache.begin()
        except Exception as error:  # learning must never harm a run
            self._fail(error)

    def recall(self, func: Callable[..., Any], seconds_ahead: float) -> list[Observation]:
        """The function's own earlier runs, newest first."""
        try:
            return self._recall(func, seconds_ahead)
        except Exception as error:  # learning must never harm a run
            self._fail(error)
            return []

    def _recall(self, func: Callable[..., Any], seconds_ahead: float) -> list[Observation]:
        if not self.pays(seconds_ahead):
            return []
        name = self.fingerprint(func)
        asks = seconds_ahead > DATABASE_FACTOR * DATABASE_SECONDS
        if name is None and asks and self.path is not None and os.path.exists(self.path):
            self._opened()  # a system without the file of recent runs: the database has the key, too
            name = self.fingerprint(func)
        if name is None:
            return []
        cache = self._cache
        if cache is None or self._history is not None:
            history = self._opened()
            return [] if history is None else history.recent(name, RECALLED_RUNS)
        runs = cache.recall(name)
        if not runs and asks:
            history = self._opened()
            runs = [] if history is None else history.recent(name, RECALLED_RUNS)
        return runs

    def errors(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """How wrong forecasts of this history were: of known functions, of first calls."""
        try:
            return ((), ()) if self._cache is None else self._cache.errors()
        except Exception as error:  # learning must never harm a run
            self._fail(error)
            return (), ()

    def residual(
        self, runs: list[Observation], profile: Profile, machine: Machine, left: int
    ) -> Residual | None:
        """What experience says of each configuration; None if there is none worth its cost."""
        if runs:
            return residuals.known_residual(runs, profile, machine)
        try:
            predictor = self._neighbours(left * profile.item_seconds)
        except Exception as error:  # learning must never harm a run
            self._fail(error)
            return None
        return None if predictor is None else predictor.residual(profile, machine, left)

    def _neighbours(self, seconds_ahead: float) -> Predictor | None:
        """The predictor: built when it first pays, and anew when the history has outgrown it."""
        spendable = PREDICT_GAIN_SHARE * seconds_ahead / PREDICT_FACTOR
        rows = min(int(spendable / ROW_SECONDS), SERVER_ROWS if self.path is None else 1 << 30)
        known = self._predictor
        if known is not None:
            if spendable < DATABASE_SECONDS or rows < known.rows or not self._has_outgrown(known):
                return known
        elif not self.pays(seconds_ahead) or spendable < (
            (0.0 if "numpy" in sys.modules else NUMPY_SECONDS)
            + (0.0 if self._history is not None else DATABASE_SECONDS)
        ):
            return None
        history = self._opened()
        if history is None:
            return known
        # Asked before the rows are read: what comes meanwhile counts as new.
        arrivals = history.arrivals()
        if not arrivals:  # there is nobody to ask: NumPy need not be imported for it
            self._predictor = None
            return None
        from amorsize.learning.predictor import Predictor

        self._predictor, self._arrivals = Predictor.of(history, rows), arrivals
        return self._predictor

    def _has_outgrown(self, predictor: Predictor) -> bool:
        """Whether the history, which other processes add to as well, is another by now."""
        history = self._opened()
        if history is None:
            return False
        new = history.arrivals() - self._arrivals
        return new < 0 or predictor.is_outgrown(new)  # below 0: it was cleared

    # ------------------------------------------------------------------ leaving

    def record(
        self, func: Callable[..., Any], run: Run, study: Study, *, names: bool = True
    ) -> None:
        """Record a run that ends now; with ``names`` the function's name, too, if the history is a file
        that only its owner can read, or ends with the process."""
        if not self.pays(run.wall_seconds):
            return
        try:
            self._record(func, run, study, names)
        except Exception as error:  # learning must never harm a run
            self._fail(error)

    def _record(self, func: Callable[..., Any], run: Run, study: Study, names: bool) -> None:
        found = self._fingerprints(func)
        if found is None and self._cache is not None and self._cache.begin() is not None:
            found = self._fingerprints(func)  # the first run of a new history
        if found is None and self._opened() is not None:
            found = self._fingerprints(func)  # the database answers, where the cache could not
        if found is None:
            return
        name, held = found
        known_as = recorder.name_of(func) if names and self._keeps_names() else ""
        id = os.urandom(16).hex()
        observation = recorder.observe(name, id[: len(id) - len(held)] + held, run, study, known_as)
        if self._cache is not None and recorder.asks_first(study.work, run.config.backend):
            self._cache.mark_long(func)
        score = None if self._cache is None else forecasts.score_of(study.forecast)
        if self._cache is not None and score is not None and run.outcome == "done":
            self._cache.note_error(score, first=not study.forecast.runs)
        if self._cache is not None and self._cache.record(observation):
            if self._cache.is_full:
                self._take_in()
            return
        history = self._opened()
        if history is None:
            return
        history.add([observation])
        if is_on_server(self.location) or self.path is not None:
            # What comes next may be long: a fleet's idle connections add up, and where there is no file
            # of recent runs (Windows) one that is open cannot be removed.
            history.close()

    def _keeps_names(self) -> bool:
        """Whether nobody but this user can read what is recorded."""
        if self.path is None:
            return not is_on_server(self.location)
        return self._cache is not None and self._cache.is_private

    def _take_in(self) -> None:
        """Have the database take in what runs have left beside it; once in some hundred runs."""
        try:
            histories.open_history(self.location).close()
        except errors.HistoryUnavailable:
            pass  # another process is at it; a later run tries again

    def noted(self, func: Callable[..., Any], note: str) -> tuple[str, str | None] | None:
        """The function's fingerprint, and a note of the history; None where a server would be asked."""
        if is_on_server(self.location) and self._history is None:
            return None
        try:
            history = self._opened()
            if history is None or history.key is None:
                return None
            found = fingerprint(func, history.key, held=False), history.note(note)
            history.close()
            return found
        except Exception as error:  # learning must never harm a run
            self._fail(error)
            return None

    def note(self, name: str, text: str) -> None:
        """Keep a note with the history."""
        history = self._opened()
        if history is not None:
            history.set_note(name, text)
            history.close()

    # ------------------------------------------------------------------ the history itself

    def _opened(self) -> SafeHistory | None:
        if self._history is None and not self.failed:
            self.failed = True  # until it is open: where warnings are errors, opening raises one
            self._history = histories.open_safely(self.location)
            self.failed = self._history is None
        if self._history is not None and self._history.failed:
            self.failed = True
            return None
        return self._history

    def give_up(self, error: Exception) -> None:
        """What a run would leave cannot be told: one warning, and no history for the process."""
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        """One warning, and no history for the rest of the process."""
        if not self.failed:
            self.failed = True
            errors.warn_of(error)
