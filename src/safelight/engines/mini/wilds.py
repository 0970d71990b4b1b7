"""Painted wilds: a jungle, a wood in autumn, a meadow full of flowers."""

from collections.abc import Callable

import numpy as np

from safelight.engines.mini import land, sky
from safelight.engines.mini.blades import meadow
from safelight.engines.mini.canvas import Layer, outline
from safelight.engines.mini.palette import Rgb, mix
from safelight.engines.mini.shapes import Leaf, glow, hanging, leaves, trunks
from safelight.engines.mini.terrain import Site, heavens, ridges, wood
from safelight.engines.mini.trees import row, tree

AUTUMN: list[Rgb] = [(214, 96, 36), (232, 150, 44), (186, 58, 38), (240, 188, 66), (160, 84, 40)]

BLOSSOM: list[Rgb] = [(246, 172, 198), (252, 200, 216), (240, 152, 186), (250, 214, 224)]


def _stems(
    site: Site, number: int, width: float, foot: float, colour: Rgb, top: float = 0.0
) -> Layer:
    random, aspect = site.random, site.frame.aspect
    count = max(2, round(number * aspect))
    xs = ((np.arange(count) + random.uniform(0.1, 0.9, count)) * aspect / count).tolist()
    widths = (width * random.uniform(0.6, 1.2, count)).tolist()
    feet = (foot + random.uniform(-0.02, 0.03, count)).tolist()
    return trunks(xs, widths, top, feet, colour)


def _jungle(site: Site) -> tuple[list[Layer], float]:
    lit, random, aspect = site.colours.lit, site.random, site.frame.aspect
    low, top = lit((226, 240, 168)), lit((92, 156, 96))
    layers: list[Layer] = [sky.gradient([(0.0, top), (0.5, low), (0.75, lit((150, 196, 104)))])]
    layers.append(glow(aspect * random.uniform(0.3, 0.7), 0.32, 0.4, lit((252, 252, 208)), 0.7))
    for depth, (number, width) in enumerate([(7, 0.035), (4, 0.07), (2, 0.12)]):
        share = depth / 2
        bark = mix(low, lit((78, 62, 40)), 0.35 + 0.5 * share)
        foliage = mix(low, lit((30, 96, 48)), 0.45 + 0.5 * share)
        layers.append(_stems(site, number, width, 0.7 + 0.05 * depth, bark))
        roof = 0.34 - 0.09 * depth + 0.1 * outline(site.frame, random, 3 + depth, octaves=4)
        crowns = 2 * roof.mean() - land.treetops(site.frame, random, float(roof.mean()), 0.07)
        layers.append(
            hanging(
                (0.5 * (roof + crowns)).astype(np.float32), mix(foliage, (0, 20, 10), 0.35), foliage
            )
        )
        bush = land.treetops(site.frame, random, 0.74 + 0.04 * depth, 0.09)
        layers.append(land.silhouette(bush, foliage, mix(foliage, (10, 40, 20), 0.4), 0.16))
    earth = site.earth((70, 96, 48))
    layers.append(
        land.ground(
            site.frame, random, site.rolling(0.8, 0.03), mix(earth, (16, 30, 14), 0.45), earth, 0.07
        )
    )
    layers += _mist(site)
    return [*layers, leaves(_fronds(site))], 0.9


def _fronds(site: Site) -> list[Leaf]:
    """Large leaves that grow in from the corners."""
    random, aspect, span = site.random, site.frame.aspect, site.frame.span
    found = []
    for x, y, middle in [
        (0.0, 1.02, -0.9), (aspect, 1.02, -2.24), (0.0, -0.02, 0.7), (aspect, -0.02, 2.44),
    ]:  # fmt: skip
        for spread in random.permutation(np.linspace(-0.75, 0.75, 6)):
            green = mix((34, 120, 52), (84, 160, 58), random.random())
            found.append(
                Leaf(
                    float(x), y, middle + float(spread),
                    span * random.uniform(0.22, 0.36), span * random.uniform(0.03, 0.05),
                    site.colours.lit(green),
                )
            )  # fmt: skip
    return found


def _mist(site: Site) -> list[Layer]:
    if "fog" not in site.setting.weather:
        return []
    return [sky.fog(site.frame, site.random, site.colours.haze, 0.6)]


