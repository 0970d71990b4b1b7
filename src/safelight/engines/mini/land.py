"""Everything at the horizon and below it: ridges, trees, houses, water, ground."""

import numpy as np

from safelight.engines.mini.canvas import Frame, Layer, Noise, Strip
from safelight.engines.mini.lexicon import Floats
from safelight.engines.mini.palette import Palette, Rgb, mix
from safelight.engines.mini.sky import specks


def silhouette(line: Floats, crest: Rgb, foot: Rgb, depth: float) -> Layer:
    """Fill below the skyline `line` [width]; from its top, `crest` fades to `foot` over `depth`."""
    highest = float(line.min())

    def paint(strip: Strip) -> None:
        if not strip.within(highest - 0.01, 1):
            return
        below = strip.y - line[None]
        fade = ((strip.y - highest) / depth).clip(0, 1)
        colour = [a + fade * (b - a) for a, b in zip(crest, foot, strict=True)]
        strip.blend((below * strip.frame.height + 0.5).clip(0, 1), colour)

    return paint


def snow_cap(
    frame: Frame, random: np.random.Generator, line: Floats, below: float, colour: Rgb
) -> Layer:
    """Snow on what rises above the height `below`, with a ragged lower edge."""
    ragged = Noise(frame, random, (24, 48), stretch=0.6)

    def paint(strip: Strip) -> None:
        if not strip.within(float(line.min()), below + 0.1):
            return
        edge = below + 0.035 * ragged.over(strip) - strip.y
        inside = ((strip.y - line[None]) * strip.frame.height + 0.5).clip(0, 1)
        strip.blend(inside * (edge * 60).clip(0, 1) * 0.9, colour)

    return paint


def spruces(
    frame: Frame,
    random: np.random.Generator,
    base: float,
    height: float,
    crest: Rgb,
    foot: Rgb,
    clear: tuple[float, float] = (0.0, 0.0),
) -> Layer:
    """A row of conifers standing on `base`, with tiers of branches; none between `clear`."""
    spacing = 0.3 * height
    number = int(frame.aspect / spacing) + 3
    centres = ((np.arange(number) - 1 + random.uniform(-0.4, 0.4, number)) * spacing).tolist()
    talls = (height * random.uniform(0.5, 1.0, number)).tolist()
    tiers = random.uniform(5, 8, number).tolist()
    trees = [
        tree
        for tree in zip(centres, talls, tiers, strict=True)
        if not clear[0] < tree[0] < clear[1]
    ]
    pixels = frame.width / frame.aspect  # per height

    def paint(strip: Strip) -> None:
        if not strip.within(base - height, base):
            return
        mask = np.zeros((len(strip.y), frame.width), np.float32)
        for centre, tall, number_of_tiers in trees:
            down = (strip.y - base) / tall + 1  # 0 at the tip, 1 at the foot
            reach = 0.25 * tall * down * (0.62 + 0.38 * ((down * number_of_tiers) % 1))
            reach = np.where((down > 0) & (down < 1), np.maximum(reach, 0.012 * tall), -1)
            first, last = (int((centre + side * 0.26 * tall) * pixels) for side in (-1, 1))
            here = slice(max(0, first), max(0, last + 2))
            tree = ((reach - np.abs(strip.x[:, here] - centre)) * pixels + 0.5).clip(0, 1)
            np.maximum(mask[:, here], tree, out=mask[:, here])
        fade = ((strip.y - base) / height + 1).clip(0, 1)
        strip.blend(mask, [c + fade * (f - c) for c, f in zip(crest, foot, strict=True)])

    return paint


def treetops(frame: Frame, random: np.random.Generator, base: float, height: float) -> Floats:
    """The skyline of round crowns: bushes, a wood far away."""
    line = np.full(frame.width, base, np.float32)
    x = frame.x[0]
    for centre in np.arange(-height, frame.aspect + height, 0.5 * height):
        centre += random.uniform(-0.3, 0.3) * height
        radius = height * random.uniform(0.4, 0.6)
        arc = np.sqrt((1 - ((x - centre) / radius) ** 2).clip(0))
        np.minimum(line, base - arc * radius * random.uniform(0.9, 1.6), out=line)
    return line


