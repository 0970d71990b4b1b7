"""Previews of stock pipelines: the picture that a job is heading for, at an eighth of its size."""

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from safelight.engines import Pixels
from safelight.engines.diffusers.previews import LinearDecoder, fit


class Sketcher:
    """Knows the autoencoder's latents as colours; None for a family whose layout it does not know.

    That is FLUX.2, whose latents are folded and normalised once more.
    """

    def __init__(self, pipe: Any, every_steps: int):
        """`every_steps` of 0: never."""
        self._every = every_steps
        self._decoder: LinearDecoder | None = None
        known = isinstance(pipe.scheduler, FlowMatchEulerDiscreteScheduler)
        if every_steps and known and "bn" not in dict(pipe.vae.named_children()):
            self._decoder = fit(lambda picture: encode(pipe, picture), pipe.vae_scale_factor)

    def begin(self, pipe: Any, width: int, height: int) -> "Sketch":
        return Sketch(pipe, self._decoder, self._every, (width, height))


class Sketch:
    """One call's previews."""

    def __init__(
        self, pipe: Any, decoder: LinearDecoder | None, every_steps: int, size: tuple[int, int]
    ):
        self._pipe = pipe
        self._decoder = decoder
        self._every = every_steps
        self._size = size
        self._last: torch.Tensor | None = None
        self._drawn: Pixels | None = None

    def see(self, number: int, latents: torch.Tensor) -> None:
        """After step `number`, counted from 1. Waits for the device when there is a preview."""
        if self._decoder is None:
            return
        last, self._last = self._last, latents
        if last is not None and number % self._every == 0:
            self._drawn = self._decoder.decode(self._unpacked(self._aim(last, latents)))

    def take(self) -> Pixels | None:
        """What was drawn since the last time, if anything."""
        drawn, self._drawn = self._drawn, None
        return drawn

    def _aim(self, last: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Where the last step's straight line ends, at no noise: x − σ·v, with v = Δx / Δσ."""
        scheduler = self._pipe.scheduler
        index = scheduler.step_index
        before, now = (float(sigma) for sigma in scheduler.sigmas[index - 1 : index + 1])
        velocity = (latents.float() - last.float()) / (now - before)
        return latents.float() - now * velocity

    def _unpacked(self, latents: torch.Tensor) -> torch.Tensor:
        """[channels, height, width]"""
        if latents.ndim == 3:  # [1, patches, channels]
            width, height = self._size
            scale = self._pipe.vae_scale_factor
            latents = self._pipe._unpack_latents(latents, height, width, scale)
        return latents[0].squeeze(1) if latents.ndim == 5 else latents[0]


@torch.no_grad()
def encode(pipe: Any, picture: torch.Tensor) -> torch.Tensor:
    """[1, 3, height, width] → [channels, height / scale, width / scale] as the denoiser has it."""
    vae = pipe.vae
    picture = picture.to(pipe._execution_device, vae.dtype)
    if "z_dim" in vae.config:  # an autoencoder of videos
        latents = vae.encode(picture[:, :, None]).latent_dist.mode()[0, :, 0].float()
        mean, deviation = (
            torch.tensor(values, device=latents.device)[:, None, None]
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        return (latents - mean) / deviation
    latents = vae.encode(picture).latent_dist.mode()[0].float()
    return (latents - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
