"""How good predictions have become, as a table for people and as a picture.

Both show spans: runs of a history that followed each other, as `amorsize.learning.evaluation` sums
them up.
"""

from __future__ import annotations

from math import exp

from amorsize.core.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Span(Protocol):
        """Runs that followed each other, summed up; errors are of log seconds."""

        @property
        def first(self) -> int: ...
        @property
        def last(self) -> int: ...
        @property
        def model_error(self) -> float: ...
        @property
        def error(self) -> float: ...
        @property
        def known(self) -> float: ...
        @property
        def regret(self) -> float | None: ...
        @property
        def regret95(self) -> float | None: ...


BAR = 24
"""Characters of the longest bar."""
WIDTH, HEIGHT, LEFT = 640, 150, 60
"""Of one panel's area, and the room for the labels beside it, in pixels."""
LEGEND = 120
"""Pixels for one name."""


def as_text(spans: Sequence[Span]) -> str:
    """The spans as a table, with a bar for the error."""
    if not spans:
        return "no runs that ended well yet: nothing to judge"
    lines = [
        "         runs   model alone   experience   of it known   regret   95 %   error",
    ]
    most = max(max(one.error, one.model_error) for one in spans) or 1.0
    for one in spans:
        regret = "     -      -" if one.regret is None else f"{one.regret:6.2f} {one.regret95:6.2f}"
        bar = "#" * round(BAR * one.error / most)
        whole = "#" * len(bar) + "." * (round(BAR * one.model_error / most) - len(bar))
        lines.append(
            f"{one.first:6d}-{one.last:<6d}  {_percent(one.model_error):>9}    {_percent(one.error):>9}"
            f"    {one.known:9.0%}    {regret}   {whole}"
        )
    lines.append(
        "error: median by which predicted and real seconds differ; # with experience, . the model"
    )
    return "\n".join(lines)


def _percent(error: float) -> str:
    """An error of log seconds as people say it."""
    return f"{exp(error) - 1:.0%}"


def as_svg(spans: Sequence[Span]) -> str:
    """The spans as a picture: error above, regret below, both over the number of runs."""
    error = _Panel(
        "error of predicted seconds",
        (
            _Line("model alone", "#888888", tuple(exp(one.model_error) - 1 for one in spans)),
            _Line("with experience", "#4477aa", tuple(exp(one.error) - 1 for one in spans)),
        ),
        top=20,
        low=0.0,
        form="{:.0%}",
    )
    regret = _Panel(
        "regret",
        (
            _Line("median regret", "#ee6677", tuple(one.regret for one in spans)),
            _Line("95th percentile", "#ccbb44", tuple(one.regret95 for one in spans)),
        ),
        top=230,
        low=1.0,
        form="{:.2f}",
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="430" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        f"{_drawn(error, spans)}{_drawn(regret, spans)}</svg>\n"
    )


@dataclass(frozen=True)
class _Line:
    name: str
    colour: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class _Panel:
    title: str
    lines: tuple[_Line, ...]
    top: int
    low: float
    """Value at the lower edge."""
    form: str
    """Format of a value."""


def _drawn(panel: _Panel, spans: Sequence[Span]) -> str:
    values = [value for line in panel.lines for value in line.values if value is not None]
    low, high = panel.low, max([*values, panel.low + 0.1])
    last = spans[-1].last if spans else 1

    def x(one: Span) -> float:
        return LEFT + WIDTH * (one.first + one.last) / 2 / last

    def y(value: float) -> float:
        return panel.top + 20 + HEIGHT - HEIGHT * (value - low) / (high - low)

    parts = [f'<text x="{LEFT}" y="{panel.top + 8}" font-weight="bold">{panel.title}</text>']
    for value in (low, (low + high) / 2, high):
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
            f'stroke="#dddddd"/><text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
            f"{panel.form.format(value)}</text>"
        )
    for number, line in enumerate(panel.lines):
        points = [
            f"{x(one):.1f},{y(value):.1f}"
            for one, value in zip(spans, line.values, strict=True)
            if value is not None
        ]
        legend = LEFT + WIDTH - LEGEND * (len(panel.lines) - number)
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{line.colour}" '
            f'stroke-width="2"/><text x="{legend}" y="{panel.top + 8}" fill="{line.colour}">'
            f"{line.name}</text>"
        )
    parts.append(
        f'<text x="{LEFT + WIDTH}" y="{panel.top + HEIGHT + 38}" text-anchor="end">run {last}</text>'
        f'<text x="{LEFT}" y="{panel.top + HEIGHT + 38}">run 1</text>'
    )
    return "\n".join(parts) + "\n"
