"""What pruning did: a report of each part of the data, and the result of pruning a history, measured."""

from __future__ import annotations

from amorsize.core.model import html_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass
    from typing import Any
else:
    from amorsize.core.frozen import dataclass

REGIONS_SHOWN = 5
"""Regions of which the text tells one by one."""
NAME_LENGTH = 12
"""Digits of a function's hash that the text shows."""


@dataclass(frozen=True)
class Region:
    """One part of the data that has a bound of its own."""

    rows: int
    kept: int
    change: float | None
    """Relative change of the mean absolute error at rows not seen: 0.01 is 1 % more. None: not
    checked."""
    name: str | None = None
    """Name of its group; None if regions were found by clustering."""
    verdict: str | None = None
    """Whether its bound (twice the tolerance) holds. "certified": its own rows prove it. "estimated": all
    regions without a proof keep it together, or too few rows for a proof speak for it. "whole": neither,
    so all its rows are kept. None: not checked."""


@dataclass(frozen=True)
class Rung:
    """One size that was tried."""

    kept: int
    change: float
    """Relative change of the mean absolute error at rows not seen, 0.01 is 1 % more."""
    rmse_change: float
    passed: bool | None
    """Whether it passed the test; None if only the search looked at it."""


@dataclass(frozen=True)
class Report:
    """What pruning removed, and what was checked."""

    rows: int
    """Rows before."""
    kept: int
    """Rows after."""
    duplicates: int
    """Rows that equalled another row in every feature."""
    expired: int
    """Rows that were too old to help the predictor."""
    half_life: float
    """Age that halves the weight of a row, in the unit of the timestamps; infinite if age does not
    matter."""
    tolerance: float | None
    """Share by which the error may grow; None with ``keep_fraction``."""
    certified: bool
    """Whether rows that the search never saw prove the bound over all rows, at `level`."""
    level: float
    """Largest probability of a false certificate, and largest share of certified regions that are
    certified falsely."""
    error_before: float | None
    error_after: float | None
    """Mean absolute error at rows not seen, in the units of y (of several outputs: in their deviations);
    None where nothing was checked."""
    error_change: float | None
    """Relative change of the mean absolute error: 0.01 is 1 % more; None where nothing was checked."""
    error_interval: tuple[float, float] | None
    """95 % limits of ``error_change``."""
    rmse_change: float | None
    """Relative change of the root mean squared error."""
    regions: tuple[Region, ...]
    ladder: tuple[Rung, ...]
    """Sizes that were tried, fewest prototypes first: what a smaller size would have cost."""
    reasons: tuple[str, ...]

    @property
    def removed(self) -> int:
        """Rows that went."""
        return self.rows - self.kept

    @property
    def ratio(self) -> float:
        """Share of the rows that went."""
        return self.removed / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class Measured:
    """A predictor over some rows."""

    rows: int
    memory_bytes: int
    """Bytes that the predictor holds once built (tracemalloc)."""
    store_bytes: int
    """Bytes of the store: the file of a history, the arrays of samples."""
    latency_seconds: float
    """Seconds of one prediction, the median."""
    slow_latency_seconds: float
    """Seconds of one prediction, the 95th percentile."""
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
    """What was promised, in words."""
    held: bool
    """Whether the promise was kept: the bound certified, or as far as so few rows can tell."""
    certified: bool
    before: Measured
    after: Measured
    reports: tuple[tuple[str, Report], ...]
    """Reports by backend for a history; one, named "samples", for arrays."""
    error_change: float | None
    """Relative change of the mean absolute error: 0.01 is 1 % more."""
    error_interval: tuple[float, float] | None
    """95 % limits of ``error_change``."""
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
        """Rows that are left."""
        return self.after.rows

    @property
    def removed(self) -> int:
        """Rows that went."""
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
        left_out = ("X", "y", "sample_weight", "observations", "reports")
        found = {name: value for name, value in vars(self).items() if name not in left_out}
        return {
            **found,
            "before": dict(vars(self.before)),
            "after": dict(vars(self.after)),
            "kept": self.kept,
            "removed": self.removed,
            "ratio": self.ratio,
            "memory_reduction": self.memory_reduction,
            "parts": {name: _part_dict(report) for name, report in self.reports},
        }

    def __str__(self) -> str:
        lines = [
            f"{self.before.rows:,} rows -> {self.after.rows:,} ({self.ratio:.1%} removed)"
            + (", not carried out" if self.dry_run else ""),
            f"promise ({self.strategy}): {self.promise}: " + ("kept" if self.held else "not kept"),
        ]
        if self.error_change is not None:
            low, high = self.error_interval or (self.error_change, self.error_change)
            was, is_now = self.before.error, self.after.error
            errors = "" if was is None or is_now is None else f"{was:.4g} -> {is_now:.4g}, "
            lines.append(
                f"error at rows not seen: {errors}{self.error_change:+.1%} "
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
            lines += [f"    {line}" for line in (*_by_region(one), *_by_size(one))]
        lines += [f"  {reason}" for reason in self.reasons]
        lines.append(f"in {self.seconds:.2f} s")
        return "\n".join(lines)


def _part_dict(report: Report) -> dict[str, Any]:
    """Plain values of one report, ready for JSON."""
    found = {name: value for name, value in vars(report).items() if name != "tolerance"}
    return {
        **found,
        "half_life": None if report.half_life == float("inf") else report.half_life,
        "regions": [
            {
                "name": r.name,
                "rows": r.rows,
                "kept": r.kept,
                "error_change": r.change,
                "verdict": r.verdict,
            }
            for r in report.regions
        ],
        "ladder": [dict(vars(rung)) for rung in report.ladder],
        "reasons": list(report.reasons),
    }


def _by_region(report: Report) -> list[str]:
    """Lines on the regions that lost most rows, and one on all others."""
    if len(report.regions) < 2:
        return []
    lines = []
    most = sorted(report.regions, key=lambda one: one.kept - one.rows)
    for one in most[:REGIONS_SHOWN]:
        if one.rows > one.kept:
            change = "" if one.change is None else f", error {one.change:+.1%} ({one.verdict})"
            name = "a region" if one.name is None else one.name[:NAME_LENGTH]
            lines.append(f"{name}: {one.rows:,} -> {one.kept:,} rows{change}")
    rest = most[len(lines) :]
    whole = [one for one in report.regions if one.kept == one.rows]
    if report.error_change is not None:
        verdicts = [one.verdict for one in report.regions]
        told = [f"{verdicts.count(name)} {name}" for name in ("certified", "estimated", "whole")]
        lines.append("bounds of the regions: " + ", ".join(told))
    if rest and lines:
        lines.append(
            f"{len(rest)} more: {sum(one.rows for one in rest):,} -> "
            f"{sum(one.kept for one in rest):,} rows; {len(whole)} of all kept whole"
        )
    return lines


def _by_size(report: Report) -> list[str]:
    """The ladder as a table."""
    if not report.ladder:
        return []
    told = {True: "passed", False: "failed", None: ""}
    return ["rows kept  error  root mean square  test"] + [
        f"{one.kept:9,} {one.change:+6.1%} {one.rmse_change:+17.1%}  {told[one.passed]}".rstrip()
        for one in report.ladder
    ]


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
