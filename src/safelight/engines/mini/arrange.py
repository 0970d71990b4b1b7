"""Where each cluster of things goes: in rows on the ground, or hovering where there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from safelight.engines.mini.anatomy import Silhouette
from safelight.engines.mini.canvas import Frame
from safelight.engines.mini.clusters import clusters, ordered, things_of
from safelight.engines.mini.idea import Idea
from safelight.engines.mini.parts import Cluster
from safelight.engines.mini.scenes import Scene
from safelight.engines.mini.upscale import Cutout

SIZES = {1: 0.6, 2: 0.54, 3: 0.48}  # of a thing, in heights, by how many stand in its row
MANY_SIZE = 0.4
ROWS_SHARE = {2: 0.8, 3: 0.64}  # of that, where there are so many rows
MOST_ROWS = 3
ROW_DEPTH = 0.15  # heights between the feet of one row and the next
HIGHEST_FOOT = 0.62  # heights: the back row stands below the horizon
HEADROOM = 0.05  # heights that stay free above
MOST_DEPTH = 0.2  # heights above the ground's front from which a thing is in the air
BREADTH = 0.5  # of the picture's width that one thing alone may take, where that is more
OFF_CENTRE = 0.1  # of the width; what stands farther out than that faces inwards
FAR = 0.4  # of its size, for what stands in the distance
NEAR = 1.25


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing where it will be seen: the square of its texture, in pixels."""

    cutout: Cutout
    left: int
    top: int
    side: int
    lifted: bool = False  # off the ground: no shadow
    subject: int = 0  # its number in the idea
    label: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    number: int  # of clusters in it
    widest: int  # number in the longest row
    behind: int  # of rows in front of it
    rows: int  # in all

    def size(self, frame: Frame, afloat: bool) -> float:
        """How large a thing of this row is, in heights."""
        room = 0.92 * frame.aspect / self.widest
        wanted = min(room, SIZES.get(self.widest, MANY_SIZE)) * min(1, 1.4 * frame.span)
        if self.rows == 1:
            return wanted
        return (
            min(wanted, 0.78 / self.rows)
            if afloat
            else ROWS_SHARE[min(self.rows, MOST_ROWS)] * wanted * 0.86**self.behind
        )


@dataclass(frozen=True, slots=True)
class Spot:
    """Centre, foot and size in heights."""

    x: float
    foot: float
    size: float


def arrange(
    cutouts: Sequence[Cutout], idea: Idea, scene: Scene, frame: Frame, random: np.random.Generator
) -> list[Placed]:
    """Back to front, the back rows smaller; the first thing hovers when it is flying."""
    found = clusters(things_of(idea.subjects, cutouts), idea.relations)
    row, bound = ordered(found, idea.relations)
    fliers = found[:1] if idea.flying and not scene.afloat else []
    placed = [_hover(cluster, scene, frame, random) for cluster in fliers]
    row = [cluster for cluster in row if cluster not in fliers]
    spots = {
        number: _said(cluster, spot, scene, frame)
        for number, cluster in enumerate(row)
        if (spot := idea.subjects[cluster.anchor.thing.subject].spot)
    }
    far = [n for n in spots if spots[n].size < 0.3]
    lifted = {n for n in spots if spots[n].foot < scene.stand - MOST_DEPTH}
    row = [cluster.lifted() if n in lifted else cluster for n, cluster in enumerate(row)]
    placed += [_stand(row[n], spots[n], frame) for n in far]
    free = [cluster for number, cluster in enumerate(row) if number not in spots]
    placed += _in_rows(free, scene, frame, random, bound, idea.zoom)
    placed += [_stand(row[n], spots[n], frame) for n in spots if n not in far]
    return [thing for group in placed for thing in _facing_inwards(group, frame)]


def _facing_inwards(group: list[Placed], frame: Frame) -> list[Placed]:
    """What stands by itself at one side and looks out of the picture is turned round."""
    if len(group) != 1:
        return group
    [thing] = group
    left, _, right, _ = thing.cutout.box
    away = (thing.left + thing.side * (left + right) / 2) / frame.width - 0.5
    if abs(away) < OFF_CENTRE or away * Silhouette(thing.cutout).facing <= 0:
        return group
    moved = thing.left + round(thing.side * (left + right - 1))
    return [replace(thing, cutout=mirrored(thing.cutout), left=moved)]


def mirrored(cutout: Cutout) -> Cutout:
    """Its mirror image."""
    left, top, right, bottom = cutout.box
    over = Image.Transpose.FLIP_LEFT_RIGHT
    box = (1 - right, top, 1 - left, bottom)
    return Cutout(cutout.texture.transpose(over), cutout.alpha.transpose(over), box)


def _in_rows(
    row: list[Cluster],
    scene: Scene,
    frame: Frame,
    random: np.random.Generator,
    bound: bool,
    zoom: float,
) -> list[list[Placed]]:
    placed: list[list[Placed]] = []
    for part in _rows(len(row), frame.aspect, bound):
        things = row[len(placed) : len(placed) + part.number]
        spots = _places(part, things, scene, frame, random, zoom)
        placed += [_stand(thing, spot, frame) for thing, spot in zip(things, spots, strict=True)]
    return placed