def buildings(
    frame: Frame,
    random: np.random.Generator,
    base: float,
    height: float,
    wall: Rgb,
    pane: Rgb,
    lit: float,
) -> Layer:
    """A row of houses with windows, the share `lit` of which shines."""
    number = int(frame.aspect / 0.06) + 3
    widths = random.uniform(0.06, 0.13, number)
    edges = np.concatenate([[-0.05], np.cumsum(widths) - 0.05])
    house = np.searchsorted(edges, frame.x[0], side="right") - 1  # [width] → which house
    tops = (base - height * random.uniform(0.35, 1.0, number)).astype(np.float32)
    tone = random.uniform(0.9, 1.1, number).astype(np.float32)
    inside = ((frame.x[0] - edges[house]) / widths[house]).astype(
        np.float32
    )  # 0..1 across the house
    panes = np.round(widths / 0.017).astype(np.int64)
    across = inside * panes[house]
    column = (across % 1 > 0.3) & (across % 1 < 0.75) & (inside > 0.06) & (inside < 0.94)
    shining = random.random((64, number * 12)) < lit
    window = house * 12 + across.astype(np.int64).clip(0, 11)

    def paint(strip: Strip) -> None:
        if not strip.within(base - height, 1):
            return
        below = strip.y - tops[house][None]
        body = (below * strip.frame.height + 0.5).clip(0, 1)
        strip.blend(body, [channel * tone[house][None] for channel in wall])
        floor = (below / 0.024).astype(np.int64).clip(0, 63)
        rows = (below / 0.024) % 1
        glass = column[None] & (rows > 0.3) & (rows < 0.8) & (below > 0.012)
        strip.blend((glass & shining[floor, window[None]]).astype(np.float32), pane)

    return paint


def ground(
    frame: Frame, random: np.random.Generator, line: Floats, near: Rgb, far: Rgb, grain: float
) -> Layer:
    """Earth, sand, snow or grass below `line`, from `far` to `near`, uneven by `grain`."""
    texture = Noise(frame, random, (7, 30, 90), falloff=0.75, stretch=3.0)
    top = float(line.min())

    def paint(strip: Strip) -> None:
        if not strip.within(top - 0.01, 1):
            return
        below = strip.y - line[None]
        depth = (below / max(0.05, 1 - top)).clip(0, 1)
        shade = 1 + grain * texture.over(strip)
        colour = [shade * (f + depth * (n - f)) for f, n in zip(far, near, strict=True)]
        strip.blend((below * strip.frame.height + 0.5).clip(0, 1), colour)

    return paint


def flowers(
    frame: Frame, random: np.random.Generator, top: float, colours: list[Rgb]
) -> list[Layer]:
    """Blossoms strewn over the ground below `top`: small and dense far away, larger near by."""
    layers = []
    for colour in colours:
        number = int(240 * frame.aspect)
        near = np.sort(random.random(number)) ** 1.6
        x, y = random.random(number) * frame.aspect, top + (1.02 - top) * near
        radius = (0.0012 + 0.0042 * near) * random.uniform(0.7, 1.2, number)
        layers.append(specks(x, y, radius, random.uniform(0.7, 1.0, number), colour))
    return layers


def water(
    frame: Frame, random: np.random.Generator, horizon: float, near: Rgb, far: Rgb, glint: Rgb
) -> Layer:
    """A sheet of water from the horizon down; ripples are wider the nearer they are."""
    swell = Noise(frame, random, (3, 9, 27), falloff=0.7, stretch=5.0)

    def paint(strip: Strip) -> None:
        if not strip.within(horizon, 1):
            return
        depth = ((strip.y - horizon) / (1 - horizon)).clip(0, 1)
        strip.blend(
            ((strip.y - horizon) * strip.frame.height + 0.5).clip(0, 1),
            [f + depth**0.6 * (n - f) for f, n in zip(far, near, strict=True)],
        )
        phase = 140 * np.log1p(6 * depth) + 5 * swell.over(strip)
        ripple = (np.sin(phase) - 0.55).clip(0, 1) * (depth > 0) * (0.25 + 0.5 * depth)
        strip.blend(ripple.astype(np.float32), glint)

    return paint


