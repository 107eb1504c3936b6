"""A report as one HTML page: no network, no script, plots drawn here as SVG, every name escaped."""

from __future__ import annotations

from html import escape
from math import log10
from statistics import median

from amorsize.validation.render import HEAD, clean, header, row
from amorsize.validation.report import FAILED, PASSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.validation.report import Decision, ValidationReport

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #c8ccd2; --soft: #5b6470;
  --one: #1d5fb4; --two: #b4521d; --good: #1a7a3a; --bad: #b3261e; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #16181c; --line: #3c424b;
  --soft: #a3abb8; --one: #7fb2ff; --two: #ffa874; --good: #6fd28c; --bad: #ff8a80; --open: #f2c14e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { max-width: 45rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } .wide:focus { outline: 2px solid var(--one); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child, .verdict { text-align: left; }
.scenarios th:last-child, .scenarios td:last-child { text-align: right; }
.passed { color: var(--good); } .failed { color: var(--bad); } .open { color: var(--open); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; } svg { width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.axis { stroke: var(--line); } .one { stroke: var(--one); } .two { stroke: var(--two); }
.dot1 { fill: var(--one); } .dot2 { fill: var(--two); }
"""


def page(report: ValidationReport) -> str:
    """The whole page."""
    report = clean(report)
    verdict = "Passed" if report.passed else "Not passed"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="icon" href="data:,"><title>amorsize validation: {verdict.lower()}</title>',
        f"<style>{STYLE}</style></head><body><main>",
        f"<h1>Validation: {verdict.lower()}</h1>",
        f'<p class="soft">{escape(header(report))}</p>',
    ]
    if report.outcomes:
        parts += [
            "<h2>Pruning</h2>",
            _table(report),
            _checks(report),
            "<h2>Plots</h2>",
            _plots(report),
        ]
    for decision in report.decisions:
        parts.append(_decision(decision))
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def _class(verdict: str) -> str:
    return "passed" if verdict == PASSED else "failed" if verdict == FAILED else "open"


def _cells(cells: Sequence[str], tag: str = "td") -> str:
    return "".join([f"<{tag}>{escape(cell)}</{tag}>" for cell in cells])


def _table(report: ValidationReport) -> str:
    lines = []
    for outcome in report.outcomes:
        # The verdict comes second: a narrow window is to show it without being scrolled.
        name, *cells, verdict = row(outcome)
        lines.append(
            f'<tr>{_cells((name,))}<td class="verdict {_class(verdict)}">'
            f"<strong>{escape(verdict)}</strong></td>{_cells(cells)}</tr>"
        )
    first, *others, last = HEAD
    head = (
        f'<th scope="col">{escape(first)}</th><th class="verdict" scope="col">{escape(last)}</th>'
    )
    head += "".join([f'<th scope="col">{escape(cell)}</th>' for cell in others])
    return (
        '<div class="wide" tabindex="0" role="region" aria-label="Scenarios">'
        f'<table class="scenarios"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _checks(report: ValidationReport) -> str:
    lines = [
        f"<tr>{_cells((outcome.name, one.name, one.bound, one.measured))}"
        f'<td class="{_class(one.verdict)}">{escape(one.verdict)}</td></tr>'
        for outcome in report.outcomes
        for one in outcome.checks
    ]
    head = "".join(
        [
            f'<th scope="col">{name}</th>'
            for name in ("Scenario", "Check", "Bound", "Measured", "Verdict")
        ]
    )
    return (
        "<details><summary>Every check</summary>"
        '<div class="wide" tabindex="0" role="region" aria-label="Checks">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div></details>"
    )


def _decision(decision: Decision) -> str:
    order = sorted(decision.seconds, key=decision.median)
    longest = max(decision.median(name) for name in order)
    bars = []
    for place, name in enumerate(order):
        y, width = 8 + 22 * place, 210 * decision.median(name) / longest if longest else 0.0
        width = width if 0.0 <= width <= 210.0 else 0.0  # a time that is no number has no bar
        kind = "dot2" if name == "amorsize" else "dot1"
        bars.append(
            f'<rect class="{kind}" x="150" y="{y}" width="{max(width, 1):.1f}" height="14"/>'
            f'<text x="145" y="{y + 11}" text-anchor="end">{escape(name[:24])}</text>'
            f'<text x="{155 + width:.1f}" y="{y + 11}">{decision.median(name):.3g} s</text>'
        )
    label = escape(f"Median seconds of each contender for {decision.name}")
    return (
        f'<h2>{escape(decision.name)}: <span class="{_class(decision.verdict)}">'
        f"{escape(decision.verdict)}</span></h2><p>{escape(decision.sentence)}</p>"
        f'<figure><svg viewBox="0 0 430 {16 + 22 * len(order)}" role="img" aria-label="{label}">'
        f"{''.join(bars)}</svg></figure>"
    )


# -- plots ---------------------------------------------------------------------------------------------

FARTHEST = 1e100
"""Values beyond it are no measurements, and have no place in a plot."""
WIDTH, HEIGHT, LEFT, BOTTOM = 360.0, 240.0, 52.0, 36.0

Series = tuple[str, list[tuple[float, float]], bool]
"""Name, points, and whether they are joined."""


def _plots(report: ValidationReport) -> str:
    figures = []
    if report.front:
        figures.append(
            plot(
                "Error against kept rows (Pareto front)",
                "rows kept (%)",
                "change of RMSE (%)",
                [
                    ("pruned", [(100 * k, 100 * e) for k, e, _ in report.front], True),
                    ("at random", [(100 * k, 100 * c) for k, _, c in report.front], True),
                ],
                log_x=True,
            )
        )
    some = [one for one in report.outcomes if one.seeds]
    if some:
        changes = [
            (float(place), 100 * seed.error_change)
            for place, outcome in enumerate(some, 1)
            for seed in outcome.seeds
        ]
        chances = [
            (place + 0.25, 100 * seed.chance_change)
            for place, outcome in enumerate(some, 1)
            for seed in outcome.seeds
        ]
        figures.append(
            plot(
                "Change of error, each seed",
                "scenario (in the order of the table)",
                "change of RMSE (%)",
                [("pruned", changes, False), ("at random", chances, False)],
            )
        )

        def each(value: Callable[..., float]) -> list[tuple[float, float]]:
            return [
                (float(one.seeds[0].rows), median([value(seed) for seed in one.seeds]))
                for one in some
            ]

        figures.append(
            plot(
                "One prediction",
                "rows before",
                "microseconds",
                [
                    ("before", sorted(each(lambda s: 1e6 * s.latency_before)), True),
                    ("after", sorted(each(lambda s: 1e6 * s.latency_after)), True),
                ],
                log_x=True,
                log_y=True,
            )
        )
        figures.append(
            plot(
                "Memory of the predictor",
                "rows before",
                "kilobytes",
                [
                    ("before", sorted(each(lambda s: s.memory_before / 1e3)), True),
                    ("after", sorted(each(lambda s: s.memory_after / 1e3)), True),
                ],
                log_x=True,
                log_y=True,
            )
        )
    if report.learning:
        curve = [(float(rows), error) for rows, error in report.learning]
        figures.append(
            plot(
                "Learning curve", "rows learned from", "RMSE", [("error", curve, True)], log_x=True
            )
        )
    if report.calibration:
        figures.append(
            plot(
                "Predicted and true labels",
                "predicted",
                "true",
                [("fresh rows", list(report.calibration), False)],
            )
        )
    return f'<div class="plots">{"".join(figures)}</div>'


def plot(
    title: str,
    x_name: str,
    y_name: str,
    series: Sequence[Series],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """One figure: points, joined or not, of up to two series."""
    series = [
        (name, [(x, y) for x, y in some if _drawn(x, log_x) and _drawn(y, log_y)], joined)
        for name, some, joined in series
    ]
    points = [point for _, some, _ in series for point in some] or [(1.0, 1.0)]
    fx, fy = (log10 if log_x else float), (log10 if log_y else float)
    xs, ys = [fx(x) for x, _ in points], [fy(y) for _, y in points]
    low_x, high_x = _padded(min(xs), max(xs))
    low_y, high_y = _padded(min(ys), max(ys))

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (fx(x) - low_x) / (high_x - low_x) * (WIDTH - LEFT - 10),
            HEIGHT - BOTTOM - (fy(y) - low_y) / (high_y - low_y) * (HEIGHT - BOTTOM - 24),
        )

    marks = [
        f'<line class="axis" x1="{LEFT}" y1="{HEIGHT - BOTTOM}" '
        f'x2="{WIDTH - 10}" y2="{HEIGHT - BOTTOM}"/>',
        f'<line class="axis" x1="{LEFT}" y1="24" x2="{LEFT}" y2="{HEIGHT - BOTTOM}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        value = low_x + share * (high_x - low_x)
        x = LEFT + share * (WIDTH - LEFT - 10)
        anchor = "end" if share == 1.0 else "middle"
        marks.append(
            f'<text x="{x:.0f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="{anchor}">'
            f"{_tick(value, log_x)}</text>"
        )
        value = low_y + share * (high_y - low_y)
        y = HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 24)
        marks.append(
            f'<text x="{LEFT - 4}" y="{y + 4:.0f}" text-anchor="end">{_tick(value, log_y)}</text>'
        )
    marks.append(
        f'<text x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x_name)}</text>"
        f'<text x="4" y="12">{escape(y_name)}</text>'
    )
    for number, (name, some, joined) in enumerate(series, 1):
        spots = [at(x, y) for x, y in some]
        if joined:
            path = " ".join([f"{x:.1f},{y:.1f}" for x, y in spots])
            kind = "one" if number == 1 else "two"
            marks.append(f'<polyline class="{kind}" fill="none" points="{path}"/>')
        radius = 3 if joined else 2
        # shape as well as colour tells the series apart
        for x, y in spots:
            if number == 1:
                marks.append(f'<circle class="dot1" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>')
            else:
                marks.append(
                    f'<rect class="dot2" x="{x - radius:.1f}" y="{y - radius:.1f}" '
                    f'width="{2 * radius}" height="{2 * radius}"/>'
                )
        if len(series) > 1:
            x = WIDTH - 10 - 90 * (len(series) - number)
            sign = "●" if number == 1 else "■"
            marks.append(
                f'<text x="{x:.0f}" y="12" text-anchor="end"><tspan class="dot{number}">{sign}</tspan> '
                f"{escape(name)}</text>"
            )
    told = escape(f"{title}: {y_name} by {x_name}")
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{told}">'
        f"{''.join(marks)}</svg></figure>"
    )


def _drawn(value: float, logarithmic: bool) -> bool:
    """Whether a value has a place on an axis."""
    return 1 / FARTHEST < value < FARTHEST if logarithmic else abs(value) < FARTHEST


def _padded(low: float, high: float) -> tuple[float, float]:
    spare = 0.04 * (high - low) or max(1.0, 1e-9 * abs(high))
    return low - spare, high + spare


def _tick(value: float, logarithmic: bool) -> str:
    shown = 10.0**value if logarithmic else value
    if abs(shown) >= 1000:
        return f"{shown:,.0f}"
    return f"{shown:.3g}"


def framed(report: ValidationReport) -> str:
    """The report's own page in a frame, for notebooks: its style stays its own."""
    return (
        '<iframe title="validation report" sandbox style="width:100%;height:40em;border:0" '
        f'srcdoc="{escape(page(report))}"></iframe>'
    )
