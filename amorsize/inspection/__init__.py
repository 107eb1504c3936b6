"""What a function does: read off its code (`inspect_function`), seen while an item runs (`Watch`).

The names below are imported when they are first asked for: a run that has nothing to gain from workers
looks at no function.
"""

from __future__ import annotations

from amorsize.core.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.inspection.decode import unknown_python as unknown_python
    from amorsize.inspection.effects import inspect_function as inspect_function
    from amorsize.inspection.fresh import fresh_refusal as fresh_refusal
    from amorsize.inspection.late import files_maker as files_maker
    from amorsize.inspection.late import late_files as late_files
    from amorsize.inspection.late import late_look as late_look
    from amorsize.inspection.late import late_maker as late_maker
    from amorsize.inspection.late import remember as remember
    from amorsize.inspection.objects import pickles_itself as pickles_itself
    from amorsize.inspection.objects import shared_parts as shared_parts
    from amorsize.inspection.sent_state import caller_state as caller_state
    from amorsize.inspection.sources import reached_data as reached_data
    from amorsize.inspection.sources import source_refusal as source_refusal
    from amorsize.inspection.thread_data import ThreadData as ThreadData
    from amorsize.inspection.thread_data import needs_its_thread as needs_its_thread
    from amorsize.inspection.watch import Watch as Watch

__getattr__ = lazy_names(
    __name__,
    {
        "amorsize.inspection.decode": ["unknown_python"],
        "amorsize.inspection.effects": ["inspect_function"],
        "amorsize.inspection.fresh": ["fresh_refusal"],
        "amorsize.inspection.late": [
            "files_maker",
            "late_files",
            "late_look",
            "late_maker",
            "remember",
        ],
        "amorsize.inspection.objects": ["pickles_itself", "shared_parts"],
        "amorsize.inspection.sent_state": ["caller_state"],
        "amorsize.inspection.sources": ["reached_data", "source_refusal"],
        "amorsize.inspection.thread_data": ["ThreadData", "needs_its_thread"],
        "amorsize.inspection.watch": ["Watch"],
    },
)