def _rows(number: int, aspect: float, bound: bool) -> list[Row]:
    """Spread things over as few rows as fit, the longer ones in front; `bound` to one row."""
    if number == 0:
        return []
    fit = number if bound else max(1, min(5, round(2.2 * aspect + 0.8)), -(-number // MOST_ROWS))
    rows = -(-number // fit)
    numbers = [number // rows + (row >= rows - number % rows) for row in range(rows)]
    return [Row(number, max(numbers), rows - 1 - row, rows) for row, number in enumerate(numbers)]


def _places(
    row: Row,
    things: Sequence[Cluster],
    scene: Scene,
    frame: Frame,
    random: np.random.Generator,
    zoom: float,
) -> list[Spot]:
    """The clusters of one row side by side, each as wide a place as it needs."""
    size = zoom * row.size(frame, scene.afloat)
    spots = []
    shares = [_share(thing, len(things)) for thing in things]
    if len(things) > 1:  # small things alone among themselves are seen from nearer
        usual = [
            share / thing.anchor.thing.scale for share, thing in zip(shares, things, strict=True)
        ]
        shares = [share / min(1.0, max(usual)) for share in shares]
    elif row.rows == 1:
        shares = [shares[0] * _broadened(things[0], size, frame)]
    sizes = [size * share * random.uniform(0.9, 1.05) for share in shares]
    widths = [
        _extent(thing)[0] / _longest(thing) * s for thing, s in zip(things, sizes, strict=True)
    ]
    gap = 0.08 * size
    over = (sum(widths) + gap * (len(widths) - 1)) / (0.94 * frame.aspect)
    if over > 1 and (zoom <= 1 or len(things) > 1):
        sizes, widths, gap = [s / over for s in sizes], [w / over for w in widths], gap / over
    room = frame.aspect / row.widest
    spare = max(0.0, 0.94 * frame.aspect - sum(widths) - gap * (len(widths) - 1)) / len(widths)
    cells = [width + gap + min(spare, 0.8 * max(0.0, room - width)) for width in widths]
    left = (frame.aspect - sum(cells)) / 2
    for thing, s, cell in zip(things, sizes, cells, strict=True):
        slack = max(0.0, cell - _extent(thing)[0] / _longest(thing) * s)
        x = left + cell / 2 + random.normal(0, 0.05 * room if row.number == 1 else 0.1 * slack)
        spots.append(_grounded(row, x, s, thing, scene, random))
        left += cell
    return spots


def _broadened(thing: Cluster, size: float, frame: Frame) -> float:
    """How much larger what is wider than high may be in a wide picture."""
    width, height = (extent / _longest(thing) * size for extent in _extent(thing))
    return min(size / height, max(1.0, BREADTH * frame.aspect / width))


def _grounded(
    row: Row, x: float, size: float, thing: Cluster, scene: Scene, random: np.random.Generator
) -> Spot:
    height = _extent(thing)[1] / _longest(thing) * size
    if scene.afloat:
        middle = 0.5 + (0.5 * (row.rows - 1) - row.behind) * 0.9 / row.rows
        return Spot(x, middle + random.normal(0, 0.04 / row.rows) + height / 2, size)
    depth = min(ROW_DEPTH, (scene.stand - HIGHEST_FOOT) / max(1, row.rows - 1))
    return Spot(x, scene.stand - depth * row.behind - random.uniform(0, 0.025), size)


def _share(cluster: Cluster, beside: int) -> float:
    """How much larger than usual: a cluster of several needs room, and so does a giant."""
    anchor = cluster.anchor.thing
    own = anchor.scale if beside == 1 else anchor.size
    if beside == 1:
        own = min(own, 1.4)
    return own * min(1.5, _longest(cluster) / anchor.size)


def _extent(cluster: Cluster) -> tuple[float, float]:
    left, top, right, bottom = cluster.box
    return right - left, bottom - top


def _longest(cluster: Cluster) -> float:
    return max(_extent(cluster))


def _stand(cluster: Cluster, spot: Spot, frame: Frame) -> list[Placed]:
    """Scale a cluster to its size, its longer visible side, and set it on its foot."""
    left, top, right, bottom = cluster.box
    limit = (spot.foot - HEADROOM) / (bottom - top) if spot.foot > 2 * HEADROOM else 1.0
    by = min(spot.size / _longest(cluster), max(limit, 0.02))
    moved = cluster.moved(spot.x - by * (left + right) / 2, spot.foot - by * bottom, by)
    pixels = frame.width / frame.aspect  # per height
    return [
        Placed(
            part.thing.cutout,
            round(part.left * pixels),
            round(part.top * frame.height),
            max(8, round(part.side * pixels)),
            not part.grounded,
            part.thing.subject,
            part.thing.label,
        )
        for part in moved.parts
    ]


def _hover(
    cluster: Cluster, scene: Scene, frame: Frame, random: np.random.Generator
) -> list[Placed]:
    """In the air above the others, to one side."""
    size = 0.36 * frame.span * random.uniform(0.9, 1.05)
    centre = random.choice([0.28, 0.72])
    foot = 0.4 + random.uniform(-0.03, 0.03)
    return _stand(cluster.lifted(), Spot(centre * frame.aspect, foot, size), frame)


def _said(cluster: Cluster, spot: str, scene: Scene, frame: Frame) -> Spot:
    """Where the prompt puts it: "0.2 0.8", across and down, "-" for wherever it stands."""
    across, down = spot.split()
    x = frame.aspect * (0.5 if across == "-" else float(across))
    size = min(0.42, 0.42 * frame.aspect) * cluster.anchor.thing.scale
    if down in ("far", "near"):
        size *= FAR if down == "far" else NEAR
        foot = scene.stand - (0.16 if down == "far" else -0.05)
        return Spot(x + (0.2 * frame.aspect if down == "far" else 0), foot, size)
    if down == "-":
        return Spot(x, scene.stand, size)
    height = size * _extent(cluster)[1] / _longest(cluster)
    width = size * _extent(cluster)[0] / _longest(cluster)
    x = min(max(x, width / 2 + 0.02), frame.aspect - width / 2 - 0.02)
    return Spot(x, min(max(float(down) + height / 2, height + 0.03), 0.97), size)
