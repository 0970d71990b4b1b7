"""Painted interiors: a room with a window, a kitchen, a library, a stage, a wooden table."""

from collections.abc import Callable

import numpy as np

from safelight.engines.mini import land
from safelight.engines.mini.canvas import Layer, Noise, Strip
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.palette import Rgb, mix, palette
from safelight.engines.mini.shapes import glow, rectangle
from safelight.engines.mini.terrain import Site

WALLS: list[Rgb] = [(240, 226, 206), (222, 230, 226), (232, 222, 232), (218, 226, 238)]
SPINES: list[Rgb] = [
    (146, 52, 48),
    (46, 82, 120),
    (52, 98, 72),
    (192, 148, 72),
    (110, 66, 96),
    (206, 190, 160),
    (74, 60, 56),
]


def _dimmed(site: Site, colour: Rgb) -> Rgb:
    """Rooms have lamps: evenings are warm and darker, not blue."""
    share = {"day": 1.0, "sunset": 0.86, "night": 0.6}[site.setting.light]
    warm = (1.0, 0.95, 0.86) if site.setting.light != "day" else (1.0, 1.0, 1.0)
    red, green, blue = (c * share * w for c, w in zip(colour, warm, strict=True))
    return red, green, blue


def _wall(site: Site) -> tuple[Layer, Rgb]:
    wall = _dimmed(site, WALLS[int(site.random.integers(len(WALLS)))])
    x, y = site.frame.aspect * site.random.uniform(0.1, 0.9), site.random.uniform(0.15, 0.4)

    def paint(strip: Strip) -> None:
        strip.fill(wall)
        distance = np.hypot(strip.x - x, strip.y - y)
        strip.blend(0.75 * np.exp(-((distance / 0.6) ** 2)), mix(wall, (255, 250, 236), 0.7))
        strip.blend(0.35 * ((distance - 0.4) / 1.2).clip(0, 1), mix(wall, (70, 50, 40), 0.6))

    return paint, wall


def _boards(site: Site, top: float) -> Layer:
    colours = site.colours if site.setting.light == "day" else palette(Setting(), site.random)
    return land.planks(site.frame, site.random, top, colours)


def _table(site: Site) -> tuple[list[Layer], float]:
    return [_wall(site)[0], _boards(site, site.random.uniform(0.66, 0.7))], 0.86


def _window(site: Site, x: float, top: float, width: float, height: float) -> list[Layer]:
    """A sash window with the hour's sky in it, and its light on the wall."""
    white = _dimmed(site, (250, 248, 242))
    left, right, foot = x - width / 2, x + width / 2, top + height
    colours, rim = site.colours, 0.014
    hills = mix(colours.lit((104, 150, 96)), colours.haze, 0.3)
    layers = [
        glow(x, top + height / 2, width * 1.1, mix(colours.low, (255, 255, 240), 0.5), 0.35),
        rectangle((left - rim, top - rim, right + rim, foot + rim), white),
        rectangle((left, top, right, foot), colours.top, colours.low),
        rectangle((left, foot - 0.28 * height, right, foot), mix(hills, colours.haze, 0.4), hills),
    ]
    if site.setting.light != "day":
        layers.append(glow(x + 0.2 * width, top + 0.3 * height, 0.028, colours.light, 0.95))
    bar = 0.006
    layers.append(rectangle((x - bar, top, x + bar, foot), white))
    layers.append(rectangle((left, top + height / 2 - bar, right, top + height / 2 + bar), white))
    sill = (left - 2 * rim, foot + rim, right + 2 * rim, foot + 2.4 * rim)
    return [*layers, rectangle(sill, white, mix(white, (120, 110, 100), 0.35))]


def _room(site: Site) -> tuple[list[Layer], float]:
    paint, wall = _wall(site)
    aspect, span, floor = site.frame.aspect, site.frame.span, 0.74
    x = aspect * site.random.choice([0.27, 0.73])
    layers = [paint, *_window(site, float(x), 0.14, 0.3 * span, 0.36)]
    other = aspect - float(x)
    art = mix((226, 160, 96), (110, 150, 170), site.random.random())
    for grow, tone in ((0.012, (112, 80, 54)), (0.0, (244, 240, 230)), (-0.018, art)):
        half = 0.09 * span + grow
        layers.append(
            rectangle((other - half, 0.26 - grow, other + half, 0.42 + grow), _dimmed(site, tone))
        )
    layers.append(_boards(site, floor))
    layers.append(
        rectangle(
            (0, floor - 0.03, aspect, floor),
            mix(wall, (255, 255, 255), 0.5),
            mix(wall, (90, 80, 70), 0.2),
        )
    )
    rug = _dimmed(site, mix((176, 84, 76), (84, 110, 150), site.random.random()))
    return [*layers, _rug(site, rug)], 0.9


