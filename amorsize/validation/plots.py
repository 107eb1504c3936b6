"""Plots of a report: what is drawn; `amorsize.reporting.figures` draws it, by matplotlib."""

from __future__ import annotations

from html import escape
from statistics import median

from amorsize.reporting import figures
from amorsize.validation.report import contender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from amorsize.validation.report import Decision, Outcome, Seed, ValidationReport

FARTHEST = 1e100
"""Largest value that is drawn: beyond it are no measurements."""
ROW_INCHES = 0.24
"""Height of a line of a plot that has a name on each line."""
LONGEST_NAME = 30
"""Characters of a name on an axis."""

Points = list[tuple[float, float]]


def plots(report: ValidationReport) -> str:
    """All plots that the report has figures for; where nothing can draw them, a line that says so."""
    if not figures.available():
        return f"<p>{escape(figures.MISSING)}</p>"
    made = []
    if report.front:
        made.append(
            lines(
                "Error against kept rows",
                ("rows kept (%)", "change of RMSE (%)"),
                [
                    ("pruned", [(100 * k, 100 * e) for k, e, _ in report.front]),
                    ("deleted at random", [(100 * k, 100 * c) for k, _, c in report.front]),
                ],
                log_x=True,
            )
        )
    if report.ladder:
        made.append(_ladder(report))
    measured = [one for one in report.outcomes if one.seeds]
    if measured:
        made += _of_outcomes(measured)
    if report.learning:
        curve = [(float(rows), error) for rows, error in report.learning]
        made.append(
            lines(
                "Learning curve",
                ("rows learned from", "RMSE (natural log)"),
                [("error", curve)],
                log_x=True,
            )
        )
    if report.calibration:
        made.append(_calibration(list(report.calibration)))
    return f'<div class="plots">{"".join(made)}</div>'


def _ladder(report: ValidationReport) -> str:
    """What each size that a pruning tried costs, which passed its test, and what was allowed."""
    title = "What each size costs"
    told = (
        ("passed its test", True, figures.ONE, "o"),
        ("failed its test", False, figures.TWO, "X"),
        ("looked at, not tested", None, figures.SOFT, "s"),
    )

    def draw(axes: Axes) -> None:
        sizes = [(kept, 100 * change) for kept, change, _ in report.ladder]
        shown = sorted(one for one in sizes if _drawable(one[0], True) and _drawable(one[1], False))
        axes.plot([a for a, _ in shown], [b for _, b in shown], color=figures.SOFT, linewidth=1)
        for name, verdict, colour, mark in told:
            points = [
                (kept, 100 * change)
                for kept, change, passed in report.ladder
                if passed is verdict and (kept, 100 * change) in shown
            ]
            if points:
                axes.plot(
                    [a for a, _ in points], [b for _, b in points],
                    color=colour, marker=mark, linestyle="", label=name,
                )  # fmt: skip
        allowed = 100 * report.ladder_tolerance
        axes.axhline(allowed, color=figures.INK, linewidth=1, linestyle="--", label="allowed")
        figures.label(axes, "rows kept", "change of error (%)", log_x=True)
        figures.legend(axes)

    described = f"{title}: change of the mean absolute error (%) by rows kept, and the tests of it"
    return figures.figure(title, described, draw)


def _of_outcomes(outcomes: list[Outcome]) -> list[str]:
    """Error, latency and memory of the scenarios."""

    def by_rows(value: Callable[[Seed], float]) -> Points:
        return sorted(
            (float(one.seeds[0].rows), median([value(seed) for seed in one.seeds]))
            for one in outcomes
        )

    return [
        _errors(outcomes),
        lines(
            "Time of one prediction",
            ("rows before", "microseconds"),
            [
                ("before", by_rows(lambda s: 1e6 * s.latency_before)),
                ("after", by_rows(lambda s: 1e6 * s.latency_after)),
            ],
            log_x=True,
            log_y=True,
        ),
        lines(
            "Memory of the predictor",
            ("rows before", "kilobytes"),
            [
                ("before", by_rows(lambda s: s.memory_before / 1e3)),
                ("after", by_rows(lambda s: s.memory_after / 1e3)),
            ],
            log_x=True,
            log_y=True,
        ),
    ]