def _autumn(site: Site) -> tuple[list[Layer], float]:
    random = site.random
    layers, _ = heavens(site, 0.66, sinking=0.3)
    layers += ridges(site, 0.6, 2, 0.14, (150, 120, 110))
    layers += _grove(site, [AUTUMN[int(n)] for n in random.permutation(len(AUTUMN))[:4]], 0.7)
    earth = site.earth((176, 124, 62))
    line = site.rolling(0.74, 0.04)
    near = mix(earth, (80, 44, 20), 0.4)
    layers.insert(-1, land.ground(site.frame, random, line, near, earth, 0.08))
    layers += land.flowers(site.frame, random, 0.75, [site.earth(c) for c in AUTUMN[:4]])
    return layers + _mist(site), 0.89


def _grove(site: Site, tones: list[Rgb], foot: float) -> list[Layer]:
    """Leafy trees in three rows; the nearest two stand at the sides."""
    random, aspect = site.random, site.frame.aspect
    far, near = (
        [
            tree(random, site.colours.lit((92, 66, 54), veil), site.colours.lit(tone, veil), leaves)
            for tone in tones[:number]
        ]
        for veil, leaves, number in ((0.4, 500, 3), (0.0, 1400, 2))
    )
    layers: list[Layer] = []
    for base, tall, pictures in ((0.02, 0.34, far), (0.05, 0.46, far[::-1]), (0.14, 0.86, near)):
        sides = [0.06 * aspect, 0.95 * aspect]
        xs = sides if pictures is near else _spaced(site, 0.42 * tall)
        jitter = random.uniform(-0.012, 0.012, len(xs)).tolist()
        places = [(x, foot + base + j, tall) for x, j in zip(xs, jitter, strict=True)]
        layers.append(row(site.frame, pictures, places))
    return layers


def _spaced(site: Site, gap: float) -> list[float]:
    count = max(2, round(site.frame.aspect / gap))
    spread = site.random.uniform(0.1, 0.9, count)
    return [(n + float(s)) * site.frame.aspect / count for n, s in enumerate(spread)]


def _blossom(site: Site) -> tuple[list[Layer], float]:
    """A park in spring, its trees in bloom."""
    random = site.random
    layers, _ = heavens(site, 0.68, sinking=0.3)
    layers += ridges(site, 0.62, 2, 0.12, (140, 160, 150))
    layers += _grove(site, BLOSSOM, 0.7)
    green = site.earth((126, 178, 92))
    near = mix(green, (40, 90, 40), 0.35)
    layers.insert(-1, land.ground(site.frame, random, site.rolling(0.74, 0.03), near, green, 0.06))
    layers.append(meadow(site.frame, random, 0.75, near))
    layers += land.flowers(site.frame, random, 0.75, [site.earth((250, 206, 222))])
    return layers + _mist(site), 0.89


def _flowers(site: Site) -> tuple[list[Layer], float]:
    random = site.random
    horizon = random.uniform(0.46, 0.54)
    layers, _ = heavens(site, horizon)
    layers += ridges(site, horizon, 2, 0.14, (110, 150, 150))
    layers += wood(site, horizon + 0.03, 0.06, (52, 104, 66), 2)
    green = site.earth((86, 150, 70))
    layers.append(
        land.ground(
            site.frame,
            random,
            site.rolling(horizon + 0.03, 0.03),
            mix(green, (20, 60, 24), 0.35),
            green,
            0.06,
        )
    )
    tones: list[Rgb] = [
        (232, 72, 88),
        (250, 196, 60),
        (246, 140, 184),
        (150, 104, 210),
        (250, 248, 240),
        (240, 120, 60),
    ]
    picked = [site.colours.lit(tones[int(n)]) for n in random.permutation(len(tones))[:3]]
    layers += _blooms(site, horizon + 0.04, picked)
    return layers + _mist(site), 0.9


def _blooms(site: Site, top: float, colours: list[Rgb]) -> list[Layer]:
    """Blossoms so dense that they cover the ground; each has a heart."""
    layers = []
    for index, colour in enumerate(colours):
        number = int(620 * site.frame.aspect)
        near = np.sort(site.random.random(number)) ** 1.4
        x, y = site.random.random(number) * site.frame.aspect, top + (1.03 - top) * near
        radius = (0.0018 + 0.0095 * near) * site.random.uniform(0.7, 1.15, number)
        layers.append(sky.specks(x, y, radius, np.full(number, 0.95), colour))
        if index == 0:
            layers.append(sky.specks(x, y, 0.35 * radius, np.full(number, 0.8), (250, 220, 120)))
    return layers


PLACES: dict[str, Callable[[Site], tuple[list[Layer], float]]] = {
    "jungle": _jungle,
    "autumn": _autumn,
    "flowers": _flowers,
    "blossom": _blossom,
}