def _rug(site: Site, colour: Rgb) -> Layer:
    middle, wide = 0.5 * site.frame.aspect, 0.4 * max(0.8, site.frame.aspect)

    def paint(strip: Strip) -> None:
        if not strip.within(0.8, 1):
            return
        away = np.hypot((strip.x - middle) / wide, (strip.y - 0.9) / 0.075)
        pixels = strip.frame.height
        strip.blend(((1 - away) * 0.075 * pixels).clip(0, 1).astype(np.float32), colour)
        ring = np.exp(-(((away - 0.86) / 0.035) ** 2))
        strip.blend((0.7 * ring).astype(np.float32), mix(colour, (255, 246, 226), 0.7))

    return paint


def _kitchen(site: Site) -> tuple[list[Layer], float]:
    paint, _ = _wall(site)
    aspect, span = site.frame.aspect, site.frame.span
    tones: list[Rgb] = [(112, 150, 140), (88, 116, 150), (206, 196, 176), (176, 112, 84)]
    front = _dimmed(site, tones[int(site.random.integers(len(tones)))])
    layers = [paint, _tiles(site, 0.3, 0.62)]
    layers += _window(site, aspect / 2, 0.12, 0.32 * span, 0.36)
    step = 0.22 * max(span, 0.6)
    number = max(2, round(aspect / step))
    step = aspect / number
    for index in range(number):
        left = index * step
        if abs(left + step / 2 - aspect / 2) > 0.2 * span + step / 2:
            layers += _cupboard(site, (left, 0.03, left + step, 0.27), front)
        layers += _cupboard(site, (left, 0.655, left + step, 0.86), front)
    wood = _dimmed(site, (196, 150, 104))
    layers.append(
        rectangle(
            (0, 0.615, aspect, 0.655),
            mix(wood, (255, 255, 255), 0.15),
            mix(wood, (60, 40, 30), 0.2),
        )
    )
    return [*layers, _chequered(site, 0.86)], 0.945


def _cupboard(site: Site, box: tuple[float, float, float, float], front: Rgb) -> list[Layer]:
    left, top, right, bottom = box
    gap, knob = 0.006, _dimmed(site, (226, 206, 150))
    dark = mix(front, (20, 20, 24), 0.35)
    y = bottom - 0.05 if top < 0.3 else top + 0.04
    return [
        rectangle((left, top, right, bottom), dark),
        rectangle(
            (left + gap, top + gap, right - gap, bottom - gap),
            mix(front, (255, 255, 255), 0.1),
            front,
        ),
        rectangle(
            (left + 0.022, top + 0.024, right - 0.022, bottom - 0.024),
            mix(front, dark, 0.25),
            mix(front, dark, 0.12),
        ),
        rectangle(((left + right) / 2 - 0.016, y, (left + right) / 2 + 0.016, y + 0.008), knob),
    ]


def _tiles(site: Site, top: float, bottom: float) -> Layer:
    tone = _dimmed(site, (246, 246, 240))

    def paint(strip: Strip) -> None:
        if not strip.within(top, bottom):
            return
        inside = ((strip.y >= top) & (strip.y < bottom)).astype(np.float32)
        strip.blend(inside * 0.8, tone)
        row = np.floor((strip.y - top) / 0.04)
        joint = (np.abs((strip.y - top) / 0.04 % 1 - 0.5) > 0.47) | (
            np.abs((strip.x / 0.08 + 0.5 * (row % 2)) % 1 - 0.5) > 0.485
        )
        strip.blend(inside * joint * np.float32(0.4), mix(tone, (130, 124, 116), 0.6))

    return paint


def _chequered(site: Site, top: float) -> Layer:
    """Floor tiles in perspective."""
    light, dark = _dimmed(site, (226, 214, 196)), _dimmed(site, (168, 140, 120))
    middle = 0.5 * site.frame.aspect

    def paint(strip: Strip) -> None:
        if not strip.within(top, 1):
            return
        depth = (strip.y - top + 0.1).clip(0.02)
        u, v = (strip.x - middle) / depth * 0.8, 0.5 / depth
        odd = (np.floor(u) + np.floor(v)) % 2
        mask = ((strip.y - top) * strip.frame.height + 0.5).clip(0, 1)
        strip.blend(
            mask.astype(np.float32), [a + odd * (b - a) for a, b in zip(light, dark, strict=True)]
        )
        strip.blend(
            (0.35 * np.exp(-(strip.y - top).clip(0) / 0.02) * mask).astype(np.float32), (30, 24, 20)
        )

    return paint


