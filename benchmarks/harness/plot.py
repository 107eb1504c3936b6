"""The picture: for each workload everybody's time over the oracle's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.analysis import Row
from benchmarks.harness.contenders import PEERS

LIMITS = (0.3, 30.0)
"""Of the axis; what lies beyond is drawn at its edge."""
COLOURS = ("#4477aa", "#66ccee", "#228833", "#ccbb44", "#aa3377", "#888888")
"""Of the peers: Tol's bright set, distinct to the colour-blind."""


def draw(rows: Sequence[Row], folder: Path) -> None:
    """Writes ``times.png`` and ``times.svg``."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    from matplotlib import pyplot

    ordered = list(reversed(rows))
    figure, axes = pyplot.subplots(figsize=(9, 2.2 + 0.24 * len(ordered)), layout="constrained")
    places = range(len(ordered))

    def points(values: Sequence[float], label: str, **style: object) -> None:
        inside = [min(max(value, LIMITS[0]), LIMITS[1]) for value in values]
        axes.scatter(inside, list(places), label=label, **style)  # type: ignore[arg-type]

    for peer, colour in zip(PEERS, COLOURS, strict=True):
        found = [one.peers.get(peer, float("nan")) * one.to_oracle for one in ordered]
        points(found, peer, s=14, color=colour, alpha=0.8)
    loops = [one.to_oracle / one.to_loop for one in ordered]
    points(loops, "plain loop", s=45, marker="|", color="black", linewidths=1.5)
    points(
        [one.to_oracle for one in ordered],
        "amorsize",
        s=42,
        marker="D",
        color="#ee6677",
        edgecolors="black",
        linewidths=0.5,
        zorder=5,
    )
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.axvline(1.2, color="black", linewidth=0.6, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(LIMITS[0] * 0.93, LIMITS[1] * 1.07)
    ticks = [0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 30]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_yticks(list(places), [one.name for one in ordered], fontsize=8)
    axes.set_ylim(-0.7, len(ordered) - 0.3)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_xlabel(
        "time / oracle's time (logarithmic; what lies beyond is drawn at the edge)\n"
        "dotted: the promised worst case of amorsize, for loops of at least 20 ms"
    )
    figure.legend(loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    figure.savefig(folder / "times.png", dpi=130)
    figure.savefig(folder / "times.svg", metadata={"Date": None})
    pyplot.close(figure)
