"""Latents to pixels: for one frame, the autoencoder of video is a stack of 2-D filters."""

import logging
from collections.abc import Callable
from copy import deepcopy
from threading import Lock
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import (
    QwenImageCausalConv3d,
    QwenImageUpsample,
)
from torch import nn
from torch.nn import functional

from safelight.engines import Pixels
from safelight.engines.diffusers.framing import to_pixels
from safelight.engines.diffusers.guards import (
    check_contrast,
    check_finite,
    is_out_of_memory,
    out_of_memory,
    release_memory,
)
from safelight.engines.diffusers.krea2.hooked import is_hooked
from safelight.engines.diffusers.krea2.streams import SideStream

log = logging.getLogger(__name__)


class LastTap(nn.Module):
    """A causal 3-D convolution of a single frame: the frames before it are zeros."""

    def __init__(self, filters: QwenImageCausalConv3d):
        super().__init__()
        weight = filters.weight.detach()[:, :, -1].contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = filters.bias
        self._padding = (filters._padding[2], filters._padding[0])
        self._stride = filters.stride[1:]

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """[1, channels, 1, height, width] → the same, with as many channels as filters."""
        flat = functional.conv2d(
            frames[:, :, 0], self.weight, self.bias, self._stride, self._padding
        )
        return flat.unsqueeze(2)


def flatten_decoder(vae: Any) -> nn.Sequential:
    """A decoder of one frame from a copy of the parts of `vae`, which stays as it is."""
    decoder = nn.Sequential(deepcopy(vae.post_quant_conv), deepcopy(vae.decoder))
    for parent in list(decoder.modules()):
        for name, child in list(parent.named_children()):
            if name == "time_conv":
                delattr(parent, name)  # makes more frames, of which a picture has none
            elif isinstance(child, QwenImageCausalConv3d):
                setattr(parent, name, LastTap(child))
            elif isinstance(child, QwenImageUpsample):  # copies pixels, for which it widens them
                setattr(parent, name, nn.Upsample(None, child.scale_factor, child.mode))
    return decoder.requires_grad_(False).to(memory_format=torch.channels_last)


class Autoencoder:
    """Packed latents to pixels and back, in any thread, beside the steps."""

    def __init__(self, pipe: Any, side: SideStream):
        self._pipe = pipe
        self._vae = pipe.vae
        self._side = side
        self._stock = Lock()  # it keeps its frames in itself
        # Where hooks move its weights about, a copy would be left behind without them.
        self._flat = None if is_hooked(self._vae) else flatten_decoder(self._vae)

    def decode(self, latents: torch.Tensor, height: int, width: int, after: Any = None) -> Pixels:
        """[1, tokens, channels] → [height, width, 3].

        Out of memory, the autoencoder's own tiles are tried. Raises Spoiled where there is no
        picture in the latents, and EngineError where even tiles do not fit.
        """
        try:
            return self._finish(self.image, latents, height, width, after)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        log.warning("The decoder ran out of memory for %d × %d: by tiles", width, height)
        release_memory()
        try:
            return self._finish(self.image_by_tiles, latents, height, width, after)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise out_of_memory() from None

    def decode_plainly(
        self, latents: torch.Tensor, height: int, width: int, after: Any = None
    ) -> Pixels:
        """The same by the stock autoencoder."""
        return self._finish(self.stock_image, latents, height, width, after)

    @torch.no_grad()
    def image(self, latents: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """[3, height, width] from -1 to 1, of the autoencoder's dtype."""
        if self._flat is None:
            return self.stock_image(latents, height, width)
        frames = self._unpack(latents, height, width)
        flat = frames[:, :, 0].contiguous(memory_format=torch.channels_last)
        return self._flat(flat.unsqueeze(2)).clamp(-1, 1)[0, :, 0]

    @torch.no_grad()
    def stock_image(self, latents: torch.Tensor, height: int, width: int) -> torch.Tensor:
        frames = self._unpack(latents, height, width)
        with self._stock:
            return self._vae.decode(frames, return_dict=False)[0][0, :, 0]

    @torch.no_grad()
    def image_by_tiles(self, latents: torch.Tensor, height: int, width: int) -> torch.Tensor:
        frames = self._unpack(latents, height, width)
        with self._stock:
            self._vae.enable_tiling()
            try:
                return self._vae.decode(frames, return_dict=False)[0][0, :, 0]
            finally:
                self._vae.disable_tiling()

    @torch.no_grad()
    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        """[1, 3, height, width] from -1 to 1 → [1, channels, height / 8, width / 8].

        As the denoiser knows latents: with mean 0 and spread 1; the likeliest, not a sample.
        """
        frames = picture.to(self._pipe._execution_device, self._vae.dtype).unsqueeze(2)
        with self._stock:
            latents = self._vae.encode(frames).latent_dist.mode()
        mean, spread = latent_statistics(self._vae, latents)
        return ((latents - mean) / spread)[:, :, 0]

    def _finish(
        self,
        make: Callable[[torch.Tensor, int, int], torch.Tensor],
        latents: torch.Tensor,
        height: int,
        width: int,
        after: Any,
    ) -> Pixels:
        def work() -> torch.Tensor:
            check_finite(latents)
            return _to_host(to_pixels(make(latents, height, width)))

        pixels = self._side.run(work, after).numpy()
        check_contrast(pixels)
        return pixels

    def _unpack(self, latents: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """[1, channels, 1, height / 8, width / 8] with the mean and spread that the decoder knows.

        Divided by the inverse, as the stock pipeline does it.
        """
        frames = self._pipe._unpack_latents(latents, height, width).to(self._vae.dtype)
        mean, spread = latent_statistics(self._vae, frames)
        return frames / (1.0 / spread) + mean


def latent_statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of the autoencoder's latents, [1, channels, 1, 1, 1] each."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(like.device, like.dtype)
    spread = torch.tensor(vae.config.latents_std).view(shape).to(like.device, like.dtype)
    return mean, spread


def _to_host(pixels: torch.Tensor) -> torch.Tensor:
    """Into pinned memory, so that the copy does not stop the steps' thread."""
    if pixels.device.type != "cuda":
        return pixels.cpu()
    host = torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True)
    return host.copy_(pixels, non_blocking=True)
