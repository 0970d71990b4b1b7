"""Brush strokes: a picture painted over again, broad strokes first, fine ones along its edges."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from safelight.engines.mini.lexicon import Floats

EDGES_PIXELS = 512  # longer side of the picture that the strokes' directions are read from


@dataclass(frozen=True, slots=True)
class Brush:
    size: float  # width of a stroke, in shares of the longer side
    spacing: float  # between strokes, in sizes
    length: float  # of a stroke, in sizes
    busy: float  # where the picture changes less than this, the brush is not used


BRUSHES = (
    Brush(0.022, 0.55, 4.0, 0.0),
    Brush(0.011, 0.62, 4.0, 0.008),
    Brush(0.0055, 0.7, 3.4, 0.03),
)


def brushed(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """The picture in strokes that follow its shapes; the same strokes at every size."""
    longest = max(picture.size)
    scale = EDGES_PIXELS / longest
    small = picture.resize(
        (max(2, round(picture.width * scale)), max(2, round(picture.height * scale))),
        Image.Resampling.BOX,
    )
    angle, change = _directions(small)
    canvas = picture.filter(ImageFilter.GaussianBlur(longest * BRUSHES[0].size / 2))
    pen = ImageDraw.Draw(canvas)
    aspect = picture.width / longest, picture.height / longest
    for brush in BRUSHES:
        step = brush.size * brush.spacing
        rows, columns = (max(1, round(side / step)) for side in (aspect[1], aspect[0]))
        grid = np.moveaxis(np.mgrid[0:rows, 0:columns], 0, -1).reshape(-1, 2)
        places = (grid + random.uniform(0, 1, grid.shape)) * step  # down, across
        jitter = random.normal(0, 1, (len(places), 5))
        order = random.permutation(len(places))
        _stroke(pen, small, places[order], jitter[order], brush, longest, angle, change)
    return canvas


def _directions(small: Image.Image) -> tuple[Floats, Floats]:
    """[h, w] the direction along which colours stay, and how much they change across it."""
    grey = np.asarray(small.convert("L").filter(ImageFilter.GaussianBlur(2)), np.float32) / 255
    down, across = (np.gradient(grey, axis=axis).astype(np.float32) for axis in (0, 1))
    steep = _levels(2000 * np.hypot(down, across))
    near = steep.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.GaussianBlur(2))
    parts = (across * across - down * down, 2 * across * down)  # of the structure tensor
    even, odd = (
        np.asarray(_levels(6000 * part + 128).filter(ImageFilter.BoxBlur(4)), np.float32) - 128
        for part in parts
    )
    return 0.5 * np.arctan2(odd, even) + np.pi / 2, np.asarray(near, np.float32) / 2000


def _levels(values: Floats) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _stroke(
    pen: ImageDraw.ImageDraw,
    small: Image.Image,
    places: Floats,
    jitter: Floats,
    brush: Brush,
    longest: int,
    angle: Floats,
    change: Floats,
) -> None:
    y = (places[:, 0] * EDGES_PIXELS).astype(np.int64).clip(0, small.height - 1)
    x = (places[:, 1] * EDGES_PIXELS).astype(np.int64).clip(0, small.width - 1)
    busy = change[y, x]
    used = busy >= brush.busy
    y, x, places, jitter, busy = y[used], x[used], places[used], jitter[used], busy[used]
    calm = np.exp(-busy * 120)
    turn = np.where(calm > 0.9, 0.35 + 0.35 * jitter[:, 0], angle[y, x] + 0.12 * jitter[:, 0])
    half = 0.5 * brush.length * brush.size * (1 + 0.2 * jitter[:, 1]).clip(0.4, 1.8) * longest
    half *= 0.45 + 0.55 * calm
    wide = (brush.size * longest * (1 + 0.2 * jitter[:, 2]).clip(0.5, 1.6)).clip(1)
    tones = np.asarray(small, np.float32)[y, x] * (1 + 0.035 * jitter[:, 3:4])
    tones = (tones + 5 * jitter[:, 4:5] * np.array([1.0, 0.2, -0.8])).clip(0, 255)
    cosine, sine = np.cos(turn) * half, np.sin(turn) * half
    middle_y, middle_x = places[:, 0] * longest, places[:, 1] * longest
    ends = np.stack(
        [middle_x - cosine, middle_y - sine, middle_x + cosine, middle_y + sine], -1
    ).tolist()
    for line, width, tone in zip(
        ends, wide.round().astype(int).tolist(), tones.round().astype(int).tolist(), strict=True
    ):
        pen.line(line, fill=tuple(tone), width=width)
