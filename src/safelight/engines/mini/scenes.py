"""A setting becomes a scene: a place, its weather, its light, or a plain backdrop."""

from dataclasses import dataclass

import numpy as np

from safelight.engines.mini import interiors, sky
from safelight.engines.mini.canvas import Frame, Layer, Strip
from safelight.engines.mini.idea import Setting
from safelight.engines.mini.palette import PAINTS, STUDIO, Rgb, mix, palette
from safelight.engines.mini.places import PLACES
from safelight.engines.mini.terrain import Site

FROM_THE_LEFT = -0.35
INDOORS = tuple(interiors.PLACES)
UNLIT = ("space", "moon", *INDOORS)  # the hour changes nothing of what stands there
SHELTERED = ("space", "moon", "mars", "underwater", "cave", *INDOORS)  # nothing falls there


@dataclass(frozen=True)
class Scene:
    """A place ready to be painted, strip by strip, and how things stand in it."""

    behind: list[Layer]
    before: list[Layer]  # what falls or drifts in front of the things
    stand: float  # height of the ground that things stand on
    afloat: bool  # nothing to stand on: things hover around the middle
    light: Rgb  # factors on the colours of things
    sun: float = FROM_THE_LEFT  # from which side the light falls: -1 left, 1 right


def build(setting: Setting, frame: Frame, random: np.random.Generator, alone: bool) -> Scene:
    """The scene of a setting; `alone` when nothing will stand in it."""
    if setting.backdrop or (
        setting.place in (None, "studio") and not setting.is_named and not alone
    ):
        return _studio(setting, frame, random)
    if setting.place == "studio":
        return _studio(setting, frame, random)
    sun = frame.aspect * random.uniform(0.22, 0.78)
    site = Site(frame, random, palette(setting, random), setting, sun)
    shines = (setting.light != "day" or setting.celestial) and not {"rain", "fog"} & setting.weather
    place = setting.place or ("mountain" if alone else "field")
    layers, stand = PLACES[place](site)
    ambient = np.array(site.colours.ambient)
    red, green, blue = (
        (0.45 + 0.55 * ambient) if setting.light == "night" else (0.3 + 0.7 * ambient)
    )
    return Scene(
        behind=layers,
        before=_weather(site),
        stand=stand,
        afloat=place in ("space", "sky", "underwater"),
        light=(1.0, 1.0, 1.0) if place in UNLIT else (red, green, blue),
        sun=2.4 * (sun / frame.aspect - 0.5) if shines and place not in UNLIT else FROM_THE_LEFT,
    )


def _weather(site: Site) -> list[Layer]:
    layers = []
    if site.snowy and site.setting.place not in SHELTERED:
        layers.append(sky.snowfall(site.frame, site.random))
    if "rain" in site.setting.weather and site.setting.place not in SHELTERED:
        layers.append(sky.rainfall(site.frame, site.random))
    return layers


def _studio(setting: Setting, frame: Frame, random: np.random.Generator) -> Scene:
    """A seamless backdrop: a pool of light, a soft floor."""
    base = (
        PAINTS[setting.backdrop] if setting.backdrop else STUDIO[int(random.integers(len(STUDIO)))]
    )
    x = frame.aspect * random.uniform(0.35, 0.65)
    y = random.uniform(0.3, 0.45)
    stand = 0.5 + 0.31 * max(0.75, frame.span)
    bright = mix(base, (255, 255, 255), 0.1 if setting.backdrop == "black" else 0.35)
    dark = mix(base, (0, 0, 0), 0.55 if setting.backdrop == "black" else 0.2)

    def plain(strip: Strip) -> None:
        strip.fill(base)
        if setting.gradient:
            strip.blend((1 - strip.y) * 0.75, mix(base, (255, 255, 255), 0.75))
            strip.blend(((strip.y - 0.5) * 0.9).clip(0, 1), mix(base, (0, 0, 0), 0.45))

    def paint(strip: Strip) -> None:
        strip.fill(base)
        distance = np.hypot(strip.x - x, strip.y - y)
        strip.blend((1 - distance / 0.75).clip(0, 1) ** 1.5, bright)
        strip.blend((distance / 1.1 - 0.3).clip(0, 1), dark)
        floor = ((strip.y - stand + 0.1) * 5).clip(0, 1)
        strip.blend(0.16 * floor * floor * (3 - 2 * floor), dark)

    return Scene([plain if setting.backdrop else paint], [], stand, False, (1.0, 1.0, 1.0))
