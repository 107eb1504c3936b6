"""
A forecast comes true more often when the function is known
===========================================================

Each run is recorded in a history. The next run of the same function knows how long it will take. Here the
history lives in memory, so that this page begins from nothing each time it is made.
"""

import random

import amorsize
from amorsize.history import open_history

# %%
# Twelve runs over data of different sizes. The first one knows nothing: its range is wide.

rng = random.Random(0)


def job(number: int) -> int:
    return sum(i * i for i in range(number))


ranges, took = [], []
with open_history(":memory:") as history:
    for number in range(1, 13):
        data = [rng.randrange(20_000, 60_000) for _ in range(150)]
        plan = amorsize.optimize(job, data, history=history)
        plan.execute()
        if plan.real_seconds is None or plan.estimated_interval is None:
            continue
        low, high = plan.estimated_interval
        ranges.append((low, high))
        took.append(plan.real_seconds)
        print(
            f"run {number:2}, {plan.source:7}: "
            f"said {low:.2f} to {high:.2f} s, took {plan.real_seconds:.2f} s"
        )

# %%
# The range that a plan states is meant to hold four of five runs.

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
places = range(1, len(took) + 1)
axes.vlines(
    places,
    [low for low, _ in ranges],
    [high for _, high in ranges],
    lw=8,
    alpha=0.4,
    label="range of the forecast",
)
axes.plot(places, took, "o", color="black", label="real time")
axes.set(xlabel="run", ylabel="seconds, log scale", yscale="log")
axes.xaxis.set_major_locator(MaxNLocator(integer=True))
axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
axes.yaxis.set_minor_formatter(NullFormatter())
axes.legend()
plt.show()
