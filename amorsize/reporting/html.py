"""Plans, runs and reports as they show themselves in a notebook: HTML without script or network, in the
colours of the page around it, every name escaped."""

from __future__ import annotations

from html import escape

from amorsize.planning.explain import AS_MANY, describe, format_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from amorsize.core.model import Run, WorkerUse
    from amorsize.reporting.shown import ShownPlan, ShownPruning

MOST_ROWS = 10
"""Most candidates or workers in a table; a sentence counts those that are left out."""
CELL = "padding:.15em .7em;text-align:left;border-bottom:1px solid #8886"
PARTS = (
    ("in items", "#3b7dd8", "busy_seconds"),
    ("moving data", "#d8843b", "moving_seconds"),
    ("waiting", "#b8b83b", "waiting_seconds"),
    ("start", "#8888", "start_seconds"),
    ("tail", "#8884", "tail_seconds"),
)
"""Parts of a worker's time: name, colour, field of :class:`amorsize.core.model.WorkerUse`."""


def plan_html(plan: ShownPlan) -> str:
    """A plan: what was chosen, why, and the seconds predicted for each candidate."""
    lines = str(plan).splitlines()
    head = [line.strip() for line in lines[: _until(lines, "  - ")]]
    found = sorted(plan.candidates, key=lambda one: one.seconds)
    slowest = max((one.seconds for one in found[:MOST_ROWS]), default=0.0)
    rows = [
        (escape(describe(one.config)), format_seconds(one.seconds), _bar(one.seconds, slowest))
        for one in found[:MOST_ROWS]
    ]
    parts = [
        f"<b>{escape(head[0])}</b>",
        *(f"<div>{escape(line)}</div>" for line in head[1:]),
        _list(plan.reasons),
        *(f"<div>Warning: {escape(warning)}</div>" for warning in plan.warnings),
    ]
    if len(rows) > 1:
        parts.append(
            _table(
                ("considered", AS_MANY if plan.items_left is None else "for what is left", ""), rows
            )
        )
        parts.append(_more(len(found)))
    return _whole(parts)


def run_html(run: Run) -> str:
    """A run: one row for each worker, with its time as a bar."""
    first, *others = str(run).splitlines()
    parts = [f"<b>{escape(first)}</b>"]
    if run.workers:
        said = [line.strip() for line in others if not line.startswith("      ")]
        parts += [f"<div>{escape(line)}</div>" for line in said]
        seconds = max(run.wall_seconds - run.alone_seconds, 1e-9)
        rows = [
            (escape(use.name), f"{use.items:,}", f"{use.chunks:,}", _shares(use, seconds))
            for use in run.workers[:MOST_ROWS]
        ]
        parts.append(_table(("worker", "items", "chunks", "its time"), rows))
        parts.append(_more(len(run.workers)))
        names = "".join(
            f'<span style="background:{colour};padding:0 .6em;margin:0 .3em 0 .8em"></span>{name}'
            for name, colour, _ in PARTS
        )
        parts.append(f"<small>{names}</small>")
    return _whole(parts)


def pruning_html(result: ShownPruning) -> str:
    """A pruning result: what was kept, and what that cost."""
    before, after = result.before, result.after
    rows = [
        ("rows", f"{before.rows:,}", f"{after.rows:,}", f"{-result.ratio:.1%}"),
        (
            "memory of the predictor",
            f"{before.memory_bytes:,} bytes",
            f"{after.memory_bytes:,} bytes",
            f"{-result.memory_reduction:.1%}",
        ),
    ]
    if result.error_change is not None:
        rows.append(("mean absolute error", "", "", f"{result.error_change:+.1%}"))
    kept = "kept" if result.held else "not kept"
    parts = [
        f"<b>Pruning ({escape(result.strategy)}): promise {kept}</b>",
        f"<div>{escape(result.promise)}</div>",
        _table(("", "before", "after", "change"), [tuple(map(escape, row)) for row in rows]),
        _list(result.reasons),
    ]
    return _whole(parts)


def _until(lines: Sequence[str], start: str) -> int:
    return next((n for n, line in enumerate(lines) if line.startswith(start)), len(lines))


def _whole(parts: Iterable[str]) -> str:
    return f'<div style="line-height:1.5">{"".join(parts)}</div>'


def _list(sentences: Iterable[str]) -> str:
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul style="margin:.2em 0">{lines}</ul>' if lines else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with escaped heads; its cells must be HTML already."""
    heads = "".join(f'<th style="{CELL}">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    return f'<table style="border-collapse:collapse;margin:.3em 0"><tr>{heads}</tr>{lines}</table>'


def _more(count: int) -> str:
    return f"<div>... and {count - MOST_ROWS} more</div>" if count > MOST_ROWS else ""


def _bar(value: float, most: float) -> str:
    width = 12 * value / most if most > 0 else 0.0
    return f'<div style="background:#3b7dd8;height:.7em;width:{width:.2f}em;min-width:1px"></div>'


def _shares(use: WorkerUse, seconds: float) -> str:
    boxes = "".join(
        f'<span title="{name}: {share:.0%}" style="background:{colour};display:inline-block;'
        f'height:.9em;width:{15 * share:.2f}em"></span>'
        for name, colour, field in PARTS
        if (share := min(1.0, getattr(use, field) / seconds)) > 0
    )
    return f'<span style="white-space:nowrap">{boxes}</span>'
