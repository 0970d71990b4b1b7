"""How one thing is set on another: a hat on a head, a rider on a back, a cat in a box."""

from collections.abc import Callable
from dataclasses import replace

from safelight.engines.mini.anatomy import Head, Silhouette
from safelight.engines.mini.parts import Bond, Box, Cluster, Part, Thing
from safelight.engines.mini.words import (
    BEINGS,
    BROAD,
    CONTAINERS,
    FACES,
    HOUSES,
    RAISED,
    SEATS,
    VEHICLES,
    WORN,
)

LEAST_SHARE, MOST_SHARE = 0.3, 1.25  # of the thing it is set on, for what is set on it
CHIN = 0.62  # of its width: where the head of an owl ends
SEATED_SHARE = 0.6  # … and for who rides in a boat
Join = Callable[[Cluster, Cluster, Bond], Cluster]


def join(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Set the other cluster on this one as the bond says."""
    return JOINTS[_joint(bond, cluster.anchor, other.anchor)](cluster, other, bond)


def _joint(bond: Bond, holder: Part, held: Part) -> str:
    """Which way of setting serves: one rides in a car and on a horse."""
    anchor, thing = holder.thing.label, held.thing.label
    if bond.kind == "wearing":
        return f"worn on {WORN.get(thing, 'head')}"
    if bond.kind == "holding" and thing in RAISED:
        return "raised"
    if bond.kind == "inside" and anchor in HOUSES:
        return "doorway"
    if bond.kind in ("riding", "inside") and anchor in SEATS:
        return "on"
    if bond.kind == "riding" and anchor in CONTAINERS:
        return "inside"
    if bond.kind == "on" and anchor in BEINGS:
        return "riding"
    return bond.kind


def _fitted(other: Cluster, anchor: Part, least: float, most: float) -> Cluster:
    """The other cluster, no smaller and no larger beside the anchor than these shares of it."""
    wanted = _longer(other.anchor.box) / _longer(anchor.box)
    return other.moved(0, 0, min(max(wanted, least), most) / wanted)


def _longer(box: Box) -> float:
    left, top, right, bottom = box
    return max(right - left, bottom - top)


def _set(other: Cluster, x: float, foot: float) -> Cluster:
    """Moved so that its anchor's foot stands there."""
    left, _, right, bottom = other.anchor.box
    return other.moved(x - (left + right) / 2, foot - bottom)


def _point(part: Part, x: float, y: float) -> tuple[float, float]:
    """A point of the texture's square in the cluster's lengths."""
    return part.left + part.side * x, part.top + part.side * y


def _spread(cluster: Cluster, bond: Bond, reach: float) -> float:
    """The x of one of several that share an anchor, `reach` of its width in all."""
    left, _, right, _ = cluster.anchor.box
    share = (bond.index + 0.5) / bond.number - 0.5
    return (left + right) / 2 + share * reach * (right - left)


def _on(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Its foot touches what is below it: a seat, or the highest point under it."""
    anchor = cluster.anchor
    most = MOST_SHARE if bond.number == 1 else 1.0 / bond.number + 0.15
    if bond.kind != "on":
        most = min(most, SEATED_SHARE)
    other = _fitted(other, anchor, min(LEAST_SHARE, most), most).lifted()
    x = _spread(cluster, bond, 0.75)
    _, top, _, bottom = anchor.box
    seat = SEATS.get(anchor.thing.label)
    if seat is not None:
        foot = top + seat * (bottom - top) + 0.06 * (bottom - top)
    else:
        width = 0.3 * (other.anchor.box[2] - other.anchor.box[0])
        inside = [(edge - anchor.left) / anchor.side for edge in (x - width, x + width)]
        surface = anchor.top + anchor.side * Silhouette(anchor.thing.cutout).top_between(*inside)
        foot = min(surface + 0.05 * (bottom - top), bottom)
    return cluster.with_(_set(other, x, foot), front=True)


def _riding(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """On the back: a bust rises from behind it, a whole figure stands before it."""
    mount = cluster.anchor
    other = _fitted(other, mount, 0.55, 0.8).lifted()
    x, y = _point(mount, *Silhouette(mount.thing.cutout).saddle)
    x += 0.5 * (
        _spread(cluster, bond, 0.6) - _spread(cluster, replace(bond, index=0, number=1), 0.6)
    )
    bust = Silhouette(other.anchor.thing.cutout).is_bust
    sunk = (0.24 if bust else 0.2) * (other.anchor.box[3] - other.anchor.box[1])
    _, top, _, bottom = mount.box
    foot = min(y + sunk, bottom - 0.3 * (bottom - top))
    return cluster.with_(_set(other, x, foot), front=not bust)


def _inside(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Behind the rim, and out of it with the upper part."""
    holder = cluster.anchor
    most = min(0.85, 1.1 / bond.number)
    other = _fitted(other, holder, min(0.4, most), most).lifted()
    _, top, _, bottom = holder.box
    x = _spread(cluster, bond, 0.8 if bond.number > 1 else 0.0)
    share = (x - holder.left) / holder.side
    silhouette = Silhouette(holder.thing.cutout)
    open_above = holder.thing.label not in VEHICLES
    edge = silhouette.rim if open_above else silhouette.top_between(share - 0.06, share + 0.06)
    rim = _point(holder, 0, edge)[1]
    sunk = 0.38 if Silhouette(other.anchor.thing.cutout).is_bust else 0.5  # as deep as the legs
    foot = max(rim, top) + sunk * (other.anchor.box[3] - other.anchor.box[1])
    return cluster.with_(_set(other, x, min(foot, bottom)), front=False)


def _doorway(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    other = _fitted(other, cluster.anchor, 0.25, 0.45)
    bottom = cluster.anchor.box[3]
    return cluster.with_(_set(other, _spread(cluster, bond, 0.7), bottom), front=True)


def _under(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """At the foot of something tall, before it."""
    other = _fitted(other, cluster.anchor, 0.3, 0.5)
    left, _, right, bottom = cluster.anchor.box
    x = _spread(cluster, bond, 0.8) + (0.16 * (right - left) if bond.number == 1 else 0)
    return cluster.with_(_set(other, x, bottom + 0.03 * (right - left)), front=True)


def _canopy(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """What is over one's head: an umbrella close to it, a cloud at some distance."""
    roof = other.anchor.thing.label in RAISED
    other = _fitted(other, cluster.anchor, 0.8 if roof else 0.5, 1.2 if roof else 0.8).lifted()
    _, top, _, bottom = cluster.box
    height = other.anchor.box[3] - other.anchor.box[1]
    gap = -0.5 * height if roof else 0.12 * (bottom - top)
    return cluster.with_(_set(other, _spread(cluster, bond, 0.9), top - gap), front=False)


def _above(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """In the air over it."""
    other = _fitted(other, cluster.anchor, 0.4, 0.75).lifted()
    _, top, _, bottom = cluster.box
    foot = top - 0.1 * (bottom - top) + (other.anchor.box[3] - other.box[3])
    return cluster.with_(_set(other, _spread(cluster, bond, 0.9), foot), front=True)


def _front(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Nearer, lower and to one side, so that both are seen."""
    other = _fitted(other, cluster.anchor, 0.4, 0.85)
    left, top, right, bottom = cluster.anchor.box
    x = _spread(cluster, bond, 0.9) + (0.3 * (right - left) if bond.number == 1 else 0)
    return cluster.with_(_set(other, x, bottom + 0.12 * (bottom - top)), front=True)


def _behind(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Farther, higher and to one side."""
    other = _fitted(other, cluster.anchor, 0.7, 1.5)
    left, top, right, bottom = cluster.anchor.box
    x = _spread(cluster, bond, 0.9) - (0.34 * (right - left) if bond.number == 1 else 0)
    return cluster.with_(_set(other, x, bottom - 0.1 * (bottom - top)), front=False)


def _held(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    return _at_hand(cluster, _fitted(other, cluster.anchor, 0.34, 0.6), bond)


def _gloved(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    return _at_hand(cluster, _fitted(other, cluster.anchor, 0.2, 0.26), bond)


def _at_hand(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Before the side, at the height of a hand."""
    holder, other = cluster.anchor, other.lifted()
    silhouette = Silhouette(holder.thing.cutout)
    side = 1 if (bond.index + (bond.thing > bond.anchor)) % 2 else -1
    _, top, _, bottom = holder.thing.cutout.box
    hand = top + (0.74 if silhouette.is_bust else 0.62) * (bottom - top)
    x, y = _point(holder, silhouette.edge(hand, side), hand)
    width, height = _extent(other.anchor)
    return cluster.with_(_set(other, x - side * 0.12 * width, y + 0.5 * height), front=True)


def _raised(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """In the hand by its lower end."""
    holder = cluster.anchor
    silhouette = Silhouette(holder.thing.cutout)
    other = _fitted(other, holder, 0.5, 0.9).lifted()
    side = 1 if (bond.index + (bond.thing > bond.anchor)) % 2 else -1
    _, top, _, bottom = holder.thing.cutout.box
    hand = top + (0.78 if silhouette.is_bust else 0.6) * (bottom - top)
    x, y = _point(holder, silhouette.edge(hand, side), hand)
    width, height = _extent(other.anchor)
    return cluster.with_(
        _set(other, x + side * (0.22 + 0.35 * (bond.index // 2)) * width, y + 0.06 * height),
        front=True,
    )


def _extent(part: Part) -> tuple[float, float]:
    left, top, right, bottom = part.box
    return right - left, bottom - top


def _head(wearer: Thing) -> Head:
    """Ears are no heads: of a face the whole is one, from a little below its top."""
    if wearer.label not in FACES | BROAD:
        return Silhouette(wearer.cutout).head
    left, top, right, bottom = wearer.cutout.box
    return Head((left + right) / 2, top + 0.1 * (bottom - top), 0.8 * (right - left))


def _worn(across: float, width: float, down: float, hung: float) -> Join:
    """Sized by the head. All in widths of the head: how far `across` its middle, how wide, how
    far `down` from its top; `hung` is the share of the thing's own height above that line."""

    def worn(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
        wearer = cluster.anchor
        head = _head(wearer.thing)
        x, top = _point(wearer, head.x, head.top)
        measure = wearer.side * head.width
        wide, _ = _extent(other.anchor)
        other = other.moved(0, 0, width * measure / wide).lifted()
        _, height = _extent(other.anchor)
        # a broad head ends halfway down; what goes around the neck hangs from a face's chin
        drop = min(down, CHIN) if wearer.thing.label in BROAD else down
        below = 0.5 * height if wearer.thing.label in FACES else 0.0
        line = min(top + drop * measure + (1 - hung) * height, wearer.box[3] + below)
        return cluster.with_(_set(other, x + across * measure, line), front=True)

    return worn


def _dressed(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Over the body below the head."""
    wearer = cluster.anchor
    head = _head(wearer.thing)
    left, _, right, bottom = wearer.box
    chin = min(
        _point(wearer, 0, head.top + 0.85 * head.width)[1], bottom - 0.3 * (bottom - wearer.box[1])
    )
    wide, height = _extent(other.anchor)
    by = min(0.9 * (right - left) / wide, 1.15 * (bottom - chin) / height)
    other = other.moved(0, 0, by).lifted()
    foot = chin + _extent(other.anchor)[1]
    return cluster.with_(_set(other, (left + right) / 2, foot), front=True)


def _shod(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    left, top, right, bottom = cluster.anchor.box
    other = _fitted(other, cluster.anchor, 0.24, 0.3)
    return cluster.with_(
        _set(other, (left + right) / 2, bottom + 0.02 * (bottom - top)), front=True
    )


def _backed(cluster: Cluster, other: Cluster, bond: Bond) -> Cluster:
    """Behind the shoulders, to be seen at one side."""
    left, top, right, bottom = cluster.anchor.box
    other = _fitted(other, cluster.anchor, 0.55, 0.7).lifted()
    x, foot = left + 0.14 * (right - left), bottom - 0.12 * (bottom - top)
    return cluster.with_(_set(other, x, foot), front=False)


JOINTS: dict[str, Join] = {
    "on": _on,
    "riding": _riding,
    "inside": _inside,
    "doorway": _doorway,
    "under": _under,
    "canopy": _canopy,
    "above": _above,
    "front": _front,
    "behind": _behind,
    "holding": _held,
    "raised": _raised,
    "worn on head": _worn(0.0, 1.0, 0.14, 1.0),
    "worn on ears": _worn(0.0, 1.16, 0.38, 0.5),
    "worn on face": _worn(0.0, 0.84, 0.45, 0.5),
    "worn on neck": _worn(0.0, 0.8, 0.95, 0.2),
    "worn on body": _dressed,
    "worn on feet": _shod,
    "worn on hand": _gloved,
    "worn on back": _backed,
}
