"""Painted worlds away from home: Mars, the Moon, another planet; a cave, a volcano."""

from collections.abc import Callable

import numpy as np

from safelight.engines.mini import land, sky
from safelight.engines.mini.canvas import Layer, Noise, Strip, outline
from safelight.engines.mini.palette import Rgb, mix
from safelight.engines.mini.shapes import craters, glow, hanging, spire
from safelight.engines.mini.terrain import Site, heavens


def _pits(site: Site, top: float, number: int) -> list[tuple[float, float, float]]:
    """Craters, larger the nearer they are."""
    near = np.sort(site.random.random(number)) ** 1.5
    xs = site.random.random(number) * site.frame.aspect
    sizes = (0.012 + 0.07 * near) * site.random.uniform(0.6, 1.3, number)
    return [
        (float(x), float(top + (1.0 - top) * n), float(s))
        for x, n, s in zip(xs, near, sizes, strict=True)
    ]


def _rocks(site: Site, top: float, dark: Rgb, lit: Rgb) -> list[Layer]:
    number = int(46 * site.frame.aspect) + 8
    near = np.sort(site.random.random(number))
    x, y = site.random.random(number) * site.frame.aspect, top + (1 - top) * near
    radius = (0.002 + 0.011 * near**2) * site.random.uniform(0.5, 1.2, number)
    full = np.full(number, 0.9)
    return [
        sky.specks(x + 0.35 * radius, y + 0.3 * radius, radius, full, dark),
        sky.specks(x, y, 0.8 * radius, 0.8 * full, lit),
    ]


def _mars(site: Site) -> tuple[list[Layer], float]:
    lit, random = site.colours.lit, site.random
    horizon = random.uniform(0.54, 0.62)
    dusk = site.setting.light != "day"
    high = (70, 66, 92) if dusk else (196, 142, 104)
    low = (150, 170, 190) if dusk else (244, 206, 164)
    layers: list[Layer] = [sky.gradient([(0.0, lit(high)), (horizon, lit(low))])]
    x = site.frame.aspect * random.uniform(0.2, 0.8)
    layers.append(sky.disc(x, horizon * 0.45, 0.022, (255, 250, 236), 0.5))
    haze = lit(low)
    for index in range(3):
        share = index / 2
        line = (
            horizon
            + 0.05 * index
            - (0.17 - 0.05 * index)
            * outline(site.frame, random, 1.2 + index, octaves=6, ridged=index < 2)
        )
        rust = mix(lit((150, 74, 48)), haze, 0.6 * (1 - share))
        layers.append(land.silhouette(line.astype(np.float32), rust, mix(rust, haze, 0.4), 0.2))
    sand = lit((196, 104, 64))
    top = horizon + 0.08
    layers.append(
        land.ground(
            site.frame,
            random,
            site.rolling(top, 0.03),
            mix(sand, (84, 34, 22), 0.45),
            mix(sand, haze, 0.3),
            0.07,
        )
    )
    layers.append(craters(_pits(site, top + 0.03, 6), lit((96, 42, 30)), lit((236, 160, 112))))
    layers += _rocks(site, top + 0.03, lit((92, 42, 30)), lit((186, 104, 72)))
    return layers, 0.9


def _moon(site: Site) -> tuple[list[Layer], float]:
    random, aspect = site.random, site.frame.aspect
    horizon = random.uniform(0.56, 0.62)
    layers: list[Layer] = [sky.gradient([(0.0, (4, 5, 12)), (1.0, (10, 12, 24))])]
    layers.append(sky.stars(site.frame, random, 700, horizon))
    swirl = Noise(site.frame, random, (9, 18, 36), stretch=2.0)
    x = aspect * random.choice([0.2, 0.78])
    layers.append(sky.planet(float(x), 0.2, 0.1 * site.frame.span + 0.02, (70, 134, 210), swirl))
    for index in range(2):
        line = (
            horizon
            + 0.03 * index
            - (0.09 - 0.03 * index) * outline(site.frame, random, 1.4 + index, octaves=5)
        )
        grey: Rgb = (104 + 26.0 * index, 106 + 26.0 * index, 114 + 26.0 * index)
        layers.append(
            land.silhouette(line.astype(np.float32), grey, mix(grey, (60, 62, 70), 0.4), 0.2)
        )
    layers.append(
        land.ground(
            site.frame,
            random,
            site.rolling(horizon + 0.05, 0.03),
            (116, 116, 122),
            (176, 176, 180),
            0.06,
        )
    )
    layers.append(craters(_pits(site, horizon + 0.09, 14), (52, 52, 60), (226, 226, 230)))
    layers += _rocks(site, horizon + 0.08, (58, 58, 64), (190, 190, 194))
    return layers, 0.9


