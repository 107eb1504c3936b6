"""What a run asks of the history, what it leaves there, and the predictor between the two.

The names below are imported when they are first asked for: a run that has nothing to learn imports none.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.learning.learner import learner_for as learner_for
    from amorsize.learning.parameters import parameters_of as parameters_of
    from amorsize.learning.parameters import tune as tune

__all__ = ["learner_for", "parameters_of", "tune"]

__getattr__ = lazy_names(
    __name__,
    {
        "learner_for": "amorsize.learning.learner",
        "parameters_of": "amorsize.learning.parameters",
        "tune": "amorsize.learning.parameters",
    },
)
