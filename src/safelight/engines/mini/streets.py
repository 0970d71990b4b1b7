"""A street seen along its middle: houses on both sides, a road that narrows."""

from collections.abc import Callable

import numpy as np

from safelight.engines.mini import land, sky
from safelight.engines.mini.canvas import Layer, Strip
from safelight.engines.mini.palette import Rgb, mix
from safelight.engines.mini.shapes import glow, rectangle
from safelight.engines.mini.terrain import Site, heavens

WALLS: list[Rgb] = [
    (206, 120, 92),
    (226, 190, 138),
    (150, 166, 178),
    (196, 150, 160),
    (236, 222, 196),
    (128, 150, 132),
]


def _street(site: Site) -> tuple[list[Layer], float]:
    random, aspect = site.random, site.frame.aspect
    horizon = 0.6
    layers, _ = heavens(site, horizon + 0.05, sinking=0.2)
    dark = site.setting.light != "day"
    wall = site.colours.lit((140, 150, 176), 0.45)
    pane = (255, 214, 130) if dark else mix(wall, (236, 244, 252), 0.5)
    layers.append(land.buildings(site.frame, random, horizon + 0.02, 0.22, wall, pane, 0.5))
    reach = 0.44 * aspect
    for side in (-1, 1):
        edge = 0.5 * aspect + side * 0.1 * min(1.0, aspect)
        layers += _row(site, edge, side, reach, horizon, dark)
    layers += [_road(site, horizon)]
    if dark:
        for side in (-1, 1):
            layers.append(
                glow(0.5 * aspect + side * 0.3 * aspect, 0.8, 0.2, (255, 190, 110), 0.35, 0.4)
            )
    if "fog" in site.setting.weather:
        layers.append(sky.fog(site.frame, random, site.colours.haze, horizon))
    return layers, 0.9


def _row(
    site: Site, edge: float, side: int, reach: float, horizon: float, dark: bool
) -> list[Layer]:
    """Houses from the far end to the near one, each wider and taller than the last."""
    random = site.random
    layers: list[Layer] = []
    x, depth = edge, 0.0
    order = random.permutation(len(WALLS))
    for index in range(4):
        width = (0.1 + 0.07 * index) * max(0.7, min(1.4, 2 * reach))
        tall = (0.26 + 0.13 * index) * random.uniform(0.9, 1.15)
        foot = horizon + 0.03 + 0.05 * index
        near, far = x, x + side * width
        left, right = min(near, far), max(near, far) + 0.002
        paint = site.colours.lit(WALLS[int(order[index])], 0.35 * (1 - index / 3))
        layers.append(
            rectangle(
                (left, foot - tall, right, foot),
                mix(paint, (255, 255, 255), 0.08),
                mix(paint, (40, 36, 50), 0.25),
            )
        )
        layers.append(
            rectangle(
                (left - 0.006, foot - tall - 0.018, right + 0.006, foot - tall),
                mix(paint, (60, 40, 40), 0.5),
            )
        )
        layers += _windows(site, left, right, foot - tall, foot, dark, index)
        x, depth = far, depth + 1
    return layers


def _windows(
    site: Site, left: float, right: float, top: float, foot: float, dark: bool, index: int
) -> list[Layer]:
    layers: list[Layer] = []
    step = 0.052 + 0.014 * index
    glass = site.colours.lit((120, 150, 178))
    columns, rows = (
        max(1, int((right - left) / step)),
        max(1, int((foot - top - 0.08) / (1.35 * step))),
    )
    gap = (right - left) / columns
    for column in range(columns):
        for row in range(rows):
            x, y = left + (column + 0.27) * gap, top + 0.03 + row * 1.35 * step
            lit = dark and site.random.random() < 0.6
            tone: Rgb = (255, 210, 120) if lit else glass
            layers.append(
                rectangle(
                    (x, y, x + 0.46 * gap, y + 0.75 * step), tone, mix(tone, (255, 255, 255), 0.25)
                )
            )
    return layers


def _road(site: Site, horizon: float) -> Layer:
    """Asphalt with a dashed line, kerbs and pavements, all towards one point."""
    middle = 0.5 * site.frame.aspect
    asphalt, pavement = site.earth((92, 94, 104)), site.earth((176, 172, 168))
    line = site.earth((238, 232, 214))
    top = horizon + 0.03
    wide = 0.62 * max(0.8, min(1.5, site.frame.aspect))

    def paint(strip: Strip) -> None:
        if not strip.within(top, 1):
            return
        below = strip.y - top
        pixels = strip.frame.height
        strip.blend((below * pixels + 0.5).clip(0, 1), pavement)
        depth = (below / (1 - top)).clip(1e-4, 1)
        half = 0.06 + (wide - 0.06) * depth
        across = np.abs(strip.x - middle)
        on = ((half - across) * pixels + 0.5).clip(0, 1) * (below > 0)
        strip.blend(on.astype(np.float32), [c * (0.85 + 0.2 * (1 - depth)) for c in asphalt])
        kerb = np.exp(-(((across - half) / (0.006 + 0.012 * depth)) ** 2)) * (below > 0)
        strip.blend((0.6 * kerb).astype(np.float32), mix(pavement, (255, 255, 255), 0.3))
        dash = (np.log(depth + 0.08) * 5.2) % 1 < 0.55
        mark = ((0.004 + 0.012 * depth - across) * pixels + 0.5).clip(0, 1) * dash * (below > 0.01)
        strip.blend((0.85 * mark).astype(np.float32), line)

    return paint


PLACES: dict[str, Callable[[Site], tuple[list[Layer], float]]] = {"street": _street}
