"""Figures of reports as SVG in the colours of the page around them, by matplotlib (the extra ``report``).

::

    a function that draws on axes --> matplotlib --> SVG --colours become CSS variables--> one <figure>

Text stays text, so that it can be read aloud and searched, and no font is embedded. matplotlib is
imported when the first figure is drawn.
"""

from __future__ import annotations

import io
import re
from html import escape
from math import floor, log10, sqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as MatplotlibAxis

MISSING = "The plots need matplotlib: pip install 'amorsize[report]'"
"""What a report says where its plots would be."""
WIDTH_INCHES, HEIGHT_INCHES = 4.4, 2.9
"""Of a figure. A page scales it: at 375 pixels its 9 points are 11 pixels high."""
INK, SOFT, LINE, ONE, TWO = "#010203", "#010204", "#010205", "#010206", "#010207"
"""Colours that stand for the page's: text, text of less weight, lines of the grid, two series."""
VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", ONE: "one", TWO: "two"}
"""The CSS variable that each of these becomes."""
SERIES = ((ONE, "o", "-"), (TWO, "s", "--"))
"""Colour, mark and line of the first series and of the second: told apart without colour, too."""
STYLE: dict[str, Any] = {
    "axes.edgecolor": LINE, "axes.labelcolor": SOFT, "axes.linewidth": 0.8,
    "axes.spines.right": False, "axes.spines.top": False, "font.family": ["sans-serif"],
    "font.size": 9.0, "grid.color": LINE, "grid.linewidth": 0.6, "legend.frameon": False,
    "legend.labelcolor": SOFT, "lines.linewidth": 1.6, "lines.markersize": 4.5,
    "svg.fonttype": "none", "text.color": SOFT, "text.parse_math": False, "xtick.color": LINE,
    "xtick.labelcolor": SOFT, "ytick.color": LINE, "ytick.labelcolor": SOFT,
    "axes.unicode_minus": True,
}  # fmt: skip
COLOURS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --line: #c8ccd2; --soft: #5b6470;
  --one: #1d5fb4; --two: #b4521d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --paper: #16181c; --line: #3c424b;
  --soft: #a3abb8; --one: #7fb2ff; --two: #ffa874; } }
"""
"""What the variables are on a light and on a dark screen."""
NAMES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
"""Names of the two languages of an SVG file: nothing is loaded from there."""
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
"""Seconds of a unit, and its name."""


class FiguresMissing(ImportError):
    """matplotlib is not installed; the text says how to get it."""


def available() -> bool:
    """Whether figures can be drawn. Imports nothing."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def figure(
    title: str, described: str, draw: Callable[[Axes], None], height: float = HEIGHT_INCHES
) -> str:
    """One ``<figure>`` with its title.

    ``described``: what is shown, for those who do not see it; ``draw`` gets the axes; ``height`` in
    inches.
    Raises FiguresMissing where matplotlib is not installed."""
    svg = drawn([draw], described, height)
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"


def drawn(
    draws: Sequence[Callable[[Axes], None]], described: str, height: float = HEIGHT_INCHES
) -> str:
    """An ``<svg>`` element with one panel under the other. ``height`` of all together, in inches."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise FiguresMissing(MISSING) from error
    text = io.StringIO()
    style: Any = {**STYLE, "svg.hashsalt": described}
    with rc_context(style):
        made = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        FigureCanvasSVG(made)
        panels = made.subplots(len(draws), 1, squeeze=False)
        for axes, draw in zip(panels[:, 0], draws, strict=True):
            axes.set_axisbelow(True)
            draw(axes)
        made.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _of_page(text.getvalue(), described)


def standalone(draws: Sequence[Callable[[Axes], None]], described: str, height: float) -> str:
    """The same as a file of its own, which follows a light or dark screen by itself."""
    svg = drawn(draws, described, height)
    head, _, rest = svg.partition(">")
    paper = '<rect width="100%" height="100%" style="fill: var(--paper)"/>'
    return f"{head}><style>{COLOURS}</style>{paper}{rest.rstrip()}\n"


def _of_page(text: str, described: str) -> str:
    """The picture as an element of a page: described, in its colours, with identifiers of its own."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' clip-path="url\([^)]*\)"', "", text)
    text = re.sub(r"<defs>\s*<clipPath.*?</defs>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    # The names of parts come from matplotlib's own texts; two pictures of a page must not share them.
    key = f"f{abs(hash_of(described)):x}-"
    text = re.sub(r'\bid="', f'id="{key}', text)
    text = text.replace('href="#', f'href="#{key}')
    label = escape(described)
    head = f'<svg viewBox="{box[1]}" role="img" aria-label="{label}" {NAMES}>'
    text = re.sub(r"^<svg[^>]*>", lambda _: head, text)
    for colour, name in VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return text


def hash_of(text: str) -> int:
    """A number for a text, the same in each process."""
    from zlib import crc32

    return crc32(text.encode("utf-8", "replace"))


def label(axes: Axes, x: str, y: str, *, log_x: bool = False, log_y: bool = False) -> None:
    """Name both axes and give them round ticks; a logarithmic axis says so."""
    axes.set_xlabel(f"{x}, log scale" if log_x else x)
    axes.set_ylabel(f"{y}, log scale" if log_y else y)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    round_ticks(axes.xaxis, logarithmic=log_x)
    round_ticks(axes.yaxis, logarithmic=log_y)
    axes.grid(visible=True)


NARROW = 1.5
"""Ends of a logarithmic axis whose ratio is less than this are moved apart, to where ticks are round."""


def round_ticks(axis: MatplotlibAxis, *, logarithmic: bool, most: int = 5) -> None:
    """Ticks at 1, 2, 2.5 or 5 times a power of ten; on a logarithmic axis of more than a decade at 1, 2
    and 5, of more at 1 and 3, of more than three at powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]))
    if logarithmic:
        low, high = sorted(axis.get_view_interval())
        if low > 0 and high < NARROW * low:
            middle = sqrt(low * high)
            low, high = middle / NARROW, middle * NARROW
            axis.set_view_interval(low, high, ignore=True)
        decades = log10(high / low) if low > 0 else 1.0
        parts = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.2 else (1.0, 2.0, 5.0)
        if decades >= 1:  # less has no three such ticks
            axis.set_major_locator(LogLocator(subs=parts, numticks=most + 3))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def number(value: float) -> str:
    """A tick as a person writes it: 0.5, 20, 1,000, 2M; a real minus."""
    size = abs(value)
    if size >= 1e6:
        text = f"{value / 1e6:,.6g}M"
    elif size >= 1000 or value == 0 or value == round(value):
        text = f"{value:,.0f}"
    else:
        digits = max(
            0, 5 - floor(log10(size))
        )  # neighbours of a narrow axis differ in the last ones
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return text.replace("-", "\N{MINUS SIGN}")


def unit_of(seconds: float) -> tuple[float, str]:
    """Seconds of the unit in which a time is read best, and its name."""
    return next((one for one in UNITS if seconds >= one[0]), UNITS[-1])


def legend(axes: Axes, columns: int = 2) -> None:
    """The legend, above the axes, where it covers no point."""
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, borderaxespad=0.2)
