"""A report as one HTML page: no network, no script, every name escaped; plots by the extra ``report``."""

from __future__ import annotations

from html import escape

from amorsize.reporting.figures import COLOURS
from amorsize.validation.plots import contenders, plots
from amorsize.validation.render import COLUMNS, HEAD, clean, header, row, times
from amorsize.validation.report import FAILED, PASSED, contender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.validation.report import Decision, ValidationReport

STYLE = (
    COLOURS
    + """
:root { --good: #1a7a3a; --bad: #b3261e; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --good: #6fd28c; --bad: #ff8a80; --open: #f2c14e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { max-width: 45rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } .wide:focus { outline: 2px solid var(--one); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child, .verdict { text-align: left; }
.scenarios th:last-child, .scenarios td:last-child { text-align: right; }
.passed { color: var(--good); } .failed { color: var(--bad); } .open { color: var(--open); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr));
  gap: 1.5rem; align-items: start; max-width: 60rem; }
figure { margin: 0; max-width: 38rem; } figcaption { font-weight: 600; }
svg { width: 100%; height: auto; } details { margin: .5rem 0; }
"""
)


def page(report: ValidationReport) -> str:
    """The whole page."""
    report = clean(report)
    verdict = "passed" if report.passed else "not passed"
    what = "Validation" if report.outcomes or not report.decisions else "Comparison"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="icon" href="data:,"><title>amorsize {what.lower()}: {verdict}</title>',
        f"<style>{STYLE}</style></head><body><main>",
        f"<h1>{what}: {verdict}</h1>",
        f'<p class="soft">{escape(header(report))}</p>',
    ]
    if report.outcomes:
        parts += [
            "<h2>Pruning</h2>",
            _table(report),
            f'<p class="soft">{escape(COLUMNS)}</p>',
            _checks(report),
            "<h2>Plots</h2>",
            plots(report),
        ]
    for decision in report.decisions:
        parts.append(_decision(decision))
    parts.append("</main></body></html>\n")
    return "\n".join(parts)


def framed(report: ValidationReport) -> str:
    """The page in a frame, for a notebook: its style stays its own."""
    return (
        '<iframe title="validation report" sandbox style="width:100%;height:40em;border:0" '
        f'srcdoc="{escape(page(report))}"></iframe>'
    )


def _class(verdict: str) -> str:
    """CSS class of a verdict."""
    return "passed" if verdict == PASSED else "failed" if verdict == FAILED else "open"


def _cells(cells: Sequence[str], tag: str = "td") -> str:
    return "".join([f"<{tag}>{escape(cell)}</{tag}>" for cell in cells])


def _table(report: ValidationReport) -> str:
    lines = []
    for outcome in report.outcomes:
        # the verdict comes second: a narrow window is to show it without being scrolled
        name, *cells, verdict = row(outcome)
        lines.append(
            f'<tr>{_cells((name,))}<td class="verdict {_class(verdict)}">'
            f"<strong>{escape(verdict)}</strong></td>{_cells(cells)}</tr>"
        )
    first, *rest, last = HEAD
    head = (
        f'<th scope="col">{escape(first)}</th><th class="verdict" scope="col">{escape(last)}</th>'
    )
    head += "".join([f'<th scope="col">{escape(cell)}</th>' for cell in rest])
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
    return (
        f'<h2>{escape(decision.name)}: <span class="{_class(decision.verdict)}">'
        f"{escape(decision.verdict)}</span></h2><p>{escape(decision.sentence)}</p>"
        f'<div class="plots">{contenders(decision)}</div>{_times(decision)}'
    )


def _times(decision: Decision) -> str:
    """What the plot shows, in numbers, and what could not be measured."""
    lines = [f"<tr>{_cells(cells)}</tr>" for cells in times(decision)]
    failed = [
        f"<p>Not measured: {escape(contender(name))}, {escape(problem)}</p>"
        for name, problem in decision.problems.items()
    ]
    head = "".join([f'<th scope="col">{name}</th>' for name in ("Contender", "Median", "Spread")])
    return (
        f"{''.join(failed)}<details><summary>Every time</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></details>"
    )
