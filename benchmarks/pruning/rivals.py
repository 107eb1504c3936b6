"""Other ways to choose rows, that pruning is compared with: X, y and masses (or None) of what is kept."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np


def by_chance(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    some = np.random.default_rng(seed).choice(len(X), size, replace=False)
    return X[some], y[some], None


def centroids(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    """k-means over the features, labels by their means."""
    from sklearn.cluster import MiniBatchKMeans  # type: ignore[import-untyped,unused-ignore]

    own = MiniBatchKMeans(size, random_state=seed, n_init=1, batch_size=4096).fit_predict(X)
    own = np.unique(own, return_inverse=True)[1]
    count = np.bincount(own)
    centers = np.stack([np.bincount(own, column) for column in X.T], 1) / count[:, None]
    return centers, np.bincount(own, y) / count, count.astype(float)


def k_centre(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    """Greedy: always the row that is farthest from those taken."""
    taken = [int(np.random.default_rng(seed).integers(len(X)))]
    away = ((X - X[taken[0]]) ** 2).sum(1)
    while len(taken) < size:
        taken.append(int(away.argmax()))
        away = np.minimum(away, ((X - X[taken[-1]]) ** 2).sum(1))
    return X[taken], y[taken], None


def earlier(X: Any, y: Any) -> tuple[Any, Any, Any]:
    """The algorithm of old: clusters by a fixed threshold, five of each, those of the best outcome."""
    Z = (X - X.min(0)) / np.where(np.ptp(X, 0) > 0, np.ptp(X, 0), 1.0) / np.sqrt(X.shape[1])
    leaders: list[int] = []
    own = np.empty(len(Z), np.intp)
    for i, row in enumerate(Z):
        away = ((Z[leaders] - row) ** 2).sum(1) if leaders else np.array([np.inf])
        if away.min() > 0.25:
            leaders.append(i)
            own[i] = len(leaders) - 1
        else:
            own[i] = int(away.argmin())
    kept = []
    for cluster in range(len(leaders)):
        inside = np.flatnonzero(own == cluster)
        kept += inside[np.argsort(y[inside])][:5].tolist()
    return X[kept], y[kept], None


def drop(X: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    """DROP2 for regression: a row goes if the rows that have it among their neighbours are predicted no
    worse without it (Arnaiz-Gonzalez et al., Neurocomputing 2016); its size is its own."""
    from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

    k, reach = 5, min(60, len(X))
    near = cKDTree(X).query(X, reach)[1].tolist()
    label = y.tolist()
    lists, further = [], []
    users: list[set[int]] = [set() for _ in near]
    for row, some in enumerate(near):
        others = [other for other in some if other != row]
        lists.append(others[:k])
        further.append(iter(others[k:]))
        for other in others[:k]:
            users[other].add(row)
    alive = np.ones(len(X), bool)
    for row in np.random.default_rng(seed).permutation(len(X)).tolist():
        if alive.sum() <= 20:
            break
        change, fresh = 0.0, {}
        for user in users[row]:
            mine = lists[user]
            other = next((o for o in further[user] if alive[o]), -1)
            fresh[user] = other
            now = sum(label[o] for o in mine) / len(mine)
            left = [o for o in mine if o != row] + ([other] if other >= 0 else [])
            then = sum(label[o] for o in left) / len(left) if left else np.inf
            change += abs(then - label[user]) - abs(now - label[user])
        gone = change <= 0
        alive[row] = not gone
        for user, other in fresh.items():
            if gone:
                lists[user] = [o for o in lists[user] if o != row]
                if other >= 0:
                    lists[user].append(other)
                    users[other].add(user)
            elif other >= 0:  # not needed yet: first in turn again
                further[user] = chain([other], further[user])
    return X[alive], y[alive], None


def diskr(X: Any, y: Any) -> tuple[Any, Any, Any]:
    """DISKR for regression: outliers go, then every row whose removal raises the error of those that have
    it among their neighbours by at most 5 % (Song et al., Knowledge-Based Systems 2017); its size is its
    own."""
    from scipy.spatial import cKDTree  # type: ignore[import-untyped,unused-ignore]

    k, reach, most = 9, min(40, len(X)), 0.05
    near = cKDTree(X).query(X, reach)[1][:, 1:]
    residual = np.abs(y[near[:, :k]].mean(1) - y)
    alive = residual <= (1.0 - most) * np.abs(y).mean() * 2.5
    users: list[list[int]] = [[] for _ in range(len(X))]
    for row, some in enumerate(near):
        for other in some:
            users[other].append(row)
    for row in np.argsort(-residual):
        if not alive[row] or alive.sum() <= 20 or not users[row]:
            continue
        who = np.array(users[row])
        live = alive[near[who]]
        before = live & (np.cumsum(live, 1) <= k)
        live &= near[who] != row
        after = live & (np.cumsum(live, 1) <= k)
        if (after.sum(1) < 2).any():
            continue
        old, new = (
            np.abs((y[near[who]] * m).sum(1) / np.maximum(m.sum(1), 1) - y[who]).sum()
            for m in (before, after)
        )
        alive[row] = new > (1.0 + most) * old
    return X[alive], y[alive], None


def kernel_thinned(X: Any, y: Any, size: int, seed: int) -> tuple[Any, Any, Any]:
    """Supervised kernel thinning (Gong et al., NeurIPS 2024): rows at random, halved until ``size`` are
    left, so that both halves have nearly the same sums of ``k(a, b) (1 + y_a y_b)``.

    ``k`` is Gaussian; of three widths that is taken by which five neighbours predict best."""
    rng = np.random.default_rng(seed)
    rounds = max(0, int(np.log2(len(X) / size)))
    some = rng.permutation(len(X))[: size * 2**rounds]
    d2 = ((X[some] ** 2).sum(1)[:, None] + (X[some] ** 2).sum(1) - 2 * X[some] @ X[some].T).clip(0)
    pairs = 1.0 + y[some][:, None] * y[some]
    found = []
    for width in (0.1, 0.3, 1.0):
        kernel = np.exp(-d2 / (2.0 * width**2 * max(float(np.median(d2)), 1e-12))) * pairs
        kept = np.arange(len(some))
        for _ in range(rounds):
            kept = kept[halved(kernel[np.ix_(kept, kept)], rng)]
        near = np.argpartition(d2[:, kept], min(5, size - 1), 1)[:, :5]
        error = float(((y[some][kept][near].mean(1) - y[some]) ** 2).mean())
        found.append((error, width, some[kept]))
    which = min(found)[2]
    return X[which], y[which], None


def halved(kernel: Any, rng: np.random.Generator) -> Any:
    """One of each pair of rows: kernel halving (Dwivedi and Mackey, "Kernel thinning", JMLR 2024)."""
    pairs = len(kernel) // 2
    chosen = np.empty(pairs, np.intp)
    sums, variance = np.zeros(len(kernel)), 0.0
    doubt = np.sqrt(2.0 * np.log(2.0 * pairs / 0.5))
    for pair in range(pairs):
        a, b = 2 * pair, 2 * pair + 1
        square = max(float(kernel[a, a] + kernel[b, b] - 2.0 * kernel[a, b]), 0.0)
        limit = max(doubt * (variance * square) ** 0.5, square) or 1.0
        tilt = float(sums[a] - sums[b])
        variance += square * max(0.0, 1.0 + (square - 2.0 * limit) * variance / limit**2)
        sign = 1.0 if rng.random() < 0.5 * (1.0 - tilt / limit) else -1.0
        chosen[pair] = a if sign > 0 else b
        sums += sign * (kernel[a] - kernel[b])
    return chosen
