"""Painted places: the layers, from back to front, of a beach, a city, a night in the mountains."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from safelight.engines.mini import land, sky
from safelight.engines.mini.canvas import Frame, Layer, Noise, Strip, outline
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Palette, Rgb, mix, palette

SNOW: Rgb = (240, 245, 252)


@dataclass(frozen=True)
class Site:
    """What every place is built from."""

    frame: Frame
    random: np.random.Generator
    colours: Palette
    setting: Setting

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


def _heavens(site: Site, horizon: float, sinking: float = 0.0) -> tuple[list[Layer], float]:
    """Sky, stars, sun or moon, clouds; and where the sun is, for its path on water.

    `sinking` is how far above the horizon the sun still is at sunset, to be seen over what rises.
    """
    colours, setting, random, frame = site.colours, site.setting, site.random, site.frame
    stops = [(0.0, colours.top), (0.55 * horizon, colours.middle), (horizon, colours.low)]
    layers = [sky.gradient(stops)]
    x = frame.aspect * random.uniform(0.22, 0.78)
    clear = not {"rain", "fog"} & setting.weather
    if setting.light == "night" and clear:
        layers.append(sky.stars(frame, random, 420, horizon))
    if clear and (setting.light != "day" or setting.celestial):
        low = setting.light == "sunset"
        y = horizon - sinking - random.uniform(0.0, 0.07)
        y = y if low else horizon * random.uniform(0.24, 0.42)
        radius = (0.085 if setting.light == "sunset" else 0.055) * max(0.6, frame.span)
        layers.append(sky.disc(x, y, radius, colours.light, 0.75 if low else 0.4))
    cover = 0.55 if "clouds" in setting.weather else random.uniform(0.12, 0.34)
    if setting.light == "night":
        cover *= 0.5
    layers.append(sky.clouds(frame, random, colours, horizon, cover))
    return layers, x


def _ridges(site: Site, horizon: float, number: int, height: float, near: Rgb) -> list[Layer]:
    """Mountains behind mountains, each paler than the one before it."""
    layers: list[Layer] = []
    for index in range(number):
        share = index / max(1, number - 1)  # 0: farthest
        rise = height * (1 - 0.62 * share)
        base = horizon + 0.03 + 0.16 * share * height / 0.4
        shape = outline(site.frame, site.random, 1.1 + 1.2 * share, octaves=7, ridged=True)
        line = (base - rise * shape).astype(np.float32)
        crest = site.earth(near, 0.72 * (1 - share))
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


def _wood(site: Site, base: float, height: float, near: Rgb, rows: int) -> list[Layer]:
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


def _mountain(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.5, 0.58)
    layers, _ = _heavens(site, horizon + 0.1, sinking=0.4)
    near = mix((74, 104, 118), (66, 98, 82), site.random.random())
    layers += _ridges(site, horizon, 4, 0.42, near)
    if "fog" in site.setting.weather:
        layers.append(sky.fog(site.frame, site.random, site.colours.haze, horizon + 0.1))
    layers += _wood(site, 0.81, 0.13, (46, 84, 62), 2)
    layers.append(_meadow(site, site.rolling(0.84, 0.05), (88, 140, 74)))
    return layers, 0.93


def _meadow(site: Site, line: Floats, near: Rgb) -> Layer:
    far = mix(near, (214, 214, 120), 0.25)
    return land.ground(
        site.frame,
        site.random,
        line,
        site.earth(mix(near, (20, 50, 20), 0.3)),
        site.earth(far, 0.12),
        0.05,
    )


def _field(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.55, 0.62)
    layers, _ = _heavens(site, horizon)
    layers += _ridges(site, horizon, 2, 0.16, (96, 140, 132))
    green = mix((112, 178, 84), (138, 176, 76), site.random.random())
    for index in range(3):
        line = site.rolling(horizon + 0.05 * index + 0.02, 0.07, 1.0 + 0.5 * index)
        if index < 2:
            layers += _hedge(site, line, green, index)
        layers.append(_meadow(site, line, green))
    if not site.snowy and site.setting.light == "day" and site.random.random() < 0.5:
        layers += _blossoms(site, horizon + 0.14)
    return layers + _mist(site, horizon), 0.88


def _hedge(site: Site, line: Floats, green: Rgb, index: int) -> list[Layer]:
    """What grows on the hill behind: bushes, in snow conifers."""
    if site.snowy:
        return _wood(site, float(line.mean()), 0.1 + 0.03 * index, (46, 84, 70), 2)
    wood = line + land.treetops(site.frame, site.random, 0.0, 0.05 + 0.02 * index)
    crest = site.earth(mix(green, (40, 92, 60), 0.7), 0.3 - 0.1 * index)
    return [land.silhouette(wood, crest, crest, 0.1)]


def _blossoms(site: Site, top: float) -> list[Layer]:
    tones: list[Rgb] = [(250, 246, 236), (250, 214, 96), (236, 136, 170), (150, 130, 220)]
    chosen = [tones[index] for index in site.random.permutation(len(tones))[:2]]
    return land.flowers(site.frame, site.random, top, chosen)


def _mist(site: Site, horizon: float) -> list[Layer]:
    if "fog" not in site.setting.weather:
        return []
    return [sky.fog(site.frame, site.random, site.colours.haze, horizon)]


def _forest(site: Site) -> tuple[list[Layer], float]:
    layers: list[Layer] = _heavens(site, 0.7, sinking=0.45)[0]
    layers.append(sky.fog(site.frame, site.random, site.colours.haze, 0.5))
    layers += _wood(site, 0.7, site.random.uniform(0.52, 0.64), (44, 92, 62), 4)
    layers += _mist(site, 0.62)
    layers.append(_meadow(site, site.rolling(0.73, 0.04), (84, 138, 70)))
    return layers, 0.88


def _water_colours(site: Site) -> tuple[Rgb, Rgb]:
    near = site.colours.lit((22, 92, 150))
    return near, mix(site.colours.lit((84, 164, 206)), site.colours.low, 0.4)


def _sea(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.5, 0.57)
    layers, sun = _heavens(site, horizon)
    near, far = _water_colours(site)
    glint = mix(site.colours.low, (255, 255, 255), 0.3)
    layers.append(land.water(site.frame, site.random, horizon, near, far, glint))
    if site.setting.light != "day":
        layers.append(land.glitter(site.frame, site.random, horizon, sun, site.colours.light))
    return layers + _mist(site, horizon), 0.84


def _lake(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.54, 0.6)
    layers, sun = _heavens(site, horizon, sinking=0.26)
    layers += _ridges(site, horizon - 0.06, 3, 0.32, (74, 108, 116))
    layers += _wood(site, horizon - 0.01, 0.07, (46, 84, 62), 2)
    near, far = _water_colours(site)
    far = mix(far, site.earth((46, 84, 62)), 0.35)
    glint = mix(site.colours.low, (255, 255, 255), 0.2)
    layers.append(land.water(site.frame, site.random, horizon, near, far, glint))
    if site.setting.light != "day":
        layers.append(land.glitter(site.frame, site.random, horizon, sun, site.colours.light))
    return layers + _mist(site, horizon), 0.84


def _beach(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.44, 0.5)
    layers, sun = _heavens(site, horizon)
    near, far = (
        mix(site.colours.lit((120, 214, 216)), site.colours.low, 0.15),
        _water_colours(site)[0],
    )
    layers.append(land.water(site.frame, site.random, horizon, near, far, (236, 248, 252)))
    if site.setting.light != "day":
        layers.append(land.glitter(site.frame, site.random, horizon, sun, site.colours.light))
    shore = site.rolling(0.7, 0.07, 0.8)
    sand = site.earth((238, 214, 166))
    layers.append(
        land.ground(site.frame, site.random, shore, mix(sand, (120, 80, 40), 0.22), sand, 0.03)
    )
    layers.append(land.foam(shore, site.colours.lit((255, 255, 255))))
    return layers + _mist(site, horizon), 0.88


def _desert(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.54, 0.6)
    layers, _ = _heavens(site, horizon)
    for index in range(4):
        share = index / 3
        line = site.rolling(horizon + 0.04 + 0.11 * index, 0.13 - 0.01 * index, 0.9 + 0.3 * index)
        sand = mix((236, 186, 118), (206, 140, 78), 0.3 + 0.4 * (index % 2))
        far = site.earth(mix(sand, (250, 216, 160), 0.4), 0.45 * (1 - share))
        near = site.earth(mix(sand, (120, 66, 30), 0.25), 0.3 * (1 - share))
        layers.append(land.ground(site.frame, site.random, line, near, far, 0.025))
    return layers, 0.9


def _city(site: Site) -> tuple[list[Layer], float]:
    horizon = 0.74
    layers, _ = _heavens(site, horizon, sinking=0.42)
    dark = site.setting.light != "day"
    for index in range(3):
        share = index / 2
        wall = site.colours.lit((128, 142, 172), 0.6 * (1 - share))
        pane = (255, 214, 130) if dark else mix(wall, (236, 244, 252), 0.55)
        lit = (0.55 if dark else 0.8) * (0.4 + 0.6 * share)
        height = 0.56 - 0.14 * index
        layers.append(land.buildings(site.frame, site.random, horizon, height, wall, pane, lit))
    layers += _mist(site, 0.6)
    road = site.earth((112, 114, 124))
    layers.append(
        land.ground(
            site.frame,
            site.random,
            site.flat(horizon + 0.03),
            mix(road, (20, 20, 30), 0.3),
            road,
            0.03,
        )
    )
    pavement = site.earth((170, 170, 176))
    layers.insert(-1, land.silhouette(site.flat(horizon), pavement, pavement, 0.1))
    return layers, 0.9


def _room(site: Site) -> tuple[list[Layer], float]:
    top = site.random.uniform(0.66, 0.7)
    walls: list[Rgb] = [(240, 226, 206), (222, 230, 226), (232, 222, 232), (218, 226, 238)]
    wall = walls[int(site.random.integers(len(walls)))]
    x, y = site.frame.aspect * site.random.uniform(0.1, 0.9), site.random.uniform(0.15, 0.4)
    wall = mix((0, 0, 0), wall, 1.0 if site.setting.light == "day" else 0.62)

    def glow(strip: Strip) -> None:
        strip.fill(wall)
        distance = np.hypot(strip.x - x, strip.y - y)
        strip.blend(0.75 * np.exp(-((distance / 0.6) ** 2)), mix(wall, (255, 250, 236), 0.7))
        strip.blend(0.35 * ((distance - 0.4) / 1.2).clip(0, 1), mix(wall, (70, 50, 40), 0.6))

    colours = site.colours if site.setting.light == "day" else palette(Setting(), site.random)
    return [glow, land.planks(site.frame, site.random, top, colours)], 0.86


def _sky(site: Site) -> tuple[list[Layer], float]:
    layers = _heavens(site, 1.15, sinking=0.6)[0]
    layers.append(sky.clouds(site.frame, site.random, site.colours, 1.3, 0.5))
    return layers, 0.78


def _space(site: Site) -> tuple[list[Layer], float]:
    tones: list[Rgb] = [(168, 58, 170), (44, 112, 214), (36, 160, 160), (214, 92, 96)]
    first, second = (tones[index] for index in site.random.permutation(len(tones))[:2])
    shapes = [Noise(site.frame, site.random, (1.5, 3, 6, 12, 24), falloff=0.6) for _ in range(2)]

    def nebula(strip: Strip) -> None:
        strip.fill((7, 7, 22))
        for shape, colour in zip(shapes, (first, second), strict=True):
            strip.blend((shape.over(strip) * 0.36 + 0.04).clip(0, 0.6), colour)

    layers = [nebula, sky.stars(site.frame, site.random, 900, 1.0)]
    if site.random.random() < 0.6:
        x = site.frame.aspect * site.random.choice([0.12, 0.88])
        bands = Noise(site.frame, site.random, (12, 30), stretch=8.0)
        radius = site.frame.span * site.random.uniform(0.1, 0.22)
        layers.append(
            sky.planet(
                float(x), site.random.uniform(0.12, 0.9), radius, mix(second, first, 0.3), bands
            )
        )
    return layers, 0.78


def _underwater(site: Site) -> tuple[list[Layer], float]:
    night = 1.0 if site.setting.light == "day" else 0.55
    stops: list[tuple[float, Rgb]] = [
        (0.0, (92, 206, 226)),
        (0.35, (28, 132, 190)),
        (1.0, (6, 40, 96)),
    ]
    layers = [sky.gradient([(y, mix((0, 0, 0), colour, night)) for y, colour in stops])]
    beams = [
        (site.random.uniform(-0.1, 1.0) * site.frame.aspect, site.random.uniform(0.02, 0.06))
        for _ in range(6)
    ]

    def rays(strip: Strip) -> None:
        for x, width in beams:
            across = (strip.x - x - 0.28 * strip.y) / (width + 0.08 * strip.y)
            strip.blend(
                0.22 * np.exp(-(across**2)) * (1 - strip.y * 1.05).clip(0, 1), (206, 248, 255)
            )

    line = site.rolling(0.93, 0.08, 1.4)
    sand = land.ground(site.frame, site.random, line, (60, 104, 120), (104, 150, 150), 0.06)
    bubbles = int(34 * site.frame.aspect) + 6
    random = site.random
    rising = sky.specks(
        random.random(bubbles) * site.frame.aspect,
        np.sort(random.random(bubbles)),
        random.uniform(0.002, 0.008, bubbles),
        random.uniform(0.15, 0.45, bubbles),
        (220, 250, 255),
    )
    return [*layers, rays, sand, rising], 0.8


PLACES: dict[str, Callable[[Site], tuple[list[Layer], float]]] = {
    "beach": _beach,
    "sea": _sea,
    "lake": _lake,
    "underwater": _underwater,
    "space": _space,
    "forest": _forest,
    "field": _field,
    "desert": _desert,
    "city": _city,
    "mountain": _mountain,
    "room": _room,
    "sky": _sky,
}
