"""Figures: round ticks, the colours of the page, no shared identifiers, and a line without matplotlib."""

from __future__ import annotations

import math
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from amorsize.reporting import figures

SVG = "{http://www.w3.org/2000/svg}"


def round_enough(value: float) -> bool:
    """Whether few digits tell a value: at most three that count."""
    return value == 0 or math.isclose(value, float(f"{value:.3g}"), rel_tol=1e-9)


@settings(max_examples=40, deadline=None)
@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e9))
def test_linear_ticks_are_a_few_round_steps(low: float, span: float) -> None:
    axes = Figure().subplots()
    axes.plot([low, low + span], [0, 1])
    figures.round_ticks(axes.xaxis, logarithmic=False)
    ticks = list(axes.get_xticks())
    assert 2 <= len(ticks) <= 9
    step = ticks[1] - ticks[0]
    parts = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert any(math.isclose(parts, one, rel_tol=1e-4) for one in (1, 2, 2.5, 5, 10)), step


@settings(max_examples=40, deadline=None)
@given(low=st.floats(1e-6, 1e6), times=st.floats(1.0001, 1e9))
def test_logarithmic_ticks_are_few_and_round(low: float, times: float) -> None:
    axes = Figure().subplots()
    axes.plot([low, low * times], [0, 1])
    axes.set_xscale("log")
    figures.round_ticks(axes.xaxis, logarithmic=True)
    first, last = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if first <= tick <= last]
    assert len(ticks) <= 12
    assert all(round_enough(tick) for tick in ticks), ticks
    assert len({figures.number(tick) for tick in ticks}) == len(ticks) >= 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (20, "20"), (1000, "1,000"), (2.5e6, "2.5M"), (-188, "\N{MINUS SIGN}188"),
     (0.025, "0.025"), (1e-6, "0.000001"), (12.5, "12.5")],
)  # fmt: skip
def test_a_number_is_written_as_a_person_does(value: float, text: str) -> None:
    assert figures.number(value) == text


def a_figure(title: str) -> str:
    def draw(axes) -> None:
        axes.plot([1, 2, 3], [1, 4, 9], color=figures.ONE, marker="o", label="<b> & $x$")
        axes.plot([1, 2, 3], [2, 3, 5], color=figures.TWO, marker="s", label="two")
        figures.label(axes, "rows", "seconds", log_y=True)
        figures.legend(axes)

    return figures.figure(title, title, draw)


def test_a_figure_has_the_colours_of_its_page_and_loads_nothing() -> None:
    text = a_figure("<i>one</i>")
    assert "<i>" not in text and "<b>" not in text and "&lt;b&gt; &amp; $x$" in text
    for colour in figures.VARIABLES:
        assert colour not in text
    assert "var(--one)" in text and "var(--two)" in text and "var(--soft)" in text
    assert "url(" not in text and "@import" not in text and "<image" not in text
    links = re.findall(r'href="([^"]*)"', text)
    assert links and all(link.startswith("#") for link in links)
    assert "seconds, log scale" in text and 'role="img"' in text


def test_two_figures_of_a_page_share_no_identifier() -> None:
    one, other = (set(re.findall(r'\bid="([^"]*)"', a_figure(name))) for name in ("a", "b"))
    assert one and not one & other


def test_the_same_figure_is_the_same_text() -> None:
    assert a_figure("same") == a_figure("same")


def test_without_matplotlib_there_is_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(figures.FiguresMissing, match=r"pip install 'amorsize\[report\]'"):
        a_figure("any")


def test_a_picture_of_its_own_follows_light_and_dark() -> None:
    text = figures.standalone([lambda axes: axes.plot([1, 2])], "a line", 2.0)
    assert text.startswith("<svg") and text.endswith("</svg>\n")
    assert "prefers-color-scheme: dark" in text and "var(--paper)" in text
