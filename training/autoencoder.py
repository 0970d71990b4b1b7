"""Sprite autoencoder: 128x128 premultiplied RGBA <-> a 12x16x16 latent of unit variance."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

CHANNELS = 12  # numbers per latent cell, one cell per 8x8 pixels
NOISE = 0.10  # spread of the noise that the decoder learns to ignore


@dataclass(frozen=True)
class Width:
    """Channels at 64, 32 and 16 cells a side, in the encoder and in the decoder."""

    encoder: tuple[int, int, int]
    decoder: tuple[int, int, int]


WIDTHS = {
    "full": Width((64, 128, 256), (96, 192, 320)),
    "cpu": Width((48, 96, 192), (64, 128, 192)),
    "small": Width((16, 24, 48), (16, 24, 48)),
}


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(functional.silu(self.first(functional.silu(self.norm(x)))))


def _double(channels: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 4 * out, 1), nn.PixelShuffle(2))


class Autoencoder(nn.Module):
    """encode: [n,4,128,128] in 0..1 -> [n,12,16,16]; decode: back, unclamped."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        a, b, c = width.encoder
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(16, a, 3, padding=1),
            Residual(a),
            nn.Conv2d(a, b, 4, 2, 1),
            Residual(b),
            nn.Conv2d(b, c, 4, 2, 1),
            Residual(c),
            Residual(c),
            nn.SiLU(),
            nn.Conv2d(c, CHANNELS, 3, padding=1),
        )
        self.unit = nn.BatchNorm2d(CHANNELS, affine=False, momentum=0.02)
        a, b, c = width.decoder
        self.decoder = nn.Sequential(
            nn.Conv2d(CHANNELS, c, 3, padding=1),
            Residual(c),
            Residual(c),
            _double(c, b),
            Residual(b),
            Residual(b),
            _double(b, a),
            Residual(a),
            Residual(a),
            nn.SiLU(),
            nn.Conv2d(a, 64, 3, padding=1),
            nn.PixelShuffle(2),
            nn.SiLU(),
        )
        self.paint = nn.Conv2d(16, 4, 3, padding=1)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.unit(self.encoder(x * 2 - 1).float())

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.paint(self.decoder(z)) * 0.5 + 0.5

    def forward(self, x: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """x to its latent and back; where turned [n] is true, latent and picture are mirrored."""
        z = self.encode(x)
        z = torch.where(turned[:, None, None, None], z.flip(-1), z)
        spread = NOISE * 2 * torch.rand(len(z), 1, 1, 1, device=z.device)
        return self.decode(z + spread * torch.randn_like(z))


class Critic(nn.Module):
    """A patch critic (Isola et al., 2017): its scores, and the features it had on the way."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        c = channels
        shapes = [(4, c, 2), (c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 4 * c, 1)]
        self.layers = nn.ModuleList(nn.Conv2d(i, o, 4 if s == 2 else 3, s, 1) for i, o, s in shapes)
        self.norms = nn.ModuleList(nn.GroupNorm(8, o) for _, o, _ in shapes)
        self.score = nn.Conv2d(4 * c, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        features = []
        x = x * 2 - 1
        for i, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = layer(x)
            x = functional.leaky_relu(norm(x) if i else x, 0.2)
            features.append(x)
        return self.score(x), features


def likeness_loss(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Error of tones and of edges at four scales: blur costs more than a small shift of tone."""
    total, d = 2 * (y - x).square().mean(), y - x
    for weight in (1.0, 0.7, 0.5, 0.5):
        edges = (d[..., 1:, :] - d[..., :-1, :]).abs().mean() + (
            d[..., 1:] - d[..., :-1]
        ).abs().mean()
        total = total + weight * (d.abs().mean() + 1.5 * edges)
        d = functional.avg_pool2d(d, 2)
    return total


def critic_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def matching_loss(real: list[torch.Tensor], fake: list[torch.Tensor]) -> torch.Tensor:
    pairs = zip(real, fake, strict=True)
    return torch.stack([(f.float() - r.detach().float()).abs().mean() for r, f in pairs]).mean()
