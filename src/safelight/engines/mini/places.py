"""Painted places: the layers, from back to front, of a beach, a city, a night in the mountains."""

from collections.abc import Callable

import numpy as np

from safelight.engines.mini import interiors, land, sky, streets, wilds, worlds
from safelight.engines.mini.blades import meadow
from safelight.engines.mini.canvas import Layer, Noise, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Rgb, mix
from safelight.engines.mini.terrain import Site, flanks, heavens, ridges, wood


def _mountain(site: Site) -> tuple[list[Layer], float]:
    if site.alone and not site.snowy and site.random.random() < 0.75:
        layers, stand = _lake(site)
        return layers + flanks(site, 1.03, 0.62, (40, 74, 56)), stand
    horizon = site.random.uniform(0.5, 0.58)
    layers, _ = heavens(site, horizon + 0.1, sinking=0.4)
    near = mix((74, 104, 118), (66, 98, 82), site.random.random())
    layers += ridges(site, horizon, 4, 0.42, near)
    if "fog" in site.setting.weather:
        layers.append(sky.fog(site.frame, site.random, site.colours.haze, horizon + 0.1))
    layers += wood(site, 0.81, 0.13, (46, 84, 62), 2)
    layers.append(_meadow(site, site.rolling(0.84, 0.05), (88, 140, 74)))
    return layers + _tufts(site, 0.84, (88, 140, 74)), 0.93


def _tufts(site: Site, top: float, near: Rgb) -> list[Layer]:
    if site.snowy:
        return []
    return [meadow(site.frame, site.random, top, site.earth(mix(near, (20, 50, 20), 0.15)))]


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
    layers, _ = heavens(site, horizon)
    layers += ridges(site, horizon, 2, 0.16, (96, 140, 132))
    green = mix((112, 178, 84), (138, 176, 76), site.random.random())
    for index in range(3):
        line = site.rolling(horizon + 0.05 * index + 0.02, 0.07, 1.0 + 0.5 * index)
        if index < 2:
            layers += _hedge(site, line, green, index)
        layers.append(_meadow(site, line, green))
    layers += _tufts(site, horizon + 0.14, green)
    if not site.snowy and site.setting.light == "day" and site.random.random() < 0.5:
        layers += _blossoms(site, horizon + 0.14)
    return layers + _mist(site, horizon), 0.88


def _hedge(site: Site, line: Floats, green: Rgb, index: int) -> list[Layer]:
    """What grows on the hill behind: bushes, in snow conifers."""
    if site.snowy:
        return wood(site, float(line.mean()), 0.1 + 0.03 * index, (46, 84, 70), 2)
    bushes = line + land.treetops(site.frame, site.random, 0.0, 0.05 + 0.02 * index)
    crest = site.earth(mix(green, (40, 92, 60), 0.7), 0.3 - 0.1 * index)
    return [land.silhouette(bushes, crest, crest, 0.1)]


def _blossoms(site: Site, top: float) -> list[Layer]:
    tones: list[Rgb] = [(250, 246, 236), (250, 214, 96), (236, 136, 170), (150, 130, 220)]
    chosen = [tones[index] for index in site.random.permutation(len(tones))[:2]]
    return land.flowers(site.frame, site.random, top, chosen)


def _mist(site: Site, horizon: float) -> list[Layer]:
    if "fog" not in site.setting.weather:
        return []
    return [sky.fog(site.frame, site.random, site.colours.haze, horizon)]


def _forest(site: Site) -> tuple[list[Layer], float]:
    layers: list[Layer] = heavens(site, 0.7, sinking=0.45)[0]
    layers.append(sky.fog(site.frame, site.random, site.colours.haze, 0.5))
    layers += wood(site, 0.7, site.random.uniform(0.52, 0.64), (44, 92, 62), 4)
    layers += _mist(site, 0.62)
    layers.append(_meadow(site, site.rolling(0.73, 0.04), (84, 138, 70)))
    return layers + _tufts(site, 0.73, (84, 138, 70)), 0.88


def _water_colours(site: Site) -> tuple[Rgb, Rgb]:
    near = site.colours.lit((22, 92, 150))
    return near, mix(site.colours.lit((84, 164, 206)), site.colours.low, 0.4)


def _sea(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.5, 0.57)
    layers, sun = heavens(site, horizon)
    near, far = _water_colours(site)
    glint = mix(site.colours.low, (255, 255, 255), 0.3)
    layers.append(land.water(site.frame, site.random, horizon, near, far, glint))
    if site.setting.light != "day":
        layers.append(land.glitter(site.frame, site.random, horizon, sun, site.colours.light))
    return layers + _mist(site, horizon), 0.84


def _lake(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.54, 0.6)
    layers, sun = heavens(site, horizon, sinking=0.26)
    layers += ridges(site, horizon - 0.06, 3, 0.32, (74, 108, 116))
    layers += wood(site, horizon - 0.01, 0.07, (46, 84, 62), 2)
    near, far = _water_colours(site)
    far = mix(far, site.earth((46, 84, 62)), 0.35)
    glint = mix(site.colours.low, (255, 255, 255), 0.2)
    layers.append(land.water(site.frame, site.random, horizon, near, far, glint))
    layers.append(land.reflection(site.frame, site.random, horizon, site.mirrored))
    if site.setting.light != "day":
        layers.append(land.glitter(site.frame, site.random, horizon, sun, site.colours.light))
    return layers + _mist(site, horizon), 0.84


def _beach(site: Site) -> tuple[list[Layer], float]:
    horizon = site.random.uniform(0.44, 0.5)
    layers, sun = heavens(site, horizon)
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
    layers, _ = heavens(site, horizon)
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
    layers, _ = heavens(site, horizon, sinking=0.42)
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
    if dark or "rain" in site.setting.weather:
        light: Rgb = (255, 196, 120) if dark else site.colours.low
        layers.append(land.gloss(site.frame, site.random, horizon + 0.03, light, 0.42))
    return layers, 0.9


def _sky(site: Site) -> tuple[list[Layer], float]:
    layers = heavens(site, 1.15, sinking=0.6)[0]
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
    **interiors.PLACES,
    **wilds.PLACES,
    **worlds.PLACES,
    **streets.PLACES,
    "sky": _sky,
}
