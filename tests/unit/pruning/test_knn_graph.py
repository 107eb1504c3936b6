"""Pairs of near rows."""

from __future__ import annotations

import numpy as np
import pytest

from amorsize.pruning.knn_graph import unique_pairs


@pytest.mark.parametrize("kind", ["int32", "int64"])
def test_pairs_of_many_rows_come_once_each(kind: str) -> None:
    """On Windows NumPy 1 counts in 32 bits, in which a product of two numbers of rows has no room."""
    rows = 70_000
    first = np.array([69_999, 3, 5, 69_998, 69_999], kind)
    second = np.array([69_998, 69_999, 5, 69_999, 3], kind)
    assert unique_pairs(first, second, rows).tolist() == [[3, 69_999], [69_998, 69_999]]
