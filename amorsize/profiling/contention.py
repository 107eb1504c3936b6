"""Other threads that keep the cores busy: a young run waits until they let go."""

from __future__ import annotations

from amorsize.machine.threads import foreign_threads_running, most_cores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.engine.local_loop import Alone
    from amorsize.engine.lookups import Decider

CROWDED_SECONDS = 0.1
"""What is left of a run that waits until others let go of the cores: as long as OpenBLAS spins."""
CROWD_ENDS_SECONDS = 0.12
"""Age of a run from which such threads are taken for the function's own."""
CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE = 0.01, 1.3
"""Pause between looks at the other threads of the process; a look reads a file of 10 µs for each."""
CROWD = 8
"""Busy threads that are taken for a crowd, however many cores there are."""


class Crowd:
    """Looks now and then whether others keep the cores busy."""

    def __init__(self, alone: Alone, decider: Decider) -> None:
        self.alone, self.decider = alone, decider
        self._crowded, self._look = False, 0.0

    def is_crowded(self, elapsed: float) -> bool:
        """Do threads that are not ours keep the other cores busy, in a run that is young or too short to
        outlast them?

        OpenBLAS leaves its threads spinning for 0.1 s after its import and after each product: until
        then nothing can be won, and an observer would only take a core from them or from the caller."""
        if elapsed < self._look:
            return self._crowded
        source, meter, observer = self.alone.source, self.alone.meter, self.alone.observer
        left = (source.total or 0) - self.alone.done
        others = min(most_cores() - 1, CROWD)
        seconds = left * meter.item_seconds
        self._crowded = (
            0 < seconds < max(CROWDED_SECONDS, (elapsed < CROWD_ENDS_SECONDS) * seconds + 1e-9)
            and others > 0
            and foreign_threads_running(others) >= others
        )
        self._look = max(elapsed + CROWD_LOOK_SECONDS, CROWD_LOOK_SHARE * elapsed)
        if self._crowded:
            observer.stop()
        elif not observer.running and not self.decider.only_computes:
            observer.start()
            return True  # it needs a moment to look
        return self._crowded
