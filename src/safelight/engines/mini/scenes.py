"""A setting becomes a scene: a place, its weather, its light, or a plain backdrop."""

from dataclasses import dataclass

import numpy as np

from safelight.engines.mini import interiors, sky
from safelight.engines.mini.canvas import Frame, Layer, Strip
from safelight.engines.mini.finish import finish
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.lighting import Light
from safelight.engines.mini.palette import PAINTS, Rgb, mix, palette, studio
from safelight.engines.mini.places import PLACES
from safelight.engines.mini.terrain import Site
from safelight.engines.mini.trees import petals

FROM_THE_LEFT = -0.35
INDOORS = tuple(interiors.PLACES)
UNLIT = ("space", "moon", *INDOORS)  # the hour changes nothing of what stands there
SHELTERED = ("space", "moon", "mars", "underwater", "cave", *INDOORS)  # nothing falls there
AFLOAT = ("space", "sky", "underwater")
WATERY = ("sea", "lake")
GRASS: dict[str, Rgb] = {  # what stands there has it around its feet
    "field": (104, 160, 70),
    "mountain": (88, 140, 74),
    "forest": (84, 138, 70),
    "jungle": (58, 96, 44),
    "flowers": (86, 150, 70),
    "blossom": (120, 168, 88),
}
RIMS: dict[str, Rgb] = {"day": (34, 34, 30), "sunset": (255, 176, 104), "night": (96, 120, 176)}
TINTS: dict[str, Rgb] = {
    "day": (1.0, 1.0, 1.0), "sunset": (0.94, 0.8, 0.76), "night": (0.5, 0.56, 0.76),
}  # fmt: skip
INDOOR_TINTS: dict[str, Rgb] = {
    "day": (1.0, 1.0, 1.0), "sunset": (0.95, 0.88, 0.8), "night": (0.78, 0.72, 0.68),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A place ready to be painted, strip by strip, and how things stand in it."""

    behind: list[Layer]
    before: list[Layer]  # what falls or drifts in front of the things
    stand: float  # height of the ground that things stand on
    afloat: bool  # nothing to stand on: things hover around the middle
    light: Light
    water: Rgb | None = None  # things float, and are mirrored
    grass: Rgb | None = None  # stands around their feet
    snow: Rgb | None = None  # lies around their feet
    seed: int = 0  # of what is strewn around the feet


def build(
    setting: Setting,
    frame: Frame,
    random: np.random.Generator,
    alone: bool,
    against: Rgb | None = None,
    bold: bool = False,
) -> Scene:
    """The scene of a setting; `alone` when nothing will stand in it.

    `against` is the colour of what will: a studio picks one that suits it, flat and strong where
    it is to be `bold`.
    """
    if setting.backdrop or (
        setting.place in (None, "studio") and not setting.is_named and not alone
    ):
        return _studio(setting, frame, random, against, bold)
    if setting.place == "studio":
        return _studio(setting, frame, random, against, bold)
    sun = frame.aspect * random.uniform(0.22, 0.78)
    site = Site(frame, random, palette(setting, random), setting, sun, alone)
    shines = (setting.light != "day" or setting.celestial) and not {"rain", "fog"} & setting.weather
    place = setting.place or ("mountain" if alone else "field")
    layers, stand = PLACES[place](site)
    grass = GRASS.get(place)
    snowy = site.snowy and place not in SHELTERED and place not in WATERY
    return Scene(
        behind=layers,
        before=[*_weather(site), finish()],
        stand=stand,
        afloat=place in AFLOAT,
        light=_light(site, place, shines),
        water=site.colours.lit((36, 108, 160)) if place in WATERY else None,
        grass=site.earth(grass) if grass and not site.snowy else None,
        snow=site.earth(grass or (240, 245, 252)) if snowy else None,
        seed=int(random.integers(1 << 31)),
    )


def _light(site: Site, place: str, shines: bool) -> Light:
    """Of the hour outdoors; rooms have lamps."""
    hour, frame = site.setting.light, site.frame
    if place in UNLIT:
        tint = INDOOR_TINTS[hour] if place in INDOORS else (1.0, 1.0, 1.0)
        rim: Rgb = (60, 70, 110) if place in ("space", "moon") else (0, 0, 0)
        return Light(tint, rim, site.colours.haze, FROM_THE_LEFT, dark=hour == "night")
    sun = 2.4 * (site.sun / frame.aspect - 0.5) if shines else FROM_THE_LEFT
    overcast = not shines and hour != "day"
    return Light(
        tint=TINTS[hour],
        rim=mix(RIMS[hour], (0, 0, 0), 0.7) if overcast else RIMS[hour],
        haze=site.colours.haze,
        sun=sun,
        backlit=shines and hour != "day" and place not in ("mars", "alien", "underwater", "sky"),
        dark=hour == "night",
    )


def _weather(site: Site) -> list[Layer]:
    layers: list[Layer] = []
    if site.setting.place == "blossom":
        layers.append(petals(site.frame, site.random))
    if site.snowy and site.setting.place not in SHELTERED:
        layers.append(sky.snowfall(site.frame, site.random))
    if "rain" in site.setting.weather and site.setting.place not in SHELTERED:
        layers.append(sky.rainfall(site.frame, site.random))
    return layers


def _studio(
    setting: Setting,
    frame: Frame,
    random: np.random.Generator,
    against: Rgb | None,
    bold: bool,
) -> Scene:
    """A seamless backdrop: a pool of light, a soft floor."""
    base = PAINTS[setting.backdrop] if setting.backdrop else studio(random, against, bold)
    x = frame.aspect * random.uniform(0.35, 0.65)
    y = random.uniform(0.3, 0.45)
    stand = 0.5 + 0.31 * max(0.75, frame.span)
    bright, dark = mix(base, (255, 255, 255), 0.5), mix(base, (40, 30, 60), 0.16)

    def plain(strip: Strip) -> None:
        strip.fill(base)
        if setting.gradient:
            strip.blend((1 - strip.y) * 0.75, mix(base, (255, 255, 255), 0.75))
            strip.blend(((strip.y - 0.5) * 0.9).clip(0, 1), mix(base, (0, 0, 0), 0.45))

    def paint(strip: Strip) -> None:
        strip.fill(base)
        distance = np.hypot(strip.x - x, strip.y - y)
        strip.blend((1 - distance / 0.8).clip(0, 1) ** 1.5, bright)
        strip.blend((distance / 1.1 - 0.3).clip(0, 1), dark)
        floor = ((strip.y - stand + 0.1) * 5).clip(0, 1)
        strip.blend(0.2 * floor * floor * (3 - 2 * floor), dark)

    light = Light(rim=(30, 30, 34) if setting.backdrop != "black" else (200, 205, 220))
    flat = setting.backdrop or bold
    return Scene([plain if flat else paint], [] if flat else [finish()], stand, False, light)
