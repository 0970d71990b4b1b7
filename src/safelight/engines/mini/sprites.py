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

RENOISED_AT = 0.5  # time at which a draft is noised again to see which one the flow believes in


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the weights beside `model.json` want to be sampled."""

    steps: int  # Euler steps when the request names none
    guidance: float  # classifier-free guidance scale
    guided_until: float  # time (0 noise … 1 picture) after which guidance stops
    tries: int  # drafts per sprite, of which the best is kept


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
        conditions: Sequence[Floats],
        random: np.random.Generator,
        steps: int,
        guidance: float,
    ) -> Iterator[Floats]:
        """Yield after each Euler step what the latents [sprites, …] are becoming; last the best."""
        tries = self.recipe.tries
        condition = np.repeat(np.stack(conditions).astype(np.float32), tries, axis=0)
        latent = random.standard_normal((len(condition), *self._latent), dtype=np.float32)
        again = random.standard_normal(latent.shape, dtype=np.float32)
        times = np.linspace(0, 1, steps + 1, dtype=np.float32)
        for now, then in pairwise(times):
            scale = guidance if now < self.recipe.guided_until else 1.0
            clean = self._guided(latent, float(now), condition, scale)
            latent = latent + ((then - now) / (1 - now)) * (clean - latent)
            if then < 1:
                yield clean[::tries]
        yield self._best(latent, again, condition)

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

    def _best(self, latent: Floats, noise: Floats, condition: Floats) -> Floats:
        """Of each sprite's drafts the one that the flow itself restores best from noise."""
        half = RENOISED_AT * noise + (1 - RENOISED_AT) * latent
        error = (self._predict(half, RENOISED_AT, condition) - latent) ** 2
        drafts = error.mean(tuple(range(1, error.ndim))).reshape(-1, self.recipe.tries)
        first = np.arange(len(drafts)) * self.recipe.tries
        best: Floats = latent[first + drafts.argmin(1)]
        return best


def _session(path: Path, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # gives memory back between pictures
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle costs nothing
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