def _library(site: Site) -> tuple[list[Layer], float]:
    aspect, random = site.frame.aspect, site.random
    wood = _dimmed(site, (112, 74, 46))
    layers: list[Layer] = [rectangle((0, 0, aspect, 0.8), mix(wood, (20, 12, 8), 0.55))]
    shelf, rows = 0.155, 5
    for row in range(rows):
        layers.append(_books(site, 0.02 + row * shelf, shelf - 0.02))
        y = 0.0 + (row + 1) * shelf
        layers.append(
            rectangle(
                (0, y, aspect, y + 0.018),
                mix(wood, (255, 220, 170), 0.2),
                mix(wood, (20, 12, 8), 0.3),
            )
        )
    posts = max(2, round(aspect / 0.45))
    for post in range(posts + 1):
        x = aspect * post / posts
        layers.append(
            rectangle((x - 0.014, 0, x + 0.014, 0.8), mix(wood, (255, 220, 170), 0.12), wood)
        )
    layers.append(_boards(site, 0.79))
    lamp = aspect * random.uniform(0.3, 0.7)
    layers.append(glow(float(lamp), 0.3, 0.5, (255, 214, 150), 0.28))
    return [*layers, _rug(site, _dimmed(site, (140, 60, 56)))], 0.91


def _books(site: Site, top: float, height: float) -> Layer:
    """A shelf of spines of different widths, heights and colours."""
    random = site.random
    number = int(site.frame.aspect / 0.02) + 4
    widths = random.uniform(0.014, 0.034, number)
    edges = np.concatenate([[0.0], np.cumsum(widths)]) - 0.01
    tall = height * random.uniform(0.68, 0.94, number)
    tone = random.integers(len(SPINES), size=number)
    gold = random.random(number) < 0.5
    book = np.searchsorted(edges, site.frame.x[0], side="right").clip(1, number) - 1
    inside = (site.frame.x[0] - edges[book]) / widths[book]
    paint_of = np.array([_dimmed(site, c) for c in SPINES], np.float32)[tone][book]  # [width, 3]
    round_ = (1.12 - 0.55 * (inside - 0.4) ** 2 - 0.5 * (np.abs(inside - 0.5) > 0.46)).astype(
        np.float32
    )
    starts = (top + height - tall)[book]

    def paint(strip: Strip) -> None:
        if not strip.within(top, top + height):
            return
        mask = ((strip.y - starts[None]) * strip.frame.height + 0.5).clip(0, 1) * (
            strip.y < top + height
        )
        strip.blend(mask.astype(np.float32), [paint_of[None, :, k] * round_ for k in range(3)])
        share = (strip.y - starts[None]) / np.maximum(top + height - starts[None], 1e-3)
        bands = gold[book][None] & ((np.abs(share - 0.2) < 0.025) | (np.abs(share - 0.8) < 0.025))
        strip.blend((mask * bands * 0.7).astype(np.float32), _dimmed(site, (224, 186, 104)))

    return paint


def _stage(site: Site) -> tuple[list[Layer], float]:
    aspect, random = site.frame.aspect, site.random
    cloth: list[Rgb] = [(150, 22, 34), (96, 28, 84), (28, 56, 120)]
    colour = cloth[int(random.integers(len(cloth)))]
    folds = Noise(site.frame, random, (3, 7), falloff=0.7, stretch=0.4)
    middle = 0.5 * aspect

    def curtain(strip: Strip) -> None:
        strip.fill((14, 10, 18))
        side = np.abs(strip.x - middle) / aspect
        open_ = 0.3 + 0.1 * (strip.y - 0.2).clip(0, 1) ** 2
        wave = np.sin(strip.x * 62 + 1.4 * folds.over(strip))
        back = 0.34 + 0.12 * np.sin(strip.x * 38 + folds.over(strip))
        strip.blend((strip.y < 0.8).astype(np.float32), [c * back for c in colour])
        front = ((side - open_) * 60).clip(0, 1) * (strip.y < 0.9)
        strip.blend(front.astype(np.float32), [c * (0.72 + 0.34 * wave) for c in colour])
        drape = 0.11 + 0.035 * np.abs(np.sin(strip.x * 7.5))
        valance = ((drape - strip.y) * strip.frame.height).clip(0, 1)
        strip.blend(valance.astype(np.float32), [c * (0.85 + 0.3 * wave) for c in colour])

    floor = land.planks(site.frame, random, 0.78, palette(Setting(), random))

    def beam(strip: Strip) -> None:
        dim = (
            0.52 + 0.5 * np.exp(-(((strip.x - middle) / 0.42) ** 2) - ((strip.y - 0.7) / 0.5) ** 2)
        ).astype(np.float32)
        strip.colour *= dim
        half = 0.03 + 0.34 * strip.y
        cone = np.exp(-(((strip.x - middle) / half) ** 4)) * (strip.y < 0.9)
        strip.blend((0.2 * cone * (1.1 - 0.6 * strip.y)).astype(np.float32), (255, 246, 216))

    return [curtain, floor, beam, glow(middle, 0.89, 0.36, (255, 244, 210), 0.5, 0.24)], 0.9


PLACES: dict[str, Callable[[Site], tuple[list[Layer], float]]] = {
    "room": _room,
    "table": _table,
    "kitchen": _kitchen,
    "library": _library,
    "stage": _stage,
}
