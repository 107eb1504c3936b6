"""The observation that a finished run leaves to the history."""

from __future__ import annotations

import time

from amorsize.core.observation import Observation
from amorsize.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.events import Study
    from amorsize.core.model import Run


def observe(fingerprint: str, id: str, run: Run, study: Study) -> Observation:
    """The observation of a run that ends now."""
    return Observation(
        fingerprint=fingerprint,
        profile=study.profile,
        machine=study.machine,
        config=run.config,
        items=study.items,
        wall_seconds=study.wall_seconds,
        cpu_seconds=max(0.0, study.cpu_seconds),
        time=time.time(),
        outcome=run.outcome,
        model_seconds=study.model_seconds,
        corrections=run.corrections,
        library_version=__version__,
        id=id,
    )
