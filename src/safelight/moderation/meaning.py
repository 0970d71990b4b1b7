"""The prompt classifier: what a prompt means, in many languages, where no listed word is in it."""

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.moderation.verdict import ALLOWED, Category, Verdict

WEIGHTS = Path(__file__).parent / "weights" / "prompts.npz"
Encode = Callable[[Sequence[str]], npt.NDArray[np.floating[Any]]]  # → unit vectors [texts, 512]
Groups = Callable[[str], Collection[str]]  # which groups of the rules' words are in a prompt

# The order of the head's outputs; the gravest is refused for.
CATEGORIES = (Category.SEXUAL, Category.GORE, Category.HATE, Category.SELF_HARM)
# What the rules' own lists excuse, as rules.toml has it.
EXCUSES = {
    Category.SEXUAL: {"art", "medical", "parenting", "prevention"},
    Category.GORE: {"art", "medical", "prop", "history"},
    Category.HATE: {"history", "prevention", "religion"},
    Category.SELF_HARM: {"prevention", "medical"},
}
WITH_MINORS = 0.65  # sexual content, in a prompt whose words speak of minors
STRICT = 0.85  # of a threshold, where the stricter check was asked for
NEAR = 0.8  # of a threshold, from where on a person may want to look
WINDOW = 160  # characters; a longer prompt is also read piece by piece, or it would drown its sense
WINDOWS_MAX = 32
SPACES = re.compile(r"[^\S\n]{2,}")
SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")


class PromptClassifier:
    """A logistic regression on sentence embeddings, trained by training/moderation.

    `encode` is the core's multilingual sentence encoder: 2 ms of a core for a short prompt, 10 ms
    for 700 characters. Knows nothing of disguises, which is what the rules are for.
    """

    name = "prompt-classifier"

    def __init__(self, encode: Encode, groups: Groups, weights: Path = WEIGHTS):
        """`groups`: the words of a prompt by the rules' lists, which excuse and aggravate."""
        self._encode = encode
        self._groups = groups
        self.weights = weights
        self._limits: npt.NDArray[np.float32] | None = None

    def load(self) -> None:
        with np.load(self.weights, allow_pickle=False) as stored:
            self._weight = stored["weight"].astype(np.float32)  # [512, categories and "child"]
            self._bias = stored["bias"]
            limits = stored["limits"][: len(CATEGORIES)]
        self._encode(["a cat"])  # reads the encoder's own weights
        self._limits = limits

    def judge(self, text: str, *, strict: bool) -> Verdict:
        scores, groups = self.scores(text), self._groups(text)
        if "minor" in groups and not scores[0] < WITH_MINORS:
            return Verdict(Category.MINORS, float(scores[0]), self.name)
        assert self._limits is not None
        near: Verdict = ALLOWED
        for category, score, limit in zip(CATEGORIES, scores, self._limits, strict=True):
            if EXCUSES[category] & set(groups):
                continue
            if not score < limit * (STRICT if strict else 1.0):  # "not less": NaN is refused
                return Verdict(category, float(score), self.name)
            if score >= limit * NEAR and near.allowed and near.near is None:
                near = Verdict(None, float(score), self.name, near=category)
        return near

    def speaks_of_minors(self, text: str) -> bool:
        return False  # the rules know

    def scores(self, text: str) -> npt.NDArray[np.float32]:
        """Of each category, 0 to 1, the highest of the whole prompt's and of its pieces'."""
        if self._limits is None:
            raise RuntimeError("the classifier is not loaded")
        logits = self._encode(pieces(text)) @ self._weight + self._bias
        scores: npt.NDArray[np.float32] = 1 / (1 + np.exp(-logits.max(0)))
        return scores[: len(CATEGORIES)]


def pieces(text: str) -> list[str]:
    """The text, and of a long one its sentences, the longest of them in parts.

    Where they are many, the text is read in parts that overlap: none is to hide behind others.
    """
    text = SPACES.sub(" ", text)  # whoever draws reads no more than one
    if len(text) <= WINDOW:
        return [text]
    found = [
        sentence[start : start + WINDOW]
        for sentence in SENTENCE_END.split(text)
        for start in range(0, len(sentence), WINDOW)
    ]
    if len(found) > WINDOWS_MAX:
        parts = range(0, len(text), WINDOW // 2)
        found = [text[start : start + WINDOW] for start in parts[: 2 * WINDOWS_MAX]]
    return [text[: WINDOW * WINDOWS_MAX], *found]
