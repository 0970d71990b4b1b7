"""The picture filter: a small classifier that tells photographs and drawings from pornography."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

from safelight.moderation.verdict import ALLOWED, Category, Verdict

WEIGHTS = Path(__file__).parent / "weights" / "pictures.onnx"
SIDE = 224  # pixels of the classifier's input
LONG = 1.25  # longer side ÷ shorter: from here on both ends are looked at by themselves, too
REDUCING_GAP = 2.0  # shrink by whole numbers down to twice the input, then smoothly


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities of the five classes; they sum to 1."""

    drawing: float
    hentai: float
    neutral: float
    porn: float
    sexy: float

    @property
    def explicit(self) -> float:
        return self.porn + self.hentai

    @property
    def any_kind(self) -> float:
        return self.explicit + self.sexy


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on a picture is refused."""

    explicit: float
    any_kind: float


BASE = Thresholds(explicit=0.7, any_kind=2.0)  # 2: lingerie and swimwear may be shown
STRICT = Thresholds(explicit=0.45, any_kind=0.65)
WITH_MINORS = Thresholds(explicit=0.3, any_kind=0.4)  # the prompt speaks of children
NEAR = 0.7  # of the threshold, from where on a person may want to look


def decide(scores: Scores, *, strict: bool, minors: bool) -> Verdict:
    limits = WITH_MINORS if minors else STRICT if strict else BASE
    category = Category.MINORS if minors else Category.SEXUAL
    for score, limit in (
        (scores.explicit, limits.explicit),
        (scores.any_kind, limits.any_kind),
    ):
        if not score < limit:  # "not less": NaN is refused
            return Verdict(category, score, NsfwClassifier.name)
    if scores.explicit >= NEAR * limits.explicit:
        return Verdict(None, scores.explicit, NsfwClassifier.name, near=category)
    return ALLOWED


class NsfwClassifier:
    """MobileNetV2 from the npm package nsfwjs (MIT), converted by training/moderation/convert.py.

    About 20 ms of one core for each view. Knows nudity and pornography, in photographs and in
    drawings; it knows nothing of age, violence or symbols.
    """

    name = "nsfw-classifier"

    def __init__(self, threads: int = 1, weights: Path = WEIGHTS):
        self._threads = threads
        self.weights = weights
        self._session: onnxruntime.InferenceSession | None = None

    def load(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            self.weights.read_bytes(), options, providers=["CPUExecutionProvider"]
        )

    def judge(
        self, pixels: npt.NDArray[np.uint8], *, strict: bool, minors: bool = False
    ) -> Verdict:
        nearest = ALLOWED
        for view in views(pixels):
            found = decide(self.scores(view), strict=strict, minors=minors)
            if not found.allowed:
                return found
            nearest = max(nearest, found, key=lambda verdict: verdict.score)
        return nearest

    def scores(self, view: npt.NDArray[np.uint8]) -> Scores:
        """`view`: [224, 224, 3]."""
        if self._session is None:
            raise RuntimeError("the classifier is not loaded")
        picture = view[None].astype(np.float32) / 255
        (probabilities,) = self._session.run(None, {"picture": picture})
        return Scores(*map(float, probabilities[0]))


def views(pixels: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
    """The whole picture made square, as the classifier was trained; of a long one both ends too."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError("pixels must be uint8 [height, width, 3]")
    height, width, _ = pixels.shape
    picture, short = Image.fromarray(pixels), min(height, width)
    boxes = [(0, 0, width, height)]
    if max(height, width) > LONG * short:
        boxes += [(0, 0, short, short), (width - short, height - short, width, height)]
    for box in boxes:
        view = picture.resize(
            (SIDE, SIDE), Image.Resampling.BILINEAR, box=box, reducing_gap=REDUCING_GAP
        )
        yield np.asarray(view)
