"""What every painted place is built from: its sky, its far mountains, its woods."""

from dataclasses import dataclass, field

import numpy as np

from safelight.engines.mini import land, sky
from safelight.engines.mini.canvas import Frame, Layer, outline
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Palette, Rgb, mix

SNOW: Rgb = (240, 245, 252)


@dataclass(frozen=True)
class Site:
    """What every place is built from."""

    frame: Frame
    random: np.random.Generator
    colours: Palette
    setting: Setting
    sun: float  # where the sun or the moon stands, in heights from the left
    alone: bool = False  # nothing will stand in it: the place is the picture
    mirrored: list[tuple[Floats, Rgb]] = field(default_factory=list)  # skylines, for still water

    @property
    def snowy(self) -> bool:
        return "snow" in self.setting.weather

    def earth(self, colour: Rgb, distance: float = 0.0) -> Rgb:
        """A colour of the ground, under snow if there is any, in this light."""
        return self.colours.lit(mix(colour, SNOW, 0.93) if self.snowy else colour, distance)

    def flat(self, y: float) -> Floats:
        return np.full(self.frame.width, y, np.float32)

    def rolling(self, y: float, rise: float, cells: float = 1.5) -> Floats:
        return np.float32(y) - np.float32(rise) * outline(self.frame, self.random, cells, octaves=2)


def heavens(site: Site, horizon: float, sinking: float = 0.0) -> tuple[list[Layer], float]:
    """Sky, stars, sun or moon, clouds; and where the sun is, for its path on water.

    `sinking` is how far above the horizon the sun still is at sunset, to be seen over what rises.
    """
    colours, setting, random, frame = site.colours, site.setting, site.random, site.frame
    stops = [(0.0, colours.top), (0.55 * horizon, colours.middle), (horizon, colours.low)]
    layers = [sky.gradient(stops)]
    x = site.sun
    clear = not {"rain", "fog"} & setting.weather
    if setting.light == "night" and clear:
        layers.append(sky.stars(frame, random, 420, horizon))
    if clear and (setting.light != "day" or setting.celestial):
        low = setting.light == "sunset"
        y = horizon - sinking - random.uniform(0.0, 0.07)
        y = y if low else horizon * random.uniform(0.24, 0.42)
        radius = (0.085 if setting.light == "sunset" else 0.055) * max(0.6, frame.span)
        layers.append(sky.disc(x, y, radius, colours.light, 0.75 if low else 0.4))
        if setting.light == "night":
            layers.append(sky.seas(x, y, radius, mix(colours.light, colours.middle, 0.35)))
    cover = 0.55 if "clouds" in setting.weather else random.uniform(0.12, 0.34)
    if setting.light == "night":
        cover *= 0.5
    layers.append(sky.clouds(frame, random, colours, horizon, cover))
    return layers, x


def ridges(site: Site, horizon: float, number: int, height: float, near: Rgb) -> list[Layer]:
    """Mountains behind mountains, each paler than the one before it."""
    layers: list[Layer] = []
    for index in range(number):
        share = index / max(1, number - 1)  # 0: farthest
        rise = height * (1 - 0.62 * share)
        base = horizon + 0.03 + 0.16 * share * height / 0.4
        shape = outline(site.frame, site.random, 1.1 + 1.2 * share, octaves=7, ridged=True)
        line = (base - rise * shape).astype(np.float32)
        crest = site.earth(near, 0.72 * (1 - share))
        site.mirrored.append((line, crest))
        layers.append(
            land.silhouette(
                line, crest, mix(crest, site.colours.haze, 0.75 - 0.3 * share), 1.25 * rise
            )
        )
        if share < 0.7 and height > 0.3:
            snow = site.colours.lit(SNOW, 0.35 * (1 - share))
            limit = float(np.quantile(line, 0.45)) + (0.3 if site.snowy else 0.0)
            layers.append(land.snow_cap(site.frame, site.random, line, limit, snow))
    return layers


def wood(site: Site, base: float, height: float, near: Rgb, rows: int) -> list[Layer]:
    """Rows of conifers, the far ones paler and smaller."""
    layers: list[Layer] = []
    for row in range(rows):
        share = row / max(1, rows - 1)
        foot = base + 0.05 * share
        tall = height * (0.62 + 0.38 * share)
        tone = mix(near, SNOW, 0.35) if site.snowy else near
        crest = site.colours.lit(tone, 0.68 * (1 - share))
        bottom = mix(crest, site.colours.haze, 0.3)
        layers.append(land.spruces(site.frame, site.random, foot, tall, crest, bottom))
    return layers


def flanks(site: Site, foot: float, height: float, near: Rgb) -> list[Layer]:
    """Tall conifers at both sides of the picture, close by, to look between."""
    aspect = site.frame.aspect
    tone = site.colours.lit(mix(near, SNOW, 0.3) if site.snowy else near)
    clear = (0.2 * aspect, 0.8 * aspect)
    dark = mix(tone, (6, 8, 20), 0.35)
    return [land.spruces(site.frame, site.random, foot, height, tone, dark, clear)]
