"""Random servers of another hand than those of :mod:`benchmarks.api.virtual`: shaped after documented
APIs.

Kept aside: the controller was not looked at with them while it was written. Several limits together,
sliding windows, other callers in the same bucket, changes by other factors, refusals with 503, slow
refusals.
"""

from __future__ import annotations

import random

from benchmarks.api.virtual import Given

KINDS = (
    "model",  # requests and tokens a minute in buckets that fill evenly, as language models have them
    "gateway",  # a rate with a small burst, refused at once, as nginx and API gateways have it
    "second",  # so many in each second
    "sliding",  # so many in any ten or thirty seconds
    "cloud",  # a bucket without a hint, and throttling by halves
    "connections",  # so many side by side, and a rate
    "shared",  # a bucket that others use, too
    "slow",  # more side by side take longer, and a bucket
    "queue",  # callers wait
    "maintenance",  # nothing is limited but for a time nothing is served
)


def other_server(seed: int) -> Given:
    """One of the servers that are drawn: the same for the same seed."""
    rng = random.Random(1_000_003 * seed + 17)
    kind = KINDS[seed % len(KINDS)]
    median = rng.choice([0.04, 0.1, 0.25, 0.6, 1.2])
    values: dict[str, object] = {
        "median": median,
        "sigma": rng.choice([0.0, 0.2, 0.4, 0.7]),
        "refusal_seconds": rng.choice([0.002, 0.02, 0.08]),
        "hint": rng.choice([None, "seconds", "float"]),
    }
    seconds = rng.uniform(15.0, 80.0)
    rate = rng.choice([4.0, 9.0, 18.0, 35.0, 70.0, 140.0]) * rng.uniform(0.8, 1.25)
    if kind == "model":
        values |= {"rate": rate, "burst": rate * rng.choice([1.0, 6.0, 15.0]), "hint": "float"}
        share = rng.uniform(0.6, 1.6) * 500.0 * rate
        values |= {"token_rate": share, "token_burst": max(2000.0, share * rng.choice([1.0, 10.0]))}
        rate = min(rate, share / 500.0)
    elif kind == "gateway":
        values |= {"rate": rate, "burst": float(rng.choice([1, 5, 20]))}
    elif kind == "second":
        quota = max(2, round(rate))
        values |= {"quota": quota, "window": 1.0}
        rate = float(quota)
    elif kind == "sliding":
        window = rng.choice([10.0, 30.0])
        seconds = max(seconds, 3.0 * window)
        values |= {"sliding": max(5, round(rate * window)), "window": window}
    elif kind == "cloud":
        factor = rng.choice([0.4, 0.6, 1.6, 2.5])
        values |= {"rate": rate, "burst": 2.0 * rate, "hint": None}
        values["changes"] = ((seconds * rng.uniform(0.2, 0.6), factor),)
    elif kind == "connections":
        cap = rng.choice([3, 6, 15, 50, 150])
        values |= {"cap": cap, "rate": rate, "burst": rate}
        rate = min(rate, cap / median)
    elif kind == "shared":
        values |= {"rate": 1.5 * rate, "burst": rate * rng.choice([0.3, 1.5]), "others": 0.5 * rate}
    elif kind == "slow":
        knee = rng.choice([5, 12, 30, 80])
        values |= {"knee": knee, "power": rng.choice([0.8, 1.2, 2.0]), "rate": rate, "burst": rate}
        rate = min(rate, knee / median)
    elif kind == "queue":
        values |= {"cap": rng.choice([4, 12, 40, 120]), "queues": True}
        rate = float(str(values["cap"])) / median
    else:
        most = rng.choice([16, 50, 150])
        values |= {"most": most, "outages": ((rng.uniform(2.0, 10.0), rng.uniform(0.5, 12.0)),)}
        rate = most / median
    values["items"] = max(60, min(8_000, round(rate * seconds)))
    return Given(**values)  # type: ignore[arg-type]
