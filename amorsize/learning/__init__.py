"""What a run asks of the history, what it leaves there, and the predictor between the two.

The names below are imported when they are first asked for: a run that has nothing to learn imports none.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.core.places import is_known_long as is_known_long
    from amorsize.core.places import resolve as resolve
    from amorsize.learning.forecasts import by_size as by_size
    from amorsize.learning.forecasts import forecast_of as forecast_of
    from amorsize.learning.item_costs import Sample as Sample
    from amorsize.learning.item_costs import inherits_warmth as inherits_warmth
    from amorsize.learning.item_costs import known_costs as known_costs
    from amorsize.learning.item_costs import measured as measured
    from amorsize.learning.item_costs import unknown_doubt as unknown_doubt
    from amorsize.learning.item_costs import worker_bytes as worker_bytes
    from amorsize.learning.item_sizes import log_ratio as log_ratio
    from amorsize.learning.item_sizes import long_items as long_items
    from amorsize.learning.item_sizes import points_of as points_of
    from amorsize.learning.item_sizes import sizes_of as sizes_of
    from amorsize.learning.learner import learner_for as learner_for
    from amorsize.learning.levels import keep_level as keep_level
    from amorsize.learning.levels import recall_level as recall_level
    from amorsize.learning.parameters import parameters_of as parameters_of
    from amorsize.learning.parameters import tune as tune
    from amorsize.learning.recorder import name_of as name_of
    from amorsize.learning.size_law import Sizes as Sizes
    from amorsize.learning.size_law import for_sizes as for_sizes
    from amorsize.learning.size_law import law_in as law_in
    from amorsize.learning.size_law import law_of as law_of
    from amorsize.learning.work_done import loop_item as loop_item
    from amorsize.learning.work_done import work_of as work_of

_NAMES = {
    "name_of": "amorsize.learning.recorder",
    "Sizes": "amorsize.learning.size_law",
    "Sample": "amorsize.learning.item_costs",
    "for_sizes": "amorsize.learning.size_law",
    "by_size": "amorsize.learning.forecasts",
    "forecast_of": "amorsize.learning.forecasts",
    "is_known_long": "amorsize.core.places",
    "resolve": "amorsize.core.places",
    "inherits_warmth": "amorsize.learning.item_costs",
    "keep_level": "amorsize.learning.levels",
    "long_items": "amorsize.learning.item_sizes",
    "law_in": "amorsize.learning.size_law",
    "law_of": "amorsize.learning.size_law",
    "known_costs": "amorsize.learning.item_costs",
    "learner_for": "amorsize.learning.learner",
    "log_ratio": "amorsize.learning.item_sizes",
    "loop_item": "amorsize.learning.work_done",
    "measured": "amorsize.learning.item_costs",
    "points_of": "amorsize.learning.item_sizes",
    "parameters_of": "amorsize.learning.parameters",
    "sizes_of": "amorsize.learning.item_sizes",
    "recall_level": "amorsize.learning.levels",
    "tune": "amorsize.learning.parameters",
    "unknown_doubt": "amorsize.learning.item_costs",
    "worker_bytes": "amorsize.learning.item_costs",
    "work_of": "amorsize.learning.work_done",
}
__all__ = [
    "Sample",
    "Sizes",
    "by_size",
    "for_sizes",
    "forecast_of",
    "inherits_warmth",
    "is_known_long",
    "keep_level",
    "known_costs",
    "law_in",
    "law_of",
    "learner_for",
    "log_ratio",
    "long_items",
    "loop_item",
    "measured",
    "parameters_of",
    "points_of",
    "recall_level",
    "resolve",
    "sizes_of",
    "tune",
    "unknown_doubt",
    "work_of",
    "worker_bytes",
]

RECORDING = ("work_of", "known_costs", "forecast_of")
"""What recording a run needs: who has a moment to spare can have it read."""

__getattr__ = lazy_names(__name__, _NAMES)
