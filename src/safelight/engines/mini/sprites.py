"""The neural part: a latent flow draws things by their caption's vector, a decoder makes pixels."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from safelight.engines.mini.lexicon import Floats


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the weights beside `model.json` want to be sampled."""

    steps: int  # Euler steps when the request names none
    guidance: float  # classifier-free guidance scale
    guided_until: float  # time (0 noise … 1 picture) after which guidance stops
    drafts: int  # of each thing, at least, of which the most typical are kept


class SpriteModel:
    """Draws sprites: small RGBA pictures of one thing each. The graphs say their shapes."""

    def __init__(self, folder: Path, threads: int):
        described: dict[str, Any] = json.loads((folder / "model.json").read_text())
        self.recipe = Recipe(**{key: described[key] for key in Recipe.__slots__})
        self.lexicon_path = folder / described["lexicon"]
        self._flow = _session(folder / described["flow"], threads)
        self._decoder = _session(folder / described["decoder"], threads)
        self._latent: tuple[int, ...] = tuple(self._flow.get_inputs()[0].shape[1:])

    def draw(
        self,
        wanted: Sequence[tuple[Floats, int]],
        random: np.random.Generator,
        steps: int,
        guidance: float,
    ) -> Iterator[list[Floats]]:
        """Draw `wanted`, (condition [512], how many of it); yield after each Euler step.

        What comes with a step is one latent for each thing wanted, as it will probably become.
        """
        drafts = [max(self.recipe.drafts, 2 * number) for _, number in wanted]
        condition = np.repeat(np.stack([c for c, _ in wanted]), drafts, axis=0).astype(np.float32)
        shape = (len(condition), *self._latent)
        latent: Floats = random.standard_normal(shape, dtype=np.float32)
        times = np.linspace(0, 1, steps + 1, dtype=np.float32)
        for now, then in pairwise(times):
            scale = guidance if now < self.recipe.guided_until else 1.0
            clean = self._guided(latent, float(now), condition, scale)
            latent = latent + ((then - now) / (1 - now)) * (clean - latent)
            groups = np.split(clean, np.cumsum(drafts)[:-1])
            yield [
                draft
                for group, (_, number) in zip(groups, wanted, strict=True)
                for draft in most_typical(group, number)
            ]

    def decode(self, latent: Floats) -> Floats:
        """One latent → premultiplied RGBA [size, size, 4] in 0..1."""
        pixels: Floats = self._decoder.run(None, {"z": latent[None]})[0][0]
        return pixels.clip(0, 1).transpose(1, 2, 0)

    def _guided(self, latent: Floats, time: float, condition: Floats, scale: float) -> Floats:
        """Classifier-free guidance (Ho & Salimans 2022): a zero vector is the empty caption."""
        if scale == 1:
            return self._predict(latent, time, condition)
        both = np.concatenate([condition, np.zeros_like(condition)])
        towards, away = np.split(self._predict(np.concatenate([latent, latent]), time, both), 2)
        return away + scale * (towards - away)

    def _predict(self, latent: Floats, time: float, condition: Floats) -> Floats:
        times = np.full(len(latent), time, np.float32)
        clean: Floats = self._flow.run(None, {"z": latent, "t": times, "c": condition})[0]
        return clean


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
