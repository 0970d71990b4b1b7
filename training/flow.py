"""The illustrator: a U-Net from noise to a sprite's latent, told words and a style."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from training.autoencoder import CHANNELS

LATENT = (CHANNELS, 16, 16)  # channels, rows, columns
TEXT = 512  # length of a sentence vector
HEAD = 64  # channels of an attention head


@dataclass(frozen=True)
class Size:
    """Channels at 16 and at 8 cells a side, blocks there, and the width of the condition."""

    fine: int
    coarse: int
    fine_blocks: int = 3
    coarse_blocks: int = 4
    condition: int = 256


SIZES = {
    "full": Size(256, 640, 4, 6, 512),
    "cpu": Size(96, 256),
    "small": Size(32, 64, 1, 1, 64),
}


class Residual(nn.Module):
    """Two convolutions; the condition scales and shifts what lies between them."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(16, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * channels)
        self.between = nn.GroupNorm(16, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulation(c)[:, :, None, None].chunk(2, 1)
        h = self.first(functional.silu(self.norm(x)))
        h = functional.silu(self.between(h) * (1 + scale) + shift)
        return x + self.second(h)


class Attention(nn.Module):
    """Every cell looks at every other, and at the words."""

    def __init__(self, channels: int, words: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.words = nn.Linear(words, 2 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        cells = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(cells)).chunk(3, -1)
        said_k, said_v = self.words(words).chunk(2, -1)
        k, v = torch.cat([k, said_k], 1), torch.cat([v, said_v], 1)
        q, k, v = (y.view(n, -1, c // HEAD, HEAD).transpose(1, 2) for y in (q, k, v))
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return x + self.out(y).transpose(1, 2).reshape(n, c, h, w)


class Flow(nn.Module):
    """Predicts velocity, data minus noise, at time t (0 noise, 1 data).

    z [n,12,16,16] float, t [n] float, text [n,512] unit vectors (zeros: no words),
    style [n] int64 (0: not said) -> velocity [n,12,16,16].
    """

    WORDS = 4  # tokens that the sentence vector unfolds into

    def __init__(self, size: Size, styles: int) -> None:
        super().__init__()
        a, b, d = size.fine, size.coarse, size.condition
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d))
        self.text = nn.Sequential(nn.Linear(TEXT, d), nn.SiLU(), nn.Linear(d, d))
        self.unfold = nn.Linear(d, self.WORDS * d)
        self.style = nn.Embedding(styles, d)
        self.begin = nn.Conv2d(CHANNELS, a, 3, padding=1)
        self.place = nn.Parameter(torch.zeros(1, a, *LATENT[1:]))
        self.down = nn.ModuleList(Residual(a, d) for _ in range(size.fine_blocks))
        self.reduce = nn.Conv2d(a, b, 4, 2, 1)
        self.middle = nn.ModuleList(Residual(b, d) for _ in range(size.coarse_blocks))
        self.look = nn.ModuleList(Attention(b, d) for _ in range(size.coarse_blocks))
        self.enlarge = nn.Conv2d(b, 4 * a, 1)
        self.join = nn.Conv2d(2 * a, a, 1)
        self.up = nn.ModuleList(Residual(a, d) for _ in range(size.fine_blocks))
        self.norm = nn.GroupNorm(16, a)
        self.end = nn.Conv2d(a, CHANNELS, 3, padding=1)
        self.register_buffer(
            "frequency", 1000 * torch.exp(-math.log(1e4) * torch.arange(64) / 64), persistent=False
        )
        self._start()

    def _start(self) -> None:
        nn.init.normal_(self.style.weight, std=0.3)
        for block in (*self.down, *self.middle, *self.up):
            nn.init.zeros_(block.modulation.weight)
            nn.init.zeros_(block.modulation.bias)
            nn.init.zeros_(block.second.weight)
        for look in self.look:
            nn.init.zeros_(look.out.weight)
        nn.init.zeros_(self.end.weight)

    def forward(
        self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        angle = t[:, None] * self.frequency
        wave = torch.cat([angle.cos(), angle.sin()], -1)
        said, make = self.text(text * TEXT**0.5), self.style(style)
        c = functional.silu(self.time(wave) + said + make)
        words = self.unfold(functional.silu(said)).unflatten(1, (self.WORDS, -1))
        x = self.begin(z) + self.place
        for block in self.down:
            x = block(x, c)
        y = self.reduce(x)
        for block, look in zip(self.middle, self.look, strict=True):
            y = look(block(y, c), words)
        x = self.join(torch.cat([x, functional.pixel_shuffle(self.enlarge(y), 2)], 1))
        for block in self.up:
            x = block(x, c)
        return self.end(functional.silu(self.norm(x)))


def flow_loss(
    model: nn.Module, z: torch.Tensor, text: torch.Tensor, style: torch.Tensor
) -> torch.Tensor:
    """Squared velocity error of rectified flow (Liu, 2022), logit-normal times (Esser, 2024)."""
    t = torch.sigmoid(torch.randn(len(z), device=z.device))
    t = torch.where(torch.rand_like(t) < 0.1, torch.rand_like(t), t)
    noise, tt = torch.randn_like(z), t[:, None, None, None]
    velocity = model(tt * z + (1 - tt) * noise, t, text, style)
    return functional.mse_loss(velocity.float(), z - noise)


@torch.no_grad()
def sample(
    model: nn.Module,
    noise: torch.Tensor,
    text: torch.Tensor,
    style: torch.Tensor,
    remembered: torch.Tensor | None = None,
    start: float = 0.0,
    steps: int = 12,
    guidance: float = 3.0,
    until: float = 0.7,
) -> torch.Tensor:
    """Euler steps to a latent, guided away from "nothing said" while t < until.

    They begin at time `start` with a remembered latent under noise (Meng et al., 2022), or at 0.
    """
    z = noise if remembered is None else start * remembered + (1 - start) * noise
    schedule = torch.linspace(start, 1, steps + 1).tolist()
    for now, after in pairwise(schedule):
        t = z.new_full((len(z),), now)
        v = model(z, t, text, style).float()
        if guidance != 1 and now < until:
            u = model(z, t, text * 0, style).float()
            v = u + guidance * (v - u)
        z = z + (after - now) * v
    return z
