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
    from amorsize.learning.item_sizes import law_in_run as law_in_run
    from amorsize.learning.item_sizes import log_ratio as log_ratio
    from amorsize.learning.item_sizes import long_items as long_items
    from amorsize.learning.item_sizes import sizes_of as sizes_of
    from amorsize.learning.item_sizes import work_shares as work_shares
    from amorsize.learning.learner import learner_for as learner_for
    from amorsize.learning.levels import keep_level as keep_level
    from amorsize.learning.levels import recall_level as recall_level
    from amorsize.learning.parameters import parameters_of as parameters_of
    from amorsize.learning.parameters import tune as tune
    from amorsize.learning.recorder import name_of as name_of
    from amorsize.learning.size_law import Sizes as Sizes
    from amorsize.learning.size_law import for_sizes as for_sizes
    from amorsize.learning.size_law import law_in as law_in
    from amorsize.learning.unrecorded import add_unrecorded as add_unrecorded
    from amorsize.learning.unrecorded import clear_unrecorded as clear_unrecorded
    from amorsize.learning.work_done import loop_item as loop_item
    from amorsize.learning.work_done import work_of as work_of

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.core.places": ["is_known_long", "resolve"],
        "amorsize.learning.forecasts": ["by_size", "forecast_of"],
        "amorsize.learning.item_costs": [
            "Sample",
            "inherits_warmth",
            "known_costs",
            "measured",
            "unknown_doubt",
            "worker_bytes",
        ],
        "amorsize.learning.item_sizes": [
            "law_in_run",
            "log_ratio",
            "long_items",
            "sizes_of",
            "work_shares",
        ],
        "amorsize.learning.learner": ["learner_for"],
        "amorsize.learning.levels": ["keep_level", "recall_level"],
        "amorsize.learning.parameters": ["parameters_of", "tune"],
        "amorsize.learning.recorder": ["name_of"],
        "amorsize.learning.size_law": ["Sizes", "for_sizes", "law_in"],
        "amorsize.learning.unrecorded": ["add_unrecorded", "clear_unrecorded"],
        "amorsize.learning.work_done": ["loop_item", "work_of"],
    },
)
RECORDING = ("work_of", "known_costs", "forecast_of")
"""What recording a run needs: who has a moment to spare can have it read."""
