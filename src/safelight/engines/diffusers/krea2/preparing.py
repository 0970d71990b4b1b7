"""What a job needs before its first step, made beside the steps of others."""

from dataclasses import dataclass
from typing import Any

import torch

from safelight.engines import Pixels
from safelight.engines.diffusers.krea2.autoencoder import Autoencoder
from safelight.engines.diffusers.krea2.plan import Plan
from safelight.engines.diffusers.krea2.streams import SideStream
from safelight.engines.diffusers.krea2.text import Text, Texts


@dataclass(frozen=True)
class Prepared:
    """What is ready, on the device."""

    texts: tuple[Text, ...]  # the prompt, and where there is guidance the negative one
    noises: tuple[torch.Tensor, ...]  # [1, tokens, channels] for each picture
    source: torch.Tensor | None  # likewise, of the picture to start from


class Preparation:
    """Prompts, noise and sources, in any thread."""

    def __init__(self, pipe: Any, texts: Texts, autoencoder: Autoencoder, dtype: torch.dtype):
        self._pipe = pipe
        self._texts = texts
        self._autoencoder = autoencoder
        self._dtype = dtype
        self._side = SideStream(pipe._execution_device)

    def prepare(self, job: Plan) -> Prepared:
        """Raises EngineError where the picture to start from cannot be read."""
        return self._side.run(lambda: self._prepare(job))

    def adopt(self, prepared: Prepared) -> None:
        """In the steps' thread, before the first use."""
        states = [text.states for text in prepared.texts]
        self._side.adopt(*states, *prepared.noises, prepared.source)

    def read_padded(self, job: Plan) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Padded states and mask of each of the job's prompts, for the plain path."""
        return self._side.run(lambda: [self._texts.read_padded(text) for text in job.prompts])

    def adopt_padded(self, padded: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        for states, mask in padded:
            self._side.adopt(states, mask)

    @torch.no_grad()
    def _prepare(self, job: Plan) -> Prepared:
        texts = tuple(self._texts.read(prompt, job.styles) for prompt in job.prompts)
        noises = tuple(self._noise(job, index) for index in range(job.count))
        return Prepared(texts, noises, None if job.source is None else self._source(job))

    def _noise(self, job: Plan, index: int) -> torch.Tensor:
        """The stock pipeline's own, of a generator on the CPU: the same on every device."""
        source = torch.Generator("cpu").manual_seed(job.seed_of(index))
        width, height = job.rendered
        channels = self._pipe.vae.config.z_dim
        return self._pipe.prepare_latents(
            1, channels, height, width, self._dtype, self._pipe._execution_device, source
        )

    def _source(self, job: Plan) -> torch.Tensor:
        from safelight.engines.diffusers.sources import read_picture

        width, height = job.rendered
        latents = self._autoencoder.encode(to_tensor(read_picture(str(job.source), width, height)))
        packed = self._pipe._pack_latents(latents, 1, *latents.shape[1:])
        return packed.to(self._dtype)


def to_tensor(pixels: Pixels) -> torch.Tensor:
    """[height, width, 3] of uint8 → [1, 3, height, width] from -1 to 1."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
