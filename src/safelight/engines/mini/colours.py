"""Paints a sprite in the colour that the prompt asked for, keeping its shading."""

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
MOST_ACCENT = 0.18  # of a thing; more than that is no accent
ACCENT_RADIANS = 0.85, 1.35  # hues further than that from the main one stay: an apple's leaf
HUE_SPREAD = 0.15  # of the original variation of hue around the main one


def recolour(rgb: Floats, alpha: Floats, colour: str) -> Floats:
    """rgb [h, w, 3] and alpha [h, w], all 0..1 → the same thing in that colour."""
    if colour in GREYS:
        return _grey(rgb, alpha, *GREYS[colour])
    hue, saturation, gain = HUES[colour]
    return _tint(rgb, alpha, float(np.deg2rad(hue)), saturation, gain)


def _grey(rgb: Floats, alpha: Floats, darkest: float, middle: float, brightest: float) -> Floats:
    """Bend the thing's own range of luminance so that its median becomes the middle grey."""
    luminance = rgb @ np.array([0.3, 0.59, 0.11], np.float32)
    inside = luminance[alpha > 0.5]
    if not len(inside):
        inside = luminance.ravel()
    low, median, high = np.quantile(inside, [0.02, 0.5, 0.98])
    spread = max(float(high - low), 0.2)
    level = ((luminance - low) / spread).clip(0, 1)
    half = min(max(float(median - low) / spread, 0.05), 0.95)
    bend = np.log((middle - darkest) / (brightest - darkest)) / np.log(half)
    grey = darkest + (brightest - darkest) * level ** float(bend)
    return np.repeat(grey[..., None], 3, axis=-1)


def _tint(rgb: Floats, alpha: Floats, hue: float, saturation: float, gain: float) -> Floats:
    old_hue, old_saturation, value = to_hsv(rgb)
    weight = alpha * value * old_saturation
    main = np.angle((weight * np.exp(1j * old_hue)).sum() + 1e-9)
    mean_saturation = weight.sum() / ((alpha * value).sum() + 1e-6)
    turned = (old_hue - main + np.pi) % (2 * np.pi) - np.pi
    if mean_saturation > 0.25:
        new_saturation = (old_saturation * saturation / mean_saturation).clip(0.55 * saturation, 1)
        painted = from_hsv(hue + HUE_SPREAD * turned, new_saturation, (value * gain).clip(0, 1))
        near, far = ACCENT_RADIANS
        accent = ((np.abs(turned) - near) / (far - near)).clip(0, 1)
        accent = (accent * ((old_saturation - 0.25) / 0.2).clip(0, 1))[..., None]
        if (accent[..., 0] * alpha).sum() > MOST_ACCENT * alpha.sum():
            return painted
        blend: Floats = painted + accent * (rgb - painted)
        return blend
    # a grey thing has no hue to turn: dye it, leaving the highlights pale
    dyed = (0.25 + 0.7 * value) * gain
    return from_hsv(hue + 0 * value, saturation * (1 - 0.35 * value**4), dyed.clip(0, 1))


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
