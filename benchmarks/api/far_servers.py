"""Random servers of a third hand: extremes and pairs of limits that the others seldom have.

Kept aside: written before the controller was changed, and looked at only when a change was done.
"""

from __future__ import annotations

import random

from benchmarks.api.virtual import Given

KINDS = (
    "few",  # very few side by side
    "many",  # hundreds side by side
    "even",  # a rate with next to no burst
    "saved",  # a bucket that holds many seconds' worth
    "double",  # a rate, and a quota in each minute
    "budget",  # tokens a second, and calls side by side
    "neighbours",  # others use the bucket, in bursts of chance
    "grows",  # more is allowed later, or less
    "bends",  # gently slower beyond a knee
    "waits",  # callers wait behind a cap, and a rate
    "locks",  # who overdraws is locked out
    "down",  # nothing is served for long
    "any ten seconds",  # sliding
    "free",  # no limit but the client's own
)


def far_server(seed: int) -> Given:
    """One of the servers that are drawn: the same for the same seed."""
    rng = random.Random(7_368_787 * seed + 5)
    kind = KINDS[seed % len(KINDS)]
    median = 0.02 * 75.0 ** rng.random()
    values: dict[str, object] = {
        "median": median,
        "sigma": rng.choice([0.0, 0.1, 0.3, 0.5]),
        "refusal_seconds": rng.choice([0.004, 0.015, 0.04]),
        "hint": rng.choice([None, None, "seconds", "float"]),
    }
    seconds = max(20.0 * median, rng.uniform(20.0, 90.0))
    rate = 3.0 * 80.0 ** rng.random()
    if kind in ("few", "many"):
        cap = rng.randint(1, 6) if kind == "few" else rng.randint(200, 700)
        values |= {"cap": cap}
        rate = cap / median
    elif kind == "even":
        values |= {"rate": rate, "burst": float(rng.randint(1, 3))}
    elif kind == "saved":
        values |= {"rate": rate, "burst": rate * rng.uniform(3.0, 10.0)}
    elif kind == "double":
        window = rng.choice([20.0, 60.0])
        share = rng.uniform(0.5, 0.9)
        seconds = max(seconds, 3.0 * window)
        values |= {"rate": rate, "burst": max(1.0, 0.5 * rate), "window": window}
        values["quota"] = max(5, round(share * rate * window))
        rate *= share
    elif kind == "budget":
        cap = rng.randint(5, 60)
        values |= {
            "token_rate": 500.0 * rate,
            "token_burst": max(3000.0, 1500.0 * rate),
            "cap": cap,
        }
        rate = min(rate, cap / median)
    elif kind == "neighbours":
        share = rng.uniform(0.1, 0.6)
        values |= {
            "rate": rate,
            "burst": max(2.0, rate * rng.uniform(0.2, 2.0)),
            "others": share * rate,
        }
        rate *= 1.0 - share
    elif kind == "grows":
        factor = rng.choice([0.3, 0.7, 1.5, 3.0])
        values["changes"] = ((seconds * rng.uniform(0.15, 0.5), factor),)
        if rng.random() < 0.5:
            values["cap"] = cap = rng.randint(8, 80)
            rate = cap / median
        else:
            values |= {"rate": rate, "burst": max(1.0, rate * rng.uniform(0.1, 1.5))}
    elif kind == "bends":
        knee = rng.randint(6, 120)
        values |= {"knee": knee, "power": rng.uniform(1.0, 1.4)}
        rate = knee / median
    elif kind == "waits":
        cap = rng.randint(10, 150)
        values |= {"cap": cap, "queues": True, "rate": rate, "burst": max(1.0, 0.3 * rate)}
        rate = min(rate, cap / median)
    elif kind == "locks":
        values |= {"rate": rate, "burst": max(2.0, 0.5 * rate), "lockout": rng.uniform(0.3, 5.0)}
    elif kind == "down":
        values |= {
            "rate": rate,
            "burst": max(1.0, rate),
            "outages": ((rng.uniform(3.0, 9.0), rng.uniform(4.0, 15.0)),),
        }
    elif kind == "any ten seconds":
        window = rng.choice([5.0, 10.0, 20.0])
        seconds = max(seconds, 4.0 * window)
        values |= {"sliding": max(5, round(rate * window)), "window": window}
    else:
        values["most"] = most = rng.randint(10, 400)
        rate = most / median
    values["items"] = max(60, min(8_000, round(rate * seconds)))
    return Given(**values)  # type: ignore[arg-type]
