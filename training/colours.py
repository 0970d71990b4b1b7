"""The twelve colours a sprite can be asked in, and the arithmetic that recolours a sprite."""

import math
from dataclasses import dataclass

import torch

UNSAID, NATURAL = 0, 1  # condition ids; the named colours follow


@dataclass(frozen=True)
class Colour:
    """A hue in degrees (None: a grey), a saturation or brightness in 0..1, and Korean names."""

    hue: float | None
    strength: float
    korean: tuple[str, str]


COLOURS = {
    "red": Colour(0, 0.85, ("빨간", "빨간색")),
    "orange": Colour(28, 0.88, ("주황색", "오렌지색")),
    "yellow": Colour(50, 0.85, ("노란", "노란색")),
    "green": Colour(125, 0.65, ("초록색", "녹색")),
    "blue": Colour(215, 0.80, ("파란", "파란색")),
    "purple": Colour(275, 0.60, ("보라색", "보랏빛")),
    "pink": Colour(332, 0.48, ("분홍색", "핑크색")),
    "gold": Colour(43, 0.75, ("금색", "황금색")),
    "brown": Colour(24, 0.60, ("갈색", "밤색")),
    "black": Colour(None, 0.16, ("검은", "까만")),
    "silver": Colour(None, 0.68, ("은색", "회색")),
    "white": Colour(None, 0.90, ("하얀", "흰색")),
}
NAMES = tuple(COLOURS)
IDS = {name: NATURAL + 1 + k for k, name in enumerate(NAMES)}
COUNT = len(NAMES) + 2

_GREY_CONTRAST = {"black": 0.40, "silver": 0.80, "white": 0.40}


def _hue(rgb: torch.Tensor, top: torch.Tensor, span: torch.Tensor) -> torch.Tensor:
    r, g, b = rgb.unbind(1)
    turn = torch.where(top == r, g - b, torch.where(top == g, 2 * span + b - r, 4 * span + r - g))
    return turn / span.clamp(min=1e-3) * (math.pi / 3)


def _from_hsv(h: torch.Tensor, s: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    t = (h / (math.pi / 3)) % 6
    faces = [torch.minimum((t + n) % 6, 4 - (t + n) % 6).clamp(0, 1) for n in (5, 3, 1)]
    return torch.stack([v * (1 - s * f) for f in faces], 1)


def recolour(x: torch.Tensor, colour: str) -> torch.Tensor:
    """[n,4,h,w] premultiplied in 0..1 -> the same sprites in the named colour.

    The main hue of each sprite is turned onto the named one and the others turn with it, except
    those far from it, which stay: the leaf on a red apple is still green when the apple is blue.
    """
    named, alpha = COLOURS[colour], x[:, 3:]
    rgb = x[:, :3] / alpha.clamp(min=1e-3)
    top, low = rgb.amax(1), rgb.amin(1)
    sat, weight = (top - low) / top.clamp(min=1e-3), alpha[:, 0]

    def mean(q: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return ((q * w).sum((1, 2)) / (w.sum((1, 2)) + 1e-6))[:, None, None]

    if named.hue is None:
        light = (rgb * rgb.new_tensor([0.3, 0.59, 0.11])[:, None, None]).sum(1)
        grey = named.strength + _GREY_CONTRAST[colour] * (light - mean(light, weight))
        out = grey[:, None].expand(-1, 3, -1, -1)
    else:
        h, share = _hue(rgb, top, top - low), sat * top * weight
        main = torch.atan2((share * h.sin()).sum((1, 2)), (share * h.cos()).sum((1, 2)) + 1e-9)
        away = (h - main[:, None, None] + math.pi) % (2 * math.pi) - math.pi
        keep = (away.abs() > 1.0) & (sat > 0.25)
        mean_sat = mean(sat, weight * top)
        vivid = mean_sat > 0.25
        target = named.strength
        painted = torch.where(
            vivid, sat * target / mean_sat.clamp(min=0.12), target * (1 - 0.3 * top)
        )
        dark = top * 0.62 if colour == "brown" else top
        bright = torch.where(vivid, dark, (0.25 + 0.7 * top) * (0.7 if colour == "brown" else 1))
        turned = torch.full_like(h, math.radians(named.hue)) + 0.35 * away
        out = _from_hsv(
            torch.where(keep, h, turned),
            torch.where(keep, sat, painted.clamp(0, 1)),
            torch.where(keep, top, bright.clamp(0, 1)),
        )
    return torch.cat([out.clamp(0, 1) * alpha, alpha], 1)


def turn_hue(x: torch.Tensor, angle: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Turns every hue of sprite k by angle[k] radians and scales its saturation (in YIQ)."""
    yiq = x.new_tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    c, s = angle.cos() * strength, angle.sin() * strength
    turn = x.new_zeros(len(x), 3, 3)
    turn[:, 0, 0], turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = 1, c, -s, s, c
    matrix = torch.linalg.inv(yiq) @ turn @ yiq
    rgb = torch.einsum("nij,njhw->nihw", matrix, x[:, :3]).clamp(min=0)
    return torch.cat([torch.minimum(rgb, x[:, 3:]), x[:, 3:]], 1)
