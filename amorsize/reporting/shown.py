"""What renderers read of values that live in packages above this one; for the type checker only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from amorsize.core.model import Prediction

    class ShownPlan(Protocol):
        """A plan: :class:`amorsize.Plan`."""

        backend: str
        n_jobs: int
        threads_per_job: int
        estimated_seconds: float
        estimated_speedup: float
        estimated_spread: float
        estimated_interval: tuple[float, float] | None
        confidence: float
        source: str
        neighbours: float
        reasons: tuple[str, ...]
        warnings: tuple[str, ...]
        safety: str
        items_done: int
        items_left: int | None
        candidates: tuple[Prediction, ...]
        real_seconds: float | None

        @property
        def error(self) -> float | None:
            """Logarithm of real over estimated seconds."""

    class ShownPredictor(Protocol):
        """A predictor over some rows."""

        @property
        def rows(self) -> int:
            """Rows that it holds."""

        @property
        def memory_bytes(self) -> int:
            """Bytes that it holds."""

    class ShownPruning(Protocol):
        """What pruning did: :class:`amorsize.pruning.result.PruningResult`."""

        @property
        def before(self) -> ShownPredictor:
            """The predictor over all rows."""

        @property
        def after(self) -> ShownPredictor:
            """The predictor over the rows that are kept."""

        @property
        def ratio(self) -> float:
            """Share of the rows that was removed."""

        @property
        def memory_reduction(self) -> float:
            """Share of the bytes that was saved."""

        @property
        def error_change(self) -> float | None:
            """Relative change of the mean absolute error, None where it was not measured."""

        @property
        def held(self) -> bool:
            """Whether the promise was kept."""

        @property
        def strategy(self) -> str:
            """Name of the strategy."""

        @property
        def promise(self) -> str:
            """The promise, as a sentence."""

        @property
        def reasons(self) -> tuple[str, ...]:
            """Why so much was removed and no more."""
