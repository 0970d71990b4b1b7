"""The neural part: a latent flow draws things by their caption's vector, a decoder makes pixels."""

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

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the weights beside `model.json` want to be sampled."""

    steps: int = 16  # Euler steps when the request names none
    guidance: float = 5.0  # classifier-free guidance scale
    guided_until: float = 0.5  # time (0 noise … 1 picture) after which guidance stops
    drafts: int = 8  # of each thing, at least, of which the most typical are kept
    style: int = 0  # for a flow that knows styles
    colours: tuple[str, ...] = ()  # in the order of their numbers, for a flow that knows colours


@dataclass(frozen=True, slots=True)
class Wish:
    """What the flow is asked to draw, and how often."""

    text: Floats  # [512], the vector of its name
    colour: str | None
    count: int


class SpriteModel:
    """Draws sprites: small RGBA pictures of one thing each. The graphs say their shapes.

    The flow takes latent, time and text, perhaps also a colour and a style, in this order; it
    answers with the velocity if its output is named `v`, else with the clean latent.
    """

    def __init__(self, folder: Path, threads: int):
        described: dict[str, Any] = json.loads((folder / "model.json").read_text())
        self.recipe = Recipe(
            **{key: described[key] for key in Recipe.__slots__ if key in described}
        )
        self.lexicon_path = folder / described["lexicon"]
        self._flow = _session(folder / described["flow"], threads)
        self._decoder = _session(folder / described["decoder"], threads)
        self.enlarger = Enlarger(_session(UPSCALER, threads))
        self._inputs = [entry.name for entry in self._flow.get_inputs()]
        self._latent: tuple[int, ...] = tuple(self._flow.get_inputs()[0].shape[1:])
        self._answers_velocity = self._flow.get_outputs()[0].name == "v"

    def draw(
        self, wishes: Sequence[Wish], random: np.random.Generator, steps: int, guidance: float
    ) -> Iterator[list[Floats]]:
        """Yield after each Euler step one latent for each thing wished for, as it will become."""
        drafts = [max(self.recipe.drafts, 2 * wish.count) for wish in wishes]
        texts = np.repeat(np.stack([wish.text for wish in wishes]), drafts, axis=0)
        text = texts.astype(np.float32)
        colour = np.repeat([self._number(wish.colour) for wish in wishes], drafts)
        shape = (len(text), *self._latent)
        latent: Floats = random.standard_normal(shape, dtype=np.float32)
        times = np.linspace(0, 1, steps + 1, dtype=np.float32)
        for now, then in pairwise(times):
            scale = guidance if now < self.recipe.guided_until else 1.0
            clean = self._guided(latent, float(now), text, colour, scale)
            latent = latent + ((then - now) / (1 - now)) * (clean - latent)
            groups = np.split(clean, np.cumsum(drafts)[:-1])
            yield [
                draft
                for group, wish in zip(groups, wishes, strict=True)
                for draft in most_typical(group, wish.count)
            ]

    def decode(self, latent: Floats) -> Floats:
        """One latent → premultiplied RGBA [size, size, 4] in 0..1."""
        pixels: Floats = self._decoder.run(None, {"z": latent[None]})[0][0]
        return pixels.clip(0, 1).transpose(1, 2, 0)

    def _number(self, colour: str | None) -> int:
        """What the flow calls a colour; 0 says nothing about it."""
        name = colour or "natural"
        return self.recipe.colours.index(name) if name in self.recipe.colours else 0

    def _guided(
        self, latent: Floats, time: float, text: Floats, colour: Integers, scale: float
    ) -> Floats:
        """Classifier-free guidance (Ho & Salimans 2022), away from an empty caption."""
        if scale == 1:
            return self._predict(latent, time, text, colour)
        texts, colours = (np.concatenate([part, np.zeros_like(part)]) for part in (text, colour))
        both = self._predict(np.concatenate([latent, latent]), time, texts, colours)
        towards, away = np.split(both, 2)
        return away + scale * (towards - away)

    def _predict(self, latent: Floats, time: float, text: Floats, colour: Integers) -> Floats:
        """The clean latent that the noisy one comes from."""
        times = np.full(len(latent), time, np.float32)
        styles = np.full(len(latent), self.recipe.style, np.int64)
        given = (latent, times, text, colour, styles)
        answer: Floats = self._flow.run(None, dict(zip(self._inputs, given, strict=False)))[0]
        return latent + np.float32(1 - time) * answer if self._answers_velocity else answer


def most_typical(drafts: Floats, number: int) -> Iterator[Floats]:
    """The `number` most typical drafts of one thing, again from the first after a quarter of them.

    Now and then the flow draws something else altogether. What half of the drafts agree on is
    what was meant: the outliers are those far from even their nearest neighbours.
    """
    flat = drafts.reshape(len(drafts), -1)
    distance = ((flat[:, None] - flat[None]) ** 2).mean(-1)
    near = np.sort(distance, axis=1)[:, : len(drafts) // 2 + 1]
    order = near.mean(1).argsort(kind="stable")[: max(1, len(drafts) // 4)]
    for index in range(number):
        yield drafts[order[index % len(order)]]


def _session(path: Path, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # gives memory back between pictures
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle costs nothing
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
