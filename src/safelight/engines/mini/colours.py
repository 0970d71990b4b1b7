"""Paints a sprite in the colour that the prompt asked for, keeping its shading."""

from typing import Any

import numpy as np

from safelight.engines.mini.lexicon import Floats

HUES = {  # hue in degrees, saturation, gain of brightness
    "red": (356, 0.85, 1.0),
    "orange": (26, 0.88, 1.0),
    "yellow": (50, 0.85, 1.05),
    "green": (128, 0.66, 0.9),
    "blue": (215, 0.8, 0.95),
    "purple": (275, 0.62, 0.9),
    "pink": (335, 0.5, 1.05),
    "gold": (43, 0.78, 0.95),
    "brown": (24, 0.6, 0.62),
}
GREYS = {  # darkest, middle and brightest level
    "black": (0.05, 0.19, 0.5),
    "silver": (0.2, 0.66, 0.98),
    "white": (0.3, 0.93, 1.0),
}
MOST_ACCENT = 0.33  # of a thing; more than that is no accent: a car's windows are one
STEEPEST = 1.4  # grey per luminance: more would show the noise of an even thing
GREYISH = 0.25  # saturation up to which a thing has no hue to speak of
HUE_BINS = 36
SAME_HUE, SAME_SATURATION = 0.3, 0.6  # radians and share of the asked: then it is that colour
ACCENT_RADIANS = 0.85, 1.35  # hues further than that from the main one stay: an apple's leaf
HUE_SPREAD = 0.15  # of the original variation of hue around the main one


def recolour(rgb: Floats, alpha: Floats, colour: str) -> Floats:
    """rgb [h, w, 3] and alpha [h, w], all 0..1 → the same thing in that colour.

    A smaller part that has quite another hue than the rest stays as it is.
    """
    hue, saturation, value = to_hsv(rgb)
    weight = alpha * value * saturation
    main = _main_hue(hue, weight)
    vividness = float(weight.sum() / ((alpha * value).sum() + 1e-6))
    away = _between(hue, main)
    if colour in GREYS:
        painted = _grey(rgb, alpha, *GREYS[colour])
    elif vividness <= GREYISH:
        painted = _dyed(value, *HUES[colour])
    elif _is(colour, main, vividness):
        return rgb
    else:
        painted = _tint(away, saturation / vividness, value, *HUES[colour])
    if vividness <= GREYISH:
        return painted
    near, far = ACCENT_RADIANS
    accent = ((np.abs(away) - near) / (far - near)).clip(0, 1)
    accent = (accent * ((saturation - GREYISH) / 0.2).clip(0, 1))[..., None]
    if (accent[..., 0] * alpha).sum() > MOST_ACCENT * alpha.sum():
        return painted
    blend: Floats = painted + accent * (rgb - painted)
    return blend


def _is(colour: str, main: float, vividness: float) -> bool:
    hue, saturation, gain = HUES[colour]
    shaded = gain < 0.8 or saturation < SAME_SATURATION  # brown and pink share their hues
    near = abs(_between(main, np.deg2rad(hue))) < SAME_HUE
    return bool(near and not shaded and vividness > SAME_SATURATION * saturation)


def _grey(rgb: Floats, alpha: Floats, darkest: float, middle: float, brightest: float) -> Floats:
    """The median of the thing's luminance becomes the middle grey, shading runs on from there."""
    luminance = rgb @ np.array([0.3, 0.59, 0.11], np.float32)
    inside = luminance[alpha > 0.5]
    if not len(inside):
        inside = luminance.ravel()
    low, median, high = np.quantile(inside, [0.02, 0.5, 0.98])
    down = min((middle - darkest) / max(float(median - low), 1e-3), STEEPEST)
    up = min((brightest - middle) / max(float(high - median), 1e-3), STEEPEST)
    away = luminance - np.float32(median)
    grey = (middle + np.where(away < 0, down, up) * away).clip(darkest, brightest)
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.float32)


def _dyed(value: Floats, hue: float, saturation: float, gain: float) -> Floats:
    """A grey thing has no hue to turn: dye it, leaving the highlights pale."""
    deep = (0.25 + 0.7 * value) * gain
    hues = np.full_like(value, np.deg2rad(hue))
    return from_hsv(hues, saturation * (1 - 0.35 * value**4), deep.clip(0, 1))


def _tint(
    away: Floats, relative: Floats, value: Floats, hue: float, saturation: float, gain: float
) -> Floats:
    """`away` from the main hue in radians and saturation relative to the mean keep their play."""
    vivid = (relative * saturation).clip(0.55 * saturation, 1)
    return from_hsv(np.deg2rad(hue) + HUE_SPREAD * away, vivid, (value * gain).clip(0, 1))


def _main_hue(hue: Floats, weight: Floats) -> float:
    """The mean of the hues around the commonest one."""
    bins = (hue / (2 * np.pi) % 1 * HUE_BINS).astype(int) % HUE_BINS
    mass = np.bincount(bins.ravel(), weight.ravel(), HUE_BINS)
    around = sum(np.roll(mass, shift) for shift in (-1, 0, 1))
    peak = (np.argmax(around) + 0.5) * 2 * np.pi / HUE_BINS
    near = weight * (np.abs(_between(hue, peak)) < ACCENT_RADIANS[0])
    return float(np.angle((near * np.exp(1j * hue)).sum() + 1e-9))


def _between(hue: Any, other: Any) -> Any:
    """Radians from the other hue to this one, the shorter way round."""
    return (hue - other + np.pi) % (2 * np.pi) - np.pi


def to_hsv(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue in radians, saturation and value in 0..1."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    high, low = rgb.max(-1), rgb.min(-1)
    chroma = np.maximum(high - low, 1e-4)
    sextant = np.select(
        [high == red, high == green],
        [(green - blue) / chroma, 2 + (blue - red) / chroma],
        4 + (red - green) / chroma,
    )
    return sextant * np.float32(np.pi / 3), (high - low) / np.maximum(high, 1e-3), high


def from_hsv(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """The inverse: https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative."""
    turn = hue / (np.pi / 3)
    channels = []
    for offset in (5, 3, 1):
        k = (turn + offset) % 6
        channels.append(value * (1 - saturation * np.minimum(k, 4 - k).clip(0, 1)))
    return np.stack(channels, -1).astype(np.float32)