def glitter(
    frame: Frame, random: np.random.Generator, horizon: float, x: float, colour: Rgb
) -> Layer:
    """The path of light that a low sun or moon lays on water."""
    waves = Noise(frame, random, (40, 80), falloff=0.8, stretch=6.0)

    def paint(strip: Strip) -> None:
        if not strip.within(horizon, 1):
            return
        depth = (strip.y - horizon).clip(0)
        path = np.exp(-(((strip.x - x) / (0.035 + 0.22 * depth)) ** 2)) * (depth > 0)
        strip.blend((path * (0.45 + 1.1 * waves.over(strip))).clip(0, 0.9), colour)

    return paint


def gloss(
    frame: Frame, random: np.random.Generator, top: float, colour: Rgb, strength: float
) -> Layer:
    """Lights mirrored in a wet road as long streaks."""
    streaks = Noise(frame, random, (2, 3), falloff=0.8, stretch=0.07)
    ripples = Noise(frame, random, (50, 110), falloff=0.8, stretch=5.0)

    def paint(strip: Strip) -> None:
        if not strip.within(top, 1):
            return
        below = (strip.y - top) / (1 - top)
        fade = (1 - 0.75 * below).clip(0, 1) * (below > 0)
        shine = (streaks.over(strip) - 0.15).clip(0, 1) * (1 + 0.45 * ripples.over(strip))
        strip.blend((strength * fade * shine).clip(0, 0.7).astype(np.float32), colour)

    return paint


def foam(line: Floats, colour: Rgb) -> Layer:
    """Where the sea ends on the sand: a wet edge and a white one."""

    def paint(strip: Strip) -> None:
        if not strip.within(float(line.min()) - 0.05, float(line.max()) + 0.05):
            return
        away = strip.y - line[None]
        strip.blend(0.3 * np.exp(-(((away - 0.02) / 0.018) ** 2)), (120, 98, 72))
        strip.blend((1 - np.abs(away) * 130).clip(0, 1) * 0.85, colour)
        strip.blend((1 - np.abs(away + 0.022) * 220).clip(0, 1) * 0.4, colour)

    return paint


def planks(frame: Frame, random: np.random.Generator, top: float, colours: Palette) -> Layer:
    """A table of wood, seen from in front."""
    grain = Noise(frame, random, (20, 60, 160), falloff=0.8, stretch=14.0)
    wood = colours.lit((164, 112, 70))
    dark = mix(wood, (30, 18, 12), 0.45)

    def paint(strip: Strip) -> None:
        if not strip.within(top, 1):
            return
        below = ((strip.y - top) / (1 - top)).clip(0, 1)
        shade = 1.12 - 0.28 * below + 0.07 * grain.over(strip)
        strip.blend(
            ((strip.y - top) * strip.frame.height + 0.5).clip(0, 1), [c * shade for c in wood]
        )
        seam = ((below**0.7 * 4) % 1) * (below > 0.04)
        strip.blend((1 - np.abs(seam - 0.02) * 45).clip(0, 1) * 0.5 * (below > 0.04), dark)

    return paint


def reflection(
    frame: Frame, random: np.random.Generator, horizon: float, lines: list[tuple[Floats, Rgb]]
) -> Layer:
    """Skylines upside down in water, torn by its ripples and fading towards the viewer."""
    phase = random.random() * 6.28

    def paint(strip: Strip) -> None:
        if not strip.within(horizon, 1):
            return
        below = strip.y - horizon
        sway = 0.012 * np.sin(170 * np.log1p(5 * below.clip(0)) + phase) * (0.3 + 3 * below)
        pixels = strip.frame.width / strip.frame.aspect
        columns = np.arange(strip.frame.width)[None] + np.round(sway * pixels).astype(np.int64)
        columns = columns.clip(0, strip.frame.width - 1)
        fade = 0.55 * (1 - below / 0.42).clip(0, 1) * (below > 0)
        for line, colour in lines:
            mirrored = 2 * horizon - line[columns]
            mask = ((mirrored - strip.y) * strip.frame.height + 0.5).clip(0, 1) * fade
            strip.blend(mask.astype(np.float32), colour)

    return paint