ALIEN: list[tuple[Rgb, Rgb, Rgb]] = [  # high sky, low sky, ground
    ((38, 20, 84), (226, 112, 172), (60, 130, 138)),
    ((12, 62, 84), (150, 232, 190), (120, 72, 150)),
    ((84, 26, 60), (252, 176, 110), (72, 66, 140)),
]


def _alien(site: Site) -> tuple[list[Layer], float]:
    random, aspect = site.random, site.frame.aspect
    high, low, earth = ALIEN[int(random.integers(len(ALIEN)))]
    horizon = random.uniform(0.56, 0.62)
    layers: list[Layer] = [
        sky.gradient([(0.0, high), (0.6 * horizon, mix(high, low, 0.6)), (horizon, low)])
    ]
    layers.append(sky.stars(site.frame, random, 260, 0.6 * horizon))
    for x, y, radius in [(0.26, 0.24, 0.15), (0.74, 0.13, 0.06)]:
        bands = Noise(site.frame, random, (10, 24), stretch=6.0)
        layers.append(
            sky.planet(x * aspect, y, radius * site.frame.span, mix(low, earth, 0.4), bands)
        )
    for index in range(3):
        share = index / 2
        line = (
            horizon
            + 0.05 * index
            - (0.2 - 0.06 * index)
            * outline(site.frame, random, 1.3 + index, octaves=5, ridged=index == 0)
        )
        tone = mix(mix(earth, low, 0.65), earth, share)
        layers.append(land.silhouette(line.astype(np.float32), tone, mix(tone, low, 0.35), 0.2))
        for _ in range(2 + index):
            x, tall = aspect * random.random(), random.uniform(0.06, 0.13) * (0.6 + 0.6 * share)
            layers.append(
                spire(
                    x,
                    horizon + 0.05 + 0.06 * index,
                    0.22 * tall,
                    tall,
                    mix(low, (255, 255, 255), 0.4),
                    mix(earth, high, 0.4),
                )
            )
    layers.append(
        land.ground(
            site.frame,
            random,
            site.rolling(horizon + 0.14, 0.04),
            mix(earth, high, 0.5),
            mix(earth, low, 0.2),
            0.05,
        )
    )
    layers += _rocks(site, horizon + 0.16, mix(earth, (0, 0, 0), 0.6), mix(earth, low, 0.5))
    return layers, 0.9


