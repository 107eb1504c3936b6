"""The functions of the workloads that need NumPy, apart so that only these pay for its import.

Sums are rounded: the number of BLAS threads may change the last digits, and results are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def matrices(count: int, size: int) -> list[Array]:
    random = np.random.default_rng(7)
    return [random.standard_normal((size, size)) for _ in range(count)]


def product(matrix: Array) -> float:
    return round(float(np.trace(matrix @ matrix)), 3)


def singular_values(matrix: Array) -> float:
    return round(float(np.linalg.svd(matrix, compute_uv=False).sum()), 3)


def solve(matrix: Array) -> float:
    return round(float(np.abs(np.linalg.solve(matrix + 50 * np.eye(len(matrix)), matrix)).sum()), 2)


def spectrum(seed: int) -> float:
    values = np.random.default_rng(seed).standard_normal(1 << 17)
    return round(float(np.abs(np.fft.rfft(values)).sum()), 2)


def elementwise(seed: int) -> float:
    values = np.arange(500_000, dtype=np.float64) + seed
    return round(float(np.sqrt(np.sin(values) ** 2 + np.cos(values) ** 2).sum()), 3)


def streaming_sum(values: Array) -> float:
    """Bound by memory bandwidth, not by cores."""
    return round(float((values * 2.0 + 1.0).sum()), 3)


def sort_largest(values: Array) -> float:
    return round(float(np.sort(values)[-10:].sum()), 6)


def noise(seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(300_000)
