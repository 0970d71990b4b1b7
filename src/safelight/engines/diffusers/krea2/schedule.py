"""Noise levels from the pipeline's own scheduler, with what the transformer makes of each time."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.krea2.pipeline_krea2 import calculate_shift
from torch.nn import functional

from safelight.engines.diffusers.krea2.hooked import is_hooked
from safelight.engines.diffusers.krea2.remembering import Memory
from safelight.engines.diffusers.krea2.text import Styles
from safelight.errors import ConfigurationError

DISTILLED_SHIFT = 1.15  # mu of Turbo at every size, as in Krea2Pipeline.__call__
SCHEDULES_REMEMBERED = 64


@dataclass(frozen=True)
class Moment:
    """One step's time, as the transformer's blocks are given it."""

    timestep: torch.Tensor  # [1], in the latents' dtype, 1 is noise and 0 the picture
    sigma: float
    change: float  # to the next sigma, below zero
    embedding: torch.Tensor | None  # [1, 1, width]; None for a transformer that is entered whole
    modulation: torch.Tensor | None  # [1, 1, 6 · width]


class Schedules:
    """Each is computed once. Turbo's are the same for all sizes."""

    def __init__(self, pipe: Any, dtype: torch.dtype, device: torch.device):
        """Raises ConfigurationError where the steps are not Euler's."""
        scheduler = pipe.scheduler
        stepping = isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
        if not stepping or scheduler.config.stochastic_sampling:
            raise ConfigurationError(f"Krea 2 cannot be sampled by {type(scheduler).__name__} here")
        self._pipe = pipe
        self._dtype = dtype
        self._device = device
        self._whole = is_hooked(pipe.transformer)
        self._remembered: Memory[tuple[Moment, ...]] = Memory(SCHEDULES_REMEMBERED)

    def find(self, steps: int, tokens: int, styles: Styles) -> tuple[Moment, ...]:
        """For a picture of so many tokens; in a job's turn, since styles may touch its times."""
        key = (steps, None if self._pipe.config.is_distilled else tokens, styles)
        return self._remembered.recall(key) or self._remembered.keep(key, self._make(steps, tokens))

    def sigmas(self, steps: int, tokens: int) -> torch.Tensor:
        """[steps + 1] float32, from 1 down to 0."""
        scheduler = deepcopy(self._pipe.scheduler)
        config = scheduler.config
        shift = DISTILLED_SHIFT
        if not self._pipe.config.is_distilled:
            shift = calculate_shift(
                tokens,
                config.get("base_image_seq_len", 256),
                config.get("max_image_seq_len", 6400),
                config.get("base_shift", 0.5),
                config.get("max_shift", 1.15),
            )
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift)
        return scheduler.sigmas

    @torch.no_grad()
    def _make(self, steps: int, tokens: int) -> tuple[Moment, ...]:
        scale = self._pipe.scheduler.config.num_train_timesteps
        sigmas = self.sigmas(steps, tokens)
        changes = (sigmas[1:] - sigmas[:-1]).tolist()
        moments = []
        for sigma, change in zip(sigmas[:-1], changes, strict=True):
            # There and back, and rounded before it is embedded, as the stock pipeline does it.
            timestep = (sigma * scale / scale).view(1).to(self._device).to(self._dtype)
            moments.append(Moment(timestep, float(sigma), change, *self._embed(timestep)))
        return tuple(moments)

    def _embed(self, timestep: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        if self._whole:
            return None, None
        transformer = self._pipe.transformer
        embedding = transformer.time_embed(timestep, dtype=self._dtype)
        return embedding, transformer.time_mod_proj(functional.gelu(embedding, approximate="tanh"))


def euler_step(latents: torch.Tensor, velocity: torch.Tensor, change: float) -> torch.Tensor:
    """FlowMatchEulerDiscreteScheduler.step: the sum in float32, the result in the model's dtype."""
    return (latents.float() + change * velocity).to(velocity.dtype)
