"""The illustrator: a transformer from noise to a sprite's latent, told words and a style."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from training.autoencoder import CHANNELS

LATENT = (CHANNELS, 16, 16)  # channels, rows, columns
PATCH = 2  # latent cells per token side: 64 tokens of 48 numbers
TOKENS = (LATENT[1] // PATCH) ** 2
CELL = LATENT[0] * PATCH**2
TEXT = 512  # length of a sentence vector


@dataclass(frozen=True)
class Size:
    """Width, depth, heads and the width of the narrow path that modulates every block."""

    width: int = 512
    depth: int = 10
    heads: int = 8
    narrow: int = 128
    words: int = 4  # tokens that the sentence vector unfolds into


SIZES = {
    "full": Size(),
    "cpu": Size(width=256, depth=10, heads=4),
    "small": Size(width=128, depth=3, heads=4, narrow=64),
}


class RootMean(nn.Module):
    """Scales a vector to unit mean square; written out, as ONNX has it only from opset 23."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.q_norm = RootMean(width // heads)
        self.k_norm = RootMean(width // heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, d = x.shape
        q, k, v = (
            self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        )
        y = functional.scaled_dot_product_attention(
            self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype), v
        )
        return self.out(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    """Attention and a two-layer net, both shifted, scaled and gated by the condition."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        d = size.width
        self.modulation = nn.Linear(size.narrow, 6 * d)
        self.norm1 = nn.LayerNorm(d, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(d, elementwise_affine=False)
        self.attention = Attention(d, size.heads)
        self.up = nn.Linear(d, 4 * d)
        self.down = nn.Linear(4 * d, d)

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        s1, a1, g1, s2, a2, g2 = self.modulation(c).unsqueeze(1).chunk(6, -1)
        x = x + g1 * self.attention(self.norm1(x) * (1 + a1) + s1)
        return x + g2 * self.down(functional.silu(self.up(self.norm2(x) * (1 + a2) + s2)))


class Flow(nn.Module):
    """Predicts velocity, data minus noise, at time t (0 noise, 1 data).

    z [n,12,16,16] float, t [n] float, text [n,512] unit vectors (zeros: no words),
    style [n] int64 (0: not said) -> velocity [n,12,16,16].
    """

    def __init__(self, size: Size, styles: int) -> None:
        super().__init__()
        d, self.size = size.width, size
        self.cell_in = nn.Linear(CELL, d)
        self.place = nn.Parameter(torch.randn(1, TOKENS, d) * 0.02)
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d))
        self.text = nn.Sequential(nn.Linear(TEXT, d), nn.SiLU(), nn.Linear(d, d))
        self.words = nn.Linear(d, size.words * d)
        self.style = nn.Embedding(styles, d)
        self.role = nn.Parameter(torch.randn(1, size.words + 1, d) * 0.02)
        self.narrow = nn.Linear(d, size.narrow)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.depth))
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.last = nn.Linear(size.narrow, 2 * d)
        self.cell_out = nn.Linear(d, CELL)
        self.register_buffer(
            "frequency", 1000 * torch.exp(-math.log(1e4) * torch.arange(64) / 64), persistent=False
        )
        self._start()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.style.weight, std=0.3)
        for block in self.blocks:
            nn.init.zeros_(block.modulation.weight)
        for layer in (self.last, self.cell_out):
            nn.init.zeros_(layer.weight)

    def forward(
        self, z: torch.Tensor, t: torch.Tensor, text: torch.Tensor, style: torch.Tensor
    ) -> torch.Tensor:
        b, side = z.shape[0], LATENT[1] // PATCH
        angle = t[:, None] * self.frequency
        wave = torch.cat([angle.cos(), angle.sin()], -1)
        h = self.text(text * TEXT**0.5)
        s = self.style(style)
        c = functional.silu(self.narrow(functional.silu(self.time(wave) + h + s)))
        words = self.words(functional.silu(h)).view(b, self.size.words, -1)
        x = (
            z.view(b, LATENT[0], side, PATCH, side, PATCH)
            .permute(0, 2, 4, 1, 3, 5)
            .reshape(b, TOKENS, CELL)
        )
        x = torch.cat(
            [
                self.cell_in(x) + self.place,
                torch.cat([words, s[:, None]], 1) + self.role,
            ],
            1,
        )
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.last(c).unsqueeze(1).chunk(2, -1)
        x = self.cell_out(self.norm(x[:, :TOKENS]) * (1 + scale) + shift)
        return (
            x.view(b, side, side, LATENT[0], PATCH, PATCH)
            .permute(0, 3, 1, 4, 2, 5)
            .reshape(b, *LATENT)
        )


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
