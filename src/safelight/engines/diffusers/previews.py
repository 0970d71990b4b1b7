"""A cheap decoder for previews: one matrix from latents to colours, fitted to the autoencoder."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from safelight.engines import Pixels
from safelight.engines.diffusers.framing import to_pixels

SIDE = 64  # pixels of a picture to learn from
PICTURES = 12
SEED = 20


@dataclass(frozen=True)
class LinearDecoder:
    """Colours as a linear function of latents: a picture at the latents' resolution."""

    matrix: torch.Tensor  # [3, channels] float32
    bias: torch.Tensor  # [3]

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> Pixels:
        """[channels, height, width] → [height, width, 3] of uint8. Waits for the device."""
        matrix, bias = self.matrix.to(latents.device), self.bias.to(latents.device)
        flat = matrix @ latents.float().flatten(1) + bias[:, None]
        finite = torch.nan_to_num(flat.view(3, *latents.shape[1:]))
        return to_pixels(finite).cpu().numpy()


@torch.no_grad()
def fit(encode: Callable[[torch.Tensor], torch.Tensor], scale: int) -> LinearDecoder:
    """Least squares over synthetic pictures that the model's own autoencoder encodes.

    `encode` takes [1, 3, height, width] from -1 to 1 and gives [channels, height / scale, width /
    scale], as the denoiser knows latents. So no numbers of others are needed.
    """
    pictures = colourful_pictures()
    latents = torch.stack([encode(picture[None]).float().cpu() for picture in pictures])
    colours = torch.nn.functional.avg_pool2d(pictures, scale)
    inputs = latents.movedim(1, -1).flatten(0, 2).double()
    wanted = colours.movedim(1, -1).flatten(0, 2).double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    # A little ridge keeps the solution small where a channel says nothing.
    normal = inputs.T @ inputs + 1e-4 * len(inputs) * torch.eye(inputs.shape[1]).double()
    solution = torch.linalg.solve(normal, inputs.T @ wanted).float().T
    return LinearDecoder(solution[:, :-1].contiguous(), solution[:, -1].contiguous())


def colourful_pictures() -> torch.Tensor:
    """[pictures, 3, side, side] from -1 to 1: soft clouds of colour, with edges in half of them."""
    source = torch.Generator().manual_seed(SEED)
    across = torch.linspace(0, 2 * math.pi, SIDE)
    pictures = []
    for index in range(PICTURES):
        waves, phases = (
            (torch.rand(2, 3, 4, 1, 1, generator=source) * 4 - 2),
            torch.rand(3, 4, 1, 1, generator=source),
        )
        fields = torch.sin(
            waves[0] * across[:, None] + waves[1] * across[None, :] + phases * 2 * math.pi
        )
        picture = fields.mean(1) * 1.8
        pictures.append(picture.sign() * 0.8 if index % 2 else picture)
    return torch.stack(pictures).clamp(-1, 1)