def lines(
    title: str,
    names: tuple[str, str],
    series: Sequence[tuple[str, Points]],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """One or two series of points that a line joins; ``names`` of the axes, with their units."""

    def draw(axes: Axes) -> None:
        for (name, points), (colour, mark, line) in zip(series, figures.SERIES, strict=False):
            shown = [(a, b) for a, b in points if _drawable(a, log_x) and _drawable(b, log_y)]
            axes.plot(
                [a for a, _ in shown], [b for _, b in shown],
                color=colour, marker=mark, linestyle=line, label=name,
            )  # fmt: skip
        figures.label(axes, *names, log_x=log_x, log_y=log_y)
        if len(series) > 1:
            figures.legend(axes)

    return figures.figure(title, f"{title}: {names[1]} by {names[0]}", draw)


def _errors(outcomes: list[Outcome]) -> str:
    """A line for each scenario, a dot for each seed: pruned, and deleted at random."""
    rows = len(outcomes)

    def draw(axes: Axes) -> None:
        kinds: tuple[tuple[str, float, Callable[[Seed], float]], ...] = (
            ("pruned", -0.14, lambda seed: seed.error_change),
            ("deleted at random", 0.14, lambda seed: seed.chance_change),
        )
        for (name, offset, value), (colour, mark, _) in zip(kinds, figures.SERIES, strict=True):
            points = [
                (100 * value(seed), place + offset)
                for place, outcome in enumerate(outcomes)
                for seed in outcome.seeds
                if _drawable(100 * value(seed), False)
            ]
            axes.plot(
                [a for a, _ in points], [b for _, b in points],
                color=colour, marker=mark, linestyle="", markersize=3, alpha=0.7, label=name,
            )  # fmt: skip
        figures.label(axes, "change of RMSE (%)", "")
        axes.set_yticks(range(rows), [one.name[:LONGEST_NAME] for one in outcomes])
        axes.set_ylim(rows - 0.5, -0.5)
        figures.legend(axes)

    described = "Change of error, each seed: change of RMSE (%) for each scenario"
    height = max(figures.HEIGHT_INCHES, 0.9 + ROW_INCHES * rows)
    return figures.figure("Change of error, each seed", described, draw, height)


def _calibration(points: Points) -> str:
    """Predicted and true labels, with the line on which both are equal."""
    shown = [(a, b) for a, b in points if _drawable(a, False) and _drawable(b, False)]

    def draw(axes: Axes) -> None:
        axes.plot(
            [a for a, _ in shown], [b for _, b in shown],
            color=figures.ONE, marker="o", linestyle="", markersize=3, alpha=0.7, label="fresh rows",
        )  # fmt: skip
        if shown:
            ends = [min(a for a, _ in shown), max(a for a, _ in shown)]
            axes.plot(ends, ends, color=figures.SOFT, linewidth=1, label="both are equal")
        figures.label(axes, "predicted label (natural log)", "true label (natural log)")
        figures.legend(axes)

    return figures.figure(
        "Predicted and true labels", "Predicted and true labels of fresh rows", draw
    )


def contenders(decision: Decision) -> str:
    """A bar for the median seconds of each contender, a stroke for each of its runs."""
    if not figures.available():
        return f"<p>{escape(figures.MISSING)}</p>"
    order = sorted(decision.seconds, key=decision.median)
    drawable = [name for name in order if _drawable(decision.median(name), False)]
    longest = max((decision.median(name) for name in drawable), default=1.0)
    unit_seconds, unit = figures.unit_of(longest)

    def draw(axes: Axes) -> None:
        for place, name in enumerate(order):
            colour = figures.TWO if name == "amorsize" else figures.ONE
            runs = [one / unit_seconds for one in decision.seconds[name] if _drawable(one, False)]
            middle = decision.median(name) / unit_seconds if name in drawable else 0.0
            axes.barh(place, middle, height=0.62, color=colour, alpha=0.75)
            axes.plot(
                runs, [place] * len(runs),
                color=figures.INK, marker="|", linestyle="", markersize=7, markeredgewidth=1,
            )  # fmt: skip
        axes.set_yticks(range(len(order)), [contender(name)[:LONGEST_NAME] for name in order])
        axes.set_ylim(len(order) - 0.5, -0.5)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(f"time ({unit}); bar: median, stroke: one run")
        figures.round_ticks(axes.xaxis, logarithmic=False)
        axes.grid(visible=True, axis="x")

    described = f"Median {unit} of each contender for {decision.name}"
    return figures.figure(
        "Time of each contender", described, draw, 0.8 + ROW_INCHES * max(3, len(order))
    )


def _drawable(value: float, logarithmic: bool) -> bool:
    """Whether a value has a place on an axis."""
    if logarithmic:
        return 1 / FARTHEST < value < FARTHEST
    return abs(value) < FARTHEST
