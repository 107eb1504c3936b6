"""How good predictions have become, as a table for people and as a picture.

Both show spans: runs of a history that followed each other, as `amorsize.learning.evaluation` sums
them up.
"""

from __future__ import annotations

from math import exp

from amorsize.reporting import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from matplotlib.axes import Axes

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
LEARNERS = "with experience", "model alone"
WIDE = 10.0
"""A factor from which on a plot has factors on a logarithmic axis, for else only the largest is seen."""
HEIGHT_INCHES = 5.2
"""Of both panels together."""


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
    """An error of log seconds as people say it: 15%, or 3.2x where one is more than twice the other."""
    factor = exp(error)
    return f"{factor - 1:.0%}" if factor < 2 else f"{factor:,.1f}x"


def as_svg(spans: Sequence[Span]) -> str:
    """The spans as a picture: error above, regret below, both over the number of runs.

    Raises FiguresMissing where matplotlib (the extra ``report``) is not installed."""
    places = [(one.first + one.last) / 2 for one in spans]

    def draw(
        axes: Axes, name: str, lines: Sequence[tuple[str, Sequence[float | None]]], low: float
    ) -> None:
        for (text, values), (colour, mark, line) in zip(lines, figures.SERIES, strict=True):
            known = [(x, y) for x, y in zip(places, values, strict=True) if y is not None]
            axes.plot(
                [x for x, _ in known], [y for _, y in known],
                color=colour, marker=mark, linestyle=line, label=text,
            )  # fmt: skip
        axes.set_xlim(left=0.0)
        wide = max((y for _, values in lines for y in values if y is not None), default=1) >= WIDE
        axes.set_ylim(bottom=low)
        figures.label(axes, "runs recorded", name, log_y=wide and low > 0)
        figures.legend(axes)

    def errors(axes: Axes) -> None:
        factors = [exp(one.error) for one in spans], [exp(one.model_error) for one in spans]
        if max((*factors[0], *factors[1]), default=0.0) >= WIDE:
            draw(axes, "error of seconds (factor)", [*zip(LEARNERS, factors, strict=True)], 1.0)
            return
        shares = [[100 * (factor - 1) for factor in line] for line in factors]
        draw(axes, "error of seconds (%)", [*zip(LEARNERS, shares, strict=True)], 0.0)

    def regrets(axes: Axes) -> None:
        lines = [
            ("median", [one.regret for one in spans]),
            ("95th percentile", [one.regret95 for one in spans]),
        ]
        draw(axes, "regret (1 = best)", lines, 1.0)

    described = "Error of predicted seconds, and regret of decisions, by runs recorded"
    return figures.standalone([errors, regrets], described, HEIGHT_INCHES)