def _cave(site: Site) -> tuple[list[Layer], float]:
    random, aspect = site.random, site.frame.aspect
    night = site.setting.light == "night"
    light: Rgb = (120, 150, 220) if night else (236, 224, 178)
    x = aspect * random.uniform(0.35, 0.65)
    layers: list[Layer] = [
        sky.gradient([(0.0, (30, 28, 38)), (0.6, (66, 62, 72)), (1.0, (24, 22, 30))])
    ]
    layers.append(glow(x, 0.42, 0.3 * max(0.6, site.frame.span), light, 0.95))
    rough = Noise(site.frame, random, (10, 24, 60), falloff=0.7)
    for index in range(3):
        share = index / 2
        tone = mix((118, 108, 112), (30, 27, 36), share)
        frame = (np.abs(site.frame.x[0] - x) / (0.75 * max(0.7, aspect))) ** 2
        teeth = outline(site.frame, random, 4 + 2 * index, octaves=4, ridged=True) ** 3
        roof = 0.1 - 0.06 * index + 0.5 * frame + (0.2 - 0.03 * index) * teeth
        floor = (
            0.74
            + 0.05 * index
            - 0.4 * frame
            - (0.13 - 0.02 * index)
            * outline(site.frame, random, 3 + index, octaves=4, ridged=True) ** 2
        )
        layers.append(hanging(roof.astype(np.float32), mix(tone, (10, 8, 14), 0.5), tone))
        layers.append(
            land.silhouette(floor.astype(np.float32), tone, mix(tone, (12, 10, 16), 0.5), 0.3)
        )
    layers.append(
        land.ground(site.frame, random, site.rolling(0.83, 0.03), (34, 30, 38), (92, 84, 86), 0.09)
    )
    layers.append(glow(x, 0.9, 0.34, light, 0.3, 0.25))

    def grain(strip: Strip) -> None:
        strip.colour *= 1 + np.float32(0.07) * rough.over(strip)

    return [*layers, grain], 0.9


def _volcano(site: Site) -> tuple[list[Layer], float]:
    random, aspect = site.random, site.frame.aspect
    layers, _ = heavens(site, 0.7)
    layers.append(glow(aspect / 2, 0.3, 0.5, (255, 120, 50), 0.55))
    x = aspect * random.uniform(0.42, 0.58)
    away = np.abs(site.frame.x[0] - x)
    ragged = 0.03 * outline(site.frame, random, 5, octaves=5)
    cone = np.maximum(0.27 + 0.02 * ragged, 0.2 + 0.9 * away) - 0.55 * ragged + 0.0
    cone = np.minimum(cone, 0.72 + 0.0 * away)
    smoke = Noise(site.frame, random, (4, 9, 18, 36), falloff=0.6)

    def plume(strip: Strip) -> None:
        rise = (0.3 - strip.y).clip(0, 1)
        lean = x + 0.5 * rise
        body = np.exp(-(((strip.x - lean) / (0.06 + 0.55 * rise)) ** 2)) * (strip.y < 0.3)
        strip.blend(
            (body * (0.85 + 0.5 * smoke.over(strip))).clip(0, 0.95).astype(np.float32), (74, 66, 72)
        )

    layers += [plume, glow(x, 0.27, 0.12, (255, 150, 60), 0.9)]
    rock = site.colours.lit((88, 72, 74))
    layers.append(
        land.silhouette(
            cone.astype(np.float32),
            mix(rock, (255, 120, 60), 0.35),
            mix(rock, (30, 20, 24), 0.4),
            0.45,
        )
    )
    wander = Noise(site.frame, random, (5, 12), falloff=0.6)

    def lava(strip: Strip) -> None:
        down = (strip.y - 0.27).clip(0)
        sway = 0.05 * wander.over(strip)
        for lean in (-0.32, 0.06, 0.4):
            path = x + lean * down + sway * (0.3 + 2 * down)
            width = 0.008 + 0.02 * down
            stream = np.exp(-(((strip.x - path) / width) ** 2)) * (down > 0.005) * (strip.y < 0.74)
            strip.blend((0.95 * stream).astype(np.float32), (255, 132, 40))
            strip.blend((0.8 * stream**6).astype(np.float32), (255, 226, 120))

    layers.append(lava)
    earth = site.colours.lit((84, 66, 62))
    layers.append(
        land.ground(
            site.frame, random, site.rolling(0.72, 0.04), mix(earth, (20, 14, 16), 0.5), earth, 0.12
        )
    )
    layers += _rocks(site, 0.76, (30, 22, 24), mix(earth, (255, 140, 80), 0.25))
    return layers, 0.9


PLACES: dict[str, Callable[[Site], tuple[list[Layer], float]]] = {
    "mars": _mars,
    "moon": _moon,
    "alien": _alien,
    "cave": _cave,
    "volcano": _volcano,
}
