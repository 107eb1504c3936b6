"""Random servers of a fourth hand: as the pages of common services describe their limits.

Kept aside: written and committed before the controller was changed, and looked at only when a change
was done. Most limits are plain ones: so many in each minute, or a rate with some burst; half with hints.
"""

from __future__ import annotations

import random

from benchmarks.api.virtual import Given

KINDS = (
    "minute",  # so many in each minute of the clock
    "short window",  # so many in each few seconds
    "steady",  # a bucket that holds a second's worth
    "drops",  # a bucket that holds a few calls
    "reserve",  # a bucket that holds many seconds' worth
    "words",  # tokens a second
    "doors",  # so many side by side
    "line",  # so many side by side, the others wait
    "doors and rate",  # both refuse
    "minute and second",  # a quota, and a bucket beside it
    "strict",  # refused calls count, or lock out
    "day",  # a rate that changes twice
)


def plain_server(seed: int) -> Given:
    """One of the servers that are drawn: the same for the same seed."""
    rng = random.Random(15_485_863 * seed + 29)
    kind = KINDS[seed % len(KINDS)]
    median = 0.03 * 50.0 ** rng.random()
    values: dict[str, object] = {
        "median": median,
        "sigma": rng.choice([0.0, 0.2, 0.5]),
        "refusal_seconds": rng.choice([0.003, 0.01, 0.03, 0.1]),
        "hint": rng.choice([None, None, "seconds", "float"]),
    }
    seconds = max(20.0 * median, rng.uniform(15.0, 75.0))
    rate = 4.0 * 60.0 ** rng.random()
    if kind == "minute":
        seconds = rng.uniform(2.5, 6.0) * 60.0
        values |= {"quota": max(10, round(60.0 * rate)), "window": 60.0}
    elif kind == "short window":
        window = rng.choice([1.0, 3.0, 15.0])
        seconds = max(seconds, 5.0 * window)
        values |= {"quota": max(3, round(window * rate)), "window": window}
    elif kind == "steady":
        values |= {"rate": rate, "burst": max(1.0, rate)}
    elif kind == "drops":
        values |= {"rate": rate, "burst": float(rng.randint(2, 12))}
    elif kind == "reserve":
        values |= {"rate": rate, "burst": rate * rng.uniform(2.0, 12.0)}
    elif kind == "words":
        values |= {"token_rate": 500.0 * rate, "token_burst": 500.0 * max(4.0, 2.0 * rate)}
    elif kind in ("doors", "line", "doors and rate"):
        cap = round(3.0 * 60.0 ** rng.random())
        values |= {"cap": cap, "queues": kind == "line"}
        if kind == "doors and rate":
            values |= {"rate": rate, "burst": max(1.0, rate * rng.uniform(0.2, 2.0))}
            rate = min(rate, cap / median)
        else:
            rate = cap / median
    elif kind == "minute and second":
        share = rng.uniform(0.4, 0.95)
        seconds = rng.uniform(2.5, 4.5) * 30.0
        values |= {"rate": rate, "burst": max(1.0, rate), "window": 30.0}
        rate *= share
        values["quota"] = max(5, round(30.0 * rate))
    elif kind == "strict":
        values |= {"rate": rate, "burst": max(2.0, rate * rng.uniform(0.1, 1.0))}
        if rng.random() < 0.5:
            values["counts_refused"] = True
        else:
            values["lockout"] = rng.uniform(0.3, 4.0)
    else:
        values |= {"rate": rate, "burst": max(1.0, 0.5 * rate)}
        first, second = sorted(rng.uniform(0.2, 0.8) * seconds for _ in range(2))
        values["changes"] = ((first, rng.uniform(0.4, 2.5)), (second, rng.uniform(0.4, 2.5)))
    values["items"] = max(60, min(9_000, round(rate * seconds)))
    return Given(**values)  # type: ignore[arg-type]
