"""Colours of the hours: what sky, haze and light do to everything below them."""

from collections.abc import Sequence
from colorsys import hsv_to_rgb, rgb_to_hsv
from dataclasses import dataclass, replace

import numpy as np

from safelight.engines.mini.idea import Setting

Rgb = tuple[float, float, float]

PAINTS: dict[str, Rgb] = {  # plain backdrops
    "red": (196, 48, 50),
    "orange": (240, 142, 56),
    "yellow": (247, 208, 84),
    "green": (84, 166, 98),
    "blue": (68, 126, 212),
    "purple": (126, 88, 186),
    "pink": (244, 166, 194),
    "gold": (206, 164, 76),
    "brown": (124, 86, 58),
    "black": (12, 12, 14),
    "silver": (176, 182, 190),
    "white": (255, 255, 255),
}
STUDIO_HUES = (8, 28, 45, 150, 190, 214, 262, 330)  # degrees: coral to rose
STUDIO_SATURATION = 0.2, 0.3
BOLD_SATURATION = 0.4, 0.5
NEUTRAL = 34.0  # a colour whose channels differ less has no hue to stand against


@dataclass(frozen=True, slots=True)
class Palette:
    top: Rgb  # of the sky
    middle: Rgb
    low: Rgb  # of the sky at the horizon
    haze: Rgb  # what far things fade into
    ambient: Rgb  # factors on the colours of things by day
    cloud: Rgb
    light: Rgb  # of the sun or the moon

    def lit(self, colour: Sequence[float], distance: float = 0.0) -> Rgb:
        """A colour by day → as it looks now, `distance` 0..1 of the way into the haze."""
        return mix([c * a for c, a in zip(colour, self.ambient, strict=True)], self.haze, distance)


HOURS = {
    "day": Palette(
        top=(66, 142, 228),
        middle=(132, 190, 242),
        low=(214, 236, 250),
        haze=(198, 222, 240),
        ambient=(1.0, 1.0, 1.0),
        cloud=(255, 255, 255),
        light=(255, 248, 214),
    ),
    "sunset": Palette(
        top=(58, 56, 122),
        middle=(206, 98, 122),
        low=(255, 190, 112),
        haze=(238, 152, 134),
        ambient=(0.68, 0.5, 0.6),
        cloud=(255, 146, 118),
        light=(255, 232, 168),
    ),
    "night": Palette(
        top=(7, 10, 34),
        middle=(18, 28, 72),
        low=(52, 66, 124),
        haze=(44, 58, 108),
        ambient=(0.26, 0.33, 0.52),
        cloud=(70, 82, 130),
        light=(250, 246, 226),
    ),
}
GREY_SKY: dict[str, Rgb] = {
    "day": (186, 198, 212),
    "sunset": (196, 148, 146),
    "night": (36, 44, 66),
}


def palette(setting: Setting, random: np.random.Generator) -> Palette:
    """The hour's colours, greyer in bad weather, a little different for each seed."""
    hour = HOURS[setting.light]
    veil = max((VEILS[weather] for weather in setting.weather), default=0.0)
    grey = GREY_SKY[setting.light]
    drift = [random.normal(0, 7) for _ in range(3)]
    return replace(
        hour,
        top=mix(_shift(hour.top, drift), [0.8 * g for g in grey], veil),
        middle=mix(_shift(hour.middle, drift), grey, veil),
        low=mix(hour.low, [1.1 * g for g in grey], veil),
        haze=mix(hour.haze, [1.06 * g for g in grey], veil),
        cloud=mix(hour.cloud, grey, 0.8 * veil),
    )


VEILS = {"snow": 0.45, "rain": 0.85, "fog": 0.7, "clouds": 0.3}


def mix(one: Sequence[float], other: Sequence[float], share: float) -> Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def rounded(colour: Sequence[float]) -> tuple[int, int, int]:
    """To whole levels, 0..255."""
    red, green, blue = (round(min(255.0, max(0.0, channel))) for channel in colour)
    return red, green, blue


def _shift(colour: Rgb, drift: Sequence[float]) -> Rgb:
    red, green, blue = (min(255.0, max(0.0, c + d)) for c, d in zip(colour, drift, strict=True))
    return red, green, blue


def studio(random: np.random.Generator, against: Rgb | None, bold: bool = False) -> Rgb:
    """A pale backdrop, of a hue far from that of the thing before it."""
    hues = np.array(STUDIO_HUES, np.float64)
    weight = np.ones(len(hues))
    if against is not None and max(against) - min(against) > NEUTRAL:
        hue = 360 * rgb_to_hsv(*(channel / 255 for channel in against))[0]
        away = np.abs((hues - hue + 180) % 360 - 180)
        weight = np.where(away > 80, away, 0.0)
    saturation = random.uniform(*(BOLD_SATURATION if bold else STUDIO_SATURATION))
    hue = random.choice(hues, p=weight / weight.sum()) + random.uniform(-8, 8)
    red, green, blue = hsv_to_rgb(hue % 360 / 360, saturation, 0.96)
    return 255 * red, 255 * green, 255 * blue
