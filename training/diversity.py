"""How much sixteen seeds of one prompt differ, beside drawings that people made of one thing.

Two pictures differ visibly when what the eye sees of them lies farther apart than a threshold: the
one that best tells two drawings of a thing from one drawing, mirrored and moved, set up twice.
"""

from collections.abc import Callable

import numpy as np

from training.eye import Eye
from training.questions import CREATURES, Question, a
from training.staged import SETTINGS, Asked, Stage
from training.things import Things

SEEDS = 16  # of one prompt
WHITE = SETTINGS.index("on a plain white background")
AGAIN = 4  # times that one drawing is set up


def diversity(
    draw: Callable[[Question, int], np.ndarray | None],
    stage: Stage,
    eye: Eye,
    things: Things,
    every: int = 1,
) -> dict[str, float]:
    """Over CREATURES, on white: mean distances (0 the same, 1 unrelated) and shares beyond."""
    seeds: list[np.ndarray] = []  # [pairs] of each creature
    same, other = list[np.ndarray](), list[np.ndarray]()
    for name in list(CREATURES)[::every]:
        concept = things.concept(name)
        asked = Asked(concept, setting=WHITE)
        question = Question(f"{a(name)} {SETTINGS[WHITE]}", asked)
        drawn = [draw(question, seed) for seed in range(SEEDS)]
        seeds.append(distances(_vectors([p for p in drawn if p is not None], eye)))
        drawings = stage.drawings(concept)
        set_up = [
            _vectors([stage.picture(asked, [d], seed) for seed in range(AGAIN)], eye)
            for d in drawings
        ]
        same += [_pairs(distances(vectors)) for vectors in set_up]
        other.append(_pairs(distances(np.stack([vectors[0] for vectors in set_up]))))
    threshold = parting(np.concatenate(same), np.concatenate(other))
    distinct = [apart(matrix, threshold) for matrix in seeds]
    pairs = np.concatenate([_pairs(matrix) for matrix in seeds])
    found = {
        "seeds": pairs.mean(),
        "different drawings": np.concatenate(other).mean(),
        "one drawing set up again": np.concatenate(same).mean(),
        "threshold": threshold,
        "threshold right": 0.5
        * ((np.concatenate(other) > threshold).mean() + (np.concatenate(same) <= threshold).mean()),
        "pairs of seeds beyond": (pairs > threshold).mean(),
        "distinct of 16, mean": np.mean(distinct),
        "distinct of 16, least": min(distinct),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def _vectors(pictures: list[np.ndarray], eye: Eye) -> np.ndarray:
    """[n, FEATURES], each of length one."""
    seen = np.stack([eye.look(pixels).mean for pixels in pictures]).astype(np.float32)
    return seen / np.linalg.norm(seen, axis=1, keepdims=True)


def distances(vectors: np.ndarray) -> np.ndarray:
    """[n, n]: 1 − cosine."""
    return 1 - vectors @ vectors.T


def _pairs(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def parting(same: np.ndarray, other: np.ndarray) -> float:
    """The distance at which as large a share of `same` lies beyond as of `other` within."""
    candidates = np.sort(np.concatenate([same, other]))
    balance = [abs((same > t).mean() - (other <= t).mean()) for t in candidates]
    return float(candidates[int(np.argmin(balance))])


def apart(matrix: np.ndarray, threshold: float) -> int:
    """How many can be kept, taken in their order, so that each is beyond it from all others."""
    kept: list[int] = []
    for k in range(len(matrix)):
        if all(matrix[k, other] > threshold for other in kept):
            kept.append(k)
    return len(kept)
