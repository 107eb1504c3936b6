"""Plots of a report as SVG, every name escaped."""

from __future__ import annotations

from html import escape
from math import log10
from statistics import median

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from dataclasses import dataclass

    from amorsize.validation.report import Outcome, Seed, ValidationReport
else:
    from amorsize.core.frozen import dataclass

FARTHEST = 1e100
"""Largest value that is drawn: beyond it are no measurements."""
WIDTH, HEIGHT = 360.0, 240.0
"""Size of a plot in units of its SVG."""
LEFT, RIGHT, TOP, BOTTOM = 52.0, 10, 24, 36.0
"""Margins of the axes, in the same units."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """Points of one kind."""

    name: str
    points: Points
    joined: bool = False
    """Whether a line joins them."""


@dataclass(frozen=True)
class Axis:
    """One axis, from where its least value is drawn to where its largest is."""

    name: str
    logarithmic: bool = False
    low: float = 0.0
    high: float = 1.0
    """Range of the values, or of their logarithms."""
    start: float = 0.0
    length: float = 0.0
    """Place of ``low``, and how far from it ``high`` is; below 0 upwards."""

    def draws(self, value: float) -> bool:
        """Whether a value has a place on the axis."""
        if self.logarithmic:
            return 1 / FARTHEST < value < FARTHEST
        return abs(value) < FARTHEST

    def over(self, values: Iterable[float], start: float, length: float) -> Axis:
        """The axis for these values, at this place."""
        scaled = [self._scaled(value) for value in values]
        low, high = min(scaled), max(scaled)
        spare = 0.04 * (high - low) or max(1.0, 1e-9 * abs(high))
        return Axis(self.name, self.logarithmic, low - spare, high + spare, start, length)

    def at(self, value: float) -> float:
        """Place of a value."""
        return self.start + (self._scaled(value) - self.low) / (self.high - self.low) * self.length

    def tick(self, share: float) -> tuple[float, str]:
        """Place and text of the value at a share of the axis."""
        value = self.low + share * (self.high - self.low)
        shown = 10.0**value if self.logarithmic else value
        label = f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"
        return self.start + share * self.length, label

    def _scaled(self, value: float) -> float:
        return log10(value) if self.logarithmic else float(value)


def plots(report: ValidationReport) -> str:
    """All plots that the report has figures for."""
    figures = []
    if report.front:
        figures.append(
            plot(
                "Error against kept rows (Pareto front)",
                Axis("rows kept (%)", True),
                Axis("change of RMSE (%)"),
                [
                    Series("pruned", [(100 * k, 100 * e) for k, e, _ in report.front], True),
                    Series("at random", [(100 * k, 100 * c) for k, _, c in report.front], True),
                ],
            )
        )
    measured = [one for one in report.outcomes if one.seeds]
    if measured:
        figures += _of_outcomes(measured)
    if report.learning:
        curve = [(float(rows), error) for rows, error in report.learning]
        figures.append(
            plot(
                "Learning curve",
                Axis("rows learned from", True),
                Axis("RMSE"),
                [Series("error", curve, True)],
            )
        )
    if report.calibration:
        figures.append(
            plot(
                "Predicted and true labels",
                Axis("predicted"),
                Axis("true"),
                [Series("fresh rows", list(report.calibration))],
            )
        )
    return f'<div class="plots">{"".join(figures)}</div>'


def _of_outcomes(outcomes: list[Outcome]) -> list[str]:
    """Error, latency and memory of the scenarios."""

    def each_seed(value: Callable[[Seed], float], offset: float = 0.0) -> Points:
        return [
            (place + offset, 100 * value(seed))
            for place, outcome in enumerate(outcomes, 1)
            for seed in outcome.seeds
        ]

    def by_rows(value: Callable[[Seed], float]) -> Points:
        return sorted(
            (float(one.seeds[0].rows), median([value(seed) for seed in one.seeds]))
            for one in outcomes
        )

    return [
        plot(
            "Change of error, each seed",
            Axis("scenario (in the order of the table)"),
            Axis("change of RMSE (%)"),
            [
                Series("pruned", each_seed(lambda s: s.error_change)),
                Series("at random", each_seed(lambda s: s.chance_change, 0.25)),
            ],
        ),
        plot(
            "One prediction",
            Axis("rows before", True),
            Axis("microseconds", True),
            [
                Series("before", by_rows(lambda s: 1e6 * s.latency_before), True),
                Series("after", by_rows(lambda s: 1e6 * s.latency_after), True),
            ],
        ),
        plot(
            "Memory of the predictor",
            Axis("rows before", True),
            Axis("kilobytes", True),
            [
                Series("before", by_rows(lambda s: s.memory_before / 1e3), True),
                Series("after", by_rows(lambda s: s.memory_after / 1e3), True),
            ],
        ),
    ]


def plot(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """One figure: points, joined or not, of up to two series."""
    series = [
        Series(one.name, [(a, b) for a, b in one.points if x.draws(a) and y.draws(b)], one.joined)
        for one in series
    ]
    points = [point for one in series for point in one.points] or [(1.0, 1.0)]
    x = x.over([a for a, _ in points], LEFT, WIDTH - LEFT - RIGHT)
    y = y.over([b for _, b in points], HEIGHT - BOTTOM, -(HEIGHT - BOTTOM - TOP))
    marks = _axes(x, y)
    for number, one in enumerate(series, 1):
        marks += _marks(one, number, x, y)
        if len(series) > 1:
            marks.append(_legend(one.name, number, len(series)))
    described = escape(f"{title}: {y.name} by {x.name}")
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{described}">'
        f"{''.join(marks)}</svg></figure>"
    )


def _axes(x: Axis, y: Axis) -> list[str]:
    """Two lines, with three ticks and the name of each."""
    marks = [
        f'<line class="axis" x1="{LEFT}" y1="{HEIGHT - BOTTOM}" '
        f'x2="{WIDTH - RIGHT}" y2="{HEIGHT - BOTTOM}"/>',
        f'<line class="axis" x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        place, label = x.tick(share)
        anchor = "end" if share == 1.0 else "middle"
        marks.append(
            f'<text x="{place:.0f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="{anchor}">{label}</text>'
        )
        place, label = y.tick(share)
        marks.append(f'<text x="{LEFT - 4}" y="{place + 4:.0f}" text-anchor="end">{label}</text>')
    marks.append(
        f'<text x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x.name)}</text>"
        f'<text x="4" y="12">{escape(y.name)}</text>'
    )
    return marks


def _marks(series: Series, number: int, x: Axis, y: Axis) -> list[str]:
    """The points of a series; shape as well as colour tells two series apart."""
    spots = [(x.at(a), y.at(b)) for a, b in series.points]
    marks = []
    if series.joined:
        path = " ".join([f"{a:.1f},{b:.1f}" for a, b in spots])
        kind = "one" if number == 1 else "two"
        marks.append(f'<polyline class="{kind}" fill="none" points="{path}"/>')
    radius = 3 if series.joined else 2
    for a, b in spots:
        if number == 1:
            marks.append(f'<circle class="dot1" cx="{a:.1f}" cy="{b:.1f}" r="{radius}"/>')
        else:
            marks.append(
                f'<rect class="dot2" x="{a - radius:.1f}" y="{b - radius:.1f}" '
                f'width="{2 * radius}" height="{2 * radius}"/>'
            )
    return marks


def _legend(name: str, number: int, count: int) -> str:
    place = WIDTH - RIGHT - 90 * (count - number)
    sign = "●" if number == 1 else "■"
    return (
        f'<text x="{place:.0f}" y="12" text-anchor="end"><tspan class="dot{number}">{sign}</tspan> '
        f"{escape(name)}</text>"
    )
