"""Styles: what a finished picture is turned into, a strip at a time and without seams.

A style looks at the whole picture once, reduced, and then makes each strip from the strip and from
what it saw: the strips need nothing of each other, and the look does not depend on the size.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from safelight.engines import Pixels
from safelight.engines.mini.canvas import Frame, Noise, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.strokes import brushed

SEEN_PIXELS = 640  # longer side of the reduced picture
GRAIN_SIDE = 509  # pixels of the tile that film grain is taken from
MARGIN = 0.045  # heights of paper that a watercolour leaves free
PIXEL_ROWS = 72  # of pixel art, on the shorter side
INKS = 11  # of a poster
CHALK = (150.0, 136.0, 176.0)  # the darkest pastel
PAPER = (250.0, 247.0, 240.0)
LUMINANCE = np.array([0.3, 0.59, 0.11], np.float32)

Turn = Callable[[Strip], None]  # changes the colours of a strip, which holds the finished picture
Style = Callable[[Pixels, Frame, np.random.Generator], Turn]


def turn(
    names: Sequence[str], pixels: Pixels, frame: Frame, random: np.random.Generator
) -> Iterator[None]:
    """Change the pixels in place, one style after the other; yield after each strip."""
    for name in names:
        style = STYLES[name](pixels, frame, random)
        for strip in frame.strips():
            strip.colour[:] = np.moveaxis(pixels[strip.top : strip.bottom], -1, 0)
            style(strip)
            pixels[strip.top : strip.bottom] = strip.pixels()
            yield


def _seen(pixels: Pixels, longest: int = SEEN_PIXELS) -> Image.Image:
    height, width, _ = pixels.shape
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(pixels).resize(size, Image.Resampling.BOX)


def _over(image: Image.Image, strip: Strip) -> Floats:
    """A reduced image [rows, width] or [rows, width, 3], interpolated over the strip."""
    scale = image.height / strip.frame.height
    box = (0, strip.top * scale, image.width, strip.bottom * scale)
    size = (strip.frame.width, strip.bottom - strip.top)
    made = image.resize(size, Image.Resampling.BICUBIC, box=box)
    return np.asarray(made, np.float32)


def _luminance(strip: Strip) -> Floats:
    grey: Floats = np.tensordot(LUMINANCE, strip.colour, 1)
    return grey


def _tone(strip: Strip, grey: Floats, dark: Sequence[float], light: Sequence[float]) -> None:
    for plane, low, high in zip(strip.colour, dark, light, strict=True):
        plane[:] = np.float32(low) + grey * np.float32((high - low) / 255)


def _vignette(strip: Strip, strength: float) -> None:
    across = (strip.x / strip.frame.aspect - 0.5) ** 2
    strip.colour *= 1 - np.float32(strength) * ((across + (strip.y - 0.5) ** 2) * 2).clip(0, 1)


def _mono(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    def change(strip: Strip) -> None:
        grey = _luminance(strip) / 255
        _tone(strip, 255 * (grey + 0.35 * grey * (1 - grey) * (2 * grey - 1)), (8,) * 3, (250,) * 3)

    return change


def _sepia(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    def change(strip: Strip) -> None:
        _tone(strip, _luminance(strip), (38, 22, 10), (252, 232, 196))
        _vignette(strip, 0.4)

    return change


def _vintage(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    grain = random.normal(0, 5, (GRAIN_SIDE, GRAIN_SIDE)).astype(np.float32)

    def change(strip: Strip) -> None:
        grey = _luminance(strip)
        for plane, (low, high) in zip(strip.colour, ((44, 250), (34, 234), (46, 196)), strict=True):
            mixed = plane + 0.3 * (grey - plane)
            plane[:] = low + mixed * np.float32((high - low) / 255)
        _vignette(strip, 0.35)
        rows = np.arange(strip.top, strip.bottom) % GRAIN_SIDE
        columns = np.arange(strip.frame.width) % GRAIN_SIDE
        strip.colour += grain[rows[:, None], columns[None]]

    return change


def _pastel(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    tooth = Noise(frame, random, (90, 200), falloff=0.8)

    def change(strip: Strip) -> None:
        grey = _luminance(strip)
        chalk = 3.0 * tooth.over(strip)
        for plane, low in zip(strip.colour, CHALK, strict=True):
            lively = (grey + np.float32(1.15) * (plane - grey)).clip(0, 255)
            plane[:] = low + lively * np.float32((254 - low) / 255) + chalk

    return change


def _edges(image: Image.Image, blur: float) -> Floats:
    """[height, width] how much the colours change here, 0 and up."""
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32) / 255
    down, across = (np.abs(np.gradient(soft, axis=axis)).max(-1) for axis in (0, 1))
    steep: Floats = np.hypot(down, across) * np.float32(max(image.size) / SEEN_PIXELS)
    return steep


def _neon(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """The dark picture, its edges as glowing tubes."""
    seen = _seen(pixels)
    lines = (_edges(seen, 1.2) * 9 - 0.25).clip(0, 1)
    hues = np.asarray(seen.filter(ImageFilter.GaussianBlur(4)), np.float32)
    spread = hues - hues.mean(-1, keepdims=True)
    strength = np.abs(spread).max(-1, keepdims=True)
    place = np.linspace(0, 1, seen.width, dtype=np.float32)[None, :, None]
    usual = (1 - place) * np.array([255, 40, 190]) + place * np.array([30, 220, 255])
    vivid = (128 + spread * (150 / np.maximum(strength, 8))).clip(20, 255)
    tube = vivid + (usual - vivid) * (1 - strength / 60).clip(0, 1)
    lit = Image.fromarray((tube * lines[..., None]).clip(0, 255).astype(np.uint8))
    radius = max(seen.size) / 60
    halo = np.asarray(lit.filter(ImageFilter.GaussianBlur(radius)), np.float32)
    near = np.asarray(lit.filter(ImageFilter.GaussianBlur(radius / 4)), np.float32)
    light = Image.fromarray(
        (1.5 * halo + 0.9 * near + 0.9 * np.asarray(lit, np.float32)).clip(0, 255).astype(np.uint8)
    )
    dusk = np.array([0.24, 0.2, 0.36], np.float32)

    def change(strip: Strip) -> None:
        glow = np.moveaxis(_over(light, strip), -1, 0)
        dim = strip.colour * dusk[:, None, None]
        strip.colour[:] = dim + glow * (1 - dim / 255)

    return change


def _pixel(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Squares of few colours."""
    cell = min(frame.aspect, 1.0) / PIXEL_ROWS  # heights
    size = max(1, round(frame.aspect / cell)), max(1, round(1 / cell))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    vivid = small.filter(ImageFilter.UnsharpMask(1.0, 45, 0))
    few = vivid.quantize(40, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    squares = np.moveaxis(np.asarray(few.convert("RGB"), np.float32), -1, 0)

    def change(strip: Strip) -> None:
        rows = (strip.y[:, 0] * size[1]).astype(np.int64).clip(0, size[1] - 1)
        columns = (strip.x[0] * (size[0] / frame.aspect)).astype(np.int64).clip(0, size[0] - 1)
        strip.colour[:] = squares[:, rows[:, None], columns[None]]

    return change


def _halftone(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Flat inks, a screen of dots for the shades, black outlines."""
    seen = _seen(pixels)
    lines = Image.fromarray((_edges(seen, 1.0) * 8 - 0.6).clip(0, 1))
    pitch = 90 / min(frame.aspect, 1.0)  # dots per height, along the screen

    def change(strip: Strip) -> None:
        grey = _luminance(strip) / 255
        tone = (grey * 1.12 - 0.02).clip(0.02, 1)
        strip.colour *= (np.ceil(tone * 5) / 5) / np.maximum(grey, 0.02)
        u, v = (strip.x + strip.y) * pitch * 0.7071, (strip.x - strip.y) * pitch * 0.7071
        away = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
        dot = ((0.62 * (0.95 - grey).clip(0, 1) - away) * strip.frame.height / pitch).clip(0, 1)
        strip.colour *= 1 - np.float32(0.42) * dot
        strip.blend(_over(lines, strip).clip(0, 1), (18, 14, 22))

    return change


def _sketch(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Pencil on paper: dark where the picture is darker than its surroundings, hatched shades."""
    seen = _seen(pixels, 1024).convert("L")
    soft = seen.filter(ImageFilter.GaussianBlur(max(seen.size) / 110))
    ratio = np.asarray(seen, np.float32) / np.maximum(np.asarray(soft, np.float32), 12)
    colour = _seen(pixels, 1024)
    outline = (_edges(colour, 1.0) * 7 - 0.12).clip(0, 0.9)
    lines = np.maximum((1 - ratio) * 2.2, outline).clip(0, 1).astype(np.float32)
    drawn = Image.fromarray(lines)
    tooth = Noise(frame, random, (60, 140, 240), falloff=0.9)

    def change(strip: Strip) -> None:
        shade = (0.62 - _luminance(strip) / 255).clip(0, 1)
        grain = tooth.over(strip)
        hatch = (np.sin((strip.x + 0.8 * strip.y) * 330 + 2 * grain) * 0.5 + 0.5) * shade * 0.75
        ink = (_over(drawn, strip) * (1 + 0.35 * grain) + hatch).clip(0, 0.93)
        for plane, value in zip(strip.colour, PAPER, strict=True):
            plane[:] = value - 2.5 * grain - ink * (value - 42)

    return change


def _painted(
    pixels: Pixels, frame: Frame, random: np.random.Generator, seen: int, size: int
) -> Image.Image:
    """The reduced picture in patches: medians keep edges and forget details."""
    image = _seen(pixels, seen)
    for _ in range(2):
        image = image.filter(ImageFilter.MedianFilter(size))
    return image


def _watercolour(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Washes that run to their edges, on paper that shows around them."""
    patches = ImageEnhance.Color(_painted(pixels, frame, random, 560, 5)).enhance(1.25)
    rim = Image.fromarray((_edges(patches, 1.3) * 7 - 0.1).clip(0, 0.55))
    wash = Noise(frame, random, (3, 7, 17), falloff=0.7)
    tooth = Noise(frame, random, (110, 220), falloff=0.9)
    ragged = Noise(frame, random, (4, 11, 30), falloff=0.6)

    def change(strip: Strip) -> None:
        flow, paper = wash.over(strip), tooth.over(strip)
        across = np.minimum(strip.x, strip.frame.aspect - strip.x)
        margin = np.minimum(across, np.minimum(strip.y, 1 - strip.y)) + 0.016 * ragged.over(strip)
        wet = ((margin - MARGIN) * 70 + 0.5).clip(0, 1)
        pool = np.exp(
            -(((margin - MARGIN - 0.012) / 0.008) ** 2)
        )  # paint dries darkest at its edge
        thin = (0.2 + 0.1 * flow).clip(0.04, 0.6)
        body = np.moveaxis(_over(patches, strip), -1, 0)
        body = body * (1 - np.float32(0.6) * _over(rim, strip)) * (1 - 0.16 * pool)
        for plane, value, white in zip(strip.colour, body, PAPER, strict=True):
            painted = value + thin * (white - value)
            plane[:] = white + wet * (painted - white) + 3.5 * paper

    return change


def _oil(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Strokes of thick paint, lit from the upper left."""
    painting = brushed(_seen(pixels, 1024), random)
    grey = np.asarray(painting.convert("L"), np.float32)
    ridge = grey - np.asarray(painting.convert("L").filter(ImageFilter.GaussianBlur(2)), np.float32)
    lit = Image.fromarray((ridge - np.roll(ridge, (1, 1), (0, 1))).clip(-14, 14))
    weave = Noise(frame, random, (180, 240), falloff=0.9)

    def change(strip: Strip) -> None:
        body = np.moveaxis(_over(painting, strip), -1, 0)
        mean = body.mean(0)
        rich = mean + np.float32(1.18) * (body - mean)
        strip.colour[:] = rich + 0.9 * _over(lit, strip) + 1.6 * weave.over(strip)

    return change


def _poster(pixels: Pixels, frame: Frame, random: np.random.Generator) -> Turn:
    """Few flat colours with clean edges."""
    patches = ImageEnhance.Color(_painted(pixels, frame, random, 640, 5)).enhance(1.3)
    few = patches.quantize(INKS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    inks = np.asarray((few.getpalette() or [])[: 3 * INKS], np.float32).reshape(-1, 3)
    flat = Image.fromarray(np.asarray(few.convert("RGB")))

    def change(strip: Strip) -> None:
        near = _over(flat, strip)
        best = np.full(near.shape[:2], np.inf, np.float32)
        for ink in inks:
            distance = ((near - ink) ** 2).sum(-1)
            closer = distance < best
            best = np.where(closer, distance, best)
            strip.blend(closer.astype(np.float32), tuple(ink))

    return change


STYLES: dict[str, Style] = {
    "poster": _poster,
    "watercolour": _watercolour,
    "oil": _oil,
    "pixel": _pixel,
    "halftone": _halftone,
    "sketch": _sketch,
    "neon": _neon,
    "pastel": _pastel,
    "vintage": _vintage,
    "sepia": _sepia,
    "mono": _mono,
}
MAKES = {"poster": "flat", "halftone": "cartoon"}  # drawings that suit a style
COARSE = frozenset({"oil", "pixel", "halftone"})  # nothing finer than a brush is left of a picture
MOST_STYLES = 2  # more of them together leave nothing of the picture


def make(named: Sequence[str]) -> str | None:
    """How the things are drawn, where the styles say: in one of the sprite model's own styles."""
    makes = (MAKES.get(name) if name in STYLES else name for name in named)
    return next(filter(None, makes), None)


def chosen(named: Sequence[str]) -> tuple[str, ...]:
    """In the order in which they are applied, tones last."""
    return tuple(name for name in STYLES if name in named)[-MOST_STYLES:]
