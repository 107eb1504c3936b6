"""What pruning a history did, measured."""

from __future__ import annotations

from amorsize.core.renderers import html_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any

    from amorsize.pruning.select import Report
else:
    from amorsize.core.frozen import dataclass


@dataclass(frozen=True)
class Measured:
    """A predictor over some rows."""

    rows: int
    memory_bytes: int
    """Held by the predictor once built (tracemalloc)."""
    store_bytes: int
    """Of the store: the file of a history, the arrays of samples."""
    latency_seconds: float
    """Median of one prediction."""
    slow_latency_seconds: float
    """95th percentile of it."""
    error: float | None
    """Mean absolute error at rows not seen, in the units of y; None where nothing was checked."""
    regret: float | None
    """Mean over functions that ran in several configurations: seconds of the one that would be chosen
    over those of the best; None without such functions."""


@dataclass(frozen=True)
class PruningResult:
    """What `prune_training_data` returns."""

    strategy: str
    promise: str
    """In words."""
    held: bool
    """Whether the promise was kept: the bound certified, or as far as so few rows can tell."""
    certified: bool
    before: Measured
    after: Measured
    reports: tuple[tuple[str, Report], ...]
    """By backend for a history; one, named "samples", for arrays."""
    error_change: float | None
    """Of the mean absolute error: 0.01 is 1 % more."""
    error_interval: tuple[float, float] | None
    """95 % limits of it."""
    changed_decisions: float | None
    """Share of the functions for which another configuration would be chosen."""
    seconds: float
    reasons: tuple[str, ...]
    dry_run: bool
    archive: str | None = None
    X: Any = None
    y: Any = None
    sample_weight: Any = None
    """What is kept, for a tuple of arrays."""
    observations: Any = None
    """What is kept, for observations."""

    @property
    def kept(self) -> int:
        return self.after.rows

    @property
    def removed(self) -> int:
        return self.before.rows - self.after.rows

    @property
    def ratio(self) -> float:
        """Share of the rows that went."""
        return self.removed / self.before.rows if self.before.rows else 0.0

    @property
    def memory_reduction(self) -> float:
        """Share of the predictor's memory that is free now."""
        before = self.before.memory_bytes
        return 1.0 - self.after.memory_bytes / before if before else 0.0

    def _repr_html_(self) -> str:
        return html_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; without the data."""
        from dataclasses import asdict

        left_out = ("X", "y", "sample_weight", "observations", "reports")
        names = [name for name in type(self).__annotations__ if name not in left_out]
        found: dict[str, Any] = {name: getattr(self, name) for name in names}
        found["before"], found["after"] = asdict(self.before), asdict(self.after)  # type: ignore[call-overload,unused-ignore]
        found |= {
            "kept": self.kept,
            "removed": self.removed,
            "ratio": self.ratio,
            "memory_reduction": self.memory_reduction,
            "parts": {
                name: {
                    "rows": one.rows,
                    "kept": one.kept,
                    "duplicates": one.duplicates,
                    "expired": one.expired,
                    "half_life": None if one.half_life == float("inf") else one.half_life,
                    "certified": one.certified,
                    "error_before": one.error_before,
                    "error_after": one.error_after,
                    "error_change": one.error_change,
                    "error_interval": one.error_interval,
                    "rmse_change": one.rmse_change,
                    "regions": [
                        {"name": r.name, "rows": r.rows, "kept": r.kept, "error_change": r.change}
                        for r in one.regions
                    ],
                    "reasons": list(one.reasons),
                }
                for name, one in self.reports
            },
        }
        return found

    def __str__(self) -> str:
        lines = [
            f"{self.before.rows:,} rows -> {self.after.rows:,} ({self.ratio:.1%} removed)"
            + (", not carried out" if self.dry_run else ""),
            f"promise ({self.strategy}): {self.promise}: " + ("kept" if self.held else "not kept"),
        ]
        if self.error_change is not None:
            low, high = self.error_interval or (self.error_change, self.error_change)
            was, is_now = self.before.error, self.after.error
            told = "" if was is None or is_now is None else f"{was:.4g} -> {is_now:.4g}, "
            lines.append(
                f"error at rows not seen: {told}{self.error_change:+.1%} "
                f"(95 % limits {low:+.1%} to {high:+.1%}), "
                + ("certified" if self.certified else "not certified")
            )
        if self.before.regret is not None and self.after.regret is not None:
            lines.append(
                f"regret of decisions: {self.before.regret:.3f} -> {self.after.regret:.3f}; "
                f"{self.changed_decisions or 0.0:.1%} of them changed"
            )
        lines.append(
            f"memory of the predictor: {_size(self.before.memory_bytes)} -> "
            f"{_size(self.after.memory_bytes)}; store: {_size(self.before.store_bytes)} -> "
            f"{_size(self.after.store_bytes)}"
        )
        lines.append(
            f"one prediction: {self.before.latency_seconds * 1e6:.0f} -> "
            f"{self.after.latency_seconds * 1e6:.0f} µs"
        )
        for name, one in self.reports:
            lines.append(
                f"  {name}: {one.rows:,} -> {one.kept:,} rows in {len(one.regions)} "
                f"region{'' if len(one.regions) == 1 else 's'}"
                + "".join(f"; {reason}" for reason in one.reasons)
            )
            lines += [f"    {line}" for line in _by_region(one)]
        lines += [f"  {reason}" for reason in self.reasons]
        lines.append(f"in {self.seconds:.2f} s")
        return "\n".join(lines)


REGIONS_SHOWN = 5
"""Regions told one by one."""


def _by_region(report: Report) -> list[str]:
    """Where most went, and which regions told too much to lose anything."""
    if len(report.regions) < 2:
        return []
    lines = []
    most = sorted(report.regions, key=lambda one: one.kept - one.rows)
    for one in most[:REGIONS_SHOWN]:
        if one.rows > one.kept:
            change = "" if one.change is None else f", error {one.change:+.1%}"
            name = "a region" if one.name is None else one.name[:NAME_LENGTH]
            lines.append(f"{name}: {one.rows:,} -> {one.kept:,} rows{change}")
    others = most[len(lines) :]
    whole = [one for one in report.regions if one.kept == one.rows]
    if others and lines:
        lines.append(
            f"{len(others)} more: {sum(one.rows for one in others):,} -> "
            f"{sum(one.kept for one in others):,} rows; {len(whole)} of all kept whole"
        )
    return lines


NAME_LENGTH = 12
"""Of what is shown of a function's hash."""


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
