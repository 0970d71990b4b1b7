"""What the judge sees with: the inner layers of MobileNetV2, as the picture filter has it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

SIDE = 224  # pixels that the eye sees
FEATURES = 1792  # of MobileNetV2 at width 1.4
THUMB = 56  # pixels of a side of the thumbnail: a net for subjects is a poor judge of colours
MEAN_LAYER = "feature_vector/SpatialSqueeze"  # [1, FEATURES]
PLACES_LAYER = "MobilenetV2/Conv_1/Relu6"  # [1, FEATURES, 7, 7]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Look:
    """What is seen of one picture, or, stacked, of many."""

    mean: npt.NDArray[np.float16]  # [FEATURES], over all places
    peak: npt.NDArray[np.float16]  # [FEATURES], the most at any place: small things show in it
    thumb: Pixels  # [THUMB,THUMB,3]


class Eye:
    """A frozen net's features; about 15 ms of one core for a picture."""

    def __init__(self, weights: Path, threads: int = 1):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        graph = with_outputs(weights.read_bytes(), (MEAN_LAYER, PLACES_LAYER))
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def look(self, pixels: Pixels) -> Look:
        """[h, w, 3] → what is seen of it, made square."""
        view = Image.fromarray(pixels).resize(
            (SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0
        )
        thumb = view.resize((THUMB, THUMB), Image.Resampling.BOX)
        picture = np.asarray(view, np.float32)[None] / 255
        mean, places = self._session.run([MEAN_LAYER, PLACES_LAYER], {"picture": picture})
        peak = places.max((0, 2, 3))
        return Look(mean.reshape(-1).astype(np.float16), peak.astype(np.float16), np.asarray(thumb))


def stacked(looks: list[Look]) -> Look:
    return Look(
        np.stack([look.mean for look in looks]),
        np.stack([look.peak for look in looks]),
        np.stack([look.thumb for look in looks]),
    )


def with_outputs(model: bytes, names: tuple[str, ...]) -> bytes:
    """The ONNX model with inner values as outputs too.

    Protocol buffers that stand one after another are read as one, repeated fields joined: so each
    output is a ModelProto with a graph (7) with an output (12) with a name (1) and a type (2: a
    tensor of floats), and needs no library that knows ONNX.
    """
    float_tensor = _field(2, _field(1, bytes([0x08, 0x01])))
    return model + b"".join(
        _field(7, _field(12, _field(1, name.encode()) + float_tensor)) for name in names
    )


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer, shorter than 128 bytes."""
    if len(content) > 127:
        raise ValueError("too long for a length of one byte")
    return bytes([number << 3 | 2, len(content)]) + content
