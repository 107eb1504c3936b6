"""
What is chosen for four kinds of work
=====================================

The same call for four functions: one is trivial, one computes, one waits, and one changes a global list.
The plan says what was chosen, and why.
"""

import math
import time

import amorsize

# %%
# Trivial work is over before workers could pay.

plan = amorsize.optimize(math.sqrt, range(1_000), history=None)
print(plan)

# %%
# A function that computes in Python holds the GIL, so only processes help.


def computes(number: int) -> int:
    return sum(i * i for i in range(number))


plan = amorsize.optimize(computes, [20_000] * 300, history=None)
print(plan)
assert plan.execute() == [computes(20_000)] * 300
print(plan.run)

# %%
# A function that waits gets many more threads than there are cores.


def waits(number: int) -> int:
    time.sleep(0.01)
    return number


plan = amorsize.optimize(waits, range(200), history=None)
print(plan)
assert plan.execute() == list(range(200))

# %%
# A function that changes something outside of itself stays in the caller. The plan names what it changes.

seen: list[int] = []


def remembers(number: int) -> int:
    seen.append(number)
    return sum(i * i for i in range(20_000))


plan = amorsize.optimize(remembers, range(100), history=None)
print(plan.safety)
plan.execute()
assert len(seen) == 100
