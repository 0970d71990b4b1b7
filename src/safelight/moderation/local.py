"""Classifiers from a folder in the hub's format, run by the torch extra; never downloaded.

The weights must be safetensors: other kinds can run code. Any model for image-classification or
text-classification will do whose labels say what is unsafe, such as Falconsai's "nsfw".
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from safelight.moderation.meaning import pieces
from safelight.moderation.verdict import ALLOWED, Category, Verdict

# What labels mean; those of the operator's choice come on top, as "label=category".
LABELS: dict[str, Category] = {
    "nsfw": Category.SEXUAL, "porn": Category.SEXUAL, "hentai": Category.SEXUAL,
    "sexual": Category.SEXUAL, "explicit": Category.SEXUAL, "unsafe": Category.SEXUAL,
    "gore": Category.GORE, "violence/graphic": Category.GORE, "hate": Category.HATE,
    "self-harm": Category.SELF_HARM, "sexual/minors": Category.MINORS,
}  # fmt: skip
BASE = 0.5  # probability from which on a label counts
STRICT = 0.3
MINORS = 0.2


class LocalModel:
    """What the two kinds share: a folder, its labels, and probabilities of them."""

    kind = ""

    def __init__(self, folder: Path, labels: Mapping[str, Category]):
        self.folder = folder
        self.name = f"{folder.name}-{self.kind}"
        self._wanted = {**LABELS, **labels}
        self._meanings: list[tuple[int, Category]] = []
        self._model: Any = None

    def _take(self, model: Any) -> None:
        """Raises ValueError for a model none of whose labels means anything to us."""
        named = {int(number): str(label).lower() for number, label in model.config.id2label.items()}
        known = [(n, self._wanted[name]) for n, name in named.items() if name in self._wanted]
        if not known:
            raise ValueError(f"{self.folder}: no label of {sorted(named.values())} is known")
        self._meanings = known
        self._model = model.eval()

    def _decide(self, inputs: Any, limit: float) -> Verdict:
        import torch

        if self._model is None:
            raise RuntimeError("the model is not loaded")
        with torch.inference_mode():
            [logits] = self._model(**inputs).logits.float()
        many = self._model.config.problem_type == "multi_label_classification"
        probabilities = logits.sigmoid() if many else logits.softmax(0)
        found = [(float(probabilities[n]), category) for n, category in self._meanings]
        bad = [(score, category) for score, category in found if not score < limit]  # and NaN
        if not bad:
            return ALLOWED
        order = list(Category)
        score, category = min(bad, key=lambda pair: order.index(pair[1]))
        return Verdict(category, score, self.name)


class LocalPictures(LocalModel):
    """A model for image-classification."""

    kind = "pictures"

    def load(self) -> None:
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        options = {"local_files_only": True, "trust_remote_code": False}
        self._processor = AutoImageProcessor.from_pretrained(self.folder, **options)
        self._take(
            AutoModelForImageClassification.from_pretrained(
                self.folder, use_safetensors=True, **options
            )
        )

    def judge(self, pixels: npt.NDArray[np.uint8], *, strict: bool, minors: bool) -> Verdict:
        inputs = self._processor(images=Image.fromarray(pixels), return_tensors="pt")
        found = self._decide(inputs, MINORS if minors else STRICT if strict else BASE)
        if minors and found.category is Category.SEXUAL:
            return Verdict(Category.MINORS, found.score, self.name)
        return found


class LocalWords(LocalModel):
    """A model for text-classification."""

    kind = "prompts"

    def load(self) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        options = {"local_files_only": True, "trust_remote_code": False}
        self._tokenizer = AutoTokenizer.from_pretrained(self.folder, **options)
        self._take(
            AutoModelForSequenceClassification.from_pretrained(
                self.folder, use_safetensors=True, **options
            )
        )

    def judge(self, text: str, *, strict: bool) -> Verdict:
        """The gravest of what is found, piece by piece where the whole is more than it reads."""
        limit = STRICT if strict else BASE
        fits = len(self._tokenizer(text)["input_ids"]) <= self._tokenizer.model_max_length
        found = [self._judge_piece(piece, limit) for piece in ([text] if fits else pieces(text))]
        order: list[Category | None] = list(Category)
        bad = [one for one in found if one.category is not None]
        return min(bad, key=lambda one: order.index(one.category), default=ALLOWED)

    def _judge_piece(self, text: str, limit: float) -> Verdict:
        return self._decide(self._tokenizer(text, truncation=True, return_tensors="pt"), limit)

    def speaks_of_minors(self, text: str) -> bool:
        return False  # our own rules know


def read_labels(pairs: Collection[str]) -> dict[str, Category]:
    """`toxic=hate` → what the label means. Raises ValueError."""
    return {
        label.strip().lower(): Category(category.strip())
        for label, _, category in (pair.partition("=") for pair in pairs)
    }
