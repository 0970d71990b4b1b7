"""The neural part: a latent flow redraws what it remembers of a thing, a decoder makes pixels."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from safelight.engines.mini.enlarger import UPSCALER, Enlarger
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.memory import Memory

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the weights beside `model.json` want to be sampled."""

    steps: int  # Euler steps when the request names none
    guidance: float  # classifier-free guidance scale
    guided_until: float  # time (0 noise … 1 picture) after which guidance stops
    start: float  # time at which drawing begins, from a remembered drawing under noise
    styles: tuple[str, ...]  # of drawing, in the order of their numbers, 0 for any


@dataclass(frozen=True, slots=True)
class Wish:
    """What the flow is asked to draw, and how often."""

    text: Floats  # [512], the vector of its name
    count: int
    label: int  # its number in the lexicon
    style: str | None = None  # of drawing; None: the house's


class SpriteModel:
    """Draws sprites: small RGBA pictures of one thing each. The graphs say their shapes.

    The flow takes latent, time, text and style, in this order, and answers with the velocity.
    """

    def __init__(self, folder: Path, threads: int):
        described: dict[str, Any] = json.loads((folder / "model.json").read_text())
        self.recipe = Recipe(**{key: described[key] for key in Recipe.__slots__})
        self.lexicon_path = folder / described["lexicon"]
        self.memory = Memory(folder / described["memory"], self.lexicon_path)
        self._flow = _session(folder / described["flow"], threads)
        self._decoder = _session(folder / described["decoder"], threads)
        self.enlarger = Enlarger(_session(UPSCALER, threads))
        self._inputs = [entry.name for entry in self._flow.get_inputs()]

    def draw(
        self, wishes: Sequence[Wish], random: np.random.Generator, steps: int, guidance: float
    ) -> Iterator[list[Floats]]:
        """Yield after each Euler step one latent for each thing wished for, as it will become.

        Drawing starts from a remembered drawing under noise (SDEdit, Meng et al. 2022): what is
        said of the thing and the noise decide what becomes of it.
        """
        counts = [wish.count for wish in wishes]
        drawings = [self.memory.recall(wish.label, self._order(wish), random) for wish in wishes]
        remembered = np.repeat(np.stack([drawing.latent for drawing in drawings]), counts, axis=0)
        text = np.repeat(np.stack([wish.text for wish in wishes]), counts, axis=0)
        style = np.repeat([drawing.style for drawing in drawings], counts)
        start = self.recipe.start
        noise = random.standard_normal(remembered.shape, dtype=np.float32)
        latent: Floats = np.float32(start) * remembered + np.float32(1 - start) * noise
        times = np.linspace(start, 1, steps + 1, dtype=np.float32)
        for now, then in pairwise(times):
            scale = guidance if now < self.recipe.guided_until else 1.0
            velocity = self._guided(latent, now, text, style, scale)
            clean = latent + (1 - now) * velocity
            latent = latent + (then - now) * velocity
            yield list(clean)

    def decode(self, latent: Floats) -> Floats:
        """One latent → premultiplied RGBA [size, size, 4] in 0..1."""
        pixels: Floats = self._decoder.run(None, {"z": latent[None]})[0][0]
        return pixels.clip(0, 1).transpose(1, 2, 0)

    def _order(self, wish: Wish) -> list[int]:
        """The numbers of the styles, those that are wanted most first, no style of note last."""
        known = self.recipe.styles
        wanted = known.index(wish.style) if wish.style in known else 0
        others = (number for number in range(1, len(known)) if number != wanted)
        return [wanted, *others, 0] if wanted else [*others, 0]

    def _guided(
        self, latent: Floats, time: np.float32, text: Floats, style: Integers, scale: float
    ) -> Floats:
        """Classifier-free guidance (Ho & Salimans 2022), away from an empty caption."""
        if scale == 1:
            return self._velocity(latent, time, text, style)
        both = self._velocity(
            np.concatenate([latent, latent]),
            time,
            np.concatenate([text, np.zeros_like(text)]),
            np.concatenate([style, style]),
        )
        towards, away = np.split(both, 2)
        return away + np.float32(scale) * (towards - away)

    def _velocity(self, latent: Floats, time: np.float32, text: Floats, style: Integers) -> Floats:
        times = np.full(len(latent), time, np.float32)
        given = (latent, times, text, style)
        answer: Floats = self._flow.run(None, dict(zip(self._inputs, given, strict=True)))[0]
        return answer


def _session(path: Path, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # gives memory back between pictures
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle costs nothing
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # int8 is for the disk alone
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
