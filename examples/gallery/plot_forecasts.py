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
# Twelve runs over data of different sizes.

rng = random.Random(0)


def job(number: int) -> int:
    return sum(i * i for i in range(number))


said, took = [], []
with open_history(":memory:") as history:
    for _ in range(12):
        data = [rng.randrange(5_000, 15_000) for _ in range(200)]
        plan = amorsize.optimize(job, data, history=history)
        plan.execute()
        if plan.real_seconds is not None and plan.estimated_interval is not None:
            said.append(plan.estimated_interval)
            took.append(plan.real_seconds)
        print(
            f"{plan.source:8} said {plan.estimated_seconds:.3f} s, took {plan.real_seconds or 0:.3f} s"
        )

# %%
# The range that a plan states is meant to hold four of five runs.

import matplotlib.pyplot as plt  # noqa: E402

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
places = range(1, len(took) + 1)
axes.vlines(
    places, [1000 * low for low, _ in said], [1000 * high for _, high in said], lw=6, alpha=0.4
)
axes.plot(places, [1000 * seconds for seconds in took], "o", color="black")
axes.set(
    xlabel="run",
    ylabel="milliseconds",
    ylim=(0, None),
    title="forecast (bar) and real time (dot)",
)
plt.show()
