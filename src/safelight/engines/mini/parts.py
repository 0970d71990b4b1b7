"""Things with their places beside each other, in lengths of a cluster's own."""

import math
from dataclasses import dataclass, field, replace

from safelight.engines.mini.upscale import Cutout
from safelight.engines.mini.words import SIZES

Box = tuple[float, float, float, float]  # left, top, right, bottom
EVENNESS = 0.6  # 1 would show an ant beside a horse in its true size, 0 as large as the horse


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing to be seen: which of all it is, which subject, and its picture."""

    number: int
    subject: int
    label: str
    scale: float
    cutout: Cutout = field(compare=False)

    @property
    def size(self) -> float:
        """How large it is beside others; a person is 1."""
        return math.pow(SIZES.get(self.label, 1.0), EVENNESS) * self.scale


@dataclass(frozen=True, slots=True)
class Part:
    """A thing at its place in a cluster, in lengths of the cluster's own."""

    thing: Thing
    left: float
    top: float
    side: float
    grounded: bool = True  # it stands on the ground itself, and casts its shadow there

    @property
    def box(self) -> Box:
        """What of it is visible."""
        left, top, right, bottom = self.thing.cutout.box
        x, y, side = self.left, self.top, self.side
        return x + side * left, y + side * top, x + side * right, y + side * bottom

    def moved(self, across: float, down: float, by: float = 1.0) -> "Part":
        """Scaled around the origin, then moved."""
        left, top = self.left * by + across, self.top * by + down
        return replace(self, left=left, top=top, side=self.side * by)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Parts from back to front; `anchor` is the one that the others are set on."""

    parts: tuple[Part, ...]
    anchor: Part

    @property
    def box(self) -> Box:
        boxes = [part.box for part in self.parts]
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)

    def moved(self, across: float, down: float, by: float = 1.0) -> "Cluster":
        parts = tuple(part.moved(across, down, by) for part in self.parts)
        return Cluster(parts, parts[self.parts.index(self.anchor)])

    def lifted(self) -> "Cluster":
        parts = tuple(replace(part, grounded=False) for part in self.parts)
        return Cluster(parts, parts[self.parts.index(self.anchor)])

    def with_(self, other: "Cluster", front: bool) -> "Cluster":
        parts = self.parts + other.parts if front else other.parts + self.parts
        return Cluster(parts, self.anchor)


@dataclass(frozen=True, slots=True)
class Bond:
    """`thing` is set on another: the `index`th of `number` that are."""

    thing: int
    kind: str
    anchor: int
    index: int = 0
    number: int = 1
