"""Linear discriminants in closed form: heads that need only numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Linear:
    """Scores of classes from features; `classes` says which number each row has."""

    weight: npt.NDArray[np.floating]  # [classes, features]
    bias: npt.NDArray[np.floating]
    classes: Integers

    def among(self, features: Floats, allowed: Sequence[int]) -> Integers:
        """[n, features] → of the allowed classes the likeliest, [n]."""
        rows = np.isin(self.classes, allowed)
        scores = features @ self.weight[rows].T.astype(np.float32) + self.bias[rows]
        return self.classes[rows][scores.argmax(1)]

    def only(self, allowed: Sequence[int]) -> "Linear":
        """These classes alone, numbered by their places among `allowed`, and small."""
        order = [int(np.flatnonzero(self.classes == k)[0]) for k in allowed]
        weight, bias = self.weight[order], self.bias[order]
        scale = np.abs(weight).max()
        return Linear((weight / scale).astype(np.float16), bias / scale, np.arange(len(order)))


def fit_linear(features: Floats, said: Integers, shrinkage: float) -> Linear:
    """The classes' means, seen through one covariance within them (Fisher 1936).

    `shrinkage`: how far the covariance is moved towards a multiple of one, 0..1.
    """
    classes, row = np.unique(said, return_inverse=True)
    means = np.stack([features[row == k].mean(0, dtype=np.float64) for k in range(len(classes))])
    away = (features - means[row]).astype(np.float32)
    spread = (away.T @ away).astype(np.float64) / max(1, len(features) - len(classes))
    size = np.trace(spread) / len(spread)
    spread *= 1 - shrinkage
    spread[np.diag_indices(len(spread))] += shrinkage * size + 1e-9
    weight = np.linalg.solve(spread, means.T).T
    bias = -0.5 * (weight * means).sum(1)
    return Linear(weight.astype(np.float32), bias.astype(np.float32), classes)
